# SPDX-License-Identifier: LGPL-2.1-or-later
"""`cephnode heat agent` on a real Heat and a real Ceph cluster: no server is deleted with data on its OSDs."""
from heatlib import Heat, hc, wait_for
from cnlib.case import ClusterCase, HOLD_FLAGS, QUICK, signal, unittest

AGENT = ('heat', 'agent', '--stack', 'storage1', '--interval', '1', '-f', 'json')


class AgentCase(ClusterCase):
    SHAPE = dict(HOSTS=6, OSDS=2, **QUICK)
    SERVERS = 5
    TIMEOUT_MINS = 10080

    @classmethod
    def setUpClass(cls):
        cls.heat = Heat()
        cls.heat.start()
        cls.addClassCleanup(cls.heat.stop)
        super().setUpClass()
        cls.heat.create('storage1', cls.SERVERS, timeout_mins=cls.TIMEOUT_MINS)

    def agent(self, *args, env=None, **more):
        return self.tool.start(*AGENT, *args, env=self.heat.os_env(**(env or {})), **more)

    def once(self, *args, **more):
        return self.agent('--once', *args, **more).wait(180)

    def host_of(self, address):
        return int(address.rsplit('.', 1)[1])

    def end(self, run):
        """Ends an agent as systemd does."""
        run.send(signal.SIGTERM)
        run.wait(20)
        return run

    def waiting_hosts(self):
        """Hosts of the servers behind the gates that wait."""
        gates, hosts = self.heat.gates('storage1'), []
        for r in self.heat.resources('storage1'):
            if r['resource_type'] == 'OS::Nova::Server' and r.get('parent_resource') in gates:
                hosts += [self.host_of(a) for a, i in self.heat.servers('storage1').items() if i == r['physical_resource_id']]
        return hosts


class Agent(AgentCase):
    def test_a_scale_down(self):
        """The URL is called; the node's OSDs go before the server does."""
        observer = self.observer()
        run = self.agent()
        self.heat.down('storage1')
        opened = run.wait_event(180, event='gate', state='opened')
        host = self.host_of(opened['addresses'])
        wait_for('the server is gone', lambda: self.heat.deleted(), 30, 0.3)
        self.assertEqual(list(self.heat.deleted()), [opened['addresses']])
        self.assert_gone(host)
        self.assert_clean_report(observer, self.cluster.ids(host))
        self.assert_data()
        self.end(run)
        self.assertEqual(run.code, 0, str(run))


if __name__ == '__main__':
    unittest.main()
