/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * steptrap: an LD_PRELOAD library that makes the tool signal itself right after a given line of its JSON Lines, so that
 * a test can kill or pause it at an exact point without a hook in the product.
 *
 * STEPTRAP=WHAT:STATE:ACTION[#N]
 *   WHAT    a step ("reweight") or, for lines that are no step, an event ("progress", "plan", "result")
 *   STATE   "begin", "end", or "*" for any
 *   ACTION  KILL, STOP, INT or TERM
 *   N       the Nth such line (1)
 *
 * STEPTRAP_CLIENT="ID ADDRESS": what librados says of this client's identity, whoever it really is.
 *
 * It counts on one write() to stdout per line. Only the process that was started springs the trap, none of its children.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	pid_t pid;
	char what[64], state[16];
	int signal, left;
} trap;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int signal_of(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} all[] = {{"KILL", SIGKILL}, {"STOP", SIGSTOP}, {"INT", SIGINT}, {"TERM", SIGTERM}};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(all[i].name, name))
			return all[i].number;
	return 0;
}

__attribute__((constructor)) static void read_trap(void)
{
	const char *spec = getenv("STEPTRAP");
	char action[16] = "";
	int count = 1;

	if (!spec)
		return;
	if (sscanf(spec, "%63[^:]:%15[^:]:%15[^#]#%d", trap.what, trap.state, action, &count) < 3 || !signal_of(action)) {
		fprintf(stderr, "steptrap: STEPTRAP is WHAT:STATE:ACTION[#N], not %s\n", spec);
		_exit(120);
	}
	trap.signal = signal_of(action);
	trap.left = count;
	trap.pid = getpid();
	/* What the tool executes itself is not to be trapped. */
	unsetenv("LD_PRELOAD");
	unsetenv("STEPTRAP");
}

/* Is there "key": "value" in the line? Members of nested objects count too: none has these names. */
static bool has(const char *line, const char *key, const char *value)
{
	size_t k = strlen(key), v = strlen(value);

	for (const char *p = line; (p = strstr(p, key)); p += k) {
		if (p == line || p[-1] != '"' || p[k] != '"')
			continue;
		const char *q = p + k + 1;
		q += strspn(q, " ");
		if (*q != ':')
			continue;
		q += 1 + strspn(q + 1, " ");
		if (*q == '"' && !strncmp(q + 1, value, v) && q[1 + v] == '"')
			return true;
	}
	return false;
}

static bool springs(const char *line)
{
	bool step = has(line, "event", "step");

	return (step ? has(line, "step", trap.what) : has(line, "event", trap.what)) &&
	       (!strcmp(trap.state, "*") || has(line, "state", trap.state));
}

uint64_t rados_get_instance_id(void *cluster);
int rados_getaddrs(void *cluster, char **ret);

uint64_t rados_get_instance_id(void *cluster)
{
	const char *client = getenv("STEPTRAP_CLIENT");
	uint64_t (*next)(void *);

	*(void **)&next = dlsym(RTLD_NEXT, "rados_get_instance_id");
	return client ? strtoull(client, NULL, 10) : next(cluster);
}

int rados_getaddrs(void *cluster, char **ret)
{
	const char *client = getenv("STEPTRAP_CLIENT");
	int (*next)(void *, char **);

	*(void **)&next = dlsym(RTLD_NEXT, "rados_getaddrs");
	if (!client)
		return next(cluster, ret);
	*ret = strdup(strchr(client, ' ') + 1);
	return 0;
}

ssize_t write(int fd, const void *data, size_t size)
{
	static ssize_t (*next)(int, const void *, size_t);
	static __thread char line[65536];
	bool spring = false;

	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "write");
	ssize_t written = next(fd, data, size);
	if (fd != STDOUT_FILENO || !trap.signal || written <= 0 || getpid() != trap.pid)
		return written;
	size_t n = (size_t)written < sizeof(line) ? (size_t)written : sizeof(line) - 1;
	memcpy(line, data, n);
	line[n] = '\0';
	pthread_mutex_lock(&lock);
	if (trap.left > 0 && springs(line))
		spring = --trap.left == 0;
	pthread_mutex_unlock(&lock);
	if (spring)
		kill(trap.pid, trap.signal);
	return written;
}
