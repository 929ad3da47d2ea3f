"""What-if over HTTP: prices are tried on the real usage of past months."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response
from flask.views import MethodView

from api.http import binary, blueprint, context, page, refuses, require
from api.plans import REFUSALS
from api.schemas import ExternalIdQuery, page_of
from api.schemas.simulations import ResultsQuery, Simulation, SimulationNew, SimulationResults
from api.transaction import piece_by_piece
from services import simulation_results, simulations
from services.simulation_results import Csv, Json, Reading, total_json
from services.simulations import Asked, SimulationView

blp = blueprint("simulations", "What-if: prices are tried on the real usage of past months, before they are sold.")
EXAMPLE = {"plan": "colo-rack", "version": 2, "months": {"from": "2026-01", "to": "2026-03"}, "plans": ["colo-rack"]}
INLINE = {
    "prices": [
        {
            "charge_code": "energy",
            "product": "power",
            "kind": "usage",
            "meter": "energy",
            "currencies": {"EUR": {"model": "per_unit", "unit_price": "0.31"}},
        }
    ],
    "months": {"from": "2026-01", "to": "2026-03"},
    "accounts": ["acme"],
}


def _shown(found: SimulationView) -> dict[str, Any]:
    row = found.row
    return {
        **{name: getattr(row, name) for name in ("id", "external_id", "meta", "created_at", "status", "finished_at")},
        **{name: getattr(row, name) for name in ("plan_version_id", "prices", "chosen")},
        "plan_id": found.plan_id,
        "version": found.version,
        "progress": {"subscriptions": row.subscriptions_total, "done": row.subscriptions_done},
        "months": {"from": f"{row.first_month:%Y-%m}", "to": f"{row.last_month:%Y-%m}"},
        **row.assumed,
        "totals": [total_json(total) for total in found.totals],
    }


@blp.route("/v1/simulations")
class Simulations(MethodView):
    @require("catalog:read", of_provider=True)
    @blp.arguments(ExternalIdQuery, location="query")
    @blp.response(200, page_of(Simulation))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List simulations, newest first."""
        return page(
            query,
            lambda window: simulations.list_simulations(context(), window, query.get("external_id")).map(_shown),
        )

    @require("catalog:write", of_provider=True)
    @refuses(409, external_id_taken="Another simulation has this external id.")
    @refuses(
        422,
        **REFUSALS,
        target_expected="Neither a plan version, nor a plan, nor prices; or more than one of them.",
        plan_version_unknown="There is no such plan version.",
        version_unknown="The plan has no such version.",
        version_not_allowed="A version without a plan.",
        subscription_unknown="There is no such subscription.",
        account_unknown="There is no such account.",
        month_malformed="No month such as 2026-01.",
        months_reversed="The last month is before the first.",
        too_many_months="More than 36 months.",
        months_not_over="A month that is not over, or whose last readings may still be on their way.",
        months_without_data="Months in which no chosen subscription ran, or none used anything.",
        nothing_chosen="No subscription is what was asked for.",
        currency_not_offered="The contracts are in other currencies than the prices.",
        usage_needs_time="A quantity is assumed of usage whose price asks when or how it came about.",
    )
    @blp.arguments(SimulationNew, examples={"version": {"value": EXAMPLE}, "prices": {"value": INLINE}})
    @blp.response(201, Simulation)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Try a plan version, or prices that nobody sells yet, on what chosen subscriptions really used.

        Nothing is stored but the simulation: no charge, no claim, no document. A few subscriptions are summed up at
        once, many by the workers; `results` gives what each customer would pay.
        """
        return _shown(simulations.create(context(), Asked(**body)))


@blp.route("/v1/simulations/<id(simulation):simulation_id>")
class OneSimulation(MethodView):
    @require("catalog:read", of_provider=True)
    @blp.response(200, Simulation)
    def get(self, simulation_id: UUID) -> dict[str, Any]:
        """One simulation: how far its sums have come, and what they come to."""
        return _shown(simulations.get(context(), simulation_id))


@blp.route("/v1/simulations/<id(simulation):simulation_id>/results")
class Results(MethodView):
    @require("catalog:read", of_provider=True)
    @blp.arguments(ResultsQuery, location="query")
    @blp.response(200, SimulationResults)
    def get(self, query: dict[str, Any], simulation_id: UUID) -> Response:
        """What each customer pays and would pay, with its subscriptions; then the totals. Sent while it is worked out.

        With `format=csv` as rows for spreadsheets.
        """
        simulations.get(context(), simulation_id)
        as_csv = query["format"] == "csv"
        reading = Reading(Csv(query["rows"]) if as_csv else Json())
        pieces = piece_by_piece(lambda ctx, at: simulation_results.read(ctx, simulation_id, at), reading)
        kind = "text/csv; charset=utf-8; header=present" if as_csv else "application/json"
        return binary(pieces, kind, filename="simulation.csv" if as_csv else None)
