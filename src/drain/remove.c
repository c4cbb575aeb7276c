/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The second window: out, stop, purge. Before each change the gate: journal, weights and lease are as they must be. */
#include <errno.h>
#include <string.h>

#include "stop.h"

#define COMES_BACK 3 /* times that a daemon is stopped once more */

/* A reweight that an operator has set in mid-drain is the one to go back to: written down before `out` covers it. */
static bool take_in_other_reweights(struct cn_run *run, const struct cn_osdmap *m, const struct cn_ids *in)
{
	bool changed = false;

	for (size_t i = 0; i < run->n; i++)
		for (size_t k = 0; k < run->drains[i].journal.n_osds; k++) {
			struct cn_journal_osd *rec = &run->drains[i].journal.osds[k];

			if (!cn_ids_has(in, rec->id) || cn_osdmap_osd(m, rec->id)->reweight == rec->reweight)
				continue;
			rec->reweight = cn_osdmap_osd(m, rec->id)->reweight;
			changed = true;
		}
	return changed;
}

int cn_step_out(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {}, after = {};
	_cleanup_(cn_ids_release) struct cn_ids osds = {}, in = {};
	bool changed;
	int r;

	cn_step_begin(run, "out");
	r = cn_gate(run, run->weights_zero, err);
	if (r == 0)
		r = cn_save_all(run, run->method_out ? CN_PHASE_HOLD : CN_PHASE_OUT, err); /* by `out` it is the first change */
	if (r == 0)
		r = cn_osdmap_get(run->c, &m, err);
	if (r < 0)
		return r;
	cn_run_osds(run, &m, &osds);
	for (size_t i = 0; i < osds.n; i++)
		if (cn_osdmap_osd(&m, osds.v[i])->in)
			cn_ids_add(&in, osds.v[i]);
	changed = take_in_other_reweights(run, &m, &in);
	if (run->method_out && in.n) { /* the mon cancels upmap entries that lead to OSDs that are out, too */
		cn_take_in_mapping(run, &m, &osds);
		changed = true;
	}
	if (changed)
		r = cn_save_all(run, run->drains[0].journal.phase, err);
	if (r < 0)
		return r;
	if (in.n) {
		r = cn_gate(run, run->weights_zero, err);
		if (r == 0)
			r = cn_osd_out(run->c, &in, err);
		if (r == 0)
			r = cn_osdmap_get(run->c, &after, err);
		for (size_t i = 0; i < in.n && r == 0; i++) {
			const struct cn_osd *o = cn_osdmap_osd(&after, in.v[i]);

			if (o && o->in)
				r = cn_error_set(err, CN_FAILED, EREMCHG, "osd.%d is still in although the mon took the command",
						 in.v[i]);
		}
	}
	if (r < 0)
		return cn_error_wrap(err, "cannot mark the OSDs out");
	if (run->method_out && in.n)
		for (size_t i = 0; i < run->n; i++)
			run->drains[i].journal.change_epoch = after.epoch;
	cn_step_end(run, "out", json_pack("{so}", "osds", cn_json_ids(&osds)));
	return 0;
}

/* The last look before daemons are stopped: the whole proof once more, now that nobody else may change the map. */
static int prove_now(struct cn_run *run, bool need_safe, struct cn_error *err)
{
	_cleanup_free_ char *reason = NULL;
	size_t missing;
	int r = cn_prove_once(run, need_safe, &missing, &reason, err);

	if (r == -ENOENT || r == -ENXIO) { /* a PG that has just been split or merged: its primary has not heard of it yet */
		reason = cn_strdup(err->message);
		cn_error_release(err);
		r = 0;
	}
	if (r < 0)
		return r;
	return reason ? cn_error_set(err, CN_FAILED, EAGAIN, "not proven any more: %s", reason) : 0;
}

int cn_step_stop(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(cn_ids_release) struct cn_ids up = {};
	int r;

	cn_step_begin(run, "stop");
	r = cn_gate(run, true, err);
	if (r == 0)
		r = prove_now(run, cn_run_phase(run) < CN_PHASE_STOP, err);
	if (r == 0)
		r = cn_save_all(run, CN_PHASE_STOP, err);
	if (r == 0)
		r = cn_stop_read_up(run, &up, err);
	if (r == 0 && up.n)
		r = cn_stop_osds(run, err);
	if (r < 0)
		return cn_error_wrap(err, "cannot stop the OSDs");
	cn_step_end(run, "stop", json_pack("{so}", "osds", cn_json_ids(&up)));
	return 0;
}

/* 0: gone. -EBUSY: it has come up again. */
static int purge_one(struct cn_run *run, int id, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap before = {}, after = {};
	_cleanup_(cn_ids_release) struct cn_ids ours = {};
	int r = cn_gate(run, true, err);

	if (r == 0)
		r = cn_osdmap_get(run->c, &before, err);
	if (r < 0)
		return r;
	cn_run_osds(run, &before, &ours); /* by uuid: an id that was given to another OSD is not among them */
	if (!cn_ids_has(&ours, id))
		return 0;
	if (cn_osdmap_osd(&before, id)->up)
		return cn_error_set(err, CN_FAILED, EBUSY, "osd.%d is up again", id);
	if (cn_osdmap_temp_has(&before, id))
		return cn_error_set(err, CN_FAILED, EAGAIN, "a pg_temp entry names osd.%d", id);
	r = cn_may_change(run, err);
	if (r == 0)
		r = cn_osd_purge(run->c, id, err);
	if (r == 0)
		r = cn_osdmap_get(run->c, &after, err);
	if (r == 0 && cn_osdmap_osd(&after, id) && strcmp(cn_osdmap_osd(&after, id)->uuid, cn_run_osd(run, id)->uuid) == 0)
		r = cn_error_set(err, CN_FAILED, EREMCHG, "osd.%d is still there although the mon took the command", id);
	return r;
}

static int stop_again(struct cn_run *run, const char *what, struct cn_error *err)
{
	int r;

	cn_run_warning(run, "%s; stopping it once more", what);
	r = cn_stop_osds(run, err);
	return r < 0 ? r : prove_now(run, false, err);
}

/* A supervisor may have started again what was stopped, even where the map does not show it up yet. */
static int stop_who_came_back(struct cn_run *run, struct cn_error *err)
{
	for (int tries = 0;; tries++) {
		_cleanup_free_ char *what = NULL;
		int r = cn_stop_look_again(run, &what, err);

		if (r < 0 || !what)
			return r;
		if (tries == COMES_BACK) {
			cn_error_set(err, CN_FAILED, EBUSY, "%s, although it was stopped %d times", what, tries + 1);
			cn_error_hint(err, "find out what starts it again, switch that off, and run the same command again");
			return -EBUSY;
		}
		r = stop_again(run, what, err);
		if (r < 0)
			return r;
	}
}

int cn_step_purge(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	_cleanup_(cn_ids_release) struct cn_ids osds = {};
	int r;

	cn_step_begin(run, "purge");
	r = cn_gate(run, true, err);
	if (r == 0)
		r = prove_now(run, false, err);
	if (r == 0)
		r = cn_save_all(run, CN_PHASE_PURGE, err);
	if (r == 0)
		r = stop_who_came_back(run, err);
	if (r == 0)
		r = cn_osdmap_get(run->c, &m, err);
	if (r < 0)
		return r;
	cn_run_osds(run, &m, &osds);
	for (size_t i = 0; i < osds.n && r == 0; i++) {
		r = purge_one(run, osds.v[i], err);
		for (int tries = 0; r == -EBUSY && tries < COMES_BACK; tries++) { /* started again just now: be quicker */
			_cleanup_free_ char *what = cn_asprintf("osd.%d came up again", osds.v[i]);

			cn_error_release(err);
			r = stop_again(run, what, err);
			if (r == 0)
				r = purge_one(run, osds.v[i], err);
		}
	}
	if (r < 0)
		return cn_error_wrap(err, "cannot purge the OSDs");
	cn_step_end(run, "purge", json_pack("{so}", "osds", cn_json_ids(&osds)));
	return 0;
}
