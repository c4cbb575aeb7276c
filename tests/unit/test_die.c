/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A process may die, or sleep too long, at any instruction: what was there before is never lost, and the next one goes on or
 * undoes. */
#include <errno.h>

#include "sim.h"

#define ODD 80909 /* 1.23459, exact only in 16.16 */

struct scene {
	const char *names;
	void (*before)(struct sim *s);
	uint32_t weight0; /* of osd.0 before, or as an operator has set it since */
	enum cn_method method;
	bool to_the_end;     /* the call that is killed removes OSDs */
	enum cn_code cancel; /* how cancel ends after it */
};

static void given_back(struct sim *s)
{
	sim_drain_to_wait(s, "node1");
	sim_set_weight(s, 0, 65536);
}

static void given_back_all(struct sim *s)
{
	given_back(s);
	sim_set_weight(s, 1, ODD);
}

static void beside_another(struct sim *s)
{
	sim_drain_to_wait(s, "node5");
}

/* Whatever is not as it was before stands in the journal as it was before. */
static void assert_recorded(struct sim *s, const struct scene *scene, const char *when)
{
	const uint32_t want[] = {scene->weight0, ODD};
	struct cn_journals l = {};
	struct cn_error e = {};

	if (cn_journals_load(s->c, &l, &e) < 0)
		fail_msg("%s: %s", when, e.message);
	for (int osd = 0; osd < 2; osd++) {
		const struct cn_journal_osd *rec = NULL;

		for (size_t i = 0; i < l.n && !rec; i++)
			rec = cn_journal_osd(&l.v[i], osd);
		if (rec && rec->crush_weight != want[osd])
			fail_msg("%s: osd.%d had %u, recorded is %u", when, osd, want[osd], rec->crush_weight);
		if (!rec && sim_has_osd(s, osd) && sim_weight(s, osd) != want[osd])
			fail_msg("%s: osd.%d is at %u, and no journal knows of it", when, osd, sim_weight(s, osd));
	}
	cn_journals_release(&l);
}

static void assert_back(struct sim *s, const struct scene *scene, const char *flags, const char *when)
{
	if (sim_weight(s, 0) != scene->weight0 || sim_weight(s, 1) != ODD)
		fail_msg("%s: cancelled, and the weights are %u and %u", when, sim_weight(s, 0), sim_weight(s, 1));
	if (strcmp(sim_flags(s), flags) != 0)
		fail_msg("%s: cancelled, and the flags are %s", when, sim_flags(s));
	if (cn_json_real(world_osd(&s->w, 0), "weight", 0) != 1)
		fail_msg("%s: cancelled, and osd.0 is out", when);
	if (sim_compat(s, 1) != 1.125)
		fail_msg("%s: cancelled, and the weight-set says %f", when, sim_compat(s, 1));
}

static void assert_no_marks(struct sim *s, const char *when)
{
	const char *key;
	json_t *v;

	json_object_foreach (fake_store_all(s->f), key, v)
		if (strncmp(key, "cephnode/guard/", 15) == 0)
			fail_msg("%s: %s is left", when, key);
}

static void cancel_after(struct sim *s, const struct scene *scene, const char *flags, const char *when)
{
	bool known = sim_live(s);

	sim_cancel(s, "node1");
	if (known || s->e.code != CN_NOT_FOUND)
		assert_int_equal(s->e.code, CN_OK);
	assert_back(s, scene, flags, when);
	assert_no_marks(s, when);
}

/* variant, bit 0: the last call takes effect; 1: the guard does its work; 2: cancelled at once, else gone on with first. False
 * when the call ended before its k-th command of the kind. */
static bool die_at(const struct scene *scene, const char *kind, unsigned k, unsigned variant)
{
	_cleanup_free_ char *when = cn_asprintf("%s, %s number %u, variant %u", scene->names, kind, k, variant), *flags = NULL;
	struct sim *s = sim_new();
	bool died;

	s->options.method = scene->method;
	sim_set_weight(s, 1, ODD);
	sim_make_compat(s);
	sim_set_compat(s, 1, 1.125);
	flags = cn_strdup(sim_flags(s));
	if (scene->before)
		scene->before(s);
	fake_kill(s->f, kind, k, variant & 1);
	s->stuck = !scene->to_the_end;
	sim_drain(s, scene->names);
	died = fake_revive(s->f);
	if (died) {
		assert_recorded(s, scene, when);
		sim_next_process(s, variant & 2);
		if (variant & 4) {
			cancel_after(s, scene, flags, when);
		} else if (scene->to_the_end) {
			sim_drain_done(s, scene->names);
			assert_false(sim_has_osd(s, 0) || sim_has_osd(s, 1));
			assert_no_marks(s, when);
		} else {
			sim_drain_to_wait(s, scene->names);
			assert_recorded(s, scene, when);
			assert_no_marks(s, when);
			cancel_after(s, scene, flags, when);
		}
	}
	sim_free(s);
	return died;
}

static void die_everywhere(const struct scene *scene, const char *kind, unsigned variants, unsigned step, unsigned at_least)
{
	for (unsigned variant = 0; variant < 8; variant++) {
		unsigned k = 0;

		if (!(variants & 1u << variant))
			continue;
		while (die_at(scene, kind, k, variant))
			k += step;
		assert_true(k >= at_least);
	}
}

#define ALL 0xff
#define NO_CANCEL 0x0f

static void test_die_at_a_save_of_a_new_drain(void **state _unused_)
{
	static const struct scene new_one = {.names = "node1", .weight0 = 65536};
	static const struct scene beside = {.names = "node1 node5", .before = beside_another, .weight0 = 65536};

	die_everywhere(&new_one, "config-key set", ALL, 1, 7);
	die_everywhere(&beside, "config-key set", NO_CANCEL, 1, 12);
}

static void test_die_at_a_save_after_a_weight_came_back(void **state _unused_)
{
	static const struct scene one = {.names = "node1", .before = given_back, .weight0 = 65536};
	static const struct scene both = {.names = "node1", .before = given_back_all, .weight0 = 65536};

	die_everywhere(&one, "config-key set", ALL, 1, 6);
	die_everywhere(&both, "config-key set", ALL, 1, 6);
}

static void test_die_at_a_save_by_out(void **state _unused_)
{
	static const struct scene scene = {.names = "node1", .weight0 = 65536, .method = CN_METHOD_OUT};

	die_everywhere(&scene, "config-key set", ALL, 1, 4);
}

static void test_die_at_a_save_of_the_removal(void **state _unused_)
{
	static const struct scene scene = {.names = "node1", .weight0 = 65536, .to_the_end = true};

	die_everywhere(&scene, "config-key set", 0x09, 1, 12);
}

static void test_die_at_any_command(void **state _unused_)
{
	static const struct scene new_one = {.names = "node1", .weight0 = 65536};
	static const struct scene removal = {.names = "node1", .weight0 = 65536, .to_the_end = true};
	static const struct scene again = {.names = "node1", .before = given_back, .weight0 = 65536};

	die_everywhere(&new_one, "command", 0x02, 2, 30);
	die_everywhere(&again, "command", 0x01, 2, 30);
	die_everywhere(&removal, "command", 0x08, 3, 60);
}

/* The process sleeps (a laptop's lid, SIGSTOP) for longer than a lease may lie at the k-th command, and goes on. */
static void test_sleep_at_any_command(void **state _unused_)
{
	static const struct scene scene = {.names = "node1", .weight0 = 65536};
	bool slept = true;

	for (unsigned k = 0; slept; k += 2) {
		_cleanup_free_ char *when = cn_asprintf("sleep at reading or change %u", k), *flags = NULL;
		struct sim *s = sim_new();
		int r;

		sim_set_weight(s, 1, ODD);
		sim_make_compat(s);
		sim_set_compat(s, 1, 1.125);
		flags = cn_strdup(sim_flags(s));
		s->sleep_at = k + 1;
		s->stuck = true;
		r = sim_drain(s, "node1");
		slept = s->sleep_at == 0;
		s->sleep_at = 0;
		if (r != -ETIME && r != -ESTALE)
			fail_msg("%s: %s", when, s->e.message);
		assert_recorded(s, &scene, when);
		sim_drain_to_wait(s, "node1");
		assert_recorded(s, &scene, when);
		assert_string_equal(sim_flags(s), flags);
		cancel_after(s, &scene, flags, when);
		sim_free(s);
	}
}

/* A guard's mark that could not be read, or removed, must not be taken for one of the next hold. */
static void test_mark_of_an_earlier_hold(void **state _unused_)
{
	static const char *const kinds[] = {"config-key rm", "config-key get"};
	static const struct scene scene = {.names = "node1", .weight0 = 65536};

	for (unsigned i = 0; i < 6; i++) {
		struct sim *s = sim_new();
		_cleanup_free_ char *flags = NULL;

		sim_set_weight(s, 1, ODD);
		sim_make_compat(s);
		sim_set_compat(s, 1, 1.125);
		flags = cn_strdup(sim_flags(s));
		s->stuck = true;
		fake_kill(s->f, "pg map", SIM_ASKED, false);
		sim_drain(s, "node1");
		assert_true(fake_revive(s->f));
		sim_next_process(s, true);
		fake_fault(s->f, kinds[i / 3], i % 3, 1, -ETIMEDOUT, false);
		fake_kill(s->f, "pg map", SIM_ASKED, false); /* if it comes so far */
		sim_drain(s, "node1");
		if (fake_revive(s->f))
			sim_next_process(s, false); /* the guard died with its machine */
		fake_kill(s->f, "pg map", SIM_ASKED, false);
		sim_drain(s, "node1");
		if (fake_revive(s->f))
			sim_next_process(s, false);
		sim_drain_to_wait(s, "node1");
		assert_string_equal(sim_flags(s), flags);
		cancel_after(s, &scene, flags, "after a mark that stayed");
		sim_free(s);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_die_at_a_save_of_a_new_drain),
		cmocka_unit_test(test_die_at_a_save_after_a_weight_came_back),
		cmocka_unit_test(test_die_at_a_save_by_out),
		cmocka_unit_test(test_die_at_a_save_of_the_removal),
		cmocka_unit_test(test_die_at_any_command),
		cmocka_unit_test(test_sleep_at_any_command),
		cmocka_unit_test(test_mark_of_an_earlier_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
