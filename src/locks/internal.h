/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Shared by the files of src/locks. */
#include "cephnode/locks/locks.h"

#define CN_LOCK_NAME "rbd_lock" /* librbd's, and that of `rbd lock add` */
#define CN_KUBELET_COOKIE "kubelet_lock_magic_"

/* --- decode.c: what OSD classes take and give; nothing of a reply is believed. False: it is not what it should be. --- */

/* A string as Ceph encodes it: length, bytes. To be freed. */
char *cn_encode_string(const char *s, size_t *ret_len);
bool cn_decode_string(const char *in, size_t len, char **ret);
/* The argument of `lock.get_info`, to be freed; how many lockers its reply holds. */
char *cn_encode_get_info(size_t *ret_len);
bool cn_decode_locker_count(const char *in, size_t len, uint32_t *ret);
/* The name in an entry of rbd_trash. */
bool cn_decode_trash_name(const char *in, size_t len, char **ret);
bool cn_decode_u64(const char *in, size_t len, uint64_t *ret);
/* To be freed. */
char *cn_base64(const char *s);

/* --- scan.c --- */

const char *cn_lock_image_name(const struct cn_lock_image *i);  /* by which `rbd` knows it: in the trash its id; borrowed */
struct cn_object cn_lock_object(const struct cn_lock_image *i); /* pool and namespace; oid NULL */
char *cn_lock_header(const char *image_id);                     /* "rbd_header.<id>", to be freed */
void cn_lock_error_add(struct cn_lock_list *l, const char *pool, const char *ns, const char *image, const char *op, int r);
/* One class read of one object: 0 or -errno. out to be freed, may be NULL on success. */
int cn_lock_read(struct cn_cluster *c, const struct cn_object *o, const char *oid, const struct cn_class_method *m,
		 char **ret_out, size_t *ret_len);
/* Reads features, pools, mirroring and watchers of one image. */
void cn_lock_look_at(struct cn_cluster *c, struct cn_lock_image *image);
