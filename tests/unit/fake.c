/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *target_name(enum cn_target t)
{
	return t == CN_MON ? "mon" : t == CN_MGR ? "mgr" : "pg";
}

static char *describe(enum cn_target target, const char *pgid, const json_t *cmd)
{
	_cleanup_free_ char *text = json_dumps(cmd, JSON_SORT_KEYS);

	return cn_asprintf("%s%s%s %s", target_name(target), pgid ? " " : "", pgid ? pgid : "", text);
}

static struct answer *new_answer(enum cn_target target, const char *pgid, const char *cmd, int code, const char *body,
				 const char *status)
{
	struct answer *a = cn_calloc(1, sizeof(*a));
	json_error_t e;

	a->target = target;
	a->pgid = pgid ? cn_strdup(pgid) : NULL;
	a->cmd = json_loads(cmd, 0, &e);
	if (!a->cmd)
		fail_msg("the script of the fake is no JSON: %s: %s", e.text, cmd);
	a->code = code;
	a->body = cn_strdup(body ? body : "");
	a->status = status ? cn_strdup(status) : NULL;
	return a;
}

static void free_answers(struct answer *a)
{
	while (a) {
		struct answer *next = a->next;

		free(a->pgid);
		json_decref(a->cmd);
		free(a->body);
		free(a->status);
		free(a);
		a = next;
	}
}

static bool answers(const struct answer *a, enum cn_target target, const char *pgid, const json_t *cmd)
{
	return !a->used && a->target == target && strcmp(a->pgid ? a->pgid : "", pgid ? pgid : "") == 0 &&
	       json_equal(a->cmd, cmd);
}

void fake_expect(struct fake *f, enum cn_target target, const char *pgid, const char *cmd, int code, const char *body,
		 const char *status)
{
	struct answer *a = new_answer(target, pgid, cmd, code, body, status), **at = &f->script;

	if (!f->any_order)
		f->group++;
	a->group = f->group;
	while (*at)
		at = &(*at)->next;
	*at = a;
}

void fake_any_order(struct fake *f, bool on)
{
	f->any_order = on;
	f->group++;
}

void fake_always(struct fake *f, enum cn_target target, const char *pgid, const char *cmd, int code, const char *body,
		 const char *status)
{
	struct answer *a = new_answer(target, pgid, cmd, code, body, status);

	pthread_mutex_lock(&f->lock);
	a->next = f->always; /* the newest is found first */
	f->always = a;
	pthread_mutex_unlock(&f->lock);
}

/* The first group that has an answer left is the one whose turn it is. */
static struct answer *find_answer(struct fake *f, enum cn_target target, const char *pgid, const json_t *cmd)
{
	struct answer *first = f->script, *a;

	while (first && first->used)
		first = first->next;
	for (a = first; a && a->group == first->group; a = a->next)
		if (answers(a, target, pgid, cmd)) {
			a->used = true;
			return a;
		}
	for (a = f->always; a; a = a->next)
		if (answers(a, target, pgid, cmd))
			return a;
	return NULL;
}

static void complain(struct fake *f, enum cn_target target, const char *pgid, const json_t *cmd)
{
	_cleanup_free_ char *came = describe(target, pgid, cmd);
	const struct answer *first = f->script;

	cn_strv_addf(&f->complaints, "unexpected: %s", came);
	while (first && first->used)
		first = first->next;
	if (!first)
		cn_strv_add(&f->complaints, "  expected: nothing more of the script");
	for (const struct answer *a = first; a && a->group == first->group; a = a->next) {
		_cleanup_free_ char *want = describe(a->target, a->pgid, a->cmd);

		if (!a->used)
			cn_strv_addf(&f->complaints, "  expected: %s", want);
	}
}

bool fake_fault_now(struct fake *f, const char *kind, struct fault *ret)
{
	if (f->dead || (f->kill_kind && strcmp(f->kill_kind, kind) == 0 && f->kill_skip-- == 0)) {
		*ret = (struct fault){.code = -EIO, .done = !f->dead && f->kill_done};
		f->dead = true;
		return true;
	}
	for (size_t i = 0; i < f->n_faults; i++) {
		struct fault *x = &f->faults[i];

		if (strcmp(x->kind, kind) != 0 || !x->n)
			continue;
		if (x->skip) {
			x->skip--;
			continue;
		}
		x->n--;
		*ret = *x;
		return true;
	}
	return false;
}

static int answer_command(struct fake *f, enum cn_target target, const char *pgid, const json_t *cmd, char **ret_body,
			  char **ret_status)
{
	const struct answer *a;
	int code = 0;

	if (f->store && target == CN_MON && fake_store_command(f, cmd, ret_body, ret_status))
		return f->store_code;
	if (f->answerer && f->answerer(f->answerer_arg, target, pgid, cmd, &code, ret_body))
		return code;
	a = find_answer(f, target, pgid, cmd);
	if (!a) {
		complain(f, target, pgid, cmd);
		*ret_status = cn_strdup("the script of the fake has no such command");
		return -EIO;
	}
	*ret_body = cn_strdup(a->body);
	*ret_status = a->status ? cn_strdup(a->status) : NULL;
	return a->code;
}

static int command(struct cn_cluster *c, enum cn_target target, const char *pgid, const char *text, char **ret_out,
		   size_t *ret_len, char **ret_status)
{
	struct fake *f = ((struct client *)c)->fake;
	_cleanup_free_ char *body = NULL, *status = NULL;
	json_t *cmd = json_loads(text, 0, NULL);
	struct fault fault;
	bool faulty;
	int r = 0;

	pthread_mutex_lock(&f->lock);
	json_array_append_new(f->log, cmd);
	faulty = fake_fault_now(f, cn_json_str(cmd, "prefix", ""), &fault) || fake_fault_now(f, "command", &fault);
	if (!faulty || fault.done)
		r = answer_command(f, target, pgid, cmd, &body, &status);
	pthread_mutex_unlock(&f->lock);
	if (faulty)
		return fault.code;
	*ret_status = TAKE_PTR(status);
	if (r < 0)
		return r;
	*ret_len = strlen(body);
	*ret_out = TAKE_PTR(body);
	return 0;
}

static uint64_t instance_id(struct cn_cluster *c)
{
	return ((struct client *)c)->instance;
}

static void set_command_timeout(struct cn_cluster *c, unsigned seconds)
{
	c->op_timeout_s = seconds;
}

static void free_client(struct cn_cluster *c _unused_)
{
}

static const struct cn_cluster_ops fake_ops = {
	.command = command,
	.lock = fake_op_lock,
	.unlock = fake_op_unlock,
	.lockers = fake_op_lockers,
	.break_lock = fake_op_break,
	.write = fake_op_write,
	.read = fake_op_read,
	.instance_id = instance_id,
	.set_command_timeout = set_command_timeout,
	.free = free_client,
};

struct fake *fake_new(struct fakeclock *clock)
{
	struct fake *f = cn_calloc(1, sizeof(*f));

	pthread_mutex_init(&f->lock, NULL);
	f->clock = clock;
	f->log = json_array();
	f->objects = json_object();
	return f;
}

struct cn_cluster *fake_client(struct fake *f, uint64_t instance)
{
	struct client *c = cn_calloc(1, sizeof(*c));

	c->base = (struct cn_cluster){.ops = &fake_ops, .op_timeout_s = 30, .entity = cn_strdup("client.admin")};
	c->fake = f;
	c->instance = instance;
	c->next = f->clients;
	f->clients = c;
	return &c->base;
}

static void free_fake(struct fake *f)
{
	while (f->clients) {
		struct client *c = f->clients;

		f->clients = c->next;
		free(c->base.entity);
		free(c);
	}
	free_answers(f->script);
	free_answers(f->always);
	fake_free_locks(f);
	for (size_t i = 0; i < f->n_faults; i++)
		free(f->faults[i].kind);
	free(f->faults);
	free(f->kill_kind);
	json_decref(f->log);
	json_decref(f->store);
	json_decref(f->objects);
	cn_strv_release(&f->complaints);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

void fake_done(struct fake *f)
{
	_cleanup_free_ char *text = NULL;

	for (const struct answer *a = f->script; a; a = a->next) {
		_cleanup_free_ char *want = describe(a->target, a->pgid, a->cmd);

		if (!a->used)
			cn_strv_addf(&f->complaints, "never came: %s", want);
	}
	if (f->complaints.n)
		text = cn_strv_join(&f->complaints, "\n");
	free_fake(f);
	if (text) {
		print_error("%s\n", text);
		fail();
	}
}

void fake_fault(struct fake *f, const char *kind, unsigned skip, unsigned n, int code, bool done)
{
	pthread_mutex_lock(&f->lock);
	f->faults = cn_realloc(f->faults, f->n_faults + 1, sizeof(*f->faults));
	f->faults[f->n_faults++] = (struct fault){cn_strdup(kind), skip, n, code, done};
	pthread_mutex_unlock(&f->lock);
}

void fake_kill(struct fake *f, const char *kind, unsigned skip, bool done)
{
	pthread_mutex_lock(&f->lock);
	free(f->kill_kind);
	f->kill_kind = cn_strdup(kind);
	f->kill_skip = skip;
	f->kill_done = done;
	pthread_mutex_unlock(&f->lock);
}

bool fake_revive(struct fake *f)
{
	bool dead;

	pthread_mutex_lock(&f->lock);
	dead = f->dead;
	f->dead = false;
	free(f->kill_kind);
	f->kill_kind = NULL;
	pthread_mutex_unlock(&f->lock);
	return dead;
}

void fake_answer_with(struct fake *f, fake_answerer fn, void *arg)
{
	f->answerer = fn;
	f->answerer_arg = arg;
}

const json_t *fake_command(struct fake *f, const char *prefix, size_t i)
{
	json_t *j;
	size_t k;

	json_array_foreach (f->log, k, j)
		if ((!prefix || strcmp(cn_json_str(j, "prefix", ""), prefix) == 0) && i-- == 0)
			return j;
	return NULL;
}

size_t fake_count(struct fake *f, const char *prefix)
{
	size_t n = 0;

	while (fake_command(f, prefix, n))
		n++;
	return n;
}
