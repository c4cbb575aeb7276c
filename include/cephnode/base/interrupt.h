/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * SIGINT and SIGTERM set a flag that every wait watches. A librados call may block for as long as its time limit, so a
 * thread of our own takes the signals: when the program has not ended CN_INTERRUPT_GRACE_MS after the first signal, or at
 * the second, it calls the emergency function and ends the process with _exit(130). The journal makes that safe.
 */
#include <stdbool.h>

#define CN_INTERRUPT_GRACE_MS 1200

/* Blocks SIGINT, SIGTERM and SIGHUP in all threads started later, ignores SIGPIPE, starts the signal thread. Call before
 * any other thread exists. Returns 0 or -errno. */
int cn_interrupt_init(void);
/* Called in the signal thread just before _exit(130); may be NULL. Must not block for long. */
void cn_interrupt_on_emergency(void (*fn)(void *), void *arg);
bool cn_interrupted(void);
/* A descriptor that becomes readable at the first signal; -1 before cn_interrupt_init(). Never read from it. */
int cn_interrupt_fd(void);
/* For tests: sets or clears the flag by hand. */
void cn_interrupt_set(bool on);
