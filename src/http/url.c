/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "http/url.h"

#include <curl/curl.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "cephnode/base/addr.h"

void cn_url_release(struct cn_url *u)
{
	free(u->scheme);
	free(u->host);
	free(u->bracketed);
	free(u->rest);
	*u = (struct cn_url){};
}

static char *part(CURLU *u, CURLUPart what, unsigned flags)
{
	char *s = NULL, *copy;

	if (curl_url_get(u, what, &s, flags) != CURLUE_OK)
		return NULL;
	copy = cn_strdup(s);
	curl_free(s);
	return copy;
}

int cn_url_parse(const char *url, struct cn_url *ret, struct cn_error *err)
{
	_cleanup_free_ char *port = NULL, *path = NULL, *query = NULL;
	struct cn_url u = {};
	CURLU *c = curl_url();
	CURLUcode r;

	if (!c)
		abort();
	r = curl_url_set(c, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
	if (r == CURLUE_OK) {
		u.scheme = part(c, CURLUPART_SCHEME, 0);
		u.bracketed = part(c, CURLUPART_HOST, 0);
		port = part(c, CURLUPART_PORT, CURLU_DEFAULT_PORT);
		path = part(c, CURLUPART_PATH, 0);
		query = part(c, CURLUPART_QUERY, 0);
	}
	curl_url_cleanup(c);
	if (r != CURLUE_OK || !u.scheme || !u.bracketed || !*u.bracketed) {
		cn_url_release(&u);
		return cn_error_set(err, CN_USAGE, EINVAL, "a URL that cannot be understood");
	}
	u.host = *u.bracketed == '[' ? cn_strndup(u.bracketed + 1, strcspn(u.bracketed + 1, "]")) : cn_strdup(u.bracketed);
	u.port = port ? atoi(port) : 0;
	u.rest = cn_asprintf("%s%s%s", path ? path : "/", query ? "?" : "", query ? query : "");
	*ret = u;
	return 0;
}

bool cn_http_is_loopback(const char *url)
{
	_cleanup_(cn_url_release) struct cn_url u = {};
	struct cn_ip ip;

	if (cn_url_parse(url, &u, NULL) < 0)
		return false;
	if (!cn_ip_parse(u.host, &ip))
		return strcasecmp(u.host, "localhost") == 0;
	return ip.family == AF_INET ? ip.bytes[0] == 127 : memcmp(ip.bytes, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16) == 0;
}
