/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The proof before an OSD goes: each of its sides alone must be able to say no. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "cephnode/base/interrupt.h"
#include "drain/run.h"
#include "unit.h"
#include "world.h"

struct fixture {
	struct world w;
	struct fakeclock clock;
	struct fake *f;
	struct cn_drain drain; /* of node1: osd.0 and osd.1, PGs 1.0 and 2.3 */
	struct cn_drain_options options;
	struct cn_drain_context ctx;
	struct cn_run run;
	struct cn_error e;
};

#define CHANGE_EPOCH 50
#define SAFE "{\"prefix\":\"osd safe-to-destroy\",\"ids\":[\"0\",\"1\"],\"format\":\"json\"}"
#define HEALTH "{\"prefix\":\"health\",\"format\":\"json\"}"

static void map(struct fixture *x, const char *pgid, const char *up, const char *acting)
{
	_cleanup_free_ char *cmd = cn_asprintf("{\"prefix\":\"pg map\",\"pgid\":\"%s\",\"format\":\"json\"}", pgid);
	_cleanup_free_ char *body = cn_asprintf("{\"epoch\":60,\"pgid\":\"%s\",\"up\":%s,\"acting\":%s}", pgid, up, acting);

	fake_always(x->f, CN_MON, NULL, cmd, 0, body, NULL);
}

/* What the primary says: state, epoch, acting set, and more fields. */
static void query(struct fixture *x, const char *pgid, const char *state, int epoch, const char *acting, const char *more)
{
	_cleanup_free_ char *cmd = cn_asprintf("{\"prefix\":\"query\",\"pgid\":\"%s\",\"format\":\"json\"}", pgid);
	_cleanup_free_ char *body =
		cn_asprintf("{\"state\":\"%s\",\"epoch\":%d,\"up\":%s,\"acting\":%s%s}", state, epoch, acting, acting, more);

	fake_always(x->f, CN_PG, pgid, cmd, 0, body, NULL);
}

static void safe(struct fixture *x, const char *body)
{
	fake_always(x->f, CN_MGR, NULL, SAFE, 0, body, NULL);
}

static void health(struct fixture *x, const char *code, const char *summary)
{
	_cleanup_free_ char *body = NULL;

	body = code ? cn_asprintf("{\"status\":\"HEALTH_WARN\",\"checks\":{\"%s\":{\"severity\":\"HEALTH_WARN\",\"summary\":{"
				  "\"message\":"
				  "\"%s\"},\"muted\":false}},\"mutes\":[]}",
				  code, summary)
		    : cn_strdup("{\"status\":\"HEALTH_OK\",\"checks\":{},\"mutes\":[]}");
	fake_always(x->f, CN_MON, NULL, HEALTH, 0, body, NULL);
}

static void osds_answer(struct fixture *x)
{
	_cleanup_free_ char *body = cn_json_dump(x->w.osd_dump);

	fake_always(x->f, CN_MON, NULL, "{\"prefix\":\"osd dump\",\"format\":\"json\"}", 0, body, NULL);
}

/* A drain that is proven: every test spoils one thing. */
static void all_is_well(struct fixture *x)
{
	osds_answer(x);
	map(x, "1.0", "[2,4,6]", "[2,4,6]");
	map(x, "2.3", "[8,2147483647,5]", "[8,2147483647,5]");
	query(x, "1.0", "active+clean", 60, "[2,4,6]", "");
	query(x, "2.3", "active+clean", CHANGE_EPOCH, "[8,3,5]", "");
	safe(x, "{\"safe_to_destroy\":[0,1],\"active\":[],\"missing_stats\":[],\"stored_pgs\":[]}");
	health(x, NULL, NULL);
}

static void make_journal(struct fixture *x, struct cn_journal *j)
{
	*j = (struct cn_journal){.phase = CN_PHASE_PROVE, .node = cn_strdup("node1"), .change_epoch = CHANGE_EPOCH, .n_osds = 2};
	j->osds = cn_calloc(2, sizeof(*j->osds));
	for (int i = 0; i < 2; i++) {
		j->osds[i].id = i;
		snprintf(j->osds[i].uuid, sizeof(j->osds[i].uuid), "%s", cn_json_str(world_osd(&x->w, i), "uuid", ""));
	}
	j->n_pgs = j->n_pools = 2;
	j->pgs = cn_calloc(2, sizeof(*j->pgs));
	j->pgs[0] = (struct cn_journal_pg){{1, 0}, 1};
	j->pgs[1] = (struct cn_journal_pg){{2, 3}, 1};
	j->pools = cn_calloc(2, sizeof(*j->pools));
	j->pools[0] = (struct cn_journal_pool){1, 32};
	j->pools[1] = (struct cn_journal_pool){2, 16};
}

static int setup(void **state)
{
	struct fixture *x = cn_calloc(1, sizeof(*x));

	fakeclock_init(&x->clock);
	world_init(&x->w, "");
	x->f = fake_new(&x->clock);
	fake_store(x->f);
	make_journal(x, &x->drain.journal);
	x->ctx = (struct cn_drain_context){.cluster = fake_client(x->f, 1), .clock = &x->clock.clock, .options = &x->options};
	x->run = (struct cn_run){.ctx = &x->ctx, .c = x->ctx.cluster, .clock = x->ctx.clock, .drains = &x->drain, .n = 1};
	all_is_well(x);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	struct fake *f = x->f;

	cn_journal_release(&x->drain.journal);
	cn_strv_release(&x->run.accept);
	world_release(&x->w);
	cn_error_release(&x->e);
	free(x);
	fake_done(f);
	return 0;
}

/* want NULL: proven. */
static void assert_proof(struct fixture *x, bool need_safe, const char *want)
{
	_cleanup_free_ char *reason = NULL;
	size_t missing = 99;

	if (cn_prove_once(&x->run, need_safe, &missing, &reason, &x->e) < 0)
		fail_msg("%s", x->e.message);
	if (want)
		assert_has(reason, want);
	else if (reason)
		fail_msg("not proven: %s", reason);
}

static void test_proven(void **state)
{
	assert_proof(*state, true, NULL);
	assert_proof(*state, false, NULL);
}

static void test_mon_maps_it_still(void **state)
{
	struct fixture *x = *state;

	map(x, "1.0", "[2,4,6]", "[2,4,1]");
	assert_proof(x, true, "PG 1.0 is still mapped to osd.1");
	map(x, "1.0", "[0,4,6]", "[2,4,6]");
	assert_proof(x, true, "PG 1.0 is still mapped to osd.0");
	map(x, "1.0", "[2,4,6]", "[2,4,6]");
	assert_proof(x, true, NULL);
}

static void test_pg_temp_of_a_pg_nobody_recorded(void **state)
{
	struct fixture *x = *state;

	json_object_set_new(x->w.osd_dump, "pg_temp", json_pack("[{ss,s[iii]}]", "pgid", "3.4", "osds", 7, 1, 3));
	osds_answer(x);
	assert_proof(x, true, "pg_temp entry still names osd.1");
}

static void test_primary_has_it_still(void **state)
{
	struct fixture *x = *state;

	query(x, "2.3", "active+clean", 60, "[8,0,5]", "");
	assert_proof(x, true, "PG 2.3 still has osd.0");
}

static void test_primary_is_behind(void **state)
{
	struct fixture *x = *state;

	query(x, "1.0", "active+clean", CHANGE_EPOCH - 1, "[2,4,6]", "");
	assert_proof(x, true, "has seen epoch 49 only, not 50");
}

/* The latest change counts: that of any drain of the run. */
static void test_latest_change_counts(void **state)
{
	struct fixture *x = *state;
	struct cn_drain two[2] = {x->drain, x->drain};

	two[0].journal.change_epoch = 10;
	two[1].journal.change_epoch = 61;
	x->run.drains = two;
	x->run.n = 2;
	assert_proof(x, true, "not 61");
}

static void test_not_clean(void **state)
{
	static const char *const states[] = {"active+clean+inconsistent",  "active+recovering+degraded", "active+clean+remapped",
					     "active+undersized+degraded", "stale+active+clean",         "peering",
					     "active+clean+laggy"};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		query(x, "1.0", states[i], 60, "[2,4,6]", "");
		assert_proof(x, true, states[i]);
		assert_proof(x, false, states[i]);
	}
	query(x, "1.0", "active+clean+scrubbing+deep", 60, "[2,4,6]", "");
	assert_proof(x, true, NULL);
}

static void test_unfound(void **state)
{
	struct fixture *x = *state;

	query(x, "1.0", "active+clean", 60, "[2,4,6]", ",\"info\":{\"stats\":{\"stat_sum\":{\"num_objects_unfound\":1}}}");
	assert_proof(x, true, "PG 1.0");
}

static void test_primary_counts_on_it(void **state)
{
	static const char *const more[] = {
		",\"recovery_state\":[{\"down_osds_we_would_probe\":[1]}]",
		",\"acting_recovery_backfill\":[\"2\",\"1(2)\"]",
		",\"backfill_targets\":[\"1\"]",
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		query(x, "1.0", "active+clean", 60, "[2,4,6]", more[i]);
		assert_proof(x, true, "still counts on osd.1");
	}
	query(x, "1.0", "active+clean", 60, "[2,4,6]", ",\"acting_recovery_backfill\":[\"2\",\"4\",\"6\"]");
	assert_proof(x, true, NULL);
	/* left over from a log recovery that has ended: seen on 16.2.15 beside active+clean, for as long as nothing else happens
	 */
	query(x, "1.0", "active+clean", 60, "[2,4,6]",
	      ",\"recovery_state\":[{\"might_have_unfound\":[{\"osd\":\"1\",\"status\":\"not queried\"}]}]");
	assert_proof(x, true, NULL);
}

static void test_manager_says_no(void **state)
{
	static const struct {
		const char *body, *reason;
	} says[] = {
		{"{\"safe_to_destroy\":[0],\"active\":[1],\"missing_stats\":[],\"stored_pgs\":[]}",
		 "osd.1 safe to destroy: PGs still map"},
		{"{\"safe_to_destroy\":[1],\"active\":[],\"missing_stats\":[],\"stored_pgs\":[0]}",
		 "osd.0 safe to destroy: it has not deleted"},
		{"{\"safe_to_destroy\":[0],\"active\":[],\"missing_stats\":[1],\"stored_pgs\":[]}",
		 "osd.1 safe to destroy: it is down"},
		{"{\"safe_to_destroy\":[0],\"active\":[],\"missing_stats\":[],\"stored_pgs\":[]}", "no answer for it"},
		{"{\"safe_to_destroy\":[],\"active\":[],\"missing_stats\":[],\"stored_pgs\":[]}", "osd.0"},
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(says); i++) {
		safe(x, says[i].body);
		assert_proof(x, true, says[i].reason);
		assert_proof(x, false, says[i].reason); /* it is up, so the manager knows of it */
	}
	json_object_set_new(world_osd(&x->w, 0), "up", json_integer(0));
	json_object_set_new(world_osd(&x->w, 1), "up", json_integer(0));
	osds_answer(x);
	for (size_t i = 0; i < ARRAY_SIZE(says); i++) {
		safe(x, says[i].body);
		assert_proof(x, true, says[i].reason);
		assert_proof(x, false, NULL); /* not asked: stopped by us, after a full proof */
	}
}

/* One is stopped, the other has come up again: that one may have taken PGs. */
static void test_manager_is_asked_for_who_is_up(void **state)
{
	static const char one[] = "{\"prefix\":\"osd safe-to-destroy\",\"ids\":[\"1\"],\"format\":\"json\"}";
	struct fixture *x = *state;

	json_object_set_new(world_osd(&x->w, 0), "up", json_integer(0));
	osds_answer(x);
	fake_always(x->f, CN_MGR, NULL, one, 0, "{\"safe_to_destroy\":[],\"active\":[],\"missing_stats\":[],\"stored_pgs\":[1]}",
		    NULL);
	assert_proof(x, false, "osd.1 safe to destroy: it has not deleted");
	fake_always(x->f, CN_MGR, NULL, one, 0, "{\"safe_to_destroy\":[1],\"active\":[],\"missing_stats\":[],\"stored_pgs\":[]}",
		    NULL);
	assert_proof(x, false, NULL);
}

static void test_health_says_no(void **state)
{
	struct fixture *x = *state;

	health(x, "SLOW_OPS", "3 slow ops");
	assert_proof(x, true, "SLOW_OPS: 3 slow ops");
	cn_strv_add(&x->run.accept, "SLOW_OPS");
	assert_proof(x, true, NULL);
	health(x, "PG_DAMAGED", "Possible data damage: 1 pg inconsistent");
	cn_strv_add(&x->run.accept, "PG_DAMAGED");
	assert_proof(x, true, "PG_DAMAGED");
}

/* osd.1 was purged and its id given to another disk: that one is none of ours, and the manager is not asked for it. */
static void test_reused_id(void **state)
{
	struct fixture *x = *state;

	json_object_set_new(world_osd(&x->w, 1), "uuid", json_string("00000000-0000-0000-0000-000000000001"));
	osds_answer(x);
	map(x, "1.0", "[2,4,1]", "[2,4,1]");
	query(x, "1.0", "active+clean", 60, "[2,4,1]", "");
	fake_always(x->f, CN_MGR, NULL, "{\"prefix\":\"osd safe-to-destroy\",\"ids\":[\"0\"],\"format\":\"json\"}", 0,
		    "{\"safe_to_destroy\":[0],\"active\":[],\"missing_stats\":[],\"stored_pgs\":[]}", NULL);
	assert_proof(x, true, NULL);
}

static json_t *pool(struct fixture *x, int id)
{
	json_t *p;
	size_t i;

	json_array_foreach (json_object_get(x->w.osd_dump, "pools"), i, p)
		if (cn_json_int(p, "pool", -1) == id)
			return p;
	return NULL;
}

static void test_split_off_pg_is_watched(void **state)
{
	struct fixture *x = *state;

	json_object_set_new(pool(x, 1), "pg_num", json_integer(64));
	osds_answer(x);
	map(x, "1.20", "[2,4,6]", "[2,4,0]");
	query(x, "1.20", "active+clean", 60, "[2,4,6]", "");
	assert_proof(x, true, "PG 1.20 is still mapped to osd.0");
}

static void test_deleted_pool_holds_nobody_up(void **state)
{
	struct fixture *x = *state;
	json_t *pools = json_object_get(x->w.osd_dump, "pools"), *p;
	size_t i;

	query(x, "2.3", "active+undersized+degraded", 60, "[8,3,5]", "");
	assert_proof(x, true, "PG 2.3");
	json_array_foreach (pools, i, p)
		if (cn_json_int(p, "pool", -1) == 2) {
			json_array_remove(pools, i);
			break;
		}
	osds_answer(x);
	assert_proof(x, true, NULL);
}

static void test_no_answer_is_no_proof(void **state)
{
	static const char *const kinds[] = {"osd dump", "pg map", "query", "osd safe-to-destroy", "health", "config-key dump"};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		char *reason = NULL;
		size_t missing;

		fake_fault(x->f, kinds[i], 0, 1, -ETIMEDOUT, false);
		if (cn_prove_once(&x->run, true, &missing, &reason, &x->e) != -ETIMEDOUT)
			fail_msg("no answer to '%s' was taken for a proof", kinds[i]);
		assert_int_equal(x->e.code, CN_TIMEOUT);
		assert_null(reason);
		cn_error_release(&x->e);
	}
}

/* Every PG of pool 1 instead of one: more than are asked at once. */
#define MANY 32

static void many_pgs(struct fixture *x)
{
	struct cn_journal *j = &x->drain.journal;

	assert_true(MANY > CN_THREADS);
	j->pgs = cn_realloc(j->pgs, MANY, sizeof(*j->pgs));
	j->n_pgs = MANY;
	for (unsigned i = 0; i < MANY; i++) {
		char text[CN_PGID_STRLEN];

		j->pgs[i] = (struct cn_journal_pg){{1, i}, 1};
		cn_pgid_format(j->pgs[i].id, text);
		map(x, text, "[2,4,6]", "[2,4,6]");
		query(x, text, "active+clean", 60, "[2,4,6]", "");
	}
	assert_proof(x, true, NULL);
	assert_int_equal(fake_count(x->f, "pg map"), MANY);
	assert_int_equal(fake_count(x->f, "query"), MANY);
}

/* The proof ends with this code, and with no words on PGs. Returns how many commands of the kind came. */
static size_t failed_proof(struct fixture *x, const char *kind, int code)
{
	size_t before = fake_count(x->f, kind), missing;
	char *reason = NULL;

	assert_int_equal(cn_prove_once(&x->run, true, &missing, &reason, &x->e), code);
	assert_null(reason);
	cn_error_release(&x->e);
	return fake_count(x->f, kind) - before;
}

struct silence {
	const char *kind;
	int code;
};

static bool no_answer(void *arg, enum cn_target target _unused_, const char *pgid _unused_, const json_t *cmd, int *ret_code,
		      char **ret_body)
{
	const struct silence *s = arg;

	if (strcmp(cn_json_str(cmd, "prefix", ""), s->kind) != 0)
		return false;
	*ret_code = s->code;
	*ret_body = cn_strdup("");
	return true;
}

/* Each question costs as long as a command may take: those under way at most, not one for each PG. */
static void test_silence_ends_the_proof(void **state)
{
	static struct silence all[] = {
		{"pg map", -ETIMEDOUT}, {"pg map", -ENOTCONN}, {"pg map", -ESHUTDOWN},
		{"query", -ETIMEDOUT},  {"query", -ENOTCONN},  {"query", -ESHUTDOWN},
	};
	struct fixture *x = *state;

	many_pgs(x);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		fake_answer_with(x->f, no_answer, &all[i]);
		assert_in_range(failed_proof(x, all[i].kind, all[i].code), 1, CN_THREADS);
	}
	fake_answer_with(x->f, NULL, NULL);
	assert_proof(x, true, NULL);
}

/* No primary just now, a PG that was just merged away: that costs no time, and the others are asked all the same. */
static void test_an_error_at_once_does_not(void **state)
{
	struct fixture *x = *state;

	many_pgs(x);
	fake_fault(x->f, "query", 0, 1, -ENXIO, false);
	assert_int_equal(failed_proof(x, "query", -ENXIO), MANY);
}

static void test_signal_ends_the_proof(void **state)
{
	struct fixture *x = *state;
	size_t asked;

	many_pgs(x);
	cn_interrupt_set(true);
	asked = failed_proof(x, "pg map", -EINTR);
	cn_interrupt_set(false);
	assert_int_equal(asked, 0);
}

/* Who is not asked is not proven; that --timeout is over is said by the step. */
static void test_timeout_ends_the_proof(void **state)
{
	struct fixture *x = *state;

	many_pgs(x);
	x->run.timeout_at_ms = x->clock.boot_ms;
	assert_proof(x, true, "PG 1.0 was not asked");
	assert_int_equal(fake_count(x->f, "pg map"), MANY);
	x->run.timeout_at_ms++;
	assert_proof(x, true, NULL);
}

static atomic_uint clock_reads;

static int64_t counted_ms(struct cn_clock *c)
{
	atomic_fetch_add(&clock_reads, 1);
	return ((struct fakeclock *)c)->boot_ms;
}

/* The agent's clock feeds systemd's watchdog: a cluster that is slow with each PG must not look like an agent that hangs. */
static void test_clock_is_read_for_each_pg(void **state)
{
	struct fixture *x = *state;

	many_pgs(x);
	x->clock.clock.boot_ms = counted_ms;
	atomic_store(&clock_reads, 0);
	assert_proof(x, true, NULL);
	assert_true(atomic_load(&clock_reads) >= MANY);
}

#define with_drain(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_drain(test_proven),
		with_drain(test_mon_maps_it_still),
		with_drain(test_pg_temp_of_a_pg_nobody_recorded),
		with_drain(test_primary_has_it_still),
		with_drain(test_primary_is_behind),
		with_drain(test_latest_change_counts),
		with_drain(test_not_clean),
		with_drain(test_unfound),
		with_drain(test_primary_counts_on_it),
		with_drain(test_manager_says_no),
		with_drain(test_manager_is_asked_for_who_is_up),
		with_drain(test_health_says_no),
		with_drain(test_reused_id),
		with_drain(test_split_off_pg_is_watched),
		with_drain(test_deleted_pool_holds_nobody_up),
		with_drain(test_no_answer_is_no_proof),
		with_drain(test_silence_ends_the_proof),
		with_drain(test_an_error_at_once_does_not),
		with_drain(test_signal_ends_the_proof),
		with_drain(test_timeout_ends_the_proof),
		with_drain(test_clock_is_read_for_each_pg),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
