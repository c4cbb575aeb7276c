/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A close look at the images of chosen locks, and what it says about each locker. */
#include <errno.h>
#include <string.h>

#include "cephnode/base/parallel.h"
#include "locks/internal.h"

#define LOOK_THREADS 16

/* --- one image --- */

static int64_t read_pool(struct cn_cluster *c, const struct cn_lock_image *i, const char *oid, const char *cls,
			 const char *method, int *ret_r)
{
	struct cn_object o = cn_lock_object(i);
	struct cn_class_method m = {.cls = cls, .name = method};
	_cleanup_free_ char *out = NULL;
	uint64_t pool = UINT64_MAX;
	size_t len = 0;

	*ret_r = cn_lock_read(c, &o, oid, &m, &out, &len);
	if (*ret_r == 0 && !cn_decode_u64(out, len, &pool))
		*ret_r = -EBADMSG;
	return *ret_r == 0 ? (int64_t)pool : -1;
}

/* Features, and where the image's data and its journal lie: a fenced client must be kept from all of these. */
static int read_header(struct cn_cluster *c, struct cn_lock_image *i)
{
	static const char no_snapshot[9] = {'\xfe', '\xff', '\xff', '\xff', '\xff', '\xff', '\xff', '\xff', 1};
	struct cn_object o = cn_lock_object(i);
	_cleanup_free_ char *header = cn_lock_header(i->id), *journal = cn_asprintf("journal.%s", i->id), *out = NULL;
	struct cn_class_method m = {.cls = "rbd", .name = "get_features", .in = no_snapshot, .in_len = sizeof(no_snapshot)};
	size_t len = 0;
	int r = cn_lock_read(c, &o, header, &m, &out, &len);

	if (r == 0 && !cn_decode_u64(out, len, &i->features))
		r = -EBADMSG;
	if (r < 0)
		return r;
	i->data_pool = read_pool(c, i, header, "rbd", "get_data_pool", &r);
	if (r == 0 && (i->features & CN_RBD_JOURNALING))
		i->journal_pool = read_pool(c, i, journal, "journal", "get_pool_id", &r);
	return r;
}

/* 1: it is. */
static int read_mirroring(struct cn_cluster *c, const struct cn_lock_image *i)
{
	struct cn_object o = cn_lock_object(i);
	_cleanup_free_ char *in = NULL, *out = NULL;
	struct cn_class_method m = {.cls = "rbd", .name = "mirror_image_get"};
	size_t len;
	int r;

	in = cn_encode_string(i->id, &m.in_len);
	m.in = in;
	r = cn_lock_read(c, &o, "rbd_mirroring", &m, &out, &len);
	return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

void cn_lock_look_at(struct cn_cluster *c, struct cn_lock_image *i)
{
	struct cn_object o = cn_lock_object(i);

	if (!i->looked || i->header_error < 0 || i->mirror_error < 0) {
		int mirrored = read_mirroring(c, i);

		i->header_error = read_header(c, i);
		i->mirror_error = MIN(mirrored, 0);
		i->mirrored = mirrored == 1;
	}
	o.oid = i->id;
	cn_watchers_release(&i->watchers);
	i->watch_error = c->ops->watchers(c, &o, &i->watchers);
	i->looked = true;
}

/* --- all of them --- */

struct looks {
	struct cn_cluster *c;
	struct cn_lock_image **v;
	size_t n;
};

static void look(void *arg, size_t i)
{
	struct looks *l = arg;

	cn_lock_look_at(l->c, l->v[i]);
}

void cn_locks_look(struct cn_cluster *c, struct cn_lock_list *list, bool again)
{
	_cleanup_free_ struct cn_lock_image **images = cn_calloc(list->n_images, sizeof(*images));
	struct looks l = {.c = c, .v = images};

	for (size_t i = 0; i < list->n_locks; i++) { /* the locks of an image stand together */
		struct cn_lock_image *image = list->locks[i].image;

		if (list->locks[i].chosen && (again || !image->looked) && (l.n == 0 || images[l.n - 1] != image))
			images[l.n++] = image;
	}
	cn_parallel(l.n, LOOK_THREADS, look, &l);
	for (size_t i = 0; i < l.n; i++) {
		const struct cn_lock_image *m = images[i];

		if (m->watch_error < 0)
			cn_lock_error_add(list, m->pool, m->ns, m->name ? m->name : m->id, "watchers", m->watch_error);
		if (m->header_error < 0)
			cn_lock_error_add(list, m->pool, m->ns, m->name ? m->name : m->id, "header", m->header_error);
		if (m->mirror_error < 0)
			cn_lock_error_add(list, m->pool, m->ns, m->name ? m->name : m->id, "mirroring", m->mirror_error);
	}
}

/* --- what it means --- */

static enum cn_lock_kind kind_of(const struct cn_lock *l)
{
	const struct cn_lock_image *i = l->image;

	if (i->lockers.tag && strcmp(i->lockers.tag, "internal") == 0 && strncmp(l->locker->cookie, "auto ", 5) == 0)
		return CN_LOCK_AUTO;
	return i->header_error == 0 && (i->features & CN_RBD_EXCLUSIVE_LOCK) ? CN_LOCK_CONFLICT : CN_LOCK_ADVISORY;
}

static bool watches(const struct cn_lock *l)
{
	const struct cn_watchers *w = &l->image->watchers;

	for (size_t i = 0; i < w->n; i++) {
		_cleanup_free_ char *client = cn_asprintf("client.%llu", (unsigned long long)w->v[i].client);
		struct cn_client_addr a;

		if (strcmp(client, l->locker->client) == 0)
			return true;
		if (cn_client_addr_parse(w->v[i].address, &a) && cn_client_addr_equal(&a, &l->addr))
			return true;
	}
	return false;
}

static enum cn_lock_state state_of(const struct cn_lock_list *list, const struct cn_lock *l)
{
	if (l->image->watch_error < 0 || l->image->header_error < 0 || !l->addressed || !list->map.known)
		return CN_LOCK_UNKNOWN;
	if (watches(l))
		return CN_LOCK_ALIVE;
	if (l->image->watchers.n > 0)
		return CN_LOCK_IN_USE;
	return l->fenced_until_ms ? CN_LOCK_FENCED : CN_LOCK_UNWATCHED;
}

/* One client often serves a whole node: seen on any image that it has locked, it lives. */
static void spread_alive(struct cn_lock_list *list, struct cn_lock *l)
{
	for (size_t i = 0; i < list->n_locks; i++) {
		const struct cn_lock *other = &list->locks[i];

		if (other->image->looked && other->addressed && cn_client_addr_equal(&other->addr, &l->addr) && watches(other)) {
			l->state = CN_LOCK_ALIVE;
			return;
		}
	}
}

void cn_locks_classify(struct cn_lock_list *list)
{
	for (size_t i = 0; i < list->n_locks; i++) {
		struct cn_lock *l = &list->locks[i];

		if (!l->image->looked)
			continue;
		l->kind = kind_of(l);
		/* the address of an advisory lock is not its writer's: only a fence of the whole host may cover that */
		l->fenced_until_ms = l->addressed ? cn_fence_until(&list->map, &l->addr, l->kind != CN_LOCK_AUTO) : 0;
		l->state = state_of(list, l);
	}
	for (size_t i = 0; i < list->n_locks; i++) {
		struct cn_lock *l = &list->locks[i];

		if (l->chosen && l->same_address > 0 && (l->state == CN_LOCK_UNWATCHED || l->state == CN_LOCK_FENCED))
			spread_alive(list, l);
	}
}
