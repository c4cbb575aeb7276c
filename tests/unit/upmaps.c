/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "upmaps.h"

#include <errno.h>
#include <stdio.h>

json_t *upmaps_list(struct upmaps *x, bool full)
{
	return json_object_get(x->w.osd_dump, full ? "pg_upmap" : "pg_upmap_items");
}

static void drop(struct upmaps *x, bool full, const char *pgid)
{
	for (size_t i = json_array_size(upmaps_list(x, full)); i-- > 0;)
		if (strcmp(cn_json_str(json_array_get(upmaps_list(x, full), i), "pgid", ""), pgid) == 0)
			json_array_remove(upmaps_list(x, full), i);
}

static void put(struct upmaps *x, bool full, const char *pgid, const json_t *id)
{
	json_t *e = json_pack("{ss}", "pgid", pgid), *mappings = json_array();

	drop(x, full, pgid);
	for (size_t i = 0; i + 1 < json_array_size(id) && !full; i += 2)
		json_array_append_new(mappings,
				      json_pack("{sO,sO}", "from", json_array_get(id, i), "to", json_array_get(id, i + 1)));
	if (full)
		json_object_set(e, "osds", (json_t *)(uintptr_t)id);
	else
		json_object_set(e, "mappings", mappings);
	json_decref(mappings);
	json_array_append_new(upmaps_list(x, full), e);
}

static void next_epoch(struct upmaps *x)
{
	json_object_set_new(x->w.osd_dump, "epoch", json_integer(cn_json_int(x->w.osd_dump, "epoch", 0) + 1));
}

void upmaps_entry(struct upmaps *x, bool full, const char *pgid, const char *numbers)
{
	_cleanup_json_ json_t *id = json_array();
	struct cn_strv v = {};

	cn_strv_split(&v, numbers, " ");
	for (size_t i = 0; i < v.n; i++)
		json_array_append_new(id, json_integer(atoi(v.v[i])));
	cn_strv_release(&v);
	if (json_array_size(id))
		put(x, full, pgid, id);
	else
		drop(x, full, pgid);
	next_epoch(x);
}

static bool mon(void *arg, enum cn_target target _unused_, const char *pgid _unused_, const json_t *cmd, int *ret_code,
		char **ret_body)
{
	struct upmaps *x = arg;
	const char *prefix = cn_json_str(cmd, "prefix", ""), *id = cn_json_str(cmd, "pgid", "");
	bool full = strcmp(prefix, "osd pg-upmap") == 0 || strcmp(prefix, "osd rm-pg-upmap") == 0;

	*ret_code = 0;
	if (strcmp(prefix, "osd dump") == 0) {
		const json_t *map = json_object_get(cmd, "epoch") ? x->before : x->w.osd_dump;

		*ret_code = map ? 0 : -ENOENT;
		*ret_body = map ? cn_json_dump(map) : cn_strdup("");
		return true;
	}
	if (!strstr(prefix, "pg-upmap"))
		return false;
	x->changes++;
	*ret_body = cn_strdup("");
	next_epoch(x);
	if (x->bad && strcmp(x->bad, id) == 0)
		*ret_code = x->code;
	else if (strncmp(prefix, "osd rm", 6) == 0 || (x->deaf && strcmp(x->deaf, id) == 0))
		drop(x, full, id);
	else
		put(x, full, id, cn_json_arr(cmd, "id"));
	return true;
}

static void make_journal(struct upmaps *x, int n)
{
	struct cn_journal *j = &x->drains[n].journal;

	*j = (struct cn_journal){
		.phase = CN_PHASE_HOLD, .node = cn_asprintf("node%d", n + 1), .spec = cn_asprintf("node%d", n + 1)};
	snprintf(j->id, sizeof(j->id), "%032d", n);
	j->osds = cn_calloc(2, sizeof(*j->osds));
	for (; j->n_osds < 2; j->n_osds++) {
		struct cn_journal_osd *o = &j->osds[j->n_osds];

		o->id = 2 * n + (int)j->n_osds;
		snprintf(o->uuid, sizeof(o->uuid), "%s", cn_json_str(world_osd(&x->w, o->id), "uuid", ""));
	}
	j->pgs = cn_calloc(1, sizeof(*j->pgs));
	j->pgs[j->n_pgs++] = (struct cn_journal_pg){{n + 1, n ? 3 : 0}, 1};
}

int upmaps_setup(void **state)
{
	struct upmaps *x = cn_calloc(1, sizeof(*x));

	fakeclock_init(&x->clock);
	world_init(&x->w, "");
	json_object_set_new(x->w.osd_dump, "pg_upmap", json_array());
	json_object_set_new(x->w.osd_dump, "pg_upmap_items", json_array());
	x->f = fake_new(&x->clock);
	fake_store(x->f);
	fake_answer_with(x->f, mon, x);
	make_journal(x, 0);
	make_journal(x, 1);
	x->ctx = (struct cn_drain_context){.cluster = fake_client(x->f, 1), .clock = &x->clock.clock, .options = &x->options};
	x->run = (struct cn_run){.ctx = &x->ctx, .c = x->ctx.cluster, .clock = x->ctx.clock, .drains = x->drains, .n = 2};
	assert_int_equal(cn_lease_take(x->run.c, x->run.clock, "rbd", "decision", NULL, 0, NULL, NULL, &x->run.decision, NULL),
			 0);
	*state = x;
	return 0;
}

int upmaps_teardown(void **state)
{
	struct upmaps *x = *state;
	struct fake *f = x->f;

	cn_lease_free(x->run.decision);
	cn_journal_release(&x->drains[0].journal);
	cn_journal_release(&x->drains[1].journal);
	json_decref(x->before);
	world_release(&x->w);
	cn_error_release(&x->e);
	free(x);
	fake_done(f);
	return 0;
}

void upmaps_note_before(struct upmaps *x)
{
	json_decref(x->before);
	x->before = json_deep_copy(x->w.osd_dump);
	x->drains[0].journal.before_epoch = x->drains[1].journal.before_epoch = 7;
}

void upmaps_record(struct upmaps *x)
{
	struct cn_osdmap m;
	struct cn_ids osds = {};

	for (int i = 0; i < 4; i++)
		cn_ids_add(&osds, i);
	assert_int_equal(cn_osdmap_get(x->run.c, &m, NULL), 0);
	cn_upmaps_record(&x->run, &m, &osds);
	cn_osdmap_release(&m);
	cn_ids_release(&osds);
}

/* What a cancel knows of a PG; NULL: nothing. To be freed. */
static char *recorded(struct upmaps *x, int n, const char *pgid)
{
	_cleanup_json_ json_t *rec = json_copy(json_object_get(x->drains[n].journal.upmaps, pgid));

	json_object_del(rec, "undo");
	json_object_del(rec, "epoch");
	return rec ? json_dumps(rec, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
}

void upmaps_assert_recorded(struct upmaps *x, int n, const char *pgid, const char *want)
{
	_cleanup_free_ char *text = recorded(x, n, pgid);

	if (!want)
		assert_null(text);
	else
		assert_string_equal(text, want);
}

json_t *upmaps_read(struct upmaps *x)
{
	json_t *ret = NULL;

	assert_int_equal(cn_upmaps_read(&x->run, &ret, NULL), 0);
	return ret;
}

void upmaps_restore(struct upmaps *x, json_t *seen, bool pending_only, const char *foreign)
{
	struct cn_strv v = {};
	_cleanup_free_ char *text = NULL;

	if (cn_upmaps_restore(&x->run, seen, pending_only, &v, &x->e) < 0)
		fail_msg("%s", x->e.message);
	text = v.n ? cn_strv_join(&v, "; ") : cn_strdup("");
	if (*foreign)
		assert_has(text, foreign);
	else
		assert_string_equal(text, "");
	cn_strv_release(&v);
}

void upmaps_assert(struct upmaps *x, json_t *want)
{
	_cleanup_json_ json_t *now = upmaps_read(x);

	assert_true(json_equal(now, want));
}

int upmaps_pin(struct upmaps *x, size_t *ret_kept)
{
	static int items[] = {4, 0, 6, 1}, full[] = {4, 6, 8};
	struct cn_pin v[] = {{.id = {1, 0}, .v = items, .n = 4},
			     {.id = {2, 3}, .full = true, .v = full, .n = 3},
			     {.id = {3, 1}, .full = true}};
	struct cn_pins pins = {v, ARRAY_SIZE(v)};

	return cn_upmaps_pin(&x->run, &pins, ret_kept, &x->e);
}
