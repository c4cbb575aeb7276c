/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Upmap entries of PGs that several drains had their hands on. */
#include "upmap.h"

#include <string.h>

bool cn_entry_is_empty(const json_t *e)
{
	return json_array_size(json_object_get(e, "full")) + json_array_size(json_object_get(e, "items")) == 0;
}

bool cn_entry_is_part_of(const json_t *e, const json_t *whole)
{
	const json_t *a = json_object_get(e, "items"), *b = json_object_get(whole, "items");

	if (json_array_size(json_object_get(e, "full")) &&
	    !json_equal(json_object_get(e, "full"), json_object_get(whole, "full")))
		return false;
	for (size_t i = 0; i + 1 < json_array_size(a); i += 2) {
		bool found = false;

		for (size_t k = 0; k + 1 < json_array_size(b) && !found; k += 2)
			found = json_equal(json_array_get(a, i), json_array_get(b, k)) &&
				json_equal(json_array_get(a, i + 1), json_array_get(b, k + 1));
		if (!found)
			return false;
	}
	return true;
}

static bool is_mine(const struct cn_run *run, const struct cn_journal *j)
{
	for (size_t k = 0; k < run->n; k++)
		if (strcmp(run->drains[k].journal.id, j->id) == 0)
			return true;
	return false;
}

static bool is_pin_of(const json_t *e, const json_t *rec)
{
	return !cn_entry_is_empty(e) &&
	       (cn_entry_is_part_of(e, json_object_get(rec, "ours")) || cn_entry_is_part_of(e, json_object_get(rec, "prev")));
}

bool cn_entry_is_anothers(const struct cn_run *run, const char *pgid, const json_t *now, const json_t *to)
{
	for (size_t i = 0; i < run->others.n; i++) {
		const struct cn_journal *j = &run->others.v[i];
		const json_t *rec = json_object_get(j->upmaps, pgid);

		/* its pin may be what we have found; ours may be what it found, and both go by an entry that was there before */
		if (rec && !cn_journal_is_tombstone(j) && !is_mine(run, j) && is_pin_of(now, rec) && !cn_entry_is_part_of(now, to))
			return true;
	}
	return false;
}

char *cn_upmaps_standing(const struct cn_run *run)
{
	_cleanup_(cn_strv_release) struct cn_strv nodes = {};

	for (size_t i = 0; i < run->others.n; i++) {
		const struct cn_journal *j = &run->others.v[i];
		bool can_return = j->phase < CN_PHASE_SWEEP || j->phase == CN_PHASE_CANCEL;

		if (can_return && j->change_epoch && !is_mine(run, j))
			cn_strv_add(&nodes, j->node);
	}
	return nodes.n ? cn_strv_join(&nodes, " and that of ") : NULL;
}

/* Cancelled while ours stood. What was cancelled before that had put back all that it could, and the same entry may have been
 * made anew to stay. */
static bool was_beside(const struct cn_journal *j, const struct cn_journal *ours)
{
	return j->phase == CN_PHASE_CANCELLED && j->updated_ms >= ours->started_ms;
}

static bool is_owed(const json_t *rec)
{
	return json_is_true(json_object_get(rec, "owed"));
}

/* A cancel that came later has put back what j left; of one that began since then j's entries were no matter. */
static bool is_settled(const struct cn_run *run, const struct cn_journal *j, const char *pgid)
{
	for (size_t i = 0; i < run->others.n; i++) {
		const struct cn_journal *later = &run->others.v[i];
		const json_t *rec = json_object_get(later->upmaps, pgid);

		if (rec && !is_owed(rec) && was_beside(later, j) && was_beside(j, later) && later->updated_ms > j->updated_ms)
			return true;
	}
	return false;
}

/* Ours found what the other had made of the entry, its pin or what the mon left, and not what stood after the other's cancel. */
static bool found_after(const json_t *ours, const struct cn_journal *other, const json_t *before)
{
	const json_t *was = json_object_get(ours, "was");
	int64_t epoch = cn_json_int(ours, "epoch", 0);

	if (other->undo_epoch && epoch >= other->undo_epoch && !is_owed(before))
		return false;
	return cn_json_int(before, "epoch", 0) < epoch &&
	       (cn_entry_is_part_of(was, json_object_get(before, "ours")) ||
		cn_entry_is_part_of(was, json_object_get(before, "prev")) ||
		cn_entry_is_part_of(was, json_object_get(before, "was")));
}

static void settle_with(struct cn_run *run, struct cn_journal *ours, const struct cn_journal *other)
{
	const char *pgid;
	json_t *from;

	json_object_foreach (other->upmaps, pgid, from) {
		json_t *rec = json_object_get(ours->upmaps, pgid);

		if (rec && found_after(rec, other, from)) {
			json_object_set(rec, "was", json_object_get(from, "was"));
			json_object_set(rec, "epoch", json_object_get(from, "epoch"));
			if (!json_object_get(from, "late"))
				json_object_del(rec, "late");
		} else if (!rec && is_owed(from) && !is_settled(run, other, pgid)) {
			if (!ours->upmaps)
				ours->upmaps = json_object();
			json_object_set_new(ours->upmaps, pgid, json_deep_copy(from));
		}
	}
}

/* Once for each journal at most: one that was taken over may in turn have found what another had made. */
void cn_upmaps_settle(struct cn_run *run)
{
	for (size_t i = 0; i < run->n; i++)
		for (size_t round = 0; round < run->others.n; round++)
			for (size_t k = 0; k < run->others.n; k++)
				if (was_beside(&run->others.v[k], &run->drains[i].journal))
					settle_with(run, &run->drains[i].journal, &run->others.v[k]);
}
