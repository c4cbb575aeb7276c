/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "cephnode/cluster/maps.h"

int cn_health_get(struct cn_cluster *c, struct cn_health *ret, struct cn_error *err)
{
	_cleanup_json_ json_t *reply = NULL;
	struct cn_health h = {};
	json_t *checks, *j;
	const char *code, *status;
	int r;

	r = cn_command(c, CN_MON, NULL, json_pack("{ss,ss}", "prefix", "health", "format", "json"), &reply, err);
	if (r < 0)
		return r;
	status = cn_json_str(reply, "status", NULL);
	checks = cn_json_obj(reply, "checks");
	if (!status || !checks)
		return cn_error_set(err, CN_FAILED, EBADMSG, "'health': no status in the reply");
	h.status = cn_strdup(status);
	h.checks = cn_calloc(json_object_size(checks), sizeof(*h.checks));
	json_object_foreach (checks, code, j)
		h.checks[h.n_checks++] = (struct cn_health_check){
			.code = cn_strdup(code),
			.severity = cn_strdup(cn_json_str(j, "severity", "HEALTH_WARN")),
			.summary = cn_strdup(cn_json_str(cn_json_obj(j, "summary"), "message", "")),
			.muted = cn_json_bool(j, "muted", false),
		};
	*ret = h;
	return 0;
}

void cn_health_release(struct cn_health *h)
{
	for (size_t i = 0; i < h->n_checks; i++) {
		free(h->checks[i].code);
		free(h->checks[i].severity);
		free(h->checks[i].summary);
	}
	free(h->checks);
	free(h->status);
	*h = (struct cn_health){};
}
