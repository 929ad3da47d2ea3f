"""`average`: the mean of the events' quantities, each counting alike however long it held (contrast weighted_sum)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from billing.members import Members
from billing.metering.aggregations.protocol import Aggregation, AggregationKind, Example, Reduced
from billing.metering.slots import Part, Slot
from core.decimals import exact_sum
from core.quantity import quotient


def parse(members: Members, unit: str) -> Aggregation:
    """An average has no members."""
    return Aggregation(_reduce, parts=frozenset({Part.SUM, Part.COUNT}), level=True)


def _reduce(slots: Sequence[Slot]) -> Reduced:
    count = sum(slot.count for slot in slots)
    if count == 0:
        return Reduced(Decimal(0))
    return Reduced(quotient(exact_sum(slot.sum for slot in slots), Decimal(count)))


PLUGIN = AggregationKind(
    name="average",
    summary="The mean of the events' quantities, to twelve places; 0 without events.",
    parse=parse,
    examples=[
        Example("nothing was reported", [], "0"),
        Example("each event counts alike", [(0, "1"), (1, "2"), (59, "6")], "3"),
        Example("what does not come out even has twelve places", [(0, "1"), (1, "1"), (2, "0")], "0.666666666667"),
        Example("an average below zero", [(0, "-1"), (1, "-1"), (2, "0")], "-0.666666666667"),
        Example("what lies outside the span does not count", [(-1, "100"), (0, "2"), (60, "100")], "2"),
    ],
)
