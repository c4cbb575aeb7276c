#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where the Kubernetes client finds its configuration, and how it renews what it finds."""
import base64
import datetime
import json
import os
import shlex
import shutil
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from apiserver import Api  # noqa: E402
from apiwire import Answer, make_cert  # noqa: E402
from case import SCRATCH, Case, set_up, tear_down  # noqa: E402

setUpModule, tearDownModule = set_up, tear_down
GET = ("get", "GET", "/version")


def data(name):
    return base64.b64encode((SCRATCH / name).read_bytes()).decode()


class Tokens(Case):
    def setUp(self):
        super().setUp()
        self.file = SCRATCH / ("token-" + self.id())
        self.file.write_text("\n s3cr3t-1 \n")
        self.api.tokens = {"s3cr3t-1": "a"}
        self.kubeconfig = self.api.kubeconfig("kc-" + self.id(), user={"tokenFile": str(self.file), "token": "s3cr3t-old"})

    def sent(self):
        return [r.headers.get("Authorization") for r in self.api.seen]

    def test_a_file_beats_what_is_written_down_while_it_can_be_read(self):
        self.assertEqual(self.probe(*GET)["r"], "0")
        self.file.unlink()
        self.assertEqual(self.probe(*GET)["r"], "EACCES")
        self.assertEqual(self.sent(), ["Bearer s3cr3t-1", "Bearer s3cr3t-old"])

    def test_read_again_each_minute(self):
        self.api.tokens["s3cr3t-2"] = "a"
        with self.session() as do:
            do(*GET)
            self.file.write_text("s3cr3t-2")
            do("advance", "59")
            do(*GET)
            do("advance", "1")
            do(*GET)
            self.file.unlink()
            do("advance", "61")
            self.assertEqual(do(*GET)["r"], "0")
        self.assertEqual(self.sent(), ["Bearer s3cr3t-1"] * 2 + ["Bearer s3cr3t-2"] * 2)

    def test_read_again_when_it_is_not_accepted(self):
        with self.session() as do:
            do(*GET)
            self.file.write_text("s3cr3t-2")
            self.api.tokens = {"s3cr3t-2": "a"}
            self.assertEqual(do(*GET)["r"], "0")
            self.api.tokens = {}
            said = do(*GET)
            self.assertEqual((said["r"], said["code"]), ("EACCES", 1))
            self.assertIn("expired", said["hint"])
        self.assertEqual(self.sent(), ["Bearer s3cr3t-1"] * 2 + ["Bearer s3cr3t-2"] * 2)

    def test_a_delete_is_sent_again_after_a_401(self):
        with self.session() as do:
            do(*GET)
            self.file.write_text("s3cr3t-2")
            self.api.tokens = {"s3cr3t-2": "a"}
            self.assertEqual(do("once", "DELETE", "/api/v1/namespaces/ceph/pods/p")["r"], "ENOENT")
        self.assertEqual(len(self.api.requests), 3)

    def test_in_the_middle_of_a_list(self):
        for i in range(2100):
            self.api.pod("ceph", f"p{i:04}")

        def rotate(_):
            self.file.write_text("s3cr3t-2")
            self.api.tokens = {"s3cr3t-2": "a"}
        self.api.on("GET", "continue=", rotate)
        said = self.listed()
        self.assertEqual((said["r"], len(said["names"]), len(self.api.requests)), ("0", 2100, 3))

    def test_a_name_and_a_password(self):
        self.api.tokens = {"jane:hunter2": "jane"}
        config = self.api.kubeconfig("basic", user={"username": "jane", "password": "hunter2"})
        self.assertEqual(self.probe(*GET, kubeconfig=config)["r"], "0")

    def test_no_headers_by_the_back_door(self):
        for user in ({"token": "s3cr3t\r\nX-Evil: 1"}, {"token": "s3cr3t-1", "as": "jane\nX-Evil: 1"}):
            said = self.probe(*GET, kubeconfig=self.api.kubeconfig("evil", user=user))
            self.assertEqual((said["r"], said["code"]), ("EINVAL", 2))
        self.assertFalse(self.api.requests)

    def test_nobody(self):
        said = self.probe("get", "GET", "/api/v1/pods", kubeconfig=self.api.kubeconfig("nobody", user={}))
        self.assertEqual((said["r"], said["reason"]), ("EPERM", "Forbidden"))
        self.assertIn("list pods", said["hint"])

    def test_somebody_else(self):
        user = {"token": "s3cr3t-1", "as": "jane", "as-groups": ["g1", "g2"]}
        self.probe(*GET, kubeconfig=self.api.kubeconfig("as", user=user))
        headers = self.api.seen[0].headers
        self.assertEqual((headers["Impersonate-User"], headers.get_all("Impersonate-Group")), ("jane", ["g1", "g2"]))


class Plugins(Case):
    """Each run of the plugin adds a line to `runs`; it prints the file `answer`."""

    def setUp(self):
        super().setUp()
        self.dir = SCRATCH / self.id()
        self.dir.mkdir()
        self.runs = self.dir / "runs"
        self.api.tokens = {}
        self.plugin("echo \"$*\" >>runs; echo \"$KUBERNETES_EXEC_INFO\" >info; echo 'a hint from the plugin' >&2; cat answer")
        self.configure()
        self.answer(token="s3cr3t-1")

    def plugin(self, script):
        path = self.dir / "bin" / "plugin"
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\ncd %s\n%s\n" % (shlex.quote(str(self.dir)), script))
        path.chmod(0o755)

    def configure(self, cluster=None, **more):
        entry = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./bin/plugin", "args": ["get", "it; rm -rf $HOME"],
                 "interactiveMode": "Never", **more}
        shutil.copy(self.api.kubeconfig("x", user={"exec": entry}, cluster=cluster), self.dir / "kubeconfig")
        self.kubeconfig = str(self.dir / "kubeconfig")

    def answer(self, version="v1", expires_in=None, **status):
        if "token" in status:
            self.api.tokens[status["token"]] = "cephnode"
        if expires_in is not None:
            at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=expires_in)
            status["expirationTimestamp"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
        text = json.dumps({"apiVersion": "client.authentication.k8s.io/" + version, "kind": "ExecCredential", "status": status})
        (self.dir / "answer").write_text(text)

    def ran(self):
        return self.runs.read_text().splitlines() if self.runs.exists() else []

    def test_its_token(self):
        with self.session() as do:
            self.assertEqual(do(*GET)["r"], "0")
            do("advance", "100000")
            self.assertEqual(do(*GET)["r"], "0")
        self.assertEqual(self.ran(), ["get it; rm -rf $HOME"])
        self.assertEqual(self.api.seen[0].headers["Authorization"], "Bearer s3cr3t-1")
        self.assertIn("a hint from the plugin", self.err)

    def test_kept_until_it_expires(self):
        self.answer(token="s3cr3t-1", expires_in=3600)
        with self.session() as do:
            do(*GET)
            do("advance", "3500")
            do(*GET)
            self.assertEqual(len(self.ran()), 1)
            self.answer(token="s3cr3t-2", expires_in=9000)
            do("advance", "200")
            self.assertEqual(do(*GET)["r"], "0")
        self.assertEqual(len(self.ran()), 2)
        self.assertEqual(self.api.seen[-1].headers["Authorization"], "Bearer s3cr3t-2")

    def test_run_again_when_it_is_not_accepted(self):
        with self.session() as do:
            do(*GET)
            self.api.tokens = {}
            self.answer(token="s3cr3t-2")
            self.assertEqual(do(*GET)["r"], "0")
            self.api.tokens = {}
            self.assertEqual(do(*GET)["r"], "EACCES")
        self.assertEqual(len(self.ran()), 3)

    def test_side_by_side_it_runs_once(self):
        said = self.probe("lists", "6", "/api/v1/pods")
        self.assertEqual([x["r"] for x in said["lists"]], ["0"] * 6)
        self.assertEqual(len(self.ran()), 1)

    def test_its_certificate(self):
        self.answer(clientCertificateData=(SCRATCH / "client.crt").read_text(), clientKeyData=(SCRATCH / "client.key").read_text())
        self.assertEqual(self.probe(*GET)["r"], "0")
        self.assertEqual((self.api.seen[0].user, self.api.seen[0].headers.get("Authorization")), ("client", None))

    def test_its_next_certificate(self):
        make_cert(SCRATCH, "later", [])
        pairs = [{"clientCertificateData": (SCRATCH / f"{name}.crt").read_text(), "clientKeyData": (SCRATCH / f"{name}.key").read_text()}
                 for name in ("client", "later")]
        self.answer(expires_in=60, **pairs[0])
        with self.session() as do:
            do(*GET)
            self.answer(**pairs[1])
            do(*GET)
            do("advance", "61")
            do(*GET)
        self.assertEqual([r.user for r in self.api.seen], ["client", "client", "later"])

    def test_what_it_is_told(self):
        self.probe(*GET)
        info = json.loads((self.dir / "info").read_text())
        self.assertEqual(info, {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "spec": {"interactive": False}})
        extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}
        self.configure(provideClusterInfo=True, cluster={"extensions": [extension], "tls-server-name": "localhost"})
        self.probe(*GET)
        info = json.loads((self.dir / "info").read_text())["spec"]["cluster"]
        self.assertEqual(info, {"server": self.api.url, "tls-server-name": "localhost", "config": {"audience": "x"},
                                "certificate-authority-data": data("ca.crt")})

    def test_its_environment(self):
        self.plugin("tr '\\0' '\\n' </proc/$$/environ >env; ls -l /proc/self/fd >fds; cat answer")
        self.configure(env=[{"name": "COLOUR", "value": "red"}, {"name": "PLUGIN_WORD", "value": "hunter2"}])
        self.probe(*GET, env={"COLOUR": "blue", "KUBERNETES_EXEC_INFO": "forged"})
        env = (self.dir / "env").read_text().splitlines()
        self.assertEqual([e for e in env if e.startswith("COLOUR=")], ["COLOUR=red"])
        self.assertIn("PLUGIN_WORD=hunter2", env)
        self.assertEqual(len([e for e in env if e.startswith("KUBERNETES_EXEC_INFO=")]), 1)

    def test_it_inherits_nothing(self):
        self.plugin("ls -l /proc/self/fd >fds; cat answer")
        self.answer(token="s3cr3t-1", expires_in=60)
        with self.session() as do:
            do(*GET)
            do("advance", "61")
            (self.dir / "fds").unlink()
            do(*GET)
        fds = (self.dir / "fds").read_text()
        self.assertNotIn("socket:", fds)
        self.assertNotIn("anon_inode", fds)

    def test_answers_that_are_none(self):
        good = json.loads((self.dir / "answer").read_text())
        bad = ["", "s3cr3t", "[]", "{}", json.dumps(dict(good, status={})), json.dumps(dict(good, kind="Pod")),
               json.dumps(dict(good, apiVersion="client.authentication.k8s.io/v1beta1")),
               json.dumps(dict(good, status={"token": "s3cr3t", "clientKeyData": "PRIVATE"})),
               json.dumps(dict(good, status={"token": "s3cr3t", "expirationTimestamp": "soon"})), "x" * 2000000]
        with self.session() as do:
            for text in bad:
                (self.dir / "answer").write_text(text)
                said = do(*GET)
                self.assertIn(said["r"], ("EBADMSG", "EFBIG"), text[:80])
                self.assertEqual(said["code"], 1)
        self.assertFalse(self.api.requests)

    def test_it_fails(self):
        for script, words in (("echo s3cr3t; exit 3", "exit status 3"), ("kill -9 $$", "signal 9")):
            self.plugin(script)
            said = self.probe(*GET)
            self.assertEqual(said["r"], "EACCES")
            self.assertIn(words, said["message"])

    def test_it_is_not_there(self):
        self.configure(command="no-such-plugin-anywhere", installHint="get it at the corner")
        said = self.probe(*GET)
        self.assertEqual((said["r"], said["hint"]), ("ENOENT", "get it at the corner"))

    def test_found_in_the_path(self):
        self.configure(command="plugin")
        self.assertEqual(self.probe(*GET, env={"PATH": f"{self.dir}/bin:{os.environ['PATH']}"})["r"], "0")

    def test_a_signal_ends_it_and_what_it_started(self):
        self.plugin("sleep 100 & echo $! >child; echo x >>runs; wait")
        p = self.start(*GET, clock=None)
        while not self.ran():
            time.sleep(0.01)
        self.assertEqual(self.interrupt(p)["r"], "EINTR")
        child = int((self.dir / "child").read_text())
        for _ in range(500):
            if not Path(f"/proc/{child}").exists() or ") Z" in Path(f"/proc/{child}/stat").read_text():
                break
            time.sleep(0.01)
        else:
            self.fail("it is still there")


class Files(Case):
    """kubeconfig as kubectl reads it."""

    def setUp(self):
        super().setUp()
        self.dir = SCRATCH / self.id()
        self.dir.mkdir()
        self.kubeconfig = None

    def write(self, name, text):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return str(path)

    def config(self, *files, **options):
        env = options.pop("env", {})
        if files:
            env["KUBECONFIG"] = ":".join(files)
        return self.probe("config", env=env, **options)

    def test_a_list_of_files(self):
        a = self.write("a", """
current-context: ""
clusters: [{name: c, cluster: {server: "https://first:1"}}]
contexts:
- {name: x, context: {cluster: c, user: u, namespace: from-a}}
""")
        b = self.write("b", """
current-context: x
clusters: [{name: c, cluster: {server: "https://second:1", tls-server-name: q}}]
users: [{name: u, user: {token: s3cr3t}}]
contexts:
- {name: x, context: {cluster: c, user: u, namespace: from-b}}
- {name: y, context: {cluster: c}}
""")
        said = self.config(str(self.dir / "missing"), a, b)
        self.assertEqual((said["server"], said["namespace"], said["token"]), ("https://first:1", "from-a", True))
        self.assertEqual(self.config(b, a)["server"], "https://second:1")
        self.assertEqual(self.config(a, b, context="y")["token"], False)
        said = self.config(a, b, context="z")
        self.assertEqual((said["code"], said["hint"]), (2, "there are: x, y"))
        self.assertEqual(self.config(b, kubeconfig=a)["code"], 2)
        for none in ([str(self.dir / "missing")], [str(self.dir / "missing"), a + "/config"]):
            said = self.config(*none)
            self.assertEqual((said["code"], said["message"]), (2, "no file that KUBECONFIG names is there: " + ":".join(none)))
            self.assertIn("--no-kube", said["hint"])
        for empty in ("/dev/null", self.write("empty", "")):
            self.assertFalse(self.config(str(self.dir / "missing"), empty)["found"])
        self.assertEqual(self.config(kubeconfig=self.dir / "missing")["code"], 2)

    def test_paths_belong_to_their_file(self):
        for name in ("ca.crt", "client.crt", "client.key"):
            self.write("sub/" + name, (SCRATCH / name).read_text())
        self.write("sub/token", "secret")
        path = self.write("sub/config", json.dumps({
            "current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": self.api.url, "certificate-authority": "ca.crt"}}],
            "users": [{"name": "u", "user": {"tokenFile": "token", "client-certificate": "./client.crt",
                                             "client-key": "../sub/client.key"}}]}))
        self.assertEqual(self.probe(*GET, kubeconfig=path)["r"], "0")
        self.assertEqual(self.probe(*GET, env={"KUBECONFIG": path})["r"], "0")

    def test_data_beats_paths(self):
        config = self.api.kubeconfig("inline", user={"client-certificate": "missing", "client-certificate-data": data("client.crt"),
                                                     "client-key": "missing", "client-key-data": data("client.key")},
                                     cluster={"certificate-authority": "missing", "certificate-authority-data": data("ca.crt")})
        self.assertEqual(self.probe(*GET, kubeconfig=config)["r"], "0")
        self.assertEqual(self.api.seen[0].user, "client")

    def test_at_home(self):
        self.write(".kube/config", Path(self.api.kubeconfig("home")).read_text())
        said = self.config(env={"HOME": str(self.dir)})
        self.assertEqual(said["source"], f"context 'test' of {self.dir}/.kube/config")
        for nowhere in (self.dir / "nowhere", self.dir / ".kube/config"):
            self.assertFalse(self.config(env={"HOME": str(nowhere)})["found"])
        self.write(".kube/config", "apiVersion: v1\nkind: Config\nclusters: null\nusers: []\ncurrent-context: ''\n")
        self.assertFalse(self.config(env={"HOME": str(self.dir)})["found"])

    def test_what_cannot_be(self):
        cluster, context = "clusters: [{name: c, cluster: {server: 'https://h:1'}}]\n", "current-context: x\n"
        user = context + cluster + "contexts: [{name: x, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {%s}}]\n"
        with self.session() as do:
            for text, words in (
                    ("a: [", "line 2, column 1"), ("a: 1\na: 2\n", "line 2, column 1: a key that comes twice"), ("\ta: 1", "line 1"),
                    ("- 1\n", "no kubeconfig"),
                    ("kind: Pod\n", "no kubeconfig"), (context, "no context 'x'"), ("clusters: 3\n" + context, "no list"),
                    ("contexts: [{name: x}]\n" + context, "names no cluster"),
                    (context + "contexts: [{name: x, context: {cluster: c}}]\n", "cluster 'c', which is not there"),
                    (context + cluster + "contexts: [{name: x, context: {cluster: c, user: u}}]\n", "user 'u', which is not there"),
                    (context + "clusters: [{name: c}]\ncontexts: [{name: x, context: {cluster: c}}]\n", "has no server"),
                    ("clusters: [{name: a}, {name: a}]\n" + context, "twice"),
                    (user % "client-key-data: '-s3cr3t-'", "is not base64"), (user % "client-key: /no/such/file", "cannot read"),
                    (user % ("client-key-data: %s" % data("client.key")), "only good together"),
                    (user % "exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}", "version"),
                    (user % "exec: {apiVersion: client.authentication.k8s.io/v1}", "no command"),
                    (user % "exec: {command: x, interactiveMode: Always, apiVersion: client.authentication.k8s.io/v1}", "ask"),
                    (user % "auth-provider: {name: gcp}", "auth-provider"),
                    ("x: &a [*a]\n", "line 1"), ("x: *a\n", "names nothing"), ("[" * 70 + "]" * 70, "deep"), ("? [a]\n: b\n", "no text"),
                    ("a: \"\\0\"\n", "must not be there"), ("#" * (1 << 20) + "\n", "large")):
                said = do("config", self.write("bad", text))
                self.assertEqual(said.get("code"), 2, text[:100])
                self.assertIn(words, said["message"])
                self.assertIn("bad", said["message"])
        both = "{name: c, cluster: {server: 'https://h', insecure-skip-tls-verify: true, certificate-authority-data: %s}}" % data("ca.crt")
        said = self.config(kubeconfig=self.write("bad", f"{context}clusters: [{both}]\ncontexts: [{{name: x, context: {{cluster: c}}}}]"))
        self.assertIn("not both", said["message"])

    def test_numbers_for_passwords(self):
        self.api.tokens = {"1:0123": "x"}
        path = self.api.kubeconfig("numbers", user={"username": 1, "password": "PASS"})
        Path(path).write_text(Path(path).read_text().replace('"PASS"', "0123"))
        self.assertEqual(self.probe(*GET, kubeconfig=path)["r"], "0")

    def test_anchors_and_merges(self):
        path = self.write("merged", f"""
x-common: &tls {{certificate-authority: {self.api.ca}, server: "https://nobody:1"}}
clusters:
- name: c
  cluster: {{<<: *tls, server: {self.api.url}}}
users: [{{name: u, user: {{token: !!str secret}}}}]
contexts: [{{name: x, context: {{cluster: c, user: u}}}}]
current-context: x
""")
        self.assertEqual(self.probe(*GET, kubeconfig=path)["r"], "0")


class Account(Case):
    """In a pod."""

    def setUp(self):
        super().setUp()
        self.kubeconfig = None
        self.dir = SCRATCH / self.id()
        self.dir.mkdir()
        (self.dir / "token").write_text(" secret\n")
        (self.dir / "namespace").write_text("rook-ceph\n")
        shutil.copy(SCRATCH / "ca.crt", self.dir / "ca.crt")
        self.env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": self.api.port, "CEPHNODE_SERVICE_ACCOUNT": self.dir}

    def test_it_is_found(self):
        said = self.probe("config", env=self.env)
        self.assertEqual((said["source"], said["namespace"], said["server"]),
                         ("the service account of this pod", "rook-ceph", self.api.url))
        self.assertEqual(self.probe(*GET, env=self.env)["r"], "0")

    def test_it_rotates(self):
        with self.session(env=self.env) as do:
            do(*GET)
            (self.dir / "token").write_text("s3cr3t-2")
            self.api.tokens = {"s3cr3t-2": "x"}
            self.assertEqual(do(*GET)["r"], "0")

    def test_ipv6(self):
        said = self.probe("config", env={**self.env, "KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"})
        self.assertEqual(said["server"], "https://[fd00::1]:443")
        try:
            api = Api(SCRATCH, host="::1")
            api.up()
        except OSError:
            self.skipTest("no IPv6 on loopback")
        self.addCleanup(api.down)
        env = {**self.env, "KUBERNETES_SERVICE_HOST": "::1", "KUBERNETES_SERVICE_PORT": api.port}
        self.assertEqual(self.probe(*GET, env=env)["r"], "0")

    def test_a_kubeconfig_that_was_named_comes_first(self):
        config = self.api.kubeconfig("named-first")
        self.assertIn("named-first", self.probe("config", env={**self.env, "KUBECONFIG": config})["source"])
        home = SCRATCH / "home"
        (home / ".kube").mkdir(parents=True, exist_ok=True)
        shutil.copy(config, home / ".kube" / "config")
        self.assertIn("this pod", self.probe("config", env={**self.env, "HOME": home})["source"])
        self.assertIn("home", self.probe("config", env={**self.env, "HOME": home}, context="test")["source"])

    def test_no_account(self):
        (self.dir / "token").unlink()
        self.assertFalse(self.probe("config", env=self.env)["found"])
        (self.dir / "token").write_text("x")
        (self.dir / "ca.crt").unlink()
        self.assertEqual(self.probe("config", env=self.env)["code"], 2)

    def test_an_overloaded_server(self):
        self.api.on("GET", "/version", Answer(429, "busy", {"Retry-After": "1"}), times=2)
        self.assertEqual(self.probe(*GET, env=self.env)["waited_ms"], 2000)


if __name__ == "__main__":
    unittest.main()
