/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Upmap entries of PGs that several drains had their hands on, against a small mon: who puts back what, and when. */
#include "upmaps.h"

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
	for (int n = 0; n < 2; n++) {
		p->x->drains[n].journal.phase = CN_PHASE_WAIT;
		json_object_clear(p->x->drains[n].journal.upmaps);
	}
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

/* The second pinned the PG after the first's cancel, and after another hand had removed what that put back. */
static void test_an_entry_found_after_the_cancel(void **state)
{
	struct upmaps *x = *state;
	_cleanup_json_ json_t *now = NULL;
	struct pair p;

	upmaps_entry(x, false, "1.0", "4 0");
	begin_pair(&p, x);
	take_turn(&p, 0);
	upmaps_record(x);
	pin(x, 0, "1.0", "4 0 6 1");
	cancel_one(&p, 0, "");
	upmaps_entry(x, false, "1.0", "2 7");
	take_turn(&p, 1);
	upmaps_record(x);
	json_object_set_new(json_object_get(x->drains[1].journal.upmaps, "1.0"), "was", json_pack("{sn,sn}", "full", "items"));
	pin(x, 1, "1.0", "5 9");
	cancel_one(&p, 1, "");
	now = upmaps_read(x);
	assert_null(json_object_get(now, "1.0"));
	end_pair(&p);
}

/* An entry of the balancer's, with a pin of the first on it and on that one of the second: whoever is cancelled first leaves what
 * is the other's, and after both it stands as it did. */
static void test_an_entry_that_both_pinned(void **state)
{
	struct upmaps *x = *state;

	for (int first = 0; first < 2; first++) {
		_cleanup_json_ json_t *before = NULL, *pinned = NULL;
		struct pair p;

		upmaps_entry(x, false, "1.0", "4 0");
		before = upmaps_read(x);
		begin_pair(&p, x);
		take_turn(&p, 0);
		upmaps_record(x);
		pin(x, 0, "1.0", "4 0 6 1");
		pinned = upmaps_read(x);
		take_turn(&p, 1);
		upmaps_record(x);
		pin(x, 1, "1.0", "4 0 6 1 7 2");
		cancel_one(&p, first, first ? "" : "1 of 1 upmap entries cannot stand beside the drain of node2");
		if (first)
			upmaps_assert(x, pinned);
		cancel_one(&p, 1 - first, "");
		upmaps_assert(x, before);
		end_pair(&p);
	}
}

/* The second found the first's pin when it was gone on with: after the first's cancel what it puts back is what was there before
 * both, and that it cannot is to be said. */
static void test_a_late_entry_was_anothers_pin(void **state)
{
	struct upmaps *x = *state;
	struct pair p;

	upmaps_entry(x, false, "1.0", "4 0");
	begin_pair(&p, x);
	take_turn(&p, 0);
	upmaps_record(x);
	pin(x, 0, "1.0", "4 0 6 1");
	take_turn(&p, 1);
	upmaps_record(x);
	json_object_set_new(json_object_get(x->drains[1].journal.upmaps, "1.0"), "late", json_true());
	upmaps_entry(x, false, "1.0", "");
	x->deaf = "1.0";
	cancel_one(&p, 0, "beside the drain of node2");
	cancel_one(&p, 1, "the monitors did not take back 1 of 1 upmap entries (PG 1.0)");
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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		upmaps_test(test_another_drains_pin),
		upmaps_test(test_a_pin_of_a_cancelled_drain),
		upmaps_test(test_an_entry_that_waits_for_the_other_drain),
		upmaps_test(test_an_entry_that_the_last_cancel_cannot_put_back),
		upmaps_test(test_what_the_first_drain_left_of_an_entry),
		upmaps_test(test_a_pin_of_the_drain_that_stands),
		upmaps_test(test_an_entry_found_after_the_cancel),
		upmaps_test(test_an_entry_that_both_pinned),
		upmaps_test(test_a_late_entry_was_anothers_pin),
		upmaps_test(test_what_is_left_of_another_drains_pin),
		upmaps_test(test_an_entry_is_put_back_once),
		upmaps_test(test_an_entry_that_is_settled),
		upmaps_test(test_an_entry_that_a_later_drain_did_not_see),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
