#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# install.sh — the Debian packages of a Keystone and a Heat that run as plain processes (about 300 packages, 1 minute).
# No daemon is started: a policy-rc.d that answers 101 is put in place for the time of the installation.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo "install.sh: must be root" >&2; exit 2; }
rc=/usr/sbin/policy-rc.d made=
if [ ! -e $rc ]; then printf '#!/bin/sh\nexit 101\n' >$rc; chmod 755 $rc; made=1; fi
trap '[ -z "$made" ] || rm -f $rc' EXIT
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -y -q --no-install-recommends keystone python3-heat heat-common heat-api heat-api-cfn heat-engine \
  python3-keystoneclient python3-heatclient python3-os-collect-config uwsgi-core uwsgi-plugin-python3 curl jq
