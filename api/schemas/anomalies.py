"""Anomalies and quarantined readings over HTTP."""

from __future__ import annotations

from api.schemas import ListQuery, Schema, fields
from billing.states import ANOMALY
from services.metering_doubts import KINDS

CAUSES = ("conflict", "unknown_point", "unit_suspect")
KIND_NAMES = sorted(str(kind) for kind in KINDS)


class Anomaly(Schema):
    """A doubt about readings, with what it is about and what might be done."""

    id = fields.TypeID("anomaly", required=True)
    point = fields.TypeID("point", attribute="point_id", required=True)
    register = fields.String(required=True)
    kind = fields.Enum(KIND_NAMES, required=True)
    status = fields.Enum(ANOMALY.states, required=True)
    at = fields.Instant(required=True, description="The reading after the step.")
    evidence = fields.Dict(required=True, description="The readings on both sides, the naive difference, the estimate.")
    created_at = fields.Instant()


class AnomalyQuery(ListQuery):
    """Which anomalies."""

    type = fields.Enum(KIND_NAMES, description="Their kind.")
    object = fields.Reference("point", description="The point they are about.")
    status = fields.Enum(ANOMALY.states)
    since = fields.Instant(data_key="from", description="At this instant or later.")
    until = fields.Instant(data_key="to", description="Before this instant.")


class QuarantinedReading(Schema):
    """A reading that was not taken and kept."""

    cause = fields.Enum(CAUSES, required=True)
    point = fields.String(required=True, description="As it was sent.")
    register = fields.String(required=True)
    unit = fields.String(required=True)
    at = fields.Instant(required=True)
    value = fields.DecimalString(required=True)
    received_at = fields.Instant(required=True)
    adopted_at = fields.Instant(allow_none=True)


class QuarantineQuery(ListQuery):
    """Which quarantined readings."""

    point = fields.String(min_length=1, max_length=255, description="As it was sent.")
    cause = fields.Enum(CAUSES)


class Adoption(Schema):
    """Take the readings that were sent for an unknown point as those of a point."""

    sent_as = fields.String(required=True, min_length=1, max_length=255, description="The point as it was sent.")
    point = fields.Reference("point", required=True)


class AdoptionReceipt(Schema):
    """What became of the oldest 10,000 of them; repeat while `remaining` is above zero."""

    accepted = fields.Integer(required=True, minimum=0)
    duplicates = fields.Integer(required=True, minimum=0)
    rejected = fields.Integer(required=True, minimum=0)
    remaining = fields.Integer(required=True, minimum=0)
