# SPDX-License-Identifier: LGPL-2.1-or-later
"""plan changes nothing and tells the truth; refused means untouched."""
from cnlib.case import QUICK, ClusterCase, wait_for

TIMEOUT = 1200


class Refuse(ClusterCase):
    SHAPE = dict(HOSTS=4, OSDS=2, **QUICK)
    DATA = {'rep': (60, 65536), 'ec': (30, 65536)}

    def setUp(self):
        super().setUp()
        self.cluster.wait_healthy()

    def assert_refused(self, *args, says=(), before=None):
        before = before or self.cluster.snapshot()
        run = self.assert_code(self.tool.run('drain', *args, '-y', '-f', 'json'), 4)
        self.assertEqual((run.result['outcome'], run.result['exit']), ('refused', 4))
        self.assertTrue(run.result['reason'])
        for word in says:
            self.assertIn(word, run.stderr)
        self.assert_same(before)
        self.assertEqual(self.drains(), [])
        return run

    def test_plan_is_right_and_changes_nothing(self):
        c = self.cluster
        c.flush_stats()
        before, pools = c.snapshot(), {p['pool']: p for p in c.mon('osd dump')['pools']}
        mine = [(p, len({2, 3} & set(p['acting']))) for p in c.pgs() if {2, 3} & set(p['up'] + p['acting'])]
        need = sum(n * p['stat_sum']['num_bytes'] / (2 if pools[int(p['pgid'].split('.')[0])]['type'] == 3 else 1) for p, n in mine)
        for args in (['plan', '127.0.1.2'], ['drain', '--dry-run', '127.0.1.2'], ['drain', '--dry-run', '-y', 'node2']):
            run = self.assert_code(self.tool.run(*args, '-f', 'json'), 0)
            plan = run.json                       # one document
            self.assertEqual((plan['osds'], plan['method'], plan['pgs']), ([2, 3], 'crush', len(mine)), args)
            self.assertAlmostEqual(plan['bytes_minimum'], need, delta=need / 1000)
            self.assertGreaterEqual(plan['bytes_to_move'], plan['bytes_minimum'])
            shown = {p['name']: (p['domain'], p['needed'], p['left'], p['ok']) for p in plan['pools']}
            for name in ('rep', 'ec', 'rbd'):
                self.assertEqual(shown[name], ('host', 3, 3, True))
            self.assertIn('before', plan['fullest'])
        self.assert_same(before)
        text = self.assert_code(self.tool.run('plan', 'node2'), 0).stdout
        for word in ('osd.2', 'osd.3', 'rep', 'ec'):
            self.assertIn(word, text)
        self.assert_same(before)

    def test_too_few_hosts(self):
        run = self.assert_refused('node1', 'node2', says=['rep', 'host'])
        pools = {p['name']: p for p in run.events('plan')[0]['pools']}
        self.assertEqual((pools['rep']['needed'], pools['rep']['left'], pools['rep']['ok']), (3, 2, False))
        self.assert_refused('node1', 'node2', '--method', 'out')
        self.assert_refused('node1', 'node2', '--keep')
        self.assert_code(self.tool.run('plan', 'node1', 'node2'), 4)

    def test_the_last_hosts_of_a_rule_of_its_own(self):
        """The cluster has hosts enough, the pool's own rule has not."""
        c = self.cluster
        c.mon('osd crush add-bucket', name='few', type='root')
        self.addCleanup(c.mon, 'osd crush rm', name='few')
        for h in (1, 2, 3):
            c.mon('osd crush link', name=c.name(h), args=['root=few'])
            self.addCleanup(c.mon, 'osd crush unlink', name=c.name(h), ancestor='few')
        c.mon('osd crush rule create-replicated', name='few', root='few', type='host')
        self.addCleanup(c.mon, 'osd crush rule rm', name='few')
        c.mon('osd pool create', pool='few', pg_num=4, pgp_num=4, pool_type='replicated', rule='few')
        self.addCleanup(c.mon, 'osd pool rm', pool='few', pool2='few', yes_i_really_really_mean_it=True)
        c.wait_clean()
        self.assert_refused('node1', says=['few'])
        self.assert_code(self.tool.run('plan', 'node4'), 0)

    def test_health_that_was_not_accepted(self):
        c = self.cluster
        c.mon('osd set', key='noout')        # OSDMAP_FLAGS, and not by us
        wait_for('health says so', lambda: 'OSDMAP_FLAGS' in c.health())
        self.assert_refused('node2', says=['OSDMAP_FLAGS'])
        for accept in ('OSDMAP_FLAGS', 'existing'):
            self.assert_code(self.tool.run('plan', 'node2', '--accept', accept), 0)

    def test_an_inconsistent_pg_whatever_is_accepted(self):
        c = self.cluster
        name = 'data.0.7'
        where = c.mon('osd map', pool='rep', object=name)
        pgid, victim = where['pgid'], where['acting'][1]
        host = next(h for h in range(1, 5) if victim in c.ids(h))
        c.break_object('rep', name, victim)
        c.mgr('pg deep-scrub', pgid=pgid)
        wait_for('the scrub has found it', lambda: 'inconsistent' in c.pg_query(pgid)['state'])
        wait_for('health says so', lambda: 'PG_DAMAGED' in c.health())
        for args in ((), ('--accept', 'existing'), ('--accept', 'PG_DAMAGED,OSD_SCRUB_ERRORS,PG_INCONSISTENT,existing')):
            self.assert_refused(c.name(host), *args, says=[pgid])
        c.mgr('pg repair', pgid=pgid)
        wait_for('it is mended', lambda: c.pg_query(pgid)['state'] == 'active+clean')
        c.wait_healthy()
        self.assert_data()
        self.assert_code(self.tool.run('plan', c.name(host)), 0)

    def test_a_pg_that_becomes_inconsistent_in_mid_drain(self):
        c = self.cluster
        name = next(n for n in ('data.0.%d' % i for i in range(60)) if {2, 3} & set(c.mon('osd map', pool='rep', object=n)['acting']))
        run = self.tool.start_drain('node2', '--stall-timeout', '4', '--accept', 'PG_DAMAGED,OSD_SCRUB_ERRORS', trap='wait:begin:STOP')
        run.wait_stopped()
        where = c.mon('osd map', pool='rep', object=name)
        wait_for('its PG is clean, by the new map', lambda: where['pgid'] not in c.unclean())
        where = c.mon('osd map', pool='rep', object=name)
        c.break_object('rep', name, where['acting'][1])
        c.mgr('pg deep-scrub', pgid=where['pgid'])
        wait_for('the scrub has found it', lambda: 'inconsistent' in c.pg_query(where['pgid'])['state'])
        run.cont()
        run.wait(120)
        self.assertIn(run.code, (1, 4, 5), str(run))
        self.assertTrue(c.is_up(2) and c.is_up(3), str(run))
        self.assertNotIn('stop:begin', run.steps())
        c.mgr('pg repair', pgid=where['pgid'])
        wait_for('it is mended', lambda: c.pg_query(where['pgid'])['state'] == 'active+clean')
        c.wait_healthy()
        self.assert_removed(self.tool.drain('node2'), 2)
        self.assert_data()

    def test_it_asks_first(self):
        before = self.cluster.snapshot()
        for args in ([], ['-f', 'json']):
            run = self.assert_code(self.tool.run('drain', 'node2', *args), 2)
            self.assertIn('--yes', run.stderr)
        for args in (['drain', '-y'], ['drain', '-y', 'node2', '--method', 'sideways'], ['drain', '-y', 'node2', '--timeout', 'soon'],
                     ['drain', '-y', 'node2', '--nonsense'], ['drown', 'node2']):
            self.assert_code(self.tool.run(*args), 2)
        self.assert_code(self.tool.run('drain', '-y', 'node77', '-f', 'json'), 3)
        self.assert_same(before)
