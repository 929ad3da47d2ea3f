"""Money in: gateway accounts, payment methods, attempts, payments, allocations, what gateways tell us."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Date, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.base import Base, Currency, Instant, Minor, Recorded, Resource, Tenant, external, ref, unique


class GatewayAccount(Base, Tenant, Resource):
    """A seller's account at a gateway.

    `credentials` is an encrypted JSON object: the gateway's own credentials, and the secrets its webhooks are signed
    with.
    """

    __tablename__ = "gateway_account"
    __table_args__ = (
        ref("seller_id", "seller"),
        external("gateway_account"),
        Index(
            "uq_gateway_account_default", "provider_id", "seller_id", unique=True, postgresql_where=text("is_default")
        ),
    )
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "gateway")

    seller_id: Mapped[UUID]
    gateway: Mapped[str]
    name: Mapped[str]
    credentials: Mapped[bytes] = mapped_column(LargeBinary)
    is_default: Mapped[bool] = mapped_column(server_default=text("false"))


class GatewayCustomer(Base, Recorded):
    """An account's name at a gateway account."""

    __tablename__ = "gateway_customer"
    __table_args__ = (ref("gateway_account_id", "gateway_account"), ref("account_id", "account"))

    provider_id: Mapped[UUID] = mapped_column(primary_key=True)
    gateway_account_id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    reference: Mapped[str]


class PaymentMethod(Base, Tenant, Resource):
    """A way to take an account's money; of a card only what may be shown."""

    __tablename__ = "payment_method"
    __table_args__ = (
        ref("account_id", "account"),
        ref("gateway_account_id", "gateway_account"),
        external("payment_method"),
        unique("gateway_account_id", "reference"),
        CheckConstraint("status IN ('active', 'detached')", name="status"),
        Index(
            "uq_payment_method_default", "provider_id", "account_id", unique=True, postgresql_where=text("is_default")
        ),
    )

    account_id: Mapped[UUID]
    gateway_account_id: Mapped[UUID]
    reference: Mapped[str]
    customer_reference: Mapped[str]
    kind: Mapped[str]
    summary: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    status: Mapped[str] = mapped_column(server_default="active")
    is_default: Mapped[bool] = mapped_column(server_default=text("false"))


class PaymentAttempt(Base, Tenant, Recorded):
    """One try to take money. It leads to at most one charge at the gateway (I5).

    `next_step` is what whoever claims the attempt does at the gateway. `next_at` is null once the result is known;
    it and the lease are system time. `then` is the trigger of the attempt that follows a cancelled one.
    """

    __tablename__ = "payment_attempt"
    __table_args__ = (
        ref("invoice_id", "invoice"),
        ref("account_id", "account"),
        ref("payment_method_id", "payment_method"),
        ref("gateway_account_id", "gateway_account"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint(
            "status IN ('created', 'submitted', 'succeeded', 'failed', 'requires_action', 'unknown')", name="status"
        ),
        Index(
            "uq_payment_attempt_running",
            "provider_id",
            "invoice_id",
            unique=True,
            postgresql_where=text("status IN ('created', 'submitted', 'requires_action', 'unknown')"),
        ),
        Index("uq_payment_attempt_intent", "provider_id", "gateway_account_id", "intent_reference", unique=True),
        CheckConstraint("next_step IN ('announce', 'confirm', 'ask', 'cancel')", name="next_step"),
        CheckConstraint("status NOT IN ('succeeded', 'failed') OR next_at IS NULL", name="next_at"),
        Index("ix_payment_attempt_open", "next_at", postgresql_where=text("next_at IS NOT NULL")),
        Index("ix_payment_attempt_invoice", "provider_id", "invoice_id"),
    )
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "status", "next_at", "lease_until", "intent_reference")

    invoice_id: Mapped[UUID]
    account_id: Mapped[UUID]
    payment_method_id: Mapped[UUID]
    gateway_account_id: Mapped[UUID]
    amount: Mapped[Minor]
    currency: Mapped[Currency]
    status: Mapped[str] = mapped_column(server_default="created")
    next_step: Mapped[str] = mapped_column(server_default="announce")
    then: Mapped[str | None]
    intent_reference: Mapped[str | None]
    failure_code: Mapped[str | None]
    decline_code: Mapped[str | None]
    detail: Mapped[str | None]
    retryable: Mapped[bool | None]
    trigger: Mapped[str]
    created_at: Mapped[Instant]
    finished_at: Mapped[Instant | None]
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[Instant | None]
    lease_until: Mapped[Instant | None]


class Payment(Base, Tenant, Resource):
    """Money received, recorded once however often a gateway tells of it; or what a credit note gives.

    What is neither allocated nor given back out of it (`credit_refunded_amount`) is the customer's credit.
    """

    __tablename__ = "payment"
    __table_args__ = (
        ref("account_id", "account"),
        ref("seller_id", "seller"),
        ref("gateway_account_id", "gateway_account"),
        ref("attempt_id", "payment_attempt"),
        ref("credit_note_id", "credit_note"),
        external("payment"),
        unique("attempt_id"),
        unique("credit_note_id"),
        Index(
            "uq_payment_reference",
            "provider_id",
            "gateway_account_id",
            "gateway_reference",
            unique=True,
            postgresql_where=text("gateway_reference IS NOT NULL"),
        ),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("allocated_amount BETWEEN 0 AND amount", name="allocated"),
        CheckConstraint("refunded_amount BETWEEN 0 AND amount", name="refunded"),
        CheckConstraint("credit_refunded_amount BETWEEN 0 AND refunded_amount", name="credit_refunded"),
        CheckConstraint("allocated_amount + credit_refunded_amount <= amount", name="credit"),
        Index(
            "ix_payment_credit",
            "provider_id",
            "account_id",
            postgresql_where=text("allocated_amount + credit_refunded_amount < amount"),
        ),
        Index("ix_payment_account", "provider_id", "account_id", "id"),
    )

    account_id: Mapped[UUID]
    seller_id: Mapped[UUID]
    gateway_account_id: Mapped[UUID | None]
    attempt_id: Mapped[UUID | None]
    credit_note_id: Mapped[UUID | None]
    method: Mapped[str]
    amount: Mapped[Minor]
    allocated_amount: Mapped[Minor] = mapped_column(server_default=text("0"))
    refunded_amount: Mapped[Minor] = mapped_column(server_default=text("0"))
    credit_refunded_amount: Mapped[Minor] = mapped_column(server_default=text("0"))
    currency: Mapped[Currency]
    reference: Mapped[str | None]
    gateway_reference: Mapped[str | None]
    received_on: Mapped[date] = mapped_column(Date)


class Allocation(Base, Tenant, Recorded):
    """What of a payment settles what of an invoice. Immutable."""

    __tablename__ = "allocation"
    __table_args__ = (
        ref("payment_id", "payment"),
        ref("invoice_id", "invoice"),
        CheckConstraint("amount > 0", name="amount"),
        Index("ix_allocation_payment", "provider_id", "payment_id"),
        Index("ix_allocation_invoice", "provider_id", "invoice_id"),
    )
    grants: ClassVar[str] = "select, insert"

    payment_id: Mapped[UUID]
    invoice_id: Mapped[UUID]
    amount: Mapped[Minor]
    created_at: Mapped[Instant]


class Refund(Base, Tenant, Resource):
    """Money given back. It is taken off its payment when the refund is made, and put back should the refund fail.

    `credit_amount` is the part that comes out of the customer's credit: of the payment's own, or all of it out of what
    a credit note gave (`credit_note_id`). Instants as of an attempt.
    """

    __tablename__ = "refund"
    __table_args__ = (
        ref("payment_id", "payment"),
        ref("credit_note_id", "credit_note"),
        external("refund"),
        CheckConstraint("amount > 0", name="amount"),
        CheckConstraint("status IN ('created', 'succeeded', 'failed', 'unknown')", name="status"),
        CheckConstraint("credit_amount BETWEEN 0 AND amount", name="credit_amount"),
        Index("ix_refund_open", "next_at", postgresql_where=text("next_at IS NOT NULL")),
        Index("ix_refund_payment", "provider_id", "payment_id"),
        Index(
            "ix_refund_credit_note",
            "provider_id",
            "credit_note_id",
            postgresql_where=text("credit_note_id IS NOT NULL"),
        ),
    )
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "status", "next_at", "lease_until")

    payment_id: Mapped[UUID]
    credit_note_id: Mapped[UUID | None]
    amount: Mapped[Minor]
    credit_amount: Mapped[Minor] = mapped_column(server_default=text("0"))
    currency: Mapped[Currency]
    reason: Mapped[str | None]
    status: Mapped[str] = mapped_column(server_default="created")
    gateway_reference: Mapped[str | None]
    detail: Mapped[str | None]
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[Instant | None]
    lease_until: Mapped[Instant | None]


class InboundEvent(Base, Tenant, Recorded):
    """What a gateway told us, stored under its own id before it is handled. System time."""

    __tablename__ = "inbound_event"
    __table_args__ = (
        ref("gateway_account_id", "gateway_account"),
        UniqueConstraint("provider_id", "gateway_account_id", "event_reference"),
        CheckConstraint("status IN ('pending', 'done', 'ignored', 'failed')", name="status"),
        Index("ix_inbound_event_pending", "next_at", postgresql_where=text("status = 'pending'")),
    )
    dispatch: ClassVar[tuple[str, ...]] = ("provider_id", "id", "status", "next_at", "lease_until")

    gateway_account_id: Mapped[UUID]
    event_reference: Mapped[str]
    type: Mapped[str]
    payload: Mapped[dict[str, Any]]
    received_at: Mapped[Instant]
    status: Mapped[str] = mapped_column(server_default="pending")
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    next_at: Mapped[Instant]
    lease_until: Mapped[Instant | None]
    detail: Mapped[str | None]
