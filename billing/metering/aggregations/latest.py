"""`latest`: the last quantity reported, which holds until the next: licences in use, gigabytes stored.

Carried in: without an event in the span the last one before it holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from billing.members import Members
from billing.metering.aggregations.protocol import Aggregation, AggregationKind, Example, Reduced
from billing.metering.slots import Part, Slot


def parse(members: Members, unit: str) -> Aggregation:
    """The latest quantity has no members."""
    return Aggregation(_reduce, parts=frozenset({Part.FIRST, Part.LAST}), level=True, carried=True)


def _reduce(slots: Sequence[Slot]) -> Reduced:
    for slot in reversed(slots):
        known = slot.level if slot.last is None else slot.last
        if known is not None:
            return Reduced(known)
    return Reduced(Decimal(0))


PLUGIN = AggregationKind(
    name="latest",
    summary="The last quantity reported in the span, or before it when none is in it; 0 when there is none at all.",
    parse=parse,
    examples=[
        Example("nothing was ever reported", [], "0"),
        Example("the last of several", [(0, "3"), (20, "7"), (40, "5")], "5"),
        Example("a level lasts from before the span", [(-100_000, "3"), (-5, "4")], "4"),
        Example("what was reported in the span counts first", [(-5, "4"), (0, "2")], "2"),
        Example("zero is a level", [(-5, "4"), (10, "0")], "0"),
        Example("of two at one instant the greater id is the later", [(7, "1"), (7, "2")], "2"),
    ],
)
