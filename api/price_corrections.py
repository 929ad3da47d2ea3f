"""Corrections of prices over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import ListQuery, page_of
from api.schemas.price_corrections import PriceCorrection, PriceCorrections, PriceCorrectionsNew
from services import price_corrections
from services.price_corrections import Corrected

blp = blueprint("price-corrections", "Corrections of prices that were wrong from the start.")


@blp.route("/v1/plan-versions/<id(plan_version):version_id>/corrections")
class VersionCorrections(MethodView):
    @require("catalog:read", of_provider=True)
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, page_of(PriceCorrection))
    def get(self, query: dict[str, Any], version_id: UUID) -> dict[str, Any]:
        """List the corrections of a version's prices, newest first."""
        return page(query, lambda window: price_corrections.list_corrections(context(), version_id, window))

    @require("catalog:write")
    @refuses(
        422,
        prices_expected="No price.",
        charge_code_unknown="The version has no such charge.",
        charge_code_repeated="A charge is corrected twice.",
        currencies_expected="A charge without a price.",
        currency_not_offered="The price has no such currency.",
        drawn_price_not_corrected="A committed amount is not corrected once it is agreed.",
        pricing_model_unknown="There is no such pricing model.",
        decimal_string_expected="A number where a decimal string belongs.",
        index_unknown="There is no such price index.",
    )
    @blp.arguments(
        PriceCorrectionsNew,
        example={
            "reason": "A typing error: 0.31 instead of 0.13",
            "prices": [
                {"charge_code": "energy", "currencies": {"EUR": {"model": "per_unit", "unit_price": "0.13"}}},
            ],
        },
    )
    @blp.response(201, PriceCorrections)
    def post(self, body: dict[str, Any], version_id: UUID) -> dict[str, Any]:
        """Say what prices of a version should have been from the start.

        They hold from now on for all who are on the version. Spans that are billed already are rated again, as far
        back as `usage_cutoff_days`: the difference is an adjustment on the next invoice, which names the charge that
        it corrects and is taxed as that was. Interval, timing, meter and the rest stay; they need a further version.
        """
        prices = [Corrected(price["charge_code"], price["currencies"]) for price in body["prices"]]
        return {"data": price_corrections.correct(context(), version_id, prices, body["reason"])}
