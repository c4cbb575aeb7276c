/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The only place that prints errors and chooses the exit status. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "cephnode/base/text.h"
#include "cli/cli.h"

static void print_error(const struct cn_error *e)
{
	_cleanup_free_ char *message = cn_text_safe(e->message ? e->message : "failed"), *hint = NULL;

	cn_err_printf("cephnode: %s\n", message);
	if (!e->hint)
		return;
	hint = cn_text_safe(e->hint);
	cn_err_printf("hint: %s\n", hint);
}

/* A wrong command line owes an answer, too. */
static void misused(const struct cn_settings *settings, const struct cn_command *command, const struct cn_error *err)
{
	if (command->misused)
		command->misused(err);
	else
		cn_session_misused(settings, command, err);
}

static int run(int argc, char **argv, struct cn_error *err)
{
	_cleanup_(cn_settings_release) struct cn_settings settings;
	_cleanup_free_ char *help = NULL;
	const struct cn_command *command = NULL;
	const char *group = NULL;
	int r;

	cn_settings_init(&settings);
	r = cn_parse(argc, argv, &settings, &command, &group, err);
	if (r < 0 && command)
		misused(&settings, command, err);
	if (r < 0)
		return r;
	if (settings.help) {
		help = cn_help_text(command, group);
		(void)cn_out_puts(help);
		return 0;
	}
	if (settings.version) {
		(void)cn_out_puts("cephnode " CN_VERSION "\n");
		return 0;
	}
	return command->alone ? command->alone(&settings, err) : cn_session_run(&settings, command, err);
}

int main(int argc, char **argv)
{
	_cleanup_error_ struct cn_error err = {0};
	enum cn_code code = CN_OK;
	int e;

	prctl(PR_SET_DUMPABLE, 0); /* keys and tokens of Ceph and Kubernetes belong in no core dump */
	cn_stdio_init();
	signal(SIGPIPE, SIG_IGN);
	cn_locale_init();
	if (run(argc, argv, &err) < 0) {
		code = err.code ? err.code : CN_FAILED;
		print_error(&err);
	}
	e = cn_out_close();
	if (e) {
		cn_err_printf("cephnode: cannot write to stdout: %s\n", e == ETIMEDOUT ? "nobody reads it" : strerror(e));
		code = code ? code : CN_FAILED;
	}
	return (int)code;
}
