/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "heat/progress.h"

#include <string.h>

#include "cephnode/drain/journal.h"

#define AGAIN_MS 30000 /* Heat is watched in between: a cluster that does not answer costs a time limit each time */

void cn_progress_init(struct cn_progress *p, const struct cn_retire *r, struct cn_retire_watch *w)
{
	*p = (struct cn_progress){.retire = r, .watch = w, .memory = cn_status_memory_new(), .phase = -1};
}

void cn_progress_release(struct cn_progress *p)
{
	cn_status_memory_free(p->memory);
}

/* fields: stolen. */
static void emit(const struct cn_progress *p, const char *event, json_t *fields)
{
	const struct cn_drain_context *ctx = p->watch->drain;
	_cleanup_free_ char *now = cn_time_format(cn_clock_real_ms(ctx->clock));
	_cleanup_json_ json_t *e =
		json_pack("{si,ss,ss,so}", "schema", 1, "event", event, "time", now, "node", cn_json_string(p->retire->node));

	json_object_update(e, fields);
	json_decref(fields);
	ctx->sink->emit(ctx->sink, e);
}

static void clear(const struct cn_progress *p)
{
	if (p->watch->clear)
		p->watch->clear(p->watch->arg);
}

/* --- phases --- */

static int phase_of(const json_t *drain)
{
	const char *name = cn_json_str(drain, "phase", "");

	for (int i = CN_PHASE_LOCK; i <= CN_PHASE_CANCELLED; i++)
		if (strcmp(name, cn_phase_name((enum cn_phase)i)) == 0)
			return i;
	return -1;
}

static bool is_step(int phase)
{
	return phase >= CN_PHASE_LOCK && phase <= CN_PHASE_AUDIT && phase != CN_PHASE_DRAINED;
}

static void tell_step(const struct cn_progress *p, const char *state)
{
	emit(p, "step", json_pack("{ss,ss}", "step", cn_phase_name((enum cn_phase)p->phase), "state", state));
}

/* What lies between two looks is not seen, so of the short steps only that they are under way is told. After a cancel nothing has
 * come to its end. */
static void tell_phase(struct cn_progress *p, int phase)
{
	if (phase == p->phase)
		return;
	if (p->phase == CN_PHASE_WAIT && phase > CN_PHASE_WAIT && phase <= CN_PHASE_AUDIT)
		tell_step(p, "end");
	else if (is_step(p->phase))
		clear(p);
	p->phase = phase;
	if (is_step(phase))
		tell_step(p, "begin");
}

/* --- the drain --- */

static bool is_ours(const struct cn_progress *p, const json_t *drain)
{
	const struct cn_ids *osds = &p->retire->osds;
	const json_t *id;
	size_t i;

	if (!osds->n) /* then its name has chosen it */
		return true;
	json_array_foreach (cn_json_arr(drain, "osds"), i, id)
		if (cn_ids_has(osds, (int)json_integer_value(id)))
			return true;
	return false;
}

static void tell_moving(const struct cn_progress *p, const json_t *drain)
{
	static const char *const keys[] = {"pgs_left", "bytes_left", "bytes_total", "bytes_per_second", "eta_seconds"};
	struct cn_health h = {};
	json_t *o;

	if (!json_is_integer(json_object_get(drain, "bytes_left"))) /* the manager has no statistics just now */
		return;
	o = json_object();
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		json_object_set(o, keys[i], json_object_get(drain, keys[i]));
	if (!json_is_integer(json_object_get(o, "bytes_per_second"))) /* as a drain says it, at its beginning */
		json_object_set_new(o, "bytes_per_second", json_integer(0));
	(void)cn_health_get(p->watch->drain->cluster, &h, NULL);
	json_object_set_new(o, "health", json_string(h.status ? h.status : "unknown"));
	cn_health_release(&h);
	emit(p, "progress", o);
}

static void tell_drain(struct cn_progress *p, const json_t *drain)
{
	int64_t total = cn_json_int(drain, "bytes_total", 0), left = cn_json_int(drain, "bytes_left", total);

	p->watch->bytes_moved = MAX(p->watch->bytes_moved, total - left);
	tell_phase(p, phase_of(drain));
	if (p->phase == CN_PHASE_WAIT)
		tell_moving(p, drain);
}

static void tell_away(struct cn_progress *p, const struct cn_error *why)
{
	clear(p);
	if (p->told || why->code == CN_INTERRUPTED)
		return;
	p->told = true;
	emit(p, "warning",
	     json_pack("{so}", "message",
		       json_sprintf("Ceph does not tell how far the drain is (%s); Heat is watched all the same", why->message)));
}

void cn_progress_look(struct cn_progress *p)
{
	struct cn_drain_context *ctx = p->watch->drain;
	const char *name = p->retire->osds.n ? NULL : p->retire->node;
	_cleanup_error_ struct cn_error e = {};
	_cleanup_json_ json_t *doc = NULL;
	const json_t *drain, *ours = NULL;
	int64_t start = cn_clock_boot_ms(ctx->clock);
	size_t i;
	int r;

	if (!ctx->cluster || start < p->at_ms)
		return;
	r = cn_drain_status(ctx, name, p->memory, &doc, &e);
	if (r < 0 && e.code != CN_NOT_FOUND) {
		tell_away(p, &e);
		p->at_ms = cn_clock_boot_ms(ctx->clock) + AGAIN_MS;
		return;
	}
	json_array_foreach (cn_json_arr(doc, "drains"), i, drain)
		if (is_ours(p, drain))
			ours = drain;
	if (ours)
		tell_drain(p, ours);
	else
		tell_phase(p, -1);                               /* removed or cancelled: neither leaves a drain behind */
	p->at_ms = 4 * cn_clock_boot_ms(ctx->clock) - 3 * start; /* looks cost a large cluster a quarter of its time at most */
}
