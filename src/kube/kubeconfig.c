/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kubeconfig files: merged, and the one context of them that is wanted. */
#include <errno.h>
#include <string.h>

#include "cephnode/base/log.h"
#include "cephnode/base/yaml.h"
#include "kube/internal.h"

struct merged {
	json_t *clusters, *users, *contexts; /* name -> {"entry", "path"} */
	char *current;
	char *first; /* the file that was there first: for messages */
};

static void merged_release(struct merged *m)
{
	json_decref(m->clusters);
	json_decref(m->users);
	json_decref(m->contexts);
	free(m->current);
	free(m->first);
}

/* --- fields --- */

/* Text as kubectl takes it, where YAML may see a number or a truth in it. To be freed; NULL: absent or empty. */
static char *text_of(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	if (json_is_string(v))
		return *json_string_value(v) ? cn_strdup(json_string_value(v)) : NULL;
	return json_is_number(v) || json_is_boolean(v) ? cn_json_dump(v) : NULL;
}

/* A path of the file `of`, or an absolute one. */
static char *path_of(const json_t *o, const char *key, const char *of)
{
	char *path = text_of(o, key);
	const char *slash = strrchr(of, '/');
	char *whole;

	if (!path || *path == '/' || !slash)
		return path;
	whole = cn_asprintf("%.*s/%s", (int)(slash - of), of, path);
	free(path);
	return whole;
}

/* --- merging: of each name the first entry counts, whole --- */

static int merge_list(json_t *to, const json_t *file, const char *list, const char *kind, const char *path, struct cn_error *err)
{
	const json_t *items = json_object_get(file, list), *item;
	_cleanup_json_ json_t *here = json_object(), *nothing = json_object();
	size_t i;

	if (items && !json_is_array(items) && !json_is_null(items))
		return cn_error_set(err, CN_USAGE, EINVAL, "%s: '%s' is no list", path, list);
	json_array_foreach (items, i, item) {
		_cleanup_free_ char *name = text_of(item, "name");
		const json_t *entry = json_object_get(item, kind);

		if (!json_is_object(item) || (entry && !json_is_object(entry) && !json_is_null(entry)))
			return cn_error_set(err, CN_USAGE, EINVAL, "%s: item %zu of '%s' is no %s", path, i + 1, list, kind);
		if (!name)
			return cn_error_set(err, CN_USAGE, EINVAL, "%s: item %zu of '%s' has no name", path, i + 1, list);
		if (json_object_get(here, name))
			return cn_error_set(err, CN_USAGE, EINVAL, "%s: '%s' has %s '%s' twice", path, list, kind, name);
		json_object_set_new(here, name, json_true());
		if (!json_object_get(to, name))
			json_object_set_new(to, name,
					    json_pack("{sOss}", "entry", json_is_object(entry) ? entry : nothing, "path", path));
	}
	return 0;
}

static int merge_text(struct merged *m, const char *text, size_t len, const char *path, struct cn_error *err)
{
	_cleanup_json_ json_t *file = cn_yaml_parse(text, len, err);
	_cleanup_free_ char *current = NULL;
	int r;

	if (!file) {
		cn_error_wrap(err, "%s", path);
		return -err->errnum;
	}
	if (json_is_null(file))
		return 0;
	if (!json_is_object(file) || strcmp(cn_json_str(file, "kind", "Config"), "Config") != 0)
		return cn_error_set(err, CN_USAGE, EINVAL, "%s is no kubeconfig", path);
	r = merge_list(m->clusters, file, "clusters", "cluster", path, err);
	if (r == 0)
		r = merge_list(m->users, file, "users", "user", path, err);
	if (r == 0)
		r = merge_list(m->contexts, file, "contexts", "context", path, err);
	current = text_of(file, "current-context");
	if (!m->current)
		m->current = TAKE_PTR(current);
	if (!m->first)
		m->first = cn_strdup(path);
	return r;
}

/* --- the cluster of the context --- */

static int read_pem(const json_t *o, const char *data_key, const char *path_key, const char *of, const char *who, char **ret,
		    struct cn_error *err)
{
	char *data = text_of(o, data_key);
	_cleanup_free_ char *path = NULL;
	size_t len;

	if (data) { /* beats the path */
		*ret = cn_kube_base64(data);
		cn_secret_free(data);
		return *ret ? 0 : cn_error_set(err, CN_USAGE, EINVAL, "%s of %s: '%s' is not base64", who, of, data_key);
	}
	path = path_of(o, path_key, of);
	if (!path)
		return 0;
	if (cn_kube_read_file(path, ret, &len, err) < 0)
		return cn_error_wrap(err, "%s of %s: '%s'", who, of, path_key);
	return 0;
}

static void read_plugin_info(const json_t *cluster, struct cn_kube_config *c)
{
	const json_t *item;
	size_t i;

	json_array_foreach (cn_json_arr(cluster, "extensions"), i, item) {
		const json_t *v = json_object_get(item, "extension");

		if (v && !c->exec.cluster_info && strcmp(cn_json_str(item, "name", ""), "client.authentication.k8s.io/exec") == 0)
			c->exec.cluster_info = cn_json_dump(v);
	}
}

/* Go's HTTP, and so kubectl, lets a SOCKS proxy resolve names; curl calls that socks5h. */
static char *proxy_of(const json_t *cluster)
{
	char *proxy = text_of(cluster, "proxy-url"), *named;

	if (!proxy || strncmp(proxy, "socks5://", 9) != 0)
		return proxy;
	named = cn_asprintf("socks5h://%s", proxy + 9);
	cn_secret_free(proxy);
	return named;
}

static int read_cluster(const json_t *cluster, const char *of, const char *who, struct cn_kube_config *c, struct cn_error *err)
{
	int r;

	c->server = text_of(cluster, "server");
	if (!c->server)
		return cn_error_set(err, CN_USAGE, EINVAL, "%s of %s has no server", who, of);
	for (size_t len = strlen(c->server); len && c->server[len - 1] == '/'; len--)
		c->server[len - 1] = '\0';
	c->http.server_name = text_of(cluster, "tls-server-name");
	c->http.insecure = cn_json_bool(cluster, "insecure-skip-tls-verify", false);
	c->http.proxy = proxy_of(cluster);
	r = read_pem(cluster, "certificate-authority-data", "certificate-authority", of, who, &c->http.ca, err);
	if (r == 0 && c->http.insecure && c->http.ca)
		r = cn_error_set(err, CN_USAGE, EINVAL,
				 "%s of %s: a certificate authority and insecure-skip-tls-verify are not both possible", who, of);
	read_plugin_info(cluster, c);
	return r;
}

/* --- the user of the context --- */

static int read_exec(const json_t *x, const char *of, const char *who, struct cn_kube_exec *e, struct cn_error *err)
{
	const json_t *item;
	size_t i;

	e->command = text_of(x, "command");
	if (e->command && strchr(e->command, '/')) {
		free(e->command);
		e->command = path_of(x, "command", of);
	}
	e->api_version = text_of(x, "apiVersion");
	e->install_hint = text_of(x, "installHint");
	e->provide_cluster_info = cn_json_bool(x, "provideClusterInfo", false);
	json_array_foreach (cn_json_arr(x, "args"), i, item)
		cn_strv_add(&e->args, json_is_string(item) ? json_string_value(item) : "");
	json_array_foreach (cn_json_arr(x, "env"), i, item) {
		_cleanup_free_ char *name = text_of(item, "name"), *value = text_of(item, "value");

		if (name)
			cn_strv_addf(&e->env, "%s=%s", name, value ? value : "");
	}
	if (!e->command)
		return cn_error_set(err, CN_USAGE, EINVAL, "%s of %s: 'exec' has no command", who, of);
	if (!e->api_version || (strcmp(e->api_version, "client.authentication.k8s.io/v1") != 0 &&
				strcmp(e->api_version, "client.authentication.k8s.io/v1beta1") != 0))
		return cn_error_set(err, CN_USAGE, EINVAL, "%s of %s: 'exec' is of a version that is not known here", who, of);
	if (strcmp(cn_json_str(x, "interactiveMode", ""), "Always") == 0)
		return cn_error_set(err, CN_USAGE, EINVAL, "%s of %s: its plugin wants to ask someone", who, of);
	return 0;
}

static void read_impersonation(const json_t *user, struct cn_strv *to)
{
	_cleanup_free_ char *as = text_of(user, "as"), *uid = text_of(user, "as-uid");
	const json_t *item;
	size_t i;

	if (as)
		cn_strv_addf(to, "Impersonate-User: %s", as);
	if (uid)
		cn_strv_addf(to, "Impersonate-Uid: %s", uid);
	json_array_foreach (cn_json_arr(user, "as-groups"), i, item)
		cn_strv_addf(to, "Impersonate-Group: %s", json_is_string(item) ? json_string_value(item) : "");
}

static int read_user(const json_t *user, const char *of, const char *who, struct cn_kube_config *c, struct cn_error *err)
{
	int r;

	c->token = text_of(user, "token");
	c->token_file = path_of(user, "tokenFile", of);
	c->username = text_of(user, "username");
	c->password = text_of(user, "password");
	read_impersonation(user, &c->impersonate);
	r = read_pem(user, "client-certificate-data", "client-certificate", of, who, &c->http.cert, err);
	if (r == 0)
		r = read_pem(user, "client-key-data", "client-key", of, who, &c->http.key, err);
	if (r == 0 && !c->http.cert != !c->http.key)
		r = cn_error_set(err, CN_USAGE, EINVAL, "%s of %s: a client certificate and its key are only good together", who,
				 of);
	if (r == 0 && cn_json_obj(user, "exec"))
		r = read_exec(cn_json_obj(user, "exec"), of, who, &c->exec, err);
	if (r == 0 && cn_json_obj(user, "auth-provider") && !c->token && !c->token_file)
		r = cn_error_set(err, CN_USAGE, EINVAL,
				 "%s of %s: 'auth-provider' was removed from Kubernetes; 'exec' took its place", who, of);
	return r;
}

/* --- the context --- */

static void hint_contexts(const struct merged *m, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv names = {0};
	_cleanup_free_ char *all = NULL;
	const char *name;
	json_t *v;

	json_object_foreach (m->contexts, name, v)
		cn_strv_add(&names, name);
	cn_strv_sort(&names);
	all = cn_strv_join(&names, ", ");
	if (names.n)
		cn_error_hint(err, "there are: %s", all);
}

/* The entry a context names; NULL in *ret when it names none, an error when it names what is not there. */
static int follow(const json_t *context, const char *of, const char *key, const json_t *among, const json_t **ret, char **ret_who,
		  struct cn_error *err)
{
	_cleanup_free_ char *name = text_of(context, key);

	*ret = NULL;
	if (!name)
		return 0;
	*ret = json_object_get(among, name);
	*ret_who = cn_asprintf("%s '%s'", key, name);
	return *ret ? 0 : cn_error_set(err, CN_USAGE, ENOENT, "a context of %s names %s, which is not there", of, *ret_who);
}

static int resolve(const struct merged *m, const char *name, struct cn_kube_config *c, struct cn_error *err)
{
	const json_t *found = json_object_get(m->contexts, name), *context, *cluster, *user;
	_cleanup_free_ char *cluster_name = NULL, *user_name = NULL;
	const char *of;
	int r;

	if (!found) {
		cn_error_set(err, CN_USAGE, ENOENT, "there is no context '%s' in %s", name, m->first);
		hint_contexts(m, err);
		return -ENOENT;
	}
	of = cn_json_str(found, "path", "");
	context = json_object_get(found, "entry");
	c->source = cn_asprintf("context '%s' of %s", name, of);
	c->context = cn_strdup(name);
	c->ns = text_of(context, "namespace");
	r = follow(context, of, "cluster", m->clusters, &cluster, &cluster_name, err);
	if (r == 0 && !cluster)
		r = cn_error_set(err, CN_USAGE, EINVAL, "context '%s' of %s names no cluster", name, of);
	if (r == 0)
		r = follow(context, of, "user", m->users, &user, &user_name, err);
	if (r == 0)
		r = read_cluster(json_object_get(cluster, "entry"), cn_json_str(cluster, "path", ""), cluster_name, c, err);
	if (r == 0 && user)
		r = read_user(json_object_get(user, "entry"), cn_json_str(user, "path", ""), user_name, c, err);
	return r;
}

static int choose(const struct merged *m, const char *context, bool must, struct cn_kube_config *ret, struct cn_error *err)
{
	struct cn_kube_config c = {};
	int r;

	if (!context)
		context = m->current;
	if (!context && !must) {
		if (json_object_size(m->contexts))
			cn_warning("%s has contexts, but none is the current one: it is not used", m->first);
		return 0;
	}
	if (!context) {
		cn_error_set(err, CN_USAGE, ENOENT, "%s has no current context", m->first ? m->first : "the kubeconfig");
		hint_contexts(m, err);
		return -ENOENT;
	}
	r = resolve(m, context, &c, err);
	if (r < 0) {
		cn_kube_config_release(&c);
		return r;
	}
	*ret = c;
	return 1;
}

int cn_kubeconfig_load(const struct cn_strv *paths, const char *context, bool must, struct cn_kube_config *ret,
		       struct cn_error *err)
{
	_cleanup_(merged_release) struct merged m = {json_object(), json_object(), json_object()};

	for (size_t i = 0; i < paths->n; i++) {
		_cleanup_error_ struct cn_error e = {};
		char *text = NULL;
		size_t len;
		int r = cn_kube_read_file(paths->v[i], &text, &len, &e);

		if ((r == -ENOENT || r == -ENOTDIR) && !(must && paths->n == 1))
			continue;
		if (r == 0)
			r = merge_text(&m, text, len, paths->v[i], &e);
		cn_secret_free(text);
		if (r < 0) {
			cn_error_move(err, &e);
			return r;
		}
	}
	if (!m.first && must)
		return cn_error_set(err, CN_USAGE, ENOENT, "no kubeconfig file is there, or all are empty");
	return m.first ? choose(&m, context, must, ret, err) : 0;
}

int cn_kubeconfig_parse(const char *text, size_t len, const char *path, const char *context, struct cn_kube_config *ret,
			struct cn_error *err)
{
	_cleanup_(merged_release) struct merged m = {json_object(), json_object(), json_object()};
	int r = merge_text(&m, text, len, path, err);

	return r < 0 ? r : choose(&m, context, true, ret, err);
}
