"""Sites, points and the devices that were seen there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import ExternalIdQuery, page_of
from api.schemas.places import (
    WHOLE,
    Device,
    DeviceQuery,
    Exchange,
    ExchangeNew,
    Point,
    PointNew,
    PointPatch,
    PointQuery,
    Site,
    SiteNew,
)
from api.schemas.usage import PATH_EXAMPLE
from models.places import Device as DeviceRow
from models.places import Point as PointRow
from models.places import Site as SiteRow
from services import metering_exchanges, places, places_devices
from services.metering_exchanges import Exchange as ExchangeEntered

blp = blueprint("places", "Places: sites, and the points where something is metered.")
EXCHANGE_EXAMPLE = {
    "register": "active_energy",
    "unit": "kWh",
    "at": "2026-03-16T08:20:00Z",
    "closing": "513.2",
    "opening": "3",
    "reason": "Noted by R. Visser on work order 4711.",
}
POINT_EXAMPLE = {"site": "ams-1", "path": PATH_EXAMPLE, "kind": "outlet"}


@blp.route("/v1/sites")
class Sites(MethodView):
    @require("places:read")
    @blp.arguments(ExternalIdQuery, location="query")
    @blp.response(200, page_of(Site))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List sites, newest first."""
        return page(query, lambda window: places.list_sites(context(), window, query.get("external_id")))

    @require("places:write")
    @refuses(403, **WHOLE)
    @refuses(409, code_taken="Another site has this code.")
    @blp.arguments(SiteNew, example={"code": "ams-1", "name": "Amsterdam 1", "time_zone": "Europe/Amsterdam"})
    @blp.response(201, Site)
    def post(self, body: dict[str, Any]) -> SiteRow:
        """Add a site."""
        return places.create_site(context(), body)


@blp.route("/v1/sites/<id(site):site_id>")
class OneSite(MethodView):
    @require("places:read")
    @blp.response(200, Site)
    def get(self, site_id: UUID) -> SiteRow:
        """One site."""
        return places.get_site(context(), site_id)


@blp.route("/v1/points")
class Points(MethodView):
    @require("places:read")
    @refuses(422, site_unknown="The filter names no site.")
    @blp.arguments(PointQuery, location="query")
    @blp.response(200, page_of(Point))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List points, newest first; a customer sees those assigned to its subscriptions."""
        ctx = context()
        site = places.find_site(ctx, query["site"], "?site").id if "site" in query else None
        return page(
            query,
            lambda window: places.list_points(
                ctx, window, external_id=query.get("external_id"), site=site, path=query.get("path")
            ),
        )

    @require("places:write")
    @refuses(403, **WHOLE)
    @refuses(409, path_taken="Another point of the site has this path.")
    @refuses(422, site_unknown="There is no such site.")
    @blp.arguments(PointNew, example=POINT_EXAMPLE)
    @blp.response(201, Point)
    def post(self, body: dict[str, Any]) -> PointRow:
        """Add a point."""
        return places.create_point(context(), body)


@blp.route("/v1/points/<id(point):point_id>")
class OnePoint(MethodView):
    @require("places:read")
    @blp.response(200, Point)
    def get(self, point_id: UUID) -> PointRow:
        """One point."""
        return places.get_point(context(), point_id)

    @require("places:write")
    @refuses(403, **WHOLE)
    @blp.arguments(PointPatch, example={"rating": {"current_a": "16", "voltage_v": "230", "phases": 1}})
    @blp.response(200, Point)
    def patch(self, body: dict[str, Any], point_id: UUID) -> PointRow:
        """Change a point. Its path names it in readings and stays."""
        return places.change_point(context(), point_id, body)


@blp.route("/v1/points/<id(point):point_id>/exchanges")
class Exchanges(MethodView):
    @require("places:write")
    @refuses(403, **WHOLE)
    @refuses(
        409,
        no_exchange="The readings around this instant are missing, or of one device.",
        exchange_entered="The registers of this exchange were entered already.",
        instant_taken="There is a reading at this instant.",
    )
    @refuses(
        422,
        register_unknown="The point has no readings of such a counter.",
        unit_mismatch="The register is read in another kind of unit.",
        too_late="The instant is older than `usage_cutoff_days`.",
        closing_below_last="The closing value is below the old device's last reading.",
        opening_above_first="The opening value is above the new device's first reading.",
    )
    @blp.arguments(ExchangeNew, example=EXCHANGE_EXAMPLE)
    @blp.response(201, Exchange)
    def post(self, body: dict[str, Any], point_id: UUID) -> ExchangeEntered:
        """Enter the registers of an exchange.

        What lies between them and the polls is billed as it was noted (`substituted`), instead of estimated.
        """
        return metering_exchanges.enter(context(), point_id, body)


@blp.route("/v1/devices")
class Devices(MethodView):
    @require("places:read")
    @refuses(422, point_unknown="The filter names no point.")
    @blp.arguments(DeviceQuery, location="query")
    @blp.response(200, page_of(Device))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List devices as their evidence told them, the latest first."""
        ctx = context()
        point = places.find_point(ctx, query["point"], "?point").id if "point" in query else None
        return page(query, lambda window: places_devices.list_devices(ctx, window, point=point))


@blp.route("/v1/devices/<id(device):device_id>")
class OneDevice(MethodView):
    @require("places:read")
    @blp.response(200, Device)
    def get(self, device_id: UUID) -> DeviceRow:
        """One device."""
        return places_devices.get_device(context(), device_id)
