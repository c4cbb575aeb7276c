/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/base/parallel.h"

#include <pthread.h>
#include <stdatomic.h>

#include "cephnode/base/util.h"

struct pool {
	atomic_size_t next;
	size_t n;
	void (*fn)(void *, size_t);
	void *arg;
};

static void *work(void *p)
{
	struct pool *pool = p;
	size_t i;

	while ((i = atomic_fetch_add(&pool->next, 1)) < pool->n)
		pool->fn(pool->arg, i);
	return NULL;
}

void cn_parallel(size_t n, unsigned threads, void (*fn)(void *arg, size_t i), void *arg)
{
	struct pool pool = {.n = n, .fn = fn, .arg = arg};
	pthread_t ids[128];
	size_t started = 0, wanted = MIN(MIN((size_t)threads, n), ARRAY_SIZE(ids));

	/* The caller works too; a thread that cannot be had is only a little less speed. */
	while (started + 1 < wanted && pthread_create(&ids[started], NULL, work, &pool) == 0)
		started++;
	work(&pool);
	for (size_t i = 0; i < started; i++)
		pthread_join(ids[i], NULL);
}
