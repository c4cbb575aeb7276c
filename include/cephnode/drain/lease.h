/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Leases: exclusive locks on the object cephnode.lock (namespace cephnode) with 30 s to live, renewed every 5 s by a thread.
 * The decision lock is held in the windows in which the map is changed; one more for each drain says that its owner lives.
 * The mon does not know them, so time guards it: see cn_lease_may_change().
 */
#include "cephnode/base/clock.h"
#include "cephnode/drain/journal.h"

#define CN_LEASE_S 30
#define CN_LEASE_RENEW_MS 5000
#define CN_LEASE_NEED_MS 15000     /* a change is sent only while so much is left */
#define CN_LEASE_TAKEOVER_MS 10000 /* who takes over an expired decision lock waits: a last command may be under way */
#define CN_CHANGE_TIMEOUT_S 10
#define CN_LOCK_KEY "cephnode/lock"

struct cn_lease;

/* Finds the pool of the lock: the one recorded in config-key cephnode/lock, else `wanted`, else .mgr, device_health_metrics, or
 * the first replicated pool whose PG for the object is active. Writes nothing. *ret_pool to be freed. CN_REFUSED when `wanted`
 * differs from the record, CN_FAILED when there is no pool. */
int cn_lease_pool(struct cn_cluster *c, const char *wanted, char **ret_pool, struct cn_error *err);

/* Takes the lock `name` ("decision", "drain.<id>"). While another holds it: tries again each half second for wait_ms; calls
 * `waiting` (may be NULL) once, with words on who holds it. A holder known to be dead on this machine is put aside at once.
 * owner: for locks other than the decision lock, who holds it according to the journal (NULL: unknown).
 * CN_TIMEOUT with EBUSY when it stays taken, CN_INTERRUPTED. */
int cn_lease_take(struct cn_cluster *c, struct cn_clock *clock, const char *pool, const char *name, const struct cn_owner *owner,
		  int64_t wait_ms, void (*waiting)(void *arg, const char *who), void *arg, struct cn_lease **ret,
		  struct cn_error *err);
/* Whether a change may be sent now: 0, or -ESTALE when less than 15 s of the lease are left, or it was lost (the process was
 * stopped, the machine slept): the step must start over. */
int cn_lease_may_change(struct cn_lease *l, struct cn_error *err);
/* Does anybody hold the lock `name`, but for `dead` where that is not NULL? 1, 0, or -errno where it cannot be told. */
int cn_lease_look(struct cn_cluster *c, const char *pool, const char *name, const struct cn_owner *dead);
/* Whether anybody holds the lock `name`, or anybody but `dead` where that is not NULL; true also when that cannot be told. */
bool cn_lease_is_held(struct cn_cluster *c, const char *pool, const char *name, const struct cn_owner *dead);
/* Gives the lock back and stops its thread. Accepts NULL. */
void cn_lease_free(struct cn_lease *l);
