/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the pods say that OSDs are. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "cephnode/base/text.h"
#include "inventory/internal.h"

bool cn_pod_counts(const struct cn_pod *p)
{
	return p->node && p->role != CN_POD_PREPARE && cn_pod_is_live(p->state);
}

bool cn_pod_is_on(const struct cn_pod *p, const struct cn_spec *node)
{
	struct cn_ip ip;

	if (!p->node)
		return false;
	if (node->kind == CN_SPEC_NAME || node->kind == CN_SPEC_KUBE)
		return strcmp(p->node, node->name) == 0;
	if (node->kind != CN_SPEC_IP)
		return false;
	return cn_ip_equal(&p->host_ip, &node->ip) || (cn_ip_parse(p->node, &ip) && cn_ip_equal(&ip, &node->ip));
}

/* A node may be registered by its full name, while the daemons on it know the first part alone. */
static const struct cn_bucket *short_bucket(const struct cn_facts *f, const struct cn_pod *p)
{
	_cleanup_free_ char *name = cn_strdup(p->crush_host);
	char *dot = strchr(name, '.');
	struct cn_ip ip;

	if (!p->node || strcmp(p->crush_host, p->node) != 0 || !dot || cn_ip_parse(name, &ip))
		return NULL;
	*dot = '\0';
	return cn_facts_bucket(f, name);
}

const struct cn_bucket *cn_pod_bucket(const struct cn_facts *f, const struct cn_pod *p)
{
	const struct cn_bucket *b = p->crush_host ? cn_facts_bucket(f, p->crush_host) : NULL;

	return b || !p->crush_host ? b : short_bucket(f, p);
}

bool cn_pod_has_address(const struct cn_pod *p, const struct cn_osd *o)
{
	for (size_t i = 0; i < p->n_ips; i++)
		if (cn_osd_addresses_have(&o->at, &p->ips[i]))
			return true;
	return false;
}

/* Kubernetes knows one network of a node; the OSDs' public one may be another. The kubelet takes the node's name from the host's,
 * in lower case, or it is the full name. */
bool cn_pod_has_hostname(const struct cn_facts *f, const struct cn_pod *p, int osd)
{
	const char *name = p->host_network && p->node ? cn_facts_hostname(f, osd) : NULL;
	size_t len = name ? strlen(name) : 0;
	struct cn_ip ip;

	if (!len || strncasecmp(p->node, name, len) != 0)
		return false;
	return !p->node[len] || (p->node[len] == '.' && !cn_ip_parse(p->node, &ip));
}

bool cn_pod_fits(const struct cn_facts *f, const struct cn_pod *p, const struct cn_osd *o)
{
	return cn_pod_has_address(p, o) || cn_osd_addresses_have(&o->at, &p->host_ip) || cn_pod_has_hostname(f, p, o->id);
}

/* Another pod that names the same CRUSH host has the OSD's address, and this one has not. */
static bool is_anothers(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_pod *p, const struct cn_osd *o)
{
	const struct cn_bucket *b = cn_pod_bucket(f, p);

	if (!o->up || cn_pod_has_address(p, o))
		return false;
	for (size_t i = 0; i < pods->n; i++) {
		const struct cn_pod *other = &pods->v[i];

		if (other != p && cn_pod_counts(other) && other->osd < 0 && cn_pod_has_address(other, o) &&
		    cn_pod_bucket(f, other) == b)
			return true;
	}
	return false;
}

bool cn_pod_claims(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_pod *p, int osd)
{
	const struct cn_osd *o = cn_osdmap_osd(f->osdmap, osd);
	const struct cn_bucket *b;

	if (!o || !cn_pod_counts(p))
		return false;
	if (p->osd >= 0)
		return p->osd == osd;
	b = cn_pod_bucket(f, p);
	if (b)
		return cn_crush_host(f->crush, osd) == b && !is_anothers(f, pods, p, o);
	return o->up && cn_pod_has_address(p, o);
}

void cn_pods_claiming(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_ids *osds, struct cn_strv *ret)
{
	for (size_t i = 0; i < osds->n; i++)
		for (size_t k = 0; k < pods->n; k++)
			if (cn_pod_claims(f, pods, &pods->v[k], osds->v[i]))
				cn_strv_addf(ret, "osd.%d in %s/%s on %s", osds->v[i], pods->v[k].ns, pods->v[k].name,
					     pods->v[k].node);
}

/* The one node of those claiming pods that pass; false: they are on several. */
static bool one_node(const struct cn_facts *f, const struct cn_pods *pods, int osd, const struct cn_osd *at, const char **ret)
{
	const char *node = NULL;

	for (size_t i = 0; i < pods->n; i++) {
		const struct cn_pod *p = &pods->v[i];

		if (!cn_pod_claims(f, pods, p, osd))
			continue;
		if (at && !cn_pod_fits(f, p, at))
			continue;
		if (node && strcmp(node, p->node) != 0)
			return false;
		node = p->node;
	}
	*ret = node;
	return true;
}

/* The address of an OSD that is down is where it was. */
int cn_pods_locate(const struct cn_facts *f, const struct cn_pods *pods, int osd, const char **ret)
{
	const struct cn_osd *o = cn_osdmap_osd(f->osdmap, osd);

	if (one_node(f, pods, osd, NULL, ret))
		return 0;
	if (o && o->up && one_node(f, pods, osd, o, ret) && *ret)
		return 0;
	*ret = NULL;
	return -ENOTUNIQ;
}

/* The better of two pods that both claim an OSD; NULL: neither is. */
static const struct cn_pod *better(const struct cn_pod *a, const struct cn_pod *b, const struct cn_osd *o)
{
	bool at_a = o->up && cn_pod_has_address(a, o), at_b = o->up && cn_pod_has_address(b, o);

	if (at_a != at_b)
		return at_a ? a : b;
	if ((a->state == CN_POD_TERMINATING) != (b->state == CN_POD_TERMINATING))
		return a->state == CN_POD_TERMINATING ? b : a;
	return NULL;
}

const struct cn_pod *cn_pod_of_osd(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_found *found, int osd)
{
	const struct cn_osd *o = cn_osdmap_osd(f->osdmap, osd);
	const struct cn_pod *best = NULL;
	bool tie = false;

	for (size_t i = 0; i < found->n_pods; i++) {
		const struct cn_pod *p = found->pods[i], *winner;

		if (!cn_pod_claims(f, pods, p, osd))
			continue;
		winner = best ? better(best, p, o) : p;
		tie = winner ? tie && winner == best : true;
		best = winner ?: best;
	}
	return tie ? NULL : best;
}

/* --- a node --- */

static char *osds(const struct cn_ids *l)
{
	return cn_ids_format(l, "osd.", ", ");
}

static void add_pod(struct cn_found *found, const struct cn_pod *p)
{
	found->pods = cn_realloc(found->pods, found->n_pods + 1, sizeof(const struct cn_pod *));
	found->pods[found->n_pods++] = p;
}

static int find_name(const struct cn_pods *pods, const struct cn_spec *spec, struct cn_found *found, struct cn_error *err)
{
	for (size_t i = 0; i < pods->n; i++) {
		const struct cn_pod *p = &pods->v[i];

		if (!cn_pod_counts(p) || !cn_pod_is_on(p, spec))
			continue;
		if (found->kube_node && strcmp(found->kube_node, p->node) != 0) {
			cn_error_set(err, CN_REFUSED, ENOTUNIQ,
				     "%s is ambiguous: the Kubernetes nodes '%s' and '%s' both have it", spec->name,
				     found->kube_node, p->node);
			cn_error_hint(err, "name one of them: kube:%s, kube:%s", found->kube_node, p->node);
			return -ENOTUNIQ;
		}
		found->kube_node = p->node;
	}
	return 0;
}

/* Its pods, those that count and, for the notes, those that do not. One that is not up yet, or was evicted, has no address. */
static void collect(const struct cn_pods *pods, const struct cn_spec *spec, struct cn_found *found)
{
	for (size_t i = 0; i < pods->n; i++) {
		const struct cn_pod *p = &pods->v[i];
		const char *state = cn_pod_state_name(p->state);

		if (!cn_pod_is_on(p, spec) && !(p->node && found->kube_node && strcmp(p->node, found->kube_node) == 0))
			continue;
		if (!cn_pod_counts(p))
			cn_strv_addf(&found->notes, "pod %s/%s on %s runs no OSD: %s%s", p->ns, p->name, p->node,
				     p->role == CN_POD_PREPARE ? "prepares disks, " : "", state);
		else if (p->state != CN_POD_RUNNING)
			cn_strv_addf(&found->notes, "pod %s/%s on %s is %s", p->ns, p->name, p->node, state);
		if (cn_pod_counts(p))
			add_pod(found, p);
	}
}

static void hint(struct cn_error *err)
{
	cn_error_hint(err,
		      "name the CRUSH host (host:NAME) or the OSDs one by one (osd.N), or go by the monitors alone: --no-kube");
}

/* A label says which OSD, another one which CRUSH host: both must be true. */
static int check_label(const struct cn_facts *f, const struct cn_pod *p, int osd, struct cn_error *err)
{
	const struct cn_bucket *host = cn_crush_host(f->crush, osd), *named = cn_pod_bucket(f, p);

	if (p->osd != osd || !p->crush_host || !host || host == named)
		return 0;
	cn_error_set(err, CN_REFUSED, ENOTUNIQ,
		     "pod %s/%s on %s says that it runs osd.%d of CRUSH host '%s', but osd.%d stands in '%s'", p->ns, p->name,
		     p->node, osd, p->crush_host, osd, host->name);
	hint(err);
	return -ENOTUNIQ;
}

static char *safe_hostname(const struct cn_facts *f, int osd)
{
	const char *name = cn_facts_hostname(f, osd);

	return name ? cn_text_safe(name) : NULL;
}

/* An OSD that is up must be where its pod is: its CRUSH host may be named like a pod all the same. */
static int check_address(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_found *found, int osd,
			 struct cn_error *err)
{
	const struct cn_osd *o = cn_osdmap_osd(f->osdmap, osd);
	_cleanup_free_ char *name = safe_hostname(f, osd);
	const struct cn_pod *p = NULL;
	char buf[CN_IP_STRLEN];

	if (!o->up)
		return 0;
	for (size_t i = 0; i < found->n_pods; i++) {
		if (!cn_pod_claims(f, pods, found->pods[i], osd))
			continue;
		p = found->pods[i];
		if (cn_pod_fits(f, p, o))
			return 0;
	}
	cn_error_set(err, CN_REFUSED, ENOTUNIQ,
		     "pod %s/%s on %s should run osd.%d, but that is up at %s, which is not an address of it%s%s", p->ns, p->name,
		     p->node, osd, cn_ip_format(&o->address, buf), name ? ", on a host that is named " : "", name ? name : "");
	hint(err);
	return -ENOTUNIQ;
}

static int undecided(const struct cn_facts *f, const struct cn_pods *pods, int osd, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv who = {};
	_cleanup_free_ char *list = NULL;
	struct cn_ids one = {.v = &osd, .n = 1};

	cn_pods_claiming(f, pods, &one, &who);
	list = cn_strv_join(&who, ", ");
	cn_error_set(err, CN_REFUSED, ENOTUNIQ, "pods on several nodes would run the same OSD, and its address does not tell: %s",
		     list);
	hint(err);
	return -ENOTUNIQ;
}

static bool any_claims(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_found *found, int osd)
{
	for (size_t i = 0; i < found->n_pods; i++)
		if (cn_pod_claims(f, pods, found->pods[i], osd))
			return true;
	return false;
}

static bool claims_any(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_pod *p)
{
	for (size_t i = 0; i < f->osdmap->n_osds; i++)
		if (cn_pod_claims(f, pods, p, f->osdmap->osds[i].id))
			return true;
	return false;
}

/* One OSD that pods of the node claim. */
static int take(const struct cn_facts *f, const struct cn_pods *pods, int osd, struct cn_found *found, struct cn_error *err)
{
	const struct cn_osd *o = cn_osdmap_osd(f->osdmap, osd);
	const struct cn_bucket *host = cn_crush_host(f->crush, osd);
	const char *where = NULL;
	int r = cn_pods_locate(f, pods, osd, &where);

	if (r < 0)
		return undecided(f, pods, osd, err);
	if (strcmp(where, found->kube_node) != 0) {
		cn_strv_addf(&found->notes, "osd.%d is not here but on %s, by its address", osd, where);
		return 0;
	}
	for (size_t i = 0; r == 0 && i < found->n_pods; i++) {
		const struct cn_pod *p = found->pods[i];

		if (!cn_pod_claims(f, pods, p, osd))
			continue;
		r = check_label(f, p, osd, err);
		if (host && cn_pod_bucket(f, p) == host)
			cn_ids_add(&found->crush, osd);
		if (cn_pod_has_address(p, o))
			cn_ids_add(&found->address, osd);
		if (o->up && cn_pod_has_hostname(f, p, osd))
			cn_ids_add(&found->metadata, osd);
	}
	if (r == 0)
		r = check_address(f, pods, found, osd, err);
	cn_ids_add(&found->kube, osd);
	return r;
}

static int strangers_on_hosts(const struct cn_spec *spec, const struct cn_found *found, const struct cn_strv *hosts,
			      const struct cn_ids *strangers, struct cn_error *err)
{
	_cleanup_free_ char *who = osds(strangers), *ours = osds(&found->kube), *where = cn_strv_join(hosts, ", ");

	cn_error_set(
		err, CN_REFUSED, ENOTUNIQ,
		"%s is ambiguous: its pods run %s, but on the same CRUSH host (%s) there is also %s, which no pod of it runs",
		spec->name, ours, where, who);
	hint(err);
	return -ENOTUNIQ;
}

/* What else stands in the CRUSH hosts of these OSDs: one that was never started has no address, and no pod yet. */
static int check_hosts(const struct cn_facts *f, const struct cn_spec *spec, struct cn_found *found, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv hosts = {};
	struct cn_ids below = {}, strangers = {};
	int r = 0;

	for (size_t i = 0; i < found->kube.n; i++) {
		const struct cn_bucket *host = cn_crush_host(f->crush, found->kube.v[i]);

		if (!host || cn_strv_has(&hosts, host->name))
			continue;
		cn_strv_add(&hosts, host->name);
		cn_facts_osds_below(f, host, &below);
	}
	for (size_t i = 0; i < below.n; i++) {
		const struct cn_osd *o = cn_osdmap_osd(f->osdmap, below.v[i]);

		if (cn_ids_has(&found->kube, o->id))
			continue;
		if (o->at.n)
			cn_ids_add(&strangers, o->id);
		else
			cn_ids_add(&found->crush, o->id);
	}
	if (strangers.n)
		r = strangers_on_hosts(spec, found, &hosts, &strangers, err);
	cn_ids_release(&below);
	cn_ids_release(&strangers);
	return r;
}

int cn_pods_resolve(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_spec *spec, struct cn_found *found,
		    struct cn_error *err)
{
	int r = find_name(pods, spec, found, err);

	if (r == 0)
		collect(pods, spec, found);
	for (size_t i = 0; r == 0 && found->n_pods && i < f->osdmap->n_osds; i++) {
		int osd = f->osdmap->osds[i].id;

		if (any_claims(f, pods, found, osd))
			r = take(f, pods, osd, found, err);
	}
	for (size_t i = 0; r == 0 && i < found->n_pods; i++)
		if (!claims_any(f, pods, found->pods[i]))
			cn_strv_addf(&found->notes, "pod %s/%s on %s runs no OSD that the cluster knows", found->pods[i]->ns,
				     found->pods[i]->name, found->pods[i]->node);
	if (r == 0)
		r = check_hosts(f, spec, found, err);
	return r;
}

bool cn_inventory_pod_may_run(const struct cn_osdmap *m, const struct cn_crush *crush, const struct cn_pods *pods,
			      const struct cn_pod *pod, int osd)
{
	struct cn_facts f = {.osdmap = m, .crush = crush};

	return cn_pod_claims(&f, pods, pod, osd);
}

/* The API may be that of another cluster, whose pods have the same labels: where the OSD is up its address or host must fit. */
bool cn_inventory_pod_runs(const struct cn_osdmap *m, const struct cn_crush *crush, char **hostnames, const struct cn_pods *pods,
			   const struct cn_pod *pod, int osd)
{
	struct cn_facts f = {.osdmap = m, .crush = crush, .hostnames = hostnames};
	const struct cn_osd *o = cn_osdmap_osd(m, osd);

	return cn_pod_claims(&f, pods, pod, osd) && (!o->up || cn_pod_fits(&f, pod, o));
}
