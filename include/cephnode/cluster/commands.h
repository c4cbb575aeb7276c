/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Every command that the tool sends, one function each, with the exact JSON types that Ceph 16 to 20 insist on (a wrong type is
 * answered with -22; recorded in docs/architecture.md). All block for up to the command time limit and return 0 or -errno. Those
 * marked CHANGES change the cluster at once; the caller has journalled the change before and reads it back after.
 */
#include "cephnode/cluster/maps.h"

/* Flags of the whole map: "norecover", "noout", ... CHANGES. Setting what is set and unsetting what is not is no error. */
int cn_osd_set(struct cn_cluster *c, const char *flag, struct cn_error *err);
int cn_osd_unset(struct cn_cluster *c, const char *flag, struct cn_error *err);

/* CRUSH weight of one OSD, 16.16. CHANGES. -ENOENT when it is not in the tree. */
int cn_crush_reweight(struct cn_cluster *c, int osd, uint32_t weight, struct cn_error *err);
/* CRUSH weight of every OSD below a bucket, in one epoch; flattens what was there. CHANGES. */
int cn_crush_reweight_subtree(struct cn_cluster *c, const char *bucket, uint32_t weight, struct cn_error *err);
/* Weight-set entry of an item (OSD or bucket) for a pool's own set, or the compat set with pool NULL; one weight for each
 * position, 16.16. CHANGES. */
int cn_crush_weight_set(struct cn_cluster *c, const char *pool, const char *item, const uint32_t *weights, size_t n,
			struct cn_error *err);
/* Removes an empty bucket. CHANGES. -ENOTEMPTY when it is not; 0 when it is absent. */
int cn_crush_rm(struct cn_cluster *c, const char *bucket, struct cn_error *err);

int cn_osd_out(struct cn_cluster *c, const struct cn_ids *osds, struct cn_error *err);       /* CHANGES; 0 for missing ids */
int cn_osd_reweight(struct cn_cluster *c, int osd, uint32_t reweight, struct cn_error *err); /* CHANGES; 16.16, above 0 is in */
/* Upmap entries of one PG. items: pairs from, to; the mon applies them in order, and drops what breaks the rule: read back. osds:
 * the whole set. Each replaces the entry of its kind that the PG has; rm of an absent one is no error. CHANGES. -EPERM while
 * require_min_compat_client is older than luminous. */
int cn_pg_upmap_items(struct cn_cluster *c, struct cn_pgid id, const int *items, size_t n, struct cn_error *err);
int cn_pg_upmap(struct cn_cluster *c, struct cn_pgid id, const int *osds, size_t n, struct cn_error *err);
int cn_pg_rm_upmap_items(struct cn_cluster *c, struct cn_pgid id, struct cn_error *err);
int cn_pg_rm_upmap(struct cn_cluster *c, struct cn_pgid id, struct cn_error *err);

/* Tells daemons to exit, through the map; the bit clears at their next boot. CHANGES. 0 for missing ids. */
int cn_osd_stop(struct cn_cluster *c, const struct cn_ids *osds, struct cn_error *err);
/* Purges one OSD at the mon: map, CRUSH, key. CHANGES, for good. -EBUSY while it is up. Where the mon is too old to know the
 * command
 * (-EINVAL): crush remove, auth del, osd rm. */
int cn_osd_purge(struct cn_cluster *c, int osd, struct cn_error *err);

/* The manager's opinion. Ids that are safe go to *safe, others to the list that names why. -EAGAIN: it does not know yet. */
struct cn_safe {
	struct cn_ids safe, active, missing_stats, stored_pgs;
};
int cn_osd_safe_to_destroy(struct cn_cluster *c, const struct cn_ids *osds, struct cn_safe *ret, struct cn_error *err);
void cn_safe_release(struct cn_safe *s);

/* Used and total bytes of each OSD, from the manager (`osd df`). */
struct cn_osd_usage {
	int id;
	int64_t used, total;
};
struct cn_osd_usages {
	struct cn_osd_usage *v;
	size_t n;
};
int cn_osd_df(struct cn_cluster *c, struct cn_osd_usages *ret, struct cn_error *err);
void cn_osd_usages_release(struct cn_osd_usages *u);

/* What the pools hold, from the manager's digest at the mon (`df`, about 10 s old): logical bytes, and raw bytes with all copies,
 * omap and allocation. */
struct cn_pool_usage {
	int64_t pool, stored, used;
};
struct cn_pool_usages {
	struct cn_pool_usage *v;
	size_t n;
};
int cn_pool_df(struct cn_cluster *c, struct cn_pool_usages *ret, struct cn_error *err);
void cn_pool_usages_release(struct cn_pool_usages *u);

/* Metadata as the daemons reported it: arrays or objects as Ceph prints them, new references. osd < 0: of all OSDs (2 kB each).
 * An OSD that was never started has an object with nothing but its id, or is absent. */
int cn_osd_metadata(struct cn_cluster *c, int osd, json_t **ret, struct cn_error *err);
int cn_mon_dump(struct cn_cluster *c, json_t **ret, struct cn_error *err);
int cn_mgr_metadata(struct cn_cluster *c, json_t **ret, struct cn_error *err);
int cn_mds_metadata(struct cn_cluster *c, json_t **ret, struct cn_error *err);
/* Which manager is active ("active_name", "available") and who stands by ("standbys"). */
int cn_mgr_dump(struct cn_cluster *c, json_t **ret, struct cn_error *err);

/* config-key store. get: -ENOENT when absent, value to be freed. dump: {"key": "value", ...} of all keys below a prefix. A value
 * may have 64 KiB at most. set and rm: CHANGES; rm of an absent key is 0. */
int cn_config_key_get(struct cn_cluster *c, const char *key, char **ret, struct cn_error *err);
int cn_config_key_dump(struct cn_cluster *c, const char *prefix, json_t **ret, struct cn_error *err);
int cn_config_key_set(struct cn_cluster *c, const char *key, const char *value, struct cn_error *err);
int cn_config_key_rm(struct cn_cluster *c, const char *key, struct cn_error *err);

/* The configuration database: array of {section, name, value, mask}. who: a section, or "SECTION/MASK". rm, set: CHANGES; rm of
 * what is absent is 0. set: by force the value is stored to the letter and not checked, else the mon gives it its own form. */
int cn_config_dump(struct cn_cluster *c, json_t **ret, struct cn_error *err);
int cn_config_rm(struct cn_cluster *c, const char *who, const char *name, struct cn_error *err);
int cn_config_set(struct cn_cluster *c, const char *who, const char *name, const char *value, bool force, struct cn_error *err);
/* What a daemon ("osd.3") runs with, wherever that comes from, as it told the manager (each 5 s). show: one value, also a
 * default; to be freed; -ENOENT when it knows no such option. show_all: array of {name, value, source} of what is not left at its
 * default. */
int cn_config_show(struct cn_cluster *c, const char *who, const char *name, char **ret, struct cn_error *err);
int cn_config_show_all(struct cn_cluster *c, const char *who, json_t **ret, struct cn_error *err);

/* Keys of daemons. exists: needs the cap `auth get`. del: CHANGES; 0 when absent. */
int cn_auth_exists(struct cn_cluster *c, const char *entity, bool *ret, struct cn_error *err);
int cn_auth_del(struct cn_cluster *c, const char *entity, struct cn_error *err);

int cn_osd_unset_group(struct cn_cluster *c, const char *flags, const char *who, struct cn_error *err); /* CHANGES */
/* A line in the cluster's audit log. CHANGES nothing else. */
int cn_log_line(struct cn_cluster *c, const char *text, struct cn_error *err);
