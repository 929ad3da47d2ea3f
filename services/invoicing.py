"""Invoices, as doors ask for them: found, read, made final, taken back, drawn."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from models.accounts import Account
from models.billing import Invoice, InvoiceLine
from services import lookups
from services.context import Context, visible
from services.draft_approval import finalize_many
from services.draft_review import awaiting, review
from services.explanations import explanation
from services.invoicing_finalize import finalize
from services.invoicing_lines import cost_centres_csv, csv
from services.invoicing_pdf import make_pdf, pdf
from services.invoicing_release import discard, void
from services.invoicing_settle import settle
from services.invoicing_view import invoice_json
from services.paging import Slice, Window, in_order, newest_first

__all__ = [
    "cost_centres_csv",
    "csv",
    "discard",
    "explanation",
    "finalize",
    "finalize_many",
    "get",
    "invoice_json",
    "lines",
    "list_invoices",
    "make_pdf",
    "pdf",
    "review",
    "settle",
    "void",
]


def get(ctx: Context, invoice_id: UUID) -> Invoice:
    """One invoice that the caller may see."""
    return lookups.by_id(ctx, Invoice, "invoice", invoice_id, account=Invoice.account_id)


def list_invoices(
    ctx: Context,
    window: Window,
    *,
    account: str | None = None,
    status: str | None = None,
    number: str | None = None,
    billing_run: UUID | None = None,
    awaiting_approval: bool | None = None,
    external_id: str | None = None,
) -> Slice[Invoice]:
    """Invoices that the caller may see, newest first.

    Args:
        account: the payer, by id or external id.
        awaiting_approval: only drafts that a person has to make final or discard; or only others.

    Raises:
        UnknownReference: `account_unknown`.
    """
    statement = select(Invoice).where(Invoice.provider_id == ctx.provider.id, visible(ctx, Invoice.account_id))
    if account is not None:
        payer = lookups.by_reference(ctx, Account, "account", account, pointer="?account", account=Account.id)
        statement = statement.where(Invoice.account_id == payer.id)
    for column, value in (
        (Invoice.status, status),
        (Invoice.number, number),
        (Invoice.run_id, billing_run),
        (Invoice.external_id, external_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if awaiting_approval is not None:
        held = awaiting(Invoice)
        statement = statement.where(held if awaiting_approval else ~held)
    return newest_first(ctx, statement, Invoice.id, window)


def lines(ctx: Context, invoice_id: UUID, window: Window) -> Slice[InvoiceLine]:
    """The lines of an invoice in the order of the document; there is no limit to how many.

    Raises:
        NotFound: there is no such invoice, or not for this caller.
    """
    invoice = get(ctx, invoice_id)
    statement = select(InvoiceLine).where(
        InvoiceLine.provider_id == ctx.provider.id, InvoiceLine.invoice_id == invoice.id
    )
    return in_order(ctx, statement, (InvoiceLine.position,), window)
