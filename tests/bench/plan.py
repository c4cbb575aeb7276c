#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""plan.py [HOSTS OSDS_PER_HOST PGS [ROUNDS]]: time and memory of `plan` for one host of a large cluster (1000 12 300000).

The map is bigmap.py's, the placement of every PG the real one of that map, the other replies have the fields and the length of those of
Ceph 16.2.15. bench-plan hands them to the core library of the release build: all but librados and the network is the real path,
osdmaptool included. Its peak memory holds one copy of each reply, as cephnode's does; librados holds another while it hands one over.
"""
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

import bigmap

HERE = pathlib.Path(__file__).resolve().parent
BUILD = pathlib.Path(os.environ.get('CN_BUILD', HERE.parent.parent / 'build')) / 'release'
POOLS = 10              # no mon lets a pool have more than 65,536 PGs
GIB = 1 << 30
SUMS = ('bytes objects object_clones object_copies objects_missing_on_primary objects_missing objects_degraded objects_misplaced '
        'objects_unfound objects_dirty whiteouts read read_kb write write_kb scrub_errors shallow_scrub_errors deep_scrub_errors '
        'objects_recovered bytes_recovered keys_recovered objects_omap objects_hit_set_archive bytes_hit_set_archive flush flush_kb '
        'evict evict_kb promote flush_mode_high flush_mode_low evict_mode_some evict_mode_full objects_pinned legacy_snapsets '
        'large_omap_objects objects_manifest omap_bytes omap_keys objects_repaired').split()
STAMPS = ('fresh change active peered clean became_active became_peered unstale undegraded fullsized scrub_stamp deep_scrub_stamp '
          'clean_scrub_stamp').split()
EPOCHS = ('version reported_seq reported_epoch mapping_epoch log_start ondisk_log_start created last_epoch_clean parent_split_bits '
          'last_scrub last_deep_scrub log_size ondisk_log_size').split()
FLAGS = ('stats_invalid dirty_stats_invalid omap_stats_invalid hitset_stats_invalid hitset_bytes_stats_invalid pin_stats_invalid '
         'manifest_stats_invalid').split()


def placements(osdmap):
    out = subprocess.run(['osdmaptool', osdmap, '--test-map-pgs-dump'], check=True, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True).stdout
    for line in out.splitlines():
        if line[0].isdigit():
            pgid, osds, primary = line.split('\t')
            yield pgid, json.loads(osds), int(primary)


def brief(pgid, osds, primary):
    return {'pgid': pgid, 'state': 'active+clean', 'up': osds, 'up_primary': primary, 'acting': osds, 'acting_primary': primary}


def full(pgid, osds, primary):
    sums = {'num_' + name: 0 for name in SUMS}
    sums.update(num_bytes=20 * GIB, num_objects=5120, num_object_copies=5120 * len(osds))
    stats = dict.fromkeys(EPOCHS, 123456) | dict.fromkeys(FLAGS, False) | {'last_' + s: '2026-11-22T16:29:26.475094+0000' for s in STAMPS}
    return {**brief(pgid, osds, primary), **stats, 'parent': '0.0', 'stat_sum': sums, 'snaptrimq_len': 0, 'avail_no_missing': [],
            'blocked_by': [], 'object_location_counts': [], 'purged_snaps': []}


def usage(osd):
    kb = 4 << 30
    return {'id': osd, 'device_class': 'hdd', 'name': 'osd.%d' % osd, 'type': 'osd', 'type_id': 0, 'crush_weight': bigmap.WEIGHT,
            'depth': 3, 'pool_weights': {}, 'reweight': 1, 'kb': kb, 'kb_used': kb * 2 // 5, 'kb_used_data': kb * 2 // 5,
            'kb_used_omap': 0, 'kb_used_meta': 0, 'kb_avail': kb * 3 // 5, 'utilization': 40.0, 'var': 1.0, 'pgs': 75, 'status': 'up'}


def metadata(osd, per_host):
    return {'id': osd, 'hostname': 'node%d' % (osd // per_host + 1), 'filler': '.' * 1900}


def upmaps(all_pgs, hosts, per_host, share):
    """As a balancer leaves them: one shard of a PG, of every fourth two, lies on another host than CRUSH says."""
    rnd, entries = random.Random(1), {}
    for pgid, osds, _ in all_pgs:
        if rnd.random() < share:
            free = [h for h in rnd.sample(range(hosts), len(osds) + 2) if h not in {o // per_host for o in osds}]
            pool, seed = pgid.split('.')
            entries[int(pool), int(seed, 16)] = [(o, h * per_host + rnd.randrange(per_host))
                                                 for o, h in zip(rnd.sample(osds, 1 + (rnd.random() < .25)), free)]
    return entries


def write_replies(folder, hosts, per_host, pgs, share):
    """A file for each command, named as plan.c names it; returns the node to be planned."""
    osdmap, dump, crush = bigmap.make(folder, hosts, per_host, pgs, pools=POOLS)
    if share:
        bigmap.add_upmaps(osdmap, dump, upmaps(placements(osdmap), hosts, per_host, share))
    victim = range(hosts // 2 * per_host, (hosts // 2 + 1) * per_host)
    on = {osd: [] for osd in victim}
    all_pgs = list(placements(osdmap))
    for pg in all_pgs:
        for osd in on.keys() & set(pg[1]):
            on[osd].append(full(*pg))
    stored = {'stored': 20 * GIB * pgs // POOLS, 'bytes_used': 60 * GIB * pgs // POOLS}
    replies = {
        'pg-dump': {'pg_ready': True, 'pg_stats': [brief(*pg) for pg in all_pgs]},
        'osd-df': {'nodes': [usage(i) for i in range(hosts * per_host)], 'stray': [], 'summary': {}},
        'df': {'stats': {}, 'pools': [{'name': 'p%03d' % i, 'id': i, 'stats': stored} for i in range(1, POOLS + 1)]},
        'health': {'status': 'HEALTH_OK', 'checks': {}, 'mutes': []},
        'osd-metadata': [metadata(i, per_host) for i in range(hosts * per_host)], 'config-key-dump': {}, 'mds-metadata': [], 'mgr-metadata': [{'name': 'x', 'addr': '10.0.0.1', 'hostname': 'mgr1'}],
        'mon-dump': {'epoch': 1, 'mons': [{'rank': 0, 'name': 'a', 'addr': '10.0.0.1:6789/0', 'public_addr': '10.0.0.1:6789/0'}]},
    }
    for osd in victim:
        replies['pg-ls-by-osd-%d' % osd] = {'pg_ready': True, 'pg_stats': on[osd]}
        replies['osd-metadata-%d' % osd] = metadata(osd, per_host)
    for name, reply in replies.items():
        (folder / name).write_text(json.dumps(reply, separators=(',', ':')))
    osdmap.rename(folder / 'osd-getmap')
    dump.rename(folder / 'osd-dump')
    crush.rename(folder / 'osd-crush-dump')
    return 'node%d' % (hosts // 2 + 1)


def measure(folder, node):
    run = subprocess.run([BUILD / 'tests/bench/bench-plan', folder, node], check=True, stdout=subprocess.PIPE)
    run = json.loads(run.stdout)
    assert run['plan']['forecast']['exact'], run['plan']['forecast']['reason']
    return run


def show(what, runs):
    best = min(runs, key=lambda run: run['seconds'])
    print('| `plan` for one host, %s | **%.1f s** | %.1f s | %.1f s | **%.0f MiB** |' %
          (what, best['seconds'], best['cpu_s'], best['tool_cpu_s'], max(run['peak_kib'] for run in runs) / 1024))


def main():
    hosts, per_host, pgs, rounds = list(map(int, sys.argv[1:])) + [1000, 12, 300000, 3][len(sys.argv) - 1:]
    print('| what | seconds | CPU of its own | CPU of osdmaptool | peak memory |\n|---|---|---|---|---|')
    for what, share in ('no upmaps', 0), ('every tenth PG with an upmap entry', .1):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            node = write_replies(folder, hosts, per_host, pgs, share)
            show(what, [measure(folder, node) for _ in range(rounds)])
            replies = sum(f.stat().st_size for f in folder.iterdir() if f.name != 'osd-metadata') / (1 << 20)
    print('\n%d hosts of %d OSDs, %d PGs in %d pools, %d cores, load %.1f; best of %d; %.0f MiB of replies' %
          (hosts, per_host, pgs, POOLS, os.cpu_count(), os.getloadavg()[0], rounds, replies))


if __name__ == '__main__':
    main()
