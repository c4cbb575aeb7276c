/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which placement group an object falls into: Bob Jenkins' hash of 1996 (public domain), and Ceph's stable modulus. */
#include <stdio.h>
#include <string.h>

#include "cephnode/cluster/fences.h"

static void mix(uint32_t *a, uint32_t *b, uint32_t *c)
{
	static const struct {
		int x, y, z;
	} rounds[] = {{13, 8, 13}, {12, 16, 5}, {3, 10, 15}};

	for (size_t i = 0; i < ARRAY_SIZE(rounds); i++) {
		*a = (*a - *b - *c) ^ (*c >> rounds[i].x);
		*b = (*b - *c - *a) ^ (*a << rounds[i].y);
		*c = (*c - *a - *b) ^ (*b >> rounds[i].z);
	}
}

/* Up to four bytes, the first the lowest. */
static uint32_t word(const uint8_t *k, size_t n)
{
	uint32_t w = 0;

	for (size_t i = 0; i < MIN(n, (size_t)4); i++)
		w |= (uint32_t)k[i] << (8 * i);
	return w;
}

static uint32_t jenkins(const uint8_t *k, size_t len)
{
	uint32_t a = 0x9e3779b9, b = a, c = 0;
	size_t left = len;

	for (; left >= 12; left -= 12, k += 12) {
		a += word(k, 4);
		b += word(k + 4, 4);
		c += word(k + 8, 4);
		mix(&a, &b, &c);
	}
	c += (uint32_t)len;
	a += word(k, left);
	if (left > 4)
		b += word(k + 4, left - 4);
	if (left > 8)
		c += word(k + 8, left - 8) << 8; /* the lowest byte holds the length */
	mix(&a, &b, &c);
	return c;
}

uint32_t cn_object_pg(uint32_t pg_num, const char *ns, const char *oid)
{
	_cleanup_free_ char *key = *ns ? cn_asprintf("%s\037%s", ns, oid) : cn_strdup(oid);
	uint32_t hash = jenkins((const uint8_t *)key, strlen(key)), mask = 1;

	while (mask < pg_num)
		mask <<= 1;
	mask--;
	return (hash & mask) < pg_num ? hash & mask : hash & (mask >> 1);
}

void cn_object_of_each_pg(uint32_t pg_num, const char *ns, struct cn_strv *ret)
{
	_cleanup_free_ bool *have = cn_calloc(pg_num, sizeof(*have));
	uint32_t left = pg_num;

	for (uint64_t i = 0; left > 0; i++) {
		_cleanup_free_ char *oid = cn_asprintf("rbd_header.barrier.%llx", (unsigned long long)i);
		uint32_t pg = cn_object_pg(pg_num, ns, oid);

		if (have[pg])
			continue;
		have[pg] = true;
		left--;
		cn_strv_add(ret, oid);
	}
}
