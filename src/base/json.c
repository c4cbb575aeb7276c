/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/base/json.h"

#include <errno.h>
#include <string.h>

#include "cephnode/base/text.h"

/* Writes null over bare nan and inf, as the mgr prints for ratios of nothing ("var": -nan). Only outside strings. */
static void blank_nan(char *s)
{
	bool quoted = false;

	for (; *s; s++) {
		if (quoted && *s == '\\' && s[1]) {
			s++;
		} else if (*s == '"') {
			quoted = !quoted;
		} else if (!quoted && (strncmp(s, "nan", 3) == 0 || strncmp(s, "inf", 3) == 0)) {
			if (s[-1] == '-' || s[-1] == '+')
				s[-1] = ' ';
			memcpy(s, "0  ", 3); /* same length; a number where a number was meant */
			s += 2;
		}
	}
}

json_t *cn_json_parse(const char *text, size_t len, struct cn_error *err)
{
	_cleanup_free_ char *copy = NULL;
	json_error_t e;
	json_t *j;

	j = json_loadb(text, len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &e);
	if (j)
		return j;
	copy = cn_utf8_repair(text, len, &len);
	blank_nan(copy + (len > 0));
	j = json_loadb(copy, len, JSON_ALLOW_NUL | JSON_DECODE_ANY, &e);
	if (j)
		return j;
	if (len == 0)
		cn_error_set(err, CN_FAILED, EBADMSG, "empty reply");
	else
		cn_error_set(err, CN_FAILED, EBADMSG, "reply is not JSON: %s at byte %d", e.text, e.position);
	return NULL;
}

struct walk {
	const char *text;
	size_t len, at;
	char *repaired; /* the text from where it could not be read, or NULL */
};

static bool next_is(struct walk *w, char c)
{
	while (w->at < w->len && strchr(" \t\r\n", w->text[w->at]))
		w->at++;
	if (w->at == w->len || w->text[w->at] != c)
		return false;
	w->at++;
	return true;
}

static json_t *next_value(struct walk *w, struct cn_error *err)
{
	const size_t flags = JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK;
	json_error_t e;
	json_t *j = json_loadb(w->text + w->at, w->len - w->at, flags, &e);

	if (!j && !w->repaired) {
		w->text = w->repaired = cn_utf8_repair(w->text + w->at, w->len - w->at, &w->len);
		w->at = 0;
		blank_nan(w->repaired + (w->len > 0));
		j = json_loadb(w->text, w->len, flags, &e);
	}
	if (!j)
		cn_error_set(err, CN_FAILED, EBADMSG, "reply is not JSON: %s", e.text);
	else
		w->at += (size_t)e.position;
	return j;
}

typedef int (*element_fn)(void *arg, const json_t *element, struct cn_error *err);

static int cut_short(struct cn_error *err)
{
	return cn_error_set(err, CN_FAILED, EBADMSG, "reply is not JSON: it ends early, or a comma is missing");
}

static int walk_elements(struct walk *w, element_fn fn, void *arg, struct cn_error *err)
{
	if (next_is(w, ']'))
		return 0;
	do {
		_cleanup_json_ json_t *j = next_value(w, err);
		int r = j ? fn(arg, j, err) : -EBADMSG;

		if (r < 0)
			return r;
	} while (next_is(w, ','));
	return next_is(w, ']') ? 0 : cut_short(err);
}

static int walk_members(struct walk *w, const char *key, element_fn fn, void *arg, json_t *rest, struct cn_error *err)
{
	if (next_is(w, '}'))
		return 0;
	do {
		_cleanup_json_ json_t *name = next_value(w, err);
		json_t *value;
		int r = 0;

		if (!name)
			return -EBADMSG;
		if (!json_is_string(name) || !next_is(w, ':'))
			return cut_short(err);
		if (strcmp(json_string_value(name), key) == 0 && next_is(w, '[')) {
			r = walk_elements(w, fn, arg, err);
			json_object_set_new(rest, key, json_array());
		} else {
			value = next_value(w, err);
			r = value ? json_object_set_new(rest, json_string_value(name), value) : -EBADMSG;
		}
		if (r < 0)
			return r;
	} while (next_is(w, ','));
	return next_is(w, '}') ? 0 : cut_short(err);
}

int cn_json_each(const char *text, size_t len, const char *key, element_fn fn, void *arg, json_t **ret_rest, struct cn_error *err)
{
	_cleanup_json_ json_t *rest = json_object();
	struct walk w = {.text = text, .len = len};
	int r;

	if (next_is(&w, '[')) {
		r = walk_elements(&w, fn, arg, err);
		json_object_set_new(rest, key, json_array());
	} else if (next_is(&w, '{')) {
		r = walk_members(&w, key, fn, arg, rest, err);
	} else {
		r = cn_error_set(err, CN_FAILED, EBADMSG, len ? "reply is neither an array nor an object" : "empty reply");
	}
	free(w.repaired);
	if (r == 0)
		*ret_rest = TAKE_PTR(rest);
	return r;
}

json_t *cn_json_string(const char *s)
{
	_cleanup_free_ char *copy = NULL;
	size_t len;

	if (!s)
		return json_null();
	len = strlen(s);
	if (cn_utf8_valid(s, len))
		return json_stringn_nocheck(s, len);
	copy = cn_utf8_repair(s, len, &len);
	return json_stringn_nocheck(copy, len);
}

int64_t cn_json_int(const json_t *o, const char *key, int64_t def)
{
	const json_t *v = json_object_get(o, key);

	if (json_is_integer(v))
		return json_integer_value(v);
	if (json_is_real(v) && json_real_value(v) > -9.2e18 && json_real_value(v) < 9.2e18)
		return (int64_t)json_real_value(v);
	return def;
}

double cn_json_real(const json_t *o, const char *key, double def)
{
	const json_t *v = json_object_get(o, key);

	return json_is_number(v) ? json_number_value(v) : def;
}

bool cn_json_bool(const json_t *o, const char *key, bool def)
{
	const json_t *v = json_object_get(o, key);

	if (json_is_boolean(v))
		return json_is_true(v);
	if (json_is_integer(v))
		return json_integer_value(v) != 0;
	return def;
}

const char *cn_json_str(const json_t *o, const char *key, const char *def)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s ? s : def;
}

static json_t *empty_array; /* one for the life of the process; made before any thread exists */

__attribute__((constructor)) static void make_empty_array(void)
{
	empty_array = json_array();
}

json_t *cn_json_arr(const json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return json_is_array(v) ? v : empty_array;
}

json_t *cn_json_obj(const json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return json_is_object(v) ? v : NULL;
}

char *cn_json_dump(const json_t *j)
{
	char *s = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);

	if (!s)
		abort();
	return s;
}

json_t *cn_json_ids(const struct cn_ids *l)
{
	json_t *a = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(a, json_integer(l->v[i]));
	return a;
}

json_t *cn_json_strv(const struct cn_strv *l)
{
	json_t *a = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(a, cn_json_string(l->v[i]));
	return a;
}
