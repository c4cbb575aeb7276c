/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which drains a call is about: new, resumed, somebody else's, or removed already. */
#include <errno.h>

#include "sim.h"

static int setup(void **state)
{
	*state = sim_new();
	return 0;
}

static int teardown(void **state)
{
	sim_free(*state);
	return 0;
}

static void assert_warned(struct sim *s, const char *text)
{
	_cleanup_free_ char *all = cn_strv_join(&s->warnings, "\n");

	assert_has(all, text);
}

/* The call is refused for this reason, and neither journals nor cluster have changed. */
static void assert_refused(struct sim *s, int (*call)(struct sim *, const char *), const char *names, const char *text)
{
	_cleanup_json_ json_t *journals = json_deep_copy(fake_store_all(s->f)), *crush = json_deep_copy(s->w.crush_dump);
	_cleanup_free_ char *flags = cn_strdup(sim_flags(s));

	sim_ends(s, call(s, names), CN_REFUSED, text);
	assert_string_equal(s->outcome, "refused");
	assert_true(json_equal(journals, fake_store_all(s->f)));
	assert_true(json_equal(crush, s->w.crush_dump));
	assert_string_equal(flags, sim_flags(s));
}

static void test_whole(void **state)
{
	struct sim *s = *state;
	_cleanup_free_ char *flags = cn_strdup(sim_flags(s));
	struct cn_journal j;

	sim_drain_done(s, "node1");
	assert_false(sim_has_osd(s, 0) || sim_has_osd(s, 1));
	assert_string_equal(sim_flags(s), flags);
	sim_journal(s, "node1", &j);
	assert_int_equal(j.phase, CN_PHASE_DONE);
	cn_journal_release(&j);
	sim_drain_done(s, "node1"); /* the same again */
	assert_warned(s, "nothing left to do");
	assert_int_equal(sim_journals(s), 1);
	sim_ends(s, sim_cancel(s, "node1"), CN_REFUSED, "no way back");
}

static void test_kept_then_removed(void **state)
{
	struct sim *s = *state;
	size_t changes;

	s->options.keep = true;
	sim_drain_done(s, "node1");
	assert_true(sim_has_osd(s, 0));
	assert_int_equal(sim_weight(s, 0), 0);
	sim_ends(s, sim_remove(s, "node1"), CN_OK, NULL);
	assert_string_equal(s->outcome, "removed");
	assert_false(sim_has_osd(s, 0));
	changes = sim_changes(s);
	sim_ends(s, sim_remove(s, "node1"), CN_OK, NULL);
	assert_warned(s, "nothing left to do");
	assert_int_equal(sim_changes(s), changes);
	sim_ends(s, sim_remove(s, "node2"), CN_NOT_FOUND, "no drain of node2");
}

static void test_remove_needs_a_kept_drain(void **state)
{
	struct sim *s = *state;

	sim_drain_to_wait(s, "node1");
	assert_refused(s, sim_remove, "node1", "node1 is not drained (wait)");
	sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL);
	assert_refused(s, sim_remove, "node1", "node1 is not drained (cancelled)");
}

/* The tombstone is of the OSDs that stood there before. */
static void test_remove_with_new_osds(void **state)
{
	struct sim *s = *state;

	sim_drain_done(s, "node1");
	sim_new_osd(s, 0, 1); /* the id is used again */
	sim_new_osd(s, 20, 1);
	assert_refused(s, sim_remove, "node1", "node1 is not drained");
	assert_has(s->e.hint, "cephnode drain node1");
	assert_refused(s, sim_remove, "127.0.1.1", "is not drained");
	assert_true(sim_has_osd(s, 0) && sim_has_osd(s, 20));
	assert_true(sim_weight(s, 0) && sim_weight(s, 20));
	sim_drain_done(s, "node1"); /* asked for, they go */
	assert_false(sim_has_osd(s, 0) || sim_has_osd(s, 20));
}

/* A kept drain whose weight was given back has PGs again. */
static void test_remove_after_a_weight_came_back(void **state)
{
	struct sim *s = *state;

	s->options.keep = true;
	sim_drain_done(s, "node1");
	sim_set_weight(s, 0, 65536);
	assert_refused(s, sim_remove, "node1", "node1 is not drained");
}

static void test_part_of_another_drain(void **state)
{
	static const char *const whole[] = {"node2",        "127.0.1.2",   "host:node2",
					    "ip:127.0.1.2", "node1 node2", "osd.3 osd.2 node4"};
	static const char *const same[] = {"osd.2", "osd:2", "osd:osd.2"};
	struct sim *s = *state;
	struct cn_journal first, now;

	sim_drain_to_wait(s, "osd.2");
	sim_journal(s, "osd.2", &first);
	for (size_t i = 0; i + 1 < ARRAY_SIZE(whole); i++) {
		assert_refused(s, sim_drain, whole[i], "part of the drain of osd.2 (wait)");
		assert_has(s->e.hint, "cephnode drain osd.2");
	}
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		sim_drain_to_wait(s, same[i]);
		assert_null(s->plan); /* it goes on, nothing is planned */
		sim_journal(s, "osd.2", &now);
		assert_string_equal(now.id, first.id);
		assert_int_equal(now.osds[0].crush_weight, 65536);
		assert_int_equal(sim_journals(s), 1);
		cn_journal_release(&now);
	}
	cn_journal_release(&first);
	sim_drain_done(s, "osd.2");
	assert_false(sim_has_osd(s, 2));
	assert_true(sim_has_osd(s, 3));
	sim_drain_done(s, "node2"); /* the rest of it */
	assert_false(sim_has_osd(s, 3));
}

static void test_osd_of_a_node_in_a_drain(void **state)
{
	struct sim *s = *state;

	sim_drain_to_wait(s, "node2");
	assert_refused(s, sim_drain, "osd.2", "part of the drain of node2 (wait)");
	assert_refused(s, sim_drain, "osd.3", "part of the drain of node2 (wait)");
	sim_new_osd(s, 20, 2); /* not in the journal: a drain of it is another one */
	sim_pg(s, "1.9", 4, 6, 20);
	sim_drain_to_wait(s, "osd.20");
	assert_int_equal(sim_live(s), 2);
}

/* Whatever the node is called, and however far it is. */
static void test_other_name_of_the_node(void **state)
{
	static const enum cn_phase phases[] = {CN_PHASE_CHECK, CN_PHASE_HOLD, CN_PHASE_FORECAST, CN_PHASE_WAIT, CN_PHASE_PROVE};
	static const char *const names[] = {"127.0.1.2", "ip:127.0.1.2", "host:node2", "osd.2 osd.3"};
	struct sim *s = *state;
	struct cn_journal first, now;

	sim_drain_to_wait(s, "node2");
	sim_journal(s, "node2", &first);
	for (size_t p = 0; p < ARRAY_SIZE(phases); p++)
		for (size_t i = 0; i < 3; i++) {
			sim_phase(s, "node2", phases[p]);
			if (phases[p] < CN_PHASE_HOLD) { /* as it was when that was written */
				sim_set_weight(s, 2, 65536);
				sim_set_weight(s, 3, 65536);
			}
			sim_drain_to_wait(s, names[i]);
			sim_journal(s, "node2", &now);
			assert_string_equal(now.id, first.id);
			assert_int_equal(now.phase, MAX(phases[p], CN_PHASE_WAIT));
			assert_int_equal(now.osds[0].crush_weight, 65536);
			assert_int_equal(sim_journals(s), 1);
			cn_journal_release(&now);
		}
	assert_refused(s, sim_drain, names[3], "part of the drain of node2"); /* two halves are not the whole */
	cn_journal_release(&first);
	sim_drain_done(s, "127.0.1.2 node2"); /* twice the same is once */
	assert_false(sim_has_osd(s, 2) || sim_has_osd(s, 3));
}

static void test_name_after_its_osds_are_gone(void **state)
{
	struct sim *s = *state;

	fake_fault(s->f, "osd crush rm", 0, 1, -EACCES, false);
	sim_ends(s, sim_drain(s, "node1"), CN_FAILED, "left behind");
	assert_false(sim_has_osd(s, 0) || sim_has_osd(s, 1));
	assert_int_equal(sim_live(s), 1);
	sim_ends(s, sim_cancel(s, "node1"), CN_REFUSED, "removed already");
	sim_drain_done(s, "127.0.1.1"); /* found by the journal alone */
	assert_int_equal(sim_live(s), 0);
}

/* Phases of nodes, both begun and at 0, and whether they go on together. */
static void test_nodes_at_different_phases(void **state)
{
	static const struct {
		enum cn_phase a, b;
		bool together;
	} cases[] = {
		{CN_PHASE_STOP, CN_PHASE_WAIT, false},   {CN_PHASE_WAIT, CN_PHASE_PURGE, false},
		{CN_PHASE_HOLD, CN_PHASE_STOP, false},   {CN_PHASE_DRAINED, CN_PHASE_OUT, false},
		{CN_PHASE_WAIT, CN_PHASE_PROVE, true},   {CN_PHASE_OUT, CN_PHASE_PURGE, true},
		{CN_PHASE_WAIT, CN_PHASE_DRAINED, true}, {CN_PHASE_HOLD, CN_PHASE_WAIT, true},
		{CN_PHASE_STOP, CN_PHASE_STOP, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sim *s = sim_new();

		sim_drain_to_wait(s, "node1 node2");
		sim_phase(s, "node1", cases[i].a);
		sim_phase(s, "node2", cases[i].b);
		if (cases[i].together) {
			sim_drain_done(s, "node2 node1");
			assert_false(sim_has_osd(s, 0) || sim_has_osd(s, 2));
			assert_int_equal(sim_live(s), 0);
		} else {
			assert_refused(s, sim_drain, "node1 node2", "is about to be removed");
			assert_true(sim_has_osd(s, 0) && sim_has_osd(s, 2));
		}
		sim_free(s);
	}
	sim_drain_to_wait(*state, "node1");
	sim_phase(*state, "node1", CN_PHASE_STOP);
	assert_refused(*state, sim_drain, "node1 node2", "node1 is about to be removed (stop)"); /* nor with a new one */
}

/* What is half removed is not "drained", whatever is asked for: that would let a cancel forget what is left to sweep. */
static void test_keep_does_not_go_back(void **state _unused_)
{
	static const char *const fails[] = {"osd stop", "osd purge-actual", "osd crush rm"};

	for (size_t i = 0; i < ARRAY_SIZE(fails); i++) {
		struct sim *s = sim_new();
		struct cn_journal j;

		fake_fault(s->f, fails[i], 0, 1, -EACCES, false);
		sim_ends(s, sim_drain(s, "node1"), CN_FAILED, NULL);
		s->options.keep = true;
		sim_drain(s, "node1");
		if (strcmp(s->outcome, "drained") == 0)
			fail_msg("after a failed '%s' it claims that nothing was removed", fails[i]);
		sim_journal(s, "node1", &j);
		assert_true(j.phase >= CN_PHASE_STOP);
		cn_journal_release(&j);
		s->options.keep = false;
		sim_drain_done(s, "node1");
		sim_free(s);
	}
}

static void test_different_methods(void **state)
{
	struct sim *s = *state;

	sim_drain_to_wait(s, "node1");
	s->options.method = CN_METHOD_OUT;
	sim_drain_to_wait(s, "node2");
	assert_refused(s, sim_drain, "node1 node2", "different methods");
	sim_drain_done(s, "node1"); /* each by its own, whatever the option says now */
	s->options.method = CN_METHOD_CRUSH;
	sim_drain_done(s, "node2");
	assert_false(sim_has_osd(s, 0) || sim_has_osd(s, 2));
}

static void test_being_cancelled(void **state)
{
	struct sim *s = *state;

	sim_drain_to_wait(s, "node1");
	sim_phase(s, "node1", CN_PHASE_CANCEL);
	assert_refused(s, sim_drain, "node1", "is being cancelled");
	assert_refused(s, sim_drain, "127.0.1.1", "is being cancelled");
	sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL);
	assert_int_equal(sim_weight(s, 0), 65536);
	sim_drain_done(s, "node1"); /* and now anew */
}

static void test_somebody_works_on_it(void **state)
{
	static const struct cn_object object = {"rbd", "cephnode", "cephnode.lock"};
	struct sim *s = *state;
	struct cn_journal j;
	_cleanup_free_ char *lock = NULL;

	sim_drain_to_wait(s, "node1");
	sim_journal(s, "node1", &j);
	lock = cn_asprintf("drain.%s", j.id);
	cn_journal_release(&j);
	fake_lock_by(s->f, &object, lock, "client.99", "c", 0);
	assert_refused(s, sim_drain, "node1", "is being drained by cephnode pid");
	assert_refused(s, sim_drain, "127.0.1.1", "is being drained by cephnode pid");
	sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL); /* that needs no leave of the owner */
}

static void test_name_of_two_drains(void **state)
{
	struct sim *s = *state;

	sim_drain_to_wait(s, "osd.0");
	sim_drain_to_wait(s, "osd.1");
	assert_refused(s, sim_cancel, "node1", "node1 may mean several drains");
	assert_has(s->e.hint, "osd.");
	assert_has(s->e.hint, ", osd.");
	assert_refused(s, sim_cancel, "127.0.1.1", "may mean several drains");
	assert_refused(s, sim_remove, "node1", "may mean several drains");
	sim_ends(s, sim_cancel(s, "osd.0"), CN_OK, NULL);
	assert_int_equal(sim_weight(s, 0), 65536);
	assert_int_equal(sim_weight(s, 1), 0);
	sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL); /* only one is left that it may mean */
	assert_int_equal(sim_weight(s, 1), 65536);
	assert_int_equal(sim_live(s), 0);
	sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL); /* cancelled before */
	sim_ends(s, sim_cancel(s, "node3"), CN_NOT_FOUND, "no drain of node3");
}

/* What stood when the drain began is accepted, what came since is not. */
static void test_accept_existing(void **state)
{
	struct sim *s = *state;
	struct cn_journal j;

	sim_check(s, "SLOW_OPS");
	assert_refused(s, sim_drain, "node1", "SLOW_OPS");
	cn_strv_add(&s->options.accept, "existing");
	sim_drain_to_wait(s, "node1");
	sim_journal(s, "node1", &j);
	assert_true(cn_strv_has(&j.accepted, "SLOW_OPS"));
	cn_journal_release(&j);
	sim_check(s, "MON_CLOCK_SKEW");
	s->stuck = false;
	sim_ends(s, sim_drain(s, "node1"), CN_TIMEOUT, "MON_CLOCK_SKEW"); /* cannot be proven */
	json_object_del(s->checks, "MON_CLOCK_SKEW");
	cn_strv_release(&s->options.accept);
	sim_ends(s, sim_drain(s, "node1"), CN_TIMEOUT, "SLOW_OPS"); /* only when it is said again */
	cn_strv_add(&s->options.accept, "existing");
	sim_drain_done(s, "node1");
}

static void test_accepted_outlives_a_check(void **state)
{
	struct sim *s = *state;
	struct cn_journal j;

	sim_check(s, "SLOW_OPS");
	cn_strv_add(&s->options.accept, "existing");
	sim_drain_to_wait(s, "node1");
	sim_set_weight(s, 0, 65536);
	sim_set_weight(s, 1, 65536);
	sim_phase(s, "node1", CN_PHASE_CHECK); /* killed before the first change */
	for (int i = 0; i < 2; i++) {
		sim_drain_to_wait(s, "node1");
		sim_journal(s, "node1", &j);
		assert_true(cn_strv_has(&j.accepted, "SLOW_OPS"));
		cn_journal_release(&j);
	}
}

/* --- what happens between the plan and the lock ----------------------------------------------------------------------- */

static int cancel_now(struct sim *s)
{
	struct cn_cluster *ours = s->c;

	s->c = fake_client(s->f, 77);
	sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL);
	s->c = ours;
	cn_error_release(&s->e);
	free(s->outcome);
	s->outcome = NULL;
	return 0;
}

static void test_cancelled_behind_our_back(void **state)
{
	static const enum cn_phase phases[] = {CN_PHASE_HOLD, CN_PHASE_REWEIGHT, CN_PHASE_WAIT, CN_PHASE_DRAINED, CN_PHASE_OUT};
	struct sim *s = *state;
	struct cn_journal j;

	for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
		sim_drain_to_wait(s, "node1");
		sim_phase(s, "node1", phases[i]);
		s->confirm = cancel_now;
		sim_ends(s, sim_drain(s, "node1"), CN_FAILED, "node1 was cancelled");
		assert_string_equal(s->outcome, "cancelled");
		sim_journal(s, "node1", &j);
		assert_int_equal(j.phase, CN_PHASE_CANCELLED);
		assert_int_equal(sim_weight(s, 0), 65536);
		assert_int_equal(sim_weight(s, 1), 65536);
		cn_journal_erase(s->c, &j, NULL);
		cn_journal_release(&j);
	}
}

static int begin_now(struct sim *s)
{
	struct cn_cluster *ours = s->c;

	s->c = fake_client(s->f, 78);
	sim_drain_to_wait(s, "osd.0");
	s->c = ours;
	cn_error_release(&s->e);
	free(s->outcome);
	s->outcome = NULL;
	return 0;
}

static void test_begun_by_another_meanwhile(void **state)
{
	struct sim *s = *state;
	struct cn_journal j;

	s->confirm = begin_now;
	sim_ends(s, sim_drain(s, "node1"), CN_REFUSED, "osd.0 is being drained by cephnode");
	assert_int_equal(sim_journals(s), 1);
	sim_journal(s, "osd.0", &j);
	assert_int_equal(j.osds[0].crush_weight, 65536);
	cn_journal_release(&j);
	assert_int_equal(sim_weight(s, 1), 65536);
}

static int osd_appears(struct sim *s)
{
	sim_new_osd(s, 20, 1);
	return 0;
}

static int operator_says_no(struct sim *s _unused_)
{
	return -ECANCELED;
}

static void test_confirmed_is_what_was_shown(void **state)
{
	struct sim *s = *state;

	s->confirm = operator_says_no;
	assert_refused(s, sim_drain, "node1", "not confirmed");
	s->confirm = osd_appears;
	sim_ends(s, sim_drain(s, "node1"), CN_REFUSED, "osd.20 has appeared");
	assert_int_equal(json_object_size(fake_store_all(s->f)), 0);
	assert_int_equal(sim_weight(s, 0), 65536);
	sim_drain_done(s, "node1");
	assert_false(sim_has_osd(s, 20));
}

/* --timeout bounds the wait for the decision lock, and says that it was that. */
static void test_timeout_ends_the_wait_for_the_lock(void **state)
{
	const struct cn_object object = {.pool = "rbd", .ns = "cephnode", .oid = "cephnode.lock"};
	struct sim *s = *state;
	int64_t begin = s->clock.boot_ms;

	fake_lock_by(s->f, &object, "decision", "client.99", "c", 0);
	s->options.timeout_s = 3;
	sim_ends(s, sim_drain(s, "node1"), CN_TIMEOUT, "--timeout is over: cannot take the decision lock: the lock is held by");
	assert_string_equal(s->outcome, "stalled");
	assert_int_equal(s->clock.boot_ms - begin, 3000);
	assert_int_equal(sim_live(s), 0);
	s->options.timeout_s = 0;
	s->options.lock_wait_s = 5;
	sim_ends(s, sim_drain(s, "node1"), CN_TIMEOUT, "cannot take the decision lock");
	assert_int_equal(s->clock.boot_ms - begin, 8000);
}

#define with_sim(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_sim(test_whole),
		with_sim(test_kept_then_removed),
		with_sim(test_remove_needs_a_kept_drain),
		with_sim(test_remove_with_new_osds),
		with_sim(test_remove_after_a_weight_came_back),
		with_sim(test_part_of_another_drain),
		with_sim(test_osd_of_a_node_in_a_drain),
		with_sim(test_other_name_of_the_node),
		with_sim(test_name_after_its_osds_are_gone),
		with_sim(test_nodes_at_different_phases),
		cmocka_unit_test(test_keep_does_not_go_back),
		with_sim(test_different_methods),
		with_sim(test_being_cancelled),
		with_sim(test_somebody_works_on_it),
		with_sim(test_name_of_two_drains),
		with_sim(test_accept_existing),
		with_sim(test_accepted_outlives_a_check),
		with_sim(test_cancelled_behind_our_back),
		with_sim(test_begun_by_another_meanwhile),
		with_sim(test_confirmed_is_what_was_shown),
		with_sim(test_timeout_ends_the_wait_for_the_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
