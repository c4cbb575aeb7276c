/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kubeconfig files: YAML, merging, the context. Linked with --wrap=cn_kube_read_file, so that no input names a file of ours. */
#include <errno.h>

#include "kube/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int __wrap_cn_kube_read_file(const char *path, char **ret, size_t *ret_len, struct cn_error *err);

int __wrap_cn_kube_read_file(const char *path, char **ret, size_t *ret_len, struct cn_error *err)
{
	if (*path == '/')
		return cn_error_set(err, CN_USAGE, ENOENT, "cannot read %s", path);
	*ret = cn_strdup("-----BEGIN ");
	*ret_len = 11;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cn_kube_config c = {};
	struct cn_error err = {};
	int r = cn_kubeconfig_parse((const char *)data, size, "config", NULL, &c, &err);

	if ((r < 0) != (err.errnum != 0) || (r < 0 && err.code != CN_USAGE) || (r == 1 && !c.server))
		abort();
	cn_kube_config_release(&c);
	cn_error_release(&err);
	return 0;
}
