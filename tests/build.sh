#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# build.sh PRESET...: configures and builds, one run at a time; quiet unless it fails. $CN_BUILD: where to (build/).
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${CN_BUILD:-$root/build}
mkdir -p "$build"
exec 9>"$build/.lock"
flock 9
for preset; do
  log=$build/$preset.log
  # in a process of its own, without the lock: whatever outlives us must not keep it
  if ! (cd "$root" && cmake --preset "$preset" -B "$build/$preset" && cmake --build "$build/$preset") >"$log" 2>&1 </dev/null 9>&-; then
    tail -n 60 "$log" >&2
    echo "build.sh: $preset does not build (all of it: $log)" >&2
    exit 1
  fi
  ! grep -n 'warning:' "$log" >&2 || echo "build.sh: $preset builds with warnings" >&2
done
