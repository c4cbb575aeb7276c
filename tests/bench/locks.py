# SPDX-License-Identifier: LGPL-2.1-or-later
"""How fast `locks list` is, and how small: against `rbd lock ls`, against opening image after image, over a slow network, in a large pool.

As root all of it, the cluster too, has a network of its own: the clients of the slow part are in another one, behind delay.c."""
import argparse
import json
import os
import subprocess
import sys
from statistics import median

import bench
from bench import CEPHNODE, RELEASE, Cluster, clean_env, die_with_parent, machine, say, time_once

IMAGES, LOCKED, SHARE, MANY = 1000, 20, 20, 20000
DELAY_MS, HERE, THERE = 2, '10.78.0.1', '10.78.0.2'
SHAPE = dict(HOSTS=3, OSDS=1, PG_REP=0, PG_EC=0, PG_RBD=64, STATS=1, PROPOSE=0.1)
IN_NETWORK = dict(SHAPE, NET='10.77.1.', MON_IP='10.77.1.100', CONF='public network = 10.77.1.0/24\ncluster network = 10.77.1.0/24')
CLIENT = str(RELEASE / 'tests' / 'bench' / 'bench-images')
SLOWLY = [str(RELEASE / 'tests' / 'bench' / 'bench-delay'), str(DELAY_MS), HERE, THERE]
TOOL = [str(CEPHNODE), 'locks', 'list', '-p', 'rbd', '-f', 'json']
OPEN = [CLIENT, 'open', 'rbd']
NEITHER = {'list nothing': TOOL[:4] + ['rbd/empty', '-f', 'json'], 'open nothing': OPEN + ['empty']}     # start, connection and end


def output(c, command):
    return subprocess.run(command, env=clean_env(CEPH_CONF=c.conf), stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout


class Images:
    """with Images(c, N, LOCKED): made, and some of them held by a client that lives."""

    def __init__(self, c, n, locked):
        self.client = subprocess.Popen([CLIENT, 'make', 'rbd', str(n), str(locked)], env=clean_env(CEPH_CONF=c.conf), stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        if self.client.stdout.readline() != b'ready\n':
            raise RuntimeError('the images could not be made: %s' % self.client.wait())

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.client.stdin.close()
        self.client.wait()


def check(c, n, prefix=(), compare=True):
    """All must see the same, else their times do not compare."""
    locks = json.loads(output(c, [*prefix, *TOOL]))
    if not locks['complete'] or [x['state'] for x in locks['locks']] != ['alive'] * LOCKED:
        raise AssertionError('locks list does not see %d living locks: %s' % (LOCKED, locks))
    if compare and output(c, OPEN).split() != [b'%d' % n, b'%d' % LOCKED]:
        raise AssertionError('opening one after another sees something else')


def seconds(c, commands, rounds):
    """Of the whole process of each, in turn: all that was measured."""
    times = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, command in commands.items():
            times[name].append(time_once(c, command)[0])
    return {name: v[1:] for name, v in times.items()}     # the first round only warmed the caches


def rbd_loop(c):
    """For as many images as there are, from a share of them."""
    return [time_once(c, ['/usr/bin/rbd', 'lock', 'ls', 'rbd/bench-%06d' % (i * IMAGES // SHARE)])[0] * IMAGES for i in range(SHARE)]


def measure(c, quick):
    r, rounds = {}, 3 if quick else 10
    say('%d images of which %d are locked' % (IMAGES, LOCKED))
    with Images(c, IMAGES, LOCKED):
        check(c, IMAGES)
        r['near'] = dict(seconds(c, {'list': TOOL, 'open': OPEN, **NEITHER}, rounds), rbd=rbd_loop(c))
        if os.getuid() == 0:
            say('the same with %d ms of delay' % DELAY_MS)
            check(c, IMAGES, SLOWLY, compare=False)
            r['far'] = seconds(c, {'list': SLOWLY + TOOL}, rounds)
            if not quick:
                r['far']['open'] = [time_once(c, SLOWLY + OPEN)[0]]
    if not quick:
        say('%d images' % MANY)
        with Images(c, MANY, LOCKED):
            check(c, MANY, compare=False)
            r['many'] = dict(seconds(c, {'list': TOOL}, 3), peak_kib=max(bench.peak_kib(c, TOOL) for _ in range(3)))
    return r


def table(r):
    rows, m = [], r['machine']

    def row(what, measured, goal, value=None, limit=None):
        rows.append('| %s | %s | %s | %s |' % (what, measured, goal, '' if limit is None else 'met' if value >= limit else 'missed'))

    def rates(part):
        return {name: IMAGES / median(v) for name, v in r[part].items()}

    def without_start(x):
        return {name: 1 / (1 / x[name] - 1 / x[name + ' nothing']) for name in ('list', 'open')}

    def ratio(what, x, other, goal=None):
        value = x['list'] / x[other]
        row(what, '**%.*f** (%.0f : %.1f)' % (0 if value >= 100 else 1, value, x['list'], x[other]), 'at least %d' % goal if goal else '', value, goal)
    near = rates('near')
    ratio('images a second, `locks list` : `rbd lock ls` for each', near, 'rbd', 200)
    ratio('images a second, `locks list` : opened one after another by one process', without_start(near), 'open', 30)
    ratio('the same with start, connection and end of both processes', near, 'open')
    if 'far' in r:
        far = rates('far')
        row('`locks list` with %d ms of delay, either way' % DELAY_MS, '**%.0f images/s**' % far['list'], 'at least 1,000', far['list'], 1000)
        if 'open' in far:
            ratio('the same : opened one after another', far, 'open')
    if 'many' in r:
        peak = r['many']['peak_kib'] / 1024
        row('peak memory with %s images in a pool' % format(MANY, ','), '**%.1f MiB** (%.0f images/s)' % (peak, MANY / median(r['many']['list'])),
            'below 100 MiB', -peak, -100)
    head = '%d cores, %d GiB, Ceph %s, 3 OSDs; %s images of which %d are locked; load of the machine %.1f before, %.1f after' % (
        m['cores'], m['memory_gib'], m['ceph'], format(IMAGES, ','), LOCKED, m['load'], r['load_after'])
    return '\n'.join([head, '', '| what | measured | goal | |', '|---|---|---|---|'] + rows)


def network():
    """Begins anew in a network of its own."""
    if 'CN_BENCH_NETWORK' not in os.environ:
        os.environ['CN_BENCH_NETWORK'] = '1'
        os.execvp('unshare', ['unshare', '--net', sys.executable] + sys.argv)
    for command in ('ip link set lo up', 'ip addr add 10.77.1.1/24 dev lo'):
        subprocess.run(command.split(), check=True)


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--quick', action='store_true', help='fewer rounds, no large pool')
    quick = p.parse_args().quick
    if os.getuid() == 0:
        network()
    else:
        say('without root nothing is delayed')
    r = {'machine': machine()}
    c = Cluster.start(**(IN_NETWORK if os.getuid() == 0 else SHAPE))
    try:
        r.update(measure(c, quick))
    finally:
        c.down()
    r['load_after'] = os.getloadavg()[0]
    to = RELEASE / 'bench' / 'locks.json'
    to.parent.mkdir(exist_ok=True)
    to.write_text(json.dumps(r, indent=1) + '\n')
    print(table(r))


if __name__ == '__main__':
    main()
