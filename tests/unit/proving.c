/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "proving.h"

#include <stdio.h>
#include <string.h>

#define SAFE "{\"prefix\":\"osd safe-to-destroy\",\"ids\":[\"0\",\"1\"],\"format\":\"json\"}"
#define HEALTH "{\"prefix\":\"health\",\"format\":\"json\"}"

void prove_map(struct proving *x, const char *pgid, const char *up, const char *acting)
{
	_cleanup_free_ char *cmd = cn_asprintf("{\"prefix\":\"pg map\",\"pgid\":\"%s\",\"format\":\"json\"}", pgid);
	_cleanup_free_ char *body = cn_asprintf("{\"epoch\":60,\"pgid\":\"%s\",\"up\":%s,\"acting\":%s}", pgid, up, acting);

	fake_always(x->f, CN_MON, NULL, cmd, 0, body, NULL);
}

void prove_query(struct proving *x, const char *pgid, const char *state, int epoch, const char *acting, const char *more)
{
	_cleanup_free_ char *cmd = cn_asprintf("{\"prefix\":\"query\",\"pgid\":\"%s\",\"format\":\"json\"}", pgid);
	_cleanup_free_ char *body =
		cn_asprintf("{\"state\":\"%s\",\"epoch\":%d,\"up\":%s,\"acting\":%s%s}", state, epoch, acting, acting, more);

	fake_always(x->f, CN_PG, pgid, cmd, 0, body, NULL);
}

void prove_safe(struct proving *x, const char *body)
{
	fake_always(x->f, CN_MGR, NULL, SAFE, 0, body, NULL);
}

void prove_health(struct proving *x, const char *code, const char *summary)
{
	_cleanup_free_ char *body = NULL;

	body = code ? cn_asprintf("{\"status\":\"HEALTH_WARN\",\"checks\":{\"%s\":{\"severity\":\"HEALTH_WARN\",\"summary\":{"
				  "\"message\":"
				  "\"%s\"},\"muted\":false}},\"mutes\":[]}",
				  code, summary)
		    : cn_strdup("{\"status\":\"HEALTH_OK\",\"checks\":{},\"mutes\":[]}");
	fake_always(x->f, CN_MON, NULL, HEALTH, 0, body, NULL);
}

void prove_osds_answer(struct proving *x)
{
	_cleanup_free_ char *body = cn_json_dump(x->w.osd_dump);

	fake_always(x->f, CN_MON, NULL, "{\"prefix\":\"osd dump\",\"format\":\"json\"}", 0, body, NULL);
}

static void prove_all_is_well(struct proving *x)
{
	prove_osds_answer(x);
	prove_map(x, "1.0", "[2,4,6]", "[2,4,6]");
	prove_map(x, "2.3", "[8,2147483647,5]", "[8,2147483647,5]");
	prove_query(x, "1.0", "active+clean", 60, "[2,4,6]", "");
	prove_query(x, "2.3", "active+clean", CHANGE_EPOCH, "[8,3,5]", "");
	prove_safe(x, "{\"safe_to_destroy\":[0,1],\"active\":[],\"missing_stats\":[],\"stored_pgs\":[]}");
	prove_health(x, NULL, NULL);
}

static void make_journal(struct proving *x, struct cn_journal *j)
{
	*j = (struct cn_journal){.phase = CN_PHASE_PROVE, .node = cn_strdup("node1"), .change_epoch = CHANGE_EPOCH, .n_osds = 2};
	j->osds = cn_calloc(2, sizeof(*j->osds));
	for (int i = 0; i < 2; i++) {
		j->osds[i].id = i;
		snprintf(j->osds[i].uuid, sizeof(j->osds[i].uuid), "%s", cn_json_str(world_osd(&x->w, i), "uuid", ""));
	}
	j->n_pgs = j->n_pools = 2;
	j->pgs = cn_calloc(2, sizeof(*j->pgs));
	j->pgs[0] = (struct cn_journal_pg){{1, 0}, 1};
	j->pgs[1] = (struct cn_journal_pg){{2, 3}, 1};
	j->pools = cn_calloc(2, sizeof(*j->pools));
	j->pools[0] = (struct cn_journal_pool){1, 32};
	j->pools[1] = (struct cn_journal_pool){2, 16};
}

int prove_setup(void **state)
{
	struct proving *x = cn_calloc(1, sizeof(*x));

	fakeclock_init(&x->clock);
	world_init(&x->w, "");
	x->f = fake_new(&x->clock);
	fake_store(x->f);
	make_journal(x, &x->drain.journal);
	x->ctx = (struct cn_drain_context){.cluster = fake_client(x->f, 1), .clock = &x->clock.clock, .options = &x->options};
	x->run = (struct cn_run){.ctx = &x->ctx, .c = x->ctx.cluster, .clock = x->ctx.clock, .drains = &x->drain, .n = 1};
	prove_all_is_well(x);
	*state = x;
	return 0;
}

int prove_teardown(void **state)
{
	struct proving *x = *state;
	struct fake *f = x->f;

	cn_journal_release(&x->drain.journal);
	cn_strv_release(&x->run.accept);
	world_release(&x->w);
	cn_error_release(&x->e);
	free(x);
	fake_done(f);
	return 0;
}

void prove_assert(struct proving *x, bool need_safe, const char *want)
{
	_cleanup_free_ char *reason = NULL;
	size_t missing = 99;

	if (cn_prove_once(&x->run, need_safe, &missing, &reason, &x->e) < 0)
		fail_msg("%s", x->e.message);
	if (want)
		assert_has(reason, want);
	else if (reason)
		fail_msg("not proven: %s", reason);
}
