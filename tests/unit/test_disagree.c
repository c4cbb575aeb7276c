/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kubernetes and the monitors do not agree, or only one of them knows, or two pods run one OSD. */
#include "podworld.h"

/* --- disagreement --- */

static void test_both_know_something_else(void **state)
{
	struct fixture *x = *state;

	pod(x, "node1", "w1", "127.0.1.2", "127.0.1.1", "node1", -1); /* this machine has the address of other OSDs */
	assert_refused(x, "127.0.1.2", "the monitors say osd.2, osd.3, Kubernetes says osd.0, osd.1 (osd.0 in ceph/node1 on w1");
	assert_found(x, "kube:w1", "0ack/node1 1ack/node1");
	assert_found(x, "host:node2", "2c 3c");
	assert_found(x, "osd.2", "2");
}

static void test_subset(void **state)
{
	struct fixture *x = *state;

	pod(x, "p6", "w4", "127.0.1.4", "127.0.1.4", NULL, 6);
	assert_refused(x, "127.0.1.4", "there is also osd.7, which no pod of it runs");
}

static void test_osd_is_elsewhere(void **state)
{
	struct fixture *x = *state;

	pod(x, "node1", "w1", "10.0.0.1", "127.0.2.1", "node1", -1); /* its name, but not its address */
	assert_refused(x, "10.0.0.1", "pod ceph/node1 on w1 should run osd.0, but that is up at 127.0.1.1");
	world_osd(&x->w, 0);
	json_object_set_new(world_osd(&x->w, 0), "up", json_integer(0));
	json_object_set_new(world_osd(&x->w, 1), "up", json_integer(0)); /* down: where it was says nothing */
	assert_found(x, "10.0.0.1", "0ck/node1 1ck/node1");
}

/* The address of a host is held against parsed addresses, never as text. */
static void test_host_ip_is_good_enough(void **state)
{
	struct fixture *x = *state;

	pod(x, "node1", "w1", "127.0.1.1", "10.244.0.7", "node1", -1); /* host ports */
	assert_found(x, "127.0.1.1", "0ack/node1 1ack/node1");
	assert_true(cn_ip_parse("127.0.1.10", &x->pods.v[0].host_ip));
	assert_refused(x, "127.0.1.10", "is not an address of it");
}

/* --- the monitors alone --- */

static void test_no_pods_at_all(void **state)
{
	struct fixture *x = *state;

	assert_found(x, "127.0.1.1", "0ac 1ac");
	assert_int_equal(x->found.notes.n, 0);
	assert_absent(x, "127.0.9.9", "no OSD has the address");
}

static void test_dead_node(void **state)
{
	struct fixture *x = *state;

	host_network(x);
	assert_found(x, "127.0.1.2", "2ac 3ac");
	assert_note(x, "Kubernetes has no OSD on 127.0.1.2 (looked in namespace ceph): the monitors alone say what is there");
	assert_found(x, "node2", "2c 3c");
	x->pods.v[0].state = x->pods.v[1].state = CN_POD_TERMINATING; /* for ever, without a kubelet */
	assert_found(x, "127.0.1.1", "0ack 1ack");
	x->pods.v[0].state = x->pods.v[1].state = CN_POD_FAILED;
	assert_found(x, "127.0.1.1", "0ac 1ac");
	assert_note(x, "pod ceph/p0 on node1 runs no OSD: failed");
}

static void test_claimed_elsewhere(void **state)
{
	struct fixture *x = *state;

	pod(x, "osd-2", "w9", "10.0.0.9", "10.1.0.9", NULL, 2); /* by its label */
	assert_refused(x, "127.0.1.2", "the monitors say osd.2, osd.3, but Kubernetes runs osd.2 in ceph/osd-2 on w9");
	assert_refused(x, "node2", "osd.2 in ceph/osd-2 on w9");
	assert_found(x, "host:node2", "2ck/osd-2 3c");
	pod(x, "x", "w9", "10.0.0.9", "127.0.1.1", NULL, -1); /* by its address */
	assert_refused(x, "node1", "osd.0 in ceph/x on w9");
	pod(x, "y", "w8", "10.0.0.8", "10.1.0.8", "node3", -1); /* by its CRUSH host */
	assert_refused(x, "127.0.1.3", "osd.4 in ceph/y on w8");
}

/* Who names the pods' own CRUSH host, or their own address, and all of their node, means no other node. */
static void test_named_by_what_the_pods_name(void **state)
{
	struct fixture *x = *state;

	pod(x, "node3", "w3", "10.0.0.3", "127.0.1.3", "node3", -1);
	assert_found(x, "node3", "4ack/node3 5ack/node3");
	assert_string_equal(x->found.kube_node, "w3");
	assert_found(x, "127.0.1.3", "4ack/node3 5ack/node3");
	pod(x, "node4", "w3", "10.0.0.3", "127.0.1.4", "node4", -1);
	assert_refused(x, "node3", "ambiguous"); /* that node has more */
	assert_refused(x, "127.0.1.3", "ambiguous");
	assert_found(x, "host:node3", "4ck/node3 5ck/node3");
	assert_found(x, "w3", "4ack/node3 5ack/node3 6ack/node4 7ack/node4");
}

/* A node that died, and whose OSD comes up on another: it is not the dead node's any more. */
static void test_moved_away(void **state)
{
	struct fixture *x = *state;

	json_object_set_new(world_osd(&x->w, 2), "up", json_integer(0));
	world_move(&x->w, 3, NULL);
	world_address(&x->w, 3, NULL, NULL);
	pod(x, "osd-2", "w9", "10.0.0.9", "10.1.0.9", "node2", 2);
	assert_refused(x, "127.0.1.2", "osd.2 in ceph/osd-2 on w9");
}

/* --- two pods for one OSD --- */

static void test_two_pods(void **state)
{
	struct fixture *x = *state;
	struct cn_pod *old = pod(x, "old", "w1", "10.0.0.1", "10.1.0.1", NULL, 11);

	world_address(&x->w, 11, "10.1.0.2", "10.1.0.2");
	json_object_set_new(world_osd(&x->w, 11), "up", json_integer(1));
	old->state = CN_POD_TERMINATING;
	pod(x, "new", "w2", "10.0.0.2", "10.1.0.2", NULL, 11);
	assert_found(x, "kube:w2", "11ak/new");
	assert_absent(x, "kube:w1", "osd.11 is not here but on w2");
	assert_found(x, "osd.11", "11k/new");
	assert_string_equal(x->found.kube_node, "w2");
	world_address(&x->w, 11, "10.1.0.3", "10.1.0.3"); /* neither's */
	assert_refused(x, "kube:w1", "its address does not tell: osd.11 in ceph/old on w1, osd.11 in ceph/new on w2");
	assert_refused(x, "kube:w2", "does not tell");
	world_address(&x->w, 11, "10.1.0.2", "10.1.0.2");
	json_object_set_new(world_osd(&x->w, 11), "up", json_integer(0)); /* where it was */
	assert_refused(x, "kube:w2", "does not tell");
	assert_found(x, "osd.11", "11");
}

static void test_two_pods_on_one_node(void **state)
{
	struct fixture *x = *state;

	pod(x, "old", "w1", "10.0.0.1", "127.0.1.1", "node1", -1)->state = CN_POD_TERMINATING;
	pod(x, "new", "w1", "10.0.0.1", "127.0.1.1", "node1", -1);
	assert_found(x, "w1", "0ack/new 1ack/new");
	assert_int_equal(x->found.n_pods, 2);
	assert_note(x, "pod ceph/old on w1 is terminating");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_world(test_both_know_something_else),
		with_world(test_subset),
		with_world(test_osd_is_elsewhere),
		with_world(test_host_ip_is_good_enough),
		with_world(test_no_pods_at_all),
		with_world(test_dead_node),
		with_world(test_claimed_elsewhere),
		with_world(test_named_by_what_the_pods_name),
		with_world(test_moved_away),
		with_world(test_two_pods),
		with_world(test_two_pods_on_one_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
