# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures what docs/benchmarks.md shows; run.sh builds and runs it. Nothing here is a test: noise must fail nobody's build."""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time
from statistics import median, quantiles

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / 'cluster'))
from cnlib import load                                            # noqa: E402
from cnlib.cluster import Cluster, is_clean                       # noqa: E402
from cnlib.util import CEPHNODE, clean_env, die_with_parent, wait_for      # noqa: E402

RELEASE = CEPHNODE.parent
HOST = 2
DATA = {'rep': (300, 262144), 'ec': (120, 262144), 'rbd': (60, 262144)}   # pool: objects, bytes each
SHAPE = dict(HOSTS=5, OSDS=2, OLD=1)    # as in a cluster with a past: PGs move by backfill
FULL = dict(SHAPE, PG_REP=512)          # 160 PGs an OSD, as operators aim for; else it is about 20
SLOW = dict(SHAPE, SPEED='slow', SLEEP=0.1)


def say(text):
    print('%s %s' % (time.strftime('%T'), text), file=sys.stderr, flush=True)


class cluster:
    """with cluster(SHAPE) as c: a fresh one, with data. Identical shapes are identical clusters, but for their uuids."""

    def __init__(self, shape, prepare=lambda c: None):
        self.shape, self.prepare = shape, prepare

    def __enter__(self):
        self.c = Cluster.start(**self.shape)
        self.prepare(self.c)
        for pool, (n, size) in DATA.items():
            load.write_data(self.c, pool, n, size)
        self.c.wait_clean()
        return self.c

    def __exit__(self, *exc):
        self.c.down()


def verify(c):
    bad = [b for pool, (n, size) in DATA.items() for b in load.verify_data(c, pool, n, size)]
    if bad:
        raise AssertionError('data were lost: %s' % bad)


# --- commands that end at once ---
def time_once(c, command):
    """(seconds of the wall clock, seconds of CPU)"""
    null = [(os.POSIX_SPAWN_OPEN, 1, '/dev/null', os.O_WRONLY, 0)]
    env, start = clean_env(CEPH_CONF=c.conf), time.monotonic()
    pid = os.posix_spawn(command[0], command, env, file_actions=null)
    _, status, usage = os.wait4(pid, 0)
    wall = time.monotonic() - start
    if status:
        raise RuntimeError('%s: status %d' % (command, status))
    return wall, usage.ru_utime + usage.ru_stime


def peak_kib(c, command):
    """Its largest resident set. Started by a process that is smaller: exec inherits the peak of what it replaces."""
    small = 'import os,sys;p=os.posix_spawn(sys.argv[1],sys.argv[1:],os.environ);print(os.wait4(p,0)[2].ru_maxrss,file=sys.stderr)'
    done = subprocess.run([sys.executable, '-ISc', small] + command, env=clean_env(CEPH_CONF=c.conf), stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True, check=True)
    return int(done.stderr)


def same_answer(c, tool, faq):
    """Both must tell the same, else their times do not compare."""
    env = clean_env(CEPH_CONF=c.conf)
    ours, theirs = (json.loads(subprocess.run(x, env=env, capture_output=True, check=True).stdout) for x in (tool + ['-f', 'json'], faq))
    ours = [{k: o[k] for k in theirs[0]} for o in ours['nodes'][0]['osds']]
    if ours != theirs:
        raise AssertionError('discover and the ceph command differ:\n%s\n%s' % (ours, theirs))


def discover(c, rounds):
    tool = [str(CEPHNODE), 'discover']
    commands = {
        'bare': [str(RELEASE / 'tests' / 'bench' / 'bench-bare')],
        'discover address': tool + [c.address(HOST)],
        'discover host': tool + [c.name(HOST)],
        'ceph and jq': [str(HERE / 'faq-discover.sh'), c.name(HOST)],
    }
    same_answer(c, commands['discover host'], commands['ceph and jq'])
    times, names = {name: [] for name in commands}, list(commands)
    for i in range(rounds + 1):             # each in turn, beginning with another one in each round
        for name in names[i % 4:] + names[:i % 4]:
            times[name].append(time_once(c, commands[name]))
    result = {}
    for name, both in times.items():
        wall, cpu = zip(*both[1:])          # the first round only warmed the caches
        result[name] = {'seconds': median(wall), 'quartiles': quantiles(wall, n=4), 'cpu_seconds': median(cpu), 'all': wall}
    result['peak_kib'] = max(peak_kib(c, commands['discover host']) for _ in range(5))
    return result


# --- a whole drain, watched ---
class Lines(threading.Thread):
    """The lines of a stream, each with the time when it came."""

    def __init__(self, stream):
        super().__init__(daemon=True)
        self.stream, self.lines = stream, []
        self.start()

    def run(self):
        for line in self.stream:
            self.lines.append((time.monotonic(), line))


def high_water_kib(pid):
    try:
        return int(re.search(r'VmHWM:\s+(\d+)', pathlib.Path('/proc/%d/status' % pid).read_text()).group(1))
    except (OSError, AttributeError):       # it has just ended
        return 0


def children(pid):
    try:
        return [int(p) for p in pathlib.Path('/proc/%d/task/%d/children' % (pid, pid)).read_text().split()]
    except OSError:
        return []


def drain(c, host, ids):
    """One drain of a host, with the manager's statistics sampled 20 times a second beside it."""
    osds = set(ids)

    def pgs():
        return c.mgr('pg dump', dumpcontents=['pgs_brief'])['pg_stats']

    def holds(p):
        return bool(osds & set(p['up'] + p['acting']))
    held = {p['pgid'] for p in pgs() if holds(p)}
    process = subprocess.Popen([str(CEPHNODE), '-c', c.conf, '-v', '-f', 'json', 'drain', '-y', host], text=True, bufsize=1,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_env(),
                               preexec_fn=die_with_parent)
    start, out, err = time.monotonic(), Lines(process.stdout), Lines(process.stderr)
    clear, peak, samples, guard = [], 0, 0, {}
    while process.poll() is None:
        began = time.monotonic()
        clear.append((began, not any(holds(p) or p['pgid'] in held and not is_clean(p['state']) for p in pgs())))
        peak = max(peak, high_water_kib(process.pid))
        for child in children(process.pid):
            guard[child] = max(guard.get(child, 0), high_water_kib(child))
        time.sleep(max(0, began + 0.05 - time.monotonic()))
    wall = time.monotonic() - start
    out.join()
    err.join()
    steps = {}
    for at, line in out.lines:
        event = json.loads(line)
        if event['event'] == 'step':
            steps.setdefault((event['step'], event['state']), at)
    if process.returncode:
        raise RuntimeError('drain ended with %d: %s' % (process.returncode, ''.join(x for _, x in out.lines[-3:] + err.lines[-3:])))
    begin, end = steps['wait', 'begin'], steps['wait', 'end']
    # The samples between the last one that still showed work and the tool's word: the first of them is the cluster's report. All
    # was over before the tool began to wait, now and then: then there is no delay to measure.
    busy = max((at for at, is_clear in clear if at < end and not is_clear), default=begin)
    report = min((at for at, is_clear in clear if busy < at < end), default=end)
    commands = {kind: sum(begin < at < end and line.startswith('debug: %s ' % kind) for at, line in err.lines) for kind in ('mon', 'mgr')}
    result = {'seconds': wall, 'wait_seconds': end - begin, 'delay_seconds': end - report if busy > begin else None, 'peak_kib': peak,
              'guard_peak_kib': max(guard.values(), default=0), 'samples_per_second': len(clear) / wall,
              'mon_commands_per_second': commands['mon'] / (end - begin), 'mgr_commands_per_second': commands['mgr'] / (end - begin)}
    say('  drained: %s' % ', '.join('%s %s' % (k, '-' if v is None else '%.4g' % v) for k, v in result.items()))
    return result


def faq_drain(c, host, ids):
    start = time.monotonic()
    subprocess.run([str(HERE / 'faq-drain.sh'), host] + ['%d' % i for i in ids], env=clean_env(CEPH_CONF=c.conf),
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent, check=True)
    return time.monotonic() - start


# --- what is told of it ---
def machine():
    memory = int(re.search(r'MemTotal:\s+(\d+)', pathlib.Path('/proc/meminfo').read_text()).group(1))
    version = subprocess.run(['ceph', '--version'], capture_output=True, text=True).stdout.split()[2]
    return {'cores': len(os.sched_getaffinity(0)), 'memory_gib': round(memory / 2**20), 'ceph': version, 'load': os.getloadavg()[0]}


def table(r):
    d, drains = r['discover'], r['drains'] + [r['slow_drain']]
    bare, faq = d['bare']['seconds'], d['ceph and jq']['seconds']

    def row(what, measured, goal, value=None, limit=None):
        rows.append([what, measured, goal, '' if limit is None else 'met' if value <= limit else 'missed'])

    def against(name, other, other_name, goal):
        mine = d[name]['seconds']
        row('`discover` by %s : %s' % (name.split()[1], other_name), '**%.2f** (%.1f ms : %.1f ms)' % (mine / other, mine * 1e3, other * 1e3),
            'at most %g' % goal, mine / other, goal)
    rows = []
    against('discover address', bare, 'a bare librados program', 1.3)
    against('discover host', bare, 'a bare librados program', 1.3)
    against('discover host', faq, '`ceph` and `jq`', 0.1)
    full, full_bare = (r['discover_full'][x]['seconds'] for x in ('discover address', 'bare'))
    row('the same with 160 PGs an OSD: `discover` by address : bare', '**%.2f** (%.1f ms : %.1f ms)' % (full / full_bare, full * 1e3, full_bare * 1e3), 'none')
    delays = [x['delay_seconds'] for x in drains if x['delay_seconds'] is not None]
    row('last PG has left, says the manager, to the end of `wait`', '**%.2f s** (%d drains, longest %.2f s)' % (median(delays), len(delays), max(delays)),
        'about 1 s', median(delays), 1.1)
    peak, guard = max(x['peak_kib'] for x in drains) / 1024, max(x['guard_peak_kib'] for x in drains) / 1024
    row('peak memory of a whole drain', '**%.1f MiB** (its guard process: %.1f MiB)' % (peak, guard), 'below 40 MiB', peak, 40)
    row('peak memory of `discover`', '**%.1f MiB**' % (d['peak_kib'] / 1024), 'below 40 MiB', d['peak_kib'] / 1024, 40)
    mon, mgr = (r['slow_drain'][k + '_commands_per_second'] for k in ('mon', 'mgr'))
    row('mon commands a second in `wait`', '**%.1f** (over %.0f s; beside them %.1f of the manager)' % (mon, r['slow_drain']['wait_seconds'], mgr),
        'at most 2', mon, 2)
    mine, theirs = r['slow_drain']['seconds'], r['faq_drain_seconds']
    row('a whole `drain` : the same by hand', '**%.2f** (%.0f s : %.0f s)' % (mine / theirs, mine, theirs), 'none')
    m = r['machine']
    lines = ['%d cores, %d GiB, Ceph %s, 10 OSDs on 5 hosts; %d rounds%s; load of the machine %.1f before, %.1f after' % (
        m['cores'], m['memory_gib'], m['ceph'], r['rounds'], ' (--quick)' if r['quick'] else '', m['load'], r['load_after']), '',
        '| what | measured | goal | |', '|---|---|---|---|']
    return '\n'.join(lines + ['| %s |' % ' | '.join(x) for x in rows])


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--quick', action='store_true', help='fewer rounds, one drain of each kind')
    quick = p.parse_args().quick
    rounds, n_drains = (12, 1) if quick else (60, 6)
    r = {'quick': quick, 'rounds': rounds, 'machine': machine(), 'drains': []}
    say('a cluster that recovers fast')
    with cluster(SHAPE) as c:
        say('  discover, %d rounds' % rounds)
        r['discover'] = discover(c, rounds)
        for i in range(n_drains):
            if i:
                c.make_whole()
            r['drains'].append(drain(c, c.name(HOST), c.ids(HOST)))
            verify(c)
    say('a cluster with more PGs')
    with cluster(FULL) as c:
        r['discover_full'] = discover(c, rounds)
    say('a cluster that recovers slowly')
    with cluster(SLOW) as c:
        r['slow_drain'] = drain(c, c.name(HOST), c.ids(HOST))
        verify(c)
    say('the same again, by hand')
    with cluster(SLOW) as c:
        r['faq_drain_seconds'] = faq_drain(c, c.name(HOST), c.ids(HOST))
        verify(c)
    r['load_after'] = os.getloadavg()[0]
    to = RELEASE / 'bench' / 'results.json'
    to.parent.mkdir(exist_ok=True)
    to.write_text(json.dumps(r, indent=1) + '\n')
    print(table(r))


if __name__ == '__main__':
    main()
