# SPDX-License-Identifier: LGPL-2.1-or-later
"""How much moves when a host of a large cluster is drained, worked out from map files: needs osdmaptool and crushtool, no cluster.

bench-simulate (simulate.c) does the counting with the tool's own code. The table and the plot go into docs/."""
import argparse
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import bigmap

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get('CN_BUILD', ROOT / 'build')) / 'release'
SIMULATE = BUILD / 'tests' / 'bench' / 'bench-simulate'
OSDS = 12       # a host
KINDS = {'replicated': {'size': 3}, 'EC 4+2': {'ec': (4, 2)}}
CLUSTERS = [    # hosts, racks (0: the host is the failure domain, else the rack), hosts drained, each alone, PGs: about 50 shards an OSD
    (10, 0, 10, {'replicated': 2048, 'EC 4+2': 1024}),
    (100, 0, 4, {'replicated': 20000, 'EC 4+2': 10000}),
    (100, 10, 4, {'replicated': 20000, 'EC 4+2': 10000}),
    (1000, 25, 1, {'replicated': 200000, 'EC 4+2': 100000}),
]
WAYS = [        # key, how it is called, colour
    ('by_hand', 'by hand: each OSD out, then crush remove', '#b5482f'),
    ('all_out', 'by hand: all OSDs out, then crush remove', '#e0a458'),
    ('plain', 'cephnode, --pin never', '#7aa6c2'),
    ('pinned', 'cephnode', '#1f5f8b'),
]


def say(text):
    print('%s %s' % (time.strftime('%T'), text), file=sys.stderr, flush=True)


def run(*command):
    done = subprocess.run([str(x) for x in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError('%s: %s' % (' '.join(map(str, command)), done.stderr))
    return done.stdout


# --- map files ---
class Map:
    """A map file of bigmap.py, and what becomes of it when a host is drained by hand."""

    def __init__(self, made, folder, osds):
        folder.mkdir()
        self.folder, self.n, self.out, self.steps = folder, osds, set(), 0
        self.path, self.crush = made, folder / 'crush'
        run('osdmaptool', made, '--export-crush', self.crush)

    def step(self, out=(), remove=()):
        """The next map, in a file of its own: these OSDs marked out, those removed from CRUSH."""
        self.steps += 1
        before, self.path = self.path, self.folder / str(self.steps)
        shutil.copy(before, self.path)
        for osd in remove:
            run('crushtool', '-i', self.crush, '--remove-item', 'osd.%d' % osd, '-o', self.crush)
        if remove:
            run('osdmaptool', self.path, '--import-crush', self.crush)
        if out:
            self.mark_out(out)
        return self.path

    def mark_out(self, osds):
        """osdmaptool's --mark-out does not last."""
        data, self.out = bytearray(self.path.read_bytes()), self.out | set(osds)
        head = struct.pack('<II', self.n, self.n) + struct.pack('<I', 3) * self.n + struct.pack('<I', self.n)   # max_osd, states: up, weights
        at = data.index(head) + len(head)
        data[at:at + 4 * self.n] = b''.join(struct.pack('<I', 0 if i in self.out else 0x10000) for i in range(self.n))
        data[-4:] = struct.pack('<I', bigmap.crc32c(data[:-4]))
        self.path.write_bytes(data)


def simulate(*args):
    return json.loads(run(SIMULATE, *args))


def drains(hosts, racks, n_drained, kind, pgs):
    """Some hosts of a cluster, each drained alone; what they moved, summed up."""
    results, osds_in_all = [], hosts * OSDS
    with tempfile.TemporaryDirectory(prefix='cn-simulate.') as folder:
        folder = pathlib.Path(folder)
        osdmap, dump, crush = bigmap.make(folder / 'map', hosts, OSDS, pgs, domain='rack' if racks else 'host', racks=racks or 1, **KINDS[kind])
        for host in range(0, hosts, hosts // n_drained):
            osds = range(host * OSDS, host * OSDS + OSDS)
            r = simulate('drain', dump, crush, osdmap, ','.join(map(str, osds)), OSDS, racks)
            m = Map(osdmap, folder / ('each.%d' % host), osds_in_all)
            r['by_hand'] = simulate('steps', dump, osdmap, *(step for i in osds for step in (m.step(out=[i]), m.step(remove=[i]))))['moved']
            m = Map(osdmap, folder / ('all.%d' % host), osds_in_all)
            r['all_out'] = simulate('steps', dump, osdmap, m.step(out=osds), m.step(remove=osds))['moved']
            say('  host %d: %s' % (host, ', '.join('%s %.4g' % x for x in r.items())))
            if r['broken_sets'] or r['wrong_pins']:
                say('  FAULT: %d sets break the rule, %d pins do not lead where they should' % (r['broken_sets'], r['wrong_pins']))
            results.append(r)
    total = {k: sum(r[k] for r in results) for k in results[0] if not k.startswith(('peak', 'most'))}
    return dict(total, hosts=hosts, racks=racks, kind=kind, pgs=pgs, drained=len(results), each=results)


def measure(clusters):
    results = []
    for hosts, racks, n_drained, pools in clusters:
        for kind, pgs in pools.items():
            say('%d hosts, %s, %d PGs' % (hosts, kind, pgs))
            results.append(drains(hosts, racks, n_drained, kind, pgs))
    return results


# --- what is told of it ---
def ratio(r, way):
    return r[way] / r['must_move']


def table(results):
    lines = ['| hosts of %d OSDs | racks | pool | PGs | by hand, each out and removed | all out, removed | `--pin never` | `drain` | pins |' % OSDS,
             '|---|---|---|---|---|---|---|---|---|']
    for r in results:
        lines.append('| %s | %s | %s | %s | %s | **%.3f** | %d |' % (
            f"{r['hosts']:,}", r['racks'] or 'none', r['kind'], f"{r['pgs']:,}", ' | '.join('%.2f' % ratio(r, way) for way, _, _ in WAYS[:3]),
            ratio(r, 'pinned'), r['pins'] / r['drained']))
    def goal(way, limit):
        return 'at most %.2f: %s' % (limit, ', '.join('%s %.3f%s' % (r['kind'], ratio(r, way), '' if ratio(r, way) <= limit else ' (missed)')
                                                      for r in results if r['hosts'] == 10))
    largest = max((x for r in results for x in r['each']), key=lambda x: x['peak_kib'])
    lines += ['', 'Goals on 10 hosts: without pins %s; with pins %s. Once the mappings are there, forecast and pins of the largest cluster '
              'took %.2f s and, mappings included, %.0f MiB.' % (goal('plain', 1.2), goal('pinned', 1.01),
                                                                 largest['forecast_seconds'] + largest['pins_seconds'], largest['peak_kib'] / 1024)]
    return '\n'.join(lines)


class Plot:
    """Bars in groups, a panel for each kind of pool. Plain SVG, written by hand."""
    LEFT, RIGHT, TOP, BOTTOM, HEIGHT, BAR, GAP, BETWEEN = 64, 66, 84, 330, 452, 23, 22, 24

    def __init__(self, results):
        kinds = {kind: [r for r in results if r['kind'] == kind] for kind in dict.fromkeys(r['kind'] for r in results)}
        self.parts, self.top_value = [], max(ratio(r, way) for r in results for way, _, _ in WAYS) * 1.06
        self.width = self.LEFT + len(results) * (self.BAR * len(WAYS) + self.GAP) + (len(kinds) - 1) * self.BETWEEN + self.RIGHT
        self.rect(0, 0, self.width, self.HEIGHT, '#ffffff')
        self.text(self.width / 2, 30, 'Draining one host of %d OSDs: bytes moved for each byte that must move' % OSDS, 17, 'middle', bold=True)
        self.axis()
        left = self.LEFT
        for kind in kinds:
            left = self.panel(left, kind, kinds[kind]) + self.BETWEEN
        self.line(self.LEFT, self.y(1), self.width - self.RIGHT, self.y(1), '#222222', dash='6 4')
        self.text(self.width - self.RIGHT + 6, self.y(1) + 4, 'limit 1.0', 12, bold=True)
        self.legend()

    def y(self, value):
        return self.BOTTOM - (self.BOTTOM - self.TOP) * value / self.top_value

    def rect(self, x, y, width, height, colour, title=''):
        self.parts.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s">%s</rect>' % (
            x, y, width, height, colour, '<title>%s</title>' % title if title else ''))

    def line(self, x1, y1, x2, y2, colour, dash=None):
        self.parts.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"%s/>' % (
            x1, y1, x2, y2, colour, ' stroke-dasharray="%s"' % dash if dash else ''))

    def text(self, x, y, text, size=12, anchor='start', bold=False, turn=False):
        self.parts.append('<text x="%.1f" y="%.1f" font-size="%d" text-anchor="%s"%s%s>%s</text>' % (
            x, y, size, anchor, ' font-weight="bold"' if bold else '', ' transform="rotate(-90 %.1f %.1f)"' % (x, y) if turn else '', text))

    def axis(self):
        value = 0
        while value <= self.top_value:
            self.line(self.LEFT, self.y(value), self.width - self.RIGHT, self.y(value), '#d8d8d8' if value else '#222222')
            self.text(self.LEFT - 8, self.y(value) + 4, '%.1f' % value, 12, 'end')
            value += 0.5
        self.text(20, (self.TOP + self.BOTTOM) / 2, 'moved : must move', 13, 'middle', turn=True)

    def panel(self, left, kind, results):
        group = self.BAR * len(WAYS) + self.GAP
        for i, r in enumerate(results):
            x = left + self.GAP / 2 + i * group
            for way, name, colour in WAYS:
                value = ratio(r, way)
                self.rect(x + 1, self.y(value), self.BAR - 2, self.BOTTOM - self.y(value), colour,
                          '%s hosts, %s, %s: %.3f' % (r['hosts'], kind, name, value))
                self.text(x + self.BAR / 2, self.y(value) - 4, '%.2f' % value, 10, 'middle')
                x += self.BAR
            self.text(x - self.BAR * len(WAYS) / 2, self.BOTTOM + 18, f"{r['hosts']:,} hosts", 12, 'middle')
            if r['racks']:
                self.text(x - self.BAR * len(WAYS) / 2, self.BOTTOM + 33, 'in %d racks' % r['racks'], 12, 'middle')
        name = kind + ', size 3' if kind == 'replicated' else kind
        self.text(left + group * len(results) / 2, self.TOP - 22, name, 14, 'middle', bold=True)
        self.text(left + group * len(results) / 2, self.BOTTOM + 56, 'size of the cluster', 13, 'middle')
        return left + group * len(results)

    def legend(self):
        for i, (_, name, colour) in enumerate(WAYS):
            x, y = self.LEFT + self.GAP / 2 + i % 2 * 400, self.BOTTOM + 84 + i // 2 * 24
            self.rect(x, y - 12, 16, 16, colour)
            self.text(x + 24, y + 1, name, 13)

    def svg(self):
        return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" fill="#222222">\n'
                '<!-- SPDX-License-Identifier: LGPL-2.1-or-later; made by tests/bench/simulate.py -->\n%s\n</svg>\n'
                % (self.width, self.HEIGHT, '\n'.join(self.parts)))


def put_into(document, text):
    """Between the two comments that stand there for it."""
    new, n = re.subn(r'(<!-- simulate.py -->\n).*?(<!-- /simulate.py -->)', lambda found: found[1] + text + '\n' + found[2],
                     document.read_text(), flags=re.S)
    if n != 1:
        raise RuntimeError('%s: no place for the table' % document)
    document.write_text(new)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('--quick', action='store_true', help='10 and 100 hosts; docs/ stay as they are')
    p.add_argument('--redraw', action='store_true', help='table and plot from the figures of the last run')
    args = p.parse_args()
    figures = BUILD / 'bench' / 'simulate.json'
    results = json.loads(figures.read_text()) if args.redraw else measure(CLUSTERS[:3 if args.quick else None])
    figures.parent.mkdir(exist_ok=True)
    figures.write_text(json.dumps(results, indent=1) + '\n')
    if not args.quick:
        put_into(ROOT / 'docs' / 'benchmarks.md', table(results))
        (ROOT / 'docs' / 'moved.svg').write_text(Plot(results).svg())
    print(table(results))


if __name__ == '__main__':
    main()
