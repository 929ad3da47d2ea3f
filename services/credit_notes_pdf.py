"""The PDF of a credit note: drawn from what is frozen, kept under its hash, and made like that of an invoice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import groupby
from uuid import UUID

from sqlalchemy import select

from core.errors import Conflict
from core.period import Period, utc
from exports.document import BeneficiaryGroup, Corrected, DocumentLine, InvoiceDocument, SubscriptionGroup
from models.credit_notes import CreditNote, CreditNoteLine
from services.context import Context
from services.credit_notes import get
from services.invoicing_lines import SHOWN_MOST
from services.invoicing_pdf import buyer_of, kept, seller_of, tax_of


def pdf(ctx: Context, note_id: UUID) -> bytes:
    """The PDF of a credit note, drawn now if it was not yet.

    Raises:
        NotFound: there is no such credit note, or not for this caller.
        Conflict: `credit_note_not_issued`.
    """
    note = get(ctx, note_id)
    if note.issued_at is None:
        raise Conflict("credit_note_not_issued", "There is a PDF once the credit note is issued.")
    return kept(ctx, note, document)


def document(ctx: Context, note: CreditNote) -> InvoiceDocument:
    """An issued credit note as the value that formats draw."""
    seller, buyer = note.seller_snapshot, note.buyer_snapshot
    assert seller is not None  # every issued credit note has them, the database says
    assert buyer is not None
    assert note.issued_on is not None
    lines = ctx.session.scalars(
        select(CreditNoteLine)
        .where(CreditNoteLine.provider_id == ctx.provider.id, CreditNoteLine.credit_note_id == note.id)
        .order_by(CreditNoteLine.position)
    ).all()
    summed = len(lines) > SHOWN_MOST
    reason = (note.reason,) if note.reason else ()
    return InvoiceDocument(
        kind="credit_note",
        seller=seller_of(ctx, seller),
        buyer=buyer_of(buyer),
        number=note.number,
        issued_on=note.issued_on,
        currency=note.currency,
        corrects=tuple(Corrected(each["number"], date.fromisoformat(each["issued_on"])) for each in note.corrects),
        groups=_groups(lines, summed=summed),
        lines_apart=len(lines) if summed else 0,
        subtotal_amount=note.net_amount,
        taxes=tuple(tax_of(tax) for tax in note.taxes),
        total_amount=note.total_amount,
        due_amount=note.total_amount,
        rounding_amount=note.rounding_amount,
        purchase_order=note.purchase_order or "",
        cost_centre=buyer["cost_centre"] or "",
        time_zone=buyer["time_zone"],
        locale=buyer["locale"] or seller["locale"],
        notes=(*reason, *((seller["footer"],) if seller["footer"] else ())),
    )


def _groups(lines: Sequence[CreditNoteLine], *, summed: bool) -> tuple[BeneficiaryGroup, ...]:
    """The lines as they stand, by beneficiary and subscription; or what they come to by plan and charge."""
    if summed:
        return _summed(lines)
    return tuple(
        BeneficiaryGroup(name, _subscriptions(list(own)))
        for (_, name), own in groupby(lines, key=lambda line: (line.beneficiary_id, line.beneficiary_name))
    )


def _subscriptions(lines: Sequence[CreditNoteLine]) -> tuple[SubscriptionGroup, ...]:
    return tuple(
        SubscriptionGroup(name, tuple(map(_line, own)), reference=reference, purchase_order=order or "")
        for (_, name, reference, order), own in groupby(
            lines,
            key=lambda line: (
                line.subscription_id,
                line.subscription_name,
                line.subscription_reference,
                line.purchase_order,
            ),
        )
    )


def _line(line: CreditNoteLine) -> DocumentLine:
    spans = line.start_at < line.end_at and line.kind != "one_off"
    return DocumentLine(
        description=line.description,
        charge_code=line.charge_code,
        amount=line.amount,
        span=Period(utc(line.start_at), utc(line.end_at)) if spans else None,
        quantity=line.quantity if line.unit or line.quantity != 1 else None,
        unit=line.unit or "",
        unit_price=line.unit_price,
        cost_centre=line.cost_centre or "",
    )


def _summed(lines: Sequence[CreditNoteLine]) -> tuple[BeneficiaryGroup, ...]:
    sums: dict[tuple[str, str, str, str], int] = {}
    for line in lines:
        key = (line.beneficiary_name, line.subscription_name, line.description, line.charge_code)
        sums[key] = sums.get(key, 0) + line.amount
    if len(sums) > SHOWN_MOST:
        return (BeneficiaryGroup("", (SubscriptionGroup("", (DocumentLine("", "", sum(sums.values())),)),)),)
    return tuple(
        BeneficiaryGroup(
            name,
            tuple(
                SubscriptionGroup(
                    plan,
                    tuple(
                        DocumentLine(description, code, sums[name, plan, description, code])
                        for *_, description, code in its
                    ),
                )
                for plan, its in groupby(own, key=lambda key: key[1])
            ),
        )
        for name, own in groupby(sorted(sums), key=lambda key: key[0])
    )
