/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The heat-config hook: a node drains itself before Heat deletes its server. One JSON object in, exactly one out. What is drained
 * follows from the machine alone (machine.h, own.h): nothing that came in names a node, and nothing of it comes out again, for
 * it holds a password.
 */
#include "cephnode/drain/drain.h"
#include "cephnode/heat/machine.h"

/* --- what came in --- */

struct cn_hook_request {
	bool drain;      /* deploy_action is DELETE; else nothing is to be touched, and the rest is not read */
	char *server_id; /* deploy_server_id; owned, NULL: not given */
	struct cn_strv accept;
	int64_t stall_timeout_s, timeout_s; /* 0: not given */
	int64_t created_ms;                 /* when the deployment was made, 1970 on; -1: not known */
	bool allow_empty;                   /* OSD addresses are machine addresses here: a machine that has none has no OSD */
};
/* Reads stdin's text. CN_USAGE; the message never quotes it. */
int cn_hook_request_read(const char *text, size_t len, struct cn_hook_request *ret, struct cn_error *err);
void cn_hook_request_release(struct cn_hook_request *r);

/* --- what goes out --- */

struct cn_hook_answer {
	enum cn_code code; /* deploy_status_code, and the exit status */
	bool ignored;      /* code 0: nothing was touched */
	int64_t bytes_moved;
	char *reason;         /* owned, NULL: none */
	char *text;           /* deploy_stdout; owned, NULL: empty */
	struct cn_strv notes; /* deploy_stderr */
};
/* The code of the answer, its reason, and the hint as a note. */
void cn_hook_answer_error(struct cn_hook_answer *a, const struct cn_error *err);
/* Keeps the last of many, and of each not too much. */
void cn_hook_answer_note(struct cn_hook_answer *a, const char *text);
/* One line with its newline; to be freed. */
char *cn_hook_answer_format(const struct cn_hook_answer *a);
void cn_hook_answer_release(struct cn_hook_answer *a);
/* The same without memory or locks, for a process that dies: a literal. */
#define CN_HOOK_ANSWER_DIED                                                                                                      \
	"{\"deploy_status_code\": 1, \"deploy_stdout\": \"\", \"deploy_stderr\": \"cephnode ended by an internal error\", "      \
	"\"outcome\": \"failed\", \"bytes_moved\": 0, \"reason\": \"cephnode ended by an internal error\"}\n"

/* --- the drain of this machine --- */

struct cn_hook {
	const struct cn_machine *machine;
	struct cn_clock *clock;
	struct cn_guard *guard;
	unsigned connect_timeout_s;
	/* Connects within timeout_s. */
	int (*connect)(void *arg, unsigned timeout_s, struct cn_cluster **ret, struct cn_error *err);
	/* A line for who watches. */
	void (*tell)(void *arg, const char *line);
	void *arg;
	struct cn_cluster *cluster; /* made by connect. NULL: none */
	struct cn_cluster **lost;   /* earlier ones that broke */
	size_t n_lost, cap_lost;
	_Atomic int64_t bytes_moved; /* so far: for the answer of a process that is told to end at once */
};

/* The whole of it: proves that this machine is meant, finds its OSDs, drains them, looks again. Waits and tries again while that
 * may help (no cluster, no quorum, another cephnode at work): until the request's timeout is over, or nothing has moved for its
 * stall_timeout. Blocks for as long as that takes; CHANGES the cluster as cn_drain_run() does. *ret is always an answer. */
void cn_hook_run(struct cn_hook *h, const struct cn_hook_request *request, struct cn_hook_answer *ret);
/* Closes the connections, lost ones too. Blocks, maybe for ever (rados_shutdown()): only once the answer is out. */
void cn_hook_close(struct cn_hook *h);

/* --- its place on the machine --- */

/* Puts a script that runs `command` (quoted for the shell) where heat-config looks for the hook of the group cephnode, and a
 * drop-in that makes os-collect-config recover (below) before each start. root: "" or the root of an image. Appends the paths it
 * wrote to *ret_done. CHANGES files. */
int cn_hook_install(const char *root, const char *command, const char *recover, struct cn_strv *ret_done, struct cn_error *err);
/* heat-config writes deployed/ID.json before it runs a hook, and ID.notify.json behind it; with the first alone, after a reboot
 * in the middle, it takes the hook for done and never runs it again. Removes such files of the group cephnode, so that it does.
 * CN_REFUSED while a hook runs (cn_hook_lock()). Appends the names of what it removed to *ret_done. CHANGES files. */
int cn_hook_recover(const char *root, struct cn_strv *ret_done, struct cn_error *err);
/* Says for as long as this process lives that a hook runs. Where heat-config is not there it says nothing. */
void cn_hook_lock(const char *root);
