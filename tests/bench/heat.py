#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`heat agent` between a real Keystone, a real Heat and a real Ceph cluster: from the POST to the drain, from its end to the server's
DELETE, and what a round costs in which nothing is to be done. run.sh builds and runs it, tests/heat/rig installs what is missing; as root.

Ten nodes of one OSD; nodes go one after the other, with the agent's interval at 1 s and at 10 s. Idle rounds go through two relays that
count what passes: the agent is told their addresses instead of the catalogue's."""
import argparse
import datetime
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time
from statistics import median

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / 'heat'), str(HERE.parent / 'cluster')]
NODES, STACK = 10, 'storage1'


class Relay:
    """with Relay(PORT) as r: r.port leads there; r.requests, r.bytes: HTTP requests and bytes of both directions, without TCP's own."""

    def __init__(self, to):
        self.to, self.requests, self.bytes = to, 0, 0
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.listener.close()

    def accept(self):
        while True:
            try:
                here, _ = self.listener.accept()
            except OSError:
                return
            there = socket.create_connection(('127.0.0.1', self.to))
            for a, b, asks in ((here, there, True), (there, here, False)):
                threading.Thread(target=self.pump, args=(a, b, asks), daemon=True).start()

    def pump(self, a, b, asks):
        try:
            while data := a.recv(65536):
                self.bytes += len(data)
                self.requests += asks and data.count(b' HTTP/1.1\r\n')
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class Agent:
    """with Agent(...) as a: under way; a.lines: its events."""

    def __init__(self, cluster, env, interval):
        self.command = [str(CEPHNODE), '-c', cluster.conf, 'heat', 'agent', '--stack', STACK, '--interval', str(interval), '--no-kube', '-f', 'json']
        self.env, self.lines = clean_env(**env), []

    def __enter__(self):
        self.process = subprocess.Popen(self.command, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=die_with_parent)
        threading.Thread(target=self.read, daemon=True).start()
        return self

    def read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def __exit__(self, *exc):
        self.process.terminate()
        self.process.wait()


def at(event):
    return datetime.datetime.fromisoformat(event['time']).timestamp()


def one(heat, agent):
    """One node goes: seconds from the POST to the drain's first step, of the drain, from its end to the DELETE."""
    before, n, posted = set(heat.deleted()), len(agent.lines), time.time()
    heat.down(STACK)
    server = wait_for('a server is deleted', lambda: set(heat.deleted()) - before, 180, 0.2).pop()
    events = agent.lines[n:]
    begin = next(at(e) for e in events if e['event'] == 'step')
    end = [at(e) for e in events if e['event'] == 'result' and e['outcome'] == 'removed'][-1]
    wait_for('the group rests', lambda: not any('IN_PROGRESS' in r['resource_status'] for r in heat.resources(STACK)), 60, 0.5)
    return begin - posted, end - begin, heat.deleted()[server] - end


def idle(heat, cluster, rounds):
    """Requests and bytes of a round, means; the agent tells systemd when one is over."""
    with Relay(heat.port) as keystone, Relay(heat.port + 1) as api, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.settimeout(30)
        env = heat.os_env(OS_AUTH_URL='http://127.0.0.1:%d/v3' % keystone.port)
        clouds = heat.dir / 'bench-clouds.yaml'
        clouds.write_text(json.dumps({'clouds': {'bench': {
            'auth': dict(auth_url=env['OS_AUTH_URL'], username=env['OS_USERNAME'], password=env['OS_PASSWORD'], project_name=env['OS_PROJECT_NAME']),
            'orchestration_endpoint_override': heat.client.heat.replace(':%d/' % (heat.port + 1), ':%d/' % api.port)}}}))

        def a_round():
            while b'STATUS=no deletion waits' not in s.recv(4096):
                pass
            return api.requests, api.bytes

        with Agent(cluster, dict(OS_CLIENT_CONFIG_FILE=str(clouds), OS_CLOUD='bench', NOTIFY_SOCKET=notify_address(s)), 1):
            first = a_round()
            for _ in range(rounds):
                last = a_round()
        return dict(members=len(heat.members(STACK)), first=first, requests=(last[0] - first[0]) / rounds, bytes=(last[1] - first[1]) / rounds,
                    logins=keystone.requests, login_bytes=keystone.bytes)


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--quick', action='store_true')
    rounds = 2 if p.parse_args().quick else 3
    load = os.getloadavg()[0]
    heat, cluster = Heat(), None
    heat.start()
    try:
        cluster = Cluster.start(HOSTS=NODES, OSDS=1, PG_EC=0, PG_RBD=8, STATS=1, PROPOSE=0.1)
        write_data(cluster, 'rep', 60, 65536)
        cluster.wait_clean()
        heat.create(STACK, NODES)
        result = {'idle': [idle(heat, cluster, 15)]}
        for interval in (1, 10):
            with Agent(cluster, heat.os_env(), interval) as agent:
                result[interval] = [one(heat, agent) for _ in range(rounds)]
        result['idle'].append(idle(heat, cluster, 15))
        heat.delete(STACK)
    finally:
        heat.stop()
        if cluster:
            cluster.down()
    out = pathlib.Path(os.environ.get('CN_BENCH_OUT', CEPHNODE.parent / 'bench'))
    out.mkdir(parents=True, exist_ok=True)
    (out / 'heat.json').write_text(json.dumps(result, indent=1))
    print('| what | `--interval 1` | `--interval 10` |\n|---|---|---|')
    for i, what in enumerate(('from the POST to the first step of the drain', 'the drain (4 MB in all)', 'from its end to the server\'s DELETE at Nova')):
        print('| %s | %s |' % (what, ' | '.join('**%.1f s** (%.1f to %.1f)' % (median(v), min(v), max(v)) for v in (
            [r[i] for r in result[n]] for n in (1, 10)))))
    print('\n| an idle round, stack of | requests | bytes, both ways |\n|---|---|---|')
    for r in result['idle']:
        print('| %d nodes | **%.2f** | **%.1f kB** |' % (r['members'], r['requests'], r['bytes'] / 1000))
    print('\n%d nodes each; a login: %d request, %d bytes; load %.1f before, %.1f after' % (
        rounds, result['idle'][0]['logins'], result['idle'][0]['login_bytes'], load, os.getloadavg()[0]), file=sys.stderr)


if not all(shutil.which(x) for x in ('heat-all', 'keystone-manage', 'uwsgi')):
    subprocess.run([str(HERE.parent / 'heat' / 'rig' / 'install.sh')], check=True, stdout=sys.stderr)
from heatlib import Heat, wait_for                                # noqa: E402
from cnlib.cluster import Cluster                                 # noqa: E402
from cnlib.load import write_data                                 # noqa: E402
from cnlib.util import CEPHNODE, clean_env, die_with_parent, notify_address  # noqa: E402
main()
