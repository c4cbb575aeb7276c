/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/* Inside of src/drain: what the upmap entries that stand mean for the forecast of a change that is still to come. */
#include "cephnode/cluster/mapping.h"

/* True where cn_maptool_map_up() and this map's entries tell all that a forecast needs to know: no OSD is down and still in
 * (CRUSH would choose it), no entry is a full one, and none of several pairs leads to a leaving OSD. Of such an entry one can
 * tell from the map alone only by likelihood which of its pairs were applied; that is good enough where asking would take long.
 */
bool cn_entries_suffice(const struct cn_osdmap *m, const struct cn_ids *leaving);
/* After cn_maptool_map_up() of today's map: makes raw the sets that CRUSH chose where entries lead away from a leaving OSD. */
void cn_entries_leave(const struct cn_osdmap *m, const struct cn_ids *leaving, struct cn_mapping *before);
/* With the change the mon cancels every entry that leads to an OSD of weight 0, in the same epoch; osdmaptool does not. Puts that
 * right in `after`, where the leaving OSDs have weight 0; brief: it is of cn_maptool_map_up(). */
void cn_entries_cancel(const struct cn_osdmap *m, const struct cn_ids *leaving, bool brief, struct cn_mapping *after);
