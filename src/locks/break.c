/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The order of everything: select, classify, refuse, ask, fence, verify-fence, barrier, break, verify. */
#include <errno.h>
#include <string.h>

#include "cephnode/base/interrupt.h"
#include "locks/break.h"

/* --- break and verify --- */

enum holder { HOLDS, GONE, CHANGED };

/* By the exact tuple, address and all. */
static int who_holds(struct cn_break_run *run, const struct cn_lock *l, enum holder *ret)
{
	struct cn_cluster *c = run->b->cluster;
	struct cn_object o = cn_lock_object(l->image);
	_cleanup_free_ char *header = cn_lock_header(l->image->id);
	_cleanup_(cn_lockers_release) struct cn_lockers now = {0};
	int r;

	o.oid = header;
	r = c->ops->lockers(c, &o, CN_LOCK_NAME, &now);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret = GONE;
	for (size_t i = 0; i < now.n; i++) {
		if (strcmp(now.v[i].client, l->locker->client) == 0 && strcmp(now.v[i].cookie, l->locker->cookie) == 0 &&
		    strcmp(now.v[i].address, l->locker->address) == 0) {
			*ret = HOLDS;
			return 0;
		}
		if (now.exclusive)
			*ret = CHANGED;
	}
	return 0;
}

static void break_one(struct cn_break_run *run, struct cn_breaking *t, struct cn_error *err)
{
	struct cn_cluster *c = run->b->cluster;
	struct cn_object o = cn_lock_object(t->lock->image);
	_cleanup_free_ char *header = cn_lock_header(t->lock->image->id), *text = cn_target_text(t->lock);
	enum holder holder = HOLDS;
	int r = who_holds(run, t->lock, &holder);

	o.oid = header;
	/* never rbd_break_lock(): with a wrong cookie it fences the owner before it fails */
	if (r == 0 && holder == HOLDS)
		r = c->ops->break_lock(c, &o, CN_LOCK_NAME, t->lock->locker->client, t->lock->locker->cookie);
	if (r == -ENOENT) /* since that moment */
		r = who_holds(run, t->lock, &holder);
	t->changed_hands = r == 0 && holder == CHANGED;
	if (r == 0 && holder != HOLDS)
		t->outcome = "gone"; /* by somebody else's hand */
	if (r == 0 || r == -ETIMEDOUT)
		return; /* looked at again below */
	t->outcome = "failed";
	cn_error_set(err, CN_FAILED, r, "cannot break %s: %s", text, strerror(-r));
	if (r == -EPERM || r == -EACCES)
		cn_break_caps_hint(run, err);
}

static void verify_one(struct cn_break_run *run, struct cn_breaking *t, struct cn_error *err)
{
	_cleanup_free_ char *text = cn_target_text(t->lock);
	enum holder holder = HOLDS;
	int r;

	if (t->outcome)
		return;
	r = who_holds(run, t->lock, &holder);
	if (r == 0 && holder != HOLDS) {
		t->outcome = "broken";
		return;
	}
	t->outcome = "unknown";
	cn_error_set(err, CN_TIMEOUT, r ? r : -ETIMEDOUT, "%s: %s", text,
		     r ? "whether it is broken is not known: it cannot be read" : "it was told to go, and still stands");
	cn_error_hint(err, "the same command again goes on; the fence stands");
}

static int interrupted(struct cn_error *err)
{
	return cn_interrupted() ? cn_error_interrupted(err) : 0;
}

static int break_all(struct cn_break_run *run, struct cn_error *err)
{
	size_t done = 0;

	cn_break_step(run, "break", NULL, NULL);
	for (size_t i = 0; i < run->n_targets; i++) {
		if (interrupted(err) < 0)
			break; /* those not yet touched stay as they are */
		break_one(run, &run->targets[i], err);
		done++;
	}
	cn_break_step(run, "break", "done", NULL);
	cn_break_step(run, "verify", NULL, NULL);
	for (size_t i = 0; i < done; i++)
		verify_one(run, &run->targets[i], err);
	for (size_t i = done; i < run->n_targets; i++)
		run->targets[i].outcome = "failed";
	cn_break_step(run, "verify", "done", NULL);
	return err->code ? -err->errnum : 0;
}

/* --- the sum of it --- */

static size_t count(const struct cn_break_run *run, const char *outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < run->n_targets; i++)
		n += run->targets[i].outcome && strcmp(run->targets[i].outcome, outcome) == 0;
	return n;
}

static const char *sum_up(struct cn_break_run *run, struct cn_error *err)
{
	size_t broken = count(run, "broken"), gone = count(run, "gone");

	for (size_t i = 0; i < run->n_targets && !err->code; i++) {
		_cleanup_free_ char *text = NULL;

		if (!run->targets[i].changed_hands)
			continue;
		text = cn_target_text(run->targets[i].lock);
		cn_error_set(err, CN_PARTIAL, EEXIST, "%s: it changed hands after the fence, and was left alone", text);
	}
	if (!err->code && run->incomplete)
		cn_error_set(err, CN_PARTIAL, EIO, "%zu locks are broken, but not all images could be looked at", broken);
	if (err->code && err->code != CN_INTERRUPTED && broken + gone > 0 && broken + gone < run->n_targets)
		err->code = CN_PARTIAL;
	if (count(run, "unknown"))
		return "unknown";
	if (broken + gone < run->n_targets || (err->code && !broken))
		return "failed";
	return broken ? "broken" : "gone";
}

/* --- steps --- */

static char *selection_text(const struct cn_break_run *run)
{
	if (run->n_targets == 0)
		return cn_strdup("no lock is there");
	return run->n_targets == 1 ? cn_target_text(run->targets[0].lock) : cn_asprintf("%zu locks", run->n_targets);
}

static json_t *locks_json(const struct cn_break_run *run)
{
	json_t *a = json_array();

	for (size_t i = 0; i < run->n_targets; i++)
		json_array_append_new(a, cn_lock_json(run->targets[i].lock));
	return json_pack("{so}", "locks", a);
}

static char *states_text(const struct cn_break_run *run)
{
	size_t n[CN_LOCK_UNKNOWN + 1] = {0};
	_cleanup_(cn_strv_release) struct cn_strv words = {0};

	for (size_t i = 0; i < run->n_targets; i++)
		n[run->targets[i].lock->state]++;
	for (int s = 0; s <= CN_LOCK_UNKNOWN; s++) {
		if (n[s] && run->n_targets == 1)
			cn_strv_add(&words, cn_lock_state_name((enum cn_lock_state)s));
		else if (n[s])
			cn_strv_addf(&words, "%zu %s", n[s], cn_lock_state_name((enum cn_lock_state)s));
	}
	if (run->n_others)
		cn_strv_addf(&words, "%zu other locks from the same %s", run->n_others,
			     run->b->options->fence_host ? "host" : "address");
	return cn_strv_join(&words, ", ");
}

static char *fences_text(const struct cn_break_run *run)
{
	_cleanup_(cn_strv_release) struct cn_strv words = {0};

	for (size_t i = 0; i < run->n_fences; i++) {
		_cleanup_free_ char *a = cn_client_addr_text(&run->fences[i].addr);
		_cleanup_free_ char *until = run->fences[i].until_ms ? cn_time_format(run->fences[i].until_ms) : NULL;

		cn_strv_addf(&words, "%s%s%s", a, until ? " until " : "", until ? until : "");
	}
	return cn_strv_join(&words, ", ");
}

static int look(struct cn_break_run *run, const struct cn_lock_scope *scope, const char *node, struct cn_error *err)
{
	_cleanup_free_ char *selection = NULL, *states = NULL;
	int r;

	cn_break_step(run, "select", NULL, NULL);
	r = cn_break_select(run, scope, node, err);
	if (r < 0)
		return r;
	selection = selection_text(run);
	cn_break_step(run, "select", selection, locks_json(run));
	if (run->n_targets == 0)
		return 0;
	cn_break_step(run, "classify", NULL, NULL);
	r = cn_break_classify(run, err);
	if (r < 0)
		return r;
	states = states_text(run);
	cn_break_step(run, "classify", states, locks_json(run));
	return cn_break_refuse(run, err);
}

static int ask(struct cn_break_run *run, struct cn_error *err)
{
	_cleanup_free_ char *text = NULL;
	int r;

	if (!run->b->confirm)
		return 0;
	text = cn_break_question(run);
	r = run->b->confirm(run->b->arg, text);
	if (r == -EINTR)
		return cn_error_interrupted(err);
	return r < 0 ? cn_error_set(err, CN_REFUSED, ECANCELED, "not confirmed, nothing was changed") : 0;
}

static int fence(struct cn_break_run *run, struct cn_error *err)
{
	static const struct {
		const char *step;
		int (*fn)(struct cn_break_run *, struct cn_error *);
		bool tells;
	} steps[] = {{"fence", cn_break_fence, false},
		     {"verify-fence", cn_break_verify_fence, true},
		     {"barrier", cn_break_barrier, false}};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		_cleanup_free_ char *text = NULL;
		int r = interrupted(err);

		if (r < 0)
			return r;
		cn_break_step(run, steps[i].step, NULL, NULL);
		r = steps[i].fn(run, err);
		if (r < 0)
			return r;
		text = i == 2 ? cn_strdup("no OSD takes a write of the fenced") : fences_text(run);
		cn_break_step(run, steps[i].step, text, NULL);
	}
	return 0;
}

static void release(struct cn_break_run *run)
{
	cn_lock_list_release(&run->list);
	cn_lock_list_release(&run->others);
	free(run->targets);
	free(run->fences);
	free(run->own);
}

static const char *outcome_of(const struct cn_error *e)
{
	return e->code == CN_REFUSED ? "refused" : "failed";
}

int cn_locks_break(const struct cn_break *b, const struct cn_lock_scope *scope, const char *node, struct cn_error *err)
{
	struct cn_break_run run = {.b = b};
	const char *outcome;
	int r = look(&run, scope, node, err);

	if (r < 0) {
		outcome = outcome_of(err);
	} else if (run.n_targets == 0 || b->options->dry_run) {
		outcome = run.n_targets == 0 ? "gone" : "none";
		if (run.incomplete)
			cn_error_set(err, CN_PARTIAL, EIO, "not all images could be looked at");
	} else {
		r = ask(&run, err);
		if (r == 0 && !b->options->no_fence)
			r = fence(&run, err);
		if (r == 0)
			(void)break_all(&run, err);
		outcome = r < 0 ? outcome_of(err) : sum_up(&run, err);
	}
	cn_break_result(&run, outcome, err);
	release(&run);
	return err->code ? -MAX(err->errnum, 1) : 0;
}
