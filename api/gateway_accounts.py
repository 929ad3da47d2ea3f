"""Gateway accounts over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, context, page, refuses, require
from api.schemas import ExternalIdQuery, page_of
from api.schemas.payments import GatewayAccount, GatewayAccountNew, GatewayAccountPatch
from models.payments import GatewayAccount as GatewayAccountRow
from services import gateway_accounts
from services.gateway_accounts import NewGatewayAccount

blp = blueprint("gateway-accounts", "Gateway accounts: where a seller's money is taken.")
EXAMPLE = {"gateway": "stripe", "name": "Cards", "credentials": {"secret_key": "sk_test_51N"}}
REFUSALS = {
    "credentials_unexpected": "A member that this gateway does not know.",
    "secret_key_malformed": "Not a secret key of this gateway.",
    "live_credentials_in_sandbox": "A sandbox never talks to a live gateway.",
    "test_credentials_in_live": "Test credentials take no money.",
    "credentials_refused": "The gateway refuses them.",
}
DOWN = {"gateway_unavailable": "The gateway does not answer."}


@blp.route("/v1/gateway-accounts")
class GatewayAccounts(MethodView):
    @require("payments:read", of_provider=True)
    @blp.arguments(ExternalIdQuery, location="query")
    @blp.response(200, page_of(GatewayAccount))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List gateway accounts, newest first."""
        wanted = query.get("external_id")
        return page(query, lambda window: gateway_accounts.list_accounts(context(), window, external_id=wanted))

    @require("admin:write")
    @refuses(422, **REFUSALS)
    @refuses(503, **DOWN)
    @blp.arguments(GatewayAccountNew, example=EXAMPLE)
    @blp.response(201, GatewayAccount)
    def post(self, body: dict[str, Any]) -> GatewayAccountRow:
        """Make a gateway account. Its secrets are kept encrypted and never shown."""
        return gateway_accounts.create(context(), NewGatewayAccount(**body))


@blp.route("/v1/gateway-accounts/<id(gateway_account):account_id>")
class OneGatewayAccount(MethodView):
    @require("payments:read", of_provider=True)
    @blp.response(200, GatewayAccount)
    def get(self, account_id: UUID) -> GatewayAccountRow:
        """One gateway account."""
        return gateway_accounts.get(context(), account_id)

    @require("admin:write")
    @refuses(422, **REFUSALS)
    @refuses(503, **DOWN)
    @blp.arguments(GatewayAccountPatch, example={"name": "Cards (Europe)"})
    @blp.response(200, GatewayAccount)
    def patch(self, body: dict[str, Any], account_id: UUID) -> GatewayAccountRow:
        """Change a gateway account, or replace its secrets."""
        return gateway_accounts.change(context(), account_id, body)
