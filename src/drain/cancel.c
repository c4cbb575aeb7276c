/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "call.h"

/* What cannot be undone: OSDs that are gone, and daemons that were stopped. */
static void look_at_osds(struct cn_run *run, const struct cn_osdmap *m, struct cn_strv *gone)
{
	for (size_t i = 0; i < run->n; i++)
		for (size_t k = 0; k < run->drains[i].journal.n_osds; k++) {
			const struct cn_journal_osd *rec = &run->drains[i].journal.osds[k];
			const struct cn_osd *o = cn_osdmap_osd(m, rec->id);

			if (!o || strcmp(o->uuid, rec->uuid) != 0)
				cn_strv_addf(gone, "osd.%d is removed already", rec->id);
			else if (!o->up && !run->drains[i].journal.stopped)
				cn_run_warning(run,
					       "osd.%d is down: start its daemon again (systemctl start ceph-osd@%d, or its pod)",
					       rec->id, rec->id);
		}
}

static int restore(struct cn_run *run, struct cn_strv *foreign, struct cn_error *err)
{
	_cleanup_json_ json_t *seen = NULL;
	int r;

	cn_step_begin(run, "out");
	r = cn_upmaps_read(run, &seen, err);
	if (r == 0)
		r = cn_restore_reweights(run, foreign, err);
	if (r < 0)
		return cn_error_wrap(err, "cannot mark the OSDs in again");
	cn_step_end(run, "out", NULL);
	cn_step_begin(run, "reweight");
	r = cn_restore_weights(run, false, foreign, err);
	if (r < 0)
		return cn_error_wrap(err, "cannot put the CRUSH weights back");
	r = cn_upmaps_restore(run, seen, false, foreign, err);
	if (r < 0)
		return cn_error_wrap(err, "cannot put the upmap entries back");
	cn_step_end(run, "reweight", NULL);
	return 0;
}

/* Under the decision lock. */
static int undo(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv foreign = {};
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	_cleanup_free_ char *text = NULL;
	/* of a drain that died between reweight and forecast, the phases of which no save has overwritten yet */
	int r = run->drains[0].journal.phase < CN_PHASE_FORECAST ? cn_upmaps_note_cancelled(run, err) : 0;

	cn_upmaps_settle(run);
	if (r == 0)
		r = cn_save_all(run, CN_PHASE_CANCEL, err);
	if (r == 0)
		r = cn_osdmap_get(run->c, &m, err);
	if (r == 0) {
		look_at_osds(run, &m, &foreign);
		r = restore(run, &foreign, err);
	}
	if (r == 0)
		r = cn_settings_restore(run, &foreign, err);
	if (r == 0)
		r = cn_stop_restore(run, &foreign, err);
	if (r == 0)
		r = cn_save_all(run, CN_PHASE_CANCELLED, err);
	if (r < 0 || foreign.n == 0)
		return r;
	for (size_t i = 0; i < foreign.n; i++)
		cn_run_warning(run, "not undone: %s", foreign.v[i]);
	text = cn_strv_join(&foreign, "; ");
	return cn_error_set(err, CN_PARTIAL, EREMCHG, "undone but for: %s", text);
}

static int cancel_locked(struct cn_run *run, const char *name, struct cn_error *err)
{
	int r = cn_call_adopt(run, name, err);

	if (r < 0)
		return r;
	run->already = run->drains[0].journal.phase == CN_PHASE_CANCELLED;
	if (run->already)
		return 0;
	if (run->drains[0].journal.phase >= CN_PHASE_SWEEP && run->drains[0].journal.phase < CN_PHASE_DONE) {
		cn_error_set(err, CN_REFUSED, EPERM, "the OSDs of %s are removed already, there is no way back",
			     run->drains[0].journal.node);
		cn_error_hint(err, "finish it: cephnode drain %s", run->drains[0].journal.node);
		return -EPERM;
	}
	if (run->drains[0].journal.phase == CN_PHASE_DONE) {
		cn_error_set(err, CN_REFUSED, EPERM, "%s was drained and its OSDs are removed: there is no way back",
			     run->drains[0].journal.node);
		return -EPERM;
	}
	return undo(run, err);
}

int cn_drain_cancel(struct cn_drain_context *ctx, const char *name, struct cn_error *err)
{
	struct cn_journal *known;
	struct cn_run run;
	int r;

	cn_call_begin(&run, ctx, &name, 1);
	run.verb = "cancel";
	run.undo = true;
	r = cn_call_find(&run, name, &known, err);
	if (r == 0) {
		cn_step_begin(&run, "lock");
		r = cn_window_open(&run, err);
	}
	if (r == 0) {
		cn_step_end(&run, "lock", NULL);
		r = cancel_locked(&run, name, err);
		cn_window_close(&run);
	}
	if (r == 0) {
		cn_step_begin(&run, "done");
		cn_step_end(&run, "done", NULL);
	}
	return cn_call_end(&run, r, err, "cancelled");
}
