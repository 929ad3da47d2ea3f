"""Accounts: a tree whose payers receive the invoices."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, Index, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Currency, Instant, Resource, Tenant, external, ref


class Account(Base, Tenant, Resource):
    """Who holds subscriptions.

    `path` lists the ancestors from the root down to the account itself, so a subtree is `path @> {root}`.
    `payer_id` is itself or
    the nearest ancestor that pays. Both are fixed at insertion (the application may not update them), and a parent
    must exist
    before its child, so no cycle can arise. `next_bill_at` (payers) is when its next billing run is due.

    `tax_status` says whether it is a business; None is one that has a tax id. When that was last looked up, and the
    register's word for it, are `tax_id_checked_on` and `tax_id_check`.

    `invoice_grouping` is what shares a document, of a payer; `statement_schedule` when it is sent what is not billed
    yet: `{"every": "week" | "month", "day": n}`, next at `next_statement_at`.
    """

    __tablename__ = "account"
    __table_args__ = (
        ref("seller_id", "seller"),
        ref("parent_id", "account"),
        ref("payer_id", "account", deferred=True),
        external("account"),
        CheckConstraint("path[cardinality(path)] = id", name="path"),
        CheckConstraint("(parent_id IS NULL) = (cardinality(path) = 1)", name="root"),
        CheckConstraint("mode IN ('postpaid', 'prepaid')", name="mode"),
        CheckConstraint("tax_status IN ('business', 'consumer')", name="tax_status"),
        CheckConstraint("(payer_id = id) OR parent_id IS NOT NULL", name="payer"),
        CheckConstraint("(next_bill_at IS NULL) OR (payer_id = id)", name="next_bill_at"),
        Index("ix_account_path", "path", postgresql_using="gin"),
        Index("ix_account_payer", "provider_id", "payer_id"),
        Index("ix_account_parent", "provider_id", "parent_id"),
        CheckConstraint("invoice_grouping IN ('payer', 'subscription', 'purchase_order')", name="invoice_grouping"),
        CheckConstraint("next_statement_at IS NULL OR payer_id = id", name="next_statement_at"),
        Index("ix_account_next_bill_at", "next_bill_at", postgresql_where=text("next_bill_at IS NOT NULL")),
        Index(
            "ix_account_next_statement_at",
            "next_statement_at",
            postgresql_where=text("next_statement_at IS NOT NULL"),
        ),
    )
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "payer_id", "path", "next_bill_at", "next_statement_at")
    grants: ClassVar[str] = (
        "select, insert, update (external_id, metadata, name, legal_name, email, country, time_zone, locale, mode, "
        "tax_id, tax_status, tax_id_checked_on, tax_id_check, "
        "purchase_order, cost_centre, address, next_bill_at, next_bill_on, invoice_grouping, "
        "statement_schedule, next_statement_at)"
    )

    seller_id: Mapped[UUID]
    parent_id: Mapped[UUID | None]
    payer_id: Mapped[UUID]
    path: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid()))
    name: Mapped[str]
    legal_name: Mapped[str | None]
    email: Mapped[str | None]
    currency: Mapped[Currency]
    country: Mapped[str]
    time_zone: Mapped[str]
    locale: Mapped[str | None]
    mode: Mapped[str] = mapped_column(server_default="postpaid")
    tax_id: Mapped[str | None]
    tax_status: Mapped[str | None]
    tax_id_checked_on: Mapped[date | None] = mapped_column(Date)
    tax_id_check: Mapped[str | None]
    purchase_order: Mapped[str | None]
    cost_centre: Mapped[str | None]
    address: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    next_bill_at: Mapped[Instant | None]
    next_bill_on: Mapped[date | None] = mapped_column(Date)
    invoice_grouping: Mapped[str] = mapped_column(server_default="payer")
    statement_schedule: Mapped[dict[str, Any] | None]
    next_statement_at: Mapped[Instant | None]
