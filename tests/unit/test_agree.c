/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What Kubernetes says about a node's OSDs, held against what the monitors say: node1 (osd.0, osd.1 at 127.0.1.1) to node5
 * (osd.8, osd.9 that is down, osd.10 that was never started). */
#include <errno.h>

#include "inventory/internal.h"
#include "unit.h"
#include "world.h"

struct fixture {
	struct world w;
	struct fake *f;
	struct cn_inventory inv; /* its maps alone */
	struct cn_pods pods;
	struct cn_facts facts;
	bool names; /* the host names of all OSDs are read, too */
	struct cn_found found;
	struct cn_error e;
};

static int setup(void **state)
{
	struct fixture *x = cn_calloc(1, sizeof(*x));

	world_init(&x->w, "never-");
	for (int i = 0; i < 10; i++) /* in pods each has a host name of its own */
		world_hostname(&x->w, i, NULL);
	x->f = fake_new(NULL);
	x->pods.v = cn_calloc(16, sizeof(*x->pods.v));
	cn_strv_add(&x->pods.looked, "namespace ceph");
	*state = x;
	return 0;
}

static void forget(struct fixture *x)
{
	cn_found_release(&x->found);
	cn_error_release(&x->e);
	if (x->facts.osdmap)
		cn_facts_release(&x->facts);
	cn_inventory_release(&x->inv);
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	struct fake *f = x->f;

	forget(x);
	cn_pods_release(&x->pods);
	world_release(&x->w);
	free(x);
	fake_done(f);
	return 0;
}

/* A running pod; ips: separated by blanks. host: the CRUSH host that it names. */
static struct cn_pod *pod(struct fixture *x, const char *name, const char *node, const char *host_ip, const char *ips,
			  const char *host, int osd)
{
	struct cn_pod *p = &x->pods.v[x->pods.n++];
	_cleanup_(cn_strv_release) struct cn_strv v = {};

	*p = (struct cn_pod){.ns = cn_strdup("ceph"),
			     .name = cn_strdup(name),
			     .node = node ? cn_strdup(node) : NULL,
			     .crush_host = host ? cn_strdup(host) : NULL,
			     .osd = osd};
	if (host_ip)
		assert_true(cn_ip_parse(host_ip, &p->host_ip));
	cn_strv_split(&v, ips ? ips : "", " ");
	p->ips = cn_calloc(v.n, sizeof(*p->ips));
	for (; p->n_ips < v.n; p->n_ips++)
		assert_true(cn_ip_parse(v.v[p->n_ips], &p->ips[p->n_ips]));
	return p;
}

static int agree(struct fixture *x, const char *name)
{
	struct cn_spec spec = {};
	int r;

	forget(x);
	world_answers(&x->w, x->f);
	assert_int_equal(cn_spec_parse(name, &spec, &x->e), 0);
	assert_int_equal(cn_facts_get(fake_client(x->f, 1), &x->inv, &spec, 1, &x->facts, &x->e), 0);
	assert_int_equal(cn_facts_hostnames(fake_client(x->f, 1), &x->facts, &spec, 1, &x->e), 0);
	if (x->names)
		assert_int_equal(cn_facts_all_hostnames(fake_client(x->f, 1), &x->facts, &x->e), 0);
	r = cn_agree(&x->facts, &x->pods, &spec, &x->found, &x->e);
	cn_spec_release(&spec);
	return r;
}

/* "0ak/a 10c": OSD ids, each with the letters of how it was found, and the pod it runs in. */
static void assert_found(struct fixture *x, const char *name, const char *want)
{
	_cleanup_(cn_strv_release) struct cn_strv v = {};
	_cleanup_free_ char *got = NULL;

	if (agree(x, name) < 0)
		fail_msg("%s: %s", name, x->e.message);
	for (size_t i = 0; i < x->found.all.n; i++) {
		int id = x->found.all.v[i];
		const struct cn_pod *p = cn_pod_of_osd(&x->facts, &x->pods, &x->found, id);

		cn_strv_addf(&v, "%d%s%s%s%s%s%s", id, cn_ids_has(&x->found.address, id) ? "a" : "",
			     cn_ids_has(&x->found.crush, id) ? "c" : "", cn_ids_has(&x->found.metadata, id) ? "m" : "",
			     cn_ids_has(&x->found.kube, id) ? "k" : "", p ? "/" : "", p ? p->name : "");
	}
	got = cn_strv_join(&v, " ");
	assert_string_equal(got, want);
}

static void assert_refused(struct fixture *x, const char *name, const char *text)
{
	if (agree(x, name) == 0)
		fail_msg("%s was found", name);
	assert_int_equal(x->e.code, CN_REFUSED);
	assert_has(x->e.message, text);
	assert_true(x->e.hint && strlen(x->e.hint));
}

static void assert_absent(struct fixture *x, const char *name, const char *text)
{
	assert_true(agree(x, name) < 0);
	assert_int_equal(x->e.code, CN_NOT_FOUND);
	assert_has(x->e.message, text);
}

static void assert_note(struct fixture *x, const char *text)
{
	_cleanup_free_ char *all = cn_strv_join(&x->found.notes, "; ");

	assert_has(all, text);
}

/* The FAQ's world: the CRUSH host is the pod's name, the OSD's address that of the pod in the overlay. */
static void overlay(struct fixture *x)
{
	pod(x, "node1", "w1", "10.0.0.1", "127.0.1.1", "node1", -1);
	pod(x, "node2", "w1", "10.0.0.1", "127.0.1.2", "node2", -1);
	pod(x, "node3", "w3", "10.0.0.10", "127.0.1.3", "node3", -1);
}

/* Each node's OSDs in pods with the host's network, the CRUSH host is the node. */
static void host_network(struct fixture *x)
{
	pod(x, "p0", "node1", "127.0.1.1", "127.0.1.1", "node1", -1);
	pod(x, "p1", "node1", "127.0.1.1", "127.0.1.1", "node1", -1);
	pod(x, "p8", "node5", "127.0.1.5", "127.0.1.5", "node5", -1);
}

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

#define with_world(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

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
