/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What Keystone's answer to a login says of the token; the token itself is in a header. */
#include "cephnode/heat/keystone.h"

struct cn_os_token {
	json_t *info;    /* the "token" of the answer; owned */
	char *url[2];    /* by enum cn_os_service, without trailing slash; owned */
	int64_t life_ms; /* at least a second: the clocks of two machines need not agree, so it is a span */
};

/* answer may be NULL or anything. CN_FAILED -EBADMSG: it has no token; -ENXIO: no endpoint of a service is in the catalogue;
 * CN_USAGE -ENOTUNIQ: it is in several regions. */
int cn_os_token_read(const json_t *answer, const struct cn_os_config *c, struct cn_os_token *ret, struct cn_error *err);
void cn_os_token_release(struct cn_os_token *t);
