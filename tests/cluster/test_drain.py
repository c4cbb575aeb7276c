# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole procedure, on both kinds of PG, under a client that never stops and an observer that trusts nobody."""
from cnlib.case import HOLD_FLAGS, POINTS, ClusterCase, wait_for

TIMEOUT = 1200


class Drains:
    KEY = 'client.cephnode'
    DATA = {'rep': (150, 131072), 'ec': (60, 131072), 'rbd': (30, 65536)}

    def test_a_node_under_load(self):
        c = self.cluster
        before, observer, loader = c.snapshot(), self.observer(), self.load(('rep', 'ec', 'rbd'))
        run = self.tool.drain('127.0.1.2')
        self.assert_removed(run, 2)
        self.assertEqual(self.assert_clean_report(observer, [2, 3])['violations'], [])
        self.assert_load(loader)
        self.assert_data()
        self.only_host_is_gone(before, 2)
        self.check_lines(run)
        c.wait_clean()
        after = c.snapshot()
        again = self.tool.drain('127.0.1.2')       # nothing left to do, and nothing done
        self.assert_code(again, 0)
        self.assert_same(after)
        self.assertEqual(self.drains(), [])

    def check_lines(self, run):
        self.assertEqual(len(run.lines), len(run.raw), 'a line that is no JSON: %s' % run)
        for x in run.lines:
            self.assertEqual((x['schema'], x['node']), (1, '127.0.1.2'))
            self.assertRegex(x['time'], r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$')
        plan, result = run.events('plan')[0], run.lines[-1]
        self.assertTrue(plan['forecast']['exact'], plan)
        self.assertEqual(run.steps(), [p for p in POINTS if plan['forecast']['pins'] or not p.startswith('pin:')])
        self.assertEqual(run.lines[0]['event'] in ('plan', 'step'), True)
        self.assertEqual((plan['osds'], result['osds'], result['reason']), ([2, 3], [2, 3], None))
        self.assertGreater(plan['pgs'], 0)
        self.assertGreater(result['seconds'], 0)
        self.assertGreaterEqual(result['bytes_moved'], plan['bytes_minimum'] // 2)
        progress = run.events('progress')
        self.assertTrue(progress, str(run))
        for x in progress:
            self.assertLessEqual(x['bytes_left'], x['bytes_total'])
            self.assertTrue(x['eta_seconds'] is None or x['eta_seconds'] >= 0)
            self.assertTrue(x['health'].startswith('HEALTH_'))
        self.assertEqual({x['bytes_total'] for x in progress}, {progress[0]['bytes_total']})      # though clients write on
        left = [x['bytes_left'] for x in progress]
        self.assertEqual(left, sorted(left, reverse=True))
        waits = [i for i, x in enumerate(run.lines) if x.get('step') == 'wait']
        inside = [i for i, x in enumerate(run.lines) if x['event'] == 'progress']
        self.assertTrue(any(waits[0] < i < waits[1] for i in inside), 'no progress in wait')

    def test_the_slow_half_of_a_move(self):
        """So slow that for many seconds the PGs of the young kind name the OSDs no longer, and are not moved yet."""
        c = self.cluster

        def pace(sleep, active):
            for i in c.osds():
                c.tell(i, 'config set', var='osd_recovery_sleep', val=[sleep])
                c.tell(i, 'config set', var='osd_recovery_max_active', val=[active])
        pace('0.4', '1')
        self.addCleanup(pace, '0', '16')
        observer = self.observer()
        run = self.tool.start_drain('127.0.1.2')
        waiting = run.wait_event(step='wait', state='begin')
        moved = run.wait_event(300, step='wait', state='end')
        self.assertGreater(moved['seconds'], 6, (waiting, moved))      # else this has tested nothing
        self.assert_removed(run.wait(), 2)
        self.assert_clean_report(observer, [2, 3])
        self.assert_data()
        plan = self.assert_code(self.tool.run('plan', 'node5', '-f', 'json'), 0).json      # goes by the speed that was seen
        self.assertAlmostEqual(plan['bytes_per_second_seen'], run.result['bytes_moved'] / moved['seconds'], delta=plan['bytes_per_second_seen'] / 4)
        self.assertEqual(plan['seconds_estimated'], plan['bytes_to_move'] // plan['bytes_per_second_seen'] + 1)

    def test_one_osd_of_a_node(self):
        """With an osdmaptool that swaps two OSDs of one of its PGs: it is not gone by, and all is as well."""
        c = self.cluster
        pgid = c.pgs_of([5])[0]
        liar = self.tool.other_maptool(r"TOOL | sed -E 's/^(%s[[:space:]].*\[)([0-9]+),([0-9]+)/\1\3,\2/'" % pgid.replace('.', r'\.'))
        observer, loader = self.observer(), self.load()
        run = self.tool.drain('osd.5', env=liar)
        self.assert_code(run, 0)
        forecast = run.events('plan')[0]['forecast']
        self.assertEqual((forecast['exact'], forecast['reason']), (False, 'osdmaptool maps PG %s otherwise than the monitors do' % pgid))
        self.assertEqual((run.result['outcome'], run.result['osds']), ('removed', [5]))
        self.assertIsNone(c.osd(5))
        self.assertTrue(c.is_up(4))
        self.assertEqual((c.crush_weight(4), c.crush_weight(5), c.has_bucket('node3')), (0x10000, None, True))
        self.assert_clean_report(observer, [5])
        self.assert_load(loader)
        self.assert_data()

    def test_two_nodes_in_one_call(self):
        first, observer, loader = self.cluster.mon('osd dump')['epoch'], self.observer(), self.load()
        run = self.tool.drain('node2', 'node4')
        self.assert_code(run, 0)
        self.assertEqual((run.result['outcome'], sorted(run.result['osds'])), ('removed', [2, 3, 6, 7]))
        for host in (2, 4):
            self.assert_gone(host)
        self.assert_clean_report(observer, [2, 3, 6, 7])
        self.assert_load(loader)
        self.assert_data()
        self.check_together(first, [2, 3, 6, 7])

    def check_together(self, epoch, osds):
        """They reach weight 0 together: from the epoch of the first to that of the last the flags stand, and nothing moves."""
        c, version, zero, flags = self.cluster, None, {}, {}
        while len(zero) < len(osds):
            m = c.mon('osd dump', epoch=epoch)
            flags[epoch] = set(m['flags_set'])
            if m['crush_version'] != version:
                version = m['crush_version']
                weights = c.crush_weights(epoch)
                for i in osds:
                    if weights[i] == 0:
                        zero.setdefault(i, epoch)
            epoch += 1
        for e in range(min(zero.values()), max(zero.values()) + 1):
            self.assertLessEqual(HOLD_FLAGS, flags[e], (e, zero))

    def test_a_node_whose_daemons_are_dead(self):
        """Their disks are lost (memstore, SIGKILL): what the others hold must suffice, and removal waits for it."""
        c = self.cluster
        observer, loader = self.observer(expected=[2, 3]), self.load()
        for i in (2, 3):
            c.kill('osd.%d' % i)
        wait_for('they are down', lambda: not c.is_up(2) and not c.is_up(3))
        wait_for('the PGs have found new primaries, and have told so', lambda: not any(
            {2, 3} & set(p['up'] + p['acting']) or 'stale' in p['state'] or 'peering' in p['state'] for p in c.pgs()))
        run = self.tool.drain('127.0.1.2')
        self.assert_removed(run, 2)
        self.assert_clean_report(observer, [2, 3])
        self.assert_load(loader)
        self.assert_data()

    def test_leftovers_are_swept(self):
        """What purge leaves behind, and what is not the node's to remove."""
        c = self.cluster
        uuid = c.osd(2)['uuid']
        for key in ('daemon-private/osd.2/x', 'dm-crypt/osd/%s/luks' % uuid, 'daemon-private/osd.4/x', 'dm-crypt/osd/another/luks'):
            c.mon('config-key set', key=key, val='1')
            self.addCleanup(c.mon, 'config-key rm', key=key)
        c.mon('auth get-or-create', entity='client.osd-lockbox.' + uuid, caps=['mon', 'allow r'])
        c.mon('config set', who='osd.2', name='osd_max_scrubs', value='2')
        c.mon('config set', who='osd.4', name='osd_max_scrubs', value='2')
        self.addCleanup(c.mon, 'config rm', who='osd.4', name='osd_max_scrubs')
        c.mon('osd set-group', flags='noout', who=['node2'])
        c.wait_clean()
        self.assert_removed(self.tool.drain('node2', '--accept', 'existing'), 2)
        keys, auth = c.config_keys(), {a['entity'] for a in c.mon('auth ls')['auth_dump']}
        self.assertFalse([k for k in keys if ('osd.2/' in k or uuid in k) and not k.startswith(('config-history/', 'cephnode/'))], keys)
        self.assertNotIn('client.osd-lockbox.' + uuid, auth)
        self.assertEqual([x['section'] for x in c.mon('config dump') if x['section'].startswith('osd.')], ['osd.4'])
        self.assertLessEqual({'daemon-private/osd.4/x', 'dm-crypt/osd/another/luks'}, set(keys))
        self.assertEqual(c.mon('osd dump')['crush_node_flags'], {})

    def test_the_flags_are_held_only_in_the_hold(self):
        run = self.tool.start_drain('node2', trap='reweight:end:STOP')
        run.wait_stopped()
        self.assertLessEqual(HOLD_FLAGS, self.cluster.flags())
        run.cont()
        run.wait_event(step='wait', state='begin')
        self.assertEqual(self.cluster.flags() & HOLD_FLAGS, set())
        self.assert_removed(run.wait(), 2)


class Young(Drains, ClusterCase):
    SHAPE = dict(HOSTS=6, OSDS=2)


class Old(Drains, ClusterCase):
    SHAPE = dict(HOSTS=6, OSDS=2, OLD=1)
