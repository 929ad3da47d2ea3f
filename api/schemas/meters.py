"""Meters, as they come and go: the members of an aggregation stand beside its name, as those of a price do."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.schemas import Resource, Schema, fields
from billing.metering.meters import kinds, own_members, schema

OWN = own_members()


def _own_fields() -> dict[str, fields.Raw]:
    """The members of all aggregations; which of them goes with which, the engine says."""
    return {name: fields.Raw(metadata=dict(described), allow_none=True) for name, described in OWN.items()}


class MeterNew(Schema):
    """A meter to make."""

    code = fields.Code(required=True, example="energy")
    name = fields.Text(required=True, example="Energy")
    unit = fields.Text(required=True, max_length=20, example="kWh", description="Registers are converted to it.")
    aggregation = fields.Text(
        required=True,
        max_length=60,
        example="sum",
        description=f"How usage becomes a quantity: {', '.join(kinds())}.",
    )
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()

    class Meta(Schema.Meta):
        include = _own_fields()

    @ma.post_load
    def with_parameters(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        """The aggregation's members together, as they are stored."""
        own = {name: data.pop(name) for name in OWN if name in data}
        return data | {"parameters": {name: value for name, value in own.items() if value is not None}}


class MeterPatch(Schema):
    """What to change; what a meter counts stays."""

    name = fields.Text()
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class Meter(Resource):
    """What is counted for billing."""

    id = fields.TypeID("meter", required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    unit = fields.String(required=True)
    aggregation = fields.String(required=True)

    class Meta(Resource.Meta):
        include = _own_fields()

    @ma.post_dump(pass_original=True)
    def with_members(self, data: dict[str, Any], original: Any, **kwargs: Any) -> dict[str, Any]:
        """The aggregation's members beside its name."""
        shown: dict[str, Any] = original.parameters
        return data | shown


def by_aggregation(described: dict[str, Any]) -> dict[str, Any]:
    """The description of a meter as one shape for each aggregation, with the members that go with it."""
    common = {name: shape for name, shape in described["properties"].items() if name not in OWN}
    shapes = []
    for kind in schema()["oneOf"]:
        unit = {**common["unit"], **{k: v for k, v in kind["properties"]["unit"].items() if k != "default"}}
        required = dict.fromkeys([*described.get("required", []), *kind["required"]])
        shapes.append(
            {**kind, "properties": {**common, **kind["properties"], "unit": unit}, "required": list(required)}
        )
    shared = {key: shape for key, shape in described.items() if key != "additionalProperties"}
    return {**shared, "properties": common, "oneOf": shapes}
