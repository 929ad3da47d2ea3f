"""Providers (the tenants), their sellers, people, memberships, and a sandbox's clock."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Numeric, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Currency, Instant, Recorded, Resource, Tenant, external, of_provider, ref


class Provider(Base, Recorded):
    """The operator that bills. `settings` are those of services.context.ProviderSettings."""

    __tablename__ = "provider"
    tenant: ClassVar[bool] = False
    dispatch: ClassVar[tuple[str, ...]] = ("id", "sandbox", "name", "settings", "country", "time_zone", "currency")

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    sandbox: Mapped[bool]
    country: Mapped[str]
    time_zone: Mapped[str]
    currency: Mapped[Currency]
    settings: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[Instant]


class User(Base, Recorded):
    """A person who signs in; known by e-mail address over all providers."""

    __tablename__ = "app_user"
    __table_args__ = (Index("uq_app_user_email", text("lower(email)"), unique=True),)
    tenant: ClassVar[bool] = False

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    name: Mapped[str | None]
    created_at: Mapped[Instant]


class Membership(Base, Tenant, Recorded):
    """A person's role at a provider, or at one account of it."""

    __tablename__ = "membership"
    __table_args__ = (
        of_provider(),
        ref("account_id", "account"),
        Index(
            "uq_membership_user",
            "provider_id",
            "user_id",
            "account_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        CheckConstraint("role IN ('operator', 'reseller', 'customer', 'integrator')", name="role"),
        CheckConstraint("role NOT IN ('reseller', 'customer') OR account_id IS NOT NULL", name="account"),
    )
    grants: ClassVar[str] = "select, insert, update, delete"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("app_user.id"))
    account_id: Mapped[UUID | None]
    role: Mapped[str]
    created_at: Mapped[Instant]


class Seller(Base, Tenant, Resource):
    """The legal entity that issues documents.

    `tax_engine` decides what its charges are taxed with: its one flat `tax_rate` in per cent, or what `tax_engines` has
    under that name. `tax_registrations` are where it may charge tax. `tax_endpoint` and its secret (encrypted) are
    those of an engine outside.
    """

    __tablename__ = "seller"
    __table_args__ = (
        of_provider(),
        external("seller"),
        Index("uq_seller_default", "provider_id", unique=True, postgresql_where=text("is_default")),
        CheckConstraint("tax_rate >= 0 AND tax_rate < 100", name="tax_rate"),
        CheckConstraint("payment_terms_days BETWEEN 0 AND 365", name="payment_terms_days"),
    )

    name: Mapped[str]
    legal_name: Mapped[str]
    country: Mapped[str]
    address: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    tax_id: Mapped[str | None]
    email: Mapped[str | None]
    website: Mapped[str | None]
    bank: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    brand_color: Mapped[str | None]
    logo_svg: Mapped[str | None]
    locale: Mapped[str] = mapped_column(server_default="en")
    number_prefix: Mapped[str] = mapped_column(server_default="INV")
    credit_note_prefix: Mapped[str] = mapped_column(server_default="CN")
    payment_terms_days: Mapped[int] = mapped_column(server_default=text("14"))
    tax_rate: Mapped[Any] = mapped_column(Numeric(38, 12), server_default=text("0"))
    tax_name: Mapped[str] = mapped_column(server_default="VAT")
    tax_engine: Mapped[str] = mapped_column(server_default="flat_rate")
    tax_registrations: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    tax_ids_checked: Mapped[bool] = mapped_column(server_default=text("false"))
    tax_endpoint: Mapped[str | None]
    tax_endpoint_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    footer: Mapped[str | None]
    is_default: Mapped[bool] = mapped_column(server_default=text("false"))


class TestClock(Base, Recorded):
    """A sandbox's clock. `lease_until` and `lease_token` are system time: who drives it now."""

    __test__ = False  # its name is no test's: pytest is not to collect it
    __tablename__ = "test_clock"
    __table_args__ = (
        of_provider(),
        CheckConstraint("status IN ('ready', 'advancing', 'failed')", name="status"),
        CheckConstraint("status <> 'advancing' OR target IS NOT NULL", name="target"),
    )
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "status", "lease_until", "now", "target")

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    now: Mapped[Instant]
    target: Mapped[Instant | None]
    status: Mapped[str] = mapped_column(server_default="ready")
    detail: Mapped[str | None]
    lease_token: Mapped[UUID | None]
    lease_until: Mapped[Instant | None]


class Mail(Base, Tenant, Recorded):
    """A mail to a person. A sandbox's mails stay here: this table is its outbox."""

    __tablename__ = "mail"
    __table_args__ = (
        of_provider(),
        Index("ix_mail_pending", "provider_id", "created_at", postgresql_where=text("sent_at IS NULL AND NOT sandbox")),
    )
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "sandbox", "sent_at", "next_at", "lease_until")

    sandbox: Mapped[bool]
    to: Mapped[list[str]] = mapped_column(ARRAY(Text))
    subject: Mapped[str]
    body: Mapped[str]
    kind: Mapped[str]
    account_id: Mapped[UUID | None]
    object_kind: Mapped[str | None]
    object_id: Mapped[UUID | None]
    attachments: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    created_at: Mapped[Instant]
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[Instant | None]
    lease_until: Mapped[Instant | None]
    sent_at: Mapped[Instant | None]
    last_error: Mapped[str | None]
