/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cephnode/cluster/maps.h"

bool cn_osd_addresses_have(const struct cn_osd_addresses *a, const struct cn_ip *ip)
{
	for (size_t i = 0; i < a->n; i++)
		if (cn_ip_equal(&a->v[i], ip))
			return true;
	return false;
}

static bool add_address(const char *entity, struct cn_osd_addresses *to)
{
	struct cn_ip ip;

	if (!cn_ip_parse_entity(entity, &ip) || cn_osd_addresses_have(to, &ip))
		return true;
	if (to->n == CN_OSD_ADDRESSES)
		return false;
	to->v[to->n++] = ip;
	return true;
}

/* Nautilus and later print every address of an OSD in an addrvec, older releases one string. */
static bool add_addresses(const json_t *osd, const char *vec_key, const char *key, struct cn_osd_addresses *to)
{
	size_t i, before = to->n;
	json_t *a;

	json_array_foreach (cn_json_arr(cn_json_obj(osd, vec_key), "addrvec"), i, a)
		if (!add_address(cn_json_str(a, "addr", NULL), to))
			return false;
	return to->n > before || add_address(cn_json_str(osd, key, NULL), to);
}

int cn_osd_addresses_read(const json_t *osd, struct cn_osd_addresses *ret, struct cn_error *err)
{
	struct cn_osd_addresses a = {};
	bool fits = add_addresses(osd, "public_addrs", "public_addr", &a);

	a.n_public = a.n;
	if (!fits || !add_addresses(osd, "cluster_addrs", "cluster_addr", &a))
		return cn_error_set(err, CN_FAILED, E2BIG, "osd.%d has more than %d addresses", (int)cn_json_int(osd, "osd", -1),
				    CN_OSD_ADDRESSES);
	*ret = a;
	return 0;
}

static int osd_cmp(const void *a, const void *b)
{
	const struct cn_osd *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* The OSDs are read one by one: most of the reply is theirs, 1.1 kB each. */
struct reading {
	struct cn_osdmap *m;
	size_t cap;
};

static int read_osd(void *arg, const json_t *j, struct cn_error *err)
{
	struct reading *rd = arg;
	struct cn_osd *o;

	cn_grow(&rd->m->osds, &rd->cap, rd->m->n_osds, sizeof(*rd->m->osds));
	o = &rd->m->osds[rd->m->n_osds++];
	*o = (struct cn_osd){.id = (int)cn_json_int(j, "osd", -1)};
	snprintf(o->uuid, sizeof(o->uuid), "%s", cn_json_str(j, "uuid", ""));
	o->up = cn_json_bool(j, "up", false);
	o->in = cn_json_bool(j, "in", false);
	o->reweight = (uint32_t)lround(cn_json_real(j, "weight", 0) * CN_WEIGHT_ONE);
	o->up_from = cn_json_int(j, "up_from", 0);
	if (cn_osd_addresses_read(j, &o->at, err) < 0)
		return -E2BIG;
	if (o->at.n_public)
		o->address = o->at.v[0];
	return 0;
}

static int read_osds(const char *reply, size_t len, struct cn_osdmap *m, json_t **ret_rest, struct cn_error *err)
{
	struct reading rd = {.m = m};
	int r = cn_json_each(reply, len, "osds", read_osd, &rd, ret_rest, err);

	if (r < 0)
		return cn_error_wrap(err, "'osd dump'");
	m->epoch = cn_json_int(*ret_rest, "epoch", 0);
	if (m->epoch <= 0 || !json_is_array(json_object_get(*ret_rest, "osds")))
		return cn_error_set(err, CN_FAILED, EBADMSG, "'osd dump': no OSD map in the reply");
	if (m->n_osds)
		qsort(m->osds, m->n_osds, sizeof(*m->osds), osd_cmp);
	return 0;
}

static int pool_cmp(const void *a, const void *b)
{
	const struct cn_pool *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int read_pools(const json_t *reply, struct cn_osdmap *m, struct cn_error *err)
{
	json_t *pools = cn_json_arr(reply, "pools"), *profiles = cn_json_obj(reply, "erasure_code_profiles"), *j;
	size_t i;

	m->pools = cn_calloc(json_array_size(pools), sizeof(*m->pools));
	json_array_foreach (pools, i, j) {
		struct cn_pool *p = &m->pools[m->n_pools++];
		const json_t *profile = cn_json_obj(profiles, cn_json_str(j, "erasure_code_profile", ""));

		p->id = cn_json_int(j, "pool", -1);
		p->name = cn_strdup(cn_json_str(j, "pool_name", ""));
		p->size = (int)cn_json_int(j, "size", 0);
		p->min_size = (int)cn_json_int(j, "min_size", 0);
		p->rule = (int)cn_json_int(j, "crush_rule", -1);
		p->erasure = cn_json_int(j, "type", 1) == 3;
		p->ec_k = 1;
		if (p->erasure)
			p->ec_k = MAX(1, atoi(cn_json_str(profile, "k", "1")));
		p->pg_num = (uint32_t)cn_json_int(j, "pg_num", 0);
		p->pg_autoscale = cn_strdup(cn_json_str(j, "pg_autoscale_mode", "off"));
		if (p->id < 0 || p->size <= 0 || p->pg_num == 0)
			return cn_error_set(err, CN_FAILED, EBADMSG, "'osd dump': pool %s cannot be read", p->name);
	}
	qsort(m->pools, m->n_pools, sizeof(*m->pools), pool_cmp);
	return 0;
}

static json_t *keep(const json_t *reply, const char *key)
{
	return json_incref(json_object_get(reply, key));
}

static int get(struct cn_cluster *c, json_t *cmd, struct cn_osdmap *ret, struct cn_error *err)
{
	_cleanup_json_ json_t *reply = NULL;
	_cleanup_free_ char *text = NULL;
	struct cn_osdmap m = {};
	size_t len;
	int r;

	r = cn_command_raw(c, CN_MON, NULL, cmd, &text, &len, err);
	if (r == 0)
		r = read_osds(text, len, &m, &reply, err);
	if (r == 0)
		r = read_pools(reply, &m, err);
	if (r < 0) {
		cn_osdmap_release(&m);
		return r;
	}
	snprintf(m.fsid, sizeof(m.fsid), "%s", cn_json_str(reply, "fsid", ""));
	cn_strv_split(&m.flags, cn_json_str(reply, "flags", ""), ",");
	m.pg_temp = keep(reply, "pg_temp");
	m.pg_upmap = keep(reply, "pg_upmap");
	m.pg_upmap_items = keep(reply, "pg_upmap_items");
	m.node_flags = keep(reply, "crush_node_flags");
	m.full_ratio = cn_json_real(reply, "full_ratio", 0.95);
	m.backfillfull_ratio = cn_json_real(reply, "backfillfull_ratio", 0.90);
	m.nearfull_ratio = cn_json_real(reply, "nearfull_ratio", 0.85);
	m.require_min_compat_client = cn_strdup(cn_json_str(reply, "require_min_compat_client", "unknown"));
	m.require_osd_release = cn_strdup(cn_json_str(reply, "require_osd_release", "unknown"));
	*ret = m;
	return 0;
}

int cn_osdmap_get(struct cn_cluster *c, struct cn_osdmap *ret, struct cn_error *err)
{
	return get(c, json_pack("{ss,ss}", "prefix", "osd dump", "format", "json"), ret, err);
}

int cn_osdmap_get_epoch(struct cn_cluster *c, int64_t epoch, struct cn_osdmap *ret, struct cn_error *err)
{
	return get(c, json_pack("{ss,sI,ss}", "prefix", "osd dump", "epoch", (json_int_t)epoch, "format", "json"), ret, err);
}

void cn_osdmap_release(struct cn_osdmap *m)
{
	for (size_t i = 0; i < m->n_pools; i++) {
		free(m->pools[i].name);
		free(m->pools[i].pg_autoscale);
	}
	free(m->pools);
	free(m->osds);
	cn_strv_release(&m->flags);
	json_decref(m->pg_temp);
	json_decref(m->pg_upmap);
	json_decref(m->pg_upmap_items);
	json_decref(m->node_flags);
	free(m->require_min_compat_client);
	free(m->require_osd_release);
	*m = (struct cn_osdmap){};
}

const struct cn_osd *cn_osdmap_osd(const struct cn_osdmap *m, int id)
{
	struct cn_osd key = {.id = id};

	return m->n_osds ? bsearch(&key, m->osds, m->n_osds, sizeof(*m->osds), osd_cmp) : NULL;
}

const struct cn_pool *cn_osdmap_pool(const struct cn_osdmap *m, int64_t id)
{
	struct cn_pool key = {.id = id};

	return m->n_pools ? bsearch(&key, m->pools, m->n_pools, sizeof(*m->pools), pool_cmp) : NULL;
}

bool cn_osdmap_temp_has(const struct cn_osdmap *m, int osd)
{
	json_t *entry, *id;
	size_t i, k;

	json_array_foreach (m->pg_temp, i, entry)
		json_array_foreach (cn_json_arr(entry, "osds"), k, id)
			if (json_is_integer(id) && json_integer_value(id) == osd)
				return true;
	return false;
}
