"""SNMP responders for tests: real UDP, answered by a thread of this process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from standins.pdu import ber
from standins.pdu.responder import DATAGRAM_BYTES_MAX, Responder, Table

Tables = Callable[[], Awaitable[Table | None]]
TAGS = {"2": ber.INTEGER, "65": ber.COUNTER32, "66": ber.GAUGE32, "67": ber.TIMETICKS, "70": ber.COUNTER64}


def recorded(path: Path) -> dict[ber.Oid, bytes]:
    """A recording (`oid|type|value` lines) as objects."""
    objects = {}
    for line in path.read_text().splitlines():
        name, tag, value = line.split("|", 2)
        objects[ber.oid(name)] = _encoded(tag, value)
    return objects


def _encoded(tag: str, value: str) -> bytes:
    if tag in TAGS:
        return ber.integer(int(value), TAGS[tag])
    if tag == "6":
        return ber.object_identifier(ber.oid(value)) if value.count(".") > 1 else ber.text("")
    return ber.text(bytes.fromhex(value) if tag == "4x" else value)


@contextmanager
def responding(
    objects: dict[ber.Oid, bytes] | Tables, *, community: str = "public", size_max: int = DATAGRAM_BYTES_MAX
) -> Iterator[int]:
    """Answer as one device for the length of a block; gives its UDP port."""
    if callable(objects):
        tables = objects
    else:
        fixed = Table(objects)

        async def tables() -> Table | None:
            return fixed

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    opening = loop.create_datagram_endpoint(lambda: Responder(community, tables, size_max), local_addr=("127.0.0.1", 0))
    transport, _ = asyncio.run_coroutine_threadsafe(opening, loop).result(5)
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        loop.call_soon_threadsafe(transport.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
