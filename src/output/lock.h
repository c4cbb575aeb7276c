/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The signal thread emits the last event of all: it must not wait for ever for a main thread that sits in a write. */
#include <pthread.h>
#include <time.h>

#include "cephnode/base/interrupt.h"

/* How long a reader that does not read may keep a process from ending that was asked to end, and how long the next in line waits.
 */
#define CN_LAST_WORDS_MS 250
#define CN_LAST_LOCK_MS 450

/* False when the mutex could not be had in time; only after a signal. */
static inline bool cn_output_lock(pthread_mutex_t *mutex)
{
	struct timespec until;

	if (!cn_interrupted())
		return pthread_mutex_lock(mutex) == 0;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += CN_LAST_LOCK_MS * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until) == 0;
}
