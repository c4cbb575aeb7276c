/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/kube/config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "kube/internal.h"

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

static void free_secrets(struct cn_strv *l)
{
	for (size_t i = 0; i < l->n; i++) {
		explicit_bzero(l->v[i], strlen(l->v[i]));
	}
	cn_strv_release(l);
}

void cn_kube_config_release(struct cn_kube_config *c)
{
	free(c->source);
	free(c->context);
	free(c->server);
	free(c->ns);
	cn_http_config_release(&c->http);
	cn_secret_free(c->token);
	free(c->token_file);
	free(c->username);
	cn_secret_free(c->password);
	cn_strv_release(&c->impersonate);
	free(c->exec.command);
	free_secrets(&c->exec.args);
	free_secrets(&c->exec.env);
	free(c->exec.api_version);
	free(c->exec.install_hint);
	free(c->exec.cluster_info);
	*c = (struct cn_kube_config){};
}

bool cn_kube_options_given(const struct cn_kube_options *o)
{
	return o->kubeconfig || o->context || o->ns || o->selector || o->flavour || o->host_from;
}

/* The folder is named by the environment in tests alone: in a pod it is where it is. */
static char *account_file(const char *name)
{
	const char *dir = secure_getenv("CEPHNODE_SERVICE_ACCOUNT");

	return cn_asprintf("%s/%s", dir ? dir : ACCOUNT, name);
}

static int load_account(struct cn_kube_config *ret, struct cn_error *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
	_cleanup_free_ char *token_file = account_file("token"), *ca_file = account_file("ca.crt"),
			    *ns_file = account_file("namespace");
	struct cn_kube_config c = {};
	size_t len;

	if (!host || !*host || !port || !*port)
		return 0;
	c.token = cn_kube_read_token(token_file);
	if (!c.token)
		return 0; /* a pod that was given no account */
	if (cn_kube_read_file(ca_file, &c.http.ca, &len, err) < 0) {
		cn_kube_config_release(&c);
		return cn_error_wrap(err, "the service account of this pod");
	}
	c.source = cn_strdup("the service account of this pod");
	c.server = cn_asprintf(strchr(host, ':') && *host != '[' ? "https://[%s]:%s" : "https://%s:%s", host, port);
	c.ns = cn_kube_read_token(ns_file);
	c.token_file = TAKE_PTR(token_file);
	*ret = c;
	return 1;
}

static int load_home(const struct cn_kube_options *o, struct cn_kube_config *ret, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv path = {0};
	const char *home = getenv("HOME");

	if (!home || !*home)
		return 0;
	cn_strv_addf(&path, "%s/.kube/config", home);
	return cn_kubeconfig_load(&path, o->context, o->context, ret, err);
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

/* Who names files means them: without Kubernetes the pods of a node would be passed over in silence. */
static int check_list(const struct cn_strv *paths, const char *list, struct cn_error *err)
{
	for (size_t i = 0; i < paths->n; i++)
		if (is_there(paths->v[i]))
			return 0;
	cn_error_set(err, CN_USAGE, ENOENT, "no file that KUBECONFIG names is there: %s", list);
	cn_error_hint(err, "set it right, or unset it for the default places; --no-kube goes without Kubernetes");
	return -ENOENT;
}

int cn_kube_config_load(const struct cn_kube_options *o, struct cn_kube_config *ret, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv paths = {0};
	const char *list = getenv("KUBECONFIG");
	int r = 0;

	if (o->off)
		return 0;
	if (o->kubeconfig) {
		cn_strv_add(&paths, o->kubeconfig);
		return cn_kubeconfig_load(&paths, o->context, true, ret, err);
	}
	if (list)
		cn_strv_split(&paths, list, ":");
	if (paths.n)
		r = cn_kubeconfig_load(&paths, o->context, o->context, ret, err);
	if (r == 0 && !o->context)
		r = load_account(ret, err);
	if (r == 0)
		r = paths.n ? check_list(&paths, list, err) : load_home(o, ret, err);
	return r;
}
