"""Coupons, their codes, and coupons on subscriptions, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import ExternalIdQuery, ListQuery, page_of
from api.schemas.coupons import (
    Coupon,
    CouponCode,
    CouponCodeNew,
    CouponCodePatch,
    CouponNew,
    CouponPatch,
    Redemption,
    RedemptionNew,
    RedemptionPreviewNew,
)
from api.schemas.subscriptions import Preview
from api.subscriptions import COUPON_REFUSALS
from models.coupons import CouponCode as CouponCodeRow
from services import coupon_codes, coupons, coupons_applied, previews
from services.coupons import CouponView
from services.coupons_applied import RedemptionView
from services.previews import Preview as PreviewValue

blp = blueprint("coupons", "Coupons: what is taken off charges, for how many spans, by whose code.")
EXAMPLES = {
    "percent": {
        "summary": "A tenth off the first three spans of each charge.",
        "value": {"name": "Welcome", "percent": "10", "duration": {"spans": 3}, "redemptions_most": 500},
    },
    "amount": {
        "summary": "50.00 a month off what power costs, as long as the contract runs.",
        "value": {"name": "Green power", "amounts": {"EUR": 5000}, "duration": "forever", "products": ["power"]},
    },
    "free_months": {
        "summary": "Two months free for everybody who orders the plan in March.",
        "value": {
            "name": "Spring",
            "percent": "100",
            "duration": {"spans": 2},
            "plans": ["colo-rack"],
            "automatic": True,
            "redeemable_from": "2026-03-01T00:00:00Z",
            "redeemable_until": "2026-04-01T00:00:00Z",
        },
    },
}
TERMS = {
    "reduction_expected": "Neither per cent nor amounts, or both.",
    "duration_unknown": "Neither once, nor forever, nor a number of spans.",
    "amounts_expected": "No amount for any currency.",
    "currency_unknown": "No ISO 4217 code.",
    "product_unknown": "There is no such product.",
    "plan_unknown": "There is no such plan.",
    "window_empty": "It ends before it begins.",
}
LIMIT = {"limit_below_redeemed": "It was redeemed more often already."}
APPLIED_REFUSALS = {
    **COUPON_REFUSALS,
    "coupon_not_combinable": "It, or one that is there, goes with no other.",
    "coupon_start_billed": "Spans that it would reduce are billed already.",
    "start_out_of_range": "More than ten years on.",
}
ARCHIVED = {"coupon_archived": "It is archived."}


@blp.route("/v1/coupons")
class Coupons(MethodView):
    @require("catalog:read", of_provider=True)
    @blp.arguments(ExternalIdQuery, location="query")
    @blp.response(200, page_of(Coupon))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List coupons, newest first."""
        return page(query, lambda window: coupons.list_coupons(context(), window, query.get("external_id")))

    @require("catalog:write", of_provider=True)
    @refuses(422, **TERMS)
    @blp.arguments(CouponNew, examples=EXAMPLES)
    @blp.response(201, Coupon)
    def post(self, body: dict[str, Any]) -> CouponView:
        """Make a coupon. Codes that give it are made by themselves; an automatic one needs none."""
        return coupons.create(context(), body)


@blp.route("/v1/coupons/<id(coupon):coupon_id>")
class OneCoupon(MethodView):
    @require("catalog:read", of_provider=True)
    @blp.response(200, Coupon)
    def get(self, coupon_id: UUID) -> CouponView:
        """One coupon."""
        return coupons.get(context(), coupon_id)

    @require("catalog:write", of_provider=True)
    @refuses(422, **LIMIT, window_empty=TERMS["window_empty"])
    @blp.arguments(CouponPatch, example={"redeemable_until": "2026-12-31T23:00:00Z", "redemptions_most": 1000})
    @blp.response(200, Coupon)
    def patch(self, body: dict[str, Any], coupon_id: UUID) -> CouponView:
        """Change a coupon's name, window or limit. What it takes off stays: make another one for that."""
        return coupons.change(context(), coupon_id, body)


@blp.route("/v1/coupons/<id(coupon):coupon_id>/archive")
class Archive(MethodView):
    @require("catalog:write", of_provider=True)
    @refuses(409, **ARCHIVED)
    @blp.response(200, Coupon)
    def post(self, coupon_id: UUID) -> CouponView:
        """Let nobody redeem a coupon any more. Subscriptions that have it keep it."""
        return coupons.archive(context(), coupon_id)


@blp.route("/v1/coupons/<id(coupon):coupon_id>/codes")
class Codes(MethodView):
    @require("catalog:read", of_provider=True)
    @blp.arguments(ExternalIdQuery, location="query")
    @blp.response(200, page_of(CouponCode))
    def get(self, query: dict[str, Any], coupon_id: UUID) -> dict[str, Any]:
        """List the codes of a coupon, newest first."""
        return page(query, lambda w: coupon_codes.list_codes(context(), coupon_id, w, query.get("external_id")))

    @require("catalog:write", of_provider=True)
    @refuses(409, **ARCHIVED, code_taken="There is this code already.")
    @refuses(422, account_unknown="There is no such account.")
    @blp.arguments(CouponCodeNew, example={"code": "WELCOME-26", "redemptions_most": 100})
    @blp.response(201, CouponCode)
    def post(self, body: dict[str, Any], coupon_id: UUID) -> CouponCodeRow:
        """Give a coupon a further code, with a limit and an end of its own, or for one account alone."""
        return coupon_codes.create(context(), coupon_id, body)


@blp.route("/v1/coupons/<id(coupon):coupon_id>/codes/<id(coupon_code):code_id>")
class OneCode(MethodView):
    @require("catalog:read", of_provider=True)
    @blp.response(200, CouponCode)
    def get(self, coupon_id: UUID, code_id: UUID) -> CouponCodeRow:
        """One code of a coupon."""
        return coupon_codes.get(context(), coupon_id, code_id)

    @require("catalog:write", of_provider=True)
    @refuses(422, **LIMIT)
    @blp.arguments(CouponCodePatch, example={"redemptions_most": 250})
    @blp.response(200, CouponCode)
    def patch(self, body: dict[str, Any], coupon_id: UUID, code_id: UUID) -> CouponCodeRow:
        """Change a code's limit or end."""
        return coupon_codes.change(context(), coupon_id, code_id, body)

    @require("catalog:write", of_provider=True)
    @blp.response(204)
    def delete(self, coupon_id: UUID, code_id: UUID) -> None:
        """Let nobody use a code any more. It is not free for another coupon."""
        coupon_codes.disable(context(), coupon_id, code_id)


@blp.route("/v1/subscriptions/<id(subscription):subscription_id>/coupons")
class SubscriptionCoupons(MethodView):
    @require("subscriptions:read")
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, page_of(Redemption))
    def get(self, query: dict[str, Any], subscription_id: UUID) -> dict[str, Any]:
        """List the coupons that a subscription has or had, and what is left of them, newest first."""
        return page(query, lambda window: coupons_applied.list_redemptions(context(), subscription_id, window))

    @require("subscriptions:write")
    @refuses(409, subscription_ended="It has ended.")
    @refuses(422, **APPLIED_REFUSALS)
    @blp.arguments(RedemptionNew, example={"coupon": "WELCOME-26"})
    @blp.response(201, Redemption)
    def post(self, body: dict[str, Any], subscription_id: UUID) -> RedemptionView:
        """Redeem a code for a subscription: spans that begin from now on are reduced."""
        return coupons_applied.apply(context(), subscription_id, body["coupon"], body.get("starts_at"))


@blp.route("/v1/subscriptions/<id(subscription):subscription_id>/preview-coupon")
class CouponPreview(MethodView):
    @require("subscriptions:read")
    @refuses(409, subscription_ended="It has ended.", subscription_not_started="It has not started.")
    @refuses(
        422,
        **APPLIED_REFUSALS,
        as_of_out_of_range="More than five years ahead.",
        preview_too_long="More than 10,000 lines.",
        amount_out_of_range="The lines come to more than 64 bits hold.",
    )
    @blp.arguments(RedemptionPreviewNew, example={"coupon": "WELCOME-26", "as_of": "2026-06-01T00:00:00Z"})
    @blp.response(200, Preview)
    def post(self, body: dict[str, Any], subscription_id: UUID) -> PreviewValue:
        """What a subscription would be billed with a coupon, if nothing more is used. Nothing is stored."""
        starts_at, as_of = body.get("starts_at"), body.get("as_of")
        return previews.of_coupon(context(), subscription_id, body["coupon"], starts_at, as_of)


@blp.route("/v1/subscriptions/<id(subscription):subscription_id>/coupons/<id(coupon_redemption):redemption_id>")
class OneRedemption(MethodView):
    @require("subscriptions:read")
    @blp.response(200, Redemption)
    def get(self, subscription_id: UUID, redemption_id: UUID) -> RedemptionView:
        """One coupon of a subscription."""
        return coupons_applied.get(context(), subscription_id, redemption_id)

    @require("subscriptions:write")
    @refuses(409, coupon_withdrawn="It was withdrawn.")
    @blp.response(204)
    def delete(self, subscription_id: UUID, redemption_id: UUID) -> None:
        """Take a coupon off a subscription: spans that begin from now on are not reduced any more."""
        coupons_applied.withdraw(context(), subscription_id, redemption_id)
