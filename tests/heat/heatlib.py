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
        self.port = port

    def script(self, name, *args):
        done = subprocess.run([str(RIG / name), *args], env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError('%s: %s' % (name, done.stderr[-2000:]))

    def start(self):
        for left in ('nova-state.json', 'nova.jsonl', 'heat.db', 'heat.db-wal', 'heat.db-shm'):      # no stack, no server
            (self.dir / left).unlink(missing_ok=True)
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
        """{server id: number of its host, by its address}"""
        ids = [r['physical_resource_id'] for r in self.resources(name) if r['resource_type'] == 'OS::Nova::Server']
        return {e['id']: int(e['address'].rsplit('.', 1)[1]) for e in self.nova('create') if e['id'] in ids}

    def nova(self, event):
        with open(self.dir / 'nova.jsonl') as f:
            return [e for e in map(json.loads, f) if e['event'] == event]

    def change_server(self, server, **fields):
        """What Nova says of it from now on."""
        r = hc.call('PUT', 'http://127.0.0.1:%d/test/servers/%s' % (self.port + 3, server), fields)
        assert r.status == 200, r.body

    def forget_server(self, server):
        """As if somebody had deleted it behind Heat's back."""
        hc.call('DELETE', 'http://127.0.0.1:%d/test/servers/%s' % (self.port + 3, server))

    def deleted(self):
        """Servers whose DELETE has reached Nova: {id: when}"""
        return {e['id']: e['time'] for e in self.nova('delete')}

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
        wait_for('%d gates wait' % n, lambda: len(self.gates(name)) == n, 180, 0.3)

    def waiting(self, name):
        """Host numbers of the servers behind the gates that wait: {host: server id}"""
        gates, servers = self.gates(name), self.servers(name)
        return {servers[r['physical_resource_id']]: r['physical_resource_id'] for r in self.resources(name)
                if r['resource_type'] == 'OS::Nova::Server' and r.get('parent_resource') in gates}

    def failed(self, name):
        return [m for m in self.members(name) if m['resource_status'] == 'DELETE_FAILED']

    def cancel(self, name):
        """Heat's own cancel: of the group's stack, which is the one that is updated."""
        group = next(r for r in self.resources(name) if r['resource_name'] == 'storage')
        path = next(link['href'] for link in group['links'] if link['rel'] == 'nested')
        return self.client('POST', path + '/actions', {'cancel_without_rollback': None})

    def open_gate(self, name, member):
        path = next(link['href'] for m in self.members(name) if m['resource_name'] == member for link in m['links'] if link['rel'] == 'nested')
        self.client('POST', path + '/resources/drain/signal', {'unset_hook': 'pre-delete'})

    def delete(self, name):
        """All of it, with every gate opened."""
        s = self.client.stack(name)
        if s is None:
            return
        path = '/stacks/%s/%s' % (name, s['id'])
        self.client('DELETE', path)

        def gone():
            now = self.client.stack(path[8:])
            if now is None or now['stack_status'] == 'DELETE_COMPLETE':
                return True
            if now['stack_status'] == 'DELETE_FAILED':
                self.client('DELETE', path)
            for m in self.gates(path[8:]):
                self.open_gate(path[8:], m)
        wait_for('the stack %s is deleted' % name, gone, 90, 0.5)
