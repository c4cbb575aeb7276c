/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which health checks speak against a drain. */
#include <string.h>

#include "cephnode/drain/plan.h"

bool cn_health_never_acceptable(const char *code)
{
	static const char *const codes[] = {"PG_DAMAGED", "OSD_SCRUB_ERRORS", "OBJECT_UNFOUND"};
	size_t len = strlen(code);

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (strcmp(code, codes[i]) == 0)
			return true;
	/* OSD_FULL, POOL_FULL, PG_BACKFILL_FULL, PG_RECOVERY_FULL; CACHE_POOL_NEAR_FULL is only a warning */
	return len > 5 && strcmp(code + len - 5, "_FULL") == 0 && !strstr(code, "NEAR_FULL");
}

static bool is_one_of(const char *code, const char *const *codes)
{
	for (; *codes; codes++)
		if (strcmp(code, *codes) == 0)
			return true;
	return false;
}

/* Every OSD that is down belongs to the node itself or to a drain that has stopped it. */
static bool down_osds_are_explained(const struct cn_health_context *ctx)
{
	for (size_t i = 0; i < ctx->osdmap->n_osds; i++) {
		const struct cn_osd *o = &ctx->osdmap->osds[i];
		bool known = o->up || cn_ids_has(ctx->own_osds, o->id);

		for (size_t k = 0; k < ctx->journals->n && !known; k++)
			known = ctx->journals->v[k].phase >= CN_PHASE_STOP && ctx->journals->v[k].phase <= CN_PHASE_AUDIT &&
				cn_journal_osd(&ctx->journals->v[k], o->id);
		if (!known && o->in)
			return false;
	}
	return true;
}

static bool any_own_down(const struct cn_health_context *ctx)
{
	for (size_t i = 0; i < ctx->own_osds->n; i++) {
		const struct cn_osd *o = cn_osdmap_osd(ctx->osdmap, ctx->own_osds->v[i]);

		if (o && !o->up)
			return true;
	}
	return false;
}

static bool other_drain_moves(const struct cn_health_context *ctx)
{
	for (size_t k = 0; k < ctx->journals->n; k++)
		if (ctx->journals->v[k].phase >= CN_PHASE_REWEIGHT && ctx->journals->v[k].phase < CN_PHASE_DRAINED)
			return true;
	return false;
}

/* All flags that health complains of ("norecover,noscrub flag(s) set") are held by a drain just now. */
static bool flags_are_ours(const char *summary, const struct cn_health_context *ctx)
{
	_cleanup_free_ char *names = cn_strndup(summary, strcspn(summary, " "));
	_cleanup_(cn_strv_release) struct cn_strv flags = {};

	cn_strv_split(&flags, names, ",");
	for (size_t i = 0; i < flags.n; i++) {
		bool ours = false;

		for (size_t k = 0; k < ctx->journals->n && !ours; k++)
			ours = ctx->journals->v[k].phase >= CN_PHASE_HOLD && ctx->journals->v[k].phase <= CN_PHASE_RELEASE &&
			       cn_strv_has(&ctx->journals->v[k].flags_set, flags.v[i]);
		if (!ours)
			return false;
	}
	return flags.n;
}

static bool explained(const struct cn_health_check *check, const struct cn_health_context *ctx)
{
	const char *code = check->code;
	static const char *const of_moving[] = {"PG_DEGRADED", "OBJECT_MISPLACED", "PG_NOT_SCRUBBED", "PG_NOT_DEEP_SCRUBBED",
						NULL};
	static const char *const of_fill[] = {"OSD_NEARFULL", "POOL_NEARFULL", NULL}; /* the plan warned of them */
	static const char *const of_down[] = {"OSD_DOWN",      "OSD_HOST_DOWN", "OSD_CHASSIS_DOWN",
					      "OSD_RACK_DOWN", "OSD_ROOT_DOWN", NULL};

	if (strcmp(code, "OSDMAP_FLAGS") == 0)
		return flags_are_ours(check->summary, ctx);
	if (is_one_of(code, of_fill))
		return ctx->moving;
	if (is_one_of(code, of_down))
		return down_osds_are_explained(ctx);
	if (is_one_of(code, of_moving))
		return down_osds_are_explained(ctx) && (ctx->moving || other_drain_moves(ctx) || any_own_down(ctx));
	return false;
}

void cn_health_judge(const struct cn_health *h, const struct cn_health_context *ctx, struct cn_strv *ret, bool *ret_never)
{
	*ret_never = false;
	for (size_t i = 0; i < h->n_checks; i++) {
		const struct cn_health_check *check = &h->checks[i];
		bool never = cn_health_never_acceptable(check->code);

		/* a mute is the operator's word that it does not count; damage counts all the same */
		if (!never && (check->muted || cn_strv_has(ctx->accept, check->code) || explained(check, ctx)))
			continue;
		cn_strv_addf(ret, "%s: %s", check->code, check->summary);
		*ret_never |= never;
	}
}
