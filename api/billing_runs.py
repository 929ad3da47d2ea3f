"""Billing runs over HTTP."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import page_of
from api.schemas.billing_runs import (
    BillingRun,
    BillingRunNew,
    BillingRunPayer,
    BillingRunPayersQuery,
    BillingRunQuery,
)
from services import runs_on_request
from services.runs_on_request import DryRun, RunView

blp = blueprint("billing_runs", "Billing runs: what is due becomes invoices. They also start by themselves.")


@blp.route("/v1/billing-runs")
class BillingRuns(MethodView):
    @require("invoices:read", of_provider=True)
    @blp.arguments(BillingRunQuery, location="query")
    @blp.response(200, page_of(BillingRun))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List billing runs, newest first."""
        return page(query, lambda w: runs_on_request.list_runs(context(), w, status=query.get("status")).map(_shown))

    @require("invoices:write", of_provider=True)
    @refuses(
        422,
        as_of_in_future="Only a dry run looks ahead.",
        account_unknown="There is no such account.",
        too_many_accounts="A dry run is for some hundred payers at most.",
        too_many_changes="A dry run looks ahead at some hundred changes of contract at most.",
    )
    @blp.arguments(BillingRunNew, example={"as_of": "2026-02-01T00:30:00Z", "dry_run": True})
    @blp.response(201, BillingRun)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Bill now what is due. A run of a few payers is done when it answers, a large one goes on by itself."""
        if body.pop("dry_run"):
            body.pop("finalize", None)
            return _dry(runs_on_request.dry_run(context(), **body))
        return _shown(runs_on_request.create(context(), **body))


@blp.route("/v1/billing-runs/<id(billing_run):run_id>")
class OneBillingRun(MethodView):
    @require("invoices:read", of_provider=True)
    @blp.response(200, BillingRun)
    def get(self, run_id: UUID) -> dict[str, Any]:
        """One billing run, with how far it has come."""
        return _shown(runs_on_request.get(context(), run_id))


@blp.route("/v1/billing-runs/<id(billing_run):run_id>/finalize")
class FinalizeBillingRun(MethodView):
    @require("invoices:write", of_provider=True)
    @refuses(409, billing_run_running="The run still bills.")
    @blp.response(200, BillingRun)
    def post(self, run_id: UUID) -> dict[str, Any]:
        """Make all drafts of a run final that wait for a person; many are, while the run goes on by itself."""
        return _shown(runs_on_request.approve(context(), run_id))


@blp.route("/v1/billing-runs/<id(billing_run):run_id>/payers")
class BillingRunPayers(MethodView):
    @require("invoices:read", of_provider=True)
    @blp.arguments(BillingRunPayersQuery, location="query")
    @blp.response(200, page_of(BillingRunPayer))
    def get(self, query: dict[str, Any], run_id: UUID) -> dict[str, Any]:
        """List what became of each payer of a run, and why one is parked."""
        return page(query, lambda w: runs_on_request.payers(context(), run_id, w, status=query.get("status")))


def _shown(view: RunView) -> dict[str, Any]:
    run = view.run
    return {
        "id": run.id,
        "as_of": run.as_of,
        "trigger": run.trigger,
        "status": run.status,
        "dry_run": False,
        "pending_count": view.pending,
        "billed_count": view.billed,
        "parked_count": view.parked,
        "awaiting_approval_count": view.awaiting,
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }


def _dry(found: DryRun) -> dict[str, Any]:
    states = Counter(payer.status for payer in found.payers)
    return {
        "as_of": found.as_of,
        "trigger": "request",
        "status": "done",
        "dry_run": True,
        "pending_count": states["pending"],
        "billed_count": states["done"],
        "parked_count": states["parked"],
        "invoices": [document.json for document in found.documents],
        "credit_notes": [note.json for note in found.credit_notes],
        "payers": found.payers,
    }
