/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What src/cli needs of the drain: plan, run, remove, cancel, status. How it works: docs/architecture.md. */
#include "cephnode/base/clock.h"
#include "cephnode/inventory/node.h"

enum cn_method { CN_METHOD_CRUSH, CN_METHOD_OUT };
enum cn_pin_mode { CN_PIN_AUTO, CN_PIN_ALWAYS, CN_PIN_NEVER };
enum cn_stop_with { CN_STOP_AUTO, CN_STOP_MON, CN_STOP_SYSTEMD, CN_STOP_KUBE, CN_STOP_NONE };
enum cn_speed { CN_SPEED_AS_IS, CN_SPEED_GENTLE, CN_SPEED_NORMAL, CN_SPEED_FAST }; /* as it is: no setting is touched */

struct cn_drain_options {
	enum cn_method method;
	enum cn_pin_mode pin; /* upmap entries that keep what need not move */
	enum cn_stop_with stop_with;
	enum cn_speed speed;
	bool keep;               /* prove it, but stop and remove nothing */
	bool finish_only;        /* finish what was kept; CN_REFUSED for what is not drained: nothing is begun */
	struct cn_strv accept;   /* health check codes; "existing": those that stand now */
	int64_t stall_timeout_s; /* 1800 */
	int64_t timeout_s;       /* 0: none */
	int64_t lock_wait_s;     /* 60 */
	const char *lock_pool;   /* NULL: found out */
};

/* Where events go: one JSON object each, as in the contract ("schema", "event", "time" and "node" are there already). The sink
 * borrows it. May be called from the signal thread for the last event. */
struct cn_sink {
	void (*emit)(struct cn_sink *sink, const json_t *event);
};

struct cn_guard; /* the child that puts flags back, see guard.h */

struct cn_drain_context {
	struct cn_cluster *cluster;
	struct cn_kube *kube; /* NULL: no API is configured, or --no-kube */
	struct cn_clock *clock;
	struct cn_sink *sink;
	const struct cn_drain_options *options;
	int64_t started_ms;     /* CLOCK_BOOTTIME, from when --timeout counts; 0: from the call */
	struct cn_guard *guard; /* NULL: no hold can be made (plan, status, cancel) */
	/* Asked once, after the plan event and before the first change. Returns 0 to go on, -ECANCELED to leave everything as it
	 * is. NULL: go on. */
	int (*confirm)(void *arg, const char *node);
	void *confirm_arg;
};

/* `plan`: emits the plan event and warnings, changes nothing. Returns 0, or -errno with CN_REFUSED where `drain` would refuse. */
int cn_drain_plan(struct cn_drain_context *ctx, const char *const *names, size_t n, struct cn_error *err);

/* `drain`: the whole procedure, or the rest of it where a journal tells of one begun. Emits plan, step, progress, warning and,
 * always last, result. CHANGES the cluster, each change journalled before. Blocks for as long as data moves. */
int cn_drain_run(struct cn_drain_context *ctx, const char *const *names, size_t n, struct cn_error *err);

/* `remove`: finishes a drain that was kept. CN_NOT_FOUND when there is none, CN_REFUSED when it is not drained. */
int cn_drain_remove(struct cn_drain_context *ctx, const char *name, struct cn_error *err);

/* `cancel`: the exact undo of a drain whose OSDs are still there. Emits steps and a result. CHANGES the cluster. 0 also when it
 * was cancelled before; CN_NOT_FOUND when no drain of this node is known; CN_REFUSED after it was removed. */
int cn_drain_cancel(struct cn_drain_context *ctx, const char *name, struct cn_error *err);

/* Adds the names in "osd.0,osd.8", as a call for several nodes is shown. */
void cn_drain_names(const char *name, struct cn_strv *ret);

/* What `status --watch` remembers from look to look: how fast each drain goes, and how far it was. */
struct cn_status_memory;
struct cn_status_memory *cn_status_memory_new(void);
void cn_status_memory_free(struct cn_status_memory *memory);

/* `status`: {"schema":1,"drains":[...]}, each with "running": does a cephnode work on it? null where that cannot be told, as
 * without the right to read the lock. name NULL: all; memory NULL: a single look. Changes nothing. CN_NOT_FOUND when a name is
 * given and no drain is under way. */
int cn_drain_status(struct cn_drain_context *ctx, const char *name, struct cn_status_memory *memory, json_t **ret,
		    struct cn_error *err);

/* `metrics`: what a single look of `status` gives. Changes nothing. */
int cn_drain_metrics(struct cn_drain_context *ctx, json_t **ret, struct cn_error *err);

/* To be called (by the emergency function of cn_interrupt) when the process is about to end in the middle: emits the result event
 * unless it was emitted already. Async-signal-safety is not needed: it runs in a thread. Returns how to go on, for a hint: to be
 * freed, may be NULL. */
char *cn_drain_emergency(struct cn_drain_context *ctx);

/* Starts the guard: forks, so call it before any thread exists and before the cluster is connected. NULL when the fork fails,
 * with err set. The child connects by itself when a hold begins; it ends with us. */
struct cn_guard *cn_guard_start(const struct cn_cluster_config *config, struct cn_error *err);
void cn_guard_free(struct cn_guard *g);
