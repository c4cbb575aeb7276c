/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mon's stores (config-key, config, auth), and what daemons report of themselves. */
#include <errno.h>
#include <string.h>

#include "cephnode/cluster/commands.h"

static int ask(struct cn_cluster *c, enum cn_target target, json_t *cmd, json_t **ret, struct cn_error *err)
{
	json_object_set_new(cmd, "format", json_string("json"));
	return cn_command(c, target, NULL, cmd, ret, err);
}

int cn_osd_df(struct cn_cluster *c, struct cn_osd_usages *ret, struct cn_error *err)
{
	_cleanup_json_ json_t *reply = NULL;
	struct cn_osd_usages u = {};
	json_t *nodes, *j;
	size_t i;
	int r;

	r = ask(c, CN_MGR, json_pack("{ss,ss}", "prefix", "osd df", "output_method", "plain"), &reply, err);
	if (r < 0)
		return r;
	nodes = cn_json_arr(reply, "nodes");
	u.v = cn_calloc(json_array_size(nodes), sizeof(*u.v));
	json_array_foreach (nodes, i, j)
		u.v[u.n++] = (struct cn_osd_usage){
			.id = (int)cn_json_int(j, "id", -1),
			.used = cn_json_int(j, "kb_used", 0) * 1024,
			.total = cn_json_int(j, "kb", 0) * 1024,
		};
	*ret = u;
	return 0;
}

void cn_osd_usages_release(struct cn_osd_usages *u)
{
	free(u->v);
	*u = (struct cn_osd_usages){};
}

int cn_pool_df(struct cn_cluster *c, struct cn_pool_usages *ret, struct cn_error *err)
{
	_cleanup_json_ json_t *reply = NULL;
	struct cn_pool_usages u = {};
	json_t *pools, *j;
	size_t i;
	int r;

	r = ask(c, CN_MON, json_pack("{ss,ss}", "prefix", "df", "detail", "detail"), &reply, err);
	if (r < 0)
		return r;
	pools = cn_json_arr(reply, "pools");
	u.v = cn_calloc(json_array_size(pools), sizeof(*u.v));
	json_array_foreach (pools, i, j) {
		const json_t *stats = cn_json_obj(j, "stats");

		u.v[u.n++] = (struct cn_pool_usage){
			.pool = cn_json_int(j, "id", -1),
			.stored = cn_json_int(stats, "stored", 0),
			.used = cn_json_int(stats, "bytes_used", 0),
		};
	}
	*ret = u;
	return 0;
}

void cn_pool_usages_release(struct cn_pool_usages *u)
{
	free(u->v);
	*u = (struct cn_pool_usages){};
}

int cn_osd_metadata(struct cn_cluster *c, int osd, json_t **ret, struct cn_error *err)
{
	json_t *cmd = json_pack("{ss}", "prefix", "osd metadata");

	if (osd >= 0)
		json_object_set_new(cmd, "id", json_integer(osd));
	return ask(c, CN_MON, cmd, ret, err);
}

int cn_mon_dump(struct cn_cluster *c, json_t **ret, struct cn_error *err)
{
	return ask(c, CN_MON, json_pack("{ss}", "prefix", "mon dump"), ret, err);
}

int cn_mgr_metadata(struct cn_cluster *c, json_t **ret, struct cn_error *err)
{
	return ask(c, CN_MON, json_pack("{ss}", "prefix", "mgr metadata"), ret, err);
}

int cn_mds_metadata(struct cn_cluster *c, json_t **ret, struct cn_error *err)
{
	return ask(c, CN_MON, json_pack("{ss}", "prefix", "mds metadata"), ret, err);
}

int cn_mgr_dump(struct cn_cluster *c, json_t **ret, struct cn_error *err)
{
	return ask(c, CN_MON, json_pack("{ss}", "prefix", "mgr dump"), ret, err);
}

int cn_config_key_get(struct cn_cluster *c, const char *key, char **ret, struct cn_error *err)
{
	size_t len;
	int r;

	/* The value is the whole reply, whatever bytes it has: not through the JSON reader. */
	r = cn_command_raw(c, CN_MON, NULL, json_pack("{ss,ss}", "prefix", "config-key get", "key", key), ret, &len, err);
	if (r == -ENOENT)
		return cn_error_set(err, CN_NOT_FOUND, ENOENT, "config-key %s does not exist", key);
	return r;
}

int cn_config_key_dump(struct cn_cluster *c, const char *prefix, json_t **ret, struct cn_error *err)
{
	return ask(c, CN_MON, json_pack("{ss,ss}", "prefix", "config-key dump", "key", prefix), ret, err);
}

int cn_config_key_set(struct cn_cluster *c, const char *key, const char *value, struct cn_error *err)
{
	return cn_command(c, CN_MON, NULL, json_pack("{ss,ss,ss}", "prefix", "config-key set", "key", key, "val", value), NULL,
			  err);
}

int cn_config_key_rm(struct cn_cluster *c, const char *key, struct cn_error *err)
{
	return cn_command(c, CN_MON, NULL, json_pack("{ss,ss}", "prefix", "config-key rm", "key", key), NULL, err);
}

int cn_config_dump(struct cn_cluster *c, json_t **ret, struct cn_error *err)
{
	return ask(c, CN_MON, json_pack("{ss}", "prefix", "config dump"), ret, err);
}

int cn_config_rm(struct cn_cluster *c, const char *who, const char *name, struct cn_error *err)
{
	return cn_command(c, CN_MON, NULL, json_pack("{ss,ss,ss}", "prefix", "config rm", "who", who, "name", name), NULL, err);
}

int cn_config_set(struct cn_cluster *c, const char *who, const char *name, const char *value, bool force, struct cn_error *err)
{
	json_t *cmd =
		json_pack("{ss,ss,ss,so}", "prefix", "config set", "who", who, "name", name, "value", cn_json_string(value));

	if (force)
		json_object_set_new(cmd, "force", json_true());
	return cn_command(c, CN_MON, NULL, cmd, NULL, err);
}

int cn_config_show(struct cn_cluster *c, const char *who, const char *name, char **ret, struct cn_error *err)
{
	size_t len;
	int r;

	/* one value is a line of plain text, whatever format is asked for */
	r = cn_command_raw(c, CN_MGR, NULL, json_pack("{ss,ss,ss}", "prefix", "config show", "who", who, "key", name), ret, &len,
			   err);
	if (r == 0)
		(*ret)[strcspn(*ret, "\n")] = '\0';
	return r;
}

int cn_config_show_all(struct cn_cluster *c, const char *who, json_t **ret, struct cn_error *err)
{
	return ask(c, CN_MGR, json_pack("{ss,ss}", "prefix", "config show", "who", who), ret, err);
}

int cn_auth_exists(struct cn_cluster *c, const char *entity, bool *ret, struct cn_error *err)
{
	struct cn_error e = {};
	int r = cn_command(c, CN_MON, NULL, json_pack("{ss,ss}", "prefix", "auth get", "entity", entity), NULL, &e);

	if (r < 0 && r != -ENOENT) {
		cn_error_move(err, &e);
		return r;
	}
	cn_error_release(&e);
	*ret = r == 0;
	return 0;
}

int cn_auth_del(struct cn_cluster *c, const char *entity, struct cn_error *err)
{
	return cn_command(c, CN_MON, NULL, json_pack("{ss,ss}", "prefix", "auth del", "entity", entity), NULL, err);
}
