# SPDX-License-Identifier: LGPL-2.1-or-later
"""locks list and locks break: what lives is not harmed, what sleeps writes nothing when it wakes."""
import itertools
import random
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from cnlib.case import CAMPAIGN, QUICK, ClusterCase, seed, unittest, wait_for
from cnlib.rbd import BLOCKS, LAYERING, USUAL, Client, create, rbd
from cnlib.util import STEPTRAP

TIMEOUT = 600
STEPS = ['select', 'classify', 'fence', 'verify-fence', 'barrier', 'break', 'verify']
MONTH = 30 * 86400
FULL = {'mon': 'profile rbd-read-only', 'osd': 'profile rbd-read-only, allow rwx object_prefix rbd_header.'}
CAPS = "mon 'profile rbd-read-only' osd 'profile rbd-read-only, allow rwx object_prefix rbd_header.'"
OTHER_HOST, THIRD_HOST, FOURTH_HOST = '127.0.0.77', '127.0.0.78', '127.0.0.79'


class Locks(ClusterCase):
    SHAPE = dict(QUICK, HOSTS=3, OSDS=1, PG_REP=16, PG_EC=0, PG_RBD=16)
    DATA = {}

    @classmethod
    def prepare(cls):
        # the clients here renew their watches every half second
        cls.cluster.mon('config set', who='osd', name='osd_client_watch_timeout', value='5')
        cls.maker, cls.count = Client(cls.cluster, ''), itertools.count(1)
        cls.addClassCleanup(cls.maker.kill)

    def image(self, features=USUAL, data_pool='-'):
        name = 'image%d' % next(self.count)
        self.assertEqual(self.maker.ask('create', str(features), data_pool, name), '')
        return name

    def client(self, image, **more):
        c = Client(self.cluster, image, **more)
        self.addCleanup(c.kill)
        return c

    def writer(self, image, char='A', **more):
        c = self.client(image, **more)
        self.assertEqual(c.ask('write', char), '')
        return c

    def looping(self, image, **more):
        c = self.client(image, **more)
        self.assertEqual(c.ask('loop', 'A'), '')
        wait_for('it has written', lambda: c.looped()[0] > 3)
        return c

    def list(self, *args, codes=(0,)):
        run = self.assert_code(self.tool.run('locks', 'list', '-f', 'json', *args), *codes)
        return run.json['locks']

    def state(self, image):
        locks = self.list(image)
        return locks[0]['state'] if locks else None

    def lose(self, client, sig, *images):
        """Kills it or puts it to sleep, until nobody watches its images."""
        client.signal(sig)
        if sig == signal.SIGKILL:
            client.process.wait()
        for i in images:
            self.wait_unwatched(i)

    def wait_unwatched(self, image):
        wait_for('nobody watches %s' % image, lambda: self.state(image) in ('unwatched', 'fenced'), 60, 0.3)

    def start_break(self, *args, **more):
        return self.tool.start('locks', 'break', '-f', 'json', *args, **more)

    def break_(self, *args, code=0, outcome='broken', **more):
        return self.broken(self.start_break(*args, **more).wait(), code, outcome)

    def broken(self, run, code=0, outcome='broken'):
        self.assert_code(run, code)
        self.assertEqual((run.result['outcome'], run.result['exit']), (outcome, code), str(run))
        if outcome == 'broken' and '--no-fence' not in run.args:
            self.assertEqual(run.steps(), ['%s:%s' % (s, e) for s in STEPS for e in ('begin', 'end')])
        return run

    def refused(self, *args, words='', **more):
        """And none of those that have to do with the lock is fenced; others may be, by a test beside this one."""
        before, run = self.fences(), self.break_(*args, code=4, outcome='refused', **more)
        there = [x['address'] for lock in run.result['locks'] for x in (lock, *lock.get('watchers', []))]
        self.assertEqual((set(self.fences()) - set(before)) & {*there, *(x.split(':')[0] + ':0/0' for x in there)}, set())
        self.assertIn(words, run.stderr)
        return run

    def fences(self):
        return self.cluster.mon('osd dump')['blocklist']

    def assert_owner_is_safe(self, image, old, **more):
        """Another client takes over and fills the image; the old one wakes, and not one byte of it changes."""
        new = self.writer(image, 'B', **more)
        old.signal(signal.SIGCONT)
        wait_for('the old owner is refused', lambda: old.looped()[1] == -108, 60)
        self.assertEqual(new.ask('read'), 'B=%d' % BLOCKS)
        new.kill()

    # --- list ---
    def test_scopes_and_filters(self):
        rbd(self.cluster, 'namespace', 'create', 'rbd/ns1')
        create(self.cluster, 'rbd/ns1/spaced')
        plain, spaced, mixed = self.image(), 'spaced', self.image()
        old, trashed, free = self.image(LAYERING), self.image(LAYERING), self.image()
        mine = {plain, spaced, mixed, old, trashed, free}      # other tests leave some of theirs
        a, b = self.writer(plain), self.writer(spaced, ns='ns1')
        rbd(self.cluster, 'lock', 'add', 'rbd/' + old, 'kubelet_lock_magic_worker-7')
        rbd(self.cluster, 'lock', 'add', 'rbd/' + mixed, 'by hand')
        rbd(self.cluster, 'lock', 'add', '--shared', 'tag', 'rbd/' + trashed, 'one')
        rbd(self.cluster, 'lock', 'add', '--shared', 'tag', 'rbd/' + trashed, 'two')
        rbd(self.cluster, 'trash', 'mv', 'rbd/' + trashed)

        run = self.assert_code(self.tool.run('locks', 'list', '--all', '-f', 'json'), 0)
        self.assertEqual((run.json['schema'], run.json['complete'], run.json['errors']), (1, True, []))
        locks = {(x['namespace'], x['image'], x['lock_id']): x for x in run.json['locks'] if x['image'] in mine}
        self.assertEqual(len(locks), 6)
        x, = [x for k, x in locks.items() if k[1] == plain]
        self.assertEqual((x['pool'], x['kind'], x['state'], x['exclusive'], x['tag'], x['locker'], x['address'], x['in_trash'], x['fenced_until']),
                         ('rbd', 'auto', 'alive', True, 'internal', a.name, a.address, False, None))
        w, = x['watchers']
        self.assertEqual((w['address'], w['client'], w['kernel']), (a.address, a.name, False))
        self.assertRegex(w['cookie'], r'^\d+$')
        x, = [x for k, x in locks.items() if k[0] == 'ns1']
        self.assertEqual((x['image'], x['locker']), (spaced, b.name))
        x = locks['', old, 'kubelet_lock_magic_worker-7']
        self.assertEqual((x['kind'], x['state'], x['node'], x['watchers']), ('advisory', 'unwatched', 'worker-7', []))
        self.assertEqual(locks['', mixed, 'by hand']['kind'], 'conflict')
        x = locks['', trashed, 'one']
        self.assertEqual((x['in_trash'], x['exclusive'], x['tag'], x['kind']), (True, False, 'tag', 'advisory'))

        def images(*args):
            return {x['image'] for x in self.list(*args)} & mine
        self.assertEqual(images('-p', 'rbd'), {plain, spaced, old, trashed, mixed})
        self.assertEqual(images('-p', 'rbd/ns1'), {spaced})
        self.assertEqual(images('-p', 'rep'), set())
        self.assertEqual(images('rbd/ns1/' + spaced), {spaced})
        self.assertEqual(images(plain), {plain})                         # of rbd_default_pool
        self.assertEqual(images(x['image_id']), {trashed})               # by id, in the trash
        self.assertEqual(images('rbd/' + locks['', old, 'kubelet_lock_magic_worker-7']['image_id']), {old})
        self.assertEqual(images('--all', '--kind', 'conflict'), {mixed})
        self.assertEqual(images('--all', '--state', 'alive'), {plain, spaced})
        self.assertEqual(images('--all', '--node', 'kube:worker-7'), {plain, spaced, old, trashed, mixed})   # all from 127.0.0.1
        self.assertEqual(images('--all', '--node', '127.0.0.1', '--state', 'alive'), {plain, spaced})
        self.assertEqual(images('--node', 'ip:127.0.0.2'), set())
        self.assertEqual(images('--node', 'worker-70'), set())
        for spec in ('nosuch', 'rbd/ns1/' + plain, 'rbd/none/' + plain, 'nopool/' + plain):
            self.assert_code(self.tool.run('locks', 'list', spec), 3)
        table = self.assert_code(self.tool.run('locks', 'list', '--all'), 0).stdout
        names = [re.match(r'rbd/(?:ns1/)?(\S+)', line) for line in table.splitlines()[1:]]
        self.assertEqual(sorted(m[1] for m in names if m[1] in mine), sorted([plain, spaced, mixed, old]), table)
        self.assertEqual(table.count(' (trash) '), 2, table)
        self.assertRegex(table, r'rbd/ns1/%s +auto +alive +%s' % (spaced, b.name))

    def test_one_image_is_listed_as_all_are(self):
        """Of which node an address is, only another image's lock tells."""
        images, ours, inner = [self.image(LAYERING) for _ in range(6)], lambda rows: [x for x in rows if x['image'] in images], 'alone'
        rbd(self.cluster, 'namespace', 'create', 'rbd/ns9')
        create(self.cluster, 'rbd/ns9/' + inner, '--image-feature', 'layering')
        for i, cookie in zip(images, ['kubelet_lock_magic_worker-9'] + ['by hand'] * 5):
            self.assertEqual(self.client(i, source=FOURTH_HOST).ask('lock', cookie), '')
        self.assertEqual(self.client(inner, ns='ns9', source=FOURTH_HOST).ask('lock', 'by hand'), '')
        every, one = ours(self.list('--all')), images[-1]
        self.assertEqual([(x['image'], x['node']) for x in every], [(i, 'worker-9') for i in sorted(images)])      # their ids are random
        self.assertEqual([(x['image'], x['node']) for x in self.list(one)], [(one, None)])      # the others are not waited for
        self.assertIn(' worker-9', self.assert_code(self.tool.run('locks', 'list', one, '--node', 'worker-9'), 0).stdout)
        for args, found in ((('--node', 'worker-9'), [one]), (('--node', 'worker-90'), [])):
            self.assertEqual([x['image'] for x in self.list(one, *args)], found)
        self.assertEqual([x['image'] for x in self.list('-p', 'rbd/ns9', '--node', 'worker-9')], [inner])
        run = self.refused('--node', 'worker-9', '-p', 'rbd/ns9', '--fence-host', words='alive')
        self.assertEqual([(x['image'], x['node']) for x in run.result['locks']], [(inner, 'worker-9')])

    def hostile_names(self):
        name, cookies = b'a\n\x1b[31m"\' \xff\xc3', [b'', b'auto', b' \x1b]0;x\x07"\'\\', b'\xff\xfe\xc3(', b'x' * 4000]
        for k, cookie in enumerate(cookies):
            create(self.cluster, b'rbd/' + name + b'%d' % k, '--image-feature', 'layering')
            c = self.client(name + b'%d' % k)
            self.assertEqual(c.ask('lock', cookie), '')
            c.kill()
        wait_for('nobody watches', lambda: all(
            x['state'] == 'unwatched' for x in self.list('--all', '--kind', 'advisory') if x['image'].startswith('a\n')), 60)
        table = self.assert_code(self.tool.run('locks', 'list', '--all', '-v'), 0)
        self.assertFalse(re.search(r'[\x00-\x09\x0b-\x1f\x7f]', table.stdout), table.stdout)
        self.assertEqual(len({line.split('  ')[0] for line in table.stdout.splitlines() if line.startswith('rbd/a')}), 5)
        locks = [x for x in self.list('-p', 'rbd') if x['image'].startswith('a\n')]
        self.assertEqual({(x['lock_id'], x['lock_id_base64']) for x in locks},
                         {('', None), ('auto', None), (' \x1b]0;x\x07"\'\\', None), ('\ufffd\ufffd\ufffd(', '//7DKA=='), ('x' * 4000, None)})
        self.assertEqual({x['kind'] for x in locks}, {'advisory'})
        runs = []
        for k, cookie in enumerate(cookies):     # side by side: each looks for 10 s
            args = [self.tool.binary, '-c', self.cluster.conf, 'locks', 'break', b'rbd/' + name + b'%d' % k, '--lock-id', cookie, '--no-fence',
                    '--node-is-powered-off']
            runs.append(subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        for p in runs:
            out, _ = p.communicate(timeout=120)
            self.assertEqual(p.returncode, 0, out)
            self.assertFalse(re.search(rb'[\x00-\x09\x0b-\x1f\x7f]', out), out)
        self.assertEqual([x for x in self.list('-p', 'rbd') if x['image'].startswith('a\n')], [])

    # --- break ---
    def test_the_living(self):
        image, other, third = self.image(), self.image(), self.image()
        a = self.looping(image)
        self.assertEqual(a.ask('also', third), '')
        self.refused(image, words='alive')
        n = a.looped()[0]
        wait_for('it writes on', lambda: a.looped()[0] > n + 10)
        self.assertEqual(a.looped()[1], 0)
        self.assertEqual(self.state(image), 'alive')
        self.refused(image, '--locker', 'client.1', words='changed hands')
        self.refused(image, '--lock-id', 'auto 1', words='changed hands')
        run = self.break_(image, '--dry-run', '--force', outcome='none')
        self.assertEqual(run.steps(), ['select:begin', 'select:end', 'classify:begin', 'classify:end'])
        known = [x for e in run.lines for x in e.get('locks', [])]      # by select, classify and the result
        self.assertEqual([(x['locker'], x.get('kind'), x.get('state')) for x in known], [(a.name, None, None)] + [(a.name, 'auto', 'alive')] * 2)
        self.assertEqual(a.looped()[1], 0)
        self.break_(other, outcome='gone')
        self.break_('nosuch', code=3, outcome='failed')

        for answer in ('yes', 'image'):
            run = self.answer(answer, image, '--force')
            self.assert_code(run, 4)
            self.assertIn(a.address, run.stderr)
            self.assertRegex(run.stderr, r'Hit as well, for they share the address:\n  lock .* on rbd/%s: alive' % third)
        self.assertEqual(a.looped()[1], 0)
        self.assertNotIn(a.address, self.fences())

        run = self.answer(image, image, '--force', '-f', 'json')
        fence, = run.result['fences']
        self.assertEqual((fence['address'], fence['added'], fence['lift']), (a.address, True, 'ceph osd blocklist rm ' + a.address))
        self.assertIn(a.address, self.fences())
        self.assertEqual((run.code, run.result['outcome']), (0, 'broken'), str(run))
        self.assertEqual(run.result['locks'][0]['same_address_locks'], 1)
        self.assertEqual(len(self.list(third)), 1)
        self.assert_owner_is_safe(image, a)

    def test_the_sleeping(self):
        """As often as it takes: stopped at some moment of its writing, it wakes when another owns the image."""
        pick = random.Random('locks %d' % seed())
        for k in range(20 if CAMPAIGN else 2):
            image = self.image(data_pool='rep')
            a = self.looping(image)
            n = pick.randrange(1, 60)
            wait_for('it is in the middle', lambda: a.looped()[0] > n, interval=0.01)
            a.signal(signal.SIGSTOP)
            if CAMPAIGN and k % 4 == 0:
                self.wait_unwatched(image)
                self.break_(image)
            else:
                self.break_(image, '--force')
            self.assert_owner_is_safe(image, a)
            a.kill()

    if CAMPAIGN:
        def test_the_sleeping_without_a_fence(self):
            """What all this is for, and proof that the test above can fail: the sleeper overwrites the new owner's data. First as `rbd lock rm`
            leaves it, which fences whoever ran `rbd lock add`; then where the lock is librbd's own, and broken without a fence."""
            for features in (LAYERING, USUAL):
                image = self.image(features)
                a = self.looping(image)
                a.signal(signal.SIGSTOP)
                if features == LAYERING:
                    rbd(self.cluster, 'lock', 'add', 'rbd/' + image, 'by hand')
                    lock, = self.list(image)
                    rbd(self.cluster, 'lock', 'rm', 'rbd/' + image, lock['lock_id'], lock['locker'])
                else:
                    self.wait_unwatched(image)
                    lock, = self.list(image)
                    subprocess.run(['rados', '-c', self.cluster.conf, '-p', 'rbd', 'lock', 'break', 'rbd_header.' + lock['image_id'], 'rbd_lock',
                                    lock['locker'], '--lock-cookie', lock['lock_id']], check=True)
                self.assertNotIn(a.address, self.fences())
                self.assertEqual(self.list(image), [])
                new = self.writer(image, 'B')
                self.assertEqual(new.ask('read'), 'B=%d' % BLOCKS)
                a.signal(signal.SIGCONT)
                wait_for("the new owner's data are overwritten", lambda: 'A=' in new.ask('read'), 30)
                for c in (a, new):
                    c.kill()

    def the_dead(self):
        images = [self.image(), self.image(data_pool='rep'), self.image(), self.image(), self.image()]
        killed, slept, twice, short, longer = images
        clients = {i: self.looping(i) for i in images}
        for i in images:
            clients[i].signal(signal.SIGSTOP if i in (slept, short) else signal.SIGKILL)
        self.cluster.mon('osd blocklist', blocklistop='add', addr=clients[longer].address, expire=3600.0)
        for i in images:
            self.wait_unwatched(i)
        locks, = self.list(longer)
        self.assertEqual(locks['state'], 'fenced')
        self.assertRegex(locks['fenced_until'], r'^20\d\d-\d\d-\d\dT')
        self.cluster.mon('osd blocklist', blocklistop='add', addr=clients[short].address, expire=8.0)
        a_month = self.month_from_now(-2)
        runs = [self.start_break(i) for i in (killed, slept, short)]
        refused = self.start_break(longer)
        both = [self.start_break(twice) for _ in range(2)]
        self.broken(refused.wait(), 4, 'refused')
        self.assertIn('Ceph does not prolong', refused.stderr)
        run = self.break_(longer, '--fence-for', '3600')      # long enough, and known: no looking around
        self.assertLess(run.seconds, 9)
        self.assertFalse(run.result['fences'][0]['added'])
        for run in runs:
            self.broken(run.wait())
        for i in (killed, slept, short):
            until = self.fences()[clients[i].address]
            self.assertGreater(until, a_month, i)
        outcomes = [run.wait().result['outcome'] for run in both]
        self.assertEqual(sorted(outcomes), ['broken', 'gone'])
        self.assertEqual([run.code for run in both], [0, 0])
        for i in (slept, short):
            self.assert_owner_is_safe(i, clients[i])
        began = time.monotonic()
        self.writer(killed, 'B')
        self.assertLess(time.monotonic() - began, 5)

    def several(self):
        """Two hold it together: which one is meant must be said, and the other keeps it."""
        image = self.image(LAYERING)
        names = []
        for cookie in ('one', 'two'):
            c = self.client(image)
            self.assertEqual(c.ask('shared', cookie), '')
            names.append(c.name)
            c.kill()
        self.refused(image, '--no-fence', '--node-is-powered-off', words='has 2 lockers')
        self.wait_unwatched(image)
        self.break_(image, '--locker', names[0], '--no-fence', '--node-is-powered-off')
        lock, = self.list(image)
        self.assertEqual((lock['locker'], lock['lock_id'], lock['exclusive']), (names[1], 'two', False))
        for which in (['--locker', names[0]], ['--lock-id', 'too']):  # gone or never there: the other one stands, and that is said
            e = self.break_(image, *which, outcome='gone').stderr
            self.assertIn("--locker %s --lock-id 'two'" % names[1], e)
        self.assertEqual(len(self.list(image)), 1)

    def test_the_unwatched(self):
        """All who wait until a watch is gone, and then look for ten seconds, do so at one time."""
        bodies = (self.the_dead, self.the_kubelet, self.several, self.hostile_names)
        with ThreadPoolExecutor(len(bodies)) as pool:
            for done in [pool.submit(b) for b in bodies]:
                done.result()

    def answer(self, text, *args):
        return self.tool.answer(text + '\n', 'locks', 'break', *args)

    def month_from_now(self, seconds):
        out = subprocess.run(['date', '-u', '-d', '+%d seconds' % (MONTH + seconds), '+%Y-%m-%dT%H:%M:%S'], capture_output=True, text=True)
        return out.stdout.strip()

    def the_kubelet(self):
        image, other, host = self.image(LAYERING), self.image(LAYERING), self.image(LAYERING)
        for i in (image, other):
            rbd(self.cluster, 'lock', 'add', 'rbd/' + i, 'kubelet_lock_magic_worker-7')
        holder = self.client(host, source=OTHER_HOST)
        self.assertEqual(holder.ask('lock', 'kubelet_lock_magic_worker-8'), '')
        holder.kill()
        a, b = self.looping(image), self.looping(host, source=OTHER_HOST)
        self.assertTrue(b.address.startswith(OTHER_HOST + ':'))
        lock, = self.list(image)
        self.assertEqual((lock['kind'], lock['state'], lock['watchers'][0]['address']), ('advisory', 'in-use', a.address))
        self.refused(image, words='in use')
        self.refused(image, '--fence-host', words='in use')
        self.refused(image, '--no-fence', '--node-is-powered-off', words='in use')
        self.refused(image, '--force', words='advisory')
        self.assertEqual(a.looped()[1], 0)

        for c in (a, b):
            c.signal(signal.SIGSTOP)
        for i in (image, host):
            self.wait_unwatched(i)
        runs = [self.start_break(*x) for x in ((image,), (image, '--fence-host'), (host, '--fence-host', *self.by('host', **dict(FULL, mon=FULL['mon'] + ', allow r'))),
                                               (other, '--no-fence', '--node-is-powered-off'))]
        for run, words in zip(runs, ('advisory', 'this very client')):
            self.broken(run.wait(), 4, 'refused')
            self.assertIn(words, run.stderr)
        run = self.broken(runs[2].wait())
        self.assertEqual(run.result['fences'][0]['address'], OTHER_HOST + ':0/0')
        self.broken(runs[3].wait())
        self.assertEqual(runs[3].steps(), ['%s:%s' % (s, e) for s in ('select', 'classify', 'break', 'verify') for e in ('begin', 'end')])
        self.assertEqual(len(self.list(image)), 1)
        self.assert_owner_is_safe(host, b)
        self.cluster.mon('osd blocklist', blocklistop='rm', addr=OTHER_HOST + ':0/0')

    def test_a_lost_node(self):
        images, second, alive = [self.image() for _ in range(3)], self.image(), self.image()
        first = self.looping(images[0], source=THIRD_HOST)
        others = [self.looping(i, source=THIRD_HOST) for i in images[1:]]
        self.assertEqual(first.ask('also', second), '')      # one client with two locks
        w = self.looping(alive)
        for c in (first, *others):
            c.signal(signal.SIGSTOP)
        e = self.break_('--node', THIRD_HOST, '--all', '--force', '--locker', 'client.1', outcome='gone').stderr
        self.assertIn('rbd/%s --locker %s --lock-id' % (second, first.name), e)
        run = self.break_('--node', THIRD_HOST, '-p', 'rbd', '--force')
        self.assertEqual({(x['image'], x['outcome']) for x in run.result['locks']}, {(i, 'broken') for i in (*images, second)})
        self.assertEqual(sorted(f['address'] for f in run.result['fences']), sorted(c.address for c in (first, *others)))      # one for each
        self.break_('--node', THIRD_HOST, '--all', outcome='gone')
        self.assertEqual(w.looped()[1], 0)
        for i, c in zip(images, (first, *others)):
            self.assert_owner_is_safe(i, c)
        self.break_('--node', 'node1', '--all', outcome='gone')

    def test_changed_hands_after_the_fence(self):
        image = self.image()
        a = self.looping(image)
        run = self.start_break(image, '--force', trap='barrier:end:STOP')
        run.wait_stopped()
        b = self.writer(image, 'B')      # librbd itself breaks the lock of a fenced owner
        run.cont()
        self.broken(run.wait(), 6, 'failed')
        self.assertIn('changed hands', run.stderr)
        self.assertEqual(run.result['fences'][0]['lift'], 'ceph osd blocklist rm ' + a.address)
        self.assertEqual([x['locker'] for x in self.list(image)], [b.name])
        self.assertEqual(b.ask('write', 'C'), '')

    def test_killed_between_any_two_steps(self):
        points = ['%s:%s' % (s, e) for s in STEPS for e in ('begin', 'end')]
        pick = random.Random('kill %d' % seed())
        for point in points if CAMPAIGN else sorted(pick.sample(points, 5), key=points.index):
            image = self.image()
            a = self.looping(image)
            run = self.start_break(image, '--force', trap=point + ':KILL').wait()
            self.assertEqual(run.code, -9, str(run))
            held = [x['locker'] for x in self.list(image)] == [a.name]
            self.assertTrue(held or a.address in self.fences(), point)
            self.break_(image, '--force', outcome='broken' if held else 'gone')
            if held:
                self.assertIn(a.address, self.fences())
            self.assert_owner_is_safe(image, a)
            a.kill()

    def by(self, name, **caps):
        """Options for a key with these caps."""
        keyring = self.dir / ('keyring.' + name)
        args = [x for kind, cap in caps.items() for x in (kind, cap)]
        key = self.cluster.mon('auth get-or-create', entity='client.' + name, caps=args)[0]['key']
        keyring.write_text('[client.%s]\n\tkey = %s\n' % (name, key))
        return '--id', name, '-k', str(keyring)

    def test_least_caps(self):
        reader = self.by('reader', mon='allow r', osd='allow r, allow class-read')
        one_pool = self.by('onepool', mon='allow r', osd='allow r pool=rbd, allow class-read pool=rbd')
        no_fence, full = self.by('nofence', **dict(FULL, mon='allow r')), self.by('full', **FULL)
        image = self.image(data_pool='rep')
        a = self.looping(image)
        self.assertEqual([x['state'] for x in self.list(image, *reader)], ['alive'])
        self.assertEqual([x['state'] for x in self.list('--all', *reader) if x['image'] == image], ['alive'])
        self.assertEqual([x['state'] for x in self.list('-p', 'rbd', *one_pool) if x['image'] == image], ['alive'])
        part = self.assert_code(self.tool.run('locks', 'list', '--all', '-f', 'json', *one_pool), 6)
        self.assertFalse(part.json['complete'])
        self.assertEqual({(e['pool'], e['errno']) for e in part.json['errors']} - {('device_health_metrics', 1)}, {('rep', 1)})
        part = self.assert_code(self.tool.run('locks', 'list', '-p', 'rbd', '--node', 'node1', '-f', 'json', *one_pool), 6)
        self.assertIs(part.json['complete'], False)     # a lock in the other pool might tell of one here whose it is
        self.assertIn(('rep', 1), {(e['pool'], e['errno']) for e in part.json['errors']})
        self.refused(image, '--force', *reader, words='hint: ceph auth caps client.reader ' + CAPS)
        run = self.break_(image, '--force', *no_fence, code=1, outcome='failed')
        self.assertIn('hint: ceph auth caps client.nofence ' + CAPS, run.stderr)
        self.assertEqual((a.looped()[1], run.result['fences']), (0, []))
        self.break_(image, '--force', *full)
        self.assert_owner_is_safe(image, a)


    def test_ourselves(self):
        image = self.image()
        a = self.looping(image)      # from the address that the tool has, too
        self.refused(image, '--fence-host', '--force', '--yes', words='the fence of 127.0.0.1:0/0 would hit this very client')
        for identity in (a.name[len('client.'):] + ' 127.0.0.1:0/1', '1 ' + a.address, '1 [v2:%s,v1:127.0.0.1:0/7]' % a.address):
            self.refused(image, '--force', '--yes', env={'LD_PRELOAD': str(STEPTRAP), 'STEPTRAP_CLIENT': identity}, words='it is this very client')
        self.assertEqual(a.looped()[1], 0)

    def test_journaling_and_mirrored(self):
        rbd(self.cluster, 'mirror', 'pool', 'enable', 'rbd', 'image')
        create(self.cluster, 'rbd/journaled', '--image-feature', 'layering,exclusive-lock,journaling', '--journal-pool', 'rep')
        both, snapshots = self.image(USUAL | 64), self.image()
        rbd(self.cluster, 'mirror', 'image', 'enable', 'rbd/' + both, 'journal')
        rbd(self.cluster, 'mirror', 'image', 'enable', 'rbd/' + snapshots, 'snapshot')
        clients = {i: self.looping(i) for i in ('journaled', both, snapshots)}
        locks = {i: self.list(i)[0] for i in clients}
        self.assertEqual({i: (x['kind'], x['state'], x['journaling'], x['mirrored']) for i, x in locks.items()},
                         {'journaled': ('auto', 'alive', True, False), both: ('auto', 'alive', True, True), snapshots: ('auto', 'alive', False, True)})
        table = self.assert_code(self.tool.run('locks', 'list', '-p', 'rbd'), 0).stdout
        for i, words in (('journaled', 'auto, journaling'), (both, 'auto, journaling, mirrored'), (snapshots, 'auto, mirrored')):
            self.assertRegex(table, r'rbd/%s +%s +alive' % (i, words))
            run = self.answer('no', i, '--force')
            self.assert_code(run, 4)
            self.assertRegex(run.stderr, r' on rbd/%s: alive, %s\n' % (i, words[len('auto, '):]))
        for i in ('journaled', snapshots):
            self.break_(i, '--force')
            self.assert_owner_is_safe(i, clients[i])

    def test_an_osd_that_does_not_answer(self):
        """It may not know of the fence yet, and would take a write: nothing is broken."""
        def primary(name):
            return self.cluster.mon('osd map', pool='rbd', object=name)['acting_primary']
        busy, osds = {primary(name) for name in ('rbd_directory', 'rbd_info', 'rbd_mirroring')}, set()
        while not osds:      # one that only the barrier asks
            image = self.image(data_pool='rep')
            a = self.looping(image)
            osds = {0, 1, 2} - busy - {primary('rbd_header.' + self.list(image)[0]['image_id'])}
        osd = min(osds)
        run = self.start_break(image, '--force', '--op-timeout', '3', trap='verify-fence:end:STOP')
        run.wait_stopped()
        self.cluster.stop('osd.%d' % osd)
        run.cont()
        try:
            self.broken(run.wait(), 5, 'failed')
        finally:
            self.cluster.cont('osd.%d' % osd)
        self.assertRegex(run.stderr, 'cannot make sure that every OSD of pool (rbd|rep) knows the fence: .*; nothing was broken')
        self.assertEqual([x['locker'] for x in self.list(image)], [a.name])
        run = self.assert_code(self.tool.run('locks', 'break', image, '--force'), 0)
        self.assertRegex(run.stdout, r"^rbd/%s: lock '.*' of %s: broken\n%s stays fenced until \S+; .*:\n    ceph osd blocklist rm %s\n$" % (
            image, a.name, a.address, a.address))
        self.assert_owner_is_safe(image, a)


if __name__ == '__main__':
    unittest.main()
