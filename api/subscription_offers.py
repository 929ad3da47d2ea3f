"""What a subscription is offered, over HTTP."""

from __future__ import annotations

from dataclasses import fields as members
from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, require
from api.schemas.subscription_offers import SubscriptionOffers
from services import subscription_offers
from services.subscription_offers import Offer

blp = blueprint("subscription_offers", "Offers: plans to take in the place of a subscription's plan, or beside it.")


def _shown(offer: Offer) -> dict[str, Any]:
    obstacle = dict(zip(("code", "detail"), offer.obstacle, strict=True)) if offer.obstacle is not None else None
    told = {member.name: getattr(offer, member.name) for member in members(offer)}
    more = {"obstacle": obstacle, "apply": offer.apply or None, "difference_amount": offer.difference_amount}
    return {**told, **more}


@blp.route("/v1/subscriptions/<id(subscription):subscription_id>/offers")
class Offers(MethodView):
    @require("subscriptions:read")
    @blp.response(200, SubscriptionOffers)
    def get(self, subscription_id: UUID) -> dict[str, Any]:
        """What its plan's successors and companions would cost a month, beside what it costs now, on its last usage.

        Successors come first, in each kind what costs least more first.
        """
        found = [_shown(offer) for offer in subscription_offers.offers(context(), subscription_id)]
        return {"subscription": subscription_id, "data": found, "next_cursor": None}
