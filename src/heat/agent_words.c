/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an operator is told of the gates, each thing once until it changes. Nothing here decides anything. */
#include <inttypes.h>
#include <string.h>

#include "cephnode/base/log.h"
#include "cephnode/base/text.h"
#include "heat/agent.h"

#define STUCK_MS 180000
#define SETTLE_MS 5000
#define GATHER_MS 30000
#define OPENED_OFTEN 3
#define LOW_MS 600000
#define MOST_MINS (100 * 366 * 1440)
#define HEATS_OWN_MINS 60 /* stack_action_timeout of heat.conf where nobody has set it */

#define START_AGAIN "openstack stack update --existing --parameter <the group's size>=<what it shall be>"

struct cn_known *cn_known_get(struct cn_agent *a, const struct cn_member *m)
{
	for (size_t i = 0; i < a->n_known; i++)
		if (strcmp(a->known[i].id, m->stack.id) == 0)
			return &a->known[i];
	a->known = cn_realloc(a->known, a->n_known + 1, sizeof(*a->known));
	a->known[a->n_known] = (struct cn_known){.id = cn_strdup(m->stack.id), .name = cn_strdup(m->name)};
	return &a->known[a->n_known++];
}

static void known_free(struct cn_known *k)
{
	free(k->id);
	free(k->name);
	free(k->said);
	free(k->clock);
}

void cn_known_release(struct cn_agent *a)
{
	for (size_t i = 0; i < a->n_known; i++)
		known_free(&a->known[i]);
	free(a->known);
	a->known = NULL;
	a->n_known = 0;
}

/* Takes the text over; true when it is another one than before. */
static bool is_new(char **last, char *text)
{
	bool same = *last && strcmp(*last, text) == 0;

	free(*last);
	*last = text;
	return !same;
}

void cn_agent_say(struct cn_agent *a, const struct cn_wait *w, const char *state, const char *why, const char *hint)
{
	struct cn_known *k = cn_known_get(a, &w->member);
	const char *where = w->match.addresses ? w->match.addresses : w->server.id ? w->server.id : "server not known";
	_cleanup_json_ json_t *event = NULL;
	_cleanup_free_ char *text = NULL;

	if (!is_new(&k->said, cn_asprintf("%s: %s", state, why ? why : "")))
		return;
	text = cn_asprintf("node %s (%s): %s%s%s%s%s%s", w->member.name, where, state, why ? ": " : "", why ? why : "",
			   hint ? " (" : "", hint ? hint : "", hint ? ")" : "");
	event = json_pack("{ss,so,so,so,so,ss,so}", "event", "gate", "stack", cn_json_string(a->options->stack), "member",
			  cn_json_string(w->member.name), "server", cn_json_string(w->server.id), "addresses",
			  cn_json_string(w->match.addresses), "state", state, "reason", cn_json_string(why));
	if (w->err.errnum)
		cn_warning("%s", text);
	else
		cn_note("%s", text);
	a->ctx->tell(a->ctx->arg, event);
	cn_agent_status("%s", text);
}

/* True when the trouble is another one than last time: numbers in it, as of milliseconds, do not make it one. */
bool cn_agent_is_new_trouble(struct cn_agent *a, const struct cn_error *err)
{
	char *text = cn_asprintf("%s%s", err->message, err->hint ? err->hint : ""), *to = text;

	for (const char *c = text; *c; c++)
		if (*c < '0' || *c > '9')
			*to++ = *c;
	*to = '\0';
	return is_new(&a->trouble, text);
}

void cn_agent_trouble(struct cn_agent *a, const struct cn_error *err)
{
	if (!err) {
		if (a->trouble)
			cn_note("OpenStack and Ceph answer again");
		free(a->trouble);
		a->trouble = NULL;
		return;
	}
	if (!cn_agent_is_new_trouble(a, err))
		return;
	cn_warning("%s%s%s%s; every gate stays closed, trying again", err->message, err->hint ? " (" : "",
		   err->hint ? err->hint : "", err->hint ? ")" : "");
	cn_agent_status("%s", err->message);
}

/* --- time --- */

static int64_t timeout_mins(struct cn_agent *a)
{
	_cleanup_json_ json_t *stack = NULL;
	_cleanup_error_ struct cn_error err = {};

	if (a->timeout_mins == 0 && cn_stack_show(a->ctx->os, &a->stack, &stack, &err) == 0) {
		a->timeout_mins = MIN(cn_json_int(stack, "timeout_mins", -1), (json_int_t)MOST_MINS);
		if (a->timeout_mins <= 0)
			a->timeout_mins = -1;
	}
	return a->timeout_mins > 0 ? a->timeout_mins : HEATS_OWN_MINS;
}

void cn_agent_clock(struct cn_agent *a, const struct cn_member *m, const struct cn_gate *g)
{
	struct cn_known *k = cn_known_get(a, m);
	int64_t all = timeout_mins(a) * 60000, left = g->since_ms + all - cn_clock_real_ms(a->pulse.real);
	const char *whose = a->timeout_mins > 0 ? "timeout_mins of the stack"
						: "Heat's default of an hour, for the stack has no timeout_mins";

	if (g->since_ms < 0 || left > MAX(all / 10, (int64_t)LOW_MS))
		return;
	if (left > 0 && is_new(&k->clock, cn_strdup("low")))
		cn_warning("node %s: Heat gives up on this deletion in about %" PRId64
			   " min (%s) and keeps the server; the data goes on "
			   "moving, and once it is started again (" START_AGAIN " %s) the agent goes on where it was",
			   m->name, left / 60000 + 1, whose, a->options->stack);
	if (left <= 0 && is_new(&k->clock, cn_strdup("over")))
		cn_warning("node %s: the time of this deletion is over (%s), but its gate still waits: has Heat's engine been "
			   "restarted? "
			   "Start it again: " START_AGAIN " %s",
			   m->name, whose, a->options->stack);
}

/* --- members that do not wait --- */

static void say_failed(struct cn_agent *a, const struct cn_member *m, struct cn_known *k)
{
	if (is_new(&k->said, cn_asprintf("failed: %s", m->reason)))
		cn_warning("node %s: Heat has given up on its deletion (%s) and keeps the server. What was moved off it stays "
			   "off: to go "
			   "on, " START_AGAIN
			   " %s (not the scaling URL again: that costs a second node); to take it back, cephnode "
			   "cancel its address",
			   m->name, m->reason, a->options->stack);
}

static void say_stuck(struct cn_agent *a, const struct cn_member *m, struct cn_known *k)
{
	int64_t now = cn_clock_boot_ms(a->pulse.real);

	if (!k->stuck_ms)
		k->stuck_ms = now;
	if (now - k->stuck_ms >= STUCK_MS && is_new(&k->said, cn_strdup("stuck")))
		cn_warning("node %s: its deletion neither waits at the gate nor goes on: Heat's engine was restarted, or "
			   "something of the "
			   "node cannot be deleted. See: openstack stack resource list -n 5 %s; then start it again: " START_AGAIN
			   " %s",
			   m->name, a->options->stack, a->options->stack);
}

static const struct cn_member *member_of(const struct cn_members *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].stack.id, id) == 0)
			return &l->v[i];
	return NULL;
}

static const struct cn_wait *wait_of(const struct cn_waits *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].member.stack.id, id) == 0)
			return &l->v[i];
	return NULL;
}

/* Members that were there and are no more. */
static void say_gone(struct cn_agent *a, const struct cn_members *members)
{
	for (size_t i = 0; i < a->n_known;) {
		struct cn_known *k = &a->known[i];

		if (member_of(members, k->id)) {
			i++;
			continue;
		}
		if (k->asked)
			cn_note("node %s: deleted", k->name);
		else if (k->waited)
			cn_warning("node %s: deleted, but its gate was opened by another hand: look whether its OSDs still "
				   "belong to the "
				   "cluster (ceph osd tree down)",
				   k->name);
		known_free(k);
		a->known[i] = a->known[--a->n_known];
	}
}

/* Gates of one scale-down close within seconds of each other, and nodes must lose their weight together: data would move onto one
 * that is drained next. */
static void gather(struct cn_agent *a, const struct cn_member *m, struct cn_known *k, const struct cn_wait *w)
{
	int64_t now = cn_clock_boot_ms(a->pulse.real);

	if (!w) {
		k->seen_ms = 0;
		a->gathering |= cn_member_is(m, "DELETE_IN_PROGRESS") && m->gate && !k->opened && now - k->stuck_ms < GATHER_MS;
		return;
	}
	if (!k->seen_ms) {
		k->seen_ms = now;
		a->timeout_mins = 0; /* an operator may have set it since */
	}
	a->gathering |= now - k->seen_ms < SETTLE_MS && cn_clock_real_ms(a->pulse.real) - w->gate.since_ms < SETTLE_MS;
}

void cn_agent_members(struct cn_agent *a, const struct cn_members *members, const struct cn_waits *waits)
{
	say_gone(a, members);
	a->gathering = false;
	for (size_t i = 0; i < members->n; i++) {
		const struct cn_member *m = &members->v[i];
		struct cn_known *k = cn_known_get(a, m);
		const struct cn_wait *waiting = wait_of(waits, m->stack.id);

		k->waited |= waiting != NULL;
		if (cn_member_is(m, "DELETE_FAILED") && m->gate)
			say_failed(a, m, k);
		if (!cn_member_is(m, "DELETE_IN_PROGRESS") || waiting)
			k->stuck_ms = 0;
		else
			say_stuck(a, m, k);
		gather(a, m, k, waiting);
		if (waiting && k->opened >= OPENED_OFTEN && !k->deaf) {
			k->deaf = true;
			cn_warning("node %s: its gate was opened %u times, and Heat does not go on: its engine was restarted. "
				   "Start the "
				   "deletion again: " START_AGAIN " %s",
				   m->name, k->opened, a->options->stack);
		}
	}
}
