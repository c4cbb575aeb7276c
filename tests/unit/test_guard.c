/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guard process: when it acts, when it does not, and what it says of it. Its waits are shortened, see __wrap_poll(). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "fake.h"
#include "unit.h"

#include "cephnode/drain/guard.h"
#include "cephnode/drain/journal.h"

#define SILENCE_MS 2000

struct fixture {
	struct fakeclock clock;
	struct fake *f;
	struct cn_guard *g;
	struct cn_strv flags;
	struct cn_journal j;
	int pipe[2];
	struct cn_error e;
};

static struct fixture *fixture; /* for the child's connection */
static struct cn_cluster_ops ops;
static int connects_with; /* 0; -errno; 1: the child dies of it */

int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	if (!fds)
		timeout /= 100;
	else if (timeout == CN_GUARD_SILENCE_S * 1000)
		timeout = SILENCE_MS;
	return __real_poll(fds, n, timeout);
}

static int (*fake_command_op)(struct cn_cluster *, enum cn_target, const char *, const char *, char **, size_t *, char **);

static int tell_command(struct cn_cluster *c, enum cn_target target, const char *pgid, const char *cmd, char **out, size_t *len,
			char **status)
{
	_cleanup_json_ json_t *j = json_loads(cmd, 0, NULL);
	const char *prefix = cn_json_str(j, "prefix", "");
	int r = fake_command_op(c, target, pgid, cmd, out, len, status);

	if (strcmp(prefix, "config-key dump") != 0)
		dprintf(fixture->pipe[1], "%s %s%s\n", prefix, cn_json_str(j, "key", ""), r < 0 ? " failed" : "");
	return r;
}

int cn_cluster_connect(const struct cn_cluster_config *config _unused_, struct cn_cluster **ret, struct cn_error *err)
{
	if (connects_with > 0)
		_exit(3);
	if (connects_with < 0)
		return cn_error_set(err, CN_FAILED, connects_with, "no monitor here");
	*ret = fake_client(fixture->f, 2);
	ops = *(*ret)->ops;
	fake_command_op = ops.command;
	ops.command = tell_command;
	(*ret)->ops = &ops;
	return 0;
}

static int setup(void **state)
{
	static const char *const flags[] = {"norecover", "nobackfill", "norebalance"};
	struct fixture *x = cn_calloc(1, sizeof(*x));

	fakeclock_init(&x->clock);
	x->f = fake_new(&x->clock);
	fake_store(x->f);
	x->j = (struct cn_journal){.phase = CN_PHASE_HOLD, .node = cn_strdup("node1"), .spec = cn_strdup("node1")};
	memset(x->j.id, 'a', 32);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		_cleanup_free_ char *cmd = cn_asprintf("{\"prefix\":\"osd unset\",\"key\":\"%s\"}", flags[i]);

		cn_strv_add(&x->flags, flags[i]);
		cn_strv_add(&x->j.flags_set, flags[i]);
		fake_always(x->f, CN_MON, NULL, cmd, 0, "", NULL);
	}
	assert_int_equal(cn_journal_save(fake_client(x->f, 1), &x->j, &x->clock.clock, &x->e), 0);
	assert_int_equal(pipe2(x->pipe, O_CLOEXEC), 0);
	connects_with = 0;
	fixture = x;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	struct fake *f = x->f;

	cn_guard_free(x->g);
	close(x->pipe[0]);
	close(x->pipe[1]);
	cn_strv_release(&x->flags);
	cn_journal_release(&x->j);
	cn_error_release(&x->e);
	free(x);
	fake_done(f);
	return 0;
}

/* What the fake is to do must be said before: the child has a copy of it. */
static void start(struct fixture *x)
{
	static const struct cn_cluster_config config = {.connect_timeout_s = 20};

	x->g = cn_guard_start(&config, &x->e);
	assert_non_null(x->g);
}

static void arm(struct fixture *x)
{
	start(x);
	if (cn_guard_arm(x->g, x->j.id, &x->flags, &x->e) < 0)
		fail_msg("%s", x->e.message);
}

/* The parent goes: the child does what it has to, and ends. All that it sent, one thing a line. */
static char *leave(struct fixture *x)
{
	char buf[8192];
	ssize_t n;

	cn_guard_free(TAKE_PTR(x->g));
	fcntl(x->pipe[0], F_SETFL, O_NONBLOCK);
	n = read(x->pipe[0], buf, sizeof(buf) - 1);
	buf[MAX(n, 0)] = '\0';
	return cn_strdup(buf);
}

#define UNSET "osd unset norecover\nosd unset nobackfill\nosd unset norebalance\n"
#define MARK "config-key set cephnode/guard/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"

static void sleep_ms(int ms)
{
	__real_poll(NULL, 0, ms);
}

static void test_parent_dies_in_the_hold(void **state)
{
	struct fixture *x = *state;
	_cleanup_free_ char *sent = NULL;

	arm(x);
	sent = leave(x);
	assert_string_equal(sent, UNSET MARK);
}

static void test_not_armed_or_disarmed(void **state)
{
	struct fixture *x = *state;
	_cleanup_free_ char *never = NULL, *sent = NULL;

	start(x);
	never = leave(x);
	assert_string_equal(never, "");
	arm(x);
	cn_guard_disarm(x->g);
	sleep_ms(SILENCE_MS * 3 / 2);
	sent = leave(x);
	assert_string_equal(sent, "");
}

static void test_silence(void **state)
{
	struct fixture *x = *state;
	struct pollfd acts = {.fd = x->pipe[0], .events = POLLIN};
	_cleanup_free_ char *sent = NULL;

	arm(x);
	assert_int_equal(__real_poll(&acts, 1, SILENCE_MS * 20), 1);
	cn_guard_keep(x->g); /* too late */
	cn_guard_disarm(x->g);
	sent = leave(x);
	assert_string_equal(sent, UNSET MARK); /* once */
}

static void test_words_keep_it_quiet(void **state)
{
	struct fixture *x = *state;
	_cleanup_free_ char *sent = NULL;

	arm(x);
	for (int i = 0; i < 16; i++) {
		sleep_ms(SILENCE_MS / 8);
		cn_guard_keep(x->g);
	}
	cn_guard_disarm(x->g);
	sent = leave(x);
	assert_string_equal(sent, "");
}

static void test_armed_again_for_other_flags(void **state)
{
	struct fixture *x = *state;
	struct cn_strv one = {};
	_cleanup_free_ char *sent = NULL;

	arm(x);
	cn_guard_disarm(x->g);
	cn_strv_add(&one, "nobackfill");
	assert_int_equal(cn_guard_arm(x->g, x->j.id, &one, &x->e), 0);
	cn_strv_release(&one);
	sent = leave(x);
	assert_string_equal(sent, "osd unset nobackfill\n" MARK);
}

/* The journal says already that they are back: who comes next would take the mark for one of a later hold. */
static void test_no_mark_where_nothing_is_recorded(void **state)
{
	struct fixture *x = *state;
	struct cn_cluster *c = fake_client(x->f, 1);
	_cleanup_free_ char *sent = NULL, *erased = NULL;

	cn_strv_release(&x->j.flags_set);
	assert_int_equal(cn_journal_save(c, &x->j, &x->clock.clock, &x->e), 0);
	arm(x);
	sent = leave(x);
	assert_string_equal(sent, UNSET);
	assert_int_equal(cn_journal_erase(c, &x->j, &x->e), 0);
	arm(x);
	erased = leave(x);
	assert_string_equal(erased, UNSET);
}

static void test_tries_again(void **state)
{
	struct fixture *x = *state;
	_cleanup_free_ char *sent = NULL;

	fake_fault(x->f, "osd unset", 1, 3, -ETIMEDOUT, false);
	arm(x);
	sent = leave(x);
	assert_string_equal(
		sent,
		"osd unset norecover\nosd unset nobackfill failed\nosd unset nobackfill failed\nosd unset nobackfill failed\n"
		"osd unset nobackfill\nosd unset norebalance\n" MARK);
}

/* A flag that it could not put back is left to the next cephnode, which must not read that all is done. */
static void test_no_mark_while_a_flag_is_set(void **state)
{
	struct fixture *x = *state;
	_cleanup_free_ char *sent = NULL;

	fake_fault(x->f, "osd unset", 0, 10, -ETIMEDOUT, false);
	arm(x);
	sent = leave(x);
	assert_has(sent, "osd unset nobackfill\nosd unset norebalance\n");
	if (!strstr(sent, "osd unset norecover\n") && strstr(sent, "config-key set"))
		fail_msg("norecover is still set, and the guard has said that all is released");
}

static void test_cannot_connect(void **state)
{
	struct fixture *x = *state;
	_cleanup_free_ char *sent = NULL;

	connects_with = -ETIMEDOUT;
	start(x);
	assert_true(cn_guard_arm(x->g, x->j.id, &x->flags, &x->e) < 0);
	assert_error(&x->e, CN_FAILED, "the guard process: no monitor here");
	sent = leave(x);
	assert_string_equal(sent, "");
}

static void test_no_guard_no_hold(void **state)
{
	struct fixture *x = *state;

	assert_true(cn_guard_arm(NULL, x->j.id, &x->flags, &x->e) < 0);
	assert_error(&x->e, CN_FAILED, "no guard process");
	cn_guard_keep(NULL);
	cn_guard_disarm(NULL);
	connects_with = 1; /* it dies */
	start(x);
	assert_true(cn_guard_arm(x->g, x->j.id, &x->flags, &x->e) < 0);
	assert_error(&x->e, CN_FAILED, "does not answer");
	cn_guard_keep(x->g);
	cn_guard_disarm(x->g);
	assert_true(cn_guard_arm(x->g, x->j.id, &x->flags, &x->e) < 0);
}

/* Ctrl-C and a service manager's stop mean the parent: the child must outlive it. */
static void test_signals_are_for_the_parent(void **state)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct fixture *x = *state;
	_cleanup_free_ char *path = cn_asprintf("/proc/self/task/%d/children", (int)getpid()), *sent = NULL;
	FILE *f;
	int pid = 0;

	arm(x);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%d", &pid) != 1)
		fail_msg("cannot read %s", path);
	fclose(f);
	assert_int_equal(getpgid(pid), pid);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		assert_int_equal(kill(pid, signals[i]), 0);
	sent = leave(x);
	assert_string_equal(sent, UNSET MARK);
}

#define with_guard(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_guard(test_parent_dies_in_the_hold),
		with_guard(test_not_armed_or_disarmed),
		with_guard(test_silence),
		with_guard(test_words_keep_it_quiet),
		with_guard(test_armed_again_for_other_flags),
		with_guard(test_no_mark_where_nothing_is_recorded),
		with_guard(test_tries_again),
		with_guard(test_no_mark_while_a_flag_is_set),
		with_guard(test_cannot_connect),
		with_guard(test_no_guard_no_hold),
		with_guard(test_signals_are_for_the_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
