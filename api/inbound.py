"""Where gateways tell us what happened."""

from __future__ import annotations

from uuid import UUID

from flask import request
from flask.views import MethodView
from sqlalchemy import select

from api.http import blueprint, context_for, public, raw_body, refuses, takes_bytes
from api.transaction import home
from core.errors import NotFound
from models.payments import GatewayAccount
from payments.port import names
from runtime.unit import dispatch
from services import inbound

blp = blueprint("inbound", "Webhooks of payment gateways.")
BODY = {"schema": {"type": "object"}, "example": {"id": "evt_1", "type": "payment_intent.succeeded"}}


@blp.route("/v1/inbound/<string:gateway>/<id(gateway_account):account_id>")
class Inbound(MethodView):
    @public("the gateway signs what it sends with the account's own secret")
    @takes_bytes({"application/json": BODY})
    @refuses(400, signature_invalid="Not signed with this account's secret, or too long ago.")
    @blp.response(204)
    def post(self, gateway: str, account_id: UUID) -> None:
        """Take a webhook of a gateway: verified, stored once, answered; handled right after."""
        body = raw_body()
        ctx = context_for(_provider_of(gateway, account_id), actor=f"gateway:{gateway}")
        inbound.receive(ctx, account_id, dict(request.headers), body)


def _provider_of(gateway: str, account_id: UUID) -> UUID:
    """Whose gateway account it is; one that sends us nothing does not exist here."""
    with dispatch(within=home()) as session:
        found = session.execute(
            select(GatewayAccount.provider_id).where(
                GatewayAccount.id == account_id, GatewayAccount.gateway == gateway, GatewayAccount.gateway != "manual"
            )
        ).scalar_one_or_none()
    if found is None or gateway not in names():
        raise NotFound("gateway_account", account_id)
    return found
