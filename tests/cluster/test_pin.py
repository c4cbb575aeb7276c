# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pins: what moves is what must, plan said so before, and cancel brings back every upmap entry."""
import collections
import concurrent.futures

from cnlib.case import HOLD_FLAGS, OURS, QUICK, ClusterCase, signal, wait_for
from cnlib.cluster import is_clean

TIMEOUT = 900
NONE = 0x7fffffff
NO_TOOLS = dict(PATH='/nonexistent')


class Pins(ClusterCase):
    KEY = 'client.cephnode'
    DATA = {'rep': (120, 65536), 'ec': (40, 65536)}

    def setUp(self):
        super().setUp()
        self.cluster.flush_stats()

    # --- what lies where ---
    def shards(self):
        """{pgid: (acting, erasure, bytes of a shard)}; every PG is clean, so that is where its data lie."""
        pools = {p['pool']: p for p in self.cluster.mon('osd dump')['pools']}
        there = {}
        for p in self.cluster.pgs():
            erasure = pools[int(p['pgid'].split('.')[0])]['type'] == 3
            self.assertTrue(is_clean(p['state']), p['state'])
            there[p['pgid']] = (p['acting'], erasure, p['stat_sum']['num_bytes'] // (2 if erasure else 1))
        return there

    def moved(self, before, after):
        """What came to each OSD: {osd: [shards, bytes]}. Of erasure-coded PGs each place counts."""
        came = collections.defaultdict(lambda: [0, 0])
        for pgid, (was, erasure, size) in before.items():
            now = after[pgid][0]
            for i, osd in enumerate(now):
                if (osd != was[i] if erasure else osd not in was) and osd != NONE:
                    came[osd][0] += 1
                    came[osd][1] += size
        return dict(came)

    def least(self, before, osds):
        return sum(size * sum(o in osds for o in acting) for acting, _, size in before.values())

    def upmaps(self):
        m = self.cluster.mon('osd dump')
        return {(kind, p['pgid']): p for kind in ('pg_upmap', 'pg_upmap_items') for p in m[kind]}

    def keep(self, *args):
        """A drain that removes nothing; the data has moved when it ends."""
        run = self.assert_code(self.tool.drain(*args, '--keep'), 0)
        self.cluster.wait_clean()
        return run

    def check_forecast(self, nodes, osds, *args):
        """plan, then the drain: what was foreseen is what happened, and no more than must moved."""
        self.cluster.flush_stats()       # the object of the lock shrinks when it is given back
        plan = self.assert_code(self.tool.run('plan', *nodes, *args, '-f', 'json'), 0).json
        self.assertEqual(plan['forecast']['exact'], True, plan)
        self.assertGreater(plan['forecast']['pins'], 0, plan)
        before, entries = self.shards(), self.upmaps()
        run = self.keep(*nodes, *args)
        came, least = self.moved(before, self.shards()), self.least(before, osds)
        total = sum(b for _, b in came.values())
        self.assertGreater(least, 0)
        self.assertLessEqual(abs(total - least), least * 0.03, (total, least, plan))
        self.assertEqual(plan['bytes_minimum'], least)
        self.assertEqual(plan['bytes_to_move'], total)
        self.assertEqual({t['osd']: [t['shards'], t['bytes']] for t in plan['targets']}, came)
        self.assertIn('pin:end', run.steps())
        pin = run.events('step', step='pin', state='end')[0]
        self.assertEqual(pin['pins'], plan['forecast']['pins'], run)       # the mon let them all stand
        self.assertEqual([e['message'] for e in run.events('warning') if 'pin' in e['message']], [])
        self.assertGreaterEqual(len(set(self.upmaps()) - set(entries)), 1)
        return plan

    def cancel(self, *nodes):
        for node in nodes:
            run = self.assert_code(self.tool.run('cancel', node, '-f', 'json'), 0)
            self.assertEqual(run.events('warning'), [], str(run))
        self.cluster.wait_clean()


class Old(Pins):
    SHAPE = dict(HOSTS=6, OSDS=2, OLD=1, **QUICK)
    HELD = ('--accept', 'existing,PG_DEGRADED')      # nothing may recover: a PG that recovers by its log stays degraded

    def test_one_host_and_then_another(self):
        before = self.cluster.snapshot()
        self.check_forecast(['node2'], {2, 3})
        first = self.upmaps()
        self.check_forecast(['node5'], {8, 9})         # the pins of the first are there, and some lead to this one
        self.cancel('node5')
        self.assertEqual(self.upmaps(), first)
        self.check_forecast(['node5'], {8, 9})
        self.cancel('node2', 'node5')                  # the other way round: what the second found goes with the first
        self.assert_same(before, OURS)

    def test_two_hosts_at_once(self):
        before = self.cluster.snapshot()
        self.check_forecast(['node3', 'node4'], {4, 5, 6, 7})
        self.cancel('node3', 'node4')
        self.assert_same(before, OURS)

    def at_once(self, commands):
        """They share epochs of the map: one after the other takes an epoch each."""
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            list(pool.map(lambda c: self.cluster.mon(c[0], **c[1]), commands))

    def put_entries(self, held=False):
        """Upmap entries of every sort: to the node's OSDs, away from them, full ones, and such as a drain makes redundant."""
        c, pools, commands = self.cluster, {p['pool']: p for p in self.cluster.mon('osd dump')['pools']}, []
        for p in sorted(c.pgs(), key=lambda p: p['pgid']):
            up, hosts = p['up'], {o // 2 for o in p['up']}
            seed = int(p['pgid'].split('.')[1], 16)
            free = [2, 3] if 1 not in hosts and seed % 2 else [o for o in range(12) if o // 2 not in hosts | {1}]
            frm = up[seed % len(up)]
            if seed % 5 == 0:
                commands.append(('osd pg-upmap', dict(pgid=p['pgid'], id=[free[0] if o == frm else o for o in up])))
            elif seed % 5 < 4:
                commands.append(('osd pg-upmap-items', dict(pgid=p['pgid'], id=[frm, free[0]])))
        self.at_once(commands)
        if not held:
            c.wait_clean()
        self.assertGreater(len({p['pgid'] for p in self.upmaps().values()}), len(pools))

    def test_entries_that_were_there(self):
        """Also through a SIGKILL before and after the pins, and taken up again."""
        c = self.cluster
        self.addCleanup(self.no_full_entries)
        self.put_entries()
        before, entries = c.snapshot(), self.upmaps()
        self.check_forecast(['node2'], {2, 3})
        self.cancel('node2')
        self.assertEqual(self.upmaps(), entries)
        run = self.tool.start_drain('node2', '--method', 'out', trap='wait:begin:KILL').wait()     # out cancels entries, too
        self.assertEqual(run.code, -signal.SIGKILL, str(run))
        self.assertNotEqual(self.upmaps(), entries)
        self.cancel('node2')
        self.assertEqual(self.upmaps(), entries)
        for flag in HOLD_FLAGS:        # an operator's: so that nothing has moved when it is taken up again
            c.mon('osd set', key=flag)
        for trap in ('pin:begin:KILL', 'pin:end:KILL'):
            run = self.tool.start_drain('node2', '--accept', 'existing', '--pin', 'always', trap=trap).wait()
            self.assertEqual(run.code, -signal.SIGKILL, str(run))
        self.assertNotEqual(self.upmaps(), entries)
        self.assert_code(self.tool.run('cancel', 'node2', '-f', 'json'), 0)
        self.assertEqual(self.upmaps(), entries)
        for flag in HOLD_FLAGS:
            c.mon('osd unset', key=flag)
        c.wait_clean()
        self.assert_same(before, OURS)
        self.assert_data()

    def one_by_one(self, drains, cancels, first_exit):
        """Drains that stand beside each other, cancelled one by one: the last cancel leaves every entry as it was."""
        c, entries = self.cluster, self.upmaps()
        for osds in drains:
            run = self.tool.start_drain(*osds, *self.HELD, trap='wait:begin:KILL').wait()
            self.assertEqual(run.code, -signal.SIGKILL, str(run))
        self.assertNotEqual(self.upmaps(), entries)
        first = self.assert_code(self.tool.run('cancel', cancels[0]), first_exit)
        lost = set(entries) - set(self.upmaps())
        self.assertEqual('put back\n' in first.stdout and 'not all' not in first.stdout, first_exit == 0, str(first))
        self.assertIn('\nundo reweight: done\n', first.stderr)
        if first_exit:       # the mon drops those that need both weights
            self.assertIn('beside the drain of %s, its cancel puts them back' % cancels[1], first.stderr)
            self.assertTrue([pgid for _, pgid in lost if pgid in first.stderr], (lost, str(first)))
        self.assertIn('is put back', self.assert_code(self.tool.run('cancel', cancels[1]), 0).stdout)
        self.assertEqual(self.upmaps(), entries)
        self.assertIn('cancelled before', self.assert_code(self.tool.run('cancel', cancels[0]), 0).stdout)

    def test_cancelled_one_by_one(self):
        self.addCleanup(self.no_full_entries)
        for flag in HOLD_FLAGS:        # an operator's: nothing moves, and each drain is left where it waits
            self.cluster.mon('osd set', key=flag)
            self.addCleanup(self.cluster.mon, 'osd unset', key=flag)
        self.put_entries(held=True)
        self.one_by_one([['osd.2', 'osd.9']], ['osd.2', 'osd.9'], 6)
        self.one_by_one([['osd.2'], ['osd.9']], ['osd.2', 'osd.9'], 6)
        self.one_by_one([['osd.9'], ['osd.2']], ['osd.2', 'osd.9'], 0)
        entries = self.upmaps()
        run = self.tool.start_drain('osd.2', 'osd.9', *self.HELD, trap='wait:begin:KILL').wait()
        self.assertEqual(run.code, -signal.SIGKILL, str(run))
        both = self.assert_code(self.tool.run('cancel', 'osd.2,osd.9'), 6).stdout      # in one call: the first's 6 does not keep the second
        self.assertEqual([line.split(', ')[0] for line in both.splitlines()], ['osd.2: cancelled', 'osd.9: cancelled'])
        self.assertEqual(self.upmaps(), entries)

    def test_taken_up_when_the_data_has_moved(self):
        """The window died between the change and the pins, recovery went on: what has moved is not moved back."""
        c, before = self.cluster, self.cluster.snapshot()
        run = self.tool.start_drain('node2', trap='forecast:end:KILL').wait()
        self.assertEqual(run.code, -signal.SIGKILL, str(run))
        wait_for('the flags are back', lambda: not c.flags() & HOLD_FLAGS, 30)
        c.wait_clean()
        there = self.shards()
        self.assert_code(self.tool.drain('node2', '--keep', '--pin', 'always'), 0)
        c.wait_clean()
        self.assertEqual((self.moved(there, self.shards()), self.upmaps()), ({}, {}))
        self.cancel('node2')
        self.assert_same(before, OURS)

    def no_full_entries(self):
        self.at_once(('osd rm-' + kind.replace('_', '-'), dict(pgid=pgid)) for kind, pgid in self.upmaps())
        self.cluster.wait_clean()

    def test_where_none_are_made(self):
        c, before = self.cluster, self.cluster.snapshot()
        auto = self.assert_code(self.tool.run('plan', 'node2', '-f', 'json'), 0).json
        never = self.assert_code(self.tool.run('plan', 'node2', '--pin', 'never', '-f', 'json'), 0).json
        self.assertEqual(never['forecast']['pins'], 0)
        self.assertGreater(auto['forecast']['pins'], 0)
        self.assertEqual(never['bytes_to_move'] - never['bytes_minimum'], auto['forecast']['bytes_needless'])
        self.assertEqual(never['bytes_minimum'], auto['bytes_minimum'])
        with self.subTest('no osdmaptool'):
            plan = self.assert_code(self.tool.run('plan', 'node2', '-f', 'json', env=NO_TOOLS), 0)
            self.assertEqual((plan.json['forecast']['exact'], plan.json['targets']), (False, []))
            self.assertIn('osdmaptool', plan.json['forecast']['reason'])
            self.assertEqual(plan.json['bytes_minimum'], auto['bytes_minimum'])
            self.assertIn('osdmaptool', self.assert_code(self.tool.run('plan', 'node2', env=NO_TOOLS), 0).stdout)
            run = self.assert_code(self.tool.run('drain', '-y', 'node2', '--pin', 'always', '-f', 'json', env=NO_TOOLS), 4)
            self.assertIn('osdmaptool', run.stderr)
            self.assert_same(before)
        with self.subTest('older clients'):
            c.mon('osd set-require-min-compat-client', version='jewel')
            try:
                jewel = c.snapshot()
                run = self.assert_code(self.tool.drain('node2', '--pin', 'always'), 4)
                self.assertIn('luminous', run.stderr)
                self.assert_code(self.tool.run('plan', 'node2', '--pin', 'always'), 4)
                plan = self.assert_code(self.tool.run('plan', 'node2', '-f', 'json'), 0).json
                self.assertEqual((plan['forecast']['exact'], plan['forecast']['pins']), (True, 0))
                self.assertEqual(plan['bytes_to_move'], never['bytes_to_move'])
                self.assert_same(jewel)
            finally:
                c.mon('osd set-require-min-compat-client', version='luminous')
        with self.subTest('crush-compat'):
            c.mon('osd crush weight-set create-compat')
            try:
                plan = self.assert_code(self.tool.run('plan', 'node2', '-f', 'json'), 0).json
                self.assertEqual((plan['forecast']['pins'], plan['bytes_to_move']), (0, never['bytes_to_move']))
            finally:
                c.mon('osd crush weight-set rm-compat')
        with self.subTest('a drain, never'):
            run = self.tool.start_drain('node2', '--pin', 'never', trap='release:begin:KILL').wait()
            self.assertEqual(run.code, -signal.SIGKILL, str(run))
            self.assertNotIn('pin:begin', run.steps())
            self.cancel('node2')
            self.assert_same(before, OURS)
        with self.subTest('a drain, no osdmaptool'):
            there = self.shards()
            run = self.assert_code(self.tool.drain('node2', '--keep', env=NO_TOOLS), 0)
            self.assertNotIn('pin:begin', run.steps())
            c.wait_clean()
            came = self.moved(there, self.shards())
            self.assertEqual(sum(b for _, b in came.values()), never['bytes_to_move'])
            self.assertEqual({t['osd']: [t['shards'], t['bytes']] for t in never['targets']}, came)
            self.assertEqual(self.upmaps(), {})
            self.cancel('node2')
            self.assert_same(before, OURS)


class Young(Pins):
    """Two device classes with a rule each; the erasure-coded pool takes both."""
    SHAPE = dict(HOSTS=6, OSDS=2, **QUICK)
    DATA = {'rep': (120, 65536), 'ec': (40, 65536), 'rbd': (60, 65536)}

    @classmethod
    def prepare(cls):
        c = cls.cluster
        for name, pool, ids in (('hdd', 'rep', range(0, 12, 2)), ('ssd', 'rbd', range(1, 12, 2))):
            c.mon('osd crush set-device-class', **{'class': name}, ids=[str(i) for i in ids])
            c.mon('osd crush rule create-replicated', name=name, root='default', type='host', **{'class': name})
            c.mon('osd pool set', pool=pool, var='crush_rule', val=name)
        c.wait_clean()

    def test_a_host_and_an_osd(self):
        before = self.cluster.snapshot()
        self.check_forecast(['node2'], {2, 3})
        self.check_forecast(['osd.7'], {7}, '--pin', 'always')
        self.cancel('osd.7', 'node2')
        self.assert_same(before, OURS)

    def test_the_balancer_makes_entries_meanwhile(self):
        c = self.cluster
        c.mon('config set', who='mgr', name='mgr/balancer/sleep_interval', value='1')
        c.mon('config set', who='mgr', name='mgr/balancer/upmap_max_deviation', value='1')
        self.addCleanup(c.mon, 'config rm', who='mgr', name='mgr/balancer/sleep_interval')
        self.addCleanup(c.mon, 'config rm', who='mgr', name='mgr/balancer/upmap_max_deviation')
        c.mgr('balancer mode', mode='upmap')
        c.mgr('balancer on')
        self.addCleanup(c.mgr, 'balancer off')
        wait_for('it has made entries', self.upmaps)
        observer, loader = self.observer(), self.load()
        self.assert_removed(self.tool.drain('node4'), 4)
        # between the last look and the stop the balancer may begin to move a PG that the node once had: elsewhere, and to elsewhere
        report = observer.finish()
        self.assertEqual([v for v in report['violations'] if 'its PG' not in v], [])
        self.assertEqual({s['osd'] for s in report['stops']}, {6, 7})
        self.assert_load(loader)
        self.assert_data()
