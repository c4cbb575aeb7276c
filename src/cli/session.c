/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One command from connect to shutdown. Order matters: the guard forks, so it comes before any thread; the signal thread comes
 * before librados starts its own, so that they inherit its mask. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/base/text.h"
#include "cli/cli.h"

/* --- chatter --- */

static struct cn_events *log_to; /* the session's; cn_log_set() has no argument for it */

static void log_sink(enum cn_log_level level, const char *text)
{
	cn_events_log(log_to, level, text);
}

static void log_start(struct cn_session *s)
{
	enum cn_log_level up_to = CN_LOG_NOTE;

	if (s->settings->verbose)
		up_to = CN_LOG_DEBUG;
	else if (s->settings->quiet)
		up_to = CN_LOG_WARNING;
	log_to = s->events;
	cn_log_set(log_sink, up_to);
}

/* --- events --- */

static void emit(struct cn_sink *sink, const json_t *event)
{
	struct cn_session *s = (struct cn_session *)((char *)sink - offsetof(struct cn_session, sink));

	cn_events_emit(s->events, event);
	if (s->command->guard && !s->command->late && !s->settings->dry_run &&
	    strcmp(cn_json_str(event, "event", ""), "plan") == 0)
		cn_lock_hint_learn(s);
}

/* The dry run of a drain is its plan, one document. */
static bool prints_lines(const struct cn_settings *settings, const struct cn_command *command)
{
	return command->events && (command->locks || !settings->dry_run);
}

static struct cn_events *new_events(const struct cn_settings *settings, const struct cn_command *command)
{
	struct cn_events_options options = {
		.color = settings->color,
		.quiet = settings->quiet,
		.verbose = settings->verbose,
	};

	if (settings->format == CN_FORMAT_JSON && !command->aside)
		options.mode = command->late || prints_lines(settings, command) ? CN_EVENTS_JSONL : CN_EVENTS_PLAN_JSON;
	return cn_events_new(&options);
}

static const char *outcome(enum cn_code code)
{
	if (code == CN_INTERRUPTED)
		return "interrupted";
	if (code == CN_TIMEOUT)
		return "stalled";
	return code == CN_REFUSED ? "refused" : "failed";
}

/* The promise that a result is the last line holds for what fails before a drain has begun, too: no connection, no consent. */
static void emit_result(struct cn_session *s, enum cn_code code, const char *reason)
{
	_cleanup_(cn_strv_release) struct cn_strv names = {0};
	_cleanup_free_ char *node = NULL, *now = cn_time_format(cn_clock_real_ms(cn_clock_system()));
	_cleanup_json_ json_t *event = NULL;

	if (!prints_lines(s->settings, s->command) || s->settings->format != CN_FORMAT_JSON || cn_events_ended(s->events))
		return;
	for (size_t i = 0; i < s->settings->n_args; i++)
		cn_strv_add(&names, s->settings->args[i]);
	node = cn_strv_join(&names, ",");
	event = json_object();
	json_object_set_new(event, "schema", json_integer(1));
	json_object_set_new(event, "event", json_string("result"));
	json_object_set_new(event, "time", json_string(now));
	if (s->command->locks) {
		json_object_set_new(event, "outcome", json_string(code == CN_REFUSED ? "refused" : "failed"));
		json_object_set_new(event, "locks", json_array());
	} else {
		json_object_set_new(event, "node", cn_json_string(node));
		json_object_set_new(event, "outcome", json_string(outcome(code)));
		json_object_set_new(event, "osds", json_array());
		json_object_set_new(event, "seconds", json_integer(0));
		json_object_set_new(event, "bytes_moved", json_integer(0));
	}
	json_object_set_new(event, "exit", json_integer(code));
	json_object_set_new(event, "reason", cn_json_string(reason));
	cn_events_emit(s->events, event);
}

void cn_session_misused(const struct cn_settings *settings, const struct cn_command *command, const struct cn_error *err)
{
	struct cn_session s = {.settings = settings, .command = command};

	if (!prints_lines(settings, command) || settings->format != CN_FORMAT_JSON)
		return;
	s.events = new_events(settings, command);
	emit_result(&s, err->code, err->message);
	cn_events_free(s.events);
}

/* In the signal thread, just before _exit(130): a librados call did not come back in time. */
static void emergency(void *arg)
{
	_cleanup_free_ char *hint = NULL, *safe = NULL;
	struct cn_session *s = arg;

	if (s->watching)
		_exit(0);
	if (s->drain.cluster && (s->command->events || s->command->late) && !s->command->locks)
		hint = cn_drain_emergency(&s->drain);
	emit_result(s, CN_INTERRUPTED, "interrupted");
	cn_events_clear(s->events);
	safe = hint ? cn_text_safe(hint) : NULL;
	cn_err_printf("cephnode: interrupted\n%s%s%s", safe ? "hint: " : "", safe ? safe : "", safe ? "\n" : "");
}

/* --- start and end --- */

static void config_of(struct cn_session *s, struct cn_cluster_config *ret)
{
	const struct cn_settings *o = s->settings;

	if (o->id && !s->name)
		s->name = cn_asprintf("client.%s", o->id);
	*ret = (struct cn_cluster_config){
		.conf = o->conf,
		.cluster = o->cluster,
		.name = s->name ? s->name : o->name,
		.keyring = o->keyring,
		.mon_host = o->mon_host,
		.connect_timeout_s =
			(unsigned)(o->drain.timeout_s ? MIN(o->drain.timeout_s, o->connect_timeout_s) : o->connect_timeout_s),
		.op_timeout_s = (unsigned)o->op_timeout_s,
		.lasting = (s->command->events && !o->dry_run) || s->command->late || (s->command->groups & CN_OPT_WATCH),
	};
}

/* Only where a node is named, and what is asked is not in the journal. */
static bool needs_kube(const struct cn_session *s)
{
	if (s->command->groups & CN_OPT_LOCKS)
		return s->settings->locks.node != NULL;
	return (s->command->groups & CN_OPT_KUBE) && !(s->command->groups & CN_OPT_WATCH);
}

static int open_kube(struct cn_session *s, struct cn_error *err)
{
	const struct cn_kube_options *o = &s->settings->kube;
	int r;

	if (!needs_kube(s))
		return 0;
	r = cn_kube_open(o, cn_clock_system(), &s->kube, err);
	if (r == 0 && !o->off && cn_kube_options_given(o)) {
		r = cn_error_set(err, CN_USAGE, ENOENT, "options of Kubernetes were given, but no API is configured");
		cn_error_hint(err, "give --kubeconfig FILE, or set KUBECONFIG");
	}
	if (r < 0 && s->command->undoes && !cn_kube_options_given(o)) { /* most have nothing there to put back */
		cn_warning("going on without Kubernetes: %s", err->message);
		cn_error_release(err);
		return 0;
	}
	if (r < 0)
		cn_error_hint(err, "--no-kube goes without Kubernetes");
	return MIN(r, 0);
}

int cn_session_connect(struct cn_session *s, struct cn_error *err)
{
	struct cn_cluster_config config;
	int r;

	config_of(s, &config);
	r = cn_cluster_connect(&config, &s->cluster, err);
	if (r < 0)
		return cn_interrupted() ? cn_error_interrupted(err) : r;
	s->drain.cluster = s->cluster;
	return 0;
}

void cn_session_disconnect(struct cn_session *s)
{
	s->drain.cluster = NULL;
	cn_cluster_free(s->cluster);
	s->cluster = NULL;
}

static int start(struct cn_session *s, struct cn_error *err)
{
	int64_t started_ms = cn_clock_boot_ms(cn_clock_system());
	struct cn_cluster_config config;
	int r;

	config_of(s, &config);
	if (s->command->guard && !s->settings->dry_run) {
		s->guard = cn_guard_start(&config, err);
		if (!s->guard)
			return -err->errnum;
	}
	r = cn_interrupt_init();
	if (r < 0)
		return cn_error_set(err, CN_FAILED, r, "cannot start the signal thread: %s", strerror(-r));
	cn_interrupt_on_emergency(emergency, s);
	log_start(s);
	r = open_kube(s, err);
	if (r < 0)
		return r;
	s->drain = (struct cn_drain_context){
		.kube = s->kube,
		.clock = cn_clock_system(),
		.sink = &s->sink,
		.options = &s->settings->drain,
		.started_ms = s->command->late ? 0 : started_ms,
		.guard = s->guard,
	};
	return s->command->late ? 0 : cn_session_connect(s, err);
}

static void end(struct cn_session *s)
{
	cn_interrupt_on_emergency(NULL, NULL);
	cn_cluster_free(s->cluster);
	cn_kube_free(s->kube);
	cn_guard_free(s->guard);
	cn_log_set(NULL, CN_LOG_WARNING);
	cn_events_free(s->events);
	cn_lock_hint_release(&s->hint);
	free(s->name);
}

int cn_session_run(const struct cn_settings *settings, const struct cn_command *command, struct cn_error *err)
{
	struct cn_session s = {.settings = settings, .command = command, .sink = {.emit = emit}};
	int r;

	s.events = new_events(settings, command);
	r = command->check ? command->check(settings, err) : 0;
	if (r == 0)
		r = start(&s, err);
	if (r == 0)
		r = command->run(&s, err);
	cn_events_finish(s.events);
	if (r < 0)
		emit_result(&s, err->code ? err->code : CN_FAILED, err->message);
	end(&s);
	return r;
}
