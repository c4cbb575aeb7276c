/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The cluster's maps as C structures: OSD map, CRUSH map, health. Read only. */
#include "cephnode/base/addr.h"
#include "cephnode/cluster/pg.h"

/* CRUSH weights and reweights are kept as Ceph keeps them, 16.16 fixed point, so that an undo is exact. */
#define CN_WEIGHT_ONE 0x10000u

/* The IP addresses of an OSD, each once whatever its ports and protocols. With v4 and v6 both it has one of each, in each
 * network. */
#define CN_OSD_ADDRESSES 8
struct cn_osd_addresses {
	struct cn_ip v[CN_OSD_ADDRESSES]; /* the public ones first, as the map has them */
	size_t n, n_public;
};
/* From an OSD of `osd dump`. -E2BIG: more than this can hold; none is left out. */
int cn_osd_addresses_read(const json_t *osd, struct cn_osd_addresses *ret, struct cn_error *err);
bool cn_osd_addresses_have(const struct cn_osd_addresses *a, const struct cn_ip *ip);

struct cn_osd {
	int id;
	char uuid[40]; /* an OSD is its uuid, not its id */
	bool up, in;
	uint32_t reweight;    /* 16.16; 0 is out */
	struct cn_ip address; /* the first public one, to be shown; family 0: never started */
	struct cn_osd_addresses at;
	int64_t up_from; /* epoch */
};

struct cn_pool {
	int64_t id;
	char *name; /* owned, valid UTF-8, otherwise as is */
	int size, min_size, rule;
	bool erasure;
	int ec_k; /* data chunks; 1 for replicated pools: a shard holds bytes / ec_k */
	uint32_t pg_num;
	char *pg_autoscale; /* owned; may be NULL */
};

struct cn_osdmap {
	int64_t epoch;
	char fsid[40];
	struct cn_osd *osds; /* existing ones, by id */
	size_t n_osds;
	struct cn_pool *pools; /* by id */
	size_t n_pools;
	struct cn_strv flags; /* "norecover", "noout", ... */
	json_t *pg_temp;      /* as Ceph prints it */
	json_t *pg_upmap, *pg_upmap_items;
	json_t *node_flags; /* crush_node_flags: {"node1": ["noout"]} */
	double full_ratio, backfillfull_ratio, nearfull_ratio;
	char *require_min_compat_client, *require_osd_release; /* owned, may be NULL */
};

int cn_osdmap_get(struct cn_cluster *c, struct cn_osdmap *ret, struct cn_error *err); /* `osd dump`, live */
/* The map as it was: the mon keeps some hundred epochs, more while PGs are not clean. -ENOENT: trimmed. */
int cn_osdmap_get_epoch(struct cn_cluster *c, int64_t epoch, struct cn_osdmap *ret, struct cn_error *err);
void cn_osdmap_release(struct cn_osdmap *m);
const struct cn_osd *cn_osdmap_osd(const struct cn_osdmap *m, int id); /* NULL: does not exist */
const struct cn_pool *cn_osdmap_pool(const struct cn_osdmap *m, int64_t id);
/* True when pg_temp puts any PG on the OSD. */
bool cn_osdmap_temp_has(const struct cn_osdmap *m, int osd);

struct cn_crush_item {
	int id;
	uint32_t weight;
};

struct cn_bucket {
	int id;     /* negative */
	char *name; /* owned; "default~hdd" for the shadow tree of a device class */
	char *type; /* owned; "host" */
	struct cn_crush_item *items;
	size_t n_items;
};

struct cn_crush {
	struct cn_bucket *buckets; /* by id, -1 first */
	size_t n_buckets;
	json_t *rules, *choose_args; /* as Ceph prints them */
	struct {
		struct cn_crush_place *places;   /* of every item, by item; an item in two buckets: the first of them first */
		const struct cn_bucket **names;  /* by name, without shadows */
		struct cn_device_class *classes; /* by OSD */
		size_t n_places, n_names, n_classes;
	} index; /* of the look-ups below */
};

int cn_crush_get(struct cn_cluster *c, struct cn_crush *ret, struct cn_error *err); /* `osd crush dump`, live */
void cn_crush_release(struct cn_crush *m);
const struct cn_bucket *cn_crush_bucket(const struct cn_crush *m, const char *name); /* NULL; shadow buckets are not found */
const struct cn_bucket *cn_crush_bucket_by_id(const struct cn_crush *m, int id);
/* The bucket (no shadow) that holds the item; NULL for roots and items outside the tree. */
const struct cn_bucket *cn_crush_parent(const struct cn_crush *m, int id);
/* The nearest ancestor of type "host", or NULL. */
const struct cn_bucket *cn_crush_host(const struct cn_crush *m, int osd);
/* CRUSH weight of an OSD, 16.16; 0 with *ret_found (may be NULL) false when it is not in the tree. */
uint32_t cn_crush_weight(const struct cn_crush *m, int osd, bool *ret_found);
const char *cn_crush_class(const struct cn_crush *m, int osd); /* NULL: none */
/* All OSDs below the bucket. */
void cn_crush_osds_below(const struct cn_crush *m, int bucket_id, struct cn_ids *ret);

/* How many shards of a PG the rule can place, each on a failure domain of its own, when the OSDs of `gone` and those that are
 * down, out or of weight 0 take none. For a rule with one choose step: the number of usable failure domains. *ret_domain: the
 * name of the domain type ("host"), borrowed from the map. Counting, not hashing: CRUSH may still fail where this says yes. */
int cn_crush_capacity(const struct cn_crush *m, const struct cn_osdmap *osds, int rule, int size, const struct cn_ids *gone,
		      const char **ret_domain);
/* A rule as Ceph prints it, borrowed from the map; NULL: no such rule. */
const json_t *cn_crush_rule(const struct cn_crush *m, int rule);
/* True when the rule can choose the OSD (it lies below a bucket that the rule takes). */
bool cn_crush_rule_reaches(const struct cn_crush *m, int rule, int osd);

struct cn_health_check {
	char *code, *severity, *summary; /* owned: "OSD_DOWN", "HEALTH_WARN", "1 osds down" */
	bool muted;
};
struct cn_health {
	char *status; /* "HEALTH_OK", owned */
	struct cn_health_check *checks;
	size_t n_checks;
};
int cn_health_get(struct cn_cluster *c, struct cn_health *ret, struct cn_error *err); /* `health`; PG checks lag by seconds */
void cn_health_release(struct cn_health *h);
