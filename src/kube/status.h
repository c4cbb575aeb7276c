/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Answers that are no success. */
#include "cephnode/kube/client.h"

/* A 429 that no waiting of ours ends: the eviction would break a PodDisruptionBudget. */
bool cn_kube_is_budget(const struct cn_http_response *a);
/* Sets err as cn_kube_request() promises, fills *ret_status (may be NULL). Returns -errno. */
int cn_kube_refusal(const struct cn_kube_config *config, const char *method, const char *path, const struct cn_http_response *a,
		    struct cn_kube_status *ret_status, struct cn_error *err);
