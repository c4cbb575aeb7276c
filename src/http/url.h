/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The parts of a URL that decide whom we talk to; taken apart by curl itself, so that both see the same host. */
#include "cephnode/http/http.h"

struct cn_url {
	char *scheme;    /* lower case */
	char *host;      /* without brackets and user; for messages */
	char *bracketed; /* as it stands in a URL */
	int port;
	char *rest; /* path and query */
};
/* CN_USAGE: it cannot be parsed; the message has nothing of the URL, which may hold a password. */
int cn_url_parse(const char *url, struct cn_url *ret, struct cn_error *err);
void cn_url_release(struct cn_url *u);
