"""Price indexes: a time series of prices, slot by slot, such as the day-ahead price of electricity.

A slot that is not known yet is estimated, so that a missing import holds no invoice: by the mean of the same hours of
the last known month. What was billed on an estimate is trued up when the value arrives, since billed spans are rated
again (domain rule 8).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from core.decimals import MAX_PLACES, ROUNDING, exact_sum
from core.errors import Refused
from core.period import Period, rfc3339

SLOT_MINUTES = (60, 15)
# How far back a known month may lie for an estimate to be made of it.
MONTHS_BACK = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACES = Decimal(1).scaleb(-MAX_PLACES)
_Hour = tuple[int, int]


def slot_start(instant: datetime, slot_minutes: int) -> datetime:
    """The start of the slot that holds an instant. Slots are counted from the full hour in UTC."""
    return instant - (instant - _EPOCH) % timedelta(minutes=slot_minutes)


@lru_cache(maxsize=256)
def slot_edges(span: Period, slot_minutes: int) -> tuple[datetime, ...]:
    """The starts of slots strictly within a span."""
    step = timedelta(minutes=slot_minutes)
    edge = slot_start(span.start, slot_minutes) + step
    edges = []
    while edge < span.end:
        edges.append(edge)
        edge += step
    return tuple(edges)


@dataclass(frozen=True)
class IndexSeries:
    """The values of one index that are known, as far as they were loaded.

    Args:
        unit: what one unit of quantity is, such as `kWh`; a value is a price for it, in major units of `currency`.
        slot_minutes: 60 or 15.
        values: by the start of the slot (UTC), negative ones included. For an estimate they reach back to the last
            known month.
        known_until: when the latest of `values` was recorded; None without any.
    """

    code: str
    unit: str
    currency: str
    slot_minutes: int
    values: Mapping[datetime, Decimal] = field(default_factory=dict)
    known_until: datetime | None = None
    _means: dict[str, Mapping[_Hour, Decimal]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def edges(self, span: Period) -> tuple[datetime, ...]:
        """The starts of its slots strictly within a span."""
        return slot_edges(span, self.slot_minutes)

    def price_of(self, start: datetime, time_zone: str) -> tuple[Decimal, bool]:
        """The value of the slot that starts at an instant, and whether it is an estimate.

        Args:
            time_zone: whose hours of the day an estimate compares.

        Raises:
            Refused: `index_unknown_slots`, when no month is known that an estimate could come from.
        """
        value = self.values.get(start)
        return (value, False) if value is not None else (self._estimate(start, time_zone), True)

    def price_at(self, instant: datetime, time_zone: str) -> tuple[Decimal, bool]:
        """The same of the slot that holds an instant."""
        return self.price_of(slot_start(instant, self.slot_minutes), time_zone)

    def missing(self, spans: Iterable[Period]) -> Iterator[datetime]:
        """The starts of slots that spans touch and no value is known for."""
        for span in spans:
            for start in (slot_start(span.start, self.slot_minutes), *self.edges(span)):
                if start not in self.values:
                    yield start

    def _estimate(self, start: datetime, time_zone: str) -> Decimal:
        """The mean of the same local hours of the last month that knows any, before the slot's own month if it can be.

        It is rounded to 12 places, half away from zero, as a value has them.
        """
        if time_zone not in self._means:
            self._means[time_zone] = _means(self.values, time_zone)
        month, hour = _local(start, ZoneInfo(time_zone))
        for back in (*range(1, MONTHS_BACK + 1), 0):
            mean = self._means[time_zone].get((month - back, hour))
            if mean is not None:
                return mean
        raise Refused(
            "index_unknown_slots",
            f"The index {self.code} has no value at {rfc3339(start)}, and no earlier month to estimate it from.",
        )


def _means(values: Mapping[datetime, Decimal], time_zone: str) -> dict[_Hour, Decimal]:
    """The means of the known values, by local month and hour of the day."""
    zone = ZoneInfo(time_zone)
    found: defaultdict[_Hour, list[Decimal]] = defaultdict(list)
    for start, value in values.items():
        found[_local(start, zone)].append(value)
    return {key: _mean(some) for key, some in found.items()}


def _mean(values: Sequence[Decimal]) -> Decimal:
    return ROUNDING.divide(exact_sum(values), Decimal(len(values))).quantize(_PLACES, context=ROUNDING)


def _local(start: datetime, zone: ZoneInfo) -> _Hour:
    """The month, counted through the years, and the hour of the day."""
    local = start.astimezone(zone)
    return local.year * 12 + local.month, local.hour
