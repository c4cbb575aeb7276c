# SPDX-License-Identifier: LGPL-2.1-or-later
"""--keep and remove, --method out, --stop-with none, --timeout and --stall-timeout, status."""
import fcntl
import json
import os
import re
import select
import shlex
import struct
import subprocess
import termios

from cnlib.case import OURS, QUICK, ClusterCase, signal, snapshot, wait_for
from cnlib.rbd import Client, create
from cnlib.util import ROOT

TIMEOUT = 1200
CRONJOB = (ROOT / 'docs/kubernetes/cronjob-metrics.yaml').read_text()


class Keep(ClusterCase):
    KEY = 'client.cephnode'
    SHAPE = dict(HOSTS=5, OSDS=2, **QUICK)
    DATA = {'rep': (80, 65536), 'ec': (40, 65536)}

    def hold_the_move(self):
        """So that a drain waits until we let it."""
        for flag in ('norecover', 'nobackfill'):
            self.cluster.mon('osd set', key=flag)

    def let_it_move(self):
        for flag in ('norecover', 'nobackfill'):
            self.cluster.mon('osd unset', key=flag)

    def test_keep_then_remove(self):
        c = self.cluster
        create(c, 'rbd/kept')
        client = Client(c, 'kept', source='127.0.1.2')       # a storage node that is a client, too
        self.addCleanup(client.kill)
        client.ask('write', 'A')
        before, observer = c.snapshot(), self.observer()
        self.declined(before, 'drain', '127.0.1.2', '--keep')
        self.stopped_and_continued('drain', '127.0.1.2', '--keep')
        run = self.tool.answer('127.0.1.2\n', 'drain', '127.0.1.2', '--keep', '-f', 'json', asked=lambda: self.assert_same(before))
        self.assert_code(run, 0)
        self.assertEqual((run.result['outcome'], run.result['osds']), ('drained', [2, 3]))
        self.assertNotIn('stop:begin', run.steps())
        self.assertEqual(c.pgs_of([2, 3]), [])
        self.assertEqual((c.is_up(2), c.is_up(3), c.crush_weight(2), c.crush_weight(3)), (True, True, 0, 0))
        self.assertEqual([o['in'] for i, o in sorted(c.osds().items()) if i in (2, 3)], [1, 1])
        drain, = self.drains()
        self.assertEqual((drain['node'], drain['osds'], drain['pgs_left'], drain['last_error']), ('127.0.1.2', [2, 3], 0, None))
        self.assert_code(self.tool.run('remove', 'node4', '-y', '-f', 'json'), 3)
        kept = c.snapshot()
        text = self.assert_code(self.tool.run('plan', 'node2'), 0).stdout
        self.assertIn("'cephnode remove 127.0.1.2' removes its OSDs, 'cephnode cancel 127.0.1.2' gives them back", ' '.join(text.split()))
        self.declined(kept, 'remove', 'node2')
        run = self.tool.answer(' node2 \n', 'remove', 'node2', '-f', 'json', asked=lambda: self.assert_same(kept))
        self.assert_removed(run, 2)
        self.assertIn('clients on node2 still hold 1 lock of RBD images (rbd/kept), see: cephnode locks list --node 127.0.1.2', run.stderr)
        client.ask('close')
        self.assert_clean_report(observer, [2, 3])
        self.only_host_is_gone(before, 2)
        self.assert_data()
        self.assertEqual(self.drains(), [])
        self.assertIn('cephnode removed the OSDs of 127.0.1.2 at 2', self.assert_code(self.tool.run('plan', 'node2'), 3).stderr)

    def stopped_and_continued(self, *args):
        """Ctrl-Z and fg at the question: it is shown again, and a line that was begun before does not count."""
        master, slave = os.openpty()
        self.addCleanup(os.close, master)
        run = self.tool.start(*args, stdin=slave)
        os.close(slave)
        wait_for('it asks', lambda: 'Type ' in run.stderr or run.ended, 30)
        run.process.send_signal(signal.SIGSTOP)
        run.wait_stopped()
        run.cont()
        wait_for('it asks again', lambda: run.stderr.count('Type 127.0.1.2 to go on: ') == 2 or run.ended, 60)
        os.write(master, b'no\n')
        self.assert_code(run.wait(), 4)

    def watch_on_a_terminal(self):
        """Each frame is drawn over the whole of the one before, also where its lines wrap, and when they wrap otherwise by now."""
        master, slave = os.openpty()
        self.addCleanup(os.close, master)
        def resize(columns):
            fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack('HHHH', 24, columns, 0, 0))
        def rows(frame, columns):
            return sum(max(1, -(-len(line) // columns)) for line in frame.replace('\r\n', '\n').split('\n')[:-1])
        def frames():
            nonlocal out
            while select.select([master], [], [], 0)[0]:
                out += os.read(master, 65536).decode()
            return re.split('\x1b\\[([0-9]+)A\r\x1b\\[J', out)
        def drawn_over(columns):
            seen = frames()
            return len(seen) > 2 and int(seen[-2]) == rows(seen[-3], columns) > seen[-3].count('\n')     # some lines do wrap
        out = ''
        resize(40)
        run = self.tool.start('status', '--watch', '--color', 'never', stdout=slave, env=dict(TERM='xterm'))
        os.close(slave)
        for columns in 40, 25:
            resize(columns)
            wait_for('a frame is drawn over with %d columns' % columns, lambda: drawn_over(columns), 60)
        run.send(signal.SIGINT)
        self.assertEqual(run.wait(60).code, 130)

    def declined(self, before, *args):
        """On a terminal: another name, the end of input, Ctrl-C. Nothing is changed before the question, nor after it."""
        for typed, code, outcome in (('node3\n', 4, 'refused'), ('\x04', 4, 'refused'), ('\x03', 130, 'interrupted')):
            run = self.tool.answer(typed, *args, '-f', 'json', asked=lambda: self.assert_same(before))
            self.assert_code(run, code)
            self.assertEqual((run.result['outcome'], run.result['exit'], run.steps()), (outcome, code, []), str(run))
            if code == 4:
                self.assertIn('not confirmed, nothing was changed', run.stderr)
        self.assert_same(before)

    def test_remove_proves_it_again(self):
        """Kept OSDs, one of which has data again by another hand, are not removed."""
        c = self.cluster
        create(c, 'rbd/image')
        client = Client(c, 'image', source='127.0.1.2')      # a storage node that is a client, too
        self.addCleanup(client.kill)
        client.ask('write', 'A')
        run = self.assert_code(self.tool.drain('osd.2,osd.3', '--keep'), 0)
        self.assertIn('clients on osd.2 still hold 1 lock of RBD images (rbd/image), see: cephnode locks list --node 127.0.1.2', run.stderr)
        client.ask('close')
        c.mon('osd crush reweight', name='osd.2', weight=1.0)
        c.wait_clean()
        self.assertTrue(c.pgs_of([2]))
        run = self.tool.run('remove', 'osd.2,osd.3', '-y', '-f', 'json', '--timeout', '20')
        self.assertIn(run.code, (1, 4, 5), str(run))
        self.assertTrue(c.is_up(2) and c.is_up(3))
        self.assertEqual(c.crush_weight(2), 0x10000)
        self.assert_data()

    def test_keep_then_cancel(self):
        before = self.cluster.snapshot()
        self.assert_code(self.tool.drain('node2', '--keep'), 0)
        self.assertTrue(snapshot.diff(before, self.cluster.snapshot(), OURS))
        self.assert_code(self.tool.run('cancel', 'node2', '-f', 'json'), 0)
        self.assert_same(before, OURS)
        self.cluster.wait_clean()

    def test_method_out(self):
        c = self.cluster
        before, observer, loader = c.snapshot(), self.observer(), self.load()
        run = self.tool.drain('127.0.1.2', '--method', 'out')
        self.assert_removed(run, 2)
        self.assertEqual(run.events('plan')[0]['method'], 'out')
        self.assert_clean_report(observer, [2, 3])
        self.assert_load(loader)
        self.assert_data()
        self.only_host_is_gone(before, 2)

    def test_method_out_and_cancel(self):
        c = self.cluster
        c.mon('osd reweight', id=3, weight=0.7)
        c.wait_clean()
        before = c.snapshot()
        self.assert_code(self.tool.drain('node2', '--method', 'out', '--keep'), 0)
        self.assert_code(self.tool.run('cancel', 'node2', '-f', 'json'), 0)
        self.assert_same(before, OURS)
        c.wait_clean()

    def test_somebody_else_stops_the_daemons(self):
        c = self.cluster
        observer = self.observer(expected=[2, 3])
        run = self.tool.start_drain('node2', '--stop-with', 'none')
        run.wait_event(step='stop', state='begin')
        self.assertTrue(c.is_up(2) and c.is_up(3))
        wait_for('every PG is clean', lambda: not c.unclean(), 20)      # by their own word; the statistics may lag
        for i in (2, 3):
            c.kill('osd.%d' % i, 'TERM')
        self.assert_removed(run.wait(), 2)
        self.assert_clean_report(observer, [2, 3])
        self.assert_data()

    def test_a_stall_has_a_cause(self):
        c = self.cluster
        self.hold_the_move()
        run = self.assert_code(self.tool.drain('node2', '--accept', 'existing', '--stall-timeout', '3'), 5)
        self.assertEqual((run.result['outcome'], run.result['exit']), ('stalled', 5))
        self.assertIn('norecover', run.result['reason'] + run.stderr)
        drain, = self.drains()
        self.assertTrue(drain['last_error'])
        self.assertEqual((drain['running'], drain['eta_seconds']), (False, None))
        self.assertIn('go on: cephnode drain node2', self.assert_code(self.tool.run('status'), 0).stdout)
        lines = self.assert_code(self.tool.run('metrics'), 0).stdout.splitlines()
        self.assertLessEqual({'cephnode_drain_%s{drain="%s",drain_node="node2"} %d' % (name, drain['id'], value)
                              for name, value in (('running', 0), ('failed', 1))}, set(lines))
        hint = run.stderr.split('hint: ')[1].splitlines()[0]
        for command in re.findall(r'ceph osd unset \w+', hint):
            subprocess.run(command.split() + ['-c', c.conf], check=True, stdin=subprocess.DEVNULL, capture_output=True)
        self.assert_removed(self.tool.drain('node2'), 2)

    def test_a_time_limit(self):
        self.hold_the_move()
        run = self.assert_code(self.tool.drain('node2', '--accept', 'existing', '--timeout', '4'), 5)
        self.assertEqual(run.result['exit'], 5)
        self.assertLess(run.seconds, 20)
        self.assertEqual(len(self.drains()), 1)
        self.let_it_move()
        self.assert_removed(self.tool.drain('node2'), 2)

    def metrics(self, *args):
        """Of the CronJob in docs/kubernetes: its command, and the key that it tells to make. {name: {labels: value}}"""
        folder = self.dir / 'textfile'
        folder.mkdir(exist_ok=True)
        words = re.search(r'args: \[(.*)\]', CRONJOB).group(1).replace('/textfile/', '%s/' % folder).split(', ')
        run = self.assert_code(self.tool.run('-c', self.cluster.conf, *words, *args, conf=False), 0)
        self.assertEqual([(p.name, p.stat().st_mode & 0o777) for p in folder.iterdir()], [('cephnode.prom', 0o644)])
        self.assertEqual(run.stdout, '')
        text, values, kinds = (folder / 'cephnode.prom').read_text(), {}, set()
        for line in text.splitlines():
            comment = re.fullmatch(r'# (HELP|TYPE) (cephnode_[a-z_]+) (.+)', line)
            if comment:
                self.assertTrue(comment.group(1) == 'HELP' or comment.group(3) == 'gauge', line)
                kinds.add(comment.group(1) + comment.group(2))
                continue
            name, labels, value = re.fullmatch(r'(cephnode_[a-z_]+)(?:\{((?:[a-z_]+="(?:[^"\\]|\\[\\"n])*",?)+)\})? (\d+)', line).groups()
            self.assertLessEqual({'HELP' + name, 'TYPE' + name}, kinds)
            values.setdefault(name.removeprefix('cephnode_'), {})[labels] = int(value)
        return values

    def check_metrics(self, drain):
        c, keyring = self.cluster, self.dir / 'metrics.keyring'
        words = shlex.split(re.search(r'auth get-or-create (client.cephnode-metrics.*?) -o ', CRONJOB, re.S).group(1).replace('#', ' '))
        for lacks in ('osd', None):
            caps = [w for i, w in enumerate(words[1:]) if words[1 + i // 2 * 2] != lacks]
            c.mon('auth rm', entity=words[0])
            keyring.write_text('[%s]\n\tkey = %s\n' % (words[0], c.mon('auth get-or-create', entity=words[0], caps=caps)[0]['key']))
            values = self.metrics('-k', keyring)
            self.assertEqual('drain_running' in values, lacks is None)
        self.addCleanup(c.mon, 'auth rm', entity=words[0])
        labels = 'drain="%s",drain_node="127.0.1.2"' % drain['id']
        self.assertEqual((values['up'], values['drains']), ({None: 1}, {None: 1}))
        self.assertEqual(values['drain_info'], {labels + ',phase="wait",owner="%s"' % drain['owner']['host']: 1})
        for name, value in (('running', 1), ('failed', 0), ('osds', 2)):
            self.assertEqual(values['drain_' + name], {labels: value}, name)
        self.assertTrue(0 < values['drain_remaining_bytes'][labels] <= values['drain_size_bytes'][labels], values)
        self.assertGreater(values['drain_pgs'][labels], 0)       # young PGs still count what they have to move
        self.assertTrue(0 <= values['drain_updated_timestamp_seconds'][labels] - values['drain_started_timestamp_seconds'][labels] < 600, values)

    def test_status_while_it_moves(self):
        c = self.cluster
        c.flush_stats()         # the drain's total is what the plan knew
        self.assertEqual(self.drains(), [])
        wait_for('the statistics know the data', lambda: sum(p['stat_sum']['num_objects'] for p in c.pgs()) >= sum(n for n, _ in self.DATA.values()))
        self.hold_the_move()
        run = self.tool.start_drain('127.0.1.2', '--accept', 'existing')
        run.wait_event(step='wait', state='begin')
        # what is counted stands still only when all have peered, and have told so
        wait_for('every PG has peered', lambda: all('active' in s and not s.startswith('active+clean at') for s in c.unclean().values()))
        c.flush_stats()
        self.assertGreater(self.drains()[0]['pgs_left'], 0)
        drain, = self.drains()
        self.assertEqual((drain['node'], drain['osds'], drain['owner']['pid'], drain['phase']), ('127.0.1.2', [2, 3], run.process.pid, 'wait'))
        self.assertIs(drain['running'], True)
        self.assertTrue(0 < drain['bytes_left'] <= drain['bytes_total'], drain)
        self.assertTrue(drain['id'] and drain['started'] and drain['updated'])
        parts = drain['osd_progress']
        self.assertEqual([p['id'] for p in parts], drain['osds'])
        self.assertTrue(all(0 <= p['bytes_left'] <= p['bytes_total'] and p['pgs_left'] > 0 for p in parts), parts)
        self.assertAlmostEqual(sum(p['bytes_left'] for p in parts), drain['bytes_left'], delta=4096)
        lines = self.assert_code(self.tool.run('status', '-v'), 0).stdout.splitlines()       # with a bar for each OSD
        for i in drain['osds']:
            self.assertTrue([x for x in lines if 'osd.%d' % i in x and '%' in x], lines)
        text = self.assert_code(self.tool.run('status'), 0).stdout
        self.assertIn('127.0.1.2', text)
        reader = c.documented_key('client.cephnode-read')
        one = self.assert_code(self.tool.run('-c', c.conf, *reader, 'status', 'node2', '-f', 'json', conf=False), 0).json['drains']
        self.assertEqual([d['id'] for d in one], [drain['id']])
        self.assert_code(self.tool.run('status', 'node4', '-f', 'json'), 3)
        # from any host: with a key and an address alone
        text = self.assert_code(self.tool.run('status', '-f', 'json', '-c', '/dev/null', '-k', str(c.dir / 'client.keyring'), '-m',
                                              c.rados.conf_get('mon_host'), conf=False), 0).stdout
        self.assertEqual([d['id'] for d in json.loads(text)['drains']], [drain['id']])
        self.check_metrics(drain)
        for args, field in ((['plan', 'node4', '--accept', 'existing'], 'forecast'), (['discover', 'node4'], 'nodes')):
            run2 = self.assert_code(self.tool.run('-c', c.conf, *reader, *args, '-f', 'json', conf=False), 0)
            self.assertTrue(run2.json[field].get('exact') if field == 'forecast' else run2.json[field], str(run2))
        self.watch_on_a_terminal()
        watch, interrupted = (self.tool.start('status', '--watch', '-f', 'json') for _ in range(2))
        wait_for('it shows more than once', lambda: interrupted.stdout.count('"schema"') >= 2)
        interrupted.process.send_signal(signal.SIGINT)
        wait_for('it shows more than once', lambda: len(watch.lines) >= 2 or watch.stdout.count('"schema"') >= 2)
        self.let_it_move()
        self.assert_removed(run.wait(), 2)
        watch.wait(30)                  # it ends when no drain is left
        self.assertEqual(interrupted.wait(60).code, 130)
        self.assertEqual(watch.code, 0)
        self.assertEqual(self.drains(), [])
        self.assertIn('\ncephnode_drains 0\n', self.assert_code(self.tool.run('metrics'), 0).stdout)
