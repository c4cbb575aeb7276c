#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# faq-discover.sh HOST: the OSDs of a CRUSH host as people look them up, with the ceph command and jq. $CEPH_CONF names the cluster.
set -euo pipefail
ids=$(ceph osd crush tree -f json | jq -c --arg host "$1" '.nodes[] | select(.type == "host" and .name == $host) | .children')
dump=$(ceph osd dump -f json)
df=$(ceph osd df -f json)
jq -n --arg host "$1" --argjson ids "$ids" --argjson dump "$dump" --argjson df "$df" '
  [$ids | sort[] as $id
   | ($dump.osds[] | select(.osd == $id)) as $o
   | ($df.nodes[] | select(.id == $id)) as $d
   | {id: $id, host: $host, address: ($o.public_addr | sub(":[0-9]+/[0-9]+$"; "")), up: ($o.up == 1), in: ($o.in == 1),
      crush_weight: $d.crush_weight, reweight: $d.reweight, pgs: $d.pgs}]'
