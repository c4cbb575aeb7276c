/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakeclock.h"

#include <errno.h>

#include "cephnode/base/interrupt.h"

static int64_t boot_ms(struct cn_clock *c)
{
	return ((struct fakeclock *)c)->boot_ms;
}

static int64_t real_ms(struct cn_clock *c)
{
	return ((struct fakeclock *)c)->real_ms;
}

static int wait_ms(struct cn_clock *c, int64_t ms)
{
	struct fakeclock *f = (struct fakeclock *)c;
	int r;

	if (cn_interrupted())
		return -EINTR;
	fakeclock_advance(f, ms);
	f->waited_ms += ms;
	f->waits++;
	r = f->on_wait ? f->on_wait(f, f->arg) : 0;
	return r ? r : cn_interrupted() ? -EINTR : 0;
}

void fakeclock_init(struct fakeclock *f)
{
	*f = (struct fakeclock){.clock = {boot_ms, real_ms, wait_ms}, .boot_ms = 1000000, .real_ms = 1767323045000};
}

void fakeclock_advance(struct fakeclock *f, int64_t ms)
{
	f->boot_ms += ms;
	f->real_ms += ms;
}
