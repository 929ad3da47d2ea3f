"""OAuth 2.0 clients and their access tokens (client credentials): secrets and tokens only as hashes."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.ids import encode, new_id
from models.access import OAuthClient, OAuthToken
from services import lookups
from services.clock import system_now
from services.context import Context, visible
from services.credentials import hashed, new_secret
from services.paging import Slice, Window, newest_first

TOKEN_LIFE = timedelta(hours=1)
SECRET_PREFIX = "bb_secret_"  # noqa: S105 - the form of a secret, not one


@dataclass(frozen=True)
class KnownClient:
    """A client as the token endpoint sees it, over all tenants."""

    provider_id: UUID
    id: UUID
    client_id: str
    secret_hash: bytes
    scopes: tuple[str, ...]

    def has_secret(self, secret: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(hashed(secret), self.secret_hash)


def create_client(
    ctx: Context,
    *,
    name: str,
    scopes: Sequence[str],
    account_id: UUID | None = None,
    agent_id: UUID | None = None,
    external_id: str | None = None,
    meta: dict[str, Any] | None = None,
) -> tuple[OAuthClient, str]:
    """Make a client; its secret is in the answer and nowhere else."""
    client_row_id = new_id()
    secret = new_secret(SECRET_PREFIX)
    client = OAuthClient(
        provider_id=ctx.provider.id,
        id=client_row_id,
        client_id=encode("oauth_client", client_row_id),
        secret_hash=hashed(secret),
        name=name,
        scopes=list(scopes),
        account_id=account_id,
        agent_id=agent_id,
        external_id=external_id,
        meta=meta or {},
        created_at=ctx.now,
    )
    ctx.session.add(client)
    ctx.session.flush()
    return client, secret


def list_clients(ctx: Context, window: Window, *, external_id: str | None = None) -> Slice[OAuthClient]:
    """Clients, newest first."""
    statement = select(OAuthClient).where(
        OAuthClient.provider_id == ctx.provider.id, visible(ctx, OAuthClient.account_id)
    )
    if external_id is not None:
        statement = statement.where(OAuthClient.external_id == external_id)
    return newest_first(ctx, statement, OAuthClient.id, window)


def get_client(ctx: Context, client_row_id: UUID) -> OAuthClient:
    """One client."""
    return lookups.by_id(ctx, OAuthClient, "oauth_client", client_row_id, account=OAuthClient.account_id)


def revoke_client(ctx: Context, client_row_id: UUID) -> OAuthClient:
    """End a client and with it all its tokens; a second time changes nothing."""
    client = lookups.by_id(ctx, OAuthClient, "oauth_client", client_row_id, account=OAuthClient.account_id, lock=True)
    if client.revoked_at is None:
        client.revoked_at = system_now()
        ctx.session.flush()
    return client


def find_client(session: Session, client_id: str) -> KnownClient | None:
    """A client that is not revoked, by its public id.

    Args:
        session: of the dispatching role.
    """
    row = session.execute(
        select(
            OAuthClient.provider_id, OAuthClient.id, OAuthClient.client_id, OAuthClient.secret_hash, OAuthClient.scopes
        ).where(OAuthClient.client_id == client_id, OAuthClient.revoked_at.is_(None))
    ).one_or_none()
    if row is None:
        return None
    return KnownClient(row.provider_id, row.id, row.client_id, row.secret_hash, tuple(row.scopes))


def save_token(ctx: Context, client_row_id: UUID, token: str, scopes: Sequence[str]) -> datetime:
    """Store a token that was just made, and forget the client's dead ones. Returns its end, in system time."""
    now = system_now()
    ctx.session.execute(
        delete(OAuthToken).where(
            OAuthToken.provider_id == ctx.provider.id,
            OAuthToken.oauth_client_id == client_row_id,
            OAuthToken.expires_at < now,
        )
    )
    ctx.session.add(
        OAuthToken(
            provider_id=ctx.provider.id,
            id=new_id(),
            oauth_client_id=client_row_id,
            token_hash=hashed(token),
            scopes=list(scopes),
            issued_at=now,
            expires_at=now + TOKEN_LIFE,
        )
    )
    ctx.session.flush()
    return now + TOKEN_LIFE
