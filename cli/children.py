"""Child processes that are started again when they end, and that end with us."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1
AGAIN_SECONDS = 1.0
END_SECONDS = 25.0


@dataclass
class Child:
    """A process to keep: `body` runs in a fork and never returns to the caller."""

    name: str
    body: Callable[[], None]
    pid: int = 0
    started_at: float = 0.0


@dataclass
class Children:
    """Starts, watches and ends its children. Make it before any thread or connection exists: they are forks."""

    each_round: Callable[[], None] = lambda: None
    round_seconds: float = 2.0
    children: list[Child] = field(default_factory=list)
    _ending: bool = False

    def add(self, name: str, body: Callable[[], None]) -> None:
        self.children.append(Child(name, body))

    def start(self) -> None:
        """Start all that do not run."""
        for child in self.children:
            if not child.pid:
                _fork(child)

    def watch(self) -> None:
        """Keep them running until SIGTERM or SIGINT, then end them in peace."""
        for sign in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sign, self._end)
        self.start()
        while not self._ending:
            self._reap()
            self.each_round()
            self._rest()
        self.end()

    def lacking(self) -> bool:
        """Whether one of them has ended."""
        return any(child.pid and _has_ended(child.pid) for child in self.children)

    def _end(self, *_: object) -> None:
        self._ending = True

    def _rest(self) -> None:
        until = time.monotonic() + self.round_seconds
        while not self._ending and time.monotonic() < until:
            time.sleep(0.1)
            if self._reap():
                return

    def _reap(self) -> bool:
        """Start again what has ended; says whether anything had."""
        ended = [child for child in self.children if child.pid and _has_ended(child.pid)]
        for child in ended:
            log.warning("a process ended and is started again", extra={"child": child.name, "pid": child.pid})
            child.pid = 0
            if time.monotonic() - child.started_at < AGAIN_SECONDS:
                time.sleep(AGAIN_SECONDS)
            if not self._ending:
                _fork(child)
        return bool(ended)

    def end(self) -> None:
        """End them all, in peace if they can within a while."""
        running = {child.pid for child in self.children if child.pid}
        deadline = time.monotonic() + END_SECONDS
        _signal(running, signal.SIGTERM)
        while running and time.monotonic() < deadline:
            running = {pid for pid in running if not _has_ended(pid)}
            time.sleep(0.05)
        _signal(running, signal.SIGKILL)


def _signal(pids: set[int], sign: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True


def _fork(child: Child) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    child.started_at = time.monotonic()
    pid = os.fork()
    if pid:
        child.pid = pid
        return
    code = 1
    try:
        _end_with(parent)
        child.body()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0) if not isinstance(end.code, str) else 1
    except BaseException:
        log.exception("a process ends", extra={"child": child.name})
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end_with(parent: int) -> None:
    """In a child: default signals, and an end when the parent is killed (where the kernel offers that)."""
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)
