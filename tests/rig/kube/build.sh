#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# build.sh — makes, in the scratch folder $CN_KUBE, everything that start.sh needs, and prints that folder's bin/ as its last line:
#   bin/kube-apiserver-1.20 (Debian's source of Kubernetes 1.20.2, built with Debian's Go 1.19), bin/etcd, bin/etcdctl, bin/kubectl
# Nothing is installed but curl, jq, openssl and xz where absent. Cached: with bin/ok there, it returns at once; a broken-off build goes on
# from the compiler's cache. CN_KUBE_KEEP=1 keeps the source tree (work/) and that cache.
set -euo pipefail
H=${CN_KUBE:?set CN_KUBE to a scratch folder} V=1.20.2
mkdir -p "$H"; H=$(realpath "$H"); chmod 700 "$H"
fail() { echo "build: $*" >&2; exit 1; }
say() { echo "build: $* (after $SECONDS s)" >&2; }
exec 9>"$H/build.lock"; flock -w 1800 9 || fail "another build in $H does not end"
[ ! -e "$H/bin/ok" ] || { echo "$H/bin"; exit 0; }
[ "$(df --output=avail -k "$H" | tail -1)" -gt 6000000 ] || fail "less than 6 GB free in $H"
W=$H/work L=$H/build.log
rm -rf "$W" "$H/bin"; mkdir -p "$W"/{lists/partial,archives/partial,get,root,gopath/src/k8s.io,gotmp,bin} "$H/bin"; : >"$L"
trap 'rc=$?; [ $rc = 0 ] || { echo "build: fails, the end of $L:" >&2; tail -n 15 "$L" >&2; }; exit $rc' EXIT

apt() { apt-get -qq -o DPkg::Lock::Timeout=600 "$@" >>"$L" 2>&1 9>&-; }
miss=(); for p in curl jq openssl xz-utils; do [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null)" = 'ii ' ] || miss+=("$p"); done
[ ${#miss[@]} = 0 ] || DEBIAN_FRONTEND=noninteractive apt install -y --no-install-recommends "${miss[@]}" ||
  { apt update && DEBIAN_FRONTEND=noninteractive apt install -y --no-install-recommends "${miss[@]}"; }

# 1. package lists of our own, binary and source, from the mirrors that this machine uses for its own release
. /etc/os-release
ring=/usr/share/keyrings/debian-archive-keyring.gpg; [ -e $ring ] && ring="[signed-by=$ring] " || ring=
apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | sort -u |
  awk -v c="$VERSION_CODENAME" -v r="$ring" '$3=="main" && ($2==c || $2==c"-security" || $2==c"-updates"){print "deb " r $0; print "deb-src " r $0}' >"$W/sources.list"
grep -q . "$W/sources.list" || fail "no apt source of $VERSION_CODENAME main on this machine"
own() { apt -o Dir::Etc::sourcelist="$W/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State::lists="$W/lists" -o Dir::Cache="$W" \
  -o APT::Sandbox::User=root -o APT::Get::List-Cleanup=0 "$@"; }
say "package lists"; own update

# 2. the tools: unpacked, not installed, so that no etcd service starts
say "packages"; cd "$W/get"
own download golang-1.19-go golang-1.19-src etcd-server etcd-client kubernetes-client golang-github-modern-go-reflect2-dev
for d in ./*.deb; do dpkg -x "$d" "$W/root"; done
# 3. the source: Debian's is the complete upstream tree with vendor/
own source --download-only "kubernetes/$VERSION_CODENAME"
mkdir "$W/src"; tar -C "$W/src" -xf ./kubernetes_*.orig.tar.*
S=$W/src/kubernetes-$V; [ -d "$S/vendor" ] || fail "Debian's source is not $V any more: $(ls "$W/src")"
# 4. a GOPATH build: vendor/ is used by itself, nothing is fetched
ln -s "$S" "$W/gopath/src/k8s.io/kubernetes"
export GOROOT=$W/root/usr/lib/go-1.19 GOCACHE=$H/gocache GOPATH=$W/gopath GOTMPDIR=$W/gotmp
export PATH=$GOROOT/bin:$PATH GO111MODULE=off GOPROXY=off GOSUMDB=off GOTOOLCHAIN=local GOFLAGS= CGO_ENABLED=0
# 5. reflect2 1.0.1 lets the server start but panic on the first write (Go >= 1.18); Debian's 1.0.2 does not
R=$S/vendor/github.com/modern-go/reflect2; rm -rf "$R"; cp -r "$W/root/usr/share/gocode/src/github.com/modern-go/reflect2" "$R"
rm -f "$R"/go.mod "$R"/unsafe_link_gccgo.go "$R"/*_test.go
# 6. the generated OpenAPI definitions, which no source package has
say "openapi"; cd "$W/gopath/src/k8s.io/kubernetes"
nice -n 10 go build -p 2 -o "$W/bin/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen >>"$L" 2>&1
in=$(grep -rl --include='*.go' '+k8s:openapi-gen=' pkg cmd plugin staging/src/k8s.io | grep -v -E 'staging/src/k8s.io/(code-generator|sample-apiserver)/|/testdata/' |
  xargs -n1 dirname | sort -u | sed -E 's#^staging/src/#k8s.io/kubernetes/vendor/#; t; s#^#k8s.io/kubernetes/#' | paste -sd,)
nice -n 10 "$W/bin/openapi-gen" --v 1 --logtostderr -i "$in" -p k8s.io/kubernetes/pkg/generated/openapi -O zz_generated.openapi \
  -h hack/boilerplate/boilerplate.generatego.txt -r "$W/openapi-report" -o "$W/gopath/src" >>"$L" 2>&1
# 7. the server
say "kube-apiserver (3 to 9 minutes on 2 cores)"
X=k8s.io/component-base/version
ld="-X k8s.io/kubernetes/vendor/$X.gitVersion=v$V -X k8s.io/kubernetes/vendor/$X.gitMajor=1 -X k8s.io/kubernetes/vendor/$X.gitMinor=20 -X k8s.io/kubernetes/vendor/$X.gitTreeState=archive -X k8s.io/kubernetes/vendor/$X.buildDate=2021-01-13T00:00:00Z"
nice -n 10 go build -p 2 -ldflags "-s -w $ld ${ld//$X/k8s.io/client-go/pkg/version}" -o "$W/bin/kube-apiserver-1.20" ./cmd/kube-apiserver >>"$L" 2>&1
cp "$W/bin/kube-apiserver-1.20" "$W/root/usr/bin/etcd" "$W/root/usr/bin/etcdctl" "$W/root/usr/bin/kubectl" "$H/bin/"
"$H/bin/kube-apiserver-1.20" --version >>"$L" && "$H/bin/etcd" --version >>"$L" && "$H/bin/kubectl" version --client >>"$L" 2>&1
touch "$H/bin/ok"
[ "${CN_KUBE_KEEP:-0}" = 1 ] || rm -rf "$W" "$H/gocache"
say "built"; echo "$H/bin"
