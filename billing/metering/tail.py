"""What a register has counted since its last reading, where the readings stop before a span ends.

No invoice waits for a missing reading (domain rule 8): the rest is estimated hour by hour, and trued up when readings
come. An hour counts as the mean of the same hour of the week in the four weeks before the last reading; where none of
those is known, as the mean of the hours that are; where no whole hour is known, at the last rate. It is never more
than the point's rating, and nothing is invented where nothing is known.

The estimate follows from readings and from nothing else. In particular it does not follow the clock: a closed span
that is rated again tomorrow comes to the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import accumulate

from billing.metering.cuts import HOUR, hour_of
from billing.metering.quality import ZERO
from billing.metering.readings import QUANTITY_MAX, Rate
from core.decimals import EXACT, ROUNDING
from core.quantity import quantize_quantity

WEEK = 168
WEEKS = 4
HOUR_US = Decimal(3_600_000_000)


class Basis(StrEnum):
    """What an hour was estimated by, the best first."""

    SAME_HOURS = "same_hours_of_weeks_before"
    KNOWN_HOURS = "mean_of_weeks_before"
    LAST_RATE = "last_rate"


@dataclass(frozen=True)
class Known:
    """What some hours counted together, in the register's unit. An hour with an estimate in it is not known."""

    quantity: Decimal = ZERO
    hours: int = 0

    @property
    def mean(self) -> Decimal | None:
        """What one of them counted; None when there are none."""
        return quantize_quantity(ROUNDING.divide(self.quantity, Decimal(self.hours))) if self.hours > 0 else None


@dataclass(frozen=True)
class History:
    """What is known of a register up to its last reading.

    Args:
        since: the last reading.
        same: by the hours (0 to 167) from the full hour before it on: those of the same hour one to four weeks earlier.
        all: the hours of the four weeks together.
        rate: at the last reading.
        cap: the most that the point can carry.
    """

    since: datetime
    same: Mapping[int, Known] = field(default_factory=dict)
    all: Known = Known()
    rate: Rate | None = None
    cap: Rate | None = None


@dataclass(frozen=True)
class Tail:
    """An estimate that goes on from a register's last reading for as long as it must.

    Args:
        reached: what it comes to after so many hours from the full hour before `since` on, 0 to a week; then it
            begins anew.
        bases: what each hour of the week was estimated by; None where nothing was known.
    """

    since: datetime
    reached: tuple[Decimal, ...]
    bases: tuple[Basis | None, ...]

    def between(self, start: datetime, end: datetime) -> Decimal:
        """The estimate of [start, end), as far as it lies after `since`. Pieces that touch add up exactly."""
        start = max(start, self.since)
        return EXACT.subtract(self._at(end), self._at(start)) if start < end else ZERO

    def bases_between(self, start: datetime, end: datetime) -> tuple[Basis, ...]:
        """What [start, end) was estimated by, the best first."""
        origin = hour_of(self.since)
        first, last = (max(start, self.since) - origin) // HOUR, -((origin - end) // HOUR)
        used = {self.bases[hour % WEEK] for hour in range(first, min(last, first + WEEK))}
        return tuple(basis for basis in Basis if basis in used)

    def _at(self, instant: datetime) -> Decimal:
        """What it comes to since the full hour before `since`, quantised at the cut as a register is."""
        hours, rest = divmod(instant - hour_of(self.since), HOUR)
        weeks, hour = divmod(hours, WEEK)
        total = EXACT.add(EXACT.multiply(self.reached[WEEK], Decimal(weeks)), self.reached[hour])
        if not rest:
            return total
        whole = EXACT.subtract(self.reached[hour + 1], self.reached[hour])
        part = ROUNDING.divide(EXACT.multiply(whole, Decimal(rest // timedelta(microseconds=1))), HOUR_US)
        return EXACT.add(total, quantize_quantity(part))


def tail(history: History) -> Tail:
    """The estimate that follows from a register's history."""
    hours = [_hour(history, hour) for hour in range(WEEK)]
    reached = accumulate((quantity for quantity, _ in hours), EXACT.add, initial=ZERO)
    return Tail(history.since, tuple(reached), tuple(basis for _, basis in hours))


def hours_known(first: datetime, since: datetime, hour: int) -> int:
    """In how many of the four weeks before the last reading this hour of the week came after the first reading."""
    age = (hour_of(since) - first) // HOUR
    return max(0, min(WEEKS, (age + hour) // WEEK))


def all_hours_known(first: datetime, since: datetime) -> int:
    """How many whole hours of the four weeks before the last reading came after the first one."""
    return max(0, min(WEEKS * WEEK, (hour_of(since) - first) // HOUR))


def _hour(history: History, hour: int) -> tuple[Decimal, Basis | None]:
    same = history.same.get(hour, Known()).mean
    if same is not None:
        return _capped(history, same), Basis.SAME_HOURS
    if history.all.mean is not None:
        return _capped(history, history.all.mean), Basis.KNOWN_HOURS
    if history.rate is not None and history.rate.over(HOUR) < QUANTITY_MAX:
        return _capped(history, history.rate.over(HOUR)), Basis.LAST_RATE
    return ZERO, None


def _capped(history: History, quantity: Decimal) -> Decimal:
    return quantity if history.cap is None else min(quantity, history.cap.over(HOUR))
