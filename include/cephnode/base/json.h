/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What jansson does not have: foreign bytes in, getters with defaults, exact weights. */
#include <jansson.h>

#include "cephnode/base/error.h"

static inline void cn_json_decrefp(json_t **j)
{
	json_decref(*j);
}
#define _cleanup_json_ _cleanup_(cn_json_decrefp)

/* Parses a reply of a Ceph daemon. Bytes that are not UTF-8 (a pool's name may hold any) become U+FFFD, bare nan and inf
 * (Ceph prints them in statistics) become 0. An empty reply is an error. Returns a new reference, or NULL with err set. */
json_t *cn_json_parse(const char *text, size_t len, struct cn_error *err);

/* Calls fn for each element of an array and holds one of them at a time: a reply on 300,000 PGs as one tree takes a gigabyte. The
 * array is the whole text or the member `key` of an object; what else the object has is put into *ret_rest (new reference), and
 * an empty array in the place of the one that was walked. The first error of fn (< 0, with err set) ends it and is returned;
 * -EBADMSG when the text is no such JSON. Bytes are forgiven as cn_json_parse() does. On an error *ret_rest is untouched, and fn
 * may have been called. */
int cn_json_each(const char *text, size_t len, const char *key, int (*fn)(void *arg, const json_t *element, struct cn_error *err),
		 void *arg, json_t **ret_rest, struct cn_error *err);

/* A JSON string of foreign text: what is not UTF-8 becomes U+FFFD. New reference, never NULL. NULL in gives null. */
json_t *cn_json_string(const char *s);

/* Getters: `def` (or NULL, or an empty array) when the key is absent or of another type. Borrowed references. */
int64_t cn_json_int(const json_t *o, const char *key, int64_t def); /* accepts reals, truncated */
double cn_json_real(const json_t *o, const char *key, double def);  /* accepts integers */
bool cn_json_bool(const json_t *o, const char *key, bool def);      /* accepts 0 and 1 */
const char *cn_json_str(const json_t *o, const char *key, const char *def);
json_t *cn_json_arr(const json_t *o, const char *key); /* never NULL: an empty array when absent */
json_t *cn_json_obj(const json_t *o, const char *key); /* NULL when absent */

/* Compact text of a value on one line, to be freed. */
char *cn_json_dump(const json_t *j);

/* Lists as JSON arrays: new references. */
json_t *cn_json_ids(const struct cn_ids *l);
json_t *cn_json_strv(const struct cn_strv *l);
