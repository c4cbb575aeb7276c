/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/drain/forecast.h"

#include <string.h>

static int by_pool(const void *a, const void *b)
{
	const struct cn_pool_sizes *x = a, *y = b;

	return x->pool < y->pool ? -1 : x->pool > y->pool;
}

void cn_shard_sizes_init(struct cn_shard_sizes *s, const struct cn_osdmap *m, const int64_t *pool_bytes)
{
	*s = (struct cn_shard_sizes){.pools = cn_calloc(m->n_pools, sizeof(*s->pools)), .n_pools = m->n_pools};
	for (size_t i = 0; i < m->n_pools; i++) { /* by id, as the map's are */
		const struct cn_pool *p = &m->pools[i];
		int64_t mean = pool_bytes ? pool_bytes[i] / p->pg_num / MAX(p->ec_k, 1) : 0;

		s->pools[i] = (struct cn_pool_sizes){p->id, p->pg_num, cn_calloc(p->pg_num, sizeof(int64_t)), 1};
		for (uint32_t seed = 0; seed < p->pg_num; seed++)
			s->pools[i].bytes[seed] = mean;
	}
}

static struct cn_pool_sizes *pool_sizes(const struct cn_shard_sizes *s, int64_t pool)
{
	struct cn_pool_sizes key = {.pool = pool};

	return s->n_pools ? bsearch(&key, s->pools, s->n_pools, sizeof(*s->pools), by_pool) : NULL;
}

static int64_t *find_size(const struct cn_shard_sizes *s, struct cn_pgid id)
{
	const struct cn_pool_sizes *p = pool_sizes(s, id.pool);

	return p && id.seed < p->pg_num ? &p->bytes[id.seed] : NULL;
}

void cn_shard_sizes_set(struct cn_shard_sizes *s, struct cn_pgid id, int64_t shard_bytes)
{
	int64_t *v = find_size(s, id);

	if (v)
		*v = shard_bytes;
}

int64_t cn_shard_size(const struct cn_shard_sizes *s, struct cn_pgid id)
{
	const int64_t *v = find_size(s, id);

	return v ? *v : 0;
}

void cn_shard_sizes_release(struct cn_shard_sizes *s)
{
	for (size_t i = 0; i < s->n_pools; i++)
		free(s->pools[i].bytes);
	free(s->pools);
	*s = (struct cn_shard_sizes){};
}

/* Places that CRUSH fills; OSDs that are down are in its raw answer and not in up. */
static int count_filled(const struct cn_mapped_pool *pool, uint32_t seed)
{
	const int *set = cn_mapped_set(pool, pool->raw ? pool->raw : pool->up, seed);
	int n = 0;

	for (int i = 0; i < pool->size && set; i++)
		n += cn_is_osd(set[i]);
	return n;
}

static bool has_leaving(const struct cn_change *ch, const int *set, int size)
{
	for (int i = 0; i < size && set; i++)
		if (cn_ids_has(ch->leaving, set[i]))
			return true;
	return false;
}

/* A hole that was there before and has nothing to do with the leaving OSDs is none of the change's. */
static int crush_filled(const struct cn_change *ch, const struct cn_mapped_pool *before, const struct cn_mapped_pool *after,
			uint32_t seed, const struct cn_pg_moves *pg)
{
	int now = count_filled(after, seed);

	if (now == pg->size || !before || before->size != after->size || count_filled(before, seed) > now)
		return now;
	return has_leaving(ch, pg->was, pg->size) || has_leaving(ch, pg->holds, pg->size) ||
			       (before->raw && has_leaving(ch, cn_mapped_set(before, before->raw, seed), pg->size))
		       ? now
		       : pg->size;
}

bool cn_pg_moves_of(const struct cn_change *ch, const struct cn_mapped_pool *after, uint32_t seed, struct cn_pg_moves *ret)
{
	const struct cn_mapped_pool *before = cn_mapping_pool(ch->before, after->id);
	const struct cn_pool *pool = cn_osdmap_pool(ch->osdmap, after->id);

	*ret = (struct cn_pg_moves){.size = after->size, .stays_on = -1, .erasure = pool && pool->erasure};
	ret->up = cn_mapped_set(after, after->up, seed);
	/* a pool whose size was changed in between is compared with itself: nothing moves */
	if (before && before->size == after->size) {
		ret->was = cn_mapped_set(before, before->up, seed);
		ret->holds = cn_mapped_set(before, before->acting, seed);
	}
	if (!ret->up || !pool)
		return false;
	ret->was = ret->was ? ret->was : ret->up;
	ret->holds = ret->holds ? ret->holds : ret->was;
	for (int i = 0; i < ret->size; i++) {
		bool stays = cn_is_osd(ret->was[i]) && !cn_ids_has(ch->leaving, ret->was[i]);

		ret->filled += cn_is_osd(ret->up[i]);
		ret->must -= stays;
		if (cn_is_osd(ret->up[i]) && cn_ids_has(ch->leaving, ret->up[i]))
			ret->stays_on = ret->up[i];
		if (cn_is_osd(ret->up[i]))
			ret->will += ret->erasure ? ret->was[i] != ret->up[i] : !cn_set_has(ret->was, ret->size, ret->up[i]);
	}
	ret->must = MAX(ret->must + ret->filled, 0);
	ret->crush_filled = crush_filled(ch, before, after, seed, ret);
	return true;
}

struct maker {
	const struct cn_change *ch;
	struct cn_forecast *f;
	size_t cap;
	int *index; /* of f->osds, by id; -1: none yet */
	int max_osd;
};

static struct cn_forecast_osd *osd_of(struct maker *mk, int id)
{
	if (id > mk->max_osd) /* in the mapping and not in the map: another epoch's; counted nowhere */
		return NULL;
	if (mk->index[id] < 0) {
		cn_grow(&mk->f->osds, &mk->cap, mk->f->n_osds, sizeof(*mk->f->osds));
		mk->index[id] = (int)mk->f->n_osds;
		mk->f->osds[mk->f->n_osds++] = (struct cn_forecast_osd){.id = id};
	}
	return &mk->f->osds[mk->index[id]];
}

/* What comes and goes is counted against where the data lie now, so that what is on its way already is in it. */
static void count_osds(struct maker *mk, const struct cn_pg_moves *pg, int64_t bytes, double used)
{
	for (int i = 0; i < pg->size; i++) {
		struct cn_forecast_osd *o;
		bool comes = pg->erasure ? pg->up[i] != pg->holds[i] : !cn_set_has(pg->holds, pg->size, pg->up[i]);
		bool goes = pg->erasure ? pg->up[i] != pg->holds[i] : !cn_set_has(pg->up, pg->size, pg->holds[i]);

		if (cn_is_osd(pg->up[i]) && comes && (o = osd_of(mk, pg->up[i]))) {
			o->shards_in++;
			o->bytes_in += bytes;
			o->used_delta += (int64_t)((double)bytes * used);
		}
		if (cn_is_osd(pg->holds[i]) && goes && (o = osd_of(mk, pg->holds[i]))) {
			o->bytes_out += bytes;
			o->used_delta -= (int64_t)((double)bytes * used);
		}
	}
}

static void count_pg(struct maker *mk, const struct cn_mapped_pool *after, uint32_t seed)
{
	const struct cn_pool_sizes *sizes = pool_sizes(mk->ch->sizes, after->id);
	struct cn_forecast *f = mk->f;
	struct cn_pgid id = {after->id, seed};
	struct cn_pg_moves pg;
	int64_t bytes;

	if (!cn_pg_moves_of(mk->ch, after, seed, &pg))
		return;
	bytes = cn_shard_size(mk->ch->sizes, id);
	f->pgs_moved += pg.will > 0;
	f->shards_minimum += pg.must;
	f->shards_to_move += pg.will;
	f->bytes_minimum += pg.must * bytes;
	f->bytes_to_move += pg.will * bytes;
	count_osds(mk, &pg, bytes, sizes ? sizes->used : 1);
	if (pg.stays_on >= 0 && f->n_stay++ == 0) {
		f->stays = id;
		f->stays_on = pg.stays_on;
	}
	if (pg.crush_filled < pg.size && f->n_holes++ == 0) {
		f->hole = id;
		f->hole_filled = pg.crush_filled;
	}
}

static int by_id(const void *a, const void *b)
{
	const struct cn_forecast_osd *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

void cn_forecast_make(const struct cn_change *ch, struct cn_forecast *ret)
{
	struct maker mk = {.ch = ch, .f = ret, .max_osd = -1};

	*ret = (struct cn_forecast){.stays_on = -1};
	if (ch->osdmap->n_osds)
		mk.max_osd = ch->osdmap->osds[ch->osdmap->n_osds - 1].id;
	mk.index = cn_calloc((size_t)mk.max_osd + 1, sizeof(*mk.index));
	for (int i = 0; i <= mk.max_osd; i++)
		mk.index[i] = -1;
	for (size_t p = 0; p < ch->after->n_pools; p++)
		for (uint32_t seed = 0; seed < ch->after->pools[p].pg_num; seed++)
			count_pg(&mk, &ch->after->pools[p], seed);
	if (ret->n_osds)
		qsort(ret->osds, ret->n_osds, sizeof(*ret->osds), by_id);
	free(mk.index);
}

void cn_forecast_release(struct cn_forecast *f)
{
	free(f->osds);
	*f = (struct cn_forecast){};
}
