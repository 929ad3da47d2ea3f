"""Why a line's amount is what it is, from what was stored when it was billed; and how it would look today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select

from billing import rating
from billing.coupons import Reduction
from billing.explanation import explain, today
from billing.index_spans import index_of
from billing.items import USAGE, Item
from billing.reductions import still_taken
from core.errors import NotFound, Refused
from core.ids import encode
from core.period import Period, rfc3339, utc
from models.billing import Charge, Invoice, InvoiceLine
from services import contract_items, contract_prices, indexes, lookups
from services.context import Context
from services.contract_items import Contracts
from stores.usage import slots_many


def explanation(ctx: Context, invoice_id: UUID, line_id: UUID) -> dict[str, Any]:
    """Everything a line was computed from.

    `today` is None unless the same functions, asked now, would come to something else.

    Raises:
        NotFound: there is no such invoice or line, or not for this caller.
    """
    invoice = lookups.by_id(ctx, Invoice, "invoice", invoice_id, account=Invoice.account_id)
    row = ctx.session.execute(
        select(InvoiceLine, Charge)
        .join(Charge, and_(Charge.provider_id == InvoiceLine.provider_id, Charge.invoice_line_id == InvoiceLine.id))
        .where(
            InvoiceLine.provider_id == ctx.provider.id,
            InvoiceLine.invoice_id == invoice.id,
            InvoiceLine.id == line_id,
        )
    ).one_or_none()
    if row is None:
        raise NotFound("invoice_line", line_id)
    line, charge = row
    return {
        "invoice": encode("invoice", invoice.id),
        "line": encode("invoice_line", line.id),
        "charge": encode("charge", charge.id),
        "adjusts": encode("charge", charge.adjusts_id) if charge.adjusts_id else None,
        "kind": charge.kind,
        "charge_code": charge.charge_code,
        "subscription": encode("subscription", charge.subscription_id),
        "beneficiary": encode("account", charge.beneficiary_id),
        "description": line.description,
        "amount": charge.amount,
        "currency": charge.currency,
        "known_until": rfc3339(charge.known_until),
        "billed_at": rfc3339(charge.created_at),
        "reductions": charge.reductions,
        **explain(charge.inputs),
        "corrections": _corrections(ctx, charge),
        "today": _today(ctx, charge),
    }


def _corrections(ctx: Context, charge: Charge) -> list[dict[str, Any]]:
    """What later charges gave back or added, in the order in which they were made."""
    rows = ctx.session.scalars(
        select(Charge)
        .where(
            Charge.provider_id == ctx.provider.id,
            Charge.claim_id == charge.claim_id,
            Charge.adjusts_id == charge.id,
            Charge.released_at.is_(None),
        )
        .order_by(Charge.id)
    )
    return [
        {
            "charge": encode("charge", row.id),
            "kind": row.kind,
            "amount": row.amount,
            "line": encode("invoice_line", row.invoice_line_id) if row.invoice_line_id else None,
        }
        for row in rows
    ]


def _today(ctx: Context, charge: Charge) -> Mapping[str, Any] | None:
    """The charge rated again on what is known now; only metered amounts can come out differently."""
    if charge.kind != USAGE:
        return None
    price = contract_prices.price_terms(ctx, charge.price_id, charge.currency)
    contracts = contract_items.load_subscription(ctx, charge.subscription_id)
    item = next(item for item in contracts.items if item.item_id == charge.item_id)
    span = Period(utc(charge.start_at), utc(charge.end_at))
    code, discount = index_of(price), Decimal(charge.inputs.get("discount", "0"))
    known = indexes.load(ctx, {code: [span]} if code is not None else {})
    try:
        request = rating.slot_request(item, price, span, known)
        assert request is not None  # usage is counted
        used = slots_many(ctx.session, ctx.provider.id, [request], now=ctx.now)
        rated = rating.rate_span(item, price, charge.quantity, span, used, discount, known)
        reduced = sum(each["amount"] for each in charge.reductions)
        taken = _still_taken(contracts, item, charge, rated.amount.minor) if charge.reductions else ()
        return today(charge.inputs, charge.amount, rated, taken, reduced)
    except Refused as refused:
        return {"code": refused.code, "detail": refused.detail}


def _still_taken(contracts: Contracts, item: Item, charge: Charge, amount: int) -> Sequence[Reduction]:
    """What coupons would take off a charge if it came to an amount; nothing any more once its claim was released."""
    claim = next((claim for claim in item.claims if claim.claim_id == charge.claim_id), None)
    redeemed = contracts.redeemed.get(charge.subscription_id)
    return still_taken(item, claim, amount, redeemed) if claim is not None and redeemed is not None else ()
