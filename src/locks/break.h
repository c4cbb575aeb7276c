/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Shared by the files of `locks break`, in the order in which they act: select, refuse, fence, barrier, break. */
#include "cephnode/locks/break.h"
#include "locks/internal.h"

struct cn_breaking {
	struct cn_lock *lock; /* borrowed from run->list */
	const char *outcome;  /* NULL: not decided yet; "broken", "gone", "refused", "unknown", "failed" */
	bool changed_hands;
};

struct cn_fencing {
	struct cn_client_addr addr;
	int64_t until_ms; /* as read back; 0: not fenced */
	bool added;       /* by us */
};

struct cn_break_run {
	const struct cn_break *b;
	struct cn_lock_list list;   /* the targets are in it */
	struct cn_lock_list others; /* the rest of the cluster; chosen: locks that share an address with a target */
	size_t n_others;
	bool others_incomplete;
	struct cn_breaking *targets;
	size_t n_targets;
	struct cn_fencing *fences;
	size_t n_fences;
	struct cn_client_addr *own; /* addresses of this client */
	size_t n_own;
	int64_t watch_timeout_s;
	bool incomplete; /* the selection may lack something */
};

/* --- break_select.c --- */
int cn_break_select(struct cn_break_run *run, const struct cn_lock_scope *scope, const char *node, struct cn_error *err);
int cn_break_classify(struct cn_break_run *run, struct cn_error *err); /* looks long enough where nobody watches */

/* --- break_refuse.c --- */
/* CN_REFUSED with reason and hint, or 0 and run->fences says who is to be fenced. */
int cn_break_refuse(struct cn_break_run *run, struct cn_error *err);
/* What is about to happen, for the question; to be freed. */
char *cn_break_question(const struct cn_break_run *run);

/* --- break_fence.c --- */
/* A fence that lasts for less than half of what was asked for is none. */
bool cn_break_long_enough(const struct cn_break_run *run, int64_t until_ms);
bool cn_break_short_wait(const struct cn_break_run *run, int64_t until_ms); /* it ends so soon that it can be waited for */
int cn_break_fence(struct cn_break_run *run, struct cn_error *err);
int cn_break_verify_fence(struct cn_break_run *run, struct cn_error *err);
int cn_break_barrier(struct cn_break_run *run, struct cn_error *err);
void cn_break_caps_hint(const struct cn_break_run *run, struct cn_error *err);

/* --- break_events.c --- */
void cn_break_step(const struct cn_break_run *run, const char *step, const char *message,
		   json_t *more); /* NULL: begins; more: stolen */
void cn_break_result(const struct cn_break_run *run, const char *outcome, const struct cn_error *err);
char *cn_target_text(const struct cn_lock *l); /* "lock 'ID' of client.N (ADDRESS) on POOL/IMAGE", to be freed */
