# SPDX-License-Identifier: LGPL-2.1-or-later
"""Monitors and managers that come and go in the middle: the drain goes on, and never by old statistics."""
import time

from cnlib.case import CAMPAIGN, QUICK, ClusterCase, wait_for

TIMEOUT = 900


class Failover(ClusterCase):
    SHAPE = dict(HOSTS=5, OSDS=2, MONS=3, MGRS=2, PG_RBD=0, PG_EC=8, **QUICK,
                 CONF='mon lease = 1\nmon election timeout = 1\nmon mgr beacon grace = 10')
    DATA = {'rep': (80, 65536), 'ec': (30, 65536)}

    def setUp(self):
        super().setUp()
        self.cluster.wait_healthy()      # a mon that is back in the quorum is missed for some seconds more

    def hold(self):
        for flag in ('norecover', 'nobackfill'):
            self.cluster.mon('osd set', key=flag)

    def let_go(self):
        for flag in ('norecover', 'nobackfill'):
            self.cluster.mon('osd unset', key=flag)

    def start(self, *args):
        """A drain that waits, and nothing moves yet."""
        self.hold()
        self.addCleanup(self.let_go)
        run = self.tool.start_drain('node2', '--accept', 'existing', *args)
        run.wait_event(event='progress')
        return run

    def leader(self):
        return self.cluster.mon('quorum_status')['quorum_leader_name']

    def quorum(self):
        return set(self.cluster.mon('quorum_status')['quorum_names'])

    def manager(self):
        m = self.cluster.mon('mgr dump')
        return m['active_name'] if m['available'] else None

    def statistics(self):
        return wait_for('the statistics are there', lambda: self.manager() and all('unknown' not in p['state'] for p in self.cluster.pgs()))

    def ends_well(self, run, observer):
        self.assert_removed(run.wait(), 2)
        self.assert_clean_report(observer, [2, 3])
        self.assert_data()

    def kill_mon(self, victim):
        c = self.cluster
        self.addCleanup(lambda: c.running('mon.' + victim) or c.rig('cn_mon_start', victim))
        c.kill('mon.' + victim)
        wait_for('the others agree', lambda: self.quorum() == {'a', 'b', 'c'} - {victim})

    def test_monitors_are_killed(self):
        """One that follows, then the one that leads."""
        c, observer, run = self.cluster, self.observer(), self.start('--accept', 'MON_DOWN')
        follower = sorted(self.quorum() - {self.leader()})[0]
        self.kill_mon(follower)
        c.rig('cn_mon_start', follower)
        wait_for('it is back', lambda: len(self.quorum()) == 3)
        self.kill_mon(self.leader())
        self.let_go()
        self.ends_well(run, observer)

    def test_the_active_manager_is_killed(self):
        c = self.cluster
        observer, run = self.observer(), self.start('--op-timeout', '5')
        active = self.manager()
        c.kill('mgr.' + active)
        self.let_go()
        self.ends_well(run, observer)
        self.assertNotEqual(self.manager(), active)

    def test_the_managers_stop_and_go_on(self):
        """For several polls nobody answers; what the manager then says first is old."""
        c = self.cluster
        observer, run = self.observer(), self.start('--op-timeout', '2')
        for m in 'xy':
            c.stop('mgr.' + m)
        self.let_go()
        wait_for('it has noticed', lambda: any('gives no statistics' in w['message'] for w in run.events('warning')))
        told = len(run.events('progress'))
        wait_for('the data have moved', lambda: not c.mon('osd dump')['pg_temp'])
        self.assertEqual(len(run.events('progress')), told)      # it tells nothing that it does not know
        self.assertFalse(run.ended)
        for m in 'xy':
            c.cont('mgr.' + m)
        self.ends_well(run, observer)

    if CAMPAIGN:
        def test_the_managers_stop_for_a_minute(self):
            """All data move meanwhile, the monitors find that no manager is there, and no OSD is touched. (The observer would not outlive it:
            librados gives up on
            the manager after a minute, and writes the late answer to where the caller's stack was.)"""
            c, run = self.cluster, self.start('--op-timeout', '5')
            before = c.osds()
            for m in 'xy':
                c.stop('mgr.' + m)
            since = time.monotonic()
            self.let_go()
            wait_for('the data have moved', lambda: not c.mon('osd dump')['pg_temp'])
            wait_for('no manager is active', lambda: not c.mon('mgr dump')['available'])
            while time.monotonic() - since < 60:
                self.assertFalse(run.ended, run)
                self.assertNotIn('out:begin', run.steps())
                self.assertEqual({i: (o['up'], o['in']) for i, o in c.osds().items()}, {i: (o['up'], o['in']) for i, o in before.items()})
                time.sleep(1)
            for m in 'xy':
                c.cont('mgr.' + m)
            self.assert_removed(run.wait(), 2)
            self.assert_data()

    def test_no_quorum_and_a_time_limit(self):
        """--timeout holds while no monitor answers, also for a query of a PG."""
        c = self.cluster
        for point in ('wait:begin', 'prove:begin'):
            with self.subTest(point):
                run = self.tool.start_drain('node2', '--timeout', '18', '--op-timeout', '5', trap=point + ':STOP')
                run.wait_stopped()
                for m in 'ab':
                    c.stop('mon.' + m)
                    self.addCleanup(c.cont, 'mon.' + m)
                run.cont()
                self.assert_code(run.wait(120), 5)
                self.assertLess(run.seconds, 18 + 15)           # the locks on objects may not be had back either
                for m in 'ab':
                    c.cont('mon.' + m)
                wait_for('the quorum is back', lambda: len(self.quorum()) == 3)
        self.assert_removed(self.tool.drain('node2'), 2)
