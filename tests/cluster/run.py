#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs the tests on real clusters: each file in a process of its own, at most three at a time: they mostly wait.

  tests/cluster/run.py [-j N] [FILE[:PATTERN]...]      e.g. run.py test_drain.py test_cancel.py:*wait*
The last line is `N passed, N failed, N skipped`. Logs of what failed: $CN_LOGS (build/<preset>/tests/logs).
"""
import argparse
import fcntl
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
CAMPAIGN = os.environ.get('CN_CAMPAIGN') == '1'


# --- one file, in its own process: a JSON line per event on stdout, everything else on stderr ---
class Result(unittest.TestResult):
    def __init__(self, out):
        super().__init__()
        self.out = out

    def emit(self, **fields):
        self.out.write(json.dumps(fields) + '\n')
        self.out.flush()

    def startTest(self, test):
        super().startTest(test)
        self.began, self.bad, self.skip = time.monotonic(), [], None
        self.emit(begin=test.id())
        print('\n===== %s' % test.id(), file=sys.stderr, flush=True)

    def note(self, test, err):
        text = self._exc_info_to_string(err, test)
        print(text, file=sys.stderr, flush=True)
        if hasattr(test, '_testMethodName'):
            self.bad.append(text)
        else:   # setUpClass and the like
            self.emit(broken=str(test), text=text)

    def addError(self, test, err):
        super().addError(test, err)
        self.note(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.note(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.bad.append('%s\n%s' % (subtest, self._exc_info_to_string(err, test)))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if hasattr(test, '_testMethodName'):
            self.skip = reason

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.bad.append('unexpected success')

    def stopTest(self, test):
        super().stopTest(test)
        self.emit(end=test.id(), seconds=time.monotonic() - self.began, bad='\n'.join(self.bad), skip=self.skip)


def tests_in(suite):
    for t in suite:
        if isinstance(t, unittest.TestSuite):
            yield from tests_in(t)
        else:
            yield t


def one_file(name, pattern):
    out = os.fdopen(os.dup(1), 'w')
    os.dup2(2, 1)
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    loader = unittest.TestLoader()
    if pattern:
        loader.testNamePatterns = ['*%s*' % pattern.strip('*')]
    suite = loader.loadTestsFromName(name[:-3])
    result = Result(out)
    result.emit(tests=[t.id() for t in tests_in(suite)])
    if loader.errors:
        result.emit(broken=name, text='\n'.join(loader.errors))
    suite.run(result)


# --- the scheduler ---
class Runner:
    def __init__(self, logs):
        self.logs, self.lock, self.running, self.stopping = logs, threading.Lock(), {}, False
        self.passed = self.failed = self.skipped = 0

    def say(self, text):
        with self.lock:
            print(text, flush=True)

    def outcome(self, word, name, seconds, text=''):
        with self.lock:
            self.passed += word == 'ok'
            self.failed += word == 'FAIL'
            self.skipped += word == 'skip'
            print('%-4s %s  %.1f s' % (word, name, seconds), flush=True)
            for line in text.rstrip().splitlines()[-40:]:
                print('     | ' + line, flush=True)

    def run_file(self, name, pattern):
        text = (HERE / name).read_text()
        limit = int(re.search(r'^TIMEOUT = (\d+)', text, re.M).group(1)) if re.search(r'^TIMEOUT = (\d+)', text, re.M) else 600
        if CAMPAIGN:
            limit *= 12
        log = self.logs / (name[:-3] + '.log')
        began, ended, current, began_at = set(), set(), None, time.monotonic()
        expected, broken = None, []
        with open(log, 'w') as err:
            process = subprocess.Popen([sys.executable, '-u', __file__, '--one', name, '--pattern', pattern], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=err, text=True, start_new_session=True, cwd=HERE,
                                       env=dict(os.environ, CN_LOGS=str(self.logs)))
            with self.lock:
                self.running[process.pid] = process
            late = threading.Event()

            def end():
                late.set()
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
            timer = threading.Timer(limit, end)
            timer.start()
            for line in process.stdout:
                try:
                    x = json.loads(line)
                except ValueError:
                    continue
                if 'tests' in x:
                    expected = x['tests']
                elif 'begin' in x:
                    current = x['begin']
                    began.add(current)
                elif 'end' in x:
                    ended.add(x['end'])
                    self.outcome('FAIL' if x['bad'] else 'skip' if x['skip'] else 'ok', x['end'], x['seconds'], x['bad'] or x['skip'] or '')
                elif 'broken' in x:
                    broken.append(x)
            process.wait()
            timer.cancel()
            with self.lock:
                self.running.pop(process.pid)
        why = 'interrupted' if self.stopping else 'the file ran longer than %d s' % limit if late.is_set() else 'it did not come to its end'
        for x in broken:
            self.outcome('FAIL', x['broken'], 0, x['text'])
        missing = [t for t in expected or [] if t not in ended]
        for t in missing:   # never silently fewer tests than there are
            self.outcome('FAIL', t, time.monotonic() - began_at, '%s%s' % (why, '; the log: %s' % log if t in began else ''))
        if not expected and not broken:
            self.outcome('FAIL', name, time.monotonic() - began_at, 'no test was found in it\n' + log.read_text()[-2000:])

    def stop(self, *_):
        self.stopping = True
        for process in list(self.running.values()):
            try:
                process.send_signal(signal.SIGTERM)
            except OSError:
                pass


def main():
    p = argparse.ArgumentParser()
    p.add_argument('-j', type=int, default=3)
    p.add_argument('--one')
    p.add_argument('--pattern', default='')
    p.add_argument('files', nargs='*')
    a = p.parse_args()
    if a.one:
        return one_file(a.one, a.pattern)
    from cnlib.util import CEPHNODE
    logs = pathlib.Path(os.environ.get('CN_LOGS', CEPHNODE.parent / 'tests' / 'logs'))
    logs.mkdir(parents=True, exist_ok=True)
    lock = open(logs / '.lock', 'w')
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:      # another run writes there
        logs = logs.with_name('%s-%d' % (logs.name, os.getpid()))
        logs.mkdir()
    names = [f.split(':', 1) if ':' in f else [f, ''] for f in a.files] or [[f.name, ''] for f in sorted(HERE.glob('test_*.py'))]
    # The longest first, so that no long one is left at the end.
    names.sort(key=lambda n: -int((re.search(r'^TIMEOUT = (\d+)', (HERE / n[0]).read_text(), re.M) or [0, 600])[1]))
    runner = Runner(logs)
    signal.signal(signal.SIGTERM, runner.stop)
    signal.signal(signal.SIGINT, runner.stop)
    began = time.monotonic()
    queue, guard = list(names), threading.Lock()

    def work():
        while True:
            with guard:
                if not queue or runner.stopping:
                    return
                name, pattern = queue.pop(0)
            runner.run_file(name, pattern)
    threads = [threading.Thread(target=work) for _ in range(a.j)]
    for t in threads:
        t.start()
    for t in threads:
        while t.is_alive():
            t.join(0.5)
    for name, pattern in queue:
        runner.outcome('FAIL', name, 0, 'interrupted before it was run')
    print('seed %s%s, %.0f s' % (os.environ.get('CN_SEED', '1'), ' (all points)' if CAMPAIGN else '', time.monotonic() - began))
    print('%d passed, %d failed, %d skipped' % (runner.passed, runner.failed, runner.skipped), flush=True)
    return 130 if runner.stopping else 1 if runner.failed or not runner.passed else 0


if __name__ == '__main__':
    sys.exit(main())
