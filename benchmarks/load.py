"""Clients that send prepared requests over kept connections, each as soon as the one before is answered.

They are processes of their own and do next to nothing, since they share the machine with the server.
"""

from __future__ import annotations

import json
import multiprocessing
import selectors
import socket
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.server import POINTS, Server

CLIENTS = 2
ROWS_PER_SECOND_MAX = {"events": 80_000, "readings": 25_000}
REQUESTS_PER_SECOND_MAX = 3_000
STEP = timedelta(minutes=5)
BEGINNING = datetime.now(UTC).replace(microsecond=0) - timedelta(days=390)


@dataclass
class Outcome:
    """What a part came to: rows taken, requests answered, and the time from first to last."""

    rows: int = 0
    seconds: float = 0
    latencies_ms: list[float] = field(default_factory=list)
    client_seconds: float = 0

    @property
    def rows_per_second(self) -> float:
        return self.rows / self.seconds

    @property
    def requests_per_second(self) -> float:
        return len(self.latencies_ms) / self.seconds

    def percentile(self, percent: int) -> float:
        return statistics.quantiles(self.latencies_ms, n=100)[percent - 1] if len(self.latencies_ms) > 1 else 0.0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.rows + other.rows,
            max(self.seconds, other.seconds),
            self.latencies_ms + other.latencies_ms,
            self.client_seconds + other.client_seconds,
        )


def run(running: Server, kind: str, size: int, *, connections: int, seconds: float, apart: bool = False) -> Outcome:
    """Send rows of one kind, `size` a request, for some seconds. Every row must be taken.

    Args:
        apart: each client sends events of subscriptions of its own, as sources that know nothing of each other do;
            else both send for all, and wait for each other's hours.
    """
    most = min(int(ROWS_PER_SECOND_MAX[kind] * seconds / size), int(REQUESTS_PER_SECOND_MAX * seconds)) + 20
    bodies = [_body(running, kind, size, number, apart) for number in range(most)]
    started = multiprocessing.Barrier(CLIENTS)
    results: multiprocessing.Queue[Outcome | str] = multiprocessing.Queue()
    clients = [
        multiprocessing.Process(
            target=_client,
            args=(
                running,
                f"/v1/usage/{kind}",
                bodies[n::CLIENTS],
                size,
                connections // CLIENTS,
                seconds,
                started,
                results,
            ),
        )
        for n in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    return gathered(results, clients)


def gathered(results: Any, clients: Sequence[Any]) -> Outcome:
    """What all clients came to; the first failure of one is raised here."""
    total = Outcome()
    for _ in clients:
        result = results.get()
        if isinstance(result, str):
            raise RuntimeError(result)
        total += result
    for client in clients:
        client.join()
    return total


_runs = iter(range(1000))
_tags: dict[tuple[str, int, bool], int] = {}


def _body(running: Server, kind: str, size: int, number: int, apart: bool) -> bytes:
    """One request's body. Events spread over subscriptions and a day; readings are one poll of `size` points."""
    key = (kind, size, apart)
    tag = _tags.setdefault(key, next(_runs) if key not in _tags else 0)
    subscriptions = running.subscriptions[number % CLIENTS :: CLIENTS] if apart else running.subscriptions
    if kind == "events":
        now = datetime.now(UTC) - timedelta(days=2)
        rows: list[dict[str, Any]] = [
            {
                "id": f"{tag}-{number}-{i}",
                "subscription": subscriptions[(number * size + i) % len(subscriptions)],
                "meter": running.meter,
                "at": (now + timedelta(seconds=(number * size + i) % 86_400)).isoformat(),
                "quantity": f"{(i % 900) + 1}.25",
                "properties": {"region": "ams", "size": "l"},
            }
            for i in range(size)
        ]
    else:
        polls = POINTS // size if size <= POINTS else 1
        poll, part = divmod(number, polls)
        at = BEGINNING + poll * STEP
        rows = [
            {
                "point": point,
                "register": f"energy_{tag}",
                "unit": "Wh",
                "at": at.isoformat(),
                "value": str(1_000_000 + 417 * poll + i),
                "evidence": {"serial": f"ZA{i:05}", "boots": 3, "uptime_s": str(10_000 + 300 * poll)},
            }
            for i, point in enumerate(running.points[part * size : (part + 1) * size])
        ]
    return json.dumps({kind: rows}).encode()


def _client(
    running: Server,
    path: str,
    bodies: Sequence[bytes],
    size: int,
    connections: int,
    seconds: float,
    started: Any,
    results: Any,
) -> None:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {running.key}\r\n"
        "Content-Type: application/json\r\nContent-Length: "
    ).encode()
    waiting = [head + str(len(body)).encode() + b"\r\n\r\n" + body for body in reversed(bodies)]
    selector = selectors.DefaultSelector()
    for _ in range(max(1, connections)):
        link = socket.create_connection(("127.0.0.1", running.port))
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(link, selectors.EVENT_READ, [0.0])
    started.wait()
    try:
        results.put(_exchange(selector, waiting, size, seconds))
    except (OSError, RuntimeError) as error:
        results.put(str(error))


def _exchange(selector: selectors.BaseSelector, waiting: list[bytes], size: int, seconds: float) -> Outcome:
    outcome, begun, spent_before = Outcome(), time.perf_counter(), time.process_time()
    for key in list(selector.get_map().values()):
        _send(key, waiting)
    while selector.get_map():
        for key, _ in selector.select():
            _taken(_answer(key.fileobj), size)
            now = time.perf_counter()
            outcome.rows += size
            outcome.seconds = now - begun
            outcome.latencies_ms.append((now - key.data[0]) * 1000)
            if now - begun < seconds and waiting:
                _send(key, waiting)
            else:
                selector.unregister(key.fileobj)
    outcome.client_seconds = time.process_time() - spent_before
    return outcome


def _send(key: selectors.SelectorKey, waiting: list[bytes]) -> None:
    link: Any = key.fileobj
    key.data[0] = time.perf_counter()
    link.sendall(waiting.pop())


def _answer(link: Any) -> bytes:
    """One answer: headers, and as much body as they say."""
    received = link.recv(65_536)
    while b"\r\n\r\n" not in received:
        received += link.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += link.recv(65_536)
    if b" 200 " not in head[:20]:
        raise RuntimeError(body.decode())
    return bytes(body)


def _taken(body: bytes, size: int) -> None:
    if b'"accepted":%d,' % size not in body and json.loads(body)["accepted"] != size:
        raise RuntimeError(body[:500].decode())
