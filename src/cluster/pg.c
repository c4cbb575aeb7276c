/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/cluster/pg.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

bool cn_pgid_parse(const char *s, struct cn_pgid *ret)
{
	int64_t pool;
	uint32_t seed;
	int n = 0;

	if (!s || sscanf(s, "%" SCNd64 ".%" SCNx32 "%n", &pool, &seed, &n) != 2 || s[n] || pool < 0)
		return false;
	*ret = (struct cn_pgid){pool, seed};
	return true;
}

const char *cn_pgid_format(struct cn_pgid id, char buf[CN_PGID_STRLEN])
{
	snprintf(buf, CN_PGID_STRLEN, "%" PRId64 ".%" PRIx32, id.pool, id.seed);
	return buf;
}

int cn_pgid_cmp(const void *pa, const void *pb)
{
	const struct cn_pgid *a = pa, *b = pb;

	if (a->pool != b->pool)
		return a->pool < b->pool ? -1 : 1;
	return a->seed < b->seed ? -1 : a->seed > b->seed;
}

uint32_t cn_pg_stable_mod(uint32_t x, uint32_t pg_num)
{
	uint32_t mask = 1;

	if (pg_num == 0)
		return 0;
	while (mask < pg_num)
		mask <<= 1;
	mask--;
	return (x & mask) < pg_num ? x & mask : x & (mask >> 1);
}

void cn_pg_release(struct cn_pg *pg)
{
	free(pg->state);
	free(pg->up);
	free(pg->acting);
	*pg = (struct cn_pg){};
}

void cn_pgs_release(struct cn_pgs *pgs)
{
	for (size_t i = 0; i < pgs->n; i++)
		cn_pg_release(&pgs->v[i]);
	free(pgs->v);
	*pgs = (struct cn_pgs){};
}

void cn_pgs_sort(struct cn_pgs *pgs)
{
	size_t kept = 0;

	if (pgs->n < 2)
		return;
	qsort(pgs->v, pgs->n, sizeof(*pgs->v), cn_pgid_cmp);
	for (size_t i = 0; i < pgs->n; i++) {
		if (kept && cn_pgid_cmp(&pgs->v[kept - 1], &pgs->v[i]) == 0)
			cn_pg_release(&pgs->v[i]);
		else
			pgs->v[kept++] = pgs->v[i];
	}
	pgs->n = kept;
}

struct cn_pg *cn_pgs_find(const struct cn_pgs *pgs, struct cn_pgid id)
{
	return pgs->n ? bsearch(&id, pgs->v, pgs->n, sizeof(*pgs->v), cn_pgid_cmp) : NULL;
}

/* Goes through the words of "active+undersized+degraded"; false ends the walk. */
static bool each_word(const char *state, bool (*fn)(const char *word, size_t len, void *arg), void *arg)
{
	for (;;) {
		size_t len = strcspn(state, "+");

		if (len && !fn(state, len, arg))
			return false;
		if (!state[len])
			return true;
		state += len + 1;
	}
}

static bool is_word(const char *word, size_t len, const char *s)
{
	return strlen(s) == len && strncmp(word, s, len) == 0;
}

static bool differs(const char *word, size_t len, void *arg)
{
	return !is_word(word, len, arg);
}

bool cn_pg_state_has(const char *state, const char *word)
{
	return state && !each_word(state, differs, (void *)(uintptr_t)word);
}

static bool harmless(const char *word, size_t len, void *arg _unused_)
{
	static const char *const words[] = {"active", "clean", "scrubbing", "deep", "snaptrim", "snaptrim_wait"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (is_word(word, len, words[i]))
			return true;
	return false;
}

bool cn_pg_state_is_clean(const char *state)
{
	return cn_pg_state_has(state, "active") && cn_pg_state_has(state, "clean") && each_word(state, harmless, NULL);
}

bool cn_pg_has_osd(const struct cn_pg *pg, int osd)
{
	for (size_t i = 0; i < pg->n_up; i++)
		if (pg->up[i] == osd)
			return true;
	for (size_t i = 0; i < pg->n_acting; i++)
		if (pg->acting[i] == osd)
			return true;
	return false;
}

static int *read_set(const json_t *a, size_t *ret_n)
{
	size_t n = json_array_size(a);
	int *v = cn_malloc(n * sizeof(*v));

	for (size_t i = 0; i < n; i++)
		v[i] = (int)json_integer_value(json_array_get(a, i));
	*ret_n = n;
	return v;
}

/* The fields that `pg ls`, `pg map` and `pg query` share. */
static void read_sets(const json_t *j, struct cn_pg *pg)
{
	pg->up = read_set(cn_json_arr(j, "up"), &pg->n_up);
	pg->acting = read_set(cn_json_arr(j, "acting"), &pg->n_acting);
}

static bool read_stats(const json_t *j, struct cn_pg *pg)
{
	const json_t *sum = cn_json_obj(j, "stat_sum");

	*pg = (struct cn_pg){};
	if (!cn_pgid_parse(cn_json_str(j, "pgid", NULL), &pg->id))
		return false;
	pg->state = cn_strdup(cn_json_str(j, "state", ""));
	pg->reported_epoch = cn_json_int(j, "reported_epoch", 0);
	pg->bytes = cn_json_int(sum, "num_bytes", 0);
	pg->objects = cn_json_int(sum, "num_objects", 0);
	pg->degraded = cn_json_int(sum, "num_objects_degraded", 0);
	pg->misplaced = cn_json_int(sum, "num_objects_misplaced", 0);
	pg->unfound = cn_json_int(sum, "num_objects_unfound", 0);
	read_sets(j, pg);
	return true;
}

static int add_pg(void *arg, const json_t *j, struct cn_error *err)
{
	struct cn_pgs *pgs = arg;
	struct cn_pg pg;

	if (!read_stats(j, &pg))
		return cn_error_set(err, CN_FAILED, EBADMSG, "the manager names a placement group that cannot be read");
	cn_grow(&pgs->v, &pgs->cap, pgs->n, sizeof(*pgs->v));
	pgs->v[pgs->n++] = pg;
	return 0;
}

/* Through 15 the reply of pg ls may be a bare array; later {"pg_ready": bool, "pg_stats": [...]}. Not ready: the mgr has just
 * started and does not know; an empty answer must never be read as "no PGs". */
static int list(struct cn_cluster *c, json_t *cmd_stolen, struct cn_pgs *pgs, struct cn_error *err)
{
	_cleanup_json_ json_t *cmd = cmd_stolen, *rest = NULL;
	_cleanup_free_ char *reply = NULL;
	size_t len;
	int r;

	r = cn_command_raw(c, CN_MGR, NULL, json_incref(cmd), &reply, &len, err);
	if (r < 0)
		return r;
	r = cn_json_each(reply, len, "pg_stats", add_pg, pgs, &rest, err);
	if (r < 0)
		return cn_error_wrap(err, "'%s'", cn_json_str(cmd, "prefix", "?"));
	if (!cn_json_bool(rest, "pg_ready", true))
		return cn_error_set(err, CN_FAILED, EAGAIN, "the manager has no statistics of the placement groups yet");
	/* of an OSD without PGs the reply is {"pg_ready": true} */
	if (!json_object_get(rest, "pg_stats") && !json_object_get(rest, "pg_ready"))
		return cn_error_set(err, CN_FAILED, EBADMSG, "'%s': no PGs in the reply", cn_json_str(cmd, "prefix", "?"));
	cn_pgs_sort(pgs);
	return 0;
}

int cn_pg_ls_by_osd(struct cn_cluster *c, int osd, struct cn_pgs *pgs, struct cn_error *err)
{
	return list(c, json_pack("{ss,si,ss}", "prefix", "pg ls-by-osd", "osd", osd, "format", "json"), pgs, err);
}

int cn_pg_ls(struct cn_cluster *c, const char *const *states, struct cn_pgs *pgs, struct cn_error *err)
{
	json_t *a = json_array();

	for (; *states; states++)
		json_array_append_new(a, json_string(*states));
	return list(c, json_pack("{ss,so,ss}", "prefix", "pg ls", "states", a, "format", "json"), pgs, err);
}

int cn_pg_ls_unclean(struct cn_cluster *c, struct cn_pgs *pgs, struct cn_error *err)
{
	static const char *const states[] = {
		"remapped",
		"degraded",
		"undersized",
		"peering",
		"activating",
		"stale",
		"inconsistent",
		"recovering",
		"recovery_wait",
		"recovery_toofull",
		"recovery_unfound",
		"backfilling",
		"backfill_wait",
		"backfill_toofull",
		"backfill_unfound",
		"incomplete",
		"down",
		"peered",
		"creating",
		NULL,
	};

	return cn_pg_ls(c, states, pgs, err);
}

int cn_pg_map(struct cn_cluster *c, struct cn_pgid id, struct cn_pg *ret, struct cn_error *err)
{
	_cleanup_json_ json_t *reply = NULL;
	char text[CN_PGID_STRLEN];
	int r;

	cn_pgid_format(id, text);
	r = cn_command(c, CN_MON, NULL, json_pack("{ss,ss,ss}", "prefix", "pg map", "pgid", text, "format", "json"), &reply, err);
	if (r < 0)
		return r;
	if (!json_is_array(json_object_get(reply, "acting")) || !json_is_array(json_object_get(reply, "up")))
		return cn_error_set(err, CN_FAILED, EBADMSG, "'pg map %s': no acting set in the reply", text);
	*ret = (struct cn_pg){.id = id, .reported_epoch = cn_json_int(reply, "epoch", 0)};
	read_sets(reply, ret);
	return 0;
}

/* "3" or "3(2)" (a shard of an erasure-coded PG) */
static void add_peer(struct cn_ids *ids, const json_t *j)
{
	const char *s = json_string_value(j);

	if (json_is_integer(j))
		cn_ids_add(ids, (int)json_integer_value(j));
	else if (s && *s >= '0' && *s <= '9')
		cn_ids_add(ids, atoi(s));
}

/* OSDs the primary waits for or still counts on. Its peer_info is not among them: strays stay listed there until the PG is clean
 * and they are told to delete, and a clean primary forgets them. might_have_unfound is kept from a recovery that has ended ("not
 * queried"): it counts only while the PG is not clean. */
static void add_others(const json_t *reply, struct cn_ids *others)
{
	bool clean = cn_pg_state_is_clean(cn_json_str(reply, "state", ""));
	json_t *stage, *j;
	size_t i, k;

	json_array_foreach (cn_json_arr(reply, "recovery_state"), i, stage) {
		json_array_foreach (cn_json_arr(stage, "might_have_unfound"), k, j)
			if (!clean)
				add_peer(others, json_is_object(j) ? json_object_get(j, "osd") : j);
		json_array_foreach (cn_json_arr(stage, "down_osds_we_would_probe"), k, j)
			add_peer(others, j);
	}
	json_array_foreach (cn_json_arr(reply, "acting_recovery_backfill"), k, j)
		add_peer(others, j);
	json_array_foreach (cn_json_arr(reply, "backfill_targets"), k, j)
		add_peer(others, j);
}

int cn_pg_query(struct cn_cluster *c, struct cn_pgid id, struct cn_pg *ret, struct cn_ids *ret_others, struct cn_error *err)
{
	_cleanup_json_ json_t *reply = NULL;
	const json_t *stats;
	char text[CN_PGID_STRLEN];
	int r;

	cn_pgid_format(id, text);
	r = cn_command(c, CN_PG, text, json_pack("{ss,ss,ss}", "prefix", "query", "pgid", text, "format", "json"), &reply, err);
	if (r < 0)
		return cn_error_wrap(err, "PG %s", text);
	if (!cn_json_str(reply, "state", NULL) || !json_is_integer(json_object_get(reply, "epoch")))
		return cn_error_set(err, CN_FAILED, EBADMSG, "'pg %s query': no state in the reply", text);
	stats = cn_json_obj(cn_json_obj(reply, "info"), "stats");
	*ret = (struct cn_pg){.id = id};
	ret->state = cn_strdup(cn_json_str(reply, "state", ""));
	ret->reported_epoch = cn_json_int(reply, "epoch", 0);
	ret->bytes = cn_json_int(cn_json_obj(stats, "stat_sum"), "num_bytes", 0);
	ret->objects = cn_json_int(cn_json_obj(stats, "stat_sum"), "num_objects", 0);
	ret->unfound = cn_json_int(cn_json_obj(stats, "stat_sum"), "num_objects_unfound", 0);
	read_sets(reply, ret);
	if (ret_others)
		add_others(reply, ret_others);
	return 0;
}
