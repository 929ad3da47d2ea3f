"""Credit notes: documents that give back, of an invoice or because a payer's charges came to less than nothing."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Currency, Instant, Minor, Quantity, Recorded, Resource, Tenant, external, ref, unique


class CreditNote(Base, Tenant, Resource):
    """A credit note. Its amounts are what it gives back, so they are positive where the invoice's were.

    Of an invoice (`invoice_id`), or of charges that came to less than nothing (`run_id`); `corrects` names the
    invoices either way. Once issued, all but its PDF is frozen (I3).
    """

    __tablename__ = "credit_note"
    __table_args__ = (
        ref("seller_id", "seller"),
        ref("account_id", "account"),
        ref("invoice_id", "invoice"),
        ref("run_id", "billing_run"),
        ref("series_id", "number_series"),
        external("credit_note"),
        UniqueConstraint("provider_id", "series_id", "sequence"),
        CheckConstraint("status IN ('draft', 'issued', 'discarded')", name="status"),
        CheckConstraint("destination IN ('credit', 'payment_method')", name="destination"),
        CheckConstraint("(sequence IS NULL) = (number IS NULL)", name="number"),
        CheckConstraint("(status = 'issued') = (number IS NOT NULL)", name="numbered"),
        CheckConstraint("(number IS NULL) = (issued_at IS NULL)", name="issued"),
        CheckConstraint("total_amount = net_amount + tax_amount + rounding_amount", name="total"),
        CheckConstraint("total_amount > 0", name="positive"),
        CheckConstraint("(invoice_id IS NULL) <> (run_id IS NULL)", name="origin"),
        Index("ix_credit_note_account", "provider_id", "account_id", "id"),
        Index("ix_credit_note_invoice", "provider_id", "invoice_id", postgresql_where=text("invoice_id IS NOT NULL")),
        Index("ix_credit_note_run", "provider_id", "run_id", postgresql_where=text("run_id IS NOT NULL")),
        Index(
            "ix_credit_note_to_issue",
            *("provider_id", "run_id", "bill_on", "account_id", "currency", "id"),
            postgresql_where=text("status = 'draft' AND finalizes"),
        ),
    )

    seller_id: Mapped[UUID]
    account_id: Mapped[UUID]
    invoice_id: Mapped[UUID | None]
    run_id: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(server_default="draft")
    currency: Mapped[Currency]
    grouping_key: Mapped[str] = mapped_column(server_default="")
    bill_on: Mapped[date] = mapped_column(Date)
    finalizes: Mapped[bool] = mapped_column(server_default=text("false"))
    destination: Mapped[str] = mapped_column(server_default="credit")
    reason: Mapped[str | None]
    series_id: Mapped[UUID | None]
    sequence: Mapped[int | None]
    number: Mapped[str | None]
    issued_on: Mapped[date | None] = mapped_column(Date)
    issued_at: Mapped[Instant | None]
    net_amount: Mapped[Minor]
    tax_amount: Mapped[Minor]
    rounding_amount: Mapped[Minor]
    total_amount: Mapped[Minor]
    taxes: Mapped[list[Any]]
    corrects: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    seller_snapshot: Mapped[dict[str, Any] | None]
    buyer_snapshot: Mapped[dict[str, Any] | None]
    template_version: Mapped[str | None]
    purchase_order: Mapped[str | None]
    pdf_blob: Mapped[bytes | None] = mapped_column(LargeBinary)


class CreditNoteLine(Base, Tenant, Recorded):
    """A line of a credit note: a part of an invoice's line, or the mirror of one charge. Frozen with its note.

    `quantity` is null where only an amount is given back. `charged_amount` is the amount as its charges were priced:
    with tax where they include it.
    """

    __tablename__ = "credit_note_line"
    __table_args__ = (
        ref("credit_note_id", "credit_note"),
        ref("invoice_line_id", "invoice_line"),
        ref("subscription_id", "subscription"),
        ref("beneficiary_id", "account"),
        unique("credit_note_id", "position"),
        unique("credit_note_id", "invoice_line_id"),
        Index(
            "ix_credit_note_line_invoice_line",
            *("provider_id", "invoice_line_id"),
            postgresql_where=text("invoice_line_id IS NOT NULL"),
        ),
    )
    grants: ClassVar[str] = "select, insert"

    credit_note_id: Mapped[UUID]
    invoice_line_id: Mapped[UUID | None]
    position: Mapped[int]
    kind: Mapped[str]
    charge_code: Mapped[str]
    subscription_id: Mapped[UUID]
    subscription_name: Mapped[str]
    subscription_reference: Mapped[str]
    beneficiary_id: Mapped[UUID]
    beneficiary_name: Mapped[str]
    description: Mapped[str]
    start_at: Mapped[Instant]
    end_at: Mapped[Instant]
    quantity: Mapped[Quantity | None]
    unit: Mapped[str | None]
    unit_price: Mapped[Quantity | None]
    amount: Mapped[Minor]
    charged_amount: Mapped[Minor]
    tax_inclusive: Mapped[bool]
    tax_category: Mapped[str]
    tax_rate: Mapped[Quantity]
    tax_details: Mapped[dict[str, Any] | None]
    purchase_order: Mapped[str | None]
    cost_centre: Mapped[str | None]
