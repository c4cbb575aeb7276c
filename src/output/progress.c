/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The live line: bar, percent, bytes left, rate, ETA, health, as many of these as the terminal has room for. */
#include <string.h>
#include <unistd.h>

#include "cephnode/base/text.h"
#include "output/human.h"

#define BAR_LEAST 10
#define BAR_MOST 40

/* To the begin of what stands there: in a terminal that has become narrower it takes several rows. To be freed. */
static char *go_back(const struct cn_live *l, unsigned columns)
{
	size_t up = l->drawn ? (l->drawn - 1) / columns : 0;

	return up ? cn_asprintf("\033[%zuA\r\033[J", up) : cn_strdup("\r");
}

void cn_live_draw(struct cn_live *l, const char *text)
{
	_cleanup_free_ char *line = NULL, *back = NULL, *all = NULL;
	unsigned columns, lines;

	if (!l->enabled || !cn_terminal_size(STDERR_FILENO, &columns, &lines))
		return;
	line = cn_strdup(text);
	cn_text_cut(line, columns - MIN(columns, CN_LIVE_FREE));
	back = go_back(l, columns);
	all = cn_asprintf("%s%s%s\033[K", back, line, l->color ? CN_RESET : "");
	cn_err_write(all, strlen(all));
	l->drawn = MAX(cn_text_columns(line), (size_t)1);
}

void cn_live_clear(struct cn_live *l)
{
	_cleanup_free_ char *back = NULL, *all = NULL;
	unsigned columns, lines;

	if (l->drawn && cn_terminal_size(STDERR_FILENO, &columns, &lines)) {
		back = go_back(l, columns);
		all = cn_asprintf("%s\033[K", back);
		cn_err_write(all, strlen(all));
	}
	l->drawn = 0;
}

/* In the order in which they stand in the line. */
enum part { PART_NODE, PART_BAR, PART_PERCENT, PART_LEFT, PART_PGS, PART_RATE, PART_ETA, PART_HEALTH, N_PARTS };

struct parts {
	char *text[N_PARTS]; /* owned; NULL: left out */
};

static void parts_release(struct parts *p)
{
	for (int i = 0; i < N_PARTS; i++)
		free(p->text[i]);
}

static char *health_part(const json_t *event, bool color)
{
	const char *health = cn_json_str(event, "health", NULL), *code = CN_RED;
	_cleanup_free_ char *safe = NULL;

	if (!health)
		return NULL;
	safe = cn_text_safe(health);
	if (!color)
		return TAKE_PTR(safe);
	if (strncmp(health, "HEALTH_OK", 9) == 0)
		code = CN_GREEN;
	else if (strncmp(health, "HEALTH_WARN", 11) == 0)
		code = CN_YELLOW;
	return cn_asprintf("%s%s%s", code, safe, CN_RESET);
}

/* The share of bytes that have moved; not all of it before the last placement group has left. */
static int percent_of(const json_t *event)
{
	int percent = cn_percent(cn_json_int(event, "bytes_left", 0), cn_json_int(event, "bytes_total", 0));

	return cn_json_int(event, "pgs_left", 0) > 0 ? MIN(percent, 99) : percent;
}

static void fill(struct parts *p, const json_t *event, bool color)
{
	int64_t left = cn_json_int(event, "bytes_left", -1), pgs = cn_json_int(event, "pgs_left", -1);
	int64_t rate = cn_json_int(event, "bytes_per_second", -1), eta = cn_json_int(event, "eta_seconds", -1);
	_cleanup_free_ char *bytes = left >= 0 ? cn_format_bytes(left) : NULL;
	_cleanup_free_ char *speed = rate >= 0 ? cn_format_bytes(rate) : NULL;
	_cleanup_free_ char *time_left = eta >= 0 ? cn_format_duration(eta) : cn_strdup("unknown");

	p->text[PART_NODE] = cn_text_safe(cn_json_str(event, "node", "?"));
	p->text[PART_PERCENT] = cn_asprintf("%3d %%", percent_of(event));
	p->text[PART_LEFT] = bytes ? cn_asprintf("%s left", bytes) : NULL;
	p->text[PART_PGS] = pgs >= 0 ? cn_asprintf("%lld PG%s", (long long)pgs, pgs == 1 ? "" : "s") : NULL;
	p->text[PART_RATE] = speed ? cn_asprintf("%s/s", speed) : NULL;
	p->text[PART_ETA] = cn_asprintf("ETA %s", time_left);
	p->text[PART_HEALTH] = health_part(event, color);
}

static char *join(const struct parts *p)
{
	_cleanup_(cn_strv_release) struct cn_strv words = {0};

	for (int i = 0; i < N_PARTS; i++) {
		if (p->text[i])
			cn_strv_add(&words, p->text[i]);
	}
	return cn_strv_join(&words, "  ");
}

static size_t parts_columns(const struct parts *p)
{
	_cleanup_free_ char *line = join(p);

	return cn_text_columns(line);
}

static void drop(struct parts *p, enum part which)
{
	free(p->text[which]);
	p->text[which] = NULL;
}

char *cn_progress_line(const json_t *event, unsigned columns, bool color)
{
	static const enum part dispensable[] = {PART_PGS, PART_NODE, PART_RATE, PART_HEALTH};
	_cleanup_(parts_release) struct parts p = {0};
	size_t used;

	fill(&p, event, color);
	if (columns == 0)
		return join(&p);
	used = parts_columns(&p);
	for (size_t i = 0; i < ARRAY_SIZE(dispensable) && used + 2 + BAR_LEAST > columns; i++) {
		drop(&p, dispensable[i]);
		used = parts_columns(&p);
	}
	if (used + 2 + BAR_LEAST <= columns)
		p.text[PART_BAR] = cn_bar(percent_of(event) / 100.0, MIN(columns - used - 2, (size_t)BAR_MOST), color);
	return join(&p);
}
