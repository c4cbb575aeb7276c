/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Weight-sets (choose_args of the CRUSH map: the crush-compat balancer's, or a pool's own). Setting a CRUSH weight to 0 and back
 * does not restore them: 0.7 became 1.0, and the entries of the ancestors changed too. So they are recorded and set again one by
 * one.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "run.h"

#define COMPAT "-1" /* the name of the compat set in `osd crush dump`; others are pool ids */

static const char *item_name(const struct cn_crush *crush, int id, char buf[24])
{
	const struct cn_bucket *b;

	if (id >= 0) {
		snprintf(buf, 24, "osd.%d", id);
		return buf;
	}
	b = cn_crush_bucket_by_id(crush, id);
	return b && !strchr(b->name, '~') ? b->name : NULL;
}

/* The item's weights in the set, one for each position; NULL when the set has no entry for it. */
static json_t *item_weights(const struct cn_crush *crush, const json_t *set, int id)
{
	json_t *entry, *position;
	size_t i, p;

	json_array_foreach (set, i, entry) {
		const struct cn_bucket *b = cn_crush_bucket_by_id(crush, (int)cn_json_int(entry, "bucket_id", 0));

		if (!b || strchr(b->name, '~'))
			continue;
		for (size_t k = 0; k < b->n_items; k++) {
			json_t *weights;

			if (b->items[k].id != id)
				continue;
			weights = json_array();
			json_array_foreach (cn_json_arr(entry, "weight_set"), p, position)
				json_array_append_new(
					weights,
					json_integer(lround(json_number_value(json_array_get(position, k)) * CN_WEIGHT_ONE)));
			if (json_array_size(weights))
				return weights;
			json_decref(weights);
		}
	}
	return NULL;
}

static void record_item(const struct cn_crush *crush, const json_t *set, int id, json_t *ret)
{
	char buf[24];
	const char *name = item_name(crush, id, buf);
	json_t *weights = name ? item_weights(crush, set, id) : NULL;

	if (weights)
		json_array_append_new(ret, json_pack("{ss,so}", "item", name, "weights", weights));
}

/* {"<set>": {"pool": name or null, "items": [{"item", "weights": [16.16, ...]}, ...]}}: the OSDs, then their ancestors upwards.
 */
json_t *cn_weight_sets_record(const struct cn_crush *crush, const struct cn_osdmap *m, const struct cn_ids *osds)
{
	json_t *ret = json_object(), *set;
	const char *name;

	json_object_foreach (crush->choose_args, name, set) {
		const struct cn_pool *pool = strcmp(name, COMPAT) == 0 ? NULL : cn_osdmap_pool(m, atoll(name));
		_cleanup_(cn_ids_release) struct cn_ids level = {};
		json_t *items = json_array();

		for (size_t i = 0; i < osds->n; i++)
			cn_ids_add(&level, osds->v[i]);
		while (level.n) {
			struct cn_ids above = {};

			for (size_t i = 0; i < level.n; i++) {
				const struct cn_bucket *parent = cn_crush_parent(crush, level.v[i]);

				record_item(crush, set, level.v[i], items);
				if (parent)
					cn_ids_add(&above, parent->id);
			}
			cn_ids_release(&level);
			level = above;
		}
		json_object_set_new(
			ret, name, json_pack("{so,so}", "pool", pool ? cn_json_string(pool->name) : json_null(), "items", items));
	}
	return ret;
}

static int restore_item(struct cn_cluster *c, const char *pool, const json_t *item, struct cn_error *err)
{
	json_t *weights = cn_json_arr(item, "weights"), *w;
	_cleanup_free_ uint32_t *v = cn_calloc(json_array_size(weights), sizeof(*v));
	size_t i;

	json_array_foreach (weights, i, w)
		v[i] = (uint32_t)json_integer_value(w);
	return cn_crush_weight_set(c, pool, cn_json_str(item, "item", ""), v, json_array_size(weights), err);
}

/* An OSD whose entry is to be restored; a bucket when no OSD is left out. The OSDs come first. */
static bool wanted(const json_t *item, const struct cn_ids *osds, bool *left_out)
{
	const char *name = cn_json_str(item, "item", "");
	int osd;

	if (sscanf(name, "osd.%d", &osd) != 1)
		return !*left_out;
	if (cn_ids_has(osds, osd))
		return true;
	*left_out = true;
	return false;
}

int cn_weight_sets_restore(struct cn_cluster *c, const json_t *recorded, const struct cn_ids *osds, struct cn_error *err)
{
	_cleanup_(cn_crush_release) struct cn_crush crush = {};
	const char *name;
	json_t *set, *item;
	size_t i;
	int r = 0;

	if (json_object_size(recorded) == 0)
		return 0;
	r = cn_crush_get(c, &crush, err);
	json_object_foreach ((json_t *)(uintptr_t)recorded, name, set) {
		bool left_out = false;

		if (!json_object_get(crush.choose_args, name))
			continue; /* the set was removed meanwhile */
		json_array_foreach (cn_json_arr(set, "items"), i, item)
			if (r == 0 && wanted(item, osds, &left_out))
				r = restore_item(c, cn_json_str(set, "pool", NULL), item, err);
	}
	return r;
}
