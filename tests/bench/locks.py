#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How fast `locks list` is: locks.py CONF CEPHNODE. On a cluster with a pool rbd; makes 1,000 images and locks 20 of them.

Needs python3-rbd. Compares with a loop of `rbd lock ls` (on a share of the images) and with opening one image after another.
"""
import json
import resource
import subprocess
import sys
import time

import rados
import rbd

IMAGES, LOCKED, SHARE = 1000, 20, 30


def timed(call):
    began = time.monotonic()
    value = call()
    return value, time.monotonic() - began


def main():
    conf, cephnode = sys.argv[1:3]
    cluster = rados.Rados(conffile=conf, rados_id='admin')
    cluster.connect()
    io = cluster.open_ioctx('rbd')
    have = set(rbd.RBD().list(io))
    names = ['bench-%04d' % i for i in range(IMAGES)]
    for n in names:
        if n not in have:
            rbd.RBD().create(io, n, 1 << 22, old_format=False, features=1)
    for n in names[::IMAGES // LOCKED]:
        with rbd.Image(io, n) as image:
            if not image.list_lockers():
                image.lock_exclusive('bench')
    command = [cephnode, '-c', conf, 'locks', 'list', '-p', 'rbd', '-f', 'json']
    runs = [timed(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(5)]
    found = [x for x in json.loads(runs[0][0].stdout)['locks'] if x['lock_id'] == 'bench']
    assert len(found) == LOCKED, len(found)
    ours = IMAGES / sorted(t for _, t in runs)[2]

    def open_all():
        for n in names:
            with rbd.Image(io, n, read_only=True) as image:
                image.list_lockers()

    def rbd_loop():
        for n in names[:SHARE]:
            subprocess.run(['rbd', '-c', conf, 'lock', 'ls', 'rbd/' + n], check=True, capture_output=True)
    opened, looped = IMAGES / timed(open_all)[1], SHARE / timed(rbd_loop)[1]
    print('locks list: %.0f images/s; one open after another: %.0f (%.0f times); rbd lock ls: %.1f (%.0f times); %d MiB' % (
        ours, opened, ours / opened, looped, ours / looped, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024))


main()
