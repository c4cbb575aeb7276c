/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * How to reach a Kubernetes API, as kubectl finds it: --kubeconfig, else KUBECONFIG (a list with colons), else the service
 * account of the pod that we are in, else ~/.kube/config.
 */
#include "cephnode/http/http.h"

/* A credential plugin (client.authentication.k8s.io). */
struct cn_kube_exec {
	char *command; /* NULL: none. Relative with a slash: resolved against its file */
	struct cn_strv args;
	struct cn_strv env; /* "NAME=value" */
	char *api_version;
	char *install_hint;
	bool provide_cluster_info;
	char *cluster_info; /* JSON that the cluster's entry keeps for the plugin; NULL: none */
};

struct cn_kube_config {
	char *source;  /* for messages: "context 'prod' of ~/.kube/config", "the service account of this pod" */
	char *context; /* NULL in a cluster */
	char *server;  /* URL without trailing slash */
	char *ns;      /* of the context or the service account; NULL: none was said */
	struct cn_http_config http;
	char *token;      /* a secret; NULL: none */
	char *token_file; /* read again each minute and after a 401; beats `token` while it is readable */
	char *username, *password;
	struct cn_strv impersonate; /* whole headers, "Impersonate-User: jane" */
	struct cn_kube_exec exec;
};
void cn_kube_config_release(struct cn_kube_config *c); /* wipes the secrets */

struct cn_kube_options {
	bool off;               /* --no-kube */
	const char *kubeconfig; /* a path, or NULL */
	const char *context;    /* NULL: the current one */
	const char *ns;         /* where the OSD pods are; NULL: found out */
	const char *selector;   /* label selector of the OSD pods; NULL: the flavour's */
	const char *flavour;    /* "ceph-docker", "helm", "rook"; NULL: found out */
	const char *host_from;  /* "pod-name", "label:KEY", "node-name"; NULL: the flavour's */
	int64_t timeout_ms;     /* of one exchange; 0: 30 s */
};

/* Whether any of the options (but `off`) was given: then an API that is not there is an error. */
bool cn_kube_options_given(const struct cn_kube_options *o);

/* 1: *ret is set. 0: no API is configured (or off). CN_USAGE: a file that cannot be parsed or says what cannot be (the message
 * names file and line, never a value of a secret), a context that does not exist (the hint lists those that do), KUBECONFIG without
 * one file that is there, unless a service account is. Reads files,
 * runs nothing, connects nowhere. */
int cn_kube_config_load(const struct cn_kube_options *o, struct cn_kube_config *ret, struct cn_error *err);
