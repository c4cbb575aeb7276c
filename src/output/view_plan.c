/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `plan` shows, and `drain` before it asks. */
#include "cephnode/output/views.h"

#include <string.h>

#include "cephnode/base/text.h"
#include "pieces.h"

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

static char *speed_text(const json_t *event)
{
	const char *speed = cn_json_str(event, "speed", NULL), *name;
	_cleanup_(cn_strv_release) struct cn_strv words = {0};
	_cleanup_free_ char *list = NULL;
	json_t *v;

	json_object_foreach (cn_json_obj(event, "settings"), name, v)
		cn_strv_addf(&words, "%s %s", name, json_is_string(v) ? json_string_value(v) : "?");
	list = cn_strv_join(&words, ", ");
	return speed ? cn_asprintf("%s: %s", speed, words.n ? list : "no setting") : NULL;
}

static char *bytes_fact(const json_t *event)
{
	const json_t *forecast = cn_json_obj(event, "forecast");
	int64_t move = cn_json_int(event, "bytes_to_move", -1), least = cn_json_int(event, "bytes_minimum", -1);
	int64_t pins = cn_json_int(forecast, "pins", 0);
	_cleanup_free_ char *text = NULL, *other = NULL;

	if (move < 0)
		return NULL;
	text = cn_format_bytes(move);
	if (forecast && !cn_json_bool(forecast, "exact", true))
		return cn_asprintf("at least %s (no exact forecast: %s)", text, cn_json_str(forecast, "reason", "?"));
	if (pins > 0) {
		/* what no pin could keep moves all the same */
		other = cn_format_bytes(MAX(cn_json_int(forecast, "bytes_needless", 0) - (least < 0 ? 0 : move - least), 0));
		return cn_asprintf("%s; %lld pin%s %s in place that would move needlessly", text, (long long)pins,
				   pins == 1 ? " keeps" : "s keep", other);
	}
	if (least < 0 || least >= move)
		return TAKE_PTR(text);
	other = cn_format_bytes(least);
	return cn_asprintf("%s, of which %s must move", text, other);
}

static char *time_fact(const json_t *event)
{
	int64_t seconds = cn_json_int(event, "seconds_estimated", -1);
	_cleanup_free_ char *time = NULL, *rate = NULL;

	if (seconds < 0)
		return NULL;
	time = cn_format_duration(seconds);
	rate = cn_format_bytes(cn_json_int(event, "bytes_per_second_seen", 0));
	return cn_asprintf("about %s, at the %s/s of the last drain", time, rate);
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

#define STOP_LINES_MOST 3
#define TARGETS_MOST 24 /* rows: more OSDs than that are shown by host, the fullest first */
#define FILL_BAR_COLUMNS 16

static char *share_text(double share)
{
	return share < 0 ? NULL : cn_asprintf("%.1f %%", 100 * share);
}

static char *target_now(const json_t *row)
{
	return share_text(cn_json_real(row, "before", -1));
}

static char *target_then(const json_t *row)
{
	return share_text(cn_json_real(row, "after", -1));
}

static char *target_bar(const json_t *row)
{
	double after = cn_json_real(row, "after", -1);

	return after < 0 ? NULL : cn_bar(after, FILL_BAR_COLUMNS, false);
}

static char *target_osd(const json_t *row)
{
	int64_t n = cn_json_int(row, "osds", 1);

	return n > 1 ? cn_asprintf("%lld OSDs", (long long)n) : cn_asprintf("osd.%lld", (long long)cn_json_int(row, "osd", -1));
}

static const struct cn_column target_columns[] = {
	{"TO HOST", "host", CN_COLUMN_TEXT},
	{"OSD", NULL, CN_COLUMN_TEXT, .cell = target_osd},
	{"SHARDS", "shards", CN_COLUMN_INT},
	{"DATA", "bytes", CN_COLUMN_BYTES},
	{"FULL NOW", NULL, CN_COLUMN_TEXT, CN_COLUMN_RIGHT, .cell = target_now},
	{"THEN", NULL, CN_COLUMN_TEXT, CN_COLUMN_RIGHT, .cell = target_then},
	{"", NULL, CN_COLUMN_TEXT, .room = 80, .cell = target_bar},
};

static int by_host(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int r = strcmp(cn_json_str(x, "host", ""), cn_json_str(y, "host", ""));

	return r ? r : (int)(cn_json_int(x, "osd", 0) - cn_json_int(y, "osd", 0));
}

static int by_fill(const void *a, const void *b)
{
	double x = cn_json_real(*(json_t *const *)a, "after", -1), y = cn_json_real(*(json_t *const *)b, "after", -1);

	return x > y ? -1 : x < y;
}

static json_t *sorted(const json_t *rows, int (*cmp)(const void *, const void *))
{
	size_t n = json_array_size(rows);
	_cleanup_free_ json_t **v = cn_calloc(n, sizeof(json_t *));
	json_t *ret = json_array();

	for (size_t i = 0; i < n; i++)
		v[i] = json_array_get(rows, i);
	qsort(v, n, sizeof(json_t *), cmp);
	for (size_t i = 0; i < n; i++)
		json_array_append(ret, v[i]);
	return ret;
}

/* Sums up a host's OSDs; its fill is that of its fullest. */
static void add_to_host(json_t *host, const json_t *osd)
{
	json_object_set_new(host, "osds", json_integer(cn_json_int(host, "osds", 0) + 1));
	json_object_set_new(host, "shards", json_integer(cn_json_int(host, "shards", 0) + cn_json_int(osd, "shards", 0)));
	json_object_set_new(host, "bytes", json_integer(cn_json_int(host, "bytes", 0) + cn_json_int(osd, "bytes", 0)));
	if (cn_json_real(osd, "after", -1) <= cn_json_real(host, "after", -1))
		return;
	json_object_set(host, "osd", json_object_get(osd, "osd"));
	json_object_set(host, "before", json_object_get(osd, "before"));
	json_object_set(host, "after", json_object_get(osd, "after"));
}

static json_t *target_rows(const json_t *targets, size_t *ret_left_out)
{
	_cleanup_json_ json_t *osds = sorted(targets, by_host), *hosts = json_array(), *fullest = NULL;
	json_t *ret = json_array(), *j, *host = NULL;
	size_t i;

	*ret_left_out = 0;
	if (json_array_size(osds) <= TARGETS_MOST) {
		json_decref(ret);
		return json_incref(osds);
	}
	json_array_foreach (osds, i, j) {
		if (!host || strcmp(cn_json_str(host, "host", ""), cn_json_str(j, "host", "")) != 0) {
			host = json_pack("{so}", "host", cn_json_string(cn_json_str(j, "host", NULL)));
			json_array_append_new(hosts, host);
		}
		add_to_host(host, j);
	}
	fullest = sorted(hosts, by_fill);
	json_array_foreach (fullest, i, j)
		if (i < TARGETS_MOST)
			json_array_append(ret, j);
	*ret_left_out = json_array_size(hosts) - json_array_size(ret);
	return ret;
}

static void append_targets(char **text, const json_t *targets, const struct cn_table_style *style)
{
	_cleanup_json_ json_t *rows = NULL;
	size_t left_out;

	if (json_array_size(targets) == 0)
		return;
	rows = target_rows(targets, &left_out);
	cn_append(text, "\n");
	cn_append_owned(text, cn_table_render(target_columns, ARRAY_SIZE(target_columns), rows, style));
	if (left_out)
		cn_append_owned(text, cn_asprintf("... and %zu more host%s, less full (-f json has all OSDs)\n", left_out,
						  left_out == 1 ? "" : "s"));
}

/* Many OSDs of a node are stopped in the same way: the first lines tell. */
static char *stop_text(const json_t *event)
{
	const json_t *stop = json_object_get(event, "stop"), *does = cn_json_arr(stop, "does");
	_cleanup_(cn_strv_release) struct cn_strv words = {0};
	_cleanup_free_ char *text = NULL;
	json_t *j;
	size_t i;

	if (!stop)
		return NULL;
	json_array_foreach (does, i, j)
		if (i < STOP_LINES_MOST)
			cn_strv_add(&words, json_string_value(j) ? json_string_value(j) : "");
	if (json_array_size(does) > STOP_LINES_MOST)
		cn_strv_addf(&words, "and %zu more", json_array_size(does) - STOP_LINES_MOST);
	text = cn_strv_join(&words, "; ");
	return cn_asprintf("by %s: %s", cn_json_str(stop, "with", "?"), text);
}

static json_t *plan_facts(const json_t *event)
{
	json_t *facts = json_array();
	int64_t pgs = cn_json_int(event, "pgs", -1);

	add_fact(facts, "Node", cn_strdup(cn_json_str(event, "node", "?")));
	add_fact(facts, "CRUSH hosts", list_text(cn_json_arr(event, "hosts")));
	add_fact(facts, "OSDs", cn_osds_text(cn_json_arr(event, "osds")));
	add_fact(facts, "Method", method_text(cn_json_str(event, "method", NULL)));
	add_fact(facts, "Speed", speed_text(event));
	add_fact(facts, "Stopped", stop_text(event));
	if (pgs >= 0)
		add_fact(facts, "Placement groups", cn_asprintf("%lld", (long long)pgs));
	add_fact(facts, "Data to move", bytes_fact(event));
	add_fact(facts, "Estimated time", time_fact(event));
	add_fact(facts, "Fullest OSD after", fullest_fact(event));
	return facts;
}

#define FACT_ROOM 30 /* columns: with fewer for the value the terminal may break the lines as it likes */

/* The words behind `first`, in further lines below themselves where the terminal is too narrow. */
static void append_wrapped(char **text, const char *first, size_t indent, const char *words, unsigned width)
{
	size_t used = indent, room = width > indent + FACT_ROOM ? width : 0;
	bool fresh = true;

	cn_append(text, first);
	for (const char *end; *words; words = end) {
		_cleanup_free_ char *word = NULL;
		size_t columns;

		words += strspn(words, " ");
		end = words + strcspn(words, " ");
		word = cn_strndup(words, (size_t)(end - words));
		columns = cn_text_columns(word);
		if (!fresh && room && used + 1 + columns > room) {
			cn_append_owned(text, cn_asprintf("\n%*s%s", (int)indent, "", word));
			used = indent + columns;
		} else {
			cn_append_owned(text, cn_asprintf("%s%s", fresh ? "" : " ", word));
			used += columns + !fresh;
		}
		fresh = false;
	}
	cn_append(text, "\n");
}

/* Who confirms a plan has read all of it: nothing is cut. */
static char *render_facts(const json_t *facts, const struct cn_table_style *style)
{
	char *text = cn_strdup("");
	size_t i, width = 0;
	json_t *j;

	json_array_foreach (facts, i, j)
		width = MAX(width, strlen(cn_json_str(j, "name", "")));
	json_array_foreach (facts, i, j) {
		_cleanup_free_ char *name = cn_asprintf("%-*s  ", (int)width, cn_json_str(j, "name", ""));
		_cleanup_free_ char *value = cn_text_safe(cn_json_str(j, "value", ""));

		append_wrapped(&text, name, width + 2, value, style->width);
	}
	return text;
}

char *cn_view_plan(const json_t *event, const struct cn_table_style *style)
{
	_cleanup_json_ json_t *facts = plan_facts(event);
	json_t *pools = cn_json_arr(event, "pools"), *warnings = cn_json_arr(event, "warnings");
	json_t *refusals = cn_json_arr(event, "refusals");
	char *text = render_facts(facts, style);

	if (json_array_size(pools) > 0) {
		cn_append(&text, "\n");
		cn_append_owned(&text, cn_table_render(pool_columns, ARRAY_SIZE(pool_columns), pools, style));
	}
	append_targets(&text, cn_json_arr(event, "targets"), style);
	if (json_array_size(warnings) + json_array_size(refusals) > 0)
		cn_append(&text, "\n");
	cn_append_messages(&text, "warning", CN_YELLOW, warnings, style);
	cn_append_messages(&text, "refused", CN_RED, refusals, style);
	return text;
}
