"""What a person looks at before a draft becomes final: doubts about what it rests on, and how it differs from the last.

A draft is held only where the provider has switched review on, or a run was asked not to make its drafts final.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from billing.states import INVOICE
from core.decimals import format_decimal
from core.errors import Conflict
from core.ids import encode
from models.billing import BillingRunPayer, Charge, Invoice, InvoiceLine
from models.credit_notes import CreditNote
from models.places import Anomaly, Assignment, Point
from services import lookups, metering_doubts
from services.context import Context
from services.invoicing_view import invoice_json
from services.sets import among

# What is shown of each kind; counts are of all.
SHOWN_MOST = 500
UNSURE = ("interpolated", "estimated", "substituted", "invalid", "price_estimated")
FINAL = ("open", "paid", "uncollectible")


def awaiting(table: type[Invoice] | type[CreditNote]) -> ColumnElement[bool]:
    """The condition that a document is a draft which a person has to make final or discard."""
    return and_(table.status == INVOICE.initial, ~table.finalizes)


def review(ctx: Context, invoice_id: UUID) -> dict[str, Any]:
    """What is to be known of a draft before it is made final.

    Raises:
        NotFound. Conflict: `invoice_not_draft`.
    """
    invoice = lookups.by_id(ctx, Invoice, "invoice", invoice_id, account=Invoice.account_id)
    if invoice.status != INVOICE.initial:
        raise Conflict("invoice_not_draft", "Only a draft is reviewed; this is none, or none any more.")
    previous = _previous(ctx, invoice)
    anomalies, doubtful = _anomalies(ctx, invoice), _doubtful(ctx, invoice)
    return {
        "invoice": invoice_json(invoice),
        "anomalies": anomalies[:SHOWN_MOST],
        "anomaly_count": len(anomalies),
        "doubtful_lines": doubtful[:SHOWN_MOST],
        "doubtful_line_count": len(doubtful),
        "previous": _shown(invoice, previous) if previous else None,
        "differences": _differences(ctx, invoice, previous)[:SHOWN_MOST],
        "waiting": _waiting(ctx, invoice),
    }


def _of(ctx: Context, invoice: Invoice) -> ColumnElement[bool]:
    return and_(InvoiceLine.provider_id == ctx.provider.id, InvoiceLine.invoice_id == invoice.id)


def _charges(statement: Any) -> Any:
    """With the charges of lines."""
    same = and_(Charge.provider_id == InvoiceLine.provider_id, Charge.invoice_line_id == InvoiceLine.id)
    return statement.select_from(InvoiceLine).join(Charge, same)


def _anomalies(ctx: Context, invoice: Invoice) -> list[dict[str, Any]]:
    """Open doubts about the points that counted for the lines, the newest first, each with the lines it touches."""
    rests = and_(
        Assignment.provider_id == Charge.provider_id,
        Assignment.item_id == Charge.item_id,
        Assignment.span.op("&&")(func.tstzrange(Charge.start_at, Charge.end_at)),
    )
    lines = func.array_agg(InvoiceLine.id.distinct()).label("lines")
    rows = ctx.session.execute(
        _charges(select(Anomaly.id, lines))
        .join(Assignment, rests)
        .join(Anomaly, and_(Anomaly.provider_id == Assignment.provider_id, Anomaly.point_id == Assignment.point_id))
        .where(_of(ctx, invoice), among(Anomaly.status, metering_doubts.OPEN), Anomaly.at < Charge.end_at)
        .group_by(Anomaly.id)
    ).all()
    touched = {row.id: row.lines for row in rows}
    found = ctx.session.execute(
        select(Anomaly, Point.path)
        .join(Point, and_(Point.provider_id == Anomaly.provider_id, Point.id == Anomaly.point_id))
        .where(Anomaly.provider_id == ctx.provider.id, among(Anomaly.id, touched))
        .order_by(Anomaly.id.desc())
    )
    return [
        metering_doubts.facts(anomaly)
        | {
            "path": path,
            "suggestion": metering_doubts.suggestion(anomaly.kind),
            "lines": [encode("invoice_line", line) for line in sorted(touched[anomaly.id])],
        }
        for anomaly, path in found
    ]


def _doubtful(ctx: Context, invoice: Invoice) -> list[dict[str, Any]]:
    """Lines whose quantity was not simply measured, in the order of the document."""
    unsure = or_(*(InvoiceLine.quality[name].astext.not_in(("0", "")) for name in UNSURE))
    flags = Charge.inputs["usage"]["flags"]
    flagged = and_(func.jsonb_typeof(flags) == "array", flags != func.jsonb_build_array())
    rows = ctx.session.execute(
        _charges(select(InvoiceLine, flags.label("flags")))
        .where(_of(ctx, invoice), or_(unsure, flagged))
        .order_by(InvoiceLine.position)
    )
    return [
        {
            "line": encode("invoice_line", line.id),
            "position": line.position,
            "charge_code": line.charge_code,
            "description": line.description,
            "subscription": encode("subscription", line.subscription_id),
            "subscription_name": line.subscription_name,
            "quantity": format_decimal(line.quantity),
            "unit": line.unit,
            "amount": line.amount,
            "quality": line.quality,
            "flags": found or [],
        }
        for line, found in rows
    ]


def _previous(ctx: Context, invoice: Invoice) -> Invoice | None:
    """The last final invoice of the same payer, seller, currency and group that is not later."""
    return ctx.session.scalars(
        select(Invoice)
        .where(
            Invoice.provider_id == ctx.provider.id,
            Invoice.account_id == invoice.account_id,
            Invoice.seller_id == invoice.seller_id,
            Invoice.currency == invoice.currency,
            Invoice.grouping_key == invoice.grouping_key,
            Invoice.status.in_(FINAL),
            Invoice.bill_on <= invoice.bill_on,
        )
        .order_by(Invoice.bill_on.desc(), Invoice.id.desc())
        .limit(1)
    ).one_or_none()


def _shown(invoice: Invoice, previous: Invoice) -> dict[str, Any]:
    return {
        "invoice": encode("invoice", previous.id),
        "number": previous.number,
        "bill_on": previous.bill_on.isoformat(),
        "net_amount": previous.net_amount,
        "total_amount": previous.total_amount,
        "difference_net_amount": invoice.net_amount - previous.net_amount,
        "difference_total_amount": invoice.total_amount - previous.total_amount,
    }


def _differences(ctx: Context, invoice: Invoice, previous: Invoice | None) -> list[dict[str, Any]]:
    """By plan and charge, net: this document beside the one before, the largest differences first."""
    both = [invoice.id, *([previous.id] if previous else [])]

    def total(invoice_id: UUID | None) -> Any:
        return func.coalesce(func.sum(InvoiceLine.amount).filter(InvoiceLine.invoice_id == invoice_id), 0)

    now, before = total(invoice.id), total(previous.id if previous else None)
    rows = ctx.session.execute(
        select(InvoiceLine.subscription_name, InvoiceLine.charge_code, now.label("now"), before.label("before"))
        .where(InvoiceLine.provider_id == ctx.provider.id, among(InvoiceLine.invoice_id, both))
        .group_by(InvoiceLine.subscription_name, InvoiceLine.charge_code)
        .having(now != before)
        .order_by(func.abs(now - before).desc(), InvoiceLine.subscription_name, InvoiceLine.charge_code)
    )
    return [
        {
            "subscription_name": row.subscription_name,
            "charge_code": row.charge_code,
            "amount": int(row.now),
            "previous_amount": int(row.before),
            "difference_amount": int(row.now - row.before),
        }
        for row in rows
    ]


def _waiting(ctx: Context, invoice: Invoice) -> Sequence[Any]:
    """What the draft's run could not bill of the payer, and why."""
    found = ctx.session.scalars(
        select(BillingRunPayer.waiting).where(
            BillingRunPayer.provider_id == ctx.provider.id,
            BillingRunPayer.run_id == invoice.run_id,
            BillingRunPayer.payer_id == invoice.account_id,
        )
    ).one_or_none()
    return found or []
