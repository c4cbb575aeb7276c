/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A Kubernetes API server as this tool sees it: requests with credentials that are renewed, answers as JSON, lists page by page.
 */
#include "cephnode/base/clock.h"
#include "cephnode/base/json.h"
#include "cephnode/kube/config.h"

struct cn_kube; /* may be used by several threads at once */

/* Opens what cn_kube_config_load() finds. 1: *ret is set; 0: no API is configured. Does not connect; the first request does. The
 * clock is borrowed. */
int cn_kube_open(const struct cn_kube_options *o, struct cn_clock *clock, struct cn_kube **ret, struct cn_error *err);
void cn_kube_free(struct cn_kube *k); /* accepts NULL */
const struct cn_kube_config *cn_kube_config(const struct cn_kube *k);
const struct cn_kube_options *cn_kube_options(const struct cn_kube *k); /* copies, as long as k lives */

/* For changes under a lock that runs out when its holder stands still. */
struct cn_kube_guard {
	/* Asked right before each sending of what is no GET, also of a repeat. Negative with err set: it is not sent. */
	int (*may_send)(void *arg, struct cn_error *err);
	void *arg;
	int64_t timeout_ms; /* of one exchange; and nothing is repeated when so much time has passed since the first */
};
/* Borrowed until the next call; NULL: none. Not while another thread uses k. */
void cn_kube_set_guard(struct cn_kube *k, const struct cn_kube_guard *guard);

/* What a server says when it refuses: the Status object of its answer. */
struct cn_kube_status {
	int code;      /* of HTTP */
	char *reason;  /* "NotFound", "Forbidden", "Conflict", "Expired", ...; "" where the body was no Status. Owned */
	char *message; /* owned; "" where there is none */
	char *cause;   /* reason of details.causes[0], e.g. "DisruptionBudget"; "" */
};
void cn_kube_status_release(struct cn_kube_status *s);

enum cn_kube_retry {
	CN_KUBE_REPEAT, /* may be sent again after a reset or a silence: GET, and what means the same when done twice */
	CN_KUBE_ONCE, /* after it may have arrived it is not sent again (DELETE, eviction): the caller reads and compares the uid.
		       * 401, and 429 or 503 with Retry-After were not carried out: these are repeated */
};

/* One request; path begins with "/api/" or "/apis/" and may have a query. body: JSON or NULL, borrowed; content_type NULL:
 * application/json. Waits and repeats as the server asks (429 and 5xx with Retry-After; resets and EOF where `retry` allows), at
 * most 10 times and within the time limit of the options (30 s of waiting in all), or of the guard; a 401 renews the credential
 * once. 2xx: 0 and *ret_json (new reference; NULL for an empty body). Else negative, *ret_status (may be NULL) filled, and err:
 * 401 -EACCES, 403 -EPERM (the message has the server's words, the hint what right is missing), 404 -ENOENT (CN_NOT_FOUND), 409
 * -EEXIST, 410 -ESTALE, 429 of a disruption budget -EBUSY, other 429 and 503 -EAGAIN, 422 and other 4xx -EINVAL, 5xx -EREMOTEIO,
 * 3xx -EPROTO; an answer that is no JSON -EBADMSG; what the guard returns: it was not sent; what cn_http_do() returns: an API
 * that cannot be reached or hangs has code CN_TIMEOUT where a drain may be resumed. Blocks; CHANGES the Kubernetes cluster with
 * other methods than GET. */
int cn_kube_request(struct cn_kube *k, enum cn_kube_retry retry, const char *method, const char *path, const char *content_type,
		    const json_t *body, json_t **ret_json, struct cn_kube_status *ret_status, struct cn_error *err);

#define CN_KUBE_PAGE 2000 /* 1,200 pods are 3.3 MB, 116 kB on the wire */
/* Calls fn for each item of a list, page by page, and holds one page at a time; a token that has expired (410) starts the list
 * again (at most 3 times): then `restart` (may be NULL) is called first. query: "labelSelector=..." already encoded, or NULL. The
 * first error of fn ends it. Errors as cn_kube_request(). */
int cn_kube_list(struct cn_kube *k, const char *path, const char *query,
		 int (*fn)(void *arg, const json_t *item, struct cn_error *err), void (*restart)(void *arg), void *arg,
		 struct cn_error *err);

/* Percent-encoding of one path segment or query value; to be freed. */
char *cn_kube_escape(const char *s);
