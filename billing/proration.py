"""Which part of a span is charged, when something holds for a part of it only.

Parts are fractions of whole numbers, so the parts of a span add up to it exactly, before each line is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from billing.periods import local_date
from core.decimals import EXACT, ROUNDING
from core.money import divide_exactly_enough
from core.period import Period

DAY, SECOND, DAY_30_360, NONE = "day", "second", "day_30_360", "none"
METHODS = (DAY, SECOND, DAY_30_360, NONE)

_MICROSECOND = timedelta(microseconds=1)
_QUANTITY_PLACES = Decimal("0.000000000001")
# A share of an amount is cut here, far below where it could change how the line is rounded.
_AMOUNT_PLACES = Decimal(1).scaleb(-40)


@dataclass(frozen=True)
class Share:
    """`numerator / denominator` of a span: 20 of 31 days. Between zero and one."""

    numerator: int
    denominator: int

    @property
    def whole(self) -> bool:
        """Whether it is the full span."""
        return self.numerator == self.denominator

    def of(self, amount: Decimal) -> Decimal:
        """This part of an exact amount; divided once, at 100 digits, so that a later rounding is right."""
        if self.whole:
            return amount
        return divide_exactly_enough(EXACT.multiply(amount, Decimal(self.numerator)), Decimal(self.denominator))


WHOLE = Share(1, 1)


def share(method: str, full: Period, used: Period, time_zone: str) -> Share:
    """The part of a span that is used.

    Args:
        method: `day` counts local dates (used days = date(end) - date(start), so the day of a change belongs to the new
            contract and the day of cancellation is not charged), `second` elapsed time, `day_30_360` dates by 30E/360,
            `none` always charges the full span.
        full: the span from the true anchor, from which the denominator comes.
        used: a part of it.

    Source of 30E/360: ISDA 2006 definitions, section 4.16(g).
    """
    if method == NONE or used == full:
        return WHOLE
    if method == SECOND:
        return Share((used.end - used.start) // _MICROSECOND, (full.end - full.start) // _MICROSECOND)
    days = _days_30_360 if method == DAY_30_360 else _days
    denominator = days(local_date(full.start, time_zone), local_date(full.end, time_zone))
    if denominator <= 0:  # one day from a 30th to a 31st has no length by 30E/360
        return share(DAY, full, used, time_zone)
    return Share(days(local_date(used.start, time_zone), local_date(used.end, time_zone)), denominator)


def _days(start: date, end: date) -> int:
    return (end - start).days


def _days_30_360(start: date, end: date) -> int:
    return 360 * (end.year - start.year) + 30 * (end.month - start.month) + min(end.day, 30) - min(start.day, 30)


def scaled_quantity(quantity: Decimal, share: Share) -> Decimal:
    """The share of a quantity that is meant for a full span, to twelve places."""
    if share.whole:
        return quantity
    return share.of(quantity).quantize(_QUANTITY_PLACES, rounding=ROUND_HALF_UP, context=ROUNDING)


def scaled_amount(amount: Decimal, share: Share) -> Decimal:
    """The share of an amount that is meant for a full span."""
    return amount if share.whole else share.of(amount).quantize(_AMOUNT_PLACES, context=ROUNDING)
