/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What Prometheus sees, in the text format of its exporters. Names and labels are documented in cephnode(1), METRICS. */
#include "cephnode/base/json.h"

/* doc as of cn_drain_metrics(), NULL: the cluster could not be looked at. What is not known (null) has no line. To be freed. */
char *cn_metrics_text(const char *version, const json_t *doc);
