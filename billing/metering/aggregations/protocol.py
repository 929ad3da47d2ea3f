"""The shape of an aggregation.

A file of this family is a kind of aggregation: `PLUGIN = AggregationKind(name, summary, members, parse, …)`. `parse`
reads the kind's own members, which stand beside `aggregation` in a meter's JSON, and gives an `Aggregation`: what must
be asked of usage, and how the slots of a span become one quantity.

How the rest of the house uses one:

1. Ask for slots whose edges are those of the span, what the price cuts, and `grid(span, time_zone)`; with `parts`,
   `registers`, `dimensions`, `distinct` and `carried` as it says.
2. Give `reduce` the slots that are to be one quantity, in order of time, empty ones included: those of the span, or
   of one band, or of one cell of a price's dimensions (`billing.metering.slots.grouped`).

What may be done with parts of a span follows from its nature:

- `additive` (sum, count): quantities of parts add up to that of the whole, wherever it is cut.
- `level` (max, latest, average, weighted_sum, percentile, demand): a level over the span, whose amount for a part of a
  span is prorated like a recurring price.
- neither (unique_count): counts like an additive one, but parts do not add up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from billing.members import Members
from billing.metering.grids import grid
from billing.metering.slots import Part, Slot
from core.period import Period
from core.quantity import units_of

# What a line shows of a quantity that is not wholly known.
LOW_COVERAGE = "low_coverage"
ESTIMATED_EXCLUDED = "estimated_excluded"
MISSING_EXCLUDED = "missing_excluded"
# The refusal of what cannot be told without samples.
NO_SAMPLES = "no_samples"


@dataclass(frozen=True)
class Reduced:
    """What slots came to.

    Args:
        quantity: at most twelve places, in the unit of `Aggregation.unit`.
        flags: doubts to show on a line: `low_coverage`, `estimated_excluded`, `missing_excluded`.
        notes: how it came about, as JSON values, for the explanation of a charge.
    """

    quantity: Decimal
    flags: tuple[str, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)


Reduce = Callable[[Sequence[Slot]], Reduced]


@dataclass(frozen=True)
class Aggregation:
    """One way to make a quantity of slots, its members read.

    Args:
        reduce: pure; takes slots in order of time, not necessarily without gaps. May raise `Refused`, such as
            `no_samples`.
        parts: what of a slot is read, so that a store computes nothing else.
        registers: whether registers of assigned points count beside events.
        dimensions: event properties by which it needs slots in cells.
        distinct: the property whose values it needs; None for quantities.
        carried: whether it needs the level that each slot begins with.
        minutes: the length of the uniform slots that it needs, on the hour in the price's zone; None when it can do
            with any.
        unit: of its quantity; None for the meter's own.
    """

    reduce: Reduce
    parts: frozenset[Part]
    additive: bool = False
    level: bool = False
    registers: bool = False
    dimensions: tuple[str, ...] = ()
    distinct: str | None = None
    carried: bool = False
    minutes: int | None = None
    unit: str | None = None

    def grid(self, span: Period, time_zone: str) -> tuple[datetime, ...]:
        """The edges of the uniform slots that it needs within a span, the span's ends included.

        Raises:
            Refused: `too_many_slots`.
        """
        return (span.start, span.end) if self.minutes is None else grid(span, self.minutes, time_zone)


@dataclass(frozen=True)
class Example:
    """A contract test, worked out by hand: events, and the quantity they must become.

    Args:
        why: what it shows.
        events: (minutes since the start of the span, quantity, properties); negative minutes lie before the span.
        quantity: expected.
        members: of the aggregation.
        minutes: length of the span, which starts at midnight.
        flags: expected.
        refused: the code with which it is refused instead.
    """

    why: str
    events: Sequence[tuple[int, str] | tuple[int, str, Mapping[str, object]]]
    quantity: str = "0"
    members: Mapping[str, Any] = field(default_factory=dict)
    minutes: int = 60
    flags: tuple[str, ...] = ()
    refused: str | None = None


@dataclass(frozen=True)
class BadExample:
    """Members (or a unit) that a kind refuses, with the code and the pointer of the first error."""

    why: str
    members: Mapping[str, Any]
    code: str
    pointer: str


@dataclass(frozen=True)
class AggregationKind:
    """A plugin of this family.

    Args:
        name: the word in `aggregation`.
        summary: one sentence for the API description.
        parse: reads the members; the second argument is the meter's unit. `aggregation` has been read, and unknown
            members are refused by the caller.
        members: JSON schema of the kind's own members.
        required: those of them that are needed.
        dimension: what the meter's unit must measure (`"data"`); None for any unit.
        unit: the meter's unit where none is said.
    """

    name: str
    summary: str
    parse: Callable[[Members, str], Aggregation]
    examples: Sequence[Example]
    refusals: Sequence[BadExample] = ()
    members: Mapping[str, Any] = field(default_factory=dict)
    required: Sequence[str] = ()
    dimension: str | None = None
    unit: str = ""

    def schema(self) -> dict[str, Any]:
        """The JSON schema of what belongs to an aggregation in a meter."""
        unit: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 20}
        if self.dimension is not None:
            unit = {"type": "string", "enum": list(units_of(self.dimension)), "default": self.unit}
        return {
            "type": "object",
            "title": self.name,
            "description": self.summary,
            "properties": {
                "aggregation": {"type": "string", "enum": [self.name]},
                "unit": {**unit, "description": "Of the events; registers are converted to it."},
                **self.members,
            },
            "required": ["aggregation", *self.required],
            "additionalProperties": False,
        }

    def parameters(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Its own members as they are stored: what was given, and what holds by default."""
        defaults = {name: schema["default"] for name, schema in self.members.items() if "default" in schema}
        return defaults | {name: value for name, value in given.items() if value is not None}
