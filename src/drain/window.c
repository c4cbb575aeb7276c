/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The windows in which the map is changed: the decision lock, and what must hold before each change. */
#include <errno.h>
#include <string.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/base/log.h"
#include "cephnode/drain/guard.h"
#include "run.h"

#define NOTE_S 3

static void tell_waiting(void *arg, const char *who)
{
	cn_run_warning(arg, "waiting for the decision lock: held by %s", who);
}

/* The first cephnode of a cluster writes down which pool holds the lock, under the lock; who finds another name there moves over.
 */
static int settle_pool(struct cn_run *run, struct cn_error *err)
{
	for (bool wrote = false;; wrote = true) {
		_cleanup_free_ char *recorded = NULL;
		int r = cn_config_key_get(run->c, CN_LOCK_KEY, &recorded, err);

		if (r == 0 && strcmp(recorded, run->pool) == 0)
			return 0;
		if (r == 0) {
			free(run->pool);
			run->pool = TAKE_PTR(recorded);
			run->pool_recorded_by_us = false;
			return -EAGAIN;
		}
		if (r != -ENOENT || wrote)
			return r;
		cn_error_release(err);
		r = cn_config_key_set(run->c, CN_LOCK_KEY, run->pool, err);
		run->pool_recorded_by_us = r == 0;
		/* once in a cluster's life: another first user may be writing another pool's name at this moment */
		if (r < 0 || cn_clock_wait_ms(run->clock, 500) < 0)
			return r < 0 ? r : cn_error_interrupted(err);
	}
}

/* We hold the decision lock, so nobody else is between hold and release: a journal that says so was left by a dead process. */
static int finish_releases(struct cn_run *run, struct cn_error *err)
{
	int r = 0;

	for (size_t i = 0; i < run->others.n && r == 0; i++) {
		struct cn_journal *j = &run->others.v[i];

		_cleanup_free_ char *by_guard = NULL, *guard_key = cn_asprintf(CN_GUARD_PREFIX "%s", j->id);

		if (cn_journal_is_tombstone(j) || j->flags_set.n == 0)
			continue;
		cn_note("a drain of %s was left in the middle of a hold; putting its flags back", j->node);
		if (cn_config_key_get(run->c, guard_key, &by_guard, NULL) == 0)
			r = cn_config_key_rm(run->c, guard_key,
					     err); /* before the journal forgets: a mark must not outlive its hold */
		else
			for (size_t k = 0; k < j->flags_set.n && r == 0; k++)
				r = cn_osd_unset(run->c, j->flags_set.v[k], err);
		if (r == 0) {
			cn_strv_release(&j->flags_set);
			r = cn_journal_save(run->c, j, run->clock, err);
		}
		if (r == 0 && !by_guard) /* it may have come while we did the same; one that comes later removes itself */
			r = cn_config_key_rm(run->c, guard_key, err);
		for (size_t k = 0; k < run->n && r == 0; k++)
			if (strcmp(run->drains[k].journal.id, j->id) == 0) {
				run->drains[k].journal.generation = j->generation;
				cn_strv_release(&run->drains[k].journal.flags_set);
			}
	}
	return r;
}

/* Over --lock-wait, or over --timeout? */
static int lock_is_held(struct cn_run *run, int r, struct cn_error *err)
{
	_cleanup_free_ char *what = cn_strdup(err->message);
	int over = cn_timeout_check(run, what, err);

	if (!over)
		cn_error_hint(err, "'cephnode status' shows what it does; wait until it is done, or raise --lock-wait");
	return over ? over : r;
}

int cn_window_open(struct cn_run *run, struct cn_error *err)
{
	int r;

	for (;;) {
		if (!run->pool) {
			r = cn_lease_pool(run->c, run->ctx->options->lock_pool, &run->pool, err);
			if (r < 0)
				return r;
		}
		r = cn_lease_take(run->c, run->clock, run->pool, "decision", NULL,
				  cn_wait_ms(run, run->ctx->options->lock_wait_s * 1000), tell_waiting, run, &run->decision, err);
		if (r < 0) {
			cn_error_wrap(err, "cannot take the decision lock");
			return r == -EBUSY ? lock_is_held(run, r, err) : r;
		}
		r = settle_pool(run, err);
		if (r != -EAGAIN)
			break;
		cn_lease_free(run->decision);
		run->decision = NULL;
	}
	/* Changing commands get a limit of their own: nothing we sent may be carried out after the lease has run out. */
	run->c->ops->set_command_timeout(run->c, MIN(run->c->op_timeout_s, (unsigned)CN_CHANGE_TIMEOUT_S));
	if (r == 0) {
		cn_journals_release(&run->others);
		r = cn_journals_load(run->c, &run->others, err);
	}
	if (r == 0)
		r = finish_releases(run, err);
	if (r == 0)
		r = cn_settings_finish(run, err);
	if (r == 0)
		r = cn_journals_expire(run->c, &run->others, run->clock, err);
	if (r < 0)
		cn_window_close(run);
	return r;
}

int cn_window_try(struct cn_run *run, struct cn_error *err)
{
	const struct cn_drain_options *saved = run->ctx->options;
	struct cn_drain_options options = *saved;
	int r;

	options.lock_wait_s = 0;
	run->ctx->options = &options;
	r = cn_window_open(run, err);
	run->ctx->options = saved;
	return r;
}

void cn_window_close(struct cn_run *run)
{
	cn_lease_free(run->decision);
	run->decision = NULL;
	run->c->ops->set_command_timeout(run->c, run->c->op_timeout_s);
}

int cn_may_change(struct cn_run *run, struct cn_error *err)
{
	int r;

	if (cn_interrupted() && !run->finishing)
		return cn_error_interrupted(err);
	r = cn_lease_may_change(run->decision, err);
	if (r == 0 && run->armed)
		cn_guard_keep(run->ctx->guard);
	return r;
}

/* Another cephnode found our lease run out, because this process stood still, and has put back what --speed had set. */
static void take_in_settings(struct cn_run *run, const struct cn_journal *now, struct cn_journal *ours)
{
	if (now->generation == ours->generation || now->phase != ours->phase || now->owner.instance != ours->owner.instance ||
	    now->owner.pid != ours->owner.pid || now->flags_set.n != ours->flags_set.n)
		return;
	run->speed.lost |= ours->settings && !now->settings;
	ours->generation = now->generation;
	json_decref(ours->settings);
	ours->settings = json_deep_copy(now->settings);
}

static int check_journal(struct cn_run *run, struct cn_journal *ours, struct cn_error *err)
{
	_cleanup_(cn_journal_release) struct cn_journal now = {};
	int r;

	if (!ours->loaded)
		return 0; /* new, and not written yet */
	r = cn_journal_load(run->c, ours->id, &now, err);

	if (r == -ENOENT || (r == 0 && now.phase >= CN_PHASE_CANCEL)) {
		cn_error_set(err, CN_FAILED, ECANCELED, "the drain of %s was cancelled", ours->node);
		return -ECANCELED;
	}
	if (r < 0)
		return r;
	take_in_settings(run, &now, ours);
	if (now.generation != ours->generation || now.phase != ours->phase) {
		cn_error_set(err, CN_FAILED, EALREADY, "another cephnode works on the drain of %s (pid %lld on %s)", ours->node,
			     (long long)now.owner.pid, now.owner.host);
		cn_error_hint(err, "see: cephnode status");
		return -EALREADY;
	}
	return 0;
}

/* The weights stand at 0 in the mon's map now. Anything else is another hand's, and not ours to overwrite. */
int cn_check_weights(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	_cleanup_(cn_crush_release) struct cn_crush crush = {};
	_cleanup_(cn_ids_release) struct cn_ids osds = {};
	int r;

	r = cn_osdmap_get(run->c, &m, err);
	if (r == 0)
		r = cn_crush_get(run->c, &crush, err);
	if (r < 0)
		return r;
	cn_run_osds(run, &m, &osds);
	for (size_t i = 0; i < osds.n; i++) {
		uint32_t w = cn_crush_weight(&crush, osds.v[i], NULL);

		if (w == 0)
			continue;
		cn_error_set(err, CN_FAILED, EREMCHG,
			     "osd.%d has a CRUSH weight of %.5f again, and it was not this drain that set it", osds.v[i],
			     w / (double)CN_WEIGHT_ONE);
		cn_error_hint(err,
			      "to go on from there, run drain again; to end the drain and keep that weight, run cephnode cancel");
		return -EREMCHG;
	}
	return 0;
}

int cn_check_journals(struct cn_run *run, struct cn_error *err)
{
	int r = 0;

	for (size_t i = 0; i < run->n && r == 0; i++)
		r = check_journal(run, &run->drains[i].journal, err);
	return r;
}

int cn_gate(struct cn_run *run, bool zero, struct cn_error *err)
{
	int r = cn_may_change(run, err);

	if (r == 0)
		r = cn_check_journals(run, err);
	if (r == 0 && zero)
		r = cn_check_weights(run, err);
	/* once more: reading may have taken long */
	return r < 0 ? r : cn_may_change(run, err);
}

static void let_go(struct cn_journal *j, int64_t now_ms)
{
	j->released = true;
	cn_upmaps_let_go(j);
	j->released_ms = j->released_ms ? j->released_ms : now_ms;
	for (size_t i = 0; i < j->n_osds; i++)
		j->osds[i].pending = false;
}

int cn_save_all(struct cn_run *run, enum cn_phase phase, struct cn_error *err)
{
	int r = cn_may_change(run, err);

	for (size_t i = 0; i < run->n && r == 0; i++) {
		enum cn_phase before = run->drains[i].journal.phase;

		run->drains[i].journal.phase = phase;
		cn_forget_error(&run->drains[i].journal);
		if (phase == CN_PHASE_WAIT)
			let_go(&run->drains[i].journal, cn_clock_real_ms(run->clock));
		r = cn_journal_save(run->c, &run->drains[i].journal, run->clock, err);
		if (r < 0)
			run->drains[i].journal.phase = before;
	}
	return r;
}

void cn_note_last_error(struct cn_run *run, const struct cn_error *why)
{
	bool opened = false;

	if (run->n == 0 || !run->drains[0].journal.loaded || why->code == CN_REFUSED)
		return; /* refused is untouched */
	run->finishing = true;
	if (!run->decision) {
		/* no monitor, or no longer our drain: nobody waits for a note that cannot be written */
		run->c->ops->set_command_timeout(run->c, NOTE_S);
		if (cn_check_journals(run, NULL) < 0)
			return;
		opened = cn_window_try(run, NULL) == 0;
		if (!opened)
			return;
	}
	cn_speed_leave(run);
	for (size_t i = 0; i < run->n; i++) {
		struct cn_journal *j = &run->drains[i].journal;

		if (!run->drains[i].own || check_journal(run, j, NULL) < 0 || cn_lease_may_change(run->decision, NULL) < 0)
			continue;
		free(j->last_error);
		j->last_error = cn_strdup(why->message ? why->message : "?");
		cn_journal_save(run->c, j, run->clock, NULL);
	}
	if (opened)
		cn_window_close(run);
}

enum cn_phase cn_run_phase(const struct cn_run *run)
{
	enum cn_phase phase = CN_PHASE_CANCELLED;

	for (size_t i = 0; i < run->n; i++)
		phase = MIN(phase, run->drains[i].journal.phase);
	return phase;
}

bool cn_error_passes(int r)
{
	return r == -ETIMEDOUT || r == -EAGAIN || r == -ENOENT || r == -ENXIO || r == -ENOTCONN || r == -ESHUTDOWN;
}

void cn_run_osds(const struct cn_run *run, const struct cn_osdmap *m, struct cn_ids *ret)
{
	for (size_t i = 0; i < run->n; i++)
		for (size_t k = 0; k < run->drains[i].journal.n_osds; k++) {
			const struct cn_journal_osd *rec = &run->drains[i].journal.osds[k];
			const struct cn_osd *o = cn_osdmap_osd(m, rec->id);

			if (o && strcmp(o->uuid, rec->uuid) == 0)
				cn_ids_add(ret, rec->id);
		}
}

const struct cn_journal_osd *cn_run_osd(const struct cn_run *run, int id)
{
	const struct cn_journal_osd *rec = NULL;

	for (size_t i = 0; i < run->n && !rec; i++)
		rec = cn_journal_osd(&run->drains[i].journal, id);
	return rec;
}

bool cn_run_has_osd(const struct cn_run *run, int id)
{
	return cn_run_osd(run, id);
}

struct cn_journal_pg *cn_run_pgs(const struct cn_run *run, const struct cn_osdmap *m, size_t *ret_n)
{
	struct cn_journal_pg *all = NULL;
	size_t n = 0, cap = 0, kept = 0;

	for (size_t i = 0; i < run->n; i++) {
		size_t k;
		_cleanup_free_ struct cn_journal_pg *v = cn_journal_pgs_now(&run->drains[i].journal, m, &k);

		for (size_t p = 0; p < k; p++) {
			cn_grow(&all, &cap, n, sizeof(*all));
			all[n++] = v[p];
		}
	}
	if (n)
		qsort(all, n, sizeof(*all), cn_pgid_cmp);
	for (size_t i = 0; i < n; i++)
		if (kept && cn_pgid_cmp(&all[kept - 1], &all[i]) == 0) {
			all[kept - 1].shards += all[i].shards;
			all[kept - 1].bytes = MAX(all[kept - 1].bytes, all[i].bytes);
			for (int k = 0; k < all[i].n_osds && all[kept - 1].n_osds < CN_PG_OSDS; k++)
				all[kept - 1].osds[all[kept - 1].n_osds++] = all[i].osds[k];
		} else
			all[kept++] = all[i];
	*ret_n = kept;
	return all;
}
