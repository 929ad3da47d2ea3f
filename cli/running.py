"""What runs on a data directory: `serve` and `worker` write themselves down; `stop` and `doctor` read it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from embedded import processes

SERVER, WORKER = "cli serve", "cli worker"  # as they stand in a command line
END_SECONDS = 60


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
    if not pid or processes.process(pid, SERVER) is None:
        return None
    return Running(pid, str(record.get("url", "")))


def write_down_worker(data_dir: Path, pid: int) -> Path:
    """Write a worker down; it removes the file when it ends."""
    path = data_dir / "run" / f"worker-{pid}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    processes.remember(path, {"pid": pid})
    return path


def stop_all(data_dir: Path) -> list[str]:
    """Stop the server and the workers of this data directory; returns what was running."""
    stopped = []
    server = find(data_dir)
    if server is not None and _end(server.pid, SERVER):
        stopped.append("serve")
    for path in sorted((data_dir / "run").glob("worker-*.json")):
        if _end(int(processes.recall(path).get("pid", 0)), WORKER):
            stopped.append("worker")
        path.unlink(missing_ok=True)
    return stopped


def _end(pid: int, marker: str) -> bool:
    """End a process in peace if it can; False when it was not running."""
    if not pid or processes.process(pid, marker) is None:
        return False
    processes.end(pid, marker, END_SECONDS)
    return True
