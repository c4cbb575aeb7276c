/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The little of Ceph's encoding that is needed here: all integers little-endian, a structure begins with version, oldest readable
 * version and u32 length. */
#include <string.h>

#include "locks/internal.h"

#define STRUCT_HEAD 6

static uint32_t get_u32(const char *in)
{
	const unsigned char *b = (const unsigned char *)in;

	return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void put_u32(char *out, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		out[i] = (char)(v >> (8 * i));
}

char *cn_encode_string(const char *s, size_t *ret_len)
{
	size_t len = strlen(s);
	char *out = cn_malloc(len + 5);

	put_u32(out, (uint32_t)len);
	memcpy(out + 4, s, len + 1);
	*ret_len = len + 4;
	return out;
}

bool cn_decode_string(const char *in, size_t len, char **ret)
{
	uint32_t n;

	if (!in || len < 4)
		return false;
	n = get_u32(in);
	if (n > len - 4)
		return false;
	*ret = cn_strndup(in + 4, n);
	return true;
}

char *cn_encode_get_info(size_t *ret_len)
{
	size_t len;
	_cleanup_free_ char *name = cn_encode_string(CN_LOCK_NAME, &len);
	char *out = cn_malloc(STRUCT_HEAD + len);

	out[0] = out[1] = 1;
	put_u32(out + 2, (uint32_t)len);
	memcpy(out + STRUCT_HEAD, name, len);
	*ret_len = STRUCT_HEAD + len;
	return out;
}

bool cn_decode_locker_count(const char *in, size_t len, uint32_t *ret)
{
	if (!in || len < STRUCT_HEAD + 4 || get_u32(in + 2) > len - STRUCT_HEAD)
		return false;
	*ret = get_u32(in + STRUCT_HEAD);
	return true;
}

bool cn_decode_trash_name(const char *in, size_t len, char **ret)
{
	return in && len > STRUCT_HEAD &&
	       cn_decode_string(in + STRUCT_HEAD + 1, len - STRUCT_HEAD - 1, ret); /* behind its source */
}

bool cn_decode_u64(const char *in, size_t len, uint64_t *ret)
{
	if (!in || len < 8)
		return false;
	*ret = get_u32(in) | (uint64_t)get_u32(in + 4) << 32;
	return true;
}

char *cn_base64(const char *s)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t len = strlen(s), at = 0;
	char *out = cn_malloc((len + 2) / 3 * 4 + 1);

	for (size_t i = 0; i < len; i += 3) {
		size_t n = MIN(len - i, (size_t)3);
		uint32_t v = 0;

		for (size_t k = 0; k < 3; k++)
			v = v << 8 | (k < n ? (unsigned char)s[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			out[at++] = k <= n ? digits[v >> (18 - 6 * k) & 63] : '=';
	}
	out[at] = '\0';
	return out;
}
