#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""heat hook without a cluster: one JSON object and its code as exit status, whatever happens. Needs CEPHNODE and CN_OTHERMACHINE."""
import ctypes
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
SERVER = "5c122542-2f53-4894-8c24-769fa1882f21"
MACHINE = tempfile.TemporaryDirectory()


def setUpModule():
    Path(MACHINE.name, "var/lib/cloud/data").mkdir(parents=True)
    Path(MACHINE.name, "var/lib/cloud/data/instance-id").write_text(SERVER + "\n")


def tearDownModule():
    MACHINE.cleanup()


def environment():
    """On a machine that is this server of Nova; signals are the hook's, not a sanitizer's."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("CEPH_", "LC_", "LANG"))}
    asan = [keep.get("ASAN_OPTIONS", ""), "verify_asan_link_order=0", *(f"handle_{s}=0" for s in ("segv", "sigbus", "sigfpe", "sigill", "abort"))]
    return keep | {"LD_PRELOAD": os.environ["CN_OTHERMACHINE"], "OTHER_ROOT": MACHINE.name, "ASAN_OPTIONS": ":".join(asan)}


def tgkill(pid, thread, sig):
    if ctypes.CDLL(None, use_errno=True).tgkill(pid, thread, sig) != 0:
        raise OSError(ctypes.get_errno(), "tgkill")


def deployment(action="DELETE", **inputs):
    inputs = {"deploy_action": action, "deploy_server_id": SERVER, "deploy_password": SECRET, **inputs}
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
        self.has_threads(p, 5)
        return p

    def has_threads(self, p, n):
        while p.poll() is None and len(os.listdir(f"/proc/{p.pid}/task")) < n:
            time.sleep(0.01)

    def thread_of(self, p, name):
        while p.poll() is None:
            for f in Path(f"/proc/{p.pid}/task").glob("*/comm"):
                if f.read_text() == name + "\n":
                    return int(f.parent.name)
            time.sleep(0.01)
        self.fail("it has ended")

    def test_another_server(self):
        """Refused before it connects to anything."""
        self.answered(start(), 4, "refused", "another server", stdin=deployment(deploy_server_id=SERVER[:-1] + "0"))

    def test_signals(self):
        for signals in [[signal.SIGTERM], [signal.SIGINT], [signal.SIGHUP], [signal.SIGTERM, signal.SIGTERM]]:
            for reading in [True, False]:
                p = start() if reading else self.connecting()
                self.has_threads(p, 2)      # the signal thread
                began = time.monotonic()
                for s in signals:
                    p.send_signal(s)
                p.wait(30)       # stdin stays open till then
                self.answered(p, 130, "failed", "interrupted")
                self.assertLess(time.monotonic() - began, 6)

    def test_install_fails(self):
        """No document without anything done, and what was done with one that failed behind it."""
        with tempfile.TemporaryDirectory() as root:
            Path(root, "etc").write_text("")     # no folder
            self.assertIsNone(self.document("--install", root + "/etc", code=1))
            self.assertEqual(self.document("--install", root, code=1), {"schema": 1, "wrote": [root + "/var/lib/heat-config/hooks/cephnode"]})

    def test_secret(self):
        """Nothing of the deployment shows from outside, neither of the hook nor of its guard."""
        p = self.connecting()
        guard = int(Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text())
        for pid in (p.pid, guard):
            seen = {}
            for f in ("cmdline", "comm", "status", "maps", "environ", "task"):
                at = Path(f"/proc/{pid}/{f}")
                try:
                    seen.update({g: g.read_text() for g in at.glob("*/comm")} if f == "task" else {at: at.read_text()})
                except PermissionError:     # nobody but root may look
                    pass
            self.assertTrue(seen)
            for f, text in seen.items():
                self.assertNotIn(SECRET, text, f)
        p.terminate()
        self.answered(p, 130, "failed", "interrupted")

    def test_dies(self):
        """Anywhere: before the deployment was read, in the thread that works, in one of the library's.

        Others of its threads block every signal. A fault there ends the hook by the signal, without a word, and heat-config reports that."""
        for s in [signal.SIGABRT, signal.SIGQUIT, signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL]:
            p = self.connecting()
            p.send_signal(s)
            self.answered(p, 1, "failed", "internal error")
        for s in [signal.SIGABRT, signal.SIGSEGV]:
            p = start()
            self.has_threads(p, 2)
            p.send_signal(s)
            p.wait(30)
            self.answered(p, 1, "failed", "internal error")
            p = self.connecting()
            tgkill(p.pid, self.thread_of(p, "msgr-worker-0"), s)
            self.answered(p, 1, "failed", "internal error")

    def test_dies_behind_its_answer(self):
        """Then the answer stands, and so does its code."""
        p, guard = self.ending()
        try:
            line = p.stdout.readline()
            p.send_signal(signal.SIGSEGV)
            self.assertEqual(p.wait(30), 2)
        finally:
            self.end_of(p, guard)
        self.assertEqual((json.loads(line)["deploy_status_code"], p.communicate()[0]), (2, ""))

    def test_the_end_is_bounded(self):
        """An answer is sent when the hook has ended: nothing behind it may take for ever."""
        p, guard = self.ending()
        try:
            p.wait(30)
        finally:
            self.end_of(p, guard)
        self.answered(p, 2, "failed")

    def ending(self):
        """One that has answered, and cannot end: its guard stands still."""
        p = subprocess.Popen([CEPHNODE, *NOWHERE, "heat", "hook"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, env=environment(), preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM}))
        self.has_threads(p, 2)      # the signal thread, started after the guard
        guard = int(Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text())
        os.kill(guard, signal.SIGSTOP)
        write_stdin(p, "{")
        return p, guard

    def end_of(self, p, guard):
        os.kill(guard, signal.SIGCONT)
        if p.poll() is None:
            p.kill()

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

    def document(self, *args, code=0):
        """The one that --install or --recover prints with -f json."""
        p = start("-f", "json", "--id", "it's me", args[0], "--root", *args[1:], stdin=subprocess.DEVNULL)
        out, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, code, err)
        return json.loads(out) if out else None

    def test_install(self):
        with tempfile.TemporaryDirectory() as root:
            p = start("--install", "--root", root + "/", "--id", "it's me", stdin=subprocess.DEVNULL)
            out, err = p.communicate()
            self.assertEqual((p.returncode, err), (0, ""))
            script = Path(root, "var/lib/heat-config/hooks/cephnode")
            self.assertIn(f"wrote {script}\n", out)
            self.assertEqual(script.stat().st_mode & 0o7777, 0o755)
            self.assertEqual(self.document("--install", root), {"schema": 1, "wrote": [
                str(script), f"{root}/etc/systemd/system/os-collect-config.service.d/cephnode.conf"]})
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
            self.assertIn("removed a.json: its run ended", out)
            (deployed / "a.json").write_text('{"group": "cephnode"}')
            self.assertEqual(self.document("--recover", root), {"schema": 1, "removed": ["a.json"]})
            self.assertEqual(self.document("--recover", root), {"schema": 1, "removed": []})
            self.assertEqual(sorted(f.name for f in deployed.iterdir()), ["b.json", "b.notify.json", "c.json"])


if __name__ == "__main__":
    unittest.main()
