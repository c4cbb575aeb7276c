/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "run.h"

/* By the mean rate since recovery was let go: a look from outside has no window of samples. */
static json_t *eta(const struct cn_journal *j, const struct cn_measure *m, int64_t now_ms)
{
	int64_t moved = j->bytes_total - m->bytes_left, ms = now_ms - j->updated_ms;

	if (m->pgs_left == 0)
		return json_integer(0);
	if (j->phase != CN_PHASE_WAIT || moved <= 0 || ms <= 0)
		return json_null();
	return json_integer((json_int_t)((double)m->bytes_left * (double)ms / (double)moved / 1000) + 1);
}

static json_t *drain_json(const struct cn_journal *j, const struct cn_measure *m, bool measured, int64_t now_ms)
{
	_cleanup_free_ char *started = cn_time_format(j->started_ms), *updated = cn_time_format(j->updated_ms);
	json_t *osds = json_array(), *o;

	for (size_t i = 0; i < j->n_osds; i++)
		json_array_append_new(osds, json_integer(j->osds[i].id));
	o = json_pack("{ss,so,ss,so,ss,ss,s{so,sI},so}", "id", j->id, "node", cn_json_string(j->node), "phase",
		      cn_phase_name(j->phase), "osds", osds, "started", started, "updated", updated, "owner", "host",
		      cn_json_string(j->owner.host), "pid", (json_int_t)j->owner.pid, "last_error",
		      cn_json_string(j->last_error));
	json_object_set_new(o, "pgs_left", measured ? json_integer(m->pgs_left) : json_null());
	json_object_set_new(o, "bytes_left", measured ? json_integer(MIN(m->bytes_left, j->bytes_total)) : json_null());
	json_object_set_new(o, "bytes_total", json_integer(j->bytes_total));
	json_object_set_new(o, "eta_seconds", measured ? eta(j, m, now_ms) : json_null());
	return o;
}

static int measure_one(struct cn_cluster *c, const struct cn_osdmap *m, const struct cn_journal *j, struct cn_measure *ret)
{
	_cleanup_(cn_ids_release) struct cn_ids osds = {};
	_cleanup_free_ struct cn_journal_pg *pgs = NULL;
	size_t n;

	*ret = (struct cn_measure){};
	if (j->phase >= CN_PHASE_OUT)
		return 0; /* all has moved */
	for (size_t i = 0; i < j->n_osds; i++)
		cn_ids_add(&osds, j->osds[i].id);
	pgs = cn_journal_pgs_now(j, m, &n);
	return cn_measure(c, m, &osds, pgs, n, ret, NULL);
}

int cn_drain_status(struct cn_drain_context *ctx, const char *name, json_t **ret, struct cn_error *err)
{
	_cleanup_(cn_journals_release) struct cn_journals l = {};
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	json_t *drains;
	int r = cn_journals_load(ctx->cluster, &l, err);

	if (r == 0)
		r = cn_osdmap_get(ctx->cluster, &m, err);
	if (r < 0)
		return r;
	drains = json_array();
	for (size_t i = 0; i < l.n; i++) {
		struct cn_measure measure = {};
		bool measured;

		if (cn_journal_is_tombstone(&l.v[i]) || (name && !cn_journal_matches(&l.v[i], name)))
			continue;
		measured = measure_one(ctx->cluster, &m, &l.v[i], &measure) == 0;
		json_array_append_new(drains, drain_json(&l.v[i], &measure, measured, cn_clock_real_ms(ctx->clock)));
		cn_measure_release(&measure);
	}
	if (name && json_array_size(drains) == 0) {
		json_decref(drains);
		return cn_error_set(err, CN_NOT_FOUND, ENOENT, "no drain of %s is under way", name);
	}
	*ret = json_pack("{si,so}", "schema", 1, "drains", drains);
	return 0;
}
