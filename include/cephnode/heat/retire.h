/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* `heat retire`: scales a group down by exactly this node, and waits until its server is gone. */
#include "cephnode/drain/drain.h"
#include "cephnode/heat/match.h"

struct cn_retire {
	char *node;         /* as it was named */
	struct cn_ids osds; /* of it; none where they are gone, or without a cluster */
	struct cn_stack_ref stack;
	char *parameter;         /* of the stack, that the group's size is */
	struct cn_member member; /* that goes */
	char *server;            /* its id in Nova */
	size_t size;             /* what the group's size is to be */
	bool again;              /* an earlier attempt has failed, or is under way: it is not marked anew */
};
void cn_retire_release(struct cn_retire *r);

/* Finds the member that the node is, by its OSDs or its address, and how its group is scaled. c: NULL without a cluster: by its
 * address alone. Changes nothing. CN_NOT_FOUND: no member is this node; CN_REFUSED: its deletion would not wait for a drain, or
 * another member would go with it. Blocks. */
int cn_retire_plan(struct cn_os *os, struct cn_cluster *c, struct cn_kube *kube, const char *stack, const char *node,
		   struct cn_retire *ret, struct cn_error *err);
/* Marks the member and sets the group's size. CHANGES the stack: from now on the node is drained and deleted. */
int cn_retire_begin(struct cn_os *os, const struct cn_retire *r, struct cn_error *err);
/* What is told meanwhile of the node's drain, whoever drains it. */
struct cn_retire_watch {
	struct cn_drain_context
		*drain;           /* clock and sink: steps, progress and warnings as of a drain; no cluster: Heat's word alone */
	void (*clear)(void *arg); /* what was told last of the drain holds no more; may be NULL */
	void *arg;
	int64_t bytes_moved; /* result: as the drain was seen last */
};

/* Waits until the server is gone; says how it goes as notes, and of the drain to the sink. CN_TIMEOUT: Heat gave up, the server
 * is kept. Blocks for as long as the drain takes. */
int cn_retire_wait(struct cn_os *os, const struct cn_retire *r, struct cn_retire_watch *w, struct cn_error *err);
