/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Inside of src/drain: reads what a forecast needs and makes it, before the change and after it. */
#include "cephnode/drain/plan.h"

struct cn_foresight {
	char *why_not;        /* NULL: exact; else why there is no more than a bound, and nothing below is set */
	struct cn_held *held; /* of the leaving OSDs, before the change */
	size_t n_held;
	struct cn_forecast plain;
	bool pinning; /* pins are wanted: then `pinned` is what will happen */
	struct cn_pins pins;
	struct cn_forecast pinned;
};
void cn_foresight_release(struct cn_foresight *f);
/* What will happen. */
const struct cn_forecast *cn_foresight_result(const struct cn_foresight *f);

struct cn_foresee {
	struct cn_cluster *c;
	const struct cn_osdmap *osdmap; /* as it is now */
	const struct cn_crush *crush;
	const struct cn_ids *leaving;
	const struct cn_shard_sizes *sizes;
	enum cn_pin_mode pin;
	int64_t settled; /* PGs that are clean at this epoch or later have moved already and are left where they are; 0: none */
	const struct cn_pgs *known; /* up sets that the mon gave at the map's epoch: the tool must say the same; may be NULL */
	int64_t before; /* epoch of the map before the change; 0: the change is still to come, and the map as it is now is held
			 * against every PG that the manager and the mon report */
};
/* Returns an error only where it was interrupted; what else goes wrong is ret->why_not. Blocks; changes nothing. */
int cn_foresee(const struct cn_foresee *in, struct cn_foresight *ret, struct cn_error *err);

/* Why upmap entries cannot be made here, or NULL. */
const char *cn_pins_forbidden(const struct cn_osdmap *m);

/* The plan's forecast, p->osds being known: sizes, targets, fill, bytes, and the refusals that come of them. Where it is no more
 * than a bound p->exact is false, p->forecast_reason says why and fill and bytes are left alone. Blocks; changes nothing. */
int cn_plan_foresee(struct cn_cluster *c, const struct cn_inventory *inv, const struct cn_drain_options *options,
		    struct cn_plan *p, struct cn_error *err);
/* p->held where no exact forecast has told: the mon is asked for every PG of the cluster. Of more than 4096 it is not: that would
 * take minutes, and a warning says that the manager's statistics have to do. Blocks; changes nothing. */
int cn_plan_ask_held(struct cn_cluster *c, const struct cn_osdmap *m, struct cn_plan *p, struct cn_error *err);
/* With `auto` pins are there to save: where only they would fill an OSD too much there are none. */
void cn_foresight_spare(struct cn_foresight *fs, const struct cn_osdmap *m, const struct cn_osd_usages *usage,
			enum cn_pin_mode pin);
void cn_plan_judge_mapping(const struct cn_forecast *f, const struct cn_osdmap *m, struct cn_plan *p);
void cn_plan_judge_fill(const struct cn_forecast *f, const struct cn_osdmap *m, const struct cn_crush *crush,
			const struct cn_osd_usages *usage, struct cn_plan *p);
void cn_plan_refuse(struct cn_plan *p, const char *hint, const char *fmt, ...) _printf_(3, 4);
