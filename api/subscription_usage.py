"""What a subscription used."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, refuses, require
from api.schemas.subscription_usage import SubscriptionUsage, SubscriptionUsageQuery
from services import subscription_usage
from services.subscription_usage import SubscriptionUsage as Used

blp = blueprint("subscription-usage", "What a subscription used: quantities, how sure they are, the amount so far.")


@blp.route("/v1/subscriptions/<id(subscription):subscription_id>/usage")
class OneSubscriptionUsage(MethodView):
    @require("usage:read")
    @refuses(422, span_empty="`to` is not after `from`.", too_many_slots="More than 2,000 slots.")
    @blp.arguments(SubscriptionUsageQuery, location="query")
    @blp.response(200, SubscriptionUsage)
    def get(self, query: dict[str, Any], subscription_id: UUID) -> Used:
        """Usage by hour, day or month, with quality shares and the amount so far."""
        ctx = context()
        return subscription_usage.usage_of(
            ctx, subscription_id, query.get("start"), query.get("end"), query["group_by"]
        )
