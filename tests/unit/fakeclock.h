/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A clock that stands still until somebody waits. */
#include "cephnode/base/clock.h"

struct fakeclock {
	struct cn_clock clock; /* first: pass &f.clock where a cn_clock is wanted */
	int64_t boot_ms, real_ms;
	int64_t waited_ms; /* sum of all waits */
	unsigned waits;
	/* Called after each wait, with the time moved on: the world may change there. May be NULL. A value other than 0 is
	 * returned from the wait (-EINTR: a signal came). */
	int (*on_wait)(struct fakeclock *f, void *arg);
	void *arg;
};

/* Starts at boot time 1,000 s, real time 2026-01-02T03:04:05.000Z. */
void fakeclock_init(struct fakeclock *f);
void fakeclock_advance(struct fakeclock *f, int64_t ms);
