/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "cephnode/cluster/pg.h"
#include "fake.h"
#include "unit.h"

static void test_pgid(void **state _unused_)
{
	static const char *const bad[] = {"", "1", "1.", ".a", "1.a ", "-1.a", "x.1", "1.g"};
	char buf[CN_PGID_STRLEN];
	struct cn_pgid id;

	assert_true(cn_pgid_parse("12.1f", &id));
	assert_int_equal(id.pool, 12);
	assert_int_equal(id.seed, 0x1f);
	assert_string_equal(cn_pgid_format(id, buf), "12.1f");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (cn_pgid_parse(bad[i], &id))
			fail_msg("'%s' was taken for a PG id", bad[i]);
	assert_false(cn_pgid_parse(NULL, &id));
}

static void test_pgid_order(void **state _unused_)
{
	struct cn_pgid a = {1, 0xff}, b = {2, 0}, c = {2, 0x80000000};

	assert_true(cn_pgid_cmp(&a, &b) < 0 && cn_pgid_cmp(&c, &b) > 0 && cn_pgid_cmp(&b, &b) == 0);
}

/* safe-to-destroy calls active+clean+inconsistent safe; here it must not be clean. */
static void test_clean(void **state _unused_)
{
	static const char *const clean[] = {
		"active+clean",          "active+clean+scrubbing",     "active+clean+scrubbing+deep",
		"active+clean+snaptrim", "active+clean+snaptrim_wait",
	};
	static const char *const unclean[] = {
		"",
		"unknown",
		"active",
		"clean",
		"active+clean+inconsistent",
		"active+clean+scrubbing+deep+inconsistent",
		"active+clean+scrubbing+deep+repair",
		"active+clean+failed_repair",
		"active+clean+remapped",
		"active+clean+laggy",
		"active+clean+wait",
		"active+clean+snaptrim_error",
		"active+clean+premerge",
		"stale+active+clean",
		"active+undersized+degraded",
		"active+recovering+degraded",
		"active+recovery_wait",
		"active+remapped+backfilling",
		"active+remapped+backfill_wait",
		"active+clean+something_of_a_later_release",
		"peering",
		"down",
		"incomplete",
		"activeclean",
		"active+cleanish",
	};

	for (size_t i = 0; i < ARRAY_SIZE(clean); i++)
		if (!cn_pg_state_is_clean(clean[i]))
			fail_msg("'%s' is clean", clean[i]);
	for (size_t i = 0; i < ARRAY_SIZE(unclean); i++)
		if (cn_pg_state_is_clean(unclean[i]))
			fail_msg("'%s' is not clean", unclean[i]);
	assert_false(cn_pg_state_is_clean(NULL));
}

static void test_state_words(void **state _unused_)
{
	assert_true(cn_pg_state_has("active+remapped+backfilling", "remapped"));
	assert_true(cn_pg_state_has("down", "down"));
	assert_false(cn_pg_state_has("active+backfilling", "backfill"));
	assert_false(cn_pg_state_has("active", "activ"));
	assert_false(cn_pg_state_has(NULL, "active"));
}

/* ceph_stable_mod(): on a split each PG goes on or gives half of itself to the PG with the next bit set. */
static void test_stable_mod(void **state _unused_)
{
	assert_int_equal(cn_pg_stable_mod(5, 8), 5);
	assert_int_equal(cn_pg_stable_mod(13, 8), 5);  /* merge 16 to 8 */
	assert_int_equal(cn_pg_stable_mod(13, 12), 5); /* 12 is no power of two: 13 does not exist yet */
	assert_int_equal(cn_pg_stable_mod(11, 12), 11);
	assert_int_equal(cn_pg_stable_mod(0x1ff, 32), 31);
	assert_int_equal(cn_pg_stable_mod(7, 1), 0);
	assert_int_equal(cn_pg_stable_mod(7, 0), 0);
	assert_int_equal(cn_pg_stable_mod(0xffffffff, 6), 3);
	for (uint32_t pg_num = 1; pg_num < 70; pg_num++) {
		for (uint32_t x = 0; x < pg_num; x++)
			assert_int_equal(cn_pg_stable_mod(x, pg_num), x); /* a PG that exists is itself */
		for (uint32_t x = 0; x < 2 * pg_num; x++)                 /* a merge is what a split would undo */
			assert_int_equal(cn_pg_stable_mod(cn_pg_stable_mod(x, 2 * pg_num), pg_num), cn_pg_stable_mod(x, pg_num));
	}
}

static void test_ls_by_osd(void **state _unused_)
{
	_cleanup_free_ char *body = unit_data("pg-ls");
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);
	struct cn_pgs pgs = {};
	struct cn_pg *pg;

	fake_expect(f, CN_MGR, NULL, "{\"prefix\":\"pg ls-by-osd\",\"osd\":3,\"format\":\"json\"}", 0, body, NULL);
	fake_expect(f, CN_MGR, NULL, "{\"prefix\":\"pg ls-by-osd\",\"osd\":4,\"format\":\"json\"}", 0, body, NULL);
	assert_int_equal(cn_pg_ls_by_osd(c, 3, &pgs, NULL), 0);
	assert_int_equal(pgs.n, 68);
	assert_int_equal(cn_pg_ls_by_osd(c, 4, &pgs, NULL), 0);
	assert_int_equal(pgs.n, 68); /* each once */
	for (size_t i = 1; i < pgs.n; i++)
		assert_true(cn_pgid_cmp(&pgs.v[i - 1], &pgs.v[i]) < 0);
	pg = cn_pgs_find(&pgs, (struct cn_pgid){2, 0x1});
	assert_non_null(pg);
	assert_string_equal(pg->state, "active+clean+remapped");
	assert_int_equal(pg->up[0], CN_CRUSH_NONE);
	assert_int_equal(pg->acting[0], 7);
	assert_true(cn_pg_has_osd(pg, 7) && cn_pg_has_osd(pg, 4) && !cn_pg_has_osd(pg, 5));
	assert_int_equal(pg->bytes, 300000);
	assert_int_equal(pg->objects, 1);
	assert_true(pg->reported_epoch > 70);
	assert_null(cn_pgs_find(&pgs, (struct cn_pgid){2, 0x100}));
	cn_pgs_release(&pgs);
	fake_done(f);
}

/* A manager that has just started knows nothing: its empty answer does not mean "no PGs". */
static void test_ls_of_a_young_manager(void **state _unused_)
{
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);
	struct cn_error e = {};
	struct cn_pgs pgs = {};

	fake_expect(f, CN_MGR, NULL, "{\"prefix\":\"pg ls\",\"states\":[\"remapped\"],\"format\":\"json\"}", 0,
		    "{\"pg_ready\":false,\"pg_stats\":[]}", NULL);
	assert_int_equal(cn_pg_ls(c, (const char *const[]){"remapped", NULL}, &pgs, &e), -EAGAIN);
	assert_error(&e, CN_FAILED, "no statistics");
	fake_expect(f, CN_MGR, NULL, "{\"prefix\":\"pg ls-by-osd\",\"osd\":9,\"format\":\"json\"}", -EAGAIN, NULL,
		    "osd 9 is not up");
	assert_int_equal(cn_pg_ls_by_osd(c, 9, &pgs, &e), -EAGAIN);
	assert_error(&e, CN_FAILED, "osd 9 is not up");
	fake_expect(f, CN_MGR, NULL, "{\"prefix\":\"pg ls-by-osd\",\"osd\":3,\"format\":\"json\"}", 0,
		    "{\"pg_ready\":true,\"pg_stats\":[{\"pgid\":\"nonsense\"}]}", NULL);
	assert_int_equal(cn_pg_ls_by_osd(c, 3, &pgs, &e), -EBADMSG);
	assert_error(&e, CN_FAILED, "cannot be read");
	fake_expect(f, CN_MGR, NULL, "{\"prefix\":\"pg ls-by-osd\",\"osd\":4,\"format\":\"json\"}", 0, "{\"pg_ready\":true}",
		    NULL); /* as 16.2 says of an OSD without PGs */
	assert_int_equal(cn_pg_ls_by_osd(c, 4, &pgs, &e), 0);
	assert_int_equal(pgs.n, 0);
	cn_pgs_release(&pgs);
	fake_done(f);
}

static void test_map(void **state _unused_)
{
	_cleanup_free_ char *body = unit_data("pg-map-2.1");
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);
	struct cn_error e = {};
	struct cn_pg pg = {};

	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"pg map\",\"pgid\":\"2.1\",\"format\":\"json\"}", 0, body, NULL);
	assert_int_equal(cn_pg_map(c, (struct cn_pgid){2, 1}, &pg, &e), 0);
	assert_int_equal(pg.n_up, 3);
	assert_int_equal(pg.up[0], CN_CRUSH_NONE);
	assert_int_equal(pg.acting[0], 7);
	assert_int_equal(pg.reported_epoch, 79);
	cn_pg_release(&pg);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"pg map\",\"pgid\":\"99.0\",\"format\":\"json\"}", -ENOENT, NULL,
		    "pg '99.0' does not exist");
	assert_int_equal(cn_pg_map(c, (struct cn_pgid){99, 0}, &pg, &e), -ENOENT);
	assert_error(&e, CN_FAILED, "does not exist");
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"pg map\",\"pgid\":\"1.0\",\"format\":\"json\"}", 0,
		    "{\"epoch\":5,\"up\":[1]}", NULL);
	assert_int_equal(cn_pg_map(c, (struct cn_pgid){1, 0}, &pg, &e), -EBADMSG);
	cn_error_release(&e);
	fake_done(f);
}

static void test_query(void **state _unused_)
{
	_cleanup_free_ char *body = unit_data("pg-query-2.1");
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);
	struct cn_ids others = {};
	struct cn_pg pg = {};

	fake_expect(f, CN_PG, "2.1", "{\"prefix\":\"query\",\"pgid\":\"2.1\",\"format\":\"json\"}", 0, body, NULL);
	assert_int_equal(cn_pg_query(c, (struct cn_pgid){2, 1}, &pg, &others, NULL), 0);
	assert_string_equal(pg.state, "active+clean+remapped");
	assert_int_equal(pg.acting[0], 7);
	assert_int_equal(pg.bytes, 300000);
	assert_true(pg.reported_epoch >= 79);
	assert_true(cn_ids_has(&others, 7)); /* "7(0)": a shard of an erasure-coded PG */
	cn_ids_release(&others);
	cn_pg_release(&pg);
	fake_done(f);
}

static void test_query_names_whom_the_primary_waits_for(void **state _unused_)
{
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);
	struct cn_ids others = {};
	struct cn_error e = {};
	struct cn_pg pg = {};

	fake_expect(f, CN_PG, "1.0", "{\"prefix\":\"query\",\"pgid\":\"1.0\",\"format\":\"json\"}", 0,
		    "{\"state\":\"active+recovering\",\"epoch\":90,\"up\":[1,2],\"acting\":[1,2],\"backfill_targets\":[\"4\"],"
		    "\"acting_recovery_backfill\":[\"1\",\"2\",\"4\"],\"info\":{\"stats\":{\"stat_sum\":{\"num_bytes\":5}}},"
		    "\"recovery_state\":[{\"might_have_unfound\":[{\"osd\":\"6\",\"status\":\"osd is down\"},{\"osd\":\"7(1)\"}],"
		    "\"down_osds_we_would_probe\":[9]}]}",
		    NULL);
	assert_int_equal(cn_pg_query(c, (struct cn_pgid){1, 0}, &pg, &others, NULL), 0);
	assert_true(cn_ids_has(&others, 4) && cn_ids_has(&others, 6) && cn_ids_has(&others, 7) && cn_ids_has(&others, 9));
	cn_ids_release(&others);
	cn_pg_release(&pg);
	fake_expect(f, CN_PG, "1.0", "{\"prefix\":\"query\",\"pgid\":\"1.0\",\"format\":\"json\"}", -ETIMEDOUT, NULL, NULL);
	assert_int_equal(cn_pg_query(c, (struct cn_pgid){1, 0}, &pg, NULL, &e), -ETIMEDOUT);
	assert_error(&e, CN_TIMEOUT, "PG 1.0");
	fake_expect(f, CN_PG, "1.0", "{\"prefix\":\"query\",\"pgid\":\"1.0\",\"format\":\"json\"}", 0, "{\"epoch\":90}", NULL);
	assert_int_equal(cn_pg_query(c, (struct cn_pgid){1, 0}, &pg, NULL, &e), -EBADMSG);
	cn_error_release(&e);
	fake_done(f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pgid),
		cmocka_unit_test(test_pgid_order),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_state_words),
		cmocka_unit_test(test_stable_mod),
		cmocka_unit_test(test_ls_by_osd),
		cmocka_unit_test(test_ls_of_a_young_manager),
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_query),
		cmocka_unit_test(test_query_names_whom_the_primary_waits_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
