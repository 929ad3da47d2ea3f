"""What a usage quantity was computed from: points, qualities, exchanges, first and last registers.

Frozen into a charge when it is billed (`as_json`), and read back to explain the line beside how it would look today.
All quantities are in the unit of the request; registers are as the device showed them, with their own unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from billing.metering.quality import NONE, Shares
from core.decimals import EXACT, format_decimal
from core.period import Period, rfc3339


@dataclass(frozen=True)
class RegisterReading:
    """One reading as the device gave it."""

    at: datetime
    value: Decimal
    unit: str
    serial: str | None = None

    def as_json(self) -> dict[str, object]:
        return {
            "at": rfc3339(self.at),
            "value": format_decimal(self.value),
            "unit": self.unit,
            "serial": self.serial,
        }


@dataclass(frozen=True)
class Break:
    """Where one epoch ended and the next began: a swap, a reset, a reboot, a negative step.

    Args:
        cause: `swap`, `reset`, `reboot` or `negative_step`.
        before, after: the readings on both sides.
        naive_difference: what the difference of the two registers would have billed, in the request's unit.
        estimated: what is billed instead for the stretch between them.
    """

    cause: str
    before: RegisterReading
    after: RegisterReading
    naive_difference: Decimal
    estimated: Decimal

    def as_json(self) -> dict[str, object]:
        return {
            "cause": self.cause,
            "before": self.before.as_json(),
            "after": self.after.as_json(),
            "naive_difference": format_decimal(self.naive_difference),
            "estimated": format_decimal(self.estimated),
        }


@dataclass(frozen=True)
class Estimate:
    """What stands in for readings that have not come: from the last one (or the span's start) to `end`.

    `bases` is what it was made of (`billing.metering.tail.Basis`), the best first; empty where nothing was known.
    """

    start: datetime
    end: datetime
    quantity: Decimal
    bases: tuple[str, ...] = ()

    def __add__(self, other: Estimate) -> Estimate:
        """Both, of stretches of one register that follow each other."""
        bases = tuple(dict.fromkeys(self.bases + other.bases))
        return Estimate(self.start, other.end, EXACT.add(self.quantity, other.quantity), bases)

    def scaled(self, factor: Decimal) -> Estimate:
        """In another unit, by an exact factor."""
        return replace(self, quantity=EXACT.multiply(self.quantity, factor))

    def as_json(self) -> dict[str, object]:
        return {
            "span": {"start": rfc3339(self.start), "end": rfc3339(self.end)},
            "quantity": format_decimal(self.quantity),
            "bases": [str(basis) for basis in self.bases],
        }


@dataclass(frozen=True)
class PointEvidence:
    """One register of one point, over the stretch in which it counted for the item.

    Args:
        point: the point's TypeID; path: its place.
        span: assignment and request, intersected.
        quality: consumption by quality, in the request's unit.
        intervals: how many intervals of each quality lie in the span (cut ones included).
        first, last: the outermost readings that were used (they may lie outside the span).
        estimate: what was put in place of readings that had not come; None where none was missing.
    """

    point: str
    path: str
    register: str
    span: Period
    quality: Shares = NONE
    intervals: tuple[tuple[str, int], ...] = ()
    first: RegisterReading | None = None
    last: RegisterReading | None = None
    breaks: tuple[Break, ...] = ()
    estimate: Estimate | None = None

    def as_json(self) -> dict[str, object]:
        return {
            "point": self.point,
            "path": self.path,
            "register": self.register,
            "span": {"start": rfc3339(self.span.start), "end": rfc3339(self.span.end)},
            "quantity": format_decimal(self.quality.total),
            "quality": self.quality.as_json(),
            "intervals": dict(self.intervals),
            "first": self.first.as_json() if self.first else None,
            "last": self.last.as_json() if self.last else None,
            "breaks": [b.as_json() for b in self.breaks],
            "estimate": self.estimate.as_json() if self.estimate else None,
        }


@dataclass(frozen=True)
class Evidence:
    """Everything behind one request's quantity."""

    unit: str
    points: Sequence[PointEvidence] = ()
    event_count: int = 0
    event_quantity: Decimal = Decimal(0)

    def as_json(self) -> dict[str, object]:
        return {
            "unit": self.unit,
            "points": [p.as_json() for p in self.points],
            "events": {"count": self.event_count, "quantity": format_decimal(self.event_quantity)},
        }
