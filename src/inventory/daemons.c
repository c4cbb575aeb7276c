/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which other daemons run where a node's OSDs do. */
#include <string.h>

#include "inventory/internal.h"

static bool has_address(const struct cn_node *node, const char *entity)
{
	struct cn_ip ip;

	if (!cn_ip_parse_entity(entity, &ip))
		return false;
	for (size_t i = 0; i < node->n_addresses; i++)
		if (cn_ip_equal(&node->addresses[i], &ip))
			return true;
	return false;
}

/* "[v2:10.0.0.1:6800/1,v1:10.0.0.1:6801/1]", "10.0.0.1:6789/0", "10.0.0.1": all that Ceph prints as a daemon's address. */
static bool has_any_address(const struct cn_node *node, const char *addrs)
{
	struct cn_strv v = {};
	bool found = false;

	if (!addrs)
		return false;
	if (strncmp(addrs, "[v", 2) != 0)
		return has_address(node, addrs);
	cn_strv_split(&v, addrs + 1, ",");
	for (size_t i = 0; !found && i < v.n; i++) {
		const char *colon = strchr(v.v[i], ':');

		found = colon && has_address(node, colon + 1);
	}
	cn_strv_release(&v);
	return found;
}

static bool has_host(const struct cn_node *node, const char *hostname)
{
	if (!hostname)
		return false;
	return cn_strv_has(&node->hosts, hostname) || (node->name && strcmp(node->name, hostname) == 0);
}

static void add_if_here(struct cn_node *node, const char *type, const json_t *daemon)
{
	const char *name = cn_json_str(daemon, "name", NULL);
	bool here = has_any_address(node, cn_json_str(daemon, "addr", NULL)) ||
		    has_any_address(node, cn_json_str(daemon, "addrs", NULL)) ||
		    has_any_address(node, cn_json_str(daemon, "public_addr", NULL)) ||
		    has_host(node, cn_json_str(daemon, "hostname", NULL));
	json_t *a;
	size_t i;

	json_array_foreach(cn_json_arr(cn_json_obj(daemon, "public_addrs"), "addrvec"), i, a) here =
		here || has_address(node, cn_json_str(a, "addr", NULL));
	/* An MDS that has not reported its name yet is an entry without one. */
	if (here && name && *name)
		cn_strv_addf(&node->daemons, "%s.%s", type, name);
}

void cn_node_find_daemons(const struct cn_facts *f, struct cn_node *node)
{
	json_t *d;
	size_t i;

	json_array_foreach(cn_json_arr(f->mons, "mons"), i, d) add_if_here(node, "mon", d);
	json_array_foreach(f->mgrs, i, d) add_if_here(node, "mgr", d);
	json_array_foreach(f->mdss, i, d) add_if_here(node, "mds", d);
}
