"""Sellers over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import ExternalIdQuery, page_of
from api.schemas.sellers import Seller, SellerNew, SellerPatch, TaxEndpoint, TaxEndpointNew
from models.providers import Seller as SellerRow
from services import sellers

blp = blueprint("sellers", "Sellers: the legal entities that issue documents.")
EXAMPLE = {
    "name": "Acme DC",
    "legal_name": "Acme DC B.V.",
    "country": "NL",
    "address": {"line1": "Science Park 400", "postal_code": "1098 XH", "city": "Amsterdam"},
    "bank": {"holder": "Acme DC B.V.", "iban": "NL91ABNA0417164300", "bic": "ABNANL2A"},
    "tax_rate": "21",
    "number_prefix": "ACME",
}

REFUSALS = {
    "tax_id_malformed": "Not a tax id of the country that it names.",
    "tax_engine_unknown": "There is no such tax engine.",
    "tax_endpoint_required": "An engine outside, and no endpoint.",
    "country_unknown": "No ISO 3166-1 code.",
}


@blp.route("/v1/sellers")
class Sellers(MethodView):
    @require("accounts:read")
    @blp.arguments(ExternalIdQuery, location="query")
    @blp.response(200, page_of(Seller))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List sellers, newest first."""
        return page(query, lambda window: sellers.list_sellers(context(), window, external_id=query.get("external_id")))

    @require("admin:write")
    @refuses(422, **REFUSALS)
    @blp.arguments(SellerNew, example=EXAMPLE)
    @blp.response(201, Seller)
    def post(self, body: dict[str, Any]) -> SellerRow:
        """Make a seller."""
        return sellers.create(context(), body)


@blp.route("/v1/sellers/<id(seller):seller_id>")
class OneSeller(MethodView):
    @require("accounts:read")
    @blp.response(200, Seller)
    def get(self, seller_id: UUID) -> SellerRow:
        """One seller."""
        return sellers.get(context(), seller_id)

    @require("admin:write")
    @refuses(422, **REFUSALS)
    @blp.arguments(SellerPatch, example={"brand_color": "#1d4ed8"})
    @blp.response(200, Seller)
    def patch(self, body: dict[str, Any], seller_id: UUID) -> SellerRow:
        """Change a seller. Documents that are final keep what they say."""
        return sellers.change(context(), seller_id, body)


@blp.route("/v1/sellers/<id(seller):seller_id>/tax-endpoint")
class SellerTaxEndpoint(MethodView):
    @require("admin:write")
    @refuses(422, url_refused="We do not send there.")
    @blp.arguments(TaxEndpointNew, example={"url": "https://tax.acme.example/decide"})
    @blp.response(201, TaxEndpoint)
    def post(self, body: dict[str, Any], seller_id: UUID) -> dict[str, Any]:
        """Say where a seller's own tax engine is asked. Gives a new secret, once; the one before signs no more.

        Questions go there as one signed POST before a billing run bills payers, when the seller's `tax_engine` is
        `endpoint`.
        """
        return {**body, "secret": sellers.set_tax_endpoint(context(), seller_id, body["url"])}
