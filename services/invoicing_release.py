"""Taking a document back: a draft is discarded, an open invoice voided. Its spans may then be billed anew.

What the document charged for the first time is released together with its claims, so that the next run proposes it
again. What it gave back of earlier documents waits again for the next one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, exists, func, select, update

from billing.drawdown import DRAWDOWN
from billing.states import INVOICE
from billing.states.invoice import CANCEL, DISCARD
from core.errors import Conflict
from core.ids import new_id
from models.accounts import Account
from models.billing import BilledSpan, Charge, Invoice, InvoiceLine
from models.credit_notes import CreditNoteLine
from models.payments import PaymentAttempt
from services import ledger, lookups, outbox
from services.context import Context
from services.documents import Document
from services.held_claims import ORIGINALS
from services.invoicing_view import invoice_json
from services.sets import add_rows, among

RUNNING = ("created", "submitted", "requires_action", "unknown")


def discard(ctx: Context, invoice_id: UUID) -> Invoice:
    """Drop a draft: it never had a number.

    Raises:
        NotFound: there is no such invoice, or not for this caller.
        IllegalTransition: it is no draft.
    """
    invoice = locked(ctx, Invoice, "invoice", invoice_id)
    invoice.status = INVOICE.apply(invoice.status, DISCARD)
    release(ctx, invoice.id, _charges_of(ctx, invoice))
    _tell(ctx, "invoice.discarded", invoice)
    return invoice


def void(ctx: Context, invoice_id: UUID) -> Invoice:
    """Take an open invoice back. It keeps its number; the books get the mirror of what it posted.

    Raises:
        NotFound: there is no such invoice, or not for this caller.
        IllegalTransition: it is not open.
        Conflict: `invoice_has_credit_notes`, `invoice_has_payments`, `payment_in_progress`, or
            `invoice_has_corrections`: a later document gives back a part of this one, and has to be taken back first.
    """
    invoice = locked(ctx, Invoice, "invoice", invoice_id)
    after = INVOICE.apply(invoice.status, CANCEL)
    if invoice.credited_amount:
        raise Conflict("invoice_has_credit_notes", "A credit note gave back a part of this invoice: credit the rest.")
    if invoice.settled_amount:
        raise Conflict("invoice_has_payments", "Money was allocated to this invoice: refund it first.")
    refuse_while_paying(ctx, invoice)
    invoice.status, invoice.voided_at = after, ctx.now
    release(ctx, invoice.id, _charges_of(ctx, invoice))
    ledger.reverse(ctx, "invoice.finalized", invoice.id, by="invoice.voided")
    _tell(ctx, "invoice.voided", invoice)
    return invoice


def locked(ctx: Context, table: type[Document], kind: str, document_id: UUID) -> Document:
    """A document and its payer, locked in the order of billing runs: the payer first.

    Raises:
        NotFound: there is no such document, or not for this caller.
    """
    seen = lookups.by_id(ctx, table, kind, document_id, account=table.account_id)
    ctx.session.execute(
        select(Account.id)
        .where(Account.provider_id == ctx.provider.id, Account.id == seen.account_id)
        .with_for_update(key_share=True)
    )
    return lookups.by_id(ctx, table, kind, document_id, lock=True)


def refuse_while_paying(ctx: Context, invoice: Invoice) -> None:
    """Refuse while the result of a payment is awaited.

    Raises:
        Conflict: `payment_in_progress`.
    """
    trying = exists().where(
        PaymentAttempt.provider_id == ctx.provider.id,
        PaymentAttempt.invoice_id == invoice.id,
        PaymentAttempt.status.in_(RUNNING),
    )
    if ctx.session.scalar(select(trying)):
        raise Conflict("payment_in_progress", "A payment of this invoice is under way: wait for its result.")


def release(ctx: Context, document_id: UUID, charges: Sequence[Charge]) -> None:
    """Give up what a document charged, once it is discarded or void: an invoice, or the draft of a credit note.

    Raises:
        Conflict: `invoice_has_corrections`, when another document gives back a part of it.
    """
    ctx.session.flush()
    originals = [charge for charge in charges if charge.kind in ORIGINALS]
    claims = {charge.claim_id for charge in originals}
    # What was drawn from a commitment is worked out anew with the usage that draws from it.
    lasting = (*ORIGINALS, DRAWDOWN)
    given_back = [charge for charge in charges if charge.kind not in lasting and charge.claim_id not in claims]
    waiting = _corrections_waiting(ctx, document_id, claims)
    for charge in (*charges, *waiting):
        charge.released_at = ctx.now
    ctx.session.flush()
    add_rows(ctx, Charge, [_again(ctx, charge) for charge in given_back])
    ctx.session.execute(
        update(BilledSpan)
        .where(
            BilledSpan.provider_id == ctx.provider.id,
            among(BilledSpan.id, [claim for claim in claims if claim]),
            BilledSpan.status == "held",
        )
        .values(status="released"),
        execution_options={"synchronize_session": False},
    )


def _charges_of(ctx: Context, invoice: Invoice) -> Sequence[Charge]:
    return ctx.session.scalars(
        select(Charge)
        .join(
            InvoiceLine, and_(InvoiceLine.provider_id == Charge.provider_id, InvoiceLine.id == Charge.invoice_line_id)
        )
        .where(Charge.provider_id == ctx.provider.id, InvoiceLine.invoice_id == invoice.id)
    ).all()


def _corrections_waiting(ctx: Context, document_id: UUID, claims: Collection[UUID | None]) -> Sequence[Charge]:
    """Charges elsewhere that correct what this document charged: those that wait go with it.

    Raises:
        Conflict: `invoice_has_corrections`, when one is on another document.
    """
    line, noted = InvoiceLine, CreditNoteLine
    document = func.coalesce(line.invoice_id, noted.credit_note_id)
    found = ctx.session.execute(
        select(Charge, document)
        .outerjoin(line, and_(line.provider_id == Charge.provider_id, line.id == Charge.invoice_line_id))
        .outerjoin(noted, and_(noted.provider_id == Charge.provider_id, noted.id == Charge.credit_note_line_id))
        .where(
            Charge.provider_id == ctx.provider.id,
            among(Charge.claim_id, [claim for claim in claims if claim]),
            Charge.released_at.is_(None),
            document.is_distinct_from(document_id),
        )
    ).all()
    if any(on is not None for _, on in found):
        raise Conflict(
            "invoice_has_corrections", "A later document gives back a part of this one: take that back first."
        )
    return [charge for charge, _ in found]


def _again(ctx: Context, charge: Charge) -> dict[str, Any]:
    """The same charge, waiting once more. What it corrects is still billed, so it is still due."""
    facts = {column.key: getattr(charge, column.key) for column in Charge.__mapper__.column_attrs}
    facts.pop("recorded_at")
    fresh = {"id": new_id(), "invoice_line_id": None, "credit_note_line_id": None, "released_at": None}
    return facts | fresh | {"created_at": ctx.now}


def _tell(ctx: Context, event_type: str, invoice: Invoice) -> None:
    ctx.session.flush()
    outbox.emit(ctx, event_type, "invoice", invoice.id, invoice_json(invoice), account_id=invoice.account_id)
