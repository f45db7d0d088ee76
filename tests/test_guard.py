"""What a submission's process may do; that it holds in a real kernel, tests/test_course.py shows."""

import os

import pytest

from marginlab import guard

READ, WRITE = os.O_RDONLY, os.O_WRONLY | os.O_CREAT


@pytest.fixture
def watch(tmp_path):
    """The hook, called with an audit event: it cannot be taken off again, so it is not installed here."""
    for name in ("own", "course", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "own" / "way_out").symlink_to(tmp_path / "elsewhere")
    watch = guard.hook(str(tmp_path / "own"), [str(tmp_path / "course")])

    def event(name, *args):
        watch(name, tuple(str(tmp_path / arg) if isinstance(arg, str) else arg for arg in args))

    return event


@pytest.mark.parametrize(
    "event",
    [
        ("open", "own/notes.txt", "w", WRITE),
        ("open", "elsewhere/data.txt", "r", READ),
        ("open", 5, "w", WRITE),  # a file that is open already
        ("open", "/dev/null", "w", WRITE),
        ("os.mkdir", "own/figures", 0o777, -1),
        ("os.rename", "own/a", "own/b", -1, -1),
        ("os.listdir", "elsewhere"),
        ("import", "numpy", None, None, None, None),
    ],
)
def test_allowed(watch, event):
    watch(*event)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (("open", "elsewhere/data.txt", "w", WRITE), "only its own folder"),
        (("open", "own/way_out/data.txt", "w", WRITE), "only its own folder"),
        (("open", "own/../elsewhere/data.txt", "a", WRITE), "only its own folder"),
        (("open", b"/elsewhere", "w", WRITE), "only its own folder"),
        (("open", "course/hidden.ipynb", "r", READ), "the course's own files"),
        (("os.listdir", "course"), "the course's own files"),
        (("os.remove", "elsewhere/data.txt", -1), "only its own folder"),
        (("os.rename", "own/a", "elsewhere/a", -1, -1), "only its own folder"),
        (("subprocess.Popen", "sh", [], None, None), "start a process"),
        (("os.kill", 1, 9), "end a process"),
        (("socket.connect", None, ("127.0.0.1", 80)), "use the network"),
    ],
)
def test_denied(watch, event, words):
    with pytest.raises(PermissionError, match=words):
        watch(*event)
