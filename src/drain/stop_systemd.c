/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Daemons that systemd runs on this very machine, stopped over its bus as `systemctl disable --now` would: plain and ceph-volume
 * deployments (ceph-osd@N) and cephadm's (ceph-FSID@osd.N).
 */
#include <errno.h>
#include <glob.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "cephnode/base/interrupt.h"
#include "stop.h"

#define DEST "org.freedesktop.systemd1"
#define OBJECT "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"
#define CALL_US 10000000
#define RELOAD_US 90000000  /* it reads all units again, on a node with hundreds of them */
#define JOB_LIMIT_MS 180000 /* of all together: a unit's own limit is 90 s, cephadm's 120 */

#define HINT "systemctl disable --now %s, or let the monitors do it: --stop-with mon"

void cn_unit_candidates(int osd, const char *fsid, struct cn_strv *ret)
{
	cn_strv_addf(ret, "ceph-%s@osd.%d.service", fsid, osd);
	cn_strv_addf(ret, "ceph-osd@%d.service", osd);
}

static bool runs(const struct cn_unit *u)
{
	static const char *const words[] = {"active", "activating", "reloading", "deactivating"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(u->active, words[i]) == 0)
			return strcmp(u->load, "not-found") != 0;
	return false;
}

const struct cn_unit *cn_unit_choose(const struct cn_unit *v, size_t n, const struct cn_strv *candidates)
{
	for (size_t c = 0; c < candidates->n; c++)
		for (size_t i = 0; i < n; i++)
			if (strcmp(v[i].name, candidates->v[c]) == 0 && runs(&v[i]))
				return &v[i];
	return NULL;
}

/* --- is it this machine? ---------------------------------------------------------------------------------------------- */

static bool sockaddr_ip(const struct sockaddr *a, struct cn_ip *ret)
{
	*ret = (struct cn_ip){};
	if (!a || (a->sa_family != AF_INET && a->sa_family != AF_INET6))
		return false;
	ret->family = a->sa_family;
	if (a->sa_family == AF_INET)
		memcpy(ret->bytes, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
	else
		memcpy(ret->bytes, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
	return true;
}

static bool is_loopback(const struct cn_ip *ip)
{
	static const uint8_t one[16] = {[15] = 1};

	return (ip->family == AF_INET && ip->bytes[0] == 127) || (ip->family == AF_INET6 && memcmp(ip->bytes, one, 16) == 0);
}

static bool address_is_here(const struct cn_ip *ip)
{
	struct ifaddrs *list;
	bool found = is_loopback(ip);

	if (ip->family == 0 || getifaddrs(&list) < 0)
		return found;
	for (struct ifaddrs *a = list; a && !found; a = a->ifa_next) {
		struct cn_ip own;

		found = sockaddr_ip(a->ifa_addr, &own) && cn_ip_equal(ip, &own);
	}
	freeifaddrs(list);
	return found;
}

static void this_host(char *buf, size_t size)
{
	if (gethostname(buf, size) < 0)
		buf[0] = 0;
	buf[size - 1] = 0;
}

static bool osd_is_here(struct cn_run *run, const struct cn_osd *o)
{
	_cleanup_json_ json_t *metadata = NULL;
	char host[256];

	for (size_t i = 0; i < o->at.n_public; i++)
		if (address_is_here(&o->at.v[i]))
			return true;
	this_host(host, sizeof(host));
	return *host && cn_osd_metadata(run->c, o->id, &metadata, NULL) == 0 &&
	       strcmp(cn_json_str(metadata, "hostname", ""), host) == 0;
}

/* --- the bus ---------------------------------------------------------------------------------------------------------- */

static void bus_freep(sd_bus **b)
{
	sd_bus_flush_close_unref(*b);
}
#define _cleanup_bus_ _cleanup_(bus_freep)

static void message_freep(sd_bus_message **m)
{
	sd_bus_message_unref(*m);
}
#define _cleanup_message_ _cleanup_(message_freep)

static int bus_failed(int r, const sd_bus_error *e, const char *what, const char *unit, struct cn_error *err)
{
	const char *words = e && e->message ? e->message : strerror(-r);

	cn_error_set(err, CN_FAILED, r == -EINTR ? EIO : r, "systemd: cannot %s %s: %s", what, unit, words);
	cn_error_hint(err, HINT, unit);
	return -err->errnum;
}

static int open_bus(sd_bus **ret)
{
	_cleanup_bus_ sd_bus *bus = NULL;
	int r = sd_bus_open_system(&bus);

	if (r < 0)
		return r;
	sd_bus_set_method_call_timeout(bus, CALL_US);
	*ret = TAKE_PTR(bus);
	return 0;
}

struct units {
	struct cn_unit *v;
	size_t n, cap;
};

static void units_release(struct units *u)
{
	free(u->v);
	*u = (struct units){};
}

/* systemd answers for each name, also for those that it does not know: "not-found". */
static int list_units(sd_bus *bus, const struct cn_strv *names, struct units *ret, sd_bus_error *e)
{
	_cleanup_message_ sd_bus_message *call = NULL, *reply = NULL;
	const char *name, *load, *active;
	int r = sd_bus_message_new_method_call(bus, &call, DEST, OBJECT, MANAGER, "ListUnitsByNames");

	if (r >= 0)
		r = sd_bus_message_open_container(call, 'a', "s");
	for (size_t i = 0; i < names->n && r >= 0; i++)
		r = sd_bus_message_append(call, "s", names->v[i]);
	if (r >= 0)
		r = sd_bus_message_close_container(call);
	if (r >= 0)
		r = sd_bus_call(bus, call, 0, e, &reply);
	if (r >= 0)
		r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
	while (r >= 0) {
		r = sd_bus_message_read(reply, "(ssssssouso)", &name, NULL, &load, &active, NULL, NULL, NULL, NULL, NULL, NULL);
		if (r <= 0)
			break;
		cn_grow(&ret->v, &ret->cap, ret->n, sizeof(*ret->v));
		ret->v[ret->n] = (struct cn_unit){};
		snprintf(ret->v[ret->n].name, sizeof(ret->v->name), "%s", name);
		snprintf(ret->v[ret->n].load, sizeof(ret->v->load), "%s", load);
		snprintf(ret->v[ret->n++].active, sizeof(ret->v->active), "%s", active);
	}
	return MIN(r, 0);
}

/* "enabled", "enabled-runtime", "disabled", ...; to be freed. "": systemd has no such file. */
static char *file_state(sd_bus *bus, const char *unit)
{
	_cleanup_message_ sd_bus_message *reply = NULL;
	const char *state = "";

	if (sd_bus_call_method(bus, DEST, OBJECT, MANAGER, "GetUnitFileState", NULL, &reply, "s", unit) < 0 ||
	    sd_bus_message_read(reply, "s", &state) < 0)
		return cn_strdup("");
	return cn_strdup(state);
}

static int enable_or_disable(sd_bus *bus, const char *unit, bool on, bool runtime, sd_bus_error *e)
{
	int r = on ? sd_bus_call_method(bus, DEST, OBJECT, MANAGER, "EnableUnitFiles", e, NULL, "asbb", 1, unit, runtime, false)
		   : sd_bus_call_method(bus, DEST, OBJECT, MANAGER, "DisableUnitFiles", e, NULL, "asb", 1, unit, runtime);

	return MIN(r, 0);
}

static int reload(sd_bus *bus, sd_bus_error *e)
{
	_cleanup_message_ sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(bus, &call, DEST, OBJECT, MANAGER, "Reload");

	if (r >= 0)
		r = sd_bus_call(bus, call, RELOAD_US, e, NULL);
	return MIN(r, 0);
}

/* --- jobs --- */

/* arg: jobs that ended, also before we knew the path of ours: name is the path, active the result. */
static int on_job_removed(sd_bus_message *m, void *arg, sd_bus_error *e _unused_)
{
	struct units *over = arg;
	const char *path, *unit, *result;
	uint32_t id;

	if (sd_bus_message_read(m, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	cn_grow(&over->v, &over->cap, over->n, sizeof(*over->v));
	over->v[over->n] = (struct cn_unit){};
	snprintf(over->v[over->n].name, sizeof(over->v->name), "%s", path);
	snprintf(over->v[over->n++].active, sizeof(over->v->active), "%s", result);
	return 0;
}

static const char *job_result(const struct units *over, const char *path)
{
	for (size_t i = 0; i < over->n; i++)
		if (strcmp(over->v[i].name, path) == 0)
			return over->v[i].active;
	return NULL;
}

static int ask_job(sd_bus *bus, const char *what, const char *unit, struct cn_strv *paths, struct cn_error *err)
{
	_cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *reply = NULL;
	const char *method = strcmp(what, "stop") == 0 ? "StopUnit" : "StartUnit", *path;
	int r = sd_bus_call_method(bus, DEST, OBJECT, MANAGER, method, &e, &reply, "ss", unit, "replace");

	if (r >= 0)
		r = sd_bus_message_read(reply, "o", &path);
	if (r < 0)
		return bus_failed(r, &e, what, unit, err);
	cn_strv_add(paths, path);
	return 0;
}

static int await_job(struct cn_run *run, sd_bus *bus, const char *what, const char *unit, const char *path,
		     const struct units *over, int64_t end_ms, struct cn_error *err)
{
	const char *result;

	while (!(result = job_result(over, path))) {
		_cleanup_free_ char *doing = cn_asprintf("systemd has not yet done: %s %s", what, unit);
		int r;

		if (cn_interrupted())
			return cn_error_interrupted(err);
		if (cn_timeout_check(run, doing, err) < 0)
			return -ETIMEDOUT;
		if (cn_clock_boot_ms(run->clock) >= end_ms)
			return cn_error_set(err, CN_TIMEOUT, ETIMEDOUT, "systemd did not %s %s within %d s", what, unit,
					    JOB_LIMIT_MS / 1000);
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, 200000);
		if (r < 0 && r != -EINTR)
			return bus_failed(r, NULL, what, unit, err);
	}
	return strcmp(result, "done") == 0
		       ? 0
		       : cn_error_set(err, CN_FAILED, EIO, "systemd: the job to %s %s ended with '%s'", what, unit, result);
}

/* what: "stop" or "start". All are asked for first: the slowest one decides how long it takes. */
static int run_jobs(struct cn_run *run, sd_bus *bus, const char *what, const struct cn_strv *units, struct cn_error *err)
{
	int64_t end = cn_clock_boot_ms(run->clock) + JOB_LIMIT_MS;
	_cleanup_(cn_strv_release) struct cn_strv paths = {};
	_cleanup_(units_release) struct units over = {};
	sd_bus_slot *slot = NULL;
	int r = 0;

	(void)sd_bus_match_signal(bus, &slot, NULL, OBJECT, MANAGER, "JobRemoved", on_job_removed, &over);
	(void)sd_bus_call_method(bus, DEST, OBJECT, MANAGER, "Subscribe", NULL, NULL, ""); /* else it sends no signals */
	for (size_t i = 0; i < units->n && r == 0; i++)
		r = ask_job(bus, what, units->v[i], &paths, err);
	for (size_t i = 0; i < units->n && r == 0; i++)
		r = await_job(run, bus, what, units->v[i], paths.v[i], &over, end, err);
	sd_bus_slot_unref(slot);
	return r;
}

/* On a machine with daemons of two clusters ceph-osd@3 may be the other one's: an OSD is its uuid, and that stands in its folder.
 */
static bool is_anothers(int osd, const char *uuid)
{
	_cleanup_free_ char *pattern = cn_asprintf("/var/lib/ceph/osd/*-%d/fsid", osd);
	bool found = false, ours = false;
	glob_t g;

	if (glob(pattern, 0, NULL, &g) != 0)
		return false;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		char text[64] = "";
		FILE *f = fopen(g.gl_pathv[i], "re");

		if (!f)
			continue;
		found |= fgets(text, sizeof(text), f) != NULL;
		ours |= strncmp(text, uuid, strlen(uuid)) == 0;
		fclose(f);
	}
	globfree(&g);
	return found && !ours;
}

/* --- the driver ------------------------------------------------------------------------------------------------------- */

/* The units of these OSDs: one each, by OSD, "" where none runs. */
static int units_of(sd_bus *bus, const struct cn_osdmap *m, const struct cn_ids *osds, struct cn_strv *ret, sd_bus_error *e)
{
	_cleanup_(cn_strv_release) struct cn_strv names = {};
	_cleanup_(units_release) struct units units = {};
	int r;

	for (size_t i = 0; i < osds->n; i++)
		cn_unit_candidates(osds->v[i], m->fsid, &names);
	r = list_units(bus, &names, &units, e);
	for (size_t i = 0; i < osds->n && r == 0; i++) {
		_cleanup_(cn_strv_release) struct cn_strv mine = {};
		const struct cn_unit *u;

		cn_unit_candidates(osds->v[i], m->fsid, &mine);
		u = cn_unit_choose(units.v, units.n, &mine);
		if (u && strncmp(u->name, "ceph-osd@", 9) == 0 && is_anothers(osds->v[i], cn_osdmap_osd(m, osds->v[i])->uuid))
			u = NULL;
		cn_strv_add(ret, u ? u->name : "");
	}
	return r;
}

static int not_here(struct cn_run *run, const struct cn_stop_view *v, char **why, char **hint)
{
	char host[256];

	this_host(host, sizeof(host));
	for (size_t i = 0; i < v->osds->n; i++) {
		const struct cn_osd *o = cn_osdmap_osd(v->m, v->osds->v[i]);

		if (!o || !o->up || osd_is_here(run, o))
			continue;
		*why = cn_asprintf("osd.%d does not run on this machine (%s)", o->id, host);
		*hint = cn_strdup("run it on the node itself, or let the monitors do it: --stop-with mon");
		return 0;
	}
	return 1;
}

static void up_ones(const struct cn_stop_view *v, struct cn_ids *ret)
{
	for (size_t i = 0; i < v->osds->n; i++)
		if (cn_osdmap_osd(v->m, v->osds->v[i]) && cn_osdmap_osd(v->m, v->osds->v[i])->up)
			cn_ids_add(ret, v->osds->v[i]);
}

static int look(struct cn_run *run, const struct cn_stop_view *v, struct cn_strv *does, char **why, char **hint,
		struct cn_error *err _unused_)
{
	_cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	_cleanup_(cn_strv_release) struct cn_strv units = {};
	_cleanup_(cn_ids_release) struct cn_ids up = {};
	_cleanup_bus_ sd_bus *bus = NULL;
	int r = not_here(run, v, why, hint);

	if (r <= 0)
		return r;
	if (geteuid() != 0) {
		*why = cn_strdup("only root may stop units");
		*hint = cn_strdup("run it as root, or let the monitors do it: --stop-with mon");
		return 0;
	}
	up_ones(v, &up);
	r = open_bus(&bus);
	if (r == 0)
		r = units_of(bus, v->m, &up, &units, &e);
	if (r < 0) {
		*why = cn_asprintf("systemd cannot be asked for ceph-osd@%d.service: %s", v->osds->n ? v->osds->v[0] : 0,
				   e.message ? e.message : strerror(-r));
		*hint = cn_asprintf("stop the daemons by hand (systemctl stop ...) with --stop-with none, or --stop-with mon");
		return 0;
	}
	for (size_t i = 0; i < up.n; i++) {
		if (!*units.v[i]) {
			*why = cn_asprintf("systemd runs no ceph-osd@%d.service, and none of cephadm", up.v[i]);
			return 0;
		}
		cn_strv_addf(does, "systemctl disable --now %s", units.v[i]);
	}
	return up.n > 0;
}

/* What starts it at boot: its own unit, and with ceph-volume the one that activates its disk and then starts it. */
static void note_enabled(struct cn_run *run, sd_bus *bus, int osd, const char *unit)
{
	_cleanup_free_ char *volume = cn_asprintf("ceph-volume@lvm-%d-%s.service", osd, cn_run_osd(run, osd)->uuid);
	const char *names[] = {volume, unit}; /* put back in the other order: first its own */
	char host[256];

	this_host(host, sizeof(host));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_free_ char *state = file_state(bus, names[i]);
		bool enabled = strncmp(state, "enabled", 7) == 0;
		json_t *e, *known;
		size_t k, d;
		bool noted = false;

		for (d = 0; d < run->n; d++)
			json_array_foreach (run->drains[d].journal.stopped, k, known)
				noted |= strcmp(cn_json_str(known, "unit", ""), names[i]) == 0;
		if (noted || (i == 0 && !enabled))
			continue;
		e = json_pack("{ss,ss,ss,ss,sb}", "what", "unit", "unit", names[i], "state", state, "host", host, "start",
			      (int)i);
		cn_stop_note(run, osd, e);
	}
}

static int disable(sd_bus *bus, const char *unit, bool *ret_changed, struct cn_error *err)
{
	_cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	_cleanup_free_ char *state = file_state(bus, unit);
	int r;

	if (strncmp(state, "enabled", 7) != 0)
		return 0;
	*ret_changed = true;
	r = enable_or_disable(bus, unit, false, strcmp(state, "enabled-runtime") == 0, &e);
	return r < 0 ? bus_failed(r, &e, "disable", unit, err) : 0;
}

/* units: of these OSDs, one each. */
static int stop_units(struct cn_run *run, sd_bus *bus, const struct cn_ids *osds, const struct cn_strv *units,
		      struct cn_error *err)
{
	_cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	bool changed = false;
	int r = 0;

	for (size_t i = 0; i < osds->n && r == 0; i++) {
		int id = osds->v[i];
		_cleanup_free_ char *volume = cn_asprintf("ceph-volume@lvm-%d-%s.service", id, cn_run_osd(run, id)->uuid);

		r = cn_gate(run, true, err);
		if (r == 0)
			r = disable(bus, volume, &changed, err);
		if (r == 0)
			r = disable(bus, units->v[i], &changed, err);
	}
	if (r == 0 && changed) {
		r = reload(bus, &e);
		if (r < 0)
			return bus_failed(r, &e, "reload after disabling", units->v[0], err);
	}
	if (r == 0)
		r = cn_gate(run, true, err);
	return r < 0 ? r : run_jobs(run, bus, "stop", units, err);
}

static int all_stopped(struct cn_run *run _unused_, const struct cn_ids *up, char **ret_what, struct cn_error *err _unused_)
{
	_cleanup_free_ char *names = cn_ids_format(up, "osd.", ", ");

	if (up->n)
		*ret_what = cn_asprintf("the map still shows %s up, although systemd has stopped its unit", names);
	return 0;
}

static int stop(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	_cleanup_(cn_strv_release) struct cn_strv units = {};
	_cleanup_(cn_ids_release) struct cn_ids up = {};
	_cleanup_bus_ sd_bus *bus = NULL;
	int r = cn_stop_read_up(run, &up, err);

	if (r == 0)
		r = cn_osdmap_get(run->c, &m, err);
	if (r < 0 || up.n == 0)
		return r;
	r = open_bus(&bus);
	if (r == 0)
		r = units_of(bus, &m, &up, &units, &e);
	if (r < 0)
		return bus_failed(r, &e, "ask for", "the OSDs' units", err);
	for (size_t i = 0; i < up.n; i++) {
		if (!*units.v[i] || !osd_is_here(run, cn_osdmap_osd(&m, up.v[i]))) {
			cn_error_set(err, CN_FAILED, ENOENT, "osd.%d runs, and not as a unit of this machine's systemd", up.v[i]);
			cn_error_hint(err,
				      "stop it, then run the same command again, or let the monitors do it: --stop-with mon");
			return -ENOENT;
		}
		note_enabled(run, bus, up.v[i], units.v[i]);
	}
	r = cn_stop_save(run, err);
	if (r == 0)
		r = stop_units(run, bus, &up, &units, err);
	return r < 0 ? r : cn_stop_until(run, all_stopped, err);
}

/* --- putting back --- */

int cn_stop_systemd_restore(struct cn_run *run, const json_t *entry, struct cn_strv *ret_foreign, struct cn_error *err)
{
	_cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
	const char *unit = cn_json_str(entry, "unit", "?"), *state = cn_json_str(entry, "state", "");
	const char *host = cn_json_str(entry, "host", "");
	_cleanup_(cn_strv_release) struct cn_strv units = {};
	_cleanup_free_ char *now = NULL;
	_cleanup_bus_ sd_bus *bus = NULL;
	bool start = cn_json_bool(entry, "start", false), was_enabled = strncmp(state, "enabled", 7) == 0;
	char here[256];
	int r;

	this_host(here, sizeof(here));
	r = strcmp(here, host) == 0 ? open_bus(&bus) : -EREMOTE;
	if (r < 0) {
		cn_strv_addf(ret_foreign, "%s of %s is stopped: run there: systemctl %s%s %s", unit, host,
			     was_enabled ? "enable" : "start", was_enabled && start ? " --now" : "", unit);
		return 0;
	}
	now = file_state(bus, unit);
	if (was_enabled && strcmp(now, state) != 0) {
		r = enable_or_disable(bus, unit, true, strcmp(state, "enabled-runtime") == 0, &e);
		if (r == 0)
			r = reload(bus, &e);
	}
	if (r < 0)
		return bus_failed(r, &e, "enable", unit, err);
	cn_strv_add(&units, unit);
	return start ? run_jobs(run, bus, "start", &units, err) : 0;
}

const struct cn_stop_driver cn_stop_systemd = {.name = "systemd", .look = look, .stop = stop};
