/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps forecast and pin: under hold the new mapping is there to be read, and nothing has moved yet. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "cephnode/base/parallel.h"
#include "run.h"

#define TRIES 3  /* another hand's change between two readings */
#define KEEP_S 5 /* a fifth of the guard's patience */

struct forecast_job {
	struct cn_run *run;
	const struct cn_journal_pg *pgs;
	struct cn_pg *live;
	struct cn_error *errors;
};

static void one_map(void *arg, size_t i)
{
	struct forecast_job *job = arg;

	/* a word to the guard with each: on a large cluster this takes longer than its patience */
	if (cn_may_change(job->run, &job->errors[i]) == 0)
		cn_pg_map(job->run->c, job->pgs[i].id, &job->live[i], &job->errors[i]);
}

/* The node's PGs as the mon maps them now. */
static int read_live(struct cn_run *run, const struct cn_osdmap *m, struct cn_pgs *ret, struct cn_error *err)
{
	_cleanup_free_ struct cn_journal_pg *pgs = NULL;
	struct forecast_job job = {.run = run};
	size_t n = 0;
	int r = 0;

	job.pgs = pgs = cn_run_pgs(run, m, &n);
	*ret = (struct cn_pgs){.v = cn_calloc(n, sizeof(*ret->v)), .n = n, .cap = n};
	job.live = ret->v;
	job.errors = cn_calloc(n, sizeof(*job.errors));
	cn_parallel(n, CN_THREADS, one_map, &job);
	for (size_t i = 0; i < n; i++) {
		if (r == 0 && job.errors[i].errnum) {
			r = -job.errors[i].errnum;
			cn_error_move(err, &job.errors[i]);
		}
		cn_error_release(&job.errors[i]);
	}
	free(job.errors);
	return r;
}

/* Where there is no exact forecast. Of an OSD that is merely down it cannot tell. */
static void judge_live(const struct cn_run *run, const struct cn_osdmap *m, const struct cn_pgs *live, struct cn_plan *verdict)
{
	const char *hint = "nothing has moved and all is as before; add failure domains, or raise choose_total_tries";

	for (size_t i = 0; i < live->n; i++) {
		const struct cn_pg *pg = &live->v[i];
		const struct cn_pool *pool = cn_osdmap_pool(m, pg->id.pool);
		char text[CN_PGID_STRLEN];
		size_t filled = 0;
		int left_on = -1;

		for (size_t k = 0; k < pg->n_up; k++) {
			filled += pg->up[k] >= 0 && pg->up[k] != CN_CRUSH_NONE;
			if (cn_run_has_osd(run, pg->up[k]))
				left_on = pg->up[k];
		}
		cn_pgid_format(pg->id, text);
		if (pool && left_on >= 0)
			cn_plan_refuse(verdict, hint, "PG %s of pool '%s' would stay on osd.%d", text, pool->name, left_on);
		else if (pool && (int)filled < pool->size)
			cn_plan_refuse(verdict, hint, "CRUSH finds a place for only %zu of %d shards of PG %s of pool '%s'",
				       filled, pool->size, text, pool->name);
	}
}

static bool of_epoch(const struct cn_pgs *live, int64_t epoch)
{
	for (size_t i = 0; i < live->n; i++)
		if (live->v[i].reported_epoch != epoch)
			return false;
	return true;
}

struct kept {
	struct cn_run *run;
	const struct cn_foresee *in;
	struct cn_foresight *ret;
	struct cn_error *err;
	int r;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done;
};

static void foresee_or_keep(void *arg, size_t i)
{
	struct kept *k = arg;
	struct timespec end;

	if (i == 0)
		k->r = cn_foresee(k->in, k->ret, k->err);
	clock_gettime(CLOCK_REALTIME, &end);
	pthread_mutex_lock(&k->lock);
	k->done |= i == 0;
	pthread_cond_signal(&k->changed);
	while (!k->done) {
		end.tv_sec += KEEP_S;
		if (pthread_cond_timedwait(&k->changed, &k->lock, &end) == ETIMEDOUT)
			cn_may_change(k->run, NULL);
	}
	pthread_mutex_unlock(&k->lock);
}

/* The guard lets recovery go when it hears nothing for 25 s, and osdmaptool may be slow, or hang for a minute. */
static int foresee_kept(struct cn_run *run, const struct cn_foresee *in, struct cn_foresight *ret, struct cn_error *err)
{
	struct kept k = {run, in, ret, err, 0, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};

	cn_parallel(2, 2, foresee_or_keep, &k);
	return k.r;
}

/* Reads map and PGs, of one epoch where possible, and foresees. */
static int look_ahead(struct cn_run *run, enum cn_pin_mode pin, struct cn_plan *verdict, struct cn_foresight *ret,
		      struct cn_error *err)
{
	for (int tries = 1;; tries++) {
		_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
		_cleanup_(cn_crush_release) struct cn_crush crush = {};
		_cleanup_(cn_pgs_release) struct cn_pgs live = {};
		struct cn_foresee in = {.c = run->c, .osdmap = &m, .crush = &crush, .leaving = &verdict->osds, .known = &live};
		int r = cn_osdmap_get(run->c, &m, err);

		if (r == 0)
			r = cn_crush_get(run->c, &crush, err);
		if (r == 0)
			r = read_live(run, &m, &live, err);
		if (r == -ENOENT && tries < TRIES) { /* a pool was deleted, or PGs were merged, in between */
			cn_error_release(err);
			continue;
		}
		if (r < 0)
			return r;
		if (!of_epoch(&live, m.epoch) && tries < TRIES)
			continue;
		cn_run_osds(run, &m, &verdict->osds);
		in.sizes = &run->plan->sizes;
		in.pin = pin;
		in.before = cn_before_epoch(run);
		in.settled = run->taken_up ? cn_change_epoch(run) : 0;
		r = foresee_kept(run, &in, ret, err);
		if (r == 0 && ret->why_not) {
			judge_live(run, &m, &live, verdict);
		} else if (r == 0) {
			cn_foresight_spare(ret, &m, &run->plan->usage, pin);
			cn_plan_judge_mapping(cn_foresight_result(ret), &m, verdict);
			/* what has come since an earlier window died would count twice; by what is left the plan has judged */
			if (!run->taken_up)
				cn_plan_judge_fill(cn_foresight_result(ret), &m, &crush, &run->plan->usage, verdict);
		}
		return r;
	}
}

static json_t *told(const struct cn_foresight *fs)
{
	const struct cn_forecast *f = cn_foresight_result(fs);

	if (fs->why_not)
		return json_pack("{sb,ss}", "exact", 0, "reason", fs->why_not);
	return json_pack("{sb,sI,sI,sI}", "exact", 1, "bytes_to_move", (json_int_t)f->bytes_to_move, "bytes_minimum",
			 (json_int_t)f->bytes_minimum, "pins", (json_int_t)fs->pins.n);
}

/* What moves beside the node's own shards; in the first journal, for nobody knows whose doing it is. */
static void note_beside(struct cn_run *run, const struct cn_foresight *fs)
{
	const struct cn_forecast *f = cn_foresight_result(fs);

	if (!fs->why_not)
		run->drains[0].journal.bytes_beside = MAX(f->bytes_to_move - f->bytes_minimum, 0);
}

int cn_step_forecast(struct cn_run *run, struct cn_error *err)
{
	struct cn_plan verdict = {.method = CN_METHOD_CRUSH};
	enum cn_pin_mode pin = run->ctx->options->pin;
	int r;

	cn_step_begin(run, "forecast");
	r = cn_save_all(run, CN_PHASE_FORECAST, err);
	if (r == 0)
		r = look_ahead(run, pin, &verdict, &run->foresight, err);
	if (r == 0 && run->foresight.why_not && pin == CN_PIN_ALWAYS && !run->taken_up) /* else much would have to go back */
		cn_plan_refuse(&verdict, "mend that, or drain with --pin auto", "--pin always: %s", run->foresight.why_not);
	if (r == 0)
		r = cn_plan_verdict(&verdict, err);
	if (r == 0 && run->foresight.why_not && run->plan->exact)
		cn_run_warning(run, "the forecast is no more than a bound now, and there will be no pins: %s",
			       run->foresight.why_not);
	if (r == 0) {
		note_beside(run, &run->foresight);
		cn_step_end(run, "forecast", told(&run->foresight));
	}
	cn_plan_release(&verdict);
	return r;
}

/* The mon drops a pin that breaks a rule: what then moves is foreseen once more. */
int cn_step_pin(struct cn_run *run, struct cn_error *err)
{
	struct cn_plan verdict = {.method = CN_METHOD_CRUSH};
	struct cn_foresight after = {};
	size_t kept = 0, n = run->foresight.pins.n;
	int r;

	if (!run->foresight.pinning)
		return 0;
	cn_step_begin(run, "pin");
	r = cn_upmaps_pin(run, &run->foresight.pins, &kept, err);
	if (r < 0)
		return cn_error_wrap(err, "cannot pin");
	if (kept < n)
		cn_run_warning(run, "the monitors let %zu of %zu pins stand: what the others were to keep will move", kept, n);
	r = look_ahead(run, CN_PIN_NEVER, &verdict, &after, err);
	if (r == 0)
		r = cn_plan_verdict(&verdict, err);
	if (r == 0) {
		json_t *fields = told(&after);

		note_beside(run, &after);
		json_object_set_new(fields, "pins", json_integer((json_int_t)kept));
		cn_step_end(run, "pin", fields);
	}
	cn_foresight_release(&after);
	cn_plan_release(&verdict);
	return r;
}
