/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/output/views.h"

#include <string.h>

#include "cephnode/base/text.h"

/* --- pieces --- */

/* Text that grows by cn_asprintf(); these are short. */
static void append(char **text, const char *more)
{
	char *both = cn_asprintf("%s%s", *text ? *text : "", more);

	free(*text);
	*text = both;
}

static void append_owned(char **text, char *more)
{
	append(text, more);
	free(more);
}

/* "osd.3, osd.9", and the count from the third on: "osd.1, osd.3, osd.9 (3)". */
static char *osds_text(const json_t *ids)
{
	_cleanup_(cn_ids_release) struct cn_ids list = {0};
	_cleanup_free_ char *names = NULL;
	const json_t *id;
	size_t i;

	json_array_foreach (ids, i, id)
		cn_ids_add(&list, (int)json_integer_value(id));
	if (list.n == 0)
		return NULL;
	names = cn_ids_format(&list, "osd.", ", ");
	return list.n < 3 ? TAKE_PTR(names) : cn_asprintf("%s (%zu)", names, list.n);
}

/* A node may have hundreds of placement groups that speak against it: -f json has them all. */
#define MESSAGES_MOST 10

/* Strings, or objects with a message, one line each behind a label. */
static void append_messages(char **text, const char *label, const char *color, const json_t *list,
			    const struct cn_table_style *style)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		_cleanup_free_ char *safe = NULL;

		if (i == MESSAGES_MOST) {
			append_owned(text, cn_asprintf("... and %zu more\n", json_array_size(list) - i));
			return;
		}
		safe = cn_text_safe(json_is_string(item) ? json_string_value(item) : cn_json_str(item, "message", "?"));
		append_owned(text,
			     cn_asprintf("%s%s:%s %s\n", style->color ? color : "", label, style->color ? CN_RESET : "", safe));
	}
}

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
	append_owned(text, cn_asprintf("\n%s also runs %s\n", name, safe));
}

char *cn_view_discover(const json_t *doc, const struct cn_table_style *style)
{
	_cleanup_json_ json_t *rows = discover_rows(doc);
	char *text = cn_table_render(discover_columns, ARRAY_SIZE(discover_columns), rows, style);
	const json_t *node;
	size_t i;

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
	return cn_ids_format(&ids, "", ",");
}

static char *status_owner(const json_t *row)
{
	const json_t *owner = cn_json_obj(row, "owner");
	const char *host = cn_json_str(owner, "host", NULL);

	return host ? cn_asprintf("%s:%lld", host, (long long)cn_json_int(owner, "pid", 0)) : NULL;
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
	{"ETA", "eta_seconds", CN_COLUMN_SECONDS},
	{"OWNER", NULL, CN_COLUMN_TEXT, CN_COLUMN_CUT, 70, .cell = status_owner},
	{"STARTED", "started", CN_COLUMN_TEXT, CN_COLUMN_VERBOSE},
	{"UPDATED", "updated", CN_COLUMN_TEXT, CN_COLUMN_VERBOSE},
	{"ID", "id", CN_COLUMN_TEXT, CN_COLUMN_VERBOSE},
};

char *cn_view_status(const json_t *doc, const struct cn_table_style *style)
{
	json_t *drains = cn_json_arr(doc, "drains");
	const json_t *drain;
	char *text;
	size_t i;

	if (json_array_size(drains) == 0)
		return cn_strdup("no drain is under way\n");
	text = cn_table_render(status_columns, ARRAY_SIZE(status_columns), drains, style);
	json_array_foreach (drains, i, drain) {
		const char *error = cn_json_str(drain, "last_error", NULL);
		_cleanup_free_ char *node = cn_text_safe(cn_json_str(drain, "node", "?")), *safe = NULL;

		if (!error)
			continue;
		safe = cn_text_safe(error);
		append_owned(&text, cn_asprintf("%s: %s\n", node, safe));
	}
	return text;
}

/* --- plan --- */

static const struct cn_column fact_columns[] = {
	{"", "name", CN_COLUMN_TEXT},
	{"", "value", CN_COLUMN_TEXT, CN_COLUMN_CUT},
};

static const char *pool_color(const json_t *row)
{
	return cn_json_bool(row, "ok", true) ? CN_GREEN : CN_RED;
}

static const struct cn_column pool_columns[] = {
	{"POOL", "name", CN_COLUMN_TEXT}, {"FAILURE DOMAIN", "domain", CN_COLUMN_TEXT},      {"NEEDED", "needed", CN_COLUMN_INT},
	{"LEFT", "left", CN_COLUMN_INT},  {"OK", "ok", CN_COLUMN_BOOL, .color = pool_color},
};

/* Takes value over; nothing is added for NULL. */
static void add_fact(json_t *facts, const char *name, char *value)
{
	json_t *row;

	if (!value)
		return;
	row = json_object();
	json_object_set_new(row, "name", json_string(name));
	json_object_set_new(row, "value", cn_json_string(value));
	json_array_append_new(facts, row);
	free(value);
}

static char *list_text(const json_t *list)
{
	_cleanup_(cn_strv_release) struct cn_strv words = {0};
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item)
		cn_strv_add(&words, json_is_string(item) ? json_string_value(item) : "?");
	return words.n ? cn_strv_join(&words, ", ") : NULL;
}

static char *method_text(const char *method)
{
	if (!method)
		return NULL;
	if (strcmp(method, "crush") == 0)
		return cn_strdup("crush: all CRUSH weights to 0 at once");
	if (strcmp(method, "out") == 0)
		return cn_strdup("out: all OSDs out at once, then CRUSH weights to 0");
	return cn_strdup(method);
}

static char *bytes_fact(const json_t *event)
{
	int64_t move = cn_json_int(event, "bytes_to_move", -1), least = cn_json_int(event, "bytes_minimum", -1);
	_cleanup_free_ char *text = NULL, *least_text = NULL;

	if (move < 0)
		return NULL;
	text = cn_format_bytes(move);
	if (least < 0 || least == move)
		return TAKE_PTR(text);
	least_text = cn_format_bytes(least);
	return cn_asprintf("%s, of which %s must move", text, least_text);
}

static char *fullest_fact(const json_t *event)
{
	const json_t *f = cn_json_obj(event, "fullest");
	const json_t *osd = json_object_get(f, "osd");
	_cleanup_free_ char *name = NULL;
	double before = cn_json_real(f, "before", -1), after = cn_json_real(f, "after", -1);

	if (!f || !osd || before < 0 || after < 0)
		return NULL;
	name = json_is_string(osd) ? cn_strdup(json_string_value(osd))
				   : cn_asprintf("osd.%lld", (long long)json_integer_value(osd));
	return cn_asprintf("%s: %.1f %% full, now %.1f %%", name, 100 * after, 100 * before);
}

static json_t *plan_facts(const json_t *event)
{
	json_t *facts = json_array();
	int64_t pgs = cn_json_int(event, "pgs", -1);

	add_fact(facts, "Node", cn_strdup(cn_json_str(event, "node", "?")));
	add_fact(facts, "CRUSH hosts", list_text(cn_json_arr(event, "hosts")));
	add_fact(facts, "OSDs", osds_text(cn_json_arr(event, "osds")));
	add_fact(facts, "Method", method_text(cn_json_str(event, "method", NULL)));
	if (pgs >= 0)
		add_fact(facts, "Placement groups", cn_asprintf("%lld", (long long)pgs));
	add_fact(facts, "Data to move", bytes_fact(event));
	add_fact(facts, "Fullest OSD after", fullest_fact(event));
	return facts;
}

char *cn_view_plan(const json_t *event, const struct cn_table_style *style)
{
	_cleanup_json_ json_t *facts = plan_facts(event);
	json_t *pools = cn_json_arr(event, "pools"), *warnings = cn_json_arr(event, "warnings");
	json_t *refusals = cn_json_arr(event, "refusals");
	char *text = cn_table_render(fact_columns, ARRAY_SIZE(fact_columns), facts, style);

	if (json_array_size(pools) > 0) {
		append(&text, "\n");
		append_owned(&text, cn_table_render(pool_columns, ARRAY_SIZE(pool_columns), pools, style));
	}
	if (json_array_size(warnings) + json_array_size(refusals) > 0)
		append(&text, "\n");
	append_messages(&text, "warning", CN_YELLOW, warnings, style);
	append_messages(&text, "refused", CN_RED, refusals, style);
	return text;
}
