/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The config database of the living cluster. */
#include "sim_internal.h"

#include <errno.h>

static json_t *entry(struct sim *s, const char *section, const char *mask, const char *name, size_t *ret_at)
{
	json_t *e;
	size_t i;

	json_array_foreach (s->config, i, e)
		if (strcmp(cn_json_str(e, "section", ""), section) == 0 && strcmp(cn_json_str(e, "mask", ""), mask) == 0 &&
		    strcmp(cn_json_str(e, "name", ""), name) == 0) {
			*ret_at = i;
			return e;
		}
	return NULL;
}

const char *sim_config(struct sim *s, const char *section, const char *mask, const char *name)
{
	size_t at;

	return cn_json_str(entry(s, section, mask, name, &at), "value", NULL);
}

void sim_set_config(struct sim *s, const char *section, const char *mask, const char *name, const char *value)
{
	size_t at;

	if (entry(s, section, mask, name, &at))
		json_array_remove(s->config, at);
	if (value)
		json_array_append_new(s->config,
				      json_pack("{ss,ss,ss,ss}", "section", section, "mask", mask, "name", name, "value", value));
}

/* What every OSD runs with; masks and sections of single daemons are left out here. */
static const char *in_force(struct sim *s, const char *name)
{
	const char *set = sim_config(s, "osd", "", name);

	return set && !(s->file && strcmp(s->file, name) == 0) ? set : cn_json_str(s->daemons, name, NULL);
}

static char *show(struct sim *s, const json_t *cmd, int *ret_code)
{
	const char *key = cn_json_str(cmd, "key", NULL);
	_cleanup_json_ json_t *all = json_array();
	json_t *e;
	size_t i;

	if (key && !in_force(s, key))
		*ret_code = -ENOENT;
	if (key)
		return *ret_code ? NULL : cn_asprintf("%s\n", in_force(s, key));
	json_array_foreach (s->config, i, e) {
		const char *name = cn_json_str(e, "name", "");

		if (strcmp(cn_json_str(e, "section", ""), "osd") == 0 && !*cn_json_str(e, "mask", ""))
			json_array_append_new(all, json_pack("{ss,ss,ss}", "name", name, "value", in_force(s, name), "source",
							     s->file && strcmp(s->file, name) == 0 ? "file" : "mon"));
	}
	return cn_json_dump(all);
}

/* The mon gives a value its own form, unless it is told to take it as it is. */
static void set(struct sim *s, const json_t *cmd, bool rm)
{
	struct cn_strv who = {};
	const char *name = cn_json_str(cmd, "name", ""), *value = cn_json_str(cmd, "value", "");
	_cleanup_free_ char *form = NULL;

	cn_strv_split(&who, cn_json_str(cmd, "who", ""), "/");
	form = strstr(name, "sleep") && !cn_json_bool(cmd, "force", false) ? cn_asprintf("%f", atof(value)) : cn_strdup(value);
	sim_set_config(s, who.v[0], who.n > 1 ? who.v[1] : "", name, rm ? NULL : form);
	cn_strv_release(&who);
}

bool sim_config_command(struct sim *s, const json_t *cmd, int *ret_code, char **ret_body)
{
	const char *prefix = cn_json_str(cmd, "prefix", "");
	bool rm = strcmp(prefix, "config rm") == 0;

	if (strcmp(prefix, "config dump") == 0) {
		*ret_body = cn_json_dump(s->config);
	} else if (strcmp(prefix, "config show") == 0) {
		*ret_body = show(s, cmd, ret_code);
	} else if (rm || strcmp(prefix, "config set") == 0) {
		*ret_code = s->no_caps ? -EACCES : 0;
		if (!s->no_caps)
			set(s, cmd, rm);
		*ret_body = cn_strdup("");
	} else {
		return false;
	}
	return true;
}
