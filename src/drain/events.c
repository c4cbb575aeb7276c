/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a run tells: plan, step, progress, warning, and the one result at the end. */
#include <errno.h>
#include <pthread.h>

#include "run.h"

/* The result is the last event, whatever happens: after it nothing is let through, not even from the signal thread. */
static pthread_mutex_t emit_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cn_run *current;

static void emit_locked(struct cn_run *run, const char *event, json_t *fields)
{
	_cleanup_free_ char *time = cn_time_format(cn_clock_real_ms(run->clock));
	_cleanup_json_ json_t *e =
		json_pack("{si,ss,ss,so}", "schema", 1, "event", event, "time", time, "node", cn_json_string(run->node));

	if (fields)
		json_object_update(e, fields);
	json_decref(fields);
	run->ctx->sink->emit(run->ctx->sink, e);
}

void cn_emit(struct cn_run *run, const char *event, json_t *fields)
{
	pthread_mutex_lock(&emit_lock);
	if (run->result_emitted)
		json_decref(fields);
	else
		emit_locked(run, event, fields);
	pthread_mutex_unlock(&emit_lock);
}

static json_t *step_fields(const struct cn_run *run, const char *step, const char *state)
{
	json_t *e = json_pack("{ss,ss}", "step", step, "state", state);

	if (run->undo)
		json_object_set_new(e, "undo", json_true());
	return e;
}

void cn_step_begin(struct cn_run *run, const char *step)
{
	cn_emit(run, "step", step_fields(run, step, "begin"));
}

void cn_step_end(struct cn_run *run, const char *step, json_t *fields)
{
	json_t *e = step_fields(run, step, "end");

	if (fields)
		json_object_update(e, fields);
	json_decref(fields);
	cn_emit(run, "step", e);
}

void cn_run_warning(struct cn_run *run, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = cn_vasprintf(fmt, ap);
	va_end(ap);
	cn_emit(run, "warning", json_pack("{so}", "message", cn_json_string(text)));
}

static const char *outcome_of(const struct cn_error *err)
{
	switch (err->code) {
	case CN_REFUSED:
		return "refused";
	case CN_TIMEOUT:
		return "stalled";
	case CN_INTERRUPTED:
		return "interrupted";
	default:
		return err->errnum == ECANCELED ? "cancelled" : "failed";
	}
}

int64_t cn_run_bytes_moved(const struct cn_run *run)
{
	int64_t done = run->bytes_total - run->bytes_left, beside = 0;

	for (size_t i = 0; i < run->n; i++)
		beside += run->drains[i].journal.bytes_beside;
	if (run->bytes_total > 0)
		done += (int64_t)((double)beside * (double)done / (double)run->bytes_total);
	return done + run->bytes_moved_before;
}

static void emit_result_locked(struct cn_run *run, const char *outcome, int exit, const char *reason)
{
	json_t *osds = json_array(), *e;

	for (size_t i = 0; i < run->n; i++)
		for (size_t k = 0; k < run->drains[i].journal.n_osds; k++)
			json_array_append_new(osds, json_integer(run->drains[i].journal.osds[k].id));
	e = json_pack("{ss,so,sI,sI,si,so}", "outcome", outcome, "osds", osds, "seconds",
		      (json_int_t)((cn_clock_boot_ms(run->clock) - run->started_ms) / 1000), "bytes_moved",
		      (json_int_t)cn_run_bytes_moved(run), "exit", exit, "reason", cn_json_string(reason));
	if (run->already)
		json_object_set_new(e, "already", json_true());
	if (run->not_undone)
		json_object_set_new(e, "not_undone", json_true());
	emit_locked(run, "result", e);
	run->result_emitted = true;
}

void cn_emit_result(struct cn_run *run, int r, const struct cn_error *err, const char *outcome)
{
	pthread_mutex_lock(&emit_lock);
	if (!run->result_emitted) {
		if (r < 0 && err->code == CN_PARTIAL) /* done, but for what the reason names */
			emit_result_locked(run, outcome, CN_PARTIAL, err->message);
		else if (r < 0)
			emit_result_locked(run, outcome_of(err), err->code ? (int)err->code : CN_FAILED, err->message);
		else
			emit_result_locked(run, outcome, 0, NULL);
	}
	pthread_mutex_unlock(&emit_lock);
}

void cn_run_register(struct cn_run *run)
{
	pthread_mutex_lock(&emit_lock);
	current = run;
	pthread_mutex_unlock(&emit_lock);
}

void cn_replace_journal(struct cn_journal *old, struct cn_journal *now)
{
	struct cn_journal before;

	pthread_mutex_lock(&emit_lock); /* the signal thread lists the OSDs of the journals in its result */
	before = *old;
	*old = *now;
	pthread_mutex_unlock(&emit_lock);
	cn_journal_release(&before);
	*now = (struct cn_journal){};
}

char *cn_drain_emergency(struct cn_drain_context *ctx)
{
	/* No way back from here: the lock stays held, so that no other thread prints behind the result. */
	pthread_mutex_lock(&emit_lock);
	if (!current || current->ctx != ctx)
		return NULL;
	if (!current->result_emitted)
		emit_result_locked(current, "interrupted", CN_INTERRUPTED, "interrupted");
	return cn_way_on(current);
}
