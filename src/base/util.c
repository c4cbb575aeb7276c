/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/base/util.h"

#include <stdio.h>
#include <string.h>

static void *checked(void *p)
{
	if (!p) {
		fputs("cephnode: out of memory\n", stderr);
		abort();
	}
	return p;
}

void *cn_malloc(size_t size)
{
	return checked(malloc(size ? size : 1));
}

void *cn_calloc(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size ? size : 1));
}

void *cn_realloc(void *p, size_t n, size_t size)
{
	return checked(reallocarray(p, n ? n : 1, size));
}

char *cn_strdup(const char *s)
{
	return checked(strdup(s));
}

char *cn_strndup(const char *s, size_t n)
{
	return checked(strndup(s, n));
}

char *cn_vasprintf(const char *fmt, va_list ap)
{
	char *s = NULL;

	if (vasprintf(&s, fmt, ap) < 0)
		s = NULL;
	return checked(s);
}

char *cn_asprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = cn_vasprintf(fmt, ap);
	va_end(ap);
	return s;
}

void cn_secret_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

void cn_grow(void *array, size_t *cap, size_t n, size_t size)
{
	void *p;

	if (n < *cap)
		return;
	*cap = MAX(n + 1, MAX(*cap * 2, (size_t)8));
	memcpy(&p, array, sizeof(p)); /* array points to a pointer of any type */
	p = cn_realloc(p, *cap, size);
	memcpy(array, &p, sizeof(p));
}

void cn_strv_add(struct cn_strv *l, const char *s)
{
	cn_grow(&l->v, &l->cap, l->n, sizeof(*l->v));
	l->v[l->n++] = cn_strdup(s);
}

void cn_strv_addf(struct cn_strv *l, const char *fmt, ...)
{
	va_list ap;

	cn_grow(&l->v, &l->cap, l->n, sizeof(*l->v));
	va_start(ap, fmt);
	l->v[l->n++] = cn_vasprintf(fmt, ap);
	va_end(ap);
}

bool cn_strv_has(const struct cn_strv *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return true;
	return false;
}

void cn_strv_split(struct cn_strv *l, const char *s, const char *seps)
{
	for (;;) {
		size_t len;

		s += strspn(s, seps);
		len = strcspn(s, seps);
		if (!len)
			return;
		_cleanup_free_ char *piece = cn_strndup(s, len);
		cn_strv_add(l, piece);
		s += len;
	}
}

char *cn_strv_join(const struct cn_strv *l, const char *sep)
{
	size_t len = 1, at = 0;
	char *s;

	for (size_t i = 0; i < l->n; i++)
		len += strlen(l->v[i]) + strlen(sep);
	s = cn_calloc(1, len);
	for (size_t i = 0; i < l->n; i++)
		at += (size_t)sprintf(s + at, "%s%s", i ? sep : "", l->v[i]);
	return s;
}

static int strv_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void cn_strv_sort(struct cn_strv *l)
{
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), strv_cmp);
}

void cn_strv_release(struct cn_strv *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct cn_strv){};
}

/* Where the id is, or would stand. */
static size_t ids_at(const struct cn_ids *l, int id)
{
	size_t lo = 0, hi = l->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (l->v[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

void cn_ids_add(struct cn_ids *l, int id)
{
	size_t at = ids_at(l, id);

	if (at < l->n && l->v[at] == id)
		return;
	cn_grow(&l->v, &l->cap, l->n, sizeof(*l->v));
	memmove(l->v + at + 1, l->v + at, (l->n - at) * sizeof(*l->v));
	l->v[at] = id;
	l->n++;
}

bool cn_ids_has(const struct cn_ids *l, int id)
{
	size_t at = ids_at(l, id);

	return at < l->n && l->v[at] == id;
}

char *cn_ids_format(const struct cn_ids *l, const char *prefix, const char *sep)
{
	struct cn_strv s = {};
	char *text;

	for (size_t i = 0; i < l->n; i++)
		cn_strv_addf(&s, "%s%d", prefix, l->v[i]);
	text = cn_strv_join(&s, sep);
	cn_strv_release(&s);
	return text;
}

void cn_ids_release(struct cn_ids *l)
{
	free(l->v);
	*l = (struct cn_ids){};
}
