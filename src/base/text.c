/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

char *cn_format_bytes(int64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double v = (double)bytes;
	size_t u = 0;

	while ((v >= 1023.95 || v <= -1023.95) && u + 1 < ARRAY_SIZE(units)) {
		v /= 1024;
		u++;
	}
	return u ? cn_asprintf("%.1f %s", v, units[u]) : cn_asprintf("%" PRId64 " B", bytes);
}

char *cn_format_duration(int64_t s)
{
	if (s < 0)
		s = 0;
	if (s < 60)
		return cn_asprintf("%" PRId64 " s", s);
	if (s < 3600)
		return cn_asprintf("%" PRId64 " min %02" PRId64 " s", s / 60, s % 60);
	if (s < 86400)
		return cn_asprintf("%" PRId64 " h %02" PRId64 " min", s / 3600, s % 3600 / 60);
	return cn_asprintf("%" PRId64 " d %02" PRId64 " h", s / 86400, s % 86400 / 3600);
}

/* Length of the valid UTF-8 sequence at s, 0 when there is none. *ret_cp: the code point. */
static size_t utf8_len(const unsigned char *s, size_t left, uint32_t *ret_cp)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t cp;
	size_t n;

	if (s[0] < 0x80) {
		*ret_cp = s[0];
		return 1;
	}
	n = (s[0] & 0xe0) == 0xc0 ? 2 : (s[0] & 0xf0) == 0xe0 ? 3 : (s[0] & 0xf8) == 0xf0 ? 4 : 0;
	if (n == 0 || n > left)
		return 0;
	cp = s[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3fu);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp < 0xe000))
		return 0;
	*ret_cp = cp;
	return n;
}

bool cn_utf8_valid(const char *s, size_t len)
{
	uint32_t cp;

	for (size_t i = 0, n; i < len; i += n)
		if (!(n = utf8_len((const unsigned char *)s + i, len - i, &cp)))
			return false;
	return true;
}

char *cn_utf8_repair(const char *s, size_t len, size_t *ret_len)
{
	char *out = cn_malloc(len * 3 + 1);
	size_t at = 0;

	for (size_t i = 0; i < len;) {
		uint32_t cp;
		size_t n = utf8_len((const unsigned char *)s + i, len - i, &cp);

		if (n) {
			memcpy(out + at, s + i, n);
			at += n;
			i += n;
		} else {
			memcpy(out + at, "\xef\xbf\xbd", 3);
			at += 3;
			i++;
		}
	}
	out[at] = '\0';
	if (ret_len)
		*ret_len = at;
	return out;
}

/* C0, DEL, C1, and the marks that reverse or hide text. */
static bool steers_terminal(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x200b && cp <= 0x200f) || (cp >= 0x2028 && cp <= 0x202e) ||
	       (cp >= 0x2066 && cp <= 0x2069) || cp == 0xfeff;
}

char *cn_text_safe(const char *s)
{
	size_t len = strlen(s), at = 0;
	char *out = cn_malloc(len * 4 + 1);

	for (size_t i = 0; i < len;) {
		uint32_t cp = 0;
		size_t n = utf8_len((const unsigned char *)s + i, len - i, &cp);

		if (n && !steers_terminal(cp)) {
			memcpy(out + at, s + i, n);
			at += n;
			i += n;
			continue;
		}
		for (size_t end = i + (n ? n : 1); i < end; i++)
			at += (size_t)sprintf(out + at, "\\x%02x", (unsigned char)s[i]);
	}
	out[at] = '\0';
	return out;
}

bool cn_parse_int(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	char *end;
	long long v;

	if (!s || !(*s == '-' || (*s >= '0' && *s <= '9')))
		return false;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno || *end || end == s || v < min || v > max)
		return false;
	*ret = v;
	return true;
}
