/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pieces.h"

#include <string.h>

#include "cephnode/base/text.h"

/* Text that grows by cn_asprintf(); these are short. */
void cn_append(char **text, const char *more)
{
	char *both = cn_asprintf("%s%s", *text ? *text : "", more);

	free(*text);
	*text = both;
}

void cn_append_owned(char **text, char *more)
{
	cn_append(text, more);
	free(more);
}

/* "osd.3, osd.9", and the count from the third on: "osd.1, osd.3, osd.9 (3)". */
char *cn_osds_text(const json_t *ids)
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
void cn_append_messages(char **text, const char *label, const char *color, const json_t *list, const struct cn_table_style *style)
{
	const json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		_cleanup_free_ char *safe = NULL;

		if (i == MESSAGES_MOST) {
			cn_append_owned(text, cn_asprintf("... and %zu more\n", json_array_size(list) - i));
			return;
		}
		safe = cn_text_safe(json_is_string(item) ? json_string_value(item) : cn_json_str(item, "message", "?"));
		cn_append_owned(
			text, cn_asprintf("%s%s:%s %s\n", style->color ? color : "", label, style->color ? CN_RESET : "", safe));
	}
}
