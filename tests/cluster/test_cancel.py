# SPDX-License-Identifier: LGPL-2.1-or-later
"""cancel puts everything back to the last bit, whatever the drain was about to do."""
from cnlib.case import OURS, QUICK, STEPS, ClusterCase, forced, share, signal, wait_for

TIMEOUT = 1200
BEFORE_PURGE = ['%s:%s' % (s, e) for s in STEPS[:STEPS.index('purge')] for e in ('begin', 'end')]


class Cancels:
    KEY = 'client.cephnode'
    DATA = {'rep': (80, 65536), 'ec': (40, 65536)}

    def setUp(self):
        super().setUp()
        c = self.cluster                      # odd states that a drain has to bring back
        c.mon('osd crush reweight', name='osd.2', weight=1.23457)
        c.mon('osd crush reweight', name='osd.3', weight=0.87654)
        c.mon('osd reweight', id=3, weight=0.7)
        c.mon('osd out', ids=['8'])
        c.mon('osd set', key='noscrub')
        c.mon('osd crush weight-set create-compat')
        self.addCleanup(c.mon, 'osd crush weight-set rm-compat')
        c.mon('osd crush weight-set reweight-compat', item='osd.2', weight=[0.7])
        c.mon('osd crush weight-set reweight-compat', item='osd.3', weight=[1.1])
        c.wait_clean()
        self.before = c.snapshot()

    def check_undone(self):
        c = self.cluster
        def up(i):     # a daemon that the mon has told to stop takes a moment to end
            if not c.running('osd.%d' % i):
                c.start_osd(i)
            return c.is_up(i)
        wait_for('they are up', lambda: all([up(2), up(3)]))
        volatile = ['osd dump | osds | osd.%d | %s' % (i, w) for i in (2, 3) for w in ('public_addr', 'cluster_addr', 'heartbeat_')]
        self.assert_same(self.before, list(OURS) + volatile)
        self.assertEqual(c.crush_weight(2), int(1.23457 * 65536))
        c.wait_clean()
        self.assert_data()
        self.assertEqual(self.drains(), [])

    def cancel(self, *args, codes=(0,)):
        run = self.assert_code(self.tool.run('cancel', '127.0.1.2', '-f', 'json', '--lock-wait', '90', *args), *codes)
        if run.code == 0:
            self.assertEqual(run.result['outcome'], 'cancelled', str(run))
        return run

    def codes_at(self, point):
        """Before the first change is written down there may be nothing to cancel."""
        return (0, 3) if point.split(':')[0] in ('lock', 'check') or point == 'hold:begin' else (0,)

    def drain(self, trap=None):
        return self.tool.start_drain('127.0.1.2', '--accept', 'existing', *forced(trap), trap=trap)

    def after_a_kill_at(self, point):
        run = self.drain(point + ':KILL').wait()
        self.assertEqual(run.code, -signal.SIGKILL, 'the trap did not spring: %s' % run)
        self.cancel(codes=self.codes_at(point))
        self.check_undone()

    def against_a_paused_drain_at(self, point):
        """The drain goes on after the cancel, and must not do what it was about to do."""
        c, observer = self.cluster, self.observer()
        run = self.drain(point + ':STOP')
        run.wait_stopped()
        was_up = [i for i in (2, 3) if c.is_up(i)]
        cancelled = self.cancel(codes=self.codes_at(point))
        run.cont()
        if cancelled.code == 0:
            run.wait(120)
            self.assertEqual(run.result['outcome'], 'cancelled', str(run))
            self.assertNotEqual(run.code, 0)
        else:                          # nothing had begun: the drain may go on; it is told in the middle
            run.wait_event(step='wait', state='begin')
            self.cancel()
            run.wait(120)
        self.assertEqual([i for i in (2, 3) if c.is_up(i)], was_up)
        self.assertEqual([v for v in observer.finish()['violations']], [])
        self.check_undone()


def points_for(cls, how, points, n):
    for point in share(points, n, cls.__name__ + how):
        setattr(cls, 'test_%s_%s' % (how, point.replace(':', '_')), lambda self, point=point: getattr(self, how)(point))


class Young(Cancels, ClusterCase):
    SHAPE = dict(HOSTS=5, OSDS=2, **QUICK)

    def test_while_it_waits(self):
        """The plain case: a drain under way, cancelled from elsewhere; then asked again."""
        self.cluster.mon('osd set', key='norecover')    # so that it is still waiting
        self.addCleanup(self.cluster.mon, 'osd unset', key='norecover')
        self.before = self.cluster.snapshot()
        run = self.drain()
        run.wait_event(step='wait', state='begin')
        for command in ('status', 'cancel', 'remove'):      # one of its OSDs is not the drain
            for name in ('osd.3', 'osd:3', 'osd:osd.3'):
                words = self.assert_code(self.tool.run(command, name), 3).stderr
                self.assertIn('it is part of the drain of 127.0.1.2\n', words)
                self.assertIn('cephnode %s 127.0.1.2\n' % command, words)
            self.assertIn('no drain of osd.30 is known', self.assert_code(self.tool.run(command, 'osd.30'), 3).stderr)
        self.cancel()
        self.cluster.mon('osd unset', key='norecover')
        run.wait(60)
        self.assertEqual(run.result['outcome'], 'cancelled', str(run))
        self.before['osd dump'].update({k: v for k, v in self.cluster.snapshot()['osd dump'].items() if k.startswith('flags')})
        self.check_undone()
        self.assert_code(self.tool.run('cancel', '127.0.1.2', '-f', 'json'), 0)
        self.assert_code(self.tool.run('cancel', 'node4', '-f', 'json'), 3)

    def test_two_osds_by_the_name_that_is_shown(self):
        self.cluster.mon('osd set', key='norecover')
        self.addCleanup(self.cluster.mon, 'osd unset', key='norecover')
        run = self.tool.start_drain('osd.2', 'osd.4', '--accept', 'existing')
        run.wait_event(step='wait', state='begin')
        name = run.events('step')[0]['node']
        self.assertEqual(name, 'osd.2,osd.4')
        self.assertEqual(len(self.assert_code(self.tool.run('status', name, '-f', 'json'), 0).json['drains']), 2)
        self.assertIn(name, self.assert_code(self.tool.run('plan', name, '--accept', 'existing'), 0).stdout)
        self.assert_code(self.tool.run('status', ','), 3)
        undo = self.assert_code(self.tool.run('cancel', name, '-f', 'json'), 0)
        self.assertEqual([(e['node'], e['outcome']) for e in undo.events('result')], [('osd.2', 'cancelled'), ('osd.4', 'cancelled')])
        self.cluster.mon('osd unset', key='norecover')
        self.assertNotEqual(run.wait(60).code, 0)
        self.check_undone()
        self.assert_code(self.tool.run('cancel', name), 0)

    def test_an_operators_reweight_is_not_run_over(self):
        """A weight that is no longer 0, and not by us, just before the OSD is stopped."""
        c = self.cluster
        for point in ('prove:end', 'out:begin', 'stop:begin'):
            with self.subTest(point):
                run = self.drain(point + ':STOP')
                run.wait_stopped()
                c.mon('osd crush reweight', name='osd.2', weight=0.5)
                run.cont()
                run.wait(120)
                self.assertNotEqual(run.code, 0, str(run))
                self.assertNotEqual(run.result['outcome'], 'removed')
                self.assertTrue(c.is_up(2) and c.is_up(3), str(run))
                self.assertEqual(c.crush_weight(2), 0x8000)
                self.assertIn('osd.2', run.stderr)
                # nor is it overwritten by cancel, unless that says so
                undo = self.tool.run('cancel', '127.0.1.2', '-f', 'json')
                self.assertEqual(c.crush_weight(2), 0x8000, str(undo))
                self.assertIn('osd.2', undo.stdout + undo.stderr)
                c.make_whole()

    def test_after_it_was_removed_there_is_no_way_back(self):
        run = self.tool.drain('127.0.1.2', '--accept', 'existing')
        self.assert_removed(run, 2)
        before = self.cluster.snapshot()
        self.assert_code(self.tool.run('cancel', '127.0.1.2', '-f', 'json'), 4)
        self.assert_same(before)


class Old(Cancels, ClusterCase):
    SHAPE = dict(HOSTS=5, OSDS=2, **QUICK, OLD=1)


points_for(Young, 'after_a_kill_at', BEFORE_PURGE, 4)
points_for(Old, 'after_a_kill_at', BEFORE_PURGE, 2)
points_for(Young, 'against_a_paused_drain_at', [p for p in BEFORE_PURGE if p not in ('prove:end', 'stop:begin')], 1)
points_for(Young, 'against_a_paused_drain_at', ['prove:end', 'stop:begin'], 2)     # always: it is just about to stop an OSD
