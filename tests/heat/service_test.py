#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The units that systemd gets from us: what systemd says of them, how much they may, and that their command lines are ones that we take.

Needs CEPHNODE (the binary) in the environment, and `systemd-analyze`; systemd itself need not run."""
import os
import re
import shlex
import subprocess
import tempfile
import unittest
from pathlib import Path

from fakeheat import Cloud

CEPHNODE = os.environ["CEPHNODE"]
UNIT = Path(__file__).resolve().parents[2] / "systemd/cephnode-heat-agent.service"
EXPOSURE = 14   # tenths, as systemd 252 counts them; less is better


class Units(unittest.TestCase):
    def setUp(self):
        self.dir = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.text = UNIT.read_text()

    def settings(self, key):
        return re.findall(r"(?m)^%s=(.*)$" % key, self.text)

    def analyze(self, *args):
        env = os.environ | {"SYSTEMD_UNIT_PATH": "%s:" % self.dir, "LC_ALL": "C"}
        return subprocess.run(["systemd-analyze", *args], capture_output=True, text=True, env=env, timeout=60)

    def complaints(self, text, name=UNIT.name):
        """Of this unit; those on other units of this machine are none of ours."""
        (self.dir / name).write_text(text.replace("/usr/sbin/cephnode", CEPHNODE))
        said = self.analyze("verify", "--man=no", str(self.dir / name)).stderr
        return [line for line in said.splitlines() if str(self.dir) in line or line.startswith(name)]

    def exposure(self, text):
        (self.dir / UNIT.name).write_text(text)
        return self.analyze("security", "--offline=true", "--threshold=%d" % EXPOSURE, "--no-pager", str(self.dir / UNIT.name))

    def test_systemd_takes_it(self):
        self.assertEqual(self.complaints(self.text), [])
        for wrong in (("WatchdogSec", "WatchdogSecs"), ("Type=notify", "Type=notifies"), ("%d/keyring", "%K/keyring"), ("@system-service", "@none-such")):
            self.assertNotEqual(self.complaints(self.text.replace(*wrong)), [], wrong)

    def test_it_may_little(self):
        run = self.exposure(self.text)
        self.assertEqual(run.returncode, 0, run.stdout[-200:] + run.stderr)
        for line in ("PrivateDevices=yes", "CapabilityBoundingSet=", "PrivateUsers=yes", "DynamicUser=yes", "SystemCallFilter=@system-service"):     # each counts
            self.assertIn(line + "\n", self.text)
            self.assertNotEqual(self.exposure(self.text.replace(line + "\n", "")).returncode, 0, line)

    def test_what_the_agent_relies_on(self):
        self.assertEqual((self.settings("Type"), self.settings("SuccessExitStatus")), (["notify"], ["130"]))
        self.assertEqual(len(self.settings("WatchdogSec")), 1)
        credentials = {c.split(":")[0] for c in self.settings("LoadCredential")}
        self.assertEqual(credentials, {"clouds.yaml", "keyring"})
        self.assertEqual(set(re.findall(r"(?m)^[^#\n]*%d/(\S+)", self.text)), credentials)
        self.assertEqual(set(re.findall(r"(?m)^#.*%d/(\S+)", self.text)), set(re.findall(r"(?m)^#LoadCredential=(.*?):", self.text)))

    def test_without_the_specifier(self):
        """Before systemd 250: the way that docs/heat/agent.md tells."""
        script = re.search(r"(?m)^    (sed .*%d.*) \S+/cephnode-heat-agent.service \\\n        > /etc/systemd/system/(\S+)$", (UNIT.parents[1] / "docs/heat/agent.md").read_text())
        text = subprocess.run([*shlex.split(script[1]), UNIT], capture_output=True, text=True, check=True).stdout
        self.assertNotIn("%d", text)
        self.assertEqual(script[2], UNIT.name)
        self.assertEqual(text.count("/run/credentials/%s/" % UNIT.name), self.text.count("%d/"))
        self.assertEqual(self.complaints(text), [])

    def test_its_command_line(self):
        """One idle round of the very command, with the credentials where systemd puts them."""
        with Cloud() as cloud:
            cloud.yaml(self.dir)
            line = self.settings("ExecStart")[0].replace("%d", str(self.dir)).replace("${STACK}", "storage")
            self.assertTrue(line.startswith("/usr/sbin/cephnode "))
            line = line.replace("$OPTIONS", "--accept OSD_NEARFULL --speed gentle --allow-empty --once")
            env = dict(e.replace("%d", str(self.dir)).split("=", 1) for e in self.settings("Environment"))
            run = subprocess.run([CEPHNODE, *shlex.split(line)[1:]], capture_output=True, text=True, timeout=60, cwd="/",
                                 env={"PATH": os.environ["PATH"], **env})
            self.assertEqual((run.returncode, run.stderr), (0, ""))
            self.assertEqual((len(cloud.requests), cloud.logins), (3, 1))

    def test_hook_drop_in(self):
        """What heat hook --install adds to os-collect-config's unit."""
        run = subprocess.run([CEPHNODE, "heat", "hook", "--install", "--root", self.dir / "image"], capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 0, run.stderr)
        name = "os-collect-config.service"
        (self.dir / (name + ".d")).symlink_to(self.dir / "image/etc/systemd/system" / (name + ".d"))
        text = "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/true\n"
        self.assertEqual(self.complaints(text, name), [])
        (self.dir / "image/etc/systemd/system" / (name + ".d") / "other.conf").write_text("[Service]\nExecStartPer=/bin/true\n")
        self.assertNotEqual(self.complaints(text, name), [])     # drop-ins are looked at


if __name__ == "__main__":
    unittest.main()
