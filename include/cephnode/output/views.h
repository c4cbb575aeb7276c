/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What people see of the documents that -f json prints. The texts are to be freed, and end with a newline. */
#include "cephnode/output/table.h"

char *cn_view_discover(const json_t *doc, const struct cn_table_style *style);
/* One line a drain with a bar, with osds one more for each of its OSDs; "no drain is under way" when there is none. */
char *cn_view_status(const json_t *doc, bool osds, const struct cn_table_style *style);
/* One line a finding, what to do about it, and the Role to apply. */
char *cn_view_check(const json_t *doc, const struct cn_table_style *style);
/* The plan event: what goes, what moves, the pools, the warnings. */
char *cn_view_plan(const json_t *event, const struct cn_table_style *style);
