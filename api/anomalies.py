"""Doubts about readings, and readings kept aside."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import page_of
from api.schemas.anomalies import (
    Adoption,
    AdoptionReceipt,
    Anomaly,
    AnomalyQuery,
    QuarantinedReading,
    QuarantineQuery,
)
from api.schemas.places import WHOLE
from models.places import Anomaly as AnomalyRow
from services import metering_adoption, metering_doubts, places
from services.metering_adoption import Adopted

blp = blueprint("anomalies", "Anomalies: doubts about readings; and readings that were kept aside.")


@blp.route("/v1/anomalies")
class Anomalies(MethodView):
    @require("usage:read")
    @refuses(422, point_unknown="The filter names no point.", point_ambiguous="Several sites have this path.")
    @blp.arguments(AnomalyQuery, location="query")
    @blp.response(200, page_of(Anomaly))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List anomalies, newest first."""
        ctx = context()
        point = places.find_point(ctx, query["object"], "?object").id if "object" in query else None
        return page(
            query,
            lambda window: metering_doubts.list_anomalies(
                ctx,
                window,
                kind=query.get("type"),
                status=query.get("status"),
                point=point,
                since=query.get("since"),
                until=query.get("until"),
            ),
        )


@blp.route("/v1/anomalies/<id(anomaly):anomaly_id>")
class OneAnomaly(MethodView):
    @require("usage:read")
    @blp.response(200, Anomaly)
    def get(self, anomaly_id: UUID) -> AnomalyRow:
        """One anomaly."""
        return metering_doubts.get_anomaly(context(), anomaly_id)


def _action(action: str, meaning: str) -> None:
    """A route that moves an anomaly on."""

    class Move(MethodView):
        @require("usage:write")
        @refuses(409, illegal_transition="It is resolved or dismissed already.")
        @blp.response(200, Anomaly)
        def post(self, anomaly_id: UUID) -> AnomalyRow:
            return metering_doubts.change_anomaly(context(), anomaly_id, action)

    Move.post.__doc__ = meaning
    blp.route(f"/v1/anomalies/<id(anomaly):anomaly_id>/{action}", endpoint=f"anomaly_{action}")(Move)


_action("acknowledge", "Say that somebody looks at it.")
_action("resolve", "Say that it is mended.")
_action("dismiss", "Say that there is nothing in it.")


@blp.route("/v1/usage/quarantine")
class Quarantine(MethodView):
    @require("usage:read")
    @blp.arguments(QuarantineQuery, location="query")
    @blp.response(200, page_of(QuarantinedReading))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List readings that were not taken and kept, newest first."""
        filters = {"point": query.get("point"), "cause": query.get("cause")}
        return page(query, lambda window: metering_adoption.list_kept(context(), window, **filters))


@blp.route("/v1/usage/quarantine/adopt")
class Adopt(MethodView):
    @require("usage:write")
    @refuses(403, **WHOLE)
    @refuses(422, point_unknown="There is no such point.", point_ambiguous="Several sites have this path.")
    @blp.arguments(Adoption, example={"sent_as": "rack-12/pdu-a", "point": "rack-12-pdu-a"})
    @blp.response(200, AdoptionReceipt)
    def post(self, body: dict[str, Any]) -> Adopted:
        """Take readings of an unknown point as those of a point, the oldest 10,000 at a time."""
        return metering_adoption.adopt(context(), body["sent_as"], body["point"])
