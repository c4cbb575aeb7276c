/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Upmap entries against a small mon: recorded, made, cancelled by it. */
#include <errno.h>

#include "upmaps.h"

/* --- what is recorded ----------------------------------------------------------------------------------------------------- */

static void test_entries_that_name_the_osds(void **state)
{
	struct upmaps *x = *state;

	upmaps_entry(x, false, "1.1", "4 0");
	upmaps_entry(x, true, "1.2", "4 3 8");
	upmaps_entry(x, false, "1.3", "2 6 5 7");
	upmaps_entry(x, false, "1.4", "5 7");
	upmaps_record(x);
	upmaps_assert_recorded(x, 0, "1.1", "{\"ours\":null,\"was\":{\"full\":null,\"items\":[4,0]}}");
	upmaps_assert_recorded(x, 1, "1.2", "{\"ours\":null,\"was\":{\"full\":[4,3,8],\"items\":null}}");
	upmaps_assert_recorded(x, 1, "1.3", "{\"ours\":null,\"was\":{\"full\":null,\"items\":[2,6,5,7]}}");
	upmaps_assert_recorded(x, 0, "1.4", NULL);
	upmaps_assert_recorded(x, 1, "1.4", NULL);
	upmaps_entry(x, false, "1.1", ""); /* cancelled since: what was first recorded stays */
	upmaps_record(x);
	upmaps_entry(x, false, "1.1", "4 1");
	upmaps_record(x);
	upmaps_assert_recorded(x, 0, "1.1", "{\"ours\":null,\"was\":{\"full\":null,\"items\":[4,0]}}");
}

static void test_what_the_mon_cancelled(void **state)
{
	struct upmaps *x = *state;

	upmaps_entry(x, false, "1.0", "4 5");
	upmaps_entry(x, false, "2.3", "4 5 6 7");
	upmaps_entry(x, true, "3.1", "4 5 6");
	upmaps_entry(x, false, "3.2", "4 5");
	upmaps_note_before(x);
	upmaps_entry(x, false, "1.0", "");
	upmaps_entry(x, false, "2.3", "6 7");
	upmaps_entry(x, true, "3.1", "");
	upmaps_entry(x, false, "3.3", "4 5"); /* new: another hand's */
	assert_int_equal(cn_upmaps_note_cancelled(&x->run, NULL), 0);
	upmaps_assert_recorded(x, 0, "1.0", "{\"ours\":null,\"was\":{\"full\":null,\"items\":[4,5]}}");
	upmaps_assert_recorded(x, 1, "2.3", "{\"ours\":null,\"was\":{\"full\":null,\"items\":[4,5,6,7]}}");
	upmaps_assert_recorded(x, 0, "3.1", "{\"ours\":null,\"was\":{\"full\":[4,5,6],\"items\":null}}");
	upmaps_assert_recorded(x, 0, "3.2", NULL);
	upmaps_assert_recorded(x, 0, "3.3", NULL);
}

static void test_a_map_that_was_trimmed(void **state)
{
	struct upmaps *x = *state;

	assert_int_equal(cn_upmaps_note_cancelled(&x->run, &x->e), 0); /* no change yet */
	upmaps_note_before(x);
	json_decref(x->before);
	x->before = NULL;
	assert_int_equal(cn_upmaps_note_cancelled(&x->run, &x->e), 0);
	assert_null(x->e.message);
}

/* --- pins --------------------------------------------------------------------------------------------------------------- */

static void test_pins_are_journaled_and_undone(void **state)
{
	struct upmaps *x = *state;
	_cleanup_json_ json_t *before = NULL;
	struct cn_journal stored = {};
	size_t kept = 99;

	upmaps_entry(x, false, "1.0", "4 5");
	upmaps_entry(x, true, "3.1", "0 4 8");
	upmaps_entry(x, false, "3.1", "0 2");
	before = upmaps_read(x);
	assert_int_equal(upmaps_pin(x, &kept), 0);
	assert_int_equal(kept, 3);
	upmaps_assert_recorded(x, 0, "1.0",
			       "{\"ours\":{\"full\":null,\"items\":[4,0,6,1]},\"was\":{\"full\":null,\"items\":[4,5]}}");
	upmaps_assert_recorded(x, 1, "2.3",
			       "{\"ours\":{\"full\":[4,6,8],\"items\":null},\"was\":{\"full\":null,\"items\":null}}");
	upmaps_assert_recorded(x, 0, "3.1",
			       "{\"ours\":{\"full\":null,\"items\":null},\"was\":{\"full\":[0,4,8],\"items\":[0,2]}}");
	assert_int_equal(x->drains[0].journal.phase, CN_PHASE_PIN);
	assert_int_equal(x->drains[1].journal.pin_epoch, cn_json_int(x->w.osd_dump, "epoch", 0));
	assert_true(cn_pg_change_epoch(&x->run, (struct cn_pgid){1, 0}) == x->drains[0].journal.pin_epoch);
	assert_true(cn_pg_change_epoch(&x->run, (struct cn_pgid){1, 1}) == 0);
	assert_int_equal(json_array_size(upmaps_list(x, true)), 1);
	assert_int_equal(json_array_size(upmaps_list(x, false)), 1);
	/* it stood in the store before the first of them was sent */
	assert_int_equal(cn_journal_load(x->run.c, x->drains[1].journal.id, &stored, NULL), 0);
	assert_true(json_equal(stored.upmaps, x->drains[1].journal.upmaps));
	cn_journal_release(&stored);
	upmaps_restore(x, NULL, false, "");
	upmaps_assert(x, before);
	x->changes = 0;
	upmaps_restore(x, NULL, false, "");
	assert_int_equal(x->changes, 0);
}

/* A PG that is gone, a client without the cap, a mon that cancels: what is left is counted, and all that is ours is taken back.
 */
static void test_pins_that_do_not_stand(void **state)
{
	static const int codes[] = {-EINVAL, -ENOENT, -EPERM, -EACCES, 0};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		struct upmaps *x = *state;
		_cleanup_json_ json_t *before = upmaps_read(x);
		size_t kept = 99;

		x->code = codes[i];
		x->bad = codes[i] ? "1.0" : NULL;
		x->deaf = codes[i] ? NULL : "1.0";
		assert_int_equal(upmaps_pin(x, &kept), 0);
		assert_int_equal(kept, 2);
		assert_true(cn_pg_change_epoch(&x->run, (struct cn_pgid){1, 0}) == 0); /* nothing to be waited for */
		assert_true(cn_pg_change_epoch(&x->run, (struct cn_pgid){2, 3}) > 0);
		x->bad = x->deaf = NULL;
		upmaps_restore(x, NULL, false, "");
		upmaps_assert(x, before);
	}
}

static void test_a_mon_that_does_not_answer(void **state)
{
	struct upmaps *x = *state;
	_cleanup_json_ json_t *before = upmaps_read(x);
	size_t kept = 99;

	x->bad = "2.3";
	x->code = -ETIMEDOUT;
	assert_int_equal(upmaps_pin(x, &kept), -ETIMEDOUT);
	assert_int_equal(kept, 99);
	assert_error(&x->e, CN_TIMEOUT, "osd pg-upmap");
	x->bad = NULL;
	upmaps_restore(x, NULL, false, ""); /* who knows which of them came through */
	upmaps_assert(x, before);
}

static void test_without_the_lease_nothing_is_sent(void **state)
{
	struct upmaps *x = *state;
	size_t kept = 99;

	fakeclock_advance(&x->clock, 20000);
	assert_int_equal(upmaps_pin(x, &kept), -ESTALE);
	assert_int_equal(x->changes, 0);
	cn_error_release(&x->e);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		upmaps_test(test_entries_that_name_the_osds),
		upmaps_test(test_what_the_mon_cancelled),
		upmaps_test(test_a_map_that_was_trimmed),
		upmaps_test(test_pins_are_journaled_and_undone),
		upmaps_test(test_pins_that_do_not_stand),
		upmaps_test(test_a_mon_that_does_not_answer),
		upmaps_test(test_without_the_lease_nothing_is_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
