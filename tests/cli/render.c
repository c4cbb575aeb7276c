/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shows documents and events as people see them: JSON Lines on stdin, through the same code as the tool. {"sleep_ms": N} waits.
 * For tests, and to look at with one's own eyes. Options: -q -v -j (as JSON) and --color=WHEN.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cephnode/output/events.h"
#include "cephnode/output/views.h"

static void show(struct cn_events *events, const json_t *j, const struct cn_table_style *style)
{
	_cleanup_free_ char *text = NULL;

	if (json_object_get(j, "event"))
		cn_events_emit(events, j);
	else if (json_object_get(j, "log"))
		cn_events_log(events, CN_LOG_NOTE, cn_json_str(j, "log", ""));
	else if (json_object_get(j, "sleep_ms"))
		usleep((useconds_t)cn_json_int(j, "sleep_ms", 0) * 1000);
	else if (json_object_get(j, "drains"))
		text = cn_view_status(j, false, style);
	else if (json_object_get(j, "nodes"))
		text = cn_view_discover(j, style);
	if (text)
		(void)cn_out_puts(text);
}

int main(int argc, char **argv)
{
	struct cn_events_options options = {0};
	_cleanup_free_ char *line = NULL;
	struct cn_table_style style;
	struct cn_events *events;
	size_t size = 0;
	ssize_t n;

	for (int i = 1; i < argc; i++) {
		options.quiet |= strcmp(argv[i], "-q") == 0;
		options.verbose |= strcmp(argv[i], "-v") == 0;
		if (strcmp(argv[i], "-j") == 0)
			options.mode = CN_EVENTS_JSONL;
		if (strcmp(argv[i], "--color=always") == 0)
			options.color = CN_COLOR_ALWAYS;
	}
	cn_stdio_init();
	cn_locale_init();
	style = cn_table_style_stdout(options.color, options.verbose);
	events = cn_events_new(&options);
	while ((n = getline(&line, &size, stdin)) > 0) {
		_cleanup_json_ json_t *j = cn_json_parse(line, (size_t)n, NULL);

		if (j)
			show(events, j, &style);
	}
	cn_events_finish(events);
	cn_events_free(events);
	return cn_out_close() ? 1 : 0;
}
