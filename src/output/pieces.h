/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Inside of src/output: pieces of text that several views are made of. */
#include "cephnode/output/table.h"

/* Text that grows: *text is reallocated, NULL counts as empty. */
void cn_append(char **text, const char *more);
void cn_append_owned(char **text, char *more); /* takes more over */
/* "osd.3, osd.9", and the count from the third on; NULL for none. To be freed. */
char *cn_osds_text(const json_t *ids);
/* Strings, or objects with a message, one line each behind a label. */
void cn_append_messages(char **text, const char *label, const char *color, const json_t *list,
			const struct cn_table_style *style);
