/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/drain/lease.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cephnode/base/log.h"

#define LOCK_OBJECT "cephnode.lock"
#define LOCK_NAMESPACE "cephnode"
#define RETRY_MS 500

struct cn_lease {
	struct cn_cluster *cluster;
	struct cn_clock *clock;
	struct cn_object object;
	char *pool, *name, *cookie;
	bool decision;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool stop, lost, settled;
	int64_t renewed_ms; /* CLOCK_BOOTTIME just before the renewal that succeeded was sent */
};

/* --- which pool ------------------------------------------------------------------------------------------------------- */

static bool pg_is_active(struct cn_cluster *c, const struct cn_pool *pool)
{
	_cleanup_json_ json_t *reply = NULL;
	struct cn_pgid id;
	struct cn_pg pg = {};
	bool active;

	if (cn_command(c, CN_MON, NULL,
		       json_pack("{ss,ss,ss,ss,ss}", "prefix", "osd map", "pool", pool->name, "object", LOCK_OBJECT, "nspace",
				 LOCK_NAMESPACE, "format", "json"),
		       &reply, NULL) < 0 ||
	    !cn_pgid_parse(cn_json_str(reply, "pgid", NULL), &id) || cn_pg_query(c, id, &pg, NULL, NULL) < 0)
		return false;
	active = cn_pg_state_has(pg.state, "active");
	cn_pg_release(&pg);
	return active;
}

static int choose_pool(struct cn_cluster *c, char **ret, struct cn_error *err)
{
	static const char *const preferred[] = {".mgr", "device_health_metrics"};
	_cleanup_(cn_osdmap_release) struct cn_osdmap m = {};
	int r = cn_osdmap_get(c, &m, err);

	if (r < 0)
		return r;
	for (size_t k = 0; k <= ARRAY_SIZE(preferred); k++)
		for (size_t i = 0; i < m.n_pools; i++) {
			const struct cn_pool *p = &m.pools[i];

			if (p->erasure || (k < ARRAY_SIZE(preferred) && strcmp(p->name, preferred[k]) != 0) ||
			    !pg_is_active(c, p))
				continue;
			*ret = cn_strdup(p->name);
			return 0;
		}
	cn_error_set(err, CN_FAILED, ENOENT, "no replicated pool with an active placement group for the decision lock");
	cn_error_hint(err, "name a pool with --lock-pool");
	return -ENOENT;
}

int cn_lease_pool(struct cn_cluster *c, const char *wanted, char **ret_pool, struct cn_error *err)
{
	_cleanup_free_ char *recorded = NULL;
	int r = cn_config_key_get(c, CN_LOCK_KEY, &recorded, err);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0 && wanted && strcmp(recorded, wanted) != 0) {
		cn_error_set(err, CN_REFUSED, EEXIST, "the decision lock lives in pool '%s', not '%s'", recorded, wanted);
		cn_error_hint(err, "every cephnode must use the same pool; to move it, first end all drains, then: ceph "
				   "config-key rm " CN_LOCK_KEY);
		return -EEXIST;
	}
	if (r == 0 || wanted) {
		*ret_pool = r == 0 ? TAKE_PTR(recorded) : cn_strdup(wanted);
		return 0;
	}
	cn_error_release(err);
	return choose_pool(c, ret_pool, err);
}

/* --- taking ----------------------------------------------------------------------------------------------------------- */

static char *identity(const struct cn_lease *l)
{
	_cleanup_(cn_owner_release) struct cn_owner self = {};
	_cleanup_json_ json_t *j = NULL;

	cn_owner_self(&self);
	self.instance = l->cluster->ops->instance_id(l->cluster);
	j = cn_owner_json(&self);
	json_object_set_new(j, "cookie", json_string(l->cookie));
	return cn_json_dump(j);
}

/* Who the object says holds the decision lock: true when it was not given back. */
static bool read_holder(const struct cn_lease *l, struct cn_owner *ret, char **ret_cookie)
{
	_cleanup_json_ json_t *j = NULL;
	char buf[1024];
	int r = l->cluster->ops->read(l->cluster, &l->object, buf, sizeof(buf));

	if (r == -ENOENT || (r == 0 && !buf[0]))
		return false;
	if (r < 0)
		return true;
	j = cn_json_parse(buf, strlen(buf), NULL);
	if (!j)
		return true; /* somebody's, unreadable: the careful side */
	cn_owner_read(j, ret);
	*ret_cookie = cn_strdup(cn_json_str(j, "cookie", ""));
	return true;
}

static bool is_client(const struct cn_locker *l, const struct cn_owner *o)
{
	char client[32];

	snprintf(client, sizeof(client), "client.%" PRIu64, o->instance);
	return strcmp(l->client, client) == 0;
}

/* Whoever stands in the lock now is a process of this machine that is gone: its lock is broken. True when it was. */
static bool put_dead_aside(struct cn_lease *l, const struct cn_owner *journal_owner)
{
	_cleanup_(cn_lockers_release) struct cn_lockers lockers = {};
	_cleanup_(cn_owner_release) struct cn_owner holder = {};
	_cleanup_free_ char *cookie = NULL;
	const struct cn_owner *who = journal_owner;

	if (l->decision && read_holder(l, &holder, &cookie))
		who = &holder;
	if (!who || !cn_owner_is_dead(who) || l->cluster->ops->lockers(l->cluster, &l->object, l->name, &lockers) < 0 ||
	    lockers.n != 1)
		return false;
	if (!is_client(&lockers.v[0], who) || (cookie && strcmp(lockers.v[0].cookie, cookie) != 0))
		return false; /* it changed hands since the object or the journal was written */
	cn_debug("lock '%s': pid %" PRId64 " on this machine is gone", l->name, who->pid);
	return l->cluster->ops->break_lock(l->cluster, &l->object, l->name, lockers.v[0].client, lockers.v[0].cookie) == 0;
}

static char *describe_holder(struct cn_lease *l, const struct cn_owner *journal_owner)
{
	_cleanup_(cn_owner_release) struct cn_owner holder = {};
	_cleanup_free_ char *cookie = NULL;
	const struct cn_owner *who = journal_owner;

	if (l->decision && read_holder(l, &holder, &cookie))
		who = &holder;
	return who && who->host ? cn_asprintf("cephnode pid %" PRId64 " on %s", who->pid, who->host)
				: cn_strdup("another cephnode");
}

static int send_lock(struct cn_lease *l, bool renew)
{
	int64_t before = cn_clock_boot_ms(l->clock);
	int r = l->cluster->ops->lock(l->cluster, &l->object, l->name, l->cookie, "", CN_LEASE_S, renew);

	if (r == 0)
		l->renewed_ms = before;
	return r;
}

static void *renew_thread(void *arg)
{
	struct cn_lease *l = arg;

	pthread_mutex_lock(&l->mutex);
	while (!l->stop) {
		struct timespec ts;
		int r;

		clock_gettime(CLOCK_MONOTONIC, &ts);
		ts.tv_sec += CN_LEASE_RENEW_MS / 1000;
		if (pthread_cond_timedwait(&l->wake, &l->mutex, &ts) == 0 || l->stop)
			continue;
		pthread_mutex_unlock(&l->mutex);
		int64_t before = cn_clock_boot_ms(l->clock);
		r = l->cluster->ops->lock(l->cluster, &l->object, l->name, l->cookie, "", CN_LEASE_S, true);
		pthread_mutex_lock(&l->mutex);
		if (r == 0)
			l->renewed_ms = before;
		else if (r == -ENOENT || r == -EBUSY || r == -EEXIST)
			l->lost = true;
	}
	pthread_mutex_unlock(&l->mutex);
	return NULL;
}

/* The lock is ours. Was it left behind by someone whose last command may still be on its way? Then wait, then say that it is us.
 */
static int settle(struct cn_lease *l, struct cn_error *err)
{
	_cleanup_(cn_owner_release) struct cn_owner holder = {};
	_cleanup_free_ char *cookie = NULL, *me = NULL;
	int r;

	if (!l->decision)
		return 0;
	if (read_holder(l, &holder, &cookie) && !cn_owner_is_dead(&holder)) {
		cn_note("the decision lock was left behind; waiting %d s before taking it over", CN_LEASE_TAKEOVER_MS / 1000);
		if (cn_clock_wait_ms(l->clock, CN_LEASE_TAKEOVER_MS) < 0)
			return cn_error_interrupted(err);
	}
	me = identity(l);
	r = l->cluster->ops->write(l->cluster, &l->object, me);
	l->settled = r == 0;
	return r < 0 ? cn_error_set(err, CN_FAILED, r, "cannot write the lock object in pool '%s': %s", l->pool, strerror(-r))
		     : 0;
}

static int explain_lock(const struct cn_lease *l, int r, struct cn_error *err)
{
	cn_error_set(err, r == -ETIMEDOUT ? CN_TIMEOUT : CN_FAILED, r, "cannot lock %s/%s/%s: %s", l->pool, LOCK_NAMESPACE,
		     LOCK_OBJECT, strerror(-r));
	if (r == -EPERM || r == -EACCES)
		cn_error_hint(err, "%s needs the cap osd 'allow rwx pool=%s namespace=%s'", l->cluster->entity, l->pool,
			      LOCK_NAMESPACE);
	if (r == -ENOENT)
		cn_error_hint(err, "pool '%s' does not exist; name another with --lock-pool after: ceph config-key rm %s",
			      l->pool, CN_LOCK_KEY);
	return r;
}

static int try_until(struct cn_lease *l, const struct cn_owner *owner, int64_t wait_ms, void (*waiting)(void *, const char *),
		     void *arg, struct cn_error *err)
{
	int64_t start = cn_clock_boot_ms(l->clock), told_minutes = 0;
	_cleanup_free_ char *told = NULL;

	for (;;) {
		_cleanup_free_ char *who = NULL;
		int64_t waited, minutes;
		int r = send_lock(l, false);

		if (r != -EBUSY && r != -EEXIST)
			return r < 0 ? explain_lock(l, r, err) : 0;
		if (put_dead_aside(l, owner))
			continue;
		who = describe_holder(l, owner);
		waited = cn_clock_boot_ms(l->clock) - start;
		minutes = waited / 60000;
		if (waited >= wait_ms)
			return cn_error_set(err, CN_TIMEOUT, EBUSY, "the lock is held by %s", who);
		if (waiting && (!told || strcmp(told, who) != 0 || minutes > told_minutes)) {
			_cleanup_free_ char *words =
				minutes ? cn_asprintf("%s, after %" PRId64 " min of waiting", who, minutes) : cn_strdup(who);

			waiting(arg, words);
			free(told);
			told = TAKE_PTR(who);
			told_minutes = minutes;
		}
		if (cn_clock_wait_ms(l->clock, RETRY_MS) < 0)
			return cn_error_interrupted(err);
	}
}

static void destroy(struct cn_lease *l)
{
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->mutex);
	free(l->pool);
	free(l->name);
	free(l->cookie);
	free(l);
}

int cn_lease_take(struct cn_cluster *c, struct cn_clock *clock, const char *pool, const char *name, const struct cn_owner *owner,
		  int64_t wait_ms, void (*waiting)(void *arg, const char *who), void *arg, struct cn_lease **ret,
		  struct cn_error *err)
{
	struct cn_lease *l = cn_calloc(1, sizeof(*l));
	pthread_condattr_t attr;
	int r;

	*l = (struct cn_lease){.cluster = c, .clock = clock, .pool = cn_strdup(pool), .name = cn_strdup(name)};
	l->decision = strcmp(name, "decision") == 0;
	l->cookie = cn_asprintf("%" PRIu64 ".%" PRId64, c->ops->instance_id(c), cn_clock_boot_ms(clock));
	l->object = (struct cn_object){l->pool, LOCK_NAMESPACE, LOCK_OBJECT};
	pthread_mutex_init(&l->mutex, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->wake, &attr);
	pthread_condattr_destroy(&attr);
	r = try_until(l, owner, wait_ms, waiting, arg, err);
	if (r < 0) {
		destroy(l);
		return r;
	}
	r = -pthread_create(&l->thread, NULL, renew_thread, l);
	if (r < 0) {
		c->ops->unlock(c, &l->object, l->name, l->cookie);
		destroy(l);
		return cn_error_set(err, CN_FAILED, r, "cannot start a thread: %s", strerror(-r));
	}
	r = settle(l, err);
	if (r < 0) {
		cn_lease_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

int cn_lease_may_change(struct cn_lease *l, struct cn_error *err)
{
	int64_t left;
	bool lost;

	pthread_mutex_lock(&l->mutex);
	left = l->renewed_ms + CN_LEASE_S * 1000LL - cn_clock_boot_ms(l->clock);
	lost = l->lost;
	pthread_mutex_unlock(&l->mutex);
	if (!lost && left >= CN_LEASE_NEED_MS)
		return 0;
	return cn_error_set(err, CN_FAILED, ESTALE,
			    "the lock was not renewed in time (this process was stopped, or the cluster did not answer)");
}

void cn_lease_free(struct cn_lease *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->mutex);
	l->stop = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->mutex);
	pthread_join(l->thread, NULL);
	if (l->settled && cn_lease_may_change(l, NULL) == 0)
		l->cluster->ops->write(l->cluster, &l->object, ""); /* given back in order: nobody needs to wait */
	l->cluster->ops->unlock(l->cluster, &l->object, l->name, l->cookie);
	destroy(l);
}

int cn_lease_look(struct cn_cluster *c, const char *pool, const char *name, const struct cn_owner *dead)
{
	_cleanup_(cn_lockers_release) struct cn_lockers lockers = {};
	struct cn_object object = {pool, LOCK_NAMESPACE, LOCK_OBJECT};
	int r = c->ops->lockers(c, &object, name, &lockers);

	for (size_t i = 0; i < lockers.n && r == 0; i++)
		r = !dead || !is_client(&lockers.v[i], dead);
	return r;
}

bool cn_lease_is_held(struct cn_cluster *c, const char *pool, const char *name, const struct cn_owner *dead)
{
	return cn_lease_look(c, pool, name, dead) != 0;
}
