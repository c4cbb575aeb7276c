/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the Heat hook reads and answers, which machine it is on, and its place among heat-config's files. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cephnode/heat/hook.h"
#include "fakeclock.h"
#include "unit.h"

#define SERVER "5c122542-2f53-4894-8c24-769fa1882f21"

/* --- what came in ------------------------------------------------------------------------------------------------------ */

/* The inputs of a DELETE, and this one; or the whole text. */
static int reads(const char *input, struct cn_hook_request *ret, struct cn_error *err)
{
	_cleanup_free_ char *text =
		input[0] == '{' && strncmp(input, "{\"name\"", 7) != 0
			? cn_strdup(input)
			: cn_asprintf("{\"inputs\": [{\"name\": \"deploy_action\", \"value\": \"DELETE\"}%s%s]}",
				      *input ? ", " : "", input);

	return cn_hook_request_read(text, strlen(text), ret, err);
}

static void test_recorded_requests(void **state _unused_)
{
	static const char *const names[][3] = {
		{"heat-stdin-heat-signal", SERVER, "2026-11-22T11:07:33.000Z"},
		{"heat-stdin-cfn-signal", "5d82ca1d-dcaf-41fd-82e0-21ef3e04ce95", "2026-11-22T11:36:03.000Z"}};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *text = unit_data(names[i][0]);
		struct cn_hook_request q = {};
		struct cn_error e = {};

		assert_int_equal(cn_hook_request_read(text, strlen(text), &q, &e), 0);
		assert_true(q.drain);
		assert_string_equal(q.server_id, names[i][1]);
		assert_int_equal(q.stall_timeout_s, 1800);
		assert_int_equal(q.timeout_s, 0);
		assert_int_equal(q.accept.n, 0);
		assert_false(q.allow_empty);
		assert_true(q.created_ms == cn_time_parse(names[i][2]));
		cn_hook_request_release(&q);
	}
}

/* What Heat tells a server to run, as os-collect-config gets it, is what the hook gets on stdin. */
static void test_recorded_metadata(void **state _unused_)
{
	static const struct {
		const char *name, *server;
	} all[] = {{"hook/metadata-heat-200", SERVER},
		   {"hook/metadata-cfn-200", "fff76d67-c644-4509-b23c-5199f2a4d8f4"},
		   /* a neighbour's, which any node may read: it names its server, which is not this one */
		   {"security/deployments-of-another-node-200", "f5940364-a462-438d-8358-3bd0d2fa8762"}};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		_cleanup_free_ char *path = cn_asprintf("../heat/fixtures/%s.http", all[i].name), *text = cn_calloc(1, 1 << 16);
		const char *at;
		struct cn_hook_request q = {};
		struct cn_error e = {};
		FILE *f = fopen(path, "r");

		assert_non_null(f);
		assert_true(fread(text, 1, (1 << 16) - 1, f) > 0);
		fclose(f);
		at = strstr(text, "[{\"id\"");
		assert_non_null(at);
		_cleanup_json_ json_t *list = json_loads(at, JSON_DISABLE_EOF_CHECK, NULL);
		_cleanup_free_ char *request = cn_json_dump(json_array_get(list, 0));
		assert_int_equal(cn_hook_request_read(request, strlen(request), &q, &e), 0);
		assert_true(q.drain && q.stall_timeout_s == 1800 && q.created_ms > 0);
		assert_string_equal(q.server_id, all[i].server);
		cn_hook_request_release(&q);
	}
}

static void test_inputs(void **state _unused_)
{
	static const struct {
		const char *input;
		int64_t stall, timeout;
		bool empty;
		const char *accept;
	} good[] = {
		{"", 0, 0, false, ""},
		{"{\"name\": \"timeout\", \"value\": 600000}", 0, 600000, false, ""},
		{"{\"name\": \"timeout\", \"value\": \"60\"}, {\"name\": \"stall_timeout\", \"value\": 5.0}", 5, 60, false, ""},
		{"{\"name\": \"timeout\", \"value\": null}, {\"name\": \"timeout\", \"value\": \"\"}", 0, 0, false, ""},
		{"{\"name\": \"timeout\", \"value\": 1}, {\"name\": \"timeout\", \"value\": 2}", 0, 2, false, ""},
		{"{\"name\": \"allow_empty\", \"value\": true}", 0, 0, true, ""},
		{"{\"name\": \"allow_empty\", \"value\": \"True\"}", 0, 0, true, ""},
		{"{\"name\": \"allow_empty\", \"value\": \"no\"}", 0, 0, false, ""},
		{"{\"name\": \"allow_empty\", \"value\": 1}", 0, 0, true, ""},
		{"{\"name\": \"accept\", \"value\": \"existing, OSD_NEARFULL\"}", 0, 0, false, "existing|OSD_NEARFULL"},
		{"{\"name\": \"accept\", \"value\": [\"POOL_NO_REDUNDANCY\"]}", 0, 0, false, "POOL_NO_REDUNDANCY"},
		{"{\"name\": \"accept\", \"value\": \"None\"}, {\"name\": \"node\", \"value\": \"node3\"}, 7, {}", 0, 0, false,
		 ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct cn_hook_request q = {};
		struct cn_error e = {};
		_cleanup_free_ char *accept = NULL;

		if (reads(good[i].input, &q, &e) < 0)
			fail_msg("%s: %s", good[i].input, e.message);
		accept = cn_strv_join(&q.accept, "|");
		assert_true(q.drain);
		assert_null(q.server_id);
		assert_int_equal(q.stall_timeout_s, good[i].stall);
		assert_int_equal(q.timeout_s, good[i].timeout);
		assert_int_equal(q.allow_empty, good[i].empty);
		assert_string_equal(accept, good[i].accept);
		cn_hook_request_release(&q);
	}
}

static void test_bad_inputs(void **state _unused_)
{
	static const char *const bad[] = {
		"{}",
		"{\"inputs\": {}}",
		"{\"inputs\": []}",
		"{\"inputs\": [{\"name\": \"deploy_action\"}]}",
		"{\"inputs\": [{\"name\": \"deploy_action\", \"value\": null}]}",
		"{\"inputs\": [{\"name\": \"deploy_action\", \"value\": \"\"}]}",
		"{\"inputs\": [{\"name\": \"deploy_action\", \"value\": \"delete SECRET\"}]}",
		"{\"inputs\": [{\"name\": \"deploy_action\", \"value\": \"CREATE\"}, {\"name\": \"deploy_action\", \"value\": "
		"\"DELETE\"}]}",
		"{\"inputs\": [{\"name\": \"deploy_action\", \"value\": \"DELETE\"}]} SECRET",
		"{\"inputs\": [{\"name\": \"deploy_action\", \"value\": \"DELETE\\u0000\"}]}",
		"{\"inputs\": [{\"name\": \"deploy_action\", \"value\": \"\xff\xfe SECRET\"}]}",
		"{\"inputs\": [{\"name\": \"SECRET",
		"{\"name\": \"deploy_server_id\", \"value\": 7}",
		"{\"name\": \"deploy_server_id\", \"value\": \"a\"}, {\"name\": \"deploy_server_id\", \"value\": \"SECRET\"}",
		"{\"name\": \"timeout\", \"value\": -1}",
		"{\"name\": \"timeout\", \"value\": 1.5}",
		"{\"name\": \"timeout\", \"value\": 1e300}",
		"{\"name\": \"timeout\", \"value\": 99999999999}",
		"{\"name\": \"timeout\", \"value\": 999999999999999999999999}",
		"{\"name\": \"timeout\", \"value\": \"1 SECRET\"}",
		"{\"name\": \"timeout\", \"value\": [\"SECRET\"]}",
		"{\"name\": \"stall_timeout\", \"value\": true}",
		"{\"name\": \"allow_empty\", \"value\": \"SECRET\"}",
		"{\"name\": \"allow_empty\", \"value\": 2}",
		"{\"name\": \"allow_empty\", \"value\": -1}",
		"{\"name\": \"accept\", \"value\": \"--SECRET\"}",
		"{\"name\": \"accept\", \"value\": {\"a\": 1}}",
		"{\"name\": \"accept\", \"value\": [1]}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cn_hook_request q = {};
		struct cn_error e = {};

		if (reads(bad[i], &q, &e) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_null(strstr(e.message, "SECRET"));
		assert_false(q.drain);
		assert_error(&e, CN_USAGE, "");
	}
}

/* Each prefix of a real request, and each byte of it changed: an answer, and never a drain that was not asked for. */
static void test_torn_requests(void **state _unused_)
{
	_cleanup_free_ char *text = unit_data("heat-stdin-heat-signal");
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++) {
		struct cn_hook_request q = {};
		struct cn_error e = {};
		char was = text[i];

		if (i + 1 < len) {
			assert_int_not_equal(cn_hook_request_read(text, MIN(i, len - 3), &q, &e), 0);
			cn_error_release(&e);
		}
		text[i] ^= 0x55;
		if (cn_hook_request_read(text, len, &q, &e) == 0)
			cn_hook_request_release(&q);
		cn_error_release(&e);
		text[i] = was;
	}
}

static void test_other_actions(void **state _unused_)
{
	static const char *const actions[] = {"CREATE", "UPDATE", "SUSPEND", "RESUME"};

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		_cleanup_free_ char *text = cn_asprintf("{\"inputs\": [{\"name\": \"timeout\", \"value\": \"x\"}, {\"name\": "
							"\"deploy_action\", \"value\": \"%s\"}]}",
							actions[i]);
		_cleanup_(cn_hook_answer_release) struct cn_hook_answer a = {};
		struct fakeclock clock;
		struct cn_hook h = {.clock = &clock.clock}; /* no connect: it would crash */
		struct cn_hook_request q = {};
		struct cn_error e = {};

		fakeclock_init(&clock);
		assert_int_equal(cn_hook_request_read(text, strlen(text), &q, &e), 0);
		assert_false(q.drain);
		cn_hook_run(&h, &q, &a);
		assert_int_equal(a.code, 0);
		assert_true(a.ignored);
	}
}

/* --- what goes out ----------------------------------------------------------------------------------------------------- */

static json_t *formatted(const struct cn_hook_answer *a)
{
	_cleanup_free_ char *line = cn_hook_answer_format(a);
	json_t *j = json_loads(line, 0, NULL);

	assert_non_null(j);
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	assert_true(strlen(line) < 32768); /* a pipe takes it without a reader */
	return j;
}

static void test_answers(void **state _unused_)
{
	static const struct {
		enum cn_code error, code;
		const char *outcome;
	} cases[] = {{CN_FAILED, 1, "failed"},   {CN_USAGE, 2, "failed"},        {CN_NOT_FOUND, 1, "failed"},
		     {CN_REFUSED, 4, "refused"}, {CN_TIMEOUT, 5, "stalled"},     {CN_PARTIAL, 1, "failed"},
		     {CN_OK, 1, "failed"},       {CN_INTERRUPTED, 130, "failed"}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(cn_hook_answer_release) struct cn_hook_answer a = {.bytes_moved = 5};
		_cleanup_json_ json_t *j = NULL;
		_cleanup_error_ struct cn_error e = {};

		cn_error_set(&e, cases[i].error, EIO, "no \xff\"word");
		cn_error_hint(&e, "mend it");
		cn_hook_answer_error(&a, &e);
		j = formatted(&a);
		assert_int_equal(json_object_size(j), 6);
		assert_int_equal(a.code, cases[i].code);
		assert_int_equal(cn_json_int(j, "deploy_status_code", -1), cases[i].code);
		assert_string_equal(cn_json_str(j, "outcome", ""), cases[i].outcome);
		assert_int_equal(cn_json_int(j, "bytes_moved", -1), 5);
		assert_string_equal(cn_json_str(j, "reason", ""), "no \xef\xbf\xbd\"word");
		assert_string_equal(cn_json_str(j, "deploy_stderr", ""), "hint: mend it");
	}
}

static void test_notes_are_bounded(void **state _unused_)
{
	_cleanup_(cn_hook_answer_release) struct cn_hook_answer a = {};
	_cleanup_json_ json_t *j = NULL;
	char line[2000];

	memset(line, '\x01', sizeof(line) - 1); /* six bytes each in JSON */
	line[sizeof(line) - 1] = '\0';
	for (int i = 0; i < 500; i++) {
		line[0] = (char)('a' + i % 26);
		cn_hook_answer_note(&a, line);
		cn_hook_answer_note(&a, line);
	}
	cn_hook_answer_note(&a, "the last");
	assert_int_equal(a.notes.n, 12);
	j = formatted(&a);
	assert_has(cn_json_str(j, "deploy_stderr", ""), "the last");
	assert_string_equal(cn_json_str(j, "outcome", ""), "removed");
}

static void test_answer_of_a_dying_process(void **state _unused_)
{
	_cleanup_json_ json_t *j = json_loads(CN_HOOK_ANSWER_DIED, 0, NULL);

	assert_int_equal(json_object_size(j), 6);
	assert_int_equal(cn_json_int(j, "deploy_status_code", 0), 1);
	assert_string_equal(cn_json_str(j, "outcome", ""), "failed");
}

/* --- which machine ----------------------------------------------------------------------------------------------------- */

static void put(const char *root, const char *path, const char *text)
{
	_cleanup_free_ char *full = cn_asprintf("%s/%s", root, path);
	FILE *f;

	for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static char *new_root(void)
{
	char *root = cn_strdup("/tmp/cn-unit-hook.XXXXXX");

	assert_non_null(mkdtemp(root));
	return root;
}

static void drop_root(char *root)
{
	_cleanup_free_ char *command = cn_asprintf("rm -rf '%s'", root);

	assert_int_equal(system(command), 0);
	free(root);
}

static enum cn_server_is is_server(const char *root, const char *server)
{
	struct cn_machine m;
	enum cn_server_is is;

	cn_machine_read(root, &m);
	is = cn_machine_is_server(&m, server);
	cn_machine_release(&m);
	return is;
}

static void test_server(void **state _unused_)
{
	const char *uuid = "sys/class/dmi/id/product_uuid", *name = "sys/class/dmi/id/product_name",
		   *data = "run/cloud-init/instance-data.json", *id = "var/lib/cloud/data/instance-id";
	char *root = new_root();

	assert_int_equal(is_server(root, SERVER), CN_SERVER_UNKNOWN);
	put(root, id, "i-00000042\n"); /* the EC2 data source */
	assert_int_equal(is_server(root, SERVER), CN_SERVER_UNKNOWN);
	put(root, id, SERVER "\n");
	assert_int_equal(is_server(root, SERVER), CN_SERVER_THIS);
	assert_int_equal(is_server(root, "5C122542-2F53-4894-8C24-769FA1882F21"), CN_SERVER_THIS);
	assert_int_equal(is_server(root, "5c122542-2f53-4894-8c24-769fa1882f22"), CN_SERVER_OTHER);
	assert_int_equal(is_server(root, "node3"), CN_SERVER_OTHER);
	assert_int_equal(is_server(root, NULL), CN_SERVER_UNKNOWN);
	put(root, data, "{\"v1\": {\"instance_id\": \"11111111-2f53-4894-8c24-769fa1882f21\"}}"); /* the file is an image's */
	assert_int_equal(is_server(root, SERVER), CN_SERVER_OTHER);
	put(root, data, "{\"v1\": {\"instance_id\": \"i-1\"}, \"ds\": {\"meta_data\": {\"uuid\": \"" SERVER "\"}}}");
	assert_int_equal(is_server(root, SERVER), CN_SERVER_THIS);
	put(root, data, "{\"v1\"");
	assert_int_equal(is_server(root, SERVER), CN_SERVER_THIS); /* by the file again */
	put(root, uuid, "11111111-2f53-4894-8c24-769fa1882f21\n");
	put(root, name, "PowerEdge R740\n"); /* of bare metal it is the board's */
	assert_int_equal(is_server(root, SERVER), CN_SERVER_THIS);
	put(root, name, "OpenStack Nova\n");
	assert_int_equal(is_server(root, SERVER), CN_SERVER_OTHER);
	put(root, uuid, "4225125C-532F-9448-8C24-769FA1882F21\n"); /* SMBIOS before 2.6 */
	assert_int_equal(is_server(root, SERVER), CN_SERVER_THIS);
	put(root, uuid, "\n");
	assert_int_equal(is_server(root, SERVER), CN_SERVER_THIS);
	drop_root(root);
}

static void test_host_names(void **state _unused_)
{
	struct cn_machine m = {.name = (char *)"node2.example.org"};

	assert_true(cn_machine_is_named(&m, "node2.example.org"));
	assert_true(cn_machine_is_named(&m, "Node2"));
	assert_false(cn_machine_is_named(&m, "node2.example.com"));
	assert_false(cn_machine_is_named(&m, "node22"));
	assert_false(cn_machine_is_named(&m, "node"));
	assert_false(cn_machine_is_named(&m, ""));
	m.name = (char *)"";
	assert_false(cn_machine_is_named(&m, ""));
}

/* --- its place --------------------------------------------------------------------------------------------------------- */

static void test_install_and_recover(void **state _unused_)
{
	_cleanup_(cn_strv_release) struct cn_strv done = {};
	char *root = new_root();
	_cleanup_free_ char *script = cn_asprintf("%s/var/lib/heat-config/hooks/cephnode", root);
	struct cn_error e = {};
	struct stat st;
	mode_t old = umask(0077);

	for (int i = 0; i < 2; i++)
		assert_int_equal(cn_hook_install(root, "/usr/sbin/cephnode heat hook", "/usr/sbin/cephnode heat hook --recover",
						 &done, &e),
				 0);
	umask(old);
	assert_int_equal(done.n, 4);
	assert_int_equal(stat(script, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	cn_strv_release(&done);
	assert_int_equal(cn_hook_recover(root, &done, &e), 0); /* nothing was ever deployed */
	put(root, "var/lib/heat-config/deployed/a.json", "{\"group\": \"cephnode\"}");
	put(root, "var/lib/heat-config/deployed/b.json", "{\"group\": \"cephnode\"}");
	put(root, "var/lib/heat-config/deployed/b.notify.json", "{}");
	put(root, "var/lib/heat-config/deployed/c.json", "{\"group\": \"script\"}");
	put(root, "var/lib/heat-config/deployed/d.json", "{\"group\": \"ceph");
	put(root, "var/lib/heat-config/deployed/.json", "{\"group\": \"cephnode\"}");
	assert_int_equal(cn_hook_recover(root, &done, &e), 0);
	assert_int_equal(done.n, 1);
	assert_string_equal(done.v[0], "a.json");
	cn_strv_release(&done);
	assert_int_equal(cn_hook_recover(root, &done, &e), 0);
	assert_int_equal(done.n, 0);
	cn_hook_lock(root);
	put(root, "var/lib/heat-config/deployed/e.json", "{\"group\": \"cephnode\"}");
	assert_int_not_equal(cn_hook_recover(root, &done, &e), 0);
	assert_error(&e, CN_REFUSED, "the hook is running");
	drop_root(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded_requests),
		cmocka_unit_test(test_recorded_metadata),
		cmocka_unit_test(test_inputs),
		cmocka_unit_test(test_bad_inputs),
		cmocka_unit_test(test_torn_requests),
		cmocka_unit_test(test_other_actions),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_notes_are_bounded),
		cmocka_unit_test(test_answer_of_a_dying_process),
		cmocka_unit_test(test_server),
		cmocka_unit_test(test_host_names),
		cmocka_unit_test(test_install_and_recover),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
