"""Places over HTTP: sites, points, devices, assignments, anomalies."""

from __future__ import annotations

from api.schemas import ExternalIdQuery, ListQuery, Resource, Schema, fields
from api.schemas.usage import PATH_EXAMPLE

WHOLE = {"provider_scope_required": "The credential is of an account, not of the provider."}
# A path is made of names with slashes between them, so that "site/path" can be told apart from an id.
PATH_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.:\-]*(/[A-Za-z0-9][A-Za-z0-9_.:\-]*)*$"


class SiteNew(Schema):
    """A data centre to add."""

    code = fields.Code(required=True, description="Names it in references; unique.")
    name = fields.Text(required=True)
    time_zone = fields.TimeZone(required=True)
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class Site(Resource):
    """A data centre."""

    id = fields.TypeID("site", required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    time_zone = fields.String(required=True)


class Rating(Schema):
    """What can flow at a point, so that impossible steps are found: the power, or the breaker's current and voltage."""

    power_w = fields.DecimalString(positive=True, maximum=10**9)
    current_a = fields.DecimalString(positive=True, maximum=10**6)
    voltage_v = fields.DecimalString(positive=True, maximum=10**6)
    phases = fields.Integer(minimum=1, maximum=3)
    speed_bps = fields.DecimalString(positive=True, maximum=10**15, description="The port's speed, bits a second.")
    resolution_wh = fields.DecimalString(minimum=0, maximum=10**6, description="The register's smallest step.")


class PointNew(Schema):
    """A metered place to add."""

    site = fields.Reference("site", required=True)
    path = fields.String(
        required=True,
        min_length=1,
        max_length=200,
        validate=[fields.Regexp(PATH_PATTERN)],
        description="Where it is within the site; unique there. Readings name it so.",
        example=PATH_EXAMPLE,
    )
    kind = fields.Code(required=True, description="What it is: `outlet`, `pdu`, `phase`, `port`.", example="outlet")
    rating = fields.Nested(Rating)
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class ExchangeNew(Schema):
    """The registers that were noted when a device was exchanged."""

    register = fields.String(required=True, min_length=1, max_length=255, example="active_energy")
    unit = fields.String(required=True, min_length=1, max_length=20, example="kWh")
    at = fields.Instant(
        required=True, description="Between the last reading of the old device and the new one's first."
    )
    closing = fields.DecimalString(required=True, minimum=0, description="The old register's last value.")
    opening = fields.DecimalString(required=True, minimum=0, description="The new register's first value.")
    reason = fields.String(required=True, min_length=1, max_length=500, description="Who noted it, and where.")


class ExchangeReading(Schema):
    """A reading beside an exchange, in the register's unit."""

    at = fields.Instant(required=True)
    value = fields.DecimalString(required=True)
    serial = fields.String(required=True, allow_none=True)


class Exchange(Schema):
    """An exchange as it was entered; all values are in the register's unit."""

    point = fields.TypeID("point", attribute="point_id", required=True)
    register = fields.String(required=True)
    unit = fields.String(required=True)
    at = fields.Instant(required=True)
    closing = fields.DecimalString(required=True)
    opening = fields.DecimalString(required=True)
    reason = fields.String(required=True)
    last = fields.Nested(ExchangeReading, required=True, description="The old device's last reading.")
    first = fields.Nested(ExchangeReading, required=True, description="The new device's first reading.")


class PointPatch(Schema):
    """What may change of a point."""

    kind = fields.Code()
    rating = fields.Nested(Rating)
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class Point(Resource):
    """A metered place. It survives the devices that hang there."""

    id = fields.TypeID("point", required=True)
    site = fields.TypeID("site", attribute="site_id", required=True)
    path = fields.String(required=True)
    kind = fields.String(required=True)
    rating = fields.Nested(Rating)


class PointQuery(ExternalIdQuery):
    """Which points."""

    site = fields.Reference("site")
    path = fields.String(min_length=1, max_length=200)


class Device(Schema):
    """A device as its evidence told it. Its serial number is evidence, never identity."""

    id = fields.TypeID("device", required=True)
    point = fields.TypeID("point", attribute="point_id", required=True)
    serial = fields.String(allow_none=True)
    from_ = fields.Instant(data_key="from", attribute="from_at", required=True)
    to = fields.Instant(attribute="to_at", allow_none=True, description="null while it hangs there.")
    created_at = fields.Instant()


class DeviceQuery(ListQuery):
    """Which devices."""

    point = fields.Reference("point")


class AssignmentNew(Schema):
    """Let a point count for an item of a subscription."""

    point = fields.Reference("point", required=True)
    subscription = fields.Reference("subscription", required=True)
    charge_code = fields.Code(required=True)
    start = fields.Instant(data_key="from", required=True)
    end = fields.Instant(data_key="to", allow_none=True, description="Open when it is missing.")
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class AssignmentPatch(Schema):
    """End an assignment, or move its end."""

    end = fields.Instant(data_key="to", required=True)


class Assignment(Resource):
    """A point counts for an item of a subscription; for no other at the same time."""

    id = fields.TypeID("assignment", required=True)
    point = fields.TypeID("point", attribute="point_id", required=True)
    subscription = fields.TypeID("subscription", attribute="subscription_id", required=True)
    charge_code = fields.String(required=True)
    start = fields.Instant(data_key="from", required=True)
    end = fields.Instant(data_key="to", allow_none=True, required=True)


class AssignmentQuery(ExternalIdQuery):
    """Which assignments."""

    point = fields.Reference("point")
    subscription = fields.Reference("subscription")
