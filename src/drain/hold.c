/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first window: hold, reweight, (forecast and pin: foresee_step.c), release. Nothing moves until the new mapping has been
 * read and found good. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cephnode/base/parallel.h"
#include "cephnode/drain/guard.h"
#include "run.h"

/* nobackfill and norebalance do not hold young PGs, which move by log recovery; norecover does. */
static const char *const hold_flags[] = {"norecover", "nobackfill", "norebalance"};

struct flag_job {
	struct cn_run *run;
	const struct cn_strv *flags;
	bool set;
	struct cn_error errors[ARRAY_SIZE(hold_flags)];
};

static void one_flag(void *arg, size_t i)
{
	struct flag_job *job = arg;

	if (job->set)
		cn_osd_set(job->run->c, job->flags->v[i], &job->errors[i]);
	else
		cn_osd_unset(job->run->c, job->flags->v[i], &job->errors[i]);
}

/* All at once: they share one epoch. Then read back. */
static int change_flags(struct cn_run *run, const struct cn_strv *flags, bool set, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	struct flag_job job = {.run = run, .flags = flags, .set = set};
	int r = 0;

	cn_parallel(MIN(flags->n, ARRAY_SIZE(job.errors)), ARRAY_SIZE(hold_flags), one_flag, &job);
	for (size_t i = 0; i < ARRAY_SIZE(job.errors); i++)
		if (job.errors[i].errnum) {
			r = -job.errors[i].errnum;
			cn_error_move(err, &job.errors[i]);
		}
	if (r == 0)
		r = cn_osdmap_get(run->c, &m, err);
	for (size_t i = 0; i < flags->n && r == 0; i++)
		if (cn_strv_has(&m.flags, flags->v[i]) != set)
			r = cn_error_set(err, CN_FAILED, EREMCHG, "the flag %s is %s although the mon took the command",
					 flags->v[i], set ? "not set" : "still set");
	return r;
}

int cn_step_hold(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	_cleanup_(cn_strv_release) struct cn_strv flags = {};
	_cleanup_free_ char *mark = cn_asprintf(CN_GUARD_PREFIX "%s", run->drains[0].journal.id);
	int r;

	cn_step_begin(run, "hold");
	r = cn_osdmap_get(run->c, &m, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(hold_flags); i++)
		if (!cn_strv_has(&m.flags, hold_flags[i]))
			cn_strv_add(&flags, hold_flags[i]);
	for (size_t k = 0; k < flags.n; k++) /* one journal knows them: they are put back once */
		cn_strv_add(&run->drains[0].journal.flags_set, flags.v[k]);
	r = cn_save_all(run, CN_PHASE_HOLD, err);
	if (r == 0 && flags.n)
		r = cn_guard_arm(run->ctx->guard, run->drains[0].journal.id, &flags, err);
	run->armed = r == 0 && flags.n;
	if (r == 0)
		r = cn_config_key_rm(run->c, mark,
				     err); /* of an earlier hold, should it have stayed: it does not speak of this one */
	if (r == 0)
		r = cn_may_change(run, err);
	if (r == 0 && flags.n)
		r = change_flags(run, &flags, true, err);
	if (r < 0)
		return cn_error_wrap(err, "cannot hold recovery");
	cn_step_end(run, "hold", json_pack("{so}", "flags_set", cn_json_strv(&flags)));
	return 0;
}

struct weight_job {
	struct cn_run *run;
	struct cn_ids osds;
	struct cn_strv subtrees;
	struct cn_error *errors;
};

static void one_weight(void *arg, size_t i)
{
	struct weight_job *job = arg;

	if (cn_may_change(job->run, &job->errors[i]) < 0)
		return;
	if (i < job->subtrees.n)
		cn_crush_reweight_subtree(job->run->c, job->subtrees.v[i], 0, &job->errors[i]);
	else
		cn_crush_reweight(job->run->c, job->osds.v[i - job->subtrees.n], 0, &job->errors[i]);
}

/* Every OSD below the bucket goes: then one command does the whole host in one epoch. */
static bool whole_bucket_goes(const struct cn_crush *crush, const struct cn_bucket *b, const struct cn_ids *osds)
{
	_cleanup_(cn_ids_release) struct cn_ids below = {};

	cn_crush_osds_below(crush, b->id, &below);
	for (size_t i = 0; i < below.n; i++)
		if (!cn_ids_has(osds, below.v[i]))
			return false;
	return below.n > 1;
}

static void sort_out(const struct cn_crush *crush, const struct cn_ids *osds, struct weight_job *job)
{
	for (size_t i = 0; i < osds->n; i++) {
		const struct cn_bucket *host = cn_crush_host(crush, osds->v[i]);

		if (cn_crush_weight(crush, osds->v[i], NULL) == 0)
			continue;
		if (!host || !whole_bucket_goes(crush, host, osds))
			cn_ids_add(&job->osds, osds->v[i]);
		else if (!cn_strv_has(&job->subtrees, host->name))
			cn_strv_add(&job->subtrees, host->name);
	}
}

static int send_weights(struct weight_job *job, struct cn_error *err)
{
	size_t n = job->subtrees.n + job->osds.n;
	int r = 0;

	if (n == 0)
		return 0;
	job->errors = cn_calloc(n, sizeof(*job->errors));
	cn_parallel(n, CN_THREADS, one_weight, job);
	for (size_t i = 0; i < n; i++) {
		if (job->errors[i].errnum && r == 0) {
			r = -job->errors[i].errnum;
			cn_error_move(err, &job->errors[i]);
		}
		cn_error_release(&job->errors[i]);
	}
	free(job->errors);
	return r;
}

/* A journal of an earlier run knows the weights from before; what is neither that nor 0 came from another hand since. The
 * operator has asked again to drain, so that weight is the one to go back to: written down before it is changed. */
static void take_in_weights(struct cn_run *run, const struct cn_crush *crush, const struct cn_ids *osds)
{
	for (size_t i = 0; i < run->n; i++)
		for (size_t k = 0; k < run->drains[i].journal.n_osds; k++) {
			struct cn_journal_osd *rec = &run->drains[i].journal.osds[k];
			uint32_t now = cn_crush_weight(crush, rec->id, NULL);

			if (now == 0 || !cn_ids_has(osds, rec->id))
				continue;
			rec->pending = true;
			if (now == rec->crush_weight)
				continue;
			cn_run_warning(run, "osd.%d: another hand set its CRUSH weight to %.5f; cancel will go back to that",
				       rec->id, now / (double)CN_WEIGHT_ONE);
			rec->crush_weight = now;
		}
}

/* What the forecast compares with, and the upmap entries that the mon cancels at weight 0. After a crash in the middle of this
 * window the map from before the change is the recorded one. */
void cn_take_in_mapping(struct cn_run *run, const struct cn_osdmap *m, const struct cn_ids *osds)
{
	for (size_t i = 0; i < run->n; i++) {
		struct cn_journal *j = &run->drains[i].journal;

		if (j->before_epoch == 0 || j->released)
			j->before_epoch = m->epoch;
		else
			run->taken_up = true;
	}
	cn_upmaps_record(run, m, osds);
}

static int verify_weights(struct cn_run *run, const struct cn_ids *osds, struct cn_error *err)
{
	_cleanup_(cn_crush_release) struct cn_crush crush = {};
	int r = cn_crush_get(run->c, &crush, err);

	for (size_t i = 0; i < osds->n && r == 0; i++)
		if (cn_crush_weight(&crush, osds->v[i], NULL) != 0)
			r = cn_error_set(err, CN_FAILED, EREMCHG,
					 "the CRUSH weight of osd.%d is not 0 although the mon took the command", osds->v[i]);
	return r;
}

int cn_step_reweight(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap before = {}, after = {};
	_cleanup_(cn_crush_release) struct cn_crush crush = {};
	_cleanup_(cn_ids_release) struct cn_ids osds = {};
	struct weight_job job = {.run = run};
	bool changed = false;
	int r;

	cn_step_begin(run, "reweight");
	r = cn_osdmap_get(run->c, &before, err);
	if (r == 0)
		r = cn_crush_get(run->c, &crush, err);
	if (r == 0) {
		cn_run_osds(run, &before, &osds);
		take_in_weights(run, &crush, &osds);
		cn_take_in_mapping(run, &before, &osds);
		r = cn_save_all(run, CN_PHASE_REWEIGHT, err);
		cn_crush_release(&crush);
	}
	if (r == 0) /* anew: an OSD may have been created below the host meanwhile, and must not be taken along */
		r = cn_crush_get(run->c, &crush, err);
	if (r == 0) {
		sort_out(&crush, &osds, &job);
		changed = job.osds.n || job.subtrees.n;
		r = send_weights(&job, err);
	}
	if (r == 0)
		r = verify_weights(run, &osds, err);
	if (r == 0)
		r = cn_upmaps_note_cancelled(run, err);
	if (r == 0)
		r = cn_osdmap_get(run->c, &after, err);
	/* Repeated after a crash it changes nothing: the epoch of the change stays, for an idle OSD may not hear of later ones
	 * for long. */
	for (size_t i = 0; i < run->n && r == 0; i++)
		if (changed || run->drains[i].journal.change_epoch == 0)
			run->drains[i].journal.change_epoch = changed ? after.epoch : before.epoch;
	run->weights_zero = r == 0;
	cn_strv_release(&job.subtrees);
	cn_ids_release(&job.osds);
	if (r < 0)
		return cn_error_wrap(err, "cannot set the CRUSH weights to 0");
	cn_step_end(run, "reweight",
		    json_pack("{so,sI,sI}", "osds", cn_json_ids(&osds), "epoch", (json_int_t)after.epoch, "epochs",
			      (json_int_t)(after.epoch - before.epoch)));
	return 0;
}

int cn_release_flags(struct cn_run *run, struct cn_error *err)
{
	const struct cn_strv *flags = &run->drains[0].journal.flags_set;
	int r = 0;

	if (flags->n)
		r = change_flags(run, flags, false, err);
	if (r == 0 && run->armed) {
		cn_guard_disarm(run->ctx->guard);
		run->armed = false;
	}
	return r;
}

int cn_step_release(struct cn_run *run, struct cn_error *err)
{
	int r;

	cn_step_begin(run, "release");
	r = cn_save_all(run, CN_PHASE_RELEASE, err);
	if (r == 0)
		r = cn_may_change(run, err);
	if (r == 0)
		r = cn_release_flags(run, err);
	if (r == 0)
		cn_strv_release(&run->drains[0].journal.flags_set);
	if (r == 0)
		r = cn_save_all(run, CN_PHASE_WAIT, err);
	if (r == 0)
		r = cn_speed_apply(run, err);
	if (r < 0)
		return cn_error_wrap(err, "cannot let recovery go on");
	cn_step_end(run, "release", cn_speed_fields(run));
	return 0;
}

int cn_undo_hold(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv foreign = {};
	_cleanup_json_ json_t *seen = NULL;
	int r = cn_upmaps_note_cancelled(run, err);

	if (r == 0)
		r = cn_upmaps_read(run, &seen, err);
	if (r == 0)
		r = cn_restore_weights(run, true, &foreign, err);
	if (r == 0)
		r = cn_upmaps_restore(run, seen, true, &foreign, err);
	for (size_t i = 0; i < foreign.n; i++)
		cn_run_warning(run, "not undone: %s", foreign.v[i]);
	run->not_undone = foreign.n != 0;
	if (r == 0)
		r = cn_may_change(run, err);
	if (r == 0)
		r = cn_release_flags(run, err);
	if (r == 0)
		cn_strv_release(&run->drains[0].journal.flags_set);
	if (r == 0)
		r = cn_speed_restore(run, err);
	for (size_t i = 0; i < run->n && r == 0; i++) {
		struct cn_journal *j = &run->drains[i].journal;

		if (!j->released) {
			r = cn_journal_erase(run->c, j, err);
		} else { /* it was under way before, and still is */
			j->phase = CN_PHASE_WAIT;
			for (size_t k = 0; k < j->n_osds; k++)
				j->osds[k].pending = false;
			r = cn_journal_save(run->c, j, run->clock, err);
		}
	}
	return r;
}
