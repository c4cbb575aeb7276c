/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "cephnode/base/text.h"
#include "cephnode/output/locks.h"
#include "pieces.h"

static char *image_cell(const json_t *row)
{
	const char *ns = cn_json_str(row, "namespace", ""), *name = cn_json_str(row, "image", NULL);
	bool trash = cn_json_bool(row, "in_trash", false);

	return cn_asprintf("%s/%s%s%s%s", cn_json_str(row, "pool", "?"), ns, *ns ? "/" : "",
			   name && !trash ? name : cn_json_str(row, "image_id", "?"), trash ? " (trash)" : "");
}

static char *kind_cell(const json_t *row)
{
	static const char *const traits[] = {"journaling", "mirrored"};
	_cleanup_(cn_strv_release) struct cn_strv words = {0};

	cn_strv_add(&words, cn_json_str(row, "kind", "?"));
	for (size_t i = 0; i < ARRAY_SIZE(traits); i++)
		if (cn_json_bool(row, traits[i], false))
			cn_strv_add(&words, traits[i]);
	if (!cn_json_bool(row, "exclusive", true))
		cn_strv_add(&words, "shared");
	return cn_strv_join(&words, ", ");
}

static char *watchers_cell(const json_t *row)
{
	_cleanup_(cn_strv_release) struct cn_strv words = {0};
	const json_t *w;
	size_t i;

	json_array_foreach (cn_json_arr(row, "watchers"), i, w)
		cn_strv_add(&words, cn_json_str(w, "address", "?"));
	return words.n ? cn_strv_join(&words, ",") : NULL;
}

static const char *state_color(const json_t *row)
{
	const char *state = cn_json_str(row, "state", "");

	if (strcmp(state, "alive") == 0)
		return CN_GREEN;
	return strcmp(state, "unknown") == 0 ? CN_RED : CN_YELLOW;
}

static const struct cn_column columns[] = {
	{"IMAGE", NULL, CN_COLUMN_TEXT, .cell = image_cell},
	{"KIND", NULL, CN_COLUMN_TEXT, .cell = kind_cell},
	{"STATE", "state", CN_COLUMN_TEXT, .color = state_color},
	{"LOCKER", "locker", CN_COLUMN_TEXT},
	{"LOCK ID", "lock_id", CN_COLUMN_TEXT, CN_COLUMN_CUT},
	{"ADDRESS", "address", CN_COLUMN_TEXT},
	{"NODE", "node", CN_COLUMN_TEXT},
	{"SAME ADDRESS", "same_address_locks", CN_COLUMN_INT, .room = 120},
	{"FENCED UNTIL", "fenced_until", CN_COLUMN_TEXT, .room = 140},
	{"WATCHERS", NULL, CN_COLUMN_TEXT, CN_COLUMN_VERBOSE | CN_COLUMN_CUT, .cell = watchers_cell},
	{"IMAGE ID", "image_id", CN_COLUMN_TEXT, CN_COLUMN_VERBOSE},
};

char *cn_view_locks(const json_t *doc, const struct cn_table_style *style)
{
	const json_t *locks = cn_json_arr(doc, "locks");

	if (json_array_size(locks) == 0)
		return cn_strdup("no locks\n");
	return cn_table_render(columns, ARRAY_SIZE(columns), locks, style);
}

static void append_lock(char **text, const json_t *row)
{
	_cleanup_free_ char *image = image_cell(row), *line = NULL, *safe = NULL;
	const char *outcome = cn_json_str(row, "outcome", "?");

	line = cn_asprintf("%s: lock '%s' of %s: %s", image, cn_json_str(row, "lock_id", ""), cn_json_str(row, "locker", "?"),
			   strcmp(outcome, "none") == 0 ? "would be broken" : outcome);
	safe = cn_text_safe(line);
	cn_append(text, safe);
	cn_append(text, "\n");
}

static void append_fence(char **text, const json_t *fence, bool dry_run)
{
	const char *address = cn_json_str(fence, "address", "?"), *until = cn_json_str(fence, "until", NULL);

	if (!until && dry_run)
		cn_append_owned(text, cn_asprintf("%s would be fenced\n", address));
	else
		cn_append_owned(text,
				cn_asprintf("%s stays fenced until %s; to lift it, only after the node was rebooted:\n    %s\n",
					    address, until ? until : "(not known)", cn_json_str(fence, "lift", "?")));
}

char *cn_view_locks_result(const json_t *event)
{
	const json_t *locks = cn_json_arr(event, "locks"), *j;
	bool dry_run = cn_json_bool(event, "dry_run", false);
	char *text = NULL;
	size_t i;

	json_array_foreach (locks, i, j)
		append_lock(&text, j);
	json_array_foreach (cn_json_arr(event, "fences"), i, j)
		append_fence(&text, j, dry_run);
	if (!text && strcmp(cn_json_str(event, "outcome", ""), "gone") == 0)
		cn_append(&text, "no lock is there, nothing was left to do\n");
	return text ? text : cn_strdup("");
}
