"""Lines of an invoice by the thousand: summed up for paper, listed for spreadsheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from core.period import Period, utc
from exports import lines_csv
from exports.document import BeneficiaryGroup, DocumentLine, SubscriptionGroup
from models.billing import Invoice, InvoiceLine
from services import lookups
from services.context import Context
from services.invoicing_view import line_json

# A document of more lines than this shows what they come to; the lines themselves are in its CSV.
SHOWN_MOST = 1_000
LINES_AT_ONCE = 2_000


@dataclass(frozen=True)
class Counted:
    """How many lines an invoice has, and the span that they cover together."""

    lines: int
    supply: Period | None


def count(ctx: Context, invoice: Invoice) -> Counted:
    """How many lines there are, and for what time; a one-off's instant is no span."""
    spans = InvoiceLine.start_at < InvoiceLine.end_at
    number, start, end = ctx.session.execute(
        select(
            func.count(),
            func.min(InvoiceLine.start_at).filter(spans),
            func.max(InvoiceLine.end_at).filter(spans),
        ).where(InvoiceLine.provider_id == ctx.provider.id, InvoiceLine.invoice_id == invoice.id)
    ).one()
    return Counted(number, Period(utc(start), utc(end)) if start is not None else None)


def summary(ctx: Context, invoice: Invoice, buyer: str) -> tuple[BeneficiaryGroup, ...]:
    """What the lines come to: by beneficiary, plan and charge; by plan and charge alone where even that is too long.

    Args:
        buyer: stands for all beneficiaries where they are too many to be told apart.
    """
    rows = _sums(ctx, invoice, InvoiceLine.beneficiary_name, InvoiceLine.beneficiary_id)
    if len(rows) > SHOWN_MOST:
        return (BeneficiaryGroup(buyer, _plans(_sums(ctx, invoice))),)
    return tuple(
        BeneficiaryGroup(own[0].beneficiary_name, _plans(own))
        for own in (list(group) for _, group in groupby(rows, key=lambda row: row.beneficiary_id))
    )


def _sums(ctx: Context, invoice: Invoice, *by: Any) -> Sequence[Any]:
    line = InvoiceLine
    what = (*by, line.subscription_name, line.description, line.charge_code, line.unit)
    return ctx.session.execute(
        select(
            *what,
            func.sum(line.quantity).label("quantity"),
            func.sum(line.amount).label("amount"),
            func.count().label("lines"),
            func.min(line.start_at).label("start"),
            func.max(line.end_at).label("end"),
        )
        .where(line.provider_id == ctx.provider.id, line.invoice_id == invoice.id)
        .group_by(*what)
        .order_by(*(() if not by else (func.min(line.position),)), *what)
        .limit(SHOWN_MOST + 1 if by else None)
    ).all()


def _plans(rows: Sequence[Any]) -> tuple[SubscriptionGroup, ...]:
    by_plan: dict[str, list[Any]] = {}
    for row in rows:
        by_plan.setdefault(row.subscription_name, []).append(row)
    return tuple(SubscriptionGroup(name, tuple(map(_line, own))) for name, own in by_plan.items())


def _line(row: Any) -> DocumentLine:
    return DocumentLine(
        description=row.description,
        charge_code=row.charge_code,
        amount=int(row.amount),
        span=Period(utc(row.start), utc(row.end)) if row.start < row.end else None,
        quantity=row.quantity if row.unit else None,
        unit=row.unit or "",
        price_note=f"{row.lines}\N{MULTIPLICATION SIGN}",
    )


def csv(ctx: Context, invoice_id: UUID, after: int) -> tuple[bytes, int | None]:
    """The next lines of an invoice as CSV, with the names of the columns before the first.

    Args:
        after: the position of the last line that was told, 0 at the beginning.

    Returns:
        The text, and the position to go on after; None when these were the last.

    Raises:
        NotFound: there is no such invoice, or not for this caller.
    """
    invoice = lookups.by_id(ctx, Invoice, "invoice", invoice_id, account=Invoice.account_id)
    lines = ctx.session.scalars(
        select(InvoiceLine)
        .where(
            InvoiceLine.provider_id == ctx.provider.id,
            InvoiceLine.invoice_id == invoice.id,
            InvoiceLine.position > after,
        )
        .order_by(InvoiceLine.position)
        .limit(LINES_AT_ONCE)
    ).all()
    rows = [{**row(line, invoice.currency), "invoice": invoice.number} for line in lines]
    ctx.session.expunge_all()
    return lines_csv.write(rows, names=after == 0), lines[-1].position if len(lines) == LINES_AT_ONCE else None


def cost_centres_csv(ctx: Context, invoice_id: UUID) -> bytes:
    """What the lines of an invoice come to by cost centre, as CSV.

    Raises:
        NotFound: there is no such invoice, or not for this caller.
    """
    invoice = lookups.by_id(ctx, Invoice, "invoice", invoice_id, account=Invoice.account_id)
    known = {"invoice": invoice.number, "currency": invoice.currency}
    return lines_csv.write([each | known for each in invoice.cost_centres], names=True, columns=lines_csv.COST_CENTRES)


def row(line: InvoiceLine, currency: str) -> dict[str, Any]:
    """A line as a row of a CSV file."""
    shown = line_json(line)
    span = shown.pop("span")
    return shown | {
        "currency": currency,
        "start": span["start"],
        "end": span["end"],
        "subscription_reference": line.subscription_reference,
    }
