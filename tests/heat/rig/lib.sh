#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# lib.sh — settings shared by the scripts; source it. CN_HEAT names the scratch folder (default: a fresh one).
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CN_HEAT=${CN_HEAT:-$(mktemp -d)}
export CN_HEAT
export CN_PORT=${CN_PORT:-25000}            # the first of four ports, all on 127.0.0.1
export KS_PORT=$CN_PORT HEAT_PORT=$((CN_PORT + 1)) CFN_PORT=$((CN_PORT + 2)) FAKE_PORT=$((CN_PORT + 3))
export KS_URL=http://127.0.0.1:$KS_PORT/v3 HEAT_URL=http://127.0.0.1:$HEAT_PORT/v1 CFN_URL=http://127.0.0.1:$CFN_PORT/v1
export ADMIN_PW=admin-pw-of-the-test-rig HEAT_PW=heat-pw-of-the-test-rig DOMAIN_PW=domain-pw-of-the-test-rig
STACK_TIMEOUT=${STACK_TIMEOUT:-3600}        # heat.conf stack_action_timeout, seconds

say() { printf '%s\n' "$*" >&2; }
alive() { kill -0 "$1" 2>/dev/null; }

# start NAME COMMAND... : run in the background, log to $CN_HEAT/NAME.log, pid to $CN_HEAT/NAME.pid
start() {
  local name=$1; shift
  setsid nohup "$@" >>"$CN_HEAT/$name.log" 2>&1 </dev/null &
  echo $! >"$CN_HEAT/$name.pid"
}
# stop NAME : end that process (and the children it has made) by pid, wait until it is gone
stop() {
  local f=$CN_HEAT/$1.pid pid
  [ -s "$f" ] || return 0
  pid=$(cat "$f")
  if alive "$pid"; then
    kill -TERM -- "-$pid" 2>/dev/null || kill -TERM "$pid"
    for _ in $(seq 50); do alive "$pid" || break; sleep 0.1; done
    alive "$pid" && kill -KILL -- "-$pid" 2>/dev/null
  fi
  rm -f "$f"
}
# until_http NAME URL SECONDS : wait until NAME answers there, whatever the status, or is dead
until_http() {
  local end=$((SECONDS + $3))
  while [ $SECONDS -lt $end ] && alive "$(cat "$CN_HEAT/$1.pid")"; do
    curl -s -o /dev/null -m 2 "$2" && return 0
    sleep 0.1
  done
  say "$1 does not answer at $2:"; tail -n 3 "$CN_HEAT/$1.log" >&2; return 1
}
start_keystone() {
  export OS_KEYSTONE_CONFIG_FILES=$CN_HEAT/keystone.conf
  start keystone uwsgi --plugin python3 --master --die-on-term --lazy-apps \
  --processes 2 --threads 1 --add-header 'Connection: close' \
    --http-socket "127.0.0.1:$KS_PORT" --wsgi-file "$(command -v keystone-wsgi-public)" --buffer-size 65535
  until_http keystone "$KS_URL" 180
}
# restart_heat [SIGNAL]: the engine ends in the middle of what it does (KILL), and another one begins.
restart_heat() {
  local pid; pid=$(cat "$CN_HEAT/heat.pid")
  kill -s "${1:-KILL}" -- "-$pid"
  while alive "$pid"; do sleep 0.1; done
  (cd "$CN_HEAT" && start heat heat-all --config-file "$CN_HEAT/heat.conf")
  until_http heat "http://127.0.0.1:$HEAT_PORT/" 180
}
[ "${BASH_SOURCE[0]}" != "$0" ] || "$@"
