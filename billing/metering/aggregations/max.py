"""`max`: the largest quantity of a single event. Registers do not count: their peaks are a `demand`."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from billing.members import Members
from billing.metering.aggregations.protocol import Aggregation, AggregationKind, Example, Reduced
from billing.metering.slots import Part, Slot


def parse(members: Members, unit: str) -> Aggregation:
    """A maximum has no members."""
    return Aggregation(_reduce, parts=frozenset({Part.MAX}), level=True)


def _reduce(slots: Sequence[Slot]) -> Reduced:
    return Reduced(max((slot.max for slot in slots if slot.max is not None), default=Decimal(0)))


PLUGIN = AggregationKind(
    name="max",
    summary="The largest quantity of a single event in the span; 0 without events.",
    parse=parse,
    examples=[
        Example("nothing was reported", [], "0"),
        Example("the largest of several", [(0, "3"), (20, "7.5"), (59, "4")], "7.5"),
        Example("the largest of negative ones", [(0, "-3"), (1, "-2")], "-2"),
        Example("a larger one before the span does not count", [(-1, "9"), (0, "3")], "3"),
    ],
)
