/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/output/events.h"

#include <string.h>
#include <unistd.h>

#include "output/human.h"
#include "output/lock.h"

struct cn_events {
	struct cn_events_options options;
	pthread_mutex_t mutex;
	bool ended;
	json_t *plan; /* CN_EVENTS_PLAN_JSON */
	struct cn_human human;
};

struct cn_events *cn_events_new(const struct cn_events_options *options)
{
	struct cn_events *e = cn_calloc(1, sizeof(*e));

	e->options = *options;
	if (!e->options.clock)
		e->options.clock = cn_clock_system();
	pthread_mutex_init(&e->mutex, NULL);
	cn_human_init(&e->human, &e->options);
	return e;
}

void cn_events_free(struct cn_events *e)
{
	if (!e)
		return;
	cn_human_release(&e->human);
	json_decref(e->plan);
	pthread_mutex_destroy(&e->mutex);
	free(e);
}

static bool enter(struct cn_events *e)
{
	return cn_output_lock(&e->mutex);
}

static void leave(struct cn_events *e)
{
	pthread_mutex_unlock(&e->mutex);
}

void cn_events_emit(struct cn_events *e, const json_t *event)
{
	const char *kind = cn_json_str(event, "event", "");

	if (!enter(e))
		return;
	if (!e->ended) {
		e->ended = strcmp(kind, "result") == 0;
		switch (e->options.mode) {
		case CN_EVENTS_HUMAN:
			cn_human_event(&e->human, event);
			break;
		case CN_EVENTS_JSONL:
			(void)cn_out_json(event); /* remembered by the stream */
			break;
		case CN_EVENTS_PLAN_JSON:
			if (strcmp(kind, "plan") == 0) {
				json_decref(e->plan);
				e->plan = json_deep_copy(event);
			}
			break;
		}
	}
	leave(e);
}

bool cn_events_ended(struct cn_events *e)
{
	bool ended;

	if (!enter(e))
		return true;
	ended = e->ended;
	leave(e);
	return ended;
}

void cn_events_restart(struct cn_events *e)
{
	if (!enter(e))
		return;
	e->ended = false;
	cn_strv_release(&e->human.warned);
	leave(e);
}

void cn_events_finish(struct cn_events *e)
{
	if (!enter(e))
		return;
	cn_live_clear(&e->human.live);
	if (e->plan)
		(void)cn_out_json(e->plan);
	json_decref(e->plan);
	e->plan = NULL;
	leave(e);
}

void cn_events_log(struct cn_events *e, enum cn_log_level level, const char *text)
{
	if (!enter(e))
		return;
	cn_human_log(&e->human, level, text);
	leave(e);
}

void cn_events_clear(struct cn_events *e)
{
	if (!enter(e))
		return;
	cn_live_clear(&e->human.live);
	free(e->human.live_text);
	e->human.live_text = NULL;
	leave(e);
}
