"""The server that runs on a data directory: `busbar serve` writes it down; `stop` and `doctor` read it."""

from __future__ import annotations

import os
import signal
from dataclasses import asdict, dataclass
from pathlib import Path

from embedded import processes

MARKER = "cli serve"


@dataclass(frozen=True)
class Running:
    """A server: the pid of its first process and its address."""

    pid: int
    url: str


def _path(data_dir: Path) -> Path:
    return data_dir / "run" / "serve.json"


def write_down(data_dir: Path, running: Running) -> None:
    path = _path(data_dir)
    path.parent.mkdir(parents=True, exist_ok=True)
    processes.remember(path, asdict(running))


def strike_out(data_dir: Path, pid: int) -> None:
    """Forget the server, if it is still this one that is written down."""
    if processes.recall(_path(data_dir)).get("pid") == pid:
        _path(data_dir).unlink(missing_ok=True)


def find(data_dir: Path) -> Running | None:
    """The server that runs on this data directory."""
    record = processes.recall(_path(data_dir))
    pid = int(record.get("pid", 0))
    if not pid or processes.process(pid, MARKER) is None:
        return None
    return Running(pid, str(record.get("url", "")))


def stop_serving(data_dir: Path) -> bool:
    """Stop the server that runs on this data directory; False when none does."""
    running = find(data_dir)
    if running is None:
        return False
    os.kill(running.pid, signal.SIGTERM)
    if not processes.wait_until(lambda: find(data_dir) is None, 30):
        os.kill(running.pid, signal.SIGKILL)
    return True
