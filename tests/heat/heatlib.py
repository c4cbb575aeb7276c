# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real Keystone and Heat (rig/) beside a real Ceph cluster, for tests: server N of Nova has the address of CRUSH host N."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
RIG = HERE / 'rig'
sys.path[:0] = [str(HERE.parent / 'cluster'), str(RIG)]

import hc  # noqa: E402
from cnlib.util import wait_for  # noqa: E402, F401

PROPERTIES = dict(image='node-image', flavor='node', network='storage', min=1)


class Heat:
    """One installation; keep its folder (CN_HEAT) and the next start takes seconds."""

    def __init__(self, port=25400, folder=None, **settings):
        self.kept = folder or os.environ.get('CN_HEAT')
        self.dir = pathlib.Path(self.kept or tempfile.mkdtemp(prefix='cn-heat.'))
        self.env = dict(os.environ, CN_HEAT=str(self.dir), CN_PORT=str(port), **{k: str(v) for k, v in settings.items()})
        hc.KS = 'http://127.0.0.1:%d/v3' % port
        self.seen = 0

    def script(self, name, *args):
        done = subprocess.run([str(RIG / name), *args], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError('%s: %s' % (name, done.stderr[-2000:]))

    def start(self):
        (self.dir / 'nova-state.json').unlink(missing_ok=True)      # addresses begin at 127.0.1.1 again
        (self.dir / 'nova.jsonl').unlink(missing_ok=True)
        self.script('start.sh')
        self.client = hc.Session()

    def stop(self):
        self.script('stop.sh')
        if not self.kept:
            shutil.rmtree(self.dir, ignore_errors=True)

    def restart_engine(self):
        """As after a crash of heat-engine: what was under way is not taken up again."""
        self.script('lib.sh', 'restart_heat')

    # --- for cephnode ---
    def os_env(self, **more):
        return dict(OS_AUTH_URL=hc.KS, OS_USERNAME='operator', OS_PASSWORD='operator-pw', OS_PROJECT_NAME='ops', **more)

    # --- the stack ---
    def create(self, name, count, timeout_mins=10080, **params):
        stack = self.client.create(name, 'gate.yaml', 'gate-env.yaml', timeout_mins=timeout_mins, count=count, **{**PROPERTIES, **params})
        if stack['stack_status'] != 'CREATE_COMPLETE':
            raise RuntimeError(json.dumps(stack))

    def down(self, name):
        """POST to scale_storage_dn_url, without any credential."""
        r = self.client.alarm(name, 'dn')
        assert r.status == 200, r.body

    def patch(self, name, **params):
        s = self.client.stack(name)
        r = self.client('PATCH', '/stacks/%s/%s' % (name, s['id']), {'parameters': params})
        assert r.status == 202, r.body

    def resources(self, name):
        return self.client.resources(name)

    def members(self, name):
        return [r for r in self.resources(name) if r['resource_type'] == 'gate-node.yaml']

    def servers(self, name):
        """{address: server id}"""
        ids = [r['physical_resource_id'] for r in self.resources(name) if r['resource_type'] == 'OS::Nova::Server']
        return {e['address']: e['id'] for e in self.nova('create') if e['id'] in ids}

    def nova(self, event):
        with open(self.dir / 'nova.jsonl') as f:
            return [e for e in map(json.loads, f) if e['event'] == event]

    def deleted(self):
        """{address: time of the DELETE that reached Nova}"""
        address = {e['id']: e['address'] for e in self.nova('create')}
        return {address[e['id']]: e['time'] for e in self.nova('delete')}

    def gates(self, name):
        """Members whose deletion waits: {member: events}"""
        waiting = {}
        for m in self.members(name):
            if m['resource_status'] != 'DELETE_IN_PROGRESS':
                continue
            path = next(link['href'] for link in m['links'] if link['rel'] == 'nested')
            events = self.client('GET', path + '/resources/drain/events?sort_dir=desc').json['events']
            if 'paused' in events[0]['resource_status_reason']:
                waiting[m['resource_name']] = events[0]
        return waiting

    def wait_gates(self, name, n):
        wait_for('%d gates wait' % n, lambda: len(self.gates(name)) == n, 60, 0.3)

    def delete(self, name):
        s = self.client.stack(name)
        self.client('DELETE', '/stacks/%s/%s' % (name, s['id']))
