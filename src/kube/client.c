/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/kube/client.h"

#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "cephnode/base/log.h"
#include "kube/internal.h"
#include "kube/status.h"

#define MOST_REPEATS 10
#define MOST_WAIT_MS 30000
#define FIRST_WAIT_MS 100 /* after a reset; doubled each time */
#define MOST_RESTARTS 3
#define MOST_PAGES 1000

/* A connection, and the credential it was made for: a plugin's may be a client certificate. */
struct line {
	struct cn_http *http;
	unsigned generation;
};

struct cn_kube {
	struct cn_kube_config config;
	struct cn_kube_options options;
	struct cn_clock *clock;
	const struct cn_kube_guard *guard;
	struct cn_kube_credential *credential;
	pthread_mutex_t lock; /* of those that are not in use: */
	struct line *lines;
	size_t n_lines, cap;
};

/* --- opening --- */

static const char *copy(const char *s)
{
	return s ? cn_strdup(s) : NULL;
}

static void free_const(const char *s)
{
	free((void *)(uintptr_t)s);
}

int cn_kube_open(const struct cn_kube_options *o, struct cn_clock *clock, struct cn_kube **ret, struct cn_error *err)
{
	struct cn_kube_config config = {};
	struct cn_kube *k;
	int r;

	r = cn_kube_config_load(o, &config, err);
	if (r <= 0)
		return r;
	k = cn_calloc(1, sizeof(*k));
	k->config = config;
	k->config.http.timeout_ms = o->timeout_ms;
	k->options = (struct cn_kube_options){
		.off = o->off,
		.kubeconfig = copy(o->kubeconfig),
		.context = copy(o->context),
		.ns = copy(o->ns),
		.selector = copy(o->selector),
		.flavour = copy(o->flavour),
		.host_from = copy(o->host_from),
		.timeout_ms = o->timeout_ms,
	};
	k->clock = clock;
	k->credential = cn_kube_credential_new(&k->config, clock);
	pthread_mutex_init(&k->lock, NULL);
	*ret = k;
	return 1;
}

void cn_kube_free(struct cn_kube *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->n_lines; i++)
		cn_http_free(k->lines[i].http);
	free(k->lines);
	cn_kube_credential_free(k->credential);
	cn_kube_config_release(&k->config);
	free_const(k->options.kubeconfig);
	free_const(k->options.context);
	free_const(k->options.ns);
	free_const(k->options.selector);
	free_const(k->options.flavour);
	free_const(k->options.host_from);
	pthread_mutex_destroy(&k->lock);
	free(k);
}

const struct cn_kube_config *cn_kube_config(const struct cn_kube *k)
{
	return &k->config;
}

const struct cn_kube_options *cn_kube_options(const struct cn_kube *k)
{
	return &k->options;
}

void cn_kube_set_guard(struct cn_kube *k, const struct cn_kube_guard *guard)
{
	k->guard = guard;
}

/* --- connections --- */

static int new_line(struct cn_kube *k, unsigned generation, struct line *ret, struct cn_error *err)
{
	struct cn_http_config config = k->config.http;
	_cleanup_free_ char *cert = NULL;
	char *key = NULL;
	int r;

	cn_kube_credential_cert(k->credential, &cert, &key);
	if (cert && key) {
		config.cert = cert;
		config.key = key;
	}
	r = cn_http_new(&config, &ret->http, err);
	cn_secret_free(key);
	ret->generation = generation;
	return r < 0 ? cn_error_wrap(err, "%s", k->config.source) : 0;
}

static int take_line(struct cn_kube *k, unsigned generation, struct line *ret, struct cn_error *err)
{
	bool found = false;

	pthread_mutex_lock(&k->lock);
	while (k->n_lines && !found) {
		*ret = k->lines[--k->n_lines];
		found = ret->generation == generation;
		if (!found)
			cn_http_free(ret->http);
	}
	pthread_mutex_unlock(&k->lock);
	return found ? 0 : new_line(k, generation, ret, err);
}

static void give_line(struct cn_kube *k, struct line l)
{
	pthread_mutex_lock(&k->lock);
	cn_grow(&k->lines, &k->cap, k->n_lines, sizeof(*k->lines));
	k->lines[k->n_lines++] = l;
	pthread_mutex_unlock(&k->lock);
}

/* --- one exchange --- */

struct call {
	const char *method, *path, *content_type;
	enum cn_kube_retry retry;
	char *body;
	const struct cn_kube_guard *guard; /* NULL: it may always be sent */
	bool held_back;                    /* the guard has said no */
	unsigned repeats;
	int64_t waited_ms, begun_ms;
	bool renewed;
	unsigned generation; /* of the credential that was sent */
};

static int may_send(void *arg, struct cn_error *err)
{
	struct call *c = arg;
	int r = c->guard->may_send(c->guard->arg, err);

	c->held_back = r < 0;
	return r;
}

static int exchange(struct cn_kube *k, struct call *c, struct cn_http_response *ret, struct cn_error *err)
{
	_cleanup_free_ char *url = cn_asprintf("%s%s", k->config.server, c->path);
	_cleanup_free_ const char **headers = cn_calloc(k->config.impersonate.n + 3, sizeof(*headers));
	char *authorization = NULL;
	struct line line;
	size_t n = 0;
	int r;

	r = cn_kube_credential_get(k->credential, &authorization, &c->generation, err);
	if (r < 0)
		return r;
	r = take_line(k, c->generation, &line, err);
	if (r == 0) {
		struct cn_http_request req = {
			.method = c->method,
			.url = url,
			.content_type = c->body ? c->content_type : NULL,
			.body = c->body,
			.body_len = c->body ? strlen(c->body) : 0,
			.headers = headers,
			.timeout_ms = c->guard ? c->guard->timeout_ms : 0,
			.may_send = c->guard ? may_send : NULL,
			.may_send_arg = c,
		};

		headers[n++] = "Accept: application/json";
		if (authorization)
			headers[n++] = authorization;
		for (size_t i = 0; i < k->config.impersonate.n; i++)
			headers[n++] = k->config.impersonate.v[i];
		r = cn_http_do(line.http, &req, ret, err);
		give_line(k, line);
	}
	cn_secret_free(authorization);
	return r;
}

/* How long to wait before it is sent again; -1: it is not. */
static int64_t pause_ms(struct cn_kube *k, struct call *c, int r, const struct cn_http_response *a)
{
	bool busy = r == 0 && (a->status == 429 || a->status == 503); /* was not carried out */

	if (r == -ECONNRESET)
		return c->retry == CN_KUBE_REPEAT ? FIRST_WAIT_MS << MIN(c->repeats, 6u) : -1;
	if (r < 0)
		return -1;
	if (a->status == 401 && !c->renewed) {
		c->renewed = true;
		return cn_kube_credential_reject(k->credential, c->generation) ? 0 : -1;
	}
	if (!busy && (a->status / 100 != 5 || c->retry != CN_KUBE_REPEAT))
		return -1;
	return cn_kube_is_budget(a) ? -1 : a->retry_after_ms;
}

static bool is_enough(struct cn_kube *k, const struct call *c, int64_t ms)
{
	int64_t passed = cn_clock_boot_ms(k->clock) - c->begun_ms;

	return c->repeats == MOST_REPEATS || c->waited_ms + ms > MOST_WAIT_MS || (c->guard && passed + ms > c->guard->timeout_ms);
}

static int converse(struct cn_kube *k, struct call *c, struct cn_http_response *ret, struct cn_error *err)
{
	c->begun_ms = cn_clock_boot_ms(k->clock);
	c->guard = strcmp(c->method, "GET") == 0 ? NULL : k->guard;
	for (;;) {
		struct cn_http_response a = {};
		_cleanup_error_ struct cn_error e = {};
		int r = exchange(k, c, &a, &e);
		int64_t ms = pause_ms(k, c, r, &a);

		if (ms < 0 || is_enough(k, c, ms)) {
			*ret = a;
			if (r < 0)
				cn_error_move(err, &e);
			return r;
		}
		cn_debug("%s %s again in %lld ms: %s", c->method, c->path, (long long)ms,
			 r < 0 ? e.message : "the server asks for it");
		cn_http_response_release(&a);
		c->repeats++;
		c->waited_ms += ms;
		if (cn_clock_wait_ms(k->clock, ms) < 0)
			return cn_error_interrupted(err);
	}
}

/* --- requests --- */

/* What is no answer at all: an API that is away may come back, and a drain goes on then. */
static int unreachable(struct cn_error *err)
{
	int e = err->errnum;

	if (e == ECONNREFUSED || e == EHOSTUNREACH || e == ETIMEDOUT || e == ECONNRESET)
		err->code = CN_TIMEOUT;
	return cn_error_wrap(err, "the Kubernetes API");
}

static int request(struct cn_kube *k, struct call *c, struct cn_http_response *ret, struct cn_kube_status *ret_status,
		   struct cn_error *err)
{
	_cleanup_error_ struct cn_error e = {};
	int r;

	r = converse(k, c, ret, &e);
	if (r == 0 && ret->status / 100 == 2)
		return 0;
	if (r == -EINTR || (r < 0 && e.code == CN_USAGE))
		r = -e.errnum;
	else if (r < 0 && c->held_back)
		cn_error_wrap(&e, "%s %s was not sent%s", c->method, c->path, c->repeats ? " again" : "");
	else if (r < 0)
		r = unreachable(&e);
	else
		r = cn_kube_refusal(&k->config, c->method, c->path, ret, ret_status, &e);
	cn_error_move(err, &e);
	cn_http_response_release(ret);
	return r;
}

int cn_kube_request(struct cn_kube *k, enum cn_kube_retry retry, const char *method, const char *path, const char *content_type,
		    const json_t *body, json_t **ret_json, struct cn_kube_status *ret_status, struct cn_error *err)
{
	_cleanup_(cn_http_response_release) struct cn_http_response a = {};
	_cleanup_free_ char *text = body ? cn_json_dump(body) : NULL;
	struct call c = {.method = method,
			 .path = path,
			 .content_type = content_type ? content_type : "application/json",
			 .retry = retry,
			 .body = text};
	json_t *j = NULL;
	int r;

	if (ret_status)
		*ret_status = (struct cn_kube_status){.reason = cn_strdup(""), .message = cn_strdup(""), .cause = cn_strdup("")};
	r = request(k, &c, &a, ret_status, err);
	if (r < 0)
		return r;
	if (ret_status)
		ret_status->code = a.status;
	if (a.len) {
		j = cn_json_parse(a.body, a.len, err);
		if (!j)
			return cn_error_wrap(err, "the Kubernetes API: %s %s", method, path);
	}
	if (ret_json)
		*ret_json = j;
	else
		json_decref(j);
	return 0;
}

/* --- lists --- */

typedef int (*item_fn)(void *arg, const json_t *item, struct cn_error *err);

struct page {
	item_fn fn;
	void *arg;
	int stopped; /* what fn returned, if that was an error */
};

static int on_item(void *arg, const json_t *item, struct cn_error *err)
{
	struct page *p = arg;
	int r = p->fn(p->arg, item, err);

	p->stopped = MIN(r, 0);
	return p->stopped;
}

static int read_page(const char *path, const struct cn_http_response *a, struct page *p, char **ret_next, struct cn_error *err)
{
	_cleanup_json_ json_t *rest = NULL;
	const json_t *items;
	const char *next;
	int r;

	if (a->body[strspn(a->body, " \t\r\n")] != '{') /* an array would be walked as well */
		return cn_error_set(err, CN_FAILED, EBADMSG, "the Kubernetes API: GET %s: reply is no list", path);
	r = cn_json_each(a->body, a->len, "items", on_item, p, &rest, err);
	items = r == 0 ? json_object_get(rest, "items") : NULL;
	if (r == 0 && !json_is_array(items) && !json_is_null(items)) /* null: an empty list of older servers */
		r = cn_error_set(err, CN_FAILED, EBADMSG, "reply is no list");
	if (r < 0 && !p->stopped)
		cn_error_wrap(err, "the Kubernetes API: GET %s", path);
	if (r < 0)
		return r;
	next = cn_json_str(cn_json_obj(rest, "metadata"), "continue", "");
	*ret_next = *next ? cn_kube_escape(next) : NULL;
	return 0;
}

/* Pages up to the end, or the first error. */
static int walk(struct cn_kube *k, const char *path, const char *query, struct page *p, struct cn_error *err)
{
	_cleanup_free_ char *at = NULL;
	unsigned pages = 0;

	do {
		_cleanup_(cn_http_response_release) struct cn_http_response a = {};
		_cleanup_free_ char *whole = NULL, *next = NULL;
		struct call c = {.method = "GET", .retry = CN_KUBE_REPEAT};
		int r;

		whole = cn_asprintf("%s?limit=%d%s%s%s%s", path, CN_KUBE_PAGE, query && *query ? "&" : "", query ? query : "",
				    at ? "&continue=" : "", at ? at : "");
		c.path = whole;
		r = request(k, &c, &a, NULL, err);
		if (r == 0)
			r = read_page(path, &a, p, &next, err);
		if (r == 0 && next && ((at && strcmp(at, next) == 0) || ++pages == MOST_PAGES))
			r = cn_error_set(err, CN_FAILED, EBADMSG, "the Kubernetes API: GET %s: the list has no end", path);
		if (r < 0)
			return r;
		free(at);
		at = TAKE_PTR(next);
	} while (at);
	return 0;
}

int cn_kube_list(struct cn_kube *k, const char *path, const char *query, item_fn fn, void (*restart)(void *arg), void *arg,
		 struct cn_error *err)
{
	for (unsigned i = 0;; i++) {
		struct page p = {.fn = fn, .arg = arg};
		_cleanup_error_ struct cn_error e = {};
		int r = walk(k, path, query, &p, &e);

		if (r != -ESTALE || p.stopped || i == MOST_RESTARTS) {
			if (r < 0)
				cn_error_move(err, &e);
			return r;
		}
		if (restart)
			restart(arg);
	}
}

char *cn_kube_escape(const char *s)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = cn_malloc(strlen(s) * 3 + 1), *o = out;

	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (isalnum(c) || strchr("-._~", c)) {
			*o++ = *s;
		} else {
			*o++ = '%';
			*o++ = hex[c >> 4];
			*o++ = hex[c & 15];
		}
	}
	*o = '\0';
	return out;
}
