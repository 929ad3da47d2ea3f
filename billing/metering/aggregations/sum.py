"""`sum`: the quantities added up: energy of registers, hours of machines, gigabytes of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from billing.metering.aggregations.protocol import Aggregation, Example
from billing.metering.slots import Part, Slot
from core.decimals import EXACT


@dataclass(frozen=True)
class Sum:
    """The sum over all slots, exact. Negative events (a correction by the source) count as they are."""

    name: str = "sum"
    parts: frozenset[Part] = frozenset({Part.SUM})
    examples: Sequence[Example] = (
        Example("nothing was used", [], "0"),
        Example("an empty slot adds nothing", [["1.5"], [], ["2.5"]], "4"),
        Example("many events in one slot", [["1", "2", "3"]], "6"),
        Example(
            "no digit is lost",
            [["0.000000000001"], ["99999999999999999999999999"]],
            "99999999999999999999999999.000000000001",
        ),
        Example("a source takes something back", [["5", "-2"]], "3"),
    )

    def reduce(self, slots: Sequence[Slot]) -> Decimal:
        total = Decimal(0)
        for slot in slots:
            total = EXACT.add(total, slot.sum)
        return total


PLUGIN: Aggregation = Sum()
