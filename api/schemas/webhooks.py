"""Webhook endpoints, deliveries and events."""

from __future__ import annotations

from api.schemas import ListQuery, Resource, Schema, fields

STATUSES = ["pending", "delivered", "retrying", "dead"]
TYPES = "Event types (`invoice.finalized`) or whole kinds (`invoice.*`); none means every event."


class WebhookEndpointPatch(Schema):
    """What to change; members that are not given stay."""

    url = fields.Url(description="Where to POST. Redirects are not followed.")
    types = fields.List(fields.String(max_length=100), max_items=100, description=TYPES)
    description = fields.Text(allow_none=True)
    status = fields.Enum(["active", "disabled"], description="A disabled endpoint gets nothing.")
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class WebhookEndpointNew(Schema):
    """An endpoint to make."""

    url = fields.Url(required=True, description="Where to POST. Redirects are not followed.")
    types = fields.List(fields.String(max_length=100), max_items=100, description=TYPES)
    description = fields.Text(allow_none=True)
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class WebhookEndpoint(Resource):
    """Where events go."""

    id = fields.TypeID("webhook_endpoint", required=True)
    url = fields.String(required=True, max_length=2000)
    types = fields.List(fields.String(), required=True, description=TYPES)
    description = fields.String(allow_none=True)
    status = fields.Enum(["active", "disabled"], required=True)
    previous_until = fields.Instant(
        allow_none=True, description="Until when deliveries are signed with the secret before as well."
    )


class WebhookEndpointWithSecret(WebhookEndpoint):
    """An endpoint that was just made, or given a new secret, with that secret."""

    secret = fields.ShownOnce(description="`whsec_…`, for Standard Webhooks. Shown this once.")


class DeliveryQuery(ListQuery):
    """Which deliveries."""

    status = fields.Enum(STATUSES)


class DeliveryTry(Schema):
    """One try."""

    at = fields.String(required=True)
    status = fields.Integer(allow_none=True, description="The HTTP status of the answer, if there was one.")
    error = fields.String(allow_none=True, max_length=1000)
    took_ms = fields.Integer()


class Delivery(Schema):
    """An event on its way to an endpoint. Instants are the machine's time, in a sandbox too."""

    id = fields.TypeID("delivery", required=True)
    event = fields.TypeID("event", attribute="event_id", required=True)
    endpoint = fields.TypeID("webhook_endpoint", attribute="endpoint_id", required=True)
    status = fields.Enum(STATUSES, required=True)
    tries = fields.Integer(required=True)
    next_at = fields.Instant(description="When it is tried next, unless it is delivered or dead.")
    delivered_at = fields.Instant(allow_none=True)
    last_status = fields.Integer(allow_none=True, description="HTTP status of the last answer.")
    last_error = fields.String(allow_none=True, max_length=1000)
    log = fields.List(fields.Nested(DeliveryTry), description="The last tries, the oldest first.")


class EventQuery(ListQuery):
    """Which events."""

    type = fields.String(max_length=100, description="Only of this type.")
    object = fields.String(max_length=100, description="Only about the thing with this id, such as `inv_…`.")
    since = fields.Instant(description="Not before this instant of business time.")
    until = fields.Instant(description="Before this instant of business time.")


class EventObject(Schema):
    """What an event is about."""

    id = fields.String(required=True)
    kind = fields.String(required=True)


class Event(Schema):
    """A change of consequence, as webhooks tell it."""

    id = fields.String(required=True)
    type = fields.String(required=True)
    created_at = fields.String(required=True, description="Business time, RFC 3339.")
    sequence = fields.Integer(required=True, description="Counts per object, from one.")
    object = fields.Nested(EventObject, required=True)
    data = fields.Raw(required=True, description="The object as the API showed it then.")


class EventKind(Schema):
    """What the catalogue says about a type of event."""

    type = fields.String(required=True)
    kind = fields.String(required=True, description="The kind of the object that it is about.")
    meaning = fields.String(required=True, max_length=1000)


class EventTypes(Schema):
    """The catalogue of events."""

    data = fields.List(fields.Nested(EventKind), required=True)
