/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A change of the mapping, laid out by hand over the cluster of data/racks-*.json: rack-a = node1 (0, 1), node2 (2, 3); rack-b =
 * node3 (4, 5), node4 (6, 7); node5 (8, 9) below the root itself. Even OSDs are ssd, odd ones hdd. 9 is down, 1 is out.
 */
#include "unit.h"

#include "cephnode/drain/forecast.h"

enum { BY_HOST = 0, EC_HOST = 1, SSD_HOST = 2, BY_RACK = 3, BY_OSD = 4, TWO_RACKS = 20, EC_RACKS = 21, SSD_THEN_HDD = 22 };

#define SHARD 1000 /* bytes of every shard, unless said otherwise */

struct lay {
	struct cn_osdmap m;
	struct cn_crush crush;
	struct cn_pool pools[2]; /* 1 and 2, of 8 PGs each */
	struct cn_mapping before, after;
	struct cn_shard_sizes sizes;
	struct cn_ids leaving;
	struct cn_change change;
};

/* leaving: "0 1". Pool 1 has this rule and size, pool 2 the same and is erasure-coded (k = 2). */
void lay_init(struct lay *l, int rule, int size, const char *leaving);
void lay_release(struct lay *l);
/* One PG; sets as "0 2 -", with - for a hole. was: up before; holds: acting before, NULL: the same; raw: what CRUSH says after,
 * NULL: the same as up. */
void lay_pg(struct lay *l, int64_t pool, uint32_t seed, const char *was, const char *holds, const char *up, const char *raw);
