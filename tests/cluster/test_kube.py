# SPDX-License-Identifier: LGPL-2.1-or-later
"""OSDs in pods of an overlay network, CRUSH hosts named after the pods: only Kubernetes knows the machine. The API is a server in memory
that speaks TLS and answers as real ones do (tests/contract); the Ceph cluster is a real one."""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'contract'))
sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / 'heat'))
from apiserver import Api  # noqa: E402
from apiwire import Answer, recorded  # noqa: E402
from fakeheat import Cloud   # noqa: E402
from cnlib import rbd   # noqa: E402
from cnlib.case import QUICK, ClusterCase, signal, wait_for   # noqa: E402

TIMEOUT = 600
PODS = ['ceph-osd-a1', 'ceph-osd-a2', 'ceph-osd-b1', 'ceph-osd-b2', 'ceph-osd-c1', 'ceph-osd-c2']
NODES = {'worker-1': '10.99.0.1', 'worker-10': '10.99.0.10', 'worker-3': '10.99.0.3'}   # 10.99.0.1 is not 10.99.0.10
OSD = {'app': 'ceph', 'daemon': 'osd'}


class Overlay(ClusterCase):
    SHAPE = dict(HOSTS=6, OSDS=1, **QUICK, PG_EC=0, PG_RBD=8, NAMES=' '.join(PODS))
    DATA = {'rep': (80, 65536)}

    def setUp(self):
        super().setUp()
        self.api = self.enterContext(Api(self.dir / 'api'))
        for i, name in enumerate(PODS):
            node = list(NODES)[i // 2]
            self.api.pod('ceph', name, node=node, labels=OSD, host_ip=NODES[node], pod_ips=['127.0.1.%d' % (i + 1)], owner=('DaemonSet', 'ceph-osd'))
        self.api.pod('ceph', 'ceph-osd-evict', node='worker-1', labels=OSD, phase='Failed', status={'reason': 'Evicted'})
        self.api.pod('ceph', 'ceph-osd-prepare-x', node='worker-1', labels=OSD, host_ip=NODES['worker-1'], phase='Succeeded')
        self.env = {'KUBECONFIG': self.api.kubeconfig()}

    def call(self, *args, code=0):
        return self.assert_code(self.tool.run(*args, env=self.env), code)

    def discover(self, *args, code=0):
        run = self.call('discover', '-f', 'json', *args, code=code)
        return run.json['nodes'][0] if code == 0 else run

    def refused(self, name, *words):
        """With both answers, by discover and by drain, and nothing was touched."""
        before = self.cluster.snapshot()
        for args in (['discover', name], ['drain', name, '-y']):
            run = self.call(*args, code=4)
            for word in words:
                self.assertIn(word, run.stderr)
            self.assertIn('--no-kube', run.stderr.split('hint: ')[1])
        self.assert_same(before)

    # --- who is where ---
    def test_discover(self):
        for name in ('10.99.0.1', 'ip:10.99.0.1', 'worker-1', 'kube:worker-1'):
            with self.subTest(name):
                self.api.clear()
                node = self.discover(name)
                self.assertEqual((node['kube_node'], node['hosts']), ('worker-1', PODS[:2]))
                self.assertEqual([(o['id'], o['pod'], o['found_by'], o['host']) for o in node['osds']],
                                 [(i, 'ceph/' + PODS[i], ['address', 'crush', 'kubernetes'], PODS[i]) for i in (0, 1)])
                self.assertLessEqual(len(self.api.requests), 3)
        self.assertEqual([o['id'] for o in self.discover('10.99.0.10')['osds']], [2, 3])
        self.assertEqual(self.discover('osd.4')['osds'][0]['pod'], 'ceph/' + PODS[4])
        self.assertEqual(self.discover(PODS[5], code=4).code, 4)      # worker-3 has two pods: not the whole node
        self.assertEqual(self.discover('host:' + PODS[5])['osds'][0]['found_by'], ['crush', 'kubernetes'])
        run = self.call('discover', 'worker-1')
        for word in ('ceph/ceph-osd-a2', 'KUBE NODE', 'worker-1'):
            self.assertIn(word, run.stdout)
        self.assertIn('pod ceph/ceph-osd-evict on worker-1 runs no OSD: evicted', run.stderr)
        self.assertIn('pod ceph/ceph-osd-prepare-x on worker-1 runs no OSD: prepares disks, completed', run.stderr)
        plan = self.call('plan', '10.99.0.1', '-f', 'json').json
        self.assertEqual(plan['osds'], [0, 1])

    def test_what_is_not_there(self):
        for name in ('10.99.0.100', 'worker-2', 'kube:worker-2'):
            run = self.discover(name, code=3)
            self.assertIn('namespace ceph', run.stderr)
        self.assertIn('no OSD has the address 10.99.0.1\n', self.discover('10.99.0.1', '--no-kube', code=3).stderr)
        self.assertIn('no Kubernetes API', self.discover('kube:worker-1', '--no-kube', code=2).stderr)
        self.assertIn('namespace other', self.discover('10.99.0.1', '--kube-namespace', 'other', code=3).stderr)
        self.assertEqual([o['id'] for o in self.discover('127.0.1.3', '--no-kube')['osds']], [2])

    # --- disagreement ---
    def test_they_disagree(self):
        # the machine has an address that, for the monitors, is that of another OSD
        self.api.pod('ceph', PODS[0], node='worker-9', labels=OSD, host_ip='127.0.1.3', pod_ips=['127.0.1.1'])
        self.refused('127.0.1.3', 'the monitors say osd.2', 'Kubernetes says osd.0', 'on worker-9')
        # a dead node's OSD that a pod elsewhere runs
        self.refused('127.0.1.4', 'the monitors say osd.3', 'osd.3 in ceph/%s on worker-10' % PODS[3])
        # a pod with the OSD's name, but not where it is
        self.api.pod('ceph', PODS[4], node='worker-3', labels=OSD, host_ip=NODES['worker-3'], pod_ips=['127.0.9.9'])
        self.refused('worker-3', 'pod ceph/%s on worker-3' % PODS[4], 'osd.4', '127.0.1.5')
        self.assertEqual([o['id'] for o in self.discover('host:' + PODS[4])['osds']], [4])
        # two flavours at once
        self.api.pod('rook-ceph', 'rook-ceph-osd-0', node='worker-1', labels={'app': 'rook-ceph-osd', 'ceph-osd-id': '0'})
        self.assertIn('--kube-flavour ceph-docker', self.discover('10.99.0.10', code=4).stderr)
        self.assertEqual([o['id'] for o in self.discover('10.99.0.10', '--kube-flavour', 'ceph-docker')['osds']], [2, 3])

    def test_pods_of_another_cluster(self):
        """Two Ceph clusters on the same machines, and an API that is another cluster's altogether: their pods look alike."""
        helm = {'application': 'ceph', 'component': 'osd'}
        for ns in ('tenant-a', 'tenant-b'):
            self.api.pod(ns, 'osd-x', node='worker-1', labels=helm, host_ip=NODES['worker-1'], pod_ips=['127.0.1.1'])
        run = self.discover('10.99.0.1', '--kube-flavour', 'helm', code=4)
        self.assertIn('several namespaces: tenant-a/osd-x and tenant-b/osd-x', run.stderr)
        self.assertIn('--kube-namespace tenant-a', run.stderr)
        for i in (0, 1):    # labels say osd.0 and osd.1, addresses that they are not ours
            self.api.pod('rook-ceph', 'rook-ceph-osd-%d' % i, node='worker-%d' % i, host_ip='10.1.1.%d' % i, pod_ips=['10.2.2.%d' % i],
                         labels={'app': 'rook-ceph-osd', 'ceph-osd-id': str(i)}, owner=('ReplicaSet', 'rook-ceph-osd-%d' % i))
        rook = ('host:' + PODS[0], '--kube-flavour', 'rook')
        self.assertEqual(self.call('plan', *rook, '-f', 'json').json['stop']['with'], 'mon')
        self.assertIn('no pod is known that runs osd.0', self.call('plan', *rook, '--stop-with', 'kube', code=4).stderr)

    def test_cancel_goes_without(self):
        """A configuration that cannot be read keeps nobody from undoing."""
        self.tool.start('drain', '10.99.0.1', '-y', '-f', 'json', '--keep', env=self.env, trap='wait:begin:KILL').wait()
        broken = self.dir / 'broken'
        broken.write_text('clusters: [')
        self.env = {'KUBECONFIG': str(broken)}
        self.call('discover', 'osd.0', code=2)
        run = self.call('cancel', '10.99.0.1', '-f', 'json')
        self.assertIn('going on without Kubernetes', run.stderr)
        self.assertEqual(run.result['outcome'], 'cancelled')

    def test_an_api_that_does_not_answer(self):
        """Never passed over in silence, whatever the monitors know."""
        def fails(*words):
            for name in ('10.99.0.1', 'osd.3'):
                run = self.discover(name, code=1)
                for word in words + ('cannot ask Kubernetes', '--no-kube'):
                    self.assertIn(word, run.stderr)
        self.api.tokens = {}
        fails('401')
        self.api.tokens = {'secret': 'cephnode'}
        self.api.denied |= {'list pods'}
        fails('list')
        self.api.denied.clear()
        self.api.on('GET', r'/pods', recorded('k8s-1.34.9', 'auth-403-noperm'), times=9)
        fails('forbidden')
        self.api.rules.clear()
        self.api.on('GET', r'/pods', recorded('k8s-1.34.9', 'path-404'), times=9)     # a load balancer's default answer: not "no pods"
        fails()
        self.api.rules.clear()
        self.api.on('GET', r'/pods', Answer(hang=True), times=9)
        self.api.clear()
        run = self.tool.start('discover', '10.99.0.1', env=self.env)
        wait_for('it waits for an answer', lambda: self.api.requests, interval=0.02)
        sent = run.send(signal.SIGINT)
        self.assert_code(run.wait(), 130)
        self.assertLess(time.monotonic() - sent, 3)
        self.api.down()
        fails()
        self.assertEqual(len(self.discover('osd.3', '--no-kube')['osds']), 1)

    # --- a drain ---
    def test_drain(self):
        """The process is killed, the API dies: the same command finishes it, for nothing more is asked of Kubernetes."""
        observer = self.observer()
        args = ['drain', '10.99.0.1', '-y', '-f', 'json', '--stop-with', 'mon']
        run = self.tool.start(*args, env=self.env, trap='wait:begin:KILL').wait()
        self.assertEqual(run.code, -signal.SIGKILL, str(run))
        self.api.down()
        run = self.call(*args)
        for host in (1, 2):
            self.assert_removed(run, host)
        self.assertEqual(run.result['osds'], [0, 1])
        self.assert_clean_report(observer, [0, 1])
        self.assert_data()
        self.api.up()      # the pods stand there without their OSDs
        self.call(*args)

    def test_the_api_dies_in_the_middle(self):
        run = self.tool.start('drain', 'kube:worker-3', '-y', '-f', 'json', '--stop-with', 'mon', env=self.env,
                              trap='wait:begin:STOP')
        run.wait_stopped()
        self.api.down()
        for name in ('worker-3', 'kube:worker-3', '10.99.0.3', PODS[4]):    # by what is recorded
            self.assertEqual(len(self.call('status', name, '-f', 'json').json['drains']), 1)
        run.cont()
        self.assert_removed(run.wait(), 5)
        self.assert_gone(6)
        self.assert_data()

    def test_heat_agent(self):
        """Nova's address is no OSD's: the gate opens only where Kubernetes answers which OSDs the machine has."""
        cloud = self.enterContext(Cloud())
        cloud.member('m1', '10.99.0.1')
        cloud.member('m2', '10.99.0.10')
        self.env.update(cloud.env())
        agent = ('heat', 'agent', '--stack', 'storage', '--once', '-f', 'json', '--stop-with', 'mon')
        cloud.scale_down('m1')
        self.api.down()
        self.assertIn('cannot ask Kubernetes', self.call(*agent, '--allow-empty', code=1).stderr)
        self.assertIn('no OSD has an address', self.call(*agent, '--no-kube', code=4).stderr)
        self.assertEqual(cloud.opened, [])
        self.api.up()
        self.call(*agent)
        self.assertEqual(cloud.opened, ['m1'])
        for host in (1, 2):
            self.assert_gone(host)
        self.assertTrue(self.cluster.is_up(2) and self.cluster.is_up(3))
        self.assert_data()

    # --- locks ---
    def test_locks_of_a_node(self):
        self.api.node('worker-7', ip='127.0.0.1')
        plain = ('--image-feature', 'layering')    # an advisory lock beside exclusive-lock wedges librbd
        image = rbd.create(self.cluster, 'rbd/pvc', *plain)
        rbd.rbd(self.cluster, 'lock', 'add', image, 'kubelet_lock_magic_worker-1')
        other = rbd.create(self.cluster, 'rbd/plain', *plain)
        rbd.rbd(self.cluster, 'lock', 'add', other, 'mine')

        def images(node, *args):
            return sorted(x['image'] for x in self.call('locks', 'list', '--all', '-f', 'json', '--node', node, *args).json['locks'])
        # the lockers' address is this machine's: by the cookie of the one the other is found, too
        self.assertEqual(images('10.99.0.1'), ['plain', 'pvc'])
        self.assertEqual(images('10.99.0.1', '--no-kube'), [])
        self.assertEqual(images('worker-3'), [])
        self.assertEqual(images('kube:worker-7'), ['plain', 'pvc'])    # carries no OSDs: by its address
        self.assertEqual(images('kube:worker-7', '--no-kube'), [])
        self.api.denied |= {'get nodes'}
        self.assertEqual(images('worker-7'), [])
        self.api.on('GET', r'/pods', Answer(500, 'no'), times=99)
        self.call('locks', 'list', '--all', '--node', 'worker-1', code=1)
