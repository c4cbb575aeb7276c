# SPDX-License-Identifier: LGPL-2.1-or-later
"""`cephnode heat hook` on a real Heat and a real Ceph cluster, with the templates of docs/heat: the server goes after its data."""
import json
import shlex
import subprocess
import sys
import time

from heatlib import PROPERTIES, RIG, Heat, wait_for
from cnlib.case import ClusterCase, QUICK, unittest
from cnlib.util import CEPHNODE, OTHERMACHINE, clean_env, die_with_parent

STACK = 'storage1'


class Hook(ClusterCase):
    SHAPE = dict(HOSTS=4, OSDS=2, **QUICK)
    DATA = {'rep': (80, 65536), 'ec': (40, 65536)}

    @classmethod
    def setUpClass(cls):
        cls.heat = Heat(port=25500)
        cls.heat.start()
        cls.addClassCleanup(cls.heat.stop)
        super().setUpClass()
        env = cls.heat.dir / 'env.yaml'
        env.write_text('resource_registry:\n')      # the rig has no Cinder
        stack = cls.heat.client.create(STACK, 'hook.yaml', str(env), timeout_mins=10080, count=4, **PROPERTIES)
        if stack['stack_status'] != 'CREATE_COMPLETE':
            raise RuntimeError(json.dumps(stack))

    def node(self, address, server):
        """What runs on that server: os-collect-config and heat-config, with cephnode as hook, on a machine that is the CRUSH host."""
        host = int(address.rsplit('.', 1)[1])
        machine = self.dir / ('machine%d' % host)
        (machine / 'var/lib/cloud/data').mkdir(parents=True)
        (machine / 'var/lib/cloud/data/instance-id').write_text(server + '\n')
        script = self.dir / ('hook%d' % host)
        script.write_text('#!/bin/sh\nexec env LD_PRELOAD=%s OTHER_ROOT=%s OTHER_NAME=%s OTHER_ADDRESSES=%s '
                          'ASAN_OPTIONS=verify_asan_link_order=0 %s -c %s heat hook\n' % tuple(
                              shlex.quote(str(x)) for x in (OTHERMACHINE, machine, self.cluster.name(host), address, CEPHNODE,
                                                            self.cluster.conf)))
        script.chmod(0o755)
        log = open(self.dir / ('node%d.log' % host), 'w')
        p = subprocess.Popen([sys.executable, str(RIG / 'node.py'), server, str(script)], stdin=subprocess.DEVNULL, stdout=log,
                             stderr=log, env=clean_env(CN_HEAT=str(self.heat.dir), KS_URL='http://127.0.0.1:25500/v3'),
                             preexec_fn=die_with_parent)
        self.addCleanup(lambda: (p.kill(), p.wait()))

    def answer(self, member):
        """The outputs of the member's deployment, where an operator finds them."""
        drain = next(r for r in self.heat.resources(STACK) if r['resource_name'] == 'drain' and r['parent_resource'] == member)
        return self.heat.client('GET', '/software_deployments/' + drain['physical_resource_id']).json['software_deployment']

    def members(self, status=None):
        return [m['resource_name'] for m in self.heat.resources(STACK)
                if m['resource_type'] == 'hook-node.yaml' and status in (None, m['resource_status'])]

    def settled(self):
        return not self.members('DELETE_IN_PROGRESS')

    def gone(self, before=()):
        """Waits until one more server is deleted; its OSDs must be gone at the first sight of that. Its host."""
        def look():
            return [a for a in self.heat.deleted() if a not in before]
        addresses = wait_for('a server is deleted', look, 180, 0.1)
        left, host = self.cluster.osds(), int(addresses[0].rsplit('.', 1)[1])
        self.assertEqual((len(addresses), set(self.cluster.ids(host)) & set(left)), (1, set()))
        return host

    def test_scale_down(self):
        """Drained, then deleted. Refused, then kept; with more room the same one goes, and only it."""
        observer, began = self.observer(), time.monotonic()
        for address, server in self.heat.servers(STACK).items():
            self.node(address, server)
        self.heat.down(STACK)
        first = self.gone()
        print('POST to DELETE in %.1f s' % (time.monotonic() - began), file=sys.stderr)
        self.assert_gone(first)
        self.assert_clean_report(observer, self.cluster.ids(first))
        self.assert_data()
        wait_for('the group rests', lambda: self.settled() and len(self.members()) == 3, 60, 0.5)

        left = self.cluster.snapshot()
        self.heat.down(STACK)
        failed = wait_for('the second is refused', lambda: self.members('DELETE_FAILED'), 120, 0.5)
        self.assertEqual(len(failed), 1)
        told = self.answer(failed[0])
        self.assertEqual((told['status'], told['output_values']['outcome'], told['output_values']['deploy_status_code']),
                         ('FAILED', 'refused', 4))
        self.assertIn('host', told['output_values']['reason'])
        self.assertEqual(len(self.heat.deleted()), 1)
        self.assert_same(left)

        self.cluster.restore_host(first)
        self.cluster.wait_clean()
        wait_for('the group rests', self.settled, 60, 0.5)
        before = self.heat.deleted()
        self.heat.patch(STACK, count=2)
        second = self.gone(before)
        wait_for('the group rests', lambda: self.settled() and len(self.members()) == 2, 60, 0.5)
        self.assertNotIn(failed[0], self.members())
        self.assert_gone(second)
        self.assertEqual(len(self.heat.deleted()), 2)
        self.assert_data()


if __name__ == '__main__':
    unittest.main()
