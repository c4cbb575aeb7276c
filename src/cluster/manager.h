/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Commands to the manager, with a time limit that holds. */
#include <rados/librados.h>

#include "cephnode/cluster/cluster.h"

struct cn_manager;

/* open: makes a connection that is not to have time limits of its own, called at the first command. */
struct cn_manager *cn_manager_new(int (*open)(void *arg, rados_t *ret), void *arg, unsigned limit_s);
/* Ends the connection. Blocks for no answer. */
void cn_manager_free(struct cn_manager *m);
/* 0: none. For commands sent from now on. */
void cn_manager_limit(struct cn_manager *m, unsigned limit_s);
/* As rados_mgr_command(). -ETIMEDOUT when the limit is over, also where it was not sent because earlier ones are still on their
 * way. From several threads at once. */
int cn_manager_command(struct cn_manager *m, const char *cmd, char **ret_out, size_t *ret_len, char **ret_status,
		       size_t *ret_status_len);
