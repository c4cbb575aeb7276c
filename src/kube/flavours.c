/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which pods are those of OSDs: each flavour has its labels and its namespace. Where none was named all three are looked for, one
 * after another on one connection: the handshake costs more than the requests.
 */
#include <errno.h>
#include <string.h>

#include "cephnode/base/text.h"
#include "cephnode/kube/pods.h"

static const struct flavour {
	enum cn_kube_flavour flavour;
	const char *ns; /* NULL: any, releases are put where somebody likes them to be */
	const char *selector;
} flavours[] = {
	{CN_FLAVOUR_ROOK, "rook-ceph", "app in (rook-ceph-osd,rook-ceph-osd-prepare)"},
	{CN_FLAVOUR_CEPH_DOCKER, "ceph", "app=ceph,daemon in (osd,osd-activate,osd-prepare)"},
	{CN_FLAVOUR_HELM, NULL, "application=ceph,component=osd"},
};

/* One request, or one for each page. */
struct lookup {
	enum cn_kube_flavour flavour; /* NONE: by the labels of each pod */
	const char *ns, *selector;
	const char *host_from;
	struct cn_pod *v;
	size_t n, cap;
	bool forbidden;
	struct cn_error err;
};

static bool has_label(const json_t *labels, const char *key, const char *value)
{
	return strcmp(cn_json_str(labels, key, ""), value) == 0;
}

/* What a selector of the user has found still looks like what deployed it. */
static enum cn_kube_flavour guess(const json_t *item)
{
	const json_t *labels = cn_json_obj(cn_json_obj(item, "metadata"), "labels");

	if (strncmp(cn_json_str(labels, "app", ""), "rook-ceph-osd", 13) == 0)
		return CN_FLAVOUR_ROOK;
	if (has_label(labels, "application", "ceph"))
		return CN_FLAVOUR_HELM;
	return has_label(labels, "app", "ceph") ? CN_FLAVOUR_CEPH_DOCKER : CN_FLAVOUR_NONE;
}

static int add(void *arg, const json_t *item, struct cn_error *err _unused_)
{
	struct lookup *l = arg;
	enum cn_kube_flavour f = l->flavour ? l->flavour : guess(item);

	cn_grow(&l->v, &l->cap, l->n, sizeof(*l->v));
	cn_pod_read(item, f, l->host_from, &l->v[l->n++]);
	return 0;
}

static void start_over(void *arg)
{
	struct lookup *l = arg;

	while (l->n)
		cn_pod_release(&l->v[--l->n]);
}

static void release(struct lookup *l)
{
	start_over(l);
	free(l->v);
	cn_error_release(&l->err);
}

static void say_where(struct cn_strv *looked, const struct lookup *l)
{
	if (l->ns)
		cn_strv_addf(looked, "namespace %s, %s", l->ns, l->selector);
	else
		cn_strv_addf(looked, "all namespaces, %s", l->selector);
}

/* A namespace that may not be read is no error yet. */
static int look(struct cn_kube *k, struct lookup *l, struct cn_strv *looked, struct cn_error *err)
{
	_cleanup_free_ char *ns = l->ns ? cn_kube_escape(l->ns) : NULL, *selector = cn_kube_escape(l->selector);
	_cleanup_free_ char *path = ns ? cn_asprintf("/api/v1/namespaces/%s/pods", ns) : cn_strdup("/api/v1/pods");
	_cleanup_free_ char *query = cn_asprintf("labelSelector=%s", selector);
	int r = cn_kube_list(k, path, query, add, start_over, l, &l->err);

	say_where(looked, l);
	if (r == -EPERM && l->err.code != CN_USAGE) { /* plain http to another machine is not allowed, either */
		l->forbidden = true;
		return 0;
	}
	if (r < 0) {
		cn_error_move(err, &l->err);
		cn_error_wrap(err, "cannot list the OSD pods (%s)", looked->v[looked->n - 1]);
	}
	return r;
}

static int two_flavours(const struct lookup *a, const struct lookup *b, struct cn_error *err)
{
	const char *x = cn_flavour_name(a->flavour), *y = cn_flavour_name(b->flavour);

	cn_error_set(err, CN_REFUSED, ENOTUNIQ, "Kubernetes has OSD pods of two flavours: %s (%s/%s) and %s (%s/%s)", x,
		     a->v[0].ns, a->v[0].name, y, b->v[0].ns, b->v[0].name);
	cn_error_hint(err, "say which: --kube-flavour %s or --kube-flavour %s", x, y);
	return -ENOTUNIQ;
}

/* Looked for everywhere, pods of two Ceph clusters look alike, and those on one node are told apart by nothing. */
static int one_namespace(const struct lookup *l, struct cn_error *err)
{
	for (size_t i = 1; i < l->n; i++) {
		const struct cn_pod *a = &l->v[0], *b = &l->v[i];

		if (strcmp(a->ns, b->ns) == 0)
			continue;
		cn_error_set(err, CN_REFUSED, ENOTUNIQ, "Kubernetes has OSD pods in several namespaces: %s/%s and %s/%s", a->ns,
			     a->name, b->ns, b->name);
		cn_error_hint(err, "say which: --kube-namespace %s or --kube-namespace %s", a->ns, b->ns);
		return -ENOTUNIQ;
	}
	return 0;
}

static int pod_cmp(const void *a, const void *b)
{
	const struct cn_pod *x = a, *y = b;
	int r = strcmp(x->ns, y->ns);

	return r ? r : strcmp(x->name, y->name);
}

static void take(struct lookup *l, struct cn_pods *ret)
{
	ret->flavour = l->flavour ? l->flavour : CN_FLAVOUR_NONE;
	ret->v = TAKE_PTR(l->v);
	ret->n = l->n;
	l->n = 0;
	qsort(ret->v, ret->n, sizeof(*ret->v), pod_cmp);
}

/* Looks for all of them; 0 also where nothing was found. */
static int look_all(struct cn_kube *k, struct lookup *l, size_t n, struct cn_pods *ret, struct cn_error *err)
{
	struct lookup *found = NULL, *forbidden = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		r = look(k, &l[i], &ret->looked, err);
		if (l[i].forbidden)
			forbidden = forbidden ?: &l[i];
		if (r == 0 && l[i].n && found)
			r = two_flavours(found, &l[i], err);
		else if (l[i].n)
			found = &l[i];
	}
	if (r == 0 && found && !found->ns)
		r = one_namespace(found, err);
	if (r == 0 && found)
		take(found, ret);
	else if (r == 0 && forbidden) {
		cn_error_move(err, &forbidden->err);
		r = -err->errnum;
	}
	return r;
}

/* Without a cluster-wide right, and for releases in a namespace of their own, that of the context or of our service account is
 * the next best. */
static const char *next_best(struct cn_kube *k)
{
	const char *ns = cn_kube_config(k)->ns;

	return ns && strcmp(ns, "default") != 0 ? ns : NULL;
}

static size_t prepare(const struct cn_kube_options *o, const char *ns, struct lookup *l)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(flavours); i++) {
		const struct flavour *f = &flavours[i];

		if (o->flavour && strcmp(o->flavour, cn_flavour_name(f->flavour)) != 0)
			continue;
		if (o->selector && !o->flavour)
			break;
		l[n++] = (struct lookup){.flavour = f->flavour,
					 .ns = ns ?: f->ns,
					 .selector = o->selector ?: f->selector,
					 .host_from = o->host_from};
	}
	if (n == 0)
		l[n++] = (struct lookup){.ns = ns, .selector = o->selector, .host_from = o->host_from};
	return n;
}

static int look_in(struct cn_kube *k, const char *ns, struct cn_pods *ret, struct cn_error *err)
{
	struct lookup l[ARRAY_SIZE(flavours)] = {};
	size_t n = prepare(cn_kube_options(k), ns, l);
	int r = look_all(k, l, n, ret, err);

	for (size_t i = 0; i < n; i++)
		release(&l[i]);
	return r;
}

int cn_pods_list(struct cn_kube *k, struct cn_pods *ret, struct cn_error *err)
{
	const char *ns = cn_kube_options(k)->ns, *other = ns ? NULL : next_best(k);
	_cleanup_error_ struct cn_error e = {};
	struct cn_pods pods = {};
	int r = look_in(k, ns, &pods, &e);

	if (other && pods.n == 0 && (r == 0 || r == -EPERM)) {
		_cleanup_error_ struct cn_error second = {};
		int again = look_in(k, other, &pods, &second);

		if (pods.n || (again < 0 && again != -EPERM)) { /* of two that may not be read the first is told */
			r = again;
			cn_error_move(&e, &second);
		}
	}
	if (r < 0) {
		cn_error_move(err, &e);
		cn_pods_release(&pods);
		return r;
	}
	*ret = pods;
	return 0;
}
