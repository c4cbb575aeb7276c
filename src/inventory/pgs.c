/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The PGs and bytes of each OSD, from the manager. */
#include "cephnode/base/parallel.h"
#include "inventory/internal.h"

#define LOOKUP_THREADS 8

int64_t cn_shard_bytes(const struct cn_osdmap *m, const struct cn_pg *pg)
{
	const struct cn_pool *pool = cn_osdmap_pool(m, pg->id.pool);
	int64_t k = pool && pool->ec_k > 1 ? pool->ec_k : 1;

	return pg->bytes / k + (pg->bytes % k != 0);
}

int cn_node_shards(const struct cn_osdmap *m, const struct cn_node *node, const struct cn_pg *pg)
{
	const struct cn_pool *pool = cn_osdmap_pool(m, pg->id.pool);
	int shards = 0, filled = 0, down = 0;

	for (size_t i = 0; i < node->n_osds; i++)
		down += !node->osds[i].osd.up;
	for (size_t k = 0; k < pg->n_acting; k++) {
		filled += pg->acting[k] >= 0 && pg->acting[k] != CN_CRUSH_NONE;
		for (size_t i = 0; i < node->n_osds; i++)
			shards += node->osds[i].osd.id == pg->acting[k];
	}
	if (pool && pool->size > filled)
		shards += MIN(pool->size - filled, down);
	return shards;
}

struct job {
	struct cn_node *node;
	struct cn_node_osd *osd; /* NULL: the PGs that are not clean */
	struct cn_pgs pgs;
	struct cn_error err;
	int r;
};

struct jobs {
	struct cn_cluster *c;
	const struct cn_osdmap *osdmap;
	struct job *v;
	size_t n;
};

static void load_one(void *arg, size_t i)
{
	struct jobs *jobs = arg;
	struct job *job = &jobs->v[i];

	if (!job->osd) {
		job->r = cn_pg_ls_unclean(jobs->c, &job->pgs, &job->err);
		return;
	}
	job->r = cn_pg_ls_by_osd(jobs->c, job->osd->osd.id, &job->pgs, &job->err);
	if (job->r < 0)
		return;
	job->osd->pgs = job->pgs.n;
	for (size_t j = 0; j < job->pgs.n; j++)
		job->osd->bytes += cn_shard_bytes(jobs->osdmap, &job->pgs.v[j]);
}

/* Moves the PGs of one OSD to its node. Two OSDs of one node share PGs where the rule's failure domain is below the host; the
 * caller's cn_pgs_sort() drops the second of each. */
static void hand_over(struct cn_pgs *to, struct cn_pgs *from)
{
	for (size_t i = 0; i < from->n; i++) {
		cn_grow(&to->v, &to->cap, to->n, sizeof(*to->v));
		to->v[to->n++] = from->v[i];
	}
	free(from->v);
	*from = (struct cn_pgs){};
}

/* The manager answers -EAGAIN "osd 9 is not up" for an OSD that is down. Up and acting sets never name one; what it
 * held is missing there, so the PGs that are not clean are taken instead. */
static void make_jobs(struct jobs *jobs, struct cn_inventory *inv)
{
	size_t n = 0;

	for (size_t i = 0; i < inv->n_nodes; i++)
		n += inv->nodes[i].n_osds + 1;
	jobs->v = cn_calloc(n, sizeof(*jobs->v));
	for (size_t i = 0; i < inv->n_nodes; i++) {
		struct cn_node *node = &inv->nodes[i];

		for (size_t j = 0; j < node->n_osds; j++) {
			node->any_down |= !node->osds[j].osd.up;
			if (node->osds[j].osd.up)
				jobs->v[jobs->n++] = (struct job){.node = node, .osd = &node->osds[j]};
		}
		if (node->any_down)
			jobs->v[jobs->n++] = (struct job){.node = node};
	}
}

int cn_node_load_pgs(struct cn_cluster *c, struct cn_inventory *inv, struct cn_error *err)
{
	struct jobs jobs = {.c = c, .osdmap = &inv->osdmap};
	int r = 0;

	make_jobs(&jobs, inv);
	cn_parallel(jobs.n, LOOKUP_THREADS, load_one, &jobs);
	for (size_t i = 0; i < jobs.n; i++) {
		struct job *job = &jobs.v[i];

		if (job->r < 0 && r == 0) {
			r = job->r;
			if (job->osd)
				cn_error_wrap(&job->err, "cannot list the PGs of osd.%d", job->osd->osd.id);
			cn_error_move(err, &job->err);
		}
		hand_over(&job->node->pgs, &job->pgs);
		cn_error_release(&job->err);
	}
	free(jobs.v);
	for (size_t i = 0; i < inv->n_nodes; i++)
		cn_pgs_sort(&inv->nodes[i].pgs);
	inv->with_pgs = r == 0;
	return r;
}
