/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Where the events of a drain go (docs/cephnode.1, JSON): as JSON Lines to stdout, or as tables, lines and a live progress line
 * for people. Keeps the promise that the result is the last line: what comes after it is dropped. Thread-safe; the last event may
 * come from the signal thread.
 */
#include "cephnode/base/clock.h"
#include "cephnode/base/log.h"
#include "cephnode/output/stream.h"

enum cn_events_mode {
	CN_EVENTS_HUMAN,
	CN_EVENTS_JSONL,
	CN_EVENTS_PLAN_JSON, /* one document: the last plan event, printed by cn_events_finish() */
};

struct cn_events_options {
	enum cn_events_mode mode;
	enum cn_color color;
	bool quiet; /* no steps, no progress */
	bool verbose;
	struct cn_clock *clock; /* for the pace of plain progress lines; NULL: the system's */
};

struct cn_events;

struct cn_events *cn_events_new(const struct cn_events_options *options); /* never NULL */
void cn_events_free(struct cn_events *e);                                 /* NULL is fine; clears the live line */

void cn_events_emit(struct cn_events *e, const json_t *event);
bool cn_events_ended(struct cn_events *e); /* a result has been emitted */
/* For who does one drain after another: what comes after the result is let through again, and warnings are told anew. */
void cn_events_restart(struct cn_events *e);
/* Prints what was kept until the end. */
void cn_events_finish(struct cn_events *e);
/* A line of chatter on stderr, above the live line. */
void cn_events_log(struct cn_events *e, enum cn_log_level level, const char *text);
/* Takes the live line away before something else is written to the terminal. */
void cn_events_clear(struct cn_events *e);
