"""Slots: consumption cut into stretches of time, each with the parts that aggregations reduce.

The usage port (`stores/usage`) answers slots; an aggregation says which parts it needs and makes a quantity of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from billing.metering.evidence import Evidence
from billing.metering.quality import NONE, ZERO, Shares
from core.decimals import EXACT
from core.period import Period


class Part(StrEnum):
    """What a slot can tell. A store may leave out the parts that nobody asked for."""

    SUM = "sum"
    COUNT = "count"
    MIN = "min"
    MAX = "max"
    FIRST = "first"
    LAST = "last"
    INTEGRAL = "integral"


@dataclass(frozen=True)
class Slot:
    """One stretch of one item's usage, in the unit that was asked for.

    Args:
        period: half-open.
        sum: consumption of registers plus quantities of events.
        count: events in the slot (registers do not count).
        min, max: smallest and largest quantity of an event; None without events.
        first, last: quantity of the earliest and latest event (by `at`, then by id); None without events.
        integral: level times seconds, for levels; None where nobody asked for it.
        quality: `sum` by quality; events are measured.
    """

    period: Period
    sum: Decimal = ZERO
    count: int = 0
    min: Decimal | None = None
    max: Decimal | None = None
    first: Decimal | None = None
    last: Decimal | None = None
    integral: Decimal | None = None
    quality: Shares = NONE


@dataclass(frozen=True)
class SlotRequest:
    """Usage that is wanted of one item: hashable, so that answers come back by request.

    Args:
        item_id: the subscription item (its assignments say which points count).
        subscription_id: the item's subscription (events name it).
        meter_id: the meter (events name it).
        unit: the meter's unit; registers of another dimension do not count.
        edges: instants, rising, at least two. Slots lie between neighbours: `(start, end)` asks for one slot.
        parts: what the aggregation needs.
    """

    item_id: UUID
    subscription_id: UUID
    meter_id: UUID
    unit: str
    edges: tuple[datetime, ...]
    parts: frozenset[Part] = frozenset({Part.SUM})

    def __post_init__(self) -> None:
        if len(self.edges) < 2 or any(a >= b for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("edges rise, and there are at least two")

    @property
    def span(self) -> Period:
        return Period(self.edges[0], self.edges[-1])

    @property
    def periods(self) -> tuple[Period, ...]:
        return tuple(Period(a, b) for a, b in zip(self.edges, self.edges[1:], strict=False))


@dataclass(frozen=True)
class Usage:
    """The answer to a request: one slot per period asked for, and what it was computed from.

    Args:
        slots: in order of time, one per period, empty ones included.
        evidence: per point and for events; goes into a charge's inputs as it is (`as_json`).
        known_until: the latest arrival (`received_at`) that was taken into account; None without any.
    """

    slots: tuple[Slot, ...]
    evidence: Evidence
    known_until: datetime | None = None

    @property
    def quality(self) -> Shares:
        return sum((s.quality for s in self.slots), NONE)


@dataclass(frozen=True)
class Event:
    """A quantity reported directly, as aggregations see it."""

    at: datetime
    quantity: Decimal
    id: str = ""


def slots_of_events(events: Iterable[Event], periods: Sequence[Period]) -> tuple[Slot, ...]:
    """Sort events into slots, in memory: what the store does in SQL for stored ones (estimates have no store)."""
    ordered = sorted(events, key=lambda e: (e.at, e.id))
    return tuple(_slot(period, [e.quantity for e in ordered if e.at in period]) for period in periods)


def _slot(period: Period, quantities: Sequence[Decimal]) -> Slot:
    if not quantities:
        return Slot(period)
    total = ZERO
    for quantity in quantities:
        total = EXACT.add(total, quantity)
    return Slot(
        period,
        sum=total,
        count=len(quantities),
        min=min(quantities),
        max=max(quantities),
        first=quantities[0],
        last=quantities[-1],
        quality=Shares(measured=total),
    )
