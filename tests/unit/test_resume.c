/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Drains that are gone on with: what is recorded anew and what never is, and forecasts that refuse. */
#include <errno.h>

#include "sim.h"

#define ODD 80909 /* 1.23459, exact only in 16.16 */

static int setup(void **state)
{
	struct sim *s = sim_new();

	sim_set_weight(s, 1, ODD);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	sim_free(*state);
	return 0;
}

static bool watched(const struct cn_journal *j, const char *pgid)
{
	struct cn_pgid id;

	assert_true(cn_pgid_parse(pgid, &id));
	return j->n_pgs && bsearch(&id, j->pgs, j->n_pgs, sizeof(*j->pgs), cn_pgid_cmp);
}

/* --- what a resumed drain knows ---------------------------------------------------------------------------------------- */

static void test_pgs_that_came_are_watched(void **state)
{
	struct sim *s = *state;
	struct cn_journal before, now;

	sim_drain_to_wait(s, "node1");
	sim_journal(s, "node1", &before);
	assert_int_equal(before.n_pgs, 3);
	assert_int_equal(before.bytes_total, 2 * 1000 + 500);
	s->stuck = false; /* its own PGs leave; another comes, and does not */
	sim_set_weight(s, 0, 0);
	s->stuck = true;
	sim_pg(s, "3.9", 0, 4, 6);
	sim_phase(s, "node1", CN_PHASE_HOLD);
	sim_drain_to_wait(s, "node1");
	sim_journal(s, "node1", &now);
	assert_string_equal(now.id, before.id);
	for (size_t i = 0; i < before.n_pgs; i++)
		assert_int_equal(cn_pgid_cmp(&before.pgs[i], &now.pgs[i]), 0);
	assert_int_equal(now.n_pgs, 4);
	assert_true(watched(&now, "3.9"));
	assert_int_equal(now.bytes_total, before.bytes_total);
	assert_int_equal(now.osds[0].crush_weight, 65536);
	assert_int_equal(now.osds[1].crush_weight, ODD);
	cn_journal_release(&before);
	cn_journal_release(&now);
	sim_drain_done(s, "node1");
}

/* Before the first change all of it may be outdated, but who began it and when. */
static void test_recorded_anew_before_the_first_change(void **state)
{
	struct sim *s = *state;
	struct cn_journal before, now;

	sim_drain_to_wait(s, "node1");
	sim_set_weight(s, 0, 70000);
	sim_set_weight(s, 1, 80000);
	sim_journal(s, "node1", &before);
	before.phase = CN_PHASE_CHECK;
	before.n_pgs = 1; /* others have come since */
	before.bytes_total = 7;
	sim_save(s, &before);
	json_object_set_new(world_osd(&s->w, 1), "weight", json_real(0.5));
	fakeclock_advance(&s->clock, 3600000);
	sim_drain_to_wait(s, "node1");
	sim_journal(s, "node1", &now);
	assert_string_equal(now.id, before.id);
	assert_true(now.started_ms == before.started_ms);
	assert_true(now.generation > before.generation);
	assert_int_equal(now.osds[0].crush_weight, 70000);
	assert_int_equal(now.osds[1].crush_weight, 80000);
	assert_int_equal(now.osds[1].reweight, 32768);
	assert_int_equal(now.n_pgs, 3);
	assert_int_equal(now.bytes_total, 2500);
	assert_int_equal(sim_journals(s), 1);
	cn_journal_release(&before);
	cn_journal_release(&now);
	sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL);
	assert_int_equal(sim_weight(s, 0), 70000);
	assert_int_equal(sim_weight(s, 1), 80000);
}

/* The balancer may have moved them while the drain lay there without having changed a thing. */
static void test_weight_sets_are_recorded_anew_too(void **state)
{
	struct sim *s = *state;

	sim_make_compat(s);
	sim_set_compat(s, 0, 0.75);
	fake_kill(s->f, "osd set", 0, false);
	sim_drain(s, "node1");
	assert_true(fake_revive(s->f));
	sim_next_process(s, true);
	sim_phase(s, "node1", CN_PHASE_CHECK);
	sim_set_compat(s, 0, 0.5);
	sim_drain_to_wait(s, "node1");
	assert_true(sim_compat(s, 0) == 0);
	sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL);
	assert_true(sim_compat(s, 0) == 0.5);
	assert_true(sim_compat(s, 1) == ODD / 65536.0);
}

/* Who takes a drain over says so, by the client that holds its lease: only that one may be put aside when its process is gone. */
static void test_owner_is_who_resumed(void **state)
{
	static const enum cn_phase phases[] = {CN_PHASE_CHECK, CN_PHASE_HOLD, CN_PHASE_FORECAST, CN_PHASE_WAIT};
	struct sim *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		struct cn_journal j;

		sim_drain_to_wait(s, "node1");
		sim_phase(s, "node1", phases[i]);
		sim_next_process(s, false);
		sim_drain_to_wait(s, "node1");
		sim_journal(s, "node1", &j);
		if (j.owner.instance != s->instance)
			fail_msg("resumed in '%s' by client.%d, the journal says client.%d", cn_phase_name(phases[i]),
				 (int)s->instance, (int)j.owner.instance);
		cn_journal_release(&j);
		sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL);
	}
}

/* It may be another's: a look that fails must not write there. */
static void test_failure_before_the_lease_writes_nothing(void **state)
{
	struct sim *s = *state;
	_cleanup_json_ json_t *store = NULL;

	sim_drain_to_wait(s, "node1");
	store = json_deep_copy(fake_store_all(s->f));
	fake_fault(s->f, "osd crush dump", 0, 1, -ETIMEDOUT, false);
	sim_ends(s, sim_drain(s, "node1"), CN_TIMEOUT, NULL);
	assert_true(json_equal(store, fake_store_all(s->f)));
}

/* Of a PG that has just been split or merged the primary knows nothing yet, also in the last look before the stop. */
static void test_a_primary_that_does_not_know_its_pg(void **state)
{
	struct sim *s = *state;
	bool looked_again = false;

	for (unsigned k = 1; k < 24; k++) { /* the first one looks for a place of the lock */
		struct sim *x = sim_new();

		fake_fault(x->f, "query", k, 1, -ENOENT, false);
		sim_ends(x, sim_drain(x, "node1"), CN_OK, NULL);
		assert_string_equal(x->outcome, "removed");
		for (size_t i = 0; i < x->warnings.n; i++)
			looked_again |= strstr(x->warnings.v[i], "not proven any more: PG ") != NULL;
		sim_free(x);
	}
	assert_true(looked_again);
	sim_drain_done(s, "node1");
}

/* --- forecasts that refuse --------------------------------------------------------------------------------------------- */

static void test_refused_leaves_nothing(void **state)
{
	struct sim *s = *state;
	_cleanup_free_ char *flags = cn_strdup(sim_flags(s));

	sim_make_compat(s);
	sim_set_compat(s, 1, 1.125);
	s->no_room = 1;
	sim_ends(s, sim_drain(s, "node1"), CN_REFUSED, "CRUSH finds a place for only 2 of 3");
	assert_string_equal(s->outcome, "refused");
	assert_int_equal(json_object_size(fake_store_all(s->f)), 0);
	assert_int_equal(sim_weight(s, 0), 65536);
	assert_int_equal(sim_weight(s, 1), ODD);
	assert_true(sim_compat(s, 1) == 1.125);
	assert_string_equal(sim_flags(s), flags);
	assert_false(s->armed);
}

/* Begun in a call before, but never let go. */
static void test_refused_when_gone_on_with(void **state)
{
	struct sim *s = *state;

	fake_kill(s->f, "pg map", SIM_ASKED, false); /* in the forecast */
	sim_drain(s, "node1");
	assert_true(fake_revive(s->f));
	assert_int_equal(sim_live(s), 1);
	sim_next_process(s, true);
	s->no_room = 1;
	sim_ends(s, sim_drain(s, "node1"), CN_REFUSED, "CRUSH finds a place for only 2 of 3");
	assert_int_equal(sim_journals(s), 0);
	assert_int_equal(sim_weight(s, 0), 65536);
	assert_int_equal(sim_weight(s, 1), ODD);
}

static void test_refused_beside_one_that_moves(void **state)
{
	static const char *const names[] = {"node1 node5", "node5 node1"};
	struct sim *s = *state;
	_cleanup_free_ char *flags = cn_strdup(sim_flags(s));
	struct cn_journal before, now;

	sim_drain_to_wait(s, "node5");
	sim_journal(s, "node5", &before);
	s->no_room = 1;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		sim_ends(s, sim_drain(s, names[i]), CN_REFUSED, "CRUSH finds a place for only 2 of 3");
		assert_int_equal(sim_weight(s, 0), 65536);
		assert_int_equal(sim_weight(s, 1), ODD);
		assert_int_equal(sim_weight(s, 8), 0);
		assert_int_equal(sim_weight(s, 9), 0);
		assert_string_equal(sim_flags(s), flags);
		assert_int_equal(sim_journals(s), 1);
		sim_journal(s, "node5", &now);
		assert_string_equal(now.id, before.id);
		assert_int_equal(now.phase, CN_PHASE_WAIT);
		assert_int_equal(now.osds[0].crush_weight, 65536);
		assert_int_equal(now.flags_set.n, 0);
		cn_journal_release(&now);
	}
	cn_journal_release(&before);
	sim_ends(s, sim_cancel(s, "node5"), CN_OK, NULL);
	assert_int_equal(sim_weight(s, 8), 65536);
}

/* The same, after a first try that died in the window: that node5 had been let go before must not be forgotten. */
static void test_refused_after_a_death_beside_one_that_moves(void **state)
{
	struct sim *s = *state;

	sim_drain_to_wait(s, "node5");
	fake_kill(s->f, "pg map", SIM_ASKED, false);
	sim_drain(s, "node1 node5");
	assert_true(fake_revive(s->f));
	sim_next_process(s, true);
	s->no_room = 1;
	sim_ends(s, sim_drain(s, "node1 node5"), CN_REFUSED, "CRUSH finds a place for only 2 of 3");
	assert_int_equal(sim_weight(s, 0), 65536);
	assert_int_equal(sim_weight(s, 8), 0);
	assert_int_equal(sim_live(s), 1);
}

/* The operator has given the weight back, and there is no room any more: it stays with the operator's weight, for at 0 recovery
 * would begin without a place to go to. */
static void test_refused_after_a_weight_came_back(void **state)
{
	struct sim *s = *state;

	sim_drain_to_wait(s, "node1");
	sim_set_weight(s, 0, 70000);
	sim_set_weight(s, 1, ODD);
	s->no_room = 1;
	sim_ends(s, sim_drain(s, "node1"), CN_REFUSED, "CRUSH finds a place for only 2 of 3");
	assert_int_equal(sim_weight(s, 0), 70000);
	assert_int_equal(sim_weight(s, 1), ODD);
}

/* Only one was given back: the other one's entry in the weight-set, which CRUSH heeds before its weight, stays at 0 with it. */
static void test_refused_after_one_weight_came_back(void **state)
{
	struct sim *s = *state;

	sim_make_compat(s);
	sim_set_compat(s, 0, 0.75);
	sim_set_compat(s, 1, 1.125);
	sim_drain_to_wait(s, "node1");
	sim_set_weight(s, 0, 65536);
	s->no_room = 0;
	sim_ends(s, sim_drain(s, "node1"), CN_REFUSED, "CRUSH finds a place for only 2 of 3");
	assert_int_equal(sim_weight(s, 0), 65536);
	assert_int_equal(sim_weight(s, 1), 0);
	assert_true(sim_compat(s, 0) > 0);
	assert_true(sim_compat(s, 1) == 0);
	sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL);
	assert_int_equal(sim_weight(s, 1), ODD);
	assert_true(sim_compat(s, 0) == 0.75);
	assert_true(sim_compat(s, 1) == 1.125);
}

#define with_sim(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_sim(test_pgs_that_came_are_watched),
		with_sim(test_recorded_anew_before_the_first_change),
		with_sim(test_weight_sets_are_recorded_anew_too),
		with_sim(test_owner_is_who_resumed),
		with_sim(test_failure_before_the_lease_writes_nothing),
		with_sim(test_a_primary_that_does_not_know_its_pg),
		with_sim(test_refused_leaves_nothing),
		with_sim(test_refused_when_gone_on_with),
		with_sim(test_refused_beside_one_that_moves),
		with_sim(test_refused_after_a_death_beside_one_that_moves),
		with_sim(test_refused_after_a_weight_came_back),
		with_sim(test_refused_after_one_weight_came_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
