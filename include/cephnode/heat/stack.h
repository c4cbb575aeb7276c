/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * A stack of storage nodes as Heat shows it, and the gates at which the deletion of its members waits: in each member's own stack
 * a resource `drain` (OS::Heat::Value, its value the server) with a pre-delete hook.
 */
#include "cephnode/base/addr.h"
#include "cephnode/heat/keystone.h"

#define CN_GATE "drain"

/* Where a stack is: both parts of its path. */
struct cn_stack_ref {
	char *name, *id;
};
void cn_stack_ref_release(struct cn_stack_ref *s);
/* Takes NAME/ID out of a URL ("http://any/v1/P/stacks/NAME/ID/resources/x"); false where there is none. Only names that can be
 * no other path pass. */
bool cn_stack_ref_parse(const char *url, struct cn_stack_ref *ret);
/* The stack that a listed resource is of. */
bool cn_stack_of(const json_t *resource, struct cn_stack_ref *ret);

/* By name or id. CN_NOT_FOUND: there is no such stack in this project. */
int cn_stack_find(struct cn_os *os, const char *name, struct cn_stack_ref *ret, struct cn_error *err);
/* The stack's own object ("stack_status", "timeout_mins", "parameters", ...); a deleted one is still shown by its id. New
 * reference. */
int cn_stack_show(struct cn_os *os, const struct cn_stack_ref *s, json_t **ret, struct cn_error *err);

/* A member of the group: a nested stack that has a server or a gate. */
struct cn_member {
	struct cn_stack_ref stack;
	struct cn_stack_ref in; /* the stack that it is a resource of: the group's own */
	char *group;            /* the group's resource in the stack; NULL: it is of no group */
	char *name;             /* of its resource in the group, e.g. "5j4klxo6tsph"; "?" where it is not listed */
	char *status, *reason;  /* of that resource: "DELETE_IN_PROGRESS" */
	bool gate;              /* it has one */
	bool deployment;        /* it has an OS::Heat::SoftwareDeployment: the node drains itself */
	struct cn_strv servers; /* ids of its OS::Nova::Server resources */
};
struct cn_members {
	struct cn_member *v; /* by name */
	size_t n;
};
void cn_members_release(struct cn_members *m);
/* All members, in one request. */
int cn_members_get(struct cn_os *os, const struct cn_stack_ref *s, struct cn_members *ret, struct cn_error *err);
/* The same from Heat's answer. Never fails: what makes no sense is left out. Exposed for tests and fuzzing. */
void cn_members_read(const json_t *answer, struct cn_members *ret);
bool cn_member_is(const struct cn_member *m, const char *status);

struct cn_gate {
	bool waits;       /* the newest event says that the deletion is paused */
	int64_t since_ms; /* of the newest event, by Heat's clock; -1: there is none */
};
int cn_gate_get(struct cn_os *os, const struct cn_member *m, struct cn_gate *ret, struct cn_error *err);
void cn_gate_read(const json_t *answer, struct cn_gate *ret); /* from Heat's answer, as above */
/* The server that the gate stands for, by its value, which must be one of the member's own. CN_REFUSED: it is not. To be freed.
 */
int cn_gate_server(struct cn_os *os, const struct cn_member *m, char **ret, struct cn_error *err);
/* Lets the deletion go on. 0 also where it went on already. CHANGES: the server is gone within seconds. */
int cn_gate_open(struct cn_os *os, const struct cn_member *m, struct cn_error *err);

/* A server as Nova knows it. */
struct cn_server {
	char *id;
	int64_t created_ms; /* -1: not said */
	struct cn_ip *addresses;
	size_t n_addresses;
};
void cn_server_release(struct cn_server *s);
/* CN_NOT_FOUND: Nova does not know it (any more). */
int cn_server_get(struct cn_os *os, const char *id, struct cn_server *ret, struct cn_error *err);
void cn_server_read(const json_t *answer, struct cn_server *ret); /* from Nova's answer, as above */
