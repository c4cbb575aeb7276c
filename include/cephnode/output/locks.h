/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What people see of locks. */
#include "cephnode/output/table.h"

/* The document of `locks list -f json` as a table, to be freed; "no locks" when there is none. */
char *cn_view_locks(const json_t *doc, const struct cn_table_style *style);
/* The result event of `locks break`: what became of each lock, and what stays fenced. To be freed. */
char *cn_view_locks_result(const json_t *event);
