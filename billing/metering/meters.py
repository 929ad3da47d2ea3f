"""A meter's aggregation, read from JSON: its members stand beside `aggregation` and `unit`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from billing.members import Members, refuse_all
from billing.metering.aggregations.protocol import Aggregation, AggregationKind
from core.quantity import dimension
from core.registry import plugins

AGGREGATIONS = "billing.metering.aggregations"


def kinds() -> dict[str, AggregationKind]:
    """Every way to make a quantity of usage, by name."""
    return plugins(AGGREGATIONS)


def read_aggregation(members: Members) -> Aggregation | None:
    """Read `aggregation`, its own members and `unit`; what is wrong is added to the members' errors.

    Codes: `member_required`, `aggregation_unknown`, `string_expected`, `unit_mismatch` (the kind counts something
    else than the unit measures), and those of the kind. None tells that the kind could not be told.
    """
    name = members.required("aggregation")
    kind = kinds().get(name) if isinstance(name, str) else None
    if kind is None:
        if name is not None:
            members.refuse("aggregation", "aggregation_unknown", f"Known aggregations: {', '.join(kinds())}.")
        return None
    unit = members.text("unit", default=kind.unit, longest=20)
    if kind.dimension is not None and dimension(unit) != kind.dimension:
        members.refuse("unit", "unit_mismatch", f"A {name} needs a unit of {kind.dimension}, such as {kind.unit}.")
        unit = kind.unit
    return kind.parse(members, unit)


def schema() -> dict[str, Any]:
    """The JSON schema of an aggregation with its members and unit."""
    return {"oneOf": [kind.schema() for kind in kinds().values()]}


def own_members() -> dict[str, Mapping[str, Any]]:
    """The members of all kinds, with their JSON schemas: what may stand beside `aggregation` in a meter."""
    return {name: described for kind in kinds().values() for name, described in kind.members.items()}


def parse_aggregation(name: str, parameters: Mapping[str, Any], unit: str) -> Aggregation:
    """The aggregation of a meter.

    Raises:
        Invalid: the codes of `read_aggregation`, with pointers into the meter.
    """
    members = Members({**parameters, "aggregation": name, "unit": unit or None})
    aggregation = read_aggregation(members)
    if aggregation is not None:
        members.close()
    refuse_all(members.errors)
    assert aggregation is not None  # no missing kind without an error
    return aggregation
