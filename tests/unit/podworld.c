/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "podworld.h"

int agree_setup(void **state)
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

int agree_teardown(void **state)
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

struct cn_pod *pod(struct fixture *x, const char *name, const char *node, const char *host_ip, const char *ips, const char *host,
		   int osd)
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

int agree(struct fixture *x, const char *name)
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

void assert_found(struct fixture *x, const char *name, const char *want)
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

void assert_refused(struct fixture *x, const char *name, const char *text)
{
	if (agree(x, name) == 0)
		fail_msg("%s was found", name);
	assert_int_equal(x->e.code, CN_REFUSED);
	assert_has(x->e.message, text);
	assert_true(x->e.hint && strlen(x->e.hint));
}

void assert_absent(struct fixture *x, const char *name, const char *text)
{
	assert_true(agree(x, name) < 0);
	assert_int_equal(x->e.code, CN_NOT_FOUND);
	assert_has(x->e.message, text);
}

void assert_note(struct fixture *x, const char *text)
{
	_cleanup_free_ char *all = cn_strv_join(&x->found.notes, "; ");

	assert_has(all, text);
}

void overlay(struct fixture *x)
{
	pod(x, "node1", "w1", "10.0.0.1", "127.0.1.1", "node1", -1);
	pod(x, "node2", "w1", "10.0.0.1", "127.0.1.2", "node2", -1);
	pod(x, "node3", "w3", "10.0.0.10", "127.0.1.3", "node3", -1);
}

void host_network(struct fixture *x)
{
	pod(x, "p0", "node1", "127.0.1.1", "127.0.1.1", "node1", -1);
	pod(x, "p1", "node1", "127.0.1.1", "127.0.1.1", "node1", -1);
	pod(x, "p8", "node5", "127.0.1.5", "127.0.1.5", "node5", -1);
}
