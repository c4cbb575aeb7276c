/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a run tells, and that the result is the last word, once, whoever ends it. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drain/run.h"
#include "fakeclock.h"
#include "unit.h"

struct fixture {
	struct cn_sink sink; /* first */
	json_t *told;
	struct fakeclock clock;
	struct cn_drain_options options;
	struct cn_drain_context ctx;
	struct cn_drain drain;
	struct cn_run run;
	struct cn_error e;
};

static void emit(struct cn_sink *sink, const json_t *event)
{
	json_array_append_new(((struct fixture *)sink)->told, json_deep_copy(event));
}

static int setup(void **state)
{
	struct fixture *x = cn_calloc(1, sizeof(*x));

	fakeclock_init(&x->clock);
	x->sink.emit = emit;
	x->told = json_array();
	x->ctx = (struct cn_drain_context){.clock = &x->clock.clock, .sink = &x->sink, .options = &x->options};
	x->drain.journal.osds = cn_calloc(2, sizeof(*x->drain.journal.osds));
	x->drain.journal.osds[0].id = 3;
	x->drain.journal.osds[1].id = 14;
	x->drain.journal.n_osds = 2;
	x->run = (struct cn_run){.ctx = &x->ctx,
				 .clock = x->ctx.clock,
				 .drains = &x->drain,
				 .n = 1,
				 .node = (char *)"n\xff"
						 "1"};
	x->run.started_ms = cn_clock_boot_ms(x->ctx.clock);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	cn_run_register(NULL);
	json_decref(x->told);
	free(x->drain.journal.osds);
	cn_error_release(&x->e);
	free(x);
	return 0;
}

static const json_t *last(struct fixture *x, size_t want)
{
	assert_int_equal(json_array_size(x->told), want);
	return json_array_get(x->told, want - 1);
}

static void test_every_event(void **state)
{
	struct fixture *x = *state;
	const json_t *e;

	cn_emit(&x->run, "plan", json_pack("{ss}", "method", "crush"));
	e = last(x, 1);
	assert_int_equal(cn_json_int(e, "schema", 0), 1);
	assert_string_equal(cn_json_str(e, "event", ""), "plan");
	assert_string_equal(cn_json_str(e, "time", ""), "2026-01-02T03:04:05.000Z");
	assert_string_equal(cn_json_str(e, "node", ""), "n\xef\xbf\xbd"
							"1");
	assert_string_equal(cn_json_str(e, "method", ""), "crush");
	cn_emit(&x->run, "plan", NULL);
	assert_int_equal(json_object_size(last(x, 2)), 4);
	cn_step_begin(&x->run, "hold");
	e = last(x, 3);
	assert_string_equal(cn_json_str(e, "event", ""), "step");
	assert_string_equal(cn_json_str(e, "step", ""), "hold");
	assert_string_equal(cn_json_str(e, "state", ""), "begin");
	cn_step_end(&x->run, "hold", json_pack("{si}", "pgs", 7));
	e = last(x, 4);
	assert_string_equal(cn_json_str(e, "state", ""), "end");
	assert_int_equal(cn_json_int(e, "pgs", 0), 7);
	cn_step_end(&x->run, "hold", NULL);
	assert_int_equal(json_object_size(last(x, 5)), 6);
	cn_run_warning(&x->run, "%s: \"%s\" %d %%", "a\xc3", "b\n", 5);
	e = last(x, 6);
	assert_string_equal(cn_json_str(e, "event", ""), "warning");
	assert_string_equal(cn_json_str(e, "message", ""), "a\xef\xbf\xbd: \"b\n\" 5 %");
}

static void test_result_is_the_last_word(void **state)
{
	struct fixture *x = *state;
	const json_t *e;

	x->run.bytes_total = 5000000000;
	x->run.bytes_left = 1000000000;
	fakeclock_advance(&x->clock, 61999);
	cn_emit_result(&x->run, 0, &x->e, "removed");
	e = last(x, 1);
	assert_string_equal(cn_json_str(e, "event", ""), "result");
	assert_string_equal(cn_json_str(e, "outcome", ""), "removed");
	assert_int_equal(json_integer_value(json_array_get(cn_json_arr(e, "osds"), 1)), 14);
	assert_int_equal(cn_json_int(e, "seconds", -1), 61);
	assert_int_equal(cn_json_int(e, "bytes_moved", -1), 4000000000);
	assert_int_equal(cn_json_int(e, "exit", -1), 0);
	assert_true(json_is_null(json_object_get(e, "reason")));
	cn_emit(&x->run, "progress", json_pack("{si}", "pgs_left", 1));
	cn_step_begin(&x->run, "audit");
	cn_run_warning(&x->run, "late");
	cn_error_set(&x->e, CN_FAILED, EIO, "late");
	cn_emit_result(&x->run, -EIO, &x->e, "removed");
	last(x, 1);
}

static void test_outcomes(void **state)
{
	static const struct {
		enum cn_code code;
		int errnum;
		const char *outcome;
		int exit;
	} cases[] = {
		{CN_FAILED, EIO, "failed", 1},         {CN_REFUSED, EPERM, "refused", 4},
		{CN_REFUSED, ECANCELED, "refused", 4}, {CN_FAILED, ECANCELED, "cancelled", 1},
		{CN_TIMEOUT, ETIME, "stalled", 5},     {CN_TIMEOUT, EBUSY, "stalled", 5},
		{CN_NOT_FOUND, ENOENT, "failed", 3},   {CN_INTERRUPTED, EINTR, "interrupted", 130},
		{CN_PARTIAL, ENOTEMPTY, "removed", 6}, {CN_OK, EIO, "failed", 1}, /* nobody said why: never 0 */
	};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const json_t *e;

		cn_error_set(&x->e, cases[i].code, cases[i].errnum, "because");
		x->run.result_emitted = false;
		cn_emit_result(&x->run, -cases[i].errnum, &x->e, "removed");
		e = last(x, i + 1);
		assert_string_equal(cn_json_str(e, "outcome", ""), cases[i].outcome);
		assert_int_equal(cn_json_int(e, "exit", -1), cases[i].exit);
		assert_string_equal(cn_json_str(e, "reason", ""), "because");
	}
}

struct heard {
	unsigned n;
	int exit;
	char outcome[32];
};

static struct heard *heard; /* shared with the child: the emergency function never gives its lock back */

static void emit_shared(struct cn_sink *sink _unused_, const json_t *event)
{
	heard->n++;
	heard->exit = (int)cn_json_int(event, "exit", -1);
	snprintf(heard->outcome, sizeof(heard->outcome), "%s", cn_json_str(event, "outcome", ""));
}

static void emergency_in_child(struct cn_drain_context *ctx)
{
	pid_t pid;
	int status = -1;

	*heard = (struct heard){};
	pid = fork();
	if (pid == 0) {
		cn_drain_emergency(ctx);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_emergency(void **state)
{
	struct fixture *x = *state;
	struct cn_drain_context other = x->ctx;

	heard = mmap(NULL, sizeof(*heard), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(heard, MAP_FAILED);
	x->sink.emit = emit_shared;
	emergency_in_child(&x->ctx); /* nothing is under way */
	assert_int_equal(heard->n, 0);
	cn_run_register(&x->run);
	emergency_in_child(&other); /* not that one's */
	assert_int_equal(heard->n, 0);
	emergency_in_child(&x->ctx);
	assert_int_equal(heard->n, 1);
	assert_string_equal(heard->outcome, "interrupted");
	assert_int_equal(heard->exit, 130);
	x->run.result_emitted = true;
	emergency_in_child(&x->ctx); /* the result was told already */
	assert_int_equal(heard->n, 0);
	munmap(heard, sizeof(*heard));
}

#define with_run(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_run(test_every_event),
		with_run(test_result_is_the_last_word),
		with_run(test_outcomes),
		with_run(test_emergency),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
