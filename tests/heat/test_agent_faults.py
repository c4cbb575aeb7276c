# SPDX-License-Identifier: LGPL-2.1-or-later
"""`cephnode heat agent` on a real Heat and a real Ceph cluster, while one of them fails in the middle of a drain. Nothing moves in that
middle before the test lets it."""
from heatcase import AgentCase, wait_for
from cnlib.case import QUICK, unittest

PATCH = 'openstack stack update --existing'      # the next step, in the agent's words


class Faults(AgentCase):
    DATA = {'rep': (60, 16384)}
    SERVERS = 2
    SHAPE = dict(HOSTS=4, OSDS=1, **QUICK)

    def ended_well(self, run, host):
        """After let_go(), and whatever Heat needed."""
        self.wait_gone([host], 240)
        self.assert_gone(host)
        wait_for('one member is gone, no more', lambda: self.at_rest(self.SERVERS - 1), 60)
        self.assert_data()
        self.end(run)

    def given_up(self, run, host):
        """Heat no longer waits: told, with the next step; weights 0, OSDs and server there. The retry takes the same node."""
        self.says(run, 'waits no more', 60)
        self.says(run, 'to take it back: cephnode cancel ip:127.0.1.%d' % host)
        self.says(run, 'Heat has given up', 60)
        self.says(run, PATCH)
        self.assertEqual(set(self.weights(host)), {0})
        self.assertTrue(all(self.cluster.is_up(i) for i in self.osds_of(host)))
        self.kept()

    def test_cancelled_by_heat(self):
        run, host, server = self.middle()
        self.heat.cancel(self.stack)
        self.wait_kept('Heat has given up', lambda: self.heat.failed(self.stack), 60)
        self.given_up(run, host)
        self.let_go()
        self.shrink()
        self.ended_well(run, host)

    def test_time_is_over(self):
        """The stack's timeout_mins."""
        self.heat.set_timeout(self.stack, 1, self.SERVERS)
        run, host, server = self.middle()
        self.says(run, 'gives up on this deletion', 30)
        self.wait_kept('Heat has given up', lambda: self.heat.failed(self.stack), 120)
        self.given_up(run, host)
        self.let_go()
        self.shrink(timeout_mins=1000)
        self.ended_well(run, host)

    def test_engine_killed(self):
        """Heat forgets what it was doing: the drain goes on, signals get 200 and nothing moves; the operator is told, a PATCH ends it."""
        run, host, server = self.middle()
        self.heat.restart_engine()
        self.let_go()
        self.says(run, 'opened', 120)
        self.says(run, 'engine was restarted', 240)
        self.says(run, PATCH)
        self.assert_gone(host, deleted=False)
        self.kept()
        self.shrink()
        self.ended_well(run, host)

    def test_engine_restarted_and_patched(self):
        """The other order: the operator knows, and starts it again in mid-drain. The gate closes again, the drain is not begun anew."""
        run, host, server = self.middle()
        self.heat.restart_engine('TERM')
        self.kept()
        self.shrink()
        self.heat.wait_gates(self.stack, 1)
        self.assertEqual(list(self.heat.waiting(self.stack)), [host])
        self.let_go()
        self.ended_well(run, host)

    def test_keystone_away(self):
        """Heat remembers tokens for 5 minutes, as by default: it opens the gate without Keystone, and then fails by itself."""
        run, host, server = self.middle()
        self.heat.stop_keystone()
        try:
            self.let_go()
            run.wait_event(240, event='result', outcome='removed')
        finally:
            self.heat.start_keystone()
        self.assert_gone(host, deleted=False)
        wait_for('Heat goes on or has given up', lambda: self.gone() or self.heat.failed(self.stack), 240, 0.5)
        if not self.gone():
            self.says(run, PATCH)
            self.shrink()
        self.ended_well(run, host)

    def test_mon_away(self):
        """For a minute: the agent waits, or tries again, and says so."""
        run, host, server = self.middle('--op-timeout', '5')
        self.mon_away(60, lambda: self.assertFalse(run.ended, str(run)))
        self.assertIn('going on when they come back', ' '.join(e['message'] for e in run.events('warning')))
        self.let_go()
        self.ended_well(run, host)

    def test_mon_away_at_the_gate(self):
        """Before anything was begun: closed, and said."""
        self.cluster.stop('mon.a')
        try:
            run = self.agent('--op-timeout', '5', '--connect-timeout', '5')
            (host, server), = self.down().items()
            self.says(run, 'every gate stays closed, trying again', 60)
            self.kept()
        finally:
            self.cluster.cont('mon.a')
        self.ended_well(run, host)


class Tokens(AgentCase):
    """Heat asks Keystone about each token each time, so that it is Keystone's word that counts. A token that lives for less than the two
    minutes that keystoneauth wants to be left would make Heat log in anew for everything it does."""
    HEAT = dict(TOKEN_SECONDS=140, HEAT_EXTRA='[keystone_authtoken]\ntoken_cache_time = -1')
    DATA = {'rep': (60, 16384)}
    SERVERS = 2
    SHAPE = dict(HOSTS=4, OSDS=1, **QUICK)

    def ended_well(self, run, host):
        self.wait_gone([host], 240)
        self.assert_gone(host)
        self.assert_data()
        self.end(run)

    def test_runs_out(self):
        """Renewed before, no request is refused."""
        run, host, server = self.middle()
        token = self.fresh_token()
        self.wait_kept('a token that is younger than the agent\'s first has run out', lambda: not self.heat.is_good(token), 200)
        self.assertNotIn('401', run.stderr)
        self.let_go()
        self.ended_well(run, host)
        self.assertNotIn('trying again', run.stderr)

    def fresh_token(self):
        self.heat.client.__init__(*self.heat.client.again)
        return self.heat.client.token

    def test_revoked(self):
        """In mid-drain, before its time: one 401, a new login."""
        run, host, server = self.middle()
        token = self.fresh_token()
        self.heat.revoke_tokens()
        self.assertFalse(self.heat.is_good(token))
        self.let_go()
        self.ended_well(run, host)
        self.assertNotIn('trying again', run.stderr)

    def test_keystone_away(self):
        """The drain goes on without it, to its end; the gate stays closed, and that is said; it opens when Keystone is back."""
        run, host, server = self.middle()
        self.heat.stop_keystone()
        try:
            self.says(run, 'the drain goes on, no gate is opened before Heat answers', 60)
            self.let_go()
            run.wait_event(240, event='result', outcome='drained')
            self.says(run, ': kept: ', 60)
            self.assertEqual(set(self.weights(host)), {0})
            self.kept()
        finally:
            self.heat.start_keystone()
        self.ended_well(run, host)


class Retire(AgentCase):
    DATA = {'rep': (60, 16384)}
    SERVERS = 3
    SHAPE = dict(HOSTS=4, OSDS=1, **QUICK)

    def test_again_after_a_failure(self):
        """Too few hosts, until Heat's time is over; with more room the same command takes that node, though an older one is there."""
        agent = self.agent()
        self.assert_code(self.retire('node3'), 0)
        self.wait_gone([3])
        wait_for('the group rests', lambda: self.at_rest(2), 60, 0.5)
        self.heat.set_timeout(self.stack, 1, 2)
        before = self.cluster.snapshot()
        run = self.assert_code(self.retire('ip:' + self.cluster.address(2)), 5)
        self.says(agent, 'refused')
        self.assertIn('the same command takes it again, and only it', run.stderr)
        (failed,) = self.heat.failed(self.stack)
        self.assertEqual(self.gone(), [3])
        self.assert_same(before)
        self.cluster.restore_host(3)
        self.cluster.wait_clean()
        self.assert_code(self.retire('node2'), 0)
        self.wait_gone([2, 3])
        wait_for('the group rests', lambda: self.at_rest(1), 60, 0.5)
        self.assertEqual(list(self.heat.servers(self.stack).values()), [1])
        self.assertNotIn(failed['resource_name'], [m['resource_name'] for m in self.heat.members(self.stack)])
        self.assertTrue(set(self.osds_of(2)).isdisjoint(self.cluster.osds()))
        self.assert_data()
        self.end(agent)


if __name__ == '__main__':
    unittest.main()
