# SPDX-License-Identifier: LGPL-2.1-or-later
"""An OSD is its uuid: an id that was used again by another OSD is never touched."""
from cnlib.case import QUICK, ClusterCase, signal, wait_for

TIMEOUT = 1200


class Identity(ClusterCase):
    SHAPE = dict(HOSTS=5, OSDS=2, **QUICK)
    DATA = {'rep': (60, 65536), 'ec': (20, 65536)}

    def reuse(self, osd_id, bucket, address, weight=1.0):
        """The operator removes osd.N by hand and gives its id to a new disk of another host. With a weight of 0, as with
        osd_crush_initial_weight, nothing but its uuid tells it from the drained one."""
        c = self.cluster
        old = c.osd(osd_id)['uuid']
        c.forget_osd(osd_id)
        c.add_osds([osd_id], bucket, address, weight=weight)
        self.assertNotEqual(c.osd(osd_id)['uuid'], old)
        c.wait_clean()
        self.assertEqual(bool(c.pgs_of([osd_id])), weight > 0)
        return c.osd(osd_id)['uuid']

    def assert_untouched(self, osd_id, uuid, bucket, run, weight=1.0):
        c = self.cluster
        o = c.osd(osd_id)
        self.assertTrue(o, str(run))
        self.assertEqual((o['uuid'], o['up'], o['in'], o['weight'], c.crush_weight(osd_id)), (uuid, 1, 1, 1.0, int(weight * 0x10000)), str(run))
        self.assertTrue(c.in_host(osd_id, bucket))
        self.assertIn('osd.%d' % osd_id, {a['entity'] for a in c.mon('auth ls')['auth_dump']})
        self.assertTrue(c.running('osd.%d' % osd_id))
        self.assert_data()

    def test_after_a_crash_at_each_dangerous_point(self):
        for point in ('wait:begin', 'prove:end', 'stop:begin', 'purge:begin'):
            with self.subTest(point):
                run = self.tool.start_drain('node2', trap=point + ':KILL').wait()
                self.assertEqual(run.code, -signal.SIGKILL, str(run))
                self.cluster.wait_clean()
                uuid = self.reuse(2, 'node1', '127.0.1.1')
                again = self.tool.drain('node2')
                self.assert_untouched(2, uuid, 'node1', again)
                if again.code == 0:
                    self.assertIsNone(self.cluster.osd(3), str(again))
                self.assertIn(again.code, (0, 1, 4, 6), str(again))
                self.cluster.make_whole()

    def test_a_kept_drain(self):
        self.assert_code(self.tool.drain('node2', '--keep'), 0)
        uuid = self.reuse(3, 'node5', '127.0.1.5')
        for args in (['remove', 'node2', '-y'], ['cancel', 'node2']):
            run = self.tool.run(*args, '-f', 'json')
            self.assert_untouched(3, uuid, 'node5', run)

    def test_an_empty_one_with_the_weight_zero(self):
        self.assert_code(self.tool.drain('node2', '--keep'), 0)
        uuid = self.reuse(3, 'node5', '127.0.1.5', 0.0)
        for args in (['remove', 'node2', '-y'], ['drain', 'node2', '-y']):
            run = self.tool.run(*args, '-f', 'json')
            self.assert_untouched(3, uuid, 'node5', run, 0.0)

    def test_while_it_runs(self):
        """Reused while the drain is paused just before it would stop or purge the OSD."""
        for point, weight in (('stop:begin', 1.0), ('stop:begin', 0.0), ('purge:begin', 0.0)):
            with self.subTest('%s, weight %s' % (point, weight)):
                run = self.tool.start_drain('node2', trap=point + ':STOP')
                run.wait_stopped()
                uuid = self.reuse(2, 'node1', '127.0.1.1', weight)
                run.cont()
                run.wait(120)
                self.assert_untouched(2, uuid, 'node1', run, weight)
                self.cluster.make_whole()

    def test_the_same_name_after_it_was_removed(self):
        """A reinstalled machine with the same ids is a new node: it is drained anew, not answered from memory."""
        self.assert_removed(self.tool.drain('node2'), 2)
        self.assert_code(self.tool.drain('node2'), 0)
        self.cluster.restore_host(2)
        self.cluster.wait_clean()
        wait_for('it holds data again', lambda: self.cluster.pgs_of([2, 3]))
        observer = self.observer()
        self.assert_removed(self.tool.drain('node2'), 2)
        self.assert_clean_report(observer, [2, 3])
        self.assert_data()
