/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "locks/internal.h"

static int bad(const char *spec, const char *form, struct cn_error *err)
{
	return cn_error_set(err, CN_USAGE, EINVAL, "'%s' is not of the form %s", spec, form);
}

int cn_lock_scope_image(struct cn_cluster *c, const char *spec, struct cn_lock_scope *ret, char **ret_buf, struct cn_error *err)
{
	_cleanup_free_ char *pool = NULL, *buf = cn_strdup(spec);
	char *slash = strchr(buf, '/'), *second = slash ? strchr(slash + 1, '/') : NULL;
	struct cn_lock_scope s = {.ns = ""};

	if (!slash) {
		if (c->ops->option(c, "rbd_default_pool", &pool) < 0 || !*pool) {
			free(pool);
			pool = cn_strdup("rbd");
		}
		free(buf);
		buf = cn_asprintf("%s/%s", pool, spec);
		slash = buf + strlen(pool);
	}
	*slash = '\0';
	s.pool = buf;
	s.image = slash + 1;
	if (second) {
		*second = '\0';
		s.ns = slash + 1;
		s.image = second + 1;
	}
	if (!*s.pool || !*s.image)
		return bad(spec, "[POOL/[NAMESPACE/]]IMAGE", err);
	*ret = s;
	*ret_buf = TAKE_PTR(buf);
	return 0;
}

int cn_lock_scope_pool(const char *spec, struct cn_lock_scope *ret, char **ret_buf, struct cn_error *err)
{
	_cleanup_free_ char *buf = cn_strdup(spec);
	char *slash = strchr(buf, '/');

	if (slash)
		*slash = '\0';
	if (!*buf)
		return bad(spec, "POOL[/NAMESPACE]", err);
	*ret = (struct cn_lock_scope){.pool = buf, .ns = slash ? slash + 1 : NULL};
	*ret_buf = TAKE_PTR(buf);
	return 0;
}
