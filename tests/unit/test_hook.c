/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The loop of the Heat hook without Heat: which OSDs are its own, and when it waits. */
#include <errno.h>
#include <stdio.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/heat/hook.h"
#include "cephnode/heat/match.h"
#include "cephnode/heat/own.h"
#include "sim_internal.h"

#define SERVER "5c122542-2f53-4894-8c24-769fa1882f21"

/* --- which OSDs are its own, and the loop ------------------------------------------------------------------------------ */

struct cn_guard {
	struct sim *s;
};

struct hook {
	struct sim *s;
	struct cn_machine machine;
	struct cn_ip addresses[2];
	char name[32], uuid[sizeof(SERVER)];
	struct cn_guard guard;
	struct cn_hook hook;
	struct cn_hook_request q;
	struct cn_hook_answer answer;
	int no_cluster; /* so many times, with this error */
	int error;
	int mend_at; /* the wait behind which all moves again */
	bool cancel; /* at the next wait */
};

static int connect(void *arg, unsigned timeout_s _unused_, struct cn_cluster **ret, struct cn_error *err)
{
	struct hook *k = arg;

	if (k->no_cluster) {
		k->no_cluster -= k->no_cluster > 0;
		fakeclock_advance(&k->s->clock, 10000);
		return cn_error_set(err, k->error == ETIMEDOUT ? CN_TIMEOUT : CN_FAILED, k->error, "cannot connect");
	}
	*ret = k->s->c;
	return 0;
}

static int on_wait(struct fakeclock *f _unused_, void *arg)
{
	struct hook *k = arg;

	if (k->mend_at > 0 && --k->mend_at == 0) {
		k->s->stuck = false;
		sim_moved(k->s);
	}
	if (k->cancel)
		sim_phase(k->s, "node2", CN_PHASE_CANCEL);
	k->cancel = false;
	return 0;
}

/* Host `node` of the simulated cluster. */
static void be(struct hook *k, int node)
{
	char ip[32];

	snprintf(k->name, sizeof(k->name), "node%d", node);
	snprintf(ip, sizeof(ip), "127.0.1.%d", node);
	assert_true(cn_ip_parse("10.9.9.9", &k->addresses[0]));
	assert_true(cn_ip_parse(ip, &k->addresses[1]));
	k->machine = (struct cn_machine){.name = k->name, .addresses = k->addresses, .n_addresses = 2, .product_uuid = k->uuid};
}

static int setup(void **state)
{
	struct hook *k = cn_calloc(1, sizeof(*k));

	k->s = sim_new();
	for (int i = 0; i < 10; i++) {
		char name[32];

		snprintf(name, sizeof(name), "node%d", i / 2 + 1);
		world_hostname(&k->s->w, i, name);
	}
	fake_store_put(k->s->f, "cephnode/lock", "rbd");
	snprintf(k->uuid, sizeof(k->uuid), SERVER);
	be(k, 2);
	k->guard.s = k->s;
	k->hook = (struct cn_hook){.machine = &k->machine,
				   .clock = &k->s->clock.clock,
				   .guard = &k->guard,
				   .connect_timeout_s = 15,
				   .connect = connect,
				   .arg = k};
	k->q.drain = true;
	k->q.server_id = cn_strdup(SERVER);
	k->s->clock.on_wait = on_wait;
	k->s->clock.arg = k;
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	struct hook *k = *state;

	cn_interrupt_set(false);
	cn_hook_close(&k->hook);
	sim_free(k->s);
	cn_hook_request_release(&k->q);
	cn_hook_answer_release(&k->answer);
	free(k);
	return 0;
}

static void ends(struct hook *k, enum cn_code code, const char *text)
{
	cn_hook_answer_release(&k->answer);
	k->hook.cluster = NULL;
	k->hook.bytes_moved = 0;
	sim_moved(k->s);
	cn_hook_run(&k->hook, &k->q, &k->answer);
	if (k->answer.code != code)
		fail_msg("ended with %d: %s", (int)k->answer.code, k->answer.reason ? k->answer.reason : k->answer.text);
	if (text)
		assert_has(code ? k->answer.reason : k->answer.text, text);
	assert_int_equal(k->answer.reason != NULL, code != CN_OK);
}

/* Refused for this reason, and nothing was changed. */
static void refuses(struct hook *k, const char *text)
{
	size_t changes = sim_changes(k->s);

	ends(k, CN_REFUSED, text);
	assert_int_equal(sim_changes(k->s), changes);
	assert_int_equal(sim_live(k->s), 0);
}

static void test_drains_its_own(void **state)
{
	struct hook *k = *state;

	ends(k, CN_OK, "osd.2, osd.3 removed from the cluster");
	assert_false(sim_has_osd(k->s, 2));
	assert_false(sim_has_osd(k->s, 3));
	assert_true(sim_has_osd(k->s, 0));
	assert_true(k->answer.bytes_moved > 0);
	assert_int_equal(sim_live(k->s), 0);
	k->s->clock.waits = 0;
	ends(k, CN_OK, "nothing left to do: osd.2, osd.3");
	assert_int_equal(k->s->clock.waits, 0); /* quick */
	sim_new_osd(k->s, 2, 2);                /* a new one on the same machine */
	world_hostname(&k->s->w, 2, "node2");
	ends(k, CN_OK, "osd.2 removed from the cluster");
	be(k, 9); /* the journal of another machine says nothing */
	refuses(k, "no OSD of the cluster has an address of this machine");
}

/* Drains of single OSDs say nothing of the machine: there may be others that this look cannot see. */
static void test_single_osds_are_no_proof(void **state)
{
	struct hook *k = *state;

	sim_drain_done(k->s, "osd.2");
	sim_drain_done(k->s, "osd.3");
	refuses(k, "no journal says that its OSDs were removed");
}

/* Nor does a journal of pods: without the API other pods of the machine are not seen. */
static void test_pods_are_no_proof(void **state)
{
	struct hook *k = *state;
	struct cn_journal j;

	sim_drain_done(k->s, "127.0.1.2");
	ends(k, CN_OK, "nothing left to do");
	sim_journal(k->s, "127.0.1.2", &j);
	j.kube_node = cn_strdup("k2");
	sim_save(k->s, &j);
	cn_journal_release(&j);
	refuses(k, "no journal says that its OSDs were removed");
}

static void matches(struct hook *k, const char *address, enum cn_match_kind want)
{
	struct cn_ip ip;
	struct cn_server server = {.id = (char *)SERVER, .created_ms = 0, .addresses = &ip, .n_addresses = 1};
	struct cn_match m = {};
	struct cn_error e = {};

	assert_true(cn_ip_parse(address, &ip));
	assert_int_equal(cn_match_server(k->s->c, NULL, &server, -1, &m, &e), 0);
	assert_int_equal(m.kind, want);
	cn_match_release(&m);
}

/* The same for the agent, which goes by Nova's addresses. */
static void test_what_the_agent_takes_for_proof(void **state)
{
	struct hook *k = *state;
	struct cn_journal j;

	matches(k, "127.0.1.2", CN_MATCH_NODE);
	sim_drain_done(k->s, "osd.2");
	sim_drain_done(k->s, "osd.3");
	matches(k, "127.0.1.2", CN_MATCH_NONE);
	sim_drain_done(k->s, "127.0.1.4");
	matches(k, "127.0.1.4", CN_MATCH_REMOVED);
	sim_journal(k->s, "127.0.1.4", &j);
	j.kube_node = cn_strdup("k4");
	sim_save(k->s, &j);
	cn_journal_release(&j);
	matches(k, "127.0.1.4", CN_MATCH_NONE);
}

static void test_no_osd(void **state)
{
	struct hook *k = *state;

	be(k, 9);
	refuses(k, "no OSD of the cluster has an address of this machine");
	k->q.allow_empty = true;
	ends(k, CN_OK, "no OSD of the cluster is on this machine");
	k->no_cluster = -1; /* only once the cluster has answered */
	k->error = ETIMEDOUT;
	ends(k, CN_TIMEOUT, "nothing has moved for 1800 s");
	assert_int_equal(sim_changes(k->s), 0);
}

/* A drain of this machine was taken back or stands still, and its OSDs are seen nowhere: it may hold them. */
static void test_empty_but_its_osds_exist(void **state)
{
	struct hook *k = *state;

	k->q.allow_empty = true;
	sim_drain_to_wait(k->s, "host:node2");
	world_address(&k->s->w, 2, "127.0.1.7", "127.0.1.7");
	world_address(&k->s->w, 3, "127.0.1.7", "127.0.1.7");
	world_hostname(&k->s->w, 2, NULL);
	world_hostname(&k->s->w, 3, NULL);
	sim_moved(k->s);
	ends(k, CN_REFUSED, "names osd.2, which still exists");
	assert_has(k->answer.notes.v[k->answer.notes.n - 1], "ceph osd find 2");
	sim_ends(k->s, sim_cancel(k->s, "node2"), CN_OK, NULL);
	k->s->stuck = false;
	refuses(k, "names osd.2, which still exists");
	be(k, 9); /* it is no other machine's */
	ends(k, CN_OK, "no OSD of the cluster is on this machine");
}

/* Its OSDs bind to v4 and v6, and the machine knows the second of the two. */
static void test_two_families(void **state)
{
	struct hook *k = *state;

	k->q.allow_empty = true;
	world_address(&k->s->w, 2, "fd00::2 127.0.1.2", "fd09::2 10.1.0.2");
	world_address(&k->s->w, 3, "fd00::2 127.0.1.2", "fd09::2 10.1.0.2");
	ends(k, CN_OK, "osd.2, osd.3 removed from the cluster");
	assert_true(cn_ip_parse("fd00::2", &k->addresses[1])); /* the journal knows it by both */
	k->q.allow_empty = false;
	ends(k, CN_OK, "nothing left to do: osd.2, osd.3");
	assert_true(cn_ip_parse("fd00::20", &k->addresses[1]));
	refuses(k, "no OSD of the cluster has an address of this machine");
}

static void test_sources_that_disagree(void **state)
{
	struct hook *k = *state;

	k->q.allow_empty = true;
	snprintf(k->name, sizeof(k->name), "node9");
	refuses(k, "osd.2 has an address of this machine, node9, but reports another host name: node2");
	be(k, 2);
	assert_true(cn_ip_parse("127.0.1.20", &k->addresses[1])); /* 127.0.1.2 is another machine's */
	refuses(k, "report the host name of this machine, node2, and have none of its addresses: osd.2 at 127.0.1.2");
	be(k, 2);
	world_hostname(&k->s->w, 4, "node2.example.org");
	refuses(k, "have none of its addresses: osd.4 at 127.0.1.3");
	world_hostname(&k->s->w, 4, "node3");
	world_move(&k->s->w, 4, "node2");
	refuses(k, "the CRUSH host of this machine, node2, also holds OSDs that are not on it: osd.4 at 127.0.1.3");
	world_move(&k->s->w, 4, "node3");
	world_move(&k->s->w, 3, "node3");
	refuses(k, "in more than one CRUSH host: osd.2 in node2, osd.3 in node3");
	world_move(&k->s->w, 3, NULL);
	refuses(k, "osd.3 in none");
}

/* A success lets that server go: it must be this one, and certainly so. */
static void test_another_server(void **state)
{
	struct hook *k = *state;

	k->no_cluster = -1; /* not even connected */
	k->machine.product_uuid = NULL;
	refuses(k, "which server of Nova this machine is cannot be found out");
	assert_has(k->answer.notes.v[0], "/var/lib/cloud/data/instance-id");
	k->machine.product_uuid = k->uuid;
	k->machine.product_is_nova = true;
	k->uuid[0] = '6';
	refuses(k, "for another server than this machine");
	k->uuid[0] = '5';
	free(k->q.server_id);
	k->q.server_id = NULL;
	refuses(k, "does not say for which server it is");
	k->no_cluster = 0;
	k->q.server_id = cn_strdup(SERVER);
	ends(k, CN_OK, NULL);
	assert_int_equal(k->answer.notes.n, 0);
}

static void test_refused_by_the_plan(void **state)
{
	struct hook *k = *state;

	sim_check(k->s, "PG_DAMAGED");
	refuses(k, "PG_DAMAGED");
}

/* --- waiting ----------------------------------------------------------------------------------------------------------- */

static void test_waits_for_a_cluster(void **state)
{
	struct hook *k = *state;

	k->no_cluster = 30;
	k->error = ETIMEDOUT;
	ends(k, CN_OK, "removed");
	k->no_cluster = -1;
	k->q.timeout_s = 45;
	ends(k, CN_TIMEOUT, "the time of the input timeout is over: cannot connect");
	k->error = EACCES; /* a wrong key does not mend itself */
	ends(k, CN_FAILED, "cannot connect");
}

static void test_stalls(void **state)
{
	struct hook *k = *state;

	k->s->stuck = true;
	k->q.stall_timeout_s = 5;
	ends(k, CN_TIMEOUT, "nothing has changed for 5 s");
	assert_int_equal(sim_live(k->s), 1);
	k->q.stall_timeout_s = 0;
	k->q.timeout_s = 400; /* without a stall_timeout the time is for waiting */
	ends(k, CN_TIMEOUT, "the time of the input timeout is over");
	assert_null(strstr(k->answer.reason, "--timeout"));
	k->mend_at = 200;
	k->q.timeout_s = 700;
	ends(k, CN_OK, "removed");
}

static void test_quorum_is_lost(void **state)
{
	struct hook *k = *state;

	fake_fault(k->s->f, "osd crush dump", 1, 3, -ETIMEDOUT, false);
	ends(k, CN_OK, "removed");
	assert_true(k->s->clock.waits > 0);
}

/* Closing a connection may hang, so a lost one is kept until the answer is out. */
static void test_connection_is_lost(void **state)
{
	struct hook *k = *state;

	fake_fault(k->s->f, "osd crush dump", 1, 2, -ENOTCONN, false);
	ends(k, CN_OK, "removed");
	assert_int_equal(k->hook.n_lost, 2);
	assert_ptr_equal(k->hook.lost[0], k->s->c);
}

static void test_cancelled(void **state)
{
	struct hook *k = *state;

	sim_drain_to_wait(k->s, "host:node2");
	sim_phase(k->s, "node2", CN_PHASE_CANCEL);
	k->q.timeout_s = 100;
	ends(k, CN_TIMEOUT, "is being cancelled");
	k->q.created_ms = cn_clock_real_ms(&k->s->clock.clock) - 1;
	sim_ends(k->s, sim_cancel(k->s, "node2"), CN_OK, NULL);
	k->s->stuck = false;
	refuses(k, "was cancelled after this deployment was made"); /* run again after a reboot, say */
	k->q.created_ms = cn_clock_real_ms(&k->s->clock.clock) + 1;
	ends(k, CN_OK, "removed"); /* the next deployment begins anew */
}

static void test_cancelled_in_the_middle(void **state)
{
	struct hook *k = *state;

	k->s->stuck = true;
	k->cancel = true;
	ends(k, CN_FAILED, "was cancelled");
	assert_has(k->answer.notes.v[k->answer.notes.n - 1], "PATCH the stack with the size it shall have");
	assert_true(sim_has_osd(k->s, 2));
}

static void test_drain_of_another_name_goes_on(void **state)
{
	struct hook *k = *state;

	sim_drain_to_wait(k->s, "127.0.1.2");
	k->s->stuck = false;
	ends(k, CN_OK, "osd.2, osd.3 removed");
	assert_int_equal(sim_journals(k->s), 1);
}

static void test_purged_but_not_done(void **state)
{
	struct hook *k = *state;

	fake_kill(k->s->f, "log", 0, false); /* the line of the audit: all is purged */
	ends(k, CN_FAILED, NULL);
	assert_true(fake_revive(k->s->f));
	sim_next_process(k->s, true);
	assert_false(sim_has_osd(k->s, 2));
	assert_int_equal(sim_live(k->s), 1);
	ends(k, CN_OK, NULL);
	assert_int_equal(sim_live(k->s), 0);
}

static void test_interrupted(void **state)
{
	struct hook *k = *state;

	cn_interrupt_set(true);
	ends(k, CN_INTERRUPTED, "interrupted");
	cn_interrupt_set(false);
	ends(k, CN_OK, "removed");
}
#define with_sim(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_sim(test_drains_its_own),
		with_sim(test_single_osds_are_no_proof),
		with_sim(test_pods_are_no_proof),
		with_sim(test_what_the_agent_takes_for_proof),
		with_sim(test_no_osd),
		with_sim(test_empty_but_its_osds_exist),
		with_sim(test_two_families),
		with_sim(test_sources_that_disagree),
		with_sim(test_another_server),
		with_sim(test_refused_by_the_plan),
		with_sim(test_waits_for_a_cluster),
		with_sim(test_stalls),
		with_sim(test_quorum_is_lost),
		with_sim(test_connection_is_lost),
		with_sim(test_cancelled),
		with_sim(test_cancelled_in_the_middle),
		with_sim(test_drain_of_another_name_goes_on),
		with_sim(test_purged_but_not_done),
		with_sim(test_interrupted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
