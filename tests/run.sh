#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh [FILE[:PATTERN]...]: installs what is missing, builds both presets, runs every test; ends with `N passed, N failed, N skipped`.
# Arguments choose cluster tests (see tests/cluster/run.py) and leave the others out. Any folder, several at once.
#   CN_BUILD=build  CN_SEED=1 (which share of the large matrices)  CN_CAMPAIGN=1 (all of them)
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
export CN_BUILD=${CN_BUILD:-$root/build} CN_SEED=${CN_SEED:-1} PYTHONDONTWRITEBYTECODE=1
passed=0 failed=0 skipped=0 child='' scratch=$(mktemp -d -t cn-run.XXXXXX)
began=$SECONDS

finish() { # exit code
  trap '' INT TERM
  rm -rf "$scratch"
  echo "took $((SECONDS - began)) s"
  echo "$passed passed, $failed failed, $skipped skipped"
  exit "$1"
}
interrupted() {
  trap '' INT TERM
  [ -z "$child" ] || { kill -TERM "$child" 2>/dev/null; wait "$child"; }
  [ ! -s "$scratch/cluster" ] || count $(tail -n 1 "$scratch/cluster" | tr -cd '0-9 ')
  finish 130
}
trap interrupted INT TERM
stage() { # in the background, so that a signal is answered at once
  "$@" & child=$!
  wait "$child"; local code=$?
  child=''
  return $code
}
count() { passed=$((passed + ${1:-0})) failed=$((failed + ${2:-0})) skipped=$((skipped + ${3:-0})); }

run_ctest() { # PRESET
  echo "== ctest, $1"
  stage ctest --test-dir "$CN_BUILD/$1" -j 4 --output-on-failure --no-tests=error --output-junit "$scratch/$1.xml"
  local code=$?
  [ -s "$scratch/$1.xml" ] || { echo "ctest ($1) did not come to its end" >&2; count 0 1 0; return; }
  count $(/usr/bin/python3 - "$scratch/$1.xml" <<'P'
import sys, xml.etree.ElementTree as E
r = E.parse(sys.argv[1]).getroot()
n, bad, skip = (int(r.get(k, 0)) for k in ('tests', 'failures', 'skipped'))
skip += int(r.get('disabled', 0))
print(n - bad - skip, bad, skip)
P
)
  [ $code = 0 ] || [ "$failed" != 0 ] || count 0 1 0
}

main() { # a function, so that bash has read all of it before it begins: the file may change meanwhile
  echo "== packages"
  stage "$root/tests/install.sh" || { count 0 1 0; finish 1; }
  echo "== build (dev: ASan and UBSan; release)"
  stage "$root/tests/build.sh" dev release || { count 0 1 0; finish 1; }
  if [ $# = 0 ]; then
    run_ctest dev
    run_ctest release
  fi
  echo "== real clusters, seed $CN_SEED"
  stage "$root/tests/cluster/run.py" "$@" > >(tee "$scratch/cluster")
  code=$?
  for _ in $(seq 300); do grep -qE '^[0-9]+ passed, ' "$scratch/cluster" && break; sleep 0.1; done   # tee may lag
  line=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$scratch/cluster" | tail -n 1)
  if [ -n "$line" ]; then count $(tr -cd '0-9 ' <<<"$line"); else count 0 1 0; fi
  [ $code = 0 ] || [ "$failed" != 0 ] || count 0 1 0
  [ "$failed" = 0 ] && [ "$passed" != 0 ] && finish 0
  finish 1
}
main "$@"
