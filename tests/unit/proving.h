/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A drain of node1 that is proven: every test spoils one thing. */
#include "drain/run.h"
#include "unit.h"
#include "world.h"

struct proving {
	struct world w;
	struct fakeclock clock;
	struct fake *f;
	struct cn_drain drain; /* of node1: osd.0 and osd.1, PGs 1.0 and 2.3 */
	struct cn_drain_options options;
	struct cn_drain_context ctx;
	struct cn_run run;
	struct cn_error e;
};

#define CHANGE_EPOCH 50

#define with_drain(t) cmocka_unit_test_setup_teardown(t, prove_setup, prove_teardown)
int prove_setup(void **state);
int prove_teardown(void **state);

void prove_map(struct proving *x, const char *pgid, const char *up, const char *acting);
/* What the primary says: state, epoch, acting set, and more fields. */
void prove_query(struct proving *x, const char *pgid, const char *state, int epoch, const char *acting, const char *more);
void prove_safe(struct proving *x, const char *body);
void prove_health(struct proving *x, const char *code, const char *summary);
void prove_osds_answer(struct proving *x);
/* want NULL: proven. */
void prove_assert(struct proving *x, bool need_safe, const char *want);
