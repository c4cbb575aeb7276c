/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/heat/stack.h"

#include <errno.h>
#include <string.h>

#include "heat/stamp.h"

#define PAUSED "DELETE paused until Hook pre-delete is cleared"

/* --- names --- */

void cn_stack_ref_release(struct cn_stack_ref *s)
{
	free(s->name);
	free(s->id);
	*s = (struct cn_stack_ref){};
}

/* Names of stacks and ids are of these alone, so nothing here can lead to another path. */
static size_t word(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.");

	return s[0] == '.' ? 0 : n;
}

static bool is_word(const char *s)
{
	return s && *s && word(s) == strlen(s);
}

bool cn_stack_ref_parse(const char *url, struct cn_stack_ref *ret)
{
	const char *name = url ? strstr(url, "/stacks/") : NULL, *id;
	size_t n, k;

	if (!name)
		return false;
	name += strlen("/stacks/");
	n = word(name);
	if (!n || name[n] != '/')
		return false;
	id = name + n + 1;
	k = word(id);
	if (!k || (id[k] && id[k] != '/' && id[k] != '?'))
		return false;
	*ret = (struct cn_stack_ref){cn_strndup(name, n), cn_strndup(id, k)};
	return true;
}

/* --- the stack --- */

static int no_answer(struct cn_error *err, const char *who, const char *what)
{
	return cn_error_set(err, CN_FAILED, EBADMSG, "%s's answer has no %s", who, what);
}

int cn_stack_find(struct cn_os *os, const char *name, struct cn_stack_ref *ret, struct cn_error *err)
{
	_cleanup_(cn_os_answer_release) struct cn_os_answer a = {};
	_cleanup_free_ char *path = cn_asprintf("/stacks/%s", name);
	const json_t *stack;
	int r;

	if (!is_word(name))
		return cn_error_set(err, CN_USAGE, EINVAL, "'%s' cannot be the name of a stack", name);
	r = cn_os_request(os, CN_OS_HEAT, "GET", path, NULL, &a, err);
	if (r == -ENOENT) {
		cn_error_set(err, CN_NOT_FOUND, ENOENT, "there is no stack '%s' in this project", name);
		cn_error_hint(err, "see: openstack stack list");
	}
	if (r < 0)
		return r;
	if (a.location)
		return cn_stack_ref_parse(a.location, ret) ? 0 : no_answer(err, "Heat", "stack");
	stack = cn_json_obj(a.json, "stack");
	if (!is_word(cn_json_str(stack, "stack_name", "")) || !is_word(cn_json_str(stack, "id", "")))
		return no_answer(err, "Heat", "stack");
	*ret = (struct cn_stack_ref){cn_strdup(cn_json_str(stack, "stack_name", "")), cn_strdup(cn_json_str(stack, "id", ""))};
	return 0;
}

int cn_stack_show(struct cn_os *os, const struct cn_stack_ref *s, json_t **ret, struct cn_error *err)
{
	_cleanup_(cn_os_answer_release) struct cn_os_answer a = {};
	_cleanup_free_ char *path = cn_asprintf("/stacks/%s/%s", s->name, s->id);
	int r = cn_os_request(os, CN_OS_HEAT, "GET", path, NULL, &a, err);

	if (r < 0)
		return r;
	if (!cn_json_obj(a.json, "stack"))
		return no_answer(err, "Heat", "stack");
	*ret = json_incref(cn_json_obj(a.json, "stack"));
	return 0;
}

/* --- members --- */

static void member_release(struct cn_member *m)
{
	cn_stack_ref_release(&m->stack);
	cn_stack_ref_release(&m->in);
	free(m->group);
	free(m->name);
	free(m->status);
	free(m->reason);
	cn_strv_release(&m->servers);
}

void cn_members_release(struct cn_members *l)
{
	for (size_t i = 0; i < l->n; i++)
		member_release(&l->v[i]);
	free(l->v);
	*l = (struct cn_members){};
}

bool cn_member_is(const struct cn_member *m, const char *status)
{
	return strcmp(m->status, status) == 0;
}

bool cn_stack_of(const json_t *resource, struct cn_stack_ref *ret)
{
	const json_t *link;
	size_t i;

	json_array_foreach (cn_json_arr(resource, "links"), i, link)
		if (strcmp(cn_json_str(link, "rel", ""), "stack") == 0)
			return cn_stack_ref_parse(cn_json_str(link, "href", NULL), ret);
	return false;
}

/* The resource that is this nested stack in the stack above it. */
static const json_t *owner_of(const json_t *resources, const char *stack_id)
{
	const json_t *r;
	size_t i;

	json_array_foreach (resources, i, r)
		if (strcmp(cn_json_str(r, "physical_resource_id", ""), stack_id) == 0)
			return r;
	return NULL;
}

static char *name_of(const json_t *resource)
{
	const char *name = cn_json_str(resource, "resource_name", NULL);

	return name ? cn_strdup(name) : NULL;
}

/* The member whose stack this is, made if it is new; takes over the stack's name. NULL for the stack that was asked for, which
 * nothing owns. */
static struct cn_member *member_of(struct cn_members *l, const json_t *resources, struct cn_stack_ref *stack)
{
	const json_t *owner = owner_of(resources, stack->id);
	struct cn_member *m;

	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->v[i].stack.id, stack->id) == 0)
			return &l->v[i];
	if (!owner)
		return NULL;
	l->v = cn_realloc(l->v, l->n + 1, sizeof(*l->v));
	m = &l->v[l->n++];
	*m = (struct cn_member){
		.stack = *stack,
		.name = cn_strdup(cn_json_str(owner, "resource_name", "?")),
		.status = cn_strdup(cn_json_str(owner, "resource_status", "?")),
		.reason = cn_strdup(cn_json_str(owner, "resource_status_reason", "")),
	};
	*stack = (struct cn_stack_ref){};
	if (cn_stack_of(owner, &m->in))
		m->group = name_of(owner_of(resources, m->in.id));
	return m;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct cn_member *)a)->name, ((const struct cn_member *)b)->name);
}

void cn_members_read(const json_t *answer, struct cn_members *ret)
{
	const json_t *resources = cn_json_arr(answer, "resources"), *r;
	struct cn_members l = {};
	size_t i;

	json_array_foreach (resources, i, r) {
		_cleanup_(cn_stack_ref_release) struct cn_stack_ref stack = {};
		const char *type = cn_json_str(r, "resource_type", ""), *id = cn_json_str(r, "physical_resource_id", "");
		bool server = strcmp(type, "OS::Nova::Server") == 0;
		bool gate = strcmp(type, "OS::Heat::Value") == 0 && strcmp(cn_json_str(r, "resource_name", ""), CN_GATE) == 0;
		bool deployment = strcmp(type, "OS::Heat::SoftwareDeployment") == 0;
		struct cn_member *m;

		if ((!server && !gate && !deployment) || !cn_stack_of(r, &stack))
			continue;
		m = member_of(&l, resources, &stack);
		if (m && gate)
			m->gate = true;
		else if (m && deployment)
			m->deployment = true;
		else if (m && is_word(id))
			cn_strv_add(&m->servers, id);
	}
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_name);
	*ret = l;
}

int cn_members_get(struct cn_os *os, const struct cn_stack_ref *s, struct cn_members *ret, struct cn_error *err)
{
	_cleanup_(cn_os_answer_release) struct cn_os_answer a = {};
	_cleanup_free_ char *path = cn_asprintf("/stacks/%s/%s/resources?nested_depth=2", s->name, s->id);
	int r = cn_os_request(os, CN_OS_HEAT, "GET", path, NULL, &a, err);

	if (r == -ENOENT)
		cn_error_hint(
			err,
			"if the stack is there, Heat cannot list it: see heat-engine's log (a cancel in the first seconds of a "
			"scale-down does that). A node can be drained by hand: cephnode drain ADDRESS; then openstack stack "
			"hook clear --pre-delete lets it go");
	if (r < 0)
		return r;
	if (!json_is_array(json_object_get(a.json, "resources")))
		return no_answer(err, "Heat", "resources");
	cn_members_read(a.json, ret);
	return 0;
}

/* --- gates --- */

static char *gate_path(const struct cn_member *m, const char *what)
{
	return cn_asprintf("/stacks/%s/%s/resources/" CN_GATE "%s", m->stack.name, m->stack.id, what);
}

void cn_gate_read(const json_t *answer, struct cn_gate *ret)
{
	const json_t *newest = json_array_get(cn_json_arr(answer, "events"), 0);

	*ret = (struct cn_gate){
		.waits = strcmp(cn_json_str(newest, "resource_name", ""), CN_GATE) == 0 &&
			 strcmp(cn_json_str(newest, "resource_status_reason", ""), PAUSED) == 0,
		.since_ms = cn_os_time(cn_json_str(newest, "event_time", NULL)),
	};
}

int cn_gate_get(struct cn_os *os, const struct cn_member *m, struct cn_gate *ret, struct cn_error *err)
{
	_cleanup_(cn_os_answer_release) struct cn_os_answer a = {};
	_cleanup_free_ char *path = gate_path(m, "/events?sort_dir=desc&limit=20");
	int r = cn_os_request(os, CN_OS_HEAT, "GET", path, NULL, &a, err);

	if (r < 0)
		return r;
	if (!json_is_array(json_object_get(a.json, "events")))
		return no_answer(err, "Heat", "events");
	cn_gate_read(a.json, ret);
	return 0;
}

int cn_gate_server(struct cn_os *os, const struct cn_member *m, char **ret, struct cn_error *err)
{
	_cleanup_(cn_os_answer_release) struct cn_os_answer a = {};
	_cleanup_free_ char *path = gate_path(m, "");
	const char *id;
	int r = cn_os_request(os, CN_OS_HEAT, "GET", path, NULL, &a, err);

	if (r < 0)
		return r;
	id = cn_json_str(cn_json_obj(cn_json_obj(a.json, "resource"), "attributes"), "value", "");
	if (!cn_strv_has(&m->servers, id)) {
		cn_error_set(err, CN_REFUSED, EXDEV, "the gate of %s names '%s', which is no server of its own stack", m->name,
			     id);
		cn_error_hint(err, "the template must say: " CN_GATE
				   ": {type: OS::Heat::Value, properties: {value: {get_resource: server}}}");
		return -EXDEV;
	}
	*ret = cn_strdup(id);
	return 0;
}

/* 400: the deletion has begun, which is what was wanted, or Heat has given it up; 404: all of it is gone. The next look tells. */
int cn_gate_open(struct cn_os *os, const struct cn_member *m, struct cn_error *err)
{
	_cleanup_json_ json_t *body = json_pack("{ss}", "unset_hook", "pre-delete");
	_cleanup_free_ char *path = gate_path(m, "/signal");
	int r = cn_os_request(os, CN_OS_HEAT, "POST", path, body, NULL, err);

	if (r != -EINVAL && r != -ENOENT)
		return r;
	cn_error_release(err);
	return 0;
}

/* --- Nova --- */

void cn_server_release(struct cn_server *s)
{
	free(s->id);
	free(s->addresses);
	*s = (struct cn_server){};
}

void cn_server_read(const json_t *answer, struct cn_server *ret)
{
	const json_t *server = cn_json_obj(answer, "server"), *network, *a;
	const char *name;
	size_t i;

	*ret = (struct cn_server){
		.id = cn_strdup(cn_json_str(server, "id", "")),
		.created_ms = cn_os_time(cn_json_str(server, "created", NULL)),
	};
	json_object_foreach (cn_json_obj(server, "addresses"), name, network) {
		if (!json_is_array(network))
			continue;
		json_array_foreach (network, i, a) {
			struct cn_ip ip;

			if (!cn_ip_parse(cn_json_str(a, "addr", ""), &ip))
				continue;
			ret->addresses = cn_realloc(ret->addresses, ret->n_addresses + 1, sizeof(ip));
			ret->addresses[ret->n_addresses++] = ip;
		}
	}
}

int cn_server_get(struct cn_os *os, const char *id, struct cn_server *ret, struct cn_error *err)
{
	_cleanup_(cn_os_answer_release) struct cn_os_answer a = {};
	_cleanup_free_ char *path = cn_asprintf("/servers/%s", id);
	int r;

	if (!is_word(id))
		return cn_error_set(err, CN_REFUSED, EINVAL, "'%s' is no server's id", id);
	r = cn_os_request(os, CN_OS_NOVA, "GET", path, NULL, &a, err);
	if (r == -ENOENT)
		return cn_error_set(err, CN_NOT_FOUND, ENOENT, "Nova does not know the server %s (any more)", id);
	if (r < 0)
		return r;
	cn_server_read(a.json, ret);
	if (strcmp(ret->id, id) == 0)
		return 0;
	cn_server_release(ret);
	return no_answer(err, "Nova", "such server");
}
