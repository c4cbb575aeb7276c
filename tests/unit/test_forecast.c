/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a change moves: shard by shard, replicated and erasure-coded. */
#include "drain/foresee.h"
#include "lay.h"

static struct cn_forecast make(struct lay *l)
{
	struct cn_forecast f;

	cn_forecast_make(&l->change, &f);
	return f;
}

/* id, shards, bytes that come, bytes that go */
static void assert_osd(const struct cn_forecast *f, int id, size_t shards, int64_t in, int64_t out)
{
	for (size_t i = 0; i < f->n_osds; i++)
		if (f->osds[i].id == id) {
			assert_int_equal(f->osds[i].shards_in, shards);
			assert_int_equal(f->osds[i].bytes_in, in);
			assert_int_equal(f->osds[i].bytes_out, out);
			return;
		}
	fail_msg("osd.%d wins and loses nothing", id);
}

static void test_sizes(void **state _unused_)
{
	struct lay l;

	lay_init(&l, BY_HOST, 3, "0 1");
	assert_int_equal(cn_shard_size(&l.sizes, (struct cn_pgid){1, 7}), SHARD);
	assert_int_equal(cn_shard_size(&l.sizes, (struct cn_pgid){2, 7}), SHARD); /* of 2 data chunks */
	cn_shard_sizes_set(&l.sizes, (struct cn_pgid){2, 7}, 5);
	cn_shard_sizes_set(&l.sizes, (struct cn_pgid){2, 8}, 5); /* no such PG, no such pool: nobody cares */
	cn_shard_sizes_set(&l.sizes, (struct cn_pgid){3, 0}, 5);
	assert_int_equal(cn_shard_size(&l.sizes, (struct cn_pgid){2, 7}), 5);
	assert_int_equal(cn_shard_size(&l.sizes, (struct cn_pgid){2, 8}), 0);
	assert_int_equal(cn_shard_size(&l.sizes, (struct cn_pgid){3, 0}), 0);
	lay_release(&l);
}

/* Members of replicated PGs have no places; each place of an erasure-coded one is a shard of its own. */
static void test_replicated_and_erasure(void **state _unused_)
{
	struct cn_forecast f;
	struct lay l;

	lay_init(&l, EC_HOST, 3, "0 1");
	lay_pg(&l, 1, 0, "0 2 4", NULL, "4 6 2", NULL); /* one moves, two change places */
	lay_pg(&l, 1, 1, "2 4 6", NULL, "2 4 6", NULL);
	lay_pg(&l, 1, 2, "2 0 4", NULL, "8 6 4", NULL); /* 8 or 6 is needless */
	lay_pg(&l, 2, 0, "0 2 4", NULL, "4 6 2", NULL); /* three move, one must */
	lay_pg(&l, 2, 1, "2 4 6", NULL, "2 8 6", NULL); /* none must */
	f = make(&l);
	assert_int_equal(f.pgs_moved, 4);
	assert_int_equal(f.bytes_minimum, 3 * SHARD);
	assert_int_equal(f.bytes_to_move, (1 + 2 + 3 + 1) * SHARD);
	assert_int_equal(f.shards_minimum, 3);
	assert_int_equal(f.shards_to_move, 1 + 2 + 3 + 1);
	assert_int_equal(f.n_holes + f.n_stay, 0);
	assert_osd(&f, 0, 0, 0, 3 * SHARD);
	assert_osd(&f, 6, 3, 3 * SHARD, 0);
	assert_osd(&f, 8, 2, 2 * SHARD, 0);
	assert_osd(&f, 4, 1, SHARD, 2 * SHARD);
	assert_osd(&f, 2, 1, SHARD, 2 * SHARD);
	for (size_t i = 1; i < f.n_osds; i++)
		assert_true(f.osds[i - 1].id < f.osds[i].id);
	cn_forecast_release(&f);
	lay_release(&l);
}

/* Where the data lie decides what comes: another move may be under way already. */
static void test_in_flight(void **state _unused_)
{
	struct cn_forecast f;
	struct lay l;

	lay_init(&l, BY_HOST, 3, "0 1");
	lay_pg(&l, 1, 0, "0 2 4", "0 2 6", "8 2 4", NULL); /* 6 to 4 was on its way; the drain's is 8 */
	lay_pg(&l, 1, 1, "2 4 6", "0 4 6", "2 4 6", NULL); /* on its way off osd.0 */
	f = make(&l);
	assert_int_equal(f.bytes_minimum, SHARD);
	assert_int_equal(f.bytes_to_move, SHARD);
	assert_osd(&f, 8, 1, SHARD, 0);
	assert_osd(&f, 4, 1, SHARD, 0);
	assert_osd(&f, 6, 0, 0, SHARD);
	assert_osd(&f, 2, 1, SHARD, 0);
	assert_osd(&f, 0, 0, 0, 2 * SHARD);
	cn_forecast_release(&f);
	lay_release(&l);
}

/* A PG that is short before and after because of an OSD that is down, and has nothing to do with the leaving ones, is not the
 * change's matter; one that was whole, or that had a leaving OSD, is. */
static void test_holes(void **state _unused_)
{
	struct cn_forecast f;
	struct lay l;

	lay_init(&l, BY_HOST, 3, "0 1");
	lay_pg(&l, 1, 0, "2 4 -", NULL, "2 4 -", NULL);
	f = make(&l);
	assert_int_equal(f.n_holes, 0);
	assert_int_equal(f.bytes_minimum + f.bytes_to_move, 0);
	cn_forecast_release(&f);

	lay_pg(&l, 1, 1, "2 4 9", NULL, "2 4 -", "2 4 9"); /* osd.9 is down: CRUSH finds it all the same */
	lay_pg(&l, 1, 2, "0 2 4", NULL, "6 2 -", "6 2 9");
	f = make(&l);
	assert_int_equal(f.n_holes, 0);
	cn_forecast_release(&f);

	lay_pg(&l, 2, 3, "0 2 4", NULL, "- 2 4", NULL);
	lay_pg(&l, 2, 4, "2 4 6", NULL, "2 - 6", NULL);
	lay_pg(&l, 1, 5, "0 - 4", NULL, "2 - 4", NULL); /* was short, and is no better off */
	lay_pg(&l, 1, 6, "2 4 -", "2 4 0", "2 4 -", NULL);
	f = make(&l);
	assert_int_equal(f.n_holes, 4);
	assert_int_equal(f.hole.pool, 1);
	assert_int_equal(f.hole.seed, 5);
	assert_int_equal(f.hole_filled, 2);
	assert_int_equal(f.n_stay, 0);
	cn_forecast_release(&f);
	lay_release(&l);
}

static void test_stays(void **state _unused_)
{
	struct cn_forecast f;
	struct lay l;

	lay_init(&l, BY_HOST, 3, "0 1");
	lay_pg(&l, 1, 3, "0 2 4", NULL, "0 2 4", NULL);
	lay_pg(&l, 2, 3, "0 2 4", NULL, "4 1 2", NULL);
	f = make(&l);
	assert_int_equal(f.n_stay, 2);
	assert_int_equal(f.stays.pool, 1);
	assert_int_equal(f.stays.seed, 3);
	assert_int_equal(f.stays_on, 0);
	cn_forecast_release(&f);
	lay_release(&l);
}

/* PGs that a source does not tell of, a pool that is new or has another size now: nothing is claimed. */
static void test_what_is_not_known(void **state _unused_)
{
	struct cn_forecast f;
	struct lay l;

	lay_init(&l, BY_HOST, 3, "0 1");
	l.pools[0].size = 2;
	cn_mapping_release(&l.before);
	cn_mapping_init(&l.before, &l.m, true); /* pool 1 had two copies */
	l.pools[0].size = 3;
	l.pools[1].pg_num = 4; /* it was split meanwhile: half of its PGs were not there */
	lay_pg(&l, 1, 0, "0 2", NULL, "2 4 6", NULL);
	lay_pg(&l, 2, 0, "0 2 4", NULL, "6 2 4", NULL);
	f = make(&l);
	assert_int_equal(f.bytes_to_move, SHARD);
	assert_int_equal(f.bytes_minimum, SHARD);
	assert_int_equal(f.n_osds, 2);
	assert_osd(&f, 6, 1, SHARD, 0);
	cn_forecast_release(&f);
	cn_mapping_release(&l.before);
	f = make(&l);
	assert_int_equal(f.bytes_to_move, 0);
	cn_forecast_release(&f);
	lay_release(&l);
}

/* Another epoch's OSD: counted as moved, and in no row. */
static void test_unknown_osd(void **state _unused_)
{
	struct cn_forecast f;
	struct lay l;

	lay_init(&l, BY_HOST, 3, "0 1");
	lay_pg(&l, 1, 0, "0 2 4", NULL, "2 4 4711", NULL);
	f = make(&l);
	assert_int_equal(f.bytes_to_move, SHARD);
	assert_int_equal(f.n_osds, 1);
	assert_osd(&f, 0, 0, 0, SHARD);
	cn_forecast_release(&f);
	lay_release(&l);
}

/* What a byte takes on the disk goes into the space that is used, not into what moves. */
static void test_used(void **state _unused_)
{
	struct cn_forecast f;
	struct lay l;

	lay_init(&l, BY_HOST, 3, "0 1");
	l.sizes.pools[0].used = 1.5;
	lay_pg(&l, 1, 0, "0 2 4", NULL, "6 2 4", NULL);
	f = make(&l);
	assert_int_equal(f.bytes_to_move, SHARD);
	assert_osd(&f, 6, 1, SHARD, 0);
	assert_int_equal(f.osds[1].used_delta, SHARD * 3 / 2);
	assert_int_equal(f.osds[0].used_delta, -SHARD * 3 / 2);
	cn_forecast_release(&f);
	lay_release(&l);
}

/* --- what speaks against it --------------------------------------------------------------------------------------------- */

static struct cn_osd_usage usages[] = {
	{.id = 2, .used = 840, .total = 1000}, {.id = 4, .used = 830, .total = 1000}, {.id = 8, .used = 800, .total = 1000}};
static const struct cn_osd_usages usage = {usages, ARRAY_SIZE(usages)};

static struct cn_foresight foresight(int64_t plain, int64_t pinned)
{
	struct cn_foresight fs = {.pinning = true};

	fs.plain.osds = cn_calloc(1, sizeof(*fs.plain.osds));
	fs.pinned.osds = cn_calloc(1, sizeof(*fs.pinned.osds));
	fs.plain.osds[0] = (struct cn_forecast_osd){.id = 4, .shards_in = 1, .used_delta = plain};
	fs.pinned.osds[0] = (struct cn_forecast_osd){.id = 8, .shards_in = 1, .used_delta = pinned};
	fs.plain.n_osds = fs.pinned.n_osds = 1;
	return fs;
}

/* Pins that fill an OSD too much are spared where they may be, and where that helps. */
static void test_pins_that_overfill(void **state)
{
	static const struct {
		int64_t plain, pinned;
		enum cn_pin_mode mode;
		bool pinning;
	} cases[] = {
		{69, 100, CN_PIN_AUTO, false},
		{69, 99, CN_PIN_AUTO, true},
		{70, 100, CN_PIN_AUTO, true},
		{69, 100, CN_PIN_ALWAYS, true},
	};
	struct cn_osdmap m = {.nearfull_ratio = 0.85, .backfillfull_ratio = 0.9};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cn_foresight fs = foresight(cases[i].plain, cases[i].pinned);

		cn_foresight_spare(&fs, &m, &usage, cases[i].mode);
		assert_int_equal(fs.pinning, cases[i].pinning);
		assert_true(cn_foresight_result(&fs) == (cases[i].pinning ? &fs.pinned : &fs.plain));
		cn_foresight_release(&fs);
	}
}

/* A warning for who passes nearfull, by name; a refusal for who passes backfillfull. One that is there already is not named. */
static void test_fill(void **state _unused_)
{
	struct cn_plan p = {};
	struct cn_forecast f;
	struct lay l;

	lay_init(&l, BY_HOST, 3, "0 1");
	l.m.nearfull_ratio = 0.83;
	l.m.backfillfull_ratio = 0.9;
	for (uint32_t seed = 0; seed < 3; seed++)
		cn_shard_sizes_set(&l.sizes, (struct cn_pgid){1, seed}, seed == 2 ? 65 : 35);
	lay_pg(&l, 1, 0, "0 4 6", NULL, "8 4 6", NULL);
	f = make(&l);
	cn_plan_judge_fill(&f, &l.m, &l.crush, &usage, &p);
	assert_int_equal(p.refusals.n, 0);
	assert_int_equal(p.warnings.n, 1);
	assert_has(p.warnings.v[0], "osd.8 would be 83.5 % full");
	assert_int_equal(p.fullest_osd, 2);
	assert_int_equal(p.n_targets, 1);
	assert_string_equal(p.targets[0].host, "node5");
	cn_plan_release(&p);
	cn_forecast_release(&f);
	lay_pg(&l, 1, 1, "0 2 4", NULL, "8 2 4", NULL);
	lay_pg(&l, 1, 2, "1 6 8", NULL, "2 6 8", NULL);
	f = make(&l);
	cn_plan_judge_fill(&f, &l.m, &l.crush, &usage, &p);
	assert_int_equal(p.refusals.n, 1);
	assert_has(p.refusals.v[0], "osd.2 would be 90.5 % full, backfill stops at 90 %");
	assert_has(p.warnings.v[0], "1 OSD would pass the nearfull ratio of 83 %: osd.8 would be 87.0 %");
	assert_int_equal(p.fullest_osd, 2);
	cn_plan_release(&p);
	cn_forecast_release(&f);
	lay_release(&l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_replicated_and_erasure),
		cmocka_unit_test(test_in_flight),
		cmocka_unit_test(test_holes),
		cmocka_unit_test(test_stays),
		cmocka_unit_test(test_what_is_not_known),
		cmocka_unit_test(test_unknown_osd),
		cmocka_unit_test(test_used),
		cmocka_unit_test(test_pins_that_overfill),
		cmocka_unit_test(test_fill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
