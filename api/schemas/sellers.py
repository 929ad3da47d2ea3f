"""Sellers, as they come and go."""

from __future__ import annotations

from api.schemas import Resource, Schema, fields
from api.schemas.accounts import Address
from billing.tax.facts import SCHEMES, STANDARD_SCHEME


class Bank(Schema):
    """Where transfers go: `iban` and `bic`, or `account_number` with `bank_code` elsewhere."""

    holder = fields.String(max_length=100, example="Acme DC B.V.")
    iban = fields.String(max_length=40, example="NL91ABNA0417164300")
    bic = fields.String(max_length=11, example="ABNANL2A")
    bank_name = fields.String(max_length=100)
    account_number = fields.String(max_length=40)
    bank_code = fields.String(max_length=40)


class TaxRegistration(Schema):
    """Where a seller may charge tax."""

    country = fields.Country(required=True)
    region = fields.String(max_length=100, allow_none=True, description="A state of a country that taxes by region.")
    scheme = fields.Enum(
        SCHEMES,
        load_default=STANDARD_SCHEME,
        description="oss: consumers elsewhere in the European Union pay the tax of where they are;"
        " small_business: no tax is charged in that country.",
    )
    number = fields.String(max_length=40, allow_none=True)
    note = fields.String(max_length=500, allow_none=True, description="What documents of a small business say.")
    valid_from = fields.Date(allow_none=True)
    valid_to = fields.Date(allow_none=True, metadata={"description": "The last day."})


class TaxEndpointNew(Schema):
    """Where a seller's own tax engine is."""

    url = fields.Url(required=True, example="https://tax.acme.example/decide")


class TaxEndpoint(Schema):
    """Where a seller's own tax engine is, and what signs the questions to it."""

    url = fields.String(required=True, max_length=2000)
    secret = fields.ShownOnce(required=True)


class SellerPatch(Schema):
    """What to change; members that are not given stay."""

    name = fields.Text(example="Acme DC")
    legal_name = fields.Text(example="Acme DC B.V.")
    country = fields.Country()
    address = fields.Nested(Address)
    tax_id = fields.String(min_length=2, max_length=40, allow_none=True)
    email = fields.Email(allow_none=True)
    website = fields.Url(allow_none=True)
    bank = fields.Nested(Bank)
    brand_color = fields.String(
        allow_none=True,
        validate=fields.Regexp(r"^#[0-9a-fA-F]{6}\Z"),
        metadata={"pattern": "^#[0-9a-fA-F]{6}$"},
        example="#1d4ed8",
    )
    logo_svg = fields.String(max_length=100_000, allow_none=True, description="An SVG image, for documents.")
    locale = fields.String(min_length=2, max_length=10, example="en")
    number_prefix = fields.Code(description="What the numbers of invoices begin with.", example="INV")
    credit_note_prefix = fields.Code(description="What the numbers of credit notes begin with.", example="CN")
    payment_terms_days = fields.Integer(minimum=0, maximum=365)
    tax_rate = fields.DecimalString(
        minimum=0, maximum=99, description="Per cent, one flat rate on every line.", example="21"
    )
    tax_name = fields.Text(max_length=20, example="VAT")
    tax_engine = fields.Code(
        description="What decides taxes: `flat_rate` (the `tax_rate`, on everything; the default), `rules` (by parties,"
        " products and the rates of their places), `endpoint` (your own engine). Documents that are made stay.",
        example="rules",
    )
    tax_registrations = fields.List(
        fields.Nested(TaxRegistration),
        validate=fields.Length(max=200),
        metadata={
            "description": "Where it may charge tax, for `rules`; a tax id of its own member state of the European"
            " Union is one without being listed."
        },
    )
    tax_ids_checked = fields.Boolean(
        description="Whether only tax ids with a `tax_id_checked_on` make a business of a payer elsewhere in the"
        " European Union."
    )
    footer = fields.String(max_length=500, allow_none=True)
    is_default = fields.Boolean(description="Whether accounts that name no seller get this one.")
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class SellerNew(SellerPatch):
    """A seller to make."""

    name = fields.Text(required=True, example="Acme DC")


class Seller(Resource):
    """The legal entity that issues documents."""

    id = fields.TypeID("seller", required=True)
    name = fields.String(required=True)
    legal_name = fields.String(required=True)
    country = fields.Country(required=True)
    address = fields.Nested(Address)
    tax_id = fields.String(allow_none=True)
    email = fields.String(allow_none=True)
    website = fields.String(allow_none=True, max_length=2000)
    bank = fields.Nested(Bank)
    brand_color = fields.String(allow_none=True)
    logo_svg = fields.String(allow_none=True, max_length=100_000)
    locale = fields.String()
    number_prefix = fields.String()
    credit_note_prefix = fields.String()
    payment_terms_days = fields.Integer()
    tax_rate = fields.DecimalString(required=True)
    tax_name = fields.String()
    tax_engine = fields.String(required=True)
    tax_registrations = fields.List(fields.Nested(TaxRegistration), required=True)
    tax_ids_checked = fields.Boolean(required=True)
    tax_endpoint = fields.String(required=True, allow_none=True, max_length=2000)
    footer = fields.String(allow_none=True)
    is_default = fields.Boolean(required=True)
