/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The guard: a child process that puts the hold's flags back when its parent dies, is stopped for longer than a hold may last, or
 * ends in a hurry. It has a connection of its own, made when a hold begins.
 */
#include "cephnode/drain/drain.h"

#define CN_HOLD_MAX_S 60

/* Tells the child which flags it would have to unset; returns when it is connected and watching. Blocks for at most the connect
 * timeout. CN_FAILED when there is no guard: then nothing may be held. */
int cn_guard_arm(struct cn_guard *g, const struct cn_strv *flags, struct cn_error *err);
/* The flags are back: the child has nothing left to do. */
void cn_guard_disarm(struct cn_guard *g);
