# SPDX-License-Identifier: LGPL-2.1-or-later
"""SIGINT and SIGTERM: exit 130 within 2 seconds, the result line last, flags back, the same command resumes."""
import os

from cnlib.case import HOLD_FLAGS, QUICK, ClusterCase, signal, wait_for

TIMEOUT = 1200


class Signals(ClusterCase):
    SHAPE = dict(HOSTS=5, OSDS=2, **QUICK, OLD=1)
    DATA = {'rep': (80, 65536), 'ec': (40, 65536)}

    def ends(self, run, since, limit=30):
        """Its last word comes within two seconds. (What a sanitizer's build does between that and its end may take longer.)"""
        run.wait(limit)
        self.assertEqual(run.code, 130, str(run))
        self.assertLess(run.said - since, 2.0)

    def interrupted(self, run, since):
        self.ends(run, since)
        self.assertEqual((run.result['outcome'], run.result['exit']), ('interrupted', 130), str(run))
        self.assertEqual(self.cluster.flags() & HOLD_FLAGS, set())       # at once, not some time later

    def says_how_to_go_on(self, run):
        self.assertIn('hint: nothing is lost, the cluster goes on moving the data. To go on: cephnode drain node2. To undo it: '
                      'cephnode cancel node2\n', run.stderr)

    def resumed(self):
        drains = self.drains()
        self.assertEqual([(d['node'], d['osds']) for d in drains], [('node2', [2, 3])])
        self.assertTrue(drains[0]['phase'])
        self.assert_removed(self.tool.drain('node2'), 2)
        self.assertEqual(self.drains(), [])
        self.assert_data()

    def in_wait(self, sig):
        self.cluster.mon('osd set', key='norecover')
        self.cluster.mon('osd set', key='nobackfill')
        observer = self.observer()
        run = self.tool.start_drain('node2', '--accept', 'existing')
        run.wait_event(step='wait', state='begin')
        since = run.send(sig)
        self.ends(run, since)
        self.assertEqual(run.result['outcome'], 'interrupted')
        self.says_how_to_go_on(run)
        self.assertLessEqual({'norecover', 'nobackfill'}, self.cluster.flags())      # these are the operator's
        for flag in ('norecover', 'nobackfill'):
            self.cluster.mon('osd unset', key=flag)
        self.resumed()
        self.assert_clean_report(observer, [2, 3])

    def test_sigint_in_wait(self):
        self.in_wait(signal.SIGINT)

    def test_sigterm_in_wait(self):
        self.in_wait(signal.SIGTERM)

    def test_in_the_hold(self):
        for trap in ('hold:end', 'reweight:begin', 'reweight:end'):
            with self.subTest(trap):
                run = self.tool.start_drain('node2', trap=trap + ':STOP')
                run.wait_stopped()
                since = run.send(signal.SIGINT)
                run.cont()
                self.interrupted(run, since)
                self.resumed()
                self.cluster.make_whole()

    def test_around_the_stop(self):
        for trap in ('out:begin', 'stop:begin', 'purge:begin'):
            with self.subTest(trap):
                run = self.tool.start_drain('node2', trap=trap + ':STOP')
                run.wait_stopped()
                since = run.send(signal.SIGTERM)
                run.cont()
                run.wait(60)
                self.assertIn(run.code, (0, 130), str(run))
                self.assertLess(run.said - since, 10)
                self.assertTrue(run.result)
                if run.code == 130:
                    self.resumed()
                self.assert_gone(2)
                self.cluster.make_whole()

    def test_a_second_signal_ends_at_once(self):
        """Even when the monitors do not answer."""
        self.cluster.mon('osd set', key='norecover')
        run = self.tool.start_drain('node2', '--accept', 'existing')
        run.wait_event(step='wait', state='begin')
        self.cluster.stop('mon.a')
        self.addCleanup(self.cluster.cont, 'mon.a')
        run.send(signal.SIGINT)
        since = run.send(signal.SIGINT)
        self.ends(run, since)
        self.says_how_to_go_on(run)
        self.cluster.cont('mon.a')
        wait_for('the mon answers', lambda: self.cluster.mon('osd stat'))
        self.cluster.mon('osd unset', key='norecover')
        self.resumed()

    def test_before_it_has_begun(self):
        """While it connects to monitors that do not answer."""
        before = self.cluster.snapshot()
        self.cluster.stop('mon.a')
        try:
            run = self.tool.start_drain('node2')
            wait_for('it has started', lambda: len(os.listdir('/proc/%d/task' % run.process.pid)) > 2)
            since = run.send(signal.SIGTERM)
            self.ends(run, since)
            self.assertEqual(run.result['outcome'], 'interrupted')
        finally:
            self.cluster.cont('mon.a')
        wait_for('the mon answers', lambda: self.cluster.mon('osd stat'))
        self.assert_same(before)
