#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# campaign/run.sh: every point of the large matrices (a kill, a cancel, a pause at each step, on both kinds of PG), no seeded share. Hours.
CN_CAMPAIGN=1 exec "$(dirname "$0")/../run.sh" "$@"
