/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cephnode/base/clock.h"
#include "cephnode/base/interrupt.h"
#include "cephnode/base/log.h"
#include "cephnode/base/text.h"
#include "cephnode/cluster/mapping.h"

#define TOOL "osdmaptool"
#define MAP_FD 3 /* the map's number in the tool */
#define MAP_PATH "/proc/self/fd/3"
#define LIMIT_MS 60000
#define PGS_PER_MS 5 /* beside that: a tenth of its speed on 12,000 OSDs */
#define REST_MS 10
#define PIPE_SIZE 262144 /* holds what the tool says while we rest */

struct tool {
	bool brief; /* one set of each PG is all there is to know */
	struct cn_mapping *to;
	pid_t pid;
	int out, err; /* our ends of its stdout and stderr; -1 at their end */
	char buf[65536];
	size_t len;      /* of the line that has begun in buf */
	bool had_it_all; /* the last read left nothing in the pipe */
	char words[4096];
	size_t n_words; /* what it said on stderr, the beginning of it */
};

static void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
#define _cleanup_close_ _cleanup_(closep)

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int cn_osdmap_file(struct cn_cluster *c, int64_t epoch, int *ret_fd, struct cn_error *err)
{
	_cleanup_free_ char *map = NULL;
	_cleanup_close_ int fd = -1;
	size_t len;
	int r;

	r = cn_command_raw(c, CN_MON, NULL, json_pack("{ss,sI}", "prefix", "osd getmap", "epoch", (json_int_t)epoch), &map, &len,
			   err);
	if (r < 0)
		return r;
	if (!len)
		return cn_error_set(err, CN_FAILED, EBADMSG, "'osd getmap': the reply is empty");
	fd = memfd_create("osdmap", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	r = fd < 0 ? -errno : write_all(fd, map, len);
	if (r == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		r = -errno;
	if (r < 0)
		return cn_error_set(err, CN_FAILED, r, "cannot keep the OSD map in memory: %s", strerror(-r));
	*ret_fd = fd;
	fd = -1;
	return 0;
}

/* "[8,2147483647]" behind the label; a hole may be called NONE. */
static bool read_set(const char **s, const char *label, char behind, int *set, int size)
{
	size_t len = strlen(label);
	int n = 0;

	*s += strspn(*s, " \t");
	if (strncmp(*s, label, len) != 0)
		return false;
	for (*s += len; **s != ']'; *s += **s == ',') {
		char *end = NULL;
		int64_t id = CN_CRUSH_NONE;

		if (strncmp(*s, "NONE", 4) == 0)
			end = (char *)(uintptr_t)*s + 4;
		else if (isdigit((unsigned char)**s))
			id = strtoll(*s, &end, 10);
		if (!end || (*end != ',' && *end != ']') || id > CN_CRUSH_NONE || n == size)
			return false;
		set[n++] = (int)id;
		*s = end;
	}
	while (n < size)
		set[n++] = CN_CRUSH_NONE;
	*s = strchr(*s, behind);
	return *s && (*s)++;
}

/* 1.0 raw ([8,3], p8) up ([8,3], p8) acting ([8,3], p8), or in brief 1.0 [8,3] 8 */
static bool read_pg(const struct tool *t, const char *s)
{
	struct cn_mapping *to = t->to;
	const struct cn_mapped_pool *pool;
	unsigned long seed;
	size_t at;
	char *end;

	pool = cn_mapping_pool(to, strtoll(s, &end, 10));
	if (!pool || *end != '.' || !isxdigit((unsigned char)end[1]))
		return false;
	seed = strtoul(end + 1, &end, 16);
	if (seed >= pool->pg_num)
		return false;
	s = end;
	at = seed * (size_t)pool->size;
	if (t->brief) {
		bool good = read_set(&s, "[", '\t', pool->raw + at, pool->size);

		memcpy(pool->up + at, pool->raw + at, (size_t)pool->size * sizeof(*pool->up));
		memcpy(pool->acting + at, pool->raw + at, (size_t)pool->size * sizeof(*pool->up));
		return good;
	}
	return read_set(&s, "raw ([", ')', pool->raw + at, pool->size) && read_set(&s, "up ([", ')', pool->up + at, pool->size) &&
	       read_set(&s, "acting ([", ')', pool->acting + at, pool->size);
}

/* Lines of PGs begin with a digit and no others do: headings before them, a table of OSDs behind. */
static int read_line(struct tool *t, const char *line, struct cn_error *err)
{
	_cleanup_free_ char *shown = NULL, *safe = NULL;

	if (!isdigit((unsigned char)*line) || read_pg(t, line))
		return 0;
	shown = cn_strndup(line, MIN(strlen(line), (size_t)80));
	safe = cn_text_safe(shown);
	return cn_error_set(err, CN_FAILED, EPROTO, TOOL ": not understood: %s", safe);
}

/* A last line without an end is of a tool that died; its exit status says more. */
static int take_output(struct tool *t, struct cn_error *err)
{
	size_t room = sizeof(t->buf) - t->len;
	ssize_t n = read(t->out, t->buf + t->len, room);
	char *line = t->buf, *end;
	int r;

	if (n < 0)
		return errno == EINTR ? 0 : cn_error_set(err, CN_FAILED, errno, TOOL ": %s", strerror(errno));
	if (n == 0)
		closep(&t->out);
	t->had_it_all = n > 0 && (size_t)n < room;
	t->len += (size_t)n;
	while ((end = memchr(line, '\n', t->len))) {
		*end = '\0';
		r = read_line(t, line, err);
		if (r < 0)
			return r;
		t->len -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	if (t->len == sizeof(t->buf))
		return cn_error_set(err, CN_FAILED, EPROTO, TOOL ": a line without an end");
	memmove(t->buf, line, t->len);
	return 0;
}

static void take_words(struct tool *t)
{
	char buf[1024];
	ssize_t n = read(t->err, buf, sizeof(buf));
	size_t kept;

	if (n < 0 && errno == EINTR)
		return;
	if (n <= 0) {
		closep(&t->err);
		return;
	}
	kept = MIN((size_t)n, sizeof(t->words) - 1 - t->n_words);
	memcpy(t->words + t->n_words, buf, kept);
	t->n_words += kept;
}

static int follow(struct tool *t, struct cn_error *err)
{
	int64_t limit_ms = LIMIT_MS, until;
	int r = 0;

	for (size_t i = 0; i < t->to->n_pools; i++)
		limit_ms += t->to->pools[i].pg_num / PGS_PER_MS;
	until = cn_clock_boot_ms(cn_clock_system()) + limit_ms;
	while (r == 0 && (t->out >= 0 || t->err >= 0)) {
		struct pollfd p[] = {{t->out, POLLIN, 0}, {t->err, POLLIN, 0}, {cn_interrupt_fd(), POLLIN, 0}};
		int64_t left = until - cn_clock_boot_ms(cn_clock_system());

		if (cn_interrupted())
			return cn_error_interrupted(err);
		if (left <= 0)
			return cn_error_set(err, CN_FAILED, EPROTO, TOOL ": no end within %" PRId64 " s", limit_ms / 1000);
		if (poll(p, ARRAY_SIZE(p), (int)left) < 0 && errno != EINTR)
			return cn_error_set(err, CN_FAILED, errno, TOOL ": %s", strerror(errno));
		if (p[1].revents)
			take_words(t);
		if (p[0].revents)
			r = take_output(t, err);
		/* the tool flushes every line: to be woken for each costs both sides more than all the rest */
		if (r == 0 && t->had_it_all)
			poll(&p[2], 1, REST_MS);
	}
	return r;
}

/* The line that says why: the first that is not its usual greeting. */
static char *last_words(struct tool *t)
{
	_cleanup_(cn_strv_release) struct cn_strv lines = {};

	t->words[t->n_words] = '\0';
	cn_strv_split(&lines, t->words, "\n");
	for (size_t i = 0; i < lines.n; i++)
		if (strncmp(lines.v[i], TOOL ": osdmap file", strlen(TOOL ": osdmap file")) != 0)
			return cn_text_safe(lines.v[i]);
	return cn_strdup("without a word");
}

static int judge(struct tool *t, int status, struct cn_error *err)
{
	_cleanup_free_ char *words = last_words(t);
	bool killed = WIFSIGNALED(status);

	if (!killed && WEXITSTATUS(status) == 0)
		return 0;
	return cn_error_set(err, CN_FAILED, EPROTO, TOOL " failed (%s %d): %s", killed ? "signal" : "exit status",
			    killed ? WTERMSIG(status) : WEXITSTATUS(status), words);
}

static int check_complete(const struct cn_mapping *mp, struct cn_error *err)
{
	for (size_t i = 0; i < mp->n_pools; i++)
		for (uint32_t seed = 0; seed < mp->pools[i].pg_num; seed++)
			if (!cn_mapped_set(&mp->pools[i], mp->pools[i].acting, seed))
				return cn_error_set(err, CN_FAILED, EPROTO, TOOL ": no word of PG %" PRId64 ".%" PRIx32,
						    mp->pools[i].id, seed);
	return 0;
}

/* As if there were no configuration: what the tool works out is to depend on the map alone. OpenStack's password is none of its
 * business either: who may look at its environment in /proc may not look at ours. */
static char **environment(void)
{
	static char no_conf[] = "CEPH_CONF=/dev/null";
	size_t n = 0, kept = 0;
	char **env;

	while (environ[n])
		n++;
	env = cn_calloc(n + 2, sizeof(*env));
	for (size_t i = 0; i < n; i++)
		if (strncmp(environ[i], "CEPH_", 5) != 0 && strncmp(environ[i], "OS_", 3) != 0)
			env[kept++] = environ[i];
	env[kept] = no_conf;
	return env;
}

/* The child is in a process group of its own, so that Ctrl-C does not look like a failure of the tool. Our signals are blocked
 * (cn_interrupt_init), its are not. */
static int spawn(char *const *argv, int map_fd, int out, int errors, pid_t *ret)
{
	_cleanup_free_ char **env = environment();
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t set;
	int r;

	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
	posix_spawn_file_actions_adddup2(&files, map_fd, MAP_FD); /* last: the number may be that of a pipe */
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	sigemptyset(&set);
	posix_spawnattr_setsigmask(&attr, &set);
	sigfillset(&set);
	posix_spawnattr_setsigdefault(&attr, &set);
	posix_spawnattr_setpgroup(&attr, 0);
	r = posix_spawnp(ret, argv[0], &files, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

static int start(struct tool *t, int map_fd, const struct cn_ids *zero, struct cn_error *err)
{
	_cleanup_free_ char *ids = zero ? cn_ids_format(zero, "", ":0,") : NULL;
	_cleanup_free_ char *weights = ids && *ids ? cn_asprintf("%s:0", ids) : NULL;
	static char tool[] = TOOL, map_path[] = MAP_PATH, all[] = "--test-map-pgs-dump-all", one[] = "--test-map-pgs-dump",
		    no_temp[] = "--clear-temp", adjust[] = "--adjust-crush-weight";
	char *argv[7] = {tool, map_path, t->brief ? one : all};
	/* not MAP_FD itself: before glibc 2.29 a dup2() onto itself left it closed on exec */
	_cleanup_close_ int map = fcntl(map_fd, F_DUPFD_CLOEXEC, MAP_FD + 1), out = -1, errors = -1;
	int p[2], r, n = 3;

	if (t->brief)
		argv[n++] = no_temp;
	if (weights) {
		argv[n++] = adjust;
		argv[n++] = weights;
	}
	if (map < 0 || pipe2(p, O_CLOEXEC) < 0)
		return cn_error_set(err, CN_FAILED, errno, TOOL ": %s", strerror(errno));
	t->out = p[0];
	out = p[1];
	fcntl(out, F_SETPIPE_SZ, PIPE_SIZE); /* or as large as it is */
	if (pipe2(p, O_CLOEXEC) < 0)
		return cn_error_set(err, CN_FAILED, errno, TOOL ": %s", strerror(errno));
	t->err = p[0];
	errors = p[1];
	r = spawn(argv, map, out, errors, &t->pid);
	if (r == -ENOENT)
		return cn_error_set(err, CN_FAILED, ENOENT, "there is no " TOOL " (of the package ceph-base) in PATH");
	if (r < 0)
		return cn_error_set(err, CN_FAILED, r, "cannot start " TOOL ": %s", strerror(-r));
	return 0;
}

/* Waits for the tool, which ends by itself only when we have heard it out. */
static int finish(struct tool *t, bool kill_it)
{
	int status = 0;

	if (kill_it)
		kill(t->pid, SIGKILL);
	while (waitpid(t->pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static int map_all(int map_fd, const struct cn_osdmap *m, const struct cn_ids *zero, bool brief, struct cn_mapping *ret,
		   struct cn_error *err)
{
	_cleanup_(cn_mapping_release) struct cn_mapping mp = {};
	struct tool *t = cn_calloc(1, sizeof(*t));
	int r, status;

	cn_mapping_init(&mp, m, true);
	*t = (struct tool){.brief = brief, .to = &mp, .out = -1, .err = -1};
	r = start(t, map_fd, zero, err);
	if (r == 0) {
		r = follow(t, err);
		status = finish(t, r < 0);
		if (r == 0)
			r = judge(t, status, err);
	}
	closep(&t->out);
	closep(&t->err);
	free(t);
	if (r == 0)
		r = check_complete(&mp, err);
	if (r < 0)
		return r;
	*ret = mp;
	mp = (struct cn_mapping){};
	return 0;
}

int cn_maptool_map(int map_fd, const struct cn_osdmap *m, const struct cn_ids *zero, struct cn_mapping *ret, struct cn_error *err)
{
	return map_all(map_fd, m, zero, false, ret, err);
}

int cn_maptool_map_up(int map_fd, const struct cn_osdmap *m, const struct cn_ids *zero, struct cn_mapping *ret,
		      struct cn_error *err)
{
	return map_all(map_fd, m, zero, true, ret, err);
}
