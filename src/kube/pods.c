/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One pod as it stands in a list. Nothing of it is taken for granted: a pod that is not bound has no node, one that was evicted
 * no addresses, and items of a list have no kind. */
#include "cephnode/kube/pods.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>

#include "cephnode/base/text.h"

#define LABEL_OSD "ceph-osd-id"
#define LABEL_ROOK_HOST "topology-location-host"
#define CREATED_BY "kubernetes.io/created-by"

const char *cn_flavour_name(enum cn_kube_flavour f)
{
	static const char *const names[] = {"custom", "ceph-docker", "helm", "rook"};

	return names[f];
}

const char *cn_pod_state_name(enum cn_pod_state s)
{
	static const char *const names[] = {"running", "crash-looping", "terminating", "unknown",
					    "pending", "completed",     "evicted",     "failed"};

	return names[s];
}

static char *dup(const json_t *o, const char *key)
{
	const char *s = cn_json_str(o, key, NULL);

	return s && *s ? cn_strdup(s) : NULL;
}

/* Whether the text ends with the suffix, or has it in the middle, with a dash after it. */
static bool has_part(const char *s, const char *part)
{
	size_t len = strlen(part);

	for (s = s ? strstr(s, part) : NULL; s; s = strstr(s + 1, part))
		if (!s[len] || s[len] == '-')
			return true;
	return false;
}

/* Some charts give prepare and activate pods the labels of the OSD's own: then the name of what made them tells. */
static enum cn_pod_role role_of(const struct cn_pod *p)
{
	static const struct {
		const char *part;
		enum cn_pod_role role;
	} roles[] = {{"osd-prepare", CN_POD_PREPARE}, {"osd-activate", CN_POD_ACTIVATE}};
	const char *said[] = {cn_json_str(p->labels, "app", ""), cn_json_str(p->labels, "daemon", ""),
			      cn_json_str(p->labels, "component", ""), p->owner_name ?: p->name};

	if (p->osd >= 0) /* that label is of a pod that runs an OSD, whatever its node or volume is called */
		return CN_POD_OSD;
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		for (size_t k = 0; k < ARRAY_SIZE(said); k++)
			if (has_part(said[k], roles[i].part))
				return roles[i].role;
	return CN_POD_OSD;
}

/* A container that is about to start waits, too: only what went wrong counts. */
static bool crashes(const json_t *status, const char *key)
{
	const json_t *container;
	size_t i;

	json_array_foreach (cn_json_arr(status, key), i, container) {
		const json_t *waiting = cn_json_obj(cn_json_obj(container, "state"), "waiting");
		const char *reason = cn_json_str(waiting, "reason", "");

		if (has_part(reason, "CrashLoopBackOff") || has_part(reason, "ImagePullBackOff") || strstr(reason, "Err") ||
		    strstr(reason, "Invalid"))
			return true;
	}
	return false;
}

static enum cn_pod_state state_of(const struct cn_pod *p, const json_t *item)
{
	const json_t *status = cn_json_obj(item, "status");
	const char *phase = cn_json_str(status, "phase", "");

	if (strcmp(phase, "Succeeded") == 0)
		return CN_POD_COMPLETED;
	if (strcmp(phase, "Failed") == 0)
		return strcmp(cn_json_str(status, "reason", ""), "Evicted") == 0 ? CN_POD_EVICTED : CN_POD_FAILED;
	if (!p->node)
		return CN_POD_PENDING;
	if (cn_json_str(cn_json_obj(item, "metadata"), "deletionTimestamp", NULL))
		return CN_POD_TERMINATING;
	if (crashes(status, "containerStatuses") || crashes(status, "initContainerStatuses"))
		return CN_POD_CRASHING;
	if (strcmp(phase, "Pending") == 0)
		return CN_POD_PENDING;
	return strcmp(phase, "Running") == 0 ? CN_POD_RUNNING : CN_POD_UNKNOWN;
}

static void add_ip(struct cn_pod *p, const char *text)
{
	struct cn_ip ip;

	if (!text || !cn_ip_parse(text, &ip))
		return;
	for (size_t i = 0; i < p->n_ips; i++)
		if (cn_ip_equal(&p->ips[i], &ip))
			return;
	p->ips = cn_realloc(p->ips, p->n_ips + 1, sizeof(*p->ips));
	p->ips[p->n_ips++] = ip;
}

static void read_addresses(struct cn_pod *p, const json_t *status)
{
	const char *host = cn_json_str(status, "hostIP", NULL);
	const json_t *one;
	size_t i;

	if (!host || !cn_ip_parse(host, &p->host_ip))
		p->host_ip = (struct cn_ip){};
	json_array_foreach (cn_json_arr(status, "podIPs"), i, one)
		add_ip(p, cn_json_str(one, "ip", NULL));
	add_ip(p, cn_json_str(status, "podIP", NULL)); /* the only one before 1.16 */
}

/* Kubernetes before 1.6 has owners of pods in an annotation alone: JSON, as text. Its later releases dropped it. */
static json_t *created_by(const json_t *metadata)
{
	const char *text = cn_json_str(cn_json_obj(metadata, "annotations"), CREATED_BY, NULL);
	_cleanup_json_ json_t *j = text ? cn_json_parse(text, strlen(text), NULL) : NULL;

	return json_incref(cn_json_obj(j, "reference"));
}

/* The controller: of several owners the one that says so. */
static void read_owner(struct cn_pod *p, const json_t *metadata)
{
	const json_t *owners = cn_json_arr(metadata, "ownerReferences"), *one, *owner = NULL;
	_cleanup_json_ json_t *creator = json_array_size(owners) ? NULL : created_by(metadata);
	size_t i;

	json_array_foreach (owners, i, one)
		if (cn_json_bool(one, "controller", false) || json_array_size(owners) == 1)
			owner = one;
	owner = creator ? creator : owner;
	p->owner_kind = dup(owner, "kind");
	p->owner_name = dup(owner, "name");
	p->owner_uid = dup(owner, "uid");
}

static char *crush_host_of(const struct cn_pod *p, enum cn_kube_flavour flavour, const char *from)
{
	static const char *const presets[] = {"", "pod-name", "node-name", "label:" LABEL_ROOK_HOST};

	from = from ?: presets[flavour];
	if (strcmp(from, "pod-name") == 0)
		return cn_strdup(p->name);
	if (strcmp(from, "node-name") == 0)
		return p->node ? cn_strdup(p->node) : NULL;
	return strncmp(from, "label:", 6) == 0 ? dup(p->labels, from + 6) : NULL;
}

void cn_pod_read(const json_t *item, enum cn_kube_flavour flavour, const char *host_from, struct cn_pod *ret)
{
	const json_t *metadata = cn_json_obj(item, "metadata");
	json_t *labels = cn_json_obj(metadata, "labels");
	struct cn_pod p = {.osd = -1};
	int64_t osd;

	p.ns = dup(metadata, "namespace") ?: cn_strdup("");
	p.name = dup(metadata, "name") ?: cn_strdup("");
	p.uid = dup(metadata, "uid");
	p.node = dup(cn_json_obj(item, "spec"), "nodeName");
	p.host_network = cn_json_bool(cn_json_obj(item, "spec"), "hostNetwork", false);
	p.labels = labels ? json_incref(labels) : NULL;
	if (cn_parse_int(cn_json_str(labels, LABEL_OSD, ""), 0, INT_MAX, &osd))
		p.osd = (int)osd;
	read_addresses(&p, cn_json_obj(item, "status"));
	read_owner(&p, metadata);
	p.role = role_of(&p);
	p.state = state_of(&p, item);
	p.crush_host = *p.name ? crush_host_of(&p, flavour, host_from) : NULL;
	*ret = p;
}

void cn_pod_copy(const struct cn_pod *from, struct cn_pod *ret)
{
	struct cn_pod p = *from;
	char **const strings[] = {&p.ns, &p.name, &p.uid, &p.node, &p.owner_kind, &p.owner_name, &p.owner_uid, &p.crush_host};

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		if (*strings[i])
			*strings[i] = cn_strdup(*strings[i]);
	p.ips = cn_calloc(p.n_ips, sizeof(*p.ips));
	if (p.n_ips)
		memcpy(p.ips, from->ips, p.n_ips * sizeof(*p.ips));
	json_incref(p.labels);
	*ret = p;
}

void cn_pod_release(struct cn_pod *p)
{
	char *const strings[] = {p->ns, p->name, p->uid, p->node, p->owner_kind, p->owner_name, p->owner_uid, p->crush_host};

	for (size_t i = 0; i < ARRAY_SIZE(strings); i++)
		free(strings[i]);
	free(p->ips);
	json_decref(p->labels);
	*p = (struct cn_pod){.osd = -1};
}

void cn_pods_release(struct cn_pods *p)
{
	for (size_t i = 0; i < p->n; i++)
		cn_pod_release(&p->v[i]);
	free(p->v);
	cn_strv_release(&p->looked);
	*p = (struct cn_pods){};
}
