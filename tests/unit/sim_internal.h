/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Between sim.c (commands) and sim_call.c (what a test does). */
#include "sim.h"

/* Commands of the config database: false when it is none. */
bool sim_config_command(struct sim *s, const json_t *cmd, int *ret_code, char **ret_body);
json_t *sim_find(json_t *array, const char *key, int64_t value);
void sim_set_flag(struct sim *s, const char *flag, bool on);
/* After any change: a new epoch, and PGs go where they belong. */
void sim_moved(struct sim *s);
bool sim_answer(void *arg, enum cn_target target, const char *pgid, const json_t *cmd, int *ret_code, char **ret_body);
