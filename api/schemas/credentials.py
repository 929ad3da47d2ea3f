"""API keys, OAuth clients and tokens, as they come and go."""

from __future__ import annotations

from api.schemas import Resource, Schema, fields
from services.credentials import ROLES, SCOPES


class _CredentialNew(Schema):
    """What every new credential says. Scopes or a role; by default what the maker has."""

    name = fields.Text(required=True, example="provisioning")
    scopes = fields.List(fields.Enum(SCOPES), max_items=len(SCOPES), example=["invoices:read"])
    role = fields.Enum(sorted(ROLES), description="A bundle of scopes, instead of `scopes`.")
    account = fields.Reference("account", description="Sees this account and what is below it, and nothing else.")
    external_id = fields.ExternalId(allow_none=True)
    metadata = fields.Metadata()


class ApiKeyNew(_CredentialNew):
    """An API key to make."""

    expires_at = fields.Instant(allow_none=True, description="When it ends, by the machine's clock; null: never.")


class OAuthClientNew(_CredentialNew):
    """An OAuth client to make."""


class _Credential(Resource):
    """What every credential shows."""

    name = fields.String(required=True)
    scopes = fields.List(fields.String(), required=True)
    account = fields.TypeID("account", attribute="account_id", allow_none=True)
    revoked_at = fields.Instant(allow_none=True)


class ApiKey(_Credential):
    """An API key, without the key."""

    id = fields.TypeID("api_key", required=True)
    hint = fields.String(description="The last characters of the key.")
    expires_at = fields.Instant(allow_none=True)


class ApiKeyMade(ApiKey):
    """A new API key, with the key: it is shown this once."""

    key = fields.ShownOnce()


class OAuthClient(_Credential):
    """An OAuth client, without its secret."""

    id = fields.TypeID("oauth_client", required=True)
    client_id = fields.String(required=True)
    agent = fields.TypeID("agent", attribute="agent_id", allow_none=True)


class OAuthClientMade(OAuthClient):
    """A new OAuth client, with its secret: it is shown this once."""

    client_secret = fields.ShownOnce()


class Token(Schema):
    """An access token (RFC 6749, section 5.1)."""

    access_token = fields.String(required=True)
    token_type = fields.Enum(["Bearer"], required=True)
    expires_in = fields.Integer(required=True, description="Seconds.")
    scope = fields.String(max_length=2000, description="Scopes, separated by spaces.")
