# SPDX-License-Identifier: LGPL-2.1-or-later
"""Data that proves itself. Every object says in its first bytes who it is, which version, how long, and its checksum."""
import concurrent.futures
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import rados

from .util import die_with_parent, wait_for

HEAD = 160


def content(name, version, size, seed=0):
    body = hashlib.shake_128(('%s/%d/%d' % (name, version, seed)).encode()).digest(size)
    head = json.dumps({'name': name, 'version': version, 'size': size, 'sha256': hashlib.sha256(body).hexdigest()})
    return head.encode().ljust(HEAD) + body


def parse(name, data):
    """The version of a whole and correct object; raises ValueError when it is neither."""
    head = json.loads(data[:HEAD].decode())
    body = data[HEAD:]
    if head['name'] != name or head['size'] != len(body) or head['sha256'] != hashlib.sha256(body).hexdigest():
        raise ValueError('%s: %d bytes that are not what %s says' % (name, len(body), head))
    return head['version']


def read_all(ioctx, name):
    data = b''
    while True:
        part = ioctx.read(name, 1 << 22, len(data))
        data += part
        if len(part) < 1 << 22:
            return data


# --- written once, compared byte by byte later ---
def each(cluster, pool, n, function):
    with cluster.rados.open_ioctx(pool) as ioctx, concurrent.futures.ThreadPoolExecutor(8) as threads:
        return list(threads.map(lambda i: function(ioctx, i), range(n)))


def write_data(cluster, pool, n, size=65536, seed=0):
    each(cluster, pool, n, lambda ioctx, i: ioctx.write_full('data.%d.%d' % (seed, i), content('data.%d.%d' % (seed, i), 0, size, seed)))
    return n


def verify_data(cluster, pool, n, size=65536, seed=0):
    """The names of the objects that are not byte for byte as they were written."""
    def check(ioctx, i):
        name = 'data.%d.%d' % (seed, i)
        try:
            return None if read_all(ioctx, name) == content(name, 0, size, seed) else '%s/%s: other bytes' % (pool, name)
        except rados.Error as e:
            return '%s/%s: %s' % (pool, name, e)
    return [bad for bad in each(cluster, pool, n, check) if bad]


def remove_data(cluster, pool, n, seed=0):
    each(cluster, pool, n, lambda ioctx, i: ioctx.remove_object('data.%d.%d' % (seed, i)))


# --- written all the time, by a process of its own ---
class Load:
    """with Load(cluster, ['rep', 'ec'], dir) as load: ...; load.finish() stops it, verifies all that was acknowledged."""

    def __init__(self, cluster, pools, folder, size=16384, objects=40):
        self.journal = os.path.join(str(folder), 'load.journal')
        self.log = open(os.path.join(str(folder), 'load.log'), 'w')
        self.process = subprocess.Popen(
            [sys.executable, '-u', '-m', 'cnlib.load', cluster.conf, self.journal, str(size), str(objects)] + list(pools),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log, text=True, preexec_fn=die_with_parent,
            cwd=os.path.dirname(os.path.dirname(__file__)))

    def __enter__(self):
        self.wait_for(5)
        return self

    def wait_for(self, n, timeout=30):
        """n writes more have been acknowledged, or there is no client any more."""
        n += self.acked()
        wait_for('the client has written', lambda: self.acked() >= n or self.process.poll() is not None, timeout)

    def acked(self):
        try:
            with open(self.journal) as f:
                return sum(1 for line in f if line.startswith('ack '))
        except FileNotFoundError:
            return 0

    def finish(self, timeout=120):
        """{'errors': [...], 'writes', 'reads', 'longest_pause'}"""
        self.process.send_signal(signal.SIGTERM)
        out, _ = self.process.communicate(timeout=timeout)
        return json.loads(out)

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.log.close()


def main(conf, journal, size, objects, *pools):
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cluster = rados.Rados(conffile=conf, rados_id='admin')
    cluster.connect()
    ioctxs = {p: cluster.open_ioctx(p) for p in pools}
    rng, size, objects = random.Random(journal), int(size), int(objects)
    acked, begun, errors = {}, {}, []
    writes = reads = 0
    pause, last = 0.0, time.monotonic()
    me = os.getpid()   # other loads on the same pools keep out of each other's way

    def check(pool, name):
        try:
            version = parse(name, read_all(ioctxs[pool], name))
            if not acked[pool, name] <= version <= begun[pool, name]:
                errors.append('%s/%s: version %d, acknowledged %d' % (pool, name, version, acked[pool, name]))
        except (ValueError, rados.Error) as e:
            errors.append('%s/%s: %s' % (pool, name, e))

    with open(journal, 'a', buffering=1) as f:
        while not stop:
            pool, name = rng.choice(pools), 'load.%d.%d' % (me, rng.randrange(objects))
            version = begun[pool, name] = begun.get((pool, name), 0) + 1
            f.write('begin %s %s %d\n' % (pool, name, version))
            try:
                ioctxs[pool].write_full(name, content(name, version, rng.randrange(size // 4, size)))
            except rados.Error as e:
                errors.append('write of %s/%s: %s' % (pool, name, e))
                continue
            acked[pool, name] = version
            f.write('ack %s %s %d\n' % (pool, name, version))
            writes += 1
            now = time.monotonic()
            pause, last = max(pause, now - last), now
            if writes % 4 == 0:
                check(*rng.choice(list(acked)))
                reads += 1
            time.sleep(0.005)   # a client beside the work, not the work itself
    for key in sorted(acked):
        check(*key)
        reads += 1
    for key in sorted(begun):
        try:
            ioctxs[key[0]].remove_object(key[1])
        except rados.Error:
            pass
    print(json.dumps({'errors': errors, 'writes': writes, 'reads': reads, 'longest_pause': round(pause, 2)}))
    cluster.shutdown()


def once(what, conf, *pools):
    """write|verify CONF POOL OBJECTS SIZE ...: for the demo."""
    from .cluster import Cluster
    cluster, bad, total = Cluster(os.path.dirname(conf)), [], 0
    for pool, n, size in zip(pools[::3], map(int, pools[1::3]), map(int, pools[2::3])):
        if what == 'write':
            write_data(cluster, pool, n, size)
        else:
            bad += verify_data(cluster, pool, n, size)
        total += n * (size + HEAD)
        print('%s: %d objects of %d KiB %s' % (pool, n, size // 1024, 'written' if what == 'write' else 'read back and compared, byte for byte'))
    print('\n'.join(bad) or '%.1f MiB%s' % (total / 2**20, '' if what == 'write' else ', all as written'))
    cluster.rados.shutdown()
    return 1 if bad else 0


if __name__ == '__main__':
    sys.exit(once(*sys.argv[1:]) if sys.argv[1] in ('write', 'verify') else main(*sys.argv[1:]))
