#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Kubernetes client against recorded answers and against everything a server or the way to it can do wrong, over real TLS."""
import gzip
import json
import os
import socket
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from apiserver import Api  # noqa: E402
from apiwire import DATA, Answer, make_cert, recorded  # noqa: E402
from case import SCRATCH, Case, set_up, tear_down  # noqa: E402

VERSIONS = ("k8s-1.20.2", "k8s-1.34.9")
setUpModule, tearDownModule = set_up, tear_down


class Recorded(Case):
    REASONS = {400: "EINVAL", 401: "EACCES", 403: "EPERM", 404: "ENOENT", 405: "EINVAL", 406: "EINVAL", 409: "EEXIST", 410: "ESTALE",
               415: "EINVAL", 504: "EREMOTEIO"}

    def each(self, wanted):
        with self.session() as do:
            for version in VERSIONS:
                for path in sorted((DATA / version).glob("*.http")):
                    answer = recorded(version, path.stem)
                    if wanted(path.stem, answer):
                        self.api.clear()
                        self.api.rules.clear()
                        self.api.on("*", "/", answer, times=20)
                        with self.subTest(version=version, name=path.stem):
                            yield do, answer

    def test_successes(self):
        n = 0
        for do, answer in self.each(lambda name, a: a.status < 300):
            said = do("get", "GET", "/api/v1/pods")
            self.assertEqual((said["r"], said["status"]), ("0", answer.status))
            self.assertEqual(said["json"], json.loads(answer.body))
            n += 1
        self.assertGreater(n, 60)

    def test_refusals(self):
        n = 0
        for do, answer in self.each(lambda name, a: a.status >= 300 and a.status != 429):
            said = do("once", "DELETE", "/api/v1/namespaces/ceph/pods/p")
            self.assertEqual(said["r"], self.REASONS[answer.status])
            self.assertEqual(said["status"], answer.status)
            self.assertEqual(said["code"], {404: 3, 504: 5}.get(answer.status, 1))
            self.assertEqual(len(self.api.requests), 1)
            try:
                body = json.loads(answer.body)
            except ValueError:
                body = {"message": answer.body.decode().strip()}
            self.assertEqual((said["reason"], said["said"]), (body.get("reason", ""), body["message"]))
            self.assertIn(body["message"], said["message"])
            n += 1
        self.assertGreater(n, 50)

    def test_a_disruption_budget_is_no_throttling(self):
        for do, answer in self.each(lambda name, a: name.startswith("evict-pdb")):
            said = do("once", "POST", "/api/v1/namespaces/ceph/pods/p/eviction", "{}")
            self.assertEqual((said["r"], said["cause"], said["waited_ms"]), ("EBUSY", "DisruptionBudget", 0))
            self.assertEqual(len(self.api.requests), 1)

    def test_overload(self):
        for do, answer in self.each(lambda name, a: name == "overload-429"):
            for how in ("get", "once"):
                self.api.clear()
                self.api.rules[0][3] = 3
                said = do(how, "GET", "/version")
                self.assertEqual((said["r"], said["waited_ms"], len(self.api.requests)), ("0", 3000, 4))

    def test_a_resource_version_of_the_future(self):
        """504 with Retry-After: a GET is sent again, up to the limit; nothing else is."""
        for do, answer in self.each(lambda name, a: name == "future-rv-504"):
            said = do("get", "GET", "/api/v1/pods")
            self.assertEqual((said["r"], said["code"], said["waited_ms"], len(self.api.requests)), ("EREMOTEIO", 5, 10000, 11))

    def test_all_the_pages(self):
        for version in VERSIONS:
            pages = [recorded(version, f"page-{i}") for i in (1, 2, 3, 4)]
            bodies = [json.loads(p.body) for p in pages]
            tokens = [None] + [b["metadata"].get("continue") for b in bodies[:-1]]
            by_token = dict(zip(tokens, pages))
            self.api.rules.clear()
            self.api.clear()
            self.api.on("GET", "/pods", lambda r: by_token[r.query.get("continue")], times=9)
            said = self.listed("/api/v1/namespaces/ceph/pods")
            self.assertEqual(said["names"], [i["metadata"]["name"] for b in bodies for i in b["items"]])
            self.assertEqual(len(self.api.requests), 4)

    def test_a_page_too_late(self):
        with self.session() as do:
            for version in VERSIONS:
                for times, end in ((1, "0"), (3, "0"), (4, "ESTALE")):
                    self.api.rules.clear()
                    self.api.on("GET", "continue=", recorded(version, "continue-expired-410"), times=times)
                    self.api.on("GET", "continue=", recorded(version, "page-4"), times=1)
                    self.api.on("GET", "/pods", recorded(version, "page-1"), times=9)
                    said = do("list", "/api/v1/namespaces/ceph/pods")
                    self.assertEqual((said["r"], said["restarts"]), (end, min(times, 3)))
                    if end == "0":
                        bodies = [json.loads(recorded(version, p).body) for p in ("page-1", "page-4")]
                        self.assertEqual(said["names"], [i["metadata"]["name"] for b in bodies for i in b["items"]])


class Lists(Case):
    def fill(self, n):
        for i in range(n):
            self.api.pod("ceph", f"osd-{i:05}", node="n", labels={"app": "ceph", "n": str(i % 2)})

    def test_no_page_is_asked_for_twice(self):
        self.fill(4500)
        said = self.listed("/api/v1/namespaces/ceph/pods")
        self.assertEqual((len(said["names"]), said["requests"]), (4500, 3))
        self.assertEqual(len(set(said["names"])), 4500)

    def test_a_selector(self):
        self.fill(5)
        said = self.probe("list", "/api/v1/pods", "labelSelector=app%3Dceph%2Cn+in+%281%2C2%29")
        self.assertEqual(said["names"], ["osd-00001", "osd-00003"])
        self.assertEqual(self.paths(), ["/api/v1/pods?limit=2000&labelSelector=app%3Dceph%2Cn+in+%281%2C2%29"])

    def test_expired_in_the_middle(self):
        self.fill(2100)
        self.api.expire = 2
        said = self.listed()
        self.assertEqual((said["r"], len(said["names"]), said["restarts"]), ("0", 2100, 2))

    def test_side_by_side(self):
        self.fill(10)
        said = self.probe("lists", "8", "/api/v1/pods")
        self.assertEqual([(x["r"], len(x["names"])) for x in said["lists"]], [("0", 10)] * 8)

    def test_the_callers_error_is_the_callers(self):
        self.fill(1)
        self.api.pod("ceph", "stop-here")
        said = self.listed()
        self.assertEqual((said["r"], said["code"], said["restarts"], said["message"]), ("ESTALE", 4, 0, "the caller had enough"))

    def test_gzip(self):
        self.fill(200)
        self.listed()
        self.assertIn("gzip", self.api.seen[0].headers["Accept-Encoding"])

    def test_five_mebibytes(self):
        self.api.gzip = False
        for i in range(5):
            self.api.add("pods", {"metadata": {"name": f"p{i}", "namespace": "ceph", "annotations": {"x": "y" * (1 << 20)}}})
        self.assertEqual(len(self.listed()["names"]), 5)

    def test_too_much(self):
        self.api.gzip = False
        self.api.on("GET", "/pods", Answer(200, gzip.compress(b" " * (65 << 20), 1), {"Content-Encoding": "gzip"}))
        said = self.listed()
        self.assertEqual((said["r"], said["code"]), ("EMSGSIZE", 1))

    def test_no_list(self):
        with self.session() as do:
            for body, end in ((b"", "EBADMSG"), (b"<html>", "EBADMSG"), (b"[1]", "EBADMSG"), (b'{"items":3}', "EBADMSG"), (b"{}", "EBADMSG"),
                              (b'{"items":[{"metadata":{"name":"a"}}', "EBADMSG"), (b'{"items":[{}],"metadata":', "EBADMSG"),
                              (b"[" * 100000, "EBADMSG"), (b'{"items":[' + b'{"a":' * 100000, "EBADMSG"),
                              (b'{"items":null}', "0"), (b'{"items":[],"metadata":null}', "0"), (b'{"items":[7,"x",null]}', "0")):
                self.api.on("GET", "/pods", Answer(200, body, type="application/json"))
                self.assertEqual(do("list", "/api/v1/pods")["r"], end, body[:60])

    def test_bytes_that_are_not_utf8(self):
        self.api.on("GET", "/pods", Answer(200, b'{"items":[{"metadata":{"name":"a\xff"}}]}'))
        self.assertEqual(self.listed()["names"], ["a\ufffd"])

    def test_a_list_without_end(self):
        self.api.on("GET", "/pods", Answer(200, {"items": [], "metadata": {"continue": "same"}}), times=50)
        said = self.listed()
        self.assertEqual((said["r"], said["requests"]), ("EBADMSG", 2))


class Faults(Case):
    DELETE = ("once", "DELETE", "/api/v1/namespaces/ceph/pods/p", "{}")

    def test_resets(self):
        """In the middle of an answer, and before its first byte."""
        self.api.pod("ceph", "p")
        for chop in (-1, 0, 10):
            self.api.clear()
            self.api.on("GET", "/pods", Answer(200, {"items": []}, chop=chop), times=2)
            said = self.listed()
            self.assertEqual((said["r"], said["names"], len(self.api.requests)), ("0", ["p"], 3))
            self.assertEqual(said["waited_ms"], 300)

    def test_resets_for_ever(self):
        self.api.on("GET", "/pods", Answer(200, {"items": []}, chop=10), times=99)
        said = self.listed()
        self.assertEqual((said["r"], said["code"], len(self.api.requests)), ("ECONNRESET", 5, 10))

    def test_a_delete_is_sent_once(self):
        self.api.on("DELETE", "/pods", Answer(200, {"kind": "Pod"}, chop=3))
        said = self.probe(*self.DELETE)
        self.assertEqual((said["r"], said["code"], len(self.api.requests)), ("ECONNRESET", 5, 1))

    def test_a_delete_on_a_connection_that_is_kept(self):
        """libcurl would send it again by itself."""
        self.api.on("DELETE", "/pods", Answer(chop=-1))
        with self.session() as do:
            self.assertEqual(do("get", "GET", "/version")["r"], "0")
            self.assertEqual(do(*self.DELETE)["r"], "ECONNRESET")
        self.assertEqual([m for m, _ in self.api.requests], ["GET", "DELETE"])

    def test_a_connection_that_the_server_closed(self):
        with self.session() as do:
            for _ in range(2):
                self.assertEqual(do("get", "GET", "/version")["r"], "0")
                self.api.down()
                self.api.up()

    def test_overload_without_an_hour(self):
        with self.session() as do:
            for status, end in ((429, "EAGAIN"), (503, "EAGAIN"), (500, "EREMOTEIO"), (502, "EREMOTEIO")):
                self.api.clear()
                self.api.on("GET", "/", Answer(status, "busy"))
                said = do("get", "GET", "/version")
                self.assertEqual((said["r"], said["code"], said["said"], len(self.api.requests)), (end, 5, "busy", 1))

    def test_retry_after(self):
        past = "Wed, 21 Oct 2015 07:28:00 GMT"
        with self.session() as do:
            for after, end, waited in (("0", "0", 0), ("7", "0", 7000), ("31", "EAGAIN", 0), (past, "0", 0), ("x", "EAGAIN", 0),
                                       ("-1", "EAGAIN", 0)):
                self.api.rules.clear()
                self.api.on("GET", "/version", Answer(503, "busy", {"Retry-After": after}))
                said = do("get", "GET", "/version")
                self.assertEqual((said["r"], said["waited_ms"]), (end, waited), after)

    def test_waits_have_a_bound(self):
        self.api.on("GET", "/version", Answer(429, "busy", {"Retry-After": "8"}), times=99)
        said = self.get("/version")
        self.assertEqual((said["r"], said["waited_ms"], len(self.api.requests)), ("EAGAIN", 24000, 4))

    def test_an_internal_error_of_a_delete(self):
        """It may have been carried out."""
        self.api.on("DELETE", "/pods", Answer(500, "?", {"Retry-After": "1"}))
        said = self.probe(*self.DELETE)
        self.assertEqual((said["r"], len(self.api.requests)), ("EREMOTEIO", 1))

    def test_it_accepts_and_hangs(self):
        self.api.on("GET", "/version", Answer(hang=True))
        began = time.monotonic()
        said = self.get("/version", timeout=300)
        self.assertEqual((said["r"], said["code"]), ("ETIMEDOUT", 5))
        self.assertLess(time.monotonic() - began, 5)

    def test_it_hangs_within_tls(self):
        """What a stopped server looks like: the kernel accepts."""
        with socket.create_server(("127.0.0.1", 0)) as s:
            config = self.api.kubeconfig("hang", cluster={"server": "https://127.0.0.1:%d" % s.getsockname()[1]})
            said = self.get("/version", kubeconfig=config, timeout=300)
        self.assertEqual((said["r"], said["code"]), ("ETIMEDOUT", 5))

    def test_a_signal_ends_it_at_once(self):
        for answer in (Answer(hang=True), Answer(429, "busy", {"Retry-After": "9"})):
            self.api.clear()
            self.api.on("GET", "/version", answer, times=1)
            p = self.start("get", "GET", "/version", clock=None)
            while not self.api.requests:
                time.sleep(0.01)
            said = self.interrupt(p)
            self.assertEqual((said["r"], said["code"]), ("EINTR", 130))

    def test_nobody_listens(self):
        self.api.down()
        said = self.get("/version")
        self.assertEqual((said["r"], said["code"]), ("ECONNREFUSED", 5))
        self.assertIn("127.0.0.1", said["message"])

    def test_no_such_name(self):
        config = self.api.kubeconfig("nowhere", cluster={"server": "https://no.such.name.invalid:6443"})
        said = self.get("/version", kubeconfig=config, timeout=5000)
        self.assertIn((said["r"], said["code"]), (("EHOSTUNREACH", 5), ("ETIMEDOUT", 5)))  # a resolver may be silent

    def test_redirects_are_not_followed(self):
        with self.session() as do:
            for status in (301, 302, 307, 308):
                self.api.clear()
                self.api.on("GET", "/version", Answer(status, "", {"Location": self.api.url + "/readyz"}))
                self.assertEqual((do("get", "GET", "/version")["r"], len(self.api.requests)), ("EPROTO", 1))

    def test_no_json(self):
        with self.session() as do:
            for body in (b"<html>hello</html>", b"{", b"[" * 50000, b'{"a":' * 50000, b"\0", b'{"a":1} x'):
                self.api.on("GET", "/version", Answer(200, body, type="application/json"))
                self.assertEqual(do("get", "GET", "/version")["r"], "EBADMSG", body[:20])
        self.api.on("GET", "/version", Answer(200, b""))
        said = self.get("/version")
        self.assertEqual((said["r"], said["json"]), ("0", None))

    def test_a_page_of_html(self):
        """Of a proxy in between: its words are cut short."""
        self.api.on("GET", "/version", Answer(502, "<html>" + "x" * 100000))
        said = self.get("/version")
        self.assertEqual(said["r"], "EREMOTEIO")
        self.assertLess(len(said["message"]), 500)

    def test_garbage(self):
        def serve(listener):
            c, _ = listener.accept()
            c.recv(1000)
            c.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            c.close()
        with socket.create_server(("127.0.0.1", 0)) as s:
            threading.Thread(target=serve, args=(s,), daemon=True).start()
            for scheme in ("https",):
                config = self.api.kubeconfig("garbage", cluster={"server": f"{scheme}://127.0.0.1:{s.getsockname()[1]}"})
                self.assertEqual(self.probe("once", "GET", "/version", kubeconfig=config)["r"], "EPROTO")


class Tls(Case):
    def other(self, cert):
        api = Api(SCRATCH, cert=SCRATCH / cert)
        api.up()
        self.addCleanup(api.down)
        return api

    def test_an_unknown_ca(self):
        config = self.api.kubeconfig("stranger-ca", cluster={"certificate-authority": str(SCRATCH / "stranger.crt")})
        said = self.get("/version", kubeconfig=config)
        self.assertEqual((said["r"], said["code"]), ("EKEYREJECTED", 1))
        self.assertFalse(self.api.requests)

    def test_the_systems_ca(self):
        config = self.api.kubeconfig("no-ca", cluster={"certificate-authority": ""})
        self.assertEqual(self.get("/version", kubeconfig=config)["r"], "EKEYREJECTED")

    def test_a_wrong_name(self):
        api = self.other("elsewhere.crt")
        said = self.get("/version", kubeconfig=api.kubeconfig("wrong-name"))
        self.assertEqual(said["r"], "EKEYREJECTED")
        self.assertFalse(api.requests)

    def test_the_servers_name_by_configuration(self):
        api = self.other("elsewhere.crt")
        config = api.kubeconfig("named", cluster={"tls-server-name": "api.example"})
        self.assertEqual(self.get("/version", kubeconfig=config)["r"], "0")
        self.assertEqual(api.seen[0].headers["Host"], f"127.0.0.1:{api.port}")
        config = api.kubeconfig("misnamed", cluster={"tls-server-name": "api.example.org"})
        self.assertEqual(self.get("/version", kubeconfig=config)["r"], "EKEYREJECTED")

    def test_not_checked_where_the_user_says_so(self):
        api = self.other("elsewhere.crt")
        config = api.kubeconfig("insecure", cluster={"insecure-skip-tls-verify": True, "certificate-authority": ""})
        self.assertEqual(self.get("/version", kubeconfig=config)["r"], "0")

    def test_expired(self):
        make_cert(SCRATCH, "late", ["IP:127.0.0.1"], days=-1)
        said = self.get("/version", kubeconfig=self.other("late.crt").kubeconfig("late"))
        self.assertEqual(said["r"], "EKEYREJECTED")
        self.assertIn("expired", said["message"])

    def test_a_client_certificate(self):
        user = {"client-certificate": "client.crt", "client-key": "client.key"}
        config = self.api.kubeconfig("client-cert", user=user)
        self.assertEqual(self.get("/version", kubeconfig=config)["r"], "0")
        self.assertEqual(self.api.seen[0].user, "client")

    def test_a_client_certificate_that_is_none(self):
        for cert, key, where in (("client.crt", "server.key", "use"), ("client.key", "client.key", "open")):
            config = self.api.kubeconfig("bad-cert", user={"client-certificate": cert, "client-key": key})
            said = self.get("/version", kubeconfig=config)
            self.assertEqual((said["r"], said["code"]), ("EINVAL", 2), where)

    def test_plain_http(self):
        api = Api(SCRATCH / "plain", tls=False)
        api.up()
        self.addCleanup(api.down)
        self.assertEqual(self.get("/version", kubeconfig=api.kubeconfig())["r"], "0")
        config = api.kubeconfig("afar", cluster={"server": "http://192.0.2.1:8080"})
        said = self.get("/version", kubeconfig=config)
        self.assertEqual((said["r"], said["code"]), ("EPERM", 2))
        config = api.kubeconfig("mixed", cluster={"server": f"https://127.0.0.1:{api.port}"})
        self.assertEqual(self.get("/version", kubeconfig=config)["r"], "EPROTO")

    def test_another_scheme(self):
        for server in ("ftp://127.0.0.1/", "file:///etc/passwd", "unix:///x"):
            said = self.get("/version", kubeconfig=self.api.kubeconfig("scheme", cluster={"server": server}))
            self.assertEqual(said["code"], 2, server)

    def test_a_path_in_front(self):
        config = self.api.kubeconfig("prefix", cluster={"server": self.api.url + "/k8s/clusters/c-1/"})
        self.api.on("GET", "^/k8s/clusters/c-1/version$", Answer(200, {"ok": 1}))
        self.assertEqual(self.get("/version", kubeconfig=config)["json"], {"ok": 1})

    def test_ipv6(self):
        try:
            api = Api(SCRATCH, host="::1")
            api.up()
        except OSError:
            self.skipTest("no IPv6 on loopback")
        self.addCleanup(api.down)
        self.assertEqual(self.get("/version", kubeconfig=api.kubeconfig("v6"))["r"], "0")


class Old(Case):
    """The blueprint's Kubernetes 1.5, plain http on loopback. Its answers are made by hand, not recorded."""

    def setUp(self):
        super().setUp()
        self.api = Api(SCRATCH / "old", version="v1.5.8", tls=False)
        self.api.up()
        self.addCleanup(self.api.down)
        self.kubeconfig = self.api.kubeconfig()

    def test_lists_come_whole(self):
        for i in range(2100):
            self.api.pod("ceph", f"p{i:04}", node="n", labels={"app": "ceph"})
        said = self.listed("/api/v1/namespaces/ceph/pods")
        self.assertEqual((len(said["names"]), said["requests"]), (2100, 1))

    def test_its_groups(self):
        self.api.pod("ceph", "osd", node="n", labels={"daemon": "osd"})
        self.api.deployment("ceph", "d")
        review = '{"spec":{"resourceAttributes":{"verb":"delete","resource":"pods","namespace":"ceph"}}}'
        with self.session() as do:
            self.assertIn("extensions", [g["name"] for g in do("get", "GET", "/apis")["json"]["groups"]])
            self.assertEqual(do("get", "GET", "/apis/apps/v1/namespaces/ceph/deployments/d")["r"], "ENOENT")
            path = "/apis/extensions/v1beta1/namespaces/ceph/deployments/d/scale"
            self.assertEqual(do("once", "PATCH", path, '{"spec":{"replicas":0}}')["json"]["status"]["replicas"], 0)
            said = do("get", "POST", "/apis/authorization.k8s.io/v1beta1/selfsubjectaccessreviews", review)
            self.assertTrue(said["json"]["status"]["allowed"])
            said = do("once", "POST", "/api/v1/namespaces/ceph/pods/osd/eviction", '{"metadata":{"name":"osd","namespace":"ceph"}}')
            self.assertEqual(said["r"], "0")


class Proxy:
    """CONNECT, and nothing else; wants a password."""

    def __init__(self, status=200):
        self.status, self.asked, self.socket = status, [], socket.create_server(("127.0.0.1", 0))
        self.url = "http://jane:hunter2@127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self.tunnel, args=(c,), daemon=True).start()

    def tunnel(self, c):
        head = b""
        while b"\r\n\r\n" not in head:
            head += c.recv(1000)
        self.asked.append(head.decode())
        host, port = head.split()[1].decode().rsplit(":", 1)
        with c:
            c.sendall(b"HTTP/1.1 %d x\r\n\r\n" % self.status)
            if self.status != 200 or not host.strip("[]")[0].isdigit():
                return
            with socket.create_connection((host.strip("[]"), int(port))) as far:
                back = threading.Thread(target=self.pipe, args=(far, c), daemon=True)
                back.start()
                self.pipe(c, far)
                back.join()

    @staticmethod
    def pipe(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Proxies(Case):
    def proxy(self, *args):
        p = Proxy(*args)
        self.addCleanup(p.socket.close)
        return p

    def test_by_configuration(self):
        p = self.proxy()
        config = self.api.kubeconfig("proxied", cluster={"proxy-url": p.url})
        self.assertEqual(self.get("/version", kubeconfig=config, env={"no_proxy": "*"})["r"], "0")
        self.assertTrue(p.asked[0].startswith(f"CONNECT 127.0.0.1:{self.api.port} "))
        self.assertIn("Proxy-Authorization: Basic", p.asked[0])
        self.assertNotIn("Bearer", p.asked[0])

    def test_with_another_name_for_the_server(self):
        api = Api(SCRATCH, cert=SCRATCH / "elsewhere.crt")
        api.up()
        self.addCleanup(api.down)
        p = self.proxy()
        config = api.kubeconfig("proxied-name", cluster={"proxy-url": p.url, "tls-server-name": "api.example"})
        self.assertEqual(self.get("/version", kubeconfig=config)["r"], "0")
        self.assertTrue(p.asked[0].startswith(f"CONNECT 127.0.0.1:{api.port} "), p.asked)

    def test_it_says_no(self):
        p = self.proxy(407)
        config = self.api.kubeconfig("refused", cluster={"proxy-url": p.url})
        said = self.get("/version", kubeconfig=config)
        self.assertEqual((said["r"], len(p.asked)), ("EPROTO", 1))

    def test_the_environments_is_for_other_machines(self):
        p = self.proxy()
        self.assertEqual(self.get("/version", env={"https_proxy": p.url})["r"], "0")
        self.assertFalse(p.asked)
        config = self.api.kubeconfig("away", cluster={"server": "https://api.example:6443"})
        self.get("/version", kubeconfig=config, env={"https_proxy": p.url}, timeout=2000)
        self.assertTrue(p.asked[0].startswith("CONNECT api.example:6443 "), p.asked)

    def test_plain_http_goes_through_none(self):
        api = Api(SCRATCH / "plain2", tls=False)
        api.up()
        self.addCleanup(api.down)
        said = self.get("/version", kubeconfig=api.kubeconfig(cluster={"proxy-url": "http://192.0.2.1:3128"}))
        self.assertEqual((said["r"], said["code"]), ("EPERM", 2))

    def test_no_proxy_at_all(self):
        for url in ("gopher://x:hunter2@y", "socks5g://x:hunter2@y", "http://x:hunter2@y:z"):
            said = self.get("/version", kubeconfig=self.api.kubeconfig("odd", cluster={"proxy-url": url}))
            self.assertEqual(said["code"], 2)

    def test_no_password_of_a_proxy_is_told(self):
        config = self.api.kubeconfig("away", cluster={"server": "https://api.example:6443"})
        for url in ("gopher://x:hunter2@y", "http://x:hunter2@no.such.name.invalid:1", "http://x:hunter2@127.0.0.1:1"):
            said = self.get("/version", kubeconfig=config, env={"https_proxy": url}, timeout=5000)
            self.assertNotEqual(said["r"], "0")


if __name__ == "__main__":
    unittest.main()
