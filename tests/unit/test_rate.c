/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pace of a move: of the last half minute alone, and no time of arrival where nothing moves. */
#include "drain/run.h"
#include "unit.h"

#define MIB ((int64_t)1 << 20)

static void assert_eta(const struct cn_rate *rate, int64_t pgs_left, int64_t bytes_left, int64_t want)
{
	json_t *eta = cn_eta_json(pgs_left, bytes_left, cn_rate_get(rate));

	assert_int_equal(json_is_null(eta) ? -1 : json_integer_value(eta), want);
	json_decref(eta);
}

static void test_too_early(void **state)
{
	struct cn_rate rate = {};

	(void)state;
	assert_true(cn_rate_get(&rate) < 0);
	cn_rate_add(&rate, 5000, 100 * MIB);
	assert_true(cn_rate_get(&rate) < 0);
	assert_eta(&rate, 3, 100 * MIB, -1);
	cn_rate_add(&rate, 5999, 90 * MIB); /* less than a second says nothing */
	assert_true(cn_rate_get(&rate) < 0);
	cn_rate_add(&rate, 6000, 90 * MIB);
	assert_true(cn_rate_get(&rate) == (double)(10 * MIB));
	assert_eta(&rate, 3, 90 * MIB, 10);
	assert_eta(&rate, 0, 0, 0);
	assert_eta(&rate, 1, 0, -1); /* a PG that is not clean yet, with no byte to move */
}

/* A minute at 10 MiB/s, then at 1 MiB/s: after half a minute of these the fast ones count no more. */
static void test_window(void **state)
{
	struct cn_rate rate = {};
	int64_t now = 0, left = 10000 * MIB;

	(void)state;
	for (; now <= 60000; now += 1000, left -= 10 * MIB)
		cn_rate_add(&rate, now, left);
	assert_true(cn_rate_get(&rate) == (double)(10 * MIB));
	left += 9 * MIB;
	for (; now <= 75000; now += 1000, left -= MIB)
		cn_rate_add(&rate, now, left);
	assert_true(cn_rate_get(&rate) < (double)(6 * MIB) && cn_rate_get(&rate) > (double)(5 * MIB));
	for (; now <= 90000; now += 1000, left -= MIB)
		cn_rate_add(&rate, now, left);
	assert_true(cn_rate_get(&rate) == (double)MIB);
}

static void test_standstill(void **state)
{
	struct cn_rate rate = {};
	int64_t now = 0;

	(void)state;
	cn_rate_add(&rate, now, 100 * MIB);
	for (now = 1000; now <= 30000; now += 1000)
		cn_rate_add(&rate, now, 40 * MIB);
	assert_eta(&rate, 3, 40 * MIB, 21); /* 60 MiB in 30 s */
	cn_rate_add(&rate, now, 40 * MIB);  /* what moved is older than the window now */
	assert_true(cn_rate_get(&rate) == 0);
	assert_eta(&rate, 3, 40 * MIB, -1);
}

/* Our own pause is no pace, nor is a burst of polls the whole window. */
static void test_gap_and_bursts(void **state)
{
	struct cn_rate rate = {};
	int64_t now = 0;

	(void)state;
	cn_rate_add(&rate, 0, 100 * MIB);
	cn_rate_add(&rate, 10000, 50 * MIB);
	cn_rate_add(&rate, 200000, 40 * MIB);
	assert_true(cn_rate_get(&rate) < 0);
	cn_rate_add(&rate, 300000, 30 * MIB); /* slow polls of a large cluster: each is longer than the window */
	assert_true(cn_rate_get(&rate) > 0);
	rate = (struct cn_rate){};
	for (size_t i = 0; i < 4 * ARRAY_SIZE(rate.v); i++, now += 10)
		cn_rate_add(&rate, now, 100 * MIB - now * 1024);
	assert_int_equal(rate.n, ARRAY_SIZE(rate.v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_too_early),
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_standstill),
		cmocka_unit_test(test_gap_and_bursts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
