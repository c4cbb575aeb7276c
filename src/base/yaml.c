/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A tree from libyaml's events. Aliases share what they name, so a "billion laughs" costs nothing but the count that refuses it.
 */
#include "cephnode/base/yaml.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#define MAX_DEPTH 64
#define MAX_BYTES ((size_t)1 << 20)
#define MAX_NODES 100000
#define MAX_ANCHORS 1000

struct anchor {
	char *name;
	json_t *value; /* NULL while it is being read */
	size_t nodes, height;
};

struct reader {
	yaml_parser_t parser;
	struct cn_error *err;
	struct anchor *anchors;
	size_t n_anchors, cap;
	size_t nodes; /* as if every alias were written out */
};

static int refuse(struct reader *y, yaml_mark_t at, const char *why)
{
	return cn_error_set(y->err, CN_USAGE, EINVAL, "line %zu, column %zu: %s", at.line + 1, at.column + 1, why);
}

static int next(struct reader *y, yaml_event_t *e)
{
	const yaml_parser_t *p = &y->parser;

	if (yaml_parser_parse(&y->parser, e))
		return 0;
	return refuse(y, p->error == YAML_READER_ERROR ? p->mark : p->problem_mark, p->problem ? p->problem : "not YAML");
}

/* --- plain scalars --- */

static bool is_one_of(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (strcasecmp(s, *words) == 0)
			return true;
	return false;
}

/* A number only where its text comes out again: an unquoted password 0123 or version 1.10 has to stay what it is. */
static json_t *number(const char *s)
{
	char text[32];
	double real;
	long long whole;

	if (strlen(s) >= sizeof(text) || (!isdigit((unsigned char)s[0]) && (s[0] != '-' || !isdigit((unsigned char)s[1]))))
		return NULL;
	whole = strtoll(s, NULL, 10);
	snprintf(text, sizeof(text), "%lld", whole);
	if (strcmp(text, s) == 0)
		return json_integer(whole);
	real = strtod(s, NULL);
	snprintf(text, sizeof(text), "%.15g", real);
	return strchr(s, '.') && strcmp(text, s) == 0 ? json_real(real) : NULL;
}

static json_t *plain(const char *s, size_t len)
{
	static const char *const yes[] = {"true", "yes", "on", NULL}, *const no[] = {"false", "no", "off", NULL},
				 *const null[] = {"", "~", "null", NULL};
	json_t *j;

	if (is_one_of(s, null))
		return json_null();
	if (is_one_of(s, yes))
		return json_true();
	if (is_one_of(s, no))
		return json_false();
	j = number(s);
	return j ? j : json_stringn(s, len);
}

/* --- nodes --- */

static struct anchor *find_anchor(struct reader *y, const char *name)
{
	for (size_t i = y->n_anchors; i > 0; i--) /* a name may be given anew: the last one counts */
		if (strcmp(y->anchors[i - 1].name, name) == 0)
			return &y->anchors[i - 1];
	return NULL;
}

static int count(struct reader *y, yaml_mark_t at, size_t nodes, size_t depth)
{
	y->nodes += nodes;
	if (y->nodes > MAX_NODES)
		return refuse(y, at, "too many nodes");
	if (depth > MAX_DEPTH)
		return refuse(y, at, "nested too deeply");
	return 0;
}

/* depth: of the node's parent; *ret_height: levels below and with the node. */
static int read_node(struct reader *y, yaml_event_t *e, size_t depth, json_t **ret, size_t *ret_height);

static int read_alias(struct reader *y, const yaml_event_t *e, size_t depth, json_t **ret, size_t *ret_height)
{
	struct anchor *a = find_anchor(y, (const char *)e->data.alias.anchor);
	int r;

	if (!a || !a->value)
		return refuse(y, e->start_mark, a ? "an alias within what it names" : "an alias that names nothing");
	r = count(y, e->start_mark, a->nodes, depth + a->height);
	if (r < 0)
		return r;
	*ret = json_incref(a->value);
	*ret_height = a->height;
	return 0;
}

static int read_scalar(struct reader *y, const yaml_event_t *e, json_t **ret)
{
	const char *s = (const char *)e->data.scalar.value;
	size_t len = e->data.scalar.length;
	bool typed = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && e->data.scalar.plain_implicit;

	if (strlen(s) != len)
		return refuse(y, e->start_mark, "a character that must not be there");
	*ret = typed ? plain(s, len) : json_stringn(s, len);
	return *ret ? 0 : refuse(y, e->start_mark, "not UTF-8");
}

static int read_sequence(struct reader *y, size_t depth, json_t *to, size_t *ret_height)
{
	for (;;) {
		yaml_event_t e;
		json_t *item = NULL;
		size_t height = 0;
		bool end;
		int r = next(y, &e);

		if (r < 0)
			return r;
		end = e.type == YAML_SEQUENCE_END_EVENT;
		if (!end)
			r = read_node(y, &e, depth, &item, &height);
		yaml_event_delete(&e);
		if (r < 0 || end)
			return r;
		json_array_append_new(to, item);
		*ret_height = MAX(*ret_height, height);
	}
}

static int merge(struct reader *y, json_t *to, json_t *from, yaml_mark_t at)
{
	size_t i;
	json_t *one;

	if (json_is_object(from)) {
		json_object_update_missing(to, from);
		return 0;
	}
	if (!json_is_array(from))
		return refuse(y, at, "only a mapping can be merged");
	json_array_foreach (from, i, one) {
		if (!json_is_object(one))
			return refuse(y, at, "only a mapping can be merged");
		json_object_update_missing(to, one);
	}
	return 0;
}

static int read_pair(struct reader *y, yaml_event_t *key, size_t depth, json_t *to, json_t *merged, size_t *ret_height)
{
	const char *name = (const char *)key->data.scalar.value;
	bool is_merge;
	yaml_event_t e;
	_cleanup_json_ json_t *value = NULL;
	size_t height = 0;
	int r;

	if (key->type != YAML_SCALAR_EVENT || strlen(name) != key->data.scalar.length)
		return refuse(y, key->start_mark, "a key that is no text");
	is_merge = key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(name, "<<") == 0;
	if (!is_merge && json_object_get(to, name))
		return refuse(y, key->start_mark, "a key that comes twice");
	r = next(y, &e);
	if (r < 0)
		return r;
	r = read_node(y, &e, depth, &value, &height);
	if (r == 0 && is_merge)
		r = merge(y, merged, value, e.start_mark);
	else if (r == 0 && json_object_set(to, name, value) < 0)
		r = refuse(y, key->start_mark, "a key that is not UTF-8");
	yaml_event_delete(&e);
	*ret_height = MAX(*ret_height, height);
	return r;
}

static int read_mapping(struct reader *y, size_t depth, json_t *to, size_t *ret_height)
{
	_cleanup_json_ json_t *merged = json_object();

	for (;;) {
		yaml_event_t e;
		bool end;
		int r = next(y, &e);

		if (r < 0)
			return r;
		end = e.type == YAML_MAPPING_END_EVENT;
		if (!end)
			r = read_pair(y, &e, depth, to, merged, ret_height);
		yaml_event_delete(&e);
		if (end)
			json_object_update_missing(to, merged); /* keys of its own win */
		if (r < 0 || end)
			return r;
	}
}

static const char *anchor_of(const yaml_event_t *e)
{
	if (e->type == YAML_SCALAR_EVENT)
		return (const char *)e->data.scalar.anchor;
	return (const char *)(e->type == YAML_SEQUENCE_START_EVENT ? e->data.sequence_start.anchor
								   : e->data.mapping_start.anchor);
}

static int read_node(struct reader *y, yaml_event_t *e, size_t depth, json_t **ret, size_t *ret_height)
{
	size_t before = y->nodes, below = 0, at = 0;
	const char *name;
	json_t *j = NULL;
	int r;

	if (e->type == YAML_ALIAS_EVENT)
		return read_alias(y, e, depth, ret, ret_height);
	r = count(y, e->start_mark, 1, depth + 1);
	name = anchor_of(e);
	if (r == 0 && name && y->n_anchors == MAX_ANCHORS)
		r = refuse(y, e->start_mark, "too many anchors");
	if (r < 0)
		return r;
	if (name) {
		cn_grow(&y->anchors, &y->cap, y->n_anchors, sizeof(*y->anchors));
		at = y->n_anchors++;
		y->anchors[at] = (struct anchor){.name = cn_strdup(name)};
	}
	if (e->type == YAML_SCALAR_EVENT)
		r = read_scalar(y, e, &j);
	else if (e->type == YAML_SEQUENCE_START_EVENT)
		r = read_sequence(y, depth + 1, j = json_array(), &below);
	else
		r = read_mapping(y, depth + 1, j = json_object(), &below);
	if (r < 0) {
		json_decref(j);
		return r;
	}
	if (name) {
		y->anchors[at].value = json_incref(j);
		y->anchors[at].nodes = y->nodes - before;
		y->anchors[at].height = below + 1;
	}
	*ret = j;
	*ret_height = below + 1;
	return 0;
}

static int read_document(struct reader *y, json_t **ret)
{
	for (;;) {
		yaml_event_t e;
		size_t height;
		int r = next(y, &e);
		bool head;

		if (r < 0)
			return r;
		head = e.type == YAML_STREAM_START_EVENT || e.type == YAML_DOCUMENT_START_EVENT;
		if (e.type == YAML_STREAM_END_EVENT || e.type == YAML_NO_EVENT)
			*ret = json_null();
		else if (!head)
			r = read_node(y, &e, 0, ret, &height);
		yaml_event_delete(&e);
		if (!head)
			return r;
	}
}

json_t *cn_yaml_parse(const char *text, size_t len, struct cn_error *err)
{
	struct reader y = {.err = err};
	json_t *j = NULL;

	if (len > MAX_BYTES) {
		cn_error_set(err, CN_USAGE, EFBIG, "larger than %zu bytes", MAX_BYTES);
		return NULL;
	}
	if (!yaml_parser_initialize(&y.parser))
		abort();
	yaml_parser_set_input_string(&y.parser, (const unsigned char *)text, len);
	read_document(&y, &j);
	yaml_parser_delete(&y.parser);
	for (size_t i = 0; i < y.n_anchors; i++) {
		free(y.anchors[i].name);
		json_decref(y.anchors[i].value);
	}
	free(y.anchors);
	return j;
}
