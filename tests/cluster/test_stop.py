# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who stops the daemons: systemd on this machine (one that stands in for it, on a private bus), Kubernetes (an API server in memory
that really ends and starts the OSDs), or the monitors where neither does."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from cnlib.case import CAMPAIGN, OURS, QUICK, ClusterCase, signal, wait_for
from cnlib.util import CEPHNODE, ROOT, clean_env, die_with_parent

sys.path.insert(0, str(ROOT / 'tests' / 'contract'))
from apiserver import Api  # noqa: E402
from apiwire import Answer  # noqa: E402

TIMEOUT = 900
FAKESYSTEMD = CEPHNODE.parent / 'tests' / 'fakesystemd'
HOLD = 'ceph.rook.io/do-not-reconcile'


class Bus:
    """A private bus and what answers on it as systemd. units: {name: (osd or None, state)}."""

    def __init__(self, cluster, units, *args):
        self.processes, self.lines = [], []
        bus = self._start(['dbus-daemon', '--session', '--nofork', '--nopidfile', '--print-address'])
        self.env = {'DBUS_SYSTEM_BUS_ADDRESS': bus.stdout.readline().strip()}
        pids = {u: cluster.rig('cn_pid', 'osd.%d' % o) if o is not None else '0' for u, (o, _) in units.items()}
        fake = self._start([str(FAKESYSTEMD), *args, *('%s=%s=%s' % (u, pids[u], s) for u, (_, s) in units.items())], **self.env)
        assert fake.stdout.readline() == 'ready\n'
        self.reader = threading.Thread(target=lambda: self.lines.extend(line.strip() for line in iter(fake.stdout.readline, '')),
                                       daemon=True)
        self.reader.start()

    def _start(self, argv, **env):
        p = subprocess.Popen(argv, env=clean_env(**env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                             preexec_fn=die_with_parent)
        self.processes.append(p)
        return p

    def told(self, n):
        """Its lines, when there are n of them: they come through a thread."""
        wait_for('systemd has done %d things' % n, lambda: len(self.lines) >= n, 30)
        return self.lines

    def end(self):
        for p in self.processes:
            p.kill()
            p.wait()
        self.reader.join()
        for p in self.processes:
            p.stdout.close()


class Stop(ClusterCase):
    SHAPE = dict(HOSTS=5, OSDS=2, PG_EC=0, PG_RBD=0, PG_REP=16, **QUICK)
    DATA = {'rep': (40, 65536)}
    NOBODY = {'DBUS_SYSTEM_BUS_ADDRESS': 'unix:path=/nonexistent'}   # this machine may have a systemd of its own

    def bus(self, units, *args):
        bus = Bus(self.cluster, units, *args)
        self.addCleanup(bus.end)
        return bus

    def drain(self, *args, env=None, trap=None, start=False):
        go = self.tool.start_drain if start else self.tool.drain
        return go('node2', *args, env={**self.NOBODY, **(env or {})}, trap=trap)

    def stop_of(self, run):
        return run.events('plan')[0]['stop']

    # --- systemd ---
    def test_refused_is_untouched(self):
        c = self.cluster
        before = c.snapshot()
        for driver, words in (('systemd', 'systemd cannot be asked for ceph-osd@2.service'), ('kube', 'no Kubernetes API is configured')):
            run = self.assert_code(self.drain('--stop-with', driver), 4)
            self.assertIn(words, run.stderr)
            self.assertIn('--stop-with mon', run.stderr)
        bus = self.bus({'ceph-osd@2.service': (2, 'enabled'), 'ceph-osd@3.service': (None, 'enabled')})
        run = self.assert_code(self.drain('--stop-with', 'systemd', env=bus.env), 4)
        self.assertIn('systemd runs no ceph-osd@3.service', run.stderr)
        plan = self.assert_code(self.tool.run('plan', 'node2', '-f', 'json', env={**self.NOBODY, **bus.env}), 0).json
        self.assertEqual(plan['stop']['with'], 'mon')
        units = {'ceph-osd@2.service': (2, 'enabled'), 'ceph-osd@3.service': (3, 'enabled')}
        theirs = self.bus(units)
        user = self.another_user({**self.NOBODY, **theirs.env})
        run = user('drain', 'node2', '-y', '-f', 'json', '--stop-with', 'systemd')
        self.assertEqual((run.returncode, 'only root may stop units' in run.stderr, '--stop-with mon' in run.stderr), (4, True, True), run)
        run = user('plan', 'node2', '-f', 'json')
        self.assertEqual((run.returncode, json.loads(run.stdout)['stop']['with']), (0, 'mon'), run)
        self.assertEqual(bus.lines + theirs.lines, [])
        self.assert_same(before)

    def another_user(self, env):
        """Runs it as nobody, who may read a copy of what it needs."""
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        key = self.cluster.mon('auth get', entity='client.admin')[0]['key']
        (folder / 'keyring').write_text('[client.admin]\n\tkey = %s\n' % key)
        hosts = re.search('^mon host = .*$', pathlib.Path(self.cluster.conf).read_text(), re.M)[0]
        (folder / 'ceph.conf').write_text('[global]\n%s\nkeyring = %s/keyring\nlog file =\nadmin socket =\n' % (hosts, folder))
        binary = shutil.copy(CEPHNODE, folder)
        folder.chmod(0o755)

        def run(*args):
            return subprocess.run([binary, '-c', str(folder / 'ceph.conf'), *args], env=clean_env(HOME=str(folder), **env), user=65534, group=65534,
                                  extra_groups=[], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
        return run

    def test_units_of_this_machine(self):
        c = self.cluster
        observer = self.observer(expected=[2, 3])
        cephadm = 'ceph-%s@osd.3.service' % c.mon('status')['fsid']
        volume = 'ceph-volume@lvm-2-%s.service' % c.osds()[2]['uuid']
        bus = self.bus({'ceph-osd@2.service': (2, 'enabled-runtime'), volume: (None, 'enabled'), cephadm: (3, 'disabled'),
                        'ceph-osd@3.service': (None, 'enabled')})
        run = self.drain(env=bus.env)
        self.assert_removed(run, 2)
        self.assertEqual(self.stop_of(run), {'with': 'systemd', 'does': ['systemctl disable --now ceph-osd@2.service',
                                                                        'systemctl disable --now ' + cephadm]})
        self.assertEqual(bus.told(4), ['disable ' + volume, 'disable ceph-osd@2.service', 'stop ceph-osd@2.service', 'stop ' + cephadm])
        self.assert_clean_report(observer, [2, 3])
        self.assert_data()

    def test_systemd_says_no_and_cancel_starts_again(self):
        c = self.cluster
        before = c.snapshot()
        units = {'ceph-osd@2.service': (2, 'enabled'), 'ceph-osd@3.service': (3, 'disabled')}
        bus = self.bus(units, '--deny')
        run = self.assert_code(self.drain('--stop-with', 'systemd', env=bus.env), 1)
        self.assertIn('systemd: cannot disable ceph-osd@2.service: Access denied', run.stderr)
        self.assertIn('hint: systemctl disable --now ceph-osd@2.service', run.stderr)
        self.assertTrue(c.is_up(2) and c.is_up(3))
        bus = self.bus(units)
        self.drain('--stop-with', 'systemd', env=bus.env, trap='stop:end:KILL', start=True).wait()
        self.assertEqual(bus.told(3), ['disable ceph-osd@2.service', 'stop ceph-osd@2.service', 'stop ceph-osd@3.service'])
        del bus.lines[:]
        self.assert_code(self.tool.run('cancel', 'node2', '-f', 'json', env={**self.NOBODY, **bus.env}), 0)
        self.assertEqual(bus.told(3), ['start ceph-osd@3.service', 'enable ceph-osd@2.service', 'start ceph-osd@2.service'])
        for i in (2, 3):
            c.start_osd(i)
        volatile = ['osd dump | osds | osd.%d | %s' % (i, w) for i in (2, 3) for w in ('public_addr', 'cluster_addr', 'heartbeat_')]
        self.assert_same(before, list(OURS) + volatile)

    def test_a_unit_that_does_not_start_again(self):
        """The other one does, and the drain is over."""
        bus = self.bus({'ceph-osd@2.service': (2, 'enabled'), 'ceph-osd@3.service': (3, 'disabled')})
        self.drain(env=bus.env, trap='stop:end:KILL', start=True).wait()
        bus = self.bus({'ceph-osd@2.service': (None, 'disabled')})      # the other one is gone
        run = self.assert_code(self.tool.run('cancel', 'node2', '-f', 'json', env={**self.NOBODY, **bus.env}), 6)
        self.assertIn('systemd: cannot start ceph-osd@3.service', run.stdout)
        self.assertEqual(bus.told(2), ['enable ceph-osd@2.service', 'start ceph-osd@2.service'])
        self.assertNotIn('node2', self.assert_code(self.tool.run('status', env=self.NOBODY), 0).stdout)

    # --- Kubernetes ---
    def api(self, **how):
        api = Api(self.dir / 'api', **how)
        api.up()
        self.addCleanup(api.down)
        api.on_terminate, api.on_start = self.terminate, self.start_pod
        self.starts = True              # whether a container that is started runs an OSD
        api.node('node2', ip='127.0.1.2', labels={'ceph-osd': 'enabled', 'rack': 'r1'})
        self.k = api
        self.env = {'KUBECONFIG': api.kubeconfig()}
        return api

    def osds_of(self, pod):
        label = pod['metadata'].get('labels', {}).get('ceph-osd-id')
        return [int(label)] if label else self.cluster.ids(int(pod['spec']['nodeName'][-1]))

    def terminate(self, pod):
        """The kubelet: the daemons end, then the pod is gone."""
        def end():
            for i in self.osds_of(pod):
                self.cluster.rig('cn_kill', 'osd.%d' % i, 'TERM', check=False)
            for i in self.osds_of(pod):
                wait_for('osd.%d has ended' % i, lambda i=i: not self.cluster.running('osd.%d' % i))
            self.k.confirm(pod['metadata']['namespace'], pod['metadata']['name'])
        threading.Thread(target=end, daemon=True).start()

    def start_pod(self, pod):
        for i in self.osds_of(pod) if self.starts else ():
            self.cluster.rig('cn_osd_start', i)

    def rook(self, version=None):
        api = self.api()
        for i in (2, 3):
            name, labels = 'rook-ceph-osd-%d' % i, {'app': 'rook-ceph-osd', 'ceph-osd-id': str(i), 'topology-location-host': 'node2'}
            api.deployment('rook-ceph', name, match=labels, labels={'rook-version': version} if version else None)
            api.pod('rook-ceph', name + '-6b7f9c5d44-abcde', node='node2', labels=labels, host_ip='127.0.1.2', pod_ips=['127.0.1.2'],
                    owner=('ReplicaSet', name + '-6b7f9c5d44'))
        api.deployment('rook-ceph', 'rook-ceph-operator', match={'app': 'rook-ceph-operator'})
        return api

    def replicas(self):
        return [self.k.get('deployments', 'rook-ceph', 'rook-ceph-' + n)['spec']['replicas'] for n in ('osd-2', 'osd-3', 'operator')]

    def helm(self, kind):
        """One pod for all OSDs of the node."""
        api = self.api()
        labels = {'application': 'ceph', 'component': 'osd'}
        api.daemonset('ceph', 'ceph-osd', match=labels, node_selector={'ceph-osd': 'enabled'})
        pod = api.pod('ceph', 'ceph-osd-x9z2k', node='node2', labels=labels, host_ip='127.0.1.2', pod_ips=['127.0.1.2'],
                      owner=(kind, 'ceph-osd'))
        pod['spec']['nodeSelector'] = {'ceph-osd': 'enabled', 'rack': 'r1'}
        other = api.pod('ceph', 'ceph-mon-aaaaa', node='node2', labels={'component': 'mon'}, owner=('DaemonSet', 'ceph-mon'))
        other['spec']['nodeSelector'] = {'rack': 'r1'}
        return api

    def test_a_label_of_the_node(self):
        observer, api = self.observer(expected=[2, 3]), self.helm('DaemonSet')
        run = self.drain(env=self.env)
        self.assert_removed(run, 2)
        self.assertEqual(self.stop_of(run), {'with': 'kube', 'does': [
            'take label ceph-osd=enabled off node node2, which DaemonSet ceph/ceph-osd asks for']})
        self.assertEqual(api.get('nodes', '', 'node2')['metadata']['labels'], {'kubernetes.io/hostname': 'node2', 'rack': 'r1'})
        self.assertEqual([p['metadata']['name'] for p in api.all('pods')], ['ceph-mon-aaaaa'])
        self.assertIn('kubectl label node node2 ceph-osd=enabled', run.stdout)
        self.assert_clean_report(observer, [2, 3])
        self.assert_data()

    def test_pods_of_kubernetes_1_5(self):
        """The blueprint's: answers made by hand, plain http, CRUSH hosts named after pods, whose DaemonSet stands in an annotation alone."""
        api, labels = self.api(version='v1.5.8', tls=False), {'app': 'ceph', 'daemon': 'osd'}
        api.daemonset('ceph', 'ceph-osd', match=labels, node_selector={'ceph-osd': 'enabled'})
        pod = api.pod('ceph', 'node2', node='node2', labels=labels, host_ip='127.0.1.2', pod_ips=['127.0.1.2'], owner=('DaemonSet', 'ceph-osd'))
        pod['spec']['nodeSelector'] = {'ceph-osd': 'enabled'}
        self.assertNotIn('ownerReferences', pod['metadata'])
        run = self.drain(env=self.env)
        self.assert_removed(run, 2)
        self.assertEqual(self.stop_of(run)['does'], ['take label ceph-osd=enabled off node node2, which DaemonSet ceph/ceph-osd asks for'])
        self.assertEqual((api.all('pods'), api.get('nodes', '', 'node2')['metadata']['labels'].get('ceph-osd')), ([], None))

    def test_a_budget_and_what_comes_back_at_once(self):
        """No right on nodes: evicted as soon as the budget allows it; what is made in its place cannot start any more."""
        api = self.helm('DaemonSet')
        api.denied |= {'patch nodes'}
        api.budgets['ceph'] = {'component': 'osd'}
        self.starts = False
        run = self.drain(env=self.env, start=True)
        wait_for('it tells of the budget', lambda: 'PodDisruptionBudget' in run.stdout)
        self.assertTrue(self.cluster.is_up(2))
        api.budgets.clear()
        self.assert_removed(run.wait(), 2)
        self.assertTrue(self.stop_of(run)['does'][0].startswith('evict pod ceph/ceph-osd-x9z2k: its DaemonSet makes another one'))
        self.assertIn('runs on node2 again', run.stdout)

    def told(self):
        """What the plan would do: the first word of each line."""
        plan = self.assert_code(self.tool.run('plan', 'node2', '-f', 'json', env={**self.NOBODY, **self.env}), 0).json
        self.assertEqual(plan['stop']['with'], 'kube')
        return [line.split()[0] for line in plan['stop']['does']]

    def test_a_label_that_others_need(self):
        """A pod that activates another OSD, and pods of other namespaces that we see, or may not see."""
        api = self.helm('DaemonSet')
        self.assertEqual(self.told(), ['take'])
        other = api.pod('ceph', 'osd-activate-x', node='node2', labels={'application': 'ceph', 'component': 'osd'},
                        host_ip='127.0.1.9', pod_ips=['127.0.1.9'])
        other['spec']['nodeSelector'] = {'ceph-osd': 'enabled'}
        self.assertEqual(self.told(), ['evict'])
        api.remove('pods', 'ceph', 'osd-activate-x')
        other = api.pod('apps', 'tenant', node='node2')
        other['spec']['nodeSelector'] = {'ceph-osd': 'enabled'}
        self.assertEqual(self.told(), ['evict'])
        api.remove('pods', 'apps', 'tenant')
        api.denied |= {'list pods '}       # of all namespaces
        self.env = {'KUBECONFIG': api.kubeconfig(ns='ceph')}
        self.assertEqual(self.told(), ['evict'])
        found = {f['what']: f for f in self.tool.run('check', '-f', 'json', env={**self.NOBODY, **self.env}).json['findings']}
        self.assertIn('not needed: pods of a DaemonSet are evicted', found['list pods']['message'])

    def test_two_nodes_and_one_cancelled(self):
        """Each node's label stands in the journal of its own drain."""
        api = self.helm('DaemonSet')
        api.node('node3', ip='127.0.1.3', labels={'ceph-osd': 'enabled'})
        api.pod('ceph', 'ceph-osd-node3', node='node3', labels={'application': 'ceph', 'component': 'osd'}, host_ip='127.0.1.3',
                pod_ips=['127.0.1.3'], owner=('DaemonSet', 'ceph-osd'))['spec']['nodeSelector'] = {'ceph-osd': 'enabled'}
        self.starts = False
        self.drain('node3', env=self.env, trap='stop:end:KILL', start=True).wait()
        labels = [api.get('nodes', '', n)['metadata']['labels'] for n in ('node2', 'node3')]
        self.assertEqual(['ceph-osd' in x for x in labels], [False, False])
        self.assert_code(self.tool.run('cancel', 'node3', '-f', 'json', env={**self.NOBODY, **self.env}), 0)
        self.assertEqual(['ceph-osd' in x for x in labels], [False, True])
        self.assert_code(self.tool.run('cancel', 'node2', '-f', 'json', env={**self.NOBODY, **self.env}), 0)
        self.assertEqual(['ceph-osd' in x for x in labels], [True, True])

    def test_what_was_made_anew_is_not_changed(self):
        """Neither by name in another Kubernetes cluster; the others are put back, and so is a word that does not hold Rook off."""
        api = self.rook('v1.13.1')
        held = api.get('deployments', 'rook-ceph', 'rook-ceph-osd-2')['metadata']
        held['labels'][HOLD] = 'false'
        self.drain(env=self.env, trap='stop:end:KILL', start=True).wait()
        self.assertEqual((self.replicas(), held['labels'][HOLD]), ([0, 0, 1], 'true'))
        api.get('deployments', 'rook-ceph', 'rook-ceph-osd-3')['metadata']['uid'] = 'another'
        run = self.assert_code(self.tool.run('cancel', 'node2', '-f', 'json', env={**self.NOBODY, **self.env}), 6)
        self.assertEqual((self.replicas(), held['labels'][HOLD]), ([1, 0, 1], 'false'))
        self.assertIn('kubectl -n rook-ceph scale deployment rook-ceph-osd-3 --replicas=1', run.stdout)

    def test_pods_with_the_network_of_their_host(self):
        """Kubernetes knows another network of the machine than the OSDs use: the host name that they report is the proof."""
        api = self.rook()
        pods = api.all('pods')

        def place(node):
            for pod in pods:
                pod['spec'].update(hostNetwork=True, nodeName=node)
                pod['status'].update(hostIP='10.99.0.2', podIP='10.99.0.2', podIPs=[{'ip': '10.99.0.2'}])

        def discover(name, code=0):
            return self.assert_code(self.tool.run('discover', name, '-f', 'json', env=self.env), code)
        place('node9')
        for name in ('10.99.0.2', 'kube:node9'):
            self.assertIn('on a host that is named node2', discover(name, 4).stderr)
        place('node2')
        for name in ('10.99.0.2', 'node2', 'kube:node2', '127.0.1.2'):
            osds = discover(name).json['nodes'][0]['osds']
            self.assertEqual([(o['id'], o['pod'][:25], [w for w in o['found_by'] if w != 'address']) for o in osds],
                             [(i, 'rook-ceph/rook-ceph-osd-%d' % i, ['crush', 'metadata', 'kubernetes']) for i in (2, 3)])
        run = self.tool.drain('10.99.0.2', env={**self.NOBODY, **self.env})
        self.assert_removed(run, 2)
        self.assertEqual((self.stop_of(run)['with'], self.replicas()), ('kube', [0, 0, 1]))

    def test_a_sibling_on_the_node(self):
        """Another pod of the same StatefulSet, whose OSD is none of ours, is left alone."""
        api = self.api()
        for i in (2, 3, 99):
            ip = '127.0.1.2' if i < 99 else '127.0.1.99'
            api.pod('ceph', 'osd-%d' % i, node='node2', labels={'application': 'ceph', 'component': 'osd', 'ceph-osd-id': str(i)},
                    host_ip='127.0.1.2', pod_ips=[ip], owner=('StatefulSet', 'osd'))
        self.assert_removed(self.drain(env=self.env), 2)
        self.assertEqual([p['metadata']['name'] for p in api.all('pods')], ['osd-99'])

    def test_rook_and_a_pod_that_comes_back(self):
        """Its operator is stopped for that time, but somebody scales an OSD up again just before it is removed."""
        api, observer = self.rook(), self.observer(expected=[2, 3])
        run = self.drain(env=self.env, trap='stop:end:STOP', start=True)
        run.wait_stopped()
        self.assertEqual(self.replicas(), [0, 0, 0])
        api.scale('rook-ceph', 'rook-ceph-osd-3', 1)
        run.cont()
        self.assert_removed(run.wait(), 2)
        self.assertIn('stopping it once more', run.stdout)
        self.assertIn('kubectl -n rook-ceph delete deployment rook-ceph-osd-3', run.stdout)
        self.assertEqual(self.replicas(), [0, 0, 1])
        observer.finish()

    def test_something_starts_it_for_ever(self):
        """Nothing is removed; when that has ended, the same command goes on."""
        c, api = self.cluster, self.rook()
        self.starts = False
        api.on_gone = lambda pod: api.scale('rook-ceph', 'rook-ceph-osd-3', 1) if self.osds_of(pod) == [3] else None
        run = self.assert_code(self.drain(env=self.env), 1)
        self.assertIn('although it was stopped 4 times', run.stderr)
        self.assertIn('find out what starts it again', run.stderr)
        self.assertTrue(c.osd(2) and c.osd(3))
        api.on_gone = None
        self.assert_removed(self.drain(env=self.env), 2)
        self.assertEqual(self.replicas(), [0, 0, 1])

    def test_the_api_dies_in_the_middle_and_cancel_puts_back(self):
        c, api = self.cluster, self.rook('v1.13.1')
        before = c.snapshot()
        run = self.drain('--stall-timeout', '4', env=self.env, trap='stop:begin:STOP', start=True)
        run.wait_stopped()
        api.down()
        run.cont()
        self.assert_code(run.wait(), 5)
        self.assertTrue(c.is_up(2) and c.is_up(3))
        run = self.drain(env=self.env, trap='stop:end:KILL', start=True)      # still away: it waits, and goes on
        wait_for('it waits for the API', lambda: run.ended or any('waiting: ' in w['message'] for w in run.events('warning')))
        self.assertFalse(run.ended, str(run))
        api.up()
        run.wait()
        self.assertEqual(self.replicas(), [0, 0, 1])
        held = api.get('deployments', 'rook-ceph', 'rook-ceph-osd-2')['metadata']
        self.assertEqual(held['labels'].get(HOLD), 'true')
        self.assert_code(self.tool.run('cancel', 'node2', '-f', 'json', env={**self.NOBODY, **self.env}), 0)
        self.assertEqual(self.replicas(), [1, 1, 1])
        self.assertNotIn(HOLD, held['labels'])
        wait_for('they are up', lambda: c.is_up(2) and c.is_up(3))
        volatile = ['osd dump | osds | osd.%d | %s' % (i, w) for i in (2, 3) for w in ('public_addr', 'cluster_addr', 'heartbeat_')]
        self.assert_same(before, list(OURS) + volatile)

    if CAMPAIGN:    # half a minute and a whole one, for a lease has to run out; tests/contract has what the client does
        LATE = 'PATCH /api/v1/nodes/node2 was not sent again: the lock was not renewed in time'

        def stand_still(self):
            """A drain that is stopped between two tries to take the label off."""
            self.helm('DaemonSet').on('PATCH', '/nodes/', Answer(429, 'busy', {'Retry-After': '8'}))
            run = self.drain('-v', env=self.env, start=True)
            wait_for('it waits to try again', lambda: run.ended or 'again in 8000 ms' in run.stderr, 120)
            run.process.send_signal(signal.SIGSTOP)
            return run

        def patches(self):
            return [p for m, p in self.k.requests if m == 'PATCH']

        def test_a_change_that_comes_too_late(self):
            """It is cancelled meanwhile: it does not try again."""
            run = self.stand_still()
            self.assert_code(self.tool.run('cancel', 'node2', '-f', 'json', env={**self.NOBODY, **self.env}), 0)
            run.cont()
            self.assert_code(run.wait(), 1)
            self.assertIn(self.LATE, run.stdout)
            self.assertIn('the drain of node2 was cancelled', run.stderr)
            self.assertEqual(len(self.patches()), 1)
            self.assertEqual(self.k.get('nodes', '', 'node2')['metadata']['labels']['ceph-osd'], 'enabled')
            self.assertTrue(self.cluster.is_up(2) and self.cluster.is_up(3))

        def test_a_change_that_comes_late(self):
            """Nobody was quicker: it takes the lock anew, and goes on."""
            run, stopped = self.stand_still(), time.monotonic()
            wait_for('little of the lease is left', lambda: time.monotonic() - stopped > 20)
            self.assertEqual(len(self.patches()), 1)
            run.cont()
            self.assert_removed(run.wait(), 2)
            self.assertIn(self.LATE + ' (this process was stopped, or the cluster did not answer); looking again', run.stdout)
            self.assertEqual(len(self.patches()), 2)

    # --- check ---
    def test_check(self):
        c, api = self.cluster, self.rook()
        before = c.snapshot()
        env = {**self.NOBODY, **self.env}

        def findings(run):
            return {f['what']: f for f in run.json['findings']}
        run = self.assert_code(self.tool.run('check', '-f', 'json', env=env), 0)
        found = findings(run)
        self.assertTrue(all(f['ok'] for f in found.values()))
        self.assertLessEqual({'connection', 'manager', 'caps at the monitors', 'pg query', 'osdmaptool', 'Kubernetes',
                              'patch deployments/scale in rook-ceph'}, set(found))
        self.assertIsNone(run.json['role'])
        self.assert_same(before)
        api.denied |= {'patch deployments/scale', 'patch deployments'}
        run = self.assert_code(self.tool.run('check', '-f', 'json', env=env), 6)
        self.assertEqual([w for w, f in findings(run).items() if not f['ok']], ['patch deployments/scale in rook-ceph'])
        self.assertIn('resources: [deployments/scale], verbs: [get, patch]', run.json['role'])
        self.assertIn('- {apiGroups: [""], resources: [pods], verbs: [list]}\n---', run.json['role'])
        text = self.assert_code(self.tool.run('check', env=env), 6).stdout
        self.assertIn('kind: Role', text)
        run = self.assert_code(self.drain('--stop-with', 'kube', env=self.env), 4)
        self.assertIn("Kubernetes does not allow 'patch' of deployments/scale in namespace rook-ceph", run.stderr)
        self.assert_same(before)

        c.mon('auth get-or-create', entity='client.reader', caps=['mon', 'allow r, allow command "osd out"', 'mgr', 'allow r', 'osd', 'allow r'])
        self.addCleanup(c.mon, 'auth del', entity='client.reader')
        keyring = self.dir / 'reader.keyring'
        keyring.write_text('[client.reader]\n\tkey = %s\n' % c.mon('auth get', entity='client.reader')[0]['key'])
        before = c.snapshot()
        run = self.assert_code(self.tool.run('check', '-f', 'json', '--id', 'reader', '-k', keyring, env=self.NOBODY), 6)
        found = findings(run)
        self.assertIn('allow command "osd crush reweight"', found['caps at the monitors']['message'])
        self.assertNotIn('allow command "osd out"', found['caps at the monitors']['message'])
        self.assertFalse(found['pg query']['ok'])
        self.assertTrue(found['connection']['ok'] and found['manager']['ok'] and found['Kubernetes']['ok'])
        self.assert_same(before)
