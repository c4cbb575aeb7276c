/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* `plan` on a cluster that does not exist: the core library as it is, behind a door that answers each command with a file of DIR
 * (plan.py makes them). What it took is one JSON object on stdout, beside what the plan says. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/drain/drain.h"

static const char *dir;
static json_t *plan;
static atomic_size_t replied; /* bytes */

/* "pg ls-by-osd" of osd 3 is pg-ls-by-osd-3 */
static char *file_of(const json_t *cmd)
{
	int64_t id = cn_json_int(cmd, "osd", cn_json_int(cmd, "id", -1));
	_cleanup_free_ char *name = cn_strdup(cn_json_str(cmd, "prefix", ""));

	for (char *s = name; *s; s++)
		if (*s == ' ')
			*s = '-';
	return id < 0 ? cn_asprintf("%s/%s", dir, name) : cn_asprintf("%s/%s-%lld", dir, name, (long long)id);
}

static int answer(struct cn_cluster *c _unused_, enum cn_target target _unused_, const char *pgid _unused_, const char *text,
		  char **ret_out, size_t *ret_len, char **ret_status _unused_)
{
	_cleanup_json_ json_t *cmd = cn_json_parse(text, strlen(text), NULL);
	_cleanup_free_ char *path = file_of(cmd);
	FILE *f = fopen(path, "r");
	struct stat st;

	if (!f || fstat(fileno(f), &st) < 0) {
		fprintf(stderr, "no reply to %s\n", text);
		return -ENOENT;
	}
	*ret_len = (size_t)st.st_size;
	*ret_out = cn_malloc(*ret_len + 1);
	(*ret_out)[*ret_len] = '\0';
	if (fread(*ret_out, 1, *ret_len, f) != *ret_len)
		abort();
	fclose(f);
	atomic_fetch_add(&replied, *ret_len);
	return 0;
}

static void set_timeout(struct cn_cluster *c _unused_, unsigned seconds _unused_)
{
}

static uint64_t instance(struct cn_cluster *c _unused_)
{
	return 1;
}

static void emit(struct cn_sink *sink _unused_, const json_t *event)
{
	if (strcmp(cn_json_str(event, "event", ""), "plan") == 0)
		plan = json_deep_copy(event);
}

static int64_t peak_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	long long kib = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmHWM: %lld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

static double cpu_s(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void report(double seconds)
{
	struct rusage tools;
	_cleanup_json_ json_t *o = json_object();

	getrusage(RUSAGE_CHILDREN, &tools);
	json_object_set_new(o, "seconds", json_real(seconds));
	json_object_set_new(o, "cpu_s", json_real(cpu_s(RUSAGE_SELF)));
	json_object_set_new(o, "tool_cpu_s", json_real(cpu_s(RUSAGE_CHILDREN)));
	json_object_set_new(o, "peak_kib", json_integer(peak_kib()));
	json_object_set_new(o, "tool_peak_kib", json_integer(tools.ru_maxrss));
	json_object_set_new(o, "replied_bytes", json_integer((json_int_t)replied));
	json_object_set(o, "plan", plan);
	json_object_del(json_object_get(o, "plan"), "targets");
	puts(cn_json_dump(o));
}

int main(int argc, char **argv)
{
	static const struct cn_cluster_ops ops = {.command = answer, .set_command_timeout = set_timeout, .instance_id = instance};
	struct cn_drain_options options = {.stall_timeout_s = 1800, .lock_wait_s = 60};
	struct cn_cluster cluster = {.ops = &ops, .op_timeout_s = 30, .entity = (char[]){"client.bench"}};
	struct cn_sink sink = {.emit = emit};
	struct cn_drain_context ctx = {.cluster = &cluster, .clock = cn_clock_system(), .sink = &sink, .options = &options};
	struct cn_error err = {};
	int64_t began;
	int r;

	if (argc < 3 || cn_interrupt_init() < 0)
		return 2;
	dir = argv[1];
	began = cn_clock_boot_ms(ctx.clock);
	r = cn_drain_plan(&ctx, (const char *const *)argv + 2, (size_t)argc - 2, &err);
	if (r < 0)
		fprintf(stderr, "%s\n", err.message);
	report((double)(cn_clock_boot_ms(ctx.clock) - began) / 1000);
	return r != 0;
}
