/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The guard: a child process that puts the hold's flags back when its parent dies, is stopped for longer than a hold may last, or
 * ends in a hurry. It has a connection of its own, made when a hold begins.
 */
#include "cephnode/drain/drain.h"

/* Without a word from its parent for so long the guard acts: less than the lease, so that nobody else can be in a hold by then.
 */
#define CN_GUARD_SILENCE_S 25
/* config-key that the guard sets once it has put the flags of a drain back, so that nobody does it again: the same flag may since
 * have been set by an operator. */
#define CN_GUARD_PREFIX "cephnode/guard/"

/* Tells the child which flags it would have to unset, and for which drain; returns when it is connected and watching. Blocks for
 * at most the connect timeout. CN_FAILED when there is no guard: then nothing may be held. */
int cn_guard_arm(struct cn_guard *g, const char *drain_id, const struct cn_strv *flags, struct cn_error *err);
/* A word that the parent lives and has its lease. Does not block. */
void cn_guard_keep(struct cn_guard *g);
/* The flags are back: the child has nothing left to do. */
void cn_guard_disarm(struct cn_guard *g);
