/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "unit.h"

static json_t *parse(const char *text)
{
	struct cn_error e = {};
	json_t *j = cn_json_parse(text, strlen(text), &e);

	if (!j)
		fail_msg("%s: %s", text, e.message);
	return j;
}

static void test_foreign_bytes_are_repaired(void **state _unused_)
{
	_cleanup_json_ json_t *j = parse("{\"pool\":\"a\xff\x62\",\"ok\":\"\xc3\xa9\"}");

	assert_string_equal(cn_json_str(j, "pool", NULL), "a\xef\xbf\xbd"
							  "b");
	assert_string_equal(cn_json_str(j, "ok", NULL), "\xc3\xa9");
}

/* Ceph prints bare nan and inf in statistics: a number is missing there, the rest must be readable. */
static void test_bare_nan(void **state _unused_)
{
	_cleanup_json_ json_t *j = parse("{\"var\":-nan,\"x\":[nan,inf,-inf],\"name\":\"nan, \\\"inf\",\"y\":1.5}");

	assert_int_equal(json_array_size(json_object_get(j, "x")), 3);
	assert_string_equal(cn_json_str(j, "name", NULL), "nan, \"inf");
	assert_true(cn_json_real(j, "y", 0) == 1.5);
	assert_true(cn_json_real(j, "var", 0) == 0);
}

static void test_what_is_no_json(void **state _unused_)
{
	static const char *const bad[] = {"", "{", "osd.3 does not exist", "{}{}", "nan"};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cn_error e = {};

		if (cn_json_parse(bad[i], strlen(bad[i]), &e))
			fail_msg("'%s' was taken for JSON", bad[i]);
		assert_int_equal(e.code, CN_FAILED);
		cn_error_release(&e);
	}
}

static int gather(void *arg, const json_t *j, struct cn_error *err)
{
	if (json_is_null(j))
		return cn_error_set(err, CN_FAILED, EDOM, "no nulls");
	json_array_append(arg, (json_t *)(uintptr_t)j);
	return 0;
}

static int each(const char *text, char **ret, struct cn_error *err)
{
	_cleanup_json_ json_t *seen = json_array(), *rest = NULL;
	_cleanup_free_ char *a = NULL, *b = NULL;
	int r = cn_json_each(text, strlen(text), "list", gather, seen, &rest, err);

	a = cn_json_dump(seen);
	b = rest ? cn_json_dump(rest) : cn_strdup("-");
	*ret = cn_asprintf("%s %s", a, b);
	return r;
}

static void test_each(void **state _unused_)
{
	static const struct {
		const char *text, *seen;
		int code;
	} cases[] = {
		{"[]", "[] {\"list\":[]}", 0},
		{" [ ] ", "[] {\"list\":[]}", 0},
		{"[1,\"]\",[2],{\"list\":[3]}]", "[1,\"]\",[2],{\"list\":[3]}] {\"list\":[]}", 0},
		{"{}", "[] {}", 0},
		{"{\"a\":1,\"list\":[1 , 2],\"b\":{\"list\":[7]}}", "[1,2] {\"a\":1,\"list\":[],\"b\":{\"list\":[7]}}", 0},
		{"{\"list\":5}", "[] {\"list\":5}", 0},
		{"[1,-nan,\"\xff\",inf,2]", "[1,0,\"\xef\xbf\xbd\",0,2] {\"list\":[]}", 0},
		{"[1,null,2]", "[1] -", -EDOM},
		{"[1,2", "[1,2] -", -EBADMSG},
		{"[1,]", "[1] -", -EBADMSG},
		{"[1 2]", "[1] -", -EBADMSG},
		{"{\"list\":[1]", "[1] -", -EBADMSG},
		{"{5:[1]}", "[] -", -EBADMSG},
		{"\"list\"", "[] -", -EBADMSG},
		{"", "[] -", -EBADMSG},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *seen = NULL;
		struct cn_error e = {};

		assert_int_equal(each(cases[i].text, &seen, &e), cases[i].code);
		assert_string_equal(seen, cases[i].seen);
		assert_int_equal(e.code, cases[i].code ? CN_FAILED : CN_OK);
		cn_error_release(&e);
	}
}

static void test_getters_never_trust_a_type(void **state _unused_)
{
	_cleanup_json_ json_t *j =
		parse("{\"i\":7,\"r\":2.75,\"s\":\"x\",\"t\":true,\"one\":1,\"big\":1e300,\"n\":null,\"o\":{},\"a\":[1]}");

	assert_int_equal(cn_json_int(j, "i", -1), 7);
	assert_int_equal(cn_json_int(j, "r", -1), 2);
	assert_int_equal(cn_json_int(j, "s", -1), -1);
	assert_int_equal(cn_json_int(j, "big", -1), -1);
	assert_int_equal(cn_json_int(j, "absent", -1), -1);
	assert_true(cn_json_real(j, "i", 0) == 7.0);
	assert_true(cn_json_bool(j, "t", false));
	assert_true(cn_json_bool(j, "one", false));
	assert_false(cn_json_bool(j, "s", false));
	assert_null(cn_json_str(j, "i", NULL));
	assert_string_equal(cn_json_str(j, "n", "def"), "def");
	assert_int_equal(json_array_size(cn_json_arr(j, "absent")), 0);
	assert_int_equal(json_array_size(cn_json_arr(j, "o")), 0);
	assert_int_equal(json_array_size(cn_json_arr(j, "a")), 1);
	assert_null(cn_json_obj(j, "a"));
	assert_int_equal(cn_json_int(NULL, "i", -1), -1);
	assert_int_equal(json_array_size(cn_json_arr(NULL, "a")), 0);
}

static void test_strings(void **state _unused_)
{
	_cleanup_json_ json_t *a = cn_json_string("a\"b\xff"), *null = cn_json_string(NULL);
	_cleanup_free_ char *text = cn_json_dump(a);

	assert_string_equal(text, "\"a\\\"b\xef\xbf\xbd\"");
	assert_true(json_is_null(null));
}

static void test_lists(void **state _unused_)
{
	struct cn_ids ids = {};
	struct cn_strv v = {};
	json_t *j;
	char *text;

	cn_ids_add(&ids, 3);
	cn_ids_add(&ids, 1);
	cn_strv_add(&v, "node1");
	j = json_pack("{so,so}", "ids", cn_json_ids(&ids), "names", cn_json_strv(&v));
	text = cn_json_dump(j);
	assert_string_equal(text, "{\"ids\":[1,3],\"names\":[\"node1\"]}");
	free(text);
	json_decref(j);
	cn_ids_release(&ids);
	cn_strv_release(&v);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_foreign_bytes_are_repaired),
		cmocka_unit_test(test_bare_nan),
		cmocka_unit_test(test_what_is_no_json),
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_getters_never_trust_a_type),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
