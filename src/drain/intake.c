/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "intake.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cephnode/base/log.h"

#define PASSING_MS                                                                                                               \
	15000 /* PGs that peer, as behind another drain's begin, need statistics of two rounds to be seen active again */

static struct cn_journal *add_drain(struct cn_run *run)
{
	run->drains[run->n] = (struct cn_drain){};
	return &run->drains[run->n++].journal;
}

static bool in_run(const struct cn_run *run, const char *id)
{
	for (size_t i = 0; i < run->n; i++)
		if (strcmp(run->drains[i].journal.id, id) == 0)
			return true;
	return false;
}

static int resume(struct cn_run *run, const struct cn_journal *j, struct cn_intake *in, struct cn_error *err)
{
	if (in_run(run, j->id))
		return 0;
	if (j->phase == CN_PHASE_CANCEL) {
		cn_error_set(err, CN_REFUSED, EBUSY, "the drain of %s is being cancelled", j->node);
		cn_error_hint(err, "let that end first: cephnode cancel %s", j->node);
		return -EBUSY;
	}
	cn_journal_copy(j, add_drain(run));
	if (j->phase < CN_PHASE_WAIT)
		cn_strv_add(&in->specs, j->spec);
	return 0;
}

/* The nodes' OSDs may stand in a journal under another name of the node: the same set is the same drain, a part of it is not. */
static int match_by_osds(struct cn_run *run, const struct cn_inventory *inv, const struct cn_node *node, struct cn_journal **ret,
			 struct cn_error *err)
{
	*ret = NULL;
	for (size_t i = 0; i < run->others.n; i++) {
		struct cn_journal *j = &run->others.v[i];
		size_t shared = 0, existing = 0;

		if (cn_journal_is_tombstone(j))
			continue;
		for (size_t k = 0; k < j->n_osds; k++) {
			const struct cn_osd *o = cn_osdmap_osd(&inv->osdmap, j->osds[k].id);

			if (!o || strcmp(o->uuid, j->osds[k].uuid) != 0)
				continue;
			existing++;
			for (size_t p = 0; p < node->n_osds; p++)
				shared += node->osds[p].osd.id == o->id;
		}
		if (shared == 0)
			continue;
		if (shared != existing || shared != node->n_osds) {
			cn_error_set(err, CN_REFUSED, EBUSY, "OSDs of %s are part of the drain of %s (%s)", node->name, j->node,
				     cn_phase_name(j->phase));
			cn_error_hint(err, "finish that one (cephnode drain %s) or cancel it first", j->node);
			return -EBUSY;
		}
		*ret = j;
	}
	return 0;
}

static struct cn_drain *drain_of_spec(struct cn_run *run, const char *spec)
{
	for (size_t i = 0; i < run->n; i++)
		if (strcmp(run->drains[i].journal.spec, spec) == 0)
			return &run->drains[i];
	return NULL;
}

/* The node is not there (any more): a drain that has purged all of it and is not done, or a node that cephnode has removed. */
static int sort_absent(struct cn_run *run, const char *name, struct cn_intake *in, struct cn_error *err)
{
	struct cn_error e = {};
	struct cn_journal *j;
	int r = cn_call_match(&run->others, name, &j, &e);

	if (r == 0 && j && !cn_journal_is_tombstone(j)) {
		cn_error_release(err);
		return resume(run, j, in, err);
	}
	if (r == 0 && j && j->phase == CN_PHASE_DONE) {
		cn_error_release(err);
		in->already_removed++;
		return 0;
	}
	if (r < 0)
		cn_error_move(err, &e);
	return -err->errnum;
}

/* A name that no unfinished drain was begun with: by what stands there now. */
static int sort_fresh(struct cn_run *run, const char *name, struct cn_intake *in, struct cn_error *err)
{
	_cleanup_(cn_inventory_release) struct cn_inventory inv = {};
	struct cn_journal *j;
	int r = cn_inventory_discover(run->c, run->ctx->kube, &name, 1, false, &inv, err);

	if (r < 0)
		return err->code == CN_NOT_FOUND ? sort_absent(run, name, in, err) : r;
	for (size_t i = 0; i < inv.nodes[0].notes.n; i++)
		cn_note("%s", inv.nodes[0].notes.v[i]);
	r = match_by_osds(run, &inv, &inv.nodes[0], &j, err);
	if (r == 0 && j)
		return resume(run, j, in, err);
	if (r == 0)
		cn_strv_add(&in->specs, name);
	return r;
}

/* Nodes are moved together, but one whose OSDs are already being removed cannot go back to the first window with the others. */
static int check_mixture(const struct cn_run *run, const struct cn_intake *in, struct cn_error *err)
{
	const struct cn_journal *late = NULL;
	bool early = in->specs.n > 0, methods = false;

	for (size_t i = 0; i < run->n; i++) {
		const struct cn_journal *j = &run->drains[i].journal;

		if (j->phase >= CN_PHASE_OUT)
			late = j;
		else
			early = true;
		methods |= j->method_out != run->drains[0].journal.method_out;
	}
	if (methods)
		return cn_error_set(err, CN_REFUSED, EBUSY,
				    "the drains were begun with different methods: finish each by itself");
	if (!late || !early)
		return 0;
	cn_error_set(err, CN_REFUSED, EBUSY, "%s is about to be removed (%s)", late->node, cn_phase_name(late->phase));
	cn_error_hint(err, "finish it by itself first: cephnode drain %s", late->node);
	return -EBUSY;
}

/* "existing" is what stood when the drain began, also for who resumes it: what came since counts. */
int cn_intake_accept(struct cn_run *run, struct cn_error *err)
{
	const struct cn_strv *accept = &run->ctx->options->accept;
	_cleanup_(cn_health_release) struct cn_health h = {};
	bool existing = cn_strv_has(accept, "existing");
	int r = 0;

	for (size_t i = 0; i < accept->n; i++)
		cn_strv_add(&run->accept, accept->v[i]);
	for (size_t i = 0; i < run->n && existing; i++)
		for (size_t k = 0; k < run->drains[i].journal.accepted.n; k++)
			cn_strv_add(&run->accept, run->drains[i].journal.accepted.v[k]);
	if (existing && run->n == 0)
		r = cn_health_get(run->c, &h, err);
	for (size_t i = 0; i < h.n_checks; i++)
		cn_strv_add(&run->accept, h.checks[i].code);
	return r;
}

/* A weight that another hand has given back since: PGs have come to the OSD, so the drain begins anew, with hold and forecast. */
static int check_given_back(struct cn_run *run, struct cn_intake *in, struct cn_error *err)
{
	int r;

	if (run->n == 0 || !run->weights_zero || cn_run_phase(run) >= CN_PHASE_OUT)
		return 0;
	r = cn_check_weights(run, err);
	if (r != -EREMCHG)
		return r;
	cn_run_warning(run, "%s; moving it away again", err->message);
	cn_error_release(err);
	for (size_t i = 0; i < run->n; i++)
		if (!cn_strv_has(&in->specs, run->drains[i].journal.spec))
			cn_strv_add(&in->specs, run->drains[i].journal.spec);
	run->weights_zero = false;
	return 0;
}

static void take_over(struct cn_run *run)
{
	for (size_t i = 0; i < run->n; i++) {
		const struct cn_journal *j = &run->drains[i].journal;

		run->method_out = j->method_out;
		run->bytes_total += j->bytes_total;
		run->bytes_left += j->bytes_left;
	}
	run->weights_zero = run->n && cn_run_phase(run) >= CN_PHASE_WAIT && !run->method_out;
}

int cn_intake_sort(struct cn_run *run, const char *const *names, size_t n, struct cn_intake *in, struct cn_error *err)
{
	int r = cn_journals_load(run->c, &run->others, err);

	for (size_t i = 0; i < n && r == 0; i++) {
		struct cn_journal *named = NULL;

		for (size_t k = 0; k < run->others.n; k++)
			if (!cn_journal_is_tombstone(&run->others.v[k]) && cn_journal_is_named(&run->others.v[k], names[i]))
				named = &run->others.v[k];
		r = named ? resume(run, named, in, err) : sort_fresh(run, names[i], in, err);
	}
	if (r == 0)
		r = check_mixture(run, in, err);
	if (r == 0)
		r = cn_intake_accept(run, err);
	if (r == 0) {
		take_over(run);
		r = check_given_back(run, in, err);
	}
	return r;
}

static int plan_once(struct cn_run *run, struct cn_intake *in, struct cn_error *err)
{
	_cleanup_(cn_journals_release) struct cn_journals now = {};
	int r;

	cn_inventory_release(&in->inv);
	cn_plan_release(&in->plan);
	r = cn_inventory_discover(run->c, run->ctx->kube, (const char *const *)in->specs.v, in->specs.n, true, &in->inv, err);
	if (r == 0) /* read last: another drain may have begun a moment ago, and what it explains must not be held against us */
		r = cn_journals_load(run->c, &now, err);
	if (r == 0)
		r = cn_plan_make(run->c, &in->inv, &run->accept, run->ctx->options, &now, &in->plan, err);
	if (r == 0 && run->n == 0)
		cn_plan_note_own(run->c, &in->inv, &now, &in->plan);
	return r;
}

/* A driver that was asked for and cannot do it is a refusal like others: the plan shows it. */
static int choose_stop(struct cn_run *run, struct cn_intake *in, struct cn_error *err)
{
	_cleanup_error_ struct cn_error e = {};
	int r = cn_stop_choose(run, &in->inv.osdmap, &in->inv.crush, &in->plan.osds, &e);

	if (r < 0 && e.code != CN_REFUSED)
		cn_error_move(err, &e);
	else if (r < 0) {
		cn_plan_refuse(&in->plan, e.hint, "%s", e.message);
		r = 0;
	}
	return r;
}

int cn_intake_plan(struct cn_run *run, struct cn_intake *in, bool tell, struct cn_error *err)
{
	int64_t end = cn_clock_boot_ms(run->clock) + PASSING_MS;
	bool passing;
	int r;

	if (in->specs.n == 0)
		return 0;
	for (;;) {
		r = plan_once(run, in, err);
		if (r < 0)
			return r;
		passing = in->plan.refusals.n && in->plan.n_passing == in->plan.refusals.n;
		if (!passing || cn_clock_boot_ms(run->clock) >= end)
			break;
		r = cn_timeout_check(run, in->plan.refusals.v[0], err);
		if (r < 0)
			return r;
		if (cn_pause(run, 1000, 0) < 0)
			return cn_error_interrupted(err);
	}
	if (tell && !run->keep) {
		r = choose_stop(run, in, err);
		if (r < 0)
			return r;
	}
	if (tell) {
		json_t *plan = cn_plan_json(&in->plan);

		for (size_t i = 0; i < in->plan.osds.n; i++)
			cn_ids_add(&in->told, in->plan.osds.v[i]);
		cn_speed_tell(run, plan);
		cn_stop_tell(run, plan);
		cn_emit(run, "plan", plan);
		for (size_t i = 0; i < in->plan.warnings.n; i++)
			cn_run_warning(run, "%s", in->plan.warnings.v[i]);
	}
	for (size_t i = 0; i < in->plan.osds.n && !tell; i++)
		if (!cn_ids_has(&in->told, in->plan.osds.v[i])) /* who agreed to the plan did not agree to this one */
			return cn_error_set(err, CN_REFUSED, EREMCHG, "osd.%d has appeared on the node since the plan was shown",
					    in->plan.osds.v[i]);
	return cn_plan_verdict(&in->plan, err);
}

static json_t *record_weight_sets(const struct cn_inventory *inv, const struct cn_journal *j)
{
	_cleanup_(cn_ids_release) struct cn_ids osds = {};

	for (size_t k = 0; k < j->n_osds; k++)
		cn_ids_add(&osds, j->osds[k].id);
	return cn_weight_sets_record(&inv->crush, &inv->osdmap, &osds);
}

/* A drain that was begun before and goes through the first window (again): PGs that have come to its OSDs since are watched too,
 * and what was recorded stays. Before its first change all of it is recorded anew. */
static void refresh(struct cn_run *run, struct cn_drain *d, const struct cn_inventory *inv, const struct cn_node *node)
{
	struct cn_journal *old = &d->journal, now;
	bool anew = old->phase < CN_PHASE_HOLD;
	size_t n, base;
	struct cn_journal_pg *pgs = cn_journal_pgs_now(old, &inv->osdmap, &n);

	cn_journal_init(&now, inv, node, old->spec, run->clock);
	if (anew) {
		memcpy(now.id, old->id, sizeof(now.id));
		now.generation = old->generation;
		now.loaded = old->loaded;
		now.had_parts = old->had_parts;
		now.started_ms = old->started_ms;
		now.method_out = old->method_out;
		now.weight_sets = record_weight_sets(inv, &now);
		cn_strv_release(&now.accepted);
		now.accepted = old->accepted;
		old->accepted = (struct cn_strv){};
		cn_owner_release(&now.owner);
		now.owner = old->owner;
		old->owner = (struct cn_owner){};
		n = 0;
	}
	base = now.n_pgs;
	now.pgs = cn_realloc(now.pgs, base + n, sizeof(*now.pgs));
	for (size_t i = 0; i < n; i++)
		if (!base || !bsearch(&pgs[i].id, now.pgs, base, sizeof(*now.pgs), cn_pgid_cmp))
			now.pgs[now.n_pgs++] = pgs[i];
	if (now.n_pgs)
		qsort(now.pgs, now.n_pgs, sizeof(*now.pgs), cn_pgid_cmp);
	free(pgs);
	if (anew) {
		cn_replace_journal(old, &now);
		return;
	}
	free(old->pgs);
	free(old->pools);
	old->pgs = TAKE_PTR(now.pgs);
	old->n_pgs = now.n_pgs;
	old->pools = TAKE_PTR(now.pools);
	old->n_pools = now.n_pools;
	old->bytes_total = MAX(old->bytes_total, now.bytes_total);
	old->bytes_left = old->bytes_total; /* what came back is to move again; what has moved is seen when it is measured */
	now.n_pgs = now.n_pools = 0;
	cn_journal_release(&now);
}

/* The manager's statistics may be older than the last change of the map: a PG that they do not show on the node, and the map
 * does, is watched and proved as well. */
static void record_held(const struct cn_plan *plan, struct cn_journal *j)
{
	for (size_t i = 0; i < plan->n_held; i++)
		if (cn_journal_osd(j, plan->held[i].osd))
			cn_journal_add_pg(j, plan->held[i].id, plan->held[i].osd);
}

void cn_intake_begin(struct cn_run *run, struct cn_intake *in)
{
	run->bytes_total = 0;
	for (size_t i = 0; i < in->inv.n_nodes; i++) {
		struct cn_drain *d = drain_of_spec(run, in->specs.v[i]);
		struct cn_journal *j;

		if (d) {
			refresh(run, d, &in->inv, &in->inv.nodes[i]);
			continue;
		}
		j = add_drain(run);
		cn_journal_init(j, &in->inv, &in->inv.nodes[i], in->specs.v[i], run->clock);
		j->weight_sets = record_weight_sets(&in->inv, j);
		j->method_out = run->method_out;
		for (size_t k = 0; k < run->accept.n; k++)
			cn_strv_add(&j->accepted, run->accept.v[k]);
	}
	for (size_t i = 0; i < run->n; i++)
		record_held(&in->plan, &run->drains[i].journal);
	for (size_t i = 0; i < run->n; i++)
		run->bytes_total += run->drains[i].journal.bytes_total;
	run->bytes_left = run->bytes_total;
}

static int explain_owned(const struct cn_journal *j, struct cn_error *err)
{
	cn_error_release(err);
	cn_error_set(err, CN_REFUSED, EBUSY, "%s is being drained by cephnode pid %" PRId64 " on %s (%s)", j->node, j->owner.pid,
		     j->owner.host, cn_phase_name(j->phase));
	cn_error_hint(err, "watch it: cephnode status --watch; undo it: cephnode cancel %s", j->node);
	return -EBUSY;
}

int cn_intake_own(struct cn_run *run, struct cn_error *err)
{
	/* An owner on another machine that died holds its lease for 30 s more; one on this machine is known to be dead at once.
	 */
	int64_t wait_ms = MIN(run->ctx->options->lock_wait_s, (int64_t)CN_LEASE_S + 5) * 1000;

	for (size_t i = 0; i < run->n; i++) {
		struct cn_journal *j = &run->drains[i].journal;
		_cleanup_free_ char *name = cn_asprintf("drain.%s", j->id);
		_cleanup_(cn_owner_release) struct cn_owner self = {};
		bool here;
		int r = 0;

		if (run->drains[i].own)
			continue;
		if (!run->pool)
			r = cn_lease_pool(run->c, run->ctx->options->lock_pool, &run->pool, err);
		if (r < 0)
			return r;
		cn_owner_self(&self);
		here = j->owner.boot_id && j->owner.pid_ns && strcmp(self.boot_id, j->owner.boot_id) == 0 &&
		       strcmp(self.pid_ns, j->owner.pid_ns) == 0;
		r = cn_lease_take(run->c, run->clock, run->pool, name, &j->owner, here ? 0 : cn_wait_ms(run, wait_ms), NULL, NULL,
				  &run->drains[i].own, err);
		if (r == -EBUSY) {
			_cleanup_free_ char *what = NULL;

			explain_owned(j, err);
			what = cn_strdup(err->message);
			return !here && cn_timeout_check(run, what, err) < 0 ? -ETIMEDOUT : r;
		}
		if (r < 0)
			return r;
		cn_owner_release(&j->owner);
		cn_owner_self(&j->owner);
		j->owner.instance = run->c->ops->instance_id(run->c);
	}
	return 0;
}

void cn_intake_release(struct cn_intake *in)
{
	cn_strv_release(&in->specs);
	cn_inventory_release(&in->inv);
	cn_plan_release(&in->plan);
	cn_ids_release(&in->told);
}
