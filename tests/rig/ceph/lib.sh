#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# lib.sh: a real Ceph cluster on loopback as plain processes, all state in $CN_CEPH.
# Source it, or call one function: `lib.sh FUNCTION ARGS`. Processes are recorded by pid and ended by pid.
set -u
[ -n "${CN_CEPH:-}" ] || { CN_CEPH=$(mktemp -d -t cn-ceph.XXXXXX); }
export CN_CEPH CEPH_CONF=$CN_CEPH/ceph.conf
unset CEPH_ARGS CEPH_KEYRING
CN_HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

cn_ceph() { ceph -c "$CEPH_CONF" --connect-timeout 30 "$@"; }
cn_batch() { # commands on stdin, one a line; in this mode `ceph` itself does not fail when one does
  local out; out=$(cn_ceph 2>&1); echo "$out" >>"$CN_CEPH/log/batch.log"
  ! grep '^Error' >&2 <<<"$out"
}

# A block of 1000 ports: mons at the start, OSDs and mgrs from +100. Whoever holds the lock on the block's file owns it;
# the keeper (below) holds it as long as the cluster stands, so that nothing is left to clean up after a crash.
cn_port() { # sets PORT, leaves the lock on fd 8
  local dir=/tmp/cephnode-rig-ports i p f
  mkdir -p -m 1777 "$dir"
  for i in $(seq 200); do
    p=$((12000 + RANDOM % 20 * 1000)) f=$dir/$p
    [ -e "$f" ] || : >"$f" || continue
    exec 8<"$f"
    flock -n 8 && ! ss -Hltn | awk -v a=$p '{n = split($4, x, ":"); if (x[n] >= a && x[n] < a + 1000) f = 1} END {exit !f}' &&
      { PORT=$p; return 0; }
    exec 8<&-
    [ $((i % 20)) != 0 ] || sleep 1
  done
  echo "no free block of ports" >&2
  return 1
}
cn_born() { # PID: when it was started, so that a reused pid is no mistake; fails when it is gone
  local s; s=$(cat "/proc/$1/stat" 2>/dev/null) && s=${s##*) } && set -- $s && [ "$1" != Z ] && echo "${20}"
}
cn_owned() { # fails when CN_OWNER (PID or PID:BIRTH) is given and gone
  [ -z "${CN_OWNER:-}" ] && return 0
  local b; b=$(cn_born "${CN_OWNER%%:*}") && case $CN_OWNER in *:*) [ "${CN_OWNER#*:}" = "$b" ] ;; esac
}
cn_keeper() { # holds the block of ports; whatever ends the owner, nothing is left running
  while [ -e "$CN_CEPH/pids" ]; do
    cn_owned || exec "$CN_HERE/down.sh" --wipe
    sleep 1
  done
}
cn_spawn() { # NAME CMD...: starts a daemon, records its pid
  local name=$1; shift
  cn_owned || { echo "the owner $CN_OWNER is gone" >&2; return 1; }
  # One cgroup of a test run may be shared with a compiler: nothing is niced here.
  ( flock 7; sed -i "/^$name /d" "$CN_CEPH/pids"
    setsid nohup "$@" >>"$CN_CEPH/log/$name.out" 2>&1 </dev/null 7>&- 8>&- 9>&- &
    p=$!; echo "$name $p" >>"$CN_CEPH/pids"
    # until it has left this shell behind: who asks meanwhile must not think that it is gone, and start another
    until cn_alive "$p" || ! cn_born "$p" >/dev/null; do sleep 0.02; done ) 7>"$CN_CEPH/pids.lock"
}
cn_pid() { awk -v n="$1" '$1 == n {p = $2} END {if (p) print p; else exit 1}' "$CN_CEPH/pids"; }
cn_alive() { # PID: is it (still) a daemon of this cluster, or on its way to become one? The folder's name is no other process's argument
  tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF "$CN_CEPH/"
}
cn_kill() { # NAME [SIGNAL]: signals exactly the recorded process
  local p; p=$(cn_pid "$1") && cn_alive "$p" && kill "-${2:-TERM}" "$p"
}
cn_mon_start() { cn_spawn "mon.$1" ceph-mon -f -c "$CEPH_CONF" -i "$1"; }
# As root a daemon may have a host name of its own (in a UTS namespace), as on a machine or in a pod; else it has this machine's.
cn_named() { # HOSTNAME: sets PRE to what gives a command that name
  PRE=()
  [ -z "$1" ] || [ "$(id -u)" != 0 ] || PRE=(unshare --uts sh -c 'printf %s "$0" >/proc/sys/kernel/hostname && exec "$@"' "$1")
}
cn_mgr_start() { # ID [HOSTNAME]
  cn_named "${2:-}"
  cn_spawn "mgr.$1" "${PRE[@]}" ceph-mgr -f -c "$CEPH_CONF" -i "$1"
}
# place/osd.N holds the OSD's address and its host name.
cn_osd_place() { mkdir -p "$CN_CEPH/place"; echo "$2 $3" >"$CN_CEPH/place/osd.$1"; }   # ID ADDRESS HOSTNAME
cn_osd_mkfs() { # ID UUID
  rm -rf "$CN_CEPH/osd.$1"; mkdir "$CN_CEPH/osd.$1"
  ceph-osd -c "$CEPH_CONF" --mkfs -i "$1" --osd-uuid "$2" --monmap "$CN_CEPH/monmap" --no-mon-config >>"$CN_CEPH/log/mkfs.out" 2>&1
}
cn_osd_start() { # ID
  local a h at
  read -r a h <"$CN_CEPH/place/osd.$1"
  at=(--public-addr "$a" --cluster-addr "$a")
  [ ! -e "$CN_CEPH/net6" ] || at=(--public-network "$a/32,$(cat "$CN_CEPH/net6")${a##*.}/128" --cluster-network "$a/32,$(cat "$CN_CEPH/net6")${a##*.}/128")
  cn_named "$h"
  cn_spawn "osd.$1" "${PRE[@]}" ceph-osd -f -c "$CEPH_CONF" -i "$1" "${at[@]}"
}

cn_wait() { # SECONDS COMMAND...: until it holds
  local end=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    cn_owned || { echo "the owner $CN_OWNER is gone" >&2; exit 1; }
    [ $SECONDS -lt $end ] || { echo "gave up waiting for: $*" >&2; return 1; }
    sleep 0.2
  done
}

cn_mon_addr() { # INDEX
  local ip=$MON_IP; case $ip in *:*) ip="[$ip]" ;; esac
  echo "[v2:$ip:$((PORT + 2 * $1)),v1:$ip:$((PORT + 2 * $1 + 1))]"
}
cn_conf() { # writes ceph.conf from the variables of up.sh
  local m ids='' hosts='' n=0 net=127.0.0.0/8 v6=''
  case $MON_IP in *:*) net=::/0 v6=$'ms bind ipv6 = true\nms bind ipv4 = false' ;; esac
  for m in $(cn_names "$MONS" a b c d e); do ids+=${ids:+,}$m hosts+=${hosts:+,}$(cn_mon_addr $n); n=$((n + 1)); done
  cat >"$CEPH_CONF" <<C
[global]
fsid = $FSID
mon initial members = $ids
mon host = $hosts
public network = $net
cluster network = $net
$v6
keyring = $CN_CEPH/keyring
run dir = $CN_CEPH/run
admin socket = $CN_CEPH/run/\$name.asok
log file = $CN_CEPH/log/\$name.log
pid file =
crash dir = $CN_CEPH/crash
log max recent = 100
auth allow insecure global id reclaim = false
ms bind port min = $((PORT + 100))
ms bind port max = $((PORT + 999))
osd pool default size = $SIZE
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 1
mon max pg per osd = 2000
mon warn on pool no app = false
mon warn on pool no redundancy = false
mon pg warn min per osd = 0
mon allow pool delete = true
mon allow pool size one = true
mon data avail warn = 1
mon data avail crit = 1
# a busy machine is no reason to refuse a drain
mon warn on slow ping time = 15000
mgr stats period = $STATS
$CONF
[mon]
mon data = $CN_CEPH/mon.\$id
mon osd down out interval = $DOWN_OUT
mon osd min down reporters = 1
paxos propose interval = 0.1
mgr initial modules =
[mgr]
mgr data = $CN_CEPH/mgr.\$id
[osd]
osd data = $CN_CEPH/osd.\$id
osd objectstore = $STORE
osd crush update on start = false
osd class update on start = false
# memstore keeps its objects over a restart only when it is shut down in order
osd fast shutdown = false
osd max pg per osd hard ratio = 20
memstore device bytes = $MEM_BYTES
bluestore block create = true
bluestore block size = $BLOCK_BYTES
bluestore cache autotune = false
bluestore cache size = 33554432
osd memory target = 268435456
osd op num shards = 2
osd op num threads per shard = 1
$CONF_OSD
[client]
log file =
admin socket =
[client.admin]
keyring = $CN_CEPH/client.keyring
C
}
cn_names() { local n=$1; shift; echo "${@:1:$n}"; }
[ "${BASH_SOURCE[0]}" != "$0" ] || "$@"
