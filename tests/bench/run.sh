#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh [--quick]: how fast and how small the release build is, on real clusters of this machine (10 OSDs on 5 hosts), as ratios
# taken in one run. A markdown table on stdout, all figures in build/release/bench/results.json. $CN_BUILD: where it is built.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
export CN_BUILD=${CN_BUILD:-$root/build} PYTHONDONTWRITEBYTECODE=1
mkdir -p "$CN_BUILD"
( flock 9 # as tests/build.sh: one build at a time
  cd "$root"
  cmake --preset release -B "$CN_BUILD/release"
  cmake --build "$CN_BUILD/release" --target cephnode bench-bare ) 9>"$CN_BUILD/.lock" >&2
export CEPHNODE=$CN_BUILD/release/cephnode
exec /usr/bin/python3 "$root/tests/bench/bench.py" "$@"
