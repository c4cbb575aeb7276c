/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a test does with the living cluster, and the guard process that it stands in for. */
#include "sim_internal.h"

#include <errno.h>
#include <stdio.h>

#include "cephnode/base/parallel.h"
#include "cephnode/drain/guard.h"

/* One after the other, so that the k-th command is the same one each time. */
void cn_parallel(size_t n, unsigned threads _unused_, void (*fn)(void *arg, size_t i), void *arg)
{
	for (size_t i = 0; i < n; i++)
		fn(arg, i);
}

struct cn_guard {
	struct sim *s;
};

int cn_guard_arm(struct cn_guard *g, const char *drain_id, const struct cn_strv *flags, struct cn_error *err)
{
	if (!g)
		return cn_error_set(err, CN_FAILED, ESRCH, "no guard");
	free(g->s->guard_id);
	g->s->guard_id = cn_strdup(drain_id);
	cn_strv_release(&g->s->guard_flags);
	for (size_t i = 0; i < flags->n; i++)
		cn_strv_add(&g->s->guard_flags, flags->v[i]);
	g->s->armed = true;
	return 0;
}

void cn_guard_keep(struct cn_guard *g _unused_)
{
}

void cn_guard_disarm(struct cn_guard *g)
{
	g->s->armed = false;
}

struct cn_guard *cn_guard_start(const struct cn_cluster_config *config _unused_, struct cn_error *err _unused_)
{
	return NULL;
}

void cn_guard_free(struct cn_guard *g _unused_)
{
}

struct sim *sim_new(void)
{
	struct sim *s = cn_calloc(1, sizeof(*s));

	fakeclock_init(&s->clock);
	world_init(&s->w, "");
	json_array_clear(json_object_get(s->w.pg_ls, "pg_stats"));
	s->f = fake_new(&s->clock);
	fake_store(s->f);
	fake_answer_with(s->f, sim_answer, s);
	s->c = fake_client(s->f, ++s->instance);
	s->epoch = 40;
	s->homes = json_object();
	s->checks = json_object();
	s->config = json_array();
	s->daemons = json_pack("{ss,ss}", "osd_op_queue", "wpq", "osd_max_backfills", "1");
	s->no_room = -1;
	s->options = (struct cn_drain_options){.stall_timeout_s = 5, .lock_wait_s = 60, .lock_pool = "rbd"};
	sim_pg(s, "1.0", 0, 2, 4);
	sim_pg(s, "1.1", 2, 1, 4);
	sim_pg(s, "1.2", 3, 5, 8);
	sim_pg(s, "1.3", 4, 6, 8);
	sim_pg(s, "2.0", 6, 0, 4);
	sim_pg(s, "3.0", 2, 8, 7);
	return s;
}

static void forget_call(struct sim *s)
{
	cn_error_release(&s->e);
	free(s->outcome);
	s->outcome = NULL;
	cn_strv_release(&s->warnings);
	cn_strv_release(&s->steps);
	json_decref(s->plan);
	json_decref(s->progress);
	s->plan = s->progress = NULL;
}

void sim_free(struct sim *s)
{
	struct fake *f = s->f;

	forget_call(s);
	cn_strv_release(&s->guard_flags);
	cn_strv_release(&s->options.accept);
	free(s->guard_id);
	json_decref(s->homes);
	json_decref(s->checks);
	json_decref(s->config);
	json_decref(s->daemons);
	world_release(&s->w);
	free(s);
	fake_done(f);
}

struct call {
	struct cn_sink sink; /* first */
	struct sim *s;
	struct cn_guard guard;
	struct cn_drain_options options;
	struct cn_drain_context ctx;
};

static void emit(struct cn_sink *sink, const json_t *e)
{
	struct sim *s = ((struct call *)sink)->s;
	const char *event = cn_json_str(e, "event", "");

	if (s->outcome)
		fail_msg("an event '%s' behind the result", event);
	if (strcmp(event, "result") == 0)
		s->outcome = cn_strdup(cn_json_str(e, "outcome", ""));
	else if (strcmp(event, "warning") == 0)
		cn_strv_add(&s->warnings, cn_json_str(e, "message", ""));
	else if (strcmp(event, "step") == 0 && strcmp(cn_json_str(e, "state", ""), "end") == 0)
		cn_strv_add(&s->steps, cn_json_str(e, "step", ""));
	else if (strcmp(event, "plan") == 0) {
		json_decref(s->plan);
		s->plan = json_deep_copy(e);
	} else if (strcmp(event, "progress") == 0) {
		s->progress = s->progress ? s->progress : json_array();
		json_array_append_new(s->progress, json_deep_copy(e));
	}
}

static int confirm(void *arg, const char *node _unused_)
{
	struct sim *s = arg;
	int (*fn)(struct sim *) = s->confirm;

	s->confirm = NULL; /* once; it may make calls of its own */
	return fn ? fn(s) : 0;
}

static void call_init(struct sim *s, struct call *call)
{
	*call = (struct call){.sink = {emit}, .s = s, .guard = {s}, .options = s->options};
	call->ctx = (struct cn_drain_context){.cluster = s->c,
					      .clock = &s->clock.clock,
					      .sink = &call->sink,
					      .options = &call->options,
					      .guard = &call->guard,
					      .confirm = confirm,
					      .confirm_arg = s};
	forget_call(s);
	sim_moved(s); /* time has passed */
}

int sim_drain(struct sim *s, const char *names)
{
	struct cn_strv v = {};
	struct call call;
	int r;

	call_init(s, &call);
	cn_strv_split(&v, names, " ");
	r = cn_drain_run(&call.ctx, (const char *const *)v.v, v.n, &s->e);
	cn_strv_release(&v);
	assert_non_null(s->outcome);
	return r;
}

int sim_remove(struct sim *s, const char *name)
{
	struct call call;
	int r;

	call_init(s, &call);
	r = cn_drain_remove(&call.ctx, name, &s->e);
	assert_non_null(s->outcome);
	return r;
}

int sim_cancel(struct sim *s, const char *name)
{
	struct call call;
	int r;

	call_init(s, &call);
	r = cn_drain_cancel(&call.ctx, name, &s->e);
	assert_non_null(s->outcome);
	return r;
}

json_t *sim_status(struct sim *s, const char *name)
{
	return sim_status_again(s, name, NULL);
}

json_t *sim_status_again(struct sim *s, const char *name, struct cn_status_memory *memory)
{
	_cleanup_json_ json_t *doc = NULL;
	struct call call;

	call_init(s, &call);
	if (cn_drain_status(&call.ctx, name, memory, &doc, &s->e) < 0)
		return NULL;
	assert_int_equal(json_array_size(json_object_get(doc, "drains")), 1);
	return json_incref(json_array_get(json_object_get(doc, "drains"), 0));
}

int sim_plan(struct sim *s, const char *name)
{
	struct call call;

	call_init(s, &call);
	return cn_drain_plan(&call.ctx, &name, 1, &s->e);
}

void sim_ends(struct sim *s, int r, enum cn_code code, const char *text)
{
	if ((r < 0) != (code != CN_OK) || s->e.code != code)
		fail_msg("ended with %d, code %d: %s", r, (int)s->e.code, s->e.message ? s->e.message : "(no error)");
	if (text)
		assert_has(s->e.message, text);
}

void sim_drain_to_wait(struct sim *s, const char *names)
{
	s->stuck = true;
	sim_ends(s, sim_drain(s, names), CN_TIMEOUT, "nothing has changed for 5 s");
}

void sim_drain_done(struct sim *s, const char *names)
{
	s->stuck = false;
	sim_ends(s, sim_drain(s, names), CN_OK, NULL);
	assert_string_equal(s->outcome, s->options.keep ? "drained" : "removed");
	assert_false(s->armed);
}

void sim_next_process(struct sim *s, bool guard)
{
	if (guard && s->armed) {
		_cleanup_free_ char *key = cn_asprintf(CN_GUARD_PREFIX "%s", s->guard_id);

		for (size_t i = 0; i < s->guard_flags.n; i++)
			sim_set_flag(s, s->guard_flags.v[i], false);
		sim_moved(s);
		fake_store_put(s->f, key, "released");
	}
	s->armed = false;
	s->c = fake_client(s->f, ++s->instance);
	fakeclock_advance(&s->clock, 31000);
}

void sim_pg(struct sim *s, const char *pgid, int a, int b, int c)
{
	json_object_set_new(s->homes, pgid, json_pack("[iii]", a, b, c));
	json_array_append_new(json_object_get(s->w.pg_ls, "pg_stats"),
			      json_pack("{ss,ss,si,s[iii],s[iii],s{si,si}}", "pgid", pgid, "state", "active+clean",
					"reported_epoch", 40, "up", a, b, c, "acting", a, b, c, "stat_sum", "num_bytes", 1000,
					"num_objects", 1));
	sim_moved(s);
}

void sim_make_compat(struct sim *s)
{
	json_t *set = json_array(), *b, *item;
	size_t i, k;

	json_array_foreach (json_object_get(s->w.crush_dump, "buckets"), i, b) {
		json_t *weights = json_array();

		json_array_foreach (json_object_get(b, "items"), k, item)
			json_array_append_new(weights, json_real((double)cn_json_int(item, "weight", 0) / CN_WEIGHT_ONE));
		if (strcmp(cn_json_str(b, "type_name", ""), "host") == 0)
			json_array_append_new(
				set, json_pack("{si,s[o]}", "bucket_id", (int)cn_json_int(b, "id", 0), "weight_set", weights));
		else
			json_decref(weights);
	}
	json_object_set_new(s->w.crush_dump, "choose_args", json_pack("{so}", "-1", set));
}

void sim_new_osd(struct sim *s, int osd, int node)
{
	_cleanup_free_ char *ip = cn_asprintf("127.0.1.%d", node), *host = cn_asprintf("node%d", node);
	bool there = false;
	json_t *b;
	size_t i;

	json_array_foreach (json_object_get(s->w.crush_dump, "buckets"), i, b)
		there |= strcmp(cn_json_str(b, "name", ""), host) == 0;
	if (!there) /* swept with the drain before */
		world_bucket(&s->w, host, "host");
	json_array_append_new(json_object_get(s->w.osd_dump, "osds"),
			      json_pack("{si,so,si,si,sf,si}", "osd", osd, "uuid",
					json_sprintf("00000000-0000-4000-8000-%06d%06d", node, osd), "up", 1, "in", 1, "weight",
					1.0, "up_from", 9));
	world_address(&s->w, osd, ip, ip);
	world_move(&s->w, osd, host);
	sim_moved(s);
}

const char *sim_flags(struct sim *s)
{
	return cn_json_str(s->w.osd_dump, "flags", "");
}

void sim_check(struct sim *s, const char *code)
{
	json_object_set_new(s->checks, code, json_pack("{ss,s{ss}}", "severity", "HEALTH_WARN", "summary", "message", "words"));
}

static void load(struct sim *s, struct cn_journals *l)
{
	struct cn_error e = {};

	if (cn_journals_load(s->c, l, &e) < 0)
		fail_msg("%s", e.message);
}

size_t sim_live(struct sim *s)
{
	struct cn_journals l;
	size_t n = 0;

	load(s, &l);
	for (size_t i = 0; i < l.n; i++)
		n += !cn_journal_is_tombstone(&l.v[i]);
	cn_journals_release(&l);
	return n;
}

size_t sim_journals(struct sim *s)
{
	struct cn_journals l;
	size_t n;

	load(s, &l);
	n = l.n;
	cn_journals_release(&l);
	return n;
}

void sim_journal(struct sim *s, const char *node, struct cn_journal *ret)
{
	struct cn_journal *found = NULL;
	struct cn_journals l;

	load(s, &l);
	for (size_t i = 0; i < l.n; i++)
		if (strcmp(l.v[i].node, node) == 0 && (!found || cn_journal_is_tombstone(found)))
			found = &l.v[i];
	if (!found)
		fail_msg("no journal of %s", node);
	*ret = *found;
	*found = (struct cn_journal){};
	cn_journals_release(&l);
}

void sim_save(struct sim *s, struct cn_journal *j)
{
	struct cn_error e = {};

	if (cn_journal_save(s->c, j, &s->clock.clock, &e) < 0)
		fail_msg("%s", e.message);
}

void sim_phase(struct sim *s, const char *node, enum cn_phase phase)
{
	struct cn_journal j;

	sim_journal(s, node, &j);
	j.phase = phase;
	sim_save(s, &j);
	cn_journal_release(&j);
}

size_t sim_changes(struct sim *s)
{
	static const char *const prefixes[] = {"osd set",
					       "osd unset",
					       "osd crush reweight",
					       "osd crush reweight-subtree",
					       "osd out",
					       "osd stop",
					       "osd reweight",
					       "osd purge-actual",
					       "osd crush rm",
					       "config set",
					       "config rm",
					       "config-key set",
					       "config-key rm",
					       "osd crush weight-set reweight-compat"};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		n += fake_count(s->f, prefixes[i]);
	return n;
}
