/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The proof before an OSD goes: each of its sides alone must be able to say no. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proving.h"

static void test_proven(void **state)
{
	prove_assert(*state, true, NULL);
	prove_assert(*state, false, NULL);
}

static void test_mon_maps_it_still(void **state)
{
	struct proving *x = *state;

	prove_map(x, "1.0", "[2,4,6]", "[2,4,1]");
	prove_assert(x, true, "PG 1.0 is still mapped to osd.1");
	prove_map(x, "1.0", "[0,4,6]", "[2,4,6]");
	prove_assert(x, true, "PG 1.0 is still mapped to osd.0");
	prove_map(x, "1.0", "[2,4,6]", "[2,4,6]");
	prove_assert(x, true, NULL);
}

static void test_pg_temp_of_a_pg_nobody_recorded(void **state)
{
	struct proving *x = *state;

	json_object_set_new(x->w.osd_dump, "pg_temp", json_pack("[{ss,s[iii]}]", "pgid", "3.4", "osds", 7, 1, 3));
	prove_osds_answer(x);
	prove_assert(x, true, "pg_temp entry still names osd.1");
}

static void test_primary_has_it_still(void **state)
{
	struct proving *x = *state;

	prove_query(x, "2.3", "active+clean", 60, "[8,0,5]", "");
	prove_assert(x, true, "PG 2.3 still has osd.0");
}

static void test_primary_is_behind(void **state)
{
	struct proving *x = *state;

	prove_query(x, "1.0", "active+clean", CHANGE_EPOCH - 1, "[2,4,6]", "");
	prove_assert(x, true, "has seen epoch 49 only, not 50");
}

/* The latest change counts: that of any drain of the run. */
static void test_latest_change_counts(void **state)
{
	struct proving *x = *state;
	struct cn_drain two[2] = {x->drain, x->drain};

	two[0].journal.change_epoch = 10;
	two[1].journal.change_epoch = 61;
	x->run.drains = two;
	x->run.n = 2;
	prove_assert(x, true, "not 61");
}

static void test_not_clean(void **state)
{
	static const char *const states[] = {"active+clean+inconsistent",  "active+recovering+degraded", "active+clean+remapped",
					     "active+undersized+degraded", "stale+active+clean",         "peering",
					     "active+clean+laggy"};
	struct proving *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		prove_query(x, "1.0", states[i], 60, "[2,4,6]", "");
		prove_assert(x, true, states[i]);
		prove_assert(x, false, states[i]);
	}
	prove_query(x, "1.0", "active+clean+scrubbing+deep", 60, "[2,4,6]", "");
	prove_assert(x, true, NULL);
}

static void test_unfound(void **state)
{
	struct proving *x = *state;

	prove_query(x, "1.0", "active+clean", 60, "[2,4,6]", ",\"info\":{\"stats\":{\"stat_sum\":{\"num_objects_unfound\":1}}}");
	prove_assert(x, true, "PG 1.0");
}

static void test_primary_counts_on_it(void **state)
{
	static const char *const more[] = {
		",\"recovery_state\":[{\"down_osds_we_would_probe\":[1]}]",
		",\"acting_recovery_backfill\":[\"2\",\"1(2)\"]",
		",\"backfill_targets\":[\"1\"]",
	};
	struct proving *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		prove_query(x, "1.0", "active+clean", 60, "[2,4,6]", more[i]);
		prove_assert(x, true, "still counts on osd.1");
	}
	prove_query(x, "1.0", "active+clean", 60, "[2,4,6]", ",\"acting_recovery_backfill\":[\"2\",\"4\",\"6\"]");
	prove_assert(x, true, NULL);
	/* left over from a log recovery that has ended: seen on 16.2.15 beside active+clean, for as long as nothing else happens
	 */
	prove_query(x, "1.0", "active+clean", 60, "[2,4,6]",
		    ",\"recovery_state\":[{\"might_have_unfound\":[{\"osd\":\"1\",\"status\":\"not queried\"}]}]");
	prove_assert(x, true, NULL);
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
	struct proving *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(says); i++) {
		prove_safe(x, says[i].body);
		prove_assert(x, true, says[i].reason);
		prove_assert(x, false, says[i].reason); /* it is up, so the manager knows of it */
	}
	json_object_set_new(world_osd(&x->w, 0), "up", json_integer(0));
	json_object_set_new(world_osd(&x->w, 1), "up", json_integer(0));
	prove_osds_answer(x);
	for (size_t i = 0; i < ARRAY_SIZE(says); i++) {
		prove_safe(x, says[i].body);
		prove_assert(x, true, says[i].reason);
		prove_assert(x, false, NULL); /* not asked: stopped by us, after a full proof */
	}
}

/* One is stopped, the other has come up again: that one may have taken PGs. */
static void test_manager_is_asked_for_who_is_up(void **state)
{
	static const char one[] = "{\"prefix\":\"osd safe-to-destroy\",\"ids\":[\"1\"],\"format\":\"json\"}";
	struct proving *x = *state;

	json_object_set_new(world_osd(&x->w, 0), "up", json_integer(0));
	prove_osds_answer(x);
	fake_always(x->f, CN_MGR, NULL, one, 0, "{\"safe_to_destroy\":[],\"active\":[],\"missing_stats\":[],\"stored_pgs\":[1]}",
		    NULL);
	prove_assert(x, false, "osd.1 safe to destroy: it has not deleted");
	fake_always(x->f, CN_MGR, NULL, one, 0, "{\"safe_to_destroy\":[1],\"active\":[],\"missing_stats\":[],\"stored_pgs\":[]}",
		    NULL);
	prove_assert(x, false, NULL);
}

static void test_health_says_no(void **state)
{
	struct proving *x = *state;

	prove_health(x, "SLOW_OPS", "3 slow ops");
	prove_assert(x, true, "SLOW_OPS: 3 slow ops");
	cn_strv_add(&x->run.accept, "SLOW_OPS");
	prove_assert(x, true, NULL);
	prove_health(x, "PG_DAMAGED", "Possible data damage: 1 pg inconsistent");
	cn_strv_add(&x->run.accept, "PG_DAMAGED");
	prove_assert(x, true, "PG_DAMAGED");
}

/* osd.1 was purged and its id given to another disk: that one is none of ours, and the manager is not asked for it. */
static void test_reused_id(void **state)
{
	struct proving *x = *state;

	json_object_set_new(world_osd(&x->w, 1), "uuid", json_string("00000000-0000-0000-0000-000000000001"));
	prove_osds_answer(x);
	prove_map(x, "1.0", "[2,4,1]", "[2,4,1]");
	prove_query(x, "1.0", "active+clean", 60, "[2,4,1]", "");
	fake_always(x->f, CN_MGR, NULL, "{\"prefix\":\"osd safe-to-destroy\",\"ids\":[\"0\"],\"format\":\"json\"}", 0,
		    "{\"safe_to_destroy\":[0],\"active\":[],\"missing_stats\":[],\"stored_pgs\":[]}", NULL);
	prove_assert(x, true, NULL);
}

static json_t *pool(struct proving *x, int id)
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
	struct proving *x = *state;

	json_object_set_new(pool(x, 1), "pg_num", json_integer(64));
	prove_osds_answer(x);
	prove_map(x, "1.20", "[2,4,6]", "[2,4,0]");
	prove_query(x, "1.20", "active+clean", 60, "[2,4,6]", "");
	prove_assert(x, true, "PG 1.20 is still mapped to osd.0");
}

static void test_deleted_pool_holds_nobody_up(void **state)
{
	struct proving *x = *state;
	json_t *pools = json_object_get(x->w.osd_dump, "pools"), *p;
	size_t i;

	prove_query(x, "2.3", "active+undersized+degraded", 60, "[8,3,5]", "");
	prove_assert(x, true, "PG 2.3");
	json_array_foreach (pools, i, p)
		if (cn_json_int(p, "pool", -1) == 2) {
			json_array_remove(pools, i);
			break;
		}
	prove_osds_answer(x);
	prove_assert(x, true, NULL);
}

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
