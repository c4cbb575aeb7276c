/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The proof while something does not answer: when it ends, and how far it says that it is. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "cephnode/base/interrupt.h"
#include "proving.h"

static void test_no_answer_is_no_proof(void **state)
{
	static const char *const kinds[] = {"osd dump", "pg map", "query", "osd safe-to-destroy", "health", "config-key dump"};
	struct proving *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		char *reason = NULL;
		size_t missing;

		fake_fault(x->f, kinds[i], 0, 1, -ETIMEDOUT, false);
		if (cn_prove_once(&x->run, true, &missing, &reason, &x->e) != -ETIMEDOUT)
			fail_msg("no answer to '%s' was taken for a proof", kinds[i]);
		assert_int_equal(x->e.code, CN_TIMEOUT);
		assert_null(reason);
		cn_error_release(&x->e);
	}
}

/* Every PG of pool 1 instead of one: more than are asked at once. */
#define MANY 32

static void many_pgs(struct proving *x)
{
	struct cn_journal *j = &x->drain.journal;

	assert_true(MANY > CN_THREADS);
	j->pgs = cn_realloc(j->pgs, MANY, sizeof(*j->pgs));
	j->n_pgs = MANY;
	for (unsigned i = 0; i < MANY; i++) {
		char text[CN_PGID_STRLEN];

		j->pgs[i] = (struct cn_journal_pg){{1, i}, 1};
		cn_pgid_format(j->pgs[i].id, text);
		prove_map(x, text, "[2,4,6]", "[2,4,6]");
		prove_query(x, text, "active+clean", 60, "[2,4,6]", "");
	}
	prove_assert(x, true, NULL);
	assert_int_equal(fake_count(x->f, "pg map"), MANY);
	assert_int_equal(fake_count(x->f, "query"), MANY);
}

/* The proof ends with this code, and with no words on PGs. Returns how many commands of the kind came. */
static size_t failed_proof(struct proving *x, const char *kind, int code)
{
	size_t before = fake_count(x->f, kind), missing;
	char *reason = NULL;

	assert_int_equal(cn_prove_once(&x->run, true, &missing, &reason, &x->e), code);
	assert_null(reason);
	cn_error_release(&x->e);
	return fake_count(x->f, kind) - before;
}

struct silence {
	const char *kind;
	int code;
};

static bool no_answer(void *arg, enum cn_target target _unused_, const char *pgid _unused_, const json_t *cmd, int *ret_code,
		      char **ret_body)
{
	const struct silence *s = arg;

	if (strcmp(cn_json_str(cmd, "prefix", ""), s->kind) != 0)
		return false;
	*ret_code = s->code;
	*ret_body = cn_strdup("");
	return true;
}

/* Each question costs as long as a command may take: those under way at most, not one for each PG. */
static void test_silence_ends_the_proof(void **state)
{
	static struct silence all[] = {
		{"pg map", -ETIMEDOUT}, {"pg map", -ENOTCONN}, {"pg map", -ESHUTDOWN},
		{"query", -ETIMEDOUT},  {"query", -ENOTCONN},  {"query", -ESHUTDOWN},
	};
	struct proving *x = *state;

	many_pgs(x);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		fake_answer_with(x->f, no_answer, &all[i]);
		assert_in_range(failed_proof(x, all[i].kind, all[i].code), 1, CN_THREADS);
	}
	fake_answer_with(x->f, NULL, NULL);
	prove_assert(x, true, NULL);
}

/* No primary just now, a PG that was just merged away: that costs no time, and the others are asked all the same. */
static void test_an_error_at_once_does_not(void **state)
{
	struct proving *x = *state;

	many_pgs(x);
	fake_fault(x->f, "query", 0, 1, -ENXIO, false);
	assert_int_equal(failed_proof(x, "query", -ENXIO), MANY);
}

static void test_signal_ends_the_proof(void **state)
{
	struct proving *x = *state;
	size_t asked;

	many_pgs(x);
	cn_interrupt_set(true);
	asked = failed_proof(x, "pg map", -EINTR);
	cn_interrupt_set(false);
	assert_int_equal(asked, 0);
}

/* Who is not asked is not proven; that --timeout is over is said by the step. */
static void test_timeout_ends_the_proof(void **state)
{
	struct proving *x = *state;

	many_pgs(x);
	x->run.timeout_at_ms = x->clock.boot_ms;
	prove_assert(x, true, "PG 1.0 was not asked");
	assert_int_equal(fake_count(x->f, "pg map"), MANY);
	x->run.timeout_at_ms++;
	prove_assert(x, true, NULL);
}

static atomic_uint clock_reads;

static int64_t counted_ms(struct cn_clock *c)
{
	atomic_fetch_add(&clock_reads, 1);
	return ((struct fakeclock *)c)->boot_ms;
}

/* The agent's clock feeds systemd's watchdog: a cluster that is slow with each PG must not look like an agent that hangs. */
static void test_clock_is_read_for_each_pg(void **state)
{
	struct proving *x = *state;

	many_pgs(x);
	x->clock.clock.boot_ms = counted_ms;
	atomic_store(&clock_reads, 0);
	prove_assert(x, true, NULL);
	assert_true(atomic_load(&clock_reads) >= MANY);
}

/* --- how far the proof is --- */

static void assert_missing(struct proving *x, size_t want)
{
	char *reason = NULL;
	size_t missing = 99;

	assert_int_equal(cn_prove_once(&x->run, true, &missing, &reason, &x->e), 0);
	assert_non_null(reason);
	free(reason);
	assert_int_equal(missing, want);
}

/* By this number the step sees that it gets on: each PG counts, whatever it lacks, and nothing else does. */
static void test_missing_pgs_are_counted(void **state)
{
	struct proving *x = *state;

	prove_health(x, "SLOW_OPS", "3 slow ops");
	assert_missing(x, 0);
	prove_map(x, "1.0", "[2,4,6]", "[2,4,1]");
	assert_missing(x, 1);
	prove_query(x, "2.3", "peering", 60, "[8,3,5]", "");
	assert_missing(x, 2);
	prove_map(x, "1.0", "[2,4,6]", "[2,4,6]");
	assert_missing(x, 1);
}

#define STALL_S 60

/* What happens while the step waits. */
struct script {
	struct proving *x;
	int64_t begin_ms;
	struct event {
		int64_t at_s;
		void (*fn)(struct proving *x);
	} events[8]; /* fn NULL: the end */
};

static struct silence silent_query = {"query", -ETIMEDOUT};

static void falls_silent(struct proving *x)
{
	fake_answer_with(x->f, no_answer, &silent_query);
}

static void answers(struct proving *x)
{
	fake_answer_with(x->f, NULL, NULL);
}

static void one_is_clean(struct proving *x)
{
	prove_query(x, "1.0", "active+clean", 60, "[2,4,6]", "");
}

static void both_are_clean(struct proving *x)
{
	prove_query(x, "2.3", "active+clean", 60, "[8,3,5]", "");
}

static int play(struct fakeclock *clock, void *arg)
{
	struct script *s = arg;
	struct event *e = s->events;

	while (e->fn && (e->at_s < 0 || clock->boot_ms - s->begin_ms < e->at_s * 1000))
		e++;
	if (!e->fn)
		return 0;
	e->at_s = -1;
	e->fn(s->x);
	return 0;
}

static void ignore(struct cn_sink *sink _unused_, const json_t *event _unused_)
{
}

/* Two PGs are missing at first. Returns what the step does, and how long it took. */
static int64_t step(struct script *s, int code)
{
	static struct cn_sink sink = {ignore};
	struct proving *x = s->x;

	x->ctx.sink = &sink;
	fake_always(x->f, CN_MON, NULL, "{\"prefix\":\"osd crush dump\",\"format\":\"json\"}", -EIO, "",
		    NULL); /* of the diagnosis */
	memset(x->drain.journal.id, 'a', sizeof(x->drain.journal.id) - 1);
	assert_int_equal(cn_journal_save(x->run.c, &x->drain.journal, x->run.clock, &x->e), 0);
	x->options.stall_timeout_s = STALL_S;
	prove_query(x, "1.0", "peering", 60, "[2,4,6]", "");
	prove_query(x, "2.3", "peering", 60, "[8,3,5]", "");
	s->begin_ms = x->clock.boot_ms;
	x->clock.on_wait = play, x->clock.arg = s;
	play(&x->clock, s);
	assert_int_equal(cn_step_prove(&x->run, true, &x->e), code);
	return (x->clock.boot_ms - s->begin_ms) / 1000;
}

/* A proof that was not answered says nothing of how many are missing: neither that it gets on ... */
static void test_no_answer_is_no_progress(void **state)
{
	struct script s = {*state, .events = {{STALL_S / 2, falls_silent}, {STALL_S / 2 + 5, answers}}};

	assert_in_range(step(&s, -ETIME), STALL_S, STALL_S + 2);
}

/* ... nor that nothing is left, from which nothing could become less any more. */
static void test_no_answer_hides_no_progress(void **state)
{
	struct script s = {*state, .events = {{0, falls_silent},
					      {STALL_S / 2, answers},
					      {STALL_S - 5, one_is_clean},
					      {STALL_S, falls_silent},
					      {STALL_S + 5, answers},
					      {2 * STALL_S - 10, both_are_clean}}};

	assert_in_range(step(&s, 0), 2 * STALL_S - 10, 2 * STALL_S - 8);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_drain(test_no_answer_is_no_proof),       with_drain(test_silence_ends_the_proof),
		with_drain(test_an_error_at_once_does_not),   with_drain(test_signal_ends_the_proof),
		with_drain(test_timeout_ends_the_proof),      with_drain(test_clock_is_read_for_each_pg),
		with_drain(test_missing_pgs_are_counted),     with_drain(test_no_answer_is_no_progress),
		with_drain(test_no_answer_hides_no_progress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
