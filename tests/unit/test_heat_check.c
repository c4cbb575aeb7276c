/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `heat check`: templates, environments, times and credentials. */
#include "unit.h"

#include <stdio.h>

#include "cephnode/base/yaml.h"
#include "cephnode/heat/check.h"

static char *file(const char *path)
{
	char *text = cn_calloc(1, 1 << 16);
	FILE *f = fopen(path, "r");

	if (!f)
		fail_msg("cannot open %s", path);
	assert_true(fread(text, 1, (1 << 16) - 1, f) > 0);
	fclose(f);
	return text;
}

/* The token of a recorded login: new reference. */
static json_t *login(const char *name)
{
	_cleanup_free_ char *path = cn_asprintf("../heat/fixtures/keystone/%s.http", name), *text = file(path);
	const char *body = strstr(text, "{\"token\"");
	json_t *doc;

	assert_non_null(body);
	doc = json_loads(body, 0, NULL);
	assert_non_null(doc);
	return doc;
}

static json_t *parsed(const char *text)
{
	_cleanup_free_ char *s = cn_strdup(text);
	json_t *j;

	for (char *c = s; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	j = json_loads(s, 0, NULL);
	if (!j)
		fail_msg("no JSON: %s", s);
	return j;
}

/* The one finding, or none (text NULL). */
static void assert_finding(struct cn_findings *l, enum cn_finding_level level, const char *text)
{
	if (l->n != (text ? 1 : 0))
		fail_msg("%zu findings, the last: %s", l->n, l->n ? l->v[l->n - 1].text : "-");
	if (text) {
		assert_int_equal(l->v[0].level, level);
		assert_has(l->v[0].text, text);
	}
	cn_findings_release(l);
}

static void test_environments(void **state _unused_)
{
	static const struct {
		const char *json;
		enum cn_finding_level level;
		const char *text;
	} all[] = {
		{"{'resource_registry':{'resources':{'storage':{'*':{'drain':{'hooks':'pre-delete'}}}}}}", CN_FINDING_OK,
		 "on the gate"},
		{"{'resource_registry':{'resources':{'storage':{'*':{'drain':{'hooks':['pre-create','pre-delete']}}}}}}",
		 CN_FINDING_OK, "on the gate"},
		{"{'resource_registry':{'resources':{'storage':{'*':{'hooks':'pre-delete'}}}}}", CN_FINDING_PROBLEM,
		 "members themselves"},
		{"{'resource_registry':{'resources':{'storage':{'hooks':'pre-delete'}}}}", CN_FINDING_PROBLEM, "on the group"},
		{"{'resource_registry':{'resources':{'storage':{'*':{'drain':{'hooks':'pre-update'}}}}}}", CN_FINDING_PROBLEM,
		 "no pre-delete hook"},
		/* patterns, as Heat takes them; other groups and members say nothing */
		{"{'resource_registry':{'resources':{'st*':{'*':{'dr*':{'hooks':'pre-delete'}}}}}}", CN_FINDING_OK,
		 "on the gate"},
		{"{'resource_registry':{'resources':{'*':{'*':{'*':{'hooks':'pre-delete'}}}}}}", CN_FINDING_OK, "on the gate"},
		{"{'resource_registry':{'resources':{'compute':{'*':{'drain':{'hooks':'pre-delete'}}}}}}", CN_FINDING_PROBLEM,
		 "no pre-delete hook"},
		{"{'resource_registry':{'resources':{'storage':{'m1':{'drain':{'hooks':'pre-delete'}}}}}}", CN_FINDING_PROBLEM,
		 "each member of 'storage'"},
		{"{'resource_registry':{'resources':{'storage':{'*':{'*':{'drain':{'hooks':'pre-delete'}}}}}}}",
		 CN_FINDING_PROBLEM, "no pre-delete hook"},
		{"{}", CN_FINDING_PROBLEM, "no pre-delete hook"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		_cleanup_json_ json_t *j = parsed(all[i].json);
		struct cn_findings l = {};

		cn_check_environment(j, "storage", NULL, &l);
		assert_finding(&l, all[i].level, all[i].text);
	}
}

/* Of one member: a pattern for it will do, one for another member will not. */
static void test_environment_of_one(void **state _unused_)
{
	_cleanup_json_ json_t *j =
		parsed("{'resource_registry':{'resources':{'storage':{'m1':{'drain':{'hooks':'pre-delete'}}}}}}");
	_cleanup_json_ json_t *flat = parsed("{'resource_registry':{'resources':{'node?':{'drain':{'hooks':'pre-delete'}}}}}");
	struct cn_findings l = {};

	cn_check_environment(j, "storage", "m1", &l);
	assert_finding(&l, CN_FINDING_OK, "on the gate of member 'm1' of 'storage'");
	cn_check_environment(j, "storage", "m2", &l);
	assert_finding(&l, CN_FINDING_PROBLEM, "no pre-delete hook on the gate of member 'm2'");
	cn_check_environment(j, "other", "m1", &l);
	assert_finding(&l, CN_FINDING_PROBLEM, "no pre-delete hook");
	cn_check_environment(flat, NULL, "node1", &l); /* a member of no group */
	assert_finding(&l, CN_FINDING_OK, "on the gate of node1");
	cn_check_environment(flat, "storage", "node1", &l);
	assert_finding(&l, CN_FINDING_PROBLEM, "no pre-delete hook");
}

static void test_templates(void **state _unused_)
{
#define SERVER SERVED("'user_data_format':'SOFTWARE_CONFIG','software_config_transport':'POLL_SERVER_HEAT'")
#define SERVED(properties) "'server':{'type':'OS::Nova::Server','properties':{" properties "}}"
#define VALUE "'properties':{'value':{'get_resource':'server'}}"
#define GATE SERVER ",'drain':{'type':'OS::Heat::Value'," VALUE ",'depends_on':"
#define VOLUME "'a':{'type':'OS::Cinder::VolumeAttachment'}"
#define CONFIG(group) "'c':{'type':'OS::Heat::SoftwareConfig','properties':{'group':'" group "'}}"
#define DEPLOYMENT "'d':{'type':'OS::Heat::SoftwareDeployment','properties':{'config':{'get_resource':'c'},"
#define UNKNOWN "'e':{'type':'OS::Heat::SoftwareDeployment','properties':{'config':{'get_param':'c'},"
#define GOOD "'actions':['DELETE'],'signal_transport':'HEAT_SIGNAL',"
#define ITS "'server':{'get_resource':'server'}}"
	static const struct {
		const char *json;
		enum cn_finding_level level;
		const char *text;
	} all[] = {
		{"{'resources':{" GATE "['a']}," VOLUME "}}", CN_FINDING_OK, NULL},
		{"{'resources':{" GATE "'a'}," VOLUME "}}", CN_FINDING_OK, NULL},
		{"{'resources':{" GATE "['b']}," VOLUME "}}", CN_FINDING_PROBLEM, "'a' (OS::Cinder::VolumeAttachment)"},
		{"{'resources':{" GATE "[]},'p':{'type':'OS::Neutron::Port'}}}", CN_FINDING_WARNING, "'p' (OS::Neutron::Port)"},
		/* a gate that the server does not wait for */
		{"{'resources':{" SERVER ",'drain':{'type':'OS::Heat::Value'}}}", CN_FINDING_PROBLEM, "is not the server"},
		{"{'resources':{" SERVER ",'drain':{'type':'OS::Heat::Value','properties':{'value':'x'}}}}", CN_FINDING_PROBLEM,
		 "is not the server"},
		{"{'resources':{'drain':{'type':'OS::Heat::Value'," VALUE "}}}", CN_FINDING_PROBLEM, "is not the server"},
		{"{'resources':{'server':{'type':'OS::Heat::None'},'drain':{'type':'OS::Heat::Value'," VALUE "}}}",
		 CN_FINDING_PROBLEM, "is not the server"},
		/* other deployments beside a gate are nobody's business */
		{"{'resources':{" GATE "[]}," CONFIG("script") "," DEPLOYMENT "'actions':['CREATE']}}}}", CN_FINDING_OK, NULL},
		{"{'resources':{" GATE "[]}," UNKNOWN "'actions':['DELETE']}}}}", CN_FINDING_OK, NULL},
		/* without a gate there must be one of ours */
		{"{'resources':{" SERVER "," CONFIG("cephnode") "," DEPLOYMENT GOOD ITS "}}}", CN_FINDING_OK, NULL},
		{"{'resources':{" SERVER "," UNKNOWN GOOD ITS "}}}", CN_FINDING_OK, NULL},
		{"{'resources':{" SERVER "," CONFIG("cephnode") "," DEPLOYMENT GOOD ITS "}," UNKNOWN "'actions':['CREATE']}}}}",
		 CN_FINDING_OK, NULL},
		{"{'resources':{" SERVER "," CONFIG("script") "," DEPLOYMENT GOOD ITS "}}}", CN_FINDING_PROBLEM,
		 "no deployment of the group"},
		{"{'resources':{" UNKNOWN "'signal_transport':'HEAT_SIGNAL'}}}}", CN_FINDING_PROBLEM,
		 "no deployment of the group"},
		{"{'resources':{" SERVER "," UNKNOWN "'actions':['DELETE']," ITS "}}}", CN_FINDING_PROBLEM, "CFN_SIGNAL"},
		{"{'resources':{" SERVER "," CONFIG(
			 "cephnode") "," DEPLOYMENT "'actions':['DELETE','UPDATE'],'signal_transport':'HEAT_SIGNAL'," ITS "}}}",
		 CN_FINDING_PROBLEM, "other actions"},
		{"{'resources':{" SERVER "," CONFIG("cephnode") "," DEPLOYMENT "'signal_transport':'HEAT_SIGNAL'," ITS "}}}",
		 CN_FINDING_PROBLEM, "does not run"},
		/* whatever it is called, volumes wait for it, and the server does */
		{"{'resources':{" SERVER "," VOLUME "," CONFIG("cephnode") "," DEPLOYMENT GOOD ITS "}}}", CN_FINDING_PROBLEM,
		 "at the same time as 'd'"},
		{"{'resources':{" SERVER "," VOLUME "," CONFIG("cephnode") "," DEPLOYMENT GOOD ITS ",'depends_on':['a']}}}",
		 CN_FINDING_OK, NULL},
		{"{'resources':{" GATE "['a']}," VOLUME "," CONFIG("cephnode") "," DEPLOYMENT GOOD ITS "}}}", CN_FINDING_PROBLEM,
		 "at the same time as 'd'"},
		{"{'resources':{" SERVER "," CONFIG("cephnode") "," DEPLOYMENT GOOD "'server':{'get_param':'s'}}}}}",
		 CN_FINDING_PROBLEM, "the server of 'd' is not"},
		{"{'resources':{" CONFIG("cephnode") "," DEPLOYMENT GOOD ITS "}}}", CN_FINDING_PROBLEM,
		 "the server of 'd' is not"},
		/* nothing waits for an answer, or nobody hears the question */
		{"{'resources':{" SERVER "," UNKNOWN "'actions':['DELETE'],'signal_transport':'NO_SIGNAL'," ITS "}}}",
		 CN_FINDING_PROBLEM, "Heat does not wait for it"},
		{"{'resources':{" SERVED("") "," UNKNOWN GOOD ITS "}}}", CN_FINDING_PROBLEM,
		 "is HEAT_CFNTOOLS: it never hears of 'e'"},
		{"{'resources':{" SERVED("'user_data_format':'RAW'") "," UNKNOWN GOOD ITS "}}}", CN_FINDING_PROBLEM, "is RAW"},
		{"{'resources':{" SERVED("'user_data_format':{'get_param':'f'}") "," UNKNOWN GOOD ITS "}}}", CN_FINDING_WARNING,
		 "cannot be read"},
		{"{'resources':{" SERVED("'user_data_format':'SOFTWARE_CONFIG'") "," UNKNOWN GOOD ITS "}}}", CN_FINDING_WARNING,
		 "POLL_SERVER_CFN"},
		{"{'resources':{'server':{'type':'OS::Nova::Server'},'drain':{'type':'OS::Heat::Value'," VALUE "}}}",
		 CN_FINDING_OK, NULL}, /* a gate asks nothing of the server */
		{"{'resources':[]}", CN_FINDING_PROBLEM, "no gate and no deployment"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		_cleanup_json_ json_t *j = parsed(all[i].json);
		struct cn_findings l = {};

		cn_check_template(j, "m1", &l);
		assert_finding(&l, all[i].level, all[i].text);
	}
}

/* A file of docs/heat: new reference. */
static json_t *documented(const char *name)
{
	_cleanup_free_ char *path = cn_asprintf("../../docs/heat/%s", name), *text = file(path);
	_cleanup_error_ struct cn_error err = {};
	json_t *j = cn_yaml_parse(text, strlen(text), &err);

	if (!j)
		fail_msg("%s: %s", path, err.message);
	return j;
}

/* What the pages tell people to copy passes, and without the lines that matter it does not. */
static void test_documented(void **state _unused_)
{
	static const struct {
		const char *file, *resource, *property, *text; /* property: that is taken away */
	} all[] = {
		{"gate-node.yaml", NULL, NULL, NULL},
		{"gate-node.yaml", "drain", "depends_on", "'data_attachment' (OS::Cinder::VolumeAttachment)"},
		{"gate-node.yaml", "drain", "value", "is not the server"},
		{"hook-node.yaml", NULL, NULL, NULL},
		{"hook-node.yaml", "drain", "depends_on", "'data_attachment' (OS::Cinder::VolumeAttachment)"},
		{"hook-node.yaml", "drain", "actions", "does not run when the node is deleted"},
		{"hook-node.yaml", "drain", "signal_transport", "CFN_SIGNAL"},
		{"hook-node.yaml", "drain", "server", "is not that of its template"},
		{"hook-node.yaml", "server", "user_data_format", "it never hears of 'drain'"},
		{"hook-node.yaml", "drain_config", "group", "no deployment of the group cephnode"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		_cleanup_json_ json_t *j = documented(all[i].file);
		json_t *r = all[i].resource ? cn_json_obj(cn_json_obj(j, "resources"), all[i].resource) : NULL;
		struct cn_findings l = {};

		if (r)
			assert_true(json_object_del(r, all[i].property) == 0 ||
				    json_object_del(cn_json_obj(r, "properties"), all[i].property) == 0);
		cn_check_template(j, "m1", &l);
		assert_finding(&l, CN_FINDING_PROBLEM, all[i].text);
	}
}

static void test_documented_environment(void **state _unused_)
{
	_cleanup_json_ json_t *j = documented("gate-env.yaml");
	json_t *group = cn_json_obj(cn_json_obj(cn_json_obj(j, "resource_registry"), "resources"), "storage");
	struct cn_findings l = {};

	cn_check_environment(j, "storage", NULL, &l);
	assert_finding(&l, CN_FINDING_OK, "on the gate");
	assert_int_equal(json_object_del(cn_json_obj(cn_json_obj(group, "*"), "drain"), "hooks"), 0);
	cn_check_environment(j, "storage", NULL, &l);
	assert_finding(&l, CN_FINDING_PROBLEM, "no pre-delete hook");
}

/* None is Heat's default, an hour: to say an hour is no better. */
static void test_time(void **state _unused_)
{
	static const struct {
		const char *mins;
		enum cn_finding_level level;
		const char *text;
	} all[] = {{"null", CN_FINDING_PROBLEM, "no timeout_mins"},    {"1", CN_FINDING_PROBLEM, "after 1 minutes"},
		   {"60", CN_FINDING_PROBLEM, "after 60 minutes"},     {"61", CN_FINDING_WARNING, "after 61 minutes"},
		   {"1439", CN_FINDING_WARNING, "after 1439 minutes"}, {"1440", CN_FINDING_OK, "a drain 1440 minutes"}};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		_cleanup_free_ char *text = cn_asprintf("{'timeout_mins':%s,'stack_status':'CREATE_COMPLETE',"
							"'outputs':[{'output_key':'scale_storage_dn_url'}]}",
							all[i].mins);
		_cleanup_json_ json_t *stack = parsed(text);
		struct cn_findings l = {};

		cn_check_stack(stack, &l);
		assert_finding(&l, all[i].level, all[i].text);
	}
}

/* A node's own user, whose login stands in its user data: it may not do what the agent must. */
static void test_credential_of_a_node(void **state _unused_)
{
	_cleanup_json_ json_t *doc = login("login-stack-user-201");
	struct cn_findings l = {};

	cn_check_credential(cn_json_obj(doc, "token"), &l);
	assert_true(l.n > 0 && l.v[0].level == CN_FINDING_PROBLEM);
	assert_has(l.v[0].text, "no role that may open a gate");
	cn_findings_release(&l);
}

static void test_credentials(void **state _unused_)
{
	_cleanup_json_ json_t *doc = login("login-application-credential-201"), *plain = parsed("{'roles':[{'name':'member'}]}"),
			      *reader = parsed("{'roles':[{'name':'reader'}],"
					       "'application_credential':{'access_rules':[]}}");
	json_t *token = cn_json_obj(doc, "token");
	struct cn_findings l = {};

	assert_non_null(token);
	cn_check_credential(token, &l);
	assert_finding(&l, CN_FINDING_OK, "no more");
	json_array_remove(cn_json_arr(cn_json_obj(token, "application_credential"), "access_rules"), 0);
	cn_check_credential(token, &l);
	assert_finding(&l, CN_FINDING_PROBLEM, "GET .../servers/* of compute");
	cn_check_credential(plain, &l);
	assert_finding(&l, CN_FINDING_WARNING, "password");
	cn_check_credential(reader, &l);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.v[0].level, CN_FINDING_PROBLEM);
	cn_findings_release(&l);
}

/* As Keystone takes them: patterns, and the project is part of the path. */
static void test_access_rules(void **state _unused_)
{
#define HEAT(path) "{'service':'orchestration','method':'GET','path':'" path "'},"
#define SIGNAL(p) "{'service':'orchestration','method':'POST','path':'/v1/" p "/stacks/*/*/resources/drain/signal'},"
#define NOVA "{'service':'compute','method':'GET','path':'/v2.1/servers/{server_id}'}"
#define SHOW(p) HEAT("/v1/" p "/stacks/*") HEAT("/v1/" p "/stacks/*/*")
#define ALL(p)                                                                                                                   \
	SHOW(p)                                                                                                                  \
	HEAT("/v1/" p "/stacks/*/*/resources")                                                                                   \
	HEAT("/v1/" p "/stacks/*/*/resources/drain") HEAT("/v1/" p "/stacks/*/*/resources/drain/events")
	static const struct {
		const char *rules;
		enum cn_finding_level level;
		const char *text;
		size_t n;
	} all[] = {
		{ALL("p1") SIGNAL("p1") NOVA, CN_FINDING_OK, "no more", 1},
		{HEAT("/v1/p1/stacks/**") SIGNAL("p1") NOVA, CN_FINDING_WARNING, "allow more", 1},
		{HEAT("/v1/p1/**") SIGNAL("p1") NOVA, CN_FINDING_WARNING, "allow more", 1},
		{HEAT("/**") SIGNAL("*") NOVA, CN_FINDING_WARNING, "allow more", 1},
		{SHOW("p1") HEAT("/v1/p1/stacks/*/*/**") SIGNAL("p1") NOVA, CN_FINDING_WARNING, "allow more", 1},
		{ALL("p1") SIGNAL("p1") HEAT("/v1/p1/software_configs") NOVA, CN_FINDING_WARNING, "allow more", 1},
		/* one segment is not two; another project, or its name, is not this one */
		{HEAT("/v1/p1/stacks/*") SIGNAL("p1") NOVA, CN_FINDING_PROBLEM, "GET .../stacks/*/* of", 4},
		{ALL("p1") SIGNAL("p2") NOVA, CN_FINDING_PROBLEM, "POST .../stacks/*/*/resources/drain/signal of", 1},
		{ALL("p2") SIGNAL("p2") NOVA, CN_FINDING_PROBLEM, "GET .../stacks/* of", 6},
		{HEAT("/v1/p2/stacks/**") SIGNAL("xp1") NOVA, CN_FINDING_PROBLEM, "GET .../stacks/* of", 6},
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		_cleanup_free_ char *text = cn_asprintf("{'roles':[{'name':'member'}],'catalog':["
							"{'type':'orchestration','endpoints':[{'url':'http://h/heat/v1/p1'}]},"
							"{'type':'compute','endpoints':[{'url':'http://h:8774/v2.1/'}]}],"
							"'application_credential':{'access_rules':[%s]}}",
							all[i].rules);
		_cleanup_json_ json_t *token = parsed(text);
		struct cn_findings l = {};

		cn_check_credential(token, &l);
		if (l.n != all[i].n)
			fail_msg("%zu: %zu findings, the first: %s", i, l.n, l.n ? l.v[0].text : "-");
		assert_int_equal(l.v[0].level, all[i].level);
		assert_has(l.v[0].text, all[i].text);
		cn_findings_release(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_environments),
		cmocka_unit_test(test_environment_of_one),
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_documented),
		cmocka_unit_test(test_documented_environment),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_credentials),
		cmocka_unit_test(test_access_rules),
		cmocka_unit_test(test_credential_of_a_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
