/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Between the files of this layer. */
#include "cephnode/base/clock.h"
#include "cephnode/base/json.h"
#include "cephnode/kube/config.h"

/* --- file.c --- */

/* A whole file of at most 1 MiB; NUL-terminated, to be freed. -errno, err with CN_USAGE. */
int cn_kube_read_file(const char *path, char **ret, size_t *ret_len, struct cn_error *err);
/* Standard base64; blanks and line ends are passed over. Text in, text out: NULL when it is not base64 or holds a NUL. */
char *cn_kube_base64(const char *s);
char *cn_kube_base64_encode(const char *s, size_t len);
/* The file's text without blanks around it; NULL when it cannot be read or is empty. A secret. */
char *cn_kube_read_token(const char *path);

/* --- kubeconfig.c --- */

/* From the files in their order; those that do not exist are skipped. `must`: what is not there or names no context is an error,
 * not "none". 1: *ret is set, 0: none. */
int cn_kubeconfig_load(const struct cn_strv *paths, const char *context, bool must, struct cn_kube_config *ret,
		       struct cn_error *err);
/* The same of one text, whose relative paths belong to dir: for tests and fuzzing. */
int cn_kubeconfig_parse(const char *text, size_t len, const char *path, const char *context, struct cn_kube_config *ret,
			struct cn_error *err);

/* --- credential.c --- */

struct cn_kube_credential; /* one for a client; its functions may be called from several threads */
struct cn_kube_credential *cn_kube_credential_new(const struct cn_kube_config *config, struct cn_clock *clock);
void cn_kube_credential_free(struct cn_kube_credential *c);
/* The Authorization header to send, a secret to be freed with cn_secret_free(); NULL in *ret: none. *ret_generation changes with
 * each renewal, also when a plugin gave another client certificate. May run a plugin. */
int cn_kube_credential_get(struct cn_kube_credential *c, char **ret, unsigned *ret_generation, struct cn_error *err);
/* The server did not accept the credential of this generation: what is newer will be got next time. False: there is no other. */
bool cn_kube_credential_reject(struct cn_kube_credential *c, unsigned generation);
/* Client certificate and key of a plugin; copies to be freed (the key with cn_secret_free()), or NULL. */
void cn_kube_credential_cert(struct cn_kube_credential *c, char **ret_cert, char **ret_key);

/* --- exec.c --- */

#define CN_KUBE_EXEC_LIMIT_MS 60000
struct cn_kube_exec_answer {
	char *token, *cert, *key;
	int64_t expires_ms; /* since 1970; 0: not said */
};
void cn_kube_exec_answer_release(struct cn_kube_exec_answer *a);
/* Runs the plugin without a shell; its stderr is ours. Blocks for at most CN_KUBE_EXEC_LIMIT_MS; -EINTR at a signal. */
int cn_kube_exec_run(const struct cn_kube_config *config, struct cn_kube_exec_answer *ret, struct cn_error *err);
/* What a plugin printed: for tests and fuzzing. */
int cn_kube_exec_read(const struct cn_kube_exec *x, const char *text, size_t len, struct cn_kube_exec_answer *ret,
		      struct cn_error *err);
/* RFC 3339; -1: it is no such time. */
int64_t cn_kube_time_parse(const char *s);
