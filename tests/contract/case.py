# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of the client share: a scratch folder with certificates, a server, and the probe's answers."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from apiserver import Api
from apiwire import make_ca, make_cert

PROBE = os.environ["KUBEPROBE"]
SECRETS = ("secret", "s3cr3t", "PRIVATE", "hunter2")  # in no output, whatever happens
SCRATCH = Path(tempfile.mkdtemp(prefix="cn-contract-"))


def set_up():
    make_ca(SCRATCH)
    make_cert(SCRATCH, "server", ["IP:127.0.0.1", "IP:::1", "DNS:localhost"])
    make_cert(SCRATCH, "elsewhere", ["DNS:api.example"])
    make_cert(SCRATCH, "client", [])
    make_ca(SCRATCH, "stranger")


def tear_down():
    shutil.rmtree(SCRATCH)


def environment(**more):
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")}
    return {**keep, "HOME": str(SCRATCH / "nobody"), **{k: str(v) for k, v in more.items()}}


class Case(unittest.TestCase):
    def setUp(self):
        self.api = Api(SCRATCH)
        self.api.up()
        self.addCleanup(self.api.down)
        self.kubeconfig = self.api.kubeconfig("kc-" + self.id())

    def start(self, *args, env=None, **options):
        options.setdefault("clock", "still")
        if self.kubeconfig:
            options.setdefault("kubeconfig", self.kubeconfig)
        flags = [x for k, v in options.items() if v is not None for x in ("--" + k, str(v))]
        return subprocess.Popen([PROBE, *flags, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                text=True, env=environment(**(env or {})), cwd=SCRATCH)

    def clean(self, text):
        for word in SECRETS:
            self.assertNotIn(word, text)

    def said(self, line):
        said = json.loads(line)
        self.clean(json.dumps(dict(said, json=None)))  # what a server answers may be secret; it is printed only here
        return said

    def finish(self, p):
        out, self.err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, 0, self.err)
        self.clean(self.err)
        return self.said(out) if out else None

    def probe(self, *args, **options):
        return self.finish(self.start(*args, **options))

    def interrupt(self, p):
        """What it says after SIGINT; how it ends is not looked at, as a slow end is cut short."""
        began = time.monotonic()
        p.send_signal(signal.SIGINT)
        line = p.stdout.readline()
        self.assertLess(time.monotonic() - began, 4)      # a slow end would be cut short, without a word
        self.clean(p.communicate(timeout=60)[1])
        return self.said(line)

    @contextlib.contextmanager
    def session(self, **options):
        """Operations by one process: yields a function."""
        p = self.start("batch", **options)

        def operation(*words):
            p.stdin.write(json.dumps(words) + "\n")
            p.stdin.flush()
            return self.said(p.stdout.readline())
        try:
            yield operation
        finally:
            self.finish(p)

    def get(self, path="/api/v1/namespaces/ceph/pods/p", **options):
        return self.probe("get", "GET", path, **options)

    def listed(self, path="/api/v1/pods", **options):
        return self.probe("list", path, **options)

    def paths(self):
        return [path for _, path in self.api.requests]
