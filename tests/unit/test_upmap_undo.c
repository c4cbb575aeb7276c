/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Upmap entries against a small mon: put back, beside another hand's. */
#include <errno.h>

#include "upmaps.h"

static void test_what_is_left_of_an_entry(void **state)
{
	struct upmaps *x = *state;
	_cleanup_json_ json_t *before = NULL;
	size_t kept;

	upmaps_entry(x, false, "1.0", "0 5 4 7");
	upmaps_entry(x, false, "1.1", "4 0 6 1");
	before = upmaps_read(x);
	upmaps_record(x);
	upmaps_entry(x, false, "1.1", "6 1"); /* the mon cancels a pair at weight 0 */
	assert_int_equal(upmaps_pin(x, &kept), 0);
	upmaps_entry(x, false, "1.0", "6 1"); /* and one of ours when the weights come back */
	upmaps_entry(x, true, "2.3", "");
	upmaps_restore(x, NULL, false, "");
	upmaps_assert(x, before);
	assert_int_equal(upmaps_pin(x, &kept), 0);
	upmaps_entry(x, false, "1.0", "4 7"); /* or has never had ours */
	upmaps_restore(x, NULL, false, "");
	upmaps_assert(x, before);
}

static void test_another_hand(void **state)
{
	struct upmaps *x = *state;
	_cleanup_json_ json_t *now = NULL;
	size_t kept;

	upmaps_entry(x, false, "1.1", "4 0");
	upmaps_record(x);
	assert_int_equal(upmaps_pin(x, &kept), 0);
	upmaps_entry(x, false, "1.0", "4 0 6 3");
	upmaps_entry(x, true, "2.3", "4 6 9");
	upmaps_entry(x, false, "1.1", "4 7");
	upmaps_entry(x, false, "3.4", "4 7");
	now = upmaps_read(x);
	upmaps_restore(x, NULL, false, "PG 1.0: another hand");
	upmaps_assert(x, now);
	upmaps_restore(x, NULL, false, "PG 2.3: another hand");
	upmaps_restore(x, NULL, false, "PG 1.1: another hand");
}

static void test_the_mon_does_not_take_it_back(void **state)
{
	struct upmaps *x = *state;

	upmaps_entry(x, false, "1.1", "4 0");
	upmaps_entry(x, false, "1.2", "4 1");
	upmaps_record(x);
	upmaps_entry(x, false, "1.1", "");
	upmaps_entry(x, false, "1.2", "");
	x->deaf = "1.2";
	upmaps_restore(x, NULL, false, "did not take back 1 of 2");
	assert_int_equal(json_array_size(upmaps_list(x, false)), 1);
}

/* A deleted pool has no entries to be put back, and is no reason to say that something was not. */
static void test_a_pool_that_is_gone(void **state)
{
	struct upmaps *x = *state;
	json_t *pools = json_object_get(x->w.osd_dump, "pools");
	size_t kept;

	upmaps_entry(x, false, "3.1", "4 0");
	upmaps_entry(x, false, "2.3", "4 2"); /* of a PG that is merged away */
	upmaps_record(x);
	assert_int_equal(upmaps_pin(x, &kept), 0);
	upmaps_entry(x, false, "3.1", "");
	upmaps_entry(x, false, "2.3", "");
	upmaps_entry(x, true, "2.3", "");
	json_array_remove(pools, 2);
	json_object_set_new(json_array_get(pools, 1), "pg_num", json_integer(2));
	x->changes = 0;
	upmaps_restore(x, NULL, false, "");
	assert_int_equal(x->changes, 1); /* the pin of 1.0 */
}

/* Entries of nobody's that the mon cancelled while the weights came back one by one. */
static void test_lost_on_the_way_back(void **state)
{
	struct upmaps *x = *state;
	_cleanup_json_ json_t *seen = NULL;

	upmaps_entry(x, false, "3.1", "4 5 6 7");
	upmaps_entry(x, false, "3.2", "4 5");
	upmaps_entry(x, true, "3.3", "4 5 6");
	upmaps_entry(x, false, "3.4", "4 5");
	seen = upmaps_read(x);
	upmaps_entry(x, false, "3.1", "6 7");
	upmaps_entry(x, false, "3.2", "");
	upmaps_entry(x, true, "3.3", "");
	upmaps_restore(x, seen, false, "");
	upmaps_assert(x, seen);
	upmaps_entry(x, false, "3.1", "6 7 4 8"); /* another hand's */
	upmaps_entry(x, false, "3.2", "");
	x->deaf = "3.2"; /* cancelled again: it is of no use with the weights as they are */
	x->changes = 0;
	upmaps_restore(x, seen, false, "");
	assert_int_equal(x->changes, 1);
}

/* A refusal in a second window takes back what that did, and a cancel still knows all. */
static void test_only_of_this_window(void **state)
{
	struct upmaps *x = *state;
	_cleanup_json_ json_t *before = NULL, *between = NULL;
	size_t kept;

	upmaps_entry(x, false, "1.1", "4 0");
	upmaps_entry(x, false, "1.2", "4 2");
	before = upmaps_read(x);
	upmaps_record(x);
	upmaps_entry(x, false, "1.1", "");
	upmaps_entry(x, false, "1.2", "");
	assert_int_equal(upmaps_pin(x, &kept), 0);
	for (int i = 0; i < 2; i++)
		cn_upmaps_let_go(&x->drains[i].journal);
	upmaps_entry(x, false, "1.3", "4 3");
	upmaps_entry(x, false, "1.2", "5 2"); /* somebody's, since */
	between = upmaps_read(x);
	upmaps_note_before(x);
	upmaps_record(x);
	upmaps_entry(x, false, "1.3", "");
	upmaps_entry(x, false, "1.2", "");
	upmaps_entry(x, false, "1.0", "6 1"); /* a pair of a pin of the first window is cancelled */
	assert_int_equal(cn_upmaps_note_cancelled(&x->run, NULL), 0);
	upmaps_restore(x, NULL, true, "");
	upmaps_assert(x, between);
	upmaps_assert_recorded(x, 1, "1.3", NULL);
	upmaps_assert_recorded(x, 0, "1.0",
			       "{\"ours\":{\"full\":null,\"items\":[4,0,6,1]},\"was\":{\"full\":null,\"items\":null}}");
	upmaps_entry(x, false, "1.3", "");
	upmaps_entry(x, false, "1.2", "");
	upmaps_restore(x, NULL, false, "");
	upmaps_assert(x, before);
}

/* A pin of the first window stays ours while one of the second does not take its place, whenever we die. */
static void test_a_second_pin_that_does_not_stand(void **state)
{
	struct upmaps *x = *state;
	static int items[] = {5, 7};
	struct cn_pin again = {.id = {1, 0}, .v = items, .n = 2};
	struct cn_pins pins = {&again, 1};
	_cleanup_json_ json_t *before = upmaps_read(x), *between = NULL;
	size_t kept;

	for (int died = 0; died < 2; died++) {
		assert_int_equal(upmaps_pin(x, &kept), 0);
		for (int i = 0; i < 2; i++)
			cn_upmaps_let_go(&x->drains[i].journal);
		json_decref(between);
		between = upmaps_read(x);
		x->bad = "1.0";
		x->code = died ? -ETIMEDOUT : -EINVAL;
		assert_int_equal(cn_upmaps_pin(&x->run, &pins, &kept, &x->e), died ? -ETIMEDOUT : 0);
		cn_error_release(&x->e);
		x->bad = NULL;
		upmaps_assert(x, between);
		for (int i = 0; i < 2 && !died; i++)
			cn_upmaps_let_go(&x->drains[i].journal);
		upmaps_restore(x, NULL, false, "");
		upmaps_assert(x, before);
	}
}

/* The OSD is of the second node, and the PG has a shard on the first as well: one record, or the one would call the other's pin
 * another hand's. */
static void test_a_pg_of_both_nodes(void **state)
{
	struct upmaps *x = *state;
	_cleanup_json_ json_t *before = NULL;
	size_t kept;

	upmaps_entry(x, false, "1.0", "4 2");
	before = upmaps_read(x);
	upmaps_record(x);
	upmaps_entry(x, false, "1.0", "");
	assert_int_equal(upmaps_pin(x, &kept), 0);
	upmaps_assert_recorded(x, 0, "1.0", NULL);
	upmaps_assert_recorded(x, 1, "1.0",
			       "{\"ours\":{\"full\":null,\"items\":[4,0,6,1]},\"was\":{\"full\":null,\"items\":[4,2]}}");
	upmaps_restore(x, NULL, true, "");
	upmaps_assert(x, before);
}

/* Somebody made it while the weights were 0, the drain was taken up again and replaced it: where the weights are back it cannot
 * stand, and nobody has lost anything. */
static void test_an_entry_for_the_weights_of_the_drain(void **state)
{
	struct upmaps *x = *state;
	size_t kept;

	x->drains[0].journal.released = true;
	upmaps_entry(x, false, "1.0", "5 9");
	assert_int_equal(upmaps_pin(x, &kept), 0);
	x->deaf = "1.0";
	upmaps_restore(x, NULL, false, "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		upmaps_test(test_what_is_left_of_an_entry),
		upmaps_test(test_another_hand),
		upmaps_test(test_the_mon_does_not_take_it_back),
		upmaps_test(test_a_pool_that_is_gone),
		upmaps_test(test_lost_on_the_way_back),
		upmaps_test(test_only_of_this_window),
		upmaps_test(test_a_second_pin_that_does_not_stand),
		upmaps_test(test_a_pg_of_both_nodes),
		upmaps_test(test_an_entry_for_the_weights_of_the_drain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
