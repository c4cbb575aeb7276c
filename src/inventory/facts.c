/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the cluster says, asked for side by side. */
#include <errno.h>
#include <string.h>

#include "cephnode/base/interrupt.h"
#include "cephnode/base/parallel.h"
#include "inventory/internal.h"

/* An OSD's metadata is 2 kB of JSON: from this many OSDs on it is asked for one by one where the few OSDs are known. */
#define ALL_METADATA_BELOW 1000
#define LOOKUP_THREADS 8

struct maps {
	struct cn_cluster *c;
	struct cn_inventory *inv;
	struct cn_facts *f;
	bool names; /* a plain name was given */
	struct cn_error err[2];
	int r[2];
};

/* A plain name needs the host names of a small cluster in any case: they are asked for while the CRUSH map is still on its way.
 */
static void get_map(void *arg, size_t i)
{
	struct maps *m = arg;

	if (i == 1) {
		m->r[1] = cn_crush_get(m->c, &m->inv->crush, &m->err[1]);
		if (m->r[1] < 0)
			cn_error_wrap(&m->err[1], "cannot read the CRUSH map");
		return;
	}
	m->r[0] = cn_osdmap_get(m->c, &m->inv->osdmap, &m->err[0]);
	if (m->r[0] < 0) {
		cn_error_wrap(&m->err[0], "cannot read the OSD map");
	} else if (m->names && m->inv->osdmap.n_osds < ALL_METADATA_BELOW) {
		m->r[0] = cn_osd_metadata(m->c, -1, &m->f->metadata, &m->err[0]);
		if (m->r[0] < 0)
			cn_error_wrap(&m->err[0], "cannot read the host names of the OSDs");
	}
}

int cn_facts_get(struct cn_cluster *c, struct cn_inventory *inv, const struct cn_spec *specs, size_t n, struct cn_facts *ret,
		 struct cn_error *err)
{
	struct maps m = {.c = c, .inv = inv, .f = ret};
	int r = 0;

	for (size_t i = 0; i < n; i++)
		m.names = m.names || specs[i].kind == CN_SPEC_NAME;
	cn_parallel(2, 2, get_map, &m);
	for (size_t i = 0; i < 2; i++) {
		if (m.r[i] < 0 && r == 0) {
			r = m.r[i];
			cn_error_move(err, &m.err[i]);
		}
		cn_error_release(&m.err[i]);
	}
	if (r < 0)
		return r;
	if (cn_interrupted())
		return cn_error_interrupted(err);
	ret->osdmap = &inv->osdmap;
	ret->crush = &inv->crush;
	ret->hostnames = cn_calloc(inv->osdmap.n_osds, sizeof(*ret->hostnames));
	return 0;
}

static void set_hostname(struct cn_facts *f, int id, const json_t *metadata)
{
	const struct cn_osd *osd = cn_osdmap_osd(f->osdmap, id);
	const char *name = cn_json_str(metadata, "hostname", NULL);
	size_t i;

	if (!osd || !name || !*name)
		return;
	i = (size_t)(osd - f->osdmap->osds);
	free(f->hostnames[i]);
	f->hostnames[i] = cn_strdup(name);
}

int cn_facts_all_hostnames(struct cn_cluster *c, struct cn_facts *f, struct cn_error *err)
{
	json_t *one;
	size_t i;
	int r = f->metadata ? 0 : cn_osd_metadata(c, -1, &f->metadata, err);

	if (r < 0) {
		cn_error_wrap(err, "cannot read the host names of the OSDs");
		return r;
	}
	json_array_foreach (f->metadata, i, one)
		set_hostname(f, (int)cn_json_int(one, "id", -1), one);
	return 0;
}

struct some {
	struct cn_cluster *c;
	const struct cn_ids *ids;
	json_t **metadata;
	struct cn_error *err;
	int *r;
};

static void get_metadata(void *arg, size_t i)
{
	struct some *s = arg;

	s->r[i] = cn_osd_metadata(s->c, s->ids->v[i], &s->metadata[i], &s->err[i]);
}

int cn_facts_some_hostnames(struct cn_cluster *c, struct cn_facts *f, const struct cn_ids *ids, struct cn_error *err)
{
	struct some s = {.c = c, .ids = ids};
	int r = 0;

	s.metadata = cn_calloc(ids->n, sizeof(*s.metadata));
	s.err = cn_calloc(ids->n, sizeof(*s.err));
	s.r = cn_calloc(ids->n, sizeof(*s.r));
	cn_parallel(ids->n, LOOKUP_THREADS, get_metadata, &s);
	for (size_t i = 0; i < ids->n; i++) {
		/* -ENOENT: never started (asked for one by one the mon has no object with just the id, as it has in the list). */
		if (s.r[i] < 0 && s.r[i] != -ENOENT && r == 0) {
			r = s.r[i];
			cn_error_wrap(&s.err[i], "cannot read the host name of osd.%d", ids->v[i]);
			cn_error_move(err, &s.err[i]);
		}
		if (s.r[i] == 0)
			set_hostname(f, ids->v[i], s.metadata[i]);
		json_decref(s.metadata[i]);
		cn_error_release(&s.err[i]);
	}
	free(s.metadata);
	free(s.err);
	free(s.r);
	return r;
}

int cn_facts_hostnames(struct cn_cluster *c, struct cn_facts *f, const struct cn_spec *specs, size_t n, struct cn_error *err)
{
	bool small = f->osdmap->n_osds < ALL_METADATA_BELOW;
	struct cn_ids some = {};
	bool all = false;
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		const struct cn_bucket *bucket;

		if (specs[i].kind != CN_SPEC_NAME && specs[i].kind != CN_SPEC_HOST)
			continue;
		bucket = cn_facts_bucket(f, specs[i].name);
		if (bucket && specs[i].kind == CN_SPEC_HOST)
			continue;
		if (bucket && !small)
			cn_facts_osds_below(f, bucket, &some);
		all = all || !bucket || small;
	}
	if (all)
		r = cn_facts_all_hostnames(c, f, err);
	else if (some.n)
		r = cn_facts_some_hostnames(c, f, &some, err);
	cn_ids_release(&some);
	return r;
}

void cn_inventory_hostnames_free(char **names, const struct cn_osdmap *m)
{
	for (size_t i = 0; names && i < m->n_osds; i++)
		free(names[i]);
	free(names);
}

void cn_facts_release(struct cn_facts *f)
{
	cn_inventory_hostnames_free(f->hostnames, f->osdmap);
	json_decref(f->metadata);
	*f = (struct cn_facts){};
}

const char *cn_facts_hostname(const struct cn_facts *f, int osd)
{
	const struct cn_osd *o = cn_osdmap_osd(f->osdmap, osd);

	return o && f->hostnames ? f->hostnames[o - f->osdmap->osds] : NULL;
}

const struct cn_bucket *cn_facts_bucket(const struct cn_facts *f, const char *name)
{
	const struct cn_bucket *b = cn_crush_bucket(f->crush, name);

	return b && strcmp(b->type, "host") == 0 ? b : NULL;
}

void cn_facts_osds_below(const struct cn_facts *f, const struct cn_bucket *b, struct cn_ids *ret)
{
	struct cn_ids below = {};

	cn_crush_osds_below(f->crush, b->id, &below);
	for (size_t i = 0; i < below.n; i++)
		if (cn_osdmap_osd(f->osdmap, below.v[i]))
			cn_ids_add(ret, below.v[i]);
	cn_ids_release(&below);
}
