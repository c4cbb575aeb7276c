#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh [MODULE[.CLASS[.TEST]]...]: `heat agent` and `heat hook` against a real Keystone and Heat beside a real Ceph cluster; by default all
# of it (README.md). Not part of the CI: the packages take a minute and a half to install, the first start half a minute, a stack ten
# seconds. As root; installs what is missing. CN_HEAT=folder keeps Keystone's databases for the next run.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
"$here/../install.sh"
for program in heat-all keystone-manage uwsgi; do
  command -v $program >/dev/null || { "$here/rig/install.sh"; break; }
done
export CN_BUILD=${CN_BUILD:-$here/../../build} CN_LOGS=${CN_LOGS:-$(mktemp -d -t cn-logs.XXXXXX)} PYTHONWARNINGS=ignore PYTHONDONTWRITEBYTECODE=1
[ -n "${CEPHNODE:-}" ] || "$here/../build.sh" dev
cd "$here"
[ $# -gt 0 ] || set -- test_agent test_agent_faults test_hook test_pods
exec /usr/bin/python3 -m unittest -v "$@"
