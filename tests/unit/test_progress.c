/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said of the progress: nothing counts as moved that has not moved, and plan, progress and `status` agree. */
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

static int64_t told(struct sim *s, size_t i, const char *key)
{
	size_t n = json_array_size(s->progress);

	assert_true(i < n || (n && i == SIZE_MAX));
	return cn_json_int(json_array_get(s->progress, i == SIZE_MAX ? n - 1 : i), key, -1);
}

static void assert_status(struct sim *s, int64_t left, int64_t total)
{
	_cleanup_json_ json_t *drain = sim_status(s, "node1"), *osd;
	int64_t lefts = 0, totals = 0;
	size_t i;

	assert_non_null(drain);
	assert_int_equal(cn_json_int(drain, "bytes_left", -1), left);
	assert_int_equal(cn_json_int(drain, "bytes_total", -1), total);
	json_array_foreach (json_object_get(drain, "osd_progress"), i, osd) {
		lefts += cn_json_int(osd, "bytes_left", -1);
		totals += cn_json_int(osd, "bytes_total", -1);
	}
	assert_int_equal(lefts, left);
	assert_int_equal(totals, total);
}

static void set_bytes(struct sim *s, const char *pgid, int bytes)
{
	json_t *pg;
	size_t i;

	json_array_foreach (json_object_get(s->w.pg_ls, "pg_stats"), i, pg)
		if (strcmp(cn_json_str(pg, "pgid", ""), pgid) == 0)
			json_object_set_new(json_object_get(pg, "stat_sum"), "num_bytes", json_integer(bytes));
}

/* A PG that peers says 0 bytes, or what its new primary has. */
static void test_peering_is_no_progress(void **state)
{
	struct sim *s = *state;

	s->peers = true;
	sim_drain_to_wait(s, "node1");
	assert_int_equal(cn_json_int(s->plan, "bytes_minimum", -1), 2500);
	for (size_t i = 0; i < json_array_size(s->progress); i++) {
		assert_int_equal(told(s, i, "pgs_left"), 3);
		assert_int_equal(told(s, i, "bytes_left"), 2500);
		assert_int_equal(told(s, i, "bytes_total"), 2500);
	}
	assert_status(s, 2500, 2500);
	sim_next_process(s, false); /* nor is it for who goes on */
	sim_drain_to_wait(s, "node1");
	assert_int_equal(told(s, 0, "bytes_left"), 2500);
	assert_status(s, 2500, 2500);
	s->peers = false;
	sim_drain_done(s, "node1");
	assert_int_equal(told(s, SIZE_MAX, "bytes_left"), 0);
	assert_int_equal(told(s, SIZE_MAX, "bytes_total"), 2500);
}

/* The window is gone through once more while the PGs peer: what is recorded stays. */
static void test_resumed_in_hold_while_they_peer(void **state)
{
	struct sim *s = *state;
	struct cn_journal j;

	sim_drain_to_wait(s, "node1");
	s->peers = true;
	sim_phase(s, "node1", CN_PHASE_HOLD);
	s->options.accept.n = 0;
	sim_ends(s, sim_drain(s, "node1"), CN_TIMEOUT, NULL);
	sim_journal(s, "node1", &j);
	assert_int_equal(j.bytes_total, 2500);
	assert_int_equal(j.bytes_left, 2500);
	cn_journal_release(&j);
	assert_int_equal(told(s, 0, "bytes_left"), 2500);
}

/* Clients write on: until something has moved it is more to move, and then the bar does not run backwards. */
static void test_clients_write_on(void **state)
{
	struct sim *s = *state;

	sim_drain_to_wait(s, "node1");
	set_bytes(s, "1.0", 4000);
	assert_status(s, 5500, 5500);
	sim_drain_to_wait(s, "node1");
	assert_int_equal(told(s, 0, "bytes_left"), 5500);
	assert_int_equal(told(s, 0, "bytes_total"), 5500);
	s->stuck = false;
	s->no_room = 1; /* 1.1 stays */
	sim_ends(s, sim_drain(s, "node1"), CN_TIMEOUT, NULL);
	assert_int_equal(told(s, SIZE_MAX, "bytes_left"), 1000);
	assert_int_equal(told(s, SIZE_MAX, "bytes_total"), 5500);
	set_bytes(s, "1.1", 3000);
	assert_status(s, 1000, 5500);
	sim_ends(s, sim_drain(s, "node1"), CN_TIMEOUT, NULL);
	assert_int_equal(told(s, 0, "bytes_left"), 1000);
	s->no_room = -1;
	sim_drain_done(s, "node1");
	assert_int_equal(told(s, SIZE_MAX, "bytes_left"), 0);
}

/* A journal of before PGs had bytes of their own. */
static void test_older_journal(void **state)
{
	_cleanup_json_ json_t *body = NULL;
	struct sim *s = *state;
	struct cn_journal j, old;

	sim_drain_to_wait(s, "node1");
	sim_journal(s, "node1", &j);
	assert_int_equal(j.n_pgs, 3);
	assert_int_equal(j.pgs[0].bytes, 1000);
	assert_int_equal(j.pgs[2].bytes, 500);
	body = cn_journal_json(&j);
	assert_int_equal(json_object_del(body, "pg_bytes"), 0);
	assert_int_equal(cn_journal_read(body, &old, &s->e), 0);
	assert_int_equal(old.pgs[0].bytes, 0);
	old.generation = j.generation;
	sim_save(s, &old);
	cn_journal_release(&j);
	cn_journal_release(&old);
	sim_drain_to_wait(s, "node1");
	assert_status(s, 2500, 2500);
	sim_drain_done(s, "node1");
}

static char *last_error(struct sim *s)
{
	struct cn_journal j;
	char *text;

	sim_journal(s, "node1", &j);
	text = TAKE_PTR(j.last_error);
	cn_journal_release(&j);
	return text;
}

/* It is that of the last call, and gone as soon as somebody goes on. */
static void test_last_error(void **state)
{
	static const enum cn_phase from[] = {CN_PHASE_HOLD, CN_PHASE_WAIT};
	struct sim *s = *state;

	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		_cleanup_free_ char *before = NULL;

		sim_drain_to_wait(s, "node1");
		before = last_error(s);
		assert_has(before, "nothing has changed for 5 s");
		sim_phase(s, "node1", from[i]);
		fake_kill(s->f, "health", 2, false); /* in the wait */
		assert_true(sim_drain(s, "node1") < 0);
		assert_true(fake_revive(s->f));
		assert_null(last_error(s));
		sim_next_process(s, true);
	}
	sim_drain_to_wait(s, "node1");
	s->options.keep = true;
	sim_drain_done(s, "node1");
	assert_null(last_error(s));
	sim_ends(s, sim_remove(s, "node1"), CN_OK, NULL);
	assert_null(last_error(s));
}

static void test_last_error_before_a_cancel(void **state)
{
	struct sim *s = *state;

	sim_drain_to_wait(s, "node1");
	sim_ends(s, sim_cancel(s, "node1"), CN_OK, NULL);
	assert_null(last_error(s));
}

static json_t *seen; /* what `status` said while a call was under way */

static int look(struct sim *s)
{
	seen = sim_status(s, "node1");
	return 0;
}

/* What nobody works on has no time of arrival. */
static void test_nobody_works_on_it(void **state)
{
	struct sim *s = *state;
	json_t *drain;

	sim_drain_to_wait(s, "node1");
	s->stuck = false;
	s->no_room = 1; /* 1.1 stays */
	sim_ends(s, sim_drain(s, "node1"), CN_TIMEOUT, NULL);
	drain = sim_status(s, "node1");
	assert_true(json_is_false(json_object_get(drain, "running")));
	assert_int_equal(cn_json_int(drain, "bytes_left", -1), 1000);
	assert_true(json_is_null(json_object_get(drain, "eta_seconds")));
	json_decref(drain);
	s->confirm = look;
	sim_ends(s, sim_drain(s, "node1"), CN_TIMEOUT, NULL);
	assert_true(json_is_true(json_object_get(seen, "running")));
	assert_true(cn_json_int(seen, "eta_seconds", -1) > 0);
	json_decref(seen);
	fake_fault(s->f, "lockers", 0, 1, -EPERM, false);
	drain = sim_status(s, "node1");
	assert_true(json_is_null(json_object_get(drain, "running"))); /* a key that may not read the lock */
	assert_true(cn_json_int(drain, "eta_seconds", -1) > 0);
	json_decref(drain);
}

/* A look at the lock costs --op-timeout where its pool does not answer: one a minute. */
static void test_a_lock_that_does_not_answer(void **state)
{
	static const struct {
		int64_t after_ms;
		bool known;
	} looks[] = {{0, false}, {59000, false}, {1000, true}};
	struct cn_status_memory *memory = cn_status_memory_new();
	struct sim *s = *state;

	sim_drain_to_wait(s, "node1");
	fake_fault(s->f, "lockers", 0, 1, -ETIMEDOUT, false);
	for (size_t i = 0; i < ARRAY_SIZE(looks); i++) {
		_cleanup_json_ json_t *drain = NULL;

		s->clock.boot_ms += looks[i].after_ms;
		drain = sim_status_again(s, "node1", memory);
		assert_int_equal(json_is_boolean(json_object_get(drain, "running")), looks[i].known);
	}
	cn_status_memory_free(memory);
}

/* Killed a moment ago, on this machine: its lock still stands. */
static void test_owner_is_dead(void **state)
{
	struct sim *s = *state;
	struct cn_journal j;
	json_t *drain;

	sim_drain_to_wait(s, "node1");
	fake_kill(s->f, "health", 2, false);
	assert_true(sim_drain(s, "node1") < 0);
	assert_true(fake_revive(s->f));
	drain = sim_status(s, "node1");
	assert_true(json_is_true(json_object_get(drain, "running"))); /* as far as anybody can tell */
	json_decref(drain);
	sim_journal(s, "node1", &j);
	j.owner.pid_start++; /* no such process */
	sim_save(s, &j);
	cn_journal_release(&j);
	drain = sim_status(s, "node1");
	assert_true(json_is_false(json_object_get(drain, "running")));
	json_decref(drain);
}

/* A cancel holds the decision lock alone, which does not say whose it is: free it says that nobody works on it. */
static void test_a_cancel_that_runs(void **state)
{
	static const struct cn_object object = {"rbd", "cephnode", "cephnode.lock"};
	struct sim *s = *state;
	json_t *drain;

	sim_drain_to_wait(s, "node1");
	sim_phase(s, "node1", CN_PHASE_CANCEL);
	drain = sim_status(s, "node1");
	assert_true(json_is_false(json_object_get(drain, "running")));
	json_decref(drain);
	fake_lock_by(s->f, &object, "decision", "client.99", "c", 0);
	drain = sim_status(s, "node1");
	assert_true(json_is_null(json_object_get(drain, "running")));
	json_decref(drain);
}

static void assert_planned(struct sim *s, const char *text)
{
	json_t *w;
	size_t i;

	sim_ends(s, sim_plan(s, "node1"), CN_OK, NULL);
	json_array_foreach (json_object_get(s->plan, "warnings"), i, w)
		if (text && strstr(json_string_value(w), text))
			return;
	if (text || i)
		fail_msg("of %zu warnings none was: %s", i, text ? text : "(none)");
}

/* A plan of a node that is drained already, or half so, must not look as if there were nothing to do. */
static void test_plan_of_a_drain(void **state)
{
	struct sim *s = *state;

	assert_planned(s, NULL);
	sim_drain_to_wait(s, "node1");
	s->stuck = false;
	s->no_room = 1; /* 1.1 stays */
	assert_planned(s, "a drain of node1 has begun (wait); 1000 B in 1 PG are left to move");
	assert_planned(s, "'cephnode drain node1' goes on with it");
	s->no_room = -1;
	s->options.keep = true;
	sim_drain_done(s, "node1");
	assert_planned(s, "node1 is held drained since ");
	assert_planned(s, "'cephnode remove node1' removes its OSDs, 'cephnode cancel node1' gives them back");
	sim_ends(s, sim_remove(s, "node1"), CN_OK, NULL);
	sim_ends(s, sim_plan(s, "node1"), CN_NOT_FOUND, NULL);
	assert_has(s->e.hint, "nothing is left to do: cephnode removed the OSDs of node1 at ");
	sim_ends(s, sim_plan(s, "nobody"), CN_NOT_FOUND, NULL);
	assert_null(s->e.hint ? strstr(s->e.hint, "nothing is left") : NULL);
}

#define with_sim(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_sim(test_peering_is_no_progress),
		with_sim(test_resumed_in_hold_while_they_peer),
		with_sim(test_clients_write_on),
		with_sim(test_older_journal),
		with_sim(test_last_error),
		with_sim(test_plan_of_a_drain),
		with_sim(test_nobody_works_on_it),
		with_sim(test_a_lock_that_does_not_answer),
		with_sim(test_owner_is_dead),
		with_sim(test_a_cancel_that_runs),
		with_sim(test_last_error_before_a_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
