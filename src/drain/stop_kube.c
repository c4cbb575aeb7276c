/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * OSDs that run in pods, stopped through the Kubernetes API, so that they stay stopped: the label that their DaemonSet asks for
 * is taken off the node, or their Deployment is scaled to 0 (with Rook's operator held off meanwhile). What can be stopped
 * neither way is evicted; that comes back, and its OSD is removed before it has.
 *
 * Everything is derived from what the API says now, at each go: after a crash, and when another hand was quicker.
 */
#include "stop_kube.h"

#include <errno.h>
#include <string.h>

#define AGAIN_MS 5000   /* what was asked for, and has not happened, is looked at again */
#define COMES_BACK 3    /* times that another pod may come in the place of each */
#define ENDING_MS 60000 /* a pod that ends for so long, with its OSD down, belongs to a node that is gone */

/* A pod that was seen in this run. */
struct seen {
	char *uid;
	int64_t first_ms, acted_ms; /* CLOCK_BOOTTIME; 0: not yet */
};

struct state {
	struct seen *v;
	size_t n, cap;
	size_t first, acted; /* pods that were there at the first go; pods that were told to end */
	bool told_budget;
};

static void release(void *p)
{
	struct state *s = p;

	for (size_t i = 0; s && i < s->n; i++)
		free(s->v[i].uid);
	if (s)
		free(s->v);
	free(s);
}

static struct state *state_of(struct cn_run *run)
{
	if (!run->stop.state)
		run->stop.state = cn_calloc(1, sizeof(struct state));
	return run->stop.state;
}

static struct seen *seen_of(struct cn_run *run, const char *uid)
{
	struct state *s = state_of(run);

	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i].uid, uid) == 0)
			return &s->v[i];
	cn_grow(&s->v, &s->cap, s->n, sizeof(*s->v));
	s->v[s->n] = (struct seen){.uid = cn_strdup(uid), .first_ms = cn_clock_boot_ms(run->clock)};
	return &s->v[s->n++];
}

/* --- which pods ------------------------------------------------------------------------------------------------------- */

static bool is_up(const struct cn_osdmap *m, int id)
{
	const struct cn_osd *o = cn_osdmap_osd(m, id);

	return o && o->up;
}

/* The pods that run OSDs of `osds`, as indices. with_down: also by what is written on them, where the OSD is down. */
static void pods_of(const struct cn_stop_view *v, const struct cn_pods *pods, bool with_down, struct cn_ids *ret)
{
	for (size_t p = 0; p < pods->n; p++)
		for (size_t i = 0; i < v->osds->n; i++)
			if ((with_down || is_up(v->m, v->osds->v[i])) &&
			    cn_inventory_pod_runs(v->m, v->crush, v->hostnames, pods, &pods->v[p], v->osds->v[i]))
				cn_ids_add(ret, (int)p);
}

static bool pod_runs_one_of(const struct cn_stop_view *v, const struct cn_pods *pods, const struct cn_pod *p)
{
	for (size_t i = 0; i < v->osds->n; i++)
		if (cn_inventory_pod_runs(v->m, v->crush, v->hostnames, pods, p, v->osds->v[i]))
			return true;
	return false;
}

/* An OSD that is up, runs in the pod and does not go; -1: none. */
static int stranger_in(const struct cn_stop_view *v, const struct cn_pods *pods, const struct cn_pod *p)
{
	for (size_t i = 0; i < v->m->n_osds; i++) {
		const struct cn_osd *o = &v->m->osds[i];

		if (o->up && !cn_ids_has(v->osds, o->id) && cn_inventory_pod_may_run(v->m, v->crush, pods, p, o->id))
			return o->id;
	}
	return -1;
}

/* --- before: can it be done? ------------------------------------------------------------------------------------------ */

static int look_at(struct cn_run *run, const struct cn_stop_view *v, const struct cn_pods *pods, struct cn_strv *does, char **why,
		   char **hint, struct cn_error *err)
{
	_cleanup_(cn_ids_release) struct cn_ids mine = {};
	int r;

	pods_of(v, pods, false, &mine);
	for (size_t i = 0; i < v->osds->n && !*why; i++) {
		bool found = !is_up(v->m, v->osds->v[i]);

		for (size_t k = 0; k < mine.n; k++)
			found |= cn_inventory_pod_runs(v->m, v->crush, v->hostnames, pods, &pods->v[mine.v[k]], v->osds->v[i]);
		if (!found)
			*why = cn_asprintf("no pod is known that runs osd.%d", v->osds->v[i]);
	}
	for (size_t k = 0; k < mine.n && !*why; k++) {
		const struct cn_pod *p = &pods->v[mine.v[k]];
		_cleanup_(cn_way_release) struct cn_way way = {};
		int other = stranger_in(v, pods, p);

		if (other >= 0) {
			*why = cn_asprintf("pod %s/%s may run osd.%d as well, which is not drained", p->ns, p->name, other);
			break;
		}
		r = cn_way_find(run, v, pods, p, &way, err);
		if (r < 0)
			return r;
		if (way.missing) {
			*why = cn_strdup(way.missing);
			*hint = cn_strdup("see what is missing, and the Role to apply: cephnode check");
			break;
		}
		if (!cn_strv_has(does, way.words))
			cn_strv_add(does, way.words);
	}
	if (*why)
		return mine.n ? 2 : 0;
	return mine.n > 0;
}

static int look(struct cn_run *run, const struct cn_stop_view *v, struct cn_strv *does, char **why, char **hint,
		struct cn_error *err)
{
	_cleanup_(cn_pods_release) struct cn_pods pods = {};
	struct cn_stop_view named = *v;
	int r;

	if (!run->ctx->kube) {
		*why = cn_strdup("no Kubernetes API is configured");
		*hint = cn_strdup("say where it is (--kubeconfig), or let the monitors do it: --stop-with mon");
		return 0;
	}
	r = cn_pods_list(run->ctx->kube, &pods, err);
	if (r == 0)
		r = cn_inventory_hostnames(run->c, v->m, v->crush, &pods, v->osds, &named.hostnames, err);
	if (r == 0)
		r = look_at(run, &named, &pods, does, why, hint, err);
	cn_inventory_hostnames_free(named.hostnames, v->m);
	return r;
}

/* --- one go ----------------------------------------------------------------------------------------------------------- */

struct go {
	struct cn_run *run;
	struct cn_osdmap m;
	struct cn_crush crush;
	struct cn_ids osds;
	struct cn_pods pods;
	struct cn_stop_view v;
};

static void go_release(struct go *g)
{
	cn_inventory_hostnames_free(g->v.hostnames, &g->m);
	cn_osdmap_release(&g->m);
	cn_crush_release(&g->crush);
	cn_ids_release(&g->osds);
	cn_pods_release(&g->pods);
}

static int go_read(struct cn_run *run, struct go *g, struct cn_error *err)
{
	int r;

	*g = (struct go){.run = run};
	if (!run->ctx->kube)
		return cn_error_set(err, CN_FAILED, EPROTONOSUPPORT, "no Kubernetes API is configured");
	r = cn_osdmap_get(run->c, &g->m, err);
	if (r == 0)
		r = cn_crush_get(run->c, &g->crush, err);
	if (r == 0)
		r = cn_pods_list(run->ctx->kube, &g->pods, err);
	cn_run_osds(run, &g->m, &g->osds);
	g->v = (struct cn_stop_view){.m = &g->m, .crush = &g->crush, .osds = &g->osds};
	if (r == 0)
		r = cn_inventory_hostnames(run->c, &g->m, &g->crush, &g->pods, &g->osds, &g->v.hostnames, err);
	return r;
}

static bool is_scaled(const struct cn_run *run, const char *ns, const char *deployment)
{
	json_t *e;
	size_t k;

	for (size_t i = 0; i < run->n; i++)
		json_array_foreach (run->drains[i].journal.stopped, k, e)
			if (strcmp(cn_json_str(e, "what", ""), "scale") == 0 && strcmp(cn_json_str(e, "ns", ""), ns) == 0 &&
			    strcmp(cn_json_str(e, "name", ""), deployment) == 0)
				return true;
	return false;
}

/* A pod of the same owner on the same node stands in for the noted one: of a DaemonSet, and of a Deployment that we told to have
 * none. A StatefulSet may have several there, each with OSDs of its own: the one that comes back has its name. */
static bool replaces(const struct cn_run *run, const struct cn_pod *p, const json_t *noted)
{
	const char *kind = p->owner_kind ? p->owner_kind : "";
	_cleanup_free_ char *name = NULL;

	if (strcmp(kind, "StatefulSet") == 0)
		return strcmp(cn_json_str(noted, "name", ""), p->name) == 0;
	if (strcmp(kind, "ReplicaSet") != 0 || !p->owner_name)
		return strcmp(kind, "DaemonSet") == 0;
	name = cn_deployment_of(p->owner_name, cn_json_str(p->labels, "pod-template-hash", NULL));
	return is_scaled(run, p->ns, name);
}

static const json_t *noted_pod(const struct cn_run *run, const struct cn_pod *p, bool same_owner)
{
	json_t *e;
	size_t k;

	for (size_t i = 0; i < run->n; i++)
		json_array_foreach (run->drains[i].journal.stopped, k, e) {
			if (strcmp(cn_json_str(e, "what", ""), "pod") != 0)
				continue;
			if (strcmp(cn_json_str(e, "uid", ""), p->uid ? p->uid : "?") == 0)
				return e;
			if (same_owner && p->owner_uid && p->node && strcmp(cn_json_str(e, "owner", ""), p->owner_uid) == 0 &&
			    strcmp(cn_json_str(e, "node", ""), p->node) == 0 && replaces(run, p, e))
				return e;
		}
	return NULL;
}

/* It runs one of our OSDs by what the maps and its labels say, or it has come in the place of one that did. */
static bool is_ours(const struct go *g, const struct cn_pod *p)
{
	if (!p->uid || p->role == CN_POD_PREPARE || p->state > CN_POD_PENDING)
		return false;
	return noted_pod(g->run, p, true) || pod_runs_one_of(&g->v, &g->pods, p);
}

/* One of our OSDs that it runs, which tells whose journal it is noted in: pods have a label with it under Rook alone. */
static int osd_of(const struct go *g, const struct cn_pod *p)
{
	for (size_t i = 0; i < g->osds.n; i++)
		if (cn_inventory_pod_runs(&g->m, &g->crush, g->v.hostnames, &g->pods, p, g->osds.v[i]))
			return g->osds.v[i];
	return -1;
}

static int note_pod(struct go *g, const struct cn_pod *p, int osd, struct cn_error *err)
{
	if (noted_pod(g->run, p, false))
		return 0;
	cn_stop_note(g->run, osd,
		     json_pack("{ss,so,so,so,so,so}", "what", "pod", "ns", cn_json_string(p->ns), "name", cn_json_string(p->name),
			       "uid", cn_json_string(p->uid), "node", cn_json_string(p->node), "owner",
			       cn_json_string(p->owner_uid)));
	return cn_stop_save(g->run, err);
}

static void tell_budget(struct cn_run *run, const struct cn_pod *p, const char *words)
{
	if (!state_of(run)->told_budget)
		cn_run_warning(run, "a PodDisruptionBudget does not let %s/%s go yet: %s", p->ns, p->name, words);
	state_of(run)->told_budget = true;
}

/* What is done about one pod that runs; *ret_what: what is waited for because of it. */
static int act(struct go *g, const struct cn_pod *p, bool up, char **ret_what, struct cn_error *err)
{
	struct seen *seen = seen_of(g->run, p->uid);
	_cleanup_(cn_way_release) struct cn_way way = {};
	int64_t now = cn_clock_boot_ms(g->run->clock);
	int r, osd = osd_of(g, p);

	if (p->state == CN_POD_TERMINATING) {
		if (!up && now - seen->first_ms >= ENDING_MS)
			return 0;
		*ret_what = cn_asprintf("pod %s/%s is ending", p->ns, p->name);
		return 0;
	}
	if (seen->acted_ms && now - seen->acted_ms < AGAIN_MS) {
		*ret_what = cn_asprintf("pod %s/%s was told to end, and runs still", p->ns, p->name);
		return 0;
	}
	r = cn_way_find(g->run, &g->v, &g->pods, p, &way, err);
	if (r < 0)
		return r;
	if (way.missing)
		return cn_error_set(err, CN_FAILED, EPERM, "%s", way.missing);
	if (way.kind == CN_WAY_EVICT && !up)
		return 0; /* it has come back already, as it must: its OSD goes before it is up */
	r = note_pod(g, p, osd, err);
	if (r == 0)
		r = cn_way_take(g->run, osd, p, &way, err);
	if (r == -EBUSY) {
		tell_budget(g->run, p, err->message);
		*ret_what = cn_asprintf("a PodDisruptionBudget does not let %s/%s go: %s", p->ns, p->name, err->message);
		cn_error_release(err);
		return 0;
	}
	if (r == 0) {
		seen = seen_of(g->run, p->uid);
		state_of(g->run)->acted += seen->acted_ms == 0;
		seen->acted_ms = now;
		*ret_what = cn_asprintf("pod %s/%s was told to end", p->ns, p->name);
	}
	return r;
}

/* Something makes a new pod for each that we end: that must not go on for ever. */
static int check_returns(struct go *g, const struct cn_pod *p, struct cn_error *err)
{
	struct state *s = state_of(g->run);

	if (seen_of(g->run, p->uid)->acted_ms || s->acted < s->first * (1 + COMES_BACK))
		return 0;
	cn_error_set(err, CN_FAILED, EBUSY, "pod %s/%s is there again, although it was stopped %d times", p->ns, p->name,
		     1 + COMES_BACK);
	cn_error_hint(err, "find out what starts it again, switch that off, and run the same command again");
	return -EBUSY;
}

static int go(struct cn_run *run, const struct cn_ids *up, char **ret_what, struct cn_error *err)
{
	_cleanup_(go_release) struct go g;
	struct state *s = state_of(run);
	size_t mine = 0;
	int r = go_read(run, &g, err);

	for (size_t i = 0; i < g.pods.n && r == 0; i++)
		mine += is_ours(&g, &g.pods.v[i]);
	s->first = s->first ? s->first : mine;
	for (size_t i = 0; i < g.pods.n && r == 0; i++) {
		_cleanup_free_ char *what = NULL;
		int other;

		if (!is_ours(&g, &g.pods.v[i]))
			continue;
		other = stranger_in(&g.v, &g.pods, &g.pods.v[i]);
		if (other >= 0)
			return cn_error_set(err, CN_FAILED, EBUSY, "pod %s/%s may run osd.%d as well, which is not drained",
					    g.pods.v[i].ns, g.pods.v[i].name, other);
		r = check_returns(&g, &g.pods.v[i], err);
		if (r == 0)
			r = act(&g, &g.pods.v[i], up->n > 0, &what, err);
		if (what && !*ret_what)
			*ret_what = TAKE_PTR(what);
	}
	if (r == 0 && up->n && !*ret_what) {
		_cleanup_free_ char *names = cn_ids_format(up, "osd.", ", ");

		*ret_what = cn_asprintf("the map still shows %s up, although no pod runs them any more", names);
	}
	return r;
}

static int stop(struct cn_run *run, struct cn_error *err)
{
	return cn_stop_until(run, go, err);
}

/* --- afterwards ------------------------------------------------------------------------------------------------------- */

/* An API that does not answer just now keeps nobody from removing OSDs that are down: the monitors refuse those that are not. */
static int look_again(struct cn_run *run, char **ret_what, struct cn_error *err)
{
	_cleanup_error_ struct cn_error e = {};
	_cleanup_(go_release) struct go g;
	int r = go_read(run, &g, &e);

	if (r == -EINTR) {
		cn_error_move(err, &e);
		return r;
	}
	if (r < 0) {
		cn_run_warning(run, "cannot see whether a pod has come back: %s", e.message);
		return 0;
	}
	for (size_t i = 0; i < g.pods.n && !*ret_what; i++) {
		const struct cn_pod *p = &g.pods.v[i];
		_cleanup_(cn_way_release) struct cn_way way = {};

		if (!is_ours(&g, p) || p->state == CN_POD_TERMINATING)
			continue;
		if (cn_way_find(run, &g.v, &g.pods, p, &way, NULL) == 0 && way.kind != CN_WAY_EVICT)
			*ret_what = cn_asprintf("pod %s/%s runs again", p->ns, p->name);
	}
	return 0;
}

static void name_new_osds(struct go *g, const struct cn_pod *p, struct cn_strv *ret)
{
	_cleanup_(cn_ids_release) struct cn_ids claimed = {};
	char **hostnames = NULL;

	for (size_t i = 0; i < g->m.n_osds; i++)
		if (!cn_ids_has(&g->osds, g->m.osds[i].id) &&
		    cn_inventory_pod_may_run(&g->m, &g->crush, &g->pods, p, g->m.osds[i].id))
			cn_ids_add(&claimed, g->m.osds[i].id);
	/* without the names some cannot be told; that the pod runs again was said */
	(void)cn_inventory_hostnames(g->run->c, &g->m, &g->crush, &g->pods, &claimed, &hostnames, NULL);
	for (size_t i = 0; i < claimed.n; i++)
		if (cn_inventory_pod_runs(&g->m, &g->crush, hostnames, &g->pods, p, claimed.v[i]))
			cn_strv_addf(ret, "osd.%d runs in pod %s/%s: it was not part of this drain", claimed.v[i], p->ns,
				     p->name);
	cn_inventory_hostnames_free(hostnames, &g->m);
}

/* Pods of the nodes of this drain that live, and OSDs in them that nobody told us of. */
static int audit(struct cn_run *run, struct cn_strv *ret, struct cn_error *err _unused_)
{
	_cleanup_error_ struct cn_error e = {};
	_cleanup_(go_release) struct go g;
	int r = go_read(run, &g, &e);

	if (r < 0) {
		cn_run_warning(run, "cannot see what pods run on the node now: %s", e.message);
		return r == -EINTR ? r : 0;
	}
	for (size_t i = 0; i < g.pods.n; i++) {
		const struct cn_pod *p = &g.pods.v[i];

		if (!p->uid || p->state > CN_POD_PENDING || p->state == CN_POD_TERMINATING || !noted_pod(run, p, true))
			continue;
		cn_run_warning(run, "pod %s/%s runs on %s again: it may make a new OSD there", p->ns, p->name,
			       p->node ? p->node : "?");
		name_new_osds(&g, p, ret);
	}
	return 0;
}

const struct cn_stop_driver cn_stop_kube = {
	.name = "kube", .look = look, .stop = stop, .look_again = look_again, .audit = audit, .release = release};
