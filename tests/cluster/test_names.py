# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names are foreign input: pods' names, spaces, quotes, UTF-8, IPv6."""
import os

from cnlib.case import QUICK, ClusterCase
from cnlib.rbd import Client, create
from cnlib.util import own_network

TIMEOUT = 1200
POOL = 'my "pool" \\ ü €'


class Names(ClusterCase):
    SHAPE = dict(HOSTS=4, OSDS=2, **QUICK, PG_EC=0, PG_RBD=0, NAMES='osd-pod-x7k2p osd-pod-q.1_a NODE-1 -dash')
    DATA = {'rep': (40, 65536), POOL: (20, 65536)}

    @classmethod
    def prepare(cls):
        cls.cluster.mon('osd pool create', pool=POOL, pg_num=4, pgp_num=4, pool_type='replicated')
        cls.cluster.wait_clean()

    def test_a_pool_with_a_strange_name(self):
        plan = self.assert_code(self.tool.run('plan', 'osd-pod-x7k2p', '-f', 'json'), 0).json
        self.assertIn(POOL, [p['name'] for p in plan['pools']])
        text = self.assert_code(self.tool.run('plan', 'osd-pod-x7k2p'), 0).stdout
        self.assertIn('ü €', text)

    def test_a_pods_host_is_drained(self):
        observer, loader = self.observer(), self.load(['rep', POOL])
        self.assert_removed(self.tool.drain('osd-pod-x7k2p'), 1)
        self.assert_clean_report(observer, [0, 1])
        self.assert_load(loader)
        self.assert_data()

    def test_by_the_address_of_a_pods_node(self):
        self.assert_removed(self.tool.drain('127.0.1.2'), 2)
        self.assert_data()

    def test_a_name_that_looks_like_an_option(self):
        for args in (['--', '-dash'], ['host:-dash']):
            run = self.assert_code(self.tool.run('discover', '-f', 'json', *args), 0)
            self.assertEqual([o['id'] for o in run.json['nodes'][0]['osds']], [6, 7])
        self.assert_code(self.tool.run('discover', '-dash'), 2)

    def test_names_that_are_not_there_do_no_harm(self):
        for name in ('"', "'; ceph osd out 1; '", '\n', '\x1b[31mred', '{"prefix":"osd out"}', 'ü' * 300, 'osd.1e9', 'osd.-1', 'osd.99999999999999',
                     'osd.0x1', '%s%n', '../..', 'ip:node1', 'osd:node1', b'\xff\xfe'):
            before = self.cluster.snapshot()
            run = self.tool.run('drain', '-y', '-f', 'json', '--', os.fsdecode(name) if isinstance(name, bytes) else name)
            self.assertIn(run.code, (2, 3), str(run))
            self.assertNotIn('\x1b', run.stderr)
            self.assertEqual(len(run.lines), len(run.raw), str(run))
            self.assert_same(before)


class IPv6(ClusterCase):
    """In a network of its own, with one IPv6 address a host."""
    SHAPE = dict(HOSTS=4, OSDS=1, **QUICK, PG_EC=0, PG_RBD=0, NET='fd00:1::', MON_IP='fd00:1::100')
    DATA = {'rep': (30, 65536)}

    @classmethod
    def setUpClass(cls):
        own_network(cls, ['fd00:1::%s/128' % n for n in ('1', '2', '3', '4', '100')])
        super().setUpClass()

    def test_addresses_are_parsed(self):
        for name in ('fd00:1::2', 'FD00:1:0:0:0:0:0:2', 'ip:fd00:0001::0002', '[fd00:1::2]', 'fd00:1::0.0.0.2'):
            run = self.assert_code(self.tool.run('discover', '-f', 'json', name), 0)
            node, = run.json['nodes']
            self.assertEqual(([o['id'] for o in node['osds']], node['addresses']), ([1], ['fd00:1::2']), name)
        for name in ('fd00:1::22', 'fd00:1::', 'fd00:1::2::', '::2'):
            self.assert_code(self.tool.run('discover', name), 3)

    def test_a_lock_is_broken(self):
        create(self.cluster, 'rep/image')
        client = Client(self.cluster, 'image', pool='rep')
        self.addCleanup(client.kill)
        self.assertEqual(client.ask('write', 'A'), '')
        lock, = self.assert_code(self.tool.run('locks', 'list', 'rep/image', '-f', 'json'), 0).json['locks']
        self.assertEqual((lock['state'], lock['address']), ('alive', client.address))
        self.assert_code(self.tool.run('locks', 'break', 'rep/image', '--force', '--fence-host'), 4)      # our own
        run = self.assert_code(self.tool.run('locks', 'break', 'rep/image', '--force', '-f', 'json'), 0)
        self.assertEqual([f['address'] for f in run.result['fences']], [client.address])
        self.assertIn(client.address, self.cluster.mon('osd dump')['blocklist'])
        self.assertEqual(client.ask('write', 'B'), -108)

    def test_a_node_is_drained(self):
        observer = self.observer()
        self.assert_removed(self.tool.drain('fd00:1:0::2'), 2)
        self.assert_clean_report(observer, [1])
        self.assert_data()
