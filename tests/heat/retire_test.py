#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`heat retire` against recorded answers of Keystone, Heat and Nova, without Ceph: Heat's word alone is told.

Needs CEPHNODE (the binary) in the environment."""
import json
import signal
import unittest

import agent_test


class Retire(agent_test.Case):
    def run_it(self, code, *args, words=(), env=None):
        p = self.popen("--yes", *args, env=env, command="retire")
        out, err = p.communicate(timeout=60)
        self.assertEqual(p.returncode, code, err)
        for w in words:
            self.assertIn(w, err)
        return [json.loads(line) for line in out.splitlines()] if "json" in args else out, err

    def test_without_ceph(self):
        """A server's address is known without it; how far its drain is is not, which is said once."""
        m = self.cloud.members["m1"]
        self.cloud.on_count = lambda size: self.cloud.scale_down("m1")
        p = self.popen("--yes", "127.0.1.1", command="retire")
        self.until("two looks", lambda: sum("/events" in r for _, r in self.cloud.requests) >= 2)
        del self.cloud.members["m1"]
        out, err = p.communicate(timeout=60)
        self.assertEqual((p.returncode, out), (0, "127.0.1.1: drained, server %s deleted, 1 nodes left\n" % m.server), err)
        said = err.splitlines()
        self.assertTrue(said[0].startswith("warning: going on without Ceph ("), err)
        self.assertEqual(said[1:], ["node m1: its deletion waits for the drain", "node m1: deleted"])

    def test_one_document(self):
        m = self.cloud.members["m1"]
        self.cloud.on_count = lambda size: self.cloud.members.pop("m1")
        lines, err = self.run_it(0, "ip:127.0.1.1", "-f", "json")
        seconds = lines[0].pop("seconds")
        self.assertEqual(lines, [dict(schema=1, node="ip:127.0.1.1", stack="storage", member="m1", server=m.server, size=1, osds=[], bytes_moved=0)])
        self.assertIs(type(seconds), int)
        self.assertIn("going on without Ceph", err)
        for code, node, words in ((3, "127.0.9.9", "no member of the stack"), (2, "node2", "/nonexistent.conf")):
            self.assertEqual(self.run_it(code, node, "-f", "json", words=[words])[0], [])

    def test_interrupted(self):
        self.cloud.on_count = lambda size: self.cloud.scale_down("m1")
        p = self.popen("--yes", "127.0.1.1", "-f", "json", command="retire")
        self.until("a look", lambda: any("/events" in r for _, r in self.cloud.requests))
        p.send_signal(signal.SIGTERM)
        out, err = p.communicate(timeout=30)
        self.assertEqual((p.returncode, out), (130, ""), err)
        self.assertIn("its deletion goes on", err)


if __name__ == "__main__":
    unittest.main()
