/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* `check`: can this client, with these caps, in this place, do its job? */
#include "cephnode/cluster/cluster.h"
#include "cephnode/kube/client.h"

/* {"schema":1,"findings":[{"what","ok","message","hint"|null}],"role":null or the YAML to apply where a right of Kubernetes is
 * missing}. Caps are found out by commands that cannot change anything: objects that do not exist, values that are refused, and
 * only after the cap was looked at. c NULL: there is no connection, for the reason in why_not. kube NULL: no API is configured.
 * New reference; NULL only after an interrupt, with err set. Blocks. */
json_t *cn_check(struct cn_cluster *c, const struct cn_error *why_not, struct cn_kube *kube, struct cn_error *err);
/* Whether all findings are as they need be. */
bool cn_check_ok(const json_t *doc);
