"""Credit notes, as doors ask for them: found, read, made for an invoice, and those of a run issued or discarded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select

from billing.credit_notes import Credit, CreditedLine, Wanted, by_amount, by_lines, in_full
from billing.periods import local_date
from billing.states import CREDIT_NOTE
from billing.states.credit_note import DISCARD, ISSUE
from billing.states.invoice import CREDITABLE, VOID
from billing.tax import subtotal_json
from core.errors import Conflict, Invalid
from core.ids import new_id
from models.accounts import Account
from models.billing import Charge, Invoice, InvoiceLine
from models.credit_notes import CreditNote, CreditNoteLine
from models.payments import Payment
from services import lookups, outbox, payments, refunds
from services.context import Context, visible
from services.credit_notes_drafts import SHARED, reference
from services.credit_notes_issue import issue_all, told
from services.credit_notes_rest import invoiced, lines_of
from services.invoicing_release import locked, release
from services.paging import Slice, Window, in_order, newest_first
from services.payments_manual import operator_only
from services.sets import add_rows

CREDIT, PAYMENT_METHOD = "credit", "payment_method"


@dataclass(frozen=True)
class NewCreditNote:
    """What is to be credited of an invoice: `lines`, or an `amount` with its taxes in minor units, or all that is left.

    Args:
        to: `credit`, or `payment_method`: back by the way it was paid.
        currency: of the invoice, where it is named.
    """

    lines: Sequence[Wanted] | None = None
    amount: int | None = None
    currency: str | None = None
    to: str = CREDIT
    reason: str | None = None
    external_id: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """A credit note with its lines; of a dry run neither is stored."""

    note: CreditNote
    lines: Sequence[CreditNoteLine]


def create(ctx: Context, invoice_id: UUID, new: NewCreditNote, *, dry_run: bool = False) -> Made:
    """Credit a final invoice, or see what that would come to.

    What it gives settles the invoice as far as that is open, whatever `to` says: nothing goes back that was not paid.

    Raises:
        NotFound. Forbidden: `operator_only`.
        Conflict: `invoice_not_final`, `invoice_void`.
        Invalid: `currency_mismatch`, `not_paid_by_a_method`, and what `billing.credit_notes` refuses.
    """
    operator_only(ctx)
    invoice = locked(ctx, Invoice, "invoice", invoice_id)
    _check(invoice, new)
    lines = lines_of(ctx, invoice)
    state = invoiced(ctx, invoice, lines)
    if new.amount is not None:
        credit = by_amount(state, new.amount)
    else:
        credit = in_full(state) if new.lines is None else by_lines(state, new.lines)
    owed = invoice.total_amount - invoice.settled_amount
    paid = refunds.paid_by_methods(ctx, invoice.id) if new.to == PAYMENT_METHOD else []
    if new.to == PAYMENT_METHOD and credit.total.minor > owed and not paid:
        detail = "Nothing of this invoice was paid by a method that it could go back to."
        raise Invalid("not_paid_by_a_method", detail, "/to")
    head = _head(ctx, invoice, new, credit)
    rows = _rows(head, credit, {line.id: line for line in lines})
    if dry_run:
        return Made(CreditNote(**head), [CreditNoteLine(**row) for row in rows])
    add_rows(ctx, CreditNote, [head])
    add_rows(ctx, CreditNoteLine, rows)
    note = lookups.by_id(ctx, CreditNote, "credit_note", head["id"], lock=True)
    issue_all(ctx, [note])
    _settle(ctx, note, invoice, paid)
    return Made(note, [CreditNoteLine(**row) for row in rows])


def _check(invoice: Invoice, new: NewCreditNote) -> None:
    if invoice.status == VOID:
        raise Conflict("invoice_void", "This invoice is void: nothing of it is owed.")
    if invoice.status not in CREDITABLE:
        raise Conflict("invoice_not_final", f"This invoice is a {invoice.status}: discard it, and bill anew.")
    if new.currency is not None and new.currency != invoice.currency:
        raise Invalid("currency_mismatch", f"This invoice is in {invoice.currency}.", "/currency")
    if new.amount is not None and new.lines is not None:
        raise Invalid("amount_or_lines", "Name an amount or lines, not both.", "/amount")


def _head(ctx: Context, invoice: Invoice, new: NewCreditNote, credit: Credit) -> dict[str, Any]:
    account = lookups.by_id(ctx, Account, "account", invoice.account_id)
    return {
        "provider_id": ctx.provider.id,
        "id": new_id(),
        "external_id": new.external_id,
        "meta": dict(new.meta),
        "created_at": ctx.now,
        "seller_id": invoice.seller_id,
        "account_id": invoice.account_id,
        "invoice_id": invoice.id,
        "status": CREDIT_NOTE.initial,
        "currency": invoice.currency,
        "grouping_key": invoice.grouping_key,
        "bill_on": local_date(ctx.now, account.time_zone),
        "destination": new.to,
        "reason": new.reason,
        "net_amount": credit.net.minor,
        "tax_amount": sum(tax.amount.minor for tax in credit.taxes),
        "rounding_amount": credit.rounding.minor,
        "total_amount": credit.total.minor,
        "taxes": [subtotal_json(tax) for tax in credit.taxes],
        "corrects": [reference(invoice)],
        "purchase_order": invoice.purchase_order,
    }


def _rows(head: Mapping[str, Any], credit: Credit, lines: Mapping[UUID, InvoiceLine]) -> list[dict[str, Any]]:
    return [
        _row(head, lines[part.line_id], part) | {"position": position}
        for position, part in enumerate(credit.lines, start=1)
    ]


def _row(head: Mapping[str, Any], line: InvoiceLine, part: CreditedLine) -> dict[str, Any]:
    shared = {name: getattr(line, name) for name in SHARED}
    if part.quantity is None:
        shared |= {"unit": None, "unit_price": None}
    return shared | {
        "id": new_id(),
        "credit_note_id": head["id"],
        "invoice_line_id": line.id,
        "quantity": part.quantity,
        "amount": part.amount,
        "charged_amount": part.charged_amount,
    }


def _settle(ctx: Context, note: CreditNote, invoice: Invoice, paid: Sequence[tuple[Payment, int]]) -> None:
    """What the note gives settles its invoice first; the rest goes back to who paid, or stays credit."""
    statement = select(Payment).where(Payment.provider_id == ctx.provider.id, Payment.credit_note_id == note.id)
    given = ctx.session.scalars(statement.with_for_update()).one()
    ctx.session.refresh(invoice)
    payments.use_for(ctx, given, invoice)
    refunds.give_back(ctx, note.id, given, paid, note.reason)


def issue(ctx: Context, note_id: UUID) -> CreditNote:
    """Issue the draft of a credit note, which a billing run has made and left to a person.

    Raises:
        NotFound. Forbidden: `operator_only`. IllegalTransition: it is no draft.
    """
    operator_only(ctx)
    note = locked(ctx, CreditNote, "credit_note", note_id)
    CREDIT_NOTE.apply(note.status, ISSUE)
    issue_all(ctx, [note])
    return note


def discard(ctx: Context, note_id: UUID) -> CreditNote:
    """Drop the draft of a credit note. What it gave back waits for the next run, what it charged is billed anew.

    Raises:
        NotFound. Forbidden: `operator_only`. IllegalTransition: it is no draft.
        Conflict: `invoice_has_corrections`.
    """
    operator_only(ctx)
    note = locked(ctx, CreditNote, "credit_note", note_id)
    note.status = CREDIT_NOTE.apply(note.status, DISCARD)
    line = CreditNoteLine
    charges = ctx.session.scalars(
        select(Charge)
        .join(line, (line.provider_id == Charge.provider_id) & (line.id == Charge.credit_note_line_id))
        .where(Charge.provider_id == ctx.provider.id, line.credit_note_id == note.id)
    ).all()
    release(ctx, note.id, charges)
    outbox.emit_all(ctx, [told("credit_note.discarded", note)])
    return note


def get(ctx: Context, note_id: UUID) -> CreditNote:
    """One credit note that the caller may see."""
    return lookups.by_id(ctx, CreditNote, "credit_note", note_id, account=CreditNote.account_id)


def list_notes(
    ctx: Context,
    window: Window,
    *,
    account: str | None = None,
    invoice: str | None = None,
    billing_run: UUID | None = None,
    status: str | None = None,
    number: str | None = None,
    external_id: str | None = None,
) -> Slice[CreditNote]:
    """Credit notes that the caller may see, newest first.

    Args:
        account: the payer, by id or external id.
        invoice: of which they are, by id or external id.

    Raises:
        UnknownReference: `account_unknown`, `invoice_unknown`.
    """
    statement = select(CreditNote).where(CreditNote.provider_id == ctx.provider.id, visible(ctx, CreditNote.account_id))
    if account is not None:
        payer = lookups.by_reference(ctx, Account, "account", account, pointer="?account", account=Account.id)
        statement = statement.where(CreditNote.account_id == payer.id)
    if invoice is not None:
        document = lookups.by_reference(
            ctx, Invoice, "invoice", invoice, pointer="?invoice", account=Invoice.account_id
        )
        statement = statement.where(CreditNote.invoice_id == document.id)
    for column, value in (
        (CreditNote.run_id, billing_run),
        (CreditNote.status, status),
        (CreditNote.number, number),
        (CreditNote.external_id, external_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    return newest_first(ctx, statement, CreditNote.id, window)


def lines(ctx: Context, note_id: UUID, window: Window) -> Slice[CreditNoteLine]:
    """The lines of a credit note, in the order of the document."""
    note = get(ctx, note_id)
    statement = select(CreditNoteLine).where(
        CreditNoteLine.provider_id == ctx.provider.id, CreditNoteLine.credit_note_id == note.id
    )
    return in_order(ctx, statement, (CreditNoteLine.position,), window)
