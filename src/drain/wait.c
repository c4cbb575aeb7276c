/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The long wait, without the lock: until the manager's statistics say that every PG has left and is clean. The proof follows. */
#include <errno.h>
#include <inttypes.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/base/text.h"
#include "run.h"

#define POLL_MS 1000
#define WINDOW 30 /* samples of the rate */

struct sample {
	int64_t at_ms, bytes_left;
};

struct waiter {
	struct cn_run *run;
	struct cn_osdmap m;
	struct cn_ids osds;
	struct cn_journal_pg *pgs;
	size_t n_pgs;
	struct sample samples[WINDOW];
	size_t n_samples;
	char *health;
	struct cn_measure measure;
	struct cn_patience patience;
	bool blind; /* the manager did not answer last time */
	unsigned polls;
};

int cn_patience_check(struct cn_run *run, struct cn_patience *p, int64_t bytes, int64_t count, const char *what,
		      struct cn_error *err)
{
	int64_t now = cn_clock_boot_ms(run->clock), stall = run->ctx->options->stall_timeout_s * 1000;

	if (cn_interrupted())
		return cn_error_interrupted(err);
	if (run->timeout_at_ms && now >= run->timeout_at_ms) {
		cn_error_set(err, CN_TIMEOUT, ETIMEDOUT, "the time given with --timeout is over: %s", what);
		cn_error_hint(err, "the same command goes on from here");
		return -ETIMEDOUT;
	}
	if (p->since_ms == 0 || bytes < p->bytes || count < p->count) {
		*p = (struct cn_patience){p->since_ms ? MIN(bytes, p->bytes) : bytes, p->since_ms ? MIN(count, p->count) : count,
					  now};
		return 0;
	}
	if (now - p->since_ms < stall)
		return 0;
	cn_error_set(err, CN_TIMEOUT, ETIME, "nothing has changed for %" PRId64 " s: %s", stall / 1000, what);
	cn_error_hint(err, "mend the cause and run the same command again, or undo with cephnode cancel");
	return -ETIME;
}

/* Why it may not go on, by looking: what the map, the states and the manager say. To be freed. */
static char *diagnose(const struct waiter *w)
{
	static const char *const stoppers[] = {"norecover", "nobackfill", "norebalance", "pauserd", "pausewr"};
	_cleanup_(cn_strv_release) struct cn_strv found = {};
	_cleanup_free_ char *states = cn_strv_join(&w->measure.words, ", ");

	if (w->blind)
		cn_strv_add(&found, "the manager gives no statistics");
	for (size_t i = 0; i < ARRAY_SIZE(stoppers); i++)
		if (cn_strv_has(&w->m.flags, stoppers[i]))
			cn_strv_addf(&found, "the flag %s is set (not by this drain)", stoppers[i]);
	for (size_t i = 0; i < w->m.n_osds; i++)
		if (!w->m.osds[i].up && w->m.osds[i].in && !cn_run_has_osd(w->run, w->m.osds[i].id))
			cn_strv_addf(&found, "osd.%d is down", w->m.osds[i].id);
	for (size_t i = 0; i < w->measure.words.n; i++)
		if (cn_pg_state_has(w->measure.words.v[i], "backfill_toofull") ||
		    cn_pg_state_has(w->measure.words.v[i], "recovery_toofull"))
			cn_strv_add(&found, "a target OSD is too full");
	cn_strv_addf(&found, "%" PRId64 " PGs are left%s%s", w->measure.pgs_left, *states ? ", in the states " : "", states);
	return cn_strv_join(&found, "; ");
}

static void read_health(struct waiter *w)
{
	struct cn_health h = {};

	if (cn_health_get(w->run->c, &h, NULL) < 0)
		return;
	free(w->health);
	w->health = cn_strdup(h.status);
	cn_speed_tend(w->run, &h);
	cn_health_release(&h);
}

/* Bytes a second over the window, -1 while it cannot be told. */
static double rate(struct waiter *w, int64_t now, int64_t left)
{
	const struct sample *first;
	int64_t ms;

	if (w->n_samples == WINDOW) {
		for (size_t i = 1; i < WINDOW; i++)
			w->samples[i - 1] = w->samples[i];
		w->n_samples--;
	}
	w->samples[w->n_samples++] = (struct sample){now, left};
	first = &w->samples[0];
	ms = now - first->at_ms;
	return ms >= 1000 ? (double)(first->bytes_left - left) * 1000.0 / (double)ms : -1;
}

static void tell_progress(struct waiter *w)
{
	struct cn_run *run = w->run;
	double bps = rate(w, cn_clock_boot_ms(run->clock), run->bytes_left);
	json_t *eta = json_null();

	if (run->bytes_left == 0)
		eta = json_integer(0);
	else if (bps >= 1)
		eta = json_integer((json_int_t)((double)run->bytes_left / bps) + 1);
	cn_emit(run, "progress",
		json_pack("{sI,sI,sI,sI,so,ss}", "pgs_left", (json_int_t)run->pgs_left, "bytes_left", (json_int_t)run->bytes_left,
			  "bytes_total", (json_int_t)run->bytes_total, "bytes_per_second", (json_int_t)MAX(bps, 0), "eta_seconds",
			  eta, "health", w->health ? w->health : "unknown"));
}

/* Ten polls share one reading of the maps: of a large cluster they are megabytes. */
static int read_maps(struct waiter *w, struct cn_error *err)
{
	struct cn_osdmap m = {};
	int r;

	if (w->polls % 10 != 0)
		return 0;
	r = cn_osdmap_get(w->run->c, &m, err);
	if (r < 0)
		return r;
	cn_osdmap_release(&w->m);
	w->m = m;
	cn_ids_release(&w->osds);
	cn_run_osds(w->run, &m, &w->osds);
	free(w->pgs);
	w->pgs = cn_run_pgs(w->run, &m, &w->n_pgs);
	return w->run->weights_zero ? cn_check_weights(w->run, err) : 0;
}

static int poll_once(struct waiter *w, struct cn_error *err)
{
	struct cn_run *run = w->run;
	struct cn_measure now = {};
	int r = 0;

	if (w->polls % 2 == 0) { /* before the weights: after a cancel they are back, and that is no other hand's work */
		r = cn_check_journals(run, err);
		read_health(w);
	}
	if (r == 0)
		r = read_maps(w, err);
	if (r == 0)
		r = cn_measure(run->c, &w->m, &w->osds, w->pgs, w->n_pgs, &now, err);
	w->polls++;
	if (r < 0)
		return r;
	cn_measure_release(&w->measure);
	w->measure = now;
	run->pgs_left = now.pgs_left;
	if (w->polls == 1 && now.bytes_left > run->bytes_total) /* the plan's statistics were older than the last writes */
		run->bytes_total = run->bytes_left = now.bytes_left;
	/* later writes make it grow again; a bar that runs backwards helps nobody */
	run->bytes_left = MIN(now.bytes_left, run->bytes_left);
	return 0;
}

static int wait_loop(struct waiter *w, struct cn_error *err)
{
	struct cn_run *run = w->run;

	for (;;) {
		_cleanup_free_ char *why = NULL;
		int64_t start = cn_clock_boot_ms(run->clock), cost;
		int r = poll_once(w, err);

		if (r < 0 && !cn_error_passes(r))
			return r;
		if (r < 0)
			w->polls = 0; /* read the maps anew: an OSD that has just gone down has no statistics either */
		if (r < 0 && !w->blind)
			cn_run_warning(run, "the cluster gives no statistics just now (%s); going on when they come back",
				       err->message);
		w->blind = r < 0;
		cn_error_release(err);
		if (!w->blind)
			tell_progress(w);
		if (!w->blind && run->pgs_left == 0)
			return 0;
		why = diagnose(w);
		r = cn_patience_check(run, &w->patience, run->bytes_left, run->pgs_left, why, err);
		if (r < 0)
			return r;
		cost = cn_clock_boot_ms(run->clock) - start;
		if (cn_clock_wait_ms(run->clock, MAX(POLL_MS - cost, cost * 3)) < 0)
			return cn_error_interrupted(err);
	}
}

int cn_step_wait(struct cn_run *run, struct cn_error *err)
{
	struct waiter w = {.run = run};
	int64_t start = cn_clock_boot_ms(run->clock);
	int r;

	cn_step_begin(run, "wait");
	r = wait_loop(&w, err);
	if (r == 0)
		cn_step_end(run, "wait",
			    json_pack("{sI,sI}", "bytes_moved", (json_int_t)cn_run_bytes_moved(run), "seconds",
				      (json_int_t)((cn_clock_boot_ms(run->clock) - start) / 1000)));
	cn_osdmap_release(&w.m);
	cn_measure_release(&w.measure);
	cn_ids_release(&w.osds);
	free(w.pgs);
	free(w.health);
	return r;
}
