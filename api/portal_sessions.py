"""Links to a customer's own pages, for integrators who have signed the customer in themselves."""

from __future__ import annotations

from typing import Any

from flask import request
from flask.views import MethodView

from api.http import blueprint, context, refuses, require
from api.schemas.portal_sessions import PortalLink, PortalLinkNew
from services import portal_sessions
from services.clock import system_now

blp = blueprint("portal-sessions", "Portal sessions: a customer's own pages, opened by a one-time link.")


@blp.route("/v1/portal-sessions")
class PortalSessions(MethodView):
    @require("accounts:write")
    @refuses(422, account_unknown="There is no such account.")
    @blp.arguments(PortalLinkNew, example={"account": "acc_01h455vb4pex5vsknk084sn02q"})
    @blp.response(201, PortalLink)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make a one-time link to the pages of an account. It opens a session that sees the account's subtree."""
        ctx = context()
        link = portal_sessions.make_link(ctx, body["account"], system_now())
        base_url = ctx.kit.public_url or request.host_url
        return {"url": portal_sessions.link_url(ctx, base_url, link), "expires_at": link.expires_at}
