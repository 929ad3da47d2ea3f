"""Charges put on a subscription by hand, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import page_of
from api.schemas.one_off_charges import OneOffCharge, OneOffChargeNew, OneOffChargeQuery
from services import one_off_charges
from services.one_off_charges import NewCharge, OneOffView

blp = blueprint("one_off_charges", "Charges put on a running subscription: smart hands, a repair, a delivery.")
EXAMPLE = {
    "product": "smart-hands",
    "description": "A disk exchanged in rack 12",
    "price": {"model": "per_unit", "unit_price": "95"},
    "quantity": "1.5",
    "at": "2026-02-11T14:30:00Z",
}
REFUSALS = {
    "product_unknown": "There is no such product.",
    "price_or_amount": "Neither a price nor an amount, or both.",
    "pricing_model_unknown": "There is no such pricing model.",
    "model_needs_usage": "Only a usage price is of this model.",
    "usage_member_not_allowed": "Only a usage price has this member.",
    "quantity_beyond_last_step": "The price has no step for this quantity.",
    "amount_out_of_range": "The amount is too large.",
    "at_before_start": "Before the subscription's start.",
    "at_out_of_range": "More than ten years on.",
    "at_in_future": "What is due later is not billed at once.",
}


@blp.route("/v1/subscriptions/<id(subscription):subscription_id>/charges")
class OneOffCharges(MethodView):
    @require("subscriptions:read")
    @blp.arguments(OneOffChargeQuery, location="query")
    @blp.response(200, page_of(OneOffCharge))
    def get(self, query: dict[str, Any], subscription_id: UUID) -> dict[str, Any]:
        """List the charges that were put on a subscription, newest first."""
        external_id = query.get("external_id")
        return page(query, lambda window: one_off_charges.list_charges(context(), subscription_id, window, external_id))

    @require("invoices:write")
    @refuses(
        409,
        subscription_ended="It has ended.",
        subscription_not_started="It has not started.",
        external_id_taken="Another charge has this external id.",
    )
    @refuses(422, **REFUSALS)
    @blp.arguments(OneOffChargeNew, example=EXAMPLE)
    @blp.response(201, OneOffCharge)
    def post(self, body: dict[str, Any], subscription_id: UUID) -> OneOffView:
        """Put a charge on a running subscription: for its payer's next document, or billed at once."""
        at_once = body.pop("bill") == "now"
        return one_off_charges.create(context(), subscription_id, NewCharge(at_once=at_once, **body))


@blp.route("/v1/subscriptions/<id(subscription):subscription_id>/charges/<id(one_off_charge):charge_id>")
class OneOneOffCharge(MethodView):
    @require("subscriptions:read")
    @blp.response(200, OneOffCharge)
    def get(self, subscription_id: UUID, charge_id: UUID) -> OneOffView:
        """One charge that was put on a subscription."""
        return one_off_charges.get(context(), subscription_id, charge_id)

    @require("invoices:write")
    @refuses(409, charge_on_document="It is on a document.")
    @blp.response(204)
    def delete(self, subscription_id: UUID, charge_id: UUID) -> None:
        """Withdraw a charge while it is on no document."""
        one_off_charges.withdraw(context(), subscription_id, charge_id)
