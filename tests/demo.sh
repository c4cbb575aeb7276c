#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# demo.sh [--keep-cluster]: builds cephnode, starts a real Ceph cluster on loopback, drains one of its nodes, and shows that the data is intact.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
keep=''
case "${1:-}" in
  '') ;;
  --keep-cluster) keep=1 ;;
  *) echo "usage: demo.sh [--keep-cluster]" >&2; exit 2 ;;
esac
export CN_CEPH PYTHONDONTWRITEBYTECODE=1
CN_CEPH=$(mktemp -d -t cephnode-demo.XXXXXX)
rig=$root/tests/rig/ceph child='' done=''

bold='' dim='' plain=''
[ ! -t 1 ] || bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
show() { printf '%s$ %s%s\n' "$dim" "$*" "$plain"; "$@" & child=$!; wait "$child"; child=''; }
quiet() { "$@" & child=$!; wait "$child"; child=''; }
finish() {
  local code=$?
  trap '' INT TERM
  trap - EXIT
  [ -z "$child" ] || { kill -TERM "$child" 2>/dev/null || :; wait "$child" || :; }
  if [ -n "$keep" ] && [ -n "$done" ]; then exit "$code"; fi
  [ ! -e "$CN_CEPH/ceph.conf" ] || { title "Taking the cluster down"; "$rig/down.sh" --wipe; }
  rm -rf "$CN_CEPH"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

main() {
  title "1. What it needs"
  quiet "$root/tests/install.sh"
  echo "all packages are there"

  title "2. Building cephnode"
  quiet "$root/tests/build.sh" release
  bin=${CN_BUILD:-$root/build}/release
  PATH=$bin:$PATH
  show cephnode --version

  title "3. A real Ceph cluster: 1 monitor, 1 manager, 5 nodes of 2 OSDs, on loopback"
  [ -n "$keep" ] || export CN_OWNER=$$
  quiet env HOSTS=5 OSDS=2 SPEED=slow SLEEP="${DEMO_SLEEP:-0.1}" STATS=2 PG_EC=16 PG_RBD=0 "$rig/up.sh" >/dev/null
  export CEPH_CONF=$CN_CEPH/ceph.conf
  show ceph osd tree
  data() { (cd "$root/tests/cluster" && exec /usr/bin/python3 -m cnlib.load "$1" "$CEPH_CONF" rep 500 65536 ec 150 65536); }
  echo; echo "Writing 650 objects to a replicated and an erasure-coded pool, each with a checksum:"
  quiet data write
  counted() { until [ "$(ceph status -f json | jq '.pgmap.num_objects // 0')" -ge 650 ]; do sleep 0.3; done; }
  quiet counted # the manager's statistics are some seconds behind

  title "4. What draining 127.0.1.2 would do (changes nothing)"
  show cephnode plan 127.0.1.2

  title "5. Draining it: move, prove, stop, remove"
  show cephnode drain 127.0.1.2 --yes

  title "6. The node's OSDs are gone"
  show ceph osd tree
  show ceph health
  show cephnode status

  title "7. The data is intact"
  quiet data verify
  done=1

  if [ -n "$keep" ]; then
    title "The cluster stays up"
    cat <<T
  export CEPH_CONF=$CEPH_CONF PATH=$bin:\$PATH
  cephnode discover 127.0.1.4        # who lives there
  cephnode plan node4                # what a drain would do
  ceph -s
To end it:
  CN_CEPH=$CN_CEPH $rig/down.sh --wipe
T
  fi
}
main
