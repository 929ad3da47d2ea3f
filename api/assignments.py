"""What points count for."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import page_of
from api.schemas.places import WHOLE, Assignment, AssignmentNew, AssignmentPatch, AssignmentQuery
from services import places_assignments
from services.places_assignments import Assigned

blp = blueprint("assignments", "Assignments: a point counts for an item of a subscription, from and to an instant.")
EXAMPLE = {"point": "outlet-12", "subscription": "contract-7", "charge_code": "energy", "from": "2026-02-01T00:00:00Z"}
OVERLAPS = "The point counts for another item within this span."
EMPTY = "It would end before it starts."


@blp.route("/v1/assignments")
class Assignments(MethodView):
    @require("places:read")
    @refuses(422, point_unknown="The filter names no point.", subscription_unknown="The filter names no subscription.")
    @blp.arguments(AssignmentQuery, location="query")
    @blp.response(200, page_of(Assignment))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List assignments, newest first."""
        ctx = context()
        filters = places_assignments.filters(ctx, query.get("point"), query.get("subscription"))
        return page(
            query,
            lambda window: places_assignments.list_assignments(
                ctx, window, external_id=query.get("external_id"), **filters
            ),
        )

    @require("places:write")
    @refuses(403, **WHOLE)
    @refuses(409, assignment_overlaps=OVERLAPS)
    @refuses(
        422,
        point_unknown="There is no such point.",
        point_ambiguous="Several sites have a point with this path.",
        subscription_unknown="There is no such subscription.",
        charge_code_unknown="The subscription has no such charge code.",
        span_empty=EMPTY,
    )
    @blp.arguments(AssignmentNew, example=EXAMPLE)
    @blp.response(201, Assignment)
    def post(self, body: dict[str, Any]) -> Assigned:
        """Let a point count for an item."""
        return places_assignments.assign(context(), body)


@blp.route("/v1/assignments/<id(assignment):assignment_id>")
class OneAssignment(MethodView):
    @require("places:read")
    @blp.response(200, Assignment)
    def get(self, assignment_id: UUID) -> Assigned:
        """One assignment."""
        return places_assignments.get_assignment(context(), assignment_id)

    @require("places:write")
    @refuses(403, **WHOLE)
    @refuses(409, assignment_overlaps=OVERLAPS)
    @refuses(422, span_empty=EMPTY)
    @blp.arguments(AssignmentPatch, example={"to": "2026-03-01T00:00:00Z"})
    @blp.response(200, Assignment)
    def patch(self, body: dict[str, Any], assignment_id: UUID) -> Assigned:
        """End an assignment, or move its end."""
        return places_assignments.close(context(), assignment_id, body["end"])
