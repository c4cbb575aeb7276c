/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fake itself: it must refuse what it did not expect, or every other test proves nothing. */
#include <errno.h>

#include "fake_internal.h"
#include "unit.h"

static const struct cn_object object = {"pool", "cephnode", "cephnode.lock"};

static int send(struct cn_cluster *c, const char *cmd)
{
	struct cn_error e = {};
	int r = cn_command(c, CN_MON, NULL, json_loads(cmd, 0, NULL), NULL, &e);

	cn_error_release(&e);
	return r;
}

/* Complaints are taken away, so that fake_done() finds nothing to fail for. */
static void assert_complaint(struct fake *f, const char *text)
{
	_cleanup_free_ char *all = cn_strv_join(&f->complaints, "\n");

	assert_has(all, text);
	cn_strv_release(&f->complaints);
}

static void test_answers_in_order(void **state _unused_)
{
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);

	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"a\"}", 0, "{}", NULL);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"b\"}", -EBUSY, NULL, "busy");
	assert_int_equal(send(c, "{\"prefix\":\"a\"}"), 0);
	assert_int_equal(send(c, "{\"prefix\":\"b\"}"), -EBUSY);
	assert_int_equal(fake_count(f, NULL), 2);
	fake_done(f);
}

static void test_refuses_wrong_order_and_types(void **state _unused_)
{
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);

	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"a\",\"weight\":0.0}", 0, "{}", NULL);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"b\"}", 0, "{}", NULL);
	assert_int_equal(send(c, "{\"prefix\":\"b\"}"), -EIO);
	assert_complaint(f, "unexpected: mon {\"prefix\": \"b\"}");
	assert_int_equal(send(c, "{\"prefix\":\"a\",\"weight\":0}"), -EIO);
	assert_complaint(f, "expected: mon {\"prefix\": \"a\", \"weight\": 0.0}");
	assert_int_equal(send(c, "{\"weight\":0.0,\"prefix\":\"a\"}"), 0);
	assert_int_equal(send(c, "{\"prefix\":\"b\"}"), 0);
	assert_int_equal(send(c, "{\"prefix\":\"b\"}"), -EIO);
	assert_complaint(f, "nothing more of the script");
	fake_done(f);
}

static void test_any_order_is_a_set(void **state _unused_)
{
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);

	fake_any_order(f, true);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"a\"}", 0, "{}", NULL);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"b\"}", 0, "{}", NULL);
	fake_any_order(f, false);
	fake_expect(f, CN_MON, NULL, "{\"prefix\":\"c\"}", 0, "{}", NULL);
	assert_int_equal(send(c, "{\"prefix\":\"b\"}"), 0);
	assert_int_equal(send(c, "{\"prefix\":\"c\"}"), -EIO);
	assert_complaint(f, "unexpected: mon {\"prefix\": \"c\"}");
	assert_int_equal(send(c, "{\"prefix\":\"a\"}"), 0);
	assert_int_equal(send(c, "{\"prefix\":\"c\"}"), 0);
	fake_done(f);
}

static void test_faults(void **state _unused_)
{
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);

	fake_store(f);
	fake_fault(f, "config-key set", 1, 2, -ETIMEDOUT, false);
	assert_int_equal(cn_command(c, CN_MON, NULL, json_pack("{ss,ss,ss}", "prefix", "config-key set", "key", "a", "val", "1"),
				    NULL, NULL),
			 0);
	assert_int_equal(send(c, "{\"prefix\":\"config-key set\",\"key\":\"a\",\"val\":\"2\"}"), -ETIMEDOUT);
	assert_int_equal(send(c, "{\"prefix\":\"config-key set\",\"key\":\"a\",\"val\":\"3\"}"), -ETIMEDOUT);
	assert_string_equal(fake_store_get(f, "a"), "1");
	fake_fault(f, "config-key set", 0, 1, -ETIMEDOUT, true);
	assert_int_equal(send(c, "{\"prefix\":\"config-key set\",\"key\":\"a\",\"val\":\"4\"}"), -ETIMEDOUT);
	assert_string_equal(fake_store_get(f, "a"), "4");
	assert_int_equal(send(c, "{\"prefix\":\"config-key set\",\"key\":\"a\",\"val\":\"5\"}"), 0);
	assert_int_equal(fake_count(f, "config-key set"), 5);
	fake_done(f);
}

static void test_store(void **state _unused_)
{
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);
	_cleanup_free_ char *big = cn_calloc(1, 65538), *cmd = NULL;
	json_t *reply = NULL;

	fake_store(f);
	fake_store_put(f, "x/a", "1");
	fake_store_put(f, "y/b", "2");
	assert_int_equal(
		cn_command(c, CN_MON, NULL, json_loads("{\"prefix\":\"config-key dump\",\"key\":\"x/\"}", 0, NULL), &reply, NULL),
		0);
	assert_int_equal(json_object_size(reply), 1);
	json_decref(reply);
	assert_int_equal(send(c, "{\"prefix\":\"config-key get\",\"key\":\"z\"}"), -ENOENT);
	assert_int_equal(send(c, "{\"prefix\":\"config-key rm\",\"key\":\"z\"}"), 0);
	memset(big, 'x', 65537);
	cmd = cn_asprintf("{\"prefix\":\"config-key set\",\"key\":\"k\",\"val\":\"%s\"}", big);
	assert_int_equal(send(c, cmd), -EFBIG);
	fake_done(f);
}

static void test_locks(void **state _unused_)
{
	struct fakeclock clock;
	struct fake *f;
	struct cn_cluster *a, *b;
	struct cn_lockers lockers = {};

	fakeclock_init(&clock);
	f = fake_new(&clock);
	a = fake_client(f, 1);
	b = fake_client(f, 2);
	assert_int_equal(a->ops->lockers(a, &object, "l", &lockers), -ENOENT);
	assert_int_equal(a->ops->lock(a, &object, "l", "c", "d", 30, true), -ENOENT);
	assert_int_equal(a->ops->lock(a, &object, "l", "c", "d", 30, false), 0);
	assert_int_equal(a->ops->lock(a, &object, "l", "c", "d", 30, false), -EEXIST);
	assert_int_equal(b->ops->lock(b, &object, "l", "c", "d", 30, false), -EBUSY);
	assert_int_equal(b->ops->unlock(b, &object, "l", "c"), -ENOENT);
	fakeclock_advance(&clock, 20000);
	assert_int_equal(a->ops->lock(a, &object, "l", "c", "d", 30, true), 0);
	fakeclock_advance(&clock, 20000);
	assert_string_equal(fake_lock_holder(f, &object, "l"), "client.1");
	fakeclock_advance(&clock, 10000);
	assert_null(fake_lock_holder(f, &object, "l"));
	assert_int_equal(b->ops->lock(b, &object, "l", "c", "d", 30, false), 0);
	assert_int_equal(a->ops->lockers(a, &object, "l", &lockers), 0);
	assert_int_equal(lockers.n, 1);
	assert_string_equal(lockers.v[0].client, "client.2");
	cn_lockers_release(&lockers);
	assert_int_equal(a->ops->break_lock(a, &object, "l", "client.2", "c"), 0);
	fake_done(f);
}

static void test_objects(void **state _unused_)
{
	struct fake *f = fake_new(NULL);
	struct cn_cluster *c = fake_client(f, 1);
	char buf[8];

	assert_int_equal(c->ops->read(c, &object, buf, sizeof(buf)), -ENOENT);
	assert_int_equal(c->ops->write(c, &object, "hello"), 0);
	assert_int_equal(c->ops->read(c, &object, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "hello");
	fake_done(f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_in_order),
		cmocka_unit_test(test_refuses_wrong_order_and_types),
		cmocka_unit_test(test_any_order_is_a_set),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_locks),
		cmocka_unit_test(test_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
