/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* IP addresses, parsed and compared as bytes: 127.0.1.4 is not 127.0.1.40, ::1 is 0:0:0:0:0:0:0:1. */
#include <stdbool.h>
#include <stdint.h>

struct cn_ip {
	int family;        /* AF_INET, AF_INET6, or 0: none (an OSD that was never started) */
	uint8_t bytes[16]; /* network order; v4 uses the first four; v4-mapped v6 is stored as v4 */
};

#define CN_IP_STRLEN 46

/* "10.0.0.1", "fe80::1", "[::1]". Returns false and leaves *ret alone on anything else. */
bool cn_ip_parse(const char *s, struct cn_ip *ret);
/* The address part of a Ceph entity address: "127.0.1.1:6801/123", "[::1]:6801/123"; false for ":/0", "-" and 0.0.0.0:0. */
bool cn_ip_parse_entity(const char *s, struct cn_ip *ret);
bool cn_ip_equal(const struct cn_ip *a, const struct cn_ip *b);
/* Writes at most CN_IP_STRLEN bytes to buf and returns buf; "-" for family 0. */
const char *cn_ip_format(const struct cn_ip *ip, char buf[CN_IP_STRLEN]);
