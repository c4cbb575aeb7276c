/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Breaks locks whose owner is gone for good: fence, read the fence back, wait until every OSD that matters knows it, break, look
 * again. No lock is broken before all of its fences are proved; a fence is never lifted. Nothing is recorded: a second call finds
 * the fence in place and goes on.
 */
#include "cephnode/locks/locks.h"

struct cn_break_options {
	const char *locker, *lock_id; /* which of several; NULL: any */
	bool force;                   /* also where the locker lives or others watch: they are fenced, too */
	bool fence_host;              /* fence every client of the locker's host */
	bool no_fence;                /* the node is powered off: nobody is left to be fenced */
	bool dry_run;
	int64_t fence_for_s;
};

struct cn_break {
	struct cn_cluster *cluster;
	struct cn_kube *kube; /* NULL: no API */
	struct cn_clock *clock;
	const struct cn_break_options *options;
	void (*emit)(void *arg, const json_t *event); /* docs/cephnode.1, JSON */
	/* Asked before the first change, with what is about to happen; -ECANCELED: no, -EINTR: a signal. NULL: not asked. */
	int (*confirm)(void *arg, const char *text);
	void *arg;
};

/* Breaks the one lock of an image that the options pick, or, with a node, all its locks in the scope. The last event is the
 * result. Blocks: at least 10 s and some more than the watch timeout where nobody watches. CHANGES the blocklist and the locks.
 * Errors: CN_NOT_FOUND, CN_REFUSED (nothing was changed), CN_TIMEOUT (unknown), CN_PARTIAL, CN_FAILED, CN_INTERRUPTED. */
int cn_locks_break(const struct cn_break *b, const struct cn_lock_scope *scope, const char *node, struct cn_error *err);
