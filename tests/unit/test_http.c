/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the HTTPS client decides before it talks to anybody. Servers: tests/contract. */
#include "unit.h"

#include <errno.h>

#include "cephnode/http/http.h"

static void test_loopback(void **state _unused_)
{
	static const char *const yes[] = {"http://127.0.0.1:8080", "https://127.8.9.1/x?y",       "http://[::1]:1/",
					  "http://LocalHost",      "http://user:pw@localhost:1/", "http://[::ffff:127.0.0.1]/"};
	static const char *const no[] = {"http://10.0.0.1",
					 "http://localhost.example/",
					 "http://127.0.0.1.example/",
					 "http://127.0.0.1@evil.example/",
					 "http://evil.example#@127.0.0.1/",
					 "http://evil.example/127.0.0.1",
					 "http://[::2]/",
					 "http://128.0.0.1",
					 "",
					 "http://",
					 "://127.0.0.1"};

	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		if (!cn_http_is_loopback(yes[i]))
			fail_msg("%s", yes[i]);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		if (cn_http_is_loopback(no[i]))
			fail_msg("%s", no[i]);
}

static void assert_config(struct cn_http_config c, const char *why)
{
	struct cn_http *h = NULL;
	struct cn_error err = {};
	int r = cn_http_new(&c, &h, &err);

	if (why) {
		assert_int_equal(r, -EINVAL);
		assert_error(&err, CN_USAGE, why);
	} else {
		assert_int_equal(r, 0);
	}
	cn_http_free(h);
}

#define TEXT(s) ((char *)(uintptr_t)(s))

static void test_configurations(void **state _unused_)
{
	char *pem = TEXT("-----BEGIN CERTIFICATE-----\n"), *none = TEXT("nothing");

	assert_config((struct cn_http_config){}, NULL);
	assert_config((struct cn_http_config){.ca = pem, .cert = pem, .key = pem, .proxy = TEXT("")}, NULL);
	assert_config((struct cn_http_config){.ca = none}, "CA certificate is not PEM");
	assert_config((struct cn_http_config){.cert = none, .key = pem}, "not PEM");
	assert_config((struct cn_http_config){.cert = pem}, "only good together");
	assert_config((struct cn_http_config){.key = pem}, "only good together");
	assert_config((struct cn_http_config){.proxy = TEXT("socks5h://127.0.0.1:1")}, NULL);
	assert_config((struct cn_http_config){.proxy = TEXT("ftp://127.0.0.1:1")}, "no kind of proxy");
	assert_config((struct cn_http_config){.proxy = TEXT("http://a:b:c@[")}, "cannot be understood");
}

static void assert_not_sent(const char *url, const char *const *headers, enum cn_code code, int errnum)
{
	struct cn_http_request req = {.method = "GET", .url = url, .headers = headers};
	struct cn_http_config c = {};
	struct cn_http_response a = {};
	_cleanup_error_ struct cn_error err = {};
	unsigned before = cn_http_count();
	struct cn_http *h = NULL;

	assert_int_equal(cn_http_new(&c, &h, &err), 0);
	assert_int_equal(cn_http_do(h, &req, &a, &err), -errnum);
	assert_int_equal(err.code, code);
	assert_null(a.body);
	assert_int_equal(cn_http_count(), before);
	cn_http_free(h);
}

static void test_not_sent(void **state _unused_)
{
	const char *const split[] = {"A: b", "Authorization: Bearer x\nB: c", NULL};

	assert_not_sent("http://192.0.2.1/", NULL, CN_USAGE, EPERM);
	assert_not_sent("ftp://127.0.0.1/", NULL, CN_USAGE, EINVAL);
	assert_not_sent("file:///etc/passwd", NULL, CN_USAGE, EINVAL);
	assert_not_sent("", NULL, CN_USAGE, EINVAL);
	assert_not_sent("http://127.0.0.1:1/", split, CN_USAGE, EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_configurations),
		cmocka_unit_test(test_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
