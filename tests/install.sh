#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# install.sh: what building and testing need, by name, from the machine's own package sources (Debian 12).
# Does nothing, and needs neither root nor a network, when all of it is there.
set -eu
PACKAGES="ca-certificates git gcc libc6-dev cmake ninja-build pkg-config clang-format dbus-daemon python3 python3-docutils python3-rados
  librados-dev librbd-dev libjansson-dev libblkid-dev libcmocka-dev libsmartcols-dev libcurl4-openssl-dev libyaml-dev libsystemd-dev
  ceph-base ceph-common ceph-mgr ceph-mon ceph-osd iproute2 jq openssl procps systemd tmux util-linux"

missing=()
for p in $PACKAGES; do
  [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null)" = 'ii ' ] || missing+=("$p")
done
[ ${#missing[@]} != 0 ] || exit 0
if [ "$(id -u)" != 0 ]; then
  echo "install.sh: these packages are missing, and installing them needs root: ${missing[*]}" >&2
  echo "hint: run 'sudo tests/install.sh' once" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -qq -o DPkg::Lock::Timeout=600)
echo "installing: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
  tail -n 30 "$log" >&2
  echo "install.sh: apt-get could not install: ${missing[*]}" >&2
  exit 1
fi
