# SPDX-License-Identifier: LGPL-2.1-or-later
"""The base of every test on a real Heat: a stack a test, a Heat and a Ceph cluster a class. Whatever a test does, a server's DELETE
must find its OSDs gone from the cluster: gone() asserts it at the first sight of each."""
import os
import shlex
import subprocess
import sys
import time

from heatlib import RIG, Heat, hc, wait_for
from cnlib.case import ClusterCase, QUICK, signal
from cnlib.util import CEPHNODE, OTHERMACHINE, clean_env, die_with_parent, is_flocked

HOLD = ('norecover', 'nobackfill')


class HeatCase(ClusterCase):
    SHAPE = dict(HOSTS=6, OSDS=2, **QUICK)
    SERVERS = 5
    HEAT = {}
    WAY, PARAMS = 'gate', {}
    stacks = 0

    @classmethod
    def setUpClass(cls):
        cls.heat = Heat(**cls.HEAT)
        cls.heat.start()
        cls.addClassCleanup(cls.heat.stop)
        super().setUpClass()

    def run(self, result=None):
        began = time.monotonic()
        super().run(result)
        print('%.0f s' % (time.monotonic() - began), file=sys.stderr)

    def setUp(self):
        super().setUp()
        HeatCase.stacks += 1
        self.stack = 'storage%d' % HeatCase.stacks
        self.addCleanup(self.clear)
        self.heat.create(self.stack, self.SERVERS, way=self.WAY, **{**self.PARAMS, **getattr(getattr(self, self._testMethodName), 'params', {})})
        self.addCleanup(self.tool.cleanup)      # the agent ends before its stack does
        self.all = self.heat.servers(self.stack)
        self.seen, self.empty = set(), set()       # hosts whose server was deleted; those that may go with their OSDs alive

    def clear(self):
        """The next test finds neither stack nor server."""
        if not self.heat.delete(self.stack):
            print('Heat cannot delete %s: it begins anew' % self.stack, file=sys.stderr)
            self.heat.renew()

    # --- servers ---
    def osds_of(self, host):
        """The OSDs on server N."""
        return self.cluster.ids(host)

    def gone(self):
        """Hosts whose server's DELETE has reached Nova, of this stack. At the first sight of it their OSDs must be gone."""
        hosts = sorted(self.all[s] for s in self.heat.deleted() if s in self.all)
        new = [h for h in hosts if h not in self.seen]
        left = set(self.cluster.osds()) if new else set()
        for host in new:
            self.seen.add(host)
            if host not in self.empty:
                self.assertEqual(left & set(self.osds_of(host)), set(), 'server of host %d deleted' % host)
        return hosts

    def statuses(self):
        return sorted(m['resource_status'] for m in self.heat.members(self.stack))

    def wait_gone(self, hosts, seconds=60):
        wait_for('the servers of %s are deleted' % sorted(hosts), lambda: self.gone() == sorted(hosts), seconds, 0.1)

    def assert_gone(self, host, deleted=True):
        if deleted:
            self.assertIn(host, self.seen)
        super().assert_gone(host)

    def kept(self):
        self.assertEqual(self.gone(), [])

    def wait_kept(self, what, predicate, seconds):
        """Waits, and no server goes meanwhile."""
        def look():
            self.kept()
            return predicate()
        return wait_for(what, look, seconds, 0.5)

    def shrink(self, n=1, **more):
        """The retry: the size that the stack shall have."""
        self.heat.patch(self.stack, count=self.SERVERS - n, **more)

    def at_rest(self, n):
        """The stack has n members, and nothing happens to any."""
        return [m['resource_status'][-8:] for m in self.heat.members(self.stack)] == ['COMPLETE'] * n

    def only_deletes(self):
        """Heat is done with the members that stay."""
        self.wait_kept('Heat waits for nothing else', lambda: self.heat.only_deletes(self.stack), 60)

    def retire(self, node):
        return self.tool.run('heat', 'retire', '--stack', self.stack, '--yes', node, env=self.heat.os_env(), timeout=300)

    # --- a move whose middle lasts until it is let go ---
    def hold(self):
        for flag in HOLD:
            self.cluster.mon('osd set', key=flag)

    def let_go(self):
        for flag in HOLD:
            self.cluster.mon('osd unset', key=flag)

    def weights(self, host):
        return [self.cluster.crush_weight(i) for i in self.osds_of(host)]

    def mon_away(self, seconds, meanwhile):
        """It does not answer for so long; meanwhile() is called again and again."""
        self.cluster.stop('mon.a')
        since = time.monotonic()
        try:
            def look():
                meanwhile()
                self.assertEqual([s for s in self.heat.deleted() if s in self.all], [])
                return time.monotonic() - since >= seconds
            wait_for('%d s without the mon are over' % seconds, look, seconds + 30, 0.5)
        finally:
            self.cluster.cont('mon.a')


class AgentCase(HeatCase):
    def agent(self, *args, env=None, **more):
        return self.tool.start('heat', 'agent', '--stack', self.stack, '--interval', '1', '-f', 'json', *args,
                               env=self.heat.os_env(**(env or {})), **more)

    def once(self, *args, **more):
        return self.agent('--once', *args, **more).wait(180)

    def end(self, run, *codes):
        """Ends an agent as systemd does."""
        run.send(signal.SIGTERM)
        run.wait(20)
        self.assert_code(run, *(codes or (0,)))

    def down(self, n=1):
        """Scales down and waits for the gates: {host: server}"""
        self.heat.down(self.stack) if n == 1 else self.shrink(n)
        self.heat.wait_gates(self.stack, n)
        return self.heat.waiting(self.stack)

    def says(self, run, text, timeout=60):
        wait_for('it says: %s' % text, lambda: text in run.stderr or run.ended, timeout)
        self.assertIn(text, run.stderr, str(run))

    def middle(self, *args):
        """An agent whose drain has begun, and moves nothing before let_go(): (agent, host, server)"""
        self.hold()
        run = self.agent('--accept', 'OSDMAP_FLAGS', *args)
        (host, server), = self.down().items()
        run.wait_event(120, step='wait', state='begin')
        run.wait_event(60, event='progress')
        self.only_deletes()
        return run, host, server


class Node:
    """What runs on a server: os-collect-config and heat-config with cephnode as hook, on a machine that is the CRUSH host."""

    def __init__(self, case, host, server):
        self.case, self.host, self.server = case, host, server
        self.root, self.log = case.dir / ('machine%d' % host), case.dir / ('node%d.log' % host)
        self.folder = self.root / 'var/lib/heat-config'
        (self.root / 'var/lib/cloud/data').mkdir(parents=True)
        (self.root / 'var/lib/cloud/data/instance-id').write_text(server + '\n')
        self.script('hooks/cephnode', '-c', case.cluster.conf, '--op-timeout', 10, 'heat', 'hook')
        self.script('recover', 'heat', 'hook', '--recover')
        self.boot()

    def script(self, name, *args):
        """A call of cephnode that takes itself for this machine."""
        c, path = self.case.cluster, self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        words = [shlex.quote(str(x)) for x in (OTHERMACHINE, self.root, c.name(self.host), c.address(self.host), CEPHNODE, *args)]
        path.write_text('#!/bin/sh\nexec env LD_PRELOAD=%s OTHER_ROOT=%s OTHER_NAME=%s OTHER_ADDRESSES=%s '
                        'ASAN_OPTIONS=verify_asan_link_order=0 %s 2>>%s\n' % (*words[:4], ' '.join(words[4:]), shlex.quote(str(self.log))))
        path.chmod(0o755)

    def boot(self, recover=True):
        """As systemd starts os-collect-config, with the drop-in of `heat hook --install` or without."""
        with open(self.log, 'a') as log:
            if recover:
                subprocess.run([str(self.folder / 'recover')], stdin=subprocess.DEVNULL, stdout=log, check=True)
            self.process = subprocess.Popen([sys.executable, str(RIG / 'node.py'), self.server, str(self.folder)], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=clean_env(CN_HEAT=str(self.case.heat.dir), KS_URL=hc.KS), preexec_fn=die_with_parent)

    def end(self):
        """KILL, of the hook too."""
        self.process.kill()
        self.process.wait()

    def is_locked(self):
        """Its hook runs."""
        return is_flocked(self.folder / 'deployed')

    @property
    def said(self):
        return self.log.read_text(errors='replace')


class HookCase(HeatCase):
    WAY = 'hook'

    def setUp(self):
        super().setUp()
        self.nodes = {}
        for server, host in self.all.items():
            self.nodes[host] = Node(self, host, server)
            self.addCleanup(self.nodes[host].end)

    def down(self, n=1):
        """Scales down and waits until the hooks run: the hosts."""
        self.heat.down(self.stack) if n == 1 else self.shrink(n)
        return wait_for('%d hooks run' % n, lambda: (lambda h: len(h) == n and h)([h for h, x in self.nodes.items() if ' hook for ' in x.said]), 60)

    def middle(self):
        """A node whose drain has begun, and moves nothing before let_go(): its host."""
        self.hold()
        (host,) = self.down()
        self.says(host, 'cephnode: wait\n')
        self.only_deletes()
        return host

    def says(self, host, text, times=1, timeout=90):
        wait_for('the node %d says %d times: %s' % (host, times, text), lambda: self.nodes[host].said.count(text) >= times, timeout)

    def wait_failed(self, seconds):
        """Heat has given up or was told so, the server is kept: the member."""
        failed = self.wait_kept('Heat has given up', lambda: self.heat.failed(self.stack), seconds)
        self.assertEqual(len(failed), 1)
        return failed[0]['resource_name']

    def host_of(self, member):
        return next(self.all[r['physical_resource_id']] for r in self.heat.resources(self.stack)
                    if r['resource_type'] == 'OS::Nova::Server' and r['parent_resource'] == member)

    def told(self, member):
        """(status, code, outcome) of its deployment, and the reason."""
        d = self.heat.deployment(self.stack, member)
        out = d['output_values'] or {}
        return (d['status'], out.get('deploy_status_code'), out.get('outcome')), out.get('reason')
