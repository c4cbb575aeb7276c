/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* locks break keeps its order, whatever fails. */
#include <errno.h>

#include "cephnode/base/log.h"
#include "lockworld.h"

/* What a lock is and does is not known before somebody has looked. */
static void check_step(const json_t *event)
{
	static const char *const looked_at[] = {"kind", "state", "fenced_until", "watchers", "journaling", "mirrored"};
	const json_t *lock = json_array_get(cn_json_arr(event, "locks"), 0);
	const char *step = cn_json_str(event, "step", "");

	for (size_t i = 0; lock && *step && i < ARRAY_SIZE(looked_at); i++)
		assert_int_equal(json_object_get(lock, looked_at[i]) != NULL, strcmp(step, "classify") == 0);
}

static void emit(void *arg, const json_t *event)
{
	struct lockworld *w = arg;

	assert_null(w->result); /* the result is the last one */
	check_step(event);
	if (strcmp(cn_json_str(event, "event", ""), "result") == 0)
		w->result = json_deep_copy(event);
}

static struct cn_break_options options;

static int confirm(void *arg, const char *text)
{
	struct lockworld *w = arg;

	assert_has(text, OWNER);
	return w->answer;
}

static void do_break(struct lockworld *w, enum cn_code code, const char *outcome, const char *words)
{
	_cleanup_error_ struct cn_error err = {0};
	struct cn_lock_scope scope = {.pool = "rbd", .ns = "", .image = "img"};
	struct cn_break b = {&w->base, NULL, &w->clock.clock, &options, emit, w->answer ? confirm : NULL, w};

	if (!options.fence_for_s)
		options.fence_for_s = 30 * DAY;
	(void)cn_locks_break(&b, &scope, NULL, &err);
	assert_int_equal(err.code, code);
	assert_has(err.message ? err.message : "", words);
	assert_string_equal(cn_json_str(w->result, "outcome", ""), outcome);
	assert_int_equal(cn_json_int(w->result, "exit", -1), code);
	json_decref(w->result);
	w->result = NULL;
}

static void refused(struct lockworld *w, const char *words)
{
	do_break(w, CN_REFUSED, "refused", words);
	assert_int_equal(lockworld_at(w, "fence"), -1);
	assert_int_equal(lockworld_at(w, "break"), -1);
	lockworld_free(w);
	options = (struct cn_break_options){0};
}

static void test_order(void **state _unused_)
{
	struct lockworld *w = lockworld_new();
	int fence, latest;

	do_break(w, CN_OK, "broken", "");
	assert_true(w->clock.waited_ms >= 35000);
	assert_null(w->client);
	fence = lockworld_at(w, "fence " ADDRESS);
	latest = lockworld_at(w, "latest_map");
	assert_true(fence >= 0 && latest > fence && lockworld_at(w, "read 2") > latest &&
		    lockworld_at(w, "read 3") > lockworld_at(w, "read 2"));
	assert_true(lockworld_at(w, "break " OWNER " auto 1") > lockworld_at(w, "read 3"));
	assert_int_equal(lockworld_at(w, "read 4"), -1);
	for (size_t i = 0, reads = 0; i < w->log.n; i++) { /* every placement group of both pools */
		reads += strncmp(w->log.v[i], "read", 4) == 0;
		if (strncmp(w->log.v[i], "break", 5) == 0)
			assert_int_equal(reads, 7);
	}
	lockworld_free(w);
}

static void test_nothing_is_broken_when_a_step_fails(void **state _unused_)
{
	static const struct {
		const char *kind;
		unsigned skip;
		int code;
		enum cn_code exit;
	} cases[] = {
		{"fence", 0, -EACCES, CN_FAILED},     {"fence", 0, -ETIMEDOUT, CN_TIMEOUT},
		{"dump", 2, -ETIMEDOUT, CN_TIMEOUT},  {"dump", 3, -ETIMEDOUT, CN_TIMEOUT},
		{"dump", 4, -ETIMEDOUT, CN_TIMEOUT},  {"latest_map", 0, -ETIMEDOUT, CN_TIMEOUT},
		{"read", 0, -ETIMEDOUT, CN_TIMEOUT},  {"read", 6, -EPERM, CN_FAILED},
		{"lockers", 2, -EIO, CN_FAILED},      {"break", 0, -EPERM, CN_FAILED},
		{"may break", 0, -EPERM, CN_REFUSED}, {"watchers", 0, -EPERM, CN_REFUSED},
		{"lockers", 0, -EPERM, CN_FAILED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lockworld *w = lockworld_new();

		w->fail = cases[i].kind, w->skip = cases[i].skip, w->fail_code = cases[i].code;
		do_break(w, cases[i].exit, cases[i].exit == CN_REFUSED ? "refused" : "failed", "");
		assert_non_null(w->client);
		if (strcmp(cases[i].kind, "break") != 0)
			assert_int_equal(lockworld_at(w, "break"), -1);
		if (cases[i].exit == CN_REFUSED)
			assert_int_equal(lockworld_at(w, "fence"), -1);
		lockworld_free(w);
	}
}

static void lose_answer(struct lockworld *w, const char *kind)
{
	if (strcmp(kind, "break") == 0)
		w->client = NULL;
}

static void test_the_answer_of_the_break_is_lost(void **state _unused_)
{
	struct lockworld *w = lockworld_new();

	w->fail = "break", w->fail_code = -ETIMEDOUT;
	do_break(w, CN_TIMEOUT, "unknown", "still stands");
	w->on_call = lose_answer;
	do_break(w, CN_OK, "broken", "");
	lockworld_free(w);
}

static void take_over(struct lockworld *w, const char *kind)
{
	if (strcmp(kind, "read") == 0)
		w->client = "client.50", w->address = "10.0.0.8:0/5", w->cookie = "auto 5";
}

static void go_away(struct lockworld *w, const char *kind)
{
	if (strcmp(kind, "read") == 0)
		w->client = NULL;
}

static void new_address(struct lockworld *w, const char *kind)
{
	if (strcmp(kind, "read") == 0)
		w->address = "10.0.0.7:0/4243";
}

static void test_others_were_faster(void **state _unused_)
{
	struct lockworld *w = lockworld_new();

	w->on_call = take_over;
	do_break(w, CN_PARTIAL, "failed", "changed hands");
	assert_string_equal(w->client, "client.50");
	assert_int_equal(lockworld_at(w, "break"), -1);
	lockworld_free(w);
	w = lockworld_new(), w->on_call = go_away;
	do_break(w, CN_OK, "gone", "");
	do_break(w, CN_OK, "gone", "");
	lockworld_free(w);
	w = lockworld_new(), w->on_call = new_address;
	do_break(w, CN_PARTIAL, "failed", "changed hands");
	assert_non_null(w->client);
	lockworld_free(w);
}

static void test_refusals(void **state _unused_)
{
	struct lockworld *w = lockworld_new();

	w->watcher = ADDRESS, w->watcher_client = 41;
	refused(w, "alive");
	w = lockworld_new(), w->watcher = "10.0.0.8:0/1", w->watcher_client = 50;
	refused(w, "in use");
	w = lockworld_new(), w->fail = "watchers", w->fail_code = -EIO, options.force = true;
	refused(w, "could not be found out");
	w = lockworld_new(), w->address = ":/0", options.force = true;
	refused(w, "could not be found out");
	w = lockworld_new(), w->client = "client.99", options.force = true;
	refused(w, "this very client");
	w = lockworld_new(), w->own = "[v2:10.0.0.7:0/4242,v1:10.0.0.7:0/4242]", options.force = true;
	refused(w, "this very client");
	w = lockworld_new(), w->own = "10.0.0.7:0/1", options.force = options.fence_host = true;
	refused(w, "this very client");
	w = lockworld_new(), w->address = "10.0.0.5:0/1", options.fence_host = true;
	refused(w, "osd.5");
	w = lockworld_new(), w->address = "[fd00::5]:0/1", options.fence_host = true; /* its other family */
	refused(w, "osd.5");
	w = lockworld_new(), w->address = "10.1.0.5:0/1", options.fence_host = true;
	refused(w, "osd.5");
	w = lockworld_new(), w->address = "10.0.0.6:0/1", options.fence_host = true;
	refused(w, "mon.a");
	w = lockworld_new(), w->tag = "", w->cookie = "by hand", options.force = true;
	refused(w, "advisory");
	w = lockworld_new(), w->tag = "", w->cookie = "by hand", w->features = 1, lockworld_fence(w, ADDRESS, 60 * DAY);
	refused(w, "advisory");
	w = lockworld_new(), w->watcher = "10.0.0.8:0/1", options.no_fence = true;
	refused(w, "in use");
	w = lockworld_new(), options.locker = "client.4";
	refused(w, "changed hands");
	w = lockworld_new(), options.lock_id = "";
	refused(w, "changed hands");
	w = lockworld_new(), lockworld_fence(w, ADDRESS, 3600);
	refused(w, "does not prolong");
	w = lockworld_new(), w->answer = -ECANCELED;
	refused(w, "not confirmed");
}

static char warned[512]; /* the last one */

static void hear(enum cn_log_level level, const char *text)
{
	if (level == CN_LOG_WARNING)
		snprintf(warned, sizeof(warned), "%s", text);
}

/* words NULL: nothing. Forgets it. */
static void assert_warned(const char *words)
{
	if (words)
		assert_has(warned, words);
	else
		assert_string_equal(warned, "");
	warned[0] = '\0';
}

/* A name that none of the lockers has: "gone" alone would be believed. */
static void test_a_slip_in_the_name(void **state _unused_)
{
	struct lockworld *w = lockworld_new();

	cn_log_set(hear, CN_LOG_WARNING);
	w->shared = true, w->tag = "t", w->cookie = "one", w->second = "client.42", w->features = 1;
	options.no_fence = true, options.locker = "client.4";
	do_break(w, CN_OK, "gone", "");
	assert_warned("has lockers, but not the one that was named: it is gone, or the name is a slip");
	options.locker = OWNER, options.lock_id = "on";
	do_break(w, CN_OK, "gone", "");
	assert_warned("it is held by: --locker " OWNER " --lock-id 'one'; --locker client.42 --lock-id 'one'");
	assert_int_equal(lockworld_at(w, "break"), -1);
	options.lock_id = "one";
	do_break(w, CN_OK, "broken", "");
	warned[0] = '\0';
	do_break(w, CN_OK, "gone", ""); /* the second one holds it rightly */
	assert_warned("--locker client.42");
	w->second = NULL;
	do_break(w, CN_OK, "gone", "");
	assert_warned(NULL);
	cn_log_set(NULL, CN_LOG_NOTE);
	lockworld_free(w);
	options = (struct cn_break_options){0};
}

/* A client that is seen once in all the looks lives. */
static void blink(struct lockworld *w, const char *kind)
{
	if (strcmp(kind, "watchers") == 0)
		w->watcher = w->clock.waited_ms > 20000 && w->clock.waited_ms < 23000 ? ADDRESS : NULL;
}

static void test_a_locker_that_blinks(void **state _unused_)
{
	struct lockworld *w = lockworld_new();

	w->on_call = blink;
	refused(w, "alive");
}

static void test_fences(void **state _unused_)
{
	struct lockworld *w = lockworld_new();

	lockworld_fence(w, ADDRESS, 20 * DAY); /* ours, of a call that died: at once */
	do_break(w, CN_OK, "broken", "");
	assert_int_equal(lockworld_at(w, "fence"), -1);
	assert_int_equal(w->clock.waited_ms, 0);
	lockworld_free(w);

	w = lockworld_new(), w->watcher = "10.0.0.8:0/1", w->watcher_client = 50, options.force = true;
	do_break(w, CN_OK, "broken", "");
	assert_true(lockworld_at(w, "fence 10.0.0.8:0/1") >= 0 && lockworld_at(w, "fence " ADDRESS) >= 0);
	lockworld_free(w);

	w = lockworld_new(), options.force = true, w->watcher = ADDRESS,
	w->fence_drops_watch = false; /* the OSD never hears of it */
	do_break(w, CN_TIMEOUT, "failed", "watch is not gone");
	assert_non_null(w->client);
	lockworld_free(w);

	options = (struct cn_break_options){.fence_host = true};
	w = lockworld_new(), w->tag = "", w->cookie = "by hand", w->features = 1;
	do_break(w, CN_OK, "broken", "");
	assert_true(lockworld_at(w, "fence 10.0.0.7:0/0") >= 0);
	lockworld_free(w);

	options = (struct cn_break_options){.no_fence = true};
	w = lockworld_new(), w->tag = "", w->cookie = "by hand", w->features = 1;
	do_break(w, CN_OK, "broken", "");
	assert_int_equal(lockworld_at(w, "fence"), -1);
	assert_true(w->clock.waited_ms >= 35000);
	lockworld_free(w);

	options = (struct cn_break_options){.dry_run = true};
	w = lockworld_new();
	do_break(w, CN_OK, "none", "");
	assert_int_equal(lockworld_at(w, "fence"), -1);
	assert_non_null(w->client);
	lockworld_free(w);
	options = (struct cn_break_options){0};
}

static int expire(struct fakeclock *clock, void *arg)
{
	struct lockworld *w = arg;

	if (clock->waited_ms > 60000)
		json_object_del(w->fences, ADDRESS);
	return 0;
}

/* Somebody else's fence ends in a minute: it is outlived, then ours is put. */
static void test_a_short_fence_is_outwaited(void **state _unused_)
{
	struct lockworld *w = lockworld_new();

	lockworld_fence(w, ADDRESS, 60);
	w->clock.on_wait = expire, w->clock.arg = w;
	do_break(w, CN_OK, "broken", "");
	assert_true(w->clock.waited_ms > 60000);
	assert_true(lockworld_at(w, "fence " ADDRESS) >= 0);
	lockworld_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_nothing_is_broken_when_a_step_fails),
		cmocka_unit_test(test_the_answer_of_the_break_is_lost),
		cmocka_unit_test(test_others_were_faster),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_a_slip_in_the_name),
		cmocka_unit_test(test_a_locker_that_blinks),
		cmocka_unit_test(test_fences),
		cmocka_unit_test(test_a_short_fence_is_outwaited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
