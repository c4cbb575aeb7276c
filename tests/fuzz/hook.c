/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A deployment as heat-config gives it to the hook, and the answer to one that cannot be read: one line of JSON with a code. */
#include <string.h>

#include "cephnode/heat/hook.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_answer(const struct cn_error *err)
{
	struct cn_hook_answer a = {};
	_cleanup_json_ json_t *j = NULL;
	_cleanup_free_ char *line = NULL;

	cn_hook_answer_error(&a, err);
	line = cn_hook_answer_format(&a);
	j = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	if (!j || strchr(line, '\n') != line + strlen(line) - 1 || cn_json_int(j, "deploy_status_code", 0) == 0)
		abort();
	cn_hook_answer_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cn_hook_request request = {};
	struct cn_error err = {};
	int r = cn_hook_request_read((const char *)data, size, &request, &err);

	if ((r < 0) != (err.errnum != 0))
		abort();
	if (r < 0)
		check_answer(&err);
	else if (request.timeout_s < 0 || request.stall_timeout_s < 0)
		abort();
	cn_hook_request_release(&request);
	cn_error_release(&err);
	return 0;
}
