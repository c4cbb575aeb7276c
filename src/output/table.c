/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/output/table.h"

#include <libsmartcols.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cephnode/base/text.h"

struct cn_table_style cn_table_style_stdout(enum cn_color color, bool verbose)
{
	struct cn_table_style style = {.verbose = verbose, .color = cn_color_wanted(color, STDOUT_FILENO)};
	unsigned lines;

	if (!cn_terminal_size(STDOUT_FILENO, &style.width, &lines))
		style.width = 0;
	return style;
}

static const json_t *lookup(const json_t *row, const char *path)
{
	const char *dot = strchr(path, '.');
	_cleanup_free_ char *first = NULL;

	if (!dot)
		return json_object_get(row, path);
	first = cn_strndup(path, (size_t)(dot - path));
	return lookup(json_object_get(row, first), dot + 1);
}

static char *list_text(const json_t *list)
{
	_cleanup_(cn_strv_release) struct cn_strv words = {0};
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		if (json_is_string(item))
			cn_strv_add(&words, json_string_value(item));
		else if (json_is_integer(item))
			cn_strv_addf(&words, "%" JSON_INTEGER_FORMAT, json_integer_value(item));
	}
	return words.n ? cn_strv_join(&words, ",") : NULL;
}

static char *weight_text(double weight)
{
	char *s = cn_asprintf("%.5f", weight);
	size_t len = strlen(s);

	while (len > 0 && s[len - 1] == '0')
		s[--len] = '\0';
	if (len > 0 && s[len - 1] == '.')
		s[--len] = '\0';
	return s;
}

/* NULL: absent, null, or not of the column's type. */
static char *typed_text(const json_t *value, enum cn_column_type type)
{
	switch (type) {
	case CN_COLUMN_TEXT:
		return json_is_string(value) ? cn_strdup(json_string_value(value)) : NULL;
	case CN_COLUMN_LIST:
		return json_is_array(value) ? list_text(value) : NULL;
	case CN_COLUMN_INT:
		return json_is_integer(value) ? cn_asprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value)) : NULL;
	case CN_COLUMN_BYTES:
		return json_is_number(value) ? cn_format_bytes((int64_t)json_number_value(value)) : NULL;
	case CN_COLUMN_SECONDS:
		return json_is_number(value) ? cn_format_duration((int64_t)json_number_value(value)) : NULL;
	case CN_COLUMN_WEIGHT:
		return json_is_number(value) ? weight_text(json_number_value(value)) : NULL;
	case CN_COLUMN_BOOL:
		return json_is_boolean(value) ? cn_strdup(json_is_true(value) ? "yes" : "no") : NULL;
	}
	return NULL;
}

static int smartcols_flags(const struct cn_column *c)
{
	bool number = !c->cell && c->type != CN_COLUMN_TEXT && c->type != CN_COLUMN_LIST && c->type != CN_COLUMN_BOOL;
	int flags = 0;

	if (number || (c->flags & CN_COLUMN_RIGHT))
		flags |= SCOLS_FL_RIGHT;
	if (c->flags & CN_COLUMN_CUT)
		flags |= SCOLS_FL_TRUNC;
	return flags;
}

static bool shown(const struct cn_column *c, const struct cn_table_style *style)
{
	if (style->width && style->width < c->room)
		return false;
	return style->verbose || !(c->flags & CN_COLUMN_VERBOSE);
}

static void fill_line(struct libscols_line *line, const struct cn_column *columns, size_t n, const json_t *row,
		      const struct cn_table_style *style)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		const struct cn_column *c = &columns[i];
		_cleanup_free_ char *text = NULL;
		const char *color;

		if (!shown(c, style))
			continue;
		text = c->cell ? c->cell(row) : typed_text(lookup(row, c->key), c->type);
		(void)scols_line_set_data(line, at, text && *text ? text : "-");
		color = style->color && c->color ? c->color(row) : NULL;
		if (color)
			(void)scols_cell_set_color(scols_line_get_cell(line, at), color);
		at++;
	}
}

static struct libscols_table *new_table(const struct cn_table_style *style, bool headings)
{
	struct libscols_table *t = scols_new_table();

	if (!t)
		abort(); /* out of memory, as in base */
	(void)scols_table_enable_colors(t, style->color);
	(void)scols_table_set_column_separator(t, "  ");
	(void)scols_table_enable_minout(t, 1);
	(void)scols_table_enable_noheadings(t, !headings);
	(void)scols_table_set_termforce(t, style->width ? SCOLS_TERMFORCE_ALWAYS : SCOLS_TERMFORCE_NEVER);
	if (style->width)
		(void)scols_table_set_termwidth(t, style->width);
	return t;
}

char *cn_table_render(const struct cn_column *columns, size_t n, const json_t *rows, const struct cn_table_style *style)
{
	struct libscols_table *t;
	char *text = NULL, *with_newline;
	const json_t *row;
	size_t i;

	if (json_array_size(rows) == 0)
		return cn_strdup("");
	t = new_table(style, *columns[0].head != '\0');
	for (i = 0; i < n; i++) {
		if (shown(&columns[i], style) && !scols_table_new_column(t, columns[i].head, 0, smartcols_flags(&columns[i])))
			abort();
	}
	json_array_foreach (rows, i, row) {
		struct libscols_line *line = scols_table_new_line(t, NULL);

		if (!line)
			abort();
		fill_line(line, columns, n, row, style);
	}
	if (scols_print_table_to_string(t, &text) != 0)
		text = NULL;
	scols_unref_table(t);
	with_newline = cn_asprintf("%s\n", text ? text : "");
	free(text);
	return with_newline;
}

int cn_percent(int64_t left, int64_t total)
{
	double done;

	if (total <= 0)
		return left > 0 ? 0 : 100;
	done = 100.0 * (double)(total - left) / (double)total;
	if (done < 0)
		return 0;
	return left > 0 && done >= 100 ? 99 : (int)done;
}

static void repeat(char **at, const char *what, size_t times)
{
	while (times--)
		*at = stpcpy(*at, what);
}

char *cn_bar(double fraction, size_t columns, bool color)
{
	bool utf8 = cn_locale_utf8();
	size_t width = columns > (utf8 ? 0u : 2u) ? columns - (utf8 ? 0 : 2) : 1;
	double f = fraction < 0 ? 0 : MIN(fraction, 1.0);
	size_t halves = (size_t)(f * 2.0 * (double)width), full = halves / 2;
	bool half = utf8 && halves % 2;
	char *bar = cn_malloc(width * 4 + 32), *at = bar;

	if (!utf8) {
		repeat(&at, "[", 1);
		repeat(&at, "#", full);
		repeat(&at, "-", width - full);
		repeat(&at, "]", 1);
		return bar;
	}
	if (color)
		at = stpcpy(at, fraction >= 1.0 ? CN_GREEN : CN_YELLOW);
	repeat(&at, "\u2501", full);
	repeat(&at, "\u2578", half);
	if (color)
		at = stpcpy(at, CN_RESET CN_DIM);
	repeat(&at, color ? "\u2501" : "\u00b7", width - full - half);
	if (color)
		at = stpcpy(at, CN_RESET);
	return bar;
}
