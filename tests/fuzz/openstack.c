/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What Heat, Nova and Keystone answer. A first byte, '0' and on, chooses the reader, the rest is the answer. */
#include <string.h>

#include "cephnode/heat/check.h"
#include "heat/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_members(const json_t *answer)
{
	struct cn_members members = {};

	cn_members_read(answer, &members);
	for (size_t i = 0; i < members.n; i++)
		if (!members.v[i].name || !members.v[i].stack.name || !members.v[i].stack.id)
			abort();
	cn_members_release(&members);
}

static void read_gate(const json_t *answer)
{
	struct cn_gate gate = {};

	cn_gate_read(answer, &gate);
	if (gate.waits && gate.since_ms < -1)
		abort();
}

static void read_server(const json_t *answer)
{
	struct cn_server server = {};

	cn_server_read(answer, &server);
	for (size_t i = 0; i < server.n_addresses; i++)
		if (!server.addresses[i].family)
			abort();
	cn_server_release(&server);
}

static void read_findings(const json_t *answer)
{
	struct cn_findings findings = {};

	cn_check_environment(answer, "storage", NULL, &findings);
	cn_check_template(answer, "member", &findings);
	cn_check_credential(cn_json_obj(answer, "token"), &findings);
	for (size_t i = 0; i < findings.n; i++)
		if (!findings.v[i].text)
			abort();
	cn_findings_release(&findings);
}

static void read_token(const json_t *answer)
{
	char interface[] = "public", region[] = "RegionOne";
	const struct cn_os_config configs[] = {{.interface = interface}, {.interface = interface, .region = region}};

	for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
		struct cn_os_token token = {};
		struct cn_error err = {};
		int r = cn_os_token_read(answer, &configs[i], &token, &err);

		if ((r < 0) != (err.errnum != 0) || (r < 0 && token.info))
			abort();
		if (r == 0 && (!token.info || !*token.url[CN_OS_HEAT] || !*token.url[CN_OS_NOVA] || token.life_ms < 1000))
			abort();
		cn_os_token_release(&token);
		cn_error_release(&err);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const readers[])(const json_t *) = {read_members, read_gate, read_server, read_findings, read_token};
	_cleanup_json_ json_t *answer = NULL;
	struct cn_stack_ref ref = {};
	_cleanup_free_ char *text = NULL;

	if (size < 1)
		return 0;
	text = cn_strndup((const char *)data + 1, size - 1);
	if (cn_stack_ref_parse(text, &ref) && (strchr(ref.name, '/') || strchr(ref.id, '/')))
		abort();
	cn_stack_ref_release(&ref);
	answer = cn_json_parse((const char *)data + 1, size - 1, NULL);
	if (answer)
		readers[(uint8_t)(data[0] - '0') % ARRAY_SIZE(readers)](answer);
	return 0;
}
