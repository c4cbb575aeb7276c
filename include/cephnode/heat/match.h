/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* From a server of Nova to its OSDs in Ceph, by its addresses alone: names and metadata are whatever their owner likes. */
#include "cephnode/drain/journal.h"
#include "cephnode/heat/stack.h"

enum cn_match_kind {
	CN_MATCH_NODE,    /* these OSDs are the server's: drain them */
	CN_MATCH_REMOVED, /* none is left, and the journal says that cephnode removed them from this very server */
	CN_MATCH_NONE,    /* no OSD has an address of the server's, and nothing says that one ever had */
};

struct cn_match {
	enum cn_match_kind kind;
	char *spec;         /* NODE argument for cn_drain_run(): "ip:10.0.0.14"; NULL without a match */
	struct cn_ids osds; /* empty also where a drain has purged all and is not done */
	bool late;          /* a drain of it has begun to remove OSDs: nothing can be kept any more */
	char *addresses;    /* of the server, for messages: "10.0.0.14, 10.1.0.14" */
};
void cn_match_release(struct cn_match *m);

/* May this journal, which has an address of a machine, speak for all OSDs of the machine? One of single OSDs never does; one of
 * pods only if it named their node, and where the API can be asked for others (kube): by addresses alone they are not seen. */
bool cn_journal_speaks(const struct cn_journal *j, bool kube);

/* kube: NULL without an API; it finds OSDs in pods whose addresses are those of an overlay network. since_ms: when its deletion
 * began to wait; a `cephnode cancel` after that is an operator's word, and is refused to be overruled. CN_REFUSED: no single node
 * (the addresses match two, or one that is ambiguous), or cancelled. Blocks; changes nothing. */
int cn_match_server(struct cn_cluster *c, struct cn_kube *kube, const struct cn_server *server, int64_t since_ms,
		    struct cn_match *ret, struct cn_error *err);
