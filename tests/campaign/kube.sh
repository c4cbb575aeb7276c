#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# campaign/kube.sh: `drain <ip>` against a real Kubernetes API server and a real Ceph cluster. The server is built the first time (4 to 10
# minutes, into $CN_KUBE, by default build/kube). CN_BUILD, CEPHNODE as for the cluster tests.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) rig=$(cd "$(dirname "$0")/../rig/kube" && pwd)
export CN_BUILD=${CN_BUILD:-$(cd "$here/../.." && pwd)/build} PYTHONDONTWRITEBYTECODE=1
export CN_KUBE=${CN_KUBE:-$CN_BUILD/kube} CN_OWNER=$$
"$here/../install.sh"
"$rig/build.sh" >/dev/null
export RUN=${RUN:-$CN_KUBE/run.$$}
trap '"$rig/stop.sh" --wipe >/dev/null 2>&1 || true' EXIT
"$rig/start.sh"
PYTHONPATH=$here/../cluster /usr/bin/python3 "$here/kube_drain.py" -v
