/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "cephnode/base/log.h"
#include "cephnode/heat/agent.h"
#include "cli/cli.h"

int cn_cmd_heat_stack_check(const struct cn_settings *s, struct cn_error *err)
{
	if (s->heat.stack)
		return 0;
	(void)cn_error_set(err, CN_USAGE, EINVAL, "which stack is not said");
	cn_error_hint(err, "name it with --stack");
	return -EINVAL;
}

static int connect_to_ceph(void *arg, struct cn_error *err)
{
	return cn_session_connect(arg, err);
}

static void disconnect(void *arg)
{
	cn_session_disconnect(arg);
}

/* Idle, a signal is how it is meant to end; in mid-drain it breaks something off. */
static void chapter(void *arg, bool drain)
{
	struct cn_session *s = arg;

	s->watching = !drain && !s->settings->heat.once;
	cn_events_restart(s->events);
}

static void tell(void *arg, const json_t *event)
{
	struct cn_session *s = arg;
	_cleanup_free_ char *now = cn_time_format(cn_clock_real_ms(cn_clock_system()));
	_cleanup_json_ json_t *e = json_pack("{si,ss,ss}", "schema", 1, "event", "gate", "time", now);

	json_object_update(e, (json_t *)event);
	cn_events_emit(s->events, e);
}

int cn_cmd_heat_agent(struct cn_session *s, struct cn_error *err)
{
	const struct cn_settings *o = s->settings;
	struct cn_heat_agent_options options = {o->heat.stack, o->heat.once, o->heat.allow_empty, o->heat.interval_s};
	struct cn_heat_agent_context ctx = {
		.drain = &s->drain,
		.connect = connect_to_ceph,
		.disconnect = disconnect,
		.chapter = chapter,
		.tell = tell,
		.arg = s,
	};
	_cleanup_(cn_os_config_release) struct cn_os_config config = {0};
	int r = cn_os_config_load(o->heat.cloud, &config, err);

	if (r == 0)
		r = cn_os_open(&config, s->drain.clock, &ctx.os, err);
	if (r == 0 && !s->drain.kube && !o->kube.off && !o->heat.once)
		cn_note("no Kubernetes API is configured: OSDs in pods with addresses of their own are not found (--no-kube: "
			"there "
			"are none)");
	if (r == 0)
		r = cn_heat_agent_run(&ctx, &options, err);
	cn_os_free(ctx.os);
	return r;
}
