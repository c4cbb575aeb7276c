/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Placement groups: ids, states, statistics as the manager reports them, and the live truth from mon and primary. */
#include "cephnode/cluster/cluster.h"

struct cn_pgid {
	int64_t pool;
	uint32_t seed;
};
#define CN_PGID_STRLEN 32

bool cn_pgid_parse(const char *s, struct cn_pgid *ret);
const char *cn_pgid_format(struct cn_pgid id, char buf[CN_PGID_STRLEN]);
int cn_pgid_cmp(const void *a, const void *b); /* for qsort and bsearch on struct cn_pgid, or structs that begin with one */

/* ceph_stable_mod(): the seed a PG with seed x had (or will have) when the pool has pg_num PGs. */
uint32_t cn_pg_stable_mod(uint32_t x, uint32_t pg_num);

/* A device no CRUSH rule could fill: 2^31 - 1 in up and acting sets. */
#define CN_CRUSH_NONE 2147483647

struct cn_pg {
	struct cn_pgid id; /* first, so that cn_pgid_cmp works */
	char *state;       /* "active+clean", owned */
	int *up, *acting;  /* owned; CN_CRUSH_NONE marks a hole */
	size_t n_up, n_acting;
	int64_t bytes, objects, degraded, misplaced, unfound; /* objects and bytes, logical (before replication) */
	int64_t reported_epoch;
};

struct cn_pgs {
	struct cn_pg *v;
	size_t n, cap;
};
void cn_pg_release(struct cn_pg *pg);
void cn_pgs_release(struct cn_pgs *pgs);
void cn_pgs_sort(struct cn_pgs *pgs);
struct cn_pg *cn_pgs_find(const struct cn_pgs *pgs, struct cn_pgid id); /* needs sorted pgs; NULL when absent */

/* active+clean and nothing that speaks against it: not inconsistent, remapped, degraded, undersized, stale, recovering, ... Only
 * scrubbing, deep and snaptrim may stand beside it. (safe-to-destroy says yes to active+clean+inconsistent.) */
bool cn_pg_state_is_clean(const char *state);
/* The state has this word ("remapped" in "active+remapped+backfilling"). */
bool cn_pg_state_has(const char *state, const char *word);
bool cn_pg_has_osd(const struct cn_pg *pg, int osd); /* in up or acting */

/* Statistics of the PGs that have the OSD in up or acting, from the manager (`pg ls-by-osd`, about 5 kB a PG): several seconds
 * old. Appended to *pgs, duplicates left out; sorted. */
int cn_pg_ls_by_osd(struct cn_cluster *c, int osd, struct cn_pgs *pgs, struct cn_error *err);
/* Statistics of the PGs in any of the states (NULL-terminated list); {"all"} gives every PG. From the manager. */
int cn_pg_ls(struct cn_cluster *c, const char *const *states, struct cn_pgs *pgs, struct cn_error *err);
/* Statistics of every PG that is not clean, in one command. From the manager. */
int cn_pg_ls_unclean(struct cn_cluster *c, struct cn_pgs *pgs, struct cn_error *err);
/* Where the mon maps a PG at its current epoch. Live. Fills id, up, acting and reported_epoch (the map's). -ENOENT: no such PG.
 */
int cn_pg_map(struct cn_cluster *c, struct cn_pgid id, struct cn_pg *ret, struct cn_error *err);
/* What the primary itself says. Live. Fills id, state, up, acting, bytes, objects, reported_epoch (the primary's map), and adds
 * to *ret_others (may be NULL) every OSD that the primary still thinks of: peers, strays that it waits for, might_have_unfound.
 */
int cn_pg_query(struct cn_cluster *c, struct cn_pgid id, struct cn_pg *ret, struct cn_ids *ret_others, struct cn_error *err);
