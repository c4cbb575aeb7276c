/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * One HTTPS client over libcurl, for Kubernetes and OpenStack. A single exchange and its verdict: who may repeat what, and when,
 * is for the callers. Redirects are answers, not followed; plain http only to loopback; certificates are checked.
 */
#include "cephnode/base/error.h"

struct cn_http_config {
	char *ca;          /* PEM bundle; NULL: the system's. This and the next two reach curl as blobs, never as files */
	char *cert, *key;  /* PEM of the client; NULL: none */
	char *server_name; /* the name that the certificate must carry and SNI asks for; NULL: the URL's host */
	char *proxy;       /* URL; "": none whatever the environment says; NULL: as in the environment (https_proxy, no_proxy) */
	bool insecure;     /* the certificate is not checked: only where the user's configuration says so */
	int64_t connect_timeout_ms; /* 0: 10 s */
	int64_t timeout_ms;         /* of a whole exchange, also of one that hangs within TLS; 0: 30 s */
	size_t max_bytes;           /* of an answer once it is unpacked; 0: 64 MiB */
};
/* Frees what it owns and wipes the key. */
void cn_http_config_release(struct cn_http_config *c);

struct cn_http_request {
	const char *method; /* "GET", "POST", "PATCH", "DELETE", "PUT" */
	const char *url;
	const char *content_type; /* NULL: none */
	const char *body;         /* NULL: none */
	size_t body_len;
	const char *const *headers; /* "Name: value", NULL-terminated; NULL: none. May hold secrets: never logged */
	int64_t timeout_ms;         /* of this exchange; 0: as configured */
	/* Asked before it connects, and again when nothing is left but to send: negative, with err set, ends it unsent. NULL: it
	 * may. Must not block. */
	int (*may_send)(void *arg, struct cn_error *err);
	void *may_send_arg;
};

struct cn_http_response {
	int status;
	char *content_type;     /* without parameters, lower case; "" where there is none. Owned */
	char *location;         /* owned or NULL */
	char *auth_token;       /* X-Subject-Token (Keystone); owned or NULL, a secret */
	int64_t retry_after_ms; /* -1: none was said */
	char *body;             /* NUL-terminated; owned */
	size_t len;
};
void cn_http_response_release(struct cn_http_response *r);

struct cn_http;
/* Copies config. One thread at a time may use a client; it keeps its connections. Errors: CN_USAGE (a certificate that cannot be
 * used, a proxy URL). Does not connect. */
int cn_http_new(const struct cn_http_config *config, struct cn_http **ret, struct cn_error *err);
void cn_http_free(struct cn_http *h);

/* One exchange. 0 with any status; the caller reads it. Errors: CN_FAILED with errnum
 * ECONNREFUSED, EHOSTUNREACH (no such name, no route), ETIMEDOUT (code CN_TIMEOUT), ECONNRESET (closed or reset in mid-answer:
 * the request may have been carried out), EPROTO (not HTTP, TLS that fails), EKEYREJECTED (certificate: unknown CA, wrong name,
 * expired), EMSGSIZE (more than max_bytes), EPERM (plain http to another machine, CN_USAGE); -EINTR at once when
 * cn_interrupted(); what may_send returns. The message names host and port and curl's cause; never a header or a body. Blocks for
 * at most timeout_ms. */
int cn_http_do(struct cn_http *h, const struct cn_http_request *req, struct cn_http_response *ret, struct cn_error *err);

/* True when the URL's host is a loopback address or "localhost". */
bool cn_http_is_loopback(const char *url);
/* How many exchanges this process has made (tests and -v count them). */
unsigned cn_http_count(void);
