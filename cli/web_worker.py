"""gunicorn's worker with threads, fair between processes and quick for a connection that goes on."""

from __future__ import annotations

import mmap
import select
import socket
import time
from collections.abc import Iterable
from typing import Any

from gunicorn.http.parser import RequestParser
from gunicorn.workers.gthread import TConn, ThreadWorker

LINGER_MS = 20
YIELD_S = 0.001
PLACES = 64

# Open connections of each worker process, one more than there are; 0 where no worker is. Made before the workers are,
# so that all of them see it.
_open = memoryview(mmap.mmap(-1, 4 * PLACES)).cast("I")


def forget(worker: Any) -> None:
    """A worker has ended."""
    _open[worker.age % PLACES] = 0


class Worker(ThreadWorker):
    """Two things are other than in gunicorn's own.

    All processes are told of a new connection, and the quickest takes it; a second connection would wait for the first
    one's Python while another process has nothing to do. So a process that has more than another lets it go first.

    A connection goes back to the thread that waits for all connections, and from there to a free thread, for every
    request. While there are no more connections than threads, a thread stays with its connection for a moment.
    """

    def wait_for_and_dispatch_events(self, timeout: float | None) -> None:
        _open[self.age % PLACES] = self.nr_conns + 1
        super().wait_for_and_dispatch_events(timeout)

    def accept(self, listener: socket.socket) -> None:
        if has_more(self.nr_conns + 1, _open):
            time.sleep(YIELD_S)
        super().accept(listener)
        _open[self.age % PLACES] = self.nr_conns + 1

    def handle(self, conn: TConn) -> bool:
        result = super().handle(conn)
        while result is True and self.alive and self.nr_conns <= self.cfg.threads and _goes_on(conn):
            result = super().handle(conn)
        return result


def has_more(own: int, counts: Iterable[int]) -> bool:
    """Whether a process has more connections than the one with the fewest; `counts` are one more, 0 is no process."""
    return own > min((count for count in counts if count), default=own)


def _goes_on(conn: TConn) -> bool:
    """Whether the next request comes at once. What was read of it already is gunicorn's to find."""
    if not isinstance(conn.parser, RequestParser) or conn.parser.unreader.buf.getvalue():
        return False
    waiting = select.poll()
    waiting.register(conn.sock, select.POLLIN)
    return bool(waiting.poll(LINGER_MS))
