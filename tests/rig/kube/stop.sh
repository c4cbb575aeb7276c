#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# stop.sh [--wipe] — end exactly the processes that start.sh recorded (checked by pid and executable; a stopped one is continued first).
set -u
RUN=${RUN:-${CN_KUBE:?set CN_KUBE to a scratch folder}/run}
[ -s "$RUN/pids" ] || { echo "nothing recorded in $RUN/pids"; exit 0; }
tac "$RUN/pids" | while read -r n p; do
  exe=$(readlink "/proc/$p/exe" 2>/dev/null) || continue
  case $exe in */kube-apiserver*|*/etcd) ;; *) echo "pid $p is $exe, left alone"; continue ;; esac
  kill -TERM "$p"; kill -CONT "$p"; for _ in $(seq 100); do kill -0 "$p" 2>/dev/null || break; sleep 0.1; done
  kill -0 "$p" 2>/dev/null && kill -KILL "$p"; echo "stopped $n $p"
done
rm -f "$RUN/pids"
[ "${1:-}" = --wipe ] && rm -rf "$RUN"
exit 0
