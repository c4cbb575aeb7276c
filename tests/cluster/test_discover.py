# SPDX-License-Identifier: LGPL-2.1-or-later
"""From a name to OSDs: by address, CRUSH host, host name, id; what is not there; what is ambiguous."""
import json

from cnlib.case import QUICK, ClusterCase, wait_for

TIMEOUT = 1200


class Discover(ClusterCase):
    SHAPE = dict(HOSTS=4, OSDS=2, **QUICK, NAMES='node1 node2 node3 osd-pod-x7k2p')

    def discover(self, *args, code=0):
        run = self.assert_code(self.tool.run('discover', '-f', 'json', *args), code)
        return run.json['nodes'] if code == 0 else run

    def ids_of(self, node):
        return [o['id'] for o in node['osds']]

    def test_each_way_to_name_a_node(self):
        for name in ('127.0.1.2', 'ip:127.0.1.2', '::ffff:127.0.1.2', 'node2', 'host:node2'):
            with self.subTest(name):
                node, = self.discover(name)
                self.assertEqual(self.ids_of(node), [2, 3])
                self.assertEqual((node['hosts'], node['addresses']), (['node2'], ['127.0.1.2']))
        for name in ('osd.3', 'osd:3'):
            node, = self.discover(name)
            self.assertEqual(self.ids_of(node), [3], name)

    def test_a_host_bucket_named_after_a_pod(self):
        for name in ('osd-pod-x7k2p', '127.0.1.4'):
            node, = self.discover(name)
            self.assertEqual(self.ids_of(node), [6, 7])
            self.assertEqual(node['hosts'], ['osd-pod-x7k2p'])

    def test_every_field(self):
        c = self.cluster
        c.mon('osd crush reweight', name='osd.2', weight=1.23457)
        c.mon('osd reweight', id=3, weight=0.7)
        c.mon('osd out', ids=['2'])
        c.mon('osd crush set-device-class', **{'class': 'ssd', 'ids': ['3']})
        self.addCleanup(c.mon, 'osd crush rm-device-class', ids=['3'])
        c.wait_clean()
        c.flush_stats()
        dump, pgs, pools = c.osds(), c.pgs(), {p['pool']: p for p in c.mon('osd dump')['pools']}
        profile_k = {p: 2 if v['type'] == 3 else 1 for p, v in pools.items()}
        node, = self.discover('127.0.1.2')
        self.assertEqual(node['node'], '127.0.1.2')
        for o in node['osds']:
            i, d = o['id'], dump[o['id']]
            mine = [p for p in pgs if i in p['up'] + p['acting']]
            held = sum(p['stat_sum']['num_bytes'] / profile_k[int(p['pgid'].split('.')[0])] for p in mine)
            self.assertEqual((o['uuid'], o['up'], o['in'], o['host'], o['address']), (d['uuid'], True, i != 2, 'node2', '127.0.1.2'))
            self.assertEqual(o['pgs'], len(mine))
            self.assertAlmostEqual(o['bytes'], held, delta=max(4096, held / 1000))
            self.assertEqual(o['device_class'], 'ssd' if i == 3 else None)
            self.assertEqual(set(o['found_by']) & {'address', 'crush', 'metadata'}, set(o['found_by']))
            self.assertIn('address', o['found_by'])
            self.assertIsNone(o['pod'])
        first, second = node['osds']
        self.assertEqual(round(first['crush_weight'] * 65536), c.crush_weight(2))
        self.assertAlmostEqual(first['crush_weight'], 1.23457, places=4)
        self.assertEqual(first['reweight'], 0)
        self.assertAlmostEqual(second['reweight'], 0.7, places=4)

    def test_several_nodes_at_once(self):
        nodes = self.discover('node3', '127.0.1.1')
        self.assertEqual([(n['node'], self.ids_of(n)) for n in nodes], [('node3', [4, 5]), ('127.0.1.1', [0, 1])])

    def test_what_is_not_there(self):
        for name in ('127.0.1.20', '127.0.1', 'node', 'node22', 'default', 'osd.99', '::1', 'fd00::2', 'osd.', 'host:127.0.1.2'):
            with self.subTest(name):
                run = self.discover(name, code=3)
                self.assertIn(name.split(':', 1)[-1] if name.startswith('host:') else name, run.stderr)
                self.assertTrue(run.stderr.startswith('cephnode: '), run.stderr)
        self.assert_code(self.tool.run('discover'), 2)

    def test_a_name_that_means_two_things(self):
        """osd.4 of the CRUSH host node3 reports that it runs on node1."""
        c = self.cluster
        c.kill('osd.4', 'TERM')
        c.rig('cn_osd_place', 4, '127.0.1.3', 'node1')
        c.start_osd(4)

        def back():
            c.kill('osd.4', 'TERM')
            c.rig('cn_osd_place', 4, '127.0.1.3', 'node3')
            c.start_osd(4)
        self.addCleanup(back)
        wait_for('osd.4 reports it', lambda: c.mon('osd metadata', id=4)['hostname'] == 'node1')
        before = c.snapshot()
        for args in (['discover', 'node1'], ['drain', 'node1', '-y']):
            run = self.assert_code(self.tool.run(*args), 4)
            for i in (0, 1, 4):
                self.assertIn('osd.%d' % i, run.stderr)
            self.assertIn('hint: ', run.stderr)
        self.assert_same(before)
        node, = self.discover('host:node1')
        self.assertEqual(self.ids_of(node), [0, 1])

    def test_down_and_never_started(self):
        c = self.cluster
        c.add_osds([8], 'node2', '127.0.1.2', start=False)
        self.addCleanup(c.forget_osd, 8)
        c.kill('osd.3', 'TERM')
        wait_for('osd.3 is down', lambda: not c.is_up(3))
        self.addCleanup(c.start_osd, 3)
        for name in ('node2', '127.0.1.2'):
            node, = self.discover(name)
            self.assertEqual([(o['id'], o['up']) for o in node['osds']], [(2, True), (3, False), (8, False)], name)
            self.assertIsNone(node['osds'][2]['address'])

    def test_other_daemons_are_named(self):
        c = self.cluster
        key = c.mon('auth get-or-create', entity='mgr.y', caps=['mon', 'allow profile mgr', 'osd', 'allow *', 'mds', 'allow *'])[0]['key']
        with open(c.dir / 'keyring', 'a') as f:
            f.write('[mgr.y]\n\tkey = %s\n' % key)
        (c.dir / 'mgr.y').mkdir(exist_ok=True)
        c.rig('cn_mgr_start', 'y', 'node2')
        self.addCleanup(c.kill, 'mgr.y')
        wait_for('mgr.y stands by', lambda: any(s['name'] == 'y' for s in c.mon('mgr dump')['standbys']))
        wait_for('it has told about itself', lambda: any(m['name'] == 'y' and m.get('hostname') == 'node2' for m in c.mon('mgr metadata')))
        self.assertIn('mgr.y', json.dumps(self.discover('127.0.1.2')))
        self.assertNotIn('mgr.y', json.dumps(self.discover('127.0.1.1')))
        plan = self.assert_code(self.tool.run('plan', 'node2', '-f', 'json'), 0).json
        self.assertTrue(any('mgr.y' in w for w in plan['warnings']), plan)

    def test_the_table_shows_the_same(self):
        run = self.assert_code(self.tool.run('discover', 'node2'), 0)
        for word in ('osd.2', 'osd.3', 'node2', '127.0.1.2'):
            self.assertIn(word, run.stdout)
        self.assertNotIn('osd.4', run.stdout)
