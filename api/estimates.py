"""Estimates over HTTP."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView

from api.http import blueprint, context, refuses, require
from api.schemas.estimates import Estimate, EstimateNew
from billing.estimates import Estimate as EstimateValue
from services import estimates

blp = blueprint("estimates", "Estimates: what a price makes of a quantity, by the functions that bill.")
EXAMPLE = {
    "currency": "EUR",
    "lines": [
        {
            "price": {
                "model": "graduated",
                "tiers": [{"up_to": "10", "unit_price": "1"}, {"up_to": None, "unit_price": "0.5"}],
            },
            "quantity": "15",
        }
    ],
}


@blp.route("/v1/estimates")
class Estimates(MethodView):
    @require("catalog:read")
    @refuses(
        422,
        pricing_model_unknown="There is no such pricing model.",
        tiers_expected="No list of tiers.",
        tier_not_rising="Tiers are out of order.",
        tier_end_missing="The last tier has an end.",
        tier_end_not_last="Another tier than the last has no end.",
        decimal_string_expected="A number where a decimal string belongs.",
        decimal_negative="A price below zero.",
        quantity_negative="A quantity below zero.",
        quantity_or_events="A line has a quantity, or events and a meter.",
        aggregation_unknown="There is no such aggregation.",
        unit_mismatch="The aggregation counts something else than the unit measures.",
        percentile_out_of_range="A percentile of zero or above 100.",
        window_not_a_multiple="A window that slides by no part of its length.",
        no_samples="A percentile or a peak of usage without samples.",
        too_many_slots="More samples or windows than a year has minutes.",
        span_too_long="Usage over more than ten years.",
        scalar_expected="A property of an event that is an object or a list.",
        date_or_instant_expected="Neither a day nor an instant.",
        span_empty="A span ends before it starts.",
        used_outside_span="The used part is not within the span.",
        amount_out_of_range="An amount beyond 64 bits.",
    )
    @blp.arguments(EstimateNew, example=EXAMPLE)
    @blp.response(200, Estimate)
    def post(self, body: dict[str, Any]) -> EstimateValue:
        """Rate lines without storing anything."""
        return estimates.estimate(context(), body["currency"], body["lines"])
