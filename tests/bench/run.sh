#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh [--quick] [PART...]: the release build on real clusters of this machine, as ratios taken in one run. Parts, by default all:
#   speed     how fast and how small it is (10 OSDs on 5 hosts)
#   moved     how much a drain moves, and how long it takes, against the same by hand (12 OSDs on 6 hosts)
#   locks     how fast and how small 'locks list' is (3 OSDs; the part with a delay needs root)
#   kube      discover among 1,200 pods, against kubectl and jq (3 OSDs; package kubernetes-client)
#   heat      the agent beside a real Keystone and Heat, which it installs (root); only when named
#   simulate  how much it moves in clusters of up to 12,000 OSDs; no cluster, map files; writes its table and plot into docs/ (not with --quick)
# Markdown tables on stdout, all figures in build/release/bench/*.json. $CN_BUILD: where it is built.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
export CN_BUILD=${CN_BUILD:-$root/build} PYTHONDONTWRITEBYTECODE=1
quick=() parts=()
for word; do
  case $word in
    --quick) quick=(--quick) ;;
    speed | moved | locks | kube | heat | simulate) parts+=("$word") ;;
    *) sed -n '3,10s/^# //p' "$0" >&2; exit 2 ;;
  esac
done
if [ ${#parts[@]} = 0 ]; then
  parts=(speed moved locks simulate)
  if command -v kubectl >/dev/null; then parts+=(kube); else echo "no kubectl here: without the part kube" >&2; fi
fi
"$root/tests/install.sh" >&2
mkdir -p "$CN_BUILD"
( flock 9 # as tests/build.sh: one build at a time
  cd "$root"
  cmake --preset release -B "$CN_BUILD/release"
  cmake --build "$CN_BUILD/release" --target cephnode bench-bare bench-images bench-delay bench-simulate ) 9>"$CN_BUILD/.lock" >&2
export CEPHNODE=$CN_BUILD/release/cephnode
declare -A script=([speed]=bench.py [moved]=moved.py [locks]=locks.py [kube]=kube.py [heat]=heat.py [simulate]=simulate.py)
for part in "${parts[@]}"; do
  /usr/bin/python3 "$root/tests/bench/${script[$part]}" "${quick[@]}"
  echo
done
