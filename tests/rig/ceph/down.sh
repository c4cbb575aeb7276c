#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# down.sh [--wipe]: ends exactly the recorded processes of the cluster in $CN_CEPH (by pid, executable and folder).
[ -n "${CN_CEPH:-}" ] || { echo "set CN_CEPH" >&2; exit 2; }
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
ps=()
while read -r _ p; do cn_alive "$p" && kill -KILL "$p" 2>/dev/null && ps+=("$p"); done < <(tac "$CN_CEPH/pids" 2>/dev/null)
for p in "${ps[@]}"; do for _ in $(seq 100); do cn_alive "$p" || break; sleep 0.1; done; done
rm -f "$CN_CEPH/pids"   # the keeper sees this and lets the ports go
[ "${1:-}" != --wipe ] || [ ! -e "$CN_CEPH/ceph.conf" ] || rm -rf "$CN_CEPH"
