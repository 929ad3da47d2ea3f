"""Tax rates and certificates, as they come and go."""

from __future__ import annotations

from api.schemas import ExternalIdQuery, Resource, Schema, fields
from billing.tax.facts import STANDARD_CLASS

CATEGORIES = ("S", "Z", "E")
REGION = "ISO 3166-2 without the country, `NY`; the whole country without."
LAST_DAY = "The last day; without an end by default."


class TaxRateNew(Schema):
    """A rate to add. It goes before those that are shipped for its country and class."""

    country = fields.Country(required=True)
    region = fields.String(max_length=100, allow_none=True, description=REGION, example="NY")
    county = fields.String(max_length=100, allow_none=True, description="A county of the region.")
    city = fields.String(max_length=100, allow_none=True, description="A city of the region.")
    tax_class = fields.Code(load_default=STANDARD_CLASS, description="Of products.", example="standard")
    rate = fields.DecimalString(required=True, minimum=0, maximum=100, description="Per cent.", example="8.875")
    category = fields.Enum(
        CATEGORIES, allow_none=True, description="S above zero, Z at zero; E where zero is an exemption."
    )
    name = fields.Text(max_length=40, description="Of the tax, on documents.", example="Sales tax")
    jurisdiction = fields.String(
        max_length=100, allow_none=True, description="Who takes it, of a stacked rate; its place by default."
    )
    reason = fields.String(max_length=40, allow_none=True, description="The VATEX code of an exemption.")
    note = fields.String(max_length=500, allow_none=True, description="The legal ground of an exemption.")
    stacked = fields.Boolean(
        load_default=False, description="Whether it is taken beside the rates of wider places, not instead of them."
    )
    valid_from = fields.Date(required=True)
    valid_to = fields.Date(allow_none=True, metadata={"description": LAST_DAY})
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class TaxRatePatch(Schema):
    """What to change; members that are not given stay. Another rate is another row."""

    name = fields.Text(max_length=40)
    note = fields.String(max_length=500, allow_none=True)
    valid_to = fields.Date(allow_none=True, metadata={"description": LAST_DAY})
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class TaxRate(Resource):
    """A rate of the provider."""

    id = fields.TypeID("tax_rate", required=True)
    country = fields.Country(required=True)
    region = fields.String(required=True, description='"" for the whole country.')
    county = fields.String(required=True)
    city = fields.String(required=True)
    tax_class = fields.String(required=True)
    rate = fields.DecimalString(required=True)
    category = fields.Enum(CATEGORIES, required=True)
    name = fields.String(required=True)
    jurisdiction = fields.String(required=True)
    reason = fields.String(required=True, allow_none=True)
    note = fields.String(required=True, allow_none=True)
    stacked = fields.Boolean(required=True)
    valid_from = fields.Date(required=True)
    valid_to = fields.Date(required=True, allow_none=True)


class TaxRateQuery(ExternalIdQuery):
    """Which rates."""

    country = fields.Country()
    tax_class = fields.Code()
    on = fields.Date(metadata={"description": "Valid on this day."})


class TaxCertificateNew(Schema):
    """A certificate to register."""

    number = fields.Text(required=True, max_length=100, example="EX-2026-0117")
    country = fields.Country(required=True)
    region = fields.String(max_length=100, allow_none=True, description=REGION)
    tax_class = fields.Code(allow_none=True, description="The class of products that it exempts; all by default.")
    reason = fields.String(max_length=40, allow_none=True, description="The VATEX code.", example="VATEX-EU-151")
    note = fields.String(
        max_length=500, allow_none=True, description="What documents say; `{number}` stands for its number."
    )
    document = fields.String(max_length=500, allow_none=True, description="Where its paper is kept.")
    valid_from = fields.Date(required=True)
    valid_to = fields.Date(allow_none=True, metadata={"description": LAST_DAY})
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class TaxCertificatePatch(Schema):
    """What to change; members that are not given stay."""

    document = fields.String(max_length=500, allow_none=True)
    valid_to = fields.Date(allow_none=True, metadata={"description": LAST_DAY})
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class TaxCertificate(Resource):
    """A paper that exempts an account from tax."""

    id = fields.TypeID("tax_certificate", required=True)
    account = fields.TypeID("account", attribute="account_id", required=True)
    number = fields.String(required=True)
    country = fields.Country(required=True)
    region = fields.String(required=True)
    tax_class = fields.String(required=True, allow_none=True)
    reason = fields.String(required=True, allow_none=True)
    note = fields.String(required=True, allow_none=True)
    document = fields.String(required=True, allow_none=True)
    valid_from = fields.Date(required=True)
    valid_to = fields.Date(required=True, allow_none=True)
