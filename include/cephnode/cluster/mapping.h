/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Where all PGs of a cluster lie, in flat arrays: 300,000 PGs of three shards take 11 MB. */
#include "cephnode/cluster/maps.h"

#define CN_SET_UNKNOWN (-1) /* in the first place of a set: the source did not tell of this PG */

struct cn_mapped_pool {
	int64_t id;
	uint32_t pg_num;
	int size;               /* places of a set: the pool's size */
	int *raw, *up, *acting; /* pg_num * size each, by seed; CN_CRUSH_NONE: a hole, also behind a set that is too short. Raw:
				 * what CRUSH says before upmaps, NULL where the source does not tell. */
};

struct cn_mapping {
	struct cn_mapped_pool *pools; /* by id */
	size_t n_pools;
};

static inline bool cn_is_osd(int id) /* and not a hole */
{
	return id >= 0 && id != CN_CRUSH_NONE;
}

static inline bool cn_set_has(const int *set, int size, int osd)
{
	for (int i = 0; i < size; i++)
		if (set[i] == osd)
			return true;
	return false;
}

/* Room for every PG of the pools of `m`, all unknown. */
void cn_mapping_init(struct cn_mapping *mp, const struct cn_osdmap *m, bool with_raw);
void cn_mapping_release(struct cn_mapping *mp);
const struct cn_mapped_pool *cn_mapping_pool(const struct cn_mapping *mp, int64_t pool); /* NULL: no such pool */
/* One set of a PG (`sets` is raw, up or acting of its pool), pool->size places; NULL when there is no such PG or it is unknown.
 */
const int *cn_mapped_set(const struct cn_mapped_pool *pool, const int *sets, uint32_t seed);

/* up and acting of every PG as the manager has them (`pg dump pgs_brief`, 0.2 kB a PG, read element by element): seconds old.
 * -EAGAIN: it has no statistics yet. Blocks; changes nothing. */
int cn_mapping_get(struct cn_cluster *c, const struct cn_osdmap *m, struct cn_mapping *ret, struct cn_error *err);

/* Acting sets, which are as up by now, as the pg_temp of `m` has them. */
void cn_mapping_apply_temp(struct cn_mapping *mp, const struct cn_osdmap *m);

/* The OSD map of an epoch as the mon keeps it, in a file descriptor of a sealed memory file (osdmaptool seeks); to be closed.
 * `osd getmap`. Blocks; changes nothing. */
int cn_osdmap_file(struct cn_cluster *c, int64_t epoch, int *ret_fd, struct cn_error *err);

/* osdmaptool (of ceph-base) works out raw, up and acting of every PG in that map, with the CRUSH weights of `zero` (may be NULL)
 * set to 0. m: the same map, for the pools. -ENOENT: there is no osdmaptool; -EPROTO: it failed, said what cannot be understood,
 * or had not ended after a minute and 0.2 ms a PG; with its own words. Blocks for as long as it computes (25 us a PG on 12,000
 * OSDs); a signal ends it. Contacts no cluster. */
int cn_maptool_map(int map_fd, const struct cn_osdmap *m, const struct cn_ids *zero, struct cn_mapping *ret,
		   struct cn_error *err);
/* Up alone, in half the time: raw and acting are copies of it, without what upmaps and pg_temp mean for them. */
int cn_maptool_map_up(int map_fd, const struct cn_osdmap *m, const struct cn_ids *zero, struct cn_mapping *ret,
		      struct cn_error *err);
