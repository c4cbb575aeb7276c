/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * What pods belong to, and how they are stopped: the calls to the API, one function each. Policy, and what is journalled before a
 * change, is the caller's. Errors as cn_kube_request(). All block; those marked CHANGES change the Kubernetes cluster.
 */
#include "cephnode/kube/client.h"

/* A pod, a node, or a Deployment, whole. -ENOENT. New reference. */
int cn_kube_pod(struct cn_kube *k, const char *ns, const char *name, json_t **ret, struct cn_error *err);
int cn_kube_node(struct cn_kube *k, const char *name, json_t **ret, struct cn_error *err);
int cn_kube_deployment(struct cn_kube *k, const char *ns, const char *name, json_t **ret, struct cn_error *err);
/* Pods that are bound to the node, of all namespaces: -EPERM where only some may be read. New reference: an array. */
int cn_kube_pods_on(struct cn_kube *k, const char *node, json_t **ret, struct cn_error *err);

/* A label of an object (as read from the functions above); NULL: it has none. Borrowed. */
const char *cn_kube_label(const json_t *object, const char *key);
/* Sets a label of a node or Deployment, value NULL: takes it away. Only while the object is as it was read (409, -EEXIST, when it
 * has changed since): path as "/api/v1/nodes/x". CHANGES. */
int cn_kube_label_set(struct cn_kube *k, const char *path, const json_t *object, const char *key, const char *value,
		      struct cn_error *err);
char *cn_kube_node_path(const char *name);
char *cn_kube_deployment_path(const json_t *deployment);

struct cn_kube_scale {
	const char *group; /* static */
	int64_t replicas;
	char *selector; /* "a=b,c=d"; owned */
	char *uid, *version;
};
void cn_kube_scale_release(struct cn_kube_scale *s);
int cn_kube_scale_get(struct cn_kube *k, const char *ns, const char *deployment, struct cn_kube_scale *ret, struct cn_error *err);
/* Only while it is as it was read: -EEXIST when it has changed since. CHANGES. */
int cn_kube_scale_set(struct cn_kube *k, const char *ns, const char *deployment, const struct cn_kube_scale *as_read,
		      int64_t replicas, struct cn_error *err);
/* All of "a=b,c=d" are among the labels; an expression of another kind is no match. */
bool cn_kube_selects(const char *selector, const json_t *labels);

/* Asks for the pod to go, only while it is the one with this uid; 0 also when that is gone already. Evict: a disruption budget
 * that does not allow it now is -EBUSY. A bound pod stays until its kubelet has ended it. Sent once: who gets no answer looks
 * again. CHANGES. */
int cn_kube_evict(struct cn_kube *k, const char *ns, const char *pod, const char *uid, struct cn_error *err);
int cn_kube_delete_pod(struct cn_kube *k, const char *ns, const char *pod, const char *uid, struct cn_error *err);

/* A right of our own, as SelfSubjectAccessReview has it. ns NULL: all namespaces, or what has none. */
struct cn_kube_right {
	const char *verb, *group, *resource, *subresource; /* group "": core; subresource NULL: none */
};
int cn_kube_may(struct cn_kube *k, const struct cn_kube_right *right, const char *ns, bool *ret, struct cn_error *err);
