/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* struct cn_cluster_ops over librados. */
#include <errno.h>
#include <pthread.h>
#include <rados/librados.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cluster/rados_impl.h"
#include "manager.h"

/* The thread that waits for the newest OSD map. */
struct map_waiter {
	rados_t rados;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	pthread_t thread;
	bool running, stop;
	uint64_t asked, answered; /* numbers of the questions */
	int result;
	unsigned seconds; /* limit of who waits; 0: none */
};

struct rados_context {
	struct rados_context *next;
	int64_t pool_id; /* 0: by name */
	char *pool, *ns;
	rados_ioctx_t io;
};

struct rados_cluster {
	struct cn_cluster base; /* first */
	rados_t rados;
	struct map_waiter map;
	struct cn_cluster_config config; /* its strings are the caller's, or the words' */
	struct cn_strv words;            /* of CEPH_ARGS */
	struct cn_manager *manager;      /* NULL: the connection above does */
	pthread_mutex_t contexts_lock;
	struct rados_context *contexts; /* every pool and namespace used so far */
};

static struct rados_cluster *impl(struct cn_cluster *c)
{
	return (struct rados_cluster *)c;
}

/* librados' buffers are not NUL-terminated and have a free of their own. */
static char *take_buffer(char *buf, size_t len)
{
	char *s = cn_malloc(len + 1);

	if (len)
		memcpy(s, buf, len);
	s[len] = '\0';
	if (buf)
		rados_buffer_free(buf);
	return s;
}

/* One thread for all: who asks while it waits for a monitor gets the answer of its next round, which began after the question. */
static void *map_thread(void *arg)
{
	struct map_waiter *w = arg;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		uint64_t asked = w->asked;
		int r;

		if (w->stop)
			break;
		if (asked == w->answered) {
			pthread_cond_wait(&w->changed, &w->lock);
			continue;
		}
		pthread_mutex_unlock(&w->lock);
		r = rados_wait_for_latest_osdmap(w->rados);
		pthread_mutex_lock(&w->lock);
		w->answered = asked;
		w->result = r;
		pthread_cond_broadcast(&w->changed);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* rados_wait_for_latest_osdmap() with a time limit: by itself it waits for a quorum for ever. */
static int wait_for_map(struct map_waiter *w)
{
	struct timespec end;
	uint64_t mine;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	pthread_mutex_lock(&w->lock);
	end.tv_sec += w->seconds ? w->seconds : 1 << 30;
	mine = ++w->asked;
	if (!w->running) {
		r = -pthread_create(&w->thread, NULL, map_thread, w);
		w->running = r == 0;
	}
	pthread_cond_broadcast(&w->changed);
	while (r == 0 && w->answered < mine)
		r = -pthread_cond_timedwait(&w->changed, &w->lock, &end);
	if (r == 0)
		r = w->result;
	pthread_mutex_unlock(&w->lock);
	return r;
}

static void map_waiter_init(struct map_waiter *w, rados_t rados, unsigned seconds)
{
	pthread_condattr_t attr;

	*w = (struct map_waiter){.rados = rados, .seconds = seconds};
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->changed, &attr);
	pthread_condattr_destroy(&attr);
}

/* False: the thread still waits for a monitor. */
static bool map_waiter_end(struct map_waiter *w)
{
	struct timespec end;

	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec++;
	if (w->running && pthread_timedjoin_np(w->thread, NULL, &end) != 0)
		return false;
	w->running = false;
	return true;
}

static int rados_command(struct cn_cluster *c, enum cn_target target, const char *pgid, const char *cmd, char **ret_out,
			 size_t *ret_len, char **ret_status)
{
	rados_t r = impl(c)->rados;
	const char *cmds[] = {cmd};
	char *out = NULL, *status = NULL;
	size_t out_len = 0, status_len = 0;
	int ret;

	switch (target) {
	case CN_MON:
		ret = rados_mon_command(r, cmds, 1, NULL, 0, &out, &out_len, &status, &status_len);
		break;
	case CN_MGR:
		if (impl(c)->manager)
			ret = cn_manager_command(impl(c)->manager, cmd, &out, &out_len, &status, &status_len);
		else
			ret = rados_mgr_command(r, cmds, 1, NULL, 0, &out, &out_len, &status, &status_len);
		ret = ret == ETIMEDOUT ? -ETIMEDOUT : ret; /* librados forgets the sign */
		break;
	default:
		/* with an older map than the cluster's librados looks for a primary that may be purged by now, and has aborted
		 * over it */
		ret = wait_for_map(&impl(c)->map);
		if (ret == 0)
			ret = rados_pg_command(r, pgid, cmds, 1, NULL, 0, &out, &out_len, &status, &status_len);
	}
	*ret_out = take_buffer(out, out_len);
	*ret_len = out_len;
	*ret_status = take_buffer(status, status_len);
	return ret > 0 ? 0 : ret;
}

/* Kept until the end: another thread may be in the middle of a call with any of them. */
int cn_rados_ioctx(struct cn_cluster *c, const struct cn_object *o, rados_ioctx_t *ret)
{
	struct rados_cluster *rc = impl(c);
	const char *pool = o->pool ? o->pool : "", *ns = o->ns ? o->ns : "";
	struct rados_context *x;
	int r = 0;

	pthread_mutex_lock(&rc->contexts_lock);
	for (x = rc->contexts; x; x = x->next)
		if (x->pool_id == o->pool_id && strcmp(x->ns, ns) == 0 && (o->pool_id > 0 || strcmp(x->pool, pool) == 0))
			break;
	if (!x) {
		rados_ioctx_t io;

		r = o->pool_id > 0 ? rados_ioctx_create2(rc->rados, o->pool_id, &io) : rados_ioctx_create(rc->rados, pool, &io);
		if (r == 0) {
			rados_ioctx_set_namespace(io, ns);
			x = cn_calloc(1, sizeof(*x));
			*x = (struct rados_context){rc->contexts, o->pool_id, cn_strdup(pool), cn_strdup(ns), io};
			rc->contexts = x;
		}
	}
	if (r == 0)
		*ret = x->io;
	pthread_mutex_unlock(&rc->contexts_lock);
	return r;
}

static int rados_lock(struct cn_cluster *c, const struct cn_object *o, const char *name, const char *cookie,
		      const char *description, unsigned seconds, bool renew)
{
	struct timeval tv = {.tv_sec = seconds};
	rados_ioctx_t io;
	int r = cn_rados_ioctx(c, o, &io);

	return r ? r
		 : rados_lock_exclusive(io, o->oid, name, cookie, description, seconds ? &tv : NULL,
					renew ? LIBRADOS_LOCK_FLAG_MUST_RENEW : 0);
}

static int rados_unlock_object(struct cn_cluster *c, const struct cn_object *o, const char *name, const char *cookie)
{
	rados_ioctx_t io;
	int r = cn_rados_ioctx(c, o, &io);

	return r ? r : rados_unlock(io, o->oid, name, cookie);
}

static int rados_break(struct cn_cluster *c, const struct cn_object *o, const char *name, const char *client, const char *cookie)
{
	rados_ioctx_t io;
	int r = cn_rados_ioctx(c, o, &io);

	return r ? r : rados_break_lock(io, o->oid, name, client, cookie);
}

static int rados_write_text(struct cn_cluster *c, const struct cn_object *o, const char *text)
{
	rados_ioctx_t io;
	int r = cn_rados_ioctx(c, o, &io);

	return r ? r : rados_write_full(io, o->oid, text, strlen(text));
}

static int rados_read_text(struct cn_cluster *c, const struct cn_object *o, char *buf, size_t size)
{
	rados_ioctx_t io;
	int r = cn_rados_ioctx(c, o, &io);

	if (r)
		return r;
	r = rados_read(io, o->oid, buf, size - 1, 0);
	if (r < 0)
		return r;
	buf[r] = '\0';
	return 0;
}

static uint64_t rados_instance(struct cn_cluster *c)
{
	return rados_get_instance_id(impl(c)->rados);
}

static int rados_latest_map(struct cn_cluster *c)
{
	return wait_for_map(&impl(c)->map);
}

static int rados_address(struct cn_cluster *c, char **ret)
{
	char *text = NULL;
	int r = rados_getaddrs(impl(c)->rados, &text);

	if (r == 0)
		*ret = cn_strdup(text);
	free(text);
	return r;
}

static int rados_option(struct cn_cluster *c, const char *name, char **ret)
{
	char text[4096];
	int r = rados_conf_get(impl(c)->rados, name, text, sizeof(text));

	if (r == 0)
		*ret = cn_strdup(text);
	return r;
}

/* librados reads rados_mon_op_timeout anew for each command. */
static void rados_set_timeout(struct cn_cluster *c, unsigned seconds)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", seconds);
	rados_conf_set(impl(c)->rados, "rados_mon_op_timeout", text);
	if (impl(c)->manager)
		cn_manager_limit(impl(c)->manager, seconds);
	pthread_mutex_lock(&impl(c)->map.lock);
	impl(c)->map.seconds = seconds;
	pthread_mutex_unlock(&impl(c)->map.lock);
}

static void rados_close(struct cn_cluster *c)
{
	struct rados_cluster *rc = impl(c);
	bool ended = map_waiter_end(&rc->map);

	while (rc->contexts) {
		struct rados_context *x = rc->contexts;

		rc->contexts = x->next;
		rados_ioctx_destroy(x->io);
		free(x->pool);
		free(x->ns);
		free(x);
	}
	if (rc->manager)
		cn_manager_free(rc->manager);
	rados_shutdown(rc->rados);               /* without it the library's threads have aborted the process at exit */
	if (!ended && !map_waiter_end(&rc->map)) /* the shutdown ends its wait */
		return;
	pthread_cond_destroy(&rc->map.changed);
	pthread_mutex_destroy(&rc->map.lock);
	pthread_mutex_destroy(&rc->contexts_lock);
	cn_strv_release(&rc->words);
	free(rc->base.entity);
	free(rc);
}

static const struct cn_cluster_ops rados_ops = {
	.command = rados_command,
	.lock = rados_lock,
	.unlock = rados_unlock_object,
	.lockers = cn_rados_lockers,
	.break_lock = rados_break,
	.write = rados_write_text,
	.read = rados_read_text,
	.read_many = cn_rados_read_many,
	.omap = cn_rados_omap,
	.watchers = cn_rbd_watchers,
	.latest_map = rados_latest_map,
	.address = rados_address,
	.option = rados_option,
	.instance_id = rados_instance,
	.set_command_timeout = rados_set_timeout,
	.free = rados_close,
};

/* Reads configuration in the order of the ceph command: file, environment, options. */
static int configure(rados_t r, const struct cn_cluster_config *config, struct cn_error *err)
{
	const char *conf = config->conf ? config->conf : getenv("CEPH_CONF");
	const char *keyring = config->keyring ? config->keyring : getenv("CEPH_KEYRING");
	char connect_s[16], op_s[16];
	int ret;

	if (conf && !*conf) {
		cn_error_set(err, CN_USAGE, EINVAL, "cannot use CEPH_CONF: it is empty");
		cn_error_hint(err, "let it name the configuration file, or unset it");
		return -EINVAL;
	}
	ret = rados_conf_read_file(r, config->conf);
	if (ret < 0 && (conf || ret != -ENOENT))
		return cn_rados_explain_conf(ret, conf ? conf : "/etc/ceph/ceph.conf", err);
	ret = rados_conf_parse_env(r, NULL); /* the rest of CEPH_ARGS */
	if (ret < 0)
		return cn_error_set(err, CN_USAGE, ret, "cannot use CEPH_ARGS: %s", strerror(-ret));
	if (keyring && rados_conf_set(r, "keyring", keyring) < 0)
		return cn_error_set(err, CN_USAGE, EINVAL, "cannot use the keyring %s", keyring);
	if (config->mon_host && rados_conf_set(r, "mon_host", config->mon_host) < 0)
		return cn_error_set(err, CN_USAGE, EINVAL, "cannot use the monitor address %s", config->mon_host);
	snprintf(connect_s, sizeof(connect_s), "%u", config->connect_timeout_s);
	snprintf(op_s, sizeof(op_s), "%u", config->op_timeout_s);
	rados_conf_set(r, "client_mount_timeout", connect_s);
	rados_conf_set(r, "rados_mon_op_timeout", op_s);
	rados_conf_set(r, "rados_osd_op_timeout", op_s);
	rados_conf_set(r, "log_to_stderr", "false"); /* stderr is ours: an error is printed once, in our words */
	rados_conf_set(r, "err_to_stderr", "false");
	return 0;
}

static int connect_once(const struct cn_cluster_config *config, rados_t *ret, struct cn_error *err)
{
	const char *entity = config->name ? config->name : "client.admin";
	rados_t rados;
	int r;

	r = rados_create2(&rados, config->cluster ? config->cluster : "ceph", entity, 0);
	if (r < 0)
		return cn_rados_explain_name(r, entity, err);
	r = configure(rados, config, err);
	if (r == 0) {
		r = rados_connect(rados);
		if (r < 0)
			cn_rados_explain(r, rados, config, entity, err);
	}
	if (r < 0)
		rados_shutdown(rados);
	else
		*ret = rados;
	return r;
}

static int connect_for_manager(void *arg, rados_t *ret)
{
	struct cn_cluster_config config = ((struct rados_cluster *)arg)->config;

	config.op_timeout_s = 0;
	return connect_once(&config, ret, NULL);
}

int cn_cluster_connect(const struct cn_cluster_config *given, struct cn_cluster **ret, struct cn_error *err)
{
	_cleanup_(cn_strv_release) struct cn_strv words = {};
	struct cn_cluster_config config = *given;
	struct rados_cluster *rc;
	rados_t rados;
	int r = cn_rados_args(&config, &words, err);

	if (r == 0)
		r = connect_once(&config, &rados, err);
	if (r < 0)
		return r;
	rc = cn_calloc(1, sizeof(*rc));
	rc->base = (struct cn_cluster){&rados_ops, config.op_timeout_s, cn_strdup(config.name ? config.name : "client.admin")};
	rc->rados = rados;
	rc->config = config;
	rc->words = words;
	words = (struct cn_strv){};
	if (config.lasting)
		rc->manager = cn_manager_new(connect_for_manager, rc, config.op_timeout_s);
	map_waiter_init(&rc->map, rados, config.op_timeout_s);
	pthread_mutex_init(&rc->contexts_lock, NULL);
	*ret = &rc->base;
	return 0;
}
