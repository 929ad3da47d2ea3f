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
from services import offers, plans
from services.offers import Component, Rules, Version
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
    "index_unknown": "There is no such price index.",
    "index_unit_differs": "The index is for another unit than the meter counts.",
    "index_currency_differs": "The index is in another currency than the price.",
    "aggregation_not_additive": "Events and indexes need a meter that adds up: sum or count.",
    "aggregation_not_cut": "A level that lasts from one event to the next has no bands.",
    "aggregation_not_grouped": "What is measured by direction has no further dimensions.",
    "trial_not_allowed": "An add-on has no trial of its own.",
    "trial_length_expected": "Neither `days` nor `until`, or both.",
    "components_expected": "A bundle without plans.",
    "components_not_allowed": "Only a bundle has components.",
    "component_not_allowed": "A bundle contains base plans.",
    "component_repeated": "A plan is in a bundle once.",
    "plan_unknown": "There is no such plan.",
    "plan_not_offered": "No version of a component is offered yet.",
    "charge_code_collision": "Two plans of a bundle share a charge code.",
    "charge_code_unknown": "The component has no such charge.",
    "quantity_not_allowed": "Usage has no ordered quantity.",
    "quantity_negative": "A quantity below zero.",
}
RULE_REFUSALS = {
    "add_on_only": "Only an add-on has base plans, bounds or a group.",
    "base_plan_unknown": "There is no such plan.",
    "base_plan_not_allowed": "An add-on goes with base plans and bundles.",
    "quantity_range_empty": "The most is less than the least.",
    "offers_not_allowed": "An add-on offers nothing itself.",
    "plan_unknown": "There is no such plan.",
    "plan_offers_itself": "A plan is no offer to those who have it.",
    "plan_repeated": "A plan is offered once.",
    "successor_not_allowed": "An add-on takes no plan's place.",
    "companion_not_allowed": "The add-on does not go with the plan.",
    "currencies_differ": "What is offered lacks a currency of the plan.",
}
ADD_ON_EXAMPLE = {
    "code": "ip-block",
    "name": "Further addresses",
    "kind": "add_on",
    "base_plans": ["colo-rack"],
    "quantity": {"least": "1", "most": "8"},
    "group": "addresses",
    "version": {
        "prices": [
            {
                "charge_code": "ip-block",
                "product": "colocation",
                "kind": "recurring",
                "currencies": {"EUR": {"model": "per_unit", "unit_price": "15"}},
            }
        ]
    },
}
BUNDLE_EXAMPLE = {
    "code": "rack-and-traffic",
    "name": "Rack and traffic",
    "kind": "bundle",
    "version": {
        "prices": [
            {
                "charge_code": "bundle",
                "product": "colocation",
                "kind": "recurring",
                "currencies": {"EUR": {"model": "flat", "amount_price": "599"}},
            }
        ],
        "components": [{"plan": "colo-rack", "discount": "100"}, {"plan": "transit", "discount": "10"}],
    },
}


def _rules(body: dict[str, Any]) -> Rules:
    names = ("base_plans", "quantity", "group", "successors", "companions")
    return Rules(**{name: body.pop(name, None) for name in names})


def _version(body: dict[str, Any]) -> Version:
    components = body.get("components")
    return Version(
        body.get("prices"),
        body.get("effective_at"),
        None if components is None else [Component(**component) for component in components],
        body.get("trial"),
    )


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
    @refuses(422, **{**RULE_REFUSALS, **REFUSALS})
    @blp.arguments(
        PlanNew,
        examples={
            "base": {"value": {"code": "colo-rack", "name": "Colocation rack", "version": {"prices": PRICES_EXAMPLE}}},
            "add_on": {"value": ADD_ON_EXAMPLE},
            "bundle": {"value": BUNDLE_EXAMPLE},
        },
    )
    @blp.response(201, Plan)
    def post(self, body: dict[str, Any]) -> PlanView:
        """Make a plan with its first version."""
        version, rules = _version(body.pop("version")), _rules(body)
        return offers.create(context(), body, rules, version)


@blp.route("/v1/plans/<id(plan):plan_id>")
class OnePlan(MethodView):
    @require("catalog:read")
    @blp.response(200, Plan)
    def get(self, plan_id: UUID) -> PlanView:
        """One plan with its newest version."""
        return plans.get(context(), plan_id)

    @require("catalog:write")
    @refuses(422, **RULE_REFUSALS)
    @blp.arguments(PlanPatch, example={"name": "Colocation rack, 42 units"})
    @blp.response(200, Plan)
    def patch(self, body: dict[str, Any], plan_id: UUID) -> PlanView:
        """Change a plan's name, external id, metadata or rules; prices change by a further version."""
        rules = _rules(body)
        return offers.change(context(), plan_id, body, rules)


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
        return offers.add_version(context(), plan_id, _version(body))
