/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Upmap entries in the forecast of a change that is still to come. */
#include "drain/entries.h"
#include "lay.h"

static void lay_entries(struct lay *l, json_t *items)
{
	json_decref(l->m.pg_upmap_items);
	l->m.pg_upmap_items = items;
	for (size_t i = 0; i < l->m.n_osds; i++)
		l->m.osds[i].up = true;
}

static json_t *item(const char *pgid, int from, int to)
{
	return json_pack("{ss,s[{si,si}]}", "pgid", pgid, "mappings", "from", from, "to", to);
}

static json_t *items_of_two(const char *pgid, int from, int to, int from2, int to2)
{
	return json_pack("{ss,s[{si,si},{si,si}]}", "pgid", pgid, "mappings", "from", from, "to", to, "from", from2, "to", to2);
}

static void assert_places(const struct cn_mapped_pool *pool, const int *sets, uint32_t seed, int a, int b, int c)
{
	const int *set = cn_mapped_set(pool, sets, seed);

	assert_non_null(set);
	assert_int_equal(set[0], a);
	assert_int_equal(set[1], b);
	assert_int_equal(set[2], c);
}

static void test_suffice(void **state _unused_)
{
	struct lay l;

	lay_init(&l, BY_HOST, 3, "0 1");
	lay_entries(&l, json_array());
	assert_true(cn_entries_suffice(&l.m, &l.leaving));
	json_array_append_new(l.m.pg_upmap_items, item("1.0", 2, 0));
	json_array_append_new(l.m.pg_upmap_items, items_of_two("1.1", 0, 2, 4, 6));
	assert_true(cn_entries_suffice(&l.m, &l.leaving));
	l.m.osds[4].up = false;
	assert_false(cn_entries_suffice(&l.m, &l.leaving));
	l.m.osds[4].reweight = 0; /* out: CRUSH does not choose it */
	assert_true(cn_entries_suffice(&l.m, &l.leaving));
	json_array_append_new(l.m.pg_upmap_items, items_of_two("1.2", 4, 6, 2, 1));
	assert_false(cn_entries_suffice(&l.m, &l.leaving));
	l.pools[1].pg_num = 60000;
	assert_true(cn_entries_suffice(&l.m, &l.leaving));
	json_array_append_new(l.m.pg_upmap, json_pack("{ss,s[iii]}", "pgid", "1.3", "osds", 2, 4, 6));
	assert_false(cn_entries_suffice(&l.m, &l.leaving));
	l.pools[1].pg_num = 8;
	lay_release(&l);
}

/* Which PGs would have a leaving OSD, had not an entry led away from it. */
static void test_leave(void **state _unused_)
{
	const struct cn_mapped_pool *p;
	struct lay l;

	lay_init(&l, BY_HOST, 3, "0 1");
	lay_entries(&l, json_pack("[o,o,o,o,o,o]", item("1.0", 0, 4), item("1.1", 0, 8), item("1.2", 2, 4),
				  items_of_two("1.3", 0, 4, 4, 6), item("1.99", 0, 4), item("no", 0, 4)));
	for (uint32_t seed = 0; seed < 4; seed++)
		lay_pg(&l, 1, seed, seed == 3 ? "8 6 2" : "8 4 6", NULL, "2 4 6", NULL);
	cn_entries_leave(&l.m, &l.leaving, &l.before);
	p = cn_mapping_pool(&l.before, 1);
	assert_places(p, p->raw, 0, 8, 0, 6);
	assert_places(p, p->raw, 1, 0, 4, 6);
	assert_places(p, p->raw, 2, 8, 4, 6); /* of no concern */
	assert_places(p, p->raw, 3, 8, 0, 2); /* by way of 4 */
	assert_places(p, p->up, 0, 8, 4, 6);
	lay_release(&l);
}

static void test_cancel(void **state _unused_)
{
	const struct cn_mapped_pool *p, *ec;
	struct lay l;

	lay_init(&l, BY_HOST, 3, "0 1");
	lay_entries(&l, json_pack("[o,o,o,o,o]", item("1.0", 4, 0), item("1.1", 4, 8), items_of_two("1.2", 4, 0, 8, 6),
				  item("2.0", 4, 0), item("1.3", 4, 0)));
	lay_pg(&l, 1, 0, "2 4 6", NULL, "2 0 6", NULL);
	lay_pg(&l, 1, 1, "2 4 6", NULL, "2 8 6", NULL);
	lay_pg(&l, 1, 2, "2 4 6", NULL, "2 0 6", NULL);
	lay_pg(&l, 1, 3, "2 4 6", NULL, "2 6 8", NULL); /* not applied: CRUSH does not choose 4 any more */
	lay_pg(&l, 2, 0, "2 4 6", NULL, "2 0 6", NULL);
	l.m.osds[4].up = false;
	cn_entries_cancel(&l.m, &l.leaving, true, &l.after);
	p = cn_mapping_pool(&l.after, 1);
	ec = cn_mapping_pool(&l.after, 2);
	assert_places(p, p->raw, 0, 2, 4, 6);
	assert_places(p, p->up, 0, 2, 6, CN_CRUSH_NONE);
	assert_places(p, p->up, 1, 2, 8, 6);
	assert_places(p, p->raw, 2, 2, 4, 8);
	assert_places(p, p->up, 3, 2, 6, 8);
	assert_places(ec, ec->up, 0, 2, CN_CRUSH_NONE, 6);
	lay_release(&l);
}

/* With the tool's raw sets; a leaving OSD that is down stands in none, and the mon cancels the entry all the same. */
static void test_cancel_with_raw(void **state _unused_)
{
	const struct cn_mapped_pool *p;
	struct lay l;

	lay_init(&l, BY_HOST, 3, "0 1");
	lay_entries(&l, json_pack("[o,o,o]", item("1.0", 4, 0), item("1.1", 4, 0), item("1.2", 4, 0)));
	json_array_append_new(l.m.pg_upmap, json_pack("{ss,s[iii]}", "pgid", "1.3", "osds", 2, 1, 6));
	l.m.osds[0].up = false;
	lay_pg(&l, 1, 0, "2 6", NULL, "2 6", "2 4 6");
	lay_pg(&l, 1, 1, "2 6", NULL, "2 6 8", "2 6 8");
	lay_pg(&l, 1, 3, "2 1 6", NULL, "2 1 6", "8 6 4");
	cn_entries_cancel(&l.m, &l.leaving, false, &l.after);
	p = cn_mapping_pool(&l.after, 1);
	assert_places(p, p->up, 0, 2, 4, 6);
	assert_places(p, p->up, 1, 2, 6, 8);
	assert_places(p, p->up, 3, 8, 6, 4);
	lay_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_suffice),
		cmocka_unit_test(test_leave),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_cancel_with_raw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
