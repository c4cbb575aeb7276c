/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "entries.h"

#define FEW_PGS 50000 /* the tool says all of them in a second or two */

static const json_t *pairs_of(const json_t *entry)
{
	return cn_json_arr(entry, "mappings");
}

static bool names(const json_t *entry, const char *end, const struct cn_ids *osds)
{
	json_t *pair;
	size_t i;

	json_array_foreach (pairs_of(entry), i, pair)
		if (cn_ids_has(osds, (int)cn_json_int(pair, end, -1)))
			return true;
	return false;
}

bool cn_entries_suffice(const struct cn_osdmap *m, const struct cn_ids *leaving)
{
	bool intricate = false;
	size_t i, n = 0;
	json_t *j;

	if (!json_is_array(m->pg_upmap) || !json_is_array(m->pg_upmap_items) || !json_is_array(m->pg_temp) ||
	    json_array_size(m->pg_upmap))
		return false;
	for (i = 0; i < m->n_osds; i++)
		if (!m->osds[i].up && m->osds[i].reweight)
			return false;
	json_array_foreach (m->pg_upmap_items, i, j)
		intricate |= json_array_size(pairs_of(j)) > 1 && names(j, "to", leaving);
	for (i = 0; i < m->n_pools; i++)
		n += m->pools[i].pg_num;
	return !intricate || n > FEW_PGS;
}

static int *set_of(const struct cn_mapped_pool *pool, int *sets, uint32_t seed)
{
	return &sets[(size_t)seed * (size_t)pool->size];
}

/* The PG of an entry, in a mapping that has it. */
static const struct cn_mapped_pool *find(const struct cn_mapping *mp, const json_t *entry, struct cn_pgid *ret)
{
	const struct cn_mapped_pool *pool;

	if (!cn_pgid_parse(cn_json_str(entry, "pgid", NULL), ret))
		return NULL;
	pool = cn_mapping_pool(mp, ret->pool);
	return pool && ret->seed < pool->pg_num ? pool : NULL;
}

/* What the set was before the pairs were applied to it, one after the other. */
static void undo_pairs(const json_t *entry, int *set, int size)
{
	const json_t *pairs = pairs_of(entry);

	for (size_t k = json_array_size(pairs); k > 0; k--) {
		int from = (int)cn_json_int(json_array_get(pairs, k - 1), "from", -1);
		int to = (int)cn_json_int(json_array_get(pairs, k - 1), "to", -1);

		for (int i = 0; i < size; i++)
			if (set[i] == to && !cn_set_has(set, size, from))
				set[i] = from;
	}
}

void cn_entries_leave(const struct cn_osdmap *m, const struct cn_ids *leaving, struct cn_mapping *before)
{
	json_t *j;
	size_t i;

	json_array_foreach (m->pg_upmap_items, i, j) {
		struct cn_pgid id;
		const struct cn_mapped_pool *pool = names(j, "from", leaving) ? find(before, j, &id) : NULL;

		if (pool)
			undo_pairs(j, set_of(pool, pool->raw, id.seed), pool->size);
	}
}

static void raw_to_up(const struct cn_osdmap *m, const struct cn_mapped_pool *pool, uint32_t seed)
{
	const struct cn_pool *p = cn_osdmap_pool(m, pool->id);
	const int *raw = set_of(pool, pool->raw, seed);
	int *up = set_of(pool, pool->up, seed), n = 0;

	for (int i = 0; i < pool->size; i++) {
		const struct cn_osd *o = cn_is_osd(raw[i]) ? cn_osdmap_osd(m, raw[i]) : NULL;

		if (o && o->up)
			up[n++] = raw[i];
		else if (p && p->erasure) /* its places do not move up */
			up[n++] = CN_CRUSH_NONE;
	}
	while (n < pool->size)
		up[n++] = CN_CRUSH_NONE;
}

/* OSDs that are down are not in up, but the mon looks at where the entry leads. */
static bool leads_to_down(const struct cn_osdmap *m, const json_t *entry, const struct cn_ids *leaving, const int *raw, int size)
{
	json_t *j;
	size_t i;

	json_array_foreach (pairs_of(entry), i, j) {
		int from = (int)cn_json_int(j, "from", -1), to = (int)cn_json_int(j, "to", -1);
		const struct cn_osd *o = cn_ids_has(leaving, to) ? cn_osdmap_osd(m, to) : NULL;

		if (o && !o->up && o->reweight && cn_set_has(raw, size, from))
			return true;
	}
	return false;
}

/* A pair that leads to an OSD of weight 0 was applied, or it would not be in the set. Another of the same entry is taken for
 * applied where its target is in the set and its source is not. */
static void cancel(const struct cn_osdmap *m, const struct cn_ids *leaving, bool brief, const json_t *entry,
		   struct cn_mapping *after)
{
	struct cn_pgid id;
	const struct cn_mapped_pool *pool = find(after, entry, &id);
	bool leads = false;
	int *raw, *up;

	if (!pool)
		return;
	raw = set_of(pool, pool->raw, id.seed);
	up = set_of(pool, pool->up, id.seed);
	for (int i = 0; i < pool->size; i++)
		leads |= cn_ids_has(leaving, up[i]);
	if (!leads && (brief || !leads_to_down(m, entry, leaving, raw, pool->size)))
		return;
	if (brief)
		undo_pairs(entry, raw, pool->size);
	raw_to_up(m, pool, id.seed);
}

void cn_entries_cancel(const struct cn_osdmap *m, const struct cn_ids *leaving, bool brief, struct cn_mapping *after)
{
	json_t *j;
	size_t i;

	json_array_foreach (m->pg_upmap, i, j)
		cancel(m, leaving, brief, j, after);
	json_array_foreach (m->pg_upmap_items, i, j)
		cancel(m, leaving, brief, j, after);
}
