/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Choosing the driver that stops daemons, and what all drivers share; the monitors, and somebody else, as drivers. */
#include "stop.h"

#include <errno.h>
#include <string.h>

#define DOWN_POLL_MS 200
#define DOWN_LIMIT_MS 60000
#define POLL_MS 1000
#define WINDOW_MS 60000 /* who waits longer lets others have the lock */
#define TELL_MS 10000

int cn_stop_read_up(struct cn_run *run, struct cn_ids *ret, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	_cleanup_(cn_ids_release) struct cn_ids osds = {};
	int r = cn_osdmap_get(run->c, &m, err);

	if (r < 0)
		return r;
	cn_ids_release(ret);
	cn_run_osds(run, &m, &osds);
	for (size_t i = 0; i < osds.n; i++)
		if (cn_osdmap_osd(&m, osds.v[i])->up)
			cn_ids_add(ret, osds.v[i]);
	return 0;
}

/* --- drivers that need nothing but the cluster ------------------------------------------------------------------------ */

/* Nobody is asked to stop them: somebody else does. The lock is given back meanwhile, and everything looked at again after it. */
static int await_someone(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(cn_ids_release) struct cn_ids up = {};
	struct cn_patience patience = {};
	bool told = false;
	int r;

	cn_window_close(run);
	for (;;) {
		_cleanup_free_ char *names = NULL, *what = NULL;

		r = cn_stop_read_up(run, &up, err);
		if (r < 0 && r != -ETIMEDOUT)
			return r;
		if (r == 0 && up.n == 0)
			break;
		names = cn_ids_format(&up, "osd.", ", ");
		what = cn_asprintf("%s still run; stop them (--stop-with none leaves that to you)", names);
		if (!told)
			cn_run_warning(run, "%s", what);
		told = true;
		r = cn_patience_check(run, &patience, 0, (int64_t)up.n, what, err);
		if (r == 0)
			r = cn_check_journals(run, err);
		if (r < 0)
			return r;
		if (cn_clock_wait_ms(run->clock, 1000) < 0)
			return cn_error_interrupted(err);
	}
	r = cn_window_open(run, err);
	return r < 0 ? r : cn_gate(run, true, err);
}

/* `osd stop` sets a bit in the map that clears at the daemon's next boot: one that is started again is told again. */
static int stop_by_mon(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(cn_ids_release) struct cn_ids up = {};
	int64_t end = cn_clock_boot_ms(run->clock) + DOWN_LIMIT_MS, again = 0;

	for (;;) {
		int64_t now = cn_clock_boot_ms(run->clock);
		_cleanup_free_ char *names = NULL, *what = NULL;
		int r = cn_stop_read_up(run, &up, err);

		if (r < 0 || up.n == 0)
			return r;
		names = cn_ids_format(&up, "osd.", ", ");
		what = cn_asprintf("%s did not go down", names);
		r = cn_timeout_check(run, what, err);
		if (r < 0)
			return r;
		if (now >= end) {
			cn_error_set(err, CN_TIMEOUT, ETIMEDOUT, "%s", what);
			cn_error_hint(err, "stop the daemons on the node, then run the same command again");
			return -ETIMEDOUT;
		}
		if (now >= again) {
			r = cn_gate(run, true, err);
			if (r == 0)
				r = cn_osd_stop(run->c, &up, err);
			if (r < 0)
				return r;
			again = now + 10000;
		}
		if (cn_pause(run, DOWN_POLL_MS, 0) < 0)
			return cn_error_interrupted(err);
	}
}

static int look_mon(struct cn_run *run _unused_, const struct cn_stop_view *v _unused_, struct cn_strv *does, char **why _unused_,
		    char **hint _unused_, struct cn_error *err _unused_)
{
	cn_strv_add(does, "the monitors tell the daemons to stop");
	return 1;
}

static int look_none(struct cn_run *run _unused_, const struct cn_stop_view *v _unused_, struct cn_strv *does,
		     char **why _unused_, char **hint _unused_, struct cn_error *err _unused_)
{
	cn_strv_add(does, "waits until somebody has stopped the daemons");
	return 1;
}

static const struct cn_stop_driver by_mon = {.name = "mon", .look = look_mon, .stop = stop_by_mon};
static const struct cn_stop_driver by_nobody = {.name = "none", .look = look_none, .stop = await_someone};

/* What another server, or the way to it, may be like for a while. */
bool cn_stop_passes(int r)
{
	return cn_error_passes(r) || r == -ECONNREFUSED || r == -ECONNRESET || r == -EHOSTUNREACH || r == -EREMOTEIO ||
	       r == -EPROTO || r == -EEXIST;
}

/* Others get their turn; then everything that a change needs is looked at again. */
static int reopen(struct cn_run *run, struct cn_error *err)
{
	int r;

	cn_window_close(run);
	if (cn_clock_wait_ms(run->clock, POLL_MS) < 0)
		return cn_error_interrupted(err);
	r = cn_window_open(run, err);
	return r < 0 ? r : cn_gate(run, true, err);
}

/* --- the choice ------------------------------------------------------------------------------------------------------- */

static const struct cn_stop_driver *const by_option[] = {
	[CN_STOP_MON] = &by_mon,
	[CN_STOP_SYSTEMD] = &cn_stop_systemd,
	[CN_STOP_KUBE] = &cn_stop_kube,
	[CN_STOP_NONE] = &by_nobody,
};
static const struct cn_stop_driver *const automatic[] = {&cn_stop_kube, &cn_stop_systemd, &by_mon};

/* 1: it is the driver now; 0 and 2 as look() says. */
static int try_driver(struct cn_run *run, const struct cn_stop_driver *d, const struct cn_stop_view *v, char **why, char **hint,
		      struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv does = {};
	int r = d->look(run, v, &does, why, hint, err);

	if (r != 1)
		return r < 0 ? cn_error_wrap(err, "cannot tell whether --stop-with %s would do", d->name) : r;
	run->stop.driver = d;
	cn_strv_release(&run->stop.does);
	run->stop.does = does;
	does = (struct cn_strv){};
	return 1;
}

/* Who has stopped daemons of this drain before; NULL: nobody who wrote it down. */
static const struct cn_stop_driver *of_journal(const struct cn_run *run)
{
	for (size_t i = 0; i < run->n; i++)
		if (json_array_size(run->drains[i].journal.stopped))
			return strcmp(cn_json_str(json_array_get(run->drains[i].journal.stopped, 0), "what", ""), "unit") == 0
				       ? &cn_stop_systemd
				       : &cn_stop_kube;
	return NULL;
}

static bool none_is_up(const struct cn_stop_view *v)
{
	for (size_t i = 0; i < v->osds->n; i++)
		if (cn_osdmap_osd(v->m, v->osds->v[i]) && cn_osdmap_osd(v->m, v->osds->v[i])->up)
			return false;
	return true;
}

int cn_stop_choose(struct cn_run *run, const struct cn_osdmap *m, const struct cn_crush *crush, const struct cn_ids *osds,
		   struct cn_error *err)
{
	struct cn_stop_view v = {.m = m, .crush = crush, .osds = osds};
	enum cn_stop_with with = run->ctx->options->stop_with;
	_cleanup_free_ char *why = NULL, *hint = NULL;
	int r = 0;

	run->stop.driver = NULL;
	cn_strv_release(&run->stop.does);
	if (none_is_up(&v) && (with != CN_STOP_AUTO || of_journal(run))) { /* stopped already, or a dead node */
		run->stop.driver = with != CN_STOP_AUTO ? by_option[with] : of_journal(run);
		cn_strv_add(&run->stop.does, "nothing: none of them runs");
		return 0;
	}
	for (size_t i = 0; with == CN_STOP_AUTO && i < ARRAY_SIZE(automatic) && r == 0; i++) {
		_cleanup_free_ char *w = NULL, *h = NULL;

		r = try_driver(run, automatic[i], &v, &w, &h, err);
		if (r == 2) { /* whoever runs them will start them again */
			cn_run_warning(run, "--stop-with %s would be right, but cannot be: %s%s%s", automatic[i]->name, w,
				       h ? "; " : "", h ? h : "");
			r = 0;
		}
	}
	if (with != CN_STOP_AUTO)
		r = try_driver(run, by_option[with], &v, &why, &hint, err);
	if (r == 1 || r < 0)
		return MIN(r, 0);
	cn_error_set(err, run->n && cn_run_phase(run) >= CN_PHASE_HOLD ? CN_FAILED : CN_REFUSED, EPERM,
		     "--stop-with %s cannot be: %s", by_option[with]->name, why ? why : "not here");
	cn_error_hint(err, "%s", hint ? hint : "leave --stop-with out, or let the monitors do it: --stop-with mon");
	return -EPERM;
}

int cn_stop_choose_now(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	_cleanup_(cn_crush_release) struct cn_crush crush = {};
	_cleanup_(cn_ids_release) struct cn_ids osds = {};
	int r;

	if (run->stop.driver)
		return 0;
	r = cn_osdmap_get(run->c, &m, err);
	if (r == 0)
		r = cn_crush_get(run->c, &crush, err);
	if (r < 0)
		return r;
	cn_run_osds(run, &m, &osds);
	return cn_stop_choose(run, &m, &crush, &osds, err);
}

void cn_stop_tell(const struct cn_run *run, json_t *plan)
{
	if (run->stop.driver)
		json_object_set_new(plan, "stop",
				    json_pack("{ss,so}", "with", run->stop.driver->name, "does", cn_json_strv(&run->stop.does)));
}

void cn_stop_release(struct cn_run *run)
{
	if (run->stop.driver && run->stop.driver->release)
		run->stop.driver->release(run->stop.state);
	cn_strv_release(&run->stop.does);
}

/* A drain that goes on finds out again who stops the daemons; who must be asked for that may be away just now. */
static int choose_patiently(struct cn_run *run, struct cn_error *err)
{
	struct cn_patience patience = {};
	bool told = false;

	for (;;) {
		_cleanup_free_ char *what = NULL;
		int r = cn_stop_choose_now(run, err);

		if (r >= 0 || !cn_stop_passes(r))
			return r;
		what = cn_strdup(err->message);
		cn_error_release(err);
		if (!told)
			cn_run_warning(run, "waiting: %s", what);
		told = true;
		r = cn_patience_check(run, &patience, 0, 0, what, err);
		if (r == 0)
			r = reopen(run, err);
		if (r < 0)
			return r;
	}
}

int cn_stop_osds(struct cn_run *run, struct cn_error *err)
{
	int r = choose_patiently(run, err);

	return r < 0 ? r : run->stop.driver->stop(run, err);
}

/* OSDs that are down may be removed whether or not the others can be asked: the monitors refuse those that are up. */
int cn_stop_look_again(struct cn_run *run, char **ret_what, struct cn_error *err)
{
	int r = cn_stop_choose_now(run, err);

	*ret_what = NULL;
	if (r < 0 && cn_stop_passes(r)) {
		cn_run_warning(run, "cannot see whether a daemon has come back: %s", err->message);
		cn_error_release(err);
		return 0;
	}
	return r < 0 || !run->stop.driver->look_again ? r : run->stop.driver->look_again(run, ret_what, err);
}

int cn_stop_audit(struct cn_run *run, struct cn_strv *ret, struct cn_error *err)
{
	const struct cn_stop_driver *d = run->stop.driver ? run->stop.driver : of_journal(run);

	return d && d->audit ? d->audit(run, ret, err) : 0;
}

/* --- for drivers ------------------------------------------------------------------------------------------------------ */

void cn_stop_note(struct cn_run *run, int osd, json_t *entry)
{
	struct cn_journal *j = &run->drains[0].journal;

	for (size_t i = 1; i < run->n && osd >= 0; i++)
		if (cn_journal_osd(&run->drains[i].journal, osd))
			j = &run->drains[i].journal;
	if (!j->stopped)
		j->stopped = json_array();
	json_array_append_new(j->stopped, entry);
}

int cn_stop_save(struct cn_run *run, struct cn_error *err)
{
	int r = cn_gate(run, true, err);

	return r < 0 ? r : cn_save_all(run, cn_run_phase(run), err);
}

int cn_stop_until(struct cn_run *run,
		  int (*go)(struct cn_run *run, const struct cn_ids *up, char **ret_what, struct cn_error *err),
		  struct cn_error *err)
{
	_cleanup_(cn_ids_release) struct cn_ids up = {};
	int64_t begin = cn_clock_boot_ms(run->clock), window = begin;
	struct cn_patience patience = {};
	bool told = false;

	for (;;) {
		int64_t start = cn_clock_boot_ms(run->clock);
		_cleanup_free_ char *what = NULL;
		int r = cn_stop_read_up(run, &up, err);

		if (r == 0)
			r = go(run, &up, &what, err);
		if (r == 0 && !what)
			return 0;
		if (r < 0 && !cn_stop_passes(r))
			return r;
		if (r < 0) {
			free(what);
			what = cn_strdup(err->message);
			cn_error_release(err);
		}
		if (!told && start - begin >= TELL_MS) {
			cn_run_warning(run, "waiting: %s", what);
			told = true;
		}
		r = cn_patience_check(run, &patience, 0, (int64_t)up.n, what, err);
		if (r == 0 && start - window >= WINDOW_MS) {
			r = reopen(run, err);
			window = cn_clock_boot_ms(run->clock);
		}
		if (r < 0)
			return r;
		if (cn_pause(run, up.n ? POLL_MS : DOWN_POLL_MS, cn_clock_boot_ms(run->clock) - start) < 0)
			return cn_error_interrupted(err);
	}
}

/* --- putting back ----------------------------------------------------------------------------------------------------- */

static bool is_unit(const json_t *entry)
{
	return strcmp(cn_json_str(entry, "what", ""), "unit") == 0;
}

static int put_back(struct cn_run *run, const json_t *entry, struct cn_strv *foreign, struct cn_error *err)
{
	return is_unit(entry) ? cn_stop_systemd_restore(run, entry, foreign, err)
			      : cn_stop_kube_restore(run, entry, foreign, err);
}

/* Nothing more may be changed, or nobody is there who could: the others would fare the same, each after its time limit. */
static bool is_hopeless(int r)
{
	return r == -EINTR || r == -ESTALE || r == -ETIMEDOUT || r == -ECONNREFUSED || r == -EHOSTUNREACH;
}

static int restore_one(struct cn_run *run, const json_t *entry, struct cn_strv *foreign, struct cn_error *err)
{
	int r = cn_may_change(run, err);

	return r < 0 ? r : put_back(run, entry, foreign, err);
}

/* One that does not start again, or may not be changed, is told of and keeps nobody else from being put back. An API that is
 * away, or a lock that was lost, ends it: the same command goes on later. */
static int restore_or_tell(struct cn_run *run, const json_t *entry, struct cn_strv *foreign, struct cn_error *err)
{
	_cleanup_error_ struct cn_error e = {};
	int r = cn_may_change(run, err);

	if (r < 0)
		return r;
	r = put_back(run, entry, foreign, &e);
	if (r == -EINTR || r == -ESTALE || (r < 0 && !is_unit(entry) && cn_stop_passes(r)))
		cn_error_move(err, &e);
	else if (r < 0) {
		cn_strv_add(foreign, e.message);
		r = 0;
	}
	return r;
}

/* The last change first: who is held off is let go after what he would have meddled with. */
int cn_stop_restore(struct cn_run *run, struct cn_strv *ret_foreign, struct cn_error *err)
{
	int r = 0;

	for (size_t i = 0; i < run->n; i++) {
		json_t *list = run->drains[i].journal.stopped;

		for (size_t k = json_array_size(list); k-- > 0 && r == 0;)
			r = restore_or_tell(run, json_array_get(list, k), ret_foreign, err);
	}
	return r < 0 ? cn_error_wrap(err, "cannot start what was stopped") : 0;
}

/* All that is to be put back at the end, also when one cannot be; *ret_left: how many are not. The first error, or what ended it.
 */
static int restore_held_off(struct cn_run *run, json_t *list, size_t *ret_left, struct cn_strv *foreign, int r,
			    struct cn_error *err)
{
	json_t *entry;
	size_t k;

	json_array_foreach (list, k, entry) {
		_cleanup_error_ struct cn_error e = {};
		int one = r;

		if (!cn_json_bool(entry, "for_the_time", false))
			continue;
		if (!is_hopeless(r))
			one = restore_one(run, entry, foreign, &e);
		*ret_left += one < 0;
		if (e.errnum && (r == 0 || is_hopeless(one))) {
			cn_error_release(err);
			cn_error_move(err, &e);
			r = one;
		}
	}
	return r;
}

static void tell_what_stays(struct cn_run *run, const json_t *list)
{
	const json_t *entry;
	size_t k;

	json_array_foreach (list, k, entry)
		if (cn_json_str(entry, "stays", NULL))
			cn_run_warning(run, "%s", cn_json_str(entry, "stays", NULL));
}

/* Whoever was held off for the time of the drain goes on when it is over; what was switched off for the removed OSDs stays off.
 */
int cn_stop_finish(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv foreign = {};
	size_t left = 0;
	int r = 0;

	for (size_t i = 0; i < run->n; i++) {
		r = restore_held_off(run, run->drains[i].journal.stopped, &left, &foreign, r, err);
		tell_what_stays(run, run->drains[i].journal.stopped);
	}
	if (r == 0 && foreign.n && !run->ctx->kube) { /* nobody may think that all is done */
		cn_error_set(err, CN_PARTIAL, ENOTCONN, "removed, but not put back: %s", foreign.v[0]);
		cn_error_hint(err, "run the same command again where the Kubernetes API can be reached (--kubeconfig)");
		return -ENOTCONN;
	}
	for (size_t i = 0; i < foreign.n; i++)
		cn_run_warning(run, "not put back: %s", foreign.v[i]);
	if (r < 0 && left > 1)
		return cn_error_wrap(err, "removed, but %zu that were held off for that time are not put back", left);
	return r < 0 ? cn_error_wrap(err, "removed, but what was held off for that time is not put back") : 0;
}
