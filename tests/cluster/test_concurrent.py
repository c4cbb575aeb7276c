# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several cephnodes at once."""
from cnlib.case import HOLD_FLAGS, QUICK, ClusterCase, wait_for

TIMEOUT = 1200


class Concurrent(ClusterCase):
    SHAPE = dict(HOSTS=6, OSDS=2, **QUICK)
    DATA = {'rep': (100, 65536), 'ec': (40, 65536)}

    def test_two_nodes_at_once(self):
        before = self.cluster.snapshot()
        observer, loader = self.observer(), self.load()
        runs = {2: self.tool.start_drain('node2'), 5: self.tool.start_drain('127.0.1.5')}
        for host, run in runs.items():
            self.assert_removed(run.wait(), host)
        self.assert_clean_report(observer, [2, 3, 8, 9])
        self.assert_load(loader)
        self.assert_data()
        self.assertEqual(set(before['osd dump']['flags_set']), self.cluster.flags())
        self.assertEqual(self.drains(), [])

    def test_the_same_node_twice(self):
        """The second is told who holds it and what that does; the first goes on."""
        first = self.tool.start_drain('node2', trap='wait:begin:STOP')
        first.wait_stopped()
        for args in (['drain', '127.0.1.2', '-y', '-f', 'json'], ['drain', 'osd.3', '-y', '-f', 'json']):
            second = self.assert_code(self.tool.run(*args, '--lock-wait', '2'), 1, 4, 5)
            self.assertIn(str(first.process.pid) if '127.0.1.2' in args else 'node2', second.stderr)
            self.assertIn('wait', second.stderr)
            self.assertNotEqual(second.result['outcome'], 'removed')
        drain, = self.drains()
        self.assertEqual((drain['owner']['pid'], drain['phase']), (first.process.pid, 'wait'))
        self.assertTrue(self.cluster.is_up(2) and self.cluster.is_up(3))
        first.cont()
        self.assert_removed(first.wait(), 2)

    def test_the_same_node_twice_at_the_same_moment(self):
        observer = self.observer()
        runs = [self.tool.start_drain('node2', '--lock-wait', '20') for _ in range(3)]
        codes = sorted(run.wait().code for run in runs)
        self.assertEqual(codes.count(0) >= 1, True, codes)
        self.assertTrue(all(code in (0, 1, 4, 5) for code in codes), codes)
        self.assert_gone(2)
        self.assert_clean_report(observer, [2, 3])
        self.assert_data()

    def test_two_nodes_that_cannot_both_go(self):
        """Four nodes stay for size 3; of five drains at once some are refused, and no data is lost."""
        observer, loader = self.observer(), self.load()
        runs = {h: self.tool.start_drain(self.cluster.name(h)) for h in (1, 2, 3, 4, 5)}
        codes = {h: run.wait(240).code for h, run in runs.items()}
        removed = [h for h in codes if codes[h] == 0]
        self.assertTrue(1 <= len(removed) <= 3, codes)
        for h, run in runs.items():
            self.assertIn(codes[h], (0, 4, 5), str(run))
        for h in removed:
            self.assert_gone(h)
        self.assertEqual(self.cluster.flags() & HOLD_FLAGS, set())
        self.assert_clean_report(observer, [i for h in removed for i in self.cluster.ids(h)])
        self.assert_load(loader)
        self.assert_data()


class LongAndShort(ClusterCase):
    """Two halves with rules of their own, so that one half can be made slow."""
    SHAPE = dict(HOSTS=8, OSDS=1, **QUICK, PG_REP=0, PG_EC=0, PG_RBD=0, SIZE=2)
    DATA = {'slow': (60, 65536), 'quick': (60, 65536)}

    @classmethod
    def prepare(cls):
        c = cls.cluster
        for root, hosts in (('slow', (1, 2, 3, 4)), ('quick', (5, 6, 7, 8))):
            c.mon('osd crush add-bucket', name='half-' + root, type='root')
            for h in hosts:
                c.mon('osd crush link', name=c.name(h), args=['root=half-' + root])
            c.mon('osd crush rule create-replicated', name=root, root='half-' + root, type='host')
            c.mon('osd pool create', pool=root, pg_num=16, pgp_num=16, pool_type='replicated', rule=root)
        c.wait_clean()

    def test_a_short_drain_does_not_wait_for_a_long_one(self):
        c = self.cluster
        for i in (0, 1, 2, 3):
            c.tell(i, 'config set', var='osd_recovery_sleep', val=['6'])
            c.tell(i, 'config set', var='osd_recovery_max_active', val=['1'])
        observer = self.observer()
        long = self.tool.start_drain('node1')
        long.wait_event(step='wait', state='begin')
        short = self.tool.drain('node8', '--accept', 'existing')
        self.assert_code(short, 0)
        self.assertEqual(short.result['outcome'], 'removed')
        self.assertTrue(c.unclean())            # the long one is really still at it
        self.assertFalse(long.ended)
        for i in (0, 1, 2, 3):
            c.tell(i, 'config set', var='osd_recovery_sleep', val=['0'])
            c.tell(i, 'config set', var='osd_recovery_max_active', val=['16'])
        self.assert_code(long.wait(), 0)
        self.assert_clean_report(observer, [0, 7])
        self.assert_data()
        wait_for('both have ended', lambda: not c.running('osd.0') and not c.running('osd.7'))
