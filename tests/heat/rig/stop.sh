#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# stop.sh — end what start.sh began, by recorded pid. Keeps $CN_HEAT; remove it yourself.
set -uo pipefail
: "${CN_HEAT:?set CN_HEAT to the folder that start.sh used}"
. "$(dirname "$0")/lib.sh"
for n in $(cd "$CN_HEAT" && ls ./*.pid 2>/dev/null); do n=${n#./}; stop "${n%.pid}"; done
