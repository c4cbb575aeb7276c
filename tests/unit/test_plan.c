/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a drain is refused before it begins, and what the plan says. */
#include <errno.h>

#include "unit.h"
#include "world.h"

#include "cephnode/drain/plan.h"

#define HEALTH "{\"prefix\":\"health\",\"format\":\"json\"}"
#define DF "{\"prefix\":\"df\",\"detail\":\"detail\",\"format\":\"json\"}"
#define OSD_DF "{\"prefix\":\"osd df\",\"output_method\":\"plain\",\"format\":\"json\"}"

struct fixture {
	struct world w; /* 5 hosts of 2; pools rep and rbd of size 3, ec 2+1, all by host */
	struct fake *f;
	struct cn_cluster *c;
	struct cn_strv accept;
	struct cn_journals journals;
	struct cn_plan plan;
	struct cn_error e;
	json_t *health, *df;
};

static json_t *pg(const char *id, const char *state, int a, int b, int c, int64_t bytes)
{
	return json_pack("{ss,ss,si,s[iii],s[iii],s{sI,si}}", "pgid", id, "state", state, "reported_epoch", 40, "up", a, b, c,
			 "acting", a, b, c, "stat_sum", "num_bytes", (json_int_t)bytes, "num_objects", 1);
}

static json_t *pgs(struct fixture *x)
{
	return json_object_get(x->w.pg_ls, "pg_stats");
}

static int setup(void **state)
{
	struct fixture *x = cn_calloc(1, sizeof(*x));

	world_init(&x->w, "");
	x->f = fake_new(NULL);
	x->c = fake_client(x->f, 1);
	x->health = json_pack("{ss,s{}}", "status", "HEALTH_OK", "checks");
	x->df = json_pack("{s[]}", "nodes");
	for (int i = 0; i < 10; i++)
		json_array_append_new(json_object_get(x->df, "nodes"),
				      json_pack("{si,si,si}", "id", i, "kb", 1024 * 1024, "kb_used", 100 * 1024));
	json_array_clear(pgs(x));
	json_array_append_new(pgs(x), pg("1.0", "active+clean", 0, 2, 4, 1000));
	json_array_append_new(pgs(x), pg("1.1", "active+clean", 2, 1, 4, 100));
	json_array_append_new(pgs(x), pg("2.0", "active+clean", 6, 0, 4, 11)); /* k=2: 6 bytes a shard */
	json_array_append_new(pgs(x), pg("1.2", "active+clean", 2, 4, 6, 5000));
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	struct fake *f = x->f;

	cn_plan_release(&x->plan);
	cn_strv_release(&x->accept);
	cn_error_release(&x->e);
	json_decref(x->health);
	json_decref(x->df);
	world_release(&x->w);
	free(x);
	fake_done(f);
	return 0;
}

static const struct cn_drain_options options = {.method = CN_METHOD_CRUSH};

static void plan(struct fixture *x, const char *names)
{
	_cleanup_free_ char *health = cn_json_dump(x->health), *df = cn_json_dump(x->df);
	_cleanup_free_ char *getmap =
		cn_asprintf("{\"prefix\":\"osd getmap\",\"epoch\":%lld}", (long long)cn_json_int(x->w.osd_dump, "epoch", 0));
	struct cn_inventory inv;
	struct cn_strv v = {};

	world_answers(&x->w, x->f);
	fake_always(x->f, CN_MON, NULL, HEALTH, 0, health, NULL);
	fake_always(x->f, CN_MGR, NULL, OSD_DF, 0, df, NULL);
	fake_always(x->f, CN_MON, NULL, DF, 0, "{\"pools\":[]}", NULL);
	fake_always(x->f, CN_MON, NULL, getmap, -EACCES, NULL, "access denied"); /* then the forecast is a bound */
	cn_strv_split(&v, names, " ");
	cn_plan_release(&x->plan);
	if (cn_inventory_discover(x->c, NULL, (const char *const *)v.v, v.n, true, &inv, &x->e) < 0 ||
	    cn_plan_make(x->c, &inv, &x->accept, &options, &x->journals, &x->plan, &x->e) < 0)
		fail_msg("%s", x->e.message);
	cn_strv_release(&v);
	cn_inventory_release(&inv);
}

static void assert_allowed(struct fixture *x, const char *names)
{
	plan(x, names);
	if (x->plan.refusals.n)
		fail_msg("refused: %s", x->plan.refusals.v[0]);
	assert_int_equal(cn_plan_verdict(&x->plan, &x->e), 0);
}

static void assert_refused(struct fixture *x, const char *names, const char *why)
{
	_cleanup_free_ char *all = NULL;

	plan(x, names);
	all = cn_strv_join(&x->plan.refusals, "\n");
	assert_has(all, why);
	assert_true(cn_plan_verdict(&x->plan, &x->e) < 0);
	assert_int_equal(x->e.code, CN_REFUSED);
	cn_error_release(&x->e);
}

static void assert_warned(struct fixture *x, const char *text)
{
	_cleanup_free_ char *all = cn_strv_join(&x->plan.warnings, "\n");

	assert_has(all, text);
}

static void check_says(struct fixture *x, const char *code, bool muted, const char *words)
{
	json_object_set_new(json_object_get(x->health, "checks"), code,
			    json_pack("{ss,s{ss},sb}", "severity", "HEALTH_WARN", "summary", "message", words, "muted", muted));
}

static void check(struct fixture *x, const char *code, bool muted)
{
	check_says(x, code, muted, "words");
}

static void test_allowed(void **state)
{
	struct fixture *x = *state;

	assert_allowed(x, "node1");
	assert_int_equal(x->plan.osds.n, 2);
	assert_int_equal(x->plan.pgs, 3);
	assert_int_equal(x->plan.bytes_minimum, 1000 + 100 + 6);
	assert_int_equal(x->plan.n_pools, 3);
	for (size_t i = 0; i < x->plan.n_pools; i++) {
		assert_string_equal(x->plan.pools[i].domain, "host");
		assert_int_equal(x->plan.pools[i].left, 4);
		assert_true(x->plan.pools[i].ok);
	}
}

/* A PG with shards on both nodes is one PG and two shards. */
static void test_two_nodes(void **state)
{
	struct fixture *x = *state;

	assert_allowed(x, "node1 node2");
	assert_int_equal(x->plan.pgs, 4);
	assert_int_equal(x->plan.bytes_minimum, 2 * 1000 + 2 * 100 + 6 + 5000);
	assert_int_equal(x->plan.pools[0].left, 3);
	assert_refused(x, "node1 node2 node3", "only 2 would be left");
}

static void test_too_few_hosts(void **state)
{
	struct fixture *x = *state;

	for (int i = 6; i < 10; i++) {
		json_object_set_new(world_osd(&x->w, i), "in", json_integer(0));
		json_object_set_new(world_osd(&x->w, i), "weight", json_integer(0));
	}
	assert_refused(x, "node1", "pool 'rep' keeps 3");
	assert_false(x->plan.pools[0].ok);
	assert_allowed(x, "osd.0"); /* its sibling stays on the host */
}

static void test_states_of_pgs(void **state)
{
	static const char *const bad[] = {
		"active+clean+inconsistent",       "incomplete", "down", "stale+active+clean", "unknown", "peering",
		"active+recovery_unfound+degraded"};
	static const char *const unclean[] = {"active+recovering+degraded", "active+clean+remapped",
					      "active+undersized+degraded"};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		json_array_set_new(pgs(x), 0, pg("1.0", bad[i], 0, 2, 4, 1000));
		assert_refused(x, "node1", bad[i]);
		assert_allowed(x, "node5"); /* not one of its PGs */
	}
	for (size_t i = 0; i < ARRAY_SIZE(unclean); i++) {
		json_array_set_new(pgs(x), 0, pg("1.0", unclean[i], 0, 2, 4, 1000));
		assert_allowed(x, "node1");
		assert_warned(x, "not clean now");
	}
	json_array_set_new(pgs(x), 0, pg("1.0", "active+clean", 0, 2, 4, 1000));
	json_object_set_new(json_object_get(json_array_get(pgs(x), 0), "stat_sum"), "num_objects_unfound", json_integer(1));
	assert_refused(x, "node1", "PG 1.0");
}

/* Right after a change of the mapping PGs peer and have not found all objects yet: refused only when it stays so. */
static void test_what_may_pass(void **state)
{
	static const char *const passing[] = {"peering", "remapped+peering", "unknown", "active+recovery_unfound+degraded"};
	static const char *const staying[] = {"active+clean+inconsistent", "incomplete", "down", "stale+active+clean"};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(passing); i++) {
		json_array_set_new(pgs(x), 0, pg("1.0", passing[i], 0, 2, 4, 1000));
		assert_refused(x, "node1", passing[i]);
		assert_int_equal(x->plan.n_passing, x->plan.refusals.n);
	}
	check(x, "OBJECT_UNFOUND", false);
	assert_refused(x, "node1", "OBJECT_UNFOUND");
	assert_int_equal(x->plan.n_passing, x->plan.refusals.n);
	for (size_t i = 0; i < ARRAY_SIZE(staying); i++) {
		json_array_set_new(pgs(x), 0, pg("1.0", staying[i], 0, 2, 4, 1000));
		assert_refused(x, "node1", staying[i]);
		assert_true(x->plan.n_passing < x->plan.refusals.n);
	}
}

static void test_health(void **state)
{
	struct fixture *x = *state;

	check(x, "SLOW_OPS", false);
	assert_refused(x, "node1", "SLOW_OPS: words");
	cn_strv_add(&x->accept, "SLOW_OPS");
	assert_allowed(x, "node1");
	assert_warned(x, "accepted: SLOW_OPS");
	check(x, "MON_CLOCK_SKEW", true); /* muted: the operator's word */
	assert_allowed(x, "node1");
	check(x, "POOL_APP_NOT_ENABLED", false);
	assert_refused(x, "node1", "POOL_APP_NOT_ENABLED");
	cn_strv_add(&x->accept, "existing"); /* a word for the caller to resolve, here it is no code */
	assert_refused(x, "node1", "POOL_APP_NOT_ENABLED");
	cn_strv_add(&x->accept, "POOL_APP_NOT_ENABLED");
	assert_allowed(x, "node1");
}

static void test_what_nobody_can_accept(void **state)
{
	static const char *const codes[] = {"PG_DAMAGED", "OSD_SCRUB_ERRORS", "OBJECT_UNFOUND",  "OSD_FULL",
					    "POOL_FULL",  "PG_BACKFILL_FULL", "PG_RECOVERY_FULL"};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		cn_strv_add(&x->accept, codes[i]);
		check(x, codes[i], true); /* not even muted */
		assert_refused(x, "node1", codes[i]);
		assert_has(x->plan.hint, "cannot be accepted");
		json_object_del(json_object_get(x->health, "checks"), codes[i]);
	}
	assert_allowed(x, "node1");
}

/* OSD_DOWN and PG_DEGRADED are the node's own when only its OSDs are down. */
static void test_dead_node(void **state)
{
	struct fixture *x = *state;

	json_object_set_new(world_osd(&x->w, 0), "up", json_integer(0));
	json_object_set_new(world_osd(&x->w, 1), "up", json_integer(0));
	json_array_clear(pgs(x));
	check(x, "OSD_DOWN", false);
	check(x, "OSD_HOST_DOWN", false);
	check(x, "PG_DEGRADED", false);
	assert_allowed(x, "node1");
	assert_refused(x, "node2", "OSD_DOWN");
	json_object_set_new(world_osd(&x->w, 4), "up", json_integer(0));
	assert_refused(x, "node1", "OSD_DOWN");
}

static void test_flags(void **state)
{
	struct fixture *x = *state;
	struct cn_journal other = {.phase = CN_PHASE_HOLD, .node = (char *)"node5"};

	check_says(x, "OSDMAP_FLAGS", false, "norecover flag(s) set");
	assert_refused(x, "node1", "OSDMAP_FLAGS");
	assert_int_equal(x->plan.n_passing, 0);
	cn_strv_add(&other.flags_set, "norecover");
	x->journals = (struct cn_journals){&other, 1};
	assert_allowed(x, "node1");  /* another drain's, and it will unset it */
	other.phase = CN_PHASE_WAIT; /* one that holds no more does not explain it, but the words may be older than its release */
	assert_refused(x, "node1", "OSDMAP_FLAGS");
	assert_int_equal(x->plan.n_passing, 1);
	other.phase = CN_PHASE_DONE;
	assert_refused(x, "node1", "OSDMAP_FLAGS");
	assert_int_equal(x->plan.n_passing, 0);
	other.phase = CN_PHASE_HOLD;
	check_says(x, "OSDMAP_FLAGS", false, "norecover,noout flag(s) set");
	assert_refused(x, "node1", "OSDMAP_FLAGS");
	check_says(x, "OSDMAP_FLAGS", false, "");
	assert_refused(x, "node1", "OSDMAP_FLAGS");
	cn_strv_release(&other.flags_set);
}

/* What another drain's moving data explains, and what it does not. */
static void test_while_another_drain_moves(void **state)
{
	static const char *const moving[] = {"PG_DEGRADED", "OBJECT_MISPLACED", "PG_NOT_SCRUBBED", "PG_NOT_DEEP_SCRUBBED"};
	static const char *const never[] = {"PG_AVAILABILITY", "OSD_NEARFULL", "POOL_NEARFULL", "SLOW_OPS"};
	struct fixture *x = *state;
	struct cn_journal other = {.node = (char *)"node5"};

	x->journals = (struct cn_journals){&other, 1};
	for (int p = CN_PHASE_LOCK; p <= CN_PHASE_CANCELLED; p++) {
		other.phase = (enum cn_phase)p;
		for (size_t i = 0; i < ARRAY_SIZE(moving); i++) {
			check(x, moving[i], false);
			if (p >= CN_PHASE_REWEIGHT && p < CN_PHASE_DRAINED)
				assert_allowed(x, "node1");
			else
				assert_refused(x, "node1", moving[i]);
			json_object_del(json_object_get(x->health, "checks"), moving[i]);
		}
		for (size_t i = 0; i < ARRAY_SIZE(never); i++) {
			check(x, never[i], false);
			assert_refused(x, "node1", never[i]);
			assert_int_equal(x->plan.n_passing, i == 0); /* PGs that peer are waited for, not waved through */
			json_object_del(json_object_get(x->health, "checks"), never[i]);
		}
	}
}

/* Once our own data moves. */
static void test_while_we_move(void **state)
{
	static const char *const mine[] = {"PG_DEGRADED", "OBJECT_MISPLACED", "OSD_NEARFULL", "POOL_NEARFULL"};
	static const char *const others[] = {"PG_AVAILABILITY", "SLOW_OPS", "OSD_FULL", "CACHE_POOL_NEAR_FULL"};
	struct cn_osd down = {.id = 3, .in = true};
	struct cn_osdmap m = {.osds = &down, .n_osds = 1};
	struct cn_strv none = {};
	struct cn_ids own = {};
	struct cn_journals journals = {};
	struct cn_health_context ctx = {&none, &m, &own, &journals, true};

	for (int up = 1; up >= 0; up--) {
		down.up = up;
		for (size_t i = 0; i < 2 * ARRAY_SIZE(mine); i++) {
			const char *code = i < ARRAY_SIZE(mine) ? mine[i] : others[i - ARRAY_SIZE(mine)];
			struct cn_health_check check1 = {.code = (char *)code, .severity = (char *)"w", .summary = (char *)"s"};
			struct cn_health h = {.checks = &check1, .n_checks = 1};
			struct cn_strv found = {};
			bool never = true,
			     want = i >= ARRAY_SIZE(mine) || (!up && i < 2); /* osd.3 is nobody's: it may be the cause */

			cn_health_judge(&h, &ctx, &found, &never);
			if (found.n != want)
				fail_msg("%s with osd.3 %s: %s", code, up ? "up" : "down",
					 found.n ? "speaks against it" : "is explained");
			assert_int_equal(never, strcmp(code, "OSD_FULL") == 0);
			cn_strv_release(&found);
		}
	}
	(void)state;
}

static void test_fill(void **state)
{
	struct fixture *x = *state;
	json_t *fullest = json_array_get(json_object_get(x->df, "nodes"), 7);

	assert_allowed(x, "node1");
	assert_true(x->plan.fullest_after > 0.09 && x->plan.fullest_after < 0.11);
	json_object_set_new(fullest, "kb_used", json_integer(880 * 1024));
	assert_allowed(x, "node1");
	assert_int_equal(x->plan.fullest_osd, 7);
	assert_warned(x, "osd.7 would be 86 % full");
	json_object_set_new(fullest, "kb_used", json_integer(930 * 1024));
	assert_refused(x, "node1", "osd.7 would be 91 % full");
	json_object_set_new(fullest, "kb_used", json_integer(100 * 1024));
	/* 7.2 GiB of shards for the 8 OSDs that stay, of 1 GiB each and a tenth full */
	json_array_set_new(pgs(x), 0, pg("1.0", "active+clean", 0, 2, 4, 7730941132));
	assert_refused(x, "node1", "full even if all spread evenly");
}

static void test_whole_cluster(void **state)
{
	assert_refused(*state, "vm", "every OSD of the cluster");
}

static void test_neighbours(void **state)
{
	struct fixture *x = *state;
	struct cn_journal_osd osd = {.id = 8};
	struct cn_journal other = {.phase = CN_PHASE_WAIT, .node = (char *)"node5", .osds = &osd, .n_osds = 1};

	json_object_set_new(json_array_get(x->w.mgr_metadata, 0), "hostname", json_string("node1"));
	x->journals = (struct cn_journals){&other, 1};
	assert_allowed(x, "node1");
	assert_warned(x, "node1 also runs mgr.x");
	assert_warned(x, "a drain of node5 is under way (wait)");
	other.phase = CN_PHASE_DONE;
	assert_allowed(x, "osd.0");
	assert_int_equal(x->plan.warnings.n, 1);
}

static void test_json(void **state)
{
	struct fixture *x = *state;
	_cleanup_json_ json_t *j = NULL;

	plan(x, "node1");
	j = cn_plan_json(&x->plan);
	assert_string_equal(cn_json_str(j, "method", ""), "crush");
	assert_int_equal(json_array_size(cn_json_arr(j, "osds")), 2);
	assert_int_equal(cn_json_int(j, "pgs", -1), 3);
	assert_int_equal(cn_json_int(j, "bytes_to_move", -1), 1106);
	assert_int_equal(cn_json_int(json_array_get(cn_json_arr(j, "pools"), 0), "needed", -1), 3);
	assert_false(cn_json_bool(cn_json_obj(j, "forecast"), "exact", true));
	assert_has(cn_json_str(cn_json_obj(j, "forecast"), "reason", ""), "access denied");
	assert_true(cn_json_obj(j, "fullest") && json_is_array(json_object_get(j, "warnings")));
}

static void test_no_answer(void **state)
{
	static const char *const kinds[] = {"health", "osd df", "df"};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct cn_inventory inv = {};
		const char *name = "node1";

		plan(x, "node1");
		assert_int_equal(cn_inventory_discover(x->c, NULL, &name, 1, true, &inv, &x->e), 0);
		cn_plan_release(&x->plan);
		fake_fault(x->f, kinds[i], 0, 1, -ETIMEDOUT, false);
		assert_int_equal(cn_plan_make(x->c, &inv, &x->accept, &options, &x->journals, &x->plan, &x->e), -ETIMEDOUT);
		assert_error(&x->e, CN_TIMEOUT, kinds[i]);
		cn_inventory_release(&inv);
	}
}

#define with_plan(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_plan(test_allowed),
		with_plan(test_two_nodes),
		with_plan(test_too_few_hosts),
		with_plan(test_states_of_pgs),
		with_plan(test_what_may_pass),
		with_plan(test_health),
		with_plan(test_what_nobody_can_accept),
		with_plan(test_dead_node),
		with_plan(test_flags),
		with_plan(test_fill),
		with_plan(test_whole_cluster),
		with_plan(test_neighbours),
		with_plan(test_json),
		with_plan(test_no_answer),
		with_plan(test_while_another_drain_moves),
		cmocka_unit_test(test_while_we_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
