# SPDX-License-Identifier: LGPL-2.1-or-later
"""OSDs that bind to v4 and v6: a node is found by either address, and no gate opens for want of the other."""
import sys

from cnlib.case import QUICK, ClusterCase
from cnlib.util import ROOT, own_network

sys.path.append(str(ROOT / 'tests' / 'heat'))
from fakeheat import Cloud  # noqa: E402


class TwoFamilies(ClusterCase):
    SHAPE = dict(HOSTS=4, OSDS=1, **QUICK, PG_EC=0, PG_RBD=0, NET6='fd00:1::')
    DATA = {'rep': (30, 65536)}

    @classmethod
    def setUpClass(cls):
        own_network(cls, [a % n for n in range(1, 5) for a in ('127.0.1.%d/32', 'fd00:1::%d/128')], dev='veth0')
        super().setUpClass()

    def test_either_address(self):
        """Nova knows the one that Ceph prints second. --allow-empty would open the gate of a server that no OSD matches."""
        for name in ('127.0.1.2', 'fd00:1::2', 'node2', 'osd.1'):
            node, = self.assert_code(self.tool.run('discover', '-f', 'json', name), 0).json['nodes']
            self.assertEqual([o['id'] for o in node['osds']], [1], name)
            self.assertEqual(sorted(node['addresses']), ['127.0.1.2', 'fd00:1::2'], name)
            self.assertEqual(node['osds'][0]['address'], node['addresses'][0])
        self.assert_code(self.tool.run('discover', 'fd00:1::22'), 3)
        with Cloud() as cloud:
            left = []
            cloud.on_open = lambda m: left.append(self.cluster.osd(1))
            cloud.member('m2', node['addresses'][1])
            cloud.scale_down('m2')
            self.assert_code(self.tool.run('heat', 'agent', '--stack', 'storage', '--once', '--allow-empty', env=cloud.env(), timeout=120), 0)
        self.assertEqual((cloud.opened, left), (['m2'], [None]))
        self.assert_gone(2)
        self.assert_data()
