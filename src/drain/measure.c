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

	if (i == 0)
		cn_pg_ls_unclean(l->c, &l->lists[0], &l->errors[0]);
	else
		cn_pg_ls_by_osd(l->c, l->osds[i - 1], &l->lists[i], &l->errors[i]);
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
 * else what Ceph counts as misplaced or degraded, at most the node's own share: other shards of it may be on the move too. */
static int64_t bytes_left(const struct cn_osdmap *m, const struct cn_pg *pg, int shards, const struct cn_ids *osds)
{
	int64_t all = shards * cn_shard_bytes(m, pg), objects = pg->objects * shards;
	double left;

	if (objects <= 0 || has_any(pg, osds, true) || pg->misplaced + pg->degraded == 0)
		return all;
	left = (double)(pg->misplaced + pg->degraded) / (double)objects;
	return (int64_t)((double)all * MIN(left, 1.0));
}

static void count(const struct cn_osdmap *m, const struct cn_journal_pg *rec, const struct cn_ids *osds, const struct look *l,
		  size_t n_lists, struct cn_measure *ret)
{
	const struct cn_pg *pg = NULL;

	for (size_t k = 0; k < n_lists && !pg; k++)
		pg = cn_pgs_find(&l->lists[k], rec->id);
	if (!pg || (cn_pg_state_is_clean(pg->state) && !has_any(pg, osds, false)))
		return;
	ret->pgs_left++;
	ret->bytes_left += bytes_left(m, pg, rec->shards, osds);
	if (!cn_strv_has(&ret->words, pg->state))
		cn_strv_add(&ret->words, pg->state);
}

void cn_measure_release(struct cn_measure *m)
{
	cn_strv_release(&m->words);
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
	cn_parallel(n_lists, CN_THREADS, look_up, &l);
	for (size_t i = 0; i < n_lists; i++)
		if (l.errors[i].errnum && r == 0) {
			r = -l.errors[i].errnum;
			cn_error_move(err, &l.errors[i]);
		}
	*ret = (struct cn_measure){};
	for (size_t i = 0; i < n && r == 0; i++)
		count(m, &pgs[i], osds, &l, n_lists, ret);
	for (size_t i = 0; i < n_lists; i++) {
		cn_pgs_release(&l.lists[i]);
		cn_error_release(&l.errors[i]);
	}
	free(l.lists);
	free(l.errors);
	return r;
}
