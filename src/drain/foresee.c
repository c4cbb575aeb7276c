/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "foresee.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/base/parallel.h"
#include "entries.h"

#define MAX_DOUBTS 256 /* PGs that the mon is asked for one by one, where the manager's statistics say something else */
#define COMPAT_SET "-1"

void cn_foresight_release(struct cn_foresight *f)
{
	free(f->why_not);
	free(f->held);
	cn_forecast_release(&f->plain);
	cn_pins_release(&f->pins);
	cn_forecast_release(&f->pinned);
	*f = (struct cn_foresight){};
}

const struct cn_forecast *cn_foresight_result(const struct cn_foresight *f)
{
	return f->pinning ? &f->pinned : &f->plain;
}

const char *cn_pins_forbidden(const struct cn_osdmap *m)
{
	const char *release = m->require_min_compat_client;

	/* releases are in the order of the alphabet; "unknown" is not one of them */
	if (!release || strcmp(release, "unknown") == 0 || *release < 'l')
		return "upmap entries need require_min_compat_client luminous";
	return NULL;
}

struct reader {
	const struct cn_foresee *in;
	bool no_tool;
	bool brief[2]; /* of after and before the tool is asked for up sets alone */
	struct cn_mapping before, after, live;
	int fd_before, fd_after; /* the same when the change is still to come */
	struct cn_error errors[3];
};

static void read_one(void *arg, size_t i)
{
	struct reader *rd = arg;
	const struct cn_foresee *in = rd->in;
	const struct cn_ids *zero = in->before || i > 0 ? NULL : in->leaving;

	if (i < 2)
		(rd->brief[i] ? cn_maptool_map_up : cn_maptool_map)(i == 0 ? rd->fd_after : rd->fd_before, in->osdmap, zero,
								    i == 0 ? &rd->after : &rd->before, &rd->errors[i]);
	else
		cn_mapping_get(in->c, in->osdmap, &rd->live, &rd->errors[2]);
}

static int read_all(struct reader *rd, struct cn_error *err)
{
	const struct cn_foresee *in = rd->in;
	bool brief;
	int r = cn_osdmap_file(in->c, in->osdmap->epoch, &rd->fd_after, err);

	if (r == 0 && in->before)
		r = cn_osdmap_file(in->c, in->before, &rd->fd_before, err);
	if (r < 0)
		return r;
	if (!in->before)
		rd->fd_before = rd->fd_after;
	/* under hold the pins that are made need the true raw sets; of the map before only the binary form is known */
	brief = cn_entries_suffice(in->osdmap, in->leaving);
	rd->brief[0] = brief && (!in->before || json_array_size(in->osdmap->pg_upmap_items) == 0);
	rd->brief[1] = brief && !in->before;
	cn_parallel(in->before ? 2 : 3, 3, read_one, rd);
	for (size_t i = 0; i < ARRAY_SIZE(rd->errors); i++)
		if (rd->errors[i].errnum && r == 0) {
			r = -rd->errors[i].errnum;
			rd->no_tool = r == -ENOENT && i < 2;
			cn_error_move(err, &rd->errors[i]);
		}
	if (r == 0 && rd->brief[1]) {
		cn_mapping_apply_temp(&rd->before, in->osdmap);
		cn_entries_leave(in->osdmap, in->leaving, &rd->before);
	}
	return r;
}

static void release_reader(struct reader *rd)
{
	if (rd->fd_before >= 0 && rd->fd_before != rd->fd_after)
		close(rd->fd_before);
	if (rd->fd_after >= 0)
		close(rd->fd_after);
	cn_mapping_release(&rd->before);
	cn_mapping_release(&rd->after);
	cn_mapping_release(&rd->live);
	for (size_t i = 0; i < ARRAY_SIZE(rd->errors); i++)
		cn_error_release(&rd->errors[i]);
}

/* Sets of a mapping are padded with holes; the mon's answer is as long as it is. */
static bool same_set(const int *a, int size, const int *b, size_t n)
{
	for (int i = 0; i < size; i++)
		if (a[i] != ((size_t)i < n ? b[i] : CN_CRUSH_NONE))
			return false;
	return true;
}

struct doubts {
	const struct reader *rd;
	struct cn_pgid ids[MAX_DOUBTS];
	bool wrong[MAX_DOUBTS];
	struct cn_error errors[MAX_DOUBTS];
	size_t n;
};

static void settle(void *arg, size_t i)
{
	struct doubts *d = arg;
	const struct cn_mapped_pool *pool = cn_mapping_pool(&d->rd->before, d->ids[i].pool);
	const int *up = cn_mapped_set(pool, pool->up, d->ids[i].seed);
	struct cn_pg pg = {};

	if (cn_pg_map(d->rd->in->c, d->ids[i], &pg, &d->errors[i]) < 0)
		return;
	d->wrong[i] = !up || !same_set(up, pool->size, pg.up, pg.n_up);
	cn_pg_release(&pg);
}

/* The manager's statistics may be older than the map: where they differ, the mon itself decides. */
static void collect_doubts(const struct reader *rd, struct doubts *d, size_t *ret_n)
{
	*ret_n = 0;
	for (size_t p = 0; p < rd->before.n_pools; p++) {
		const struct cn_mapped_pool *tool = &rd->before.pools[p], *live = cn_mapping_pool(&rd->live, tool->id);

		for (uint32_t seed = 0; seed < tool->pg_num; seed++) {
			const int *a = cn_mapped_set(tool, tool->up, seed);
			const int *b = live ? cn_mapped_set(live, live->up, seed) : NULL;

			if (a && b && same_set(a, tool->size, b, (size_t)live->size))
				continue;
			if (*ret_n < MAX_DOUBTS)
				d->ids[d->n++] = (struct cn_pgid){tool->id, seed};
			++*ret_n;
		}
	}
}

/* NULL: the tool maps every PG as this cluster does. */
static char *why_not_trusted(const struct reader *rd)
{
	struct doubts *d = cn_calloc(1, sizeof(*d));
	char text[CN_PGID_STRLEN], *why = NULL;
	size_t n;

	d->rd = rd;
	collect_doubts(rd, d, &n);
	if (n > MAX_DOUBTS)
		why = cn_asprintf("osdmaptool maps %zu PGs otherwise than the statistics say", n);
	else
		cn_parallel(d->n, 16, settle, d);
	for (size_t i = 0; i < d->n; i++) {
		if (!why && d->errors[i].errnum)
			why = cn_asprintf("PG %s: %s", cn_pgid_format(d->ids[i], text), d->errors[i].message);
		else if (!why && d->wrong[i])
			why = cn_asprintf("osdmaptool maps PG %s otherwise than the monitors do",
					  cn_pgid_format(d->ids[i], text));
		cn_error_release(&d->errors[i]);
	}
	free(d);
	return why;
}

/* Under hold the statistics are of no use: the change is too young. But the mon was asked for the node's PGs. */
static char *differs_from_known(const struct reader *rd)
{
	const struct cn_pgs *known = rd->in->known;
	char text[CN_PGID_STRLEN];

	for (size_t i = 0; known && i < known->n; i++) {
		const struct cn_pg *pg = &known->v[i];
		const struct cn_mapped_pool *pool = cn_mapping_pool(&rd->after, pg->id.pool);
		const int *up = pool ? cn_mapped_set(pool, pool->up, pg->id.seed) : NULL;

		if (!up || !same_set(up, pool->size, pg->up, pg->n_up))
			return cn_asprintf("osdmaptool maps PG %s otherwise than the monitors do", cn_pgid_format(pg->id, text));
	}
	return NULL;
}

static bool pins_wanted(const struct cn_foresee *in, const struct cn_forecast *plain)
{
	bool told = plain->bytes_minimum > 0; /* else the data are younger than the manager's statistics */
	int64_t least = told ? plain->bytes_minimum : plain->shards_minimum;
	int64_t needless = (told ? plain->bytes_to_move : plain->shards_to_move) - least;

	if (in->pin == CN_PIN_NEVER || cn_pins_forbidden(in->osdmap))
		return false;
	if (in->pin == CN_PIN_ALWAYS)
		return true;
	/* the crush-compat balancer works against upmap entries; 2 % are not worth entries that stay */
	return !json_object_get(in->crush->choose_args, COMPAT_SET) && needless > 0 && needless * 50 >= least;
}

static void collect_held(const struct reader *rd, struct cn_foresight *ret)
{
	size_t cap = 0;

	for (size_t p = 0; p < rd->before.n_pools; p++) {
		const struct cn_mapped_pool *pool = &rd->before.pools[p];

		for (uint32_t seed = 0; seed < pool->pg_num; seed++) {
			const int *sets[] = {pool->raw ? cn_mapped_set(pool, pool->raw, seed) : NULL,
					     cn_mapped_set(pool, pool->up, seed), cn_mapped_set(pool, pool->acting, seed)};

			for (size_t i = 0; i < rd->in->leaving->n; i++) {
				int osd = rd->in->leaving->v[i];
				bool has = false;

				for (size_t k = 0; k < ARRAY_SIZE(sets); k++)
					has |= sets[k] && cn_set_has(sets[k], pool->size, osd);
				if (!has)
					continue;
				cn_grow(&ret->held, &cap, ret->n_held, sizeof(*ret->held));
				ret->held[ret->n_held++] = (struct cn_held){{pool->id, seed}, osd};
			}
		}
	}
}

struct settled_job {
	const struct cn_foresee *in;
	const struct cn_pins *pins;
	bool *settled;
};

static void look_if_settled(void *arg, size_t i)
{
	struct settled_job *job = arg;
	_cleanup_(cn_ids_release) struct cn_ids others = {};
	struct cn_pg pg = {};

	if (cn_pg_query(job->in->c, job->pins->v[i].id, &pg, &others, NULL) < 0)
		return;
	job->settled[i] = cn_pg_state_is_clean(pg.state) && pg.reported_epoch >= job->in->settled;
	cn_pg_release(&pg);
}

/* A window that died let recovery go, it may be hours ago: what has moved since would move back for a pin. True when there is
 * such a PG: from now on it counts as having been where it is. */
static bool take_settled(struct reader *rd, const struct cn_pins *pins)
{
	_cleanup_free_ bool *settled = cn_calloc(pins->n, sizeof(*settled));
	struct settled_job job = {rd->in, pins, settled};
	bool any = false;

	cn_parallel(pins->n, 16, look_if_settled, &job);
	for (size_t i = 0; i < pins->n; i++) {
		const struct cn_pgid id = pins->v[i].id;
		const struct cn_mapped_pool *was = cn_mapping_pool(&rd->before, id.pool);
		const struct cn_mapped_pool *is = cn_mapping_pool(&rd->after, id.pool);
		size_t size = (size_t)is->size, at = id.seed * size;

		if (!settled[i] || !was || was->size != is->size || id.seed >= was->pg_num)
			continue;
		memcpy(was->up + at, is->up + at, size * sizeof(*is->up));
		memcpy(was->acting + at, is->up + at, size * sizeof(*is->up));
		any = true;
	}
	return any;
}

static void make(struct reader *rd, struct cn_foresight *ret)
{
	const struct cn_foresee *in = rd->in;
	struct cn_mapping after = rd->after; /* cn_pins_apply() writes into its sets */
	struct cn_change ch = {in->osdmap, in->crush, &rd->before, &after, in->leaving, in->sizes};

	cn_forecast_make(&ch, &ret->plain);
	if (!pins_wanted(in, &ret->plain))
		return;
	cn_pins_make(&ch, &ret->pins);
	if (in->settled && take_settled(rd, &ret->pins)) {
		cn_foresight_release(ret);
		cn_forecast_make(&ch, &ret->plain);
		if (!pins_wanted(in, &ret->plain))
			return;
		cn_pins_make(&ch, &ret->pins);
	}
	if (ret->pins.n == 0)
		return;
	ret->pinning = true;
	cn_pins_apply(&ret->pins, &after);
	cn_forecast_make(&ch, &ret->pinned);
}

int cn_foresee(const struct cn_foresee *in, struct cn_foresight *ret, struct cn_error *err)
{
	struct reader rd = {.in = in, .fd_before = -1, .fd_after = -1};
	_cleanup_error_ struct cn_error why = {};
	int r = read_all(&rd, &why);

	*ret = (struct cn_foresight){};
	if (r < 0)
		ret->why_not = cn_strdup(rd.no_tool ? "osdmaptool (package ceph-base) is not installed here" : why.message);
	else
		ret->why_not = in->before ? differs_from_known(&rd) : why_not_trusted(&rd);
	if (!ret->why_not && !in->before) {
		collect_held(&rd, ret);
		cn_entries_cancel(in->osdmap, in->leaving, rd.brief[0], &rd.after);
	}
	if (!ret->why_not && !cn_interrupted())
		make(&rd, ret);
	release_reader(&rd);
	if (!cn_interrupted())
		return 0;
	cn_foresight_release(ret);
	return cn_error_interrupted(err);
}
