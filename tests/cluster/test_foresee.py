# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the forecast refuses, and that it leaves no trace: on racks, datacenters and regions, full and lopsided, with dead nodes."""
from cnlib.case import OURS, QUICK, ClusterCase, signal, wait_for

TIMEOUT = 900


class Foresee(ClusterCase):
    """Two regions of a datacenter each, joined in one cluster: east/dc1 = r1 (node1, node2), r2 (node3); west/dc2 = r3 (node4, node5),
    r4 (node6). Pools: rep and ec by host; span: two copies in each datacenter; racks: by rack; lop: by a root of its own."""
    SHAPE = dict(HOSTS=6, OSDS=2, PG_REP=16, PG_EC=8, PG_RBD=0, **QUICK)
    DATA = {'rep': (60, 262144), 'ec': (30, 65536), 'span': (20, 65536), 'racks': (20, 65536)}
    TREE = {'r1': (1, 2), 'r2': (3,), 'r3': (4, 5), 'r4': (6,)}

    @classmethod
    def prepare(cls):
        c = cls.cluster
        for region, dc, racks in (('east', 'dc1', ('r1', 'r2')), ('west', 'dc2', ('r3', 'r4'))):
            c.mon('osd crush add-bucket', name=region, type='region', args=['root=default'])
            c.mon('osd crush add-bucket', name=dc, type='datacenter', args=['region=' + region])
            for rack in racks:
                c.mon('osd crush add-bucket', name=rack, type='rack', args=['datacenter=' + dc])
                for h in cls.TREE[rack]:
                    c.mon('osd crush move', name=c.name(h), args=['rack=' + rack])
        c.mon('osd crush rule create-replicated', name='racks', root='default', type='rack')
        c.add_rule('rule span {\n id 40\n type replicated\n min_size 1\n max_size 10\n step take default\n step choose firstn 2 type datacenter\n'
                   ' step chooseleaf firstn 2 type host\n step emit\n}\n')
        for pool, rule, size in (('span', 'span', 4), ('racks', 'racks', 3)):
            c.mon('osd pool create', pool=pool, pg_num=8, pgp_num=8, pool_type='replicated', rule=rule)
            c.mon('osd pool set', pool=pool, var='size', val=str(size))
        c.wait_clean()

    def setUp(self):
        super().setUp()
        self.cluster.wait_healthy()

    def refused(self, *args, says=(), plan_too=True):
        """plan and drain say no alike, with these words, and nothing was changed."""
        before = self.cluster.snapshot()
        run = self.assert_code(self.tool.run('drain', *args, '-y', '-f', 'json'), 4)
        self.assertEqual((run.result['outcome'], run.result['exit']), ('refused', 4))
        for word in says:
            self.assertIn(word, run.stderr)
        if plan_too:
            plan = self.assert_code(self.tool.run('plan', *args, '-f', 'json'), 4)
            self.assertTrue(plan.json['refusals'])
        self.assert_same(before)
        self.assertEqual(self.drains(), [])
        return run

    def test_domains(self):
        plan = self.assert_code(self.tool.run('plan', 'node3', '-f', 'json'), 0).json     # r2 goes: three racks are left
        pools = {p['name']: (p['domain'], p['needed'], p['left'], p['ok']) for p in plan['pools']}
        self.assertEqual(pools['racks'], ('rack', 3, 3, True))
        self.assertEqual(pools['span'][1:], (4, 4, True))
        self.refused('node3', 'node6', says=["'racks'", 'rack'])       # two racks, and hosts enough
        self.refused('node1', 'node2', says=["'span'"])                # one host of two in the east, and three racks
        self.refused('node4', 'node6')
        # an osdmaptool that is not to be trusted
        pgid = self.cluster.pgs_of([4])[0]
        for script, why in ((r"TOOL | sed -E 's/^(%s[[:space:]].*\[)([0-9]+),([0-9]+)/\1\3,\2/'" % pgid.replace('.', r'\.'),
                             'osdmaptool maps PG %s otherwise than the monitors do' % pgid),
                            ('TOOL | head -n 20', 'osdmaptool'), ('echo "1.0 up what"', 'osdmaptool'), ('exit 0', 'osdmaptool'),
                            ('echo "error decoding osdmap" >&2; exit 1', 'error decoding osdmap')):
            plan = self.assert_code(self.tool.run('plan', 'node3', '-f', 'json', env=self.tool.other_maptool(script)), 0).json
            self.assertFalse(plan['forecast']['exact'], script)
            self.assertIn(why, plan['forecast']['reason'])

    def test_a_hole_that_counting_does_not_see(self):
        """One host of those that are left has next to no weight: CRUSH tries 50 times, and gives up."""
        c = self.cluster
        c.mon('osd crush add-bucket', name='lop', type='root')
        self.addCleanup(c.mon, 'osd crush rm', name='lop')
        for h in (1, 2, 3):
            c.mon('osd crush link', name=c.name(h), args=['root=lop'])
            self.addCleanup(c.mon, 'osd crush unlink', name=c.name(h), ancestor='lop')
        c.mon('osd crush add-bucket', name='tiny', type='host')
        c.mon('osd crush move', name='tiny', args=['root=lop'])
        c.mon('osd crush set', id=11, weight=0.0001, args=['root=lop', 'host=tiny'])
        self.addCleanup(c.mon, 'osd crush rm', name='tiny')
        self.addCleanup(c.mon, 'osd crush set', id=11, weight=1.0, args=['root=default', 'host=node6'])
        c.mon('osd crush rule create-replicated', name='lop', root='lop', type='host')
        self.addCleanup(c.mon, 'osd crush rule rm', name='lop')
        c.mon('osd pool create', pool='lop', pg_num=8, pgp_num=8, pool_type='replicated', rule='lop')
        self.addCleanup(c.mon, 'osd pool rm', pool='lop', pool2='lop', yes_i_really_really_mean_it=True)
        c.wait_clean()
        c.wait_healthy()
        run = self.refused('node2', says=["'lop'", 'CRUSH finds a place for only'])
        pools = {p['name']: p for p in run.events('plan')[0]['pools']}
        self.assertEqual((pools['lop']['left'], pools['lop']['ok']), (3, True))       # counting sees enough of them
        before = c.snapshot()
        # without osdmaptool only the hold can tell; what it did is undone
        run = self.assert_code(self.tool.run('drain', 'node2', '-y', '-f', 'json', env=dict(PATH='/nonexistent')), 4)
        self.assertIn('CRUSH finds a place for only', run.stderr)
        self.assertIn('reweight:end', run.steps())
        self.assert_same(before)
        self.assertEqual(self.drains(), [])

    def test_full_targets(self):
        c = self.cluster
        wait_for('the statistics are complete', lambda: sum(p['stat_sum']['num_objects'] for p in c.pgs()) >= sum(n for n, _ in self.DATA.values()))

        def look():
            """Fill of every OSD, and the plan that fills one most: what is full now, which node, which target."""
            used = {o['id']: o['kb_used'] for o in c.mgr('osd df')['nodes']}
            now = max(o['kb_used'] / o['kb'] for o in c.mgr('osd df')['nodes'])
            plans = [self.assert_code(self.tool.run('plan', c.name(h), '-f', 'json'), 0).json for h in range(1, 7)]
            plan = max(plans, key=lambda p: p['fullest']['after'])
            return used, now, plan['node'], plan['fullest'], max(plan['targets'], key=lambda t: t['after'])
        last = []

        def settled():
            """A target fills beyond all that there are, and nothing moves: OSDs still delete what tests before have moved away."""
            last.append(look())
            used, now, node, fullest, worst = last[-1]
            still = len(last) > 3 and all(x[0] == used for x in last[-4:])
            return still and (worst['after'] - now) * 3 * 2**30 > 2**19 and (now, node, fullest, worst)    # every OSD grows a little by itself
        now, node, fullest, worst = wait_for('an OSD would grow beyond all others', settled, 120, 1)
        self.assertEqual(fullest['osd'], worst['osd'])
        ratios, between = {k: c.mon('osd dump')[k] for k in ('nearfull_ratio', 'backfillfull_ratio')}, (now + worst['after']) / 2

        def restore():
            for k in ('backfillfull', 'nearfull'):
                c.mon('osd set-%s-ratio' % k, ratio=round(ratios[k + '_ratio'], 6))
        self.addCleanup(restore)
        c.mon('osd set-nearfull-ratio', ratio=between)
        near = self.assert_code(self.tool.run('plan', node, '-f', 'json'), 0).json
        self.assertTrue([w for w in near['warnings'] if 'nearfull' in w and 'osd.%d' % worst['osd'] in w], near['warnings'])
        c.mon('osd set-nearfull-ratio', ratio=between * 0.9999)
        c.mon('osd set-backfillfull-ratio', ratio=between)
        self.refused(node, says=['osd.%d would be' % worst['osd'], 'backfill'])

    def test_inactive_and_dead(self):
        """One story: a node dies, and other nodes, and this one itself, are to be drained."""
        c = self.cluster
        for i in c.ids(5):
            c.kill('osd.%d' % i)
        wait_for('they are down', lambda: not any(c.is_up(i) for i in c.ids(5)))
        c.mon('osd pool set', pool='span', var='min_size', val='4')
        self.addCleanup(c.mon_raw, 'osd pool set', pool='span', var='min_size', val='2')
        bad = wait_for('a PG of node1 is inactive', lambda: next((
            p for p in c.pgs() if 'active' not in p['state'].split('+') and 'peering' not in p['state'] and set(p['acting']) & {0, 1}), None))
        with self.subTest('inactive PGs'):
            run = self.refused('node1', '--accept', 'existing', says=['PG ', 'undersized'], plan_too=False)     # it waits a while whether they pass
            self.assertIn(bad['pgid'], str(run.events('plan')[0]['refusals']))
        c.mon('osd pool set', pool='span', var='min_size', val='2')
        wait_for('they are active', lambda: all('active' in p['state'] for p in c.pgs()))
        with self.subTest('dead, and still in: other nodes wait, this one goes'):
            plan = self.assert_code(self.tool.run('plan', 'node1', '--accept', 'existing', '-f', 'json'), 0).json
            self.assertEqual(plan['forecast']['exact'], True)
            before = c.snapshot()
            run = self.tool.start_drain('node1', '--accept', 'existing', trap='release:begin:KILL').wait()     # it says the same under hold
            self.assertEqual(run.code, -signal.SIGKILL, str(run))
            self.assert_code(self.tool.run('cancel', 'node1', '-f', 'json'), 0)
            self.assert_same(before, OURS)
            self.assert_code(self.tool.run('plan', 'node5', '-f', 'json'), 0)
        with self.subTest('dead, and marked out by the mon'):
            c.mon('osd out', ids=[str(i) for i in c.ids(5)])
            c.wait_clean()
            self.assert_removed(self.tool.drain('node5'), 5)
            self.assert_data()
        c.mon('osd crush add-bucket', name='node5', type='host', args=['rack=r3'])      # where make_whole will look for it

    def test_last_copies_on_a_dead_node(self):
        c = self.cluster
        c.mon('osd pool create', pool='one', pg_num=4, pgp_num=4, pool_type='replicated', rule='racks')
        c.mon('osd pool set', pool='one', var='size', val='1', yes_i_really_mean_it=True)
        c.wait_clean()
        where = {p['pgid']: p['acting'] for p in c.pgs() if p['pgid'].startswith('%d.' % self.pool_id('one'))}
        victim = next(iter(where.values()))[0]
        host = victim // 2 + 1
        lost = sorted(p for p, a in where.items() if a[0] // 2 + 1 == host)
        try:
            for i in c.ids(host):
                c.kill('osd.%d' % i)
            wait_for('they are down', lambda: not any(c.is_up(i) for i in c.ids(host)))
            wait_for('the manager knows', lambda: all('stale' in p['state'] for p in c.pgs() if p['pgid'] in lost))
            run = self.refused(c.name(host), '--accept', 'existing', says=['PG '], plan_too=False)
            for pgid in lost:
                self.assertIn('PG %s is' % pgid, str(run.events('plan')[0]['refusals']))
        finally:
            c.mon('osd pool rm', pool='one', pool2='one', yes_i_really_really_mean_it=True)

    def pool_id(self, name):
        return next(p['pool'] for p in self.cluster.mon('osd dump')['pools'] if p['pool_name'] == name)
