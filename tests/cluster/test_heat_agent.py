# SPDX-License-Identifier: LGPL-2.1-or-later
"""`heat agent` on a real cluster, with a Heat that is made of recorded answers: no gate opens while the cluster has an OSD of the node.

The same against a real Heat: tests/heat/run.sh."""
import os
import socket
import sys
import threading
import time

from cnlib.case import ClusterCase, QUICK, signal, unittest, wait_for
from cnlib.util import ROOT, notify_address

sys.path.append(str(ROOT / 'tests' / 'heat'))
from fakeheat import Cloud, PASSWORD, recorded  # noqa: E402


class HeatAgent(ClusterCase):
    SHAPE = dict(HOSTS=6, OSDS=2, **QUICK)
    DATA = {'rep': (120, 65536)}

    def setUp(self):
        super().setUp()
        self.cloud = self.enterContext(Cloud())
        self.cloud.on_open = lambda m: self.left.extend(self.osds_at(m.addresses))
        self.left = []      # OSDs that were there when a gate opened
        for h in range(1, 6):
            self.cloud.member('m%d' % h, '10.9.9.%d' % h, self.cluster.address(h))

    def osds_at(self, addresses):
        return [i for i, o in self.cluster.osds().items() if o['public_addr'].rsplit(':', 1)[0] in addresses]

    def agent(self, *args, **more):
        return self.tool.start('heat', 'agent', '--stack', 'storage', '--interval', '1', '-f', 'json', *args, **{'env': self.cloud.env(), **more})

    def once(self, *args, **more):
        return self.agent('--once', *args, **more).wait()

    def refused(self, *words, args=()):
        run = self.assert_code(self.once(*args), 4)
        for w in words:
            self.assertIn(w, run.stderr)
        self.assertEqual(self.cloud.opened, [])

    def test_two_at_once(self):
        """Both go as one plan, and the agent says what it does. It needs no rights but those that agent.md gives it."""
        self.cloud.scale_down('m2', 'm4')
        run = self.agent(env={'OS_CLIENT_CONFIG_FILE': str(self.cloud.yaml(self.dir))})
        wait_for('both are gone', lambda: len(self.cloud.members) == 3, 120)
        wait_for('it says so', lambda: run.stderr.count(': deleted') == 2)
        run.send(signal.SIGTERM)
        self.assert_code(run.wait(60), 0)
        self.assertEqual(sorted(run.events('plan')[0]['osds']), self.cluster.ids(2) + self.cluster.ids(4))
        self.assertEqual(self.left, [])
        self.assertEqual((self.cloud.outside, set(self.cloud.tokens) - self.cloud.limited), ([], set()))
        self.assertEqual([e['state'] for e in run.events('gate')], ['draining', 'draining', 'opened', 'opened'])
        for h in (2, 4):
            self.assert_gone(h)
        self.assert_data()

    def test_given_up_in_the_middle(self):
        """Heat cancels: the OSDs stay, at weight 0, until the next gate. A killed agent's successor goes on."""
        self.cloud.scale_down('m3')
        run = self.agent(trap='wait:begin:STOP')
        run.wait_stopped()
        self.cloud.give_up('m3')
        run.cont()
        wait_for('it says so', lambda: 'waits no more' in run.stderr and 'Heat has given up' in run.stderr)
        run.send(signal.SIGTERM)
        self.assert_code(run.wait(60), 0)
        self.assertIn('none of its OSDs was removed', run.stderr)
        self.assertEqual([self.cluster.crush_weight(i) for i in self.cluster.ids(3)], [0, 0])
        self.assertTrue(all(self.cluster.is_up(i) for i in self.cluster.ids(3)))
        self.cloud.scale_down('m3')
        self.agent(trap='stop:begin:KILL').wait()
        self.assertEqual(self.cloud.opened, [])
        self.after_a_look(lambda: self.cloud.give_up('m3'))
        self.assertIn('The removal of its OSDs has begun', self.once().stderr)
        self.cloud.scale_down('m3')
        self.assert_code(self.once(), 0)
        self.assertEqual((self.cloud.opened, self.left), (['m3'], []))
        self.assert_gone(3)

    def after_a_look(self, change):
        """Once Nova has been asked for the next time."""
        nova = self.cloud.nova

        def once(server):
            self.cloud.nova, answer = nova, nova(server)
            change()
            return answer
        self.cloud.nova = once

    def test_given_up_while_it_is_proved(self):
        """A proof that waits for the cluster's health looks at Heat meanwhile."""
        self.cloud.scale_down('m1')
        run = self.agent(trap='prove:begin:STOP')
        run.wait_stopped()
        self.cluster.mon('osd set', key='noout')
        self.addCleanup(lambda: self.cluster.mon('osd unset', key='noout'))
        self.cloud.give_up('m1')
        run.cont()
        wait_for('it says so', lambda: 'waits no more' in run.stderr)
        run.send(signal.SIGTERM)
        self.assert_code(run.wait(60), 0)
        self.assertEqual(self.cloud.opened, [])

    def test_given_up_while_it_is_removed(self):
        """What has begun is brought to its end, and the agent says what there is now; the next gate opens at once."""
        self.cloud.scale_down('m4')
        run = self.agent(trap='stop:begin:STOP')
        run.wait_stopped()
        self.cloud.give_up('m4')
        run.cont()
        wait_for('it says so', lambda: 'Its OSDs are removed; the server is kept and empty' in run.stderr)
        run.send(signal.SIGTERM)
        self.assert_code(run.wait(60), 0)
        self.assertEqual(self.cloud.opened, [])
        self.assert_gone(4)
        self.cloud.scale_down('m4')
        self.assert_code(self.once(), 0)
        self.assertEqual((self.cloud.opened, self.left), (['m4'], []))

    def test_a_server_that_changes_its_addresses(self):
        """What has OSDs at one look has not lost them at the next; what has none is looked at twice."""
        m = self.cloud.members['m1']
        self.cloud.scale_down('m1')
        m.addresses = ['10.9.9.1']
        self.after_a_look(lambda: setattr(m, 'addresses', []))
        self.refused('no address', args=['--allow-empty'])
        m.addresses = [self.cluster.address(1)]
        run = self.agent('--allow-empty', trap='wait:begin:STOP')
        run.wait_stopped()
        m.addresses = ['10.9.9.1']
        run.cont()
        wait_for('it says so', lambda: 'OSDs had an address of this server, and none has now' in run.stderr)
        run.send(signal.SIGTERM)
        self.assert_code(run.wait(60), 0)
        self.assertEqual(self.cloud.opened, [])
        self.assertTrue(all(self.cluster.osd(i) for i in self.cluster.ids(1)))

    def test_refusals(self):
        """What cannot be told for sure stays closed, and nothing is touched."""
        before, m = self.cluster.snapshot(), self.cloud.members['m1']
        self.cloud.scale_down('m1')
        m.addresses = ['10.9.9.1']
        self.refused('no OSD has an address of this server', '10.9.9.1', '--allow-empty')
        m.addresses = [self.cluster.address(1), self.cluster.address(6)]
        self.refused('match two nodes', 'osd.0', 'osd.10', args=['--allow-empty'])
        m.addresses = []
        self.refused('no address', args=['--allow-empty'])
        m.addresses = None
        self.refused('Nova does not know', 'hook clear --pre-delete storage-m1 drain', args=['--allow-empty'])
        m.addresses, m.value = [self.cluster.address(1)], self.cloud.members['m2'].server
        self.refused('no server of its own stack', args=['--allow-empty'])
        self.assert_same(before)
        m.value, m.addresses = m.server, ['10.9.9.1']
        for answer in ('unset-other-hook-400', 'unset-gone-404'):     # whatever Heat meant: the next look tells, and opens it
            self.cloud.on('POST', '/signal$', *recorded('agent/' + answer))
            self.assert_code(self.once('--allow-empty'), 0)
            self.assertEqual(self.cloud.opened, [])
        self.assert_code(self.once('--allow-empty'), 0)
        self.assertEqual(self.cloud.opened, ['m1'])
        self.assert_same(before)

    def test_systemd_hears_of_each_gate(self):
        """A Nova that is slow at many gates does not make the agent look as if it hung."""
        beats = []
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.settimeout(30)
            notify = notify_address(s)

            def beat():
                while b'WATCHDOG=1' not in s.recv(4096):
                    pass
                beats.append(time.monotonic())

            def slow(server):
                beat()
                while time.monotonic() < beats[-1] + 5.5:      # a beat is sent after 5 s, no sooner
                    time.sleep(0.1)
                return answer(server)
            answer, self.cloud.nova = self.cloud.nova, slow
            for name in ('m1', 'm2', 'm3'):
                self.cloud.members[name].addresses = ['10.9.9.9']
            self.cloud.scale_down('m1', 'm2', 'm3')
            self.assert_code(self.agent('--once', env=self.cloud.env() | {'NOTIFY_SOCKET': notify}).wait(), 4)
        self.assertEqual(len(beats), 3)

    def test_systemd_hears_while_nothing_moves(self):
        """A drain that waits for its data beats in time for the watchdog, for as long as it takes."""
        for flag in ('norecover', 'nobackfill'):
            self.cluster.mon('osd set', key=flag)
            self.addCleanup(self.cluster.mon, 'osd unset', key=flag)
        limit, beats = 4, []      # seconds; and when they came
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            notify = notify_address(s)

            def listen():       # all the time, as systemd does: who notifies waits for room
                while (word := s.recv(4096)) != b'end':
                    if b'WATCHDOG=1' in word:
                        beats.append(time.monotonic())
            listener = threading.Thread(target=listen)
            listener.start()
            try:
                self.cloud.scale_down('m3')
                run = self.agent('--accept', 'existing', env=self.cloud.env() | {'NOTIFY_SOCKET': notify, 'WATCHDOG_USEC': '%d' % (limit * 1e6)})
                run.wait_event(event='progress')
                at = len(beats)
                wait_for('it beats', lambda: len(beats) >= at + 3, 4 * limit)
            finally:
                s.sendto(b'end', s.getsockname())
                listener.join()
        self.assertLess(max(b - a for a, b in zip(beats[at:], beats[at + 1:])), limit)
        self.assertEqual(run.steps()[-1], 'wait:begin')
        run.send(signal.SIGTERM)
        self.assert_code(run.wait(60), 130)

    def test_check(self):
        """One line a finding: which OSDs each server is, and what is wrong."""
        run = self.tool.run('heat', 'check', '--stack', 'storage', env=self.cloud.env())
        self.assert_code(run, 0)
        self.assertIn('ok       m1: 10.9.9.1, 127.0.1.1 is osd.0, osd.1\n', run.stdout)
        self.assertIn('ok       the credential can do what the agent needs', run.stdout)
        self.assertIn('ok       the environment has the hook', run.stdout)
        for what in ('template', 'environment'):      # what was not looked at is not safe
            self.cloud.on('GET', '/%s$' % what, 403, times=99)
            run = self.tool.run('heat', 'check', '--stack', 'storage', '-f', 'json', env=self.cloud.env())
            self.assertFalse(self.assert_code(run, 6).json['safe'])
            self.cloud.rules.clear()
        self.cloud.timeout_mins, self.cloud.members['m2'].gate, self.cloud.members['m3'].addresses = None, False, ['10.9.9.3']
        self.cloud.members['m4'].addresses = [self.cluster.address(5)]
        doc = self.assert_code(self.tool.run('heat', 'check', '--stack', 'storage', '-f', 'json', env=self.cloud.env()), 4).json
        problems = [f['text'] for f in doc['findings'] if f['level'] == 'problem']
        self.assertFalse(doc['safe'])
        self.assertEqual(len(problems), 4, problems)
        for text, words in zip(problems, ('no timeout_mins', 'm2: no gate', 'm3: no OSD', 'm4 and m5 match the same OSDs')):
            self.assertIn(words, text)

    def retire(self, *args, **more):
        return self.tool.start('heat', 'retire', '--stack', 'storage', '--yes', '-f', 'json', *args, env=self.cloud.env(), **more)

    def test_retire(self):
        """Exactly this node, by any of its names; again after a failure; never a second one."""
        seen, m = self.dir / 'environment', self.cloud.members['m2']
        agent = self.agent(trap='wait:begin:STOP', env=self.cloud.env() | self.tool.other_maptool('tr "\\0" "\\n" </proc/$$/environ >>%s; exec TOOL' % seen))
        run = self.retire('node2')
        agent.wait_stopped()
        self.cloud.give_up('m2')
        self.assert_code(run.wait(90), 5)
        self.assertIn('PATH=', seen.read_text())
        self.assertNotIn(PASSWORD, seen.read_text())      # what it runs is not told how it logs in
        self.assertIn('the same command takes it again', run.stderr)
        self.assertEqual(run.stdout, '')
        self.assert_code(self.retire(self.cluster.address(3)).wait(90), 4)     # m2 would go along
        run = self.retire(self.cluster.address(2))
        wait_for('how far the drain is', lambda: run.ended or ' left  ' in run.stderr)      # as the drain tells it
        agent.cont()
        r = self.assert_code(run.wait(), 0).json
        self.assertRegex(run.stderr, r'wait: [^\n]*\n[^\n]*% .* left  ')
        self.assertEqual((r['node'], r['server'], r['size'], r['osds']), (self.cluster.address(2), m.server, 4, self.cluster.ids(2)))
        self.assertEqual(self.cloud.opened, ['m2'])
        self.assert_gone(2)
        m5 = self.cloud.members['m5']
        m5.status, m5.half = 'CREATE_IN_PROGRESS', True     # no server yet
        run = self.assert_code(self.retire('node4').wait(90), 4)
        self.assertIn('m5 of the same group is CREATE_IN_PROGRESS', run.stderr)
        m5.status, m5.half = 'CREATE_COMPLETE', False
        hook = {'drain': {'hooks': 'pre-delete'}}
        for self.cloud.hooks in ({}, {'compute': {'*': hook}}, {'storage': {'m1': hook}}):      # of another group, of another member
            run = self.assert_code(self.retire('node4').wait(90), 4)
            self.assertIn('no pre-delete hook', run.stderr)
        m4 = self.cloud.members['m4']
        m4.gate, m4.deployment = False, True
        m4.template['setup'] = {'type': 'OS::Heat::SoftwareDeployment', 'properties': {'actions': ['CREATE']}}
        run = self.assert_code(self.retire('node4').wait(90), 4)
        self.assertIn('no deployment of the group cephnode', run.stderr)
        self.assert_code(self.retire('127.0.9.9').wait(90), 3)
        self.assertEqual(len(self.cloud.members), 4)
        agent.send(signal.SIGTERM)
        self.assert_code(agent.wait(60), 0)

    def ask_retire(self, change):
        """On a terminal; change() happens while the question stands. What it then sent to change anything: [path]."""
        master, slave = os.openpty()
        self.addCleanup(os.close, master)
        run = self.tool.start('heat', 'retire', '--stack', 'storage', 'node4', '-f', 'json', env=self.cloud.env(), stdin=slave)
        os.close(slave)
        wait_for('it asks', lambda: 'Type node4' in run.stderr)
        self.cloud.requests.clear()
        change()
        os.write(master, b'node4\n')
        run.wait(60)
        self.assertIn('GET', [m for m, _ in self.cloud.requests])
        return run, [p.split('/stacks/')[1].split('/')[0] for m, p in self.cloud.requests if m == 'PATCH']

    def test_retire_asks_and_looks_again(self):
        """What the answer was about must still be so, and what is done is what is right then."""
        cloud, m3, m4 = self.cloud, self.cloud.members['m3'], self.cloud.members['m4']
        hooks = cloud.hooks

        def swap():
            m3.addresses, m4.addresses = m4.addresses, m3.addresses
        for change, words, back in ((lambda: cloud.member('m6', '10.9.9.6'), 'has changed since the question', lambda: cloud.members.pop('m6')),
                                    (swap, 'has changed since the question', swap),
                                    (lambda: cloud.hooks.clear(), 'no pre-delete hook', lambda: cloud.hooks.update(storage={'*': {'drain': {'hooks': 'pre-delete'}}})),
                                    (lambda: cloud.give_up('m3'), 'm3 of the same group is DELETE_FAILED', lambda: setattr(m3, 'status', 'CREATE_COMPLETE'))):
            run, sent = self.ask_retire(change)
            self.assert_code(run, 4)
            self.assertIn(words, run.stderr)
            self.assertEqual(sent, [], words)
            back()
        self.assertIs(cloud.hooks, hooks)
        cloud.on_count = lambda size: cloud.members.pop('m4')
        run, sent = self.ask_retire(lambda: cloud.give_up('m4'))      # it is not marked, and its old failure is none of this call
        self.assertEqual((self.assert_code(run, 0).json['size'], sent), (4, ['storage']))
        m4.status = 'CREATE_COMPLETE'
        cloud.members['m4'] = m4
        run, sent = self.ask_retire(lambda: None)
        self.assertEqual((self.assert_code(run, 0).json['size'], sent), (4, ['storage-group', 'storage']))

    def test_retire_waits(self):
        """One request that fails says nothing of the node; one that is refused ends it."""
        cloud, m = self.cloud, self.cloud.members['m2']
        cloud.on_count = lambda size: cloud.on('GET', 'nested_depth', 403, times=9)
        self.assertIn('status 403', self.assert_code(self.retire('node2').wait(90), 1).stderr)
        cloud.rules.clear()
        cloud.give_up('m2')
        cloud.on_count = lambda size: (cloud.on('GET', 'nested_depth', 503), cloud.requests.clear())
        cloud.requests.clear()
        run = self.retire('node2', '--op-timeout', '2')
        wait_for('two looks behind the failed one', lambda: run.ended or sum('nested_depth' in p for _, p in cloud.requests) >= 3)
        self.cluster.stop('mon.a')
        try:
            wait_for('it is said', lambda: run.ended or 'Ceph does not tell' in run.stderr)
            cloud.requests.clear()
            wait_for('Heat is asked on', lambda: run.ended or any('nested_depth' in p for _, p in cloud.requests))
        finally:
            self.cluster.cont('mon.a')
        self.assertFalse(run.ended, run)
        del cloud.members['m2']
        self.assertEqual(self.assert_code(run.wait(90), 0).json['server'], m.server)
        self.assertEqual(run.stderr.count('warning: '), 1, run)
        self.assertEqual(run.stderr.count('warning: Ceph does not tell how far the drain is ('), 1, run)

    def test_retire_counts_its_own_group(self):
        cloud, resources = self.cloud, self.cloud.resources
        other = ('compute-group', 'f5742fa0-1f19-4b6a-a933-b23a7a416e67')

        def more():
            row = cloud.resource('b-node.yaml', 'c1', 'c1c1', other, parent_resource='compute', resource_status='CREATE_FAILED')
            return resources() + [cloud.resource('OS::Heat::AutoScalingGroup', 'compute', other[1], (cloud.stack, cloud.id)), row,
                                  cloud.resource('OS::Nova::Server', 'server', 's-c1', ('compute-c1', 'c1c1'), parent_resource='c1')]
        cloud.resources, cloud.on_count = more, lambda size: cloud.members.pop('m4')
        self.assertEqual(self.assert_code(self.retire('node4').wait(90), 0).json['size'], 4)
        cloud.resources = lambda: [dict(r, resource_type=r['resource_type'].replace('AutoScaling', 'Resource')) for r in resources()]
        self.assertIn('removal_policies', self.assert_code(self.retire('node3').wait(90), 4).stderr)

    def test_removed_and_cancelled(self):
        """The journal's word counts for the server that it was about; an operator's cancel is not overruled."""
        self.cloud.scale_down('m5')
        self.agent(trap='wait:begin:KILL').wait()
        self.assert_code(self.tool.run('cancel', self.cluster.address(5), '-f', 'json'), 0)
        self.refused('was cancelled')
        self.assert_code(self.tool.drain(self.cluster.address(5)), 0)
        m = self.cloud.members['m5']
        made, m.created = m.created, m.created + 7200       # another server, with an address that was used before
        self.refused('no OSD has an address')
        m.created = made
        self.assert_code(self.once(), 0)
        self.assertEqual((self.cloud.opened, self.left), (['m5'], []))


if __name__ == '__main__':
    unittest.main()
