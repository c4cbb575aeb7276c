/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/output/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "cephnode/base/clock.h"
#include "output/pieces.h"

/* --- values: false where there is none --- */

static bool whole(const json_t *v, int64_t *ret)
{
	*ret = json_integer_value(v);
	return json_is_integer(v);
}

static bool seconds(const json_t *v, int64_t *ret)
{
	int64_t ms = cn_time_parse(json_string_value(v));

	*ret = ms / 1000;
	return ms >= 0;
}

static bool count(const json_t *v, int64_t *ret)
{
	*ret = (int64_t)json_array_size(v);
	return true;
}

static bool flag(const json_t *v, int64_t *ret)
{
	*ret = json_is_true(v);
	return json_is_boolean(v);
}

static bool given(const json_t *v, int64_t *ret)
{
	*ret = json_is_string(v);
	return true;
}

static bool one(const json_t *v _unused_, int64_t *ret)
{
	*ret = 1;
	return true;
}

/* --- the families of a drain --- */

static const struct family {
	const char *name, *help, *key;
	bool (*value)(const json_t *v, int64_t *ret);
} families[] = {
	{"info", "Step at which an unfinished drain is, and the host of its last cephnode.", NULL, one},
	{"running", "Whether a cephnode works on the drain now.", "running", flag},
	{"failed", "Whether the last call for this drain ended with an error.", "last_error", given},
	{"osds", "OSDs to be removed.", "osds", count},
	{"pgs", "Placement groups that the OSDs still have, or that are not clean yet.", "pgs_left", whole},
	{"remaining_bytes", "Bytes still to be moved off the OSDs.", "bytes_left", whole},
	{"size_bytes", "Bytes to be moved off the OSDs, when the drain began.", "bytes_total", whole},
	{"eta_seconds", "Seconds until all has moved, at the mean speed so far.", "eta_seconds", whole},
	{"started_timestamp_seconds", "When the drain began.", "started", seconds},
	{"updated_timestamp_seconds", "When the drain last took a step.", "updated", seconds},
};

/* Backslash, quote and newline are all that the format knows; the rest is UTF-8 as it is. */
static char *escape(const char *s)
{
	char *copy = cn_malloc(2 * strlen(s) + 1), *p = copy;

	for (; *s; s++) {
		if (*s == '\\' || *s == '"' || *s == '\n')
			*p++ = '\\';
		*p++ = *s == '\n' ? 'n' : *s;
	}
	*p = '\0';
	return copy;
}

static char *labels_of(const json_t *drain, bool info)
{
	_cleanup_free_ char *id = escape(cn_json_str(drain, "id", "")), *node = escape(cn_json_str(drain, "node", ""));
	_cleanup_free_ char *owner = escape(cn_json_str(json_object_get(drain, "owner"), "host", ""));
	_cleanup_free_ char *phase = escape(cn_json_str(drain, "phase", ""));

	return info ? cn_asprintf("{drain=\"%s\",drain_node=\"%s\",phase=\"%s\",owner=\"%s\"}", id, node, phase, owner)
		    : cn_asprintf("{drain=\"%s\",drain_node=\"%s\"}", id, node);
}

static void begin(char **text, const char *name, const char *help)
{
	cn_append_owned(text, cn_asprintf("# HELP cephnode_%s %s\n# TYPE cephnode_%s gauge\n", name, help, name));
}

static void append_family(char **text, const struct family *f, const json_t *drains)
{
	_cleanup_free_ char *name = cn_asprintf("drain_%s", f->name);
	const json_t *drain;
	bool begun = false;
	size_t i;

	json_array_foreach (drains, i, drain) {
		_cleanup_free_ char *labels = labels_of(drain, !f->key);
		int64_t value;

		if (!f->value(f->key ? json_object_get(drain, f->key) : NULL, &value))
			continue;
		if (!begun)
			begin(text, name, f->help);
		begun = true;
		cn_append_owned(text, cn_asprintf("cephnode_%s%s %" PRId64 "\n", name, labels, value));
	}
}

char *cn_metrics_text(const char *version, const json_t *doc)
{
	_cleanup_free_ char *v = escape(version);
	const json_t *drains = cn_json_arr(doc, "drains");
	char *text = NULL;

	begin(&text, "build_info", "Version of cephnode.");
	cn_append_owned(&text, cn_asprintf("cephnode_build_info{version=\"%s\"} 1\n", v));
	begin(&text, "up", "Whether the cluster let itself be looked at.");
	cn_append_owned(&text, cn_asprintf("cephnode_up %d\n", doc != NULL));
	if (!doc)
		return text;
	begin(&text, "drains", "Drains that are under way or unfinished.");
	cn_append_owned(&text, cn_asprintf("cephnode_drains %zu\n", json_array_size(drains)));
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		append_family(&text, &families[i], drains);
	return text;
}
