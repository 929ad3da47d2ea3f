"""`weighted_sum`: a level weighted by how long it held: gigabytes stored over a month, machines running.

The quantity of an event is the level from then on, until the next event. The level at the start of the span is that of
the last event before it, and 0 before the first event of all. Sum of level times seconds, over the seconds of the span.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from billing.members import Members
from billing.metering.aggregations.protocol import Aggregation, AggregationKind, Example, Reduced
from billing.metering.reported import seconds
from billing.metering.slots import Part, Slot
from core.decimals import EXACT
from core.quantity import quotient

ZERO = Decimal(0)


def parse(members: Members, unit: str) -> Aggregation:
    """A weighted sum has no members."""
    parts = frozenset({Part.FIRST, Part.LAST, Part.INTEGRAL})
    return Aggregation(_reduce, parts=parts, level=True, carried=True)


def _reduce(slots: Sequence[Slot]) -> Reduced:
    area, length = ZERO, ZERO
    for slot in slots:
        until = slot.period.end if slot.first_at is None else slot.first_at
        before = EXACT.multiply(slot.level or ZERO, seconds(until - slot.period.start))
        area = EXACT.add(area, EXACT.add(before, slot.integral or ZERO))
        length = EXACT.add(length, seconds(slot.period.end - slot.period.start))
    return Reduced(quotient(area, length) if length else ZERO)


PLUGIN = AggregationKind(
    name="weighted_sum",
    summary="The level that events report, weighted by how long each held in the span; carried in from before it.",
    parse=parse,
    examples=[
        Example("nothing was ever reported", [], "0"),
        Example("a level over half of the span", [(30, "10")], "5"),
        Example("a level that changes", [(0, "10"), (15, "20"), (45, "0")], "12.5"),
        Example("a level lasts from before the span", [(-100_000, "7")], "7"),
        Example("until it is reported anew", [(-100_000, "8"), (-5, "4"), (45, "8")], "5"),
        Example("what comes after the span does not count", [(0, "3"), (60, "100")], "3"),
        Example("of two at one instant the later holds", [(0, "100"), (0, "6")], "6"),
        Example("what does not come out even has twelve places", [(20, "1")], "0.666666666667"),
    ],
)
