#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What people see: tables, steps, the live line, from made-up documents and events. Needs RENDER (tests/cli/render.c, built) and
SOURCE_DIR. GOLDEN=update writes the golden files anew."""
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import tempfile
import termios
import unittest
from pathlib import Path

RENDER = os.environ["RENDER"]
GOLDEN = Path(os.environ["SOURCE_DIR"]) / "tests/cli/golden"
TOTAL = 13207024435


def event(kind, **fields):
    return {"schema": 1, "event": kind, "time": "2026-01-01T00:00:00.000Z", "node": "node4"} | fields


def progress(left, pgs=None, **more):
    pgs = (97 * left + TOTAL - 1) // TOTAL if pgs is None else pgs
    fields = {"pgs_left": pgs, "bytes_left": left, "bytes_total": TOTAL, "bytes_per_second": 110000000, "eta_seconds": 78, "health": "HEALTH_OK"}
    return event("progress", **(fields | more))


PLAN = event("plan", osds=[3, 9], hosts=["node4"], method="crush", pgs=97, bytes_to_move=TOTAL, bytes_minimum=TOTAL - 400000000,
             pools=[{"name": "rbd", "domain": "host", "needed": 3, "left": 5, "ok": True},
                    {"name": 'two words "\u00fc" \u001b[31m', "domain": "host", "needed": 6, "left": 5, "ok": False}],
             fullest={"osd": 5, "before": 0.612, "after": 0.673}, warnings=["node4 also runs mon.a"], refusals=["pool 'x' has too few hosts"])
RESULT = event("result", outcome="removed", osds=[3, 9], seconds=130, bytes_moved=TOTAL, exit=0, reason=None)


def drain():
    yield PLAN
    for step in ("lock", "check", "reweight", "release"):
        yield event("step", step=step, state="begin")
        yield event("step", step=step, state="end", **({"osds": [3, 9], "epoch": 114} if step == "reweight" else {}))
    yield event("step", step="wait", state="begin")
    for i in range(41):
        yield progress(TOTAL * (40 - i) // 40)
        if i == 20:
            yield event("warning", message="osd.7 went down")
            yield event("warning", message="node4 also runs mon.a")
            yield {"log": "a note"}
    yield event("step", step="wait", state="end", bytes_moved=TOTAL)
    yield RESULT
    yield event("warning", message="after the result")


STATUS = {"schema": 1, "drains": [
    {"id": "abc", "node": "node4", "phase": "wait", "osds": [3, 9], "started": "2026-01-01T00:00:00.000Z",
     "updated": "2026-01-01T00:00:00.000Z", "owner": {"host": "adm1", "pid": 4711}, "pgs_left": 34, "bytes_left": 4000000000,
     "bytes_total": 13000000000, "eta_seconds": 40, "last_error": None},
    {"id": "abd", "node": "na\u0007\u00fcme", "phase": "prove", "osds": [1, 2, 4], "started": None, "updated": None,
     "owner": {"host": "adm1", "pid": 4712}, "pgs_left": 0, "bytes_left": 0, "bytes_total": 13000000000, "eta_seconds": None,
     "last_error": "osd.5 is backfill_toofull"}]}
DISCOVER = {"schema": 1, "nodes": [{"node": "node4", "hosts": ["node4"], "addresses": ["127.0.1.4"], "other_daemons": ["mon.a", "mgr.x"], "osds": [
    {"id": 3, "uuid": "u3", "up": True, "in": True, "crush_weight": 1.23457, "reweight": 1.0, "device_class": "hdd", "host": "node4",
     "address": "127.0.1.4", "pgs": 48, "bytes": 123456789, "found_by": ["address", "crush"], "pod": None},
    {"id": 9, "uuid": "u9", "up": False, "in": False, "crush_weight": 0.0, "reweight": 0.0, "device_class": None, "host": None,
     "address": None, "pgs": 0, "bytes": 0, "found_by": ["metadata"], "pod": None}]}]}


def lines(objects):
    return "".join(json.dumps(o) + "\n" for o in objects).encode()


def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "NO_COLOR"))}
    return env | {"TERM": "xterm"} | more


def run(objects, *args, **env):
    r = subprocess.run([RENDER, *args], input=lines(objects), capture_output=True, timeout=60, env=environment(**env))
    return r.stdout.decode(), r.stderr.decode()


def on_terminal(objects, columns, *args, **env):
    """Everything that goes to a terminal of so many columns."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with tempfile.TemporaryFile() as source:
        source.write(lines(objects))
        source.seek(0)
        p = subprocess.Popen([RENDER, *args], stdin=source, stdout=slave, stderr=slave, env=environment(**env))
    os.close(slave)
    out = b""
    while True:
        try:
            more = os.read(master, 65536)
        except OSError:
            break
        if not more:
            break
        out += more
    os.close(master)
    assert p.wait(timeout=60) == 0
    return out.decode()


def screen(text):
    """What is left to see: carriage return and erase-to-end-of-line worked out, colour taken away."""
    rows = []
    for row in text.split("\n"):
        row = re.sub(r"\x1b\[[0-9;]*m", "", row).rstrip("\r")
        for part in row.split("\r"):
            seen = part.split("\x1b[K")[-1] if part.startswith("\x1b[K") else part.replace("\x1b[K", "")
        rows.append(seen)
    return "\n".join(rows)


class Golden(unittest.TestCase):
    maxDiff = None

    def same(self, name, text):
        path = GOLDEN / name
        if os.environ.get("GOLDEN") == "update":
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        self.assertEqual(text, path.read_text(), f"{name}: GOLDEN=update writes it anew")

    def test_drain_plain(self):
        out, err = run(drain())
        self.same("drain-stdout.txt", out)
        self.same("drain-stderr.txt", err)

    def test_drain_quiet(self):
        out, err = run(drain(), "-q")
        self.assertEqual(out, run(drain())[0])
        self.assertEqual(err, "warning: osd.7 went down\n")

    def test_drain_on_terminal(self):
        self.same("drain-terminal.txt", screen(on_terminal(drain(), 100)))

    def test_documents(self):
        self.same("discover.txt", run([DISCOVER])[0])
        self.same("discover-verbose.txt", run([DISCOVER], "-v")[0])
        pods = json.loads(json.dumps(DISCOVER))
        pods["nodes"][0] |= {"kube_node": "worker-4"}
        pods["nodes"][0]["osds"][0] |= {"pod": "ceph/ceph-osd-4a1b2", "found_by": ["address", "crush", "kubernetes"]}
        self.same("discover-pods.txt", run([pods])[0])
        self.same("status.txt", run([STATUS, {"schema": 1, "drains": []}])[0])

    def test_nobody_works_on_it(self):
        def text(**more):
            return run([{"schema": 1, "drains": [STATUS["drains"][0] | {"updated": "T", "eta_seconds": None} | more]}])[0]
        for more in ({}, {"running": None}, {"running": True}):
            self.assertIn("adm1:4711", text(**more))
            self.assertNotIn("cephnode", text(**more))
        self.assertIn(" nobody\nnode4: nobody works on it, last step at T; go on: cephnode drain node4; undo it: cephnode cancel node4\n",
                      text(running=False))
        for phase, words, never in (("drained", "held drained since T; remove its OSDs: cephnode remove node4; give them back: cephnode cancel node4\n", "drain node4"),
                                    ("cancel", "go on: cephnode cancel node4\n", "drain node4"), ("sweep", "go on: cephnode drain node4\n", "cancel")):
            self.assertIn(words, text(running=False, phase=phase))
            self.assertNotIn(never, text(running=False, phase=phase))

    def test_plan(self):
        """Few targets by OSD, many by host with the fullest of each; a bound that says why."""
        def target(osd, host, shards=4, after=0.5):
            return {"osd": osd, "host": host, "shards": shards, "bytes": shards * 1000000000, "before": after and after - 0.01, "after": after}
        few = [target(4, "node2", after=0.913), target(11, "node1"), target(2, "node1", 1, 0.42), target(7, None, after=None), target(8, "b\u0007d", 0)]
        exact = {"exact": True, "reason": None, "bytes_needless": 900000000, "pins": 12}
        many = [target(i, "host%02d" % (i // 3), after=(i * 37 % 100) / 100) for i in range(84)]
        some = [target(i, "host%02d" % (i // 2)) for i in range(24)]
        pinned = PLAN | {"bytes_to_move": TOTAL, "bytes_minimum": TOTAL}
        plans = [pinned | {"targets": few, "forecast": exact},
                 PLAN | {"targets": many, "forecast": exact | {"pins": 0}, "refusals": [], "warnings": [], "bytes_per_second_seen": 110000000, "seconds_estimated": 121},
                 PLAN | {"targets": many[:75], "forecast": exact | {"pins": 1}},
                 PLAN | {"targets": [], "forecast": {"exact": False, "reason": "osdmaptool (package ceph-base) is not installed here"}},
                 pinned | {"targets": some, "forecast": exact | {"pins": 0, "bytes_needless": 0}}]
        self.same("plans.txt", "\n--\n".join(run([p])[0] for p in plans))
        self.same("plans-terminal.txt", "--\n".join(screen(on_terminal([p], 100)) for p in plans[:2]))
        for line in screen(on_terminal([plans[0]], 79)).splitlines():
            self.assertLessEqual(len(line), 79, line)

    def test_plan_is_whole(self):
        """What one is to confirm: nothing is cut, facts wrap between words."""
        stop = {"with": "kube", "does": ["node storage-14 gets the label ceph-osd=disabled, which the DaemonSet of its pods does not select"]}
        plan = PLAN | {"stop": stop, "hosts": ["a-host-with-a-long-name-%d" % i for i in range(4)], "node": "a-node-with-a-very-long-name-that-has-no-blank-in-it"}
        plan["pools"] = [PLAN["pools"][0] | {"name": "volumes-of-the-second-region-" + "x" * 30}]
        plan["targets"] = [{"osd": 4, "host": "a-host-with-a-long-name-in-another-region", "shards": 4, "bytes": 4000, "before": 0.1, "after": 0.2}]
        wide = screen(on_terminal([plan], 400))
        for columns in (72, 44, 30):
            narrow = screen(on_terminal([plan], columns))
            self.assertEqual(narrow.split(), [w for line in wide.splitlines() for w in line.split() if columns >= 80 or not re.fullmatch("[\u2501\u2578\u00b7]+", w)])
            facts = narrow.split("\n\n")[0].splitlines()
            self.assertTrue(columns < 60 or all(len(line) <= columns or " " not in line.strip().split("  ")[-1] for line in facts), narrow)

    def test_undo(self):
        said = run([event("step", step=s, state="end", undo=True) for s in ("lock", "out", "reweight", "done")])[1]
        self.assertEqual(said, "lock: taken\nundo out: done\nundo reweight: done\n")
        self.assertIn("undo out: putting back", on_terminal([event("step", step="out", state="begin", undo=True)], 100))

    def test_outcomes(self):
        said = [run([event("result", outcome=o, osds=[3], seconds=60, bytes_moved=1024, exit=1, reason="why")])[0]
                for o in ("removed", "drained", "cancelled", "refused", "stalled", "interrupted", "failed")]
        for more in ({"exit": 0}, {"exit": 6}, {"exit": 0, "already": True}):   # "put back" where it is, and nowhere else
            said += run([event("result", outcome="cancelled", osds=[3], seconds=1, bytes_moved=0, reason=None, **more)])[0]
        said += run([event("result", outcome="refused", osds=[3], seconds=1, bytes_moved=0, exit=4, reason="why", not_undone=True)])[0]
        self.same("results.txt", "".join(said))


class Live(unittest.TestCase):
    """The line that is redrawn in place."""

    def test_fits_any_width(self):
        for columns in (20, 34, 50, 60, 72, 80, 100, 132, 200):
            text = on_terminal([progress(TOTAL // 3, health="HEALTH_WARN")], columns)
            drawn = re.sub(r"\x1b\[[0-9;]*[mK]", "", text)
            for part in drawn.split("\r"):
                self.assertLessEqual(len(part), columns - 3)        # the last column, and ^C

    def test_a_terminal_that_becomes_narrower(self):
        """What wraps then is taken away whole."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
        with subprocess.Popen([RENDER], stdin=subprocess.PIPE, stdout=slave, stderr=slave, env=environment()) as p:
            p.stdin.write(lines([progress(TOTAL // 2)]))
            p.stdin.flush()
            out = b""
            while not out.endswith(b"\x1b[K"):
                out += os.read(master, 65536)
            drawn = len(screen(out.decode()).strip("\r"))
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
            p.stdin.write(lines([progress(TOTAL // 3)]))
            p.stdin.flush()
            out = b""
            while b"66 %" not in out:
                out += os.read(master, 65536)
            p.stdin.close()
        os.close(slave)
        os.close(master)
        self.assertTrue(out.startswith(b"\x1b[%dA\r\x1b[J" % ((drawn - 1) // 30)), (drawn, out))

    def test_what_matters_stays(self):
        text = screen(on_terminal([progress(TOTAL // 3), {"sleep_ms": 1}], 45).split("\r\x1b[K")[0])
        self.assertIn("66 %", text)
        self.assertIn("4.1 GiB left", text)
        self.assertIn("ETA 1 min 18 s", text)

    def test_everything_where_there_is_room(self):
        text = screen(on_terminal([progress(TOTAL // 3)], 120).split("\r\x1b[K")[0])
        for part in ("node4", "66 %", "4.1 GiB left", "33 PGs", "104.9 MiB/s", "ETA 1 min 18 s", "HEALTH_OK", "\u2501"):
            self.assertIn(part, text)

    def test_never_full_before_the_last_group(self):
        self.assertIn(" 99 %", on_terminal([progress(0, pgs=1)], 100))
        self.assertIn("100 %", on_terminal([progress(0, pgs=0)], 100))
        self.assertIn(" 99 %", on_terminal([progress(1, pgs=1)], 100))

    def test_is_taken_away(self):
        text = on_terminal([progress(TOTAL // 2), event("warning", message="osd.7 went down"), progress(TOTAL // 3), RESULT], 100)
        self.assertEqual(screen(text).strip(), "warning: osd.7 went down\nnode4: removed osd.3 and osd.9 in 2 min 10 s, 12.3 GiB moved")

    def test_nothing_unknown_is_claimed(self):
        text = on_terminal([progress(TOTAL, eta_seconds=None)], 100)
        self.assertIn("ETA unknown", text)

    def test_foreign_text_cannot_steer(self):
        nasty = progress(TOTAL // 2, node="a\x1b]0;x\x07b\nc", health="HEALTH_\x1b[2JERR")
        text = on_terminal([nasty, event("step", step="wait\x1b[2J", state="end", message="\x1b[1;1H\u202e"), RESULT | {"node": "\x9b2J"}], 150)
        self.assertNotIn("\x1b]", text)
        self.assertNotIn("\x1b[2J", text)
        self.assertNotIn("\x1b[1;1H", text)
        self.assertNotIn("\u202e", text)
        self.assertNotIn("\x9b", text)

    def test_dumb_terminal(self):
        text = on_terminal(drain(), 80, TERM="dumb")
        self.assertNotIn("\x1b", text)
        self.assertIn("  50 %", text)


class Plain(unittest.TestCase):
    def test_no_escape_without_terminal(self):
        out, err = run(drain())
        self.assertNotIn("\x1b", out + err)

    def test_progress_is_sparse(self):
        err = run(drain())[1]
        self.assertEqual(len(re.findall(r"^node4 +\d+ %", err, re.M)), 11)

    def test_color(self):
        self.assertIn("\x1b[", run(drain(), "--color=always")[0])
        self.assertNotRegex(on_terminal([STATUS, PLAN], 100, NO_COLOR="1"), r"\x1b\[\d+m")
        self.assertRegex(on_terminal([STATUS, PLAN], 100), r"\x1b\[\d+m")

    def test_ascii_locale(self):
        out = run([STATUS], LC_ALL="C")[0]
        self.assertRegex(out, r"\[#+-+\] +69 %")

    def test_names(self):
        out = run([PLAN])[0]
        self.assertIn('two words "\u00fc" \\x1b[31m', out)

    def test_narrow_table(self):
        for line in screen(on_terminal([STATUS], 60)).splitlines():
            self.assertLessEqual(len(line), 60)


class Lines(unittest.TestCase):
    """JSON Lines: each event as it came, in one write, nothing after the result."""

    def test_lines(self):
        sent = [e for e in drain() if "event" in e]
        got = [json.loads(line) for line in run(drain(), "-j")[0].splitlines()]
        self.assertEqual(got, sent[:-1])

    def test_one_write_a_line(self):
        read, write = os.pipe2(os.O_DIRECT)  # packets: each write is read alone
        p = subprocess.Popen([RENDER, "-j"], stdin=subprocess.PIPE, stdout=write, stderr=subprocess.DEVNULL, env=environment())
        os.close(write)
        p.stdin.write(lines(drain()))
        p.stdin.close()
        while packet := os.read(read, 65536):
            self.assertTrue(packet.endswith(b"}\n") and packet.count(b"\n") == 1, packet)
        os.close(read)
        self.assertEqual(p.wait(timeout=60), 0)

    def test_full_disk(self):
        with open("/dev/full", "w") as full:
            p = subprocess.run([RENDER, "-j"], input=lines(drain()), stdout=full, stderr=subprocess.DEVNULL, timeout=60, env=environment())
        self.assertEqual(p.returncode, 1)


if __name__ == "__main__":
    unittest.main()
