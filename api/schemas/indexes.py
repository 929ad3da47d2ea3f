"""Price indexes and their values, as they come and go."""

from __future__ import annotations

from api.schemas import ExternalIdQuery, ListQuery, Resource, Schema, fields
from billing.index import SLOT_MINUTES
from services.indexes import VALUES_MAX

VALUE_EXAMPLE = {"start": "2026-01-10T12:00:00Z", "value": "0.0834"}
CSV_EXAMPLE = "start,value\n2026-01-10T12:00:00Z,0.0834\n2026-01-10T13:00:00Z,-0.0012\n"


class PriceIndexNew(Schema):
    """An index to make."""

    code = fields.Code(required=True, example="day_ahead_nl", description="Prices name it.")
    name = fields.Text(required=True, example="Day-ahead, Netherlands")
    unit = fields.Text(required=True, max_length=20, example="kWh", description="What a value is the price of one of.")
    currency = fields.Currency(required=True)
    slot_minutes = fields.Integer(
        required=True,
        validate=fields.OneOf(SLOT_MINUTES),
        description="How long a slot is. Slots count from the full hour in UTC.",
    )
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class PriceIndexPatch(Schema):
    """What to change; what values mean stays."""

    name = fields.Text()
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class PriceIndex(Resource):
    """A time series of prices that a price may follow."""

    id = fields.TypeID("price_index", required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    unit = fields.String(required=True)
    currency = fields.Currency(required=True)
    slot_minutes = fields.Integer(required=True)


class PriceIndexQuery(ExternalIdQuery):
    """Which ones."""


class IndexValueSent(Schema):
    """The value of a slot."""

    start = fields.Instant(required=True, description="The start of the slot.")
    end = fields.Instant(allow_none=True, description="Its end, where one is told: a slot's length after its start.")
    value = fields.DecimalString(required=True, description="In the major unit of the currency; may be negative.")


class IndexValuesSent(Schema):
    """Values to take, 40,000 at most: all of them or none."""

    values = fields.List(fields.Nested(IndexValueSent), required=True, max_items=VALUES_MAX)
    unit = fields.String(allow_none=True, max_length=20, description="Refused when it is not the index's.")
    currency = fields.String(allow_none=True, max_length=3, description="Refused when it is not the index's.")


class IndexValuesSentQuery(Schema):
    """What CSV cannot say."""

    unit = fields.String(max_length=20, description="For CSV: refused when it is not the index's.")
    currency = fields.String(max_length=3, description="For CSV: refused when it is not the index's.")


class IndexValuesStored(Schema):
    """What became of the values. It is given after they are safe."""

    added = fields.Integer(required=True, minimum=0)
    replaced = fields.Integer(required=True, minimum=0, description="Another value was known, and is kept beside it.")
    unchanged = fields.Integer(required=True, minimum=0)


class IndexValue(Schema):
    """The value of a slot."""

    start = fields.Instant(required=True)
    end = fields.Instant(required=True)
    value = fields.DecimalString(required=True)
    recorded_at = fields.Instant(required=True, description="When it arrived.")
    superseded_at = fields.Instant(
        required=True, allow_none=True, description="When another value replaced it; null of the one that holds."
    )


class IndexValueQuery(ListQuery):
    """Which slots: those that start at `from` or later and before `to`."""

    start = fields.Instant(data_key="from")
    end = fields.Instant(data_key="to")
    history = fields.Flag(description="With values that were replaced.")
