/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The decision lock against a fake clock: expiry, take-over, and the 15 s that a change needs. */
#include <errno.h>
#include <unistd.h>

#include "fake.h"
#include "unit.h"

#include "cephnode/drain/lease.h"

static const struct cn_object object = {"rbd", "cephnode", "cephnode.lock"};

struct fixture {
	struct fakeclock clock;
	struct fake *f;
	struct cn_cluster *c;
	struct cn_lease *lease;
	struct cn_error e;
	unsigned told;
	char *who;
};

static int setup(void **state)
{
	struct fixture *x = cn_calloc(1, sizeof(*x));

	fakeclock_init(&x->clock);
	x->f = fake_new(&x->clock);
	x->c = fake_client(x->f, 1);
	fake_store(x->f);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	struct fake *f = x->f;

	cn_lease_free(x->lease);
	cn_error_release(&x->e);
	free(x->who);
	free(x);
	fake_done(f);
	return 0;
}

static void waiting(void *arg, const char *who)
{
	struct fixture *x = arg;

	x->told++;
	free(x->who);
	x->who = cn_strdup(who);
}

static int take(struct fixture *x, int64_t wait_ms)
{
	cn_error_release(&x->e);
	return cn_lease_take(x->c, &x->clock.clock, "rbd", "decision", NULL, wait_ms, waiting, x, &x->lease, &x->e);
}

/* Somebody else holds the lock and has said who it is. */
static void held_by(struct fixture *x, const struct cn_owner *who, const char *cookie, unsigned seconds)
{
	json_t *j = cn_owner_json(who);
	char *text;

	json_object_set_new(j, "cookie", json_string("their.cookie"));
	text = cn_json_dump(j);
	json_decref(j);
	fake_lock_by(x->f, &object, "decision", "client.9", cookie, seconds);
	assert_int_equal(x->c->ops->write(x->c, &object, text), 0);
	free(text);
}

static const struct cn_owner elsewhere = {
	.host = (char *)"elsewhere", .boot_id = (char *)"b", .pid_ns = (char *)"n", .pid = 4711, .pid_start = 5};

static void dead_here(struct cn_owner *ret)
{
	cn_owner_self(ret);
	ret->pid_start++; /* our pid, but another process: that one is gone */
	ret->instance = 9;
}

static void test_take_and_give_back(void **state)
{
	struct fixture *x = *state;
	char buf[256];

	assert_int_equal(take(x, 0), 0);
	assert_int_equal(x->clock.waited_ms, 0);
	assert_string_equal(fake_lock_holder(x->f, &object, "decision"), "client.1");
	assert_int_equal(x->c->ops->read(x->c, &object, buf, sizeof(buf)), 0);
	assert_has(buf, "\"pid\"");
	assert_int_equal(cn_lease_may_change(x->lease, &x->e), 0);
	cn_lease_free(TAKE_PTR(x->lease));
	assert_null(fake_lock_holder(x->f, &object, "decision"));
	assert_int_equal(x->c->ops->read(x->c, &object, buf, sizeof(buf)), 0);
	assert_string_equal(buf, "");
	assert_int_equal(take(x, 0), 0); /* given back in order: the next one need not wait */
	assert_int_equal(x->clock.waited_ms, 0);
}

static void test_a_change_needs_15_seconds(void **state)
{
	struct fixture *x = *state;
	char buf[256];

	assert_int_equal(take(x, 0), 0);
	fakeclock_advance(&x->clock, 15000);
	assert_int_equal(cn_lease_may_change(x->lease, &x->e), 0);
	fakeclock_advance(&x->clock, 1);
	assert_int_equal(cn_lease_may_change(x->lease, &x->e), -ESTALE);
	/* so late nobody can say whether a last command is still on its way: it is not called given back */
	cn_lease_free(TAKE_PTR(x->lease));
	assert_int_equal(x->c->ops->read(x->c, &object, buf, sizeof(buf)), 0);
	assert_has(buf, "\"pid\"");
}

static void test_taken_over_after_expiry_and_ten_seconds(void **state)
{
	struct fixture *x = *state;

	held_by(x, &elsewhere, "their.cookie", 30);
	assert_int_equal(take(x, 60000), 0);
	assert_string_equal(fake_lock_holder(x->f, &object, "decision"), "client.1");
	assert_true(x->clock.waited_ms >= 40000 && x->clock.waited_ms < 41000);
	assert_int_equal(x->told, 1);
	assert_has(x->who, "pid 4711 on elsewhere");
	assert_int_equal(cn_lease_may_change(x->lease, &x->e), 0);
}

/* A note is not the last word for hours: another holder, and each minute. */
static void test_the_wait_is_told_again(void **state)
{
	struct fixture *x = *state;

	held_by(x, &elsewhere, "their.cookie", 1000);
	assert_int_equal(take(x, 150000), -EBUSY);
	assert_error(&x->e, CN_TIMEOUT, "held by cephnode pid 4711 on elsewhere");
	assert_int_equal(x->told, 3);
	assert_has(x->who, "pid 4711 on elsewhere, after 2 min of waiting");
}

static void test_expired_long_ago_still_waits(void **state)
{
	struct fixture *x = *state;

	held_by(x, &elsewhere, "their.cookie", 30);
	fakeclock_advance(&x->clock, 86400000);
	assert_int_equal(take(x, 0), 0);
	assert_int_equal(x->clock.waited_ms, CN_LEASE_TAKEOVER_MS);
}

static void test_gives_up(void **state)
{
	struct fixture *x = *state;

	held_by(x, &elsewhere, "their.cookie", 0);
	assert_int_equal(take(x, 5000), -EBUSY);
	assert_int_equal(x->clock.waited_ms, 5000);
	assert_string_equal(fake_lock_holder(x->f, &object, "decision"), "client.9");
	assert_error(&x->e, CN_TIMEOUT, "cephnode pid 4711 on elsewhere");
	assert_null(x->lease);
}

static void test_dead_owner_on_this_host(void **state)
{
	struct fixture *x = *state;
	struct cn_owner dead;

	dead_here(&dead);
	held_by(x, &dead, "their.cookie", 30);
	cn_owner_release(&dead);
	assert_int_equal(take(x, 0), 0);
	assert_int_equal(x->clock.waited_ms, 0);
	assert_string_equal(fake_lock_holder(x->f, &object, "decision"), "client.1");
}

/* The object names a dead process, but the lock is another's by now, who has not said so yet. */
static void test_lock_that_changed_hands(void **state)
{
	struct fixture *x = *state;
	struct cn_owner dead;

	dead_here(&dead);
	held_by(x, &dead, "another.cookie", 30);
	cn_owner_release(&dead);
	assert_int_equal(take(x, 1000), -EBUSY);
	assert_error(&x->e, CN_TIMEOUT, "held by");
	assert_string_equal(fake_lock_holder(x->f, &object, "decision"), "client.9");
}

/* The same from the other side: the dead one was another client than the one that holds the lock now. */
static void test_lock_of_another_client(void **state)
{
	struct fixture *x = *state;
	struct cn_owner dead;

	dead_here(&dead);
	dead.instance = 8;
	held_by(x, &dead, "their.cookie", 30);
	fake_lock_by(x->f, &object, "drain.7", "client.9", "c", 30);
	assert_int_equal(take(x, 1000), -EBUSY);
	assert_string_equal(fake_lock_holder(x->f, &object, "decision"), "client.9");
	cn_error_release(&x->e);
	assert_int_equal(cn_lease_take(x->c, &x->clock.clock, "rbd", "drain.7", &dead, 0, NULL, NULL, &x->lease, &x->e), -EBUSY);
	assert_string_equal(fake_lock_holder(x->f, &object, "drain.7"), "client.9");
	cn_owner_release(&dead);
}

static void test_lock_of_a_drain_by_its_journal(void **state)
{
	struct fixture *x = *state;
	struct cn_owner dead;

	dead_here(&dead);
	fake_lock_by(x->f, &object, "drain.7", "client.9", "c", 30);
	assert_int_equal(cn_lease_take(x->c, &x->clock.clock, "rbd", "drain.7", &elsewhere, 0, NULL, NULL, &x->lease, &x->e),
			 -EBUSY);
	assert_error(&x->e, CN_TIMEOUT, "pid 4711 on elsewhere");
	assert_int_equal(cn_lease_take(x->c, &x->clock.clock, "rbd", "drain.7", &dead, 0, NULL, NULL, &x->lease, &x->e), 0);
	assert_int_equal(x->clock.waited_ms, 0);
	cn_owner_release(&dead);
}

static void test_who_holds_it(void **state)
{
	struct fixture *x = *state;
	struct cn_owner dead;

	dead_here(&dead);                                            /* client.9 */
	assert_true(cn_lease_is_held(x->c, "rbd", "drain.7", NULL)); /* there is no object: it cannot be told */
	assert_int_equal(cn_lease_look(x->c, "rbd", "drain.7", NULL), -ENOENT);
	fake_lock_by(x->f, &object, "drain.6", "client.9", "c", 30);
	assert_false(cn_lease_is_held(x->c, "rbd", "drain.7", NULL));
	fake_lock_by(x->f, &object, "drain.7", "client.9", "c", 30);
	assert_true(cn_lease_is_held(x->c, "rbd", "drain.7", NULL));
	assert_false(cn_lease_is_held(x->c, "rbd", "drain.7", &dead));
	dead.instance = 8; /* another goes on with it */
	assert_true(cn_lease_is_held(x->c, "rbd", "drain.7", &dead));
	cn_owner_release(&dead);
}

static void test_unreadable_holder_is_waited_for(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(x->c->ops->write(x->c, &object, "{nonsense"), 0);
	assert_int_equal(take(x, 0), 0);
	assert_int_equal(x->clock.waited_ms, CN_LEASE_TAKEOVER_MS);
}

static int signal_comes(struct fakeclock *f, void *arg _unused_)
{
	return f->waits >= 3 ? -EINTR : 0;
}

static void test_signal_while_waiting(void **state)
{
	struct fixture *x = *state;

	held_by(x, &elsewhere, "their.cookie", 0);
	x->clock.on_wait = signal_comes;
	assert_int_equal(take(x, 60000), -EINTR);
	assert_int_equal(x->e.code, CN_INTERRUPTED);
	assert_int_equal(x->clock.waits, 3);
}

static void test_failures(void **state)
{
	struct fixture *x = *state;

	fake_fault(x->f, "lock", 0, 1, -EPERM, false);
	assert_int_equal(take(x, 0), -EPERM);
	assert_has(x->e.hint, "allow rwx pool=rbd namespace=cephnode");
	fake_fault(x->f, "lock", 0, 1, -ETIMEDOUT, false);
	assert_int_equal(take(x, 0), -ETIMEDOUT);
	assert_int_equal(x->e.code, CN_TIMEOUT);
	fake_fault(x->f, "write", 0, 1, -EDQUOT, false);
	assert_int_equal(take(x, 0), -EDQUOT); /* who it is cannot be said: then the lock is not kept either */
	assert_null(fake_lock_holder(x->f, &object, "decision"));
}

/* In real time, because the renewing thread is: one renewal comes after 5 s. */
static void test_renewal_and_loss(void **state)
{
	struct fixture *x = *state;
	struct cn_cluster *b = fake_client(x->f, 2);
	struct cn_lease *broken = NULL;
	struct cn_lockers l = {};

	assert_int_equal(take(x, 0), 0);
	fakeclock_advance(&x->clock, 16000);
	assert_int_equal(cn_lease_may_change(x->lease, &x->e), -ESTALE);
	assert_int_equal(cn_lease_take(b, &x->clock.clock, "rbd", "drain.7", NULL, 0, NULL, NULL, &broken, &x->e), 0);
	assert_int_equal(b->ops->lockers(b, &object, "drain.7", &l), 0);
	assert_int_equal(b->ops->break_lock(b, &object, "drain.7", l.v[0].client, l.v[0].cookie), 0);
	cn_lockers_release(&l);
	assert_int_equal(cn_lease_may_change(broken, &x->e), 0); /* not known yet */
	usleep(5600000);
	assert_int_equal(cn_lease_may_change(x->lease, &x->e), 0);
	assert_int_equal(cn_lease_may_change(broken, &x->e), -ESTALE);
	cn_lease_free(broken);
}

static int pool(struct fixture *x, const char *wanted, char **ret)
{
	cn_error_release(&x->e);
	return cn_lease_pool(x->c, wanted, ret, &x->e);
}

static void test_pool_recorded(void **state)
{
	struct fixture *x = *state;
	_cleanup_free_ char *name = NULL, *same = NULL, *none = NULL;

	fake_store_put(x->f, CN_LOCK_KEY, "rbd");
	assert_int_equal(pool(x, NULL, &name), 0);
	assert_string_equal(name, "rbd");
	assert_int_equal(pool(x, "rbd", &same), 0);
	assert_int_equal(pool(x, "other", &none), -EEXIST);
	assert_int_equal(x->e.code, CN_REFUSED);
	assert_null(none);
}

static void test_pool_wanted(void **state)
{
	struct fixture *x = *state;
	_cleanup_free_ char *name = NULL;

	assert_int_equal(pool(x, "other", &name), 0);
	assert_string_equal(name, "other");
	assert_int_equal(json_object_size(fake_store_all(x->f)), 0); /* writes nothing */
}

#define PG(id, state)                                                                                                            \
	"{\"prefix\":\"query\",\"pgid\":\"" id "\",\"format\":\"json\"}", 0,                                                     \
		"{\"state\":\"" state "\",\"epoch\":9,\"up\":[1],\"acting\":[1]}", NULL
#define MAP(pool, pgid)                                                                                                          \
	"{\"prefix\":\"osd map\",\"pool\":\"" pool                                                                               \
	"\",\"object\":\"cephnode.lock\",\"nspace\":\"cephnode\",\"format\":\"json\"}",                                          \
		0, "{\"pgid\":\"" pgid "\"}", NULL

static void test_pool_found(void **state)
{
	struct fixture *x = *state;
	_cleanup_free_ char *name = NULL, *first = NULL;

	fake_always(x->f, CN_MON, NULL, "{\"prefix\":\"osd dump\",\"format\":\"json\"}", 0,
		    "{\"epoch\":9,\"osds\":[],\"pools\":[{\"pool\":1,\"pool_name\":\"ec\",\"type\":3,\"size\":3,\"pg_num\":1},"
		    "{\"pool\":2,\"pool_name\":\"rbd\",\"type\":1,\"size\":3,\"pg_num\":1},"
		    "{\"pool\":3,\"pool_name\":\".mgr\",\"type\":1,\"size\":3,\"pg_num\":1}]}",
		    NULL);
	fake_expect(x->f, CN_MON, NULL, MAP(".mgr", "3.0"));
	fake_expect(x->f, CN_PG, "3.0", PG("3.0", "active+clean"));
	assert_int_equal(pool(x, NULL, &name), 0);
	assert_string_equal(name, ".mgr");
	/* .mgr's PG does not serve: any other replicated pool, never the erasure-coded one */
	fake_expect(x->f, CN_MON, NULL, MAP(".mgr", "3.0"));
	fake_expect(x->f, CN_PG, "3.0", PG("3.0", "incomplete"));
	fake_expect(x->f, CN_MON, NULL, MAP("rbd", "2.0"));
	fake_expect(x->f, CN_PG, "2.0", PG("2.0", "active+undersized+degraded"));
	assert_int_equal(pool(x, NULL, &first), 0);
	assert_string_equal(first, "rbd");
}

static void test_no_pool(void **state)
{
	struct fixture *x = *state;
	char *name = NULL;

	fake_expect(x->f, CN_MON, NULL, "{\"prefix\":\"osd dump\",\"format\":\"json\"}", 0,
		    "{\"epoch\":9,\"osds\":[],\"pools\":[]}", NULL);
	assert_int_equal(pool(x, NULL, &name), -ENOENT);
	assert_int_equal(x->e.code, CN_FAILED);
	assert_has(x->e.hint, "--lock-pool");
}

#define with_clock(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_clock(test_take_and_give_back),
		with_clock(test_a_change_needs_15_seconds),
		with_clock(test_taken_over_after_expiry_and_ten_seconds),
		with_clock(test_the_wait_is_told_again),
		with_clock(test_expired_long_ago_still_waits),
		with_clock(test_gives_up),
		with_clock(test_dead_owner_on_this_host),
		with_clock(test_lock_that_changed_hands),
		with_clock(test_lock_of_another_client),
		with_clock(test_lock_of_a_drain_by_its_journal),
		with_clock(test_who_holds_it),
		with_clock(test_unreadable_holder_is_waited_for),
		with_clock(test_signal_while_waiting),
		with_clock(test_failures),
		with_clock(test_renewal_and_loss),
		with_clock(test_pool_recorded),
		with_clock(test_pool_wanted),
		with_clock(test_pool_found),
		with_clock(test_no_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
