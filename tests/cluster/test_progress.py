# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a drain says of its progress is what has moved: in its events, in `status`, and from one process to the next."""
from cnlib.case import QUICK, ClusterCase, wait_for

TIMEOUT = 900
FLAGS = ('norecover', 'nobackfill')
OWN = 4096      # bytes that the decision lock's holder writes and takes away


class Progress(ClusterCase):
    SHAPE = dict(HOSTS=5, OSDS=2, OLD=1, **QUICK)
    DATA = {'rep': (200, 65536), 'ec': (40, 65536)}

    def told(self, run):
        """(bytes left, bytes in all) of the progress lines."""
        told = [(x['bytes_left'], x['bytes_total']) for x in run.events('progress')]
        self.assertTrue(told, str(run))
        return told

    def assert_nothing_moved(self, left, total, all_of_it):
        self.assertLessEqual(abs(total - all_of_it), OWN)
        self.assertLessEqual(total - left, OWN)

    def status_agrees(self):
        drain, = self.drains()
        for key in ('bytes_left', 'bytes_total'):
            self.assertLessEqual(abs(sum(o[key] for o in drain['osd_progress']) - drain[key]), OWN, drain)
        return drain['bytes_left'], drain['bytes_total']

    def test_what_has_not_moved_is_not_counted(self):
        """PGs that peer say that they have no bytes. An OSD that does not answer lets them peer for as long as we like."""
        c = self.cluster
        c.flush_stats()
        # not one of those that hold the object of the locks
        used = c.mon('osd map', pool='rep', object='cephnode.lock', nspace='cephnode')['up']
        silent = 'osd.%d' % next(i for i in range(9, 3, -1) if i not in used)
        for flag in FLAGS + ('nodown',):
            c.mon('osd set', key=flag)
            self.addCleanup(c.mon_raw, 'osd unset', key=flag)
        run = self.tool.start_drain('node2', '--accept', 'existing', '--stall-timeout', '6', trap='reweight:begin:STOP')
        run.wait_stopped()
        c.stop(silent)
        self.addCleanup(c.cont, silent)
        run.cont()
        everything = run.events('plan')[0]['bytes_minimum']
        self.assertGreater(everything, 100 * 65536)
        run.wait_event(event='progress')
        wait_for('a PG that peers says that it has nothing', lambda: any(
            'peering' in p['state'] and p['stat_sum']['num_bytes'] == 0 for p in c.pgs() if not p['pgid'].startswith('2.')))
        self.assert_nothing_moved(*self.status_agrees(), everything)
        seen = len(run.events('progress'))
        wait_for('it has looked twice more', lambda: len(run.events('progress')) >= seen + 2)
        c.cont(silent)
        self.assert_code(run.wait(), 5)
        told = self.told(run)
        for left, total in told:
            self.assert_nothing_moved(left, total, everything)
        run = self.assert_code(self.tool.drain('node2', '--accept', 'existing', '--stall-timeout', '3'), 5)      # another process
        for left, total in self.told(run):
            self.assert_nothing_moved(left, total, everything)
        told += self.told(run)
        self.assert_nothing_moved(*self.status_agrees(), everything)
        for flag in FLAGS + ('nodown',):
            c.mon('osd unset', key=flag)
        run = self.tool.drain('node2')
        self.assert_removed(run, 2)
        told += self.told(run)
        self.assertEqual([left for left, _ in told], sorted((left for left, _ in told), reverse=True), 'it ran backwards')
        self.assertEqual((told[-1][0], run.result['bytes_moved']), (0, told[-1][1]))
        self.assert_data()
