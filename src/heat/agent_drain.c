/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The nodes behind the gates, as one plan. First the data is moved and proved, with everything kept: whoever stops the deletion
 * in those hours still finds the OSDs there. Then the gates are read again, and what still waits is removed.
 */
#include <errno.h>
#include <string.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/base/log.h"
#include "cephnode/base/text.h"
#include "heat/agent.h"

/* A plan that is refused again every minute is told once. true: the event is not for others. */
static bool keep_back(struct cn_agent *a, const char *kind, const json_t *event)
{
	if (!a->quiet)
		return false;
	if (strcmp(kind, "step") != 0) {
		if (strcmp(kind, "plan") == 0) {
			json_decref(a->plan);
			a->plan = json_deep_copy(event);
		}
		return true;
	}
	a->quiet = false;
	if (a->plan)
		a->out->emit(a->out, a->plan);
	return false;
}

/* The drain's events on their way: when data moves, and how far it is. */
static void on_event(struct cn_sink *sink, const json_t *event)
{
	struct cn_agent *a = (struct cn_agent *)((char *)sink - offsetof(struct cn_agent, sink));
	const char *kind = cn_json_str(event, "event", ""), *node = cn_json_str(event, "node", "?");

	if (strcmp(kind, "step") == 0)
		a->in_wait = strcmp(cn_json_str(event, "state", ""), "begin") == 0 &&
			     (strcmp(cn_json_str(event, "step", ""), "wait") == 0 ||
			      strcmp(cn_json_str(event, "step", ""), "prove") == 0);
	if (strcmp(kind, "step") == 0)
		cn_agent_status("drain of %s: %s", node, cn_json_str(event, "step", ""));
	if (strcmp(kind, "progress") == 0) {
		_cleanup_free_ char *left = cn_format_bytes(cn_json_int(event, "bytes_left", 0));

		cn_agent_status("drain of %s: %s left", node, left);
	}
	if (!keep_back(a, kind, event))
		a->out->emit(a->out, event);
}

/* Drains the set and keeps it, or finishes what was kept: what was taken back in between is not begun again unasked.
 * The signal thread knows the drain by its context, so that one is used, and lent what is ours. */
static int run(struct cn_agent *a, struct cn_wait **set, size_t n, bool keep, struct cn_error *err)
{
	_cleanup_free_ const char **names = cn_calloc(n, sizeof(*names));
	struct cn_drain_context *d = a->ctx->drain, saved = *d;
	struct cn_drain_options options = *saved.options;
	int r;

	for (size_t i = 0; i < n; i++)
		names[i] = set[i]->match.spec;
	options.keep = keep;
	options.finish_only = !keep;
	a->sink.emit = on_event;
	a->out = saved.sink;
	d->sink = &a->sink;
	a->in_wait = false;
	free(a->lost); /* of a drain before */
	a->lost = NULL;
	a->moving = set;
	a->n_moving = n;
	a->look_at_ms = cn_clock_boot_ms(a->pulse.real) + a->options->interval_s * 1000;
	a->ctx->chapter(a->ctx->arg, true);
	d->options = &options;
	d->clock = &a->pulse.clock;
	r = cn_drain_run(d, names, n, err);
	d->options = saved.options;
	d->clock = saved.clock;
	d->sink = saved.sink;
	a->ctx->chapter(a->ctx->arg, false);
	a->in_wait = false;
	a->moving = NULL;
	a->n_moving = 0;
	json_decref(a->plan);
	a->plan = NULL;
	return r;
}

static void fail(struct cn_wait *w, const struct cn_error *why)
{
	cn_error_set(&w->err, why->code, why->errnum, "%s", why->message);
	if (why->hint)
		cn_error_hint(&w->err, "%s", why->hint);
}

static void fail_all(struct cn_wait **set, size_t n, const struct cn_error *why)
{
	for (size_t i = 0; i < n; i++)
		if (!set[i]->err.errnum)
			fail(set[i], why);
}

static void no_longer_waits(struct cn_wait *w, bool removed)
{
	cn_error_set(&w->err, CN_PARTIAL, ESTALE, "Heat's deletion waits no more: it was cancelled, or its time was over. %s",
		     removed         ? "Its OSDs are removed; the server is kept and empty"
		     : w->match.late ? "The removal of its OSDs has begun"
				     : "What has moved stays off the node, none of its OSDs was removed by this");
	if (removed) {
		cn_error_hint(&w->err, "to delete it after all, PATCH the stack with the size it shall have");
		return;
	}
	cn_error_hint(&w->err, "to go on, start the deletion again; to take it back: cephnode cancel %s",
		      w->match.spec ? w->match.spec : "NODE");
}

/* Gates and OSDs again. A gate that waits no more gets that as its error. */
static int refresh(struct cn_agent *a, struct cn_wait **set, size_t n, struct cn_error *err)
{
	_cleanup_(cn_waits_release) struct cn_waits now = {};
	int r = cn_waits_get(a, false, &now, err);

	for (size_t i = 0; i < n && r == 0; i++) {
		const struct cn_wait *found = NULL;

		if (set[i]->err.errnum)
			continue;
		for (size_t k = 0; k < now.n; k++)
			if (strcmp(now.v[k].member.stack.id, set[i]->member.stack.id) == 0)
				found = &now.v[k];
		if (!found) {
			no_longer_waits(set[i], set[i]->drained || set[i]->match.kind == CN_MATCH_REMOVED);
			continue;
		}
		set[i]->gate = found->gate;
		cn_wait_look(a, set[i]);
	}
	return r;
}

/* Those of the set that are (still) to be drained. */
static size_t left_of(struct cn_wait **set, size_t n, struct cn_wait **ret)
{
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		if (!set[i]->err.errnum && set[i]->match.kind == CN_MATCH_NODE)
			ret[k++] = set[i];
	return k;
}

/* What was looked at before another drain is looked at once more: that may have been days ago. */
static size_t look_again(struct cn_agent *a, struct cn_wait **set, size_t n, struct cn_wait **ret)
{
	_cleanup_error_ struct cn_error err = {};

	if (n && refresh(a, set, n, &err) < 0)
		fail_all(set, n, &err);
	return left_of(set, n, ret);
}

static void open_gate(struct cn_agent *a, struct cn_wait *w)
{
	_cleanup_error_ struct cn_error err = {};

	if (!w->err.errnum && !w->opened && cn_wait_is_stale(a, w) && refresh(a, &w, 1, &err) < 0)
		fail(w, &err);
	if (!w->err.errnum && w->drained && w->match.kind == CN_MATCH_NODE)
		cn_error_set(&w->err, CN_PARTIAL, EEXIST, "another OSD has appeared on it meanwhile: it is drained as well");
	cn_wait_open(a, w);
}

/* The drain ended because a gate waits no more; the others are taken up again in the next round. */
static void lost(struct cn_agent *a, struct cn_wait **set, size_t n)
{
	const char *name = "?";

	for (size_t i = 0; i < n; i++)
		if (strcmp(set[i]->member.stack.id, a->lost) == 0)
			name = set[i]->member.name;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(set[i]->member.stack.id, a->lost) == 0)
			no_longer_waits(set[i], set[i]->drained);
		else
			cn_error_set(&set[i]->err, CN_PARTIAL, ESTALE, "its drain goes on without %s, with the next look", name);
	}
	free(a->lost);
	a->lost = NULL;
}

static int drain_set(struct cn_agent *a, struct cn_wait **set, size_t n, bool late);

/* What cannot go together may go one by one. */
static int one_by_one(struct cn_agent *a, struct cn_wait **set, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct cn_wait *one;

		if (look_again(a, &set[i], 1, &one) && drain_set(a, &one, 1, false) == -EINTR)
			return -EINTR;
	}
	return -ESTALE;
}

static int move(struct cn_agent *a, struct cn_wait **set, size_t n, struct cn_error *err)
{
	int r = run(a, set, n, true, err);

	if (r < 0 && cn_interrupted())
		return -EINTR;
	if (a->lost) {
		lost(a, set, n);
		return -ESTALE;
	}
	if (r < 0 && err->code == CN_REFUSED && n > 1)
		return one_by_one(a, set, n);
	if (r < 0)
		fail_all(set, n, err);
	return r;
}

/* Removes those of the set that are left. */
static int finish(struct cn_agent *a, struct cn_wait **set, size_t n, struct cn_error *err)
{
	int r = n ? run(a, set, n, false, err) : 0;

	if (r < 0 && cn_interrupted())
		return -EINTR;
	if (r < 0 && err->code == CN_PARTIAL) { /* removed; the event has told what is left behind */
		cn_error_release(err);
		r = 0;
	}
	for (size_t i = 0; i < n; i++)
		set[i]->drained = r == 0;
	if (a->lost) {
		lost(a, set, n);
		return -ESTALE;
	}
	return r;
}

/* Moves, looks again, removes, looks again, opens. */
static int drain_set(struct cn_agent *a, struct cn_wait **set, size_t n, bool late)
{
	_cleanup_free_ struct cn_wait **left = cn_calloc(n, sizeof(struct cn_wait *));
	_cleanup_error_ struct cn_error err = {};
	int r = late ? 0 : move(a, set, n, &err);

	if (r < 0)
		return r;
	r = refresh(a, set, n, &err);
	if (r == 0)
		r = finish(a, left, left_of(set, n, left), &err);
	if (r == -EINTR || r == -ESTALE)
		return r;
	if (r == 0)
		r = refresh(a, set, n, &err);
	if (r < 0)
		fail_all(set, n, &err);
	for (size_t i = 0; i < n; i++)
		open_gate(a, set[i]);
	return r;
}

void cn_waits_open(struct cn_agent *a, struct cn_waits *l)
{
	_cleanup_free_ struct cn_wait **set = cn_calloc(l->n, sizeof(struct cn_wait *));
	_cleanup_error_ struct cn_error err = {};
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (!l->v[i].err.errnum && !l->v[i].opened && l->v[i].match.kind != CN_MATCH_NODE)
			set[n++] = &l->v[i];
	if (n && refresh(a, set, n, &err) < 0)
		fail_all(set, n, &err);
	for (size_t i = 0; i < n; i++)
		open_gate(a, set[i]);
}

int cn_waits_drain(struct cn_agent *a, struct cn_waits *l)
{
	_cleanup_free_ struct cn_wait **all = cn_calloc(l->n, sizeof(struct cn_wait *));
	size_t n = 0;
	bool first = true;
	int r = 0;

	for (size_t i = 0; i < l->n && r != -EINTR; i++)
		if (!l->v[i].err.errnum && l->v[i].match.kind == CN_MATCH_NODE && l->v[i].match.late) {
			struct cn_wait *one = &l->v[i];

			if (first || look_again(a, &one, 1, &one))
				r = drain_set(a, &one, 1, true);
			first = false;
		}
	for (size_t i = 0; i < l->n; i++)
		if (!l->v[i].match.late && !l->v[i].opened)
			all[n++] = &l->v[i];
	if (r != -EINTR)
		n = first ? left_of(all, n, all) : look_again(a, all, n, all);
	if (r != -EINTR && n)
		r = drain_set(a, all, n, false);
	return r == -EINTR ? r : 0;
}
