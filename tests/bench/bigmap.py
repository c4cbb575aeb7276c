#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""bigmap.py HOSTS OSDS_PER_HOST PGS DIR: the OSD map of a cluster that does not exist.

Leaves in DIR: `osdmap` for osdmaptool, `osd-dump.json` and `osd-crush-dump.json` as the mon would answer. Hosts node1.. stand in
racks of 40 (--racks N: in N racks), every OSD is up, in and of class hdd. The PGs are shared by --pools N pools, 1.. (one); they have
--size copies or, with --ec K,M, chunks, each on a --domain (host) of its own. What osdmaptool cannot make is put into its file: states,
weights and the pools, then the checksum; and into the dump only: addresses, uuids, ratios and the profile. Needs ceph-base.
"""
import argparse
import json
import os
import pathlib
import struct
import subprocess

WEIGHT = 3.638          # a disk of 4 TB: weights of 32 bits, 16.16, hold no root of 12,000 larger ones
TUNABLES = ('choose_local_tries 0', 'choose_local_fallback_tries 0', 'choose_total_tries 50', 'chooseleaf_descend_once 1',
            'chooseleaf_vary_r 1', 'chooseleaf_stable 1', 'straw_calc_version 1', 'allowed_bucket_algs 54')


def bucket(kind, name, number, items):
    body = ['%s %s {' % (kind, name), ' id -%d' % number, ' alg straw2', ' hash 0']
    return body + [' item %s weight %.5f' % i for i in items] + ['}']


def crush_text(hosts, per_host, racks, rule):
    lines = ['tunable ' + t for t in TUNABLES] + ['device %d osd.%d class hdd' % (i, i) for i in range(hosts * per_host)]
    lines += ['type %d %s' % t for t in enumerate(('osd', 'host', 'rack', 'root'))]
    for h in range(hosts):
        lines += bucket('host', 'node%d' % (h + 1), h + 1, [('osd.%d' % i, WEIGHT) for i in range(h * per_host, (h + 1) * per_host)])
    for r in range(racks):
        lines += bucket('rack', 'rack%d' % (r + 1), hosts + r + 1,
                        [('node%d' % (h + 1), WEIGHT * per_host) for h in range(r, hosts, racks)])
    lines += bucket('root', 'default', hosts + racks + 1,
                    [('rack%d' % (r + 1), WEIGHT * per_host * len(range(r, hosts, racks))) for r in range(racks)])
    return '\n'.join(lines + rule) + '\n'


def rule_text(kind, domain):
    erasure = kind == 3
    return ['rule data {', ' id 0', ' type ' + ('erasure' if erasure else 'replicated'), ' min_size 1', ' max_size 20',
            *([' step set_chooseleaf_tries 5', ' step set_choose_tries 100'] if erasure else []), ' step take default',
            ' step chooseleaf %s 0 type %s' % ('indep' if erasure else 'firstn', domain), ' step emit', '}']


def crc32c(data, crc=0xffffffff):
    table = []
    for i in range(256):
        for _ in range(8):
            i = i >> 1 ^ (0x82f63b78 if i & 1 else 0)
        table.append(i)
    for b in data:
        crc = table[(crc ^ b) & 255] ^ crc >> 8
    return crc


def lengthen(data, at, by):
    data[at:at + 4] = struct.pack('<I', struct.unpack_from('<I', data, at)[0] + by)


def multiply_pool(data, pools):
    """What follows the two heads, fsid, epoch and stamps: pools by id, names by id, the highest id."""
    at = 2 * 6 + 16 + 4 + 8 + 8
    assert struct.unpack_from('<Iq', data, at) == (1, 1)
    body = at + 12
    names = body + 6 + struct.unpack_from('<I', data, body + 2)[0]
    assert struct.unpack_from('<IqI3si', data, names) == (1, 1, 3, b'rbd', 1)
    ids, pool = range(1, pools + 1), data[body:names]
    new = struct.pack('<I', pools) + b''.join(struct.pack('<q', i) + pool for i in ids) + struct.pack('<I', pools)
    new += b''.join(struct.pack('<qI4s', i, 4, b'p%03d' % i) for i in ids) + struct.pack('<i', pools)
    old = names + struct.calcsize('<IqI3si') - at
    data[at:at + old] = new
    for head in 2, 8:
        lengthen(data, head, len(new) - old)


def encode_profiles(profiles):
    def text(s):
        return struct.pack('<I', len(s)) + s.encode()
    return struct.pack('<I', len(profiles)) + b''.join(
        text(name) + struct.pack('<I', len(p)) + b''.join(text(k) + text(v) for k, v in sorted(p.items()))
        for name, p in sorted(profiles.items()))


def add_upmaps(path, dump_path, entries):
    """entries: (pool, seed): [(from, to), ...], into map and dump. In the map they stand behind the profiles and the (no) full entries."""
    made = json.loads(subprocess.run(['osdmaptool', path, '--dump', 'json'], check=True, capture_output=True).stdout)
    data, profiles, entries = bytearray(path.read_bytes()), encode_profiles(made['erasure_code_profiles']), sorted(entries.items())
    assert data.count(profiles) == 1
    at = data.index(profiles) + len(profiles)
    assert data[at:at + 8] == bytes(8)
    new = struct.pack('<I', len(entries)) + b''.join(
        struct.pack('<BQIiI', 1, *pg, -1, len(pairs)) + b''.join(struct.pack('<ii', *p) for p in pairs) for pg, pairs in entries)
    data[at + 4:at + 8] = new
    for head in 2, 8:
        lengthen(data, head, len(new) - 4)
    data[-4:] = struct.pack('<I', crc32c(data[:-4]))
    path.write_bytes(data)
    dump = json.loads(dump_path.read_text())
    dump['pg_upmap_items'] = [{'pgid': '%d.%x' % pg, 'mappings': [{'from': a, 'to': b} for a, b in pairs]} for pg, pairs in entries]
    dump_path.write_text(json.dumps(dump, separators=(',', ':')))


def complete(path, n, made_pgs, kind, size, pgs, pools):
    """OSDs that exist, up and in; the pool's type, size and PGs, and more pools like it."""
    data = bytearray(path.read_bytes())
    assert struct.unpack('<I', data[-4:])[0] == crc32c(data[:-4]), 'the checksum is not where it was'
    at = data.index(struct.pack('<II', n, n) + bytes(4 * n)) + 8        # max_osd, then the vector of states
    data[at:at + 4 * n] = struct.pack('<I', 1 | 2) * n
    at += 4 * n
    assert data[at:at + 4] == struct.pack('<I', n)
    data[at + 4:at + 4 + 4 * n] = struct.pack('<I', 0x10000) * n
    pool = struct.pack('<BBBBII', 1, 3, 0, 2, made_pgs, made_pgs)       # type, size, rule, hash, pg_num, pgp_num
    assert data.count(pool) == 1
    at = data.index(pool)
    data[at:at + len(pool)] = struct.pack('<BBBBII', kind, size, 0, 2, pgs // pools, pgs // pools)
    multiply_pool(data, pools)
    data[-4:] = struct.pack('<I', crc32c(data[:-4]))
    path.write_bytes(data)


def addresses(host, port):
    return {'addrvec': [{'type': t, 'addr': '10.%d.%d.1:%d' % (1 + host // 250, host % 250, port + i), 'nonce': 1}
                        for i, t in enumerate(('v2', 'v1'))]}


def osd_dump(path, per_host, ec, size):
    dump = json.loads(subprocess.run(['osdmaptool', path, '--dump', 'json'], check=True, capture_output=True).stdout)
    dump.update(fsid='5eed5eed-0000-4000-8000-000000000000', flags='sortbitwise,recovery_deletes,purged_snapdirs,pglog_hardlimit',
                full_ratio=.95, backfillfull_ratio=.9, nearfull_ratio=.85, require_osd_release='pacific',
                require_min_compat_client='luminous')
    for o in dump['osds']:
        host, slot = divmod(o['osd'], per_host)
        o.update(uuid='%08x-0000-4000-8000-000000000000' % o['osd'], up_from=5, state=['exists', 'up'])
        for i, key in enumerate(('public_addrs', 'cluster_addrs', 'heartbeat_back_addrs', 'heartbeat_front_addrs')):
            o[key] = addresses(host, 6800 + slot * 8 + 2 * i)
            o[key[:-1]] = o[key]['addrvec'][1]['addr'] + '/1'
    for pool in dump['pools']:
        pool.update({key: pool['pg_num'] for key in pool if key.startswith(('pg_num_', 'pg_placement_num'))})
        pool.update(min_size=ec[0] + 1 if ec else size - 1, erasure_code_profile='ec' if ec else '')
    dump['erasure_code_profiles'] = {'ec': dict(zip('km', map(str, ec)), plugin='jerasure')} if ec else {}
    return dump


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def make(folder, hosts, per_host, pgs, size=3, ec=None, domain='host', racks=None, pools=1):
    """Fills the folder; returns the paths of osdmap, osd-dump.json and osd-crush-dump.json."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    osdmap, crush, text = folder / 'osdmap', folder / 'crush', folder / 'crush.txt'
    kind, size, n = 3 if ec else 1, sum(ec) if ec else size, hosts * per_host
    os.environ['CEPH_CONF'] = '/dev/null'
    text.write_text(crush_text(hosts, per_host, racks or (hosts + 39) // 40, rule_text(kind, domain)))
    run('crushtool', '-c', text, '-o', crush)
    run('osdmaptool', '--createsimple', str(n), osdmap, '--with-default-pool', '--pg-bits', '1', '--pgp-bits', '1', '--clobber')
    run('osdmaptool', osdmap, '--import-crush', crush)
    complete(osdmap, n, n << 1, kind, size, pgs, pools)
    dumps = folder / 'osd-dump.json', folder / 'osd-crush-dump.json'
    dumps[0].write_text(json.dumps(osd_dump(osdmap, per_host, ec, size), separators=(',', ':')))
    dumps[1].write_bytes(subprocess.run(['crushtool', '-i', crush, '--dump', '--format', 'json'], check=True,
                                        stdout=subprocess.PIPE).stdout)
    for path in crush, text:
        path.unlink()
    return osdmap, *dumps


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in 'hosts', 'osds_per_host', 'pgs':
        p.add_argument(name, type=int)
    p.add_argument('dir')
    p.add_argument('--size', type=int, default=3)
    p.add_argument('--ec', type=lambda s: tuple(map(int, s.split(','))), metavar='K,M')
    p.add_argument('--domain', default='host', choices=('osd', 'host', 'rack'))
    p.add_argument('--racks', type=int)
    p.add_argument('--pools', type=int, default=1)
    a = p.parse_args()
    make(a.dir, a.hosts, a.osds_per_host, a.pgs, a.size, a.ec, a.domain, a.racks, a.pools)


if __name__ == '__main__':
    main()
