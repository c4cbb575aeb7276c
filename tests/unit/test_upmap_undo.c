/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Upmap entries against a small mon: put back, beside another hand's and other drains'. */
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

/* A drain beside ours has pinned the PG: that is its matter. */
static void test_another_drains_pin(void **state)
{
	struct upmaps *x = *state;
	_cleanup_json_ json_t *now = NULL;
	struct cn_journal other = {};
	size_t kept;

	assert_int_equal(upmaps_pin(x, &kept), 0);
	upmaps_entry(x, false, "1.0", "4 9");
	upmaps_entry(x, true, "2.3", "");
	now = upmaps_read(x);
	cn_journal_copy(&x->drains[0].journal, &other);
	memset(other.id, 'a', 32);
	json_object_set_new(json_object_get(other.upmaps, "1.0"), "ours", json_pack("{sn,s[ii]}", "full", "items", 4, 9));
	x->run.others = (struct cn_journals){.v = &other, .n = 1};
	upmaps_restore(x, NULL, false, "");
	upmaps_assert(x, now);
	x->run.others = (struct cn_journals){};
	upmaps_restore(x, NULL, false, "PG 1.0: another hand");
	cn_journal_release(&other);
}

/* Two drains, cancelled in the order in which they began: the second found a pin of the first. */
static void test_a_pin_of_a_cancelled_drain(void **state)
{
	struct upmaps *x = *state;
	_cleanup_json_ json_t *before = NULL;
	struct cn_journal *first = &x->drains[0].journal, *second = &x->drains[1].journal, tombstone = {};
	size_t kept;

	upmaps_entry(x, false, "1.0", "4 5");
	before = upmaps_read(x);
	x->run.n = 1;
	assert_int_equal(upmaps_pin(x, &kept), 0);
	x->run.drains = &x->drains[1];
	upmaps_entry(x, true, "2.3", "");
	upmaps_record(x);
	json_object_set_new(json_object_get(second->upmaps, "1.0"), "ours", json_pack("{sn,s[ii]}", "full", "items", 4, 9));
	upmaps_entry(x, false, "1.0", "4 9");
	first->phase = CN_PHASE_CANCELLED;
	cn_journal_copy(first, &tombstone); /* as it is read back */
	x->run.others = (struct cn_journals){.v = &tombstone, .n = 1};
	cn_upmaps_settle(&x->run);
	upmaps_restore(x, NULL, false, "");
	upmaps_assert(x, before);
	upmaps_entry(x, false, "1.0", "4 0 6 1");
	json_decref(before);
	before = upmaps_read(x);
	upmaps_entry(x, false, "1.0", "4 9");
	second->started_ms = tombstone.updated_ms + 1; /* then the pin that it found was another's, and is there to stay */
	json_object_set_new(json_object_get(second->upmaps, "1.0"), "was",
			    json_pack("{sn,s[iiii]}", "full", "items", 4, 0, 6, 1));
	cn_upmaps_settle(&x->run);
	upmaps_restore(x, NULL, false, "");
	upmaps_assert(x, before);
	x->run.others = (struct cn_journals){};
	x->run.drains = x->drains;
	cn_journal_release(&tombstone);
}

/* Two drains of two runs, as they stand beside each other: first and second read what the other has journalled. */
struct pair {
	struct upmaps *x;
	struct cn_journal beside; /* the other one, as it is read */
};

static void take_turn(struct pair *p, int n)
{
	struct upmaps *x = p->x;

	cn_journal_release(&p->beside);
	cn_journal_copy(&x->drains[1 - n].journal, &p->beside);
	x->run.drains = &x->drains[n];
	x->run.n = 1;
	x->run.others = (struct cn_journals){.v = &p->beside, .n = 1};
}

static void begin_pair(struct pair *p, struct upmaps *x)
{
	*p = (struct pair){.x = x};
	for (int n = 0; n < 2; n++)
		x->drains[n].journal.change_epoch = 1;
}

static void cancel_one(struct pair *p, int n, const char *foreign)
{
	take_turn(p, n);
	cn_upmaps_settle(&p->x->run);
	upmaps_restore(p->x, NULL, false, foreign);
	p->x->drains[n].journal.phase = CN_PHASE_CANCELLED;
}

static void end_pair(struct pair *p)
{
	p->x->run.drains = p->x->drains;
	p->x->run.others = (struct cn_journals){};
	cn_journal_release(&p->beside);
}

/* One run of both: the record is in one journal only, and the mon drops the entry as long as the other's weights are 0. */
static void test_an_entry_that_waits_for_the_other_drain(void **state)
{
	struct upmaps *x = *state;
	_cleanup_json_ json_t *before = NULL;
	struct pair p;

	upmaps_entry(x, false, "1.0", "2 0");
	upmaps_entry(x, false, "1.1", "4 1");
	before = upmaps_read(x);
	upmaps_record(x);
	upmaps_entry(x, false, "1.0", "");
	upmaps_entry(x, false, "1.1", "");
	begin_pair(&p, x);
	x->deaf = "1.0";
	cancel_one(&p, 0, "1 of 2 upmap entries cannot stand beside the drain of node2, its cancel puts them back (PG 1.0)");
	x->deaf = NULL;
	cancel_one(&p, 1, "");
	upmaps_assert(x, before);
	end_pair(&p);
}

/* The same, and the second cancel cannot put it back either: then it says so. */
static void test_an_entry_that_the_last_cancel_cannot_put_back(void **state)
{
	struct upmaps *x = *state;
	struct pair p;

	upmaps_entry(x, false, "1.0", "2 0");
	upmaps_record(x);
	upmaps_entry(x, false, "1.0", "");
	begin_pair(&p, x);
	x->deaf = "1.0";
	cancel_one(&p, 0, "beside the drain of node2");
	cancel_one(&p, 1, "the monitors did not take back 1 of 1 upmap entries (PG 1.0)");
	end_pair(&p);
}

/* The second found what the mon had left of the entry for the first, which was cancelled before it: what was there before all
 * comes back, with a pin of the second on it or without. */
static void test_what_the_first_drain_left_of_an_entry(void **state)
{
	struct upmaps *x = *state;

	for (int pinned = 0; pinned < 2; pinned++) {
		_cleanup_json_ json_t *before = NULL;
		struct pair p;

		upmaps_entry(x, false, "1.0", "6 0 7 2");
		before = upmaps_read(x);
		begin_pair(&p, x);
		take_turn(&p, 0);
		upmaps_record(x);
		upmaps_entry(x, false, "1.0", "7 2");
		take_turn(&p, 1);
		upmaps_record(x);
		upmaps_entry(x, false, "1.0", pinned ? "4 9" : "");
		if (pinned)
			json_object_set_new(json_object_get(x->drains[1].journal.upmaps, "1.0"), "ours",
					    json_pack("{sn,s[ii]}", "full", "items", 4, 9));
		x->deaf = "1.0";
		cancel_one(&p, 0, "1 of 1 upmap entries cannot stand beside the drain of node2");
		x->deaf = NULL;
		cancel_one(&p, 1, "");
		upmaps_assert(x, before);
		for (int n = 0; n < 2; n++) {
			x->drains[n].journal.phase = CN_PHASE_WAIT;
			json_object_clear(x->drains[n].journal.upmaps);
		}
		end_pair(&p);
	}
}

static void pin(struct upmaps *x, int n, const char *pgid, const char *numbers)
{
	_cleanup_json_ json_t *now = NULL;

	upmaps_entry(x, false, pgid, numbers);
	now = upmaps_read(x);
	json_object_set(json_object_get(x->drains[n].journal.upmaps, pgid), "ours", json_object_get(now, pgid));
}

/* The second found a pin of the first, and its weights made the mon cancel a part: that comes back while the first stands, and
 * goes with it. */
static void test_a_pin_of_the_drain_that_stands(void **state)
{
	struct upmaps *x = *state;
	_cleanup_json_ json_t *before = NULL, *pinned = NULL;
	struct pair p;

	before = upmaps_read(x);
	upmaps_entry(x, false, "1.0", "4 0");
	begin_pair(&p, x);
	take_turn(&p, 0);
	upmaps_record(x);
	json_object_set_new(json_object_get(x->drains[0].journal.upmaps, "1.0"), "was", json_pack("{sn,sn}", "full", "items"));
	pin(x, 0, "1.0", "4 9 7 2");
	pinned = upmaps_read(x);
	take_turn(&p, 1);
	upmaps_record(x);
	upmaps_entry(x, false, "1.0", "4 9");
	cancel_one(&p, 1, "");
	upmaps_assert(x, pinned);
	cancel_one(&p, 0, "");
	upmaps_assert(x, before);
	end_pair(&p);
}

/* What is left of a pin of the other drain is that one's, and what was there before goes back with it. */
static void test_what_is_left_of_another_drains_pin(void **state)
{
	struct upmaps *x = *state;
	_cleanup_json_ json_t *before = NULL;
	struct pair p;

	upmaps_entry(x, false, "1.0", "4 0");
	before = upmaps_read(x);
	begin_pair(&p, x);
	take_turn(&p, 0);
	upmaps_record(x);
	upmaps_entry(x, false, "1.0", "6 2"); /* any that the second takes note of */
	take_turn(&p, 1);
	upmaps_record(x);
	json_object_set_new(json_object_get(x->drains[1].journal.upmaps, "1.0"), "was", json_pack("{sn,sn}", "full", "items"));
	pin(x, 1, "1.0", "4 9 7 8");
	upmaps_entry(x, false, "1.0", "4 9");
	cancel_one(&p, 0, "1 of 1 upmap entries cannot stand beside the drain of node2");
	cancel_one(&p, 1, "");
	upmaps_assert(x, before);
	end_pair(&p);
}

/* A third that stood there all the time does not bring back what the second has put back and another hand has removed since. */
static void test_an_entry_is_put_back_once(void **state)
{
	struct upmaps *x = *state;
	struct cn_journal both[2];
	_cleanup_json_ json_t *now = NULL;
	struct pair p;

	upmaps_entry(x, false, "1.0", "2 0");
	upmaps_record(x);
	upmaps_entry(x, false, "1.0", "");
	begin_pair(&p, x);
	x->deaf = "1.0";
	cancel_one(&p, 0, "beside the drain of node2");
	x->deaf = NULL;
	cancel_one(&p, 1, "");
	upmaps_entry(x, false, "1.0", "");
	now = upmaps_read(x);
	for (int n = 0; n < 2; n++) {
		cn_journal_copy(&x->drains[n].journal, &both[n]);
		both[n].updated_ms += n;
	}
	json_object_clear(x->drains[1].journal.upmaps); /* as a third */
	memset(x->drains[1].journal.id, 'c', 32);
	x->run.others = (struct cn_journals){.v = both, .n = 2};
	cn_upmaps_settle(&x->run);
	upmaps_restore(x, NULL, false, "");
	upmaps_assert(x, now);
	for (int n = 0; n < 2; n++)
		cn_journal_release(&both[n]);
	end_pair(&p);
}

/* The first has put it back beside the second; what another hand makes of it afterwards is not the second's matter. */
static void test_an_entry_that_is_settled(void **state)
{
	struct upmaps *x = *state;
	_cleanup_json_ json_t *now = NULL;
	struct pair p;

	upmaps_entry(x, false, "1.0", "2 0");
	upmaps_record(x);
	upmaps_entry(x, false, "1.0", "");
	begin_pair(&p, x);
	cancel_one(&p, 0, "");
	upmaps_entry(x, false, "1.0", "");
	now = upmaps_read(x);
	cancel_one(&p, 1, "");
	upmaps_assert(x, now);
	end_pair(&p);
}

/* What the first is owed, a drain of a time since then has neither seen nor put back. */
static void test_an_entry_that_a_later_drain_did_not_see(void **state)
{
	struct upmaps *x = *state;
	struct cn_journal both[2];
	_cleanup_json_ json_t *before = NULL;
	struct pair p;

	upmaps_entry(x, false, "1.0", "2 0");
	before = upmaps_read(x);
	upmaps_record(x);
	upmaps_entry(x, false, "1.0", "");
	begin_pair(&p, x);
	x->deaf = "1.0";
	cancel_one(&p, 0, "beside the drain of node2");
	x->deaf = NULL;
	for (int n = 0; n < 2; n++)
		cn_journal_copy(&x->drains[0].journal, &both[n]);
	json_decref(both[1].upmaps);
	both[1].upmaps = json_pack("{s{s{sn,s[]},s{sn,s[ii]},si}}", "1.0", "was", "full", "items", "ours", "full", "items", 4, 9,
				   "epoch", 2);
	memset(both[1].id, 'd', 32);
	both[1].started_ms = both[0].updated_ms + 1;
	both[1].updated_ms = both[0].updated_ms + 2;
	take_turn(&p, 1);
	x->run.others = (struct cn_journals){.v = both, .n = 2};
	cn_upmaps_settle(&x->run);
	upmaps_restore(x, NULL, false, "");
	upmaps_assert(x, before);
	for (int n = 0; n < 2; n++)
		cn_journal_release(&both[n]);
	end_pair(&p);
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
		upmaps_test(test_another_drains_pin),
		upmaps_test(test_a_pin_of_a_cancelled_drain),
		upmaps_test(test_an_entry_that_waits_for_the_other_drain),
		upmaps_test(test_an_entry_that_the_last_cancel_cannot_put_back),
		upmaps_test(test_what_the_first_drain_left_of_an_entry),
		upmaps_test(test_a_pin_of_the_drain_that_stands),
		upmaps_test(test_what_is_left_of_another_drains_pin),
		upmaps_test(test_an_entry_is_put_back_once),
		upmaps_test(test_an_entry_that_is_settled),
		upmaps_test(test_an_entry_that_a_later_drain_did_not_see),
		upmaps_test(test_an_entry_for_the_weights_of_the_drain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
