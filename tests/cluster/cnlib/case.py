# SPDX-License-Identifier: LGPL-2.1-or-later
"""The base of every test on a cluster: one cluster a class, whole again before each test."""
import os
import pathlib
import random
import shutil
import signal
import tempfile
import unittest

from . import load, snapshot
from .cluster import Cluster
from .load import Load
from .observer import Observer
from .tool import Tool
from .util import wait_for

STEPS = ['lock', 'check', 'hold', 'reweight', 'forecast', 'pin', 'release', 'wait', 'prove', 'out', 'stop', 'purge', 'sweep', 'audit', 'done']
POINTS = ['%s:%s' % (step, state) for step in STEPS for state in ('begin', 'end')]
HOLD_FLAGS = {'norecover', 'nobackfill', 'norebalance'}
PINS = ('osd dump | pg_upmap', 'osd dump | min_compat_client')   # the second says what the upmap entries ask of clients
OURS = ('config-key | cephnode/drain/', 'config-key | cephnode/lock')   # what a drain may leave: its tombstone, where the lock lives
QUICK = dict(STATS=1, PROPOSE=0.1)      # a cluster that reports and agrees sooner than by default: for tests that do not turn on that
CAMPAIGN = os.environ.get('CN_CAMPAIGN') == '1'
LOGS = pathlib.Path(os.environ.get('CN_LOGS') or tempfile.mkdtemp(prefix='cn-logs.'))


def seed():
    return int(os.environ.get('CN_SEED', '1'))


def share(points, n, name):
    """All points in a campaign; else n of them, chosen by CN_SEED, in their order."""
    points = list(points)
    if CAMPAIGN or n >= len(points):
        return points
    chosen = set(random.Random('%s %d' % (name, seed())).sample(range(len(points)), n))
    return [p for i, p in enumerate(points) if i in chosen]


def forced(point):
    """Options that let a drain come by this point: pins are made where they save enough, and not beside a compat weight-set."""
    return ['--pin', 'always'] if point and point.startswith('pin:') else []


class ClusterCase(unittest.TestCase):
    SHAPE = {}                      # see tests/rig/ceph/up.sh
    DATA = {'rep': (120, 65536), 'ec': (40, 65536)}   # pool: objects, bytes each
    KEY = None                      # who the tool is, with the caps of the man page; None: client.admin
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster.start(**cls.SHAPE)
        cls.addClassCleanup(cls.cluster.down)
        cls.who = cls.cluster.documented_key(cls.KEY) if cls.KEY else ()
        cls.prepare()
        for pool, (n, size) in cls.DATA.items():
            load.write_data(cls.cluster, pool, n, size)

    @classmethod
    def prepare(cls):
        """For what a class needs beside its SHAPE."""

    def run(self, result=None):
        self.dir = LOGS / self.id().replace('/', '_')
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        bad = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) == bad:
            shutil.rmtree(self.dir, ignore_errors=True)
        elif getattr(self, 'cluster', None) and self.cluster.rados:
            self.cluster.save_logs(self.dir)

    def setUp(self):
        self.cluster.make_whole()
        self.tool = Tool(self.cluster, self.dir, who=self.who)
        self.addCleanup(self.tool.cleanup)

    # --- what is asked again and again ---
    def assert_data(self):
        for pool, (n, size) in self.DATA.items():
            self.assertEqual(load.verify_data(self.cluster, pool, n, size), [])

    def assert_same(self, before, ignore=()):
        self.assertEqual(snapshot.diff(before, self.cluster.snapshot(), ignore), [])

    def assert_code(self, run, *codes):
        self.assertIn(run.code, codes, str(run))
        return run

    def assert_removed(self, run, host, others=()):
        """It says so, and it is so: no trace of this host's OSDs is left (for the osds, see design: purge, sweep, audit)."""
        self.assert_code(run, 0)
        self.assertEqual(run.result['outcome'], 'removed', str(run))
        self.assertEqual(run.result['exit'], 0, str(run))
        self.assert_gone(host)

    def assert_gone(self, host):
        c = self.cluster
        there, auth = c.osds(), {a['entity'] for a in c.mon('auth ls')['auth_dump']}
        for i in c.ids(host):
            self.assertNotIn(i, there)
            self.assertIsNone(c.crush_weight(i))
            self.assertNotIn('osd.%d' % i, auth)
            wait_for('the daemon of osd.%d has ended' % i, lambda i=i: not c.running('osd.%d' % i))
        self.assertFalse(c.has_bucket(c.name(host)))
        self.assertEqual(c.flags() & HOLD_FLAGS, set())

    def only_host_is_gone(self, before, host, ignore=()):
        """Nothing but this host's OSDs, its bucket and its share of the root's weight has changed since `before`; pins stay."""
        c, gone = self.cluster, self.cluster.ids(host)
        paths = ['osd dump | osds | osd.%d |' % i for i in gone] + ['auth | osd.%d |' % i for i in gone]
        left = [d for d in snapshot.diff(before, c.snapshot(), tuple(paths) + OURS + PINS + tuple(ignore))
                if not d.startswith(('osd crush dump | devices', 'osd crush dump | buckets'))]
        self.assertEqual(left, [])
        want = {b['name']: b['weight'] for b in before['osd crush dump']['buckets'] if '~' not in b['name']}
        lost = want.pop(c.name(host))
        want['default'] -= lost
        self.assertEqual({b['name']: b['weight'] for b in c.mon('osd crush dump')['buckets'] if '~' not in b['name']}, want)
        items = {(b['name'], i['id']): i['weight'] for b in before['osd crush dump']['buckets'] if b['name'] not in ('default', c.name(host)) for i in b['items']}
        self.assertEqual({(b['name'], i['id']): i['weight'] for b in c.mon('osd crush dump')['buckets'] if b['name'] != 'default' for i in b['items']}, items)

    def assert_clean_report(self, observer, stops=None):
        report = observer.finish()
        self.assertEqual(report['violations'], [])
        self.assertGreater(report['samples'], 0)
        if stops is not None:     # it has really seen each of them: a blind observer proves nothing
            self.assertEqual({s['osd'] for s in report['stops'] if s['what'] == 'stopped'}, set(stops), report)
            self.assertLessEqual(set(stops), {s['osd'] for s in report['stops'] if s['what'].startswith('removed')}, report)
        return report

    def assert_load(self, loader):
        loader.wait_for(20)     # after all that was done it still writes
        report = loader.finish()
        self.assertEqual(report['errors'], [])
        return report

    def load(self, pools=('rep', 'ec')):
        return self.enterContext(Load(self.cluster, pools, self.dir))

    def observer(self, expected=()):
        return self.enterContext(Observer(self.cluster, self.dir, expected))

    def drains(self):
        """What `status` lists."""
        return self.tool.run('status', '-f', 'json').json['drains']


__all__ = ['ClusterCase', 'STEPS', 'POINTS', 'HOLD_FLAGS', 'OURS', 'QUICK', 'CAMPAIGN', 'forced', 'share', 'signal', 'snapshot', 'unittest', 'wait_for']
