"""Dunning cases and suspensions, as they go out."""

from __future__ import annotations

from api.schemas import ListQuery, Schema, fields
from billing.dunning.policy import MAX_DAYS, MAX_STEPS, Action
from billing.states import DUNNING_CASE


class PolicyStep(Schema):
    """A step of a policy."""

    after_days = fields.Integer(
        required=True, minimum=0, maximum=MAX_DAYS, description="Days after the invoice was due."
    )
    action = fields.Enum([action.value for action in Action], required=True)


class DunningPolicy(Schema):
    """What happens when an invoice is not paid: steps, none earlier than the one before it."""

    steps = fields.List(fields.Nested(PolicyStep), required=True, min_items=1, max_items=MAX_STEPS)


class DunningCaseQuery(ListQuery):
    """Which cases."""

    account = fields.Reference("account")
    invoice = fields.Reference("invoice")
    status = fields.Enum(DUNNING_CASE.states)


class DunningStep(Schema):
    """A step of a case's policy, and when it was taken."""

    number = fields.Integer(required=True)
    after_days = fields.Integer(required=True, description="Days after the invoice was due.")
    action = fields.Enum([action.value for action in Action], required=True)
    done_at = fields.Instant(required=True, allow_none=True)
    skipped = fields.String(allow_none=True, description="Why nothing was done, where nothing was.")


class DunningCase(Schema):
    """One unpaid invoice on its way through the policy as it was when the case was opened."""

    id = fields.TypeID("dunning_case", required=True)
    invoice = fields.TypeID("invoice", required=True)
    account = fields.TypeID("account", required=True)
    status = fields.Enum(DUNNING_CASE.states, required=True)
    opened_at = fields.Instant(required=True)
    next_at = fields.Instant(required=True, allow_none=True)
    closed_at = fields.Instant(required=True, allow_none=True)
    steps = fields.List(fields.Nested(DunningStep), required=True)


class SuspensionQuery(ListQuery):
    """Which suspensions."""

    subscription = fields.Reference("subscription")
    open = fields.Flag(description="true: only those that still hold.")


class Suspension(Schema):
    """A reason why a service is off. Service runs when none is open."""

    id = fields.TypeID("suspension", required=True)
    subscription = fields.TypeID("subscription", required=True)
    reason = fields.String(required=True, example="dunning")
    dunning_case = fields.TypeID("dunning_case", required=True, allow_none=True)
    opened_at = fields.Instant(required=True)
    closed_at = fields.Instant(required=True, allow_none=True)
