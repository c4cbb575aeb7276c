/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ways to stop a pod so that it stays stopped: which one fits, taking it, and putting back what it changed. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "stop_kube.h"

#define HOLD_LABEL "ceph.rook.io/do-not-reconcile"
#define OPERATOR "rook-ceph-operator"
#define TRIES 5 /* when somebody else changes the object between our reading and our change */

void cn_way_release(struct cn_way *w)
{
	free(w->name);
	free(w->value);
	free(w->operator_ns);
	free(w->words);
	free(w->missing);
	*w = (struct cn_way){};
}

/* --- what can be told from names -------------------------------------------------------------------------------------- */

bool cn_label_is_fixed(const char *key)
{
	const char *slash = strchr(key, '/');
	size_t len = slash ? (size_t)(slash - key) : 0;
	static const char *const suffixes[] = {"kubernetes.io", "k8s.io"};

	for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
		size_t n = strlen(suffixes[i]);

		if (len >= n && strncmp(slash - n, suffixes[i], n) == 0 && (len == n || slash[-(ptrdiff_t)n - 1] == '.'))
			return true;
	}
	return false;
}

bool cn_rook_heeds_label(const char *version)
{
	int major, minor;

	version += *version == 'v';
	return sscanf(version, "%d.%d", &major, &minor) == 2 && (major > 1 || (major == 1 && minor >= 10));
}

char *cn_deployment_of(const char *replica_set, const char *hash)
{
	size_t len = strlen(replica_set), tail = hash ? strlen(hash) : 0;
	const char *dash = strrchr(replica_set, '-');

	if (tail && len > tail + 1 && strcmp(replica_set + len - tail, hash) == 0 && replica_set[len - tail - 1] == '-')
		return cn_strndup(replica_set, len - tail - 1);
	return dash && dash != replica_set ? cn_strndup(replica_set, (size_t)(dash - replica_set)) : cn_strdup(replica_set);
}

/* --- finding it ------------------------------------------------------------------------------------------------------- */

struct finder {
	struct cn_run *run;
	struct cn_kube *k;
	const struct cn_stop_view *v;
	const struct cn_pods *pods;
	const struct cn_pod *p;
	struct cn_way *way;
};

/* Who may not even ask finds out by trying. */
static int may(struct finder *f, const struct cn_kube_right *right, const char *ns, bool *ret, struct cn_error *err)
{
	int r = cn_kube_may(f->k, right, ns, ret, err);

	if (r != -EPERM && r != -ENOENT)
		return r;
	cn_error_release(err);
	*ret = true;
	return 0;
}

static int missing(struct finder *f, const struct cn_kube_right *right, const char *ns, struct cn_error *err)
{
	bool allowed;
	int r = f->way->missing ? 0 : may(f, right, ns, &allowed, err);

	if (r == 0 && !f->way->missing && !allowed)
		f->way->missing =
			cn_asprintf("Kubernetes does not allow '%s' of %s%s%s in namespace %s", right->verb, right->resource,
				    right->subresource ? "/" : "", right->subresource ? right->subresource : "", ns);
	return r;
}

static int find_evict(struct finder *f, struct cn_error *err)
{
	static const struct cn_kube_right evict = {"create", "", "pods", "eviction"}, delete = {"delete", "", "pods", NULL};
	const struct cn_pod *p = f->p;
	bool allowed;
	int r = may(f, &evict, p->ns, &allowed, err);

	f->way->kind = CN_WAY_EVICT;
	f->way->words = cn_asprintf("evict pod %s/%s%s%s%s", p->ns, p->name, p->owner_kind ? ": its " : "",
				    p->owner_kind ? p->owner_kind : "",
				    p->owner_kind ? " makes another one at once, and the OSD is removed before that is up" : "");
	return r < 0 || allowed ? r : missing(f, &delete, p->ns, err);
}

/* --- a Deployment --- */

/* Any other value is no word to Rook's operator that we know of. */
static bool is_held(const json_t *deployment)
{
	const char *word = cn_kube_label(deployment, HOLD_LABEL);

	return word && strcmp(word, "true") == 0;
}

static int find_operator(struct finder *f, struct cn_error *err)
{
	static const struct cn_kube_right label = {"patch", "apps", "deployments", NULL},
					  scale = {"patch", "apps", "deployments", "scale"};
	const char *ns = cn_json_str(f->p->labels, "rook.io/operator-namespace", f->p->ns);
	_cleanup_(cn_kube_scale_release) struct cn_kube_scale now = {};
	_cleanup_json_ json_t *deployment = NULL;
	bool allowed = false;
	int r = cn_kube_deployment(f->k, f->p->ns, f->way->name, &deployment, NULL);

	if (r == 0 && is_held(deployment))
		return 0; /* somebody holds it off already */
	if (r == 0 &&
	    cn_rook_heeds_label(cn_kube_label(deployment, "rook-version") ? cn_kube_label(deployment, "rook-version") : "")) {
		r = may(f, &label, f->p->ns, &allowed, err);
		if (r < 0)
			return r;
	}
	f->way->hold_by_label = allowed;
	if (!allowed) {
		r = cn_kube_scale_get(f->k, ns, OPERATOR, &now, err);
		if (r == -ENOENT || r == -EPERM) {
			bool none = r == -ENOENT;

			if (!none && !f->way->missing)
				f->way->missing = cn_strdup(err->message);
			cn_error_release(err);
			return 0;
		}
		if (r == 0)
			r = missing(f, &scale, ns, err);
		if (r < 0)
			return r;
	}
	f->way->operator_ns = cn_strdup(ns);
	return 0;
}

/* 0 with way->words: found. */
static int find_scale(struct finder *f, struct cn_error *err)
{
	static const struct cn_kube_right patch = {"patch", "apps", "deployments", "scale"};
	const struct cn_pod *p = f->p;
	_cleanup_free_ char *name = cn_deployment_of(p->owner_name, cn_json_str(p->labels, "pod-template-hash", NULL));
	_cleanup_(cn_kube_scale_release) struct cn_kube_scale scale = {};
	int r = cn_kube_scale_get(f->k, p->ns, name, &scale, err);

	if (r == -EPERM) {
		f->way->missing = cn_strdup(err->message);
		f->way->words = cn_strdup("");
		cn_error_release(err);
		return 0;
	}
	if (r == -ENOENT) {
		cn_error_release(err);
		return 0;
	}
	if (r < 0 || scale.replicas > 1 || !cn_kube_selects(scale.selector, p->labels))
		return r; /* others of it may run elsewhere */
	f->way->kind = CN_WAY_SCALE;
	f->way->name = cn_strdup(name);
	r = missing(f, &patch, p->ns, err);
	if (r == 0 && f->pods->flavour == CN_FLAVOUR_ROOK)
		r = find_operator(f, err);
	if (r == 0)
		f->way->words =
			cn_asprintf("scale Deployment %s/%s to 0%s%s", p->ns, name,
				    !f->way->operator_ns    ? ""
				    : f->way->hold_by_label ? ", with label " HOLD_LABEL " so that Rook leaves it alone"
							    : ", and Rook's operator for the time of the removal, in namespace ",
				    f->way->operator_ns && !f->way->hold_by_label ? f->way->operator_ns : "");
	return r;
}

/* --- a DaemonSet --- */

static bool goes_too(const struct finder *f, const json_t *pod)
{
	const char *uid = cn_json_str(cn_json_obj(pod, "metadata"), "uid", "");

	for (size_t i = 0; i < f->pods->n; i++) {
		const struct cn_pod *p = &f->pods->v[i];

		if (!p->uid || strcmp(p->uid, uid) != 0)
			continue;
		/* a pod of an activation runs its OSD from then on */
		if (p->role == CN_POD_PREPARE || strcmp(p->uid, f->p->uid) == 0)
			return true;
		for (size_t k = 0; k < f->v->osds->n; k++)
			if (cn_inventory_pod_runs(f->v->m, f->v->crush, f->v->hostnames, f->pods, p, f->v->osds->v[k]))
				return true;
	}
	return false;
}

static bool asks_for(const json_t *pod, const char *key)
{
	const json_t *spec = cn_json_obj(pod, "spec"), *affinity = cn_json_obj(spec, "affinity");
	_cleanup_free_ char *text = affinity ? cn_json_dump(affinity) : NULL, *quoted = cn_asprintf("\"%s\"", key);

	return json_object_get(cn_json_obj(spec, "nodeSelector"), key) || (text && strstr(text, quoted));
}

static bool is_over(const json_t *pod)
{
	const char *phase = cn_json_str(cn_json_obj(pod, "status"), "phase", "");

	return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

/* Somebody else on the node would lose his place with the label. */
static bool is_shared(const struct finder *f, const json_t *on_node, const char *key)
{
	const json_t *pod;
	size_t i;

	json_array_foreach (on_node, i, pod)
		if (!is_over(pod) && asks_for(pod, key) && !goes_too(f, pod))
			return true;
	return false;
}

/* 0 with way->words: found. Without the rights on nodes, or to see who else needs the label, it is another way. */
static int find_label(struct finder *f, struct cn_error *err)
{
	static const struct cn_kube_right patch = {"patch", "", "nodes", NULL};
	_cleanup_json_ json_t *pod = NULL, *node = NULL, *on_node = NULL;
	const struct cn_pod *p = f->p;
	const char *key;
	json_t *want;
	bool allowed = false;
	int r = may(f, &patch, NULL, &allowed, err);

	if (r == 0 && allowed)
		r = cn_kube_pod(f->k, p->ns, p->name, &pod, err);
	if (r == 0 && allowed)
		r = cn_kube_node(f->k, p->node, &node, err);
	if (r == 0 && allowed)
		r = cn_kube_pods_on(f->k, p->node, &on_node, err);
	if (r == -EPERM || r == -ENOENT) {
		cn_error_release(err);
		return 0;
	}
	if (r < 0 || !allowed)
		return r;
	json_object_foreach (cn_json_obj(cn_json_obj(pod, "spec"), "nodeSelector"), key, want) {
		const char *has = cn_kube_label(node, key);

		/* taken away already, and the controller has not seen it yet: the same way */
		if (cn_label_is_fixed(key) || (has && strcmp(has, json_string_value(want) ? json_string_value(want) : "") != 0) ||
		    is_shared(f, on_node, key))
			continue;
		f->way->kind = CN_WAY_LABEL;
		f->way->name = cn_strdup(key);
		f->way->value = cn_strdup(json_string_value(want) ? json_string_value(want) : "");
		f->way->words = cn_asprintf("take label %s=%s off node %s, which DaemonSet %s/%s asks for", key, f->way->value,
					    p->node, p->ns, p->owner_name);
		return 0;
	}
	return 0;
}

int cn_way_find(struct cn_run *run, const struct cn_stop_view *v, const struct cn_pods *pods, const struct cn_pod *p,
		struct cn_way *ret, struct cn_error *err)
{
	struct finder f = {run, run->ctx->kube, v, pods, p, ret};
	const char *kind = p->owner_kind ? p->owner_kind : "";
	int r = 0;

	*ret = (struct cn_way){};
	if (strcmp(kind, "ReplicaSet") == 0 && p->owner_name)
		r = find_scale(&f, err);
	else if (strcmp(kind, "DaemonSet") == 0 && p->owner_name && p->node)
		r = find_label(&f, err);
	if (r == 0 && !ret->words)
		r = find_evict(&f, err);
	if (r < 0)
		cn_way_release(ret);
	return r;
}

/* --- taking it -------------------------------------------------------------------------------------------------------- */

static const char *str(const json_t *e, const char *key)
{
	return cn_json_str(e, key, "");
}

static const char *uid_of(const json_t *object)
{
	return str(cn_json_obj(object, "metadata"), "uid");
}

/* Notes of older releases have no uid. */
static bool has_uid(const json_t *e, const char *uid)
{
	return !*str(e, "uid") || !*uid || strcmp(str(e, "uid"), uid) == 0;
}

/* What stands in the journal already is what was there before; an object that was made anew since has a note of its own. */
static int note_once(struct cn_run *run, int osd, json_t *entry, struct cn_error *err)
{
	json_t *e;
	size_t k;

	for (size_t i = 0; i < run->n; i++)
		json_array_foreach (run->drains[i].journal.stopped, k, e)
			if (strcmp(str(e, "what"), str(entry, "what")) == 0 && strcmp(str(e, "ns"), str(entry, "ns")) == 0 &&
			    strcmp(str(e, "name"), str(entry, "name")) == 0 && strcmp(str(e, "key"), str(entry, "key")) == 0 &&
			    has_uid(e, str(entry, "uid"))) {
				json_decref(entry);
				return cn_gate(run, true, err);
			}
	cn_stop_note(run, osd, entry);
	return cn_stop_save(run, err);
}

static int take_label(struct cn_run *run, int osd, const struct cn_pod *p, const struct cn_way *w, struct cn_error *err)
{
	_cleanup_free_ char *path = cn_kube_node_path(p->node), *stays = NULL;
	_cleanup_json_ json_t *node = NULL;
	int r = cn_kube_node(run->ctx->kube, p->node, &node, err);

	if (r < 0 || !cn_kube_label(node, w->name))
		return r;
	stays = cn_asprintf(
		"label %s=%s stays off node %s, else %s would run there again; to put it back: kubectl label node %s %s=%s",
		w->name, w->value, p->node, p->owner_name, p->node, w->name, w->value);
	r = note_once(run, osd,
		      json_pack("{ss,so,so,so,so,so}", "what", "label", "name", cn_json_string(p->node), "uid",
				cn_json_string(uid_of(node)), "key", cn_json_string(w->name), "old",
				cn_json_string(cn_kube_label(node, w->name)), "stays", cn_json_string(stays)),
		      err);
	return r < 0 ? r : cn_kube_label_set(run->ctx->kube, path, node, w->name, NULL, err);
}

static int take_replicas(struct cn_run *run, int osd, const char *what, const char *ns, const char *name, struct cn_error *err)
{
	_cleanup_(cn_kube_scale_release) struct cn_kube_scale now = {};
	bool is_operator = strcmp(what, "operator") == 0;
	_cleanup_free_ char *stays = NULL;
	json_t *e;
	int r = cn_kube_scale_get(run->ctx->kube, ns, name, &now, err);

	if (r < 0 || now.replicas == 0)
		return r;
	e = json_pack("{ss,so,so,so,sI}", "what", what, "ns", cn_json_string(ns), "name", cn_json_string(name), "uid",
		      cn_json_string(now.uid), "old", (json_int_t)now.replicas);
	if (is_operator)
		json_object_set_new(e, "for_the_time", json_true());
	else {
		stays = cn_asprintf(
			"Deployment %s/%s stays at 0 replicas; it has no OSD any more: kubectl -n %s delete deployment %s", ns,
			name, ns, name);
		json_object_set_new(e, "stays", cn_json_string(stays));
	}
	r = note_once(run, osd, e, err);
	return r < 0 ? r : cn_kube_scale_set(run->ctx->kube, ns, name, &now, 0, err);
}

static int hold_off(struct cn_run *run, int osd, const struct cn_pod *p, const struct cn_way *w, struct cn_error *err)
{
	_cleanup_json_ json_t *deployment = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	if (!w->hold_by_label)
		return take_replicas(run, osd, "operator", w->operator_ns, OPERATOR, err);
	r = cn_kube_deployment(run->ctx->kube, p->ns, w->name, &deployment, err);
	if (r < 0 || is_held(deployment))
		return r;
	path = cn_kube_deployment_path(deployment);
	r = note_once(run, osd,
		      json_pack("{ss,so,so,so,ss,so}", "what", "hold", "ns", cn_json_string(p->ns), "name",
				cn_json_string(w->name), "uid", cn_json_string(uid_of(deployment)), "key", HOLD_LABEL, "old",
				cn_json_string(cn_kube_label(deployment, HOLD_LABEL))),
		      err);
	return r < 0 ? r : cn_kube_label_set(run->ctx->kube, path, deployment, HOLD_LABEL, "true", err);
}

static int take_pod(struct cn_run *run, const struct cn_pod *p, struct cn_error *err)
{
	int r = cn_gate(run, true, err);

	if (r == 0)
		r = cn_kube_evict(run->ctx->kube, p->ns, p->name, p->uid, err);
	if (r != -EPERM && r != -ENOENT)
		return r;
	cn_error_release(err);
	return cn_kube_delete_pod(run->ctx->kube, p->ns, p->name, p->uid, err);
}

static int take(struct cn_run *run, int osd, const struct cn_pod *p, const struct cn_way *w, struct cn_error *err)
{
	int r = 0;

	if (w->kind == CN_WAY_LABEL)
		return take_label(run, osd, p, w, err);
	if (w->kind == CN_WAY_EVICT)
		return take_pod(run, p, err);
	if (w->operator_ns)
		r = hold_off(run, osd, p, w, err);
	return r < 0 ? r : take_replicas(run, osd, "scale", p->ns, w->name, err);
}

/* The API server does not know the decision lock: a change that is late must not leave us, for another cephnode may have put back
 * by then what it finds in the journal. */
static int may_send(void *arg, struct cn_error *err)
{
	return cn_may_change(arg, err);
}

static struct cn_kube_guard guard_of(struct cn_run *run)
{
	return (struct cn_kube_guard){.may_send = may_send, .arg = run, .timeout_ms = CN_CHANGE_TIMEOUT_S * 1000};
}

int cn_way_take(struct cn_run *run, int osd, const struct cn_pod *p, const struct cn_way *w, struct cn_error *err)
{
	struct cn_kube_guard guard = guard_of(run);
	int r;

	cn_kube_set_guard(run->ctx->kube, &guard);
	r = take(run, osd, p, w, err);
	cn_kube_set_guard(run->ctx->kube, NULL);
	return r;
}

/* --- putting back ----------------------------------------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Made anew since, or of another Kubernetes cluster than the one that the drain changed: not ours to change. */
#define ANOTHER "what has that name now is not what the drain changed"

/* Why it is not put back, and the way by hand. */
static void by_hand(const json_t *e, const char *why, struct cn_strv *foreign)
{
	const char *what = str(e, "what"), *old = cn_json_str(e, "old", NULL);

	if (strcmp(what, "label") == 0)
		cn_strv_addf(foreign, "%s; run: kubectl label node %s %s=%s", why, str(e, "name"), str(e, "key"), old ? old : "");
	else if (strcmp(what, "hold") == 0)
		cn_strv_addf(foreign, "%s; run: kubectl -n %s label --overwrite deployment %s %s%s%s", why, str(e, "ns"),
			     str(e, "name"), str(e, "key"), old ? "=" : "-", old ? old : "");
	else
		cn_strv_addf(foreign, "%s; run: kubectl -n %s scale deployment %s --replicas=%" PRId64, why, str(e, "ns"),
			     str(e, "name"), cn_json_int(e, "old", 1));
}

/* ours: what the label is since our change; it is put back only where it still is. */
static int restore_label(struct cn_run *run, const json_t *e, const char *ours, struct cn_strv *foreign, struct cn_error *err)
{
	const char *old = cn_json_str(e, "old", NULL), *key = str(e, "key"), *name = str(e, "name"), *now;
	bool of_node = strcmp(str(e, "what"), "label") == 0;
	_cleanup_json_ json_t *object = NULL;
	_cleanup_free_ char *path = NULL;
	int r;

	r = of_node ? cn_kube_node(run->ctx->kube, name, &object, err)
		    : cn_kube_deployment(run->ctx->kube, str(e, "ns"), name, &object, err);
	if (r == -ENOENT) {
		cn_error_release(err);
		cn_strv_addf(foreign, "label %s of %s %s: that is not there any more", key, of_node ? "node" : "Deployment",
			     name);
		return 0;
	}
	if (r < 0)
		return r;
	if (!has_uid(e, uid_of(object))) {
		by_hand(e, ANOTHER, foreign);
		return 0;
	}
	now = cn_kube_label(object, key);
	if (same(now, old))
		return 0;
	if (!same(now, ours)) {
		cn_strv_addf(foreign, "label %s of %s: another hand set it to '%s' (before the drain it was '%s')", key, name,
			     now ? now : "nothing", old ? old : "nothing");
		return 0;
	}
	path = of_node ? cn_kube_node_path(name) : cn_kube_deployment_path(object);
	return cn_kube_label_set(run->ctx->kube, path, object, key, old, err);
}

static int restore_replicas(struct cn_run *run, const json_t *e, struct cn_strv *foreign, struct cn_error *err)
{
	_cleanup_(cn_kube_scale_release) struct cn_kube_scale now = {};
	const char *ns = str(e, "ns"), *name = str(e, "name");
	int64_t old = cn_json_int(e, "old", 1);
	int r = cn_kube_scale_get(run->ctx->kube, ns, name, &now, err);

	if (r == -ENOENT) {
		cn_error_release(err);
		cn_strv_addf(foreign, "Deployment %s/%s is not there any more", ns, name);
		return 0;
	}
	if (r == 0 && !has_uid(e, now.uid)) {
		by_hand(e, ANOTHER, foreign);
		return 0;
	}
	if (r < 0 || now.replicas == old)
		return r;
	if (now.replicas != 0) {
		cn_strv_addf(foreign,
			     "Deployment %s/%s: another hand set it to %" PRId64 " replicas (before the drain it had %" PRId64
			     ")",
			     ns, name, now.replicas, old);
		return 0;
	}
	return cn_kube_scale_set(run->ctx->kube, ns, name, &now, old, err);
}

int cn_stop_kube_restore(struct cn_run *run, const json_t *entry, struct cn_strv *ret_foreign, struct cn_error *err)
{
	struct cn_kube_guard guard = guard_of(run);
	const char *what = str(entry, "what");
	int r = -EEXIST;

	if (strcmp(what, "label") != 0 && strcmp(what, "hold") != 0 && strcmp(what, "scale") != 0 &&
	    strcmp(what, "operator") != 0)
		return 0;
	if (!run->ctx->kube) {
		by_hand(entry, "no Kubernetes API here", ret_foreign);
		return 0;
	}
	cn_kube_set_guard(run->ctx->kube, &guard);
	for (int i = 0; i < TRIES && r == -EEXIST; i++) {
		cn_error_release(err);
		if (strcmp(what, "label") == 0)
			r = restore_label(run, entry, NULL, ret_foreign, err);
		else if (strcmp(what, "hold") == 0)
			r = restore_label(run, entry, "true", ret_foreign, err);
		else
			r = restore_replicas(run, entry, ret_foreign, err);
	}
	cn_kube_set_guard(run->ctx->kube, NULL);
	return r;
}
