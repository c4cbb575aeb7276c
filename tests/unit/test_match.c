/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a server of Nova at 127.0.1.1 to what the journals say of it, in a small living cluster. */
#include <errno.h>

#include "cephnode/heat/match.h"
#include "sim.h"

#define NEVER (-1)

static int setup(void **state)
{
	*state = sim_new();
	return 0;
}

static int teardown(void **state)
{
	sim_free(*state);
	return 0;
}

/* since: when its deletion began to wait. */
static int match(struct sim *s, int64_t since, enum cn_match_kind *ret, struct cn_error *e)
{
	struct cn_server server = {.id = cn_strdup("s-1"), .created_ms = 1000, .addresses = cn_calloc(1, sizeof(struct cn_ip))};
	struct cn_match m = {};
	int r;

	assert_true(cn_ip_parse("127.0.1.1", &server.addresses[server.n_addresses++]));
	r = cn_match_server(s->c, NULL, &server, since, &m, e);
	*ret = m.kind;
	cn_match_release(&m);
	cn_server_release(&server);
	return r;
}

static void assert_match(struct sim *s, int64_t since, enum cn_match_kind want)
{
	struct cn_error e = {};
	enum cn_match_kind kind;

	if (match(s, since, &kind, &e) < 0)
		fail_msg("%s", e.message);
	assert_int_equal(kind, want);
}

static void assert_refused(struct sim *s, int64_t since, const char *text)
{
	struct cn_error e = {};
	enum cn_match_kind kind;

	assert_true(match(s, since, &kind, &e) < 0);
	assert_true(e.hint && *e.hint);
	assert_error(&e, CN_REFUSED, text);
}

static void move_to(struct sim *s, int osd, const char *ip)
{
	world_address(&s->w, osd, ip, ip);
}

/* What was removed speaks for the server until an OSD stands there again: by whatever address. */
static void test_removed(void **state)
{
	struct sim *s = *state;

	assert_match(s, NEVER, CN_MATCH_NODE);
	sim_drain_done(s, "127.0.1.1");
	assert_match(s, NEVER, CN_MATCH_REMOVED);
	sim_new_osd(s, 20, 1);
	assert_match(s, NEVER, CN_MATCH_NODE);
	move_to(s, 20, "10.9.9.9");
	assert_refused(s, NEVER, "all OSDs of 127.0.1.1 were removed, but osd.20 stands in CRUSH host node1 again");
	world_move(&s->w, 20, "node2");
	assert_match(s, NEVER, CN_MATCH_REMOVED);
}

/* OSDs that stayed after a cancel have not gone because no address names them. */
static void test_cancelled_and_moved(void **state)
{
	struct sim *s = *state;

	sim_drain_to_wait(s, "127.0.1.1");
	sim_ends(s, sim_cancel(s, "127.0.1.1"), CN_OK, NULL);
	assert_match(s, NEVER, CN_MATCH_NODE);
	move_to(s, 0, "10.9.9.9");
	move_to(s, 1, "10.9.9.9");
	assert_refused(s, NEVER, "osd.0 was on this server when a drain of 127.0.1.1 was cancelled");
}

/* An operator's no stands until the drain was brought to its end by another word of his. */
static void test_cancelled_while_it_waits(void **state)
{
	struct sim *s = *state;
	int64_t since = s->clock.real_ms;

	fakeclock_advance(&s->clock, 1000);
	sim_drain_to_wait(s, "127.0.1.1");
	assert_match(s, since, CN_MATCH_NODE);
	sim_ends(s, sim_cancel(s, "127.0.1.1"), CN_OK, NULL);
	assert_refused(s, since, "was cancelled while the deletion waited");
	fakeclock_advance(&s->clock, 1000);
	sim_drain_to_wait(s, "127.0.1.1"); /* begun anew, by whomever */
	assert_refused(s, since, "was cancelled while the deletion waited");
	assert_match(s, s->clock.real_ms, CN_MATCH_NODE); /* of a gate that has closed since */
	s->stuck = false;
	sim_drain_done(s, "127.0.1.1");
	assert_match(s, since, CN_MATCH_REMOVED);
}

/* Under the server's address a drain goes on that was begun with another machine's OSDs: not these may go for it. */
static void test_strangers(void **state)
{
	struct sim *s = *state;

	sim_drain_to_wait(s, "ip:127.0.1.1");
	move_to(s, 0, "10.9.9.9");
	move_to(s, 1, "10.9.9.9");
	move_to(s, 2, "127.0.1.1");
	move_to(s, 3, "127.0.1.1");
	assert_refused(s, NEVER, "a drain of 127.0.1.1 is under way that has osd.0, which is not on this server any more");
}

/* One machine has one CRUSH host: else some of the OSDs may have the address from the past. */
static void test_two_crush_hosts(void **state)
{
	struct sim *s = *state;

	move_to(s, 2, "127.0.1.1"); /* node2 holds osd.3, too, which is elsewhere */
	assert_refused(s, NEVER, "on the same CRUSH host there is also osd.3");
	move_to(s, 3, "127.0.1.1");
	assert_refused(s, NEVER, "stand in more than one CRUSH host: node1, node2");
	world_move(&s->w, 2, "node1");
	world_move(&s->w, 3, NULL); /* in none: it is no other machine's */
	assert_match(s, NEVER, CN_MATCH_NODE);
	world_move(&s->w, 3, "node2");
	sim_drain_done(s, "127.0.1.1"); /* an operator has looked */
	assert_match(s, NEVER, CN_MATCH_REMOVED);
}

#define with_sim(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_sim(test_removed),   with_sim(test_cancelled_and_moved), with_sim(test_cancelled_while_it_waits),
		with_sim(test_strangers), with_sim(test_two_crush_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
