"""Limits around the kernel that runs a submission: memory, files, processes and network.

`python -m marginlab.guard -f CONNECTION` is an IPython kernel that may write only below its own
folder, may not read what `MARGINLAB_PRIVATE` names, starts no process and opens no connection. What
it is denied raises PermissionError, so a cell that tries it fails and the next one runs. The audit
hook cannot be taken away again by Python code, but it is no sandbox: foreign code in one's own
account belongs into a container (see the book's page on grading).
"""

import os
import sys
import tempfile

_FORBIDDEN = {
    "subprocess.Popen": "start a process",
    "os.system": "start a process",
    "os.exec": "start a process",
    "os.posix_spawn": "start a process",
    "os.fork": "start a process",
    "os.forkpty": "start a process",
    "os.kill": "end a process",
    "os.killpg": "end a process",
    "socket.connect": "use the network",
    "socket.sendto": "use the network",
}
# Events whose first arguments are paths that are changed.
_CHANGES = {"os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod", "os.chown", "os.rename"}
_CHANGES |= {"os.link", "os.symlink", "os.utime", "shutil.rmtree", "shutil.move"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def hook(folder, private):
    """An audit hook: writes only in the folder, reads nothing that is private."""
    writable, private = [folder], list(private)
    # The hook looks up no name that a notebook could replace.
    realpath, sep, fsdecode, denied = os.path.realpath, os.sep, os.fsdecode, PermissionError
    text, is_a, changes, forbidden, writing = (str, bytes), isinstance, _CHANGES, _FORBIDDEN, _WRITING
    devices = ("/dev/null", "/dev/tty")

    def inside(path, folders):
        path = realpath(fsdecode(path))
        for each in folders:
            if path == each or path.startswith(each + sep):
                return True
        return path in devices

    writable, private = [realpath(path) for path in writable], [realpath(path) for path in private]

    def watch(event, args):
        if event in forbidden:
            raise denied(f"a submission may not {forbidden[event]}")
        if event in changes or event == "open":
            paths = [path for path in args[:2] if is_a(path, text)]
            if event == "open":
                paths = paths[:1] if is_a(args[0], text) else []
            changed = event in changes or args[2] & writing
            for path in paths:
                if changed and not inside(path, writable):
                    raise denied(f"a submission may change only its own folder, not {path!r}")
        elif event in ("os.listdir", "os.scandir"):
            paths = [path for path in args if is_a(path, text)]
        else:
            return
        for path in paths:
            if inside(path, private) and path not in devices and not inside(path, writable):
                raise denied("a submission may not read the course's own files")

    return watch


def limit_memory(megabytes):
    """At most so much memory for this process, where the system can promise it."""
    try:
        import resource
    except ImportError:  # Windows
        return
    size = megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**28, 2**28))


def main():
    """The kernel, in the current folder."""
    from ipykernel.kernelapp import IPKernelApp

    kernel = IPKernelApp.instance()
    kernel.initialize([*sys.argv[1:], "--HistoryManager.enabled=False", "--log-level=ERROR"])
    tempfile.tempdir = os.getcwd()
    limit_memory(int(os.environ["MARGINLAB_MEGABYTES"]))
    private = os.environ.pop("MARGINLAB_PRIVATE").split(os.pathsep)
    sys.addaudithook(hook(os.getcwd(), private))
    kernel.start()


if __name__ == "__main__":
    main()
