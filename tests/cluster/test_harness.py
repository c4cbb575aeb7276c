# SPDX-License-Identifier: LGPL-2.1-or-later
"""The tests' own instruments: would they notice? Here the drain is done by hand, wrongly and rightly."""
import os

from cnlib import load
from cnlib.case import QUICK, ClusterCase, snapshot, unittest, wait_for
from cnlib.cluster import Cluster

TIMEOUT = 1200


class Instruments:
    DATA = {'rep': (60, 65536), 'ec': (30, 65536)}
    HOST = 2

    def setUp(self):
        self.cluster.make_whole()
        self.ids = self.cluster.ids(self.HOST)

    def empty(self):
        for i in self.ids:
            self.cluster.mon('osd crush reweight', name='osd.%d' % i, weight=0.0)

    def stop(self, ids):
        self.cluster.mon('osd stop', ids=[str(i) for i in ids])
        wait_for('they are down', lambda: not any(self.cluster.is_up(i) for i in ids))

    def test_a_stop_in_mid_move_is_seen(self):
        """Recovery is held, so that this is in the middle of the move for sure."""
        c = self.cluster
        objects = sum(n for n, _ in self.DATA.values())
        wait_for('the statistics count all objects', lambda: sum(p['stat_sum']['num_objects'] for p in c.pgs()) >= objects)
        for flag in ('norecover', 'nobackfill'):
            c.mon('osd set', key=flag)
        held = c.pgs_of(self.ids[:1])
        observer = self.observer()
        self.empty()
        filled = {p['pgid'] for p in c.pgs() if p['stat_sum']['num_objects']}
        left = [p for p in held if p in filled and self.ids[0] not in c.mon('pg map', pgid=p)['up']]
        self.assertTrue(left)
        wait_for('the PGs have noticed, and peered', lambda: all(
            'active' in s and s != 'active+clean' for s in (c.pg_query(p)['state'] for p in left)), 30)
        acting = [p for p in held if self.ids[0] in c.mon('pg map', pgid=p)['acting']]
        self.assertEqual(bool(acting), self.OLD)     # the trap: a young PG names the OSD no longer
        self.stop(self.ids[:1])
        report = observer.finish()
        self.assertEqual([s['osd'] for s in report['stops']], self.ids[:1])
        self.assertTrue(report['violations'])
        self.assertTrue(any(' while its PG ' in v for v in report['violations']), report)      # the second witness
        if self.OLD:
            self.assertTrue(any(' had it: ' in v for v in report['violations']), report)       # the first
        c.start_osd(self.ids[0])

    def test_a_stop_without_any_move_is_seen(self):
        observer = self.observer()
        self.stop(self.ids[:1])
        self.assertTrue(any(' had it: ' in v for v in observer.finish()['violations']))
        self.cluster.start_osd(self.ids[0])

    def test_the_right_order_is_not_complained_about(self):
        c = self.cluster
        before = c.snapshot()
        observer, loader = self.observer(), self.load()
        self.empty()
        c.wait_clean()
        self.stop(self.ids)
        for i in self.ids:
            c.mon('osd purge-actual', id=i, yes_i_really_mean_it=True)
        c.mon('osd crush rm', name=c.name(self.HOST))
        self.assert_clean_report(observer, self.ids)
        report = self.assert_load(loader)
        self.assertLess(report['longest_pause'], 20)
        self.assert_data()
        self.assert_gone(self.HOST)
        self.only_host_is_gone(before, self.HOST)
        c.restore_host(self.HOST)
        c.wait_clean()
        self.assertEqual({d.split(' | ')[2] for d in snapshot.diff(before, c.snapshot()) if 'addr' not in d and 'uuid' not in d
                          and not d.startswith('osd crush dump')}, set())

    def test_the_snapshot_sees_everything_that_a_drain_touches(self):
        c = self.cluster
        before = c.snapshot()
        self.assert_same(before)
        changes = (
            ('osd crush reweight', dict(name='osd.0', weight=1.00002), dict(name='osd.0', weight=1.0)),     # one bit of 16.16
            ('osd reweight', dict(id=0, weight=0.99), dict(id=0, weight=1.0)),
            ('osd set', dict(key='noscrub'), None),
            ('osd set-group', dict(flags='noout', who=['node1']), None),
            ('config set', dict(who='osd', name='osd_max_backfills', value='3'), None),
            ('config-key set', dict(key='cephnode/x', val='1'), None),
            ('osd pool set', dict(pool='rep', var='min_size', val='1'), dict(pool='rep', var='min_size', val='2')),
        )
        undo = {'osd set': ('osd unset', dict(key='noscrub')), 'osd set-group': ('osd unset-group', dict(flags='noout', who=['node1'])),
                'config set': ('config rm', dict(who='osd', name='osd_max_backfills')), 'config-key set': ('config-key rm', dict(key='cephnode/x'))}
        for prefix, do, back in changes:
            with self.subTest(prefix):
                c.mon(prefix, **do)
                self.assertTrue(snapshot.diff(before, c.snapshot()), prefix)
                c.mon(undo[prefix][0], **undo[prefix][1]) if back is None else c.mon(prefix, **back)
                self.assert_same(before)

    def test_changed_and_lost_objects_are_seen(self):
        c = self.cluster
        self.assert_data()
        with c.rados.open_ioctx('rep') as ioctx:
            good = ioctx.read('data.0.3', 1 << 20)
            ioctx.write_full('data.0.3', good[:-1] + bytes([good[-1] ^ 1]))
            ioctx.remove_object('data.0.5')
            bad = load.verify_data(c, 'rep', *self.DATA['rep'])
            self.assertEqual(len(bad), 2, bad)
            for name in ('data.0.3', 'data.0.5'):
                ioctx.write_full(name, load.content(name, 0, self.DATA['rep'][1]))
        self.assert_data()

    def test_the_client_notices_a_lost_write(self):
        loader = self.load(['rep'])
        wait_for('it has written', lambda: loader.acked() > 60)
        with self.cluster.rados.open_ioctx('rep') as ioctx:     # every object set back to its first version
            names = [o.key for o in ioctx.list_objects() if o.key.startswith('load.')]
            for name in names:
                ioctx.write_full(name, load.content(name, 0, 500))
        self.assertTrue(loader.finish()['errors'])


class Young(Instruments, ClusterCase):
    SHAPE = dict(HOSTS=5, OSDS=2, **QUICK)
    OLD = False

    def test_what_moves_without_it_is_not_complained_about(self):
        """The PGs have left it and were clean; another hand moves them on, just before it is stopped."""
        c, held = self.cluster, self.cluster.pgs_of(self.ids)
        observer = self.observer()
        self.empty()
        c.wait_clean()
        for flag in ('norecover', 'nobackfill'):
            c.mon('osd set', key=flag)
        c.mon('osd crush reweight', name='osd.9', weight=0.1)
        states = wait_for('they move', lambda: [s for s in (c.pg_query(p)['state'] for p in held) if 'active' in s and s != 'active+clean'])
        self.stop(self.ids)
        report = observer.finish()
        self.assertEqual(({s['osd'] for s in report['stops']}, report['violations']), (set(self.ids), []), states)
        for i in self.ids:
            c.start_osd(i)


class Old(Instruments, ClusterCase):
    SHAPE = dict(HOSTS=5, OSDS=2, **QUICK, OLD=1)
    OLD = True


class Rig(unittest.TestCase):
    def test_two_clusters_do_not_meet_and_leave_nothing(self):
        """Same addresses, same names, same moment."""
        a = Cluster.start(HOSTS=1, OSDS=1, SIZE=1, PG_EC=0, PG_RBD=0, PG_REP=4)
        self.addCleanup(a.down)
        b = Cluster.start(HOSTS=1, OSDS=1, SIZE=1, PG_EC=0, PG_RBD=0, PG_REP=4)
        self.addCleanup(b.down)
        self.assertNotEqual(a.mon('osd dump')['fsid'], b.mon('osd dump')['fsid'])
        pids = [int(line.split()[1]) for line in (a.dir / 'pids').read_text().splitlines()]
        self.assertEqual(len(pids), 3)
        a.down()
        wait_for('all of it has ended', lambda: not any(os.path.exists('/proc/%d' % p) for p in pids))
        self.assertFalse(a.dir.exists())
        self.assertTrue(all(b.running(d) for d in b.daemons()))
        self.assertEqual(b.unclean(), {})


if __name__ == '__main__':
    unittest.main()
