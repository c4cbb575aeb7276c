#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# start.sh — a real Keystone (uwsgi) and a real Heat (one heat-all process, in-memory messaging, sqlite) on loopback,
# with fakenova.py for the services Heat needs but the test does not. Prints the settings as shell assignments.
# The second start with the same CN_HEAT takes up the databases that are there.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
t0=$(date +%s.%N)
paste=${API_PASTE:-/etc/heat/api-paste.ini}
[ -r "$paste" ] || { say "cannot read $paste: be root, or give a copy of it as API_PASTE"; exit 2; }
mkdir -p "$CN_HEAT" && chmod 700 "$CN_HEAT" && cd "$CN_HEAT"
for p in keystone heat fake; do
  if [ -s $p.pid ] && alive "$(cat $p.pid)"; then say "already running: $CN_HEAT/$p.pid"; exit 2; fi
done

fresh=; [ -s keystone.db ] || fresh=1
cat >keystone.conf <<C
[DEFAULT]
log_file =
[database]
connection = sqlite:///$CN_HEAT/keystone.db?timeout=60
sqlite_synchronous = false
[token]
provider = fernet
expiration = ${TOKEN_SECONDS:-3600}
[fernet_tokens]
key_repository = $CN_HEAT/fernet
[fernet_receipts]
key_repository = $CN_HEAT/fernet
[credential]
key_repository = $CN_HEAT/credkeys
# how long an EC2-signed URL that carries a Timestamp (CFN_SIGNAL) is good for; 15 is the default
auth_ttl = ${SIGNED_URL_MINUTES:-15}
[cache]
enabled = false
# Heat logs in again and again, and 2^12 rounds are a third of a second of CPU each time
[identity]
password_hash_rounds = 4
C
# With the rollback journal a reader that has not ended its transaction makes the next writer fail ("database is locked").
wal() { python3 -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("pragma journal_mode=wal")' "$1"; }
me=$(id -un) grp=$(id -gn)
ksm() { keystone-manage --config-file keystone.conf "$@" >>keystone-manage.log 2>&1; }
if [ -n "$fresh" ]; then
  mkdir -p fernet credkeys; chmod 700 fernet credkeys
  ksm db_sync
  wal keystone.db
  ksm fernet_setup --keystone-user "$me" --keystone-group "$grp"
  ksm credential_setup --keystone-user "$me" --keystone-group "$grp"
  ksm bootstrap --bootstrap-password "$ADMIN_PW" --bootstrap-region-id RegionOne \
    --bootstrap-public-url "$KS_URL" --bootstrap-internal-url "$KS_URL" --bootstrap-admin-url "$KS_URL"
fi
# One thread a process: sqlite's connections belong to their thread. Connection: close, because this socket closes after each
# answer without saying so, and a client that sends the next request just then (Heat's token check) gets a 503.
start_keystone
start fake python3 "$here/fakenova.py"
until_http keystone "$KS_URL" 60
t1=$(date +%s.%N)
[ -z "$fresh" ] || python3 "$here/bootstrap.py" >domain.id

cat >heat.conf <<C
[DEFAULT]
transport_url = fake://
num_engine_workers = 1
heat_metadata_server_url = http://127.0.0.1:$CFN_PORT
heat_waitcondition_server_url = http://127.0.0.1:$CFN_PORT/v1/waitcondition
region_name_for_services = RegionOne
auth_encryption_key = 0123456789abcdef0123456789abcdef
stack_user_domain_id = $(cat domain.id)
stack_domain_admin = heat_domain_admin
stack_domain_admin_password = $DOMAIN_PW
stack_action_timeout = $STACK_TIMEOUT
deferred_auth_method = trusts
environment_dir = $CN_HEAT/environment.d
template_dir = $CN_HEAT/templates.d
plugin_dirs = $here/plugins
debug = ${DEBUG:-false}
[heat_api]
bind_host = 127.0.0.1
bind_port = $HEAT_PORT
workers = 1
[heat_api_cfn]
bind_host = 127.0.0.1
bind_port = $CFN_PORT
workers = 1
[database]
connection = sqlite:///$CN_HEAT/heat.db?timeout=60
sqlite_synchronous = false
[paste_deploy]
api_paste_config = $paste
[oslo_messaging_notifications]
driver = noop
[keystone_authtoken]
auth_type = password
auth_url = $KS_URL
www_authenticate_uri = $KS_URL
# without this every application credential with access rules is answered 401
service_type = orchestration
username = heat
password = $HEAT_PW
project_name = service
user_domain_id = default
project_domain_id = default
[trustee]
auth_type = password
auth_url = $KS_URL
username = heat
password = $HEAT_PW
user_domain_id = default
[clients_keystone]
auth_uri = $KS_URL
[ec2authtoken]
# A Keystone with the fix for OSSA-2025-002 wants a service token with POST /v3/ec2tokens; Heat 19 sends none.
# fakenova.py passes the call on and adds one. EC2_DIRECT=1 leaves that out: every alarm_url then answers 403.
auth_uri = $([ -n "${EC2_DIRECT:-}" ] && echo "$KS_URL" || echo "http://127.0.0.1:$FAKE_PORT/ec2shim/v3")
${HEAT_EXTRA:-}
C
mkdir -p environment.d templates.d
if [ ! -s heat.db ]; then heat-manage --config-file heat.conf db_sync >>heat-manage.log 2>&1; wal heat.db; fi
start heat heat-all --config-file "$CN_HEAT/heat.conf"
until_http heat "http://127.0.0.1:$HEAT_PORT/" 60
until_http heat "http://127.0.0.1:$CFN_PORT/" 60
t2=$(date +%s.%N)
cat >rc <<C
export CN_HEAT=$CN_HEAT CN_PORT=$CN_PORT
export OS_AUTH_URL=$KS_URL OS_USERNAME=admin OS_PASSWORD=$ADMIN_PW OS_PROJECT_NAME=admin OS_IDENTITY_API_VERSION=3
export OS_USER_DOMAIN_ID=default OS_PROJECT_DOMAIN_ID=default OS_REGION_NAME=RegionOne
C
cat rc
LC_ALL=C awk -v a="$t0" -v b="$t1" -v c="$t2" 'BEGIN{printf "# keystone %.1f s, heat %.1f s, total %.1f s\n", b-a, c-b, c-a}'
