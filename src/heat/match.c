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

static int two_hosts(const char *spec, const char *a, const char *b, struct cn_error *err)
{
	cn_error_set(err, CN_REFUSED, ENOTUNIQ, "the OSDs at the server's address %s stand in more than one CRUSH host: %s, %s",
		     spec, a, b);
	cn_error_hint(
		err,
		"see where they are (ceph osd find). All are this server's: drain it by hand (cephnode drain %s), and its gate "
		"opens after that. Some are another machine's, down since the address was its own: start or remove these first",
		spec);
	return -ENOTUNIQ;
}

/* An OSD that is down keeps its address in the map, and its machine's address may be another machine's by now: of OSDs in two
 * CRUSH hosts some may not be the server's. Which a pod on it runs, Kubernetes vouches for. */
static int check_one_host(const struct cn_node *node, const char *spec, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv vouched = {};
	const char *first = NULL;

	for (size_t i = 0; i < node->n_osds; i++)
		if ((node->osds[i].found_by & CN_FOUND_KUBE) && node->osds[i].host)
			cn_strv_add(&vouched, node->osds[i].host);
	if (vouched.n)
		first = vouched.v[0];
	for (size_t i = 0; i < node->n_osds; i++) {
		const char *host = node->osds[i].host;

		if (!host || cn_strv_has(&vouched, host))
			continue;
		if (first && strcmp(first, host) != 0)
			return two_hosts(spec, first, host, err);
		first = host;
	}
	return 0;
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
	if (r == 0)
		r = check_one_host(&inv.nodes[0], spec, err);
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

/* --- journals --- */

/* What the journals of a server say: the newest of each kind. */
struct records {
	const struct cn_journal *open, *done, *cancelled;
	char address[CN_IP_STRLEN]; /* by which `open` is the server's */
};

/* Addresses are used again: what was done before this server was made is not its doing. */
static bool is_of_this(const struct cn_journal *j, const struct cn_server *s)
{
	return s->created_ms >= 0 && j->updated_ms >= s->created_ms;
}

static bool is_newer(const struct cn_journal *j, const struct cn_journal *than)
{
	return j && (!than || j->updated_ms > than->updated_ms);
}

static int by_hand(struct cn_error *err)
{
	cn_error_hint(err,
		      "look where they are (ceph osd find): if they are this server's, drain them (cephnode drain osd.N); if "
		      "not, open the gate by hand: openstack stack hook clear --pre-delete");
	return -err->errnum;
}

/* A drain goes on with the OSDs that it was begun with: under this name it must not be that of another machine's. */
static int check_strangers(const struct cn_journals *l, const struct cn_osdmap *map, const struct cn_match *m,
			   struct cn_error *err)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct cn_journal *j = &l->v[i];

		if (cn_journal_is_tombstone(j) || !cn_journal_is_named(j, m->spec))
			continue;
		for (size_t k = 0; k < j->n_osds; k++) {
			const struct cn_osd *o = cn_osdmap_osd(map, j->osds[k].id);

			if (!o || strcmp(o->uuid, j->osds[k].uuid) != 0 || cn_ids_has(&m->osds, o->id) ||
			    cn_journal_has_address(j, &o->at))
				continue;
			cn_error_set(err, CN_REFUSED, ENOTUNIQ,
				     "a drain of %s is under way that has osd.%d, which is not on this server any more", j->node,
				     o->id);
			cn_error_hint(err, "finish or cancel it first: cephnode status");
			return -ENOTUNIQ;
		}
	}
	return 0;
}

/* Removed, and nothing has come since: an OSD that stands where all were removed may be this server's by another address. */
static int check_still_empty(struct cn_cluster *c, const struct cn_osdmap *map, const struct cn_journal *done,
			     struct cn_error *err)
{
	_cleanup_(cn_crush_release) struct cn_crush crush = {};
	int r = cn_crush_get(c, &crush, err);

	for (size_t i = 0; i < map->n_osds && r == 0; i++) {
		const struct cn_bucket *host = cn_crush_host(&crush, map->osds[i].id);

		if (!host || !cn_strv_has(&done->whole_hosts, host->name))
			continue;
		cn_error_set(
			err, CN_REFUSED, EEXIST,
			"all OSDs of %s were removed, but osd.%d stands in CRUSH host %s again, and has none of the server's "
			"addresses",
			done->node, map->osds[i].id, host->name);
		return by_hand(err);
	}
	return r;
}

/* A drain that was taken back has left its OSDs where they were: they have not gone because no address names them. */
static int check_left(const struct cn_osdmap *map, const struct cn_journal *cancelled, struct cn_error *err)
{
	for (size_t k = 0; k < cancelled->n_osds; k++) {
		const struct cn_osd *o = cn_osdmap_osd(map, cancelled->osds[k].id);

		if (!o || strcmp(o->uuid, cancelled->osds[k].uuid) != 0)
			continue;
		cn_error_set(err, CN_REFUSED, ESTALE,
			     "osd.%d was on this server when a drain of %s was cancelled, is not removed, and has none of its "
			     "addresses now",
			     o->id, cancelled->node);
		return by_hand(err);
	}
	return 0;
}

/* An operator's no. Not overruled by a drain that has begun since, only by one that was brought to its end. */
static int check_cancelled(const struct records *rec, int64_t since_ms, const struct cn_match *m, struct cn_error *err)
{
	const struct cn_journal *no = rec->cancelled;

	if (m->kind != CN_MATCH_NODE || !no || since_ms < 0 || no->updated_ms <= since_ms || is_newer(rec->done, no))
		return 0;
	cn_error_set(err, CN_REFUSED, ECANCELED, "the drain of %s was cancelled while the deletion waited", no->node);
	cn_error_hint(err,
		      "to keep the server cancel its deletion (openstack stack cancel --no-rollback, on the group's stack) and "
		      "look whether this member becomes DELETE_FAILED; else drain it after all: cephnode drain %s",
		      m->spec);
	return -ECANCELED;
}

static int take_records(struct cn_cluster *c, const struct records *rec, const struct cn_journals *l, const struct cn_server *s,
			int64_t since_ms, struct cn_match *m, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap map = {};
	int r = check_cancelled(rec, since_ms, m, err);

	if (r == 0)
		r = cn_osdmap_get(c, &map, err);
	if (r < 0)
		return r;
	if (rec->open)
		m->late |= rec->open->phase >= CN_PHASE_OUT && rec->open->phase < CN_PHASE_DONE;
	if (m->kind == CN_MATCH_NODE)
		return check_strangers(l, &map, m, err);
	if (rec->open && is_of_this(rec->open, s)) { /* all is purged, the rest is to be finished */
		m->kind = CN_MATCH_NODE;
		m->spec = cn_asprintf("ip:%s", rec->address);
	} else if (is_newer(rec->done, rec->cancelled) && is_of_this(rec->done, s)) {
		r = check_still_empty(c, &map, rec->done, err);
		m->kind = CN_MATCH_REMOVED;
	} else if (rec->cancelled && is_of_this(rec->cancelled, s)) {
		r = check_left(&map, rec->cancelled, err);
	}
	return r;
}

static int consult_journals(struct cn_cluster *c, bool kube, const struct cn_server *s, int64_t since_ms, struct cn_match *m,
			    struct cn_error *err)
{
	_cleanup_(cn_journals_release) struct cn_journals l = {};
	struct records rec = {};
	int r = cn_journals_load(c, &l, err);

	for (size_t i = 0; i < l.n && r == 0; i++) {
		const struct cn_journal *j = &l.v[i], **newest = j->phase == CN_PHASE_DONE        ? &rec.done
								 : j->phase == CN_PHASE_CANCELLED ? &rec.cancelled
												  : &rec.open;
		char address[CN_IP_STRLEN];

		if (!cn_journal_speaks(j, kube) || !is_of_server(j, s, address) || !is_newer(j, *newest))
			continue;
		*newest = j;
		if (newest == &rec.open)
			memcpy(rec.address, address, sizeof(address));
	}
	if (r == 0 && (rec.open || rec.done || rec.cancelled))
		r = take_records(c, &rec, &l, s, since_ms, m, err);
	return r;
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
