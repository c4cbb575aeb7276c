/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kube/internal.h"

#define MAX_FILE ((size_t)1 << 20)

static int read_all(int fd, char **ret, size_t *ret_len)
{
	char *text = NULL;
	size_t len = 0, cap = 0;

	for (;;) {
		ssize_t n;

		if (len > MAX_FILE) {
			cn_secret_free(text);
			return -EFBIG;
		}
		cn_grow(&text, &cap, len + 4096, 1);
		n = read(fd, text + len, cap - len - 1);
		text[len + (size_t)MAX(n, (ssize_t)0)] = '\0';
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int e = errno;

			cn_secret_free(text);
			return -e;
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	*ret = text;
	*ret_len = len;
	return 0;
}

int cn_kube_read_file(const char *path, char **ret, size_t *ret_len, struct cn_error *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), r;

	r = fd < 0 ? -errno : read_all(fd, ret, ret_len);
	if (fd >= 0)
		close(fd);
	if (r < 0)
		return cn_error_set(err, CN_USAGE, r, "cannot read %s: %s", path, strerror(-r));
	return 0;
}

char *cn_kube_read_token(const char *path)
{
	char *text = NULL, *token;
	size_t len, n;

	if (cn_kube_read_file(path, &text, &len, NULL) < 0)
		return NULL;
	n = strspn(text, " \t\r\n");
	for (len = strlen(text); len > n && strchr(" \t\r\n", text[len - 1]); len--)
		;
	token = len > n ? cn_strndup(text + n, len - n) : NULL;
	cn_secret_free(text);
	return token;
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *cn_kube_base64(const char *s)
{
	char *out = cn_calloc(1, strlen(s) / 4 * 3 + 4);
	size_t n = 0, pad = 0, chars = 0;
	uint32_t bits = 0;

	for (; *s; s++) {
		const char *d = strchr(digits, *s);

		if (strchr(" \t\r\n", *s))
			continue;
		if (*s == '=' ? ++pad > 2 : (!d || pad))
			goto bad;
		bits = bits << 6 | (d ? (uint32_t)(d - digits) : 0);
		if (++chars % 4 == 0) {
			out[n++] = (char)(bits >> 16);
			out[n++] = (char)(bits >> 8);
			out[n++] = (char)bits;
			bits = 0;
		}
	}
	if (chars % 4)
		goto bad;
	n -= pad;
	out[n] = '\0';
	if (strlen(out) == n)
		return out;
bad:
	explicit_bzero(out, n);
	free(out);
	return NULL;
}

char *cn_kube_base64_encode(const char *s, size_t len)
{
	char *out = cn_malloc((len + 2) / 3 * 4 + 1), *o = out;

	for (size_t i = 0; i < len; i += 3) {
		uint32_t bits = (uint32_t)(unsigned char)s[i] << 16;

		bits |= i + 1 < len ? (uint32_t)(unsigned char)s[i + 1] << 8 : 0;
		bits |= i + 2 < len ? (uint32_t)(unsigned char)s[i + 2] : 0;
		*o++ = digits[bits >> 18];
		*o++ = digits[bits >> 12 & 63];
		*o++ = i + 1 < len ? digits[bits >> 6 & 63] : '=';
		*o++ = i + 2 < len ? digits[bits & 63] : '=';
	}
	*o = '\0';
	return out;
}
