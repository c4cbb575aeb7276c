# SPDX-License-Identifier: LGPL-2.1-or-later
"""An observer that trusts nobody: was an OSD stopped or removed while a placement group (PG) still needed it?

It walks every epoch of the OSD map, so that no stop can slip between two samples, and for each one asks three witnesses:
 1. the map of the epoch before the stop, through osdmaptool: did any PG have the OSD in up or acting? (exact)
 2. the primaries of all PGs that had the OSD when the observer began: is each of them clean, and was it so before that
    epoch (last_epoch_clean)? This is what catches young PGs, whose acting set leaves before their data.
 3. the mgr's statistics (`pg dump`), which lag by seconds but cannot name an OSD that was empty for long.
"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

import rados

from .cluster import Cluster, CommandError, is_clean
from .util import clean_env, die_with_parent


class Observer:
    """with Observer(cluster, dir) as o: ...; report = o.finish(): {'violations': [...], 'stops': [...], 'samples', 'epochs'}"""

    def __init__(self, cluster, folder, expected=()):
        self.log = open(os.path.join(str(folder), 'observer.log'), 'w')
        self.process = subprocess.Popen(
            [sys.executable, '-u', '-m', 'cnlib.observer', str(cluster.dir)] + ['%d' % i for i in expected],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True, preexec_fn=die_with_parent,
            cwd=os.path.dirname(os.path.dirname(__file__)))

    def __enter__(self):
        line = self.process.stdout.readline()
        assert line == 'watching\n', line
        return self

    def finish(self):
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=180)
        return json.loads(out)

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Watch:
    def __init__(self, folder, expected):
        self.c = Cluster(folder)
        self.expected = set(expected)      # OSDs that the test itself stops; their removal is judged all the same
        self.violations, self.stops, self.samples, self.epochs = [], [], 0, 0
        self.cleaned = {}                  # PG: the epochs at which it had become clean
        dump = self.c.mon('osd dump')
        self.first = self.epoch = dump['epoch']
        self.osds = {o['osd']: o for o in dump['osds']}
        up, acting = self.mapping(self.epoch)
        self.held = {i: {p for p in up if i in up[p] or i in acting[p]} for i in self.osds}

    def say(self, text):
        print('%.3f %s' % (time.time(), text), file=sys.stderr, flush=True)

    def mapping(self, epoch):
        """{pgid: up}, {pgid: acting} at that epoch, computed from the map itself."""
        code, data, text = self.c.rados.mon_command(json.dumps({'prefix': 'osd getmap', 'epoch': epoch}), b'', 30)
        if code:
            raise CommandError('osd getmap %d' % epoch, code, text)
        with tempfile.NamedTemporaryFile() as f:
            f.write(data)
            f.flush()
            out = subprocess.run(['osdmaptool', f.name, '--test-map-pgs-dump-all'], capture_output=True, text=True,
                                 env=clean_env(CEPH_CONF='/dev/null'), check=True).stdout
        up, acting = {}, {}
        for line in out.splitlines():
            # 1.0 raw ([1,2,3], p1) up ([1,2,3], p1) acting ([1,2,3], p1)
            w = line.split()
            if len(w) == 10 and w[1] == 'raw' and w[4] == 'up' and w[7] == 'acting':
                up[w[0]] = json.loads(w[5][1:-1])
                acting[w[0]] = json.loads(w[8][1:-1])
        if not up:
            raise RuntimeError('osdmaptool said nothing about PGs at epoch %d: %s' % (epoch, out[-500:]))
        return up, acting

    def violation(self, text):
        self.say('VIOLATION ' + text)
        self.violations.append(text)

    def judge(self, osd, what, epoch):
        """osd.N was stopped or removed in the map of `epoch`."""
        self.say('osd.%d %s at epoch %d; held %d PGs' % (osd, what, epoch, len(self.held.get(osd, ()))))
        self.stops.append({'osd': osd, 'what': what, 'epoch': epoch})
        if osd in self.expected and what == 'stopped':
            return
        live = {p: self.ask(p) for p in self.now(self.held.get(osd, ()))}       # first, as it changes by the moment
        stats = self.c.pgs()
        if what == 'stopped':
            up, acting = self.mapping(epoch - 1)
            for p in sorted(up):
                if osd in up[p] or osd in acting[p]:
                    self.violation('osd.%d %s at epoch %d while PG %s had it: up %s acting %s' % (osd, what, epoch, p, up[p], acting[p]))
        for p, q in live.items():
            if isinstance(q, str):
                self.violation('osd.%d %s at epoch %d, its PG %s does not answer: %s' % (osd, what, epoch, p, q))
                continue
            h = q['info']['history']
            if h['same_interval_since'] < epoch:
                late = h['last_epoch_clean'] >= epoch
                if (late or not is_clean(q['state'])) and self.was_clean_without(osd, p, epoch, h['last_epoch_clean']):
                    self.say('PG %s moves again, without osd.%d: %s' % (p, osd, q['state']))
                elif not is_clean(q['state']):
                    self.violation('osd.%d %s at epoch %d while its PG %s was %s' % (osd, what, epoch, p, q['state']))
                elif late:
                    self.violation('osd.%d %s at epoch %d, its PG %s became clean only at epoch %d' % (osd, what, epoch, p, h['last_epoch_clean']))
            else:
                state = self.settled(p, q)
                if 'active' not in state:
                    self.violation('osd.%d %s at epoch %d and its PG %s stays %s' % (osd, what, epoch, p, state))
        for p in stats:
            if osd in p['up'] or osd in p['acting']:
                self.violation('osd.%d %s at epoch %d while the statistics show it in PG %s: up %s acting %s' % (
                    osd, what, epoch, p['pgid'], p['up'], p['acting']))

    def now(self, pgs):
        """A PG that was merged away is judged by the one that has its objects now."""
        pg_num = {p['pool']: p['pg_num'] for p in self.c.mon('osd dump')['pools']}
        found = set()
        for p in pgs:
            pool, seed = int(p.split('.')[0]), int(p.split('.')[1], 16)
            mask = (1 << (pg_num.get(pool, 1 << 32) - 1).bit_length()) - 1
            if seed & mask >= pg_num.get(pool, 1 << 32):
                mask >>= 1
            found.add('%d.%x' % (pool, seed & mask))
        return sorted(found)

    def was_clean_without(self, osd, pgid, epoch, last):
        """Had it become clean before this epoch when the OSD was none of its own any more, and did that remain so? Between the last look
        of who stops an OSD and the stop others may change pg_num, a weight or an upmap: what moves then does not need the OSD."""
        clean = max((e for e in self.cleaned.get(pgid, set()) | {last} if e < epoch), default=0)
        if clean <= self.first:
            return False
        for e in range(clean, epoch):
            up, acting = self.mapping(e)
            if osd in up.get(pgid, ()) or osd in acting.get(pgid, ()):
                return False
        return True

    def ask(self, pgid):
        """What its primary says, or in words why it says nothing."""
        try:
            return self.c.pg_query(pgid)
        except (CommandError, rados.Error) as e:
            return str(e)

    def settled(self, pgid, q):
        """Its state, once it has peered. Whoever changes pg_num, a weight or an upmap makes each PG concerned peer for a moment;
        one that needs the OSD that is gone never gets to active, however long one waits."""
        limit = time.monotonic() + 30
        while not isinstance(q, str) and 'active' not in q['state'] and time.monotonic() < limit:
            time.sleep(0.1)
            q = self.ask(self.now([pgid])[0])
        return q if isinstance(q, str) else q['state']

    def step(self):
        newest = self.c.mon('osd stat')['epoch']
        while self.epoch < newest:
            self.epoch += 1
            self.epochs += 1
            now = {o['osd']: o for o in self.c.mon('osd dump', epoch=self.epoch)['osds']}
            for i, o in self.osds.items():
                n = now.get(i)
                if n is None or n['uuid'] != o['uuid']:
                    if o['up']:
                        self.judge(i, 'removed while up', self.epoch)
                    else:
                        self.judge(i, 'removed', self.epoch)
                elif o['up'] and not n['up']:
                    self.judge(i, 'stopped', self.epoch)
            for i in set(now) - set(self.osds):
                self.held[i] = set()       # a new OSD: nothing is known to have been on it
            self.osds = now

    def sample(self):
        """What the statistics say, for the log: who reads a failure wants to see how the PGs moved."""
        self.samples += 1
        states = {}
        for p in self.c.pgs():
            self.cleaned.setdefault(p['pgid'], set()).add(p['last_epoch_clean'])
            states[p['state']] = states.get(p['state'], 0) + 1
        self.say('epoch %d %s' % (self.epoch, states))


def main(folder, *expected):
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    w = Watch(folder, map(int, expected))
    print('watching', flush=True)
    last = 0
    while not stop:
        try:
            w.step()
            if time.monotonic() - last > 0.25:
                last = time.monotonic()
                w.sample()
        except (CommandError, rados.Error) as e:      # no mgr or no quorum for a while: the epochs are walked later
            w.say('cannot look: %s' % e)
        time.sleep(0.05)
    w.step()
    print(json.dumps({'violations': w.violations, 'stops': w.stops, 'samples': w.samples, 'epochs': w.epochs}))
    w.c.rados.shutdown()


if __name__ == '__main__':
    main(*sys.argv[1:])
