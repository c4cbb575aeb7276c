# SPDX-License-Identifier: LGPL-2.1-or-later
"""Everything that must be as it was after a refusal or a cancel; volatile things (epochs, stamps) left out."""
import json

# Epochs, times and what follows from them. What is not named here counts.
OSDMAP = {'epoch', 'modified', 'last_up_change', 'last_in_change', 'crush_version', 'pg_temp', 'primary_temp',
          'osd_xinfo', 'new_removed_snaps', 'new_purged_snaps', 'removed_snaps_queue', 'pool_max'}
OSD = {'up_from', 'up_thru', 'down_at', 'lost_at', 'last_clean_begin', 'last_clean_end'}
POOL = {'last_change', 'last_force_op_resend', 'last_force_op_resend_prenautilus', 'last_force_op_resend_preluminous',
        'last_pg_merge_meta', 'snap_epoch'}


def take(cluster):
    osd = cluster.mon('osd dump')
    osd = {k: v for k, v in osd.items() if k not in OSDMAP}
    osd['osds'] = {'osd.%d' % o['osd']: {k: v for k, v in o.items() if k not in OSD} for o in osd['osds']}
    osd['pools'] = {p['pool_name']: {k: v for k, v in p.items() if k not in POOL} for p in osd['pools']}
    osd['pg_upmap'] = {p['pgid']: p for p in osd['pg_upmap']}
    osd['pg_upmap_items'] = {p['pgid']: p for p in osd['pg_upmap_items']}
    keys = cluster.mon('config-key dump')
    return {
        'osd dump': osd,
        'osd crush dump': cluster.mon('osd crush dump'),
        'config': {'%s/%s/%s' % (c['section'], c['mask'], c['name']): c['value'] for c in cluster.mon('config dump')},
        # what `config set` wrote is in `config dump`; its history only grows. The mgr's own keys are not the tool's.
        'config-key': {k: v for k, v in keys.items() if not k.startswith(('config/', 'config-history/', 'mgr/'))},
        'auth': {a['entity']: a for a in cluster.mon('auth ls')['auth_dump']},
    }


def flat(value, path=''):
    if isinstance(value, dict):
        for k, v in value.items():
            yield from flat(v, '%s | %s' % (path, k) if path else str(k))
    elif isinstance(value, list):
        for i, v in enumerate(value):
            yield from flat(v, '%s[%d]' % (path, i))
    else:
        yield path, json.dumps(value, sort_keys=True)


def diff(before, after, ignore=()):
    """The differences, one readable line each; `ignore`: beginnings of paths, e.g. 'config-key | cephnode/'."""
    a, b = dict(flat(before)), dict(flat(after))
    lines = []
    for path in sorted(set(a) | set(b)):
        if a.get(path) != b.get(path) and not path.startswith(tuple(ignore)):
            lines.append('%s: %s -> %s' % (path, a.get(path, '(absent)'), b.get(path, '(absent)')))
    return lines
