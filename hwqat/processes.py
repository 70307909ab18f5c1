"""The processes that hwqat starts, and the scratch files that they write: none outlives the command.

While a command of `hwqat.cli` runs, everything that it starts carries a mark in its environment, compilers that a
compiler starts included. Ended by Ctrl-C or SIGTERM, the command ends what carries the mark. Ended by SIGKILL it
cannot; so a watchdog, a process that only waits for the command's end of a pipe to close, does that then, and removes
the scratch folders. (On a system without /proc, only what Python itself ends is ended.)
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

log = logging.getLogger(__name__)
MARK = "HWQAT_COMMAND"

#: The watchdog: reads "+path" and "-path" of scratch folders until nobody can write any more.
_WATCHDOG = r"""
import os, shutil, signal, sys, time
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_IGN)
mark, scratch = sys.argv[1].encode(), set()
for line in sys.stdin.buffer:
    path = line[1:].rstrip(b"\n")
    scratch.add(path) if line[:1] == b"+" else scratch.discard(path)
def marked():
    for pid in filter(str.isdigit, os.listdir("/proc")) if os.path.isdir("/proc") else ():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if mark in file.read().split(b"\0"):
                    yield int(pid)
        except OSError:
            pass
for again in range(200):
    found = [*marked()]
    if not found:
        break
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    time.sleep(0.01)
for path in scratch:
    shutil.rmtree(path, ignore_errors=True)
"""


class Terminated(KeyboardInterrupt):
    """SIGTERM: as Ctrl-C, but for the exit code."""


class _Command:
    """The command that runs. mark: of its processes, NAME=VALUE. ending: nothing is to be started any more."""

    def __init__(self) -> None:
        self.mark = f"{MARK}={os.getpid()}.{secrets.token_hex(8)}"
        self.lock = threading.Lock()
        self.watchdog: subprocess.Popen | None = None
        self.ending = False

    def watch(self) -> subprocess.Popen:
        """The watchdog, begun when it is first needed."""
        with self.lock:
            if self.watchdog is None:
                self.watchdog = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", _WATCHDOG, self.mark],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={name: value for name, value in os.environ.items() if name != MARK},
                    start_new_session=True,
                )
            return self.watchdog

    def tell(self, word: str, path: Path) -> None:
        pipe = self.watch().stdin
        with self.lock, contextlib.suppress(OSError):
            pipe.write(word.encode() + os.fsencode(path) + b"\n")
            pipe.flush()

    def end(self) -> None:
        """End what still runs, and wait until the watchdog has."""
        self.ending = True
        if self.watchdog is not None:
            with contextlib.suppress(OSError):
                self.watchdog.stdin.close()
            self.watchdog.wait()


_command: _Command | None = None


@contextlib.contextmanager
def command() -> Iterator[None]:
    """Around a command: SIGTERM is `Terminated`, and what is started inside does not outlive it."""
    global _command
    if _command is not None or threading.current_thread() is not threading.main_thread():
        yield  # a command inside a command, or in somebody's thread, which may not set what signals do
        return
    before = os.environ.get(MARK)
    _command = _Command()
    os.environ[MARK] = _command.mark.partition("=")[2]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number, was in handlers.items():
            if was is not signal.SIG_IGN:  # as nohup and `&` have it
                signal.signal(number, _interrupted)
        yield
    finally:
        for number, was in handlers.items():
            signal.signal(number, was)
        _command.end()
        _command = None
        os.environ.pop(MARK, None) if before is None else os.environ.update({MARK: before})


def _interrupted(number: int, frame: FrameType | None) -> None:
    """End what was started at once: threads wait for it, and would wait for long."""
    if _command is not None:
        _command.ending = True
        for pid in _marked(_command.mark):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def _marked(mark: str) -> Iterator[int]:
    """Processes that carry the mark; this one was started before there was one."""
    for entry in filter(str.isdigit, os.listdir("/proc")) if os.path.isdir("/proc") else ():
        with contextlib.suppress(OSError), open(f"/proc/{entry}/environ", "rb") as file:
            if mark.encode() in file.read().split(b"\0"):
                yield int(entry)


def started() -> None:
    """To be called before other processes are started: the watchdog is there from now on."""
    if _command is not None:
        if _command.ending:
            raise KeyboardInterrupt
        _command.watch()


def pooled() -> None:
    """To be called before a pool of Python's own processes is started.

    multiprocessing keeps one process beside them that clears up what killed ones leave. It serves this whole process, not
    this command alone, and ends with it: so it is not the command's, which would kill it.
    """
    from multiprocessing import resource_tracker

    started()
    mark = os.environ.pop(MARK, None)
    try:
        resource_tracker.ensure_running()
    finally:
        os.environ.update({} if mark is None else {MARK: mark})


def run(arguments: list[str], work: Path | None = None, **options) -> subprocess.CompletedProcess:
    """`subprocess.run` of a tool that does not outlive the command. work: where it is to put its temporary files."""
    started()
    _tell(arguments)
    if work is not None:
        options["env"] = (options.get("env") or os.environ) | {"TMPDIR": str(work)}
    return subprocess.run(arguments, **options)


def popen(arguments: list[str], **options) -> subprocess.Popen:
    """`subprocess.Popen`, likewise."""
    started()
    _tell(arguments)
    return subprocess.Popen(arguments, **options)


def _tell(arguments: list[str]) -> None:
    """For `--verbose`: how to do it by hand."""
    if log.isEnabledFor(logging.DEBUG):
        log.debug("running %s", shlex.join(map(str, arguments)))


# Scratch -----------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def scratch(what: str, folder: Path | None = None) -> Iterator[Path]:
    """A temporary folder, in ``folder`` or where such folders are, that is gone afterwards, even after SIGKILL."""
    start, place = f"{'.' if folder else ''}hwqat-", Path(folder or tempfile.gettempdir())
    for left in place.glob(f"{start}*"):  # of a process whose watchdog was killed, too
        if gone(left.name.removeprefix(start).rpartition("-")[0].partition("-")[2]):
            shutil.rmtree(left, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=f"{start}{what}-{identity()}-", dir=folder))
    if _command is not None:
        _command.tell("+", path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if _command is not None:
            _command.tell("-", path)


def identity() -> str:
    """Names this process in the names of temporary files; `gone` understands it."""
    return f"{os.getpid()}-{_begun(os.getpid())}"


def gone(name: str) -> bool:
    """Whether the process that `identity` named has ended; a name that is none says nothing."""
    pid, _, begun = name.partition("-")
    return pid.isdigit() and begun.isdigit() and _begun(int(pid)) != int(begun)


def _begun(pid: int) -> int:
    """When a process began, in ticks since the machine did; 0 for one that there is, where nobody tells, -1 for none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return -1
    except OSError:
        pass
    return 0
