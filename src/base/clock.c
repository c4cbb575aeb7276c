/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/base/util.h"

static int64_t read_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t system_boot_ms(struct cn_clock *c _unused_)
{
	return read_ms(CLOCK_BOOTTIME);
}

static int64_t system_real_ms(struct cn_clock *c _unused_)
{
	return read_ms(CLOCK_REALTIME);
}

static int system_wait_ms(struct cn_clock *c, int64_t ms)
{
	int64_t end = cn_clock_boot_ms(c) + ms;

	for (;;) {
		struct pollfd p = {.fd = cn_interrupt_fd(), .events = POLLIN};
		int64_t left = end - cn_clock_boot_ms(c);

		if (cn_interrupted())
			return -EINTR;
		if (left <= 0)
			return 0;
		poll(&p, p.fd >= 0 ? 1 : 0, (int)MIN(left, 60000));
	}
}

struct cn_clock *cn_clock_system(void)
{
	static struct cn_clock clock = {system_boot_ms, system_real_ms, system_wait_ms};

	return &clock;
}

int64_t cn_clock_boot_ms(struct cn_clock *c)
{
	return c->boot_ms(c);
}

int64_t cn_clock_real_ms(struct cn_clock *c)
{
	return c->real_ms(c);
}

int cn_clock_wait_ms(struct cn_clock *c, int64_t ms)
{
	return c->wait_ms(c, ms);
}

char *cn_time_format(int64_t real_ms)
{
	time_t t = (time_t)(real_ms / 1000);
	struct tm tm;
	char buf[32];

	gmtime_r(&t, &tm);
	strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%S", &tm);
	return cn_asprintf("%s.%03dZ", buf, (int)(real_ms % 1000));
}

int64_t cn_time_parse(const char *s)
{
	struct tm tm = {};
	int ms = 0, n = 0;

	if (!s ||
	    sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &tm.tm_sec,
		   &ms, &n) != 7 ||
	    n == 0 || s[n])
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (int64_t)timegm(&tm) * 1000 + ms;
}
