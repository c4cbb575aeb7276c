/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "cephnode/cluster/maps.h"

/* Where an item stands; shadow buckets do not count. */
struct cn_crush_place {
	int item;
	const struct cn_bucket *bucket;
	uint32_t weight;
};

struct cn_device_class {
	int osd;
	char *name;
};

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

/* Bucket names cannot hold '~': it sets off the shadow tree of a device class, "default~hdd". */
static bool is_shadow(const struct cn_bucket *b)
{
	return strchr(b->name, '~');
}

static int bucket_cmp(const void *a, const void *b)
{
	const struct cn_bucket *x = a, *y = b;

	return x->id > y->id ? -1 : x->id < y->id;
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp((*(const struct cn_bucket *const *)a)->name, (*(const struct cn_bucket *const *)b)->name);
}

static int place_cmp(const void *a, const void *b)
{
	const struct cn_crush_place *x = a, *y = b;

	if (x->item != y->item)
		return x->item < y->item ? -1 : 1;
	return x->bucket < y->bucket ? -1 : x->bucket > y->bucket;
}

static int class_cmp(const void *a, const void *b)
{
	const struct cn_device_class *x = a, *y = b;

	return x->osd < y->osd ? -1 : x->osd > y->osd;
}

static void index_buckets(struct cn_crush *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_buckets; i++)
		n += m->buckets[i].n_items;
	m->index.places = cn_calloc(n, sizeof(*m->index.places));
	m->index.names = cn_calloc(m->n_buckets, sizeof(const struct cn_bucket *));
	for (size_t i = 0; i < m->n_buckets; i++) {
		const struct cn_bucket *b = &m->buckets[i];

		if (is_shadow(b))
			continue;
		m->index.names[m->index.n_names++] = b;
		for (size_t k = 0; k < b->n_items; k++)
			m->index.places[m->index.n_places++] = (struct cn_crush_place){b->items[k].id, b, b->items[k].weight};
	}
	if (m->index.n_places)
		qsort(m->index.places, m->index.n_places, sizeof(*m->index.places), place_cmp);
	if (m->index.n_names)
		qsort(m->index.names, m->index.n_names, sizeof(const struct cn_bucket *), name_cmp);
}

static void index_classes(struct cn_crush *m, const json_t *devices)
{
	const char *class;
	json_t *j;
	size_t i;

	m->index.classes = cn_calloc(json_array_size(devices), sizeof(*m->index.classes));
	json_array_foreach (devices, i, j)
		if ((class = cn_json_str(j, "class", NULL)))
			m->index.classes[m->index.n_classes++] =
				(struct cn_device_class){(int)cn_json_int(j, "id", -1), cn_strdup(class)};
	if (m->index.n_classes)
		qsort(m->index.classes, m->index.n_classes, sizeof(*m->index.classes), class_cmp);
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
	if (m.n_buckets)
		qsort(m.buckets, m.n_buckets, sizeof(*m.buckets), bucket_cmp);
	m.rules = json_incref(cn_json_arr(reply, "rules"));
	m.choose_args = json_incref(cn_json_obj(reply, "choose_args"));
	index_buckets(&m);
	index_classes(&m, cn_json_arr(reply, "devices"));
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
	json_decref(m->rules);
	json_decref(m->choose_args);
	for (size_t i = 0; i < m->index.n_classes; i++)
		free(m->index.classes[i].name);
	free(m->index.classes);
	free(m->index.names);
	free(m->index.places);
	*m = (struct cn_crush){};
}

static void *find(const void *key, const void *base, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	return n ? bsearch(key, base, n, size, cmp) : NULL;
}

const struct cn_bucket *cn_crush_bucket(const struct cn_crush *m, const char *name)
{
	const struct cn_bucket key = {.name = (char *)(uintptr_t)name}, *k = &key, **found;

	found = find(&k, m->index.names, m->index.n_names, sizeof(const struct cn_bucket *), name_cmp);
	return found ? *found : NULL;
}

const struct cn_bucket *cn_crush_bucket_by_id(const struct cn_crush *m, int id)
{
	struct cn_bucket key = {.id = id};

	return find(&key, m->buckets, m->n_buckets, sizeof(*m->buckets), bucket_cmp);
}

static const struct cn_crush_place *find_place(const struct cn_crush *m, int item)
{
	size_t lo = 0, hi = m->index.n_places;

	while (lo < hi) { /* the first of the item */
		size_t mid = (lo + hi) / 2;

		if (m->index.places[mid].item < item)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->index.n_places && m->index.places[lo].item == item ? &m->index.places[lo] : NULL;
}

const struct cn_bucket *cn_crush_parent(const struct cn_crush *m, int id)
{
	const struct cn_crush_place *p = find_place(m, id);

	return p ? p->bucket : NULL;
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
	const struct cn_crush_place *p = find_place(m, osd);

	if (ret_found)
		*ret_found = p;
	return p ? p->weight : 0;
}

const char *cn_crush_class(const struct cn_crush *m, int osd)
{
	struct cn_device_class key = {.osd = osd}, *found;

	found = find(&key, m->index.classes, m->index.n_classes, sizeof(key), class_cmp);
	return found ? found->name : NULL;
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
