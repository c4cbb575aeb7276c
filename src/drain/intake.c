/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "intake.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PASSING_MS 15000 /* PGs that peer, as behind another drain's begin, need statistics of two rounds to be seen active again */

static bool in_run(const struct cn_run *run, const char *id)
{
	for (size_t i = 0; i < run->n; i++)
		if (strcmp(run->drains[i].journal.id, id) == 0)
			return true;
	return false;
}

static struct cn_journal *add_drain(struct cn_run *run)
{
	run->drains = cn_realloc(run->drains, run->n + 1, sizeof(*run->drains));
	run->drains[run->n] = (struct cn_drain){};
	return &run->drains[run->n++].journal;
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

/* A node that cephnode removed and that is not there any more: nothing left to do. */
static bool is_gone(struct cn_run *run, const char *name, const struct cn_journal *tombstone)
{
	const char *names[] = {name};
	_cleanup_(cn_inventory_release) struct cn_inventory inv = {};
	struct cn_error err = {};
	bool gone = false;

	if (tombstone && tombstone->phase == CN_PHASE_DONE)
		gone = cn_inventory_discover(run->c, names, 1, false, &inv, &err) == -ENOENT && err.code == CN_NOT_FOUND;
	cn_error_release(&err);
	return gone;
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

static bool has_spec(const struct cn_run *run, const char *spec)
{
	for (size_t i = 0; i < run->n; i++)
		if (strcmp(run->drains[i].journal.spec, spec) == 0)
			return true;
	return false;
}

/* New names, by what stands there now. */
static int sort_fresh(struct cn_run *run, const struct cn_strv *fresh, struct cn_intake *in, struct cn_error *err)
{
	_cleanup_(cn_inventory_release) struct cn_inventory inv = {};
	int r;

	if (fresh->n == 0)
		return 0;
	r = cn_inventory_discover(run->c, (const char *const *)fresh->v, fresh->n, false, &inv, err);
	for (size_t i = 0; i < inv.n_nodes && r == 0; i++) {
		struct cn_journal *j;

		r = match_by_osds(run, &inv, &inv.nodes[i], &j, err);
		if (r == 0 && j)
			r = resume(run, j, in, err);
		else if (r == 0)
			cn_strv_add(&in->specs, fresh->v[i]);
	}
	return r;
}

/* Nodes are moved together, but one whose OSDs are already being removed cannot go back to the first window with the others. */
static int check_mixture(const struct cn_run *run, const struct cn_intake *in, struct cn_error *err)
{
	for (size_t i = 0; i < run->n; i++) {
		const struct cn_journal *j = &run->drains[i].journal;

		if (j->phase < CN_PHASE_OUT || (run->n == 1 && in->specs.n == 0))
			continue;
		cn_error_set(err, CN_REFUSED, EBUSY, "%s is about to be removed (%s)", j->node, cn_phase_name(j->phase));
		cn_error_hint(err, "finish it by itself first: cephnode drain %s", j->node);
		return -EBUSY;
	}
	return 0;
}

static int resolve_accept(struct cn_run *run, struct cn_error *err)
{
	const struct cn_strv *accept = &run->ctx->options->accept;
	_cleanup_(cn_health_release) struct cn_health h = {};
	int r = 0;

	for (size_t i = 0; i < accept->n; i++)
		cn_strv_add(&run->accept, accept->v[i]);
	if (cn_strv_has(accept, "existing"))
		r = cn_health_get(run->c, &h, err);
	for (size_t i = 0; i < h.n_checks; i++)
		cn_strv_add(&run->accept, h.checks[i].code);
	return r;
}

int cn_intake_sort(struct cn_run *run, const char *const *names, size_t n, struct cn_intake *in, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv fresh = {};
	int r = cn_journals_load(run->c, &run->others, err);

	if (r == 0)
		r = resolve_accept(run, err);
	for (size_t i = 0; i < n && r == 0; i++) {
		const struct cn_journal *j = cn_call_match(&run->others, names[i]);

		if (j && !cn_journal_is_tombstone(j))
			r = resume(run, j, in, err);
		else if (is_gone(run, names[i], j))
			in->already_removed++;
		else
			cn_strv_add(&fresh, names[i]);
	}
	if (r == 0)
		r = sort_fresh(run, &fresh, in, err);
	if (r == 0)
		r = check_mixture(run, in, err);
	for (size_t i = 0; i < run->n && r == 0; i++) {
		const struct cn_journal *j = &run->drains[i].journal;

		run->method_out = j->method_out;
		run->bytes_total += j->bytes_total;
		run->bytes_left = run->bytes_total;
		if (j->phase >= CN_PHASE_WAIT && !j->method_out)
			run->weights_zero = true;
	}
	return r;
}

static int plan_once(struct cn_run *run, struct cn_intake *in, struct cn_error *err)
{
	int r;

	cn_inventory_release(&in->inv);
	cn_plan_release(&in->plan);
	r = cn_inventory_discover(run->c, (const char *const *)in->specs.v, in->specs.n, true, &in->inv, err);
	return r < 0 ? r : cn_plan_make(run->c, &in->inv, run->ctx->options, &run->others, &in->plan, err);
}

int cn_intake_plan(struct cn_run *run, struct cn_intake *in, bool tell, struct cn_error *err)
{
	int64_t end = cn_clock_boot_ms(run->clock) + PASSING_MS;
	int r;

	if (in->specs.n == 0)
		return 0;
	for (;;) {
		r = plan_once(run, in, err);
		if (r < 0)
			return r;
		if (in->plan.refusals.n == 0 || in->plan.n_passing < in->plan.refusals.n || cn_clock_boot_ms(run->clock) >= end)
			break;
		if (cn_clock_wait_ms(run->clock, 1000) < 0)
			return cn_error_interrupted(err);
	}
	in->planned = true;
	if (tell) {
		cn_emit(run, "plan", cn_plan_json(&in->plan));
		for (size_t i = 0; i < in->plan.warnings.n; i++)
			cn_run_warning(run, "%s", in->plan.warnings.v[i]);
	}
	return cn_plan_verdict(&in->plan, err);
}

void cn_intake_add_new(struct cn_run *run, struct cn_intake *in)
{
	for (size_t i = 0; i < in->inv.n_nodes; i++) {
		_cleanup_(cn_ids_release) struct cn_ids osds = {};
		struct cn_journal *j;

		if (has_spec(run, in->specs.v[i]))
			continue;
		j = add_drain(run);
		cn_journal_init(j, &in->inv, &in->inv.nodes[i], in->specs.v[i], run->clock);
		for (size_t k = 0; k < j->n_osds; k++)
			cn_ids_add(&osds, j->osds[k].id);
		j->weight_sets = cn_weight_sets_record(&in->inv.crush, &in->inv.osdmap, &osds);
		j->method_out = run->method_out;
		j->keep = run->keep;
		run->bytes_total += j->bytes_total;
		run->bytes_left = run->bytes_total;
	}
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
	/* An owner on another machine that died holds its lease for 30 s more; one on this machine is known to be dead at once. */
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
			r = cn_lease_pool(run->c, run->ctx->options->lock_pool, &run->pool, &run->pool_recorded, err);
		if (r < 0)
			return r;
		cn_owner_self(&self);
		here = j->owner.boot_id && strcmp(self.boot_id, j->owner.boot_id) == 0;
		r = cn_lease_take(run->c, run->clock, run->pool, name, &j->owner, here ? 0 : wait_ms, NULL, NULL, &run->drains[i].own, err);
		if (r == -ETIMEDOUT && err->code == CN_TIMEOUT)
			return explain_owned(j, err);
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
}
