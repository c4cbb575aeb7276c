/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Allocation, cleanup and ownership helpers. Out of memory aborts here and nowhere else: cephnode is a
 * short-lived tool, and every change to a cluster is journalled, so dying at any instruction is safe.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _printf_(a, b) __attribute__((format(printf, a, b)))
#define _unused_ __attribute__((unused))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Hands a pointer on: evaluates to it and leaves NULL behind, so that the cleanup finds nothing to free. */
#define TAKE_PTR(p)                                                                                                              \
	({                                                                                                                       \
		__typeof__(p) p_ = (p);                                                                                          \
		(p) = NULL;                                                                                                      \
		p_;                                                                                                              \
	})

/* Never return NULL; abort when memory is out. */
void *cn_malloc(size_t size);
void *cn_calloc(size_t n, size_t size);
void *cn_realloc(void *p, size_t n, size_t size);
char *cn_strdup(const char *s);
char *cn_strndup(const char *s, size_t n);
char *cn_asprintf(const char *fmt, ...) _printf_(1, 2);
char *cn_vasprintf(const char *fmt, va_list ap) _printf_(1, 0);

/* Frees a secret and leaves nothing of it in memory; NULL is fine. */
void cn_secret_free(char *s);

/* Grows *array (elements of `size` bytes) to hold at least n + 1; *cap is its capacity in elements. */
void cn_grow(void *array, size_t *cap, size_t n, size_t size);

static inline void cn_freep(void *p)
{
	free(*(void **)p);
}
#define _cleanup_free_ _cleanup_(cn_freep)

/* A growing list of owned strings. Zero-initialise; release with cn_strv_release(). */
struct cn_strv {
	char **v;
	size_t n, cap;
};
void cn_strv_add(struct cn_strv *l, const char *s); /* copies s */
void cn_strv_addf(struct cn_strv *l, const char *fmt, ...) _printf_(2, 3);
bool cn_strv_has(const struct cn_strv *l, const char *s);
/* Splits s at any character of `seps`, drops empty pieces. */
void cn_strv_split(struct cn_strv *l, const char *s, const char *seps);
char *cn_strv_join(const struct cn_strv *l, const char *sep); /* to be freed */
void cn_strv_sort(struct cn_strv *l);
void cn_strv_release(struct cn_strv *l);

/* A growing list of integers (OSD ids). Zero-initialise; release with cn_ids_release(). */
struct cn_ids {
	int *v;
	size_t n, cap;
};
void cn_ids_add(struct cn_ids *l, int id); /* kept sorted, each id once */
bool cn_ids_has(const struct cn_ids *l, int id);
char *cn_ids_format(const struct cn_ids *l, const char *prefix, const char *sep); /* "osd.1, osd.2"; to be freed */
void cn_ids_release(struct cn_ids *l);
