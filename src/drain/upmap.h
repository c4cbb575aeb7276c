/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Inside of src/drain: upmap entries as the journals have them (upmap.c), and what the journals of other drains say of them
 * (upmap_others.c). Drains that stand beside each other share PGs. With the weights of one at 0 the mon drops entries that the
 * cancel of the other wants to put back; such a record is marked `owed`, in what is a tombstone from then on, and goes with the
 * cancel of a drain that stood there then. Nothing here asks or changes the cluster.
 */
#include "run.h"

bool cn_entry_is_empty(const json_t *e);
/* What a mon leaves of an entry when it cancels a part: each pair of it stood in the entry before. */
bool cn_entry_is_part_of(const json_t *e, const json_t *whole);
/* What stands is of a pin of a drain that is under way beside ours, and what we would put back is not. */
bool cn_entry_is_anothers(const struct cn_run *run, const char *pgid, const json_t *now, const json_t *to);
/* Of drains that are under way beside ours with weights of 0: their nodes, joined. To be freed; NULL: there is none. */
char *cn_upmaps_standing(const struct cn_run *run);
