/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The document of `discover -f json`. Its fields are a promise to scripts: none is renamed. */
#include "cephnode/inventory/node.h"

json_t *cn_found_by_json(unsigned found_by)
{
	static const struct {
		enum cn_found_by bit;
		const char *name;
	} ways[] = {{CN_FOUND_ADDRESS, "address"},
		    {CN_FOUND_CRUSH, "crush"},
		    {CN_FOUND_METADATA, "metadata"},
		    {CN_FOUND_KUBE, "kubernetes"}};
	json_t *a = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++)
		if (found_by & ways[i].bit)
			json_array_append_new(a, json_string(ways[i].name));
	return a;
}

static json_t *address_json(const struct cn_ip *ip)
{
	char buf[CN_IP_STRLEN];

	return ip->family ? json_string(cn_ip_format(ip, buf)) : json_null();
}

static json_t *osd_json(const struct cn_node_osd *o, bool with_pgs)
{
	json_t *j = json_object();

	json_object_set_new(j, "id", json_integer(o->osd.id));
	json_object_set_new(j, "uuid", cn_json_string(o->osd.uuid));
	json_object_set_new(j, "up", json_boolean(o->osd.up));
	json_object_set_new(j, "in", json_boolean(o->osd.in));
	json_object_set_new(j, "crush_weight", json_real((double)o->crush_weight / CN_WEIGHT_ONE));
	json_object_set_new(j, "reweight", json_real((double)o->osd.reweight / CN_WEIGHT_ONE));
	json_object_set_new(j, "device_class", cn_json_string(o->device_class));
	json_object_set_new(j, "host", cn_json_string(o->host));
	json_object_set_new(j, "address", address_json(&o->osd.address));
	json_object_set_new(j, "pgs", with_pgs ? json_integer((json_int_t)o->pgs) : json_null());
	json_object_set_new(j, "bytes", with_pgs ? json_integer(o->bytes) : json_null());
	json_object_set_new(j, "found_by", cn_found_by_json(o->found_by));
	json_object_set_new(j, "pod", o->pod ? json_sprintf("%s/%s", o->pod->ns, o->pod->name) : json_null());
	return j;
}

static json_t *node_json(const struct cn_node *node, bool with_pgs)
{
	json_t *j = json_object(), *addresses = json_array(), *osds = json_array();

	for (size_t i = 0; i < node->n_addresses; i++)
		json_array_append_new(addresses, address_json(&node->addresses[i]));
	for (size_t i = 0; i < node->n_osds; i++)
		json_array_append_new(osds, osd_json(&node->osds[i], with_pgs));
	json_object_set_new(j, "node", cn_json_string(node->name));
	json_object_set_new(j, "kube_node", cn_json_string(node->kube_node));
	json_object_set_new(j, "hosts", cn_json_strv(&node->hosts));
	json_object_set_new(j, "addresses", addresses);
	json_object_set_new(j, "other_daemons", cn_json_strv(&node->daemons));
	json_object_set_new(j, "osds", osds);
	return j;
}

json_t *cn_inventory_json(const struct cn_inventory *inv)
{
	json_t *j = json_object(), *nodes = json_array();

	for (size_t i = 0; i < inv->n_nodes; i++)
		json_array_append_new(nodes, node_json(&inv->nodes[i], inv->with_pgs));
	json_object_set_new(j, "schema", json_integer(1));
	json_object_set_new(j, "nodes", nodes);
	return j;
}
