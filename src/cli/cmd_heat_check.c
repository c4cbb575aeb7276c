/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "cephnode/base/text.h"
#include "cephnode/heat/check.h"
#include "cli/cli.h"

static void print_json(const struct cn_findings *l, bool safe)
{
	_cleanup_json_ json_t *doc = NULL;
	json_t *a = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(a, json_pack("{ss,so,so}", "level", cn_finding_level_name(l->v[i].level), "text",
						   cn_json_string(l->v[i].text), "mend", cn_json_string(l->v[i].mend)));
	doc = json_pack("{si,sb,so}", "schema", 1, "safe", safe, "findings", a);
	(void)cn_out_json(doc);
}

static void print_lines(const struct cn_findings *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct cn_finding *f = &l->v[i];
		_cleanup_free_ char *text = cn_text_safe(f->text), *mend = f->mend ? cn_text_safe(f->mend) : NULL;

		(void)cn_out_printf("%-8s %s%s%s%s\n", cn_finding_level_name(f->level), text, mend ? " (" : "", mend ? mend : "",
				    mend ? ")" : "");
	}
}

static int report(const struct cn_settings *o, const struct cn_findings *l, struct cn_error *err)
{
	size_t problems = 0;

	for (size_t i = 0; i < l->n; i++)
		problems += l->v[i].level == CN_FINDING_PROBLEM;
	if (o->format == CN_FORMAT_JSON)
		print_json(l, problems == 0 && !l->incomplete);
	else
		print_lines(l);
	if (problems > (l->no_ceph ? 1u : 0u))
		return cn_error_set(err, CN_REFUSED, EPERM, "a scale-down of %s would not be safe: %zu problem%s", o->heat.stack,
				    problems, problems == 1 ? "" : "s");
	if (!l->incomplete)
		return 0;
	cn_error_set(err, CN_PARTIAL, EACCES,
		     "whether a scale-down of %s would be safe cannot be told: not all could be looked at", o->heat.stack);
	cn_error_hint(err, l->no_ceph ? "see the problems" : "see the warnings");
	return -EACCES;
}

/* Without Ceph what OpenStack says is told all the same. A bad configuration and a signal end it. */
static int look_at_ceph(struct cn_session *s, struct cn_os *os, const struct cn_members *members, struct cn_findings *l,
			struct cn_error *err)
{
	int r = cn_session_connect(s, err);

	if (r == 0) {
		cn_heat_check_nodes(os, s->cluster, s->drain.kube, members, l);
		return 0;
	}
	if (err->code == CN_USAGE || err->code == CN_INTERRUPTED)
		return r;
	cn_heat_check_no_ceph(err, l);
	cn_error_release(err);
	return 0;
}

int cn_cmd_heat_check(struct cn_session *s, struct cn_error *err)
{
	const struct cn_settings *o = s->settings;
	_cleanup_(cn_os_config_release) struct cn_os_config config = {0};
	_cleanup_(cn_members_release) struct cn_members members = {0};
	_cleanup_(cn_findings_release) struct cn_findings l = {0};
	struct cn_os *os = NULL;
	int r = cn_os_config_load(o->heat.cloud, &config, err);

	if (r == 0)
		r = cn_os_open(&config, s->drain.clock, &os, err);
	if (r == 0)
		r = cn_heat_check_stack(os, o->heat.stack, &members, &l, err);
	if (r == 0)
		r = look_at_ceph(s, os, &members, &l, err);
	if (r == 0)
		r = report(o, &l, err);
	cn_os_free(os);
	return r;
}
