"""The token endpoint: client credentials (RFC 6749, section 4.4), by authlib.

Its errors are problems that also carry OAuth's own members, `error` and `error_description`, so that clients of
either kind understand them.
"""

from __future__ import annotations

from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749 import OAuth2Request  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant  # type: ignore[import-untyped]
from flask import Response, json, request

from api.http import blueprint, context_for, public, refuses, takes_bytes
from api.problems import UnsupportedType, problem
from api.schemas.credentials import Token
from api.transaction import home
from runtime.unit import dispatch
from services import credentials, oauth

blp = blueprint("oauth", "Access tokens for programs and agents.")
GRANT = "client_credentials"
FORM = "application/x-www-form-urlencoded"
METHODS = ["client_secret_basic", "client_secret_post"]
BODY = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {
        "grant_type": {"type": "string", "enum": ["client_credentials"]},
        "client_id": {"type": "string", "description": "Unless given by HTTP Basic.", "maxLength": 100},
        "client_secret": {"type": "string", "description": "Unless given by HTTP Basic.", "maxLength": 200},
        "scope": {"type": "string", "description": "Some of the client's scopes; by default all.", "maxLength": 2000},
    },
}


class Client:
    """A client as authlib wants to see one."""

    def __init__(self, known: oauth.KnownClient) -> None:
        self.known = known

    def get_client_id(self) -> str:
        return self.known.client_id

    def check_client_secret(self, client_secret: str) -> bool:
        return self.known.has_secret(client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in METHODS

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == GRANT

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """The scopes asked for, all of which the client must have; by default all it has. None is refused."""
        wanted = set(scope.split()) if scope else set(self.known.scopes)
        return " ".join(sorted(wanted)) if wanted <= set(self.known.scopes) else None


class ClientCredentials(ClientCredentialsGrant):  # type: ignore[misc]
    """The grant, with the client's name and secret in the header or in the form."""

    TOKEN_ENDPOINT_AUTH_METHODS = METHODS


class Server(AuthorizationServer):  # type: ignore[misc]
    """authlib's server over our services."""

    def query_client(self, client_id: str) -> Client | None:
        if "\0" in client_id:
            return None
        with dispatch(within=home()) as session:
            known = oauth.find_client(session, client_id)
        return None if known is None else Client(known)

    def save_token(self, token: dict[str, Any], asked: OAuth2Request) -> None:
        known: oauth.KnownClient = asked.client.known
        ctx = context_for(known.provider_id, f"oauth_client:{known.client_id}")
        oauth.save_token(ctx, known.id, token["access_token"], token["scope"].split())

    def handle_response(self, status: int, payload: dict[str, Any], headers: Any) -> Response:
        if "error" not in payload:
            return Response(json.dumps(payload), status=status, headers=dict(headers), content_type="application/json")
        return _refusal(status, payload)


def _refusal(status: int, payload: dict[str, Any]) -> Response:
    detail = payload.get("error_description") or "The token endpoint refuses this request."
    if payload["error"] == "invalid_client":
        detail = "The client is unknown or revoked, or its secret is wrong."
    answer = problem(status, payload["error"], detail, title="No token")
    answer.data = json.dumps({**answer.get_json(force=True), "error": payload["error"], "error_description": detail})
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="busbar"'
    return answer


def _new_token(**_: Any) -> str:
    return credentials.new_secret(credentials.TOKEN_PREFIX)


server = Server()
server.load_config(
    {
        "OAUTH2_ACCESS_TOKEN_GENERATOR": _new_token,
        "OAUTH2_TOKEN_EXPIRES_IN": {ClientCredentials.GRANT_TYPE: int(oauth.TOKEN_LIFE.total_seconds())},
    }
)
server.register_grant(ClientCredentials)


@blp.route("/oauth/token", methods=["POST"])
@public("the client's name and secret are in the request")
@takes_bytes({FORM: {"schema": BODY, "example": {"grant_type": "client_credentials", "scope": "usage:write"}}})
@refuses(
    400,
    invalid_request="A parameter is missing or repeated.",
    invalid_client="The client is unknown or the secret wrong (given in the form).",
    invalid_scope="A scope that the client does not have.",
    unsupported_grant_type="Another grant than client_credentials.",
    unauthorized_client="This client may not use this grant.",
)
@refuses(401, invalid_client="The client is unknown or the secret wrong.")
@blp.response(200, Token)
def token() -> Response:
    """Trade a client's name and secret for an access token of one hour."""
    if request.mimetype != FORM:
        raise UnsupportedType("content_type_unsupported", f"Send {FORM}.")
    answer: Response = server.create_token_response()
    return answer
