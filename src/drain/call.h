/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Inside of src/drain: begin and end of one call, shared by drain, remove and cancel. */
#include "run.h"

void cn_call_begin(struct cn_run *run, struct cn_drain_context *ctx, const char *const *names, size_t n);
/* Emits the result, gives back locks, releases the run. Returns r. outcome: of a success. */
int cn_call_end(struct cn_run *run, int r, struct cn_error *err, const char *outcome);
/* Reads the journals; whether a drain of this name is known: as cn_call_unknown() when not. *ret: borrowed from run->others. */
int cn_call_find(struct cn_run *run, const char *name, struct cn_journal **ret, struct cn_error *err);
/* Sets CN_NOT_FOUND. An OSD of an unfinished drain: with that one's name, for the same command. */
int cn_call_unknown(const struct cn_journals *l, const char *name, const char *command, struct cn_error *err);
/* Under the decision lock: takes the journal of this name (run->others was just read) into run->drains. The newest that is no
 * tombstone, else the newest. CN_NOT_FOUND when there is none. */
int cn_call_adopt(struct cn_run *run, const char *name, struct cn_error *err);
/* The journal that a name means, in a list: the unfinished one that was begun with this name, else the only unfinished one that
 * the name may mean (CN_REFUSED when there are several), else the newest tombstone, else NULL. */
int cn_call_match(struct cn_journals *l, const char *name, struct cn_journal **ret, struct cn_error *err);
