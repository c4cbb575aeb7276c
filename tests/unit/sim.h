/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A small living cluster behind the fake: what is set is what is read next, and PGs move at once when they may. 5 hosts of 2
 * OSDs, node1 (127.0.1.1) to node5. It stands in for the guard process too, so that a test says whether the guard did its work.
 */
#include "unit.h"
#include "world.h"

#include "cephnode/drain/drain.h"
#include "cephnode/drain/journal.h"

/* Without an exact forecast a drain asks `pg map` of every PG before it changes anything: of so many. */
#define SIM_ASKED 64

struct sim {
	struct world w;
	struct fakeclock clock;
	struct fake *f;
	struct cn_cluster *c; /* the client of the next call */
	uint64_t instance;
	int64_t epoch;
	json_t *homes;     /* {"1.0": [0, 2, 4]}: where CRUSH puts them while all weights are positive */
	json_t *checks;    /* of health, besides those that follow from the state */
	json_t *config;    /* the config database, as `config dump` prints it */
	json_t *daemons;   /* {name: value} of what the OSDs run with besides: their defaults and their configuration files */
	const char *file;  /* an option that their files have: it outranks the database */
	bool no_caps;      /* config set and rm are denied */
	bool stuck;        /* nothing moves */
	bool peers;        /* and what would move peers, at a primary that has nothing of it */
	int no_room;       /* CRUSH finds no other place for what was on this OSD; -1: it does */
	unsigned sleep_at; /* 1: the process stands still for 20 s before the next reading or change, 2: the one behind it; 0:
			      never */
	/* the guard */
	bool armed;
	char *guard_id;
	struct cn_strv guard_flags;
	/* of the last call */
	struct cn_drain_options options;
	int (*confirm)(struct sim *s);
	struct cn_error e;
	char *outcome;
	struct cn_strv warnings, steps; /* steps that ended */
	json_t *plan, *progress;        /* the last plan, all progress */
};

struct sim *sim_new(void);
void sim_free(struct sim *s);

/* One call of the library; names apart by spaces. What it told is in the sim until the next one. */
int sim_drain(struct sim *s, const char *names);
int sim_remove(struct sim *s, const char *name);
int sim_cancel(struct sim *s, const char *name);
json_t *sim_status(struct sim *s, const char *name); /* the one drain of `status`; new reference, NULL: an error */
json_t *sim_status_again(struct sim *s, const char *name, struct cn_status_memory *memory);
int sim_plan(struct sim *s, const char *name);
/* The call ends well or with this code, and its words hold the text (NULL: any). */
void sim_ends(struct sim *s, int r, enum cn_code code, const char *text);
/* Leaves it in `wait`, because nothing moves any more (stuck). */
void sim_drain_to_wait(struct sim *s, const char *names);
/* All moves again, and it ends well. */
void sim_drain_done(struct sim *s, const char *names);
/* The process was killed: a new one comes when the leases have run out. guard: the guard did its work meanwhile. */
void sim_next_process(struct sim *s, bool guard);

void sim_pg(struct sim *s, const char *pgid, int a, int b, int c);
uint32_t sim_weight(struct sim *s, int osd);
void sim_set_weight(struct sim *s, int osd, uint32_t weight);
void sim_make_compat(struct sim *s);                        /* a compat weight-set, all as the weights */
void sim_set_compat(struct sim *s, int osd, double weight); /* as the balancer does */
double sim_compat(struct sim *s, int osd);
bool sim_has_osd(struct sim *s, int osd);
void sim_new_osd(struct sim *s, int osd, int node);
const char *sim_flags(struct sim *s);
void sim_check(struct sim *s, const char *code); /* health complains */

/* The config database: what an entry has (NULL: there is none, borrowed), and an operator's hand (value NULL: removes it). */
const char *sim_config(struct sim *s, const char *section, const char *mask, const char *name);
void sim_set_config(struct sim *s, const char *section, const char *mask, const char *name, const char *value);

/* Journals in the store that are no tombstones, and with them. */
size_t sim_live(struct sim *s);
size_t sim_journals(struct sim *s);
/* The journal with this node name, a tombstone only where nothing else is; to be released. Fails the test when there is none. */
void sim_journal(struct sim *s, const char *node, struct cn_journal *ret);
void sim_save(struct sim *s, struct cn_journal *j);
void sim_phase(struct sim *s, const char *node, enum cn_phase phase); /* puts it there */
/* How many commands came so far that change the cluster. */
size_t sim_changes(struct sim *s);
