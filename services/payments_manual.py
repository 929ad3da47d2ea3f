"""Money that a person records: a cheque, a transfer; part of an invoice, several at once, or more than is owed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from billing.periods import local_date
from billing.states.invoice import OPEN, UNCOLLECTIBLE
from core.errors import Conflict, Forbidden, Invalid
from core.ids import encode
from core.money import Money
from models.accounts import Account
from models.billing import Invoice
from models.payments import Payment
from services import gateway_accounts, lookups
from services.context import Context
from services.payments import Receipt, open_invoices, receive


@dataclass(frozen=True)
class NewPayment:
    """A payment to record. `account`, `invoice` and `gateway_account` are references; `amount` in minor units."""

    account: str
    amount: int
    currency: str
    received_on: date | None = None
    reference: str | None = None
    invoice: str | None = None
    gateway_account: str | None = None
    external_id: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


def record(ctx: Context, new: NewPayment) -> Payment:
    """Record money that arrived. It settles the named invoice first, then what is owed longest.

    Raises:
        Forbidden: `operator_only`; a customer does not say by itself that it has paid.
        Invalid: `account_unknown`, `account_is_no_payer`, `currency_mismatch`, `received_in_future`,
            `invoice_unknown`, `invoice_of_other_account`, what `gateway_accounts.resolve` refuses.
        Conflict: `invoice_not_open`.
    """
    operator_only(ctx)
    account = lookups.by_reference(ctx, Account, "account", new.account, pointer="/account", account=Account.id)
    if account.payer_id != account.id:
        payer = encode("account", account.payer_id)
        raise Invalid("account_is_no_payer", f"Invoices of this account go to its payer, {payer}.", "/account")
    today = local_date(ctx.now, account.time_zone)
    if new.received_on is not None and new.received_on > today:
        raise Invalid("received_in_future", "A payment is recorded once it has arrived.", "/received_on")
    first = _invoice(ctx, account, new)
    home = gateway_accounts.resolve(ctx, new.gateway_account, account.seller_id, automatic=False)
    owed = open_invoices(ctx, account.id, account.seller_id, new.currency, first.id if first else None)
    if new.currency != account.currency and not owed:
        raise Invalid("currency_mismatch", f"This account owes {account.currency}.", "/currency")
    receipt = Receipt(
        account_id=account.id,
        seller_id=account.seller_id,
        method="manual",
        amount=Money(new.amount, new.currency),
        received_on=new.received_on or today,
        gateway_account_id=home.id,
        reference=new.reference,
        external_id=new.external_id,
        meta=new.meta,
    )
    return receive(ctx, receipt, owed)


def operator_only(ctx: Context) -> None:
    """Refuse a caller who sees some accounts only."""
    if ctx.scope is not None:
        raise Forbidden("operator_only", "Only the operator records and gives back money.")


def _invoice(ctx: Context, account: Account, new: NewPayment) -> Invoice | None:
    if new.invoice is None:
        return None
    found = lookups.by_reference(ctx, Invoice, "invoice", new.invoice, pointer="/invoice", account=Invoice.account_id)
    if found.account_id != account.id:
        raise Invalid("invoice_of_other_account", "This invoice is another account's.", "/invoice")
    if found.currency != new.currency:
        raise Invalid("currency_mismatch", f"This invoice is in {found.currency}.", "/currency")
    if found.status not in (OPEN, UNCOLLECTIBLE):
        raise Conflict("invoice_not_open", f"This invoice is {found.status}; nothing of it is owed.", "/invoice")
    return found
