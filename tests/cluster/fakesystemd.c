/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stands in for systemd's manager on a private bus: fakesystemd [--deny] UNIT=PID=FILESTATE...
 * StopUnit ends the process PID and reports the job when it is gone; StartUnit leaves that to who reads the log. PID 0: the unit
 * is loaded and does not run. --deny: as for who may not stop units. Each call that changes something is a line on stdout.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define OBJECT "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"

static struct unit {
	char *name, *state;
	pid_t pid;
	uint32_t job; /* to be reported when the process is gone; 0: none */
} units[64];
static size_t n_units;
static bool deny;
static uint32_t jobs;

static struct unit *find(const char *name)
{
	for (size_t i = 0; i < n_units; i++)
		if (strcmp(units[i].name, name) == 0)
			return &units[i];
	return NULL;
}

static bool lives(pid_t pid)
{
	char path[64], text[512] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = pid ? fopen(path, "r") : NULL;
	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = 0;
	fclose(f);
	return strrchr(text, ')') && strrchr(text, ')')[2] != 'Z';
}

static int list_units(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	sd_bus_message *reply = NULL;
	const char *name;
	int r = sd_bus_message_new_method_return(m, &reply);

	(void)arg, (void)e;
	r = r < 0 ? r : sd_bus_message_enter_container(m, 'a', "s");
	r = r < 0 ? r : sd_bus_message_open_container(reply, 'a', "(ssssssouso)");
	while (r >= 0 && (r = sd_bus_message_read(m, "s", &name)) > 0) {
		const struct unit *u = find(name);

		r = sd_bus_message_append(reply, "(ssssssouso)", name, name, u ? "loaded" : "not-found",
					  u && lives(u->pid) ? "active" : "inactive", "dead", "", OBJECT "/unit/x", 0, "", "/");
	}
	r = r < 0 ? r : sd_bus_message_close_container(reply);
	r = r < 0 ? r : sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r < 0 ? r : 1;
}

static int file_state(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	const char *name;
	const struct unit *u;
	int r = sd_bus_message_read(m, "s", &name);

	(void)arg;
	if (r < 0)
		return r;
	u = find(name);
	if (!u)
		return sd_bus_error_setf(e, "org.freedesktop.DBus.Error.FileNotFound", "No such file or directory");
	return sd_bus_reply_method_return(m, "s", u->state);
}

static int set_state(sd_bus_message *m, const char *what, const char *state)
{
	const char *name;
	struct unit *u = NULL;
	int runtime = 0, r = sd_bus_message_enter_container(m, 'a', "s");

	r = r < 0 ? r : sd_bus_message_read(m, "s", &name);
	r = r < 0 ? r : sd_bus_message_exit_container(m);
	r = r < 0 ? r : sd_bus_message_read(m, "b", &runtime);
	if (r >= 0)
		u = find(name);
	if (!u)
		return -ENOENT;
	free(u->state);
	u->state = strdup(strcmp(state, "enabled") == 0 && runtime ? "enabled-runtime" : state);
	printf("%s %s\n", what, name);
	return 0;
}

static int disable(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	int r = deny ? sd_bus_error_setf(e, SD_BUS_ERROR_ACCESS_DENIED, "Access denied") : set_state(m, "disable", "disabled");

	(void)arg;
	return r < 0 ? r : sd_bus_reply_method_return(m, "a(sss)", 0);
}

static int enable(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	int r = set_state(m, "enable", "enabled");

	(void)arg, (void)e;
	return r < 0 ? r : sd_bus_reply_method_return(m, "ba(sss)", true, 0);
}

static int nothing(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	(void)arg, (void)e;
	return sd_bus_reply_method_return(m, "");
}

static int job(sd_bus_message *m, const char *what, bool stop)
{
	const char *name, *mode;
	char path[64];
	struct unit *u;
	int r = sd_bus_message_read(m, "ss", &name, &mode);

	if (r < 0)
		return r;
	u = find(name);
	if (!u)
		return -ENOENT;
	printf("%s %s\n", what, name);
	if (stop && lives(u->pid))
		kill(u->pid, SIGTERM);
	u->job = ++jobs;
	if (!stop)
		u->pid = 0;
	snprintf(path, sizeof(path), OBJECT "/job/%" PRIu32, u->job);
	return sd_bus_reply_method_return(m, "o", path);
}

static int stop_unit(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	(void)arg;
	return deny ? sd_bus_error_setf(e, SD_BUS_ERROR_ACCESS_DENIED, "Access denied") : job(m, "stop", true);
}

static int start_unit(sd_bus_message *m, void *arg, sd_bus_error *e)
{
	(void)arg, (void)e;
	return job(m, "start", false);
}

static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("ListUnitsByNames", "as", "a(ssssssouso)", list_units, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("GetUnitFileState", "s", "s", file_state, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("DisableUnitFiles", "asb", "a(sss)", disable, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("EnableUnitFiles", "asbb", "ba(sss)", enable, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Reload", "", "", nothing, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Subscribe", "", "", nothing, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("StopUnit", "ss", "o", stop_unit, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("StartUnit", "ss", "o", start_unit, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_SIGNAL("JobRemoved", "uoss", 0),
	SD_BUS_VTABLE_END,
};

static void report(sd_bus *bus)
{
	for (size_t i = 0; i < n_units; i++) {
		char path[64];

		if (units[i].job == 0 || lives(units[i].pid))
			continue;
		snprintf(path, sizeof(path), OBJECT "/job/%" PRIu32, units[i].job);
		sd_bus_emit_signal(bus, OBJECT, MANAGER, "JobRemoved", "uoss", units[i].job, path, units[i].name, "done");
		units[i].job = 0;
	}
}

int main(int argc, char **argv)
{
	sd_bus *bus = NULL;
	int r;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc && n_units < 64; i++) {
		struct unit *u = &units[n_units];
		int pid;

		if (strcmp(argv[i], "--deny") == 0) {
			deny = true;
			continue;
		}
		if (sscanf(argv[i], "%m[^=]=%d=%ms", &u->name, &pid, &u->state) != 3)
			return 2;
		u->pid = pid;
		n_units++;
	}
	r = sd_bus_open_system(&bus);
	r = r < 0 ? r : sd_bus_add_object_vtable(bus, NULL, OBJECT, MANAGER, vtable, NULL);
	r = r < 0 ? r : sd_bus_request_name(bus, "org.freedesktop.systemd1", 0);
	if (r < 0) {
		fprintf(stderr, "fakesystemd: %s\n", strerror(-r));
		return 1;
	}
	printf("ready\n");
	while (r >= 0) {
		r = sd_bus_process(bus, NULL);
		report(bus);
		if (r == 0)
			r = sd_bus_wait(bus, 100000);
	}
	return 1;
}
