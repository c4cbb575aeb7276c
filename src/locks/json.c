/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "cephnode/base/text.h"
#include "locks/internal.h"

#define KERNEL_COOKIES 0xffff000000000000u /* the kernel counts its watches from here on */

const char *cn_lock_kind_name(enum cn_lock_kind kind)
{
	static const char *const names[] = {"auto", "advisory", "conflict"};

	return names[kind];
}

const char *cn_lock_state_name(enum cn_lock_state state)
{
	static const char *const names[] = {"alive", "in-use", "fenced", "unwatched", "unknown"};

	return names[state];
}

const char *cn_lock_image_name(const struct cn_lock_image *i)
{
	return i->name && !i->in_trash ? i->name : i->id;
}

char *cn_lock_spec(const struct cn_lock_image *i)
{
	return cn_asprintf("%s/%s%s%s", i->pool, i->ns, *i->ns ? "/" : "", cn_lock_image_name(i));
}

static json_t *watchers_json(const struct cn_watchers *w)
{
	json_t *a = json_array();

	for (size_t i = 0; i < w->n; i++)
		json_array_append_new(a, json_pack("{so,so,so,sb}", "address", cn_json_string(w->v[i].address), "client",
						   json_sprintf("client.%" PRIu64, w->v[i].client), "cookie",
						   json_sprintf("%" PRIu64, w->v[i].cookie), "kernel",
						   w->v[i].cookie >= KERNEL_COOKIES));
	return a;
}

json_t *cn_lock_json(const struct cn_lock *l)
{
	const struct cn_lock_image *i = l->image;
	const char *cookie = l->locker->cookie;
	_cleanup_free_ char *base64 = cn_utf8_valid(cookie, strlen(cookie)) ? NULL : cn_base64(cookie);
	_cleanup_free_ char *until = l->fenced_until_ms ? cn_time_format(l->fenced_until_ms) : NULL;
	_cleanup_free_ char *address = l->addressed ? cn_client_addr_text(&l->addr) : cn_strdup(l->locker->address);
	json_t *j = json_object();

	json_object_set_new(j, "pool", cn_json_string(i->pool));
	json_object_set_new(j, "pool_id", json_integer(i->pool_id));
	json_object_set_new(j, "namespace", cn_json_string(i->ns));
	json_object_set_new(j, "image", cn_json_string(i->name));
	json_object_set_new(j, "image_id", cn_json_string(i->id));
	json_object_set_new(j, "in_trash", json_boolean(i->in_trash));
	json_object_set_new(j, "exclusive", json_boolean(i->lockers.exclusive));
	json_object_set_new(j, "tag", cn_json_string(i->lockers.tag ? i->lockers.tag : ""));
	json_object_set_new(j, "locker", cn_json_string(l->locker->client));
	json_object_set_new(j, "lock_id", cn_json_string(cookie));
	json_object_set_new(j, "lock_id_base64", cn_json_string(base64));
	json_object_set_new(j, "address", cn_json_string(address));
	json_object_set_new(j, "node", cn_json_string(l->node));
	json_object_set_new(j, "same_address_locks", json_integer((json_int_t)l->same_address));
	if (!i->looked)
		return j; /* the rest is not known yet: "unknown" would be a finding */
	json_object_set_new(j, "kind", json_string(cn_lock_kind_name(l->kind)));
	json_object_set_new(j, "state", json_string(cn_lock_state_name(l->state)));
	json_object_set_new(j, "fenced_until", cn_json_string(until));
	json_object_set_new(j, "watchers", watchers_json(&i->watchers));
	json_object_set_new(j, "journaling", json_boolean(i->features & CN_RBD_JOURNALING));
	json_object_set_new(j, "mirrored", json_boolean(i->mirrored));
	return j;
}

static json_t *errors_json(const struct cn_lock_list *list)
{
	json_t *a = json_array();

	for (size_t i = 0; i < list->n_errors; i++) {
		const struct cn_lock_error *e = &list->errors[i];

		json_array_append_new(a, json_pack("{so,so,so,si,ss}", "pool", cn_json_string(e->pool), "namespace",
						   cn_json_string(e->ns), "image", cn_json_string(e->image), "errno", e->errnum,
						   "op", e->op));
	}
	return a;
}

json_t *cn_locks_json(const struct cn_lock_list *list, int kind, int state)
{
	json_t *locks = json_array();

	for (size_t i = 0; i < list->n_locks; i++) {
		const struct cn_lock *l = &list->locks[i];

		if (l->chosen && (kind < 0 || l->kind == (enum cn_lock_kind)kind) &&
		    (state < 0 || l->state == (enum cn_lock_state)state))
			json_array_append_new(locks, cn_lock_json(l));
	}
	return json_pack("{si,sb,so,so}", "schema", 1, "complete", list->n_errors == 0, "errors", errors_json(list), "locks",
			 locks);
}
