/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which unit of systemd an OSD is, which Deployment a pod belongs to, and whose labels are to be left alone. */
#include "unit.h"

#include "drain/stop_kube.h"

#define FSID "5c2a1e5e-1f3c-4f0f-8a53-0d0c7a6e9b11"

static const char *choose(const struct cn_unit *v, size_t n)
{
	_cleanup_(cn_strv_release) struct cn_strv names = {};
	const struct cn_unit *u;

	cn_unit_candidates(3, FSID, &names);
	u = cn_unit_choose(v, n, &names);
	return u ? u->name : "none";
}

static void test_the_unit_that_runs(void **state _unused_)
{
	struct cn_unit v[] = {{"ceph-osd@3.service", "loaded", "inactive"},
			      {"ceph-" FSID "@osd.3.service", "not-found", "inactive"}};

	assert_string_equal(choose(v, 2), "none"); /* a template is loaded for any number */
	strcpy(v[0].active, "active");
	assert_string_equal(choose(v, 2), "ceph-osd@3.service");
	strcpy(v[0].active, "failed");
	assert_string_equal(choose(v, 2), "none");
	strcpy(v[0].active, "deactivating");
	assert_string_equal(choose(v, 2), "ceph-osd@3.service");
	strcpy(v[1].active, "active"); /* what is not found does not run */
	assert_string_equal(choose(v, 2), "ceph-osd@3.service");
	strcpy(v[1].load, "loaded"); /* both: the name with the cluster in it cannot be another cluster's */
	assert_string_equal(choose(v, 2), "ceph-" FSID "@osd.3.service");
}

static void test_another_osd_is_not_it(void **state _unused_)
{
	struct cn_unit v[] = {{"ceph-osd@33.service", "loaded", "active"},
			      {"ceph-5c2a1e5e-1f3c-4f0f-8a53-0d0c7a6e9b12@osd.3.service", "loaded", "active"}};

	assert_string_equal(choose(v, 2), "none");
}

static void test_labels_that_say_what_a_node_is(void **state _unused_)
{
	static const char *const fixed[] = {"kubernetes.io/hostname", "beta.kubernetes.io/os", "node-role.kubernetes.io/worker",
					    "topology.kubernetes.io/zone", "node.k8s.io/x"};
	static const char *const others[] = {"ceph-osd", "node-type", "mykubernetes.io/ceph", "ceph.rook.io/osd",
					     "a/kubernetes.io"};

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		assert_true(cn_label_is_fixed(fixed[i]));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		assert_false(cn_label_is_fixed(others[i]));
}

static void test_releases_of_rook(void **state _unused_)
{
	assert_true(cn_rook_heeds_label("v1.10.0"));
	assert_true(cn_rook_heeds_label("v1.13.1-beta.0"));
	assert_true(cn_rook_heeds_label("2.0"));
	assert_false(cn_rook_heeds_label("v1.9.13"));
	assert_false(cn_rook_heeds_label("master"));
	assert_false(cn_rook_heeds_label(""));
}

static void deployment_is(const char *set, const char *hash, const char *want)
{
	_cleanup_free_ char *name = cn_deployment_of(set, hash);

	assert_string_equal(name, want);
}

static void test_the_deployment_of_a_replica_set(void **state _unused_)
{
	deployment_is("rook-ceph-osd-3-6b7f9c5d44", "6b7f9c5d44", "rook-ceph-osd-3");
	deployment_is("rook-ceph-osd-3-6b7f9c5d44", NULL, "rook-ceph-osd-3");
	deployment_is("rook-ceph-osd-3-6b7f9c5d44", "another", "rook-ceph-osd-3");
	deployment_is("osd-a-b-c", "b-c", "osd-a");
	deployment_is("plain", NULL, "plain");
}

static void test_selectors(void **state _unused_)
{
	_cleanup_json_ json_t *labels = json_pack("{ss,ss}", "app", "rook-ceph-osd", "ceph-osd-id", "3");

	assert_true(cn_kube_selects("app=rook-ceph-osd,ceph-osd-id=3", labels));
	assert_true(cn_kube_selects("app==rook-ceph-osd", labels));
	assert_false(cn_kube_selects("app=rook-ceph-osd,ceph-osd-id=33", labels));
	assert_false(cn_kube_selects("app!=other", labels));
	assert_false(cn_kube_selects("app in (rook-ceph-osd)", labels));
	assert_false(cn_kube_selects("missing=", labels));
	assert_false(cn_kube_selects("", labels));
	assert_false(cn_kube_selects(NULL, labels));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_unit_that_runs),
		cmocka_unit_test(test_another_osd_is_not_it),
		cmocka_unit_test(test_labels_that_say_what_a_node_is),
		cmocka_unit_test(test_releases_of_rook),
		cmocka_unit_test(test_the_deployment_of_a_replica_set),
		cmocka_unit_test(test_selectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
