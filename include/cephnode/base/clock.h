/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Time as the tool sees it. Tests drive a clock of their own; the real one is cn_clock_system(). */
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct cn_clock {
	int64_t (*boot_ms)(struct cn_clock *);         /* CLOCK_BOOTTIME: goes on while the machine sleeps */
	int64_t (*real_ms)(struct cn_clock *);         /* milliseconds since 1970, UTC */
	int (*wait_ms)(struct cn_clock *, int64_t ms); /* 0, or -EINTR once a signal asked us to stop */
};

struct cn_clock *cn_clock_system(void); /* static, not to be freed */
int64_t cn_clock_boot_ms(struct cn_clock *c);
int64_t cn_clock_real_ms(struct cn_clock *c);
/* Blocks for ms milliseconds; returns -EINTR at once when cn_interrupted() holds or comes to hold. */
int cn_clock_wait_ms(struct cn_clock *c, int64_t ms);

/* "2026-11-22T13:14:15.250Z", to be freed. */
char *cn_time_format(int64_t real_ms);
/* The reverse of cn_time_format(); -1 when s is not such a stamp. */
int64_t cn_time_parse(const char *s);
