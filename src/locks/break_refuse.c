/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything that speaks against it, before anything is changed. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cephnode/base/log.h"
#include "cephnode/base/text.h"
#include "cephnode/cluster/commands.h"
#include "locks/break.h"

static int refuse(const struct cn_breaking *t, struct cn_error *err, const char *why)
{
	_cleanup_free_ char *text = cn_target_text(t->lock);

	return cn_error_set(err, CN_REFUSED, EBUSY, "%s: %s", text, why);
}

static bool is_own(const struct cn_break_run *run, const struct cn_lock *l)
{
	struct cn_cluster *c = run->b->cluster;
	_cleanup_free_ char *client = cn_asprintf("client.%" PRIu64, c->ops->instance_id(c));

	if (strcmp(client, l->locker->client) == 0)
		return true;
	for (size_t i = 0; i < run->n_own; i++)
		if (l->addressed && cn_client_addr_equal(&run->own[i], &l->addr))
			return true;
	return false;
}

static int refuse_state(const struct cn_break_run *run, const struct cn_breaking *t, struct cn_error *err)
{
	const struct cn_break_options *o = run->b->options;
	const struct cn_lock *l = t->lock;
	int r;

	if (is_own(run, l))
		return refuse(t, err, "it is this very client");
	if (l->state == CN_LOCK_UNKNOWN) {
		r = refuse(t, err, "what its locker does could not be found out");
		cn_error_hint(err, "'cephnode locks list' says what could not be read; --force does not help here");
		return r;
	}
	if (l->state == CN_LOCK_ALIVE && !o->force) {
		r = refuse(t, err, "its locker is alive");
		cn_error_hint(err, "stop the client; --force fences it, and whatever else it has locked, while it runs");
		return r;
	}
	if (l->state == CN_LOCK_IN_USE && !o->force) {
		r = refuse(t, err, "the image is in use by others");
		cn_error_hint(err, "'cephnode locks list -v' shows who watches it; --force fences them, too");
		return r;
	}
	if (l->kind != CN_LOCK_AUTO && !o->fence_host && !o->no_fence) {
		r = refuse(t, err, "it is advisory: who writes is not known, and may only be asleep");
		cn_error_hint(
			err,
			"--fence-host fences every client of its host; --no-fence --node-is-powered-off if it cannot write any "
			"more");
		return r;
	}
	return 0;
}

/* A call that cannot succeed tells whether the key may break locks at all, before anybody is fenced for nothing. */
static int try_break(struct cn_break_run *run, const struct cn_breaking *t, struct cn_error *err)
{
	struct cn_cluster *c = run->b->cluster;
	struct cn_object o = cn_lock_object(t->lock->image);
	_cleanup_free_ char *header = cn_lock_header(t->lock->image->id);
	_cleanup_free_ char *client = cn_asprintf("client.%" PRIu64, c->ops->instance_id(c));
	int r;

	o.oid = header;
	r = c->ops->break_lock(c, &o, CN_LOCK_NAME, client, "cephnode: may this key break locks?");
	if (r == 0 || r == -ENOENT)
		return 0;
	if (r == -EPERM || r == -EACCES) {
		cn_error_set(err, CN_REFUSED, r, "%s may not break locks in pool %s", c->entity, t->lock->image->pool);
		cn_break_caps_hint(run, err);
		return r;
	}
	return cn_error_set(err, r == -ETIMEDOUT ? CN_TIMEOUT : CN_FAILED, r, "cannot ask about the lock on %s: %s", header,
			    strerror(-r));
}

/* --- who is to be fenced --- */

static void add_fence(struct cn_break_run *run, struct cn_client_addr a)
{
	for (size_t i = 0; i < run->n_fences; i++)
		if (cn_client_addr_equal(&run->fences[i].addr, &a))
			return;
	run->fences = cn_realloc(run->fences, run->n_fences + 1, sizeof(*run->fences));
	run->fences[run->n_fences++] = (struct cn_fencing){.addr = a};
}

static int plan_fences(struct cn_break_run *run, const struct cn_breaking *t, struct cn_error *err)
{
	const struct cn_watchers *w = &t->lock->image->watchers;
	struct cn_client_addr a = t->lock->addr;

	if (run->b->options->fence_host)
		a.port = 0, a.nonce = 0;
	add_fence(run, a);
	for (size_t i = 0; i < w->n; i++) { /* only --force comes here with watchers */
		if (!cn_client_addr_parse(w->v[i].address, &a))
			return refuse(t, err, "the address of a watcher cannot be read");
		add_fence(run, a);
	}
	return 0;
}

/* "mon.a", "osd.3", ... that lives on the address, to be freed; NULL: none. */
static int daemon_at(struct cn_break_run *run, const struct cn_ip *ip, char **ret, struct cn_error *err)
{
	static const struct {
		const char *type;
		int (*get)(struct cn_cluster *, json_t **, struct cn_error *);
	} lists[] = {{"mon", cn_mon_dump}, {"mgr", cn_mgr_metadata}};

	*ret = NULL;
	for (size_t i = 0; i < run->list.map.n_osds && !*ret; i++)
		if (cn_osd_addresses_have(&run->list.map.osds[i].at, ip))
			*ret = cn_asprintf("osd.%d", run->list.map.osds[i].id);
	for (size_t i = 0; i < ARRAY_SIZE(lists) && !*ret; i++) {
		_cleanup_json_ json_t *reply = NULL;
		const json_t *j;
		size_t k;
		int r = lists[i].get(run->b->cluster, &reply, err);

		if (r < 0)
			return r;
		json_array_foreach (json_is_array(reply) ? reply : cn_json_arr(reply, "mons"), k, j) {
			const char *text = cn_json_str(j, "addr", cn_json_str(j, "public_addr", NULL));
			struct cn_ip at;

			if (!*ret && (cn_ip_parse_entity(text, &at) || cn_ip_parse(text, &at)) && cn_ip_equal(&at, ip))
				*ret = cn_asprintf("%s.%s", lists[i].type, cn_json_str(j, "name", "?"));
		}
	}
	return 0;
}

static int check_host(struct cn_break_run *run, const struct cn_client_addr *a, struct cn_error *err)
{
	_cleanup_free_ char *daemon = NULL;
	_cleanup_error_ struct cn_error e = {0};
	char ip[CN_IP_STRLEN];
	int r;

	if (run->b->options->force)
		return 0;
	r = daemon_at(run, &a->ip, &daemon, &e);
	if (r < 0) {
		cn_error_set(err, CN_REFUSED, r, "whether a mon or mgr would be hit by a fence of the host %s is not known: %s",
			     cn_ip_format(&a->ip, ip), e.message);
		cn_error_hint(err, "%s needs mon 'profile rbd-read-only, allow r' for --fence-host; or --force",
			      run->b->cluster->entity);
	} else if (daemon) {
		cn_error_set(err, CN_REFUSED, EBUSY, "a fence of the host %s would hit %s", cn_ip_format(&a->ip, ip), daemon);
		cn_error_hint(err, "it is a daemon of the cluster; --force fences its host all the same");
	}
	return err->code ? -err->errnum : 0;
}

static int check_fence(struct cn_break_run *run, struct cn_fencing *f, struct cn_error *err)
{
	_cleanup_free_ char *text = cn_client_addr_text(&f->addr), *until = NULL;

	for (size_t i = 0; i < run->n_own; i++) {
		if (cn_client_addr_equal(&run->own[i], &f->addr) ||
		    (cn_client_addr_is_host(&f->addr) && cn_ip_equal(&run->own[i].ip, &f->addr.ip)))
			return cn_error_set(err, CN_REFUSED, EBUSY, "the fence of %s would hit this very client", text);
	}
	f->until_ms = cn_fence_until(&run->list.map, &f->addr, cn_client_addr_is_host(&f->addr));
	if (f->until_ms && !cn_break_long_enough(run, f->until_ms) && !cn_break_short_wait(run, f->until_ms)) {
		until = cn_time_format(f->until_ms);
		cn_error_set(err, CN_REFUSED, EBUSY, "%s is fenced already, but only until %s, and Ceph does not prolong a fence",
			     text, until);
		cn_error_hint(
			err,
			"wait until it ends; or --fence-host; or, if the client sleeps for less than that for certain, a "
			"--fence-for that fits; lifting it by hand would let the client write to images it has lost already");
		return -EBUSY;
	}
	return cn_client_addr_is_host(&f->addr) ? check_host(run, &f->addr, err) : 0;
}

int cn_break_refuse(struct cn_break_run *run, struct cn_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < run->n_targets; i++)
		r = refuse_state(run, &run->targets[i], err);
	for (size_t i = 0; r == 0 && !run->b->options->no_fence && i < run->n_targets; i++)
		r = plan_fences(run, &run->targets[i], err);
	for (size_t i = 0; r == 0 && i < run->n_fences; i++)
		r = check_fence(run, &run->fences[i], err);
	for (size_t i = 0; r == 0 && !run->b->options->dry_run && i < run->n_targets; i++)
		r = try_break(run, &run->targets[i], err);
	return r;
}

/* --- the question --- */

#define LINES_SHOWN 20

static void print_locks(FILE *f, const struct cn_lock_list *list, size_t n)
{
	size_t shown = 0;

	for (size_t i = 0; i < list->n_locks; i++) {
		_cleanup_free_ char *text = NULL, *safe = NULL;

		if (!list->locks[i].chosen)
			continue;
		if (shown++ == LINES_SHOWN) {
			fprintf(f, "  ... and %zu more\n", n - LINES_SHOWN);
			return;
		}
		text = cn_target_text(&list->locks[i]);
		safe = cn_text_safe(text);
		fprintf(f, "  %s: %s%s%s\n", safe, cn_lock_state_name(list->locks[i].state),
			list->locks[i].image->features & CN_RBD_JOURNALING ? ", journaling" : "",
			list->locks[i].image->mirrored ? ", mirrored" : "");
	}
}

char *cn_break_question(const struct cn_break_run *run)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		abort(); /* out of memory, as in base */
	fprintf(f, "This breaks:\n");
	print_locks(f, &run->list, run->n_targets);
	for (size_t i = 0; i < run->n_fences; i++) {
		_cleanup_free_ char *a = cn_client_addr_text(&run->fences[i].addr);

		fprintf(f, "%s\n  %s%s\n", i ? "" : "It fences, so that no write of these reaches the cluster any more:", a,
			cn_client_addr_is_host(&run->fences[i].addr) ? " (every client of this host)" : "");
	}
	if (run->n_fences == 0)
		fprintf(f, "It fences nobody: if the node is not powered off, data will be lost.\n");
	if (run->n_others > 0 && run->n_fences > 0) {
		fprintf(f, "Hit as well, for they share %s:\n", run->b->options->fence_host ? "the host" : "the address");
		print_locks(f, &run->others, run->n_others);
	}
	if (run->others_incomplete)
		fprintf(f, "Not all images could be looked at: there may be more that share the address.\n");
	if (fclose(f) != 0)
		abort();
	return text;
}
