/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which other daemons run where a node's OSDs do. */
#include <errno.h>
#include <string.h>

#include "cephnode/base/log.h"
#include "cephnode/base/parallel.h"
#include "inventory/internal.h"

struct gets {
	struct cn_cluster *c;
	struct cn_daemons *d;
	struct cn_error err[3];
	int r[3];
};

static void get_one(void *arg, size_t i)
{
	struct gets *g = arg;

	switch (i) {
	case 0:
		g->r[i] = cn_mon_dump(g->c, &g->d->mons, &g->err[i]);
		break;
	case 1:
		g->r[i] = cn_mgr_metadata(g->c, &g->d->mgrs, &g->err[i]);
		break;
	default:
		g->r[i] = cn_mds_metadata(g->c, &g->d->mdss, &g->err[i]);
	}
}

/* Ceph before 11 has no mgr metadata, narrow caps may forbid the MDSs': a warning. But when the connection itself is gone, an
 * answer made of what came before would look complete. */
static bool is_connection_gone(int r)
{
	return r == -ETIMEDOUT || r == -ENOTCONN || r == -ESHUTDOWN;
}

int cn_daemons_get(struct cn_cluster *c, struct cn_daemons *ret, struct cn_error *err)
{
	static const char *const what[] = {"monitors", "managers", "metadata servers"};
	struct gets g = {.c = c, .d = ret};
	int r = 0;

	cn_parallel(ARRAY_SIZE(what), ARRAY_SIZE(what), get_one, &g);
	for (size_t i = 0; i < ARRAY_SIZE(what); i++) {
		if (is_connection_gone(g.r[i]) && r == 0) {
			r = g.r[i];
			cn_error_wrap(&g.err[i], "cannot read where the %s run", what[i]);
			cn_error_move(err, &g.err[i]);
		} else if (g.r[i] < 0) {
			cn_warning("cannot tell which %s run on the node: %s", what[i], g.err[i].message);
		}
		cn_error_release(&g.err[i]);
	}
	return r;
}

void cn_daemons_release(struct cn_daemons *d)
{
	json_decref(d->mons);
	json_decref(d->mgrs);
	json_decref(d->mdss);
	*d = (struct cn_daemons){};
}

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

	json_array_foreach (cn_json_arr(cn_json_obj(daemon, "public_addrs"), "addrvec"), i, a)
		here = here || has_address(node, cn_json_str(a, "addr", NULL));
	/* An MDS that has not reported its name yet is an entry without one. */
	if (here && name && *name)
		cn_strv_addf(&node->daemons, "%s.%s", type, name);
}

void cn_daemons_of_node(const struct cn_daemons *list, struct cn_node *node)
{
	json_t *d;
	size_t i;

	json_array_foreach (cn_json_arr(list->mons, "mons"), i, d)
		add_if_here(node, "mon", d);
	json_array_foreach (list->mgrs, i, d)
		add_if_here(node, "mgr", d);
	json_array_foreach (list->mdss, i, d)
		add_if_here(node, "mds", d);
}
