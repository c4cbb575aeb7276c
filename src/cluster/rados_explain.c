/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Why librados did not connect. It has few numbers for many causes; without any key it goes on, and the monitors refuse. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/rados_impl.h"

/* "[client.admin]", with blanks wherever they may be. */
static bool is_section(const char *line, const char *entity)
{
	size_t len = strlen(entity);

	line += strspn(line, " \t");
	if (*line++ != '[')
		return false;
	line += strspn(line, " \t");
	if (strncmp(line, entity, len) != 0)
		return false;
	line += len;
	return line[strspn(line, " \t")] == ']';
}

/* 1: it has a key of the entity, as far as can be told. 0: it has none. -errno: it cannot be read. */
static int look_into(const char *path, const char *entity)
{
	_cleanup_free_ char *line = NULL;
	struct stat st;
	size_t size = 0;
	bool found = false;
	FILE *f;

	if (stat(path, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	if (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)) /* has been read already */
		return 1;
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!found && getline(&line, &size, f) >= 0)
		found = is_section(line, entity);
	fclose(f);
	if (line)
		explicit_bzero(line, size);
	return found;
}

static bool is_set(rados_t rados, const char *option)
{
	char text[4096] = "";

	return rados_conf_get(rados, option, text, sizeof(text)) != 0 || text[0];
}

/* A keyring that somebody named is usage, as a configuration file is; the default ones are how the machine is. */
static enum cn_code code_of(const struct cn_cluster_config *config, int r)
{
	return config->keyring || getenv("CEPH_KEYRING") || r == -EISDIR ? CN_USAGE : CN_FAILED;
}

static void no_key(const struct cn_cluster_config *config, const char *entity, const char *path, int r, struct cn_error *err)
{
	if (r < 0) {
		cn_error_set(err, code_of(config, r), r, "cannot connect to the cluster: cannot read the keyring %s: %s", path,
			     strerror(-r));
		cn_error_hint(err,
			      r == -EISDIR ? "name the file with the key of %s by --keyring or CEPH_KEYRING"
					   : "run as a user who may read it, or name the file with the key of %s by --keyring",
			      entity);
	} else {
		cn_error_set(err, CN_FAILED, ENOKEY, "cannot connect to the cluster: the keyring %s has no key of %s", path,
			     entity);
		cn_error_hint(err, "name another client with --id or --name, or another keyring with --keyring");
	}
}

/* Of the keyrings that the configuration names librados takes the first that can be opened. False: it had a key. */
static bool explain_key(rados_t rados, const struct cn_cluster_config *config, const char *entity, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv paths = {};
	_cleanup_free_ char *list = NULL;
	const char *barred = NULL;
	char text[4096] = "";
	int why = 0;

	if (is_set(rados, "key") || is_set(rados, "keyfile") || rados_conf_get(rados, "keyring", text, sizeof(text)) < 0)
		return false;
	cn_strv_split(&paths, text, ";,= \t");
	for (size_t i = 0; i < paths.n; i++) {
		int r = look_into(paths.v[i], entity);

		if (r > 0)
			return false;
		if (r == 0 || r == -EISDIR) {
			no_key(config, entity, paths.v[i], r, err);
			return true;
		}
		if (r != -ENOENT && r != -ENOTDIR && !barred) {
			barred = paths.v[i];
			why = r;
		}
	}
	if (barred) {
		no_key(config, entity, barred, why, err);
		return true;
	}
	list = cn_strv_join(&paths, ", no ");
	cn_error_set(err, code_of(config, 0), ENOENT, "cannot connect to the cluster: no keyring for %s was found: %s%s", entity,
		     paths.n ? "there is no " : "no file is named", list);
	cn_error_hint(err, "name the file with its key by --keyring or CEPH_KEYRING, or another client with --id or --name");
	return true;
}

int cn_rados_explain(int r, rados_t rados, const struct cn_cluster_config *config, const char *entity, struct cn_error *err)
{
	if (r == -ETIMEDOUT) {
		cn_error_set(err, CN_TIMEOUT, r, "cannot connect to the cluster: no monitor quorum answered within %u s",
			     config->connect_timeout_s);
		cn_error_hint(err, "check mon_host and the network, and on a monitor's host: ceph daemon mon.ID mon_status");
	} else if (r == -ENOENT && !is_set(rados, "mon_host")) {
		cn_error_set(err, CN_FAILED, r, "cannot connect to the cluster: no monitor address was found");
		cn_error_hint(err, "name a configuration file with --conf or CEPH_CONF, or give --mon-host and --keyring");
	} else if (r != -EINVAL && explain_key(rados, config, entity, err)) {
		return r;
	} else if (r == -EACCES || r == -EPERM) {
		cn_error_set(err, CN_FAILED, r, "cannot connect to the cluster: the monitors refused the key of %s", entity);
		cn_error_hint(err, "compare the keyring with: ceph auth get %s", entity);
	} else {
		cn_error_set(err, CN_FAILED, r, "cannot connect to the cluster as %s: %s", entity, strerror(-r));
		cn_error_hint(err, "check --conf, --mon-host, --name and --keyring");
	}
	return r;
}

int cn_rados_explain_conf(int r, const char *path, struct cn_error *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		r = -errno;
	else if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		r = -EISDIR;
	if (fd >= 0)
		close(fd);
	cn_error_set(err, CN_USAGE, r, "cannot read the configuration file %s: %s", path, strerror(-r));
	cn_error_hint(err, "name it with --conf or CEPH_CONF, or give --mon-host and --keyring");
	return r;
}

int cn_rados_explain_name(int r, const char *name, struct cn_error *err)
{
	cn_error_set(err, CN_USAGE, r, "cannot use the name %s: it is not TYPE.ID, such as client.admin", name);
	if (strchr(name, '.'))
		cn_error_hint(err, "give --name client.ID, or --id ID");
	else
		cn_error_hint(err, "give --name client.%s, or --id %s", name, name);
	return r;
}
