/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Shared by the files of src/cli: the tables of commands and options, what was asked for, and the session of one command. */
#include "cephnode/drain/drain.h"
#include "cephnode/output/events.h"
#include "cephnode/output/table.h"

/* --- what was asked for --- */

enum cn_format { CN_FORMAT_TABLE, CN_FORMAT_JSON };

struct cn_locks_settings {
	const char *pool, *node, *locker, *lock_id;
	bool all, force, fence_host, no_fence, powered_off;
	int64_t fence_for_s;
	int kind, state; /* enum cn_lock_kind, cn_lock_state; -1: any */
};

struct cn_settings {
	/* global options */
	const char *conf, *cluster, *name, *id, *keyring, *mon_host;
	int64_t connect_timeout_s, op_timeout_s;
	enum cn_format format;
	bool quiet, verbose, help, version;
	enum cn_color color;
	/* options of commands */
	bool yes, dry_run, watch;
	const char *textfile;
	struct cn_drain_options drain;
	struct cn_kube_options kube;
	struct cn_locks_settings locks;
	struct {
		bool install, recover;
		const char *root;
	} hook; /* heat hook */
	struct {
		const char *stack, *cloud;
		bool once, allow_empty;
		int64_t interval_s;
	} heat; /* heat agent, check, retire */
	/* the rest of the command line: borrowed from argv */
	const char **args;
	size_t n_args;
};

/* --- options --- */

enum cn_option_kind {
	CN_OPTION_FLAG,   /* bool */
	CN_OPTION_STRING, /* const char *, borrowed from argv */
	CN_OPTION_TEXT,   /* the same, may be empty */
	CN_OPTION_INT,    /* int64_t within [min, max] */
	CN_OPTION_CHOICE, /* an enum whose values are the positions in `arg`, split at '|', from min */
	CN_OPTION_WORD,   /* const char *, one of `arg`, split at '|'; of "label:KEY" the KEY is anything */
	CN_OPTION_CODES,  /* struct cn_strv of health codes, split at ',' */
};

/* Which commands take an option. */
enum cn_option_group {
	CN_GLOBAL = 1 << 0,
	CN_OPT_FORECAST = 1 << 1, /* what the plan depends on: plan, drain */
	CN_OPT_ACCEPT = 1 << 2,
	CN_OPT_STOP = 1 << 3,
	CN_OPT_DRAIN = 1 << 4,
	CN_OPT_YES = 1 << 5,
	CN_OPT_WAIT = 1 << 6, /* commands that wait for data or daemons */
	CN_OPT_LOCK = 1 << 7, /* commands that take the decision lock */
	CN_OPT_WATCH = 1 << 8,
	CN_OPT_KUBE = 1 << 9, /* a node is named: Kubernetes may know it */
	CN_OPT_METRICS = 1 << 10,
	CN_OPT_LOCKS = 1 << 20,
	CN_OPT_LOCKS_LIST = 1 << 21,
	CN_OPT_LOCKS_BREAK = 1 << 22,
	CN_OPT_HEAT_HOOK = 1 << 24,
	CN_OPT_HEAT_AGENT = 1 << 25,
	CN_OPT_OPENSTACK = 1 << 26, /* commands that ask Heat */
};

struct cn_option {
	const char *name; /* without dashes */
	char letter;      /* 0: none */
	const char *arg;  /* name of the argument, or its choices; NULL: takes none */
	enum cn_option_kind kind;
	unsigned group;
	size_t offset; /* into struct cn_settings */
	int64_t min, max;
	const char *help;
};

extern const struct cn_option cn_options[];
extern const size_t cn_n_options;

/* --- commands --- */

struct cn_session;

struct cn_command {
	const char *name;     /* one word, or two: "locks list" */
	const char *synopsis; /* of its arguments: "NODE..." */
	size_t min_args, max_args;
	unsigned groups;  /* besides CN_GLOBAL */
	bool nodes;       /* its arguments are nodes */
	bool events;      /* -f json prints JSON Lines that end with a result */
	bool locks;       /* its result tells of locks, not of drains */
	bool late;        /* connects by itself, once it needs to; JSON Lines without a result */
	bool aside;       /* it follows a drain, and that goes to stderr, as for people, also beside -f json's one document */
	bool undoes;      /* must not fail for what it can do without */
	bool guard;       /* may hold recovery: needs the child that lets go of it */
	const char *help; /* one line */
	const char *text; /* paragraphs of --help */
	int (*check)(const struct cn_settings *s, struct cn_error *err); /* before anything is started; may be NULL */
	int (*run)(struct cn_session *s, struct cn_error *err);
	int (*alone)(const struct cn_settings *s, struct cn_error *err); /* instead of run, where a session does not fit */
	void (*misused)(const struct cn_error *err); /* a wrong command line owes an answer, too; may be NULL */
};

extern const struct cn_command cn_commands[];
extern const size_t cn_n_commands;
const struct cn_command *cn_command_find(const char *name);           /* NULL: unknown */
bool cn_command_begins(const char *word);                             /* it is the first of the two words of some command */
bool cn_command_is_of(const struct cn_command *c, const char *first); /* "locks list" is of "locks" */

int cn_cmd_discover(struct cn_session *s, struct cn_error *err);
int cn_cmd_plan(struct cn_session *s, struct cn_error *err);
int cn_cmd_drain(struct cn_session *s, struct cn_error *err);
int cn_cmd_drain_check(const struct cn_settings *s, struct cn_error *err);
int cn_cmd_remove(struct cn_session *s, struct cn_error *err);
int cn_cmd_cancel(struct cn_session *s, struct cn_error *err);
int cn_cmd_check(struct cn_session *s, struct cn_error *err);
int cn_cmd_status(struct cn_session *s, struct cn_error *err);
int cn_cmd_metrics(struct cn_session *s, struct cn_error *err);
int cn_cmd_metrics_check(const struct cn_settings *s, struct cn_error *err);
int cn_cmd_locks_list(struct cn_session *s, struct cn_error *err);
int cn_cmd_locks_check(const struct cn_settings *s, struct cn_error *err);
int cn_cmd_locks_break(struct cn_session *s, struct cn_error *err);
int cn_cmd_locks_break_check(const struct cn_settings *s, struct cn_error *err);
int cn_cmd_heat_hook(const struct cn_settings *s, struct cn_error *err);
void cn_cmd_heat_hook_misused(const struct cn_error *err);
int cn_cmd_heat_agent(struct cn_session *s, struct cn_error *err);
int cn_cmd_heat_check(struct cn_session *s, struct cn_error *err);
int cn_cmd_heat_retire(struct cn_session *s, struct cn_error *err);
int cn_cmd_heat_retire_check(const struct cn_settings *s, struct cn_error *err);
int cn_cmd_heat_stack_check(const struct cn_settings *s, struct cn_error *err);

/* --- the command line --- */

void cn_settings_init(struct cn_settings *s);
void cn_settings_release(struct cn_settings *s);

/* Reads the command line; global options may stand before or after the command, "--" ends options. *ret_command stays NULL when
 * there is none, or where --help or --version came first. Errors: CN_USAGE; *ret_command and the format are then those of the
 * whole command line, as far as they can be told. *ret_group: the first of two words where the second is missing, else NULL. */
int cn_parse(int argc, char **argv, struct cn_settings *ret, const struct cn_command **ret_command, const char **ret_group,
	     struct cn_error *err);

/* The one of n words that s was most likely meant to be, or NULL. */
const char *cn_suggest(const char *s, const char *const *words, size_t n);

/* Help, generated from the tables: of the command, else of the group, else general. To be freed. */
char *cn_help_text(const struct cn_command *command, const char *group);

/* --- the session of one command --- */

struct cn_lock_hint {
	struct cn_strv names;
	struct cn_lock_node *nodes; /* owned; NULL: not looked for yet */
	size_t n;
};

/* A session begins before anything is connected, so that whatever happens afterwards ends with a result event. */
struct cn_session {
	const struct cn_settings *settings;
	const struct cn_command *command;
	struct cn_sink sink; /* first thing that cn_drain_*() sees of us */
	struct cn_events *events;
	struct cn_guard *guard;
	struct cn_cluster *cluster;
	struct cn_kube *kube; /* NULL: no API, or none is needed */
	struct cn_drain_context drain;
	struct cn_lock_hint hint;
	char *name;    /* "client.ID" of --id; owned */
	bool watching; /* an interrupt is the normal end */
};

/* Starts guard and signal thread, connects, runs the command, frees everything. Returns 0 or -errno with err set. */
int cn_session_run(const struct cn_settings *settings, const struct cn_command *command, struct cn_error *err);

/* A command line that is wrong: the result of a command that owes one with -f json. */
void cn_session_misused(const struct cn_settings *settings, const struct cn_command *command, const struct cn_error *err);

/* For commands that connect late. The session's drain context has the cluster in between. */
int cn_session_connect(struct cn_session *s, struct cn_error *err);
void cn_session_disconnect(struct cn_session *s);

/* cmd_drain.c: the nodes that the command line names, added to ret: "osd.0,osd.8", as a call for several is shown, is two. */
void cn_session_names(const struct cn_session *s, struct cn_strv *ret);

/* hint_locks.c: at the end of a drain, a note on the locks that clients on the node still hold. learn: at the first plan. */
void cn_lock_hint_learn(struct cn_session *s);
void cn_lock_hint_show(struct cn_session *s);
void cn_lock_hint_release(struct cn_lock_hint *h);

/* Asks on the terminal for the words to be typed; question is our own text, words may be foreign. 0: they were; -ECANCELED:
 * something else; -EINTR: a signal. */
int cn_ask(struct cn_session *s, const char *question, const char *words);
