"""`count`: how many events there were, whatever their quantities. Registers do not count."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from billing.members import Members
from billing.metering.aggregations.protocol import Aggregation, AggregationKind, Example, Reduced
from billing.metering.slots import Part, Slot


def parse(members: Members, unit: str) -> Aggregation:
    """A count has no members."""
    return Aggregation(_reduce, parts=frozenset({Part.COUNT}), additive=True)


def _reduce(slots: Sequence[Slot]) -> Reduced:
    return Reduced(Decimal(sum(slot.count for slot in slots)))


PLUGIN = AggregationKind(
    name="count",
    summary="How many events there were, whatever their quantities.",
    parse=parse,
    examples=[
        Example("nothing happened", [], "0"),
        Example("quantities play no role", [(0, "5"), (0, "0"), (59, "-2")], "3"),
        Example("what lies outside the span does not count", [(-1, "1"), (30, "1"), (60, "1")], "1"),
    ],
)
