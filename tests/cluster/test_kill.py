# SPDX-License-Identifier: LGPL-2.1-or-later
"""SIGKILL at each point, then the same command: removed, nothing lost, everything else as before."""
from cnlib.case import HOLD_FLAGS, POINTS, QUICK, ClusterCase, forced, share, signal, wait_for

TIMEOUT = 1200
HELD = ['%s:%s' % (s, e) for s in ('hold', 'reweight', 'forecast', 'pin', 'release') for e in ('begin', 'end')]


class Kills:
    DATA = {'rep': (80, 65536), 'ec': (40, 65536)}

    def killed_at(self, point):
        c = self.cluster
        before, observer, loader = c.snapshot(), self.observer(), self.load()
        run = self.tool.start_drain('127.0.1.2', *forced(point), trap=point + ':KILL')
        run.wait()
        self.assertEqual(run.code, -signal.SIGKILL, 'the trap did not spring: %s' % run)
        if point in HELD:      # before anyone runs the tool again
            wait_for('the flags are back', lambda: not c.flags() & HOLD_FLAGS, 30)
        for d in self.drains():
            self.assertEqual((d['node'], d['osds'], d['owner']['pid']), ('127.0.1.2', [2, 3], run.process.pid))
        again = self.tool.drain('127.0.1.2')
        if point == 'done:end':      # it was removed already: nothing left to do
            self.assert_code(again, 0)
            self.assert_gone(2)
        else:
            self.assert_removed(again, 2)
        self.assert_clean_report(observer, [2, 3])
        self.assert_load(loader)
        self.assert_data()
        self.only_host_is_gone(before, 2)
        self.assertEqual(self.drains(), [])


def points_for(cls, n):
    for point in share(POINTS + ['progress:*'], n, cls.__name__):
        name = 'test_at_' + point.replace(':*', '').replace(':', '_')
        setattr(cls, name, lambda self, point=point: self.killed_at(point))


class Young(Kills, ClusterCase):
    SHAPE = dict(HOSTS=5, OSDS=2, **QUICK)


class Old(Kills, ClusterCase):
    SHAPE = dict(HOSTS=5, OSDS=2, **QUICK, OLD=1)


class Always(Kills, ClusterCase):
    """Points that no seed leaves out: between a change and the note of it, and around the point of no return."""
    SHAPE = dict(HOSTS=5, OSDS=2, **QUICK)

    def test_twice_in_one_drain(self):
        c = self.cluster
        observer, loader = self.observer(), self.load()
        for trap in ('reweight:end:KILL', 'wait:begin:KILL', 'stop:begin:KILL', 'purge:begin:KILL'):
            run = self.tool.start_drain('node2', trap=trap).wait()
            self.assertEqual(run.code, -signal.SIGKILL, str(run))
        self.assert_removed(self.tool.drain('node2'), 2)
        self.assert_clean_report(observer, [2, 3])
        self.assert_load(loader)
        self.assert_data()
        self.assertEqual(c.flags() & HOLD_FLAGS, set())


points_for(Young, 5)
points_for(Old, 3)
for point in ('reweight_begin', 'reweight_end', 'purge_begin'):
    setattr(Always, 'test_at_' + point, lambda self, trap=point.replace('_', ':'): self.killed_at(trap))
