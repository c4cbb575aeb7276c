# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real Keystone and Heat (rig/) beside a real Ceph cluster, for tests: server N of Nova has the address of CRUSH host N."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
RIG = HERE / 'rig'
sys.path[:0] = [str(HERE.parent / 'cluster'), str(RIG)]

import hc  # noqa: E402
from cnlib.util import Timeout, wait_for  # noqa: E402

ADMIN_PW = 'admin-pw-of-the-test-rig'
PROPERTIES = dict(image='node-image', flavor='node', network='storage', min=1)


def nested(resource):
    """Where its own stack is."""
    return next(link['href'] for link in resource['links'] if link['rel'] == 'nested')


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

    def restart_engine(self, signal='KILL'):
        """As after a crash of heat-engine (KILL), or by its service (TERM)."""
        self.script('lib.sh', 'restart_heat', signal)

    def stop_keystone(self):
        self.script('lib.sh', 'stop', 'keystone')

    def start_keystone(self):
        self.script('lib.sh', 'start_keystone')

    def revoke_tokens(self):
        """All tokens of the operator, as when the password is set: to the same one."""
        admin = hc.Session('admin', ADMIN_PW, 'admin')
        user = admin('GET', hc.KS + '/users?name=operator').json['users'][0]['id']
        wait_for('the second is over: what is issued in the same one is not revoked', lambda n=int(time.time()): int(time.time()) > n, 3)
        r = admin('PATCH', '%s/users/%s' % (hc.KS, user), {'user': {'password': 'operator-pw'}})
        assert r.status == 200, r.body

    def is_good(self, token):
        return hc.call('GET', self.client.heat + '/stacks', token=token).status == 200

    def asked(self, what):
        """How many requests to Heat had this in their path."""
        with open(self.dir / 'heat.log', errors='replace') as f:
            return sum('eventlet.wsgi' in line and what in line for line in f)

    # --- for cephnode ---
    def os_env(self, **more):
        return dict(dict(OS_AUTH_URL=hc.KS, OS_USERNAME='operator', OS_PASSWORD='operator-pw', OS_PROJECT_NAME='ops'), **more)

    # --- the stack ---
    def create(self, name, count, timeout_mins=10080, way='gate', **params):
        """way: gate or hook, as the templates in docs/heat are called."""
        env = 'gate-env.yaml'
        if way == 'hook':
            env = self.dir / 'no-cinder.yaml'
            env.write_text('resource_registry:\n')
        stack = self.client.create(name, way + '.yaml', str(env), timeout_mins=timeout_mins, count=count, **{**PROPERTIES, **params})
        if stack['stack_status'] != 'CREATE_COMPLETE':
            raise RuntimeError(json.dumps(stack))

    def down(self, name):
        """POST to scale_storage_dn_url, without any credential."""
        r = self.client.alarm(name, 'dn')
        assert r.status == 200, r.body

    def patch(self, name, timeout_mins=None, **params):
        s = self.client.stack(name)
        r = self.client('PATCH', '/stacks/%s/%s' % (name, s['id']), dict({'parameters': params}, **{'timeout_mins': timeout_mins} if timeout_mins else {}))
        assert r.status == 202, r.body

    def set_timeout(self, name, minutes, size):
        """Before anything is deleted: the size is as it was."""
        self.patch(name, timeout_mins=minutes, count=size)
        self.wait_updated(name)

    def wait_updated(self, name):
        wait_for('that is done', lambda: self.client.stack(name)['stack_status'] == 'UPDATE_COMPLETE', 60, 0.5)

    def resources(self, name):
        return self.client.resources(name)

    def members(self, name):
        return [r for r in self.resources(name) if r['resource_type'] in ('gate-node.yaml', 'hook-node.yaml')]

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
            r = self.client('GET', nested(m) + '/resources/drain/events?sort_dir=desc')
            if r.status == 200 and 'paused' in r.json['events'][0]['resource_status_reason']:     # 404: it has just gone
                waiting[m['resource_name']] = r.json['events'][0]
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

    def only_deletes(self, name):
        """The members that stay are as they will be: in its first seconds a scale-down updates them, too."""
        return all(m['resource_status'] == 'DELETE_IN_PROGRESS' or m['resource_status'].endswith('COMPLETE') for m in self.members(name))

    def cancel(self, name):
        """Heat's own cancel: of the group's stack, which is the one that is updated. It ends one member of those that it finds at work."""
        group = next(r for r in self.resources(name) if r['resource_name'] == 'storage')
        return self.client('POST', nested(group) + '/actions', {'cancel_without_rollback': None})

    def signal(self, name, member, doc):
        """To the resource `drain` of a member, if it is still there."""
        for m in self.members(name):
            if m['resource_name'] == member:
                self.client('POST', nested(m) + '/resources/drain/signal', doc)

    def deploying(self, name):
        """Deployments that wait for their node."""
        return [r for r in self.resources(name) if r['resource_type'] == 'OS::Heat::SoftwareDeployment' and r['resource_status'] == 'DELETE_IN_PROGRESS']

    def deployment(self, name, member):
        """Its outputs, where an operator finds them."""
        drain = next(r for r in self.resources(name) if r['resource_name'] == 'drain' and r['parent_resource'] == member)
        return self.client('GET', '/software_deployments/' + drain['physical_resource_id']).json['software_deployment']

    def answer(self, name, member):
        """By hand, in the node's place: the server may go."""
        self.signal(name, member, {'deploy_status_code': 0})

    def delete(self, name):
        """All of it, with every gate opened. False: Heat cannot, as with a stack that it can list no more."""
        s = self.client.stack(name)
        if s is None:
            return not self.client.has(name)
        path = '/stacks/%s/%s' % (name, s['id'])
        self.client('DELETE', path)

        def gone():
            now = self.client.stack(path[8:])
            if now is None:
                return not self.client.has(name)
            if now['stack_status'] == 'DELETE_COMPLETE':
                return True
            if now['stack_status'] == 'DELETE_FAILED':
                self.client('DELETE', path)
            for m in self.gates(path[8:]):
                self.signal(path[8:], m, {'unset_hook': 'pre-delete'})
            for m in self.deploying(path[8:]):
                self.answer(path[8:], m['parent_resource'])
        try:
            return wait_for('the stack %s is deleted' % name, gone, 120, 0.5)
        except Timeout:
            return False

    def renew(self):
        """Without any stack, and all its servers."""
        self.script('stop.sh')
        self.start()
