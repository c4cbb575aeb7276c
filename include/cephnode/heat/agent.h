/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * `heat agent`: in rounds, finds the gates of a stack at which a deletion waits, drains the nodes behind them as one plan, and
 * opens each gate once its node's OSDs are gone. Everything it needs to know stands in Heat and in Ceph: killed and started again
 * it goes on.
 */
#include "cephnode/drain/drain.h"
#include "cephnode/heat/stack.h"

struct cn_heat_agent_options {
	const char *stack;
	bool once;        /* a single round */
	bool allow_empty; /* a server that no OSD matches may go, once the cluster has answered */
	int64_t interval_s;
};

/* What the command line gives: a session that can be connected to Ceph when a gate waits, and let go again. All is borrowed. */
struct cn_heat_agent_context {
	struct cn_os *os;
	struct cn_drain_context *drain;                  /* sink, options and guard; its cluster while it is connected */
	int (*connect)(void *arg, struct cn_error *err); /* sets drain->cluster; blocks */
	void (*disconnect)(void *arg);                   /* and takes it away again */
	void (*chapter)(void *arg, bool drain);          /* a round begins, or a drain: what was said before may be said again */
	void (*tell)(void *arg, const json_t *event);    /* an event of the agent's own: "gate" */
	void *arg;
};

/* Blocks until a signal, or with `once` for one round: then 0 when nothing waits any more, else the error of the worst gate.
 * Tells systemd (READY, STATUS, WATCHDOG) where it asked for it. CHANGES the cluster as cn_drain_run() does, and opens gates.
 * Without `once` only errors that no later round can mend end it. */
int cn_heat_agent_run(struct cn_heat_agent_context *ctx, const struct cn_heat_agent_options *options, struct cn_error *err);
