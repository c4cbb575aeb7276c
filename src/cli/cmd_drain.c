/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan, drain, remove, cancel: the commands around a drain. */
#include <errno.h>
#include <unistd.h>

#include "cli/cli.h"

void cn_session_names(const struct cn_session *s, struct cn_strv *ret)
{
	for (size_t i = 0; i < s->settings->n_args; i++)
		cn_drain_names(s->settings->args[i], ret);
}

typedef int command_fn(struct cn_drain_context *ctx, const char *name, struct cn_error *err);

/* One drain after the other, each with its result, as far as they end well. What one could not put back beside the next the next
 * one's cancel puts back: that ends nothing, and is what the call ends with. */
static int each(struct cn_session *s, command_fn *fn, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv names = {0};
	_cleanup_error_ struct cn_error partial = {0};
	int r = 0, partial_r = 0;

	cn_session_names(s, &names);
	for (size_t i = 0; i < names.n && r == 0; i++) {
		if (i > 0)
			cn_events_restart(s->events);
		r = fn(&s->drain, names.v[i], err);
		if (r < 0 && err->code == CN_PARTIAL) {
			cn_error_release(&partial);
			cn_error_move(&partial, err);
			partial_r = r;
			r = 0;
		}
	}
	if (r < 0 || partial_r == 0)
		return r;
	cn_error_move(err, &partial);
	return partial_r;
}

int cn_cmd_plan(struct cn_session *s, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv names = {0};

	cn_session_names(s, &names);
	return cn_drain_plan(&s->drain, (const char *const *)names.v, names.n, err);
}

int cn_cmd_drain_check(const struct cn_settings *s, struct cn_error *err)
{
	if (s->yes || s->dry_run || isatty(STDIN_FILENO))
		return 0;
	(void)cn_error_set(err, CN_USAGE, ENOTTY, "drain asks before it changes anything, but stdin is not a terminal");
	cn_error_hint(err, "give --yes to go on without being asked, or --dry-run to see the plan");
	return -ENOTTY;
}

static int confirm(void *arg, const char *node)
{
	struct cn_session *s = arg;
	const char *question = "This moves all data off these OSDs, stops them and removes them from the cluster.\n"
			       "There is no way back once they are removed.";

	if (s->settings->drain.keep)
		question = "This moves all data off these OSDs. They are neither stopped nor removed.";
	return cn_ask(s, question, node);
}

int cn_cmd_drain(struct cn_session *s, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv names = {0};
	int r;

	if (s->settings->dry_run)
		return cn_cmd_plan(s, err);
	if (!s->settings->yes) {
		s->drain.confirm = confirm;
		s->drain.confirm_arg = s;
	}
	cn_session_names(s, &names);
	r = cn_drain_run(&s->drain, (const char *const *)names.v, names.n, err);
	if (r == 0 || err->code == CN_PARTIAL)
		cn_lock_hint_show(s);
	return r;
}

int cn_cmd_remove(struct cn_session *s, struct cn_error *err)
{
	const char *name = s->settings->args[0];
	int r;

	if (!s->settings->yes && isatty(STDIN_FILENO)) {
		r = cn_ask(s, "This stops the drained OSDs of the node and removes them from the cluster.\nThere is no way back.",
			   name);
		if (r == -EINTR)
			return cn_error_interrupted(err);
		if (r < 0)
			return cn_error_set(err, CN_REFUSED, ECANCELED, "not confirmed, nothing was changed");
	}
	cn_lock_hint_learn(s);
	r = each(s, cn_drain_remove, err);
	if (r == 0 || err->code == CN_PARTIAL)
		cn_lock_hint_show(s);
	return r;
}

int cn_cmd_cancel(struct cn_session *s, struct cn_error *err)
{
	return each(s, cn_drain_cancel, err);
}
