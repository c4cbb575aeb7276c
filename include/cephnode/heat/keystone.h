/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A session with an OpenStack cloud: a token of Keystone that is renewed in time, the endpoints of its catalogue, and requests to
 * them. The token is sent to these endpoints and nowhere else, whatever an answer names.
 */
#include "cephnode/base/clock.h"
#include "cephnode/base/json.h"
#include "cephnode/heat/openstack.h"

enum cn_os_service { CN_OS_HEAT, CN_OS_NOVA };

struct cn_os;

/* The configuration and the clock are borrowed. Does not connect; the first request logs in. */
int cn_os_open(const struct cn_os_config *config, struct cn_clock *clock, struct cn_os **ret, struct cn_error *err);
void cn_os_free(struct cn_os *os); /* accepts NULL; wipes the token */

struct cn_os_answer {
	int status;     /* of HTTP; 0: none came */
	json_t *json;   /* owned; NULL: the body was empty or no JSON */
	char *location; /* owned or NULL */
};
void cn_os_answer_release(struct cn_os_answer *a);

/* One request; path begins with "/" and is put behind the service's endpoint. 0 with 2xx and 3xx. Else negative, and *ret (may be
 * NULL) has what came: 400 -EINVAL, 401 -EACCES, 403 -EPERM, 404 -ENOENT (CN_NOT_FOUND), 409 -EBUSY, others -EREMOTEIO, with the
 * server's own words; what cn_http_do() returns. A token is renewed before its time is up, and once after a 401. Blocks; CHANGES
 * the stack with other methods than GET. */
int cn_os_request(struct cn_os *os, enum cn_os_service service, const char *method, const char *path, const json_t *body,
		  struct cn_os_answer *ret, struct cn_error *err);

/* Logs in unless a token is there. CN_FAILED -EACCES: Keystone refuses the credential. */
int cn_os_login(struct cn_os *os, struct cn_error *err);
/* What Keystone said of the token ("roles", "application_credential", "project", ...); NULL before a login. Borrowed. */
const json_t *cn_os_token_info(const struct cn_os *os);
