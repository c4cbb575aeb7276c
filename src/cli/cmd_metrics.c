/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "cephnode/base/file.h"
#include "cephnode/base/interrupt.h"
#include "cephnode/output/metrics.h"
#include "cli/cli.h"

#define ENDING ".prom"

static bool has_ending(const char *file)
{
	size_t len = strlen(file), end = strlen(ENDING);

	return len > end && strcmp(file + len - end, ENDING) == 0;
}

int cn_cmd_metrics_check(const struct cn_settings *s, struct cn_error *err)
{
	if (s->format == CN_FORMAT_JSON) {
		cn_error_set(err, CN_USAGE, EINVAL, "metrics are text for Prometheus, not JSON");
		cn_error_hint(err, "status -f json says the same");
		return -EINVAL;
	}
	if (s->textfile && !has_ending(s->textfile)) {
		cn_error_set(err, CN_USAGE, EINVAL,
			     "--textfile %s does not end in " ENDING ": the node exporter would pass it over", s->textfile);
		cn_error_hint(err, "name it FILE" ENDING "; without --textfile the metrics go to stdout");
		return -EINVAL;
	}
	return 0;
}

/* A cluster that cannot be looked at is worth a line of its own: with the text of the last look left in place a drain would seem
 * to stand still. After a signal nothing is known, and nothing is written. */
int cn_cmd_metrics(struct cn_session *s, struct cn_error *err)
{
	const char *file = s->settings->textfile;
	_cleanup_error_ struct cn_error e = {0};
	_cleanup_json_ json_t *doc = NULL;
	_cleanup_free_ char *text = NULL;
	int r = cn_session_connect(s, err), w = 0;

	if (r == 0)
		r = cn_drain_metrics(&s->drain, &doc, err);
	if (cn_interrupted())
		return r < 0 ? r : cn_error_interrupted(err);
	text = cn_metrics_text(CN_VERSION, doc);
	if (file)
		w = cn_file_replace(file, text, 0644, &e);
	else
		(void)cn_out_puts(text);
	if (r < 0 || w == 0)
		return r;
	cn_error_move(err, &e);
	return w;
}
