/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is locked, and by whom: directories, then one get_info for each header, then the lockers of the few that have some. */
#include <errno.h>
#include <string.h>

#include "cephnode/base/parallel.h"
#include "cephnode/base/text.h"
#include "locks/internal.h"

#define DIRECTORY "rbd_directory"
#define TRASH "rbd_trash"
#define NAMESPACES "rbd_namespace"
#define LOOKUP_THREADS 16

/* --- lists --- */

static void image_free(struct cn_lock_image *i)
{
	free(i->pool);
	free(i->ns);
	free(i->id);
	free(i->name);
	cn_lockers_release(&i->lockers);
	cn_watchers_release(&i->watchers);
	free(i);
}

void cn_lock_list_release(struct cn_lock_list *l)
{
	for (size_t i = 0; i < l->n_images; i++)
		image_free(l->images[i]);
	for (size_t i = 0; i < l->n_locks; i++)
		free(l->locks[i].node);
	for (size_t i = 0; i < l->n_errors; i++) {
		free(l->errors[i].pool);
		free(l->errors[i].ns);
		free(l->errors[i].image);
	}
	free(l->images);
	free(l->locks);
	free(l->errors);
	cn_fence_map_release(&l->map);
	*l = (struct cn_lock_list){0};
}

void cn_lock_error_add(struct cn_lock_list *l, const char *pool, const char *ns, const char *image, const char *op, int r)
{
	cn_grow(&l->errors, &l->cap_errors, l->n_errors, sizeof(*l->errors));
	l->errors[l->n_errors++] =
		(struct cn_lock_error){cn_strdup(pool), cn_strdup(ns), image ? cn_strdup(image) : NULL, -r, op};
}

void cn_lock_errors_swap(struct cn_lock_list *a, struct cn_lock_list *b)
{
	struct cn_lock_list was = *a;

	a->errors = b->errors, a->n_errors = b->n_errors, a->cap_errors = b->cap_errors;
	b->errors = was.errors, b->n_errors = was.n_errors, b->cap_errors = was.cap_errors;
}

struct cn_object cn_lock_object(const struct cn_lock_image *i)
{
	return (struct cn_object){.pool = i->pool, .ns = i->ns, .pool_id = i->pool_id};
}

char *cn_lock_header(const char *image_id)
{
	return cn_asprintf("rbd_header.%s", image_id);
}

/* --- one space: a namespace of a pool --- */

struct space {
	struct cn_cluster *c;
	const struct cn_rbd_pool *pool;
	const char *ns;
	struct cn_lock_list *list;
	struct cn_error *err;
};

static struct cn_object object_of(const struct space *s, const char *oid)
{
	return (struct cn_object){.pool = s->pool->name, .ns = s->ns, .oid = oid, .pool_id = s->pool->id};
}

/* Fenced ourselves: nothing that follows would be true. Anything else makes the answer incomplete. */
static int failed(struct space *s, const char *image, const char *op, int r)
{
	_cleanup_free_ char *address = NULL;

	if (r != -ESHUTDOWN) {
		cn_lock_error_add(s->list, s->pool->name, s->ns, image, op, r);
		return 0;
	}
	(void)s->c->ops->address(s->c, &address);
	cn_error_set(s->err, CN_FAILED, r, "this client (%s) is fenced itself: the OSDs refuse it", address ? address : "?");
	cn_error_hint(s->err,
		      "the address is on the blocklist (ceph osd blocklist ls); find out who put it there before you lift it");
	return r;
}

int cn_lock_read(struct cn_cluster *c, const struct cn_object *o, const char *oid, const struct cn_class_method *m,
		 char **ret_out, size_t *ret_len)
{
	struct cn_read read = {.oid = (char *)oid};
	int r = c->ops->read_many(c, o, m, &read, 1);

	if (r == 0)
		r = read.r;
	if (r == 0) {
		*ret_out = read.out;
		*ret_len = read.len;
	} else {
		free(read.out);
	}
	return r;
}

struct candidate {
	char *id, *name; /* owned */
	bool in_trash;
};

struct candidates {
	struct candidate *v;
	size_t n, cap;
};

static void candidates_release(struct candidates *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].id);
		free(l->v[i].name);
	}
	free(l->v);
}

static void add_candidate(struct candidates *l, const char *id, char *name, bool in_trash)
{
	cn_grow(&l->v, &l->cap, l->n, sizeof(*l->v));
	l->v[l->n++] = (struct candidate){cn_strdup(id), name, in_trash};
}

/* All images of a directory object, or all of the trash. */
static int read_directory(struct space *s, bool trash, struct candidates *ret)
{
	struct cn_object o = object_of(s, trash ? TRASH : DIRECTORY);
	_cleanup_(cn_pairs_release) struct cn_pairs pairs = {0};
	int r = s->c->ops->omap(s->c, &o, "id_", &pairs);

	if (r < 0)
		return r == -ENOENT ? 0 : failed(s, NULL, trash ? "trash" : "directory", r);
	for (size_t i = 0; i < pairs.n; i++) {
		const struct cn_pair *p = &pairs.v[i];
		char *name = NULL;

		(void)(trash ? cn_decode_trash_name(p->value, p->value_len, &name)
			     : cn_decode_string(p->value, p->value_len, &name));
		add_candidate(ret, p->key + strlen("id_"), name, trash);
	}
	return 0;
}

static struct cn_lock_image *add_image(struct space *s, struct candidate *from)
{
	struct cn_lock_image *i = cn_calloc(1, sizeof(*i));

	*i = (struct cn_lock_image){.pool_id = s->pool->id,
				    .pool = cn_strdup(s->pool->name),
				    .ns = cn_strdup(s->ns),
				    .id = TAKE_PTR(from->id),
				    .name = TAKE_PTR(from->name),
				    .in_trash = from->in_trash,
				    .data_pool = -1,
				    .journal_pool = -1};
	cn_grow(&s->list->images, &s->list->cap_images, s->list->n_images, sizeof(struct cn_lock_image *));
	s->list->images[s->list->n_images++] = i;
	return i;
}

/* How many lockers each has, many at a time: most have none, and that is all there is to know. */
static int find_locked(struct space *s, struct candidates *all)
{
	struct cn_object o = object_of(s, NULL);
	_cleanup_free_ struct cn_read *reads = cn_calloc(all->n, sizeof(*reads));
	struct cn_class_method get_info = {.cls = "lock", .name = "get_info"};
	_cleanup_free_ char *in = cn_encode_get_info(&get_info.in_len);
	int r;

	get_info.in = in;
	for (size_t i = 0; i < all->n; i++)
		reads[i].oid = cn_lock_header(all->v[i].id);
	r = s->c->ops->read_many(s->c, &o, &get_info, reads, all->n);
	if (r < 0)
		r = failed(s, NULL, "get_info", r);
	for (size_t i = 0; i < all->n; i++) {
		struct cn_read *x = &reads[i];
		uint32_t n = 0;

		if (r == 0 && x->r == 0 && !cn_decode_locker_count(x->out, x->len, &n))
			x->r = -EBADMSG;
		if (r == 0 && x->r < 0 && x->r != -ENOENT) /* an image that is being made or removed has no header */
			r = failed(s, all->v[i].name ? all->v[i].name : all->v[i].id, "get_info", x->r);
		if (r == 0 && n > 0)
			add_image(s, &all->v[i]);
		free(x->oid);
		free(x->out);
	}
	return r;
}

static int scan_space(struct space *s)
{
	_cleanup_(candidates_release) struct candidates all = {0};
	int r = read_directory(s, false, &all);

	if (r == 0)
		r = read_directory(s, true, &all);
	return r < 0 || all.n == 0 ? r : find_locked(s, &all);
}

/* --- one image, by name or id --- */

/* 1: found. What cannot be read makes the answer incomplete. */
static int find_image(struct space *s, const char *name, struct candidates *ret)
{
	struct cn_object o = object_of(s, NULL);
	_cleanup_free_ char *in = NULL, *id = NULL, *out = NULL, *other = NULL;
	struct cn_class_method m = {.cls = "rbd", .name = "dir_get_id"};
	size_t len = 0;
	int r;

	in = cn_encode_string(name, &m.in_len);
	m.in = in;
	r = cn_lock_read(s->c, &o, DIRECTORY, &m, &out, &len);
	if (r == 0 && cn_decode_string(out, len, &id)) {
		add_candidate(ret, id, cn_strdup(name), false);
		return 1;
	}
	if (r < 0 && r != -ENOENT)
		return failed(s, name, "directory", r);
	free(TAKE_PTR(out));
	m.name = "dir_get_name";
	r = cn_lock_read(s->c, &o, DIRECTORY, &m, &out, &len);
	if (r == 0 && cn_decode_string(out, len, &other)) {
		add_candidate(ret, name, TAKE_PTR(other), false);
		return 1;
	}
	free(TAKE_PTR(out));
	m.name = "trash_get";
	r = cn_lock_read(s->c, &o, TRASH, &m, &out, &len);
	if (r == 0) {
		(void)cn_decode_trash_name(out, len, &other);
		add_candidate(ret, name, TAKE_PTR(other), true);
		return 1;
	}
	return r == -ENOENT ? 0 : failed(s, name, "trash", r);
}

static int scan_image(struct space *s, const char *name)
{
	_cleanup_(candidates_release) struct candidates found = {0};
	size_t errors = s->list->n_errors;
	int r = find_image(s, name, &found);

	if (r < 0 || s->list->n_errors > errors)
		return r;
	if (r == 0) {
		cn_error_set(s->err, CN_NOT_FOUND, ENOENT, "no image %s in pool %s%s%s", name, s->pool->name,
			     *s->ns ? ", namespace " : "", s->ns);
		cn_error_hint(s->err, "'rbd ls' lists images by name; one in the trash is named by its id ('rbd trash ls')");
		return -ENOENT;
	}
	return find_locked(s, &found);
}

/* --- pools and namespaces --- */

static int scan_pool(struct space *s)
{
	struct cn_object o = object_of(s, NAMESPACES);
	_cleanup_(cn_pairs_release) struct cn_pairs pairs = {0};
	int r;

	o.ns = "";
	r = s->c->ops->omap(s->c, &o, "name_", &pairs);
	if (r < 0 && r != -ENOENT)
		r = failed(s, NULL, "namespaces", r);
	else
		r = scan_space(s);
	for (size_t i = 0; r == 0 && i < pairs.n; i++) {
		struct space inner = *s;

		inner.ns = pairs.v[i].key + strlen("name_");
		r = scan_space(&inner);
	}
	return r;
}

static int scan(struct space *s, const struct cn_lock_scope *scope)
{
	struct cn_lock_list *list = s->list;
	int r = 0;

	if (scope->pool) {
		s->pool = cn_fence_map_pool_named(&list->map, scope->pool);
		if (!s->pool) {
			cn_error_set(s->err, CN_NOT_FOUND, ENOENT, "there is no pool %s", scope->pool);
			cn_error_hint(s->err, "'ceph osd pool ls' lists the pools");
			return -ENOENT;
		}
		if (scope->image)
			return scan_image(s, scope->image);
		return scope->ns ? scan_space(s) : scan_pool(s);
	}
	for (size_t i = 0; r == 0 && i < list->map.n_pools; i++) {
		s->pool = &list->map.pools[i];
		if (s->pool->rbd && !s->pool->erasure) /* an erasure-coded pool has no omap: it holds data, never headers */
			r = scan_pool(s);
	}
	return r;
}

/* --- lockers --- */

struct lookup {
	struct cn_cluster *c;
	struct cn_lock_image **images;
	int *r;
};

static void list_lockers(void *arg, size_t i)
{
	struct lookup *l = arg;
	struct cn_object o = cn_lock_object(l->images[i]);
	_cleanup_free_ char *header = cn_lock_header(l->images[i]->id);

	o.oid = header;
	l->r[i] = l->c->ops->lockers(l->c, &o, CN_LOCK_NAME, &l->images[i]->lockers);
}

/* As they are shown: by pool, namespace and name. */
static int by_name(const void *a, const void *b)
{
	const struct cn_lock_image *x = *(struct cn_lock_image *const *)a, *y = *(struct cn_lock_image *const *)b;
	int r = strcmp(x->pool, y->pool);

	if (r == 0)
		r = strcmp(x->ns, y->ns);
	if (r == 0)
		r = strcmp(cn_lock_image_name(x), cn_lock_image_name(y));
	return r ? r : strcmp(x->id, y->id);
}

int cn_locks_scan(struct cn_cluster *c, const struct cn_lock_scope *scope, struct cn_lock_list *ret, struct cn_error *err)
{
	struct space s = {.c = c, .ns = scope->ns ? scope->ns : "", .list = ret, .err = err};
	_cleanup_free_ int *results = NULL;
	struct lookup lookup;
	int r;

	r = cn_fence_map_get(c, &ret->map, err);
	if (r == 0)
		r = scan(&s, scope);
	if (r < 0)
		return r;
	if (ret->n_images)
		qsort(ret->images, ret->n_images, sizeof(struct cn_lock_image *), by_name);
	results = cn_calloc(ret->n_images, sizeof(int));
	lookup = (struct lookup){c, ret->images, results};
	cn_parallel(ret->n_images, LOOKUP_THREADS, list_lockers, &lookup);
	for (size_t i = 0; i < ret->n_images; i++) {
		const struct cn_lock_image *image = ret->images[i];

		if (results[i] < 0 && results[i] != -ENOENT)
			cn_lock_error_add(ret, image->pool, image->ns, image->name ? image->name : image->id, "lockers",
					  results[i]);
	}
	return 0;
}
