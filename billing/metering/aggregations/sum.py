"""`sum`: the quantities added up: energy of registers, hours of machines, gigabytes of events."""

from __future__ import annotations

from collections.abc import Sequence

from billing.members import Members
from billing.metering.aggregations.protocol import Aggregation, AggregationKind, Example, Reduced
from billing.metering.slots import Part, Slot
from core.decimals import exact_sum


def parse(members: Members, unit: str) -> Aggregation:
    """A sum has no members."""
    return Aggregation(_reduce, parts=frozenset({Part.SUM}), additive=True, registers=True)


def _reduce(slots: Sequence[Slot]) -> Reduced:
    return Reduced(exact_sum(slot.sum for slot in slots))


PLUGIN = AggregationKind(
    name="sum",
    summary="The quantities added up, exactly. Negative events, which take something back, count as they are.",
    parse=parse,
    examples=[
        Example("nothing was used", [], "0"),
        Example("a time without events adds nothing", [(0, "1.5"), (59, "2.5")], "4"),
        Example("many events at one instant", [(7, "1"), (7, "2"), (7, "3")], "6"),
        Example(
            "no digit is lost",
            [(0, "0.000000000001"), (1, "99999999999999999999999999")],
            "99999999999999999999999999.000000000001",
        ),
        Example("a source takes something back", [(0, "5"), (1, "-2")], "3"),
        Example("what lies outside the span does not count", [(-1, "5"), (0, "2"), (60, "7")], "2"),
    ],
)
