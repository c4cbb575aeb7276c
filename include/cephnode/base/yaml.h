/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* YAML files of other tools (kubeconfig, clouds.yaml), read with libyaml into the JSON that everything else here is written in.
 */
#include "cephnode/base/json.h"

/* The first document of a text as JSON: plain scalars typed as those tools do it (null, true, 1, 0.5), quoted ones strings;
 * anchors, aliases and merge keys ("<<") are resolved; a key that comes twice is an error. For foreign bytes: at most 64 deep, 1
 * MiB, and 100,000 nodes once aliases are expanded. New reference; NULL with CN_USAGE, the message names line and column, never a
 * value. An empty text is null. */
json_t *cn_yaml_parse(const char *text, size_t len, struct cn_error *err);
