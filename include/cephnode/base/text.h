/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Numbers for people, and foreign text made harmless for a terminal. All results are to be freed. */
#include "cephnode/base/util.h"

char *cn_format_bytes(int64_t bytes);      /* "1.5 GiB" */
char *cn_format_duration(int64_t seconds); /* "2 h 05 min", "42 s" */
/* Control characters and bytes that are not UTF-8 as \xNN, so that a name cannot steer the terminal. */
char *cn_text_safe(const char *s);
/* Copies s with every byte that is not part of valid UTF-8 replaced by U+FFFD. */
char *cn_utf8_repair(const char *s, size_t len, size_t *ret_len);
bool cn_utf8_valid(const char *s, size_t len);
/* Whole decimal number within [min, max]; false on anything else (blank, trailing text, overflow). */
bool cn_parse_int(const char *s, int64_t min, int64_t max, int64_t *ret);
