/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A page of pods as it comes from a server, read by each flavour's rules. */
#include <string.h>

#include "cephnode/kube/pods.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_item(void *arg _unused_, const json_t *item, struct cn_error *err _unused_)
{
	static const char *const from[] = {NULL, "pod-name", "node-name", "label:topology-location-host"};

	for (int flavour = CN_FLAVOUR_NONE; flavour <= CN_FLAVOUR_ROOK; flavour++) {
		for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
			struct cn_pod p = {};

			cn_pod_read(item, (enum cn_kube_flavour)flavour, from[i], &p);
			if (!cn_pod_state_name(p.state) || (p.osd < -1))
				abort();
			cn_pod_release(&p);
		}
	}
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_t *rest = NULL;
	struct cn_error err = {};
	int r = cn_json_each((const char *)data, size, "items", on_item, NULL, &rest, &err);

	if ((r < 0) != (err.errnum != 0) || (r == 0) != (rest != NULL))
		abort();
	cn_error_release(&err);
	return 0;
}
