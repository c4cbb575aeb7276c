# SPDX-License-Identifier: LGPL-2.1-or-later
"""A drain that cannot go on says why, and what it tells the operator to type helps."""
import shlex
import subprocess
import time

from cnlib import load
from cnlib.case import QUICK, ClusterCase, wait_for

TIMEOUT = 900


class Stall(ClusterCase):
    SHAPE = dict(HOSTS=5, OSDS=2, OLD=1, PG_RBD=0, PG_EC=8, MGRS=2, **QUICK,
                 CONF_OSD='osd backfill retry interval = 1\nosd recovery retry interval = 1')
    DATA = {'rep': (120, 65536), 'ec': (30, 65536)}

    def every_osd(self, name, value):
        for i, o in self.cluster.osds().items():
            if o['up']:
                self.cluster.tell(i, 'config set', var=name, val=[str(value)])

    def start(self, *args):
        """A drain that has got as far as `wait` while nothing could move."""
        self.cluster.mon('osd set', key='nobackfill')
        self.addCleanup(self.cluster.mon_raw, 'osd unset', key='nobackfill')
        run = self.tool.start_drain('osd.0', '--accept', 'existing', trap='wait:begin:STOP', *args)
        run.wait_stopped()
        return run

    def go_on(self, run):
        self.cluster.mon('osd unset', key='nobackfill')
        run.cont()
        return self.assert_stalled(run.wait())

    def assert_stalled(self, run):
        self.assert_code(run, 5)
        self.assertEqual((run.result['outcome'], run.result['exit']), ('stalled', 5), str(run))
        self.assertIn('hint: ', run.stderr)
        return run.result['reason'], run.stderr.split('hint: ')[1].splitlines()[0]

    def type(self, hint, starts):
        """The command that the hint names."""
        self.type_words(*shlex.split(next(h for h in hint.replace(': ceph', '; ceph').split('; ') if h.startswith(starts))))

    def type_words(self, *words):
        subprocess.run((words[0], '-c', self.cluster.conf) + words[1:], check=True, stdin=subprocess.DEVNULL, capture_output=True)

    def ends_well(self, node='osd.0'):
        run = self.tool.drain(node, '--accept', 'existing')
        self.assert_code(run, 0)
        self.assertEqual(run.result['outcome'], 'removed')

    def cancel(self, node='osd.0'):
        self.assert_code(self.tool.run('cancel', node, '-f', 'json'), 0)

    def test_nowhere_to_go(self):
        run = self.start('--stall-timeout', '4')
        self.cluster.mon('osd out', ids=['1', '2', '3', '4', '5'])
        reason, hint = self.go_on(run)
        self.assertIn('of pool rep have nowhere to go: rule replicated_rule needs 3 hosts, and 2 can be used', reason.replace(" has ", " have "))
        self.type(hint, 'ceph osd in')
        self.ends_well()
        self.assert_data()

    def test_targets_that_are_too_full(self):
        c = self.cluster
        run = self.start('--stall-timeout', '4')
        before = c.mon('osd dump')
        ratios = [(k, before[k]) for k in ('nearfull_ratio', 'backfillfull_ratio')]
        self.addCleanup(lambda: [c.mon('osd set-' + k.replace('_', '-'), ratio=v) for k, v in reversed(ratios)])
        for k, _ in ratios:
            c.mon('osd set-' + k.replace('_', '-'), ratio=0.0001)
        # each has to say so itself: one that does not know yet takes backfills for which it has reserved room before
        wait_for('all know it', lambda: all('backfillfull' in o['state'] for o in c.osds().values()), 60)
        reason, hint = self.go_on(run)
        self.assertRegex(reason, r'waits? for room: osd\.\d+ is \d+\.\d % full.*, and the limit for backfill is 0\.0 %')
        self.type(hint, 'ceph osd set-backfillfull-ratio')
        self.ends_well()
        self.assert_data()

    def test_an_osd_went_down(self):
        c = self.cluster
        run = self.start('--stall-timeout', '4')
        c.kill('osd.9', 'TERM')
        wait_for('it is down', lambda: not c.is_up(9))
        reason, hint = self.go_on(run)
        self.assertIn('osd.9 is down', reason)
        self.assertIn('start it on node5', hint)
        self.type(hint, 'ceph osd out 9')
        self.ends_well()
        self.assert_data()
        c.start_osd(9)

    def test_a_sleep_and_a_limit(self):
        for name, value, usual, words, end in (('osd_recovery_sleep', 12, 0, 'sleeps 12 s between', self.cancel),
                                               ('osd_max_backfills', 0, 16, 'has osd_max_backfills = 0', self.ends_well)):
            with self.subTest(name):
                run = self.start('--stall-timeout', '4')
                self.addCleanup(self.every_osd, name, usual)
                self.every_osd(name, value)
                reason, hint = self.go_on(run)
                self.assertIn(words, reason)
                self.type(hint, 'ceph tell')
                end()
                self.cluster.wait_clean()

    def test_no_manager(self):
        c = self.cluster
        run = self.start('--stall-timeout', '4', '--op-timeout', '2')
        for m in 'xy':
            c.kill('mgr.' + m)
        reason, hint = self.go_on(run)
        self.assertRegex(reason, 'no manager is active|the manager [xy] does not answer')
        self.assertRegex(hint, 'ceph-mgr|ceph mgr fail [xy]')

    def test_statistics_that_stand_still(self):
        c = self.cluster
        run = self.start('--stall-timeout', '4')
        active = c.mon('mgr dump')['active_name']
        self.type_words('ceph', 'tell', 'mgr.' + active, 'config', 'set', 'mgr_stats_period', '600')
        self.addCleanup(self.type_words, 'ceph', 'mgr', 'fail', active)
        def told():
            return [p['reported_seq'] for p in c.pgs()]
        def still():
            before = told()
            time.sleep(1.5)             # each has a last report under way that was due at the old period
            return told() == before
        wait_for('no OSD tells anything any more', still)
        reason, hint = self.go_on(run)
        self.assertIn("the manager's statistics stand still", reason)
        self.type(hint, 'ceph mgr fail ' + active)
        self.ends_well()

    def test_others_come_first(self):
        """A pool of its own on the other hosts gets another copy; its PGs are degraded, and have every slot."""
        c = self.cluster
        c.mon('osd crush add-bucket', name='half', type='root')
        for h in (2, 3, 4, 5):
            c.mon('osd crush link', name=c.name(h), args=['root=half'])
        c.mon('osd crush rule create-replicated', name='half', root='half', type='host')
        c.mon('osd pool create', pool='busy', pg_num=16, pgp_num=16, pool_type='replicated', rule='half', size=2)
        self.addCleanup(self.remove_half)
        load.write_data(c, 'busy', 400, 4096)
        run = self.start('--stall-timeout', '4')
        for name, value, usual in (('osd_recovery_sleep', 15, 0), ('osd_max_backfills', 1, 16)):
            self.addCleanup(self.every_osd, name, usual)
            self.every_osd(name, value)
        c.mon('osd primary-affinity', id=0, weight=0.0)
        c.mon('osd pool set', pool='busy', var='size', val='3')
        c.mon('osd unset', key='nobackfill')
        wait_for('it has every slot', lambda: sum('backfilling' in p['state'] for p in c.pgs()) >= 4)
        reason, hint = self.go_on(run)
        self.assertRegex(reason, r'PGs? waits? in the queue \(backfill_wait\) behind \d+ others? that recover or backfill')
        self.type(hint, 'ceph pg force-backfill')

    def remove_half(self):
        c = self.cluster
        c.mon('osd primary-affinity', id=0, weight=1.0)
        c.mon('osd pool delete', pool='busy', pool2='busy', yes_i_really_really_mean_it=True)
        c.mon('osd crush rule rm', name='half')
        for h in (2, 3, 4, 5):
            c.mon('osd crush unlink', name=c.name(h), ancestor='half')
        c.mon('osd crush rm', name='half')
