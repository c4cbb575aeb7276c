#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# start.sh [1.20|1.34] — etcd + kube-apiserver on loopback only, state in $RUN (default $CN_KUBE/run). Starts what build.sh made.
# PORT EPORT PPORT: the server's, etcd's and etcd's peer port. EXTRA: more server flags. CN_OWNER=pid: taken down when that process is gone.
set -euo pipefail
H=${CN_KUBE:?set CN_KUBE to a scratch folder}
VER=${1:-1.20}
RUN=${RUN:-$H/run}
PORT=${PORT:-16443} EPORT=${EPORT:-23790} PPORT=${PPORT:-23800}
ETCD=${ETCD:-$H/bin/etcd}
API=${API:-$H/bin/kube-apiserver-$VER}
EXTRA=${EXTRA:-}
[ -x "$ETCD" ] && [ -x "$API" ] || { echo "missing $ETCD or $API: run build.sh" >&2; exit 2; }
[ -s "$RUN/pids" ] && { echo "already started? see $RUN/pids" >&2; exit 2; }
mkdir -p "$RUN"/{pki,etcd} && chmod 700 "$RUN" "$RUN/etcd"; RUN=$(realpath "$RUN"); ME=$(dirname "$(realpath "$0")"); cd "$RUN/pki"
if [ -n "${CN_OWNER:-}" ]; then   # a watchdog: whatever ends the owner, nothing is left running
  RUN=$RUN setsid nohup bash -c 'sleep 2; while kill -0 '"$CN_OWNER"' 2>/dev/null && [ -e "$RUN/pids" ]; do sleep 2; done
    [ -e "$RUN/pids" ] && exec "$0" --wipe' "$ME/stop.sh" >/dev/null 2>&1 </dev/null &
fi

if [ ! -s ca.crt ]; then
  mk() { # name subject extfile-content
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$1.key" -subj "$2" -out "$1.csr" 2>/dev/null
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out "$1.crt" -extfile <(printf '%b' "$3") 2>/dev/null
  }
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.crt -days 30 -subj /CN=h-kube-ca \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
  mk server /CN=kube-apiserver 'subjectAltName=DNS:localhost,DNS:kubernetes,DNS:kubernetes.default.svc,IP:127.0.0.1,IP:10.96.0.1\nextendedKeyUsage=serverAuth\n'
  mk admin /O=system:masters/CN=admin 'extendedKeyUsage=clientAuth\n'
  mk cephnode /O=cephnode/CN=cephnode-cert 'extendedKeyUsage=clientAuth\n'
  # a client certificate from a CA that the server does not know
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout stranger.key -out stranger.crt -days 30 -subj /CN=stranger 2>/dev/null
  openssl genrsa -out sa.key 2048 2>/dev/null; openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
  cat > tokens.csv <<'T'
admin-token-0123456789,admin,u-admin,"system:masters"
cephnode-token-0123456789,cephnode,u-cephnode,"cephnode"
noperm-token-0123456789,noperm,u-noperm,"nobodies"
T
  chmod 600 ./*.key tokens.csv
fi

t0=$(date +%s.%N)
setsid nohup "$ETCD" --name h --data-dir "$RUN/etcd" --listen-client-urls "http://127.0.0.1:$EPORT" --advertise-client-urls "http://127.0.0.1:$EPORT" \
  --listen-peer-urls "http://127.0.0.1:$PPORT" --initial-advertise-peer-urls "http://127.0.0.1:$PPORT" --initial-cluster "h=http://127.0.0.1:$PPORT" \
  --log-level warn >"$RUN/etcd.log" 2>&1 </dev/null & echo "etcd $!" >"$RUN/pids"
for _ in $(seq 100); do curl -fsS -m 1 "http://127.0.0.1:$EPORT/health" >/dev/null 2>&1 && break; sleep 0.1; done

case $VER in 1.20*) OLD="--insecure-port=0" ;; *) OLD="" ;; esac
# No controller-manager, scheduler or kubelet runs: ServiceAccount admission is off so that pods need no token secret,
# and the endpoint reconciler is off because it refuses a loopback address.
setsid nohup "$API" --etcd-servers "http://127.0.0.1:$EPORT" --bind-address 127.0.0.1 --advertise-address 127.0.0.1 --secure-port "$PORT" $OLD \
  --endpoint-reconciler-type none --service-cluster-ip-range 10.96.0.0/24 --allow-privileged=true \
  --tls-cert-file server.crt --tls-private-key-file server.key --client-ca-file ca.crt --token-auth-file tokens.csv \
  --service-account-issuer https://kubernetes.default.svc --service-account-key-file sa.pub --service-account-signing-key-file sa.key \
  --authorization-mode Node,RBAC --anonymous-auth=true --disable-admission-plugins ServiceAccount --cert-dir "$RUN/pki" $EXTRA \
  >"$RUN/apiserver.log" 2>&1 </dev/null & echo "kube-apiserver $!" >>"$RUN/pids"
ok=
for _ in $(seq 600); do
  curl -fsS -m 2 --cacert ca.crt -H 'Authorization: Bearer admin-token-0123456789' "https://127.0.0.1:$PORT/readyz" >/dev/null 2>&1 && { ok=1; break; }
  kill -0 "$(awk '/kube-api/{print $2}' "$RUN/pids")" 2>/dev/null || break
  sleep 0.1
done
[ -n "$ok" ] || { echo "apiserver did not become ready:" >&2; tail -5 "$RUN/apiserver.log" >&2; exit 1; }
t1=$(date +%s.%N)

b64() { base64 -w0 "$1"; }
kc() { # file user-yaml
  cat >"$RUN/$1" <<K
apiVersion: v1
kind: Config
current-context: h
clusters:
- name: h
  cluster: {server: "https://127.0.0.1:$PORT", certificate-authority-data: "$(b64 ca.crt)"}
contexts:
- name: h
  context: {cluster: h, user: u, namespace: ceph}
users:
- name: u
  user: $2
K
  chmod 600 "$RUN/$1"; }
kc admin.kubeconfig "{token: admin-token-0123456789}"
kc admin-cert.kubeconfig "{client-certificate-data: \"$(b64 admin.crt)\", client-key-data: \"$(b64 admin.key)\"}"
kc cephnode.kubeconfig "{token: cephnode-token-0123456789}"
kc cephnode-cert.kubeconfig "{client-certificate-data: \"$(b64 cephnode.crt)\", client-key-data: \"$(b64 cephnode.key)\"}"
kc noperm.kubeconfig "{token: noperm-token-0123456789}"
awk -v a="$t0" -v b="$t1" 'BEGIN{printf "ready after %.1f s\n", b-a}'
while read -r n p; do awk -v n="$n" '/VmRSS|VmHWM/{printf "%s %s %d MiB\n", n, $1, $2/1024}' "/proc/$p/status"; done <"$RUN/pids"
