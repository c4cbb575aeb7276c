/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include "cephnode/cluster/pg.h"

#include <stdio.h>

#include "unit.h"

void world_init(struct world *w, const char *set)
{
	bool never = strcmp(set, "never-") == 0;
	char name[64];

	snprintf(name, sizeof(name), "%sosd-dump", set);
	w->osd_dump = unit_json(name);
	snprintf(name, sizeof(name), "%scrush-dump", set);
	w->crush_dump = unit_json(name);
	w->osd_metadata = unit_json(never ? "never-osd-metadata" : "osd-metadata");
	w->mon_dump = unit_json("mon-dump");
	w->mgr_metadata = unit_json("mgr-metadata");
	w->mds_metadata = json_array();
	w->pg_ls = unit_json("pg-ls");
}

void world_release(struct world *w)
{
	json_decref(w->osd_dump);
	json_decref(w->crush_dump);
	json_decref(w->osd_metadata);
	json_decref(w->mon_dump);
	json_decref(w->mgr_metadata);
	json_decref(w->mds_metadata);
	json_decref(w->pg_ls);
}

static json_t *find(json_t *array, const char *key, int64_t value)
{
	json_t *j;
	size_t i;

	json_array_foreach (array, i, j)
		if (cn_json_int(j, key, -1000000) == value)
			return j;
	fail_msg("no %s %d", key, (int)value);
	return NULL;
}

json_t *world_osd(struct world *w, int osd)
{
	return find(json_object_get(w->osd_dump, "osds"), "osd", osd);
}

/* As Ceph 16 prints it. */
static void set_address(json_t *osd, const char *vec_key, const char *key, const char *ips)
{
	_cleanup_(cn_strv_release) struct cn_strv v = {};
	json_t *list = json_array();

	cn_strv_split(&v, ips ? ips : "", " ");
	json_object_set_new(osd, key, json_string("(unrecognized address family 0)/0"));
	for (size_t i = 0; i < v.n; i++) {
		bool v6 = strchr(v.v[i], ':');
		_cleanup_free_ char *addr = cn_asprintf("%s%s%s:6801", v6 ? "[" : "", v.v[i], v6 ? "]" : "");

		json_array_append_new(list, json_pack("{ss,ss,si}", "type", "v2", "addr", addr, "nonce", 7));
		if (i == 0)
			json_object_set_new(osd, key, json_sprintf("%s/7", addr));
	}
	json_object_set_new(osd, vec_key, json_pack("{so}", "addrvec", list));
}

void world_address(struct world *w, int osd, const char *public_ip, const char *cluster_ip)
{
	set_address(world_osd(w, osd), "public_addrs", "public_addr", public_ip);
	set_address(world_osd(w, osd), "cluster_addrs", "cluster_addr", cluster_ip);
}

void world_hostname(struct world *w, int osd, const char *hostname)
{
	json_t *j = find(w->osd_metadata, "id", osd);

	if (hostname)
		json_object_set_new(j, "hostname", json_string(hostname));
	else
		json_object_del(j, "hostname");
}

static json_t *bucket_by_name(struct world *w, const char *name)
{
	json_t *j;
	size_t i;

	json_array_foreach (json_object_get(w->crush_dump, "buckets"), i, j)
		if (strcmp(cn_json_str(j, "name", ""), name) == 0)
			return j;
	fail_msg("no bucket %s", name);
	return NULL;
}

void world_bucket(struct world *w, const char *name, const char *type)
{
	static int next = -1000;
	json_t *items = json_object_get(bucket_by_name(w, "default"), "items");

	json_array_append_new(json_object_get(w->crush_dump, "buckets"),
			      json_pack("{si,ss,ss,si,s[]}", "id", next, "name", name, "type_name", type, "weight", 0, "items"));
	json_array_append_new(items, json_pack("{si,si}", "id", next, "weight", 0));
	next--;
}

void world_move(struct world *w, int osd, const char *bucket)
{
	json_t *b, *items, *item;
	size_t i, k;

	json_array_foreach (json_object_get(w->crush_dump, "buckets"), i, b) {
		items = json_object_get(b, "items");
		for (k = json_array_size(items); k-- > 0;) {
			item = json_array_get(items, k);
			if (cn_json_int(item, "id", -1) == osd)
				json_array_remove(items, k);
		}
	}
	if (bucket)
		json_array_append_new(json_object_get(bucket_by_name(w, bucket), "items"),
				      json_pack("{si,si}", "id", osd, "weight", 65536));
}

void world_rename(struct world *w, const char *bucket, const char *name)
{
	json_object_set_new(bucket_by_name(w, bucket), "name", json_string(name));
}

static json_t *pgs_of(struct world *w, int osd)
{
	json_t *some = json_array(), *pg, *id;
	size_t i, k;

	json_array_foreach (json_object_get(w->pg_ls, "pg_stats"), i, pg) {
		bool has = false;

		json_array_foreach (json_object_get(pg, "up"), k, id)
			has = has || json_integer_value(id) == osd;
		json_array_foreach (json_object_get(pg, "acting"), k, id)
			has = has || json_integer_value(id) == osd;
		if (has)
			json_array_append(some, pg);
	}
	return json_pack("{sb,so}", "pg_ready", 1, "pg_stats", some);
}

typedef void (*answer_fn)(struct fake *, enum cn_target, const char *, const char *, int, const char *, const char *);

static void give(struct fake *f, answer_fn fn, enum cn_target target, const char *prefix, json_t *reply)
{
	_cleanup_free_ char *cmd = cn_asprintf("{\"prefix\":\"%s\",\"format\":\"json\"}", prefix), *body = cn_json_dump(reply);

	fn(f, target, NULL, cmd, 0, body, NULL);
}

static void give_maps(struct world *w, struct fake *f, answer_fn fn)
{
	give(f, fn, CN_MON, "osd dump", w->osd_dump);
	give(f, fn, CN_MON, "osd crush dump", w->crush_dump);
	give(f, fn, CN_MON, "mon dump", w->mon_dump);
	give(f, fn, CN_MON, "mgr metadata", w->mgr_metadata);
	give(f, fn, CN_MON, "mds metadata", w->mds_metadata);
}

/* What the manager lists for the states that are not clean; a test changes the states in w->pg_ls. */
static void give_unclean(struct world *w, struct fake *f, answer_fn fn)
{
	static const char cmd[] =
		"{\"prefix\":\"pg ls\",\"states\":[\"remapped\",\"degraded\",\"undersized\",\"peering\",\"activating\",\"stale\","
		"\"inconsistent\",\"recovering\",\"recovery_wait\",\"recovery_toofull\",\"recovery_unfound\",\"backfilling\","
		"\"backfill_wait\","
		"\"backfill_toofull\",\"backfill_unfound\",\"incomplete\",\"down\",\"peered\",\"creating\"],\"format\":\"json\"}";
	json_t *some = json_array(), *pg;
	_cleanup_json_ json_t *reply = NULL;
	_cleanup_free_ char *body = NULL;
	size_t i;

	json_array_foreach (json_object_get(w->pg_ls, "pg_stats"), i, pg)
		if (!cn_pg_state_is_clean(cn_json_str(pg, "state", "")))
			json_array_append(some, pg);
	reply = json_pack("{sb,so}", "pg_ready", 1, "pg_stats", some);
	body = cn_json_dump(reply);
	fn(f, CN_MGR, NULL, cmd, 0, body, NULL);
}

static void give_pgs(struct world *w, struct fake *f, answer_fn fn, int osd)
{
	_cleanup_free_ char *cmd = cn_asprintf("{\"prefix\":\"pg ls-by-osd\",\"osd\":%d,\"format\":\"json\"}", osd), *body = NULL;
	_cleanup_json_ json_t *reply = pgs_of(w, osd);

	body = cn_json_dump(reply);
	fn(f, CN_MGR, NULL, cmd, 0, body, NULL);
}

void world_answers(struct world *w, struct fake *f)
{
	json_t *osd;
	size_t i;

	give_maps(w, f, fake_always);
	give_unclean(w, f, fake_always);
	give(f, fake_always, CN_MON, "osd metadata", w->osd_metadata);
	json_array_foreach (json_object_get(w->osd_dump, "osds"), i, osd)
		if (cn_json_int(osd, "up", 0))
			give_pgs(w, f, fake_always, (int)cn_json_int(osd, "osd", -1));
}

void world_script_maps(struct world *w, struct fake *f)
{
	give_maps(w, f, fake_expect);
}

void world_script_metadata(struct world *w, struct fake *f)
{
	give(f, fake_expect, CN_MON, "osd metadata", w->osd_metadata);
}

void world_script_pgs(struct world *w, struct fake *f, int osd)
{
	give_pgs(w, f, fake_expect, osd);
}

void world_script_unclean(struct world *w, struct fake *f)
{
	give_unclean(w, f, fake_expect);
}
