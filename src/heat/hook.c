/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The drain of this machine: look, drain, look again, until no OSD is here. A failure costs an operator a PATCH of the stack, so
 * what may pass by itself is waited for. */
#include "cephnode/heat/hook.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/base/text.h"
#include "cephnode/heat/own.h"

#define STALL_S 1800 /* where the deployment gives no time at all */
#define NO_STALL_S (366LL * 86400)
#define MOST_ROUNDS 20 /* OSDs that come anew each time they are drained: somebody makes them */
#define PAUSE_MAX_MS 5000
#define CANCELLED_HINT "if it shall go after all: PATCH the stack with the size it shall have"

struct state {
	struct cn_hook *h;
	const struct cn_hook_request *q;
	struct cn_hook_answer *answer;
	int64_t end_ms; /* CLOCK_BOOTTIME; 0: none */
	int64_t stall_s;
	int64_t moved_ms;   /* when something moved last */
	int64_t least_left; /* bytes and PGs, as progress events have them; -1: none seen */
	int64_t pause_ms;
	bool connected_once;
	bool strangers; /* the plan has OSDs that the look had not */
	struct cn_own own;
	const struct cn_journal *done; /* of `journals`: this node was removed before */
	struct cn_journals journals;
	struct cn_ids drained; /* by this process */
	struct cn_sink sink;
};

/* --- what it says --- */

static void say(struct state *s, const char *line)
{
	cn_hook_answer_note(s->answer, line);
	if (s->h->tell)
		s->h->tell(s->h->arg, line);
}

static void say_waiting(struct state *s, const struct cn_error *err)
{
	_cleanup_free_ char *line = cn_asprintf("%s; waiting", err->message);

	say(s, line);
}

static void on_progress(struct state *s, const json_t *e)
{
	int64_t left = cn_json_int(e, "bytes_left", 0) + cn_json_int(e, "pgs_left", 0);

	if (s->least_left < 0 || left < s->least_left) {
		s->least_left = left;
		s->moved_ms = cn_clock_boot_ms(s->h->clock);
	}
	s->h->bytes_moved = MAX(cn_json_int(e, "bytes_total", 0) - cn_json_int(e, "bytes_left", 0), s->h->bytes_moved);
}

/* The OSDs that would be drained must be those that were looked at: between the two a CRUSH map may have changed. */
static void on_plan(struct state *s, const json_t *e)
{
	const json_t *id;
	size_t i;

	json_array_foreach (cn_json_arr(e, "osds"), i, id)
		if (!cn_ids_has(&s->own.osds, (int)json_integer_value(id)))
			s->strangers = true;
}

static void emit(struct cn_sink *sink, const json_t *e)
{
	struct state *s = (struct state *)((char *)sink - offsetof(struct state, sink));
	const char *event = cn_json_str(e, "event", "");

	if (strcmp(event, "progress") == 0)
		on_progress(s, e);
	else if (strcmp(event, "plan") == 0)
		on_plan(s, e);
	else if (strcmp(event, "warning") == 0)
		say(s, cn_json_str(e, "message", ""));
	else if (strcmp(event, "result") == 0)
		s->h->bytes_moved = MAX(cn_json_int(e, "bytes_moved", 0), s->h->bytes_moved);
	else if (strcmp(event, "step") == 0 && strcmp(cn_json_str(e, "state", ""), "begin") == 0 && s->h->tell)
		s->h->tell(s->h->arg, cn_json_str(e, "step", ""));
}

static int confirm(void *arg, const char *node _unused_)
{
	const struct state *s = arg;

	return s->strangers ? -ECANCELED : 0;
}

/* --- time --- */

/* Seconds until the timeout or the end of patience, whichever comes first; at least 1. */
static int64_t seconds_left(const struct state *s)
{
	int64_t now = cn_clock_boot_ms(s->h->clock), left = s->moved_ms + s->stall_s * 1000 - now;

	if (s->end_ms)
		left = MIN(left, s->end_ms - now);
	return MAX((left + 999) / 1000, 1);
}

/* 0 while there is time to wait for what err says. */
static int check_time(const struct state *s, struct cn_error *err)
{
	int64_t now = cn_clock_boot_ms(s->h->clock);
	static const char over[] = "the time given with --timeout is over: "; /* of the drain: here it is an input */
	const char *message = err->message;
	_cleanup_free_ char *why = NULL;

	why = cn_strdup(strncmp(message, over, strlen(over)) == 0 ? message + strlen(over) : message);
	if (s->end_ms && now >= s->end_ms) {
		cn_error_set(err, CN_TIMEOUT, ETIMEDOUT, "the time of the input timeout is over: %s", why);
	} else if (now - s->moved_ms >= s->stall_s * 1000) {
		cn_error_set(err, CN_TIMEOUT, ETIME, "nothing has moved for %" PRId64 " s: %s", s->stall_s, why);
	} else {
		return 0;
	}
	cn_error_hint(err, "mend the cause and PATCH the stack with the size it shall have: the drain goes on from here");
	return -err->errnum;
}

/* --- one look --- */

static int connect(struct state *s, struct cn_error *err)
{
	unsigned limit = (unsigned)MIN(seconds_left(s), (int64_t)s->h->connect_timeout_s);
	int r;

	if (s->h->cluster)
		return 0;
	r = s->h->connect(s->h->arg, limit, &s->h->cluster, err);
	if (r < 0 && cn_interrupted())
		return cn_error_interrupted(err);
	s->connected_once |= r == 0;
	return r;
}

static void forget(struct state *s)
{
	cn_own_release(&s->own);
	cn_journals_release(&s->journals);
	s->done = NULL;
	s->strangers = false;
}

/* A deployment that is run again after a reboot must not begin anew what an operator has taken back since it was made. */
static int check_cancelled(const struct state *s, struct cn_error *err)
{
	int64_t cancelled_ms = cn_own_cancelled_ms(s->h->machine, &s->journals);

	if (s->q->created_ms <= 0 || cancelled_ms <= s->q->created_ms)
		return 0;
	cn_error_set(err, CN_REFUSED, ECANCELED, "the drain of this machine was cancelled after this deployment was made");
	cn_error_hint(err, CANCELLED_HINT);
	return -ECANCELED;
}

static int judge_empty(struct state *s, const struct cn_osdmap *map, struct cn_error *err)
{
	const struct cn_journal *j = cn_own_journal(s->h->machine, map, &s->journals);

	if (j && j->phase == CN_PHASE_DONE)
		s->done = j;
	else if (j && j->phase != CN_PHASE_CANCELLED) /* purged, and not at its end */
		s->own.name = cn_strdup(j->spec);
	if (s->done || s->own.name || s->drained.n)
		return 0;
	if (s->q->allow_empty)
		return cn_own_check_empty(s->h->machine, map, &s->journals, err);
	cn_error_set(err, CN_REFUSED, ENOENT,
		     "no OSD of the cluster has an address of this machine, and no journal says that its "
		     "OSDs were removed");
	cn_error_hint(err,
		      "where OSDs run in pods with addresses of their own: cephnode heat agent. Where a node without OSDs may "
		      "go: the input allow_empty");
	return -ENOENT;
}

static int look(struct state *s, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap map = {};
	_cleanup_(cn_crush_release) struct cn_crush crush = {};
	_cleanup_json_ json_t *metadata = NULL;
	int r;

	forget(s);
	s->h->cluster->ops->set_command_timeout(s->h->cluster,
						(unsigned)MIN(seconds_left(s), (int64_t)MAX(s->h->cluster->op_timeout_s, 1)));
	r = cn_osdmap_get(s->h->cluster, &map, err);
	if (r == 0)
		r = cn_crush_get(s->h->cluster, &crush, err);
	if (r == 0)
		r = cn_osd_metadata(s->h->cluster, -1, &metadata, err);
	if (r == 0)
		r = cn_journals_load(s->h->cluster, &s->journals, err);
	if (r == 0)
		r = cn_own_find(s->h->machine, &map, &crush, metadata, &s->own, err);
	if (r == 0)
		r = s->own.osds.n ? cn_own_check(&s->own, &map, &s->journals, err) : judge_empty(s, &map, err);
	if (r == 0 && s->own.osds.n)
		r = check_cancelled(s, err);
	s->h->cluster->ops->set_command_timeout(s->h->cluster, s->h->cluster->op_timeout_s);
	return r;
}

/* --- one drain --- */

static int drain(struct state *s, struct cn_error *err)
{
	struct cn_drain_options options = {.accept = s->q->accept, .stall_timeout_s = s->stall_s, .lock_wait_s = 60};
	struct cn_drain_context ctx = {
		.cluster = s->h->cluster,
		.clock = s->h->clock,
		.sink = &s->sink,
		.options = &options,
		.guard = s->h->guard,
		.confirm = confirm,
		.confirm_arg = s,
	};
	const char *name = s->own.name;
	int r;

	if (s->end_ms)
		options.timeout_s = MAX((s->end_ms - cn_clock_boot_ms(s->h->clock) + 999) / 1000, 1);
	r = cn_drain_run(&ctx, &name, 1, err);
	if (r < 0 && err->code == CN_REFUSED && s->strangers)
		return cn_error_set(err, CN_FAILED, EAGAIN, "the OSDs of this machine have changed meanwhile");
	if (r == -ECANCELED && !err->hint)
		cn_error_hint(err, CANCELLED_HINT);
	if (r < 0 && err->code == CN_PARTIAL) { /* removed; what is left behind is told, and a new OSD the next look finds */
		say(s, err->message);
		cn_error_release(err);
		r = 0;
	}
	for (size_t i = 0; i < s->own.osds.n && r == 0; i++)
		cn_ids_add(&s->drained, s->own.osds.v[i]);
	return r;
}

/* --- the loop --- */

/* The connection itself is lost (fenced, shut down): the next try makes a new one. It is not closed yet: that may hang. */
static void drop_connection(struct state *s, int r)
{
	if (r != -ENOTCONN && r != -ESHUTDOWN)
		return;
	cn_grow(&s->h->lost, &s->h->cap_lost, s->h->n_lost, sizeof(struct cn_cluster *));
	s->h->lost[s->h->n_lost++] = s->h->cluster;
	s->h->cluster = NULL;
}

static bool may_pass(const struct state *s, int r, const struct cn_error *err)
{
	if (err->code == CN_INTERRUPTED || err->code == CN_USAGE || r == -ETIME)
		return false;
	if (!s->h->cluster) /* before it is connected for the first time a wrong key or configuration is the likely cause */
		return s->connected_once || (r != -EACCES && r != -EPERM && r != -ENOENT);
	if (err->code == CN_REFUSED)
		return r == -EBUSY; /* another cephnode is at work on it */
	if (err->code == CN_TIMEOUT || err->code == CN_NOT_FOUND)
		return true;
	return r == -ETIMEDOUT || r == -EAGAIN || r == -ENXIO || r == -ENOTCONN || r == -ESHUTDOWN || r == -ESTALE;
}

/* 0: it is worth another try now. */
static int wait_for_better(struct state *s, int r, struct cn_error *err)
{
	if (!may_pass(s, r, err))
		return r;
	if (s->h->cluster)
		drop_connection(s, r);
	r = check_time(s, err);
	if (r < 0)
		return r;
	say_waiting(s, err);
	cn_error_release(err);
	r = cn_clock_wait_ms(s->h->clock, MIN(s->pause_ms, seconds_left(s) * 1000));
	s->pause_ms = MIN(s->pause_ms * 2, PAUSE_MAX_MS);
	return r < 0 ? cn_error_interrupted(err) : 0;
}

/* One round. *ret_done: no OSD is here, and that may be. */
static int go(struct state *s, bool *ret_done, struct cn_error *err)
{
	int r = connect(s, err);

	if (r == 0)
		r = look(s, err);
	if (r < 0)
		return r;
	*ret_done = s->own.name == NULL;
	return *ret_done ? 0 : drain(s, err);
}

static int loop(struct state *s, struct cn_error *err)
{
	bool done = false;

	for (unsigned rounds = 0; rounds < MOST_ROUNDS;) {
		int r = go(s, &done, err);

		if (r == 0 && done)
			return 0;
		if (r == 0) {
			s->pause_ms = 1000;
			rounds++;
			continue;
		}
		r = wait_for_better(s, r, err);
		if (r < 0)
			return r;
	}
	return cn_error_set(err, CN_FAILED, ELOOP, "new OSDs come to this machine as often as they are removed");
}

/* --- the answer --- */

/* Success lets Heat delete the server that the deployment is for. With another machine's OSDs removed that one would go
 * undrained, as where an image was made from a node and has its login: so this must be known, not likely. */
static int check_server(const struct state *s, struct cn_error *err)
{
	switch (cn_machine_is_server(s->h->machine, s->q->server_id)) {
	case CN_SERVER_THIS:
		return 0;
	case CN_SERVER_OTHER:
		cn_error_set(err, CN_REFUSED, EXDEV, "the deployment is for another server than this machine");
		cn_error_hint(err,
			      "deploy_server_id must be this machine's uuid in Nova; does the deployment name the right server?");
		return -EXDEV;
	default:
		break;
	}
	if (!s->q->server_id) {
		cn_error_set(err, CN_REFUSED, ENODATA, "the deployment does not say for which server it is (deploy_server_id)");
		cn_error_hint(err, "an OS::Heat::SoftwareDeployment does, as in docs/heat/hook-node.yaml");
	} else {
		cn_error_set(err, CN_REFUSED, ENODATA, "which server of Nova this machine is cannot be found out");
		cn_error_hint(err,
			      "neither the firmware nor cloud-init tell its uuid: does /var/lib/cloud/data/instance-id hold it?");
	}
	return -ENODATA;
}

static void answer_removed(struct state *s)
{
	_cleanup_(cn_ids_release) struct cn_ids before = {};
	_cleanup_free_ char *osds = NULL, *bytes = cn_format_bytes(s->h->bytes_moved);

	for (size_t i = 0; s->done && i < s->done->n_osds; i++)
		cn_ids_add(&before, s->done->osds[i].id);
	osds = cn_ids_format(s->drained.n ? &s->drained : &before, "osd.", ", ");
	if (s->drained.n)
		s->answer->text = cn_asprintf("%s removed from the cluster, %s moved\n", osds, bytes);
	else if (s->done)
		s->answer->text = cn_asprintf("nothing left to do: %s of this machine were removed before\n", osds);
	else
		s->answer->text = cn_strdup("no OSD of the cluster is on this machine\n");
}

static void finish(struct state *s, int r, const struct cn_error *err)
{
	s->answer->bytes_moved = s->h->bytes_moved;
	if (r < 0)
		cn_hook_answer_error(s->answer, err);
	else
		answer_removed(s);
	forget(s);
	cn_ids_release(&s->drained);
}

void cn_hook_run(struct cn_hook *h, const struct cn_hook_request *q, struct cn_hook_answer *ret)
{
	int64_t now = cn_clock_boot_ms(h->clock);
	struct state s = {.h = h, .q = q, .answer = ret, .moved_ms = now, .least_left = -1, .pause_ms = 1000, .sink = {emit}};
	_cleanup_error_ struct cn_error err = {};
	int r;

	if (!q->drain) {
		ret->ignored = true;
		ret->text = cn_strdup("nothing to do: only the deletion of the server is preceded by a drain\n");
		return;
	}
	if (q->timeout_s)
		s.end_ms = now + q->timeout_s * 1000;
	s.stall_s = q->stall_timeout_s ? q->stall_timeout_s : q->timeout_s ? NO_STALL_S : STALL_S;
	r = check_server(&s, &err);
	if (r == 0)
		r = loop(&s, &err);
	finish(&s, r, &err);
}

void cn_hook_close(struct cn_hook *h)
{
	cn_cluster_free(h->cluster);
	for (size_t i = 0; i < h->n_lost; i++)
		cn_cluster_free(h->lost[i]);
	free(h->lost);
	h->cluster = NULL;
	h->lost = NULL;
	h->n_lost = h->cap_lost = 0;
}
