"""Events: what happened, as a list."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import page_of
from api.schemas.webhooks import Event, EventQuery, EventTypes
from core.errors import Invalid
from core.ids import KINDS, decode
from events.catalogue import catalogue
from services import events

blp = blueprint("events", "Events: every change of consequence, in the order in which it happened.")


@blp.route("/v1/events")
class Events(MethodView):
    @require("events:read")
    @refuses(422, id_malformed="`object` is no id.")
    @blp.arguments(EventQuery, location="query")
    @blp.response(200, page_of(Event))
    def get(self, query: dict[str, Any]) -> Any:
        """List events, newest first."""
        object_id = _object(query.get("object"))
        return page(
            query,
            lambda window: events.list_events(
                context(),
                window,
                event_type=query.get("type"),
                object_id=object_id,
                since=query.get("since"),
                until=query.get("until"),
            ).map(events.envelope),
        )


@blp.route("/v1/events/<id(event):event_id>")
class OneEvent(MethodView):
    @require("events:read")
    @blp.response(200, Event)
    def get(self, event_id: UUID) -> Any:
        """One event."""
        return events.envelope(events.get(context(), event_id))


@blp.route("/v1/event-types")
class Types(MethodView):
    @require("events:read", "webhooks:read")
    @blp.response(200, EventTypes)
    def get(self) -> Any:
        """The types of events that there are."""
        return {"data": list(catalogue().values())}


def _object(reference: str | None) -> UUID | None:
    if reference is None:
        return None
    kind = KINDS.get(reference.rpartition("_")[0])
    if kind is None:
        raise Invalid("id_malformed", "Write an id such as inv_01h455vb4pex5vsknk084sn02q.", "?object")
    return decode(kind, reference)
