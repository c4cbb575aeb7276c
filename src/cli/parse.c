/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line, read by the tables of options and commands. */
#include <errno.h>
#include <string.h>

#include "cephnode/base/text.h"
#include "cli/cli.h"

struct parser {
	int argc, at;
	char **argv;
	struct cn_settings *settings;
	const struct cn_command *command;
	const char *first; /* the first of the two words of a command */
	bool stop;         /* --help or --version was seen: nothing after it can be wrong */
	bool options_end;  /* "--" was seen */
	bool failed;       /* what follows is read only for what shapes the answer: the command and -f */
	bool lost;         /* no command can be told any more */
	struct cn_error *err;
};

void cn_settings_init(struct cn_settings *s)
{
	*s = (struct cn_settings){.connect_timeout_s = 15, .op_timeout_s = 30};
	s->drain.stall_timeout_s = 1800;
	s->drain.lock_wait_s = 60;
	s->heat.interval_s = 10;
	s->locks = (struct cn_locks_settings){.fence_for_s = 30 * 86400, .kind = -1, .state = -1};
}

void cn_settings_release(struct cn_settings *s)
{
	cn_strv_release(&s->drain.accept);
	free(s->args);
	*s = (struct cn_settings){0};
}

/* --- usage errors --- */

static int usage(const struct parser *p, const char *fmt, ...) _printf_(2, 3);
static int usage(const struct parser *p, const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = cn_vasprintf(fmt, ap);
	va_end(ap);
	(void)cn_error_set(p->err, CN_USAGE, EINVAL, "%s", text);
	return -EINVAL;
}

static void hint_help(const struct parser *p)
{
	if (p->command)
		cn_error_hint(p->err, "'cephnode %s --help' lists its arguments and options", p->command->name);
	else if (p->first)
		cn_error_hint(p->err, "'cephnode %s --help' lists its commands", p->first);
	else
		cn_error_hint(p->err, "'cephnode --help' lists the commands and global options");
}

static bool takes(const struct parser *p, const struct cn_option *o)
{
	return (o->group & CN_GLOBAL) || (p->command && (o->group & p->command->groups));
}

/* "drain, remove, cancel": the commands that take the option. To be freed. */
static char *homes_of(const struct cn_option *o)
{
	_cleanup_(cn_strv_release) struct cn_strv names = {0};

	for (size_t i = 0; i < cn_n_commands; i++) {
		if (o->group & cn_commands[i].groups)
			cn_strv_add(&names, cn_commands[i].name);
	}
	return cn_strv_join(&names, ", ");
}

static int unknown_option(const struct parser *p, const char *shown, const struct cn_option *o)
{
	const char *names[64], *near;
	size_t n = 0;

	if (o && !p->command)
		return usage(p, "option '%s' belongs to a command and stands after it", shown);
	if (o) {
		_cleanup_free_ char *homes = homes_of(o);

		(void)usage(p, "'%s' has no option '%s'", p->command->name, shown);
		cn_error_hint(p->err, "it is an option of: %s", homes);
		return -EINVAL;
	}
	for (size_t i = 0; i < cn_n_options && n < ARRAY_SIZE(names); i++) {
		if (takes(p, &cn_options[i]))
			names[n++] = cn_options[i].name;
	}
	(void)usage(p, "unknown option '%s'", shown);
	near = strncmp(shown, "--", 2) == 0 ? cn_suggest(shown + 2, names, n) : NULL;
	if (near)
		cn_error_hint(p->err, "did you mean '--%s'?", near);
	return -EINVAL;
}

/* --- values --- */

static int store_choice(const struct parser *p, const struct cn_option *o, const char *shown, const char *value, int *field)
{
	_cleanup_(cn_strv_release) struct cn_strv choices = {0};

	cn_strv_split(&choices, o->arg, "|");
	for (size_t i = 0; i < choices.n; i++) {
		if (strcmp(choices.v[i], value) == 0) {
			*field = (int)(o->min + (int64_t)i);
			return 0;
		}
	}
	return usage(p, "%s must be one of %s, not '%s'", shown, o->arg, value);
}

static int store_word(const struct parser *p, const struct cn_option *o, const char *shown, const char *value, const char **field)
{
	_cleanup_(cn_strv_release) struct cn_strv words = {0};

	cn_strv_split(&words, o->arg, "|");
	for (size_t i = 0; i < words.n; i++) {
		const char *colon = strchr(words.v[i], ':');
		size_t len = colon ? (size_t)(colon + 1 - words.v[i]) : 0;

		if (colon ? strncmp(words.v[i], value, len) == 0 && value[len] : strcmp(words.v[i], value) == 0) {
			*field = value;
			return 0;
		}
	}
	return usage(p, "%s must be one of %s, not '%s'", shown, o->arg, value);
}

static bool is_code(const char *s)
{
	return strcmp(s, "existing") == 0 || strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(s);
}

static int store_codes(const struct parser *p, const char *shown, const char *value, struct cn_strv *field)
{
	_cleanup_(cn_strv_release) struct cn_strv codes = {0};

	cn_strv_split(&codes, value, ",");
	for (size_t i = 0; i < codes.n; i++) {
		if (!is_code(codes.v[i])) {
			(void)usage(p, "%s: '%s' is not a health check code", shown, codes.v[i]);
			cn_error_hint(
				p->err,
				"'ceph health detail' shows the codes, such as OSD_NEARFULL; 'existing' accepts those of now");
			return -EINVAL;
		}
		if (!cn_strv_has(field, codes.v[i]))
			cn_strv_add(field, codes.v[i]);
	}
	return codes.n ? 0 : usage(p, "%s needs at least one health check code", shown);
}

static int store(const struct parser *p, const struct cn_option *o, const char *shown, const char *value)
{
	char *field = (char *)p->settings + o->offset;

	if (value && !*value && o->kind != CN_OPTION_TEXT)
		return usage(p, "%s must not be empty", shown);
	switch (o->kind) {
	case CN_OPTION_FLAG:
		*(bool *)field = true;
		return 0;
	case CN_OPTION_STRING:
	case CN_OPTION_TEXT:
		*(const char **)field = value;
		return 0;
	case CN_OPTION_INT:
		if (cn_parse_int(value, o->min, o->max, (int64_t *)field))
			return 0;
		return usage(p, "%s must be a whole number%s from %lld to %lld, not '%s'", shown,
			     strcmp(o->arg, "SEC") == 0 ? " of seconds" : "", (long long)o->min, (long long)o->max, value);
	case CN_OPTION_CHOICE:
		return store_choice(p, o, shown, value, (int *)field);
	case CN_OPTION_WORD:
		return store_word(p, o, shown, value, (const char **)field);
	case CN_OPTION_CODES:
		return store_codes(p, shown, value, (struct cn_strv *)field);
	}
	return -EINVAL;
}

/* --- words --- */

static int option(struct parser *p, const struct cn_option *o, const char *shown, const char *value)
{
	if (!o || !takes(p, o))
		return unknown_option(p, shown, o);
	if (!o->arg && value)
		return usage(p, "option '%s' takes no value", shown);
	if (o->arg && !value) {
		if (p->at >= p->argc)
			return usage(p, "option '%s' needs a value: %s", shown, o->arg);
		value = p->argv[p->at++];
	}
	if (store(p, o, shown, value) < 0)
		return -EINVAL;
	p->stop = p->settings->help || p->settings->version;
	return 0;
}

static int long_option(struct parser *p, const char *word)
{
	const char *equals = strchr(word, '=');
	_cleanup_free_ char *shown = equals ? cn_strndup(word, (size_t)(equals - word)) : cn_strdup(word);
	const struct cn_option *o = NULL;

	for (size_t i = 0; i < cn_n_options && !o; i++) {
		if (strcmp(cn_options[i].name, shown + 2) == 0)
			o = &cn_options[i];
	}
	return option(p, o, shown, equals ? equals + 1 : NULL);
}

/* "-qv", "-cFILE", "-c FILE". */
static int short_options(struct parser *p, const char *word)
{
	for (const char *c = word + 1; *c && !p->stop; c++) {
		const char shown[] = {'-', *c, '\0'};
		const struct cn_option *o = NULL;
		bool rest;
		int r;

		for (size_t i = 0; i < cn_n_options && !o; i++) {
			if (cn_options[i].letter == *c)
				o = &cn_options[i];
		}
		rest = o && o->arg && c[1];
		r = option(p, o, shown, rest ? c + 1 : NULL);
		if (r < 0 || rest)
			return r;
	}
	return 0;
}

/* "locks lsit" is held against "list" and "break", not against "status". */
static const char *suggest_command(const struct parser *p, const char *word)
{
	size_t skip = p->first ? strlen(p->first) + 1 : 0, n = 0;
	const char *names[64];

	for (size_t i = 0; i < MIN(cn_n_commands, ARRAY_SIZE(names)); i++) {
		if (!p->first || cn_command_is_of(&cn_commands[i], p->first))
			names[n++] = cn_commands[i].name + skip;
	}
	return cn_suggest(word, names, n);
}

static int command_word(struct parser *p, const char *word)
{
	_cleanup_free_ char *name = p->first ? cn_asprintf("%s %s", p->first, word) : cn_strdup(word);
	const char *near;

	p->command = cn_command_find(name);
	if (p->command)
		return 0;
	if (!p->first && cn_command_begins(word)) {
		p->first = word;
		return 0;
	}
	near = suggest_command(p, word);
	(void)usage(p, "unknown command '%s'", name);
	if (near)
		cn_error_hint(p->err, "did you mean '%s%s%s'?", p->first ? p->first : "", p->first ? " " : "", near);
	return -EINVAL;
}

static int check_args(const struct parser *p)
{
	const struct cn_command *c = p->command;
	const struct cn_settings *s = p->settings;

	if (s->n_args < c->min_args)
		return usage(p, "'%s' needs an argument (%s)", c->name, c->synopsis);
	if (s->n_args > c->max_args)
		return usage(p, "too many arguments for '%s' (%s)", c->name, c->max_args ? c->synopsis : "it takes none");
	for (size_t i = 0; c->nodes && i < s->n_args; i++) {
		if (*s->args[i])
			continue;
		(void)usage(p, "the name of a node must not be empty");
		cn_error_hint(p->err, "name it by its IP address, its CRUSH host or osd.N; a variable of the shell may be unset");
		return -EINVAL;
	}
	if (s->kube.off && cn_kube_options_given(&s->kube)) {
		(void)usage(p, "--no-kube excludes the other options of Kubernetes");
		cn_error_hint(p->err, "leave out --no-kube to ask Kubernetes, or the others to go without it");
		return -EINVAL;
	}
	if (s->name && s->id) {
		(void)usage(p, "--name and --id exclude each other");
		cn_error_hint(p->err, "--id ID stands for --name client.ID: give one of them");
		return -EINVAL;
	}
	return 0;
}

/* No word, or "locks" alone. */
static int no_command(const struct parser *p)
{
	_cleanup_(cn_strv_release) struct cn_strv seconds = {0};
	_cleanup_free_ char *list = NULL;

	if (!p->first)
		return usage(p, "no command was given");
	for (size_t i = 0; i < cn_n_commands; i++) {
		if (cn_command_is_of(&cn_commands[i], p->first))
			cn_strv_add(&seconds, cn_commands[i].name + strlen(p->first) + 1);
	}
	list = cn_strv_join(&seconds, ", ");
	return usage(p, "'%s' needs a second word: %s", p->first, list);
}

/* One word, and the value of an option that takes one. */
static int next_word(struct parser *p)
{
	const char *word = p->argv[p->at++];
	int r = 0;

	if (!p->options_end && strcmp(word, "--") == 0) {
		p->options_end = true;
	} else if (!p->options_end && strncmp(word, "--", 2) == 0) {
		r = long_option(p, word);
	} else if (!p->options_end && word[0] == '-' && word[1]) {
		r = short_options(p, word);
	} else if (!p->command) {
		r = p->lost ? 0 : command_word(p, word);
		p->lost |= r < 0;
	} else if (!p->failed) { /* behind an unknown option it may be that one's value */
		p->settings->args[p->settings->n_args++] = word;
	}
	return r;
}

int cn_parse(int argc, char **argv, struct cn_settings *ret, const struct cn_command **ret_command, const char **ret_group,
	     struct cn_error *err)
{
	struct parser p = {.argc = argc, .at = 1, .argv = argv, .settings = ret, .err = err};
	int r = 0;

	ret->args = cn_calloc((size_t)argc + 1, sizeof(*ret->args));
	while (!p.stop && p.at < argc) {
		if (next_word(&p) == 0 || r < 0)
			continue;
		r = -EINVAL;
		p.failed = true;
		p.err = NULL; /* the first error is the one to be told */
	}
	if (r == 0 && p.stop && !p.command) { /* "--help drain" is "drain --help" */
		p.err = NULL;
		while (!p.command && p.at < argc && command_word(&p, argv[p.at++]) == 0)
			;
		p.err = err;
	}
	*ret_command = p.command;
	*ret_group = p.command ? NULL : p.first;
	if (r == 0 && !p.stop)
		r = p.command ? check_args(&p) : no_command(&p);
	if (r < 0) {
		p.err = err;
		hint_help(&p);
	}
	return r;
}
