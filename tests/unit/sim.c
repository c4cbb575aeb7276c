/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands of the living cluster. What a test does with it: sim_call.c. */
#include "sim_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "cephnode/cluster/pg.h"

json_t *sim_find(json_t *array, const char *key, int64_t value)
{
	json_t *j;
	size_t i;

	json_array_foreach (array, i, j)
		if (cn_json_int(j, key, -1000000) == value)
			return j;
	return NULL;
}

static json_t *osds(struct sim *s)
{
	return json_object_get(s->w.osd_dump, "osds");
}

static json_t *buckets(struct sim *s)
{
	return json_object_get(s->w.crush_dump, "buckets");
}

static json_t *pgs(struct sim *s)
{
	return json_object_get(s->w.pg_ls, "pg_stats");
}

static bool has_flag(struct sim *s, const char *flag)
{
	struct cn_strv flags = {};
	bool has;

	cn_strv_split(&flags, cn_json_str(s->w.osd_dump, "flags", ""), ",");
	has = cn_strv_has(&flags, flag);
	cn_strv_release(&flags);
	return has;
}

void sim_set_flag(struct sim *s, const char *flag, bool on)
{
	struct cn_strv flags = {}, kept = {};

	cn_strv_split(&flags, cn_json_str(s->w.osd_dump, "flags", ""), ",");
	for (size_t i = 0; i < flags.n; i++)
		if (strcmp(flags.v[i], flag) != 0)
			cn_strv_add(&kept, flags.v[i]);
	if (on)
		cn_strv_add(&kept, flag);
	json_object_set_new(s->w.osd_dump, "flags", json_string_nocheck(""));
	if (kept.n) {
		_cleanup_free_ char *text = cn_strv_join(&kept, ",");

		json_object_set_new(s->w.osd_dump, "flags", json_string(text));
	}
	cn_strv_release(&flags);
	cn_strv_release(&kept);
}

static json_t *item_of(struct sim *s, int osd, json_t **ret_bucket)
{
	json_t *b, *item;
	size_t i;

	json_array_foreach (buckets(s), i, b) {
		item = sim_find(json_object_get(b, "items"), "id", osd);
		if (ret_bucket)
			*ret_bucket = b;
		if (item)
			return item;
	}
	return NULL;
}

uint32_t sim_weight(struct sim *s, int osd)
{
	return (uint32_t)cn_json_int(item_of(s, osd, NULL), "weight", 0);
}

static bool takes(struct sim *s, int osd)
{
	json_t *o = sim_find(osds(s), "osd", osd);

	return o && cn_json_int(o, "in", 0) && sim_weight(s, osd) > 0;
}

static const json_t *host_of(struct sim *s, int osd)
{
	json_t *b = NULL;

	return item_of(s, osd, &b) ? b : NULL;
}

/* An OSD that may take a shard: on a host that has none of the PG's. */
static int other_place(struct sim *s, const int *up, size_t n)
{
	json_t *o;
	size_t i;

	json_array_foreach (osds(s), i, o) {
		int id = (int)cn_json_int(o, "osd", -1);
		bool used = !takes(s, id);

		for (size_t k = 0; k < n && !used; k++)
			used = up[k] != CN_CRUSH_NONE && host_of(s, up[k]) == host_of(s, id);
		if (!used)
			return id;
	}
	return CN_CRUSH_NONE;
}

static void map_one(struct sim *s, json_t *pg, const json_t *home)
{
	bool moves = !s->stuck && !has_flag(s, "norebalance"), hole = false;
	size_t n = json_array_size(home);
	json_t *up = json_array(), *acting;
	int v[8];

	for (size_t i = 0; i < n; i++) {
		v[i] = (int)json_integer_value(json_array_get(home, i));
		if (!takes(s, v[i]))
			v[i] = -1 - v[i];
	}
	for (size_t i = 0; i < n; i++) {
		int was = -1 - v[i];

		if (v[i] >= 0)
			continue;
		v[i] = CN_CRUSH_NONE;
		if (was != s->no_room)
			v[i] = other_place(s, v, n);
		hole |= v[i] == CN_CRUSH_NONE;
	}
	for (size_t i = 0; i < n; i++)
		json_array_append_new(up, json_integer(v[i]));
	acting = json_incref(moves ? up : cn_json_arr(pg, "acting"));
	json_object_set_new(pg, "up", up);
	json_object_set_new(pg, "acting", acting);
	json_object_set_new(pg, "state",
			    json_string(hole                     ? "active+undersized"
					: json_equal(up, acting) ? "active+clean"
								 : "active+remapped+backfill_wait"));
	json_object_set_new(pg, "reported_epoch", json_integer(s->epoch));
}

void sim_moved(struct sim *s)
{
	json_t *pg;
	size_t i;

	s->epoch++;
	json_object_set_new(s->w.osd_dump, "epoch", json_integer(s->epoch));
	json_array_foreach (pgs(s), i, pg)
		map_one(s, pg, json_object_get(s->homes, cn_json_str(pg, "pgid", "")));
}

/* The entry of the compat weight-set, where there is one. */
static json_t *compat_of(struct sim *s, int osd, size_t *ret_at)
{
	json_t *set = json_object_get(json_object_get(s->w.crush_dump, "choose_args"), "-1"), *b, *items;

	if (!item_of(s, osd, &b))
		return NULL;
	items = json_object_get(b, "items");
	for (*ret_at = 0; cn_json_int(json_array_get(items, *ret_at), "id", -1) != osd;)
		++*ret_at;
	return json_array_get(cn_json_arr(sim_find(set, "bucket_id", cn_json_int(b, "id", 0)), "weight_set"), 0);
}

void sim_set_compat(struct sim *s, int osd, double weight)
{
	size_t at;
	json_t *entry = compat_of(s, osd, &at);

	if (entry)
		json_array_set_new(entry, at, json_real(weight));
}

double sim_compat(struct sim *s, int osd)
{
	size_t at;
	json_t *entry = compat_of(s, osd, &at);

	return entry ? json_number_value(json_array_get(entry, at)) : -1;
}

/* Ceph sets the weight-set's entry along with it, and does not give it back. */
static void set_weight(struct sim *s, int osd, uint32_t weight)
{
	json_object_set_new(item_of(s, osd, NULL), "weight", json_integer(weight));
	sim_set_compat(s, osd, weight / (double)CN_WEIGHT_ONE);
}

void sim_set_weight(struct sim *s, int osd, uint32_t weight)
{
	set_weight(s, osd, weight);
	sim_moved(s);
}

bool sim_has_osd(struct sim *s, int osd)
{
	return sim_find(osds(s), "osd", osd);
}

static bool on(const json_t *pg, const char *set, int osd)
{
	json_t *id;
	size_t i;

	json_array_foreach (json_object_get(pg, set), i, id)
		if (json_integer_value(id) == osd)
			return true;
	return false;
}

/* As its new primary tells of it. */
static json_t *peering(const json_t *pg)
{
	json_t *p = json_deep_copy(pg);

	json_object_set(p, "acting", json_object_get(p, "up"));
	json_object_set_new(p, "state", json_string("peering"));
	json_object_set_new(p, "stat_sum", json_pack("{si,si}", "num_bytes", 0, "num_objects", 0));
	return p;
}

static json_t *list_pgs(struct sim *s, int osd)
{
	json_t *some = json_array(), *pg;
	size_t i;

	json_array_foreach (pgs(s), i, pg)
		if (s->peers && !cn_pg_state_is_clean(cn_json_str(pg, "state", ""))) {
			if (osd < 0 || on(pg, "up", osd))
				json_array_append_new(some, peering(pg));
		} else if (osd < 0 ? !cn_pg_state_is_clean(cn_json_str(pg, "state", ""))
				   : on(pg, "up", osd) || on(pg, "acting", osd))
			json_array_append(some, pg);
	return json_pack("{sb,so}", "pg_ready", 1, "pg_stats", some);
}

static json_t *health(struct sim *s)
{
	json_t *checks = json_deep_copy(s->checks), *o;
	bool down = false, held = has_flag(s, "norebalance");
	size_t i;

	json_array_foreach (osds(s), i, o)
		down |= cn_json_int(o, "in", 0) && !cn_json_int(o, "up", 0);
	if (down)
		json_object_set_new(checks, "OSD_DOWN",
				    json_pack("{ss,s{ss}}", "severity", "HEALTH_WARN", "summary", "message", "down"));
	if (held)
		json_object_set_new(checks, "OSDMAP_FLAGS",
				    json_pack("{ss,s{ss}}", "severity", "HEALTH_WARN", "summary", "message",
					      "norecover,nobackfill,norebalance flag(s) set"));
	return json_pack("{ss,so}", "status", json_object_size(checks) ? "HEALTH_WARN" : "HEALTH_OK", "checks", checks);
}

static json_t *usage(struct sim *s)
{
	json_t *nodes = json_array(), *o;
	size_t i;

	json_array_foreach (osds(s), i, o)
		json_array_append_new(
			nodes, json_pack("{si,si,si}", "id", (int)cn_json_int(o, "osd", -1), "kb", 1 << 20, "kb_used", 1 << 16));
	return json_pack("{so}", "nodes", nodes);
}

static json_t *safe(struct sim *s, const json_t *ids)
{
	json_t *reply = json_pack("{s[],s[],s[],s[]}", "safe_to_destroy", "active", "missing_stats", "stored_pgs"), *id;
	size_t i;

	json_array_foreach (ids, i, id) {
		int osd = atoi(json_string_value(id));
		_cleanup_json_ json_t *l = list_pgs(s, osd);
		bool used = json_array_size(json_object_get(l, "pg_stats"));

		json_array_append_new(json_object_get(reply, used ? "active" : "safe_to_destroy"), json_integer(osd));
	}
	return reply;
}

static json_t *of_pg(struct sim *s, const json_t *cmd, int *ret_code)
{
	const char *pgid = cn_json_str(cmd, "pgid", "");
	json_t *pg;
	size_t i;

	json_array_foreach (pgs(s), i, pg)
		if (strcmp(cn_json_str(pg, "pgid", ""), pgid) == 0)
			return json_pack("{sI,ss,ss,sO,sO}", "epoch", (json_int_t)s->epoch, "pgid", pgid, "state",
					 cn_json_str(pg, "state", ""), "up", json_object_get(pg, "up"), "acting",
					 json_object_get(pg, "acting"));
	*ret_code = -ENOENT;
	return NULL;
}

/* Readings: NULL when it is none. */
static json_t *read_reply(struct sim *s, const char *prefix, const json_t *cmd, int *ret_code)
{
	struct {
		const char *prefix;
		json_t *reply;
	} maps[] = {{"osd dump", s->w.osd_dump},         {"osd crush dump", s->w.crush_dump},
		    {"mon dump", s->w.mon_dump},         {"mgr metadata", s->w.mgr_metadata},
		    {"mds metadata", s->w.mds_metadata}, {"osd metadata", s->w.osd_metadata}};

	for (size_t i = 0; i < ARRAY_SIZE(maps); i++)
		if (strcmp(prefix, maps[i].prefix) == 0)
			return json_incref(maps[i].reply);
	if (strcmp(prefix, "pg ls-by-osd") == 0)
		return list_pgs(s, (int)cn_json_int(cmd, "osd", -1));
	if (strcmp(prefix, "pg ls") == 0)
		return list_pgs(s, -1);
	if (strcmp(prefix, "pg map") == 0 || strcmp(prefix, "query") == 0)
		return of_pg(s, cmd, ret_code);
	if (strcmp(prefix, "osd safe-to-destroy") == 0)
		return safe(s, cn_json_arr(cmd, "ids"));
	if (strcmp(prefix, "health") == 0)
		return health(s);
	if (strcmp(prefix, "osd df") == 0)
		return usage(s);
	if (strcmp(prefix, "df") == 0)
		return json_pack("{s[]}", "pools");
	if (strcmp(prefix, "mgr dump") == 0)
		return json_pack("{ss,sb,s[]}", "active_name", "x", "available", 1, "standbys");
	if (strcmp(prefix, "auth get") == 0)
		*ret_code = -ENOENT;
	if (strcmp(prefix, "osd getmap") == 0) /* it has none that osdmaptool would read: forecasts are bounds */
		*ret_code = -EOPNOTSUPP;
	return NULL;
}

static void reweight_subtree(struct sim *s, const char *name, uint32_t weight)
{
	json_t *b, *item;
	size_t i, k;

	json_array_foreach (buckets(s), i, b)
		if (strcmp(cn_json_str(b, "name", ""), name) == 0)
			json_array_foreach (json_object_get(b, "items"), k, item)
				set_weight(s, (int)cn_json_int(item, "id", -1), weight);
}

static void for_ids(struct sim *s, const json_t *ids, void (*fn)(json_t *osd))
{
	json_t *id, *o;
	size_t i;

	json_array_foreach (ids, i, id) {
		o = sim_find(osds(s), "osd", atoi(json_string_value(id)));
		if (o)
			fn(o);
	}
}

static void mark_out(json_t *o)
{
	json_object_set_new(o, "in", json_integer(0));
	json_object_set_new(o, "weight", json_real(0));
}

static void mark_down(json_t *o)
{
	json_object_set_new(o, "up", json_integer(0));
}

static void set_reweight(json_t *o, double weight)
{
	json_object_set_new(o, "in", json_integer(weight > 0));
	json_object_set_new(o, "weight", json_real(weight));
}

static void remove_by(json_t *array, const char *key, int64_t value)
{
	for (size_t i = json_array_size(array); i-- > 0;)
		if (cn_json_int(json_array_get(array, i), key, -1000000) == value)
			json_array_remove(array, i);
}

static void purge(struct sim *s, int osd)
{
	json_t *b;
	size_t i;

	remove_by(osds(s), "osd", osd);
	json_array_foreach (buckets(s), i, b)
		remove_by(json_object_get(b, "items"), "id", osd);
}

static void remove_bucket(struct sim *s, const char *name)
{
	for (size_t i = json_array_size(buckets(s)); i-- > 0;) {
		json_t *b = json_array_get(buckets(s), i), *root;
		size_t k;

		if (strcmp(cn_json_str(b, "name", ""), name) != 0)
			continue;
		json_array_foreach (buckets(s), k, root)
			remove_by(json_object_get(root, "items"), "id", cn_json_int(b, "id", 0));
		json_array_remove(buckets(s), i);
		return;
	}
}

/* Changes: false when it is none. */
static bool change(struct sim *s, const char *prefix, const json_t *cmd)
{
	const char *name = cn_json_str(cmd, "name", "");
	double weight = cn_json_real(cmd, "weight", 0);

	if (strcmp(prefix, "osd set") == 0 || strcmp(prefix, "osd unset") == 0)
		sim_set_flag(s, cn_json_str(cmd, "key", ""), strcmp(prefix, "osd set") == 0);
	else if (strcmp(prefix, "osd crush reweight") == 0)
		set_weight(s, atoi(name + 4), (uint32_t)lround(weight * CN_WEIGHT_ONE));
	else if (strcmp(prefix, "osd crush reweight-subtree") == 0)
		reweight_subtree(s, name, (uint32_t)lround(weight * CN_WEIGHT_ONE));
	else if (strcmp(prefix, "osd out") == 0)
		for_ids(s, cn_json_arr(cmd, "ids"), mark_out);
	else if (strcmp(prefix, "osd stop") == 0)
		for_ids(s, cn_json_arr(cmd, "ids"), mark_down);
	else if (strcmp(prefix, "osd reweight") == 0)
		set_reweight(world_osd(&s->w, (int)cn_json_int(cmd, "id", -1)), weight);
	else if (strcmp(prefix, "osd purge-actual") == 0)
		purge(s, (int)cn_json_int(cmd, "id", -1));
	else if (strcmp(prefix, "osd crush rm") == 0)
		remove_bucket(s, name);
	else if (strcmp(prefix, "osd crush weight-set reweight-compat") == 0)
		sim_set_compat(s, atoi(cn_json_str(cmd, "item", "") + 4),
			       json_real_value(json_array_get(cn_json_arr(cmd, "weight"), 0)));
	else
		return strcmp(prefix, "log") == 0;
	sim_moved(s);
	return true;
}

bool sim_answer(void *arg, enum cn_target target _unused_, const char *pgid _unused_, const json_t *cmd, int *ret_code,
		char **ret_body)
{
	struct sim *s = arg;
	const char *prefix = cn_json_str(cmd, "prefix", "");
	_cleanup_json_ json_t *reply = read_reply(s, prefix, cmd, ret_code);

	if (s->sleep_at && --s->sleep_at == 0)
		fakeclock_advance(&s->clock, 20000);
	if (sim_config_command(s, cmd, ret_code, ret_body))
		return true;
	if (!reply && *ret_code == 0 && !change(s, prefix, cmd))
		return false;
	*ret_body = reply ? cn_json_dump(reply) : cn_strdup("");
	return true;
}
