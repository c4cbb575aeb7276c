# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the cephnode binary; nothing that it does wrong goes unseen."""
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

from .util import CEPHNODE, STEPTRAP, Timeout, clean_env, die_with_parent, own_terminal, wait_for

STANDS_STILL = re.compile("nothing has moved for [0-9]+ s: the manager's statistics stand still")


class Run:
    """One run of the tool, under way or ended."""

    def __init__(self, tool, args, env, stdin, stdout, trap, pass_fds=()):
        tool.count += 1
        self.cluster, self.heeded = tool.cluster, False
        self.name = '%02d-%s' % (tool.count, re.sub(r'[^a-z0-9.]+', '-', ' '.join(args).lower()).strip('-')[:60])
        self.base = str(tool.dir / self.name)
        self.args, self.trap = [str(tool.binary)] + args, trap
        self.signals = {signal.SIGKILL} if trap and ':KILL' in trap else set()   # those that we (or the trap) sent
        self.lines, self.raw, self.changed = [], [], threading.Condition()
        self.ended, self.started, self.seconds, self.said = False, time.monotonic(), None, None     # said: when its last line came
        env = clean_env(ASAN_OPTIONS='verify_asan_link_order=0:detect_leaks=1:exitcode=99:log_path=%s.asan' % self.base,
                        UBSAN_OPTIONS='print_stacktrace=1:halt_on_error=1:exitcode=99:log_path=%s.ubsan' % self.base, **env)
        if trap:
            if not STEPTRAP.exists():
                raise RuntimeError('%s is not built' % STEPTRAP)
            env.update(LD_PRELOAD=str(STEPTRAP), STEPTRAP=trap)
        self.err_file = open(self.base + '.stderr', 'w+')
        terminal = isinstance(stdin, int) and stdin >= 0 and os.isatty(stdin)
        self.process = subprocess.Popen(self.args, env=env, stdin=stdin, stdout=stdout or subprocess.PIPE, stderr=self.err_file,
                                        preexec_fn=own_terminal if terminal else die_with_parent, pass_fds=pass_fds)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        with open(self.base + '.stdout', 'w') as log:
            for line in self.process.stdout or ():
                text = line.decode('utf-8', 'replace')
                log.write('%.3f %s' % (time.monotonic() - self.started, text))
                log.flush()
                with self.changed:
                    self.said = time.monotonic()
                    self.raw.append(text)
                    try:
                        self.lines.append(json.loads(text))
                    except ValueError:
                        pass
                    self.changed.notify_all()
        self.code = self.process.wait()
        with self.changed:
            self.seconds = time.monotonic() - self.started
            self.ended = True
            self.changed.notify_all()

    # --- while it runs ---
    def heed(self):
        """What its operator would do, once: a report that came late stays with the mgr until somebody does."""
        if not self.heeded and STANDS_STILL.search(self.stdout + self.stderr):
            self.heeded = True
            self.cluster.begin_statistics_anew()

    def wait_until(self, what, timeout):
        """Of self.changed, which is held; what it says meanwhile is heeded."""
        end = time.monotonic() + timeout
        while not self.changed.wait_for(what, min(5, max(end - time.monotonic(), 0))):
            if time.monotonic() >= end:
                return False
            self.heed()
        return True

    def wait_event(self, timeout=120, **fields):
        """Waits for a line with these fields, e.g. wait_event(step='wait', state='begin'); fails when the run ends before."""
        def match():
            return next((x for x in self.lines if all(x.get(k) == v for k, v in fields.items())), None)
        with self.changed:
            if not self.wait_until(lambda: match() or self.ended, timeout):
                raise Timeout('no %s within %g s from %s' % (fields, timeout, self))
            if not match():
                raise AssertionError('it ended (%s) without %s: %s' % (self.code, fields, self))
            return match()

    def wait_stopped(self, timeout=240):
        """Waits until the trap has stopped it (SIGSTOP)."""
        end, heed = time.monotonic() + timeout, time.monotonic() + 5
        while time.monotonic() < end and not self.ended:
            try:
                state = pathlib.Path('/proc/%d/stat' % self.process.pid).read_text().rsplit(')', 1)[1].split()[0]
            except OSError:
                state = 'Z'
            if state == 'T':
                return
            if state == 'Z':
                break
            if time.monotonic() > heed:
                self.heed()
                heed += 5
            time.sleep(0.02)
        if self.ended or state == 'Z':
            raise AssertionError('it ended before the trap %s sprang: %s' % (self.trap, self))
        raise Timeout('the trap %s did not spring: %s' % (self.trap, self))

    def send(self, sig):
        self.signals.add(sig)
        self.process.send_signal(sig)
        return time.monotonic()

    def cont(self):
        self.process.send_signal(signal.SIGCONT)

    def wait(self, timeout=360):
        """Waits for its end; fails on a signal that we did not send and on a sanitizer's report."""
        with self.changed:
            done = self.wait_until(lambda: self.ended, timeout)
        if not done:
            self.process.kill()
            self.reader.join(10)
            raise Timeout('still running after %g s: %s' % (timeout, self))
        self.reader.join()
        if self.code < 0 and -self.code not in self.signals:
            raise AssertionError('it died by signal %d: %s' % (-self.code, self))
        self.check_reports()
        return self

    def check_reports(self):
        reports = glob.glob(glob.escape(self.base) + '.*san.*')
        text = ''.join(open(r, errors='replace').read() for r in sorted(reports))
        if text:
            raise AssertionError('a sanitizer reported: %s\n%s' % (self, text[:6000]))

    # --- what it said ---
    @property
    def stdout(self):
        return ''.join(self.raw)

    @property
    def stderr(self):
        return open(self.base + '.stderr', errors='replace').read()

    @property
    def json(self):
        return json.loads(self.stdout)

    @property
    def result(self):
        last = self.lines[-1] if self.lines else {}
        return last if last.get('event') == 'result' else None

    def events(self, event=None, **fields):
        return [x for x in self.lines if (event is None or x.get('event') == event) and all(x.get(k) == v for k, v in fields.items())]

    def steps(self):
        return ['%s:%s' % (x['step'], x['state']) for x in self.events('step')]

    def __str__(self):
        return '`%s`%s exit %s\n--- stdout ---\n%s--- stderr ---\n%s' % (
            ' '.join(self.args), ' trap ' + self.trap if self.trap else '', getattr(self, 'code', '(running)'),
            ''.join(self.raw[-25:]), self.stderr[-3000:])


class Tool:
    def __init__(self, cluster, folder, binary=CEPHNODE, who=()):
        self.cluster, self.dir, self.binary, self.count, self.runs, self.who = cluster, pathlib.Path(folder), binary, 0, [], list(who)
        if not self.binary.exists():
            raise RuntimeError('%s is not built' % self.binary)

    def start(self, *args, conf=True, trap=None, env=None, stdin=subprocess.DEVNULL, stdout=None):
        """Starts it in the background: start('drain', 'node2', '-y', '-f', 'json', trap='wait:begin:STOP')"""
        args = (['-c', self.cluster.conf] + self.who if conf else []) + [str(a) for a in args]
        run = Run(self, args, env or {}, stdin, stdout, trap)
        self.runs.append(run)
        return run

    def run(self, *args, timeout=360, **more):
        return self.start(*args, **more).wait(timeout)

    def drain(self, node, *args, **more):
        return self.run('drain', node, '-y', '-f', 'json', *args, **more)

    def start_drain(self, node, *args, **more):
        return self.start('drain', node, '-y', '-f', 'json', *args, **more)

    def answer(self, typed, *args, asked=None):
        """Runs it on a terminal, and types this when it asks; asked(): to be done before."""
        master, slave = os.openpty()
        try:
            run = self.start(*args, stdin=slave)
            wait_for('it asks', lambda: 'Type ' in run.stderr or run.ended, 30)
            if asked:
                asked()
            os.write(master, typed.encode())
            return run.wait()
        finally:
            os.close(master)
            os.close(slave)

    def other_maptool(self, script):
        """An environment where osdmaptool is this shell script; in it, TOOL is the real one with its arguments."""
        folder = self.dir / ('bin%d' % self.count)
        folder.mkdir()
        (folder / 'osdmaptool').write_text('#!/bin/sh\n%s\n' % script.replace('TOOL', shutil.which('osdmaptool') + ' "$@"'))
        (folder / 'osdmaptool').chmod(0o755)
        return dict(PATH='%s:%s' % (folder, os.environ['PATH']))

    def cleanup(self):
        """Ends what a failed test left behind (also what is stopped), by its own pid."""
        for run in self.runs:
            if run.process.poll() is None:
                run.process.kill()
                run.process.wait()
