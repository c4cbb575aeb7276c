# SPDX-License-Identifier: LGPL-2.1-or-later
"""`cephnode heat hook` on a real Heat and a real Ceph cluster, with the templates of docs/heat: the server goes after its data."""
import sys
import time

from heatcase import HookCase, wait_for
from cnlib.case import QUICK, unittest


class Hook(HookCase):
    SHAPE = dict(HOSTS=4, OSDS=1, **QUICK)
    DATA = {'rep': (60, 16384), 'ec': (20, 65536)}
    SERVERS = 3
    PARAMS = dict(accept='OSDMAP_FLAGS')     # those of hold()

    def test_scale_down(self):
        """Drained, then deleted. Refused, then kept, with the reason; with more room the same one goes, and only it."""
        observer, began = self.observer(), time.monotonic()
        self.heat.down(self.stack)
        first = wait_for('a server is deleted', self.gone, 180, 0.1)
        print('measured: POST to DELETE in %.1f s' % (time.monotonic() - began), file=sys.stderr)
        self.assertEqual(len(first), 1)
        self.assert_gone(first[0])
        self.assert_clean_report(observer, self.osds_of(first[0]))
        self.assert_data()
        wait_for('the group rests', lambda: self.at_rest(2), 90, 0.5)

        before = self.cluster.snapshot()
        self.heat.down(self.stack)
        wait_for('the second is refused', lambda: self.heat.failed(self.stack), 180, 0.5)
        (failed,) = [m['resource_name'] for m in self.heat.failed(self.stack)]
        self.assertEqual(self.gone(), first)
        self.assert_same(before)
        what, reason = self.told(failed)
        self.assertEqual(what, ('FAILED', 4, 'refused'))
        self.assertIn('host', reason)
        last = self.host_of(failed)

        self.cluster.restore_host(first[0])
        self.cluster.wait_clean()
        self.shrink(2)
        wait_for('it goes', lambda: self.gone() == sorted(first + [last]), 180, 0.1)
        wait_for('the group rests', lambda: self.at_rest(1), 90, 0.5)
        for i in self.osds_of(last):
            self.assertNotIn(i, self.cluster.osds())
        self.assert_data()

    # --- nothing moves in the middle before the test lets it ---
    def ended_well(self, host, seconds=180):
        self.wait_gone([host], seconds)
        self.assert_gone(host)
        wait_for('the group rests', lambda: self.at_rest(self.SERVERS - 1), 90, 0.5)
        self.assert_data()

    def moved_off(self, host):
        """The node was not told that Heat waits no more, and ends its drain: the server is kept, and empty."""
        self.let_go()
        self.says(host, 'signal 200')
        self.assert_gone(host, deleted=False)
        self.kept()

    def again(self, host):
        """The PATCH takes the same member; its node has nothing left to do, and says so at once."""
        self.shrink(timeout_mins=1000)
        self.says(host, ' hook for ', times=2)
        self.ended_well(host)

    def test_mon_away(self):
        host = self.middle()
        self.mon_away(60, lambda: self.assertNotIn('hook took', self.nodes[host].said))
        self.let_go()
        self.ended_well(host)

    def test_cancelled_by_heat(self):
        """Heat takes the node's answer all the same: the PATCH then has only the server to delete."""
        host = self.middle()
        self.assertEqual(self.heat.cancel(self.stack).status, 200)
        self.wait_failed(60)
        self.moved_off(host)
        self.shrink()
        self.ended_well(host)

    def test_cancelled_by_heat_at_once(self):
        """While Heat still updates the nodes that stay it may end one of these, and go on with the deletion: not before the data has moved."""
        self.hold()
        self.heat.down(self.stack)
        wait_for('Heat deletes one and updates another', lambda: {'DELETE_IN_PROGRESS', 'UPDATE_IN_PROGRESS'} <= set(self.statuses()), 60, 0.1)
        self.assertEqual(self.heat.cancel(self.stack).status, 200)
        (host,) = wait_for('a hook runs', lambda: [h for h, n in self.nodes.items() if 'cephnode: wait\n' in n.said], 90)
        before = self.cluster.osds()
        self.kept()
        self.let_go()
        self.says(host, 'signal 200')
        self.assert_gone(host, deleted=False)
        self.assertEqual(set(before) - set(self.cluster.osds()), set(self.osds_of(host)))
        self.assertIn(self.gone(), ([], [host]))
        self.assert_data()

    def test_stacks_time_is_over(self):
        self.heat.set_timeout(self.stack, 1, self.SERVERS)
        host = self.middle()
        self.wait_failed(120)
        self.moved_off(host)
        self.again(host)

    def test_engine_killed(self):
        """The signal gets 200, and nothing moves; a PATCH makes a new deployment."""
        host = self.middle()
        self.heat.restart_engine()
        self.moved_off(host)
        self.again(host)

    def test_engine_restarted_and_patched(self):
        """In mid-drain: the new deployment reaches the node when it has done the first, and finds nothing left."""
        host = self.middle()
        self.heat.restart_engine('TERM')
        self.shrink()
        wait_for('the deployment waits again', lambda: self.heat.deploying(self.stack), 60)
        self.kept()
        self.let_go()
        self.ended_well(host)

    def test_keystone_away_at_the_end(self):
        """The answer is lost. As docs/heat says: cancel the group's own update, then PATCH."""
        host = self.middle()
        self.heat.stop_keystone()
        try:
            self.let_go()
            self.says(host, 'signal lost')
            self.assert_gone(host, deleted=False)
        finally:
            self.heat.start_keystone()
        self.kept()
        self.heat.cancel(self.stack)
        self.wait_failed(60)
        self.again(host)

    def test_dead_node(self):
        """Nobody answers: Heat's time passes, the server is kept. Drained by hand, its answer is given by hand."""
        self.heat.set_timeout(self.stack, 1, self.SERVERS)
        for node in self.nodes.values():
            node.end()
        self.heat.down(self.stack)
        (d,) = wait_for('a deployment waits', lambda: self.heat.deploying(self.stack), 60)
        host = self.host_of(d['parent_resource'])
        for i in self.osds_of(host):
            self.cluster.kill('osd.%d' % i)
        for i in self.osds_of(host):
            self.cluster.mon_raw('osd down', ids=[str(i)])
        self.assertEqual(self.wait_failed(120), d['parent_resource'])
        self.assert_code(self.tool.drain('ip:' + self.cluster.address(host)), 0)
        self.kept()
        self.shrink(timeout_mins=1000)
        wait_for('the deployment waits again', lambda: self.heat.deploying(self.stack), 60)
        self.heat.answer(self.stack, d['parent_resource'])
        self.ended_well(host)

    def test_machine_dies_in_the_middle(self):
        """heat-config takes the deployment for done after the boot: without `--recover` nobody drains, with it the drain goes on."""
        host = self.middle()
        node = self.nodes[host]
        (record,) = (node.folder / 'deployed').glob('*.json')
        node.end()
        wait_for('its hook has ended', lambda: not node.is_locked(), 30)
        node.boot(recover=False)
        self.says(host, ' is already deployed')
        self.assertFalse(node.is_locked())
        node.end()
        self.kept()
        self.assertEqual(set(self.weights(host)), {0})
        node.boot()
        self.says(host, 'removed %s: its run ended in the middle' % record.name)
        self.says(host, ' hook for %s' % record.stem, times=2)
        self.says(host, 'cephnode: wait\n', times=2)
        self.kept()
        self.let_go()
        self.says(host, 'signal 200')
        self.ended_well(host)

    def test_cancelled_by_cephnode(self):
        """The hook fails and says what next, the weights are back, the server is kept; a PATCH takes that node, and no other."""
        host = self.middle()
        self.assert_code(self.tool.run('cancel', self.cluster.name(host)), 0)
        failed = self.wait_failed(90)
        self.assertEqual(self.host_of(failed), host)
        what, reason = self.told(failed)
        self.assertEqual(what[0::2], ('FAILED', 'failed'))
        self.assertIn('was cancelled', reason)
        out = self.heat.deployment(self.stack, failed)['output_values']
        self.assertIn('PATCH the stack', out['deploy_stderr'])
        self.assertEqual(set(self.weights(host)), {65536})
        self.assertTrue(all(self.cluster.is_up(i) for i in self.osds_of(host)))
        self.let_go()
        self.shrink()
        self.says(host, ' hook for ', times=2)
        self.ended_well(host)

    def test_retire(self):
        """A failed one is taken again, and no second one."""
        self.assert_code(self.retire('node1'), 0)
        self.wait_gone([1])
        self.assert_gone(1)
        wait_for('the group rests', lambda: self.at_rest(2), 90, 0.5)
        before = self.cluster.snapshot()
        run = self.assert_code(self.retire('node3'), 5)       # three hosts are left: too few to lose one
        self.assertIn('keeps its server', run.stderr)
        self.assertIn('the same command takes it again, and only it', run.stderr)
        (failed,) = [m['resource_name'] for m in self.heat.failed(self.stack)]
        self.assertEqual((self.host_of(failed), self.gone()), (3, [1]))
        self.assertEqual(self.told(failed)[0], ('FAILED', 4, 'refused'))
        self.assert_same(before)
        self.cluster.restore_host(1)
        self.cluster.wait_clean()
        self.assert_code(self.retire('node3'), 0)
        self.wait_gone([1, 3])
        self.assertTrue(set(self.cluster.osds()).isdisjoint(self.osds_of(3)))
        wait_for('the group rests', lambda: self.at_rest(1), 90, 0.5)
        self.assertEqual(sorted(self.heat.servers(self.stack).values()), [2])
        self.assert_data()

    def test_deployments_time_is_over(self):
        """The node gives up first, and says why where an operator looks; the PATCH goes on."""
        host = self.middle()
        failed = self.wait_failed(120)
        what, reason = self.told(failed)
        self.assertEqual(what, ('FAILED', 5, 'stalled'))
        self.assertIn('the time of the input timeout is over', reason)
        self.assertEqual(set(self.weights(host)), {0})
        self.assertTrue(all(self.cluster.is_up(i) for i in self.osds_of(host)))
        self.let_go()
        self.shrink()
        self.says(host, ' hook for ', times=2)
        self.ended_well(host)

    test_deployments_time_is_over.params = dict(timeout=45)


class Two(HookCase):
    SHAPE = dict(HOSTS=5, OSDS=2, **QUICK)
    DATA = {'rep': (60, 16384), 'ec': (20, 65536)}
    SERVERS = 4
    PARAMS = dict(accept='OSDMAP_FLAGS')

    def test_two_at_once(self):
        """Both are in the middle at the same time; each server goes after the last OSD of its own node."""
        observer = self.observer()
        self.hold()
        hosts = self.down(2)
        for host in hosts:
            self.says(host, 'cephnode: wait\n')
            self.assertEqual(set(self.weights(host)), {0})
        self.kept()
        self.let_go()
        self.wait_gone(hosts, 240)
        for host in hosts:
            self.assert_gone(host)
            self.assertEqual(self.nodes[host].said.count(' hook for '), 1)
        self.assertEqual(sorted(set(self.cluster.osds())), sorted(i for h in range(1, 6) if h not in hosts for i in self.osds_of(h)))
        self.assert_clean_report(observer, [i for h in hosts for i in self.osds_of(h)])
        wait_for('the group rests', lambda: self.at_rest(self.SERVERS - 2), 90, 0.5)
        self.assert_data()

    def test_room_for_one_of_two(self):
        """Either one is refused, as the other leaves too few hosts: kept. With more room a PATCH takes it, and only it."""
        self.assert_code(self.tool.drain('node5'), 0)
        hosts = self.down(2)
        failed = wait_for('one is refused', lambda: self.heat.failed(self.stack), 180, 0.5)
        self.assertEqual(len(failed), 1)
        (first,) = wait_for('the other is deleted', self.gone, 180, 0.1)
        (last,) = set(hosts) - {first}
        self.assert_gone(first)
        self.assertEqual(self.host_of(failed[0]['resource_name']), last)
        self.assertEqual(self.told(failed[0]['resource_name'])[0], ('FAILED', 4, 'refused'))
        self.assertEqual(set(self.weights(last)), {65536})
        self.assert_data()
        self.cluster.restore_host(5)
        self.cluster.wait_clean()
        self.shrink(2)
        self.wait_gone(hosts, 180)
        self.assert_gone(last)
        wait_for('the group rests', lambda: self.at_rest(self.SERVERS - 2), 90, 0.5)
        self.assert_data()


if __name__ == '__main__':
    unittest.main()
