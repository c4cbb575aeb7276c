/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* A cluster's replies, recorded from a real one (5 hosts of 2 OSDs, node1 to node5 at 127.0.1.1 to 127.0.1.5), to be changed by a
 * test before a fake gives them as answers. */
#include "fake.h"

struct world {
	json_t *osd_dump, *crush_dump, *mon_dump, *mgr_metadata, *mds_metadata, *osd_metadata, *pg_ls;
};

/* set: "" or "never-" (osd.9 is down; osd.10 in node5 and osd.11 outside of the tree were never started) or "racks-". */
void world_init(struct world *w, const char *set);
void world_release(struct world *w);

void world_address(struct world *w, int osd, const char *public_ip,
		   const char *cluster_ip);                             /* each separated by blanks; NULL: none */
void world_hostname(struct world *w, int osd, const char *hostname);    /* NULL: unknown */
void world_bucket(struct world *w, const char *name, const char *type); /* a new, empty bucket below the root */
void world_move(struct world *w, int osd, const char *bucket);          /* NULL: out of the tree */
void world_rename(struct world *w, const char *bucket, const char *name);
json_t *world_osd(struct world *w, int osd); /* its entry in `osd dump` */

/* Standing answers to all commands that read the maps, the metadata and the PGs of OSDs. */
void world_answers(struct world *w, struct fake *f);
/* The look-ups as a script: each exactly once. fake_any_order() is for the caller to say: they run side by side. */
void world_script_maps(struct world *w, struct fake *f);
void world_script_metadata(struct world *w, struct fake *f);
void world_script_unclean(struct world *w,
			  struct fake *f); /* PGs that are not clean: asked for where an OSD of the node is down */
void world_script_pgs(struct world *w, struct fake *f, int osd);
