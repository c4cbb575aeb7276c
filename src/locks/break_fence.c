/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fence, read back, and wait until every OSD that could take a write of the fenced knows it. */
#include <errno.h>
#include <string.h>

#include "cephnode/base/log.h"
#include "cephnode/base/parallel.h"
#include "locks/break.h"

#define FENCE_THREADS 16     /* one add takes up to a second */
#define SHORT_WAIT_MS 120000 /* a fence that ends sooner is waited for, and put anew */
#define TRIES 4
#define POLL_MS 500
#define BARRIER_LEAST_S 60

void cn_break_caps_hint(const struct cn_break_run *run, struct cn_error *err)
{
	cn_error_hint(
		err,
		"ceph auth caps %s mon 'profile rbd-read-only' osd 'profile rbd-read-only, allow rwx object_prefix rbd_header.' "
		"(it replaces the caps that the key has)",
		run->b->cluster->entity);
}

/* --- how long --- */

static int64_t left_ms(const struct cn_break_run *run, int64_t until_ms)
{
	return until_ms - cn_clock_real_ms(run->b->clock);
}

bool cn_break_long_enough(const struct cn_break_run *run, int64_t until_ms)
{
	return left_ms(run, until_ms) >= run->b->options->fence_for_s * 1000 / 2;
}

bool cn_break_short_wait(const struct cn_break_run *run, int64_t until_ms)
{
	return left_ms(run, until_ms) <= SHORT_WAIT_MS;
}

/* Fills in what the map of this moment says of each. */
static int read_back(struct cn_break_run *run, struct cn_error *err)
{
	_cleanup_(cn_fence_map_release) struct cn_fence_map map = {0};
	int r = cn_fence_map_get(run->b->cluster, &map, err);

	if (r < 0)
		return cn_error_wrap(err, "cannot read the fences");
	if (!map.known)
		return cn_error_set(err, CN_FAILED, EBADMSG, "cannot read the fences: the OSD map does not show them");
	for (size_t i = 0; i < run->n_fences; i++)
		run->fences[i].until_ms =
			cn_fence_until(&map, &run->fences[i].addr, cn_client_addr_is_host(&run->fences[i].addr));
	return 0;
}

/* --- fence --- */

struct adding {
	struct cn_break_run *run;
	struct cn_error *errors; /* one for each fence */
	int *r;
};

static void add(void *arg, size_t i)
{
	struct adding *a = arg;
	struct cn_fencing *f = &a->run->fences[i];

	if (cn_break_long_enough(a->run, f->until_ms))
		return;
	a->r[i] = cn_fence_add(a->run->b->cluster, &f->addr, a->run->b->options->fence_for_s, &a->errors[i]);
	if (a->r[i] == 0 || a->r[i] == -ETIMEDOUT)
		f->added = true;
}

/* An entry keeps its end when it is added again: one that ends soon must be gone first. Taking it away is no way, for the client
 * may have lost other images under it. */
static int outwait_short(struct cn_break_run *run, struct cn_error *err)
{
	for (;;) {
		bool any = false;
		int r = read_back(run, err);

		if (r < 0)
			return r;
		for (size_t i = 0; i < run->n_fences; i++) {
			const struct cn_fencing *f = &run->fences[i];

			if (!f->until_ms || cn_break_long_enough(run, f->until_ms))
				continue;
			if (!cn_break_short_wait(run, f->until_ms)) {
				_cleanup_free_ char *text = cn_client_addr_text(&f->addr);

				return cn_error_set(err, CN_FAILED, EBUSY,
						    "the fence of %s ends too soon (%lld s), and Ceph does not prolong it", text,
						    (long long)left_ms(run, f->until_ms) / 1000);
			}
			any = true;
		}
		if (!any)
			return 0;
		if (cn_clock_wait_ms(run->b->clock, POLL_MS) < 0)
			return cn_error_interrupted(err);
	}
}

static int add_all(struct cn_break_run *run, struct cn_error *err)
{
	_cleanup_free_ struct cn_error *errors = cn_calloc(run->n_fences, sizeof(*errors));
	_cleanup_free_ int *results = cn_calloc(run->n_fences, sizeof(int));
	struct adding a = {run, errors, results};
	int r = 0;

	cn_parallel(run->n_fences, FENCE_THREADS, add, &a);
	for (size_t i = 0; i < run->n_fences; i++) {
		if (results[i] < 0 && r == 0) {
			_cleanup_free_ char *text = cn_client_addr_text(&run->fences[i].addr);

			r = results[i];
			cn_error_move(err, &errors[i]);
			if (r == -EACCES || r == -EPERM) {
				free(err->hint);
				err->hint = NULL;
				cn_break_caps_hint(run, err);
			}
			cn_error_wrap(err, "cannot fence %s, nothing was broken", text);
		}
		cn_error_release(&errors[i]);
	}
	return r;
}

int cn_break_fence(struct cn_break_run *run, struct cn_error *err)
{
	int r = outwait_short(run, err);

	return r < 0 ? r : add_all(run, err);
}

int cn_break_verify_fence(struct cn_break_run *run, struct cn_error *err)
{
	for (int i = 0; i < TRIES; i++) { /* somebody else may have put a short one in between */
		bool ok = true;
		int r = read_back(run, err);

		for (size_t k = 0; k < run->n_fences; k++)
			ok = ok && cn_break_long_enough(run, run->fences[k].until_ms);
		if (r < 0 || ok)
			return r;
		r = cn_break_fence(run, err);
		if (r < 0)
			return r;
	}
	return cn_error_set(err, CN_FAILED, EIO, "the fence was put, but the OSD map does not show it for as long as it should");
}

/* --- barrier --- */

static bool is_fenced(const struct cn_break_run *run, const struct cn_client_addr *a)
{
	for (size_t i = 0; i < run->n_fences; i++) {
		const struct cn_client_addr *f = &run->fences[i].addr;

		if (cn_client_addr_equal(f, a) || (cn_client_addr_is_host(f) && cn_ip_equal(&f->ip, &a->ip)))
			return true;
	}
	return false;
}

/* 1: a fenced client still watches, or nobody could tell. */
static int check_watchers(struct cn_break_run *run, struct cn_lock *l, struct cn_error *err)
{
	const struct cn_watchers *w = &l->image->watchers;
	bool others = false, fenced = false;

	cn_lock_look_at(run->b->cluster, l->image);
	if (l->image->watch_error < 0)
		return 1;
	for (size_t i = 0; i < w->n; i++) {
		struct cn_client_addr a;

		if (cn_client_addr_parse(w->v[i].address, &a) && is_fenced(run, &a))
			fenced = true;
		else
			others = true;
	}
	/* whoever comes now to an image with librbd's lock waits for it; beside an advisory one it writes */
	if (others && l->kind != CN_LOCK_AUTO) {
		_cleanup_free_ char *text = cn_target_text(l);

		return cn_error_set(err, CN_PARTIAL, EBUSY, "%s: somebody has opened the image meanwhile, nothing was broken",
				    text);
	}
	return fenced;
}

static int wait_watches_gone(struct cn_break_run *run, struct cn_error *err)
{
	int64_t limit_s = MAX(BARRIER_LEAST_S, 2 * run->watch_timeout_s);
	int64_t end = cn_clock_boot_ms(run->b->clock) + limit_s * 1000;

	for (size_t i = 0; i < run->n_targets;) {
		struct cn_lock *l = run->targets[i].lock;
		int r = check_watchers(run, l, err);

		if (r < 0)
			return r;
		if (r == 0) {
			i++;
			continue;
		}
		if (cn_clock_boot_ms(run->b->clock) >= end) {
			_cleanup_free_ char *text = cn_target_text(l);

			return cn_error_set(err, CN_TIMEOUT, ETIMEDOUT,
					    "%s: it is fenced, but its watch is not gone after %lld s; nothing was broken", text,
					    (long long)limit_s);
		}
		if (cn_clock_wait_ms(run->b->clock, POLL_MS) < 0)
			return cn_error_interrupted(err);
	}
	return 0;
}

/* One read to every placement group: it carries our epoch, and each waits for that map before it answers, or takes another write.
 */
static int read_every_pg(struct cn_break_run *run, int64_t pool_id, const char *ns, struct cn_error *err)
{
	const struct cn_rbd_pool *pool = cn_fence_map_pool(&run->list.map, pool_id);
	struct cn_object o = {.ns = ns, .pool_id = pool_id};
	_cleanup_(cn_strv_release) struct cn_strv names = {0};
	struct cn_class_method stat = {0};
	_cleanup_free_ struct cn_read *reads = NULL;
	int r;

	if (!pool || !pool->rjenkins || pool->pg_num == 0)
		return cn_error_set(err, CN_FAILED, ENOTSUP, "cannot tell the placement groups of pool %lld; nothing was broken",
				    (long long)pool_id);
	cn_object_of_each_pg(pool->pg_num, ns, &names);
	reads = cn_calloc(names.n, sizeof(*reads));
	for (size_t i = 0; i < names.n; i++)
		reads[i].oid = names.v[i];
	r = run->b->cluster->ops->read_many(run->b->cluster, &o, &stat, reads, names.n);
	for (size_t i = 0; i < names.n; i++) {
		free(reads[i].out);
		if (r == 0 && reads[i].r < 0 && reads[i].r != -ENOENT)
			r = reads[i].r;
	}
	if (r == 0)
		return 0;
	cn_error_set(err, r == -ETIMEDOUT ? CN_TIMEOUT : CN_FAILED, r,
		     "cannot make sure that every OSD of pool %s knows the fence: %s; nothing was broken", pool->name,
		     strerror(-r));
	if (r == -EPERM || r == -EACCES)
		cn_break_caps_hint(run, err);
	return r;
}

struct place {
	int64_t pool;
	const char *ns;
};

static void add_place(struct place *v, size_t *n, int64_t pool, const char *ns)
{
	for (size_t i = 0; i < *n; i++)
		if (v[i].pool == pool && strcmp(v[i].ns, ns) == 0)
			return;
	if (pool >= 0)
		v[(*n)++] = (struct place){pool, ns};
}

/* Pools may have been split since the list was made: the objects are chosen by the map of now. */
static int refresh_pools(struct cn_break_run *run, struct cn_error *err)
{
	struct cn_fence_map map = {0};
	int r = cn_fence_map_get(run->b->cluster, &map, err);

	if (r < 0)
		return r;
	cn_fence_map_release(&run->list.map);
	run->list.map = map;
	return 0;
}

int cn_break_barrier(struct cn_break_run *run, struct cn_error *err)
{
	_cleanup_free_ struct place *places = cn_calloc(run->n_targets * 3, sizeof(*places));
	size_t n = 0;
	int r = wait_watches_gone(run, err);

	if (r == 0)
		r = refresh_pools(run, err);
	if (r < 0)
		return r;
	r = run->b->cluster->ops->latest_map(run->b->cluster);
	if (r < 0)
		return cn_error_set(err, r == -ETIMEDOUT ? CN_TIMEOUT : CN_FAILED, r,
				    "cannot get the newest OSD map: %s; nothing was broken", strerror(-r));
	for (size_t i = 0; i < run->n_targets; i++) {
		const struct cn_lock_image *image = run->targets[i].lock->image;

		add_place(places, &n, image->pool_id, image->ns);
		add_place(places, &n, image->data_pool, image->ns);
		add_place(places, &n, image->journal_pool, image->ns);
	}
	for (size_t i = 0; r == 0 && i < n; i++)
		r = read_every_pg(run, places[i].pool, places[i].ns, err);
	return r;
}
