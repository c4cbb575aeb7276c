#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# up.sh: brings a cluster up, prints its folder as the last line. Parameters by environment:
#   CN_CEPH (its folder) HOSTS=5 OSDS=2 (a host) MONS=1 MGRS=1 STORE=memstore|bluestore SIZE=3 PG_REP=32 PG_EC=16 PG_RBD=16 (0: no such pool)
#   OLD=1: PGs whose log was trimmed, as in a cluster with a past: they move by backfill; young ones (0) by log recovery
#   SPEED=fast|slow  SLEEP=seconds of osd_recovery_sleep  DOWN_OUT=600  STATS=5 (mgr_stats_period)  PROPOSE=1 (paxos_propose_interval)
#   NAMES="a b ..." the hosts' names instead of node1 ...   NET=127.0.1. and MON_IP=127.0.0.1 (v6: fd00:1:: and fd00:1::100)
#   NET6=fd00:1:: the OSDs bind to v6, too, at the same number   CONF/CONF_OSD=more lines  CN_OWNER=pid: taken down when that process is gone
# Host H is the CRUSH host nodeH at 127.0.1.H and holds osd.(H-1)*OSDS ... Pools: rep (replicated), ec (k=2 m=1), rbd.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
HOSTS=${HOSTS:-5} OSDS=${OSDS:-2} MONS=${MONS:-1} MGRS=${MGRS:-1} STORE=${STORE:-memstore} SIZE=${SIZE:-3}
PG_REP=${PG_REP:-32} PG_EC=${PG_EC:-16} PG_RBD=${PG_RBD:-16} CONF=${CONF:-} CONF_OSD=${CONF_OSD:-} SPEED=${SPEED:-fast}
DOWN_OUT=${DOWN_OUT:-600} STATS=${STATS:-5} PROPOSE=${PROPOSE:-1} NET=${NET:-127.0.1.} MON_IP=${MON_IP:-127.0.0.1}
MEM_BYTES=${MEM_BYTES:-3221225472} BLOCK_BYTES=${BLOCK_BYTES:-2147483648}
NAMES=${NAMES:-$(for ((h = 1; h <= HOSTS; h++)); do printf 'node%d ' "$h"; done)}
set -eo pipefail
case $SPEED in
  fast) CONF_OSD+=$'\n'"osd recovery sleep = ${SLEEP:-0}"$'\nosd recovery sleep hdd = 0\nosd recovery sleep ssd = 0\nosd recovery sleep hybrid = 0\nosd max backfills = 16\nosd recovery max active = 16' ;;
  slow) CONF_OSD+=$'\n'"osd recovery sleep = ${SLEEP:-0.2}"$'\nosd recovery max single start = 1' ;;
esac
[ "${OLD:-0}" = 0 ] || CONF_OSD+=$'\nosd min pg log entries = 2\nosd max pg log entries = 3\nosd target pg log entries per osd = 10\nosd pg log trim min = 1'

mkdir -p "$CN_CEPH"/{run,log,crash,place}
exec 9>"$CN_CEPH/lock"; flock -n 9 || { echo "$CN_CEPH: another up.sh works there" >&2; exit 1; }
[ ! -e "$CN_CEPH/pids" ] || { echo "$CN_CEPH: a cluster stands there (down.sh ends it)" >&2; exit 1; }
if [ -n "${CN_OWNER:-}" ]; then
  CN_OWNER=${CN_OWNER%%:*}:$(cn_born "${CN_OWNER%%:*}") || { echo "the owner $CN_OWNER is gone" >&2; exit 1; }
  export CN_OWNER
fi
cn_port
: >"$CN_CEPH/pids"
[ -z "${NET6:-}" ] || { echo "$NET6" >"$CN_CEPH/net6"; CONF_OSD+=$'\nms bind ipv4 = true\nms bind ipv6 = true'; }
trap '[ $? = 0 ] || "$CN_HERE/down.sh"' EXIT
setsid nohup "$CN_HERE/lib.sh" cn_keeper >/dev/null 2>&1 </dev/null 9>&- &
FSID=$(cat /proc/sys/kernel/random/uuid)
cn_conf
read -ra names <<<"$NAMES"

# Keys of everybody in one keyring, which --mkfs imports.
N=$((HOSTS * OSDS)) K=$CN_CEPH/keyring
(umask 077; /usr/bin/python3 - "$N" "$MGRS" "$CN_CEPH" <<'P'
import base64, os, struct, sys, time
def entry(f, name, *caps):
    key = base64.b64encode(struct.pack('<hiih', 1, int(time.time()), 0, 16) + os.urandom(16)).decode()
    text = '[%s]\n\tkey = %s\n' % (name, key) + ''.join('\tcaps %s = "%s"\n' % c for c in caps)
    f.write(text)
    return text
osds, mgrs, folder = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
with open(folder + '/keyring', 'w') as f:
    entry(f, 'mon.', ('mon', 'allow *'))
    admin = entry(f, 'client.admin', *((d, 'allow *') for d in ('mon', 'mgr', 'osd', 'mds')))
    for i in range(mgrs):
        entry(f, 'mgr.' + 'xyz'[i], ('mon', 'allow profile mgr'), ('osd', 'allow *'), ('mds', 'allow *'))
    for i in range(osds):
        entry(f, 'osd.%d' % i, ('mon', 'allow profile osd'), ('mgr', 'allow profile osd'), ('osd', 'allow *'))
with open(folder + '/client.keyring', 'w') as f:
    f.write(admin)
P
)
mons=$(cn_names "$MONS" a b c d e) n=0 add=()
for m in $mons; do add+=(--addv "$m" "$(cn_mon_addr $n)"); n=$((n + 1)); done
monmaptool --create --fsid "$FSID" --set-min-mon-release 16 "${add[@]}" "$CN_CEPH/monmap" >/dev/null
for m in $mons; do
  mkdir "$CN_CEPH/mon.$m"
  ceph-mon -c "$CEPH_CONF" --mkfs -i "$m" --monmap "$CN_CEPH/monmap" --keyring "$K" >>"$CN_CEPH/log/mkfs.out" 2>&1
  cn_mon_start "$m"
done
uuids=() ps=()
for ((i = 0; i < N; i++)); do
  uuids[i]=$(cat /proc/sys/kernel/random/uuid)
  cn_osd_place "$i" "$NET$((i / OSDS + 1))" "${names[i / OSDS]}"
done
cn_wait 60 cn_ceph mon stat
{ echo "config set mgr mgr/balancer/active false --force"; echo "config set mgr mgr/devicehealth/enable_monitoring false --force"
  echo "config set mgr mgr/telemetry/enabled false --force"; } | cn_batch
for m in $(cn_names "$MGRS" x y z); do mkdir "$CN_CEPH/mgr.$m"; cn_mgr_start "$m"; done
{ # one CRUSH map, one command
  printf 'tunable %s\n' 'choose_local_tries 0' 'choose_local_fallback_tries 0' 'choose_total_tries 50' 'chooseleaf_descend_once 1' \
    'chooseleaf_vary_r 1' 'chooseleaf_stable 1' 'straw_calc_version 1' 'allowed_bucket_algs 54'
  for ((i = 0; i < N; i++)); do echo "device $i osd.$i"; done
  printf 'type %s\n' '0 osd' '1 host' '2 chassis' '3 rack' '4 row' '5 pdu' '6 pod' '7 room' '8 datacenter' '9 zone' '10 region' '11 root'
  for ((h = 0; h < HOSTS; h++)); do
    echo "host ${names[h]} {"; echo " id -$((h + 2))"; echo ' alg straw2'; echo ' hash 0'
    for ((i = h * OSDS; i < h * OSDS + OSDS; i++)); do echo " item osd.$i weight 1.000"; done; echo '}'
  done
  echo 'root default {'; echo ' id -1'; echo ' alg straw2'; echo ' hash 0'
  for ((h = 0; h < HOSTS; h++)); do echo " item ${names[h]} weight $OSDS.000"; done; echo '}'
  printf '%s\n' 'rule replicated_rule {' ' id 0' ' type replicated' ' min_size 1' ' max_size 10' ' step take default' \
    ' step chooseleaf firstn 0 type host' ' step emit' '}'
} >"$CN_CEPH/crush.txt"
crushtool -c "$CN_CEPH/crush.txt" -o "$CN_CEPH/crush.bin"
{ echo "mon enable-msgr2"
  echo "osd set-require-min-compat-client luminous"
  for ((i = 0; i < N; i++)); do echo "osd new ${uuids[i]} $i"; done
  [ "$PG_EC" = 0 ] || echo "osd erasure-code-profile set k2m1 plugin=jerasure k=2 m=1 crush-failure-domain=host"
} | cn_batch && cn_ceph osd setcrushmap -i "$CN_CEPH/crush.bin" 2>/dev/null & batch=$!
for ((i = 0; i < N; i++)); do
  cn_osd_mkfs "$i" "${uuids[i]}" & ps+=($!)
  [ $((i % 3)) != 2 ] || { wait "${ps[@]}"; ps=(); }
done
[ ${#ps[@]} = 0 ] || wait "${ps[@]}"   # without arguments it would wait for the keeper, too
wait $batch
for ((i = 0; i < N; i++)); do cn_osd_start "$i"; done
nup() { [ "$(cn_ceph osd stat -f json | jq .num_up_osds)" = "$N" ]; }
cn_wait 120 nup
{ [ "$PG_REP" = 0 ] || echo "osd pool create rep $PG_REP $PG_REP replicated"
  [ "$PG_EC" = 0 ] || echo "osd pool create ec $PG_EC $PG_EC erasure k2m1"
  [ "$PG_RBD" = 0 ] || { echo "osd pool create rbd $PG_RBD $PG_RBD replicated"; echo "osd pool application enable rbd rbd"; }
} | cn_batch
clean() { cn_ceph -s -f json | jq -e '.health.status=="HEALTH_OK" and .mgrmap.available and ([.pgmap.pgs_by_state[]?|select(.state_name=="active+clean").count]|add // 0)==.pgmap.num_pgs and .pgmap.num_pgs>='$((PG_REP + PG_EC + PG_RBD)); }
off() { [ "$(cn_ceph balancer status | jq .active)" = false ]; }   # the balancer would move data of its own
cn_wait 60 off
cn_wait 120 clean || { cn_ceph -s >&2; exit 1; }
for m in $mons; do cn_ceph tell "mon.$m" config set paxos_propose_interval "$PROPOSE" >/dev/null 2>&1; done
echo "$CN_CEPH"
