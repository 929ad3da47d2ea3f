"""The PDF of an invoice: drawn from what is frozen, kept under its hash, made when it is missing.

Everything it shows is on the frozen invoice and its lines, so it is the same file whenever it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import and_, cast, func, select, update
from sqlalchemy.dialects.postgresql import JSONPATH

from billing.bill_dates import due_on
from billing.lines import quality_note
from core.errors import Conflict
from core.period import Period, utc
from exports.document import (
    DEFAULT_COLOUR,
    BankDetails,
    BeneficiaryGroup,
    Buyer,
    CardOnFile,
    CostCentre,
    DocumentLine,
    DocumentTax,
    InvoiceDocument,
    Kind,
    LineReduction,
    Logo,
    PaymentInstructions,
    Seller,
    SubscriptionGroup,
)
from exports.invoice_pdf import PLUGIN as PDF
from models.billing import Charge, Invoice, InvoiceLine
from services import invoicing_lines, lookups
from services.context import Context
from services.documents import Document
from services.sellers import address_lines
from services.sets import among
from stores.blobs.postgresql import PLUGIN as BLOBS


def pdf(ctx: Context, invoice_id: UUID) -> bytes:
    """The PDF of an invoice, drawn now if it was not yet.

    Raises:
        NotFound: there is no such invoice, or not for this caller.
        Conflict: `invoice_not_final`, for a draft and for one that was discarded.
    """
    invoice = lookups.by_id(ctx, Invoice, "invoice", invoice_id, account=Invoice.account_id)
    return _pdf(ctx, invoice)


def make_pdf(ctx: Context, invoice_id: UUID) -> None:
    """Draw and keep the PDF of a final invoice that has none; the step after making it final."""
    invoice = lookups.by_id(ctx, Invoice, "invoice", invoice_id)
    if invoice.pdf_blob is None:
        _pdf(ctx, invoice)


def _pdf(ctx: Context, invoice: Invoice) -> bytes:
    if invoice.finalized_at is None:
        raise Conflict("invoice_not_final", "There is a PDF once the invoice is final.")
    return kept(ctx, invoice, document)


def kept(ctx: Context, final: Document, document_of: Callable[[Context, Document], InvoiceDocument]) -> bytes:
    """The PDF of a final document; drawn and kept now if it was not yet."""
    stored = BLOBS.get(ctx.session, ctx.provider.id, final.pdf_blob) if final.pdf_blob else None
    if stored:
        return stored.data
    data = PDF.render(document_of(ctx, final))
    key = BLOBS.put(ctx.session, ctx.provider.id, data, PDF.media_type)
    table = type(final)
    ctx.session.execute(
        update(table)
        .where(table.provider_id == ctx.provider.id, table.id == final.id, table.pdf_blob.is_(None))
        .values(pdf_blob=key),
        execution_options={"synchronize_session": False},
    )
    return data


def document(ctx: Context, invoice: Invoice) -> InvoiceDocument:
    """A final invoice as the value that formats draw, as it was when it became final: nothing of it paid yet."""
    counted = invoicing_lines.count(ctx, invoice)
    if counted.lines > invoicing_lines.SHOWN_MOST:
        assert invoice.buyer_snapshot is not None  # every final invoice has one, the database says
        summed = invoicing_lines.summary(ctx, invoice, invoice.buyer_snapshot["name"])
        return written(ctx, invoice, summed, counted.supply, lines_apart=counted.lines)
    lines = ctx.session.scalars(
        select(InvoiceLine)
        .where(InvoiceLine.provider_id == ctx.provider.id, InvoiceLine.invoice_id == invoice.id)
        .order_by(InvoiceLine.position)
    ).all()
    return written(ctx, invoice, groups(lines, tiers_of(ctx, [invoice.id])), counted.supply)


def written(
    ctx: Context,
    invoice: Invoice,
    said: Sequence[BeneficiaryGroup],
    supply: Period | None,
    *,
    lines_apart: int = 0,
    kind: Kind = "invoice",
) -> InvoiceDocument:
    """An invoice with its parties as the value that formats draw.

    Args:
        invoice: final, or made up as if it were.
        said: its lines, or what `lines_apart` of them come to.
        supply: the span that it is for.
    """
    seller, buyer = invoice.seller_snapshot, invoice.buyer_snapshot
    instructions = invoice.payment_instructions
    assert seller is not None  # every final invoice has them, the database says
    assert buyer is not None
    assert instructions is not None
    assert invoice.issued_on is not None
    assert invoice.due_at is not None
    return InvoiceDocument(
        seller=seller_of(ctx, seller),
        buyer=buyer_of(buyer),
        number=invoice.number,
        issued_on=invoice.issued_on,
        currency=invoice.currency,
        groups=tuple(said),
        lines_apart=lines_apart,
        kind=kind,
        subtotal_amount=invoice.net_amount,
        taxes=tuple(tax_of(tax) for tax in invoice.taxes),
        total_amount=invoice.total_amount,
        due_amount=invoice.total_amount,
        rounding_amount=invoice.rounding_amount,
        due_on=due_on(invoice.due_at, buyer["time_zone"]),
        supply=supply,
        purchase_order=invoice.purchase_order or "",
        cost_centre=buyer["cost_centre"] or "",
        time_zone=buyer["time_zone"],
        locale=buyer["locale"] or seller["locale"],
        payment=_payment(instructions, seller),
        cost_centres=tuple(CostCentre(each["cost_centre"] or "", each["net_amount"]) for each in invoice.cost_centres),
        notes=(seller["footer"],) if seller["footer"] else (),
    )


def seller_of(ctx: Context, stored: Mapping[str, Any]) -> Seller:
    """A seller as a document kept it."""
    logo = BLOBS.get(ctx.session, ctx.provider.id, bytes.fromhex(stored["logo"])) if stored["logo"] else None
    return Seller(
        name=stored["name"],
        legal_name=stored["legal_name"],
        address=address_lines(stored["address"]),
        country=stored["country"],
        tax_id=stored["tax_id"] or "",
        email=stored["email"] or "",
        website=stored["website"] or "",
        colour=stored["brand_color"] or DEFAULT_COLOUR,
        logo=Logo("svg", logo.data) if logo else None,
        bank=_bank(stored["bank"], stored),
    )


def _bank(stored: Mapping[str, Any], seller: Mapping[str, Any]) -> BankDetails | None:
    details = {name: value for name, value in stored.items() if value}
    return BankDetails(**{"holder": seller["legal_name"], **details}) if details else None


def buyer_of(stored: Mapping[str, Any]) -> Buyer:
    """A payer as a document kept it."""
    return Buyer(
        name=stored["name"],
        address=address_lines(stored["address"]),
        country=stored["country"],
        tax_id=stored["tax_id"] or "",
        email=stored["email"] or "",
        reference=stored["external_id"] or "",
    )


def _payment(stored: Mapping[str, Any], seller: Mapping[str, Any]) -> PaymentInstructions:
    card = stored["card"]
    return PaymentInstructions(
        card=CardOnFile(card.get("brand", ""), card.get("last4", "")) if card else None,
        bank=_bank(stored["bank"], seller),
        reference=stored["reference"],
    )


def tax_of(stored: Mapping[str, Any]) -> DocumentTax:
    """A tax as a document kept it."""
    return DocumentTax(
        *(stored["category"], Decimal(stored["rate"]), stored["net_amount"], stored["tax_amount"], stored["name"]),
        note=stored.get("note", ""),
        jurisdiction=stored.get("jurisdiction", ""),
    )


def _span(line: InvoiceLine) -> Period | None:
    return Period(utc(line.start_at), utc(line.end_at)) if line.start_at < line.end_at else None


def tiers_of(ctx: Context, invoices: Sequence[UUID]) -> dict[UUID, int]:
    """How many prices made each line's amount, where there were several; by line. A price that follows an index has
    one for each of its slots, which are not counted.
    """
    parts = func.jsonb_array_length(func.coalesce(Charge.inputs["parts"], func.jsonb_build_array()))
    rows = ctx.session.execute(
        select(InvoiceLine.id, parts)
        .join(Charge, and_(Charge.provider_id == InvoiceLine.provider_id, Charge.invoice_line_id == InvoiceLine.id))
        .where(InvoiceLine.provider_id == ctx.provider.id, among(InvoiceLine.invoice_id, invoices), parts > 1)
        .where(~func.jsonb_path_exists(Charge.inputs, cast("$.parts[*].runs", JSONPATH)))
    )
    return dict(rows.all())


def groups(lines: Sequence[InvoiceLine], tiers: Mapping[UUID, int]) -> tuple[BeneficiaryGroup, ...]:
    """Every line; they stand by beneficiary and subscription already.

    Args:
        tiers: how many prices made a line's amount, where there were several.
    """
    return tuple(
        BeneficiaryGroup(name, _subscriptions(list(own), tiers))
        for (_, name), own in groupby(lines, key=lambda line: (line.beneficiary_id, line.beneficiary_name))
    )


def _subscriptions(lines: Sequence[InvoiceLine], tiers: Mapping[UUID, int]) -> tuple[SubscriptionGroup, ...]:
    return tuple(
        SubscriptionGroup(
            name,
            tuple(_line(line, tiers.get(line.id, 0)) for line in own),
            reference=reference,
            purchase_order=order or "",
        )
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


def _line(line: InvoiceLine, tiers: int) -> DocumentLine:
    return DocumentLine(
        description=line.description,
        charge_code=line.charge_code,
        amount=line.amount,
        span=None if line.kind == "one_off" else _span(line),
        quantity=line.quantity if line.unit or line.quantity != 1 else None,
        unit=line.unit or "",
        unit_price=line.unit_price,
        prices=tiers,
        exact=line.exact,
        with_tax=line.charged_amount if line.tax_inclusive and line.tax_rate else None,
        quality_note=quality_note(line.quality),
        cost_centre=line.cost_centre or "",
        reductions=tuple(map(_reduction, line.reductions or ())),
    )


def _reduction(stored: Mapping[str, Any]) -> LineReduction:
    percent = Decimal(stored["percent"]) if stored["percent"] is not None else None
    return LineReduction(stored["name"], percent, stored["amount"])
