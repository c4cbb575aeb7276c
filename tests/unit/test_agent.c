/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `heat agent` and two members, A and B, whose gates wait: what others do while it works. Heat, Nova, Ceph and the drains are
 * made up here; by them a server is its member's name. */
#include <errno.h>

#include "cephnode/base/log.h"
#include "fakeclock.h"
#include "heat/agent.h"
#include "unit.h"

#define HOUR 3600000
#define MINUTE 60000

struct node {
	bool waits, removed; /* its gate; all its OSDs */
	bool no_events;      /* Heat has lost what it knew of the gate */
	bool stands;         /* it is being deleted, and waits nowhere */
	bool deaf;           /* Heat takes the signal, and nothing moves */
	bool no_answer;      /* Heat opens it, and its answer is lost */
	bool gone;           /* it is no member (any more) */
	bool refused;        /* its OSDs cannot be told */
	unsigned opened;
};

struct world {
	struct fakeclock clock;
	struct node a, b;
	bool refuse_both; /* together they would leave too few failure domains */
	char runs[256];   /* "AB- A- A+": what was drained and kept, and what was finished */
	void (*in_run)(struct world *w, const char *run);
	void (*in_look)(struct world *w, const char *server);
	struct cn_strv reasons; /* of gates that stay closed */
	struct cn_strv said;    /* warnings and notes */
	int64_t since_ms;       /* when the gates closed; 0: an hour ago */
	int64_t gone_at_ms;     /* A goes by another hand when so long was waited; 0: never */
	int limit_mins;         /* of the stack; 0: a week */
	struct cn_error e;
} * world;

static struct node *node_of(const char *name)
{
	return *name == 'A' ? &world->a : &world->b;
}

/* --- Heat and Nova --- */

#define WRAP(fn) typeof(fn) __wrap_##fn

WRAP(cn_stack_find);
WRAP(cn_stack_show);
WRAP(cn_members_get);
WRAP(cn_gate_get);
WRAP(cn_gate_server);
WRAP(cn_gate_open);
WRAP(cn_server_get);
WRAP(cn_match_server);
WRAP(cn_drain_run);

int __wrap_cn_stack_find(struct cn_os *os _unused_, const char *name, struct cn_stack_ref *ret, struct cn_error *err _unused_)
{
	*ret = (struct cn_stack_ref){cn_strdup(name), cn_strdup("id")};
	return 0;
}

int __wrap_cn_stack_show(struct cn_os *os _unused_, const struct cn_stack_ref *s _unused_, json_t **ret,
			 struct cn_error *err _unused_)
{
	*ret = json_pack("{si}", "timeout_mins", world->limit_mins ? world->limit_mins : 10080);
	return 0;
}

int __wrap_cn_members_get(struct cn_os *os _unused_, const struct cn_stack_ref *s _unused_, struct cn_members *ret,
			  struct cn_error *err _unused_)
{
	static const char *const names[] = {"A", "B"};

	*ret = (struct cn_members){.v = cn_calloc(2, sizeof(*ret->v))};
	for (size_t i = 0; i < 2; i++) {
		struct node *n = node_of(names[i]);
		struct cn_member *m = &ret->v[ret->n];

		if (n->gone || (n->opened && !n->deaf))
			continue;
		*m = (struct cn_member){
			.stack = {cn_strdup(names[i]), cn_strdup(names[i])},
			.name = cn_strdup(names[i]),
			.status = cn_strdup(n->waits || n->stands ? "DELETE_IN_PROGRESS" : "DELETE_FAILED"),
			.reason = cn_strdup("cancelled"),
			.gate = true,
		};
		cn_strv_add(&m->servers, names[i]);
		ret->n++;
	}
	return 0;
}

int __wrap_cn_gate_get(struct cn_os *os _unused_, const struct cn_member *m, struct cn_gate *ret, struct cn_error *err)
{
	if (node_of(m->name)->no_events)
		return cn_error_set(err, CN_NOT_FOUND, ENOENT, "no events of %s", m->name);
	*ret = (struct cn_gate){node_of(m->name)->waits,
				world->since_ms ? world->since_ms : cn_clock_real_ms(&world->clock.clock) - HOUR};
	return 0;
}

int __wrap_cn_gate_server(struct cn_os *os _unused_, const struct cn_member *m, char **ret, struct cn_error *err _unused_)
{
	*ret = cn_strdup(m->name);
	return 0;
}

int __wrap_cn_gate_open(struct cn_os *os _unused_, const struct cn_member *m, struct cn_error *err)
{
	struct node *n = node_of(m->name);

	assert_true(n->waits);
	assert_true(n->removed);
	n->opened++;
	return n->no_answer ? cn_error_set(err, CN_FAILED, EIO, "no answer") : 0;
}

int __wrap_cn_server_get(struct cn_os *os _unused_, const char *id, struct cn_server *ret, struct cn_error *err _unused_)
{
	*ret = (struct cn_server){.id = cn_strdup(id)};
	return 0;
}

/* --- Ceph --- */

int __wrap_cn_match_server(struct cn_cluster *c _unused_, struct cn_kube *kube _unused_, const struct cn_server *s,
			   int64_t since_ms _unused_, struct cn_match *ret, struct cn_error *err)
{
	bool removed = node_of(s->id)->removed;

	if (node_of(s->id)->refused)
		return cn_error_set(err, CN_REFUSED, EPERM, "no word on its OSDs");
	*ret = (struct cn_match){.kind = removed ? CN_MATCH_REMOVED : CN_MATCH_NODE,
				 .spec = removed ? NULL : cn_strdup(s->id),
				 .addresses = cn_strdup(s->id)};
	if (world->in_look)
		world->in_look(world, s->id);
	return 0;
}

static void step(struct cn_drain_context *d, const char *state)
{
	_cleanup_json_ json_t *e = json_pack("{ss,ss,ss}", "event", "step", "step", "wait", "state", state);

	d->sink->emit(d->sink, e);
}

/* "AB-" is a drain of both that is kept, "A+" one that is finished. */
int __wrap_cn_drain_run(struct cn_drain_context *d, const char *const *names, size_t n, struct cn_error *err)
{
	char run[16] = "";

	for (size_t i = 0; i < n; i++)
		strcat(run, names[i]);
	strcat(run, d->options->keep ? "-" : "+");
	assert_int_equal(d->options->finish_only, !d->options->keep);
	assert_true(strlen(world->runs) + sizeof(run) < sizeof(world->runs));
	strcat(strcat(world->runs, *world->runs ? " " : ""), run);
	if (world->refuse_both && n == 2)
		return cn_error_set(err, CN_REFUSED, EPERM, "too few failure domains");
	step(d, "begin");
	if (world->in_run)
		world->in_run(world, run);
	for (int i = 0; i < 5; i++)
		if (cn_clock_wait_ms(d->clock, 5000) < 0)
			return cn_error_interrupted(err);
	step(d, "end");
	for (size_t i = 0; i < n && !d->options->keep; i++)
		node_of(names[i])->removed = true;
	return 0;
}

/* --- the agent --- */

static int nothing(void *arg _unused_, struct cn_error *err _unused_)
{
	return 0;
}

static void disconnect(void *arg _unused_)
{
}

static void chapter(void *arg _unused_, bool drain _unused_)
{
}

static void tell(void *arg _unused_, const json_t *event)
{
	if (!json_is_null(json_object_get(event, "reason")))
		cn_strv_addf(&world->reasons, "%s %s: %s", cn_json_str(event, "member", "?"), cn_json_str(event, "state", "?"),
			     cn_json_str(event, "reason", "?"));
}

static void emit(struct cn_sink *sink _unused_, const json_t *event _unused_)
{
}

static int run_of(struct world *w, bool once)
{
	const struct cn_heat_agent_options options = {.stack = "storage", .once = once, .interval_s = 10};
	struct cn_sink sink = {emit};
	struct cn_drain_options drain_options = {};
	struct cn_drain_context drain = {.clock = &w->clock.clock, .sink = &sink, .options = &drain_options};
	struct cn_heat_agent_context ctx = {
		.drain = &drain, .connect = nothing, .disconnect = disconnect, .chapter = chapter, .tell = tell};

	cn_strv_release(&w->reasons);
	cn_error_release(&w->e);
	return cn_heat_agent_run(&ctx, &options, &w->e);
}

/* One round of it. */
static int round_of(struct world *w)
{
	return run_of(w, true);
}

static void hear(enum cn_log_level level _unused_, const char *text)
{
	cn_strv_add(&world->said, text);
}

static int setup(void **state)
{
	cn_log_set(hear, CN_LOG_NOTE);
	*state = world = cn_calloc(1, sizeof(*world));
	fakeclock_init(&world->clock);
	world->a.waits = world->b.waits = true;
	return 0;
}

static int teardown(void **state)
{
	cn_log_set(NULL, CN_LOG_NOTE);
	cn_strv_release(&world->said);
	cn_strv_release(&world->reasons);
	cn_error_release(&world->e);
	free(*state);
	return 0;
}

static void assert_reason(struct world *w, const char *text)
{
	_cleanup_free_ char *all = cn_strv_join(&w->reasons, "; ");

	assert_has(all, text);
}

/* --- tests --- */

static void test_as_one(void **state)
{
	struct world *w = *state;

	assert_int_equal(round_of(w), 0);
	assert_string_equal(w->runs, "AB- AB+");
	assert_true(w->a.opened == 1 && w->b.opened == 1);
}

static void b_is_given_up(struct world *w, const char *run)
{
	if (strcmp(run, "A-") != 0)
		return;
	fakeclock_advance(&w->clock, 24 * HOUR);
	w->b.waits = false;
}

/* One goes alone for a day, and Heat gives the other up meanwhile: the one is not disturbed, the other not touched. */
static void test_one_by_one(void **state)
{
	struct world *w = *state;

	w->refuse_both = true;
	w->in_run = b_is_given_up;
	assert_true(round_of(w) < 0);
	assert_string_equal(w->runs, "AB- A- A+");
	assert_true(w->a.opened == 1 && w->b.opened == 0);
	assert_reason(w, "B kept: Heat's deletion waits no more");
}

static void both_are_given_up(struct world *w, const char *run)
{
	if (strcmp(run, "AB-") == 0)
		w->b.waits = false;
}

/* Of two that go together: the drain ends for both, and goes on without the one that waits no more. */
static void test_one_of_two(void **state)
{
	struct world *w = *state;

	w->in_run = both_are_given_up;
	assert_true(round_of(w) < 0);
	assert_string_equal(w->runs, "AB-");
	assert_reason(w, "A kept: its drain goes on without B");
	assert_reason(w, "B kept: Heat's deletion waits no more");
	assert_int_equal(round_of(w), 0);
	assert_string_equal(w->runs, "AB- A- A+");
	assert_true(w->a.opened == 1 && w->b.opened == 0);
}

static void another_hand(struct world *w, const char *run)
{
	if (strcmp(run, "AB-") == 0)
		w->a.removed = true; /* by a drain of its own */
	if (strcmp(run, "B+") == 0) {
		fakeclock_advance(&w->clock, 2 * HOUR);
		w->a.removed = false; /* its disk is an OSD again */
	}
}

/* What was found empty before another drain took hours is looked at again before its gate opens. */
static void test_an_old_look(void **state)
{
	struct world *w = *state;

	w->in_run = another_hand;
	round_of(w);
	assert_string_equal(w->runs, "AB- B+");
	assert_true(w->a.opened == 0 && w->b.opened == 1);
}

static void sleeps(struct world *w, const char *server)
{
	if (*server != 'B')
		return;
	fakeclock_advance(&w->clock, 2 * HOUR);
	w->a.removed = false;
	w->in_look = NULL;
}

static void late_sleep(struct world *w, const char *server)
{
	if (*server == 'B')
		w->in_look = sleeps; /* with the second look, the last before the gates open */
}

/* The machine sleeps between a look and the opening. */
static void test_suspended(void **state)
{
	struct world *w = *state;

	w->a.removed = w->b.removed = true;
	w->in_look = late_sleep;
	assert_int_equal(round_of(w), 0);
	assert_string_equal(w->runs, "A- A+"); /* it was looked at again, and then drained */
	assert_true(w->a.opened == 1 && w->b.opened == 1);
}

/* That Heat knows no events of a gate is no word on whether it waits. */
static void test_no_events(void **state)
{
	struct world *w = *state;

	w->a.no_events = true;
	assert_true(round_of(w) < 0);
	assert_string_equal(w->runs, "");
	assert_has(w->e.message, "no events of A");
	w->a.waits = false; /* it does not: nothing of it is asked */
	assert_int_equal(round_of(w), 0);
	assert_string_equal(w->runs, "B- B+");
}

/* --- words --- */

/* How often it was said. */
static size_t times(const char *text)
{
	size_t n = 0;

	for (size_t i = 0; i < world->said.n; i++)
		n += strstr(world->said.v[i], text) != NULL;
	return n;
}

/* Rounds until it has waited for so long; then a signal ends it. */
static int enough(struct fakeclock *f, void *arg)
{
	world->a.gone |= world->gone_at_ms && f->waited_ms >= world->gone_at_ms;
	return f->waited_ms >= *(int64_t *)arg ? -EINTR : 0;
}

static void rounds_for(struct world *w, int64_t ms)
{
	int64_t end = w->clock.waited_ms + ms;

	w->clock.on_wait = enough;
	w->clock.arg = &end;
	(void)run_of(w, false);
	w->clock.on_wait = NULL;
}

/* Each once, with a tenth of the time left, and when all of it is gone. */
static void test_time_runs_low(void **state)
{
	struct world *w = *state;

	w->a.refused = w->b.gone = true;
	w->limit_mins = 180;
	w->since_ms = cn_clock_real_ms(&w->clock.clock);
	rounds_for(w, 160 * MINUTE);
	assert_int_equal(times("node A: Heat gives up on this deletion in about"), 0);
	rounds_for(w, 10 * MINUTE);
	assert_int_equal(times("node A: Heat gives up on this deletion in about"), 1);
	assert_int_equal(times("the time of this deletion is over"), 0);
	rounds_for(w, 20 * MINUTE);
	assert_int_equal(times("node A: the time of this deletion is over (timeout_mins of the stack)"), 1);
}

static void test_stuck(void **state)
{
	struct world *w = *state;

	w->a.waits = false;
	w->a.stands = w->b.gone = true;
	rounds_for(w, 2 * MINUTE);
	assert_int_equal(times("neither waits at the gate nor goes on"), 0);
	rounds_for(w, 10 * MINUTE);
	assert_int_equal(times("node A: its deletion neither waits at the gate nor goes on"), 1);
}

static void test_deaf(void **state)
{
	struct world *w = *state;

	w->a.removed = w->a.deaf = w->b.gone = true;
	rounds_for(w, 5 * MINUTE);
	assert_true(w->a.opened > 3);
	assert_int_equal(times("node A: its gate was opened 3 times, and Heat does not go on"), 1);
}

static void test_opened_by_another(void **state)
{
	struct world *w = *state;

	w->a.refused = w->b.gone = true;
	w->gone_at_ms = MINUTE;
	rounds_for(w, 5 * MINUTE);
	assert_int_equal(times("node A: deleted, but its gate was opened by another hand"), 1);
}

/* It was our own hand, though no answer came. */
static void test_opened_without_an_answer(void **state)
{
	struct world *w = *state;

	w->a.removed = w->a.no_answer = w->b.gone = true;
	rounds_for(w, 5 * MINUTE);
	assert_int_equal(w->a.opened, 1);
	assert_int_equal(times("by another hand"), 0);
	assert_int_equal(times("node A: deleted"), 1);
}

#define with_world(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_world(test_as_one),
		with_world(test_one_by_one),
		with_world(test_one_of_two),
		with_world(test_an_old_look),
		with_world(test_suspended),
		with_world(test_no_events),
		with_world(test_time_runs_low),
		with_world(test_stuck),
		with_world(test_deaf),
		with_world(test_opened_by_another),
		with_world(test_opened_without_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
