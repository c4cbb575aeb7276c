/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A scripted cluster. It answers exactly what the script says, and the test fails, with what came and what was expected, at any
 * other command and at any answer that nobody asked for. Commands are compared as JSON, where 0 and 0.0 differ: Ceph insists on
 * types.
 */
#include "cephnode/cluster/cluster.h"
#include "fakeclock.h"

struct fake;

/* The clock drives the expiry of locks; NULL: they never expire. */
struct fake *fake_new(struct fakeclock *clock);
/* Fails the test when anything unexpected came or anything expected did not; always frees. */
void fake_done(struct fake *f);
/* A client of the cluster with an instance id of its own ("client.<id>" as a locker). Freed with the fake; cn_cluster_free() on
 * it is allowed and does nothing. Calls of several clients may be mixed: they see the same cluster. */
struct cn_cluster *fake_client(struct fake *f, uint64_t instance);

/* One command and its answer: code 0 or -errno, body (NULL: empty), status (NULL: none). Texts are copied. */
void fake_expect(struct fake *f, enum cn_target target, const char *pgid, const char *cmd, int code, const char *body,
		 const char *status);
/* From now on expected commands may come in any order among themselves (on), or one after the other (off, the default). */
void fake_any_order(struct fake *f, bool on);
/* An answer that stands: any number of times, also never. A later one for the same command replaces it. */
void fake_always(struct fake *f, enum cn_target target, const char *pgid, const char *cmd, int code, const char *body,
		 const char *status);

/* config-key get, set, rm, exists and dump are answered from a map in memory, as the mon would (64 KiB a value). */
void fake_store(struct fake *f);
void fake_store_put(struct fake *f, const char *key, const char *value); /* value NULL: removes it */
const char *fake_store_get(struct fake *f, const char *key);             /* borrowed, NULL: absent */
/* All keys and values, as a JSON object. Borrowed. */
json_t *fake_store_all(struct fake *f);

/* Lets calls of a kind fail with `code`: after `skip` good ones, n of them. kind: a command's prefix ("config-key set"),
 * "command" for all, or "lock", "renew", "unlock", "lockers", "break_lock", "write", "read". done: the call takes effect all the
 * same, only its answer is lost. */
void fake_fault(struct fake *f, const char *kind, unsigned skip, unsigned n, int code, bool done);

/* The process dies: of the calls of this kind (as above) the one after `skip` good ones fails (done: takes effect, unheard), and
 * from then on every call of every kind and client, until fake_revive(), which says whether it came to that. Locks stay held. */
void fake_kill(struct fake *f, const char *kind, unsigned skip, bool done);
bool fake_revive(struct fake *f);

/* Asked before the script, one command at a time: true when it is the one to answer, with code and body (to be freed). It must
 * not call the fake. */
typedef bool (*fake_answerer)(void *arg, enum cn_target target, const char *pgid, const json_t *cmd, int *ret_code,
			      char **ret_body);
void fake_answer_with(struct fake *f, fake_answerer fn, void *arg);

/* How many commands with this prefix came so far (NULL: all), and the i-th of them as JSON (borrowed). */
size_t fake_count(struct fake *f, const char *prefix);
const json_t *fake_command(struct fake *f, const char *prefix, size_t i);

/* Holds a lock as somebody else would. seconds 0: for ever. */
void fake_lock_by(struct fake *f, const struct cn_object *o, const char *name, const char *client, const char *cookie,
		  unsigned seconds);
/* "client.1" that holds the lock now, or NULL. Borrowed. */
const char *fake_lock_holder(struct fake *f, const struct cn_object *o, const char *name);
