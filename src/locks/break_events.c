/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "locks/break.h"

char *cn_target_text(const struct cn_lock *l)
{
	_cleanup_free_ char *spec = cn_lock_spec(l->image);
	_cleanup_free_ char *address = l->addressed ? cn_client_addr_text(&l->addr) : cn_strdup(l->locker->address);

	return cn_asprintf("lock '%s' of %s (%s) on %s", l->locker->cookie, l->locker->client, address, spec);
}

static json_t *new_event(const struct cn_break_run *run, const char *kind)
{
	_cleanup_free_ char *now = cn_time_format(cn_clock_real_ms(run->b->clock));

	return json_pack("{si,ss,ss}", "schema", 1, "event", kind, "time", now);
}

static void emit(const struct cn_break_run *run, json_t *stolen)
{
	_cleanup_json_ json_t *event = stolen;

	run->b->emit(run->b->arg, event);
}

void cn_break_step(const struct cn_break_run *run, const char *step, const char *message, json_t *more)
{
	json_t *event = new_event(run, "step");

	json_object_set_new(event, "step", json_string(step));
	json_object_set_new(event, "state", json_string(message ? "end" : "begin"));
	if (message)
		json_object_set_new(event, "message", cn_json_string(message));
	if (more) {
		json_object_update(event, more);
		json_decref(more);
	}
	emit(run, event);
}

static json_t *fences_json(const struct cn_break_run *run)
{
	json_t *a = json_array();

	for (size_t i = 0; i < run->n_fences; i++) {
		const struct cn_fencing *f = &run->fences[i];
		_cleanup_free_ char *address = cn_client_addr_text(&f->addr);
		_cleanup_free_ char *until = f->until_ms ? cn_time_format(f->until_ms) : NULL;
		_cleanup_free_ char *lift = cn_asprintf("ceph osd blocklist rm %s", address);

		if (f->until_ms || f->added || run->b->options->dry_run)
			json_array_append_new(a, json_pack("{ss,so,sb,ss}", "address", address, "until", cn_json_string(until),
							   "added", f->added, "lift", lift));
	}
	return a;
}

void cn_break_result(const struct cn_break_run *run, const char *outcome, const struct cn_error *err)
{
	json_t *event = new_event(run, "result"), *locks = json_array();

	for (size_t i = 0; i < run->n_targets; i++) {
		json_t *j = cn_lock_json(run->targets[i].lock);

		json_object_set_new(j, "outcome", cn_json_string(run->targets[i].outcome ? run->targets[i].outcome : outcome));
		json_array_append_new(locks, j);
	}
	json_object_set_new(event, "outcome", json_string(outcome));
	json_object_set_new(event, "dry_run", json_boolean(run->b->options->dry_run));
	json_object_set_new(event, "locks", locks);
	json_object_set_new(event, "fences", fences_json(run));
	json_object_set_new(event, "exit", json_integer(err->code));
	json_object_set_new(event, "reason", cn_json_string(err->message));
	emit(run, event);
}
