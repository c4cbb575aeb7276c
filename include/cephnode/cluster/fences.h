/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Fences: the entries of the OSD blocklist, by which OSDs refuse a client; and the pools, read from the same `osd dump`. */
#include "cephnode/cluster/maps.h"

/* One client: "10.0.0.7:0/3710147553". Port and nonce 0: every client of the host. */
struct cn_client_addr {
	struct cn_ip ip;
	uint16_t port;
	uint32_t nonce;
};

/* As Ceph prints it, also "v1:..." and "any:...". False on anything else, such as "-" and ":/0". */
bool cn_client_addr_parse(const char *s, struct cn_client_addr *ret);
bool cn_client_addr_is_host(const struct cn_client_addr *a); /* it stands for every client of its host */
bool cn_client_addr_equal(const struct cn_client_addr *a, const struct cn_client_addr *b);
/* As `osd blocklist add` takes it: never without port and nonce, which would fence the whole host. To be freed. */
char *cn_client_addr_text(const struct cn_client_addr *a);

struct cn_fence {
	struct cn_client_addr addr;
	int prefix; /* bits of a range; -1: no range */
	int64_t until_ms;
};

struct cn_rbd_pool {
	int64_t id;
	char *name; /* owned */
	bool erasure;
	bool rbd;      /* tagged for RBD, or for nothing at all */
	bool rjenkins; /* objects are placed by the hash that everybody uses */
	uint32_t pg_num;
};

struct cn_fence_map {
	bool known; /* the map said which clients are fenced; false: nothing may be concluded */
	struct cn_fence *fences;
	size_t n_fences;
	struct cn_rbd_pool *pools; /* by id */
	size_t n_pools;
	struct {
		int id;
		struct cn_osd_addresses at;
	} * osds;
	size_t n_osds;
};

int cn_fence_map_get(struct cn_cluster *c, struct cn_fence_map *ret, struct cn_error *err); /* `osd dump`, live */
void cn_fence_map_release(struct cn_fence_map *m);
const struct cn_rbd_pool *cn_fence_map_pool(const struct cn_fence_map *m, int64_t id);             /* NULL: does not exist */
const struct cn_rbd_pool *cn_fence_map_pool_named(const struct cn_fence_map *m, const char *name); /* NULL: does not exist */

/* Until when the client is fenced, in milliseconds since 1970; 0: it is not. host_only: by entries that cover its whole host. */
int64_t cn_fence_until(const struct cn_fence_map *m, const struct cn_client_addr *a, bool host_only);

/* Fences for so many seconds. CHANGES. 0 also where an entry exists, which keeps its end: read back. -EACCES: the key may not. */
int cn_fence_add(struct cn_cluster *c, const struct cn_client_addr *a, int64_t seconds, struct cn_error *err);

/* One object name for every placement group of a pool, in this namespace. Appends to ret. */
void cn_object_of_each_pg(uint32_t pg_num, const char *ns, struct cn_strv *ret);
/* The placement group (its number in the pool) that an object falls into. */
uint32_t cn_object_pg(uint32_t pg_num, const char *ns, const char *oid);
