/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Upmap entries against a small mon: recorded, made, cancelled by it, by another hand, and put back. */
#include <errno.h>
#include <stdio.h>

#include "drain/run.h"
#include "unit.h"
#include "world.h"

struct fixture {
	struct world w;
	json_t *before; /* the OSD map of epoch 7; NULL: trimmed */
	struct fakeclock clock;
	struct fake *f;
	struct cn_drain drains[2]; /* of node1: osd.0, osd.1, PG 1.0; of node2: osd.2, osd.3, PG 2.3 */
	struct cn_drain_options options;
	struct cn_drain_context ctx;
	struct cn_run run;
	struct cn_error e;
	const char *deaf; /* PG whose entries the mon takes and cancels at once */
	const char *bad;  /* PG whose commands fail with this code */
	int code;
	size_t changes;
};

static json_t *list(struct fixture *x, bool full)
{
	return json_object_get(x->w.osd_dump, full ? "pg_upmap" : "pg_upmap_items");
}

static void drop(struct fixture *x, bool full, const char *pgid)
{
	for (size_t i = json_array_size(list(x, full)); i-- > 0;)
		if (strcmp(cn_json_str(json_array_get(list(x, full), i), "pgid", ""), pgid) == 0)
			json_array_remove(list(x, full), i);
}

static void put(struct fixture *x, bool full, const char *pgid, const json_t *id)
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
	json_array_append_new(list(x, full), e);
}

/* "1.0", "0 3 1 5" */
static void entry(struct fixture *x, bool full, const char *pgid, const char *numbers)
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
}

static bool mon(void *arg, enum cn_target target _unused_, const char *pgid _unused_, const json_t *cmd, int *ret_code,
		char **ret_body)
{
	struct fixture *x = arg;
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
	json_object_set_new(x->w.osd_dump, "epoch", json_integer(cn_json_int(x->w.osd_dump, "epoch", 0) + 1));
	if (x->bad && strcmp(x->bad, id) == 0)
		*ret_code = x->code;
	else if (strncmp(prefix, "osd rm", 6) == 0 || (x->deaf && strcmp(x->deaf, id) == 0))
		drop(x, full, id);
	else
		put(x, full, id, cn_json_arr(cmd, "id"));
	return true;
}

static void make_journal(struct fixture *x, int n)
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

static int setup(void **state)
{
	struct fixture *x = cn_calloc(1, sizeof(*x));

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

static int teardown(void **state)
{
	struct fixture *x = *state;
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

static void note_before(struct fixture *x)
{
	json_decref(x->before);
	x->before = json_deep_copy(x->w.osd_dump);
	x->drains[0].journal.before_epoch = x->drains[1].journal.before_epoch = 7;
}

static void record(struct fixture *x)
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
static char *recorded(struct fixture *x, int n, const char *pgid)
{
	_cleanup_json_ json_t *rec = json_copy(json_object_get(x->drains[n].journal.upmaps, pgid));

	json_object_del(rec, "undo");
	return rec ? json_dumps(rec, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
}

static void assert_recorded(struct fixture *x, int n, const char *pgid, const char *want)
{
	_cleanup_free_ char *text = recorded(x, n, pgid);

	if (!want)
		assert_null(text);
	else
		assert_string_equal(text, want);
}

static json_t *entries(struct fixture *x)
{
	json_t *ret = NULL;

	assert_int_equal(cn_upmaps_read(&x->run, &ret, NULL), 0);
	return ret;
}

/* Restores, and says what another hand did ("": nothing). */
static void restore(struct fixture *x, json_t *seen, bool pending_only, const char *foreign)
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

static void assert_as(struct fixture *x, json_t *want)
{
	_cleanup_json_ json_t *now = entries(x);

	assert_true(json_equal(now, want));
}

static int pin(struct fixture *x, size_t *ret_kept)
{
	static int items[] = {4, 0, 6, 1}, full[] = {4, 6, 8};
	struct cn_pin v[] = {{.id = {1, 0}, .v = items, .n = 4},
			     {.id = {2, 3}, .full = true, .v = full, .n = 3},
			     {.id = {3, 1}, .full = true}};
	struct cn_pins pins = {v, ARRAY_SIZE(v)};

	return cn_upmaps_pin(&x->run, &pins, ret_kept, &x->e);
}

/* --- what is recorded ----------------------------------------------------------------------------------------------------- */

static void test_entries_that_name_the_osds(void **state)
{
	struct fixture *x = *state;

	entry(x, false, "1.1", "4 0");
	entry(x, true, "1.2", "4 3 8");
	entry(x, false, "1.3", "2 6 5 7");
	entry(x, false, "1.4", "5 7");
	record(x);
	assert_recorded(x, 0, "1.1", "{\"ours\":null,\"was\":{\"full\":null,\"items\":[4,0]}}");
	assert_recorded(x, 1, "1.2", "{\"ours\":null,\"was\":{\"full\":[4,3,8],\"items\":null}}");
	assert_recorded(x, 1, "1.3", "{\"ours\":null,\"was\":{\"full\":null,\"items\":[2,6,5,7]}}");
	assert_recorded(x, 0, "1.4", NULL);
	assert_recorded(x, 1, "1.4", NULL);
	entry(x, false, "1.1", ""); /* cancelled since: what was first recorded stays */
	record(x);
	entry(x, false, "1.1", "4 1");
	record(x);
	assert_recorded(x, 0, "1.1", "{\"ours\":null,\"was\":{\"full\":null,\"items\":[4,0]}}");
}

static void test_what_the_mon_cancelled(void **state)
{
	struct fixture *x = *state;

	entry(x, false, "1.0", "4 5");
	entry(x, false, "2.3", "4 5 6 7");
	entry(x, true, "3.1", "4 5 6");
	entry(x, false, "3.2", "4 5");
	note_before(x);
	entry(x, false, "1.0", "");
	entry(x, false, "2.3", "6 7");
	entry(x, true, "3.1", "");
	entry(x, false, "3.3", "4 5"); /* new: another hand's */
	assert_int_equal(cn_upmaps_note_cancelled(&x->run, NULL), 0);
	assert_recorded(x, 0, "1.0", "{\"ours\":null,\"was\":{\"full\":null,\"items\":[4,5]}}");
	assert_recorded(x, 1, "2.3", "{\"ours\":null,\"was\":{\"full\":null,\"items\":[4,5,6,7]}}");
	assert_recorded(x, 0, "3.1", "{\"ours\":null,\"was\":{\"full\":[4,5,6],\"items\":null}}");
	assert_recorded(x, 0, "3.2", NULL);
	assert_recorded(x, 0, "3.3", NULL);
}

static void test_a_map_that_was_trimmed(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(cn_upmaps_note_cancelled(&x->run, &x->e), 0); /* no change yet */
	note_before(x);
	json_decref(x->before);
	x->before = NULL;
	assert_int_equal(cn_upmaps_note_cancelled(&x->run, &x->e), 0);
	assert_null(x->e.message);
}

/* --- pins --------------------------------------------------------------------------------------------------------------- */

static void test_pins_are_journaled_and_undone(void **state)
{
	struct fixture *x = *state;
	_cleanup_json_ json_t *before = NULL;
	struct cn_journal stored = {};
	size_t kept = 99;

	entry(x, false, "1.0", "4 5");
	entry(x, true, "3.1", "0 4 8");
	entry(x, false, "3.1", "0 2");
	before = entries(x);
	assert_int_equal(pin(x, &kept), 0);
	assert_int_equal(kept, 3);
	assert_recorded(x, 0, "1.0", "{\"ours\":{\"full\":null,\"items\":[4,0,6,1]},\"was\":{\"full\":null,\"items\":[4,5]}}");
	assert_recorded(x, 1, "2.3", "{\"ours\":{\"full\":[4,6,8],\"items\":null},\"was\":{\"full\":null,\"items\":null}}");
	assert_recorded(x, 0, "3.1", "{\"ours\":{\"full\":null,\"items\":null},\"was\":{\"full\":[0,4,8],\"items\":[0,2]}}");
	assert_int_equal(x->drains[0].journal.phase, CN_PHASE_PIN);
	assert_int_equal(x->drains[1].journal.pin_epoch, cn_json_int(x->w.osd_dump, "epoch", 0));
	assert_true(cn_pg_change_epoch(&x->run, (struct cn_pgid){1, 0}) == x->drains[0].journal.pin_epoch);
	assert_true(cn_pg_change_epoch(&x->run, (struct cn_pgid){1, 1}) == 0);
	assert_int_equal(json_array_size(list(x, true)), 1);
	assert_int_equal(json_array_size(list(x, false)), 1);
	/* it stood in the store before the first of them was sent */
	assert_int_equal(cn_journal_load(x->run.c, x->drains[1].journal.id, &stored, NULL), 0);
	assert_true(json_equal(stored.upmaps, x->drains[1].journal.upmaps));
	cn_journal_release(&stored);
	restore(x, NULL, false, "");
	assert_as(x, before);
	x->changes = 0;
	restore(x, NULL, false, "");
	assert_int_equal(x->changes, 0);
}

/* A PG that is gone, a client without the cap, a mon that cancels: what is left is counted, and all that is ours is taken back.
 */
static void test_pins_that_do_not_stand(void **state)
{
	static const int codes[] = {-EINVAL, -ENOENT, -EPERM, -EACCES, 0};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		struct fixture *x = *state;
		_cleanup_json_ json_t *before = entries(x);
		size_t kept = 99;

		x->code = codes[i];
		x->bad = codes[i] ? "1.0" : NULL;
		x->deaf = codes[i] ? NULL : "1.0";
		assert_int_equal(pin(x, &kept), 0);
		assert_int_equal(kept, 2);
		assert_true(cn_pg_change_epoch(&x->run, (struct cn_pgid){1, 0}) == 0); /* nothing to be waited for */
		assert_true(cn_pg_change_epoch(&x->run, (struct cn_pgid){2, 3}) > 0);
		x->bad = x->deaf = NULL;
		restore(x, NULL, false, "");
		assert_as(x, before);
	}
}

static void test_a_mon_that_does_not_answer(void **state)
{
	struct fixture *x = *state;
	_cleanup_json_ json_t *before = entries(x);
	size_t kept = 99;

	x->bad = "2.3";
	x->code = -ETIMEDOUT;
	assert_int_equal(pin(x, &kept), -ETIMEDOUT);
	assert_int_equal(kept, 99);
	assert_error(&x->e, CN_TIMEOUT, "osd pg-upmap");
	x->bad = NULL;
	restore(x, NULL, false, ""); /* who knows which of them came through */
	assert_as(x, before);
}

static void test_without_the_lease_nothing_is_sent(void **state)
{
	struct fixture *x = *state;
	size_t kept = 99;

	fakeclock_advance(&x->clock, 20000);
	assert_int_equal(pin(x, &kept), -ESTALE);
	assert_int_equal(x->changes, 0);
	cn_error_release(&x->e);
}

/* --- undo --------------------------------------------------------------------------------------------------------------- */

static void test_what_is_left_of_an_entry(void **state)
{
	struct fixture *x = *state;
	_cleanup_json_ json_t *before = NULL;
	size_t kept;

	entry(x, false, "1.0", "0 5 4 7");
	entry(x, false, "1.1", "4 0 6 1");
	before = entries(x);
	record(x);
	entry(x, false, "1.1", "6 1"); /* the mon cancels a pair at weight 0 */
	assert_int_equal(pin(x, &kept), 0);
	entry(x, false, "1.0", "6 1"); /* and one of ours when the weights come back */
	entry(x, true, "2.3", "");
	restore(x, NULL, false, "");
	assert_as(x, before);
	assert_int_equal(pin(x, &kept), 0);
	entry(x, false, "1.0", "4 7"); /* or has never had ours */
	restore(x, NULL, false, "");
	assert_as(x, before);
}

static void test_another_hand(void **state)
{
	struct fixture *x = *state;
	_cleanup_json_ json_t *now = NULL;
	size_t kept;

	entry(x, false, "1.1", "4 0");
	record(x);
	assert_int_equal(pin(x, &kept), 0);
	entry(x, false, "1.0", "4 0 6 3");
	entry(x, true, "2.3", "4 6 9");
	entry(x, false, "1.1", "4 7");
	entry(x, false, "3.4", "4 7");
	now = entries(x);
	restore(x, NULL, false, "PG 1.0: another hand");
	assert_as(x, now);
	restore(x, NULL, false, "PG 2.3: another hand");
	restore(x, NULL, false, "PG 1.1: another hand");
}

static void test_the_mon_does_not_take_it_back(void **state)
{
	struct fixture *x = *state;

	entry(x, false, "1.1", "4 0");
	entry(x, false, "1.2", "4 1");
	record(x);
	entry(x, false, "1.1", "");
	entry(x, false, "1.2", "");
	x->deaf = "1.2";
	restore(x, NULL, false, "did not take back 1 of 2");
	assert_int_equal(json_array_size(list(x, false)), 1);
}

/* A deleted pool has no entries to be put back, and is no reason to say that something was not. */
static void test_a_pool_that_is_gone(void **state)
{
	struct fixture *x = *state;
	json_t *pools = json_object_get(x->w.osd_dump, "pools");
	size_t kept;

	entry(x, false, "3.1", "4 0");
	entry(x, false, "2.3", "4 2"); /* of a PG that is merged away */
	record(x);
	assert_int_equal(pin(x, &kept), 0);
	entry(x, false, "3.1", "");
	entry(x, false, "2.3", "");
	entry(x, true, "2.3", "");
	json_array_remove(pools, 2);
	json_object_set_new(json_array_get(pools, 1), "pg_num", json_integer(2));
	x->changes = 0;
	restore(x, NULL, false, "");
	assert_int_equal(x->changes, 1); /* the pin of 1.0 */
}

/* Entries of nobody's that the mon cancelled while the weights came back one by one. */
static void test_lost_on_the_way_back(void **state)
{
	struct fixture *x = *state;
	_cleanup_json_ json_t *seen = NULL;

	entry(x, false, "3.1", "4 5 6 7");
	entry(x, false, "3.2", "4 5");
	entry(x, true, "3.3", "4 5 6");
	entry(x, false, "3.4", "4 5");
	seen = entries(x);
	entry(x, false, "3.1", "6 7");
	entry(x, false, "3.2", "");
	entry(x, true, "3.3", "");
	restore(x, seen, false, "");
	assert_as(x, seen);
	entry(x, false, "3.1", "6 7 4 8"); /* another hand's */
	entry(x, false, "3.2", "");
	x->deaf = "3.2"; /* cancelled again: it is of no use with the weights as they are */
	x->changes = 0;
	restore(x, seen, false, "");
	assert_int_equal(x->changes, 1);
}

/* A refusal in a second window takes back what that did, and a cancel still knows all. */
static void test_only_of_this_window(void **state)
{
	struct fixture *x = *state;
	_cleanup_json_ json_t *before = NULL, *between = NULL;
	size_t kept;

	entry(x, false, "1.1", "4 0");
	entry(x, false, "1.2", "4 2");
	before = entries(x);
	record(x);
	entry(x, false, "1.1", "");
	entry(x, false, "1.2", "");
	assert_int_equal(pin(x, &kept), 0);
	for (int i = 0; i < 2; i++)
		cn_upmaps_let_go(&x->drains[i].journal);
	entry(x, false, "1.3", "4 3");
	entry(x, false, "1.2", "5 2"); /* somebody's, since */
	between = entries(x);
	note_before(x);
	record(x);
	entry(x, false, "1.3", "");
	entry(x, false, "1.2", "");
	entry(x, false, "1.0", "6 1"); /* a pair of a pin of the first window is cancelled */
	assert_int_equal(cn_upmaps_note_cancelled(&x->run, NULL), 0);
	restore(x, NULL, true, "");
	assert_as(x, between);
	assert_recorded(x, 1, "1.3", NULL);
	assert_recorded(x, 0, "1.0", "{\"ours\":{\"full\":null,\"items\":[4,0,6,1]},\"was\":{\"full\":null,\"items\":null}}");
	entry(x, false, "1.3", "");
	entry(x, false, "1.2", "");
	restore(x, NULL, false, "");
	assert_as(x, before);
}

/* A pin of the first window stays ours while one of the second does not take its place, whenever we die. */
static void test_a_second_pin_that_does_not_stand(void **state)
{
	struct fixture *x = *state;
	static int items[] = {5, 7};
	struct cn_pin again = {.id = {1, 0}, .v = items, .n = 2};
	struct cn_pins pins = {&again, 1};
	_cleanup_json_ json_t *before = entries(x), *between = NULL;
	size_t kept;

	for (int died = 0; died < 2; died++) {
		assert_int_equal(pin(x, &kept), 0);
		for (int i = 0; i < 2; i++)
			cn_upmaps_let_go(&x->drains[i].journal);
		json_decref(between);
		between = entries(x);
		x->bad = "1.0";
		x->code = died ? -ETIMEDOUT : -EINVAL;
		assert_int_equal(cn_upmaps_pin(&x->run, &pins, &kept, &x->e), died ? -ETIMEDOUT : 0);
		cn_error_release(&x->e);
		x->bad = NULL;
		assert_as(x, between);
		for (int i = 0; i < 2 && !died; i++)
			cn_upmaps_let_go(&x->drains[i].journal);
		restore(x, NULL, false, "");
		assert_as(x, before);
	}
}

/* The OSD is of the second node, and the PG has a shard on the first as well: one record, or the one would call the other's pin
 * another hand's. */
static void test_a_pg_of_both_nodes(void **state)
{
	struct fixture *x = *state;
	_cleanup_json_ json_t *before = NULL;
	size_t kept;

	entry(x, false, "1.0", "4 2");
	before = entries(x);
	record(x);
	entry(x, false, "1.0", "");
	assert_int_equal(pin(x, &kept), 0);
	assert_recorded(x, 0, "1.0", NULL);
	assert_recorded(x, 1, "1.0", "{\"ours\":{\"full\":null,\"items\":[4,0,6,1]},\"was\":{\"full\":null,\"items\":[4,2]}}");
	restore(x, NULL, true, "");
	assert_as(x, before);
}

/* A drain beside ours has pinned the PG: that is its matter. */
static void test_another_drains_pin(void **state)
{
	struct fixture *x = *state;
	_cleanup_json_ json_t *now = NULL;
	struct cn_journal other = {};
	size_t kept;

	assert_int_equal(pin(x, &kept), 0);
	entry(x, false, "1.0", "4 9");
	entry(x, true, "2.3", "");
	now = entries(x);
	cn_journal_copy(&x->drains[0].journal, &other);
	memset(other.id, 'a', 32);
	json_object_set_new(json_object_get(other.upmaps, "1.0"), "ours", json_pack("{sn,s[ii]}", "full", "items", 4, 9));
	x->run.others = (struct cn_journals){.v = &other, .n = 1};
	restore(x, NULL, false, "");
	assert_as(x, now);
	x->run.others = (struct cn_journals){};
	restore(x, NULL, false, "PG 1.0: another hand");
	cn_journal_release(&other);
}

/* Two drains, cancelled in the order in which they began: the second found a pin of the first. */
static void test_a_pin_of_a_cancelled_drain(void **state)
{
	struct fixture *x = *state;
	_cleanup_json_ json_t *before = NULL;
	struct cn_journal *first = &x->drains[0].journal, *second = &x->drains[1].journal, tombstone = {};
	size_t kept;

	entry(x, false, "1.0", "4 5");
	before = entries(x);
	x->run.n = 1;
	assert_int_equal(pin(x, &kept), 0);
	x->run.drains = &x->drains[1];
	entry(x, true, "2.3", "");
	record(x);
	json_object_set_new(json_object_get(second->upmaps, "1.0"), "ours", json_pack("{sn,s[ii]}", "full", "items", 4, 9));
	entry(x, false, "1.0", "4 9");
	first->phase = CN_PHASE_CANCELLED;
	cn_journal_copy(first, &tombstone); /* as it is read back */
	x->run.others = (struct cn_journals){.v = &tombstone, .n = 1};
	restore(x, NULL, false, "");
	assert_as(x, before);
	entry(x, false, "1.0", "4 0 6 1");
	json_decref(before);
	before = entries(x);
	entry(x, false, "1.0", "4 9");
	second->started_ms = tombstone.updated_ms + 1; /* then the pin that it found was another's, and is there to stay */
	restore(x, NULL, false, "");
	assert_as(x, before);
	x->run.others = (struct cn_journals){};
	x->run.drains = x->drains;
	cn_journal_release(&tombstone);
}

#define upmap_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		upmap_test(test_entries_that_name_the_osds),
		upmap_test(test_what_the_mon_cancelled),
		upmap_test(test_a_map_that_was_trimmed),
		upmap_test(test_pins_are_journaled_and_undone),
		upmap_test(test_pins_that_do_not_stand),
		upmap_test(test_a_mon_that_does_not_answer),
		upmap_test(test_without_the_lease_nothing_is_sent),
		upmap_test(test_what_is_left_of_an_entry),
		upmap_test(test_another_hand),
		upmap_test(test_the_mon_does_not_take_it_back),
		upmap_test(test_a_pool_that_is_gone),
		upmap_test(test_lost_on_the_way_back),
		upmap_test(test_only_of_this_window),
		upmap_test(test_a_second_pin_that_does_not_stand),
		upmap_test(test_a_pg_of_both_nodes),
		upmap_test(test_another_drains_pin),
		upmap_test(test_a_pin_of_a_cancelled_drain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
