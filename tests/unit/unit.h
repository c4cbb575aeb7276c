/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What every unit test includes: cmocka with what it needs, and recorded replies. Tests run in tests/unit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cephnode/base/json.h"

/* data/NAME.json as text (to be freed) and parsed (new reference). Fail the test when it is missing. */
char *unit_data(const char *name);
json_t *unit_json(const char *name);

/* The needle is in the haystack (NULL: it is not). */
void assert_has(const char *haystack, const char *needle);
/* The error has this code, and its message holds the text. Releases it. */
void assert_error(struct cn_error *e, enum cn_code code, const char *text);
