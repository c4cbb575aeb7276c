/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/heat/check.h"

#include <errno.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>

#define HOUR_MINS 60
#define SHORT_MINS 1440

void cn_findings_release(struct cn_findings *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].text);
		free(l->v[i].mend);
	}
	free(l->v);
	*l = (struct cn_findings){};
}

const char *cn_finding_level_name(enum cn_finding_level l)
{
	return l == CN_FINDING_OK ? "ok" : l == CN_FINDING_WARNING ? "warning" : "problem";
}

/* mend may be NULL. */
static void found(struct cn_findings *l, enum cn_finding_level level, const char *mend, const char *fmt, ...) _printf_(4, 5);
static void found(struct cn_findings *l, enum cn_finding_level level, const char *mend, const char *fmt, ...)
{
	va_list ap;

	cn_grow(&l->v, &l->cap, l->n, sizeof(*l->v));
	va_start(ap, fmt);
	l->v[l->n++] = (struct cn_finding){level, cn_vasprintf(fmt, ap), mend ? cn_strdup(mend) : NULL};
	va_end(ap);
}

/* --- the credential --- */

static bool has_role(const json_t *token, const char *name)
{
	const json_t *r;
	size_t i;

	json_array_foreach (cn_json_arr(token, "roles"), i, r)
		if (strcmp(cn_json_str(r, "name", ""), name) == 0)
			return true;
	return false;
}

/* As Keystone's middleware does: '*' is some of one segment, "**" anything. */
static bool allows(const char *rule, const char *path)
{
	if (rule[0] == '*' && rule[1] == '*') {
		for (;; path++) {
			if (allows(rule + 2, path))
				return true;
			if (!*path)
				return false;
		}
	}
	if (rule[0] == '*') {
		while (*path && *path != '/')
			if (allows(rule + 1, ++path))
				return true;
		return false;
	}
	return *rule == *path && (!*rule || allows(rule + 1, path + 1));
}

/* 2: the rule is for this and no more; 1: for more than this; 0: not for this. base: the path in the service's address; a proxy
 * may have taken its first parts away before the service sees it. */
static int rule_for(const char *rule, const char *base, const char *path)
{
	for (const char *b = base; b; b = strchr(b + 1, '/')) {
		_cleanup_free_ char *full = cn_asprintf("%s%s", b, path);

		if (allows(rule, full))
			return strcmp(rule, full) == 0 ? 2 : 1;
		if (!*b)
			break;
	}
	return 0;
}

/* The path of a rule; {a_name} in it is another way to say '*'. */
static char *rule_path(const json_t *rule)
{
	char *text = cn_strdup(cn_json_str(rule, "path", ""));
	size_t len = 0;

	for (const char *c = text; *c; c++) {
		const char *end = *c == '{' ? strchr(c, '}') : NULL;

		text[len++] = end ? '*' : *c;
		c = end ? end : c;
	}
	text[len] = '\0';
	return text;
}

/* What rule_for() says of the service's addresses, the best of it. They hold the project's id where the service wants it. */
static int rule_lets(const json_t *token, const json_t *rule, const char *const *needed)
{
	_cleanup_free_ char *path = rule_path(rule);
	const json_t *service, *endpoint;
	int best = 0;
	size_t i, k;

	if (strcmp(cn_json_str(rule, "service", ""), needed[0]) != 0 || strcmp(cn_json_str(rule, "method", ""), needed[1]) != 0)
		return 0;
	json_array_foreach (cn_json_arr(token, "catalog"), i, service) {
		if (strcmp(cn_json_str(service, "type", ""), needed[0]) != 0)
			continue;
		json_array_foreach (cn_json_arr(service, "endpoints"), k, endpoint) {
			const char *host = strstr(cn_json_str(endpoint, "url", ""), "://"),
				   *base = host ? strchr(host + 3, '/') : NULL;
			_cleanup_free_ char *bare = cn_strdup(base ? base : "");

			for (size_t n = strlen(bare); n > 0 && bare[n - 1] == '/'; n--)
				bare[n - 1] = '\0';
			best = MAX(best, rule_for(path, bare, needed[2]));
		}
	}
	return best;
}

static void check_rules(const json_t *token, const json_t *rules, struct cn_findings *ret)
{
	static const char *const needed[][3] = {
		{"orchestration", "GET", "/stacks/*"},
		{"orchestration", "GET", "/stacks/*/*"},
		{"orchestration", "GET", "/stacks/*/*/resources"},
		{"orchestration", "GET", "/stacks/*/*/resources/" CN_GATE},
		{"orchestration", "GET", "/stacks/*/*/resources/" CN_GATE "/events"},
		{"orchestration", "POST", "/stacks/*/*/resources/" CN_GATE "/signal"},
		{"compute", "GET", "/servers/*"},
	};
	size_t i, missing = 0, exact = 0;
	const json_t *r;

	for (size_t k = 0; k < ARRAY_SIZE(needed); k++) {
		bool there = false;

		json_array_foreach (rules, i, r) {
			int fits = rule_lets(token, r, needed[k]);

			there |= fits > 0;
			exact += fits == 2;
		}
		if (!there)
			found(ret, CN_FINDING_PROBLEM, "make the credential anew with this rule (docs/heat/agent.md)",
			      "no access rule lets the agent %s ...%s of %s in this project", needed[k][1], needed[k][2],
			      needed[k][0]);
		missing += !there;
	}
	if (!missing && json_array_size(rules) > exact)
		found(ret, CN_FINDING_WARNING, NULL, "the access rules allow more than the agent needs");
	else if (!missing)
		found(ret, CN_FINDING_OK, NULL, "the credential can do what the agent needs, and no more");
}

void cn_check_credential(const json_t *token, struct cn_findings *ret)
{
	const json_t *app = cn_json_obj(token, "application_credential"), *rules = cn_json_arr(app, "access_rules");

	if (!has_role(token, "member") && !has_role(token, "admin"))
		found(ret, CN_FINDING_PROBLEM, "give the user the role 'member' in the stack's project",
		      "the credential has no role that may open a gate");
	if (!app)
		found(ret, CN_FINDING_WARNING, "make an application credential with access rules (docs/heat/agent.md)",
		      "the login is a password: whoever reads it can do all that its user can");
	else if (json_array_size(rules) == 0)
		found(ret, CN_FINDING_WARNING, "make one with access rules (docs/heat/agent.md)",
		      "the application credential has no access rules: it can do all that its user can");
	else
		check_rules(token, rules, ret);
}

/* --- the hook --- */

/* "pre-delete", or a list that has it. */
static bool has_hook(const json_t *o)
{
	const json_t *hooks = json_object_get(o, "hooks"), *h;
	size_t i;

	json_array_foreach (hooks, i, h)
		if (json_is_string(h) && strcmp(json_string_value(h), "pre-delete") == 0)
			return true;
	return json_is_string(hooks) && strcmp(json_string_value(hooks), "pre-delete") == 0;
}

/* As Heat does: each level of the registry is a pattern for names. name NULL: any, also those that come later. */
static bool matches(const char *pattern, const char *name)
{
	if (!name)
		return strchr(pattern, '*') && strspn(pattern, "*") == strlen(pattern);
	return fnmatch(pattern, name, FNM_NOESCAPE) == 0;
}

static bool hook_at(const json_t *at, const char *const *path, size_t n)
{
	const char *pattern;
	json_t *o;

	if (n == 0)
		return has_hook(at);
	json_object_foreach ((json_t *)at, pattern, o)
		if (matches(pattern, path[0]) && hook_at(o, path + 1, n - 1))
			return true;
	return false;
}

void cn_check_environment(const json_t *environment, const char *group, const char *member, struct cn_findings *ret)
{
	const json_t *registry = cn_json_obj(cn_json_obj(environment, "resource_registry"), "resources");
	const char *const all[] = {group, member, CN_GATE}, *const *path = group ? all : all + 1;
	size_t n = group ? 3 : 2;
	bool on_member = hook_at(registry, path, n - 1), on_group = group && hook_at(registry, path, 1);
	_cleanup_free_ char *whose = group && member ? cn_asprintf("member '%s' of '%s'", member, group)
				     : group         ? cn_asprintf("each member of '%s'", group)
						     : cn_strdup(member ? member : "each member");

	if (hook_at(registry, path, n))
		found(ret, CN_FINDING_OK, NULL, "the environment has the hook on the gate of %s", whose);
	else if (on_member || on_group)
		found(ret, CN_FINDING_PROBLEM,
		      "move it one level down: resources: {storage: {\"*\": {" CN_GATE ": {hooks: pre-delete}}}}",
		      "the hook is on the %s, where it never fires: a scale-down deletes the server at once",
		      on_member ? "members themselves" : "group");
	else
		found(ret, CN_FINDING_PROBLEM, "update the stack with docs/heat/gate-env.yaml, and the group's name in it",
		      "the environment has no pre-delete hook on the gate of %s: a scale-down deletes the server at once", whose);
}

/* --- a member's template --- */

static bool names(const json_t *list, const char *name)
{
	const json_t *v;
	size_t i;

	json_array_foreach (list, i, v)
		if (json_is_string(v) && strcmp(json_string_value(v), name) == 0)
			return true;
	return json_is_string(list) && strcmp(json_string_value(list), name) == 0;
}

static void check_deployment(const json_t *r, const char *name, const char *member, struct cn_findings *ret)
{
	const json_t *p = cn_json_obj(r, "properties"), *actions = json_object_get(p, "actions");
	const char *transport = cn_json_str(p, "signal_transport", "CFN_SIGNAL");

	if (!names(actions, "DELETE") || json_array_size(actions) > 1)
		found(ret, CN_FINDING_PROBLEM, "say actions: [DELETE]", "%s: '%s' %s", member, name,
		      names(actions, "DELETE") ? "would drain the node at other actions than DELETE, too"
					       : "does not run when the node is deleted");
	if (strcmp(transport, "NO_SIGNAL") == 0)
		found(ret, CN_FINDING_PROBLEM, "say signal_transport: HEAT_SIGNAL",
		      "%s: '%s' answers nothing (NO_SIGNAL): Heat does not wait for it, the server goes undrained", member, name);
	else if (strcmp(transport, "HEAT_SIGNAL") != 0 && strcmp(transport, "TEMP_URL_SIGNAL") != 0 &&
		 strcmp(transport, "ZAQAR_SIGNAL") != 0)
		found(ret, CN_FINDING_PROBLEM, "say signal_transport: HEAT_SIGNAL",
		      "%s: '%s' answers by %s, whose URL is dead after 15 minutes: a longer drain ends in a timeout", member,
		      name, transport);
}

enum whose { OURS, FOREIGN, UNKNOWN };

/* By the group of its configuration; that may stand elsewhere than in this template. */
static enum whose whose_deployment(const json_t *resources, const json_t *r)
{
	const char *name = cn_json_str(cn_json_obj(cn_json_obj(r, "properties"), "config"), "get_resource", NULL);
	const json_t *config = name ? cn_json_obj(resources, name) : NULL, *group;

	if (!config)
		return UNKNOWN;
	group = json_object_get(cn_json_obj(config, "properties"), "group");
	if (group && !json_is_string(group))
		return UNKNOWN;
	return group && strcmp(json_string_value(group), "cephnode") == 0 ? OURS : FOREIGN;
}

/* What depends on nothing here Heat deletes at the same time as it begins the drain. */
static void check_order(const json_t *resources, const char *drain, const char *member, struct cn_findings *ret)
{
	const json_t *depends = json_object_get(cn_json_obj(resources, drain), "depends_on");
	const char *name;
	json_t *r;

	json_object_foreach ((json_t *)resources, name, r) {
		const char *type = cn_json_str(r, "type", "");
		bool port = strcmp(type, "OS::Neutron::Port") == 0;
		_cleanup_free_ char *mend = NULL;

		if ((!port && strcmp(type, "OS::Cinder::VolumeAttachment") != 0) || names(depends, name))
			continue;
		mend = cn_asprintf("name it in depends_on of '%s'", drain);
		found(ret, port ? CN_FINDING_WARNING : CN_FINDING_PROBLEM, mend,
		      "%s: '%s' (%s) is deleted at the same time as '%s': the node loses it before it is drained", member, name,
		      type, drain);
	}
}

/* The server that a property of a resource stands for, NULL: none of this template. */
static const json_t *server_of(const json_t *resources, const json_t *r, const char *property)
{
	const char *name = cn_json_str(cn_json_obj(cn_json_obj(r, "properties"), property), "get_resource", NULL);
	const json_t *server = name ? cn_json_obj(resources, name) : NULL;

	return strcmp(cn_json_str(server, "type", ""), "OS::Nova::Server") == 0 ? server : NULL;
}

/* Does the server hear of its deployment, and wait for it? */
static void check_server(const json_t *server, const char *name, const char *member, struct cn_findings *ret)
{
	const json_t *p = cn_json_obj(server, "properties");
	const char *format = cn_json_str(p, "user_data_format", json_object_get(p, "user_data_format") ? NULL : "HEAT_CFNTOOLS"),
		   *transport = cn_json_str(p, "software_config_transport", "POLL_SERVER_CFN");

	if (!server) {
		found(ret, CN_FINDING_PROBLEM, "say server: {get_resource: server}",
		      "%s: the server of '%s' is not that of its template, which does not wait for it", member, name);
		return;
	}
	if (!format)
		found(ret, CN_FINDING_WARNING, "is it SOFTWARE_CONFIG? Then say so in the template",
		      "%s: the server's user_data_format cannot be read from its template", member);
	else if (strcmp(format, "SOFTWARE_CONFIG") != 0)
		found(ret, CN_FINDING_PROBLEM,
		      "make new nodes with user_data_format: SOFTWARE_CONFIG; careful: on a node that stands, this change "
		      "replaces the server",
		      "%s: the server's user_data_format is %s: it never hears of '%s', each scale-down ends in the timeout",
		      member, format, name);
	else if (strcmp(transport, "POLL_SERVER_CFN") == 0)
		found(ret, CN_FINDING_WARNING, "say software_config_transport: POLL_SERVER_HEAT",
		      "%s: the server asks heat-api-cfn for '%s' (POLL_SERVER_CFN): where that does not run, or Keystone refuses "
		      "its "
		      "signatures (OSSA-2025-002), the drain never begins",
		      member, name);
}

/* The deployments of the member; beside a gate only those that are certainly meant to drain count. */
static void check_deployments(const json_t *resources, bool gate, const char *member, struct cn_findings *ret)
{
	bool drained = gate, any = false;
	const char *name;
	json_t *r;

	json_object_foreach ((json_t *)resources, name, r) {
		enum whose whose;
		bool at_delete;

		if (strcmp(cn_json_str(r, "type", ""), "OS::Heat::SoftwareDeployment") != 0)
			continue;
		any = true;
		whose = whose_deployment(resources, r);
		at_delete = names(json_object_get(cn_json_obj(r, "properties"), "actions"), "DELETE");
		if (whose == OURS || (whose == UNKNOWN && at_delete && !gate)) {
			check_deployment(r, name, member, ret);
			check_server(server_of(resources, r, "server"), name, member, ret);
			check_order(resources, name, member, ret);
			drained = true;
		}
	}
	if (!drained)
		found(ret, CN_FINDING_PROBLEM, "update the stack with docs/heat/gate-node.yaml",
		      any ? "%s: no gate, and no deployment of the group cephnode that runs at DELETE: a scale-down deletes its "
			    "server at once"
			  : "%s: no gate and no deployment: a scale-down deletes its server at once",
		      member);
}

void cn_check_template(const json_t *template, const char *member, struct cn_findings *ret)
{
	const json_t *resources = cn_json_obj(template, "resources"), *drain = cn_json_obj(resources, CN_GATE);
	bool gate = strcmp(cn_json_str(drain, "type", ""), "OS::Heat::Value") == 0;

	/* Heat deletes first what depends on others: the gate's value is what makes the server wait for it. */
	if (gate && !server_of(resources, drain, "value"))
		found(ret, CN_FINDING_PROBLEM,
		      "say " CN_GATE ": {type: OS::Heat::Value, properties: {value: {get_resource: server}}}",
		      "%s: the value of '" CN_GATE
		      "' is not the server of its template: the server is deleted at the same time as the gate",
		      member);
	if (gate)
		check_order(resources, CN_GATE, member, ret);
	check_deployments(resources, gate, member, ret);
}

/* --- the stack --- */

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

/* Another credential helps only where this one lacks a right. */
static void not_read(const struct cn_error *err, const char *what, const char *unseen, struct cn_findings *ret)
{
	ret->incomplete = true;
	if (err->errnum == EPERM || err->errnum == EACCES)
		found(ret, CN_FINDING_WARNING, "run this once as the stack's owner", "the credential may not read %s: %s", what,
		      unseen);
	else
		found(ret, CN_FINDING_WARNING, err->hint ? err->hint : "check again", "%s could not be read (%s): %s", what,
		      err->message, unseen);
}

void cn_check_stack(const json_t *stack, struct cn_findings *ret)
{
	int64_t mins = cn_json_int(stack, "timeout_mins", 0);
	const char *status = cn_json_str(stack, "stack_status", "?"),
		   *mend = "openstack stack update --existing --timeout 10080 NAME";
	const json_t *o;
	bool url = false;
	size_t i;

	if (mins <= 0)
		found(ret, CN_FINDING_PROBLEM, mend,
		      "the stack has no timeout_mins: Heat gives a deletion up after its default, an hour if nobody changed it");
	else if (mins < SHORT_MINS)
		found(ret, mins <= HOUR_MINS ? CN_FINDING_PROBLEM : CN_FINDING_WARNING, mend,
		      "Heat gives a deletion up after %" PRId64 " minutes (timeout_mins): will a drain be done by then?", mins);
	else
		found(ret, CN_FINDING_OK, NULL, "Heat gives a drain %" PRId64 " minutes (timeout_mins)", mins);
	if (strstr(status, "IN_PROGRESS") || strstr(status, "FAILED"))
		found(ret, CN_FINDING_WARNING, NULL, "the stack is %s", status);
	json_array_foreach (cn_json_arr(stack, "outputs"), i, o)
		url |= strcmp(cn_json_str(o, "output_key", ""), "scale_storage_dn_url") == 0;
	if (!url)
		found(ret, CN_FINDING_WARNING, "see docs/heat/gate.yaml", "the stack has no output scale_storage_dn_url");
}

static void check_members(struct cn_os *os, const struct cn_members *members, struct cn_findings *ret)
{
	_cleanup_error_ struct cn_error err = {};

	for (size_t i = 0; i < members->n; i++) {
		const struct cn_member *m = &members->v[i];
		_cleanup_json_ json_t *template = NULL;
		bool deleting = strncmp(m->status, "DELETE", 6) == 0; /* by an empty template, which says nothing */

		if (strstr(m->status, "FAILED") || strstr(m->status, "IN_PROGRESS"))
			found(ret, CN_FINDING_WARNING,
			      strstr(m->status, "FAILED") ? "set the group's size to what it shall be, do not call the URL: it "
							    "would take a second node"
							  : NULL,
			      "%s is %s: %s", m->name, m->status, m->reason);
		if (!deleting && !err.errnum && get(os, &m->stack, "template", &template, &err) == 0)
			cn_check_template(template, m->name, ret);
		if (!deleting && !template && !m->gate && !m->deployment)
			found(ret, CN_FINDING_PROBLEM, "update the stack with docs/heat/gate-node.yaml",
			      "%s: no gate and no deployment: a scale-down deletes its server at once", m->name);
	}
	if (members->n == 0)
		found(ret, CN_FINDING_PROBLEM, NULL, "the stack has no members with servers within two levels");
	if (err.errnum)
		not_read(&err, "templates", "the order of deletion was not looked at", ret);
}

static bool same_group(const struct cn_member *a, const struct cn_member *b)
{
	return a->gate && b->gate && a->group && b->group && strcmp(a->group, b->group) == 0;
}

/* The gates' hooks, once for each group. */
static void check_hooks(struct cn_os *os, const struct cn_stack_ref *ref, const struct cn_members *members,
			struct cn_findings *ret)
{
	_cleanup_json_ json_t *environment = NULL;
	_cleanup_error_ struct cn_error err = {};

	for (size_t i = 0; i < members->n; i++) {
		const struct cn_member *m = &members->v[i];
		bool done = !m->gate;

		for (size_t k = 0; k < i && !done; k++)
			done = same_group(m, &members->v[k]);
		if (done)
			continue;
		if (!environment && get(os, ref, "environment", &environment, &err) < 0) {
			not_read(&err, "the environment", "whether the gates have their hook was not looked at", ret);
			return;
		}
		cn_check_environment(environment, m->group, m->group ? NULL : m->name, ret);
	}
}

int cn_heat_check_stack(struct cn_os *os, const char *name, struct cn_members *ret_members, struct cn_findings *ret,
			struct cn_error *err)
{
	_cleanup_(cn_stack_ref_release) struct cn_stack_ref ref = {};
	_cleanup_json_ json_t *stack = NULL;
	int r = cn_stack_find(os, name, &ref, err);

	if (r == 0)
		r = cn_stack_show(os, &ref, &stack, err);
	if (r == 0)
		r = cn_members_get(os, &ref, ret_members, err);
	if (r < 0)
		return r;
	cn_check_credential(cn_os_token_info(os), ret);
	cn_check_stack(stack, ret);
	check_members(os, ret_members, ret);
	check_hooks(os, &ref, ret_members, ret);
	return 0;
}

/* --- the nodes --- */

static void check_node(struct cn_os *os, struct cn_cluster *c, struct cn_kube *kube, const struct cn_member *m,
		       struct cn_match *ret, struct cn_findings *l)
{
	_cleanup_(cn_server_release) struct cn_server server = {};
	_cleanup_error_ struct cn_error err = {};
	_cleanup_free_ char *osds = NULL;
	int r;

	if (m->servers.n != 1) {
		found(l, CN_FINDING_PROBLEM, "one server for each member", "%s has %zu servers", m->name, m->servers.n);
		return;
	}
	r = cn_server_get(os, m->servers.v[0], &server, &err);
	if (r == 0)
		r = cn_match_server(c, kube, &server, -1, ret, &err);
	if (r < 0) {
		found(l, CN_FINDING_PROBLEM, err.hint, "%s: %s", m->name, err.message);
		return;
	}
	osds = cn_ids_format(&ret->osds, "osd.", ", ");
	if (ret->kind == CN_MATCH_NODE)
		found(l, CN_FINDING_OK, NULL, "%s: %s is %s", m->name, ret->addresses, osds);
	else if (ret->kind == CN_MATCH_REMOVED)
		found(l, CN_FINDING_OK, NULL, "%s: %s has no OSDs any more, cephnode has removed them", m->name, ret->addresses);
	else
		found(l, CN_FINDING_PROBLEM,
		      "is the network of the OSDs one of the server's? A server that never had OSDs needs --allow-empty",
		      "%s: no OSD has one of its addresses (%s): its gate would stay closed", m->name, ret->addresses);
}

void cn_heat_check_nodes(struct cn_os *os, struct cn_cluster *c, struct cn_kube *kube, const struct cn_members *members,
			 struct cn_findings *ret)
{
	struct cn_match *matches = cn_calloc(members->n + 1, sizeof(*matches));

	for (size_t i = 0; i < members->n; i++) {
		check_node(os, c, kube, &members->v[i], &matches[i], ret);
		for (size_t k = 0; k < i; k++)
			if (matches[i].osds.n && matches[k].osds.n && matches[i].osds.v[0] == matches[k].osds.v[0])
				found(ret, CN_FINDING_PROBLEM, "give the OSDs' network addresses that no other network has",
				      "%s and %s match the same OSDs", members->v[k].name, members->v[i].name);
	}
	for (size_t i = 0; i < members->n; i++)
		cn_match_release(&matches[i]);
	free(matches);
}

void cn_heat_check_no_ceph(const struct cn_error *why, struct cn_findings *ret)
{
	ret->incomplete = ret->no_ceph = true;
	found(ret, CN_FINDING_PROBLEM, why->hint, "Ceph: %s", why->message);
}
