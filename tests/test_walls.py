"""What submitted code gets when it reaches for what is not its own: real operations, by each wall.

python -m pytest -s tests/test_walls.py     prints the table: each operation, and what it got
"""

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import pytest

pytest.importorskip("nbgrader")
from marginlab.course import plain, walls
from marginlab.course.shutin import Died, Interpreter, Limits, Stuck

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the walls are Linux's")
SECRET = "the-expected-value-7f3a"
LIMITS = Limits(seconds=120, cell=60, megabytes=6000)


def blocks(text):
    """``{name: code}`` of a text in which "## name" stands above each code."""
    return dict(each.split("\n", 1) for each in ("\n" + text.strip()).split("\n## ")[1:])


# Each is the body of a function that returns what it got. `W` holds what there is outside: paths, ports, a
# process. One that reaches its aim returns the secret, or "REACHED"; a control runs them without a wall.
OPERATIONS = blocks(r"""
## open
return open(W['secret']).read()
## os.open
return os.read(os.open(W['secret'], os.O_RDONLY), 100)
## os.open with dir_fd
return os.read(os.open(W['secret'][1:], os.O_RDONLY, dir_fd=os.open('/', 0)), 100)
## pathlib
return pathlib.Path(W['secret']).read_text()
## mmap
f = open(W['secret'], 'rb')
return mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)[:]
## numpy.fromfile
return bytes(np.fromfile(W['secret'], 'uint8'))
## numpy.memmap
return bytes(np.memmap(W['secret'], 'uint8', 'r'))
## runpy
return runpy.run_path(W['module'])['secret']
## ctypes
b = ctypes.create_string_buffer(99); L.read(L.open(W['secret'].encode(), 0), b, 99)
return b.value
## system call
b = ctypes.create_string_buffer(99); L.syscall(0, L.syscall(2, W['secret'].encode(), 0), b, 99)
return b.value
## symbolic link
os.symlink(W['secret'], 'link'); return open('link').read()
## hard link
os.link(W['secret'], 'hard'); return open('hard').read()
## copy
return open(shutil.copy(W['secret'], 'copy')).read()
## sqlite reads the marks
return str(sqlite3.connect(W['marks']).execute('select * from marks').fetchall())
## tensorflow reads
import tensorflow as tf
return tf.io.gfile.GFile(W['secret']).read()
## tensorflow lists
import tensorflow as tf
return 'REACHED' if tf.io.gfile.listdir(W['outside']) else ''
## listdir
return 'REACHED' if os.listdir(W['outside']) else ''
## scandir
return 'REACHED' if list(os.scandir(W['outside'])) else ''
## stat
return 'REACHED' if os.stat(W['secret']).st_size else ''
## find it anywhere
return next((open(p).read() for r, _, n in os.walk('/') for p in [os.path.join(r, 'secret.txt')]
             if 'secret.txt' in n and not r.startswith('/proc')), 'nothing found')
## course's lessons
return 'REACHED' if os.path.exists(W['lessons']) else 'not there'
## /proc/1/root
return open('/proc/1/root' + W['secret']).read()
## /proc/…/cwd
return open(f"/proc/{W['process']}/cwd/secret.txt").read()
## environment
return os.environ.get('WALL_TEST') or open('/proc/self/environ').read()
## environment of others
return open(f"/proc/{W['process']}/environ").read()
## open files
return b''.join(os.read(int(n), 99) for n in os.listdir('/proc/self/fd')
    if os.path.isfile(f'/proc/self/fd/{n}') and os.path.realpath(f'/proc/self/fd/{n}').startswith('/tmp/'))
## password hashes
return 'REACHED' if open('/etc/shadow').read() else ''
## disks
found = [n for n in os.listdir('/dev') if n.startswith(('sd', 'vd', 'nvme', 'mem'))]
return 'REACHED' if found or open('/proc/kcore', 'rb').read(1) else ''
## write
open(W['victim'], 'w').write('x'); return 'REACHED'
## write a new file
open(W['outside'] + '/new', 'w').write('x')
return 'REACHED'
## os.open to write
os.open(W['outside'] + '/new2', os.O_CREAT | os.O_WRONLY)
return 'REACHED'
## sqlite changes marks
c = sqlite3.connect(W['marks']); c.execute('update marks set m = 20'); c.commit()
return 'REACHED'
## tensorflow writes
import tensorflow as tf; tf.io.gfile.GFile(W['outside'] + '/tf', 'w').write('x')
return 'REACHED' if os.path.exists(W['outside'] + '/tf') else ''
## numpy.save
np.save(W['outside'] + '/a.npy', np.ones(3))
return 'REACHED'
## mkdir
os.mkdir(W['outside'] + '/folder'); return 'REACHED'
## rename into
open('own', 'w').close(); os.rename('own', W['outside'] + '/own')
return 'REACHED'
## symlink into
os.symlink('/etc', W['outside'] + '/etc'); return 'REACHED'
## chmod
os.chmod(W['victim'], 0o777); return 'REACHED'
## truncate
os.truncate(W['victim'], 0); return 'REACHED'
## the package
open(W['package'] + '/wall_test.py', 'w').close()
return 'REACHED'
## site-packages
open(W['packages'] + '/wall_test.pth', 'w').close()
return 'REACHED'
## the system
open('/usr/lib/wall_test', 'w').close(); return 'REACHED'
## shared memory
open('/dev/shm/wall_test', 'w').close(); return 'written'
## a device of its own
os.mknod('disk', 0o660 | stat.S_IFBLK, os.makedev(8, 0))
return 'REACHED'
## remove
os.remove(W['removed']); return 'REACHED'
## remove with dir_fd
os.unlink('removed2', dir_fd=os.open(W['outside'], 0))
return 'REACHED'
## rmtree
shutil.rmtree(W['tree']); return 'REACHED'
## see processes
seen = [open(p, 'rb').read() for p in glob.glob('/proc/[0-9]*/cmdline')]
return 'REACHED' if any(b'wall-test' in each for each in seen) else f'{len(seen)} of its own'
## signal
os.kill(W['process'], 0); return 'REACHED'
## signal to all
os.kill(-1, 9); return 'sent'
## pidfd
signal.pidfd_send_signal(os.pidfd_open(W['process']), 0)
return 'REACHED'
## ptrace
return 'REACHED' if L.ptrace(16, W['process'], 0, 0) == 0 and not L.ptrace(17, W['process'], 0, 0) else ''
## priority
os.setpriority(os.PRIO_PROCESS, W['process'], 5)
return 'REACHED'
## memory of others
open(f"/proc/{W['process']}/mem", 'rb'); return 'REACHED'
## limits of others
import resource; resource.prlimit(W['process'], resource.RLIMIT_NOFILE)
return 'REACHED'
## subprocess reads
return subprocess.run(['cat', W['secret']], capture_output=True).stdout
## os.system writes
return 'REACHED' if os.system(f"echo x > {W['outside']}/shell") == 0 else ''
## fork reads
r, w = os.pipe()
if os.fork() == 0:
    try:
        os.write(w, open(W['secret'], 'rb').read())
    finally:
        os._exit(0)
os.close(w)
return os.read(r, 99)
## spawn
return subprocess.run([sys.executable, '-c', 'print(open(' + repr(W['secret']) + ').read())'],
    capture_output=True, text=True).stdout
## posix_spawn
p = os.posix_spawn('/bin/cp', ['cp', W['secret'], 'spawned'], os.environ); os.waitpid(p, 0)
return open('spawned').read()
## connect
socket.create_connection(('127.0.0.1', W['tcp']), 3)
return 'REACHED'
## sendto
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', W['udp'])); time.sleep(0.2)
return 'sent'
## sendmsg
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('127.0.0.1', W['udp']))
time.sleep(0.2)
return 'sent'
## bind
globals()['kept'] = s = socket.socket(); s.bind(('0.0.0.0', W['free'])); s.listen()
return 'bound'
## abstract socket
s = socket.socket(socket.AF_UNIX); s.connect('\0' + W['abstract'])
return 'REACHED'
## socket in a folder
s = socket.socket(socket.AF_UNIX); s.connect(W['unix'])
return 'REACHED'
## interfaces
names = [n for _, n in socket.if_nameindex()]
return 'REACHED' if set(names) - {'lo'} else str(names)
## resolve
return str(socket.getaddrinfo('example.org', 80))
## the internet
socket.create_connection(('192.0.2.1', 80), 2)
return 'REACHED'
## raw socket
socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
return 'REACHED'
## become root
os.setuid(0); return 'REACHED'
## mount
return 'REACHED' if L.mount(b'none', b'/home', b'tmpfs', 0, None) == 0 else os.strerror(ctypes.get_errno())
## chroot
os.chroot('/home'); return 'REACHED'
## raise the limits
import resource; resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
return 'REACHED'
## clock
time.clock_settime(time.CLOCK_REALTIME, time.time())
return 'REACHED'
## host name
socket.sethostname('wall-test'); return 'renamed'
## 20 GB of memory
b = bytearray(20 * 2**30); return 'REACHED'
## 20 GB in mmap
m = mmap.mmap(-1, 20 * 2**30); return 'REACHED'
## 10 GB of disk
n = 0
try:
    for k in range(100):
        with open(f'big{k}', 'wb') as f:
            for _ in range(100):
                n += f.write(bytes(2**20))
except OSError as e:
    got = f'{n >> 20} MB, then {e.strerror}'
else:
    got = 'REACHED'
[os.remove(f'big{k}') for k in range(100) if os.path.exists(f'big{k}')]
return got
## 10 GB in /dev/shm
n = 0
try:
    for k in range(100):
        with open(f'/dev/shm/big{k}', 'wb') as f:
            for _ in range(100):
                n += f.write(bytes(2**20))
except OSError as e:
    got = f'{n >> 20} MB, then {e.strerror}'
else:
    got = 'REACHED'
[os.remove(p) for p in glob.glob('/dev/shm/big*')]
return got
## a root to write to
got = []
for p in ('/x', '/dev/x', '/etc/x', '/home/x', '/proc/x', '/var/x'):
    try:
        open(p, 'w').close(); got.append(p)
    except OSError:
        pass
return 'REACHED' + str(got) if got else 'nowhere'
## 100 MB of output
print('x' * 10**8); return 'printed'
## a thread that stays
threading.Thread(target=lambda: [time.sleep(1) for _ in range(9999)], daemon=True).start()
return 'started'
## gc
needle = W['needle'][::-1]
found = [str(o) for o in gc.get_objects() if type(o) is dict and needle in str(o)[:9999]]
return found[0] if found else 'nothing'
## frames
f, got = sys._getframe(), ''
while f:
    got += str(list(f.f_locals)); f = f.f_back
return 'REACHED' if 'hidden' in got.lower() else 'none but its own'
""")
# What the control leaves out: it would harm this machine, or depends on what that is.
HARMFUL = {
    "/proc/1/root", "10 GB in /dev/shm", "10 GB of disk", "100 MB of output", "20 GB in mmap",
    "20 GB of memory", "a device of its own", "a root to write to", "a thread that stays", "become root",
    "bind", "chroot", "clock", "disks", "environment", "find it anywhere", "frames", "gc", "hard link",
    "host name", "interfaces", "mount", "open files", "password hashes", "priority", "ptrace",
    "raise the limits", "raw socket", "resolve", "sendmsg", "sendto", "shared memory", "signal to all",
    "site-packages", "system call", "the internet", "the package", "the system",
}  # fmt: skip
PRELUDE = """
import ctypes, gc, glob, mmap, os, pathlib, runpy, shutil, signal, socket, sqlite3, stat, subprocess, sys
import threading, time
import numpy as np
L = ctypes.CDLL(None, use_errno=True)
"""


class World:
    """What there is outside of the wall, and what came of it."""

    def __init__(self, root):
        self.outside = root / "outside"
        (self.outside / "tree").mkdir(parents=True)
        for name in ("secret.txt", "victim", "removed", "removed2", "tree/leaf"):
            (self.outside / name).write_text(SECRET)
        (self.outside / "module.py").write_text(f"secret = {SECRET!r}")
        with sqlite3.connect(self.outside / "marks.db") as marks:
            marks.execute("create table marks (student, m)")
            marks.execute("insert into marks values (?, 3)", (SECRET,))
        marks.close()
        self.process = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(1000)  # wall-test"],
            cwd=self.outside, env={"WALL_TEST": SECRET},
        )  # fmt: skip
        self.abstract, self.heard = f"wall-test-{uuid.uuid4()}", []
        self.sockets = [
            self._listen(socket.AF_INET, ("127.0.0.1", 0)),
            self._listen(socket.AF_UNIX, str(root / "unix")),
        ]
        self.sockets.append(self._listen(socket.AF_UNIX, "\0" + self.abstract))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.free = free.getsockname()[1]
        packages = os.path.realpath(next(path for path in sys.path if path.endswith("site-packages")))
        self.told = {
            "lessons": str(Path(__file__).parents[1] / "lessons"),
            "package": str(Path(walls.__file__).parents[1]),
            "packages": packages,
            "process": self.process.pid,
            "tcp": self.sockets[0].getsockname()[1],
            "udp": self.udp.getsockname()[1],
            "unix": str(root / "unix"),
            "abstract": self.abstract,
            "free": self.free,
            "needle": SECRET[::-1],
            "outside": str(self.outside),
        }
        files = {"secret": "secret.txt", "marks": "marks.db", "module": "module.py"}
        for name, file in (files | {name: name for name in ("victim", "removed", "tree")}).items():
            self.told[name] = str(self.outside / file)

    def _listen(self, family, address):
        server = socket.socket(family)
        server.bind(address)
        server.listen()

        def accept():
            try:
                while True:
                    server.accept()
                    self.heard.append(address)
            except OSError:
                pass

        threading.Thread(target=accept, daemon=True).start()
        return server

    def messages(self):
        """How many datagrams came."""
        self.udp.setblocking(False)
        count = 0
        try:
            while True:
                self.udp.recv(99)
                count += 1
        except BlockingIOError:
            return count

    def is_as_it_was(self):
        files = sorted(str(path.relative_to(self.outside)) for path in self.outside.rglob("*"))
        plain_files = [
            path for path in self.outside.iterdir() if path.suffix in ("", ".txt") and path.is_file()
        ]
        texts = {path.read_text() for path in plain_files}
        with sqlite3.connect(self.outside / "marks.db") as marks:
            kept = marks.execute("select m from marks").fetchall()
        marks.close()
        return (
            files
            == ["marks.db", "module.py", "removed", "removed2", "secret.txt", "tree", "tree/leaf", "victim"]
            and texts == {SECRET}
            and kept == [(3,)]
            and self.process.poll() is None
        )

    def answers_on(self, port):
        with socket.socket() as client:
            client.settimeout(2)
            return client.connect_ex(("127.0.0.1", port)) == 0

    def end(self):
        self.process.kill()
        self.process.wait()
        for each in (*self.sockets, self.udp):
            each.close()


def attempt(interpreter, name, world, seconds=60):
    """What one operation got, as text."""
    body = OPERATIONS[name].replace("\n", "\n    ")
    code = f"{PRELUDE}\nW = {world.told!r}\ndef operation():\n    {body}\n"
    code += "try:\n    got = operation()\n"
    code += "except BaseException as error:\n    got = f'{type(error).__name__}: {error}'\n"
    code += "got = got.decode(errors='replace') if isinstance(got, bytes) else got"
    return run(interpreter, code, seconds)


def run(interpreter, code, seconds=60.0):
    """Run code, and fetch the name `got`."""
    until = time.monotonic() + seconds
    interpreter.ask(plain.dumps({"do": "run", "code": code}), until, lambda _: None)
    answer, _ = interpreter.ask(plain.dumps({"do": "fetch", "names": ["got"]}), until, lambda _: None)
    got = plain.loads(answer).get("got", {}).get("value")
    return str(got)


def standing(name):
    """A wall by its name; a test is skipped where there is none, and in CI bubblewrap must be there."""
    kind = next(kind for kind in walls.KINDS if kind.name == name)
    try:
        return walls.find(kinds=(kind,))
    except walls.NoWall as error:
        if os.environ.get("CI") and name == "bubblewrap":
            pytest.fail(str(error))
        pytest.skip(str(error).splitlines()[-1])


@pytest.fixture(scope="module", params=[kind.name for kind in walls.KINDS])
def shut(request, tmp_path_factory):
    """An interpreter behind each wall, the world outside, and what every operation got."""
    os.environ["WALL_TEST"] = SECRET
    wall, world = standing(request.param), World(tmp_path_factory.mktemp("world"))
    interpreter = Interpreter(wall, LIMITS)
    got = {name: attempt(interpreter, name, world) for name in OPERATIONS}
    yield interpreter, world, got, wall
    interpreter.end()
    world.end()
    del os.environ["WALL_TEST"]


def reaches(text):
    return SECRET in text or "REACHED" in text


def test_no_operation_reaches_anything(shut):
    _, world, got, wall = shut
    print(f"\n{wall.name}: {len(got)} operations")
    for name, text in got.items():
        print(f"  {name:24} {' '.join(text.split())[:150]}")
    assert len(got) >= 40
    assert [name for name, text in got.items() if reaches(text)] == []
    assert world.is_as_it_was()
    assert world.heard == []
    assert world.messages() == 0
    assert not world.answers_on(world.free)
    assert not Path("/dev/shm/wall_test").exists()
    assert socket.gethostname() != "wall-test"


def test_after_all_that_it_still_computes(shut):
    assert run(shut[0], "got = sum(range(10))") == "45"


def test_too_much_is_refused_in_words(shut):
    _, _, got, _ = shut
    assert "MemoryError" in got["20 GB of memory"]
    for place in ("10 GB of disk", "10 GB in /dev/shm"):
        assert int(got[place].split()[0]) <= walls.DISK >> 20


def test_it_sees_the_system_python_and_the_package_and_a_folder_of_its_own(shut):
    interpreter = shut[0]
    code = "import os, marginlab.checks, matplotlib\nopen('own.txt', 'w').write('mine')\n"
    code += "got = open('own.txt').read() + str(len(os.listdir('/usr'))> 3) + str(os.getuid())"
    assert run(interpreter, code) == "mineTrue65534"


@pytest.mark.parametrize("kind", walls.KINDS, ids=lambda kind: kind.name)
def test_it_stands_round_a_checkout_below_tmp_too(kind, monkeypatch):
    """Naive form: /tmp is a link to the student's home. Failure: the package below it cannot lie there."""
    standing(kind.name)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        copy = shutil.copytree(walls._PACKAGE, Path(folder) / "checkout" / "marginlab")
        monkeypatch.setattr(walls, "_PACKAGE", copy)
        interpreter = Interpreter(standing(kind.name), LIMITS)
        try:
            code = "import tempfile, marginlab\nopen(tempfile.mkstemp()[1], 'w').write('mine')\n"
            assert run(interpreter, code + "got = marginlab.__file__") == str(copy / "__init__.py")
            code = "import os\ngot = 'made'\ntry: os.mkdir('/tmp/own')\nexcept OSError: got = 'refused'"
            assert run(interpreter, code) == "refused"
        finally:
            interpreter.end()


def test_a_private_folder_within_a_visible_one_is_masked(tmp_path):
    private = Path(walls.__file__).parents[1] / "mnist"
    for kind in walls.KINDS:
        try:
            wall = walls.find(kinds=(kind,), private=[str(private)])
        except walls.NoWall:
            continue
        interpreter = Interpreter(wall, LIMITS)
        try:
            assert run(interpreter, f"import os\ngot = os.listdir({str(private)!r})") == "[]", kind.name
            assert int(run(interpreter, f"got = len(os.listdir({str(private.parent)!r}))")) > 5
        finally:
            interpreter.end()


def test_control_without_a_wall_the_same_operations_reach_what_they_reach_for(tmp_path, monkeypatch):
    monkeypatch.setenv("WALL_TEST", SECRET)
    world = World(tmp_path)
    interpreter = Interpreter(walls.find(trust=True, kinds=()), LIMITS)
    try:
        names = [name for name in OPERATIONS if name not in HARMFUL]
        got = {name: attempt(interpreter, name, world) for name in names}
        assert len(names) >= 40
        assert {name: text for name, text in got.items() if not reaches(text)} == {}
        for name in ("sendto", "sendmsg"):
            attempt(interpreter, name, world)
        attempt(interpreter, "bind", world)
        assert world.messages() == 2
        assert world.answers_on(world.free)
        assert len(world.heard) == 3
        assert not world.is_as_it_was()
    finally:
        interpreter.end()
        world.end()


# Those that end their interpreter: it is ended, everything that it had started too, and nothing else.

BOMBS = blocks(r"""
## fork bomb
import os
while True:
    os.fork()
## processes that leave
import os
for _ in range(300):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            import time; time.sleep(10_000)
        os._exit(0)
import time; time.sleep(10_000)
## memory in many processes
import os, time
for _ in range(8):
    if os.fork() == 0:
        b = b'x' * 2**29
        time.sleep(10_000)
time.sleep(10_000)
## exit
import os
os._exit(1)
## segmentation fault
import ctypes
ctypes.string_at(1)
## another program
import os
os.execv('/bin/sleep', ['sleep', '10000'])
## noise on the line
import os
for fd in range(3, 64):
    try:
        while True:
            os.write(fd, b'\xff' * 2**16)
    except OSError:
        pass
""")


def behind(pid):
    """Processes that belong to a process: those below it, found before it ends."""
    from marginlab.course.shutin import _family

    return _family(pid)[1:]


def until_the_end(interpreter, code, seconds):
    run(interpreter, code, seconds)
    for _ in range(300):  # one that was refused what it wanted is ended for what it had got
        run(interpreter, "import time\ntime.sleep(0.1)", seconds=30)


@pytest.mark.parametrize("name", [kind.name for kind in walls.KINDS])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_ends_its_own_process_and_all_that_it_started(name, bomb):
    interpreter = Interpreter(standing(name), Limits(megabytes=2500))
    other = Interpreter(standing(name), LIMITS)
    try:
        run(interpreter, "got = 1")
        inside = behind(interpreter.process.pid)
        assert inside
        with pytest.raises((Died, Stuck)):
            until_the_end(interpreter, BOMBS[bomb], seconds=3 if bomb == "another program" else 90)
        interpreter.end()
        patience = time.monotonic() + 30
        while left := [pid for pid in inside if Path(f"/proc/{pid}").exists() and state(pid) != "Z"]:
            assert time.monotonic() < patience, left
            time.sleep(0.1)
        assert run(other, "got = 2") == "2", "the neighbour goes on"
    finally:
        interpreter.end()
        other.end()


def state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"
