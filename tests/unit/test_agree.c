/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kubernetes and the monitors agree about the OSDs of a node. */
#include "podworld.h"

/* --- overlay --- */

static void test_overlay(void **state)
{
	struct fixture *x = *state;

	overlay(x);
	for (int i = 0; i < 4; i++) {
		static const char *const names[] = {"10.0.0.1", "ip:10.0.0.1", "w1", "kube:w1"};

		assert_found(x, names[i], "0ack/node1 1ack/node1 2ack/node2 3ack/node2");
		assert_string_equal(x->found.kube_node, "w1");
		assert_int_equal(x->found.n_pods, 2);
		assert_int_equal(x->found.notes.n, 0);
	}
	assert_found(x, "10.0.0.10", "4ack/node3 5ack/node3"); /* 10.0.0.1 is not 10.0.0.10 */
	assert_absent(x, "10.0.0.100",
		      "no OSD has the address 10.0.0.100, and Kubernetes has none there (looked in namespace ceph)");
	assert_absent(x, "kube:w2", "Kubernetes has no OSD on a node 'w2' (looked in namespace ceph)");
	assert_has(x->e.hint, "w1, w3");
	assert_absent(x, "w", "no CRUSH host bucket is named 'w'");
}

static void test_v6(void **state)
{
	struct fixture *x = *state;

	pod(x, "node1", "w1", "fd00::0:1", "127.0.1.1", "node1", -1);
	assert_found(x, "fd00:0:0::1", "0ack/node1 1ack/node1");
	assert_found(x, "[FD00::1]", "0ack/node1 1ack/node1");
	assert_absent(x, "fd00::10", "no OSD has the address");
}

/* OSDs that bind to v4 and v6; the API knows one family of the pods, and of the node. */
static void test_two_families(void **state)
{
	struct fixture *x = *state;

	world_address(&x->w, 0, "fd00::1 127.0.1.1", NULL);
	world_address(&x->w, 1, "fd00::1 127.0.1.1", NULL);
	pod(x, "p0", "w1", "127.0.1.1", "127.0.1.1", "node1", 0); /* the host's network */
	pod(x, "p1", "w1", "127.0.1.1", NULL, "node1", 1);        /* its own address is not known yet */
	assert_found(x, "127.0.1.1", "0ack/p0 1ack/p1");
	assert_found(x, "fd00::1", "0ack/p0 1ack/p1");
	assert_found(x, "w1", "0ack/p0 1ck/p1");
}

static void test_two_families_in_an_overlay(void **state)
{
	struct fixture *x = *state;

	world_address(&x->w, 2, "fd00::2 127.0.1.2", NULL);
	world_address(&x->w, 3, "127.0.1.2 fd00::2", NULL);
	pod(x, "node2", "w2", "10.0.0.2", "127.0.1.2", "node2", -1); /* an overlay */
	assert_found(x, "10.0.0.2", "2ack/node2 3ack/node2");
	assert_found(x, "127.0.1.2", "2ack/node2 3ack/node2");
	assert_true(cn_ip_parse("127.0.1.20", &x->pods.v[0].ips[0]));
	assert_refused(x, "10.0.0.2", "up at fd00::2, which is not an address of it");
}

/* A node that is registered by its address; a pod whose kubelet has not said the address yet. */
static void test_node_named_by_address(void **state)
{
	struct fixture *x = *state;

	pod(x, "node1", "10.0.0.1", "10.0.0.1", "127.0.1.1", "node1", -1);
	pod(x, "node2", "10.0.0.1", NULL, "127.0.1.2", "node2", -1);
	assert_found(x, "10.0.0.1", "0ack/node1 1ack/node1 2ack/node2 3ack/node2");
	assert_found(x, "kube:10.0.0.1", "0ack/node1 1ack/node1 2ack/node2 3ack/node2");
	free(x->pods.v[0].node);
	free(x->pods.v[1].node);
	x->pods.v[0].node = cn_strdup("w1");
	x->pods.v[1].node = cn_strdup("w1");
	assert_found(x, "10.0.0.1", "0ack/node1 1ack/node1 2ack/node2 3ack/node2");
	free(x->pods.v[1].node);
	x->pods.v[1].node = cn_strdup("w2");
	assert_true(cn_ip_parse("10.0.0.1", &x->pods.v[1].host_ip));
	assert_refused(x, "10.0.0.1", "the Kubernetes nodes 'w1' and 'w2' both have it");
}

static void test_pods_that_do_not_count(void **state)
{
	static const enum cn_pod_state dead[] = {CN_POD_PENDING, CN_POD_COMPLETED, CN_POD_EVICTED, CN_POD_FAILED};
	struct fixture *x = *state;

	overlay(x);
	for (size_t i = 0; i < ARRAY_SIZE(dead); i++) {
		x->pods.v[1].state = dead[i];
		assert_found(x, "10.0.0.1", "0ack/node1 1ack/node1");
		assert_note(x, "pod ceph/node2 on w1 runs no OSD");
	}
	x->pods.v[1].state = CN_POD_RUNNING;
	x->pods.v[1].role = CN_POD_PREPARE;
	assert_found(x, "10.0.0.1", "0ack/node1 1ack/node1");
	assert_note(x, "prepares disks, running");
	x->pods.v[1].role = CN_POD_ACTIVATE;
	assert_found(x, "10.0.0.1", "0ack/node1 1ack/node1 2ack/node2 3ack/node2");
	x->pods.v[1].state = CN_POD_CRASHING;
	assert_found(x, "10.0.0.1", "0ack/node1 1ack/node1 2ack/node2 3ack/node2");
	assert_note(x, "pod ceph/node2 on w1 is crash-looping");
	x->pods.v[0].state = x->pods.v[1].state = CN_POD_EVICTED;
	x->pods.v[0].host_ip = x->pods.v[1].host_ip = (struct cn_ip){};
	assert_absent(x, "kube:w1", "pod ceph/node1 on w1 runs no OSD: evicted");
	assert_absent(x, "10.0.0.1", "no OSD has the address");
}

static void test_pod_without_osd(void **state)
{
	struct fixture *x = *state;

	overlay(x);
	pod(x, "fresh", "w1", "10.0.0.1", "127.0.2.9", "fresh", -1);
	assert_found(x, "w1", "0ack/node1 1ack/node1 2ack/node2 3ack/node2");
	assert_note(x, "pod ceph/fresh on w1 runs no OSD that the cluster knows");
	pod(x, "lost", "w9", "10.0.0.9", "127.0.2.10", "lost", -1);
	assert_absent(x, "w9", "pod ceph/lost on w9 runs no OSD that the cluster knows");
}

/* --- the host's network --- */

static void test_host_network(void **state)
{
	struct fixture *x = *state;

	host_network(x);
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {"127.0.1.1", "node1", "kube:node1"};

		assert_found(x, names[i], "0ack 1ack"); /* which of the two pods cannot be told */
		assert_int_equal(x->found.n_pods, 2);
	}
	/* one pod: all of the CRUSH host are its; osd.9 is down, osd.10 was never started */
	assert_found(x, "127.0.1.5", "8ack/p8 9ack/p8 10ck/p8");
	assert_found(x, "host:node1", "0ck 1ck");
	assert_int_equal(x->found.n_pods, 2);
	assert_string_equal(x->found.kube_node, "node1");
	assert_found(x, "osd.9", "9k/p8");
	assert_found(x, "osd.2", "2");
	assert_null(x->found.kube_node);
}

/* The OSDs' public network is not the one that Kubernetes knows: their own word says that they are on the pod's machine. */
static void another_network(struct fixture *x)
{
	pod(x, "p0", "node1", "10.0.0.1", "10.0.0.1", "node1", 0)->host_network = true;
	pod(x, "p1", "node1", "10.0.0.1", "10.0.0.1", "node1", 1)->host_network = true;
	for (int i = 0; i < 4; i++)
		world_hostname(&x->w, i, i < 2 ? "node1" : "node2");
}

static void rename_nodes(struct fixture *x, const char *node, const char *crush_host)
{
	for (size_t i = 0; i < x->pods.n; i++) {
		free(x->pods.v[i].node);
		free(x->pods.v[i].crush_host);
		x->pods.v[i].node = cn_strdup(node);
		x->pods.v[i].crush_host = cn_strdup(crush_host);
	}
}

static void test_another_network(void **state)
{
	struct fixture *x = *state;

	another_network(x);
	assert_refused(x, "10.0.0.1",
		       "pod ceph/p0 on node1 should run osd.0, but that is up at 127.0.1.1, which is not an address");
	x->names = true;
	assert_found(x, "10.0.0.1", "0cmk/p0 1cmk/p1");
	assert_found(x, "kube:node1", "0cmk/p0 1cmk/p1");
	assert_found(x, "node1", "0cmk/p0 1cmk/p1");
	assert_found(x, "127.0.1.1", "0acmk/p0 1acmk/p1"); /* of the OSDs, not of the pods */
	assert_string_equal(x->found.kube_node, "node1");
	rename_nodes(x, "node1.example.net", "node1");
	assert_found(x, "10.0.0.1", "0cmk/p0 1cmk/p1");
	assert_found(x, "node1.example.net", "0cmk/p0 1cmk/p1");
	assert_found(x, "node1", "0cmk/p0 1cmk/p1");
	assert_found(x, "127.0.1.1", "0acmk/p0 1acmk/p1");
	world_hostname(&x->w, 0, "Node1"); /* the kubelet has it in lower case */
	assert_found(x, "10.0.0.1", "0cmk/p0 1cmk/p1");
}

static void test_another_network_and_another_host(void **state)
{
	struct fixture *x = *state;

	another_network(x);
	x->names = true;
	world_hostname(&x->w, 1, "node2");
	assert_refused(x, "10.0.0.1",
		       "osd.1, but that is up at 127.0.1.1, which is not an address of it, on a host that is named node2");
	assert_refused(x, "127.0.1.1", "but Kubernetes runs osd.0 in ceph/p0 on node1");
	world_hostname(&x->w, 1, NULL);
	assert_refused(x, "10.0.0.1", "which is not an address of it");
	world_hostname(&x->w, 1, "node1");
	rename_nodes(x, "node11", "node1"); /* not the same, and not its full name */
	assert_refused(x, "10.0.0.1", "on a host that is named node1");
	assert_refused(x, "127.0.1.1", "but Kubernetes runs osd.0 in ceph/p0 on node11");
	rename_nodes(x, "node1", "node1");
	x->pods.v[0].host_network = false; /* then its host name is its own */
	assert_refused(x, "10.0.0.1", "pod ceph/p0 on node1 should run osd.0");
}

static void test_full_name(void **state)
{
	struct fixture *x = *state;

	pod(x, "p0", "node1.example.net", "127.0.1.1", "127.0.1.1", "node1.example.net", -1);
	assert_found(x, "127.0.1.1", "0ack/p0 1ack/p0");
	assert_found(x, "node1.example.net", "0ack/p0 1ack/p0");
	pod(x, "p2", "127.0.1.2", "127.0.1.2", "127.0.1.2", "127.0.1.2", -1); /* names no CRUSH host: its address is left */
	assert_found(x, "127.0.1.2", "2ack/p2 3ack/p2");
}

/* Several pods of a node name its CRUSH host, and have addresses of their own. */
static void test_shared_host_in_an_overlay(void **state)
{
	struct fixture *x = *state;

	world_address(&x->w, 0, "127.0.1.1", "127.0.1.1");
	world_address(&x->w, 1, "127.0.1.11", "127.0.1.11");
	pod(x, "p0", "node1", "10.0.0.1", "127.0.1.1", "node1", -1);
	pod(x, "p1", "node1", "10.0.0.1", "127.0.1.11", "node1", -1);
	assert_found(x, "10.0.0.1", "0ack/p0 1ack/p1");
	assert_found(x, "node1", "0ack/p0 1ack/p1");
	world_hostname(&x->w, 0, "p0"); /* by the monitors alone on several machines */
	world_hostname(&x->w, 1, "p1");
	assert_found(x, "node1", "0ack/p0 1ack/p1");
	world_hostname(&x->w, 4, "node1");
	assert_refused(x, "node1", "ambiguous");
	world_hostname(&x->w, 4, NULL);
	/* one of them is on another node */
	free(x->pods.v[1].node);
	x->pods.v[1].node = cn_strdup("w2");
	assert_true(cn_ip_parse("10.0.0.2", &x->pods.v[1].host_ip));
	assert_refused(x, "10.0.0.1", "its pods run osd.0, but on the same CRUSH host (node1) there is also osd.1");
	assert_refused(x, "node1", "ambiguous");
}

/* --- labels --- */

static void rook(struct fixture *x)
{
	pod(x, "osd-6", "w-4", "127.0.1.4", "127.0.1.4", "node4", 6);
	pod(x, "osd-7", "w-4", "127.0.1.4", "127.0.1.4", "node4", 7);
	pod(x, "osd-8", "w-5", "10.0.0.5", "127.0.1.5", "node5", 8);
	pod(x, "osd-9", "w-5", "10.0.0.5", "127.0.1.66", "node5", 9); /* down: its address was another one */
}

static void test_labels(void **state)
{
	struct fixture *x = *state;

	rook(x);
	assert_found(x, "127.0.1.4", "6ack/osd-6 7ack/osd-7");
	assert_found(x, "kube:w-4", "6ack/osd-6 7ack/osd-7");
	assert_found(x, "10.0.0.5", "8ack/osd-8 9ck/osd-9 10c"); /* osd.10 was never started: it has no pod yet */
	assert_found(x, "osd.8", "8k/osd-8");
	x->pods.v[1].state = CN_POD_PENDING;
	assert_refused(x, "kube:w-4", "osd.6, but on the same CRUSH host (node4) there is also osd.7");
	assert_refused(x, "127.0.1.4", "osd.7");
	assert_found(x, "host:node4", "6ck/osd-6 7c");
}

static void test_label_of_another_host(void **state)
{
	struct fixture *x = *state;

	rook(x);
	free(x->pods.v[0].crush_host);
	x->pods.v[0].crush_host = cn_strdup("node3");
	assert_refused(x, "127.0.1.4",
		       "pod ceph/osd-6 on w-4 says that it runs osd.6 of CRUSH host 'node3', but osd.6 stands in 'node4'");
	free(x->pods.v[0].crush_host);
	x->pods.v[0].crush_host = NULL; /* not known */
	assert_found(x, "127.0.1.4", "6ack/osd-6 7ack/osd-7");
}

static void test_label_of_no_osd(void **state)
{
	struct fixture *x = *state;

	rook(x);
	pod(x, "osd-77", "w-4", "127.0.1.4", "127.0.1.4", "node4", 77); /* removed, its pod stays */
	assert_found(x, "127.0.1.4", "6ack/osd-6 7ack/osd-7");
	assert_note(x, "ceph/osd-77 on w-4 runs no OSD");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_world(test_overlay),
		with_world(test_v6),
		with_world(test_two_families),
		with_world(test_two_families_in_an_overlay),
		with_world(test_node_named_by_address),
		with_world(test_pods_that_do_not_count),
		with_world(test_pod_without_osd),
		with_world(test_host_network),
		with_world(test_another_network),
		with_world(test_another_network_and_another_host),
		with_world(test_full_name),
		with_world(test_shared_host_in_an_overlay),
		with_world(test_labels),
		with_world(test_label_of_another_host),
		with_world(test_label_of_no_osd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
