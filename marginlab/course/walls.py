"""The wall around a submission: what the operating system's kernel shuts in, so that Python need not.

A submission is code of somebody else. A guard in its own interpreter can always be got round, by C, by a
second interpreter or by a file function that Python does not see; what the kernel does not show to a
process, no code in it can reach. `find` gives the best wall that this machine has.
"""

import abc
import json
import os
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from marginlab.course import landlock

__all__ = [
    "DISK",
    "INSTALL",
    "KINDS",
    "Bubblewrap",
    "Landlock",
    "NoWall",
    "Trusted",
    "Wall",
    "find",
    "interpreter",
]

DISK = 2**29  # bytes that a submission may write
_HOME = landlock.OWN
_PACKAGE = Path(__file__).resolve().parents[1]
# Of /etc only what finds libraries, fonts and the time; no names, no keys.
_ETC = ("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/fonts")
_ETC += ("/etc/localtime",)

INSTALL = """No wall to shut submissions in was found, and without one submitted code runs as you: it can
read the solutions, change marks, and send away what it finds. On Linux install bubblewrap ("apt install
bubblewrap", or "dnf install bubblewrap"), or use a kernel with Landlock that lets you make namespaces.
Elsewhere grade in the container that the book's page on grading describes. Who knows the students, and
trusts every one of them, says --trust (trust=True)."""


class NoWall(RuntimeError):
    """This machine has nothing to shut a submission in, and nobody said that the students are trusted."""

    def __init__(self, why: Sequence[str] = ()):
        super().__init__("\n".join([INSTALL, *why]))


@dataclass(frozen=True)
class Wall(abc.ABC):
    """One way to start a command.

    Attributes:
        name: what the report calls it.
        private: folders that must not be seen, should they lie in one that is.
    """

    name: str
    private: tuple[str, ...] = ()

    @abc.abstractmethod
    def command(self, command: Sequence[str], home: str) -> list[str]:
        """The command line that runs a command in it; `home` is an empty folder to use or not."""

    @abc.abstractmethod
    def home(self, home: str) -> str:
        """Where the submission is at home."""

    def environment(self, home: str) -> dict[str, str]:
        """The environment that the command gets: of this process's own nothing but the language."""
        home = self.home(home)
        kept = {name: os.environ[name] for name in ("LANG", "SYSTEMROOT") if name in os.environ}
        return kept | {
            "PATH": os.pathsep.join([str(Path(_python()).parent), "/usr/bin", "/bin"]),
            "PYTHONPATH": str(_PACKAGE.parent),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            **dict.fromkeys(("HOME", "TMPDIR", "IPYTHONDIR", "MPLCONFIGDIR"), home),
        }


class Trusted(Wall):
    """No wall: the command runs as whoever grades."""

    def home(self, home):
        return home

    def command(self, command, home):
        return list(command)


class Bubblewrap(Wall):
    """`bwrap`: its own root, the system read-only, a folder in memory; no network, no other process."""

    def home(self, home):
        return _HOME

    def command(self, command, home):
        read, links = _readable()
        line = [shutil.which("bwrap"), "--unshare-all", "--unshare-user", "--uid", str(landlock.NOBODY)]
        line += ["--gid", str(landlock.NOBODY), "--disable-userns", "--die-with-parent", "--new-session"]
        line += ["--cap-drop", "ALL"]
        for path in read:
            line += ["--ro-bind", path, path]
        for path, target in links:
            line += ["--symlink", target, path]
        for path in _within(self.private, read):
            line += ["--tmpfs", path, "--remount-ro", path]
        line += ["--proc", "/proc", "--dev", "/dev", "--size", str(2**26), "--tmpfs", "/dev/shm"]
        line += ["--size", str(DISK), "--tmpfs", _HOME, "--chdir", _HOME]
        if not _within(read, ["/tmp"]):  # a folder already, where Python or the package lies below it
            line += ["--symlink", _HOME, "/tmp"]
        # bwrap's own /dev and / lie in memory too, and without a limit: a place to fill it up from.
        return [*line, "--remount-ro", "/dev", "--remount-ro", "/", "--", *command]


class Landlock(Wall):
    """Namespaces and Landlock, by `landlock.py`."""

    def home(self, home):
        return _HOME

    def command(self, command, home):
        read, links = _readable()
        wanted = {
            "read": [*read, *(path for path, _ in links)],
            "home": home,
            "size": DISK,
            "mask": _within(self.private, read),
            "command": list(command),
        }
        return [_python(), "-I", "-S", landlock.__file__, json.dumps(wanted)]


KINDS = (Bubblewrap("bubblewrap"), Landlock("Landlock and namespaces"))


def find(trust: bool = False, private: Sequence[str] = (), kinds: Sequence[Wall] = KINDS) -> Wall:
    """The first wall that holds on this machine.

    Args:
        trust: whether to do without, where there is none.
        private: folders that a submission must not see, should they lie in one that it sees.
        kinds: the walls to try.

    Raises:
        NoWall: if there is none, and the students are not trusted.
    """
    why = []
    for kind in kinds:
        wall = type(kind)(kind.name, tuple(str(Path(each).resolve()) for each in private))
        failed = _tried(wall)
        if not failed:
            return wall
        why.append(f"{wall.name}: {failed}")
    if not trust:
        raise NoWall(why)
    return Trusted("nothing: the students are trusted")


def _tried(wall):
    """Why the wall does not stand; empty if it does."""
    if not sys.platform.startswith("linux"):
        return "it needs Linux"
    if isinstance(wall, Bubblewrap) and not shutil.which("bwrap"):
        return "bwrap is not installed"
    if isinstance(wall, Landlock) and not landlock.version():
        return "this kernel has none"
    with tempfile.TemporaryDirectory() as home:
        line = wall.command([_python(), "-I", "-c", "print('shut in')"], home)
        try:
            done = subprocess.run(
                line, env=wall.environment(home), capture_output=True, text=True, timeout=60, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    return "" if done.stdout.strip() == "shut in" else done.stderr.strip()[-300:] or "it ended"


def _python():
    """This interpreter, by a path whose folders are no links: those would be missing behind the wall."""
    return str(Path(sys.prefix).resolve() / Path(sys.executable).parent.name / Path(sys.executable).name)


def interpreter(megabytes: int) -> list[str]:
    """The command that runs `inside.py`."""
    return [_python(), str(_PACKAGE / "course" / "inside.py"), str(megabytes)]


def _readable():
    """What a submission may read, and links ``(path, target)``: the system, Python, the package."""
    found, links = ["/usr"], []
    for path in ("/bin", "/sbin", "/lib", "/lib64", "/lib32"):
        if os.path.islink(path):
            links.append((path, os.readlink(path)))
        elif os.path.isdir(path):
            found.append(path)
    homes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, *site.getsitepackages()}
    homes |= {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    homes |= {path for path in sys.path if path.endswith(("site-packages", "dist-packages"))}
    found += sorted({os.path.realpath(path) for path in homes if os.path.isdir(path)})
    found += [path for path in _ETC if os.path.exists(path)]
    found.append(str(_PACKAGE))
    inside = [path for path in found if not _within([path], [each for each in found if each != path])]
    return inside, links


def _within(paths, folders):
    """Those paths that lie below one of the folders."""
    return [path for path in paths if any(Path(path).is_relative_to(folder) for folder in folders)]
