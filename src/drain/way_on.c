/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an interrupted call leaves, in words. */
#include "run.h"

#include <string.h>

static const char *state_of(const struct cn_run *run, enum cn_phase phase)
{
	if (run->undo)
		return "the undo has begun and is not complete";
	if (phase < CN_PHASE_RELEASE)
		return "nothing is lost, the cluster may begin to move the data";
	if (phase < CN_PHASE_DRAINED)
		return "nothing is lost, the cluster goes on moving the data";
	if (phase < CN_PHASE_STOP)
		return "nothing is lost, the data has moved";
	return phase < CN_PHASE_SWEEP ? "nothing is lost, the data has moved; some of the OSDs may be stopped or removed"
				      : "the OSDs are removed, what they leave behind is not";
}

/* "cephnode cancel osd.0; cephnode cancel osd.8" */
static char *undo_commands(const struct cn_run *run)
{
	_cleanup_(cn_strv_release) struct cn_strv commands = {};

	for (size_t i = 0; i < run->n; i++)
		cn_strv_addf(&commands, "cephnode cancel %s", run->n == 1 ? run->node : run->drains[i].journal.spec);
	return cn_strv_join(&commands, "; ");
}

char *cn_way_on(const struct cn_run *run)
{
	enum cn_phase phase = cn_run_phase(run);
	_cleanup_free_ char *names = cn_strdup(run->node), *undo = NULL;
	bool can_undo = !run->undo && phase < CN_PHASE_PURGE;

	if (run->n == 0 || !run->drains[0].journal.loaded || phase == CN_PHASE_DONE || phase == CN_PHASE_CANCELLED)
		return NULL;
	for (char *c = names; *c; c++)
		*c = *c == ',' ? ' ' : *c;
	undo = undo_commands(run);
	return cn_asprintf("%s. To go on: cephnode %s %s%s%s%s", state_of(run, phase), run->verb,
			   run->keep && strcmp(run->verb, "drain") == 0 ? "--keep " : "", names, can_undo ? ". To undo it: " : "",
			   can_undo ? undo : "");
}
