"""Cutting intervals at hours, month ends and assignments, so that the pieces add up to the whole exactly.

The unwrapped register is interpolated at the cut, quantised once, and pieces are differences of such values: what one
piece gains by rounding its neighbour loses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from billing.metering.intervals import Interval
from billing.metering.quality import NONE, ZERO, Quality, Shares
from core.decimals import EXACT, ROUNDING
from core.period import utc
from core.quantity import quantize_quantity

HOUR = timedelta(hours=1)


def hour_of(instant: datetime) -> datetime:
    """The start of the UTC hour that an instant lies in."""
    return utc(instant).replace(minute=0, second=0, microsecond=0)


def part(interval: Interval, start: datetime, end: datetime) -> Shares:
    """What of an interval lies in [start, end), by quality.

    A measured interval that sticks out on either side is interpolated; an invalid one gives its estimate as estimated
    and what it metered as invalid.
    """
    a, b = max(start, interval.start), min(end, interval.end)
    if a >= b:
        return NONE
    quantity = _between(interval, interval.start_value, interval.quantity, a, b)
    if interval.quality is Quality.INVALID:
        metered = _between(interval, ZERO, interval.metered or ZERO, a, b)
        return Shares(estimated=quantity, invalid=metered)
    if interval.quality is Quality.MEASURED and (a, b) != (interval.start, interval.end):
        return Shares(interpolated=quantity)
    return replace(NONE, **{interval.quality.value: quantity})


def _between(interval: Interval, origin: Decimal, quantity: Decimal, a: datetime, b: datetime) -> Decimal:
    return EXACT.subtract(_at(interval, origin, quantity, b), _at(interval, origin, quantity, a))


def _at(interval: Interval, origin: Decimal, quantity: Decimal, cut: datetime) -> Decimal:
    """The unwrapped register at an instant: exact at the interval's ends, interpolated and quantised between."""
    if cut == interval.start:
        return origin
    if cut == interval.end:
        return EXACT.add(origin, quantity)
    share = EXACT.multiply(quantity, Decimal((cut - interval.start) // timedelta(microseconds=1)))
    whole = Decimal((interval.end - interval.start) // timedelta(microseconds=1))
    return quantize_quantity(ROUNDING.add(origin, ROUNDING.divide(share, whole)))


def hourly(interval: Interval) -> Iterator[tuple[datetime, Shares]]:
    """An interval by UTC hour: (start of the hour, its part)."""
    hour = hour_of(interval.start)
    if interval.end <= hour + HOUR:
        yield hour, part(interval, interval.start, interval.end)
        return
    while hour < interval.end:
        yield hour, part(interval, hour, hour + HOUR)
        hour += HOUR


def rollup(added: Iterable[Interval], removed: Iterable[Interval] = ()) -> dict[datetime, Shares]:
    """How the hours change when intervals come and go. Hours that do not change are left out."""
    hours: dict[datetime, Shares] = {}
    for interval in added:
        for hour, shares in hourly(interval):
            before = hours.get(hour)
            hours[hour] = shares if before is None else before + shares
    for interval in removed:
        for hour, shares in hourly(interval):
            hours[hour] = hours.get(hour, NONE) + (-shares)
    return {hour: shares for hour, shares in hours.items() if shares != NONE}
