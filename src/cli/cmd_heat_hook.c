/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* heat hook: exactly one JSON object on stdout, whatever happens. It has no session: stdout, signals and the connection follow
 * rules of their own. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/base/text.h"
#include "cephnode/heat/hook.h"
#include "cli/cli.h"

#define STDIN_MAX (4 << 20)
#define CLOSE_S 10

/* For signal handlers: before _exit() the sanitizer would wait for locks that what was interrupted may hold. */
#define _no_sanitizer_ __attribute__((no_sanitize("address")))

/* --- the one answer --- */

static struct {
	pthread_mutex_t lock;
	atomic_int state; /* 0: none yet, 1: being written, 2: out */
	int code;
	int fd;    /* stdout, kept aside: what a library prints goes to stderr */
	int error; /* of the write */
} out = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static void keep_stdout(void)
{
	out.fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	if (out.fd >= 0)
		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
}

static void print_answer(const struct cn_hook_answer *a)
{
	_cleanup_free_ char *text = cn_hook_answer_format(a);
	int none = 0;

	pthread_mutex_lock(&out.lock);
	if (atomic_compare_exchange_strong(&out.state, &none, 1)) {
		out.code = (int)a->code;
		if (out.fd >= 0)
			(void)dup2(out.fd, STDOUT_FILENO);
		(void)cn_out_puts(text);
		atomic_store(&out.state, 2);
	}
	pthread_mutex_unlock(&out.lock);
}

/* In the signal thread, just before _exit(130). An answer that is out stands, and so does its code. */
static void emergency(void *arg)
{
	const struct cn_hook *h = arg;
	struct cn_hook_answer a = {.code = CN_INTERRUPTED, .bytes_moved = h->bytes_moved};

	a.reason = cn_strdup("interrupted; the same deployment goes on from here");
	print_answer(&a);
	_exit(out.code);
}

/* Aborted (out of memory, an assertion of librados) or worse: no memory, no locks. */
static _no_sanitizer_ void fatal(int sig _unused_)
{
	static const char text[] = CN_HOOK_ANSWER_DIED, note[] = "cephnode: internal error\n";
	int none = 0;

	if (atomic_compare_exchange_strong(&out.state, &none, 1)) {
		if (write(out.fd >= 0 ? out.fd : STDOUT_FILENO, text, sizeof(text) - 1) < 0)
			_exit(CN_FAILED);
		out.code = CN_FAILED;
	} else if (none == 1) {
		poll(NULL, 0, 1000); /* another thread writes it */
	}
	if (write(STDERR_FILENO, note, sizeof(note) - 1) < 0)
		_exit(out.code);
	_exit(out.code);
}

/* heat-config sends the answer when this process has ended, and closing a connection may take for ever. */
static _no_sanitizer_ void overdue(int sig _unused_)
{
	_exit(out.code);
}

static void limit_the_end(void)
{
	const struct sigaction act = {.sa_handler = overdue};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	(void)sigaction(SIGALRM, &act, NULL);
	(void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	alarm(CLOSE_S);
}

static void catch_fatal(void)
{
	static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP, SIGQUIT, SIGXCPU, SIGXFSZ};
	static char stack[16384];
	const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
	const struct sigaction act = {.sa_handler = fatal, .sa_flags = SA_ONSTACK};
	struct sigaction old;

	if (sigaltstack(NULL, NULL) == 0)
		(void)sigaltstack(&alternate, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) /* a sanitizer's stays */
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			(void)sigaction(signals[i], &act, NULL);
}

/* Until the signal thread takes them: a signal before that must not end it without an answer. */
static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
}

void cn_cmd_heat_hook_misused(const struct cn_error *err)
{
	_cleanup_(cn_hook_answer_release) struct cn_hook_answer a = {};

	cn_hook_answer_error(&a, err);
	print_answer(&a);
}

/* --- stdin --- */

static int wait_readable(struct cn_error *err)
{
	struct pollfd p[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = cn_interrupt_fd(), .events = POLLIN}};

	while (poll(p, 2, -1) < 0 && errno == EINTR)
		;
	return cn_interrupted() ? cn_error_interrupted(err) : 0;
}

static int read_stdin(char **ret, size_t *ret_len, struct cn_error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0, cap = 0;

	if (isatty(STDIN_FILENO))
		return cn_error_set(err, CN_USAGE, ENOTTY, "heat-config runs this hook, with a deployment on stdin");
	for (;;) {
		ssize_t n;
		int r = wait_readable(err);

		if (r < 0)
			return r;
		cn_grow(&text, &cap, len + 65536, 1);
		n = read(STDIN_FILENO, text + len, 65536);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return cn_error_set(err, CN_USAGE, errno, "cannot read stdin: %s", strerror(errno));
		if (n == 0)
			break;
		len += (size_t)n;
		if (len > STDIN_MAX)
			return cn_error_set(err, CN_USAGE, E2BIG, "stdin has more than %d MiB", STDIN_MAX >> 20);
	}
	*ret = text ? TAKE_PTR(text) : cn_strdup("");
	*ret_len = len;
	return 0;
}

static int read_request(struct cn_hook_request *ret, struct cn_error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t len = 0;
	int r = read_stdin(&text, &len, err);

	if (r == 0)
		r = cn_hook_request_read(text, len, ret, err);
	if (r < 0 && cn_interrupted()) /* who wrote it may have died of the same signal */
		r = cn_error_interrupted(err);
	if (text)
		explicit_bzero(text, len);
	return r;
}

/* --- the hook --- */

struct hook {
	struct cn_cluster_config config;
	struct cn_hook hook;
	char *name; /* "client.ID" of --id; owned */
};

static int connect(void *arg, unsigned timeout_s, struct cn_cluster **ret, struct cn_error *err)
{
	struct cn_cluster_config config = ((struct hook *)arg)->config;

	config.connect_timeout_s = timeout_s;
	return cn_cluster_connect(&config, ret, err);
}

static void tell(void *arg _unused_, const char *line)
{
	_cleanup_free_ char *safe = cn_text_safe(line);

	cn_err_printf("cephnode: %s\n", safe);
}

static void log_sink(enum cn_log_level level _unused_, const char *text)
{
	tell(NULL, text);
}

static void init(struct hook *k, const struct cn_settings *s)
{
	k->name = s->id ? cn_asprintf("client.%s", s->id) : NULL;
	k->config = (struct cn_cluster_config){
		.conf = s->conf,
		.cluster = s->cluster,
		.name = k->name ? k->name : s->name,
		.keyring = s->keyring,
		.mon_host = s->mon_host,
		.connect_timeout_s = (unsigned)s->connect_timeout_s,
		.op_timeout_s = (unsigned)s->op_timeout_s,
		.lasting = true,
	};
	k->hook = (struct cn_hook){
		.clock = cn_clock_system(),
		.connect_timeout_s = (unsigned)s->connect_timeout_s,
		.connect = connect,
		.tell = tell,
		.arg = k,
	};
}

static int run(struct hook *k, struct cn_hook_request *q, struct cn_hook_answer *a, struct cn_error *err)
{
	_cleanup_(cn_machine_release) struct cn_machine machine = {};
	int r;

	/* The guard first: it must have neither threads nor what stdin says, nor keep stdout open when we are gone. */
	k->hook.guard = cn_guard_start(&k->config, err);
	if (!k->hook.guard)
		return -err->errnum;
	keep_stdout();
	r = cn_interrupt_init();
	if (r < 0)
		return cn_error_set(err, CN_FAILED, r, "cannot start the signal thread: %s", strerror(-r));
	cn_interrupt_on_emergency(emergency, &k->hook);
	cn_log_set(log_sink, CN_LOG_WARNING);
	r = read_request(q, err);
	if (r < 0)
		return r;
	cn_hook_lock("");
	cn_machine_read("", &machine);
	k->hook.machine = &machine;
	cn_hook_run(&k->hook, q, a);
	return 0;
}

static int hook(const struct cn_settings *s, struct cn_error *err)
{
	_cleanup_(cn_hook_request_release) struct cn_hook_request q = {};
	_cleanup_(cn_hook_answer_release) struct cn_hook_answer a = {};
	struct hook k = {};
	int r;

	block_signals();
	catch_fatal();
	init(&k, s);
	r = run(&k, &q, &a, err);
	if (r < 0)
		cn_hook_answer_error(&a, err);
	print_answer(&a);
	limit_the_end();
	if (a.code && !err->code)
		r = cn_error_set(err, a.code, EIO, "%s", a.reason);
	cn_hook_close(&k.hook);
	cn_guard_free(k.hook.guard);
	cn_log_set(NULL, CN_LOG_WARNING);
	free(k.name);
	return r;
}

/* --- install, recover --- */

/* 'a b' -> 'a b', it's -> 'it'\''s': for sh, and (without quotes inside) for systemd alike. */
static void add_quoted(struct cn_strv *l, const char *word)
{
	struct cn_strv pieces = {};
	_cleanup_free_ char *inner = NULL;
	const char *rest = word, *quote;

	if (*word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:,=@+-") == strlen(word)) {
		cn_strv_add(l, word);
		return;
	}
	for (; (quote = strchr(rest, '\'')); rest = quote + 1)
		cn_strv_addf(&pieces, "%.*s", (int)(quote - rest), rest);
	cn_strv_add(&pieces, rest);
	inner = cn_strv_join(&pieces, "'\\''");
	cn_strv_release(&pieces);
	cn_strv_addf(l, "'%s'", inner);
}

static void add_option(struct cn_strv *l, const char *name, const char *value)
{
	if (!value)
		return;
	cn_strv_add(l, name);
	add_quoted(l, value);
}

/* This binary as it will be called: in an image its root is not ours. */
static int own_path(const char *root, char **ret, struct cn_error *err)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	size_t len = strlen(root);

	if (n < 0)
		return cn_error_set(err, CN_FAILED, errno, "cannot find out where this program is: %s", strerror(errno));
	path[n] = '\0';
	*ret = cn_strdup(len && strncmp(path, root, len) == 0 && path[len] == '/' ? path + len : path);
	return 0;
}

static int install(const struct cn_settings *s, const char *root, struct cn_strv *done, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv words = {}, recover = {};
	_cleanup_free_ char *self = NULL, *command = NULL, *line = NULL;
	int r = own_path(root, &self, err);

	if (r < 0)
		return r;
	add_quoted(&words, self);
	add_option(&words, "--conf", s->conf);
	add_option(&words, "--cluster", s->cluster);
	add_option(&words, "--name", s->name);
	add_option(&words, "--id", s->id);
	add_option(&words, "--keyring", s->keyring);
	add_option(&words, "--mon-host", s->mon_host);
	cn_strv_add(&words, "heat hook");
	command = cn_strv_join(&words, " ");
	add_quoted(&recover, self);
	cn_strv_add(&recover, "heat hook --recover");
	line = cn_strv_join(&recover, " ");
	return cn_hook_install(root, command, line, done, err);
}

/* "/" and "dir/" are "" and "dir". */
static char *root_of(const struct cn_settings *s)
{
	char *root = cn_strdup(s->hook.root ? s->hook.root : "");
	size_t len = strlen(root);

	while (len && root[len - 1] == '/')
		root[--len] = '\0';
	return root;
}

static void print_done(const struct cn_settings *s, const struct cn_strv *done)
{
	if (s->format == CN_FORMAT_JSON) {
		_cleanup_json_ json_t *doc =
			json_pack("{si,so}", "schema", 1, s->hook.install ? "wrote" : "removed", cn_json_strv(done));

		(void)cn_out_json(doc);
		return;
	}
	for (size_t i = 0; i < done->n; i++) {
		_cleanup_free_ char *safe = cn_text_safe(done->v[i]);

		if (s->hook.install)
			(void)cn_out_printf("wrote %s\n", safe);
		else
			(void)cn_out_printf("removed %s: its run ended in the middle, and heat-config will begin it again\n",
					    safe);
	}
}

static int place(const struct cn_settings *s, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv done = {};
	_cleanup_free_ char *root = root_of(s);
	int r;

	if (s->hook.install && s->hook.recover)
		return cn_error_set(err, CN_USAGE, EINVAL, "--install and --recover exclude each other");
	if (!s->hook.install && !s->hook.recover)
		return cn_error_set(err, CN_USAGE, EINVAL, "--root needs --install or --recover");
	r = s->hook.install ? install(s, root, &done, err) : cn_hook_recover(root, &done, err);
	if (r == 0 || done.n)
		print_done(s, &done);
	return r;
}

int cn_cmd_heat_hook(const struct cn_settings *s, struct cn_error *err)
{
	return s->hook.install || s->hook.recover || s->hook.root ? place(s, err) : hook(s, err);
}
