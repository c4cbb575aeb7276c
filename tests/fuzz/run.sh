#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh [SECONDS [TARGET...]]: builds the fuzz targets with clang and libFuzzer and runs each for so long (600), one after the other.
# Not a part of continuous integration, which replays the seeds. A finding ends it with an error and stands in $CN_FUZZ/TARGET.crash-*.
#   CN_FUZZ=build/fuzz (corpora grow there)  CLANG=clang
set -eu
here=$(cd "$(dirname "$0")" && pwd) root=$(cd "$(dirname "$0")/../.." && pwd)
out=${CN_FUZZ:-$root/build/fuzz} seconds=${1:-600} clang=${CLANG:-clang}
shift || true
[ $# != 0 ] || set -- kubeconfig podlist hook openstack
mkdir -p "$out"
flags="-std=gnu17 -O1 -g -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -Wno-gnu-variable-sized-type-not-at-end"
libs=$(pkg-config --cflags --libs jansson libcurl yaml-0.1 libsystemd)
for target in "$@"; do
  more='' layers=base,http,kube dict=$here/$target.dict
  case $target in
    kubeconfig) more=-Wl,--wrap=cn_kube_read_file ;;
    hook | openstack) more='-lrados -lrbd -lm' layers=base,http,kube,cluster,inventory,drain,heat ;;
  esac
  sources=()
  for layer in ${layers//,/ }; do sources+=("$root/src/$layer"/*.c); done
  # shellcheck disable=SC2086
  $clang $flags -I"$root/include" -I"$root/src" "$here/$target.c" "${sources[@]}" $libs -lpthread $more -o "$out/$target"
  mkdir -p "$out/corpus-$target"
  "$out/$target" -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
    $([ ! -e "$dict" ] || echo "-dict=$dict") -artifact_prefix="$out/$target.crash-" "$out/corpus-$target" "$here/seeds/$target"
done
