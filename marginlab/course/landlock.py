"""A wall of the kernel's own where bubblewrap is not installed: namespaces, a root of its own, and
Landlock.

    python landlock.py '{"read": [...], "home": "/tmp/…", "size": 536870912, "mask": [...], "command": [...]}'

It is started as a file, needs nothing but the standard library, and turns itself into the command. A
network namespace has no network; a process namespace shows no other process; in the new root lie only the
folders that may be read. Landlock denies every other way to a file, and signals and sockets to those
outside, as far as this kernel's version of it knows them.
"""

import ctypes
import json
import os
import platform
import signal
import struct
import sys

__all__ = ["NOBODY", "OWN", "die_with_parent", "main", "version"]

_NEW = {"user": 0x10000000, "mount": 0x20000, "net": 0x40000000, "pid": 0x20000000, "ipc": 0x08000000}
_NEW |= {"uts": 0x04000000}
_BIND, _RECURSIVE, _PRIVATE, _DETACH = 4096, 16384, 1 << 18, 2
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CREATE, _ADD, _RESTRICT = 444, 445, 446
_LIST = 8
_READ = 1 | 4 | _LIST  # execute, read a file, list a folder
# What each version of Landlock added to the rights over files; the first had the lowest 13.
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_FILE = 1 | 2 | 4 | 1 << 14 | 1 << 15  # the rights that a file, not a folder, can have
_DEVICES = ("null", "zero", "full", "random", "urandom")
NOBODY = 65534
OWN = "/student"  # a path that is nobody's home, and where nobody keeps a checkout

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *args):
    arguments = [os.fsencode(each) if isinstance(each, str) else each for each in args]
    if getattr(_libc, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def version() -> int:
    """The version of Landlock in this kernel; 0 where it has none."""
    return max(0, _libc.syscall(_CREATE, None, 0, 1))


def _mount(source, target, kind=None, flags=0, options=None):
    _call("mount", source, target, kind, ctypes.c_ulong(flags), options)


def _namespaces():
    """New namespaces of all kinds; in them this process is nobody, who is this user outside."""
    user, group = os.getuid(), os.getgid()
    _call("unshare", sum(_NEW.values()))
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {user} 1"),
        ("gid_map", f"{NOBODY} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    _mount("none", "/", None, _RECURSIVE | _PRIVATE)


def _new_root(read, home, size, mask):
    """A root with the folders to be read, an own folder of limited size, and no more; the old one is gone."""
    root = home  # what is mounted over it in this namespace is seen by nobody outside
    _mount("tmpfs", root, "tmpfs", 0, "size=16m,mode=755")
    for path in read:
        if os.path.islink(path):
            os.makedirs(os.path.dirname(root + path), exist_ok=True)
            os.symlink(os.readlink(path), root + path)
            continue
        _place(root + path, os.path.isdir(path))
        _mount(path, root + path, None, _BIND | _RECURSIVE)
    for path in mask:
        if os.path.isdir(root + path):
            _mount("tmpfs", root + path, "tmpfs", 0, "size=4k,mode=555")
    for name in _DEVICES:
        _place(f"{root}/dev/{name}", False)
        _mount(f"/dev/{name}", f"{root}/dev/{name}", None, _BIND)
    for path, most in (("/dev/shm", 2**26), (OWN, size)):
        os.makedirs(root + path, exist_ok=True)
        _mount("tmpfs", root + path, "tmpfs", 0, f"size={most},mode=700")
    if not os.path.isdir(root + "/tmp"):  # as it is where Python or the package lies below it
        os.symlink(OWN, root + "/tmp")
    os.makedirs(root + "/proc")
    _mount("proc", root + "/proc", "proc", 2 | 4 | 8)
    os.chdir(root)
    _call("syscall", ctypes.c_long(_PIVOT_ROOT[platform.machine()]), b".", b".")
    _call("umount2", ".", _DETACH)
    os.chdir(OWN)


def _place(path, folder):
    os.makedirs(path if folder else os.path.dirname(path), exist_ok=True)
    if not folder:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))


def _shut(read, write):
    """Landlock: these may be read, those written; no TCP, signal or abstract socket to the outside."""
    newest = version()
    if not newest:
        raise OSError("no Landlock")
    rights = _RIGHTS[min(newest, 5)]
    attributes = struct.pack("=QQQ", rights, 3 if newest >= 4 else 0, 3 if newest >= 6 else 0)
    attributes = attributes[: 24 if newest >= 6 else 16 if newest >= 4 else 8]
    rules = _libc.syscall(_CREATE, attributes, ctypes.c_size_t(len(attributes)), 0)
    # Folders may be listed everywhere: all in this root may be seen, and Python looks for its modules.
    beneath = [("/", _LIST), *((path, _READ) for path in read), *((path, rights) for path in write)]
    for path, allowed in beneath:
        if not os.path.exists(path):
            continue
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        allowed &= rights if os.path.isdir(path) else rights & _FILE
        _call("syscall", ctypes.c_long(_ADD), rules, 1, struct.pack("=Qi", allowed, fd), 0)
        os.close(fd)
    _call("prctl", 38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
    _call("syscall", ctypes.c_long(_RESTRICT), rules, 0)
    os.close(rules)


def die_with_parent() -> None:
    """Have the kernel end this process when its parent ends."""
    _call("prctl", 1, int(signal.SIGKILL), 0, 0, 0)  # PR_SET_PDEATHSIG


def main():
    """Enter, and become the command."""
    wanted = json.loads(sys.argv[1])
    die_with_parent()
    _namespaces()
    child = os.fork()  # only a child is in the new process namespace
    if child:
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 255)
    die_with_parent()
    os.setsid()
    _new_root(wanted["read"], wanted["home"], wanted["size"], wanted["mask"])
    _shut([*wanted["read"], "/proc"], [OWN, "/dev/shm", *(f"/dev/{name}" for name in _DEVICES)])
    # Nobody, and by this exec without the capabilities that making the namespaces gave.
    os.execv(wanted["command"][0], wanted["command"])


if __name__ == "__main__":
    main()
