/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/drain/check.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/cluster/mapping.h"
#include "cephnode/drain/lease.h"
#include "cephnode/kube/pods.h"
#include "cephnode/kube/workloads.h"

#define NO_OSD 99999999 /* far beyond any max_osd */
#define TOO_BIG 70000   /* bytes: the config-key store takes 65536 */

static void add(json_t *findings, const char *what, bool ok, const char *message, const char *hint)
{
	json_array_append_new(findings, json_pack("{so,sb,so,so}", "what", cn_json_string(what), "ok", ok, "message",
						  cn_json_string(message), "hint", cn_json_string(hint)));
}

/* Takes what err holds, where there is something. */
static void add_result(json_t *findings, const char *what, int r, const char *good, struct cn_error *err)
{
	add(findings, what, r >= 0, r < 0 ? err->message : good, r < 0 ? err->hint : NULL);
	cn_error_release(err);
}

/* --- Ceph ------------------------------------------------------------------------------------------------------------- */

static json_t *too_big_value(void)
{
	char *text = cn_malloc(TOO_BIG + 1);
	json_t *j;

	memset(text, 'x', TOO_BIG);
	text[TOO_BIG] = 0;
	j = json_pack("{ss,ss,ss}", "prefix", "config-key set", "key", "cephnode/drain/check", "val", text);
	free(text);
	return j;
}

/* Each would be refused, or does nothing, also with all caps: no such OSD, bucket, pool, flag, option or key. */
static json_t *probe(size_t i, const char *entity)
{
	switch (i) {
	case 0:
		return json_pack("{ss,ss}", "prefix", "osd set", "key", "cephnode-check");
	case 1:
		return json_pack("{ss,ss}", "prefix", "osd unset", "key", "cephnode-check");
	case 2:
		return json_pack("{ss,ss,sf}", "prefix", "osd crush reweight", "name", "osd.99999999", "weight", 0.0);
	case 3:
		return json_pack("{ss,ss,sf}", "prefix", "osd crush reweight-subtree", "name", "cephnode-check", "weight", 0.0);
	case 4:
		return json_pack("{ss,si,sf}", "prefix", "osd reweight", "id", NO_OSD, "weight", 1.0);
	case 5:
		return json_pack("{ss,s[s]}", "prefix", "osd out", "ids", "99999999");
	case 6:
		return json_pack("{ss,s[s]}", "prefix", "osd stop", "ids", "99999999");
	case 7:
		return json_pack("{ss,si,sb}", "prefix", "osd purge-actual", "id", NO_OSD, "yes_i_really_mean_it", 0);
	case 8:
		return json_pack("{ss,ss}", "prefix", "osd crush rm", "name", "cephnode-check");
	case 9:
		return json_pack("{ss,ss,s[ii]}", "prefix", "osd pg-upmap-items", "pgid", "99999999.0", "id", 0, 1);
	case 10:
		return json_pack("{ss,ss}", "prefix", "osd rm-pg-upmap-items", "pgid", "99999999.0");
	case 11:
		return too_big_value();
	case 12:
		return json_pack("{ss,ss}", "prefix", "config-key rm", "key", "cephnode/drain/check");
	case 13:
		return json_pack("{ss,ss}", "prefix", "config-key get", "key", "cephnode/drain/check");
	case 14:
		return json_pack("{ss,ss}", "prefix", "config-key dump", "key", "cephnode/drain/");
	case 15:
		return json_pack("{ss,ss,ss,ss}", "prefix", "config set", "who", "osd", "name", "cephnode_check", "value", "1");
	case 16:
		return json_pack("{ss,so}", "prefix", "auth get", "entity", cn_json_string(entity));
	case 17:
		return json_pack("{ss,ss}", "prefix", "auth del", "entity", "osd.99999999");
	default:
		return NULL;
	}
}

static void check_caps(struct cn_cluster *c, json_t *findings)
{
	_cleanup_(cn_strv_release) struct cn_strv missing = {};
	_cleanup_error_ struct cn_error silence = {};
	json_t *cmd;
	size_t i;

	for (i = 0; (cmd = probe(i, c->entity)) && !cn_interrupted(); i++) {
		_cleanup_free_ char *prefix = cn_strdup(cn_json_str(cmd, "prefix", "")), *out = NULL;
		_cleanup_error_ struct cn_error e = {};
		size_t len;
		int r = cn_command_raw(c, CN_MON, NULL, cmd, &out, &len, &e);

		if (r == -ETIMEDOUT) { /* the next would not be answered either */
			cn_error_move(&silence, &e);
			break;
		}
		if (r == -EACCES)
			cn_strv_addf(&missing, "allow command \"%s\"", prefix);
	}
	if (silence.errnum) {
		add(findings, "caps at the monitors", false, silence.message, silence.hint);
	} else if (missing.n) {
		_cleanup_free_ char *list = cn_strv_join(&missing, ", "), *text = NULL, *hint = NULL;

		text = cn_asprintf("%s lacks, or has only for some arguments: %s", c->entity, list);
		hint = cn_asprintf("add it to the mon caps (ceph auth get %s, ceph auth caps; cephnode(1), CAPS); not needed for "
				   "reading alone",
				   c->entity);
		add(findings, "caps at the monitors", false, text, hint);
	} else {
		_cleanup_free_ char *text = cn_asprintf("%s may run what a drain changes", c->entity);

		add(findings, "caps at the monitors", true, text, NULL);
	}
}

static void check_query(struct cn_cluster *c, const struct cn_osdmap *m, json_t *findings)
{
	_cleanup_error_ struct cn_error e = {};
	struct cn_ids others = {};
	struct cn_pg pg = {};
	int r;

	if (m->n_pools == 0)
		return;
	r = cn_pg_query(c, (struct cn_pgid){m->pools[0].id, 0}, &pg, &others, &e);
	add_result(findings, "pg query", r, "OSDs answer it: a drain can be proved", &e);
	cn_pg_release(&pg);
	cn_ids_release(&others);
}

static void check_maptool(struct cn_cluster *c, const struct cn_osdmap *m, json_t *findings)
{
	_cleanup_error_ struct cn_error e = {};
	struct cn_mapping mapping = {};
	int fd = -1, r = cn_osdmap_file(c, m->epoch, &fd, &e);

	if (r == 0)
		r = cn_maptool_map(fd, m, NULL, &mapping, &e);
	if (fd >= 0)
		close(fd);
	cn_mapping_release(&mapping);
	if (r < 0) /* goes without */
		add(findings, "osdmaptool", true, "not to be used: plans have a bound instead of a forecast",
		    "install ceph-base");
	else
		add(findings, "osdmaptool", true, "there: plans have a forecast", NULL);
}

static void check_ceph(struct cn_cluster *c, json_t *findings)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	_cleanup_(cn_osd_usages_release) struct cn_osd_usages usage = {};
	_cleanup_error_ struct cn_error e = {};
	_cleanup_free_ char *text = NULL, *pool = NULL;
	int r = cn_osdmap_get(c, &m, &e);

	if (r == 0)
		text = cn_asprintf("monitors answer %s; cluster %s, %zu OSDs", c->entity, m.fsid, m.n_osds);
	add_result(findings, "connection", r, text, &e);
	if (r < 0)
		return;
	r = cn_osd_df(c, &usage, &e);
	add_result(findings, "manager", r, "answers: statistics and safe-to-destroy", &e);
	check_caps(c, findings);
	check_query(c, &m, findings);
	r = cn_lease_pool(c, NULL, &pool, &e);
	add_result(findings, "pool of the decision lock", r, pool, &e);
	check_maptool(c, &m, findings);
}

/* --- Kubernetes ------------------------------------------------------------------------------------------------------- */

struct wanted {
	struct cn_kube_right right;
	bool node;              /* not of a namespace */
	const char *without;    /* it goes without: what then; NULL: it is needed */
	const char *owner_kind; /* only where pods belong to such; NULL: always */
};

static const struct wanted wanted[] = {
	{{"list", "", "pods", NULL}, false, NULL, NULL},
	{{"get", "", "pods", NULL}, false, NULL, NULL},
	{{"create", "", "pods", "eviction"}, false, NULL, NULL},
	{{"delete", "", "pods", NULL}, false, "pods are evicted", NULL},
	{{"get", "apps", "deployments", "scale"}, false, NULL, "ReplicaSet"},
	{{"patch", "apps", "deployments", "scale"}, false, NULL, "ReplicaSet"},
	{{"get", "apps", "deployments", NULL}, false, "Rook's operator is scaled to 0 for the time of a removal", "ReplicaSet"},
	{{"patch", "apps", "deployments", NULL}, false, "Rook's operator is scaled to 0 for the time of a removal", "ReplicaSet"},
	{{"get", "", "nodes", NULL}, true, "pods of a DaemonSet are evicted, and come back", "DaemonSet"},
	{{"patch", "", "nodes", NULL}, true, "pods of a DaemonSet are evicted, and come back", "DaemonSet"},
	/* also of other namespaces: who else needs the node's label */
	{{"list", "", "pods", NULL}, true, "pods of a DaemonSet are evicted, and come back", "DaemonSet"},
};

static bool is_wanted(const struct wanted *w, const struct cn_pods *pods)
{
	if (!w->owner_kind || pods->n == 0)
		return true;
	for (size_t i = 0; i < pods->n; i++)
		if (pods->v[i].owner_kind && strcmp(pods->v[i].owner_kind, w->owner_kind) == 0)
			return true;
	return false;
}

/* *ret_missing: a right that is needed is not there. */
static void check_right(struct cn_kube *k, const struct wanted *w, const char *ns, json_t *findings, bool *ret_missing)
{
	const struct cn_kube_right *r = &w->right;
	_cleanup_error_ struct cn_error e = {};
	_cleanup_free_ char *what = NULL, *message = NULL;
	bool allowed = false;

	what = cn_asprintf("%s %s%s%s%s%s", r->verb, r->resource, r->subresource ? "/" : "", r->subresource ? r->subresource : "",
			   w->node ? "" : " in ", w->node ? "" : ns);
	if (cn_kube_may(k, r, w->node ? NULL : ns, &allowed, &e) < 0) {
		add_result(findings, what, -1, NULL, &e);
		return;
	}
	message = allowed      ? cn_strdup("allowed")
		  : w->without ? cn_asprintf("not allowed, and not needed: %s", w->without)
			       : cn_strdup("not allowed");
	add(findings, what, allowed || w->without, message, allowed || w->without ? NULL : "apply the Role that is shown");
	*ret_missing |= !allowed && !w->without;
}

static char *role_text(const struct cn_strv *spaces)
{
	static const char *const cluster =
		"apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: cephnode}\nrules:\n"
		"- {apiGroups: [\"\"], resources: [nodes], verbs: [get, patch]}\n"
		"- {apiGroups: [\"\"], resources: [pods], verbs: [list]}\n";
	char *text = cn_strdup(cluster);

	for (size_t i = 0; i < spaces->n; i++) {
		char *more = cn_asprintf("%s---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n"
					 "metadata: {name: cephnode, namespace: %s}\nrules:\n"
					 "- {apiGroups: [\"\"], resources: [pods], verbs: [get, list]}\n"
					 "- {apiGroups: [\"\"], resources: [pods/eviction], verbs: [create]}\n"
					 "- {apiGroups: [apps], resources: [deployments/scale], verbs: [get, patch]}\n"
					 "- {apiGroups: [apps], resources: [deployments], verbs: [get, patch]}\n",
					 text, spaces->v[i]);

		free(text);
		text = more;
	}
	return text;
}

static void spaces_of(struct cn_kube *k, const struct cn_pods *pods, struct cn_strv *ret)
{
	const char *ns = cn_kube_options(k)->ns ? cn_kube_options(k)->ns : cn_kube_config(k)->ns;

	for (size_t i = 0; i < pods->n; i++)
		if (!cn_strv_has(ret, pods->v[i].ns))
			cn_strv_add(ret, pods->v[i].ns);
	for (size_t i = 0; i < pods->n; i++) { /* Rook's operator may be elsewhere */
		const char *operator_ns = cn_json_str(pods->v[i].labels, "rook.io/operator-namespace", NULL);

		if (operator_ns && !cn_strv_has(ret, operator_ns))
			cn_strv_add(ret, operator_ns);
	}
	if (ret->n == 0)
		cn_strv_add(ret, ns ? ns : "rook-ceph");
}

static char *check_kube(struct cn_kube *k, json_t *findings)
{
	_cleanup_(cn_strv_release) struct cn_strv spaces = {};
	_cleanup_(cn_pods_release) struct cn_pods pods = {};
	_cleanup_error_ struct cn_error e = {};
	_cleanup_free_ char *text = NULL, *looked = NULL;
	bool missing = false;
	int r;

	if (!k) {
		add(findings, "Kubernetes", true, "no API is configured: the monitors alone say where OSDs are", NULL);
		return NULL;
	}
	r = cn_pods_list(k, &pods, &e);
	looked = cn_strv_join(&pods.looked, "; ");
	if (r == 0 && pods.n)
		text = cn_asprintf("%s; %zu OSD pods, flavour %s", cn_kube_config(k)->source, pods.n,
				   cn_flavour_name(pods.flavour));
	else
		text = cn_asprintf("%s; no OSD pod (looked for: %s)", cn_kube_config(k)->source, looked);
	add_result(findings, "Kubernetes", r, text, &e);
	if (r < 0 && r != -EPERM)
		return NULL;
	spaces_of(k, &pods, &spaces);
	for (size_t i = 0; i < ARRAY_SIZE(wanted) && !cn_interrupted(); i++)
		for (size_t s = 0; s < (wanted[i].node ? 1 : spaces.n) && is_wanted(&wanted[i], &pods); s++)
			check_right(k, &wanted[i], spaces.v[s], findings, &missing);
	return missing ? role_text(&spaces) : NULL;
}

/* --- all -------------------------------------------------------------------------------------------------------------- */

json_t *cn_check(struct cn_cluster *c, const struct cn_error *why_not, struct cn_kube *kube, struct cn_error *err)
{
	_cleanup_json_ json_t *findings = json_array();
	_cleanup_free_ char *role = NULL;

	if (c)
		check_ceph(c, findings);
	else
		add(findings, "connection", false, why_not->message, why_not->hint);
	role = check_kube(kube, findings);
	if (cn_interrupted()) {
		cn_error_interrupted(err);
		return NULL;
	}
	return json_pack("{si,sO,so}", "schema", 1, "findings", findings, "role", cn_json_string(role));
}

bool cn_check_ok(const json_t *doc)
{
	json_t *f;
	size_t i;

	json_array_foreach (cn_json_arr(doc, "findings"), i, f)
		if (!cn_json_bool(f, "ok", false))
			return false;
	return true;
}
