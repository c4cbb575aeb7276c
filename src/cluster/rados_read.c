/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads of many objects, of omaps, and of who holds a lock. */
#include <errno.h>
#include <string.h>

#include "cluster/rados_impl.h"

#define IN_FLIGHT 128
#define OMAP_PAGE 1000         /* the OSD gives no more than 1024 at once */
#define LOCKERS_MOST (4 << 20) /* bytes of one list: nobody has so many lockers */

/* --- many objects --- */

struct flight {
	rados_completion_t done;
	rados_read_op_t op;
	struct cn_read *read;
	char *out; /* of librados */
	size_t len;
	int r; /* of the one operation in it */
};

static void land(struct flight *f)
{
	if (!f->read)
		return;
	rados_aio_wait_for_complete(f->done);
	f->read->r = rados_aio_get_return_value(f->done);
	if (f->read->r >= 0)
		f->read->r = f->r < 0 ? f->r : 0;
	if (f->read->r == 0 && f->out) {
		f->read->out = cn_malloc(f->len + 1);
		memcpy(f->read->out, f->out, f->len);
		f->read->len = f->len;
	}
	if (f->out)
		rados_buffer_free(f->out);
	rados_release_read_op(f->op);
	rados_aio_release(f->done);
	*f = (struct flight){0};
}

/* rados_aio_exec() into a buffer of ours would overrun it: here librados allocates. */
static void start(struct flight *f, rados_ioctx_t io, const struct cn_class_method *m, struct cn_read *read)
{
	int r;

	f->read = read;
	f->op = rados_create_read_op();
	if (m->name)
		rados_read_op_exec(f->op, m->cls, m->name, m->in ? m->in : "", m->in_len, &f->out, &f->len, &f->r);
	else
		rados_read_op_stat(f->op, NULL, NULL, &f->r);
	if (rados_aio_create_completion2(NULL, NULL, &f->done) < 0)
		abort(); /* out of memory, as in base */
	r = rados_aio_read_op_operate(f->op, io, f->done, read->oid, LIBRADOS_OPERATION_NOFLAG);
	if (r < 0) {
		read->r = r;
		rados_release_read_op(f->op);
		rados_aio_release(f->done);
		*f = (struct flight){0};
	}
}

int cn_rados_read_many(struct cn_cluster *c, const struct cn_object *o, const struct cn_class_method *m, struct cn_read *v,
		       size_t n)
{
	struct flight flights[IN_FLIGHT] = {0};
	rados_ioctx_t io;
	int r = cn_rados_ioctx(c, o, &io);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct flight *f = &flights[i % IN_FLIGHT];

		land(f);
		start(f, io, m, &v[i]);
	}
	for (size_t i = 0; i < IN_FLIGHT; i++)
		land(&flights[i]);
	return 0;
}

/* --- omap --- */

static char *copy(const char *bytes, size_t len)
{
	char *s = cn_malloc(len + 1);

	if (len)
		memcpy(s, bytes, len);
	s[len] = '\0';
	return s;
}

static int take_page(rados_omap_iter_t page, struct cn_pairs *ret)
{
	char *key, *value;
	size_t key_len, value_len;
	int r;

	while ((r = rados_omap_get_next2(page, &key, &value, &key_len, &value_len)) == 0 && key) {
		cn_grow(&ret->v, &ret->cap, ret->n, sizeof(*ret->v));
		ret->v[ret->n++] = (struct cn_pair){copy(key, key_len), copy(value, value_len), key_len, value_len};
	}
	return r;
}

int cn_rados_omap(struct cn_cluster *c, const struct cn_object *o, const char *prefix, struct cn_pairs *ret)
{
	unsigned char more = 1;
	rados_ioctx_t io;
	int r = cn_rados_ioctx(c, o, &io);

	while (r == 0 && more) {
		const char *after = ret->n ? ret->v[ret->n - 1].key : "";
		rados_read_op_t op = rados_create_read_op();
		rados_omap_iter_t page = NULL;
		size_t before = ret->n;
		int prval = 0;

		rados_read_op_omap_get_vals2(op, after, prefix, OMAP_PAGE, &page, &more, &prval);
		r = rados_read_op_operate(op, io, o->oid, LIBRADOS_OPERATION_NOFLAG);
		if (r == 0)
			r = prval;
		if (r == 0)
			r = take_page(page, ret);
		if (page)
			rados_omap_get_end(page);
		rados_release_read_op(op);
		if (ret->n == before)
			break;
	}
	return r;
}

/* --- lockers --- */

int cn_rados_lockers(struct cn_cluster *c, const struct cn_object *o, const char *name, struct cn_lockers *ret)
{
	_cleanup_free_ char *buf = NULL;
	ssize_t n = -ERANGE;
	rados_ioctx_t io;
	int exclusive = 0, r = cn_rados_ioctx(c, o, &io);

	if (r < 0)
		return r;
	for (size_t size = 8192; n == -ERANGE && size <= LOCKERS_MOST; size *= 8) {
		size_t tag_len = size, clients_len = size, cookies_len = size, addrs_len = size;
		const char *client, *cookie, *address;

		free(buf);
		buf = cn_calloc(4, size);
		n = rados_list_lockers(io, o->oid, name, &exclusive, buf, &tag_len, buf + size, &clients_len, buf + 2 * size,
				       &cookies_len, buf + 3 * size, &addrs_len);
		if (n < 0)
			continue;
		client = buf + size;
		cookie = buf + 2 * size;
		address = buf + 3 * size;
		*ret = (struct cn_lockers){cn_calloc((size_t)n, sizeof(*ret->v)), (size_t)n, exclusive != 0, cn_strdup(buf)};
		for (ssize_t i = 0; i < n; i++) { /* each list: strings one behind the other, each with its NUL */
			ret->v[i] = (struct cn_locker){cn_strdup(client), cn_strdup(cookie), cn_strdup(address)};
			client += strlen(client) + 1;
			cookie += strlen(cookie) + 1;
			address += strlen(address) + 1;
		}
	}
	return n < 0 ? (int)n : 0;
}
