"""Subscriptions over HTTP: orders, previews, changes, and what provisioning systems answer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask.views import MethodView

from api.http import binary, blueprint, context, page, refuses, require
from api.schemas import ListQuery, page_of
from api.schemas.subscriptions import (
    Alignment,
    AlignmentNew,
    Change,
    ChangeNew,
    ChangePreviewNew,
    ChangeQuery,
    Preview,
    ProvisioningAnswer,
    ProvisioningRequest,
    Subscription,
    SubscriptionNew,
    SubscriptionPatch,
    SubscriptionPreviewNew,
    SubscriptionQuery,
)
from services import alignment, contract_changes, previews, provisioning, subscriptions, unbilled_documents
from services.change_bodies import ChangeView
from services.change_wishes import Wanted
from services.parts_wanted import AddOn
from services.previews import Preview as PreviewValue
from services.provisioning import Answer
from services.subscription_views import SubscriptionView
from services.subscriptions import Order

blp = blueprint("subscriptions", "Subscriptions: an account's contract on a plan version.")
ORDER_EXAMPLE = {
    "account": "crm-4711",
    "plan": "colo-rack",
    "start": {"on": "provisioned"},
    "anchor": "calendar",
    "quantities": {"rack": "3"},
    "purchase_order": "PO-2026-118",
}
ORDER_EXAMPLES = {
    "rack": {"value": ORDER_EXAMPLE},
    "trial": {
        "summary": "Two weeks free of charge; billed from then on if the payer has a payment method.",
        "value": {
            "account": "crm-4711",
            "plan": "colo-rack",
            "start": {"at": "2026-02-01T00:00:00Z"},
            "anchor": "anniversary",
            "trial": {"days": 14, "requires_payment_method": True, "at_end": "convert", "remind_days": 3},
        },
    },
    "fixed_term": {
        "summary": "A year that renews by itself; ending the first two years early costs half of the rest.",
        "value": {
            **ORDER_EXAMPLE,
            "term": {"interval": {"unit": "year"}, "renewal": "renew", "notice_days": 30},
            "minimum_term": {"interval": {"unit": "year", "count": 2}, "early_termination": {"rate": "50"}},
        },
    },
}
CHANGE_EXAMPLES = {
    "quantities": {"value": {"effective": "now", "quantities": {"rack": "5"}}},
    "plan": {"value": {"effective": "period_end", "plan": "colo-cage"}},
    "add_ons": {"value": {"effective": "now", "add_ons": {"add": [{"plan": "ip-block", "quantity": "2"}]}}},
    "in_the_past": {
        "summary": "From an instant in the past on; not before the bill date of the latest final invoice.",
        "value": {"effective": {"at": "2026-02-03T00:00:00Z"}, "quantities": {"rack": "4"}},
    },
    "cancel": {"value": {"effective": "period_end", "cancel": True}},
    "cancel_without_credit": {"value": {"effective": "now", "cancel": {"credit": False}}},
    "cancel_early": {
        "summary": "Leave a fixed term; before the end of a minimum term this costs what was agreed.",
        "value": {"effective": "now", "cancel": {"early": True}},
    },
    "pause": {"value": {"effective": "now", "pause": {"until": "2026-06-01T00:00:00Z"}}},
    "resume": {"value": {"effective": "now", "resume": True}},
    "convert": {"summary": "End a trial: bill from now on.", "value": {"effective": "now", "convert": True}},
    "align": {
        "summary": "A short span up to the day, then whole ones from it.",
        "value": {"effective": "now", "align": {"on": "2026-03-01"}},
    },
}
ORDER_REFUSALS = {
    "account_unknown": "There is no such account.",
    "plan_unknown": "There is no such plan.",
    "plan_not_offered": "No version of the plan is offered yet.",
    "currency_not_offered": "The plan has no prices in this currency.",
    "charge_code_unknown": "The plan has no such charge.",
    "quantity_negative": "A quantity below zero.",
    "quantity_not_allowed": "Usage has no ordered quantity.",
    "start_expected": "Neither an instant nor provisioned, or both.",
    "start_out_of_range": "More than five years back or ten years on.",
    "trial_length_expected": "Neither `days` nor `until`, or both.",
    "trial_ends_before_start": "A trial that ends before the start.",
    "payment_method_required": "The trial needs a payment method, and the payer has none.",
    "early_termination_expected": "Neither `rate` nor `amount_price`, or both.",
    "rate_out_of_range": "More than all of the rest.",
}
COUPON_REFUSALS = {
    "coupon_unknown": "There is no such code.",
    "coupon_archived": "The coupon is archived, or the code disabled.",
    "coupon_not_yet_valid": "Before its window.",
    "coupon_expired": "After its window, or the code's end.",
    "coupon_limit_reached": "Redeemed as often as it may be.",
    "coupon_not_for_account": "The code is for another account.",
    "coupon_currency_differs": "It has no amount in the subscription's currency.",
    "coupon_not_for_plan": "It is for other plans.",
    "coupon_not_for_product": "It takes nothing off what is ordered.",
    "coupon_already_redeemed": "The account, or the subscription, has had it.",
}
ADD_ON_REFUSALS = {
    "plan_is_add_on": "The plan is an add-on.",
    "plan_not_add_on": "This plan is no add-on.",
    "add_on_not_allowed": "The add-on does not go with the plan.",
    "add_on_present": "The add-on is there already, or named twice.",
    "add_on_group_taken": "There is an add-on of its group already.",
    "quantity_below_least": "Fewer than the add-on allows.",
    "quantity_above_most": "More than the add-on allows.",
    "charge_code_collision": "Two plans on it would share a charge code.",
}
ADD_ON_CHANGE_REFUSALS = {"add_on_not_there": "The subscription has no such add-on."}
CHANGE_REFUSALS = {
    "change_expected": "No change, or several that do not go together.",
    "plan_unknown": "There is no such plan.",
    "plan_not_offered": "No version of the plan is offered yet.",
    "currency_not_offered": "The plan has no prices in the subscription's currency.",
    "effective_unknown": "Neither now, nor period_end, nor an instant.",
    "effective_in_past": "What has not started changes now or later.",
    "effective_out_of_range": "More than ten years on.",
    "change_before_start": "Before the subscription started.",
    "cancellation_before_start": "An end before the start.",
    "change_before_finalized": "Before the bill date of the latest final invoice with this subscription.",
    "align_not_ahead": "A day that is past, or before the change takes effect.",
    "until_not_after": "A pause that ends before it begins.",
    "convert_after_trial": "The trial has ended by itself by then.",
    "charge_code_unknown": "The subscription has no such charge.",
    "quantity_negative": "A quantity below zero.",
    "quantity_not_allowed": "Usage has no ordered quantity.",
}
PREVIEW_REFUSALS = {
    "as_of_out_of_range": "More than five years ahead.",
    "preview_too_long": "More than 10,000 lines.",
    "amount_out_of_range": "The lines come to more than 64 bits hold.",
}
ENDED = {
    "subscription_ended": "It has ended.",
    "subscription_not_started": "It has not started, so it has no period yet.",
    "illegal_transition": "Its status does not allow this: only what is active is paused, only what is paused resumed.",
}


def _order(body: dict[str, Any]) -> Order:
    start = body.pop("start")
    add_ons = [AddOn(**add_on) for add_on in body.pop("add_ons", ())]
    return Order(start_at=start.get("at"), add_ons=add_ons, **body)


def _wanted(body: dict[str, Any]) -> Wanted:
    add_ons = body.get("add_ons") or {}
    return Wanted(
        cancel=body.get("cancel"),
        quantities=body.get("quantities") or {},
        plan=body.get("plan"),
        pause=body.get("pause"),
        resume=bool(body.get("resume")),
        convert=bool(body.get("convert")),
        align_on=body.get("align"),
        add=[AddOn(**add_on) for add_on in add_ons.get("add", ())],
        remove=add_ons.get("remove", ()),
    )


@blp.route("/v1/subscriptions")
class Subscriptions(MethodView):
    @require("subscriptions:read")
    @blp.arguments(SubscriptionQuery, location="query")
    @blp.response(200, page_of(Subscription))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List subscriptions, newest first."""
        filters = {name: query.get(name) for name in ("external_id", "account", "status")}
        return page(query, lambda window: subscriptions.list_subscriptions(context(), window, **filters))

    @require("subscriptions:write")
    @refuses(422, **ORDER_REFUSALS, **ADD_ON_REFUSALS, **COUPON_REFUSALS)
    @blp.arguments(SubscriptionNew, examples=ORDER_EXAMPLES)
    @blp.response(201, Subscription)
    def post(self, body: dict[str, Any]) -> SubscriptionView:
        """Order. The event `subscription.provision_requested` asks for the service."""
        return provisioning.order(context(), _order(body))


@blp.route("/v1/subscriptions/preview")
class OrderPreview(MethodView):
    @require("subscriptions:read")
    @refuses(422, **ORDER_REFUSALS, **ADD_ON_REFUSALS, **COUPON_REFUSALS, **PREVIEW_REFUSALS)
    @blp.arguments(SubscriptionPreviewNew, example={**ORDER_EXAMPLE, "as_of": "2026-03-01T00:00:00Z"})
    @blp.response(200, Preview)
    def post(self, body: dict[str, Any]) -> PreviewValue:
        """What an order would be billed up to an instant, if nothing is used. Nothing is stored."""
        as_of = body.pop("as_of", None)
        return previews.of_order(context(), _order(body), as_of)


@blp.route("/v1/subscriptions/preview/pdf")
class OrderProForma(MethodView):
    @require("subscriptions:read")
    @refuses(409, nothing_to_bill="The order would not be billed anything by then.")
    @refuses(
        422,
        **ORDER_REFUSALS,
        **ADD_ON_REFUSALS,
        **COUPON_REFUSALS,
        as_of_out_of_range="Before the start, or five years ahead.",
    )
    @blp.arguments(SubscriptionPreviewNew, example={**ORDER_EXAMPLE, "as_of": "2026-03-01T00:00:00Z"})
    @blp.response(200, {"type": "string", "format": "binary"}, content_type="application/pdf")
    def post(self, body: dict[str, Any]) -> Response:
        """What an order would bring as a PDF, with taxes, that is marked as a pro forma. Nothing is stored."""
        as_of = body.pop("as_of", None)
        data = unbilled_documents.order_pdf(context(), _order(body), as_of)
        return binary(data, "application/pdf", filename="pro-forma.pdf")


@blp.route("/v1/subscriptions/align")
class Alignments(MethodView):
    @require("subscriptions:write")
    @refuses(409, subscription_ended="One of them has ended.", subscription_not_started="One has not started.")
    @refuses(422, subscription_unknown="There is no such subscription.", align_not_ahead="The day is past.")
    @blp.arguments(AlignmentNew, example={"subscriptions": ["rack-contract", "port-contract"], "on": "2026-03-01"})
    @blp.response(200, Alignment)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Bill several subscriptions for the same spans from a day on: all of them, or none. As the change `align`."""
        return {"data": alignment.align(context(), body["subscriptions"], body["on"])}


@blp.route("/v1/subscriptions/<id(subscription):subscription_id>")
class OneSubscription(MethodView):
    @require("subscriptions:read")
    @blp.response(200, Subscription)
    def get(self, subscription_id: UUID) -> SubscriptionView:
        """One subscription."""
        return subscriptions.get(context(), subscription_id)

    @require("subscriptions:write")
    @refuses(422, charge_code_unknown="A cost centre for a charge that the subscription does not have.")
    @blp.arguments(SubscriptionPatch, example={"purchase_order": "PO-2026-119"})
    @blp.response(200, Subscription)
    def patch(self, body: dict[str, Any], subscription_id: UUID) -> SubscriptionView:
        """Change what is not agreed upon; terms change by `/changes`."""
        return subscriptions.change_notes(context(), subscription_id, body)


@blp.route("/v1/subscriptions/<id(subscription):subscription_id>/preview-change")
class ChangePreview(MethodView):
    @require("subscriptions:read")
    @refuses(409, **ENDED)
    @refuses(422, **CHANGE_REFUSALS, **ADD_ON_REFUSALS, **ADD_ON_CHANGE_REFUSALS, **PREVIEW_REFUSALS)
    @blp.arguments(ChangePreviewNew, examples=CHANGE_EXAMPLES)
    @blp.response(200, Preview)
    def post(self, body: dict[str, Any], subscription_id: UUID) -> PreviewValue:
        """What would be billed and given back with a change. Nothing is stored."""
        return previews.of_change(context(), subscription_id, _wanted(body), body["effective"], body.get("as_of"))


@blp.route("/v1/subscriptions/<id(subscription):subscription_id>/changes")
class Changes(MethodView):
    @require("subscriptions:read")
    @blp.arguments(ChangeQuery, location="query")
    @blp.response(200, page_of(Change))
    def get(self, query: dict[str, Any], subscription_id: UUID) -> dict[str, Any]:
        """List changes, the next one first; by default those to come."""
        return page(
            query,
            lambda window: contract_changes.list_scheduled(context(), subscription_id, window, query["status"]),
        )

    @require("subscriptions:write")
    @refuses(409, **ENDED)
    @refuses(422, **CHANGE_REFUSALS, **ADD_ON_REFUSALS, **ADD_ON_CHANGE_REFUSALS)
    @blp.arguments(ChangeNew, examples=CHANGE_EXAMPLES)
    @blp.response(201, Change)
    def post(self, body: dict[str, Any], subscription_id: UUID) -> ChangeView:
        """Change the contract now, or schedule the change."""
        return contract_changes.make(context(), subscription_id, _wanted(body), body["effective"])


@blp.route("/v1/subscriptions/<id(subscription):subscription_id>/changes/<id(change):change_id>")
class OneChange(MethodView):
    @require("subscriptions:read")
    @blp.response(200, Change)
    def get(self, subscription_id: UUID, change_id: UUID) -> ChangeView:
        """One change."""
        return contract_changes.get(context(), subscription_id, change_id)

    @require("subscriptions:write")
    @refuses(409, change_not_scheduled="It was done, withdrawn or has failed.")
    @blp.response(204)
    def delete(self, subscription_id: UUID, change_id: UUID) -> None:
        """Withdraw a scheduled change."""
        contract_changes.withdraw(context(), subscription_id, change_id)


@blp.route("/v1/subscriptions/<id(subscription):subscription_id>/provisioning")
class Provisioning(MethodView):
    @require("subscriptions:read")
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, page_of(ProvisioningRequest))
    def get(self, query: dict[str, Any], subscription_id: UUID) -> dict[str, Any]:
        """List what was asked of the provisioning system and what it answered, newest first."""
        return page(query, lambda window: provisioning.list_requests(context(), subscription_id, window))

    @require("subscriptions:write")
    @refuses(409, request_not_open="Nothing is asked, or it was answered already.")
    @refuses(
        422,
        request_unknown="Not a request of this subscription.",
        status_mismatch="Not an answer to what was asked.",
        at_in_future="`at` lies in the future.",
        at_before_order="`at` lies before the order.",
    )
    @blp.arguments(
        ProvisioningAnswer,
        example={"request": "evt_01h455vb4pex5vsknk084sn02q", "status": "provisioned", "reference": "rack-12"},
    )
    @blp.response(200, Subscription)
    def post(self, body: dict[str, Any], subscription_id: UUID) -> SubscriptionView:
        """Answer a request. `provisioned` starts a subscription that waits for it."""
        return provisioning.answer(context(), subscription_id, Answer(**body))
