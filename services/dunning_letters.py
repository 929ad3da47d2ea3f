"""The letters of dunning: plain, polite, with what is owed, since when, how to pay, and what comes next."""

from __future__ import annotations

from datetime import datetime, timedelta

from billing.bill_dates import due_on
from billing.dunning.policy import Action, parse
from billing.periods import local_date
from core.money import Money
from models.accounts import Account
from models.billing import Invoice
from models.dunning import DunningCase
from services import lookups, mail
from services.context import Context


def remind(ctx: Context, case: DunningCase, invoice: Invoice) -> None:
    """Write to the payer about an unpaid invoice. A payer without an address is told by event only."""
    account = lookups.by_id(ctx, Account, "account", invoice.account_id)
    if account.email is None:
        return
    mail.send(
        ctx,
        [account.email],
        f"Reminder: invoice {invoice.number} is unpaid",
        letter(case, invoice, account, ctx.now),
        kind="dunning_reminder",
        account_id=account.id,
        about=("invoice", invoice.id),
    )


def letter(case: DunningCase, invoice: Invoice, account: Account, now: datetime) -> str:
    """The text of a reminder."""
    assert invoice.due_at is not None, "only a finalized invoice is overdue"
    owed = Money(invoice.total_amount - invoice.settled_amount, invoice.currency)
    bank = (invoice.payment_instructions or {}).get("bank") or {}
    lines = [
        f"Dear {account.legal_name or account.name},",
        "",
        f"invoice {invoice.number} of {invoice.issued_on} was due on {due_on(invoice.due_at, account.time_zone)}.",
        f"Of its total, {owed} is still to be paid.",
        "",
        f"Please quote {invoice.number} with your payment.",
    ]
    if bank.get("iban"):
        lines.insert(-1, f"Please pay to {bank['iban']}.")
    off = _suspends_on(case, invoice.due_at, account.time_zone, now)
    if off is not None:
        lines += ["", f"Without payment the services on this invoice will be suspended on {off}."]
    lines += ["", "If you have paid in the meantime, thank you; there is nothing to do.", "", _seller(invoice)]
    return "\n".join(lines)


def _suspends_on(case: DunningCase, due_at: datetime, time_zone: str, now: datetime) -> str | None:
    for step in parse(case.policy).steps:
        at = due_at + timedelta(days=step.after_days)
        if step.action is Action.SUSPEND and at > now:
            return local_date(at, time_zone).isoformat()
    return None


def _seller(invoice: Invoice) -> str:
    snapshot = invoice.seller_snapshot or {}
    return str(snapshot.get("legal_name") or snapshot.get("name") or "")
