"""Charges, the claims that make double billing impossible, billing runs, documents and their numbers, blobs."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from models.base import (
    Base,
    Currency,
    Exact,
    Instant,
    Minor,
    Quantity,
    Recorded,
    Resource,
    Tenant,
    external,
    of_provider,
    ref,
    unique,
)


class BilledSpan(Base, Tenant, Recorded):
    """The claim "this item's charge code is billed for this span" (I1). Released claims keep their row and exclude
    nothing.
    """

    __tablename__ = "billed_span"
    __table_args__ = (
        ForeignKeyConstraint(
            ["provider_id", "item_id", "charge_code"],
            ["subscription_item.provider_id", "subscription_item.id", "subscription_item.charge_code"],
        ),
        ExcludeConstraint(
            # An id as two numbers, whose distances a GiST index knows (migration 0020).
            (text("busbar_half(item_id, 1)"), "&&"),
            (text("busbar_half(item_id, 9)"), "&&"),
            ("span", "&&"),
            using="gist",
            where=text("status = 'held'"),
            name="ex_billed_span_item_span",
        ),
        CheckConstraint("status IN ('held', 'released')", name="status"),
        CheckConstraint("NOT isempty(span) AND lower_inc(span) AND NOT upper_inc(span)", name="span"),
        CheckConstraint("NOT lower_inf(span) AND NOT upper_inf(span)", name="bounded"),
        Index("ix_billed_span_item", "provider_id", "item_id"),
    )

    grants: ClassVar[str] = "select, insert, update (span, status)"

    item_id: Mapped[UUID]
    charge_code: Mapped[str]
    span: Mapped[Range[Any]] = mapped_column(TSTZRANGE)
    status: Mapped[str] = mapped_column(server_default="held")


class Charge(Base, Tenant, Recorded):
    """The atom of billing: an amount for an item, a charge code and a span, with the inputs it was computed from.

    On a document once `invoice_line_id` or `credit_note_line_id` is set; that and nothing else of it may change.
    `due_at` is when it may be collected.
    """

    __tablename__ = "charge"
    __table_args__ = (
        ForeignKeyConstraint(
            ["provider_id", "item_id", "charge_code"],
            ["subscription_item.provider_id", "subscription_item.id", "subscription_item.charge_code"],
        ),
        ref("claim_id", "billed_span"),
        ref("payer_id", "account"),
        ref("beneficiary_id", "account"),
        ref("seller_id", "seller"),
        ref("invoice_line_id", "invoice_line"),
        ref("credit_note_line_id", "credit_note_line"),
        ref("adjusts_id", "charge"),
        CheckConstraint("kind IN ('recurring', 'one_off', 'usage', 'credit', 'adjustment', 'drawdown')", name="kind"),
        CheckConstraint("end_at > start_at OR (kind = 'one_off' AND end_at = start_at)", name="span"),
        CheckConstraint("kind IN ('credit', 'adjustment') OR claim_id IS NOT NULL", name="claim"),
        CheckConstraint("invoice_line_id IS NULL OR credit_note_line_id IS NULL", name="document"),
        Index("ix_charge_item", "provider_id", "item_id"),
        Index("ix_charge_claim", "provider_id", "claim_id"),
        Index(
            "ix_charge_waiting",
            *("provider_id", "payer_id", "due_at"),
            postgresql_where=text("invoice_line_id IS NULL AND credit_note_line_id IS NULL"),
        ),
        Index("ix_charge_line", "provider_id", "invoice_line_id", postgresql_where=text("invoice_line_id IS NOT NULL")),
        Index(
            "ix_charge_credit_note_line",
            *("provider_id", "credit_note_line_id"),
            postgresql_where=text("credit_note_line_id IS NOT NULL"),
        ),
        Index("ix_charge_adjusts", "provider_id", "adjusts_id", postgresql_where=text("adjusts_id IS NOT NULL")),
        Index(
            "ix_charge_reduced",
            "provider_id",
            "subscription_id",
            postgresql_where=text("reductions <> '[]'::jsonb"),
        ),
    )

    grants: ClassVar[str] = "select, insert, update (invoice_line_id, credit_note_line_id, released_at)"

    item_id: Mapped[UUID]
    subscription_id: Mapped[UUID]
    charge_code: Mapped[str]
    kind: Mapped[str]
    claim_id: Mapped[UUID | None]
    adjusts_id: Mapped[UUID | None]
    payer_id: Mapped[UUID]
    beneficiary_id: Mapped[UUID]
    seller_id: Mapped[UUID]
    product_id: Mapped[UUID]
    price_id: Mapped[UUID]
    start_at: Mapped[Instant]
    end_at: Mapped[Instant]
    due_at: Mapped[Instant]
    quantity: Mapped[Quantity]
    unit: Mapped[str | None]
    discount: Mapped[Quantity] = mapped_column(server_default=text("0"))
    exact: Mapped[Exact]
    amount: Mapped[Minor]
    # Whether `amount` has its tax in it, as its price does.
    tax_inclusive: Mapped[bool] = mapped_column(server_default=text("false"))
    # What coupons took off: `amount` is what is left.
    reductions: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    currency: Mapped[Currency]
    description: Mapped[str]
    inputs: Mapped[dict[str, Any]]
    known_until: Mapped[Instant]
    created_at: Mapped[Instant]
    invoice_line_id: Mapped[UUID | None]
    credit_note_line_id: Mapped[UUID | None]
    # A charge whose document was voided or discarded after its claim was released; it is never collected again.
    released_at: Mapped[Instant | None]


class BillingRun(Base, Tenant, Resource):
    """One pass of billing: everything up to `as_of`, for some payers or all that are due.

    `finalizes` tells whether its drafts become final by themselves, or wait for a person.
    """

    __tablename__ = "billing_run"
    __table_args__ = (
        of_provider(),
        external("billing_run"),
        CheckConstraint("status IN ('running', 'done')", name="status"),
        Index("ix_billing_run_running", "provider_id", "id", postgresql_where=text("status = 'running'")),
    )
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "status", "as_of")

    as_of: Mapped[Instant]
    trigger: Mapped[str]
    finalizes: Mapped[bool] = mapped_column(server_default=text("true"))
    status: Mapped[str] = mapped_column(server_default="running")
    finished_at: Mapped[Instant | None]


class BillingRunPayer(Base, Recorded):
    """A payer's part of a run.

    Who works on it holds the row's lock, which a dead process loses at once. `tries` counts beginnings, so that a payer
    that takes the process down with it is found out. `reason` says why one is parked; `waiting` lists spans that could
    not be rated.
    """

    __tablename__ = "billing_run_payer"
    __table_args__ = (
        ForeignKeyConstraint(["provider_id", "run_id"], ["billing_run.provider_id", "billing_run.id"]),
        ref("payer_id", "account"),
        CheckConstraint("status IN ('pending', 'done', 'parked')", name="status"),
        CheckConstraint("(status = 'parked') = (reason IS NOT NULL)", name="reason"),
        Index(
            "ix_billing_run_payer_next",
            "provider_id",
            "run_id",
            "tries",
            "bill_on",
            "payer_id",
            postgresql_where=text("status = 'pending'"),
        ),
    )

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    payer_id: Mapped[UUID] = mapped_column(primary_key=True)
    bill_on: Mapped[date] = mapped_column(Date)
    status: Mapped[str] = mapped_column(server_default="pending")
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    reason: Mapped[str | None]
    detail: Mapped[str | None]
    waiting: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))


class NumberSeries(Base, Tenant, Recorded):
    """Numbers of a seller's documents of a kind and year, without gap: `next` is taken under the row's lock."""

    __tablename__ = "number_series"
    __table_args__ = (
        ref("seller_id", "seller"),
        unique("seller_id", "kind", "year"),
        CheckConstraint("next >= 1", name="next"),
    )

    seller_id: Mapped[UUID]
    kind: Mapped[str]
    year: Mapped[int]
    prefix: Mapped[str]
    next: Mapped[int] = mapped_column(server_default=text("1"))


class Invoice(Base, Tenant, Resource):
    """A document. Once it has left `draft`, all but its status, what was settled, credited or written off of it, and
    its PDF is frozen (I3).
    """

    __tablename__ = "invoice"
    __table_args__ = (
        ref("seller_id", "seller"),
        ref("account_id", "account"),
        ref("run_id", "billing_run"),
        ref("series_id", "number_series"),
        external("invoice"),
        UniqueConstraint("provider_id", "series_id", "sequence"),
        CheckConstraint("status IN ('draft', 'open', 'paid', 'void', 'uncollectible', 'discarded')", name="status"),
        CheckConstraint("(sequence IS NULL) = (number IS NULL)", name="number"),
        CheckConstraint("(status IN ('draft', 'discarded')) = (number IS NULL)", name="numbered"),
        CheckConstraint("(number IS NULL) = (finalized_at IS NULL)", name="finalized"),
        CheckConstraint("total_amount = net_amount + tax_amount + rounding_amount", name="total"),
        CheckConstraint("settled_amount BETWEEN 0 AND total_amount", name="settled"),
        CheckConstraint("status <> 'paid' OR settled_amount = total_amount", name="paid"),
        CheckConstraint("credited_amount BETWEEN 0 AND greatest(total_amount, 0)", name="credited"),
        Index("ix_invoice_account", "provider_id", "account_id", "id"),
        Index("ix_invoice_draft", "provider_id", "bill_on", postgresql_where=text("status = 'draft'")),
        Index(
            "ix_invoice_to_finalize",
            *("provider_id", "run_id", "bill_on", "account_id", "currency", "id"),
            postgresql_where=text("status = 'draft' AND finalizes"),
        ),
        Index("ix_invoice_due", "due_at", postgresql_where=text("status = 'open'")),
        Index("ix_invoice_run", "provider_id", "run_id"),
        Index(
            "ix_invoice_without_pdf",
            "finalized_at",
            postgresql_where=text("pdf_blob IS NULL AND finalized_at IS NOT NULL"),
        ),
    )
    dispatch: ClassVar[tuple[str, ...]] = (
        "provider_id",
        "id",
        "status",
        "due_at",
        "finalized_at",
        "pdf_blob",
        "account_id",
    )
    grants: ClassVar[str] = "select, insert, update"

    seller_id: Mapped[UUID]
    account_id: Mapped[UUID]
    run_id: Mapped[UUID | None]
    status: Mapped[str] = mapped_column(server_default="draft")
    currency: Mapped[Currency]
    grouping_key: Mapped[str] = mapped_column(server_default="")
    bill_on: Mapped[date] = mapped_column(Date)
    finalizes: Mapped[bool] = mapped_column(server_default=text("false"))
    series_id: Mapped[UUID | None]
    sequence: Mapped[int | None]
    number: Mapped[str | None]
    issued_on: Mapped[date | None] = mapped_column(Date)
    due_at: Mapped[Instant | None]
    finalized_at: Mapped[Instant | None]
    voided_at: Mapped[Instant | None]
    paid_at: Mapped[Instant | None]
    written_off_at: Mapped[Instant | None]
    write_off_reason: Mapped[str | None]
    net_amount: Mapped[Minor] = mapped_column(server_default=text("0"))
    tax_amount: Mapped[Minor] = mapped_column(server_default=text("0"))
    rounding_amount: Mapped[Minor] = mapped_column(server_default=text("0"))
    total_amount: Mapped[Minor] = mapped_column(server_default=text("0"))
    settled_amount: Mapped[Minor] = mapped_column(server_default=text("0"))
    credited_amount: Mapped[Minor] = mapped_column(server_default=text("0"))
    taxes: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    cost_centres: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    seller_snapshot: Mapped[dict[str, Any] | None]
    buyer_snapshot: Mapped[dict[str, Any] | None]
    payment_instructions: Mapped[dict[str, Any] | None]
    template_version: Mapped[str | None]
    purchase_order: Mapped[str | None]
    pdf_blob: Mapped[bytes | None] = mapped_column(LargeBinary)


class InvoiceLine(Base, Tenant, Recorded):
    """A line of a document: one or more charges. Frozen with its document, names of what it belongs to included.

    `amount` is net. `charged_amount` is the sum of its charges as they were priced: the same, or gross where the price
    includes its tax. `tax_rate` is all rates together; `tax_details` are those of billing.tax.decision, where category
    and rate do not say everything.
    """

    __tablename__ = "invoice_line"
    __table_args__ = (
        ref("invoice_id", "invoice"),
        ref("subscription_id", "subscription"),
        ref("beneficiary_id", "account"),
        unique("invoice_id", "position"),
    )
    grants: ClassVar[str] = "select, insert, update, delete"

    invoice_id: Mapped[UUID]
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
    quantity: Mapped[Quantity]
    unit: Mapped[str | None]
    unit_price: Mapped[Quantity | None]
    exact: Mapped[Exact]
    amount: Mapped[Minor]
    charged_amount: Mapped[Minor]
    tax_inclusive: Mapped[bool] = mapped_column(server_default=text("false"))
    tax_category: Mapped[str]
    tax_rate: Mapped[Quantity]
    tax_details: Mapped[dict[str, Any] | None]
    quality: Mapped[dict[str, Any] | None]
    reductions: Mapped[list[Any]] = mapped_column(server_default=text("'[]'::jsonb"))
    purchase_order: Mapped[str | None]
    cost_centre: Mapped[str | None]


class Blob(Base):
    """Bytes under their SHA-256: the same PDF forever."""

    __tablename__ = "blob"
    __table_args__ = (of_provider(),)
    grants: ClassVar[str] = "select, insert"

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    content_type: Mapped[str]
    data: Mapped[bytes] = mapped_column(LargeBinary)
    recorded_at: Mapped[Instant] = mapped_column(server_default=text("clock_timestamp()"))
