/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order of a drain: two windows under the decision lock, and the long wait between them. */
#include "cephnode/drain/drain.h"

#include <errno.h>
#include <string.h>

#include "intake.h"

#define TRIES 3 /* of a window, when the lease ran out in the middle */

/* Why there is no such node (any more). */
static void tell_removed(struct cn_run *run, const char *const *names, size_t n, struct cn_error *err)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *at = NULL;
		struct cn_journal *j = NULL;

		if (cn_call_find(run, names[i], &j, NULL) < 0 || j->phase < CN_PHASE_OUT || j->phase >= CN_PHASE_CANCEL)
			continue;
		at = cn_time_format(j->updated_ms);
		free(err->hint); /* it looks for a slip in the name */
		err->hint = NULL;
		if (j->phase == CN_PHASE_DONE)
			cn_error_hint(err, "nothing is left to do: cephnode removed the OSDs of %s at %s", j->node, at);
		else
			cn_error_hint(err, "its drain is not done (%s): cephnode drain %s", cn_phase_name(j->phase), j->node);
		return;
	}
}

int cn_drain_plan(struct cn_drain_context *ctx, const char *const *names, size_t n, struct cn_error *err)
{
	struct cn_intake in = {};
	struct cn_run run;
	int r;

	cn_call_begin(&run, ctx, names, n);
	for (size_t i = 0; i < n; i++)
		cn_strv_add(&in.specs, names[i]);
	r = cn_intake_accept(&run, err);
	if (r == 0)
		r = cn_intake_plan(&run, &in, true, err);
	if (r < 0 && err->code == CN_NOT_FOUND)
		tell_removed(&run, names, n, err);
	cn_intake_release(&in);
	run.result_emitted = true; /* a plan has no result */
	return cn_call_end(&run, r, err, NULL);
}

/* Between our look and the lock another cephnode may have begun with the same node. */
static int check_overlap(struct cn_run *run, const struct cn_intake *in, struct cn_error *err)
{
	for (size_t i = 0; i < run->others.n; i++) {
		const struct cn_journal *j = &run->others.v[i];
		bool ours = cn_journal_is_tombstone(j);

		for (size_t k = 0; k < run->n; k++)
			ours |= strcmp(run->drains[k].journal.id, j->id) == 0;
		for (size_t k = 0; k < j->n_osds && !ours; k++) {
			const struct cn_osd *o = cn_osdmap_osd(&in->inv.osdmap, j->osds[k].id);

			if (o && strcmp(o->uuid, j->osds[k].uuid) == 0 && cn_ids_has(&in->plan.osds, o->id)) {
				cn_error_set(err, CN_REFUSED, EBUSY,
					     "osd.%d is being drained by cephnode pid %lld on %s (drain of %s, %s)",
					     j->osds[k].id, (long long)j->owner.pid, j->owner.host, j->node,
					     cn_phase_name(j->phase));
				cn_error_hint(err, "watch it: cephnode status --watch");
				return -EBUSY;
			}
		}
	}
	return 0;
}

static int check(struct cn_run *run, struct cn_intake *in, struct cn_error *err)
{
	int r;

	cn_step_begin(run, "check");
	r = cn_intake_plan(run, in, false, err);
	if (r == 0 && in->specs.n)
		r = cn_plan_ask_held(run->c, &in->inv.osdmap, &in->plan, err);
	if (r == 0)
		r = check_overlap(run, in, err);
	if (r == 0)
		cn_step_end(run, "check", json_pack("{si}", "pools", (int)in->plan.n_pools));
	return r;
}

static int lock(struct cn_run *run, struct cn_error *err)
{
	int r;

	cn_step_begin(run, "lock");
	r = cn_window_open(run, err);
	if (r == 0)
		cn_step_end(run, "lock", json_pack("{so}", "pool", cn_json_string(run->pool)));
	return r;
}

/* Hold to release, or for --method out its first change. */
static int first_changes(struct cn_run *run, struct cn_error *err)
{
	int r;

	if (run->method_out) {
		r = cn_step_out(run, err);
		if (r == 0)
			r = cn_upmaps_note_cancelled(run, err);
		if (r == 0)
			r = cn_save_all(run, CN_PHASE_WAIT, err);
		return r < 0 ? r : cn_speed_apply(run, err);
	}
	r = cn_step_hold(run, err);
	if (r == 0)
		r = cn_step_reweight(run, err);
	if (r == 0)
		r = cn_step_forecast(run, err);
	if (r == 0)
		r = cn_step_pin(run, err);
	if (r == 0)
		r = cn_step_release(run, err);
	return r;
}

/* What a window that ends badly leaves: after a refusal nothing, else at least no flags. Without the lease nothing may be touched
 * any more: then the guard, or the next cephnode, puts the flags back. */
static void clean_up(struct cn_run *run, struct cn_error *why)
{
	_cleanup_error_ struct cn_error err = {};
	int r = 0;

	run->finishing = true;
	if (why->code == CN_REFUSED && run->drains[0].journal.loaded) {
		r = cn_undo_hold(run, &err);
		if (r < 0) {
			cn_error_set(why, CN_FAILED, EIO, "the forecast refuses, and not everything could be taken back: %s",
				     err.message);
			cn_error_hint(why, "run: cephnode cancel %s", run->node);
		}
	} else if (run->drains[0].journal.flags_set.n && cn_may_change(run, NULL) == 0) {
		r = cn_release_flags(run, &err);
		if (r == 0) {
			cn_strv_release(&run->drains[0].journal.flags_set);
			r = cn_save_all(run, cn_run_phase(run), &err);
		}
		if (r < 0)
			cn_run_warning(run, "could not put the flags back: %s; the guard process goes on trying", err.message);
	}
	run->finishing = false;
}

/* A refusal leaves nothing behind, not even where the lock lives. */
static void forget_pool(struct cn_run *run)
{
	if (run->pool_recorded_by_us && run->decision && cn_lease_may_change(run->decision, NULL) == 0)
		cn_config_key_rm(run->c, CN_LOCK_KEY, NULL);
}

/* A journal that has recorded what was there before a change never goes back to `check`: from there it would be recorded anew. */
static int save_begin(struct cn_run *run, struct cn_error *err)
{
	int r = cn_may_change(run, err);

	for (size_t i = 0; i < run->n && r == 0; i++) {
		struct cn_journal *j = &run->drains[i].journal;

		j->phase = j->phase < CN_PHASE_HOLD ? CN_PHASE_CHECK : CN_PHASE_HOLD;
		cn_forget_error(j);
		r = cn_journal_save(run->c, j, run->clock, err);
	}
	return r;
}

/* Another cephnode has removed all of it while we waited for the lock: nothing is left to do. */
static bool removed_meanwhile(struct cn_run *run, const struct cn_intake *in)
{
	for (size_t i = 0; i < in->specs.n; i++) {
		struct cn_journal *j = NULL;

		if (cn_call_match(&run->others, in->specs.v[i], &j, NULL) < 0 || !j || j->phase != CN_PHASE_DONE)
			return false;
	}
	return run->n == 0;
}

static int first_window(struct cn_run *run, struct cn_intake *in, struct cn_error *err)
{
	int r = lock(run, err);

	if (r < 0)
		return r;
	r = cn_check_journals(run, err); /* a cancel may have come while the question stood */
	if (r == 0)
		r = check(run, in, err);
	if (r < 0 && err->code == CN_NOT_FOUND && removed_meanwhile(run, in)) {
		cn_error_release(err);
		cn_window_close(run);
		return 0;
	}
	if (r == 0) {
		cn_intake_begin(run, in);
		r = cn_intake_own(run, err);
	}
	if (r == 0)
		r = save_begin(run, err);
	if (r == 0) {
		run->plan = &in->plan;
		r = first_changes(run, err);
		if (r < 0)
			clean_up(run, err);
		run->plan = NULL;
		cn_foresight_release(&run->foresight);
	}
	if (r < 0 && err->code == CN_REFUSED && run->others.n == 0)
		forget_pool(run);
	cn_window_close(run);
	return r;
}

/* --method out: CRUSH weights to 0 once the data has moved. */
static int reweight_after_out(struct cn_run *run, struct cn_error *err)
{
	int r = cn_window_open(run, err);

	if (r < 0)
		return r;
	r = cn_gate(run, false, err);
	if (r == 0)
		r = cn_step_reweight(run, err);
	if (r == 0)
		r = cn_save_all(run, CN_PHASE_WAIT, err);
	cn_window_close(run);
	return r;
}

#define RATE_MS 5000 /* what moves in less says nothing of the cluster's speed */

/* The wait, and what the next plan will go by. */
static int timed_wait(struct cn_run *run, struct cn_error *err)
{
	int64_t start = cn_clock_boot_ms(run->clock), before = cn_run_bytes_moved(run), ms;
	int r = cn_step_wait(run, err);

	ms = cn_clock_boot_ms(run->clock) - start;
	for (size_t i = 0; i < run->n && r == 0 && ms >= RATE_MS; i++)
		run->drains[i].journal.rate = (cn_run_bytes_moved(run) - before) * 1000 / ms;
	return r;
}

static int wait_and_prove(struct cn_run *run, struct cn_error *err)
{
	enum cn_phase phase = cn_run_phase(run);
	int r = 0;

	if (phase < CN_PHASE_STOP) {
		r = timed_wait(run, err);
		if (r == 0 && run->method_out) {
			run->bytes_moved_before = cn_run_bytes_moved(run);
			run->bytes_left = run->bytes_total;
			for (size_t i = 0; i < run->n; i++)
				run->drains[i].journal.bytes_left = run->drains[i].journal.bytes_total;
			r = reweight_after_out(run, err);
			if (r == 0)
				r = timed_wait(run, err);
		}
	}
	return r < 0 ? r : cn_step_prove(run, phase < CN_PHASE_STOP, err);
}

static int remove_steps(struct cn_run *run, struct cn_error *err)
{
	int r = 0;

	if (cn_run_phase(run) < CN_PHASE_SWEEP) {
		if (!run->method_out && cn_run_phase(run) < CN_PHASE_STOP) /* once stopped, they are out */
			r = cn_step_out(run, err);
		if (r == 0)
			r = cn_step_stop(run, err);
		if (r == 0)
			r = cn_step_purge(run, err);
	}
	if (r == 0)
		r = cn_step_sweep(run, err);
	if (r == 0)
		r = cn_step_audit(run, err);
	if (r == 0)
		r = cn_stop_finish(run, err);
	if (r < 0)
		return r;
	cn_step_begin(run, "done");
	r = cn_save_all(run, CN_PHASE_DONE, err);
	if (r == 0)
		cn_step_end(run, "done", NULL);
	return r;
}

static int second_window(struct cn_run *run, struct cn_error *err)
{
	int r = cn_window_open(run, err);

	if (r < 0)
		return r;
	r = cn_gate(run, run->weights_zero, err);
	if (r == 0)
		r = cn_speed_restore(run, err);
	if (r == 0)
		r = run->keep ? cn_save_all(run, CN_PHASE_DRAINED, err) : remove_steps(run, err);
	cn_window_close(run);
	return r;
}

/* A drain that has passed `release` is taken over as it is. */
static int claim(struct cn_run *run, struct cn_intake *in _unused_, struct cn_error *err)
{
	int r = cn_window_open(run, err);

	if (r < 0)
		return r;
	r = cn_check_journals(run, err);
	for (size_t i = 0; i < run->n && r == 0; i++) { /* the new owner */
		cn_forget_error(&run->drains[i].journal);
		r = cn_journal_save(run->c, &run->drains[i].journal, run->clock, err);
	}
	if (r == 0)
		r = cn_speed_apply(run, err);
	cn_window_close(run);
	return r;
}

static int begin(struct cn_run *run, struct cn_intake *in, struct cn_error *err)
{
	int (*how)(struct cn_run *, struct cn_intake *, struct cn_error *) = in->specs.n ? first_window : claim;
	int r = how(run, in, err);

	for (int tries = 1; r == -ESTALE && tries < TRIES; tries++) {
		cn_run_warning(run, "%s; starting over", err->message);
		cn_error_release(err);
		r = how(run, in, err);
	}
	return r;
}

/* What makes the second window worth another try: the lease ran out, a PG came unclean between proof and lock, or other drains
 * hold the lock for long. */
static bool worth_another_look(int r, const struct cn_error *err)
{
	return r == -EAGAIN || r == -ESTALE || (r == -EBUSY && err->code == CN_TIMEOUT);
}

static int whole_procedure(struct cn_run *run, struct cn_intake *in, struct cn_error *err)
{
	struct cn_patience patience = {};
	int r = begin(run, in, err);

	if (r == 0 && run->n == 0)
		cn_run_warning(run, "nothing left to do: another cephnode has removed %s", run->node);
	if (r < 0 || run->n == 0)
		return r;
	for (;;) {
		_cleanup_free_ char *why = NULL;

		if (cn_run_phase(run) < CN_PHASE_SWEEP)
			r = wait_and_prove(run, err);
		if (r == 0)
			r = second_window(run, err);
		if (r == 0 || !worth_another_look(r, err))
			break;
		why = cn_strdup(err->message);
		cn_run_warning(run, "%s; looking again", why);
		cn_error_release(err);
		r = cn_patience_check(run, &patience, 0, 0, why, err);
		if (r < 0)
			break;
	}
	if (r == 0 && run->leftovers.n)
		r = cn_error_set(err, CN_PARTIAL, ENOTEMPTY, "removed, but the audit found: %s", run->leftovers.v[0]);
	return r;
}

static int confirm(struct cn_run *run, struct cn_error *err)
{
	int r = run->ctx->confirm ? run->ctx->confirm(run->ctx->confirm_arg, run->node) : 0;

	if (r == -EINTR)
		return cn_error_interrupted(err);
	return r < 0 ? cn_error_set(err, CN_REFUSED, ECANCELED, "not confirmed, nothing was changed") : 0;
}

/* A drain that goes on has no plan that chose who stops the daemons. Who cannot be asked just now is asked when it is time. */
static int choose_stop(struct cn_run *run, struct cn_error *err)
{
	int r = 0;

	if (run->n && !run->keep && cn_run_phase(run) < CN_PHASE_PURGE)
		r = cn_stop_choose_now(run, err);
	if (r == 0 || err->code == CN_REFUSED || err->code == CN_INTERRUPTED)
		return r;
	if (cn_run_phase(run) >= CN_PHASE_STOP && !cn_stop_passes(r)) /* what passes is waited for at the stop */
		return r;
	cn_run_warning(run, "%s; looking again when the OSDs are to be stopped", err->message); /* it may be back by then */
	cn_error_release(err);
	return 0;
}

/* finish_only: a drain that was kept is finished, and nothing is begun. */
static int drain_names(struct cn_run *run, const char *const *names, size_t n, bool finish_only, struct cn_error *err)
{
	struct cn_intake in = {};
	int r = cn_intake_sort(run, names, n, &in, err);

	if (r == 0 && (finish_only || run->ctx->options->finish_only) && in.specs.n) {
		r = cn_error_set(err, CN_REFUSED, EPERM, "%s is not drained", run->node);
		cn_error_hint(err, "drain it: cephnode drain %s", run->node);
	}
	if (r == 0 && run->keep && run->n && cn_run_phase(run) >= CN_PHASE_OUT) {
		r = cn_error_set(err, CN_REFUSED, EPERM, "%s is about to be removed (%s): nothing can be kept any more",
				 run->node, cn_phase_name(cn_run_phase(run)));
		cn_error_hint(err, "finish it without --keep");
	}
	if (r == 0 && run->n == 0 && in.specs.n == 0) {
		cn_run_warning(run, "nothing left to do: cephnode has removed %s already", run->node);
		cn_intake_release(&in);
		return 0;
	}
	if (r == 0)
		r = cn_intake_own(run, err);
	if (r == 0)
		r = cn_intake_plan(run, &in, true, err);
	if (r == 0)
		r = choose_stop(run, err);
	if (r == 0)
		r = confirm(run, err);
	if (r == 0)
		r = whole_procedure(run, &in, err);
	cn_intake_release(&in);
	return r;
}

int cn_drain_run(struct cn_drain_context *ctx, const char *const *names, size_t n, struct cn_error *err)
{
	struct cn_run run;
	int r;

	cn_call_begin(&run, ctx, names, n);
	r = drain_names(&run, names, n, false, err);
	return cn_call_end(&run, r, err, run.keep && run.n ? "drained" : "removed");
}

int cn_drain_remove(struct cn_drain_context *ctx, const char *name, struct cn_error *err)
{
	struct cn_journal *j = NULL;
	struct cn_run run;
	int r;

	cn_call_begin(&run, ctx, &name, 1);
	run.verb = "remove";
	run.keep = false;
	r = cn_call_find(&run, name, &j, err);
	if (r == 0 && (j->phase == CN_PHASE_CANCELLED || j->phase < CN_PHASE_DRAINED)) {
		r = cn_error_set(err, CN_REFUSED, EPERM, "%s is not drained (%s)", j->node, cn_phase_name(j->phase));
		cn_error_hint(err, "drain it: cephnode drain %s", j->node);
	}
	if (r == 0) {
		_cleanup_free_ char *node = cn_strdup(cn_journal_is_tombstone(j) ? name : j->spec);
		const char *names[] = {node};

		cn_journals_release(&run.others);
		r = drain_names(&run, names, 1, true, err);
	}
	return cn_call_end(&run, r, err, "removed");
}
