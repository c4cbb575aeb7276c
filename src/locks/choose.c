/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which node a locker belongs to, and which locks are of the node that was asked for. */
#include <errno.h>
#include <string.h>

#include "cephnode/inventory/node.h"
#include "locks/internal.h"

void cn_lock_node_release(struct cn_lock_node *n)
{
	free(n->addresses);
	free(n->kube_name);
	*n = (struct cn_lock_node){0};
}

static const char *skip(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0 ? name + strlen(prefix) : NULL;
}

static void add_addresses(struct cn_lock_node *n, const struct cn_ip *v, size_t count)
{
	if (count == 0)
		return;
	n->addresses = cn_realloc(n->addresses, n->n_addresses + count, sizeof(*n->addresses));
	memcpy(n->addresses + n->n_addresses, v, count * sizeof(*v));
	n->n_addresses += count;
}

static void add_node(struct cn_lock_node *n, const struct cn_node *node)
{
	add_addresses(n, node->addresses, node->n_addresses);
	n->kube_name = node->kube_node ? cn_strdup(node->kube_node) : NULL;
}

/* A node that carries no OSDs: what Kubernetes says of it, or its address alone. */
static int add_other(struct cn_kube *kube, struct cn_lock_node *n, const struct cn_ip *ip, bool *ret_known, struct cn_error *err)
{
	_cleanup_free_ struct cn_ip *v = NULL;
	size_t count = 0;
	int r;

	if (!n->named) {
		add_addresses(n, ip, ip->family ? 1 : 0);
		*ret_known = ip->family != 0;
		return 0;
	}
	r = kube ? cn_inventory_kube_node(kube, n->name, &v, &count, err) : 0;
	add_addresses(n, v, count);
	*ret_known = r > 0;
	return MIN(r, 0);
}

int cn_lock_node_find(struct cn_cluster *c, struct cn_kube *kube, const char *name, struct cn_lock_node *ret, bool *ret_known,
		      struct cn_error *err)
{
	_cleanup_(cn_inventory_release) struct cn_inventory inventory = {0};
	_cleanup_error_ struct cn_error e = {0};
	const char *named = skip(name, "kube:"), *host = skip(name, "host:"), *address = skip(name, "ip:");
	struct cn_lock_node n = {.name = named ? named : host ? host : name};
	struct cn_ip ip = {0};
	int r;

	*ret_known = false;
	n.named = named || host || !(cn_ip_parse(address ? address : name, &ip) || address || skip(name, "osd:"));
	r = named && !kube ? cn_error_set(&e, CN_NOT_FOUND, ENOENT, "no API")
			   : cn_inventory_discover(c, kube, &name, 1, false, &inventory, &e);
	if (r == 0) {
		*ret_known = true;
		add_node(&n, &inventory.nodes[0]);
	} else if (e.code == CN_NOT_FOUND) {
		cn_error_release(&e);
		r = add_other(host ? NULL : kube, &n, &ip, ret_known, &e);
	}
	if (r < 0) {
		cn_lock_node_release(&n);
		cn_error_move(err, &e);
		return r;
	}
	*ret = n;
	return 0;
}

/* --- the nodes of lockers --- */

static const char *kubelet_node(const struct cn_lock *l)
{
	const char *node = skip(l->locker->cookie, CN_KUBELET_COOKIE);

	return node && *node ? node : NULL;
}

/* The name that a kubelet on this address has put into a lock, or NULL. */
static const char *kubelet_at(const struct cn_lock_list *list, const struct cn_ip *ip)
{
	for (size_t i = 0; list && i < list->n_locks; i++) {
		const struct cn_lock *l = &list->locks[i];

		if (kubelet_node(l) && l->addressed && cn_ip_equal(&l->addr.ip, ip))
			return kubelet_node(l);
	}
	return NULL;
}

/* The OSD that lives on this address, or -1. */
static int osd_at(const struct cn_fence_map *m, const struct cn_ip *ip)
{
	for (size_t i = 0; i < m->n_osds; i++)
		if (cn_osd_addresses_have(&m->osds[i].at, ip))
			return m->osds[i].id;
	return -1;
}

static void name_node(struct cn_cluster *c, const struct cn_lock_list *list, const struct cn_lock_list *around,
		      struct cn_crush *crush, struct cn_lock *l)
{
	const char *name = kubelet_node(l);
	int osd = -1;

	if (!name && l->addressed)
		name = kubelet_at(around, &l->addr.ip) ?: kubelet_at(list, &l->addr.ip);
	if (!name && l->addressed)
		osd = osd_at(&list->map, &l->addr.ip);
	if (osd >= 0 && (crush->n_buckets || cn_crush_get(c, crush, NULL) == 0)) {
		const struct cn_bucket *host = cn_crush_host(crush, osd);

		name = host ? host->name : NULL;
	}
	l->node = name ? cn_strdup(name) : NULL;
}

/* --- the choice --- */

static bool has_ip(const struct cn_ip *list, size_t n, const struct cn_lock *l)
{
	for (size_t i = 0; i < n; i++)
		if (l->addressed && cn_ip_equal(&list[i], &l->addr.ip))
			return true;
	return false;
}

static bool has_name(const struct cn_lock_node *node, const struct cn_lock *l)
{
	const char *name = kubelet_node(l);

	return name &&
	       ((node->named && strcmp(name, node->name) == 0) || (node->kube_name && strcmp(name, node->kube_name) == 0));
}

/* kubelet runs on the node: its locker's address is the node's. */
static void add_kubelets(struct cn_lock_node *node, const struct cn_lock_list *list)
{
	for (size_t i = 0; list && i < list->n_locks; i++) {
		const struct cn_lock *l = &list->locks[i];

		if (l->addressed && has_name(node, l) && !has_ip(node->addresses, node->n_addresses, l))
			add_addresses(node, &l->addr.ip, 1);
	}
}

static void choose_node(struct cn_lock_list *list, const struct cn_lock_list *around, struct cn_lock_node *node)
{
	add_kubelets(node, list);
	add_kubelets(node, around);
	for (size_t i = 0; i < list->n_locks; i++)
		list->locks[i].chosen =
			has_name(node, &list->locks[i]) || has_ip(node->addresses, node->n_addresses, &list->locks[i]);
}

static int by_address(const void *a, const void *b)
{
	const struct cn_client_addr *x = &(*(struct cn_lock *const *)a)->addr, *y = &(*(struct cn_lock *const *)b)->addr;
	int r = memcmp(x->ip.bytes, y->ip.bytes, sizeof(x->ip.bytes));

	if (r == 0 && x->nonce != y->nonce)
		return x->nonce < y->nonce ? -1 : 1;
	return r ? r : (int)x->port - (int)y->port;
}

static void count_neighbours(struct cn_lock_list *list)
{
	_cleanup_free_ struct cn_lock **v = cn_calloc(list->n_locks, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; i < list->n_locks; i++)
		if (list->locks[i].addressed)
			v[n++] = &list->locks[i];
	qsort(v, n, sizeof(*v), by_address);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && cn_client_addr_equal(&v[i]->addr, &v[end]->addr); end++)
			;
		for (size_t k = i; k < end; k++)
			v[k]->same_address = end - i - 1;
	}
}

void cn_locks_choose(struct cn_cluster *c, struct cn_lock_list *list, const struct cn_lock_list *around,
		     struct cn_lock_node *node)
{
	_cleanup_(cn_crush_release) struct cn_crush crush = {0};
	size_t n = 0;

	for (size_t i = 0; i < list->n_images; i++)
		n += list->images[i]->lockers.n;
	list->locks = cn_calloc(n, sizeof(*list->locks));
	for (size_t i = 0; i < list->n_images; i++)
		for (size_t k = 0; k < list->images[i]->lockers.n; k++) {
			struct cn_lock *l = &list->locks[list->n_locks++];

			l->image = list->images[i];
			l->locker = &l->image->lockers.v[k];
			l->state = CN_LOCK_UNKNOWN;
			l->addressed = cn_client_addr_parse(l->locker->address, &l->addr);
			l->chosen = true;
		}
	if (node)
		choose_node(list, around, node);
	count_neighbours(list);
	for (size_t i = 0; i < list->n_locks; i++)
		if (list->locks[i].chosen)
			name_node(c, list, around, &crush, &list->locks[i]);
}

int cn_locks_scan_around(struct cn_cluster *c, const struct cn_lock_list *list, struct cn_lock_list *ret, struct cn_error *err)
{
	_cleanup_error_ struct cn_error e = {0};
	struct cn_lock_scope everywhere = {0};
	int r;

	if (list->n_images == 0)
		return 0;
	r = cn_locks_scan(c, &everywhere, ret, &e);
	if (r == -ESHUTDOWN) {
		cn_error_move(err, &e);
		return r;
	}
	if (r < 0)
		cn_lock_error_add(ret, "*", "", NULL, "pools", r);
	cn_locks_choose(c, ret, NULL, NULL);
	return ret->n_errors > 0;
}

bool cn_locks_none_chosen(const struct cn_lock_list *list)
{
	for (size_t i = 0; i < list->n_locks; i++)
		if (list->locks[i].chosen)
			return false;
	return true;
}
