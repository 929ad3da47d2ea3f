"""What is not billed yet: what the next invoice would begin with, running usage, and how both can be had as files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from billing.lines import quality_note
from billing.statements import MONTH, WEEK
from core.errors import Conflict, NotFound
from core.period import Period, utc
from models.accounts import Account
from models.billing import InvoiceLine
from portal import visits
from portal.present import Reader
from services import accounts, unbilled, unbilled_documents
from services.context import Context
from services.portal_sessions import Visitor
from services.unbilled import Sums, Unbilled

pages = Blueprint("unbilled", __name__)
LINES_MOST = 500
# What can be chosen here; other days are set by the provider.
SCHEDULES: Mapping[str, dict[str, Any] | None] = {
    "never": None,
    "weekly": {"every": WEEK, "day": 1},
    "monthly": {"every": MONTH, "day": 15},
}


@dataclass(frozen=True)
class Line:
    """A line on the page."""

    description: str
    small: str
    quantity: str
    price: str
    amount: str


@dataclass(frozen=True)
class Group:
    """Lines of one subscription of one beneficiary."""

    beneficiary: str
    subscription: str
    reference: str
    lines: Sequence[Line]


@dataclass(frozen=True)
class Sheet:
    """What is not billed in one currency."""

    currency: str
    due: str
    due_total: str
    usage: str
    whole: str
    groups: Sequence[Group]
    left_out: int


@pages.get("/<id(provider):provider_id>/unbilled")
@visits.signed_in
def page(provider_id: UUID) -> ResponseReturnValue:
    """The page."""
    visitor = _visitor()
    with visits.as_visitor() as ctx:
        found = _found(ctx, visitor)
        if found is None:
            return render_template("unbilled.html", sheets=None)
        return render_template(
            "unbilled.html",
            sheets=[_sheet(found, sums, visitor) for sums in found.sums],
            moment=Reader.of(visitor).moment(found.as_of),
            next_bill=_date(visitor, found.payer),
            waiting=len(found.waiting),
            chosen=_chosen(found.payer.statement_schedule),
            email=found.payer.email,
        )


@pages.get("/<id(provider):provider_id>/unbilled/pdf")
@visits.signed_in
def pdf(provider_id: UUID) -> ResponseReturnValue:
    """The statement in one currency."""
    currency = request.args.get("currency")
    with visits.as_visitor() as ctx:
        found = _found(ctx, _visitor())
        if found is None or currency not in {each.currency for each in found.sums}:
            raise NotFound("page")
        data = unbilled_documents.statement_pdf(ctx, found, currency)
        return _file(data, "application/pdf", f"unbilled-{currency}.pdf".lower())


@pages.get("/<id(provider):provider_id>/unbilled/lines.csv")
@visits.signed_in
def csv(provider_id: UUID) -> ResponseReturnValue:
    """Every line of it."""
    with visits.as_visitor() as ctx:
        found = _found(ctx, _visitor())
        if found is None:
            raise NotFound("page")
        return _file(unbilled_documents.statement_csv(found), "text/csv; charset=utf-8", "unbilled.csv")


@pages.get("/<id(provider):provider_id>/unbilled/pro-forma")
@visits.signed_in
def pro_forma(provider_id: UUID) -> ResponseReturnValue:
    """The next bill, if nothing more happened until then: the first of its documents."""
    with visits.as_visitor() as ctx:
        try:
            data = unbilled_documents.pro_forma_pdf(ctx, _visitor().account_id, None, 1)
        except Conflict:
            raise NotFound("page") from None
        return _file(data, "application/pdf", "pro-forma.pdf")


@pages.post("/<id(provider):provider_id>/unbilled/schedule")
@visits.signed_in
def schedule(provider_id: UUID) -> ResponseReturnValue:
    """Choose when statements are mailed."""
    wanted = request.form.get("schedule", "")
    if wanted not in SCHEDULES:
        raise NotFound("page")
    with visits.as_visitor() as ctx:
        accounts.change(ctx, _visitor().account_id, {"statement_schedule": SCHEDULES[wanted]})
    return redirect(url_for("unbilled.page", provider_id=provider_id), 303)


def _visitor() -> Visitor:
    visitor = visits.current().visitor
    if visitor is None:
        raise NotFound("page")
    return visitor


def _found(ctx: Context, visitor: Visitor) -> Unbilled | None:
    """Nothing where another account pays."""
    try:
        return unbilled.unbilled(ctx, visitor.account_id)
    except Conflict:
        return None


def _file(data: bytes, media_type: str, name: str) -> Response:
    response = Response(data, content_type=media_type)
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def _date(visitor: Visitor, payer: Account) -> str:
    return Reader.of(visitor).figures.date(payer.next_bill_on) if payer.next_bill_on else ""


def _chosen(stored: Mapping[str, Any] | None) -> str:
    """Which of the choices is in force; "" for days that are not among them."""
    return next((name for name, schedule in SCHEDULES.items() if schedule == stored), "")


def _sheet(found: Unbilled, sums: Sums, visitor: Visitor) -> Sheet:
    reader = Reader.of(visitor, sums.currency)
    due = [(line, False) for line, currency in found.due if currency == sums.currency]
    lines = [*due, *((each.line, True) for each in found.running if each.currency == sums.currency)]
    return Sheet(
        currency=sums.currency,
        due=reader.money(sums.due_net_amount),
        due_total=reader.money(sums.due_total_amount) if sums.due_tax_amount else "",
        usage=reader.money(sums.usage_net_amount),
        whole=reader.money(sums.net_amount),
        groups=_groups(lines[:LINES_MOST], reader),
        left_out=max(0, len(lines) - LINES_MOST),
    )


def _groups(lines: Sequence[tuple[InvoiceLine, bool]], reader: Reader) -> list[Group]:
    """By beneficiary and subscription, in the order in which they first come; what is due before what runs."""
    order: dict[tuple[str, str, str], int] = {}
    for line, _ in lines:
        order.setdefault(_of(line), len(order))
    ordered = sorted(lines, key=lambda entry: order[_of(entry[0])])
    return [
        Group(*key, [_line(line, running, reader) for line, running in own])
        for key, own in groupby(ordered, key=lambda entry: _of(entry[0]))
    ]


def _of(line: InvoiceLine) -> tuple[str, str, str]:
    return line.beneficiary_name, line.subscription_name, line.subscription_reference


def _line(line: InvoiceLine, running: bool, reader: Reader) -> Line:
    span = reader.span(Period(utc(line.start_at), utc(line.end_at))) if line.end_at > line.start_at else ""
    small = [span, "still running, so far" if running else "", quality_note(line.quality)]
    counted = line.unit or line.quantity != 1
    return Line(
        description=line.description,
        small=" · ".join(filter(None, small)),
        quantity=reader.quantity(line.quantity, line.unit) if counted else "",
        price=reader.figures.price(line.unit_price) if line.unit_price is not None else "",
        amount=reader.figures.amount(line.amount),
    )
