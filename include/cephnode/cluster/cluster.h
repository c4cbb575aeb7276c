/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * The one door to Ceph. Everything the tool asks of a cluster or does to it passes through the few functions of
 * struct cn_cluster_ops, for which unit tests have a scripted fake. This layer speaks the protocol and decides nothing:
 * it never sleeps, never retries and never looks at time.
 */
#include "cephnode/base/json.h"

enum cn_target {
	CN_MON, /* the monitors */
	CN_MGR, /* the active manager */
	CN_PG,  /* the primary OSD of one placement group */
};

struct cn_object {
	const char *pool, *ns, *oid;
	int64_t pool_id; /* above 0: stands for the name, which may hold any bytes */
};

struct cn_locker {
	char *client; /* "client.4123" */
	char *cookie;
	char *address;
};

struct cn_lockers {
	struct cn_locker *v;
	size_t n;
	bool exclusive;
	char *tag; /* owned; may be NULL without a locker */
};
void cn_lockers_release(struct cn_lockers *l);

/* A class method that only reads; name NULL: is the object there? */
struct cn_class_method {
	const char *cls, *name;
	const void *in;
	size_t in_len;
};

/* One of many reads under way at once. */
struct cn_read {
	char *oid; /* owned */
	int r;     /* 0 or -errno */
	char *out; /* the method's reply, owned, not NUL-terminated; NULL when there is none */
	size_t len;
};

/* Keys and values of an object's omap: any bytes, each with a NUL behind. */
struct cn_pair {
	char *key, *value; /* owned */
	size_t key_len, value_len;
};
struct cn_pairs {
	struct cn_pair *v;
	size_t n, cap;
};
void cn_pairs_release(struct cn_pairs *l);

/* Who watches an RBD image. */
struct cn_watcher {
	char *address; /* owned */
	uint64_t client, cookie;
};
struct cn_watchers {
	struct cn_watcher *v;
	size_t n;
};
void cn_watchers_release(struct cn_watchers *l);

struct cn_cluster;

/* All functions block for at most the time limits set at connect; a CN_PG command for twice that, as it first waits for the
 * newest OSD map. They are called from several threads at once. They return 0 or -errno as librados does; on an error outputs are
 * untouched but for ret_status. */
struct cn_cluster_ops {
	/* ret_out: raw reply, NUL-terminated, to be freed; ret_status: the daemon's own words or NULL, to be freed. */
	int (*command)(struct cn_cluster *c, enum cn_target target, const char *pgid, const char *cmd, char **ret_out,
		       size_t *ret_len, char **ret_status);
	int (*lock)(struct cn_cluster *c, const struct cn_object *o, const char *name, const char *cookie,
		    const char *description, unsigned seconds, bool renew);
	int (*unlock)(struct cn_cluster *c, const struct cn_object *o, const char *name, const char *cookie);
	int (*lockers)(struct cn_cluster *c, const struct cn_object *o, const char *name, struct cn_lockers *ret);
	int (*break_lock)(struct cn_cluster *c, const struct cn_object *o, const char *name, const char *client,
			  const char *cookie);
	int (*write)(struct cn_cluster *c, const struct cn_object *o, const char *text);
	int (*read)(struct cn_cluster *c, const struct cn_object *o, char *buf, size_t size);
	/* Calls the method on every object of v, many at a time; o names pool and namespace. Each has its own r: 0 is returned
	 * when all of them were tried. */
	int (*read_many)(struct cn_cluster *c, const struct cn_object *o, const struct cn_class_method *m, struct cn_read *v,
			 size_t n);
	/* Appends all pairs whose key begins with the prefix. */
	int (*omap)(struct cn_cluster *c, const struct cn_object *o, const char *prefix, struct cn_pairs *ret);
	/* Who watches the image; it is opened read-only, which leaves no watch of ours. oid is the image's id. */
	int (*watchers)(struct cn_cluster *c, const struct cn_object *o, struct cn_watchers *ret);
	/* From now on everything is sent with the epoch of the monitors' newest OSD map, or a later one. */
	int (*latest_map)(struct cn_cluster *c);
	/* The address of this client as the cluster sees it, to be freed. */
	int (*address)(struct cn_cluster *c, char **ret);
	/* An option of the configuration, to be freed. */
	int (*option)(struct cn_cluster *c, const char *name, char **ret);
	uint64_t (*instance_id)(struct cn_cluster *c);
	/* Time limit of mon and mgr commands sent from now on, and of the wait for the newest OSD map. */
	void (*set_command_timeout)(struct cn_cluster *c, unsigned seconds);
	void (*free)(struct cn_cluster *c);
};

/* Who we are and how to get there. NULL and 0 mean: not given, as the ceph command would decide. The strings must live as long as
 * the cluster. */
struct cn_cluster_config {
	const char *conf, *cluster, *name, *keyring, *mon_host;
	unsigned connect_timeout_s, op_timeout_s;
	bool lasting; /* goes on after a command to the manager has had no answer in time: see manager.c. Else it must end soon, and
		       * is spared a second connection */
};

struct cn_cluster {
	const struct cn_cluster_ops *ops;
	unsigned op_timeout_s;
	char *entity; /* "client.admin": for hints */
};

/* Connects (blocks up to connect_timeout_s). CEPH_CONF, CEPH_ARGS and CEPH_KEYRING are honoured. Time limits are set before:
 * rados_mon_op_timeout and rados_osd_op_timeout do not bound the connecting, client_mount_timeout does. Errors: CN_USAGE for a
 * configuration that cannot be read, CN_TIMEOUT when no monitor answers, CN_FAILED for a refused key. Changes nothing. */
int cn_cluster_connect(const struct cn_cluster_config *config, struct cn_cluster **ret, struct cn_error *err);
void cn_cluster_free(struct cn_cluster *c);
static inline void cn_cluster_freep(struct cn_cluster **c)
{
	cn_cluster_free(*c);
}

/* Sends one command and parses the JSON reply. cmd is stolen. With ret NULL the reply is thrown away unparsed. err carries the
 * daemon's own words; -ETIMEDOUT becomes CN_TIMEOUT, -EACCES a hint about caps. Returns 0 or -errno. */
int cn_command(struct cn_cluster *c, enum cn_target target, const char *pgid, json_t *cmd, json_t **ret, struct cn_error *err);
/* The same, with the reply as it came: text of *ret_len bytes with a NUL behind, to be freed. */
int cn_command_raw(struct cn_cluster *c, enum cn_target target, const char *pgid, json_t *cmd, char **ret, size_t *ret_len,
		   struct cn_error *err);
