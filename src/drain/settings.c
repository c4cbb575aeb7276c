/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entries of the config database that a drain sets for its time. The journal has each one before it is set: {"who", "mask",
 * "name", "old" (null: it was absent), "new", "prev" (what we had set before that; null: nothing)}. What is neither old nor ours
 * came from another hand, and is left alone.
 */
#include <errno.h>
#include <string.h>

#include "cephnode/base/log.h"
#include "run.h"

#define MANY 8 /* entries in one warning */

static const char *field(const json_t *s, const char *key)
{
	return cn_json_str(s, key, NULL);
}

static bool exactly(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The mon stores 0.1 as 0.100000. */
bool cn_settings_same(const char *a, const char *b)
{
	char *end_a, *end_b;
	double x, y;

	if (!a || !b || strcmp(a, b) == 0)
		return exactly(a, b);
	x = strtod(a, &end_a);
	y = strtod(b, &end_b);
	return *a && *b && !*end_a && !*end_b && x >= y && x <= y;
}

static bool is_ours(const json_t *s, const char *now)
{
	return now && (cn_settings_same(now, field(s, "new")) || cn_settings_same(now, field(s, "prev")));
}

static bool is_for(const json_t *e, const char *who_key, const json_t *s)
{
	return exactly(field(e, who_key), field(s, "who")) && exactly(cn_json_str(e, "mask", ""), field(s, "mask")) &&
	       exactly(field(e, "name"), field(s, "name"));
}

/* The raw value in the database, NULL: absent. */
static const char *value_in(const json_t *dump, const json_t *s)
{
	json_t *e;
	size_t i;

	json_array_foreach (dump, i, e)
		if (is_for(e, "section", s))
			return field(e, "value");
	return NULL;
}

static json_t *find(const json_t *settings, const json_t *s)
{
	json_t *e;
	size_t i;

	json_array_foreach (settings, i, e)
		if (is_for(e, "who", s))
			return e;
	return NULL;
}

static json_t *find_in_run(struct cn_run *run, const json_t *s)
{
	json_t *found = NULL;

	for (size_t i = 0; i < run->n && !found; i++)
		found = find(run->drains[i].journal.settings, s);
	return found;
}

static bool in_run(const struct cn_run *run, const char *id)
{
	for (size_t i = 0; i < run->n; i++)
		if (strcmp(run->drains[i].journal.id, id) == 0)
			return true;
	return false;
}

/* What another drain has recorded of the same entry. self: whose point of view, NULL: the run's. */
static const json_t *of_another(const struct cn_run *run, const struct cn_journal *self, const json_t *s)
{
	const json_t *found = NULL;

	for (size_t i = 0; i < run->others.n && !found; i++) {
		const struct cn_journal *j = &run->others.v[i];

		if (!cn_journal_is_tombstone(j) && (self ? strcmp(self->id, j->id) != 0 : !in_run(run, j->id)))
			found = find(j->settings, s);
	}
	return found;
}

static void put(json_t *s, const char *key, const char *value)
{
	json_object_set_new(s, key, cn_json_string(value));
}

static char *who_of(const json_t *s)
{
	const char *mask = field(s, "mask");

	return mask && *mask ? cn_asprintf("%s/%s", field(s, "who"), mask) : cn_strdup(field(s, "who"));
}

static const char *or_unset(const char *value)
{
	return value ? value : "not set";
}

static const char *did(const char *now)
{
	return now ? "set it to " : "removed it";
}

/* --- setting ---------------------------------------------------------------------------------------------------------- */

static json_t *new_setting(const struct cn_run *run, const char *name, const char *value, const json_t *dump)
{
	json_t *s = json_pack("{ss,ss,ss,sn,ss,sn}", "who", "osd", "mask", "", "name", name, "old", "new", value, "prev");
	const char *now = value_in(dump, s);
	const json_t *other = of_another(run, NULL, s);

	/* what another drain has set is not what was there before */
	put(s, "old", other && is_ours(other, now) ? field(other, "old") : now);
	return s;
}

/* Writes down in the journals in memory what is to be set. only_known: what no journal knows (any more) is left out. */
static void record(struct cn_run *run, const json_t *wanted, const json_t *dump, bool only_known)
{
	struct cn_journal *j = &run->drains[0].journal;
	const char *name;
	json_t *v;

	json_object_foreach ((json_t *)wanted, name, v) {
		_cleanup_json_ json_t *fresh = new_setting(run, name, json_string_value(v), dump);
		const json_t *other = of_another(run, NULL, fresh);
		json_t *s = find_in_run(run, fresh);
		const char *now = value_in(dump, fresh);

		if (!s && !only_known) {
			j->settings = j->settings ? j->settings : json_array();
			json_array_append(j->settings, fresh);
		} else if (s && (is_ours(s, now) || exactly(now, field(s, "old")) || (other && is_ours(other, now)))) {
			put(s, "prev", is_ours(s, now) ? now : NULL);
			put(s, "new", json_string_value(v));
		}
	}
}

/* What another hand has set since is its own from now on: reported once, and forgotten. Where it is to be set again (wanted;
 * NULL: nothing) that is what was there before. */
static void drop_foreign(struct cn_run *run, const json_t *dump, const json_t *wanted)
{
	for (size_t i = 0; i < run->n; i++) {
		json_t *l = run->drains[i].journal.settings;

		for (size_t k = json_array_size(l); k-- > 0;) {
			const json_t *s = json_array_get(l, k), *other = of_another(run, NULL, s);
			const char *now = value_in(dump, s);

			if (is_ours(s, now) || exactly(now, field(s, "old")) || (other && is_ours(other, now)))
				continue;
			cn_run_warning(run, "%s: another hand %s%s; %s", field(s, "name"), did(now), now ? now : "",
				       json_object_get(wanted, field(s, "name")) ? "that is what is put back in the end"
										 : "it stays so");
			json_array_remove(l, k);
		}
	}
}

static int save_all(struct cn_run *run, struct cn_error *err)
{
	int r = 0;

	for (size_t i = 0; i < run->n && r == 0; i++) {
		r = cn_may_change(run, err);
		if (r == 0)
			r = cn_journal_save(run->c, &run->drains[i].journal, run->clock, err);
	}
	return r;
}

/* Entries for some OSDs outrank the one for all. They are somebody's will: named, not touched. */
static void tell_outranked(struct cn_run *run, const json_t *wanted, const json_t *dump)
{
	_cleanup_(cn_strv_release) struct cn_strv found = {};
	_cleanup_free_ char *text = NULL;
	json_t *e;
	size_t i;

	json_array_foreach (dump, i, e) {
		const char *section = cn_json_str(e, "section", ""), *mask = cn_json_str(e, "mask", "");
		const char *name = cn_json_str(e, "name", "");
		bool some = strncmp(section, "osd.", 4) == 0 || (strcmp(section, "osd") == 0 && *mask);

		if (!some || !json_object_get(wanted, name))
			continue;
		if (found.n < MANY)
			cn_strv_addf(&found, "%s of %s%s%s", name, section, *mask ? "/" : "", mask);
		if (!cn_strv_has(&run->speed.outranked, name))
			cn_strv_add(&run->speed.outranked, name);
	}
	text = cn_strv_join(&found, ", ");
	if (found.n)
		cn_run_warning(run, "--speed does not hold everywhere: %s%s stays as it is set", text,
			       found.n == MANY ? " ..." : "");
}

static bool ends_the_window(int r)
{
	return r == -ESTALE || r == -EINTR;
}

static int send(struct cn_run *run, const json_t *wanted, const json_t *dump, size_t *ret_set, struct cn_error *err)
{
	_cleanup_error_ struct cn_error first = {};
	const char *name;
	json_t *v;

	json_object_foreach ((json_t *)wanted, name, v) {
		_cleanup_json_ json_t *key = json_pack("{ss,ss,ss}", "who", "osd", "mask", "", "name", name);
		_cleanup_error_ struct cn_error e = {};
		const json_t *s = find_in_run(run, key);
		int r = 0;

		if (!s)
			continue;
		if (!cn_settings_same(value_in(dump, key), json_string_value(v))) {
			r = cn_may_change(run, &e);
			if (r == 0)
				r = cn_config_set(run->c, "osd", name, json_string_value(v), false, &e);
		}
		*ret_set += r == 0;
		if (ends_the_window(r)) {
			cn_error_move(err, &e);
			return r;
		}
		if (r < 0 && !first.errnum) {
			cn_error_wrap(&e, "%s", name);
			cn_error_move(&first, &e);
		}
	}
	if (first.errnum)
		cn_run_warning(run, "not all of --speed could be set: %s%s%s", first.message, first.hint ? "; " : "",
			       first.hint ? first.hint : "");
	return 0;
}

static int read_back(struct cn_run *run, const json_t *wanted, const json_t *before, struct cn_error *err)
{
	_cleanup_json_ json_t *dump = NULL;
	const char *name;
	json_t *v;
	int r = cn_config_dump(run->c, &dump, err);

	json_object_foreach ((json_t *)wanted, name, v) {
		_cleanup_json_ json_t *key = json_pack("{ss,ss,ss}", "who", "osd", "mask", "", "name", name);
		const char *now = value_in(dump, key);

		/* where the command failed it is as before, and that was said */
		if (r == 0 && find_in_run(run, key) && !cn_settings_same(now, json_string_value(v)) &&
		    !exactly(now, value_in(before, key)))
			cn_run_warning(run, "%s is %s although the mon took the command", name, or_unset(now));
	}
	return r;
}

int cn_settings_apply(struct cn_run *run, const json_t *wanted, bool only_known, size_t *ret_set, struct cn_error *err)
{
	_cleanup_json_ json_t *dump = NULL;
	int r = cn_config_dump(run->c, &dump, err);

	*ret_set = 0;
	if (r < 0)
		return r;
	drop_foreign(run, dump, only_known ? NULL : wanted);
	if (!only_known)
		tell_outranked(run, wanted, dump);
	record(run, wanted, dump, only_known);
	r = save_all(run, err);
	if (r == 0)
		r = send(run, wanted, dump, ret_set, err);
	return r < 0 ? r : read_back(run, wanted, dump, err);
}

/* --- putting back ----------------------------------------------------------------------------------------------------- */

/* Whether the entry is to be changed, and to what (NULL: removed). The last of several drains puts back what was there. */
static bool way_back(struct cn_run *run, const struct cn_journal *self, const json_t *s, const char *now, const char **ret_value,
		     struct cn_strv *ret_foreign)
{
	const json_t *other = of_another(run, self, s);
	const char *old = field(s, "old");

	*ret_value = other ? field(other, "new") : old;
	if (other)
		return is_ours(s, now) && !cn_settings_same(now, *ret_value);
	if (exactly(now, old))
		return false;
	if (is_ours(s, now))
		return true;
	if (!cn_settings_same(now, old))
		cn_strv_addf(ret_foreign, "%s: another hand %s%s (before the drain it was %s)", field(s, "name"), did(now),
			     now ? now : "", or_unset(old));
	return false;
}

static int change_back(struct cn_run *run, const json_t *s, struct cn_error *err)
{
	_cleanup_free_ char *who = who_of(s);
	const char *value = field(s, "back");
	int r = cn_may_change(run, err);

	if (r < 0)
		return r;
	/* by force, for then the mon stores it as it was, to the letter */
	return value ? cn_config_set(run->c, who, field(s, "name"), value, true, err)
		     : cn_config_rm(run->c, who, field(s, "name"), err);
}

static void tell_by_hand(struct cn_strv *ret_foreign, const json_t *s, const struct cn_error *why)
{
	_cleanup_free_ char *who = who_of(s);
	const char *value = field(s, "back");

	cn_strv_addf(ret_foreign, "%s; do it by hand: ceph config %s %s %s%s%s", why->message, value ? "set" : "rm", who,
		     field(s, "name"), value ? " " : "", value ? value : "");
}

/* back: what to change, each with its value in "back". left: what could not be for want of a cap. */
static int send_back(struct cn_run *run, const json_t *back, json_t *left, struct cn_strv *ret_foreign, struct cn_error *err)
{
	_cleanup_json_ json_t *after = NULL;
	json_t *s;
	size_t i;
	int r = 0;

	json_array_foreach (back, i, s) {
		_cleanup_error_ struct cn_error e = {};

		r = change_back(run, s, &e);
		if (r == -EACCES || r == -EPERM) {
			tell_by_hand(ret_foreign, s, &e);
			json_array_append(left, s);
		} else if (r < 0) {
			cn_error_move(err, &e);
			return r;
		}
	}
	r = cn_config_dump(run->c, &after, err);
	json_array_foreach (back, i, s)
		if (r == 0 && !find(left, s) && !exactly(value_in(after, s), field(s, "back")))
			r = cn_error_set(err, CN_FAILED, EREMCHG, "%s is not back although the mon took the command",
					 field(s, "name"));
	return r;
}

/* Puts back what one journal has; what could not be for want of a cap stays in it. */
static int restore_one(struct cn_run *run, struct cn_journal *j, const struct cn_journal *self, struct cn_strv *ret_foreign,
		       struct cn_error *err)
{
	_cleanup_json_ json_t *dump = NULL, *back = json_array(), *left = json_array();
	json_t *s;
	size_t i;
	int r = cn_config_dump(run->c, &dump, err);

	if (r < 0)
		return r;
	json_array_foreach (j->settings, i, s) {
		const char *value;

		if (!way_back(run, self, s, value_in(dump, s), &value, ret_foreign))
			continue;
		s = json_copy(s);
		put(s, "back", value);
		json_array_append_new(back, s);
	}
	r = json_array_size(back) ? send_back(run, back, left, ret_foreign, err) : 0;
	if (r == 0)
		r = cn_may_change(run, err);
	if (r < 0)
		return r;
	json_decref(j->settings);
	j->settings = json_array_size(left) ? TAKE_PTR(left) : NULL;
	return cn_journal_save(run->c, j, run->clock, err);
}

int cn_settings_restore(struct cn_run *run, struct cn_strv *ret_foreign, struct cn_error *err)
{
	int r = 0;

	for (size_t i = 0; i < run->n && r == 0; i++)
		if (run->drains[i].journal.settings)
			r = restore_one(run, &run->drains[i].journal, NULL, ret_foreign, err);
	return r < 0 ? cn_error_wrap(err, "cannot put the settings of --speed back") : 0;
}

static bool owner_is_gone(struct cn_run *run, const struct cn_journal *j)
{
	_cleanup_free_ char *name = cn_asprintf("drain.%s", j->id);

	/* one who goes on with it has the lock before its name stands in the journal */
	return !cn_lease_is_held(run->c, run->pool, name, cn_owner_is_dead(&j->owner) ? &j->owner : NULL);
}

int cn_settings_finish(struct cn_run *run, struct cn_error *err)
{
	int r = 0;

	for (size_t i = 0; i < run->others.n && r == 0; i++) {
		_cleanup_(cn_strv_release) struct cn_strv foreign = {};
		struct cn_journal *j = &run->others.v[i];

		if (cn_journal_is_tombstone(j) || !j->settings || in_run(run, j->id) || !owner_is_gone(run, j))
			continue;
		cn_note("nobody works on the drain of %s; putting back what it set by --speed", j->node);
		r = restore_one(run, j, j, &foreign, err);
		for (size_t k = 0; k < foreign.n; k++)
			cn_run_warning(run, "not put back: %s", foreign.v[k]);
	}
	return r;
}
