/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The proof that an OSD may go: no PG has it in up or acting, and every PG that had it is clean. From three sides: the mon's map
 * now, each primary's own word, and the manager's safe-to-destroy while the OSD is up. The manager's statistics are no proof:
 * they are seconds old, and a PG that moves nothing may not report for minutes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/base/parallel.h"
#include "run.h"

#define POLL_MS 500
#define TELL_MS 10000 /* statistics and PG deletion take some seconds: only then is it worth a word */

struct prover {
	struct cn_run *run;
	const struct cn_ids *osds;
	const struct cn_journal_pg *pgs;
	char **reasons; /* NULL: proven */
	struct cn_error *errors;
	atomic_bool silent; /* monitors or an OSD did not answer in time: `errors` has it */
};

static int first_of(const struct cn_ids *osds, const struct cn_pg *pg)
{
	for (size_t i = 0; i < osds->n; i++)
		if (cn_pg_has_osd(pg, osds->v[i]))
			return osds->v[i];
	return -1;
}

static char *judge_query(const struct prover *p, const char *pgid, const struct cn_pg *pg, const struct cn_ids *others)
{
	int64_t change = cn_pg_change_epoch(p->run, pg->id);
	int osd = first_of(p->osds, pg);

	if (pg->reported_epoch < change)
		return cn_asprintf("the primary of PG %s has seen epoch %" PRId64 " only, not %" PRId64, pgid, pg->reported_epoch,
				   change);
	if (!cn_pg_state_is_clean(pg->state) || pg->unfound > 0)
		return cn_asprintf("PG %s is %s", pgid, pg->state);
	if (osd >= 0)
		return cn_asprintf("PG %s still has osd.%d, says its primary", pgid, osd);
	for (size_t i = 0; i < p->osds->n; i++)
		if (cn_ids_has(others, p->osds->v[i]))
			return cn_asprintf("the primary of PG %s still counts on osd.%d", pgid, p->osds->v[i]);
	return NULL;
}

/* Then no further PG is asked: thousands of them, each for as long as a command may take, would be hours in which nobody looks at
 * --timeout. The clock is read for each: that feeds the watchdog of `heat agent`. */
static bool proof_is_over(const struct prover *p)
{
	int64_t now = cn_clock_boot_ms(p->run->clock), end = p->run->timeout_at_ms;

	return atomic_load(&p->silent) || cn_interrupted() || (end && now >= end);
}

static void set_reason(struct prover *p, size_t i, char *reason)
{
	free(p->reasons[i]);
	p->reasons[i] = reason;
}

static void prove_pg(void *arg, size_t i)
{
	struct prover *p = arg;
	struct cn_pg map = {}, live = {};
	_cleanup_(cn_ids_release) struct cn_ids others = {};
	char text[CN_PGID_STRLEN];
	int osd, r;

	cn_pgid_format(p->pgs[i].id, text);
	set_reason(p, i, cn_asprintf("PG %s was not asked", text)); /* whatever happens: proven is only who was */
	if (proof_is_over(p))
		return;
	r = cn_pg_map(p->run->c, p->pgs[i].id, &map, &p->errors[i]);
	osd = first_of(p->osds, &map);
	if (osd >= 0) {
		set_reason(p, i, cn_asprintf("PG %s is still mapped to osd.%d", text, osd));
	} else if (r == 0 && !proof_is_over(p)) {
		r = cn_pg_query(p->run->c, p->pgs[i].id, &live, &others, &p->errors[i]);
		if (r == 0)
			set_reason(p, i, judge_query(p, text, &live, &others));
	}
	if (r == -ETIMEDOUT || r == -ENOTCONN || r == -ESHUTDOWN)
		atomic_store(&p->silent, true);
	cn_pg_release(&map);
	cn_pg_release(&live);
}

static int ask_manager(struct cn_run *run, const struct cn_ids *osds, char **ret_reason, struct cn_error *err)
{
	struct cn_safe safe = {};
	int r = cn_osd_safe_to_destroy(run->c, osds, &safe, err);

	for (size_t i = 0; i < osds->n && r == 0 && !*ret_reason; i++) {
		int id = osds->v[i];

		if (cn_ids_has(&safe.safe, id))
			continue;
		*ret_reason =
			cn_asprintf("the manager does not call osd.%d safe to destroy: %s", id,
				    cn_ids_has(&safe.active, id)          ? "PGs still map to it"
				    : cn_ids_has(&safe.stored_pgs, id)    ? "it has not deleted its PGs yet"
				    : cn_ids_has(&safe.missing_stats, id) ? "it is down, and some PG of the cluster is not clean"
									  : "no answer for it");
	}
	cn_safe_release(&safe);
	return r;
}

static int ask_health(struct cn_run *run, const struct cn_osdmap *m, const struct cn_ids *osds, char **ret_reason,
		      struct cn_error *err)
{
	_cleanup_(cn_journals_release) struct cn_journals journals = {};
	_cleanup_(cn_health_release) struct cn_health h = {};
	_cleanup_(cn_strv_release) struct cn_strv found = {};
	struct cn_health_context ctx = {&run->accept, m, osds, &journals, true};
	bool never;
	int r = cn_journals_load(run->c, &journals, err);

	if (r == 0)
		r = cn_health_get(run->c, &h, err);
	if (r < 0)
		return r;
	cn_health_judge(&h, &ctx, &found, &never);
	if (found.n)
		*ret_reason = cn_asprintf("the cluster's health speaks against it: %s", found.v[0]);
	return 0;
}

int cn_prove_once(struct cn_run *run, bool need_safe, size_t *ret_missing, char **ret_reason, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	_cleanup_(cn_ids_release) struct cn_ids osds = {}, ask = {};
	_cleanup_free_ struct cn_journal_pg *pgs = NULL;
	struct prover p = {.run = run, .osds = &osds};
	char *reason = NULL;
	size_t n, missing = 0;
	int r = cn_osdmap_get(run->c, &m, err);

	if (r < 0)
		return r;
	cn_run_osds(run, &m, &osds);
	p.pgs = pgs = cn_run_pgs(run, &m, &n);
	p.reasons = cn_calloc(n, sizeof(*p.reasons));
	p.errors = cn_calloc(n, sizeof(*p.errors));
	cn_parallel(n, CN_THREADS, prove_pg, &p);
	for (size_t i = 0; i < n; i++) {
		missing += p.reasons[i] || p.errors[i].errnum;
		if (p.reasons[i] && !reason)
			reason = TAKE_PTR(p.reasons[i]);
		if (p.errors[i].errnum && r == 0) {
			r = -p.errors[i].errnum;
			cn_error_move(err, &p.errors[i]);
		}
		free(p.reasons[i]);
		cn_error_release(&p.errors[i]);
	}
	free(p.reasons);
	free(p.errors);
	if (r == 0 && cn_interrupted())
		r = cn_error_interrupted(err);
	for (size_t i = 0; i < osds.n && !reason; i++)
		if (cn_osdmap_temp_has(&m, osds.v[i]))
			reason = cn_asprintf("a pg_temp entry still names osd.%d", osds.v[i]);
	for (size_t i = 0; i < osds.n; i++) /* one that was stopped after a full proof has no statistics any more */
		if (need_safe || cn_osdmap_osd(&m, osds.v[i])->up)
			cn_ids_add(&ask, osds.v[i]);
	if (r == 0 && !reason && ask.n)
		r = ask_manager(run, &ask, &reason, err);
	if (r == 0 && !reason)
		r = ask_health(run, &m, &osds, &reason, err);
	if (r < 0) {
		free(reason);
		return r;
	}
	*ret_missing = missing;
	*ret_reason = reason;
	return 0;
}

int cn_step_prove(struct cn_run *run, bool need_safe, struct cn_error *err)
{
	struct cn_patience patience = {};
	int64_t begin = cn_clock_boot_ms(run->clock);
	bool told = false;

	cn_step_begin(run, "prove");
	for (;;) {
		_cleanup_free_ char *reason = NULL;
		int64_t start = cn_clock_boot_ms(run->clock);
		size_t missing = 0;
		bool failed;
		int r;

		cn_limit_commands(run);
		r = cn_check_journals(run, err);
		if (r == 0 && run->weights_zero)
			r = cn_check_weights(run, err);
		if (r == 0)
			r = cn_prove_once(run, need_safe, &missing, &reason, err);
		if (r < 0 && !cn_error_passes(r))
			return r;
		if (r < 0)
			reason = cn_strdup(err->message ? err->message : "no answer");
		failed = r < 0;
		if (failed) /* says nothing of how many are missing */
			missing = patience.since_ms ? (size_t)patience.count : SIZE_MAX / 2;
		cn_error_release(err);
		if (!reason)
			break;
		if (!told && cn_clock_boot_ms(run->clock) - begin > TELL_MS) {
			cn_run_warning(run, "not proven yet: %s", reason);
			told = true;
		}
		r = cn_patience_check(run, &patience, 0, (int64_t)missing, reason, err);
		if (r == -ETIME)
			r = cn_give_up(run, &(struct cn_measure){}, false, reason, err);
		if (r < 0)
			return r;
		if (cn_pause(run, POLL_MS, failed ? 0 : cn_clock_boot_ms(run->clock) - start) < 0)
			return cn_error_interrupted(err);
	}
	cn_step_end(run, "prove", NULL);
	return 0;
}
