/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kube/status.h"

#include <errno.h>
#include <string.h>

#include "cephnode/base/text.h"

#define MOST_WORDS 300 /* of a body that is no Status: a proxy's HTML, say */

void cn_kube_status_release(struct cn_kube_status *s)
{
	free(s->reason);
	free(s->message);
	free(s->cause);
	*s = (struct cn_kube_status){};
}

static void read_status(const struct cn_http_response *a, struct cn_kube_status *ret)
{
	_cleanup_json_ json_t *j = a->len ? cn_json_parse(a->body, a->len, NULL) : NULL;
	const json_t *causes = cn_json_arr(cn_json_obj(j, "details"), "causes");
	const char *message = cn_json_str(j, "message", NULL);

	/* A 504 of some versions is a Status without a kind, as text/plain. */
	if (!json_is_object(j) || !message || strcmp(cn_json_str(j, "kind", "Status"), "Status") != 0) {
		size_t len = a->status / 100 == 3 ? 0 : MIN(a->len, (size_t)MOST_WORDS);

		while (len && strchr(" \t\r\n", a->body[len - 1]))
			len--;
		*ret = (struct cn_kube_status){a->status, cn_strdup(""), cn_utf8_repair(a->body, len, &len), cn_strdup("")};
		return;
	}
	*ret = (struct cn_kube_status){a->status, cn_strdup(cn_json_str(j, "reason", "")), cn_strdup(message),
				       cn_strdup(cn_json_str(json_array_get(causes, 0), "reason", ""))};
}

bool cn_kube_is_budget(const struct cn_http_response *a)
{
	_cleanup_(cn_kube_status_release) struct cn_kube_status s = {};

	if (a->status != 429)
		return false;
	read_status(a, &s);
	return strcmp(s.cause, "DisruptionBudget") == 0;
}

static int errno_of(const struct cn_kube_status *s, enum cn_code *code)
{
	bool budget = s->code == 429 && strcmp(s->cause, "DisruptionBudget") == 0;

	*code = s->code == 404 ? CN_NOT_FOUND : (s->code == 429 && !budget) || s->code / 100 == 5 ? CN_TIMEOUT : CN_FAILED;
	switch (s->code) {
	case 401:
		return EACCES;
	case 403:
		return EPERM;
	case 404:
		return ENOENT;
	case 409:
		return EEXIST;
	case 410:
		return ESTALE;
	case 429:
		return budget ? EBUSY : EAGAIN;
	case 503:
		return EAGAIN;
	default:
		return s->code / 100 == 5 ? EREMOTEIO : s->code / 100 == 4 ? EINVAL : EPROTO;
	}
}

/* --- hints --- */

/* The verb and resource of RBAC that a request needs, "delete pods in namespace ceph"; NULL where the path is no resource. */
static char *right_of(const char *method, const char *path)
{
	_cleanup_(cn_strv_release) struct cn_strv p = {0};
	_cleanup_free_ char *plain = cn_strndup(path, strcspn(path, "?"));
	const char *ns = NULL, *verb;
	size_t at;

	cn_strv_split(&p, plain, "/");
	at = p.n && strcmp(p.v[0], "api") == 0 ? 2 : 3; /* /api/v1, /apis/GROUP/VERSION */
	if (p.n > at + 2 && strcmp(p.v[at], "namespaces") == 0) {
		ns = p.v[at + 1];
		at += 2;
	}
	if (p.n <= at)
		return NULL;
	if (strcmp(method, "GET") == 0)
		verb = p.n > at + 1 ? "get" : "list";
	else
		verb = strcmp(method, "POST") == 0    ? "create"
		       : strcmp(method, "PATCH") == 0 ? "patch"
		       : strcmp(method, "PUT") == 0   ? "update"
						      : "delete";
	return cn_asprintf("%s %s%s%s%s%s", verb, p.v[at], p.n > at + 2 ? "/" : "", p.n > at + 2 ? p.v[at + 2] : "",
			   ns ? " in namespace " : "", ns ? ns : "");
}

static void hint(const struct cn_kube_config *config, const char *method, const char *path, int status, struct cn_error *err)
{
	_cleanup_free_ char *right = NULL;

	if (status / 100 == 3)
		cn_error_hint(err, "redirects are not followed; the server's URL in %s may be wrong", config->source);
	if (status == 401)
		cn_error_hint(err, "the credential of %s is not accepted: it may have expired", config->source);
	if (status == 403)
		right = right_of(method, path);
	if (right)
		cn_error_hint(err, "the account of %s needs the right: %s", config->source, right);
}

int cn_kube_refusal(const struct cn_kube_config *config, const char *method, const char *path, const struct cn_http_response *a,
		    struct cn_kube_status *ret_status, struct cn_error *err)
{
	_cleanup_(cn_kube_status_release) struct cn_kube_status s = {};
	int plain = (int)strcspn(path, "?"); /* the rest is long, and says nothing to people */
	enum cn_code code;
	int e;

	read_status(a, &s);
	e = errno_of(&s, &code);
	cn_error_set(err, code, e, "the Kubernetes API answers %d to %s %.*s%s%s", a->status, method, plain, path,
		     *s.message ? ": " : "", s.message);
	hint(config, method, path, a->status, err);
	if (ret_status) {
		cn_kube_status_release(ret_status);
		*ret_status = s;
		s = (struct cn_kube_status){};
	}
	return -e;
}
