/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * An error is set once where it happens, wrapped by each layer with what that layer was doing, and printed once
 * by src/cli. Its code is the exit status of the process (docs/cephnode.1, EXIT STATUS).
 */
#include "cephnode/base/util.h"

enum cn_code {
	CN_OK = 0,
	CN_FAILED = 1,
	CN_USAGE = 2,
	CN_NOT_FOUND = 3,
	CN_REFUSED = 4,
	CN_TIMEOUT = 5,
	CN_PARTIAL = 6,
	CN_INTERRUPTED = 130,
};

struct cn_error {
	enum cn_code code;
	int errnum;    /* positive errno, 0 while no error is set */
	char *message; /* owned; lower case, no full stop */
	char *hint;    /* owned or NULL; what to do about it */
};

/* Sets the error (an earlier one is replaced). errnum may be negative or 0 (EIO is taken). Returns -errno.
 * With e == NULL nothing is stored. */
int cn_error_set(struct cn_error *e, enum cn_code code, int errnum, const char *fmt, ...) _printf_(4, 5);
/* Puts "<text>: " in front of the message. Returns -errno of the error, -EIO when none is set. */
int cn_error_wrap(struct cn_error *e, const char *fmt, ...) _printf_(2, 3);
/* Sets the hint unless a lower layer has set one already. */
void cn_error_hint(struct cn_error *e, const char *fmt, ...) _printf_(2, 3);
/* Moves src to dst (dst is released first); src is empty afterwards. */
void cn_error_move(struct cn_error *dst, struct cn_error *src);
void cn_error_release(struct cn_error *e);
#define _cleanup_error_ _cleanup_(cn_error_release)

/* Sets CN_INTERRUPTED / EINTR with the standard words. Returns -EINTR. */
int cn_error_interrupted(struct cn_error *e);
