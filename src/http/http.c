/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/http/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "cephnode/base/clock.h"
#include "cephnode/base/interrupt.h"
#include "http/url.h"

#define CONNECT_TIMEOUT_MS 10000
#define TIMEOUT_MS 30000
#define MAX_BYTES ((size_t)64 << 20)

struct cn_http {
	struct cn_http_config config;
	CURL *easy;
	CURLM *multi; /* holds the connections; its poll can watch one more descriptor than the transfer's */
};

static atomic_uint exchanges;

unsigned cn_http_count(void)
{
	return atomic_load(&exchanges);
}

void cn_http_config_release(struct cn_http_config *c)
{
	free(c->ca);
	free(c->cert);
	cn_secret_free(c->key);
	free(c->server_name);
	cn_secret_free(c->proxy); /* may hold a password */
	*c = (struct cn_http_config){};
}

void cn_http_response_release(struct cn_http_response *r)
{
	free(r->content_type);
	free(r->location);
	cn_secret_free(r->auth_token);
	if (r->body)
		explicit_bzero(r->body,
			       MIN(r->len, (size_t)65536)); /* answers that are tokens are small; lists need not be wiped */
	free(r->body);
	*r = (struct cn_http_response){};
}

/* --- an answer as it comes in --- */

struct answer {
	struct cn_http_response r;
	size_t cap, max;
	bool too_big;
};

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct answer *a = arg;

	n *= size;
	if (n > a->max - a->r.len) {
		a->too_big = true;
		return 0;
	}
	cn_grow(&a->r.body, &a->cap, a->r.len + n, 1);
	memcpy(a->r.body + a->r.len, data, n);
	a->r.len += n;
	return n;
}

static char *value_of(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);

	if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
		return NULL;
	for (line += n + 1, len -= n + 1; len && strchr(" \t", *line); line++)
		len--;
	while (len && strchr(" \t\r\n", line[len - 1]))
		len--;
	return cn_strndup(line, len);
}

/* Seconds, or a date (RFC 9110, 10.2.3). */
static int64_t read_retry_after(const char *s)
{
	char *end;
	long long seconds = strtoll(s, &end, 10);
	time_t at;

	if (end != s && !*end)
		return seconds < 0 ? -1 : MIN(seconds, (long long)86400) * 1000;
	at = curl_getdate(s, NULL);
	return at < 0 ? -1 : MAX((int64_t)at - time(NULL), (int64_t)0) * 1000;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct answer *a = arg;
	_cleanup_free_ char *after = NULL;
	char *s;

	n *= size;
	if (n >= 5 && strncmp(line, "HTTP/", 5) == 0) { /* 1xx and an answer are told one after the other */
		free(TAKE_PTR(a->r.location));
		cn_secret_free(TAKE_PTR(a->r.auth_token));
		a->r.retry_after_ms = -1;
	}
	if ((s = value_of(line, n, "Location"))) {
		free(a->r.location);
		a->r.location = s;
	} else if ((s = value_of(line, n, "X-Subject-Token"))) {
		cn_secret_free(a->r.auth_token);
		a->r.auth_token = s;
	} else if ((after = value_of(line, n, "Retry-After"))) {
		a->r.retry_after_ms = read_retry_after(after);
	}
	return n;
}

static char *plain_type(const char *type)
{
	char *s = cn_strndup(type ? type : "", strcspn(type ? type : "", "; \t"));

	for (char *c = s; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
	return s;
}

/* --- what a request needs --- */

static struct curl_blob blob(const char *pem)
{
	/* the text stays ours for as long as the client lives: nothing of a key is copied */
	return (struct curl_blob){.data = (void *)(uintptr_t)pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY};
}

static void set_tls(CURL *e, const struct cn_http_config *c)
{
	curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (c->ca) {
		struct curl_blob ca = blob(c->ca);

		curl_easy_setopt(e, CURLOPT_CAINFO_BLOB, &ca);
		curl_easy_setopt(e, CURLOPT_PROXY_CAINFO_BLOB, &ca);
	}
	if (c->cert && c->key) {
		struct curl_blob cert = blob(c->cert), key = blob(c->key);

		curl_easy_setopt(e, CURLOPT_SSLCERT_BLOB, &cert);
		curl_easy_setopt(e, CURLOPT_SSLKEY_BLOB, &key);
	}
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, c->insecure ? 0L : 1L);
	curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, c->insecure ? 0L : 2L);
}

/* What we start (plugins, osdmaptool) has no business on a connection of ours. */
static curl_socket_t open_socket(void *arg _unused_, curlsocktype purpose _unused_, struct curl_sockaddr *a)
{
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static void set_limits(CURL *e, const struct cn_http_config *c, int64_t timeout_ms)
{
	timeout_ms = timeout_ms ? timeout_ms : c->timeout_ms;
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	curl_easy_setopt(e, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* else a resolver that hangs is waited for beyond every time limit */
#endif
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS,
			 (long)(c->connect_timeout_ms ? c->connect_timeout_ms : CONNECT_TIMEOUT_MS));
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(timeout_ms ? timeout_ms : TIMEOUT_MS));
}

/* A secret may stand in any of them. */
static void free_headers(struct curl_slist *l)
{
	for (struct curl_slist *i = l; i; i = i->next)
		explicit_bzero(i->data, strlen(i->data));
	curl_slist_free_all(l);
}

static struct curl_slist *add_header(struct curl_slist *l, const char *text)
{
	l = curl_slist_append(l, text);
	if (!l)
		abort();
	return l;
}

static struct curl_slist *headers_of(const struct cn_http_request *req)
{
	struct curl_slist *l = add_header(NULL, "Expect:"); /* no 100-continue: a round trip for nothing */

	if (req->content_type) {
		_cleanup_free_ char *type = cn_asprintf("Content-Type: %s", req->content_type);

		l = add_header(l, type);
	} else if (req->body) {
		l = add_header(l, "Content-Type:");
	}
	for (size_t i = 0; req->headers && req->headers[i]; i++)
		l = add_header(l, req->headers[i]);
	return l;
}

static void set_request(CURL *e, const struct cn_http_request *req, const char *url, struct curl_slist *headers)
{
	curl_easy_setopt(e, CURLOPT_URL, url);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "cephnode");
	curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip");
	if (req->body) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, req->body);
	} else if (strcmp(req->method, "POST") == 0 || strcmp(req->method, "PUT") == 0 || strcmp(req->method, "PATCH") == 0) {
		curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)0);
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, "");
	}
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, req->method);
	/* On a connection that turns out dead curl sends a request again by itself, even one that may have been carried out. */
	if (strcmp(req->method, "GET") != 0)
		curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
}

/* --- errors --- */

static int connect_errno(CURL *e)
{
	long os = 0;

	curl_easy_getinfo(e, CURLINFO_OS_ERRNO, &os);
	return os == ECONNREFUSED || os == ETIMEDOUT || os == ECONNRESET ? (int)os : EHOSTUNREACH;
}

static int tls_errno(CURL *e, const char *words)
{
	long os = 0;

	curl_easy_getinfo(e, CURLINFO_OS_ERRNO, &os);
	/* OpenSSL says no more than this of a peer that went away in the handshake. */
	return os == ECONNRESET || strstr(words, "SSL_ERROR_SYSCALL") || strstr(words, "unexpected eof") ? ECONNRESET : EPROTO;
}

static int errno_of(CURL *e, CURLcode code, const char *words)
{
	long proxy = 0;

	curl_easy_getinfo(e, CURLINFO_HTTP_CONNECTCODE, &proxy);
	if (proxy && proxy / 100 != 2)
		return EPROTO; /* a proxy that says no */
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return ETIMEDOUT;
	case CURLE_COULDNT_CONNECT:
		return connect_errno(e);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return EHOSTUNREACH;
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return ECONNRESET;
	case CURLE_SSL_CONNECT_ERROR:
		return tls_errno(e, words);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return EKEYREJECTED;
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_URL_MALFORMAT:
		return EINVAL;
	default:
		return EPROTO;
	}
}

static int failed(struct cn_http *h, CURLcode code, const char *words, const struct cn_url *u, struct cn_error *err)
{
	int e = errno_of(h->easy, code, words);
	enum cn_code c = e == ETIMEDOUT ? CN_TIMEOUT : e == EINVAL ? CN_USAGE : CN_FAILED;

	if (!*words || strchr(words, '@')) /* what it says of a proxy's URL may have the password in it */
		words = curl_easy_strerror(code);
	cn_error_set(err, c, e, "%s:%d: %s", u->host, u->port, words);
	if (e == EKEYREJECTED)
		cn_error_hint(
			err,
			"the server's certificate must carry the name or address in its URL and come from the configured CA");
	return -e;
}

/* --- one exchange --- */

static int run(struct cn_http *h, CURLcode *ret, struct cn_error *err)
{
	int running = 1, left;
	CURLMsg *m;

	for (;;) {
		struct curl_waitfd stop = {.fd = cn_interrupt_fd(), .events = CURL_WAIT_POLLIN};
		CURLMcode r;

		if (cn_interrupted())
			return cn_error_interrupted(err);
		r = curl_multi_perform(h->multi, &running);
		if (r == CURLM_OK && running)
			r = curl_multi_poll(h->multi, &stop, stop.fd >= 0 ? 1 : 0, 1000, NULL);
		if (r != CURLM_OK)
			return cn_error_set(err, CN_FAILED, EIO, "libcurl: %s", curl_multi_strerror(r));
		if (!running)
			break;
	}
	m = curl_multi_info_read(h->multi, &left);
	*ret = m ? m->data.result : CURLE_RECV_ERROR;
	return 0;
}

static int may_talk(const struct cn_http_config *c, const struct cn_url *u, const struct cn_http_request *req,
		    struct cn_error *err)
{
	bool plain = strcmp(u->scheme, "http") == 0;

	if (!plain && strcmp(u->scheme, "https") != 0)
		return cn_error_set(err, CN_USAGE, EINVAL, "'%s' is not an http or https URL", u->scheme);
	for (size_t i = 0; req->headers && req->headers[i]; i++)
		if (strpbrk(req->headers[i], "\r\n")) /* curl would send what follows as headers of their own */
			return cn_error_set(err, CN_USAGE, EINVAL, "a token or name with a line end in it");
	if (plain && !cn_http_is_loopback(req->url))
		return cn_error_set(err, CN_USAGE, EPERM, "%s:%d: plain http would show credentials to the network", u->host,
				    u->port);
	if (plain && c->proxy && *c->proxy && !cn_http_is_loopback(c->proxy))
		return cn_error_set(err, CN_USAGE, EPERM, "%s:%d: plain http through a proxy would show credentials to it",
				    u->host, u->port);
	return 0;
}

/* Certificate and SNI by another name than the one that is connected to: the URL carries that name, the connection and the Host
 * header what was meant. */
static char *rename_server(struct cn_http *h, const struct cn_url *u, struct curl_slist **connect, struct curl_slist **headers)
{
	_cleanup_free_ char *to = NULL, *host = NULL;

	to = cn_asprintf("::%s:%d", u->bracketed, u->port);
	host = cn_asprintf("Host: %s:%d", u->bracketed, u->port);
	*connect = add_header(NULL, to);
	*headers = add_header(*headers, host);
	curl_easy_setopt(h->easy, CURLOPT_CONNECT_TO, *connect);
	return cn_asprintf("%s://%s:%d%s", u->scheme, h->config.server_name, u->port, u->rest);
}

static void set_proxy(struct cn_http *h, const char *url)
{
	const char *proxy = h->config.proxy;

	if (!proxy && cn_http_is_loopback(url))
		proxy = ""; /* what the environment names is for other machines */
	if (proxy)
		curl_easy_setopt(h->easy, CURLOPT_PROXY, proxy);
	curl_easy_setopt(h->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (proxy && *proxy)
		curl_easy_setopt(h->easy, CURLOPT_NOPROXY, ""); /* one that was named counts, whatever no_proxy says */
}

/* --- may it still be sent? --- */

struct gate {
	const struct cn_http_request *req;
	struct cn_error *err;
	int r;
};

#if LIBCURL_VERSION_NUM >= 0x075000
/* Connecting takes several round trips, and a process may be stopped in each: only now nothing stands between. */
static int on_ready(void *arg, char *ip _unused_, char *local_ip _unused_, int port _unused_, int local_port _unused_)
{
	struct gate *g = arg;

	g->r = g->req->may_send(g->req->may_send_arg, g->err);
	return g->r < 0 ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}
#endif

static void set_gate(CURL *e _unused_, const struct cn_http_request *req _unused_, struct gate *g _unused_)
{
#if LIBCURL_VERSION_NUM >= 0x075000
	if (req->may_send) {
		curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_ready);
		curl_easy_setopt(e, CURLOPT_PREREQDATA, g);
	}
#endif
}

static int exchange(struct cn_http *h, const struct cn_http_request *req, const struct cn_url *u, struct answer *a,
		    struct cn_error *err)
{
	char words[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers = headers_of(req), *connect = NULL;
	_cleanup_free_ char *renamed = NULL;
	struct gate gate = {.req = req, .err = err};
	CURLcode code = CURLE_OK;
	int r;

	curl_easy_reset(h->easy);
	if (h->config.server_name)
		renamed = rename_server(h, u, &connect, &headers);
	set_request(h->easy, req, renamed ? renamed : req->url, headers);
	set_limits(h->easy, &h->config, req->timeout_ms);
	set_gate(h->easy, req, &gate);
	set_tls(h->easy, &h->config);
	set_proxy(h, req->url);
	curl_easy_setopt(h->easy, CURLOPT_ERRORBUFFER, words);
	curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, a);
	curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, a);
	if (curl_multi_add_handle(h->multi, h->easy) != CURLM_OK)
		abort();
	r = run(h, &code, err);
	if (r == 0 && a->too_big)
		r = cn_error_set(err, CN_FAILED, EMSGSIZE, "%s:%d: the answer is larger than %zu bytes", u->host, u->port,
				 a->max);
	else if (r == 0 && gate.r < 0)
		r = gate.r;
	else if (r == 0 && code != CURLE_OK)
		r = failed(h, code, words, u, err);
	if (r == 0) {
		const char *type = NULL;
		long status = 0;

		curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(h->easy, CURLINFO_CONTENT_TYPE, &type);
		a->r.status = (int)status;
		a->r.content_type = plain_type(type);
	}
	curl_multi_remove_handle(h->multi, h->easy);
	curl_easy_reset(h->easy); /* it points to what ends here */
	free_headers(headers);
	curl_slist_free_all(connect);
	return r;
}

int cn_http_do(struct cn_http *h, const struct cn_http_request *req, struct cn_http_response *ret, struct cn_error *err)
{
	_cleanup_(cn_url_release) struct cn_url u = {};
	struct answer a = {.r.retry_after_ms = -1, .max = h->config.max_bytes ? h->config.max_bytes : MAX_BYTES};
	int r;

	r = cn_url_parse(req->url, &u, err);
	if (r == 0)
		r = may_talk(&h->config, &u, req, err);
	if (r == 0 && req->may_send)
		r = req->may_send(req->may_send_arg, err);
	if (r < 0)
		return r;
	atomic_fetch_add(&exchanges, 1);
	r = exchange(h, req, &u, &a, err);
	if (r < 0) {
		cn_http_response_release(&a.r);
		return r;
	}
	cn_grow(&a.r.body, &a.cap, a.r.len, 1);
	a.r.body[a.r.len] = '\0';
	*ret = a.r;
	return 0;
}

/* --- a client --- */

static void init_curl(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		abort();
}

static int check_pem(const char *pem, const char *what, struct cn_error *err)
{
	if (!pem || strstr(pem, "-----BEGIN "))
		return 0;
	return cn_error_set(err, CN_USAGE, EINVAL, "the %s is not PEM", what);
}

static bool is_one_of(const char *s, const char *const *words)
{
	while (*words && strcmp(s, *words) != 0)
		words++;
	return *words;
}

static int check_config(const struct cn_http_config *c, struct cn_error *err)
{
	static const char *const kinds[] = {"http", "https", "socks5", "socks5h", NULL};
	_cleanup_(cn_url_release) struct cn_url proxy = {};
	int r;

	r = check_pem(c->ca, "CA certificate", err);
	if (r == 0)
		r = check_pem(c->cert, "client certificate", err);
	if (r == 0)
		r = check_pem(c->key, "key of the client certificate", err);
	if (r == 0 && !c->cert != !c->key)
		r = cn_error_set(err, CN_USAGE, EINVAL, "a client certificate and its key are only good together");
	if (r == 0 && c->proxy && *c->proxy) {
		r = cn_url_parse(c->proxy, &proxy, err);
		if (r == 0 && !is_one_of(proxy.scheme, kinds))
			r = cn_error_set(err, CN_USAGE, EINVAL, "'%s' is no kind of proxy that is known here", proxy.scheme);
		if (r < 0)
			cn_error_wrap(err, "the proxy's URL");
	}
	return r;
}

static char *copy(const char *s)
{
	return s ? cn_strdup(s) : NULL;
}

int cn_http_new(const struct cn_http_config *config, struct cn_http **ret, struct cn_error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct cn_http *h;
	int r;

	pthread_once(&once, init_curl);
	r = check_config(config, err);
	if (r < 0)
		return r;
	h = cn_calloc(1, sizeof(*h));
	h->config = *config;
	h->config.ca = copy(config->ca);
	h->config.cert = copy(config->cert);
	h->config.key = copy(config->key);
	h->config.server_name = copy(config->server_name);
	h->config.proxy = copy(config->proxy);
	h->easy = curl_easy_init();
	h->multi = curl_multi_init();
	if (!h->easy || !h->multi)
		abort();
	*ret = h;
	return 0;
}

void cn_http_free(struct cn_http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->easy);
	curl_multi_cleanup(h->multi);
	cn_http_config_release(&h->config);
	free(h);
}
