/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What the files of src/inventory share: the parsed NODE argument, what the cluster said, and the OSDs that were found. */
#include "cephnode/inventory/node.h"

enum cn_spec_kind {
	CN_SPEC_NAME, /* a CRUSH host bucket or a host name, whichever fits */
	CN_SPEC_HOST, /* the same, with "host:" in front: the bucket, where there is one */
	CN_SPEC_IP,
	CN_SPEC_OSD,
	CN_SPEC_KUBE, /* a Kubernetes node name */
};

struct cn_spec {
	enum cn_spec_kind kind;
	char *name; /* without prefix, "osd.3" for every spelling of it; owned */
	struct cn_ip ip;
	int osd;
};

/* Parses a NODE argument. Errors: CN_USAGE. */
int cn_spec_parse(const char *arg, struct cn_spec *ret, struct cn_error *err);
void cn_spec_release(struct cn_spec *s);

/* What the cluster said. The maps are borrowed from the inventory under construction. */
struct cn_facts {
	const struct cn_osdmap *osdmap;
	const struct cn_crush *crush;
	char **hostnames; /* of osdmap->osds[i], NULL: unknown or never started; all unknown until asked for; owned */
	json_t *metadata; /* of all OSDs, where it was asked for */
};

/* Reads both maps into inv, side by side. */
int cn_facts_get(struct cn_cluster *c, struct cn_inventory *inv, const struct cn_spec *specs, size_t n, struct cn_facts *ret,
		 struct cn_error *err);
/* Reads the host names that resolving the specs needs, if any. */
int cn_facts_hostnames(struct cn_cluster *c, struct cn_facts *f, const struct cn_spec *specs, size_t n, struct cn_error *err);
/* The host names of all OSDs: 2 kB of metadata each, unless they were read already. */
int cn_facts_all_hostnames(struct cn_cluster *c, struct cn_facts *f, struct cn_error *err);
/* Those of some: a question for each, side by side. */
int cn_facts_some_hostnames(struct cn_cluster *c, struct cn_facts *f, const struct cn_ids *ids, struct cn_error *err);
void cn_facts_release(struct cn_facts *f);
const char *cn_facts_hostname(const struct cn_facts *f, int osd); /* NULL: unknown */
/* The CRUSH bucket of type host with this name, or NULL. */
const struct cn_bucket *cn_facts_bucket(const struct cn_facts *f, const char *name);
/* OSDs below a bucket that exist: `osd rm` leaves CRUSH items behind that are no OSDs any more. */
void cn_facts_osds_below(const struct cn_facts *f, const struct cn_bucket *b, struct cn_ids *ret);

/* The OSDs of one node. */
struct cn_found {
	struct cn_ids all;
	struct cn_ids address, crush, metadata, kube; /* by which way each was found; in none: it was named itself */
	const struct cn_pod **pods;                   /* live OSD pods on the node, or of its OSDs; borrowed */
	size_t n_pods;
	const char *kube_node; /* borrowed from one of them; NULL: it has none, or they are on several */
	struct cn_strv notes;  /* for the user */
};

/* What the monitors say. Errors: CN_NOT_FOUND; CN_REFUSED when the name is ambiguous, with the candidates as hint. */
int cn_resolve(const struct cn_facts *f, const struct cn_spec *spec, struct cn_found *ret, struct cn_error *err);
void cn_found_release(struct cn_found *f);
void cn_ids_add_all(struct cn_ids *to, const struct cn_ids *from);

/* All OSD pods. CN_FAILED where the API does not answer; the hint has the way out. */
int cn_ask_pods(struct cn_kube *kube, struct cn_pods *ret, struct cn_error *err);

/* --- where pods are --- */

/* The pod may run an OSD: it is live, bound, and not there to prepare disks. */
bool cn_pod_counts(const struct cn_pod *p);
/* The pod is on the node that is meant: by its address or by its Kubernetes name. */
bool cn_pod_is_on(const struct cn_pod *p, const struct cn_spec *node);
/* The CRUSH host that the pod names, if there is one. */
const struct cn_bucket *cn_pod_bucket(const struct cn_facts *f, const struct cn_pod *p);
/* One of the OSD's addresses is one of the pod's. */
bool cn_pod_has_address(const struct cn_pod *p, const struct cn_osd *o);
/* The pod uses its host's network, and the OSD reports that host's name, as far as host names were read. */
bool cn_pod_has_hostname(const struct cn_facts *f, const struct cn_pod *p, int osd);
/* An OSD that is up is where the pod is: by an address of either or of the machine, or by the machine's name. */
bool cn_pod_fits(const struct cn_facts *f, const struct cn_pod *p, const struct cn_osd *o);
/* The pod runs the OSD, as far as the pods tell: by its label, else by the CRUSH host that it names (where several pods share
 * one, and one of them has the OSD's address, by that), else by its address. */
bool cn_pod_claims(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_pod *p, int osd);
/* "ceph/osd-x on worker-1" for each counting pod that claims one of the OSDs. */
void cn_pods_claiming(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_ids *osds, struct cn_strv *ret);
/* The Kubernetes node that an OSD is on, borrowed; NULL: no pod claims it. -ENOTUNIQ: pods on several nodes do, and its address
 * does not tell. */
int cn_pods_locate(const struct cn_facts *f, const struct cn_pods *pods, int osd, const char **ret);
/* Which of the node's pods an OSD runs in, borrowed; NULL: it cannot be told. */
const struct cn_pod *cn_pod_of_osd(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_found *found, int osd);

/* What the pods say about a node: fills kube, crush, address, pods and notes of found; all of them empty where no pod is on it.
 * CN_REFUSED where the pods contradict themselves or the maps. */
int cn_pods_resolve(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_spec *spec, struct cn_found *found,
		    struct cn_error *err);

/* The monitors' answer and that of the pods, held against each other. pods NULL: the monitors alone. Errors as cn_resolve(). */
int cn_agree(const struct cn_facts *f, const struct cn_pods *pods, const struct cn_spec *spec, struct cn_found *ret,
	     struct cn_error *err);

/* The daemons that are no OSDs, as Ceph prints them; NULL where the look-up failed. */
struct cn_daemons {
	json_t *mons, *mgrs, *mdss;
};

/* Reads them side by side. An error only where the connection is gone; any other failure costs a warning. */
int cn_daemons_get(struct cn_cluster *c, struct cn_daemons *ret, struct cn_error *err);
void cn_daemons_release(struct cn_daemons *d);
/* Names those that run where the node's OSDs do: on one of its addresses, or on a host of one of its names. */
void cn_daemons_of_node(const struct cn_daemons *d, struct cn_node *node);

/* Fills pgs and bytes of every OSD, and the PGs of every node. */
int cn_node_load_pgs(struct cn_cluster *c, struct cn_inventory *inv, struct cn_error *err);
