/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --speed: recovery settings for the time of a drain, by the scheduler that the OSDs run. Without it nothing is touched. */
#include <errno.h>
#include <string.h>

#include "run.h"

#define SAMPLES 4                  /* OSDs that are asked for their scheduler, and later for what they have taken over */
#define LAST_LOOK_MS 20000         /* daemons report to the manager each 5 s: what has not come by then does not come */
#define CALM_MS 60000              /* without slow ops, before it goes on as asked for */
#define BRAKE "osd_recovery_sleep" /* seconds between two recovery operations of an OSD; 0: by the class of its device */
#define BRAKE_ON "1"

struct row {
	const char *name;
	const char *value[3]; /* gentle, normal, fast; NULL: as it is */
};

/* docs/cephnode.1.rst has them for people. osd_recovery_max_active above 0 outranks those by class of device. */
static const struct row classic[] = {
	{"osd_max_backfills", {"1", "1", "8"}},
	{"osd_recovery_max_active", {"1", "0", "0"}},
	{"osd_recovery_max_active_hdd", {NULL, "3", "8"}},
	{"osd_recovery_max_active_ssd", {NULL, "10", "16"}},
	{BRAKE, {"0", "0", "0"}},
	{"osd_recovery_sleep_hdd", {"0.2", "0.1", "0"}},
	{"osd_recovery_sleep_ssd", {"0.05", "0", "0"}},
	{"osd_recovery_sleep_hybrid", {"0.1", "0.025", "0"}},
};
/* The first rows. Under mClock sleeps mean nothing, and an OSD resists these where it is not told to let them be set. */
#define N_NO_SLEEP 4

static const struct row mclock[] = {
	{"osd_mclock_profile", {"high_client_ops", "balanced", "high_recovery_ops"}},
};

static const char *const speed_names[] = {
	[CN_SPEED_GENTLE] = "gentle",
	[CN_SPEED_NORMAL] = "normal",
	[CN_SPEED_FAST] = "fast",
};

static enum cn_speed asked(const struct cn_run *run)
{
	return run->ctx->options->speed;
}

static void add_rows(json_t *wanted, const struct row *rows, size_t n, enum cn_speed speed)
{
	for (size_t i = 0; i < n; i++)
		if (rows[i].value[speed - CN_SPEED_GENTLE])
			json_object_set_new(wanted, rows[i].name, json_string(rows[i].value[speed - CN_SPEED_GENTLE]));
}

/* --- what the OSDs run ------------------------------------------------------------------------------------------------ */

/* Up OSDs from all over the map: releases, and with them schedulers, differ in the middle of an upgrade. */
static int choose_samples(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	size_t up = 0, seen = 0;
	int r = cn_osdmap_get(run->c, &m, err);

	cn_ids_release(&run->speed.samples);
	for (size_t i = 0; i < m.n_osds && r == 0; i++)
		up += m.osds[i].up;
	for (size_t i = 0; i < m.n_osds && r == 0; i++) {
		if (!m.osds[i].up)
			continue;
		if (seen * SAMPLES / up != (seen + 1) * SAMPLES / up || up <= SAMPLES)
			cn_ids_add(&run->speed.samples, m.osds[i].id);
		seen++;
	}
	return r;
}

static bool value_is(struct cn_run *run, int osd, const char *name, const char *text)
{
	_cleanup_free_ char *value = NULL, *who = cn_asprintf("osd.%d", osd);

	return cn_config_show(run->c, who, name, &value, NULL) == 0 && strcmp(value, text) == 0;
}

static int look_at(struct cn_run *run, int osd, bool *ret_custom, struct cn_error *err)
{
	struct cn_speed_state *s = &run->speed;
	_cleanup_free_ char *queue = NULL, *who = cn_asprintf("osd.%d", osd);
	int r = cn_config_show(run->c, who, "osd_op_queue", &queue, err);

	if (r < 0)
		return r;
	if (strcmp(queue, "mclock_scheduler") != 0) {
		s->classic = true;
		return 0;
	}
	s->mclock = true;
	*ret_custom |= value_is(run, osd, "osd_mclock_profile", "custom");
	s->strict |= !value_is(run, osd, "osd_mclock_override_recovery_settings", "true");
	return 0;
}

/* Finds out, once, what is to be set. */
static int look(struct cn_run *run, struct cn_error *err)
{
	struct cn_speed_state *s = &run->speed;
	_cleanup_error_ struct cn_error e = {};
	bool custom = false;
	size_t answers = 0;
	int r = s->wanted ? 0 : choose_samples(run, err);

	if (r < 0 || s->wanted)
		return r;
	for (size_t i = 0; i < s->samples.n; i++)
		answers += look_at(run, s->samples.v[i], &custom, &e) == 0;
	if (answers == 0)
		return cn_error_set(err, CN_FAILED, ENODATA, "cannot find out how the OSDs schedule recovery: %s",
				    e.message ? e.message : "none is up");
	s->wanted = json_object();
	if (!s->strict)
		add_rows(s->wanted, classic, N_NO_SLEEP, asked(run));
	if (s->classic)
		add_rows(s->wanted, classic + N_NO_SLEEP, ARRAY_SIZE(classic) - N_NO_SLEEP, asked(run));
	if (custom)
		cn_run_warning(run, "osd_mclock_profile is custom, and stays so: --speed has no say there");
	else if (s->mclock)
		add_rows(s->wanted, mclock, ARRAY_SIZE(mclock), asked(run));
	if (s->classic && s->strict)
		cn_run_warning(run, "some OSDs schedule by mClock, which resists osd_max_backfills and its like: of the others "
				    "--speed sets the sleeps alone");
	return 0;
}

void cn_speed_tell(struct cn_run *run, json_t *plan)
{
	_cleanup_error_ struct cn_error e = {};

	if (!asked(run))
		return;
	if (look(run, &e) < 0)
		cn_run_warning(run, "%s", e.message);
	json_object_set_new(plan, "speed", json_string(speed_names[asked(run)]));
	json_object_set(plan, "settings", run->speed.wanted ? run->speed.wanted : json_null());
}

/* --- setting ---------------------------------------------------------------------------------------------------------- */

/* Under the decision lock. What speed lacks is no reason to fail: only what ends the window, or the journal, is. */
static int set(struct cn_run *run, const json_t *wanted, bool only_known, size_t *ret_set, struct cn_error *err)
{
	int r = cn_settings_apply(run, wanted, only_known, ret_set, err);

	run->speed.set_ms = cn_clock_boot_ms(run->clock);
	return r;
}

static void tell_foreign(struct cn_run *run, const struct cn_strv *foreign)
{
	for (size_t i = 0; i < foreign->n; i++)
		cn_run_warning(run, "not put back: %s", foreign->v[i]);
}

int cn_speed_restore(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv foreign = {};
	int r = cn_settings_restore(run, &foreign, err);

	run->speed.on = false;
	tell_foreign(run, &foreign);
	return r;
}

int cn_speed_apply(struct cn_run *run, struct cn_error *err)
{
	_cleanup_error_ struct cn_error e = {};
	size_t n = 0;
	int r;

	run->speed.lost = run->speed.braked = run->speed.on = false;
	if (!asked(run) || cn_run_phase(run) >= CN_PHASE_DRAINED) /* what a call before has left */
		return cn_speed_restore(run, err);
	r = look(run, &e);
	if (r < 0) {
		cn_run_warning(run, "going on at the cluster's own speed: %s", e.message);
		return cn_speed_restore(run, err);
	}
	r = set(run, run->speed.wanted, false, &n, err);
	if (r == -EINVAL) { /* Ceph before Mimic */
		cn_run_warning(run, "going on at the cluster's own speed: %s", err->message);
		cn_error_release(err);
		return 0;
	}
	run->speed.on = r == 0 && n;
	run->speed.looked_back = false;
	return r;
}

/* --- while data moves ------------------------------------------------------------------------------------------------- */

static const json_t *shown(const json_t *config, const char *name)
{
	json_t *e;
	size_t i;

	json_array_foreach (config, i, e)
		if (strcmp(cn_json_str(e, "name", ""), name) == 0)
			return e;
	return NULL;
}

static bool is_sleep(const char *name)
{
	for (size_t i = N_NO_SLEEP; i < ARRAY_SIZE(classic); i++)
		if (strcmp(classic[i].name, name) == 0)
			return true;
	return false;
}

/* Adds what an OSD runs with and should not. Returns whether some of it may still change. */
static bool look_at_values(struct cn_run *run, int osd, struct cn_strv *ret)
{
	bool sleepless = run->speed.classic && value_is(run, osd, "osd_op_queue", "mclock_scheduler");
	_cleanup_free_ char *who = cn_asprintf("osd.%d", osd);
	_cleanup_json_ json_t *config = NULL;
	bool changing = false;
	const char *name;
	json_t *v;

	if (cn_config_show_all(run->c, who, &config, NULL) < 0)
		return true; /* it is down, or the manager is away */
	json_object_foreach (run->speed.wanted, name, v) {
		const json_t *e = shown(config, name);
		const char *now = cn_json_str(e, "value", NULL), *source = cn_json_str(e, "source", "default");
		const char *want = strcmp(name, BRAKE) == 0 && run->speed.braked ? BRAKE_ON : json_string_value(v);

		if (sleepless && is_sleep(name)) /* they are for the others */
			continue;
		if (cn_settings_same(now, want) || (strcmp(source, "mon") == 0 && cn_strv_has(&run->speed.outranked, name)))
			continue;
		cn_strv_addf(ret, "%s of osd.%d is %s (source: %s)", name, osd, now ? now : "its default", source);
		changing |= strcmp(source, "mon") == 0 || strcmp(source, "default") == 0;
	}
	return changing;
}

/* A daemon's own configuration file outranks what was set. */
static void look_back(struct cn_run *run)
{
	_cleanup_(cn_strv_release) struct cn_strv behind = {};
	_cleanup_free_ char *text = NULL;
	bool changing = false;

	if (run->speed.looked_back)
		return;
	for (size_t i = 0; i < run->speed.samples.n; i++)
		changing |= look_at_values(run, run->speed.samples.v[i], &behind);
	run->speed.looked_back = !changing || cn_clock_boot_ms(run->clock) - run->speed.set_ms >= LAST_LOOK_MS;
	if (behind.n == 0 || !run->speed.looked_back)
		return;
	text = cn_strv_join(&behind, ", ");
	cn_run_warning(run, "--speed does not hold everywhere: %s", text);
}

/* The decision lock, if nobody has it; the journals as we left them. */
static bool quick_window(struct cn_run *run)
{
	if (cn_window_try(run, NULL) < 0)
		return false;
	if (cn_gate(run, false, NULL) == 0)
		return true;
	cn_window_close(run);
	return false;
}

static bool has_slow_ops(const struct cn_health *health, const char **ret_words)
{
	for (size_t i = 0; i < health->n_checks; i++)
		if (strcmp(health->checks[i].code, "SLOW_OPS") == 0) {
			*ret_words = health->checks[i].summary;
			return true;
		}
	return false;
}

static bool brake(struct cn_run *run, bool on)
{
	_cleanup_json_ json_t *wanted = json_pack("{ss}", BRAKE, on ? BRAKE_ON : "0");
	_cleanup_error_ struct cn_error e = {};
	size_t n = 0;

	if (!quick_window(run))
		return false;
	if (set(run, wanted, true, &n, &e) < 0)
		n = 0;
	cn_window_close(run);
	run->speed.no_brake = n == 0; /* it was another hand's, or may not be set */
	run->speed.braked = on && n;
	return n;
}

/* Clients wait for their operations: recovery makes room for them. */
static void heed_clients(struct cn_run *run, const struct cn_health *health)
{
	struct cn_speed_state *s = &run->speed;
	int64_t now = cn_clock_boot_ms(run->clock);
	const char *words = NULL;
	bool slow = has_slow_ops(health, &words);

	if (slow)
		s->slow_ms = now;
	if (slow && !s->classic && !s->told) {
		cn_run_warning(run, "clients wait (%s), and mClock knows nothing gentler than osd_mclock_profile high_client_ops",
			       words);
		s->told = true;
	} else if (slow && s->classic && !s->braked && !s->no_brake && brake(run, true)) {
		cn_run_warning(run, "clients wait (%s): recovery backs off, " BRAKE " is " BRAKE_ON, words);
	} else if (!slow && s->braked && now - s->slow_ms >= CALM_MS && brake(run, false)) {
		cn_run_warning(run, "no slow operations for %d s: recovery goes on at --speed gentle", CALM_MS / 1000);
	}
}

void cn_speed_tend(struct cn_run *run, const struct cn_health *health)
{
	_cleanup_error_ struct cn_error e = {};

	if (!asked(run))
		return;
	if (run->speed.lost && quick_window(run)) {
		cn_run_warning(run, "this process stood still for so long that another cephnode has put the settings of --speed "
				    "back; setting them again");
		if (cn_speed_apply(run, &e) < 0)
			cn_run_warning(run, "going on at the cluster's own speed: %s", e.message);
		cn_window_close(run);
	}
	if (!run->speed.on)
		return;
	look_back(run);
	if (asked(run) == CN_SPEED_GENTLE)
		heed_clients(run, health);
}

void cn_speed_leave(struct cn_run *run)
{
	_cleanup_error_ struct cn_error e = {};
	bool any = false;

	for (size_t i = 0; i < run->n; i++) {
		if (!run->drains[i].own)
			return; /* it may be another's */
		any |= run->drains[i].journal.settings != NULL;
	}
	if (any && (cn_check_journals(run, &e) < 0 || cn_speed_restore(run, &e) < 0))
		cn_run_warning(run, "the settings of --speed are not put back: %s; the next cephnode does it", e.message);
}

json_t *cn_speed_fields(const struct cn_run *run)
{
	return run->speed.on ? json_pack("{sO}", "settings", run->speed.wanted) : NULL;
}

void cn_speed_release(struct cn_run *run)
{
	cn_ids_release(&run->speed.samples);
	cn_strv_release(&run->speed.outranked);
	json_decref(run->speed.wanted);
}
