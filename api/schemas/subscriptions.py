"""Subscriptions, their changes, previews and provisioning, as they come and go."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from api.schemas import ExternalIdQuery, ListQuery, Resource, Schema, fields
from api.schemas.coded import Coded
from api.schemas.contract_members import (
    ALIGN_MEMBER,
    CANCEL_MEMBER,
    MINIMUM_TERM,
    PAUSE_MEMBER,
    TERM,
    TERM_SHOWN,
    TRIAL,
    shown,
)
from api.schemas.parsed import Parsed
from api.schemas.quantities import QUANTITIES
from api.schemas.rated import Reduction
from billing.changes import QUANTITIES_MOST, read_align, read_cancel, read_effective, read_pause, read_quantities
from billing.contract_terms import read_minimum_term, read_term, read_trial
from billing.items import KINDS
from billing.offers import ADD_ONS_MOST
from billing.periods import ANCHORS
from billing.states.subscription import SUBSCRIPTION
from services.provisioning import DONE, STATUSES

ALIGNED_MOST = 100
EFFECTIVE = {
    "description": "At once, at the end of the current span (of several the one that ends last), or at an instant.",
    "oneOf": [
        {"type": "string", "enum": ["now", "period_end"]},
        {
            "type": "object",
            "required": ["at"],
            "additionalProperties": False,
            "properties": {"at": {"type": "string", "format": "date-time"}},
        },
    ],
    "examples": ["period_end", {"at": "2026-03-01T00:00:00Z"}],
}


class Start(Schema):
    """When a subscription starts: at an instant, or when its service is provisioned."""

    at = fields.Instant()
    on = fields.Enum(["provisioned"])

    @ma.validates_schema
    def one_of_two(self, data: dict[str, Any], **kwargs: Any) -> None:
        if len(data) != 1:
            raise ma.ValidationError(
                {"_schema": [Coded("start_expected", 'Write {"at": …} or {"on": "provisioned"}.')]}
            )


class _Notes(Schema):
    """What is not agreed upon and may be changed at any time."""

    reference = fields.String(max_length=200, allow_none=True, description="The service's name where it runs.")
    purchase_order = fields.String(max_length=100, allow_none=True)
    cost_centre = fields.String(max_length=100, allow_none=True)
    cost_centres = fields.Dict(
        keys=fields.String(max_length=100),
        values=fields.String(max_length=100, allow_none=True),
        validate=fields.Length(max=QUANTITIES_MOST),
        description="Of single charges, by charge code; null gives a charge the subscription's again.",
        example={"power": "CC-7"},
    )
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class AddOnNew(Schema):
    """An add-on to have."""

    plan = fields.Reference("plan", required=True)
    quantity = fields.DecimalString(minimum=0, description="Of each of its charges that is ordered by quantity.")
    quantities = Parsed(read_quantities, {**QUANTITIES, "description": "Of single charges, by charge code."})


class SubscriptionNew(_Notes):
    """An order."""

    account = fields.Reference("account", required=True)
    plan = fields.Reference("plan", required=True)
    start = fields.Nested(Start, required=True)
    anchor = fields.Enum(ANCHORS, load_default="calendar", description="Where spans begin: day 1, or as it started.")
    currency = fields.Currency(allow_none=True, metadata={"description": "By default the account's."})
    quantities = Parsed(read_quantities, QUANTITIES)
    add_ons = fields.List(
        fields.Nested(AddOnNew),
        validate=fields.Length(max=ADD_ONS_MOST),
        metadata={"description": "Add-ons to begin with; further ones come by a change."},
    )
    coupon = fields.String(
        min_length=1, max_length=64, allow_none=True, example="WELCOME-26", description="The code of a coupon."
    )
    trial = Parsed(
        read_trial,
        {
            **TRIAL,
            "type": ["object", "null"],
            "description": TRIAL["description"] + " Null for none; by default the plan's.",
        },
        allow_none=True,
    )
    term = Parsed(read_term, TERM)
    minimum_term = Parsed(read_minimum_term, MINIMUM_TERM)


class SubscriptionPreviewNew(SubscriptionNew):
    """An order, and up to when to look."""

    as_of = fields.Instant(description="Everything billed up to here; by default the start.")


class SubscriptionPatch(_Notes):
    """What to change; members that are not given stay. Terms change by `/changes`."""


class SubscriptionItem(Schema):
    """One charge of a subscription, with what is in force."""

    id = fields.TypeID("subscription_item", required=True)
    charge_code = fields.String(required=True)
    name = fields.String(required=True)
    kind = fields.Enum(KINDS, required=True)
    plan = fields.TypeID("plan", attribute="plan_id", required=True, metadata={"description": "Whose charge it is."})
    quantity = fields.DecimalString(required=True)
    discount = fields.DecimalString(required=True, description="Per cent that a bundle takes off; 0 of usage.")
    cost_centre = fields.String(allow_none=True, description="null where it has none but the subscription's.")


class SubscriptionPart(Schema):
    """A plan version that stands on a subscription beside its own."""

    plan = fields.TypeID("plan", attribute="plan_id", required=True)
    plan_version = fields.TypeID("plan_version", attribute="plan_version_id", required=True)
    version = fields.Integer(required=True, description="The number of the plan version.")
    discount = fields.DecimalString(
        required=True,
        description="Per cent that a bundle takes off recurring and one-off charges, never off usage.",
    )
    from_ = fields.Instant(
        data_key="from", attribute="from_at", required=True, allow_none=True, description="Null before the start."
    )


class ProvisioningOpen(Schema):
    """What a provisioning system was asked and has not done yet."""

    request = fields.TypeID("event", attribute="id", required=True)
    kind = fields.Enum(list(DONE), required=True)
    asked_at = fields.Instant(required=True)
    answer = fields.Raw(allow_none=True, metadata={"type": ["object", "null"]})


class Subscription(Resource):
    """An account's contract on a plan version."""

    id = fields.TypeID("subscription", required=True)
    account = fields.TypeID("account", attribute="account_id", required=True)
    plan = fields.TypeID("plan", attribute="plan_id", required=True)
    plan_version = fields.TypeID("plan_version", attribute="plan_version_id", required=True)
    version = fields.Integer(required=True, description="The number of the plan version.")
    status = fields.Enum(SUBSCRIPTION.states, required=True)
    currency = fields.Currency(required=True)
    time_zone = fields.String(required=True, description="In which its spans are cut; the payer's at its start.")
    anchor = fields.Enum(ANCHORS, required=True)
    start = fields.Nested(Start, required=True)
    started_at = fields.Instant(allow_none=True)
    ended_at = fields.Instant(allow_none=True)
    trial = fields.Raw(allow_none=True, metadata=shown(TRIAL))
    term = fields.Raw(allow_none=True, metadata=TERM_SHOWN)
    minimum_term = fields.Raw(allow_none=True, metadata=shown(MINIMUM_TERM))
    reference = fields.String(allow_none=True)
    purchase_order = fields.String(allow_none=True)
    cost_centre = fields.String(allow_none=True)
    quantities = fields.Dict(keys=fields.String(), values=fields.DecimalString(), required=True)
    items = fields.List(fields.Nested(SubscriptionItem), required=True)
    components = fields.List(
        fields.Nested(SubscriptionPart), required=True, metadata={"description": "What its bundle contains."}
    )
    add_ons = fields.List(fields.Nested(SubscriptionPart), required=True)
    provisioning = fields.Nested(
        ProvisioningOpen, attribute="request", allow_none=True, metadata={"description": "The open request, if any."}
    )


class SubscriptionQuery(ExternalIdQuery):
    """Which subscriptions."""

    account = fields.Reference("account")
    status = fields.Enum(SUBSCRIPTION.states)


class AddOnsChange(Schema):
    """Add-ons that come and go. Of a plan that is moved to, those that do not go with it have to go."""

    add = fields.List(fields.Nested(AddOnNew), validate=fields.Length(max=ADD_ONS_MOST))
    remove = fields.List(
        fields.Reference("plan"),
        validate=fields.Length(max=ADD_ONS_MOST),
        metadata={"description": "The plans of add-ons that it has."},
    )


class AddOnAgreed(Schema):
    """An add-on that comes with a change, on what its plan offered when that was agreed upon."""

    plan = fields.String(required=True)
    plan_version = fields.String(required=True)
    quantities = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class AddOnsAgreed(Schema):
    """The add-ons of a change."""

    add = fields.List(fields.Nested(AddOnAgreed), required=True)
    remove = fields.List(fields.String(), required=True, metadata={"description": "By plan."})


class ChangeNew(Schema):
    """A change of contract: one of `cancel`, `pause`, `resume`, `convert` and `align`; or one or more of another plan,
    add-ons that come or go, other quantities. An instant in the past is allowed from the bill date of the latest final
    invoice with this subscription on.
    """

    effective = Parsed(read_effective, EFFECTIVE, required=True)
    cancel = Parsed(read_cancel, CANCEL_MEMBER)
    pause = Parsed(read_pause, PAUSE_MEMBER)
    resume = fields.Boolean(description="true ends a pause.")
    convert = fields.Boolean(description="true ends a trial: billing begins.")
    align = Parsed(read_align, ALIGN_MEMBER)
    plan = fields.Reference("plan", metadata={"description": "Move to what this plan offers now."})
    add_ons = fields.Nested(AddOnsChange)
    quantities = Parsed(read_quantities, QUANTITIES)

    @ma.validates_schema
    def one_change(self, data: dict[str, Any], **kwargs: Any) -> None:
        single = [name for name in ("cancel", "pause", "resume", "convert", "align") if data.get(name)]
        add_ons = any((data.get("add_ons") or {}).values())
        if len(single) + bool(data.get("quantities") or data.get("plan") or add_ons) != 1:
            detail = "A change is one of cancel, pause, resume, convert and align, or of plan, add_ons and quantities."
            raise ma.ValidationError({"_schema": [Coded("change_expected", detail)]})


class ChangePreviewNew(ChangeNew):
    """A change, and up to when to look."""

    as_of = fields.Instant(description="Everything billed up to here; by default when the change takes effect.")


class Change(Schema):
    """A change of contract, scheduled or done."""

    id = fields.TypeID("change", required=True)
    subscription = fields.TypeID("subscription", attribute="subscription_id", required=True)
    effective_at = fields.Instant(required=True)
    status = fields.Enum(["scheduled", "done", "withdrawn", "failed"], required=True)
    cancel = fields.Boolean(required=True)
    credit = fields.Boolean(allow_none=True, description="Of an end: whether what was billed beyond it is given back.")
    early = fields.Boolean(allow_none=True, description="Of an end: whether it leaves a fixed term.")
    pause = fields.Boolean(required=True)
    pause_until = fields.Instant(allow_none=True)
    resume = fields.Boolean(required=True)
    convert = fields.Boolean(required=True)
    align_on = fields.Date(allow_none=True)
    quantities = fields.Dict(keys=fields.String(), values=fields.DecimalString(), required=True)
    plan_version = fields.TypeID("plan_version", attribute="plan_version_id", allow_none=True)
    add_ons = fields.Nested(AddOnsAgreed, required=True)
    detail = fields.String(allow_none=True, description="Why it failed or was withdrawn.")
    created_at = fields.Instant(required=True)


class AlignmentNew(Schema):
    """Subscriptions to bill for the same spans."""

    subscriptions = fields.List(
        fields.Reference("subscription"),
        required=True,
        validate=fields.Length(min=1, max=ALIGNED_MOST),
        metadata={"description": "By id or external id."},
    )
    on = fields.Date(required=True, metadata={"description": "A day to come, in the zone of each subscription."})


class Alignment(Schema):
    """The change of each subscription."""

    data = fields.List(fields.Nested(Change), required=True)


class ChangeQuery(ListQuery):
    """Which changes; by default those to come."""

    status = fields.Enum(["scheduled", "done", "withdrawn", "failed"], load_default="scheduled")


class PreviewLine(Schema):
    """A line that would be billed; `due_at` is when it could first be on an invoice."""

    charge_code = fields.String(required=True)
    kind = fields.Enum([*KINDS, "credit", "drawdown"], required=True)
    span = fields.Span(required=True)
    quantity = fields.DecimalString(required=True)
    unit = fields.String(allow_none=True)
    exact = fields.DecimalString(required=True)
    amount = fields.MinorAmount(required=True)
    tax_inclusive = fields.Boolean(required=True, description="Whether the price, and so `amount`, has its tax in it.")
    reductions = fields.List(
        fields.Nested(Reduction), required=True, metadata={"description": "What coupons took off `amount`."}
    )
    due_at = fields.Instant(required=True)


class PreviewWaiting(Schema):
    """A span that cannot be rated now, and why."""

    charge_code = fields.String(required=True)
    span = fields.Span(required=True)
    code = fields.String(required=True, example="no_samples")
    detail = fields.String(required=True)


class Preview(Schema):
    """Every line up to `as_of`, as priced, in the order of their dates."""

    currency = fields.Currency(required=True)
    as_of = fields.Instant(required=True)
    subtotal_amount = fields.MinorAmount(required=True)
    lines = fields.List(fields.Nested(PreviewLine), required=True)
    waiting = fields.List(
        fields.Nested(PreviewWaiting),
        required=True,
        description="What could not be rated, such as a percentile without a sample: billing would wait with it.",
    )


class ProvisioningAnswer(Schema):
    """What a provisioning system answers."""

    request = fields.String(
        min_length=1, max_length=100, description="The id of the event that asked; by default the open request's."
    )
    status = fields.Enum(STATUSES, required=True)
    at = fields.Instant(description="When it was done; by default now. Not in the future, not before the order.")
    reference = fields.String(max_length=200, allow_none=True)
    detail = fields.String(max_length=2000, allow_none=True)


class ProvisioningRequest(Schema):
    """What was asked of the provisioning system, and what it answered."""

    request = fields.TypeID("event", attribute="id", required=True)
    kind = fields.Enum(list(DONE), required=True)
    status = fields.Enum(["open", "answered", "superseded"], required=True)
    asked_at = fields.Instant(required=True)
    answered_at = fields.Instant(allow_none=True)
    answer = fields.Raw(allow_none=True, metadata={"type": ["object", "null"]})
