"""`spread`: the largest quantity less the smallest. Nobody sells by it; it shows that an aggregation is one file."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from billing.members import Members
from billing.metering.aggregations.protocol import Aggregation, AggregationKind, Example, Reduced
from billing.metering.slots import Part, Slot
from core.decimals import EXACT


def parse(members: Members, unit: str) -> Aggregation:
    """A spread has no members."""
    return Aggregation(_reduce, parts=frozenset({Part.MIN, Part.MAX}), level=True)


def _reduce(slots: Sequence[Slot]) -> Reduced:
    least = min((slot.min for slot in slots if slot.min is not None), default=Decimal(0))
    most = max((slot.max for slot in slots if slot.max is not None), default=Decimal(0))
    return Reduced(EXACT.subtract(most, least))


PLUGIN = AggregationKind(
    name="spread",
    summary="The largest quantity less the smallest.",
    parse=parse,
    examples=[Example("three events", [(0, "3"), (1, "9"), (2, "5")], "6")],
)
