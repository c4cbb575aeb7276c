/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/base/log.h"
#include "cephnode/output/views.h"
#include "cli/cli.h"

int cn_cmd_discover(struct cn_session *s, struct cn_error *err)
{
	_cleanup_(cn_inventory_release) struct cn_inventory inventory = {0};
	_cleanup_json_ json_t *doc = NULL;
	_cleanup_free_ char *text = NULL;
	struct cn_table_style style;
	int r;

	r = cn_inventory_discover(s->cluster, s->drain.kube, s->settings->args, s->settings->n_args, true, &inventory, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < inventory.n_nodes; i++)
		for (size_t k = 0; k < inventory.nodes[i].notes.n; k++)
			cn_note("%s", inventory.nodes[i].notes.v[k]);
	doc = cn_inventory_json(&inventory);
	if (s->settings->format == CN_FORMAT_JSON) {
		(void)cn_out_json(doc);
		return 0;
	}
	style = cn_table_style_stdout(s->settings->color, s->settings->verbose);
	text = cn_view_discover(doc, &style);
	(void)cn_out_puts(text);
	return 0;
}
