/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stdin of the hook, as heat-config hands it on. Among the inputs is a password, so no message quotes any of it. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "cephnode/base/text.h"
#include "cephnode/heat/hook.h"

#define SECONDS_MAX (366 * 86400)

static int bad(struct cn_error *err, const char *what)
{
	cn_error_set(err, CN_USAGE, EINVAL, "%s", what);
	cn_error_hint(err, "correct the inputs of the deployment; cephnode(1) describes them under HEAT");
	return -EINVAL;
}

/* The input's value; NULL where it is absent, null or empty. heat-config makes "None" of a String without a value. Of two with a
 * name the last counts, as it does for heat-config. */
static const json_t *input(const json_t *inputs, const char *name)
{
	const json_t *found = NULL, *one;
	size_t i;

	json_array_foreach (inputs, i, one)
		if (strcmp(cn_json_str(one, "name", ""), name) == 0)
			found = json_object_get(one, "value");
	if (json_is_null(found))
		return NULL;
	if (json_is_string(found) && (!*json_string_value(found) || strcmp(json_string_value(found), "None") == 0))
		return NULL;
	return found;
}

/* Heat's own inputs decide over data: two that differ, as by an input of the user's with that name, mean nothing. */
static int own_input(const json_t *inputs, const char *name, const char **ret, struct cn_error *err)
{
	const json_t *one;
	size_t i;

	*ret = NULL;
	json_array_foreach (inputs, i, one) {
		const char *value = cn_json_str(one, "value", NULL);

		if (strcmp(cn_json_str(one, "name", ""), name) != 0)
			continue;
		if (!value || !*value || (*ret && strcmp(*ret, value) != 0))
			return cn_error_set(err, CN_USAGE, EINVAL, "the input %s is no text, or has two values", name);
		*ret = value;
	}
	return 0;
}

static int read_seconds(const json_t *inputs, const char *name, int64_t *ret, struct cn_error *err)
{
	const json_t *v = input(inputs, name);
	int64_t n = -1;

	if (!v)
		return 0;
	if (json_is_integer(v))
		n = json_integer_value(v);
	else if (json_is_real(v) && json_real_value(v) == floor(json_real_value(v)) && fabs(json_real_value(v)) <= SECONDS_MAX)
		n = (int64_t)json_real_value(v);
	else if (json_is_string(v) && !cn_parse_int(json_string_value(v), 0, SECONDS_MAX, &n))
		n = -1;
	if (n < 0 || n > SECONDS_MAX) {
		_cleanup_free_ char *what =
			cn_asprintf("the input %s must be a whole number of seconds from 0 to %d", name, SECONDS_MAX);

		return bad(err, what);
	}
	*ret = n;
	return 0;
}

static int read_bool(const json_t *inputs, const char *name, bool *ret, struct cn_error *err)
{
	static const char *const words[][2] = {{"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};
	const json_t *v = input(inputs, name);
	const char *s = json_string_value(v);

	if (!v)
		return 0;
	if (json_is_boolean(v) || (json_is_integer(v) && json_integer_value(v) >> 1 == 0)) {
		*ret = json_is_true(v) || json_integer_value(v) == 1;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(words) && s; i++)
		for (int k = 0; k < 2; k++)
			if (strcasecmp(s, words[i][k]) == 0) {
				*ret = k;
				return 0;
			}
	_cleanup_free_ char *what = cn_asprintf("the input %s must be true or false", name);

	return bad(err, what);
}

static int add_codes(struct cn_strv *ret, const char *list, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv codes = {};

	cn_strv_split(&codes, list, ", ");
	for (size_t i = 0; i < codes.n; i++) {
		const char *c = codes.v[i];

		if (strcmp(c, "existing") != 0 && strspn(c, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != strlen(c))
			return bad(err, "the input accept must be a list of health check codes");
		if (!cn_strv_has(ret, c))
			cn_strv_add(ret, c);
	}
	return 0;
}

/* A String, or the list that a CommaDelimitedList becomes. */
static int read_accept(const json_t *inputs, struct cn_strv *ret, struct cn_error *err)
{
	const json_t *v = input(inputs, "accept"), *one;
	size_t i;
	int r = 0;

	if (!v)
		return 0;
	if (json_is_string(v))
		return add_codes(ret, json_string_value(v), err);
	if (!json_is_array(v))
		return bad(err, "the input accept must be a list of health check codes");
	json_array_foreach (v, i, one)
		if (r == 0)
			r = json_is_string(one) ? add_codes(ret, json_string_value(one), err)
						: bad(err, "the input accept must be a list of health check codes");
	return r;
}

/* What Heat does with a resource. A word that it does not know may mean anything: success would delete the server. */
static int read_action(const json_t *inputs, bool *ret_drain, struct cn_error *err)
{
	static const char *const others[] = {"CREATE", "UPDATE",  "SUSPEND",  "RESUME", "INIT",
					     "ADOPT",  "RESTORE", "SNAPSHOT", "CHECK",  "ROLLBACK"};
	const char *action;
	int r = own_input(inputs, "deploy_action", &action, err);

	if (r < 0)
		return r;
	if (!action)
		return bad(err, "there is no input deploy_action: heat-config runs this hook, with a deployment on stdin");
	*ret_drain = strcmp(action, "DELETE") == 0;
	for (size_t i = 0; i < ARRAY_SIZE(others) && !*ret_drain; i++)
		if (strcmp(action, others[i]) == 0)
			return 0;
	return *ret_drain ? 0 : bad(err, "the input deploy_action is no action of Heat's");
}

/* "2026-11-22T11:07:33Z" */
static int64_t creation_of(const json_t *deployment)
{
	const char *s = cn_json_str(deployment, "creation_time", "");
	_cleanup_free_ char *stamp = cn_asprintf("%.*s.000Z", (int)strcspn(s, "Z"), s);

	return cn_time_parse(stamp);
}

int cn_hook_request_read(const char *text, size_t len, struct cn_hook_request *ret, struct cn_error *err)
{
	_cleanup_json_ json_t *j = json_loadb(text, len, 0, NULL); /* jansson's own message quotes the text */
	const json_t *inputs = json_object_get(j, "inputs");
	struct cn_hook_request q = {};
	const char *server;
	int r;

	if (!json_is_object(j) || !json_is_array(inputs))
		return bad(err, "stdin is no JSON object with inputs: heat-config runs this hook, with a deployment on stdin");
	r = read_action(inputs, &q.drain, err);
	if (r < 0)
		return r;
	if (q.drain) {
		r = own_input(inputs, "deploy_server_id", &server, err);
		if (r == 0)
			r = read_seconds(inputs, "stall_timeout", &q.stall_timeout_s, err);
		if (r == 0)
			r = read_seconds(inputs, "timeout", &q.timeout_s, err);
		if (r == 0)
			r = read_bool(inputs, "allow_empty", &q.allow_empty, err);
		if (r == 0)
			r = read_accept(inputs, &q.accept, err);
		if (r == 0 && server)
			q.server_id = cn_strdup(server);
		q.created_ms = creation_of(j);
	}
	if (r < 0) {
		cn_hook_request_release(&q);
		return r;
	}
	*ret = q;
	return 0;
}

void cn_hook_request_release(struct cn_hook_request *r)
{
	free(r->server_id);
	cn_strv_release(&r->accept);
	*r = (struct cn_hook_request){};
}
