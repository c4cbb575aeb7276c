/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that change the cluster, and the safety question. The readers of stores and metadata: stores.c. */
#include "cephnode/cluster/commands.h"

#include <errno.h>
#include <string.h>

static int mon(struct cn_cluster *c, json_t *cmd, struct cn_error *err)
{
	return cn_command(c, CN_MON, NULL, cmd, NULL, err);
}

/* The mon wants ids as strings: [3] and "3" are both refused. */
static json_t *id_strings(const struct cn_ids *osds)
{
	json_t *a = json_array();

	for (size_t i = 0; i < osds->n; i++)
		json_array_append_new(a, json_sprintf("%d", osds->v[i]));
	return a;
}

/* n / 65536 is exact in binary floating point, and jansson always prints a decimal point, which the mon insists on. */
static json_t *weight(uint32_t fixed)
{
	return json_real((double)fixed / CN_WEIGHT_ONE);
}

int cn_osd_set(struct cn_cluster *c, const char *flag, struct cn_error *err)
{
	return mon(c, json_pack("{ss,ss}", "prefix", "osd set", "key", flag), err);
}

int cn_osd_unset(struct cn_cluster *c, const char *flag, struct cn_error *err)
{
	return mon(c, json_pack("{ss,ss}", "prefix", "osd unset", "key", flag), err);
}

int cn_crush_reweight(struct cn_cluster *c, int osd, uint32_t w, struct cn_error *err)
{
	return mon(
		c,
		json_pack("{ss,so,so}", "prefix", "osd crush reweight", "name", json_sprintf("osd.%d", osd), "weight", weight(w)),
		err);
}

int cn_crush_reweight_subtree(struct cn_cluster *c, const char *bucket, uint32_t w, struct cn_error *err)
{
	return mon(c, json_pack("{ss,ss,so}", "prefix", "osd crush reweight-subtree", "name", bucket, "weight", weight(w)), err);
}

int cn_crush_weight_set(struct cn_cluster *c, const char *pool, const char *item, const uint32_t *weights, size_t n,
			struct cn_error *err)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, weight(weights[i]));
	if (pool)
		return mon(c,
			   json_pack("{ss,ss,ss,so}", "prefix", "osd crush weight-set reweight", "pool", pool, "item", item,
				     "weight", a),
			   err);
	return mon(c, json_pack("{ss,ss,so}", "prefix", "osd crush weight-set reweight-compat", "item", item, "weight", a), err);
}

int cn_crush_rm(struct cn_cluster *c, const char *bucket, struct cn_error *err)
{
	return mon(c, json_pack("{ss,ss}", "prefix", "osd crush rm", "name", bucket), err);
}

int cn_osd_out(struct cn_cluster *c, const struct cn_ids *osds, struct cn_error *err)
{
	return mon(c, json_pack("{ss,so}", "prefix", "osd out", "ids", id_strings(osds)), err);
}

int cn_osd_reweight(struct cn_cluster *c, int osd, uint32_t reweight, struct cn_error *err)
{
	return mon(c, json_pack("{ss,si,so}", "prefix", "osd reweight", "id", osd, "weight", weight(reweight)), err);
}

int cn_osd_stop(struct cn_cluster *c, const struct cn_ids *osds, struct cn_error *err)
{
	return mon(c, json_pack("{ss,so}", "prefix", "osd stop", "ids", id_strings(osds)), err);
}

static int upmap(struct cn_cluster *c, const char *prefix, struct cn_pgid id, const int *v, size_t n, struct cn_error *err)
{
	char text[CN_PGID_STRLEN];
	json_t *cmd = json_pack("{ss,ss}", "prefix", prefix, "pgid", cn_pgid_format(id, text)), *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, json_integer(v[i]));
	if (v)
		json_object_set(cmd, "id", a);
	json_decref(a);
	return mon(c, cmd, err);
}

int cn_pg_upmap_items(struct cn_cluster *c, struct cn_pgid id, const int *items, size_t n, struct cn_error *err)
{
	return upmap(c, "osd pg-upmap-items", id, items, n, err);
}

int cn_pg_upmap(struct cn_cluster *c, struct cn_pgid id, const int *osds, size_t n, struct cn_error *err)
{
	return upmap(c, "osd pg-upmap", id, osds, n, err);
}

int cn_pg_rm_upmap_items(struct cn_cluster *c, struct cn_pgid id, struct cn_error *err)
{
	return upmap(c, "osd rm-pg-upmap-items", id, NULL, 0, err);
}

int cn_pg_rm_upmap(struct cn_cluster *c, struct cn_pgid id, struct cn_error *err)
{
	return upmap(c, "osd rm-pg-upmap", id, NULL, 0, err);
}

/* Before Luminous there is no purge. */
static int purge_jewel(struct cn_cluster *c, int osd, struct cn_error *err)
{
	json_t *ids = json_array();
	int r;

	json_array_append_new(ids, json_sprintf("%d", osd));
	r = mon(c, json_pack("{ss,so}", "prefix", "osd crush remove", "name", json_sprintf("osd.%d", osd)), err);
	if (r == 0)
		r = mon(c, json_pack("{ss,so}", "prefix", "auth del", "entity", json_sprintf("osd.%d", osd)), err);
	if (r < 0) {
		json_decref(ids);
		return r;
	}
	return mon(c, json_pack("{ss,so}", "prefix", "osd rm", "ids", ids), err);
}

int cn_osd_purge(struct cn_cluster *c, int osd, struct cn_error *err)
{
	int r = mon(c, json_pack("{ss,si,sb}", "prefix", "osd purge-actual", "id", osd, "yes_i_really_mean_it", 1), err);

	if (r != -EINVAL)
		return r;
	cn_error_release(err);
	return purge_jewel(c, osd, err);
}

static void take_ids(const json_t *reply, const char *key, struct cn_ids *ret)
{
	json_t *j;
	size_t i;

	json_array_foreach (cn_json_arr(reply, key), i, j)
		cn_ids_add(ret, (int)json_integer_value(j));
}

int cn_osd_safe_to_destroy(struct cn_cluster *c, const struct cn_ids *osds, struct cn_safe *ret, struct cn_error *err)
{
	_cleanup_json_ json_t *reply = NULL;
	struct cn_safe s = {};
	int r;

	/* With format json the return code is 0 even when it is not safe: the arrays are the answer. */
	r = cn_command(c, CN_MGR, NULL,
		       json_pack("{ss,so,ss}", "prefix", "osd safe-to-destroy", "ids", id_strings(osds), "format", "json"),
		       &reply, err);
	if (r < 0)
		return r;
	if (!json_is_array(json_object_get(reply, "safe_to_destroy")))
		return cn_error_set(err, CN_FAILED, EBADMSG, "'osd safe-to-destroy': no answer in the reply");
	take_ids(reply, "safe_to_destroy", &s.safe);
	take_ids(reply, "active", &s.active);
	take_ids(reply, "missing_stats", &s.missing_stats);
	take_ids(reply, "stored_pgs", &s.stored_pgs);
	*ret = s;
	return 0;
}

void cn_safe_release(struct cn_safe *s)
{
	cn_ids_release(&s->safe);
	cn_ids_release(&s->active);
	cn_ids_release(&s->missing_stats);
	cn_ids_release(&s->stored_pgs);
}

int cn_osd_unset_group(struct cn_cluster *c, const char *flags, const char *who, struct cn_error *err)
{
	return mon(c, json_pack("{ss,ss,s[s]}", "prefix", "osd unset-group", "flags", flags, "who", who), err);
}

int cn_log_line(struct cn_cluster *c, const char *text, struct cn_error *err)
{
	return mon(c, json_pack("{ss,s[o]}", "prefix", "log", "logtext", cn_json_string(text)), err);
}
