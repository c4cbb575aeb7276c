/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The config-key store: codes and words as Ceph 16.2 gives them. */
#include <errno.h>
#include <string.h>

#include "fake_internal.h"

#define MAX_VALUE 65536 /* mon_config_key_max_entry_size */

void fake_store(struct fake *f)
{
	f->store = json_object();
}

void fake_store_put(struct fake *f, const char *key, const char *value)
{
	pthread_mutex_lock(&f->lock);
	if (value)
		json_object_set_new(f->store, key, json_string(value));
	else
		json_object_del(f->store, key);
	pthread_mutex_unlock(&f->lock);
}

const char *fake_store_get(struct fake *f, const char *key)
{
	return cn_json_str(f->store, key, NULL);
}

json_t *fake_store_all(struct fake *f)
{
	return f->store;
}

static int set(struct fake *f, const char *key, const char *value, char **ret_status)
{
	if (strlen(value) > MAX_VALUE) {
		*ret_status = cn_asprintf(
			"error: entry size limited to %d bytes. Use 'mon config key max entry size' to manually adjust",
			MAX_VALUE);
		return -EFBIG;
	}
	json_object_set_new(f->store, key, json_string(value));
	*ret_status = cn_asprintf("set %s", key);
	return 0;
}

static char *dump(struct fake *f, const char *prefix)
{
	_cleanup_json_ json_t *some = json_object();
	const char *key;
	json_t *v;

	json_object_foreach (f->store, key, v)
		if (strncmp(key, prefix, strlen(prefix)) == 0)
			json_object_set(some, key, v);
	return cn_json_dump(some);
}

bool fake_store_command(struct fake *f, const json_t *cmd, char **ret_body, char **ret_status)
{
	const char *prefix = cn_json_str(cmd, "prefix", ""), *key = cn_json_str(cmd, "key", ""), *value;

	if (strncmp(prefix, "config-key ", 11) != 0)
		return false;
	prefix += 11;
	value = cn_json_str(f->store, key, NULL);
	f->store_code = 0;
	if (strcmp(prefix, "get") == 0 || strcmp(prefix, "exists") == 0) {
		f->store_code = value ? 0 : -ENOENT;
		*ret_body = cn_strdup(value && strcmp(prefix, "get") == 0 ? value : "");
	} else if (strcmp(prefix, "set") == 0) {
		f->store_code = set(f, key, cn_json_str(cmd, "val", ""), ret_status);
		*ret_body = cn_strdup("");
	} else if (strcmp(prefix, "rm") == 0) {
		json_object_del(f->store, key);
		*ret_status = cn_strdup(value ? "key deleted" : "no such key");
		*ret_body = cn_strdup("");
	} else if (strcmp(prefix, "dump") == 0) {
		*ret_body = dump(f, key);
	} else {
		return false;
	}
	return true;
}
