/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The plan's forecast: what moves where, how full it makes the OSDs, and what speaks against that. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cephnode/base/parallel.h"
#include "foresee.h"

#define MOST_ASKED 4096 /* PGs: one command each, a millisecond */
#define ASKERS 16

/* Bytes that a byte takes on an OSD: copies are counted apart. */
static double used_ratio(const struct cn_pool *pool, const struct cn_pool_usage *u)
{
	double copies = (double)u->stored * pool->size / MAX(pool->ec_k, 1);
	double ratio = copies > 0 ? (double)u->used / copies : 1;

	/* statistics of a pool that is just being filled are nonsense for a while */
	return ratio >= 0.1 && ratio <= 10 ? ratio : 1;
}

static void read_sizes(const struct cn_inventory *inv, const struct cn_pool_usages *df, struct cn_shard_sizes *ret)
{
	const struct cn_osdmap *m = &inv->osdmap;
	_cleanup_free_ int64_t *stored = cn_calloc(m->n_pools, sizeof(*stored));

	for (size_t i = 0; i < m->n_pools; i++)
		for (size_t k = 0; k < df->n; k++)
			if (df->v[k].pool == m->pools[i].id)
				stored[i] = df->v[k].stored;
	cn_shard_sizes_init(ret, m, stored);
	for (size_t i = 0; i < m->n_pools; i++)
		for (size_t k = 0; k < df->n; k++)
			if (df->v[k].pool == m->pools[i].id)
				ret->pools[i].used = used_ratio(&m->pools[i], &df->v[k]);
	for (size_t n = 0; n < inv->n_nodes; n++)
		for (size_t i = 0; i < inv->nodes[n].pgs.n; i++) {
			const struct cn_pg *pg = &inv->nodes[n].pgs.v[i];

			cn_shard_sizes_set(ret, pg->id, cn_shard_bytes(m, pg));
		}
}

void cn_plan_judge_mapping(const struct cn_forecast *f, const struct cn_osdmap *m, struct cn_plan *p)
{
	char text[CN_PGID_STRLEN];
	const struct cn_pool *pool;

	if (f->n_stay) {
		pool = cn_osdmap_pool(m, f->stays.pool);
		cn_plan_refuse(p, "add failure domains, or see the pool's rule: ceph osd crush rule dump",
			       "PG %s of pool '%s' would stay on osd.%d (%zu PGs would stay)", cn_pgid_format(f->stays, text),
			       pool->name, f->stays_on, f->n_stay);
	}
	if (f->n_holes) {
		pool = cn_osdmap_pool(m, f->hole.pool);
		cn_plan_refuse(p, "add failure domains, or raise choose_total_tries of the CRUSH map",
			       "CRUSH finds a place for only %d of %d shards of PG %s of pool '%s' (%zu PGs would be short)",
			       f->hole_filled, pool->size, cn_pgid_format(f->hole, text), pool->name, f->n_holes);
	}
}

static const struct cn_osd_usage *usage_of(const struct cn_osd_usages *u, int osd)
{
	if ((size_t)osd < u->n && u->v[osd].id == osd) /* they come by id, and rarely is one missing */
		return &u->v[osd];
	for (size_t i = 0; i < u->n; i++)
		if (u->v[i].id == osd)
			return &u->v[i];
	return NULL;
}

static bool overfills(const struct cn_forecast *f, const struct cn_osdmap *m, const struct cn_osd_usages *usage)
{
	for (size_t i = 0; i < f->n_osds; i++) {
		const struct cn_osd_usage *u = f->osds[i].shards_in ? usage_of(usage, f->osds[i].id) : NULL;

		if (u && u->total > 0 && (double)(u->used + f->osds[i].used_delta) / (double)u->total >= m->backfillfull_ratio)
			return true;
	}
	return false;
}

void cn_foresight_spare(struct cn_foresight *fs, const struct cn_osdmap *m, const struct cn_osd_usages *usage,
			enum cn_pin_mode pin)
{
	if (!fs->pinning || pin != CN_PIN_AUTO || !overfills(&fs->pinned, m, usage) || overfills(&fs->plain, m, usage))
		return;
	cn_pins_release(&fs->pins);
	fs->pinning = false;
}

static void add_target(const struct cn_crush *crush, const struct cn_forecast_osd *f, const struct cn_osd_usage *u,
		       struct cn_plan *p)
{
	const struct cn_bucket *host = cn_crush_host(crush, f->id);
	struct cn_plan_target *t = &p->targets[p->n_targets++];

	*t = (struct cn_plan_target){.osd = f->id, .shards = f->shards_in, .bytes = f->bytes_in, .before = -1, .after = -1};
	t->host = host ? cn_strdup(host->name) : NULL;
	if (!u || u->total <= 0)
		return;
	t->before = (double)u->used / (double)u->total;
	t->after = MAX((double)(u->used + f->used_delta) / (double)u->total, 0);
}

/* The fullest of all OSDs that stay, whether something comes to it or not. */
static void find_fullest(const struct cn_osdmap *m, const struct cn_osd_usages *usage, struct cn_plan *p)
{
	p->fullest_osd = -1;
	for (size_t i = 0; i < usage->n; i++) {
		const struct cn_osd_usage *u = &usage->v[i];
		const struct cn_osd *o = cn_osdmap_osd(m, u->id);
		double share = u->total > 0 ? (double)u->used / (double)u->total : -1;

		if (!o || !o->up || !o->in || share < 0 || cn_ids_has(&p->osds, u->id))
			continue;
		if (p->fullest_osd < 0 || share > p->fullest_after) {
			p->fullest_osd = u->id;
			p->fullest_before = p->fullest_after = share;
		}
	}
	for (size_t i = 0; i < p->n_targets; i++)
		if (p->targets[i].after > p->fullest_after) {
			p->fullest_osd = p->targets[i].osd;
			p->fullest_before = p->targets[i].before;
			p->fullest_after = p->targets[i].after;
		}
}

/* Log recovery does not look at the backfillfull ratio: past it a young PG goes on filling the OSD. */
void cn_plan_judge_fill(const struct cn_forecast *f, const struct cn_osdmap *m, const struct cn_crush *crush,
			const struct cn_osd_usages *usage, struct cn_plan *p)
{
	const struct cn_plan_target *worst = NULL;
	size_t near = 0;

	p->targets = cn_calloc(f->n_osds, sizeof(*p->targets));
	for (size_t i = 0; i < f->n_osds; i++) {
		const struct cn_plan_target *t = &p->targets[p->n_targets];

		if (f->osds[i].shards_in == 0)
			continue;
		add_target(crush, &f->osds[i], usage_of(usage, f->osds[i].id), p);
		if (t->after >= m->backfillfull_ratio)
			cn_plan_refuse(p, "add capacity first, or raise the ratio: ceph osd set-backfillfull-ratio",
				       "osd.%d would be %.1f %% full, backfill stops at %.0f %%", t->osd, t->after * 100,
				       m->backfillfull_ratio * 100);
		else if (t->after >= m->nearfull_ratio && t->before < m->nearfull_ratio && ++near)
			worst = !worst || t->after > worst->after ? t : worst;
	}
	find_fullest(m, usage, p);
	if (near)
		cn_strv_addf(&p->warnings, "%zu OSD%s would pass the nearfull ratio of %.0f %%: osd.%d would be %.1f %% full",
			     near, near == 1 ? "" : "s", m->nearfull_ratio * 100, worst->osd, worst->after * 100);
}

static void check_pin_always(const struct cn_foresight *fs, const struct cn_osdmap *m, struct cn_plan *p)
{
	const char *forbidden = cn_pins_forbidden(m);

	if (p->method == CN_METHOD_OUT)
		cn_plan_refuse(p, "drain with --method crush, or without --pin always", "--pin always: not with --method out");
	else if (forbidden)
		cn_plan_refuse(p, "ceph osd set-require-min-compat-client luminous, or drain with --pin auto", "--pin always: %s",
			       forbidden);
	else if (fs->why_not)
		cn_plan_refuse(p, "mend that, or drain with --pin auto", "--pin always: %s", fs->why_not);
}

static void take_over(struct cn_foresight *fs, struct cn_plan *p)
{
	const struct cn_forecast *f = cn_foresight_result(fs);

	p->held = TAKE_PTR(fs->held);
	p->n_held = fs->n_held;
	p->forecast_reason = TAKE_PTR(fs->why_not);
	p->exact = !p->forecast_reason;
	if (!p->exact)
		return;
	p->bytes_minimum = f->bytes_minimum;
	p->bytes_to_move = f->bytes_to_move;
	p->bytes_needless = fs->plain.bytes_to_move - fs->plain.bytes_minimum;
	p->pins = fs->pins.n;
}

struct ask_job {
	struct cn_cluster *c;
	struct cn_pg *pgs;
	struct cn_error *errors;
};

static void ask_one(void *arg, size_t i)
{
	struct ask_job *job = arg;

	cn_pg_map(job->c, job->pgs[i].id, &job->pgs[i], &job->errors[i]);
}

static void hold(struct cn_plan *p, size_t *cap, const struct cn_pg *pg)
{
	for (size_t k = 0; k < p->osds.n; k++) {
		if (!cn_pg_has_osd(pg, p->osds.v[k]))
			continue;
		cn_grow(&p->held, cap, p->n_held, sizeof(*p->held));
		p->held[p->n_held++] = (struct cn_held){pg->id, p->osds.v[k]};
	}
}

int cn_plan_ask_held(struct cn_cluster *c, const struct cn_osdmap *m, struct cn_plan *p, struct cn_error *err)
{
	struct ask_job job = {.c = c};
	size_t n = 0, cap = 0, at = 0;
	int r = 0;

	for (size_t i = 0; i < m->n_pools; i++)
		n += m->pools[i].pg_num;
	if (p->exact || p->held)
		return 0;
	if (n > MOST_ASKED) {
		cn_strv_add(&p->warnings,
			    "which PGs the node has is known from the manager's statistics alone, some seconds old");
		return 0;
	}
	job.pgs = cn_calloc(n, sizeof(*job.pgs));
	job.errors = cn_calloc(n, sizeof(*job.errors));
	for (size_t i = 0; i < m->n_pools; i++)
		for (uint32_t seed = 0; seed < m->pools[i].pg_num; seed++)
			job.pgs[at++].id = (struct cn_pgid){m->pools[i].id, seed};
	cn_parallel(n, ASKERS, ask_one, &job);
	for (size_t i = 0; i < n; i++) {
		if (job.errors[i].errnum && job.errors[i].errnum != ENOENT && r == 0) { /* ENOENT: merged or deleted meanwhile */
			r = -job.errors[i].errnum;
			cn_error_move(err, &job.errors[i]);
		}
		hold(p, &cap, &job.pgs[i]);
		cn_pg_release(&job.pgs[i]);
		cn_error_release(&job.errors[i]);
	}
	free(job.pgs);
	free(job.errors);
	return r;
}

int cn_plan_foresee(struct cn_cluster *c, const struct cn_inventory *inv, const struct cn_drain_options *options,
		    struct cn_plan *p, struct cn_error *err)
{
	_cleanup_(cn_foresight_release) struct cn_foresight fs = {};
	_cleanup_(cn_pool_usages_release) struct cn_pool_usages df = {};
	bool by_out = options->method == CN_METHOD_OUT;
	struct cn_foresee in = {.c = c,
				.osdmap = &inv->osdmap,
				.crush = &inv->crush,
				.leaving = &p->osds,
				.sizes = &p->sizes,
				.pin = by_out ? CN_PIN_NEVER : options->pin};
	int r;

	r = cn_pool_df(c, &df, err);
	if (r < 0)
		return r;
	read_sizes(inv, &df, &p->sizes);
	r = cn_foresee(&in, &fs, err);
	if (r < 0)
		return r;
	if (options->pin == CN_PIN_ALWAYS)
		check_pin_always(&fs, &inv->osdmap, p);
	if (!fs.why_not) {
		cn_foresight_spare(&fs, &inv->osdmap, &p->usage, in.pin);
		cn_plan_judge_mapping(cn_foresight_result(&fs), &inv->osdmap, p);
		cn_plan_judge_fill(cn_foresight_result(&fs), &inv->osdmap, &inv->crush, &p->usage, p);
	}
	take_over(&fs, p);
	if (by_out && p->exact) { /* the targets are right: that is where it ends */
		p->exact = false;
		p->forecast_reason = cn_strdup("with --method out part of the data moves twice");
	}
	return 0;
}
