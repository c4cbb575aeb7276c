/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "cephnode/base/log.h"
#include "heat/agent.h"
#include "heat/stamp.h"

static void member_move(struct cn_member *from, struct cn_member *to)
{
	*to = *from;
	*from = (struct cn_member){};
}

static void wait_release(struct cn_wait *w)
{
	struct cn_members one = {.v = cn_malloc(sizeof(*one.v)), .n = 1};

	member_move(&w->member, one.v);
	cn_members_release(&one);
	cn_server_release(&w->server);
	cn_match_release(&w->match);
	cn_error_release(&w->err);
}

void cn_waits_release(struct cn_waits *l)
{
	for (size_t i = 0; i < l->n; i++)
		wait_release(&l->v[i]);
	free(l->v);
	*l = (struct cn_waits){};
}

/* The members of the stack, wherever it is now: one by the same name may have been made anew. */
static int members_of_stack(struct cn_agent *a, struct cn_members *ret, struct cn_error *err)
{
	int r = -ENOENT;

	if (a->stack.id)
		r = cn_members_get(a->ctx->os, &a->stack, ret, err);
	if (r != -ENOENT)
		return r;
	cn_error_release(err);
	cn_stack_ref_release(&a->stack);
	a->timeout_mins = 0;
	r = cn_stack_find(a->ctx->os, a->options->stack, &a->stack, err);
	return r < 0 ? r : cn_members_get(a->ctx->os, &a->stack, ret, err);
}

/* Heat may have lost what it knew of a gate: that is no word on whether the deletion waits. */
static bool is_still_there(struct cn_agent *a, const struct cn_member *m)
{
	_cleanup_(cn_members_release) struct cn_members now = {};
	_cleanup_error_ struct cn_error err = {};

	if (members_of_stack(a, &now, &err) < 0)
		return true;
	for (size_t i = 0; i < now.n; i++)
		if (strcmp(now.v[i].stack.id, m->stack.id) == 0)
			return now.v[i].gate && cn_member_is(&now.v[i], "DELETE_IN_PROGRESS");
	return false;
}

int cn_waits_get(struct cn_agent *a, bool words, struct cn_waits *ret, struct cn_error *err)
{
	_cleanup_(cn_members_release) struct cn_members members = {};
	_cleanup_(cn_waits_release) struct cn_waits l = {};
	struct cn_gate *gates;
	int r = members_of_stack(a, &members, err);

	gates = cn_calloc(members.n + 1, sizeof(*gates));
	l.v = cn_calloc(members.n + 1, sizeof(*l.v));
	for (size_t i = 0; i < members.n && r == 0; i++)
		if (members.v[i].gate && cn_member_is(&members.v[i], "DELETE_IN_PROGRESS")) {
			r = cn_gate_get(a->ctx->os, &members.v[i], &gates[i], err);
			if (r == -ENOENT && !is_still_there(a, &members.v[i])) { /* it went between the two requests */
				cn_error_release(err);
				r = 0;
			}
		}
	for (size_t i = 0; i < members.n && r == 0; i++)
		if (gates[i].waits) {
			const struct cn_member *m = &members.v[i];
			struct cn_wait *w = &l.v[l.n++];

			w->gate = gates[i];
			w->member = (struct cn_member){
				.stack = {cn_strdup(m->stack.name), cn_strdup(m->stack.id)},
				.name = cn_strdup(m->name),
				.status = cn_strdup(m->status),
				.reason = cn_strdup(m->reason),
				.gate = true,
			};
			for (size_t k = 0; k < m->servers.n; k++)
				cn_strv_add(&w->member.servers, m->servers.v[k]);
		}
	free(gates);
	if (r < 0)
		return r;
	if (words)
		cn_agent_members(a, &members, &l);
	for (size_t i = 0; i < l.n; i++)
		cn_agent_clock(a, &l.v[i].member, &l.v[i].gate);
	*ret = l;
	l = (struct cn_waits){};
	return 0;
}

static int no_such_server(const struct cn_wait *w, struct cn_error *err)
{
	err->code = CN_REFUSED;
	cn_error_hint(
		err,
		"its addresses cannot be told any more: see to its OSDs by hand (ceph osd tree down, cephnode drain), then let "
		"the deletion go on: openstack stack hook clear --pre-delete %s " CN_GATE,
		w->member.stack.name);
	return -ENOENT;
}

static int no_osd(const struct cn_wait *w, struct cn_error *err)
{
	cn_error_set(err, CN_REFUSED, ENOENT, "no OSD has an address of this server, and no drain of it is recorded");
	cn_error_hint(
		err,
		"do OSDs have other addresses than the machines? Is the network of the OSDs one of the server's? Where OSDs "
		"always have the address of their machine, --allow-empty lets such a server go. By hand: openstack stack hook "
		"clear --pre-delete %s " CN_GATE,
		w->member.stack.name);
	return -ENOENT;
}

/* Even --allow-empty is no word on these. */
static int vanished(const struct cn_wait *w, struct cn_error *err)
{
	cn_error_set(err, CN_REFUSED, ESTALE,
		     "OSDs had an address of this server, and none has now, but no drain of it is recorded as done");
	cn_error_hint(err,
		      "where are they now? See: ceph osd tree. If they were removed by hand: openstack stack hook clear "
		      "--pre-delete %s " CN_GATE,
		      w->member.stack.name);
	return -ESTALE;
}

/* Heat deletes every server of the member once the gate is open: the others must be no storage nodes. */
static int check_others(struct cn_agent *a, const struct cn_wait *w, const char *id, struct cn_error *err)
{
	for (size_t i = 0; i < w->member.servers.n; i++) {
		const char *other = w->member.servers.v[i];
		_cleanup_(cn_server_release) struct cn_server server = {};
		_cleanup_(cn_match_release) struct cn_match match = {};
		int r;

		if (strcmp(other, id) == 0)
			continue;
		r = cn_server_get(a->ctx->os, other, &server, err);
		if (r == -ENOENT) {
			cn_error_release(err);
			continue;
		}
		if (r == 0 && server.n_addresses)
			r = cn_match_server(a->ctx->drain->cluster, a->ctx->drain->kube, &server, -1, &match, err);
		if (r < 0)
			return r;
		if (match.kind != CN_MATCH_NODE || !match.spec)
			continue;
		cn_error_set(err, CN_REFUSED, EMLINK,
			     "another server of the same member, %s (%s), has OSDs, too: its gate stands for one", other,
			     match.addresses);
		cn_error_hint(err, "drain that one by hand (cephnode drain %s); a member should have one storage node",
			      match.spec);
		return -EMLINK;
	}
	return 0;
}

void cn_wait_look(struct cn_agent *a, struct cn_wait *w)
{
	struct cn_known *k = cn_known_get(a, &w->member);
	_cleanup_free_ char *id = NULL;
	int r;

	w->looked_ms = cn_clock_boot_ms(&a->pulse.clock); /* many gates take long: systemd hears of each */
	cn_error_release(&w->err);
	cn_match_release(&w->match);
	cn_server_release(&w->server);
	r = cn_gate_server(a->ctx->os, &w->member, &id, &w->err);
	if (r == 0)
		r = cn_server_get(a->ctx->os, id, &w->server, &w->err);
	if (r == -ENOENT && id)
		r = no_such_server(w, &w->err);
	if (r == 0)
		r = cn_match_server(a->ctx->drain->cluster, a->ctx->drain->kube, &w->server, w->gate.since_ms, &w->match,
				    &w->err);
	if (r == 0)
		r = check_others(a, w, id, &w->err);
	k->had_osds |= r == 0 && w->match.kind == CN_MATCH_NODE;
	if (r == 0 && w->match.kind == CN_MATCH_NONE && k->had_osds)
		vanished(w, &w->err);
	else if (r == 0 && w->match.kind == CN_MATCH_NONE && !a->options->allow_empty)
		no_osd(w, &w->err);
	if (!w->server.id && id)
		w->server.id = TAKE_PTR(id);
}

bool cn_wait_is_stale(struct cn_agent *a, const struct cn_wait *w)
{
	return cn_clock_boot_ms(a->pulse.real) - w->looked_ms > STALE_MS;
}

void cn_wait_open(struct cn_agent *a, struct cn_wait *w)
{
	struct cn_known *k = cn_known_get(a, &w->member);

	if (w->err.errnum || w->opened || w->match.kind == CN_MATCH_NODE)
		return;
	if (cn_wait_is_stale(a, w)) {
		cn_error_set(&w->err, CN_PARTIAL, ESTALE, "the last look at it is too old to go by: it is looked at again");
		return;
	}
	k->asked = true;
	if (cn_gate_open(a->ctx->os, &w->member, &w->err) < 0) {
		cn_error_wrap(&w->err, "the gate cannot be opened");
		return;
	}
	w->opened = true;
	k->opened++;
	cn_agent_say(a, w, "opened",
		     w->match.kind == CN_MATCH_REMOVED ? "its OSDs are removed" : "no OSD has its addresses (--allow-empty)",
		     NULL);
}

void cn_agent_glance(struct cn_agent *a)
{
	_cleanup_(cn_waits_release) struct cn_waits now = {};
	_cleanup_error_ struct cn_error err = {};

	if (cn_waits_get(a, false, &now, &err) < 0) {
		if (err.code != CN_INTERRUPTED && cn_agent_is_new_trouble(a, &err))
			cn_warning("%s; the drain goes on, no gate is opened before Heat answers", err.message);
		return;
	}
	cn_agent_trouble(a, NULL);
	for (size_t i = 0; i < a->n_moving; i++) {
		const char *id = a->moving[i]->member.stack.id;
		bool waits = false;

		for (size_t k = 0; k < now.n; k++)
			waits |= strcmp(now.v[k].member.stack.id, id) == 0;
		if (!waits && !a->lost)
			a->lost = cn_strdup(id);
	}
}
