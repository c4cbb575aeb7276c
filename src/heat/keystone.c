/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/heat/keystone.h"

#include <errno.h>
#include <string.h>

#include "cephnode/base/log.h"
#include "heat/stamp.h"
#include "heat/token.h"

#define RENEW_BEFORE_MS 120000
#define MAX_WORDS 300

struct cn_os {
	const struct cn_os_config *config;
	struct cn_clock *clock;
	struct cn_http *http;
	char *token;
	struct cn_os_token is;          /* what Keystone says of it */
	int64_t renew_at_ms, end_at_ms; /* CLOCK_BOOTTIME: the clocks of two machines need not agree */
};

static const struct {
	const char *name, *type;
} services[] = {{"Heat", "orchestration"}, {"Nova", "compute"}};

int cn_os_open(const struct cn_os_config *config, struct cn_clock *clock, struct cn_os **ret, struct cn_error *err)
{
	struct cn_os *os = cn_calloc(1, sizeof(*os));
	int r;

	*os = (struct cn_os){.config = config, .clock = clock};
	r = cn_http_new(&config->http, &os->http, err);
	if (r < 0) {
		free(os);
		return cn_error_wrap(err, "%s", config->source);
	}
	*ret = os;
	return 0;
}

static void forget_token(struct cn_os *os)
{
	cn_secret_free(os->token);
	os->token = NULL;
	cn_os_token_release(&os->is);
}

void cn_os_free(struct cn_os *os)
{
	if (!os)
		return;
	forget_token(os);
	cn_http_free(os->http);
	free(os);
}

void cn_os_answer_release(struct cn_os_answer *a)
{
	json_decref(a->json);
	free(a->location);
	*a = (struct cn_os_answer){};
}

const json_t *cn_os_token_info(const struct cn_os *os)
{
	return os->is.info;
}

/* --- login --- */

static void put(json_t *o, const char *key, const char *value)
{
	if (value)
		json_object_set_new(o, key, cn_json_string(value));
}

/* {"id": ..} or {"name": .., "domain": {..}}; without a word on the domain it is the default one. */
static json_t *named(const char *id, const char *name, const char *domain_id, const char *domain_name)
{
	json_t *o = json_object(), *domain;

	if (id) {
		put(o, "id", id);
		return o;
	}
	domain = json_object();
	put(o, "name", name);
	put(domain, domain_id || !domain_name ? "id" : "name", domain_id ? domain_id : domain_name ? domain_name : "default");
	json_object_set_new(o, "domain", domain);
	return o;
}

static json_t *login_body(const struct cn_os_config *c)
{
	json_t *secret, *identity, *user = named(c->user_id, c->username, c->user_domain_id, c->user_domain_name);

	if (c->app_credential) {
		secret = json_object();
		put(secret, "id", c->credential_id);
		if (!c->credential_id) {
			put(secret, "name", c->credential_name);
			json_object_set(secret, "user", user);
		}
		put(secret, "secret", c->credential_secret);
		json_decref(user);
		identity = json_pack("{s[s],so}", "methods", "application_credential", "application_credential", secret);
		return json_pack("{s{so}}", "auth", "identity", identity);
	}
	put(user, "password", c->password);
	identity = json_pack("{s[s],s{so}}", "methods", "password", "password", "user", user);
	return json_pack("{s{so,s{so}}}", "auth", "identity", identity, "scope", "project",
			 named(c->project_id, c->project_name, c->project_domain_id, c->project_domain_name));
}

/* The service's endpoint in the catalogue. Where several regions have one, the configuration must say which is meant. */
static int endpoint(const struct cn_os_config *c, enum cn_os_service service, const json_t *token, char **ret,
		    struct cn_error *err)
{
	const char *url = service == CN_OS_HEAT ? c->heat_url : c->nova_url, *region = c->region;
	const json_t *entry, *e;
	size_t i, k, len;

	json_array_foreach (cn_json_arr(token, "catalog"), i, entry) {
		if ((c->heat_url && service == CN_OS_HEAT) || (c->nova_url && service == CN_OS_NOVA) ||
		    strcmp(cn_json_str(entry, "type", ""), services[service].type) != 0)
			continue;
		json_array_foreach (cn_json_arr(entry, "endpoints"), k, e) {
			const char *where = cn_json_str(e, "region_id", cn_json_str(e, "region", ""));

			if (strcmp(cn_json_str(e, "interface", ""), c->interface) != 0 || (region && strcmp(where, region) != 0))
				continue;
			if (url && strcmp(url, cn_json_str(e, "url", "")) != 0) {
				cn_error_set(err, CN_USAGE, ENOTUNIQ, "%s is in several regions, and which is meant is not said",
					     services[service].name);
				cn_error_hint(err, "set region_name in clouds.yaml, or OS_REGION_NAME");
				return -ENOTUNIQ;
			}
			url = cn_json_str(e, "url", NULL);
		}
	}
	len = url ? strlen(url) : 0;
	while (len && url[len - 1] == '/')
		len--;
	if (!len) {
		cn_error_set(err, CN_FAILED, ENXIO, "the catalogue of this cloud has no %s endpoint of %s%s%s", c->interface,
			     services[service].name, region ? " in region " : "", region ? region : "");
		cn_error_hint(err, "check region_name and interface of %s", c->source);
		return -ENXIO;
	}
	*ret = cn_strndup(url, len);
	return 0;
}

int cn_os_token_read(const json_t *answer, const struct cn_os_config *c, struct cn_os_token *ret, struct cn_error *err)
{
	json_t *token = cn_json_obj(answer, "token");
	struct cn_os_token t = {};
	int64_t from, to;
	int r = 0;

	if (!token)
		return cn_error_set(err, CN_FAILED, EBADMSG, "Keystone's answer has no token: is auth_url that of Keystone?");
	for (size_t i = 0; i < ARRAY_SIZE(services) && r == 0; i++)
		r = endpoint(c, (enum cn_os_service)i, token, &t.url[i], err);
	if (r < 0) {
		cn_os_token_release(&t);
		return r;
	}
	from = cn_os_time(cn_json_str(token, "issued_at", ""));
	to = cn_os_time(cn_json_str(token, "expires_at", ""));
	t.info = json_incref(token);
	t.life_ms = MAX(to - from, (int64_t)1000);
	*ret = t;
	return 0;
}

void cn_os_token_release(struct cn_os_token *t)
{
	json_decref(t->info);
	for (size_t i = 0; i < ARRAY_SIZE(t->url); i++)
		free(t->url[i]);
	*t = (struct cn_os_token){};
}

static int take_token(struct cn_os *os, struct cn_http_response *r, struct cn_error *err)
{
	_cleanup_json_ json_t *doc = cn_json_parse(r->body, r->len, err);
	int64_t now = cn_clock_boot_ms(os->clock);
	struct cn_os_token t = {};
	int e;

	if (!doc)
		return cn_error_wrap(err, "Keystone's answer");
	e = cn_os_token_read(r->auth_token ? doc : NULL, os->config, &t, err);
	if (e < 0)
		return e;
	forget_token(os);
	os->is = t;
	os->token = TAKE_PTR(r->auth_token);
	os->end_at_ms = now + t.life_ms;
	os->renew_at_ms = os->end_at_ms - MIN((int64_t)RENEW_BEFORE_MS, t.life_ms / 5);
	return 0;
}

/* For messages: without user and password. */
static char *url_shown(const char *url)
{
	const char *scheme = strstr(url, "://"), *host = scheme ? scheme + 3 : url;
	size_t len = strcspn(host, "/?#");
	const char *at = memrchr(host, '@', len);

	return cn_asprintf("%.*s%s", (int)(host - url), url, at ? at + 1 : host);
}

static int login_failed(const struct cn_os *os, int status, struct cn_error *err)
{
	_cleanup_free_ char *shown = NULL;

	if (status == 401) {
		cn_error_set(err, CN_FAILED, EACCES, "Keystone refuses the credential (%s)", os->config->source);
		cn_error_hint(err, "is its secret right, and was it deleted, or has it expired?");
		return -EACCES;
	}
	if (status >= 500)
		return cn_error_set(err, CN_FAILED, EREMOTEIO, "Keystone fails with status %d", status);
	shown = url_shown(os->config->auth_url);
	cn_error_set(err, CN_FAILED, EPROTO, "Keystone answers a login with status %d", status);
	cn_error_hint(err, "is auth_url that of Keystone (%s)?", shown);
	return -EPROTO;
}

static int login(struct cn_os *os, struct cn_error *err)
{
	_cleanup_free_ char *url = cn_asprintf("%s/auth/tokens", os->config->auth_url);
	_cleanup_(cn_http_response_release) struct cn_http_response response = {};
	_cleanup_json_ json_t *doc = login_body(os->config);
	const char *headers[] = {"Accept: application/json", NULL};
	char *body = cn_json_dump(doc);
	struct cn_http_request request = {
		.method = "POST",
		.url = url,
		.content_type = "application/json",
		.body = body,
		.body_len = strlen(body),
		.headers = headers,
	};
	int r = cn_http_do(os->http, &request, &response, err);

	cn_secret_free(body);
	if (r < 0)
		return r == -EINTR ? r : cn_error_wrap(err, "Keystone");
	return response.status == 201 || response.status == 200 ? take_token(os, &response, err)
								: login_failed(os, response.status, err);
}

int cn_os_login(struct cn_os *os, struct cn_error *err)
{
	int64_t now = cn_clock_boot_ms(os->clock);
	int r;

	if (os->token && now < os->renew_at_ms)
		return 0;
	r = login(os, err);
	if (r < 0 && r != -EINTR && os->token && now < os->end_at_ms) { /* Keystone may be back before this one ends */
		cn_debug("cannot renew the token yet: %s", err->message);
		cn_error_release(err);
		os->renew_at_ms = MIN(now + 10000, os->end_at_ms);
		return 0;
	}
	return r;
}

/* --- requests --- */

static int send_once(struct cn_os *os, enum cn_os_service service, const char *method, const char *path, const char *body,
		     struct cn_http_response *ret, struct cn_error *err)
{
	_cleanup_free_ char *url = cn_asprintf("%s%s", os->is.url[service], path);
	char *token = cn_asprintf("X-Auth-Token: %s", os->token);
	const char *headers[] = {"Accept: application/json", token, NULL};
	struct cn_http_request request = {
		.method = method,
		.url = url,
		.content_type = body ? "application/json" : NULL,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.headers = headers,
	};
	int r = cn_http_do(os->http, &request, ret, err);

	cn_secret_free(token);
	return r < 0 && r != -EINTR ? cn_error_wrap(err, "%s", services[service].name) : r;
}

/* The server's own words, in whichever of the shapes of OpenStack's projects. */
static char *words_of(const json_t *doc)
{
	const char *key, *text = cn_json_str(cn_json_obj(doc, "error"), "message", NULL);
	json_t *v;

	if (!text)
		text = cn_json_str(doc, "explanation", NULL);
	json_object_foreach ((json_t *)doc, key, v)
		if (!text)
			text = cn_json_str(v, "message", NULL);
	return text ? cn_strndup(text, strnlen(text, MAX_WORDS)) : NULL;
}

static int verdict(enum cn_os_service service, const char *method, const char *path, const struct cn_os_answer *a,
		   struct cn_error *err)
{
	static const struct {
		int status, errnum;
		enum cn_code code;
	} known[] = {
		{400, EINVAL, CN_FAILED},    {401, EACCES, CN_FAILED}, {403, EPERM, CN_FAILED},
		{404, ENOENT, CN_NOT_FOUND}, {409, EBUSY, CN_FAILED},
	};
	_cleanup_free_ char *words = words_of(a->json);
	enum cn_code code = CN_FAILED;
	int errnum = EREMOTEIO;

	if (a->status < 400)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].status == a->status) {
			errnum = known[i].errnum;
			code = known[i].code;
		}
	cn_error_set(err, code, errnum, "%s answers %s %s with status %d%s%s", services[service].name, method, path, a->status,
		     words ? ": " : "", words ? words : "");
	if (a->status == 401)
		cn_error_hint(err,
			      "a fresh token is refused: the access rules of the application credential leave this out, or "
			      "service_type is missing in [keystone_authtoken] of %s",
			      services[service].name);
	if (a->status == 403)
		cn_error_hint(err, "the role of the credential does not allow this: it needs 'member' in the stack's project");
	return -errnum;
}

static int fill(struct cn_http_response *response, struct cn_os_answer *a, enum cn_os_service service, struct cn_error *err)
{
	_cleanup_error_ struct cn_error e = {};

	a->status = response->status;
	a->location = TAKE_PTR(response->location);
	if (!response->len)
		return 0;
	a->json = cn_json_parse(response->body, response->len, &e);
	if (!a->json && a->status < 300)
		return cn_error_set(err, CN_FAILED, EBADMSG, "%s: the answer is no JSON: %s", services[service].name, e.message);
	return 0;
}

int cn_os_request(struct cn_os *os, enum cn_os_service service, const char *method, const char *path, const json_t *body,
		  struct cn_os_answer *ret, struct cn_error *err)
{
	_cleanup_(cn_http_response_release) struct cn_http_response response = {};
	_cleanup_(cn_os_answer_release) struct cn_os_answer a = {};
	_cleanup_free_ char *text = body ? cn_json_dump(body) : NULL;
	int r = cn_os_login(os, err);

	if (r == 0)
		r = send_once(os, service, method, path, text, &response, err);
	if (r == 0 && response.status == 401) { /* revoked, or Keystone's keys were rotated: nothing was carried out */
		cn_http_response_release(&response);
		response = (struct cn_http_response){};
		r = login(os, err);
		if (r == 0)
			r = send_once(os, service, method, path, text, &response, err);
	}
	if (r == 0)
		r = fill(&response, &a, service, err);
	if (r == 0)
		r = verdict(service, method, path, &a, err);
	if (ret) {
		*ret = a;
		a = (struct cn_os_answer){};
	}
	return r;
}
