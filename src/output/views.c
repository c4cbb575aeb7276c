/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/output/views.h"

#include <string.h>

#include "cephnode/base/text.h"
#include "pieces.h"

/* --- discover --- */

static char *discover_osd(const json_t *row)
{
	return cn_asprintf("osd.%lld", (long long)cn_json_int(row, "id", -1));
}

static char *discover_state(const json_t *row)
{
	return cn_asprintf("%s, %s", cn_json_bool(row, "up", false) ? "up" : "down",
			   cn_json_bool(row, "in", false) ? "in" : "out");
}

static const char *discover_color(const json_t *row)
{
	if (!cn_json_bool(row, "up", false))
		return CN_RED;
	return cn_json_bool(row, "in", false) ? CN_GREEN : CN_YELLOW;
}

static const struct cn_column discover_columns[] = {
	{"NODE", "node", CN_COLUMN_TEXT},
	{"OSD", NULL, CN_COLUMN_TEXT, .cell = discover_osd},
	{"HOST", "host", CN_COLUMN_TEXT},
	{"ADDRESS", "address", CN_COLUMN_TEXT},
	{"STATE", NULL, CN_COLUMN_TEXT, .cell = discover_state, .color = discover_color},
	{"CLASS", "device_class", CN_COLUMN_TEXT, .room = 90},
	{"WEIGHT", "crush_weight", CN_COLUMN_WEIGHT},
	{"REWEIGHT", "reweight", CN_COLUMN_WEIGHT, .room = 90},
	{"PGS", "pgs", CN_COLUMN_INT},
	{"DATA", "bytes", CN_COLUMN_BYTES},
	{"FOUND BY", "found_by", CN_COLUMN_LIST, CN_COLUMN_CUT, 80},
	{"POD", "pod", CN_COLUMN_TEXT, CN_COLUMN_VERBOSE},
	{"KUBE NODE", "kube_node", CN_COLUMN_TEXT, CN_COLUMN_VERBOSE},
	{"UUID", "uuid", CN_COLUMN_TEXT, CN_COLUMN_VERBOSE},
};

/* One row an OSD, with the name of its node. */
static json_t *discover_rows(const json_t *doc)
{
	json_t *rows = json_array();
	const json_t *node, *osd;
	size_t i, k;

	json_array_foreach (cn_json_arr(doc, "nodes"), i, node) {
		json_array_foreach (cn_json_arr(node, "osds"), k, osd) {
			json_t *row = json_copy((json_t *)osd);

			json_object_set(row, "node", json_object_get(node, "node"));
			json_object_set(row, "kube_node", json_object_get(node, "kube_node"));
			json_array_append_new(rows, row);
		}
	}
	return rows;
}

static void append_daemons(char **text, const json_t *node)
{
	_cleanup_(cn_strv_release) struct cn_strv daemons = {0};
	_cleanup_free_ char *name = NULL, *list = NULL, *safe = NULL;
	const json_t *d;
	size_t i;

	json_array_foreach (cn_json_arr(node, "other_daemons"), i, d)
		cn_strv_add(&daemons, json_is_string(d) ? json_string_value(d) : "?");
	if (daemons.n == 0)
		return;
	name = cn_text_safe(cn_json_str(node, "node", "?"));
	list = cn_strv_join(&daemons, ", ");
	safe = cn_text_safe(list);
	cn_append_owned(text, cn_asprintf("\n%s also runs %s\n", name, safe));
}

/* Where there are pods their columns are always shown. */
static void show_pods(struct cn_column *columns, size_t n, const json_t *rows)
{
	const json_t *row;
	bool any = false;
	size_t i;

	json_array_foreach (rows, i, row)
		any = any || cn_json_str(row, "pod", NULL) || cn_json_str(row, "kube_node", NULL);
	for (i = 0; any && i < n; i++)
		if (strcmp(columns[i].head, "POD") == 0 || strcmp(columns[i].head, "KUBE NODE") == 0)
			columns[i].flags = CN_COLUMN_CUT;
}

char *cn_view_discover(const json_t *doc, const struct cn_table_style *style)
{
	_cleanup_json_ json_t *rows = discover_rows(doc);
	struct cn_column columns[ARRAY_SIZE(discover_columns)];
	const json_t *node;
	char *text;
	size_t i;

	memcpy(columns, discover_columns, sizeof(columns));
	show_pods(columns, ARRAY_SIZE(columns), rows);
	text = cn_table_render(columns, ARRAY_SIZE(columns), rows, style);

	json_array_foreach (cn_json_arr(doc, "nodes"), i, node)
		append_daemons(&text, node);
	return text;
}

/* --- status --- */

#define STATUS_BAR_COLUMNS 20

/* -1: not known. */
static int status_percent_of(const json_t *row)
{
	int64_t left = cn_json_int(row, "bytes_left", -1), total = cn_json_int(row, "bytes_total", -1);

	if (left < 0 || total < 0)
		return -1;
	return cn_json_int(row, "pgs_left", 0) > 0 ? MIN(cn_percent(left, total), 99) : cn_percent(left, total);
}

static char *status_bar(const json_t *row)
{
	int percent = status_percent_of(row);

	return percent < 0 ? NULL : cn_bar(percent / 100.0, STATUS_BAR_COLUMNS, false);
}

static char *status_percent(const json_t *row)
{
	int percent = status_percent_of(row);

	return percent < 0 ? NULL : cn_asprintf("%d %%", percent);
}

static char *status_osds(const json_t *row)
{
	_cleanup_(cn_ids_release) struct cn_ids ids = {0};
	const json_t *id;
	size_t i;

	json_array_foreach (cn_json_arr(row, "osds"), i, id)
		cn_ids_add(&ids, (int)(json_is_object(id) ? cn_json_int(id, "id", -1) : json_integer_value(id)));
	return ids.n ? cn_ids_format(&ids, "", ",") : cn_strdup("");
}

static char *status_owner(const json_t *row)
{
	const json_t *owner = cn_json_obj(row, "owner");
	const char *host = cn_json_str(owner, "host", NULL);

	if (!owner)
		return cn_strdup("");
	if (json_is_false(json_object_get(row, "running")))
		return cn_strdup("nobody");
	return host ? cn_asprintf("%s:%lld", host, (long long)cn_json_int(owner, "pid", 0)) : NULL;
}

static char *status_eta(const json_t *row)
{
	int64_t eta = cn_json_int(row, "eta_seconds", -1);

	if (json_object_get(row, "id") && json_is_integer(json_object_get(row, "id")))
		return cn_strdup(""); /* of an OSD */
	return eta < 0 ? NULL : cn_format_duration(eta);
}

static const char *status_color(const json_t *row)
{
	return cn_json_str(row, "last_error", NULL) ? CN_RED : NULL;
}

static const struct cn_column status_columns[] = {
	{"NODE", "node", CN_COLUMN_TEXT},
	{"PHASE", "phase", CN_COLUMN_TEXT, .color = status_color},
	{"OSDS", NULL, CN_COLUMN_TEXT, CN_COLUMN_CUT, .cell = status_osds},
	{"PROGRESS", NULL, CN_COLUMN_TEXT, .room = 90, .cell = status_bar},
	{"DONE", NULL, CN_COLUMN_TEXT, CN_COLUMN_RIGHT, .cell = status_percent},
	{"LEFT", "bytes_left", CN_COLUMN_BYTES},
	{"PGS", "pgs_left", CN_COLUMN_INT},
	{"ETA", NULL, CN_COLUMN_TEXT, CN_COLUMN_RIGHT, .cell = status_eta},
	{"OWNER", NULL, CN_COLUMN_TEXT, CN_COLUMN_CUT, 70, .cell = status_owner},
	{"STARTED", "started", CN_COLUMN_TEXT, CN_COLUMN_VERBOSE},
	{"UPDATED", "updated", CN_COLUMN_TEXT, CN_COLUMN_VERBOSE},
	{"ID", "id", CN_COLUMN_TEXT, CN_COLUMN_VERBOSE},
};

/* Each drain, and below it one row an OSD while there is something to tell of it. */
static json_t *status_rows(json_t *drains, bool osds)
{
	json_t *rows = json_array(), *drain, *osd;
	size_t i, k;

	json_array_foreach (drains, i, drain) {
		json_t *list = cn_json_arr(drain, "osd_progress");

		json_array_append(rows, drain);
		if (!osds || json_array_size(list) < 2 || cn_json_int(drain, "pgs_left", 0) == 0)
			continue;
		json_array_foreach (list, k, osd) {
			json_t *row = json_copy(osd);

			json_object_set_new(row, "node", json_sprintf("  osd.%lld", (long long)cn_json_int(osd, "id", -1)));
			json_object_set_new(row, "phase", json_string(""));
			json_object_set_new(row, "started", json_string(""));
			json_object_set_new(row, "updated", json_string(""));
			json_array_append_new(rows, row);
		}
	}
	return rows;
}

/* What nobody works on goes on by itself never. */
static char *idle_text(const json_t *drain)
{
	_cleanup_free_ char *n = cn_text_safe(cn_json_str(drain, "node", "?")),
			    *at = cn_text_safe(cn_json_str(drain, "updated", "?"));
	const char *phase = cn_json_str(drain, "phase", "");
	bool removed = strcmp(phase, "sweep") == 0 || strcmp(phase, "audit") == 0;

	if (!json_is_false(json_object_get(drain, "running")))
		return NULL;
	if (strcmp(phase, "drained") == 0)
		return cn_asprintf(
			"%s: held drained since %s; remove its OSDs: cephnode remove %s; give them back: cephnode cancel %s\n", n,
			at, n, n);
	if (strcmp(phase, "cancel") == 0)
		return cn_asprintf("%s: nobody goes on with its cancel since %s; go on: cephnode cancel %s\n", n, at, n);
	if (removed)
		return cn_asprintf("%s: nobody works on it, last step at %s; go on: cephnode drain %s\n", n, at, n);
	return cn_asprintf("%s: nobody works on it, last step at %s; go on: cephnode drain %s; undo it: cephnode cancel %s\n", n,
			   at, n, n);
}

char *cn_view_status(const json_t *doc, bool osds, const struct cn_table_style *style)
{
	json_t *drains = cn_json_arr(doc, "drains");
	_cleanup_json_ json_t *rows = status_rows(drains, osds);
	const json_t *drain;
	char *text;
	size_t i;

	if (json_array_size(drains) == 0)
		return cn_strdup("no drain is under way\n");
	text = cn_table_render(status_columns, ARRAY_SIZE(status_columns), rows, style);
	json_array_foreach (drains, i, drain) {
		const char *error = cn_json_str(drain, "last_error", NULL);
		_cleanup_free_ char *node = cn_text_safe(cn_json_str(drain, "node", "?")), *safe = NULL, *idle = idle_text(drain);

		if (idle)
			cn_append(&text, idle);
		if (!error)
			continue;
		safe = cn_text_safe(error);
		cn_append_owned(&text, cn_asprintf("%s: %s\n", node, safe));
	}
	return text;
}
