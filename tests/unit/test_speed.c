/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --speed: what is set, what was there before, and that it comes back, whoever dies and whatever others do. */
#include <errno.h>

#include "sim.h"

/* What an operator has set before: one value as an older release wrote it, two that outrank those for all. */
static void configure(struct sim *s)
{
	sim_set_config(s, "osd", "", "osd_recovery_sleep_hdd", "0.3");
	sim_set_config(s, "osd", "", "osd_max_backfills", "2");
	sim_set_config(s, "osd", "class:hdd", "osd_max_backfills", "4");
	sim_set_config(s, "osd.3", "", "osd_recovery_sleep", "0.7");
	sim_set_config(s, "global", "", "osd_recovery_max_active", "5");
}

static int setup(void **state)
{
	struct sim *s = sim_new();

	configure(s);
	s->options.speed = CN_SPEED_GENTLE;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	sim_free(*state);
	return 0;
}

static void assert_config(struct sim *s, const char *name, const char *want)
{
	const char *now = sim_config(s, "osd", "", name);
	bool numbers = now && strchr(now, '.') && strchr(want, '.');

	if (numbers ? atof(now) < atof(want) || atof(now) > atof(want) : strcmp(now ? now : "-", want) != 0)
		fail_msg("%s is %s, not %s", name, now ? now : "-", want);
}

static void assert_as_before(struct sim *s, const char *when)
{
	struct sim *fresh = sim_new();
	size_t i;
	json_t *e;

	configure(fresh);
	json_array_foreach (s->config, i, e) {
		const char *want =
			sim_config(fresh, cn_json_str(e, "section", ""), cn_json_str(e, "mask", ""), cn_json_str(e, "name", ""));

		if (!want || strcmp(want, cn_json_str(e, "value", "")) != 0)
			fail_msg("%s: %s is %s", when, cn_json_str(e, "name", ""), cn_json_str(e, "value", ""));
	}
	assert_int_equal(json_array_size(s->config), json_array_size(fresh->config));
	sim_free(fresh);
}

static bool warned(struct sim *s, const char *text)
{
	for (size_t i = 0; i < s->warnings.n; i++)
		if (strstr(s->warnings.v[i], text))
			return true;
	return false;
}

/* What happens while a drain waits that does not end: called with the number of the wait, from 1. The first one of a cluster is
 * for the pool of the lock. */
static void (*while_waiting)(struct sim *s, unsigned n);

static int on_wait(struct fakeclock *f, void *arg)
{
	if (f->waits > 1)
		while_waiting(arg, f->waits);
	return 0;
}

static void meanwhile(struct sim *s, void (*fn)(struct sim *s, unsigned n))
{
	while_waiting = fn;
	s->clock.waits = 0;
	s->clock.on_wait = on_wait;
	s->clock.arg = s;
}

/* Nothing moves for so long. */
static void drain_for(struct sim *s, const char *names, int64_t seconds)
{
	s->stuck = true;
	s->options.stall_timeout_s = seconds;
	sim_ends(s, sim_drain(s, names), CN_TIMEOUT, "nothing has changed for");
}

/* Dies while data moves. */
static void die_waiting(struct sim *s, const char *names)
{
	s->stuck = true;
	fake_kill(s->f, "pg ls", 2, false);
	sim_drain(s, names);
	assert_true(fake_revive(s->f));
}

/* --- as asked for ------------------------------------------------------------------------------------------------------ */

static void is_gentle(struct sim *s, unsigned n _unused_)
{
	assert_config(s, "osd_max_backfills", "1");
	assert_config(s, "osd_recovery_max_active", "1");
	assert_config(s, "osd_recovery_max_active_hdd", "-");
	assert_config(s, "osd_recovery_sleep", "0.000000");
	assert_config(s, "osd_recovery_sleep_hdd", "0.200000");
}

static void is_fast(struct sim *s, unsigned n _unused_)
{
	assert_config(s, "osd_max_backfills", "8");
	assert_config(s, "osd_recovery_max_active_ssd", "16");
	assert_config(s, "osd_recovery_sleep_hdd", "0.000000");
}

static void test_without_it_nothing_is_touched(void **state)
{
	struct sim *s = *state;

	s->options.speed = CN_SPEED_AS_IS;
	sim_drain_done(s, "node1");
	assert_int_equal(fake_count(s->f, "config set") + fake_count(s->f, "config rm") + fake_count(s->f, "config show"), 0);
	assert_null(json_object_get(s->plan, "speed"));
}

static void test_set_and_put_back(void **state)
{
	struct sim *s = *state;

	meanwhile(s, is_gentle);
	sim_drain_to_wait(s, "node1");
	assert_true(s->clock.waits > 2);
	assert_true(warned(s, "osd_max_backfills of osd/class:hdd, osd_recovery_sleep of osd.3 stays as it is set"));
	assert_as_before(s, "stalled");
	assert_string_equal(cn_json_str(s->plan, "speed", ""), "gentle");
	assert_string_equal(cn_json_str(json_object_get(s->plan, "settings"), "osd_recovery_sleep_hdd", ""), "0.2");
	s->options.speed = CN_SPEED_FAST;
	meanwhile(s, is_fast);
	sim_drain_to_wait(s, "node1");
	s->clock.on_wait = NULL;
	sim_drain_done(s, "node1");
	assert_true(fake_count(s->f, "config rm") >= 3 * 3);
	assert_as_before(s, "done");
	assert_int_equal(sim_live(s), 0);
}

static void test_by_out_and_kept(void **state)
{
	struct sim *s = *state;

	s->options.method = CN_METHOD_OUT;
	s->options.keep = true;
	meanwhile(s, is_gentle);
	sim_drain_to_wait(s, "node1");
	s->clock.on_wait = NULL;
	sim_drain_done(s, "node1");
	assert_as_before(s, "kept");
	sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL);
	assert_as_before(s, "cancelled");
}

static void test_mclock(void **state)
{
	static const struct {
		const char *override, *profile, *want_profile, *want_backfills;
	} cases[] = {{NULL, "high_client_ops", "high_recovery_ops", "2"},
		     {"false", "balanced", "high_recovery_ops", "2"},
		     {"true", "balanced", "high_recovery_ops", "8"},
		     {"false", "custom", "-", "2"}};
	struct sim *s = *state;

	s->options.speed = CN_SPEED_FAST;
	json_object_set_new(s->daemons, "osd_op_queue", json_string("mclock_scheduler"));
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_object_set_new(s->daemons, "osd_mclock_profile", json_string(cases[i].profile));
		if (cases[i].override)
			json_object_set_new(s->daemons, "osd_mclock_override_recovery_settings", json_string(cases[i].override));
		die_waiting(s, "node1");
		assert_config(s, "osd_mclock_profile", cases[i].want_profile);
		assert_config(s, "osd_max_backfills", cases[i].want_backfills);
		assert_config(s, "osd_recovery_sleep_hdd", "0.3");
		sim_next_process(s, false);
		sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL);
		assert_as_before(s, "mclock");
	}
}

/* --- what it cannot do ------------------------------------------------------------------------------------------------- */

static void test_without_caps_it_goes_on(void **state)
{
	struct sim *s = *state;

	s->no_caps = true;
	sim_drain_done(s, "node1");
	assert_true(warned(s, "not all of --speed could be set"));
	assert_as_before(s, "without caps");
}

static void take_caps(struct sim *s, unsigned n)
{
	s->no_caps |= n == 3;
}

static void test_caps_that_went_away(void **state)
{
	struct sim *s = *state;

	meanwhile(s, take_caps);
	sim_drain_to_wait(s, "node1");
	assert_true(warned(s, "do it by hand: ceph config set osd osd_max_backfills 2"));
	sim_next_process(s, false);
	s->no_caps = false;
	s->options.speed = CN_SPEED_AS_IS;
	sim_drain_to_wait(s, "node5"); /* which may, and finds nobody at work there */
	assert_as_before(s, "by another");
}

static void test_without_a_manager_it_goes_on(void **state)
{
	struct sim *s = *state;

	fake_fault(s->f, "config show", 0, 100, -ETIMEDOUT, false);
	sim_drain_done(s, "node1");
	assert_true(warned(s, "going on at the cluster's own speed"));
	assert_as_before(s, "without a manager");
}

static void test_a_file_outranks_it(void **state)
{
	struct sim *s = *state;

	s->options.speed = CN_SPEED_FAST;
	s->file = "osd_max_backfills";
	sim_drain_to_wait(s, "node1");
	assert_true(warned(s, "osd_max_backfills of osd.2 is 1 (source: file)"));
	assert_as_before(s, "stalled");
}

/* --- other hands ------------------------------------------------------------------------------------------------------- */

static void operator_changes(struct sim *s, unsigned n)
{
	if (n == 3) {
		sim_set_config(s, "osd", "", "osd_max_backfills", "3");
		sim_set_config(s, "osd", "", "osd_recovery_sleep_ssd", NULL);
		sim_set_config(s, "osd", "class:hdd", "osd_max_backfills", "6");
	}
}

static void test_an_operators_change_is_kept(void **state)
{
	struct sim *s = *state;

	meanwhile(s, operator_changes);
	sim_drain_to_wait(s, "node1");
	assert_true(warned(s, "osd_max_backfills: another hand set it to 3 (before the drain it was 2)"));
	assert_false(warned(s, "osd_recovery_sleep_ssd")); /* removed: as it was before */
	assert_config(s, "osd_max_backfills", "3");
	sim_set_config(s, "osd", "", "osd_max_backfills", "2");
	sim_set_config(s, "osd", "class:hdd", "osd_max_backfills", "4");
	assert_as_before(s, "but for the operator's");
}

static void test_cancel_keeps_it_too(void **state)
{
	struct sim *s = *state;

	die_waiting(s, "node1");
	operator_changes(s, 3);
	s->c = fake_client(s->f, ++s->instance); /* the lease still runs: nobody but cancel puts it back */
	sim_ends(s, sim_cancel(s, "node1"), CN_PARTIAL, "osd_max_backfills: another hand set it to 3");
	assert_config(s, "osd_max_backfills", "3");
	assert_config(s, "osd_recovery_sleep_hdd", "0.3");
	assert_int_equal(sim_live(s), 0);
}

/* Who asks again gets what was asked for, and the operator's value afterwards. */
static void test_an_operators_change_while_nobody_was_here(void **state)
{
	struct sim *s = *state;

	die_waiting(s, "node1");
	sim_set_config(s, "osd", "", "osd_max_backfills", "3");
	sim_next_process(s, false);
	meanwhile(s, is_gentle);
	sim_drain_to_wait(s, "node1");
	assert_true(warned(s, "osd_max_backfills: another hand set it to 3; that is what is put back in the end"));
	assert_config(s, "osd_max_backfills", "3");
}

static void test_a_second_drain(void **state)
{
	struct sim *s = *state;
	struct cn_journal j;

	die_waiting(s, "node5"); /* its lease still runs, so it passes for one that lives */
	is_gentle(s, 0);
	s->c = fake_client(s->f, ++s->instance);
	s->options.speed = CN_SPEED_FAST;
	meanwhile(s, is_fast);
	sim_drain_to_wait(s, "node1");
	is_gentle(s, 0); /* the first one's again */
	assert_config(s, "osd_recovery_max_active_ssd", "-");
	s->clock.on_wait = NULL;
	sim_drain_done(s, "node1");
	is_gentle(s, 0);
	sim_journal(s, "node5", &j);
	assert_true(j.settings);
	cn_journal_release(&j);
	sim_next_process(s, false);
	sim_ends(s, sim_cancel(s, "node5"), CN_OK, NULL);
	assert_as_before(s, "the last one out");
}

static void test_the_first_one_out_first(void **state)
{
	struct sim *s = *state;

	die_waiting(s, "node5");
	s->c = fake_client(s->f, ++s->instance);
	s->options.speed = CN_SPEED_FAST;
	die_waiting(s, "node1");
	s->c = fake_client(s->f, ++s->instance);
	sim_ends(s, sim_cancel(s, "node5"), CN_OK, NULL);
	is_fast(s, 0);
	assert_config(s, "osd_recovery_max_active", "0");
	sim_next_process(s, false);
	sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL);
	assert_as_before(s, "the last one out");
}

/* --- clients that wait ------------------------------------------------------------------------------------------------- */

static void slow_for_a_while(struct sim *s, unsigned n)
{
	if (n == 4)
		sim_check(s, "SLOW_OPS");
	if (n == 8) {
		assert_config(s, "osd_recovery_sleep", "1.000000");
		json_object_clear(s->checks);
	}
	if (n == 50)
		assert_config(s, "osd_recovery_sleep", "1.000000");
	if (n == 80)
		assert_config(s, "osd_recovery_sleep", "0.000000");
}

static void test_gentle_backs_off(void **state)
{
	struct sim *s = *state;

	meanwhile(s, slow_for_a_while);
	drain_for(s, "node1", 100);
	assert_true(s->clock.waits > 80);
	assert_true(warned(s, "recovery backs off, osd_recovery_sleep is 1"));
	assert_true(warned(s, "recovery goes on at --speed gentle"));
	assert_as_before(s, "stalled");
}

static void slow(struct sim *s, unsigned n)
{
	if (n == 4)
		sim_check(s, "SLOW_OPS");
}

static void test_mclock_has_no_more(void **state)
{
	struct sim *s = *state;

	json_object_set_new(s->daemons, "osd_op_queue", json_string("mclock_scheduler"));
	meanwhile(s, slow);
	drain_for(s, "node1", 20);
	assert_true(warned(s, "mClock knows nothing gentler"));
	assert_as_before(s, "stalled");
}

static void slow_and_an_operator(struct sim *s, unsigned n)
{
	slow(s, n);
	if (n == 3)
		sim_set_config(s, "osd", "", "osd_recovery_sleep", "0.9");
}

static void test_the_brake_is_an_operators(void **state)
{
	struct sim *s = *state;

	meanwhile(s, slow_and_an_operator);
	drain_for(s, "node1", 20);
	assert_true(warned(s, "osd_recovery_sleep: another hand set it to 0.9; it stays so"));
	assert_false(warned(s, "recovery backs off"));
	assert_config(s, "osd_recovery_sleep", "0.9");
}

static void test_dies_with_the_brake_on(void **state)
{
	struct sim *s = *state;

	cn_strv_add(&s->options.accept, "SLOW_OPS");
	for (unsigned done = 0; done < 2; done++) {
		sim_check(s, "SLOW_OPS");
		s->stuck = true;
		fake_kill(s->f, "config set", 6, done); /* six for gentle, then the brake */
		sim_drain(s, "node1");
		assert_true(fake_revive(s->f));
		assert_config(s, "osd_recovery_sleep", done ? "1.000000" : "0.000000");
		json_object_clear(s->checks);
		sim_next_process(s, false);
		sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL);
		assert_as_before(s, "cancelled");
	}
}

/* --- deaths and pauses ------------------------------------------------------------------------------------------------- */

static void test_resumed(void **state)
{
	static const enum cn_speed speeds[] = {CN_SPEED_GENTLE, CN_SPEED_FAST, CN_SPEED_AS_IS};
	struct sim *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(speeds); i++) {
		s->options.speed = CN_SPEED_GENTLE;
		die_waiting(s, "node1");
		is_gentle(s, 0);
		sim_next_process(s, false);
		s->options.speed = speeds[i];
		if (speeds[i])
			meanwhile(s, speeds[i] == CN_SPEED_FAST ? is_fast : is_gentle);
		die_waiting(s, "node1");
		if (!speeds[i])
			assert_as_before(s, "resumed without --speed");
		s->clock.on_wait = NULL;
		sim_next_process(s, false);
		sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL);
		assert_as_before(s, "cancelled");
	}
}

static void test_another_node_puts_it_back(void **state)
{
	struct sim *s = *state;
	struct cn_journal j;

	die_waiting(s, "node1");
	sim_next_process(s, false);
	s->options.speed = CN_SPEED_AS_IS;
	sim_drain_to_wait(s, "node5");
	assert_as_before(s, "node5 is drained");
	sim_journal(s, "node1", &j);
	assert_null(j.settings);
	cn_journal_release(&j);
	s->options.speed = CN_SPEED_FAST;
	meanwhile(s, is_fast);
	sim_drain_to_wait(s, "node1");
	assert_as_before(s, "stalled");
}

/* It stood still for so long that its lease ran out; another one put all back, as test_another_node_puts_it_back() shows. */
static void put_back_by_another(struct sim *s, unsigned n)
{
	struct cn_journal j;

	if (n == 3) {
		json_array_clear(s->config);
		configure(s);
		sim_journal(s, "node1", &j);
		json_decref(j.settings);
		j.settings = NULL;
		sim_save(s, &j);
		cn_journal_release(&j);
	}
	if (n == 7)
		is_gentle(s, n);
}

static void test_paused_and_put_back(void **state)
{
	struct sim *s = *state;

	meanwhile(s, put_back_by_another);
	drain_for(s, "node1", 20);
	assert_true(warned(s, "setting them again"));
	assert_as_before(s, "stalled");
}

static bool die_at(unsigned k, unsigned variant)
{
	_cleanup_free_ char *when = cn_asprintf("command %u, variant %u", k, variant);
	struct sim *s = sim_new();
	bool died;

	configure(s);
	s->options.speed = CN_SPEED_GENTLE;
	fake_kill(s->f, "command", k, variant & 1);
	sim_drain(s, "node1");
	died = fake_revive(s->f);
	sim_next_process(s, variant & 2);
	if (died && variant & 4) {
		s->options.speed = CN_SPEED_AS_IS;
		s->options.keep = true;
		sim_drain_done(s, "node5");
	} else if (died && variant & 8) {
		sim_cancel(s, "node1");
	} else if (died) {
		sim_drain_done(s, "node1");
	}
	assert_as_before(s, when);
	sim_free(s);
	return died;
}

static void test_die_at_any_command(void **state _unused_)
{
	static const unsigned variants[] = {1, 2, 4 + 3, 4, 8, 8 + 3};

	for (size_t i = 0; i < ARRAY_SIZE(variants); i++) {
		unsigned k = (unsigned)i;

		while (die_at(k, variants[i]))
			k += 11;
		assert_true(k > 80);
	}
}

#define with_sim(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_sim(test_without_it_nothing_is_touched),
		with_sim(test_set_and_put_back),
		with_sim(test_by_out_and_kept),
		with_sim(test_mclock),
		with_sim(test_without_caps_it_goes_on),
		with_sim(test_caps_that_went_away),
		with_sim(test_without_a_manager_it_goes_on),
		with_sim(test_a_file_outranks_it),
		with_sim(test_an_operators_change_is_kept),
		with_sim(test_cancel_keeps_it_too),
		with_sim(test_an_operators_change_while_nobody_was_here),
		with_sim(test_a_second_drain),
		with_sim(test_the_first_one_out_first),
		with_sim(test_gentle_backs_off),
		with_sim(test_mclock_has_no_more),
		with_sim(test_the_brake_is_an_operators),
		with_sim(test_dies_with_the_brake_on),
		with_sim(test_resumed),
		with_sim(test_another_node_puts_it_back),
		with_sim(test_paused_and_put_back),
		cmocka_unit_test(test_die_at_any_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
