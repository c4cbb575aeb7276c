#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The built binary, without a cluster: help, usage errors, streams, exit codes, the manual page.

Needs CEPHNODE (the binary) and SOURCE_DIR in the environment. GOLDEN=update writes the golden files anew.
"""
import base64
import contextlib
import functools
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

CEPHNODE = os.environ["CEPHNODE"]
SOURCE = Path(os.environ["SOURCE_DIR"])
GOLDEN = SOURCE / "tests/cli/golden"
NODE_COMMANDS = ["discover", "plan", "drain", "remove", "cancel", "status"]
GROUPS = ["locks", "heat"]
COMMANDS = [*NODE_COMMANDS, "locks list", "locks break", "metrics", "check", "heat hook", "heat agent", "heat check", "heat retire"]
LATER = ["orphans", "maintenance", "devices", "completion"]
OPTION = re.compile(r"^ {2,}(?:-(\w), )?--([a-z-]+)(?: (\S+))?(?:  |$)", re.M)


def environment(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("CEPH_", "LC_", "LANG", "NO_COLOR", "KUBE"))}
    return env | more


def run(*args, stdin=subprocess.DEVNULL, timeout=30, **kwargs):
    kwargs.setdefault("stdout", subprocess.PIPE)
    kwargs.setdefault("env", environment())
    return subprocess.run([CEPHNODE, *args], stdin=stdin, stderr=subprocess.PIPE, timeout=timeout, text=True, **kwargs)


@functools.cache
def help_of(*command):
    return run(*command, "--help").stdout


def options_of(text):
    return {name: (letter, arg) for letter, name, arg in OPTION.findall(text)}


class Base(unittest.TestCase):
    maxDiff = None

    def fails(self, code, *args, words=(), hint=None, **kwargs):
        r = run(*args, **kwargs)
        self.assertEqual(r.returncode, code, (args, r.stderr))
        first, *rest = r.stderr.splitlines()
        self.assertRegex(first, r"^cephnode: [^A-Z].*[^.]$")
        for word in words:
            self.assertIn(word, first)
        if hint:
            self.assertTrue(any(line.startswith("hint: ") and hint in line for line in rest), r.stderr)
        return r

    def usage(self, *args, words=(), hint=None):
        r = self.fails(2, *args, words=words, hint=hint)
        self.assertEqual(r.stdout, "")


class Help(Base):
    def test_golden(self):
        for name in ["", *GROUPS, *COMMANDS]:
            text, path = help_of(*name.split()), GOLDEN / f"help{'-' if name else ''}{name.replace(' ', '-')}.txt"
            if os.environ.get("GOLDEN") == "update":
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
            self.assertEqual(text, path.read_text(), f"{path.name}: GOLDEN=update writes it anew")

    def test_fits(self):
        for name in ["", *GROUPS, *COMMANDS]:
            for line in help_of(*name.split()).splitlines():
                self.assertLessEqual(len(line), 100, line)

    def test_forms(self):
        for form in (["-h"], ["--help"], ["-qh"], ["-f", "json", "--help"]):
            self.assertEqual(run(*form).stdout, help_of())
        self.assertEqual(run("drain", "-h").stdout, help_of("drain"))
        self.assertEqual(run("--help", "drain").stdout, help_of("drain"))
        self.assertEqual(run("drain", "--help", "--bogus").returncode, 0)

    def test_says_nothing_on_stderr(self):
        r = run("--help")
        self.assertEqual((r.returncode, r.stderr), (0, ""))

    def test_version(self):
        r = run("--version")
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        self.assertRegex(r.stdout, r"^cephnode \d+\.\d+\.\d+\n$")
        self.assertEqual(run("status", "--version").stdout, r.stdout)

    def test_every_command_is_listed(self):
        listed = re.findall(r"^  ([a-z]+(?: [a-z]+)?) .*(?:  \S|$)", help_of().split("Commands:")[1].split("\n\n")[0], re.M)
        self.assertEqual(listed, COMMANDS)


class Usage(Base):
    def test_no_command(self):
        self.usage(words=["no command"], hint="--help")

    def test_unknown_commands(self):
        for name in [*LATER, "help", "DRAIN", "xyzzy"]:
            self.usage(name, words=["unknown command", name])

    def test_suggestions(self):
        for wrong, right in {"drian": "drain", "drai": "drain", "staus": "status", "discovr": "discover", "remvoe": "remove"}.items():
            self.usage(wrong, words=[wrong], hint=f"'{right}'")
        for wrong, right in {"--dryrun": "--dry-run", "--acept": "--accept", "--formt": "--format", "--lockwait": "--lock-wait"}.items():
            self.usage("drain", "n", wrong, words=[wrong], hint=f"'{right}'")

    def test_two_words(self):
        self.usage("locks", words=["'locks'", "second word: list, break"], hint="'cephnode locks --help'")
        self.usage("heat", words=["second word: hook, agent, check, retire"], hint="'cephnode heat --help'")
        self.usage("locks", "lsit", words=["locks lsit"], hint="'locks list'")
        self.usage("locks", "-q", "status", words=["locks status"], hint="'cephnode locks --help'")
        self.usage("locks", "--all", "list", words=["--all"])
        self.usage("lock", words=["lock"], hint="'locks list'")
        for form in (["locks", "list", "-h"], ["--help", "locks", "list"], ["locks", "--help", "list"]):
            self.assertEqual(run(*form).stdout, help_of("locks", "list"))
        for group in GROUPS:
            listed = re.findall(rf"^  ({group} [a-z]+)", help_of(group), re.M)
            self.assertEqual(listed, [c for c in COMMANDS if c.startswith(group + " ")])
            self.assertEqual(run("--help", group).stdout, help_of(group))

    def test_locks(self):
        self.usage("locks", "list", words=["which images"], hint="--all")
        self.usage("locks", "list", "a", "--all", words=["exclude"])
        self.usage("locks", "list", "-p", "a", "--all", words=["exclude"])
        self.usage("locks", "list", "--all", "--state", "dead", words=["alive|in-use"])
        self.usage("locks", "break", words=["which lock"], hint="--node")
        for scope in (["a", "--all"], ["a", "--node", "n"], ["a", "-p", "p"]):
            self.usage("locks", "break", *scope, words=["excludes"])
        for scope in ([], ["-p", "p", "--all"]):
            self.usage("locks", "break", "--node", "n", *scope, words=["--node needs"])
        self.usage("locks", "break", "--all", words=["which lock"])
        for option in ("--no-fence", "--node-is-powered-off"):
            self.usage("locks", "break", "a", option, words=["need each other"], hint="the locker is fenced")
        for option in ("--force", "--fence-host"):
            self.usage("locks", "break", "a", "--no-fence", "--node-is-powered-off", option, words=["excludes"], hint="to fence nobody")
        self.usage("locks", "break", "a", "--fence-for", "9", words=["from 10 to"])
        self.usage("locks", "break", "a", "--locker", "", words=["empty"])
        self.fails(2, "locks", "break", "a", "--lock-id", "", "-c", "/none.conf", words=["none.conf"])

    def test_locks_result_is_the_last_line(self):
        r = run("locks", "break", "-f", "json", "--all")
        event = json.loads(r.stdout.splitlines()[-1])
        self.assertEqual((event["event"], event["outcome"], event["exit"], event["locks"]), ("result", "failed", 2, []))

    def test_a_wrong_command_line_has_a_result(self):
        for args, node in ((["drain", "n", "--bogus"], "n"), (["drain", "n", "--bogus", "value"], "n"), (["--bogus", "drain", "n"], ""),
                           (["drain"], ""), (["drain", "-y", "a", "b", "--timeout=x"], "a,b"), (["remove"], ""), (["cancel", "a", "b"], "a,b"),
                           (["cancel", "a", "--id=x", "--name=client.x"], "a")):
            for line in (["-f", "json", *args], [*args, "--format=json"]):
                r = self.fails(2, *line)
                event = json.loads(r.stdout)
                self.assertEqual((event["event"], event["outcome"], event["exit"], event["node"], event["osds"]), ("result", "failed", 2, node, []), line)
                self.assertEqual(r.stderr.splitlines()[0], "cephnode: " + event["reason"])
        event = json.loads(self.fails(2, "locks", "break", "a", "--fence-for", "9", "-f", "json").stdout)
        self.assertEqual((event["event"], event["outcome"], event["exit"], event["locks"]), ("result", "failed", 2, []))
        # neither one that is a document, nor where it is not said which command, nor behind "--"
        for line in (["drain", "--dry-run", "-f", "json"], ["plan", "-f", "json"], ["drian", "n", "-f", "json"], ["xyzzy", "drain", "n", "-f", "json"],
                     ["locks", "drain", "n", "-f", "json"], ["drain", "--", "-f", "json", ""], ["drain", "n", "--bogus", "-f"]):
            self.usage(*line)

    def test_no_far_suggestion(self):
        self.assertNotIn("did you mean", run("xyzzy").stderr)

    def test_unknown_options(self):
        self.usage("drain", "n", "--watch-all", words=["unknown option", "--watch-all"])
        self.usage("drain", "n", "-Z", words=["-Z"])
        self.usage("plan", "n", "--watch", words=["plan", "--watch"], hint="status")
        self.usage("status", "--yes", words=["--yes"], hint="it is an option of: drain, remove, cancel, locks break, heat retire")
        self.usage("--keep", "drain", "n", words=["--keep"], hint="'cephnode drain --help'")

    def test_arguments(self):
        for name in NODE_COMMANDS[:-1]:
            self.usage(name, words=[name, "NODE"])
        for name in ("remove", "cancel", "status"):
            self.usage(name, "a", "b", words=["too many", name])
        self.usage("drain", "-y", "", words=["empty"], hint="osd.N")
        self.usage("check", "n", words=["too many", "it takes none"], hint="'cephnode check --help'")

    def test_kubernetes(self):
        for name in [*NODE_COMMANDS, "locks list", "locks break"]:
            words = [*name.split(), "n"]
            self.usage(*words, "--kube-flavour", "chart", words=["ceph-docker|helm|rook", "chart"])
            for bad in ("pod", "label:", "node-name:x"):
                self.usage(*words, "--kube-host-from", bad, words=["pod-name|label:KEY|node-name", bad])
            self.usage(*words, "--kube-context=", words=["empty"])
            self.usage(*words, "--no-kube", "--kube-namespace", "ceph", words=["--no-kube excludes"], hint="leave out")

    def test_values(self):
        self.usage("status", "-f", words=["-f", "needs a value"])
        self.usage("status", "-f", "xml", words=["table|json", "xml"])
        self.usage("status", "--color=blue", words=["auto|always|never"])
        self.usage("status", "--quiet=1", words=["takes no value"])
        self.usage("status", "--conf=", words=["empty"], hint="'cephnode status --help'")
        self.usage("status", "--id", "a", "--name", "client.a", words=["--name", "--id"], hint="one of them")
        self.usage("drain", "n", "--method", "push", words=["crush|out"])
        for driver in ("systemd", "kube", ""):
            self.usage("drain", "n", f"--stop-with={driver}")

    def test_metrics(self):
        self.usage("metrics", "n", words=["too many"])
        self.usage("metrics", "-f", "json", words=["not JSON"], hint="status -f json")
        self.usage("metrics", "--textfile=", words=["empty"])
        for name in ("x", "x.prom.tmp", "x.prom/", ".prom", "xprom"):
            self.usage("metrics", "--textfile", name, words=[f"--textfile {name} does not end in .prom"], hint="FILE.prom")

    def test_shipped_pods(self):
        """What they run is a command line that gets as far as to the cluster."""
        with tempfile.TemporaryDirectory() as tmp:
            for name in ("job-drain", "cronjob-metrics"):
                words, = re.findall(r" args: \[(.*)\]$", (SOURCE / f"docs/kubernetes/{name}.yaml").read_text(), re.M)
                words = [w.strip('"').replace("/textfile", tmp) for w in words.split(", ")]
                self.fails(2, *words, "-c", "/none.conf", words=["/none.conf"])

    def test_numbers(self):
        for option in ("--stall-timeout", "--timeout", "--lock-wait"):
            for bad in ("-1", "x", "1s", " 1", "1.5", "99999999999999999999"):
                self.usage("drain", "n", f"{option}={bad}", words=[option])
        self.usage("drain", "n", "--timeout", "0", words=["number of seconds from 1 to"], hint="'cephnode drain --help'")
        self.usage("status", "--connect-timeout", "0", words=["from 1 to 3600"])

    def test_codes(self):
        self.usage("drain", "n", "--accept", "osd_down", words=["osd_down"], hint="ceph health detail")
        self.usage("drain", "n", "--accept", ",", words=["at least one"])

    def test_end_of_options(self):
        self.usage("cancel", "--", "-y", "-z", words=["too many"])

    def test_control_characters_are_shown(self):
        r = run("a\x1b[2Jb")
        self.assertIn(r"a\x1b[2Jb", r.stderr)
        self.assertNotIn("\x1b", r.stderr)


class Consent(Base):
    """Without a terminal and without --yes nothing begins: not even a connection."""

    def test_refuses(self):
        start = time.monotonic()
        self.fails(2, "drain", "node1", "-m", "127.0.0.1:1", words=["terminal"], hint="--yes")
        self.assertLess(time.monotonic() - start, 10)      # a connection would be tried for 15

    def test_json(self):
        r = run("drain", "node1", "-f", "json")
        lines = [json.loads(line) for line in r.stdout.splitlines()]
        self.assertEqual([(e["event"], e["schema"], e["node"], e["exit"]) for e in lines], [("result", 1, "node1", 2)])


class Connect(Base):
    """What fails before anything was asked of a cluster."""

    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.dir = Path(tmp.name)
        key = base64.b64encode(struct.pack("<HIIH", 1, 0, 0, 16) + bytes(range(16))).decode()
        (self.dir / "keyring").write_text(f"[client.admin]\n\tkey = {key}\n")
        (self.dir / "ceph.conf").write_text("[global]\n")
        self.mon = socket.socket()  # takes connections and never says a word
        self.addCleanup(self.mon.close)
        self.mon.bind(("127.0.0.1", 0))
        self.mon.listen(64)

    def to_mute_mon(self):
        port = self.mon.getsockname()[1]
        return ["-c", str(self.dir / "ceph.conf"), "-k", str(self.dir / "keyring"), "-m", f"127.0.0.1:{port}", "--connect-timeout", "2"]

    def test_missing_conf(self):
        self.fails(2, "status", "-c", str(self.dir / "none.conf"), words=["none.conf"])

    def test_conf_from_environment(self):
        self.fails(2, "status", env=environment(CEPH_CONF=str(self.dir / "env.conf")), words=["env.conf"])

    def test_what_names_no_file(self):
        where = str(self.dir)
        self.fails(2, "status", "-c", where, words=[f"file {where}: Is a directory"], hint="--conf")
        self.fails(2, "status", *self.to_mute_mon(), "-k", where, words=[f"keyring {where}: Is a directory"], hint="--keyring")
        self.fails(2, "status", env=environment(CEPH_CONF=""), words=["CEPH_CONF: it is empty"], hint="unset it")
        self.fails(2, "status", "--name", "joe", words=["joe", "TYPE.ID"], hint="--name client.joe, or --id joe")
        self.fails(2, "status", "--name", "user.joe", words=["user.joe", "TYPE.ID"], hint="--id ID")

    def looks_for(self, *args, mon="[", **env):
        """Who librados thinks it is: the names of the logs that it writes, and their text."""
        (self.dir / "wanted.conf").write_text(f"[global]\nlog_file = {self.dir}/log.$cluster.$name\nmon_host = {mon}\n"
                                              f"keyring = {self.dir}/none\n")
        r = run("status", "--connect-timeout", "1", *args, env=environment(**env))
        self.assertIn(r.returncode, (1, 5), r.stderr)
        logs = {p.name.removeprefix("log."): p.read_text() for p in self.dir.glob("log.*")}
        for name in logs:
            (self.dir / f"log.{name}").unlink()
        return list(logs), "".join(logs.values())

    def test_ceph_args(self):
        conf = f"-c {self.dir}/wanted.conf"
        for text, found in (("--id joe", "ceph.client.joe"), ("--user=joe", "ceph.client.joe"), ("-n client.joe", "ceph.client.joe"),
                            ("--id joe\t--name  client.ann", "ceph.client.ann"), ("--id a --id b", "ceph.client.b"),
                            ("--cluster other", "other.client.admin"), ("--id 'joe'", "ceph.client.'joe'"),
                            ("-- --id joe", "ceph.client.admin")):
            self.assertEqual(self.looks_for(CEPH_ARGS=f"{conf} {text}")[0], [found], text)
        self.assertEqual(self.looks_for("--id", "ann", CEPH_ARGS=f"{conf} --id joe -n client.joe")[0], ["ceph.client.ann"])
        self.assertEqual(self.looks_for(CEPH_ARGS=conf, CEPH_CONF="/none")[0], ["ceph.client.admin"])
        self.assertEqual(self.looks_for("--cluster", "mine", CEPH_CONF=f"{self.dir}/wanted.conf")[0], ["mine.client.admin"])
        for text in ("--id", "--name=", "--debug-ms 0 -c"):
            self.fails(2, "status", env=environment(CEPH_ARGS=text), words=["CEPH_ARGS", text.split()[-1]])
        self.fails(2, "status", env=environment(CEPH_ARGS="-c /none.conf"), words=["/none.conf"])

    def test_key_and_mon_of_environment(self):
        conf, mon = f"-c {self.dir}/wanted.conf", f"127.0.0.1:{self.mon.getsockname()[1]}"
        for key, env in (("env", {"CEPH_ARGS": conf}), ("args", {"CEPH_ARGS": f"{conf} -k /args.key"}),
                         ("args", {"CEPH_ARGS": f"{conf} --keyring=/args.key"})):
            self.assertIn(f"keyring on /{key}.key", self.looks_for(mon="127.0.0.1:1", CEPH_KEYRING="/env.key", **env)[1])
        self.assertIn("keyring on /argv.key", self.looks_for("-k", "/argv.key", mon="127.0.0.1:1",
                                                                      CEPH_ARGS=f"{conf} -k /args.key")[1])
        self.fails(5, "status", "--connect-timeout", "1", env=environment(CEPH_CONF=f"{self.dir}/ceph.conf", CEPH_ARGS=f"-m {mon}",
                                                                          CEPH_KEYRING=f"{self.dir}/keyring"))

    def test_unreachable_mon(self):
        start = time.monotonic()
        self.fails(5, "status", *self.to_mute_mon())
        self.assertLess(time.monotonic() - start, 10)

    def test_metrics_say_that_nobody_answers(self):
        r = self.fails(5, "metrics", *self.to_mute_mon())
        self.assertIn("\ncephnode_up 0\n", r.stdout)
        path = self.dir / "cephnode.prom"
        self.assertEqual(self.fails(5, "metrics", "--textfile", str(path), *self.to_mute_mon()).stdout, "")
        self.assertEqual((path.read_text(), path.stat().st_mode & 0o777), (r.stdout, 0o644))
        self.assertEqual({p.name for p in self.dir.iterdir()}, {"ceph.conf", "keyring", "cephnode.prom"})
        # neither that nor anything else is written after a signal
        path.unlink()
        self.mon.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.mon.accept()[0].close()
        self.mon.settimeout(20)
        with subprocess.Popen([CEPHNODE, "metrics", "--textfile", path, *self.to_mute_mon(), "--connect-timeout", "30"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as p:
            self.mon.accept()
            p.send_signal(signal.SIGTERM)
            out, err = p.communicate(timeout=20)
        self.assertEqual((p.returncode, out, path.exists()), (130, b"", False), err)

    def test_check_finds_that_nobody_answers(self):
        r = self.fails(6, "check", "-f", "json", *self.to_mute_mon(), words=["needed is missing"], env=environment(HOME=str(self.dir)))
        connection, kube = json.loads(r.stdout)["findings"]
        self.assertEqual((connection["what"], connection["ok"], kube["what"], kube["ok"]), ("connection", False, "Kubernetes", True))
        self.assertIn("no monitor quorum answered", connection["message"])
        self.assertIn("mon_host", connection["hint"])
        table = self.fails(6, "check", "--no-kube", *self.to_mute_mon(), "--connect-timeout", "1").stdout
        self.assertRegex(table, "MISSING +connection .*no monitor")
        self.assertIn("hint: check mon_host", table)
        r = self.fails(2, "check", "-f", "json", "-c", "/none.conf", words=["/none.conf"], hint="--conf")
        self.assertEqual(r.stdout, "")

    def test_kubeconfig_that_is_not_there(self):
        """Its pods would be passed over in silence. Only what puts things back goes on."""
        env, mon = environment(KUBECONFIG="/none.kube"), [*self.to_mute_mon(), "--connect-timeout", "1"]
        for args in (["discover", "n"], ["plan", "n"], ["drain", "-y", "n"], ["check"], ["locks", "list", "--node", "n"]):
            self.fails(2, *args, *mon, env=env, words=["KUBECONFIG", "/none.kube"], hint="--no-kube")
        for args in (["discover", "n", "--no-kube"], ["status", "n"]):
            self.fails(5, *args, *mon, env=env, words=["no monitor"])
        r = run("cancel", "n", *mon, env=env)
        self.assertEqual(r.returncode, 5, r.stderr)
        self.assertIn("going on without Kubernetes: no file that KUBECONFIG names", r.stderr)
        (self.dir / "kube").write_text("contexts: [{name: x, context: {cluster: c}}]\n")
        r = run("discover", "n", *mon, env=environment(KUBECONFIG=f"{self.dir}/kube"))
        self.assertEqual(r.returncode, 5, r.stderr)
        self.assertIn(f"{self.dir}/kube has contexts, but none is the current one", r.stderr)

    def test_result_is_the_last_line(self):
        for args in (["drain", "-y", "n"], ["cancel", "n"], ["remove", "-y", "n"]):
            r = self.fails(5, *args, "-f", "json", *self.to_mute_mon())
            event = json.loads(r.stdout.splitlines()[-1])
            self.assertEqual((event["event"], event["outcome"], event["exit"]), ("result", "stalled", 5))
            self.assertTrue(event["reason"])

    def test_interrupt_while_connecting(self):
        for signum in (signal.SIGINT, signal.SIGTERM):
            with subprocess.Popen([CEPHNODE, "drain", "-y", "n", "-f", "json", *self.to_mute_mon(), "--connect-timeout", "30"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as p:
                while p.poll() is None and len(os.listdir(f"/proc/{p.pid}/task")) <= 4:      # the library's are there, too
                    time.sleep(0.01)
                start = time.monotonic()
                p.send_signal(signum)
                out, err = p.communicate(timeout=20)
                self.assertLess(time.monotonic() - start, 4)
            self.assertEqual(p.returncode, 130, err)
            event = json.loads(out.splitlines()[-1])
            self.assertEqual((event["event"], event["outcome"], event["exit"]), ("result", "interrupted", 130))

    @unittest.skipIf(os.getuid() != 0, "becomes another user, who must be let in to the program")
    def test_no_core_dumps(self):
        """The kernel gives what may not be dumped to root."""
        for path in (self.dir, *self.dir.iterdir()):
            path.chmod(0o755)
        if not all(parent.stat().st_mode & 1 for parent in (Path(CEPHNODE).resolve(), *Path(CEPHNODE).resolve().parents)):
            self.skipTest("another user cannot reach the program")
        with subprocess.Popen([CEPHNODE, "status", *self.to_mute_mon()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, env=environment(), user=65534, group=65534, extra_groups=[]) as p:
            try:
                comm, at = Path(f"/proc/{p.pid}/comm"), time.monotonic()
                while comm.read_text() != "cephnode\n" or comm.stat().st_uid != 0:
                    self.assertIsNone(p.poll())
                    self.assertLess(time.monotonic() - at, 10)
                    time.sleep(0.01)
            finally:
                p.kill()


class Streams(Base):
    """A write to stdout that fails is a failure of the command, and never a signal."""

    def test_full_disk(self):
        with open("/dev/full", "w") as full:
            for args in (["--help"], ["--version"], ["drain", "--help"]):
                self.fails(1, *args, stdout=full, words=["stdout", "No space left"])

    def test_closed(self):
        self.fails(1, "--help", stdout=None, preexec_fn=lambda: os.close(1), words=["stdout"])

    def test_reader_gone(self):
        read, write = os.pipe()
        os.close(read)
        self.fails(1, "--help", stdout=write, words=["stdout", "Broken pipe"])
        os.close(write)

    def test_own_code_stays(self):
        with open("/dev/full", "w") as full:
            r = run("drain", "n", "-f", "json", stdout=full)
        self.assertEqual(r.returncode, 2)
        self.assertIn("cannot write to stdout", r.stderr)

    def test_nothing_written_nothing_lost(self):
        self.fails(2, "xyzzy", stdout=None, preexec_fn=lambda: os.close(1), words=["xyzzy"])

    def test_all_closed(self):
        p = subprocess.run([CEPHNODE, "--help"], preexec_fn=lambda: os.closerange(0, 3), timeout=30, env=environment())
        self.assertEqual(p.returncode, 1)


class ManPage(Base):
    """docs/cephnode.1.rst names every command and option, with the same arguments, and no other."""

    def setUp(self):
        self.page = (SOURCE / "docs/cephnode.1.rst").read_text()

    @unittest.skipUnless(shutil.which("rst2man"), "rst2man is not installed")
    def test_renders(self):
        r = subprocess.run(["rst2man", "--halt=warning", SOURCE / "docs/cephnode.1.rst"], capture_output=True, text=True, timeout=60)
        self.assertEqual((r.returncode, r.stderr), (0, ""))
        self.assertIn(".TH", r.stdout)

    def test_options(self):
        listed = {}
        for name in ["", *GROUPS, *COMMANDS]:
            listed |= options_of(help_of(*name.split()))
        described = {}
        for letter, name, arg in re.findall(r"^\*\*(?:-(\w), )?--([a-z-]+)\*\*(?: \*(\S+)\*)?$", self.page, re.M):
            described[name] = (letter, arg)
        self.assertEqual(described, listed)

    def test_who_takes_an_option(self):
        """The commands in brackets behind an option are those whose help lists it."""
        everywhere, takes = options_of(help_of()), {}
        for name in COMMANDS:
            for option in options_of(help_of(*name.split())):
                takes.setdefault(option, []).append(name)
        page = self.page.split("\nOPTIONS\n")[1].split("\nWHAT A DRAIN DOES\n")[0]
        agent = re.findall(r"--([a-z-]+)", re.search(r"^\*\*heat agent\*\* also takes (.*)$", page, re.M)[1])
        kube, described = page.split("\nOptions where a node is named\n")[1].split("\nOptions of ")[0], {}
        but = re.findall(r"\*\*([a-z ]+)\*\*", re.search(r"All commands but (.*?), and \*\*locks\*\* without", kube)[1])
        for option, text in re.findall(r"^\*\*(?:-\w, )?--([a-z-]+)\*\*(?: \*\S+\*)?\n((?: {4}.*\n|\n(?= {4}))+)", page, re.M):
            said = re.search(r"\(([a-z, ]+)\)$", " ".join(text.split()))
            if option in everywhere:
                described[option] = COMMANDS
            elif f"**--{option}**" in kube and not said:
                described[option] = [name for name in COMMANDS if name not in but]
            else:
                self.assertTrue(said, f"--{option}: the page does not say which commands take it")
                described[option] = said[1].split(", ") + ["heat agent"] * (option in agent)
        self.assertEqual(described, takes)

    def test_no_stray_option(self):
        known = set()
        for name in ["", *GROUPS, *COMMANDS]:
            known |= set(options_of(help_of(*name.split())))
        # other tools' options appear in literal blocks that begin with their name
        for line in self.page.splitlines():
            if not re.search(r"\b(ceph|rst2man|osdmaptool)\s", line):
                for name in re.findall(r"(?<![\w-])--([a-z][a-z-]+)", line):
                    self.assertIn(name, known, line)

    def test_commands(self):
        commands = self.page.split("\nCOMMANDS\n")[1].split("\nOPTIONS\n")[0]
        self.assertEqual(re.findall(r"^\*\*([a-z ]+)\*\*(?: |$)", commands, re.M), COMMANDS)

    def test_exit_codes(self):
        codes = re.findall(r"^ +(\d+)  ", help_of(), re.M)
        section = self.page.split("\nEXIT STATUS\n")[1].split("\n====")[0]
        self.assertEqual(re.findall(r"^(\d+)$", section, re.M), codes)


if __name__ == "__main__":
    unittest.main()
