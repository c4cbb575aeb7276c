/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CEPH_ARGS: what librados must know before it reads its configuration. The rest is left to rados_conf_parse_env(). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/rados_impl.h"

enum { CONF, CLUSTER, ID, NAME, KEYRING, MON_HOST, N_OPTIONS };

static const struct {
	const char *word;
	int what;
} options[] = {
	{"-c", CONF},           {"--conf", CONF}, {"--cluster", CLUSTER},   {"--id", ID},
	{"--user", ID},         {"-n", NAME},     {"--name", NAME},         {"-k", KEYRING},
	{"--keyring", KEYRING}, {"-m", MON_HOST}, {"--mon-host", MON_HOST}, {"--mon_host", MON_HOST},
};

/* Which option a word is. *ret_value: what stands behind its '=', else NULL. -1: none of them. */
static int find(const char *word, const char **ret_value)
{
	size_t len = strncmp(word, "--", 2) == 0 ? strcspn(word, "=") : strlen(word);

	*ret_value = word[len] ? word + len + 1 : NULL;
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (strlen(options[i].word) == len && strncmp(options[i].word, word, len) == 0)
			return options[i].what;
	return -1;
}

/* Ceph splits at white space and knows no quotes. Of an option that is given twice the last one counts. */
int cn_rados_args(struct cn_cluster_config *config, struct cn_strv *words, struct cn_error *err)
{
	const char *text = getenv("CEPH_ARGS"), *given[N_OPTIONS] = {};

	cn_strv_split(words, text ? text : "", " \t\n\v\f\r");
	for (size_t i = 0; i < words->n && strcmp(words->v[i], "--") != 0; i++) {
		const char *word = words->v[i], *value;
		int what = find(word, &value);

		if (what < 0)
			continue;
		if (!value && i + 1 < words->n)
			value = words->v[++i];
		if (!value || !*value)
			return cn_error_set(err, CN_USAGE, EINVAL, "cannot use CEPH_ARGS: %s needs a value", word);
		given[what] = value;
	}
	if (given[ID] && !given[NAME]) {
		cn_strv_addf(words, "client.%s", given[ID]);
		given[NAME] = words->v[words->n - 1];
	}
	config->conf = config->conf ? config->conf : given[CONF];
	config->cluster = config->cluster ? config->cluster : given[CLUSTER];
	config->name = config->name ? config->name : given[NAME];
	config->keyring = config->keyring ? config->keyring : given[KEYRING];
	config->mon_host = config->mon_host ? config->mon_host : given[MON_HOST];
	return 0;
}
