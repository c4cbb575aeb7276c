/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/drain/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cephnode/base/parallel.h"
#include "cephnode/base/text.h"
#include "run.h"

struct maker {
	struct cn_cluster *c;
	const struct cn_inventory *inv;
	const struct cn_strv *accept;
	const struct cn_journals *journals;
	struct cn_plan *plan;
	struct cn_health health;
	struct cn_error errors[2];
};

void cn_plan_refuse(struct cn_plan *p, const char *hint, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = cn_vasprintf(fmt, ap);
	va_end(ap);
	cn_strv_add(&p->refusals, text);
	if (!p->hint && hint)
		p->hint = cn_strdup(hint);
}

static void look_up(void *arg, size_t i)
{
	struct maker *mk = arg;

	if (i == 0)
		cn_health_get(mk->c, &mk->health, &mk->errors[0]);
	else
		cn_osd_df(mk->c, &mk->plan->usage, &mk->errors[1]);
}

/* A PG may have shards on several of the nodes. */
static bool counted_before(const struct cn_inventory *inv, size_t node, struct cn_pgid id)
{
	for (size_t k = 0; k < node; k++)
		if (cn_pgs_find(&inv->nodes[k].pgs, id))
			return true;
	return false;
}

static void count_data(struct maker *mk)
{
	struct cn_plan *p = mk->plan;

	for (size_t n = 0; n < mk->inv->n_nodes; n++) {
		const struct cn_node *node = &mk->inv->nodes[n];

		for (size_t i = 0; i < node->n_osds; i++)
			cn_ids_add(&p->osds, node->osds[i].osd.id);
		for (size_t i = 0; i < node->hosts.n; i++)
			if (!cn_strv_has(&p->hosts, node->hosts.v[i]))
				cn_strv_add(&p->hosts, node->hosts.v[i]);
	}
	for (size_t n = 0; n < mk->inv->n_nodes; n++) {
		const struct cn_node *node = &mk->inv->nodes[n];

		for (size_t i = 0; i < node->pgs.n; i++) {
			const struct cn_pg *pg = &node->pgs.v[i];

			p->pgs += !counted_before(mk->inv, n, pg->id);
			p->bytes_minimum += cn_node_shards(&mk->inv->osdmap, node, pg) * cn_shard_bytes(&mk->inv->osdmap, pg);
		}
	}
	p->bytes_to_move = p->bytes_minimum;
}

static bool has_one_of(const char *state, const char *const *words)
{
	for (; *words; words++)
		if (cn_pg_state_has(state, *words))
			return true;
	return false;
}

static void check_pgs(struct maker *mk)
{
	static const char *const never[] = {"inconsistent",     "incomplete",       "down", "stale",
					    "recovery_toofull", "backfill_toofull", NULL};
	/* a PG that has just peered may not have found all its objects yet */
	static const char *const passing[] = {"recovery_unfound", "backfill_unfound", NULL};
	size_t unclean = 0;

	for (size_t n = 0; n < mk->inv->n_nodes; n++)
		for (size_t i = 0; i < mk->inv->nodes[n].pgs.n; i++) {
			const struct cn_pg *pg = &mk->inv->nodes[n].pgs.v[i];
			char text[CN_PGID_STRLEN];
			bool bad = has_one_of(pg->state, never);
			bool may = !cn_pg_state_has(pg->state, "active") || pg->unfound > 0 || has_one_of(pg->state, passing);

			if (counted_before(mk->inv, n, pg->id))
				continue;
			unclean += !cn_pg_state_is_clean(pg->state);
			mk->plan->n_passing += may && !bad;
			if (bad || may)
				cn_plan_refuse(mk->plan, "mend it first: ceph health detail, ceph pg PGID query", "PG %s is %s",
					       cn_pgid_format(pg->id, text), pg->state);
		}
	if (unclean)
		cn_strv_addf(&mk->plan->warnings,
			     "%zu of the node's PGs are not clean now: they must become so before an OSD is stopped", unclean);
}

static void check_pools(struct maker *mk)
{
	const struct cn_osdmap *m = &mk->inv->osdmap;
	struct cn_plan *p = mk->plan;

	p->pools = cn_calloc(m->n_pools, sizeof(*p->pools));
	for (size_t i = 0; i < m->n_pools; i++) {
		const struct cn_pool *pool = &m->pools[i];
		struct cn_plan_pool *out = &p->pools[p->n_pools];
		const char *domain = NULL;
		bool reaches = false;

		for (size_t k = 0; k < p->osds.n && !reaches; k++)
			reaches = cn_crush_rule_reaches(&mk->inv->crush, pool->rule, p->osds.v[k]);
		if (!reaches)
			continue;
		p->n_pools++;
		out->left = cn_crush_capacity(&mk->inv->crush, m, pool->rule, pool->size, &p->osds, &domain);
		out->name = cn_strdup(pool->name);
		out->domain = cn_strdup(domain);
		out->needed = pool->size;
		out->ok = out->left >= out->needed;
		if (!out->ok)
			cn_plan_refuse(p, "add capacity first, or lower the size of the pool",
				       "pool '%s' keeps %d copies or chunks on %ss of their own, and only %d would be left",
				       pool->name, out->needed, domain, out->left);
	}
}

/* What another drain's steps, or PGs that peer, show for some seconds. */
static bool may_pass(const struct maker *mk, const char *found)
{
	static const char *const codes[] = {"PG_AVAILABILITY:", "PG_DEGRADED:", "OBJECT_UNFOUND:"};
	static const char *const of_drains[] = {"OSDMAP_FLAGS:", "OSD_DOWN:", "OSD_HOST_DOWN:"};
	bool live = false;

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (strncmp(found, codes[i], strlen(codes[i])) == 0)
			return true;
	if (strncmp(found, "PG_DAMAGED:", 11) == 0) /* "1 pg recovery_unfound", not "1 pg inconsistent" */
		return strstr(found, "unfound") && !strstr(found, "inconsistent");
	for (size_t i = 0; i < mk->journals->n; i++)
		live |= !cn_journal_is_tombstone(&mk->journals->v[i]);
	for (size_t i = 0; i < ARRAY_SIZE(of_drains) && live; i++)
		if (strncmp(found, of_drains[i], strlen(of_drains[i])) == 0)
			return true;
	return false;
}

static void check_health(struct maker *mk)
{
	_cleanup_(cn_strv_release) struct cn_strv found = {};
	struct cn_health_context ctx = {mk->accept, &mk->inv->osdmap, &mk->plan->osds, mk->journals, false};
	const char *hint = "mend it, or accept it by its code: --accept CODE,... or --accept existing";
	bool never;

	cn_health_judge(&mk->health, &ctx, &found, &never);
	if (never)
		hint = "mend it first: this cannot be accepted";
	for (size_t i = 0; i < found.n; i++) {
		mk->plan->n_passing += may_pass(mk, found.v[i]);
		cn_plan_refuse(mk->plan, hint, "the cluster's health speaks against it: %s", found.v[i]);
	}
	for (size_t i = 0; i < mk->health.n_checks; i++)
		if (cn_strv_has(mk->accept, mk->health.checks[i].code) && !cn_health_never_acceptable(mk->health.checks[i].code))
			cn_strv_addf(&mk->plan->warnings, "accepted: %s: %s", mk->health.checks[i].code,
				     mk->health.checks[i].summary);
}

/* A bound, not a forecast: the bytes spread over the remaining OSDs of the rules by their CRUSH weight. */
static void check_fill(struct maker *mk)
{
	const struct cn_osdmap *m = &mk->inv->osdmap;
	struct cn_plan *p = mk->plan;
	double weights = 0, before = -1;

	p->fullest_osd = -1;
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < p->usage.n; i++) {
			const struct cn_osd_usage *u = &p->usage.v[i];
			const struct cn_osd *o = cn_osdmap_osd(m, u->id);
			double w = cn_crush_weight(&mk->inv->crush, u->id, NULL), after;

			if (!o || !o->up || !o->in || u->total <= 0 || w <= 0 || cn_ids_has(&p->osds, u->id))
				continue;
			if (pass == 0) {
				weights += w;
				before = MAX(before, (double)u->used / (double)u->total);
				continue;
			}
			after = ((double)u->used + (double)p->bytes_to_move * w / weights) / (double)u->total;
			if (p->fullest_osd < 0 || after > p->fullest_after) {
				p->fullest_osd = u->id;
				p->fullest_before = (double)u->used / (double)u->total;
				p->fullest_after = after;
			}
		}
	if (p->fullest_osd < 0)
		return;
	if (p->fullest_after >= m->backfillfull_ratio)
		cn_plan_refuse(p, "add capacity first",
			       "osd.%d would be %.0f %% full even if all spread evenly; backfill stops at %.0f %%",
			       p->fullest_osd, p->fullest_after * 100, m->backfillfull_ratio * 100);
	else if (p->fullest_after >= m->nearfull_ratio)
		cn_strv_addf(&p->warnings, "osd.%d would be %.0f %% full, past the nearfull ratio", p->fullest_osd,
			     p->fullest_after * 100);
}

static void find_rate(struct maker *mk)
{
	int64_t latest = 0;

	for (size_t i = 0; i < mk->journals->n; i++) {
		const struct cn_journal *j = &mk->journals->v[i];

		if (j->rate <= 0 || j->updated_ms < latest)
			continue;
		latest = j->updated_ms;
		mk->plan->rate = j->rate;
	}
}

static void note_neighbours(struct maker *mk)
{
	for (size_t n = 0; n < mk->inv->n_nodes; n++) {
		const struct cn_node *node = &mk->inv->nodes[n];

		for (size_t i = 0; i < node->daemons.n; i++)
			cn_strv_addf(&mk->plan->warnings, "%s also runs %s: only its OSDs are drained", node->name,
				     node->daemons.v[i]);
		if (node->n_osds && mk->inv->osdmap.n_osds == node->n_osds)
			cn_plan_refuse(mk->plan, NULL, "%s holds every OSD of the cluster", node->name);
	}
}

static bool is_about(const struct cn_inventory *inv, const struct cn_journal *j, const struct cn_ids *osds)
{
	for (size_t k = 0; k < j->n_osds; k++) {
		const struct cn_osd *o = cn_osdmap_osd(&inv->osdmap, j->osds[k].id);

		if (o && strcmp(o->uuid, j->osds[k].uuid) == 0 && cn_ids_has(osds, o->id))
			return true;
	}
	return false;
}

static void note_others(struct maker *mk)
{
	for (size_t i = 0; i < mk->journals->n; i++) {
		const struct cn_journal *j = &mk->journals->v[i];

		if (!cn_journal_is_tombstone(j) && j->n_osds && !is_about(mk->inv, j, &mk->plan->osds))
			cn_strv_addf(&mk->plan->warnings, "a drain of %s is under way (%s)", j->node, cn_phase_name(j->phase));
	}
}

/* "; 3.1 GiB in 40 PGs are left to move"; NULL where that cannot be told. */
static char *left_words(struct cn_cluster *c, const struct cn_osdmap *m, const struct cn_journal *j)
{
	_cleanup_(cn_measure_release) struct cn_measure left = {};
	_cleanup_free_ char *bytes = NULL;

	if (j->phase >= CN_PHASE_OUT || cn_measure_journal(c, m, j, &left, NULL) < 0)
		return NULL;
	bytes = cn_format_bytes(left.bytes_left);
	return cn_asprintf("; %s in %" PRId64 " PG%s are left to move", bytes, left.pgs_left, left.pgs_left == 1 ? "" : "s");
}

/* What the OSDs of an unfinished drain still have says nothing of what it has to do. */
static char *own_words(struct cn_cluster *c, const struct cn_inventory *inv, const struct cn_journal *j)
{
	_cleanup_free_ char *at = cn_time_format(j->updated_ms), *left = NULL;

	if (j->phase == CN_PHASE_DRAINED)
		return cn_asprintf(
			"%s is held drained since %s: 'cephnode remove %s' removes its OSDs, 'cephnode cancel %s' gives them "
			"back",
			j->node, at, j->node, j->node);
	left = left_words(c, &inv->osdmap, j);
	return cn_asprintf(
		"a drain of %s has begun (%s)%s: this plan shows what its OSDs have now; 'cephnode %s %s' goes on with it",
		j->node, cn_phase_name(j->phase), left ? left : "", j->phase == CN_PHASE_CANCEL ? "cancel" : "drain", j->node);
}

void cn_plan_note_own(struct cn_cluster *c, const struct cn_inventory *inv, const struct cn_journals *journals, struct cn_plan *p)
{
	for (size_t i = 0; i < journals->n; i++) {
		_cleanup_free_ char *text = NULL;

		if (cn_journal_is_tombstone(&journals->v[i]) || !is_about(inv, &journals->v[i], &p->osds))
			continue;
		text = own_words(c, inv, &journals->v[i]);
		cn_strv_add(&p->warnings, text);
	}
}

int cn_plan_make(struct cn_cluster *c, const struct cn_inventory *inv, const struct cn_strv *accept,
		 const struct cn_drain_options *options, const struct cn_journals *journals, struct cn_plan *ret,
		 struct cn_error *err)
{
	struct maker mk = {.c = c, .inv = inv, .accept = accept, .journals = journals, .plan = ret};
	int r = 0;

	*ret = (struct cn_plan){.method = options->method};
	cn_parallel(2, 2, look_up, &mk);
	for (size_t i = 0; i < 2; i++)
		if (mk.errors[i].errnum) {
			r = -mk.errors[i].errnum;
			cn_error_move(err, &mk.errors[i]);
		}
	if (r == 0) {
		count_data(&mk);
		check_pools(&mk);
		check_pgs(&mk);
		check_health(&mk);
		note_neighbours(&mk);
		note_others(&mk);
		find_rate(&mk);
		r = cn_plan_foresee(c, inv, options, ret, err);
	}
	if (r == 0 && !ret->exact && !ret->targets)
		check_fill(&mk);
	cn_health_release(&mk.health);
	for (size_t i = 0; i < 2; i++)
		cn_error_release(&mk.errors[i]);
	if (r < 0)
		cn_plan_release(ret);
	return r;
}

void cn_plan_release(struct cn_plan *p)
{
	cn_ids_release(&p->osds);
	cn_strv_release(&p->hosts);
	for (size_t i = 0; i < p->n_pools; i++) {
		free(p->pools[i].name);
		free(p->pools[i].domain);
	}
	free(p->pools);
	free(p->forecast_reason);
	free(p->held);
	for (size_t i = 0; i < p->n_targets; i++)
		free(p->targets[i].host);
	free(p->targets);
	cn_shard_sizes_release(&p->sizes);
	cn_osd_usages_release(&p->usage);
	cn_strv_release(&p->warnings);
	cn_strv_release(&p->refusals);
	free(p->hint);
	*p = (struct cn_plan){};
}

int cn_plan_verdict(const struct cn_plan *p, struct cn_error *err)
{
	if (p->refusals.n == 0)
		return 0;
	cn_error_set(err, CN_REFUSED, EPERM, "refused: %s", p->refusals.v[0]);
	if (p->hint)
		cn_error_hint(err, "%s", p->hint);
	return -EPERM;
}

static json_t *share(double v)
{
	return v < 0 ? json_null() : json_real(v);
}

static json_t *targets_json(const struct cn_plan *p)
{
	json_t *a = json_array();

	for (size_t i = 0; i < p->n_targets; i++) {
		const struct cn_plan_target *t = &p->targets[i];

		json_array_append_new(a, json_pack("{si,so,sI,sI,so,so}", "osd", t->osd, "host", cn_json_string(t->host),
						   "shards", (json_int_t)t->shards, "bytes", (json_int_t)t->bytes, "before",
						   share(t->before), "after", share(t->after)));
	}
	return a;
}

static json_t *forecast_json(const struct cn_plan *p)
{
	if (!p->exact)
		return json_pack("{sb,so}", "exact", 0, "reason", cn_json_string(p->forecast_reason));
	return json_pack("{sb,so,sI,sI}", "exact", 1, "reason", json_null(), "bytes_needless", (json_int_t)p->bytes_needless,
			 "pins", (json_int_t)p->pins);
}

json_t *cn_plan_json(const struct cn_plan *p)
{
	json_t *pools = json_array(), *fullest = json_null();

	for (size_t i = 0; i < p->n_pools; i++)
		json_array_append_new(pools, json_pack("{so,so,si,si,sb}", "name", cn_json_string(p->pools[i].name), "domain",
						       cn_json_string(p->pools[i].domain), "needed", p->pools[i].needed, "left",
						       p->pools[i].left, "ok", p->pools[i].ok));
	if (p->fullest_osd >= 0)
		fullest = json_pack("{si,sf,sf}", "osd", p->fullest_osd, "before", p->fullest_before, "after", p->fullest_after);
	return json_pack("{so,so,ss,sI,sI,sI,so,so,so,so,so,so,so,so}", "osds", cn_json_ids(&p->osds), "hosts",
			 cn_json_strv(&p->hosts), "method", p->method == CN_METHOD_OUT ? "out" : "crush", "pgs",
			 (json_int_t)p->pgs, "bytes_to_move", (json_int_t)p->bytes_to_move, "bytes_minimum",
			 (json_int_t)p->bytes_minimum, "pools", pools, "fullest", fullest, "warnings", cn_json_strv(&p->warnings),
			 "refusals", cn_json_strv(&p->refusals), "forecast", forecast_json(p), "targets", targets_json(p),
			 "bytes_per_second_seen", p->rate ? json_integer(p->rate) : json_null(), "seconds_estimated",
			 p->rate ? json_integer(p->bytes_to_move / p->rate + 1) : json_null());
}
