/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <sys/socket.h>

#include "cephnode/base/addr.h"
#include "cephnode/base/parallel.h"
#include "cephnode/base/text.h"
#include "fakeclock.h"
#include "unit.h"

static void test_error_is_set_and_wrapped(void **state _unused_)
{
	struct cn_error e = {}, moved = {};

	assert_int_equal(cn_error_set(&e, CN_REFUSED, -EBUSY, "%d PGs", 12), -EBUSY);
	assert_int_equal(cn_error_wrap(&e, "cannot stop osd.%d", 3), -EBUSY);
	assert_string_equal(e.message, "cannot stop osd.3: 12 PGs");
	cn_error_hint(&e, "first");
	cn_error_hint(&e, "second");
	assert_string_equal(e.hint, "first");
	cn_error_move(&moved, &e);
	assert_null(e.message);
	assert_int_equal(e.errnum, 0);
	assert_int_equal(moved.code, CN_REFUSED);
	assert_int_equal(cn_error_set(&moved, CN_FAILED, 0, "again"), -EIO);
	assert_null(moved.hint);
	cn_error_release(&moved);
	assert_int_equal(cn_error_set(NULL, CN_FAILED, ENOENT, "nowhere"), -ENOENT);
	assert_int_equal(cn_error_wrap(NULL, "nothing"), -EIO);
	assert_int_equal(cn_error_interrupted(&e), -EINTR);
	assert_int_equal(e.code, CN_INTERRUPTED);
	cn_error_release(&e);
}

static void test_ip_parse(void **state _unused_)
{
	static const struct {
		const char *text, *printed;
		int family;
	} good[] = {
		{"127.0.1.4", "127.0.1.4", AF_INET},      {"::1", "::1", AF_INET6},
		{"0:0:0:0:0:0:0:1", "::1", AF_INET6},     {"[::1]", "::1", AF_INET6},
		{"FE80::ABCD", "fe80::abcd", AF_INET6},   {"2001:db8:0:0:0:0:0:1", "2001:db8::1", AF_INET6},
		{"::ffff:10.0.0.1", "10.0.0.1", AF_INET},
	};
	static const char *const bad[] = {"",           "node1",          "127.0.1",    "127.0.1.256", "127.0.1.4 ",
					  " 127.0.1.4", "127.0.1.4:6800", "1.2.3.4/24", "[::1",        "::1]",
					  "[]",         ":::1",           "0x7f.0.0.1", "127.1",       "2001:db8::1::2"};
	struct cn_ip ip;
	char buf[CN_IP_STRLEN];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(cn_ip_parse(good[i].text, &ip));
		assert_int_equal(ip.family, good[i].family);
		assert_string_equal(cn_ip_format(&ip, buf), good[i].printed);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (cn_ip_parse(bad[i], &ip))
			fail_msg("'%s' was taken for an address", bad[i]);
	assert_false(cn_ip_parse(NULL, &ip));
}

static void test_ip_is_compared_as_bytes(void **state _unused_)
{
	struct cn_ip a, b, none = {};

	assert_true(cn_ip_parse("127.0.1.4", &a) && cn_ip_parse("127.0.1.40", &b));
	assert_false(cn_ip_equal(&a, &b));
	assert_true(cn_ip_parse("::ffff:127.0.1.4", &b));
	assert_true(cn_ip_equal(&a, &b));
	assert_false(cn_ip_equal(&none, &none));
}

static void test_ip_of_entities(void **state _unused_)
{
	static const struct {
		const char *text, *printed;
	} good[] = {
		{"127.0.1.1:6801/123", "127.0.1.1"},  {"[::1]:6801/123", "::1"},
		{"127.0.1.1", "127.0.1.1"},           {"10.0.0.1/0", "10.0.0.1"},
		{"[2001:db8::7]:0/1", "2001:db8::7"},
	};
	static const char *const bad[] = {":/0", "-", "0.0.0.0:0/0", "[::]:0/0", "", "(unrecognized address family 0)/0", "[::1"};
	struct cn_ip ip;
	char buf[CN_IP_STRLEN];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(cn_ip_parse_entity(good[i].text, &ip));
		assert_string_equal(cn_ip_format(&ip, buf), good[i].printed);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (cn_ip_parse_entity(bad[i], &ip))
			fail_msg("'%s' was taken for an address", bad[i]);
	assert_false(cn_ip_parse_entity(NULL, &ip));
}

static void test_parse_int(void **state _unused_)
{
	static const char *const bad[] = {"",  " 1", "1 ", "+1",  "0x10", "1.0", "99999999999999999999",
					  "-", "a",  "1a", "101", "-11"};
	int64_t v = 7;

	assert_true(cn_parse_int("-10", -10, 100, &v) && v == -10);
	assert_true(cn_parse_int("100", -10, 100, &v) && v == 100);
	assert_true(cn_parse_int("0", 0, 0, &v) && v == 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (cn_parse_int(bad[i], -10, 100, &v))
			fail_msg("'%s' was taken for a number", bad[i]);
	assert_int_equal(v, 0);
	assert_false(cn_parse_int(NULL, 0, 1, &v));
}

static void assert_text(char *got, const char *want)
{
	assert_string_equal(got, want);
	free(got);
}

static void test_text_for_people(void **state _unused_)
{
	assert_text(cn_format_bytes(0), "0 B");
	assert_text(cn_format_bytes(1023), "1023 B");
	assert_text(cn_format_bytes(1024), "1.0 KiB");
	assert_text(cn_format_bytes(1536 << 20), "1.5 GiB");
	assert_text(cn_format_bytes((1 << 20) - 1), "1.0 MiB");
	assert_text(cn_format_duration(42), "42 s");
	assert_text(cn_format_duration(3600 * 2 + 300), "2 h 05 min");
	assert_text(cn_format_duration(-1), "0 s");
}

static void test_text_cannot_steer_the_terminal(void **state _unused_)
{
	assert_text(cn_text_safe("n\xc3\xb6"
				 "de \"1\""),
		    "n\xc3\xb6"
		    "de \"1\"");
	assert_text(cn_text_safe("a\033[2Jb\n"), "a\\x1b[2Jb\\x0a");
	assert_text(cn_text_safe("\xff"), "\\xff");
	assert_text(cn_text_safe("\xe2\x80\xae"), "\\xe2\\x80\\xae"); /* right-to-left override */
	assert_text(cn_text_safe("\xc2\x9b"), "\\xc2\\x9b");          /* CSI as one character */
}

static void test_utf8(void **state _unused_)
{
	static const char *const bad[] = {"\xff", "\xc0\xaf", "\xe2\x82", "\xed\xa0\x80", "\xf4\x90\x80\x80", "a\x80"};
	size_t len;

	assert_true(cn_utf8_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x99", 10));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(cn_utf8_valid(bad[i], strlen(bad[i])));
	assert_text(cn_utf8_repair("a\xff\xc3\xa9", 4, &len), "a\xef\xbf\xbd\xc3\xa9");
	assert_int_equal(len, 6);
}

static void test_time(void **state _unused_)
{
	struct fakeclock f;

	fakeclock_init(&f);
	assert_text(cn_time_format(cn_clock_real_ms(&f.clock)), "2026-01-02T03:04:05.000Z");
	assert_int_equal(cn_clock_wait_ms(&f.clock, 1250), 0);
	assert_text(cn_time_format(cn_clock_real_ms(&f.clock)), "2026-01-02T03:04:06.250Z");
	assert_true(cn_time_parse("2026-01-02T03:04:06.250Z") == 1767323046250);
	assert_true(cn_time_parse("1970-01-01T00:00:00.000Z") == 0);
	assert_true(cn_time_parse("2026-01-02T03:04:06.250") == -1);
	assert_true(cn_time_parse("2026-01-02 03:04:06.250Z") == -1);
	assert_true(cn_time_parse("2026-01-02T03:04:06.250Zx") == -1);
	assert_true(cn_time_parse("") == -1);
	assert_true(cn_time_parse(NULL) == -1);
}

static void test_strv(void **state _unused_)
{
	struct cn_strv l = {};

	cn_strv_split(&l, ",b,,a,", ",");
	cn_strv_addf(&l, "osd.%d", 3);
	assert_int_equal(l.n, 3);
	cn_strv_sort(&l);
	assert_text(cn_strv_join(&l, "|"), "a|b|osd.3");
	assert_true(cn_strv_has(&l, "b"));
	assert_false(cn_strv_has(&l, "B"));
	cn_strv_release(&l);
	assert_text(cn_strv_join(&l, "|"), "");
}

static void test_ids(void **state _unused_)
{
	static const int add[] = {5, 1, 3, 5, 0, 1, 10};
	struct cn_ids l = {};

	for (size_t i = 0; i < ARRAY_SIZE(add); i++)
		cn_ids_add(&l, add[i]);
	assert_int_equal(l.n, 5);
	assert_text(cn_ids_format(&l, "osd.", ", "), "osd.0, osd.1, osd.3, osd.5, osd.10");
	assert_true(cn_ids_has(&l, 10) && cn_ids_has(&l, 0));
	assert_false(cn_ids_has(&l, 2));
	cn_ids_release(&l);
	assert_false(cn_ids_has(&l, 0));
	assert_text(cn_ids_format(&l, "osd.", ", "), "");
}

static void mark(void *arg, size_t i)
{
	int *seen = arg;

	__atomic_add_fetch(&seen[i], 1, __ATOMIC_RELAXED);
}

static void test_parallel_calls_each_once(void **state _unused_)
{
	static const unsigned threads[] = {1, 2, 8, 200};
	int seen[100] = {};

	for (size_t t = 0; t < ARRAY_SIZE(threads); t++)
		cn_parallel(ARRAY_SIZE(seen), threads[t], mark, seen);
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++)
		assert_int_equal(seen[i], ARRAY_SIZE(threads));
	cn_parallel(0, 8, mark, seen);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_error_is_set_and_wrapped),
		cmocka_unit_test(test_ip_parse),
		cmocka_unit_test(test_ip_is_compared_as_bytes),
		cmocka_unit_test(test_ip_of_entities),
		cmocka_unit_test(test_parse_int),
		cmocka_unit_test(test_text_for_people),
		cmocka_unit_test(test_text_cannot_steer_the_terminal),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_strv),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_parallel_calls_each_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
