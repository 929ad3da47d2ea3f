"""The caller's provider and its audit trail."""

from __future__ import annotations

from api.schemas import ListQuery, Schema, fields


class ProviderPatch(Schema):
    """What to change; members that are not given stay."""

    name = fields.Text()
    close_after_minutes = fields.Integer(minimum=0, maximum=1440)
    usage_cutoff_days = fields.Integer(minimum=1, maximum=3660)
    default_tax_rate = fields.DecimalString(minimum=0, maximum=99, description="Per cent, of the default seller.")
    draft_review = fields.Boolean()
    mail_invoices = fields.Boolean()


class Provider(Schema):
    """The operator that bills."""

    id = fields.TypeID("provider", required=True)
    name = fields.String(required=True)
    sandbox = fields.Boolean(required=True)
    country = fields.Country(required=True)
    time_zone = fields.String(required=True)
    currency = fields.Currency(required=True)
    created_at = fields.Instant(required=True)
    default_seller = fields.TypeID("seller", attribute="default_seller_id", required=True)
    default_tax_rate = fields.DecimalString(required=True)
    close_after_minutes = fields.Integer(
        required=True, description="How long after local midnight documents are made, so that readings are in."
    )
    usage_cutoff_days = fields.Integer(required=True, description="How old usage may be when it arrives.")
    draft_review = fields.Boolean(
        required=True, description="Whether drafts wait for a person instead of becoming final by themselves."
    )
    mail_invoices = fields.Boolean(
        required=True, description="Whether an invoice is mailed to its payer, with its PDF, when it becomes final."
    )


class AuditEntry(Schema):
    """Who did what, when, and what it was before and after."""

    number = fields.Integer(required=True, description="Counts up.")
    at = fields.Instant(required=True, description="Business time.")
    recorded_at = fields.Instant(required=True, description="The machine's time.")
    actor = fields.String(required=True, example="api_key:key_01h455vb4pex5vsknk084sn02q")
    request_id = fields.String(allow_none=True)
    type = fields.String(required=True, example="account.changed", description="The kind of thing, and the action.")
    kind = fields.String(attribute="object_kind", required=True)
    object = fields.String(attribute="object_name", required=True, description="The id of what was changed.")
    action = fields.String(required=True, example="changed")
    before = fields.Raw(allow_none=True)
    after = fields.Raw(allow_none=True)


class AuditQuery(ListQuery):
    """Which entries."""

    object = fields.String(max_length=100, description="An id, inv_… or the like.")
    type = fields.String(max_length=100, example="account.changed", description="`account`, or `account.changed`.")
    actor = fields.String(max_length=200)
    since = fields.Instant()
    until = fields.Instant()
