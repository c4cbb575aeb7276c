/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the hook prints: heat-config sends it to Heat as it is, and Heat keeps it. */
#include <string.h>

#include "cephnode/base/json.h"
#include "cephnode/heat/hook.h"

#define MOST_NOTES 12
#define NOTE_LEN 300

static const char *outcome_of(const struct cn_hook_answer *a)
{
	if (a->code == CN_OK)
		return a->ignored ? "ignored" : "removed";
	if (a->code == CN_REFUSED)
		return "refused";
	return a->code == CN_TIMEOUT ? "stalled" : "failed";
}

void cn_hook_answer_note(struct cn_hook_answer *a, const char *text)
{
	_cleanup_free_ char *cut = cn_strndup(text, NOTE_LEN);

	if (a->notes.n && strcmp(a->notes.v[a->notes.n - 1], cut) == 0)
		return;
	if (a->notes.n == MOST_NOTES) {
		free(a->notes.v[0]);
		memmove(a->notes.v, a->notes.v + 1, --a->notes.n * sizeof(*a->notes.v));
	}
	cn_strv_add(&a->notes, cut);
}

void cn_hook_answer_error(struct cn_hook_answer *a, const struct cn_error *err)
{
	enum cn_code code = err->code == CN_NOT_FOUND || err->code == CN_PARTIAL ? CN_FAILED : err->code;

	a->code = code ? code : CN_FAILED;
	free(a->reason);
	a->reason = cn_strdup(err->message ? err->message : "failed");
	if (err->hint) {
		_cleanup_free_ char *hint = cn_asprintf("hint: %s", err->hint);

		cn_hook_answer_note(a, hint);
	}
}

char *cn_hook_answer_format(const struct cn_hook_answer *a)
{
	_cleanup_free_ char *notes = cn_strv_join(&a->notes, "\n"), *line = NULL;
	_cleanup_json_ json_t *j = json_object();

	json_object_set_new(j, "deploy_status_code", json_integer(a->code));
	json_object_set_new(j, "deploy_stdout", cn_json_string(a->text ? a->text : ""));
	json_object_set_new(j, "deploy_stderr", cn_json_string(notes));
	json_object_set_new(j, "outcome", json_string(outcome_of(a)));
	json_object_set_new(j, "bytes_moved", json_integer(a->bytes_moved));
	json_object_set_new(j, "reason", cn_json_string(a->reason ? a->reason : ""));
	line = cn_json_dump(j);
	return cn_asprintf("%s\n", line);
}

void cn_hook_answer_release(struct cn_hook_answer *a)
{
	free(a->reason);
	free(a->text);
	cn_strv_release(&a->notes);
	*a = (struct cn_hook_answer){};
}
