"""Webhook endpoints, and the deliveries to each."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import ExternalIdQuery, page_of
from api.schemas.webhooks import (
    Delivery,
    DeliveryQuery,
    WebhookEndpoint,
    WebhookEndpointNew,
    WebhookEndpointPatch,
    WebhookEndpointWithSecret,
)
from services import deliveries, webhooks
from services.webhooks import WithSecret

blp = blueprint("webhooks", "Webhooks: where events go, and how each delivery went.")

REFUSED = {
    "url_refused": "We do not send there: not https, a private address, or no address at all.",
    "event_type_unknown": "There is no such event; GET /v1/event-types lists them.",
}


def _shown(made: WithSecret) -> dict[str, Any]:
    row = made.endpoint
    names = ("id", "url", "types", "description", "status", "previous_until", "external_id", "meta", "created_at")
    return {**{name: getattr(row, name) for name in names}, "secret": made.secret}


@blp.route("/v1/webhook-endpoints")
class Endpoints(MethodView):
    @require("webhooks:read")
    @blp.arguments(ExternalIdQuery, location="query")
    @blp.response(200, page_of(WebhookEndpoint))
    def get(self, query: dict[str, Any]) -> Any:
        """List webhook endpoints, newest first."""
        external_id = query.get("external_id")
        return page(query, lambda window: webhooks.list_endpoints(context(), window, external_id=external_id))

    @require("webhooks:write")
    @refuses(422, **REFUSED)
    @blp.arguments(WebhookEndpointNew, example={"url": "https://example.com/busbar", "types": ["invoice.*"]})
    @blp.response(201, WebhookEndpointWithSecret)
    def post(self, body: dict[str, Any]) -> Any:
        """Make a webhook endpoint; the answer holds its secret, this once."""
        return _shown(webhooks.create(context(), body))


@blp.route("/v1/webhook-endpoints/<id(webhook_endpoint):endpoint_id>")
class OneEndpoint(MethodView):
    @require("webhooks:read")
    @blp.response(200, WebhookEndpoint)
    def get(self, endpoint_id: UUID) -> Any:
        """One webhook endpoint."""
        return webhooks.get(context(), endpoint_id)

    @require("webhooks:write")
    @refuses(422, **REFUSED)
    @blp.arguments(WebhookEndpointPatch, example={"types": ["invoice.paid"]})
    @blp.response(200, WebhookEndpoint)
    def patch(self, body: dict[str, Any], endpoint_id: UUID) -> Any:
        """Change a webhook endpoint."""
        return webhooks.change(context(), endpoint_id, body)


@blp.route("/v1/webhook-endpoints/<id(webhook_endpoint):endpoint_id>/secret")
class Secret(MethodView):
    @require("webhooks:write")
    @blp.response(200, WebhookEndpointWithSecret)
    def post(self, endpoint_id: UUID) -> Any:
        """Give an endpoint a new secret; for a day, deliveries are signed with the old one as well."""
        return _shown(webhooks.rotate(context(), endpoint_id))


@blp.route("/v1/webhook-endpoints/<id(webhook_endpoint):endpoint_id>/deliveries")
class Deliveries(MethodView):
    @require("webhooks:read")
    @blp.arguments(DeliveryQuery, location="query")
    @blp.response(200, page_of(Delivery))
    def get(self, query: dict[str, Any], endpoint_id: UUID) -> Any:
        """An endpoint's deliveries, newest first."""
        status = query.get("status")
        return page(query, lambda window: deliveries.list_deliveries(context(), endpoint_id, window, status=status))


@blp.route("/v1/deliveries/<id(delivery):delivery_id>")
class OneDelivery(MethodView):
    @require("webhooks:read")
    @blp.response(200, Delivery)
    def get(self, delivery_id: UUID) -> Any:
        """One delivery, with its tries."""
        return deliveries.get(context(), delivery_id)


@blp.route("/v1/deliveries/<id(delivery):delivery_id>/replay")
class Replay(MethodView):
    @require("webhooks:write")
    @blp.response(202, Delivery)
    def post(self, delivery_id: UUID) -> Any:
        """Send an event to its endpoint again, now, whatever became of it."""
        return deliveries.replay(context(), delivery_id)
