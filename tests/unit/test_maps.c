/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* OSD map, CRUSH map, health and the manager's opinion, from replies of a real cluster. */
#include <errno.h>

#include "cephnode/cluster/commands.h"
#include "fake.h"
#include "unit.h"

#define OSD_DUMP "{\"prefix\":\"osd dump\",\"format\":\"json\"}"
#define CRUSH_DUMP "{\"prefix\":\"osd crush dump\",\"format\":\"json\"}"
#define HEALTH "{\"prefix\":\"health\",\"format\":\"json\"}"

/* A cluster that answers one command, from data/NAME.json. */
static struct fake *one_answer(enum cn_target target, const char *cmd, const char *name)
{
	_cleanup_free_ char *body = unit_data(name);
	struct fake *f = fake_new(NULL);

	fake_expect(f, target, NULL, cmd, 0, body, NULL);
	return f;
}

static void get_osdmap(const char *name, struct cn_osdmap *ret)
{
	struct fake *f = one_answer(CN_MON, OSD_DUMP, name);

	assert_int_equal(cn_osdmap_get(fake_client(f, 1), ret, NULL), 0);
	fake_done(f);
}

static void get_crush(const char *name, struct cn_crush *ret)
{
	struct fake *f = one_answer(CN_MON, CRUSH_DUMP, name);

	assert_int_equal(cn_crush_get(fake_client(f, 1), ret, NULL), 0);
	fake_done(f);
}

static void test_osds(void **state _unused_)
{
	struct cn_osdmap m;
	const struct cn_osd *o;
	char buf[CN_IP_STRLEN];

	get_osdmap("racks-osd-dump", &m);
	assert_int_equal(m.n_osds, 12);
	assert_true(m.epoch >= 79);
	o = cn_osdmap_osd(&m, 0);
	assert_true(o->up && o->in && o->reweight == CN_WEIGHT_ONE && o->up_from > 0);
	assert_string_equal(cn_ip_format(&o->address, buf), "127.0.1.1");
	assert_true(o->at.n == 1 && o->at.n_public == 1); /* v1, v2 and the cluster's network are one address here */
	assert_string_equal(cn_ip_format(&o->at.v[0], buf), "127.0.1.1");
	assert_int_equal(strlen(o->uuid), 36);
	o = cn_osdmap_osd(&m, 1);
	assert_true(o->up && !o->in && o->reweight == 0);
	assert_int_equal(cn_osdmap_osd(&m, 2)->reweight, 0x8000);
	o = cn_osdmap_osd(&m, 9);
	assert_true(!o->up && o->in);
	o = cn_osdmap_osd(&m, 10); /* never started */
	assert_true(!o->up && o->address.family == 0 && o->at.n == 0);
	assert_null(cn_osdmap_osd(&m, 12));
	cn_osdmap_release(&m);
}

/* As Ceph 16 prints an OSD that binds to v4 and v6. */
static void test_osd_of_two_families(void **state _unused_)
{
#define ADDR(type, addr, nonce) "{\"type\":\"" type "\",\"addr\":\"" addr "\",\"nonce\":" nonce "}"
	static const char *const want[] = {"fd00::4", "10.0.0.4", "fd01::4", "10.1.0.4"};
	static const char dump[] =
		"{\"epoch\":9,\"osds\":[{\"osd\":4,\"uuid\":\"u\",\"up\":1,\"in\":1,\"weight\":1,\"public_addrs\":{\"addrvec\":"
		"[" ADDR("v2", "[fd00::4]:6800", "7") "," ADDR("v1", "[fd00::4]:6801", "7") "," ADDR("v2", "10.0.0.4:6802", "7") "," ADDR(
			"v1", "10.0.0.4:6803",
			"7") "]},\"cluster_addrs\":{\"addrvec\":[" ADDR("v2", "[fd01::4]:6800",
									"7") "," ADDR("v1", "[fd01::4]:6801",
										      "7") "," ADDR("v2", "10.1.0.4:6802",
												    "7") "," ADDR("v1",
														  "10.0.0.4:6803",
														  "7") "]},"
														       "\"public_"
														       "addr\":"
														       "\"[fd00::"
														       "4]:6801/"
														       "7\","
														       "\"cluster"
														       "_addr\":"
														       "\"[fd01::"
														       "4]:6801/"
														       "7\"}],"
														       "\"pools\""
														       ":[]}";
	struct fake *f = fake_new(NULL);
	const struct cn_osd_addresses *a;
	struct cn_ip other = {};
	char buf[CN_IP_STRLEN];
	struct cn_osdmap m;

	fake_expect(f, CN_MON, NULL, OSD_DUMP, 0, dump, NULL);
	assert_int_equal(cn_osdmap_get(fake_client(f, 1), &m, NULL), 0);
	a = &m.osds[0].at;
	assert_true(a->n == ARRAY_SIZE(want) && a->n_public == 2);
	for (size_t i = 0; i < a->n; i++) {
		assert_string_equal(cn_ip_format(&a->v[i], buf), want[i]);
		assert_true(cn_osd_addresses_have(a, &a->v[i]));
	}
	assert_false(cn_osd_addresses_have(a, &other)); /* none is no address */
	assert_true(cn_ip_parse("10.0.0.40", &other) && !cn_osd_addresses_have(a, &other));
	assert_string_equal(cn_ip_format(&m.osds[0].address, buf), "fd00::4");
	cn_osdmap_release(&m);
	fake_done(f);
}

/* None is left out in silence: a gate could be opened for it. */
static void test_too_many_addresses(void **state _unused_)
{
	json_t *list = json_array(), *osd = json_pack("{si,s{so}}", "osd", 4, "public_addrs", "addrvec", list);
	_cleanup_json_ json_t *doc = json_pack("{si,s[o],s[]}", "epoch", 9, "osds", osd, "pools");
	char *text;

	for (int i = 0; i <= CN_OSD_ADDRESSES; i++) {
		_cleanup_free_ char *addr = cn_asprintf("10.0.0.%d:6800", i + 1);
		struct cn_osdmap m = {};
		struct cn_error e = {};
		struct fake *f = fake_new(NULL);

		json_array_append_new(list, json_pack("{ss,ss,si}", "type", "v2", "addr", addr, "nonce", 7));
		text = cn_json_dump(doc);
		fake_expect(f, CN_MON, NULL, OSD_DUMP, 0, text, NULL);
		free(text);
		assert_int_equal(cn_osdmap_get(fake_client(f, 1), &m, &e), i < CN_OSD_ADDRESSES ? 0 : -E2BIG);
		if (i == CN_OSD_ADDRESSES)
			assert_error(&e, CN_FAILED, "osd.4 has more than 8 addresses");
		cn_osdmap_release(&m);
		fake_done(f);
	}
}

static void test_pools(void **state _unused_)
{
	struct cn_osdmap m;
	const struct cn_pool *p;

	get_osdmap("racks-osd-dump", &m);
	assert_int_equal(m.n_pools, 4);
	p = cn_osdmap_pool(&m, 2);
	assert_string_equal(p->name, "ec");
	assert_true(p->erasure && p->ec_k == 2 && p->size == 3 && p->pg_num == 16 && p->rule == 1);
	p = cn_osdmap_pool(&m, 1);
	assert_true(!p->erasure && p->ec_k == 1 && p->size == 3 && p->min_size == 2 && p->pg_num == 32);
	assert_string_equal(cn_osdmap_pool(&m, 4)->name, "we\"ird \xc3\xa9");
	assert_null(cn_osdmap_pool(&m, 5));
	cn_osdmap_release(&m);
}

static void test_osdmap_rest(void **state _unused_)
{
	struct cn_osdmap m;

	get_osdmap("racks-osd-dump", &m);
	assert_true(cn_strv_has(&m.flags, "noout"));
	assert_false(cn_strv_has(&m.flags, "noo"));
	assert_true(m.full_ratio > 0.949 && m.full_ratio < 0.951 && m.nearfull_ratio > 0.849);
	assert_string_equal(m.require_min_compat_client, "luminous");
	assert_string_equal(m.require_osd_release, "pacific");
	assert_string_equal(json_string_value(json_array_get(json_object_get(m.node_flags, "node1"), 0)), "noout");
	assert_true(cn_osdmap_temp_has(&m, 7));
	assert_false(cn_osdmap_temp_has(&m, 9));
	cn_osdmap_release(&m);
}

static void test_osdmap_that_is_none(void **state _unused_)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"{\"epoch\":0,\"osds\":[]}",
		"{\"epoch\":5}",
		"null",
		"{\"epoch\":5,\"osds\":[],\"pools\":[{\"pool\":1,\"pool_name\":\"x\",\"size\":0,\"pg_num\":1}]}"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fake *f = fake_new(NULL);
		struct cn_error e = {};
		struct cn_osdmap m;

		fake_expect(f, CN_MON, NULL, OSD_DUMP, 0, bad[i], NULL);
		assert_int_equal(cn_osdmap_get(fake_client(f, 1), &m, &e), -EBADMSG);
		assert_error(&e, CN_FAILED, "osd dump");
		fake_done(f);
	}
}

static void assert_below(const struct cn_crush *m, const char *bucket, const char *want)
{
	struct cn_ids ids = {};
	_cleanup_free_ char *got = NULL;

	cn_crush_osds_below(m, cn_crush_bucket(m, bucket)->id, &ids);
	got = cn_ids_format(&ids, "", " ");
	cn_ids_release(&ids);
	assert_string_equal(got, want);
}

static void test_crush_tree(void **state _unused_)
{
	struct cn_crush m;
	bool found;

	get_crush("racks-crush-dump", &m);
	assert_below(&m, "node1", "0 1");
	assert_below(&m, "rack-a", "0 1 2 3");
	assert_below(&m, "default", "0 1 2 3 4 5 6 7 8 9 10");
	assert_string_equal(cn_crush_host(&m, 3)->name, "node2");
	assert_string_equal(cn_crush_parent(&m, cn_crush_bucket(&m, "node2")->id)->name, "rack-a");
	assert_null(cn_crush_parent(&m, cn_crush_bucket(&m, "default")->id));
	assert_null(cn_crush_host(&m, 11));
	assert_int_equal(cn_crush_weight(&m, 3, &found), 80908); /* 1.23457, as the mon rounds it */
	assert_true(found);
	assert_int_equal(cn_crush_weight(&m, 11, &found), 0);
	assert_false(found);
	assert_string_equal(cn_crush_class(&m, 0), "ssd");
	assert_string_equal(cn_crush_class(&m, 1), "hdd");
	assert_null(cn_crush_class(&m, 10));
	cn_crush_release(&m);
}

/* The shadow tree of a device class repeats every bucket: none of them may be found by a name or as a parent, wherever it stands
 * in the list. */
static void test_crush_shadows(void **state _unused_)
{
	_cleanup_json_ json_t *dump = unit_json("racks-crush-dump");
	json_t *buckets = json_object_get(dump, "buckets");
	_cleanup_free_ char *body = NULL;
	struct fake *f = fake_new(NULL);
	struct cn_crush m;
	size_t shadows = 0;

	for (size_t i = 0; i + 1 < json_array_size(buckets); i++) { /* back to front */
		json_array_insert(buckets, i, json_array_get(buckets, json_array_size(buckets) - 1));
		json_array_remove(buckets, json_array_size(buckets) - 1);
	}
	body = cn_json_dump(dump);
	fake_expect(f, CN_MON, NULL, CRUSH_DUMP, 0, body, NULL);
	assert_int_equal(cn_crush_get(fake_client(f, 1), &m, NULL), 0);
	fake_done(f);
	for (size_t i = 0; i < m.n_buckets; i++)
		shadows += strchr(m.buckets[i].name, '~') != NULL;
	assert_true(shadows > 5);
	assert_null(cn_crush_bucket(&m, "default~ssd"));
	assert_string_equal(cn_crush_parent(&m, 0)->name, "node1");
	assert_true(cn_crush_rule_reaches(&m, 2, 0));
	assert_false(cn_crush_rule_reaches(&m, 2, 1));
	assert_false(cn_crush_rule_reaches(&m, 0, 11));
	assert_false(cn_crush_rule_reaches(&m, 77, 0));
	cn_crush_release(&m);
}

static void test_health(void **state _unused_)
{
	struct fake *f = one_answer(CN_MON, HEALTH, "health-muted");
	struct cn_health h;
	bool muted = false, down = false;

	assert_int_equal(cn_health_get(fake_client(f, 1), &h, NULL), 0);
	assert_string_equal(h.status, "HEALTH_WARN");
	assert_int_equal(h.n_checks, 2);
	for (size_t i = 0; i < h.n_checks; i++) {
		if (strcmp(h.checks[i].code, "OSDMAP_FLAGS") == 0)
			muted = h.checks[i].muted;
		if (strcmp(h.checks[i].code, "OSD_DOWN") == 0) {
			down = !h.checks[i].muted;
			assert_string_equal(h.checks[i].summary, "1 osds down");
			assert_string_equal(h.checks[i].severity, "HEALTH_WARN");
		}
	}
	assert_true(muted && down);
	cn_health_release(&h);
	fake_done(f);

	f = one_answer(CN_MON, HEALTH, "health-ok");
	assert_int_equal(cn_health_get(fake_client(f, 1), &h, NULL), 0);
	assert_string_equal(h.status, "HEALTH_OK");
	assert_int_equal(h.n_checks, 0);
	cn_health_release(&h);
	fake_done(f);
}

#define SAFE "{\"prefix\":\"osd safe-to-destroy\",\"ids\":[\"0\",\"9\"],\"format\":\"json\"}"

static void test_safe_to_destroy(void **state _unused_)
{
	struct fake *f = one_answer(CN_MGR, SAFE, "safe-to-destroy");
	struct cn_cluster *c = fake_client(f, 1);
	struct cn_error e = {};
	struct cn_ids ids = {};
	struct cn_safe s = {};

	cn_ids_add(&ids, 0);
	cn_ids_add(&ids, 9);
	assert_int_equal(cn_osd_safe_to_destroy(c, &ids, &s, &e), 0); /* 0 with json, though neither is safe */
	assert_int_equal(s.safe.n, 0);
	assert_true(cn_ids_has(&s.active, 0) && cn_ids_has(&s.missing_stats, 9));
	cn_safe_release(&s);
	fake_expect(f, CN_MGR, NULL, SAFE, 0, "{}", NULL);
	assert_int_equal(cn_osd_safe_to_destroy(c, &ids, &s, &e), -EBADMSG);
	cn_error_release(&e);
	fake_expect(f, CN_MGR, NULL, SAFE, -EAGAIN, NULL, "5 pgs have unknown state");
	assert_int_equal(cn_osd_safe_to_destroy(c, &ids, &s, &e), -EAGAIN);
	assert_error(&e, CN_FAILED, "unknown state");
	cn_ids_release(&ids);
	fake_done(f);
}

/* Each command as Ceph 16 to 20 take it: ids are strings here, numbers there; a weight has a decimal point. */
static void test_types_of_commands(void **state _unused_)
{
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);
	struct cn_ids ids = {};

	cn_ids_add(&ids, 3);
	cn_ids_add(&ids, 4);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"osd crush reweight\",\"name\":\"osd.3\",\"weight\":0.0}", 0, NULL, NULL);
	assert_int_equal(cn_crush_reweight(c, 3, 0, NULL), 0);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"osd crush reweight\",\"name\":\"osd.3\",\"weight\":1.2345733642578125}", 0,
		    NULL, NULL);
	assert_int_equal(cn_crush_reweight(c, 3, 80909, NULL), 0);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"osd crush reweight-subtree\",\"name\":\"node1\",\"weight\":0.0}", 0, NULL,
		    NULL);
	assert_int_equal(cn_crush_reweight_subtree(c, "node1", 0, NULL), 0);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"osd out\",\"ids\":[\"3\",\"4\"]}", 0, NULL, NULL);
	assert_int_equal(cn_osd_out(c, &ids, NULL), 0);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"osd stop\",\"ids\":[\"3\",\"4\"]}", 0, NULL, NULL);
	assert_int_equal(cn_osd_stop(c, &ids, NULL), 0);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"osd reweight\",\"id\":3,\"weight\":0.5}", 0, NULL, NULL);
	assert_int_equal(cn_osd_reweight(c, 3, 0x8000, NULL), 0);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"osd unset-group\",\"flags\":\"noout\",\"who\":[\"node1\"]}", 0, NULL, NULL);
	assert_int_equal(cn_osd_unset_group(c, "noout", "node1", NULL), 0);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"log\",\"logtext\":[\"cephnode: x\"]}", 0, NULL, NULL);
	assert_int_equal(cn_log_line(c, "cephnode: x", NULL), 0);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"osd set\",\"key\":\"norecover\"}", 0, NULL, NULL);
	assert_int_equal(cn_osd_set(c, "norecover", NULL), 0);
	cn_ids_release(&ids);
	fake_done(f);
}

/* Ceph 10 answers -EINVAL to the purge that it does not have; an OSD that is up is no reason to try the old way. */
static void test_purge(void **state _unused_)
{
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);
	struct cn_error e = {};
	const char *purge = "{\"prefix\":\"osd purge-actual\",\"id\":3,\"yes_i_really_mean_it\":true}";

	fake_expect(f, CN_MON, NULL, purge, -EBUSY, NULL, "osd.3 is still up");
	assert_int_equal(cn_osd_purge(c, 3, &e), -EBUSY);
	assert_error(&e, CN_FAILED, "still up");
	fake_expect(f, CN_MON, NULL, purge, -EINVAL, NULL, "command not known");
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"osd crush remove\",\"name\":\"osd.3\"}", 0, NULL, NULL);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"auth del\",\"entity\":\"osd.3\"}", 0, NULL, NULL);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"osd rm\",\"ids\":[\"3\"]}", 0, NULL, NULL);
	assert_int_equal(cn_osd_purge(c, 3, &e), 0);
	assert_null(e.message);
	fake_done(f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_osds),
		cmocka_unit_test(test_osd_of_two_families),
		cmocka_unit_test(test_too_many_addresses),
		cmocka_unit_test(test_pools),
		cmocka_unit_test(test_osdmap_rest),
		cmocka_unit_test(test_osdmap_that_is_none),
		cmocka_unit_test(test_crush_tree),
		cmocka_unit_test(test_crush_shadows),
		cmocka_unit_test(test_health),
		cmocka_unit_test(test_safe_to_destroy),
		cmocka_unit_test(test_types_of_commands),
		cmocka_unit_test(test_purge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
