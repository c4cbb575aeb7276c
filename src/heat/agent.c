/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The rounds. Ceph is connected to only while a gate waits. */
#include "heat/agent.h"

#include <errno.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/base/log.h"

#define MAX_BACKOFF_MS 60000
#define GATHER_POLL_MS 1000

/* A drain that was refused costs the managers a whole listing of PGs: it is tried again ever more seldom, and at once when
 * another gate waits. */
static bool due(struct cn_agent *a, const struct cn_waits *l)
{
	return l->n != a->retry_n || cn_clock_boot_ms(a->pulse.real) >= a->retry_at_ms;
}

static void back_off(struct cn_agent *a, const struct cn_waits *l, bool failed)
{
	int64_t first = a->options->interval_s * 1000;

	if (!failed)
		a->backoff_ms = 0;
	else
		a->backoff_ms = a->backoff_ms ? MIN(2 * a->backoff_ms, MAX(first, (int64_t)MAX_BACKOFF_MS)) : first;
	a->retry_at_ms = cn_clock_boot_ms(a->pulse.real) + a->backoff_ms;
	a->retry_n = l->n;
}

/* What is left closed, and why; *err gets the first of it. */
static bool tell_closed(struct cn_agent *a, const struct cn_waits *l, struct cn_error *err)
{
	bool any = false;

	for (size_t i = 0; i < l->n; i++) {
		const struct cn_wait *w = &l->v[i];

		if (!w->err.errnum)
			continue;
		cn_agent_say(a, w, w->err.code == CN_REFUSED ? "refused" : "kept", w->err.message, w->err.hint);
		if (!any) {
			cn_error_set(err, w->err.code, w->err.errnum, "the gate of node %s stays closed: %s", w->member.name,
				     w->err.message);
			if (w->err.hint)
				cn_error_hint(err, "%s", w->err.hint);
		}
		any = true;
	}
	return any;
}

static int work_on(struct cn_agent *a, struct cn_waits *l, struct cn_error *err)
{
	int r = a->ctx->connect(a->ctx->arg, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < l->n && !cn_interrupted(); i++)
		cn_wait_look(a, &l->v[i]);
	cn_waits_open(a, l);
	for (size_t i = 0; i < l->n && !cn_interrupted(); i++)
		if (!l->v[i].err.errnum && !l->v[i].opened && !a->quiet)
			cn_agent_say(a, &l->v[i], "draining", NULL, NULL);
	r = cn_interrupted() ? -EINTR : cn_waits_drain(a, l);
	a->ctx->disconnect(a->ctx->arg);
	a->broken_off = r == -EINTR;
	return r == -EINTR ? cn_error_interrupted(err) : 0;
}

/* 0: nothing waits any more; -EAGAIN: something does, and err says why; -EINPROGRESS: look again in a moment. */
static int round_once(struct cn_agent *a, struct cn_error *err)
{
	_cleanup_(cn_waits_release) struct cn_waits l = {};
	bool closed;
	int r;

	a->ctx->chapter(a->ctx->arg, false);
	r = cn_waits_get(a, true, &l, err);

	if (r < 0)
		return r;
	if (l.n && a->gathering)
		return -EINPROGRESS;
	if (l.n == 0) {
		cn_agent_status("no deletion waits");
		back_off(a, &l, false);
		return 0;
	}
	if (!a->options->once && !due(a, &l))
		return 0;
	a->quiet = a->backoff_ms > 0 && l.n == a->retry_n;
	r = work_on(a, &l, err);
	if (r < 0)
		return r;
	closed = tell_closed(a, &l, err);
	back_off(a, &l, closed);
	return closed ? -EAGAIN : 0;
}

/* What no later round can mend: the configuration. */
static bool is_final(const struct cn_error *err)
{
	return err->code == CN_USAGE;
}

static int rounds(struct cn_agent *a, struct cn_error *err)
{
	for (;;) {
		int r = round_once(a, err);

		if (cn_interrupted())
			return a->options->once || a->broken_off ? cn_error_interrupted(err) : 0;
		if (r == -EINPROGRESS) {
			(void)cn_clock_wait_ms(&a->pulse.clock, GATHER_POLL_MS); /* a signal is seen by the next look */
			continue;
		}
		if (a->options->once || (r < 0 && is_final(err)))
			return r;
		if (r < 0 && r != -EAGAIN)
			cn_agent_trouble(a, err);
		else
			cn_agent_trouble(a, NULL);
		cn_error_release(err);
		if (cn_clock_wait_ms(&a->pulse.clock, a->options->interval_s * 1000) < 0)
			return 0;
	}
}

int cn_heat_agent_run(struct cn_heat_agent_context *ctx, const struct cn_heat_agent_options *options, struct cn_error *err)
{
	struct cn_agent a = {.ctx = ctx, .options = options};
	int r;

	cn_pulse_init(&a, ctx->drain->clock);
	cn_agent_ready();
	r = rounds(&a, err);
	cn_agent_stopping();
	cn_known_release(&a);
	cn_stack_ref_release(&a.stack);
	free(a.trouble);
	free(a.lost);
	return r;
}
