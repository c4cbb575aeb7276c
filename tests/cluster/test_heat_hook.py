# SPDX-License-Identifier: LGPL-2.1-or-later
"""heat hook: a node drains itself, and only itself; one JSON object whatever happens."""
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time

from cnlib.case import QUICK, ClusterCase, signal, wait_for
from cnlib.util import OTHERMACHINE, ROOT, clean_env, die_with_parent, is_flocked

TIMEOUT = 400
SERVER = '5c122542-2f53-4894-8c24-769fa1882f21'
OTHER = '6d122542-2f53-4894-8c24-769fa1882f21'
SECRET = 'FAKE-password-2'


class HeatHook(ClusterCase):
    SHAPE = dict(HOSTS=4, OSDS=2, **QUICK)
    DATA = {'rep': (80, 65536), 'ec': (40, 65536)}

    def start(self, host=2, action='DELETE', server=SERVER, addresses=None, name=None, uuid=SERVER, env=(), **inputs):
        """The hook as heat-config runs it on that host; more inputs by keyword."""
        doc = self.deployment(action, server, **inputs)
        stdin = tempfile.TemporaryFile()
        stdin.write(json.dumps(doc).encode())
        stdin.seek(0)
        return self.tool.start('--connect-timeout', '2', 'heat', 'hook', stdin=stdin, env=dict(env, **self.machine(host, addresses, name, uuid)))

    @staticmethod
    def deployment(action='DELETE', server=SERVER, **inputs):
        fields = dict(inputs, deploy_server_id=server, deploy_action=action, deploy_password=SECRET)
        return {'id': '1', 'group': 'cephnode', 'inputs': [{'name': k, 'type': 'String', 'value': v} for k, v in fields.items()]}

    def machine(self, host=2, addresses=None, name=None, uuid=SERVER):
        """What makes the tool take itself for that host."""
        root = self.dir / 'machine'
        (root / 'sys/class/dmi/id').mkdir(parents=True, exist_ok=True)
        (root / 'sys/class/dmi/id/product_uuid').write_text(uuid + '\n')
        (root / 'sys/class/dmi/id/product_name').write_text('OpenStack Nova\n')
        return dict(LD_PRELOAD=str(OTHERMACHINE), OTHER_ROOT=str(root), OTHER_NAME=name or self.cluster.name(host),
                    OTHER_ADDRESSES='10.255.0.1,' + (addresses or self.cluster.address(host)))

    def ended(self, run, code, outcome, *words):
        run.wait(120)
        self.assertEqual(len(run.raw), 1, str(run))
        answer = run.json
        self.assertEqual((run.code, answer['deploy_status_code'], answer['outcome']), (code, code, outcome), str(run))
        self.assertNotIn(SECRET, run.stdout + run.stderr)
        for word in words:
            self.assertIn(word, answer['reason'])
        self.assertEqual(bool(answer['reason']), code != 0)
        return answer

    def hook(self, code, outcome, *words, **how):
        return self.ended(self.start(**how), code, outcome, *words)

    def waits(self, **how):
        run = self.start(accept='existing', **how)
        wait_for('it waits for data', lambda: 'cephnode: wait\n' in run.stderr or run.ended)
        return run

    def test_what_is_not_its_own_is_left_alone(self):
        before = self.cluster.snapshot()
        self.hook(0, 'ignored', action='CREATE', env={'CEPH_CONF': '/nowhere', 'CEPH_ARGS': '--mon-host 127.0.0.1:1'})
        self.hook(4, 'refused', 'another server', server=OTHER)
        self.hook(4, 'refused', 'host name of this machine, node2', 'osd.2 at 127.0.1.2', addresses='127.0.1.20')
        self.hook(4, 'refused', 'osd.2', 'reports another host name: node2', name='node7')
        self.hook(4, 'refused', 'no OSD', name='node9', addresses='127.0.1.9')
        self.hook(4, 'refused', 'host name of this machine', addresses='127.0.1.20', allow_empty=True)
        answer = self.hook(0, 'removed', name='node9', addresses='127.0.1.9', allow_empty='true')
        self.assertEqual(answer['bytes_moved'], 0)
        self.hook(5, 'stalled', 'no monitor quorum', timeout=3, env={'CEPH_ARGS': '--mon-host 127.0.0.1:1'})
        self.assert_same(before)

    def test_drains_itself(self):
        observer = self.observer()
        before = self.cluster.snapshot()
        seen = self.dir / 'seen'
        look = self.tool.other_maptool('(cat /proc/$$/environ /proc/$$/cmdline; readlink /proc/$$/fd/*) >>%s; exec TOOL' % seen)
        answer = self.hook(0, 'removed', stall_timeout=1800, accept='', uuid='4225125c-532f-9448-8c24-769fa1882f21', env=look)   # SMBIOS 2.4
        self.assertEqual(seen.read_text().split('\0')[-1].splitlines()[0], '/dev/null')       # its stdin is not the deployment
        self.assertNotIn(SECRET, seen.read_text())
        self.assertGreater(answer['bytes_moved'], 0)
        self.assertIn('osd.2, osd.3', answer['deploy_stdout'])
        self.assert_gone(2)
        self.only_host_is_gone(before, 2)
        self.assert_clean_report(observer, [2, 3])
        self.assert_data()
        began = time.monotonic()
        answer = self.hook(0, 'removed')
        self.assertLess(time.monotonic() - began, 10)      # no wait of any kind
        self.assertIn('removed before', answer['deploy_stdout'])
        left = self.cluster.snapshot()       # three hosts are left: no room for a second
        answer = self.hook(4, 'refused', 'host', host=3)
        self.assertTrue(answer['deploy_stderr'], answer)
        self.assert_same(left)
        for key in self.cluster.config_keys('cephnode/drain/'):
            self.cluster.mon('config-key rm', key=key)
        self.hook(4, 'refused', 'no journal says')

    def test_ended_in_the_middle(self):
        for flag in ('norecover', 'nobackfill'):
            self.cluster.mon('osd set', key=flag)
        run = self.waits()
        since = run.send(signal.SIGTERM)
        self.ended(run, 130, 'failed', 'interrupted')
        self.assertLess(time.monotonic() - since, 5)
        run = self.waits()
        run.send(signal.SIGABRT)
        self.ended(run, 1, 'failed', 'internal error')
        run = self.waits()
        run.send(signal.SIGKILL)
        run.wait(30)
        self.assertEqual(run.stdout, '')
        self.cluster.stop('mon.a')
        try:
            run = self.start(accept='existing', timeout='300')
            wait_for('it waits for a monitor', lambda: 'no monitor quorum answered within 2 s; waiting' in run.stderr or run.ended)
        finally:
            self.cluster.cont('mon.a')
        wait_for('it goes on', lambda: 'cephnode: wait\n' in run.stderr or run.ended)
        for flag in ('norecover', 'nobackfill'):
            self.cluster.mon('osd unset', key=flag)
        self.ended(run, 0, 'removed')
        self.assert_gone(2)
        self.assert_data()

    # --- heat-config's runner, which takes a deployment for done as soon as it has begun ---
    def runner(self):
        p = subprocess.Popen([sys.executable, str(ROOT / 'tests/heat/rig/runner.py'), str(self.config), str(self.dir / 'answers')], text=True,
                             env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        self.addCleanup(p.kill)
        p.stdin.write(json.dumps([self.deployment(accept='existing')]))
        p.stdin.close()
        p.stdin = None
        return p

    def test_machine_dies_in_the_middle(self):
        """With what --install puts in place the drain goes on after the boot; without, heat-config says that it is deployed."""
        root = self.dir / 'machine'
        self.config = root / 'var/lib/heat-config'
        self.env = clean_env(ASAN_OPTIONS='verify_asan_link_order=0', **self.machine())
        self.assert_code(self.tool.run('heat', 'hook', '--install', '--root', str(root)), 0)
        dropin = (root / 'etc/systemd/system/os-collect-config.service.d/cephnode.conf').read_text()
        (recover,) = [shlex.split(line.split('=-')[1]) for line in dropin.splitlines() if line.startswith('ExecStartPre=-')]
        for flag in ('norecover', 'nobackfill'):
            self.cluster.mon('osd set', key=flag)
        run = self.runner()
        wait_for('the weights are 0', lambda: [self.cluster.crush_weight(i) for i in self.cluster.ids(2)] == [0, 0] or run.poll() is not None)
        alive = subprocess.run(recover, env=self.env, capture_output=True, text=True)
        self.assertEqual((alive.returncode, alive.stdout), (4, ''))
        self.assertIn('the hook is running', alive.stderr)
        run.kill()
        run.communicate()
        wait_for('the hook has ended with it', lambda: not is_flocked(self.config / 'deployed'), 30)
        self.assertEqual(os.listdir(self.config / 'deployed'), ['1.json'])
        self.assertIn('already deployed', self.runner().communicate()[0])

        for flag in ('norecover', 'nobackfill'):
            self.cluster.mon('osd unset', key=flag)
        self.assertIn('removed 1.json', subprocess.run(recover, env=self.env, capture_output=True, text=True, check=True).stdout)
        self.runner().communicate(timeout=180)
        (answer,) = map(json.loads, (self.dir / 'answers').read_text().splitlines())
        self.assertEqual((answer['deploy_status_code'], answer['outcome']), (0, 'removed'), answer)
        self.assertNotIn(SECRET, json.dumps(answer))
        self.assert_gone(2)
        self.assert_data()
        self.assertEqual(subprocess.run(recover, env=self.env, capture_output=True, text=True, check=True).stdout, '')
        self.assertIn('already deployed', self.runner().communicate()[0])
