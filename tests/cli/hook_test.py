#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""heat hook without a cluster: one JSON object and its code as exit status, whatever happens. Needs CEPHNODE."""
import json
import os
import re
import shlex
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

CEPHNODE = os.environ["CEPHNODE"]
NOWHERE = ["-m", "127.0.0.1:1", "-c", "/dev/null"]
SECRET = "FAKE-password-2"


def environment():
    return {k: v for k, v in os.environ.items() if not k.startswith(("CEPH_", "LC_", "LANG"))}


def deployment(action="DELETE", **inputs):
    inputs = {"deploy_action": action, "deploy_password": SECRET, **inputs}
    return json.dumps({"id": "1", "group": "cephnode", "inputs": [{"name": k, "value": v} for k, v in inputs.items()]})


def start(*args, stdin=subprocess.PIPE, stdout=subprocess.PIPE):
    return subprocess.Popen([CEPHNODE, *NOWHERE, "--connect-timeout", "30", "heat", "hook", *args], stdin=stdin, stdout=stdout,
                            stderr=subprocess.PIPE, text=True, env=environment())


def write_stdin(p, text):
    """All of it, and no end: whether the process reads on is its business."""
    p.stdin.write(text)
    p.stdin.close()
    p.stdin = None


class Hook(unittest.TestCase):
    def answered(self, p, code, outcome, *words, stdin=None):
        out, err = p.communicate(stdin, timeout=60)
        lines = out.splitlines()
        self.assertEqual(len(lines), 1, (out, err))
        answer = json.loads(lines[0])
        self.assertEqual(set(answer), {"deploy_status_code", "deploy_stdout", "deploy_stderr", "outcome", "bytes_moved", "reason"})
        self.assertEqual((p.returncode, answer["deploy_status_code"], answer["outcome"]), (code, code, outcome), (out, err))
        self.assertNotIn(SECRET, out + err)
        for word in words:
            self.assertIn(word, answer["reason"])
        return answer

    def test_bad_stdin(self):
        for text in ["", "{", "[]", "null", SECRET, deployment()[:-1], '{"inputs": 1}', deployment(action=None), deployment(action="x"),
                     deployment(timeout=SECRET), "\x00", "[" * 100000, " " * (5 << 20)]:
            self.answered(start(), 2, "failed", stdin=text)
        for source in [subprocess.DEVNULL, os.open("/", os.O_RDONLY)]:
            self.answered(start(stdin=source), 2, "failed")

    def test_usage(self):
        for args in [["--bogus"], ["more"], ["--root", "/nowhere"], ["--install", "--recover"]]:
            p = start(*args, stdin=subprocess.DEVNULL)
            if "--root" in args or "--install" in args:
                self.assertEqual((p.communicate()[0], p.returncode), ("", 2))
            else:
                self.answered(p, 2, "failed")

    def test_other_actions(self):
        for action in ["CREATE", "UPDATE", "SUSPEND", "RESUME"]:
            began = time.monotonic()
            answer = self.answered(start(), 0, "ignored", stdin=deployment(action, timeout="x"))
            self.assertLess(time.monotonic() - began, 5)
            self.assertEqual((answer["reason"], answer["bytes_moved"]), ("", 0))

    def test_no_cluster(self):
        began = time.monotonic()
        self.answered(start(), 5, "stalled", "the input timeout is over", stdin=deployment(timeout="3", stall_timeout=1800))
        self.assertGreater(time.monotonic() - began, 2.9)
        self.answered(start(), 5, "stalled", "nothing has moved for 2 s", stdin=deployment(stall_timeout=2))

    def test_no_configuration(self):
        p = subprocess.Popen([CEPHNODE, "-c", "/nowhere", "heat", "hook"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, env=environment())
        self.answered(p, 2, "failed", "/nowhere", stdin=deployment())

    def connecting(self):
        """One that waits for a monitor, deep within the library."""
        p = start()
        write_stdin(p, deployment())
        while True:
            threads = len(os.listdir(f"/proc/{p.pid}/task"))
            if threads > 4 or p.poll() is not None:
                return p
            time.sleep(0.01)

    def test_signals(self):
        for signals in [[signal.SIGTERM], [signal.SIGINT], [signal.SIGHUP], [signal.SIGTERM, signal.SIGTERM]]:
            for reading in [True, False]:
                p = start() if reading else self.connecting()
                while reading and len(os.listdir(f"/proc/{p.pid}/task")) < 2:      # the signal thread
                    time.sleep(0.01)
                began = time.monotonic()
                for s in signals:
                    p.send_signal(s)
                p.wait(30)       # stdin stays open till then
                self.answered(p, 130, "failed", "interrupted")
                self.assertLess(time.monotonic() - began, 6)

    def test_dies(self):
        for s in [signal.SIGABRT, signal.SIGQUIT]:
            p = self.connecting()
            p.send_signal(s)
            self.answered(p, 1, "failed", "internal error")

    def test_the_end_is_bounded(self):
        """An answer is sent when the hook has ended: nothing behind it may take for ever (here its guard stands still)."""
        p = subprocess.Popen([CEPHNODE, *NOWHERE, "heat", "hook"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, env=environment(), preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM}))
        while len(os.listdir(f"/proc/{p.pid}/task")) < 2:      # the signal thread, started after the guard
            time.sleep(0.01)
        guard = int(Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text())
        os.kill(guard, signal.SIGSTOP)
        try:
            write_stdin(p, "{")
            p.wait(30)
        finally:
            os.kill(guard, signal.SIGCONT)
            if p.poll() is None:
                p.kill()
        self.answered(p, 2, "failed")

    def test_nobody_reads(self):
        r, w = os.pipe()
        os.close(r)
        for out in [w, os.open("/dev/full", os.O_WRONLY)]:
            for action, codes in {"CREATE": [1], "x": [2]}.items():
                p = start(stdout=out)
                p.communicate(deployment(action), timeout=30)
                self.assertIn(p.returncode, codes)

    def test_stdout_is_nobody_elses(self):
        """A log that the configuration sends to stdout goes elsewhere."""
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as conf:
            conf.write("[global]\nlog_file = /dev/stdout\nlog_to_stderr = true\ndebug_ms = 10\ndebug_monc = 20\n")
            conf.flush()
            p = subprocess.Popen([CEPHNODE, "-m", "127.0.0.1:1", "-c", conf.name, "heat", "hook"], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
            self.answered(p, 5, "stalled", stdin=deployment(timeout=2))

    def test_install(self):
        with tempfile.TemporaryDirectory() as root:
            p = start("--install", "--root", root + "/", "--id", "it's me", stdin=subprocess.DEVNULL)
            out, err = p.communicate()
            self.assertEqual((p.returncode, err), (0, ""))
            script = Path(root, "var/lib/heat-config/hooks/cephnode")
            self.assertIn(f"wrote {script}\n", out)
            self.assertEqual(script.stat().st_mode & 0o7777, 0o755)
            exec_line = script.read_text().splitlines()[-1]
            self.assertEqual(shlex.split(exec_line), ["exec", os.path.realpath(CEPHNODE), "--conf", "/dev/null", "--id", "it's me",
                                                      "--mon-host", "127.0.0.1:1", "heat", "hook"])
            p = subprocess.Popen([script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.answered(p, 0, "ignored", stdin=deployment("CREATE"))
            unit = Path(root, "etc/systemd/system/os-collect-config.service.d/cephnode.conf").read_text()
            self.assertTrue(re.search(r"^\[Service\]\nExecStartPre=-/\S+ heat hook --recover$", unit, re.M), unit)
            deployed = Path(root, "var/lib/heat-config/deployed")
            deployed.mkdir()
            for name, group in {"a.json": "cephnode", "b.json": "cephnode", "b.notify.json": "", "c.json": "script"}.items():
                (deployed / name).write_text(json.dumps({"group": group, "inputs": [SECRET]}))
            p = start("--recover", "--root", root, stdin=subprocess.DEVNULL)
            out, err = p.communicate()
            self.assertEqual((p.returncode, err), (0, ""))
            self.assertIn("removed a.json", out)
            self.assertEqual(sorted(f.name for f in deployed.iterdir()), ["b.json", "b.notify.json", "c.json"])


if __name__ == "__main__":
    unittest.main()
