"""Processor time, by who spent it: another load on the machine blurs it less than it blurs the clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from benchmarks.server import Server


@contextmanager
def spent(running: Server) -> Iterator[dict[str, float]]:
    """Seconds that the web server and the database spend in the block, by name; filled in when it ends."""
    before = _so_far(running)
    seconds: dict[str, float] = {}
    yield seconds
    seconds |= {name: now - before[name] for name, now in _so_far(running).items()}


def _so_far(running: Server) -> dict[str, float]:
    database = int((running.directory / "postgres" / "postmaster.pid").read_text().split()[0])
    return {"server": _of_family(running.pid), "database": _of_family(database)}


def _of_family(pid: int) -> float:
    """Seconds of a process and its living children; those that ended count with their parent."""
    total = 0.0
    for process in (parent := psutil.Process(pid), *parent.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total
