/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which sets the pins bring, and how upmap can say so. */
#include "cephnode/drain/pin.h"

#include <string.h>

#define MAX_LEVELS 8
#define MAX_SIZE 32  /* places of a set */
#define MAX_ASKED 64 /* for one PG: recovery is held meanwhile, and a PG without a pin merely moves more */

/* What a rule of one take asks of a set: how many shards each bucket of a level may hold. */
struct domains {
	const struct cn_crush *crush;
	struct cn_ids osds; /* below the root that it takes */
	struct {
		const char *type;
		int buckets; /* of one bucket of the level above */
		int shards;  /* in one bucket */
	} levels[MAX_LEVELS];
	size_t n_levels;
};

struct pool_rule {
	int64_t pool;
	bool known;
	struct domains d;
};

struct pinner {
	const struct cn_change *ch;
	struct pool_rule rule; /* of the pool at hand */
	int64_t *load;         /* shards that come to an OSD, by id: whom to choose where CRUSH names none */
	int max_osd;
	struct cn_pins *pins;
	size_t cap;
};

/* False for rules that take twice: which place belongs to which take, a replicated set does not tell. */
static bool read_domains(const struct cn_crush *crush, const struct cn_pool *pool, struct domains *d)
{
	const json_t *steps = cn_json_arr(cn_crush_rule(crush, pool->rule), "steps");
	json_t *step;
	int shards = 1, takes = 0;
	size_t i;

	d->crush = crush;
	json_array_foreach (steps, i, step) {
		const char *op = cn_json_str(step, "op", "");

		if (strcmp(op, "take") == 0 && takes++ == 0)
			cn_crush_osds_below(crush, (int)cn_json_int(step, "item", 0), &d->osds);
		if (strncmp(op, "choose", 6) != 0)
			continue;
		if (d->n_levels == MAX_LEVELS)
			return false;
		d->levels[d->n_levels].type = cn_json_str(step, "type", "osd");
		d->levels[d->n_levels].buckets = (int)cn_json_int(step, "num", 0);
		if (d->levels[d->n_levels].buckets <= 0)
			d->levels[d->n_levels].buckets += pool->size;
		d->n_levels++;
	}
	for (size_t k = d->n_levels; k-- > 0;) {
		d->levels[k].shards = shards;
		shards *= MAX(d->levels[k].buckets, 1);
	}
	return takes == 1 && d->n_levels > 0;
}

static int ancestor(const struct cn_crush *crush, int osd, const char *type)
{
	const struct cn_bucket *b;

	if (strcmp(type, "osd") == 0)
		return osd;
	b = cn_crush_parent(crush, osd);
	while (b && strcmp(b->type, type) != 0)
		b = cn_crush_parent(crush, b->id);
	return b ? b->id : CN_CRUSH_NONE;
}

/* The set keeps the rule's failure domains. Holes in it count for nothing. */
static bool keeps_domains(const struct domains *d, const int *set, int size)
{
	int above[MAX_SIZE] = {};

	for (int i = 0; i < size; i++)
		if (cn_is_osd(set[i]) && (cn_set_has(set, i, set[i]) || !cn_ids_has(&d->osds, set[i])))
			return false;
	for (size_t k = 0; k < d->n_levels; k++) {
		int at[MAX_SIZE];

		for (int i = 0; i < size; i++) {
			at[i] = cn_is_osd(set[i]) ? ancestor(d->crush, set[i], d->levels[k].type) : CN_CRUSH_NONE;
			if (cn_is_osd(set[i]) && at[i] == CN_CRUSH_NONE)
				return false;
		}
		for (int i = 0; i < size; i++) {
			int shards = 0, buckets = 0;

			for (int j = 0; j < size && cn_is_osd(set[i]); j++) {
				shards += cn_is_osd(set[j]) && at[j] == at[i];
				/* the first of each bucket below the same one */
				buckets += cn_is_osd(set[j]) && above[j] == above[i] && !cn_set_has(at, j, at[j]);
			}
			if (shards > d->levels[k].shards || buckets > d->levels[k].buckets)
				return false;
		}
		memcpy(above, at, sizeof(above));
	}
	return true;
}

struct search {
	struct pinner *p;
	const struct cn_pg_moves *pg;
	int set[MAX_SIZE];
	int places[MAX_SIZE], n_places; /* to be filled */
	int newcomers[MAX_SIZE], n_newcomers;
	int asked; /* times that all OSDs were looked through */
};

static bool may_take(const struct pinner *p, int osd)
{
	const struct cn_osd *o = cn_osdmap_osd(p->ch->osdmap, osd);

	return o && o->up && o->in && !cn_ids_has(p->ch->leaving, osd) && cn_crush_weight(p->ch->crush, osd, NULL) > 0;
}

/* Any OSD of an unused domain, the one to which least comes for its weight. */
static bool any_osd(struct search *s, int place)
{
	const struct domains *d = &s->p->rule.d;
	double least = 0;
	int best = -1;

	if (s->asked++ >= MAX_ASKED)
		return false;
	for (size_t i = 0; i < d->osds.n; i++) {
		int osd = d->osds.v[i];
		double load;

		if (osd > s->p->max_osd || cn_set_has(s->set, s->pg->size, osd) || !may_take(s->p, osd))
			continue;
		load = (double)(s->p->load[osd] + 1) / cn_crush_weight(s->p->ch->crush, osd, NULL);
		if (best >= 0 && load >= least)
			continue;
		s->set[place] = osd;
		if (keeps_domains(d, s->set, s->pg->size)) {
			best = osd;
			least = load;
		}
		s->set[place] = CN_CRUSH_NONE;
	}
	s->set[place] = best >= 0 ? best : CN_CRUSH_NONE;
	return best >= 0;
}

/* Fills place after place: by whom CRUSH puts there, by another newcomer, by anybody. */
static bool fill(struct search *s, int k)
{
	int place, first;

	if (k == s->n_places)
		return true;
	if (s->asked >= MAX_ASKED)
		return false;
	place = s->places[k];
	first = s->pg->up[place];
	for (int i = -1; i < s->n_newcomers; i++) {
		int osd = i < 0 ? first : s->newcomers[i];

		if ((i < 0 && !cn_set_has(s->newcomers, s->n_newcomers, first)) || (i >= 0 && osd == first) ||
		    cn_set_has(s->set, s->pg->size, osd))
			continue;
		s->set[place] = osd;
		if (keeps_domains(&s->p->rule.d, s->set, s->pg->size) && fill(s, k + 1))
			return true;
		s->set[place] = CN_CRUSH_NONE;
	}
	if (any_osd(s, place) && fill(s, k + 1))
		return true;
	s->set[place] = CN_CRUSH_NONE;
	return false;
}

static bool find_target(struct search *s)
{
	const struct cn_pg_moves *pg = s->pg;

	for (int i = 0; i < pg->size; i++) {
		s->set[i] = cn_is_osd(pg->was[i]) && !cn_ids_has(s->p->ch->leaving, pg->was[i]) ? pg->was[i] : CN_CRUSH_NONE;
		if (!cn_is_osd(s->set[i]))
			s->places[s->n_places++] = i;
		else if (!may_take(s->p, s->set[i]))
			return false; /* somebody else's drain empties it */
		if (cn_is_osd(pg->up[i]) && !cn_set_has(pg->was, pg->size, pg->up[i]))
			s->newcomers[s->n_newcomers++] = pg->up[i];
	}
	return keeps_domains(&s->p->rule.d, s->set, pg->size) && fill(s, 0);
}

/* Replicated: members have no places, so each that has to go is exchanged for one that has to come. */
static void pairs_of_sets(const int *raw, const int *target, int size, struct cn_pin *pin)
{
	for (int i = 0, j = 0; i < size; i++) {
		if (cn_set_has(target, size, raw[i]))
			continue;
		while (cn_set_has(raw, size, target[j]))
			j++;
		pin->v[pin->n++] = raw[i];
		pin->v[pin->n++] = target[j++];
	}
}

/* Erasure-coded: place by place. The mon applies the pairs in order and skips one whose target is still in the set, so each comes
 * after its target has left. False for a cycle. */
static bool pairs_of_places(const int *raw, const int *target, int size, struct cn_pin *pin)
{
	int now[MAX_SIZE], left = 0;
	bool found = true;

	memcpy(now, raw, (size_t)size * sizeof(*now));
	for (int i = 0; i < size; i++)
		left += now[i] != target[i];
	while (left && found) {
		found = false;
		for (int i = 0; i < size; i++) {
			if (now[i] == target[i] || cn_set_has(now, size, target[i]))
				continue;
			pin->v[pin->n++] = now[i];
			pin->v[pin->n++] = target[i];
			now[i] = target[i];
			left--;
			found = true;
		}
	}
	return left == 0;
}

static bool has_entry(const json_t *list, struct cn_pgid id)
{
	char text[CN_PGID_STRLEN];
	json_t *j;
	size_t i;

	cn_pgid_format(id, text);
	json_array_foreach (list, i, j)
		if (strcmp(cn_json_str(j, "pgid", ""), text) == 0)
			return true;
	return false;
}

/* A full entry that stands there already is what pairs would be applied to: it is replaced by another. */
static bool express(const struct pinner *p, const int *raw, const int *target, int size, bool erasure, struct cn_pin *pin)
{
	bool full = has_entry(p->ch->osdmap->pg_upmap, pin->id);

	for (int i = 0; i < size; i++) /* an OSD twice: only of a rule that upmap cannot help */
		if (!cn_is_osd(raw[i]) || cn_set_has(raw, i, raw[i]))
			return false;
	pin->v = cn_calloc((size_t)size * 2, sizeof(*pin->v));
	if (!full && !erasure)
		pairs_of_sets(raw, target, size, pin);
	else if (!full)
		full = !pairs_of_places(raw, target, size, pin);
	pin->full = full;
	if (full) {
		memcpy(pin->v, target, (size_t)size * sizeof(*target));
		pin->n = memcmp(raw, target, (size_t)size * sizeof(*raw)) == 0 ? 0 : (size_t)size;
	}
	return true;
}

static void count_load(struct pinner *p, const struct cn_pg_moves *pg, const int *set, int sign)
{
	for (int i = 0; i < pg->size; i++)
		if (cn_is_osd(set[i]) && set[i] <= p->max_osd && !cn_set_has(pg->was, pg->size, set[i]))
			p->load[set[i]] += sign;
}

static void pin_pg(struct pinner *p, const struct cn_mapped_pool *after, uint32_t seed)
{
	const int *raw = cn_mapped_set(after, after->raw, seed);
	struct cn_pin pin = {.id = {after->id, seed}};
	struct search s = {.p = p};
	struct cn_pg_moves pg;

	if (!raw || !cn_pg_moves_of(p->ch, after, seed, &pg) || pg.will <= pg.must || pg.filled < pg.size || pg.stays_on >= 0)
		return;
	s.pg = &pg;
	count_load(p, &pg, pg.up, -1);
	if (!find_target(&s) || !express(p, raw, s.set, pg.size, pg.erasure, &pin)) {
		count_load(p, &pg, pg.up, 1);
		free(pin.v);
		return;
	}
	count_load(p, &pg, s.set, 1);
	pin.n_target = (size_t)pg.size;
	pin.target = cn_malloc(pin.n_target * sizeof(*pin.target));
	memcpy(pin.target, s.set, pin.n_target * sizeof(*pin.target));
	cn_grow(&p->pins->v, &p->cap, p->pins->n, sizeof(*p->pins->v));
	p->pins->v[p->pins->n++] = pin;
}

static void each_pg(struct pinner *p, void (*fn)(struct pinner *p, const struct cn_mapped_pool *after, uint32_t seed))
{
	for (size_t i = 0; i < p->ch->after->n_pools; i++) {
		const struct cn_mapped_pool *after = &p->ch->after->pools[i];
		const struct cn_pool *pool = cn_osdmap_pool(p->ch->osdmap, after->id);

		p->rule = (struct pool_rule){};
		if (pool && after->raw && after->size <= MAX_SIZE && read_domains(p->ch->crush, pool, &p->rule.d))
			for (uint32_t seed = 0; seed < after->pg_num; seed++)
				fn(p, after, seed);
		cn_ids_release(&p->rule.d.osds);
	}
}

static void load_pg(struct pinner *p, const struct cn_mapped_pool *after, uint32_t seed)
{
	struct cn_pg_moves pg;

	if (cn_pg_moves_of(p->ch, after, seed, &pg))
		count_load(p, &pg, pg.up, 1);
}

void cn_pins_make(const struct cn_change *ch, struct cn_pins *ret)
{
	struct pinner p = {.ch = ch, .max_osd = -1, .pins = ret};

	*ret = (struct cn_pins){};
	if (ch->osdmap->n_osds)
		p.max_osd = ch->osdmap->osds[ch->osdmap->n_osds - 1].id;
	p.load = cn_calloc((size_t)p.max_osd + 1, sizeof(*p.load));
	each_pg(&p, load_pg);
	each_pg(&p, pin_pg);
	free(p.load);
}

void cn_pins_release(struct cn_pins *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].v);
		free(p->v[i].target);
	}
	free(p->v);
	*p = (struct cn_pins){};
}

void cn_pins_apply(const struct cn_pins *p, struct cn_mapping *mp)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct cn_pin *pin = &p->v[i];
		const struct cn_mapped_pool *pool = cn_mapping_pool(mp, pin->id.pool);

		if (pool && pool->size == (int)pin->n_target && pin->id.seed < pool->pg_num)
			memcpy(&pool->up[(size_t)pin->id.seed * pin->n_target], pin->target,
			       pin->n_target * sizeof(*pin->target));
	}
}
