# SPDX-License-Identifier: LGPL-2.1-or-later
"""How much of the data a drain moves, and how long it takes, against the same by hand: each on a cluster of its own, all built alike."""
import argparse
import json
import os
import socket
import struct
import subprocess
import threading
import time

import bench
from bench import CEPHNODE, RELEASE, clean_env, cluster, die_with_parent, faq_drain, is_clean, machine, say, verify, wait_for

# Slow, so that the clock measures the moving and not the asking.
SHAPE = dict(HOSTS=6, OSDS=2, PG_REP=128, PG_EC=64, PG_RBD=32, SPEED='slow', SLEEP=0.2)
OLD, YOUNG = dict(SHAPE, OLD=1), SHAPE
NODE, OTHER = 2, 5
LARGE = 12      # OSDs of a large host
NEVER = ['--pin', 'never']


def recovered(c, daemon):
    """recovery_bytes of an OSD, from its socket: that answers until the very end, while `tell` asks the map first."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(c.dir / 'run' / (daemon + '.asok')))
        s.sendall(b'{"prefix": "perf dump", "logger": "osd"}\0')
        with s.makefile('rb') as f:
            return json.loads(f.read(struct.unpack('>I', f.read(4))[0]))['osd']['recovery_bytes']


class Watch(threading.Thread):
    """with Watch(c, osds) as w: what moves meanwhile, counted in two ways.

    By sets: every shard of a PG that is clean again on another OSD, times its bytes; a shard that was moved twice counts twice. By
    counters: recovery_bytes of all OSDs, read over and over, as some of them end. Those know replicated pools only."""

    def __init__(self, c, osds):
        super().__init__(daemon=True)
        self.c, self.leaving, self.stopped, self.failed = c, set(osds), threading.Event(), None
        dump = c.mon('osd dump')
        self.replicated = {p['pool']: p['type'] == 1 for p in dump['pools']}
        chunks = {p['pool']: int(dump['erasure_code_profiles'].get(p['erasure_code_profile'], {}).get('k', 1)) for p in dump['pools']}
        self.bytes, self.acting = {}, {}
        objects = sum(n for n, _ in bench.DATA.values())
        for p in wait_for('the statistics count all objects', lambda: (pgs := c.pgs()) and sum(
                p['stat_sum']['num_objects'] for p in pgs) >= objects and pgs):
            if not is_clean(p['state']) or p['up'] != p['acting']:
                raise RuntimeError('%s is %s before it all begins' % (p['pgid'], p['state']))
            self.bytes[p['pgid']] = p['stat_sum']['num_bytes'] // chunks[int(p['pgid'].split('.')[0])]
            self.acting[p['pgid']] = p['acting']
        self.layout = dict(self.acting)
        self.moved, self.fills = {True: 0, False: 0}, {}
        self.held = {kind: sum(self.bytes[p] * len(self.leaving & set(a)) for p, a in self.acting.items() if self.is_replicated(p) == kind)
                     for kind in (True, False)}
        self.daemons = ['osd.%d' % i for i in c.osds()]
        self.first, self.last = {d: recovered(c, d) for d in self.daemons}, {}

    def is_replicated(self, pgid):
        return self.replicated[int(pgid.split('.')[0])]

    def moves(self, pgid, before, now):
        return len(set(now) - set(before)) if self.is_replicated(pgid) else sum(a != b for a, b in zip(now, before))

    def sample(self):
        for d in self.daemons:
            try:
                self.last[d] = recovered(self.c, d)
            except (OSError, struct.error, ValueError, KeyError):      # it is ending, or has
                pass
        for p in self.c.mgr('pg dump', dumpcontents=['pgs_brief'])['pg_stats']:
            pgid, now, before = p['pgid'], p['acting'], self.acting[p['pgid']]
            if not is_clean(p['state']) or p['up'] != now or now == before:
                continue
            self.moved[self.is_replicated(pgid)] += self.moves(pgid, before, now) * self.bytes[pgid]
            self.fills.setdefault(pgid, [before]).append(now)
            self.acting[pgid] = now

    def run(self):
        try:
            while not self.stopped.wait(0.3):
                self.sample()
        except Exception as e:                              # said by the one who waits for the figures
            self.failed = e

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *rest):
        if kind is None:
            self.c.wait_clean()
        self.stopped.set()
        self.join()
        if kind is None:
            if self.failed:
                raise self.failed
            self.sample()

    def needless(self):
        """PGs that moved more than what they had on the OSDs that went: where each was filled, from first to last."""
        return {p: sets for p, sets in self.fills.items()
                if sum(self.moves(p, a, b) for a, b in zip(sets, sets[1:])) > len(self.leaving & set(sets[0]))}

    def result(self):
        counted = sum(self.last[d] - self.first[d] for d in self.daemons)
        moved = {'replicated': counted, 'erasure': self.moved[False]}
        held = {'replicated': self.held[True], 'erasure': self.held[False]}
        ratio = {kind: moved[kind] / held[kind] for kind in held}
        return {'held': held, 'moved': moved, 'replicated_by_sets': self.moved[True], 'needless': self.needless(),
                'ratio': dict(ratio, both=sum(moved.values()) / sum(held.values()))}


# --- procedures ---
def cephnode(c, nodes, *options):
    """One drain of these nodes: what it said of itself."""
    start = time.monotonic()
    done = subprocess.run([str(CEPHNODE), '-c', c.conf, '-f', 'json', 'drain', '-y', *options, *(c.name(n) for n in nodes)], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, env=clean_env(), preexec_fn=die_with_parent)
    if done.returncode:
        raise RuntimeError('drain ended with %d: %s' % (done.returncode, done.stdout[-2000:] + done.stderr[-2000:]))
    lines = [json.loads(x) for x in done.stdout.splitlines()]
    plan = next(x for x in lines if x['event'] == 'plan')
    return {'seconds': time.monotonic() - start, 'forecast': plan['bytes_to_move'], 'minimum': plan['bytes_minimum'],
            'steps': [x for x in lines if x['event'] == 'step' and x['state'] == 'end'],
            'warnings': [x['message'] for x in lines if x['event'] == 'warning'], 'result': lines[-1]}


def drain(nodes, *options):
    return lambda c: cephnode(c, nodes, *options)


def in_turn(nodes):
    return lambda c: [cephnode(c, [n]) for n in nodes]


def by_hand(c):
    faq_drain(c, c.name(NODE), c.ids(NODE))


def watched(shape, nodes, procedure):
    """One procedure on a cluster of its own."""
    with cluster(shape) as c:
        with Watch(c, [i for n in nodes for i in c.ids(n)]) as w:
            start = time.monotonic()
            said = procedure(c)
            seconds = time.monotonic() - start
        verify(c)
        dump = c.mon('osd dump')
        r = dict(w.result(), seconds=seconds, said=said, layout=sorted(w.layout.items()),
                 upmaps_left={k: dump[k] for k in ('pg_upmap', 'pg_upmap_items')})
    say('  moved over held: %s; %.0f s' % (', '.join('%s %.3f' % x for x in r['ratio'].items()), seconds))
    return r


def large_host():
    """A host of 12 OSDs beside four of two: how soon the tool goes on, and how much it asks while it waits."""
    shape = dict(OLD, HOSTS=5)
    first = shape['HOSTS'] * shape['OSDS']
    more = list(range(first, first + LARGE - shape['OSDS']))
    with cluster(shape, lambda c: c.add_osds(more, c.name(NODE), c.address(NODE))) as c:
        r = bench.drain(c, c.name(NODE), c.ids(NODE) + more)
        verify(c)
    return r


SCENARIOS = {
    'default': lambda: watched(OLD, [NODE], drain([NODE])),
    'unpinned': lambda: watched(OLD, [NODE], drain([NODE], *NEVER)),
    'by hand': lambda: watched(OLD, [NODE], by_hand),
    'large host': large_host,
    'two at once': lambda: watched(OLD, [NODE, OTHER], drain([NODE, OTHER])),
    'two in turn': lambda: watched(OLD, [NODE, OTHER], in_turn([NODE, OTHER])),
    'young default': lambda: watched(YOUNG, [NODE], drain([NODE])),
    'young unpinned': lambda: watched(YOUNG, [NODE], drain([NODE], *NEVER)),
    'young by hand': lambda: watched(YOUNG, [NODE], by_hand),
}
QUICK = ['default', 'unpinned', 'by hand']


# --- what is told of it ---
def table(r):
    def row(what, measured, goal='', value=None, limit=None):
        rows.append('| %s |' % ' | '.join([what, measured, goal, '' if limit is None else 'met' if value <= limit else 'missed']))

    def ratio(name, what, goal='', limit=None):
        if name in s:
            x = s[name]['ratio']
            row(what, '**%.3f** (replicated %.3f, EC %.3f)' % (x['both'], x['replicated'], x['erasure']), goal, max(x.values()), limit)

    def clock(name, other, what):
        if name in s and other in s:
            mine, theirs = s[name]['seconds'], s[other]['seconds']
            row(what, '**%.2f** (%.0f s : %.0f s)' % (mine / theirs, mine, theirs), 'at most 0.5', mine / theirs, 0.5)
    rows, s, m = [], r['scenarios'], r['machine']
    ratio('default', 'bytes moved : bytes the host held, `drain`', 'at most 1.03', 1.03)
    ratio('unpinned', 'the same, `drain --pin never`')
    ratio('by hand', 'the same, by hand')
    ratio('young default', 'PGs with their whole log (they move by log recovery): `drain`', 'at most 1.03', 1.03)
    ratio('young unpinned', 'the same, `drain --pin never`')
    ratio('young by hand', 'the same, by hand')
    clock('default', 'by hand', 'wall clock, the whole of `drain` : by hand')
    clock('young default', 'young by hand', 'the same with PGs with their whole log')
    if 'two at once' in s and 'two in turn' in s:
        once, turn = (sum(s[x]['moved'].values()) for x in ('two at once', 'two in turn'))
        row('two hosts: bytes moved at once : one after the other', '**%.2f** (%.3f : %.3f of what they held)' % (
            once / turn, s['two at once']['ratio']['both'], s['two in turn']['ratio']['both']), 'less', once / turn, 0.999)
    if 'large host' in s:
        x = s['large host']
        if x['delay_seconds'] is not None:
            row('a host of %d OSDs: last PG has left, says the manager, to the end of `wait`' % LARGE, '**%.2f s**' % x['delay_seconds'], 'about 1 s',
                x['delay_seconds'], 1.1)
        row('the same: mon commands a second in `wait`', '**%.1f** (over %.0f s; beside them %.1f of the manager)' % (
            x['mon_commands_per_second'], x['wait_seconds'], x['mgr_commands_per_second']), 'at most 2', x['mon_commands_per_second'], 2)
    head = '%d cores, %d GiB, Ceph %s, 6 hosts of 2 OSDs; replicated pools of size 3, EC 2+1; load of the machine %.1f before, %.1f after' % (
        m['cores'], m['memory_gib'], m['ceph'], m['load'], r['load_after'])
    return '\n'.join([head, '', '| what | measured | goal | |', '|---|---|---|---|'] + rows)


def compare_layouts(scenarios):
    """The clusters are built alike only if their PGs lay alike when it began."""
    layouts = {name: x.pop('layout') for name, x in scenarios.items() if 'layout' in x}
    first = next(iter(layouts.values()), None)
    for name, layout in layouts.items():
        if layout != first:
            say('warning: the PGs of "%s" lay elsewhere when it began: its figures do not compare' % name)


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--quick', action='store_true', help='only %s' % ', '.join(QUICK))
    p.add_argument('--only', metavar='NAME,...', help='of: %s' % ', '.join(SCENARIOS))
    args = p.parse_args()
    r = {'machine': machine(), 'scenarios': {}}
    for name in args.only.split(',') if args.only else QUICK if args.quick else SCENARIOS:
        say(name)
        r['scenarios'][name] = SCENARIOS[name]()
    compare_layouts(r['scenarios'])
    r['load_after'] = os.getloadavg()[0]
    to = RELEASE / 'bench' / 'moved.json'
    to.parent.mkdir(exist_ok=True)
    to.write_text(json.dumps(r, indent=1) + '\n')
    print(table(r))


if __name__ == '__main__':
    main()
