#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every exchange that was recorded from a real Keystone and Heat is replayed by a test, or stands here with the reason why not.

Needs CEPHNODE (the binary) in the environment."""
import json
import re
import unittest
from pathlib import Path

import agent_test
from fakeheat import FIXTURES, recorded

TESTS = Path(__file__).resolve().parents[1]
RULES = TESTS.parent / "docs" / "heat" / "agent.md"

# Recorded, and of no use to a test: what cephnode neither sends nor reads.
NOT_OURS = {
    "agent/events-hook-reached-200": "all events of the root stack: each gate is asked for its own",
    "group/alarm-url-200": "the scaling URL is called by others, and its answer says nothing",
    "group/alarm-url-refused-by-keystone-403": "the same",
    "group/deployment-resource-failed-200": "what the hook's answer makes of the deployment: for an operator",
    "group/software-deployment-failed-200": "the same",
    "group/resource-group-removal-list-202": "retire refuses a ResourceGroup, and says what to set by hand",
    "hook/notify-stdin.json": "the hook's answer as the runner passes it on: its fields are in unit-hook_words",
    "hook/signal-by-operator-200": "sent by an operator",
    "hook/signal-cfn-stalled-200": "sent by the runner",
    "hook/signal-cfn-too-late-403": "the same",
    "hook/signal-refused-200": "the same",
    "hook/signal-removed-200": "the same",
    "security/metadata-of-another-node-403": "what Heat keeps a node from: not asked for",
    "security/metadata-of-another-node-cfn-refused": "the same",
    "security/reader-unsets-hook-200": "what others may do to a gate: the agent sees it open, as after its own",
    "security/signal-drain-of-another-node-200": "what one node may do to another: no answer of ours",
    "security/signal-scaling-policy-200": "the same",
}
# Replayed below.
EXPIRED, OUTSIDE = "agent/expired-token-401", ("agent/outside-access-rules-delete-401", "agent/outside-access-rules-policy-401")
CREDENTIAL = "keystone/application-credential-create-201"
# Stacks by their own id: what the agent concludes from the list of resources alone.
SHOWN = {"agent/member-stack-deleting-200": "DELETE_IN_PROGRESS", "agent/member-stack-gone": "DELETE_COMPLETE"}
UNKNOWN_HOOK = "agent/unset-unknown-hook-400"


class Exchanges(agent_test.Case):
    def test_all_are_replayed(self):
        there = {str(p.relative_to(FIXTURES).with_suffix("")) for p in FIXTURES.rglob("*.http")}
        self.assertEqual(there & set(NOT_OURS), set())
        sources = "".join(p.read_text() for p in TESTS.rglob("*") if p.suffix in (".py", ".c"))
        for name in sorted(there):
            self.assertRegex(sources, r'["/\']%s["\']' % re.escape(name.rsplit("/", 1)[1]), name)

    def test_expired_token(self):
        self.cloud.on("GET", "nested_depth", *recorded(EXPIRED))
        self.once(0)
        self.assertEqual(self.cloud.logins, 2)

    def test_outside_of_the_access_rules(self):
        for name in OUTSIDE:
            self.cloud.on("GET", "/stacks/storage$", *recorded(name), times=2)
            self.once(1, "status 401", "access rules")

    def test_stack_that_is_shown_at_once(self):
        """Without a redirect, and also one that is gone: its own name and id are what is asked for, and a 404 is that."""
        for name, status in SHOWN.items():
            answer = recorded(name)
            stack = answer[1]["stack"]
            self.assertEqual(stack["stack_status"], status)
            self.cloud.on("GET", "/stacks/storage$", *answer)
            self.once(3, "could not be found")
            self.assertEqual(self.paths()[-1], "/%s/%s/resources" % (stack["stack_name"], stack["id"]))

    def test_access_rules_of_the_page(self):
        """Those that the page shows are those of the credential that was made, and that Heat took."""
        text = re.search(r"```json\n(.*?)```", RULES.read_text(), re.S).group(1)
        made = recorded(CREDENTIAL)[1]["application_credential"]
        want = {(r["service"], r["method"], r["path"].replace(made["project_id"], "P").removeprefix("/compute")) for r in made["access_rules"]}
        self.assertEqual({(r["service"], r["method"], r["path"]) for r in json.loads(text)}, want)

    def test_words_of_heat(self):
        """Heat's own words are shown, whichever way it words an error."""
        for name, words in ((UNKNOWN_HOOK, "Invalid hook type"), ("agent/stack-404", "could not be found")):
            status, doc = recorded(name)
            self.cloud.on("GET", "nested_depth", status, doc)
            self.assertIn(words, self.run_it(3 if status == 404 else 1, "--once"))


if __name__ == "__main__":
    unittest.main()
