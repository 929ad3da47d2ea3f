"""The caller's own provider, and its audit trail, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import page_of
from api.schemas.provider import AuditEntry, AuditQuery, Provider, ProviderPatch
from core import ids
from core.errors import Invalid
from models.outbox import Audit
from services import providers, trail

blp = blueprint("provider", "The provider itself: its settings and its audit trail.")


@blp.route("/v1/provider")
class OwnProvider(MethodView):
    @require()
    @blp.response(200, Provider)
    def get(self) -> providers.Own:
        """The provider of this credential."""
        return providers.own(context())

    @require("admin:write")
    @blp.arguments(ProviderPatch, example={"close_after_minutes": 30, "default_tax_rate": "21"})
    @blp.response(200, Provider)
    def patch(self, body: dict[str, Any]) -> providers.Own:
        """Change the provider's settings."""
        return providers.change(context(), body)


@blp.route("/v1/audit")
class AuditTrail(MethodView):
    @require("audit:read")
    @refuses(422, id_malformed="`object` is no id.")
    @blp.arguments(AuditQuery, location="query")
    @blp.response(200, page_of(AuditEntry))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List what was changed, newest first."""
        object_id = _object_id(query["object"]) if "object" in query else None
        kind, _, action = query.get("type", "").partition(".")
        filters = {name: query.get(name) for name in ("actor", "since", "until")}
        filters |= {"kind": kind or None, "action": action or None}
        return page(
            query,
            lambda window: trail.list_entries(context(), window, object_id=object_id, **filters).map(_shown),
        )


def _object_id(text: str) -> UUID:
    kind = ids.KINDS.get(text.rpartition("_")[0])
    if kind is None:
        raise Invalid("id_malformed", "This is not an id.", "?object")
    try:
        return ids.decode(kind, text)
    except Invalid as error:
        raise Invalid(error.code, error.detail, "?object") from error


def _shown(entry: Audit) -> dict[str, Any]:
    known = entry.object_kind in ids.PREFIXES
    name = ids.encode(entry.object_kind, entry.object_id) if known else str(entry.object_id)
    return {**vars(entry), "object_name": name, "type": f"{entry.object_kind}.{entry.action}"}
