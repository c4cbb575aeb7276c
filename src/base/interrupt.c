/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/base/interrupt.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static atomic_bool interrupted;
static int event_fd = -1;
static void (*emergency)(void *);
static void *emergency_arg;
static pthread_mutex_t emergency_lock = PTHREAD_MUTEX_INITIALIZER;

static void mark(void)
{
	uint64_t one = 1;

	atomic_store(&interrupted, true);
	if (event_fd >= 0 && write(event_fd, &one, sizeof(one)) < 0)
		return; /* the flag is what counts, the descriptor only wakes a poll */
}

static void *signal_thread(void *arg)
{
	struct timespec grace = {CN_INTERRUPT_GRACE_MS / 1000, CN_INTERRUPT_GRACE_MS % 1000 * 1000000L};
	sigset_t *set = arg;
	int sig;

	if (sigwait(set, &sig))
		return NULL;
	mark();
	/* The second signal, or no end within the grace: leave now. rados_shutdown() could block; exit() without it aborts in
	 * librados' static destructors; _exit() runs none of them. */
	while (sigtimedwait(set, NULL, &grace) < 0 && errno == EINTR)
		; /* SIGCONT or a tracer: the grace begins anew */
	pthread_mutex_lock(&emergency_lock);
	if (emergency)
		emergency(emergency_arg);
	_exit(130);
}

int cn_interrupt_init(void)
{
	static sigset_t set;
	pthread_t thread;
	int r;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	r = pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (r)
		return -r;
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event_fd < 0)
		return -errno;
	r = pthread_create(&thread, NULL, signal_thread, &set);
	if (r)
		return -r;
	pthread_detach(thread);
	return 0;
}

void cn_interrupt_on_emergency(void (*fn)(void *), void *arg)
{
	pthread_mutex_lock(&emergency_lock);
	emergency = fn;
	emergency_arg = arg;
	pthread_mutex_unlock(&emergency_lock);
}

bool cn_interrupted(void)
{
	return atomic_load(&interrupted);
}

int cn_interrupt_fd(void)
{
	return event_fd;
}

void cn_interrupt_set(bool on)
{
	if (on)
		mark();
	else
		atomic_store(&interrupted, false);
}
