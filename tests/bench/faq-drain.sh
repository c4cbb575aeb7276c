#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# faq-drain.sh HOST ID...: a host's OSDs removed by hand, as runbooks tell: one after the other out, wait, stop, remove, wait.
# $CEPH_CONF names the cluster. Polls each second, as a person's loop does.
set -euo pipefail
host=$1; shift

settled() { # HEALTH_OK, and every PG clean where it belongs
  [ "$(ceph health)" = HEALTH_OK ] &&
    ceph pg dump pgs_brief -f json 2>/dev/null | jq -e '[.pg_stats[] | select((.state | startswith("active+clean") | not) or .up != .acting)] == []' >/dev/null
}
empty() { # with none left there is no list at all
  ceph pg ls-by-osd "$1" -f json | jq -e '(.pg_stats // []) == []' >/dev/null
}
is_down() { ceph osd dump -f json | jq -e --argjson id "$1" 'any(.osds[]; .osd == $id and .up == 0)' >/dev/null; }
wait_until() { until "$@"; do sleep 1; done; }

for id; do
  ceph osd out "$id"
  wait_until empty "$id"
  wait_until settled
  ceph osd stop "$id" # on a machine: systemctl stop ceph-osd@N
  wait_until is_down "$id"
  ceph osd crush remove "osd.$id"
  ceph auth del "osd.$id"
  ceph osd rm "$id"
  sleep 10 # statistics lag behind the map: sooner, all looks settled before it has begun
  wait_until settled
done
ceph osd crush remove "$host"
