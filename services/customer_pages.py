"""What a customer's own pages ask for beside the other services: final documents, what is owed, what was paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, case, func, select

from core.errors import NotFound
from core.ids import encode
from models.accounts import Account
from models.billing import Invoice
from models.catalog import Plan
from models.credit_notes import CreditNote
from models.payments import Allocation, Payment, PaymentAttempt, PaymentMethod
from models.subscriptions import Subscription
from services import lookups
from services.context import Context, visible
from services.paging import Slice, Window, newest_first

# What its customer may see of a document's life: not its draft.
FINAL = ("open", "paid", "void", "uncollectible")
ISSUED = "issued"


def address(ctx: Context) -> str | None:
    """Where customers find their pages, up to the slash that other addresses go on from; None where the process does
    not know how it is reached from outside.
    """
    if ctx.kit.public_url is None:
        return None
    return f"{ctx.kit.public_url.rstrip('/')}/portal/{encode('provider', ctx.provider.id)}/"


@dataclass(frozen=True)
class Owed:
    """What is open in one currency, in minor units; `overdue_amount` is the part of it whose due date has passed."""

    currency: str
    amount: int
    overdue_amount: int
    invoices: int


@dataclass(frozen=True)
class Paid:
    """A payment, as far as it settled one invoice."""

    received_on: date
    amount: int
    method: str
    reference: str | None
    card: Mapping[str, Any]


@dataclass(frozen=True)
class Contract:
    """A subscription as its holder sees it in a list. `start_at` is None until it has started."""

    plan_name: str
    account_id: UUID
    account_name: str
    status: str
    start_at: datetime | None


def invoices(ctx: Context, window: Window) -> Slice[Invoice]:
    """Documents that are final, newest first."""
    statement = select(Invoice).where(
        Invoice.provider_id == ctx.provider.id, visible(ctx, Invoice.account_id), Invoice.status.in_(FINAL)
    )
    return newest_first(ctx, statement, Invoice.id, window)


def invoice(ctx: Context, invoice_id: UUID) -> Invoice:
    """One document that is final.

    Raises:
        NotFound: there is none, or not for this caller.
    """
    found = lookups.by_id(ctx, Invoice, "invoice", invoice_id, account=Invoice.account_id)
    if found.status not in FINAL:
        raise NotFound("invoice", invoice_id)
    return found


def credit_notes(ctx: Context, limit: int, *, of: Invoice | None = None) -> Sequence[CreditNote]:
    """Credit notes that are issued, newest first: all, or those that correct an invoice."""
    statement = select(CreditNote).where(
        CreditNote.provider_id == ctx.provider.id, visible(ctx, CreditNote.account_id), CreditNote.status == ISSUED
    )
    if of is not None:
        statement = statement.where(CreditNote.invoice_id == of.id)
    return ctx.session.scalars(statement.order_by(CreditNote.id.desc()).limit(limit)).all()


def credit_note(ctx: Context, note_id: UUID) -> CreditNote:
    """One credit note that is issued.

    Raises:
        NotFound: there is none, or not for this caller.
    """
    found = lookups.by_id(ctx, CreditNote, "credit_note", note_id, account=CreditNote.account_id)
    if found.status != ISSUED:
        raise NotFound("credit_note", note_id)
    return found


def owed(ctx: Context) -> Sequence[Owed]:
    """What is open, by currency."""
    due = Invoice.total_amount - Invoice.settled_amount
    overdue = case((Invoice.due_at < ctx.now, due), else_=0)
    rows = ctx.session.execute(
        select(Invoice.currency, func.sum(due), func.sum(overdue), func.count())
        .where(Invoice.provider_id == ctx.provider.id, visible(ctx, Invoice.account_id), Invoice.status == "open")
        .group_by(Invoice.currency)
        .order_by(Invoice.currency)
    )
    return [Owed(currency, int(amount), int(late), count) for currency, amount, late, count in rows]


def paid(ctx: Context, invoice: Invoice) -> Sequence[Paid]:
    """What settled an invoice, in the order it came."""

    def same(table: Any, column: Any) -> Any:
        return and_(table.provider_id == Allocation.provider_id, table.id == column)

    rows = ctx.session.execute(
        select(Payment.received_on, Allocation.amount, Payment.method, Payment.reference, PaymentMethod.summary)
        .select_from(Allocation)
        .join(Payment, same(Payment, Allocation.payment_id))
        .outerjoin(PaymentAttempt, same(PaymentAttempt, Payment.attempt_id))
        .outerjoin(PaymentMethod, same(PaymentMethod, PaymentAttempt.payment_method_id))
        .where(Allocation.provider_id == ctx.provider.id, Allocation.invoice_id == invoice.id)
        .order_by(Allocation.id)
    )
    return [Paid(day, amount, method, reference, card or {}) for day, amount, method, reference, card in rows]


def payment_method(ctx: Context, account_id: UUID) -> PaymentMethod | None:
    """What an account is charged by, if anything is on file."""
    return ctx.session.scalars(
        select(PaymentMethod).where(
            PaymentMethod.provider_id == ctx.provider.id,
            visible(ctx, PaymentMethod.account_id),
            PaymentMethod.account_id == account_id,
            PaymentMethod.status == "active",
            PaymentMethod.is_default,
        )
    ).one_or_none()


def next_bill(ctx: Context, account_id: UUID) -> date | None:
    """The next bill date of an account that pays for itself."""
    return ctx.session.scalars(
        select(Account.next_bill_on).where(
            Account.provider_id == ctx.provider.id, Account.id == account_id, visible(ctx, Account.id)
        )
    ).one_or_none()


def contracts(ctx: Context, limit: int) -> Sequence[Contract]:
    """The newest subscriptions, in one query."""

    def same(table: Any, column: Any) -> Any:
        return and_(table.provider_id == Subscription.provider_id, table.id == column)

    rows = ctx.session.execute(
        select(Plan.name, Account.id, Account.name, Subscription.status, Subscription.start_at)
        .select_from(Subscription)
        .join(Plan, same(Plan, Subscription.plan_id))
        .join(Account, same(Account, Subscription.account_id))
        .where(Subscription.provider_id == ctx.provider.id, visible(ctx, Subscription.account_id))
        .order_by(Subscription.id.desc())
        .limit(limit)
    )
    return [Contract(*row) for row in rows]
