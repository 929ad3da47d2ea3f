"""Double entry: a transfer debits one ledger account and credits another, so the books balance by construction (I2)."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Currency, Instant, Minor, Recorded, Tenant, ref, unique


class LedgerAccount(Base, Tenant, Recorded):
    """An account of the books: of a seller, in one currency, of one payer or gateway account where its kind has one."""

    __tablename__ = "ledger_account"
    __table_args__ = (
        ref("seller_id", "seller"),
        ref("account_id", "account"),
        ref("gateway_account_id", "gateway_account"),
        unique("id", "currency"),
        Index(
            "uq_ledger_account_name",
            "provider_id",
            "seller_id",
            "kind",
            "currency",
            "account_id",
            "gateway_account_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
    )
    grants: ClassVar[str] = "select, insert"

    seller_id: Mapped[UUID]
    kind: Mapped[str]
    currency: Mapped[Currency]
    account_id: Mapped[UUID | None]
    gateway_account_id: Mapped[UUID | None]


class Transfer(Base, Tenant, Recorded):
    """Never updated, never deleted. One cause posts once: (cause kind, cause id, leg) is unique."""

    __tablename__ = "transfer"
    __table_args__ = (
        ForeignKeyConstraint(
            ["provider_id", "debit_id", "currency"],
            ["ledger_account.provider_id", "ledger_account.id", "ledger_account.currency"],
        ),
        ForeignKeyConstraint(
            ["provider_id", "credit_id", "currency"],
            ["ledger_account.provider_id", "ledger_account.id", "ledger_account.currency"],
        ),
        unique("cause_kind", "cause_id", "leg"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("debit_id <> credit_id", name="sides"),
        Index("ix_transfer_debit", "provider_id", "debit_id"),
        Index("ix_transfer_credit", "provider_id", "credit_id"),
    )
    grants: ClassVar[str] = "select, insert"

    debit_id: Mapped[UUID]
    credit_id: Mapped[UUID]
    amount: Mapped[Minor]
    currency: Mapped[Currency]
    cause_kind: Mapped[str]
    cause_id: Mapped[UUID]
    leg: Mapped[str]
    at: Mapped[Instant]
    detail: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
