/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"

#include <errno.h>

void cn_call_begin(struct cn_run *run, struct cn_drain_context *ctx, const char *const *names, size_t n)
{
	struct cn_strv l = {};

	*run = (struct cn_run){.ctx = ctx, .c = ctx->cluster, .clock = ctx->clock};
	for (size_t i = 0; i < n; i++)
		cn_strv_add(&l, names[i]);
	run->node = cn_strv_join(&l, ",");
	cn_strv_release(&l);
	run->drains = cn_calloc(n, sizeof(*run->drains)); /* never moved: the signal thread may look at any time */
	run->started_ms = ctx->started_ms ? ctx->started_ms : cn_clock_boot_ms(run->clock);
	if (ctx->options->timeout_s)
		run->timeout_at_ms = run->started_ms + ctx->options->timeout_s * 1000;
	run->verb = "drain";
	run->method_out = ctx->options->method == CN_METHOD_OUT;
	run->keep = ctx->options->keep;
	cn_run_register(run);
}

static void release(struct cn_run *run)
{
	cn_run_register(NULL);
	for (size_t i = 0; i < run->n; i++) {
		cn_lease_free(run->drains[i].own);
		cn_journal_release(&run->drains[i].journal);
	}
	free(run->drains);
	free(run->node);
	free(run->pool);
	cn_journals_release(&run->others);
	cn_strv_release(&run->accept);
	cn_strv_release(&run->leftovers);
	cn_speed_release(run);
	cn_stop_release(run);
}

int cn_call_end(struct cn_run *run, int r, struct cn_error *err, const char *outcome)
{
	struct cn_error none = {};

	if (r < 0 && err && err->code == CN_INTERRUPTED) {
		_cleanup_free_ char *hint = cn_way_on(run);

		if (hint)
			cn_error_hint(err, "%s", hint);
	}
	if (r < 0 && err->code != CN_PARTIAL)
		cn_note_last_error(run, err);
	if (run->decision)
		cn_window_close(run);
	cn_emit_result(run, r, err ? err : &none, outcome);
	release(run);
	return r;
}

int cn_call_match(struct cn_journals *l, const char *name, struct cn_journal **ret, struct cn_error *err)
{
	struct cn_journal *live = NULL, *dead = NULL;
	_cleanup_(cn_strv_release) struct cn_strv names = {};

	*ret = NULL;
	for (size_t i = 0; i < l->n; i++) {
		struct cn_journal *j = &l->v[i];

		if (!cn_journal_matches(j, name))
			continue;
		if (cn_journal_is_tombstone(j)) {
			dead = !dead || j->updated_ms > dead->updated_ms ? j : dead;
			continue;
		}
		if (cn_journal_is_named(j, name)) {
			*ret = j;
			return 0;
		}
		live = j;
		cn_strv_add(&names, j->node);
	}
	if (names.n > 1) {
		_cleanup_free_ char *list = cn_strv_join(&names, ", ");

		cn_error_set(err, CN_REFUSED, EBUSY, "%s may mean several drains", name);
		cn_error_hint(err, "name one of: %s", list);
		return -EBUSY;
	}
	*ret = live ? live : dead;
	return 0;
}

int cn_call_find(struct cn_run *run, const char *name, struct cn_journal **ret, struct cn_error *err)
{
	int r;

	cn_journals_release(&run->others);
	r = cn_journals_load(run->c, &run->others, err);
	if (r == 0)
		r = cn_call_match(&run->others, name, ret, err);
	if (r == 0 && !*ret)
		r = cn_call_unknown(&run->others, name, run->verb, err);
	return r;
}

int cn_call_adopt(struct cn_run *run, const char *name, struct cn_error *err)
{
	struct cn_journal *j;
	int r = cn_call_match(&run->others, name, &j, err);

	if (r == 0 && !j)
		r = cn_call_unknown(&run->others, name, "status", err);
	if (r == 0)
		cn_journal_copy(j, &run->drains[run->n++].journal);
	return r;
}
