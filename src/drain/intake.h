/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Inside of src/drain: which drains a call is about: new ones, unfinished ones that it goes on with, and nodes that are gone
 * already. */
#include "call.h"

struct cn_intake {
	struct cn_strv specs;    /* to be discovered: new nodes, and unfinished ones that have not passed `release` */
	struct cn_inventory inv; /* of these */
	struct cn_plan plan;     /* of these */
	struct cn_ids told;      /* OSDs of the plan that was shown */
	size_t already_removed;
};

/* Fills run->accept from --accept. Reads only. */
int cn_intake_accept(struct cn_run *run, struct cn_error *err);
/* Sorts the names out by the journals and the cluster. Fills run->drains with what is resumed; reads only. */
int cn_intake_sort(struct cn_run *run, const char *const *names, size_t n, struct cn_intake *in, struct cn_error *err);
/* Discovers and plans what needs it, emits the plan (when `tell`), refuses. May be repeated, under the lock. Reads only. */
int cn_intake_plan(struct cn_run *run, struct cn_intake *in, bool tell, struct cn_error *err);
/* For each discovered node a new drain in the run, or the one that is resumed brought up to date. Writes nothing. */
void cn_intake_begin(struct cn_run *run, struct cn_intake *in);
/* Takes the owner's lease of each drain of the run that has none yet. CN_REFUSED when somebody living has it. */
int cn_intake_own(struct cn_run *run, struct cn_error *err);
void cn_intake_release(struct cn_intake *in);
