/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What heat retire and heat check say when Heat, Nova or the cluster does not answer. Linked with stand-ins for the requests. */
#include "unit.h"

#include <errno.h>

#include "cephnode/heat/check.h"
#include "cephnode/heat/retire.h"
#include "fakeclock.h"

#define HREF "http://h/v1/p/stacks/"
#define CLUSTER ((struct cn_cluster *)&looks) /* only its being there counts */

static struct {
	const char *method, *part; /* requests that fail: method NULL: any */
	int errnum;
	const char *words;
	unsigned patches;
	int match_error; /* of the server s2; 0: it is the node */
	enum cn_code match_code;
	enum cn_match_kind match; /* else */
	const char *status;       /* of m2; NULL: CREATE_COMPLETE */
	bool no_drain;            /* m2 has no gate any more */
	bool alone;               /* m1 is gone */
	bool own_way;             /* deployments, no gates */
	bool another;             /* of m2 only a deployment is left, of whatever group */
	unsigned gone_after;      /* so many lists of resources; 0: never */
	unsigned lists;
} heat;

/* What cn_drain_status() finds, one look after the other; the last one stays. */
static struct {
	const char *phase; /* NULL: no drain; "": Ceph does not answer */
	int64_t left;      /* -1: the manager says nothing */
	int osd;
} looks[8];
static size_t n_looks, at_look;
static const char *asked; /* the name of the last look */

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
	for (int i = heat.alone ? 2 : 1; i <= 2; i++) {
		_cleanup_free_ char *name = cn_asprintf("m%d", i), *id = cn_asprintf("m%d-id", i),
				    *server = cn_asprintf("s%d", i);
		_cleanup_free_ char *in = cn_asprintf("S-m%d/m%d-id", i, i), *gate = cn_asprintf("gate%d", i);

		json_array_append_new(l, resource(name, "node.yaml", id, "S-group/g-id", "storage"));
		if (i == 2 && heat.status)
			json_object_set_new(json_array_get(l, json_array_size(l) - 1), "resource_status",
					    json_string(heat.status));
		json_array_append_new(l, resource("server", "OS::Nova::Server", server, in, name));
		if (i == 1 || !heat.no_drain)
			json_array_append_new(l,
					      resource("drain",
						       heat.own_way || (i == 2 && heat.another) ? "OS::Heat::SoftwareDeployment"
												: "OS::Heat::Value",
						       gate, in, name));
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
		return heat.gone_after && ++heat.lists > heat.gone_after ? json_pack("{s[]}", "resources") : resources();
	if (strstr(path, "/events"))
		return json_pack("{s[]}", "events");
	if (strstr(path, "/S/s-id/template"))
		return json_pack("{s{s{s{s{ss}}}}}", "resources", "storage", "properties", "desired_capacity", "get_param",
				 "count");
	if (strstr(path, "/m2-id/template") && heat.status && strncmp(heat.status, "DELETE", 6) == 0)
		return json_pack("{s{}}", "resources"); /* as Heat deletes a stack */
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
	*ret = (struct cn_match){.kind = second ? heat.match : CN_MATCH_NODE};
	if (ret->kind == CN_MATCH_NODE)
		cn_ids_add(&ret->osds, second ? 2 : 1);
	return 0;
}

int __wrap_cn_drain_status(struct cn_drain_context *ctx, const char *name, struct cn_status_memory *memory, json_t **ret,
			   struct cn_error *err);
int __wrap_cn_drain_status(struct cn_drain_context *ctx _unused_, const char *name, struct cn_status_memory *memory, json_t **ret,
			   struct cn_error *err)
{
	size_t i = MIN(at_look, n_looks - 1);
	json_t *drain;

	at_look++;
	assert_non_null(memory); /* else there is no rate of the last half minute */
	asked = name;
	if (looks[i].phase && !*looks[i].phase)
		return cn_error_set(err, CN_TIMEOUT, ETIMEDOUT, "no monitor quorum");
	*ret = json_pack("{s[{ss,s[i]}]}", "drains", "phase", "wait", "osds", 7); /* another node's */
	if (!looks[i].phase)
		return 0;
	drain = json_pack("{ss,s[i],sI,sI,sI,sn,sI}", "phase", looks[i].phase, "osds", looks[i].osd, "bytes_total",
			  (json_int_t)1000, "bytes_left", (json_int_t)looks[i].left, "pgs_left", (json_int_t)3, "eta_seconds",
			  "bytes_per_second", (json_int_t)20);
	if (looks[i].left < 0)
		json_object_set_new(drain, "bytes_left", json_null());
	json_array_append_new(cn_json_arr(*ret, "drains"), drain);
	return 0;
}

int __wrap_cn_health_get(struct cn_cluster *c, struct cn_health *ret, struct cn_error *err);
int __wrap_cn_health_get(struct cn_cluster *c _unused_, struct cn_health *ret, struct cn_error *err _unused_)
{
	*ret = (struct cn_health){.status = cn_strdup("HEALTH_WARN")};
	return 0;
}

/* --- retire ---------------------------------------------------------------------------------------------------------- */

/* What goes to the sink, as words: "wait begin, 900, 800, wait end". */
static char told[1024];
static int64_t moved;

static void tell(struct cn_sink *sink _unused_, const json_t *event)
{
	const char *kind = cn_json_str(event, "event", "?");
	size_t len = strlen(told);
	char *at = told + len;
	size_t room = sizeof(told) - len;

	assert_int_equal(cn_json_int(event, "schema", 0), 1);
	assert_string_equal(cn_json_str(event, "node", ""), "node2");
	assert_true(cn_time_parse(cn_json_str(event, "time", "")) > 0);
	if (strcmp(kind, "step") == 0) {
		snprintf(at, room, "%s %s, ", cn_json_str(event, "step", "?"), cn_json_str(event, "state", "?"));
	} else if (strcmp(kind, "progress") == 0) {
		assert_int_equal(cn_json_int(event, "pgs_left", 0), 3);
		assert_int_equal(cn_json_int(event, "bytes_total", 0), 1000);
		assert_int_equal(cn_json_int(event, "bytes_per_second", 0), 20);
		assert_true(json_is_null(json_object_get(event, "eta_seconds")));
		assert_string_equal(cn_json_str(event, "health", ""), "HEALTH_WARN");
		snprintf(at, room, "%lld, ", (long long)cn_json_int(event, "bytes_left", -1));
	} else {
		snprintf(at, room, "%s: %s, ", kind, cn_json_str(event, "message", ""));
	}
}

static void clear(void *arg _unused_)
{
	strcat(told, "clear, ");
}

static int watch(const struct cn_retire *r, struct fakeclock *clock, bool ceph, struct cn_error *err)
{
	struct cn_sink sink = {.emit = tell};
	struct cn_drain_context drain = {.clock = &clock->clock, .sink = &sink, .cluster = ceph ? CLUSTER : NULL};
	struct cn_retire_watch w = {.drain = &drain, .clear = clear};
	int e = cn_retire_wait(NULL, r, &w, err);

	moved = w.bytes_moved;
	return e;
}

static int setup(void **state _unused_)
{
	memset(&heat, 0, sizeof(heat));
	memset(looks, 0, sizeof(looks));
	n_looks = 1;
	at_look = 0;
	told[0] = '\0';
	return 0;
}

static void plan(struct cn_retire *r, const char *node)
{
	struct cn_error e = {};

	if (cn_retire_plan(NULL, CLUSTER, NULL, "S", node, r, &e) < 0)
		fail_msg("%s", e.message);
	assert_string_equal(r->member.name, "m2");
	assert_string_equal(r->parameter, "count");
	assert_int_equal(r->size, 1);
}

static void plan_fails(const char *node, enum cn_code code, const char *words)
{
	struct cn_retire r = {};
	struct cn_error e = {};

	assert_true(cn_retire_plan(NULL, CLUSTER, NULL, "S", node, &r, &e) < 0);
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
	assert_int_equal(watch(&r, &clock, false, &e), -EBUSY);
	assert_has(e.hint, "does another update of the stack run?");
	assert_has(e.hint, RESET);
	assert_error(&e, CN_FAILED, "Heat does not begin to delete node m2");
	r.again = true; /* then it is failed, not marked */
	assert_int_equal(watch(&r, &clock, false, &e), -EBUSY);
	assert_null(strstr(e.hint, "--reset"));
	cn_error_release(&e);
}

/* What began is gone on with, though Heat shows no template of it any more; not where the server would go before its data. */
static void test_again(void **state _unused_)
{
	_cleanup_(cn_retire_release) struct cn_retire watch = {}, again = {}, blind = {}, empty = {}, last = {};
	struct cn_error e = {};

	heat.status = "DELETE_IN_PROGRESS";
	plan(&watch, "node2");
	assert_int_equal(cn_retire_begin(NULL, &watch, &e), 0);
	assert_int_equal(heat.patches, 0);
	heat.status = "DELETE_FAILED";
	plan(&again, "node2");
	assert_int_equal(cn_retire_begin(NULL, &again, &e), 0);
	assert_int_equal(heat.patches, 1); /* the size, no mark */
	heat.part = "/m1-id/template";     /* the other member tells */
	heat.errnum = EPERM;
	heat.words = "Heat says no";
	plan_fails("node2", CN_FAILED, "would wait for its drain cannot be read: Heat says no");
	heat.part = NULL;
	heat.no_drain = true;
	plan_fails("node2", CN_REFUSED, "nothing of node m2 waits for a drain any more, and it has OSDs");
	plan_fails("127.0.1.2", CN_REFUSED, "and it has OSDs"); /* also where NODE is an address that no OSD has */
	heat.match = CN_MATCH_NONE;
	plan_fails("127.0.1.2", CN_REFUSED, "nothing says that it was drained");
	assert_int_equal(cn_retire_plan(NULL, NULL, NULL, "S", "127.0.1.2", &blind, &e), -EPERM);
	assert_error(&e, CN_REFUSED, "whether it has OSDs cannot be told without Ceph");
	heat.match = CN_MATCH_REMOVED;
	plan(&empty, "127.0.1.2"); /* only the server is left */
	heat.match = CN_MATCH_NODE;
	heat.no_drain = false;
	heat.another = true;
	plan_fails("node2", CN_REFUSED, "nothing of node m2 waits for a drain any more, and it has OSDs");
	heat.another = false;
	heat.alone = true;
	heat.own_way = true;
	plan_fails("node2", CN_REFUSED, "no other node of its group tells");
	heat.own_way = false;
	assert_int_equal(cn_retire_plan(NULL, CLUSTER, NULL, "S", "node2", &last, &e), 0);
	assert_int_equal(last.size, 0);
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
	assert_int_equal(watch(&r, &clock, false, &e), -EINTR);
	assert_has(e.hint, "its deletion goes on");
	assert_has(e.hint, "the same command watches it again");
	assert_has(e.hint, "openstack stack cancel --no-rollback S-group");
	assert_error(&e, CN_INTERRUPTED, "interrupted");
}

/* Watches until the member is gone, with so many looks before. */
static void watched(const struct cn_retire *r, unsigned n, const char *words)
{
	struct fakeclock clock;
	struct cn_error e = {};

	fakeclock_init(&clock);
	heat.gone_after = n + heat.lists;
	at_look = 0;
	told[0] = '\0';
	if (watch(r, &clock, true, &e) < 0)
		fail_msg("%s", e.message);
	assert_string_equal(told, words);
	heat.gone_after = 0;
}

static void test_the_drain_is_told(void **state _unused_)
{
	_cleanup_(cn_retire_release) struct cn_retire r = {};

	plan(&r, "node2");
	looks[1] = (typeof(looks[0])){"reweight", 1000, 2};
	looks[2] = (typeof(looks[0])){"wait", 900, 2};
	looks[3] = (typeof(looks[0])){"wait", -1, 2}; /* a new manager */
	looks[4] = (typeof(looks[0])){"wait", 300, 2};
	looks[5] = (typeof(looks[0])){"drained", 0, 2};
	looks[6] = (typeof(looks[0])){"purge", 0, 2};
	n_looks = 8;
	watched(&r, 9, "reweight begin, clear, wait begin, 900, 300, wait end, purge begin, clear, ");
	assert_null(asked);
	assert_int_equal(at_look, 9);
	assert_int_equal(moved, 1000);
	looks[1].osd = 8; /* of others nothing is told */
	looks[2].phase = NULL;
	n_looks = 3;
	watched(&r, 5, "");
}

static void test_a_drain_that_is_taken_back(void **state _unused_)
{
	_cleanup_(cn_retire_release) struct cn_retire r = {};

	plan(&r, "node2");
	looks[0] = (typeof(looks[0])){"wait", 400, 2};
	looks[1] = (typeof(looks[0])){"cancel", 400, 2};
	n_looks = 3;
	watched(&r, 4, "wait begin, 400, clear, ");
	assert_int_equal(moved, 600);
}

#define AWAY "warning: Ceph does not tell how far the drain is (no monitor quorum); Heat is watched all the same, "

static void test_without_ceph(void **state _unused_)
{
	_cleanup_(cn_retire_release) struct cn_retire r = {};
	struct fakeclock clock;
	struct cn_error e = {};

	plan(&r, "node2");
	looks[0] = (typeof(looks[0])){"wait", 400, 2};
	looks[1].phase = looks[3].phase = "";
	looks[2] = (typeof(looks[0])){"wait", 300, 2};
	n_looks = 4;
	watched(&r, 40, "wait begin, 400, clear, " AWAY "300, clear, clear, clear, ");
	assert_int_equal(at_look, 6); /* it waits between looks, Heat does not */
	fakeclock_init(&clock);
	heat.gone_after = heat.lists + 3;
	told[0] = '\0';
	at_look = 0;
	assert_int_equal(watch(&r, &clock, false, &e), 0); /* none was reached at all */
	assert_int_equal(at_look, 0);
	assert_string_equal(told, "");
}

static void test_by_address_alone(void **state _unused_)
{
	struct cn_retire r = {};
	struct cn_error e = {};

	heat.match_error = ETIMEDOUT; /* nobody asks a cluster that is not there */
	heat.match_code = CN_TIMEOUT;
	assert_int_equal(cn_retire_plan(NULL, NULL, NULL, "S", "ip:127.0.1.2", &r, &e), 0);
	assert_string_equal(r.server, "s2");
	assert_int_equal(r.osds.n, 0);
	free(r.node);
	r.node = cn_strdup("node2"); /* as the sink wants it */
	looks[0] = (typeof(looks[0])){"wait", 400, 2};
	watched(&r, 1, "wait begin, 400, ");
	assert_string_equal(asked, "node2"); /* the name finds the drain where no OSD can */
	cn_retire_release(&r);
	assert_true(cn_retire_plan(NULL, NULL, NULL, "S", "127.0.1.9", &r, &e) < 0);
	assert_error(&e, CN_NOT_FOUND, "no member of the stack is 127.0.1.9");
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

static void test_check_of_one_that_is_deleted(void **state _unused_)
{
	_cleanup_(cn_members_release) struct cn_members members = {};
	_cleanup_(cn_findings_release) struct cn_findings l = {};
	struct cn_error e = {};

	heat.status = "DELETE_FAILED";
	assert_int_equal(cn_heat_check_stack(NULL, "S", &members, &l, &e), 0);
	assert_int_equal(members.n, 2);
	for (size_t i = 0; i < l.n; i++)
		assert_null(strstr(l.v[i].text, "no gate and no deployment"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_cluster_that_says_nothing, setup),
		cmocka_unit_test_setup(test_marked_and_no_size, setup),
		cmocka_unit_test_setup(test_heat_does_not_begin, setup),
		cmocka_unit_test_setup(test_again, setup),
		cmocka_unit_test_setup(test_interrupted, setup),
		cmocka_unit_test_setup(test_the_drain_is_told, setup),
		cmocka_unit_test_setup(test_a_drain_that_is_taken_back, setup),
		cmocka_unit_test_setup(test_without_ceph, setup),
		cmocka_unit_test_setup(test_by_address_alone, setup),
		cmocka_unit_test_setup(test_what_check_cannot_read, setup),
		cmocka_unit_test_setup(test_check_of_one_that_is_deleted, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
