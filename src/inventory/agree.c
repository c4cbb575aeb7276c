/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The monitors' answer to "which OSDs are on this node?" and that of Kubernetes, held against each other. Each of them may be
 * wrong alone: addresses of an overlay network are nobody's machine, a CRUSH host may be named after a pod that is gone, and a
 * pod that is listed may be long dead. Where both know something they must say the same.
 */
#include <errno.h>
#include <string.h>

#include "cephnode/base/log.h"
#include "cephnode/base/text.h"
#include "inventory/internal.h"

#define MAX_NODES_IN_HINT 12

static char *osds(const struct cn_ids *l)
{
	return cn_ids_format(l, "osd.", ", ");
}

static bool same(const struct cn_ids *a, const struct cn_ids *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->v, b->v, a->n * sizeof(*a->v)) == 0);
}

/* What the pods have found, and the silent neighbours of these. */
static void all_of_pods(const struct cn_found *k, struct cn_ids *ret)
{
	cn_ids_add_all(ret, &k->kube);
	cn_ids_add_all(ret, &k->crush);
}

/* k is empty afterwards. */
static void merge(struct cn_found *to, struct cn_found *k)
{
	all_of_pods(k, &to->all);
	cn_ids_add_all(&to->kube, &k->kube);
	cn_ids_add_all(&to->crush, &k->crush);
	cn_ids_add_all(&to->address, &k->address);
	cn_ids_add_all(&to->metadata, &k->metadata);
	free(to->pods);
	to->pods = TAKE_PTR(k->pods);
	to->n_pods = k->n_pods;
	to->kube_node = k->kube_node;
	for (size_t i = 0; i < k->notes.n; i++)
		cn_strv_add(&to->notes, k->notes.v[i]);
	cn_found_release(k);
}

static void hint(struct cn_error *err)
{
	cn_error_hint(err,
		      "name the CRUSH host (host:NAME) or the OSDs one by one (osd.N), or go by the monitors alone: --no-kube");
}

static int disagree(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_spec *spec, const struct cn_ids *m,
		    const struct cn_ids *k, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv who = {};
	_cleanup_free_ char *mons = osds(m), *kube = osds(k), *list = NULL, *safe = cn_text_safe(spec->name);

	cn_pods_claiming(f, pods, k, &who);
	list = cn_strv_join(&who, ", ");
	cn_error_set(err, CN_REFUSED, ENOTUNIQ, "'%s' is ambiguous: the monitors say %s, Kubernetes says %s (%s)", safe, mons,
		     kube, list);
	hint(err);
	return -ENOTUNIQ;
}

static int elsewhere(const struct cn_spec *spec, const struct cn_ids *m, const struct cn_strv *who, struct cn_error *err)
{
	_cleanup_free_ char *mons = osds(m), *list = cn_strv_join(who, ", "), *safe = cn_text_safe(spec->name);

	cn_error_set(err, CN_REFUSED, ENOTUNIQ, "'%s' is ambiguous: the monitors say %s, but Kubernetes runs %s", safe, mons,
		     list);
	hint(err);
	return -ENOTUNIQ;
}

static char *looked(const struct cn_pods *pods)
{
	return cn_strv_join(&pods->looked, "; ");
}

static void hint_nodes(const struct cn_pods *pods, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv names = {};
	_cleanup_free_ char *list = NULL;
	bool more = false;

	for (size_t i = 0; i < pods->n; i++) {
		const char *node = pods->v[i].node;

		if (!cn_pod_counts(&pods->v[i]) || cn_strv_has(&names, node))
			continue;
		more = names.n == MAX_NODES_IN_HINT;
		if (more)
			break;
		cn_strv_add(&names, node);
	}
	cn_strv_sort(&names);
	list = cn_strv_join(&names, ", ");
	cn_error_hint(err, "Kubernetes nodes with OSD pods: %s%s", names.n ? list : "none", more ? ", ..." : "");
}

/* Neither knows the node. m: the monitors' error, taken over; k: says which dead pods are there. */
static int unknown(const struct cn_pods *pods, const struct cn_spec *spec, const struct cn_found *k, struct cn_error *m,
		   struct cn_error *err)
{
	_cleanup_free_ char *where = looked(pods), *dead = cn_strv_join(&k->notes, "; "), *safe = cn_text_safe(spec->name);
	const char *sep = k->notes.n ? "; " : "";

	if (spec->kind == CN_SPEC_KUBE) {
		cn_error_set(err, CN_NOT_FOUND, ENOENT, "Kubernetes has no OSD on a node '%s' (looked in %s)%s%s", safe, where,
			     sep, dead);
		hint_nodes(pods, err);
		return -ENOENT;
	}
	cn_error_set(err, CN_NOT_FOUND, ENOENT, "%s, and Kubernetes has none there (looked in %s)%s%s", m->message, where, sep,
		     dead);
	if (m->hint)
		cn_error_hint(err, "%s", m->hint);
	return -ENOENT;
}

/* --- OSDs that only the monitors find on the node --- */

/* The addresses that all of these OSDs have, but for those that were never started: with v4 and v6 both the API may know the
 * machine by the other one than was asked for. That one all have, so this is never empty then. */
static struct cn_osd_addresses common_addresses(const struct cn_facts *f, const struct cn_ids *l)
{
	struct cn_osd_addresses all = {};

	for (size_t i = 0; i < l->n; i++) {
		const struct cn_osd_addresses *a = &cn_osdmap_osd(f->osdmap, l->v[i])->at, left = all.n ? all : *a;

		if (!a->n)
			continue;
		all.n = 0;
		for (size_t k = 0; k < left.n; k++)
			if (cn_osd_addresses_have(a, &left.v[k]))
				all.v[all.n++] = left.v[k];
	}
	return all;
}

/* One of these OSDs is the pod's, and on its machine by its own word. */
static bool is_on_host_of(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_pod *p, const struct cn_ids *osds)
{
	for (size_t i = 0; i < osds->n; i++)
		if (cn_pod_claims(f, pods, p, osds->v[i]) && cn_pod_has_hostname(f, p, osds->v[i]))
			return true;
	return false;
}

/* The one node of all pods that claim these OSDs, where what was asked for is the pods' own: an address of theirs, or the CRUSH
 * host that they name; or where the OSDs report that node's host name. NULL: none. */
static const char *owner_of(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_spec *spec,
			    const struct cn_found *m)
{
	const struct cn_osd there = {.at = common_addresses(f, &m->all)};
	const char *node = NULL;
	bool by_pods = false;

	for (size_t i = 0; i < m->all.n; i++) {
		const char *where;

		if (cn_pods_locate(f, pods, m->all.v[i], &where) < 0 || (node && where && strcmp(node, where) != 0))
			return NULL;
		node = where ?: node;
	}
	for (size_t i = 0; node && i < pods->n; i++) {
		const struct cn_pod *p = &pods->v[i];
		const struct cn_bucket *b = cn_pod_counts(p) ? cn_pod_bucket(f, p) : NULL;

		if (!cn_pod_counts(p) || strcmp(p->node, node) != 0 || is_on_host_of(f, pods, p, &m->all))
			continue;
		by_pods = true;
		if (spec->kind == CN_SPEC_IP ? !cn_pod_has_address(p, &there) && !cn_osd_addresses_have(&there.at, &p->host_ip)
					     : !b || strcmp(b->name, spec->name) != 0)
			return NULL;
	}
	return by_pods && spec->kind != CN_SPEC_IP && m->metadata.n ? NULL : node;
}

/* No pod is on the node, but pods elsewhere run its OSDs. Fine only where the user has named these very pods, all of a node. */
static int claimed(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_spec *spec, const struct cn_strv *who,
		   struct cn_found *m, struct cn_error *err)
{
	const char *node = owner_of(f, pods, spec, m);
	const struct cn_spec there = {.kind = CN_SPEC_KUBE, .name = (char *)node};
	_cleanup_(cn_found_release) struct cn_found k = {};
	struct cn_ids all = {};
	bool fits;
	int r;

	if (!node)
		return elsewhere(spec, &m->all, who, err);
	r = cn_pods_resolve(f, pods, &there, &k, err);
	if (r < 0)
		return r;
	all_of_pods(&k, &all);
	fits = same(&all, &m->all);
	cn_ids_release(&all);
	if (!fits)
		return elsewhere(spec, &m->all, who, err);
	merge(m, &k);
	return 0;
}

static int mons_alone(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_spec *spec, struct cn_found *m,
		      struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv who = {};
	_cleanup_free_ char *where = looked(pods);

	cn_pods_claiming(f, pods, &m->all, &who);
	if (who.n)
		return claimed(f, pods, spec, &who, m, err);
	if (pods->n)
		cn_strv_addf(&m->notes, "Kubernetes has no OSD on %s (looked in %s): the monitors alone say what is there",
			     spec->name, where);
	else
		cn_debug("Kubernetes has no OSD pods (looked in %s)", where);
	return 0;
}

/* --- */

/* The bucket's OSDs have several addresses and host names, as pods have: not ambiguous where Kubernetes says that they are on one
 * node. 0: the bucket is *m now. */
static int bucket_of_pods(const struct cn_facts *f, const struct cn_spec *spec, const struct cn_ids *k, struct cn_found *m)
{
	struct cn_spec bucket = *spec;
	int r;

	bucket.kind = CN_SPEC_HOST;
	for (size_t i = 0; i < f->osdmap->n_osds; i++)
		if (f->hostnames[i] && strcmp(f->hostnames[i], spec->name) == 0)
			return -ENOTUNIQ;
	if (!cn_facts_bucket(f, spec->name))
		return -ENOTUNIQ;
	r = cn_resolve(f, &bucket, m, NULL);
	if (r == 0 && !same(&m->all, k)) {
		cn_found_release(m);
		r = -ENOTUNIQ;
	}
	return r;
}

/* mr and me: what cn_resolve() gave. Both m and k become empty where they are used up. */
static int weigh(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_spec *spec, int mr, struct cn_error *me,
		 struct cn_found *m, struct cn_found *k, struct cn_error *err)
{
	struct cn_ids all = {};
	int r = 0;

	all_of_pods(k, &all);
	if (mr == -ENOTUNIQ && spec->kind == CN_SPEC_NAME && all.n)
		mr = bucket_of_pods(f, spec, &all, m);
	if (mr < 0 && me->code != CN_NOT_FOUND) {
		cn_error_move(err, me);
		r = mr;
	} else if (!all.n && !m->all.n) {
		r = unknown(pods, spec, k, me, err);
	} else if (!all.n) {
		r = mons_alone(f, pods, spec, m, err);
		if (r == 0 && !m->n_pods) /* those there are, if any, run nothing that we know of */
			merge(m, k);
	} else if (m->all.n && !same(&m->all, &all)) {
		r = disagree(f, pods, spec, &m->all, &all, err);
	} else {
		merge(m, k);
	}
	cn_ids_release(&all);
	return r;
}

/* OSDs that were named themselves, or by their CRUSH host: nothing can be ambiguous, the pods are only shown. */
static void attribute(const struct cn_facts *f, const struct cn_pods *pods, struct cn_found *found)
{
	for (size_t i = 0; i < pods->n; i++) {
		const struct cn_pod *p = &pods->v[i];
		bool its = false;

		for (size_t k = 0; k < found->all.n; k++) {
			const char *where;
			int osd = found->all.v[k];

			if (!cn_pod_claims(f, pods, p, osd) || cn_pods_locate(f, pods, osd, &where) < 0 ||
			    strcmp(where, p->node) != 0)
				continue;
			cn_ids_add(&found->kube, osd);
			its = true;
		}
		if (!its)
			continue;
		found->pods = cn_realloc(found->pods, found->n_pods + 1, sizeof(const struct cn_pod *));
		found->pods[found->n_pods++] = p;
	}
	found->kube_node = found->n_pods ? found->pods[0]->node : NULL;
	for (size_t i = 1; i < found->n_pods; i++)
		if (strcmp(found->pods[i]->node, found->pods[0]->node) != 0)
			found->kube_node = NULL;
}

int cn_agree(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_spec *spec, struct cn_found *ret,
	     struct cn_error *err)
{
	_cleanup_(cn_found_release) struct cn_found m = {}, k = {};
	_cleanup_error_ struct cn_error me = {};
	int r = 0, mr;

	if (!pods)
		return cn_resolve(f, spec, ret, err);
	mr = cn_resolve(f, spec, &m, &me);
	if (spec->kind == CN_SPEC_OSD || spec->kind == CN_SPEC_HOST) {
		if (mr < 0) {
			cn_error_move(err, &me);
			return mr;
		}
		attribute(f, pods, &m);
	} else {
		r = cn_pods_resolve(f, pods, spec, &k, err);
		if (r == 0)
			r = weigh(f, pods, spec, mr, &me, &m, &k, err);
	}
	if (r < 0)
		return r;
	*ret = m;
	m = (struct cn_found){};
	return 0;
}
