#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh [CLASS[.TEST]...]: `heat agent` against a real Keystone and Heat beside a real Ceph cluster. Not part of the CI: the packages
# take a minute and a half to install, the first start half a minute, a stack ten seconds. As root; installs what is missing.
# CN_HEAT=folder keeps Keystone's databases for the next run.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
command -v heat-all >/dev/null && command -v keystone-manage >/dev/null || "$here/rig/install.sh"
export CN_BUILD=${CN_BUILD:-$here/../../build} CN_LOGS=${CN_LOGS:-$(mktemp -d -t cn-logs.XXXXXX)} PYTHONWARNINGS=ignore PYTHONDONTWRITEBYTECODE=1
cd "$here"
exec /usr/bin/python3 -m unittest -v ${@:-test_agent}
