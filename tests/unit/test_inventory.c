/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which OSDs a NODE argument means, and when it means nothing for certain. */
#include <errno.h>

#include "unit.h"
#include "world.h"

#include "cephnode/inventory/node.h"

struct fixture {
	struct world w;
	struct fake *f;
	struct cn_cluster *c;
	struct cn_inventory inv;
	struct cn_error e;
};

static int setup(void **state)
{
	struct fixture *x = cn_calloc(1, sizeof(*x));

	world_init(&x->w, "never-");
	x->f = fake_new(NULL);
	x->c = fake_client(x->f, 1);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	struct fake *f = x->f;

	world_release(&x->w);
	cn_inventory_release(&x->inv);
	cn_error_release(&x->e);
	free(x);
	fake_done(f);
	return 0;
}

/* Discovers the names (separated by blanks). Answers are those of the world as it is now. */
static int discover(struct fixture *x, const char *names, bool with_pgs)
{
	struct cn_strv v = {};
	int r;

	world_answers(&x->w, x->f);
	cn_inventory_release(&x->inv);
	cn_error_release(&x->e);
	cn_strv_split(&v, names, " ");
	r = cn_inventory_discover(x->c, NULL, (const char *const *)v.v, v.n, with_pgs, &x->inv, &x->e);
	cn_strv_release(&v);
	return r;
}

/* "0ac 9c": OSD ids, each with the letters of how it was found. */
static void assert_osds(const struct cn_node *node, const char *want)
{
	struct cn_strv v = {};
	_cleanup_free_ char *got = NULL;

	for (size_t i = 0; i < node->n_osds; i++) {
		unsigned by = node->osds[i].found_by;

		cn_strv_addf(&v, "%d%s%s%s", node->osds[i].osd.id, by & CN_FOUND_ADDRESS ? "a" : "",
			     by & CN_FOUND_CRUSH ? "c" : "", by & CN_FOUND_METADATA ? "m" : "");
	}
	got = cn_strv_join(&v, " ");
	cn_strv_release(&v);
	assert_string_equal(got, want);
}

static void assert_found(struct fixture *x, const char *name, const char *want)
{
	if (discover(x, name, false) < 0)
		fail_msg("%s: %s", name, x->e.message);
	assert_osds(&x->inv.nodes[0], want);
}

static void assert_fails(struct fixture *x, const char *name, enum cn_code code, const char *text, const char *hint)
{
	assert_true(discover(x, name, false) < 0);
	assert_null(x->inv.nodes);
	assert_int_equal(x->e.code, code);
	assert_has(x->e.message, text);
	if (hint)
		assert_has(x->e.hint, hint);
}

static void test_by_osd(void **state)
{
	static const char *const spellings[] = {"osd.3", "osd:3", "osd:osd.3"};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
		assert_found(x, spellings[i], "3");
		assert_string_equal(x->inv.nodes[0].name, "osd.3");
	}
	assert_found(x, "osd.9", "9");   /* down */
	assert_found(x, "osd.11", "11"); /* never started, outside the tree */
	assert_null(x->inv.nodes[0].osds[0].host);
	assert_int_equal(x->inv.nodes[0].n_addresses, 0);
	assert_fails(x, "osd.12", CN_NOT_FOUND, "osd.12 does not exist", NULL);
}

static void test_bad_names(void **state)
{
	static const char *const bad[] = {"kube:node1", "ip:node1", "ip:", "osd:", "osd:x", "osd:-1", "osd:osd.osd.3", "host:"};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		const char *name = bad[i];

		assert_int_equal(cn_inventory_discover(x->c, NULL, &name, 1, false, &x->inv, &x->e), -EINVAL);
		assert_int_equal(x->e.code, CN_USAGE);
	}
	assert_int_equal(cn_inventory_discover(x->c, NULL, (const char *const[]){""}, 1, false, &x->inv, &x->e), -EINVAL);
	assert_int_equal(x->e.code, CN_USAGE);
	assert_int_equal(cn_inventory_discover(x->c, NULL, NULL, 0, false, &x->inv, &x->e), -EINVAL);
	assert_int_equal(fake_count(x->f, NULL), 0); /* not one question to the cluster */
}

static void test_names_that_look_like_others(void **state)
{
	static const char *const names[] = {"osd.", "osd.x", "osd.+3", "osd.99999999999999999999", "127.0.1", "node", "NODE1"};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_fails(x, names[i], CN_NOT_FOUND, names[i], "node1, node2, node3");
}

static void test_by_address(void **state)
{
	struct fixture *x = *state;

	assert_found(x, "127.0.1.1", "0ac 1ac");
	assert_string_equal(x->inv.nodes[0].name, "127.0.1.1");
	assert_int_equal(x->inv.nodes[0].hosts.n, 1);
	assert_string_equal(x->inv.nodes[0].hosts.v[0], "node1");
	assert_found(x, "ip:127.0.1.2", "2ac 3ac");
	assert_string_equal(x->inv.nodes[0].name, "127.0.1.2");
	assert_found(x, "::ffff:127.0.1.2", "2ac 3ac");
	assert_fails(x, "127.0.1.10", CN_NOT_FOUND, "no OSD has the address 127.0.1.10", NULL);
	assert_fails(x, "127.0.0.1", CN_NOT_FOUND, "only mon.a, mgr.x", NULL);
}

static void test_by_address_takes_down_and_never_started(void **state)
{
	assert_found(*state, "127.0.1.5", "8ac 9ac 10c");
}

static void test_address_is_never_compared_as_text(void **state)
{
	struct fixture *x = *state;

	world_address(&x->w, 0, "127.0.1.40", "127.0.1.40");
	world_address(&x->w, 1, "127.0.1.40", "127.0.1.40");
	assert_found(x, "127.0.1.4", "6ac 7ac");
	assert_found(x, "127.0.1.40", "0ac 1ac");
}

static void test_v6(void **state)
{
	static const char *const spellings[] = {"2001:db8::7", "2001:DB8:0:0:0:0:0:7", "[2001:db8::7]", "ip:2001:db8::7",
						"ip:[2001:db8::7]"};
	struct fixture *x = *state;

	world_address(&x->w, 0, "2001:db8::7", "fd00::7");
	world_address(&x->w, 1, "2001:db8::7", "fd00::7");
	world_address(&x->w, 2, "2001:db8::70", "2001:db8::70");
	for (size_t i = 0; i < ARRAY_SIZE(spellings); i++)
		assert_found(x, spellings[i], "0ac 1ac");
	assert_int_equal(x->inv.nodes[0].n_addresses, 1);
}

static void test_cluster_address(void **state)
{
	struct fixture *x = *state;

	world_address(&x->w, 0, "127.0.1.1", "10.9.0.1");
	world_address(&x->w, 1, "127.0.1.1", "10.9.0.1");
	assert_found(x, "10.9.0.1", "0ac 1ac");
	assert_int_equal(x->inv.nodes[0].n_addresses, 2); /* the public one of its OSDs, and what was asked for */
}

/* An OSD that binds to v4 and v6 is found by both, whichever stands first. */
static void test_two_families(void **state)
{
	static const char *const names[] = {"127.0.1.1", "fd00::1", "10.9.0.1", "fd09::1"};
	struct fixture *x = *state;

	world_address(&x->w, 0, "fd00::1 127.0.1.1", "fd09::1 10.9.0.1");
	world_address(&x->w, 1, "127.0.1.1 fd00::1", "10.9.0.1 fd09::1");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_found(x, names[i], "0ac 1ac");
		assert_int_equal(x->inv.nodes[0].n_addresses, i < 2 ? 2 : 3); /* the public ones, and what was asked for */
	}
	world_hostname(&x->w, 0, "a"); /* several names, as pods have, but one machine's addresses */
	world_hostname(&x->w, 1, "b");
	assert_found(x, "node1", "0c 1c");
	world_address(&x->w, 1, "fd00::2 127.0.1.2", NULL);
	assert_fails(x, "node1", CN_REFUSED, "osd.0 on a at fd00::1, osd.1 on b at fd00::2", "host:node1");
	world_address(&x->w, 0, "fd00::1", NULL); /* v6 alone, beside both: what they share is enough */
	world_address(&x->w, 1, "127.0.1.1 fd00::1", NULL);
	assert_found(x, "fd00::1", "0ac 1ac");
	assert_fails(x, "127.0.1.1", CN_REFUSED, "osd.0 at fd00::1", "host:node1");
}

static void test_neighbour_with_another_address(void **state)
{
	struct fixture *x = *state;

	world_address(&x->w, 1, "127.0.1.77", "127.0.1.77");
	assert_fails(x, "127.0.1.1", CN_REFUSED, "osd.1 at 127.0.1.77", "host:node1 = osd.0, osd.1");
	assert_has(x->e.hint, "ip:127.0.1.1 would be osd.0:");
	assert_found(x, "host:node1", "0c 1c");
	assert_found(x, "osd.0", "0");
}

static void test_pods_on_one_address(void **state)
{
	struct fixture *x = *state;

	world_rename(&x->w, "node1", "osd-pod-a");
	world_rename(&x->w, "node2", "osd-pod-b");
	world_address(&x->w, 2, "127.0.1.1", "127.0.1.1");
	world_address(&x->w, 3, "127.0.1.1", "127.0.1.1");
	assert_found(x, "127.0.1.1", "0ac 1ac 2ac 3ac");
	assert_int_equal(x->inv.nodes[0].hosts.n, 2);
	assert_string_equal(x->inv.nodes[0].hosts.v[1], "osd-pod-b");
	assert_found(x, "osd-pod-b", "2c 3c");
}

static void test_address_outside_of_the_tree(void **state)
{
	struct fixture *x = *state;

	world_move(&x->w, 1, NULL);
	assert_found(x, "127.0.1.1", "0ac 1a");
	assert_null(x->inv.nodes[0].osds[1].host);
	assert_int_equal(x->inv.nodes[0].osds[1].crush_weight, 0);
}

static void test_by_crush_host(void **state)
{
	struct fixture *x = *state;

	assert_found(x, "node5", "8c 9c 10c"); /* down and never started ones with it; all OSDs report the same other host name */
	assert_found(x, "host:node5", "8c 9c 10c");
	assert_string_equal(x->inv.nodes[0].name, "node5");
	assert_fails(x, "default", CN_NOT_FOUND, "of type root", "node1, node2");
	assert_fails(x, "host:default", CN_NOT_FOUND, "of type root", NULL);
}

static void test_by_metadata(void **state)
{
	struct fixture *x = *state;

	assert_found(x, "vm", "0m 1m 2m 3m 4m 5m 6m 7m 8m 9m 10c"); /* 10 is silent, and all of node5 is vm's */
	assert_int_equal(x->inv.nodes[0].hosts.n, 5);
	assert_found(x, "host:vm", "0m 1m 2m 3m 4m 5m 6m 7m 8m 9m 10c");
	world_hostname(&x->w, 8, "elsewhere");
	assert_found(x, "vm", "0m 1m 2m 3m 4m 5m 6m 7m 9m"); /* node5 is not vm's alone: nobody knows where 10 is */
	assert_found(x, "elsewhere", "8m");
}

static void test_both_sources_agree(void **state)
{
	struct fixture *x = *state;

	world_hostname(&x->w, 2, "node2");
	world_hostname(&x->w, 3, "node2");
	assert_found(x, "node2", "2cm 3cm");
	world_hostname(&x->w, 8, "node5");
	world_hostname(&x->w, 9, "node5");
	assert_found(x, "node5", "8cm 9cm 10c"); /* 10 is silent */
	assert_found(x, "host:node2", "2c 3c");
}

static void test_both_sources_differ(void **state)
{
	struct fixture *x = *state;

	world_hostname(&x->w, 2, "node2");
	assert_fails(x, "node2", CN_REFUSED, "has osd.2, osd.3, but osd.2 reports",
		     "host:node2 means the CRUSH host bucket: osd.2, osd.3");
	world_hostname(&x->w, 3, "node2");
	world_hostname(&x->w, 4, "node2");
	assert_fails(x, "node2", CN_REFUSED, "osd.2, osd.3, osd.4 report", "would be: osd.2, osd.3, osd.4");
	assert_found(x, "host:node2", "2c 3c");
}

static void test_bucket_on_several_machines(void **state)
{
	struct fixture *x = *state;

	world_move(&x->w, 2, "node1");
	assert_found(x, "node1", "0c 1c 2c"); /* two addresses, one host name: two networks */
	world_hostname(&x->w, 2, NULL);
	assert_found(x, "node1", "0c 1c 2c"); /* an unknown one proves nothing */
	world_hostname(&x->w, 2, "other");
	assert_fails(x, "node1", CN_REFUSED, "osd.2 on other at 127.0.1.2",
		     "host:node1 means the CRUSH host bucket: osd.0, osd.1, osd.2");
	assert_found(x, "host:node1", "0c 1c 2c");
	assert_int_equal(discover(x, "host:node1 node5", false), 0); /* the same where host names were asked for */
	world_address(&x->w, 2, "127.0.1.1", "127.0.1.1");
	assert_found(x, "node1", "0c 1c 2c"); /* two host names, one address: pods of one machine */
}

static void test_empty_bucket(void **state)
{
	struct fixture *x = *state;

	world_bucket(&x->w, "node6", "host");
	assert_fails(x, "node6", CN_NOT_FOUND, "'node6' is empty", "osd crush rm node6");
	assert_fails(x, "host:node6", CN_NOT_FOUND, "'node6' is empty", NULL);
	world_hostname(&x->w, 4, "node6");
	assert_found(x, "node6", "4m");
}

/* `osd rm` without `osd crush rm` leaves an item in the tree that is no OSD any more. */
static void test_item_without_osd(void **state)
{
	struct fixture *x = *state;

	world_bucket(&x->w, "node6", "host");
	world_move(&x->w, 77, "node6");
	world_move(&x->w, 78, "node1");
	assert_fails(x, "node6", CN_NOT_FOUND, "'node6' is empty", NULL);
	assert_found(x, "node1", "0c 1c");
	assert_found(x, "127.0.1.1", "0ac 1ac");
}

static void test_foreign_names(void **state)
{
	struct fixture *x = *state;
	const char *name = "n\xc3\xb6"
			   "de \"1\"\033[2J";

	assert_fails(x, "n\033[2J", CN_NOT_FOUND, "'n\\x1b[2J'", NULL);
	world_hostname(&x->w, 4, name);
	world_answers(&x->w, x->f);
	assert_int_equal(cn_inventory_discover(x->c, NULL, &name, 1, false, &x->inv, &x->e), 0);
	assert_osds(&x->inv.nodes[0], "4m");
}

static void test_several_nodes(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(discover(x, "node1 127.0.1.2 osd.8", false), 0);
	assert_int_equal(x->inv.n_nodes, 3);
	assert_osds(&x->inv.nodes[0], "0c 1c");
	assert_osds(&x->inv.nodes[1], "2ac 3ac");
	assert_osds(&x->inv.nodes[2], "8");
	assert_fails(x, "node1 node2 osd.3", CN_REFUSED, "osd.3 belongs to both 'node2' and 'osd.3'", "once");
	assert_fails(x, "node1 127.0.1.1", CN_REFUSED, "'node1' and '127.0.1.1' are the same OSDs: osd.0, osd.1", NULL);
	assert_fails(x, "node1 node1", CN_REFUSED, "the same OSDs", NULL);
	assert_fails(x, "node1 nowhere", CN_NOT_FOUND, "nowhere", NULL);
}

static void test_other_daemons(void **state)
{
	struct fixture *x = *state;
	_cleanup_free_ char *list = NULL;
	json_t *mon = json_array_get(json_object_get(x->w.mon_dump, "mons"), 0);

	assert_found(x, "node1", "0c 1c");
	assert_int_equal(x->inv.nodes[0].daemons.n, 0);
	json_object_set_new(json_object_get(mon, "public_addrs"), "addrvec",
			    json_pack("[{ss,ss}]", "type", "v2", "addr", "127.0.1.1:3300"));
	json_object_set_new(json_array_get(x->w.mgr_metadata, 0), "hostname", json_string("node1"));
	json_array_append_new(x->w.mds_metadata, json_pack("{ss,ss,ss}", "name", "b", "addr",
							   "[v2:127.0.1.1:6800/5,v1:127.0.1.1:6801/5]", "hostname", "other"));
	json_array_append_new(x->w.mds_metadata, json_pack("{ss,ss}", "name", "c", "addr", "127.0.1.11:6800/5"));
	json_array_append_new(x->w.mds_metadata, json_pack("{ss,ss}", "name", "", "addr", "127.0.1.1:6800/5"));
	assert_found(x, "127.0.1.1", "0ac 1ac");
	list = cn_strv_join(&x->inv.nodes[0].daemons, " ");
	assert_string_equal(list, "mon.a mgr.x mds.b");
}

#define MDS "{\"prefix\":\"mds metadata\",\"format\":\"json\"}"

/* Narrow caps, or a Ceph that does not know the command, cost a warning. A connection that is gone costs the answer. */
static void test_daemon_look_ups_may_fail(void **state)
{
	struct fixture *x = *state;
	const char *name = "node1";

	world_answers(&x->w, x->f);
	fake_always(x->f, CN_MON, NULL, MDS, -EACCES, NULL, "access denied");
	assert_int_equal(cn_inventory_discover(x->c, NULL, &name, 1, false, &x->inv, &x->e), 0);
	assert_osds(&x->inv.nodes[0], "0c 1c");
	fake_always(x->f, CN_MON, NULL, MDS, -ETIMEDOUT, NULL, NULL);
	cn_inventory_release(&x->inv);
	assert_int_equal(cn_inventory_discover(x->c, NULL, &name, 1, false, &x->inv, &x->e), -ETIMEDOUT);
	assert_int_equal(x->e.code, CN_TIMEOUT);
	assert_null(x->inv.nodes);
}

static void test_maps_may_not_fail(void **state)
{
	static const char *const kinds[] = {"osd dump", "osd crush dump", "osd metadata"};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		fake_fault(x->f, kinds[i], 0, 1, -EACCES, false);
		assert_fails(x, "node1", CN_FAILED, "cannot read the", "cap");
	}
}

/* What is asked for, exactly: metadata only where a name needs it, PGs only of OSDs that are up. */
static void test_look_ups(void **state)
{
	struct fixture *x = *state;

	fake_any_order(x->f, true);
	world_script_maps(&x->w, x->f);
	assert_int_equal(cn_inventory_discover(x->c, NULL, (const char *const[]){"127.0.1.1"}, 1, false, &x->inv, &x->e), 0);
	cn_inventory_release(&x->inv);

	world_script_maps(&x->w, x->f);
	assert_int_equal(
		cn_inventory_discover(x->c, NULL, (const char *const[]){"host:node1", "osd.8"}, 2, false, &x->inv, &x->e), 0);
	cn_inventory_release(&x->inv);

	world_script_maps(&x->w, x->f);
	world_script_metadata(&x->w, x->f);
	world_script_unclean(&x->w, x->f);
	world_script_pgs(&x->w, x->f, 8);
	world_script_pgs(&x->w, x->f, 0);
	world_script_pgs(&x->w, x->f, 1);
	assert_int_equal(cn_inventory_discover(x->c, NULL, (const char *const[]){"node5", "node1"}, 2, true, &x->inv, &x->e), 0);
}

/* 1,000 OSDs have 2 MB of metadata: then only those of the bucket are asked for, one by one. */
static void test_large_cluster_asks_for_few(void **state)
{
	struct fixture *x = *state;
	json_t *osds = json_object_get(x->w.osd_dump, "osds");

	for (int i = 100; i < 1100; i++)
		json_array_append_new(osds, json_pack("{si,ss,si,si,si}", "osd", i, "uuid", "x", "up", 0, "in", 1, "weight", 1));
	fake_any_order(x->f, true);
	world_script_maps(&x->w, x->f);
	fake_expect(x->f, CN_MON, NULL, "{\"prefix\":\"osd metadata\",\"id\":8,\"format\":\"json\"}", 0,
		    "{\"id\":8,\"hostname\":\"node5\"}", NULL);
	fake_expect(x->f, CN_MON, NULL, "{\"prefix\":\"osd metadata\",\"id\":9,\"format\":\"json\"}", 0,
		    "{\"id\":9,\"hostname\":\"node5\"}", NULL);
	fake_expect(x->f, CN_MON, NULL, "{\"prefix\":\"osd metadata\",\"id\":10,\"format\":\"json\"}", -ENOENT, NULL, NULL);
	assert_int_equal(cn_inventory_discover(x->c, NULL, (const char *const[]){"node5"}, 1, false, &x->inv, &x->e), 0);
	assert_osds(&x->inv.nodes[0], "8cm 9cm 10c");
}

/* A PG that lacks a shard may have had it on an OSD that is down: up and acting sets do not say. */
static void test_pgs_of_a_down_osd(void **state)
{
	struct fixture *x = *state;
	json_t *pg = json_array_get(json_object_get(x->w.pg_ls, "pg_stats"), 0);
	struct cn_pgid id;
	struct cn_pg *found;

	assert_true(cn_pgid_parse(cn_json_str(pg, "pgid", NULL), &id));
	json_object_set_new(pg, "state", json_string("active+undersized+degraded"));
	json_object_set_new(pg, "up", json_pack("[ii]", 2, 4));
	json_object_set_new(pg, "acting", json_pack("[ii]", 2, 4));
	assert_int_equal(discover(x, "node5", true), 0);
	found = cn_pgs_find(&x->inv.nodes[0].pgs, id);
	assert_non_null(found);
	assert_int_equal(cn_node_shards(&x->inv.osdmap, &x->inv.nodes[0], found), 1);
	assert_int_equal(discover(x, "node1", true), 0); /* all up: nothing can be missing on it */
	assert_null(cn_pgs_find(&x->inv.nodes[0].pgs, id));
}

static void test_pgs_and_bytes(void **state)
{
	struct fixture *x = *state;
	int64_t bytes = 0;

	assert_int_equal(discover(x, "node1 node5", true), 0);
	assert_true(x->inv.with_pgs);
	for (size_t i = 0; i < x->inv.nodes[0].pgs.n; i++) {
		const struct cn_pg *pg = &x->inv.nodes[0].pgs.v[i];

		assert_true(cn_pg_has_osd(pg, 0) || cn_pg_has_osd(pg, 1));
		assert_true(i == 0 || cn_pgid_cmp(&x->inv.nodes[0].pgs.v[i - 1], pg) < 0);
		if (cn_pg_has_osd(pg, 0))
			bytes += pg->id.pool == 2 ? pg->bytes / 2 : pg->bytes; /* pool 2 is erasure-coded, k=2 */
	}
	assert_int_equal(x->inv.nodes[0].osds[0].bytes, bytes);
	assert_true(bytes > 0 && x->inv.nodes[0].osds[0].pgs > 5);
	assert_int_equal(x->inv.nodes[1].osds[1].pgs, 0); /* osd.9 is down */
	assert_int_equal(discover(x, "node1", false), 0);
	assert_int_equal(x->inv.nodes[0].pgs.n, 0);
	fake_fault(x->f, "pg ls-by-osd", 1, 1, -EAGAIN, false);
	assert_int_equal(discover(x, "node1", true), -EAGAIN);
	assert_has(x->e.message, "cannot list the PGs of osd.");
}

static void test_shard_bytes(void **state)
{
	struct fixture *x = *state;
	struct cn_pg pg = {.id = {2, 0}, .bytes = 1001};

	assert_int_equal(discover(x, "node1", false), 0);
	assert_int_equal(cn_shard_bytes(&x->inv.osdmap, &pg), 501);
	pg.id.pool = 1;
	assert_int_equal(cn_shard_bytes(&x->inv.osdmap, &pg), 1001);
	pg.id.pool = 99; /* deleted meanwhile */
	assert_int_equal(cn_shard_bytes(&x->inv.osdmap, &pg), 1001);
}

static void test_json(void **state)
{
	struct fixture *x = *state;
	json_t *j, *node, *osd;

	world_move(&x->w, 10, NULL);
	assert_int_equal(discover(x, "127.0.1.1 osd.10", false), 0);
	j = cn_inventory_json(&x->inv);
	assert_int_equal(cn_json_int(j, "schema", 0), 1);
	node = json_array_get(json_object_get(j, "nodes"), 0);
	osd = json_array_get(json_object_get(node, "osds"), 0);
	json_object_set_new(osd, "uuid", json_string("U"));
	_cleanup_free_ char *text = cn_json_dump(osd), *other = cn_json_dump(json_array_get(json_object_get(j, "nodes"), 1));
	assert_string_equal(text,
			    "{\"id\":0,\"uuid\":\"U\",\"up\":true,\"in\":true,\"crush_weight\":1.0,\"reweight\":1.0,"
			    "\"device_class\":null,\"host\":\"node1\",\"address\":\"127.0.1.1\",\"pgs\":null,\"bytes\":null,"
			    "\"found_by\":[\"address\",\"crush\"],\"pod\":null}");
	assert_string_equal(cn_json_str(node, "node", ""), "127.0.1.1");
	assert_has(other, "\"hosts\":[],\"addresses\":[],\"other_daemons\":[],");
	assert_has(other, "\"host\":null,\"address\":null");
	json_decref(j);
	assert_int_equal(discover(x, "127.0.1.1", true), 0);
	j = cn_inventory_json(&x->inv);
	osd = json_array_get(json_object_get(json_array_get(json_object_get(j, "nodes"), 0), "osds"), 0);
	assert_true(json_is_integer(json_object_get(osd, "pgs")) && json_is_integer(json_object_get(osd, "bytes")));
	json_decref(j);
}

#define with_world(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_world(test_by_osd),
		with_world(test_bad_names),
		with_world(test_names_that_look_like_others),
		with_world(test_by_address),
		with_world(test_by_address_takes_down_and_never_started),
		with_world(test_address_is_never_compared_as_text),
		with_world(test_v6),
		with_world(test_cluster_address),
		with_world(test_two_families),
		with_world(test_neighbour_with_another_address),
		with_world(test_pods_on_one_address),
		with_world(test_address_outside_of_the_tree),
		with_world(test_by_crush_host),
		with_world(test_by_metadata),
		with_world(test_both_sources_agree),
		with_world(test_both_sources_differ),
		with_world(test_bucket_on_several_machines),
		with_world(test_empty_bucket),
		with_world(test_item_without_osd),
		with_world(test_foreign_names),
		with_world(test_several_nodes),
		with_world(test_other_daemons),
		with_world(test_daemon_look_ups_may_fail),
		with_world(test_maps_may_not_fail),
		with_world(test_look_ups),
		with_world(test_large_cluster_asks_for_few),
		with_world(test_pgs_of_a_down_osd),
		with_world(test_pgs_and_bytes),
		with_world(test_shard_bytes),
		with_world(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
