/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* YAML as JSON, kubeconfig texts, and what credential plugins print. Files and servers: tests/contract. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "cephnode/base/yaml.h"
#include "kube/internal.h"

/* --- YAML --- */

static char *as_json(const char *yaml)
{
	_cleanup_error_ struct cn_error err = {};
	_cleanup_json_ json_t *j = cn_yaml_parse(yaml, strlen(yaml), &err);
	char *s = j ? json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;

	if (!j)
		fail_msg("%s: %s", yaml, err.message);
	return s;
}

static void assert_yaml(const char *yaml, const char *json)
{
	_cleanup_free_ char *got = as_json(yaml);

	assert_string_equal(got, json);
}

static void assert_bad(const char *yaml, const char *why)
{
	struct cn_error err = {};

	assert_null(cn_yaml_parse(yaml, strlen(yaml), &err));
	assert_error(&err, CN_USAGE, why);
}

static void test_scalars(void **state _unused_)
{
	assert_yaml("", "null");
	assert_yaml("# nothing\n", "null");
	assert_yaml("[~, null, true, Yes, off, FALSE]", "[null,null,true,true,false,false]");
	assert_yaml("[0, -7, 9223372036854775807, 0.5, -0.25]", "[0,-7,9223372036854775807,0.5,-0.25]");
	assert_yaml("['1', \"true\", '', !!str 1]", "[\"1\",\"true\",\"\",\"1\"]");
	assert_yaml("a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}");
	assert_yaml("a:\nb:\n", "{\"a\":null,\"b\":null}");
	assert_yaml("1: {true: x}", "{\"1\":{\"true\":\"x\"}}");
	assert_yaml("one\n---\ntwo\n", "\"one\"");
}

/* An unquoted password or version must not change. */
static void test_numbers_that_would_not_come_out_again(void **state _unused_)
{
	assert_yaml(
		"[0123, 1_000, 0x1F, 1e3, 1.10, +1, -, .5, 1., 99999999999999999999, .inf, 1.2.3]",
		"[\"0123\",\"1_000\",\"0x1F\",\"1e3\",\"1.10\",\"+1\",\"-\",\".5\",\"1.\",\"99999999999999999999\",\".inf\",\"1."
		"2.3\"]");
}

static void test_aliases_and_merges(void **state _unused_)
{
	assert_yaml("a: &x [1]\nb: *x\n", "{\"a\":[1],\"b\":[1]}");
	assert_yaml("a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}");
	assert_yaml("a: &x {p: 1, q: 2}\nb: {q: 3, <<: *x}\n", "{\"a\":{\"p\":1,\"q\":2},\"b\":{\"p\":1,\"q\":3}}");
	assert_yaml("b: {<<: [{p: 1}, {p: 2, q: 2}], r: 3}\n", "{\"b\":{\"p\":1,\"q\":2,\"r\":3}}");
	assert_yaml("'<<': 1", "{\"<<\":1}");
	assert_bad("a: &x {b: *x}", "line 1, column 11");
	assert_bad("a: *nothing", "names nothing");
	assert_bad("<<: 7", "only a mapping");
	assert_bad("<<: [7]", "only a mapping");
}

static void test_refused(void **state _unused_)
{
	assert_bad("a: 1\nb: 2\na: 3\n", "line 3, column 1: a key that comes twice");
	assert_bad("? [1]\n: 2\n", "no text");
	assert_bad("a: b: c", "line 1, column 5");
	assert_bad("- \"\\0\"", "must not be there");
	assert_bad("a: \xff", "line 1");
	assert_bad("{a: s3cr3t", "line 2, column 1: did not find expected ',' or '}'");
}

static void test_depth_and_size(void **state _unused_)
{
	static const char laughs[] = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
				     "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
				     "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
	char deep[200] = "";

	memset(deep, '[', 64);
	memset(deep + 64, ']', 64);
	free(as_json(deep));
	memset(deep, '[', 65);
	memset(deep + 65, ']', 65);
	assert_bad(deep, "nested too deeply");
	assert_bad(laughs, "too many nodes");
	/* each alias is shallow, what they make together is not */
	for (int levels = 12; levels <= 13; levels++) {
		_cleanup_free_ char *chain = cn_strdup("- &a0 x\n");
		struct cn_error err = {};
		json_t *j;

		for (int i = 1; i <= levels; i++) {
			char *longer = cn_asprintf("%s- &a%d [[[[[*a%d]]]]]\n", chain, i, i - 1);

			free(chain);
			chain = longer;
		}
		j = cn_yaml_parse(chain, strlen(chain), &err);
		if (levels == 12)
			assert_non_null(j);
		else
			assert_error(&err, CN_USAGE, "nested too deeply");
		json_decref(j);
	}
}

static void test_large(void **state _unused_)
{
	size_t len = ((size_t)1 << 20) + 1;
	char *text = cn_malloc(len + 1);
	struct cn_error err = {};

	memset(text, '#', len);
	assert_null(cn_yaml_parse(text, len, &err));
	assert_error(&err, CN_USAGE, "larger than");
	free(text);
}

/* --- kubeconfig --- */

static const char some_config[] =
	"current-context: a\n"
	"clusters:\n"
	"- {name: c, cluster: {server: 'https://h:6443///', proxy-url: 'socks5://p:1080'}}\n"
	"users:\n"
	"- {name: u, user: {token: t0k3n, username: 7, password: yes, tokenFile: sub/t}}\n"
	"- {name: x, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: bin/p, args: [a, b],\n"
	"    env: [{name: A, value: b=c}, {name: B}]}}}\n"
	"contexts:\n"
	"- {name: a, context: {cluster: c, user: u, namespace: n}}\n"
	"- {name: b, context: {cluster: c, user: x}}\n";

static void test_a_context(void **state _unused_)
{
	_cleanup_(cn_kube_config_release) struct cn_kube_config c = {};
	_cleanup_error_ struct cn_error err = {};

	assert_int_equal(cn_kubeconfig_parse(some_config, strlen(some_config), "/etc/k/config", NULL, &c, &err), 1);
	assert_string_equal(c.source, "context 'a' of /etc/k/config");
	assert_string_equal(c.server, "https://h:6443");
	assert_string_equal(c.http.proxy, "socks5h://p:1080");
	assert_string_equal(c.ns, "n");
	assert_string_equal(c.token, "t0k3n");
	assert_string_equal(c.token_file, "/etc/k/sub/t");
	assert_string_equal(c.username, "7");
	assert_null(c.exec.command);
	assert_null(c.http.ca);
}

static void test_a_plugin(void **state _unused_)
{
	_cleanup_(cn_kube_config_release) struct cn_kube_config c = {};
	_cleanup_error_ struct cn_error err = {};

	assert_int_equal(cn_kubeconfig_parse(some_config, strlen(some_config), "here", "b", &c, &err), 1);
	assert_string_equal(c.exec.command, "bin/p");
	assert_int_equal(c.exec.args.n, 2);
	assert_string_equal(c.exec.args.v[1], "b");
	assert_string_equal(c.exec.env.v[0], "A=b=c");
	assert_string_equal(c.exec.env.v[1], "B=");
	assert_null(c.token);
	assert_null(c.ns);
}

static void test_nothing_is_left_on_an_error(void **state _unused_)
{
	struct cn_kube_config c = {.server = (char *)(uintptr_t) "untouched"};
	struct cn_error err = {};

	assert_int_equal(cn_kubeconfig_parse(some_config, strlen(some_config), "f", "z", &c, &err), -ENOENT);
	assert_string_equal(err.hint, "there are: a, b");
	assert_error(&err, CN_USAGE, "no context 'z'");
	assert_string_equal(c.server, "untouched");
}

static void test_base64(void **state _unused_)
{
	static const struct {
		const char *text, *encoded;
	} good[] = {{"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe\xfd", "//79"}};
	static const char *const bad[] = {"Zg", "Zg=", "Z===", "====", "Zg==Zg==", "Zm9v!", "AA==", "Zm-v", "Zg==="};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_cleanup_free_ char *to = cn_kube_base64_encode(good[i].text, strlen(good[i].text));
		_cleanup_free_ char *back = cn_kube_base64(good[i].encoded);

		assert_string_equal(to, good[i].encoded);
		assert_string_equal(back, good[i].text);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_null(cn_kube_base64(bad[i]));
	_cleanup_free_ char *folded = cn_kube_base64(" Zm9v\nYg=\r\n=");

	assert_string_equal(folded, "foob");
}

/* --- plugins --- */

static int read_answer(const char *status, struct cn_kube_exec_answer *ret)
{
	const struct cn_kube_exec x = {.command = (char *)(uintptr_t) "p", .api_version = (char *)(uintptr_t) "v"};
	_cleanup_free_ char *text = cn_asprintf("{\"apiVersion\":\"v\",\"kind\":\"ExecCredential\",\"status\":%s}", status);
	_cleanup_error_ struct cn_error err = {};
	int r = cn_kube_exec_read(&x, text, strlen(text), ret, &err);

	assert_false(err.message && strstr(err.message, "s3cr3t"));
	return r;
}

static void test_answers(void **state _unused_)
{
	struct cn_kube_exec_answer a = {};

	assert_int_equal(read_answer("{\"token\":\"s3cr3t\",\"expirationTimestamp\":\"2026-01-02T03:04:05Z\"}", &a), 0);
	assert_string_equal(a.token, "s3cr3t");
	assert_int_equal(a.expires_ms, 1767323045000);
	cn_kube_exec_answer_release(&a);
	assert_int_equal(read_answer("{\"clientCertificateData\":\"c\",\"clientKeyData\":\"k\"}", &a), 0);
	assert_null(a.token);
	assert_int_equal(a.expires_ms, 0);
	cn_kube_exec_answer_release(&a);
	assert_int_equal(read_answer("{\"token\":\"\"}", &a), -EBADMSG);
	assert_int_equal(read_answer("{\"token\":7}", &a), -EBADMSG);
	assert_int_equal(read_answer("null", &a), -EBADMSG);
	assert_int_equal(read_answer("{\"token\":\"s3cr3t\",\"clientKeyData\":\"k\"}", &a), -EBADMSG);
	assert_int_equal(read_answer("{\"token\":\"s3cr3t\",\"expirationTimestamp\":\"tomorrow\"}", &a), -EBADMSG);
	assert_int_equal(read_answer("{\"token\":\"s3cr3t\"", &a), -EBADMSG);
}

static void test_times(void **state _unused_)
{
	const int64_t at = 1767323045000;

	assert_int_equal(cn_kube_time_parse("2026-01-02T03:04:05Z"), at);
	assert_int_equal(cn_kube_time_parse("2026-01-02T03:04:05.999999Z"), at);
	assert_int_equal(cn_kube_time_parse("2026-01-02T05:04:05+02:00"), at);
	assert_int_equal(cn_kube_time_parse("2026-01-01T21:34:05.5-05:30"), at);
	assert_int_equal(cn_kube_time_parse("2026-01-02T03:04:05"), -1);
	assert_int_equal(cn_kube_time_parse("2026-01-02T03:04:05Zx"), -1);
	assert_int_equal(cn_kube_time_parse("2026-01-02T03:04:05+2"), -1);
	assert_int_equal(cn_kube_time_parse("2026-01-02T03:04:05+02:00x"), -1);
	assert_int_equal(cn_kube_time_parse("2026-01-02"), -1);
	assert_int_equal(cn_kube_time_parse(""), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_numbers_that_would_not_come_out_again),
		cmocka_unit_test(test_aliases_and_merges),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_depth_and_size),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_a_context),
		cmocka_unit_test(test_a_plugin),
		cmocka_unit_test(test_nothing_is_left_on_an_error),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
