/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One journal in memory: made from a node, to JSON and back. The store: journals.c. */
#include "cephnode/drain/journal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static const char *const phase_names[] = {
	[CN_PHASE_LOCK] = "lock",         [CN_PHASE_CHECK] = "check",       [CN_PHASE_HOLD] = "hold",
	[CN_PHASE_REWEIGHT] = "reweight", [CN_PHASE_FORECAST] = "forecast", [CN_PHASE_PIN] = "pin",
	[CN_PHASE_RELEASE] = "release",   [CN_PHASE_WAIT] = "wait",         [CN_PHASE_PROVE] = "prove",
	[CN_PHASE_DRAINED] = "drained",   [CN_PHASE_OUT] = "out",           [CN_PHASE_STOP] = "stop",
	[CN_PHASE_PURGE] = "purge",       [CN_PHASE_SWEEP] = "sweep",       [CN_PHASE_AUDIT] = "audit",
	[CN_PHASE_DONE] = "done",         [CN_PHASE_CANCEL] = "cancel",     [CN_PHASE_CANCELLED] = "cancelled",
};

const char *cn_phase_name(enum cn_phase p)
{
	return phase_names[p];
}

static void random_id(char id[33])
{
	unsigned char b[16];

	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		abort();
	for (size_t i = 0; i < sizeof(b); i++)
		snprintf(id + 2 * i, 3, "%02x", b[i]);
}

static void record_osd(const struct cn_inventory *inv, const struct cn_node_osd *o, struct cn_journal_osd *ret)
{
	const struct cn_bucket *parent = cn_crush_parent(&inv->crush, o->osd.id);

	*ret = (struct cn_journal_osd){
		.id = o->osd.id,
		.in_tree = parent,
		.crush_weight = cn_crush_weight(&inv->crush, o->osd.id, NULL),
		.reweight = o->osd.reweight,
		.device_class = o->device_class ? cn_strdup(o->device_class) : NULL,
		.parent = parent ? cn_strdup(parent->name) : NULL,
	};
	snprintf(ret->uuid, sizeof(ret->uuid), "%s", o->osd.uuid);
}

/* The OSDs of the node that are in its acting set; for shards that are missing there, those that are down. */
static void record_holders(const struct cn_node *node, const struct cn_pg *pg, struct cn_journal_pg *rec)
{
	for (int down = 0; down < 2; down++)
		for (size_t i = 0; i < node->n_osds && rec->n_osds < CN_PG_OSDS; i++) {
			const struct cn_osd *o = &node->osds[i].osd;
			bool holds = down ? !o->up : o->up && cn_pg_has_osd(pg, o->id);

			if (holds && (!down || rec->n_osds < rec->shards))
				rec->osds[rec->n_osds++] = o->id;
		}
}

static void record_pgs(const struct cn_inventory *inv, const struct cn_node *node, struct cn_journal *j)
{
	j->pgs = cn_calloc(node->pgs.n, sizeof(*j->pgs));
	for (size_t i = 0; i < node->pgs.n; i++) {
		const struct cn_pg *pg = &node->pgs.v[i];
		struct cn_journal_pg *rec = &j->pgs[j->n_pgs++];

		rec->id = pg->id;
		rec->shards = cn_node_shards(&inv->osdmap, node, pg);
		rec->bytes = cn_shard_bytes(&inv->osdmap, pg);
		record_holders(node, pg, rec);
		j->bytes_total += rec->shards * rec->bytes;
		for (int k = 0; k < rec->n_osds; k++)
			cn_journal_osd(j, rec->osds[k])->bytes_total += rec->shards * rec->bytes / rec->n_osds;
	}
	j->bytes_left = j->bytes_total;
	j->pools = cn_calloc(inv->osdmap.n_pools, sizeof(*j->pools));
	for (size_t i = 0; i < inv->osdmap.n_pools; i++)
		j->pools[j->n_pools++] = (struct cn_journal_pool){inv->osdmap.pools[i].id, inv->osdmap.pools[i].pg_num};
}

void cn_journal_add_pg(struct cn_journal *j, struct cn_pgid id, int osd)
{
	struct cn_journal_pg *rec = j->n_pgs ? bsearch(&id, j->pgs, j->n_pgs, sizeof(*j->pgs), cn_pgid_cmp) : NULL;
	size_t at = 0;

	if (!rec) {
		while (at < j->n_pgs && cn_pgid_cmp(&j->pgs[at], &id) < 0)
			at++;
		j->pgs = cn_realloc(j->pgs, j->n_pgs + 1, sizeof(*j->pgs));
		rec = &j->pgs[at];
		memmove(rec + 1, rec, (j->n_pgs++ - at) * sizeof(*rec));
		*rec = (struct cn_journal_pg){.id = id};
	}
	for (int k = 0; k < rec->n_osds; k++)
		if (rec->osds[k] == osd)
			return;
	if (rec->n_osds < CN_PG_OSDS)
		rec->osds[rec->n_osds++] = osd;
	rec->shards = MAX(rec->shards, rec->n_osds);
}

static void record_whole_hosts(const struct cn_inventory *inv, const struct cn_node *node, struct cn_journal *j)
{
	for (size_t i = 0; i < node->hosts.n; i++) {
		const struct cn_bucket *b = cn_crush_bucket(&inv->crush, node->hosts.v[i]);
		_cleanup_(cn_ids_release) struct cn_ids below = {};
		bool whole = b;

		if (b)
			cn_crush_osds_below(&inv->crush, b->id, &below);
		for (size_t k = 0; k < below.n; k++)
			whole &= cn_journal_osd(j, below.v[k]) != NULL;
		if (whole)
			cn_strv_add(&j->whole_hosts, node->hosts.v[i]);
	}
}

void cn_journal_init(struct cn_journal *j, const struct cn_inventory *inv, const struct cn_node *node, const char *spec,
		     struct cn_clock *clock)
{
	*j = (struct cn_journal){.phase = CN_PHASE_CHECK, .node = cn_strdup(node->name), .spec = cn_strdup(spec)};
	random_id(j->id);
	j->kube_node = node->kube_node ? cn_strdup(node->kube_node) : NULL;
	j->started_ms = j->updated_ms = cn_clock_real_ms(clock);
	for (size_t i = 0; i < node->hosts.n; i++)
		cn_strv_add(&j->hosts, node->hosts.v[i]);
	for (size_t i = 0; i < node->n_addresses; i++) {
		char buf[CN_IP_STRLEN];

		cn_strv_add(&j->addresses, cn_ip_format(&node->addresses[i], buf));
	}
	j->osds = cn_calloc(node->n_osds, sizeof(*j->osds));
	for (size_t i = 0; i < node->n_osds; i++)
		record_osd(inv, &node->osds[i], &j->osds[j->n_osds++]);
	record_whole_hosts(inv, node, j);
	record_pgs(inv, node, j);
	cn_owner_self(&j->owner);
}

void cn_journal_release(struct cn_journal *j)
{
	free(j->node);
	free(j->spec);
	free(j->kube_node);
	cn_strv_release(&j->hosts);
	cn_strv_release(&j->addresses);
	cn_strv_release(&j->whole_hosts);
	cn_strv_release(&j->accepted);
	cn_owner_release(&j->owner);
	for (size_t i = 0; i < j->n_osds; i++) {
		free(j->osds[i].device_class);
		free(j->osds[i].parent);
	}
	free(j->osds);
	cn_strv_release(&j->flags_set);
	json_decref(j->settings);
	json_decref(j->stopped);
	json_decref(j->weight_sets);
	json_decref(j->upmaps);
	free(j->pgs);
	free(j->pools);
	free(j->last_error);
	*j = (struct cn_journal){};
}

static json_t *osds_json(const struct cn_journal *j)
{
	json_t *a = json_array();

	for (size_t i = 0; i < j->n_osds; i++) {
		const struct cn_journal_osd *o = &j->osds[i];

		json_array_append_new(a, json_pack("{si,ss,sb,sb,sI,sI,so,so,sI}", "id", o->id, "uuid", o->uuid, "in_tree",
						   o->in_tree, "pending", o->pending, "crush_weight", (json_int_t)o->crush_weight,
						   "reweight", (json_int_t)o->reweight, "device_class",
						   cn_json_string(o->device_class), "parent", cn_json_string(o->parent),
						   "bytes_total", (json_int_t)o->bytes_total));
	}
	return a;
}

/* [shards, OSD...], or the number of shards alone where the OSDs are not known. */
static json_t *pg_json(const struct cn_journal_pg *rec)
{
	json_t *a;

	if (rec->n_osds == 0)
		return json_integer(rec->shards);
	a = json_array();
	json_array_append_new(a, json_integer(rec->shards));
	for (int k = 0; k < rec->n_osds; k++)
		json_array_append_new(a, json_integer(rec->osds[k]));
	return a;
}

static void read_pg(const json_t *v, struct cn_journal_pg *ret)
{
	ret->shards = (int)json_integer_value(json_is_array(v) ? json_array_get(v, 0) : v);
	for (size_t k = 1; k < json_array_size(v) && ret->n_osds < CN_PG_OSDS; k++)
		ret->osds[ret->n_osds++] = (int)json_integer_value(json_array_get(v, k));
}

static json_t *pgs_json(const struct cn_journal *j)
{
	json_t *o = json_object();

	for (size_t i = 0; i < j->n_pgs; i++) {
		char text[CN_PGID_STRLEN];

		json_object_set_new(o, cn_pgid_format(j->pgs[i].id, text), pg_json(&j->pgs[i]));
	}
	return o;
}

/* In the order of their ids, and so beside what older versions write and read. */
static json_t *pg_bytes_json(const struct cn_journal *j)
{
	json_t *a = json_array();

	for (size_t i = 0; i < j->n_pgs; i++)
		json_array_append_new(a, json_integer(j->pgs[i].bytes));
	return a;
}

static json_t *pools_json(const struct cn_journal *j)
{
	json_t *o = json_object();

	for (size_t i = 0; i < j->n_pools; i++) {
		char text[24];

		snprintf(text, sizeof(text), "%" PRId64, j->pools[i].id);
		json_object_set_new(o, text, json_integer(j->pools[i].pg_num));
	}
	return o;
}

json_t *cn_journal_json(const struct cn_journal *j)
{
	json_t *b = json_pack("{ss,so,ss,so,so,sb,sI,sI,so}", "id", j->id, "node", cn_json_string(j->node), "phase",
			      cn_phase_name(j->phase), "hosts", cn_json_strv(&j->hosts), "addresses", cn_json_strv(&j->addresses),
			      "method_out", j->method_out, "started_ms", (json_int_t)j->started_ms, "updated_ms",
			      (json_int_t)j->updated_ms, "owner", cn_owner_json(&j->owner));

	json_object_set_new(b, "spec", cn_json_string(j->spec));
	if (j->kube_node)
		json_object_set_new(b, "kube_node", cn_json_string(j->kube_node));
	json_object_set_new(b, "osds", osds_json(j));
	json_object_set_new(b, "last_error", cn_json_string(j->last_error));
	json_object_set_new(b, "rate", json_integer(j->rate));
	json_object_set_new(b, "whole_hosts", cn_json_strv(&j->whole_hosts));
	if (j->phase == CN_PHASE_CANCELLED && json_object_size(j->upmaps)) /* drains beside it may have found its pins */
		json_object_set(b, "upmaps", j->upmaps);
	if (j->undo_epoch)
		json_object_set_new(b, "undo_epoch", json_integer(j->undo_epoch));
	if (cn_journal_is_tombstone(j)) /* enough to answer the same command again */
		return b;
	json_object_set_new(b, "released", json_boolean(j->released));
	json_object_set_new(b, "accepted", cn_json_strv(&j->accepted));
	json_object_set_new(b, "flags_set", cn_json_strv(&j->flags_set));
	if (j->settings)
		json_object_set(b, "settings", j->settings);
	if (j->stopped)
		json_object_set(b, "stopped", j->stopped);
	json_object_set_new(b, "weight_sets", j->weight_sets ? json_incref(j->weight_sets) : json_null());
	json_object_set_new(b, "pgs", pgs_json(j));
	json_object_set_new(b, "pg_bytes", pg_bytes_json(j));
	json_object_set_new(b, "pools", pools_json(j));
	json_object_set_new(b, "bytes_total", json_integer(j->bytes_total));
	json_object_set_new(b, "bytes_beside", json_integer(j->bytes_beside));
	json_object_set_new(b, "before_epoch", json_integer(j->before_epoch));
	json_object_set_new(b, "bytes_left", json_integer(j->bytes_left));
	json_object_set_new(b, "released_ms", json_integer(j->released_ms));
	json_object_set_new(b, "change_epoch", json_integer(j->change_epoch));
	json_object_set_new(b, "pin_epoch", json_integer(j->pin_epoch));
	json_object_set_new(b, "upmaps", j->upmaps ? json_incref(j->upmaps) : json_null());
	return b;
}

static bool read_phase(const char *name, enum cn_phase *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(phase_names); i++)
		if (strcmp(phase_names[i], name) == 0) {
			*ret = (enum cn_phase)i;
			return true;
		}
	return false;
}

static char *dup_or_null(const json_t *o, const char *key)
{
	const char *s = cn_json_str(o, key, NULL);

	return s ? cn_strdup(s) : NULL;
}

static void read_strv(const json_t *a, struct cn_strv *ret)
{
	json_t *j;
	size_t i;

	json_array_foreach (a, i, j)
		cn_strv_add(ret, json_string_value(j) ? json_string_value(j) : "");
}

static void read_osds(const json_t *a, struct cn_journal *ret)
{
	json_t *o;
	size_t i;

	ret->osds = cn_calloc(json_array_size(a), sizeof(*ret->osds));
	json_array_foreach (a, i, o) {
		struct cn_journal_osd *rec = &ret->osds[ret->n_osds++];

		rec->id = (int)cn_json_int(o, "id", -1);
		snprintf(rec->uuid, sizeof(rec->uuid), "%s", cn_json_str(o, "uuid", ""));
		rec->in_tree = cn_json_bool(o, "in_tree", false);
		rec->pending = cn_json_bool(o, "pending", false);
		rec->crush_weight = (uint32_t)cn_json_int(o, "crush_weight", 0);
		rec->reweight = (uint32_t)cn_json_int(o, "reweight", 0);
		rec->device_class = dup_or_null(o, "device_class");
		rec->parent = dup_or_null(o, "parent");
		rec->bytes_total = cn_json_int(o, "bytes_total", 0);
	}
}

static bool read_pgs(const json_t *body, struct cn_journal *ret)
{
	json_t *pgs = cn_json_obj(body, "pgs"), *pools = cn_json_obj(body, "pools"), *v;
	const char *key;

	ret->pgs = cn_calloc(json_object_size(pgs), sizeof(*ret->pgs));
	json_object_foreach (pgs, key, v) {
		if (!cn_pgid_parse(key, &ret->pgs[ret->n_pgs].id))
			return false;
		read_pg(v, &ret->pgs[ret->n_pgs++]);
	}
	if (ret->n_pgs)
		qsort(ret->pgs, ret->n_pgs, sizeof(*ret->pgs), cn_pgid_cmp);
	for (size_t i = 0; i < ret->n_pgs; i++)
		ret->pgs[i].bytes = json_integer_value(json_array_get(cn_json_arr(body, "pg_bytes"), i));
	ret->pools = cn_calloc(json_object_size(pools), sizeof(*ret->pools));
	json_object_foreach (pools, key, v)
		ret->pools[ret->n_pools++] = (struct cn_journal_pool){atoll(key), (uint32_t)json_integer_value(v)};
	return true;
}

int cn_journal_read(const json_t *body, struct cn_journal *ret, struct cn_error *err)
{
	struct cn_journal j = {.loaded = true};

	snprintf(j.id, sizeof(j.id), "%s", cn_json_str(body, "id", ""));
	j.node = cn_strdup(cn_json_str(body, "node", ""));
	j.spec = cn_strdup(cn_json_str(body, "spec", j.node));
	j.kube_node = cn_json_str(body, "kube_node", NULL) ? cn_strdup(cn_json_str(body, "kube_node", NULL)) : NULL;
	read_strv(cn_json_arr(body, "hosts"), &j.hosts);
	read_strv(cn_json_arr(body, "addresses"), &j.addresses);
	read_strv(cn_json_arr(body, "whole_hosts"), &j.whole_hosts);
	read_strv(cn_json_arr(body, "accepted"), &j.accepted);
	read_strv(cn_json_arr(body, "flags_set"), &j.flags_set);
	j.method_out = cn_json_bool(body, "method_out", false);
	j.released = cn_json_bool(body, "released", false);
	j.started_ms = cn_json_int(body, "started_ms", 0);
	j.updated_ms = cn_json_int(body, "updated_ms", 0);
	cn_owner_read(cn_json_obj(body, "owner"), &j.owner);
	read_osds(cn_json_arr(body, "osds"), &j);
	j.settings = json_deep_copy(json_object_get(body, "settings")); /* not shared: they change */
	j.stopped = json_deep_copy(json_object_get(body, "stopped"));   /* the same */
	j.weight_sets = json_incref(cn_json_obj(body, "weight_sets"));
	j.bytes_total = cn_json_int(body, "bytes_total", 0);
	j.bytes_beside = cn_json_int(body, "bytes_beside", 0);
	j.rate = cn_json_int(body, "rate", 0);
	j.before_epoch = cn_json_int(body, "before_epoch", 0);
	j.bytes_left = cn_json_int(body, "bytes_left", j.bytes_total);
	j.released_ms = cn_json_int(body, "released_ms", 0);
	j.change_epoch = cn_json_int(body, "change_epoch", 0);
	j.pin_epoch = cn_json_int(body, "pin_epoch", 0);
	j.undo_epoch = cn_json_int(body, "undo_epoch", 0);
	j.upmaps = json_deep_copy(cn_json_obj(body, "upmaps")); /* grows; the body may be somebody else's too */
	j.last_error = dup_or_null(body, "last_error");
	if (!read_phase(cn_json_str(body, "phase", ""), &j.phase) || !read_pgs(body, &j) || strlen(j.id) != 32) {
		cn_journal_release(&j);
		return cn_error_set(err, CN_FAILED, EBADMSG, "the journal cannot be read");
	}
	*ret = j;
	return 0;
}

void cn_journal_copy(const struct cn_journal *j, struct cn_journal *ret)
{
	_cleanup_json_ json_t *body = cn_journal_json(j);

	if (cn_journal_read(body, ret, NULL) < 0)
		abort(); /* what was written can be read */
	ret->generation = j->generation;
	ret->loaded = j->loaded;
	ret->had_parts = j->had_parts;
}

struct cn_journal_osd *cn_journal_osd(const struct cn_journal *j, int id)
{
	for (size_t i = 0; i < j->n_osds; i++)
		if (j->osds[i].id == id)
			return &j->osds[i];
	return NULL;
}

bool cn_journal_is_named(const struct cn_journal *j, const char *name)
{
	return strcmp(j->node, name) == 0 || strcmp(j->spec, name) == 0 || strcmp(j->id, name) == 0;
}

bool cn_journal_matches(const struct cn_journal *j, const char *name)
{
	struct cn_ip ip;
	int osd, n = 0;

	if (strncmp(name, "kube:", 5) == 0)
		return strcmp(j->spec, name) == 0 || (j->kube_node && strcmp(j->kube_node, name + 5) == 0);
	if (j->kube_node && strcmp(j->kube_node, name) == 0)
		return true;
	if (strncmp(name, "ip:", 3) == 0)
		name += 3;
	else if (strncmp(name, "host:", 5) == 0)
		name += 5;
	else if (strncmp(name, "osd:", 4) == 0)
		name += strncmp(name + 4, "osd.", 4) == 0 ? 4 : 0;
	if (cn_journal_is_named(j, name) || cn_strv_has(&j->hosts, name))
		return true;
	/* "osd.3" means that OSD alone: only a drain of it and nothing else */
	if ((sscanf(name, "osd.%d%n", &osd, &n) == 1 || sscanf(name, "osd:%d%n", &osd, &n) == 1) && !name[n])
		return j->n_osds == 1 && j->osds[0].id == osd;
	return cn_ip_parse(name, &ip) && cn_journal_has_address(j, &(struct cn_osd_addresses){.v = {ip}, .n = 1, .n_public = 1});
}

bool cn_journal_has_address(const struct cn_journal *j, const struct cn_osd_addresses *at)
{
	struct cn_ip ip;

	for (size_t i = 0; i < j->addresses.n; i++)
		if (cn_ip_parse(j->addresses.v[i], &ip) && cn_osd_addresses_have(at, &ip))
			return true;
	return false;
}

static const struct cn_journal_pg *recorded(const struct cn_journal *j, struct cn_pgid id)
{
	return j->n_pgs ? bsearch(&id, j->pgs, j->n_pgs, sizeof(*j->pgs), cn_pgid_cmp) : NULL;
}

struct cn_journal_pg *cn_journal_pgs_now(const struct cn_journal *j, const struct cn_osdmap *m, size_t *ret_n)
{
	struct cn_journal_pg *v = NULL;
	size_t n = 0, cap = 0;

	for (size_t i = 0; i < j->n_pools; i++) {
		const struct cn_pool *pool = cn_osdmap_pool(m, j->pools[i].id);
		uint32_t then = j->pools[i].pg_num, now = pool ? pool->pg_num : 0;

		for (uint32_t seed = 0; seed < MAX(then, now) && pool; seed++) {
			/* A split PG's objects came from the PG that its seed folds to under the old pg_num; a merged one's are
			 * now in the PG that its seed folds to under the new one. */
			struct cn_pgid was = {pool->id, cn_pg_stable_mod(seed, then)};
			struct cn_pgid is = {pool->id, cn_pg_stable_mod(seed, now)};
			const struct cn_journal_pg *rec = recorded(j, was);

			if (!rec)
				continue;
			cn_grow(&v, &cap, n, sizeof(*v));
			v[n] = *rec;
			v[n].bytes = now > then ? rec->bytes * then / now : rec->bytes;
			v[n++].id = is;
		}
	}
	if (n)
		qsort(v, n, sizeof(*v), cn_pgid_cmp);
	*ret_n = 0;
	for (size_t i = 0; i < n; i++)
		if (*ret_n == 0 || cn_pgid_cmp(&v[*ret_n - 1], &v[i]) != 0)
			v[(*ret_n)++] = v[i];
		else
			v[*ret_n - 1].bytes += v[i].bytes; /* merged */
	return v;
}
