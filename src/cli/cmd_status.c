/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/output/stream.h"
#include "cephnode/output/views.h"
#include "cli/cli.h"

#define WATCH_EVERY_MS 1000

/* What the rounds remember: what stands on the terminal and is drawn over by the next one, and the numbers of the one before. */
struct screen {
	bool live;
	char *frame; /* owned; NULL: none */
	struct cn_status_memory *memory;
};

static int show(struct cn_session *s, const json_t *doc, struct screen *screen)
{
	struct cn_table_style style = cn_table_style_stdout(s->settings->color, s->settings->verbose);
	_cleanup_free_ char *text = NULL, *all = NULL;
	bool osds = s->settings->watch || s->settings->verbose;
	unsigned columns, lines;
	size_t up;

	if (s->settings->format == CN_FORMAT_JSON)
		return cn_out_json(doc);
	text = cn_view_status(doc, osds, &style);
	if (!screen->live || !cn_terminal_size(STDOUT_FILENO, &columns, &lines))
		return cn_out_puts(text);
	if (cn_text_rows(text, columns) >= lines) { /* rather all drains than all OSDs */
		free(text);
		text = cn_view_status(doc, false, &style);
	}
	cn_text_cut_rows(text, columns, lines - 1); /* what scrolls out cannot be drawn over */
	/* the terminal may have another width by now, and its lines other breaks */
	up = screen->frame ? MIN(cn_text_rows(screen->frame, columns), lines - 1) : 0;
	all = up ? cn_asprintf("\033[%zuA\r\033[J%s", up, text) : cn_strdup(text);
	free(screen->frame);
	screen->frame = TAKE_PTR(text);
	return cn_out_puts(all);
}

static void forget_frame(struct screen *screen)
{
	free(screen->frame);
	screen->frame = NULL;
}

static int read_status(struct cn_session *s, struct screen *screen, json_t **ret, struct cn_error *err)
{
	return cn_drain_status(&s->drain, s->settings->n_args ? s->settings->args[0] : NULL, screen->memory, ret, err);
}

static bool any_drain(const json_t *doc)
{
	return json_array_size(cn_json_arr(doc, "drains")) > 0;
}

/* The rounds after the first. A monitor that does not answer for a while does not end it; a drain that is done does. */
static int watch(struct cn_session *s, struct screen *screen, struct cn_error *err)
{
	while (cn_out_error() == 0) {
		_cleanup_error_ struct cn_error e = {0};
		_cleanup_json_ json_t *doc = NULL;
		int r;

		if (cn_clock_wait_ms(cn_clock_system(), WATCH_EVERY_MS) < 0)
			return cn_error_interrupted(err);
		r = read_status(s, screen, &doc, &e);
		if (r == -EINTR || cn_interrupted())
			return cn_error_interrupted(err);
		if (e.code == CN_TIMEOUT) {
			cn_warning("%s; trying again", e.message);
			forget_frame(screen);
			continue;
		}
		if (e.code == CN_NOT_FOUND)
			doc = json_pack("{s:i, s:[]}", "schema", 1, "drains");
		else if (r < 0) {
			cn_error_move(err, &e);
			return r;
		}
		(void)show(s, doc, screen);
		if (!any_drain(doc))
			break;
	}
	return 0;
}

static int status(struct cn_session *s, struct screen *screen, struct cn_error *err)
{
	_cleanup_json_ json_t *doc = NULL;
	int r = read_status(s, screen, &doc, err);

	if (r < 0)
		return r;
	(void)show(s, doc, screen);
	return s->settings->watch && any_drain(doc) ? watch(s, screen, err) : 0;
}

int cn_cmd_status(struct cn_session *s, struct cn_error *err)
{
	struct screen screen = {.live = s->settings->watch && cn_terminal_live(STDOUT_FILENO)};
	int r;

	screen.memory = s->settings->watch ? cn_status_memory_new() : NULL;
	r = status(s, &screen, err);
	cn_status_memory_free(screen.memory);
	forget_frame(&screen);
	return r;
}
