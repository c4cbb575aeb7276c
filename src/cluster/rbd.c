/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What only librbd can tell: librados' C interface has no list of watchers. */
#include <errno.h>
#include <rbd/librbd.h>

#include "cluster/rados_impl.h"

int cn_rbd_watchers(struct cn_cluster *c, const struct cn_object *o, struct cn_watchers *ret)
{
	_cleanup_free_ rbd_image_watcher_t *list = NULL;
	size_t n = 8;
	rbd_image_t image;
	rados_ioctx_t io;
	int r = cn_rados_ioctx(c, o, &io);

	if (r == 0)
		r = rbd_open_by_id_read_only(io, o->oid, &image, NULL); /* any other open would leave a watch */
	if (r < 0)
		return r;
	for (int tries = 0; tries < 8; tries++) { /* they may become more meanwhile */
		list = cn_realloc(list, n, sizeof(*list));
		r = rbd_watchers_list(image, list, &n);
		if (r != -ERANGE)
			break;
	}
	rbd_close(image);
	if (r < 0)
		return r;
	*ret = (struct cn_watchers){.v = cn_calloc(n, sizeof(*ret->v)), .n = n};
	for (size_t i = 0; i < n; i++)
		ret->v[i] = (struct cn_watcher){cn_strdup(list[i].addr), (uint64_t)list[i].id, list[i].cookie};
	rbd_watchers_list_cleanup(list, n);
	return 0;
}
