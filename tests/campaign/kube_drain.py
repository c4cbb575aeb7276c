# SPDX-License-Identifier: LGPL-2.1-or-later
"""A node by its address, drained with a real API server: the account and the rights are those of docs/kubernetes/role.yaml. No controller
and no kubelet runs there: a thread here does what they would, with real OSDs."""
import json
import os
import pathlib
import re
import ssl
import subprocess
import threading
import unittest
import urllib.error
import urllib.request

from cnlib.case import QUICK, ClusterCase, wait_for
from cnlib.util import ROOT

RUN, KUBE = pathlib.Path(os.environ['RUN']), pathlib.Path(os.environ['CN_KUBE'])
NS = 'ceph'
PODS = ['ceph-osd-a1', 'ceph-osd-a2', 'ceph-osd-b1', 'ceph-osd-b2', 'ceph-osd-c1', 'ceph-osd-c2']
NODES = {'worker-1': '10.99.0.1', 'worker-10': '10.99.0.10', 'worker-3': '10.99.0.3'}


class Admin:
    """The API with all rights."""

    def __init__(self):
        config = (RUN / 'admin.kubeconfig').read_text()
        self.url = re.search(r'server: "([^"]+)"', config)[1]
        self.context = ssl.create_default_context(cafile=str(RUN / 'pki' / 'ca.crt'))

    def call(self, method, path, body=None, kind='application/json'):
        request = urllib.request.Request(self.url + path, method=method, data=json.dumps(body).encode() if body is not None else None,
                                         headers={'Authorization': 'Bearer admin-token-0123456789', 'Content-Type': kind})
        with urllib.request.urlopen(request, context=self.context, timeout=20) as answer:
            return json.loads(answer.read())

    def there(self, path):
        try:
            return self.call('GET', path)
        except urllib.error.HTTPError as e:
            if e.code == 404:
                return None
            raise

    def kubectl(self, *args, text=None):
        subprocess.run([str(KUBE / 'bin' / 'kubectl'), '--kubeconfig', str(RUN / 'admin.kubeconfig'), *args], input=text, text=True,
                       check=True, capture_output=True)


class Controllers(threading.Thread):
    """DaemonSets and Deployments get their pods, and lose them; a pod that is deleted ends its OSD and is then confirmed."""

    def __init__(self, case):
        super().__init__(daemon=True)
        self.case, self.api, self.ending, self.failed = case, case.api, threading.Event(), []

    def run(self):
        while not self.ending.wait(0.2):
            try:
                self.once()
            except Exception as e:   # shown when the test ends
                self.failed.append(repr(e))

    def once(self):
        pods = self.api.call('GET', '/api/v1/namespaces/%s/pods' % NS)['items']
        for pod in pods:
            meta, owner = pod['metadata'], pod['metadata']['ownerReferences'][0]
            path = '/api/v1/namespaces/%s/pods/%s' % (NS, meta['name'])
            if 'deletionTimestamp' in meta:
                self.case.end_osd(pod)
                self.api.call('DELETE', path, {'gracePeriodSeconds': 0, 'preconditions': {'uid': meta['uid']}})
            elif owner['kind'] == 'DaemonSet':
                labels = self.api.call('GET', '/api/v1/nodes/' + pod['spec']['nodeName'])['metadata'].get('labels', {})
                if not pod['spec']['nodeSelector'].items() <= labels.items():
                    self.api.call('DELETE', path)
            else:
                name = owner['name'].rsplit('-', 1)[0]
                if self.api.call('GET', '/apis/apps/v1/namespaces/%s/deployments/%s/scale' % (NS, name))['spec'].get('replicas', 0) == 0:
                    self.api.call('DELETE', path)


class Drain(ClusterCase):
    SHAPE = dict(HOSTS=6, OSDS=1, PG_EC=0, PG_RBD=0, NAMES=' '.join(PODS), **QUICK)
    DATA = {'rep': (80, 65536)}

    @classmethod
    def prepare(cls):
        cls.api = api = Admin()
        api.call('POST', '/api/v1/namespaces', {'metadata': {'name': NS}})
        api.kubectl('apply', '-f', '-', text=(ROOT / 'docs/kubernetes/role.yaml').read_text().replace('rook-ceph', NS))
        job = (ROOT / 'docs/kubernetes/job-drain.yaml').read_text().replace('rook-ceph', NS).replace('NODE', 'worker-1')
        cron = (ROOT / 'docs/kubernetes/cronjob-metrics.yaml').read_text().replace('rook-ceph', NS)
        cron = cron.replace('batch/v1', 'batch/v1beta1')    # as it was called in this server's 1.20; the fields are the same
        for text in (job, cron):
            api.kubectl('apply', '--dry-run=server', '-f', '-', text=text)
        token = api.call('POST', '/api/v1/namespaces/%s/serviceaccounts/cephnode/token' % NS, {'spec': {}})['status']['token']
        config = (RUN / 'cephnode.kubeconfig').read_text().replace('cephnode-token-0123456789', token)
        path = RUN / 'role.kubeconfig'
        path.write_text(config)
        cls.env = {'KUBECONFIG': str(path)}

    def setUp(self):
        super().setUp()
        for name, ip in NODES.items():
            self.remake('/api/v1/nodes', {'metadata': {'name': name, 'labels': {'kubernetes.io/hostname': name, 'node-type': 'storage'}},
                                          'status': {'addresses': [{'type': 'InternalIP', 'address': ip}]}})
        self.controllers = Controllers(self)
        self.addCleanup(self.finish)

    def finish(self):
        self.controllers.ending.set()
        self.controllers.join()
        self.assertEqual(self.controllers.failed, [])
        self.api.call('DELETE', '/api/v1/namespaces/%s/pods' % NS, {'gracePeriodSeconds': 0})

    def remake(self, path, body):
        if self.api.there(path + '/' + body['metadata']['name']):
            self.api.call('DELETE', path + '/' + body['metadata']['name'], {'gracePeriodSeconds': 0})
        return self.api.call('POST', path, body)

    def pod(self, name, i, labels, owner, uid, selector=None):
        """Pod of osd.i, on its node, at its address in the overlay."""
        node = list(NODES)[i // 2]
        path = '/api/v1/namespaces/%s/pods' % NS
        self.remake(path, {'metadata': {'name': name, 'labels': labels, 'ownerReferences': [
            {'apiVersion': 'apps/v1', 'kind': owner[0], 'name': owner[1], 'uid': uid, 'controller': True}]},
            'spec': {'nodeName': node, 'nodeSelector': selector or {}, 'containers': [{'name': 'osd', 'image': 'ceph/daemon'}]}})
        self.api.call('PATCH', path + '/' + name + '/status', {'status': {'phase': 'Running', 'hostIP': NODES[node], 'podIP': '127.0.1.%d' % (i + 1),
                      'podIPs': [{'ip': '127.0.1.%d' % (i + 1)}]}}, 'application/merge-patch+json')

    def end_osd(self, pod):
        i = int(pod['status']['podIP'].rsplit('.', 1)[1]) - 1
        self.cluster.rig('cn_kill', 'osd.%d' % i, 'TERM', check=False)
        wait_for('osd.%d has ended' % i, lambda: not self.cluster.running('osd.%d' % i))

    def call(self, *args, code=0):
        return self.assert_code(self.tool.run(*args, env=self.env), code)

    def test_daemonset(self):
        labels = {'app': 'ceph', 'daemon': 'osd'}
        ds = self.remake('/apis/apps/v1/namespaces/%s/daemonsets' % NS, {'metadata': {'name': 'ceph-osd'}, 'spec': {
            'selector': {'matchLabels': labels}, 'template': {'metadata': {'labels': labels}, 'spec': {
                'nodeSelector': {'node-type': 'storage'}, 'containers': [{'name': 'osd', 'image': 'ceph/daemon'}]}}}})
        for i, name in enumerate(PODS):
            self.pod(name, i, labels, ('DaemonSet', 'ceph-osd'), ds['metadata']['uid'], {'node-type': 'storage'})
        self.controllers.start()
        checked = self.call('check', '-f', 'json')
        self.assertIsNone(checked.json['role'])
        observer = self.observer(expected=[0, 1])
        run = self.call('drain', '10.99.0.1', '-y', '-f', 'json')
        self.assertEqual((run.result['outcome'], run.result['osds']), ('removed', [0, 1]))
        self.assertEqual(run.events('plan')[0]['stop'], {'with': 'kube', 'does': [
            'take label node-type=storage off node worker-1, which DaemonSet ceph/ceph-osd asks for']})
        self.assertNotIn('node-type', self.api.call('GET', '/api/v1/nodes/worker-1')['metadata']['labels'])
        self.assertIn('node-type', self.api.call('GET', '/api/v1/nodes/worker-10')['metadata']['labels'])
        self.assert_clean_report(observer, [0, 1])
        self.assert_data()

    def test_deployments_and_a_pod_that_comes_back(self):
        path, scale = '/apis/apps/v1/namespaces/%s/deployments' % NS, '/apis/apps/v1/namespaces/%s/deployments/%%s/scale' % NS
        for i in [*range(6), None]:
            name = 'rook-ceph-operator' if i is None else 'rook-ceph-osd-%d' % i
            match = {'app': name} if i is None else {'app': 'rook-ceph-osd', 'ceph-osd-id': str(i)}
            self.remake(path, {'metadata': {'name': name}, 'spec': {'replicas': 1, 'selector': {'matchLabels': match}, 'template': {
                'metadata': {'labels': match}, 'spec': {'containers': [{'name': 'x', 'image': 'x'}]}}}})
            if i is not None:
                self.pod(name + '-6b7f9c5d44-abcde', i, {**match, 'topology-location-host': PODS[i]}, ('ReplicaSet', name + '-6b7f9c5d44'),
                         '00000000-0000-4000-8000-00000000000%d' % i)
        self.controllers.start()
        env = self.env
        run = self.tool.start('drain', '10.99.0.1', '-y', '-f', 'json', '--kube-namespace', NS, env=env, trap='stop:end:STOP')
        run.wait_stopped()
        replicas = lambda name: self.api.call('GET', scale % name)['spec'].get('replicas', 0)   # noqa: E731
        self.assertEqual([replicas('rook-ceph-' + n) for n in ('osd-0', 'osd-1', 'osd-2', 'operator')], [0, 0, 1, 0])
        self.api.call('PATCH', scale % 'rook-ceph-osd-1', {'spec': {'replicas': 1}}, 'application/merge-patch+json')
        self.pod('rook-ceph-osd-1-6b7f9c5d44-fghij', 1, {'app': 'rook-ceph-osd', 'ceph-osd-id': '1', 'topology-location-host': PODS[1]},
                 ('ReplicaSet', 'rook-ceph-osd-1-6b7f9c5d44'), '00000000-0000-4000-8000-000000000001')
        self.cluster.rig('cn_osd_start', 1)
        run.cont()
        self.assert_code(run.wait(), 0)
        self.assertEqual((run.result['outcome'], run.result['osds']), ('removed', [0, 1]))
        self.assertIn('stopping it once more', run.stdout)
        self.assertEqual([replicas('rook-ceph-' + n) for n in ('osd-0', 'osd-1', 'osd-2', 'operator')], [0, 0, 1, 1])
        self.assert_data()


if __name__ == '__main__':
    unittest.main()
