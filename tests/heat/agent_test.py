#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`heat agent` against recorded answers of Keystone, Heat and Nova, without Ceph: what it asks, and what it makes of the answers.

Needs CEPHNODE (the binary) in the environment."""
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from fakeheat import APP_ID, APP_NAME, APP_SECRET, PASSWORD, PROJECT, USER, USER_ID, Cloud, recorded

CEPHNODE = os.environ["CEPHNODE"]


class Case(unittest.TestCase):
    before = ()     # words in front of the command

    def setUp(self):
        self.cloud = self.enterContext(Cloud())
        self.cloud.member("m1", "127.0.1.1")
        self.cloud.member("m2", "127.0.1.2")
        self.home = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def environment(self, env=None):
        keep = {k: v for k, v in os.environ.items() if not k.startswith(("OS_", "CEPH_", "XDG_"))}
        return keep | {"HOME": str(self.home)} | (self.cloud.env() if env is None else env)

    def popen(self, *args, env=None, command="agent", stderr=subprocess.PIPE):
        return subprocess.Popen([*self.before, CEPHNODE, "-c", "/nonexistent.conf", "heat", command, "--stack", "storage", *args], env=self.environment(env),
                                cwd=self.home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, text=True)

    def run_it(self, code, *args, words=(), env=None):
        p = self.popen(*args, env=env)
        out, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, code, err)
        for w in words:
            self.assertIn(w, err)
        for secret in (PASSWORD, APP_SECRET, *self.cloud.tokens):
            self.assertNotIn(secret, out + err)
        return err

    def once(self, code, *words, env=None, args=()):
        return self.run_it(code, "--once", *args, words=words, env=env)

    def paths(self, method=None):
        return [p.split("/stacks", 1)[-1].split("?")[0] for m, p in self.cloud.requests if method in (None, m)]

    def until(self, what, predicate, seconds=60):
        end = time.monotonic() + seconds
        while not predicate():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.05)


class Rounds(Case):
    def test_idle(self):
        self.once(0)
        self.assertEqual([m for m, _ in self.cloud.requests], ["POST", "GET", "GET"])     # login, the name, the resources
        self.assertTrue(self.cloud.requests[2][1].endswith("/resources?nested_depth=2"))

    def test_an_idle_round_is_one_request(self):
        p = self.popen("--no-kube", "--interval", "1")
        self.until("three rounds", lambda: len(self.cloud.requests) >= 5)
        p.send_signal(signal.SIGTERM)
        self.assertEqual((*p.communicate(timeout=20), p.returncode), ("", "", 0))
        self.assertTrue(all(r[1].endswith("nested_depth=2") for r in self.cloud.requests[2:]))
        self.assertEqual(self.cloud.logins, 1)

    def test_a_gate_needs_ceph(self):
        self.cloud.scale_down("m1")
        self.once(2, "/nonexistent.conf")
        self.assertEqual(self.cloud.opened, [])

    def test_gates_of_one_scale_down(self):
        """They close one after the other: nothing is begun before the last one has."""
        self.cloud.scale_down("m1")
        self.cloud.members["m2"].status = "DELETE_IN_PROGRESS"
        p = self.popen("--once")
        self.until("three looks", lambda: sum("nested_depth" in r for _, r in self.cloud.requests) >= 3)
        self.assertIsNone(p.poll())
        self.cloud.scale_down("m2")
        self.assertIn("/nonexistent.conf", p.communicate(timeout=30)[1])
        self.assertEqual(p.returncode, 2)

    def test_a_gate_settles(self):
        start = time.monotonic()
        self.cloud.scale_down("m1", ago=0)
        self.once(2, "/nonexistent.conf")
        self.assertGreater(time.monotonic() - start, 3)

    def test_deleting_but_not_at_the_gate(self):
        self.cloud.members["m1"].status = "DELETE_IN_PROGRESS"
        self.once(0)

    def test_no_gate(self):
        """A member whose template has no gate is not looked at."""
        self.cloud.members["m1"].status, self.cloud.members["m1"].gate = "DELETE_IN_PROGRESS", False
        self.once(0)
        self.assertEqual(len(self.cloud.requests), 3)

    def test_it_says_that_heat_gave_up(self):
        self.cloud.give_up("m1")
        self.once(0, "Heat has given up", "Timed out", "openstack stack update --existing", "cancel")

    def test_no_such_stack(self):
        self.cloud.on("GET", "/stacks/storage$", *recorded("agent/stack-404"))
        self.once(3, "there is no stack 'storage'")

    def test_a_stack_made_anew(self):
        """The id is asked for again."""
        p = self.popen("--interval", "1")
        self.until("a round", lambda: len(self.cloud.requests) >= 3)
        self.cloud.on("GET", "nested_depth", *recorded("agent/stack-404"))
        self.until("the name again", lambda: self.paths().count("/storage") == 2)
        p.terminate()
        p.communicate(timeout=20)

    def test_no_stack_said(self):
        p = subprocess.run([CEPHNODE, "heat", "agent"], capture_output=True, text=True, env=self.environment(), timeout=30)
        self.assertEqual(p.returncode, 2)
        self.assertIn("--stack", p.stderr)

    def test_garbage(self):
        for body in ([], "x", {"resources": 3}, {"resources": [3, None, {}, {"links": 7}, {"resource_type": "OS::Nova::Server", "links": [{"rel": "stack", "href": "/stacks/../.."}]}]}):
            with self.subTest(body=body):
                self.cloud.on("GET", "nested_depth", 200, body)
                p = self.popen("--once")
                _, err = p.communicate(timeout=30)
                self.assertIn(p.returncode, (0, 1), err)


class Tokens(Case):
    def test_renewed_after_a_401(self):
        """Once, and the request again."""
        p = self.popen("--no-kube", "--interval", "1")
        self.until("a round", lambda: len(self.cloud.requests) >= 3)
        self.cloud.revoke()
        self.until("another login", lambda: self.cloud.logins == 2)
        n = len(self.cloud.requests)
        self.until("it goes on", lambda: len(self.cloud.requests) > n + 1)
        p.terminate()
        self.assertEqual(p.communicate(timeout=20)[1], "")

    def test_renewed_in_time(self):
        """Before it expires: no request gets a 401."""
        self.cloud.token_seconds = 4
        p = self.popen("--no-kube", "--interval", "1")
        self.until("three logins", lambda: self.cloud.logins >= 3)
        p.terminate()
        self.assertEqual(p.communicate(timeout=20)[1], "")

    def test_refused_after_all(self):
        self.cloud.on("GET", "nested_depth", *recorded("agent/outside-access-rules-list-401"), times=2)
        self.once(1, "status 401", "access rules")

    def test_wrong_password(self):
        self.once(1, "Keystone refuses the credential", env={**self.cloud.env(), "OS_PASSWORD": "wrong-4711"})

    def test_keystone_away(self):
        """It is said once, and the rounds go on by themselves."""
        self.cloud.down()
        log = self.home / "stderr"
        with log.open("w") as f:
            p = self.popen("--interval", "1", stderr=f)
        self.until("it says so", lambda: "every gate stays closed" in log.read_text())
        time.sleep(2.5)      # rounds that have nothing new to say
        self.cloud.up()
        self.until("it asks", lambda: len(self.cloud.requests) >= 4)
        p.terminate()
        p.communicate(timeout=20)
        err = log.read_text()
        self.assertEqual(err.count("every gate stays closed"), 1, err)
        self.assertIn("answer again", err)
        self.assertEqual(err.count("no Kubernetes API is configured"), 1, err)

    def test_503(self):
        self.cloud.on("GET", "/stacks/storage$", 503)
        self.once(1, "status 503")

    def test_plain_http_elsewhere(self):
        self.once(2, "http", env={**self.cloud.env(), "OS_AUTH_URL": "http://192.0.2.1:5000/v3"})


class Config(Case):
    def test_clouds_yaml(self):
        """In the working folder, the only cloud there is; by an application credential."""
        self.cloud.yaml(self.home)
        self.once(0, env={})
        self.assertEqual(self.cloud.logins, 1)

    def test_user_folder_and_name(self):
        folder = self.home / ".config/openstack"
        folder.mkdir(parents=True)
        self.cloud.yaml(folder)
        self.once(0, env={"OS_CLOUD": "test"})
        self.once(0, env=self.cloud.env() | {"OS_PASSWORD": "not used"}, args=("--os-cloud", "test"))
        self.once(2, "has no cloud 'prod'", "clouds there: test", env={"OS_CLOUD": "prod"})

    def test_file_named(self):
        (self.home / "x").mkdir()
        path = self.cloud.yaml(self.home / "x")
        self.once(0, env={"OS_CLIENT_CONFIG_FILE": str(path)})
        self.once(2, "does not exist", env={"OS_CLIENT_CONFIG_FILE": str(path) + ".not"})

    def test_secure_yaml(self):
        """Laid over clouds.yaml."""
        path = self.cloud.yaml(self.home)
        doc = json.loads(path.read_text())
        secret = doc["clouds"]["test"]["auth"].pop("application_credential_secret")
        path.write_text(json.dumps(doc))
        self.once(2, "application_credential_secret", env={})
        (self.home / "secure.yaml").write_text("clouds:\n  test:\n    auth:\n      application_credential_secret: %s\n" % secret)
        self.once(0, env={})

    def test_secure_yaml_of_another(self):
        """Nobody named it, and it cannot be read: as if it were not there. One that OS_CLIENT_SECURE_FILE names is needed."""
        self.before = ("setpriv", "--bounding-set=-all") if os.geteuid() == 0 else ()     # root is kept from nothing
        self.cloud.yaml(self.home)
        secure = self.home / "secure.yaml"
        secure.touch(mode=0)
        self.assertNotIn("secure.yaml", self.once(0, env={}))
        self.once(0, "cannot read ./secure.yaml: Permission denied", env={}, args=("-v",))
        self.once(2, "secure.yaml: Permission denied", env={"OS_CLIENT_SECURE_FILE": str(secure)})
        self.once(2, "does not exist", env={"OS_CLIENT_SECURE_FILE": str(secure) + ".not"})
        secure.unlink()
        secure.mkdir()
        self.once(0, env={})
        self.once(2, "secure.yaml: Is a directory", env={"OS_CLIENT_SECURE_FILE": str(secure)})
        (self.home / "file").touch()
        self.once(0, env={"XDG_CONFIG_HOME": str(self.home / "file")})

    def test_clouds_yaml_of_another(self):
        """The next place is looked at; a broken one is told of."""
        folder = self.home / ".config/openstack"
        folder.mkdir(parents=True)
        self.cloud.yaml(folder)
        (self.home / "clouds.yaml").mkdir()
        self.once(0, env={"OS_CLOUD": "test"})
        self.once(2, "clouds.yaml: Is a directory", env={"OS_CLIENT_CONFIG_FILE": str(self.home / "clouds.yaml")})
        (folder / "clouds.yaml").unlink()
        self.once(2, "there is no clouds.yaml", "-v tells", env={"OS_CLOUD": "test"})

    def test_nothing(self):
        self.once(2, "which OpenStack cloud", "OS_CLOUD", env={})

    def test_incomplete(self):
        for gone, word in (("OS_PASSWORD", "neither a user"), ("OS_PROJECT_NAME", "project_name")):
            env = self.cloud.env()
            del env[gone]
            self.once(2, word, env=env)

    def test_broken_yaml_tells_no_secret(self):
        (self.home / "clouds.yaml").write_text("clouds:\n  test:\n    auth: {password: %s\n  x: [" % PASSWORD)
        self.once(2, "clouds.yaml", env={})

    def test_what_keystone_is_asked(self):
        """Users, projects and their domains, by the variables and by the same keys under "auth"."""
        base = {k.removeprefix("OS_").lower(): v for k, v in self.cloud.env().items()}
        for more, user, project in (
                ({}, ("default", None), ("default", None)),
                ({"user_domain_id": "u"}, ("u", None), ("default", None)),
                ({"user_domain_name": "Default"}, (None, "Default"), ("default", None)),
                ({"project_domain_id": "default"}, ("default", None), ("default", None)),
                ({"project_domain_name": "P"}, ("default", None), (None, "P")),
                ({"user_domain_id": "u", "user_domain_name": "U"}, ("u", None), ("default", None)),
                ({"domain_id": "d"}, ("d", None), ("d", None)),
                ({"domain_name": "Default"}, (None, "Default"), (None, "Default")),
                ({"domain_name": "D", "user_domain_name": "Default"}, (None, "Default"), (None, "D")),
                ({"domain_name": "D", "project_domain_id": "default"}, (None, "D"), ("default", None)),
                ({"domain_id": "d", "user_domain_name": "U"}, ("d", None), ("d", None)),     # as others have it
                ({"user_id": USER_ID}, USER_ID, ("default", None)),
                ({"user_id": "x", "domain_id": "d"}, "x", ("d", None)),
                ({"project_id": PROJECT}, ("default", None), PROJECT),
                ({"tenant_id": PROJECT, "domain_name": "D"}, (None, "D"), PROJECT),
                ({"project_name": "", "tenant_name": "ops"}, ("default", None), ("default", None)),
                ({"project_id": PROJECT, "tenant_id": "t", "tenant_name": "t"}, ("default", None), PROJECT)):
            want = [{"id": x} if isinstance(x, str) else {"name": name, "domain": {"id": x[0]} if x[0] else {"name": x[1]}}
                    for x, name in ((user, USER), (project, "ops"))]
            good = all(x in (USER_ID, PROJECT, ("default", None), (None, "Default")) for x in (user, project))
            said = base | more
            self.cloud.yaml(self.home, auth_type="password", auth=said)
            self.asked(want, good, {}, more)
            self.asked(want, good, {"OS_" + k.upper(): v for k, v in said.items()}, more)

    def asked(self, want, good, env, more):
        with self.subTest(more=more, env=bool(env)):
            self.cloud.asked = None
            self.once(0 if good else 1, *([] if good else ["Keystone refuses the credential"]), env=env)
            asked = self.cloud.asked
            self.assertEqual(asked["identity"]["password"]["user"].pop("password"), PASSWORD)
            self.assertEqual([asked["identity"]["password"]["user"], asked["scope"]["project"]], want)

    def test_beside_auth(self):
        """The project there is an override; a secret there is none."""
        env = self.cloud.env()
        auth = {"auth_url": env["OS_AUTH_URL"], "username": USER, "password": PASSWORD, "project_name": "other", "user_domain_id": "default"}
        self.cloud.yaml(self.home, auth_type="password", auth=auth, project_name="ops", password="wrong-4711")
        self.once(0, env={})
        del auth["project_name"], auth["username"]
        self.once(2, "no project_name", env={"OS_CLIENT_CONFIG_FILE": str(self.cloud.yaml(self.home, auth_type="password", auth=auth, username=USER))})
        self.cloud.yaml(self.home, auth_type="password", auth=auth, username=USER, project_id=PROJECT)
        self.once(0, env={})

    def test_application_credentials(self):
        user = {"name": USER, "domain": {"id": "default"}}
        base = {"OS_AUTH_URL": self.cloud.url + "/identity", "OS_APPLICATION_CREDENTIAL_SECRET": APP_SECRET}
        name = {"OS_APPLICATION_CREDENTIAL_NAME": APP_NAME}
        for more, want in (
                ({"OS_APPLICATION_CREDENTIAL_ID": APP_ID}, {"id": APP_ID}),
                (self.cloud.env() | {"OS_APPLICATION_CREDENTIAL_ID": APP_ID, "OS_AUTH_TYPE": "v3applicationcredential"}, {"id": APP_ID}),
                (name | {"OS_APPLICATION_CREDENTIAL_ID": APP_ID}, {"id": APP_ID}),
                (name | {"OS_USERNAME": USER}, {"name": APP_NAME, "user": user}),
                (name | {"OS_USERNAME": USER, "OS_USER_DOMAIN_NAME": "Default"}, {"name": APP_NAME, "user": {"name": USER, "domain": {"name": "Default"}}}),
                (name | {"OS_USER_ID": USER_ID}, {"name": APP_NAME, "user": {"id": USER_ID}})):
            with self.subTest(more=more):
                self.once(0, env=base | more)
                self.assertEqual(self.cloud.asked, {"identity": {
                    "methods": ["application_credential"], "application_credential": want | {"secret": APP_SECRET}}})
        self.once(2, "needs the user it belongs to", env=base | name)
        self.once(2, "application_credential_id", env=base | {"OS_AUTH_TYPE": "v3applicationcredential"})

    def test_files_named(self):
        """XDG_CONFIG_HOME is where the user's files are, OS_CLIENT_SECURE_FILE one that stands elsewhere."""
        folder = self.home / "xdg/openstack"
        folder.mkdir(parents=True)
        auth = {"auth_url": self.cloud.url + "/identity", "application_credential_id": APP_ID}
        self.cloud.yaml(folder, auth=auth)
        xdg = {"XDG_CONFIG_HOME": str(folder.parent)}
        self.once(2, "which OpenStack cloud", env={})
        self.once(2, "application_credential_secret", env=xdg)
        (self.home / "elsewhere").write_text("clouds: {test: {auth: {application_credential_secret: %s}}}" % APP_SECRET)
        self.once(0, env=xdg | {"OS_CLIENT_SECURE_FILE": str(self.home / "elsewhere")})

    def test_interface(self):
        self.cloud.has = lambda service, endpoint: endpoint["interface"] == "internal"
        for more in ({"OS_INTERFACE": "internal"}, {"OS_ENDPOINT_TYPE": "internalURL"}, {"OS_INTERFACE": "internal", "OS_ENDPOINT_TYPE": "public"}):
            self.once(0, env=self.cloud.env() | more)
        for more, word in (({}, "public"), ({"OS_ENDPOINT_TYPE": "adminURL"}, "admin")):
            self.once(1, "no %s endpoint of Heat" % word, env=self.cloud.env() | more)

    def test_endpoints_of_ours(self):
        self.cloud.has = lambda service, endpoint: service != "compute"
        self.once(1, "no public endpoint of Nova")
        self.once(0, env=self.cloud.env() | {"OS_COMPUTE_ENDPOINT_OVERRIDE": self.cloud.url + "/compute/v2.1"})
        self.cloud.yaml(self.home, compute_endpoint_override=self.cloud.url + "/compute/v2.1")
        self.once(0, env={})
        self.cloud.yaml(self.home, compute_endpoint_override=self.cloud.url, orchestration_endpoint_override=self.cloud.url + "/elsewhere/v1/%s/" % PROJECT)
        self.once(0, env={})
        self.assertTrue(self.cloud.requests[-1][1].startswith("/elsewhere/v1/%s/stacks/" % PROJECT))

    def test_region_and_interface(self):
        self.once(1, "no public endpoint of Heat in region Two", env=self.cloud.env() | {"OS_REGION_NAME": "Two"})
        self.once(0, env=self.cloud.env() | {"OS_REGION_NAME": "RegionOne", "OS_INTERFACE": "internalURL"})
        self.once(2, "interface", env=self.cloud.env() | {"OS_INTERFACE": "private"})

    def test_region_of_a_cloud(self):
        """OS_REGION_NAME selects one, also where a cloud is named."""
        one, two = {"OS_CLOUD": "test", "OS_REGION_NAME": "RegionOne"}, {"OS_CLOUD": "test", "OS_REGION_NAME": "Two"}
        self.cloud.yaml(self.home)
        self.once(0, env=one)
        self.once(1, "no public endpoint of Heat in region Two", env=two)
        self.cloud.yaml(self.home, region_name="RegionOne")
        self.once(0, env=one)
        self.once(2, "is of region RegionOne", "OS_REGION_NAME says Two", env=two)
        self.assertEqual(self.cloud.logins, 3)

    def test_regions_of_a_cloud(self):
        one = {"name": "RegionOne", "values": {"interface": "internal"}}
        self.cloud.has = lambda service, endpoint: endpoint["interface"] == "internal"
        self.cloud.yaml(self.home, regions=[one])
        self.once(0, env={})
        self.once(2, "has no region Two", "one of: RegionOne", env={"OS_REGION_NAME": "Two"})
        self.cloud.yaml(self.home, regions=["Two", one], region_name="Two")
        self.once(0, env={"OS_REGION_NAME": "RegionOne"})
        self.once(1, "no public endpoint of Heat in region Two", env={"OS_REGION_NAME": "Two"})
        self.once(2, "several regions", "one of: Two, RegionOne", env={})
        self.cloud.yaml(self.home, regions=[3, None, {}, []])
        self.once(2, "several regions", env={})

    def test_profile(self):
        self.cloud.yaml(self.home, profile="vendor")
        self.once(0, env={})
        self.cloud.yaml(self.home, profile="vendor", auth={"username": USER})
        self.once(2, "vendor profiles are not read", env={})
        self.cloud.yaml(self.home, auth={"username": USER})
        self.assertNotIn("profile", self.once(2, "there is no auth_url", env={}))

    def test_unknown_auth_type(self):
        self.once(2, "v3kerberos", env=self.cloud.env() | {"OS_AUTH_TYPE": "v3kerberos"})


class Check(Case):
    """`heat check`, as far as it comes without Ceph: the findings on the stack are unit tests (test_heat.c)."""

    def test_needs_ceph(self):
        p = self.popen(command="check")
        _, err = p.communicate(timeout=30)
        self.assertEqual(p.returncode, 2, err)
        self.assertIn("/nonexistent.conf", err)

    def test_ceph_does_not_answer(self):
        """What OpenStack says is printed all the same; it is an incomplete answer."""
        conf = self.home / "ceph.conf"
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))        # nobody listens there
            conf.write_text("[global]\nmon_host = v1:127.0.0.1:%d\nauth_client_required = none\n" % s.getsockname()[1])
            p = subprocess.run([CEPHNODE, "-c", conf, "--connect-timeout", "1", "-f", "json", "heat", "check", "--stack", "storage", "--no-kube"],
                               env=self.environment(), cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        self.assertEqual(p.returncode, 6, p.stderr)
        doc = json.loads(p.stdout)
        self.assertFalse(doc["safe"])
        self.assertIn("Heat gives a drain 10080 minutes (timeout_mins)", [f["text"] for f in doc["findings"]])
        self.assertEqual([f["text"][:6] for f in doc["findings"] if f["level"] == "problem"], ["Ceph: "])


class Notify(Case):
    def test_systemd(self):
        """READY, STATUS, WATCHDOG, STOPPING."""
        path = str(self.home / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(path)
            s.settimeout(20)
            p = self.popen("--interval", "1", env=self.cloud.env() | {"NOTIFY_SOCKET": path})
            seen = ""
            while not all(w in seen for w in ("READY=1", "STATUS=no deletion waits", "WATCHDOG=1")):
                seen += s.recv(4096).decode() + "\n"
            p.terminate()
            while "STOPPING=1" not in seen:
                seen += s.recv(4096).decode() + "\n"
            self.assertEqual(p.wait(20), 0)
            p.communicate()


if __name__ == "__main__":
    unittest.main()
