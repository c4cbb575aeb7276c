/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Credential plugins: client.authentication.k8s.io/v1 and v1beta1. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cephnode/base/interrupt.h"
#include "kube/internal.h"

#define MAX_ANSWER ((size_t)1 << 20)
#define REST_MS 20

extern char **environ;

void cn_kube_exec_answer_release(struct cn_kube_exec_answer *a)
{
	cn_secret_free(a->token);
	free(a->cert);
	cn_secret_free(a->key);
	*a = (struct cn_kube_exec_answer){};
}

/* --- what it is told --- */

static json_t *cluster_info(const struct cn_kube_config *c)
{
	json_t *o = json_object();

	json_object_set_new(o, "server", cn_json_string(c->server));
	if (c->http.server_name)
		json_object_set_new(o, "tls-server-name", cn_json_string(c->http.server_name));
	if (c->http.insecure)
		json_object_set_new(o, "insecure-skip-tls-verify", json_true());
	if (c->http.ca) {
		_cleanup_free_ char *ca = cn_kube_base64_encode(c->http.ca, strlen(c->http.ca));

		json_object_set_new(o, "certificate-authority-data", json_string(ca));
	}
	if (c->http.proxy && *c->http.proxy)
		json_object_set_new(o, "proxy-url", cn_json_string(c->http.proxy));
	if (c->exec.cluster_info)
		json_object_set_new(o, "config", json_loads(c->exec.cluster_info, JSON_DECODE_ANY, NULL));
	return o;
}

static char *exec_info(const struct cn_kube_config *c)
{
	_cleanup_json_ json_t *o =
		json_pack("{ss,ss,s{sb}}", "apiVersion", c->exec.api_version, "kind", "ExecCredential", "spec", "interactive", 0);

	if (c->exec.provide_cluster_info)
		json_object_set_new(json_object_get(o, "spec"), "cluster", cluster_info(c));
	return cn_json_dump(o);
}

static bool names_same(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return n == strcspn(b, "=") && strncmp(a, b, n) == 0;
}

/* Ours, with what its entry adds or replaces. NULL-terminated; the strings are borrowed. */
static char **environment(const struct cn_strv *more, char *info)
{
	size_t n = 0, at = 0;
	char **env;

	while (environ[n])
		n++;
	env = cn_calloc(n + more->n + 2, sizeof(*env));
	for (size_t i = 0; i < n; i++) {
		bool replaced = names_same(environ[i], info);

		for (size_t k = 0; k < more->n && !replaced; k++)
			replaced = names_same(environ[i], more->v[k]);
		if (!replaced)
			env[at++] = environ[i];
	}
	for (size_t k = 0; k < more->n; k++)
		env[at++] = more->v[k];
	env[at] = info;
	return env;
}

/* --- running it --- */

/* A process group of its own, so that what the plugin starts ends with it; default signals, as ours are blocked. */
static int spawn(const struct cn_kube_config *c, int out, pid_t *ret)
{
	_cleanup_free_ char **argv = cn_calloc(c->exec.args.n + 2, sizeof(*argv));
	_cleanup_free_ char *info = exec_info(c), *variable = cn_asprintf("KUBERNETES_EXEC_INFO=%s", info);
	_cleanup_free_ char **env = environment(&c->exec.env, variable);
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, pipes;
	int r;

	argv[0] = c->exec.command;
	for (size_t i = 0; i < c->exec.args.n; i++)
		argv[i + 1] = c->exec.args.v[i];
	sigemptyset(&none);
	sigemptyset(&pipes);
	sigaddset(&pipes, SIGPIPE);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
#if __GLIBC_PREREQ(2, 34)
	posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1); /* what libcurl wakes itself with */
#endif
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &pipes);
	r = posix_spawnp(ret, c->exec.command, &files, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&files);
	return -r;
}

/* All that it prints, until it closes its end. */
static int collect(int fd, int64_t end, char **text, size_t *len, size_t *cap)
{
	struct cn_clock *clock = cn_clock_system(); /* a process takes real time */

	for (;;) {
		struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = cn_interrupt_fd(), .events = POLLIN}};
		int64_t left = end - cn_clock_boot_ms(clock);
		ssize_t n;

		if (cn_interrupted())
			return -EINTR;
		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(p, 2, (int)MIN(left, (int64_t)1000)) < 1 || !p[0].revents)
			continue;
		cn_grow(text, cap, *len + 65536, 1);
		n = read(fd, *text + *len, 65536);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		*len += (size_t)MAX(n, (ssize_t)0);
		if (*len > MAX_ANSWER)
			return -EFBIG;
	}
}

/* Its exit status; it may close stdout and go on, but not for long. */
static int reap(pid_t pid, int64_t end, int *ret_status)
{
	struct cn_clock *clock = cn_clock_system();

	for (;;) {
		pid_t p = waitpid(pid, ret_status, WNOHANG);

		if (p == pid)
			return 0;
		if (p < 0 && errno != EINTR)
			return -errno;
		if (cn_clock_wait_ms(clock, REST_MS) < 0)
			return -EINTR;
		if (cn_clock_boot_ms(clock) >= end)
			return -ETIMEDOUT;
	}
}

static int say(const struct cn_kube_exec *x, int r, int status, struct cn_error *err)
{
	if (r == -EINTR)
		return cn_error_interrupted(err);
	if (r == -ETIMEDOUT)
		return cn_error_set(err, CN_TIMEOUT, ETIMEDOUT, "credential plugin '%s' did not end within %d s", x->command,
				    CN_KUBE_EXEC_LIMIT_MS / 1000);
	if (r < 0) {
		cn_error_set(err, CN_FAILED, r, "cannot run credential plugin '%s': %s", x->command, strerror(-r));
		if (x->install_hint)
			cn_error_hint(err, "%s", x->install_hint);
		return r;
	}
	if (WIFSIGNALED(status))
		return cn_error_set(err, CN_FAILED, EACCES, "credential plugin '%s' was ended by signal %d", x->command,
				    WTERMSIG(status));
	if (WEXITSTATUS(status))
		return cn_error_set(err, CN_FAILED, EACCES, "credential plugin '%s' failed with exit status %d", x->command,
				    WEXITSTATUS(status));
	return 0;
}

int cn_kube_exec_run(const struct cn_kube_config *config, struct cn_kube_exec_answer *ret, struct cn_error *err)
{
	int64_t end = cn_clock_boot_ms(cn_clock_system()) + CN_KUBE_EXEC_LIMIT_MS;
	char *text = NULL;
	size_t len = 0, cap = 0;
	int out[2], status = 0, r;
	pid_t pid = 0;

	if (pipe2(out, O_CLOEXEC) < 0)
		return cn_error_set(err, CN_FAILED, errno, "cannot run a credential plugin: %s", strerror(errno));
	r = spawn(config, out[1], &pid);
	close(out[1]);
	if (r == 0) {
		r = collect(out[0], end, &text, &len, &cap);
		if (r == 0)
			r = reap(pid, end, &status);
		if (r < 0) {
			kill(-pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
	}
	close(out[0]);
	r = say(&config->exec, r, status, err);
	if (r == 0)
		r = cn_kube_exec_read(&config->exec, text, len, ret, err);
	if (text)
		explicit_bzero(text, len);
	free(text);
	return r;
}

/* --- what it says --- */

int64_t cn_kube_time_parse(const char *s)
{
	struct tm tm = {};
	int n = 0, hours = 0, minutes = 0;
	int64_t ms;

	if (sscanf(s, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
		   &tm.tm_sec, &n) != 6 ||
	    n == 0)
		return -1;
	s += n;
	if (*s == '.')
		s += 1 + strspn(s + 1, "0123456789");
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	ms = (int64_t)timegm(&tm) * 1000;
	if (strcmp(s, "Z") == 0 || strcmp(s, "z") == 0)
		return ms;
	n = 0;
	if ((*s != '+' && *s != '-') || sscanf(s + 1, "%2d:%2d%n", &hours, &minutes, &n) != 2 || n != 5 || s[6])
		return -1;
	return ms - (*s == '-' ? -1 : 1) * (int64_t)(hours * 60 + minutes) * 60000;
}

static char *secret_of(const json_t *o, const char *key)
{
	const char *s = cn_json_str(o, key, NULL);

	return s && *s ? cn_strdup(s) : NULL;
}

static const char *fill(const json_t *j, const struct cn_kube_exec *x, struct cn_kube_exec_answer *a)
{
	const json_t *status = cn_json_obj(j, "status");
	const char *expires = cn_json_str(status, "expirationTimestamp", NULL);

	if (strcmp(cn_json_str(j, "kind", ""), "ExecCredential") != 0)
		return "no ExecCredential";
	if (strcmp(cn_json_str(j, "apiVersion", ""), x->api_version) != 0)
		return "another version than was asked for";
	a->token = secret_of(status, "token");
	a->cert = secret_of(status, "clientCertificateData");
	a->key = secret_of(status, "clientKeyData");
	if (!a->token && !a->cert && !a->key)
		return "no credential";
	if (!a->cert != !a->key)
		return "a client certificate without its key, or the reverse";
	a->expires_ms = expires && *expires ? cn_kube_time_parse(expires) : 0;
	return a->expires_ms < 0 ? "an expirationTimestamp that is no time" : NULL;
}

int cn_kube_exec_read(const struct cn_kube_exec *x, const char *text, size_t len, struct cn_kube_exec_answer *ret,
		      struct cn_error *err)
{
	_cleanup_json_ json_t *j = json_loadb(text ? text : "", len, 0, NULL); /* its own words about an error quote the text */
	struct cn_kube_exec_answer a = {};
	const char *wrong = json_is_object(j) ? fill(j, x, &a) : "what is no JSON object";

	if (wrong) {
		cn_kube_exec_answer_release(&a);
		return cn_error_set(err, CN_FAILED, EBADMSG, "credential plugin '%s' printed %s", x->command, wrong);
	}
	*ret = a;
	return 0;
}
