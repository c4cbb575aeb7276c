/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "cephnode/drain/check.h"
#include "cephnode/output/views.h"
#include "cli/cli.h"

/* That the cluster does not let us in is a finding. A bad configuration and a signal end it. */
int cn_cmd_check(struct cn_session *s, struct cn_error *err)
{
	_cleanup_error_ struct cn_error why_not = {0};
	_cleanup_json_ json_t *doc = NULL;
	_cleanup_free_ char *text = NULL;
	struct cn_table_style style;
	int r = cn_session_connect(s, &why_not);

	if (r < 0 && (why_not.code == CN_USAGE || why_not.code == CN_INTERRUPTED)) {
		cn_error_move(err, &why_not);
		return r;
	}
	doc = cn_check(s->cluster, &why_not, s->drain.kube, err);
	if (!doc)
		return -err->errnum;
	if (s->settings->format == CN_FORMAT_JSON) {
		(void)cn_out_json(doc);
	} else {
		style = cn_table_style_stdout(s->settings->color, s->settings->verbose);
		text = cn_view_check(doc, &style);
		(void)cn_out_puts(text);
	}
	if (cn_check_ok(doc))
		return 0;
	(void)cn_error_set(err, CN_PARTIAL, EACCES, "something that is needed is missing");
	return -EACCES;
}
