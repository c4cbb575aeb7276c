/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/drain/guard.h"
#include "cephnode/drain/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MESSAGE_SIZE 512

struct cn_guard {
	pid_t pid;
	int fd;
	unsigned connect_timeout_s;
};

/* One message is one packet: "arm ID FLAG,FLAG", "disarm", answered with "ok" or the reason why not; "keep" has no answer. */
static bool flags_recorded(struct cn_cluster *c, const char *id)
{
	struct cn_journal j = {};
	bool recorded = cn_journal_load(c, id, &j, NULL) == 0 && j.flags_set.n;

	cn_journal_release(&j);
	return recorded;
}

/* Only for a journal that still says that the flags are set; looked at again behind it, for who puts them back at the same time.
 */
static void leave_mark(struct cn_cluster *c, const char *id)
{
	_cleanup_free_ char *key = cn_asprintf(CN_GUARD_PREFIX "%s", id);

	if (!flags_recorded(c, id))
		return;
	cn_config_key_set(c, key, "released", NULL);
	if (!flags_recorded(c, id))
		cn_config_key_rm(c, key, NULL);
}

static void unset_all(struct cn_cluster *c, const char *text)
{
	_cleanup_free_ char *id = cn_strndup(text, strcspn(text, " "));
	const char *list = text + strcspn(text, " ");
	struct cn_strv flags = {};
	bool all = true;

	cn_strv_split(&flags, list, " ,");
	for (size_t i = 0; i < flags.n; i++) {
		int r = cn_osd_unset(c, flags.v[i], NULL);

		for (int tries = 1; tries < 10 && r < 0; tries++) {
			poll(NULL, 0, 1000); /* no quorum just now */
			r = cn_osd_unset(c, flags.v[i], NULL);
		}
		all &= r == 0;
	}
	if (all) /* else it is left to the next cephnode */
		leave_mark(c, id);
	cn_strv_release(&flags);
}

/* Waits for the parent's next word: >0 its length, 0 the parent is gone, -ETIME it has been silent for too long. */
static ssize_t next_message(int fd, char *buf, bool armed)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;
	int r;

	do
		r = poll(&p, 1, armed ? CN_GUARD_SILENCE_S * 1000 : -1);
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return -ETIME;
	n = recv(fd, buf, MESSAGE_SIZE - 1, 0);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	return n;
}

static void answer(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return; /* the parent is gone; the next message says so */
}

static void watch(int fd, const struct cn_cluster_config *config)
{
	struct cn_cluster *c = NULL;
	char buf[MESSAGE_SIZE], flags[MESSAGE_SIZE] = "";
	ssize_t n;

	while ((n = next_message(fd, buf, flags[0])) != 0) {
		struct cn_error err = {};

		if (n < 0) {
			unset_all(c, flags);
			flags[0] = '\0';
		} else if (strncmp(buf, "arm ", 4) == 0) {
			if (!c && cn_cluster_connect(config, &c, &err) < 0) {
				answer(fd, err.message);
			} else {
				snprintf(flags, sizeof(flags), "%s", buf + 4);
				answer(fd, "ok");
			}
		} else if (strcmp(buf, "disarm") == 0) {
			flags[0] = '\0';
			answer(fd, "ok");
		}
		cn_error_release(&err);
	}
	if (flags[0])
		unset_all(c, flags);
	cn_cluster_free(c);
}

static void child(int fd, const struct cn_cluster_config *config) __attribute__((noreturn));
static void child(int fd, const struct cn_cluster_config *config)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* A session of its own: Ctrl-C on the terminal is meant for the parent. And none of its streams: whoever reads the
	 * parent's output waits for the last writer to close it. */
	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_NAME, "cephnode-guard");
	for (int i = 0; i < 3 && null >= 0; i++)
		dup2(null, i);
	watch(fd, config);
	_exit(0);
}

struct cn_guard *cn_guard_start(const struct cn_cluster_config *config, struct cn_error *err)
{
	struct cn_guard *g;
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		cn_error_set(err, CN_FAILED, errno, "cannot make a socket pair: %s", strerror(errno));
		return NULL;
	}
	pid = fork();
	if (pid < 0) {
		cn_error_set(err, CN_FAILED, errno, "cannot start the guard process: %s", strerror(errno));
		close(fds[0]);
		close(fds[1]);
		return NULL;
	}
	if (pid == 0) {
		close(fds[0]);
		child(fds[1], config);
	}
	close(fds[1]);
	g = cn_malloc(sizeof(*g));
	*g = (struct cn_guard){pid, fds[0], config->connect_timeout_s};
	return g;
}

static int talk(struct cn_guard *g, const char *text, char *buf)
{
	struct pollfd p = {.fd = g->fd, .events = POLLIN};
	ssize_t n;

	if (send(g->fd, text, strlen(text), MSG_NOSIGNAL) < 0)
		return -errno;
	if (poll(&p, 1, (int)(g->connect_timeout_s + 5) * 1000) <= 0)
		return -ETIMEDOUT;
	n = recv(g->fd, buf, MESSAGE_SIZE - 1, 0);
	if (n <= 0)
		return -EPIPE;
	buf[n] = '\0';
	return 0;
}

int cn_guard_arm(struct cn_guard *g, const char *drain_id, const struct cn_strv *flags, struct cn_error *err)
{
	_cleanup_free_ char *list = cn_strv_join(flags, ","), *text = cn_asprintf("arm %s %s", drain_id, list);
	char buf[MESSAGE_SIZE];
	int r;

	if (!g)
		return cn_error_set(err, CN_FAILED, ESRCH, "there is no guard process, so nothing may be held");
	r = talk(g, text, buf);
	if (r < 0)
		return cn_error_set(err, CN_FAILED, r, "the guard process does not answer: %s", strerror(-r));
	if (strcmp(buf, "ok") != 0)
		return cn_error_set(err, CN_FAILED, EIO, "the guard process: %s", buf);
	return 0;
}

void cn_guard_keep(struct cn_guard *g)
{
	if (g && send(g->fd, "keep", 4, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* no guard any more: disarm will tell */
}

void cn_guard_disarm(struct cn_guard *g)
{
	char buf[MESSAGE_SIZE];

	if (g)
		talk(g, "disarm", buf);
}

void cn_guard_free(struct cn_guard *g)
{
	if (!g)
		return;
	close(g->fd);
	waitpid(g->pid, NULL, 0);
	free(g);
}
