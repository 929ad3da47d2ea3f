"""API keys and OAuth clients over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask.views import MethodView

from api.http import blueprint, caller, context, page, refuses, require
from api.schemas import ExternalIdQuery, page_of
from api.schemas.credentials import ApiKey, ApiKeyMade, ApiKeyNew, OAuthClient, OAuthClientMade, OAuthClientNew
from models.access import ApiKey as ApiKeyRow
from models.access import OAuthClient as OAuthClientRow
from services import credentials, oauth

blp = blueprint("credentials", "Credentials of programs: API keys and OAuth clients.")
REFUSED = {
    "scopes_or_role": "Both scopes and a role are given.",
    "scope_of_provider": "A credential of an account cannot have this scope.",
    "account_unknown": "There is no such account.",
    "not_one_of": "There is no such scope or role.",
}
LACKING = {
    "scope_missing": "The credential lacks the scope.",
    "scope_exceeds_own": "A credential cannot give what it lacks.",
}
EXAMPLE = {"name": "provisioning", "scopes": ["subscriptions:read", "subscriptions:write"]}


def _given(body: dict[str, Any]) -> dict[str, Any]:
    """What a new credential may do and see: never more than its maker."""
    account_id = credentials.account_of(context(), body.pop("account", None))
    scopes = credentials.scopes_of(
        body.pop("role", None), body.pop("scopes", None), within=caller().scopes, of_account=account_id is not None
    )
    return {**body, "scopes": scopes, "account_id": account_id}


@blp.route("/v1/api-keys")
class ApiKeys(MethodView):
    @require("admin:read")
    @blp.arguments(ExternalIdQuery, location="query")
    @blp.response(200, page_of(ApiKey))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List API keys, newest first."""
        return page(
            query, lambda window: credentials.list_keys(context(), window, external_id=query.get("external_id"))
        )

    @require("admin:write")
    @refuses(422, **REFUSED, expiry_past="The expiry lies in the past.")
    @refuses(403, **LACKING)
    @blp.arguments(ApiKeyNew, example=EXAMPLE)
    @blp.response(201, ApiKeyMade)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make an API key. The key is shown in this answer and never again."""
        row, secret = credentials.create_key(context(), **_given(body))
        return {**vars(row), "key": secret}


@blp.route("/v1/api-keys/<id(api_key):api_key_id>")
class OneApiKey(MethodView):
    @require("admin:read")
    @blp.response(200, ApiKey)
    def get(self, api_key_id: UUID) -> ApiKeyRow:
        """One API key, without the key."""
        return credentials.get_key(context(), api_key_id)

    @require("admin:write")
    @blp.response(200, ApiKey)
    def delete(self, api_key_id: UUID) -> ApiKeyRow:
        """Revoke an API key: it is refused from now on, after a few seconds at most."""
        return credentials.revoke_key(context(), api_key_id)


@blp.route("/v1/oauth-clients")
class OAuthClients(MethodView):
    @require("admin:read")
    @blp.arguments(ExternalIdQuery, location="query")
    @blp.response(200, page_of(OAuthClient))
    def get(self, query: dict[str, Any]) -> dict[str, Any]:
        """List OAuth clients, newest first."""
        return page(query, lambda window: oauth.list_clients(context(), window, external_id=query.get("external_id")))

    @require("admin:write")
    @refuses(422, **REFUSED)
    @refuses(403, **LACKING)
    @blp.arguments(OAuthClientNew, example=EXAMPLE)
    @blp.response(201, OAuthClientMade)
    def post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Make an OAuth client. Its secret is shown in this answer and never again."""
        row, secret = oauth.create_client(context(), **_given(body))
        return {**vars(row), "client_secret": secret}


@blp.route("/v1/oauth-clients/<id(oauth_client):oauth_client_id>")
class OneOAuthClient(MethodView):
    @require("admin:read")
    @blp.response(200, OAuthClient)
    def get(self, oauth_client_id: UUID) -> OAuthClientRow:
        """One OAuth client, without its secret."""
        return oauth.get_client(context(), oauth_client_id)

    @require("admin:write")
    @blp.response(200, OAuthClient)
    def delete(self, oauth_client_id: UUID) -> OAuthClientRow:
        """Revoke an OAuth client and all its tokens."""
        return oauth.revoke_client(context(), oauth_client_id)
