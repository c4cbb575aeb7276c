/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/heat/match.h"

#include <errno.h>
#include <string.h>

void cn_match_release(struct cn_match *m)
{
	free(m->spec);
	free(m->addresses);
	cn_ids_release(&m->osds);
	*m = (struct cn_match){};
}

static char *addresses_of(const struct cn_server *s)
{
	_cleanup_(cn_strv_release) struct cn_strv l = {};
	char buf[CN_IP_STRLEN];

	for (size_t i = 0; i < s->n_addresses; i++)
		cn_strv_add(&l, cn_ip_format(&s->addresses[i], buf));
	return cn_strv_join(&l, ", ");
}

static bool same_ids(const struct cn_ids *a, const struct cn_ids *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->v, b->v, a->n * sizeof(*a->v)) == 0);
}

static int two_nodes(const struct cn_match *m, const char *spec, const struct cn_ids *osds, struct cn_error *err)
{
	_cleanup_free_ char *a = cn_ids_format(&m->osds, "osd.", ", "), *b = cn_ids_format(osds, "osd.", ", ");

	cn_error_set(err, CN_REFUSED, ENOTUNIQ, "the server's addresses match two nodes: %s is %s, but %s is %s", m->spec, a,
		     spec, b);
	cn_error_hint(err, "look which of them the server is; if both are, drain them by hand (cephnode drain %s %s)", m->spec,
		      spec);
	return -ENOTUNIQ;
}

/* What one address says; every address that says something must say the same. */
static int look_up(struct cn_cluster *c, struct cn_kube *kube, const char *spec, struct cn_match *m, struct cn_error *err)
{
	_cleanup_(cn_inventory_release) struct cn_inventory inv = {};
	_cleanup_(cn_ids_release) struct cn_ids osds = {};
	int r = cn_inventory_discover(c, kube, &spec, 1, false, &inv, err);

	if (r < 0 && err->code == CN_NOT_FOUND) {
		cn_error_release(err);
		return 0;
	}
	if (r < 0)
		return r;
	for (size_t i = 0; i < inv.nodes[0].n_osds; i++)
		cn_ids_add(&osds, inv.nodes[0].osds[i].osd.id);
	if (m->spec)
		return same_ids(&m->osds, &osds) ? 0 : two_nodes(m, spec, &osds, err);
	m->kind = CN_MATCH_NODE;
	m->spec = cn_strdup(spec);
	m->osds = osds;
	osds = (struct cn_ids){};
	return 0;
}

bool cn_journal_speaks(const struct cn_journal *j, bool kube)
{
	struct cn_ip ip;

	if (strncmp(j->spec, "osd.", 4) == 0 || strncmp(j->spec, "osd:", 4) == 0)
		return false;
	if (!j->kube_node || j->phase == CN_PHASE_CANCELLED) /* an operator's no is heard in any case */
		return true;
	return kube && (strncmp(j->spec, "ip:", 3) == 0 || strncmp(j->spec, "kube:", 5) == 0 ||
			strcmp(j->spec, j->kube_node) == 0 || cn_ip_parse(j->spec, &ip));
}

static bool is_of_server(const struct cn_journal *j, const struct cn_server *s, char spec[CN_IP_STRLEN])
{
	for (size_t i = 0; i < s->n_addresses; i++) {
		cn_ip_format(&s->addresses[i], spec);
		if (cn_journal_matches(j, spec))
			return true;
	}
	return false;
}

/* Addresses are used again: what was removed before this server was made is not its doing. */
static int take_journal(const struct cn_journal *j, const char *address, const struct cn_server *s, int64_t since_ms,
			struct cn_match *m, struct cn_error *err)
{
	bool this_server = s->created_ms >= 0 && j->updated_ms >= s->created_ms;

	if (j->phase == CN_PHASE_CANCELLED && m->kind == CN_MATCH_NODE && since_ms >= 0 && j->updated_ms > since_ms) {
		cn_error_set(err, CN_REFUSED, ECANCELED, "the drain of %s was cancelled while the deletion waited", j->node);
		cn_error_hint(err,
			      "to keep the server cancel its deletion (openstack stack cancel --no-rollback, on the group's "
			      "stack) and look whether this member becomes DELETE_FAILED; else drain it after all: cephnode "
			      "drain %s",
			      m->spec);
		return -ECANCELED;
	}
	if (!cn_journal_is_tombstone(j)) {
		m->late |= j->phase >= CN_PHASE_OUT && j->phase < CN_PHASE_DONE;
		if (m->kind == CN_MATCH_NONE && this_server) { /* all is purged, the rest is to be finished */
			m->kind = CN_MATCH_NODE;
			m->spec = cn_asprintf("ip:%s", address);
		}
	} else if (j->phase == CN_PHASE_DONE && m->kind == CN_MATCH_NONE && this_server) {
		m->kind = CN_MATCH_REMOVED;
	}
	return 0;
}

/* Of two journals on this server: one that is not done before one that is, then the newer one. */
static bool says_more(const struct cn_journal *j, const struct cn_journal *than)
{
	bool done = cn_journal_is_tombstone(j);

	if (!than || done != cn_journal_is_tombstone(than))
		return !than || !done;
	return j->updated_ms > than->updated_ms;
}

static int consult_journals(struct cn_cluster *c, bool kube, const struct cn_server *s, int64_t since_ms, struct cn_match *m,
			    struct cn_error *err)
{
	_cleanup_(cn_journals_release) struct cn_journals l = {};
	const struct cn_journal *best = NULL;
	char address[CN_IP_STRLEN], spec[CN_IP_STRLEN] = "";
	int r = cn_journals_load(c, &l, err);

	for (size_t i = 0; i < l.n && r == 0; i++)
		if (cn_journal_speaks(&l.v[i], kube) && is_of_server(&l.v[i], s, address) && says_more(&l.v[i], best)) {
			best = &l.v[i];
			memcpy(spec, address, sizeof(spec));
		}
	return r == 0 && best ? take_journal(best, spec, s, since_ms, m, err) : r;
}

int cn_match_server(struct cn_cluster *c, struct cn_kube *kube, const struct cn_server *server, int64_t since_ms,
		    struct cn_match *ret, struct cn_error *err)
{
	struct cn_match m = {.kind = CN_MATCH_NONE, .addresses = addresses_of(server)};
	int r = server->n_addresses ? 0 : cn_error_set(err, CN_REFUSED, EADDRNOTAVAIL, "Nova names no address of this server");

	for (size_t i = 0; i < server->n_addresses && r == 0; i++) {
		char buf[CN_IP_STRLEN];
		_cleanup_free_ char *spec = cn_asprintf("ip:%s", cn_ip_format(&server->addresses[i], buf));

		r = look_up(c, kube, spec, &m, err);
	}
	if (r == 0)
		r = consult_journals(c, kube != NULL, server, since_ms, &m, err);
	if (r < 0)
		cn_match_release(&m);
	else
		*ret = m;
	return r;
}
