"""Limits on spending over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import ListQuery, page_of
from api.schemas.spending_limits import SpendingLimit, SpendingLimitNew, SpendingLimitPatch
from services import spending_limits
from services.spending_limits import LimitView

blp = blueprint("spending-limits", "Limits on spending: thresholds and caps that tell when usage has come to them.")
REFUSALS = {
    "limit_expected": "Neither an amount nor a quantity, or both.",
    "charge_code_required": "A quantity without a charge.",
    "charge_code_unknown": "There is no such charge of usage.",
    "currency_differs": "Another currency than the subscription's or the account's.",
}


@blp.route("/v1/subscriptions/<id(subscription):subscription_id>/spending-limits")
class SubscriptionLimits(MethodView):
    @require("usage:read")
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, page_of(SpendingLimit))
    def get(self, query: dict[str, Any], subscription_id: UUID) -> dict[str, Any]:
        """List the limits of a subscription, newest first."""
        return page(query, lambda w: spending_limits.list_of_subscription(context(), subscription_id, w))

    @require("subscriptions:write")
    @refuses(422, **REFUSALS)
    @blp.arguments(SpendingLimitNew, example={"kind": "threshold", "amount": 50000, "currency": "EUR"})
    @blp.response(201, SpendingLimit)
    def post(self, body: dict[str, Any], subscription_id: UUID) -> LimitView:
        """Limit what a subscription's usage comes to in a billing span.

        `usage.threshold_reached` or `usage.cap_reached` tells of it, once in a span: also when usage arrives late, and
        not again when a correction takes it below and further usage above. The next span can reach it again.
        """
        return spending_limits.on_subscription(context(), subscription_id, body)


@blp.route("/v1/accounts/<id(account):account_id>/spending-limits")
class AccountLimits(MethodView):
    @require("usage:read")
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, page_of(SpendingLimit))
    def get(self, query: dict[str, Any], account_id: UUID) -> dict[str, Any]:
        """List the limits of an account as a whole, newest first."""
        return page(query, lambda w: spending_limits.list_of_account(context(), account_id, w))

    @require("subscriptions:write")
    @refuses(422, **REFUSALS)
    @blp.arguments(SpendingLimitNew, example={"kind": "cap", "amount": 1000000})
    @blp.response(201, SpendingLimit)
    def post(self, body: dict[str, Any], account_id: UUID) -> LimitView:
        """Limit what the usage of an account, and of those below it, comes to in a month of the account's zone.

        All billing spans that begin in the month count, of subscriptions in the account's currency.
        """
        return spending_limits.on_account(context(), account_id, body)


@blp.route("/v1/spending-limits/<id(spending_limit):limit_id>")
class OneLimit(MethodView):
    @require("usage:read")
    @blp.response(200, SpendingLimit)
    def get(self, limit_id: UUID) -> LimitView:
        """One limit, and when it was last reached."""
        return spending_limits.get(context(), limit_id)

    @require("subscriptions:write")
    @blp.arguments(SpendingLimitPatch, example={"metadata": {"team": "compute"}})
    @blp.response(200, SpendingLimit)
    def patch(self, body: dict[str, Any], limit_id: UUID) -> LimitView:
        """Change a limit's external id or metadata; another limit is made anew."""
        return spending_limits.change(context(), limit_id, body)

    @require("subscriptions:write")
    @blp.response(204)
    def delete(self, limit_id: UUID) -> None:
        """Let a limit go."""
        spending_limits.remove(context(), limit_id)
