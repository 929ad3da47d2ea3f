"""What of an invoice can still be credited.

Its lines as they are frozen, less what credit notes and later documents gave back of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import aliased

from billing.credit_notes import Invoiced, InvoicedLine, given_back_net, rest
from billing.states.credit_note import ISSUED
from billing.states.invoice import CREDITABLE
from billing.tax import TaxRate, read_rate, taxed
from billing.tax.decision import DEFAULT_NAME
from models.billing import Charge, Invoice, InvoiceLine
from models.credit_notes import CreditNote, CreditNoteLine
from services.context import Context

# Charges that take back of what an earlier document charged. What is drawn from a commitment is no such thing.
CORRECTIONS = ("credit", "adjustment")


def lines_of(ctx: Context, invoice: Invoice) -> Sequence[InvoiceLine]:
    """The lines of an invoice, in their order."""
    return ctx.session.scalars(
        select(InvoiceLine)
        .where(InvoiceLine.provider_id == ctx.provider.id, InvoiceLine.invoice_id == invoice.id)
        .order_by(InvoiceLine.position)
    ).all()


def invoiced(ctx: Context, invoice: Invoice, lines: Sequence[InvoiceLine]) -> Invoiced:
    """An invoice as crediting it sees it, in a fixed number of queries."""
    taxes = {read_rate(tax): int(tax["tax_amount"]) for tax in invoice.taxes}
    names = {(rate.category, rate.rate): rate.name for rate in taxes}
    credited = _credited(ctx, invoice)
    given_back = _given_back(ctx, invoice)
    credited_taxes: defaultdict[TaxRate, int] = defaultdict(int)
    rounding = 0
    for note in _notes(ctx, invoice):
        rounding += note.rounding_amount
        for tax in note.taxes:
            credited_taxes[read_rate(tax)] += tax["tax_amount"]
    return Invoiced(
        currency=invoice.currency,
        lines=tuple(_line(line, names, credited.get(line.id), given_back.get(line.id, 0)) for line in lines),
        taxes=taxes,
        rounding_amount=invoice.rounding_amount,
        credited_taxes=credited_taxes,
        credited_rounding_amount=rounding,
    )


def creditable(ctx: Context, invoice: Invoice) -> int:
    """What may still be credited of an invoice, taxes included, in minor units; nothing of one that does not stand.

    Only where later documents gave back of its lines have these to be looked at.
    """
    if invoice.status not in CREDITABLE:
        return 0
    if not _given_back(ctx, invoice):
        return invoice.total_amount - invoice.credited_amount
    return rest(invoiced(ctx, invoice, lines_of(ctx, invoice)))


def _line(line: InvoiceLine, names: Mapping[Any, str], credited: Any, given_back: int) -> InvoicedLine:
    name = names.get((line.tax_category, line.tax_rate), DEFAULT_NAME)
    return InvoicedLine(
        id=line.id,
        amount=line.amount,
        charged_amount=line.charged_amount,
        quantity=line.quantity,
        tax=taxed(line.tax_category, line.tax_rate, line.tax_details, name),
        **(
            {
                "credited_amount": int(credited.amount),
                "credited_charged_amount": int(credited.charged_amount),
                "credited_quantity": credited.quantity,
            }
            if credited
            else {}
        ),
        given_back_amount=given_back_net(line.amount, line.charged_amount, given_back),
    )


def _notes(ctx: Context, invoice: Invoice) -> Sequence[Any]:
    return ctx.session.execute(
        select(CreditNote.taxes, CreditNote.rounding_amount).where(
            CreditNote.provider_id == ctx.provider.id,
            CreditNote.invoice_id == invoice.id,
            CreditNote.status == ISSUED,
        )
    ).all()


def _credited(ctx: Context, invoice: Invoice) -> dict[UUID, Any]:
    """What credit notes gave back of each line."""
    line = CreditNoteLine
    rows = ctx.session.execute(
        select(
            line.invoice_line_id,
            func.sum(line.amount).label("amount"),
            func.sum(line.charged_amount).label("charged_amount"),
            func.coalesce(func.sum(line.quantity), 0).label("quantity"),
        )
        .join(CreditNote, and_(CreditNote.provider_id == line.provider_id, CreditNote.id == line.credit_note_id))
        .where(line.provider_id == ctx.provider.id, CreditNote.invoice_id == invoice.id, CreditNote.status == ISSUED)
        .group_by(line.invoice_line_id)
    )
    return {row.invoice_line_id: row for row in rows}


def _given_back(ctx: Context, invoice: Invoice) -> dict[UUID, int]:
    """What later charges gave back of each line, as priced, above zero; less what was credited of those charges."""
    correction, own, later = aliased(Charge), InvoiceLine, aliased(InvoiceLine)
    undone = (
        select(func.coalesce(func.sum(CreditNoteLine.charged_amount), 0))
        .join(
            CreditNote,
            and_(CreditNote.provider_id == CreditNoteLine.provider_id, CreditNote.id == CreditNoteLine.credit_note_id),
        )
        .where(
            CreditNoteLine.provider_id == later.provider_id,
            CreditNoteLine.invoice_line_id == later.id,
            CreditNote.status == ISSUED,
        )
        .correlate(later)
        .scalar_subquery()
    )
    rows = ctx.session.execute(
        select(own.id, func.sum(undone - correction.amount))
        .join(Charge, and_(Charge.provider_id == own.provider_id, Charge.invoice_line_id == own.id))
        .join(correction, and_(correction.provider_id == Charge.provider_id, correction.adjusts_id == Charge.id))
        .outerjoin(later, and_(later.provider_id == correction.provider_id, later.id == correction.invoice_line_id))
        .where(
            own.provider_id == ctx.provider.id,
            own.invoice_id == invoice.id,
            correction.kind.in_(CORRECTIONS),
            correction.amount < 0,
            correction.released_at.is_(None),
            _elsewhere(later, invoice),
        )
        .group_by(own.id)
    )
    return {line_id: int(amount) for line_id, amount in rows}


def _elsewhere(line: type[InvoiceLine], invoice: Invoice) -> ColumnElement[bool]:
    """On another document, or on none yet: what is on the same one has a line of its own there."""
    return line.invoice_id.is_distinct_from(invoice.id)
