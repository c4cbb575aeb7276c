/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cephnode/base/util.h"

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = write(fd, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text += n;
		left -= (size_t)n;
	}
	return 0;
}

static int cannot_write(struct cn_error *err, const char *path)
{
	int e = errno;

	return cn_error_set(err, CN_FAILED, e, "cannot write %s: %s", path, strerror(e));
}

int cn_file_replace(const char *path, const char *text, mode_t mode, struct cn_error *err)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	/* hidden, and not of the same ending: who reads all files of the folder does not take it for one */
	_cleanup_free_ char *tmp = cn_asprintf("%.*s.%s.XXXXXX", (int)(name - path), path, name);
	int fd = mkostemp(tmp, O_CLOEXEC), r = 0;

	if (fd < 0)
		return cannot_write(err, path);
	if (write_all(fd, text) < 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0 || rename(tmp, path) < 0) {
		r = cannot_write(err, path);
		unlink(tmp);
	}
	close(fd);
	return r;
}
