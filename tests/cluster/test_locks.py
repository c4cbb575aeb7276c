# SPDX-License-Identifier: LGPL-2.1-or-later
"""locks list and locks break: what lives is not harmed, what sleeps writes nothing when it wakes."""
import os
import random
import re
import signal
import subprocess

from cnlib.case import CAMPAIGN, QUICK, ClusterCase, seed, unittest, wait_for
from cnlib.rbd import BLOCKS, Client, create, rbd

TIMEOUT = 300
STEPS = ['select', 'classify', 'fence', 'verify-fence', 'barrier', 'break', 'verify']
MONTH = 30 * 86400
FULL = {'mon': 'profile rbd-read-only', 'osd': 'profile rbd-read-only, allow rwx object_prefix rbd_header.'}
CAPS = "mon 'profile rbd-read-only' osd 'profile rbd-read-only, allow rwx object_prefix rbd_header.'"
OTHER_HOST, THIRD_HOST = '127.0.0.77', '127.0.0.78'


class Case(ClusterCase):
    SHAPE = dict(QUICK, HOSTS=3, OSDS=1, PG_REP=16, PG_EC=0, PG_RBD=16)
    DATA = {}

    @classmethod
    def prepare(cls):
        cls.cluster.mon('config set', who='osd', name='osd_client_watch_timeout', value='5')

    def image(self, *args, ns=''):
        Case.count = getattr(Case, 'count', 0) + 1
        name = 'image%d' % Case.count
        create(self.cluster, 'rbd/%s%s' % (ns and ns + '/', name), *args)
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
            wait_for('nobody watches %s' % i, lambda i=i: self.state(i) in ('unwatched', 'fenced'), 40, 0.3)

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
        fences, run = self.fences(), self.break_(*args, code=4, outcome='refused', **more)
        self.assertEqual(self.fences(), fences)
        self.assertIn(words, run.stderr)
        return run

    def fences(self):
        return self.cluster.mon('osd dump')['blocklist']

    def assert_owner_is_safe(self, image, old, **more):
        """Another client takes over and fills the image; the old one wakes, and not one byte of it changes."""
        new = self.writer(image, 'B', **more)
        old.signal(signal.SIGCONT)
        wait_for('the old owner is refused', lambda: old.looped()[1] == -108, 30)
        self.assertEqual(new.ask('read'), 'B=%d' % BLOCKS)
        new.kill()


class List(Case):
    def test_scopes_and_filters(self):
        rbd(self.cluster, 'namespace', 'create', 'rbd/ns1')
        plain, spaced = self.image(), self.image(ns='ns1')
        old = self.image('--image-feature', 'layering')
        trashed = self.image('--image-feature', 'layering')
        mixed = self.image()
        self.image()      # nobody has locked it
        a, b = self.writer(plain), self.writer(spaced, ns='ns1')
        rbd(self.cluster, 'lock', 'add', 'rbd/' + old, 'kubelet_lock_magic_worker-7')
        rbd(self.cluster, 'lock', 'add', 'rbd/' + mixed, 'by hand')
        rbd(self.cluster, 'lock', 'add', '--shared', 'tag', 'rbd/' + trashed, 'one')
        rbd(self.cluster, 'lock', 'add', '--shared', 'tag', 'rbd/' + trashed, 'two')
        rbd(self.cluster, 'trash', 'mv', 'rbd/' + trashed)

        run = self.assert_code(self.tool.run('locks', 'list', '--all', '-f', 'json'), 0)
        self.assertEqual((run.json['schema'], run.json['complete'], run.json['errors']), (1, True, []))
        locks = {(x['namespace'], x['image'], x['lock_id']): x for x in run.json['locks']}
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
            return {x['image'] for x in self.list(*args)}
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
        self.assertEqual(len(table.splitlines()), 7, table)
        self.assertRegex(table, r'rbd/ns1/%s +auto +alive +%s' % (spaced, b.name))

    def test_hostile_names(self):
        name, cookies = b'a\n\x1b[31m"\' \xff\xc3', [b'', b'auto', b' \x1b]0;x\x07"\'\\', b'\xff\xfe\xc3(', b'x' * 4000]
        for k, cookie in enumerate(cookies):
            create(self.cluster, b'rbd/' + name + b'%d' % k, '--image-feature', 'layering')
            c = self.client(name + b'%d' % k)
            self.assertEqual(c.ask('lock', cookie), '')
            c.kill()
        wait_for('nobody watches', lambda: all(x['state'] == 'unwatched' for x in self.list('--all', '--kind', 'advisory')), 30)
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


class Break(Case):
    def test_the_living(self):
        image, other = self.image(), self.image()
        a = self.looping(image)
        self.refused(image, words='alive')
        n = a.looped()[0]
        wait_for('it writes on', lambda: a.looped()[0] > n + 10)
        self.assertEqual(a.looped()[1], 0)
        self.assertEqual(self.state(image), 'alive')
        self.refused(image, '--locker', 'client.1', words='changed hands')
        self.refused(image, '--lock-id', 'auto 1', words='changed hands')
        run = self.break_(image, '--dry-run', '--force', outcome='none')
        self.assertEqual(run.steps(), ['select:begin', 'select:end', 'classify:begin', 'classify:end'])
        self.assertEqual(a.looped()[1], 0)
        self.break_(other, outcome='gone')
        self.break_('nosuch', code=3, outcome='failed')

        for answer in ('yes', 'image'):
            run = self.answer(answer, image, '--force')
            self.assert_code(run, 4)
            self.assertIn(a.address, run.stderr)
        self.assertEqual(a.looped()[1], 0)
        self.assertNotIn(a.address, self.fences())

        run = self.answer(image, image, '--force', '-f', 'json')
        fence, = run.result['fences']
        self.assertEqual((fence['address'], fence['added'], fence['lift']), (a.address, True, 'ceph osd blocklist rm ' + a.address))
        self.assertIn(a.address, self.fences())
        self.assertEqual((run.code, run.result['outcome']), (0, 'broken'), str(run))
        self.assert_owner_is_safe(image, a)

    def test_the_sleeping(self):
        """As often as it takes: stopped at some moment of its writing, it wakes when another owns the image."""
        pick = random.Random('locks %d' % seed())
        for _ in range(20 if CAMPAIGN else 2):
            image = self.image('--data-pool', 'rep')
            a = self.looping(image)
            n = pick.randrange(1, 60)
            wait_for('it is in the middle', lambda: a.looped()[0] > n, interval=0.01)
            a.signal(signal.SIGSTOP)
            self.break_(image, '--force')
            self.assert_owner_is_safe(image, a)
            a.kill()

    def test_the_dead(self):
        """All that lost their owners at one time, broken side by side: each is looked at for 10 s."""
        images = [self.image(), self.image('--data-pool', 'rep'), self.image(), self.image(), self.image(), self.image()]
        killed, slept, twice, short, longer, pair = images
        clients = {i: self.looping(i) for i in images}
        for i in images:
            clients[i].signal(signal.SIGSTOP if i in (slept, short) else signal.SIGKILL)
        self.cluster.mon('osd blocklist', blocklistop='add', addr=clients[longer].address, expire=3600.0)
        for i in images:
            wait_for('nobody watches %s' % i, lambda i=i: self.state(i) in ('unwatched', 'fenced'), 40, 0.3)
        locks, = self.list(longer)
        self.assertEqual(locks['state'], 'fenced')
        self.assertRegex(locks['fenced_until'], r'^20\d\d-\d\d-\d\dT')
        self.refused(longer, words='Ceph does not prolong')
        run = self.break_(longer, '--fence-for', '3600')      # long enough, and known: no looking around
        self.assertLess(run.seconds, 9)
        self.assertFalse(run.result['fences'][0]['added'])

        self.cluster.mon('osd blocklist', blocklistop='add', addr=clients[short].address, expire=8.0)
        runs = [self.start_break(i) for i in (killed, slept, short)]
        both = [self.start_break(twice) for _ in range(2)]
        for run in runs:
            self.broken(run.wait())
        for i in (killed, slept, short):
            until = self.fences()[clients[i].address]
            self.assertGreater(until, self.month_from_now(-60), i)
        outcomes = [run.wait().result['outcome'] for run in both]
        self.assertEqual(sorted(outcomes), ['broken', 'gone'])
        self.assertEqual([run.code for run in both], [0, 0])
        for i in (slept, short):
            self.assert_owner_is_safe(i, clients[i])
        self.writer(killed, 'B')

    def answer(self, text, *args):
        """Runs it on a terminal, and answers its question."""
        master, slave = os.openpty()
        try:
            run = self.tool.start('locks', 'break', *args, stdin=slave)
            wait_for('it asks', lambda: 'Type' in run.stderr, 30)
            os.write(master, text.encode() + b'\n')
            return run.wait()
        finally:
            os.close(master)
            os.close(slave)

    def month_from_now(self, seconds):
        out = subprocess.run(['date', '-u', '-d', '+%d seconds' % (MONTH + seconds), '+%Y-%m-%dT%H:%M:%S'], capture_output=True, text=True)
        return out.stdout.strip()

    def test_advisory(self):
        plain = ('--image-feature', 'layering')
        image, other, host = self.image(*plain), self.image(*plain), self.image(*plain)
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
            wait_for('nobody watches', lambda i=i: self.state(i) == 'unwatched', 40, 0.3)
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
        images = [self.image() for _ in range(3)]
        alive = self.image()
        first = self.looping(images[0], source=THIRD_HOST)
        others = [self.looping(i, source=THIRD_HOST) for i in images[1:]]
        w = self.looping(alive)
        for c in (first, *others):
            c.signal(signal.SIGSTOP)
        run = self.break_('--node', THIRD_HOST, '-p', 'rbd', '--force')
        self.assertEqual({x['image'] for x in run.result['locks']}, set(images))
        self.assertEqual({f['address'] for f in run.result['fences']}, {c.address for c in (first, *others)})
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
        image = self.image('--data-pool', 'rep')
        a = self.looping(image)
        self.assertEqual([x['state'] for x in self.list(image, *reader)], ['alive'])
        self.assertEqual([x['state'] for x in self.list('--all', *reader) if x['image'] == image], ['alive'])
        self.assertEqual([x['state'] for x in self.list('-p', 'rbd', *one_pool) if x['image'] == image], ['alive'])
        part = self.assert_code(self.tool.run('locks', 'list', '--all', '-f', 'json', *one_pool), 6)
        self.assertFalse(part.json['complete'])
        self.assertEqual({(e['pool'], e['errno']) for e in part.json['errors']} - {('device_health_metrics', 1)}, {('rep', 1)})
        self.refused(image, '--force', *reader, words='hint: ceph auth caps client.reader ' + CAPS)
        run = self.break_(image, '--force', *no_fence, code=1, outcome='failed')
        self.assertIn('hint: ceph auth caps client.nofence ' + CAPS, run.stderr)
        self.assertEqual((a.looped()[1], run.result['fences']), (0, []))
        self.break_(image, '--force', *full)
        self.assert_owner_is_safe(image, a)


if __name__ == '__main__':
    unittest.main()
