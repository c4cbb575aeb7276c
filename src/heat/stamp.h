/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
#include <stdint.h>

/* The stamps of OpenStack: "2026-11-22T11:40:41Z", also with a fraction; no zone means UTC. -1: no such stamp. */
int64_t cn_os_time(const char *s);
