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
