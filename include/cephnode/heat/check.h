/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* `heat check`: would a scale-down of this stack be safe? Reads only. */
#include "cephnode/heat/match.h"

enum cn_finding_level { CN_FINDING_OK, CN_FINDING_WARNING, CN_FINDING_PROBLEM };

struct cn_finding {
	enum cn_finding_level level;
	char *text, *mend; /* owned; mend NULL: nothing is to be done */
};
struct cn_findings {
	struct cn_finding *v;
	size_t n, cap;
	bool incomplete; /* something that matters could not be looked at: without a problem it is still not safe */
	bool no_ceph;    /* which nodes the servers are could not be looked at, whatever else was found */
};
void cn_findings_release(struct cn_findings *l);
const char *cn_finding_level_name(enum cn_finding_level l); /* "ok", "warning", "problem" */

/* What OpenStack says of the stack: its time, its gates, the credential. The members are for cn_heat_check_nodes(). Errors only
 * where no look is possible at all: no login, no such stack. Blocks. */
int cn_heat_check_stack(struct cn_os *os, const char *name, struct cn_members *ret_members, struct cn_findings *ret,
			struct cn_error *err);
/* Which OSDs each member's server is, by Ceph. Blocks. */
void cn_heat_check_nodes(struct cn_os *os, struct cn_cluster *c, struct cn_kube *kube, const struct cn_members *members,
			 struct cn_findings *ret);
/* Instead of it where Ceph cannot be reached: why. */
void cn_heat_check_no_ceph(const struct cn_error *why, struct cn_findings *ret);

/* Parts of it, on what Heat answers. */
void cn_check_stack(const json_t *stack, struct cn_findings *ret); /* its time, its state, its URL */
/* environment: of the stack. Does the gate of this member have its hook? member NULL: of every member there is or will be. group:
 * its resource in the stack, NULL: none. */
void cn_check_environment(const json_t *environment, const char *group, const char *member, struct cn_findings *ret);
/* template: of a member. Does its deletion wait for a drain, and what goes before that? */
void cn_check_template(const json_t *template, const char *member, struct cn_findings *ret);
void cn_check_credential(const json_t *token, struct cn_findings *ret);
