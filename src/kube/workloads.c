/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/kube/workloads.h"

#include <errno.h>
#include <string.h>

#define MERGE "application/merge-patch+json"

static int get(struct cn_kube *k, char *path, json_t **ret, struct cn_error *err)
{
	int r = cn_kube_request(k, CN_KUBE_REPEAT, "GET", path, NULL, NULL, ret, NULL, err);

	free(path);
	if (r == 0 && !json_is_object(*ret)) {
		json_decref(*ret);
		*ret = NULL;
		r = cn_error_set(err, CN_FAILED, EBADMSG, "the Kubernetes API answered without an object");
	}
	return r;
}

static char *in_namespace(const char *group, const char *ns, const char *resource, const char *name, const char *sub)
{
	_cleanup_free_ char *n = cn_kube_escape(ns), *o = cn_kube_escape(name);

	return cn_asprintf("%s/namespaces/%s/%s/%s%s", group, n, resource, o, sub);
}

/* Kubernetes before 1.9 has Deployments in another group; a 404 does not tell whether that or the object is missing. */
static const char *const apps[] = {"/apis/apps/v1", "/apis/extensions/v1beta1"};

static int get_deployment(struct cn_kube *k, const char *ns, const char *name, const char *sub, json_t **ret,
			  const char **ret_group, struct cn_error *err)
{
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(apps) && r == -ENOENT; i++) {
		cn_error_release(err);
		r = get(k, in_namespace(apps[i], ns, "deployments", name, sub), ret, err);
		*ret_group = apps[i];
	}
	return r;
}

int cn_kube_pod(struct cn_kube *k, const char *ns, const char *name, json_t **ret, struct cn_error *err)
{
	return get(k, in_namespace("/api/v1", ns, "pods", name, ""), ret, err);
}

char *cn_kube_node_path(const char *name)
{
	_cleanup_free_ char *n = cn_kube_escape(name);

	return cn_asprintf("/api/v1/nodes/%s", n);
}

int cn_kube_node(struct cn_kube *k, const char *name, json_t **ret, struct cn_error *err)
{
	return get(k, cn_kube_node_path(name), ret, err);
}

int cn_kube_deployment(struct cn_kube *k, const char *ns, const char *name, json_t **ret, struct cn_error *err)
{
	const char *group;

	return get_deployment(k, ns, name, "", ret, &group, err);
}

char *cn_kube_deployment_path(const json_t *deployment)
{
	const json_t *metadata = cn_json_obj(deployment, "metadata");
	_cleanup_free_ char *group = cn_asprintf("/apis/%s", cn_json_str(deployment, "apiVersion", "apps/v1"));

	return in_namespace(group, cn_json_str(metadata, "namespace", ""), "deployments", cn_json_str(metadata, "name", ""), "");
}

static int append(void *arg, const json_t *item, struct cn_error *err _unused_)
{
	json_array_append_new(arg, json_deep_copy(item));
	return 0;
}

static void start_over(void *arg)
{
	json_array_clear(arg);
}

int cn_kube_pods_on(struct cn_kube *k, const char *node, json_t **ret, struct cn_error *err)
{
	_cleanup_free_ char *n = cn_kube_escape(node), *query = cn_asprintf("fieldSelector=spec.nodeName%%3D%s", n);
	_cleanup_json_ json_t *pods = json_array();
	int r = cn_kube_list(k, "/api/v1/pods", query, append, start_over, pods, err);

	if (r == 0)
		*ret = json_incref(pods);
	return r;
}

/* --- labels --- */

const char *cn_kube_label(const json_t *object, const char *key)
{
	return cn_json_str(cn_json_obj(cn_json_obj(object, "metadata"), "labels"), key, NULL);
}

static int patch(struct cn_kube *k, const char *path, json_t *body, struct cn_error *err)
{
	/* with the version in it, what is sent twice is done once: the second is a conflict */
	int r = cn_kube_request(k, CN_KUBE_REPEAT, "PATCH", path, MERGE, body, NULL, NULL, err);

	json_decref(body);
	return r;
}

int cn_kube_label_set(struct cn_kube *k, const char *path, const json_t *object, const char *key, const char *value,
		      struct cn_error *err)
{
	const json_t *metadata = cn_json_obj(object, "metadata");

	return patch(k, path,
		     json_pack("{s{so,s{so}}}", "metadata", "resourceVersion",
			       cn_json_string(cn_json_str(metadata, "resourceVersion", "")), "labels", key,
			       cn_json_string(value)),
		     err);
}

/* --- scale --- */

void cn_kube_scale_release(struct cn_kube_scale *s)
{
	free(s->selector);
	free(s->uid);
	free(s->version);
	*s = (struct cn_kube_scale){};
}

/* "a=b,c=d", or as the older group has it an object. */
static char *selector_of(const json_t *status)
{
	_cleanup_(cn_strv_release) struct cn_strv pairs = {};
	const char *key, *text = cn_json_str(status, "selector", NULL);
	json_t *v;

	text = text ? text : cn_json_str(status, "targetSelector", NULL);
	if (text)
		return cn_strdup(text);
	json_object_foreach (cn_json_obj(status, "selector"), key, v)
		cn_strv_addf(&pairs, "%s=%s", key, json_string_value(v) ? json_string_value(v) : "");
	return cn_strv_join(&pairs, ",");
}

int cn_kube_scale_get(struct cn_kube *k, const char *ns, const char *deployment, struct cn_kube_scale *ret, struct cn_error *err)
{
	_cleanup_json_ json_t *j = NULL;
	const char *group;
	int r = get_deployment(k, ns, deployment, "/scale", &j, &group, err);

	if (r < 0)
		return r;
	*ret = (struct cn_kube_scale){
		.group = group,
		.replicas = cn_json_int(cn_json_obj(j, "spec"), "replicas", 0), /* left out where it is 0 */
		.selector = selector_of(cn_json_obj(j, "status")),
		.uid = cn_strdup(cn_json_str(cn_json_obj(j, "metadata"), "uid", "")),
		.version = cn_strdup(cn_json_str(cn_json_obj(j, "metadata"), "resourceVersion", "")),
	};
	return 0;
}

int cn_kube_scale_set(struct cn_kube *k, const char *ns, const char *deployment, const struct cn_kube_scale *as_read,
		      int64_t replicas, struct cn_error *err)
{
	_cleanup_free_ char *path = in_namespace(as_read->group, ns, "deployments", deployment, "/scale");

	return patch(k, path,
		     json_pack("{s{so},s{sI}}", "metadata", "resourceVersion", cn_json_string(as_read->version), "spec",
			       "replicas", (json_int_t)replicas),
		     err);
}

bool cn_kube_selects(const char *selector, const json_t *labels)
{
	_cleanup_(cn_strv_release) struct cn_strv pairs = {};

	if (!selector || strpbrk(selector, "()! "))
		return false;
	cn_strv_split(&pairs, selector, ",");
	for (size_t i = 0; i < pairs.n; i++) {
		char *eq = strchr(pairs.v[i], '=');

		if (!eq || eq == pairs.v[i] || eq[-1] == '!')
			return false;
		*eq++ = 0;
		eq += *eq == '=';
		if (strcmp(cn_json_str(labels, pairs.v[i], "\x01"), eq) != 0)
			return false;
	}
	return pairs.n > 0;
}

/* --- the end of a pod --- */

/* Gone, or another one has its name: what we meant is no more. A conflict that is not about the uid is left to the caller. */
static bool is_gone(struct cn_kube *k, const char *ns, const char *pod, const char *uid)
{
	_cleanup_json_ json_t *now = NULL;
	int r = cn_kube_pod(k, ns, pod, &now, NULL);

	return r == -ENOENT || (r == 0 && strcmp(cn_json_str(cn_json_obj(now, "metadata"), "uid", ""), uid) != 0);
}

static int settle(struct cn_kube *k, int r, const char *ns, const char *pod, const char *uid, struct cn_error *err)
{
	if ((r == -ENOENT || r == -EEXIST) && is_gone(k, ns, pod, uid)) {
		cn_error_release(err);
		return 0;
	}
	return r;
}

int cn_kube_delete_pod(struct cn_kube *k, const char *ns, const char *pod, const char *uid, struct cn_error *err)
{
	_cleanup_free_ char *path = in_namespace("/api/v1", ns, "pods", pod, "");
	_cleanup_json_ json_t *body = json_pack("{ss,ss,s{so}}", "apiVersion", "v1", "kind", "DeleteOptions", "preconditions",
						"uid", cn_json_string(uid));
	int r = cn_kube_request(k, CN_KUBE_ONCE, "DELETE", path, NULL, body, NULL, NULL, err);

	return settle(k, r, ns, pod, uid, err);
}

int cn_kube_evict(struct cn_kube *k, const char *ns, const char *pod, const char *uid, struct cn_error *err)
{
	_cleanup_free_ char *path = in_namespace("/api/v1", ns, "pods", pod, "/eviction");
	/* without apiVersion and kind every server takes it for its own version */
	_cleanup_json_ json_t *body = json_pack("{s{so,so},s{s{so}}}", "metadata", "name", cn_json_string(pod), "namespace",
						cn_json_string(ns), "deleteOptions", "preconditions", "uid", cn_json_string(uid));
	int r = cn_kube_request(k, CN_KUBE_ONCE, "POST", path, NULL, body, NULL, NULL, err);

	return settle(k, r, ns, pod, uid, err);
}

/* --- rights --- */

int cn_kube_may(struct cn_kube *k, const struct cn_kube_right *right, const char *ns, bool *ret, struct cn_error *err)
{
	static const char *const paths[] = {"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
					    "/apis/authorization.k8s.io/v1beta1/selfsubjectaccessreviews"};
	int r = -ENOENT;

	for (size_t i = 0; i < ARRAY_SIZE(paths) && r == -ENOENT; i++) {
		_cleanup_json_ json_t *answer = NULL;
		_cleanup_json_ json_t *body = json_pack("{ss,ss,s{s{ss,ss,ss}}}", "apiVersion",
							i == 0 ? "authorization.k8s.io/v1" : "authorization.k8s.io/v1beta1",
							"kind", "SelfSubjectAccessReview", "spec", "resourceAttributes", "verb",
							right->verb, "group", right->group, "resource", right->resource);
		json_t *what = cn_json_obj(cn_json_obj(body, "spec"), "resourceAttributes");

		if (right->subresource)
			json_object_set_new(what, "subresource", json_string(right->subresource));
		if (ns)
			json_object_set_new(what, "namespace", cn_json_string(ns));
		cn_error_release(err);
		/* asks, and changes nothing: it may be repeated */
		r = cn_kube_request(k, CN_KUBE_REPEAT, "POST", paths[i], NULL, body, &answer, NULL, err);
		if (r == 0)
			*ret = cn_json_bool(cn_json_obj(answer, "status"), "allowed", false);
	}
	return r;
}
