# SPDX-License-Identifier: LGPL-2.1-or-later
"""`cephnode heat agent` on a real Heat and a real Ceph cluster: no server is deleted with data on its OSDs."""
import datetime
import time

from heatcase import AgentCase, wait_for
from cnlib.case import unittest


class Agent(AgentCase):
    def test_a_scale_down(self):
        """The URL is called; the node's OSDs go before the server does, and nothing else."""
        before, observer = self.cluster.snapshot(), self.observer()
        run, posted = self.agent(), time.time()
        hosts = self.down()
        self.wait_gone(hosts)
        deleted = self.heat.deleted()[list(hosts.values())[0]]
        for host in hosts:
            self.assert_gone(host)
            self.only_host_is_gone(before, host)
            self.assert_clean_report(observer, self.cluster.ids(host))
        self.assert_data()
        self.says(run, 'deleted')
        at = [datetime.datetime.fromisoformat(e['time']).timestamp() for e in (run.events('step')[0], run.events('result')[-1])]
        print('measured: %.1f s from the POST to the drain, %.1f s of drain, %.1f s from its end to the DELETE' %
              (at[0] - posted, at[1] - at[0], deleted - at[1]))
        self.assertGreater(deleted, at[1])
        self.end(run)

    def test_two_at_once(self):
        """Both reach weight 0 together, as one plan."""
        run = self.agent()
        hosts = self.down(2)
        self.wait_gone(hosts)
        for host in hosts:
            self.assert_gone(host)
        plan = run.events('plan')[0]
        self.assertEqual(sorted(plan['osds']), sorted(i for h in hosts for i in self.cluster.ids(h)))
        self.assert_data()
        self.end(run)

    def test_one_of_two_is_cancelled_by_heat(self):
        """Heat's cancel ends one of the two: its server is kept, the other one goes with its data moved."""
        self.hold()
        run = self.agent('--accept', 'OSDMAP_FLAGS')
        hosts = self.down(2)
        run.wait_event(120, step='wait', state='begin')
        self.only_deletes()
        self.assertEqual(self.heat.cancel(self.stack).status, 200)
        self.wait_kept('Heat has given up on one', lambda: self.heat.failed(self.stack), 60)
        self.assertEqual(self.statuses().count('DELETE_IN_PROGRESS'), 1)
        self.says(run, 'Heat has given up')
        self.let_go()
        (gone,) = wait_for('the other is deleted', self.gone, 180, 0.1)
        (kept,) = set(hosts) - {gone}
        self.assert_gone(gone)
        self.assertTrue(all(self.cluster.is_up(i) for i in self.osds_of(kept)))
        self.assertEqual(set(self.weights(kept)), {0})
        self.assert_data()
        self.shrink(2)
        self.wait_gone([gone, kept], 180)
        self.assert_gone(kept)
        wait_for('the group rests', lambda: self.at_rest(self.SERVERS - 2), 90, 0.5)
        self.assert_data()
        self.end(run)

    def test_killed_in_the_middle(self):
        """A second agent goes on where the first one died."""
        hosts = self.down()
        self.agent(trap='wait:begin:KILL').wait(120)
        self.kept()
        run = self.once()
        self.assert_code(run, 0)
        self.wait_gone(hosts)
        self.assert_data()

    def test_killed_while_it_removes(self):
        hosts = self.down()
        self.agent(trap='stop:begin:KILL').wait(120)
        self.kept()
        self.assert_code(self.once(), 0)
        self.wait_gone(hosts)
        self.assert_gone(list(hosts)[0])

    def test_removed_but_not_opened(self):
        """It died between the removal and the gate: the journal tells."""
        hosts = self.down()
        self.assert_code(self.tool.drain('ip:127.0.1.%d' % list(hosts)[0]), 0)
        self.assert_code(self.once(), 0)
        self.wait_gone(hosts)

    def test_a_dead_node(self):
        hosts = self.down()
        host = list(hosts)[0]
        for i in self.cluster.ids(host):
            self.cluster.kill('osd.%d' % i)
        for i in self.cluster.ids(host):
            self.cluster.mon_raw('osd down', ids=[str(i)])
        wait_for('they are down', lambda: not any(self.cluster.is_up(i) for i in self.cluster.ids(host)), 60)
        self.assert_code(self.once(), 0)
        self.wait_gone(hosts)
        self.assert_gone(host)
        self.assert_data()

    def test_no_osd_matches(self):
        """It stays closed; --allow-empty opens it."""
        hosts = self.down()
        (host, server), = hosts.items()
        self.heat.change_server(server, addresses={'storage': [{'addr': '127.0.1.250', 'version': 4}]})
        run = self.assert_code(self.once(), 4)
        self.assertIn('no OSD has an address', run.stderr)
        self.assertIn('127.0.1.250', run.stderr)
        self.kept()
        self.empty.add(host)
        self.assert_code(self.once('--allow-empty'), 0)
        self.wait_gone(hosts)
        self.assertTrue(all(self.cluster.is_up(i) for i in self.cluster.ids(host)))

    def test_two_hosts_match(self):
        before = self.cluster.snapshot()
        (host, server), = self.down().items()
        self.heat.change_server(server, addresses={'a': [{'addr': '127.0.1.%d' % host}], 'b': [{'addr': '127.0.1.6'}]})
        run = self.assert_code(self.once('--allow-empty'), 4)
        self.assertIn('match two nodes', run.stderr)
        self.kept()
        self.assert_same(before)

    def test_names_are_ignored(self):
        """A name and metadata of another node change nothing."""
        (host, server), = self.down().items()
        other = host % 5 + 1
        self.heat.change_server(server, name='node%d' % other, hostname='node%d' % other, metadata={'osds': '0,1', 'host': 'node%d' % other},
                                accessIPv4='127.0.1.%d' % other)
        self.assert_code(self.once(), 0)
        self.wait_gone([host])
        self.assert_gone(host)
        self.assertTrue(all(self.cluster.is_up(i) for i in self.cluster.ids(other)))

    def test_gone_from_nova(self):
        before = self.cluster.snapshot()
        (host, server), = self.down().items()
        self.heat.forget_server(server)
        run = self.assert_code(self.once('--allow-empty'), 4)
        self.assertIn('Nova does not know the server', run.stderr)
        self.assertIn('openstack stack hook clear --pre-delete', run.stderr)
        self.assertEqual(len(self.heat.gates(self.stack)), 1)
        self.assert_same(before)

    def test_refused_then_capacity(self):
        """Too few hosts: kept, with the reason; after hosts came it goes through, and only that node."""
        hosts = self.down(4)
        run = self.agent()
        self.says(run, 'refused', 60)
        wait_for('what can go is gone', lambda: len(self.gone()) == 3 or run.ended, 240, 0.5)
        left = [h for h in hosts if h not in self.gone()]
        self.assertEqual(len(left), 1)
        self.assertEqual(list(self.heat.waiting(self.stack)), left)
        self.assertTrue(all(self.cluster.is_up(i) for i in self.cluster.ids(left[0])))
        back = next(h for h in hosts if h not in left)
        self.cluster.restore_host(back)
        self.wait_gone(hosts)
        self.assertTrue(all(self.cluster.is_up(i) for i in self.cluster.ids(back)))
        self.end(run)

    def test_cancelled_by_cephnode(self):
        """An operator's cancel is not overruled; a drain by hand afterwards opens the gate."""
        (host, server), = self.down().items()
        self.agent(trap='wait:begin:KILL').wait(120)
        self.assert_code(self.tool.run('cancel', '127.0.1.%d' % host, '-f', 'json'), 0)
        run = self.assert_code(self.once(), 4)
        self.assertIn('was cancelled', run.stderr)
        self.kept()
        self.assert_code(self.tool.drain('127.0.1.%d' % host), 0)
        self.assert_code(self.once(), 0)
        self.wait_gone([host])

    def test_retire(self):
        """Exactly this node, though Heat would have taken another one."""
        agent = self.agent()
        run = self.tool.start('heat', 'retire', '--stack', self.stack, '--yes', 'node4', env=self.heat.os_env()).wait(240)
        self.assert_code(run, 0)
        self.wait_gone([4])
        self.assert_gone(4)
        self.assertEqual(len(self.heat.members(self.stack)), self.SERVERS - 1)
        self.end(agent)

    def test_check(self):
        run = self.tool.run('heat', 'check', '--stack', self.stack, env=self.heat.os_env())
        self.assert_code(run, 0)
        for line in ('the environment has the hook on the gate', 'Heat gives a drain 10080 minutes', '127.0.1.5 is osd.8, osd.9'):
            self.assertRegex(run.stdout, '(?m)^ok       .*' + line)
        self.assertNotIn('problem', run.stdout)

    def test_signal_while_idle(self):
        asked = self.heat.asked('nested_depth=2')
        run = self.agent('--no-kube')
        wait_for('it has looked three times', lambda: self.heat.asked('nested_depth=2') >= asked + 3 or run.ended, 30)
        self.assertFalse(run.ended, str(run))
        self.end(run, 0)
        self.assertEqual(run.stderr, '')

    def test_credential_is_refused(self):
        run = self.assert_code(self.once(env=dict(OS_PASSWORD='another-pw-4711')), 1)
        self.assertIn('Keystone refuses the credential', run.stderr)
        self.assertNotIn('4711', run.stderr + run.stdout)


if __name__ == '__main__':
    unittest.main()
