/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/base/log.h"

static void (*log_sink)(enum cn_log_level, const char *);
static enum cn_log_level log_up_to;

void cn_log_set(void (*sink)(enum cn_log_level, const char *text), enum cn_log_level up_to)
{
	log_sink = sink;
	log_up_to = up_to;
}

void cn_log(enum cn_log_level level, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	if (!log_sink || level > log_up_to)
		return;
	va_start(ap, fmt);
	text = cn_vasprintf(fmt, ap);
	va_end(ap);
	log_sink(level, text);
}
