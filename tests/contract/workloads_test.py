#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How pods are stopped: the changes of src/kube/workloads.c, what refuses them, and the guard that must let each of them pass."""
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from apiserver import Api  # noqa: E402
from apiwire import Answer, recorded  # noqa: E402
from case import SCRATCH, Case, set_up, tear_down  # noqa: E402

VERSIONS = ("k8s-1.20.2", "k8s-1.34.9")
NODE = "/api/v1/nodes/n1"
setUpModule, tearDownModule = set_up, tear_down


class World(Case):
    def setUp(self):
        super().setUp()
        self.do = self.enterContext(self.session())
        self.api.node("n1", labels={"ceph-osd": "enabled"})
        self.api.deployment("ceph", "d", match={"app": "osd"})
        self.uid = self.api.pod("ceph", "p", node="n1", labels={"app": "osd"})["metadata"]["uid"]

    def sent(self):
        """What was to change something, and has arrived."""
        return [(r.method, r.plain) for r in self.api.seen if r.method != "GET"]

    def labels(self):
        return self.api.get("nodes", "", "n1")["metadata"]["labels"]

    def replicas(self):
        return self.api.get("deployments", "ceph", "d")["spec"]["replicas"]

    def meanwhile(self, method, change):
        """Another hand, between our reading and our change."""
        def hand(_):
            change()
        self.api.on(method, "", hand)

    def unanswered(self, method):
        """It is carried out, and the answer is lost."""
        def lose(request):
            self.api.settled(self.api.route, request)
            return Answer(200, {}, chop=-1)
        self.api.on(method, "", lose)

    def refused(self, said, error, *words):
        self.assertEqual(said["r"], error, said)
        for word in words:
            self.assertIn(word, said["message"] + (said["hint"] or ""))


class Changes(World):
    # --- labels ---
    def label(self, *value, path=NODE):
        return self.do("label", path, "ceph-osd", *value)

    def test_a_label_is_taken_off_and_put_back(self):
        self.assertEqual(self.label()["r"], "0")
        self.assertEqual(self.labels(), {"kubernetes.io/hostname": "n1"})
        patch = self.api.seen[-1]
        self.assertEqual(patch.headers["Content-Type"], "application/merge-patch+json")
        self.assertEqual(patch.json()["metadata"]["labels"], {"ceph-osd": None})
        self.assertEqual(self.label("enabled")["r"], "0")
        self.assertEqual(self.labels()["ceph-osd"], "enabled")

    def test_a_label_of_a_deployment(self):
        self.assertEqual(self.label("true", path="/apis/apps/v1/namespaces/ceph/deployments/d")["r"], "0")
        self.assertEqual(self.api.get("deployments", "ceph", "d")["metadata"]["labels"], {"ceph-osd": "true"})

    def test_label_it_has_changed_since_it_was_read(self):
        self.meanwhile("PATCH", lambda: self.api.touch(self.api.get("nodes", "", "n1")))
        self.refused(self.label(), "EEXIST", "the object has been modified")
        self.assertEqual(self.labels()["ceph-osd"], "enabled")
        self.assertEqual(len(self.sent()), 1)

    def test_label_the_answer_is_lost(self):
        """Sent again, for a second one is a conflict: it is done once."""
        self.unanswered("PATCH")
        self.refused(self.label(), "EEXIST")
        self.assertEqual(len(self.sent()), 2)
        self.assertNotIn("ceph-osd", self.labels())

    def test_label_refusals(self):
        self.api.denied |= {"patch nodes"}
        said = self.label()
        self.refused(said, "EPERM", 'nodes "n1" is forbidden', 'cannot patch resource "nodes"')
        self.api.denied.clear()
        self.refused(self.label(path="/api/v1/nodes/n2"), "ENOENT", 'nodes "n2" not found')
        self.meanwhile("PATCH", lambda: self.api.remove("nodes", "", "n1"))     # and between the two
        self.refused(self.label(), "ENOENT", 'nodes "n1" not found')

    def test_label_recorded_refusals(self):
        for version in VERSIONS:
            for name, error in (("auth-403-node", "EPERM"), ("node-get-404", "ENOENT"), ("scale-conflict-409", "EEXIST")):
                self.api.on("PATCH", "", recorded(version, name))
                self.refused(self.label(), error)

    def test_label_overload(self):
        for after, error, times in ((1, "0", 3), (None, "EAGAIN", 1)):
            self.api.clear()
            self.api.on("PATCH", "", Answer(429, "busy", {"Retry-After": str(after)} if after else None), times)
            self.assertEqual(self.label()["r"], error)
            self.assertEqual(len(self.sent()), times + (error == "0"))

    # --- replicas ---
    def scale(self, n, name="d"):
        return self.do("scale", "ceph", name, str(n))

    def test_scale_to_none_and_back(self):
        said = self.scale(0)
        self.assertEqual((said["r"], said["replicas"], said["selector"], said["group"]), ("0", 1, "app=osd", "/apis/apps/v1"))
        self.assertEqual(self.replicas(), 0)
        self.assertEqual(self.sent(), [("PATCH", "/apis/apps/v1/namespaces/ceph/deployments/d/scale")])
        said = self.scale(1)
        self.assertEqual((said["r"], said["replicas"], self.replicas()), ("0", 0, 1))     # 0 is left out of the answer

    def test_scale_an_older_group(self):
        """Kubernetes 1.5, by hand."""
        with Api(SCRATCH / "old-scale", version="v1.5.8", tls=False) as api:
            api.deployment("ceph", "d", match={"app": "osd"})
            said = self.probe("scale", "ceph", "d", "0", kubeconfig=api.kubeconfig())
            self.assertEqual((said["r"], said["group"]), ("0", "/apis/extensions/v1beta1"))
            self.assertEqual(api.get("deployments", "ceph", "d")["spec"]["replicas"], 0)

    def test_scale_it_has_changed_since_it_was_read(self):
        self.meanwhile("PATCH", lambda: self.api.scale("ceph", "d", 2))
        self.refused(self.scale(0), "EEXIST")
        self.assertEqual((self.replicas(), len(self.sent())), (2, 1))

    def test_scale_refusals(self):
        self.refused(self.scale(0, "e"), "ENOENT")
        self.assertEqual(self.sent(), [])
        self.api.denied |= {"patch deployments/scale"}
        self.refused(self.scale(0), "EPERM", 'cannot patch resource "deployments/scale"')
        self.assertEqual(self.replicas(), 1)

    def test_scale_an_internal_error(self):
        self.api.on("PATCH", "", Answer(500, "etcd leader changed", {"Retry-After": "1"}))
        self.assertEqual((self.scale(0)["r"], self.replicas(), len(self.sent())), ("0", 0, 2))

    # --- the end of a pod ---
    HOW = (("evict", "POST", "/eviction"), ("delete", "DELETE", ""))

    def each(self):
        for how, method, sub in self.HOW:
            with self.subTest(how):
                self.api.clear()
                self.api.remove("pods", "ceph", "p")
                self.uid = self.api.pod("ceph", "p", node="n1")["metadata"]["uid"]
                yield how, method, "/api/v1/namespaces/ceph/pods/p" + sub

    def end(self, how, uid=None):
        return self.do(how, "ceph", "p", uid or self.uid)

    def test_end_the_one_that_is_meant(self):
        for how, method, path in self.each():
            self.assertEqual(self.end(how)["r"], "0")
            self.assertEqual(self.sent(), [(method, path)])
            self.assertIn("deletionTimestamp", self.api.get("pods", "ceph", "p")["metadata"])

    def test_end_another_one_has_its_name(self):
        for how, method, path in self.each():
            self.assertEqual(self.end(how, "an-older-one")["r"], "0")
            self.assertNotIn("deletionTimestamp", self.api.get("pods", "ceph", "p")["metadata"])

    def test_end_it_is_gone(self):
        for how, method, path in self.each():
            self.api.remove("pods", "ceph", "p")
            self.assertEqual(self.end(how)["r"], "0")

    def test_end_a_conflict_about_something_else(self):
        for how, method, path in self.each():
            self.api.on(method, "", recorded("k8s-1.34.9", "delete-uid-409"))      # the uid is that one all the same
            self.refused(self.end(how), "EEXIST", "UID in the precondition")
            self.assertEqual(len(self.sent()), 1)

    def test_end_the_answer_is_lost(self):
        """Not sent again: the caller looks."""
        for how, method, path in self.each():
            self.unanswered(method)
            self.refused(self.end(how), "ECONNRESET")
            self.assertEqual(len(self.sent()), 1)

    def test_end_a_budget(self):
        self.api.budgets["ceph"] = {"app": "osd"}
        self.refused(self.end("evict"), "EBUSY", "disruption budget")
        self.assertEqual(len(self.sent()), 1)

    def test_end_overload(self):
        for how, method, path in self.each():
            self.api.on(method, "", recorded("k8s-1.34.9", "overload-429"))
            self.assertEqual((self.end(how)["r"], len(self.sent())), ("0", 2))

    def test_end_forbidden(self):
        self.api.denied |= {"create pods/eviction", "delete pods"}
        for how, what in (("evict", "pods/eviction"), ("delete", "pods")):
            self.refused(self.end(how), "EPERM", 'cannot ', f'resource "{what}"')


class Guarded(World):
    """Whoever loses the decision lock sends nothing more. Each sending is asked for twice: before it connects, and when nothing is
    left but to send."""

    def guarded(self, answers, *operation):
        self.do("guard", answers)
        return self.do(*operation)

    def lost(self, said, words):
        self.refused(said, "ESTALE", words, "the lock is lost")
        self.assertEqual(said["code"], 1)

    def test_nothing_leaves(self):
        for answers in ("-", "+-"):
            for operation in (("label", NODE, "ceph-osd"), ("scale", "ceph", "d", "0"), ("evict", "ceph", "p", self.uid),
                              ("delete", "ceph", "p", self.uid)):
                with self.subTest(answers=answers, operation=operation[0]):
                    self.lost(self.guarded(answers, *operation), " was not sent: ")
        self.assertEqual(self.sent(), [])

    def test_it_may(self):
        self.assertEqual(self.guarded("++", "label", NODE, "ceph-osd")["r"], "0")
        self.assertNotIn("ceph-osd", self.labels())

    def test_what_changes_nothing_is_not_asked_for(self):
        self.assertEqual(self.guarded("", "get", "GET", NODE)["r"], "0")

    def test_it_is_not_sent_again(self):
        for answer in (Answer(429, "busy", {"Retry-After": "1"}), Answer(503, "busy", {"Retry-After": "0"}), Answer(200, {}, chop=-1),
                       Answer(500, "?", {"Retry-After": "1"})):
            for answers in ("++-", "+++-"):
                self.api.clear()
                self.api.on("PATCH", "", answer)
                self.lost(self.guarded(answers, "label", NODE, "ceph-osd"), " was not sent again: ")
                self.assertEqual(len(self.sent()), 1)
        self.assertIn("ceph-osd", self.labels())

    def test_repeats_have_little_time(self):
        """2 s here: one that would begin later is not waited for."""
        for after, end, waited, n in ((3, "EAGAIN", 0, 1), (1, "EAGAIN", 2000, 3), (0, "0", 0, 4)):
            self.api.clear()
            self.api.rules.clear()
            self.api.on("PATCH", "", Answer(429, "busy", {"Retry-After": str(after)}), 3)
            said = self.guarded("+" * 12, "label", NODE, "ceph-osd")
            self.assertEqual((said["r"], said["waited_ms"], len(self.sent())), (end, waited, n))

    def test_silence_is_cut_short(self):
        self.api.on("PATCH", "", Answer(hang=True))
        said = self.guarded("++", "label", NODE, "ceph-osd")
        self.assertEqual((said["r"], said["code"], len(self.sent())), ("ETIMEDOUT", 5, 1))


if __name__ == "__main__":
    unittest.main()
