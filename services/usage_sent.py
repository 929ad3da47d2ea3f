"""Usage as callers send it, decoded straight into these by the door: one typed row per event or reading.

Structs instead of schemas, since a request carries up to ten thousand of them. What a type cannot say (a plain
decimal, a length, an instant that is too old) is checked where they are taken, row by row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Annotated, TypeVar

from msgspec import Meta, Struct

from core.decimals import parse_decimal
from core.errors import Invalid

ROWS_MAX = 10_000
SOURCE = "api"
Instant = Annotated[datetime, Meta(tz=True)]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
Scalar = str | int | float | bool | None
Properties = Annotated[dict[Annotated[str, Meta(max_length=100)], Scalar], Meta(max_length=50)]


class SentEvent(Struct, forbid_unknown_fields=True, gc=False):
    """A quantity reported directly. `source` and `id` are its identity."""

    id: Name
    subscription: Name
    meter: Name
    at: Instant
    quantity: str
    properties: Properties | None = None
    source: Name = SOURCE


class SentEvidence(Struct, omit_defaults=True, gc=False):
    """What the device said in the same answer. Members that nobody knows are ignored: devices are many."""

    serial: Annotated[str, Meta(max_length=255)] | None = None
    boots: Annotated[int, Meta(ge=0, le=2**62)] | None = None
    uptime_s: str | None = None
    reset_at: Instant | None = None
    power_w: str | None = None
    modulus: str | None = None
    resolution: str | None = None
    rated_power_w: str | None = None
    speed_bps: str | None = None


EVIDENCE_DECIMALS = ("uptime_s", "power_w", "modulus", "resolution", "rated_power_w", "speed_bps")
IN_ITS_UNIT = ("modulus", "resolution")


class SentReading(Struct, forbid_unknown_fields=True, gc=False):
    """A register's value at an instant. `point` is an id, an external id, a path, or "site/path"."""

    point: Name
    register: Name
    unit: Annotated[str, Meta(min_length=1, max_length=20)]
    at: Instant
    value: str
    evidence: SentEvidence | None = None


@dataclass(frozen=True)
class Rejection:
    """Why one row was not taken. `index` counts from 0 in what was sent; `id` is the event's, if it has one."""

    index: int
    code: str
    detail: str
    id: str | None = None


@dataclass
class Receipt:
    """What became of the rows of one request."""

    accepted: int = 0
    duplicates: int = 0
    rejected: list[Rejection] = field(default_factory=list)


Row = TypeVar("Row", SentEvent, SentReading)
Sent = list[tuple[int, Row]]


@lru_cache(maxsize=65_536)
def wrong_decimal(text: str) -> tuple[str, str] | None:
    """The code and sentence of what is wrong with a decimal string, or None. Quantities repeat, so it is remembered."""
    try:
        parse_decimal(text)
    except Invalid as wrong:
        return wrong.code, wrong.detail
    return None
