"""Price indexes over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import request
from flask.views import MethodView

from api.http import blueprint, context, page, raw_body, refuses, require, takes_bytes
from api.index_bodies import CSV, JSON, decode_values
from api.schemas import page_of
from api.schemas.indexes import (
    CSV_EXAMPLE,
    VALUE_EXAMPLE,
    IndexValue,
    IndexValueQuery,
    IndexValuesSent,
    IndexValuesSentQuery,
    IndexValuesStored,
    PriceIndex,
    PriceIndexNew,
    PriceIndexPatch,
    PriceIndexQuery,
)
from models.indexes import PriceIndex as PriceIndexRow
from services import indexes
from services.indexes import Stored

blp = blueprint("indexes", "Price indexes: prices over time, such as the day-ahead price of electricity.")
ROW_CODES = {
    "index_slots_overlap": "Two rows are for the same time.",
    "index_slot_misaligned": "A row does not start or end with a slot of the index.",
    "index_unit_differs": "The values are for another unit than the index's.",
    "index_currency_differs": "The values are in another currency than the index's.",
    "instant_malformed": "An instant is none, or has no offset.",
    "instant_out_of_range": "A slot is not in our time.",
    "decimal_string_expected": "A value is a JSON number.",
    "decimal_malformed": "A value is not a plain decimal.",
    "decimal_out_of_range": "A value has too many digits.",
    "csv_header_unknown": "The first line of CSV is another.",
    "csv_row_malformed": "A line of CSV has too many or too few members.",
}


@blp.route("/v1/indexes")
class Indexes(MethodView):
    @require("catalog:read")
    @blp.arguments(PriceIndexQuery, location="query")
    @blp.response(200, page_of(PriceIndex))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List price indexes, newest first."""
        return page(query, lambda window: indexes.list_indexes(context(), window, query.get("external_id")))

    @require("catalog:write")
    @refuses(409, code_taken="Another index has this code.")
    @blp.arguments(
        PriceIndexNew,
        example={
            "code": "day_ahead_nl",
            "name": "Day-ahead, Netherlands",
            "unit": "kWh",
            "currency": "EUR",
            "slot_minutes": 60,
        },
    )
    @blp.response(201, PriceIndex)
    def post(self, body: dict[str, Any]) -> PriceIndexRow:
        """Make a price index."""
        return indexes.create(context(), body)


@blp.route("/v1/indexes/<id(price_index):index_id>")
class OneIndex(MethodView):
    @require("catalog:read")
    @blp.response(200, PriceIndex)
    def get(self, index_id: UUID) -> PriceIndexRow:
        """One price index."""
        return indexes.get(context(), index_id)

    @require("catalog:write")
    @blp.arguments(PriceIndexPatch, example={"name": "Day-ahead, bidding zone NL"})
    @blp.response(200, PriceIndex)
    def patch(self, body: dict[str, Any], index_id: UUID) -> PriceIndexRow:
        """Change a price index; what its values mean stays."""
        return indexes.change(context(), index_id, body)


@blp.route("/v1/indexes/<id(price_index):index_id>/values")
class IndexValues(MethodView):
    @require("catalog:read")
    @blp.arguments(IndexValueQuery, location="query")
    @blp.response(200, page_of(IndexValue))
    def get(self, query: dict[str, Any], index_id: UUID) -> dict[str, Any]:
        """List the values of an index in order of time."""
        return page(
            query,
            lambda window: indexes.list_values(
                context(),
                index_id,
                window,
                start=query.get("start"),
                end=query.get("end"),
                history=query.get("history", False),
            ),
        )

    @require("catalog:write")
    @refuses(400, csv_malformed="The body is not CSV.", gzip_malformed="The body is not gzip.")
    @refuses(413, too_many_rows="More than 40,000 rows in one request.")
    @refuses(415, content_encoding_unsupported="The body is neither plain nor gzip.")
    @refuses(422, **ROW_CODES)
    @takes_bytes(
        {
            JSON: {"schema": IndexValuesSent, "example": {"values": [VALUE_EXAMPLE], "unit": "kWh"}},
            CSV: {
                "schema": {"type": "string", "description": "A line `start,value` or `start,end,value`, then rows."},
                "example": CSV_EXAMPLE,
            },
        }
    )
    @blp.arguments(IndexValuesSentQuery, location="query")
    @blp.response(200, IndexValuesStored)
    def post(self, query: dict[str, Any], index_id: UUID) -> Stored:
        """Take values: all of them, or none when any row is wrong. A known slot's value is replaced, and kept beside.

        Rows are counted from 0 in `errors[]`, a header not included. What was billed on a value that changes is
        adjusted on the next invoice. May be sent with gzip.
        """
        upload = decode_values(raw_body(), request.mimetype, query)
        return indexes.add_values(context(), index_id, upload)
