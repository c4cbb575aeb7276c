/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Inside of the fake: fake.c (script), fake_store.c (config-key), fake_lock.c (locks and objects). */
#include <pthread.h>

#include "fake.h"

struct answer {
	struct answer *next;
	enum cn_target target;
	char *pgid;
	json_t *cmd;
	int code;
	char *body, *status;
	unsigned group; /* answers of one group come in any order */
	bool used;
};

struct fault {
	char *kind;
	unsigned skip, n;
	int code;
	bool done;
};

struct fake_lock {
	struct fake_lock *next;
	char *id; /* object and name of the lock */
	char *client, *cookie, *description;
	int64_t expires_ms; /* boot time; 0: never */
};

struct client {
	struct cn_cluster base; /* first */
	struct fake *fake;
	uint64_t instance;
	struct client *next;
};

struct fake {
	pthread_mutex_t lock; /* look-ups come from several threads */
	struct fakeclock *clock;
	struct client *clients;
	struct answer *script, *always;
	unsigned group;
	bool any_order;
	struct fault *faults;
	size_t n_faults;
	char *kill_kind; /* NULL: nobody is to die */
	unsigned kill_skip;
	bool kill_done, dead;
	fake_answerer answerer;
	void *answerer_arg;
	struct fake_lock *locks;
	json_t *store; /* NULL: config-key commands are scripted like all others */
	int store_code;
	json_t *objects, *log;
	struct cn_strv complaints;
};

/* True, and *ret filled, when this call of the kind is to fail. */
bool fake_fault_now(struct fake *f, const char *kind, struct fault *ret);

/* True when cmd is a config-key command; f->store_code is its code then. */
bool fake_store_command(struct fake *f, const json_t *cmd, char **ret_body, char **ret_status);

int fake_op_lock(struct cn_cluster *c, const struct cn_object *o, const char *name, const char *cookie, const char *description,
		 unsigned seconds, bool renew);
int fake_op_unlock(struct cn_cluster *c, const struct cn_object *o, const char *name, const char *cookie);
int fake_op_lockers(struct cn_cluster *c, const struct cn_object *o, const char *name, struct cn_lockers *ret);
int fake_op_break(struct cn_cluster *c, const struct cn_object *o, const char *name, const char *client, const char *cookie);
int fake_op_write(struct cn_cluster *c, const struct cn_object *o, const char *text);
int fake_op_read(struct cn_cluster *c, const struct cn_object *o, char *buf, size_t size);
void fake_free_locks(struct fake *f);
