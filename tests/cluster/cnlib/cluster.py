# SPDX-License-Identifier: LGPL-2.1-or-later
"""A real cluster on loopback (tests/rig/ceph) and every way to look at it and to harm it."""
import atexit
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import uuid

import rados

from . import snapshot
from .util import ROOT, Timeout, clean_env, wait_for

RIG = ROOT / 'tests' / 'rig' / 'ceph'
CLEAN = {'active', 'clean', 'scrubbing', 'deep', 'snaptrim', 'snaptrim_wait', 'laggy', 'wait'}


def is_clean(state):
    words = set(state.split('+'))
    return {'active', 'clean'} <= words and words <= CLEAN


class CommandError(Exception):
    def __init__(self, command, code, text):
        super().__init__('%s: %d %s' % (command, code, text))
        self.code = code


def as_command(prefix, args):
    """'osd out', ids=['3'] -> the JSON of the command. Arguments whose name is a Python word end in '_'."""
    return json.dumps(dict({'prefix': prefix, 'format': 'json'}, **{k.rstrip('_'): v for k, v in args.items()}))


def decode(data):
    text = data.decode('utf-8', 'replace').strip()
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


class Cluster:
    def __init__(self, folder):
        self.dir = pathlib.Path(folder)
        self.conf = str(self.dir / 'ceph.conf')
        self.rados = rados.Rados(conffile=self.conf, rados_id='admin')
        self.rados.conf_set('rados_mon_op_timeout', '60')
        self.rados.conf_set('rados_osd_op_timeout', '20')       # a `pg query` to an OSD that has just gone may never be answered
        self.rados.conf_set('client_mount_timeout', '30')
        self.rados.connect()

    @classmethod
    def start(cls, **shape):
        """start(HOSTS=5, OSDS=2, OLD=1, ...): see up.sh for the words. It goes down with this process, however that ends."""
        folder = tempfile.mkdtemp(prefix='cn-ceph.')
        env = clean_env(CN_CEPH=folder, CN_OWNER=str(os.getpid()), **{k: str(v) for k, v in shape.items()})
        done = subprocess.run([str(RIG / 'up.sh')], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=500)
        if done.returncode:
            subprocess.run([str(RIG / 'down.sh'), '--wipe'], env=env, stdin=subprocess.DEVNULL)
            raise RuntimeError('up.sh failed (%s):\n%s' % (folder, done.stderr[-3000:]))
        c = cls(folder)
        c.hosts, c.per_host = int(shape.get('HOSTS', 5)), int(shape.get('OSDS', 2))
        c.net = shape.get('NET', '127.0.1.')
        c.names = shape.get('NAMES', ' '.join('node%d' % h for h in range(1, c.hosts + 1))).split()
        atexit.register(c.down)
        return c

    def down(self):
        atexit.unregister(self.down)
        if self.rados:
            self.rados.shutdown()
            self.rados = None
        subprocess.run([str(RIG / 'down.sh'), '--wipe'], env=clean_env(CN_CEPH=str(self.dir)), stdin=subprocess.DEVNULL)

    # --- asking ---
    def mon_raw(self, prefix, inbuf=b'', **args):
        """(code, decoded answer, text)"""
        code, out, text = self.rados.mon_command(as_command(prefix, args), inbuf, 60)
        return code, decode(out), text

    def mon(self, prefix, inbuf=b'', **args):
        code, out, text = self.mon_raw(prefix, inbuf, **args)
        if code:
            raise CommandError(prefix, code, text)
        return out

    def mgr_raw(self, prefix, **args):
        code, out, text = self.rados.mgr_command(as_command(prefix, args), b'')
        return code, decode(out), text

    def mgr(self, prefix, **args):
        code, out, text = self.mgr_raw(prefix, **args)
        if code:
            raise CommandError(prefix, code, text)
        return out

    def tell(self, osd, prefix, **args):
        code, out, text = self.rados.osd_command(osd, as_command(prefix, args), b'', timeout=30)
        if code:
            raise CommandError('osd.%d %s' % (osd, prefix), code, text)
        return decode(out)

    def pg_query_once(self, pgid):
        # With a stale map librados 16.2 sends this to the old primary, and aborts when that OSD is purged meanwhile.
        self.rados.wait_for_latest_osdmap()
        code, out, text = self.rados.pg_command(pgid, as_command('query', {'pgid': pgid}), b'', timeout=10)
        if code:
            raise CommandError('pg %s query' % pgid, code, text)
        return decode(out)

    def pg_query(self, pgid):
        """What its primary says; a new one that has not heard of it yet, or a monitor that elects, is asked again."""
        limit = time.monotonic() + 30
        while True:
            try:
                return self.pg_query_once(pgid)
            except (CommandError, rados.Error):
                if time.monotonic() > limit:
                    raise
            time.sleep(0.2)

    def pgs(self):
        return self.mgr('pg dump', dumpcontents=['pgs'])['pg_stats']

    def pgs_of(self, osds):
        """The PGs that have one of these OSDs in up or acting, at the mon, now."""
        osds, pgs = set(osds), set()
        for p in self.pgs():
            m = self.mon('pg map', pgid=p['pgid'])
            if osds & (set(m['up']) | set(m['acting'])):
                pgs.add(p['pgid'])
        return sorted(pgs)

    def osd(self, osd_id):
        """Its entry in `osd dump`, or None."""
        return next((o for o in self.mon('osd dump')['osds'] if o['osd'] == osd_id), None)

    def osds(self):
        return {o['osd']: o for o in self.mon('osd dump')['osds']}

    def is_up(self, osd_id):
        o = self.osd(osd_id)
        return bool(o and o['up'])

    def flags(self):
        return set(self.mon('osd dump')['flags_set'])

    def crush_weight(self, osd_id):
        """The integer 16.16 weight in its bucket, None when it is in none."""
        for b in self.mon('osd crush dump')['buckets']:
            for i in b['items']:
                if i['id'] == osd_id and not b['name'].count('~'):
                    return i['weight']
        return None

    def crush_weights(self, epoch):
        """{id: weight} of the OSDs in the map of that epoch."""
        code, data, text = self.rados.mon_command(as_command('osd getcrushmap', {'epoch': epoch}), b'', 60)
        if code:
            raise CommandError('osd getcrushmap %d' % epoch, code, text)
        with tempfile.NamedTemporaryFile() as f:
            f.write(data)
            f.flush()
            crush = json.loads(subprocess.run(['crushtool', '-i', f.name, '--dump'], capture_output=True, text=True, check=True).stdout)
        return {i['id']: i['weight'] for b in crush['buckets'] for i in b['items'] if i['id'] >= 0 and '~' not in b['name']}

    def has_bucket(self, name):
        return any(b['name'] == name for b in self.mon('osd crush dump')['buckets'])

    def health(self):
        return self.mon('health')['checks']

    def config_keys(self, prefix=''):
        return {k: v for k, v in self.mon('config-key dump').items() if k.startswith(prefix)}

    def snapshot(self):
        return snapshot.take(self)

    # --- waiting ---
    def pg_ids(self, dump=None):
        """All there are. A mgr that has just begun, or has not seen a new pool, knows fewer."""
        return ['%d.%x' % (p['pool'], i) for p in (dump or self.mon('osd dump'))['pools'] for i in range(p['pg_num'])]

    def unclean(self):
        """PGs that are not clean by their primaries' own word, now (the mgr's statistics lag by seconds)."""
        bad, dump = {}, self.mon('osd dump')
        epoch = dump['epoch']
        for pgid in self.pg_ids(dump):
            try:
                q = self.pg_query_once(pgid)
                old = q['epoch'] < epoch    # an idle OSD may not hear of a change that moves nothing for minutes
                if old:
                    now = self.mon('pg map', pgid=pgid)
                    old = (now['up'], now['acting']) != (q['up'], q['acting'])
                if not is_clean(q['state']) or old:
                    bad[pgid] = '%s at epoch %d of %d' % (q['state'], q['epoch'], epoch)
            except (CommandError, rados.Error) as e:
                bad[pgid] = str(e)
        return bad

    def told_clean(self):
        stats, ids = {p['pgid']: p for p in self.pgs()}, self.pg_ids()
        return set(stats) == set(ids) and all(
            is_clean(p['state']) and p['up'] == p['acting'] == self.mon('pg map', pgid=i)['up'] for i, p in stats.items())

    def wait_clean(self, timeout=240):
        """Every PG clean: first at its primary, then in the mgr's statistics, and nothing remapped in the map."""
        wait_for('every PG is clean at its primary', lambda: not self.unclean(), timeout, 0.2)
        wait_for('no pg_temp is left', lambda: not self.mon('osd dump')['pg_temp'], timeout)
        try:
            wait_for('the statistics say so too, of the map as it is now', self.told_clean, 60, 0.2)
        except Timeout:
            self.begin_statistics_anew()
            wait_for('the statistics say so too, begun anew', self.told_clean, timeout, 0.2)

    def begin_statistics_anew(self):
        """As an administrator does where the mgr keeps to the report of a PG's former primary that came last: what the new one
        reported before, at an older epoch, is not taken, and without a change of the map it reports nothing else."""
        self.mon('mgr fail', who=self.mon('mgr dump')['active_name'])

    def flush_stats(self):
        """Until the mgr's statistics hold what the OSDs know now: each says which report that is."""
        told = {i: self.tell(i, 'flush_pg_stats') for i, o in self.osds().items() if o['up']}

        def heard():
            seqs = {o['osd']: o['seq'] for o in self.mgr('pg dump', dumpcontents=['osds'])['osd_stats']}
            return all(seqs.get(i, 0) >= seq for i, seq in told.items())
        wait_for('the statistics hold the newest reports', heard)

    def wait_healthy(self, timeout=120):
        wait_for('health is OK', lambda: self.mon('health')['status'] == 'HEALTH_OK', timeout, 0.2)

    # --- daemons ---
    def rig(self, function, *args, check=True):
        env = clean_env(CN_CEPH=str(self.dir), CN_OWNER=str(os.getpid()))
        done = subprocess.run([str(RIG / 'lib.sh'), function, *map(str, args)], env=env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError('%s %s: %s' % (function, args, done.stderr))
        return done.stdout.strip()

    def kill(self, daemon, signal='KILL'):
        self.rig('cn_kill', daemon, signal)

    def stop(self, daemon):   # as in SIGSTOP: it is there and does not answer
        self.kill(daemon, 'STOP')

    def cont(self, daemon):
        self.kill(daemon, 'CONT')

    def running(self, daemon):
        pid = self.rig('cn_pid', daemon, check=False)
        if not pid:
            return False
        try:
            return pathlib.Path('/proc/%s/stat' % pid).read_text().rsplit(')', 1)[1].split()[0] != 'Z' and \
                str(self.dir) in pathlib.Path('/proc/%s/cmdline' % pid).read_text()
        except OSError:
            return False

    def start_osd(self, osd_id, wait=True):
        wait_for('the old process of osd.%d has ended' % osd_id, lambda: not self.running('osd.%d' % osd_id))
        self.rig('cn_osd_start', osd_id)
        if wait:
            wait_for('osd.%d is up' % osd_id, lambda: self.is_up(osd_id))

    # --- hosts ---
    def address(self, host):
        return '%s%d' % (self.net, host)

    def name(self, host):
        return self.names[host - 1]

    def ids(self, host):
        """The ids that the rig gives to host number `host` (from 1)."""
        return list(range((host - 1) * self.per_host, host * self.per_host))

    def key_of(self, entity):
        text = (self.dir / 'keyring').read_text()
        found = re.search(r'\[%s\]\s+key = (\S+)' % re.escape(entity), text)
        return found and found.group(1)

    def add_osds(self, ids, bucket, address, hostname=None, weight=1.0, start=True):
        """New OSDs (new uuids) under the CRUSH host `bucket`; ids may have been used before."""
        if not self.has_bucket(bucket):
            self.mon('osd crush add-bucket', name=bucket, type='host')
            self.mon('osd crush move', name=bucket, args=['root=default'])
        mkfs = []
        for i in ids:
            self.rig('cn_kill', 'osd.%d' % i, 'KILL', check=False)   # one that was purged may not have noticed yet
            wait_for('the old osd.%d has ended' % i, lambda i=i: not self.running('osd.%d' % i))
            fresh = str(uuid.uuid4())
            self.rig('cn_osd_place', i, address, hostname or bucket)
            key = self.key_of('osd.%d' % i)
            if not key:
                key = self.mon('auth get-or-create', entity='osd.%d' % i, caps=['mon', 'allow profile osd', 'mgr', 'allow profile osd',
                                                                               'osd', 'allow *'])[0]['key']
                with open(self.dir / 'keyring', 'a') as f:
                    f.write('[osd.%d]\n\tkey = %s\n' % (i, key))
            mkfs.append((i, fresh, key, subprocess.Popen(
                [str(RIG / 'lib.sh'), 'cn_osd_mkfs', str(i), fresh], env=clean_env(CN_CEPH=str(self.dir)), stdin=subprocess.DEVNULL)))
        for i, fresh, key, process in mkfs:
            if process.wait():
                raise RuntimeError('mkfs of osd.%d failed' % i)
            self.mon('osd new', json.dumps({'cephx_secret': key}).encode(), uuid=fresh, id=i)
            self.mon('osd crush add', id=i, weight=weight, args=['host=' + bucket])
            if start:
                self.start_osd(i, wait=False)
        if start:
            self.wait_booted(ids)

    def wait_booted(self, ids):
        """A new OSD reads the maps of the past, 40 at a time. When such a lot ends with one that says `stopped by admin`, which was
        about its predecessor, it ends; started again it reads on. Elsewhere systemd does that."""
        def booted():
            there = self.osds()
            for i in ids:
                if not there[i]['up'] and not self.running('osd.%d' % i):
                    self.rig('cn_osd_start', i)
            return all(there[i]['up'] for i in ids)
        wait_for('%s are up' % ids, booted, 60, 0.2)

    def forget_osd(self, osd_id):
        """Whatever is left of an OSD, by hand."""
        self.rig('cn_kill', 'osd.%d' % osd_id, 'KILL', check=False)
        if self.osd(osd_id):
            wait_for('osd.%d is not running' % osd_id, lambda: not self.running('osd.%d' % osd_id))
            self.mon_raw('osd down', ids=[str(osd_id)])
            wait_for('osd.%d is down' % osd_id, lambda: not self.is_up(osd_id))
            self.mon('osd purge-actual', id=osd_id, yes_i_really_mean_it=True)
        for args in (('auth del', dict(entity='osd.%d' % osd_id)), ('osd crush rm', dict(name='osd.%d' % osd_id))):
            self.mon_raw(args[0], **args[1])

    def restore_host(self, host):
        """A drained host comes back with fresh OSDs on its old ids, as a reinstalled machine would."""
        self.add_osds([i for i in self.ids(host) if not self.osd(i)], self.name(host), self.address(host))

    def make_whole(self):
        """Whatever a test left: all daemons run, all hosts are there, weights 1, flags off, no journal; every PG clean."""
        ended = []
        for daemon in self.daemons():
            if self.running(daemon):
                self.rig('cn_kill', daemon, 'CONT', check=False)     # one that was told to stop may end just now
            if self.running(daemon):
                continue
            if daemon[:4] in ('mon.', 'mgr.'):
                self.rig('cn_%s_start' % daemon[:3], daemon[4:])
            else:
                ended.append(daemon)
        mons = {d[4:] for d in self.daemons() if d.startswith('mon.')}
        wait_for('every mon is in the quorum', lambda: set(self.mon('quorum_status')['quorum_names']) == mons)
        wait_for('a mgr is active', lambda: self.mon('mgr stat')['available'])
        for key in self.config_keys('cephnode/drain/'):
            self.mon('config-key rm', key=key)
        for flag in self.flags() & {'norecover', 'nobackfill', 'norebalance', 'noout', 'noin', 'noup', 'nodown', 'noscrub', 'nodeep-scrub', 'pause'}:
            self.mon('osd unset', key=flag)
        dead = [str(i) for i, o in self.osds().items() if o['up'] and 'osd.%d' % i in ended]
        if dead:      # nobody has missed them yet
            self.mon('osd down', ids=dead)
        there = self.osds()
        for host in range(1, self.hosts + 1):
            for i in self.ids(host):
                place = self.dir / 'place' / ('osd.%d' % i)
                if i in there and there[i]['up'] and place.read_text().split() != [self.address(host), self.name(host)]:
                    self.wait_clean()              # it may hold data that is not elsewhere yet
                    self.forget_osd(i)
                elif i in there and there[i]['up']:
                    if self.crush_weight(i) != 0x10000 or not self.in_host(i, self.name(host)):
                        self.mon('osd crush set', id=i, weight=1.0, args=['root=default', 'host=' + self.name(host)])
                    if there[i]['weight'] != 1:
                        self.mon('osd in', ids=[str(i)])
                        self.mon('osd reweight', id=i, weight=1.0)
                else:
                    self.forget_osd(i)
            self.restore_host(host)
        for kind, prefix in (('pg_upmap_items', 'osd rm-pg-upmap-items'), ('pg_upmap', 'osd rm-pg-upmap')):
            for p in self.mon('osd dump')[kind]:
                self.mon(prefix, pgid=p['pgid'])
        wait_for('no pool splits or merges', lambda: all(
            p['pg_num'] == p['pg_num_target'] and p['pg_placement_num'] == p['pg_placement_num_target'] for p in self.mon('osd dump')['pools']), 240)
        self.wait_clean()
        wait_for('nothing is said of what has passed', lambda: not {'MON_DOWN', 'MGR_DOWN'} & set(self.health()))

    def add_rule(self, text):
        """One that no command makes."""
        old, new = self.dir / 'crush.old', self.dir / 'crush.new'
        code, data, error = self.rados.mon_command(as_command('osd getcrushmap', {}), b'', 60)
        if code:
            raise CommandError('osd getcrushmap', code, error)
        old.write_bytes(data)
        whole = subprocess.run(['crushtool', '-d', str(old)], capture_output=True, text=True, check=True).stdout
        (self.dir / 'crush.txt').write_text(whole + text)
        subprocess.run(['crushtool', '-c', str(self.dir / 'crush.txt'), '-o', str(new)], check=True)
        self.mon('osd setcrushmap', new.read_bytes())

    def in_host(self, osd_id, bucket):
        return any(b['name'] == bucket and any(i['id'] == osd_id for i in b['items'])
                   for b in self.mon('osd crush dump')['buckets'])

    def daemons(self):
        return [line.split()[0] for line in (self.dir / 'pids').read_text().splitlines()]

    def documented_key(self, entity):
        """Makes the key by the very command that cephnode(1) has under CAPS. Returns the options to use it."""
        page, keyring = (ROOT / 'docs' / 'cephnode.1.rst').read_text(), self.dir / (entity + '.keyring')
        command = re.search(r'^    (ceph auth get-or-create %s\s(?:.*\n)+?)\n' % re.escape(entity), page, re.M).group(1)
        done = subprocess.run(['bash', '-c', command], env=clean_env(CEPH_CONF=self.conf), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError('%s: %s' % (command, done.stderr))
        keyring.write_text(done.stdout)
        return ['-n', entity, '-k', str(keyring)]

    # --- data ---
    def break_object(self, pool, name, osd_id):
        """Makes one replica differ (on this OSD only), so that a deep scrub finds its PG inconsistent."""
        self.tell(osd_id, 'truncobj', pool=pool, objname=name, len=1)

    def save_logs(self, to):
        for f in sorted((self.dir / 'log').glob('*')):
            data = f.read_bytes()[-200000:]
            if data:
                (pathlib.Path(to) / ('ceph-' + f.name)).write_bytes(data)
        shutil.copy(self.conf, to)
