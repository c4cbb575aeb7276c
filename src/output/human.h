/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The parts of events.c that speak to people. Not thread-safe: events.c holds its mutex around them. */
#include "cephnode/output/events.h"
#include "cephnode/output/table.h"

/* Columns that the live line leaves free: some terminals wrap in the last one, and the terminal echoes ^C behind it. */
#define CN_LIVE_FREE 3u

/* The line at the bottom of a terminal that is redrawn in place. */
struct cn_live {
	bool enabled; /* stderr is a terminal that can move its cursor */
	size_t drawn; /* columns of what stands there; 0: nothing */
	bool color;
};
void cn_live_draw(struct cn_live *l, const char *text); /* cut to the terminal's width of this moment */
void cn_live_clear(struct cn_live *l);

/* The progress event as one line of at most `columns`; 0: no terminal, plain words without a bar. To be freed. */
char *cn_progress_line(const json_t *event, unsigned columns, bool color);

struct cn_human {
	const struct cn_events_options *options;
	struct cn_live live;
	bool color;            /* on stderr */
	char *live_text;       /* what the live line shows, to put it back after other output; owned or NULL */
	struct cn_strv warned; /* warnings that people have seen */
	int64_t plain_at_ms;   /* when the last plain progress line was printed; 0: never */
	int plain_percent;
};
void cn_human_init(struct cn_human *h, const struct cn_events_options *options);
void cn_human_release(struct cn_human *h);
void cn_human_event(struct cn_human *h, const json_t *event);
/* A line on stderr above the live line; text is made harmless. */
void cn_human_log(struct cn_human *h, enum cn_log_level level, const char *text);
