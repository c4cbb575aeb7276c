/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan, drain, remove, cancel: the commands around a drain. */
#include <errno.h>
#include <unistd.h>

#include "cli/cli.h"

int cn_cmd_plan(struct cn_session *s, struct cn_error *err)
{
	return cn_drain_plan(&s->drain, s->settings->args, s->settings->n_args, err);
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
	int r;

	if (s->settings->dry_run)
		return cn_cmd_plan(s, err);
	if (!s->settings->yes) {
		s->drain.confirm = confirm;
		s->drain.confirm_arg = s;
	}
	r = cn_drain_run(&s->drain, s->settings->args, s->settings->n_args, err);
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
	r = cn_drain_remove(&s->drain, name, err);
	if (r == 0 || err->code == CN_PARTIAL)
		cn_lock_hint_show(s);
	return r;
}

int cn_cmd_cancel(struct cn_session *s, struct cn_error *err)
{
	return cn_drain_cancel(&s->drain, s->settings->args[0], err);
}
