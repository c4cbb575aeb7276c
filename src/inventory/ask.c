/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions to Kubernetes. An API that is configured and does not answer is never passed over: a node that is half known is how
 * data are lost. */
#include <errno.h>

#include "cephnode/base/log.h"
#include "inventory/internal.h"

static int failed(int r, struct cn_error *err)
{
	const char *hint = "--no-kube goes without Kubernetes";

	if (err->code == CN_REFUSED || err->code == CN_INTERRUPTED)
		return r;
	cn_error_wrap(err, "cannot ask Kubernetes");
	if (err->code == CN_TIMEOUT || err->code == CN_NOT_FOUND) /* no list of pods is not the same as no pods */
		err->code = CN_FAILED;
	if (err->hint) {
		char *both = cn_asprintf("%s; %s", err->hint, hint);

		free(err->hint);
		err->hint = both;
	}
	cn_error_hint(err, "%s", hint);
	return r;
}

int cn_ask_pods(struct cn_kube *kube, struct cn_pods *ret, struct cn_error *err)
{
	int r = cn_pods_list(kube, ret, err);

	return r < 0 ? failed(r, err) : 0;
}

int cn_inventory_kube_node(struct cn_kube *kube, const char *name, struct cn_ip **ret, size_t *ret_n, struct cn_error *err)
{
	_cleanup_free_ char *segment = cn_kube_escape(name), *path = cn_asprintf("/api/v1/nodes/%s", segment);
	_cleanup_error_ struct cn_error e = {};
	_cleanup_json_ json_t *node = NULL;
	const json_t *one;
	size_t i;
	int r = cn_kube_request(kube, CN_KUBE_REPEAT, "GET", path, NULL, NULL, &node, NULL, &e);

	if (r == -EPERM || r == -ENOENT || r == -EINVAL) { /* -EINVAL: no name that a node could have */
		cn_debug("%s", e.message);
		return 0;
	}
	if (r < 0) {
		cn_error_move(err, &e);
		return failed(r, err);
	}
	*ret_n = 0;
	*ret = cn_calloc(json_array_size(cn_json_arr(cn_json_obj(node, "status"), "addresses")), sizeof(**ret));
	json_array_foreach (cn_json_arr(cn_json_obj(node, "status"), "addresses"), i, one)
		if (cn_ip_parse(cn_json_str(one, "address", ""), &(*ret)[*ret_n]))
			(*ret_n)++;
	return 1;
}
