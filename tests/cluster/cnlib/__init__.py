# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the cluster tests stand on: a real cluster, a client that never stops, an observer, the tool."""
