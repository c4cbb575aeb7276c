/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who we are, and being it anew: tokens in files rotate, those of plugins expire. */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "kube/internal.h"

#define TOKEN_FILE_MS 60000

struct cn_kube_credential {
	const struct cn_kube_config *config;
	struct cn_clock *clock;
	pthread_mutex_t lock;
	unsigned generation;
	char *from_file;
	int64_t read_ms; /* of from_file, by boot time */
	bool read, ran;
	struct cn_kube_exec_answer plugin;
};

struct cn_kube_credential *cn_kube_credential_new(const struct cn_kube_config *config, struct cn_clock *clock)
{
	struct cn_kube_credential *c = cn_calloc(1, sizeof(*c));

	c->config = config;
	c->clock = clock;
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void cn_kube_credential_free(struct cn_kube_credential *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	cn_secret_free(c->from_file);
	cn_kube_exec_answer_release(&c->plugin);
	free(c);
}

/* A file that cannot be read just now (it is being replaced) does not take away what was read before. */
static void read_file(struct cn_kube_credential *c)
{
	char *token = cn_kube_read_token(c->config->token_file);

	c->read = true;
	c->read_ms = cn_clock_boot_ms(c->clock);
	if (!token || (c->from_file && strcmp(token, c->from_file) == 0)) {
		cn_secret_free(token);
		return;
	}
	cn_secret_free(c->from_file);
	c->from_file = token;
	c->generation++;
}

static const char *static_token(struct cn_kube_credential *c)
{
	if (c->config->token_file && (!c->read || cn_clock_boot_ms(c->clock) - c->read_ms >= TOKEN_FILE_MS))
		read_file(c);
	return c->from_file ? c->from_file : c->config->token;
}

static bool uses_plugin(const struct cn_kube_credential *c)
{
	return c->config->exec.command && !c->from_file && !c->config->token && !c->config->username;
}

static int run_plugin(struct cn_kube_credential *c, struct cn_error *err)
{
	struct cn_kube_exec_answer fresh = {};
	int r;

	if (c->ran && (!c->plugin.expires_ms || cn_clock_real_ms(c->clock) < c->plugin.expires_ms))
		return 0;
	r = cn_kube_exec_run(c->config, &fresh, err);
	if (r < 0)
		return r;
	cn_kube_exec_answer_release(&c->plugin);
	c->plugin = fresh;
	c->ran = true;
	c->generation++;
	return 0;
}

static char *basic(const struct cn_kube_config *config)
{
	char *both = cn_asprintf("%s:%s", config->username, config->password ? config->password : "");
	char *text = cn_kube_base64_encode(both, strlen(both)), *header = cn_asprintf("Authorization: Basic %s", text);

	cn_secret_free(both);
	cn_secret_free(text);
	return header;
}

int cn_kube_credential_get(struct cn_kube_credential *c, char **ret, unsigned *ret_generation, struct cn_error *err)
{
	const char *token;
	int r = 0;

	pthread_mutex_lock(&c->lock);
	token = static_token(c);
	if (!token && uses_plugin(c)) {
		r = run_plugin(c, err);
		token = c->plugin.token;
	}
	if (r == 0) {
		*ret = token ? cn_asprintf("Authorization: Bearer %s", token) : NULL;
		if (!token && c->config->username)
			*ret = basic(c->config);
		*ret_generation = c->generation;
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

bool cn_kube_credential_reject(struct cn_kube_credential *c, unsigned generation)
{
	bool fresh;

	pthread_mutex_lock(&c->lock);
	if (generation == c->generation && c->config->token_file)
		read_file(c);
	fresh = generation != c->generation;
	if (!fresh && uses_plugin(c)) {
		c->ran = false;
		fresh = true;
	}
	pthread_mutex_unlock(&c->lock);
	return fresh;
}

void cn_kube_credential_cert(struct cn_kube_credential *c, char **ret_cert, char **ret_key)
{
	pthread_mutex_lock(&c->lock);
	*ret_cert = c->plugin.cert ? cn_strdup(c->plugin.cert) : NULL;
	*ret_key = c->plugin.key ? cn_strdup(c->plugin.key) : NULL;
	pthread_mutex_unlock(&c->lock);
}
