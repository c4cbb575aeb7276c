/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/base/error.h"

#include <errno.h>

int cn_error_set(struct cn_error *e, enum cn_code code, int errnum, const char *fmt, ...)
{
	va_list ap;
	char *message;

	errnum = abs(errnum);
	if (errnum == 0)
		errnum = EIO;
	if (!e)
		return -errnum;
	va_start(ap, fmt);
	message = cn_vasprintf(fmt, ap);
	va_end(ap);
	cn_error_release(e);
	e->code = code;
	e->errnum = errnum;
	e->message = message;
	return -errnum;
}

int cn_error_wrap(struct cn_error *e, const char *fmt, ...)
{
	_cleanup_free_ char *front = NULL;
	va_list ap;
	char *message;

	if (!e || !e->errnum)
		return -EIO;
	va_start(ap, fmt);
	front = cn_vasprintf(fmt, ap);
	va_end(ap);
	message = cn_asprintf("%s: %s", front, e->message);
	free(e->message);
	e->message = message;
	return -e->errnum;
}

void cn_error_hint(struct cn_error *e, const char *fmt, ...)
{
	va_list ap;

	if (!e || e->hint)
		return;
	va_start(ap, fmt);
	e->hint = cn_vasprintf(fmt, ap);
	va_end(ap);
}

void cn_error_move(struct cn_error *dst, struct cn_error *src)
{
	if (dst) {
		cn_error_release(dst);
		*dst = *src;
	} else {
		cn_error_release(src);
	}
	*src = (struct cn_error){};
}

void cn_error_release(struct cn_error *e)
{
	if (!e)
		return;
	free(e->message);
	free(e->hint);
	*e = (struct cn_error){};
}

int cn_error_interrupted(struct cn_error *e)
{
	return cn_error_set(e, CN_INTERRUPTED, EINTR, "interrupted");
}
