/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* What Kubernetes says about a node's OSDs, held against what the monitors say: node1 (osd.0, osd.1 at 127.0.1.1) to node5
 * (osd.8, osd.9 that is down, osd.10 that was never started), and pods. */
#include "inventory/internal.h"
#include "unit.h"
#include "world.h"

struct fixture {
	struct world w;
	struct fake *f;
	struct cn_inventory inv; /* its maps alone */
	struct cn_pods pods;
	struct cn_facts facts;
	bool names; /* the host names of all OSDs are read, too */
	struct cn_found found;
	struct cn_error e;
};

int agree_setup(void **state);
int agree_teardown(void **state);
#define with_world(t) cmocka_unit_test_setup_teardown(t, agree_setup, agree_teardown)

/* A running pod; ips: separated by blanks. host: the CRUSH host that it names. */
struct cn_pod *pod(struct fixture *x, const char *name, const char *node, const char *host_ip, const char *ips, const char *host,
		   int osd);
int agree(struct fixture *x, const char *name);

/* "0ak/a 10c": OSD ids, each with the letters of how it was found, and the pod it runs in. */
void assert_found(struct fixture *x, const char *name, const char *want);
void assert_refused(struct fixture *x, const char *name, const char *text);
void assert_absent(struct fixture *x, const char *name, const char *text);
void assert_note(struct fixture *x, const char *text);

/* The FAQ's world: the CRUSH host is the pod's name, the OSD's address that of the pod in the overlay. */
void overlay(struct fixture *x);
/* Each node's OSDs in pods with the host's network, the CRUSH host is the node. */
void host_network(struct fixture *x);
