/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names of several drains, and what to say of one that no drain has. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"

void cn_drain_names(const char *name, struct cn_strv *ret)
{
	size_t n = ret->n;

	cn_strv_split(ret, name, ",");
	if (ret->n == n) /* nothing but commas: that names nothing, and must not become "all" */
		cn_strv_add(ret, name);
}

/* "osd.3", "osd:3", "osd:osd.3", or -1. */
static int osd_named(const char *name)
{
	const char *digits = name + (strncmp(name, "osd:", 4) == 0 ? 4 : 0);

	digits += strncmp(digits, "osd.", 4) == 0 ? 4 : 0;
	if (digits == name || !*digits || strlen(digits) > 9 || digits[strspn(digits, "0123456789")])
		return -1;
	return atoi(digits);
}

int cn_call_unknown(const struct cn_journals *l, const char *name, const char *command, struct cn_error *err)
{
	int osd = osd_named(name);

	for (size_t i = 0; i < l->n && osd >= 0; i++) {
		const struct cn_journal *j = &l->v[i];

		if (cn_journal_is_tombstone(j) || !cn_journal_osd(j, osd))
			continue;
		cn_error_set(err, CN_NOT_FOUND, ENOENT, "no drain of %s alone is known: it is part of the drain of %s", name,
			     j->node);
		cn_error_hint(err, "name that one: cephnode %s %s", command, j->node);
		return -ENOENT;
	}
	cn_error_set(err, CN_NOT_FOUND, ENOENT, "no drain of %s is known", name);
	cn_error_hint(err, "see: cephnode status");
	return -ENOENT;
}
