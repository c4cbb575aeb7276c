/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How long this call may take: --timeout bounds the whole, --stall-timeout a standstill. */
#include <errno.h>
#include <inttypes.h>

#include "cephnode/base/interrupt.h"
#include "run.h"

void cn_limit_commands(struct cn_run *run)
{
	int64_t left_s = (run->timeout_at_ms - cn_clock_boot_ms(run->clock) + 999) / 1000;
	unsigned limit = run->c->op_timeout_s;

	if (run->timeout_at_ms)
		run->c->ops->set_command_timeout(run->c, limit ? (unsigned)MIN(MAX(left_s, 1), (int64_t)limit)
							       : (unsigned)MAX(left_s, 1));
}

int64_t cn_wait_ms(const struct cn_run *run, int64_t limit_ms)
{
	if (!run->timeout_at_ms)
		return limit_ms;
	return MIN(limit_ms, MAX(run->timeout_at_ms - cn_clock_boot_ms(run->clock), 0));
}

int cn_timeout_check(const struct cn_run *run, const char *what, struct cn_error *err)
{
	if (!run->timeout_at_ms || cn_clock_boot_ms(run->clock) < run->timeout_at_ms)
		return 0;
	cn_error_release(err);
	cn_error_set(err, CN_TIMEOUT, ETIMEDOUT, "the time given with --timeout is over: %s", what);
	cn_error_hint(err, "the same command goes on from here");
	return -ETIMEDOUT;
}

int cn_pause(struct cn_run *run, int64_t poll_ms, int64_t cost_ms)
{
	return cn_clock_wait_ms(run->clock, cn_wait_ms(run, MAX(poll_ms - cost_ms, cost_ms * 3)));
}

int cn_patience_check(struct cn_run *run, struct cn_patience *p, int64_t bytes, int64_t count, const char *what,
		      struct cn_error *err)
{
	int64_t now = cn_clock_boot_ms(run->clock), stall = run->ctx->options->stall_timeout_s * 1000;

	if (cn_interrupted())
		return cn_error_interrupted(err);
	if (cn_timeout_check(run, what, err) < 0)
		return -ETIMEDOUT;
	if (p->since_ms == 0 || bytes < p->bytes || count < p->count) {
		*p = (struct cn_patience){p->since_ms ? MIN(bytes, p->bytes) : bytes, p->since_ms ? MIN(count, p->count) : count,
					  now};
		return 0;
	}
	if (now - p->since_ms < stall)
		return 0;
	cn_error_set(err, CN_TIMEOUT, ETIME, "nothing has changed for %" PRId64 " s: %s", stall / 1000, what);
	cn_error_hint(err, "mend the cause and run the same command again, or undo with cephnode cancel");
	return -ETIME;
}
