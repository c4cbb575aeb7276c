#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`heat agent` against OpenStack over TLS: whose certificate is believed, and where no secret may show.

Needs CEPHNODE (the binary) in the environment, and `openssl`."""
import json
import shutil
import socket
import sys
import tempfile
import threading
import unittest
from pathlib import Path

import agent_test
from fakeheat import APP_SECRET, PASSWORD, Cloud

sys.path.append(str(Path(__file__).resolve().parents[1] / "contract"))
from apiwire import make_ca, make_cert  # noqa: E402

SCRATCH = Path(tempfile.mkdtemp(prefix="cn-tls-"))
CA, STRANGER, SERVER, ELSEWHERE, CLIENT = (SCRATCH / (n + ".crt") for n in ("ca", "stranger", "server", "elsewhere", "client"))
HINT = "must carry the name or address in its URL and come from the configured CA"


def setUpModule():
    make_ca(SCRATCH)
    make_ca(SCRATCH, "stranger")
    make_cert(SCRATCH, "server", ["IP:127.0.0.1"])
    make_cert(SCRATCH, "elsewhere", ["DNS:keystone.example", "IP:127.0.0.2"])
    make_cert(SCRATCH, "client", [])


def tearDownModule():
    shutil.rmtree(SCRATCH)


class Case(agent_test.Case):
    def setUp(self):
        super().setUp()
        self.serve(SERVER)

    def serve(self, cert, **more):
        self.cloud = self.enterContext(Cloud(cert=cert, **more))
        self.cloud.member("m1", "127.0.1.1")

    def env(self, **more):
        return {**self.cloud.env(), **{k: str(v) for k, v in more.items()}}

    def refused(self, *words, env):
        """Before anything was sent that a stranger could read."""
        self.once(1, "Keystone: 127.0.0.1:%d: " % self.cloud.port, HINT, *words, env=env)
        self.assertEqual((self.cloud.requests, self.cloud.logins), ([], 0))


class Tls(Case):
    def test_ca_of_the_environment(self):
        self.once(0, env=self.env(OS_CACERT=CA))
        self.assertEqual(len(self.cloud.requests), 3)

    def test_unknown_ca(self):
        self.refused("certificate", env=self.env())
        self.refused("certificate", env=self.env(OS_CACERT=STRANGER))
        self.cloud.yaml(self.home, cacert=str(STRANGER))
        self.refused("certificate", env={})

    def test_another_name(self):
        self.serve(ELSEWHERE)
        self.refused("127.0.0.1", env=self.env(OS_CACERT=CA))

    def test_ca_of_clouds_yaml(self):
        self.cloud.yaml(self.home, cacert=str(CA))
        self.once(0, env={})
        shutil.copy(CA, self.home / "os-ca.pem")
        self.cloud.yaml(self.home, cacert="~/os-ca.pem")
        self.once(0, env={"OS_CLOUD": "test"})
        self.assertEqual(self.cloud.logins, 2)

    def test_ca_that_is_none(self):
        self.once(2, "cacert", "does not exist", env=self.env(OS_CACERT=SCRATCH / "not"))
        (self.home / "text").write_text("no certificate\n")
        self.once(2, "the CA certificate is not PEM", env=self.env(OS_CACERT=self.home / "text"))
        self.assertEqual(self.cloud.requests, [])

    def test_unchecked(self):
        """Only where it was said, and never without a word."""
        self.serve(ELSEWHERE)
        self.once(0, "certificates are not checked", env=self.env(OS_INSECURE="True"))
        self.cloud.yaml(self.home, verify=False, cacert=str(STRANGER))
        self.once(0, "certificates are not checked", env={})
        path = self.cloud.yaml(self.home)
        path.write_text(path.read_text().replace('"auth_type"', '"verify": No, "auth_type"'))     # as YAML spells it
        self.once(0, "certificates are not checked", env={})
        self.cloud.requests.clear()
        self.cloud.logins = 0
        self.refused(env=self.env(OS_INSECURE="0", OS_CACERT=CA))
        self.cloud.yaml(self.home, verify=True, cacert=str(CA))
        self.refused(env={})

    def test_another_service_is_a_stranger(self):
        """The token goes to nobody whose certificate is not good, and never over plain http."""
        with Cloud(cert=ELSEWHERE) as other:
            self.cloud.yaml(self.home, cacert=str(CA), orchestration_endpoint_override=other.url + "/heat/v1/p")
            self.once(1, "Heat: 127.0.0.1:%d" % other.port, HINT, env={})
            self.assertEqual((self.cloud.logins, other.requests), (1, []))
        self.cloud.yaml(self.home, cacert=str(CA), orchestration_endpoint_override="http://192.0.2.1:8004/v1/p")
        self.once(2, "plain http would show credentials", env={})

    def test_certificate_of_the_client(self):
        self.serve(SERVER, client_ca=CA)
        self.once(1, "Keystone", env=self.env(OS_CACERT=CA))
        self.assertEqual(self.cloud.requests, [])
        self.once(0, env=self.env(OS_CACERT=CA, OS_CERT=CLIENT, OS_KEY=CLIENT.with_suffix(".key")))
        self.once(2, "only good together", env=self.env(OS_CACERT=CA, OS_CERT=CLIENT))

    def test_exchanged_in_the_middle(self):
        """A server of another certificate on the same port: gates stay closed, and the rounds go on when the right one is back."""
        p = self.popen("--no-kube", "--interval", "1", env=self.env(OS_CACERT=CA))
        self.addCleanup(p.kill)
        self.until("a round", lambda: len(self.cloud.requests) >= 3)
        self.cloud.down()
        self.cloud.cert = ELSEWHERE
        self.cloud.up()
        self.cloud.revoke()     # a login has a connection of its own
        self.until("two rounds fail", lambda: self.cloud.server.connections >= 2)
        self.cloud.down()
        self.cloud.cert = SERVER
        self.cloud.up()
        self.until("it goes on", lambda: self.cloud.logins == 2)
        p.terminate()
        said = p.communicate(timeout=20)[1]
        self.assertEqual((p.returncode, said.count("every gate stays closed")), (0, 1), said)
        self.assertIn("certificate", said)


class Secrets(Case):
    """Of a password, an application credential, a token and a client's key nothing is seen from outside."""

    def family(self, pid):
        """The process and all that came of it."""
        for f in Path("/proc/%d/task" % pid).glob("*/children"):
            for child in f.read_text().split():
                yield from self.family(int(child))
        yield pid

    def proc(self, pid):
        """What /proc shows of the process, its threads and its children: {file: text}."""
        seen = {}
        for at in (Path("/proc/%d" % p) for p in self.family(pid)):
            for f in [at / n for n in ("cmdline", "comm", "status", "maps", "environ")] + list(at.glob("task/*/comm")):
                try:
                    seen[str(f)] = f.read_bytes().decode("utf-8", "replace")
                except PermissionError:     # nobody but root may look: the process says so itself
                    pass
            for f in at.glob("fd/*"):
                try:
                    seen[str(f)] = str(f.readlink())
                except OSError:
                    pass
        self.assertTrue(seen)
        return seen

    def nothing_in(self, seen, given):
        """given: what the user himself put into the environment."""
        for what, text in seen.items():
            for s in self.secrets():
                if not (what.endswith("environ") and s in given):
                    self.assertNotIn(s, text, what)

    def agent(self, env, given):
        p = self.popen("-v", "--interval", "1", env=env)
        self.until("rounds", lambda: len(self.cloud.requests) >= 5)
        self.cloud.revoke()
        self.until("another login", lambda: self.cloud.logins >= 2)
        seen = self.proc(p.pid)
        self.assertGreater(len([f for f in seen if f.endswith("/cmdline")]), 1)      # its guard
        p.terminate()
        out, err = p.communicate(timeout=20)
        self.assertEqual(p.returncode, 0, err)
        self.nothing_in({**seen, "stdout": out, "stderr": err}, given)

    def watched(self, code, paths, *args, env, given, **how):
        """Runs it to its end, and looks at it at each request for one of these paths, when the token is no more."""
        answer, found, started = self.cloud.answer, {}, threading.Event()

        def look(method, path, *rest):
            if any(p in path for p in paths) and path not in found:
                started.wait(30)
                found[path] = self.proc(p.pid)
                self.cloud.revoke()
            return answer(method, path, *rest)
        self.cloud.answer, self.cloud.logins = look, 0
        p = self.popen("-v", *args, env=env, **how)
        started.set()
        out, err = p.communicate(timeout=60)
        self.cloud.answer = answer
        self.assertEqual(p.returncode, code, err)
        self.assertTrue(all(any(p in f for f in found) for p in paths), found.keys())
        self.assertGreater(self.cloud.logins, 1)
        for seen in found.values():
            self.nothing_in(seen, given)
        self.nothing_in({"stdout": out, "stderr": err}, given)

    def check(self, env, given=()):
        """Of each command that logs in."""
        self.agent(env, given)
        self.cloud.may = lambda method, path: True      # the rest is the owner's business
        conf = self.home / "ceph.conf"
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))        # nobody listens there
            conf.write_text("[global]\nmon_host = v1:127.0.0.1:%d\nauth_client_required = none\n" % s.getsockname()[1])
            self.watched(6, ("/template", "/environment"), "-c", conf, "--connect-timeout", "1", env=env, given=given, command="check")
        self.cloud.on_count = lambda size: self.cloud.members.pop("m1")
        self.watched(0, ("/template", "/servers/"), "127.0.1.1", "--yes", env=env, given=given, command="retire")

    def secrets(self):
        key = CLIENT.with_suffix(".key").read_text().splitlines()[1]
        return [PASSWORD, APP_SECRET, key, *self.tokens]

    def setUp(self):
        super().setUp()
        self.tokens = set()
        login = self.cloud.login

        def noted(doc):
            answer = login(doc)
            self.tokens.update(v for v in answer[2].values())
            return answer
        self.cloud.login = noted

    def test_application_credential(self):
        self.cloud.yaml(self.home, cacert=str(CA), cert=str(CLIENT), key=str(CLIENT.with_suffix(".key")))
        self.check({})
        self.assertGreaterEqual(len(self.tokens), 2)

    def test_password(self):
        self.check(self.env(OS_CACERT=CA), given=(PASSWORD,))

    def test_refused(self):
        """Words of Keystone, Heat and Nova that quote what they were sent."""
        env = self.env(OS_CACERT=CA, OS_PASSWORD="wrong-4711")
        self.assertNotIn("wrong-4711", self.once(1, "refuses the credential", env=env, args=("-v",)))
        self.cloud.on("POST", "/identity", 400, {"error": {"message": "Invalid input for password %s" % PASSWORD}})
        self.once(1, "status 400", env=self.env(OS_CACERT=CA), args=("-v",))
        self.cloud.on("POST", "/identity", 400)
        url = self.cloud.url.replace("//", "//u:%s@" % PASSWORD) + "/identity"
        self.once(1, "that of Keystone (%s/identity/v3)" % self.cloud.url, env=self.env(OS_CACERT=CA, OS_AUTH_URL=url))
        self.cloud.on("POST", "/identity", 201, "no JSON object: " + PASSWORD)
        self.once(1, "Keystone", env=self.env(OS_CACERT=CA), args=("-v",))

    def test_broken_files(self):
        for text in ("clouds:\n  test:\n    auth: {application_credential_secret: %s\n  x: [" % APP_SECRET,
                     json.dumps({"clouds": {"test": {"auth": {"auth_url": "https://u:%s@[" % PASSWORD, "password": PASSWORD,
                                                              "username": "u", "project_name": "p"}}}}),
                     json.dumps({"clouds": {"test": {"auth": {"auth_url": self.cloud.url, "password": [PASSWORD], "username": "u"}}}})):
            (self.home / "clouds.yaml").write_text(text)
            self.once(2, env={}, args=("-v",))


if __name__ == "__main__":
    unittest.main()
