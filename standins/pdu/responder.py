"""Answering SNMP v2c datagrams from a table of objects: GET, GETNEXT, GETBULK (RFC 3416 §4.2)."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from standins.pdu import ber

TOO_BIG, NO_ACCESS = 1, 6
# What fits one Ethernet frame: 1500 less the headers of IP and UDP.
DATAGRAM_BYTES_MAX = 1472
Binding = tuple[ber.Oid, bytes]


class Table:
    """The objects of one agent at one instant: encoded values under sorted names."""

    def __init__(self, objects: dict[ber.Oid, bytes]) -> None:
        self._objects = objects
        self._names = sorted(objects)

    def get(self, name: ber.Oid) -> Binding:
        """The object itself, or `noSuchInstance`."""
        return name, self._objects.get(name, ber.NO_SUCH_INSTANCE)

    def after(self, name: ber.Oid) -> Binding:
        """The next object in the order of names, or `endOfMibView` under the name that was asked."""
        index = bisect_right(self._names, name)
        if index == len(self._names):
            return name, ber.END_OF_MIB_VIEW
        return self._names[index], self._objects[self._names[index]]

    def under(self, root: ber.Oid) -> list[ber.Oid]:
        """The names inside a subtree."""
        index = bisect_left(self._names, root)
        return [name for name in self._names[index:] if name[: len(root)] == root]


def answer(request: ber.Request, table: Table, size_max: int = DATAGRAM_BYTES_MAX) -> bytes | None:
    """The datagram that answers a request, or None for a kind that gets none."""
    if request.kind == ber.SET:
        return ber.encode_response(request, [table.get(name) for name in request.oids], NO_ACCESS, 1)
    if request.kind == ber.GETBULK:
        return _bulk(request, table, size_max)
    if request.kind not in (ber.GET, ber.GETNEXT):
        return None
    look_up = table.get if request.kind == ber.GET else table.after
    datagram = ber.encode_response(request, [look_up(name) for name in request.oids])
    return datagram if len(datagram) <= size_max else ber.encode_response(request, [], TOO_BIG)


def _bulk(request: ber.Request, table: Table, size_max: int) -> bytes:
    """Non-repeaters once, the others repeated, as many as fit: a bulk answer is cut, never too big."""
    single = max(0, request.first)
    bindings = [table.after(name) for name in request.oids[:single]]
    cursor = list(request.oids[single:])
    for _ in range(max(0, request.second) if cursor else 0):
        row = [table.after(name) for name in cursor]
        if len(ber.encode_response(request, bindings + row)) > size_max:
            break
        bindings += row
        cursor = [name for name, _ in row]
        if all(value == ber.END_OF_MIB_VIEW for _, value in row):
            break
    return ber.encode_response(request, bindings)


@dataclass
class Responder(asyncio.DatagramProtocol):
    """One UDP port that answers as one device.

    `table` gives the objects as of now, or None while the device is without power or its time is unknown: it then
    stays silent, as a real one does, and as it does for a wrong community.
    """

    community: str
    table: Callable[[], Awaitable[Table | None]]
    size_max: int = DATAGRAM_BYTES_MAX

    def __post_init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._answering: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(data, addr))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            request = ber.decode_request(data)
        except ber.Malformed:
            return
        if request.community != self.community.encode():
            return
        table = await self.table()
        datagram = table and answer(request, table, self.size_max)
        if datagram and self._transport:
            self._transport.sendto(datagram, addr)
