"""What a subscription is offered, as it is shown."""

from __future__ import annotations

from api.schemas import Schema, fields
from api.schemas.version_migrations import Pays
from billing.offers import KINDS as PLAN_KINDS
from services.plan_offers import KINDS


class OfferObstacle(Schema):
    """Why it cannot be told what an offer would cost."""

    code = fields.String(required=True)
    detail = fields.String(required=True)


class OfferApply(Schema):
    """The request that takes an offer; its body may be changed before, and `…/preview-change` or `…/preview` shows
    what it would bring.
    """

    method = fields.Enum(["POST"], required=True)
    path = fields.String(required=True)
    body = fields.Raw(required=True, metadata={"type": "object"})


class Offer(Schema):
    """A plan to take in the place of what a subscription is on (successor), or beside it (companion)."""

    kind = fields.Enum(KINDS, required=True)
    plan = fields.TypeID("plan", attribute="plan_id", required=True)
    plan_version = fields.TypeID("plan_version", attribute="plan_version_id", required=True)
    code = fields.String(required=True)
    name = fields.String(required=True)
    plan_kind = fields.Enum(PLAN_KINDS, required=True)
    currency = fields.Currency(required=True)
    current = fields.Nested(Pays, required=True, allow_none=True)
    offered = fields.Nested(Pays, required=True, allow_none=True, metadata={"description": "With the offer, in all."})
    difference_amount = fields.MinorAmount(
        required=True, allow_none=True, metadata={"description": "What would be paid more a month; below zero, less."}
    )
    once_amount = fields.MinorAmount(required=True, allow_none=True, metadata={"description": "What is due once."})
    usage_span = fields.Span(required=True, allow_none=True, description="What the usage is of: the last closed spans.")
    obstacle = fields.Nested(OfferObstacle, required=True, allow_none=True)
    apply = fields.Nested(
        OfferApply, required=True, allow_none=True, metadata={"description": "null where there is an obstacle."}
    )


class SubscriptionOffers(Schema):
    """All that a subscription is offered, in one answer."""

    subscription = fields.TypeID("subscription", required=True)
    data = fields.List(fields.Nested(Offer), required=True)
    next_cursor = fields.String(required=True, allow_none=True, description="Always null: there are at most 40.")
