"""Invoices: the list, one of them with its lines, its PDF, and why a line costs what it costs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue

from billing.bill_dates import due_on
from billing.lines import quality_note
from core.errors import NotFound
from core.period import Period, parse_instant, utc
from models.billing import Invoice, InvoiceLine
from models.credit_notes import CreditNote
from portal import visits
from portal.explaining import Teller, reduction_words
from portal.present import INVOICE_BADGES, Badge, Reader
from services import credit_notes_pdf, customer_pages, invoicing, payment_actions
from services.clock import system_now
from services.context import Context
from services.paging import Key, Window

pages = Blueprint("invoices", __name__)
PAGE = 50
LINES_PAGE = 200
POSITION = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True)
class Row:
    """An invoice in a list."""

    id: UUID
    number: str
    issued: str
    due: str
    total: str
    open: str
    badge: Badge


@dataclass(frozen=True)
class NoteRow:
    """A credit note in a list."""

    id: UUID
    number: str
    issued: str
    corrects: str
    total: str


@dataclass(frozen=True)
class LineRow:
    """A line on its page."""

    id: UUID
    description: str
    small: str
    quantity: str
    price: str
    amount: str
    why: str


@dataclass(frozen=True)
class Group:
    """Lines of one subscription of one beneficiary."""

    beneficiary: str
    subscription: str
    reference: str
    order: str
    lines: Sequence[LineRow]


@pages.get("/<id(provider):provider_id>/invoices")
@visits.signed_in
def listing(provider_id: UUID) -> ResponseReturnValue:
    """The list, newest first."""
    with visits.as_visitor() as ctx:
        found = customer_pages.invoices(ctx, Window(PAGE, _after_id()))
        rows = [row(ctx, invoice) for invoice in found.rows]
        older = found.last[0] if found.last else None
        first = not request.args.get("after")
        notes = [note_row(note) for note in customer_pages.credit_notes(ctx, PAGE)] if first else []
        return render_template("invoices.html", rows=rows, older=older, first=first, notes=notes)


@pages.get("/<id(provider):provider_id>/invoices/<id(invoice):invoice_id>")
@visits.signed_in
def page(provider_id: UUID, invoice_id: UUID) -> ResponseReturnValue:
    """One invoice, its lines grouped as on the document."""
    with visits.as_visitor() as ctx:
        invoice = customer_pages.invoice(ctx, invoice_id)
        reader = reader_of(invoice)
        found = invoicing.lines(ctx, invoice_id, Window(LINES_PAGE, _after_position()))
        return render_template(
            "invoice.html",
            invoice=invoice,
            row=row(ctx, invoice),
            credited=reader.money(invoice.credited_amount),
            groups=_groups(found.rows, invoice, reader),
            grounds=_grounds(invoice),
            centres=_centres(invoice, reader),
            notes=[note_row(note) for note in customer_pages.credit_notes(ctx, PAGE, of=invoice)],
            more=found.last[0] if found.last else None,
            first=not request.args.get("after"),
            sums=_sums(invoice, reader),
            paid=[_paid(payment, reader) for payment in customer_pages.paid(ctx, invoice)],
            pay=_how_to_pay(invoice, reader),
            action=_action(ctx, invoice),
        )


@pages.get("/<id(provider):provider_id>/invoices/<id(invoice):invoice_id>/pdf")
@visits.signed_in
def pdf(provider_id: UUID, invoice_id: UUID) -> ResponseReturnValue:
    """The document itself."""
    with visits.as_visitor() as ctx:
        invoice = customer_pages.invoice(ctx, invoice_id)
        response = Response(invoicing.pdf(ctx, invoice_id), mimetype="application/pdf")
        response.headers.set("Content-Disposition", "attachment", filename=f"{invoice.number}.pdf")
        return response


@pages.get("/<id(provider):provider_id>/credit-notes/<id(credit_note):note_id>/pdf")
@visits.signed_in
def note_pdf(provider_id: UUID, note_id: UUID) -> ResponseReturnValue:
    """A credit note itself."""
    with visits.as_visitor() as ctx:
        note = customer_pages.credit_note(ctx, note_id)
        response = Response(credit_notes_pdf.pdf(ctx, note.id), mimetype="application/pdf")
        response.headers.set("Content-Disposition", "attachment", filename=f"{note.number}.pdf")
        return response


@pages.get("/<id(provider):provider_id>/invoices/<id(invoice):invoice_id>/lines/<id(invoice_line):line_id>")
@visits.signed_in
def why(provider_id: UUID, invoice_id: UUID, line_id: UUID) -> ResponseReturnValue:
    """Why a line costs what it costs: a page of its own, or, asked for from within the invoice, the part of it."""
    with visits.as_visitor() as ctx:
        invoice = customer_pages.invoice(ctx, invoice_id)
        explained = invoicing.explanation(ctx, invoice_id, line_id)
        reader = reader_of(invoice)
        template = "_explanation.html" if request.headers.get("HX-Request") else "explanation.html"
        told = _told(explained, reader)
        # A sandbox's readings arrive by the machine's clock, which says nothing beside its own.
        return render_template(template, invoice=invoice, explained=explained, sandbox=ctx.provider.sandbox, **told)


def row(ctx: Context, invoice: Invoice) -> Row:
    """An invoice as lists show it."""
    reader = reader_of(invoice)
    owed = invoice.total_amount - invoice.settled_amount if invoice.status == "open" else 0
    overdue = invoice.status == "open" and invoice.due_at is not None and invoice.due_at < ctx.now
    return Row(
        id=invoice.id,
        number=invoice.number or "",
        issued=reader.figures.date(invoice.issued_on) if invoice.issued_on else "",
        due=reader.figures.date(due_on(invoice.due_at, reader.figures.zone.key)) if invoice.due_at else "",
        total=reader.money(invoice.total_amount),
        open=reader.money(owed) if owed else "",
        badge=INVOICE_BADGES["overdue" if overdue else invoice.status],
    )


def note_row(note: CreditNote) -> NoteRow:
    """A credit note as lists show it."""
    reader = reader_of(note)
    return NoteRow(
        id=note.id,
        number=note.number or "",
        issued=reader.figures.date(note.issued_on) if note.issued_on else "",
        corrects=", ".join(each["number"] for each in note.corrects),
        total=reader.money(note.total_amount),
    )


def reader_of(invoice: Invoice | CreditNote) -> Reader:
    """The visitor, reading figures of the document's currency and dates of the zone it was made in."""
    visitor = visits.current().visitor
    if visitor is None:
        raise NotFound("page")
    reader = Reader.of(visitor, invoice.currency)
    buyer = invoice.buyer_snapshot
    return reader.in_zone(buyer["time_zone"]) if buyer else reader


def _after_id() -> Key | None:
    """The invoice that a page goes on from, as the page before wrote it into its link."""
    after = request.args.get("after")
    try:
        return (str(UUID(after)),) if after else None
    except ValueError:
        raise NotFound("page") from None


def _after_position() -> Key | None:
    """The line that a page goes on from."""
    after = request.args.get("after")
    if after and not POSITION.fullmatch(after):
        raise NotFound("page")
    return (after,) if after else None


def _groups(lines: Sequence[InvoiceLine], invoice: Invoice, reader: Reader) -> list[Group]:
    """What the head of the document says of orders and cost centres is not said again."""
    centre = (invoice.buyer_snapshot or {}).get("cost_centre")

    def of(line: InvoiceLine) -> tuple[str, str, str, str]:
        order = line.purchase_order if line.purchase_order != invoice.purchase_order else None
        return line.beneficiary_name, line.subscription_name, line.subscription_reference, order or ""

    return [Group(*key, [_line(line, reader, centre) for line in own]) for key, own in groupby(lines, key=of)]


def _line(line: InvoiceLine, reader: Reader, usual: str | None) -> LineRow:
    span = Period(utc(line.start_at), utc(line.end_at)) if line.end_at > line.start_at else None
    counted = line.unit or line.quantity != 1
    taken_off = [
        f"{reduction_words(reader.figures, each)}: {reader.figures.amount(-each['amount'])}" for each in line.reductions
    ]
    centre = f"Cost centre {line.cost_centre}" if line.cost_centre and line.cost_centre != usual else ""
    return LineRow(
        id=line.id,
        description=line.description,
        small=" · ".join(
            filter(None, [reader.span(span) if span else "", quality_note(line.quality), *taken_off, centre])
        ),
        quantity=reader.quantity(line.quantity, line.unit) if counted else "",
        price=reader.figures.price(line.unit_price) if line.unit_price is not None else "",
        amount=reader.figures.amount(line.amount),
        why="Why this amount?" if line.kind == "usage" else "Details",
    )


def _sums(invoice: Invoice, reader: Reader) -> list[tuple[str, str, str]]:
    """(style, words, amount) from the net sum down to what is open."""
    rows = [("plain", "Subtotal", invoice.net_amount)]
    for tax in invoice.taxes:
        rate = reader.figures.rate(Decimal(tax["rate"]))
        name = " ".join(filter(None, [tax["name"], tax.get("jurisdiction")]))
        rate += f" ({tax['category']})" if tax.get("note") else ""
        rows.append(("plain", f"{name} {rate} on {reader.money(tax['net_amount'])}", tax["tax_amount"]))
    if invoice.rounding_amount:
        rows.append(("plain", "Rounding", invoice.rounding_amount))
    rows.append(("total", "Total", invoice.total_amount))
    if invoice.settled_amount:
        rows.append(("plain", "Paid", -invoice.settled_amount))
        rows.append(("due", "Open", invoice.total_amount - invoice.settled_amount))
    return [(style, words, reader.money(amount)) for style, words, amount in rows]


def _grounds(invoice: Invoice) -> list[str]:
    """Why no tax is due, where none is."""
    return list(dict.fromkeys(tax["note"] for tax in invoice.taxes if tax.get("note")))


def _centres(invoice: Invoice, reader: Reader) -> list[tuple[str, str]]:
    """What each cost centre pays, without tax."""
    return [
        (each["cost_centre"] or "Without a cost centre", reader.money(each["net_amount"]))
        for each in invoice.cost_centres
    ]


def _paid(payment: customer_pages.Paid, reader: Reader) -> dict[str, str]:
    card = payment.card
    by = f"{str(card['brand']).capitalize()} ending in {card['last4']}" if card.get("last4") else payment.method
    return {
        "on": reader.figures.date(payment.received_on),
        "by": by if card else " · ".join(filter(None, [by.capitalize().replace("_", " "), payment.reference])),
        "amount": reader.money(payment.amount),
    }


def _how_to_pay(invoice: Invoice, reader: Reader) -> dict[str, Any] | None:
    """While something is open: the card that will be charged, else where to transfer it to."""
    told = invoice.payment_instructions
    if invoice.status != "open" or told is None or invoice.total_amount == invoice.settled_amount:
        return None
    return {
        "card": told.get("card"),
        "bank": {name: value for name, value in (told.get("bank") or {}).items() if value},
        "reference": told.get("reference"),
        "amount": reader.money(invoice.total_amount - invoice.settled_amount),
    }


def _action(ctx: Context, invoice: Invoice) -> str | None:
    """Whether a payment waits for this customer (`confirm`), or its bank's answer is being asked for (`asking`)."""
    attempt = payment_actions.waiting(ctx, invoice.id)
    if attempt is None:
        return None
    return "asking" if attempt.next_at is not None and attempt.next_at <= system_now() else "confirm"


def _told(explained: dict[str, Any], reader: Reader) -> dict[str, Any]:
    """An explanation as the template shows it."""
    teller = Teller(reader)
    return {
        "told": teller.tell(explained),
        "terms": teller.terms(explained["price"], explained["unit"]),
        "unit": explained["unit"],
        "amount": reader.money(explained["amount"]),
        "billed_at": reader.moment(parse_instant(explained["billed_at"])),
        "credit": teller.credit(explained["credit"]),
        "drawdown": teller.drawdown(explained["drawdown"]),
        "today": teller.today(explained["today"]),
    }
