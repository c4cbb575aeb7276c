# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients of RBD images that lock, write, die and sleep on command."""
import os
import signal
import subprocess
import threading

from .util import CEPHNODE, clean_env, die_with_parent

BINARY = CEPHNODE.parent / 'tests' / 'rbdclient'
BLOCKS = 32     # of 64 KiB
LAYERING, USUAL = 1, 61       # features


def rbd(cluster, *args):
    """The rbd command; arguments may be bytes."""
    done = subprocess.run(['rbd', '-c', cluster.conf, *args], env=clean_env(), stdin=subprocess.DEVNULL, capture_output=True)
    if done.returncode:
        raise RuntimeError('rbd %s: %s' % (args, done.stderr.decode('utf-8', 'replace')))
    return done.stdout


def create(cluster, spec, *args):
    rbd(cluster, 'create', '-s', '%dK' % (64 * BLOCKS), '--object-size', '64K', *args, spec)
    return spec


class Client:
    """One process with one image open ('': none); source: the address its connections come from."""

    def __init__(self, cluster, image, pool='rbd', ns='', source=None, id='admin'):
        env = clean_env(**({'RBDCLIENT_SOURCE': source} if source else {}))
        self.process = subprocess.Popen([str(BINARY), cluster.conf, id, pool, ns, image], env=env, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        self.turn = threading.Lock()
        word, self.name, self.address = self._line().decode().split()
        assert word == 'ready'

    def _line(self):
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError('the client has ended: %s' % self.process.wait())
        return line.rstrip(b'\n')

    def send(self, *words):
        self.process.stdin.write(b' '.join(w if isinstance(w, bytes) else w.encode() for w in words) + b'\n')
        self.process.stdin.flush()

    def ask(self, *words):
        """"ok ..." without its "ok", or the error as a negative number."""
        with self.turn:
            self.send(*words)
            word, *rest = self._line().decode().split()
        return ' '.join(rest) if word == 'ok' else int(rest[0])

    def looped(self):
        """How many blocks its loop has written, and the error that ended it (0: it goes on)."""
        n, error = self.ask('looped').split()
        return int(n), int(error)

    def signal(self, sig):
        os.kill(self.process.pid, sig)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
