/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* systemd is told that the agent lives by the thread that does the work, where it waits: one that hangs is not kept alive. */
#include <errno.h>
#include <systemd/sd-daemon.h>

#include "heat/agent.h"

#define BEAT_MS 5000

static struct cn_pulse *pulse_of(struct cn_clock *c)
{
	return (struct cn_pulse *)c;
}

static void beat(struct cn_pulse *p)
{
	int64_t now = cn_clock_boot_ms(p->real);

	if (!pthread_equal(pthread_self(), p->thread) || (p->beat_ms && now - p->beat_ms < p->every_ms))
		return;
	p->beat_ms = now;
	sd_notify(0, "WATCHDOG=1");
}

static int64_t boot_ms(struct cn_clock *c)
{
	beat(pulse_of(c));
	return cn_clock_boot_ms(pulse_of(c)->real);
}

static int64_t real_ms(struct cn_clock *c)
{
	return cn_clock_real_ms(pulse_of(c)->real);
}

/* -EINTR also when a gate no longer waits: the drain then ends as by a signal, and is recorded as one that can be resumed. */
static int wait_ms(struct cn_clock *c, int64_t ms)
{
	struct cn_pulse *p = pulse_of(c);
	int64_t end = cn_clock_boot_ms(p->real) + ms;
	bool ours = pthread_equal(pthread_self(), p->thread);

	for (;;) {
		int64_t now = cn_clock_boot_ms(p->real);
		int r;

		beat(p);
		if (ours && p->agent->in_wait && now >= p->agent->look_at_ms) {
			cn_agent_glance(p->agent);
			p->agent->look_at_ms = cn_clock_boot_ms(p->real) + p->agent->options->interval_s * 1000;
			if (p->agent->lost)
				return -EINTR;
		}
		if (now >= end)
			return 0;
		r = cn_clock_wait_ms(p->real, MIN(end - now, p->every_ms));
		if (r < 0)
			return r;
	}
}

static int64_t every_ms(void)
{
	uint64_t usec = 0;

	return sd_watchdog_enabled(0, &usec) > 0 ? MAX(MIN((int64_t)(usec / 2000), (int64_t)BEAT_MS), 1) : BEAT_MS;
}

void cn_pulse_init(struct cn_agent *a, struct cn_clock *real)
{
	a->pulse = (struct cn_pulse){
		.clock = {boot_ms, real_ms, wait_ms},
		.real = real,
		.agent = a,
		.thread = pthread_self(),
		.every_ms = every_ms(),
	};
}

void cn_agent_status(const char *fmt, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = cn_vasprintf(fmt, ap);
	va_end(ap);
	for (char *c = text; *c; c++)
		*c = *c == '\n' ? ' ' : *c; /* a line of its own would be a word of its own */
	sd_notifyf(0, "STATUS=%s", text);
}

void cn_agent_ready(void)
{
	sd_notify(0, "READY=1");
}

void cn_agent_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}
