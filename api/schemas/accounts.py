"""Accounts, as they come and go."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.schemas import ExternalIdQuery, Resource, Schema, fields
from api.schemas.coded import Coded
from billing.document_grouping import GROUPINGS
from billing.statements import EVERY, WEEK

TAX_STATUS = ("business", "consumer")


class Address(Schema):
    """A postal address."""

    line1 = fields.String(max_length=200, example="Keizersgracht 1")
    line2 = fields.String(max_length=200)
    postal_code = fields.String(max_length=20, example="1015 CN")
    city = fields.String(max_length=100, example="Amsterdam")
    region = fields.String(
        max_length=100,
        description="State or province; where taxes go by region its ISO 3166-2 code: `NY` or `US-NY`.",
    )
    county = fields.String(max_length=100, description="Where taxes go by county.")


class StatementSchedule(Schema):
    """A day of each week (1 is Monday) or of each month (1 to 28), in the payer's zone."""

    every = fields.Enum(EVERY, required=True)
    day = fields.Integer(required=True, minimum=1, maximum=28)

    @ma.validates_schema
    def of_a_week(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("every") == WEEK and data.get("day", 1) > 7:
            raise ma.ValidationError({"day": [Coded("day_out_of_range", "A week has the days 1 to 7.")]})


class _Members(Schema):
    """What a caller may set and change."""

    legal_name = fields.Text(allow_none=True)
    email = fields.Email(allow_none=True)
    time_zone = fields.TimeZone(description="IANA name; bill dates begin there. By default the parent's or provider's.")
    locale = fields.String(min_length=2, max_length=10, allow_none=True, example="nl-NL")
    tax_id = fields.String(min_length=2, max_length=40, allow_none=True, example="NL004495445B01")
    tax_status = fields.Enum(
        TAX_STATUS, allow_none=True, description="null: a business where it has a tax id, else a consumer."
    )
    tax_id_checked_on = fields.Date(
        allow_none=True, metadata={"description": "When its register was asked; a new tax id forgets it."}
    )
    tax_id_check = fields.String(
        max_length=200, allow_none=True, description="The register's word for it, such as a consultation number."
    )
    purchase_order = fields.String(max_length=100, allow_none=True)
    cost_centre = fields.String(max_length=100, allow_none=True)
    address = fields.Nested(Address)
    invoice_grouping = fields.Enum(
        GROUPINGS,
        description="What shares a document, of a payer: everything, what belongs to a subscription, or to an order.",
    )
    statement_schedule = fields.Nested(
        StatementSchedule,
        allow_none=True,
        metadata={"description": "When a payer is mailed what is not billed yet; null for never."},
    )
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class AccountNew(_Members):
    """An account to make."""

    name = fields.Text(required=True, example="Contoso B.V.")
    currency = fields.Currency(required=True)
    country = fields.Country(required=True)
    parent = fields.Reference("account", allow_none=True)
    seller = fields.Reference("seller", allow_none=True)
    payer = fields.Enum(["self", "parent"], load_default="self", description="Who pays: itself, or its parent's payer.")
    mode = fields.Enum(["postpaid", "prepaid"], load_default="postpaid")


class AccountPatch(_Members):
    """What to change; members that are not given stay."""

    name = fields.Text()
    country = fields.Country()


class Account(Resource):
    """Who holds subscriptions."""

    id = fields.TypeID("account", required=True)
    name = fields.String(required=True)
    legal_name = fields.String(allow_none=True)
    email = fields.String(allow_none=True)
    currency = fields.Currency(required=True)
    country = fields.Country(required=True)
    time_zone = fields.String(required=True)
    locale = fields.String(allow_none=True)
    mode = fields.Enum(["postpaid", "prepaid"], required=True)
    parent = fields.TypeID("account", attribute="parent_id", allow_none=True)
    payer = fields.TypeID("account", attribute="payer_id", required=True)
    seller = fields.TypeID("seller", attribute="seller_id")
    tax_id = fields.String(allow_none=True)
    tax_status = fields.Enum(TAX_STATUS, allow_none=True)
    tax_id_checked_on = fields.Date(allow_none=True)
    tax_id_check = fields.String(allow_none=True)
    purchase_order = fields.String(allow_none=True)
    cost_centre = fields.String(allow_none=True)
    address = fields.Nested(Address)
    invoice_grouping = fields.Enum(GROUPINGS, required=True)
    statement_schedule = fields.Nested(StatementSchedule, allow_none=True)
    next_statement_at = fields.Instant(allow_none=True)
    next_bill_on = fields.Date(allow_none=True, description="The next bill date, of a payer, in its zone.")


class AccountQuery(ExternalIdQuery):
    """Which accounts."""

    parent = fields.Reference("account")
    payer = fields.Reference("account")
    email = fields.String(max_length=254)
