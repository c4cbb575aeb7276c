/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much is left to move, from the manager's statistics: for progress, never for proof. */
#include "cephnode/base/parallel.h"
#include "run.h"

struct look {
	struct cn_cluster *c;
	const int *osds;
	struct cn_pgs *lists; /* [0]: unclean ones, then one list for each OSD */
	struct cn_error *errors;
};

static void look_up(void *arg, size_t i)
{
	struct look *l = arg;

	cn_pg_ls_by_osd(l->c, l->osds[i], &l->lists[i + 1], &l->errors[i + 1]);
}

static bool has_any(const struct cn_pg *pg, const struct cn_ids *osds, bool up_only)
{
	for (size_t i = 0; i < pg->n_up; i++)
		if (cn_ids_has(osds, pg->up[i]))
			return true;
	for (size_t i = 0; i < pg->n_acting && !up_only; i++)
		if (cn_ids_has(osds, pg->acting[i]))
			return true;
	return false;
}

/* A PG that has not heard of the change yet (still maps to the node), or has not counted yet what it must move, has all to move;
 * else what Ceph counts as misplaced or degraded, at most the node's own share: other shards of it may be on the move too. While
 * it peers its primary may be one that has nothing of it yet, and says 0. */
static int64_t bytes_left(const struct cn_osdmap *m, const struct cn_pg *pg, const struct cn_journal_pg *rec,
			  const struct cn_ids *osds)
{
	bool active = cn_pg_state_has(pg->state, "active");
	int64_t shard = active ? cn_shard_bytes(m, pg) : MAX(cn_shard_bytes(m, pg), rec->bytes);
	int64_t all = rec->shards * shard, objects = pg->objects * rec->shards;
	double left;

	if (!active || objects <= 0 || has_any(pg, osds, true) || pg->misplaced + pg->degraded == 0)
		return all;
	left = (double)(pg->misplaced + pg->degraded) / (double)objects;
	return (int64_t)((double)all * MIN(left, 1.0));
}

static struct cn_measure_osd *find_osd(struct cn_measure *m, int id)
{
	for (size_t i = 0; i < m->n_osds; i++)
		if (m->osds[i].id == id)
			return &m->osds[i];
	return NULL;
}

/* Which OSDs had it is recorded, as young PGs have left them long before their data have moved. */
static void attribute(struct cn_measure *ret, const struct cn_journal_pg *rec, const struct cn_pg *pg, int64_t bytes)
{
	struct cn_measure_osd *of[CN_PG_OSDS];
	size_t n = 0;

	for (int k = 0; k < rec->n_osds; k++) {
		of[n] = find_osd(ret, rec->osds[k]);
		n += of[n] != NULL;
	}
	for (size_t i = 0; i < ret->n_osds && rec->n_osds == 0 && n < CN_PG_OSDS; i++)
		if (cn_pg_has_osd(pg, ret->osds[i].id))
			of[n++] = &ret->osds[i];
	if (n == 0 && ret->n_osds)
		of[n++] = &ret->osds[0];
	for (size_t k = 0; k < n; k++) {
		of[k]->pgs_left++;
		of[k]->bytes_left += bytes / (int64_t)n + (k == 0 ? bytes % (int64_t)n : 0);
	}
}

static void count(const struct cn_osdmap *m, const struct cn_journal_pg *rec, const struct cn_ids *osds, const struct look *l,
		  size_t n_lists, struct cn_measure *ret)
{
	struct cn_pg *pg = NULL;
	int64_t bytes;

	for (size_t k = 0; k < n_lists && !pg; k++)
		pg = cn_pgs_find(&l->lists[k], rec->id);
	if (!pg || (cn_pg_state_is_clean(pg->state) && !has_any(pg, osds, false)))
		return;
	ret->pgs_left++;
	bytes = bytes_left(m, pg, rec, osds);
	ret->bytes_left += bytes;
	attribute(ret, rec, pg, bytes);
	cn_grow(&ret->left.v, &ret->left.cap, ret->left.n, sizeof(*ret->left.v));
	ret->left.v[ret->left.n++] = *pg;
	pg->state = NULL; /* handed over; the id stays, for the next look-up */
	pg->up = pg->acting = NULL;
	pg->n_up = pg->n_acting = 0;
}

static size_t count_moving(const struct cn_pgs *pgs)
{
	size_t n = 0;

	for (size_t i = 0; i < pgs->n; i++)
		n += cn_pg_state_has(pgs->v[i].state, "backfilling") || cn_pg_state_has(pgs->v[i].state, "recovering");
	return n;
}

void cn_measure_release(struct cn_measure *m)
{
	cn_pgs_release(&m->left);
	free(m->osds);
	*m = (struct cn_measure){};
}

int cn_measure(struct cn_cluster *c, const struct cn_osdmap *m, const struct cn_ids *osds, const struct cn_journal_pg *pgs,
	       size_t n, struct cn_measure *ret, struct cn_error *err)
{
	_cleanup_(cn_ids_release) struct cn_ids up = {};
	struct look l = {.c = c};
	size_t n_lists;
	int r = 0;

	for (size_t i = 0; i < osds->n; i++) {
		const struct cn_osd *o = cn_osdmap_osd(m, osds->v[i]);

		if (o && o->up) /* of one that is down the manager lists nothing: -EAGAIN, "osd.N is not up" */
			cn_ids_add(&up, o->id);
	}
	n_lists = up.n + 1;
	l.osds = up.v;
	l.lists = cn_calloc(n_lists, sizeof(*l.lists));
	l.errors = cn_calloc(n_lists, sizeof(*l.errors));
	cn_parallel(up.n, CN_THREADS, look_up, &l);
	/* behind them: a PG that leaves the OSDs between two answers is unclean by then, and else would be in neither */
	cn_pg_ls_unclean(c, &l.lists[0], &l.errors[0]);
	for (size_t i = 0; i < n_lists; i++)
		if (l.errors[i].errnum && r == 0) {
			r = -l.errors[i].errnum;
			cn_error_move(err, &l.errors[i]);
		}
	*ret = (struct cn_measure){.osds = cn_calloc(osds->n, sizeof(*ret->osds)), .n_osds = osds->n};
	for (size_t i = 0; i < osds->n; i++)
		ret->osds[i].id = osds->v[i];
	for (size_t i = 0; i < n && r == 0; i++)
		count(m, &pgs[i], osds, &l, n_lists, ret);
	if (r == 0)
		ret->others = count_moving(&l.lists[0]); /* ours are handed over by now */
	for (size_t i = 0; i < n_lists; i++) {
		cn_pgs_release(&l.lists[i]);
		cn_error_release(&l.errors[i]);
	}
	free(l.lists);
	free(l.errors);
	if (r < 0)
		cn_measure_release(ret);
	return r;
}

int cn_measure_journal(struct cn_cluster *c, const struct cn_osdmap *m, const struct cn_journal *j, struct cn_measure *ret,
		       struct cn_error *err)
{
	_cleanup_(cn_ids_release) struct cn_ids osds = {};
	_cleanup_free_ struct cn_journal_pg *pgs = NULL;
	size_t n;

	*ret = (struct cn_measure){};
	if (j->phase >= CN_PHASE_OUT)
		return 0; /* all has moved */
	for (size_t i = 0; i < j->n_osds; i++)
		cn_ids_add(&osds, j->osds[i].id);
	pgs = cn_journal_pgs_now(j, m, &n);
	return cn_measure(c, m, &osds, pgs, n, ret, err);
}
