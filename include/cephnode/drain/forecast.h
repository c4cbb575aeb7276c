/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What a change of the mapping moves, worked out from the mapping before and after it. Pure: contacts nobody, changes nothing. */
#include "cephnode/cluster/mapping.h"

/* Bytes of one shard of each PG: known ones, and for the others the mean of their pool. */
struct cn_shard_sizes {
	struct cn_pool_sizes {
		int64_t pool;
		uint32_t pg_num;
		int64_t *bytes; /* by seed */
		double used;    /* bytes that a byte takes on an OSD: allocation, omap, compression; 1 where not known */
	} * pools;              /* by id */
	size_t n_pools;
};
/* All PGs of a pool get the mean of the pool: pool_bytes (one for each of m->pools, logical bytes; NULL: 0). */
void cn_shard_sizes_init(struct cn_shard_sizes *s, const struct cn_osdmap *m, const int64_t *pool_bytes);
void cn_shard_sizes_set(struct cn_shard_sizes *s, struct cn_pgid id, int64_t shard_bytes);
int64_t cn_shard_size(const struct cn_shard_sizes *s, struct cn_pgid id); /* 0: not known */
void cn_shard_sizes_release(struct cn_shard_sizes *s);

struct cn_change {
	const struct cn_osdmap *osdmap; /* pools */
	const struct cn_crush *crush;   /* before the change or after it: the tree is the same */
	const struct cn_mapping *before;
	const struct cn_mapping *after; /* up, for pins also raw */
	const struct cn_ids *leaving;   /* OSDs to be emptied */
	const struct cn_shard_sizes *sizes;
};

/* One PG's part in it. Sets are borrowed from the mappings and have `size` places. */
struct cn_pg_moves {
	int size;
	bool erasure;
	const int *was, *up; /* up sets before and after */
	const int *holds;    /* acting before: where the data lie */
	int filled;          /* places of up that have an OSD */
	int must, will;      /* shards that need a new OSD; shards that get one */
	int stays_on;        /* a leaving OSD that is still in up, -1: none */
	int crush_filled;    /* what CRUSH alone fills, less than size: a hole of the change's making. else size */
};
/* False when the PG is not in the mapping after the change. */
bool cn_pg_moves_of(const struct cn_change *ch, const struct cn_mapped_pool *after, uint32_t seed, struct cn_pg_moves *ret);

struct cn_forecast_osd {
	int id;
	size_t shards_in;
	int64_t bytes_in, bytes_out; /* of the shards that come and go, what is on its way already included */
	int64_t used_delta;          /* what that changes of the OSD's used space */
};

struct cn_forecast {
	size_t pgs_moved;                       /* PGs with a shard that changes its OSD */
	int64_t shards_minimum, shards_to_move; /* as the bytes */
	int64_t bytes_minimum;                  /* of the shards on the leaving OSDs */
	int64_t bytes_to_move;                  /* of all shards that change their OSD because of the change */
	struct cn_forecast_osd *osds;           /* that win or lose a shard, by id */
	size_t n_osds;
	size_t n_holes, n_stay;     /* PGs with fewer shards than their pool's size; PGs that stay on a leaving OSD */
	struct cn_pgid hole, stays; /* the first of each */
	int hole_filled, stays_on;
};
/* Counts shard by shard: of replicated PGs the members that are new, of erasure-coded ones each place whose OSD changed. */
void cn_forecast_make(const struct cn_change *ch, struct cn_forecast *ret);
void cn_forecast_release(struct cn_forecast *f);
