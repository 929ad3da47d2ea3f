"""Mails that bring a payer its documents: an invoice when it is final, a statement on the days that the payer chose."""

from __future__ import annotations

from uuid import UUID

from billing.bill_dates import due_on
from billing.periods import local_date
from billing.statements import next_statement_at
from core.ids import encode
from core.money import Money
from core.period import rfc3339
from models.accounts import Account
from models.billing import Invoice
from models.providers import Seller
from services import customer_pages, lookups, mail, outbox, unbilled_documents
from services.context import Context
from services.mail import Attachment
from services.unbilled import Unbilled, unbilled
from stores.blobs.postgresql import PLUGIN as BLOBS

PDF, CSV = "application/pdf", "text/csv"


def invoice(ctx: Context, invoice_id: UUID) -> None:
    """Mail a final invoice with its PDF to its payer, where the provider has it so and the payer has an address."""
    if not ctx.provider.settings.mail_invoices:
        return
    found = lookups.by_id(ctx, Invoice, "invoice", invoice_id)
    account = lookups.by_id(ctx, Account, "account", found.account_id)
    if account.email is None:
        return
    seller = found.seller_snapshot or {}
    mail.send(
        ctx,
        [account.email],
        f"Invoice {found.number} from {seller.get('name')}",
        letter(found, account, customer_pages.address(ctx)),
        kind="invoice",
        account_id=account.id,
        about=("invoice", found.id),
        attachments=[Attachment(f"{found.number}.pdf", PDF, invoice_id=found.id)],
    )


def letter(found: Invoice, account: Account, pages: str | None) -> str:
    """The text beside an invoice.

    Args:
        pages: the address of the customer's pages, where it is known.
    """
    assert found.due_at is not None, "only a final invoice is mailed"
    told = found.payment_instructions or {}
    card, bank = told.get("card"), told.get("bank") or {}
    total, day = Money(found.total_amount, found.currency), due_on(found.due_at, account.time_zone)
    lines = [
        f"Dear {account.legal_name or account.name},",
        "",
        f"your invoice {found.number} over {total} is attached.",
    ]
    if found.total_amount == 0:
        lines.append("There is nothing to pay.")
    elif card:
        lines.append(f"We charge your {card.get('brand', 'card')} ending in {card.get('last4', '')}: nothing to do.")
    else:
        where = f" to {bank['iban']}" if bank.get("iban") else ""
        lines.append(f"Please pay it{where} by {day} and quote {found.number}.")
    if pages:
        lines += ["", f"All your invoices, and why each line costs what it costs: {pages}"]
    seller = found.seller_snapshot or {}
    return "\n".join([*lines, "", str(seller.get("legal_name") or seller.get("name") or "")])


def statement(ctx: Context, account_id: UUID) -> None:
    """Make a payer's statement of what is not billed yet when its day has come, mail it and tell of it; nothing where
    nothing is unbilled.
    """
    account = lookups.by_id(ctx, Account, "account", account_id, lock=True)
    if account.statement_schedule is None or account.next_statement_at is None or account.next_statement_at > ctx.now:
        return
    minutes = ctx.provider.settings.close_after_minutes
    schedule = account.statement_schedule
    account.next_statement_at = next_statement_at(schedule, ctx.now, account.time_zone, minutes)
    ctx.session.flush()
    found = unbilled(ctx, account_id)
    if not found.due and not found.running:
        return
    _tell(ctx, found)
    if found.payer.email is not None:
        _send(ctx, found, found.payer.email)


def _tell(ctx: Context, found: Unbilled) -> None:
    sums = [{"currency": each.currency, "net_amount": each.net_amount} for each in found.sums]
    data = {"account": encode("account", found.payer.id), "as_of": rfc3339(found.as_of), "sums": sums}
    outbox.emit(ctx, "account.statement_made", "account", found.payer.id, data, account_id=found.payer.id)


def _send(ctx: Context, found: Unbilled, address: str) -> None:
    day = local_date(found.as_of, found.payer.time_zone)
    files = [("csv", CSV, unbilled_documents.statement_csv(found))]
    for each in found.sums:
        pdf = unbilled_documents.statement_pdf(ctx, found, each.currency)
        files.insert(0, (f"{each.currency.lower()}.pdf", PDF, pdf))
    kept = [
        Attachment(f"unbilled-{day}.{suffix}", kind, BLOBS.put(ctx.session, ctx.provider.id, data, kind))
        for suffix, kind, data in files
    ]
    seller = lookups.by_id(ctx, Seller, "seller", found.payer.seller_id)
    sums = " and ".join(str(Money(each.net_amount, each.currency)) for each in found.sums)
    body = [
        f"Dear {found.payer.legal_name or found.payer.name},",
        "",
        f"by {day}, {sums} without tax has come up that is not billed yet, usage that still runs included.",
        "The attached statement has every line of it. It is not an invoice: there is nothing to pay.",
        "",
        seller.legal_name,
    ]
    mail.send(
        ctx,
        [address],
        f"Not billed yet, as of {day}",
        "\n".join(body),
        kind="statement",
        account_id=found.payer.id,
        about=("account", found.payer.id),
        attachments=kept,
    )
