# SPDX-License-Identifier: LGPL-2.1-or-later
"""--speed: set while data move, put back to the letter whatever happens, and no other hand's work undone."""
import pathlib
import shlex
import subprocess

from cnlib.case import CAMPAIGN, OURS, QUICK, ClusterCase, signal, wait_for

TIMEOUT = 600
GENTLE = {'osd_max_backfills': '1', 'osd_recovery_max_active': '1', 'osd_recovery_sleep': '0.000000',
          'osd_recovery_sleep_hdd': '0.200000', 'osd_recovery_sleep_ssd': '0.050000', 'osd_recovery_sleep_hybrid': '0.100000'}
NORMAL = {'osd_max_backfills': '1', 'osd_recovery_max_active': '0', 'osd_recovery_max_active_hdd': '3', 'osd_recovery_max_active_ssd': '10',
          'osd_recovery_sleep': '0.000000', 'osd_recovery_sleep_hdd': '0.100000', 'osd_recovery_sleep_ssd': '0.000000',
          'osd_recovery_sleep_hybrid': '0.025000'}
FAST = {'osd_max_backfills': '8', 'osd_recovery_max_active': '0', 'osd_recovery_max_active_hdd': '8', 'osd_recovery_max_active_ssd': '16',
        'osd_recovery_sleep': '0.000000', 'osd_recovery_sleep_hdd': '0.000000', 'osd_recovery_sleep_ssd': '0.000000',
        'osd_recovery_sleep_hybrid': '0.000000'}
OPERATOR = {('osd', 'osd_max_backfills'): '2', ('osd', 'osd_recovery_sleep_ssd'): '0.01',
            ('osd/host:node4', 'osd_recovery_max_active'): '5', ('osd.0', 'osd_recovery_sleep_hdd'): '0.03'}
QUICKLY = {'osd_max_backfills': '16', 'osd_recovery_max_active': '16', 'osd_recovery_sleep_hdd': '0', 'osd_recovery_sleep_hybrid': '0'}


class Speed:
    KEY = 'client.cephnode'
    DATA = {'rep': (60, 65536), 'ec': (20, 65536)}

    @classmethod
    def prepare(cls):
        for name, value in QUICKLY.items():      # not in the configuration file, which would outrank all that is tested here
            cls.cluster.mon('config set', who='global', name=name, value=value)

    def config_set(self, who, name, value, **more):
        self.cluster.mon('config set', who=who, name=name, value=value, **more)
        self.addCleanup(self.cluster.mon, 'config rm', who=who, name=name)

    def setUp(self):
        super().setUp()
        for (who, name), value in OPERATOR.items():      # by force: to the letter, as an older release wrote it
            self.config_set(who, name, value, force=True)
        self.hold_the_move(False)
        self.before = self.cluster.snapshot()
        self.hold_the_move(True)

    def hold_the_move(self, on):
        for flag in ('norecover', 'nobackfill'):
            self.cluster.mon('osd set' if on else 'osd unset', key=flag)

    def config(self):
        """What `config set osd` has left in the database."""
        return {c['name']: c['value'] for c in self.cluster.mon('config dump') if (c['section'], c['mask']) == ('osd', '')}

    def assert_config(self, want):
        self.assertEqual(self.config(), want)

    def assert_put_back(self):
        self.assertEqual(self.cluster.snapshot()['config'], self.before['config'])

    def as_set(self, speed):
        """The database while a drain of this speed is under way."""
        return dict({n: v for (who, n), v in OPERATOR.items() if who == 'osd'}, **speed)

    def runs_with(self, osd, name):
        return self.cluster.mgr('config show', who='osd.%d' % osd, key=name)

    def drain(self, node, speed, trap=None):
        """Under way, in `wait`."""
        slow = 'existing,OSD_SLOW_PING_TIME_BACK,OSD_SLOW_PING_TIME_FRONT'       # behind an OSD that was stopped, for a minute
        args = ['--pin', 'never', '--accept', slow] + (['--speed', speed] if speed else [])
        run = self.tool.start_drain(node, *args, trap=trap)
        if trap:
            run.wait()
            self.assertEqual(run.code, -signal.SIGKILL, 'the trap did not spring: %s' % run)
        else:
            run.wait_event(step='wait', state='begin')
        return run

    def cancel(self, node, *codes):
        return self.assert_code(self.tool.run('cancel', node, '-f', 'json'), *(codes or (0,)))

    def finish(self, run, host, ignore=()):
        self.hold_the_move(False)
        self.assert_removed(run.wait(), host)
        self.only_host_is_gone(self.before, host, ignore)


class Classic(Speed, ClusterCase):
    SHAPE = dict(HOSTS=5, OSDS=2, SPEED='none', CONF_OSD='osd recovery max active ssd = 9', **QUICK,
                 CONF='osd heartbeat grace = 100')      # an OSD that is stopped for a while stays up

    def test_set_heeded_and_put_back(self):
        run = self.drain('node2', 'fast')
        self.assert_config(self.as_set(FAST))
        wait_for('the OSDs heed it', lambda: [self.runs_with(3, 'osd_max_backfills'), self.runs_with(6, 'osd_recovery_max_active'),
                                              self.runs_with(8, 'osd_recovery_max_active')] == [8, 5, 0])
        run.wait_event(event='warning', message='--speed does not hold everywhere: osd_recovery_max_active of osd/host:node4, '
                       'osd_recovery_sleep_hdd of osd.0 stays as it is set')
        told = wait_for('it says that a file outranks it', lambda: [w for w in run.events('warning') if 'max_active_ssd' in w['message']])
        self.assertIn('(source: file)', str(told))
        plan, = run.events('plan')
        self.assertEqual((plan['speed'], sorted(plan['settings'])), ('fast', sorted(FAST)))
        self.finish(run, 2)
        self.assert_data()

    def test_killed_and_gone_on_with(self):
        self.drain('node2', 'gentle', trap='wait:begin:KILL')
        self.assert_config(self.as_set(GENTLE))
        run = self.drain('node2', 'fast')
        self.assert_config(dict(self.as_set(GENTLE), **FAST))
        self.finish(run, 2)

    def test_killed_and_cancelled(self):
        self.drain('node2', 'gentle', trap='wait:begin:KILL')
        self.assert_config(self.as_set(GENTLE))
        self.cancel('node2')
        self.hold_the_move(False)
        self.assert_same(self.before, OURS)

    def test_killed_and_another_node_is_drained(self):
        self.drain('node2', 'gentle', trap='wait:begin:KILL')
        other = self.drain('node5', None)
        self.assert_put_back()
        self.assertEqual(len(self.drains()), 2)
        self.cancel('node5')
        other.wait(60)
        self.cancel('node2')
        self.hold_the_move(False)
        self.assert_same(self.before, OURS)

    def test_interrupted(self):
        run = self.drain('node2', 'normal')
        self.assert_config(self.as_set(NORMAL))
        wait_for('the OSDs heed it', lambda: [self.runs_with(3, 'osd_max_backfills'), float(self.runs_with(4, 'osd_recovery_sleep_hdd'))] == [1, 0.1], 20)
        run.send(signal.SIGTERM)
        self.assert_code(run.wait(), 130)
        self.assert_put_back()
        self.cancel('node2')
        self.hold_the_move(False)
        self.assert_same(self.before, OURS)

    def test_an_operators_change_in_the_middle(self):
        c = self.cluster
        run = self.drain('node2', 'fast')
        self.config_set('osd', 'osd_max_backfills', '3')
        c.mon('config rm', who='osd', name='osd_recovery_max_active')
        self.config_set('osd/host:node4', 'osd_recovery_max_active', '6')
        self.finish(run, 2, ['config | osd//osd_max_backfills', 'config | osd/host:node4/osd_recovery_max_active'])
        self.assertEqual(self.config()['osd_max_backfills'], '3')
        self.assertIn('osd_max_backfills: another hand set it to 3 (before the drain it was 2)', run.stdout)

    def test_two_drains(self):
        """The one that began last is heeded; the last one to end puts back what was there before the first."""
        first, second = self.drain('node2', 'gentle'), self.drain('node5', 'fast')
        self.assert_config(dict(self.as_set(GENTLE), **FAST))
        self.cancel('node2')
        first.wait(60)
        self.assert_config(self.as_set(FAST))
        self.finish(second, 5)

    def test_gentle_backs_off_while_clients_wait(self):
        c = self.cluster
        run = self.drain('node2', 'gentle')
        self.config_set('osd', 'osd_op_complaint_time', '0.5')
        self.before = dict(self.before, config=dict(self.before['config'], **{'osd//osd_op_complaint_time': '0.500000'}))
        io = self.enterContext(c.rados.open_ioctx('rep'))
        c.stop('osd.8')
        try:
            writes = [io.aio_write_full('slow.%d' % i, b'x') for i in range(32)]      # some need osd.8 as a replica
            wait_for('clients wait', lambda: 'SLOW_OPS' in c.health(), 40)
            wait_for('it backs off', lambda: [w for w in run.events('warning') if 'recovery backs off, osd_recovery_sleep is 1' in w['message']], 40)
            self.assert_config(dict(self.as_set(GENTLE), osd_recovery_sleep='1.000000', osd_op_complaint_time='0.500000'))
        finally:
            c.cont('osd.8')
            for w in writes:
                w.wait_for_complete()
        if CAMPAIGN:
            wait_for('nobody waits', lambda: 'SLOW_OPS' not in c.health(), 60)
            run.wait_event(timeout=90, event='warning', message='no slow operations for 60 s: recovery goes on at --speed gentle')
            self.assert_config(dict(self.as_set(GENTLE), osd_op_complaint_time='0.500000'))
        self.cancel('node2')
        run.wait(60)
        self.assert_put_back()


class Mclock(Speed, ClusterCase):
    SHAPE = dict(HOSTS=4, OSDS=1, SPEED='none', CONF_OSD='osd op queue = mclock_scheduler', PG_REP=4, PG_EC=0, **QUICK)
    DATA = {'rep': (20, 65536)}

    def test_only_the_profile(self):
        normal = self.assert_code(self.tool.run('plan', 'node3', '--speed', 'normal', '--accept', 'existing', '-f', 'json'), 0).json
        self.assertEqual((normal['speed'], normal['settings']), ('normal', {'osd_mclock_profile': 'balanced'}))
        run = self.drain('node2', 'fast')
        self.assert_config(self.as_set({'osd_mclock_profile': 'high_recovery_ops'}))
        wait_for('the OSDs heed it', lambda: self.runs_with(3, 'osd_mclock_profile') == 'high_recovery_ops')
        self.assertEqual(run.events('plan')[0]['settings'], {'osd_mclock_profile': 'high_recovery_ops'})
        self.cancel('node2')
        run.wait(60)
        self.hold_the_move(False)
        self.assert_same(self.before, OURS)

    def test_a_custom_profile_that_starves(self):
        """An item of recovery counts 109 here: at 9 a second one passes each 12 s, and what is queued keeps its date afterwards."""
        c = self.cluster
        self.hold_the_move(False)
        self.config_set('osd', 'osd_mclock_profile', 'custom')
        wait_for('the OSDs heed it', lambda: all(self.runs_with(i, 'osd_mclock_profile') == 'custom' for i in range(4)))
        for i in range(4):
            for name in 'res', 'lim':
                c.tell(i, 'config set', var='osd_mclock_scheduler_background_recovery_' + name, val=['9'])
        run = self.assert_code(self.tool.drain('node2', '--pin', 'never', '--stall-timeout', '4', '--accept', 'existing'), 5)
        self.assertRegex(run.result['reason'], r'osd\.\d schedules by mClock with the profile custom, which gives recovery no more than '
                         r'osd_mclock_scheduler_background_recovery_\* say')
        command, restart = run.stderr.split('hint: ')[1].split('; ')[:2]
        self.assertIn('restart the OSDs host by host', restart)
        subprocess.run(shlex.split(command) + ['-c', c.conf], check=True, stdin=subprocess.DEVNULL, capture_output=True)
        self.assert_removed(self.tool.drain('node2', '--pin', 'never', '--accept', 'existing'), 2)
        self.assert_data()

    def test_one_schedules_otherwise(self):
        c, conf = self.cluster, pathlib.Path(self.cluster.conf)
        text = conf.read_text()
        self.hold_the_move(False)

        def restart(text):
            conf.write_text(text)
            c.kill('osd.3', 'TERM')
            c.start_osd(3)
            c.wait_clean()
        self.addCleanup(restart, text)
        restart(text + '\n[osd.3]\nosd op queue = wpq\nosd recovery sleep ssd = 0.3\n')
        self.hold_the_move(True)
        run = self.drain('node2', 'gentle')
        want = dict({k: v for k, v in GENTLE.items() if 'sleep' in k}, osd_mclock_profile='high_client_ops')
        self.assert_config(self.as_set(want))
        run.wait_event(event='warning', message='some OSDs schedule by mClock, which resists osd_max_backfills '
                       'and its like: of the others --speed sets the sleeps alone')
        # mClock sets every sleep to 0, which is no news
        run.wait_event(event='warning', message='--speed does not hold everywhere: osd_recovery_sleep_ssd of osd.3 is 0.300000 (source: file)')
        self.assertEqual(float(self.runs_with(3, 'osd_recovery_sleep_hdd')), 0.2)
        self.cancel('node2')
        run.wait(60)
        self.assert_put_back()
        self.hold_the_move(False)
