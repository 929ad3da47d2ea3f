"""Usage coming in: events and readings, in bulk."""

from __future__ import annotations

from typing import Any

from flask import request
from flask.views import MethodView

from api.http import blueprint, caller, context, raw_body, refuses, require, takes_bytes, together
from api.schemas.usage import (
    CLOUD_EXAMPLE,
    EVENT_EXAMPLE,
    READING_EXAMPLE,
    ReadingsSent,
    UsageEventsSent,
    UsageReceipt,
)
from api.usage_bodies import CLOUD_EVENTS, JSON, LINES, READINGS, decode_events
from core.errors import Forbidden
from services import agents_self, metering, usage
from services.usage_sent import Receipt, Rejection

blp = blueprint("usage", "Usage: events and readings, taken in bulk; each counts once however often it is sent.")
FEW = 20  # so many events at most are taken together with those of other requests
TOO_MANY = "More than 10,000 rows in one request."
ROW_CODES = (
    "Rows that cannot be taken are refused by their index with a code of their own while the rest is taken:"
    " `decimal_string_expected`, `decimal_malformed`, `decimal_out_of_range`, `instant_malformed`, `member_required`,"
    " `member_unknown`, `member_invalid`, `text_unstorable`, `too_late` (older than `usage_cutoff_days`),"
    " `ahead_of_clock`"
)


def _text(description: str, example: str) -> dict[str, Any]:
    return {"schema": {"type": "string", "description": description}, "example": example}


@blp.route("/v1/usage/events")
class UsageEvents(MethodView):
    @require("usage:write")
    @refuses(400, gzip_malformed="The body is not gzip, as Content-Encoding says.")
    @refuses(413, too_many_rows=TOO_MANY)
    @refuses(415, content_encoding_unsupported="The body is neither plain nor gzip.")
    @refuses(403, readings_only="The credential is an agent's.")
    @refuses(422, object_expected="The body is not an object with a list `events`.")
    @takes_bytes(
        {
            JSON: {"schema": UsageEventsSent, "example": {"events": [EVENT_EXAMPLE]}},
            LINES: _text("One event a line.", '{"id": "1", "subscription": "contract-7", "meter": "vm_hours", …}\n'),
            CLOUD_EVENTS: {
                "schema": {"type": "array", "maxItems": 10_000, "items": {"type": "object"}},
                "example": [CLOUD_EXAMPLE],
            },
        }
    )
    @blp.response(200, UsageReceipt)
    def post(self) -> Receipt:
        if caller().agent_id is not None:
            raise Forbidden("readings_only", "An agent reports the registers of its site, and nothing else.")
        rows, unread = decode_events(raw_body(), request.mimetype)
        few = len(rows) <= FEW
        receipt = together(usage.take_events_together, rows) if few else usage.take_events(context(), rows)
        return _joined(receipt, unread)

    post.__doc__ = f"""Take usage events.

    {ROW_CODES}, `subscription_unknown`, `meter_unknown`, `event_id_reused`. May be sent with gzip.
    """


@blp.route("/v1/usage/readings")
class UsageReadings(MethodView):
    @require("usage:write")
    @refuses(400, gzip_malformed="The body is not gzip, as Content-Encoding says.")
    @refuses(413, too_many_rows=TOO_MANY)
    @refuses(415, content_encoding_unsupported="The body is neither plain nor gzip.")
    @refuses(422, object_expected="The body is not an object with a list `readings`.")
    @takes_bytes(
        {
            JSON: {"schema": ReadingsSent, "example": {"readings": [READING_EXAMPLE]}},
            LINES: _text("One reading a line.", '{"point": "rack-12/pdu-a", "register": "active_energy", …}\n'),
        }
    )
    @blp.response(200, UsageReceipt)
    def post(self) -> Receipt:
        rows, unread = READINGS.decode(raw_body(), request.mimetype)
        agent_id = caller().agent_id
        site_id = agents_self.site_of(context(), agent_id) if agent_id else None
        return _joined(metering.take_readings(context(), rows, site_id=site_id), unread)

    post.__doc__ = f"""Take readings of registers.

    {ROW_CODES}, `point_unknown` (kept in quarantine until adopted), `point_ambiguous`, `no_reading`,
    `unit_mismatch`, `instant_out_of_range`, `reading_conflict` (the first value counts),
    `unit_suspect` (held in quarantine until the unit is right). May be sent with gzip.
    An agent reports points of its own site; those of others are unknown to it.
    """


def _joined(receipt: Receipt, unread: list[Rejection]) -> Receipt:
    if unread:
        receipt.rejected = sorted([*receipt.rejected, *unread], key=lambda r: r.index)
    return receipt
