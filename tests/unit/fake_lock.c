/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Locks as the object class "lock" keeps them (codes read off a real cluster), and the text of objects. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fake_internal.h"

static char *object_key(const struct cn_object *o)
{
	return cn_asprintf("%s/%s/%s", o->pool, o->ns ? o->ns : "", o->oid);
}

static char *lock_key(const struct cn_object *o, const char *name)
{
	return cn_asprintf("%s/%s/%s#%s", o->pool, o->ns ? o->ns : "", o->oid, name);
}

static void free_lock(struct fake_lock *l)
{
	free(l->id);
	free(l->client);
	free(l->cookie);
	free(l->description);
	free(l);
}

void fake_free_locks(struct fake *f)
{
	while (f->locks) {
		struct fake_lock *l = f->locks;

		f->locks = l->next;
		free_lock(l);
	}
}

/* The holder (exclusive locks: at most one), expired ones dropped as the OSD drops them at the next look. */
static struct fake_lock **find(struct fake *f, const char *id)
{
	struct fake_lock **at = &f->locks;

	while (*at) {
		struct fake_lock *l = *at;

		if (l->expires_ms && f->clock && l->expires_ms <= f->clock->boot_ms) {
			*at = l->next;
			free_lock(l);
		} else if (strcmp(l->id, id) == 0) {
			return at;
		} else {
			at = &l->next;
		}
	}
	return at;
}

static void remove_lock(struct fake_lock **at)
{
	struct fake_lock *l = *at;

	*at = l->next;
	free_lock(l);
}

static bool is_holder(const struct fake_lock *l, const char *client, const char *cookie)
{
	return l && strcmp(l->client, client) == 0 && strcmp(l->cookie, cookie) == 0;
}

static int take(struct fake *f, const char *id, const char *client, const char *cookie, const char *description, unsigned seconds,
		bool renew)
{
	struct fake_lock **at = find(f, id), *l;

	if (is_holder(*at, client, cookie)) {
		if (!renew)
			return -EEXIST;
		remove_lock(at);
	} else if (renew) {
		return -ENOENT;
	}
	if (*find(f, id))
		return -EBUSY;
	l = cn_calloc(1, sizeof(*l));
	*l = (struct fake_lock){f->locks, cn_strdup(id), cn_strdup(client), cn_strdup(cookie), cn_strdup(description), 0};
	if (seconds && f->clock)
		l->expires_ms = f->clock->boot_ms + (int64_t)seconds * 1000;
	f->locks = l;
	return 0;
}

static int drop(struct fake *f, const char *id, const char *client, const char *cookie)
{
	struct fake_lock **at = find(f, id);

	if (!is_holder(*at, client, cookie))
		return -ENOENT;
	remove_lock(at);
	return 0;
}

static void client_name(struct cn_cluster *c, char buf[32])
{
	snprintf(buf, 32, "client.%" PRIu64, ((struct client *)c)->instance);
}

int fake_op_lock(struct cn_cluster *c, const struct cn_object *o, const char *name, const char *cookie, const char *description,
		 unsigned seconds, bool renew)
{
	struct fake *f = ((struct client *)c)->fake;
	_cleanup_free_ char *id = lock_key(o, name), *key = object_key(o);
	struct fault fault;
	char client[32];
	bool faulty;
	int r = 0;

	client_name(c, client);
	pthread_mutex_lock(&f->lock);
	faulty = fake_fault_now(f, renew ? "renew" : "lock", &fault);
	if (!faulty || fault.done)
		r = take(f, id, client, cookie, description ? description : "", seconds, renew);
	if (r == 0 && !json_object_get(f->objects, key)) /* a lock makes the object */
		json_object_set_new(f->objects, key, json_string(""));
	pthread_mutex_unlock(&f->lock);
	return faulty ? fault.code : r;
}

static int drop_op(struct fake *f, const char *kind, const struct cn_object *o, const char *name, const char *client,
		   const char *cookie)
{
	_cleanup_free_ char *id = lock_key(o, name);
	struct fault fault;
	bool faulty;
	int r = 0;

	pthread_mutex_lock(&f->lock);
	faulty = fake_fault_now(f, kind, &fault);
	if (!faulty || fault.done)
		r = drop(f, id, client, cookie);
	pthread_mutex_unlock(&f->lock);
	return faulty ? fault.code : r;
}

int fake_op_unlock(struct cn_cluster *c, const struct cn_object *o, const char *name, const char *cookie)
{
	char client[32];

	client_name(c, client);
	return drop_op(((struct client *)c)->fake, "unlock", o, name, client, cookie);
}

int fake_op_break(struct cn_cluster *c, const struct cn_object *o, const char *name, const char *client, const char *cookie)
{
	return drop_op(((struct client *)c)->fake, "break_lock", o, name, client, cookie);
}

int fake_op_lockers(struct cn_cluster *c, const struct cn_object *o, const char *name, struct cn_lockers *ret)
{
	struct fake *f = ((struct client *)c)->fake;
	_cleanup_free_ char *id = lock_key(o, name), *key = object_key(o);
	struct fault fault;
	int r = 0;

	pthread_mutex_lock(&f->lock);
	if (fake_fault_now(f, "lockers", &fault)) {
		r = fault.code;
	} else if (!json_object_get(f->objects, key)) {
		r = -ENOENT;
	} else {
		const struct fake_lock *l = *find(f, id);

		*ret = (struct cn_lockers){.v = cn_calloc(1, sizeof(*ret->v)), .n = l ? 1 : 0};
		if (l)
			ret->v[0] = (struct cn_locker){cn_strdup(l->client), cn_strdup(l->cookie), cn_strdup("10.0.0.9:0/77")};
	}
	pthread_mutex_unlock(&f->lock);
	return r;
}

int fake_op_write(struct cn_cluster *c, const struct cn_object *o, const char *text)
{
	struct fake *f = ((struct client *)c)->fake;
	_cleanup_free_ char *key = object_key(o);
	struct fault fault;
	bool faulty;

	pthread_mutex_lock(&f->lock);
	faulty = fake_fault_now(f, "write", &fault);
	if (!faulty || fault.done)
		json_object_set_new(f->objects, key, json_string(text));
	pthread_mutex_unlock(&f->lock);
	return faulty ? fault.code : 0;
}

int fake_op_read(struct cn_cluster *c, const struct cn_object *o, char *buf, size_t size)
{
	struct fake *f = ((struct client *)c)->fake;
	_cleanup_free_ char *key = object_key(o);
	struct fault fault;
	const char *text;
	int r = 0;

	pthread_mutex_lock(&f->lock);
	text = cn_json_str(f->objects, key, NULL);
	if (fake_fault_now(f, "read", &fault))
		r = fault.code;
	else if (!text)
		r = -ENOENT;
	else
		snprintf(buf, size, "%s", text);
	pthread_mutex_unlock(&f->lock);
	return r;
}

void fake_lock_by(struct fake *f, const struct cn_object *o, const char *name, const char *client, const char *cookie,
		  unsigned seconds)
{
	_cleanup_free_ char *id = lock_key(o, name), *key = object_key(o);

	pthread_mutex_lock(&f->lock);
	json_object_set_new(f->objects, key, json_string(""));
	take(f, id, client, cookie, "", seconds, false);
	pthread_mutex_unlock(&f->lock);
}

const char *fake_lock_holder(struct fake *f, const struct cn_object *o, const char *name)
{
	_cleanup_free_ char *id = lock_key(o, name);
	const struct fake_lock *l;

	pthread_mutex_lock(&f->lock);
	l = *find(f, id);
	pthread_mutex_unlock(&f->lock);
	return l ? l->client : NULL;
}
