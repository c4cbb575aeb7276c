/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool cn_ip_parse(const char *s, struct cn_ip *ret)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	struct cn_ip ip = {};
	char buf[CN_IP_STRLEN + 2];
	size_t len;

	if (!s)
		return false;
	len = strlen(s);
	if (len >= 2 && s[0] == '[' && s[len - 1] == ']') {
		s++;
		len -= 2;
	}
	if (len >= sizeof(buf))
		return false;
	memcpy(buf, s, len);
	buf[len] = '\0';
	if (inet_pton(AF_INET, buf, ip.bytes) == 1) {
		ip.family = AF_INET;
	} else if (inet_pton(AF_INET6, buf, ip.bytes) == 1) {
		ip.family = AF_INET6;
		if (memcmp(ip.bytes, mapped, sizeof(mapped)) == 0) {
			memmove(ip.bytes, ip.bytes + 12, 4);
			memset(ip.bytes + 4, 0, 12);
			ip.family = AF_INET;
		}
	} else {
		return false;
	}
	*ret = ip;
	return true;
}

bool cn_ip_parse_entity(const char *s, struct cn_ip *ret)
{
	static const uint8_t zero[16];
	char buf[CN_IP_STRLEN + 2];
	struct cn_ip ip;
	const char *end;

	if (!s)
		return false;
	if (s[0] == '[') {
		end = strchr(s, ']');
		if (!end)
			return false;
		end++;
	} else {
		end = strchr(s, ':');
		if (!end)
			end = s + strcspn(s, "/");
	}
	if ((size_t)(end - s) >= sizeof(buf))
		return false;
	memcpy(buf, s, (size_t)(end - s));
	buf[end - s] = '\0';
	if (!cn_ip_parse(buf, &ip) || memcmp(ip.bytes, zero, sizeof(zero)) == 0)
		return false;
	*ret = ip;
	return true;
}

bool cn_ip_equal(const struct cn_ip *a, const struct cn_ip *b)
{
	return a->family != 0 && a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

const char *cn_ip_format(const struct cn_ip *ip, char buf[CN_IP_STRLEN])
{
	if (ip->family == 0 || !inet_ntop(ip->family, ip->bytes, buf, CN_IP_STRLEN))
		snprintf(buf, CN_IP_STRLEN, "-");
	return buf;
}
