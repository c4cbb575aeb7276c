/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * delay MS HERE THERE COMMAND...: runs the command in a network of its own, where it has the address THERE. Its only way out
 * leads through this process to the network that this was started in, which is HERE at the other end, and each packet takes MS
 * milliseconds, either way, whatever its size: what netem does where a kernel has it. Root; exits as the command does.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MTU 9000
#define QUEUE 8192 /* packets under way in one direction; more are lost, as in any queue */

struct packet {
	int64_t due_us;
	ssize_t len;
	char bytes[MTU];
};

struct lane {
	int from, to;
	struct packet *queue;
	size_t first, n;
};

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int tunnel(const char *own, const char *peer, const char *more)
{
	struct ifreq req = {.ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = "delay%d"};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	char command[512];

	if (fd < 0 || ioctl(fd, TUNSETIFF, &req) < 0)
		fail("/dev/net/tun");
	snprintf(command, sizeof(command), "ip addr add %s peer %s dev %s && ip link set %s mtu %d txqueuelen %d up %s", own,
		 peer, req.ifr_name, req.ifr_name, MTU, QUEUE, more);
	if (system(command) != 0)
		exit(1);
	return fd;
}

static void take(struct lane *l, int64_t delay_us)
{
	while (l->n < QUEUE) {
		struct packet *p = &l->queue[(l->first + l->n) % QUEUE];

		p->len = read(l->from, p->bytes, sizeof(p->bytes));
		if (p->len < 0)
			return;
		p->due_us = now_us() + delay_us;
		l->n++;
	}
}

/* When the next one is due; -1: none is under way. */
static int64_t deliver(struct lane *l)
{
	while (l->n > 0) {
		struct packet *p = &l->queue[l->first];

		if (p->due_us > now_us())
			return p->due_us;
		if (write(l->to, p->bytes, (size_t)p->len) < 0 && errno == EAGAIN)
			return now_us() + 100;
		l->first = (l->first + 1) % QUEUE;
		l->n--;
	}
	return -1;
}

static void carry(int here, int there, int64_t delay_us, pid_t child)
{
	struct lane lanes[2] = {{here, there}, {there, here}};
	struct pollfd fds[2] = {{here, POLLIN, 0}, {there, POLLIN, 0}};
	int status;

	for (int i = 0; i < 2; i++) {
		lanes[i].queue = calloc(QUEUE, sizeof(struct packet));
		if (!lanes[i].queue)
			fail("memory");
	}
	while (waitpid(child, &status, WNOHANG) == 0) {
		int64_t due = now_us() + 10000;
		struct timespec wait;

		for (int i = 0; i < 2; i++) {
			int64_t d;

			take(&lanes[i], delay_us);
			d = deliver(&lanes[i]);
			if (d >= 0 && d < due)
				due = d;
		}
		due -= now_us();
		wait = (struct timespec){.tv_nsec = due > 0 ? due * 1000 : 0};
		ppoll(fds, 2, &wait, NULL);
	}
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

int main(int argc, char **argv)
{
	int here, there;
	char route[128];
	pid_t child;

	if (argc < 5)
		return 2;
	prctl(PR_SET_TIMERSLACK, 1);
	snprintf(route, sizeof(route), "&& ip link set lo up && ip route add default via %s", argv[2]);
	here = tunnel(argv[2], argv[3], "");
	if (unshare(CLONE_NEWNET) < 0)
		fail("unshare");
	there = tunnel(argv[3], argv[2], route);
	child = fork();
	if (child == 0) {
		execvp(argv[4], argv + 4);
		fail(argv[4]);
	}
	if (child < 0)
		fail("fork");
	carry(here, there, (int64_t)(atof(argv[1]) * 1000), child);
}
