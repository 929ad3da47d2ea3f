"""Charges that wait for their customer: its bank wants to hear from the customer itself.

Off session nobody is there to authenticate, so the attempt waits. On its pages the customer starts the charge anew, and
is sent to the bank by the gateway. What became of it is asked of the gateway, like all that is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from billing.states.attempt import REQUIRES_ACTION
from core.ids import encode
from core.money import Money
from models.accounts import Account
from models.billing import Invoice
from models.payments import PaymentAttempt
from payments.port import Access, Errand, charging
from services import collection, customer_pages, gateway_accounts, lookups, mail
from services.clock import system_now
from services.context import Context

# A customer at its bank may never come back, and the gateway's word may be lost: it is asked then at the latest.
ERRAND_LIFE = timedelta(minutes=15)


@dataclass(frozen=True)
class Start:
    """What is asked of a gateway, outside any transaction, to send a customer to its bank."""

    gateway: str
    access: Access
    reference: str
    payment_method: str
    return_url: str


def waiting(ctx: Context, invoice_id: UUID) -> PaymentAttempt | None:
    """The attempt to collect an invoice that waits for its customer; None where none does.

    Raises:
        NotFound: there is no such invoice, or not for this caller.
    """
    invoice = lookups.by_id(ctx, Invoice, "invoice", invoice_id, account=Invoice.account_id)
    statement = select(PaymentAttempt).where(
        PaymentAttempt.provider_id == ctx.provider.id,
        PaymentAttempt.invoice_id == invoice.id,
        PaymentAttempt.status == REQUIRES_ACTION,
        PaymentAttempt.next_step != "cancel",
        PaymentAttempt.intent_reference.is_not(None),
    )
    return ctx.session.scalars(statement).one_or_none()


def start(ctx: Context, invoice_id: UUID, return_url: str) -> Start | None:
    """Begin to authenticate: what to ask of the gateway; None where nothing waits for the customer any more.

    Args:
        return_url: where the customer's browser comes back to.
    """
    attempt = waiting(ctx, invoice_id)
    if attempt is None:
        return None
    assert attempt.intent_reference is not None, "only one that the gateway knows waits"
    home, method, _ = collection.home_of(ctx, attempt)
    attempt.next_step, attempt.next_at = "ask", system_now() + ERRAND_LIFE
    access = gateway_accounts.access(ctx, home)
    return Start(home.gateway, access, attempt.intent_reference, method.reference, return_url)


def perform(asked: Start) -> Errand:
    """Ask the gateway, outside any transaction."""
    plugin = charging(asked.gateway)
    return plugin.authenticate(asked.access, asked.reference, asked.payment_method, asked.return_url)


def came_back(ctx: Context, invoice_id: UUID) -> None:
    """The customer is back, or has nothing to do there: have the gateway asked now what became of the charge."""
    attempt = waiting(ctx, invoice_id)
    if attempt is not None:
        attempt.next_at = system_now()
        ctx.wake(collection.JOB, attempt.id)


def ask_customer(ctx: Context, attempt_id: UUID) -> None:
    """Write to the payer that its bank waits for it. A payer without an address is told by event only."""
    attempt = lookups.by_id(ctx, PaymentAttempt, "payment_attempt", attempt_id)
    account = lookups.by_id(ctx, Account, "account", attempt.account_id)
    invoice = lookups.by_id(ctx, Invoice, "invoice", attempt.invoice_id)
    pages = customer_pages.address(ctx)
    if attempt.status != REQUIRES_ACTION or account.email is None or pages is None:
        return
    page = f"{pages}invoices/{encode('invoice', invoice.id)}"
    mail.send(
        ctx,
        [account.email],
        f"Please confirm the payment of invoice {invoice.number}",
        letter(invoice, account, Money(attempt.amount, attempt.currency), page),
        kind="payment_action",
        account_id=account.id,
        about=("invoice", invoice.id),
    )


def letter(invoice: Invoice, account: Account, amount: Money, page: str) -> str:
    """The text that asks a payer to confirm a payment at its bank."""
    seller = invoice.seller_snapshot or {}
    lines = [
        f"Dear {account.legal_name or account.name},",
        "",
        f"your bank wants you to confirm the payment of {amount} for invoice {invoice.number}.",
        "Until you do, nothing is charged. Please open the invoice on your pages and choose “Confirm the payment”:",
        "",
        page,
        "",
        str(seller.get("legal_name") or seller.get("name") or ""),
    ]
    return "\n".join(lines)
