/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Upmap entries: those that pins make, and those that the mon cancels by itself when the OSD they lead to gets weight 0. The
 * journal has each as {"<pgid>": {"was": E, "ours": E or null, "undo": E}}, with E {"full": [osd, ...] or null, "items": [from,
 * to, ...] or null}. was: before the drain, for a cancel; ours: null where only the mon's cancelling is to be undone; undo:
 * before the window that is open, for a refusal; prev: a pin of an earlier window, while one of the open window is to replace it;
 * epoch: of the map that `was` is from; late: an earlier window had set the weights to 0 by then; owed: see upmap.h.
 */
#include <errno.h>
#include <string.h>

#include "cephnode/base/parallel.h"
#include "upmap.h"

/* The mon puts what has arrived into one epoch, a second apart by default: some hundred pins are to need few of them, for
 * recovery is held meanwhile. */
#define SENDERS 128

static json_t *numbers(const int *v, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(a, json_integer(v[i]));
	return a;
}

static json_t *entry(json_t *full, json_t *items)
{
	return json_pack("{so,so}", "full", full ? full : json_null(), "items", items ? items : json_null());
}

/* All entries of the map, by pgid. */
static json_t *read_entries(const struct cn_osdmap *m)
{
	json_t *all = json_object(), *j, *pair;
	size_t i, k;

	json_array_foreach (m->pg_upmap, i, j)
		json_object_set_new(all, cn_json_str(j, "pgid", ""), entry(json_incref(json_object_get(j, "osds")), NULL));
	json_array_foreach (m->pg_upmap_items, i, j) {
		const char *pgid = cn_json_str(j, "pgid", "");
		json_t *e = json_object_get(all, pgid), *items = json_array();

		json_array_foreach (cn_json_arr(j, "mappings"), k, pair) {
			json_array_append_new(items, json_integer(cn_json_int(pair, "from", -1)));
			json_array_append_new(items, json_integer(cn_json_int(pair, "to", -1)));
		}
		if (!e)
			json_object_set_new(all, pgid, entry(NULL, items));
		else
			json_object_set_new(e, "items", items);
	}
	return all;
}

static json_t *entry_of(const json_t *all, const char *pgid)
{
	json_t *e = json_object_get(all, pgid);

	return e ? json_incref(e) : entry(NULL, NULL);
}

static bool names(const json_t *list, int osd)
{
	json_t *j;
	size_t i;

	json_array_foreach (list, i, j)
		if (json_integer_value(j) == osd)
			return true;
	return false;
}

/* The journal that knows the PG's entry already, or NULL. */
static struct cn_journal *recorded_in(const struct cn_run *run, const char *pgid)
{
	for (size_t i = 0; i < run->n; i++)
		if (json_object_get(run->drains[i].journal.upmaps, pgid))
			return &run->drains[i].journal;
	return NULL;
}

/* In the journal of the node that the PG is on; of PGs that merely move along, in the first. Only in one of them: two records of
 * an entry would each take what the other did for another hand's. */
static struct cn_journal *journal_of(struct cn_run *run, const char *pgid, int osd)
{
	struct cn_journal *known = recorded_in(run, pgid);
	struct cn_pgid id;

	if (known)
		return known;
	for (size_t i = 0; i < run->n; i++) {
		struct cn_journal *j = &run->drains[i].journal;

		if (osd >= 0 ? cn_journal_osd(j, osd) != NULL
			     : cn_pgid_parse(pgid, &id) && j->n_pgs &&
				       bsearch(&id, j->pgs, j->n_pgs, sizeof(*j->pgs), cn_pgid_cmp))
			return j;
	}
	return &run->drains[0].journal;
}

static json_t *record_of(struct cn_journal *j, const char *pgid, const json_t *entries, int64_t epoch)
{
	json_t *rec;

	if (!j->upmaps)
		j->upmaps = json_object();
	rec = json_object_get(j->upmaps, pgid);
	if (!rec) {
		rec = json_pack("{so,so,sI}", "was", entry_of(entries, pgid), "ours", json_null(), "epoch", (json_int_t)epoch);
		if (j->released)
			json_object_set_new(rec, "late", json_true());
		json_object_set_new(j->upmaps, pgid, rec);
	}
	if (!json_object_get(rec, "undo"))
		json_object_set_new(rec, "undo", entry_of(entries, pgid));
	return rec;
}

void cn_upmaps_let_go(struct cn_journal *j)
{
	const char *pgid;
	json_t *rec;

	json_object_foreach (j->upmaps, pgid, rec) {
		json_object_del(rec, "undo");
		json_object_del(rec, "prev");
	}
}

void cn_upmaps_record(struct cn_run *run, const struct cn_osdmap *m, const struct cn_ids *osds)
{
	_cleanup_json_ json_t *entries = read_entries(m);
	const char *pgid;
	json_t *e;

	json_object_foreach (entries, pgid, e)
		for (size_t i = 0; i < osds->n; i++)
			if (names(json_object_get(e, "full"), osds->v[i]) || names(json_object_get(e, "items"), osds->v[i])) {
				record_of(journal_of(run, pgid, osds->v[i]), pgid, entries, m->epoch);
				break;
			}
}

/* The mon also cancels entries that the new mapping has made redundant. */
int cn_upmaps_note_cancelled(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap before = {}, after = {};
	_cleanup_json_ json_t *was = NULL, *now = NULL;
	int64_t epoch = cn_before_epoch(run), changed = cn_change_epoch(run);
	const char *pgid;
	json_t *e;
	int r;

	if (epoch == 0)
		return 0;
	r = cn_osdmap_get_epoch(run->c, epoch, &before, err);
	/* what was taken away after the change, hours later it may be, was somebody else's doing */
	if (r == 0 && changed > epoch)
		r = cn_osdmap_get_epoch(run->c, changed, &after, err);
	else if (r == 0)
		r = cn_osdmap_get(run->c, &after, err);
	if (r == -ENOENT) { /* trimmed: then the entries that name an OSD of ours are all we know */
		cn_error_release(err);
		return 0;
	}
	if (r < 0)
		return r;
	was = read_entries(&before);
	now = read_entries(&after);
	json_object_foreach (was, pgid, e)
		if (!json_equal(e, json_object_get(now, pgid)))
			record_of(journal_of(run, pgid, -1), pgid, was, before.epoch);
	return 0;
}

static json_t *pin_entry(const struct cn_pin *pin)
{
	json_t *v = pin->n ? numbers(pin->v, pin->n) : NULL;

	return pin->full ? entry(v, NULL) : entry(NULL, v);
}

/* One PG's entry, from what it is now to what it is to be. */
struct change {
	char *pgid;
	json_t *now, *want; /* owned */
	json_t *rec;        /* of the journal, borrowed; NULL: of none, or a new pin */
	struct cn_error err;
};

struct changes {
	struct cn_run *run;
	struct change *v;
	size_t n;
};

static void add_change(struct changes *l, const char *pgid, json_t *now, json_t *want)
{
	l->v = cn_realloc(l->v, l->n + 1, sizeof(*l->v));
	l->v[l->n++] = (struct change){.pgid = cn_strdup(pgid), .now = json_incref(now), .want = json_incref(want)};
}

static void release_changes(struct changes *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].pgid);
		json_decref(l->v[i].now);
		json_decref(l->v[i].want);
		cn_error_release(&l->v[i].err);
	}
	free(l->v);
}

static int send_kind(struct cn_cluster *c, struct cn_pgid id, const struct change *ch, bool full, struct cn_error *err)
{
	const json_t *now = json_object_get(ch->now, full ? "full" : "items");
	const json_t *want = json_object_get(ch->want, full ? "full" : "items");
	size_t n = json_array_size(want);
	_cleanup_free_ int *v = cn_calloc(n, sizeof(*v));

	if (json_equal(now, want))
		return 0;
	for (size_t i = 0; i < n; i++)
		v[i] = (int)json_integer_value(json_array_get(want, i));
	if (full)
		return n ? cn_pg_upmap(c, id, v, n, err) : cn_pg_rm_upmap(c, id, err);
	return n ? cn_pg_upmap_items(c, id, v, n, err) : cn_pg_rm_upmap_items(c, id, err);
}

static void send_one(void *arg, size_t i)
{
	struct changes *l = arg;
	struct change *ch = &l->v[i];
	struct cn_pgid id;

	if (!cn_pgid_parse(ch->pgid, &id) || cn_may_change(l->run, &ch->err) < 0)
		return;
	/* what is to go goes first: a full set and pairs would both be applied */
	if (send_kind(l->run->c, id, ch, json_array_size(json_object_get(ch->want, "full")) == 0, &ch->err) == 0)
		send_kind(l->run->c, id, ch, json_array_size(json_object_get(ch->want, "full")) != 0, &ch->err);
}

/* What the mon refuses for itself (a PG or OSD that is gone meanwhile, a client without the cap) is left to who reads it back;
 * who may not go on does not. */
static int send_all(struct changes *l, struct cn_error *err)
{
	int r = 0;

	cn_parallel(l->n, SENDERS, send_one, l);
	for (size_t i = 0; i < l->n; i++) {
		int e = l->v[i].err.errnum;

		if (r == 0 && e && e != EINVAL && e != ENOENT && e != EPERM && e != EACCES) {
			r = -e;
			cn_error_move(err, &l->v[i].err);
		}
	}
	return r;
}

/* Until the new pin has taken its place what stands there may be one of ours from an earlier window. */
static void note_previous(json_t *rec, json_t *now)
{
	if (!cn_entry_is_empty(now) &&
	    (cn_entry_is_part_of(now, json_object_get(rec, "ours")) || cn_entry_is_part_of(now, json_object_get(rec, "prev"))))
		json_object_set(rec, "prev", now);
	else
		json_object_del(rec, "prev");
}

static int record_pins(struct cn_run *run, const struct cn_pins *pins, const json_t *entries, int64_t epoch, struct changes *l,
		       struct cn_error *err)
{
	for (size_t i = 0; i < pins->n; i++) {
		char pgid[CN_PGID_STRLEN];
		json_t *rec, *want = pin_entry(&pins->v[i]);
		_cleanup_json_ json_t *now = NULL;

		cn_pgid_format(pins->v[i].id, pgid);
		now = entry_of(entries, pgid);
		rec = record_of(journal_of(run, pgid, -1), pgid, entries, epoch);
		note_previous(rec, now);
		json_object_set(rec, "ours", want);
		add_change(l, pgid, now, want);
		json_decref(want);
	}
	return cn_save_all(run, CN_PHASE_PIN, err);
}

static size_t count_kept(const struct changes *l, size_t n, const struct cn_osdmap *m)
{
	_cleanup_json_ json_t *entries = read_entries(m);
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		_cleanup_json_ json_t *now = entry_of(entries, l->v[i].pgid);

		kept += json_equal(now, l->v[i].want);
	}
	return kept;
}

/* Where all is as it was nothing new of ours stands: the proof is not to wait until a primary hears of an epoch that changed
 * nothing.
 */
static void forget_refused(struct cn_run *run, const struct changes *l, const struct cn_osdmap *m)
{
	_cleanup_json_ json_t *entries = read_entries(m);

	for (size_t i = 0; i < l->n; i++) {
		_cleanup_json_ json_t *now = entry_of(entries, l->v[i].pgid);
		json_t *rec = record_of(journal_of(run, l->v[i].pgid, -1), l->v[i].pgid, entries, m->epoch);
		json_t *prev = json_object_get(rec, "prev");

		if (json_equal(now, l->v[i].now))
			json_object_set_new(rec, "ours", prev ? json_incref(prev) : json_null());
	}
}

int cn_upmaps_pin(struct cn_run *run, const struct cn_pins *pins, size_t *ret_kept, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap before = {}, after = {};
	_cleanup_json_ json_t *entries = NULL;
	struct changes l = {.run = run};
	int r = cn_osdmap_get(run->c, &before, err);

	if (r == 0) {
		entries = read_entries(&before);
		r = record_pins(run, pins, entries, before.epoch, &l, err);
	}
	if (r == 0)
		r = send_all(&l, err);
	if (r == 0)
		r = cn_osdmap_get(run->c, &after, err);
	if (r == 0) {
		*ret_kept = count_kept(&l, l.n, &after);
		forget_refused(run, &l, &after);
	}
	for (size_t i = 0; i < run->n && r == 0; i++)
		run->drains[i].journal.pin_epoch = after.epoch;
	release_changes(&l);
	return r;
}

/* What the mon has left of our entry or of the one before: it cancels pairs when the weights go, and when they come back. Nothing
 * at all may be anybody's doing. */
static bool may_restore(const json_t *now, const json_t *rec, const json_t *to)
{
	return cn_entry_is_part_of(now, json_object_get(rec, "ours")) || cn_entry_is_part_of(now, json_object_get(rec, "prev")) ||
	       cn_entry_is_part_of(now, to);
}

/* Its pool may be deleted by now, or have fewer PGs: then there is nothing that an entry could be of. */
static bool pg_exists(const struct cn_osdmap *m, const char *pgid)
{
	struct cn_pgid id;
	const struct cn_pool *pool = cn_pgid_parse(pgid, &id) ? cn_osdmap_pool(m, id.pool) : NULL;

	return pool && id.seed < pool->pg_num;
}

static void collect_restores(const struct cn_osdmap *m, const struct cn_journal *j, bool window_only, const json_t *entries,
			     struct changes *l, struct cn_strv *owed, struct cn_strv *ret_foreign)
{
	const char *pgid;
	json_t *rec;

	json_object_foreach (j->upmaps, pgid, rec) {
		_cleanup_json_ json_t *now = entry_of(entries, pgid);
		json_t *to = json_object_get(rec, window_only ? "undo" : "was");

		json_object_del(rec, "owed");
		if (!to || json_equal(now, to) || !pg_exists(m, pgid))
			continue;
		if (cn_entry_is_anothers(l->run, pgid, now,
					 to)) { /* its own matter, and what was there before goes back with it */
			if (!window_only)
				json_object_set_new(rec, "owed", json_true());
			if (!window_only && !cn_entry_is_empty(to))
				cn_strv_add(owed, pgid);
		} else if (may_restore(now, rec, to)) {
			add_change(l, pgid, now, to);
			l->v[l->n - 1].rec = rec;
		} else {
			cn_strv_addf(ret_foreign, "PG %s: another hand changed its upmap entry", pgid);
		}
	}
}

/* A drain that went through an earlier window keeps its pins from there. */
static void forget_window(struct cn_journal *j)
{
	const char *pgid;
	json_t *rec;
	void *next;

	json_object_foreach_safe (j->upmaps, next, pgid, rec) {
		json_t *undo = json_object_get(rec, "undo");

		if (undo && json_equal(undo, json_object_get(rec, "was"))) {
			json_object_del(j->upmaps, pgid);
		} else if (undo) {
			json_object_set(rec, "ours", undo);
			json_object_del(rec, "undo");
			json_object_del(rec, "prev");
		}
	}
}

/* The weights come back one after the other, and in between the mon may have cancelled entries that are nobody's of ours. One
 * that it cancels again is of no use with the weights as they are. */
static void collect_lost(const struct cn_run *run, json_t *seen, const json_t *entries, struct changes *l)
{
	const char *pgid;
	json_t *was;

	json_object_foreach (seen, pgid, was) {
		_cleanup_json_ json_t *now = entry_of(entries, pgid);

		if (!json_equal(now, was) && cn_entry_is_part_of(now, was) && !recorded_in(run, pgid))
			add_change(l, pgid, now, was);
	}
}

int cn_upmaps_read(struct cn_run *run, json_t **ret, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	int r = cn_osdmap_get(run->c, &m, err);

	if (r == 0)
		*ret = read_entries(&m);
	return r;
}

/* With nobody else's weights at 0, an entry that came while ours were, and that the mon does not take with them back, was made
 * for those weights: it is no loss. */
static void note_refused(const struct changes *l, size_t n, const struct cn_osdmap *m, bool window_only, bool alone,
			 struct cn_strv *owed)
{
	_cleanup_json_ json_t *entries = read_entries(m);

	for (size_t i = 0; i < n; i++) {
		_cleanup_json_ json_t *now = entry_of(entries, l->v[i].pgid);
		json_t *rec = l->v[i].rec;

		if (json_equal(now, l->v[i].want))
			continue;
		if (window_only || !alone || !json_object_get(rec, "late"))
			cn_strv_add(owed, l->v[i].pgid);
		if (!window_only)
			json_object_set_new(rec, "owed", json_true());
	}
}

static void tell_owed(const struct cn_strv *owed, size_t tried, const char *standing, struct cn_strv *ret_foreign)
{
	_cleanup_free_ char *pgs = cn_strv_join(owed, ", ");

	if (owed->n == 0)
		return;
	if (standing)
		cn_strv_addf(ret_foreign,
			     "%zu of %zu upmap entries cannot stand beside the drain of %s, its cancel puts them back (PG %s)",
			     owed->n, tried, standing, pgs);
	else
		cn_strv_addf(ret_foreign, "the monitors did not take back %zu of %zu upmap entries (PG %s)", owed->n, tried, pgs);
}

int cn_upmaps_restore(struct cn_run *run, json_t *seen, bool window_only, struct cn_strv *ret_foreign, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap before = {}, after = {};
	_cleanup_free_ char *standing = window_only ? NULL : cn_upmaps_standing(run);
	_cleanup_json_ json_t *entries = NULL;
	struct changes l = {.run = run};
	_cleanup_(cn_strv_release) struct cn_strv owed = {};
	size_t ours, tried;
	int r = cn_osdmap_get(run->c, &before, err);

	if (r < 0)
		return r;
	entries = read_entries(&before);
	for (size_t i = 0; i < run->n; i++)
		collect_restores(&before, &run->drains[i].journal, window_only, entries, &l, &owed, ret_foreign);
	ours = l.n;
	tried = ours + owed.n;
	collect_lost(run, seen, entries, &l);
	if (l.n) {
		r = send_all(&l, err);
		if (r == 0)
			r = cn_osdmap_get(run->c, &after, err);
		if (r == 0)
			note_refused(&l, ours, &after, window_only, !standing, &owed);
	}
	if (r == 0)
		tell_owed(&owed, tried, standing, ret_foreign);
	for (size_t i = 0; i < run->n && r == 0; i++)
		if (window_only)
			forget_window(&run->drains[i].journal);
		else
			run->drains[i].journal.undo_epoch = l.n ? after.epoch : before.epoch;
	release_changes(&l);
	return r;
}

int64_t cn_before_epoch(const struct cn_run *run)
{
	int64_t epoch = 0;

	for (size_t i = 0; i < run->n; i++)
		epoch = MAX(epoch, run->drains[i].journal.before_epoch);
	return epoch;
}

int64_t cn_change_epoch(const struct cn_run *run)
{
	int64_t epoch = 0;

	for (size_t i = 0; i < run->n; i++)
		epoch = MAX(epoch, run->drains[i].journal.change_epoch);
	return epoch;
}

int64_t cn_pg_change_epoch(const struct cn_run *run, struct cn_pgid id)
{
	char pgid[CN_PGID_STRLEN];
	int64_t epoch = 0;

	cn_pgid_format(id, pgid);
	for (size_t i = 0; i < run->n; i++) {
		const struct cn_journal *j = &run->drains[i].journal;

		epoch = MAX(epoch, j->change_epoch);
		if (json_is_object(json_object_get(json_object_get(j->upmaps, pgid), "ours")))
			epoch = MAX(epoch, j->pin_epoch);
	}
	return epoch;
}
