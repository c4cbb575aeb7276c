/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Which OpenStack cloud is meant and how to log in there, found as other OpenStack tools find it: --os-cloud or OS_CLOUD names an
 * entry of clouds.yaml (secure.yaml laid over it), else the OS_* variables, else the only cloud of clouds.yaml.
 */
#include "cephnode/http/http.h"

struct cn_os_config {
	char *source;   /* for messages: "cloud 'prod' of /etc/openstack/clouds.yaml", "the OS_* variables" */
	char *auth_url; /* ends in "/v3" */
	bool app_credential;
	char *user_id, *username, *user_domain_id, *user_domain_name;
	char *password; /* a secret, as is credential_secret */
	char *project_id, *project_name, *project_domain_id, *project_domain_name;
	char *credential_id, *credential_name, *credential_secret;
	char *region;              /* NULL: the only one there is */
	char *interface;           /* "public", "internal" or "admin" */
	char *heat_url, *nova_url; /* instead of the catalogue's; NULL: the catalogue's */
	struct cn_http_config http;
};

/* cloud: of --os-cloud, or NULL. clouds.yaml is OS_CLIENT_CONFIG_FILE, else the first of ./, ~/.config/openstack/ and
 * /etc/openstack/ that has one (also .yml and .json) that may be read; secure.yaml likewise. Reads files, connects nowhere.
 * CN_USAGE: nothing is configured, or what is there cannot be used; the message names file and key, never a value. */
int cn_os_config_load(const char *cloud, struct cn_os_config *ret, struct cn_error *err);
void cn_os_config_release(struct cn_os_config *c); /* wipes the secrets */
