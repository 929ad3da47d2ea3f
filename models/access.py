"""Who may come in: API keys, OAuth clients and tokens, portal links and sessions, remembered answers. Secrets only
as hashes.
"""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Instant, Recorded, Resource, Tenant, external, of_provider, ref


class ApiKey(Base, Tenant, Resource):
    """`bb_live_…` or `bb_test_…`. `hash` is SHA-256 of the key, which has 160 random bits of its own: no salt
    needed.
    """

    __tablename__ = "api_key"
    __table_args__ = (
        of_provider(),
        ref("account_id", "account"),
        external("api_key"),
        UniqueConstraint("hash"),
    )
    dispatch: ClassVar[tuple[str, ...]] = (
        "provider_id",
        "id",
        "hash",
        "scopes",
        "account_id",
        "expires_at",
        "revoked_at",
    )

    name: Mapped[str]
    hash: Mapped[bytes] = mapped_column(LargeBinary)
    hint: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    account_id: Mapped[UUID | None]
    expires_at: Mapped[Instant | None]
    revoked_at: Mapped[Instant | None]
    last_used_at: Mapped[Instant | None]


class OAuthClient(Base, Tenant, Resource):
    """A program that trades its secret for tokens (client credentials); an enrolled agent is one."""

    __tablename__ = "oauth_client"
    __table_args__ = (
        of_provider(),
        ref("account_id", "account"),
        ref("agent_id", "agent"),
        external("oauth_client"),
        UniqueConstraint("client_id"),
    )
    dispatch: ClassVar[tuple[str, ...]] = (
        "provider_id",
        "id",
        "client_id",
        "secret_hash",
        "scopes",
        "account_id",
        "agent_id",
        "revoked_at",
    )

    client_id: Mapped[str]
    secret_hash: Mapped[bytes] = mapped_column(LargeBinary)
    name: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    account_id: Mapped[UUID | None]
    agent_id: Mapped[UUID | None]
    revoked_at: Mapped[Instant | None]


class OAuthToken(Base, Tenant, Recorded):
    """An access token, as a hash. Its life is system time."""

    __tablename__ = "oauth_token"
    __table_args__ = (ref("oauth_client_id", "oauth_client"), UniqueConstraint("token_hash"))
    dispatch: ClassVar[tuple[str, ...]] = (
        "provider_id",
        "id",
        "oauth_client_id",
        "token_hash",
        "scopes",
        "expires_at",
        "revoked_at",
    )
    grants: ClassVar[str] = "select, insert, update, delete"

    oauth_client_id: Mapped[UUID]
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    issued_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    revoked_at: Mapped[Instant | None]


class PortalLink(Base, Tenant, Recorded):
    """A one-time link by which a person signs in to an account's pages. System time."""

    __tablename__ = "portal_link"
    __table_args__ = (
        ref("account_id", "account"),
        UniqueConstraint("token_hash"),
        Index("ix_portal_link_expires_at", "expires_at"),
    )
    grants: ClassVar[str] = "select, insert, update, delete"
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "token_hash", "expires_at")

    account_id: Mapped[UUID]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[Instant]
    used_at: Mapped[Instant | None]


class PortalSession(Base, Tenant, Recorded):
    """A signed-in browser. System time."""

    __tablename__ = "portal_session"
    __table_args__ = (
        ref("account_id", "account"),
        UniqueConstraint("token_hash"),
        Index("ix_portal_session_expires_at", "expires_at"),
    )
    grants: ClassVar[str] = "select, insert, update, delete"
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "token_hash", "expires_at")

    account_id: Mapped[UUID]
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("app_user.id"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary)
    csrf: Mapped[str]
    expires_at: Mapped[Instant]
    ended_at: Mapped[Instant | None]


class IdempotencyRecord(Base, Recorded):
    """The remembered answer of a POST, written in the transaction of what the POST did. System time."""

    __tablename__ = "idempotency_record"
    __table_args__ = (
        of_provider(),
        CheckConstraint("status BETWEEN 200 AND 399", name="status"),
        Index("ix_idempotency_record_expires_at", "expires_at"),
    )
    grants: ClassVar[str] = "select, insert, update, delete"
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "expires_at")

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    credential: Mapped[str] = mapped_column(primary_key=True)
    method: Mapped[str] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    expires_at: Mapped[Instant]
    status: Mapped[int]
    headers: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    body: Mapped[bytes] = mapped_column(LargeBinary)
