/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What locks list says of an image, and what of addresses and placement locks break rests on. */
#include <errno.h>

#include "lockworld.h"

/* --- list --- */

static json_t *list_one(struct lockworld *w)
{
	_cleanup_(cn_lock_list_release) struct cn_lock_list list = {0};
	_cleanup_error_ struct cn_error err = {0};
	struct cn_lock_scope scope = {.pool = "rbd", .ns = "", .image = "img"};

	assert_int_equal(cn_locks_scan(&w->base, &scope, &list, &err), 0);
	cn_locks_choose(&w->base, &list, NULL, NULL);
	cn_locks_look(&w->base, &list, false);
	cn_locks_classify(&list);
	return cn_locks_json(&list, -1, -1);
}

static void check(struct lockworld *w, const char *kind, const char *state)
{
	_cleanup_json_ json_t *doc = list_one(w);
	const json_t *l = json_array_get(cn_json_arr(doc, "locks"), 0);

	assert_string_equal(cn_json_str(l, "kind", ""), kind);
	assert_string_equal(cn_json_str(l, "state", ""), state);
	assert_int_equal(cn_json_bool(doc, "complete", false), strcmp(state, "unknown") != 0 || w->no_blocklist);
	lockworld_free(w);
}

static void test_states(void **state _unused_)
{
	struct lockworld *w = lockworld_new();

	check(w, "auto", "unwatched");
	w = lockworld_new(), w->watcher = "10.0.0.7:0/4242", w->watcher_client = 7;
	check(w, "auto", "alive");
	w = lockworld_new(), w->watcher = "10.0.0.7:0/1", w->watcher_client = 41; /* by its name, whatever the address says */
	check(w, "auto", "alive");
	w = lockworld_new(), w->watcher = "10.0.0.7:0/42420", w->watcher_client = 410;
	check(w, "auto", "in-use");
	w = lockworld_new(), w->fail = "watchers", w->fail_code = -ETIMEDOUT;
	check(w, "auto", "unknown");
	w = lockworld_new(), w->fail = "get_features", w->fail_code = -EPERM;
	check(w, "auto", "unknown");
	w = lockworld_new(), w->no_blocklist = true; /* unknown, never "not fenced" */
	check(w, "auto", "unknown");
	w = lockworld_new(), w->address = "v1:10.0.0.7:0/4242", lockworld_fence(w, ADDRESS, 60);
	check(w, "auto", "fenced");
	w = lockworld_new(), lockworld_fence(w, "10.0.0.7:0/424", 60);
	check(w, "auto", "unwatched");
	w = lockworld_new(), lockworld_fence(w, "10.0.0.7:0/0", 60);
	check(w, "auto", "fenced");
	w = lockworld_new(), w->cookie = "kubelet_lock_magic_n", w->tag = "", w->features = 1, lockworld_fence(w, ADDRESS, 60);
	check(w, "advisory", "unwatched"); /* it is not the writer's address */
	w = lockworld_new(), w->cookie = "kubelet_lock_magic_n", w->tag = "", w->features = 1,
	lockworld_fence(w, "10.0.0.7:0/0", 60);
	check(w, "advisory", "fenced");
	w = lockworld_new(), w->cookie = "auto 1", w->tag = "";
	check(w, "conflict", "unwatched");
}

static void test_incomplete(void **state _unused_)
{
	static const struct {
		const char *op, *call;
		size_t locks;
	} cases[] = {
		{"get_info", "get_info", 0},          {"lockers", "lockers", 0},   {"header", "get_features", 1},
		{"mirroring", "mirror_image_get", 1}, {"watchers", "watchers", 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lockworld *w = lockworld_new();
		_cleanup_json_ json_t *doc = NULL;
		const json_t *e;

		w->fail = cases[i].call, w->fail_code = -EPERM;
		doc = list_one(w);
		e = json_array_get(cn_json_arr(doc, "errors"), 0);
		assert_false(cn_json_bool(doc, "complete", true));
		assert_string_equal(cn_json_str(e, "op", ""), cases[i].op);
		assert_int_equal(cn_json_int(e, "errno", 0), EPERM);
		assert_int_equal(json_array_size(cn_json_arr(doc, "locks")), cases[i].locks);
		lockworld_free(w);
	}
}

/* --- addresses and placement --- */

static void test_ranges(void **state _unused_)
{
	struct lockworld *w = lockworld_new();
	struct cn_fence fences[] = {{.prefix = 23, .until_ms = 5}, {.prefix = -1, .until_ms = 3}};
	struct cn_fence_map m = {.fences = fences, .n_fences = 2};
	struct cn_client_addr a;

	assert_true(cn_client_addr_parse("10.0.2.0:0/23", &fences[0].addr) && cn_client_addr_parse("[::1]:7/9", &fences[1].addr));
	assert_true(cn_client_addr_parse("any:10.0.3.255:0/1", &a));
	assert_int_equal(cn_fence_until(&m, &a, true), 5);
	assert_true(cn_client_addr_parse("10.0.4.0:0/1", &a));
	assert_int_equal(cn_fence_until(&m, &a, false), 0);
	assert_true(cn_client_addr_parse("[0:0::1]:7/9", &a));
	assert_int_equal(cn_fence_until(&m, &a, false), 3);
	assert_int_equal(cn_fence_until(&m, &a, true), 0);
	assert_false(cn_client_addr_parse("10.0.0.7:0/12 ", &a) || cn_client_addr_parse("10.0.0.7", &a) ||
		     cn_client_addr_parse("-", &a) || cn_client_addr_parse("10.0.0.7:0/99999999999", &a));
	lockworld_free(w);
}

/* As `osdmaptool --test-map-object` of 16.2.15 says of a pool of 96 placement groups. */
static void test_placement(void **state _unused_)
{
	_cleanup_(cn_strv_release) struct cn_strv names = {0};
	bool have[96] = {0};

	assert_int_equal(cn_object_pg(96, "", "a"), 0x18);
	assert_int_equal(cn_object_pg(96, "", "rbd_header.barrier.0"), 0x40);
	assert_int_equal(cn_object_pg(96, "", "rbd_header.barrier.1f"), 0x59);
	assert_int_equal(cn_object_pg(96, "", "rbd_data.10268fd09354.0000000000000003"), 0x31);
	assert_int_equal(cn_object_pg(96, "", "abcdefghijkl"), 0x25);
	assert_int_equal(cn_object_pg(96, "", "abcdefghijk"), 0x4c);
	cn_object_of_each_pg(96, "ns", &names);
	assert_int_equal(names.n, 96);
	for (size_t i = 0; i < names.n; i++)
		have[cn_object_pg(96, "ns", names.v[i])] = true;
	for (size_t i = 0; i < 96; i++)
		assert_true(have[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_incomplete),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_placement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
