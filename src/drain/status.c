/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <string.h>

#include "call.h"

#define ASK_AGAIN_MS 60000

struct cn_status_memory {
	struct known {
		char id[33];
		int64_t bytes_left; /* the least seen */
		struct cn_rate rate;
	} * v;
	size_t n, cap;
	int64_t ask_ms; /* CLOCK_BOOTTIME: no look at the lock before */
};

struct cn_status_memory *cn_status_memory_new(void)
{
	return cn_calloc(1, sizeof(struct cn_status_memory));
}

void cn_status_memory_free(struct cn_status_memory *memory)
{
	if (memory)
		free(memory->v);
	free(memory);
}

/* Bytes a second as the looks before this one saw it, -1 where there are none; *left never grows. */
static double remembered_rate(struct cn_status_memory *memory, const struct cn_journal *j, int64_t *left, int64_t now_ms)
{
	struct known *k = NULL;

	if (!memory)
		return -1;
	for (size_t i = 0; i < memory->n && !k; i++)
		k = strcmp(memory->v[i].id, j->id) == 0 ? &memory->v[i] : NULL;
	if (!k) {
		cn_grow(&memory->v, &memory->cap, memory->n, sizeof(*memory->v));
		k = &memory->v[memory->n++];
		*k = (struct known){.bytes_left = *left};
		memcpy(k->id, j->id, sizeof(k->id));
	}
	*left = k->bytes_left = MIN(k->bytes_left, *left);
	cn_rate_add(&k->rate, now_ms, *left);
	return cn_rate_get(&k->rate);
}

/* A single look has no window of samples: the mean since recovery was let go. */
static double mean_rate(const struct cn_journal *j, int64_t left, int64_t now_ms)
{
	int64_t ms = now_ms - j->released_ms;

	return j->phase != CN_PHASE_WAIT || !j->released_ms || ms <= 0 ? -1
								       : (double)(j->bytes_total - left) * 1000.0 / (double)ms;
}

/* left: of the drain, which never grows; they share it. */
static json_t *osd_progress(const struct cn_journal *j, const struct cn_measure *m, int64_t drain_left)
{
	double share = m->bytes_left > 0 ? (double)drain_left / (double)m->bytes_left : 1;
	json_t *a = json_array();

	for (size_t i = 0; i < j->n_osds; i++) {
		const struct cn_journal_osd *o = &j->osds[i];
		int64_t pgs = 0, left = 0;

		for (size_t k = 0; k < m->n_osds; k++)
			if (m->osds[k].id == o->id) {
				pgs = m->osds[k].pgs_left;
				left = (int64_t)((double)m->osds[k].bytes_left * share);
			}
		json_array_append_new(a, json_pack("{si,sI,sI,sI}", "id", o->id, "pgs_left", (json_int_t)pgs, "bytes_left",
						   (json_int_t)left, "bytes_total", (json_int_t)MAX(o->bytes_total, left)));
	}
	return a;
}

/* Does a cephnode work on it? null where that cannot be told, as without the right to read the lock. *pool, the lock's, is freed
 * when it does not answer: each further look would last --op-timeout. */
static json_t *running(struct cn_cluster *c, char **pool, const struct cn_journal *j)
{
	bool cancels = j->phase == CN_PHASE_CANCEL; /* under the decision lock alone, which does not say of which drain */
	_cleanup_free_ char *name = cancels ? cn_strdup("decision") : cn_asprintf("drain.%s", j->id);
	bool dead = !cancels && cn_owner_is_dead(&j->owner); /* then its lock counts no more */
	int r = *pool ? cn_lease_look(c, *pool, name, dead ? &j->owner : NULL) : -ENOENT;

	if (r == -ETIMEDOUT)
		free(TAKE_PTR(*pool));
	if (r < 0 || (cancels && r > 0))
		return dead ? json_false() : json_null();
	return json_boolean(r);
}

/* To be freed; NULL: not known, or it did not answer in this minute. */
static char *lock_pool(struct cn_drain_context *ctx, const struct cn_status_memory *memory)
{
	char *pool = NULL;

	if (!memory || cn_clock_boot_ms(ctx->clock) >= memory->ask_ms)
		(void)cn_config_key_get(ctx->cluster, CN_LOCK_KEY, &pool, NULL);
	return pool;
}

static json_t *drain_json(const struct cn_journal *j, const struct cn_measure *m, bool measured, json_t *running_stolen,
			  struct cn_status_memory *memory, struct cn_clock *clock)
{
	_cleanup_free_ char *started = cn_time_format(j->started_ms), *updated = cn_time_format(j->updated_ms);
	json_t *osds = json_array(), *o;
	int64_t total = j->bytes_total, left = MIN(m->bytes_left, j->bytes_left);
	double rate;

	/* the plan's statistics were older than the last writes: see wait.c */
	if (j->bytes_left == total && m->bytes_left > total)
		total = left = m->bytes_left;
	for (size_t i = 0; i < j->n_osds; i++)
		json_array_append_new(osds, json_integer(j->osds[i].id));
	o = json_pack("{ss,so,ss,so,ss,ss,s{so,sI},so}", "id", j->id, "node", cn_json_string(j->node), "phase",
		      cn_phase_name(j->phase), "osds", osds, "started", started, "updated", updated, "owner", "host",
		      cn_json_string(j->owner.host), "pid", (json_int_t)j->owner.pid, "last_error",
		      cn_json_string(j->last_error));
	json_object_set_new(o, "running", running_stolen);
	json_object_set_new(o, "bytes_total", json_integer(total));
	if (!measured) {
		json_object_set_new(o, "pgs_left", json_null());
		json_object_set_new(o, "bytes_left", json_null());
		json_object_set_new(o, "bytes_per_second", json_null());
		json_object_set_new(o, "eta_seconds", json_null());
		json_object_set_new(o, "osd_progress", json_null());
		return o;
	}
	rate = remembered_rate(memory, j, &left, cn_clock_boot_ms(clock));
	if (rate < 0)
		rate = mean_rate(j, left, cn_clock_real_ms(clock));
	json_object_set_new(o, "pgs_left", json_integer(m->pgs_left));
	json_object_set_new(o, "bytes_left", json_integer(left));
	json_object_set_new(o, "bytes_per_second", rate < 0 ? json_null() : json_integer((json_int_t)rate));
	json_object_set_new(o, "eta_seconds", cn_eta_json(m->pgs_left, left, json_is_false(running_stolen) ? -1 : rate));
	json_object_set_new(o, "osd_progress", osd_progress(j, m, left));
	return o;
}

/* "osd.0,osd.8", as a call for several nodes is shown, means the drain of each. */
static bool is_meant(const struct cn_journal *j, const struct cn_strv *names)
{
	for (size_t i = 0; i < names->n; i++)
		if (cn_journal_matches(j, names->v[i]))
			return true;
	return names->n == 0;
}

int cn_drain_status(struct cn_drain_context *ctx, const char *name, struct cn_status_memory *memory, json_t **ret,
		    struct cn_error *err)
{
	_cleanup_(cn_journals_release) struct cn_journals l = {};
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	_cleanup_(cn_strv_release) struct cn_strv names = {};
	_cleanup_free_ char *pool = NULL;
	bool asked;
	json_t *drains;
	int r = cn_journals_load(ctx->cluster, &l, err);

	if (r == 0)
		r = cn_osdmap_get(ctx->cluster, &m, err);
	if (r < 0)
		return r;
	if (name)
		cn_drain_names(name, &names);
	if (l.n)
		pool = lock_pool(ctx, memory);
	asked = pool != NULL;
	drains = json_array();
	for (size_t i = 0; i < l.n; i++) {
		struct cn_measure measure = {};
		bool measured;

		if (cn_journal_is_tombstone(&l.v[i]) || !is_meant(&l.v[i], &names))
			continue;
		measured = cn_measure_journal(ctx->cluster, &m, &l.v[i], &measure, NULL) == 0;
		json_array_append_new(drains, drain_json(&l.v[i], &measure, measured, running(ctx->cluster, &pool, &l.v[i]),
							 memory, ctx->clock));
		cn_measure_release(&measure);
	}
	if (asked && !pool && memory)
		memory->ask_ms = cn_clock_boot_ms(ctx->clock) + ASK_AGAIN_MS;
	if (name && json_array_size(drains) == 0) {
		json_decref(drains);
		return cn_call_unknown(&l, name, "status", err);
	}
	*ret = json_pack("{si,so}", "schema", 1, "drains", drains);
	return 0;
}

int cn_drain_metrics(struct cn_drain_context *ctx, json_t **ret, struct cn_error *err)
{
	return cn_drain_status(ctx, NULL, NULL, ret, err);
}
