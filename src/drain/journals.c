/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Journals in the mon's config-key store: a head for each drain, and parts where one value (64 KiB) is too small. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cephnode/base/log.h"
#include "cephnode/drain/journal.h"

#define PART_SIZE 49152 /* of JSON text, which grows a little when it is quoted inside the command */

static char *checksum(const char *text)
{
	uint64_t h = 0xcbf29ce484222325u; /* FNV-1a: against torn writes, not against malice */

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3u;
	return cn_asprintf("%016" PRIx64, h);
}

static char *head_key(const char *id)
{
	return cn_asprintf(CN_JOURNAL_PREFIX "%s", id);
}

static char *part_key(const char *id, int64_t generation, size_t i)
{
	return cn_asprintf(CN_JOURNAL_PREFIX "%s/%" PRId64 "/%zu", id, generation, i);
}

/* Removes what a generation (or a torn write of it) left: all keys of this journal's parts but those of `keep`. */
static int remove_parts(struct cn_cluster *c, const char *id, int64_t keep, struct cn_error *err)
{
	_cleanup_free_ char *prefix = cn_asprintf(CN_JOURNAL_PREFIX "%s/", id);
	_cleanup_free_ char *kept = cn_asprintf(CN_JOURNAL_PREFIX "%s/%" PRId64 "/", id, keep);
	_cleanup_json_ json_t *dump = NULL;
	const char *key;
	json_t *v;
	int r;

	r = cn_config_key_dump(c, prefix, &dump, err);
	json_object_foreach (dump, key, v)
		if (r == 0 && strncmp(key, prefix, strlen(prefix)) == 0 && strncmp(key, kept, strlen(kept)) != 0)
			r = cn_config_key_rm(c, key, err);
	return r;
}

static int save_parts(struct cn_cluster *c, const struct cn_journal *j, const char *text, size_t *ret_n, struct cn_error *err)
{
	size_t len = strlen(text), n = 0;
	int r = 0;

	for (size_t at = 0; at < len && r == 0; n++) {
		_cleanup_free_ char *key = part_key(j->id, j->generation, n);
		size_t take = MIN(len - at, (size_t)PART_SIZE);
		_cleanup_free_ char *piece = NULL;

		while (take > 1 && at + take < len && ((unsigned char)text[at + take] & 0xc0) == 0x80)
			take--; /* never through a character */
		piece = cn_strndup(text + at, take);
		r = cn_config_key_set(c, key, piece, err);
		at += take;
	}
	*ret_n = n;
	return r;
}

int cn_journal_save(struct cn_cluster *c, struct cn_journal *j, struct cn_clock *clock, struct cn_error *err)
{
	_cleanup_free_ char *key = head_key(j->id), *text = NULL, *sum = NULL, *head_text = NULL;
	_cleanup_json_ json_t *body = NULL, *head = NULL;
	size_t parts = 0;
	int r = 0;

	j->generation++;
	j->updated_ms = cn_clock_real_ms(clock);
	body = cn_journal_json(j);
	text = cn_json_dump(body);
	sum = checksum(text);
	head = json_pack("{si,ss,sI,ss}", "schema", CN_JOURNAL_SCHEMA, "id", j->id, "generation", (json_int_t)j->generation,
			 "checksum", sum);
	if (strlen(text) > PART_SIZE)
		r = save_parts(c, j, text, &parts, err);
	else
		json_object_set_new(head, "body", cn_json_string(text));
	json_object_set_new(head, "parts", json_integer((json_int_t)parts));
	head_text = cn_json_dump(head);
	if (r == 0)
		r = cn_config_key_set(c, key, head_text, err);
	if (r < 0) {
		j->generation--;
		return cn_error_wrap(err, "cannot write the journal of %s", j->node);
	}
	j->loaded = true;
	if (j->had_parts) /* of the generation before; should it fail, the next write takes them along */
		remove_parts(c, j->id, parts ? j->generation : -1, NULL);
	j->had_parts = parts || j->had_parts;
	return 0;
}

int cn_journal_erase(struct cn_cluster *c, struct cn_journal *j, struct cn_error *err)
{
	_cleanup_free_ char *key = head_key(j->id);
	int r;

	if (!j->loaded)
		return 0;
	r = cn_config_key_rm(c, key, err);
	if (r == 0)
		r = remove_parts(c, j->id, -1, err);
	if (r == 0)
		j->loaded = false;
	return r;
}

/* Puts the text of a journal together from its head and the parts in dump. NULL when something is missing. */
static char *assemble(const json_t *head, const json_t *dump)
{
	const char *id = cn_json_str(head, "id", ""), *body = cn_json_str(head, "body", NULL);
	int64_t parts = cn_json_int(head, "parts", 0), generation = cn_json_int(head, "generation", 0);
	struct cn_strv pieces = {};
	char *text;

	if (parts == 0)
		return body ? cn_strdup(body) : NULL;
	for (int64_t i = 0; i < parts; i++) {
		_cleanup_free_ char *key = part_key(id, generation, (size_t)i);
		const char *piece = cn_json_str(dump, key, NULL);

		if (piece)
			cn_strv_add(&pieces, piece);
	}
	text = (int64_t)pieces.n == parts ? cn_strv_join(&pieces, "") : NULL;
	cn_strv_release(&pieces);
	return text;
}

static int read_head(const char *key, const char *value, const json_t *dump, struct cn_journal *ret, struct cn_error *err)
{
	_cleanup_json_ json_t *head = cn_json_parse(value, strlen(value), NULL), *body = NULL;
	_cleanup_free_ char *text = NULL, *sum = NULL;
	int64_t schema = cn_json_int(head, "schema", 0);
	int r;

	if (schema > CN_JOURNAL_SCHEMA) {
		cn_error_set(err, CN_FAILED, EPROTO, "config-key %s was written by a newer cephnode (schema %" PRId64 ")", key,
			     schema);
		cn_error_hint(err, "use that version, or a newer one");
		return -EPROTO;
	}
	text = assemble(head, dump);
	sum = text ? checksum(text) : NULL;
	if (!sum || strcmp(sum, cn_json_str(head, "checksum", "")) != 0) {
		cn_error_set(err, CN_FAILED, EBADMSG, "the journal in config-key %s is damaged", key);
		cn_error_hint(
			err,
			"it holds the weights from before a drain: read it (ceph config-key get %s), put them back by hand, then "
			"remove it (ceph config-key rm %s)",
			key, key);
		return -EBADMSG;
	}
	body = cn_json_parse(text, strlen(text), err);
	if (!body)
		return cn_error_wrap(err, "the journal in config-key %s", key);
	r = cn_journal_read(body, ret, err);
	if (r < 0)
		return cn_error_wrap(err, "config-key %s", key);
	ret->generation = cn_json_int(head, "generation", 0);
	ret->had_parts = cn_json_int(head, "parts", 0) > 0;
	return 0;
}

static int load(struct cn_cluster *c, const char *prefix, struct cn_journals *ret, struct cn_error *err)
{
	_cleanup_json_ json_t *dump = NULL;
	struct cn_journals l = {};
	const char *key;
	json_t *v;
	int r;

	r = cn_config_key_dump(c, prefix, &dump, err);
	if (r < 0)
		return r;
	l.v = cn_calloc(json_object_size(dump), sizeof(*l.v));
	json_object_foreach (dump, key, v) {
		const char *id =
			strncmp(key, CN_JOURNAL_PREFIX, strlen(CN_JOURNAL_PREFIX)) == 0 ? key + strlen(CN_JOURNAL_PREFIX) : "/";

		if (strchr(id, '/') || !json_is_string(v))
			continue; /* a part: read through its head, or left by a torn write and without meaning */
		r = read_head(key, json_string_value(v), dump, &l.v[l.n], err);
		if (r < 0) {
			cn_journals_release(&l);
			return r;
		}
		l.n++;
	}
	*ret = l;
	return 0;
}

int cn_journals_load(struct cn_cluster *c, struct cn_journals *ret, struct cn_error *err)
{
	return load(c, CN_JOURNAL_PREFIX, ret, err);
}

int cn_journal_load(struct cn_cluster *c, const char *id, struct cn_journal *ret, struct cn_error *err)
{
	_cleanup_free_ char *key = head_key(id);
	struct cn_journals l = {};
	int r;

	r = load(c, key, &l, err);
	if (r < 0)
		return r;
	r = -ENOENT;
	for (size_t i = 0; i < l.n && r; i++)
		if (strcmp(l.v[i].id, id) == 0) {
			*ret = l.v[i];
			l.v[i] = (struct cn_journal){};
			r = 0;
		}
	cn_journals_release(&l);
	return r ? cn_error_set(err, CN_NOT_FOUND, ENOENT, "the journal of this drain is gone") : 0;
}

void cn_journals_release(struct cn_journals *l)
{
	for (size_t i = 0; i < l->n; i++)
		cn_journal_release(&l->v[i]);
	free(l->v);
	*l = (struct cn_journals){};
}

int cn_journals_expire(struct cn_cluster *c, const struct cn_journals *l, struct cn_clock *clock, struct cn_error *err)
{
	int64_t now = cn_clock_real_ms(clock);
	int r = 0;

	for (size_t i = 0; i < l->n && r == 0; i++)
		if (cn_journal_is_tombstone(&l->v[i]) && now - l->v[i].updated_ms > CN_TOMBSTONE_MS)
			r = cn_journal_erase(c, &l->v[i], err);
	return r;
}
