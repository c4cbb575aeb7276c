/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Inside of src/drain: one call of drain, remove or cancel, and what its steps share. */
#include "cephnode/drain/drain.h"
#include "cephnode/drain/journal.h"
#include "cephnode/drain/lease.h"
#include "cephnode/drain/plan.h"
#include "foresee.h"

#define CN_THREADS 16 /* mon commands in flight: the mon puts those of one paxos round into one epoch */

/* One node's drain within a run. */
struct cn_drain {
	struct cn_journal journal;
	struct cn_lease *own; /* says that the drain has a living owner */
};

/* speed.c: what --speed comes to here. */
struct cn_speed_state {
	struct cn_ids samples;    /* OSDs that are asked */
	bool classic, mclock;     /* schedulers among them */
	bool strict;              /* an mClock that does not let osd_max_backfills be set */
	struct cn_strv outranked; /* names that the database has for some OSDs: that was said */
	json_t *wanted;           /* {"osd_max_backfills": "1", ...}; NULL: not found out yet */
	bool on;                  /* at least one of them was set */
	bool lost;                /* another cephnode has put them back, for our lease had run out */
	bool looked_back;         /* the samples were asked whether they took it over */
	bool braked, no_brake, told;
	int64_t set_ms, slow_ms; /* CLOCK_BOOTTIME: set last; slow operations seen last */
};

/* stop.c: who stops the daemons. */
struct cn_stop_state {
	const struct cn_stop_driver *driver; /* NULL: not chosen yet */
	struct cn_strv does;                 /* what it will do, for the plan */
	void *state;                         /* the driver's */
};

struct cn_run {
	struct cn_drain_context *ctx;
	struct cn_cluster *c; /* ctx->cluster */
	struct cn_clock *clock;
	struct cn_drain *drains;
	size_t n;
	char *node; /* names joined with a comma: "node" of the events */
	char *pool; /* of the locks */
	bool pool_recorded_by_us;
	struct cn_lease *decision; /* held in the windows only */
	bool method_out;           /* of the journal, or the option */
	bool keep;
	bool finishing;            /* cleaning up: a signal does not keep us from it */
	bool armed;                /* the guard watches */
	bool taken_up;             /* the mapping was changed by an earlier window: since then data may have moved */
	bool weights_zero;         /* the CRUSH weights were brought to 0: from then on they must stay there */
	struct cn_journals others; /* all journals as read last, for health */
	struct cn_strv accept;     /* --accept with "existing" resolved at the start */
	int64_t started_ms;        /* CLOCK_BOOTTIME */
	int64_t bytes_total, bytes_left, pgs_left;
	int64_t bytes_moved_before;    /* --method out moves twice: what the first time has moved */
	struct cn_strv leftovers;      /* what the audit found */
	const struct cn_plan *plan;    /* in the first window: sizes and fill as read last; borrowed */
	struct cn_foresight foresight; /* of the forecast under hold, for the pins */
	struct cn_speed_state speed;
	struct cn_stop_state stop;
	const char *verb; /* the command: "drain", "remove", "cancel" */
	bool undo;        /* its steps go backwards */
	bool already;     /* cancelled before: there was nothing to do */
	bool not_undone;  /* a refusal could not take back all that was tried */
	bool result_emitted;
	int64_t timeout_at_ms; /* CLOCK_BOOTTIME; 0: none */
};

/* events.c: all events pass through here. fields: stolen, may be NULL. */
void cn_emit(struct cn_run *run, const char *event, json_t *fields);
void cn_step_begin(struct cn_run *run, const char *step);
void cn_step_end(struct cn_run *run, const char *step, json_t *fields);
void cn_run_warning(struct cn_run *run, const char *fmt, ...) _printf_(2, 3);
/* Of the node's shards, and in proportion of what the forecast said moves beside them. */
int64_t cn_run_bytes_moved(const struct cn_run *run);
/* The last event; exit and outcome come from r and err. outcome: of a success. */
void cn_emit_result(struct cn_run *run, int r, const struct cn_error *err, const char *outcome);
/* Puts `now` in the place of a journal of the run and releases the old one; `now` is empty afterwards. */
void cn_replace_journal(struct cn_journal *old, struct cn_journal *now);
/* What stands now that the run was interrupted, how to go on and how to undo it; to be freed, NULL: nothing was begun. */
char *cn_way_on(const struct cn_run *run); /* way_on.c */
/* Which run the signal thread speaks for. */
void cn_run_register(struct cn_run *run);

/* window.c: the decision lock and what it guards. */
int cn_window_open(struct cn_run *run, struct cn_error *err); /* takes the lock, finishes what a dead owner left in hold */
int cn_window_try(struct cn_run *run, struct cn_error *err);  /* the same, unless another has the lock just now */
void cn_window_close(struct cn_run *run);
/* Before each change: enough of the lease is left. -ESTALE: start the window over. */
int cn_may_change(struct cn_run *run, struct cn_error *err);
/* Before out, stop and each purge: the journals are as we left them, and (zero) the CRUSH weights still 0. -ECANCELED after a
 * cancel, -EREMCHG when another hand changed a weight. */
int cn_gate(struct cn_run *run, bool zero, struct cn_error *err);
int cn_check_journals(struct cn_run *run, struct cn_error *err);
int cn_check_weights(struct cn_run *run, struct cn_error *err);
int cn_save_all(struct cn_run *run, enum cn_phase phase, struct cn_error *err);
/* Somebody works on it again: the error of the call before is history. For the journals, not saved yet. */
static inline void cn_forget_error(struct cn_journal *j)
{
	free(j->last_error);
	j->last_error = NULL;
}
/* Notes why a drain stopped, when the lock can be had at once; for `status`. */
void cn_note_last_error(struct cn_run *run, const struct cn_error *why);

/* The phase of the drain that is least far: all steps may be repeated, so the run goes on from there. */
enum cn_phase cn_run_phase(const struct cn_run *run);
/* Errors that pass by themselves: no quorum or manager just now, a PG that peers or was just merged away. */
bool cn_error_passes(int r);
/* Ids of the run's OSDs that exist with the recorded uuid (others are somebody else's), and PGs to watch. */
void cn_run_osds(const struct cn_run *run, const struct cn_osdmap *m, struct cn_ids *ret);
struct cn_journal_pg *cn_run_pgs(const struct cn_run *run, const struct cn_osdmap *m, size_t *ret_n);
const struct cn_journal_osd *cn_run_osd(const struct cn_run *run, int id);
bool cn_run_has_osd(const struct cn_run *run, int id);

/* limits.c. No command may take longer than what --timeout leaves. For the loops outside of the windows, which have limits of
 * their own. */
void cn_limit_commands(struct cn_run *run);
/* The same for a wait: at most limit_ms. And its end: CN_TIMEOUT when --timeout is over, which names what was waited for. */
int64_t cn_wait_ms(const struct cn_run *run, int64_t limit_ms);
int cn_timeout_check(const struct cn_run *run, const char *what, struct cn_error *err);
/* Until the next poll, which costs the cluster at most a quarter of its time; not beyond --timeout. cost_ms: of the last one, 0
 * where it only waited. -EINTR: a signal. */
int cn_pause(struct cn_run *run, int64_t poll_ms, int64_t cost_ms);
/* The end of a poll: interrupted, --timeout over, or nothing has become less for --stall-timeout. */
struct cn_patience {
	int64_t bytes, count; /* the least seen so far: only less is progress, clients' writes are not */
	int64_t since_ms;
};
int cn_patience_check(struct cn_run *run, struct cn_patience *p, int64_t bytes, int64_t count, const char *what,
		      struct cn_error *err);

/* The steps; each says begin and end, and may be repeated. */
int cn_step_hold(struct cn_run *run, struct cn_error *err); /* hold.c */
int cn_step_reweight(struct cn_run *run, struct cn_error *err);
int cn_step_forecast(struct cn_run *run, struct cn_error *err); /* foresee_step.c */
int cn_step_pin(struct cn_run *run, struct cn_error *err);      /* nothing where the forecast wants no pins */
int cn_step_release(struct cn_run *run, struct cn_error *err);
/* After a forecast that refuses: weights, flags and journal of the drains that this forecast was to let begin. */
int cn_undo_hold(struct cn_run *run, struct cn_error *err);
int cn_release_flags(struct cn_run *run, struct cn_error *err);
int cn_step_wait(struct cn_run *run, struct cn_error *err);                  /* wait.c */
int cn_step_prove(struct cn_run *run, bool need_safe, struct cn_error *err); /* prove.c */
/* One pass of the proof, live: 0 and *ret_reason NULL when it holds, else words on what is still missing (to be freed). */
int cn_prove_once(struct cn_run *run, bool need_safe, size_t *ret_missing, char **ret_reason, struct cn_error *err);
int cn_step_out(struct cn_run *run, struct cn_error *err); /* remove.c */
int cn_step_stop(struct cn_run *run, struct cn_error *err);
int cn_step_purge(struct cn_run *run, struct cn_error *err);
int cn_step_sweep(struct cn_run *run, struct cn_error *err); /* sweep.c */
int cn_step_audit(struct cn_run *run, struct cn_error *err);

/* stop.c: the driver that stops daemons. choose: CN_REFUSED when the one that was asked for cannot serve these OSDs; reads only.
 * choose_now: unless it was chosen already, by the maps as they are. */
int cn_stop_choose(struct cn_run *run, const struct cn_osdmap *m, const struct cn_crush *crush, const struct cn_ids *osds,
		   struct cn_error *err);
int cn_stop_choose_now(struct cn_run *run, struct cn_error *err);
bool cn_stop_passes(int r);                                /* who must be asked is away just now */
void cn_stop_tell(const struct cn_run *run, json_t *plan); /* adds "stop" to a plan event */
/* Under the decision lock, which may be given back meanwhile; 0: none of the run's OSDs is up or runs. CHANGES. */
int cn_stop_osds(struct cn_run *run, struct cn_error *err);
/* *ret_what (to be freed): something has started a stopped daemon again, whether or not the map shows it yet; else NULL. */
int cn_stop_look_again(struct cn_run *run, char **ret_what, struct cn_error *err);
int cn_stop_audit(struct cn_run *run, struct cn_strv *ret, struct cn_error *err); /* what runs there that it does not know */
/* What was changed outside of Ceph: all of it put back; and, at the end, what was changed for the time of the drain only. */
int cn_stop_restore(struct cn_run *run, struct cn_strv *ret_foreign, struct cn_error *err);
int cn_stop_finish(struct cn_run *run, struct cn_error *err);
void cn_stop_release(struct cn_run *run);

/* undo.c: CRUSH weights (with weight-sets) and reweights as the journal has them. *ret_foreign: others' changes left alone.
 * pending_only: of OSDs whose weight was set to 0 by a window whose forecast has not passed. */
int cn_restore_weights(struct cn_run *run, bool pending_only, struct cn_strv *ret_foreign, struct cn_error *err);
int cn_restore_reweights(struct cn_run *run, struct cn_strv *ret_foreign, struct cn_error *err);

/* upmap.c: entries that the mon will cancel because they name one of the OSDs are noted in the journals. Changes nothing. */
void cn_upmaps_record(struct cn_run *run, const struct cn_osdmap *m, const struct cn_ids *osds);
/* The same for what it has cancelled already, by the map from before the change. */
int cn_upmaps_note_cancelled(struct cn_run *run, struct cn_error *err);
/* The epoch before the change of the weights; 0: none yet. */
int64_t cn_before_epoch(const struct cn_run *run);
/* The epoch of the last change of the weights; 0: none yet. */
int64_t cn_change_epoch(const struct cn_run *run);
/* Journals the pins, sends and reads back; *ret_kept: how many the mon let stand. CHANGES. */
int cn_upmaps_pin(struct cn_run *run, const struct cn_pins *pins, size_t *ret_kept, struct cn_error *err);
/* All entries of the map: for cn_upmaps_restore(), before the weights are put back. New reference. */
int cn_upmaps_read(struct cn_run *run, json_t **ret, struct cn_error *err);
/* All recorded entries as they were before the drain, or (window_only) before the window that is open, when the weights are back;
 * and those of `seen` that the mon has cancelled while they came. CHANGES. */
int cn_upmaps_restore(struct cn_run *run, json_t *seen, bool window_only, struct cn_strv *ret_foreign, struct cn_error *err);
/* Before a cancel writes its journal: of entries that other drains, cancelled meanwhile, had changed before this one, it takes
 * over what was there before them; and what their cancels could not put back. */
void cn_upmaps_settle(struct cn_run *run); /* upmap_others.c */
/* The window has ended well: no refusal undoes what it did any more. */
void cn_upmaps_let_go(struct cn_journal *j);
/* Before the first change of the mapping: which map it was, and what the mon will cancel. For the journals, not saved yet. */
void cn_take_in_mapping(struct cn_run *run, const struct cn_osdmap *m, const struct cn_ids *osds); /* hold.c */
/* The epoch of the last change of ours to the PG's mapping. */
int64_t cn_pg_change_epoch(const struct cn_run *run, struct cn_pgid id);

/* settings.c: entries of the config database, journalled before they are set. Both under the decision lock; CHANGES.
 * wanted: {name: value} for all OSDs. only_known: of those that the journal has. What another hand has set since is left alone
 * and said. *ret_set: how many are as wanted now; what cannot be set is a warning. -EINVAL: there is no config database. */
int cn_settings_apply(struct cn_run *run, const json_t *wanted, bool only_known, size_t *ret_set, struct cn_error *err);
int cn_settings_restore(struct cn_run *run, struct cn_strv *ret_foreign, struct cn_error *err);
/* The same for drains that nobody works on any more. */
int cn_settings_finish(struct cn_run *run, struct cn_error *err);
bool cn_settings_same(const char *a, const char *b); /* as values: 0.1 is 0.100000 */

/* speed.c: --speed. apply and restore: under the decision lock, CHANGE, and say what they could not do; errors only where the
 * window has to end. Without --speed apply puts back what an earlier call of this drain has left. */
int cn_speed_apply(struct cn_run *run, struct cn_error *err);
int cn_speed_restore(struct cn_run *run, struct cn_error *err);
/* While data moves, without the lock: are the settings heeded, and do clients wait? May take the decision lock for a moment. */
void cn_speed_tend(struct cn_run *run, const struct cn_health *health);
/* A run that ends before its time, with the decision lock held. */
void cn_speed_leave(struct cn_run *run);
void cn_speed_tell(struct cn_run *run, json_t *plan); /* adds "speed" and "settings" to a plan event */
json_t *cn_speed_fields(const struct cn_run *run);    /* of the event that ends `release`; NULL: none */
void cn_speed_release(struct cn_run *run);

/* weightset.c */
json_t *cn_weight_sets_record(const struct cn_crush *crush, const struct cn_osdmap *m, const struct cn_ids *osds);
/* osds: whose entries. Those of buckets above them are sums, and set only when all recorded OSDs are among these. */
int cn_weight_sets_restore(struct cn_cluster *c, const json_t *recorded, const struct cn_ids *osds, struct cn_error *err);

/* measure.c: what is left to move, from the manager's statistics. */
struct cn_measure {
	int64_t pgs_left, bytes_left;
	struct cn_measure_osd {
		int id;
		int64_t pgs_left, bytes_left;
	} * osds; /* as they were asked for, in their order; they sum up to bytes_left */
	size_t n_osds;
	struct cn_pgs left; /* the PGs that are left: for a diagnosis */
	size_t others;      /* PGs of others that recover or backfill just now */
};
void cn_measure_release(struct cn_measure *m);
int cn_measure(struct cn_cluster *c, const struct cn_osdmap *m, const struct cn_ids *osds, const struct cn_journal_pg *pgs,
	       size_t n, struct cn_measure *ret, struct cn_error *err);
/* The same of all that a journal has. */
int cn_measure_journal(struct cn_cluster *c, const struct cn_osdmap *m, const struct cn_journal *j, struct cn_measure *ret,
		       struct cn_error *err);

/* rate.c: how fast it goes, from what was left within the last half minute. */
struct cn_rate {
	struct {
		int64_t at_ms, bytes_left;
	} v[64];
	size_t n;
};
void cn_rate_add(struct cn_rate *rate, int64_t now_ms, int64_t bytes_left);
double cn_rate_get(const struct cn_rate *rate); /* bytes a second; -1: cannot be told yet */
/* Whole seconds, or null where nothing moves. New reference. */
json_t *cn_eta_json(int64_t pgs_left, int64_t bytes_left, double bytes_per_second);

/* diagnose.c: why nothing moves. */
struct cn_cause {
	const char *kind;  /* static: one word for each kind of cause */
	char *text, *hint; /* owned; hint: what to do, with a command to type */
};
struct cn_causes {
	struct cn_cause *v;
	size_t n, cap;
};
/* Looks at maps, managers and settings and adds what it finds, the most telling first; that may be nothing. blind: the last
 * reading failed, so `left` is old. Blocks for some commands (with blind, for their time limits); changes nothing. */
void cn_diagnose(struct cn_run *run, const struct cn_measure *left, bool blind, struct cn_causes *ret);
/* The error of a stall, with its causes and what to do about them; what: what is missing, in words. Returns -ETIME. */
int cn_give_up(struct cn_run *run, const struct cn_measure *left, bool blind, const char *what, struct cn_error *err);
void cn_causes_release(struct cn_causes *l);
