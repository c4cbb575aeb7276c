#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""runner.py FOLDER ANSWERS: gives each of the deployments on stdin (a JSON list) to its hook, as heat-config's runner does on a node, and
adds what it would send to Heat to the file ANSWERS, one JSON object a line.

FOLDER is /var/lib/heat-config. What counts for a hook is how the real one behaves, which this one has of it:
- deployed/ID.json is written before the hook runs. While it is there the deployment is not run again, whatever came of it.
- deployed/ID.notify.json is written when the hook has ended, before the answer is sent. That is done once.
- What the hook prints is the answer if it is JSON, whatever the exit code; nothing printed and exit code 0 is `{}`, which is success.
- A group without a hook is left out, and one deployment that goes wrong does not keep the others. Nothing is remembered but these files."""
import ctypes
import json
import os
import pathlib
import signal
import subprocess
import sys
import time


def say(text):
    print('%.3f %s' % (time.time(), text), flush=True)


def save(path, doc):
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), 'w') as f:
        json.dump(doc, f)


def ends_with_us():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Runner:
    def __init__(self, folder, send):
        """send(config, answer): what it says of that is only told."""
        self.hooks, self.deployed, self.send = folder / 'hooks', folder / 'deployed', send

    def run(self, configs):
        self.deployed.mkdir(mode=0o700, parents=True, exist_ok=True)
        for config in configs:
            try:
                self.deploy(config)
            except Exception as e:
                say('%s: %r' % (config.get('id'), e))

    def deploy(self, config):
        ident, hook = config['id'], self.hooks / config['group']
        record = self.deployed / (ident + '.json')
        if record.exists():
            say('%s is already deployed' % ident)
            return
        if not hook.exists():
            say('no hook for the group %s' % config['group'])
            return
        save(record, config)
        say('hook for %s' % ident)
        began = time.time()
        answer = self.run_hook(hook, config)
        save(self.deployed / (ident + '.notify.json'), answer)
        sent = self.send(config, answer)
        say('hook took %.1f s, signal %s' % (time.time() - began, sent))

    @staticmethod
    def run_hook(hook, config):
        p = subprocess.run([str(hook)], input=json.dumps(config).encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=ends_with_us)
        out, err = p.stdout.decode('utf-8', 'replace'), p.stderr.decode('utf-8', 'replace')
        whole = {'deploy_stdout': out, 'deploy_stderr': err, 'deploy_status_code': p.returncode}
        if not out:
            return whole if p.returncode else {}
        try:
            return json.loads(out)
        except ValueError:
            return whole


def main(folder, answers):
    def send(config, answer):
        with open(answers, 'a') as f:
            f.write(json.dumps(dict(answer, id=config['id'])) + '\n')
        return 'written'
    Runner(pathlib.Path(folder), send).run(json.load(sys.stdin))


if __name__ == '__main__':
    main(*sys.argv[1:])
