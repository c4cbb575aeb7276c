/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* How one pod is stopped so that it stays so; each change is journalled before, see stop.h. */
#include "cephnode/kube/pods.h"
#include "cephnode/kube/workloads.h"
#include "stop.h"

enum cn_way_kind {
	CN_WAY_LABEL, /* the label that its DaemonSet asks for is taken off the node */
	CN_WAY_SCALE, /* its Deployment gets no replicas */
	CN_WAY_EVICT, /* evicted, or deleted: what made it makes another one */
};

struct cn_way {
	enum cn_way_kind kind;
	char *name;         /* label key, or Deployment */
	char *value;        /* of the label */
	char *operator_ns;  /* Rook: where its operator is; NULL: nobody need be held off */
	bool hold_by_label; /* Rook heeds a label on the Deployment: its operator may go on */
	char *words;        /* for the plan */
	char *missing;      /* a right that is missing; NULL: none */
};
void cn_way_release(struct cn_way *w);
/* Reads only. Errors as cn_kube_request(). */
int cn_way_find(struct cn_run *run, const struct cn_stop_view *v, const struct cn_pods *pods, const struct cn_pod *p,
		struct cn_way *ret, struct cn_error *err);
/* osd: one that the pod runs, for the journal. -EBUSY: a disruption budget does not allow it now. CHANGES. */
int cn_way_take(struct cn_run *run, int osd, const struct cn_pod *p, const struct cn_way *w, struct cn_error *err);

/* Labels that say what a node is, and are nobody's to take away. Exposed for tests. */
bool cn_label_is_fixed(const char *key);
/* Whether this release of Rook leaves an OSD's Deployment alone that has the label: "v1.13.1". */
bool cn_rook_heeds_label(const char *version);
/* "rook-ceph-osd-3" of the ReplicaSet "rook-ceph-osd-3-6b7f9c5d44"; to be freed. hash: the pod's label pod-template-hash, or
 * NULL. */
char *cn_deployment_of(const char *replica_set, const char *hash);
