"""Arrays in PostgreSQL's binary format, packed in bulk.

The driver packs an array element by element in Python; a request of a thousand rows has ten such arrays, and they cost
more than everything else that is done with the rows. Source: array_send of PostgreSQL (dimensions, a flag for nulls,
the element's type; per dimension length and lower bound; per element length and bytes).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from types import NoneType
from typing import Any, ClassVar
from uuid import UUID

from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper
from psycopg.pq import Format

NULL = b"\xff\xff\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LENGTHS = [n.to_bytes(4, "big") for n in range(1024)]
_PARAMETER = re.compile(r"%\((\w+)\)b::(\w+)\[\]")


class Packed:
    """An array that is packed already; its class says of what."""

    __slots__ = ("data",)
    oid: ClassVar[int]

    def __init__(self, data: bytes) -> None:
        self.data = data


class _PackedDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Packed) -> bytes:
        return obj.data


def _kind(name: str, oid: int) -> type[Packed]:
    return type(name, (Packed,), {"oid": oid, "__slots__": ()})


def _join(elements: Sequence[bytes]) -> bytes:
    pieces = [b""] * (2 * len(elements))
    pieces[1::2] = elements
    try:
        pieces[::2] = [_LENGTHS[len(e)] for e in elements]
    except IndexError:
        pieces[::2] = [len(e).to_bytes(4, "big") for e in elements]
    return b"".join(pieces)


@cache
def _structure(code: str, count: int) -> struct.Struct:
    return struct.Struct("!" + f"i{code}" * count)


def _fixed(code: str, values: Sequence[int]) -> bytes:
    pieces = [struct.calcsize("!" + code)] * (2 * len(values))
    pieces[1::2] = values
    return _structure(code, len(values)).pack(*pieces)


def _uuids(values: Sequence[UUID]) -> bytes:
    length = _LENGTHS[16]
    return length + length.join([v.int.to_bytes(16, "big") for v in values])


def _texts(values: Sequence[str]) -> bytes:
    return _join([v.encode() for v in values])


def _texts_or_nulls(values: Sequence[str | None]) -> bytes:
    """Columns of rows often have some of each."""
    return b"".join([NULL if v is None else len(data := v.encode()).to_bytes(4, "big") + data for v in values])


def _integers(values: Sequence[int]) -> bytes:
    return _fixed("i", values)


def _long_integers(values: Sequence[int]) -> bytes:
    return _fixed("q", values)


def _instants(values: Sequence[datetime]) -> bytes:
    return _fixed("q", [(v - _EPOCH) // _MICROSECOND for v in values])


# type of the element -> (class of the array, oid of the element, how elements are packed)
_KINDS: dict[str, tuple[type[Packed], int, Callable[[Any], bytes]]] = {
    "uuid": (_kind("Uuids", 2951), 2950, _uuids),
    "text": (_kind("Texts", 1009), 25, _texts),
    "bytea": (_kind("Byteas", 1001), 17, _join),
    "timestamptz": (_kind("Instants", 1185), 1184, _instants),
    "int4": (_kind("Integers", 1007), 23, _integers),
    "int8": (_kind("LongIntegers", 1016), 20, _long_integers),
}


@cache
def arrays_of(statement: str) -> dict[str, str]:
    """The parameters of a statement that are arrays of a type packed here: `%(name)b::type[]`, by name."""
    return {name: kind for name, kind in _PARAMETER.findall(statement) if kind in _KINDS}


def pack(kind: str, values: Sequence[Any]) -> Packed:
    """Pack values of one type; None is NULL."""
    array, oid, elements = _KINDS[kind]
    if not values:
        return array(struct.pack("!iii", 0, 0, oid))
    has_nulls = NoneType in set(map(type, values))  # `None in values` compares, which UUIDs do in Python
    head = struct.pack("!iiiii", 1, has_nulls, oid, len(values), 1)
    if not has_nulls:
        return array(head + elements(values))
    if kind == "text":
        return array(head + _texts_or_nulls(values))
    return array(head + b"".join([NULL if v is None else elements([v]) for v in values]))


def teach(context: AdaptContext) -> None:
    """Let a connection send packed arrays."""
    for array, _, _ in _KINDS.values():
        dumper = type(f"{array.__name__}Dumper", (_PackedDumper,), {"oid": array.oid})
        context.adapters.register_dumper(array, dumper)
