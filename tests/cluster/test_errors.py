# SPDX-License-Identifier: LGPL-2.1-or-later
"""What can be wrong outside: a documented exit code, a message that says what to do, never a signal."""
import os
import socket
import subprocess
import time

from cnlib.case import QUICK, ClusterCase, signal, wait_for

TIMEOUT = 1200
LONG = 100     # more than any time limit given here


class Errors(ClusterCase):
    SHAPE = dict(HOSTS=5, OSDS=2, **QUICK)
    DATA = {'rep': (60, 65536)}

    def fails(self, run, *codes, words=(), hint=True):
        """hint: there is something that the operator can do, and it says what."""
        self.assert_code(run, *codes)
        self.assertTrue(run.stderr.startswith('cephnode: ') or '\ncephnode: ' in run.stderr, str(run))
        for word in words:
            self.assertIn(word, run.stderr.lower())
        if hint:
            self.assertIn('\nhint: ', '\n' + run.stderr, str(run))
        return run

    def keyring(self, entity, key):
        path = self.dir / 'keyring'
        path.write_text('[%s]\n\tkey = %s\n' % (entity, key))
        return str(path)

    def test_monitors_that_are_not_there(self):
        with socket.socket() as closed, socket.socket() as silent:
            closed.bind(('127.0.0.1', 0))                      # bound, not listening: refused
            silent.bind(('127.0.0.1', 0))
            silent.listen()                                    # accepts and never answers
            for s in (closed, silent):
                for args in (['discover', 'node2'], ['drain', 'node2', '-y', '-f', 'json'], ['status']):
                    began = time.monotonic()
                    run = self.tool.run(*args, '--mon-host', '127.0.0.1:%d' % s.getsockname()[1], '--connect-timeout', '3')
                    self.fails(run, 1, 5)
                    self.assertLess(time.monotonic() - began, 12)        # not the usual 15

    def test_no_quorum(self):
        self.cluster.stop('mon.a')
        try:
            for args in (['discover', 'node2'], ['drain', 'node2', '-y'], ['cancel', 'node2']):
                began = time.monotonic()
                self.fails(self.tool.run(*args, '--connect-timeout', '3', '--op-timeout', '3'), 1, 5)
                self.assertLess(time.monotonic() - began, 14)        # not the usual 15 and 30
        finally:
            self.cluster.cont('mon.a')

    def test_the_quorum_is_lost_in_mid_drain(self):
        c = self.cluster
        c.mon('osd set', key='norecover')
        observer = self.observer()
        run = self.tool.start_drain('node2', '--accept', 'existing', '--op-timeout', '3', '--stall-timeout', '12')
        run.wait_event(step='wait', state='begin')
        c.stop('mon.a')
        try:
            run.wait(LONG)
            self.fails(run, 1, 5)
            self.assertEqual(run.lines[-1]['event'], 'result')
        finally:
            c.cont('mon.a')
        wait_for('the mon answers', lambda: c.mon('osd stat'))
        c.mon('osd unset', key='norecover')
        self.assert_removed(self.tool.drain('node2'), 2)
        self.assert_clean_report(observer, [2, 3])
        self.assert_data()

    def test_no_manager(self):
        """Its statistics are missing: what needs them fails in time, and nothing was changed."""
        c = self.cluster
        before = c.snapshot()
        c.kill('mgr.x')
        wait_for('it has ended', lambda: not c.running('mgr.x'))
        try:
            began = time.monotonic()
            run = self.tool.run('drain', 'node2', '-y', '-f', 'json', '--op-timeout', '5')
            self.fails(run, 1, 4, 5)
            self.assertLess(time.monotonic() - began, 40)
            self.assert_same(before)
        finally:
            c.rig('cn_mgr_start', 'x')
        wait_for('the mgr is back', lambda: c.mon('mgr stat')['available'])
        c.wait_clean()

    def test_a_wrong_key(self):
        path = self.keyring('client.admin', 'AQBSdFhcGCKWIRAAL1T4dJ5pkxYfqN1RgQjMrg==')
        run = self.fails(self.tool.run('discover', 'node2', '-k', path), 1)
        self.assertIn('hint: ', run.stderr)
        self.assertNotIn('AQBSdFhc', run.stdout + run.stderr)
        self.assertIn('the monitors refused the key of client.admin', run.stderr)

    def test_no_key(self):
        """The monitors refuse who has none, too; what is said is where it was looked for."""
        nothing = str(self.dir / 'nothing')
        for args in (('-k', nothing), ('-k', nothing + '/x')):
            run = self.fails(self.tool.run('discover', 'node2', *args), 2)
            self.assertIn('no keyring for client.admin was found: there is no ' + args[1], run.stderr)
        run = self.fails(self.tool.run('discover', 'node2', '-n', 'client.nobody', '-k', self.keyring(' client.joe ', 'x')), 1)
        self.assertRegex(run.stderr, 'the keyring .*keyring has no key of client.nobody')
        run = self.fails(self.tool.run('discover', 'node2', env={'CEPH_KEYRING': '%s,%s2' % (nothing, nothing)}), 2)
        self.assertIn('there is no %s, no %s2' % (nothing, nothing), run.stderr)
        self.assertIn('no file is named', self.fails(self.tool.run('discover', 'node2', env={'CEPH_KEYRING': ''}), 2).stderr)
        self.assertIn('/dev/null has no key', self.fails(self.tool.run('discover', 'node2', '-k', '/dev/null'), 1).stderr)
        (self.dir / 'loop').symlink_to(self.dir / 'loop')        # one that is there, and that root cannot read either
        run = self.fails(self.tool.run('discover', 'node2', env={'CEPH_KEYRING': '%s,%s/loop' % (nothing, self.dir)}), 2)
        self.assertIn('cannot read the keyring %s/loop: Too many' % self.dir, run.stderr)
        found = self.fails(self.tool.run('check', '-f', 'json', '-n', 'client.nobody', '-k', self.keyring('client.joe', 'x')), 6, hint=False)
        self.assertIn('has no key of client.nobody', found.json['findings'][0]['message'])

    def test_a_configuration_that_is_none(self):
        (self.dir / 'bad.conf').write_bytes(b'[global]\nmon host = \xff\xfe\nnonsense without end [[[')
        for path in (str(self.dir / 'none.conf'), str(self.dir), str(self.dir / 'bad.conf')):
            self.fails(self.tool.run('-c', path, 'discover', 'node2', '--connect-timeout', '3', conf=False), 1, 2, 5)

    def test_missing_caps(self):
        c = self.cluster
        for name, caps in (('client.blind', []), ('client.reader', ['mon', 'allow r', 'mgr', 'allow r']),
                           ('client.half', ['mon', 'allow rw', 'mgr', 'allow r', 'osd', 'allow r'])):
            key = c.mon('auth get-or-create', entity=name, caps=caps)[0]['key']
            self.addCleanup(c.mon, 'auth rm', entity=name)
            path = self.keyring(name, key)
            before = c.snapshot()
            run = self.fails(self.tool.run('drain', 'node2', '-y', '-f', 'json', '-n', name, '-k', path), 1, 4)
            self.assertIn('hint: ', run.stderr, name)
            self.assertNotEqual(run.result['outcome'], 'removed')
            self.assert_same(before)
        self.assert_code(self.tool.run('discover', 'node2', '-n', 'client.reader', '-k', self.keyring('client.reader', c.mon(
            'auth get', entity='client.reader')[0]['key'])), 0)

    def test_a_full_disk_behind_stdout(self):
        before = self.cluster.snapshot()
        for args in (['discover', 'node2'], ['discover', 'node2', '-f', 'json'], ['status', '-f', 'json'], ['plan', 'node2'], ['--help'], ['--version']):
            with open('/dev/full', 'w') as full:
                self.fails(self.tool.run(*args, stdout=full), 1, words=['no space left'], hint=False)
        self.assert_same(before)

    def test_a_drain_whose_output_cannot_be_written(self):
        """It must not go on blindly to the point of no return, nor die; what it began is recorded."""
        for how in ('full', 'closed pipe'):
            with self.subTest(how):
                if how == 'full':
                    out = open('/dev/full', 'w')
                else:
                    r, w = os.pipe()
                    os.close(r)
                    out = os.fdopen(w, 'w')
                with out:
                    run = self.tool.start_drain('node2', stdout=out).wait()
                self.fails(run, 1, hint=False)
                self.assert_code(self.tool.drain('node2'), 0)
                self.assert_gone(2)
                self.cluster.make_whole()

    def test_stdout_is_closed(self):
        before = self.cluster.snapshot()
        for args in ('discover node2', 'status -f json', 'plan node2', 'drain node2 -y -f json --dry-run'):
            done = subprocess.run('exec %s -c %s %s >&-' % (self.tool.binary, self.cluster.conf, args), shell=True, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, text=True, timeout=60)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn('cephnode: ', done.stderr)
        self.assert_same(before)

    def test_the_reader_goes_away(self):
        """A pipe whose reader has ended: an exit code, no SIGPIPE."""
        r, w = os.pipe()
        os.close(r)
        with os.fdopen(w, 'w') as out:
            self.fails(self.tool.run('discover', 'node2', '-f', 'json', stdout=out), 1, words=['broken pipe'], hint=False)

    def test_no_descriptors_and_no_environment(self):
        done = subprocess.run([str(self.tool.binary), '-c', self.cluster.conf, 'discover', 'node2'], env={}, close_fds=True,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('osd.2', done.stdout)

    def test_ceph_args(self):
        for name, code in (('client.admin', 0), ('client.nobody', 1)):
            done = subprocess.run([str(self.tool.binary), 'discover', 'node2'], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  env={'CEPH_ARGS': f'-c {self.cluster.conf} -n {name}'}, timeout=60)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(name if code else 'osd.2', done.stderr + done.stdout)

    def test_the_lock_cannot_be_had(self):
        """Another cephnode holds the decision lock for long."""
        other = self.tool.start_drain('node4', trap='reweight:end:STOP')
        other.wait_stopped()
        began = time.monotonic()
        run = self.tool.drain('node2', '--lock-wait', '2', '--accept', 'existing')
        self.fails(run, 4, 5)
        self.assertLess(time.monotonic() - began, 15)
        self.assertIn(str(other.process.pid), run.stderr)
        run = self.tool.drain('node2', '--timeout', '3', '--lock-wait', '60', '--accept', 'existing')
        self.fails(run, 5, words=['--timeout is over'])
        self.assertEqual(run.result['outcome'], 'stalled')
        other.cont()
        other.send(signal.SIGTERM)
        other.wait(60)
        self.assert_code(self.tool.run('cancel', 'node4', '-f', 'json'), 0)
