/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Which OSDs live on this machine: pure, from readings alone. Addresses and host names must agree; where they do not, nobody
 * guesses. */
#include "cephnode/drain/journal.h"
#include "cephnode/heat/machine.h"

struct cn_own {
	struct cn_ids osds; /* none: no OSD is here by address or host name */
	char *name;         /* what to call the node in cn_drain_run(); owned, NULL: none */
};
/* metadata: of all OSDs, as cn_osd_metadata() gives it. CN_REFUSED with the reason where the sources disagree, where OSDs of
 * another machine stand in the same CRUSH host, or where this machine's stand in several. */
int cn_own_find(const struct cn_machine *m, const struct cn_osdmap *map, const struct cn_crush *crush, const json_t *metadata,
		struct cn_own *ret, struct cn_error *err);
void cn_own_release(struct cn_own *o);

/* Where no OSD is here: the newest journal of a node with one of this machine's addresses, NULL: there is none, or the OSDs that
 * it names still exist somewhere. Its phase says whether they were removed. Borrowed. */
const struct cn_journal *cn_own_journal(const struct cn_machine *m, const struct cn_osdmap *map, const struct cn_journals *l);
/* Where no OSD is here by address: do the newest journals of this machine have OSDs that still exist? It may hold them although
 * no address says so (down, moved to another network). CN_REFUSED. */
int cn_own_check_empty(const struct cn_machine *m, const struct cn_osdmap *map, const struct cn_journals *l,
		       struct cn_error *err);
/* When a drain of this machine was cancelled, if nothing was begun since: milliseconds since 1970; -1: it was not. */
int64_t cn_own_cancelled_ms(const struct cn_machine *m, const struct cn_journals *l);
/* Where some are: a drain that the name would go on with must have no others. CN_REFUSED. */
int cn_own_check(const struct cn_own *own, const struct cn_osdmap *map, const struct cn_journals *l, struct cn_error *err);
