/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One image in a made-up cluster: what locks list says of it, and that locks break keeps its order whatever fails. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/locks/break.h"
#include "fakeclock.h"

#define OWNER "client.41"
#define ADDRESS "10.0.0.7:0/4242"
#define DAY 86400

struct world {
	struct cn_cluster base; /* first */
	struct fakeclock clock;
	struct cn_strv log;
	const char *client, *cookie, *address, *tag; /* of the lock; client NULL: none */
	uint64_t features;
	const char *watcher; /* NULL: nobody */
	uint64_t watcher_client;
	const char *own;
	bool fence_drops_watch, no_blocklist;
	json_t *fences;
	const char *fail; /* this kind of call fails */
	int fail_code;
	unsigned skip;
	void (*on_call)(struct world *w, const char *kind); /* the world changes */
	json_t *result;
	const char *question;
	int answer;
};

static bool fails(struct world *w, const char *kind)
{
	if (w->on_call)
		w->on_call(w, kind);
	return w->fail && strcmp(w->fail, kind) == 0 && (w->skip == 0 || w->skip-- == 0);
}

static json_t *osd_dump(struct world *w)
{
	json_t *j = json_pack(
		"{s:i,s:[{s:i,s:s,s:i,s:i,s:{s:{}}},{s:i,s:s,s:i,s:i,s:{s:{}}},{s:i,s:s,s:i,s:i}],s:[{s:i,s:s,s:s}]}", "epoch", 9,
		"pools", "pool", 2, "pool_name", "rbd", "type", 1, "pg_num", 4, "application_metadata", "rbd", "pool", 3,
		"pool_name", "data", "type", 3, "pg_num", 3, "application_metadata", "rbd", "pool", 4, "pool_name", "x", "type",
		3, "pg_num", 8, "osds", "osd", 5, "public_addr", "10.0.0.5:6800/1", "cluster_addr", "10.1.0.5:6800/1");

	if (!w->no_blocklist)
		json_object_set(j, "blocklist", w->fences);
	return j;
}

static int blocklist(struct world *w, const json_t *cmd)
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
	struct world *w = (struct world *)c;
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

static int one_read(struct world *w, const struct cn_object *o, const struct cn_class_method *m, struct cn_read *x)
{
	static const char id[] = "\2\0\0\0i1", name[] = "\3\0\0\0img";
	char info[] = {1, 1, 4, 0, 0, 0, (char)(w->client != NULL), 0, 0, 0};
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
		v[i].r = one_read((struct world *)c, o, m, &v[i]);
	return 0;
}

static int omap(struct cn_cluster *c, const struct cn_object *o, const char *prefix, struct cn_pairs *ret)
{
	if (fails((struct world *)c, o->oid))
		return ((struct world *)c)->fail_code;
	if (strcmp(o->oid, "rbd_directory") != 0 || o->pool_id != 2)
		return -ENOENT;
	assert_string_equal(prefix, "id_");
	cn_grow(&ret->v, &ret->cap, ret->n, sizeof(*ret->v));
	ret->v[ret->n++] = (struct cn_pair){cn_strdup("id_i1"), cn_strndup("\3", 1), 5, 1}; /* a name that is cut off: no name */
	return 0;
}

static int lockers(struct cn_cluster *c, const struct cn_object *o, const char *name, struct cn_lockers *ret)
{
	struct world *w = (struct world *)c;

	assert_string_equal(o->oid, "rbd_header.i1");
	assert_string_equal(name, "rbd_lock");
	cn_strv_add(&w->log, "lockers");
	if (fails(w, "lockers"))
		return w->fail_code;
	*ret = (struct cn_lockers){
		.v = cn_calloc(1, sizeof(*ret->v)), .n = w->client ? 1 : 0, .exclusive = true, .tag = cn_strdup(w->tag)};
	if (w->client)
		ret->v[0] = (struct cn_locker){cn_strdup(w->client), cn_strdup(w->cookie), cn_strdup(w->address)};
	return 0;
}

static int break_lock(struct cn_cluster *c, const struct cn_object *o _unused_, const char *name _unused_, const char *client,
		      const char *cookie)
{
	struct world *w = (struct world *)c;

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
	struct world *w = (struct world *)c;

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
	cn_strv_add(&((struct world *)c)->log, "latest_map");
	return fails((struct world *)c, "latest_map") ? ((struct world *)c)->fail_code : 0;
}

static int address(struct cn_cluster *c, char **ret)
{
	*ret = cn_strdup(((struct world *)c)->own);
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

static struct world *world_new(void)
{
	static char entity[] = "client.admin";
	struct world *w = cn_calloc(1, sizeof(*w));

	*w = (struct world){.base = {.ops = &ops, .op_timeout_s = 30, .entity = entity},
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

static void world_free(struct world *w)
{
	cn_strv_release(&w->log);
	json_decref(w->fences);
	json_decref(w->result);
	free(w);
}

static int at(struct world *w, const char *what)
{
	for (size_t i = 0; i < w->log.n; i++)
		if (strncmp(w->log.v[i], what, strlen(what)) == 0)
			return (int)i;
	return -1;
}

static void fence_by(struct world *w, const char *addr, int64_t seconds)
{
	_cleanup_free_ char *until = cn_time_format(w->clock.real_ms + seconds * 1000);

	json_object_set_new(w->fences, addr, json_string(until));
}

static void emit(void *arg, const json_t *event)
{
	struct world *w = arg;

	assert_null(w->result); /* the result is the last one */
	if (strcmp(cn_json_str(event, "event", ""), "result") == 0)
		w->result = json_deep_copy(event);
}

/* --- list --- */

static json_t *list_one(struct world *w)
{
	_cleanup_(cn_lock_list_release) struct cn_lock_list list = {0};
	_cleanup_error_ struct cn_error err = {0};
	struct cn_lock_scope scope = {.pool = "rbd", .ns = "", .image = "img"};

	assert_int_equal(cn_locks_scan(&w->base, &scope, &list, &err), 0);
	cn_locks_choose(&w->base, &list, NULL);
	cn_locks_look(&w->base, &list, false);
	cn_locks_classify(&list);
	return cn_locks_json(&list, -1, -1);
}

static void check(struct world *w, const char *kind, const char *state)
{
	_cleanup_json_ json_t *doc = list_one(w);
	const json_t *l = json_array_get(cn_json_arr(doc, "locks"), 0);

	assert_string_equal(cn_json_str(l, "kind", ""), kind);
	assert_string_equal(cn_json_str(l, "state", ""), state);
	assert_int_equal(cn_json_bool(doc, "complete", false), strcmp(state, "unknown") != 0 || w->no_blocklist);
	world_free(w);
}

static void test_states(void **state _unused_)
{
	struct world *w = world_new();

	check(w, "auto", "unwatched");
	w = world_new(), w->watcher = "10.0.0.7:0/4242", w->watcher_client = 7;
	check(w, "auto", "alive");
	w = world_new(), w->watcher = "10.0.0.7:0/1", w->watcher_client = 41; /* by its name, whatever the address says */
	check(w, "auto", "alive");
	w = world_new(), w->watcher = "10.0.0.7:0/42420", w->watcher_client = 410;
	check(w, "auto", "in-use");
	w = world_new(), w->fail = "watchers", w->fail_code = -ETIMEDOUT;
	check(w, "auto", "unknown");
	w = world_new(), w->fail = "get_features", w->fail_code = -EPERM;
	check(w, "auto", "unknown");
	w = world_new(), w->no_blocklist = true; /* unknown, never "not fenced" */
	check(w, "auto", "unknown");
	w = world_new(), w->address = "v1:10.0.0.7:0/4242", fence_by(w, ADDRESS, 60);
	check(w, "auto", "fenced");
	w = world_new(), fence_by(w, "10.0.0.7:0/424", 60);
	check(w, "auto", "unwatched");
	w = world_new(), fence_by(w, "10.0.0.7:0/0", 60);
	check(w, "auto", "fenced");
	w = world_new(), w->cookie = "kubelet_lock_magic_n", w->tag = "", w->features = 1, fence_by(w, ADDRESS, 60);
	check(w, "advisory", "unwatched"); /* it is not the writer's address */
	w = world_new(), w->cookie = "kubelet_lock_magic_n", w->tag = "", w->features = 1, fence_by(w, "10.0.0.7:0/0", 60);
	check(w, "advisory", "fenced");
	w = world_new(), w->cookie = "auto 1", w->tag = "";
	check(w, "conflict", "unwatched");
}

static void test_incomplete(void **state _unused_)
{
	static const char *const kinds[] = {"get_info", "lockers"};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct world *w = world_new();
		_cleanup_json_ json_t *doc = NULL;
		const json_t *e;

		w->fail = kinds[i], w->fail_code = -EPERM;
		doc = list_one(w);
		e = json_array_get(cn_json_arr(doc, "errors"), 0);
		assert_false(cn_json_bool(doc, "complete", true));
		assert_string_equal(cn_json_str(e, "op", ""), kinds[i]);
		assert_int_equal(cn_json_int(e, "errno", 0), EPERM);
		assert_int_equal(json_array_size(cn_json_arr(doc, "locks")), 0);
		world_free(w);
	}
}

/* --- break --- */

static struct cn_break_options options;

static int confirm(void *arg, const char *text)
{
	struct world *w = arg;

	assert_has(text, OWNER);
	return w->answer;
}

static void do_break(struct world *w, enum cn_code code, const char *outcome, const char *words)
{
	_cleanup_error_ struct cn_error err = {0};
	struct cn_lock_scope scope = {.pool = "rbd", .ns = "", .image = "img"};
	struct cn_break b = {&w->base, &w->clock.clock, &options, emit, w->answer ? confirm : NULL, w};

	if (!options.fence_for_s)
		options.fence_for_s = 30 * DAY;
	(void)cn_locks_break(&b, &scope, NULL, &err);
	assert_int_equal(err.code, code);
	assert_has(err.message ? err.message : "", words);
	assert_string_equal(cn_json_str(w->result, "outcome", ""), outcome);
	assert_int_equal(cn_json_int(w->result, "exit", -1), code);
	json_decref(w->result);
	w->result = NULL;
}

static void refused(struct world *w, const char *words)
{
	do_break(w, CN_REFUSED, "refused", words);
	assert_int_equal(at(w, "fence"), -1);
	assert_int_equal(at(w, "break"), -1);
	world_free(w);
	options = (struct cn_break_options){0};
}

static void test_order(void **state _unused_)
{
	struct world *w = world_new();
	int fence, latest;

	do_break(w, CN_OK, "broken", "");
	assert_true(w->clock.waited_ms >= 35000);
	assert_null(w->client);
	fence = at(w, "fence " ADDRESS);
	latest = at(w, "latest_map");
	assert_true(fence >= 0 && latest > fence && at(w, "read 2") > latest && at(w, "read 3") > at(w, "read 2"));
	assert_true(at(w, "break " OWNER " auto 1") > at(w, "read 3"));
	assert_int_equal(at(w, "read 4"), -1);
	for (size_t i = 0, reads = 0; i < w->log.n; i++) { /* every placement group of both pools */
		reads += strncmp(w->log.v[i], "read", 4) == 0;
		if (strncmp(w->log.v[i], "break", 5) == 0)
			assert_int_equal(reads, 7);
	}
	world_free(w);
}

static void test_nothing_is_broken_when_a_step_fails(void **state _unused_)
{
	static const struct {
		const char *kind;
		unsigned skip;
		int code;
		enum cn_code exit;
	} cases[] = {
		{"fence", 0, -EACCES, CN_FAILED},     {"fence", 0, -ETIMEDOUT, CN_TIMEOUT},
		{"dump", 2, -ETIMEDOUT, CN_TIMEOUT},  {"dump", 3, -ETIMEDOUT, CN_TIMEOUT},
		{"dump", 4, -ETIMEDOUT, CN_TIMEOUT},  {"latest_map", 0, -ETIMEDOUT, CN_TIMEOUT},
		{"read", 0, -ETIMEDOUT, CN_TIMEOUT},  {"read", 6, -EPERM, CN_FAILED},
		{"lockers", 2, -EIO, CN_FAILED},      {"break", 0, -EPERM, CN_FAILED},
		{"may break", 0, -EPERM, CN_REFUSED}, {"watchers", 0, -EPERM, CN_REFUSED},
		{"lockers", 0, -EPERM, CN_FAILED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct world *w = world_new();

		w->fail = cases[i].kind, w->skip = cases[i].skip, w->fail_code = cases[i].code;
		do_break(w, cases[i].exit, cases[i].exit == CN_REFUSED ? "refused" : "failed", "");
		assert_non_null(w->client);
		if (strcmp(cases[i].kind, "break") != 0)
			assert_int_equal(at(w, "break"), -1);
		if (cases[i].exit == CN_REFUSED)
			assert_int_equal(at(w, "fence"), -1);
		world_free(w);
	}
}

static void lose_answer(struct world *w, const char *kind)
{
	if (strcmp(kind, "break") == 0)
		w->client = NULL;
}

static void test_the_answer_of_the_break_is_lost(void **state _unused_)
{
	struct world *w = world_new();

	w->fail = "break", w->fail_code = -ETIMEDOUT;
	do_break(w, CN_TIMEOUT, "unknown", "still stands");
	w->on_call = lose_answer;
	do_break(w, CN_OK, "broken", "");
	world_free(w);
}

static void take_over(struct world *w, const char *kind)
{
	if (strcmp(kind, "read") == 0)
		w->client = "client.50", w->address = "10.0.0.8:0/5", w->cookie = "auto 5";
}

static void go_away(struct world *w, const char *kind)
{
	if (strcmp(kind, "read") == 0)
		w->client = NULL;
}

static void new_address(struct world *w, const char *kind)
{
	if (strcmp(kind, "read") == 0)
		w->address = "10.0.0.7:0/4243";
}

static void test_others_were_faster(void **state _unused_)
{
	struct world *w = world_new();

	w->on_call = take_over;
	do_break(w, CN_PARTIAL, "failed", "changed hands");
	assert_string_equal(w->client, "client.50");
	assert_int_equal(at(w, "break"), -1);
	world_free(w);
	w = world_new(), w->on_call = go_away;
	do_break(w, CN_OK, "gone", "");
	do_break(w, CN_OK, "gone", "");
	world_free(w);
	w = world_new(), w->on_call = new_address;
	do_break(w, CN_PARTIAL, "failed", "changed hands");
	assert_non_null(w->client);
	world_free(w);
}

static void test_refusals(void **state _unused_)
{
	struct world *w = world_new();

	w->watcher = ADDRESS, w->watcher_client = 41;
	refused(w, "alive");
	w = world_new(), w->watcher = "10.0.0.8:0/1", w->watcher_client = 50;
	refused(w, "in use");
	w = world_new(), w->fail = "watchers", w->fail_code = -EIO, options.force = true;
	refused(w, "could not be found out");
	w = world_new(), w->address = ":/0", options.force = true;
	refused(w, "could not be found out");
	w = world_new(), w->client = "client.99", options.force = true;
	refused(w, "this very client");
	w = world_new(), w->own = "[v2:10.0.0.7:0/4242,v1:10.0.0.7:0/4242]", options.force = true;
	refused(w, "this very client");
	w = world_new(), w->own = "10.0.0.7:0/1", options.force = options.fence_host = true;
	refused(w, "this very client");
	w = world_new(), w->address = "10.0.0.5:0/1", options.fence_host = true;
	refused(w, "osd.5");
	w = world_new(), w->address = "10.1.0.5:0/1", options.fence_host = true;
	refused(w, "osd.5");
	w = world_new(), w->address = "10.0.0.6:0/1", options.fence_host = true;
	refused(w, "mon.a");
	w = world_new(), w->tag = "", w->cookie = "by hand", options.force = true;
	refused(w, "advisory");
	w = world_new(), w->tag = "", w->cookie = "by hand", w->features = 1, fence_by(w, ADDRESS, 60 * DAY);
	refused(w, "advisory");
	w = world_new(), w->watcher = "10.0.0.8:0/1", options.no_fence = true;
	refused(w, "in use");
	w = world_new(), options.locker = "client.4";
	refused(w, "changed hands");
	w = world_new(), options.lock_id = "";
	refused(w, "changed hands");
	w = world_new(), fence_by(w, ADDRESS, 3600);
	refused(w, "does not prolong");
	w = world_new(), w->answer = -ECANCELED;
	refused(w, "not confirmed");
}

/* A client that is seen once in all the looks lives. */
static void blink(struct world *w, const char *kind)
{
	if (strcmp(kind, "watchers") == 0)
		w->watcher = w->clock.waited_ms > 20000 && w->clock.waited_ms < 23000 ? ADDRESS : NULL;
}

static void test_a_locker_that_blinks(void **state _unused_)
{
	struct world *w = world_new();

	w->on_call = blink;
	refused(w, "alive");
}

static void test_fences(void **state _unused_)
{
	struct world *w = world_new();

	fence_by(w, ADDRESS, 20 * DAY); /* ours, of a call that died: at once */
	do_break(w, CN_OK, "broken", "");
	assert_int_equal(at(w, "fence"), -1);
	assert_int_equal(w->clock.waited_ms, 0);
	world_free(w);

	w = world_new(), w->watcher = "10.0.0.8:0/1", w->watcher_client = 50, options.force = true;
	do_break(w, CN_OK, "broken", "");
	assert_true(at(w, "fence 10.0.0.8:0/1") >= 0 && at(w, "fence " ADDRESS) >= 0);
	world_free(w);

	w = world_new(), options.force = true, w->watcher = ADDRESS, w->fence_drops_watch = false; /* the OSD never hears of it */
	do_break(w, CN_TIMEOUT, "failed", "watch is not gone");
	assert_non_null(w->client);
	world_free(w);

	options = (struct cn_break_options){.fence_host = true};
	w = world_new(), w->tag = "", w->cookie = "by hand", w->features = 1;
	do_break(w, CN_OK, "broken", "");
	assert_true(at(w, "fence 10.0.0.7:0/0") >= 0);
	world_free(w);

	options = (struct cn_break_options){.no_fence = true};
	w = world_new(), w->tag = "", w->cookie = "by hand", w->features = 1;
	do_break(w, CN_OK, "broken", "");
	assert_int_equal(at(w, "fence"), -1);
	assert_true(w->clock.waited_ms >= 35000);
	world_free(w);

	options = (struct cn_break_options){.dry_run = true};
	w = world_new();
	do_break(w, CN_OK, "none", "");
	assert_int_equal(at(w, "fence"), -1);
	assert_non_null(w->client);
	world_free(w);
	options = (struct cn_break_options){0};
}

static int expire(struct fakeclock *clock, void *arg)
{
	struct world *w = arg;

	if (clock->waited_ms > 60000)
		json_object_del(w->fences, ADDRESS);
	return 0;
}

/* Somebody else's fence ends in a minute: it is outlived, then ours is put. */
static void test_a_short_fence_is_outwaited(void **state _unused_)
{
	struct world *w = world_new();

	fence_by(w, ADDRESS, 60);
	w->clock.on_wait = expire, w->clock.arg = w;
	do_break(w, CN_OK, "broken", "");
	assert_true(w->clock.waited_ms > 60000);
	assert_true(at(w, "fence " ADDRESS) >= 0);
	world_free(w);
}

static void test_ranges(void **state _unused_)
{
	struct world *w = world_new();
	struct cn_fence fences[] = {{.prefix = 23, .until_ms = 5}, {.prefix = -1, .until_ms = 3}};
	struct cn_fence_map m = {.fences = fences, .n_fences = 2};
	struct cn_client_addr a;

	assert_true(cn_client_addr_parse("10.0.2.0:0/23", &fences[0].addr) && cn_client_addr_parse("[::1]:7/9", &fences[1].addr));
	assert_true(cn_client_addr_parse("any:10.0.3.255:0/1", &a));
	assert_int_equal(cn_fence_until(&m, &a, true), 5);
	assert_true(cn_client_addr_parse("10.0.4.0:0/1", &a));
	assert_int_equal(cn_fence_until(&m, &a, false), 0);
	assert_true(cn_client_addr_parse("[0:0::1]:7/9", &a));
	assert_int_equal(cn_fence_until(&m, &a, false), 3);
	assert_int_equal(cn_fence_until(&m, &a, true), 0);
	assert_false(cn_client_addr_parse("10.0.0.7:0/12 ", &a) || cn_client_addr_parse("10.0.0.7", &a) ||
		     cn_client_addr_parse("-", &a) || cn_client_addr_parse("10.0.0.7:0/99999999999", &a));
	world_free(w);
}

/* As `osdmaptool --test-map-object` of 16.2.15 says of a pool of 96 placement groups. */
static void test_placement(void **state _unused_)
{
	_cleanup_(cn_strv_release) struct cn_strv names = {0};
	bool have[96] = {0};

	assert_int_equal(cn_object_pg(96, "", "a"), 0x18);
	assert_int_equal(cn_object_pg(96, "", "rbd_header.barrier.0"), 0x40);
	assert_int_equal(cn_object_pg(96, "", "rbd_header.barrier.1f"), 0x59);
	assert_int_equal(cn_object_pg(96, "", "rbd_data.10268fd09354.0000000000000003"), 0x31);
	assert_int_equal(cn_object_pg(96, "", "abcdefghijkl"), 0x25);
	assert_int_equal(cn_object_pg(96, "", "abcdefghijk"), 0x4c);
	cn_object_of_each_pg(96, "ns", &names);
	assert_int_equal(names.n, 96);
	for (size_t i = 0; i < names.n; i++)
		have[cn_object_pg(96, "ns", names.v[i])] = true;
	for (size_t i = 0; i < 96; i++)
		assert_true(have[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states),
		cmocka_unit_test(test_incomplete),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_nothing_is_broken_when_a_step_fails),
		cmocka_unit_test(test_the_answer_of_the_break_is_lost),
		cmocka_unit_test(test_others_were_faster),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_a_locker_that_blinks),
		cmocka_unit_test(test_fences),
		cmocka_unit_test(test_a_short_fence_is_outwaited),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_placement),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
