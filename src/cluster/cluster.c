/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cephnode/cluster/cluster.h"

#include <errno.h>
#include <string.h>

#include "cephnode/base/log.h"

void cn_cluster_free(struct cn_cluster *c)
{
	if (c)
		c->ops->free(c);
}

void cn_lockers_release(struct cn_lockers *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].client);
		free(l->v[i].cookie);
		free(l->v[i].address);
	}
	free(l->v);
	free(l->tag);
	*l = (struct cn_lockers){};
}

void cn_pairs_release(struct cn_pairs *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].key);
		free(l->v[i].value);
	}
	free(l->v);
	*l = (struct cn_pairs){};
}

void cn_watchers_release(struct cn_watchers *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].address);
	free(l->v);
	*l = (struct cn_watchers){};
}

static const char *target_name(enum cn_target t)
{
	return t == CN_MON ? "the monitors" : t == CN_MGR ? "the manager" : "the primary OSD";
}

static void explain(struct cn_cluster *c, enum cn_target target, const json_t *cmd, int r, const char *status,
		    struct cn_error *err)
{
	const char *prefix = cn_json_str(cmd, "prefix", "?");
	const char *words = status && *status ? status : strerror(-r);

	if (r == -ETIMEDOUT) {
		cn_error_set(err, CN_TIMEOUT, r, "'%s': %s gave no answer in time", prefix, target_name(target));
		cn_error_hint(err, target == CN_MON   ? "is there a monitor quorum? (ceph quorum_status)"
				   : target == CN_MGR ? "is a manager active? (ceph mgr stat)"
						      : "is the OSD alive? (ceph osd tree down)");
		return;
	}
	cn_error_set(err, CN_FAILED, r, "'%s': %s", prefix, words);
	if (r == -EACCES || r == -EPERM)
		cn_error_hint(err,
			      "%s lacks a cap; add allow command \"%s\" to its %s caps (ceph auth get %s, ceph auth caps; "
			      "cephnode(1), CAPS)",
			      c->entity, prefix,
			      target == CN_MGR  ? "mgr"
			      : target == CN_PG ? "osd"
						: "mon",
			      c->entity);
}

int cn_command_raw(struct cn_cluster *c, enum cn_target target, const char *pgid, json_t *cmd_stolen, char **ret, size_t *ret_len,
		   struct cn_error *err)
{
	_cleanup_json_ json_t *cmd = cmd_stolen;
	_cleanup_free_ char *text = cn_json_dump(cmd), *out = NULL, *status = NULL;
	int r;

	*ret_len = 0;
	r = c->ops->command(c, target, pgid, text, &out, ret_len, &status);
	cn_debug("%s %s%s%.200s -> %d, %zu bytes",
		 target == CN_MON   ? "mon"
		 : target == CN_MGR ? "mgr"
				    : "pg",
		 pgid ? pgid : "", pgid ? " " : "", text, r, *ret_len);
	if (r < 0) {
		explain(c, target, cmd, r, status, err);
		return r;
	}
	*ret = TAKE_PTR(out);
	return 0;
}

int cn_command(struct cn_cluster *c, enum cn_target target, const char *pgid, json_t *cmd_stolen, json_t **ret,
	       struct cn_error *err)
{
	_cleanup_free_ char *prefix = cn_strdup(cn_json_str(cmd_stolen, "prefix", "?")), *out = NULL;
	size_t len;
	int r = cn_command_raw(c, target, pgid, cmd_stolen, &out, &len, err);

	if (r < 0 || !ret)
		return r;
	*ret = cn_json_parse(out, len, err);
	return *ret ? 0 : cn_error_wrap(err, "'%s'", prefix);
}
