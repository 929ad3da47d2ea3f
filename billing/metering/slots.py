"""Slots: consumption cut into stretches of time, each with the parts that aggregations reduce.

The usage port (`stores/usage`) answers slots; an aggregation says which parts it needs and makes a quantity of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import pairwise
from uuid import UUID

from billing.metering.evidence import Evidence
from billing.metering.quality import NONE, ZERO, Shares, summed
from core.decimals import exact_sum
from core.period import Period

Cell = tuple[str | None, ...]
"""The values of the dimensions asked for, in their order; None for an event without the property."""


class Part(StrEnum):
    """What a slot can tell. A store may leave out the parts that nobody asked for."""

    SUM = "sum"
    COUNT = "count"
    MIN = "min"
    MAX = "max"
    FIRST = "first"
    LAST = "last"
    INTEGRAL = "integral"
    DISTINCT = "distinct"
    COVERAGE = "coverage"


@dataclass(slots=True)
class Slot:
    """One stretch of one item's usage, in the unit that was asked for. A value; not frozen, since thousands are made.

    Args:
        period: half-open.
        sum: consumption of registers plus quantities of events.
        count: events in the slot (registers do not count).
        min, max: smallest and largest quantity of an event; None without events.
        first, last: quantity of the earliest and latest event (by `at`, then by id); None without events.
        first_at: when the earliest event was; told with `integral`.
        integral: each event's quantity times the seconds until the next one, or until the end of the slot; the level
            before the first event is not in it. None without events, or where nobody asked for it.
        level: quantity of the last event before the slot, however long before; None without one, or where nobody asked.
        distinct: the values of the property asked for, or of the quantity, as text.
        quality: `sum` by quality; events are measured.
        registers: how many registers count in the slot, told with `coverage`.
        unknown: how many of them were not measured throughout the time for which they count: no readings, or an
            estimate in their place. Also told with `coverage`.
        cells: the same by the dimensions asked for, empty cells left out (one with a level is not empty). With
            dimensions, `first`, `last`, `integral` and `level` are told of cells alone.
    """

    period: Period
    sum: Decimal = ZERO
    count: int = 0
    min: Decimal | None = None
    max: Decimal | None = None
    first: Decimal | None = None
    last: Decimal | None = None
    first_at: datetime | None = None
    integral: Decimal | None = None
    level: Decimal | None = None
    distinct: frozenset[str] = frozenset()
    quality: Shares = NONE
    registers: int = 0
    unknown: int = 0
    cells: Mapping[Cell, Slot] = field(default_factory=dict)


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
        registers: whether registers count beside events.
        dimensions: event properties to group by within each slot. Of a register, `direction` is told by its name.
        distinct: the property whose values are wanted; None for the quantity itself. Only for `Part.DISTINCT`.
        carried: whether each slot's `level` is wanted, for quantities that hold until the next event.
        events: whether the events themselves are wanted, in order of time.
    """

    item_id: UUID
    subscription_id: UUID
    meter_id: UUID
    unit: str
    edges: tuple[datetime, ...]
    parts: frozenset[Part] = frozenset({Part.SUM})
    registers: bool = True
    dimensions: tuple[str, ...] = ()
    distinct: str | None = None
    carried: bool = False
    events: bool = False

    def __post_init__(self) -> None:
        if len(self.edges) < 2 or any(a >= b for a, b in pairwise(self.edges)):
            raise ValueError("edges rise, and there are at least two")

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        # Thousands of edges need not be looked at to tell requests apart; a request is looked up a dozen times.
        return hash((self.item_id, self.meter_id, self.edges[0], self.edges[-1], len(self.edges)))

    @cached_property
    def span(self) -> Period:
        return Period(self.edges[0], self.edges[-1])

    @property
    def periods(self) -> tuple[Period, ...]:
        return _periods(self.edges)


@lru_cache(maxsize=32)
def _periods(edges: tuple[datetime, ...]) -> tuple[Period, ...]:
    """Many items of one span have the same edges."""
    return tuple(Period(a, b) for a, b in pairwise(edges))


@dataclass(frozen=True)
class Event:
    """A quantity reported directly, as aggregations see it. `properties` are JSON scalars."""

    at: datetime
    quantity: Decimal
    id: str = ""
    properties: Mapping[str, object] | None = None


@dataclass(frozen=True)
class Usage:
    """The answer to a request: one slot per period asked for, and what it was computed from.

    Args:
        slots: in order of time, one per period, empty ones included; a store may make them as they are looked at.
        evidence: per point and for events; goes into a charge's inputs as it is (`as_json`).
        known_until: the latest arrival (`received_at`) that was taken into account; None without any.
        events: those within the span, by time and then by id, where they were asked for. Their properties are the
            dimensions asked for, as text.
        summed: the quality of all slots together, where it is known already.
    """

    slots: Sequence[Slot]
    evidence: Evidence
    known_until: datetime | None = None
    events: tuple[Event, ...] = ()
    summed: Shares | None = None

    @property
    def quality(self) -> Shares:
        """What was used, by how sure it is."""
        return summed(s.quality for s in self.slots) if self.summed is None else self.summed


def joined(period: Period, cells: Mapping[Cell, Slot]) -> Slot:
    """A slot made of its cells."""
    slots = cells.values()
    return Slot(
        period,
        sum=exact_sum(slot.sum for slot in slots),
        count=sum(slot.count for slot in slots),
        min=min((slot.min for slot in slots if slot.min is not None), default=None),
        max=max((slot.max for slot in slots if slot.max is not None), default=None),
        distinct=frozenset[str]().union(*(slot.distinct for slot in slots)),
        quality=summed(slot.quality for slot in slots),
        registers=sum(slot.registers for slot in slots),
        unknown=sum(slot.unknown for slot in slots),
        cells=cells,
    )
