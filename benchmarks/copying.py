"""The yardstick: the same rows into the same tables by COPY, as the superuser, whom no policy binds.

Identity and event, a commit per thousand; the rollup is left out, since COPY cannot add to a row. Nothing is decoded,
checked or looked up.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any
from uuid import UUID

import psycopg

from benchmarks.load import ROWS_PER_SECOND_MAX, Outcome, gathered
from benchmarks.server import Server
from core.ids import decode

IDENTITIES = "COPY usage_event_identity (provider_id, digest) FROM STDIN (FORMAT binary)"
EVENTS = (
    "COPY usage_event (provider_id, subscription_id, meter_id, at, digest, source, event_id, quantity, properties,"
    " received_at) FROM STDIN (FORMAT binary)"
)
TYPES = ["uuid", "uuid", "uuid", "timestamptz", "bytea", "text", "text", "numeric", "jsonb", "timestamptz"]


def run(running: Server, size: int, *, connections: int, seconds: float) -> Outcome:
    """Copy rows, `size` a commit, for some seconds."""
    started = multiprocessing.Barrier(connections)
    results: multiprocessing.Queue[Outcome] = multiprocessing.Queue()
    most = int(2.5 * ROWS_PER_SECOND_MAX["events"] * seconds / size / connections)
    clients = [
        multiprocessing.Process(target=_client, args=(running, n, size, seconds, most, started, results))
        for n in range(connections)
    ]
    for client in clients:
        client.start()
    return gathered(results, clients)


def _client(running: Server, part: int, size: int, seconds: float, most: int, started: Any, results: Any) -> None:
    with psycopg.connect(running.database) as connection:
        batches = [_encoded(connection, running, part, number, size) for number in range(most)]
        started.wait()
        outcome, begun, spent_before = Outcome(), time.perf_counter(), time.process_time()
        for identities, events in batches:
            sent = time.perf_counter()
            for statement, data in ((IDENTITIES, identities), (EVENTS, events)):
                with connection.cursor().copy(statement) as copy:
                    copy.write(data)
            connection.commit()
            now = time.perf_counter()
            outcome.rows += size
            outcome.seconds = now - begun
            outcome.latencies_ms.append((now - sent) * 1000)
            if now - begun >= seconds:
                break
        outcome.client_seconds = time.process_time() - spent_before
    results.put(outcome)


def _encoded(connection: Any, running: Server, part: int, number: int, size: int) -> tuple[bytes, bytes]:
    """The rows of one commit, in COPY's binary format already."""
    provider, meter = decode("provider", running.provider_id), decode("meter", running.meter)
    subscriptions = [decode("subscription", s) for s in running.subscriptions]
    now = datetime.now(UTC)
    rows = []
    for i in range(size):
        event_id = f"copy-{part}-{number}-{i}"
        digest = blake2b(f"api\0{event_id}".encode(), digest_size=16).digest()
        at = now - timedelta(days=2) + timedelta(seconds=(number * size + i) % 86_400)
        rows.append(
            (provider, subscriptions[i % len(subscriptions)], meter, at, digest, event_id, f"{(i % 900) + 1}.25")
        )
    return _identities(rows), _events(rows, now)


_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TAIL = b"\xff\xff"


def _field(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _identities(rows: list[Any]) -> bytes:
    lines = [b"\0\2" + _field(provider.bytes) + _field(digest) for provider, _, _, _, digest, _, _ in rows]
    return _HEAD + b"".join(lines) + _TAIL


EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def _instant(at: datetime) -> bytes:
    return ((at - EPOCH) // timedelta(microseconds=1)).to_bytes(8, "big", signed=True)


def _events(rows: list[tuple[UUID, UUID, UUID, datetime, bytes, str, str]], now: datetime) -> bytes:
    from psycopg.types.numeric import DecimalBinaryDumper

    dumper: Any = DecimalBinaryDumper
    properties = b"\1" + json.dumps({"region": "ams", "size": "l"}).encode()
    lines = []
    for provider, subscription, meter, at, digest, event_id, quantity in rows:
        lines.append(
            b"\0\x0a"
            + b"".join(_field(u.bytes) for u in (provider, subscription, meter))
            + _field(_instant(at))
            + _field(digest)
            + _field(b"api")
            + _field(event_id.encode())
            + _field(_numeric(dumper, quantity))
            + _field(properties)
            + _field(_instant(now))
        )
    return _HEAD + b"".join(lines) + _TAIL


def _numeric(dumper: Any, text: str) -> bytes:
    from decimal import Decimal

    return bytes(dumper(Decimal).dump(Decimal(text)))
