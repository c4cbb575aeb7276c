/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What heat retire and heat check say when Heat, Nova or the cluster does not answer. Linked with stand-ins for the requests. */
#include "unit.h"

#include <errno.h>

#include "cephnode/heat/check.h"
#include "cephnode/heat/retire.h"
#include "fakeclock.h"

#define HREF "http://h/v1/p/stacks/"

static struct {
	const char *method, *part; /* requests that fail: method NULL: any */
	int errnum;
	const char *words;
	unsigned patches;
	int match_error; /* of the server s2; 0: it is the node */
	enum cn_code match_code;
} heat;

/* --- Heat, Nova and Ceph --------------------------------------------------------------------------------------------- */

static json_t *resource(const char *name, const char *type, const char *id, const char *of, const char *parent)
{
	_cleanup_free_ char *href = cn_asprintf(HREF "%s", of);

	return json_pack("{ss,ss,ss,ss,ss,ss*,s[{ss,ss}]}", "resource_name", name, "resource_type", type, "physical_resource_id",
			 id, "resource_status", "CREATE_COMPLETE", "resource_status_reason", "", "parent_resource", parent,
			 "links", "href", href, "rel", "stack");
}

static json_t *resources(void)
{
	json_t *l = json_array();

	json_array_append_new(l, resource("storage", "OS::Heat::AutoScalingGroup", "g-id", "S/s-id", NULL));
	for (int i = 1; i <= 2; i++) {
		_cleanup_free_ char *name = cn_asprintf("m%d", i), *id = cn_asprintf("m%d-id", i),
				    *server = cn_asprintf("s%d", i);
		_cleanup_free_ char *in = cn_asprintf("S-m%d/m%d-id", i, i), *gate = cn_asprintf("gate%d", i);

		json_array_append_new(l, resource(name, "node.yaml", id, "S-group/g-id", "storage"));
		json_array_append_new(l, resource("server", "OS::Nova::Server", server, in, name));
		json_array_append_new(l, resource("drain", "OS::Heat::Value", gate, in, name));
	}
	return json_pack("{so}", "resources", l);
}

static json_t *answer(const char *path)
{
	if (strncmp(path, "/servers/", 9) == 0)
		return json_pack("{s{ss,ss,s{s[{ss,si}]}}}", "server", "id", path + 9, "created", "2026-01-01T00:00:00Z",
				 "addresses", "net", "addr", strcmp(path + 9, "s1") == 0 ? "127.0.1.1" : "127.0.1.2", "version",
				 4);
	if (strstr(path, "/resources?"))
		return resources();
	if (strstr(path, "/events"))
		return json_pack("{s[]}", "events");
	if (strstr(path, "/S/s-id/template"))
		return json_pack("{s{s{s{s{ss}}}}}", "resources", "storage", "properties", "desired_capacity", "get_param",
				 "count");
	if (strstr(path, "/template"))
		return json_pack("{s{s{ss},s{ss,s{s{ss}}}}}", "resources", "server", "type", "OS::Nova::Server", "drain", "type",
				 "OS::Heat::Value", "properties", "value", "get_resource", "server");
	if (strstr(path, "/environment"))
		return json_pack("{s{s{s{s{s{ss}}}}}}", "resource_registry", "resources", "storage", "*", "drain", "hooks",
				 "pre-delete");
	return json_pack("{s{ss,ss,ss,si}}", "stack", "stack_name", "S", "id", "s-id", "stack_status", "CREATE_COMPLETE",
			 "timeout_mins", 10080);
}

int __wrap_cn_os_request(struct cn_os *os, enum cn_os_service service, const char *method, const char *path, const json_t *body,
			 struct cn_os_answer *ret, struct cn_error *err);
int __wrap_cn_os_request(struct cn_os *os _unused_, enum cn_os_service service _unused_, const char *method, const char *path,
			 const json_t *body _unused_, struct cn_os_answer *ret, struct cn_error *err)
{
	heat.patches += strcmp(method, "PATCH") == 0;
	if (heat.part && strstr(path, heat.part) && (!heat.method || strcmp(method, heat.method) == 0)) {
		cn_error_set(err, heat.errnum == ENOENT ? CN_NOT_FOUND : CN_FAILED, heat.errnum, "%s", heat.words);
		if (heat.errnum == EPERM)
			cn_error_hint(err, "the role does not allow this");
		return -heat.errnum;
	}
	if (ret)
		*ret = (struct cn_os_answer){.status = 200, .json = answer(path)};
	return 0;
}

const json_t *__wrap_cn_os_token_info(const struct cn_os *os);
const json_t *__wrap_cn_os_token_info(const struct cn_os *os _unused_)
{
	return NULL;
}

int __wrap_cn_inventory_discover(struct cn_cluster *c, struct cn_kube *kube, const char *const *names, size_t n, bool all,
				 struct cn_inventory *ret, struct cn_error *err);
int __wrap_cn_inventory_discover(struct cn_cluster *c _unused_, struct cn_kube *kube _unused_, const char *const *names,
				 size_t n _unused_, bool all _unused_, struct cn_inventory *ret, struct cn_error *err)
{
	if (strcmp(names[0], "node2") != 0)
		return cn_error_set(err, CN_NOT_FOUND, ENOENT, "no such node");
	*ret = (struct cn_inventory){.nodes = cn_calloc(1, sizeof(*ret->nodes)), .n_nodes = 1};
	ret->nodes[0].osds = cn_calloc(1, sizeof(*ret->nodes[0].osds));
	ret->nodes[0].osds[0].osd.id = 2;
	ret->nodes[0].n_osds = 1;
	return 0;
}

int __wrap_cn_match_server(struct cn_cluster *c, struct cn_kube *kube, const struct cn_server *server, int64_t since_ms,
			   struct cn_match *ret, struct cn_error *err);
int __wrap_cn_match_server(struct cn_cluster *c _unused_, struct cn_kube *kube _unused_, const struct cn_server *server,
			   int64_t since_ms _unused_, struct cn_match *ret, struct cn_error *err)
{
	bool second = strcmp(server->id, "s2") == 0;

	if (second && heat.match_error)
		return cn_error_set(err, heat.match_code, heat.match_error, "the cluster says nothing");
	*ret = (struct cn_match){.kind = CN_MATCH_NODE};
	cn_ids_add(&ret->osds, second ? 2 : 1);
	return 0;
}

/* --- retire ---------------------------------------------------------------------------------------------------------- */

static int setup(void **state _unused_)
{
	memset(&heat, 0, sizeof(heat));
	return 0;
}

static void plan(struct cn_retire *r, const char *node)
{
	struct cn_error e = {};

	if (cn_retire_plan(NULL, NULL, NULL, "S", node, r, &e) < 0)
		fail_msg("%s", e.message);
	assert_string_equal(r->member.name, "m2");
	assert_string_equal(r->parameter, "count");
	assert_int_equal(r->size, 1);
}

static void plan_fails(const char *node, enum cn_code code, const char *words)
{
	struct cn_retire r = {};
	struct cn_error e = {};

	assert_true(cn_retire_plan(NULL, NULL, NULL, "S", node, &r, &e) < 0);
	assert_error(&e, code, words);
}

static void test_a_cluster_that_says_nothing(void **state _unused_)
{
	_cleanup_(cn_retire_release) struct cn_retire r = {};

	heat.match_error = ETIMEDOUT;
	heat.match_code = CN_TIMEOUT;
	plan_fails("node2", CN_TIMEOUT, "which member of the stack is node2 cannot be told: the cluster says nothing");
	heat.match_error = ECONNREFUSED;
	heat.match_code = CN_FAILED;
	plan_fails("node2", CN_FAILED, "the cluster says nothing");
	heat.match_error = EINTR;
	heat.match_code = CN_INTERRUPTED;
	plan_fails("node2", CN_INTERRUPTED, "says nothing");
	heat.match_error = ENOTUNIQ; /* a server that is no single node is another one */
	heat.match_code = CN_REFUSED;
	plan_fails("node2", CN_NOT_FOUND, "no member of the stack is node2");
	heat.match_error = ETIMEDOUT; /* by its address it is known without the cluster */
	heat.match_code = CN_TIMEOUT;
	plan(&r, "127.0.1.2");
}

#define RESET "openstack stack resource mark unhealthy --reset S-group m2"

static void test_marked_and_no_size(void **state _unused_)
{
	static const int errors[] = {EBUSY, EPERM, ETIMEDOUT};
	_cleanup_(cn_retire_release) struct cn_retire r = {};
	struct cn_error mark = {};

	plan(&r, "node2");
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		struct cn_error e = {};

		heat.method = "PATCH";
		heat.part = "/stacks/S/s-id";
		heat.errnum = errors[i];
		heat.words = "Heat says no";
		heat.patches = 0;
		assert_int_equal(cn_retire_begin(NULL, &r, &e), -errors[i]);
		assert_int_equal(heat.patches, 2);
		assert_has(e.hint, "the same command goes on");
		assert_has(e.hint, RESET);
		if (errors[i] == EPERM)
			assert_has(e.hint, "the role does not allow this; ");
		assert_error(&e, CN_FAILED, "node m2 is marked to go, but the size could not be set: Heat says no");
	}
	heat.part = "/stacks/S-group/"; /* the mark itself */
	assert_true(cn_retire_begin(NULL, &r, &mark) < 0);
	assert_error(&mark, CN_FAILED, "cannot choose the node: Heat says no");
}

static void test_heat_does_not_begin(void **state _unused_)
{
	_cleanup_(cn_retire_release) struct cn_retire r = {};
	struct fakeclock clock;
	struct cn_error e = {};

	fakeclock_init(&clock);
	plan(&r, "node2");
	assert_int_equal(cn_retire_wait(NULL, &r, &clock.clock, &e), -EBUSY);
	assert_has(e.hint, "does another update of the stack run?");
	assert_has(e.hint, RESET);
	assert_error(&e, CN_FAILED, "Heat does not begin to delete node m2");
	r.again = true; /* then it is failed, not marked */
	assert_int_equal(cn_retire_wait(NULL, &r, &clock.clock, &e), -EBUSY);
	assert_null(strstr(e.hint, "--reset"));
	cn_error_release(&e);
}

static int interrupt(struct fakeclock *f _unused_, void *arg _unused_)
{
	return -EINTR;
}

static void test_interrupted(void **state _unused_)
{
	_cleanup_(cn_retire_release) struct cn_retire r = {};
	struct fakeclock clock;
	struct cn_error e = {};

	fakeclock_init(&clock);
	clock.on_wait = interrupt;
	plan(&r, "node2");
	assert_int_equal(cn_retire_wait(NULL, &r, &clock.clock, &e), -EINTR);
	assert_has(e.hint, "its deletion goes on");
	assert_has(e.hint, "the same command watches it again");
	assert_has(e.hint, "openstack stack cancel --no-rollback S-group");
	assert_error(&e, CN_INTERRUPTED, "interrupted");
}

/* --- check ----------------------------------------------------------------------------------------------------------- */

static void unread(const char *part, int errnum, const char *text, const char *mend)
{
	_cleanup_(cn_members_release) struct cn_members members = {};
	_cleanup_(cn_findings_release) struct cn_findings l = {};
	struct cn_error e = {};
	bool there = false;

	heat.part = part;
	heat.errnum = errnum;
	heat.words = "Heat says no";
	assert_int_equal(cn_heat_check_stack(NULL, "S", &members, &l, &e), 0);
	assert_true(l.incomplete);
	for (size_t i = 0; i < l.n; i++) {
		bool this = strncmp(l.v[i].text, text, strlen(text)) == 0;

		assert_false(this && there);
		there |= this;
		assert_true(!this || strcmp(l.v[i].mend, mend) == 0);
	}
	if (!there)
		fail_msg("nothing says: %s", text);
}

static void test_what_check_cannot_read(void **state _unused_)
{
	static const int other[] = {ETIMEDOUT, ENOENT, EREMOTEIO};
	static const char owner[] = "run this once as the stack's owner";

	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		unread("/template", other[i], "templates could not be read (Heat says no)", "check again");
		unread("/environment", other[i], "the environment could not be read (Heat says no)", "check again");
	}
	unread("/template", EPERM, "the credential may not read templates", owner);
	unread("/template", EACCES, "the credential may not read templates", owner);
	unread("/environment", EPERM, "the credential may not read the environment", owner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_cluster_that_says_nothing, setup),
		cmocka_unit_test_setup(test_marked_and_no_size, setup),
		cmocka_unit_test_setup(test_heat_does_not_begin, setup),
		cmocka_unit_test_setup(test_interrupted, setup),
		cmocka_unit_test_setup(test_what_check_cannot_read, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
