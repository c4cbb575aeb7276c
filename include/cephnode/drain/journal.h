/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The journal: what a drain is about to change and what was there before, kept in the mon's config-key store as
 * cephnode/drain/<id> before each change, so that any process on any host can go on or undo. Written only under the decision
 * lock.
 */
#include "cephnode/base/clock.h"
#include "cephnode/inventory/node.h"

#define CN_JOURNAL_PREFIX "cephnode/drain/"
#define CN_JOURNAL_SCHEMA 1
#define CN_TOMBSTONE_MS (30LL * 86400 * 1000)

/* Where a drain stands; names as in the `step` events. Order matters. */
enum cn_phase {
	CN_PHASE_LOCK,
	CN_PHASE_CHECK,
	CN_PHASE_HOLD,
	CN_PHASE_REWEIGHT,
	CN_PHASE_FORECAST,
	CN_PHASE_PIN,
	CN_PHASE_RELEASE,
	CN_PHASE_WAIT,
	CN_PHASE_PROVE,
	CN_PHASE_DRAINED, /* kept: proven, nothing removed */
	CN_PHASE_OUT,
	CN_PHASE_STOP,
	CN_PHASE_PURGE,
	CN_PHASE_SWEEP,
	CN_PHASE_AUDIT,
	CN_PHASE_DONE,      /* tombstone: removed */
	CN_PHASE_CANCEL,    /* an undo has begun */
	CN_PHASE_CANCELLED, /* tombstone */
};
const char *cn_phase_name(enum cn_phase p);

/* Who works on a drain: enough to tell, on the same machine, whether that process still lives. */
struct cn_owner {
	char *host;
	char *boot_id;
	char *pid_ns; /* inode of the pid namespace: containers share a boot id, not their pids */
	int64_t pid;
	int64_t pid_start; /* clock ticks after boot: pids are used again */
	uint64_t instance; /* rados */
};
void cn_owner_self(struct cn_owner *ret);
void cn_owner_release(struct cn_owner *o);
/* True when it certainly lives no more: same boot and pid namespace, and no such process. */
bool cn_owner_is_dead(const struct cn_owner *o);
json_t *cn_owner_json(const struct cn_owner *o);
void cn_owner_read(const json_t *j, struct cn_owner *ret);

struct cn_journal_osd {
	int id;
	char uuid[40];
	bool in_tree;
	bool pending;          /* its weight was set to 0 by a window whose forecast has not passed: a refusal sets it back */
	uint32_t crush_weight; /* 16.16, before */
	uint32_t reweight;     /* 16.16, before; 0 was out */
	char *device_class;    /* NULL: none */
	char *parent;          /* CRUSH bucket, NULL: none */
	int64_t bytes_total;   /* of its shards, when the drain began */
};

#define CN_PG_OSDS 8 /* no sane pool has more shards of one PG on one node */

struct cn_journal_pg {
	struct cn_pgid id;            /* first */
	int shards;                   /* how many of its shards were on the node */
	int n_osds, osds[CN_PG_OSDS]; /* on which of its OSDs, for progress: those that may have them where an OSD is down */
	int64_t bytes;                /* of one shard, when the drain began: a PG that peers tells none; 0: not known */
};

struct cn_journal_pool {
	int64_t id;
	uint32_t pg_num; /* at the begin: PGs split and merge meanwhile */
};

struct cn_journal {
	char id[33];
	int64_t generation; /* one up at each write */
	enum cn_phase phase;
	char *node;
	char *spec;      /* the NODE argument as given, to find the node again */
	char *kube_node; /* NULL: not known */
	struct cn_strv hosts, addresses;
	struct cn_strv whole_hosts; /* hosts of which every OSD goes: one that is there afterwards is new */
	bool method_out;
	bool released;           /* a forecast has passed and recovery was let go: no refusal erases it any more */
	bool had_parts;          /* the store holds parts of it */
	struct cn_strv accepted; /* what --accept existing meant at the begin */
	int64_t started_ms, updated_ms;
	struct cn_owner owner;
	struct cn_journal_osd *osds;
	size_t n_osds;
	struct cn_strv flags_set;  /* set by us, not there before */
	json_t *settings;          /* entries of the config database that --speed has set, see settings.c; NULL: none */
	json_t *stopped;           /* what was changed outside of Ceph to stop daemons, see stop.h; NULL: nothing */
	json_t *weight_sets;       /* choose_args entries before, see weightset.h; NULL: none */
	struct cn_journal_pg *pgs; /* sorted */
	size_t n_pgs;
	struct cn_journal_pool *pools;
	size_t n_pools;
	int64_t bytes_total;
	int64_t bytes_beside; /* that move needlessly along, says the forecast */
	int64_t rate;         /* bytes a second while it moved; 0: not known. Stays in the tombstone */
	int64_t before_epoch; /* of the map before the weights were changed, 0: not yet */
	int64_t change_epoch; /* of the last change of the weights, 0: none yet */
	int64_t pin_epoch;    /* of the last pin, 0: none */
	int64_t undo_epoch;   /* of the map in which a cancel had put back the upmap entries, 0: none has. Stays in the tombstone */
	json_t *upmaps;       /* upmap entries before, and ours, see upmap.c; NULL: none */
	int64_t bytes_left;   /* the least that whoever wrote last has seen */
	int64_t released_ms;  /* when recovery was let go for the first time, 0: not yet */
	char *last_error;
	bool loaded; /* it stands in the store */
};

/* A new journal of a node as found: random id, nothing written. */
void cn_journal_init(struct cn_journal *j, const struct cn_inventory *inv, const struct cn_node *node, const char *spec,
		     struct cn_clock *clock);
void cn_journal_release(struct cn_journal *j);
void cn_journal_copy(const struct cn_journal *j, struct cn_journal *ret);
json_t *cn_journal_json(const struct cn_journal *j);
int cn_journal_read(const json_t *body, struct cn_journal *ret, struct cn_error *err);

struct cn_journals {
	struct cn_journal *v;
	size_t n;
};
/* All journals in the store, tombstones too. CN_FAILED when one is damaged or of a newer schema: nothing is guessed. */
int cn_journals_load(struct cn_cluster *c, struct cn_journals *ret, struct cn_error *err);
void cn_journals_release(struct cn_journals *l);
/* One journal. -ENOENT when it is gone. */
int cn_journal_load(struct cn_cluster *c, const char *id, struct cn_journal *ret, struct cn_error *err);
/* Writes it (generation + 1, updated), head last, and removes parts of the generation before. CHANGES. */
int cn_journal_save(struct cn_cluster *c, struct cn_journal *j, struct cn_clock *clock, struct cn_error *err);
/* Removes it without a trace: for a refusal, which leaves nothing. CHANGES. */
int cn_journal_erase(struct cn_cluster *c, struct cn_journal *j, struct cn_error *err);
/* Removes tombstones older than 30 days. CHANGES. */
int cn_journals_expire(struct cn_cluster *c, const struct cn_journals *l, struct cn_clock *clock, struct cn_error *err);
static inline bool cn_journal_is_tombstone(const struct cn_journal *j)
{
	return j->phase == CN_PHASE_DONE || j->phase == CN_PHASE_CANCELLED;
}

/* The name is the one this drain was begun with, or its id. */
bool cn_journal_is_named(const struct cn_journal *j, const char *name);
/* The name may mean this drain: its node, one of its hosts, addresses or OSDs. Of a host with two drains, both. */
bool cn_journal_matches(const struct cn_journal *j, const char *name);
/* One of the addresses that the node's OSDs had at the begin is one of these. */
bool cn_journal_has_address(const struct cn_journal *j, const struct cn_osd_addresses *at);
struct cn_journal_osd *cn_journal_osd(const struct cn_journal *j, int id);
/* The PG has one of its shards on this OSD of the drain: recorded if it is not yet. */
void cn_journal_add_pg(struct cn_journal *j, struct cn_pgid id, int osd);
/* The PGs to watch now: the recorded ones, followed through splits and merges of pg_num, less those of deleted pools. Sorted;
 * to be freed. */
struct cn_journal_pg *cn_journal_pgs_now(const struct cn_journal *j, const struct cn_osdmap *m, size_t *ret_n);
