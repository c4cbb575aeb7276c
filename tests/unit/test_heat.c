/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What Heat and Nova answer, by recorded answers and by garbage. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "cephnode/heat/match.h"
#include "heat/stamp.h"
#include "heat/token.h"

/* The body of a recorded exchange: new reference. */
static json_t *recorded(const char *name)
{
	_cleanup_free_ char *path = cn_asprintf("../heat/fixtures/agent/%s.http", name), *text = cn_calloc(1, 1 << 20);
	FILE *f = fopen(path, "r");
	const char *body;
	json_t *j;

	if (!f)
		fail_msg("cannot open %s", path);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	body = strstr(text, "\nHTTP/1.1 ");
	body = body ? strstr(body, "\n\n") : NULL;
	assert_non_null(body);
	j = json_loads(body, 0, NULL);
	assert_non_null(j);
	return j;
}

static void test_stamps(void **state _unused_)
{
	assert_int_equal(cn_os_time("1970-01-01T00:00:01Z"), 1000);
	assert_int_equal(cn_os_time("1970-01-01T00:00:01.250000Z"), 1250);
	assert_int_equal(cn_os_time("1970-01-01T00:00:01"), 1000);
	assert_int_equal(cn_os_time("1970-01-01T00:00:01+00:00"), 1000);
	assert_int_equal(cn_os_time("1970-01-01T00:00:01+02:00"), -1);
	assert_int_equal(cn_os_time("yesterday"), -1);
	assert_int_equal(cn_os_time(""), -1);
	assert_int_equal(cn_os_time(NULL), -1);
}

static void test_refs(void **state _unused_)
{
	static const char *const bad[] = {NULL,
					  "",
					  "http://h/v1/p",
					  "/stacks/",
					  "/stacks/a",
					  "/stacks/a/",
					  "/stacks//b",
					  "/stacks/../b",
					  "/stacks/a/..",
					  "/stacks/a%2f/b",
					  "/stacks/a b/c",
					  "/stacks/a/b#c",
					  "/stacks/a\n/b"};
	struct cn_stack_ref s = {};

	assert_true(cn_stack_ref_parse("http://elsewhere:1/v1/p/stacks/storage1/b05c-1/resources/drain", &s));
	assert_string_equal(s.name, "storage1");
	assert_string_equal(s.id, "b05c-1");
	cn_stack_ref_release(&s);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(cn_stack_ref_parse(bad[i], &s));
}

static void test_members(void **state _unused_)
{
	_cleanup_json_ json_t *idle = recorded("poll-idle-200"), *deleting = recorded("poll-deleting-200"),
			      *after = recorded("poll-after-200");
	struct cn_members l;

	cn_members_read(idle, &l);
	assert_int_equal(l.n, 3);
	for (size_t i = 0; i < l.n; i++) {
		assert_true(l.v[i].gate);
		assert_int_equal(l.v[i].servers.n, 1);
		assert_true(cn_member_is(&l.v[i], "CREATE_COMPLETE"));
		assert_string_equal(l.v[i].group, "storage");
	}
	cn_members_release(&l);
	cn_members_read(deleting, &l);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.v[0].name, "5j4klxo6tsph"); /* by name */
	assert_true(cn_member_is(&l.v[0], "DELETE_IN_PROGRESS"));
	assert_string_equal(l.v[0].stack.id, "14947cd9-027a-4ca1-8061-0524e256c75b");
	assert_string_equal(l.v[0].stack.name, "storage1-storage-pc7u34o5bnni-5j4klxo6tsph-hiyqze7c4ya7");
	assert_string_equal(l.v[0].servers.v[0], "8fe2b259-1605-4987-91c0-201de309bcc5");
	assert_true(cn_member_is(&l.v[1], "CREATE_COMPLETE"));
	cn_members_release(&l);
	cn_members_read(after, &l); /* its row is still there, DELETE_COMPLETE, without gate and server */
	assert_int_equal(l.n, 2);
	assert_true(strcmp(l.v[0].name, "hqvlpjjfau6c") == 0 && cn_member_is(&l.v[0], "UPDATE_IN_PROGRESS"));
	assert_true(strcmp(l.v[1].name, "xu4c55xy3mwv") == 0 && cn_member_is(&l.v[1], "UPDATE_COMPLETE"));
	cn_members_release(&l);
}

/* Each value of a recorded answer, one after the other, is replaced by something else: nothing crashes. */
static void break_each(json_t *root, json_t *at, void (*read)(const json_t *))
{
	static const char *const junk[] = {"null", "7", "\"x\"", "[]", "{}", "[[1]]", "\"/stacks/../..\""};
	const char *key;
	json_t *v;
	size_t i;
	void *tmp;

	for (size_t k = 0; k < ARRAY_SIZE(junk); k++) {
		json_object_foreach_safe (at, tmp, key, v) {
			_cleanup_json_ json_t *old = json_incref(v);
			_cleanup_free_ char *name = cn_strdup(key);

			json_object_set_new(at, name, json_loads(junk[k], JSON_DECODE_ANY, NULL));
			read(root);
			json_object_set(at, name, old);
		}
	}
	json_object_foreach (at, key, v)
		break_each(root, v, read);
	json_array_foreach (at, i, v)
		break_each(root, v, read);
}

static void read_members(const json_t *j)
{
	struct cn_members l;

	cn_members_read(j, &l);
	for (size_t i = 0; i < l.n; i++)
		assert_true(l.v[i].name && l.v[i].status && l.v[i].reason && l.v[i].stack.id);
	cn_members_release(&l);
}

static void read_gate(const json_t *j)
{
	struct cn_gate g;

	cn_gate_read(j, &g);
}

static void read_server(const json_t *j)
{
	struct cn_server s;

	cn_server_read(j, &s);
	assert_non_null(s.id);
	cn_server_release(&s);
}

static void test_broken_answers(void **state _unused_)
{
	static const struct {
		const char *name;
		void (*read)(const json_t *);
	} all[] = {{"poll-deleting-200", read_members},
		   {"gate-events-paused-200", read_gate},
		   {"nova-server-show-200", read_server}};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		_cleanup_json_ json_t *j = recorded(all[i].name), *null = json_null();

		break_each(j, j, all[i].read);
		all[i].read(null);
		all[i].read(NULL);
	}
}

static void test_gates(void **state _unused_)
{
	_cleanup_json_ json_t *paused = recorded("gate-events-paused-200"), *cleared = recorded("gate-events-cleared-200");
	_cleanup_json_ json_t *none = json_pack("{s[]}", "events");
	struct cn_gate g;

	cn_gate_read(paused, &g);
	assert_true(g.waits);
	assert_int_equal(g.since_ms, cn_os_time("2026-11-22T11:40:41Z"));
	cn_gate_read(cleared, &g);
	assert_false(g.waits);
	cn_gate_read(none, &g);
	assert_false(g.waits);
	assert_int_equal(g.since_ms, -1);
	/* only the newest counts, and only the gate's own */
	json_array_insert_new(cn_json_arr(paused, "events"), 0,
			      json_pack("{ss,ss}", "resource_name", "drain", "resource_status_reason", "state changed"));
	cn_gate_read(paused, &g);
	assert_false(g.waits);
	json_array_remove(cn_json_arr(paused, "events"), 0);
	json_object_set_new(json_array_get(cn_json_arr(paused, "events"), 0), "resource_name", json_string("server"));
	cn_gate_read(paused, &g);
	assert_false(g.waits);
}

static void test_servers(void **state _unused_)
{
	_cleanup_json_ json_t *one = recorded("nova-server-show-200");
	_cleanup_json_ json_t *many =
		json_loads("{\"server\":{\"id\":\"s\",\"addresses\":{\"a\":[{\"addr\":\"10.0.0.1\"},{\"addr\":\"fd00::0:1\"},"
			   "{\"addr\":\"junk\"},{\"addr\":7}],\"b\":[{\"addr\":\"10.0.0.2\"}],\"c\":{}}}}",
			   0, NULL);
	struct cn_server s;
	char buf[CN_IP_STRLEN];

	cn_server_read(one, &s);
	assert_int_equal(s.n_addresses, 1);
	assert_string_equal(cn_ip_format(&s.addresses[0], buf), "127.0.1.47");
	assert_int_equal(s.created_ms, cn_os_time("2026-11-22T11:40:29Z"));
	cn_server_release(&s);
	cn_server_read(many, &s);
	assert_int_equal(s.n_addresses, 3);
	assert_int_equal(s.created_ms, -1);
	cn_server_release(&s);
}

/* --- match --- */

static void test_journals_that_speak(void **state _unused_)
{
	static const struct {
		const char *spec, *kube_node;
		enum cn_phase phase;
		bool without, with; /* an API now */
	} all[] = {
		{"10.0.0.4", NULL, CN_PHASE_DONE, true, true},
		{"host:node4", NULL, CN_PHASE_WAIT, true, true},
		{"osd.3", NULL, CN_PHASE_DONE, false, false},
		{"osd:3", "k4", CN_PHASE_DONE, false, false},
		{"osd.3", NULL, CN_PHASE_WAIT, false, false},
		{"10.0.0.4", "k4", CN_PHASE_DONE, false, true},
		{"ip:fd00::4", "k4", CN_PHASE_PURGE, false, true},
		{"kube:k4", "k4", CN_PHASE_DONE, false, true},
		{"k4", "k4", CN_PHASE_DONE, false, true},
		{"osd-pod-7", "k4", CN_PHASE_DONE, false, false}, /* one CRUSH host of several on that node */
		{"host:k4", "k4", CN_PHASE_WAIT, false, false},
		{"k4", "k4", CN_PHASE_CANCELLED, true, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const struct cn_journal j = {
			.spec = (char *)all[i].spec, .kube_node = (char *)all[i].kube_node, .phase = all[i].phase};

		if (cn_journal_speaks(&j, false) != all[i].without || cn_journal_speaks(&j, true) != all[i].with)
			fail_msg("%s of %s", all[i].spec, all[i].kube_node ? all[i].kube_node : "no pods");
	}
}

static void test_token(void **state _unused_)
{
	char interface[] = "public", other[] = "Two", nova[] = "https://nova/v2.1//";
	struct cn_os_config c = {.interface = interface};
	_cleanup_json_ json_t *doc = recorded("../keystone/login-stack-user-201"), *entry = NULL;
	_cleanup_error_ struct cn_error err = {};
	struct cn_os_token t = {};
	json_t *compute = NULL;
	size_t i;

	assert_int_equal(cn_os_token_read(doc, &c, &t, &err), 0);
	assert_string_equal(t.url[CN_OS_NOVA], "http://127.0.0.1:25003/compute/v2.1");
	assert_int_equal(t.life_ms, 3600000);
	cn_os_token_release(&t);
	c.nova_url = nova;
	assert_int_equal(cn_os_token_read(doc, &c, &t, &err), 0);
	assert_string_equal(t.url[CN_OS_NOVA], "https://nova/v2.1");
	cn_os_token_release(&t);
	c.nova_url = NULL;
	json_array_foreach (cn_json_arr(cn_json_obj(doc, "token"), "catalog"), i, compute)
		if (strcmp(cn_json_str(compute, "type", ""), "compute") == 0)
			break;
	entry = json_pack("{ssssss}", "interface", "public", "region_id", other, "url", "https://two/");
	json_array_append(cn_json_arr(compute, "endpoints"), entry);
	assert_int_equal(cn_os_token_read(doc, &c, &t, &err), -ENOTUNIQ);
	assert_has(err.message, "Nova is in several regions");
	cn_error_release(&err);
	assert_int_equal(cn_os_token_read(NULL, &c, &t, &err), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stamps),
		cmocka_unit_test(test_refs),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_gates),
		cmocka_unit_test(test_broken_answers),
		cmocka_unit_test(test_servers),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_journals_that_speak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
