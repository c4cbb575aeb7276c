/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Chatter. Goes to the sink that src/cli installs (stderr, below or around the progress line); nowhere without one. */
#include "cephnode/base/util.h"

enum cn_log_level { CN_LOG_WARNING, CN_LOG_NOTE, CN_LOG_DEBUG };

void cn_log_set(void (*sink)(enum cn_log_level, const char *text), enum cn_log_level up_to);
void cn_log(enum cn_log_level level, const char *fmt, ...) _printf_(2, 3);
#define cn_warning(...) cn_log(CN_LOG_WARNING, __VA_ARGS__)
#define cn_note(...) cn_log(CN_LOG_NOTE, __VA_ARGS__)
#define cn_debug(...) cn_log(CN_LOG_DEBUG, __VA_ARGS__)
