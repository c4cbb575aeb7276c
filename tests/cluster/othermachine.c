/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * othermachine: an LD_PRELOAD library that makes the tool take itself for another machine, as the hosts of a cluster on loopback
 * are none. The product has no option for that: a node that could be told who it is could be told to drain another.
 *
 * OTHER_ADDRESSES=A,A   the IPv4 addresses of its interfaces
 * OTHER_NAME=NAME       its host name
 * OTHER_ROOT=DIR        where /sys/class/dmi/id, /run/cloud-init, /var/lib/cloud and /var/lib/heat-config are
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

struct entry {
	struct ifaddrs i; /* first: freed through it */
	struct sockaddr_in a;
};

int getifaddrs(struct ifaddrs **ret)
{
	const char *list = getenv("OTHER_ADDRESSES");
	char *copy = strdup(list ? list : ""), *rest = copy, *word;

	*ret = NULL;
	while (copy && (word = strsep(&rest, ","))) {
		struct entry *e = calloc(1, sizeof(*e));

		e->a.sin_family = AF_INET;
		if (inet_pton(AF_INET, word, &e->a.sin_addr) != 1) {
			free(e);
			continue;
		}
		e->i = (struct ifaddrs){.ifa_name = (char *)"eth0", .ifa_flags = IFF_UP, .ifa_next = *ret};
		e->i.ifa_addr = (struct sockaddr *)&e->a;
		*ret = &e->i;
	}
	free(copy);
	return 0;
}

void freeifaddrs(struct ifaddrs *i)
{
	while (i) {
		struct ifaddrs *next = i->ifa_next;

		free(i);
		i = next;
	}
}

int uname(struct utsname *u)
{
	const char *name = getenv("OTHER_NAME");
	int (*next)(struct utsname *);
	int r;

	*(void **)&next = dlsym(RTLD_NEXT, "uname");
	r = next(u);
	if (r == 0 && name)
		snprintf(u->nodename, sizeof(u->nodename), "%s", name);
	return r;
}

static const char *elsewhere(const char *path, char *buf, size_t size)
{
	static const char *const moved[] = {"/sys/class/dmi/id/", "/run/cloud-init/", "/var/lib/cloud/", "/var/lib/heat-config/"};
	const char *root = getenv("OTHER_ROOT");

	for (size_t i = 0; root && i < sizeof(moved) / sizeof(moved[0]); i++)
		if (strncmp(path, moved[i], strlen(moved[i])) == 0) {
			snprintf(buf, size, "%s%s", root, path);
			return buf;
		}
	return path;
}

static int open_with(const char *function, const char *path, int flags, va_list ap)
{
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	int (*next)(const char *, int, ...);
	char buf[4096];

	*(void **)&next = dlsym(RTLD_NEXT, function);
	return next(elsewhere(path, buf, sizeof(buf)), flags, mode);
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	int fd;

	va_start(ap, flags);
	fd = open_with("open", path, flags, ap);
	va_end(ap);
	return fd;
}

int open64(const char *path, int flags, ...)
{
	va_list ap;
	int fd;

	va_start(ap, flags);
	fd = open_with("open64", path, flags, ap);
	va_end(ap);
	return fd;
}
