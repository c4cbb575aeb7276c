/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Shared by the files that stand on librados: its contexts, and the parts of struct cn_cluster_ops that have files of their
 * own. */
#include <rados/librados.h>

#include "cephnode/cluster/cluster.h"

/* Borrowed, good until the connection ends. */
int cn_rados_ioctx(struct cn_cluster *c, const struct cn_object *o, rados_ioctx_t *ret);

/* rados_args.c: takes from CEPH_ARGS what config does not give yet. words: zeroed, owns what config points to then; to be
 * released. CN_USAGE for an option without a value. */
int cn_rados_args(struct cn_cluster_config *config, struct cn_strv *words, struct cn_error *err);

/* rados_explain.c: say in err why librados did not connect (r, by the configuration it has in the end), could not read a file or
 * use a name. May look into the files in question. Return -errno. */
int cn_rados_explain(int r, rados_t rados, const struct cn_cluster_config *config, const char *entity, struct cn_error *err);
int cn_rados_explain_conf(int r, const char *path, struct cn_error *err);
int cn_rados_explain_name(int r, const char *name, struct cn_error *err);

int cn_rados_lockers(struct cn_cluster *c, const struct cn_object *o, const char *name, struct cn_lockers *ret);
int cn_rados_read_many(struct cn_cluster *c, const struct cn_object *o, const struct cn_class_method *m, struct cn_read *v,
		       size_t n);
int cn_rados_omap(struct cn_cluster *c, const struct cn_object *o, const char *prefix, struct cn_pairs *ret);
int cn_rbd_watchers(struct cn_cluster *c, const struct cn_object *o, struct cn_watchers *ret);
