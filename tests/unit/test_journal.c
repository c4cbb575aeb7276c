/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"
#include "world.h"

#include "cephnode/drain/journal.h"

struct fixture {
	struct world w;
	struct fakeclock clock;
	struct fake *f;
	struct cn_cluster *c;
	struct cn_journal j; /* of node1, not saved yet */
	struct cn_error e;
};

static int setup(void **state)
{
	struct fixture *x = cn_calloc(1, sizeof(*x));
	struct cn_inventory inv;
	const char *name = "node1";

	fakeclock_init(&x->clock);
	world_init(&x->w, "racks-");
	x->f = fake_new(&x->clock);
	x->c = fake_client(x->f, 1);
	fake_store(x->f);
	world_answers(&x->w, x->f);
	assert_int_equal(cn_inventory_discover(x->c, NULL, &name, 1, true, &inv, &x->e), 0);
	cn_journal_init(&x->j, &inv, &inv.nodes[0], name, &x->clock.clock);
	cn_inventory_release(&inv);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;
	struct fake *f = x->f;

	cn_journal_release(&x->j);
	cn_error_release(&x->e);
	world_release(&x->w);
	free(x);
	fake_done(f);
	return 0;
}

static void save(struct fixture *x)
{
	if (cn_journal_save(x->c, &x->j, &x->clock.clock, &x->e) < 0)
		fail_msg("%s", x->e.message);
}

/* So many PGs in pool 1, which has so many, that the journal fills parts. */
static void many_pgs(struct cn_journal *j, size_t n)
{
	free(j->pgs);
	j->pgs = cn_calloc(n, sizeof(*j->pgs));
	j->n_pgs = n;
	for (size_t i = 0; i < n; i++)
		j->pgs[i] = (struct cn_journal_pg){{1, (uint32_t)i}, 1};
}

static size_t journals_in_store(struct fixture *x)
{
	struct cn_journals l = {};
	size_t n;

	if (cn_journals_load(x->c, &l, &x->e) < 0)
		fail_msg("%s", x->e.message);
	n = l.n;
	cn_journals_release(&l);
	return n;
}

static void assert_damaged(struct fixture *x, int want, const char *text)
{
	struct cn_journals l = {};

	assert_int_equal(cn_journals_load(x->c, &l, &x->e), want);
	assert_null(l.v);
	assert_error(&x->e, CN_FAILED, text);
}

static void test_holds_what_was_there_before(void **state)
{
	struct fixture *x = *state;
	const struct cn_journal *j = &x->j;

	assert_int_equal(strlen(j->id), 32);
	assert_string_equal(j->node, "node1");
	assert_int_equal(j->n_osds, 2);
	assert_int_equal(j->osds[0].crush_weight, 65536);
	assert_int_equal(j->osds[0].reweight, 65536);
	assert_int_equal(j->osds[1].reweight, 0); /* out */
	assert_string_equal(j->osds[0].device_class, "ssd");
	assert_string_equal(j->osds[0].parent, "node1");
	assert_true(j->n_pgs > 10 && j->bytes_total > 0);
	assert_int_equal(j->n_pools, 4);
	assert_true(j->owner.pid == getpid() && *j->owner.boot_id && *j->owner.pid_ns && j->owner.pid_start > 0);
	assert_false(cn_owner_is_dead(&j->owner));
	for (size_t i = 1; i < j->n_pgs; i++)
		assert_true(cn_pgid_cmp(&j->pgs[i - 1], &j->pgs[i]) < 0);
}

static void assert_same(const struct cn_journal *a, const struct cn_journal *b)
{
	_cleanup_json_ json_t *x = cn_journal_json(a), *y = cn_journal_json(b);
	_cleanup_free_ char *xs = cn_json_dump(x), *ys = cn_json_dump(y);

	assert_string_equal(xs, ys);
}

static void test_round_trip(void **state)
{
	struct fixture *x = *state;
	struct cn_journal back = {};

	x->j.phase = CN_PHASE_HOLD;
	x->j.change_epoch = 77;
	x->j.osds[0].crush_weight = 80909; /* 1.23457: exact to the last bit */
	x->j.method_out = true;
	x->j.last_error = cn_strdup("n\xc3\xb6t \"so\" good\n");
	x->j.weight_sets = json_pack("{s[ii]}", "-1", 1, 2);
	x->j.settings = json_pack("[{ss,ss,ss,sn,ss,ss}]", "who", "osd", "mask", "class:hdd", "name", "osd_max_backfills", "old",
				  "new", "1", "prev", "8");
	cn_strv_add(&x->j.flags_set, "norecover");
	save(x);
	assert_int_equal(cn_journal_load(x->c, x->j.id, &back, &x->e), 0);
	assert_int_equal(back.generation, 1);
	assert_true(back.loaded);
	assert_same(&x->j, &back);
	cn_journal_release(&back);
	save(x);
	assert_int_equal(cn_journal_load(x->c, x->j.id, &back, &x->e), 0);
	assert_int_equal(back.generation, 2);
	assert_same(&x->j, &back);
	cn_journal_release(&back);
	assert_int_equal(cn_journal_load(x->c, "00000000000000000000000000000000", &back, &x->e), -ENOENT);
	assert_int_equal(x->e.code, CN_NOT_FOUND);
}

static void test_without_settings(void **state)
{
	struct fixture *x = *state;
	_cleanup_json_ json_t *body = cn_journal_json(&x->j); /* as before --speed was known */
	struct cn_journal back = {};

	assert_null(json_object_get(body, "settings"));
	assert_int_equal(cn_journal_read(body, &back, &x->e), 0);
	assert_null(back.settings);
	cn_journal_release(&back);
}

static void test_copy(void **state)
{
	struct fixture *x = *state;
	struct cn_journal copy = {};

	cn_strv_add(&x->j.flags_set, "norecover");
	x->j.last_error = cn_strdup("why");
	cn_journal_copy(&x->j, &copy);
	assert_same(&x->j, &copy);
	assert_ptr_not_equal(copy.osds, x->j.osds);
	cn_journal_release(&copy);
}

static void test_every_phase_is_read_back(void **state)
{
	struct fixture *x = *state;

	for (int p = CN_PHASE_LOCK; p <= CN_PHASE_CANCELLED; p++) {
		struct cn_journal back = {};

		x->j.phase = (enum cn_phase)p;
		save(x);
		assert_int_equal(cn_journal_load(x->c, x->j.id, &back, &x->e), 0);
		assert_int_equal(back.phase, p);
		cn_journal_release(&back);
	}
}

/* mon_config_key_max_entry_size is 64 KiB. */
static void test_parts_are_small(void **state)
{
	struct fixture *x = *state;

	for (size_t n = 1000; n < 40000; n += n < 8000 ? 97 : 7919) {
		struct cn_journal back = {};
		const char *key;
		json_t *v;

		many_pgs(&x->j, n);
		save(x);
		json_object_foreach (fake_store_all(x->f), key, v)
			if (json_string_length(v) >= 60 * 1024)
				fail_msg("%zu PGs: %s has %zu bytes", n, key, json_string_length(v));
		assert_int_equal(cn_journal_load(x->c, x->j.id, &back, &x->e), 0);
		assert_int_equal(back.n_pgs, n);
		cn_journal_release(&back);
	}
}

/* Each generation has parts of its own; those of the one before go when the new head stands. */
static void test_old_parts_are_removed(void **state)
{
	struct fixture *x = *state;

	many_pgs(&x->j, 30000);
	save(x);
	assert_true(json_object_size(fake_store_all(x->f)) > 4);
	many_pgs(&x->j, 8000);
	save(x);
	many_pgs(&x->j, 10);
	save(x);
	assert_int_equal(json_object_size(fake_store_all(x->f)), 1);
	many_pgs(&x->j, 30000);
	save(x);
	assert_int_equal(cn_journal_erase(x->c, &x->j, &x->e), 0);
	assert_int_equal(json_object_size(fake_store_all(x->f)), 0);
}

/* The process dies, or the mon does not answer, at the k-th write: then the journal is the old one or the new one, never a mix.
 */
static void test_torn_writes(void **state)
{
	struct fixture *x = *state;

	many_pgs(&x->j, 9000);
	x->j.phase = CN_PHASE_CHECK;
	save(x);
	for (unsigned done = 0; done < 2; done++)
		for (unsigned k = 0; k < 4; k++) {
			struct cn_journal back = {};

			x->j.phase = CN_PHASE_HOLD;
			many_pgs(&x->j, 20000);
			fake_fault(x->f, "config-key set", k, 1, -ETIMEDOUT, done);
			assert_true(cn_journal_save(x->c, &x->j, &x->clock.clock, &x->e) < 0);
			cn_error_release(&x->e);
			if (cn_journal_load(x->c, x->j.id, &back, &x->e) < 0)
				fail_msg("write %u: %s", k, x->e.message);
			assert_true((back.phase == CN_PHASE_CHECK && back.n_pgs == 9000) ||
				    (back.phase == CN_PHASE_HOLD && back.n_pgs == 20000));
			/* who comes next goes on from what stands there */
			cn_journal_release(&x->j);
			x->j = back;
			many_pgs(&x->j, 9000);
			x->j.phase = CN_PHASE_CHECK;
			save(x);
			assert_int_equal(journals_in_store(x), 1);
		}
}

static void test_parts_without_a_head_mean_nothing(void **state)
{
	struct fixture *x = *state;

	many_pgs(&x->j, 20000);
	fake_fault(x->f, "config-key set", 2, 1, -ETIMEDOUT, false);
	assert_true(cn_journal_save(x->c, &x->j, &x->clock.clock, &x->e) < 0);
	assert_true(json_object_size(fake_store_all(x->f)) > 0);
	assert_int_equal(journals_in_store(x), 0);
}

static void test_damage_is_not_guessed_at(void **state)
{
	struct fixture *x = *state;
	_cleanup_free_ char *part = NULL, *head = cn_asprintf(CN_JOURNAL_PREFIX "%s", x->j.id), *text = NULL;

	many_pgs(&x->j, 20000);
	save(x);
	part = cn_asprintf("%s/1/1", head);
	text = cn_strdup(fake_store_get(x->f, part));
	fake_store_put(x->f, part, NULL);
	assert_damaged(x, -EBADMSG, "damaged");
	text[100] ^= 1;
	fake_store_put(x->f, part, text);
	assert_damaged(x, -EBADMSG, "damaged");
	fake_store_put(x->f, head, "{\"schema\":1,");
	assert_damaged(x, -EBADMSG, "damaged");
	fake_store_put(x->f, head, "{}");
	assert_damaged(x, -EBADMSG, "damaged");
	fake_store_put(x->f, head, "[]");
	assert_damaged(x, -EBADMSG, "damaged");
}

static void test_newer_schema(void **state)
{
	struct fixture *x = *state;
	_cleanup_free_ char *head = cn_asprintf(CN_JOURNAL_PREFIX "%s", x->j.id), *text = NULL;
	json_t *j;

	save(x);
	j = json_loads(fake_store_get(x->f, head), 0, NULL);
	json_object_set_new(j, "schema", json_integer(CN_JOURNAL_SCHEMA + 1));
	text = cn_json_dump(j);
	json_decref(j);
	fake_store_put(x->f, head, text);
	assert_damaged(x, -EPROTO, "newer cephnode");
}

static void test_foreign_keys(void **state)
{
	struct fixture *x = *state;

	save(x);
	fake_store_put(x->f, "cephnode/lock", "rbd");
	fake_store_put(x->f, "cephnode/drainage", "{}");
	fake_store_put(x->f, "dm-crypt/osd/1/luks", "secret");
	assert_int_equal(journals_in_store(x), 1);
}

static void test_tombstones(void **state)
{
	struct fixture *x = *state;
	struct cn_journals l = {};

	for (int p = CN_PHASE_LOCK; p <= CN_PHASE_CANCELLED; p++) {
		x->j.phase = (enum cn_phase)p;
		assert_int_equal(cn_journal_is_tombstone(&x->j), p == CN_PHASE_DONE || p == CN_PHASE_CANCELLED);
	}
	x->j.phase = CN_PHASE_DONE;
	save(x);
	fakeclock_advance(&x->clock, CN_TOMBSTONE_MS);
	assert_int_equal(cn_journals_load(x->c, &l, &x->e), 0);
	assert_int_equal(cn_journals_expire(x->c, &l, &x->clock.clock, &x->e), 0);
	assert_int_equal(journals_in_store(x), 1);
	fakeclock_advance(&x->clock, 1);
	assert_int_equal(cn_journals_expire(x->c, &l, &x->clock.clock, &x->e), 0);
	assert_int_equal(journals_in_store(x), 0);
	cn_journals_release(&l);
	/* one that waits to be resumed never expires */
	x->j.phase = CN_PHASE_WAIT;
	save(x);
	fakeclock_advance(&x->clock, 10 * CN_TOMBSTONE_MS);
	assert_int_equal(cn_journals_load(x->c, &l, &x->e), 0);
	assert_int_equal(cn_journals_expire(x->c, &l, &x->clock.clock, &x->e), 0);
	assert_int_equal(journals_in_store(x), 1);
	cn_journals_release(&l);
}

static void test_names(void **state)
{
	static const char *const ours[] = {"node1", "host:node1", "127.0.1.1", "ip:127.0.1.1", "::ffff:127.0.1.1"};
	static const char *const others[] = {"node", "node11", "127.0.1.10", "osd.0", "osd.1", "osd:0", "", "127.0.1.2"};
	struct fixture *x = *state;

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		if (!cn_journal_matches(&x->j, ours[i]))
			fail_msg("'%s' means this drain", ours[i]);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (cn_journal_matches(&x->j, others[i]))
			fail_msg("'%s' does not mean this drain", others[i]);
	assert_true(cn_journal_matches(&x->j, x->j.id));
}

static void test_kubernetes_names(void **state)
{
	struct fixture *x = *state;
	struct cn_journal copy = {};

	assert_false(cn_journal_matches(&x->j, "kube:node1"));
	x->j.kube_node = cn_strdup("worker-1");
	cn_journal_copy(&x->j, &copy);
	assert_true(cn_journal_matches(&copy, "worker-1"));
	assert_true(cn_journal_matches(&copy, "kube:worker-1"));
	assert_false(cn_journal_matches(&copy, "host:worker-1"));
	assert_false(cn_journal_matches(&copy, "kube:worker-10"));
	assert_false(cn_journal_matches(&copy, "kube:node1"));
	cn_journal_release(&copy);
}

static void test_names_of_a_single_osd(void **state)
{
	struct fixture *x = *state;

	x->j.n_osds = 1;
	free(x->j.node);
	x->j.node = cn_strdup("osd.0");
	assert_true(cn_journal_matches(&x->j, "osd.0"));
	assert_true(cn_journal_matches(&x->j, "osd:0"));
	assert_true(cn_journal_matches(&x->j, "osd:osd.0"));
	assert_false(cn_journal_matches(&x->j, "osd.1"));
	assert_false(cn_journal_matches(&x->j, "osd.00x"));
	x->j.n_osds = 2; /* give back for the release */
}

/* "1.0 1.8": the PGs to watch when pool 1 has pg_num PGs now. */
static void assert_pgs_now(struct fixture *x, uint32_t pg_num, const char *want)
{
	struct cn_pool pools[1] = {{.id = 1, .pg_num = pg_num}};
	struct cn_osdmap m = {.pools = pools, .n_pools = 1};
	struct cn_journal_pg *v;
	struct cn_strv names = {};
	_cleanup_free_ char *got = NULL;
	char buf[CN_PGID_STRLEN];
	size_t n;

	v = cn_journal_pgs_now(&x->j, &m, &n);
	for (size_t i = 0; i < n; i++)
		cn_strv_add(&names, cn_pgid_format(v[i].id, buf));
	got = cn_strv_join(&names, " ");
	cn_strv_release(&names);
	free(v);
	assert_string_equal(got, want);
}

static void test_splits_and_merges(void **state)
{
	struct fixture *x = *state;

	free(x->j.pools);
	x->j.pools = cn_calloc(2, sizeof(*x->j.pools));
	x->j.pools[0] = (struct cn_journal_pool){1, 8};
	x->j.pools[1] = (struct cn_journal_pool){2, 8}; /* deleted meanwhile */
	x->j.n_pools = 2;
	many_pgs(&x->j, 3);
	x->j.pgs[1].id.seed = 3;
	x->j.pgs[2].id = (struct cn_pgid){2, 1};
	assert_pgs_now(x, 8, "1.0 1.3");
	assert_pgs_now(x, 16, "1.0 1.3 1.8 1.b");
	assert_pgs_now(x, 12, "1.0 1.3 1.8 1.b");
	assert_pgs_now(x, 9, "1.0 1.3 1.8");
	assert_pgs_now(x, 4, "1.0 1.3");
	assert_pgs_now(x, 2, "1.0 1.1"); /* 3 folds to 1 */
	assert_pgs_now(x, 1, "1.0");
}

static void assert_same_owner(const struct cn_owner *a, const struct cn_owner *b)
{
	assert_string_equal(a->host, b->host);
	assert_string_equal(a->boot_id, b->boot_id);
	assert_string_equal(a->pid_ns, b->pid_ns);
	assert_true(a->pid == b->pid && a->pid_start == b->pid_start && a->instance == b->instance);
}

static void test_owners(void **state _unused_)
{
	struct cn_owner self = {}, back = {};
	json_t *j;
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	cn_owner_self(&self);
	assert_int_equal(self.pid, getpid());
	assert_false(cn_owner_is_dead(&self));
	self.instance = 4123;
	j = cn_owner_json(&self);
	cn_owner_read(j, &back);
	json_decref(j);
	assert_same_owner(&self, &back);
	assert_false(cn_owner_is_dead(&back));
	back.pid = pid;
	assert_true(cn_owner_is_dead(&back)); /* it has ended */
	back.pid = self.pid;
	back.pid_start++;
	assert_true(cn_owner_is_dead(&back)); /* its pid was used again */
	back.boot_id[0] ^= 1;
	assert_false(cn_owner_is_dead(&back)); /* another machine: nobody can tell */
	back.boot_id[0] ^= 1;
	back.pid_ns[0] ^= 1;
	assert_false(cn_owner_is_dead(&back)); /* another container on it */
	cn_owner_release(&back);
	cn_owner_read(NULL, &back);
	assert_false(cn_owner_is_dead(&back));
	cn_owner_release(&back);
	cn_owner_release(&self);
}

#define with_journal(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		with_journal(test_holds_what_was_there_before),
		with_journal(test_round_trip),
		with_journal(test_without_settings),
		with_journal(test_copy),
		with_journal(test_every_phase_is_read_back),
		with_journal(test_parts_are_small),
		with_journal(test_old_parts_are_removed),
		with_journal(test_torn_writes),
		with_journal(test_parts_without_a_head_mean_nothing),
		with_journal(test_damage_is_not_guessed_at),
		with_journal(test_newer_schema),
		with_journal(test_foreign_keys),
		with_journal(test_tombstones),
		with_journal(test_names),
		with_journal(test_kubernetes_names),
		with_journal(test_names_of_a_single_osd),
		with_journal(test_splits_and_merges),
		cmocka_unit_test(test_owners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
