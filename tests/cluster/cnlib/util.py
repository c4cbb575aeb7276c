# SPDX-License-Identifier: LGPL-2.1-or-later
import ctypes
import fcntl
import os
import pathlib
import signal
import subprocess
import termios
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get('CN_BUILD', ROOT / 'build'))
CEPHNODE = pathlib.Path(os.environ.get('CEPHNODE', BUILD / 'dev' / 'cephnode'))
STEPTRAP = pathlib.Path(os.environ.get('CN_STEPTRAP', CEPHNODE.parent / 'tests' / 'libsteptrap.so'))
OTHERMACHINE = pathlib.Path(os.environ.get('CN_OTHERMACHINE', STEPTRAP.with_name('libothermachine.so')))


class Timeout(AssertionError):
    pass


def wait_for(what, predicate, timeout=120, interval=0.1):
    """Polls until predicate() is true and returns its value. `what` says in words what was waited for."""
    end = time.monotonic() + timeout
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise Timeout('gave up after %g s waiting until %s (last: %r)' % (timeout, what, value))
        time.sleep(interval)


def own_network(case, addresses, dev='lo'):
    """In setUpClass: what the class starts from here on lives in a network of its own with these addresses. Ceph picks none of
    `lo` by itself: dev='veth0' makes another interface."""
    home, libc = os.open('/proc/self/ns/net', os.O_RDONLY), ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x40000000):     # CLONE_NEWNET
        raise OSError(ctypes.get_errno(), 'unshare')
    case.addClassCleanup(lambda: (libc.setns(home, 0), os.close(home)))
    subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)
    if dev != 'lo':
        subprocess.run(['ip', 'link', 'add', dev, 'up', 'type', 'veth', 'peer', 'name', dev + 'p'], check=True)
        subprocess.run(['ip', 'link', 'set', dev + 'p', 'up'], check=True)
    for a in addresses:
        subprocess.run(['ip', 'addr', 'add', a, 'dev', dev] + ['nodad'] * (':' in a), check=True)


def die_with_parent():
    """For preexec_fn: whatever ends the test, its helpers end too."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def own_terminal():
    """The same, for a process whose stdin is a terminal: what is typed there signals it, as Ctrl-C does."""
    die_with_parent()
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def clean_env(**more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(('CEPH_', 'OS_', 'KUBE'))}
    env.update(LC_ALL='C.UTF-8', **more)
    return env


def is_flocked(path):
    """Somebody holds flock() on it."""
    fd = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def notify_address(s):
    """Binds this datagram socket and returns its NOTIFY_SOCKET: an abstract name that the kernel picks. A path could be too long."""
    s.bind('')
    return '@' + s.getsockname()[1:].decode()
