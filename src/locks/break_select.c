/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which locks are meant, who shares an address with their lockers, and what is known of these. */
#include <errno.h>
#include <string.h>

#include "cephnode/base/log.h"
#include "locks/break.h"

#define WATCH_TIMEOUT_S 30 /* Ceph's default */
#define LOOK_LEAST_S 10    /* a client that lost its OSD watches again within two ticks of 5 s */
#define LOOK_MORE_S 5
#define LOOK_EVERY_MS 2500
#define LOCKERS_SHOWN 10

static bool wanted(const struct cn_break_run *run, const struct cn_lock *l)
{
	const struct cn_break_options *o = run->b->options;

	return l->chosen && (!o->locker || strcmp(o->locker, l->locker->client) == 0) &&
	       (!o->lock_id || strcmp(o->lock_id, l->locker->cookie) == 0);
}

static char *lockers_text(const struct cn_lock_list *list, bool with_image)
{
	_cleanup_(cn_strv_release) struct cn_strv there = {0};
	size_t more = 0;

	for (size_t i = 0; i < list->n_locks; i++) {
		const struct cn_lock *l = &list->locks[i];
		_cleanup_free_ char *spec = with_image ? cn_lock_spec(l->image) : NULL;

		if (l->chosen && there.n < LOCKERS_SHOWN)
			cn_strv_addf(&there, "%s%s--locker %s --lock-id '%s'", spec ? spec : "", spec ? " " : "",
				     l->locker->client, l->locker->cookie);
		else
			more += l->chosen;
	}
	if (more)
		cn_strv_addf(&there, "and %zu more", more);
	return cn_strv_join(&there, "; ");
}

/* What was named must be what is there. What is gone an earlier call may have broken, which is no error; where others stand it
 * may as well be a slip in the name, and "gone" alone would be believed. */
static int check_named(const struct cn_break_run *run, size_t n_there, const char *node, struct cn_error *err)
{
	_cleanup_free_ char *text = NULL, *spec = NULL;
	const struct cn_lock_list *list = &run->list;

	if (n_there == 0 || (run->n_targets > 0 && (node || run->n_targets == 1)))
		return 0;
	spec = node ? cn_asprintf("node %s", node) : cn_lock_spec(list->images[0]);
	text = lockers_text(list, node != NULL);
	if (run->n_targets == 0 && (node || !list->images[0]->lockers.exclusive)) {
		cn_warning("%s %s, but not the one that was named: it is gone, or the name is a slip; %s: %s", spec,
			   node ? "holds locks" : "has lockers", node ? "it holds" : "it is held by", text);
		return 0;
	}
	if (run->n_targets > 0)
		cn_error_set(err, CN_REFUSED, EEXIST, "%s has %zu lockers, and which one is meant is not said", spec,
			     run->n_targets);
	else
		cn_error_set(err, CN_REFUSED, EEXIST, "the lock of %s changed hands: it is not the one that was named", spec);
	cn_error_hint(err, "it is held by: %s", text);
	return -err->errnum;
}

/* Those that the options pick. Where they pick none of what is there, that is what is said. */
static int choose_targets(struct cn_break_run *run, const char *node, struct cn_error *err)
{
	size_t n_there = 0;
	int r;

	run->targets = cn_calloc(run->list.n_locks, sizeof(*run->targets));
	for (size_t i = 0; i < run->list.n_locks; i++) {
		struct cn_lock *l = &run->list.locks[i];

		n_there += l->chosen;
		if (wanted(run, l))
			run->targets[run->n_targets++].lock = l;
	}
	r = check_named(run, n_there, node, err);
	for (size_t i = 0; i < run->list.n_locks; i++)
		run->list.locks[i].chosen = wanted(run, &run->list.locks[i]);
	return r;
}

static int read_errors(struct cn_break_run *run, const struct cn_lock_scope *scope, struct cn_error *err)
{
	const struct cn_lock_error *e = run->list.errors;

	if (run->list.n_errors == 0)
		return 0;
	if (!scope->image) {
		cn_warning("%zu look-ups failed: there may be more locks than are seen here", run->list.n_errors);
		run->incomplete = true;
		return 0;
	}
	cn_error_set(err, CN_FAILED, e->errnum, "cannot read the lock of %s (%s): %s", scope->image, e->op, strerror(e->errnum));
	if (e->errnum == EPERM || e->errnum == EACCES)
		cn_break_caps_hint(run, err);
	return -e->errnum;
}

/* --- who else is there --- */

/* NULL: it is none. */
static struct cn_lock *target_of(const struct cn_break_run *run, const struct cn_lock *l)
{
	for (size_t i = 0; i < run->n_targets; i++) {
		struct cn_lock *t = run->targets[i].lock;

		if (t->image->pool_id == l->image->pool_id && strcmp(t->image->ns, l->image->ns) == 0 &&
		    strcmp(t->image->id, l->image->id) == 0 && strcmp(t->locker->client, l->locker->client) == 0 &&
		    strcmp(t->locker->cookie, l->locker->cookie) == 0)
			return t;
	}
	return NULL;
}

static bool shares_address(const struct cn_break_run *run, const struct cn_lock *l)
{
	for (size_t i = 0; i < run->n_targets; i++) {
		const struct cn_lock *t = run->targets[i].lock;

		if (!t->addressed || !l->addressed)
			continue;
		if (run->b->options->fence_host ? cn_ip_equal(&t->addr.ip, &l->addr.ip)
						: cn_client_addr_equal(&t->addr, &l->addr))
			return true;
	}
	return false;
}

/* The whole cluster: which lock is whose node's, and who shares an address with a locker, may be seen on any image. */
static int read_others(struct cn_break_run *run, struct cn_error *err)
{
	int r = cn_locks_scan_around(run->b->cluster, &run->list, &run->others, err);

	run->others_incomplete = r > 0;
	if (run->others_incomplete)
		cn_warning("not all images could be looked at: the lockers may hold locks that are not seen here");
	return MIN(r, 0);
}

static void find_others(struct cn_break_run *run)
{
	for (size_t i = 0; i < run->others.n_locks; i++) {
		struct cn_lock *l = &run->others.locks[i], *t = target_of(run, l);

		if (t)
			t->same_address = l->same_address; /* counted in the whole cluster */
		l->chosen = !t && shares_address(run, l);
		run->n_others += l->chosen;
	}
}

static int own_addresses(struct cn_break_run *run, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv parts = {0};
	_cleanup_free_ char *text = NULL;
	int r = run->b->cluster->ops->address(run->b->cluster, &text);

	if (r == 0)
		cn_strv_split(&parts, text, ",");
	run->own = cn_calloc(parts.n, sizeof(*run->own));
	for (size_t i = 0; i < parts.n; i++) { /* "127.0.0.1:0/12", or "[v2:127.0.0.1:0/12,v1:127.0.0.1:0/12]" */
		char *s = parts.v[i] + (strncmp(parts.v[i], "[v", 2) == 0), *end = strrchr(s, '/');

		if (end)
			end[1 + strspn(end + 1, "0123456789")] = '\0';
		run->n_own += cn_client_addr_parse(s, &run->own[run->n_own]);
	}
	if (run->n_own > 0)
		return 0;
	return cn_error_set(err, CN_FAILED, r ? r : EBADMSG, "cannot tell the address of this client, which must not be fenced");
}

int cn_break_select(struct cn_break_run *run, const struct cn_lock_scope *scope, const char *node, struct cn_error *err)
{
	_cleanup_(cn_lock_node_release) struct cn_lock_node n = {0};
	struct cn_cluster *c = run->b->cluster;
	bool known = true;
	int r = 0;

	if (node)
		r = cn_lock_node_find(c, run->b->kube, node, &n, &known, err);
	if (r == 0)
		r = cn_locks_scan(c, scope, &run->list, err);
	if (r == 0)
		r = read_errors(run, scope, err);
	if (r == 0)
		r = read_others(run, err);
	if (r < 0)
		return r;
	cn_locks_choose(c, &run->list, &run->others, node ? &n : NULL);
	r = choose_targets(run, node, err);
	if (r == 0 && !known && run->n_targets == 0)
		cn_warning("neither the cluster nor a lock knows a node '%s'", node);
	if (r == 0 && run->n_targets > 0)
		r = own_addresses(run, err);
	if (r == 0)
		find_others(run);
	return r;
}

/* --- classify --- */

/* How long a dead client's watch is still listed: the cluster's own setting. */
static int64_t watch_timeout(struct cn_cluster *c)
{
	_cleanup_json_ json_t *reply = NULL;
	json_t *cmd = json_pack("{ss,ss,ss,ss}", "prefix", "config get", "who", "osd", "key", "osd_client_watch_timeout",
				"format", "json");

	if (cn_command(c, CN_MON, NULL, cmd, &reply, NULL) == 0 && json_is_number(reply) && json_number_value(reply) >= 1)
		return (int64_t)json_number_value(reply);
	return WATCH_TIMEOUT_S;
}

static void look(struct cn_break_run *run)
{
	cn_locks_look(run->b->cluster, &run->list, true);
	cn_locks_classify(&run->list);
	cn_locks_look(run->b->cluster, &run->others, true);
	cn_locks_classify(&run->others);
	for (size_t i = 0; i < run->n_targets; i++) { /* the same client, seen on another image, lives */
		struct cn_lock *t = run->targets[i].lock;

		for (size_t k = 0; k < run->others.n_locks; k++) {
			const struct cn_lock *o = &run->others.locks[k];

			if (o->chosen && o->state == CN_LOCK_ALIVE && o->addressed && t->addressed &&
			    cn_client_addr_equal(&o->addr, &t->addr) && t->state != CN_LOCK_UNKNOWN)
				t->state = CN_LOCK_ALIVE;
		}
	}
}

/* Is there a target whose locker may merely have lost its watch for a moment? */
static bool must_look_on(const struct cn_break_run *run)
{
	bool unwatched = false;

	for (size_t i = 0; i < run->n_targets; i++) {
		const struct cn_lock *l = run->targets[i].lock;

		if ((l->state == CN_LOCK_ALIVE || l->state == CN_LOCK_IN_USE) && !run->b->options->force)
			return false; /* refused anyway */
		if (l->state == CN_LOCK_UNWATCHED ||
		    (l->state == CN_LOCK_FENCED && !cn_break_long_enough(run, l->fenced_until_ms)))
			unwatched = true;
	}
	return unwatched;
}

/* A client that was seen on any look lives: what one look saw is not forgotten by the next. */
static void remember(struct cn_break_run *run, enum cn_lock_state *worst)
{
	for (size_t i = 0; i < run->n_targets; i++) {
		struct cn_lock *l = run->targets[i].lock;

		if (l->state == CN_LOCK_UNKNOWN || worst[i] == CN_LOCK_UNKNOWN)
			worst[i] = CN_LOCK_UNKNOWN;
		else
			worst[i] = MIN(worst[i], l->state); /* alive, in-use, ... stand in this order */
		l->state = worst[i];
	}
}

int cn_break_classify(struct cn_break_run *run, struct cn_error *err)
{
	_cleanup_free_ enum cn_lock_state *worst = cn_calloc(run->n_targets, sizeof(*worst));
	struct cn_clock *clock = run->b->clock;
	int64_t began = cn_clock_boot_ms(clock), long_s;

	run->watch_timeout_s = watch_timeout(run->b->cluster);
	long_s = MAX(LOOK_LEAST_S, run->watch_timeout_s + LOOK_MORE_S);
	look(run);
	for (size_t i = 0; i < run->n_targets; i++)
		worst[i] = run->targets[i].lock->state;
	while (must_look_on(run) && cn_clock_boot_ms(clock) - began < long_s * 1000) {
		if (cn_clock_wait_ms(clock, LOOK_EVERY_MS) < 0)
			return cn_error_interrupted(err);
		look(run);
		remember(run, worst);
	}
	return 0;
}
