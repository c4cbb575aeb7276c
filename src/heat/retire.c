/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/heat/retire.h"

#include <errno.h>
#include <string.h>

#include "cephnode/base/log.h"
#include "cephnode/heat/check.h"
#include "heat/progress.h"

#define POLL_MS 3000
#define BEGIN_MS 180000 /* a scale-down that Heat drops is dropped in silence */
#define NOT_BEGUN "Heat has not begun with it yet"

void cn_retire_release(struct cn_retire *r)
{
	struct cn_members one = {.v = cn_malloc(sizeof(*one.v)), .n = 1};

	one.v[0] = r->member;
	cn_members_release(&one);
	cn_stack_ref_release(&r->stack);
	cn_ids_release(&r->osds);
	free(r->node);
	free(r->parameter);
	free(r->server);
	*r = (struct cn_retire){};
}

/* --- which member --- */

static bool has_address(const struct cn_server *s, const char *node)
{
	struct cn_ip ip;

	if (!cn_ip_parse(strncmp(node, "ip:", 3) == 0 ? node + 3 : node, &ip))
		return false;
	for (size_t i = 0; i < s->n_addresses; i++)
		if (cn_ip_equal(&s->addresses[i], &ip))
			return true;
	return false;
}

/* OSDs of the node as it was named; none where there are none any more: then only an address can tell. */
static int osds_of(struct cn_cluster *c, struct cn_kube *kube, const char *node, struct cn_ids *ret, struct cn_error *err)
{
	_cleanup_(cn_inventory_release) struct cn_inventory inv = {};
	int r = c ? cn_inventory_discover(c, kube, &node, 1, false, &inv, err) : 0;

	if (r < 0 && err->code == CN_NOT_FOUND) {
		cn_error_release(err);
		return 0;
	}
	for (size_t i = 0; r == 0 && inv.n_nodes && i < inv.nodes[0].n_osds; i++)
		cn_ids_add(ret, inv.nodes[0].osds[i].osd.id);
	return r;
}

/* 1: it is; 0: it is not, or nobody can tell now: then *unknown says why. A server that is no single node is not this one. */
static int is_node(struct cn_os *os, struct cn_cluster *c, struct cn_kube *kube, const struct cn_member *m, const char *node,
		   const struct cn_ids *osds, struct cn_error *unknown, struct cn_error *err)
{
	_cleanup_(cn_server_release) struct cn_server server = {};
	_cleanup_(cn_match_release) struct cn_match match = {};
	_cleanup_error_ struct cn_error e = {};
	int r = m->servers.n == 1 ? cn_server_get(os, m->servers.v[0], &server, err) : -ENOENT;

	if (r == -ENOENT) {
		cn_error_release(err);
		return 0;
	}
	if (r < 0)
		return r;
	if (has_address(&server, node))
		return 1;
	if (!osds->n)
		return 0;
	r = cn_match_server(c, kube, &server, -1, &match, &e);
	if (r < 0 && e.code == CN_INTERRUPTED) {
		cn_error_move(err, &e);
		return r;
	}
	if (r < 0 && e.code != CN_REFUSED && !unknown->errnum)
		cn_error_move(unknown, &e);
	if (r < 0)
		return 0;
	return match.osds.n == osds->n && memcmp(match.osds.v, osds->v, osds->n * sizeof(*osds->v)) == 0;
}

static int find_member(struct cn_os *os, struct cn_cluster *c, struct cn_kube *kube, const struct cn_members *members,
		       const char *node, struct cn_ids *osds, size_t *ret, struct cn_error *err)
{
	_cleanup_error_ struct cn_error unknown = {};
	size_t n = 0;
	int r = osds_of(c, kube, node, osds, err);

	for (size_t i = 0; i < members->n && r >= 0; i++) {
		r = is_node(os, c, kube, &members->v[i], node, osds, &unknown, err);
		if (r == 1) {
			*ret = i;
			n++;
		}
	}
	if (r < 0)
		return r;
	if (n == 0 && unknown.errnum) {
		cn_error_move(err, &unknown);
		return cn_error_wrap(err, "which member of the stack is %s cannot be told", node);
	}
	if (n > 1)
		return cn_error_set(err, CN_REFUSED, ENOTUNIQ, "%zu members of the stack could be %s", n, node);
	if (n == 0) {
		cn_error_set(err, CN_NOT_FOUND, ENOENT, "no member of the stack is %s", node);
		cn_error_hint(err, "see which servers are which nodes: cephnode heat check --stack NAME");
		return -ENOENT;
	}
	return 0;
}

/* --- is it safe --- */

static int get(struct cn_os *os, const struct cn_stack_ref *s, const char *what, json_t **ret, struct cn_error *err)
{
	_cleanup_(cn_os_answer_release) struct cn_os_answer a = {};
	_cleanup_free_ char *path = cn_asprintf("/stacks/%s/%s/%s", s->name, s->id, what);
	int r = cn_os_request(os, CN_OS_HEAT, "GET", path, NULL, &a, err);

	if (r == 0 && !json_is_object(a.json))
		return cn_error_set(err, CN_FAILED, EBADMSG, "Heat's answer is no %s", what);
	if (r == 0)
		*ret = json_incref(a.json);
	return r;
}

/* A member as its group lists it. Heat takes failed ones first, and drops a scale-down while another update runs. */
static int check_other(const json_t *row, struct cn_error *err)
{
	const char *status = cn_json_str(row, "resource_status", "?"), *name = cn_json_str(row, "resource_name", "?");

	if (strstr(status, "FAILED") || strncmp(status, "DELETE", 6) == 0) {
		cn_error_set(err, CN_REFUSED, EBUSY, "node %s of the same group is %s (%s): Heat would take it along", name,
			     status, cn_json_str(row, "resource_status_reason", ""));
		cn_error_hint(err, "finish or mend that one first");
		return -EBUSY;
	}
	if (strstr(status, "_IN_PROGRESS")) {
		cn_error_set(err, CN_REFUSED, EBUSY, "node %s of the same group is %s: Heat would drop this", name, status);
		cn_error_hint(err, "wait until it is done");
		return -EBUSY;
	}
	return 0;
}

/* The size is counted by the group's own rows: a member that is being made has no server yet. */
static int check_others(const json_t *resources, struct cn_retire *r, struct cn_error *err)
{
	const json_t *row;
	size_t i;

	r->size = 0;
	json_array_foreach (resources, i, row) {
		_cleanup_(cn_stack_ref_release) struct cn_stack_ref in = {};
		int e;

		if (!cn_stack_of(row, &in) || strcmp(in.id, r->member.in.id) != 0 ||
		    strcmp(cn_json_str(row, "physical_resource_id", ""), r->member.stack.id) == 0)
			continue;
		e = check_other(row, err);
		if (e < 0)
			return e;
		r->size++;
	}
	r->again = cn_member_is(&r->member, "DELETE_FAILED") || cn_member_is(&r->member, "DELETE_IN_PROGRESS");
	return 0;
}

static const struct cn_member *other_of_group(const struct cn_members *members, const struct cn_member *m)
{
	for (size_t i = 0; i < members->n; i++)
		if (m->in.id && members->v[i].in.id && strcmp(members->v[i].in.id, m->in.id) == 0 &&
		    strcmp(members->v[i].stack.id, m->stack.id) != 0)
			return &members->v[i];
	return NULL;
}

/* Nothing of it waits any more: only where its OSDs are known to be removed may Heat delete its server. */
static int check_removed(struct cn_os *os, struct cn_cluster *c, struct cn_kube *kube, const struct cn_retire *r,
			 struct cn_error *err)
{
	_cleanup_(cn_server_release) struct cn_server server = {};
	_cleanup_(cn_match_release) struct cn_match match = {};
	int e = cn_server_get(os, r->server, &server, err);

	if (e == -ENOENT) {
		cn_error_release(err);
		return 0;
	}
	if (e == 0 && c)
		e = cn_match_server(c, kube, &server, -1, &match, err);
	if (e < 0)
		return cn_error_wrap(err, "nothing of node %s waits for a drain any more, and", r->member.name);
	if (c && match.kind == CN_MATCH_REMOVED)
		return 0;
	cn_error_set(err, CN_REFUSED, EPERM, "nothing of node %s waits for a drain any more, and %s", r->member.name,
		     !c             ? "whether it has OSDs cannot be told without Ceph"
		     : match.osds.n ? "it has OSDs"
				    : "nothing says that it was drained");
	cn_error_hint(err, "Heat would delete its server at once: drain it first (cephnode drain)");
	return -EPERM;
}

/* Its deletion was begun: only its resources tell whether something of it will still wait. */
static int check_begun(struct cn_os *os, struct cn_cluster *c, struct cn_kube *kube, const struct cn_retire *r,
		       const struct cn_member *other, struct cn_error *err)
{
	const struct cn_member *m = &r->member;

	/* where the others have gates, no deployment that is left is known to be one that drains */
	if (!m->gate && (!m->deployment || (other && other->gate)))
		return check_removed(os, c, kube, r, err);
	if (!m->gate && !other) {
		cn_error_set(err, CN_REFUSED, EPERM,
			     "whether the deletion of node %s waits for its drain cannot be read any more, and no other node of "
			     "its group tells",
			     m->name);
		cn_error_hint(err,
			      "look at its resource 'drain', then set the size of the stack yourself: openstack stack update "
			      "--existing");
		return -EPERM;
	}
	return 0;
}

/* What `heat check` would call a problem of this member: its server would go before its data. Heat deletes a stack by giving it
 * an empty template, so where that has begun another member tells, which is made of the same. */
static int check_safe(struct cn_os *os, struct cn_cluster *c, struct cn_kube *kube, const struct cn_retire *r,
		      const struct cn_members *members, struct cn_error *err)
{
	const struct cn_member *other = other_of_group(members, &r->member), *m = r->again ? other : &r->member;
	_cleanup_(cn_findings_release) struct cn_findings l = {};
	_cleanup_json_ json_t *environment = NULL, *template = NULL;
	int e = cn_member_is(&r->member, "DELETE_FAILED") ? check_begun(os, c, kube, r, other, err) : 0;

	if (e < 0)
		return e;
	if (m)
		e = get(os, &m->stack, "template", &template, err);
	if (e == 0 && r->member.gate)
		e = get(os, &r->stack, "environment", &environment, err);
	if (e < 0)
		return cn_error_wrap(err, "whether the deletion of node %s would wait for its drain cannot be read",
				     r->member.name);
	if (m)
		cn_check_template(template, m->name, &l);
	if (r->member.gate)
		cn_check_environment(environment, r->member.group, r->member.name, &l);
	for (size_t i = 0; i < l.n; i++)
		if (l.v[i].level == CN_FINDING_PROBLEM) {
			cn_error_set(err, CN_REFUSED, EPERM, "%s", l.v[i].text);
			cn_error_hint(err, "%s", l.v[i].mend ? l.v[i].mend : "see: cephnode heat check");
			return -EPERM;
		}
	return 0;
}

/* --- how the group is scaled --- */

/* The group must be a resource of the stack itself: its size is a property there. */
static int check_group(const json_t *resources, const struct cn_member *m, struct cn_error *err)
{
	const json_t *row, *group = NULL;
	size_t i;

	json_array_foreach (resources, i, row)
		if (m->in.id && strcmp(cn_json_str(row, "physical_resource_id", ""), m->in.id) == 0)
			group = row;
	if (m->group && group && strcmp(cn_json_str(group, "resource_type", ""), "OS::Heat::AutoScalingGroup") == 0)
		return 0;
	cn_error_set(err, CN_REFUSED, ENOTSUP, "node %s is not of an OS::Heat::AutoScalingGroup in this very stack", m->name);
	cn_error_hint(err, "of a ResourceGroup name it in removal_policies, and set the count yourself");
	return -ENOTSUP;
}

static int find_parameter(struct cn_os *os, struct cn_retire *r, struct cn_error *err)
{
	_cleanup_json_ json_t *template = NULL;
	const char *group = r->member.group, *name;
	int e = get(os, &r->stack, "template", &template, err);

	if (e < 0)
		return e;
	name = cn_json_str(cn_json_obj(cn_json_obj(cn_json_obj(cn_json_obj(template, "resources"), group), "properties"),
				       "desired_capacity"),
			   "get_param", NULL);
	if (!name) {
		cn_error_set(err, CN_REFUSED, ENOTSUP, "the size of the group '%s' is no parameter of the stack", group);
		cn_error_hint(err, "the template must say desired_capacity: {get_param: ...}, as docs/heat/gate.yaml does");
		return -ENOTSUP;
	}
	r->parameter = cn_strdup(name);
	return 0;
}

int cn_retire_plan(struct cn_os *os, struct cn_cluster *c, struct cn_kube *kube, const char *stack, const char *node,
		   struct cn_retire *ret, struct cn_error *err)
{
	_cleanup_(cn_members_release) struct cn_members members = {};
	_cleanup_json_ json_t *doc = NULL;
	struct cn_retire r = {.node = cn_strdup(node)};
	size_t which = 0;
	int e = cn_stack_find(os, stack, &r.stack, err);

	if (e == 0)
		e = get(os, &r.stack, "resources?nested_depth=2", &doc, err);
	if (e == 0) {
		cn_members_read(doc, &members);
		e = find_member(os, c, kube, &members, node, &r.osds, &which, err);
	}
	if (e == 0) {
		r.server = cn_strdup(members.v[which].servers.v[0]);
		r.member = members.v[which];
		members.v[which] = (struct cn_member){};
		e = check_group(cn_json_arr(doc, "resources"), &r.member, err);
	}
	if (e == 0)
		e = check_others(cn_json_arr(doc, "resources"), &r, err);
	if (e == 0)
		e = find_parameter(os, &r, err);
	if (e == 0)
		e = check_safe(os, c, kube, &r, &members, err);
	if (e < 0)
		cn_retire_release(&r);
	else
		*ret = r;
	return e;
}

/* --- doing it --- */

static int mark(struct cn_os *os, const struct cn_retire *r, struct cn_error *err)
{
	_cleanup_json_ json_t *body =
		json_pack("{sb,ss}", "mark_unhealthy", 1, "resource_status_reason", "to be drained and deleted (cephnode)");
	_cleanup_free_ char *path = cn_asprintf("/stacks/%s/%s/resources/%s", r->member.in.name, r->member.in.id, r->member.name);
	int e = cn_os_request(os, CN_OS_HEAT, "PATCH", path, body, NULL, err);

	return e < 0 ? cn_error_wrap(err, "cannot choose the node") : 0;
}

/* The mark outlives a failure, and the next scale-down takes the node by it. */
static void hint_marked(const struct cn_retire *r, struct cn_error *err)
{
	_cleanup_free_ char *lower = err->hint;

	err->hint = NULL;
	cn_error_hint(err,
		      "%s%sthe next scale-down takes this node first: the same command goes on with it; to take the mark back: "
		      "openstack stack resource mark unhealthy --reset %s %s",
		      lower ? lower : "", lower ? "; " : "", r->member.in.name, r->member.name);
}

int cn_retire_begin(struct cn_os *os, const struct cn_retire *r, struct cn_error *err)
{
	_cleanup_json_ json_t *body = json_pack("{s{sI}}", "parameters", r->parameter, (json_int_t)r->size);
	_cleanup_free_ char *path = cn_asprintf("/stacks/%s/%s", r->stack.name, r->stack.id);
	int e = 0;

	if (cn_member_is(&r->member, "DELETE_IN_PROGRESS"))
		return 0;
	if (!r->again)
		e = mark(os, r, err);
	if (e < 0)
		return e;
	e = cn_os_request(os, CN_OS_HEAT, "PATCH", path, body, NULL, err);
	if (e < 0 && !r->again) {
		cn_error_wrap(err, "node %s is marked to go, but the size could not be set", r->member.name);
		hint_marked(r, err);
	}
	return e;
}

static int gave_up(const struct cn_member *m, struct cn_error *err)
{
	cn_error_set(err, CN_TIMEOUT, ETIME, "Heat has given up on deleting node %s and keeps its server: %s", m->name,
		     m->reason);
	cn_error_hint(err, "the same command takes it again, and only it; cephnode cancel takes the drain back");
	return -ETIME;
}

/* Where its deletion is, in words. NULL: the member is gone. */
static const char *state_of(struct cn_os *os, const struct cn_retire *r, int *ret, struct cn_error *err)
{
	_cleanup_(cn_members_release) struct cn_members members = {};
	struct cn_gate gate = {};
	const struct cn_member *m = NULL;

	*ret = cn_members_get(os, &r->stack, &members, err);
	for (size_t i = 0; *ret == 0 && i < members.n; i++)
		if (strcmp(members.v[i].stack.id, r->member.stack.id) == 0)
			m = &members.v[i];
	if (*ret < 0 || !m)
		return NULL;
	if (cn_member_is(m, "DELETE_FAILED") && !r->again)
		*ret = gave_up(m, err);
	if (!cn_member_is(m, "DELETE_IN_PROGRESS"))
		return cn_member_is(m, "DELETE_FAILED") ? "failed" : NOT_BEGUN;
	if (m->gate && cn_gate_get(os, m, &gate, err) < 0)
		cn_error_release(err);
	return gate.waits ? "its deletion waits for the drain" : "Heat is deleting it";
}

/* No answer of ours stops Heat. */
static int interrupted(const struct cn_retire *r, struct cn_error *err)
{
	cn_error_interrupted(err);
	cn_error_hint(
		err,
		"its deletion goes on: node %s is drained and its server deleted, and the same command watches it again. To "
		"keep it: openstack stack cancel --no-rollback %s, and if it is not DELETE_FAILED by that, cephnode cancel "
		"(see docs/heat/agent.md)",
		r->member.name, r->member.in.name);
	return -EINTR;
}

static int not_begun(const struct cn_retire *r, struct cn_error *err)
{
	cn_error_set(err, CN_FAILED, EBUSY, "Heat does not begin to delete node %s", r->member.name);
	cn_error_hint(err, "does another update of the stack run? See: openstack stack event list --nested-depth 2 %s",
		      r->stack.name);
	if (!r->again)
		hint_marked(r, err);
	return -EBUSY;
}

static int watch(struct cn_os *os, const struct cn_retire *given, struct cn_progress *p, struct cn_error *err)
{
	struct cn_clock *clock = p->watch->drain->clock;
	_cleanup_free_ char *said = NULL;
	int64_t end = cn_clock_boot_ms(clock) + BEGIN_MS;
	struct cn_retire r = *given;

	for (;;) {
		int e;
		const char *state = state_of(os, &r, &e, err);

		if (e < 0 && (err->code == CN_INTERRUPTED || err->code == CN_USAGE || e == -ETIME || e == -ENOENT ||
			      e == -EACCES || e == -EPERM)) /* no later answer is another one */
			return err->code == CN_INTERRUPTED ? interrupted(&r, err) : e;
		if (e == 0 && !state)
			return 0;
		if (e < 0) {
			state = "OpenStack does not answer just now";
		} else if (strcmp(state, "failed") != 0) {
			r.again = false; /* it was taken up again: from here a failure is a new one */
			if (strcmp(state, NOT_BEGUN) != 0)
				end = INT64_MAX;
		}
		cn_error_release(err);
		if (cn_clock_boot_ms(clock) >= end)
			return not_begun(given, err);
		if (!said || strcmp(said, state) != 0)
			cn_note("node %s: %s", r.member.name, state);
		free(said);
		said = cn_strdup(state);
		cn_progress_look(p);
		if (cn_clock_wait_ms(clock, POLL_MS) < 0)
			return interrupted(&r, err);
	}
}

int cn_retire_wait(struct cn_os *os, const struct cn_retire *r, struct cn_retire_watch *w, struct cn_error *err)
{
	struct cn_progress progress;
	int e;

	cn_progress_init(&progress, r, w);
	e = watch(os, r, &progress, err);
	cn_progress_release(&progress);
	if (e == 0)
		cn_note("node %s: deleted", r->member.name);
	return e;
}
