"""API keys: made, listed, revoked, and recognised.

A key is shown once and kept as its SHA-256: it has 160 random bits of its own, so there is nothing to guess and no
need for a slow hash on each request.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.errors import Forbidden, Invalid
from core.ids import ALPHABET, encode, new_id
from models.access import ApiKey, OAuthClient, OAuthToken
from models.accounts import Account
from services import lookups
from services.clock import system_now
from services.context import Context, visible
from services.paging import Slice, Window, newest_first

SECRET_CHARACTERS = 32  # of 5 bits each
TOKEN_PREFIX = "bb_at_"  # noqa: S105 - the form of a token, not one
NOUNS = {
    "catalog": "products, meters and plans",
    "accounts": "accounts and sellers",
    "subscriptions": "subscriptions and provisioning",
    "places": "sites, points, devices and assignments",
    "usage": "readings, usage events and anomalies",
    "agents": "collecting agents",
    "invoices": "invoices and billing runs",
    "payments": "payment methods, payments and refunds",
    "webhooks": "webhook endpoints and deliveries",
    "events": "events",
    "audit": "the audit trail",
    "admin": "credentials, gateway accounts, the test clock and the provider's settings",
}
# What an enrolled agent may do about itself. Others may hold it, but there is no agent behind them.
AGENT_SELF = "agents:self"
MEANINGS = {
    f"{noun}:{verb}": f"{'See' if verb == 'read' else 'Change'} {what}."
    for noun, what in NOUNS.items()
    for verb in ("read", "write")
} | {AGENT_SELF: "Be an agent: read its own configuration, tell how it does."}
SCOPES = tuple(MEANINGS)
# Roles are bundles of scopes. What a reseller or customer may see is narrowed by the account of its credential.
ROLES: dict[str, tuple[str, ...]] = {
    "operator": SCOPES,
    "integrator": tuple(s for s in SCOPES if not s.startswith("admin:")),
    "reseller": (
        "catalog:read",
        "accounts:read",
        "accounts:write",
        "subscriptions:read",
        "subscriptions:write",
        "usage:read",
        "invoices:read",
        "payments:read",
    ),
    "customer": ("catalog:read", "accounts:read", "subscriptions:read", "usage:read", "invoices:read", "payments:read"),
    "agent": (AGENT_SELF, "usage:write"),
}
# What a credential of an account may do at most: everything else is about the provider as a whole.
ACCOUNT_SCOPES = frozenset(ROLES["reseller"]) | frozenset(ROLES["customer"])


@dataclass(frozen=True)
class Credential:
    """Who calls. `scope` is None for the whole provider, else the roots of what the caller may see."""

    provider_id: UUID
    id: str
    actor: str
    scopes: frozenset[str]
    scope: frozenset[UUID] | None
    expires_at: datetime | None
    agent_id: UUID | None = None


def new_secret(prefix: str) -> str:
    """A prefix and 160 random bits, in characters that survive being read aloud."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(SECRET_CHARACTERS))


def hashed(secret: str) -> bytes:
    """What is stored of a secret that we made."""
    return hashlib.sha256(secret.encode()).digest()


def find(session: Session, token: str) -> Credential | None:
    """Whose token this is; None when it is nobody's, expired or revoked. One query.

    Args:
        session: of the dispatching role, which reads hashes over all tenants.
    """
    found = _by_token(session, token) if token.startswith(TOKEN_PREFIX) else _by_key(session, token)
    if found is None or (found.expires_at is not None and found.expires_at <= system_now()):
        return None
    return found


def _by_key(session: Session, token: str) -> Credential | None:
    row = session.execute(
        select(ApiKey.provider_id, ApiKey.id, ApiKey.scopes, ApiKey.account_id, ApiKey.expires_at).where(
            ApiKey.hash == hashed(token), ApiKey.revoked_at.is_(None)
        )
    ).one_or_none()
    if row is None:
        return None
    name = encode("api_key", row.id)
    scopes, roots = _narrowed(row.scopes, row.account_id)
    return Credential(row.provider_id, name, f"api_key:{name}", scopes, roots, row.expires_at)


def _by_token(session: Session, token: str) -> Credential | None:
    row = session.execute(
        select(
            OAuthToken.provider_id,
            OAuthToken.scopes,
            OAuthToken.expires_at,
            OAuthClient.id,
            OAuthClient.account_id,
            OAuthClient.agent_id,
        )
        .join(
            OAuthClient,
            (OAuthClient.provider_id == OAuthToken.provider_id) & (OAuthClient.id == OAuthToken.oauth_client_id),
        )
        .where(
            OAuthToken.token_hash == hashed(token), OAuthToken.revoked_at.is_(None), OAuthClient.revoked_at.is_(None)
        )
    ).one_or_none()
    if row is None:
        return None
    name = encode("oauth_client", row.id)
    actor = f"agent:{encode('agent', row.agent_id)}" if row.agent_id else f"oauth_client:{name}"
    scopes, roots = _narrowed(row.scopes, row.account_id)
    return Credential(row.provider_id, name, actor, scopes, roots, row.expires_at, row.agent_id)


def _narrowed(scopes: Sequence[str], account_id: UUID | None) -> tuple[frozenset[str], frozenset[UUID] | None]:
    """What may be done, and below which accounts; whoever is narrowed does nothing for the whole provider."""
    if account_id is None:
        return frozenset(scopes), None
    return frozenset(scopes) & ACCOUNT_SCOPES, frozenset({account_id})


def scopes_of(
    role: str | None, scopes: Sequence[str] | None, *, within: frozenset[str], of_account: bool = False
) -> list[str]:
    """The scopes that a new credential gets.

    Args:
        role: a bundle of scopes; or
        scopes: scopes one by one. Neither: all that the maker has.
        within: the maker's own scopes.
        of_account: whether it is narrowed to an account.

    Raises:
        Invalid: `scopes_or_role`, `scope_of_provider`.
        Forbidden: `scope_exceeds_own`.
    """
    if role is not None and scopes is not None:
        raise Invalid("scopes_or_role", "Give scopes or a role, not both.", "/role")
    if role is None and scopes is None:
        return sorted(within & ACCOUNT_SCOPES if of_account else within)
    member = "/role" if scopes is None else "/scopes"
    wanted = set(ROLES[role] if role is not None else scopes or ())
    if of_account and not wanted <= ACCOUNT_SCOPES:
        wider = ", ".join(sorted(wanted - ACCOUNT_SCOPES))
        raise Invalid("scope_of_provider", f"A credential of an account cannot have {wider}.", member)
    if not wanted <= within:
        lacking = ", ".join(sorted(wanted - within))
        raise Forbidden("scope_exceeds_own", f"A credential cannot give what it lacks: {lacking}.")
    return sorted(wanted)


def account_of(ctx: Context, reference: str | None) -> UUID | None:
    """The account that a new credential is narrowed to, if one is named.

    Raises:
        UnknownReference: `account_unknown`.
    """
    if reference is None:
        return None
    return lookups.by_reference(ctx, Account, "account", reference, pointer="/account", account=Account.id).id


def create_key(
    ctx: Context,
    *,
    name: str,
    scopes: Sequence[str],
    account_id: UUID | None = None,
    expires_at: datetime | None = None,
    external_id: str | None = None,
    meta: dict[str, Any] | None = None,
) -> tuple[ApiKey, str]:
    """Make an API key; the key itself is in the answer and nowhere else.

    Raises:
        Invalid: `expiry_past`. Expiry is system time.
    """
    if expires_at is not None and expires_at <= system_now():
        raise Invalid("expiry_past", "The expiry lies in the past.", "/expires_at")
    secret = new_secret("bb_test_" if ctx.provider.sandbox else "bb_live_")
    key = ApiKey(
        provider_id=ctx.provider.id,
        id=new_id(),
        name=name,
        hash=hashed(secret),
        hint=secret[-4:],
        scopes=list(scopes),
        account_id=account_id,
        expires_at=expires_at,
        external_id=external_id,
        meta=meta or {},
        created_at=ctx.now,
    )
    ctx.session.add(key)
    ctx.session.flush()
    return key, secret


def list_keys(ctx: Context, window: Window, *, external_id: str | None = None) -> Slice[ApiKey]:
    """API keys, newest first; a narrowed caller sees those of its own accounts."""
    statement = select(ApiKey).where(ApiKey.provider_id == ctx.provider.id, visible(ctx, ApiKey.account_id))
    if external_id is not None:
        statement = statement.where(ApiKey.external_id == external_id)
    return newest_first(ctx, statement, ApiKey.id, window)


def get_key(ctx: Context, key_id: UUID) -> ApiKey:
    """One API key."""
    return lookups.by_id(ctx, ApiKey, "api_key", key_id, account=ApiKey.account_id)


def revoke_key(ctx: Context, key_id: UUID) -> ApiKey:
    """End a key now; a second time changes nothing. Requests in other processes may pass for `api.auth.KEEP_S` more."""
    key = lookups.by_id(ctx, ApiKey, "api_key", key_id, account=ApiKey.account_id, lock=True)
    if key.revoked_at is None:
        key.revoked_at = system_now()
    return key
