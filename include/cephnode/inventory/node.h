/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* From a NODE argument to the OSDs that live there, and how each was found. Reads only. */
#include "cephnode/cluster/commands.h"
#include "cephnode/kube/pods.h"

enum cn_found_by {
	CN_FOUND_ADDRESS = 1 << 0,  /* its address in the OSD map is the node's */
	CN_FOUND_CRUSH = 1 << 1,    /* it stands under a CRUSH host of the node */
	CN_FOUND_METADATA = 1 << 2, /* its daemon reported the node's host name */
	CN_FOUND_KUBE = 1 << 3,     /* a pod on the node runs it */
};

struct cn_node_osd {
	struct cn_osd osd;     /* as in the OSD map */
	uint32_t crush_weight; /* 16.16 */
	char *device_class;    /* owned or NULL */
	char *host;            /* CRUSH host bucket, owned; NULL when it stands outside any */
	struct cn_pod *pod;    /* that it runs in, owned; NULL: none that is known */
	unsigned found_by;     /* enum cn_found_by bits */
	size_t pgs;            /* PGs that have it in up or acting; 0 for one that is down: it is in no set */
	int64_t bytes;         /* bytes of its shards of these: num_bytes, or num_bytes / k in an erasure-coded pool */
};

struct cn_node {
	char *name;              /* as it was asked for, without prefix; owned */
	char *kube_node;         /* its Kubernetes name; NULL: it has none, or it is not known. Owned */
	struct cn_strv hosts;    /* CRUSH host buckets of its OSDs */
	struct cn_ip *addresses; /* public addresses of its OSDs, each once, the one that was asked for, and that of the machine
				    of its pods */
	size_t n_addresses;
	struct cn_node_osd *osds; /* by id */
	size_t n_osds;
	struct cn_pod *pods; /* live OSD pods on the node; of an OSD that shares address and CRUSH host with others it may not be
			      * known which of them it runs in */
	size_t n_pods;
	struct cn_strv notes;   /* for the user: pods that do not count, and why */
	struct cn_strv daemons; /* "mon.a", "mgr.x", "mds.b" that run on the same address or host */
	bool any_down;          /* one of its OSDs is down: up and acting sets do not name it, whatever it still holds */
	struct cn_pgs pgs;      /* every PG that has one of the OSDs, sorted; empty unless asked for. With any_down also every PG
				 * of the cluster that is not clean: its missing shards may be the node's */
};

struct cn_inventory {
	struct cn_osdmap osdmap; /* one reading each, so that all nodes are seen at the same time */
	struct cn_crush crush;
	struct cn_node *nodes;
	size_t n_nodes;
	bool with_pgs; /* PGs and bytes were asked for */
};

/* "address", "crush", "metadata", "kubernetes": the names of the bits, in this order, as the contract spells them. New reference.
 */
json_t *cn_found_by_json(unsigned found_by);

/* Finds the nodes. A name is an IP address, a CRUSH host bucket, a host name from OSD metadata, a Kubernetes node name, or osd.N;
 * "ip:", "host:", "kube:", "osd:" in front say which is meant. kube (NULL: the monitors alone decide) is asked for the OSD pods,
 * and what they say held against the monitors: where both know something they must agree, else CN_REFUSED; an API that does not
 * answer is CN_FAILED. Independent look-ups run side by side; metadata of all OSDs is asked for only where a name needs
 * it, or where addresses do not fit to pods that use their host's network. with_pgs: also the PGs and bytes (from the manager).
 * Errors: CN_USAGE (bad name), CN_NOT_FOUND, CN_REFUSED when a name is ambiguous or an OSD is in two of the nodes: the hint lists
 * the candidates. Blocks; changes nothing. */
int cn_inventory_discover(struct cn_cluster *c, struct cn_kube *kube, const char *const *names, size_t n, bool with_pgs,
			  struct cn_inventory *ret, struct cn_error *err);
/* The addresses of a Kubernetes node, which need not carry OSDs; *ret is to be freed. 1: found; 0: there is none by this name, or
 * this account may not read nodes. Errors as above. */
int cn_inventory_kube_node(struct cn_kube *kube, const char *name, struct cn_ip **ret, size_t *ret_n, struct cn_error *err);
void cn_inventory_release(struct cn_inventory *inv);

/* Whether the pod runs this OSD by what is written on it; false for pods that cannot run any. */
bool cn_inventory_pod_may_run(const struct cn_osdmap *m, const struct cn_crush *crush, const struct cn_pods *pods,
			      const struct cn_pod *pod, int osd);
/* The same, and an OSD that is up has an address of the pod or of its machine, or (hostnames, may be NULL) is on that machine by
 * its own word: enough to stop the pod for it. */
bool cn_inventory_pod_runs(const struct cn_osdmap *m, const struct cn_crush *crush, char **hostnames, const struct cn_pods *pods,
			   const struct cn_pod *pod, int osd);
/* Reads what these OSDs report as their host's name, where only that can tell whether a pod runs them: by their place in m, NULL
 * for the others. To be freed with the second. Errors: those of the mon command. */
int cn_inventory_hostnames(struct cn_cluster *c, const struct cn_osdmap *m, const struct cn_crush *crush,
			   const struct cn_pods *pods, const struct cn_ids *osds, char ***ret, struct cn_error *err);
void cn_inventory_hostnames_free(char **names, const struct cn_osdmap *m); /* accepts NULL */

/* The document of `discover -f json` (docs: the contract). New reference. */
json_t *cn_inventory_json(const struct cn_inventory *inv);

/* Bytes of one shard of a PG: num_bytes, or num_bytes / k (rounded up) for an erasure-coded pool. */
int64_t cn_shard_bytes(const struct cn_osdmap *m, const struct cn_pg *pg);

/* How many shards of a PG the node holds: OSDs of it in the acting set, and as many missing ones as it has OSDs that are down. */
int cn_node_shards(const struct cn_osdmap *m, const struct cn_node *node, const struct cn_pg *pg);
