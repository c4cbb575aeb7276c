/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --help, generated from the tables of commands and options. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

#define WIDTH 100
#define HELP_COLUMN 29

/* Prints the text, broken at blanks so that no line passes WIDTH; lines after the first begin at 'indent'. 'at' is the column
 * where the first begins. A newline in the text ends a paragraph. */
static void wrap(FILE *f, const char *text, size_t at, size_t indent)
{
	bool first = true;

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (!first && at + 1 + len > WIDTH) {
			fprintf(f, "\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		fprintf(f, "%s%.*s", first ? "" : " ", (int)len, text);
		at += len + (first ? 0 : 1);
		first = false;
		text += len;
		if (*text == '\n') {
			fprintf(f, "\n%*s", (int)indent, "");
			at = indent;
			first = true;
		}
		text += *text != '\0';
	}
	fputc('\n', f);
}

/* "  -y, --yes                  do not ask"; a long left side gets a line of its own. */
static void entry(FILE *f, const char *left, const char *help)
{
	int n = fprintf(f, "  %s", left);

	if (n + 2 > HELP_COLUMN) {
		fputc('\n', f);
		n = 0;
	}
	fprintf(f, "%*s", HELP_COLUMN - n, "");
	wrap(f, help, HELP_COLUMN, HELP_COLUMN);
}

static void option_entry(FILE *f, const struct cn_option *o)
{
	const char letter[] = {'-', o->letter, ',', '\0'};
	_cleanup_free_ char *left =
		cn_asprintf("%3s --%s%s%s", o->letter ? letter : "", o->name, o->arg ? " " : "", o->arg ? o->arg : "");

	entry(f, left, o->help);
}

static void options_section(FILE *f, const char *title, unsigned groups)
{
	bool any = false;

	for (size_t i = 0; i < cn_n_options; i++) {
		if (!(cn_options[i].group & groups))
			continue;
		if (!any)
			fprintf(f, "\n%s:\n", title);
		any = true;
		option_entry(f, &cn_options[i]);
	}
}

static void exit_section(FILE *f)
{
	static const struct {
		const char *code, *help;
	} codes[] = {
		{"0", "done, also where nothing was left to do"},
		{"1", "failed; the message says what and why"},
		{"2", "usage, or a configuration that cannot be read"},
		{"3", "not found"},
		{"4", "refused: it would not be safe, or the node is ambiguous; nothing was changed"},
		{"5", "timeout or stall; what was begun stays recorded and can be resumed"},
		{"6", "partly done, or an incomplete answer"},
		{"130", "interrupted; what was begun stays recorded and can be resumed"},
	};

	fprintf(f, "\nExit status:\n");
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		fprintf(f, "  %3s  ", codes[i].code);
		wrap(f, codes[i].help, 7, 7);
	}
}

/* first: only those of this group; NULL: all. */
static void commands_section(FILE *f, const char *first)
{
	fputs("\nCommands:\n", f);
	for (size_t i = 0; i < cn_n_commands; i++) {
		const struct cn_command *c = &cn_commands[i];
		_cleanup_free_ char *left = cn_asprintf("%s%s%s", c->name, *c->synopsis ? " " : "", c->synopsis);

		if (!first || cn_command_is_of(c, first))
			entry(f, left, c->help);
	}
}

static void of_group(FILE *f, const char *first)
{
	fprintf(f, "Usage: cephnode %s COMMAND [OPTION...] [ARGUMENT...]\n", first);
	commands_section(f, first);
	options_section(f, "Options of every command", CN_GLOBAL);
	fprintf(f, "\n'cephnode %s COMMAND --help' shows the options of a command; cephnode(1) has the rest.\n", first);
}

static void general(FILE *f)
{
	fputs("Usage: cephnode [OPTION...] COMMAND [ARGUMENT...]\n\n", f);
	wrap(f,
	     "Takes storage nodes out of a Ceph cluster: moves every placement group off a node's OSDs, proves it, stops the "
	     "daemons and "
	     "removes the OSDs.",
	     0, 0);
	commands_section(f, NULL);
	fputc('\n', f);
	wrap(f,
	     "A NODE is an IP address, a CRUSH host bucket, a host name, a Kubernetes node name, or osd.N for a single OSD; "
	     "'ip:', "
	     "'host:', 'kube:' or 'osd:' in front says which is meant.",
	     0, 0);
	options_section(f, "Options of every command", CN_GLOBAL);
	exit_section(f);
	fputs("\n'cephnode COMMAND --help' shows the options of a command; cephnode(1) has the rest.\n", f);
}

static void of_command(FILE *f, const struct cn_command *c)
{
	fprintf(f, "Usage: cephnode %s [OPTION...] %s\n\n", c->name, c->synopsis);
	wrap(f, c->text, 0, 0);
	options_section(f, "Options", c->groups);
	options_section(f, "Options of every command", CN_GLOBAL);
}

char *cn_help_text(const struct cn_command *command, const char *group)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort(); /* out of memory, as in base */
	if (command)
		of_command(f, command);
	else if (group)
		of_group(f, group);
	else
		general(f);
	if (fclose(f) != 0)
		abort();
	return text;
}
