/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/heat/openstack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cephnode/base/log.h"
#include "cephnode/base/text.h"
#include "cephnode/base/yaml.h"

#define MAX_FILE (1 << 20)

static int bad(struct cn_error *err, const char *source, const char *what)
{
	return cn_error_set(err, CN_USAGE, EINVAL, "%s: %s", source, what);
}

/* --- files --- */

/* *ret stays NULL where there is no such file. */
static int read_file(const char *path, char **ret, size_t *ret_len, struct cn_error *err)
{
	FILE *f = fopen(path, "re");
	char *text;
	size_t n;

	if (!f && errno == ENOENT)
		return 0;
	if (!f)
		return cn_error_set(err, CN_USAGE, errno, "cannot read %s: %s", path, strerror(errno));
	text = cn_malloc(MAX_FILE + 1);
	n = fread(text, 1, MAX_FILE + 1, f);
	if (ferror(f) || n > MAX_FILE) {
		int e = ferror(f) ? errno : EFBIG;

		fclose(f);
		free(text);
		return cn_error_set(err, CN_USAGE, e, "cannot read %s: %s", path, strerror(e));
	}
	fclose(f);
	text[n] = '\0';
	*ret = text;
	if (ret_len)
		*ret_len = n;
	return 0;
}

static int load_yaml(const char *path, json_t **ret, struct cn_error *err)
{
	char *text = NULL;
	size_t len = 0;
	int r = read_file(path, &text, &len, err);

	if (r < 0 || !text)
		return r;
	*ret = cn_yaml_parse(text, len, err);
	explicit_bzero(text, len);
	free(text);
	return *ret ? 0 : cn_error_wrap(err, "%s", path);
}

/* The first file of this name that there is. env names the variable that says which it is. */
static int find_file(const char *name, const char *env, json_t **ret, char **ret_path, struct cn_error *err)
{
	static const char *const suffixes[] = {"yaml", "yml", "json"};
	const char *given = getenv(env), *home = getenv("HOME"), *xdg = getenv("XDG_CONFIG_HOME");
	_cleanup_free_ char *user =
		xdg && *xdg ? cn_asprintf("%s/openstack", xdg) : cn_asprintf("%s/.config/openstack", home && *home ? home : "");
	const char *dirs[] = {".", user, "/etc/openstack"};
	int r;

	if (given && *given) {
		r = load_yaml(given, ret, err);
		if (r == 0 && !*ret)
			r = cn_error_set(err, CN_USAGE, ENOENT, "%s, named by %s, does not exist", given, env);
		if (r == 0)
			*ret_path = cn_strdup(given);
		return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(dirs) * ARRAY_SIZE(suffixes); i++) {
		_cleanup_free_ char *path =
			cn_asprintf("%s/%s.%s", dirs[i / ARRAY_SIZE(suffixes)], name, suffixes[i % ARRAY_SIZE(suffixes)]);

		r = load_yaml(path, ret, err);
		if (r == -EACCES || r == -ENOTDIR || r == -EISDIR) { /* another user's, and nobody named it */
			cn_debug("%s", err->message);
			cn_error_release(err);
			continue;
		}
		if (r < 0)
			return r;
		if (*ret) {
			*ret_path = TAKE_PTR(path);
			return 0;
		}
	}
	return 0;
}

/* What `over` says counts; objects are merged at every depth. */
static void lay_over(json_t *base, const json_t *over)
{
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)over, key, v) {
		json_t *old = json_object_get(base, key);

		if (json_is_object(old) && json_is_object(v))
			lay_over(old, v);
		else
			json_object_set(base, key, v);
	}
}

/* {"clouds": {...}} of clouds.yaml with secure.yaml laid over it; NULL where there is neither. */
static int load_clouds(json_t **ret, char **ret_path, struct cn_error *err)
{
	_cleanup_json_ json_t *clouds = NULL, *secure = NULL;
	_cleanup_free_ char *path = NULL, *secure_path = NULL;
	int r = find_file("clouds", "OS_CLIENT_CONFIG_FILE", &clouds, &path, err);

	if (r == 0 && clouds)
		r = find_file("secure", "OS_CLIENT_SECURE_FILE", &secure, &secure_path, err);
	if (r < 0 || !clouds)
		return r;
	if (!json_is_object(json_object_get(clouds, "clouds")))
		return bad(err, path, "there is no 'clouds' in it");
	if (json_is_object(secure))
		lay_over(clouds, secure);
	*ret = TAKE_PTR(clouds);
	*ret_path = TAKE_PTR(path);
	return 0;
}

/* --- which cloud --- */

/* What a login needs. Keys of one field: the first that is there counts. */
struct field {
	const char *key;
	size_t offset;
};

#define FIELD(key, member)                                                                                                       \
	{                                                                                                                        \
		key, offsetof(struct cn_os_config, member)                                                                       \
	}

static const struct field user_fields[] = {
	FIELD("auth_url", auth_url),
	FIELD("user_id", user_id),
	FIELD("username", username),
	FIELD("password", password),
	FIELD("application_credential_id", credential_id),
	FIELD("application_credential_name", credential_name),
	FIELD("application_credential_secret", credential_secret),
};
static const struct field scope_fields[] = {
	FIELD("project_id", project_id),
	FIELD("tenant_id", project_id),
	FIELD("project_name", project_name),
	FIELD("tenant_name", project_name),
	FIELD("user_domain_id", user_domain_id),
	FIELD("user_domain_name", user_domain_name),
	FIELD("project_domain_id", project_domain_id),
	FIELD("project_domain_name", project_domain_name),
	/* said once for both */
	FIELD("domain_id", user_domain_id),
	FIELD("domain_id", project_domain_id),
	FIELD("domain_name", user_domain_name),
	FIELD("domain_name", project_domain_name),
};
static const struct field cloud_fields[] = {
	FIELD("region_name", region),
	FIELD("orchestration_endpoint_override", heat_url),
	FIELD("compute_endpoint_override", nova_url),
};
static const char *const other_keys[] = {"auth_type", "interface", "endpoint_type", "cacert", "cert", "key", "insecure"};

static const char *from_environment(const char *key)
{
	_cleanup_free_ char *name = cn_asprintf("OS_%s", key);
	const char *value;

	for (char *c = name; *c; c++)
		*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
	value = getenv(name);
	return value && *value ? value : NULL;
}

static void put_variable(json_t *cloud, const char *key)
{
	if (from_environment(key))
		json_object_set_new(cloud, key, cn_json_string(from_environment(key)));
}

/* The variables in the shape of a cloud of clouds.yaml. */
static json_t *cloud_of_environment(void)
{
	json_t *cloud = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(user_fields); i++)
		put_variable(cloud, user_fields[i].key);
	for (size_t i = 0; i < ARRAY_SIZE(scope_fields); i++)
		put_variable(cloud, scope_fields[i].key);
	for (size_t i = 0; i < ARRAY_SIZE(cloud_fields); i++)
		put_variable(cloud, cloud_fields[i].key);
	for (size_t i = 0; i < ARRAY_SIZE(other_keys); i++)
		put_variable(cloud, other_keys[i]);
	return cloud;
}

static void hint_clouds(const json_t *clouds, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv names = {};
	_cleanup_free_ char *list = NULL;
	const char *name;
	json_t *v;

	json_object_foreach ((json_t *)clouds, name, v)
		cn_strv_add(&names, name);
	cn_strv_sort(&names);
	list = cn_strv_join(&names, ", ");
	cn_error_hint(err, "clouds there: %s", names.n ? list : "none");
}

/* The region that OS_REGION_NAME selects, or the only one: its name becomes region_name, its values are laid over the cloud. */
static int choose_region(json_t *cloud, const char *source, struct cn_error *err)
{
	const char *wanted = from_environment("region_name"), *name;
	const json_t *regions = json_object_get(cloud, "regions"), *r, *chosen = NULL;
	_cleanup_(cn_strv_release) struct cn_strv names = {};
	_cleanup_free_ char *list = NULL;
	size_t i;

	if (!json_array_size(regions)) {
		const char *only = cn_json_str(cloud, "region_name", "");

		if (wanted && *only && strcmp(wanted, only) != 0)
			return cn_error_set(err, CN_USAGE, ENOENT, "%s is of region %s, and OS_REGION_NAME says %s", source, only,
					    wanted);
		if (wanted)
			json_object_set_new(cloud, "region_name", cn_json_string(wanted));
		return 0;
	}
	json_array_foreach (regions, i, r) {
		name = json_string_value(r) ?: cn_json_str(r, "name", "");
		cn_strv_add(&names, name);
		if (wanted ? strcmp(wanted, name) == 0 : json_array_size(regions) == 1) {
			json_object_set_new(cloud, "region_name", cn_json_string(name));
			chosen = r;
		}
	}
	if (!chosen) {
		list = cn_strv_join(&names, ", ");
		if (wanted)
			cn_error_set(err, CN_USAGE, EINVAL, "%s has no region %s", source, wanted);
		else
			cn_error_set(err, CN_USAGE, EINVAL, "%s has several regions, and which is meant is not said", source);
		cn_error_hint(err, "set OS_REGION_NAME to one of: %s", list);
		return -EINVAL;
	}
	if (cn_json_obj(chosen, "values"))
		lay_over(cloud, cn_json_obj(chosen, "values"));
	return 0;
}

static int cloud_of_file(const char *name, json_t **ret, char **ret_source, struct cn_error *err)
{
	_cleanup_json_ json_t *doc = NULL;
	_cleanup_free_ char *path = NULL;
	json_t *clouds, *cloud;
	int r = load_clouds(&doc, &path, err);

	if (r < 0)
		return r;
	if (!doc && name) {
		cn_error_set(err, CN_USAGE, ENOENT, "there is no clouds.yaml that could tell of cloud '%s'", name);
		cn_error_hint(err,
			      "looked at OS_CLIENT_CONFIG_FILE, ./, ~/.config/openstack/ and /etc/openstack/; -v tells of files "
			      "that may not be read");
		return -ENOENT;
	}
	clouds = doc ? json_object_get(doc, "clouds") : NULL;
	if (!name && json_object_size(clouds) == 1)
		name = json_object_iter_key(json_object_iter(clouds));
	if (!name) {
		cn_error_set(err, CN_USAGE, EINVAL, "which OpenStack cloud is not said");
		if (doc)
			hint_clouds(clouds, err);
		cn_error_hint(err, "name one with --os-cloud or OS_CLOUD, or set OS_AUTH_URL and its relatives");
		return -EINVAL;
	}
	cloud = json_object_get(clouds, name);
	if (!json_is_object(cloud)) {
		cn_error_set(err, CN_USAGE, ENOENT, "%s has no cloud '%s'", path, name);
		hint_clouds(clouds, err);
		return -ENOENT;
	}
	*ret_source = cn_asprintf("cloud '%s' of %s", name, path);
	r = choose_region(cloud, *ret_source, err);
	if (r < 0)
		return r;
	*ret = json_incref(cloud);
	return 0;
}

/* --- what it says --- */

/* A scalar as text: YAML takes a password of digits for a number. false: it is there and of no use. */
static bool scalar(const json_t *o, const char *key, char **ret)
{
	const json_t *v = json_object_get(o, key);

	if (json_is_string(v)) {
		if (*json_string_value(v) && !*ret)
			*ret = cn_strdup(json_string_value(v));
		return true;
	}
	if (json_is_integer(v) && !*ret)
		*ret = cn_asprintf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
	return !v || json_is_null(v) || json_is_integer(v);
}

/* Each from the first of the two objects (may be NULL) that has it. */
static int read_fields(const json_t *first, const json_t *second, const struct field *fields, size_t n, struct cn_os_config *c,
		       struct cn_error *err)
{
	for (size_t i = 0; i < n; i++) {
		char **member = (char **)((char *)c + fields[i].offset);

		if (!scalar(first, fields[i].key, member) || !scalar(second, fields[i].key, member))
			return cn_error_set(err, CN_USAGE, EINVAL, "%s: '%s' must be text: put it in quotes", c->source,
					    fields[i].key);
	}
	return 0;
}

static int read_auth(const json_t *cloud, struct cn_os_config *c, struct cn_error *err)
{
	const char *type = cn_json_str(cloud, "auth_type", "");
	const json_t *auth = cn_json_obj(cloud, "auth");
	int r = read_fields(auth, cloud, user_fields, ARRAY_SIZE(user_fields), c, err);

	if (r == 0) /* beside "auth" they are overrides, for other OpenStack tools, too */
		r = read_fields(cloud, auth, scope_fields, ARRAY_SIZE(scope_fields), c, err);
	if (r < 0)
		return r;
	c->app_credential = strcmp(type, "v3applicationcredential") == 0 || (!*type && c->credential_secret);
	if (*type && !c->app_credential && strcmp(type, "password") != 0 && strcmp(type, "v3password") != 0)
		return cn_error_set(err, CN_USAGE, ENOTSUP,
				    "%s: cephnode does not know auth_type '%s', only v3applicationcredential and password",
				    c->source, type);
	if (!c->auth_url)
		return bad(err, c->source,
			   json_object_get(cloud, "profile") || json_object_get(cloud, "cloud")
				   ? "there is no auth_url, and vendor profiles are not read"
				   : "there is no auth_url");
	if (c->app_credential && (!c->credential_secret || (!c->credential_id && !c->credential_name)))
		return bad(err, c->source,
			   "an application credential needs application_credential_id and application_credential_secret");
	if (c->app_credential && !c->credential_id && !c->user_id && !c->username)
		return bad(err, c->source, "an application credential that is named needs the user it belongs to");
	if (!c->app_credential && (!c->password || (!c->user_id && !c->username)))
		return bad(err, c->source, "there is neither a user with a password nor an application credential");
	if (!c->app_credential && !c->project_id && !c->project_name)
		return bad(err, c->source, "there is no project_name");
	return 0;
}

/* Keystone's address with or without its version. */
static int fix_auth_url(struct cn_os_config *c, struct cn_error *err)
{
	size_t len = strlen(c->auth_url);
	char *with;

	while (len && c->auth_url[len - 1] == '/')
		c->auth_url[--len] = '\0';
	if (len >= 5 && strcmp(c->auth_url + len - 5, "/v2.0") == 0)
		return bad(err, c->source, "auth_url names version 2.0 of Keystone's API: version 3 is needed");
	if (len >= 3 && strcmp(c->auth_url + len - 3, "/v3") == 0)
		return 0;
	with = cn_asprintf("%s/v3", c->auth_url);
	free(c->auth_url);
	c->auth_url = with;
	return 0;
}

/* A file that the cloud names; "~/" is the user's home. */
static int read_pem(const struct cn_os_config *c, const json_t *cloud, const char *key, char **ret, struct cn_error *err)
{
	const char *name = cn_json_str(cloud, key, NULL), *home = getenv("HOME");
	_cleanup_free_ char *path = NULL;
	int r;

	if (!name || !*name)
		return 0;
	path = name[0] == '~' && name[1] == '/' ? cn_asprintf("%s%s", home ? home : "", name + 1) : cn_strdup(name);
	r = read_file(path, ret, NULL, err);
	if (r == 0 && !*ret)
		r = cn_error_set(err, CN_USAGE, ENOENT, "'%s' names %s, which does not exist", key, path);
	return r < 0 ? cn_error_wrap(err, "%s", c->source) : 0;
}

static bool is_true(const json_t *o, const char *key)
{
	const char *s = cn_json_str(o, key, "");

	return cn_json_bool(o, key, false) || strcmp(s, "1") == 0 || strcasecmp(s, "true") == 0 || strcasecmp(s, "yes") == 0;
}

static int read_interface(const json_t *cloud, struct cn_os_config *c, struct cn_error *err)
{
	static const char *const known[] = {"public", "internal", "admin"};
	const char *name = cn_json_str(cloud, "interface", NULL) ?: cn_json_str(cloud, "endpoint_type", "public");

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		size_t len = strlen(known[i]);

		if (strncmp(name, known[i], len) == 0 && (!name[len] || strcmp(name + len, "URL") == 0)) {
			c->interface = cn_strdup(known[i]);
			return 0;
		}
	}
	return bad(err, c->source, "interface must be public, internal or admin");
}

static int read_cloud(const json_t *cloud, struct cn_os_config *c, struct cn_error *err)
{
	const json_t *verify = json_object_get(cloud, "verify");
	int r = read_auth(cloud, c, err);

	if (r == 0)
		r = fix_auth_url(c, err);
	if (r == 0)
		r = read_fields(cloud, NULL, cloud_fields, ARRAY_SIZE(cloud_fields), c, err);
	if (r == 0)
		r = read_interface(cloud, c, err);
	if (r == 0)
		r = read_pem(c, cloud, "cacert", &c->http.ca, err);
	if (r == 0)
		r = read_pem(c, cloud, "cert", &c->http.cert, err);
	if (r == 0)
		r = read_pem(c, cloud, "key", &c->http.key, err);
	if (r < 0)
		return r;
	c->http.insecure = json_is_false(verify) || is_true(cloud, "insecure");
	if (c->http.insecure)
		cn_warning("%s: the servers' certificates are not checked: whoever stands in between reads the credential",
			   c->source);
	return 0;
}

int cn_os_config_load(const char *cloud, struct cn_os_config *ret, struct cn_error *err)
{
	const char *named = cloud ? cloud : getenv("OS_CLOUD");
	_cleanup_json_ json_t *doc = NULL;
	struct cn_os_config c = {};
	int r = 0;

	if ((!named || !*named) && from_environment("auth_url")) {
		doc = cloud_of_environment();
		c.source = cn_strdup("the OS_* variables");
	} else {
		r = cloud_of_file(named && *named ? named : NULL, &doc, &c.source, err);
	}
	if (r == 0)
		r = read_cloud(doc, &c, err);
	if (r < 0)
		cn_os_config_release(&c);
	else
		*ret = c;
	return r;
}

void cn_os_config_release(struct cn_os_config *c)
{
	char *plain[] = {c->source,           c->auth_url,        c->user_id,      c->username,          c->user_domain_id,
			 c->user_domain_name, c->project_id,      c->project_name, c->project_domain_id, c->project_domain_name,
			 c->credential_id,    c->credential_name, c->region,       c->interface,         c->heat_url,
			 c->nova_url};

	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		free(plain[i]);
	cn_secret_free(c->password);
	cn_secret_free(c->credential_secret);
	cn_http_config_release(&c->http);
	*c = (struct cn_os_config){};
}
