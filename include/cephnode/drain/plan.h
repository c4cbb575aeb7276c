/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* The plan: what `plan` prints and `drain` executes. Made from readings alone. */
#include "cephnode/cluster/commands.h"
#include "cephnode/drain/drain.h"
#include "cephnode/drain/journal.h"
#include "cephnode/drain/pin.h"

struct cn_plan_pool {
	char *name;
	char *domain;     /* failure domain of its rule: "host" */
	int needed, left; /* shards of a PG; domains usable without the node */
	bool ok;
};

/* An OSD to which something comes. */
struct cn_plan_target {
	int osd;
	char *host; /* CRUSH host, NULL: none */
	size_t shards;
	int64_t bytes;
	double before, after; /* share of its space, 0..1; -1: not known */
};

/* A PG that has an OSD in its raw, up or acting set. */
struct cn_held {
	struct cn_pgid id;
	int osd;
};

struct cn_plan {
	struct cn_ids osds; /* that go */
	struct cn_strv hosts;
	enum cn_method method;
	size_t pgs;                     /* that have one of the OSDs */
	bool exact;                     /* every PG was mapped as it will be; else targets are unknown, bytes and fill a bound */
	char *forecast_reason;          /* why it is not exact */
	int64_t bytes_to_move;          /* that will move, with the pins; not exact: the minimum */
	int64_t bytes_minimum;          /* of the shards that must find another OSD */
	int64_t bytes_needless;         /* that would move beside them without pins */
	size_t pins;                    /* upmap entries that the drain would make */
	struct cn_plan_target *targets; /* by id */
	size_t n_targets;
	int64_t rate;         /* bytes a second of the last drain here, 0: not known */
	struct cn_held *held; /* which PGs the OSDs have, by the map: the manager's statistics are seconds old */
	size_t n_held;
	struct cn_shard_sizes sizes;
	struct cn_osd_usages usage;
	struct cn_plan_pool *pools; /* whose rule reaches one of the OSDs */
	size_t n_pools;
	int fullest_osd;                      /* -1: not known */
	double fullest_before, fullest_after; /* share of its space, 0..1; not exact: if all spread evenly by weight */
	struct cn_strv warnings;
	struct cn_strv refusals; /* empty: it may go on */
	size_t n_passing;        /* how many of them may pass by themselves within seconds (peering) */
	char *hint;              /* for the first refusal */
};

/* Reads health, pools and fill, and decides whether the nodes of `inv` may be drained. accept: health codes ("existing" is
 * resolved by the caller). journals: of other drains (and ours). Blocks; changes nothing. Errors only where the cluster cannot be
 * read; a refusal is in *ret. */
int cn_plan_make(struct cn_cluster *c, const struct cn_inventory *inv, const struct cn_strv *accept,
		 const struct cn_drain_options *options, const struct cn_journals *journals, struct cn_plan *ret,
		 struct cn_error *err);
void cn_plan_release(struct cn_plan *p);
/* For who begins nothing and goes on with nothing: warns of unfinished drains of its OSDs, with what is left of them. Blocks;
 * changes nothing in the cluster. */
void cn_plan_note_own(struct cn_cluster *c, const struct cn_inventory *inv, const struct cn_journals *journals,
		      struct cn_plan *p);
/* Sets CN_REFUSED from the refusals; 0 when there are none. */
int cn_plan_verdict(const struct cn_plan *p, struct cn_error *err);
/* The fields of the plan event: new reference. */
json_t *cn_plan_json(const struct cn_plan *p);

/* Codes that no option accepts: data is damaged, or there is no room. */
bool cn_health_never_acceptable(const char *code);

/* What the tool itself, or other drains, explain of the cluster's health. */
struct cn_health_context {
	const struct cn_strv *accept; /* codes; "existing" is resolved by the caller */
	const struct cn_osdmap *osdmap;
	const struct cn_ids *own_osds; /* OSDs of the node: their being down is the drain's own, or the reason for it */
	const struct cn_journals *journals;
	bool moving; /* our own data is on the move (wait, prove) */
};
/* Lists what stands and is neither accepted nor explained: "CODE: summary". *ret_never: one of them can never be accepted. */
void cn_health_judge(const struct cn_health *h, const struct cn_health_context *ctx, struct cn_strv *ret, bool *ret_never);
