"""Usage as it is described; what decodes it are the types in `services.usage_sent` (a test keeps both equal)."""

from __future__ import annotations

from api.schemas import Schema, fields

PATH_EXAMPLE = "room-2/rack-12/pdu-a/outlet-12"
EVENT_EXAMPLE = {
    "id": "vm-4711-2026-01-10T12",
    "subscription": "contract-7",
    "meter": "vm_hours",
    "at": "2026-01-10T12:00:00Z",
    "quantity": "1.5",
    "properties": {"region": "ams"},
}
READING_EXAMPLE = {
    "point": PATH_EXAMPLE,
    "register": "active_energy",
    "unit": "Wh",
    "at": "2026-01-10T12:00:00Z",
    "value": "74057676",
    "evidence": {"serial": "ZA20", "boots": 3, "uptime_s": "180"},
}
CLOUD_EXAMPLE = {
    "specversion": "1.0",
    "id": "4711",
    "source": "vm-host-3",
    "type": "vm_hours",
    "subject": "contract-7",
    "time": "2026-01-10T12:00:00Z",
    "data": {"quantity": "1.5"},
}


class UsageEventSent(Schema):
    """A quantity reported directly. Its identity is (source, id)."""

    id = fields.String(required=True, min_length=1, max_length=255)
    subscription = fields.String(required=True, min_length=1, max_length=255, description="Its id or external id.")
    meter = fields.String(required=True, min_length=1, max_length=255, description="Its id, external id or code.")
    at = fields.Instant(required=True, description="When it was used.")
    quantity = fields.DecimalString(required=True, description="In the meter's unit; negative takes back.")
    properties = fields.Dict(
        allow_none=True, description="Up to 50 members; text, numbers, booleans or null.", example={"region": "ams"}
    )
    source = fields.String(
        min_length=1, max_length=255, description="Who reports; ids are unique per source. `api` by default."
    )


class UsageEventsSent(Schema):
    """Events to take, 10,000 at most."""

    events = fields.List(fields.Nested(UsageEventSent), required=True, max_items=10_000)


class ReadingEvidence(Schema):
    """What the device said in the same answer: what tells a swap, a reset or a restart from consumption."""

    serial = fields.String(allow_none=True, max_length=255, description="Placeholders such as FFFFFFFFFFFF are known.")
    boots = fields.Integer(allow_none=True, minimum=0, maximum=2**62, description="How often it has started.")
    uptime_s = fields.DecimalString(allow_none=True, description="Seconds since its last start.")
    reset_at = fields.Instant(allow_none=True, description="Since when the register counts.")
    power_w = fields.DecimalString(allow_none=True, description="The load now; gaps are estimated at it.")
    modulus = fields.DecimalString(
        allow_none=True, description="Where the register begins anew at zero, in the reading's unit; only if known."
    )
    resolution = fields.DecimalString(allow_none=True, description="The register's smallest step, in the same unit.")
    rated_power_w = fields.DecimalString(
        allow_none=True, description="The most the device carries; holds where the point has no rating."
    )
    speed_bps = fields.DecimalString(allow_none=True, description="The speed of the port, of a register of traffic.")


class ReadingSent(Schema):
    """A register's value at an instant: absolute, never a difference. Its identity is (point, register, at)."""

    point = fields.String(
        required=True,
        min_length=1,
        max_length=255,
        description="Its id, external id, path, or `site/path` where several sites have that path.",
    )
    register = fields.String(required=True, min_length=1, max_length=255, example="active_energy")
    unit = fields.String(required=True, min_length=1, max_length=20, example="kWh")
    at = fields.Instant(required=True, description="The device's clock; cut to the second.")
    value = fields.DecimalString(required=True, description="In `unit`. Below zero a counter has no reading.")
    evidence = fields.Nested(ReadingEvidence, allow_none=True)


class ReadingsSent(Schema):
    """Readings to take, 10,000 at most."""

    readings = fields.List(fields.Nested(ReadingSent), required=True, max_items=10_000)


class UsageRejection(Schema):
    """A row that was not taken."""

    index = fields.Integer(required=True, minimum=0, description="Counted from 0 in what was sent.")
    id = fields.String(allow_none=True, max_length=255, description="The event's; null for readings.")
    code = fields.String(required=True, example="event_id_reused")
    detail = fields.String(required=True, max_length=2000)


class UsageReceipt(Schema):
    """What became of the rows. It is given after they are safe."""

    accepted = fields.Integer(required=True, minimum=0)
    duplicates = fields.Integer(required=True, minimum=0, description="Taken before, with the same content.")
    rejected = fields.List(fields.Nested(UsageRejection), required=True, max_items=10_000)
