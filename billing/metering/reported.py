"""Usage of events in memory: what the store answers in SQL for stored ones (estimates have no store).

A contract test asks both for the same and compares.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from billing.metering.evidence import Evidence
from billing.metering.quality import Shares
from billing.metering.slots import Cell, Event, Part, Slot, SlotRequest, Usage, joined
from core.decimals import EXACT, exact_sum, format_decimal
from core.period import Period

_TICK = timedelta(microseconds=1)


def usage_of_events(request: SlotRequest, events: Iterable[Event]) -> Usage:
    """The answer to a request when these are all the events there are, and no registers."""
    ordered = sorted(events, key=lambda e: (e.at, e.id))
    within = [event for event in ordered if event.at in request.span]
    found: dict[int, list[Event]] = defaultdict(list)
    for event in within:
        found[bisect_right(request.edges, event.at) - 1].append(event)
    slots = [_slot(request, period, found.get(i, ())) for i, period in enumerate(request.periods)]
    if request.carried:
        before = {_cell(request, event): event.quantity for event in ordered if event.at < request.edges[0]}
        slots = with_levels(slots, before)
    return Usage(
        tuple(slots),
        Evidence(request.unit, (), len(within), exact_sum(e.quantity for e in within)),
        events=tuple(_told(request, event) for event in within) if request.events else (),
    )


def with_levels(slots: Iterable[Slot], before: Mapping[Cell, Decimal]) -> list[Slot]:
    """Slots in order of time, each told the level it begins with; with dimensions, each of its cells.

    Args:
        before: by cell (the empty one without dimensions) the last quantity before the first slot.
    """
    levels, found = dict(before), []
    for slot in slots:
        cells = dict(slot.cells)
        for cell, level in levels.items():
            if cell:
                cells[cell] = replace(cells.get(cell, Slot(slot.period)), level=level)
        found.append(replace(slot, level=levels.get(()), cells=cells))
        levels |= {cell: each.last for cell, each in {**slot.cells, (): slot}.items() if each.last is not None}
    return found


def property_text(value: object) -> str | None:
    """A JSON scalar as it is compared: as PostgreSQL's `->>` writes it. None for null and for what is no scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) else _number(value)


def _number(value: object) -> str | None:
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else None


def _cell(request: SlotRequest, event: Event) -> Cell:
    properties = event.properties or {}
    return tuple(property_text(properties.get(name)) for name in request.dimensions)


def _told(request: SlotRequest, event: Event) -> Event:
    return replace(event, properties=dict(zip(request.dimensions, _cell(request, event), strict=True)))


def _slot(request: SlotRequest, period: Period, events: Sequence[Event]) -> Slot:
    if not events:
        return Slot(period)
    if not request.dimensions:
        return _filled(request, period, events)
    by_cell: dict[Cell, list[Event]] = defaultdict(list)
    for event in events:
        by_cell[_cell(request, event)].append(event)
    cells = {cell: _filled(request, period, some) for cell, some in by_cell.items()}
    return joined(period, cells)


def _filled(request: SlotRequest, period: Period, events: Sequence[Event]) -> Slot:
    quantities = [event.quantity for event in events]
    added = exact_sum(quantities)
    levels = Part.INTEGRAL in request.parts
    return Slot(
        period,
        sum=added,
        count=len(quantities),
        min=min(quantities),
        max=max(quantities),
        first=quantities[0],
        last=quantities[-1],
        first_at=events[0].at if levels else None,
        integral=_integral(events, period.end) if levels else None,
        distinct=_distinct(request, events) if Part.DISTINCT in request.parts else frozenset(),
        quality=Shares(measured=added),
    )


def _distinct(request: SlotRequest, events: Sequence[Event]) -> frozenset[str]:
    if request.distinct is None:
        return frozenset(format_decimal(event.quantity) for event in events)
    name = request.distinct
    values = (property_text((event.properties or {}).get(name)) for event in events)
    return frozenset(value for value in values if value is not None)


def _integral(events: Sequence[Event], end: datetime) -> Decimal:
    ends = [*(event.at for event in events[1:]), end]
    return exact_sum(EXACT.multiply(e.quantity, seconds(until - e.at)) for e, until in zip(events, ends, strict=True))


def seconds(length: timedelta) -> Decimal:
    """A length of time in seconds, exact to the microsecond."""
    return Decimal(length // _TICK).scaleb(-6)
