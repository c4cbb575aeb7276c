/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The exact undo: weights to the last bit of 16.16, reweights, flags. What another hand has changed since is left alone and said.
 */
#include <errno.h>
#include <string.h>

#include "cephnode/base/parallel.h"
#include "run.h"

struct restore_job {
	struct cn_run *run;
	struct cn_ids osds;
	bool crush; /* else reweight */
	struct cn_error *errors;
};

static void restore_one(void *arg, size_t i)
{
	struct restore_job *job = arg;
	const struct cn_journal_osd *rec = cn_run_osd(job->run, job->osds.v[i]);

	if (cn_may_change(job->run, &job->errors[i]) < 0)
		return;
	if (job->crush)
		cn_crush_reweight(job->run->c, rec->id, rec->crush_weight, &job->errors[i]);
	else
		cn_osd_reweight(job->run->c, rec->id, rec->reweight, &job->errors[i]);
}

static int restore_all(struct restore_job *job, struct cn_error *err)
{
	int r = 0;

	if (job->osds.n == 0)
		return 0;
	job->errors = cn_calloc(job->osds.n, sizeof(*job->errors));
	cn_parallel(job->osds.n, CN_THREADS, restore_one, job);
	for (size_t i = 0; i < job->osds.n; i++) {
		if (job->errors[i].errnum && r == 0) {
			r = -job->errors[i].errnum;
			cn_error_move(err, &job->errors[i]);
		}
		cn_error_release(&job->errors[i]);
	}
	free(job->errors);
	return r;
}

static int read_now(struct cn_run *run, struct cn_osdmap *m, struct cn_crush *crush, struct cn_ids *osds, struct cn_error *err)
{
	int r = cn_osdmap_get(run->c, m, err);

	if (r == 0)
		r = cn_crush_get(run->c, crush, err);
	if (r == 0)
		cn_run_osds(run, m, osds);
	return r;
}

/* Weights that are still the 0 that we set, and what is neither 0 nor the old weight. */
static void sort_weights(struct cn_run *run, const struct cn_crush *crush, const struct cn_ids *osds, struct cn_ids *ret_ours,
			 struct cn_strv *ret_foreign)
{
	for (size_t i = 0; i < osds->n; i++) {
		const struct cn_journal_osd *rec = cn_run_osd(run, osds->v[i]);
		bool in_tree = false;
		uint32_t now = cn_crush_weight(crush, rec->id, &in_tree);

		if (!rec->in_tree || !in_tree || now == rec->crush_weight)
			continue;
		if (now == 0)
			cn_ids_add(ret_ours, rec->id);
		else
			cn_strv_addf(ret_foreign,
				     "osd.%d: another hand set its CRUSH weight to %.5f (before the drain it was %.5f)", rec->id,
				     now / (double)CN_WEIGHT_ONE, rec->crush_weight / (double)CN_WEIGHT_ONE);
	}
}

static void only_pending(struct cn_run *run, struct cn_ids *osds)
{
	struct cn_ids kept = {};

	for (size_t i = 0; i < osds->n; i++)
		if (cn_run_osd(run, osds->v[i])->pending)
			cn_ids_add(&kept, osds->v[i]);
	cn_ids_release(osds);
	*osds = kept;
}

int cn_restore_weights(struct cn_run *run, bool pending_only, struct cn_strv *ret_foreign, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	_cleanup_(cn_crush_release) struct cn_crush crush = {}, after = {};
	_cleanup_(cn_ids_release) struct cn_ids osds = {}, left = {};
	_cleanup_(cn_strv_release) struct cn_strv ignored = {};
	struct restore_job job = {.run = run, .crush = true};
	int r = read_now(run, &m, &crush, &osds, err);

	if (r < 0)
		return r;
	if (pending_only)
		only_pending(run, &osds);
	sort_weights(run, &crush, &osds, &job.osds, ret_foreign);
	r = restore_all(&job, err);
	for (size_t i = 0; i < run->n && r == 0; i++)
		r = cn_weight_sets_restore(run->c, run->drains[i].journal.weight_sets, &osds, err);
	if (r == 0)
		r = cn_crush_get(run->c, &after, err);
	if (r == 0) {
		sort_weights(run, &after, &job.osds, &left, &ignored);
		if (left.n || ignored.n)
			r = cn_error_set(err, CN_FAILED, EREMCHG,
					 "the CRUSH weight of osd.%d is not back although the mon took the command",
					 job.osds.v[0]);
	}
	cn_ids_release(&job.osds);
	return r;
}

int cn_restore_reweights(struct cn_run *run, struct cn_strv *ret_foreign, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {}, after = {};
	_cleanup_(cn_crush_release) struct cn_crush crush = {};
	_cleanup_(cn_ids_release) struct cn_ids osds = {};
	struct restore_job job = {.run = run};
	int r = read_now(run, &m, &crush, &osds, err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < osds.n; i++) {
		const struct cn_journal_osd *rec = cn_run_osd(run, osds.v[i]);
		uint32_t now = cn_osdmap_osd(&m, rec->id)->reweight;

		if (now == rec->reweight)
			continue;
		if (now == 0)
			cn_ids_add(&job.osds, rec->id);
		else
			cn_strv_addf(ret_foreign, "osd.%d: another hand set its reweight to %.5f (before the drain it was %.5f)",
				     rec->id, now / (double)CN_WEIGHT_ONE, rec->reweight / (double)CN_WEIGHT_ONE);
	}
	r = restore_all(&job, err);
	if (r == 0)
		r = cn_osdmap_get(run->c, &after, err);
	for (size_t i = 0; i < job.osds.n && r == 0; i++) {
		const struct cn_osd *o = cn_osdmap_osd(&after, job.osds.v[i]);

		if (o && o->reweight != cn_run_osd(run, o->id)->reweight)
			r = cn_error_set(err, CN_FAILED, EREMCHG,
					 "the reweight of osd.%d is not back although the mon took the command", o->id);
	}
	cn_ids_release(&job.osds);
	return r;
}
