/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How many shards a CRUSH rule can place: a count over the tree, no hashing. */
#include <string.h>

#include "cephnode/cluster/maps.h"

struct chooser {
	const struct cn_crush *crush;
	const struct cn_osdmap *osds;
	const struct cn_ids *gone;
	int size;
	/* the choose steps between one take and its emit */
	struct {
		const char *type;
		int num;
		bool leaf;
	} steps[8];
	size_t n_steps;
};

static bool usable(const struct chooser *ch, int osd, uint32_t weight)
{
	const struct cn_osd *o = cn_osdmap_osd(ch->osds, osd);

	return weight > 0 && o && o->up && o->in && !(ch->gone && cn_ids_has(ch->gone, osd));
}

static bool any_usable(const struct chooser *ch, const struct cn_bucket *b)
{
	for (size_t k = 0; b && k < b->n_items; k++) {
		const struct cn_crush_item *it = &b->items[k];

		if (it->id >= 0 ? usable(ch, it->id, it->weight) : any_usable(ch, cn_crush_bucket_by_id(ch->crush, it->id)))
			return true;
	}
	return false;
}

static int int_desc(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return x > y ? -1 : x < y;
}

struct counts {
	int *v;
	size_t n, cap;
};

static int place(const struct chooser *ch, const struct cn_bucket *b, size_t step);

/* For each bucket (or OSD) of the step's type below b: how many shards it can take in the steps that follow. */
static void collect(const struct chooser *ch, const struct cn_bucket *b, size_t step, struct counts *counts)
{
	bool want_osd = strcmp(ch->steps[step].type, "osd") == 0;

	for (size_t k = 0; b && k < b->n_items; k++) {
		const struct cn_crush_item *it = &b->items[k];
		const struct cn_bucket *child = it->id < 0 ? cn_crush_bucket_by_id(ch->crush, it->id) : NULL;
		int takes;

		if (!child) {
			takes = it->id >= 0 && want_osd && usable(ch, it->id, it->weight);
		} else if (strcmp(child->type, ch->steps[step].type) != 0) {
			collect(ch, child, step, counts);
			continue;
		} else if (ch->steps[step].leaf || step + 1 == ch->n_steps) {
			takes = any_usable(ch, child);
		} else {
			takes = place(ch, child, step + 1);
		}
		if (takes > 0) {
			cn_grow(&counts->v, &counts->cap, counts->n, sizeof(*counts->v));
			counts->v[counts->n++] = takes;
		}
	}
}

/* The best that choose steps `step`.. can do below b. Only where a step follows or stands above does its number limit: a single
 * "chooseleaf firstn 0 type host" is answered with all usable hosts, so that people see how many are left. */
static int place(const struct chooser *ch, const struct cn_bucket *b, size_t step)
{
	struct counts counts = {};
	int num = ch->steps[step].num, sum = 0;
	size_t limit;

	collect(ch, b, step, &counts);
	if (num <= 0)
		num += ch->size; /* CRUSH: 0 is as many as the pool's size, -1 one less */
	limit = ch->n_steps == 1 && ch->steps[step].num == 0 ? counts.n : MIN(counts.n, (size_t)MAX(num, 0));
	if (counts.n)
		qsort(counts.v, counts.n, sizeof(*counts.v), int_desc);
	for (size_t i = 0; i < limit; i++)
		sum += counts.v[i];
	free(counts.v);
	return sum;
}

const json_t *cn_crush_rule(const struct cn_crush *m, int rule)
{
	json_t *j;
	size_t i;

	json_array_foreach (m->rules, i, j)
		if (cn_json_int(j, "rule_id", -1) == rule)
			return j;
	return NULL;
}

int cn_crush_capacity(const struct cn_crush *m, const struct cn_osdmap *osds, int rule, int size, const struct cn_ids *gone,
		      const char **ret_domain)
{
	struct chooser ch = {.crush = m, .osds = osds, .gone = gone, .size = size};
	const struct cn_bucket *taken = NULL;
	const char *domain = "osd";
	json_t *step;
	int sum = 0;
	size_t i;

	json_array_foreach (cn_json_arr(cn_crush_rule(m, rule), "steps"), i, step) {
		const char *op = cn_json_str(step, "op", "");

		if (strcmp(op, "take") == 0) {
			taken = cn_crush_bucket_by_id(m, (int)cn_json_int(step, "item", 0));
			ch.n_steps = 0;
		} else if (strncmp(op, "choose", 6) == 0 && ch.n_steps < ARRAY_SIZE(ch.steps)) {
			ch.steps[ch.n_steps].type = cn_json_str(step, "type", "osd");
			ch.steps[ch.n_steps].num = (int)cn_json_int(step, "num", 0);
			ch.steps[ch.n_steps].leaf = strncmp(op, "chooseleaf", 10) == 0;
			if (strcmp(ch.steps[ch.n_steps].type, "osd") != 0)
				domain = ch.steps[ch.n_steps].type;
			ch.n_steps++;
		} else if (strcmp(op, "emit") == 0 && taken && ch.n_steps) {
			sum += place(&ch, taken, 0);
			ch.n_steps = 0;
		}
	}
	if (ret_domain)
		*ret_domain = domain;
	return sum;
}

static bool is_below(const struct cn_crush *m, int bucket_id, int osd)
{
	const struct cn_bucket *b = cn_crush_bucket_by_id(m, bucket_id);

	for (size_t k = 0; b && k < b->n_items; k++)
		if (b->items[k].id == osd || (b->items[k].id < 0 && is_below(m, b->items[k].id, osd)))
			return true;
	return false;
}

bool cn_crush_rule_reaches(const struct cn_crush *m, int rule, int osd)
{
	json_t *step;
	size_t i;

	json_array_foreach (cn_json_arr(cn_crush_rule(m, rule), "steps"), i, step)
		if (strcmp(cn_json_str(step, "op", ""), "take") == 0 && is_below(m, (int)cn_json_int(step, "item", 0), osd))
			return true;
	return false;
}
