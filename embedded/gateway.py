"""The sandbox card gateway: the stand-in of `standins/gateway`, as a program of its own beside the databases.

Sandbox providers charge their cards there, so a fresh installation needs no account with anybody.
Its port is remembered, so that its address is the same after a restart.
"""

from __future__ import annotations

import os
import random
import socket
import sys
from functools import partial
from pathlib import Path

from core.errors import Misconfigured
from embedded import processes

START_SECONDS = 60
START_TRIES = 3
# Below the ports that systems lend to outgoing connections (Linux from 32768, others from 49152): one of those
# could be lent to anybody while the gateway is down, and its address would be lost.
PORTS = range(20_000, 32_000)
TRIES = 100
KILL_SECONDS = 30
MODULE = "standins.gateway"
CHECKOUT = Path(__file__).resolve().parent.parent


def ensure(data_dir: Path) -> str:
    """The base URL (`http://127.0.0.1:port`) of the gateway of this data directory, which runs when this returns.

    Raises:
        Misconfigured: it cannot start; the sentence says why.
    """
    data_dir = data_dir.resolve()
    if not running(data_dir):
        with processes.locked(data_dir, "gateway"):
            if not running(data_dir):
                _start(data_dir)
    return f"http://127.0.0.1:{_port(data_dir)}"


def running(data_dir: Path) -> bool:
    """Whether the gateway of this data directory runs and takes connections."""
    data_dir = data_dir.resolve()
    return _pid(data_dir) is not None and _takes_connections(_port(data_dir))


def stop(data_dir: Path) -> bool:
    """Stop the gateway of this data directory; False when none was running."""
    data_dir = data_dir.resolve()
    if not _record(data_dir).exists():
        return False
    with processes.locked(data_dir, "gateway"):
        pid = _pid(data_dir)
        if pid is None:
            return False
        processes.end(pid, MODULE)
    return True


def _record(data_dir: Path) -> Path:
    return data_dir / "gateway" / "gateway.json"


def _state(data_dir: Path) -> Path:
    return data_dir / "gateway" / "state.sqlite"


def _port(data_dir: Path) -> int:
    return int(processes.recall(_record(data_dir)).get("port", 0))


def _pid(data_dir: Path) -> int | None:
    """The pid of our gateway; its state file stands in its command line, so another one is not mistaken for it."""
    pid = int(processes.recall(_record(data_dir)).get("pid", 0))
    return pid if pid and processes.process(pid, str(_state(data_dir))) else None


def _takes_connections(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return port > 0 and probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port(remembered: int) -> int:
    """The remembered port, or another of `PORTS` if there is none yet or somebody else keeps it."""
    if remembered and _is_free(remembered):
        return remembered
    for port in random.sample(PORTS, TRIES):
        if _is_free(port):
            return port
    raise Misconfigured("No port of 127.0.0.1 is free for the sandbox gateway.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _start(data_dir: Path) -> None:
    processes.writable(data_dir / "gateway")
    log = processes.writable(data_dir / "log") / "gateway.log"
    _end_former(data_dir)
    for _ in range(START_TRIES):
        port = _free_port(_port(data_dir))
        command = [sys.executable, "-m", MODULE, "--port", str(port), "--state", str(_state(data_dir))]
        pid = processes.spawn(command, log, cwd=CHECKOUT, env=os.environ | {"PYTHONUNBUFFERED": "1"})
        processes.remember(_record(data_dir), {"pid": pid, "port": port})
        processes.wait_until(partial(_has_begun, pid, port), START_SECONDS)
        if running(data_dir):
            return
        if not processes.exited(pid) or _is_free(port):
            break  # not because somebody else took the port in between
    raise Misconfigured(f"The sandbox card gateway does not start: {processes.tail(log)}")


def _has_begun(pid: int, port: int) -> bool:
    return processes.exited(pid) or _takes_connections(port)


def _end_former(data_dir: Path) -> None:
    """End a gateway that hangs, or whose starter was killed before it could write its pid down; and wait until one
    that was killed has let its port go."""
    for stray in processes.matching(str(_state(data_dir))):
        processes.end(stray, MODULE)
    former = int(processes.recall(_record(data_dir)).get("pid", 0))
    if former:
        processes.wait_until(lambda: processes.gone(former, str(_state(data_dir))), KILL_SECONDS)
