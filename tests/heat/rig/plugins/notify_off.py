# SPDX-License-Identifier: LGPL-2.1-or-later
"""Heat 19 with oslo.messaging 14.0.3-0+deb12u1 (which sends a stripped copy of the context with each notification) fails
every scaling signal with "Authorization failed", although the alarm_url has answered 200. The rig sends no notifications."""
from heat.engine import notification

notification.notify = lambda context, event_type, level, body: None


def resource_mapping():
    return {}
