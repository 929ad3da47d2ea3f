"""From slots to pieces: usage as a meter's aggregation counts it, cut and grouped as a price asks for."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from billing.metered import Index, Metered, Needs, Piece
from billing.metering.aggregations.protocol import Aggregation, Reduced
from billing.metering.grids import merged
from billing.metering.quality import NONE, Shares
from billing.metering.slots import Cell, Event, Part, Slot, SlotRequest, Usage
from billing.proration import WHOLE, Share
from core.decimals import EXACT, exact_sum
from core.errors import Refused
from core.period import Period

_TICK = timedelta(microseconds=1)
_ZERO = Decimal(0)


@dataclass(frozen=True)
class Counting:
    """How a price on a meter counts usage.

    Args:
        time_zone: of bands, windows and samples, where the price names none.
        indexes: by code; the one that the price follows must be there.
    """

    needs: Needs
    aggregation: Aggregation
    time_zone: str
    indexes: Mapping[str, Index] = field(default_factory=dict)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The event properties to group by: the aggregation's own first."""
        return tuple(dict.fromkeys((*self.aggregation.dimensions, *self.needs.dimensions)))

    def edges(self, span: Period) -> tuple[datetime, ...]:
        """The instants between which usage is asked for, the ends of the span included.

        Raises:
            Refused: `index_unknown`.
        """
        found = self.aggregation.grid(span, self.time_zone)
        if self.needs.cuts:
            found = merged(found, _cut(self.needs, span, self.time_zone))
        if self.needs.index is not None:
            found = merged(found, self._index(self.needs.index).edges(span))
        return found

    def request(
        self, edges: tuple[datetime, ...], *, item_id: UUID, subscription_id: UUID, meter_id: UUID, unit: str
    ) -> SlotRequest:
        """What to ask for, between neighbouring instants, of what an item uses on a meter."""
        return SlotRequest(
            item_id=item_id,
            subscription_id=subscription_id,
            meter_id=meter_id,
            unit=unit,
            edges=edges,
            parts=self.aggregation.parts,
            registers=self.aggregation.registers,
            dimensions=self.dimensions,
            distinct=self.aggregation.distinct,
            carried=self.aggregation.carried,
            events=self.needs.events,
        )

    def stretches(self, used: Usage, edges: Sequence[datetime]) -> Sequence[Stretch]:
        """Usage between neighbouring edges, for people to look at: no price cuts or groups it.

        Args:
            used: the answer for `shown_edges(edges)`.
        """
        grouped: dict[int, list[Slot]] = {i: [] for i in range(len(edges) - 1)}
        for slot in used.slots:
            grouped[bisect_right(edges, slot.period.start) - 1].append(slot)
        return [self._stretch(Period(edges[i], edges[i + 1]), slots) for i, slots in grouped.items()]

    def shown_edges(self, edges: tuple[datetime, ...]) -> tuple[datetime, ...]:
        """The instants between which usage is asked for to be shown between these."""
        return merged(edges, self.aggregation.grid(Period(edges[0], edges[-1]), self.time_zone))

    def _stretch(self, period: Period, slots: Sequence[Slot]) -> Stretch:
        try:
            quantity = self.aggregation.reduce(slots).quantity
        except Refused:  # no samples: nothing to be seen
            quantity = _ZERO
        return Stretch(period, quantity, sum((slot.quality for slot in slots), NONE))

    def _index(self, code: str) -> Index:
        if code not in self.indexes:
            raise Refused("index_unknown", f"There is no price index {code}.")
        return self.indexes[code]

    def metered(self, used: Usage, span: Period, share: Share = WHOLE) -> Counted:
        """Usage as a price sees it, and what the aggregation says of how it came about.

        What is additive is cut at every edge. A level or a peak is one for each band or cell: it is reduced over all
        the stretches that are priced alike. A level over time counts in a band for as long as it lasts there.

        Raises:
            Refused: the aggregation makes no quantity of this usage (`no_samples`).
        """
        reduced: list[Reduced] = []
        pieces = tuple(self._pieces(used, reduced))
        flags = tuple(dict.fromkeys(flag for each in reduced for flag in each.flags))
        notes = reduced[0].notes if len(reduced) == 1 else {}
        return Counted(Metered(pieces, self.time_zone, span, share, self.indexes), flags, notes)

    def _pieces(self, used: Usage, reduced: list[Reduced]) -> Iterable[Piece]:
        if self.needs.events:
            yield from self._one_by_one(used)
            return
        for period, slots in self._alike(used.slots):
            for cell, some in self._cells(slots):
                found = self.aggregation.reduce(some)
                reduced.append(found)
                count = sum(slot.count for slot in some)
                if self.needs.plain or found.quantity or count:
                    yield Piece(found.quantity, period, self._named(cell), count)

    def _one_by_one(self, used: Usage) -> Iterable[Piece]:
        """Each event as it counts alone; after those of a slot what registers counted in it: no event tells of that."""
        starts, grouped = [slot.period.start for slot in used.slots], defaultdict[int, list[Event]](list)
        for event in used.events:
            grouped[bisect_right(starts, event.at) - 1].append(event)
        for i, slot in enumerate(used.slots):
            for event in grouped[i]:
                alone = Slot(Period(event.at, event.at + _TICK), event.quantity, count=1)
                yield Piece(self.aggregation.reduce((alone,)).quantity, alone.period, self._told(event.properties), 1)
            if self.aggregation.registers:
                rest = EXACT.subtract(slot.sum, exact_sum(event.quantity for event in grouped[i]))
                if rest:
                    yield Piece(rest, slot.period, self._told(None))

    @property
    def _timed(self) -> bool:
        return bool(self.needs.cuts or self.needs.index)

    def _alike(self, slots: Sequence[Slot]) -> Iterable[tuple[Period | None, Sequence[Slot]]]:
        """The slots that are counted together, in order of time, and when the first of them is."""
        if not self._timed:
            return [(None, slots)]
        if self.aggregation.additive:
            return [(slot.period, [slot]) for slot in slots]
        keys = [tuple(cuts.key(slot.period.start, self.time_zone) for cuts in self.needs.cuts) for slot in slots]
        groups: dict[Hashable, list[Slot]] = {}
        for key, slot in zip(keys, slots, strict=True):
            groups.setdefault(key, []).append(slot)
        if Part.INTEGRAL not in self.aggregation.parts:
            return [(some[0].period, some) for some in groups.values()]
        return [(some[0].period, _alone(slots, keys, key)) for key, some in groups.items()]

    def _cells(self, slots: Sequence[Slot]) -> Iterable[tuple[Cell, Sequence[Slot]]]:
        """The slots once for each cell that the price tells apart, in the order of cells; once without any."""
        if not self.needs.dimensions:
            return [((), slots)]
        cells = sorted({cell for slot in slots for cell in slot.cells}, key=_in_order)
        return [(cell, [slot.cells.get(cell, Slot(slot.period)) for slot in slots]) for cell in cells]

    def _named(self, cell: Cell) -> Mapping[str, str | None] | None:
        return dict(zip(self.dimensions, cell, strict=True)) if self.needs.dimensions else None

    def _told(self, properties: Mapping[str, object] | None) -> Mapping[str, str | None] | None:
        if not self.needs.dimensions:
            return None
        values = properties or {}
        return {name: None if values.get(name) is None else str(values[name]) for name in self.needs.dimensions}


@dataclass(frozen=True)
class Stretch:
    """What was used between two instants; `quality` is of what was counted, in the meter's unit."""

    period: Period
    quantity: Decimal
    quality: Shares


@dataclass(frozen=True)
class Counted:
    """Metered usage, with the doubts and notes that its line shows."""

    metered: Metered
    flags: tuple[str, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)


def _alone(slots: Sequence[Slot], keys: Sequence[Hashable], wanted: Hashable) -> Sequence[Slot]:
    """A level over time as if it were zero in all other bands: what bands have of it adds up to the whole."""
    return [slot if key == wanted else Slot(slot.period) for slot, key in zip(slots, keys, strict=True)]


@lru_cache(maxsize=256)
def _cut(needs: Needs, span: Period, time_zone: str) -> tuple[datetime, ...]:
    """The edges of a price's bands within a span; thousands of items share them."""
    return tuple(sorted({edge for cuts in needs.cuts for edge in cuts.edges(span, time_zone)}))


def _in_order(cell: Cell) -> tuple[tuple[bool, str], ...]:
    """Cells by their values; what has none comes last."""
    return tuple((value is None, value or "") for value in cell)


def misfit(needs: Needs, aggregation: Aggregation) -> tuple[str, str] | None:
    """Why a price cannot be applied to what an aggregation counts: code and reason. None where it can."""
    if needs.events and not (aggregation.additive and aggregation.dimensions == ()):
        return "aggregation_not_additive", "A price per event needs a meter that adds up its events."
    if needs.index is not None and not aggregation.additive:
        return "aggregation_not_additive", "A price that follows an index needs a meter that adds up: sum or count."
    if needs.dimensions and aggregation.dimensions:
        return "aggregation_not_grouped", "What is measured by direction has no further dimensions."
    return None
