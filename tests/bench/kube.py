#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`discover` by a node's address among 1,200 OSD pods, against kubectl and jq; run.sh builds and runs it. Needs kubectl (package
kubernetes-client) and jq.

The API is tests/contract's server over TLS with answers made beforehand, so that what is measured is not how fast Python writes JSON. The
Ceph cluster is real, and the tool asks it, too; kubectl names pods alone, but asks this API anew what it can do (some milliseconds). `raw` is
kubectl without that, without pages and without writing the JSON anew. They take turns.
"""
import argparse
import gzip
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from statistics import median

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / 'cluster'), str(HERE.parent / 'contract')]
from apiserver import Api  # noqa: E402
from apiwire import DATA, Answer  # noqa: E402
from cnlib.cluster import Cluster                                 # noqa: E402
from cnlib.util import CEPHNODE, clean_env                        # noqa: E402

PODS, A_NODE = 1200, 12
OSDS = ['ceph-osd-%05d' % i for i in range(3)]    # those of them that there are
NODE, NAMESPACE, SELECTOR = '10.99.0.1', 'ceph', 'app=ceph,daemon=osd'


class Prepared(Api):
    """Each answer is made once."""

    def __init__(self, folder):
        super().__init__(folder)
        self.gzip, self.kept = False, {}

    def handle(self, request):
        packed = 'gzip' in request.headers.get('Accept-Encoding', '')
        answer = self.kept.get((request.path, packed))
        if answer:
            self.requests.append((request.method, request.path))
            return answer
        answer = super().handle(request)
        if packed:
            answer = Answer(answer.status, gzip.compress(answer.body, 6), dict(answer.headers, **{'Content-Encoding': 'gzip'}))
        self.kept[request.path, packed] = answer
        return answer


def fill(api):
    """Pods as a server lists them, 2.8 kB each: a recorded one, again and again."""
    text = (DATA / 'k8s-1.34.9' / 'pod-get.http').read_text()
    template = json.loads(text[text.index('{'):])
    del template['kind'], template['apiVersion']    # as in a list
    for i in range(PODS):
        pod = json.loads(json.dumps(template))
        host = '10.99.%d.%d' % (i // A_NODE // 250, i // A_NODE % 250 + 1)
        ip = '127.0.1.%d' % (i + 1) if i < len(OSDS) else '10.244.%d.%d' % (i // 250, i % 250)
        pod['metadata'].update(name='ceph-osd-%05d' % i, uid='%08d-0000-4000-8000-000000000001' % i)
        pod['spec'].update(nodeName='worker-%d' % (i // A_NODE), hostNetwork=False)
        pod['status'].update(hostIP=host, podIP=ip, podIPs=[{'ip': ip}])
        api.add('pods', pod)


def once(command, env):
    began = time.monotonic()
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    return time.monotonic() - began, done.stdout


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--quick', action='store_true')
    rounds = 5 if p.parse_args().quick else 15
    for tool in ('kubectl', 'jq'):
        if not shutil.which(tool):
            sys.exit('%s is not there: apt-get install kubernetes-client jq' % tool)
    with tempfile.TemporaryDirectory() as tmp, Prepared(pathlib.Path(tmp) / 'api') as api:
        fill(api)
        cluster = Cluster.start(HOSTS=3, OSDS=1, PG_EC=0, PG_RBD=0, STATS=1, NAMES=' '.join(OSDS))
        try:
            cluster.wait_clean()
            env = clean_env(CEPH_CONF=cluster.conf, KUBECONFIG=api.kubeconfig(), HOME=tmp)
            ours = [str(CEPHNODE), 'discover', NODE, '-q', '-f', 'json']
            theirs = ['bash', '-c', 'kubectl get pods -n %s -l %s -o json | jq -c \'[.items[] | select(.status.hostIP == "%s") | '
                      '.metadata.name]\'' % (NAMESPACE, SELECTOR, NODE)]
            filter = theirs[2].split('|', 1)[1]
            raw = ['bash', '-c', "kubectl get --raw '/api/v1/namespaces/%s/pods?labelSelector=%s' |%s" % (NAMESPACE, SELECTOR.replace(',', '%2C').replace('=', '%3D'), filter)]
            node = json.loads(once(ours, env)[1])['nodes'][0]
            names = json.loads(once(theirs, env)[1])
            assert json.loads(once(raw, env)[1]) == names
            assert [o['pod'] for o in node['osds']] == ['ceph/' + n for n in OSDS] and set(OSDS) < set(names) and len(names) == A_NODE, (node, names)
            requests, times = {}, {'ours': [], 'theirs': [], 'raw': []}
            for _ in range(rounds):
                for who, command in (('ours', ours), ('theirs', theirs), ('raw', raw)):
                    api.clear()
                    times[who].append(once(command, env)[0])
                    requests[who] = [path for _, path in api.requests]
            size = max(len(gzip.decompress(a.body)) if packed else len(a.body) for (_, packed), a in api.kept.items())
        finally:
            cluster.down()
    a, b, c = median(times['ours']), median(times['theirs']), median(times['raw'])
    out = pathlib.Path(os.environ.get('CN_BENCH_OUT', CEPHNODE.parent / 'bench'))
    out.mkdir(parents=True, exist_ok=True)
    (out / 'kube.json').write_text(json.dumps(dict(times=times, requests=requests, bytes=size), indent=1))
    print('| what | measured | goal | |\n|---|---|---|---|')
    print('| `discover` by address among %d pods : `kubectl` and `jq` | **%.3f** (%.0f ms : %.0f ms) | at most 0.2 | %s |' % (
        PODS, a / b, a * 1000, b * 1000, 'met' if a / b <= 0.2 else 'missed'))
    print('| `discover` : `kubectl get --raw` and `jq` | **%.3f** (%.0f ms : %.0f ms) | none | |' % (a / c, a * 1000, c * 1000))
    print('| requests to the API | **%d** (`kubectl`: %d), the largest answer %.1f MB | at most 3 | %s |' % (
        len(requests['ours']), len(requests['theirs']), size / 1e6, 'met' if len(requests['ours']) <= 3 else 'missed'))
    print('\n%d rounds; load %.1f' % (rounds, os.getloadavg()[0]), file=sys.stderr)
    for path in requests['ours']:
        print(urllib.parse.unquote(path), file=sys.stderr)


main()
