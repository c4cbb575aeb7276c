/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pins: which sets they bring, and how the mon reads them. Each is carried out here as a mon would, with its rules. */
#include "lay.h"

#include "cephnode/drain/pin.h"

static bool has(const int *set, int size, int osd)
{
	for (int i = 0; i < size; i++)
		if (set[i] == osd)
			return true;
	return false;
}

/* As OSDMap::_apply_upmap() does: pairs in order, one whose target is in the set already is skipped. And as the mon cleans up: a
 * pair whose source CRUSH does not choose is dropped, a full set that says what CRUSH says is too. */
static void carry_out(const struct cn_pin *pin, const int *raw, int size, int *ret)
{
	memcpy(ret, raw, (size_t)size * sizeof(*ret));
	if (pin->full && pin->n) {
		assert_int_equal(pin->n, size);
		assert_memory_not_equal(pin->v, raw, (size_t)size * sizeof(*raw));
		memcpy(ret, pin->v, (size_t)size * sizeof(*ret));
		return;
	}
	for (size_t k = 0; k < pin->n; k += 2) {
		assert_true(has(raw, size, pin->v[k]));
		if (has(ret, size, pin->v[k + 1]))
			fail_msg("the pair %d, %d would be skipped", pin->v[k], pin->v[k + 1]);
		for (int i = 0; i < size; i++)
			if (ret[i] == pin->v[k]) {
				ret[i] = pin->v[k + 1];
				break;
			}
	}
}

static struct cn_pins make(struct lay *l)
{
	struct cn_pins pins;
	struct cn_forecast f;

	cn_pins_make(&l->change, &pins);
	for (size_t i = 0; i < pins.n; i++) {
		const struct cn_pin *p = &pins.v[i];
		const struct cn_mapped_pool *pool = cn_mapping_pool(&l->after, p->id.pool);
		int set[32];

		assert_true(i == 0 || cn_pgid_cmp(&pins.v[i - 1].id, &p->id) < 0);
		assert_int_equal(p->n_target, pool->size);
		carry_out(p, cn_mapped_set(pool, pool->raw, p->id.seed), pool->size, set);
		for (int k = 0; k < pool->size; k++)
			if (p->id.pool == 2) /* erasure-coded: each in its place */
				assert_int_equal(set[k], p->target[k]);
			else
				assert_true(has(p->target, pool->size, set[k]));
	}
	cn_pins_apply(&pins, &l->after);
	cn_forecast_make(&l->change, &f);
	if (pins.n)
		assert_int_equal(f.bytes_to_move, f.bytes_minimum);
	cn_forecast_release(&f);
	return pins;
}

static void assert_target(const struct cn_pin *p, bool full, size_t n, const int *want)
{
	assert_int_equal(p->full, full);
	assert_int_equal(p->n, n);
	for (size_t i = 0; i < p->n_target; i++)
		assert_int_equal(p->target[i], want[i]);
}

#define assert_pin(p, full, n, ...) assert_target(p, full, n, (const int[]){__VA_ARGS__})

static void test_replicated(void **state _unused_)
{
	struct cn_pins pins;
	struct lay l;

	lay_init(&l, BY_HOST, 3, "0 1");
	lay_pg(&l, 1, 0, "0 2 4", NULL, "6 4 2", NULL);    /* moves no more than it must */
	lay_pg(&l, 1, 1, "0 2 4", NULL, "8 6 4", NULL);    /* 2 is to stay */
	lay_pg(&l, 1, 2, "2 4 6", NULL, "2 8 6", NULL);    /* none of its OSDs goes */
	lay_pg(&l, 1, 3, "2 0 4", NULL, "6 8 7", "6 8 7"); /* all move: 6, which CRUSH puts in that place, or 8, may come */
	pins = make(&l);
	assert_int_equal(pins.n, 3);
	assert_int_equal(pins.v[0].id.seed, 1);
	assert_pin(&pins.v[0], false, 2, 8, 2, 4);
	assert_int_equal(pins.v[0].v[0], 6); /* the only pair */
	assert_int_equal(pins.v[0].v[1], 2);
	assert_pin(&pins.v[1], false, 2, 2, 4, 6);
	assert_pin(&pins.v[2], false, 4, 2, 8, 4);
	cn_pins_release(&pins);
	assert_int_equal(pins.n, 0);
	lay_release(&l);
}

/* 4 makes room for 2, 6 for 4: each pair after its target has left. */
static void test_erasure_chain(void **state _unused_)
{
	struct cn_pins pins;
	struct lay l;

	lay_init(&l, EC_HOST, 4, "0 1");
	lay_pg(&l, 2, 0, "0 2 4 6", NULL, "8 7 2 4", NULL);
	lay_pg(&l, 2, 1, "6 4 2 0", NULL, "4 2 7 8", NULL);
	pins = make(&l);
	assert_int_equal(pins.n, 2);
	assert_pin(&pins.v[0], false, 6, 8, 2, 4, 6);
	assert_int_equal(pins.v[0].v[0], 4);
	assert_int_equal(pins.v[0].v[1], 6);
	assert_pin(&pins.v[1], false, 6, 6, 4, 2, 8);
	cn_pins_release(&pins);
	lay_release(&l);
}

/* What changes places cannot be said in pairs. */
static void test_erasure_cycle(void **state _unused_)
{
	struct cn_pins pins;
	struct lay l;

	lay_init(&l, EC_HOST, 4, "0 1");
	lay_pg(&l, 2, 0, "0 2 4 6", NULL, "8 4 2 6", NULL);
	lay_pg(&l, 2, 1, "2 4 6 8", NULL, "4 2 8 6", NULL); /* two at once, and nothing must move */
	lay_pg(&l, 2, 2, "0 2 4 6", NULL, "2 8 6 4", NULL); /* a chain and a cycle */
	pins = make(&l);
	assert_int_equal(pins.n, 3);
	assert_pin(&pins.v[0], true, 4, 8, 2, 4, 6);
	assert_pin(&pins.v[1], true, 4, 2, 4, 6, 8);
	assert_pin(&pins.v[2], true, 4, 8, 2, 4, 6);
	cn_pins_release(&pins);
	lay_release(&l);
}

/* Entries that PGs have. */
static void test_existing_entries(void **state _unused_)
{
	struct cn_pins pins;
	struct lay l;

	lay_init(&l, EC_HOST, 3, "0 1");
	json_decref(l.m.pg_upmap);
	l.m.pg_upmap = json_pack("[{ss,s[iii]},{ss,s[iii]}]", "pgid", "1.1", "osds", 4, 6, 8, "pgid", "2.3", "osds", 8, 4, 2);
	/* pairs that lead elsewhere now: they are replaced as a whole, from what CRUSH says */
	lay_pg(&l, 1, 0, "0 2 4", NULL, "8 6 4", "7 6 4");
	/* a full set is replaced by another one: pairs would be applied to it */
	lay_pg(&l, 1, 1, "0 2 4", NULL, "4 6 8", "2 5 7");
	/* CRUSH alone would keep it: the entry is to go */
	lay_pg(&l, 2, 3, "2 4 6", NULL, "8 4 2", "2 4 6");
	lay_pg(&l, 2, 4, "2 4 6", NULL, "8 4 6", "2 4 6");
	pins = make(&l);
	assert_int_equal(pins.n, 4);
	assert_pin(&pins.v[0], false, 4, 8, 2, 4);
	assert_true(pins.v[1].full && pins.v[1].n == 3);
	assert_pin(&pins.v[2], true, 0, 2, 4, 6);
	assert_pin(&pins.v[3], false, 0, 2, 4, 6);
	cn_pins_release(&pins);
	lay_release(&l);
}

/* Two racks of two hosts each: who comes must come to the rack that lost a shard, where CRUSH has moved the pair of racks. */
static void test_racks(void **state _unused_)
{
	struct cn_pins pins;
	struct lay l;

	lay_init(&l, TWO_RACKS, 4, "2");
	lay_pg(&l, 1, 0, "0 2 4 6", NULL, "0 3 5 7", NULL); /* 3 is the newcomer in rack-a; 5 and 7 need not come */
	lay_pg(&l, 1, 1, "2 0 4 6", NULL, "7 5 0 3", NULL); /* neither 7 nor 5 may stand in for 2, 3 may */
	pins = make(&l);
	assert_int_equal(pins.n, 2);
	assert_pin(&pins.v[0], false, 4, 0, 3, 4, 6);
	assert_pin(&pins.v[1], false, 4, 3, 0, 4, 6);
	cn_pins_release(&pins);
	lay_release(&l);
}

/* Where no newcomer fits, any OSD of a free domain: the one to which least comes. */
static void test_nobody_named(void **state _unused_)
{
	struct cn_pins pins;
	struct lay l;

	lay_init(&l, BY_HOST, 3, "0");
	lay_pg(&l, 1, 0, "0 2 4", NULL, "2 5 3", "2 5 3"); /* on 2's and 4's hosts: neither fits beside them */
	lay_pg(&l, 1, 1, "2 4 6", NULL, "2 4 6", NULL);
	pins = make(&l);
	assert_int_equal(pins.n, 1);
	assert_true(pins.v[0].target[0] == 6 || pins.v[0].target[0] == 7 || pins.v[0].target[0] == 8);
	cn_pins_release(&pins);
	lay_release(&l);
}

/* The failure domain is the OSD: osd.0 is one as good as any. */
static void test_by_osd(void **state _unused_)
{
	struct cn_pins pins;
	struct lay l;

	lay_init(&l, BY_OSD, 3, "2");
	lay_pg(&l, 1, 0, "0 2 4", NULL, "0 6 8", NULL);
	lay_pg(&l, 1, 1, "6 2 4", NULL, "0 3 4", NULL);
	pins = make(&l);
	assert_int_equal(pins.n, 2);
	assert_pin(&pins.v[0], false, 2, 0, 6, 4);
	cn_pins_release(&pins);
	lay_release(&l);
}

/* A rule of one device class: nobody of the other comes. */
static void test_device_class(void **state _unused_)
{
	struct cn_pins pins;
	struct lay l;

	lay_init(&l, SSD_HOST, 3, "0 1");
	lay_pg(&l, 1, 0, "0 2 4", NULL, "6 2 8", NULL);
	lay_pg(&l, 1, 1, "0 2 4", NULL, "2 7 5", "2 7 5"); /* not what the rule says, whoever made it so */
	pins = make(&l);
	assert_int_equal(pins.n, 2);
	assert_pin(&pins.v[0], false, 2, 6, 2, 4);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pins.v[1].target[i] % 2, 0);
	cn_pins_release(&pins);
	lay_release(&l);
}

static void assert_none(struct lay *l)
{
	struct cn_pins pins;

	cn_pins_make(&l->change, &pins);
	assert_int_equal(pins.n, 0);
	cn_pins_release(&pins);
	lay_release(l);
}

static void test_left_alone(void **state _unused_)
{
	struct lay l;

	lay_init(&l, SSD_THEN_HDD, 3, "0"); /* two takes: which place is whose, a set does not tell */
	lay_pg(&l, 1, 0, "0 3 5", NULL, "2 5 7", NULL);
	assert_none(&l);

	lay_init(&l, 77, 3, "0"); /* no such rule */
	lay_pg(&l, 1, 0, "0 2 4", NULL, "2 6 8", NULL);
	assert_none(&l);

	lay_init(&l, BY_HOST, 3, "0");
	lay_pg(&l, 1, 0, "0 2 4", NULL, "6 8 -", NULL); /* a hole in what is to come */
	lay_pg(&l, 2, 0, "0 2 4", NULL, "6 - 8", NULL);
	lay_pg(&l, 1, 1, "0 2 4", NULL, "6 8 7", "6 8 -"); /* and in what CRUSH says: pairs have nothing to start from */
	lay_pg(&l, 1, 2, "0 2 4", NULL, "0 6 8", NULL);    /* it does not leave: that is refused elsewhere */
	lay_pg(&l, 1, 3, "0 9 4", NULL, "6 8 4", NULL);    /* 9 is down */
	lay_pg(&l, 1, 4, "0 1 4", NULL, "6 8 4", NULL);    /* 1 is out: its move is not ours */
	lay_pg(&l, 1, 5, "0 2 3", NULL, "6 8 2", NULL);    /* 2 and 3 are on one host: the rule was another one then */
	assert_none(&l);

	lay_init(&l, BY_HOST, 3, "0"); /* no raw sets: the manager does not tell of them */
	cn_mapping_release(&l.after);
	cn_mapping_init(&l.after, &l.m, false);
	assert_none(&l);

	lay_init(&l, BY_HOST, 3, "0"); /* the pool had another size */
	l.pools[0].size = l.pools[1].size = 2;
	cn_mapping_release(&l.before);
	cn_mapping_init(&l.before, &l.m, true);
	l.pools[0].size = l.pools[1].size = 3;
	lay_pg(&l, 1, 0, "0 2", NULL, "6 8 4", NULL);
	assert_none(&l);
}

/* Of a PG that was short before, what can be kept is kept. */
static void test_short_before(void **state _unused_)
{
	struct cn_pins pins;
	struct lay l;

	lay_init(&l, EC_HOST, 3, "0 1");
	lay_pg(&l, 2, 0, "- 2 4", NULL, "6 8 4", NULL);
	lay_pg(&l, 1, 0, "2 -", NULL, "4 6 8", NULL);
	pins = make(&l);
	assert_int_equal(pins.n, 2);
	assert_true(has(pins.v[0].target, 3, 2));
	assert_pin(&pins.v[1], false, 2, 6, 2, 4);
	cn_pins_release(&pins);
	lay_release(&l);
}

/* Where the data lie now does not matter: a pin keeps what the map says. */
static void test_in_flight(void **state _unused_)
{
	struct cn_pins pins;
	struct lay l;

	lay_init(&l, BY_HOST, 3, "0 1");
	lay_pg(&l, 1, 0, "0 2 4", "0 2 6", "6 8 2", NULL);
	pins = make(&l);
	assert_int_equal(pins.n, 1);
	assert_true(has(pins.v[0].target, 3, 2) && has(pins.v[0].target, 3, 4));
	cn_pins_release(&pins);
	lay_release(&l);
}

/* A set of every place that there may be, all of them to be filled. */
static void test_widest(void **state _unused_)
{
	struct cn_pins pins;
	struct lay l;

	lay_init(&l, BY_OSD, 32, "0");
	lay_pg(&l, 1, 0, "0 2 4", NULL, "2 6 8", NULL);
	cn_pins_make(&l.change, &pins);
	assert_int_equal(pins.n, 0); /* it cannot be filled here, and nothing bad comes of it */
	cn_pins_release(&pins);
	lay_release(&l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replicated),    cmocka_unit_test(test_erasure_chain),
		cmocka_unit_test(test_erasure_cycle), cmocka_unit_test(test_existing_entries),
		cmocka_unit_test(test_racks),         cmocka_unit_test(test_nobody_named),
		cmocka_unit_test(test_by_osd),        cmocka_unit_test(test_device_class),
		cmocka_unit_test(test_left_alone),    cmocka_unit_test(test_short_before),
		cmocka_unit_test(test_in_flight),     cmocka_unit_test(test_widest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
