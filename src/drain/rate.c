/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pace of a move by a sliding window of time: what was before a pause of ours says nothing about now. */
#include <string.h>

#include "run.h"

#define WINDOW_MS 30000
#define GAP_MS (4 * WINDOW_MS) /* polls of a large cluster may lie further apart than the window is long */

static void drop_first(struct cn_rate *rate)
{
	memmove(&rate->v[0], &rate->v[1], --rate->n * sizeof(rate->v[0]));
}

void cn_rate_add(struct cn_rate *rate, int64_t now_ms, int64_t bytes_left)
{
	if (rate->n && now_ms - rate->v[rate->n - 1].at_ms > GAP_MS)
		rate->n = 0;
	while (rate->n == ARRAY_SIZE(rate->v) || (rate->n > 1 && now_ms - rate->v[0].at_ms > WINDOW_MS))
		drop_first(rate);
	rate->v[rate->n].at_ms = now_ms;
	rate->v[rate->n++].bytes_left = bytes_left;
}

double cn_rate_get(const struct cn_rate *rate)
{
	int64_t ms = rate->n ? rate->v[rate->n - 1].at_ms - rate->v[0].at_ms : 0;

	return ms < 1000 ? -1 : (double)(rate->v[0].bytes_left - rate->v[rate->n - 1].bytes_left) * 1000.0 / (double)ms;
}

json_t *cn_eta_json(int64_t pgs_left, int64_t bytes_left, double bytes_per_second)
{
	if (pgs_left == 0)
		return json_integer(0);
	if (bytes_left == 0 || bytes_per_second < 1)
		return json_null();
	return json_integer((json_int_t)((double)bytes_left / bytes_per_second) + 1);
}
