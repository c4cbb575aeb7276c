/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <stdio.h>

char *unit_data(const char *name)
{
	_cleanup_free_ char *path = cn_asprintf("data/%s.json", name);
	FILE *f = fopen(path, "r");
	char *text = NULL;
	size_t len = 0, cap = 0;

	if (!f)
		fail_msg("cannot open %s: run the test in tests/unit", path);
	do {
		cn_grow(&text, &cap, len + 65536, 1);
		len += fread(text + len, 1, 65536, f);
	} while (!feof(f) && !ferror(f));
	text[len] = '\0';
	fclose(f);
	return text;
}

json_t *unit_json(const char *name)
{
	_cleanup_free_ char *text = unit_data(name);
	json_error_t e;
	json_t *j = json_loads(text, 0, &e);

	if (!j)
		fail_msg("%s: %s in line %d", name, e.text, e.line);
	return j;
}

void assert_has(const char *haystack, const char *needle)
{
	if (!haystack || !strstr(haystack, needle))
		fail_msg("'%s' is not in: %s", needle, haystack ? haystack : "(null)");
}

void assert_error(struct cn_error *e, enum cn_code code, const char *text)
{
	assert_int_equal(e->code, code);
	assert_has(e->message, text);
	cn_error_release(e);
}
