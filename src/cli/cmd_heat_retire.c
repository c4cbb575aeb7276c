/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cephnode/base/log.h"
#include "cephnode/heat/retire.h"
#include "cli/cli.h"

int cn_cmd_heat_retire_check(const struct cn_settings *s, struct cn_error *err)
{
	int r = cn_cmd_heat_stack_check(s, err);

	if (r < 0 || s->yes || isatty(STDIN_FILENO))
		return r;
	(void)cn_error_set(err, CN_USAGE, ENOTTY, "retire asks before it changes anything, but stdin is not a terminal");
	cn_error_hint(err, "give --yes to go on without being asked");
	return -ENOTTY;
}

static int confirm(struct cn_session *s, const struct cn_retire *plan, struct cn_error *err)
{
	_cleanup_free_ char *question = NULL;
	int r;

	if (s->settings->yes)
		return 0;
	question =
		cn_asprintf("Node %s (server %s) of %s is to be drained and its server deleted; the group's size is %zu then.\n"
			    "There is no way back once its OSDs are removed.",
			    plan->member.name, plan->server, plan->stack.name, plan->size);
	r = cn_ask(s, question, s->settings->args[0]);
	if (r == -EINTR)
		return cn_error_interrupted(err);
	return r < 0 ? cn_error_set(err, CN_REFUSED, ECANCELED, "not confirmed, nothing was changed") : 0;
}

/* The question may have stood for hours: what is done then follows from how it is then. */
static int confirm_still(struct cn_session *s, struct cn_os *os, struct cn_retire *plan, struct cn_error *err)
{
	const struct cn_settings *o = s->settings;
	_cleanup_(cn_retire_release) struct cn_retire now = {0};
	int r = confirm(s, plan, err);

	if (r < 0 || o->yes)
		return r;
	r = cn_retire_plan(os, s->cluster, s->drain.kube, o->heat.stack, o->args[0], &now, err);
	if (r < 0)
		return r;
	if (now.size == plan->size && strcmp(now.member.stack.id, plan->member.stack.id) == 0) {
		cn_retire_release(plan);
		*plan = now;
		now = (struct cn_retire){0};
		return 0;
	}
	cn_error_set(err, CN_REFUSED, ESTALE, "the group has changed since the question was asked, nothing was changed");
	cn_error_hint(err, "give the command again");
	return -ESTALE;
}

static void print(struct cn_session *s, const struct cn_retire *plan, int64_t start_ms, int64_t bytes_moved)
{
	const struct cn_settings *o = s->settings;
	int64_t seconds = (cn_clock_boot_ms(s->drain.clock) - start_ms) / 1000;
	_cleanup_json_ json_t *doc =
		json_pack("{si,so,so,so,so,sI,so,sI,sI}", "schema", 1, "node", cn_json_string(o->args[0]), "stack",
			  cn_json_string(plan->stack.name), "member", cn_json_string(plan->member.name), "server",
			  cn_json_string(plan->server), "size", (json_int_t)plan->size, "osds", cn_json_ids(&plan->osds),
			  "seconds", (json_int_t)seconds, "bytes_moved", (json_int_t)bytes_moved);

	cn_events_clear(s->events);
	if (o->format == CN_FORMAT_JSON)
		(void)cn_out_json(doc);
	else
		(void)cn_out_printf("%s: drained, server %s deleted, %zu nodes left\n", o->args[0], plan->server, plan->size);
}

/* An address can be held against Nova's alone. */
static int connect_to_ceph(struct cn_session *s, struct cn_error *err)
{
	const char *node = s->settings->args[0];
	struct cn_ip ip;
	int r = cn_session_connect(s, err);

	if (r == 0 || err->code == CN_INTERRUPTED || !cn_ip_parse(strncmp(node, "ip:", 3) == 0 ? node + 3 : node, &ip))
		return r;
	cn_warning("going on without Ceph (%s): how far the drain is will not be shown", err->message);
	cn_error_release(err);
	return 0;
}

static void clear(void *arg)
{
	cn_events_clear(arg);
}

static int scale_down(struct cn_session *s, struct cn_os *os, struct cn_retire *plan, struct cn_error *err)
{
	const struct cn_settings *o = s->settings;
	struct cn_retire_watch w = {.drain = &s->drain, .clear = clear, .arg = s->events};
	int64_t start_ms = cn_clock_boot_ms(s->drain.clock);
	int r = connect_to_ceph(s, err);

	if (r == 0)
		r = cn_retire_plan(os, s->cluster, s->drain.kube, o->heat.stack, o->args[0], plan, err);
	if (r == 0)
		r = confirm_still(s, os, plan, err);
	if (r == 0)
		r = cn_retire_begin(os, plan, err);
	if (r == 0)
		r = cn_retire_wait(os, plan, &w, err);
	if (r == 0)
		print(s, plan, start_ms, w.bytes_moved);
	return r;
}

int cn_cmd_heat_retire(struct cn_session *s, struct cn_error *err)
{
	_cleanup_(cn_os_config_release) struct cn_os_config config = {0};
	_cleanup_(cn_retire_release) struct cn_retire plan = {0};
	struct cn_os *os = NULL;
	int r = cn_os_config_load(s->settings->heat.cloud, &config, err);

	if (r == 0)
		r = cn_os_open(&config, s->drain.clock, &os, err);
	if (r == 0)
		r = scale_down(s, os, &plan, err);
	cn_os_free(os);
	return r;
}
