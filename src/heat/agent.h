/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Inside of `heat agent`: what its files share. */
#include <pthread.h>

#include "cephnode/heat/agent.h"
#include "cephnode/heat/match.h"

#define STALE_MS 60000 /* of a look */

/* One waiting gate, looked at. */
struct cn_wait {
	struct cn_member member;
	struct cn_gate gate;
	struct cn_server server;
	struct cn_match match;
	struct cn_error err; /* why it stays closed; none: it is to be drained, or to be opened */
	int64_t looked_ms;   /* CLOCK_BOOTTIME: when the last look at it began */
	bool drained;        /* its OSDs were removed in this round */
	bool opened;
};
struct cn_waits {
	struct cn_wait *v;
	size_t n;
};
void cn_waits_release(struct cn_waits *l);

/* What was said of a member, and what became of it, from round to round: for words; only `had_osds` decides something, and only
 * against opening. */
struct cn_known {
	char *id, *name;  /* of its stack, of its resource */
	char *said;       /* the last that was said of its gate */
	char *clock;      /* and of its time */
	int64_t stuck_ms; /* CLOCK_BOOTTIME: since when it is being deleted and waits nowhere; 0: it is not */
	int64_t seen_ms;  /* CLOCK_BOOTTIME: when its gate was first seen to wait; 0: it does not */
	unsigned opened;
	bool deaf;  /* it was said that Heat does not go on */
	bool asked; /* to open: also where the answer was lost */
	bool waited;
	bool had_osds; /* its server was seen to have some */
};

/* A clock whose waits tell systemd that we live, and look at Heat while data moves. */
struct cn_pulse {
	struct cn_clock clock; /* first */
	struct cn_clock *real;
	struct cn_agent *agent;
	pthread_t thread;
	int64_t beat_ms;  /* the last one */
	int64_t every_ms; /* half of what systemd's watchdog allows, 5 s at most */
};

struct cn_agent {
	struct cn_heat_agent_context *ctx;
	const struct cn_heat_agent_options *options;
	struct cn_pulse pulse;
	struct cn_sink sink; /* of the drain under way: the steps pass by here, on their way to `out` */
	struct cn_sink *out;
	struct cn_stack_ref stack;
	int64_t timeout_mins; /* of the stack; 0: not read yet; -1: it has none */
	struct cn_known *known;
	size_t n_known;
	char *trouble; /* the last error of a whole round, so that it is said once */
	/* while a drain runs */
	struct cn_wait **moving;
	size_t n_moving;
	bool in_wait;       /* data moves or is proved to have moved: Heat may be looked at in between */
	int64_t look_at_ms; /* CLOCK_BOOTTIME */
	char *lost;         /* id of the member's stack whose deletion waits no more; the drain ends for it */
	bool broken_off;    /* a signal came in the middle of one */
	bool quiet;         /* the same was refused before: what it says is kept back until it goes further */
	json_t *plan;       /* that is kept back */
	bool gathering;     /* other gates of the same scale-down may be about to close */
	/* between drains that fail */
	int64_t retry_at_ms, backoff_ms;
	size_t retry_n; /* how many gates waited then */
};

/* pulse.c */
void cn_pulse_init(struct cn_agent *a, struct cn_clock *real);
void cn_agent_status(const char *fmt, ...) _printf_(1, 2); /* STATUS= for systemd */
void cn_agent_ready(void);
void cn_agent_stopping(void);

/* agent_words.c: what people are told; each thing once, until it changes. */
struct cn_known *cn_known_get(struct cn_agent *a, const struct cn_member *m);
void cn_agent_say(struct cn_agent *a, const struct cn_wait *w, const char *state, const char *why, const char *hint);
void cn_agent_trouble(struct cn_agent *a, const struct cn_error *err); /* NULL: it is over */
bool cn_agent_is_new_trouble(struct cn_agent *a, const struct cn_error *err);
void cn_agent_clock(struct cn_agent *a, const struct cn_member *m, const struct cn_gate *g);
void cn_agent_members(struct cn_agent *a, const struct cn_members *members, const struct cn_waits *waits);
void cn_known_release(struct cn_agent *a);

/* agent_gates.c: the gates that wait. Only: of these members (NULL: all). */
int cn_waits_get(struct cn_agent *a, bool words, struct cn_waits *ret, struct cn_error *err);
/* Server, addresses and OSDs of one; the verdict is in w->err. Needs the cluster. */
void cn_wait_look(struct cn_agent *a, struct cn_wait *w);
/* The look at it was too long ago to open it by: others took that long, or this machine has slept. */
bool cn_wait_is_stale(struct cn_agent *a, const struct cn_wait *w);
/* Opens it where nothing is left to drain. After a second look only: cn_waits_open(), cn_waits_drain(). */
void cn_wait_open(struct cn_agent *a, struct cn_wait *w);
/* While data moves: does every gate of a->moving still wait? Sets a->lost. */
void cn_agent_glance(struct cn_agent *a);

/* agent_drain.c */
/* Looks again at what may go without a drain, and opens it if that still is so. Errors are in each w->err. */
void cn_waits_open(struct cn_agent *a, struct cn_waits *l);
/* Drains what is to be drained, and opens what is done. Errors are in each w->err; -EINTR: a signal. */
int cn_waits_drain(struct cn_agent *a, struct cn_waits *l);
