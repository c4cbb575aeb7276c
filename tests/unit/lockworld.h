/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* One image in a made-up cluster, for the tests of src/locks: every call is noted, and any can be made to fail. */
#include "cephnode/locks/break.h"
#include "fakeclock.h"
#include "unit.h"

#define OWNER "client.41"
#define ADDRESS "10.0.0.7:0/4242"
#define DAY 86400

struct lockworld {
	struct cn_cluster base; /* first */
	struct fakeclock clock;
	struct cn_strv log;
	const char *client, *cookie, *address, *tag; /* of the lock; client NULL: none */
	bool shared; /* `second`, NULL or a client, holds it as well, with cookie and address of the first */
	const char *second;
	uint64_t features;
	const char *watcher; /* NULL: nobody */
	uint64_t watcher_client;
	const char *own;
	bool fence_drops_watch, no_blocklist;
	json_t *fences;
	const char *fail; /* this kind of call fails */
	int fail_code;
	unsigned skip;
	void (*on_call)(struct lockworld *w, const char *kind); /* the world changes */
	json_t *result;
	const char *question;
	int answer;
};

struct lockworld *lockworld_new(void);
void lockworld_free(struct lockworld *w);
/* Where in w->log the first call stands that begins so; -1: there is none. */
int lockworld_at(struct lockworld *w, const char *what);
void lockworld_fence(struct lockworld *w, const char *addr, int64_t seconds);
