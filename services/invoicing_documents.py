"""From charges to drafts: what is due and on no document yet goes onto one per seller, currency and grouping key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, and_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from billing.invoices import Billable, DocumentKey, PlannedDocument, collect
from billing.lines import quality, unit_price
from billing.states import INVOICE
from billing.tax import TaxSubtotal, flat_rate
from core.decimals import format_decimal
from core.ids import encode, new_id
from core.money import Money
from core.period import utc
from models.accounts import Account
from models.billing import Charge, Invoice, InvoiceLine
from models.catalog import Plan, Price
from models.providers import Seller
from models.subscriptions import Subscription
from services import outbox
from services.context import Context
from services.invoicing_view import invoice_json
from services.outbox import Emission
from services.sets import add_rows, among


@dataclass(frozen=True)
class Waiting:
    """Charges that are due and on no document yet: as planning sees them, and their rows, by charge."""

    billables: Mapping[UUID, Sequence[Billable]]
    rows: Mapping[UUID, Any]


def waiting(ctx: Context, payers: Collection[UUID], as_of: datetime) -> Waiting:
    """What waits to be billed for these payers, in one query."""
    rows = ctx.session.execute(_waiting(ctx).where(among(Charge.payer_id, payers), Charge.due_at <= as_of)).all()
    by_payer: defaultdict[UUID, list[Billable]] = defaultdict(list)
    for row in rows:
        by_payer[row.Charge.payer_id].append(billable(row))
    return Waiting(by_payer, {row.Charge.id: row for row in rows})


def _waiting(ctx: Context) -> Any:
    def same(table: Any, column: Any) -> Any:
        return and_(table.provider_id == Charge.provider_id, table.id == column)

    corrected, billed_on = aliased(Charge), aliased(InvoiceLine)
    return (
        select(
            Charge,
            Account.name.label("beneficiary_name"),
            # A correction is taxed as what it corrects was, whatever the rate is by now.
            func.coalesce(billed_on.tax_rate, Seller.tax_rate).label("tax_rate"),
            Seller.tax_name,
            Price.position,
            Plan.name.label("plan_name"),
            Subscription.created_at.label("ordered_at"),
            Subscription.external_id,
            Subscription.purchase_order,
            Subscription.cost_centre,
        )
        .join(Account, same(Account, Charge.beneficiary_id))
        .join(Seller, same(Seller, Charge.seller_id))
        .join(Price, same(Price, Charge.price_id))
        .join(Subscription, same(Subscription, Charge.subscription_id))
        .join(Plan, same(Plan, Subscription.plan_id))
        .outerjoin(corrected, same(corrected, Charge.adjusts_id))
        .outerjoin(billed_on, same(billed_on, corrected.invoice_line_id))
        .where(Charge.provider_id == ctx.provider.id, Charge.invoice_line_id.is_(None), Charge.released_at.is_(None))
    )


def billable(row: Any) -> Billable:
    """A waiting charge as planning sees it."""
    charge: Charge = row.Charge
    return Billable(
        id=charge.id,
        key=DocumentKey(charge.seller_id, charge.currency),
        amount=Money(charge.amount, charge.currency),
        tax=flat_rate(row.tax_rate),
        beneficiary_id=charge.beneficiary_id,
        beneficiary_name=row.beneficiary_name,
        beneficiary_is_payer=charge.beneficiary_id == charge.payer_id,
        subscription_id=charge.subscription_id,
        subscription_order=utc(row.ordered_at),
        charge_order=row.position,
        start=utc(charge.start_at),
    )


def draft(
    ctx: Context, run_id: UUID, bill_on: Mapping[UUID, date], as_of: datetime, *, finalizes: bool
) -> dict[UUID, list[PlannedDocument]]:
    """Put what waits onto drafts, in a fixed number of statements.

    Args:
        bill_on: the payers, each with its bill date.
        finalizes: whether the drafts become final by themselves.

    Returns:
        By payer, the documents that were not made because they would have been negative; their charges wait on.
    """
    found = waiting(ctx, bill_on, as_of)
    collected = {payer: collect(charges) for payer, charges in found.billables.items()}
    invoices: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for payer in sorted(collected):
        for document in collected[payer].documents:
            head = _invoice(ctx, run_id, payer, bill_on[payer], document, found, finalizes)
            invoices.append(head)
            lines += [_line(head, i, c, found.rows[c.id]) for i, c in enumerate(document.charges, start=1)]
    _store(ctx, invoices, lines)
    return {payer: list(c.waiting) for payer, c in collected.items() if c.waiting}


def _store(ctx: Context, invoices: Sequence[dict[str, Any]], lines: Sequence[dict[str, Any]]) -> None:
    if not invoices:
        return
    add_rows(ctx, Invoice, invoices)
    add_rows(ctx, InvoiceLine, [{k: v for k, v in line.items() if k != "charge_id"} for line in lines])
    _join(ctx, [line["charge_id"] for line in lines], [line["id"] for line in lines])
    outbox.emit_all(
        ctx,
        [
            Emission("invoice.created", "invoice", head["id"], invoice_json(Invoice(**head)), head["account_id"])
            for head in invoices
        ],
    )


def _join(ctx: Context, charges: Sequence[UUID], lines: Sequence[UUID]) -> None:
    """Put each charge on its line, in one statement."""
    pairs = select(
        func.unnest(bindparam("charges", charges, ARRAY(Uuid()))).label("charge"),
        func.unnest(bindparam("lines", lines, ARRAY(Uuid()))).label("line"),
    ).subquery("pairs")
    ctx.session.execute(
        update(Charge)
        .where(Charge.provider_id == ctx.provider.id, Charge.id == pairs.c.charge)
        .values(invoice_line_id=pairs.c.line),
        execution_options={"synchronize_session": False},
    )


def _invoice(
    ctx: Context,
    run_id: UUID,
    payer_id: UUID,
    bill_on: date,
    document: PlannedDocument,
    found: Waiting,
    finalizes: bool,
) -> dict[str, Any]:
    totals = document.totals
    tax_name = found.rows[document.charges[0].id].tax_name
    return {
        "provider_id": ctx.provider.id,
        "id": new_id(),
        "meta": {},
        "created_at": ctx.now,
        "seller_id": document.key.seller_id,
        "account_id": payer_id,
        "run_id": run_id,
        "status": INVOICE.initial,
        "currency": document.key.currency,
        "grouping_key": document.key.grouping,
        "bill_on": bill_on,
        "finalizes": finalizes,
        "net_amount": totals.net.minor,
        "tax_amount": totals.tax.minor,
        "rounding_amount": 0,
        "total_amount": totals.total.minor,
        "settled_amount": 0,
        "taxes": [tax_json(tax, tax_name) for tax in totals.taxes],
    }


def tax_json(subtotal: TaxSubtotal, name: str) -> dict[str, Any]:
    """A tax subtotal as documents store and show it."""
    return {
        "category": subtotal.tax.category,
        "rate": format_decimal(subtotal.tax.rate),
        "name": name,
        "net_amount": subtotal.net.minor,
        "tax_amount": subtotal.amount.minor,
    }


def _line(head: Mapping[str, Any], position: int, planned: Billable, row: Any) -> dict[str, Any]:
    charge: Charge = row.Charge
    return {
        "provider_id": charge.provider_id,
        "id": new_id(),
        "charge_id": charge.id,
        "invoice_id": head["id"],
        "position": position,
        "kind": charge.kind,
        "charge_code": charge.charge_code,
        "subscription_id": charge.subscription_id,
        "subscription_name": row.plan_name,
        "subscription_reference": row.external_id or encode("subscription", charge.subscription_id),
        "beneficiary_id": charge.beneficiary_id,
        "beneficiary_name": row.beneficiary_name,
        "description": charge.description,
        "start_at": charge.start_at,
        "end_at": charge.end_at,
        "quantity": charge.quantity,
        "unit": charge.unit,
        "unit_price": unit_price(charge.inputs),
        "exact": charge.exact,
        "amount": charge.amount,
        "tax_category": planned.tax.category,
        "tax_rate": planned.tax.rate,
        "quality": quality(charge.inputs),
        "purchase_order": row.purchase_order,
        "cost_centre": row.cost_centre,
    }
