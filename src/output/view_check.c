/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/output/views.h"
#include "pieces.h"

static char *check_ok(const json_t *row)
{
	return cn_strdup(cn_json_bool(row, "ok", false) ? "ok" : "MISSING");
}

static const char *check_color(const json_t *row)
{
	return cn_json_bool(row, "ok", false) ? CN_GREEN : CN_RED;
}

static const struct cn_column check_columns[] = {
	{"", NULL, CN_COLUMN_TEXT, .cell = check_ok, .color = check_color},
	{"WHAT", "what", CN_COLUMN_TEXT},
	{"FINDING", "message", CN_COLUMN_TEXT},
};

char *cn_view_check(const json_t *doc, const struct cn_table_style *style)
{
	json_t *findings = cn_json_arr(doc, "findings"), *hints = json_array(), *f;
	char *text = cn_table_render(check_columns, ARRAY_SIZE(check_columns), findings, style);
	const char *role = cn_json_str(doc, "role", NULL);
	size_t i, k;

	json_array_foreach (findings, i, f) {
		json_t *hint = json_object_get(f, "hint");
		bool known = !json_is_string(hint);

		for (k = 0; k < json_array_size(hints) && !known; k++)
			known = json_equal(json_array_get(hints, k), hint);
		if (!known)
			json_array_append(hints, hint);
	}
	if (json_array_size(hints))
		cn_append(&text, "\n");
	cn_append_messages(&text, "hint", CN_YELLOW, hints, style);
	json_decref(hints);
	if (role) {
		cn_append(&text, "\nThe rights that are needed, to be bound to the account of cephnode:\n\n");
		cn_append(&text, role);
	}
	return text;
}
