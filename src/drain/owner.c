/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who works on a drain, and whether that process still lives. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cephnode/drain/journal.h"

static char *read_line(const char *path)
{
	char buf[128] = "";
	FILE *f = fopen(path, "re");

	if (f) {
		if (!fgets(buf, sizeof(buf), f))
			buf[0] = '\0';
		fclose(f);
	}
	buf[strcspn(buf, "\n")] = '\0';
	return cn_strdup(buf);
}

#define PROCESS_UNREADABLE (-2)

/* Field 22 of /proc/PID/stat; the name in field 2 may hold anything, so count from its closing bracket. -1: it has ended. */
static int64_t process_start(int64_t pid)
{
	char path[64], buf[1024];
	const char *p;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%" PRId64 "/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return PROCESS_UNREADABLE;
	n = fread(buf, 1, sizeof(buf) - 1, f);
	fclose(f);
	buf[n] = '\0';
	p = strrchr(buf, ')');
	/* a zombie has ended: its parent just has not asked yet */
	if (!p || p[1] != ' ' || p[2] == 'Z' || p[2] == 'X')
		return -1;
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? atoll(p + 1) : -1;
}

void cn_owner_self(struct cn_owner *ret)
{
	char host[256] = "", ns[64] = "";
	ssize_t n = readlink("/proc/self/ns/pid", ns, sizeof(ns) - 1);

	gethostname(host, sizeof(host) - 1);
	*ret = (struct cn_owner){
		.host = cn_strdup(host),
		.boot_id = read_line("/proc/sys/kernel/random/boot_id"),
		.pid_ns = cn_strdup(n > 0 ? ns : ""),
		.pid = getpid(),
		.pid_start = process_start(getpid()),
	};
}

void cn_owner_release(struct cn_owner *o)
{
	free(o->host);
	free(o->boot_id);
	free(o->pid_ns);
	*o = (struct cn_owner){};
}

static bool same_place(const struct cn_owner *a, const struct cn_owner *b)
{
	return a->boot_id && b->boot_id && *a->boot_id && strcmp(a->boot_id, b->boot_id) == 0 && a->pid_ns && b->pid_ns &&
	       *a->pid_ns && strcmp(a->pid_ns, b->pid_ns) == 0;
}

bool cn_owner_is_dead(const struct cn_owner *o)
{
	_cleanup_(cn_owner_release) struct cn_owner self = {};
	int64_t start;

	cn_owner_self(&self);
	if (!same_place(o, &self) || o->pid <= 0)
		return false;
	start = process_start(o->pid);
	if (start == PROCESS_UNREADABLE) /* /proc mounted with hidepid says nothing of other users' processes */
		return kill((pid_t)o->pid, 0) < 0 && errno == ESRCH;
	return start != o->pid_start;
}

json_t *cn_owner_json(const struct cn_owner *o)
{
	return json_pack("{so,sI,so,so,sI,sI}", "host", cn_json_string(o->host ? o->host : ""), "pid", (json_int_t)o->pid,
			 "boot_id", cn_json_string(o->boot_id ? o->boot_id : ""), "pid_ns",
			 cn_json_string(o->pid_ns ? o->pid_ns : ""), "pid_start", (json_int_t)o->pid_start, "instance",
			 (json_int_t)o->instance);
}

void cn_owner_read(const json_t *j, struct cn_owner *ret)
{
	*ret = (struct cn_owner){
		.host = cn_strdup(cn_json_str(j, "host", "")),
		.boot_id = cn_strdup(cn_json_str(j, "boot_id", "")),
		.pid_ns = cn_strdup(cn_json_str(j, "pid_ns", "")),
		.pid = cn_json_int(j, "pid", 0),
		.pid_start = cn_json_int(j, "pid_start", 0),
		.instance = (uint64_t)cn_json_int(j, "instance", 0),
	};
}
