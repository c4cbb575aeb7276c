/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hook's place among the files of heat-config and os-collect-config. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cephnode/base/file.h"
#include "cephnode/base/json.h"
#include "cephnode/base/text.h"
#include "cephnode/heat/hook.h"

#define HOOKS "/var/lib/heat-config/hooks"
#define DEPLOYED "/var/lib/heat-config/deployed"
#define DROPIN "/etc/systemd/system/os-collect-config.service.d"
#define GROUP "cephnode"
#define DEPLOYMENT_MAX (4 << 20)

/* --- install --- */

static int cannot(struct cn_error *err, const char *what, const char *path)
{
	int e = errno;

	return cn_error_set(err, CN_FAILED, e, "cannot %s %s: %s", what, path, strerror(e));
}

static int make_folders(const char *path, struct cn_error *err)
{
	_cleanup_free_ char *p = cn_strdup(path);

	for (char *slash = strchr(p + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		if (mkdir(p, 0755) < 0 && errno != EEXIST)
			return cannot(err, "make", p);
		if (!slash)
			return 0;
		*slash = '/';
	}
}

/* Whole or not at all: heat-config may start a hook at any moment. */
static int put_file(const char *folder, const char *name, const char *text, mode_t mode, struct cn_strv *ret_done,
		    struct cn_error *err)
{
	_cleanup_free_ char *path = cn_asprintf("%s/%s", folder, name);
	int r = make_folders(folder, err);

	if (r == 0)
		r = cn_file_replace(path, text, mode, err);
	if (r == 0)
		cn_strv_add(ret_done, path);
	return r;
}

int cn_hook_install(const char *root, const char *command, const char *recover, struct cn_strv *ret_done, struct cn_error *err)
{
	_cleanup_free_ char *hooks = cn_asprintf("%s" HOOKS, root), *dropin = cn_asprintf("%s" DROPIN, root);
	_cleanup_free_ char *script = cn_asprintf("#!/bin/sh\n"
						  "# made by cephnode heat hook --install\n"
						  "exec %s\n",
						  command);
	_cleanup_free_ char *unit = cn_asprintf("# made by cephnode heat hook --install\n"
						"# A hook that died in the middle is run again: see cephnode(1), HEAT.\n"
						"[Service]\n"
						"ExecStartPre=-%s\n",
						recover);
	int r = put_file(hooks, GROUP, script, 0755, ret_done, err);

	return r < 0 ? r : put_file(dropin, "cephnode.conf", unit, 0644, ret_done, err);
}

/* --- recover --- */

/* The folder, locked for as long as the descriptor is open. */
static int lock_folder(const char *root, int how)
{
	_cleanup_free_ char *path = cn_asprintf("%s" DEPLOYED, root);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), e;

	if (fd < 0)
		return -errno;
	if (flock(fd, how | LOCK_NB) == 0)
		return fd;
	e = errno;
	close(fd);
	return -e;
}

void cn_hook_lock(const char *root)
{
	(void)lock_folder(root, LOCK_SH); /* held until the process ends */
}

static bool is_of_group(int folder, const char *name)
{
	_cleanup_json_ json_t *j = NULL;
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;
	FILE *f;

	if (fd < 0)
		return false;
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return false;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= DEPLOYMENT_MAX)
		j = json_loadf(f, 0, NULL);
	fclose(f);
	return strcmp(cn_json_str(j, "group", ""), GROUP) == 0;
}

/* "ID.json" without "ID.notify.json". */
static bool died(int folder, const char *name)
{
	size_t len = strlen(name);
	_cleanup_free_ char *notify = NULL;

	if (len <= 5 || strcmp(name + len - 5, ".json") != 0 || (len > 12 && strcmp(name + len - 12, ".notify.json") == 0))
		return false;
	notify = cn_asprintf("%.*s.notify.json", (int)(len - 5), name);
	return faccessat(folder, notify, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT && is_of_group(folder, name);
}

static int remove_dead(int folder, struct cn_strv *ret_done, struct cn_error *err)
{
	DIR *d = fdopendir(dup(folder));
	struct dirent *e;
	int r = 0;

	if (!d)
		return cannot(err, "read", DEPLOYED);
	while (r == 0 && (e = readdir(d))) {
		_cleanup_free_ char *safe = cn_text_safe(e->d_name);

		if (!died(folder, e->d_name))
			continue;
		if (unlinkat(folder, e->d_name, 0) < 0)
			r = cannot(err, "remove", safe);
		else
			cn_strv_add(ret_done, e->d_name);
	}
	closedir(d);
	return r;
}

int cn_hook_recover(const char *root, struct cn_strv *ret_done, struct cn_error *err)
{
	int fd = lock_folder(root, LOCK_EX), r;

	if (fd == -ENOENT)
		return 0;
	if (fd == -EWOULDBLOCK)
		return cn_error_set(err, CN_REFUSED, EBUSY, "the hook is running: nothing has died");
	if (fd < 0) {
		errno = -fd;
		return cannot(err, "open", DEPLOYED);
	}
	r = remove_dead(fd, ret_done, err);
	close(fd);
	return r;
}
