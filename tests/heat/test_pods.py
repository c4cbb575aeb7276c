# SPDX-License-Identifier: LGPL-2.1-or-later
"""The blueprint's own chain on a real Heat and a real Ceph cluster: OSDs in pods with overlay addresses, CRUSH hosts named after the pods,
two on each server. The API is the test server of tests/contract. No OSD has a server's address: only Kubernetes knows."""
import pathlib
import sys

from heatcase import AgentCase
from cnlib.case import QUICK, unittest

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / 'contract'))
from apiserver import Api  # noqa: E402
from apiwire import Answer  # noqa: E402

PODS = ['ceph-osd-a1', 'ceph-osd-a2', 'ceph-osd-b1', 'ceph-osd-b2', 'ceph-osd-c1', 'ceph-osd-c2']


class Pods(AgentCase):
    SHAPE = dict(HOSTS=6, OSDS=1, **QUICK, PG_EC=0, PG_RBD=8, NAMES=' '.join(PODS))
    DATA = {'rep': (60, 16384)}
    SERVERS = 3

    def setUp(self):
        super().setUp()
        self.api = self.enterContext(Api(self.dir / 'api'))
        for i, name in enumerate(PODS):
            n = i // 2 + 1
            self.api.pod('ceph', name, node='worker-%d' % n, labels={'app': 'ceph', 'daemon': 'osd'}, host_ip='10.99.0.%d' % n,
                         pod_ips=['127.0.1.%d' % (i + 1)], owner=('DaemonSet', 'ceph-osd'))
        for server, n in self.all.items():
            self.heat.change_server(server, addresses={'storage': [{'addr': '10.99.0.%d' % n, 'version': 4}]})

    def osds_of(self, host):
        return [2 * host - 2, 2 * host - 1]

    def agent(self, *args, **more):
        return super().agent('--stop-with', 'mon', *args, env={'KUBECONFIG': self.api.kubeconfig()}, **more)

    def pods_gone(self, run, host):
        """Both OSDs and their CRUSH hosts, and nothing of the other servers."""
        self.wait_gone([host], 120)
        for i in self.osds_of(host):
            self.assertIsNone(self.cluster.osd(i))
            self.assertFalse(self.cluster.has_bucket(PODS[i]))
        self.assertEqual(sorted(self.cluster.osds()), [i for i in range(6) if i not in self.osds_of(host)])
        self.assert_data()
        self.end(run)

    def test_the_api_is_down(self):
        """The gate stays closed, also with --allow-empty; nothing is touched. It comes up: drained, deleted."""
        before = self.cluster.snapshot()
        self.api.down()
        run = self.agent('--allow-empty')
        hosts = self.down()
        self.says(run, 'cannot ask Kubernetes', 60)
        asked = self.heat.asked('/resources/drain/events')
        self.wait_kept('it has tried again', lambda: self.heat.asked('/resources/drain/events') > asked + 3, 60)
        self.assertFalse(run.ended, str(run))
        self.assertEqual(list(self.heat.waiting(self.stack)), list(hosts))
        self.assert_same(before)
        self.api.up()
        self.pods_gone(run, *hosts)

    def test_without_kubernetes(self):
        """An agent that does not ask it finds no OSD: closed."""
        before = self.cluster.snapshot()
        self.down()
        run = self.assert_code(self.once('--no-kube'), 4)
        self.assertIn('no OSD has an address of this server', run.stderr)
        self.kept()
        self.assert_same(before)

    def test_the_api_goes_in_the_middle(self):
        """Nothing is removed, nothing opens before the second look has its answer. Not api.down(): that leaves open connections served."""
        run, host, server = self.middle()
        self.api.on('GET', r'/pods', Answer(503, 'no'), times=9999)
        self.let_go()
        run.wait_event(120, event='result', outcome='drained')
        self.says(run, 'cannot ask Kubernetes', 60)
        self.kept()
        self.assertTrue(all(self.cluster.is_up(i) for i in self.osds_of(host)))
        self.api.rules.clear()
        self.pods_gone(run, host)


if __name__ == '__main__':
    unittest.main()
