/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/inventory/node.h"

#include <errno.h>
#include <string.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/base/parallel.h"
#include "cephnode/base/text.h"
#include "inventory/internal.h"

static void release_node(struct cn_node *node)
{
	for (size_t i = 0; i < node->n_osds; i++) {
		free(node->osds[i].device_class);
		free(node->osds[i].host);
		if (node->osds[i].pod)
			cn_pod_release(node->osds[i].pod);
		free(node->osds[i].pod);
	}
	for (size_t i = 0; i < node->n_pods; i++)
		cn_pod_release(&node->pods[i]);
	free(node->pods);
	free(node->kube_node);
	cn_strv_release(&node->notes);
	free(node->osds);
	free(node->name);
	free(node->addresses);
	cn_strv_release(&node->hosts);
	cn_strv_release(&node->daemons);
	cn_pgs_release(&node->pgs);
}

static void add_address(struct cn_node *node, const struct cn_ip *ip)
{
	if (!ip->family)
		return;
	for (size_t i = 0; i < node->n_addresses; i++)
		if (cn_ip_equal(&node->addresses[i], ip))
			return;
	node->addresses = cn_realloc(node->addresses, node->n_addresses + 1, sizeof(*node->addresses));
	node->addresses[node->n_addresses++] = *ip;
}

static void add_osd(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_found *found, int id,
		    struct cn_node *node)
{
	const struct cn_pod *pod = pods ? cn_pod_of_osd(f, pods, found, id) : NULL;
	struct cn_node_osd *o = &node->osds[node->n_osds++];
	const struct cn_bucket *host = cn_crush_host(f->crush, id);
	const char *class = cn_crush_class(f->crush, id);

	o->osd = *cn_osdmap_osd(f->osdmap, id);
	o->crush_weight = cn_crush_weight(f->crush, id, NULL);
	o->device_class = class ? cn_strdup(class) : NULL;
	o->host = host ? cn_strdup(host->name) : NULL;
	o->found_by =
		(cn_ids_has(&found->address, id) ? CN_FOUND_ADDRESS : 0) | (cn_ids_has(&found->crush, id) ? CN_FOUND_CRUSH : 0) |
		(cn_ids_has(&found->metadata, id) ? CN_FOUND_METADATA : 0) | (cn_ids_has(&found->kube, id) ? CN_FOUND_KUBE : 0);
	if (pod) {
		o->pod = cn_calloc(1, sizeof(*o->pod));
		cn_pod_copy(pod, o->pod);
	}
	if (host && !cn_strv_has(&node->hosts, host->name))
		cn_strv_add(&node->hosts, host->name);
	for (size_t i = 0; i < o->osd.at.n_public; i++)
		add_address(node, &o->osd.at.v[i]);
}

static void add_pods(const struct cn_found *found, struct cn_node *node)
{
	node->kube_node = found->kube_node ? cn_strdup(found->kube_node) : NULL;
	node->pods = cn_calloc(found->n_pods, sizeof(*node->pods));
	for (; node->n_pods < found->n_pods; node->n_pods++) {
		cn_pod_copy(found->pods[node->n_pods], &node->pods[node->n_pods]);
		if (node->kube_node)
			add_address(node, &node->pods[node->n_pods].host_ip);
	}
	for (size_t i = 0; i < found->notes.n; i++)
		cn_strv_add(&node->notes, found->notes.v[i]);
}

static bool any_host_network(const struct cn_pods *pods)
{
	for (size_t i = 0; pods && i < pods->n; i++)
		if (pods->v[i].host_network)
			return true;
	return false;
}

/* Pods that use their host's network are on all of its addresses, of which Kubernetes knows one: what the OSDs say where they are
 * may settle it. */
static int agree(struct cn_cluster *c, struct cn_facts *f, const struct cn_pods *pods, const struct cn_spec *spec,
		 struct cn_found *ret, struct cn_error *err)
{
	_cleanup_error_ struct cn_error e = {};
	int r = cn_agree(f, pods, spec, ret, &e);

	if (r == -ENOTUNIQ && any_host_network(pods)) {
		cn_error_release(&e);
		r = cn_facts_all_hostnames(c, f, &e);
		if (r == 0)
			r = cn_agree(f, pods, spec, ret, &e);
	}
	if (r < 0)
		cn_error_move(err, &e);
	return r;
}

static int make_node(struct cn_cluster *c, struct cn_facts *f, const struct cn_pods *pods, const struct cn_spec *spec,
		     struct cn_node *node, struct cn_error *err)
{
	struct cn_found found = {};
	int r;

	node->name = cn_strdup(spec->name);
	r = agree(c, f, pods, spec, &found, err);
	if (r < 0)
		return r;
	node->osds = cn_calloc(found.all.n, sizeof(*node->osds));
	for (size_t i = 0; i < found.all.n; i++)
		add_osd(f, pods, &found, found.all.v[i], node);
	add_pods(&found, node);
	if (spec->kind == CN_SPEC_IP)
		add_address(node, &spec->ip);
	cn_strv_sort(&node->hosts);
	cn_found_release(&found);
	return 0;
}

static bool node_has(const struct cn_node *node, int osd)
{
	for (size_t i = 0; i < node->n_osds; i++)
		if (node->osds[i].osd.id == osd)
			return true;
	return false;
}

/* Two nodes of one command are drained as one, and each OSD is counted, stopped and removed once: nobody means the same OSD
 * twice. */
static int check_disjoint(const struct cn_node *a, const struct cn_node *b, struct cn_error *err)
{
	_cleanup_free_ char *list = NULL, *name_a = cn_text_safe(a->name), *name_b = cn_text_safe(b->name);
	struct cn_ids both = {};
	size_t n;

	for (size_t i = 0; i < a->n_osds; i++)
		if (node_has(b, a->osds[i].osd.id))
			cn_ids_add(&both, a->osds[i].osd.id);
	n = both.n;
	list = cn_ids_format(&both, "osd.", ", ");
	cn_ids_release(&both);
	if (!n)
		return 0;
	if (n == a->n_osds && n == b->n_osds)
		cn_error_set(err, CN_REFUSED, ENOTUNIQ, "'%s' and '%s' are the same OSDs: %s", name_a, name_b, list);
	else
		cn_error_set(err, CN_REFUSED, ENOTUNIQ, "%s %s to both '%s' and '%s'", list, n == 1 ? "belongs" : "belong",
			     name_a, name_b);
	cn_error_hint(err, "name each node once");
	return -ENOTUNIQ;
}

/* One call of discover: the OSDs with their PGs, and beside it the other daemons, which no step on that way needs. */
struct discovery {
	struct cn_cluster *c;
	struct cn_kube *kube;
	const struct cn_spec *specs;
	size_t n;
	bool with_pgs;
	struct cn_inventory *inv;
	struct cn_daemons daemons;
	struct cn_error err[2];
	int r[2];
};

/* What both sides say, asked at the same time. */
struct answers {
	const struct discovery *d;
	struct cn_facts facts;
	struct cn_pods pods;
	struct cn_error err[2];
	int r[2];
};

static void ask(void *arg, size_t i)
{
	struct answers *a = arg;
	const struct discovery *d = a->d;

	if (i == 1) {
		a->r[1] = cn_ask_pods(d->kube, &a->pods, &a->err[1]);
		return;
	}
	a->r[0] = cn_facts_get(d->c, d->inv, d->specs, d->n, &a->facts, &a->err[0]);
	if (a->r[0] == 0)
		a->r[0] = cn_facts_hostnames(d->c, &a->facts, d->specs, d->n, &a->err[0]);
}

static int ask_both(struct answers *a, struct cn_error *err)
{
	int failed;

	cn_parallel(a->d->kube ? 2 : 1, 2, ask, a);
	failed = a->r[0] < 0 ? 0 : a->r[1] < 0 ? 1 : -1;
	if (failed >= 0)
		cn_error_move(err, &a->err[failed]);
	for (size_t i = 0; i < 2; i++)
		cn_error_release(&a->err[i]);
	return failed >= 0 ? a->r[failed] : 0;
}

static int make_nodes(struct discovery *d, struct cn_error *err)
{
	struct cn_inventory *inv = d->inv;
	struct answers a = {.d = d};
	int r = ask_both(&a, err);

	inv->nodes = cn_calloc(d->n, sizeof(*inv->nodes));
	for (size_t i = 0; r == 0 && i < d->n; i++) {
		inv->n_nodes = i + 1;
		r = make_node(d->c, &a.facts, d->kube ? &a.pods : NULL, &d->specs[i], &inv->nodes[i], err);
		for (size_t j = 0; r == 0 && j < i; j++)
			r = check_disjoint(&inv->nodes[j], &inv->nodes[i], err);
	}
	cn_facts_release(&a.facts);
	cn_pods_release(&a.pods);
	if (r == 0 && cn_interrupted())
		r = cn_error_interrupted(err);
	if (r == 0 && d->with_pgs)
		r = cn_node_load_pgs(d->c, inv, err);
	return r;
}

static void work(void *arg, size_t i)
{
	struct discovery *d = arg;

	d->r[i] = i == 0 ? make_nodes(d, &d->err[0]) : cn_daemons_get(d->c, &d->daemons, &d->err[1]);
}

/* An address without an OSD is often a monitor's: then say so. */
static void name_daemons_instead(const struct discovery *d, struct cn_error *err)
{
	const struct cn_spec *spec = d->inv->n_nodes ? &d->specs[d->inv->n_nodes - 1] : NULL; /* the one that failed */
	struct cn_node nothing = {};
	_cleanup_free_ char *others = NULL;

	if (!spec || spec->kind != CN_SPEC_IP || err->code != CN_NOT_FOUND)
		return;
	add_address(&nothing, &spec->ip);
	cn_daemons_of_node(&d->daemons, &nothing);
	others = cn_strv_join(&nothing.daemons, ", ");
	if (nothing.daemons.n) {
		cn_error_set(err, CN_NOT_FOUND, ENOENT, "no OSD has the address %s, only %s", spec->name, others);
		cn_error_hint(err, "name a node that has OSDs (ceph osd tree)");
	}
	release_node(&nothing);
}

static int discover(struct discovery *d, struct cn_error *err)
{
	int failed;

	cn_parallel(2, 2, work, d);
	if (d->r[0] < 0)
		name_daemons_instead(d, &d->err[0]);
	for (size_t i = 0; i < d->inv->n_nodes; i++)
		cn_daemons_of_node(&d->daemons, &d->inv->nodes[i]);
	failed = d->r[0] < 0 ? 0 : d->r[1] < 0 ? 1 : -1;
	if (failed >= 0)
		cn_error_move(err, &d->err[failed]);
	for (size_t i = 0; i < 2; i++)
		cn_error_release(&d->err[i]);
	cn_daemons_release(&d->daemons);
	return failed >= 0 ? d->r[failed] : 0;
}

static int parse(const char *name, bool kube, struct cn_spec *ret, struct cn_error *err)
{
	int r = cn_spec_parse(name, ret, err);

	if (r < 0 || kube || ret->kind != CN_SPEC_KUBE)
		return r;
	cn_error_set(err, CN_USAGE, EINVAL, "node 'kube:%s': no Kubernetes API is configured", ret->name);
	cn_error_hint(err, "give --kubeconfig FILE, set KUBECONFIG, or name the node by its address, its CRUSH host or osd.N");
	return -EINVAL;
}

int cn_inventory_discover(struct cn_cluster *c, struct cn_kube *kube, const char *const *names, size_t n, bool with_pgs,
			  struct cn_inventory *ret, struct cn_error *err)
{
	struct cn_spec *specs = cn_calloc(n, sizeof(*specs));
	struct cn_inventory inv = {};
	int r = n ? 0 : cn_error_set(err, CN_USAGE, EINVAL, "no node was named");

	for (size_t i = 0; r == 0 && i < n; i++)
		r = parse(names[i], kube != NULL, &specs[i], err);
	if (r == 0)
		r = discover(&(struct discovery){.c = c, .kube = kube, .specs = specs, .n = n, .with_pgs = with_pgs, .inv = &inv},
			     err);
	for (size_t i = 0; i < n; i++)
		cn_spec_release(&specs[i]);
	free(specs);
	if (r < 0)
		cn_inventory_release(&inv);
	else
		*ret = inv;
	return r;
}

void cn_inventory_release(struct cn_inventory *inv)
{
	for (size_t i = 0; i < inv->n_nodes; i++)
		release_node(&inv->nodes[i]);
	free(inv->nodes);
	cn_osdmap_release(&inv->osdmap);
	cn_crush_release(&inv->crush);
	*inv = (struct cn_inventory){};
}
