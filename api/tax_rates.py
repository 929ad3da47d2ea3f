"""Tax rates over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import page_of
from api.schemas.taxes import TaxRate, TaxRateNew, TaxRatePatch, TaxRateQuery
from models.taxes import TaxRate as TaxRateRow
from services import tax_rates

blp = blueprint("tax-rates", "Tax rates of your own, by place, class of products and day.")
OVERLAPS = "Another rate of this place, class and jurisdiction is valid on one of these days."


@blp.route("/v1/tax-rates")
class TaxRates(MethodView):
    @require("catalog:read", of_provider=True)
    @blp.arguments(TaxRateQuery, location="query")
    @blp.response(200, page_of(TaxRate))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List your tax rates, newest first. Those of the European Union are shipped and need no row here."""
        filters = {name: query.get(name) for name in ("external_id", "country", "tax_class", "on")}
        return page(query, lambda window: tax_rates.list_rates(context(), window, **filters))

    @require("catalog:write", of_provider=True)
    @refuses(409, rate_overlaps=OVERLAPS)
    @refuses(
        422,
        country_unknown="No ISO 3166-1 code.",
        region_required="A county or city without its region.",
        category_has_no_rate="Only the category S has a rate above zero, and it always has.",
        note_required="An exemption without its legal ground.",
        dates_reversed="The last day is before the first.",
    )
    @blp.arguments(
        TaxRateNew,
        example={
            "country": "US",
            "region": "NY",
            "city": "New York",
            "rate": "4.5",
            "name": "Sales tax",
            "stacked": True,
            "valid_from": "2026-01-01",
        },
    )
    @blp.response(201, TaxRate)
    def post(self, body: dict[str, Any]) -> TaxRateRow:
        """Add a tax rate. It holds for sellers whose tax engine is `rules`."""
        return tax_rates.create(context(), body)


@blp.route("/v1/tax-rates/<id(tax_rate):rate_id>")
class OneTaxRate(MethodView):
    @require("catalog:read", of_provider=True)
    @blp.response(200, TaxRate)
    def get(self, rate_id: UUID) -> TaxRateRow:
        """One tax rate."""
        return tax_rates.get(context(), rate_id)

    @require("catalog:write", of_provider=True)
    @refuses(409, rate_overlaps=OVERLAPS)
    @refuses(
        422,
        dates_reversed="The last day is before the first.",
        note_required="An exemption without its legal ground.",
    )
    @blp.arguments(TaxRatePatch, example={"valid_to": "2026-12-31"})
    @blp.response(200, TaxRate)
    def patch(self, body: dict[str, Any], rate_id: UUID) -> TaxRateRow:
        """Change a tax rate: end it, or say it better. What it takes never changes; add another one."""
        return tax_rates.change(context(), rate_id, body)

    @require("catalog:write", of_provider=True)
    @blp.response(204)
    def delete(self, rate_id: UUID) -> None:
        """Take back a rate that was wrong from the start. Documents keep what they say."""
        tax_rates.remove(context(), rate_id)
