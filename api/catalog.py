"""Products and meters over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import page_of
from api.schemas.catalog import CatalogQuery, Product, ProductNew, ProductPatch
from api.schemas.meters import Meter, MeterNew, MeterPatch
from models.catalog import Meter as MeterRow
from models.catalog import Product as ProductRow
from services import catalog

blp = blueprint("catalog", "Products and meters: what charges are for, and what is counted.")
TAKEN = "Another one of this kind has this code."


@blp.route("/v1/products")
class Products(MethodView):
    @require("catalog:read")
    @blp.arguments(CatalogQuery, location="query")
    @blp.response(200, page_of(Product))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List products, newest first."""
        return page(query, lambda window: catalog.list_products(context(), window, query.get("external_id")))

    @require("catalog:write")
    @refuses(409, code_taken=TAKEN)
    @blp.arguments(ProductNew, example={"code": "colocation", "name": "Colocation"})
    @blp.response(201, Product)
    def post(self, body: dict[str, Any]) -> ProductRow:
        """Make a product."""
        return catalog.create_product(context(), body)


@blp.route("/v1/products/<id(product):product_id>")
class OneProduct(MethodView):
    @require("catalog:read")
    @blp.response(200, Product)
    def get(self, product_id: UUID) -> ProductRow:
        """One product."""
        return catalog.get_product(context(), product_id)

    @require("catalog:write")
    @blp.arguments(ProductPatch, example={"name": "Colocation, Amsterdam"})
    @blp.response(200, Product)
    def patch(self, body: dict[str, Any], product_id: UUID) -> ProductRow:
        """Change a product."""
        return catalog.change_product(context(), product_id, body)


@blp.route("/v1/meters")
class Meters(MethodView):
    @require("catalog:read")
    @blp.arguments(CatalogQuery, location="query")
    @blp.response(200, page_of(Meter))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List meters, newest first."""
        return page(query, lambda window: catalog.list_meters(context(), window, query.get("external_id")))

    @require("catalog:write")
    @refuses(409, code_taken=TAKEN)
    @refuses(
        422,
        aggregation_unknown="There is no such aggregation.",
        unit_mismatch="The aggregation counts something else than the unit measures.",
        percentile_out_of_range="A percentile of zero or above 100.",
        window_not_a_multiple="A window that slides by no part of its length.",
    )
    @blp.arguments(MeterNew, example={"code": "energy", "name": "Energy", "unit": "kWh", "aggregation": "sum"})
    @blp.response(201, Meter)
    def post(self, body: dict[str, Any]) -> MeterRow:
        """Make a meter."""
        return catalog.create_meter(context(), body)


@blp.route("/v1/meters/<id(meter):meter_id>")
class OneMeter(MethodView):
    @require("catalog:read")
    @blp.response(200, Meter)
    def get(self, meter_id: UUID) -> MeterRow:
        """One meter."""
        return catalog.get_meter(context(), meter_id)

    @require("catalog:write")
    @blp.arguments(MeterPatch, example={"name": "Energy of racks"})
    @blp.response(200, Meter)
    def patch(self, body: dict[str, Any], meter_id: UUID) -> MeterRow:
        """Change a meter; what it counts stays."""
        return catalog.change_meter(context(), meter_id, body)
