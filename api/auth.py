"""Who calls: a bearer token, recognised at most once every few seconds per process."""

from __future__ import annotations

from time import monotonic

from flask import Request

from api.guards import Guard
from core.errors import Forbidden, Unauthenticated
from runtime.house import House
from runtime.unit import dispatch
from services import credentials
from services.clock import system_now
from services.credentials import Credential

# A revoked key is refused after at most this long; documented in the description.
KEEP_S = 3.0
KEEP_MAX = 10_000


class Gatekeeper:
    """Recognises bearer tokens. Good ones are kept for `KEEP_S`; bad ones never are."""

    def __init__(self, home: House) -> None:
        self._home = home
        self._kept: dict[bytes, tuple[float, Credential]] = {}

    def recognise(self, request: Request) -> Credential:
        """The caller's credential.

        Raises:
            Unauthenticated: `credential_missing`, `credential_invalid`.
        """
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        token = token.strip()
        if kind.lower() != "bearer" or not token:
            raise Unauthenticated("credential_missing", "Send Authorization: Bearer with an API key or access token.")
        known = self._look_up(token) if token.isascii() and len(token) <= 200 else None
        if known is None:
            raise Unauthenticated("credential_invalid", "This credential is unknown, expired or revoked.")
        return known

    def _look_up(self, token: str) -> Credential | None:
        digest = credentials.hashed(token)
        kept = self._kept.get(digest)
        if kept is not None and kept[0] > monotonic() and not _expired(kept[1]):
            return kept[1]
        with dispatch(within=self._home) as session:
            found = credentials.find(session, token)
        if found is not None:
            if len(self._kept) >= KEEP_MAX:
                self._kept.clear()
            self._kept[digest] = (monotonic() + KEEP_S, found)
        return found


def _expired(credential: Credential) -> bool:
    return credential.expires_at is not None and credential.expires_at <= system_now()


def check_scope(credential: Credential, guard: Guard) -> None:
    """Whether a credential may do this at all; what it sees of it is another question.

    Raises:
        Forbidden: `scope_missing`, `credential_of_account`.
    """
    if guard.scopes and credential.scopes.isdisjoint(guard.scopes):
        raise Forbidden("scope_missing", f"This needs the scope {' or '.join(guard.scopes)}.")
    if guard.of_provider and credential.scope is not None:
        raise Forbidden("credential_of_account", "This is about the provider as a whole, not about an account.")
