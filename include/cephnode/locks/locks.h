/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * RBD image locks: found fast (the ids from the directory objects, then one small read for each header, many at a time), looked
 * at closely only where there are some. Reads only; images are opened read-only, which leaves no watch and takes no lock.
 */
#include "cephnode/base/clock.h"
#include "cephnode/cluster/fences.h"
#include "cephnode/inventory/node.h"

enum cn_lock_kind {
	CN_LOCK_AUTO,     /* librbd's own, of the exclusive-lock feature */
	CN_LOCK_ADVISORY, /* `rbd lock add`, kubelet: its address is that of whoever ran the command, not the writer's */
	CN_LOCK_CONFLICT, /* an advisory lock on an image with exclusive-lock: librbd's writes hang */
};

enum cn_lock_state {
	CN_LOCK_ALIVE,     /* a watcher has the locker's address, on this image or another that it has locked */
	CN_LOCK_IN_USE,    /* somebody else watches the image */
	CN_LOCK_FENCED,    /* nobody watches, and the OSDs refuse the locker (advisory: its whole host) */
	CN_LOCK_UNWATCHED, /* nobody watches at this moment: the locker may be dead, or asleep */
	CN_LOCK_UNKNOWN,   /* a look-up failed */
};

const char *cn_lock_kind_name(enum cn_lock_kind kind);    /* "auto", ... as in the contract */
const char *cn_lock_state_name(enum cn_lock_state state); /* "in-use", ... */

#define CN_RBD_EXCLUSIVE_LOCK (1ull << 2)
#define CN_RBD_JOURNALING (1ull << 6)

/* An image that is locked. All strings are owned and may hold any bytes but NUL. */
struct cn_lock_image {
	int64_t pool_id;
	char *pool, *ns, *id, *name;
	bool in_trash;
	struct cn_lockers lockers;
	/* from here on by cn_locks_look() */
	bool looked;
	int header_error; /* 0 or -errno: features and pools are not known */
	uint64_t features;
	int64_t data_pool, journal_pool; /* -1: the image's own */
	int mirror_error;                /* 0 or -errno: whether it is mirrored is not known */
	bool mirrored;
	int watch_error; /* 0 or -errno */
	struct cn_watchers watchers;
};

/* One locker of one image: pool, namespace, image id, client, cookie and address are the lock, names are only shown. */
struct cn_lock {
	struct cn_lock_image *image;    /* borrowed from the list */
	const struct cn_locker *locker; /* borrowed from the image */
	bool addressed;                 /* the address could be read */
	struct cn_client_addr addr;
	enum cn_lock_kind kind;
	enum cn_lock_state state;
	int64_t fenced_until_ms; /* 0: not fenced */
	char *node;              /* owned or NULL */
	size_t same_address;     /* other locks of the list with this address */
	bool chosen;             /* by cn_locks_choose() */
};

struct cn_lock_error {
	char *pool, *ns, *image; /* owned; image may be NULL */
	int errnum;              /* positive */
	const char *op;
};

struct cn_lock_list {
	struct cn_fence_map map; /* as it was before the first look */
	struct cn_lock_image **images;
	size_t n_images, cap_images;
	struct cn_lock *locks; /* by cn_locks_classify() */
	size_t n_locks;
	struct cn_lock_error *errors;
	size_t n_errors, cap_errors;
};
void cn_lock_list_release(struct cn_lock_list *l);

/* Where to look. image: its name, or its id where no image has that name, also one in the trash. ns NULL: every namespace. */
struct cn_lock_scope {
	const char *pool, *ns, *image; /* borrowed; image NULL: all of them; pool NULL: every pool that may hold images */
};

/* "[POOL/[NAMESPACE/]]IMAGE", or "POOL[/NAMESPACE]" for a pool. The parts point into *ret_buf, to be freed. Without a pool: that
 * of rbd_default_pool. Errors: CN_USAGE. */
int cn_lock_scope_image(struct cn_cluster *c, const char *spec, struct cn_lock_scope *ret, char **ret_buf, struct cn_error *err);
int cn_lock_scope_pool(const char *spec, struct cn_lock_scope *ret, char **ret_buf, struct cn_error *err);

/* Finds what is locked, and by whom. What could not be read stands in ret->errors: the answer is then incomplete, and the call
 * has not failed. Errors: CN_NOT_FOUND (pool, image), CN_FAILED when this client is fenced itself. Release ret in any case. */
int cn_locks_scan(struct cn_cluster *c, const struct cn_lock_scope *scope, struct cn_lock_list *ret, struct cn_error *err);

/* A node: addresses, and the names that kubelet may put into the cookies of its locks. */
struct cn_lock_node {
	const char *name;
	bool named;              /* name is a name, and not only an address */
	char *kube_name;         /* by which Kubernetes knows it; owned, NULL: not known */
	struct cn_ip *addresses; /* owned */
	size_t n_addresses;
};
void cn_lock_node_release(struct cn_lock_node *n);
/* What the name means to the inventory and to Kubernetes (kube NULL: no API); a node that neither knows is no error. *ret_known:
 * one does. Errors as cn_inventory_discover(). */
int cn_lock_node_find(struct cn_cluster *c, struct cn_kube *kube, const char *name, struct cn_lock_node *ret, bool *ret_known,
		      struct cn_error *err);

/* All locks of the cluster, where something is in the list: on which node an address is, a lock on any image may tell. Returns 1
 * when not all could be read: ret->errors has it. Errors: CN_FAILED when this client is fenced itself. Release ret in any case. */
int cn_locks_scan_around(struct cn_cluster *c, const struct cn_lock_list *list, struct cn_lock_list *ret, struct cn_error *err);
/* What could not be read, as one list has it, for the other's. */
void cn_lock_errors_swap(struct cn_lock_list *a, struct cn_lock_list *b);
/* Says for every locker which node it belongs to, and chooses the locks of one: those of its addresses, those that carry its
 * name, and those of the addresses that the latter have, here or around (which may be NULL); node learns these. node NULL: all.
 * Makes list->locks. */
void cn_locks_choose(struct cn_cluster *c, struct cn_lock_list *list, const struct cn_lock_list *around,
		     struct cn_lock_node *node);
/* Features, pools, mirroring and watchers of the images of chosen locks; again: also of those looked at before. */
void cn_locks_look(struct cn_cluster *c, struct cn_lock_list *list, bool again);
/* Kind and state of every chosen lock, by what was seen. */
void cn_locks_classify(struct cn_lock_list *list);

bool cn_locks_none_chosen(const struct cn_lock_list *list);

/* The document of `locks list -f json`: the chosen locks that match; kind or state < 0: any. New reference. */
json_t *cn_locks_json(const struct cn_lock_list *list, int kind, int state);
/* One lock of it; without kind, state and what else only a look at the image tells, if there was none. */
json_t *cn_lock_json(const struct cn_lock *l);
/* "pool/ns/image", as in the rbd command. To be freed. */
char *cn_lock_spec(const struct cn_lock_image *i);
