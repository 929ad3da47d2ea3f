"""Dunning cases and suspensions over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import page_of
from api.schemas.dunning import DunningCase, DunningCaseQuery, DunningPolicy, Suspension, SuspensionQuery
from services import dunning, suspensions

blp = blueprint("dunning", "Dunning: unpaid invoices, what is done about them, and services that are off.")
POLICY = {"steps": [{"after_days": 3, "action": "remind"}, {"after_days": 14, "action": "suspend"}]}


@blp.route("/v1/dunning-policy")
class Policy(MethodView):
    @require("invoices:read")
    @blp.response(200, DunningPolicy)
    def get(self) -> dict[str, Any]:
        """What happens when an invoice is not paid."""
        return dunning.policy_of(context()).as_json()

    @require("admin:write")
    @refuses(
        422,
        dunning_steps_out_of_order="A step before its predecessor, or an end without a suspension.",
        dunning_step_repeated="Suspended or taken down twice.",
    )
    @blp.arguments(DunningPolicy, example=POLICY)
    @blp.response(200, DunningPolicy)
    def put(self, body: dict[str, Any]) -> dict[str, Any]:
        """Replace the policy. Cases that are open keep the one they were opened under."""
        return dunning.set_policy(context(), body["steps"]).as_json()


@blp.route("/v1/dunning-cases")
class DunningCases(MethodView):
    @require("invoices:read")
    @blp.arguments(DunningCaseQuery, location="query")
    @blp.response(200, page_of(DunningCase))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List cases, newest first."""
        filters = {name: query.get(name) for name in ("account", "invoice", "status")}
        return page(query, lambda window: dunning.page_of_facts(context(), window, **filters))


@blp.route("/v1/dunning-cases/<id(dunning_case):case_id>")
class OneDunningCase(MethodView):
    @require("invoices:read")
    @blp.response(200, DunningCase)
    def get(self, case_id: UUID) -> dict[str, Any]:
        """One case, with the steps that were taken and those to come."""
        ctx = context()
        return dunning.whole(ctx, dunning.get(ctx, case_id))


@blp.route("/v1/dunning-cases/<id(dunning_case):case_id>/pause")
class PauseDunningCase(MethodView):
    @require("invoices:write")
    @refuses(409, illegal_transition="The case is not open.")
    @blp.response(200, DunningCase)
    def post(self, case_id: UUID) -> dict[str, Any]:
        """Let a case rest, because the payer has promised to pay, say."""
        ctx = context()
        return dunning.whole(ctx, dunning.pause(ctx, case_id))


@blp.route("/v1/dunning-cases/<id(dunning_case):case_id>/resume")
class ResumeDunningCase(MethodView):
    @require("invoices:write")
    @refuses(409, illegal_transition="The case is not paused.")
    @blp.response(200, DunningCase)
    def post(self, case_id: UUID) -> dict[str, Any]:
        """Let a case go on; what fell due meanwhile is decided on at once."""
        ctx = context()
        return dunning.whole(ctx, dunning.unpause(ctx, case_id))


@blp.route("/v1/suspensions")
class Suspensions(MethodView):
    @require("subscriptions:read")
    @blp.arguments(SuspensionQuery, location="query")
    @blp.response(200, page_of(Suspension))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List suspensions, newest first."""
        filters = {"subscription": query.get("subscription"), "open_only": query.get("open", False)}
        return page(
            query, lambda window: suspensions.list_suspensions(context(), window, **filters).map(suspensions.facts)
        )


@blp.route("/v1/suspensions/<id(suspension):suspension_id>")
class OneSuspension(MethodView):
    @require("subscriptions:read")
    @blp.response(200, Suspension)
    def get(self, suspension_id: UUID) -> dict[str, Any]:
        """One suspension."""
        return suspensions.facts(suspensions.get(context(), suspension_id))
