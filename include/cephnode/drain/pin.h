/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Pins: upmap entries that keep every shard where it is but those on the leaving OSDs. CRUSH answers a weight of 0 by moving
 * other shards about as well: 5 to 30 % more than must move. Pure: upmap.c carries them out.
 */
#include "cephnode/drain/forecast.h"

struct cn_pin {
	struct cn_pgid id; /* first */
	bool full;         /* v is the whole set (`osd pg-upmap`), else pairs from, to (`osd pg-upmap-items`) */
	int *v;
	size_t n;    /* numbers in v; 0: the entry that the PG has is to go */
	int *target; /* the up set it brings, places as in the mapping */
	size_t n_target;
};
struct cn_pins {
	struct cn_pin *v; /* by id */
	size_t n;
};
/* For each PG that would move more than it must: its set before with each leaving OSD replaced, failure domains of its rule kept.
 * Needs ch->after->pools[].raw. PGs for which no such set is found are left out. */
void cn_pins_make(const struct cn_change *ch, struct cn_pins *ret);
void cn_pins_release(struct cn_pins *p);
/* Writes the targets into mp's up sets: what a forecast of the pinned change needs. */
void cn_pins_apply(const struct cn_pins *p, struct cn_mapping *mp);
