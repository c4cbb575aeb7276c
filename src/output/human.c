/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output/human.h"

#include <string.h>
#include <unistd.h>

#include "cephnode/base/text.h"
#include "cephnode/output/locks.h"
#include "cephnode/output/views.h"

/* A progress line where stderr is no terminal: at every tenth, and at the latest after a minute. */
#define PLAIN_EVERY_PERCENT 10
#define PLAIN_EVERY_MS 60000

void cn_human_init(struct cn_human *h, const struct cn_events_options *options)
{
	*h = (struct cn_human){.options = options, .color = cn_color_wanted(options->color, STDERR_FILENO)};
	h->live.enabled = options->mode == CN_EVENTS_HUMAN && !options->quiet && cn_terminal_live(STDERR_FILENO);
	h->live.color = h->color;
}

void cn_human_release(struct cn_human *h)
{
	cn_live_clear(&h->live);
	free(h->live_text);
	cn_strv_release(&h->warned);
}

/* --- lines --- */

static void live(struct cn_human *h, char *text)
{
	free(h->live_text);
	h->live_text = text;
	cn_live_draw(&h->live, text);
}

static void live_end(struct cn_human *h)
{
	cn_live_clear(&h->live);
	free(h->live_text);
	h->live_text = NULL;
}

/* One line on stderr, the live line goes on below it. `label` is shown in `color`, text is made harmless. */
static void line(struct cn_human *h, const char *color, const char *label, const char *text)
{
	_cleanup_free_ char *safe = cn_text_safe(text);

	cn_live_clear(&h->live);
	cn_err_printf("%s%s%s%s%s\n", h->color ? color : "", label, h->color ? CN_RESET : "", *label ? " " : "", safe);
	if (h->live_text)
		cn_live_draw(&h->live, h->live_text);
}

static void warn_once(struct cn_human *h, const char *message)
{
	if (cn_strv_has(&h->warned, message))
		return;
	cn_strv_add(&h->warned, message);
	line(h, CN_YELLOW, "warning:", message);
}

void cn_human_log(struct cn_human *h, enum cn_log_level level, const char *text)
{
	switch (level) {
	case CN_LOG_WARNING:
		warn_once(h, text);
		break;
	case CN_LOG_NOTE:
		if (!h->options->quiet)
			line(h, "", "", text);
		break;
	case CN_LOG_DEBUG:
		line(h, CN_DIM, "debug:", text);
		break;
	}
}

/* --- plan --- */

static void on_plan(struct cn_human *h, const json_t *event)
{
	struct cn_table_style style = cn_table_style_stdout(h->options->color, h->options->verbose);
	_cleanup_free_ char *text = cn_view_plan(event, &style);
	const json_t *w;
	size_t i;

	live_end(h);
	(void)cn_out_puts(text);
	json_array_foreach (cn_json_arr(event, "warnings"), i, w) {
		if (json_is_string(w))
			cn_strv_add(&h->warned, json_string_value(w));
	}
}

/* --- steps --- */

/* What a step says while it runs, and at its end where the event tells no more. `remove` uses the same names: the words fit it as
 * well. */
static const struct step_words {
	const char *step, *doing, *done;
} steps[] = {
	{"lock", "taking the decision lock", "taken"},
	{"check", "checking the cluster", "nothing speaks against it"},
	{"hold", "holding recovery back", "recovery is held back"},
	{"reweight", "setting CRUSH weights", "done"},
	{"forecast", "reading the new mapping", "every placement group has a home"},
	{"pin", "pinning data that need not move", "done"},
	{"release", "letting recovery go on", "recovery goes on"},
	{"wait", "waiting until every placement group has moved", "every placement group has moved"},
	{"prove", "proving that no placement group needs the OSDs", "no placement group needs the OSDs"},
	{"out", "marking the OSDs", "done"},
	{"stop", "waiting until the daemons are down", "the daemons are down"},
	{"purge", "removing the OSDs from the cluster", "the OSDs are removed"},
	{"sweep", "removing what is left behind", "nothing is left behind"},
	{"audit", "reading everything again", "done"},
	{"select", "finding the lock", "done"},
	{"classify", "looking whether its owner lives", "done"},
	{"fence", "fencing its owner", "done"},
	{"verify-fence", "reading the fence back", "done"},
	{"barrier", "waiting until every OSD knows the fence", "done"},
	{"break", "breaking the lock", "done"},
	{"verify", "looking at the lock again", "done"},
};

static const struct step_words undo_steps[] = {
	{"out", "putting back which OSDs are in and out", "done"},
	{"reweight", "putting back CRUSH weights and upmap entries", "done"},
};

static struct step_words words_of(const char *step, bool undo)
{
	for (size_t i = 0; i < ARRAY_SIZE(undo_steps) && undo; i++) {
		if (strcmp(undo_steps[i].step, step) == 0)
			return undo_steps[i];
	}
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (strcmp(steps[i].step, step) == 0)
			return steps[i];
	}
	return (struct step_words){step, step, "done"};
}

/* The value as a person would write it; NULL: not worth a word. */
static char *value_text(const char *key, const json_t *value)
{
	_cleanup_(cn_strv_release) struct cn_strv words = {0};
	const json_t *item;
	const char *name;
	size_t i;

	if (json_is_string(value))
		return cn_strdup(json_string_value(value));
	if (json_is_integer(value) && strncmp(key, "bytes", 5) == 0)
		return cn_format_bytes(json_integer_value(value));
	if (json_is_integer(value) && strcmp(key, "seconds") == 0)
		return cn_format_duration(json_integer_value(value));
	if (json_is_integer(value))
		return cn_asprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	if (json_is_real(value))
		return cn_asprintf("%g", json_real_value(value));
	if (json_is_true(value))
		return cn_strdup("yes");
	json_object_foreach ((json_t *)value, name, item)
		cn_strv_addf(&words, "%s %s", name, json_is_string(item) ? json_string_value(item) : "?");
	json_array_foreach (value, i, item) {
		if (json_is_integer(item))
			cn_strv_addf(&words, "%s%" JSON_INTEGER_FORMAT, strcmp(key, "osds") == 0 ? "osd." : "",
				     json_integer_value(item));
		else if (json_is_string(item))
			cn_strv_add(&words, json_string_value(item));
	}
	return words.n ? cn_strv_join(&words, ", ") : NULL;
}

/* Also what only programs ask for: people had it in the plan. */
static bool is_frame(const char *key)
{
	static const char *const frame[] = {"schema", "event", "time", "node", "step", "state", "undo", "exact", "bytes_minimum"};

	for (size_t i = 0; i < ARRAY_SIZE(frame); i++) {
		if (strcmp(frame[i], key) == 0)
			return true;
	}
	return false;
}

/* "osd.3, osd.9; epoch 114": what the event carries beyond its frame. */
static char *step_details(const json_t *event)
{
	_cleanup_(cn_strv_release) struct cn_strv parts = {0};
	const char *key;
	const json_t *value;

	json_object_foreach ((json_t *)event, key, value) {
		_cleanup_free_ char *text = is_frame(key) ? NULL : value_text(key, value);
		_cleanup_free_ char *name = cn_strdup(key);

		if (!text)
			continue;
		for (char *c = name; *c; c++)
			*c = *c == '_' ? ' ' : *c;
		if (strcmp(key, "message") == 0 || strcmp(key, "osds") == 0 || strcmp(key, "seconds") == 0)
			cn_strv_add(&parts, text);
		else
			cn_strv_addf(&parts, "%s %s", name, text);
	}
	return parts.n ? cn_strv_join(&parts, "; ") : NULL;
}

static void on_step(struct cn_human *h, const json_t *event)
{
	const char *step = cn_json_str(event, "step", "?");
	_cleanup_free_ char *details = NULL, *label = NULL, *text = NULL, *safe = cn_text_safe(step);
	struct step_words words;
	const char *said;
	bool undo = cn_json_bool(event, "undo", false);

	if (h->options->quiet || strcmp(step, "done") == 0)
		return;
	words = words_of(safe, undo);
	label = cn_asprintf("%s%s:", undo && strcmp(step, "lock") != 0 ? "undo " : "", safe);
	if (strcmp(cn_json_str(event, "state", ""), "begin") == 0) {
		h->plain_at_ms = 0;
		if (h->live.enabled)
			live(h, cn_asprintf("%s %s ...", label, words.doing));
		else if (strcmp(step, "wait") == 0 || strcmp(step, "stop") == 0 ||
			 strcmp(step, "classify") == 0) /* these may take long */
			line(h, CN_BOLD, label, words.doing);
		return;
	}
	live_end(h);
	details = step_details(event);
	said = strcmp(words.done, "done") == 0 && details ? "" : words.done;
	text = cn_asprintf("%s%s%s", said, *said && details ? "; " : "", details ? details : "");
	line(h, CN_BOLD, label, text);
}

/* --- progress --- */

static bool plain_due(struct cn_human *h, int percent)
{
	int64_t now = cn_clock_boot_ms(h->options->clock);
	bool first = h->plain_at_ms == 0, later = now - h->plain_at_ms >= PLAIN_EVERY_MS;

	if (!first && !later && percent / PLAIN_EVERY_PERCENT == h->plain_percent / PLAIN_EVERY_PERCENT)
		return false;
	h->plain_at_ms = MAX(now, 1);
	h->plain_percent = percent;
	return true;
}

static void on_progress(struct cn_human *h, const json_t *event)
{
	unsigned columns, lines;

	if (h->options->quiet)
		return;
	if (h->live.enabled && cn_terminal_size(STDERR_FILENO, &columns, &lines)) {
		live(h, cn_progress_line(event, columns - MIN(columns - 1, CN_LIVE_FREE), h->color));
	} else if (plain_due(h, cn_percent(cn_json_int(event, "bytes_left", 0), cn_json_int(event, "bytes_total", 0)))) {
		_cleanup_free_ char *text = cn_progress_line(event, 0, false);

		line(h, "", "", text);
	}
}

/* --- result --- */

/* "osd.3 and osd.9", "12 OSDs". */
static char *osds_words(const json_t *event)
{
	const json_t *ids = cn_json_arr(event, "osds");
	size_t n = json_array_size(ids);
	long long first = json_integer_value(json_array_get(ids, 0)), second = json_integer_value(json_array_get(ids, 1));

	if (n == 1)
		return cn_asprintf("osd.%lld", first);
	if (n == 2)
		return cn_asprintf("osd.%lld and osd.%lld", first, second);
	return cn_asprintf("%zu OSDs", n);
}

/* Only who has put all back says so: a drain that finds itself cancelled does not know, and one that was cancelled before may
 * have left something then. */
static const char *cancelled_words(const json_t *event)
{
	int64_t exit = cn_json_int(event, "exit", 0);

	if (exit == CN_PARTIAL)
		return "cancelled, but not all that the drain had changed is put back";
	if (exit != 0)
		return "cancelled by another cephnode";
	return json_is_true(json_object_get(event, "already")) ? "cancelled before, nothing was changed"
							       : "cancelled, what the drain had changed is put back";
}

static char *sentence(const json_t *event)
{
	const char *outcome = cn_json_str(event, "outcome", "?");
	int64_t moved = cn_json_int(event, "bytes_moved", 0);
	_cleanup_free_ char *osds = osds_words(event), *bytes = cn_format_bytes(moved);
	_cleanup_free_ char *time = cn_format_duration(cn_json_int(event, "seconds", 0));

	if (strcmp(outcome, "removed") == 0 && json_array_size(cn_json_arr(event, "osds")) == 0)
		return cn_strdup("removed, nothing was left to do");
	if (strcmp(outcome, "removed") == 0)
		return cn_asprintf("removed %s in %s, %s moved", osds, time, bytes);
	if (strcmp(outcome, "drained") == 0)
		return cn_asprintf("drained %s in %s, %s moved; they still run and belong to the cluster", osds, time, bytes);
	if (strcmp(outcome, "cancelled") == 0)
		return cn_strdup(cancelled_words(event));
	if (strcmp(outcome, "refused") == 0)
		return cn_strdup(json_is_true(json_object_get(event, "not_undone"))
					 ? "refused, but not all that was tried is undone"
					 : "refused, nothing was changed");
	if (moved == 0 && cn_json_int(event, "seconds", 0) == 0)
		return cn_strdup(outcome);
	return cn_asprintf("%s after %s, %s moved", outcome, time, bytes);
}

static void on_result(struct cn_human *h, const json_t *event)
{
	_cleanup_free_ char *node = cn_text_safe(cn_json_str(event, "node", "?")), *words = sentence(event);

	live_end(h);
	if (json_object_get(event, "locks")) {
		_cleanup_free_ char *text = cn_view_locks_result(event);

		(void)cn_out_puts(text);
		return;
	}
	(void)cn_out_printf("%s: %s\n", node, words);
}

void cn_human_event(struct cn_human *h, const json_t *event)
{
	const char *kind = cn_json_str(event, "event", "");

	if (strcmp(kind, "plan") == 0)
		on_plan(h, event);
	else if (strcmp(kind, "step") == 0)
		on_step(h, event);
	else if (strcmp(kind, "progress") == 0)
		on_progress(h, event);
	else if (strcmp(kind, "warning") == 0)
		warn_once(h, cn_json_str(event, "message", "?"));
	else if (strcmp(kind, "result") == 0)
		on_result(h, event);
}
