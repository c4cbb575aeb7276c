/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a name to OSDs. A drain that takes too few OSDs leaves a node half alive, one that takes too many moves a neighbour's
 * data: where the cluster's sources disagree about what a name means, the answer is a refusal that shows the candidates, never a
 * guess.
 */
#include <errno.h>
#include <string.h>

#include "cephnode/base/text.h"
#include "inventory/internal.h"

#define MAX_NAMES_IN_HINT 12

static char *osds(const struct cn_ids *l)
{
	return cn_ids_format(l, "osd.", ", ");
}

void cn_ids_add_all(struct cn_ids *to, const struct cn_ids *from)
{
	for (size_t i = 0; i < from->n; i++)
		cn_ids_add(to, from->v[i]);
}

/* "osd.9 at 10.0.0.9" for each, so that the user sees why they do not fit. */
static char *osds_and_addresses(const struct cn_facts *f, const struct cn_ids *l)
{
	struct cn_strv v = {};
	char buf[CN_IP_STRLEN];
	char *s;

	for (size_t i = 0; i < l->n; i++)
		cn_strv_addf(&v, "osd.%d at %s", l->v[i], cn_ip_format(&cn_osdmap_osd(f->osdmap, l->v[i])->address, buf));
	s = cn_strv_join(&v, ", ");
	cn_strv_release(&v);
	return s;
}

static int ambiguous_address(const struct cn_facts *f, const struct cn_spec *spec, const struct cn_found *found,
			     const struct cn_strv *hosts, const struct cn_ids *strangers, struct cn_error *err)
{
	_cleanup_free_ char *who = osds_and_addresses(f, strangers), *ours = osds(&found->address);
	struct cn_strv ways = {};

	cn_error_set(err, CN_REFUSED, ENOTUNIQ, "%s is ambiguous: on the same CRUSH host there is also %s", spec->name, who);
	for (size_t i = 0; i < hosts->n; i++) {
		const struct cn_bucket *b = cn_facts_bucket(f, hosts->v[i]);
		struct cn_ids below = {};
		_cleanup_free_ char *list = NULL;

		if (b)
			cn_facts_osds_below(f, b, &below);
		list = osds(&below);
		cn_strv_addf(&ways, "host:%s = %s", hosts->v[i], list);
		cn_ids_release(&below);
	}
	_cleanup_free_ char *joined = cn_strv_join(&ways, "; ");
	cn_strv_release(&ways);
	cn_error_hint(err, "%s; ip:%s would be %s: name the CRUSH host, or the OSDs one by one", joined, spec->name, ours);
	return -ENOTUNIQ;
}

/* CRUSH hosts of the OSDs, each once. */
static void hosts_of(const struct cn_facts *f, const struct cn_ids *l, struct cn_strv *ret)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct cn_bucket *host = cn_crush_host(f->crush, l->v[i]);

		if (host && !cn_strv_has(ret, host->name))
			cn_strv_add(ret, host->name);
	}
}

/* An OSD that was never started has no address and reports nothing: its CRUSH host says where it belongs. */
static int by_address(const struct cn_facts *f, const struct cn_spec *spec, struct cn_found *ret, struct cn_error *err)
{
	struct cn_ids below = {}, strangers = {};
	struct cn_strv hosts = {};
	int r = 0;

	for (size_t i = 0; i < f->osdmap->n_osds; i++)
		if (cn_osd_addresses_have(&f->osdmap->osds[i].at, &spec->ip))
			cn_ids_add(&ret->address, f->osdmap->osds[i].id);
	if (!ret->address.n) {
		cn_error_set(err, CN_NOT_FOUND, ENOENT, "no OSD has the address %s", spec->name);
		cn_error_hint(err, "an OSD that was never started has no address: name its CRUSH host, or osd.N");
		return -ENOENT;
	}
	hosts_of(f, &ret->address, &hosts);
	for (size_t i = 0; i < hosts.n; i++)
		cn_facts_osds_below(f, cn_facts_bucket(f, hosts.v[i]), &below);
	for (size_t i = 0; i < below.n; i++) {
		const struct cn_osd *o = cn_osdmap_osd(f->osdmap, below.v[i]);

		if (cn_osd_addresses_have(&o->at, &spec->ip) || !o->at.n)
			cn_ids_add(&ret->crush, o->id);
		else
			cn_ids_add(&strangers, o->id);
	}
	if (strangers.n)
		r = ambiguous_address(f, spec, ret, &hosts, &strangers, err);
	cn_ids_release(&below);
	cn_ids_release(&strangers);
	cn_strv_release(&hosts);
	return r;
}

static bool share_address(const struct cn_osd *a, const struct cn_osd *b)
{
	for (size_t i = 0; i < a->at.n_public; i++)
		if (cn_osd_addresses_have(&b->at, &a->at.v[i]))
			return true;
	return false;
}

/* A bucket name that is told by someone who means a machine, while its OSDs are on several: by address and by the host name that
 * they report. One of the two alone is common: several networks, or pods of one machine; an unknown one proves nothing. */
static bool on_several_machines(const struct cn_facts *f, const struct cn_ids *l)
{
	const struct cn_osd *addressed = NULL;
	const char *name = NULL;
	bool addresses = false, names = false;

	for (size_t i = 0; i < l->n; i++) {
		const struct cn_osd *o = cn_osdmap_osd(f->osdmap, l->v[i]);
		const char *host = cn_facts_hostname(f, l->v[i]);

		if (o->address.family) {
			addresses = addresses || (addressed && !share_address(addressed, o));
			addressed = o;
		}
		if (host) {
			names = names || (name && strcmp(name, host) != 0);
			name = host;
		}
	}
	return addresses && names;
}

static int ambiguous_bucket(const struct cn_facts *f, const struct cn_spec *spec, const struct cn_ids *bucket,
			    struct cn_error *err)
{
	struct cn_strv v = {};
	_cleanup_free_ char *list = osds(bucket), *safe = cn_text_safe(spec->name), *where = NULL;
	char buf[CN_IP_STRLEN];

	for (size_t i = 0; i < bucket->n; i++)
		cn_strv_addf(&v, "osd.%d on %s at %s", bucket->v[i], cn_facts_hostname(f, bucket->v[i]) ?: "an unknown host",
			     cn_ip_format(&cn_osdmap_osd(f->osdmap, bucket->v[i])->address, buf));
	where = cn_strv_join(&v, ", ");
	cn_strv_release(&v);
	cn_error_set(err, CN_REFUSED, ENOTUNIQ, "'%s' is ambiguous: the OSDs of this CRUSH host are on several machines: %s",
		     safe, where);
	cn_error_hint(err, "host:%s means the CRUSH host bucket: %s", safe, list);
	return -ENOTUNIQ;
}

static int ambiguous_name(const struct cn_spec *spec, const struct cn_ids *bucket, const struct cn_ids *metadata,
			  struct cn_error *err)
{
	_cleanup_free_ char *b = osds(bucket), *m = osds(metadata), *safe = cn_text_safe(spec->name);

	cn_error_set(err, CN_REFUSED, ENOTUNIQ, "'%s' is ambiguous: the CRUSH host bucket has %s, but %s %s this host name", safe,
		     b, m, metadata->n == 1 ? "reports" : "report");
	cn_error_hint(err, "host:%s means the CRUSH host bucket: %s; the host by that name would be: %s, to be named one by one",
		      safe, b, m);
	return -ENOTUNIQ;
}

/* What a plain name may have meant, for the hint. */
static void hint_hosts(const struct cn_facts *f, struct cn_error *err)
{
	struct cn_strv names = {}, shown = {};
	_cleanup_free_ char *list = NULL;

	for (size_t i = 0; i < f->crush->n_buckets; i++) {
		const struct cn_bucket *b = &f->crush->buckets[i];
		_cleanup_free_ char *safe = cn_text_safe(b->name);

		if (strcmp(b->type, "host") == 0 && !strchr(b->name, '~'))
			cn_strv_add(&names, safe);
	}
	cn_strv_sort(&names);
	for (size_t i = 0; i < names.n && i < MAX_NAMES_IN_HINT; i++)
		cn_strv_add(&shown, names.v[i]);
	list = cn_strv_join(&shown, ", ");
	cn_error_hint(err, "CRUSH hosts here: %s%s", names.n ? list : "none", names.n > shown.n ? ", ..." : "");
	cn_strv_release(&names);
	cn_strv_release(&shown);
}

static int no_such_name(const struct cn_facts *f, const struct cn_spec *spec, struct cn_error *err)
{
	const struct cn_bucket *b = cn_crush_bucket(f->crush, spec->name);
	_cleanup_free_ char *safe = cn_text_safe(spec->name);

	if (b && strcmp(b->type, "host") == 0) {
		cn_error_set(err, CN_NOT_FOUND, ENOENT, "the CRUSH host bucket '%s' is empty: no OSD stands in it", safe);
		cn_error_hint(err, "`ceph osd crush rm %s` removes an empty bucket", safe);
	} else if (b) {
		cn_error_set(err, CN_NOT_FOUND, ENOENT, "'%s' is a CRUSH bucket of type %s, not host", safe, b->type);
	} else {
		cn_error_set(err, CN_NOT_FOUND, ENOENT, "no CRUSH host bucket is named '%s', and no OSD reports this host name",
			     safe);
	}
	hint_hosts(f, err);
	return -ENOENT;
}

/* OSDs that were never started report no host name. They belong to the node where they stand in a CRUSH host that holds none but
 * its OSDs. */
static void add_silent_neighbours(const struct cn_facts *f, struct cn_found *found)
{
	struct cn_strv hosts = {};

	hosts_of(f, &found->metadata, &hosts);
	for (size_t i = 0; i < hosts.n; i++) {
		struct cn_ids below = {}, silent = {};
		bool ours = true;

		cn_facts_osds_below(f, cn_facts_bucket(f, hosts.v[i]), &below);
		for (size_t j = 0; j < below.n; j++) {
			if (!cn_facts_hostname(f, below.v[j]))
				cn_ids_add(&silent, below.v[j]);
			else if (!cn_ids_has(&found->metadata, below.v[j]))
				ours = false;
		}
		if (ours)
			cn_ids_add_all(&found->crush, &silent);
		cn_ids_release(&below);
		cn_ids_release(&silent);
	}
	cn_strv_release(&hosts);
}

/* Both sources know the name: every OSD with the host name stands in the bucket, and every other one in the bucket is silent. */
static bool sources_agree(const struct cn_facts *f, const struct cn_found *found)
{
	for (size_t i = 0; i < found->metadata.n; i++)
		if (!cn_ids_has(&found->crush, found->metadata.v[i]))
			return false;
	for (size_t i = 0; i < found->crush.n; i++)
		if (!cn_ids_has(&found->metadata, found->crush.v[i]) && cn_facts_hostname(f, found->crush.v[i]))
			return false;
	return true;
}

static int by_name(const struct cn_facts *f, const struct cn_spec *spec, struct cn_found *ret, struct cn_error *err)
{
	const struct cn_bucket *bucket = cn_facts_bucket(f, spec->name);
	bool bucket_is_meant = bucket && spec->kind == CN_SPEC_HOST;

	if (bucket)
		cn_facts_osds_below(f, bucket, &ret->crush);
	for (size_t i = 0; !bucket_is_meant && i < f->osdmap->n_osds; i++)
		if (f->hostnames[i] && strcmp(f->hostnames[i], spec->name) == 0)
			cn_ids_add(&ret->metadata, f->osdmap->osds[i].id);
	if (!ret->crush.n && !ret->metadata.n)
		return no_such_name(f, spec, err);
	if (bucket_is_meant)
		return 0;
	if (!ret->crush.n)
		add_silent_neighbours(f, ret);
	else if (ret->metadata.n && !sources_agree(f, ret))
		return ambiguous_name(spec, &ret->crush, &ret->metadata, err);
	else if (!ret->metadata.n && on_several_machines(f, &ret->crush))
		return ambiguous_bucket(f, spec, &ret->crush, err);
	return 0;
}

int cn_resolve(const struct cn_facts *f, const struct cn_spec *spec, struct cn_found *ret, struct cn_error *err)
{
	struct cn_found found = {};
	int r = 0;

	switch (spec->kind) {
	case CN_SPEC_OSD:
		if (cn_osdmap_osd(f->osdmap, spec->osd))
			cn_ids_add(&found.all, spec->osd);
		else
			r = cn_error_set(err, CN_NOT_FOUND, ENOENT, "%s does not exist", spec->name);
		break;
	case CN_SPEC_IP:
		r = by_address(f, spec, &found, err);
		break;
	case CN_SPEC_KUBE:
		break;
	default:
		r = by_name(f, spec, &found, err);
	}
	if (r < 0) {
		cn_found_release(&found);
		return r;
	}
	cn_ids_add_all(&found.all, &found.address);
	cn_ids_add_all(&found.all, &found.crush);
	cn_ids_add_all(&found.all, &found.metadata);
	*ret = found;
	return 0;
}

void cn_found_release(struct cn_found *f)
{
	cn_ids_release(&f->all);
	cn_ids_release(&f->address);
	cn_ids_release(&f->crush);
	cn_ids_release(&f->metadata);
	cn_ids_release(&f->kube);
	free(f->pods);
	cn_strv_release(&f->notes);
	*f = (struct cn_found){};
}
