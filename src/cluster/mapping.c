/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/cluster/mapping.h"

#include <errno.h>
#include <string.h>

static int *unknown_sets(const struct cn_pool *p)
{
	int *sets = cn_calloc(p->pg_num, (size_t)p->size * sizeof(*sets));

	for (size_t i = 0; i < p->pg_num; i++)
		sets[i * (size_t)p->size] = CN_SET_UNKNOWN;
	return sets;
}

void cn_mapping_init(struct cn_mapping *mp, const struct cn_osdmap *m, bool with_raw)
{
	*mp = (struct cn_mapping){.pools = cn_calloc(m->n_pools, sizeof(*mp->pools))};
	for (size_t i = 0; i < m->n_pools; i++) {
		const struct cn_pool *p = &m->pools[i];

		mp->pools[mp->n_pools++] = (struct cn_mapped_pool){
			.id = p->id,
			.pg_num = p->pg_num,
			.size = p->size,
			.raw = with_raw ? unknown_sets(p) : NULL,
			.up = unknown_sets(p),
			.acting = unknown_sets(p),
		};
	}
}

void cn_mapping_release(struct cn_mapping *mp)
{
	for (size_t i = 0; i < mp->n_pools; i++) {
		free(mp->pools[i].raw);
		free(mp->pools[i].up);
		free(mp->pools[i].acting);
	}
	free(mp->pools);
	*mp = (struct cn_mapping){};
}

static int pool_cmp(const void *a, const void *b)
{
	const struct cn_mapped_pool *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

const struct cn_mapped_pool *cn_mapping_pool(const struct cn_mapping *mp, int64_t pool)
{
	struct cn_mapped_pool key = {.id = pool};

	return mp->n_pools ? bsearch(&key, mp->pools, mp->n_pools, sizeof(*mp->pools), pool_cmp) : NULL;
}

const int *cn_mapped_set(const struct cn_mapped_pool *pool, const int *sets, uint32_t seed)
{
	const int *set;

	if (!pool || !sets || seed >= pool->pg_num)
		return NULL;
	set = sets + (size_t)seed * (size_t)pool->size;
	return *set == CN_SET_UNKNOWN ? NULL : set;
}

static void read_set(const json_t *j, int *set, int size)
{
	for (int i = 0; i < size; i++) {
		const json_t *id = json_array_get(j, (size_t)i);

		set[i] = id ? (int)json_integer_value(id) : CN_CRUSH_NONE;
	}
}

/* The manager's statistics may be of an older map than the pools: PGs of a pool that is gone, PGs that were merged and sets of
 * another size stay unknown. So do those of state "unknown": no OSD has reported them to this manager. */
static int read_pg(void *arg, const json_t *j, struct cn_error *err)
{
	const json_t *up = cn_json_arr(j, "up"), *acting = cn_json_arr(j, "acting");
	const struct cn_mapped_pool *pool;
	struct cn_mapping *mp = arg;
	struct cn_pgid id;
	size_t at;

	if (!cn_pgid_parse(cn_json_str(j, "pgid", NULL), &id))
		return cn_error_set(err, CN_FAILED, EBADMSG, "the manager names a placement group that cannot be read");
	pool = cn_mapping_pool(mp, id.pool);
	if (!pool || id.seed >= pool->pg_num || cn_pg_state_has(cn_json_str(j, "state", NULL), "unknown") ||
	    json_array_size(up) > (size_t)pool->size || json_array_size(acting) > (size_t)pool->size)
		return 0;
	at = (size_t)id.seed * (size_t)pool->size;
	read_set(up, pool->up + at, pool->size);
	read_set(acting, pool->acting + at, pool->size);
	return 0;
}

int cn_mapping_get(struct cn_cluster *c, const struct cn_osdmap *m, struct cn_mapping *ret, struct cn_error *err)
{
	_cleanup_(cn_mapping_release) struct cn_mapping mp = {};
	_cleanup_json_ json_t *rest = NULL;
	_cleanup_free_ char *reply = NULL;
	size_t len;
	int r;

	r = cn_command_raw(c, CN_MGR, NULL,
			   json_pack("{ss,s[s],ss}", "prefix", "pg dump", "dumpcontents", "pgs_brief", "format", "json"), &reply,
			   &len, err);
	if (r < 0)
		return r;
	cn_mapping_init(&mp, m, false);
	r = cn_json_each(reply, len, "pg_stats", read_pg, &mp, &rest, err);
	if (r < 0)
		return cn_error_wrap(err, "'pg dump'");
	if (!cn_json_bool(rest, "pg_ready", true))
		return cn_error_set(err, CN_FAILED, EAGAIN, "the manager has no statistics of the placement groups yet");
	if (!json_object_get(rest, "pg_stats") && !json_object_get(rest, "pg_ready")) /* without PGs: {"pg_ready": true} */
		return cn_error_set(err, CN_FAILED, EBADMSG, "'pg dump': no PGs in the reply");
	*ret = mp;
	mp = (struct cn_mapping){};
	return 0;
}

/* As Ceph does: who is down is left out, and where that leaves nobody, up acts. */
static void apply_temp(const struct cn_osdmap *m, const struct cn_pool *pool, const json_t *osds, int *acting)
{
	int n = 0;

	for (size_t i = 0; i < json_array_size(osds); i++) {
		const struct cn_osd *o = cn_osdmap_osd(m, (int)json_integer_value(json_array_get(osds, i)));

		if (o && o->up)
			acting[n++] = o->id;
		else if (pool->erasure) /* its places do not move up */
			acting[n++] = CN_CRUSH_NONE;
	}
	while (n > 0 && n < pool->size)
		acting[n++] = CN_CRUSH_NONE;
}

void cn_mapping_apply_temp(struct cn_mapping *mp, const struct cn_osdmap *m)
{
	json_t *j;
	size_t i;

	json_array_foreach (m->pg_temp, i, j) {
		const json_t *osds = cn_json_arr(j, "osds");
		const struct cn_mapped_pool *mapped;
		const struct cn_pool *pool;
		struct cn_pgid id;

		if (!cn_pgid_parse(cn_json_str(j, "pgid", NULL), &id))
			continue;
		mapped = cn_mapping_pool(mp, id.pool);
		pool = cn_osdmap_pool(m, id.pool);
		if (mapped && pool && id.seed < mapped->pg_num && json_array_size(osds) <= (size_t)mapped->size)
			apply_temp(m, pool, osds, &mapped->acting[(size_t)id.seed * (size_t)mapped->size]);
	}
}
