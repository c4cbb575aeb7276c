/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Who stops the daemons of a run's OSDs. A driver is chosen while nothing has been changed yet, and serves the whole run: the
 * stop, a daemon that comes back before it is removed, and what has to be put back by `cancel` or at the end.
 *
 * What a driver changes outside of Ceph stands in the journal before ("stopped": an array of objects with "what"); who does not
 * know a "what" leaves it alone.
 */
#include "run.h"

/* What a driver is asked about: OSDs that go, in these maps. */
struct cn_stop_view {
	const struct cn_osdmap *m;
	const struct cn_crush *crush;
	const struct cn_ids *osds;
	char **hostnames; /* cn_inventory_hostnames(); NULL: not read */
};

struct cn_stop_driver {
	const char *name;
	/* Is it how these OSDs run, and may it stop them? 1: yes, and `does` gets a line of what it will do. 0: it is not. 2: it
	 * is, but it may not. `why` (to be freed) says it, `hint` (may stay NULL; to be freed) what to do. Reads only. */
	int (*look)(struct cn_run *run, const struct cn_stop_view *v, struct cn_strv *does, char **why, char **hint,
		    struct cn_error *err);
	/* Under the decision lock, which may be given back and taken again meanwhile. Returns 0 when the map shows none of the
	 * OSDs up and nothing of them runs. CHANGES. */
	int (*stop)(struct cn_run *run, struct cn_error *err);
	/* Something of a stopped OSD runs again that the map does not show yet: *ret_what, to be freed. NULL: the map is enough.
	 */
	int (*look_again)(struct cn_run *run, char **ret_what, struct cn_error *err);
	/* Of the audit: what runs on the nodes and was not part of the drain. NULL: nothing to look at. */
	int (*audit)(struct cn_run *run, struct cn_strv *ret, struct cn_error *err);
	void (*release)(void *state);
};

extern const struct cn_stop_driver cn_stop_systemd, cn_stop_kube;

/* --- for drivers --- */

/* Which of the run's OSDs the map shows up now. */
int cn_stop_read_up(struct cn_run *run, struct cn_ids *ret, struct cn_error *err);
/* Adds an entry to the journal of the OSD's drain (osd -1: the first one); it is saved by cn_stop_save(). Steals entry. */
void cn_stop_note(struct cn_run *run, int osd, json_t *entry);
int cn_stop_save(struct cn_run *run, struct cn_error *err);
/* Calls go (under the lock, with the OSDs that are up) until it has nothing left to wait for: *ret_what stays NULL. Where it
 * waits long, others get the lock in between. Ends with --stall-timeout; errors that pass count as waiting. */
int cn_stop_until(struct cn_run *run,
		  int (*go)(struct cn_run *run, const struct cn_ids *up, char **ret_what, struct cn_error *err),
		  struct cn_error *err);

/* One entry of the journal put back as it was. entry: {"what": ...}; ret_foreign gets what cannot or must not be put back. */
int cn_stop_systemd_restore(struct cn_run *run, const json_t *entry, struct cn_strv *ret_foreign, struct cn_error *err);
int cn_stop_kube_restore(struct cn_run *run, const json_t *entry, struct cn_strv *ret_foreign, struct cn_error *err);

/* systemd's names of an OSD's service, the most telling first: cephadm's has the cluster in it. Exposed for tests. */
struct cn_unit {
	char name[160], load[32], active[32];
};
void cn_unit_candidates(int osd, const char *fsid, struct cn_strv *ret);
/* The one that runs; NULL: none does. */
const struct cn_unit *cn_unit_choose(const struct cn_unit *v, size_t n, const struct cn_strv *candidates);
