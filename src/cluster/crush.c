/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "cephnode/cluster/maps.h"

static void read_bucket(const json_t *j, struct cn_bucket *b)
{
	json_t *items = cn_json_arr(j, "items"), *item;
	size_t i;

	b->id = (int)cn_json_int(j, "id", 0);
	b->name = cn_strdup(cn_json_str(j, "name", ""));
	b->type = cn_strdup(cn_json_str(j, "type_name", ""));
	b->items = cn_calloc(json_array_size(items), sizeof(*b->items));
	json_array_foreach (items, i, item)
		b->items[b->n_items++] = (struct cn_crush_item){
			.id = (int)cn_json_int(item, "id", 0),
			.weight = (uint32_t)cn_json_int(item, "weight", 0),
		};
}

int cn_crush_get(struct cn_cluster *c, struct cn_crush *ret, struct cn_error *err)
{
	_cleanup_json_ json_t *reply = NULL;
	struct cn_crush m = {};
	json_t *buckets, *j;
	size_t i;
	int r;

	r = cn_command(c, CN_MON, NULL, json_pack("{ss,ss}", "prefix", "osd crush dump", "format", "json"), &reply, err);
	if (r < 0)
		return r;
	buckets = json_object_get(reply, "buckets");
	if (!json_is_array(buckets))
		return cn_error_set(err, CN_FAILED, EBADMSG, "'osd crush dump': no buckets in the reply");
	m.buckets = cn_calloc(json_array_size(buckets), sizeof(*m.buckets));
	json_array_foreach (buckets, i, j)
		read_bucket(j, &m.buckets[m.n_buckets++]);
	m.devices = json_incref(cn_json_arr(reply, "devices"));
	m.rules = json_incref(cn_json_arr(reply, "rules"));
	m.choose_args = json_incref(cn_json_obj(reply, "choose_args"));
	*ret = m;
	return 0;
}

void cn_crush_release(struct cn_crush *m)
{
	for (size_t i = 0; i < m->n_buckets; i++) {
		free(m->buckets[i].name);
		free(m->buckets[i].type);
		free(m->buckets[i].items);
	}
	free(m->buckets);
	json_decref(m->devices);
	json_decref(m->rules);
	json_decref(m->choose_args);
	*m = (struct cn_crush){};
}

/* Bucket names cannot hold '~': it sets off the shadow tree of a device class, "default~hdd". */
static bool is_shadow(const struct cn_bucket *b)
{
	return strchr(b->name, '~');
}

const struct cn_bucket *cn_crush_bucket(const struct cn_crush *m, const char *name)
{
	for (size_t i = 0; i < m->n_buckets; i++)
		if (!is_shadow(&m->buckets[i]) && strcmp(m->buckets[i].name, name) == 0)
			return &m->buckets[i];
	return NULL;
}

const struct cn_bucket *cn_crush_bucket_by_id(const struct cn_crush *m, int id)
{
	for (size_t i = 0; i < m->n_buckets; i++)
		if (m->buckets[i].id == id)
			return &m->buckets[i];
	return NULL;
}

const struct cn_bucket *cn_crush_parent(const struct cn_crush *m, int id)
{
	for (size_t i = 0; i < m->n_buckets; i++) {
		if (is_shadow(&m->buckets[i]))
			continue;
		for (size_t k = 0; k < m->buckets[i].n_items; k++)
			if (m->buckets[i].items[k].id == id)
				return &m->buckets[i];
	}
	return NULL;
}

const struct cn_bucket *cn_crush_host(const struct cn_crush *m, int osd)
{
	const struct cn_bucket *b = cn_crush_parent(m, osd);

	while (b && strcmp(b->type, "host") != 0)
		b = cn_crush_parent(m, b->id);
	return b;
}

uint32_t cn_crush_weight(const struct cn_crush *m, int osd, bool *ret_found)
{
	const struct cn_bucket *b = cn_crush_parent(m, osd);

	if (ret_found)
		*ret_found = b;
	for (size_t k = 0; b && k < b->n_items; k++)
		if (b->items[k].id == osd)
			return b->items[k].weight;
	return 0;
}

const char *cn_crush_class(const struct cn_crush *m, int osd)
{
	json_t *j;
	size_t i;

	json_array_foreach (m->devices, i, j)
		if (cn_json_int(j, "id", -1) == osd)
			return cn_json_str(j, "class", NULL);
	return NULL;
}

void cn_crush_osds_below(const struct cn_crush *m, int bucket_id, struct cn_ids *ret)
{
	const struct cn_bucket *b = cn_crush_bucket_by_id(m, bucket_id);

	for (size_t k = 0; b && k < b->n_items; k++) {
		if (b->items[k].id >= 0)
			cn_ids_add(ret, b->items[k].id);
		else
			cn_crush_osds_below(m, b->items[k].id, ret);
	}
}
