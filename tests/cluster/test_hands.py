# SPDX-License-Identifier: LGPL-2.1-or-later
"""Other hands in the middle of a drain: it ends right or says why not, and its undo leaves alone what others did."""
from cnlib.case import QUICK, ClusterCase, wait_for

TIMEOUT = 900


class Hands(ClusterCase):
    SHAPE = dict(HOSTS=6, OSDS=2, PG_RBD=0, PG_EC=8, **QUICK)
    DATA = {'rep': (80, 65536), 'ec': (30, 65536)}

    def start(self, *args):
        """A drain that waits, and nothing moves yet."""
        for flag in ('norecover', 'nobackfill'):
            self.cluster.mon('osd set', key=flag)
            self.addCleanup(self.cluster.mon, 'osd unset', key=flag)
        run = self.tool.start_drain('node2', '--accept', 'existing', *args)
        run.wait_event(event='progress')
        return run

    def let_go(self):
        for flag in ('norecover', 'nobackfill'):
            self.cluster.mon('osd unset', key=flag)

    def test_weights_of_others(self):
        """Reweights of OSDs that are not drained are nobody's business, and stay; also over a cancel."""
        c = self.cluster
        run = self.start()
        c.mon('osd crush reweight', name='osd.6', weight=0.75)
        c.mon('osd reweight', id=9, weight=0.8)
        c.mon('osd set', key='noscrub')
        self.addCleanup(c.mon, 'osd unset', key='noscrub')
        self.assert_code(self.tool.run('cancel', 'node2', '-f', 'json'), 0)
        run.wait(60)
        self.assertEqual(run.result['outcome'], 'cancelled')
        self.assertEqual((c.crush_weight(6), c.crush_weight(2), c.crush_weight(3)), (0xc000, 0x10000, 0x10000))
        self.assertEqual(round(c.osd(9)['weight'], 3), 0.8)
        self.assertIn('noscrub', c.flags())

    def test_a_reweight_of_a_drained_osd(self):
        """osd reweight and osd in move nothing to an OSD without weight; crush reweight ends the drain with a word."""
        c = self.cluster
        observer, run = self.observer(), self.start()
        c.mon('osd reweight', id=2, weight=0.5)
        c.mon('osd crush reweight', name='osd.3', weight=0.5)
        self.assert_code(run.wait(), 1)      # it looks at the weights at each tenth poll
        self.assertIn('osd.3 has a CRUSH weight of 0.5', run.result['reason'])
        self.assertTrue(c.is_up(2) and c.is_up(3))
        undo = self.assert_code(self.tool.run('cancel', 'node2', '-f', 'json'), 0, 6)
        self.assertEqual((c.crush_weight(2), c.crush_weight(3)), (0x10000, 0x8000), str(undo))
        self.assertEqual(c.osd(2)['weight'], 0.5)
        self.assert_clean_report(observer)

    def test_a_daemon_that_comes_back(self):
        """Stopped in the middle by someone, and started again: the drain waits for what it held."""
        c = self.cluster
        observer, run = self.observer(expected=[2]), self.start()
        c.kill('osd.2', 'TERM')
        wait_for('it is down', lambda: not c.is_up(2))
        c.start_osd(2)
        self.let_go()
        self.assert_removed(run.wait(), 2)
        self.assert_clean_report(observer)
        self.assert_data()

    def test_with_the_balancer_and_the_autoscaler(self):
        """Both switched on in the middle, and pg_num changed by hand: splits and merges while it moves."""
        c = self.cluster
        observer, loader, run = self.observer(), self.load(), self.start()
        c.mgr('balancer mode', mode='upmap')
        c.mgr('balancer on')
        self.addCleanup(c.mgr, 'balancer off')
        c.mon('osd pool set', pool='rep', var='pg_num', val='64')
        c.mon('osd pool set', pool='ec', var='pg_num', val='4')
        c.mon('osd pool set', pool='ec', var='pg_autoscale_mode', val='on')
        self.addCleanup(c.mon, 'osd pool set', pool='ec', var='pg_autoscale_mode', val='off')
        self.let_go()
        self.assert_removed(run.wait(), 2)
        self.assert_clean_report(observer, [2, 3])
        self.assert_load(loader)
        self.assert_data()

    def test_a_flag_in_the_middle(self):
        c = self.cluster
        observer, run = self.observer(), self.tool.start_drain('node2', trap='wait:begin:STOP')
        run.wait_stopped()
        c.mon('osd set', key='noout')
        self.addCleanup(c.mon, 'osd unset', key='noout')
        run.cont()
        run.wait_event(step='prove', state='begin')
        wait_for('it says what it waits for', lambda: 'noout' in run.stderr + run.stdout)
        self.assertTrue(c.is_up(2) and c.is_up(3))
        c.mon('osd unset', key='noout')
        self.assert_removed(run.wait(), 2)
        self.assert_clean_report(observer, [2, 3])
