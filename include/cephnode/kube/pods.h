/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The pods that OSDs live in: where each flavour of deployment puts them, how it names their CRUSH host, and what state they are
 * in. */
#include "cephnode/base/addr.h"
#include "cephnode/kube/client.h"

enum cn_kube_flavour {
	CN_FLAVOUR_NONE,        /* only --kube-selector is known */
	CN_FLAVOUR_CEPH_DOCKER, /* ceph-docker on Kubernetes 1.5: CRUSH host = name of the pod */
	CN_FLAVOUR_HELM,        /* ceph-helm, openstack-helm: CRUSH host = the node's host name */
	CN_FLAVOUR_ROOK,        /* rook-ceph: CRUSH host = label topology-location-host, OSD id = label ceph-osd-id */
};
const char *cn_flavour_name(enum cn_kube_flavour f); /* "ceph-docker", "helm", "rook"; "custom" */

enum cn_pod_role { CN_POD_OSD, CN_POD_PREPARE, CN_POD_ACTIVATE };

enum cn_pod_state { /* what a person would call it; only the first four may hold a running OSD */
		    CN_POD_RUNNING,
		    CN_POD_CRASHING,    /* a container of it, also one that comes first, waits in CrashLoopBackOff or the like */
		    CN_POD_TERMINATING, /* deletionTimestamp is set: it stays until its kubelet confirms, on a dead node for ever
					 */
		    CN_POD_UNKNOWN,
		    CN_POD_PENDING,
		    CN_POD_COMPLETED,
		    CN_POD_EVICTED,
		    CN_POD_FAILED,
};
const char *cn_pod_state_name(enum cn_pod_state s); /* "running", "crash-looping", "terminating", ... */
static inline bool cn_pod_is_live(enum cn_pod_state s)
{
	return s <= CN_POD_UNKNOWN;
}

struct cn_pod {
	char *ns, *name, *uid;
	char *node;           /* spec.nodeName; NULL: not bound yet */
	struct cn_ip host_ip; /* status.hostIP; family 0: none */
	struct cn_ip *ips;    /* status.podIPs, else podIP: of the overlay, or the node's own with hostNetwork */
	size_t n_ips;
	bool host_network; /* spec.hostNetwork: it has all addresses of its node, and the node's host name */
	enum cn_pod_role role;
	enum cn_pod_state state;
	char *owner_kind, *owner_name, *owner_uid; /* the controller: DaemonSet, ReplicaSet, Job, StatefulSet; NULL: none */
	char *crush_host;                          /* by the flavour or --kube-host-from; NULL: cannot be told */
	int osd;                                   /* label ceph-osd-id; -1: it has none */
	json_t *labels;                            /* owned; NULL: none */
};

struct cn_pods {
	enum cn_kube_flavour flavour;
	struct cn_pod *v; /* by namespace and name */
	size_t n;
	struct cn_strv looked; /* "namespace rook-ceph, app=rook-ceph-osd": for messages */
};

/* All OSD pods of the cluster: those of the flavour that was given, else of the one that is there. The flavours are looked for
 * one after another on one connection, three requests where none has more than CN_KUBE_PAGE pods; where that finds nothing, and
 * the context has a namespace of its own, once more there. A namespace that may not be read (403) counts as empty while another
 * one has pods, else it is the error. CN_REFUSED when pods of two flavours are there and none was named. n == 0 is no error here.
 */
int cn_pods_list(struct cn_kube *k, struct cn_pods *ret, struct cn_error *err);
void cn_pods_release(struct cn_pods *p);

/* One item of a pod list, or one pod. Never fails: what is absent is NULL. Exposed for tests and fuzzing. host_from as in struct
 * cn_kube_options, NULL: the flavour's. */
void cn_pod_read(const json_t *item, enum cn_kube_flavour flavour, const char *host_from, struct cn_pod *ret);
void cn_pod_copy(const struct cn_pod *from, struct cn_pod *ret);
void cn_pod_release(struct cn_pod *p);
