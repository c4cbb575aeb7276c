/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Inside of src/heat: the drain of a node that is retired, as it is told while Heat's deletion is watched. */
#include "cephnode/heat/retire.h"

struct cn_progress {
	const struct cn_retire *retire; /* borrowed, as watch */
	struct cn_retire_watch *watch;
	struct cn_status_memory *memory; /* owned */
	int phase;                       /* told last; -1: no drain is seen */
	int64_t at_ms;                   /* CLOCK_BOOTTIME: no look before */
	bool told;                       /* that Ceph does not answer */
};
void cn_progress_init(struct cn_progress *p, const struct cn_retire *r, struct cn_retire_watch *w);
void cn_progress_release(struct cn_progress *p);

/* One look, as `status` takes it; what it sees goes to the sink. Changes nothing, fails never: that Ceph does not answer is said
 * once. Blocks for some commands, at worst for their time limits. */
void cn_progress_look(struct cn_progress *p);
