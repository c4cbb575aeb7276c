/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lay.h"

#include <stdlib.h>

#include "fake.h"
#include "world.h"

#define PGS 8

static void read_set(const char *text, int size, int *ret)
{
	struct cn_strv v = {};

	cn_strv_split(&v, text, " ");
	assert_true((int)v.n <= size);
	for (int i = 0; i < size; i++)
		ret[i] = i < (int)v.n && *v.v[i] != '-' ? atoi(v.v[i]) : CN_CRUSH_NONE;
	cn_strv_release(&v);
}

void lay_init(struct lay *l, int rule, int size, const char *leaving)
{
	struct cn_strv v = {};
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);
	struct world w;

	*l = (struct lay){};
	world_init(&w, "racks-");
	world_answers(&w, f);
	assert_int_equal(cn_osdmap_get(c, &l->m, NULL), 0);
	assert_int_equal(cn_crush_get(c, &l->crush, NULL), 0);
	fake_done(f);
	world_release(&w);
	for (size_t i = 0; i < l->m.n_pools; i++) {
		free(l->m.pools[i].name);
		free(l->m.pools[i].pg_autoscale);
	}
	free(l->m.pools);
	for (int i = 0; i < 2; i++)
		l->pools[i] = (struct cn_pool){.id = i + 1,
					       .name = (char[]){"a pool"},
					       .size = size,
					       .rule = rule,
					       .erasure = i,
					       .ec_k = i + 1,
					       .pg_num = PGS};
	l->m.pools = l->pools;
	l->m.n_pools = 2;
	cn_strv_split(&v, leaving, " ");
	for (size_t i = 0; i < v.n; i++)
		cn_ids_add(&l->leaving, atoi(v.v[i]));
	cn_strv_release(&v);
	cn_mapping_init(&l->before, &l->m, true);
	cn_mapping_init(&l->after, &l->m, true);
	cn_shard_sizes_init(&l->sizes, &l->m, (int64_t[]){PGS * SHARD, (int64_t)PGS * SHARD * 2});
	l->change = (struct cn_change){&l->m, &l->crush, &l->before, &l->after, &l->leaving, &l->sizes};
}

void lay_release(struct lay *l)
{
	cn_mapping_release(&l->before);
	cn_mapping_release(&l->after);
	cn_shard_sizes_release(&l->sizes);
	cn_ids_release(&l->leaving);
	l->m.pools = NULL;
	l->m.n_pools = 0;
	cn_osdmap_release(&l->m);
	cn_crush_release(&l->crush);
}

void lay_pg(struct lay *l, int64_t pool, uint32_t seed, const char *was, const char *holds, const char *up, const char *raw)
{
	const struct cn_mapped_pool *b = cn_mapping_pool(&l->before, pool), *a = cn_mapping_pool(&l->after, pool);

	read_set(was, b->size, &b->up[seed * (uint32_t)b->size]);
	read_set(was, b->size, &b->raw[seed * (uint32_t)b->size]);
	read_set(holds ? holds : was, b->size, &b->acting[seed * (uint32_t)b->size]);
	read_set(up, a->size, &a->up[seed * (uint32_t)a->size]);
	read_set(up, a->size, &a->acting[seed * (uint32_t)a->size]);
	read_set(raw ? raw : up, a->size, &a->raw[seed * (uint32_t)a->size]);
}
