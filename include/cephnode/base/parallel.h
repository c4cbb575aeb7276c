/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Independent look-ups side by side: librados has no asynchronous mon commands in C, so threads it is. */
#include <stddef.h>

/* Calls fn(arg, i) for i = 0..n-1 from up to `threads` threads and returns when all have returned. fn reports through
 * arg; no order is promised. Runs in the caller's thread when n or threads is 1. */
void cn_parallel(size_t n, unsigned threads, void (*fn)(void *arg, size_t i), void *arg);
