/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many shards a rule can place. The map: rack-a = node1 (0, 1), node2 (2, 3); rack-b = node3 (4, 5), node4 (6, 7); node5 (8,
 * 9, 10) below the root itself. Even OSDs are ssd, odd ones hdd; osd.10 has no class. 9 is down, 10 and 11 were never started, 1
 * is out.
 */
#include "fake.h"
#include "unit.h"
#include "world.h"

#include "cephnode/cluster/maps.h"

enum { BY_HOST = 0, EC_HOST = 1, SSD_HOST = 2, BY_RACK = 3, BY_OSD = 4, TWO_RACKS = 20, EC_RACKS = 21, SSD_THEN_HDD = 22 };

struct maps {
	struct cn_osdmap osds;
	struct cn_crush crush;
};

static void load(struct world *w, struct maps *m)
{
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);

	world_answers(w, f);
	assert_int_equal(cn_osdmap_get(c, &m->osds, NULL), 0);
	assert_int_equal(cn_crush_get(c, &m->crush, NULL), 0);
	fake_done(f);
}

static int setup(void **state)
{
	static struct maps m;
	struct world w;

	world_init(&w, "racks-");
	load(&w, &m);
	world_release(&w);
	*state = &m;
	return 0;
}

static int teardown(void **state)
{
	struct maps *m = *state;

	cn_osdmap_release(&m->osds);
	cn_crush_release(&m->crush);
	return 0;
}

/* gone: "0 1" */
static int capacity(const struct maps *m, int rule, int size, const char *gone, const char **ret_domain)
{
	struct cn_strv v = {};
	struct cn_ids ids = {};
	int n;

	cn_strv_split(&v, gone, " ");
	for (size_t i = 0; i < v.n; i++)
		cn_ids_add(&ids, atoi(v.v[i]));
	n = cn_crush_capacity(&m->crush, &m->osds, rule, size, &ids, ret_domain);
	cn_strv_release(&v);
	cn_ids_release(&ids);
	return n;
}

static void test_host_rule(void **state)
{
	const struct maps *m = *state;
	const char *domain = NULL;

	assert_int_equal(capacity(m, BY_HOST, 3, "", &domain), 5);
	assert_string_equal(domain, "host");
	assert_int_equal(capacity(m, BY_HOST, 3, "0", NULL), 4); /* osd.1 of node1 is out */
	assert_int_equal(capacity(m, BY_HOST, 3, "2", NULL), 5); /* osd.3 stays on node2 */
	assert_int_equal(capacity(m, BY_HOST, 3, "2 3", NULL), 4);
	assert_int_equal(capacity(m, BY_HOST, 3, "8", NULL), 4); /* 9 is down, 10 never started */
	assert_int_equal(capacity(m, BY_HOST, 3, "0 2 3 4 5", NULL), 2);
	assert_int_equal(cn_crush_capacity(&m->crush, &m->osds, BY_HOST, 3, NULL, NULL), 5);
}

static void test_erasure_rule(void **state)
{
	const struct maps *m = *state;
	const char *domain = NULL;

	assert_int_equal(capacity(m, EC_HOST, 3, "", &domain), 5);
	assert_string_equal(domain, "host");
	assert_int_equal(capacity(m, EC_HOST, 3, "0 2 3 4 5", NULL), 2);
}

static void test_device_class(void **state)
{
	const struct maps *m = *state;

	assert_int_equal(capacity(m, SSD_HOST, 3, "", NULL), 5);
	assert_int_equal(capacity(m, SSD_HOST, 3, "3 5 7", NULL), 5); /* hdds */
	assert_int_equal(capacity(m, SSD_HOST, 3, "2 4", NULL), 3); /* node2 and node3 keep hdds, which the rule does not take */
	assert_int_equal(capacity(m, SSD_HOST, 3, "2 4 6", NULL), 2);
}

static void test_rack_rule(void **state)
{
	const struct maps *m = *state;
	const char *domain = NULL;

	assert_int_equal(capacity(m, BY_RACK, 3, "", &domain), 2); /* node5 is in no rack */
	assert_string_equal(domain, "rack");
	assert_int_equal(capacity(m, BY_RACK, 2, "0 2", NULL), 2);
	assert_int_equal(capacity(m, BY_RACK, 2, "0 2 3", NULL), 1);
}

static void test_osd_rule(void **state)
{
	const struct maps *m = *state;
	const char *domain = NULL;

	assert_int_equal(capacity(m, BY_OSD, 3, "", &domain), 8); /* 0 2 3 4 5 6 7 8 */
	assert_string_equal(domain, "osd");
	assert_int_equal(capacity(m, BY_OSD, 3, "0 1 2 9", NULL), 6);
}

static void test_two_steps(void **state)
{
	const struct maps *m = *state;
	const char *domain = NULL;

	assert_int_equal(capacity(m, TWO_RACKS, 4, "", &domain), 4);
	assert_string_equal(domain, "host");
	assert_int_equal(capacity(m, TWO_RACKS, 4, "0", NULL), 3); /* rack-a has one host left */
	assert_int_equal(capacity(m, TWO_RACKS, 4, "2", NULL), 4);
	assert_int_equal(capacity(m, TWO_RACKS, 4, "0 2 3", NULL), 2); /* one rack of two hosts */
	assert_int_equal(capacity(m, EC_RACKS, 4, "", NULL), 4);
	assert_int_equal(capacity(m, EC_RACKS, 4, "6 7", NULL), 3);
}

static void test_two_takes(void **state)
{
	const struct maps *m = *state;

	assert_true(capacity(m, SSD_THEN_HDD, 3, "", NULL) >= 3);
	/* One hdd host is left for two shards. */
	assert_true(capacity(m, SSD_THEN_HDD, 3, "3 5", NULL) < 3);
	/* No ssd is left: the hdd half of the rule cannot stand in for it. */
	assert_true(capacity(m, SSD_THEN_HDD, 3, "0 2 4 6 8", NULL) < 3);
}

static void test_unknown_rule(void **state)
{
	assert_int_equal(capacity(*state, 77, 3, "", NULL), 0);
}

static void test_weight_zero(void **state _unused_)
{
	struct world w;
	struct maps m;
	json_t *b, *item;
	size_t i, k;

	world_init(&w, "");
	json_array_foreach (json_object_get(w.crush_dump, "buckets"), i, b)
		json_array_foreach (json_object_get(b, "items"), k, item)
			if (cn_json_int(item, "id", -1) == 2 || cn_json_int(item, "id", -1) == 3)
				json_object_set_new(item, "weight", json_integer(0));
	load(&w, &m);
	assert_int_equal(capacity(&m, BY_HOST, 3, "", NULL), 4); /* as long as another drain empties node2, it takes no shard */
	assert_int_equal(capacity(&m, BY_HOST, 3, "0 1 4 5", NULL), 2);
	cn_osdmap_release(&m.osds);
	cn_crush_release(&m.crush);
	world_release(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_rule), cmocka_unit_test(test_erasure_rule), cmocka_unit_test(test_device_class),
		cmocka_unit_test(test_rack_rule), cmocka_unit_test(test_osd_rule),     cmocka_unit_test(test_two_steps),
		cmocka_unit_test(test_two_takes), cmocka_unit_test(test_unknown_rule), cmocka_unit_test(test_weight_zero),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
