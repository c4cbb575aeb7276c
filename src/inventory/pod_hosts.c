/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host names of OSDs whose addresses do not say which pod runs them. */
#include "inventory/internal.h"

/* It is up where none of the pods is that would run it, and one of these has more addresses than Kubernetes tells. */
static bool is_name_needed(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_osd *o)
{
	bool needed = false;

	for (size_t i = 0; o && o->up && i < pods->n; i++) {
		if (!cn_pod_claims(f, pods, &pods->v[i], o->id))
			continue;
		if (cn_pod_fits(f, &pods->v[i], o))
			return false;
		needed |= pods->v[i].host_network;
	}
	return needed;
}

int cn_inventory_hostnames(struct cn_cluster *c, const struct cn_osdmap *m, const struct cn_crush *crush,
			   const struct cn_pods *pods, const struct cn_ids *osds, char ***ret, struct cn_error *err)
{
	struct cn_facts f = {.osdmap = m, .crush = crush, .hostnames = cn_calloc(m->n_osds, sizeof(*f.hostnames))};
	struct cn_ids needed = {};
	int r = 0;

	for (size_t i = 0; i < osds->n; i++)
		if (is_name_needed(&f, pods, cn_osdmap_osd(m, osds->v[i])))
			cn_ids_add(&needed, osds->v[i]);
	if (needed.n)
		r = cn_facts_some_hostnames(c, &f, &needed, err);
	cn_ids_release(&needed);
	if (r == 0)
		*ret = f.hostnames;
	else
		cn_inventory_hostnames_free(f.hostnames, m);
	return r;
}
