/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/heat/own.h"

#include <errno.h>
#include <string.h>

#include "cephnode/base/json.h"
#include "cephnode/base/text.h"
#include "cephnode/heat/match.h"

struct finder {
	const struct cn_machine *m;
	const struct cn_osdmap *map;
	const struct cn_crush *crush;
	const char **names;      /* of map->osds[i], borrowed from the metadata; NULL: unknown */
	struct cn_ids here;      /* by address */
	struct cn_ids elsewhere; /* by host name alone */
};

static void read_names(struct finder *f, const json_t *metadata)
{
	const json_t *one;
	size_t i;

	f->names = cn_calloc(f->map->n_osds + 1, sizeof(*f->names));
	json_array_foreach (metadata, i, one) {
		const struct cn_osd *o = cn_osdmap_osd(f->map, (int)cn_json_int(one, "id", -1));
		const char *name = cn_json_str(one, "hostname", "");

		if (o && *name)
			f->names[o - f->map->osds] = name;
	}
}

/* "osd.2 at 10.0.0.2, osd.3 at 10.0.0.2" */
static char *places(const struct finder *f, const struct cn_ids *l)
{
	struct cn_strv v = {};
	char buf[CN_IP_STRLEN], *s;

	for (size_t i = 0; i < l->n; i++)
		cn_strv_addf(&v, "osd.%d at %s", l->v[i], cn_ip_format(&cn_osdmap_osd(f->map, l->v[i])->address, buf));
	s = cn_strv_join(&v, ", ");
	cn_strv_release(&v);
	return s;
}

static bool is_here(const struct cn_machine *m, const struct cn_osd *o)
{
	for (size_t i = 0; i < o->at.n; i++)
		if (cn_machine_has(m, &o->at.v[i]))
			return true;
	return false;
}

static int by_address_and_name(struct finder *f, struct cn_error *err)
{
	_cleanup_free_ char *list = NULL, *own = cn_text_safe(f->m->name);

	for (size_t i = 0; i < f->map->n_osds; i++) {
		const struct cn_osd *o = &f->map->osds[i];
		bool named = f->names[i] && cn_machine_is_named(f->m, f->names[i]);

		if (is_here(f->m, o))
			cn_ids_add(&f->here, o->id);
		else if (named)
			cn_ids_add(&f->elsewhere, o->id);
	}
	if (f->elsewhere.n) {
		list = places(f, &f->elsewhere);
		cn_error_set(err, CN_REFUSED, ENOTUNIQ,
			     "these OSDs report the host name of this machine, %s, and have none of its addresses: %s", own,
			     list);
		cn_error_hint(err, "where OSDs run in pods with addresses of their own, the node cannot tell which are its: use "
				   "cephnode heat agent; else drain it by hand: cephnode drain");
		return -ENOTUNIQ;
	}
	for (size_t i = 0; i < f->here.n; i++) {
		const struct cn_osd *o = cn_osdmap_osd(f->map, f->here.v[i]);
		const char *name = f->names[o - f->map->osds];

		if (name && !cn_machine_is_named(f->m, name)) {
			_cleanup_free_ char *safe = cn_text_safe(name);

			return cn_error_set(err, CN_REFUSED, ENOTUNIQ,
					    "osd.%d has an address of this machine, %s, but reports another host name: %s", o->id,
					    own, safe);
		}
	}
	return 0;
}

/* The one CRUSH host of all of them; NULL: they stand in none. */
static int one_host(const struct finder *f, const struct cn_bucket **ret, struct cn_error *err)
{
	const struct cn_bucket *first = cn_crush_host(f->crush, f->here.v[0]);

	for (size_t i = 1; i < f->here.n; i++) {
		const struct cn_bucket *b = cn_crush_host(f->crush, f->here.v[i]);

		if (b == first)
			continue;
		cn_error_set(err, CN_REFUSED, ENOTUNIQ,
			     "the OSDs of this machine stand in more than one CRUSH host: osd.%d in %s, osd.%d in %s",
			     f->here.v[0], first ? first->name : "none", f->here.v[i], b ? b->name : "none");
		cn_error_hint(err, "bring them under one (ceph osd crush move), or drain them by hand: cephnode drain");
		return -ENOTUNIQ;
	}
	*ret = first;
	return 0;
}

/* OSDs that were never started have neither address nor host name: their CRUSH host says where they belong. */
static int add_neighbours(struct finder *f, const struct cn_bucket *host, struct cn_error *err)
{
	_cleanup_(cn_ids_release) struct cn_ids below = {}, strangers = {};

	cn_crush_osds_below(f->crush, host->id, &below);
	for (size_t i = 0; i < below.n; i++) {
		const struct cn_osd *o = cn_osdmap_osd(f->map, below.v[i]);

		if (!o || cn_ids_has(&f->here, o->id))
			continue;
		cn_ids_add(o->at.n ? &strangers : &f->here, o->id); /* without one it was never started */
	}
	if (strangers.n) {
		_cleanup_free_ char *list = places(f, &strangers);

		cn_error_set(err, CN_REFUSED, ENOTUNIQ,
			     "the CRUSH host of this machine, %s, also holds OSDs that are not on it: %s", host->name, list);
		cn_error_hint(err,
			      "bring those under their own CRUSH host (ceph osd crush move), or drain by hand: cephnode drain");
		return -ENOTUNIQ;
	}
	return 0;
}

static bool all_have(const struct finder *f, const struct cn_ip *ip)
{
	for (size_t i = 0; i < f->here.n; i++)
		if (!cn_osd_addresses_have(&cn_osdmap_osd(f->map, f->here.v[i])->at, ip))
			return false;
	return true;
}

/* Outside of any CRUSH host the address is the only name, so there must be one for all. */
static int name_by_address(const struct finder *f, char **ret, struct cn_error *err)
{
	const struct cn_osd_addresses *first = &cn_osdmap_osd(f->map, f->here.v[0])->at;
	char buf[CN_IP_STRLEN];

	for (size_t i = 0; i < first->n; i++)
		if (cn_machine_has(f->m, &first->v[i]) && all_have(f, &first->v[i])) {
			*ret = cn_asprintf("ip:%s", cn_ip_format(&first->v[i], buf));
			return 0;
		}
	return cn_error_set(err, CN_REFUSED, ENOTUNIQ,
			    "the OSDs of this machine stand in no CRUSH host, and have no address in common");
}

static int find(struct finder *f, char **ret_name, struct cn_error *err)
{
	const struct cn_bucket *host = NULL;
	int r = by_address_and_name(f, err);

	if (r < 0 || f->here.n == 0)
		return r;
	r = one_host(f, &host, err);
	if (r == 0 && !host)
		return name_by_address(f, ret_name, err);
	if (r == 0)
		r = add_neighbours(f, host, err);
	if (r == 0)
		*ret_name = cn_asprintf("host:%s", host->name);
	return r;
}

int cn_own_find(const struct cn_machine *m, const struct cn_osdmap *map, const struct cn_crush *crush, const json_t *metadata,
		struct cn_own *ret, struct cn_error *err)
{
	struct finder f = {.m = m, .map = map, .crush = crush};
	char *name = NULL;
	int r;

	read_names(&f, metadata);
	r = find(&f, &name, err);
	free(f.names);
	cn_ids_release(&f.elsewhere);
	if (r < 0) {
		cn_ids_release(&f.here);
		return r;
	}
	*ret = (struct cn_own){f.here, name};
	return 0;
}

void cn_own_release(struct cn_own *o)
{
	cn_ids_release(&o->osds);
	free(o->name);
	*o = (struct cn_own){};
}

/* --- journals --- */

static bool is_of(const struct cn_machine *m, const struct cn_journal *j)
{
	struct cn_ip ip;

	for (size_t i = 0; i < j->addresses.n; i++)
		if (cn_ip_parse(j->addresses.v[i], &ip) && cn_machine_has(m, &ip))
			return true;
	return false;
}

/* One of its OSDs that exists, and is none of `but` (may be NULL); -1: there is none. */
static int left_of(const struct cn_journal *j, const struct cn_osdmap *map, const struct cn_ids *but)
{
	for (size_t i = 0; i < j->n_osds; i++) {
		const struct cn_osd *o = cn_osdmap_osd(map, j->osds[i].id);

		if (o && strcmp(o->uuid, j->osds[i].uuid) == 0 && (!but || !cn_ids_has(but, o->id)))
			return o->id;
	}
	return -1;
}

/* all: also those that do not speak for the whole machine. */
static const struct cn_journal *newest_of(const struct cn_machine *m, const struct cn_journals *l, bool all)
{
	const struct cn_journal *newest = NULL;

	for (size_t i = 0; i < l->n; i++)
		if ((all || cn_journal_speaks(&l->v[i], false)) && is_of(m, &l->v[i]) &&
		    (!newest || l->v[i].updated_ms > newest->updated_ms))
			newest = &l->v[i];
	return newest;
}

const struct cn_journal *cn_own_journal(const struct cn_machine *m, const struct cn_osdmap *map, const struct cn_journals *l)
{
	const struct cn_journal *newest = newest_of(m, l, false);

	return newest && left_of(newest, map, NULL) < 0 ? newest : NULL;
}

int cn_own_check_empty(const struct cn_machine *m, const struct cn_osdmap *map, const struct cn_journals *l, struct cn_error *err)
{
	for (int all = 0; all < 2; all++) {
		const struct cn_journal *j = newest_of(m, l, all);
		int id = j ? left_of(j, map, NULL) : -1;

		if (id < 0)
			continue;
		cn_error_set(
			err, CN_REFUSED, ENOTEMPTY,
			"no OSD of the cluster has an address of this machine now, but the drain of %s, which had one, names "
			"osd.%d, which still exists",
			j->node, id);
		cn_error_hint(
			err,
			"look where it is: ceph osd find %d. If it is here, drain it by hand (cephnode drain osd.%d); if all "
			"of them are on other machines now, answer the deployment by hand (docs/heat/README.md)",
			id, id);
		return -ENOTEMPTY;
	}
	return 0;
}

int64_t cn_own_cancelled_ms(const struct cn_machine *m, const struct cn_journals *l)
{
	const struct cn_journal *newest = newest_of(m, l, false);

	return newest && newest->phase == CN_PHASE_CANCELLED ? newest->updated_ms : -1;
}

int cn_own_check(const struct cn_own *own, const struct cn_osdmap *map, const struct cn_journals *l, struct cn_error *err)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct cn_journal *j = &l->v[i];
		int stranger;

		if (cn_journal_is_tombstone(j) || !cn_journal_is_named(j, own->name))
			continue;
		stranger = left_of(j, map, &own->osds);
		if (stranger < 0)
			continue;
		cn_error_set(err, CN_REFUSED, ENOTUNIQ,
			     "a drain of %s is under way that has osd.%d, which is not on this machine", j->node, stranger);
		cn_error_hint(err, "finish or cancel it first: cephnode status");
		return -ENOTUNIQ;
	}
	return 0;
}
