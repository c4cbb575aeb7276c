/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why nothing moves, by looking. It takes a dozen commands, so it is asked only when nothing has moved for a while. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "run.h"

#define ASKED_OSDS 4   /* whose settings are read, of those that lead PGs which are left */
#define ASKED_PGS 3    /* whose primaries are asked themselves */
#define NAMED_PGS 8    /* in a command to type */
#define LONG_SLEEP 0.5 /* seconds between two recovery operations; defaults are 0.1 at most */

struct doctor {
	struct cn_run *run;
	const struct cn_measure *m;
	struct cn_osdmap map;
	struct cn_crush crush;
	struct cn_ids own; /* the OSDs of the run */
	struct cn_causes *causes;
};

/* Takes text and hint over. */
static void add(struct doctor *d, const char *kind, char *text, char *hint)
{
	cn_grow(&d->causes->v, &d->causes->cap, d->causes->n, sizeof(*d->causes->v));
	d->causes->v[d->causes->n++] = (struct cn_cause){kind, text, hint};
}

void cn_causes_release(struct cn_causes *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].text);
		free(l->v[i].hint);
	}
	free(l->v);
	*l = (struct cn_causes){};
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* How many of the PGs that are left have this word in their state; *ret_first (may be NULL): one of them. */
static size_t left_with(const struct doctor *d, const char *word, const struct cn_pg **ret_first)
{
	size_t n = 0;

	for (size_t i = 0; i < d->m->left.n; i++)
		if (cn_pg_state_has(d->m->left.v[i].state, word)) {
			if (ret_first && n == 0)
				*ret_first = &d->m->left.v[i];
			n++;
		}
	return n;
}

/* --- what others did ------------------------------------------------------------------------------------------------- */

static void look_at_flags(struct doctor *d)
{
	static const struct {
		const char *flag, *unset;
	} stoppers[] = {{"norecover", "norecover"},
			{"nobackfill", "nobackfill"},
			{"norebalance", "norebalance"},
			{"pauserd", "pause"},
			{"pausewr", "pause"}};
	_cleanup_(cn_strv_release) struct cn_strv names = {}, commands = {};

	for (size_t i = 0; i < ARRAY_SIZE(stoppers); i++) {
		_cleanup_free_ char *command = cn_asprintf("ceph osd unset %s", stoppers[i].unset);

		if (!cn_strv_has(&d->map.flags, stoppers[i].flag))
			continue;
		cn_strv_add(&names, stoppers[i].flag);
		if (!cn_strv_has(&commands, command))
			cn_strv_add(&commands, command);
	}
	if (names.n) {
		_cleanup_free_ char *list = cn_strv_join(&names, ", ");

		add(d, "flags",
		    cn_asprintf("the flag%s %s %s set (not by this drain)", plural(names.n), list, names.n == 1 ? "is" : "are"),
		    cn_strv_join(&commands, "; "));
	}
}

/* Those that are out and down are nobody's loss any more, unless a PG waits for them: then its state says so. */
static void look_at_down(struct doctor *d)
{
	_cleanup_(cn_ids_release) struct cn_ids down = {};
	_cleanup_free_ char *list = NULL;
	const struct cn_bucket *host;

	for (size_t i = 0; i < d->map.n_osds; i++)
		if (!d->map.osds[i].up && d->map.osds[i].in && !cn_ids_has(&d->own, d->map.osds[i].id))
			cn_ids_add(&down, d->map.osds[i].id);
	if (down.n == 0)
		return;
	list = cn_ids_format(&down, "osd.", ", ");
	host = cn_crush_host(&d->crush, down.v[0]);
	add(d, "down", cn_asprintf("%s %s down", list, down.n == 1 ? "is" : "are"),
	    cn_strv_has(&d->map.flags, "noup")
		    ? cn_strdup("ceph osd unset noup")
		    : cn_asprintf("start %s%s%s, or, if its data are elsewhere, let the cluster do without it: ceph osd out %d",
				  down.n == 1 ? "it" : "them", host ? " on " : "", host ? host->name : "", down.v[0]));
}

/* One of the node itself. In a drain of a dead node they all are, so this is told only where nothing else is found. */
static void look_at_own(struct doctor *d)
{
	for (size_t i = 0; i < d->own.n && d->causes->n == 0; i++)
		if (!cn_osdmap_osd(&d->map, d->own.v[i])->up)
			add(d, "own down", cn_asprintf("osd.%d, of the node itself, is down", d->own.v[i]),
			    cn_strdup("start it again if it still can be: what it holds is then copied from it"));
}

static void look_at_inactive(struct doctor *d)
{
	static const char *const words[] = {"recovery_unfound", "backfill_unfound", "incomplete", "down", "stale"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		const struct cn_pg *pg = NULL;
		size_t n = left_with(d, words[i], &pg);
		char id[CN_PGID_STRLEN];

		if (n == 0)
			continue;
		cn_pgid_format(pg->id, id);
		add(d, words[i],
		    cn_asprintf("%zu PG%s: %s (%s%s), waiting for an OSD that is down", n, plural(n), words[i], id,
				n > 1 ? ", ..." : ""),
		    cn_asprintf("ceph pg %s query names it under recovery_state", id));
		return;
	}
}

/* --- no place -------------------------------------------------------------------------------------------------------- */

static bool has_hole(const struct cn_pg *pg, const struct cn_pool *pool)
{
	size_t n = 0;

	for (size_t i = 0; i < pg->n_up; i++)
		n += pg->up[i] != CN_CRUSH_NONE;
	return n < (size_t)pool->size;
}

/* OSDs that the rule could use if they were in. */
static char *out_ones(const struct doctor *d, int rule)
{
	_cleanup_(cn_ids_release) struct cn_ids out = {};

	for (size_t i = 0; i < d->map.n_osds; i++) {
		const struct cn_osd *o = &d->map.osds[i];

		if (o->up && !o->in && !cn_ids_has(&d->own, o->id) && cn_crush_weight(&d->crush, o->id, NULL) > 0 &&
		    cn_crush_rule_reaches(&d->crush, rule, o->id))
			cn_ids_add(&out, o->id);
	}
	return out.n ? cn_ids_format(&out, "", " ") : NULL;
}

static void look_at_pool(struct doctor *d, const struct cn_pool *pool)
{
	_cleanup_free_ char *out = NULL;
	const char *domain = "osd";
	size_t n = 0;
	int room;

	for (size_t i = 0; i < d->m->left.n; i++)
		n += d->m->left.v[i].id.pool == pool->id && has_hole(&d->m->left.v[i], pool);
	if (n == 0)
		return;
	room = cn_crush_capacity(&d->crush, &d->map, pool->rule, pool->size, &d->own, &domain);
	out = out_ones(d, pool->rule);
	add(d, "no place",
	    cn_asprintf("%zu PG%s of pool %s ha%s nowhere to go: rule %s needs %d %ss, and %d can be used", n, plural(n),
			pool->name, n == 1 ? "s" : "ve", cn_json_str(cn_crush_rule(&d->crush, pool->rule), "rule_name", "?"),
			pool->size, domain, room),
	    out ? cn_asprintf("take OSDs in again: ceph osd in %s", out)
		: cn_asprintf("add a %s, or take the drain back: cephnode cancel %s", domain, d->run->node));
}

static double fill_of(const struct cn_osd_usages *u, int osd)
{
	for (size_t i = 0; i < u->n; i++)
		if (u->v[i].id == osd && u->v[i].total > 0)
			return (double)u->v[i].used / (double)u->v[i].total;
	return -1;
}

static bool is_toofull(const struct cn_pg *pg)
{
	return cn_pg_state_has(pg->state, "backfill_toofull") || cn_pg_state_has(pg->state, "recovery_toofull");
}

static void targets_of(const struct cn_pg *pg, struct cn_ids *ret)
{
	for (size_t i = 0; i < pg->n_up; i++) {
		bool there = pg->up[i] == CN_CRUSH_NONE;

		for (size_t k = 0; k < pg->n_acting && !there; k++)
			there = pg->acting[k] == pg->up[i];
		if (!there)
			cn_ids_add(ret, pg->up[i]);
	}
}

static void look_at_room(struct doctor *d)
{
	_cleanup_(cn_osd_usages_release) struct cn_osd_usages usage = {};
	_cleanup_(cn_ids_release) struct cn_ids targets = {};
	_cleanup_(cn_strv_release) struct cn_strv full = {};
	_cleanup_free_ char *list = NULL;
	double limit = d->map.backfillfull_ratio, most = 0;
	size_t n = 0;

	for (size_t i = 0; i < d->m->left.n; i++)
		if (is_toofull(&d->m->left.v[i])) {
			targets_of(&d->m->left.v[i], &targets);
			n++;
		}
	if (n == 0 || cn_osd_df(d->run->c, &usage, NULL) < 0)
		return;
	for (size_t i = 0; i < targets.n; i++)
		most = MAX(most, fill_of(&usage, targets.v[i]));
	for (size_t i = 0; i < targets.n; i++) {
		double fill = fill_of(&usage, targets.v[i]);

		/* below the limit: what is already promised to it counts as well */
		if (fill >= MIN(limit, most))
			cn_strv_addf(&full, "osd.%d is %.1f %% full", targets.v[i], 100 * fill);
	}
	list = cn_strv_join(&full, ", ");
	add(d, "full",
	    cn_asprintf("%zu PG%s wait%s for room: %s, and the limit for backfill is %.1f %%", n, plural(n), n == 1 ? "s" : "",
			full.n ? list : "their targets are too full", 100 * limit),
	    cn_asprintf(
		    "add OSDs or delete data; where that takes too long, raise the limit: ceph osd set-backfillfull-ratio %.2f",
		    MIN(ceil(100 * (most + 0.02)) / 100, d->map.full_ratio)));
}

/* --- starved --------------------------------------------------------------------------------------------------------- */

static double setting(struct doctor *d, const char *who, const char *name, double def)
{
	_cleanup_free_ char *text = NULL;

	return cn_config_show(d->run->c, who, name, &text, NULL) < 0 || !*text ? def : strtod(text, NULL);
}

static bool setting_is(struct doctor *d, const char *who, const char *name, const char *value)
{
	_cleanup_free_ char *text = NULL;

	return cn_config_show(d->run->c, who, name, &text, NULL) == 0 && strcmp(text, value) == 0;
}

/* Under mClock sleeps do not count and the profile says how much recovery gets. What is queued already has its date from when it
 * was queued: with a custom profile that can be hours ahead, and a better profile does not change it. */
static bool look_at_mclock(struct doctor *d, const char *who)
{
	static const char hint[] = "ceph config set osd osd_mclock_profile high_recovery_ops",
			  restart[] = "; and then, as what is queued keeps its place, restart the OSDs host by host";
	_cleanup_free_ char *profile = NULL;
	bool custom;

	if (!setting_is(d, who, "osd_op_queue", "mclock_scheduler"))
		return false;
	if (cn_config_show(d->run->c, who, "osd_mclock_profile", &profile, NULL) < 0 || strcmp(profile, "high_recovery_ops") == 0)
		return true;
	custom = strcmp(profile, "custom") == 0;
	add(d, "mclock",
	    cn_asprintf("%s schedules by mClock with the profile %s, which gives recovery %s", who, profile,
			custom ? "no more than osd_mclock_scheduler_background_recovery_* say" : "what clients leave"),
	    cn_asprintf("%s%s", hint, custom ? restart : ""));
	return true;
}

/* A setting of the daemon itself outranks the config database and files, so that is where the hint puts it. */
static bool look_at_settings(struct doctor *d, const char *who)
{
	static const char *const sleeps[] = {"osd_recovery_sleep", "osd_recovery_sleep_hdd", "osd_recovery_sleep_ssd",
					     "osd_recovery_sleep_hybrid"};

	if (setting(d, who, "osd_max_backfills", 1) < 1) {
		add(d, "limit", cn_asprintf("%s has osd_max_backfills = 0, which lets nothing move", who),
		    cn_strdup("ceph tell 'osd.*' config set osd_max_backfills 1"));
		return true;
	}
	if (look_at_mclock(d, who))
		return d->causes->n;
	for (size_t i = 0; i < ARRAY_SIZE(sleeps); i++) {
		double s = setting(d, who, sleeps[i], 0);

		if (s < LONG_SLEEP)
			continue;
		add(d, "sleep", cn_asprintf("%s sleeps %g s between two recovery operations (%s)", who, s, sleeps[i]),
		    cn_asprintf("ceph tell 'osd.*' config set %s 0", sleeps[i]));
		return true;
	}
	return false;
}

static int leader_of(const struct cn_pg *pg)
{
	for (size_t i = 0; i < pg->n_acting; i++)
		if (pg->acting[i] != CN_CRUSH_NONE)
			return pg->acting[i];
	return -1;
}

static void look_at_speed(struct doctor *d)
{
	_cleanup_(cn_ids_release) struct cn_ids leaders = {};

	for (size_t i = 0; i < d->m->left.n && leaders.n < ASKED_OSDS; i++)
		if (leader_of(&d->m->left.v[i]) >= 0)
			cn_ids_add(&leaders, leader_of(&d->m->left.v[i]));
	for (size_t i = 0; i < leaders.n; i++) {
		_cleanup_free_ char *who = cn_asprintf("osd.%d", leaders.v[i]);

		if (look_at_settings(d, who))
			return;
	}
}

static void look_at_queue(struct doctor *d)
{
	_cleanup_(cn_strv_release) struct cn_strv ids = {};
	_cleanup_free_ char *list = NULL;
	size_t backfill = left_with(d, "backfill_wait", NULL), recovery = left_with(d, "recovery_wait", NULL);
	const char *word = backfill ? "backfill_wait" : "recovery_wait";

	if (backfill + recovery == 0 || d->m->others == 0)
		return;
	for (size_t i = 0; i < d->m->left.n && ids.n < NAMED_PGS; i++) {
		char text[CN_PGID_STRLEN];

		if (cn_pg_state_has(d->m->left.v[i].state, word))
			cn_strv_add(&ids, cn_pgid_format(d->m->left.v[i].id, text));
	}
	list = cn_strv_join(&ids, " ");
	add(d, "queue",
	    cn_asprintf("%zu PG%s wait%s in the queue (%s) behind %zu other%s that recover or backfill", backfill + recovery,
			plural(backfill + recovery), backfill + recovery == 1 ? "s" : "", word, d->m->others,
			plural(d->m->others)),
	    cn_asprintf("wait, or bring PGs of this drain forward: ceph pg %s %s", backfill ? "force-backfill" : "force-recovery",
			list));
}

/* --- no statistics --------------------------------------------------------------------------------------------------- */

static void look_at_manager(struct doctor *d)
{
	_cleanup_json_ json_t *dump = NULL;
	const char *name;

	if (cn_mgr_dump(d->run->c, &dump, NULL) < 0)
		return;
	name = cn_json_str(dump, "active_name", "?");
	if (!cn_json_bool(dump, "available", false))
		add(d, "manager", cn_asprintf("no manager is active, so nothing says how far the PGs are"),
		    cn_strdup("start one: systemctl start ceph-mgr.target on its host; see it by: ceph mgr stat"));
	else
		add(d, "manager", cn_asprintf("the manager %s does not answer, or has no statistics yet", name),
		    json_array_size(cn_json_arr(dump, "standbys"))
			    ? cn_asprintf("let another take over: ceph mgr fail %s", name)
			    : cn_asprintf("start it again: systemctl restart ceph-mgr@%s on its host", name));
}

/* The manager answers, but what it says of a PG is not what the PG itself says. */
static bool is_outdated(struct doctor *d, const struct cn_pg *pg)
{
	struct cn_pg live = {};
	char id[CN_PGID_STRLEN];
	bool outdated;

	if (cn_pg_query(d->run->c, pg->id, &live, NULL, NULL) < 0)
		return false;
	outdated = cn_pg_state_is_clean(live.state);
	for (size_t i = 0; i < d->own.n; i++)
		outdated &= !cn_pg_has_osd(&live, d->own.v[i]);
	if (outdated) {
		_cleanup_json_ json_t *dump = NULL;

		cn_mgr_dump(d->run->c, &dump, NULL);
		add(d, "statistics",
		    cn_asprintf("the manager's statistics stand still: PG %s is %s by its own word, and %s by the manager's",
				cn_pgid_format(pg->id, id), live.state, pg->state),
		    cn_asprintf("let it begin anew: ceph mgr fail %s", cn_json_str(dump, "active_name", "NAME")));
	}
	cn_pg_release(&live);
	return outdated;
}

static void look_at_age(struct doctor *d)
{
	size_t asked = 0;

	for (size_t i = 0; i < d->m->left.n && asked < ASKED_PGS; i++) {
		if (!cn_pg_state_has(d->m->left.v[i].state, "active"))
			continue; /* it may have no primary that could answer */
		asked++;
		if (is_outdated(d, &d->m->left.v[i]))
			return;
	}
}

void cn_diagnose(struct cn_run *run, const struct cn_measure *left, bool blind, struct cn_causes *ret)
{
	struct doctor d = {.run = run, .m = left, .causes = ret};

	if (cn_osdmap_get(run->c, &d.map, NULL) < 0 || cn_crush_get(run->c, &d.crush, NULL) < 0) {
		add(&d, "monitors", cn_strdup("the monitors do not answer"),
		    cn_strdup("is there a quorum? On a monitor's host: ceph daemon mon.ID mon_status"));
		cn_osdmap_release(&d.map);
		return;
	}
	cn_run_osds(run, &d.map, &d.own);
	look_at_flags(&d);
	look_at_down(&d);
	look_at_inactive(&d);
	for (size_t i = 0; i < d.map.n_pools; i++)
		look_at_pool(&d, &d.map.pools[i]);
	if (blind) {
		look_at_manager(&d);
	} else {
		look_at_room(&d);
		look_at_age(&d);
		if (ret->n == 0) { /* what stands above explains it; a slow cluster would be blamed for it too */
			look_at_speed(&d);
			look_at_queue(&d);
		}
	}
	look_at_own(&d);
	cn_ids_release(&d.own);
	cn_crush_release(&d.crush);
	cn_osdmap_release(&d.map);
}

int cn_give_up(struct cn_run *run, const struct cn_measure *left, bool blind, const char *what, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv texts = {}, hints = {};
	_cleanup_free_ char *text = NULL, *hint = NULL;
	struct cn_causes causes = {};

	cn_diagnose(run, left, blind, &causes);
	for (size_t i = 0; i < causes.n; i++) {
		cn_strv_add(&texts, causes.v[i].text);
		cn_strv_add(&hints, causes.v[i].hint);
	}
	cn_causes_release(&causes);
	cn_strv_add(&texts, what);
	cn_strv_add(&hints, hints.n ? "then run the same command again, or undo with cephnode cancel"
				    : "mend the cause and run the same command again, or undo with cephnode cancel");
	text = cn_strv_join(&texts, "; ");
	hint = cn_strv_join(&hints, "; ");
	cn_error_set(err, CN_TIMEOUT, ETIME, "nothing has changed for %" PRId64 " s: %s", run->ctx->options->stall_timeout_s,
		     text);
	cn_error_hint(err, "%s", hint);
	return -ETIME;
}
