"""`unique_count`: how many different values there were: users seen, addresses in use. Registers do not count."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from billing.members import Members
from billing.metering.aggregations.protocol import (
    Aggregation,
    AggregationKind,
    BadExample,
    Example,
    Reduced,
)
from billing.metering.slots import Part, Slot


def parse(members: Members, unit: str) -> Aggregation:
    """Read `property`."""
    name = members.text("property", default="", longest=100) or None
    return Aggregation(_reduce, parts=frozenset({Part.DISTINCT}), distinct=name)


def _reduce(slots: Sequence[Slot]) -> Reduced:
    return Reduced(Decimal(len(frozenset[str]().union(*(slot.distinct for slot in slots)))))


def _users(*names: object) -> list[tuple[int, str, dict[str, object]]]:
    return [(minute, "1", {"user": name}) for minute, name in enumerate(names)]


PLUGIN = AggregationKind(
    name="unique_count",
    summary="How many different values an event property has in the span; without `property`, the quantity itself.",
    parse=parse,
    members={
        "property": {
            "type": "string",
            "minLength": 1,
            "maxLength": 100,
            "description": "The event property whose values count; events without it do not.",
            "examples": ["user"],
        }
    },
    examples=[
        Example("nothing was reported", [], "0", {"property": "user"}),
        Example("one who comes twice counts once", _users("ann", "bob", "ann"), "2", {"property": "user"}),
        Example("case tells apart", _users("ann", "Ann"), "2", {"property": "user"}),
        Example("numbers and truth values are values", _users(7, True, 7, "7"), "2", {"property": "user"}),
        Example(
            "events without the property do not count", [*_users(None, "ann"), (9, "1")], "1", {"property": "user"}
        ),
        Example("without a property quantities count", [(0, "7"), (1, "7.0"), (2, "8")], "2"),
        Example("one seen before the span only does not count", [(-1, "1", {"user": "x"})], "0", {"property": "user"}),
    ],
    refusals=[
        BadExample("a property that is no string", {"property": 7}, "string_expected", "/property"),
        BadExample("a misspelt member", {"properties": "user"}, "member_unknown", "/properties"),
    ],
)
