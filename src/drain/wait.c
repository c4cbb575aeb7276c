/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The long wait, without the lock: until the manager's statistics say that every PG has left and is clean. The proof follows. */
#include <errno.h>
#include <inttypes.h>

#include "run.h"

#define POLL_MS 1000
#define LOOK_MS 60000

struct waiter {
	struct cn_run *run;
	struct cn_osdmap m;
	struct cn_ids osds;
	struct cn_journal_pg *pgs;
	size_t n_pgs;
	struct cn_rate rate;
	char *health;
	struct cn_measure measure;
	struct cn_patience patience;
	bool blind;          /* the last reading failed */
	int64_t look_ms;     /* when nothing has moved for so long, the cause is looked for */
	struct cn_strv told; /* kinds of causes */
	unsigned polls;
};

/* --- a stall --- */

static char *left_words(const struct waiter *w)
{
	_cleanup_(cn_strv_release) struct cn_strv states = {};
	_cleanup_free_ char *list = NULL;

	for (size_t i = 0; i < w->measure.left.n; i++)
		if (!cn_strv_has(&states, w->measure.left.v[i].state))
			cn_strv_add(&states, w->measure.left.v[i].state);
	list = cn_strv_join(&states, ", ");
	return cn_asprintf("%" PRId64 " PG%s left%s%s", w->run->pgs_left, w->run->pgs_left == 1 ? " is" : "s are",
			   states.n ? ", in the states " : "", list);
}

/* Told once for each kind of cause: which of them holds it up may change while it stands still. */
static void tell_causes(struct waiter *w, int64_t idle_s)
{
	struct cn_causes causes = {};

	cn_diagnose(w->run, &w->measure, w->blind, &causes);
	for (size_t i = 0; i < causes.n; i++) {
		if (cn_strv_has(&w->told, causes.v[i].kind))
			continue;
		cn_strv_add(&w->told, causes.v[i].kind);
		cn_run_warning(w->run, "nothing has moved for %" PRId64 " s: %s (%s)", idle_s, causes.v[i].text,
			       causes.v[i].hint);
	}
	cn_causes_release(&causes);
}

static int check_patience(struct waiter *w, struct cn_error *err)
{
	_cleanup_free_ char *left = left_words(w);
	int64_t idle;
	int r = cn_patience_check(w->run, &w->patience, w->run->bytes_left, w->run->pgs_left, left, err);

	if (r == -ETIME)
		return cn_give_up(w->run, &w->measure, w->blind, left, err);
	idle = cn_clock_boot_ms(w->run->clock) - w->patience.since_ms;
	if (idle < LOOK_MS)
		w->look_ms = LOOK_MS;
	if (r == 0 && idle >= w->look_ms) {
		tell_causes(w, idle / 1000);
		w->look_ms = 2 * idle; /* a cause that comes later is worth a word as well */
	}
	return r;
}

/* --- the poll --- */

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

static void tell_progress(struct waiter *w)
{
	struct cn_run *run = w->run;
	double bps;

	cn_rate_add(&w->rate, cn_clock_boot_ms(run->clock), run->bytes_left);
	bps = cn_rate_get(&w->rate);
	cn_emit(run, "progress",
		json_pack("{sI,sI,sI,sI,so,ss}", "pgs_left", (json_int_t)run->pgs_left, "bytes_left", (json_int_t)run->bytes_left,
			  "bytes_total", (json_int_t)run->bytes_total, "bytes_per_second", (json_int_t)MAX(bps, 0), "eta_seconds",
			  cn_eta_json(run->pgs_left, run->bytes_left, bps), "health", w->health ? w->health : "unknown"));
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

/* Writes of clients make what is left grow again; a bar that runs backwards helps nobody. The journals remember it for who goes
 * on later. first: the statistics of the plan may have been older than the last writes. */
static void book(struct cn_run *run, const struct cn_measure *m, bool first)
{
	run->bytes_total = run->bytes_left = 0;
	for (size_t i = 0; i < run->n; i++) {
		struct cn_journal *j = &run->drains[i].journal;
		int64_t left = 0;

		for (size_t k = 0; k < m->n_osds; k++)
			left += cn_journal_osd(j, m->osds[k].id) ? m->osds[k].bytes_left : 0;
		if (first && j->bytes_left == j->bytes_total && left > j->bytes_total) {
			j->bytes_total = j->bytes_left = left;
			for (size_t k = 0; k < m->n_osds; k++)
				if (cn_journal_osd(j, m->osds[k].id))
					cn_journal_osd(j, m->osds[k].id)->bytes_total = m->osds[k].bytes_left;
		}
		j->bytes_left = MIN(j->bytes_left, left);
		run->bytes_total += j->bytes_total;
		run->bytes_left += j->bytes_left;
	}
}

static int poll_once(struct waiter *w, struct cn_error *err)
{
	struct cn_run *run = w->run;
	struct cn_measure now = {};
	int r = 0;

	if (w->polls % 2 == 0) { /* before the weights: after a cancel they are back, and that is no other hand's work */
		r = cn_check_journals(run, err);
		if (r == 0)
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
	book(run, &now, w->polls == 1);
	return 0;
}

static int wait_loop(struct waiter *w, struct cn_error *err)
{
	struct cn_run *run = w->run;

	for (;;) {
		int64_t start = cn_clock_boot_ms(run->clock);
		int r;

		cn_limit_commands(run);
		r = poll_once(w, err);
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
		r = check_patience(w, err);
		if (r < 0)
			return r;
		if (cn_pause(run, POLL_MS, w->blind ? 0 : cn_clock_boot_ms(run->clock) - start) < 0)
			return cn_error_interrupted(err);
	}
}

int cn_step_wait(struct cn_run *run, struct cn_error *err)
{
	struct waiter w = {.run = run, .look_ms = LOOK_MS};
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
	cn_strv_release(&w.told);
	return r;
}
