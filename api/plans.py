"""Plans and their versions over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import ListQuery, page_of
from api.schemas.catalog import (
    PRICES_EXAMPLE,
    CatalogQuery,
    Plan,
    PlanNew,
    PlanPatch,
    PlanVersion,
    PlanVersionNew,
)
from services import plans
from services.plans import PlanView, VersionView

blp = blueprint("plans", "Plans: named offers whose prices live in versions that never change.")
REFUSALS = {
    "pricing_model_unknown": "There is no such pricing model.",
    "product_unknown": "There is no such product.",
    "meter_unknown": "There is no such meter.",
    "meter_required": "A usage price names its meter.",
    "meter_not_allowed": "Only a usage price has a meter.",
    "interval_not_allowed": "A one-off has no interval.",
    "usage_in_advance": "Usage is billed in arrears.",
    "charge_code_repeated": "A charge code stands once in a version.",
    "currencies_differ": "All prices of a version cover the same currencies.",
    "currency_unknown": "No ISO 4217 code.",
    "tiers_expected": "No list of tiers.",
    "tier_not_rising": "Tiers are out of order.",
    "tier_end_missing": "The last tier has an end.",
    "tier_end_not_last": "Another tier than the last has no end.",
    "decimal_string_expected": "A number where a decimal string belongs.",
    "decimal_negative": "A price below zero.",
}


@blp.route("/v1/plans")
class Plans(MethodView):
    @require("catalog:read")
    @blp.arguments(CatalogQuery, location="query")
    @blp.response(200, page_of(Plan))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List plans with their newest versions, newest first."""
        return page(query, lambda window: plans.list_plans(context(), window, query.get("external_id")))

    @require("catalog:write")
    @refuses(409, code_taken="Another plan has this code.")
    @refuses(422, **REFUSALS)
    @blp.arguments(
        PlanNew, example={"code": "colo-rack", "name": "Colocation rack", "version": {"prices": PRICES_EXAMPLE}}
    )
    @blp.response(201, Plan)
    def post(self, body: dict[str, Any]) -> PlanView:
        """Make a plan with its first version."""
        version = body.pop("version")
        return plans.create(context(), body, version["prices"], version.get("effective_at"))


@blp.route("/v1/plans/<id(plan):plan_id>")
class OnePlan(MethodView):
    @require("catalog:read")
    @blp.response(200, Plan)
    def get(self, plan_id: UUID) -> PlanView:
        """One plan with its newest version."""
        return plans.get(context(), plan_id)

    @require("catalog:write")
    @blp.arguments(PlanPatch, example={"name": "Colocation rack, 42 units"})
    @blp.response(200, Plan)
    def patch(self, body: dict[str, Any], plan_id: UUID) -> PlanView:
        """Change a plan's name, external id or metadata; prices change by a further version."""
        return plans.change(context(), plan_id, body)


@blp.route("/v1/plans/<id(plan):plan_id>/versions")
class PlanVersions(MethodView):
    @require("catalog:read")
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, page_of(PlanVersion))
    def get(self, query: dict[str, Any], plan_id: UUID) -> dict[str, Any]:
        """List the versions of a plan, the newest first."""
        return page(query, lambda window: plans.list_versions(context(), plan_id, window))

    @require("catalog:write")
    @refuses(422, **REFUSALS)
    @blp.arguments(PlanVersionNew, example={"prices": PRICES_EXAMPLE})
    @blp.response(201, PlanVersion)
    def post(self, body: dict[str, Any], plan_id: UUID) -> VersionView:
        """Offer a further version. Existing subscriptions stay on theirs."""
        return plans.add_version(context(), plan_id, body["prices"], body.get("effective_at"))
