/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Upmap entries in a small mon, and two drains that record and make some: of node1 (osd.0, osd.1, PG 1.0) and node2 (osd.2,
 * osd.3, PG 2.3). */
#include "drain/run.h"
#include "unit.h"
#include "world.h"

struct upmaps {
	struct world w;
	json_t *before; /* the OSD map of epoch 7; NULL: trimmed */
	struct fakeclock clock;
	struct fake *f;
	struct cn_drain drains[2]; /* of node1: osd.0, osd.1, PG 1.0; of node2: osd.2, osd.3, PG 2.3 */
	struct cn_drain_options options;
	struct cn_drain_context ctx;
	struct cn_run run;
	struct cn_error e;
	const char *deaf; /* PG whose entries the mon takes and cancels at once */
	const char *bad;  /* PG whose commands fail with this code */
	int code;
	size_t changes;
};

int upmaps_setup(void **state);
int upmaps_teardown(void **state);
#define upmaps_test(fn) cmocka_unit_test_setup_teardown(fn, upmaps_setup, upmaps_teardown)

json_t *upmaps_list(struct upmaps *x, bool full);
/* "1.0", "0 3 1 5"; "": none */
void upmaps_entry(struct upmaps *x, bool full, const char *pgid, const char *numbers);
void upmaps_note_before(struct upmaps *x);
void upmaps_record(struct upmaps *x);
/* What a cancel knows of a PG; want NULL: nothing. */
void upmaps_assert_recorded(struct upmaps *x, int n, const char *pgid, const char *want);
json_t *upmaps_read(struct upmaps *x);
void upmaps_assert(struct upmaps *x, json_t *want);
/* Restores, and says what another hand did ("": nothing). */
void upmaps_restore(struct upmaps *x, json_t *seen, bool pending_only, const char *foreign);
int upmaps_pin(struct upmaps *x, size_t *ret_kept);
