/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Files that others may read at any moment. */
#include <sys/types.h>

#include "cephnode/base/error.h"

/* The file is text now, with this mode whatever the umask, or what it was before: a new one beside it takes its place. Blocks for
 * the disk. CN_FAILED. */
int cn_file_replace(const char *path, const char *text, mode_t mode, struct cn_error *err);
