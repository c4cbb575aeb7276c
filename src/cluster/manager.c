/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * librados (16.2) gives up on a manager's command after rados_mon_op_timeout, but the answer, when a manager comes back, is then
 * written to where the caller's stack was: the process dies. So the commands go through a connection without limit, each in a
 * thread of its own, which is left behind to its answer when the time is up. While one is left behind no other is sent, so they
 * do not pile up while there is no manager.
 */
#include "manager.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

struct cn_manager {
	int (*open)(void *arg, rados_t *ret);
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool opened;
	rados_t rados;
	unsigned limit_s;
	unsigned late; /* commands left behind */
};

/* Of the caller until it is left behind, then of its thread. */
struct job {
	struct cn_manager *m;
	char *cmd, *out, *status;
	size_t len, status_len;
	int ret;
	bool done, late;
};

static void job_free(struct job *j)
{
	if (j->out)
		rados_buffer_free(j->out);
	if (j->status)
		rados_buffer_free(j->status);
	free(j->cmd);
	free(j);
}

static void *job_thread(void *arg)
{
	struct job *j = arg;
	struct cn_manager *m = j->m;
	const char *cmds[] = {j->cmd};

	j->ret = rados_mgr_command(m->rados, cmds, 1, NULL, 0, &j->out, &j->len, &j->status, &j->status_len);
	pthread_mutex_lock(&m->lock);
	j->done = true;
	if (j->late) {
		m->late--;
		job_free(j);
	}
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	return NULL;
}

struct cn_manager *cn_manager_new(int (*open)(void *arg, rados_t *ret), void *arg, unsigned limit_s)
{
	struct cn_manager *m = cn_calloc(1, sizeof(*m));
	pthread_condattr_t attr;

	*m = (struct cn_manager){.open = open, .arg = arg, .limit_s = limit_s};
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&m->changed, &attr);
	pthread_condattr_destroy(&attr);
	return m;
}

void cn_manager_free(struct cn_manager *m)
{
	bool late;

	pthread_mutex_lock(&m->lock);
	late = m->late;
	pthread_mutex_unlock(&m->lock);
	if (m->opened)
		rados_shutdown(m->rados); /* it forgets the commands that are on their way: their threads wait for ever */
	if (late)
		return;
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

void cn_manager_limit(struct cn_manager *m, unsigned limit_s)
{
	pthread_mutex_lock(&m->lock);
	m->limit_s = limit_s;
	pthread_mutex_unlock(&m->lock);
}

/* With the lock held: opens the connection, and waits until no command is left behind. */
static int get_ready(struct cn_manager *m, const struct timespec *end)
{
	int r = 0;

	if (!m->opened) {
		r = m->open(m->arg, &m->rados);
		m->opened = r == 0;
	}
	while (r == 0 && m->late)
		r = -pthread_cond_timedwait(&m->changed, &m->lock, end);
	return r;
}

static int start(struct job *j)
{
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	r = -pthread_create(&thread, &attr, job_thread, j);
	pthread_attr_destroy(&attr);
	return r;
}

int cn_manager_command(struct cn_manager *m, const char *cmd, char **ret_out, size_t *ret_len, char **ret_status,
		       size_t *ret_status_len)
{
	struct timespec end;
	struct job *j;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &end);
	pthread_mutex_lock(&m->lock);
	end.tv_sec += m->limit_s ? m->limit_s : 1 << 30;
	r = get_ready(m, &end);
	if (r < 0) {
		pthread_mutex_unlock(&m->lock);
		return r;
	}
	j = cn_calloc(1, sizeof(*j));
	*j = (struct job){.m = m, .cmd = cn_strdup(cmd)};
	r = start(j);
	if (r < 0)
		j->done = true;
	while (r == 0 && !j->done)
		r = -pthread_cond_timedwait(&m->changed, &m->lock, &end);
	if (j->done) {
		r = r < 0 && r != -ETIMEDOUT ? r : j->ret;
		*ret_out = TAKE_PTR(j->out);
		*ret_len = j->len;
		*ret_status = TAKE_PTR(j->status);
		*ret_status_len = j->status_len;
		job_free(j);
	} else {
		j->late = true;
		m->late++;
	}
	pthread_mutex_unlock(&m->lock);
	return r;
}
