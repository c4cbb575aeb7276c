/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lockworld.h"

#include <errno.h>

static bool fails(struct lockworld *w, const char *kind)
{
	if (w->on_call)
		w->on_call(w, kind);
	return w->fail && strcmp(w->fail, kind) == 0 && (w->skip == 0 || w->skip-- == 0);
}

static json_t *osd_dump(struct lockworld *w)
{
	json_t *j = json_pack("{s:i,s:[{s:i,s:s,s:i,s:i,s:{s:{}}},{s:i,s:s,s:i,s:i,s:{s:{}}},{s:i,s:s,s:i,s:i}],s:[{s:i,s:s,s:{s:"
			      "[{s:s},{s:s}]},s:s}]}",
			      "epoch", 9, "pools", "pool", 2, "pool_name", "rbd", "type", 1, "pg_num", 4, "application_metadata",
			      "rbd", "pool", 3, "pool_name", "data", "type", 3, "pg_num", 3, "application_metadata", "rbd",
			      "pool", 4, "pool_name", "x", "type", 3, "pg_num", 8, "osds", "osd", 5, "public_addr",
			      "10.0.0.5:6800/1", "public_addrs", "addrvec", "addr", "10.0.0.5:6800", "addr", "[fd00::5]:6800",
			      "cluster_addr", "10.1.0.5:6800/1");

	if (!w->no_blocklist)
		json_object_set(j, "blocklist", w->fences);
	return j;
}

static int blocklist(struct lockworld *w, const json_t *cmd)
{
	const char *addr = cn_json_str(cmd, "addr", "?");
	_cleanup_free_ char *until =
		cn_time_format(w->clock.real_ms + (int64_t)(json_real_value(json_object_get(cmd, "expire")) * 1000));

	cn_strv_addf(&w->log, "fence %s", addr);
	if (fails(w, "fence"))
		return w->fail_code;
	if (!json_object_get(w->fences, addr))
		json_object_set_new(w->fences, addr, json_string(until));
	if (w->fence_drops_watch)
		w->watcher = NULL;
	return 0;
}

static int command(struct cn_cluster *c, enum cn_target t _unused_, const char *pgid _unused_, const char *text, char **ret_out,
		   size_t *ret_len, char **ret_status _unused_)
{
	struct lockworld *w = (struct lockworld *)c;
	_cleanup_json_ json_t *cmd = json_loads(text, 0, NULL), *reply = NULL;
	const char *prefix = cn_json_str(cmd, "prefix", "");
	int r = 0;

	if (strcmp(prefix, "osd dump") == 0) {
		cn_strv_add(&w->log, "dump");
		if (fails(w, "dump"))
			return w->fail_code;
		reply = osd_dump(w);
	} else if (strcmp(prefix, "osd blocklist") == 0) {
		r = blocklist(w, cmd);
		reply = json_object();
	} else if (strcmp(prefix, "config get") == 0) {
		reply = json_integer(30);
	} else if (strcmp(prefix, "mon dump") == 0) {
		reply = json_pack("{s:[{s:s,s:s}]}", "mons", "name", "a", "addr", "10.0.0.6:6789/0");
	} else if (strcmp(prefix, "mgr metadata") == 0 || strcmp(prefix, "mds metadata") == 0) {
		reply = json_array();
	} else if (strcmp(prefix, "osd crush dump") == 0) {
		r = -EIO; /* only a name hangs on it */
	} else {
		fail_msg("unexpected command: %s", text);
	}
	if (r < 0)
		return r;
	*ret_out = cn_json_dump(reply);
	*ret_len = strlen(*ret_out);
	return 0;
}

static void reply_with(struct cn_read *r, const void *bytes, size_t len)
{
	r->out = cn_malloc(len + 1);
	memcpy(r->out, bytes, len);
	r->len = len;
}

static int one_read(struct lockworld *w, const struct cn_object *o, const struct cn_class_method *m, struct cn_read *x)
{
	static const char id[] = "\2\0\0\0i1", name[] = "\3\0\0\0img";
	char info[] = {1, 1, 4, 0, 0, 0, (char)(w->client != NULL || w->second != NULL), 0, 0, 0};
	int64_t pool = 3;

	if (!m->name) {
		cn_strv_addf(&w->log, "read %lld", (long long)o->pool_id);
		return fails(w, "read") ? w->fail_code : -ENOENT;
	}
	if (fails(w, m->name))
		return w->fail_code;
	if (strcmp(m->name, "get_info") == 0)
		reply_with(x, info, sizeof(info));
	else if (strcmp(m->name, "get_features") == 0)
		reply_with(x, &w->features, 8);
	else if (strcmp(m->name, "get_data_pool") == 0)
		reply_with(x, &pool, 8);
	else if (strcmp(m->name, "dir_get_id") == 0 && memcmp(m->in, name, 7) == 0)
		reply_with(x, id, 6);
	else
		return -ENOENT;
	return 0;
}

static int read_many(struct cn_cluster *c, const struct cn_object *o, const struct cn_class_method *m, struct cn_read *v,
		     size_t n)
{
	for (size_t i = 0; i < n; i++)
		v[i].r = one_read((struct lockworld *)c, o, m, &v[i]);
	return 0;
}

static int omap(struct cn_cluster *c, const struct cn_object *o, const char *prefix, struct cn_pairs *ret)
{
	if (fails((struct lockworld *)c, o->oid))
		return ((struct lockworld *)c)->fail_code;
	if (strcmp(o->oid, "rbd_directory") != 0 || o->pool_id != 2)
		return -ENOENT;
	assert_string_equal(prefix, "id_");
	cn_grow(&ret->v, &ret->cap, ret->n, sizeof(*ret->v));
	ret->v[ret->n++] = (struct cn_pair){cn_strdup("id_i1"), cn_strndup("\3", 1), 5, 1}; /* a name that is cut off: no name */
	return 0;
}

static int lockers(struct cn_cluster *c, const struct cn_object *o, const char *name, struct cn_lockers *ret)
{
	struct lockworld *w = (struct lockworld *)c;

	assert_string_equal(o->oid, "rbd_header.i1");
	assert_string_equal(name, "rbd_lock");
	cn_strv_add(&w->log, "lockers");
	if (fails(w, "lockers"))
		return w->fail_code;
	*ret = (struct cn_lockers){.v = cn_calloc(2, sizeof(*ret->v)), .exclusive = !w->shared, .tag = cn_strdup(w->tag)};
	if (w->client)
		ret->v[ret->n++] = (struct cn_locker){cn_strdup(w->client), cn_strdup(w->cookie), cn_strdup(w->address)};
	if (w->second)
		ret->v[ret->n++] = (struct cn_locker){cn_strdup(w->second), cn_strdup(w->cookie), cn_strdup(w->address)};
	return 0;
}

static int break_lock(struct cn_cluster *c, const struct cn_object *o _unused_, const char *name _unused_, const char *client,
		      const char *cookie)
{
	struct lockworld *w = (struct lockworld *)c;

	if (strcmp(client, "client.99") == 0) /* the question whether we may */
		return fails(w, "may break") ? w->fail_code : -ENOENT;
	cn_strv_addf(&w->log, "break %s %s", client, cookie);
	if (fails(w, "break"))
		return w->fail_code;
	if (!w->client || strcmp(client, w->client) != 0 || strcmp(cookie, w->cookie) != 0)
		return -ENOENT;
	w->client = NULL;
	return 0;
}

static int watchers(struct cn_cluster *c, const struct cn_object *o _unused_, struct cn_watchers *ret)
{
	struct lockworld *w = (struct lockworld *)c;

	cn_strv_add(&w->log, "watchers");
	if (fails(w, "watchers"))
		return w->fail_code;
	*ret = (struct cn_watchers){cn_calloc(1, sizeof(*ret->v)), w->watcher ? 1 : 0};
	if (w->watcher)
		ret->v[0] = (struct cn_watcher){cn_strdup(w->watcher), w->watcher_client, 1};
	return 0;
}

static int latest_map(struct cn_cluster *c)
{
	cn_strv_add(&((struct lockworld *)c)->log, "latest_map");
	return fails((struct lockworld *)c, "latest_map") ? ((struct lockworld *)c)->fail_code : 0;
}

static int address(struct cn_cluster *c, char **ret)
{
	*ret = cn_strdup(((struct lockworld *)c)->own);
	return 0;
}

static int option(struct cn_cluster *c _unused_, const char *name _unused_, char **ret)
{
	*ret = cn_strdup("rbd");
	return 0;
}

static uint64_t instance_id(struct cn_cluster *c _unused_)
{
	return 99;
}

static const struct cn_cluster_ops ops = {.command = command,
					  .lockers = lockers,
					  .break_lock = break_lock,
					  .read_many = read_many,
					  .omap = omap,
					  .watchers = watchers,
					  .latest_map = latest_map,
					  .address = address,
					  .option = option,
					  .instance_id = instance_id};

struct lockworld *lockworld_new(void)
{
	static char entity[] = "client.admin";
	struct lockworld *w = cn_calloc(1, sizeof(*w));

	*w = (struct lockworld){.base = {.ops = &ops, .op_timeout_s = 30, .entity = entity},
				.client = OWNER,
				.cookie = "auto 1",
				.address = ADDRESS,
				.tag = "internal",
				.features = CN_RBD_EXCLUSIVE_LOCK,
				.own = "10.0.0.9:0/1",
				.fence_drops_watch = true,
				.fences = json_object()};
	fakeclock_init(&w->clock);
	return w;
}

void lockworld_free(struct lockworld *w)
{
	cn_strv_release(&w->log);
	json_decref(w->fences);
	json_decref(w->result);
	free(w);
}

int lockworld_at(struct lockworld *w, const char *what)
{
	for (size_t i = 0; i < w->log.n; i++)
		if (strncmp(w->log.v[i], what, strlen(what)) == 0)
			return (int)i;
	return -1;
}

void lockworld_fence(struct lockworld *w, const char *addr, int64_t seconds)
{
	_cleanup_free_ char *until = cn_time_format(w->clock.real_ms + seconds * 1000);

	json_object_set_new(w->fences, addr, json_string(until));
}
