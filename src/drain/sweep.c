/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What removed OSDs leave behind: found, removed, and looked for again. */
#include <errno.h>
#include <string.h>

#include "cephnode/base/log.h"
#include "run.h"

enum leftover_kind { LEFT_CONFIG, LEFT_KEY, LEFT_AUTH, LEFT_NODE_FLAGS, LEFT_BUCKET, LEFT_CRUSH_ITEM };

struct leftover {
	enum leftover_kind kind;
	char *name;  /* config-key, entity, bucket, or who of a config entry */
	char *value; /* option, or flags */
};

struct leftovers {
	struct leftover *v;
	size_t n, cap;
};

static void leftovers_release(struct leftovers *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].name);
		free(l->v[i].value);
	}
	free(l->v);
	*l = (struct leftovers){};
}

static void add(struct leftovers *l, enum leftover_kind kind, const char *name, const char *value)
{
	cn_grow(&l->v, &l->cap, l->n, sizeof(*l->v));
	l->v[l->n++] = (struct leftover){kind, cn_strdup(name), value ? cn_strdup(value) : NULL};
}

static int find_keys(struct cn_run *run, const char *prefix, struct leftovers *l, struct cn_error *err)
{
	_cleanup_json_ json_t *dump = NULL;
	const char *key;
	json_t *v;
	int r = cn_config_key_dump(run->c, prefix, &dump, err);

	json_object_foreach (dump, key, v)
		if (r == 0 && strncmp(key, prefix, strlen(prefix)) == 0)
			add(l, LEFT_KEY, key, NULL);
	return r;
}

static int find_auth(struct cn_run *run, const char *entity, struct leftovers *l, struct cn_error *err)
{
	bool there = false;
	int r = cn_auth_exists(run->c, entity, &there, err);

	if (r == 0 && there)
		add(l, LEFT_AUTH, entity, NULL);
	return r;
}

/* What is named after the id belongs to whoever carries that id now; what is named after the uuid is always ours. */
static int find_of_osd(struct cn_run *run, const struct cn_osdmap *m, const json_t *config, const struct cn_journal_osd *rec,
		       struct leftovers *l, struct cn_error *err)
{
	_cleanup_free_ char *osd = cn_asprintf("osd.%d", rec->id), *lockbox = cn_asprintf("client.osd-lockbox.%s", rec->uuid);
	_cleanup_free_ char *private = cn_asprintf("daemon-private/osd.%d/", rec->id);
	_cleanup_free_ char *luks = cn_asprintf("dm-crypt/osd/%s/", rec->uuid);
	json_t *e;
	size_t i;
	int r = 0;

	if (!cn_osdmap_osd(m, rec->id)) {
		r = find_keys(run, private, l, err);
		if (r == 0)
			r = find_auth(run, osd, l, err);
		json_array_foreach (config, i, e)
			if (strcmp(cn_json_str(e, "section", ""), osd) == 0)
				add(l, LEFT_CONFIG, osd, cn_json_str(e, "name", ""));
		if (json_object_get(m->node_flags, osd))
			add(l, LEFT_NODE_FLAGS, osd, NULL);
	}
	if (r == 0)
		r = find_keys(run, luks, l, err);
	if (r == 0)
		r = find_auth(run, lockbox, l, err);
	return r;
}

static void set_flags_text(struct leftover *left, const json_t *flags)
{
	struct cn_strv names = {};
	json_t *j;
	size_t i;

	json_array_foreach (flags, i, j)
		cn_strv_add(&names, json_string_value(j) ? json_string_value(j) : "");
	free(left->value);
	left->value = cn_strv_join(&names, ",");
	cn_strv_release(&names);
}

/* A host bucket that is empty now was emptied by this drain: it held one of our OSDs when we began. */
static void find_of_hosts(const struct cn_journal *j, const struct cn_osdmap *m, const struct cn_crush *crush,
			  struct leftovers *l)
{
	for (size_t i = 0; i < j->hosts.n; i++) {
		const struct cn_bucket *b = cn_crush_bucket(crush, j->hosts.v[i]);

		if (b && b->n_items == 0) {
			if (json_object_get(m->node_flags, b->name))
				add(l, LEFT_NODE_FLAGS, b->name, NULL);
			add(l, LEFT_BUCKET, b->name, NULL);
		} else if (!b && json_object_get(m->node_flags, j->hosts.v[i])) {
			add(l, LEFT_NODE_FLAGS, j->hosts.v[i], NULL);
		}
	}
}

static int find_all(struct cn_run *run, struct leftovers *l, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	_cleanup_(cn_crush_release) struct cn_crush crush = {};
	_cleanup_json_ json_t *config = NULL;
	int r = cn_osdmap_get(run->c, &m, err);

	if (r == 0)
		r = cn_crush_get(run->c, &crush, err);
	if (r == 0)
		r = cn_config_dump(run->c, &config, err);
	for (size_t i = 0; i < run->n && r == 0; i++) {
		const struct cn_journal *j = &run->drains[i].journal;

		for (size_t k = 0; k < j->n_osds && r == 0; k++) {
			bool found = false;

			r = find_of_osd(run, &m, config, &j->osds[k], l, err);
			cn_crush_weight(&crush, j->osds[k].id, &found);
			if (found && !cn_osdmap_osd(&m, j->osds[k].id)) {
				_cleanup_free_ char *name = cn_asprintf("osd.%d", j->osds[k].id);

				add(l, LEFT_CRUSH_ITEM, name, NULL);
			}
		}
		if (r == 0)
			find_of_hosts(j, &m, &crush, l);
	}
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].kind == LEFT_NODE_FLAGS)
			set_flags_text(&l->v[i], json_object_get(m.node_flags, l->v[i].name));
	return r;
}

static char *describe(const struct leftover *left)
{
	switch (left->kind) {
	case LEFT_CONFIG:
		return cn_asprintf("config %s %s", left->name, left->value);
	case LEFT_KEY:
		return cn_asprintf("config-key %s", left->name);
	case LEFT_AUTH:
		return cn_asprintf("auth %s", left->name);
	case LEFT_NODE_FLAGS:
		return cn_asprintf("flags %s of %s", left->value, left->name);
	case LEFT_BUCKET:
		return cn_asprintf("CRUSH host %s", left->name);
	default:
		return cn_asprintf("CRUSH item %s", left->name);
	}
}

static int remove_one(struct cn_run *run, const struct leftover *left, struct cn_error *err)
{
	int r = cn_gate(run, false, err);

	if (r < 0)
		return r;
	switch (left->kind) {
	case LEFT_CONFIG:
		return cn_config_rm(run->c, left->name, left->value, err);
	case LEFT_KEY:
		return cn_config_key_rm(run->c, left->name, err);
	case LEFT_AUTH:
		return cn_auth_del(run->c, left->name, err);
	case LEFT_NODE_FLAGS:
		return cn_osd_unset_group(run->c, left->value, left->name, err);
	default:
		r = cn_crush_rm(run->c, left->name, err);
		if (r == -ENOTEMPTY) { /* an OSD has just been put there: then the bucket is in use */
			cn_error_release(err);
			r = 0;
		}
		return r;
	}
}

int cn_step_sweep(struct cn_run *run, struct cn_error *err)
{
	_cleanup_(leftovers_release) struct leftovers l = {};
	_cleanup_(cn_strv_release) struct cn_strv removed = {};
	int r;

	cn_step_begin(run, "sweep");
	r = cn_save_all(run, CN_PHASE_SWEEP, err);
	if (r == 0)
		r = find_all(run, &l, err);
	for (size_t i = 0; i < l.n && r == 0; i++) {
		_cleanup_free_ char *text = describe(&l.v[i]);

		r = remove_one(run, &l.v[i], err);
		if (r == 0)
			cn_strv_add(&removed, text);
	}
	if (r < 0)
		return cn_error_wrap(err, "cannot remove what the OSDs left behind");
	cn_step_end(run, "sweep", json_pack("{so}", "removed", cn_json_strv(&removed)));
	return 0;
}

/* A pod or an operator may have made a new OSD on the node meanwhile: it is not ours to remove, and must not go unnoticed. */
static int find_new_osds(struct cn_run *run, struct cn_strv *ret, struct cn_error *err)
{
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	_cleanup_(cn_crush_release) struct cn_crush crush = {};
	_cleanup_(cn_ids_release) struct cn_ids old = {};
	int r = cn_osdmap_get(run->c, &m, err);

	if (r == 0)
		r = cn_crush_get(run->c, &crush, err);
	if (r < 0)
		return r;
	cn_run_osds(run, &m, &old);
	for (size_t i = 0; i < old.n; i++)
		cn_strv_addf(ret, "osd.%d is still in the OSD map", old.v[i]);
	for (size_t i = 0; i < m.n_osds; i++) {
		const struct cn_bucket *host = cn_crush_host(&crush, m.osds[i].id);

		for (size_t k = 0; k < run->n && host; k++)
			if (!cn_ids_has(&old, m.osds[i].id) && cn_strv_has(&run->drains[k].journal.whole_hosts, host->name))
				cn_strv_addf(ret, "osd.%d stands under %s: it was not part of this drain", m.osds[i].id,
					     host->name);
	}
	return 0;
}

int cn_step_audit(struct cn_run *run, struct cn_error *err)
{
	static const char *const looked_for[] = {
		"OSD map",       "CRUSH items",         "empty CRUSH hosts", "auth keys",          "lockbox keys",
		"dm-crypt keys", "daemon-private keys", "config entries",    "host and OSD flags", "new OSDs on the node"};
	_cleanup_(leftovers_release) struct leftovers l = {};
	_cleanup_(cn_strv_release) struct cn_strv looked = {};
	_cleanup_free_ char *line = NULL, *osds = NULL;
	_cleanup_(cn_ids_release) struct cn_ids ids = {};
	int r;

	cn_step_begin(run, "audit");
	r = cn_save_all(run, CN_PHASE_AUDIT, err);
	if (r == 0)
		r = find_all(run, &l, err);
	cn_strv_release(&run->leftovers);
	for (size_t i = 0; i < l.n && r == 0; i++) {
		_cleanup_free_ char *text = describe(&l.v[i]);

		cn_strv_add(&run->leftovers, text);
	}
	if (r == 0)
		r = find_new_osds(run, &run->leftovers, err);
	if (r == 0)
		r = cn_stop_audit(run, &run->leftovers, err);
	if (r < 0)
		return cn_error_wrap(err, "cannot audit");
	for (size_t i = 0; i < ARRAY_SIZE(looked_for); i++)
		cn_strv_add(&looked, looked_for[i]);
	for (size_t i = 0; i < run->n; i++)
		for (size_t k = 0; k < run->drains[i].journal.n_osds; k++)
			cn_ids_add(&ids, run->drains[i].journal.osds[k].id);
	osds = cn_ids_format(&ids, "osd.", ", ");
	line = cn_asprintf("cephnode: drained and removed %s (%s)", run->node, osds);
	if (cn_log_line(run->c, line, err) < 0) { /* a missing cap must not keep a finished drain from ending */
		cn_run_warning(run, "no line in the cluster's audit log: %s", err->message);
		cn_error_release(err);
	}
	for (size_t i = 0; i < run->leftovers.n; i++)
		cn_run_warning(run, "left: %s", run->leftovers.v[i]);
	cn_step_end(run, "audit",
		    json_pack("{so,so}", "looked_for", cn_json_strv(&looked), "found", cn_json_strv(&run->leftovers)));
	return 0;
}
