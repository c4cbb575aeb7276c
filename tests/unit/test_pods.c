/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pods as API servers list them (recorded from 1.20 and 1.34, see tests/contract), and where each flavour is looked for. */
#include <errno.h>
#include <stdio.h>

#include "unit.h"

#include "cephnode/kube/pods.h"

#define DATA "../contract/data/kube/"

/* --- the client, as this test needs it --- */

struct answer {
	const char *path, *selector; /* what is asked for */
	json_t *items;               /* owned */
	int code;                    /* 0 or -errno */
};

static struct {
	struct cn_kube_options options;
	struct cn_kube_config config;
	struct answer answers[8];
	size_t n;
	struct cn_strv asked; /* "PATH SELECTOR" */
	bool restarts;        /* each list begins anew once */
} api;

const struct cn_kube_config *cn_kube_config(const struct cn_kube *k _unused_)
{
	return &api.config;
}

const struct cn_kube_options *cn_kube_options(const struct cn_kube *k _unused_)
{
	return &api.options;
}

char *cn_kube_escape(const char *s) /* the texts below are easier to read without */
{
	return cn_strdup(s);
}

int cn_kube_list(struct cn_kube *k _unused_, const char *path, const char *query,
		 int (*fn)(void *arg, const json_t *item, struct cn_error *err), void (*restart)(void *arg), void *arg,
		 struct cn_error *err)
{
	const char *selector = query + strlen("labelSelector=");
	const json_t *item;
	size_t i;

	cn_strv_addf(&api.asked, "%s %s", path, selector);
	for (size_t a = 0; a < api.n; a++) {
		if (strcmp(api.answers[a].path, path) != 0 || !strstr(selector, api.answers[a].selector))
			continue;
		if (api.answers[a].code == -EPERM)
			cn_error_set(err, CN_FAILED, EPERM, "pods is forbidden in %s", path);
		else if (api.answers[a].code < 0)
			cn_error_set(err, CN_TIMEOUT, api.answers[a].code, "no answer");
		if (api.answers[a].code < 0)
			return api.answers[a].code;
		for (int round = 0; round <= api.restarts; round++) {
			if (round)
				restart(arg);
			json_array_foreach (api.answers[a].items, i, item)
				assert_int_equal(fn(arg, item, err), 0);
		}
	}
	return 0;
}

static void answers(const char *path, const char *selector, json_t *items, int code)
{
	api.answers[api.n++] = (struct answer){path, selector, items, code};
}

static int setup(void **state _unused_)
{
	memset(&api, 0, sizeof(api));
	return 0;
}

static int teardown(void **state _unused_)
{
	for (size_t i = 0; i < api.n; i++)
		json_decref(api.answers[i].items);
	cn_strv_release(&api.asked);
	return 0;
}

/* The body of a recorded answer, or its items. */
static json_t *recorded(const char *version, const char *name)
{
	_cleanup_free_ char *path = cn_asprintf(DATA "%s/%s.http", version, name);
	_cleanup_free_ char *text = cn_calloc(1, 1 << 20);
	_cleanup_json_ json_t *body = NULL;
	FILE *f = fopen(path, "r");
	json_t *items;

	if (!f)
		fail_msg("cannot open %s", path);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	body = json_loads(strchr(text, '{'), 0, NULL);
	assert_non_null(body);
	items = json_object_get(body, "items");
	return json_incref(items ? items : body);
}

static json_t *one_pod(const char *ns, const char *name, const char *app)
{
	return json_pack("[{s{ss,ss,s{ss}},s{ss}}]", "metadata", "namespace", ns, "name", name, "labels", "app", app, "spec",
			 "nodeName", "n1");
}

/* --- one pod --- */

static const char *const versions[] = {"k8s-1.20.2", "k8s-1.34.9"};

static void test_recorded_pods(void **state _unused_)
{
	static const struct {
		const char *name, *state, *node, *host_ip;
		enum cn_pod_role role;
		size_t ips;
	} want[] = {
		{"ceph-osd-40xyz", "running", "127.0.1.40", "127.0.1.40", CN_POD_OSD, 1},
		{"ceph-osd-4a1b2", "running", "127.0.1.4", "127.0.1.4", CN_POD_OSD, 1},
		{"ceph-osd-5c6d7", "crash-looping", "127.0.1.5", "127.0.1.5", CN_POD_OSD, 1},
		{"ceph-osd-5dead", "terminating", "127.0.1.5", "127.0.1.5", CN_POD_OSD, 1},
		{"ceph-osd-activate-9x8y7", "running", "127.0.1.4", "127.0.1.4", CN_POD_ACTIVATE, 1},
		{"ceph-osd-evict", "evicted", "127.0.1.4", "-", CN_POD_OSD, 0},
		{"ceph-osd-n1abc", "running", "osd-node-1", "127.0.1.6", CN_POD_OSD, 1},
		{"ceph-osd-n2abc", "running", "osd-node-2.example.net", "127.0.1.7", CN_POD_OSD, 1},
		{"ceph-osd-pend1", "pending", NULL, "-", CN_POD_OSD, 0},
		{"ceph-osd-prepare-c3d4f", "completed", "127.0.1.4", "127.0.1.4", CN_POD_PREPARE, 1},
	};
	char buf[CN_IP_STRLEN];

	for (size_t v = 0; v < ARRAY_SIZE(versions); v++) {
		_cleanup_json_ json_t *items = recorded(versions[v], "pods-label");

		assert_int_equal(json_array_size(items), ARRAY_SIZE(want));
		for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
			struct cn_pod p;

			cn_pod_read(json_array_get(items, i), CN_FLAVOUR_CEPH_DOCKER, NULL, &p);
			assert_string_equal(p.ns, "ceph");
			assert_string_equal(p.name, want[i].name);
			assert_string_equal(cn_pod_state_name(p.state), want[i].state);
			assert_string_equal(p.node ? p.node : "", want[i].node ? want[i].node : "");
			assert_string_equal(cn_ip_format(&p.host_ip, buf), want[i].host_ip);
			assert_int_equal(p.role, want[i].role);
			assert_int_equal(p.n_ips, want[i].ips);
			assert_string_equal(p.crush_host, want[i].name);
			assert_int_equal(p.osd, -1);
			assert_non_null(p.uid);
			assert_non_null(p.labels);
			assert_string_equal(p.owner_kind, "DaemonSet");
			cn_pod_release(&p);
		}
	}
}

static void test_recorded_flavours(void **state _unused_)
{
	for (size_t v = 0; v < ARRAY_SIZE(versions); v++) {
		_cleanup_json_ json_t *helm = recorded(versions[v], "osh-list"), *rook = recorded(versions[v], "rook-list");
		struct cn_pod p;

		cn_pod_read(json_array_get(helm, 0), CN_FLAVOUR_HELM, NULL, &p);
		assert_string_equal(p.ns, "openstack");
		assert_string_equal(p.crush_host, "osd-node-1");
		assert_string_equal(p.owner_kind, "DaemonSet");
		cn_pod_release(&p);
		for (int i = 0; i < 2; i++) {
			cn_pod_read(json_array_get(rook, (size_t)i), CN_FLAVOUR_ROOK, NULL, &p);
			assert_int_equal(p.osd, i);
			assert_int_equal(p.role, CN_POD_OSD);
			assert_string_equal(p.crush_host, "osd-node-1");
			assert_string_equal(p.owner_kind, "ReplicaSet");
			cn_pod_release(&p);
		}
	}
}

static void test_crush_host(void **state _unused_)
{
	static const struct {
		enum cn_kube_flavour flavour;
		const char *from, *want;
	} cases[] = {
		{CN_FLAVOUR_NONE, NULL, NULL},
		{CN_FLAVOUR_NONE, "node-name", "w1.example.net"},
		{CN_FLAVOUR_CEPH_DOCKER, NULL, "rook-ceph-osd-prepare-3"},
		{CN_FLAVOUR_CEPH_DOCKER, "label:rack", "r1"},
		{CN_FLAVOUR_CEPH_DOCKER, "label:none", NULL},
		{CN_FLAVOUR_HELM, NULL, "w1.example.net"},
		{CN_FLAVOUR_ROOK, NULL, "w1-example-net"},
		{CN_FLAVOUR_ROOK, "pod-name", "rook-ceph-osd-prepare-3"},
	};
	_cleanup_json_ json_t *pod =
		json_pack("{s{ss,s{ss,ss,ss}},s{ss}}", "metadata", "name", "rook-ceph-osd-prepare-3", "labels", "rack", "r1",
			  "topology-location-host", "w1-example-net", "ceph-osd-id", "3", "spec", "nodeName", "w1.example.net");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cn_pod p;

		cn_pod_read(pod, cases[i].flavour, cases[i].from, &p);
		assert_string_equal(p.crush_host ? p.crush_host : "", cases[i].want ? cases[i].want : "");
		assert_int_equal(p.osd, 3);
		assert_int_equal(p.role, CN_POD_OSD); /* whatever it is called */
		cn_pod_release(&p);
	}
}

/* Kubernetes 1.5, by hand: no recorded answer has it. */
static void owner_is(const char *annotation, const char *references, const char *want)
{
	_cleanup_json_ json_t *pod =
		json_pack("{s{ss,s{ss}}}", "metadata", "name", "osd-x", "annotations", "kubernetes.io/created-by", annotation);
	_cleanup_free_ char *got = NULL;
	struct cn_pod p;

	if (references)
		json_object_set_new(json_object_get(pod, "metadata"), "ownerReferences", json_loads(references, 0, NULL));
	cn_pod_read(pod, CN_FLAVOUR_CEPH_DOCKER, NULL, &p);
	got = cn_asprintf("%s %s %s", p.owner_kind ? p.owner_kind : "-", p.owner_name ? p.owner_name : "-",
			  p.owner_uid ? p.owner_uid : "-");
	assert_string_equal(got, want);
	cn_pod_release(&p);
}

#define SERIALIZED                                                                                                               \
	"{\"kind\":\"SerializedReference\",\"apiVersion\":\"v1\",\"reference\":{\"kind\":\"DaemonSet\",\"namespace\":\"ceph\","  \
	"\"name\":\"ceph-osd\",\"uid\":\"u1\",\"apiVersion\":\"extensions\",\"resourceVersion\":\"42\"}}\n"

static void test_created_by(void **state _unused_)
{
	static const char *const none[] = {"",
					   "{",
					   "[]",
					   "7",
					   "{}",
					   "null",
					   "{\"reference\":\"DaemonSet\"}",
					   "{\"reference\":[{\"kind\":\"DaemonSet\"}]}",
					   "{\"reference\":{\"kind\":7,\"name\":{}}}"};
	_cleanup_free_ char *deep = cn_malloc(100001);

	owner_is(SERIALIZED, NULL, "DaemonSet ceph-osd u1");
	owner_is(SERIALIZED, "[]", "DaemonSet ceph-osd u1");
	owner_is(SERIALIZED, "[{\"kind\":\"ReplicaSet\",\"name\":\"r\",\"uid\":\"u2\"}]", "ReplicaSet r u2");
	owner_is(SERIALIZED, "[{\"kind\":\"A\"},{\"kind\":\"B\"}]", "- - -"); /* several, and none is the controller */
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		owner_is(none[i], NULL, "- - -");
	memset(deep, '[', 100000);
	deep[100000] = 0;
	owner_is(deep, NULL, "- - -");
}

static void assert_state(const char *json, enum cn_pod_state want)
{
	_cleanup_json_ json_t *pod = json_loads(json, 0, NULL);
	struct cn_pod p;

	assert_non_null(pod);
	cn_pod_read(pod, CN_FLAVOUR_ROOK, NULL, &p);
	if (p.state != want)
		fail_msg("%s: %s", json, cn_pod_state_name(p.state));
	cn_pod_release(&p);
}

#define BOUND "\"spec\":{\"nodeName\":\"n\"},"

static void test_states(void **state _unused_)
{
	assert_state("{" BOUND "\"status\":{\"phase\":\"Running\"}}", CN_POD_RUNNING);
	assert_state("{" BOUND "\"status\":{\"phase\":\"Unknown\"}}", CN_POD_UNKNOWN);
	assert_state("{" BOUND "\"status\":{}}", CN_POD_UNKNOWN);
	assert_state("{\"status\":{\"phase\":\"Running\"}}", CN_POD_PENDING); /* bound to nothing it runs nowhere */
	assert_state("{" BOUND "\"status\":{\"phase\":\"Pending\"}}", CN_POD_PENDING);
	assert_state("{" BOUND "\"status\":{\"phase\":\"Failed\"}}", CN_POD_FAILED);
	assert_state("{" BOUND "\"status\":{\"phase\":\"Failed\",\"reason\":\"Evicted\"}}", CN_POD_EVICTED);
	assert_state("{\"metadata\":{\"deletionTimestamp\":\"x\"}," BOUND "\"status\":{\"phase\":\"Succeeded\"}}",
		     CN_POD_COMPLETED);
	assert_state("{\"metadata\":{\"deletionTimestamp\":\"x\"}," BOUND "\"status\":{\"phase\":\"Running\"}}",
		     CN_POD_TERMINATING);
	assert_state("{\"metadata\":{\"deletionTimestamp\":\"x\"}," BOUND "\"status\":{\"phase\":\"Pending\"}}",
		     CN_POD_TERMINATING);
	assert_state("{" BOUND "\"status\":{\"phase\":\"Pending\",\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\":"
		     "\"ContainerCreating\"}}}]}}",
		     CN_POD_PENDING);
	assert_state("{" BOUND "\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"state\":{\"waiting\":{\"reason\":"
		     "\"CreateContainerConfigError\"}}}]}}",
		     CN_POD_CRASHING);
	/* what comes before the OSD fails: the OSD is on this node all the same */
	assert_state("{" BOUND
		     "\"status\":{\"phase\":\"Pending\",\"initContainerStatuses\":[{\"state\":{\"running\":{}}},{\"state\":{"
		     "\"waiting\":{\"reason\":\"CrashLoopBackOff\"}}}]}}",
		     CN_POD_CRASHING);
	assert_false(cn_pod_is_live(CN_POD_PENDING) || cn_pod_is_live(CN_POD_EVICTED) || cn_pod_is_live(CN_POD_COMPLETED));
	assert_true(cn_pod_is_live(CN_POD_UNKNOWN) && cn_pod_is_live(CN_POD_TERMINATING) && cn_pod_is_live(CN_POD_CRASHING));
}

static void test_roles(void **state _unused_)
{
	static const struct {
		const char *key, *value, *name, *owner;
		enum cn_pod_role role;
	} cases[] = {
		{"app", "rook-ceph-osd-prepare", "rook-ceph-osd-prepare-w1-x", "rook-ceph-osd-prepare-w1", CN_POD_PREPARE},
		{"daemon", "osd-prepare", "x", NULL, CN_POD_PREPARE},
		{"daemon", "osd", "ceph-osd-prepare-c3d4f", "ceph-osd-prepare", CN_POD_PREPARE},
		{"daemon", "osd", "ceph-osd-prepare-c3d4f", NULL, CN_POD_PREPARE},
		{"daemon", "osd", "ceph-osd-activate-9x8y7", "ceph-osd-activate", CN_POD_ACTIVATE},
		{"daemon", "osd", "ceph-osd-prepared-1", NULL, CN_POD_OSD},
		{"daemon", "osd", "ceph-osd-4a1b2", "ceph-osd", CN_POD_OSD},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_json_ json_t *pod =
			json_pack("{s{ss,s{ss}}}", "metadata", "name", cases[i].name, "labels", cases[i].key, cases[i].value);
		struct cn_pod p;

		if (cases[i].owner)
			json_object_set_new(json_object_get(pod, "metadata"), "ownerReferences",
					    json_pack("[{ss,ss},{ss,ss,sb}]", "kind", "Other", "name", "other", "kind",
						      "DaemonSet", "name", cases[i].owner, "controller", 1));
		cn_pod_read(pod, CN_FLAVOUR_NONE, NULL, &p);
		if (p.role != cases[i].role)
			fail_msg("%s: role %d", cases[i].name, p.role);
		assert_string_equal(p.owner_name ? p.owner_name : "", cases[i].owner ? cases[i].owner : "");
		cn_pod_release(&p);
	}
}

static void test_nothing_is_assumed(void **state _unused_)
{
	static const char *const items[] = {
		"{}",
		"[]",
		"{\"metadata\":[],\"spec\":1,\"status\":null}",
		"{\"metadata\":{\"name\":7,\"labels\":[],\"ownerReferences\":{\"kind\":1}},\"spec\":{\"nodeName\":{}},\"status\":"
		"{\"phase\":[],\"hostIP\":5,\"podIPs\":[1,{},{\"ip\":\"x\"}],\"containerStatuses\":[3,{\"state\":[]}]}}",
		"{\"metadata\":{\"labels\":{\"ceph-osd-id\":\"-3\"}}}",
		"{\"metadata\":{\"labels\":{\"ceph-osd-id\":\"99999999999\"}}}",
		"{\"metadata\":{\"labels\":{\"ceph-osd-id\":3}}}",
		"{\"spec\":{\"nodeName\":\"\"},\"status\":{\"podIP\":\"10.1.0.300\",\"hostIP\":\"\"}}",
	};

	for (size_t i = 0; i < ARRAY_SIZE(items); i++) {
		_cleanup_json_ json_t *j = json_loads(items[i], 0, NULL);
		struct cn_pod p, copy;

		assert_non_null(j);
		for (enum cn_kube_flavour f = CN_FLAVOUR_NONE; f <= CN_FLAVOUR_ROOK; f++) {
			cn_pod_read(j, f, NULL, &p);
			assert_string_equal(p.name, "");
			assert_int_equal(p.osd, -1);
			assert_int_equal(p.n_ips, 0);
			assert_int_equal(p.host_ip.family, 0);
			assert_null(p.node);
			assert_null(p.crush_host);
			cn_pod_copy(&p, &copy);
			cn_pod_release(&p);
			cn_pod_release(&copy);
		}
	}
}

static void test_addresses(void **state _unused_)
{
	_cleanup_json_ json_t *pod =
		json_loads("{\"status\":{\"hostIP\":\"fd00::0:4\",\"podIP\":\"10.1.0.7\",\"podIPs\":[{\"ip\":"
			   "\"10.1.0.7\"},{\"ip\":\"FD00:1:0::7\"}]}}",
			   0, NULL);
	char buf[CN_IP_STRLEN];
	struct cn_pod p;

	cn_pod_read(pod, CN_FLAVOUR_NONE, NULL, &p);
	assert_string_equal(cn_ip_format(&p.host_ip, buf), "fd00::4");
	assert_int_equal(p.n_ips, 2);
	assert_string_equal(cn_ip_format(&p.ips[1], buf), "fd00:1::7");
	cn_pod_release(&p);
}

/* --- lists --- */

static void assert_list(int want, struct cn_pods *pods, struct cn_error *e)
{
	int r = cn_pods_list(NULL, pods, e);

	if (r != want)
		fail_msg("%d, not %d: %s", r, want, e->message ? e->message : "");
}

static void test_default(void **state _unused_)
{
	_cleanup_error_ struct cn_error e = {};
	struct cn_pods pods = {};

	answers("/api/v1/namespaces/ceph/pods", "app=ceph", recorded("k8s-1.34.9", "pods-label"), 0);
	assert_list(0, &pods, &e);
	assert_int_equal(pods.flavour, CN_FLAVOUR_CEPH_DOCKER);
	assert_int_equal(pods.n, 10);
	for (size_t i = 1; i < pods.n; i++)
		assert_true(strcmp(pods.v[i - 1].name, pods.v[i].name) < 0);
	assert_int_equal(api.asked.n, 3);
	assert_string_equal(api.asked.v[0], "/api/v1/namespaces/rook-ceph/pods app in (rook-ceph-osd,rook-ceph-osd-prepare)");
	assert_string_equal(api.asked.v[1], "/api/v1/namespaces/ceph/pods app=ceph,daemon in (osd,osd-activate,osd-prepare)");
	assert_string_equal(api.asked.v[2], "/api/v1/pods application=ceph,component=osd");
	assert_int_equal(pods.looked.n, 3);
	assert_string_equal(pods.looked.v[2], "all namespaces, application=ceph,component=osd");
	cn_pods_release(&pods);
}

static void test_nothing_there(void **state _unused_)
{
	_cleanup_error_ struct cn_error e = {};
	struct cn_pods pods = {};

	assert_list(0, &pods, &e);
	assert_int_equal(pods.n, 0);
	assert_int_equal(api.asked.n, 3);
	cn_pods_release(&pods);
}

static void test_two_flavours(void **state _unused_)
{
	_cleanup_error_ struct cn_error e = {};
	struct cn_pods pods = {};

	answers("/api/v1/namespaces/ceph/pods", "app=ceph", one_pod("ceph", "a", "ceph"), 0);
	answers("/api/v1/namespaces/rook-ceph/pods", "app in", one_pod("rook-ceph", "b", "rook-ceph-osd"), 0);
	assert_list(-ENOTUNIQ, &pods, &e);
	assert_int_equal(e.code, CN_REFUSED);
	assert_has(e.message, "rook (rook-ceph/b) and ceph-docker (ceph/a)");
	assert_has(e.hint, "--kube-flavour rook");
	api.options.flavour = "rook";
	cn_strv_release(&api.asked);
	assert_list(0, &pods, &e);
	assert_int_equal(pods.n, 1);
	assert_int_equal(api.asked.n, 1);
	cn_pods_release(&pods);
}

static void test_forbidden(void **state _unused_)
{
	_cleanup_error_ struct cn_error e = {};
	struct cn_pods pods = {};

	answers("/api/v1/pods", "", NULL, -EPERM);
	answers("/api/v1/namespaces/ceph/pods", "", NULL, -EPERM);
	answers("/api/v1/namespaces/rook-ceph/pods", "app in", one_pod("rook-ceph", "b", "rook-ceph-osd"), 0);
	assert_list(0, &pods, &e); /* another one has pods */
	assert_int_equal(pods.n, 1);
	assert_int_equal(api.asked.n, 3);
	cn_pods_release(&pods);
	json_array_clear(api.answers[2].items);
	assert_list(-EPERM, &pods, &e);
	assert_has(e.message, "forbidden in /api/v1/namespaces/ceph/pods");
	cn_error_release(&e);
	api.answers[1].code = -ETIMEDOUT;
	assert_list(-ETIMEDOUT, &pods, &e);
	assert_has(e.message, "cannot list the OSD pods (namespace ceph, app=ceph");
}

/* In the namespace of the context, or of the Job that we are: a right of its own is enough. */
static void test_own_namespace(void **state _unused_)
{
	_cleanup_error_ struct cn_error e = {};
	struct cn_pods pods = {};

	api.config.ns = (char *)"storage";
	answers("/api/v1/pods", "", NULL, -EPERM);
	answers("/api/v1/namespaces/ceph/pods", "", NULL, -EPERM);
	answers("/api/v1/namespaces/rook-ceph/pods", "", NULL, -EPERM);
	answers("/api/v1/namespaces/storage/pods", "app in", one_pod("storage", "b", "rook-ceph-osd"), 0);
	assert_list(0, &pods, &e);
	assert_int_equal(pods.n, 1);
	assert_int_equal(pods.flavour, CN_FLAVOUR_ROOK);
	cn_pods_release(&pods);
	api.answers[3].code = -EPERM;
	assert_list(-EPERM, &pods, &e);
	assert_has(e.message, "rook-ceph");
	cn_error_release(&e);
	api.answers[3].code = -ETIMEDOUT;
	assert_list(-ETIMEDOUT, &pods, &e);
	cn_error_release(&e);
	api.answers[3].code = 0;
	json_array_clear(api.answers[3].items); /* readable, but empty: what may not be read may have them */
	assert_list(-EPERM, &pods, &e);
}

static void test_options(void **state _unused_)
{
	_cleanup_error_ struct cn_error e = {};
	struct cn_pods pods = {};

	api.options = (struct cn_kube_options){.ns = "n/1"};
	assert_list(0, &pods, &e);
	assert_int_equal(api.asked.n, 3);
	assert_has(api.asked.v[2], "/api/v1/namespaces/n/1/pods application=ceph");
	cn_pods_release(&pods);
	cn_strv_release(&api.asked);

	api.options = (struct cn_kube_options){.flavour = "helm", .ns = "openstack", .host_from = "pod-name"};
	answers("/api/v1/namespaces/openstack/pods", "application=ceph", recorded("k8s-1.20.2", "osh-list"), 0);
	assert_list(0, &pods, &e);
	assert_int_equal(api.asked.n, 1);
	assert_string_equal(pods.v[0].crush_host, pods.v[0].name);
	cn_pods_release(&pods);
	cn_strv_release(&api.asked);

	api.options = (struct cn_kube_options){.selector = "zone=a"};
	answers("/api/v1/pods", "zone=a", recorded("k8s-1.20.2", "rook-list"), 0);
	assert_list(0, &pods, &e);
	assert_int_equal(api.asked.n, 1);
	assert_int_equal(pods.flavour, CN_FLAVOUR_NONE);
	assert_int_equal(pods.n, 2);
	assert_string_equal(pods.v[0].crush_host, "osd-node-1"); /* by the labels it is Rook's */
	cn_pods_release(&pods);
}

static void test_restart(void **state _unused_)
{
	_cleanup_error_ struct cn_error e = {};
	struct cn_pods pods = {};

	api.restarts = true;
	answers("/api/v1/namespaces/ceph/pods", "app=ceph", recorded("k8s-1.34.9", "pods-label"), 0);
	assert_list(0, &pods, &e);
	assert_int_equal(pods.n, 10);
	cn_pods_release(&pods);
}

#define with_api(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_api(test_recorded_pods), with_api(test_recorded_flavours),
		with_api(test_crush_host),    with_api(test_states),
		with_api(test_roles),         with_api(test_nothing_is_assumed),
		with_api(test_addresses),     with_api(test_default),
		with_api(test_nothing_there), with_api(test_two_flavours),
		with_api(test_forbidden),     with_api(test_own_namespace),
		with_api(test_options),       with_api(test_restart),
		with_api(test_created_by),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
