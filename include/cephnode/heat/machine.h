/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Which machine this is: its addresses, its host name, and its server in Nova, all read here and none of it taken from Heat. */
#include "cephnode/base/addr.h"
#include "cephnode/base/util.h"

struct cn_machine {
	char *name;              /* as uname has it: what an OSD reports as its host name; owned */
	struct cn_ip *addresses; /* of its interfaces; loopback and link-local ones identify no machine and are left out */
	size_t n_addresses;
	char *product_uuid;   /* of the firmware; owned, NULL: not readable */
	bool product_is_nova; /* the firmware says that it is a virtual machine of Nova: then product_uuid is the server's */
	struct cn_strv cloud_uuids; /* what cloud-init was told at this boot, else at the last one; those that are uuids */
};

/* Reads it. root: where /sys, /run and /var are, "" but in tests. What cannot be read stays empty. Does not block. */
void cn_machine_read(const char *root, struct cn_machine *ret);
void cn_machine_release(struct cn_machine *m);
bool cn_machine_has(const struct cn_machine *m, const struct cn_ip *ip);
/* The host name that a daemon reported means this machine; a short name is the same as the full one that begins with it. */
bool cn_machine_is_named(const struct cn_machine *m, const char *name);

enum cn_server_is { CN_SERVER_UNKNOWN, CN_SERVER_THIS, CN_SERVER_OTHER };
/* Is this machine the server with that uuid (NULL: none was said)? */
enum cn_server_is cn_machine_is_server(const struct cn_machine *m, const char *server_id);
bool cn_is_uuid(const char *s);
